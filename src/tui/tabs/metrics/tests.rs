use super::*;
use crate::metrics::Confusion;
use crate::tui::tabs::testing::{self, Lent};

fn tab_of(epochs: usize, finished: bool) -> Lent<MetricsTab> {
    testing::lent(MetricsTab::default()).with("run", testing::history(epochs, finished))
}

fn shot(tab: &mut Lent<MetricsTab>, width: u16, height: u16) -> String {
    testing::text(&testing::draw(tab, width, height, &testing::theme()))
}

#[test]
fn empty_says_what_to_do() {
    let mut tab = testing::lent(MetricsTab::default());
    insta::assert_snapshot!("empty_80x24", shot(&mut tab, 80, 24));
    insta::assert_snapshot!("empty_120x40", shot(&mut tab, 120, 40));
    assert_eq!(tab.on_action(Action::Train), Effect::GoToTab(TabId::Model));
}

#[test]
fn filled_tables() {
    let mut tab = tab_of(20, true);
    insta::assert_snapshot!("filled_80x24", shot(&mut tab, 80, 24));
    insta::assert_snapshot!("filled_120x40", shot(&mut tab, 120, 40));
    insta::assert_snapshot!("running_80x24", shot(&mut tab_of(7, false), 80, 24));
}

#[test]
fn says_which_part_it_shows() {
    let mut tab = tab_of(20, true);
    assert!(shot(&mut tab, 80, 24).contains("test of the best weights, epoch 20"));
    tab.on_action(Action::CycleView);
    assert!(shot(&mut tab, 80, 24).contains("validation of the best weights, epoch 20"));
    tab.on_action(Action::CycleView);
    assert!(shot(&mut tab, 80, 24).contains("train of the best weights, epoch 20"));
    tab.on_action(Action::Earlier);
    assert!(shot(&mut tab, 80, 24).contains("validation, epoch 20 of 20"));
    let mut running = tab_of(7, false);
    assert!(matches!(
        running.on_action(Action::CycleView),
        Effect::Say(_)
    ));
    assert!(shot(&mut running, 80, 24).contains("validation, epoch 7 of 20"));
}

/// Long names, millions of images, a loss of 10¹⁵ and one that is none.
fn extreme(note: &str) -> Lent<MetricsTab> {
    let mut history = testing::history(3, true);
    if let Some(started) = &mut history.started {
        started.name = "a-name-".repeat(30);
        started.classes = (0..10)
            .map(|i| format!("{i} a class of a long name"))
            .collect();
        started.epochs = 1_000_000;
    }
    let mut counts = vec![vec![0; 10]; 10];
    for (i, row) in counts.iter_mut().enumerate() {
        row[i] = 123_456_789;
    }
    counts[3][4] = 4_000_000_000;
    let scores = |loss| {
        Some(Scores::new(
            loss,
            1,
            Confusion {
                counts: counts.clone(),
            },
        ))
    };
    if let Some(result) = &mut history.result {
        result.train = scores(1.460_974_950_282_202e15);
        result.validation = scores(f64::NAN);
        result.test = scores(f64::INFINITY);
        (result.best_epoch, result.epochs) = (999_999, 1_000_000);
        result.note = note.into();
    }
    let mut tab = testing::lent(MetricsTab::default());
    tab.show("run", history);
    tab
}

#[test]
fn without_a_test_it_says_so() {
    let mut history = testing::history(3, true);
    history.started.as_mut().unwrap().test_images = 0;
    history.result.as_mut().unwrap().test = None;
    let mut tab = testing::lent(MetricsTab::default()).with("run", history);
    let screen = shot(&mut tab, 120, 38);
    assert!(
        screen.contains("There are no test scores (train.test = false)"),
        "{screen}"
    );
    assert!(screen.contains("best @ "), "{screen}");
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains(" images · train.test = false"), "{screen}");
}

#[test]
fn extreme_figures_stay_in_their_columns() {
    let note = "the best weights, of epoch 999999, are missing or damaged: the scores are those of the last weights, of epoch 1000000";
    for (width, height) in [(60, 13), (80, 22), (120, 38)] {
        let name = format!("extreme_{width}x{}", height + 2);
        insta::assert_snapshot!(name, shot(&mut extreme(""), width, height));
        let name = format!("extreme_note_{width}x{}", height + 2);
        insta::assert_snapshot!(name, shot(&mut extreme(note), width, height));
    }
}

