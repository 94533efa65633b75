//! The app without a terminal: keys, mouse and messages in, requests and cells out.

use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;

use super::*;
use crate::event::{Command, Event, Stamped, Started};
use crate::tui::run_view::Link;
use crate::tui::theme::{ColorDepth, Palette, Theme};

pub(super) fn app() -> App {
    let settings = Settings {
        theme: Theme::new(Palette::Dark, ColorDepth::TrueColor, false),
        keymap: Keymap::default(),
        notify: crate::notify::Settings::default(),
        warnings: Vec::new(),
    };
    let presets = ["mlp-100-100-50", "lenet5", "modern-lenet"].map(|name| Trainable {
        name: name.into(),
        title: format!("The {name} of the study"),
        profile: Profile::new(name),
    });
    App::new(settings, presets.to_vec(), Some(Profile::new("lenet5")))
}

pub(super) fn press(app: &mut App, text: &str) -> Vec<Request> {
    text.chars()
        .flat_map(|c| app.update(Input::Key(KeyEvent::from(KeyCode::Char(c)))))
        .collect()
}

pub(super) fn key(app: &mut App, code: KeyCode) -> Vec<Request> {
    app.update(Input::Key(KeyEvent::from(code)))
}

pub(super) fn screen(app: &mut App, width: u16, height: u16) -> String {
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
        train_images: 1600,
        validation_images: 400,
        test_images: 500,
        no_test_set: false,
        curve_is_test: false,
        device: "cpu".into(),
        threads: 2,
        backend: "graph".into(),
        learning_rate: 1e-3,
        patience: 0,
        resumed_at_step: 0,
    };
    vec![Stamped {
        at: 10.0,
        event: Event::Started(Box::new(started)),
    }]
}

