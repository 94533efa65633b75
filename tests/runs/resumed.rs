//! Runs that are taken up again: after any death near their end they end as if nothing had been; nothing of a history
//! that was given up is left, and nothing is read that is not what was recorded.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use fmtui::data::mini;
use fmtui::error::Result;
use fmtui::event::{Command, Event};
use fmtui::metrics::predictions::{self, Predictions};
use fmtui::profile::{Intervention, Profile, RunRecord, Status};
use fmtui::run::{Workspace, client, lock, log};
use fmtui::storage;
use fmtui::train::checkpoint::{self, BEST, LAST};
use fmtui::train::{Setup, TrainingContext};

use crate::ended::{Ended, LOG, train_logged};
use crate::skip::skipped;

/// A linear classifier of a few images whose best epoch is the fifth, and which stops early after the tenth.
fn tiny() -> Profile {
    let text = r#"
        format = 1
        name = "tiny"
        [data]
        name = "fashion-mnist-mini"
        per_class = 20
        validation = 40
        [model]
        architecture = "custom"
        layers = [
            { kind = "max-pool2d", kernel_size = 7 },
            { kind = "flatten" },
            { kind = "linear", out_features = 10 },
        ]
        [train]
        epochs = 40
        batch_size = 20
        seed = 4
        threads = 1
        [train.optimizer]
        learning_rate = 0.05
        [train.early_stop]
        patience = 3
    "#;
    Profile::parse(text, "tiny").unwrap()
}

/// What ends a process where it stands: nothing is saved, nothing is told.
struct Killed;

/// When a run is interfered with.
#[derive(Clone, Copy)]
enum Fate {
    None,
    /// It dies at its so manieth word with its host.
    Dies(usize),
    /// It is stopped there, or as soon as it looks after that.
    Stops(usize),
    /// It dies as soon as it has a best epoch of this number or a later one.
    DiesAtBest(usize),
}

/// Counts every word that a training speaks with its host.
struct Witness {
    fate: Fate,
    words: usize,
    events: Vec<Event>,
}

impl Witness {
    fn new(fate: Fate) -> Self {
        Self {
            fate,
            words: 0,
            events: Vec::new(),
        }
    }

    fn word(&mut self) {
        self.words += 1;
        if matches!(self.fate, Fate::Dies(at) if at == self.words) {
            resume_unwind(Box::new(Killed));
        }
    }

    fn warnings(&self) -> Vec<&str> {
        let warnings = self.events.iter().filter_map(|event| match event {
            Event::Warning { message } => Some(message.as_str()),
            _ => None,
        });
        warnings.collect()
    }
}

impl TrainingContext for Witness {
    fn next_command(&mut self, _: Duration) -> Option<Command> {
        self.word();
        let stops = matches!(self.fate, Fate::Stops(from) if from <= self.words);
        stops.then(|| {
            self.fate = Fate::None;
            Command::Stop
        })
    }

    fn emit(&mut self, event: Event) {
        self.word();
        let dies = matches!(
            (self.fate, &event),
            (Fate::DiesAtBest(from), Event::CheckpointSaved { kind, epoch, .. })
                if kind == "best" && *epoch >= from
        );
        self.events.push(event);
        if dies {
            resume_unwind(Box::new(Killed));
        }
    }

    fn log_length(&self) -> u64 {
        0
    }

    fn rewind_log(&mut self, _: u64) -> Result<()> {
        self.word();
        Ok(())
    }
}

/// Trains, from the newest checkpoint where there is one; `None` where the run died.
fn live(profile: &Profile, directory: &Path, witness: &mut Witness) -> Option<Ended> {
    let setup = Setup {
        profile,
        dataset: mini::load().unwrap(),
        directory,
        resume: checkpoint::exists(directory),
        until: None,
        trunk: None,
        pretrained: None,
        warnings: Vec::new(),
    };
    match catch_unwind(AssertUnwindSafe(|| train_logged(setup, witness))) {
        Ok(outcome) => Some(outcome.unwrap()),
        Err(death) => {
            assert!(death.is::<Killed>());
            None
        }
    }
}

