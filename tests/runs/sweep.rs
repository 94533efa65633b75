//! Sweeps through the real program: every trial once to its end, whatever is killed.

use std::collections::BTreeSet;
use std::process::Stdio;
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
    // Enough for all kills.
    let trials_wanted = if kills > 16 { 2 * kills } else { 16 };
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

#[test]
fn a_trial_whose_checkpoints_are_damaged_is_tried_again_once() {
    let place = Place::new();
    let settings = "sampler = \"random\"\ntrials = 2";
    begin(
        &place,
        "damaged",
        settings,
        &["--detach", "--set", "train.epochs=2000"],
    );
    let states = || -> Vec<std::path::PathBuf> {
        let Some(id) = place.workspace().ids().pop() else {
            return Vec::new();
        };
        let entries = std::fs::read_dir(place.workspace().run_dir(&id));
        let paths = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        paths
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("state-"))
            })
            .collect()
    };
    until("the first trial has a checkpoint", || !states().is_empty());
    while !place.processes().is_empty() {
        place.processes().iter().for_each(|(pid, _)| kill(*pid));
    }
    for generation in states() {
        for entry in std::fs::read_dir(&generation).unwrap() {
            std::fs::write(entry.unwrap().path(), "{").unwrap();
        }
    }
    // Whoever looks brings the scheduler up again; it tries the run a few times.
    let over = |number: usize| trials(&place, "damaged").get(number).is_some_and(is_over);
    until("the first trial is over", || {
        place.says(&["queue", "list"]);
        over(0)
    });
    until("another one tries the same", || {
        trials(&place, "damaged").len() > 1
    });
    let trials = trials(&place, "damaged");
    assert_eq!(trials[0]["state"], "failed");
    let reason = trials[0]["reason"].as_str().unwrap();
    assert!(reason.contains("checkpoints are damaged"), "{reason}");
    until("it runs", || {
        self::trials(&place, "damaged")[1]["state"] == "running"
    });
    let again = &self::trials(&place, "damaged")[1];
    assert_eq!(again["parameters"], trials[0]["parameters"]);
}

