//! The Train tab without a terminal: what keys ask for, and what is drawn in each state.

#![expect(
    clippy::cast_precision_loss,
    reason = "a made-up run with small numbers"
)]

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use std::time::{Duration, Instant};

use crate::event::{Breakdown, EpochEnd, Event, ResourceUsage, Severity, Stamped, Started, Step};
use crate::metrics::Scores;
use crate::profile::ResultRecord;
use crate::tui::request::Start;
use crate::tui::tabs::testing::{self, Lent};
use crate::tui::theme::{ColorDepth, Palette, Theme};

/// A run of modern-lenet as a worker tells it, up to the end of epoch `epochs` of 20 and half an epoch beyond.
fn log(epochs: usize) -> Vec<Stamped> {
    let per_epoch = 30_u64;
    let started = Started {
        format: 1,
        run: "modern-lenet-1".into(),
        name: "modern-lenet".into(),
        architecture: "modern-lenet".into(),
        dataset: "fashion-mnist".into(),
        classes: vec!["Shirt".into(), "Bag".into()],
        parameters: 211_437,
        trained_parameters: 211_437,
        multiply_adds: 1_000_000,
        epochs: 20,
        steps_per_epoch: per_epoch,
        batch_size: 64,
        train_images: 55_000,
        validation_images: 5_000,
        test_images: 10_000,
        no_test_set: false,
        curve_is_test: false,
        device: "cpu".into(),
        threads: 2,
        backend: "graph".into(),
        learning_rate: 1e-3,
        patience: 10,
        resumed_at_step: 0,
    };
    let mut at = 1000.0;
    let mut log = vec![Stamped {
        at,
        event: Event::Started(Box::new(started)),
    }];
    let mut tell = |event, seconds: f64| {
        at += seconds;
        log.push(Stamped { at, event });
    };
    let last_step = epochs as u64 * per_epoch + per_epoch / 2;
    let mut best = (f64::MAX, 0);
    for step in 1..=last_step {
        let x = step as f64 / per_epoch as f64;
        let wobble = ((step * 7919) % 13) as f64 / 13.0 - 0.5;
        tell(
            Event::Step(Step {
                step,
                epoch: ((step - 1) / per_epoch) as usize + 1,
                loss: 2.2 * (-x * 1.5).exp() + 0.35 * (-x * 0.12).exp() + 0.02 * wobble,
                accuracy: 1.0 - 0.8 * (-x * 1.5).exp() - 0.12 * (-x * 0.1).exp() + 0.005 * wobble,
                learning_rate: 1e-3,
                gradient_norm: 0.8 + 0.3 * wobble,
                images_per_second: 9_200.0 + 300.0 * wobble,
                elapsed_seconds: step as f64 * 0.25,
                breakdown: Breakdown {
                    load: 0.04,
                    forward: 0.36,
                    backward: 0.52,
                    update: 0.08,
                    wait: 0.0,
                },
            }),
            0.25,
        );
        if step % per_epoch == 0 {
            let epoch = (step / per_epoch) as usize;
            let loss = 0.25 + 0.5 * (-x * 0.9).exp() + 0.004 * x;
            if loss < best.0 {
                best = (loss, epoch);
            }
            tell(
                Event::EpochEnd(Box::new(EpochEnd {
                    epoch,
                    step,
                    train: Scores::running(0.35 * (-x * 0.12).exp(), 1.0 - 0.12 * (-x * 0.1).exp()),
                    held_out: Scores::running(loss, 0.915 - 0.3 * (-x).exp()),
                    learning_rate: 1e-3,
                    seconds: 7.5,
                    evaluation_seconds: 0.4,
                    images_per_second: 9_214.0,
                    best_epoch: best.1,
                    stale_epochs: epoch - best.1,
                })),
                0.4,
            );
            if best.1 == epoch {
                tell(
                    Event::CheckpointSaved {
                        kind: "best".into(),
                        epoch,
                        step,
                    },
                    0.0,
                );
            }
        }
        if step % 4 == 0 {
            let load = ResourceUsage {
                cpu_percent: 190.0 + (step % 9) as f64,
                memory_bytes: 252_706_816,
                gpu_percent: None,
                gpu_memory_bytes: None,
            };
            tell(Event::Load(load), 0.0);
        }
    }
    log
}

