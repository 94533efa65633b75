//! Sweeps through the real program: every trial once to its end, whatever is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{Dice, Place, kill, until};

/// A sweep of a small network on the built-in images.
fn file(settings: &str) -> String {
    format!(
        "[sweep]
base = \"mlp-20\"
{settings}

[data]
name = \"fashion-mnist-mini\"
validation = 200

[train]
epochs = 90
batch_size = 20
early_stop = {{ patience = 0 }}

[train.schedule]
kind = \"one-cycle\"

[space]
\"train.optimizer.learning_rate\" = {{ low = 1e-3, high = 0.3 }}
\"train.optimizer.kind\" = [\"sgd\", \"adam\"]
\"train.optimizer.momentum\" = {{ low = 0.0, high = 0.9, when = {{ \"train.optimizer.kind\" = [\"sgd\"] }} }}
"
    )
}

fn begin(place: &Place, name: &str, settings: &str, more: &[&str]) -> String {
    let path = place.dir.path().join(format!("{name}.toml"));
    std::fs::write(&path, file(settings)).unwrap();
    let mut arguments = vec!["sweep", path.to_str().unwrap()];
    arguments.extend(more);
    place.says(&arguments)
}

fn status(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.says(&["sweep", "status", name, "--json"])).unwrap()
}

fn trials(place: &Place, name: &str) -> Vec<Value> {
    status(place, name)["trials"].as_array().unwrap().clone()
}

fn is_over(trial: &Value) -> bool {
    matches!(
        trial["state"].as_str(),
        Some("complete" | "pruned" | "failed")
    )
}

fn is_active(place: &Place) -> bool {
    place.workspace().root.join("queue/queue.json").exists() && {
        let text = std::fs::read_to_string(place.dir.path().join("queue/queue.json")).unwrap();
        let queue: Value = serde_json::from_str(&text).unwrap();
        queue["sweeps"]
            .as_array()
            .is_some_and(|sweeps| !sweeps.is_empty())
    }
}

/// What was tried and what came out, without times and names of runs.
fn outcome(trials: &[Value]) -> Vec<Value> {
    let keys = ["number", "state", "values", "parameters", "reports"];
    let of = |trial: &Value| keys.map(|key| trial[key].clone());
    trials.iter().map(|trial| json!(of(trial))).collect()
}

const ASHA: &str = "sampler = \"random\"\npruner = \"asha\"\nfirst_rung = 10\ntrials = 12";

/// A trial stops at its rungs and goes on, and comes to the same weights as a run that never stops.
#[test]
fn rungs_change_no_bit() {
    let place = Place::new();
    let said = begin(&place, "rungs", ASHA, &[]);
    assert!(said.contains("best: trial"), "{said}");
    let trials = trials(&place, "rungs");
    assert_eq!(trials.len(), 12);
    assert!(trials.iter().all(is_over), "{trials:?}");
    let complete: Vec<&Value> = trials.iter().filter(|t| t["state"] == "complete").collect();
    let pruned = trials.iter().filter(|t| t["state"] == "pruned").count();
    assert!(
        !complete.is_empty() && complete.len() + pruned == 12,
        "{trials:?}"
    );
    for trial in &trials {
        let reports = trial["reports"].as_array().unwrap();
        let epochs = reports.len();
        assert!([10, 30, 90].contains(&epochs), "{trial}");
        assert_eq!(trial["state"] == "complete", epochs == 90);
        let run = trial["runs"][0].as_str().unwrap();
        // What is pruned leaves no checkpoint, and no run is ever tested.
        let directory = place.workspace().run_dir(run);
        let names: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let has_state = names.iter().any(|name| name.starts_with("state-"));
        assert_eq!(has_state, trial["state"] == "complete", "{run}: {names:?}");
        let profile = place.workspace().load(run).unwrap();
        assert!(profile.result.is_none_or(|result| result.test.is_none()));
        assert_eq!(profile.run.unwrap().sweep, "rungs");
    }
    // Trained again without rungs, to the same weights.
    let best = complete[0]["runs"][0].as_str().unwrap();
    place.says(&["replay", best, "--verify"]);
    let recipe = std::fs::read_to_string(place.dir.path().join("sweeps/rungs/best.toml")).unwrap();
    assert!(recipe.contains("test = false"), "{recipe}");
}

