use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::search::{Assigned, Direction, Distribution, Range};
use crate::tui::tabs::testing::{Lent, draw, lent, survives, text as text_of, theme};

/// A search of 60 trials of LeNet-5: learning curves that end at rungs, a failure, two that run.
fn sweep() -> SweepShown {
    let range = |low, high, log| Range {
        low,
        high,
        log,
        step: None,
        is_whole: false,
    };
    let number = |range| Arc::new(Distribution::Number(range));
    let rate = number(range(1e-4, 0.3, true));
    let momentum = number(range(0.0, 0.95, false));
    let batch = number(Range {
        step: Some(1.0),
        is_whole: true,
        ..range(16.0, 256.0, true)
    });
    let optimizer = Arc::new(Distribution::Choice(vec![
        json!("sgd"),
        json!("adam"),
        json!("adamw"),
    ]));
    let shift = Arc::new(Distribution::Choice(vec![json!(0), json!(1), json!(2)]));
    let schedule = Arc::new(Distribution::Choice(vec![
        json!("constant"),
        json!("cosine"),
        json!("one-cycle"),
    ]));
    let mut study = Study::new("sweep-lenet", vec![Direction::Maximize]);
    for number in 0..60_usize {
        let share = |k: usize| (number * k % 61) as f64 / 61.0;
        let assigned = |name: &str, of: &Arc<Distribution>, inside: f64| Assigned {
            name: name.into(),
            distribution: Arc::clone(of),
            inside,
        };
        let rate_is = 10_f64.powf(-4.0 + 3.4 * share(7));
        let kind = (number % 3) as f64;
        let mut parameters = vec![
            assigned("train.optimizer.kind", &optimizer, kind),
            assigned("train.optimizer.learning_rate", &rate, rate_is),
            assigned(
                "train.batch_size",
                &batch,
                (16.0 + 240.0 * share(11)).round(),
            ),
            assigned("train.schedule.kind", &schedule, (number / 3 % 3) as f64),
            assigned("augment.shift", &shift, (number / 9 % 3) as f64),
        ];
        if kind == 0.0 {
            parameters.push(assigned(
                "train.optimizer.momentum",
                &momentum,
                0.95 * share(13),
            ));
        }
        let best = if kind == 0.0 { -1.2 } else { -2.6 };
        let final_value = 0.88 - 0.06 * (rate_is.log10() - best).powi(2) - 0.01 * share(5);
        let epochs = match number {
            58 => 2,
            59 => 0,
            _ if final_value > 0.86 => 9,
            _ if final_value > 0.8 => 3,
            _ => 1,
        };
        let reports: Vec<(i64, f64)> = (1..=epochs)
            .map(|epoch| (epoch, final_value - 0.25 / epoch as f64))
            .collect();
        let mut user = BTreeMap::new();
        let mut system = BTreeMap::from([(
            "fmtui:runs".to_owned(),
            json!([format!("20261130-120000-sweep-lenet-{number}")]),
        )]);
        let (state, values) = match (number, epochs) {
            (58 | 59, _) => (State::Running, vec![]),
            (41, _) => {
                user.insert(
                    "fmtui:reason".to_owned(),
                    json!("loss became NaN at step 12"),
                );
                (State::Failed, vec![])
            }
            (57, _) => {
                system.insert("fmtui:waits_at_rung".to_owned(), json!(0));
                (State::Running, vec![])
            }
            (_, 9) => (State::Complete, vec![final_value]),
            _ => (State::Pruned, vec![final_value]),
        };
        let started = 1e9 + 20.0 * number as f64;
        study.trials.push(Trial {
            id: number,
            number,
            state,
            values,
            parameters,
            reports,
            user,
            system,
            started: Some(started),
            ended: Some(started + 18.0 + epochs as f64),
        });
    }
    let objective = Objective::named("validation-accuracy").unwrap();
    SweepShown {
        name: "sweep-lenet".into(),
        importance: crate::search::importance::importance(&study),
        study,
        standing: Standing::Running,
        budget: 60,
        objectives: vec![objective],
        how: "tpe, asha".into(),
        problem: String::new(),
    }
}

fn tab(sweep: SweepShown) -> Lent<SweepTab> {
    let mut tab = SweepTab::default();
    tab.set_sweeps(vec![Arc::new(sweep)]);
    lent(tab)
}

fn drawn(tab: &mut Lent<SweepTab>, width: u16, height: u16) -> String {
    text_of(&draw(tab, width, height, &theme()))
}