fn and(mut log: Vec<Stamped>, event: Event) -> Vec<Stamped> {
    let at = log.last().map_or(0.0, |e| e.at) + 0.5;
    log.push(Stamped { at, event });
    log
}

fn finished() -> Vec<Stamped> {
    let scores = |accuracy: f64| Scores {
        top3_accuracy: 0.991,
        ..Scores::of_accuracy(0.2874, accuracy)
    };
    let result = ResultRecord {
        seconds: 150.0,
        epochs: 16,
        best_epoch: 5,
        train: Some(scores(0.9511)),
        validation: Some(scores(0.9134)),
        test: Some(scores(0.9102)),
        ..ResultRecord::default()
    };
    let reason = "stopped early: validation loss has not improved for 10 epochs".to_string();
    and(
        log(16),
        Event::Finished {
            complete: true,
            reason,
            result: Box::new(result),
        },
    )
}

fn failed() -> Vec<Stamped> {
    let event = Event::Failed {
        message: "loss became NaN at step 107; the weights of the step before are kept".into(),
        remedy: "lower train.optimizer.learning_rate or set train.clip, then start again".into(),
    };
    and(log(3), event)
}

fn tab(events: &[Stamped], link: Link) -> Lent<TrainTab> {
    let mut tab = testing::lent(TrainTab::new(Some(Profile::new("lenet5"))));
    tab.cx.run.open("modern-lenet-1".into(), link, events);
    tab
}

fn draw(tab: &mut Lent<TrainTab>, width: u16, height: u16) -> String {
    let theme = Theme::new(Palette::Dark, ColorDepth::TrueColor, false);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| tab.render(frame, frame.area(), &theme))
        .unwrap();
    terminal.backend().to_string()
}

#[test]
fn every_state_is_drawn_as_agreed() {
    // The content between header and footer of 80×24, 120×40 and 200×50.
    for (name, width, height) in [("80x24", 80, 22), ("120x40", 120, 38), ("200x50", 200, 48)] {
        let mut empty = testing::lent(TrainTab::new(Some(Profile::new("lenet5"))));
        insta::assert_snapshot!(format!("empty_{name}"), draw(&mut empty, width, height));
        insta::assert_snapshot!(
            format!("first_epoch_{name}"),
            draw(&mut tab(&log(0), Link::Live), width, height)
        );
        insta::assert_snapshot!(
            format!("running_{name}"),
            draw(&mut tab(&log(14), Link::Live), width, height)
        );
        insta::assert_snapshot!(
            format!("finished_{name}"),
            draw(&mut tab(&finished(), Link::Ended), width, height)
        );
        insta::assert_snapshot!(
            format!("failed_{name}"),
            draw(&mut tab(&failed(), Link::Ended), width, height)
        );
        insta::assert_snapshot!(
            format!("lost_{name}"),
            draw(&mut tab(&log(14), Link::Ended), width, height)
        );
        let mut replay = testing::lent(TrainTab::new(None));
        replay
            .cx
            .run
            .play("modern-lenet-1".into(), finished(), 60.0);
        replay.on_action(Action::PauseOrResume);
        replay.on_action(Action::End);
        replay.on_action(Action::PageUp);
        insta::assert_snapshot!(format!("replay_{name}"), draw(&mut replay, width, height));
    }
}

#[test]
fn no_size_disturbs_it() {
    let ascii = Theme::new(Palette::Mono, ColorDepth::Mono, true);
    for events in [Vec::new(), log(0), log(4), finished(), failed()] {
        for (width, height) in (0..=40).flat_map(|w| (0..=20).map(move |h| (w, h))) {
            let mut tab = tab(&events, Link::Live);
            tab.cx.run.play("r".into(), events.clone(), 10.0);
            tab.on_action(Action::End);
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal
                .draw(|frame| tab.render(frame, frame.area(), &ascii))
                .unwrap();
            tab.on_action(Action::Back);
            terminal
                .draw(|frame| tab.render(frame, frame.area(), &ascii))
                .unwrap();
        }
    }
}