/// Everything of an end that does not depend on the clock, in words: record, and every file with its bytes.
fn end(outcome: &Ended, directory: &Path) -> Vec<String> {
    let result = &outcome.result;
    let mut end = vec![
        format!("{} {}", outcome.complete, outcome.reason),
        format!("best epoch {} of {}", result.best_epoch, result.epochs),
        format!("weights {}", result.weights_sha256),
        format!(
            "files {} {}",
            result.best_file_sha256, result.last_file_sha256
        ),
        format!("note {}", result.note),
        format!("train {:?}", result.train),
        format!("validation {:?}", result.validation),
        format!("test {:?}", result.test),
    ];
    end.extend(outcome.history.iter().map(|h| {
        let figures = [
            h.train_loss,
            h.train_accuracy,
            h.held_out_loss,
            h.held_out_accuracy,
            h.learning_rate,
        ];
        format!("{} {figures:?}", h.epoch)
    }));
    let entries = fs::read_dir(directory).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| entry.unwrap().path())
        // Its lines tell times.
        .filter(|path| path.file_name().unwrap() != LOG)
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let state = fs::read(path.join("state.safetensors")).unwrap();
                return format!("{name} {}", storage::sha256(&state));
            }
            let link = fs::read_link(&path).map(|to| to.display().to_string());
            let bytes = fs::read(&path).unwrap();
            format!(
                "{name} {} {}",
                storage::sha256(&bytes),
                link.unwrap_or_default()
            )
        })
        .collect();
    files.sort();
    // A stop saves the state too: only the newest is the same.
    let older = files.iter().filter(|f| f.starts_with("state-")).count() - 1;
    let first = files.iter().position(|f| f.starts_with("state-")).unwrap();
    files.drain(first..first + older);
    end.extend(files);
    end
}

