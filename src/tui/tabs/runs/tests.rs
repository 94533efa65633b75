//! The Runs tab without a terminal.

#![expect(clippy::cast_precision_loss, reason = "a few made-up epochs")]

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;

use super::*;
use crate::metrics::Scores;
use crate::profile::{EpochRecord, ResultRecord, RunRecord};
use crate::tui::tabs::testing::{self, Lent};
use crate::tui::theme::{ColorDepth, Palette, Theme};

fn row(id: &str, architecture: &str, status: Status, epochs: usize, accuracy: f64) -> RunRow {
    let mut profile = Profile::new(architecture);
    profile.name = format!("{architecture}-{id}");
    profile.train.seed = id.len() as u64;
    profile.train.optimizer.learning_rate = accuracy / 900.0;
    profile.run = Some(RunRecord {
        id: id.into(),
        status,
        // Far ahead, so that the table says "now" whenever the test runs.
        started: format!("2999-01-{:02}T10:00:00Z", 10 + epochs),
        device: "cpu".into(),
        error: if status == Status::Failed {
            "loss became NaN at step 107".into()
        } else {
            String::new()
        },
        ..RunRecord::default()
    });
    profile.history = (1..=epochs)
        .map(|epoch| EpochRecord {
            epoch,
            train_loss: 1.0 / epoch as f64,
            train_accuracy: 0.9,
            held_out_loss: 0.4 + accuracy / epoch as f64,
            held_out_accuracy: accuracy - 0.2 / epoch as f64,
            learning_rate: 1e-3,
            seconds: 7.5,
            images_per_second: 9000.0,
        })
        .collect();
    if status == Status::Finished {
        let test = Scores::of_accuracy(0.3, accuracy);
        profile.result = Some(ResultRecord {
            parameters: 1000 * id.len() as u64 * id.len() as u64,
            seconds: 7.5 * epochs as f64,
            epochs,
            best_epoch: epochs,
            train: Some(Scores {
                accuracy: accuracy + 0.02,
                ..Scores::default()
            }),
            validation: Some(Scores {
                accuracy: accuracy + 0.005,
                ..Scores::default()
            }),
            test: Some(test),
            ..ResultRecord::default()
        });
    }
    RunRow {
        id: id.into(),
        status,
        profile: Ok(std::sync::Arc::new(profile)),
    }
}

fn rows() -> Vec<RunRow> {
    vec![
        row("run-a", "lenet5", Status::Finished, 15, 0.903),
        row("run-bbb", "modern-lenet", Status::Running, 16, 0.915),
        row("run-cc", "improved-cnn", Status::Finished, 14, 0.93),
        row("run-d", "mlp", Status::Failed, 3, 0.85),
        RunRow {
            id: "run-broken".into(),
            status: Status::Created,
            profile: Err("train.epochs: 0 is below 1; give a number from 1 to 100000".into()),
        },
    ]
}

fn tab() -> Lent<RunsTab> {
    let mut tab = testing::lent(RunsTab::default());
    tab.set_rows(rows());
    tab
}

fn draw(tab: &mut Lent<RunsTab>, width: u16, height: u16) -> String {
    let theme = Theme::new(Palette::Dark, ColorDepth::TrueColor, false);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| tab.render(frame, frame.area(), &theme))
        .unwrap();
    terminal.backend().to_string()
}

fn compared() -> Lent<RunsTab> {
    let mut tab = tab();
    tab.on_action(Action::Home);
    for _ in 0..3 {
        tab.on_action(Action::Mark);
    }
    tab.on_action(Action::CycleView);
    tab
}

#[test]
fn every_state_is_drawn_as_agreed() {
    for (name, width, height) in [("80x24", 80, 22), ("120x40", 120, 38), ("200x50", 200, 48)] {
        let mut empty = testing::lent(RunsTab::default());
        empty.set_rows(Vec::new());
        insta::assert_snapshot!(format!("empty_{name}"), draw(&mut empty, width, height));
        insta::assert_snapshot!(format!("some_{name}"), draw(&mut tab(), width, height));
        let mut failed = tab();
        failed.set_rows(rows().split_off(3));
        insta::assert_snapshot!(format!("failed_{name}"), draw(&mut failed, width, height));
        insta::assert_snapshot!(
            format!("compared_{name}"),
            draw(&mut compared(), width, height)
        );
        let mut deleting = tab();
        deleting.on_action(Action::Sort);
        deleting.on_action(Action::Delete);
        insta::assert_snapshot!(
            format!("deleting_{name}"),
            draw(&mut deleting, width, height)
        );
    }
}

