//! The app without a terminal: keys, mouse and messages in, requests and cells out.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;

use super::*;
use crate::event::{Command, Event, Stamped, Started};
use crate::tui::tabs::train::Link;
use crate::tui::theme::{ColorDepth, Palette};

fn app() -> App {
    let settings = Settings {
        theme: Theme::new(Palette::Dark, ColorDepth::TrueColor, false),
        keymap: Keymap::default(),
        warnings: Vec::new(),
    };
    let presets = ["mlp-100-100-50", "lenet5", "modern-lenet"].map(|name| Trainable {
        name: name.into(),
        title: format!("The {name} of the study"),
        profile: Profile::new(name),
    });
    App::new(settings, presets.to_vec(), Some(Profile::new("lenet5")))
}

fn press(app: &mut App, text: &str) -> Vec<Request> {
    text.chars()
        .flat_map(|c| app.update(Input::Key(KeyEvent::from(KeyCode::Char(c)))))
        .collect()
}

fn key(app: &mut App, code: KeyCode) -> Vec<Request> {
    app.update(Input::Key(KeyEvent::from(code)))
}

fn screen(app: &mut App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| app.render(frame)).unwrap();
    if width == 0 || height == 0 {
        return String::new();
    }
    terminal.backend().to_string()
}

fn started() -> Vec<Stamped> {
    let started = Started {
        format: 1,
        run: "r".into(),
        name: "lenet5".into(),
        architecture: "lenet5".into(),
        dataset: "fashion-mnist-mini".into(),
        classes: vec!["Shirt".into(), "Bag".into()],
        parameters: 211_203,
        trained_parameters: 211_203,
        multiply_adds: 1,
        epochs: 20,
        steps_per_epoch: 30,
        batch_size: 64,
        train_pictures: 1600,
        validation_pictures: 400,
        test_pictures: 500,
        curve_is_test: false,
        device: "cpu".into(),
        threads: 2,
        path: "graph".into(),
        learning_rate: 1e-3,
        patience: 0,
        resumed_at_step: 0,
    };
    vec![Stamped {
        at: 10.0,
        event: Event::Started(Box::new(started)),
    }]
}

fn with_run() -> App {
    let mut app = app();
    let opened = Message::Opened {
        run: "r".into(),
        link: Link::Live,
        events: started(),
    };
    let requests = app.update(Input::Message(opened));
    assert_eq!(
        requests,
        [Request::LoadRunDataset("fashion-mnist-mini".into())]
    );
    app
}

#[test]
fn the_train_key_on_the_empty_train_tab_starts_the_first_run() {
    let mut app = app();
    press(&mut app, "3");
    assert!(screen(&mut app, 80, 24).contains("Press t to train lenet5 on fashion-mnist-mini."));
    assert_eq!(
        press(&mut app, "t"),
        [Request::Start(Box::new(Profile::new("lenet5")))]
    );
    assert!(screen(&mut app, 80, 24).contains("Starting lenet5…"));
}

#[test]
fn tabs_turn_by_number_tab_key_and_click() {
    let mut app = app();
    key(&mut app, KeyCode::BackTab);
    assert_eq!(app.active, place::RUNS);
    assert_eq!(
        press(&mut app, "2"),
        [Request::WatchRuns(false), Request::ReadOwn]
    );
    screen(&mut app, 80, 24);
    let at = app.tab_names[place::RUNS];
    let click = MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: at.x + 2,
        row: 0,
        modifiers: KeyModifiers::NONE,
    };
    assert_eq!(app.update(Input::Mouse(click)), [Request::WatchRuns(true)]);
    press(&mut app, "7");
    assert_eq!(app.active, place::RUNS);
}

#[test]
fn keys_reach_the_worker_and_only_it_confirms() {
    let mut app = with_run();
    press(&mut app, "3");
    assert_eq!(press(&mut app, " "), [Request::Send(Command::Pause)]);
    assert!(screen(&mut app, 80, 24).contains("lenet5 · pausing…"));
    let events = vec![Stamped {
        at: 12.0,
        event: Event::Paused { step: 4 },
    }];
    app.update(Input::Message(Message::Events {
        run: "r".into(),
        events,
    }));
    assert!(screen(&mut app, 80, 24).contains("lenet5 · paused"));
}

