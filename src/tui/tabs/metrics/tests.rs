use super::*;
use crate::metrics::Confusion;
use crate::tui::tabs::testing;

fn tab_of(epochs: usize, finished: bool) -> MetricsTab {
    let mut tab = MetricsTab::new();
    tab.show(&testing::arc(testing::history(epochs, finished)), "run");
    tab
}

fn shot(tab: &mut MetricsTab, width: u16, height: u16) -> String {
    testing::text(&testing::draw(tab, width, height, &testing::theme()))
}

#[test]
fn empty_says_what_to_do() {
    let mut tab = MetricsTab::new();
    insta::assert_snapshot!("empty_80x24", shot(&mut tab, 80, 24));
    insta::assert_snapshot!("empty_120x40", shot(&mut tab, 120, 40));
    assert_eq!(tab.on_action(Action::Train), Effect::GoToTab(MODEL_TAB));
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
    assert!(shot(&mut tab, 80, 24).contains("test, read once at the end"));
    tab.on_action(Action::CycleView);
    assert!(shot(&mut tab, 80, 24).contains("validation, evaluated at the end"));
    tab.on_action(Action::CycleView);
    assert!(shot(&mut tab, 80, 24).contains("train, evaluated at the end"));
    tab.on_action(Action::Earlier);
    assert!(shot(&mut tab, 80, 24).contains("validation, epoch 20 of 20"));
    let mut running = tab_of(7, false);
    assert!(matches!(
        running.on_action(Action::CycleView),
        Effect::Say(_)
    ));
    assert!(shot(&mut running, 80, 24).contains("validation, epoch 7 of 20"));
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
    assert_eq!(MetricsTab::new().on_action(Action::Open), Effect::Ignored);
}

#[test]
fn no_size_and_no_data_panics() {
    testing::survives(&mut MetricsTab::new());
    testing::survives(&mut tab_of(20, true));
    for classes in [0, 1, 26] {
        let mut history = testing::history(2, false);
        history.epochs[1].confusion = Confusion::new(classes);
        let mut tab = MetricsTab::new();
        tab.show(&testing::arc(history), "odd");
        tab.on_action(Action::End);
        testing::survives(&mut tab);
    }
}

#[test]
fn shots() {
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        testing::dump(
            "metrics",
            &mut tab_of(20, true),
            width,
            height,
            &testing::theme(),
        );
        testing::dump(
            "metrics-run",
            &mut tab_of(7, false),
            width,
            height,
            &testing::theme(),
        );
    }
    for (name, theme) in testing::other_themes() {
        let name = format!("metrics-{name}");
        testing::dump(&name, &mut tab_of(20, true), 80, 24, &theme);
    }
}