/// Two groups of seeds, one of them open, and a run with its forks.
fn grouped() -> Lent<RunsTab> {
    let mut rows = Vec::new();
    for (group, accuracy) in [("lenet5-x3-3f2a", 0.903), ("modern-lenet-x3-77c0", 0.915)] {
        for seed in 0..3_u8 {
            let id = format!("run-{group}-{seed}");
            let status = if seed == 2 && accuracy > 0.91 {
                Status::Running
            } else {
                Status::Finished
            };
            let accuracy = accuracy + f64::from(seed) / 500.0;
            let mut row = row(&id, "lenet5", status, 6, accuracy);
            change(&mut row, |profile| {
                profile.name = group.split("-x").next().unwrap().into();
                profile.train.seed = 42 + u64::from(seed);
                profile.run.as_mut().unwrap().group = group.into();
            });
            rows.push(row);
        }
    }
    for (id, parent, epoch) in [("run-e", "run-a", 4), ("run-f", "run-e", 5)] {
        let mut row = row(id, "lenet5", Status::Finished, 8, 0.91);
        change(&mut row, |profile| {
            let fork = crate::profile::Fork {
                run: parent.into(),
                epoch,
                ..crate::profile::Fork::default()
            };
            profile.run.as_mut().unwrap().forks = vec![fork];
        });
        rows.push(row);
    }
    rows.push(row("run-a", "lenet5", Status::Finished, 5, 0.9));
    let mut tab = testing::lent(RunsTab::default());
    tab.set_rows(rows);
    tab.cursor = Some("lenet5-x3-3f2a".into());
    tab.on_action(Action::Open);
    tab
}

fn change(row: &mut RunRow, change: impl FnOnce(&mut Profile)) {
    if let Ok(profile) = &mut row.profile {
        change(Arc::make_mut(profile));
    }
}

/// Both groups compared, with what may be concluded.
fn concluded() -> Lent<RunsTab> {
    let mut tab = grouped();
    tab.on_action(Action::Mark);
    tab.cursor = Some("modern-lenet-x3-77c0".into());
    tab.on_action(Action::Mark);
    let Effect::Request(Request::Compare(sides)) = tab.on_action(Action::CycleView) else {
        panic!("nothing is compared");
    };
    let workspace = crate::run::Workspace::at("nowhere");
    let (verdicts, notes) = crate::run::verdict::verdicts(&workspace, &sides);
    assert_eq!(verdicts.len(), 1, "{notes:?}");
    tab.set_compared(Compared {
        names: sides.iter().map(|side| side.name().into()).collect(),
        verdicts,
        notes,
        dataset: None,
        data: Data::default(),
        shows_first: false,
    });
    tab
}

/// Two runs compared, and the images that decide.
fn gallery() -> Lent<RunsTab> {
    let mut tab = grouped();
    for run in ["run-a", "run-e"] {
        tab.cursor = Some(run.into());
        tab.on_action(Action::Mark);
    }
    let Effect::Request(Request::Compare(sides)) = tab.on_action(Action::CycleView) else {
        panic!("nothing is compared");
    };
    let dataset = testing::dataset(10, 40);
    let first = testing::predictions(&dataset, 3);
    let mut second = first.clone();
    for (i, item) in second.items.iter_mut().enumerate() {
        // A third of the first run's are wrong, and every seventh of the second's.
        item.top.swap(0, 1);
        item.top[0] = if i % 7 == 0 {
            (item.label + 1) % 10
        } else {
            item.label
        };
    }
    let verdict = crate::run::verdict::paired(&first, &second, 0.95).unwrap();
    tab.set_compared(Compared {
        names: sides.iter().map(|side| side.name().into()).collect(),
        verdicts: vec![verdict],
        notes: Vec::new(),
        dataset: Some(Arc::new(dataset)),
        data: Data::default(),
        shows_first: false,
    });
    tab.on_action(Action::Open);
    tab
}

#[test]
fn groups_forks_and_conclusions_are_drawn_as_agreed() {
    for (name, width, height) in [("80x24", 80, 22), ("120x40", 120, 38), ("200x50", 200, 48)] {
        insta::assert_snapshot!(
            format!("grouped_{name}"),
            draw(&mut grouped(), width, height)
        );
        insta::assert_snapshot!(
            format!("concluded_{name}"),
            draw(&mut concluded(), width, height)
        );
        insta::assert_snapshot!(
            format!("gallery_{name}"),
            draw(&mut gallery(), width, height)
        );
    }
}

#[test]
fn a_group_opens_closes_and_is_marked_as_one() {
    let mut tab = grouped();
    let lines = tab.shown_ids().len();
    assert_eq!(tab.on_action(Action::Open), Effect::None);
    assert_eq!(tab.shown_ids().len(), lines - 3);
    assert!(matches!(tab.on_action(Action::Delete), Effect::Say(_)));
    assert!(matches!(tab.on_action(Action::Stop), Effect::Say(_)));
    assert!(matches!(tab.on_action(Action::Replay), Effect::Say(_)));
    tab.on_action(Action::Mark);
    assert_eq!(tab.marked.len(), 1);
    // Where its runs are gone, so is the mark.
    tab.set_rows(rows());
    assert!(tab.marked.is_empty());
}

