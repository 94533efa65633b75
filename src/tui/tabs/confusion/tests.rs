use std::sync::Arc;

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::*;
use crate::data::mini;
use crate::tui::request::Request;
use crate::tui::tabs::testing::{self, Lent};

fn filled() -> Lent<ConfusionTab> {
    let mut tab = testing::lent(ConfusionTab::default());
    let dataset = Arc::new(mini::load().unwrap());
    tab.show("run", testing::history(20, true));
    tab.cx.predictions.test = Some(testing::predictions(&dataset, 20));
    tab.cx.dataset = Some(dataset);
    tab.cursor = (6, 2);
    tab
}

fn shot(tab: &mut Lent<ConfusionTab>, width: u16, height: u16) -> String {
    testing::text(&testing::draw(tab, width, height, &testing::theme()))
}

#[test]
fn empty_says_what_to_do() {
    let mut tab = testing::lent(ConfusionTab::default());
    insta::assert_snapshot!("empty_80x24", shot(&mut tab, 80, 24));
    insta::assert_snapshot!("empty_120x40", shot(&mut tab, 120, 40));
}

#[test]
fn filled_matrix() {
    let mut tab = filled();
    insta::assert_snapshot!("filled_80x24", shot(&mut tab, 80, 24));
    insta::assert_snapshot!("filled_120x40", shot(&mut tab, 120, 40));
    tab.on_action(Action::Open);
    insta::assert_snapshot!("gallery_80x24", shot(&mut tab, 80, 24));
}

/// A finished run on a set in colours without a test set: validation is shown instead, and said to be.
#[test]
fn without_a_test_part_the_validation_is_shown_and_said_to_be() {
    let mut history = testing::history(3, true);
    let started = history.started.as_mut().unwrap();
    (started.test_images, started.no_test_set) = (0, true);
    started.dataset = "signs".into();
    history.result.as_mut().unwrap().test = None;
    let dataset = testing::colored(3, &[(16, 16), (24, 32)]);
    // Pooled indices count the test set, where there is one, before the validation set.
    let mut tested = dataset.clone();
    std::mem::swap(&mut tested.test, &mut tested.validation);
    let mut predictions = testing::predictions(&tested, 3);
    predictions.is_test = false;
    let mut tab = testing::lent(ConfusionTab::default()).with("run", history);
    tab.cx.predictions.best = Some(predictions);
    tab.cx.dataset = Some(Arc::new(dataset));
    insta::assert_snapshot!("untested_80x24", shot(&mut tab, 80, 24));
    tab.cursor = (0, 2);
    tab.on_action(Action::Open);
    let screen = testing::draw(&mut tab, 80, 24, &testing::theme());
    let text = testing::text(&screen);
    assert!(text.contains("validation, epoch 3 of 20"), "{text}");
    // The outermost pixel of a sign.
    let outer = ratatui::style::Color::Rgb(0, 40, 80);
    let cells = screen.content().iter();
    assert!(cells.filter(|cell| cell.fg == outer).count() > 20, "{text}");
    tab.on_action(Action::Back);
    tab.on_action(Action::Earlier);
    tab.on_action(Action::Open);
    let text = shot(&mut tab, 120, 40);
    assert!(
        text.contains("There are no test predictions (no test set)"),
        "{text}"
    );
}

#[test]
fn images_never_cost_rows_of_the_matrix() {
    let mut tab = filled();
    for height in 24..=60 {
        shot(&mut tab, 100, height);
        assert_eq!(tab.layout.rows, 10, "at height {height}");
    }
}

#[test]
fn the_cell_is_read_aloud() {
    let mut tab = filled();
    let screen = shot(&mut tab, 80, 24);
    assert!(
        screen.contains("true Shirt → predicted Pullover: 62 of 1000 (6.2 %)"),
        "{screen}"
    );
}

#[test]
fn epochs_without_images_say_which_have_them() {
    let mut tab = filled();
    tab.on_action(Action::Earlier);
    tab.on_action(Action::Open);
    let screen = shot(&mut tab, 80, 24);
    assert!(
        screen.contains("Images are kept for the final test"),
        "{screen}"
    );
    assert!(screen.contains("validation, epoch 20 of 20"), "{screen}");
}

#[test]
fn live_epochs_use_the_newest_predictions() {
    let mut tab = filled();
    tab.show("run", testing::history(3, false));
    let dataset = testing::dataset(10, 60);
    tab.cx.predictions.latest = Some(testing::predictions(&dataset, 3));
    assert!(tab.predictions(&tab.cx).is_some());
    tab.on_action(Action::Earlier);
    assert!(tab.predictions(&tab.cx).is_none());
}

#[test]
fn another_run_is_subtracted() {
    let mut tab = filled();
    assert!(matches!(tab.on_action(Action::Mark), Effect::Say(_)));
    tab.cx.other = Some(("lenet5".into(), testing::confusion(5, 1000)));
    tab.on_action(Action::Mark);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("difference with lenet5"), "{screen}");
    assert!(
        screen.contains("62 of 1000 here, 84 of 1000 in lenet5"),
        "{screen}"
    );
    insta::assert_snapshot!("difference_80x24", screen);
    insta::assert_snapshot!("difference_120x40", shot(&mut tab, 120, 40));
    tab.cx.other = None;
    assert!(!shot(&mut tab, 80, 24).contains("difference"));
    tab.cx.other = Some(("lenet5".into(), testing::confusion(5, 1000)));
    assert!(!shot(&mut tab, 80, 24).contains("difference with"));
}