/// Compares line by line, so that a difference can be read.
fn assert_same(found: &[String], expected: &[String], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// A run without interference: its end, and how many words it took.
fn whole(profile: &Profile) -> (Vec<String>, usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut witness = Witness::new(Fate::None);
    let outcome = live(profile, dir.path(), &mut witness).unwrap();
    assert!(outcome.complete && witness.warnings().is_empty());
    (end(&outcome, dir.path()), witness.words)
}

/// Ends a run at every `stride`-th word, and twice as often near its end, and takes it up again.
fn ends_the_same(profile: &Profile, stride: usize, fate: fn(usize) -> Fate) {
    let (expected, words) = whole(profile);
    let last_part = words.saturating_sub(60);
    let places = (1..last_part).step_by(stride).chain(last_part..=words);
    for at in places {
        let dir = tempfile::tempdir().unwrap();
        if let Some(outcome) = live(profile, dir.path(), &mut Witness::new(fate(at)))
            && outcome.complete
        {
            // Nobody listens any more after the last look.
            assert!(at + 2 > words, "{at} of {words}");
            continue;
        }
        let mut witness = Witness::new(Fate::None);
        let outcome = live(profile, dir.path(), &mut witness).unwrap();
        let what = format!("word {at} of {words}");
        assert_same(&end(&outcome, dir.path()), &expected, &what);
        assert!(witness.warnings().is_empty(), "{:?}", witness.warnings());
    }
}

/// Every way to end: early, after all epochs, with checkpoints at every epoch or not, with and without a validation
/// set.
fn ways_to_end() -> Vec<Profile> {
    let rare = {
        let mut profile = tiny();
        profile.train.checkpoint_every = 4;
        profile
    };
    let all_epochs = {
        let mut profile = tiny();
        profile.train.epochs = 7;
        profile.train.early_stop.patience = 0;
        profile
    };
    let no_validation = {
        let mut profile = tiny();
        profile.data.validation = 0.0;
        profile.train.epochs = 4;
        profile.train.early_stop.patience = 0;
        profile
    };
    vec![tiny(), rare, all_epochs, no_validation]
}

#[test]
fn killed_at_any_point_near_its_end_a_run_ends_the_same() {
    for profile in ways_to_end() {
        ends_the_same(&profile, 9, Fate::Dies);
    }
}

#[test]
fn stopped_at_any_point_near_its_end_a_run_ends_the_same() {
    for profile in ways_to_end() {
        ends_the_same(&profile, 9, Fate::Stops);
    }
}

#[test]
fn a_run_that_stopped_early_does_not_train_on_after_a_stop_in_its_last_evaluation() {
    let profile = tiny();
    let (expected, words) = whole(&profile);
    let dir = tempfile::tempdir().unwrap();
    let stopped = live(&profile, dir.path(), &mut Witness::new(Fate::Stops(words))).unwrap();
    assert!(!stopped.complete && stopped.history.len() == 10);
    let mut witness = Witness::new(Fate::None);
    let outcome = live(&profile, dir.path(), &mut witness).unwrap();
    assert_same(&end(&outcome, dir.path()), &expected, "stopped");
    assert!(!witness.events.iter().any(|e| matches!(e, Event::Step(_))));
}

#[test]
fn a_stop_in_the_last_evaluation_is_replayed_there() {
    let mut profile = tiny();
    let (_, words) = whole(&profile);
    for at in [words - 30, words - 1] {
        let dir = tempfile::tempdir().unwrap();
        let stopped = live(&profile, dir.path(), &mut Witness::new(Fate::Stops(at))).unwrap();
        profile.run = Some(RunRecord {
            interventions: stopped.interventions.clone(),
            ..RunRecord::default()
        });
        let dir = tempfile::tempdir().unwrap();
        let again = live(&profile, dir.path(), &mut Witness::new(Fate::None)).unwrap();
        assert!(!again.complete);
        assert_eq!(again.history.len(), stopped.history.len());
        assert_eq!(again.result.weights_sha256, stopped.result.weights_sha256);
        assert_eq!(again.interventions, stopped.interventions);
        profile.run = None;
    }
}

/// A directory of a run that died after a best epoch that is in no checkpoint, and what the checkpoint says.
fn died_after_an_unsaved_best(
    profile: &Profile,
) -> (tempfile::TempDir, checkpoint::TrainingProgress) {
    let dir = tempfile::tempdir().unwrap();
    let mut witness = Witness::new(Fate::DiesAtBest(5));
    assert!(live(profile, dir.path(), &mut witness).is_none());
    let progress = checkpoint::newest_progress(dir.path()).unwrap();
    let best = progress.best.as_ref().unwrap();
    assert!(best.epoch < 5);
    assert_ne!(digest(&dir.path().join(BEST)), best.file_sha256);
    (dir, progress)
}

fn digest(path: &Path) -> String {
    storage::sha256(&fs::read(path).unwrap())
}

fn rate(step: u64, value: f64) -> Vec<Intervention> {
    let what = "learning_rate".into();
    vec![Intervention { step, what, value }]
}

#[test]
fn the_best_epoch_of_a_history_that_was_given_up_is_not_the_best() {
    for checkpoint_every in [3, 1] {
        let mut profile = tiny();
        profile.train.checkpoint_every = checkpoint_every;
        let (dir, progress) = died_after_an_unsaved_best(&profile);
        let best = progress.best.unwrap();
        // At a rate so low that nothing changes any more.
        profile.run = Some(RunRecord {
            interventions: rate(progress.step, 1e-12),
            ..RunRecord::default()
        });
        let mut witness = Witness::new(Fate::None);
        let outcome = live(&profile, dir.path(), &mut witness).unwrap();
        let result = outcome.result;
        assert_eq!(result.best_epoch, best.epoch);
        assert_eq!(result.best_file_sha256, best.file_sha256);
        assert_eq!(digest(&dir.path().join(BEST)), best.file_sha256);
        let row = &outcome.history[best.epoch - 1];
        let validation = result.validation.unwrap();
        assert_eq!(
            (validation.loss, validation.accuracy),
            (row.held_out_loss, row.held_out_accuracy)
        );
        let kept = fs::read(dir.path().join(predictions::BEST)).unwrap();
        let kept = Predictions::decode(&kept).unwrap();
        assert_eq!(kept.epoch as usize, best.epoch);
        let right = kept.items.iter().filter(|i| i.label == i.top[0]).count();
        assert_eq!(
            right as f64 / kept.items.len() as f64,
            row.held_out_accuracy
        );
        // Two names of the weights, two of the predictions.
        let names = fs::read_dir(dir.path()).unwrap().flatten();
        let bests = names.filter(|e| e.file_name().to_str().unwrap().contains("best"));
        assert_eq!(bests.count(), 4);
        assert!(witness.warnings().is_empty());
    }
}

/// Turns the signs of all weights, as a program might that means well.
fn turn_signs(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize + 8;
    for value in bytes[header..].chunks_exact_mut(4) {
        value[3] ^= 0x80;
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_best_weights_are_never_scored() {
    // Dies in its ninth epoch or after it; the best is the fifth.
    let (_, words) = whole(&tiny());
    let dir = tempfile::tempdir().unwrap();
    assert!(
        live(
            &tiny(),
            dir.path(),
            &mut Witness::new(Fate::Dies(words - 40))
        )
        .is_none()
    );
    let progress = checkpoint::newest_progress(dir.path()).unwrap();
    assert!(progress.epoch > 5 && progress.best.unwrap().epoch == 5);
    turn_signs(&dir.path().join(BEST));
    let mut witness = Witness::new(Fate::None);
    let outcome = live(&tiny(), dir.path(), &mut witness).unwrap();
    let result = outcome.result;
    assert_eq!(
        result.note,
        "the best weights, of epoch 5, are missing or damaged: the scores are those of the last weights, of epoch 10"
    );
    let warnings = witness.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("the best weights so far, of epoch 5, are missing or damaged"));
    assert_eq!(warnings[1], result.note);
    let last = fs::read(dir.path().join(LAST)).unwrap();
    let last = checkpoint::from_safetensors(&last, Path::new(LAST)).unwrap();
    assert_eq!(result.weights_sha256, checkpoint::state_sha256(&last));
    let row = &outcome.history[9];
    assert_eq!(result.validation.unwrap().accuracy, row.held_out_accuracy);
    assert!(!dir.path().join(BEST).exists());
    let tested = fs::read(dir.path().join(predictions::TEST)).unwrap();
    assert_eq!(Predictions::decode(&tested).unwrap().epoch, 10);
}

#[test]
fn damaged_best_weights_that_the_checkpoint_has_too_are_written_again() {
    let (expected, _) = whole(&tiny());
    let dir = tempfile::tempdir().unwrap();
    let mut profile = tiny();
    profile.train.checkpoint_every = 5;
    // The end of the fifth epoch, its checkpoint saved: the first word after that is of the sixth.
    let mut at = 1;
    loop {
        let dies = live(&profile, dir.path(), &mut Witness::new(Fate::Dies(at)));
        assert!(dies.is_none(), "no checkpoint was ever there");
        if checkpoint::exists(dir.path()) {
            break;
        }
        at += 1;
    }
    turn_signs(&dir.path().join(BEST));
    let mut witness = Witness::new(Fate::None);
    let outcome = live(&profile, dir.path(), &mut witness).unwrap();
    assert!(witness.warnings().is_empty(), "{:?}", witness.warnings());
    assert_same(&end(&outcome, dir.path()), &expected, "written again");
}

/// Runs that earlier versions have recorded: `tiny()`, with a checkpoint at every epoch. 0.1 wrote format 1, 0.2 writes
/// 2.
const RECORDED: [&str; 2] = ["run-0.1", "run-0.2"];

/// A workspace with one run.
struct Place {
    dir: tempfile::TempDir,
    id: String,
}

impl Place {
    /// With a [`RECORDED`] run.
    fn with(recorded: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support");
        let old = old.join(recorded);
        let record = fs::read_to_string(old.join("record.toml")).unwrap();
        let id = Profile::parse(&record, "record").unwrap().run.unwrap().id;
        let place = Self { dir, id };
        let workspace = place.workspace();
        fs::create_dir_all(workspace.profiles_dir()).unwrap();
        fs::write(workspace.profile_path(&place.id), record).unwrap();
        copy(&old, &place.run_dir());
        fs::remove_file(place.run_dir().join("record.toml")).unwrap();
        // As a worker of this machine leaves it.
        drop(lock::RunLock::acquire(&workspace.lock_path(&place.id), &place.id).unwrap());
        place
    }

    fn workspace(&self) -> Workspace {
        Workspace::at(self.dir.path())
    }

    fn run_dir(&self) -> PathBuf {
        self.workspace().run_dir(&self.id)
    }

    fn record(&self) -> Profile {
        self.workspace().load(&self.id).unwrap()
    }

    /// The record as it was while the run went on.
    fn unfinished(&self) {
        let mut record = self.record();
        record.run.as_mut().unwrap().status = Status::Running;
        record.result = None;
        self.workspace().save(&record).unwrap();
    }

    fn fmtui(&self, arguments: &[&str]) -> Output {
        std::process::Command::new(env!("CARGO_BIN_EXE_fmtui"))
            .env("HOME", self.dir.path().join("no-home"))
            .env("FMTUI_OFFLINE", "1")
            .env_remove("XDG_RUNTIME_DIR")
            .arg("--workspace")
            .arg(self.dir.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    fn export(&self, more: &[&str]) -> Result<String, String> {
        let out = self.dir.path().join("out.safetensors");
        let _ = fs::remove_file(&out);
        let arguments = ["export", &self.id, "--out", out.to_str().unwrap()];
        let output = self.fmtui(&[&arguments, more].concat());
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(2));
            assert!(!out.exists());
            return Err(text(&output.stderr));
        }
        let weights = checkpoint::from_safetensors(&fs::read(&out).unwrap(), &out).unwrap();
        Ok(checkpoint::state_sha256(&weights))
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), to).unwrap();
        } else if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_earlier_versions_have_recorded_is_shown_exported_and_begun_with() {
    for recorded in RECORDED {
        let place = Place::with(recorded);
        let result = place.record().result.unwrap();
        assert!(text(&place.fmtui(&["show", &place.id]).stdout).contains("best epoch    5"));
        assert_eq!(place.export(&[]), Ok(result.weights_sha256));
        assert!(place.export(&["--last"]).is_ok());
        let csv = place.fmtui(&["export", &place.id, "--format", "csv", "--out", "-"]);
        let rows = text(&csv.stdout).lines().count();
        assert_eq!(rows, 1 + place.record().history.len());
        let unknown = place.fmtui(&["export", &place.id, "--format", "xlsx"]);
        assert_eq!(unknown.status.code(), Some(2));
        assert!(text(&unknown.stderr).contains("torch-safetensors, csv, jsonl"));
        let from = format!("model.pretrained=run:{}", place.id);
        let recipe = place.dir.path().join("tiny.toml");
        fs::write(&recipe, tiny().to_toml()).unwrap();
        let begin = [
            "train",
            recipe.to_str().unwrap(),
            "--set",
            "train.epochs=1",
            "--set",
            &from,
        ];
        let second = place.fmtui(&begin);
        assert!(second.status.success(), "{}", text(&second.stderr));

        turn_signs(&place.run_dir().join(BEST));
        let refused = place.export(&[]).unwrap_err();
        assert!(refused.contains("not what was recorded"), "{refused}");
        let refused = place.fmtui(&begin);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains("not what was recorded"));
        assert!(place.export(&["--last"]).is_ok());
        assert!(place.fmtui(&["delete", &place.id]).status.success());
        assert!(!place.run_dir().exists());
    }
}

