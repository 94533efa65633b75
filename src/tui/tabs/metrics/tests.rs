use super::*;
use crate::metrics::Confusion;
use crate::metrics::certainty;
use crate::metrics::predictions::{Kept, Prediction, Predictions, RANKS};
use crate::tui::context::KeptCertainty;
use crate::tui::tabs::testing::{self, Lent};
use crate::tui::theme::{ColorDepth, Palette, Theme};

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
    tab.on_action(Action::CycleNumbers);
    assert!(shot(&mut tab, 80, 24).contains("validation of the best weights, epoch 20"));
    tab.on_action(Action::CycleNumbers);
    assert!(shot(&mut tab, 80, 24).contains("train of the best weights, epoch 20"));
    tab.on_action(Action::Earlier);
    assert!(shot(&mut tab, 80, 24).contains("validation, epoch 20 of 20"));
    let mut running = tab_of(7, false);
    assert!(matches!(
        running.on_action(Action::CycleNumbers),
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

/// Predictions of ten classes that are surer than right, more so in the test; images of the last class only where it is
/// `whole`.
fn predicted(is_test: bool, epoch: u32, whole: bool) -> Predictions {
    let mut all = Predictions::new(10);
    (all.is_test, all.epoch) = (is_test, epoch);
    for index in 0..600_u32 {
        let label = index % if whole { 10 } else { 9 };
        let noise = f64::from(index.wrapping_mul(2_654_435_761) >> 16 & 0xff) / 255.0;
        let is_wrong = noise < 0.1 + f64::from(label) / 40.0;
        let sure = 0.35 + 0.64 * f64::from(index.wrapping_mul(40_503) >> 8 & 0xff) / 255.0;
        let own = if is_wrong { (label + 1) % 10 } else { label };
        let second = if is_wrong { label } else { (label + 2) % 10 };
        let rest = (1.0 - sure) / 2.0;
        let probabilities: Vec<f64> = (0..10)
            .map(|class| match class {
                _ if class == own => sure,
                _ if class == second => rest,
                _ => rest / 8.0,
            })
            .collect();
        let mut item = Prediction {
            index,
            label: u16::try_from(label).unwrap(),
            top: [0; RANKS],
            probability: [0.0; RANKS],
        };
        let mut order: Vec<u16> = (0..10).collect();
        let of = |class: &u16| probabilities[usize::from(*class)];
        order.sort_by(|a, b| of(b).total_cmp(&of(a)));
        for (rank, class) in order.iter().take(RANKS).enumerate() {
            item.top[rank] = *class;
            #[expect(clippy::cast_possible_truncation, reason = "as they are kept")]
            let kept = of(class) as f32;
            item.probability[rank] = kept;
        }
        all.add(item, &probabilities);
    }
    all
}

fn kept() -> Kept {
    Kept {
        best: Some(predicted(false, 20, true)),
        latest: Some(predicted(false, 20, true)),
        test: Some(predicted(true, 20, true)),
        damaged: Vec::new(),
    }
}

/// A run with what its predictions say, on the calibration view.
fn calibrated(epochs: usize, finished: bool, kept: &Kept) -> Lent<MetricsTab> {
    let mut tab = tab_of(epochs, finished);
    tab.cx.certainty = KeptCertainty {
        found: certainty::of(kept),
        damaged: kept.damaged.clone(),
        awaited: false,
    };
    tab.on_action(Action::CycleView);
    tab
}

#[test]
fn calibration_is_drawn_with_its_bins() {
    let mut tab = calibrated(20, true, &kept());
    for (width, height) in [(60, 15), (80, 24), (120, 40), (200, 50)] {
        let name = format!("calibration_{width}x{height}");
        insta::assert_snapshot!(name, shot(&mut tab, width, height));
    }
    let plain = Theme::new(Palette::Mono, ColorDepth::Mono, true);
    let ascii = testing::text(&testing::draw(&mut tab, 80, 24, &plain));
    insta::assert_snapshot!("calibration_ascii_80x24", ascii);
}

#[test]
fn curves_are_drawn_of_the_class_under_the_cursor() {
    let mut tab = calibrated(20, true, &kept());
    tab.on_action(Action::CycleView);
    for (width, height) in [(60, 15), (80, 24), (120, 40)] {
        let name = format!("curves_{width}x{height}");
        insta::assert_snapshot!(name, shot(&mut tab, width, height));
    }
    tab.on_action(Action::Down);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("▸Trouser"), "{screen}");
    assert_eq!(tab.on_action(Action::Open), Effect::OpenClass(1));
    tab.on_action(Action::End);
    assert!(shot(&mut tab, 80, 24).contains("▸Ankle boot"));
    let at = Position::new(4, tab.curves.row(1));
    tab.on_mouse(Mouse::Click(at));
    assert!(!shot(&mut tab, 80, 24).contains("▸Ankle boot"));
    assert!(matches!(
        tab.on_mouse(Mouse::Click(at)),
        Effect::OpenClass(_)
    ));
}

#[test]
fn the_class_under_the_cursor_stays_from_view_to_view() {
    let mut tab = calibrated(20, true, &kept());
    tab.on_action(Action::CycleView);
    tab.on_action(Action::CycleView);
    // By F1 the worst stands first.
    tab.on_action(Action::Sort);
    assert!(shot(&mut tab, 80, 24).contains("▸Shirt"));
    tab.on_action(Action::CycleView);
    tab.on_action(Action::CycleView);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("▸Shirt"), "{screen}");
    tab.on_action(Action::Up);
    assert!(shot(&mut tab, 80, 24).contains("▸Sandal"));
    tab.on_action(Action::CycleView);
    let screen = shot(&mut tab, 80, 24);
    assert!(
        screen.contains("▸Sandal") && screen.contains("F1▴"),
        "{screen}"
    );
    // The worst average precision first.
    tab.on_action(Action::CycleView);
    tab.on_action(Action::CycleView);
    tab.on_action(Action::Sort);
    tab.on_action(Action::Sort);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("avg. prec.▴"), "{screen}");
    let figure = |line: &str| {
        line.split_whitespace()
            .rfind(|w| w.starts_with("0."))
            .map(str::to_owned)
    };
    let head = screen.lines().position(|l| l.contains("avg. prec.▴"));
    let rows: Vec<String> = screen
        .lines()
        .skip(head.unwrap() + 1)
        .take(5)
        .filter_map(figure)
        .collect();
    assert!(rows.len() == 5 && rows.is_sorted(), "{rows:?}");
}