pub(super) fn with_run() -> App {
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

fn send(command: Command) -> Request {
    let run = "r".into();
    Request::Send { run, command }
}

/// Time goes by.
pub(super) fn later(app: &mut App, milliseconds: u64) {
    let at = app.now + Duration::from_millis(milliseconds);
    app.update(Input::Tick(at));
}

pub(super) fn tell(app: &mut App, event: Event) {
    let events = vec![Stamped { at: 20.0, event }];
    let run = "r".into();
    app.update(Input::Message(Message::Events { run, events }));
}

pub(super) fn live(app: &mut App, runs: &[(&str, bool)]) {
    let live = runs.iter().map(|(name, is_paused)| Live {
        id: format!("20261128-160000-{name}-0001"),
        name: (*name).into(),
        is_paused: *is_paused,
    });
    app.update(Input::Message(Message::Live(live.collect())));
}

#[test]
fn a_train_key_that_bounces_starts_one_run() {
    let mut app = app();
    press(&mut app, "3");
    assert_eq!(press(&mut app, "ttt").len(), 1);
    assert!(screen(&mut app, 80, 24).contains("lenet5 is already starting"));
    let started = Message::Started {
        run: "20261128-160000-lenet5-0001".into(),
        note: None,
    };
    app.update(Input::Message(started));
    // Neither the model of the tab that the second one would lead to, nor a question.
    later(&mut app, 300);
    assert_eq!(press(&mut app, "tt2t"), [Request::ReadOwn]);
    assert!(screen(&mut app, 80, 24).contains("A run has just been started"));
    later(&mut app, 1000);
    assert_eq!(press(&mut app, "t"), []);
    assert!(screen(&mut app, 80, 24).contains("lenet5 is running"));
}

#[test]
fn what_was_not_started_can_be_started_again() {
    let mut app = app();
    press(&mut app, "3");
    assert_eq!(press(&mut app, "t").len(), 1);
    app.update(Input::Message(Message::NotStarted));
    assert_eq!(press(&mut app, "t").len(), 1);
}

#[test]
fn a_start_beside_another_run_is_asked_about() {
    let mut app = app();
    live(&mut app, &[("resnet20", true)]);
    let train = |app: &mut App| {
        press(app, ":modern");
        key(app, KeyCode::Enter)
    };
    assert_eq!(train(&mut app), []);
    let shown = screen(&mut app, 80, 24);
    assert!(shown.contains("resnet20 is paused") && shown.contains("Queue modern-lenet, or"));
    insta::assert_snapshot!("beside_80x24", shown);
    // The bounce of the key that chose it answers nothing, nor does text from the clipboard.
    assert_eq!(key(&mut app, KeyCode::Enter), []);
    app.update(Input::Paste("y".into()));
    assert!(app.question.is_some());
    assert_eq!(key(&mut app, KeyCode::Esc), []);
    assert!(app.question.is_none());

    live(&mut app, &[("mlp-20", false), ("resnet20", true)]);
    train(&mut app);
    assert!(screen(&mut app, 80, 24).contains("mlp-20 and 1 more are running"));
    later(&mut app, 400);
    let start = || Start::New(Box::new(Profile::new("modern-lenet")));
    assert_eq!(key(&mut app, KeyCode::Enter), [Request::Queue(start())]);
    app.update(Input::Message(Message::Queue {
        counts: Counts {
            running: 1,
            waiting: 1,
            held: 0,
        },
        waiting: Vec::new(),
    }));
    app.update(Input::Message(Message::Queued(
        "1 running · 1 queued".into(),
    )));
    let shown = screen(&mut app, 80, 24);
    assert!(
        shown.contains("modern-lenet waits in the queue: 1 running"),
        "{shown}"
    );
    assert!(
        shown
            .lines()
            .next()
            .unwrap()
            .contains("2 running · 1 queued"),
        "{shown}"
    );
    later(&mut app, 2000);
    train(&mut app);
    later(&mut app, 400);
    assert_eq!(key(&mut app, KeyCode::Char('b')), [Request::Start(start())]);
}

#[test]
fn a_recipe_is_queued_with_as_many_seeds_as_are_typed() {
    let mut app = app();
    press(&mut app, "2");
    let ask = |app: &mut App| {
        app.update(Input::Message(Message::NotStarted));
        assert_eq!(press(app, "Q"), []);
        let shown = screen(app, 80, 24);
        assert!(
            shown.contains("How many seeds of lenet5, from 42 on?"),
            "{shown}"
        );
    };
    let seeds = |requests: Vec<Request>| match requests.as_slice() {
        [Request::QueueSeeds { profile, seeds }] => {
            assert_eq!(profile.name, "lenet5");
            Some(*seeds)
        }
        other => {
            assert!(other.is_empty(), "{other:?}");
            None
        }
    };
    ask(&mut app);
    press(&mut app, "5");
    assert_eq!(seeds(key(&mut app, KeyCode::Enter)), Some(5));
    ask(&mut app);
    assert_eq!(seeds(key(&mut app, KeyCode::Enter)), Some(1));
    for wrong in ["0", "101", "x", "1.5"] {
        ask(&mut app);
        press(&mut app, wrong);
        assert_eq!(seeds(key(&mut app, KeyCode::Enter)), None, "{wrong}");
        assert!(
            screen(&mut app, 80, 24).contains("from 1 to 100"),
            "{wrong}"
        );
        key(&mut app, KeyCode::Esc);
    }
    // Nothing is queued by leaving.
    ask(&mut app);
    assert_eq!(key(&mut app, KeyCode::Esc), []);
    assert!(app.question.is_none());
}

#[test]
fn a_fork_is_asked_for_and_waits_beside_another_run() {
    let mut app = app();
    let ask = |app: &mut App| {
        app.update(Input::Message(Message::NotStarted));
        app.question = None;
        let (run, epoch) = ("20261123-160211-lenet5-3f2a".into(), Some(7));
        let requests = app.on_effect(Effect::AskToFork { run, epoch });
        assert_eq!(requests, []);
        let shown = screen(app, 80, 24);
        assert!(shown.contains("lenet5 up to the end of"), "{shown}");
        assert!(shown.contains("epoch 7. Settings"), "{shown}");
        assert_eq!(key(app, KeyCode::Enter), [], "nothing was typed");
        press(app, "epochs=40 learning_rate=0.001");
        key(app, KeyCode::Enter)
    };
    let fork = |queued| Request::Fork {
        point: "20261123-160211-lenet5-3f2a@7".into(),
        changes: vec!["epochs=40".into(), "learning_rate=0.001".into()],
        queued,
    };
    assert_eq!(ask(&mut app), [fork(false)]);
    live(&mut app, &[("resnet20", false)]);
    assert_eq!(ask(&mut app), [fork(true)]);
}

#[test]
fn a_start_beside_the_shown_run_is_asked_about_before_anybody_has_looked() {
    let mut app = with_run();
    press(&mut app, "2");
    assert_eq!(press(&mut app, "t"), []);
    assert!(app.question.is_some());
}

#[test]
fn runs_are_commanded_from_every_tab_and_the_answer_is_told() {
    let mut app = with_run();
    press(&mut app, "1:pause");
    assert_eq!(key(&mut app, KeyCode::Enter), [send(Command::Pause)]);
    assert!(screen(&mut app, 80, 24).contains("Pausing r…"));
    tell(&mut app, Event::Paused { step: 4 });
    assert!(screen(&mut app, 80, 24).contains("r: paused after step 4"));
    let up = send(Command::StepLearningRate { up: true });
    assert_eq!(press(&mut app, "4++"), [up.clone(), up]);
    let changed = Event::Changed {
        step: 4,
        what: "learning_rate".into(),
        from: 1e-3,
        to: 2e-3,
    };
    tell(&mut app, changed);
    assert!(screen(&mut app, 80, 24).contains("r: learning rate 1.0e-3 → 2.0e-3"));
    assert_eq!(press(&mut app, "3c"), [send(Command::SaveCheckpoint)]);
    let saved = Event::CheckpointSaved {
        kind: "last".into(),
        epoch: 0,
        step: 4,
    };
    tell(&mut app, saved);
    assert!(screen(&mut app, 80, 24).contains("r: checkpoint saved at step 4"));

    press(&mut app, "5:stop the");
    assert_eq!(key(&mut app, KeyCode::Enter), []);
    assert!(screen(&mut app, 80, 24).contains("lenet5 saves a checkpoint"));
    later(&mut app, 400);
    assert_eq!(press(&mut app, "y"), [send(Command::Stop)]);
}

#[test]
fn nothing_that_cannot_be_done_is_passed_over_in_silence() {
    let mut app = app();
    for tab in "12345".chars() {
        for what in ["pause", "stop the", "save a checkpoint", "raise", "lower"] {
            press(&mut app, &format!("{tab}:{what}"));
            assert_eq!(key(&mut app, KeyCode::Enter), [], "{what} on {tab}");
            let shown = screen(&mut app, 80, 24);
            assert!(
                shown.contains("There is no run. Press t"),
                "{what} on {tab}\n{shown}"
            );
            app.said = None;
        }
    }
    press(&mut app, "6:pause");
    assert_eq!(key(&mut app, KeyCode::Enter), []);
    assert!(screen(&mut app, 80, 24).contains("There is no run here yet"));
    press(&mut app, "7:pause");
    assert_eq!(key(&mut app, KeyCode::Enter), []);
    assert!(screen(&mut app, 80, 24).contains("There is no sweep here yet"));
    press(&mut app, "3:sort order");
    key(&mut app, KeyCode::Enter);
    assert!(
        screen(&mut app, 80, 24)
            .contains("s (change the sort order) does nothing on the Train tab")
    );
    // Every action of the palette on every tab does something or says why not. Nothing is to be seen of another view of
    // nothing.
    let bindings = app.keymap.bindings().iter();
    let actions: Vec<Action> = bindings
        .filter(|b| b.group != "view")
        .map(|b| b.action)
        .collect();
    for &tab in TabId::ALL {
        for action in actions.iter().filter(|a| !a.is_move()) {
            let mut app = self::app();
            app.on_action(Action::GoToTab(tab));
            let before = screen(&mut app, 120, 40);
            let here = *action == Action::GoToTab(tab);
            let done = !app.on_action(*action).is_empty();
            assert!(
                done || here || screen(&mut app, 120, 40) != before,
                "{action:?} on {tab:?}"
            );
        }
    }
}

#[test]
fn a_question_about_a_run_goes_with_it() {
    let mut app = with_run();
    press(&mut app, "3x");
    insta::assert_snapshot!("stop_80x24", screen(&mut app, 80, 24));
    let message = "the loss is not finite".into();
    let remedy = String::new();
    tell(&mut app, Event::Failed { message, remedy });
    assert!(app.question.is_none());
}

#[test]
fn the_header_shows_every_run_under_way() {
    let mut app = with_run();
    let head = |app: &mut App, width| {
        let shown = screen(app, width, 24);
        shown.lines().next().unwrap_or_default().to_owned()
    };
    live(&mut app, &[("modern-lenet", false)]);
    let shown = head(&mut app, 80);
    assert!(shown.contains("lenet5 · running +1"), "{shown}");
    let shown = head(&mut app, 120);
    assert!(
        shown.contains("lenet5 · running  + modern-lenet running"),
        "{shown}"
    );
    live(&mut app, &[("modern-lenet", false), ("mlp", true)]);
    assert!(head(&mut app, 60).contains("+2"));
    live(&mut app, &[]);
    assert!(!head(&mut app, 80).contains('+'));
}

#[test]
fn enter_on_a_class_leads_to_it_in_the_matrix() {
    let mut app = with_run();
    let end = crate::event::EpochEnd {
        epoch: 1,
        step: 30,
        held_out: crate::metrics::Scores::new(
            0.5,
            0,
            crate::metrics::Confusion {
                counts: vec![vec![3, 1], vec![2, 4]],
            },
        ),
        ..Default::default()
    };
    tell(&mut app, Event::EpochEnd(Box::new(end)));
    press(&mut app, "4j");
    key(&mut app, KeyCode::Enter);
    assert_eq!(app.active, TabId::Confusion);
    let shown = screen(&mut app, 80, 24);
    assert!(
        shown.contains("true Bag → predicted Shirt: 2 of 6"),
        "{shown}"
    );
}

#[test]
fn the_train_key_on_the_empty_train_tab_starts_the_first_run() {
    let mut app = app();
    press(&mut app, "3");
    assert!(screen(&mut app, 80, 24).contains("Press t to train lenet5 on fashion-mnist-mini."));
    assert_eq!(
        press(&mut app, "t"),
        [Request::Start(Start::New(Box::new(Profile::new("lenet5"))))]
    );
    assert!(screen(&mut app, 80, 24).contains("Starting lenet5 on fashion-mnist…"));
}

#[test]
fn one_key_trains_the_open_recipe_on_the_shown_set() {
    let mut app = app();
    let dataset = Arc::new(crate::data::mini::load().unwrap());
    let train = |app: &mut App| press(app, "t");
    assert_eq!(train(&mut app), [Request::ReadOwn], "no set is shown");
    assert_eq!(app.active, TabId::Model);
    let shown = None;
    assert_eq!(press(&mut app, "1"), [Request::FindDatasets { shown }]);
    app.update(Input::Message(Message::Dataset {
        dataset,
        for_data_tab: true,
    }));
    let started = train(&mut app);
    let [Request::Start(Start::New(profile))] = &started[..] else {
        panic!("{started:?}");
    };
    assert_eq!(
        (profile.name.as_str(), profile.data.name.as_str()),
        ("lenet5", "fashion-mnist-mini")
    );
    assert!(screen(&mut app, 80, 24).contains("Starting lenet5 on fashion-mnist-mini…"));
    // As anywhere else, it is asked about beside another run.
    app.update(Input::Message(Message::NotStarted));
    live(&mut app, &[("resnet20", true)]);
    assert_eq!(train(&mut app), []);
    assert!(screen(&mut app, 80, 24).contains("Queue lenet5, or start it beside?"));
}

#[test]
fn a_recipe_that_does_not_fit_the_shown_set_is_looked_at() {
    let mut app = app();
    let mut dataset = crate::data::mini::load().unwrap();
    dataset.name = "flowers".into();
    app.update(Input::Message(Message::Dataset {
        dataset: Arc::new(dataset),
        for_data_tab: true,
    }));
    // It is not among the sets that can be loaded: somebody removed it.
    let requests = press(&mut app, "t");
    assert!(
        requests.iter().all(|r| !matches!(r, Request::Start(_))),
        "{requests:?}"
    );
    assert_eq!(app.active, TabId::Model);
    let shown = screen(&mut app, 80, 24);
    assert!(
        shown.contains("data set flowers cannot be trained on now"),
        "{shown}"
    );
}

#[test]
fn images_are_laid_over_the_background_of_the_open_recipe() {
    use crate::profile::Background;
    let mut app = app();
    assert_eq!(app.context.background, Background::White);
    let mut recipe = Profile::new("lenet5");
    recipe.data.background = Background::Grey;
    app.update(Input::Message(Message::Edited(Box::new(recipe))));
    assert_eq!(app.context.background, Background::Grey);
    // Another preset has another recipe.
    press(&mut app, "2j");
    assert_eq!(app.context.background, Background::White);
}

#[test]
fn what_a_start_waits_for_stays_until_it_is_ready_or_cancelled() {
    let mut app = app();
    press(&mut app, "3t");
    let preparing = || {
        let words = "decoding flowers: 0 of 900 images; Esc cancels".into();
        Input::Message(Message::Preparing(words))
    };
    app.update(Input::Message(Message::Fetching(true)));
    app.update(preparing());
    later(&mut app, 60_000);
    assert!(screen(&mut app, 80, 24).contains("decoding flowers: 0 of 900 images; Esc cancels"));
    assert_eq!(key(&mut app, KeyCode::Esc), [Request::CancelFetch]);
    app.update(preparing());
    later(&mut app, 60_000);
    assert!(screen(&mut app, 80, 24).contains("cancelling …"));
    app.update(Input::Message(Message::NotStarted));
    app.update(Input::Message(Message::Say(
        "flowers: it was cancelled".into(),
    )));
    let shown = screen(&mut app, 80, 24);
    assert!(shown.contains("it was cancelled") && !shown.contains("cancelling"));
    later(&mut app, 60_000);
    app.update(preparing());
    assert!(!screen(&mut app, 80, 24).contains("decoding"));
}

#[test]
fn tabs_turn_by_number_tab_key_and_click() {
    let mut app = app();
    key(&mut app, KeyCode::BackTab);
    assert_eq!(app.active, TabId::Sweep);
    assert_eq!(
        press(&mut app, "2"),
        [Request::WatchSweeps(false), Request::ReadOwn]
    );
    screen(&mut app, 80, 24);
    let at = app.tab_names[TabId::Runs as usize];
    let click = MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: at.x + 2,
        row: 0,
        modifiers: KeyModifiers::NONE,
    };
    assert_eq!(app.update(Input::Mouse(click)), [Request::WatchRuns(true)]);
    press(&mut app, "8");
    assert_eq!(app.active, TabId::Runs);
}

