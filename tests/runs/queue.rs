//! The queue through the real program: every job once to its end, whatever is killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fmtui::event::Event;
use fmtui::profile::Status;
use fmtui::run::log;
use serde_json::Value;

use crate::place::{Dice, Place, kill, text, until};

fn add(place: &Place, settings: &[&str], more: &[&str]) -> Vec<String> {
    let mut arguments = vec!["queue", "add", "mlp-20"];
    let common = [
        "data.name=fashion-mnist-mini",
        "data.split=standard",
        "data.validation=200",
        "train.early_stop.patience=0",
        "train.batch_size=20",
    ];
    for setting in common.iter().chain(settings) {
        arguments.extend(["--set", setting]);
    }
    arguments.extend(more);
    place.says(&arguments).lines().map(String::from).collect()
}

/// What a run's log tells: its epochs, and the steps at which it was begun and taken up again.
fn story(path: &Path) -> (Vec<usize>, Vec<u64>, usize) {
    let (mut epochs, mut starts, mut ends) = (Vec::new(), Vec::new(), 0);
    for stamped in log::read(path).unwrap() {
        match stamped.event {
            Event::EpochEnd(end) => epochs.push(end.epoch),
            Event::Started(started) => starts.push(started.resumed_at_step),
            Event::Finished { .. } => ends += 1,
            _ => {}
        }
    }
    (epochs, starts, ends)
}

#[test]
fn after_thirty_kills_every_job_has_run_once_to_its_end() {
    const EPOCHS: usize = 600;
    let place = Place::new();
    let setting = format!("train.epochs={EPOCHS}");
    place.says(&["queue", "run", "--at-a-time", "2"]);
    let mut runs = add(&place, &[&setting], &["--seeds", "4"]);
    runs.extend(add(&place, &[&setting, "train.seed=7"], &[]));
    let (mut dice, mut kills) = (Dice(22), 0);
    while kills < 30 {
        std::thread::sleep(Duration::from_millis(100 + dice.below(400)));
        let processes = place.processes();
        let of = |schedulers| {
            let own = processes
                .iter()
                .filter(move |(_, scheduler)| *scheduler == schedulers);
            own.map(|(pid, _)| *pid).collect::<Vec<u32>>()
        };
        let all = processes.iter().map(|(pid, _)| *pid).collect();
        let chosen: Vec<u32> = match dice.below(4) {
            0 => of(true),
            1 => of(false).into_iter().take(1).collect(),
            2 => of(false),
            _ => all,
        };
        for pid in &chosen {
            kill(*pid);
        }
        kills += usize::from(!chosen.is_empty());
        if processes.is_empty() {
            // Whoever looks brings the scheduler up again.
            if place.jobs() == 0 {
                break;
            }
        }
    }
    println!("{kills} kills");
    assert!(kills >= 20, "the jobs were over after {kills} kills");
    until("all jobs are over", || place.jobs() == 0);
    let mut resumed = 0;
    for run in &runs {
        assert_eq!(place.status(run), Status::Finished, "{run}");
        let (epochs, starts, ends) = story(&place.workspace().events_path(run));
        assert_eq!(epochs, (1..=EPOCHS).collect::<Vec<_>>(), "{run}");
        assert_eq!(ends, 1, "{run}");
        assert!(starts.is_sorted(), "{run} was begun again: {starts:?}");
        resumed += starts.iter().filter(|step| **step > 0).count();
    }
    assert!(resumed > 0, "no job was ever taken up again");
    // The same bits as without all that.
    let identical = place.run(&["replay", &runs[0], "--verify"]);
    assert_eq!(
        identical.status.code(),
        Some(0),
        "{}",
        text(&identical.stdout)
    );
}