#[test]
fn every_kept_evaluation_can_be_gone_to() {
    let mut tab = calibrated(
        20,
        true,
        &Kept {
            best: Some(predicted(false, 13, true)),
            test: Some(predicted(true, 13, true)),
            ..kept()
        },
    );
    assert!(shot(&mut tab, 80, 24).contains("test of the best weights"));
    tab.on_action(Action::Earlier);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("validation, epoch 20 of 20"), "{screen}");
    // What a temperature was fitted on does not judge it.
    assert!(screen.contains("the test set alone judges it"), "{screen}");
    tab.on_action(Action::Earlier);
    tab.on_action(Action::Earlier);
    assert!(shot(&mut tab, 80, 24).contains("validation, epoch 13 of 20"));
    tab.on_action(Action::CycleNumbers);
    tab.on_action(Action::CycleNumbers);
    assert!(shot(&mut tab, 80, 24).contains("test of the best weights"));
    tab.on_action(Action::CycleNumbers);
    assert!(shot(&mut tab, 80, 24).contains("validation, epoch 13 of 20"));
    // A replay has not come to the later ones.
    tab.show("run", testing::history(15, false));
    assert!(shot(&mut tab, 80, 24).contains("validation, epoch 13 of 20"));
    assert!(matches!(tab.on_action(Action::Later), Effect::Say(_)));
}

