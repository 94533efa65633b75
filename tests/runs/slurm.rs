//! A sweep as an array job of a real SLURM, which `scripts/slurm.sh` brings up: skipped where it cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::place::{Place, text, until};
use crate::skip::skipped;

const TRIALS: usize = 40;

struct Slurm {
    dir: PathBuf,
}

impl Slurm {
    /// None where there cannot be one here.
    fn up(dir: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&dir).unwrap();
        let up = script("up", &dir);
        let why = text(&up.stderr);
        if up.status.success() {
            return Some(Self { dir });
        }
        assert_eq!(up.status.code(), Some(3), "{why}");
        // What was begun ends.
        script("down", &dir);
        skipped(&format!("no SLURM for sweeps on a cluster: {}", why.trim()));
        None
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.dir.join("slurm.conf"));
        command
    }

    fn says(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        let errors = text(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        text(&output.stdout)
    }

    /// The states of an array's tasks, by their numbers, as long as SLURM has them in its queue.
    fn tasks(&self, job: &str) -> BTreeMap<String, String> {
        let arguments = ["--noheader", "--array", "--format=%K %T", "--jobs", job];
        let said = self.says("squeue", &arguments);
        let lines = said.lines().filter_map(|line| line.trim().split_once(' '));
        lines
            .map(|(task, state)| (task.into(), state.into()))
            .collect()
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        script("down", &self.dir);
    }
}

fn script(action: &str, dir: &Path) -> std::process::Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/slurm.sh");
    Command::new(path).arg(action).arg(dir).output().unwrap()
}

fn status(place: &Place) -> Value {
    serde_json::from_str(&place.says(&["sweep", "status", "cluster", "--json"])).unwrap()
}

fn trials(place: &Place) -> Vec<Value> {
    status(place)["trials"].as_array().unwrap().clone()
}

/// The processes of a task: its worker, and the runs of that.
fn processes(place: &Place, task: &str) -> Vec<u32> {
    let is_of = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let wanted = format!("SLURM_ARRAY_TASK_ID={task}");
        environment
            .split(|byte| *byte == 0)
            .any(|word| word == wanted.as_bytes())
    };
    let all = place.processes().into_iter().map(|(pid, _)| pid);
    all.filter(is_of).collect()
}

#[test]
fn four_tasks_of_which_one_dies_and_one_is_queued_again_try_everything_once() {
    let place = Place::new();
    let Some(slurm) = Slurm::up(place.dir.path().join("slurm")) else {
        return;
    };
    let path = place.dir.path().join("cluster.toml");
    let file = format!(
        "[sweep]\nbase = \"mlp-20\"\nsampler = \"random\"\npruner = \"asha\"\nfirst_rung = 20\ntrials = {TRIALS}\n\
         [data]\nname = \"fashion-mnist-mini\"\nvalidation = 200\n\
         [train]\nepochs = 180\nbatch_size = 20\nearly_stop = {{ patience = 0 }}\n\
         [space]\n\"train.optimizer.learning_rate\" = {{ low = 1e-3, high = 0.3 }}\n"
    );
    std::fs::write(&path, file).unwrap();
    let path = path.to_str().unwrap();
    let job = slurm
        .command(env!("CARGO_BIN_EXE_fmtui"))
        .env("HOME", place.dir.path().join("no-home"))
        .env("FMTUI_OFFLINE", "1")
        .env_remove("XDG_RUNTIME_DIR")
        .arg("--workspace")
        .arg(place.dir.path())
        .args([
            "sweep",
            path,
            "--slurm",
            "--array",
            "4",
            "--gpus-per-task",
            "1",
        ])
        .args(["--time", "60", "--sbatch=--export=ALL"])
        .output()
        .unwrap();
    assert!(job.status.success(), "{}", text(&job.stderr));
    let job = text(&job.stdout).trim().to_owned();
    until("all four tasks have trials", || {
        let workers: BTreeSet<String> = trials(&place)
            .iter()
            .filter_map(|trial| Some(trial["worker"].as_str()?.to_owned()))
            .collect();
        workers.len() == 4
    });
    assert_eq!(status(&place)["workers"].as_array().unwrap().len(), 4);

    // One dies with all its processes in the middle of a trial.
    until("the first task trains", || processes(&place, "0").len() > 1);
    for pid in processes(&place, "0") {
        crate::place::kill(pid);
    }
    // One comes to its limit: the signal is due two minutes before it.
    until("the second task trains", || {
        processes(&place, "1").len() > 1
    });
    slurm.says(
        "scontrol",
        &["update", &format!("JobId={job}_1"), "TimeLimit=2"],
    );
    until("the second task is queued again", || {
        slurm
            .tasks(&job)
            .get("1")
            .is_some_and(|state| state == "PENDING")
    });
    let log = std::fs::read_to_string(
        place
            .dir
            .path()
            .join(format!("sweeps/cluster/workers/{job}_1.log")),
    );
    let log = log.unwrap();
    assert!(log.contains("has saved its trials"), "{log}");
    // SLURM lets it wait for two minutes, the first seconds of which it needs.
    std::thread::sleep(Duration::from_secs(10));
    slurm.says(
        "scontrol",
        &[
            "update",
            &format!("JobId={job}_1"),
            "StartTime=now",
            "TimeLimit=60",
        ],
    );
    until("all tasks are over", || slurm.tasks(&job).is_empty());

    let trials = trials(&place);
    assert_eq!(trials.len(), TRIALS);
    for trial in &trials {
        let state = trial["state"].as_str().unwrap();
        assert!(["complete", "pruned"].contains(&state), "{trial}");
        let epochs: Vec<u64> = trial["reports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r[0].as_u64().unwrap())
            .collect();
        let all: Vec<u64> = (1..=epochs.len() as u64).collect();
        assert_eq!(epochs, all, "{trial}");
        assert!([20, 60, 180].contains(&epochs.len()), "{trial}");
    }
    let runs: BTreeSet<&str> = trials
        .iter()
        .map(|t| t["runs"][0].as_str().unwrap())
        .collect();
    assert_eq!(
        (runs.len(), place.workspace().ids().len()),
        (TRIALS, TRIALS)
    );
    assert_eq!(status(&place)["workers"].as_array().unwrap().len(), 0);
    assert_eq!(status(&place)["status"], "over");
    // The task that was queued again has worked on.
    let of_second = |trial: &&Value| trial["worker"] == format!("{job}_1");
    let log = std::fs::read_to_string(
        place
            .dir
            .path()
            .join(format!("sweeps/cluster/workers/{job}_1.log")),
    )
    .unwrap();
    assert!(log.contains("is done"), "{log}");
    assert!(trials.iter().filter(of_second).count() > 0);
    // What was stopped and resumed on the way is what it is without.
    let best = trials.iter().find(|t| t["state"] == "complete").unwrap();
    place.says(&["replay", best["runs"][0].as_str().unwrap(), "--verify"]);
}