#[test]
fn what_earlier_versions_have_recorded_is_played_compared_and_trained_again() {
    for recorded in RECORDED {
        let place = Place::with(recorded);
        let played = place.fmtui(&["replay", &place.id, "--plain"]);
        assert!(played.status.success(), "{}", text(&played.stderr));
        let lines = text(&played.stdout);
        for expected in ["1 thread, plan", "epoch 10", "stopped early after epoch 10"] {
            assert!(lines.contains(expected), "{lines}");
        }
        assert!(!lines.contains("cannot be read"), "{lines}");
        let listed = text(&place.fmtui(&["runs", "--json"]).stdout);
        assert!(listed.contains("0.492"), "{listed}");

        let recipe = place.dir.path().join("tiny.toml");
        fs::write(&recipe, tiny().to_toml()).unwrap();
        let again = place.fmtui(&["train", recipe.to_str().unwrap()]);
        assert!(again.status.success(), "{}", text(&again.stderr));
        let compared = place.fmtui(&["compare", &place.id, "last"]);
        assert!(compared.status.success(), "{}", text(&compared.stderr));
        assert!(
            text(&compared.stdout).contains("all settings are the same"),
            "{compared:?}"
        );

        let verified = place.fmtui(&["replay", &place.id, "--verify"]);
        let told = text(&verified.stderr);
        // Other instruction sets round otherwise.
        if told.contains("the instruction set is") {
            skipped(&told);
        } else {
            assert_eq!(text(&verified.stdout), "identical\n", "{told}");
        }
    }
}