#[test]
fn releases_and_repeats_of_keys_do_nothing() {
    let mut app = app();
    let mut release = KeyEvent::from(KeyCode::Char('q'));
    release.kind = KeyEventKind::Release;
    assert_eq!(app.update(Input::Key(release)), []);
    assert_eq!(press(&mut app, "q"), [Request::Leave]);
}

#[test]
fn the_palette_finds_and_trains() {
    let mut app = app();
    press(&mut app, ":modern");
    assert!(screen(&mut app, 80, 24).contains("train modern-lenet"));
    let requests = key(&mut app, KeyCode::Enter);
    assert_eq!(
        requests,
        [Request::Start(Box::new(Profile::new("modern-lenet")))]
    );
    assert!(app.overlay.is_none());
    press(&mut app, ":redraw");
    assert_eq!(press(&mut app, "xyz"), []);
    key(&mut app, KeyCode::Esc);
    assert!(app.overlay.is_none());
}

#[test]
fn the_help_is_searched_by_typing_and_nobody_is_locked_in() {
    let mut app = app();
    press(&mut app, "?q");
    assert!(app.overlay.is_some());
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(app.update(Input::Key(control_c)), [Request::Leave]);
    key(&mut app, KeyCode::Backspace);
    press(&mut app, "checkpoint");
    let shown = screen(&mut app, 80, 24);
    assert!(shown.contains("save a checkpoint now") && !shown.contains("previous tab"));
}

#[test]
fn problems_stay_until_dismissed_and_words_pass() {
    let mut app = app();
    let problem = Message::Problem {
        problem: "train.epochs: 0 is below 1".into(),
        remedy: "give a number from 1".into(),
    };
    app.update(Input::Message(problem));
    app.update(Input::Message(Message::Say("saved".into())));
    let shown = screen(&mut app, 80, 24);
    assert!(
        shown.contains("× train.epochs: 0 is below 1") && shown.contains("give a number from 1")
    );
    assert!(shown.contains("saved"));
    app.take_dirty();
    app.update(Input::Tick(Instant::now() + Duration::from_mins(1)));
    assert!(app.take_dirty());
    assert!(!screen(&mut app, 80, 24).contains("saved"));
    key(&mut app, KeyCode::Esc);
    assert!(!screen(&mut app, 80, 24).contains("epochs"));
}

#[test]
fn escape_gives_up_a_download_once() {
    let mut app = app();
    assert!(key(&mut app, KeyCode::Esc).is_empty());
    app.update(Input::Message(Message::Fetching(true)));
    assert_eq!(key(&mut app, KeyCode::Esc), [Request::CancelFetch]);
    assert!(key(&mut app, KeyCode::Esc).is_empty());
    app.update(Input::Message(Message::Fetching(true)));
    app.update(Input::Message(Message::Fetching(false)));
    assert!(key(&mut app, KeyCode::Esc).is_empty());
}

#[test]
fn words_leave_the_hints_in_sight_and_pass_soon() {
    let mut app = with_run();
    press(&mut app, "3");
    let hints = "Space pause   x stop";
    assert!(screen(&mut app, 80, 24).contains(hints));
    app.update(Input::Message(Message::Say("saved".into())));
    let shown = screen(&mut app, 80, 24);
    assert!(
        shown.contains(hints) && shown.contains(" saved "),
        "{shown}"
    );
    app.update(Input::Tick(Instant::now() + Duration::from_secs(2)));
    assert!(!screen(&mut app, 80, 24).contains("saved"));
}

#[test]
fn a_run_beside_another_is_told_of_it() {
    let mut app = app();
    let started = Message::Started {
        run: "r".into(),
        note: Some("q is running too; both share this machine's cores".into()),
    };
    assert_eq!(
        app.update(Input::Message(started)),
        [Request::Open("r".into())]
    );
    assert!(screen(&mut app, 80, 24).contains("q is running too"));
}

#[test]
fn what_is_wrong_with_the_settings_stays_until_dismissed() {
    let settings = Settings {
        theme: Theme::new(Palette::Dark, ColorDepth::TrueColor, false),
        keymap: Keymap::default(),
        warnings: vec!["config.toml: colour is not known".into()],
    };
    let mut app = App::new(settings, Vec::new(), None);
    app.update(Input::Tick(Instant::now() + Duration::from_mins(1)));
    let shown = screen(&mut app, 80, 24);
    assert!(
        shown.contains("× config.toml: colour is not known"),
        "{shown}"
    );
    assert!(shown.contains("correct "), "{shown}");
    key(&mut app, KeyCode::Esc);
    assert!(!screen(&mut app, 80, 24).contains("colour"));
}