/// Sweeps with settings by chance: whatever they are, every trial comes to an end that its runs bear out.
#[test]
fn sweeps_of_any_settings_keep_their_promises() {
    let mut dice = Dice(2026);
    let mut pick = |of: &[&'static str]| of[dice.below(of.len() as u64) as usize];
    let place = Place::new();
    for number in 0..6 {
        let name = format!("any-{number}");
        let objective = pick(&[
            "\"validation-accuracy\"",
            "\"validation-loss\"",
            "[\"validation-macro-f1\", \"seconds\"]",
        ]);
        let several = objective.starts_with('[');
        let sampler = pick(if several {
            &["random", "sobol"]
        } else {
            &["random", "sobol", "tpe"]
        });
        let pruner = pick(if several {
            &["none"]
        } else {
            &["none", "median", "asha"]
        });
        let (seeds, jobs) = (pick(&["1", "2", "3"]), pick(&["1", "2", "3"]));
        let settings = format!(
            "sampler = \"{sampler}\"\npruner = \"{pruner}\"\nobjective = {objective}\nseeds = {seeds}\njobs = {jobs}\n\
             trials = 7\nstartup_trials = 2\nfirst_rung = 3"
        );
        let said = begin(&place, &name, &settings, &["--set", "train.epochs=9"]);
        let all = trials(&place, &name);
        let what = format!("{settings}\n{said}");
        assert_eq!(all.len(), 7, "{what}");
        let count = |state: &str| all.iter().filter(|trial| trial["state"] == state).count();
        assert!(all.iter().all(is_over) && count("complete") > 0, "{what}");
        assert!(pruner != "none" || count("complete") == 7, "{what}");
        for trial in &all {
            let runs = trial["runs"].as_array().unwrap();
            assert_eq!(runs.len().to_string(), seeds, "{what}");
            let records: Vec<fmtui::profile::Profile> = runs
                .iter()
                .map(|run| place.workspace().load(run.as_str().unwrap()).unwrap())
                .collect();
            let reports = trial["reports"].as_array().unwrap();
            for (at, report) in reports.iter().enumerate() {
                assert_eq!(report[0], at + 1, "{what}");
            }
            let mean = |of: &dyn Fn(&fmtui::profile::Profile) -> f64| {
                records.iter().map(of).sum::<f64>() / records.len() as f64
            };
            match trial["state"].as_str().unwrap() {
                "complete" => {
                    // As the runs' own records have it.
                    let expected = mean(&|record| {
                        let result = record.result.as_ref().unwrap();
                        assert!(result.test.is_none() && result.epochs == 9);
                        let scores = result.validation.as_ref().unwrap();
                        match objective {
                            "\"validation-accuracy\"" => scores.accuracy,
                            "\"validation-loss\"" => scores.loss,
                            _ => scores.macro_mean(|class| class.f1),
                        }
                    });
                    let value = trial["values"][0].as_f64().unwrap();
                    assert!(
                        (value - expected).abs() < 1e-12,
                        "{value} {expected} {what}"
                    );
                    assert!(several || reports.len() == 9, "{what}");
                }
                "pruned" => {
                    assert!(pruner == "median" || reports.len() == 3, "{what}");
                    assert!(
                        records
                            .iter()
                            .all(|record| record.result.as_ref().is_none_or(|r| r.test.is_none()))
                    );
                }
                other => panic!("{other}: {what}"),
            }
        }
        if let Some(pruned) = all.iter().find(|trial| trial["state"] == "pruned") {
            place.says(&["replay", pruned["runs"][0].as_str().unwrap(), "--verify"]);
        }
    }
}

/// A trial with values of somebody's choice, as Optuna's `enqueue_trial` writes it, is taken up next.
#[test]
fn what_optuna_queues_is_tried() {
    let place = Place::new();
    begin(
        &place,
        "queued",
        "sampler = \"tpe\"\ntrials = 2",
        &["--set", "train.epochs=2"],
    );
    let journal = place.dir.path().join("sweeps/queued/journal.log");
    let line = json!({
        "op_code": 4, "worker_id": "elsewhere-1", "study_id": 0, "datetime_start": null, "state": 4, "value": null,
        "values": null, "params": {}, "distributions": {}, "user_attrs": {}, "intermediate_values": {},
        "system_attrs": {"fixed_params": {"train.optimizer.kind": "sgd", "train.optimizer.momentum": 0.25}},
    });
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str(&line.to_string());
    text.push('\n');
    std::fs::write(&journal, text).unwrap();
    place.says(&["sweep", "continue", "queued"]);
    let all = trials(&place, "queued");
    assert_eq!(all.len(), 3);
    assert_eq!(all[2]["state"], "complete", "{}", all[2]);
    assert_eq!(all[2]["parameters"]["train.optimizer.kind"], "sgd");
    assert_eq!(all[2]["parameters"]["train.optimizer.momentum"], 0.25);
    let record = place
        .workspace()
        .load(all[2]["runs"][0].as_str().unwrap())
        .unwrap();
    assert!((record.train.optimizer.momentum - 0.25).abs() < 1e-12);
}

#[test]
fn no_trial_begins_after_its_hours() {
    let place = Place::new();
    begin(
        &place,
        "late",
        "sampler = \"random\"\nhours = 1e-9",
        &["--detach"],
    );
    until("the sweep is over", || !is_active(&place));
    assert!(trials(&place, "late").is_empty());
    assert_eq!(status(&place, "late")["status"], "over");
}

/// A trial that another program's worker runs, or ran until it died, takes no job's place and holds nothing up.
#[test]
fn a_trial_of_another_program_holds_nothing_up() {
    let place = Place::new();
    let epochs = ["--set", "train.epochs=2"];
    begin(
        &place,
        "beside",
        "sampler = \"random\"\ntrials = 1",
        &epochs,
    );
    let journal = place.dir.path().join("sweeps/beside/journal.log");
    let line = json!({
        "op_code": 4, "worker_id": "elsewhere-1", "study_id": 0, "datetime_start": "2026-11-30T12:00:00.000000+00:00",
        "state": 0, "value": null, "values": null, "params": {}, "distributions": {}, "user_attrs": {},
        "intermediate_values": {}, "system_attrs": {},
    });
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str(&line.to_string());
    text.push('\n');
    std::fs::write(&journal, text).unwrap();
    place.says(&["sweep", "continue", "beside", "--trials", "4"]);
    let all = trials(&place, "beside");
    let states: Vec<&str> = all.iter().map(|t| t["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["complete", "running", "complete", "complete"]);

    // A worker takes none of it either; and one of a stopped sweep says so.
    let script = begin(
        &place,
        "beside",
        "sampler = \"random\"\ntrials = 1",
        &["--set", "train.epochs=2", "--slurm", "--print"],
    );
    let kept = std::fs::read_to_string(place.dir.path().join("sweeps/beside/slurm.sh")).unwrap();
    assert_eq!(script, kept);
    assert!(script.starts_with("#!/bin/bash\n"), "{script}");
    place.says(&["sweep", "worker", "beside", "--as", "a"]);
    assert_eq!(trials(&place, "beside")[1]["worker"], Value::Null);
    assert_eq!(status(&place, "beside")["status"], "over");
    place.says(&["sweep", "continue", "beside", "--trials", "9", "--detach"]);
    place.says(&["sweep", "stop", "beside"]);
    until("it has stopped", || !is_active(&place));
    let refused = place.run(&["sweep", "worker", "beside", "--as", "a"]);
    let why = crate::place::text(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && why.contains("is stopped"),
        "{why}"
    );
}

/// A search over architectures needs no condition for what only one of them has; what does not fit the images is found
/// before the first trial.
#[test]
fn what_an_architecture_does_not_use_is_left_out() {
    let place = Place::new();
    let write = |name: &str, space: &str| {
        let path = place.dir.path().join(format!("{name}.toml"));
        let text = format!(
            "[sweep]\nbase = \"mlp-20\"\nsampler = \"grid\"\n[data]\nname = \"fashion-mnist-mini\"\n\
             validation = 200\nper_class = 20\n[train]\nepochs = 1\n[space]\n{space}\n"
        );
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let kinds = write(
        "kinds",
        "\"model.architecture\" = [\"mlp\", \"lenet5-1998\"]\n\"model.activation\" = [\"relu\", \"tanh\"]",
    );
    place.says(&["sweep", &kinds]);
    let trials = trials(&place, "kinds");
    assert_eq!(trials.len(), 4);
    for trial in &trials {
        assert_eq!(trial["state"], "complete", "{trial}");
        let run = trial["runs"][0].as_str().unwrap();
        let model = place.workspace().load(run).unwrap().model;
        let is_mlp = trial["parameters"]["model.architecture"] == "mlp";
        assert_eq!(model.hidden.len(), usize::from(is_mlp));
        assert_eq!(model.activation.is_some(), is_mlp);
    }
    // A grid has no more trials than combinations.
    assert_eq!(status(&place, "kinds")["budget"], 4);
    let refused = place.run(&["sweep", "continue", "kinds", "--trials", "9"]);
    let why = crate::place::text(&refused.stderr);
    assert!(why.contains("all 4 combinations"), "{why}");
    let refused = place.run(&["sweep", "stop", "kinds"]);
    let why = crate::place::text(&refused.stderr);
    assert!(why.contains("is over"), "{why}");

    let sizes = write(
        "sizes",
        "\"model.architecture\" = [\"mlp\", \"lenet5\"]\n\"data.image_size\" = [8, 28]",
    );
    let refused = place.run(&["sweep", &sizes]);
    let why = crate::place::text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{why}");
    assert!(why.contains("data.image_size = 8"), "{why}");
    assert!(why.contains("cannot be trained"), "{why}");
    assert!(!place.dir.path().join("sweeps/sizes").exists());
}

/// Two workers without SLURM: where one dies, the other resumes its trial.
#[test]
fn workers_share_a_sweep_and_take_over_from_one_that_died() {
    let place = Place::new();
    let settings = "sampler = \"random\"\ntrials = 6";
    begin(&place, "shared", settings, &["--slurm", "--print"]);
    assert_eq!(status(&place, "shared")["status"], "no worker");
    let worker = |name: &str| {
        place
            .command(&["sweep", "worker", "shared", "--as", name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut one, mut two) = (worker("one"), worker("two"));
    // The trial that a worker has, and its run, once that has come past an epoch.
    let trains = |name: &str| {
        let all = trials(&place, "shared");
        let of = |t: &&Value| t["worker"] == name && t["state"] == "running";
        let trial = all.iter().find(of)?;
        let has_begun = !trial["reports"].as_array().unwrap().is_empty();
        let run = trial["runs"][0].as_str().unwrap().to_owned();
        has_begun.then(|| (trial["number"].as_u64().unwrap(), run))
    };
    let mut lost = None;
    until("both have trials", || {
        lost = trains("one");
        lost.is_some() && trains("two").is_some()
    });
    let (number, run) = lost.unwrap();
    one.kill().unwrap();
    one.wait().unwrap();
    for (pid, _) in place.processes() {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if crate::place::text(&line).contains(&run) {
            kill(pid);
        }
    }
    assert!(two.wait().unwrap().success());
    let all = trials(&place, "shared");
    assert_eq!(all.len(), 6);
    for trial in &all {
        assert_eq!(trial["state"], "complete", "{trial}");
        let reports = trial["reports"].as_array().unwrap();
        let epochs: Vec<u64> = reports.iter().map(|r| r[0].as_u64().unwrap()).collect();
        assert_eq!(epochs, (1..=90).collect::<Vec<u64>>(), "{trial}");
    }
    let taken = &all[usize::try_from(number).unwrap()];
    assert_eq!(
        (&taken["worker"], &taken["runs"][0]),
        (&json!("two"), &json!(run))
    );
    assert_eq!(place.workspace().ids().len(), 6);
    assert_eq!(status(&place, "shared")["status"], "over");
}