/// What a newer fmtui has recorded is shown and deleted, and otherwise left alone.
#[test]
fn a_record_of_a_newer_format_is_read_and_never_written() {
    for recorded in RECORDED {
        let place = Place::with(recorded);
        let path = place.workspace().profile_path(&place.id);
        let newer = fs::read_to_string(&path)
            .unwrap()
            .replacen("format = ", "season = \"autumn\"\nformat = 9", 1)
            .replace("status = \"finished\"", "status = \"stopped\"");
        fs::write(&path, &newer).unwrap();
        let shown = text(&place.fmtui(&["show", &place.id]).stdout);
        assert!(shown.contains("best epoch    5"), "{shown}");
        assert!(text(&place.fmtui(&["runs"]).stdout).contains("tiny"));
        for arguments in [
            vec!["resume", &place.id],
            vec!["replay", &place.id, "--verify"],
            vec!["worker", &place.id, "--resume"],
            vec!["train", &place.id],
        ] {
            let refused = place.fmtui(&arguments);
            assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
            let said = text(&refused.stderr);
            assert!(
                said.contains("newer fmtui") || said.contains("reads 1 to"),
                "{arguments:?}: {said}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), newer, "{arguments:?}");
        }
        assert!(place.export(&[]).is_ok());
        assert!(place.fmtui(&["delete", &place.id]).status.success());
    }
}

#[test]
fn a_run_of_an_earlier_version_that_had_stopped_early_ends_and_does_not_train_on() {
    for recorded in RECORDED {
        let place = Place::with(recorded);
        let (before, best) = (place.record(), digest(&place.run_dir().join(BEST)));
        place.unfinished();
        let resumed = place.fmtui(&["resume", &place.id]);
        assert!(resumed.status.success(), "{}", text(&resumed.stderr));
        assert!(text(&resumed.stdout).contains("stopped early after epoch 10"));
        let after = place.record();
        assert_eq!(after.history, before.history);
        let (before, after) = (before.result.unwrap(), after.result.unwrap());
        assert_eq!(after.best_epoch, 5);
        assert_eq!(after.weights_sha256, before.weights_sha256);
        assert_eq!(after.best_file_sha256, best);
        let link = fs::read_link(place.run_dir().join(BEST)).unwrap();
        assert_eq!(
            link.display().to_string(),
            format!("best-{}.safetensors", &best[..16])
        );
        let kept = fs::read(place.run_dir().join(predictions::BEST)).unwrap();
        assert_eq!(Predictions::decode(&kept).unwrap().epoch, 5);
        assert_eq!(place.export(&[]), Ok(after.weights_sha256));
        assert!(place.fmtui(&["delete", &place.id]).status.success());
    }
}

#[test]
fn a_run_of_an_earlier_version_goes_on_and_damage_to_its_best_weights_is_told() {
    for (recorded, is_damaged) in RECORDED.map(|r| [(r, false), (r, true)]).concat() {
        let place = Place::with(recorded);
        place.unfinished();
        // From the end of the ninth epoch.
        fs::remove_dir_all(place.run_dir().join("state-0000000100")).unwrap();
        if is_damaged {
            turn_signs(&place.run_dir().join(BEST));
        }
        let resumed = place.fmtui(&["resume", &place.id]);
        let code = i32::from(is_damaged);
        assert_eq!(
            resumed.status.code(),
            Some(code),
            "{}",
            text(&resumed.stderr)
        );
        let result = place.record().result.unwrap();
        let shown = text(&place.fmtui(&["show", &place.id]).stdout);
        let warned = log::read(&place.workspace().events_path(&place.id)).unwrap();
        let warned = warned
            .iter()
            .any(|e| matches!(&e.event, Event::Warning { message } if *message == result.note));
        if is_damaged {
            let note = "the best weights, of epoch 5, are missing or damaged";
            assert!(
                result.note.starts_with(note) && shown.contains(note),
                "{shown}"
            );
            assert!(warned && text(&resumed.stderr).contains(note));
            assert!(place.export(&[]).is_err());
            let last = place.export(&["--last"]).unwrap();
            assert_eq!(last, result.weights_sha256);
            let evaluated = place.fmtui(&["evaluate", &place.id]);
            assert!(text(&evaluated.stderr).contains(note), "{recorded}");
            assert!(text(&evaluated.stdout).contains("by the last weights, of epoch 10"));
            let attached = place.fmtui(&["attach", &place.id, "--plain"]);
            assert_eq!(attached.status.code(), Some(1));
        } else {
            assert!(result.note.is_empty() && !shown.contains("note"), "{shown}");
            assert_eq!(result.best_epoch, 5);
            assert_eq!(place.export(&[]), Ok(result.weights_sha256));
        }
        assert_eq!(place.record().run.unwrap().status, Status::Finished);
    }
}

/// A resume that is refused leaves the record as it was.
#[test]
fn a_run_whose_recipe_was_changed_is_not_resumed_and_keeps_its_result() {
    for recorded in RECORDED {
        let place = Place::with(recorded);
        let path = place.workspace().profile_path(&place.id);
        let record = fs::read_to_string(&path).unwrap();
        for (from, to, why) in [
            (
                "learning_rate = 0.05",
                "learning_rate = 0.5",
                "the profile is not the one",
            ),
            (
                "validation = 40",
                "validation = 50",
                "the profile is not the one",
            ),
            ("patience = 3", "patience = 2", "the profile is not the one"),
        ] {
            let changed = record
                .replace("status = \"finished\"", "status = \"stopped\"")
                .replacen(from, to, 1);
            assert!(changed.contains(to));
            fs::write(&path, &changed).unwrap();
            let events = fs::read(place.workspace().events_path(&place.id)).unwrap();
            let refused = place.fmtui(&["resume", &place.id]);
            assert_eq!(refused.status.code(), Some(2), "{to}");
            let told = text(&refused.stderr);
            assert!(told.contains(why) && !told.contains("go on with"), "{told}");
            assert_eq!(fs::read_to_string(&path).unwrap(), changed, "{to}");
            let now = fs::read(place.workspace().events_path(&place.id)).unwrap();
            assert_eq!(now, events);
        }
        // Nor one without any checkpoint.
        fs::write(
            &path,
            record.replace("status = \"finished\"", "status = \"stopped\""),
        )
        .unwrap();
        for entry in fs::read_dir(place.run_dir()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            }
        }
        let before = fs::read_to_string(&path).unwrap();
        let refused = place.fmtui(&["resume", &place.id]);
        assert_eq!(refused.status.code(), Some(2));
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }
}