#[test]
fn keys_reach_the_worker_and_only_it_confirms() {
    let mut app = with_run();
    press(&mut app, "3");
    assert_eq!(press(&mut app, " "), [send(Command::Pause)]);
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
        [Request::Start(Start::New(Box::new(Profile::new(
            "modern-lenet"
        ))))]
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
        note: Some("q is also running: both compete for the CPU".into()),
    };
    assert_eq!(
        app.update(Input::Message(started)),
        [Request::Open("r".into())]
    );
    assert!(screen(&mut app, 80, 24).contains("q is also running"));
}

#[test]
fn what_is_wrong_with_the_settings_stays_until_dismissed() {
    let settings = Settings {
        theme: Theme::new(Palette::Dark, ColorDepth::TrueColor, false),
        keymap: Keymap::default(),
        notify: crate::notify::Settings::default(),
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
    for &tab in TabId::ALL {
        app.on_action(Action::GoToTab(tab));
        let before = app.context.theme;
        let requests = press(&mut app, "T");
        assert!(!app.context.theme.looks_like(before));
        assert_eq!(requests, [Request::KeepTheme(app.context.theme.palette())]);
        let said = format!("theme: {}", app.context.theme.title_of_theme());
        assert!(screen(&mut app, 80, 24).contains(&said), "{said}");
    }
    press(&mut app, "?theme");
    assert!(screen(&mut app, 80, 24).contains("T         next colour theme"));
}

#[test]
fn where_there_are_no_colours_the_theme_key_says_so_and_keeps_nothing() {
    let mut app = app();
    app.context.theme = Theme::new(Palette::Auto, ColorDepth::Mono, false);
    assert_eq!(press(&mut app, "T"), []);
    assert!(screen(&mut app, 80, 24).contains("shows no colours"));
}

#[test]
fn the_background_is_asked_for_once_and_only_another_is_drawn_anew() {
    let mut app = app();
    assert!(!app.asks_background());
    app.context.theme = Theme::new(Palette::Auto, ColorDepth::TrueColor, false);
    app.context.theme.query = true;
    assert!(app.asks_background() && !app.asks_background());
    app.take_dirty();
    app.update(Input::Background(Ground::Dark));
    assert!(!app.take_dirty());
    app.update(Input::Background(Ground::Light));
    assert!(app.take_dirty() && app.context.theme.is_light());
}

#[test]
fn nothing_is_drawn_anew_while_nothing_happens() {
    let mut app = with_run();
    app.take_dirty();
    app.update(Input::Tick(Instant::now()));
    assert!(!app.take_dirty());
}

/// An epoch of eight images of two classes, one of them wrong.
fn small_epoch(n: usize) -> Event {
    let counts = vec![vec![3, 1], vec![0, 4]];
    Event::EpochEnd(Box::new(crate::event::EpochEnd {
        epoch: n,
        step: 30 * n as u64,
        held_out: crate::metrics::Scores::new(0.5, 0, crate::metrics::Confusion { counts }),
        ..Default::default()
    }))
}

#[test]
fn predictions_are_asked_for_once_an_epoch_while_looked_at() {
    let mut app = with_run();
    let epoch = |n: usize| {
        let events = vec![Stamped {
            at: 20.0,
            event: small_epoch(n),
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
fn what_predictions_say_is_asked_for_while_looked_at_and_one_at_a_time() {
    let mut app = with_run();
    let epoch = |app: &mut App, n: usize| {
        let events = vec![Stamped {
            at: 20.0,
            event: small_epoch(n),
        }];
        let run = "r".into();
        app.update(Input::Message(Message::Events { run, events }))
    };
    let asked = [Request::AssessPredictions("r".into())];
    epoch(&mut app, 1);
    assert_eq!(press(&mut app, "4"), [], "the table needs none");
    assert_eq!(press(&mut app, "v"), asked);
    assert_eq!(press(&mut app, "v"), []);
    assert_eq!(epoch(&mut app, 2), [], "one is on its way");
    let answer = |run: &str| {
        Input::Message(Message::Certainty {
            run: run.into(),
            kept: crate::tui::context::KeptCertainty::default(),
        })
    };
    assert_eq!(app.update(answer("another")), []);
    assert_eq!(app.update(answer("r")), asked, "of the epoch since");
    assert_eq!(app.update(answer("r")), []);
    assert_eq!(press(&mut app, "v"), []);
    assert_eq!(epoch(&mut app, 3), [], "the table is looked at");
}

#[test]
fn every_tab_lives_at_every_size() {
    let mut app = with_run();
    for &tab in TabId::ALL {
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