#[test]
fn without_a_validation_set_it_says_what_is_seen_and_what_is_kept() {
    let mut events = log(4);
    if let Event::Started(started) = &mut events[0].event {
        started.curve_is_test = true;
    }
    for (width, height) in [(80, 22), (120, 38)] {
        let mut tab = tab(&events, Link::Live);
        let screen = draw(&mut tab, width, height);
        assert!(
            screen.contains("epoch 4 ") && screen.contains("best @ 4"),
            "{screen}"
        );
        assert!(screen.contains("to test  best"), "{screen}");
        assert!(screen.contains("training loss"), "{screen}");
        tab.on_action(Action::CycleView);
        assert!(draw(&mut tab, width, height).contains(" best"));
    }
}

/// `train.test = false`: the run is known by its validation set.
#[test]
fn without_a_test_it_says_so_and_shows_the_validation() {
    let mut events = finished();
    for event in &mut events {
        match &mut event.event {
            Event::Started(started) => started.test_images = 0,
            Event::Finished { result, .. } => result.test = None,
            _ => {}
        }
    }
    for (width, height) in [(80, 22), (120, 38)] {
        let screen = draw(&mut tab(&events, Link::Ended), width, height);
        assert!(screen.contains("val., best @"), "{screen}");
        assert!(screen.contains("no test"), "{screen}");
    }
    let screen = draw(&mut tab(&events, Link::Ended), 120, 38);
    let why = "5,000 validation / no test (train.test = false)";
    assert!(screen.contains(why), "{screen}");
    if let Event::Started(started) = &mut events[0].event {
        started.no_test_set = true;
    }
    let screen = draw(&mut tab(&events, Link::Ended), 120, 38);
    let why = "5,000 validation / no test (no test set)";
    assert!(screen.contains(why), "{screen}");
}

/// The figures of a screen's row, in order.
fn figures_of(screen: &str, row: &str) -> Vec<String> {
    let line = screen
        .lines()
        .rev()
        .find(|l| l.starts_with(&format!("\" {row} ")));
    let left: String = line.unwrap_or_default().chars().skip(10).take(40).collect();
    left.split("  ")
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(Into::into)
        .collect()
}

#[test]
fn a_finished_run_shows_figures_of_one_model() {
    let screen = draw(&mut tab(&finished(), Link::Ended), 80, 22);
    assert_eq!(
        figures_of(&screen, "accuracy"),
        ["95.1 %", "91.3 %", "91.0 %"]
    );
    assert_eq!(figures_of(&screen, "gap")[0], "+3.8 points");
    assert!(screen.contains(" best @ 5 "), "{screen}");
    let mut damaged = finished();
    if let Some(Event::Finished { result, .. }) = damaged.last_mut().map(|e| &mut e.event) {
        result.note = "the best weights, of epoch 5, are missing or damaged: the scores are those of the last weights, of epoch 16".into();
    }
    let mut tab = tab(&damaged, Link::Ended);
    let screen = draw(&mut tab, 80, 22);
    assert!(
        screen.contains(" note ") && screen.contains("of epoch 5, are missing"),
        "{screen}"
    );
    assert!(
        screen.contains(" last @ 16 ") && !screen.contains("best @"),
        "{screen}"
    );
    assert_eq!(tab.cx.run.state_severity(), Severity::Warning);
}

#[test]
fn a_running_run_names_the_epoch_of_every_figure() {
    let screen = draw(&mut tab(&log(14), Link::Live), 80, 22);
    assert!(
        screen.contains(" epoch 14 ") && screen.contains("best @ 5"),
        "{screen}"
    );
    let figures = figures_of(&screen, "loss");
    assert_eq!(figures, ["0.0652", "0.3060", "0.2756"], "{screen}");
    let accuracy = figures_of(&screen, "accuracy");
    // The best epoch is that of the best weights, whatever else was higher later.
    assert_eq!(accuracy, ["97.0 %", "91.5 %", "91.3 %"], "{screen}");
}

#[test]
fn a_failure_has_one_step() {
    let screen = draw(&mut tab(&failed(), Link::Ended), 120, 38);
    assert!(
        screen.contains("at step 107") && !screen.contains("failed at step"),
        "{screen}"
    );
}