#[test]
fn the_lit_column_and_its_training_figures_are_of_what_is_shown() {
    use ratatui::style::Modifier;
    let lit = |tab: &mut Lent<MetricsTab>, head: &str| {
        let theme = testing::theme();
        let buffer = testing::draw(tab, 80, 24, &theme);
        let screen = testing::text(&buffer);
        let y = screen.lines().position(|l| l.contains("gap to")).unwrap();
        let line = screen.lines().nth(y).unwrap();
        let x = line[..line.find(head).unwrap()].chars().count();
        let cell = &buffer[(u16::try_from(x).unwrap(), u16::try_from(y).unwrap())];
        let dim = theme.dim();
        Some(cell.fg) != dim.fg
            || cell.modifier.contains(Modifier::DIM) != dim.add_modifier.contains(Modifier::DIM)
    };
    let mut running = tab_of(7, false);
    assert!(lit(&mut running, "validation") && !lit(&mut running, "test"));
    let mut over = tab_of(7, true);
    assert!(lit(&mut over, "test") && !lit(&mut over, "validation"));
    // Two epochs of the same counts have each its own training figures.
    let mut history = testing::history(3, false);
    let counts = history.epochs[2].held_out.confusion.clone();
    history.epochs[1].held_out.confusion = counts;
    history.epochs[1].train.accuracy = 0.5;
    let mut tab = testing::lent(MetricsTab::default());
    tab.show("run", history);
    assert!(!shot(&mut tab, 80, 24).contains("50.0 %"));
    tab.on_action(Action::Earlier);
    let screen = shot(&mut tab, 80, 24);
    assert!(
        screen.contains("50.0 %") && screen.contains(" epoch 2 "),
        "{screen}"
    );
}

#[test]
fn sorting_puts_the_worst_first() {
    let mut tab = tab_of(20, true);
    tab.on_action(Action::Sort);
    let screen = shot(&mut tab, 80, 24);
    let rows: Vec<&str> = screen.lines().collect();
    assert!(rows.iter().any(|r| r.starts_with("▸Shirt")), "{screen}");
    for _ in 0..4 {
        tab.on_action(Action::Sort);
    }
    assert_eq!(tab.order, Order::Class);
}

#[test]
fn keys_and_clicks_move_the_cursor() {
    let mut tab = tab_of(20, true);
    shot(&mut tab, 80, 24);
    tab.on_action(Action::End);
    assert_eq!(tab.cursor, 9);
    tab.on_mouse(Mouse::Click(Position::new(4, tab.rows_area.y + 2)));
    assert_eq!(tab.cursor, 2);
    assert_eq!(
        tab.on_mouse(Mouse::Click(Position::new(4, tab.rows_area.y + 2))),
        Effect::OpenClass(2)
    );
    tab.on_mouse(Mouse::Click(Position::new(4, tab.head_area.y)));
    assert_eq!(tab.order, Order::F1);
}

#[test]
fn enter_opens_the_class_under_the_cursor_in_any_order() {
    let mut tab = tab_of(20, true);
    let shirt = testing::history(1, false).started.unwrap().classes;
    let shirt = shirt.iter().position(|c| c == "Shirt").unwrap();
    // By F1 the worst stands first.
    tab.on_action(Action::Sort);
    assert_eq!(tab.on_action(Action::Open), Effect::OpenClass(shirt));
    assert_eq!(
        testing::lent(MetricsTab::default()).on_action(Action::Open),
        Effect::Ignored
    );
}

#[test]
fn no_size_and_no_data_panics() {
    testing::survives(&mut testing::lent(MetricsTab::default()));
    testing::survives(&mut tab_of(20, true));
    for classes in [0, 1, 26] {
        let mut history = testing::history(2, false);
        history.epochs[1].held_out.confusion = Confusion::new(classes);
        let mut tab = testing::lent(MetricsTab::default());
        tab.show("odd", history);
        tab.on_action(Action::End);
        testing::survives(&mut tab);
    }
}