/// A record says how a run ended where its log does not.
#[test]
fn a_finished_run_without_its_log_is_told_from_its_record() {
    for recorded in RECORDED {
        let place = Place::with(recorded);
        let events = place.workspace().events_path(&place.id);
        let whole = fs::read_to_string(&events).unwrap();
        let half = whole.lines().count() / 2;
        let lines: Vec<&str> = whole.split_inclusive('\n').take(half).collect();
        let cut = lines.concat();
        for log in [None, Some(""), Some(cut.as_str())] {
            match log {
                None => fs::remove_file(&events).unwrap(),
                Some(log) => fs::write(&events, log).unwrap(),
            }
            let since = Instant::now();
            let attached = place.fmtui(&["attach", &place.id, "--plain"]);
            let told = text(&attached.stdout) + &text(&attached.stderr);
            assert_eq!(attached.status.code(), Some(0), "{told}");
            assert!(since.elapsed() < Duration::from_secs(20), "{told}");
            for expected in ["missing or truncated", "epoch 10/40", "best @ 5", "49.20 %"] {
                assert!(told.contains(expected), "{expected}: {told}");
            }
            assert_eq!(told.matches("epoch 10/40").count(), 1, "{told}");
        }
        // A warning after the end is not a missing end.
        let late = r#"{"at":1795942290.0,"event":"warning","message":"late"}"#;
        fs::write(&events, format!("{whole}{late}\n")).unwrap();
        let attached = place.fmtui(&["attach", &place.id, "--plain"]);
        let told = text(&attached.stdout) + &text(&attached.stderr);
        assert!(
            told.contains("late") && !told.contains("truncated"),
            "{told}"
        );
        fs::write(&events, "").unwrap();
        // Somebody else's machine has left the lock.
        fs::remove_file(place.workspace().lock_path(&place.id)).unwrap();
        let since = Instant::now();
        assert!(
            place
                .fmtui(&["attach", &place.id, "--plain"])
                .status
                .success()
        );
        assert!(since.elapsed() < Duration::from_secs(20));
    }
}