/// A run of the largest numbers and the longest name, as far as its millionth epoch.
fn extreme(over: bool) -> Vec<Stamped> {
    let mut events = log(3);
    let far = 999_997;
    for (i, stamped) in events.iter_mut().enumerate() {
        match &mut stamped.event {
            Event::Started(started) => {
                started.epochs = 1_000_000;
                started.name = "a-name-".repeat(30);
                started.architecture.clone_from(&started.name);
                started.parameters = u64::MAX;
                started.resumed_at_step = far as u64 * 30;
            }
            Event::Step(step) => {
                step.step += far as u64 * 30;
                step.loss = [1.460_974_950_282_202e15, f64::NAN, f64::INFINITY, 0.5][i % 4];
                step.accuracy = 1.0;
                step.gradient_norm = f64::INFINITY;
                step.images_per_second = 1.2e12;
                step.elapsed_seconds = 3e9;
            }
            Event::EpochEnd(end) => {
                end.epoch += far;
                end.best_epoch += far;
                end.train.loss = 1.460_974_950_282_202e15;
                end.held_out.loss = if i % 2 == 0 {
                    f64::NAN
                } else {
                    f64::NEG_INFINITY
                };
                (end.train.accuracy, end.held_out.accuracy) = (1.0, 0.0);
                end.seconds = 1e9;
            }
            Event::CheckpointSaved { epoch, .. } => *epoch += far,
            Event::Load(load) => {
                (load.cpu_percent, load.memory_bytes) = (25_600.0, 2 << 40);
                load.gpu_percent = Some(100.0);
            }
            _ => {}
        }
    }
    if !over {
        return events;
    }
    let scores = |loss, accuracy| {
        Some(Scores {
            loss,
            accuracy,
            top3_accuracy: 1.0,
            ..Scores::default()
        })
    };
    let result = ResultRecord {
        seconds: 1e15,
        epochs: 1_000_000,
        best_epoch: 999_998,
        note: "the best weights, of epoch 999998, are missing or damaged: the scores are those of the last weights, of epoch 1000000".into(),
        train: scores(1.460_974_950_282_202e15, 1.0),
        validation: scores(f64::NAN, 0.0),
        test: scores(f64::INFINITY, 1.0),
        ..ResultRecord::default()
    };
    let event = Event::Finished {
        complete: true,
        reason: "all 1,000,000 epochs done".into(),
        result: Box::new(result),
    };
    and(events, event)
}

#[test]
fn extreme_figures_stay_in_their_columns() {
    for (name, width, height) in [("60x15", 60, 13), ("80x24", 80, 22), ("120x40", 120, 38)] {
        let mut running = tab(&extreme(false), Link::Live);
        insta::assert_snapshot!(format!("extreme_{name}"), draw(&mut running, width, height));
        running.on_action(Action::CycleView);
        insta::assert_snapshot!(
            format!("extreme_epochs_{name}"),
            draw(&mut running, width, height)
        );
        let mut over = tab(&extreme(true), Link::Ended);
        insta::assert_snapshot!(
            format!("extreme_finished_{name}"),
            draw(&mut over, width, height)
        );
    }
}

#[test]
fn shares_of_a_step_and_the_path_never_move_their_neighbours() {
    let place = |load, forward, path: &str| {
        let mut events = log(1);
        for stamped in &mut events {
            match &mut stamped.event {
                Event::Step(step) => {
                    step.breakdown = Breakdown {
                        load,
                        forward,
                        ..Breakdown::default()
                    }
                }
                Event::Started(started) => started.backend = path.into(),
                _ => {}
            }
        }
        let screen = draw(&mut tab(&events, Link::Live), 80, 22);
        let line = screen.lines().find(|l| l.contains("time %")).unwrap();
        let said = screen.contains(&format!("images/s · {path}"));
        (line.split("CPU").next().unwrap().chars().count(), said)
    };
    assert_eq!(place(0.0, 1.0, "by hand"), (51, true));
    assert_eq!(place(0.04, 0.5, "graph"), (51, true));
    assert_eq!(place(0.0, 1.0, "perceptron rule"), (51, false));
}