#[test]
fn a_fork_stands_below_the_run_that_it_left() {
    let tab = grouped();
    let ids = tab.shown_ids();
    let at = |id: &str| ids.iter().position(|other| other == id).unwrap();
    assert_eq!(
        (at("run-e"), at("run-f")),
        (at("run-a") + 1, at("run-a") + 2)
    );
    assert_eq!(ids.len(), 2 + 3 + 3);
}

/// Runs of long names, many epochs, and figures of every size; one whose best weights are gone.
fn extreme() -> Lent<RunsTab> {
    let mut rows: Vec<RunRow> = (0..30)
        .map(|i| row(&format!("run-{i:02}"), "lenet5", Status::Finished, 3, 1.0))
        .collect();
    for (i, row) in rows.iter_mut().enumerate() {
        let Ok(profile) = &mut row.profile else {
            continue;
        };
        let profile = std::sync::Arc::make_mut(profile);
        profile.name = format!("{i:02}-{}", "a-name-".repeat(30));
        profile.data.name = "a-data-set-".repeat(9);
        profile.train.epochs = 1_000_000;
        profile.train.optimizer.learning_rate = 0.1 / (i as f64 + 3.0);
        for (epoch, record) in profile.history.iter_mut().enumerate() {
            record.epoch = 999_997 + epoch;
            record.held_out_loss = [1.460_974_950_282_202e15, f64::NAN, f64::INFINITY][epoch];
            record.seconds = 1e9;
        }
        let Some(result) = &mut profile.result else {
            continue;
        };
        result.parameters = u64::MAX >> i;
        (result.epochs, result.best_epoch) = (1_000_000, 999_998);
        result.seconds = 10_f64.powi(i32::try_from(i).unwrap());
        if i == 29 {
            result.note = "the best weights, of epoch 999998, are missing or damaged: the scores are those of the last weights, of epoch 1000000".into();
        }
    }
    let mut tab = testing::lent(RunsTab::default());
    tab.set_rows(rows);
    tab
}

#[test]
fn extreme_figures_stay_in_their_columns() {
    for (name, width, height) in [("60x15", 60, 13), ("80x24", 80, 22), ("120x40", 120, 38)] {
        let mut tab = extreme();
        insta::assert_snapshot!(format!("extreme_{name}"), draw(&mut tab, width, height));
        for _ in 0..3 {
            tab.on_action(Action::Mark);
        }
        tab.on_action(Action::CycleView);
        tab.on_action(Action::End);
        insta::assert_snapshot!(
            format!("extreme_compared_{name}"),
            draw(&mut tab, width, height)
        );
    }
}

#[test]
fn an_accuracy_says_what_it_is_of_and_a_note_is_seen() {
    let screen = draw(&mut tab(), 120, 38);
    let line = |name: &str| {
        screen
            .lines()
            .find(|l| l.contains(name))
            .unwrap()
            .to_string()
    };
    assert!(
        line("modern-lenet-run-bbb").contains("90.3 % val. @16"),
        "{screen}"
    );
    assert!(line("lenet5-run-a").contains("90.3 % test @15"), "{screen}");
    let mut tab = extreme();
    tab.cursor = Some("run-29".into());
    let screen = draw(&mut tab, 80, 22);
    assert!(screen.contains("!100.0 % test"), "{screen}");
    assert!(
        screen.contains("run-29: the best weights, of epoch 999998, are missing"),
        "{screen}"
    );
}

#[test]
fn no_size_disturbs_it() {
    let theme = Theme::new(Palette::Mono, ColorDepth::Mono, true);
    for (width, height) in (0..=40).flat_map(|w| (0..=20).map(move |h| (w, h))) {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        for mut tab in [testing::lent(RunsTab::default()), tab(), compared()] {
            tab.on_action(Action::End);
            terminal
                .draw(|frame| tab.render(frame, frame.area(), &theme))
                .unwrap();
            tab.on_action(Action::Filter);
            terminal
                .draw(|frame| tab.render(frame, frame.area(), &theme))
                .unwrap();
        }
    }
}

#[test]
fn sorting_changes_the_order_and_keeps_the_cursor() {
    let mut tab = tab();
    tab.cursor = Some("run-a".into());
    assert_eq!(tab.shown_ids()[0], "run-bbb");
    tab.on_action(Action::Sort);
    assert_eq!(tab.shown_ids()[..2], ["run-cc", "run-a"]);
    tab.on_action(Action::Sort);
    assert_eq!(tab.shown_ids()[0], "run-a");
    assert_eq!(
        tab.on_action(Action::Open),
        Request::Open("run-a".into()).into()
    );
}