#[test]
fn the_cursor_stays_inside_and_finds_mistakes() {
    let mut tab = filled();
    for _ in 0..30 {
        tab.on_action(Action::Down);
        tab.on_action(Action::Right);
    }
    assert_eq!(tab.cursor, (9, 9));
    tab.on_action(Action::Sort);
    assert_eq!(tab.cursor, (6, 0));
    tab.on_action(Action::Home);
    assert_eq!(tab.cursor, (0, 0));
}

#[test]
fn a_click_moves_and_a_second_opens() {
    let mut tab = filled();
    shot(&mut tab, 80, 24);
    let at = Position::new(
        tab.matrix_area.x + tab.layout.names + 2 * tab.layout.cell_width,
        tab.matrix_area.y + tab.layout.heads + 3,
    );
    tab.on_mouse(Mouse::Click(at));
    assert_eq!(tab.cursor, (3, 2));
    assert!(tab.gallery.is_none());
    tab.on_mouse(Mouse::Click(at));
    assert!(tab.gallery.is_some());
    tab.on_action(Action::Back);
    assert!(tab.gallery.is_none());
}

#[test]
fn no_size_and_no_data_panics() {
    testing::survives(&mut testing::lent(ConfusionTab::default()));
    let mut tab = filled();
    testing::survives(&mut tab);
    tab.on_action(Action::Open);
    testing::survives(&mut tab);
    for classes in [0, 1, 2, 26] {
        let mut history = testing::history(1, false);
        history.epochs[0].held_out.confusion = Confusion::new(classes);
        if let Some(row) = history.epochs[0].held_out.confusion.counts.last_mut() {
            row[0] = u32::MAX;
        }
        let mut tab = testing::lent(ConfusionTab::default());
        tab.show("odd", history.clone());
        tab.on_action(Action::End);
        testing::survives(&mut tab);
        tab.on_action(Action::Open);
        testing::survives(&mut tab);
        history.epochs[0].held_out.confusion.counts.push(vec![1]);
        tab.show("ragged", history);
        tab.on_action(Action::End);
        testing::survives(&mut tab);
    }
}

#[test]
fn many_classes_scroll_with_the_cursor() {
    let mut history = testing::history(1, false);
    history.epochs[0].held_out.confusion = Confusion::new(26);
    let mut tab = testing::lent(ConfusionTab::default());
    tab.show("letters", history);
    tab.on_action(Action::End);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("class 25"), "{screen}");
    assert_eq!(tab.cursor, (25, 25));
}

fn press(tab: &mut Lent<ConfusionTab>, keys: &str) {
    for key in keys.chars() {
        tab.on_text(KeyEvent::from(KeyCode::Char(key)));
    }
}

fn predicted() -> crate::run::prediction::Predicted {
    let dataset = mini::load().unwrap();
    let share = [
        0.9, 0.07, 0.02, 0.006, 0.002, 0.001, 0.0005, 0.0003, 0.0001, 0.0001,
    ];
    crate::run::prediction::Predicted {
        seen: crate::data::input::Seen {
            channels: 1,
            height: 28,
            width: 28,
            pixels: dataset.image(0).unwrap(),
        },
        ranked: dataset.classes.into_iter().rev().zip(share).collect(),
        told: "the best weights, of epoch 3".into(),
        looks_inverted: true,
    }
}

#[test]
fn an_image_of_ones_own_is_asked_for_and_shown() {
    let mut tab = filled();
    assert_eq!(tab.on_action(Action::Predict), Effect::None);
    assert!(tab.takes_text());
    let path = format!("/a b/{}.png", "long".repeat(60));
    press(&mut tab, &path);
    let asks = |is_inverted| {
        Effect::Request(Request::Predict {
            run: "run".into(),
            path: path.clone(),
            is_inverted,
        })
    };
    assert_eq!(tab.on_text(KeyEvent::from(KeyCode::Enter)), asks(false));
    assert!(shot(&mut tab, 80, 24).contains("predicting …"));
    tab.set_predicted("/another.png", false, Err(("no".into(), "yes".into())));
    assert!(
        shot(&mut tab, 80, 24).contains("predicting …"),
        "it is another's"
    );
    tab.set_predicted(&path, false, Ok(Box::new(predicted())));
    insta::assert_snapshot!("own_80x24", shot(&mut tab, 80, 24));
    insta::assert_snapshot!("own_120x40", shot(&mut tab, 120, 40));
    for (width, height) in [(1, 1), (20, 5), (60, 15), (200, 9)] {
        shot(&mut tab, width, height);
    }

    assert_eq!(tab.on_action(Action::CycleView), asks(true));
    tab.set_predicted(&path, false, Ok(Box::new(predicted())));
    assert!(
        shot(&mut tab, 80, 24).contains("predicting …"),
        "of the one before"
    );
    let failed = (
        "a.png is truncated".to_owned(),
        "give a whole PNG".to_owned(),
    );
    tab.set_predicted(&path, true, Err(failed));
    let text = shot(&mut tab, 80, 24);
    assert!(
        text.contains("a.png is truncated") && text.contains("inverted"),
        "{text}"
    );

    tab.on_action(Action::Back);
    assert!(shot(&mut tab, 80, 24).contains("recall"));
    tab.on_action(Action::Predict);
    let remembered = shot(&mut tab, 120, 40);
    assert!(remembered.contains("longlong.png"), "{remembered}");
    tab.on_text(KeyEvent::from(KeyCode::Esc));
    assert!(!tab.takes_text() && shot(&mut tab, 80, 24).contains("recall"));
}

#[test]
fn without_a_run_nobody_predicts() {
    let mut tab = testing::lent(ConfusionTab::default());
    assert!(matches!(tab.on_action(Action::Predict), Effect::Say(_)));
    assert!(!tab.takes_text());
}