#[test]
fn what_is_waited_for_the_disk_is_said_where_there_is_any() {
    let screen = |wait, width| {
        let mut events = log(1);
        for stamped in &mut events {
            if let Event::Step(step) = &mut stamped.event {
                step.breakdown.load = 0.34;
                step.breakdown.forward = 0.06;
                step.breakdown.wait = wait;
            }
        }
        draw(
            &mut tab(&events, Link::Live),
            width,
            if width > 80 { 45 } else { 22 },
        )
    };
    let line = |screen: String, word: &str| {
        let line = screen.lines().find(|line| line.contains(word));
        line.unwrap_or_default().to_owned()
    };
    let narrow = line(screen(0.31, 80), "time %");
    assert!(narrow.contains("load 34 wait 31 fwd"), "{narrow}");
    let wide = line(screen(0.31, 160), "step time");
    assert!(
        wide.contains("load 34 %") && wide.contains("waiting for the disk 31 %"),
        "{wide}"
    );
    assert!(!screen(0.0, 80).contains("wait") && !screen(0.0, 160).contains("waiting"));
}

/// What the tab asks the worker, as the app passes it on.
fn ask(tab: &mut Lent<TrainTab>, action: Action) -> Command {
    match tab.on_action(action) {
        Effect::Request(Request::Send { run, command }) => {
            assert_eq!(run, "modern-lenet-1");
            tab.cx.run.asked(&run, &command);
            command
        }
        other => panic!("{other:?}"),
    }
}

fn tell(tab: &mut Lent<TrainTab>, event: Event) -> Option<String> {
    tab.cx.run.on_event(
        "modern-lenet-1",
        &Stamped { at: 2000.0, event },
        Instant::now(),
    )
}

#[test]
fn only_the_worker_can_say_paused() {
    let mut tab = tab(&log(2), Link::Live);
    assert_eq!(ask(&mut tab, Action::PauseOrResume), Command::Pause);
    assert_eq!(tab.cx.run.state(), "modern-lenet · pausing…");
    let paused = Event::Paused { step: 75 };
    let stamped = Stamped {
        at: 2000.0,
        event: paused.clone(),
    };
    assert_eq!(
        tab.cx.run.on_event("another run", &stamped, Instant::now()),
        None
    );
    assert_eq!(tab.cx.run.state(), "modern-lenet · pausing…");
    assert_eq!(
        tell(&mut tab, paused).as_deref(),
        Some("paused after step 75")
    );
    assert_eq!(tab.cx.run.state(), "modern-lenet · paused");
    assert_eq!(ask(&mut tab, Action::PauseOrResume), Command::Continue);
}

#[test]
fn pause_pressed_twice_goes_on_however_late_the_worker_answers() {
    let mut tab = tab(&log(2), Link::Live);
    let asked = [(); 3].map(|()| ask(&mut tab, Action::PauseOrResume));
    assert_eq!(asked, [Command::Pause, Command::Continue, Command::Pause]);
    // What never reached the worker is not waited for.
    tab.cx.run.not_asked("another run");
    assert_eq!(tab.cx.run.state(), "modern-lenet · pausing…");
    tab.cx.run.not_asked("modern-lenet-1");
    assert_eq!(tab.cx.run.state(), "modern-lenet · running");
    assert_eq!(ask(&mut tab, Action::PauseOrResume), Command::Pause);
}

#[test]
fn stopping_is_asked_about_where_there_is_something_to_stop() {
    let asks = Effect::AskToStop {
        run: "modern-lenet-1".into(),
        name: "modern-lenet".into(),
    };
    let stop = |events: &[Stamped], link| tab(events, link).on_action(Action::Stop);
    assert_eq!(stop(&log(2), Link::Live), asks);
    assert_eq!(
        stop(&finished(), Link::Ended),
        Effect::Say("modern-lenet is finished: there is nothing to control".into())
    );
    let Effect::Say(words) = stop(&log(2), Link::ReadOnly) else {
        panic!("it asks");
    };
    assert!(words.contains("read-only"), "{words}");
}