#[test]
fn a_group_of_seeds_is_trained_compared_and_told_in_json() {
    let place = Place::new();
    let settings = [
        "--set",
        "data.name=fashion-mnist-mini",
        "--set",
        "train.epochs=2",
    ];
    let train = |preset, more: &[&'static str]| {
        let arguments = [
            &["train", preset, "--seeds", "3", "--json"],
            &settings[..],
            more,
        ]
        .concat();
        let out = place.says(&arguments);
        let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["runs"], &last["finished"]),
            (&3.into(), &3.into()),
            "{last}"
        );
        last["group"].as_str().unwrap().to_owned()
    };
    let (slow, fast) = (
        train("mlp-20", &["--set", "train.optimizer.learning_rate=1e-7"]),
        train("mlp-20", &[]),
    );
    let compared = place.says(&["compare", &slow, &fast, "--json"]);
    let lines: Vec<Value> = compared
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mean = |at: usize| lines[at]["test_accuracy"]["mean"].as_f64().unwrap();
    let conclusion = &lines[2];
    assert!((conclusion["difference"].as_f64().unwrap() - (mean(1) - mean(0))).abs() < 1e-12);
    assert_eq!(
        (&conclusion["test"], &conclusion["told_apart"]),
        (&"Welch".into(), &true.into())
    );
    let members = lines[0]["members"].as_array().unwrap();
    let shown = place.says(&["show", &slow]);
    assert!(shown.contains("3 of 3 finished"), "{shown}");
    let shown: Value = serde_json::from_str(&place.says(&["show", &slow, "--json"])).unwrap();
    assert_eq!(shown["test_accuracy"], lines[0]["test_accuracy"]);
    assert_eq!(shown["members"], lines[0]["members"]);
    let seeds: BTreeMap<u64, &Value> = members
        .iter()
        .map(|id| {
            (
                place
                    .workspace()
                    .load(id.as_str().unwrap())
                    .unwrap()
                    .train
                    .seed,
                id,
            )
        })
        .collect();
    assert_eq!(seeds.keys().copied().collect::<Vec<_>>(), [42, 43, 44]);
    let said = place.says(&["compare", &slow, &fast]);
    assert!(
        said.contains("told apart, B is better") && said.contains("3 of 3 runs finished"),
        "{said}"
    );
    // Two runs on the same images, of which each has its digits in the same order.
    let [a, b] = [0, 2].map(|at: usize| members[at].as_str().unwrap());
    let out = place.says(&["compare", a, b, "--json"]);
    let pair: Value = serde_json::from_str(out.lines().nth(2).unwrap()).unwrap();
    let images = pair["images"].as_array().unwrap().len() as u64;
    assert_eq!(
        images,
        pair["first_alone"].as_u64().unwrap() + pair["second_alone"].as_u64().unwrap()
    );
}

#[test]
fn the_queue_is_changed_while_it_runs() {
    let place = Place::new();
    let long = add(&place, &["train.epochs=100000"], &[]).remove(0);
    until("it runs", || place.status(&long) == Status::Running);
    let waiting = add(&place, &["train.epochs=1"], &["--seeds", "3"]);
    let order = || -> Vec<String> {
        let queue = place.queue();
        let jobs = queue["jobs"].as_array().unwrap();
        jobs.iter()
            .map(|job| job["run"].as_str().unwrap().to_owned())
            .collect()
    };
    place.says(&["queue", "move", "4", "--to", "2"]);
    assert_eq!(order()[1], waiting[2]);
    place.says(&["queue", "hold", &waiting[2]]);
    place.says(&["queue", "drop", &waiting[0]]);
    assert!(place.workspace().load(&waiting[0]).is_err());
    // What is deleted leaves the queue.
    let another = add(&place, &[], &["--hold"]).remove(0);
    place.says(&["delete", &another]);
    assert!(!order().contains(&another));
    let refused = place.run(&["queue", "hold", &long]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("is running"));
    // What runs is stopped, not dropped.
    let refused = place.run(&["queue", "drop", &long]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("fmtui stop"),
        "{}",
        text(&refused.stderr)
    );
    place.says(&["stop", &long]);
    until("the next has its turn", || {
        place.status(&waiting[1]) == Status::Finished
    });
    assert_eq!(place.status(&long), Status::Stopped);
    until("the scheduler goes", || place.processes().is_empty());
    assert_eq!(order(), [waiting[2].clone()]);
    assert_eq!(place.status(&waiting[2]), Status::Queued);
    place.says(&["queue", "run"]);
    until("the held one runs", || {
        place.status(&waiting[2]) == Status::Finished
    });
    until("it leaves the queue", || place.jobs() == 0);
    for wrong in [
        &["queue", "move", "9", "--to", "first"][..],
        &["queue", "move", "x", "--to", "first"],
        &["queue", "hold", &waiting[2]],
        &["queue", "add", "lenet5", "--set", "train.epochs=0"],
        &["train", "mlp-20", "--seeds", "1"],
        &[
            "queue",
            "add",
            "mlp-20",
            "--seeds",
            "2",
            "--set",
            "train.seed=9007199254740992",
        ],
    ] {
        assert_eq!(place.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_machine_that_is_shut_down_interrupts_and_somebody_stops() {
    let place = Place::new();
    let run = add(&place, &["train.epochs=100000"], &[]).remove(0);
    until("it runs", || place.status(&run) == Status::Running);
    until("it has trained", || {
        let (epochs, ..) = story(&place.workspace().events_path(&run));
        epochs.len() > 1
    });
    for (pid, _) in place.processes() {
        let pid = i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::TERM);
    }
    until("all are gone", || place.processes().is_empty());
    assert_eq!(place.status(&run), Status::Stopped);
    assert_eq!(place.jobs(), 1);
    let starts = || story(&place.workspace().events_path(&run)).1;
    // A worker has its run before it says so in the log.
    until("it goes on", || starts().len() > 1);
    assert!(starts().last().is_some_and(|step| *step > 0));
    place.says(&["stop", &run]);
    until("it leaves the queue", || place.jobs() == 0);
    assert_eq!(place.status(&run), Status::Stopped);
}