#[test]
fn every_view_at_every_size() {
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let mut tab = tab(sweep());
        drawn(&mut tab, width, height);
        let views = if tab.is_large {
            View::BESIDE.len()
        } else {
            View::ALL.len()
        };
        for _ in 0..views {
            let name = tab.view.name().replace(' ', "_");
            insta::assert_snapshot!(
                format!("{name}_{width}x{height}"),
                drawn(&mut tab, width, height)
            );
            tab.on_action(Action::CycleView);
        }
    }
}

#[test]
fn nothing_yet_says_how_to_begin() {
    let mut none = lent(SweepTab::default());
    assert!(drawn(&mut none, 80, 24).contains("Reading the sweeps"));
    none.set_sweeps(Vec::new());
    insta::assert_snapshot!(drawn(&mut none, 80, 24));
    let mut begun = sweep();
    begun.study.trials.clear();
    let mut begun = tab(begun);
    for _ in View::ALL {
        let shown = drawn(&mut begun, 80, 24);
        assert!(shown.contains("yet") || shown.contains("needs"), "{shown}");
        begun.on_action(Action::CycleView);
    }
}

#[test]
fn no_size_and_no_study_breaks_it() {
    let mut odd = sweep();
    for trial in &mut odd.study.trials {
        trial.values.iter_mut().for_each(|value| *value = f64::NAN);
        trial.started = None;
    }
    odd.objectives.clear();
    for sweep in [sweep(), odd] {
        let mut tab = tab(sweep);
        for _ in View::ALL {
            survives(&mut tab);
            tab.on_action(Action::CycleView);
        }
    }
}

#[test]
fn keys_steer_the_sweep() {
    let mut tab = tab(sweep());
    drawn(&mut tab, 80, 24);
    let change = |change| {
        Effect::Request(Request::ChangeSweep {
            sweep: "sweep-lenet".into(),
            change,
        })
    };
    assert_eq!(
        tab.on_action(Action::PauseOrResume),
        change(SweepChange::Control(Control::Paused))
    );
    assert_eq!(
        tab.on_action(Action::LearningRateUp),
        change(SweepChange::Allow(70))
    );
    // The newest trial is under the cursor, and runs.
    assert_eq!(tab.cursor, Some(59));
    let run = "20261130-120000-sweep-lenet-59".to_owned();
    assert_eq!(
        tab.on_action(Action::Open),
        Effect::Request(Request::Open(run))
    );
    tab.on_action(Action::Stop);
    assert!(drawn(&mut tab, 80, 24).contains("Stop trial 59?"));
    let enter = KeyEvent::from(ratatui::crossterm::event::KeyCode::Enter);
    assert_eq!(tab.on_text(enter), change(SweepChange::StopTrial(59)));
    tab.on_action(Action::Sort);
    tab.on_action(Action::Home);
    let best = tab.sweep().unwrap().study.best().unwrap().number;
    assert_eq!(tab.cursor, Some(best));
    tab.on_action(Action::Filter);
    for letter in "failed".chars() {
        tab.on_text(KeyEvent::from(ratatui::crossterm::event::KeyCode::Char(
            letter,
        )));
    }
    assert_eq!(tab.numbers(), [41]);
    assert!(drawn(&mut tab, 80, 24).contains("loss became NaN at step 12"));
}

#[test]
fn workers_and_objectives_are_told_apart() {
    let mut several = sweep();
    for trial in &mut several.study.trials {
        let worker = format!("node{}-7", trial.number % 2);
        trial.system.insert("fmtui:owner".into(), json!(worker));
        if !trial.values.is_empty() {
            trial.values.push(1e4 * (1 + trial.number % 4) as f64);
        }
    }
    several.study.directions = vec![Direction::Maximize, Direction::Minimize];
    several.objectives = ["validation-accuracy", "parameters"]
        .map(|name| Objective::named(name).unwrap())
        .to_vec();
    let front = several.best();
    assert!(front.len() > 1, "{front:?}");
    let mut tab = tab(several);
    tab.on_action(Action::Sort);
    tab.on_action(Action::Home);
    let table = drawn(&mut tab, 80, 24);
    assert!(table.contains("accuracy parameters"), "{table}");
    assert_eq!(table.matches('★').count(), front.len(), "{table}");
    assert!(table.contains("10000"), "{table}");
    tab.view = View::Timeline;
    let timeline = drawn(&mut tab, 80, 24);
    let lane = |worker: &str| {
        let rows: Vec<usize> = timeline
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(worker))
            .map(|(row, _)| row)
            .collect();
        (rows[0], rows[rows.len() - 1])
    };
    assert!(lane("node0-7").1 < lane("node1-7").0, "{timeline}");
}