#[test]
fn the_worker_steps_its_own_rate_and_the_screen_shows_what_it_answers() {
    let mut tab = tab(&log(2), Link::Live);
    let up = Command::StepLearningRate { up: true };
    let asked = [(); 3].map(|()| ask(&mut tab, Action::LearningRateUp));
    assert_eq!(asked, [up.clone(), up.clone(), up]);
    assert_eq!(
        ask(&mut tab, Action::LearningRateDown),
        Command::StepLearningRate { up: false }
    );
    let changed = |to| Event::Changed {
        step: 75,
        what: "learning_rate".into(),
        from: 1e-3,
        to,
    };
    tell(&mut tab, Event::Paused { step: 75 });
    assert!(draw(&mut tab, 120, 38).contains("learning rate    1.0e-3"));
    assert_eq!(
        tell(&mut tab, changed(5e-3)).as_deref(),
        Some("learning rate 1.0e-3 → 5.0e-3")
    );
    // No step has been taken since.
    let screen = draw(&mut tab, 120, 38);
    assert!(screen.contains("learning rate    5.0e-3"), "{screen}");
    assert_eq!(tab.cx.run.state(), "modern-lenet · paused");
}

#[test]
fn a_rate_that_stays_is_not_waited_for() {
    let mut tab = tab(&log(2), Link::Live);
    ask(&mut tab, Action::LearningRateUp);
    let message = "the learning rate stays at 1.0e2".to_string();
    assert_eq!(
        tell(&mut tab, Event::Warning { message }).as_deref(),
        Some("the learning rate stays at 1.0e2")
    );
    assert_eq!(tab.cx.run.state(), "modern-lenet · running");
}

#[test]
fn the_train_key_starts_exactly_the_first_profile() {
    let profile = Profile::new("lenet5");
    let mut tab = testing::lent(TrainTab::new(Some(profile.clone())));
    assert_eq!(
        tab.on_action(Action::Train),
        Request::Start(Start::New(Box::new(profile))).into()
    );
    tab.cx.run.open("r".into(), Link::Live, &log(1));
    assert_eq!(tab.on_action(Action::Train), Effect::GoToTab(TabId::Model));
}

#[test]
fn a_lost_run_can_be_resumed_and_an_ended_one_takes_no_commands() {
    let mut lost = tab(&log(2), Link::Live);
    lost.cx.run.on_link("modern-lenet-1", Link::Ended);
    assert_eq!(lost.cx.run.state(), "modern-lenet · crashed");
    assert_eq!(lost.cx.run.live_run(), None);
    assert_eq!(
        lost.on_action(Action::ResumeRun),
        Request::Start(Start::Resumed("modern-lenet-1".into())).into()
    );
    let mut over = tab(&finished(), Link::Ended);
    assert!(matches!(
        over.on_action(Action::PauseOrResume),
        Effect::Say(_)
    ));
    assert!(matches!(over.on_action(Action::ResumeRun), Effect::Say(_)));
}

#[test]
fn replay_lends_the_history_of_its_moment() {
    let mut tab = tab(&log(1), Link::Live);
    tab.cx.run.play("old".into(), finished(), 10.0);
    let (run, history) = tab.cx.run.history().unwrap();
    assert_eq!((run, history.epochs.len()), ("old", 0));
    tab.on_action(Action::End);
    assert_eq!(tab.cx.history().unwrap().epochs.len(), 16);
    assert!(matches!(tab.on_action(Action::Stop), Effect::Say(_)));
    tab.on_action(Action::Back);
    let kept = tab.cx.history().unwrap();
    assert_eq!(kept.epochs.len(), 1);
}

#[test]
fn new_figures_are_bright_for_a_while_by_the_clock_of_the_app() {
    let mut tab = tab(&log(2), Link::Live);
    let now = Instant::now();
    let end = Event::EpochEnd(Box::default());
    let told = Stamped {
        at: 2000.0,
        event: end,
    };
    tab.cx.run.on_event("modern-lenet-1", &told, now);
    assert!(tab.cx.run.is_fresh());
    assert!(!tab.cx.run.tick(now + Duration::from_millis(900)));
    assert!(tab.cx.run.tick(now + Duration::from_millis(1100)) && !tab.cx.run.is_fresh());
}