/// What no training can do is refused before there is a run of it.
#[test]
fn what_cannot_be_trained_makes_no_run() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place {
        dir,
        id: String::new(),
    };
    for settings in [
        vec![
            "data.validation=0",
            "train.early_stop.patience=1",
            "train.early_stop.monitor=validation-accuracy",
        ],
        vec!["data.mean=0.3", "data.normalize=dataset"],
        vec!["data.std=[0.3]", "data.normalize=unit"],
    ] {
        let mut arguments = vec!["train", "lenet5", "--set", "data.name=fashion-mnist-mini"];
        for setting in &settings {
            arguments.extend(["--set", setting]);
        }
        let refused = place.fmtui(&arguments);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{settings:?} {}",
            text(&refused.stderr)
        );
        assert!(
            !place.workspace().root.join("profiles").exists(),
            "{settings:?}"
        );
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(
            since.elapsed() < Duration::from_mins(2),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The real thing: a worker is killed after a best epoch that is in no checkpoint.
#[test]
fn a_killed_workers_last_best_epoch_is_given_up_with_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let mut place = Place {
        dir,
        id: String::new(),
    };
    let settings = [
        "data.name=fashion-mnist-mini",
        "data.split=standard",
        "data.validation=200",
        "train.early_stop.patience=0",
        "train.batch_size=20",
        "train.epochs=400",
        "train.checkpoint_every=5",
    ];
    let mut arguments = vec!["train", "mlp-20", "--detach"];
    for setting in &settings {
        arguments.extend(["--set", setting]);
    }
    place.id = text(&place.fmtui(&arguments).stdout).trim().into();
    let (workspace, id) = (place.workspace(), place.id.clone());
    let saved =
        || checkpoint::newest_progress(&place.run_dir()).and_then(|p| Some((p.step, p.best?)));
    let pause = |ask: &Command| client::send(&workspace, &id, ask).unwrap();
    let (step, best) = loop {
        until("a checkpoint is there", || saved().is_some());
        pause(&Command::Pause);
        until("it is paused", || {
            workspace.summary(&id).status == Status::Paused
        });
        let (step, best) = saved().unwrap();
        if digest(&place.run_dir().join(BEST)) != best.file_sha256 {
            break (step, best);
        }
        pause(&Command::Continue);
        std::thread::sleep(Duration::from_millis(20));
    };
    let pid = lock::holder(&workspace.lock_path(&id)).pid;
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("it is dead", || !workspace.is_running(&id));
    // What it has is what its log says, though no checkpoint has it.
    assert!(place.export(&[]).is_ok());

    let mut record = place.record();
    // At a rate so high that nothing gets better any more.
    record.run.as_mut().unwrap().interventions = rate(step, 1.0);
    workspace.save(&record).unwrap();
    let resumed = place.fmtui(&["resume", &id]);
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed.stderr));
    let record = place.record();
    let result = record.result.unwrap();
    assert_eq!(result.best_epoch, best.epoch);
    let row = &record.history[best.epoch - 1];
    assert_eq!(result.validation.unwrap().accuracy, row.held_out_accuracy);
    assert_eq!(digest(&place.run_dir().join(BEST)), best.file_sha256);
    assert_eq!(place.export(&[]), Ok(result.weights_sha256));
}