#[test]
fn one_key_goes_through_the_themes_on_every_tab_and_keeps_each() {
    let mut app = app();
    for tab in 0..place::NAMES.len() {
        app.on_action(Action::GoToTab(tab));
        let before = app.theme;
        let requests = press(&mut app, "T");
        assert!(!app.theme.looks_like(before));
        assert_eq!(requests, [Request::KeepTheme(app.theme.palette())]);
        let said = format!("theme: {}", app.theme.title_of_theme());
        assert!(screen(&mut app, 80, 24).contains(&said), "{said}");
    }
    press(&mut app, "?theme");
    assert!(screen(&mut app, 80, 24).contains("T         next theme"));
}

#[test]
fn where_there_are_no_colours_the_theme_key_says_so_and_keeps_nothing() {
    let mut app = app();
    app.theme = Theme::new(Palette::Auto, ColorDepth::Mono, false);
    assert_eq!(press(&mut app, "T"), []);
    assert!(screen(&mut app, 80, 24).contains("shows no colours"));
}

#[test]
fn the_background_is_asked_for_once_and_only_another_is_drawn_anew() {
    let mut app = app();
    assert!(!app.asks_background());
    app.theme = Theme::new(Palette::Auto, ColorDepth::TrueColor, false);
    app.theme.query = true;
    assert!(app.asks_background() && !app.asks_background());
    app.take_dirty();
    app.update(Input::Background(Ground::Dark));
    assert!(!app.take_dirty());
    app.update(Input::Background(Ground::Light));
    assert!(app.take_dirty() && app.theme.is_light());
}

#[test]
fn nothing_is_drawn_anew_while_nothing_happens() {
    let mut app = with_run();
    app.take_dirty();
    app.update(Input::Tick(Instant::now()));
    assert!(!app.take_dirty());
}

#[test]
fn predictions_are_asked_for_once_an_epoch_while_looked_at() {
    let mut app = with_run();
    let epoch = |n: usize| {
        let end = crate::event::EpochEnd {
            epoch: n,
            step: 30 * n as u64,
            confusion: crate::metrics::Confusion {
                counts: vec![vec![3, 1], vec![0, 4]],
            },
            ..Default::default()
        };
        let events = vec![Stamped {
            at: 20.0,
            event: Event::EpochEnd(Box::new(end)),
        }];
        Input::Message(Message::Events {
            run: "r".into(),
            events,
        })
    };
    assert_eq!(app.update(epoch(1)), []);
    assert_eq!(press(&mut app, "5"), [Request::LoadPredictions("r".into())]);
    assert_eq!(press(&mut app, "j"), []);
    assert_eq!(app.update(epoch(2)), [Request::LoadPredictions("r".into())]);
}

#[test]
fn every_tab_lives_at_every_size() {
    let mut app = with_run();
    for tab in 0..place::NAMES.len() {
        app.on_action(Action::GoToTab(tab));
        for (width, height) in (0..=40).flat_map(|w| (0..=20).map(move |h| (w, h))) {
            screen(&mut app, width, height);
        }
        for (width, height) in [(1, 500), (500, 1), (60, 15), (61, 16), (300, 100)] {
            for overlay in [None, Some(Overlay::help()), Some(Overlay::palette())] {
                app.overlay = overlay;
                screen(&mut app, width, height);
            }
        }
    }
}

#[test]
fn the_whole_screen_is_drawn_as_agreed() {
    let mut app = with_run();
    press(&mut app, "3");
    insta::assert_snapshot!("train_80x24", screen(&mut app, 80, 24));
    press(&mut app, "?");
    insta::assert_snapshot!("help_80x24", screen(&mut app, 80, 24));
    key(&mut app, KeyCode::Esc);
    press(&mut app, ":");
    insta::assert_snapshot!("palette_120x40", screen(&mut app, 120, 40));
    key(&mut app, KeyCode::Esc);
    insta::assert_snapshot!("too_small_40x10", screen(&mut app, 40, 10));
}