#[test]
fn a_filter_narrows_and_escape_widens() {
    let mut tab = tab();
    tab.on_action(Action::Filter);
    assert!(tab.takes_text());
    for c in "lenet run".chars() {
        tab.on_text(KeyEvent::from(KeyCode::Char(c)));
    }
    assert_eq!(tab.shown_ids(), ["run-bbb", "run-a"]);
    tab.on_text(KeyEvent::from(KeyCode::Enter));
    assert_eq!(
        tab.on_action(Action::Replay),
        Request::Replay {
            run: "run-bbb".into(),
            speed: REPLAY_SPEED
        }
        .into()
    );
    tab.on_action(Action::Back);
    assert_eq!(tab.shown_ids().len(), 5);
}

#[test]
fn deleting_asks_and_spares_what_runs() {
    let mut tab = tab();
    tab.cursor = Some("run-bbb".into());
    assert!(matches!(tab.on_action(Action::Delete), Effect::Say(_)));
    tab.cursor = Some("run-d".into());
    assert_eq!(tab.on_action(Action::Delete), Effect::None);
    assert_eq!(
        tab.on_text(KeyEvent::from(KeyCode::Char('x'))),
        Effect::None
    );
    assert_eq!(
        tab.on_text(KeyEvent::from(KeyCode::Char('y'))),
        Request::Delete("run-d".into()).into()
    );
    assert!(!tab.takes_text());
}

#[test]
fn the_example_is_told_and_stays() {
    let mut tab = testing::lent(RunsTab::default());
    tab.set_rows(vec![row("example", "lenet5", Status::Finished, 2, 0.9)]);
    assert!(draw(&mut tab, 80, 24).contains("this is the built-in example, read-only"));
    assert!(matches!(tab.on_action(Action::Delete), Effect::Say(_)));
    assert!(!tab.takes_text());
}

#[test]
fn broken_profiles_are_shown_and_cannot_be_opened() {
    let mut tab = tab();
    tab.cursor = Some("run-broken".into());
    assert!(draw(&mut tab, 80, 22).contains("train.epochs: 0 is below 1"));
    assert!(matches!(tab.on_action(Action::Open), Effect::Say(text) if text.contains("broken")));
}

#[test]
fn comparing_needs_two() {
    let mut tab = tab();
    tab.on_action(Action::Mark);
    assert!(matches!(tab.on_action(Action::CycleView), Effect::Say(_)));
    tab.on_action(Action::Mark);
    let Effect::Request(Request::Compare(sides)) = tab.on_action(Action::CycleView) else {
        panic!("nothing is compared");
    };
    assert_eq!(sides.len(), 2);
    assert_eq!(tab.mode, Mode::Comparing);
    tab.on_action(Action::Back);
    assert_eq!(tab.mode, Mode::Table);
    assert_eq!(tab.marked.len(), 2);
}

#[test]
fn the_selected_run_is_commanded_or_it_is_said_why_not() {
    let mut tab = tab();
    let select = |tab: &mut Lent<RunsTab>, id: &str| tab.cursor = Some(id.into());
    let of = |command| {
        let run = "run-bbb".into();
        Effect::Request(Request::Send { run, command })
    };
    select(&mut tab, "run-bbb");
    for (action, command) in [
        (Action::PauseOrResume, Command::Pause),
        // However late the table shows it.
        (Action::PauseOrResume, Command::Continue),
        (Action::Checkpoint, Command::SaveCheckpoint),
        (
            Action::LearningRateUp,
            Command::StepLearningRate { up: true },
        ),
        (
            Action::LearningRateDown,
            Command::StepLearningRate { up: false },
        ),
    ] {
        assert_eq!(tab.on_action(action), of(command));
    }
    assert_eq!(
        tab.on_action(Action::Stop),
        Effect::AskToStop {
            run: "run-bbb".into(),
            name: "modern-lenet-run-bbb".into()
        }
    );
    let mut paused = rows();
    paused[1].status = Status::Paused;
    tab.set_rows(paused);
    assert_eq!(tab.on_action(Action::PauseOrResume), of(Command::Continue));

    for (id, why) in [
        ("run-a", "lenet5-run-a is finished: it has no worker"),
        ("run-d", "Press u to resume it"),
        ("run-broken", "run-broken has no worker yet"),
    ] {
        select(&mut tab, id);
        for action in [Action::PauseOrResume, Action::Stop, Action::LearningRateUp] {
            let Effect::Say(words) = tab.on_action(action) else {
                panic!("{id}");
            };
            assert!(words.contains(why), "{words}");
        }
    }
    let mut comparing = compared();
    select(&mut comparing, "run-bbb");
    assert!(matches!(comparing.on_action(Action::Stop), Effect::Say(_)));
}