#[test]
fn a_run_that_is_not_over_shows_its_validation() {
    let latest = Kept {
        best: Some(predicted(false, 7, true)),
        latest: Some(predicted(false, 7, true)),
        test: None,
        ..kept()
    };
    let mut tab = calibrated(7, false, &latest);
    insta::assert_snapshot!("calibration_running_80x24", shot(&mut tab, 80, 24));
}

#[test]
fn what_is_not_known_says_why() {
    let on_test = Kept {
        best: Some(predicted(true, 20, true)),
        latest: Some(predicted(true, 20, true)),
        ..kept()
    };
    let mut tab = calibrated(20, true, &on_test);
    let screen = shot(&mut tab, 80, 24);
    let why = "no temperature: no validation set to fit a temperature on";
    assert!(screen.contains(why), "{screen}");
    let file = include_bytes!("../../../../tests/support/run-0.1/predictions-best.bin");
    let older = Kept {
        best: Some(Predictions::decode(file).unwrap()),
        ..Kept::default()
    };
    let mut tab = calibrated(5, false, &older);
    insta::assert_snapshot!("calibration_older_80x24", shot(&mut tab, 80, 24));
    tab.on_action(Action::CycleView);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("no curves: an earlier version"), "{screen}");
    assert_eq!(tab.on_action(Action::Open), Effect::Ignored);
    let mut tab = calibrated(5, false, &Kept::default());
    assert!(shot(&mut tab, 80, 24).contains("No predictions are kept"));
    tab.cx.certainty.awaited = true;
    assert!(shot(&mut tab, 80, 24).contains("Reading the predictions"));
    let damaged = Kept {
        damaged: vec!["predictions-best.bin".into()],
        ..Kept::default()
    };
    let mut tab = calibrated(5, false, &damaged);
    assert!(shot(&mut tab, 80, 24).contains("Damaged: predictions-best.bin"));
    let mut partly = calibrated(
        20,
        true,
        &Kept {
            test: None,
            ..kept()
        },
    );
    partly.cx.certainty.damaged = vec!["predictions-test.bin".into()];
    for _ in 0..2 {
        let screen = shot(&mut partly, 80, 24);
        assert!(
            screen.contains("damaged, cannot be shown: predictions-test.bin"),
            "{screen}"
        );
        assert!(screen.contains("validation, epoch 20"), "{screen}");
        partly.on_action(Action::CycleView);
    }
}

#[test]
fn a_class_that_is_never_seen_has_dashes() {
    let unseen = Kept {
        best: Some(predicted(false, 5, false)),
        ..Kept::default()
    };
    let mut tab = calibrated(5, false, &unseen);
    tab.on_action(Action::CycleView);
    tab.on_action(Action::End);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("no image of this class"), "{screen}");
    let row = screen.lines().find(|l| l.contains("▸Ankle boot")).unwrap();
    assert_eq!(row.matches('–').count(), 2, "{row}");
    assert!(screen.contains("macro mean of 9"), "{screen}");
}

#[test]
fn a_diverged_network_has_words_and_no_diagram() {
    let mut broken = predicted(false, 5, true);
    for item in &mut broken.items {
        item.probability[0] = f32::NAN;
    }
    let diverged = Kept {
        best: Some(broken),
        ..Kept::default()
    };
    let mut tab = calibrated(5, false, &diverged);
    let screen = shot(&mut tab, 80, 24);
    assert!(screen.contains("the network diverged"), "{screen}");
    testing::survives(&mut tab);
    tab.on_action(Action::CycleView);
    assert!(shot(&mut tab, 80, 24).contains("the network diverged"));
    testing::survives(&mut tab);
}

#[test]
fn calibration_and_curves_survive_every_size() {
    for kept in [kept(), Kept::default()] {
        let mut tab = calibrated(20, true, &kept);
        testing::survives(&mut tab);
        tab.on_action(Action::CycleView);
        tab.on_action(Action::End);
        testing::survives(&mut tab);
    }
}