#[test]
fn after_many_kills_every_trial_has_run_once() {
    let kills: usize = std::env::var("FMTUI_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(16);
    let trials_wanted = 4 + kills / 2;
    let settings = |jobs: usize| {
        format!(
            "sampler = \"random\"\npruner = \"asha\"\nfirst_rung = 10\ntrials = {trials_wanted}\njobs = {jobs}"
        )
    };
    let place = Place::new();
    begin(&place, "killed", &settings(2), &["--detach"]);
    let (mut dice, mut done) = (Dice(23), 0);
    while done < kills && is_active(&place) {
        std::thread::sleep(Duration::from_millis(100 + dice.below(500)));
        let processes = place.processes();
        let of = |schedulers| {
            let own = processes
                .iter()
                .filter(move |(_, scheduler)| *scheduler == schedulers);
            own.map(|(pid, _)| *pid).collect::<Vec<u32>>()
        };
        let chosen: Vec<u32> = match dice.below(4) {
            0 => of(true),
            1 => of(false).into_iter().take(1).collect(),
            2 => of(false),
            _ => processes.iter().map(|(pid, _)| *pid).collect(),
        };
        for pid in &chosen {
            kill(*pid);
        }
        done += usize::from(!chosen.is_empty());
        if place.processes().is_empty() {
            // Whoever looks brings the scheduler up again.
            place.says(&["queue", "list"]);
        }
    }
    println!("{done} kills");
    assert!(done >= kills / 2, "it was over after {done} kills");
    until("the sweep is over", || {
        place.says(&["queue", "list"]);
        !is_active(&place)
    });
    let trials = trials(&place, "killed");
    assert_eq!(trials.len(), trials_wanted);
    assert!(
        trials.iter().all(|t| is_over(t) && t["state"] != "failed"),
        "{trials:?}"
    );
    let runs: BTreeSet<&str> = trials
        .iter()
        .map(|t| t["runs"][0].as_str().unwrap())
        .collect();
    let all = place.workspace().ids();
    assert_eq!(runs.len(), trials_wanted);
    assert_eq!(
        all.len(),
        trials_wanted,
        "a run that no trial has: {all:?} {runs:?}"
    );
    for trial in &trials {
        let reports = trial["reports"].as_array().unwrap();
        let epochs: Vec<u64> = reports.iter().map(|r| r[0].as_u64().unwrap()).collect();
        assert_eq!(
            epochs,
            (1..=epochs.len() as u64).collect::<Vec<_>>(),
            "{trial}"
        );
        assert!([10, 30, 90].contains(&epochs.len()), "{trial}");
    }
    // What was tried, and what each epoch gave, is what it is without kills and with one job.
    begin(&place, "quiet", &settings(1), &[]);
    let quiet = self::trials(&place, "quiet");
    for (one, two) in trials.iter().zip(&quiet) {
        assert_eq!(one["parameters"], two["parameters"]);
        let [one, two] = [one, two].map(|t| t["reports"].as_array().unwrap());
        let both = one.len().min(two.len());
        assert_eq!(one[..both], two[..both]);
    }
}

/// Without a pruner results are the same with one job or several.
#[test]
fn results_do_not_depend_on_the_number_of_jobs() {
    let place = Place::new();
    for sampler in ["random", "sobol"] {
        let settings = |jobs: usize| format!("sampler = \"{sampler}\"\ntrials = 5\njobs = {jobs}");
        let short = ["--set", "train.epochs=3"];
        let [one, three] = [1, 3].map(|jobs| {
            let name = format!("{sampler}-{jobs}");
            begin(&place, &name, &settings(jobs), &short);
            outcome(&trials(&place, &name))
        });
        assert_eq!(one.len(), 5);
        assert_eq!(one, three);
    }
}

#[test]
fn a_sweep_is_paused_stopped_and_continued_with_more_trials() {
    let place = Place::new();
    begin(
        &place,
        "steered",
        "sampler = \"random\"\ntrials = 3",
        &["--detach"],
    );
    until("a trial runs", || {
        !trials(&place, "steered").is_empty() && !place.processes().is_empty()
    });
    assert_eq!(status(&place, "steered")["status"], "running");
    place.says(&["sweep", "stop", "steered"]);
    until("it has stopped", || !is_active(&place));
    let stopped = trials(&place, "steered");
    assert!(
        stopped.iter().any(|t| t["state"] == "running"),
        "{stopped:?}"
    );
    assert_eq!(status(&place, "steered")["status"], "stopped");
    let said = place.says(&["sweep", "continue", "steered", "--trials", "4"]);
    assert!(said.contains("best: trial"), "{said}");
    let over = trials(&place, "steered");
    assert_eq!(over.len(), 4);
    assert!(over.iter().all(|t| t["state"] == "complete"), "{over:?}");
    // Those that were stopped went on under their own number and run.
    for (before, after) in stopped.iter().zip(&over) {
        assert_eq!(before["runs"], after["runs"]);
    }
    let csv = place.says(&["sweep", "export", "csv", "steered"]);
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(csv.starts_with("trial,state,validation-accuracy,"), "{csv}");
    let best = place.says(&["sweep", "best", "steered"]);
    assert!(best.contains("architecture = \"mlp\""), "{best}");
}

/// What Optuna made is looked at as it is, and grows.
#[test]
fn a_study_of_optunas_is_shown_and_never_steered() {
    let place = Place::new();
    begin(
        &place,
        "own",
        "sampler = \"random\"\ntrials = 2",
        &["--set", "train.epochs=2"],
    );
    let journal = place.dir.path().join("sweeps/own/journal.log");
    let copy = place.dir.path().join("theirs.log");
    std::fs::copy(journal, &copy).unwrap();
    let name = place.says(&["sweep", "import", copy.to_str().unwrap()]);
    assert_eq!(name.trim(), "own-2");
    let shown = trials(&place, "own-2");
    assert_eq!(outcome(&shown), outcome(&trials(&place, "own")));
    let told = place.says(&["sweep", "status", "own-2"]);
    assert!(told.contains("2 complete"), "{told}");
    for action in ["pause", "continue", "stop", "best"] {
        let refused = place.run(&["sweep", action, "own-2"]);
        let why = crate::place::text(&refused.stderr);
        assert!(
            refused.status.code() == Some(2) && why.contains("was imported"),
            "{why}"
        );
    }
    std::fs::write(&copy, "hello\n").unwrap();
    let other = place.run(&["sweep", "import", copy.to_str().unwrap()]);
    let why = crate::place::text(&other.stderr);
    assert!(
        other.status.code() == Some(2) && why.contains("line 1 of"),
        "{why}"
    );
}

/// A rate at which the loss is no number any more fails its trial, with the reason, and the sweep goes on.
#[test]
fn a_trial_that_diverges_has_failed() {
    let place = Place::new();
    let path = place.dir.path().join("steep.toml");
    let text = file("sampler = \"grid\"\ntrials = 9")
        .replace("{ low = 1e-3, high = 0.3 }", "[0.01, 500.0]")
        .replace("[\"sgd\", \"adam\"]", "[\"sgd\"]")
        .replace("{ low = 0.0, high = 0.9,", "{ values = [0.9],");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let said = place.says(&[
        "sweep",
        path,
        "--set",
        "train.epochs=3",
        "--set",
        "train.schedule.kind=constant",
    ]);
    assert!(said.contains("best: trial"), "{said}");
    let trials = trials(&place, "steep");
    assert_eq!(trials.len(), 2, "a grid of two: {trials:?}");
    let failed: Vec<&Value> = trials.iter().filter(|t| t["state"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{trials:?}");
    assert_eq!(
        failed[0]["parameters"]["train.optimizer.learning_rate"],
        500.0
    );
    assert!(
        failed[0]["reason"].as_str().unwrap().contains("became"),
        "{failed:?}"
    );
}
