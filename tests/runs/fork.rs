//! Forks through the real program: the same bits up to the epoch, with and without a checkpoint there.

use std::process::{Command, Output};

use fmtui::profile::{EpochRecord, Profile, Status};
use fmtui::run::{Workspace, history};
use fmtui::storage;

/// A network with everything that draws or remembers: augmentation, dropout, batch norm, momentum, an average.
const RECIPE: &str = r#"
format = 2
name = "forked"
[data]
name = "fashion-mnist-mini"
per_class = 30
validation = 60
[augment]
shift = 2
flip = 0.5
[model]
architecture = "custom"
layers = [
    { kind = "conv2d", out_channels = 6, kernel_size = 3, padding = 1 },
    { kind = "batch-norm2d", activation = "relu" },
    { kind = "max-pool2d", kernel_size = 4 },
    { kind = "flatten" },
    { kind = "dropout", p = 0.3 },
    { kind = "linear", out_features = 10 },
]
[train]
epochs = 5
batch_size = 20
seed = 9
ema = 0.9
[train.optimizer]
kind = "adam"
learning_rate = 0.004
"#;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("forked.toml"), RECIPE).unwrap();
        Self { dir }
    }

    fn workspace(&self) -> Workspace {
        Workspace::at(self.dir.path())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_fmtui"))
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path().join("no-home"))
            .env("FMTUI_OFFLINE", "1")
            .env_remove("XDG_RUNTIME_DIR")
            .arg("--workspace")
            .arg(self.dir.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Trains or forks; gives the newest run and what was said.
    fn makes(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let said = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        (self.workspace().resolve("last").unwrap(), said)
    }

    fn record(&self, id: &str) -> Profile {
        self.workspace().load(id).unwrap()
    }

    fn weights(&self, id: &str) -> String {
        self.record(id).result.unwrap().weights_sha256
    }

    fn epochs(&self, id: &str) -> Vec<EpochRecord> {
        history::of_log(&self.workspace().events_path(id))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All figures of epochs but their times.
fn bits(epochs: &[EpochRecord]) -> Vec<[u64; 5]> {
    let of = |row: &EpochRecord| {
        [
            row.train_loss,
            row.train_accuracy,
            row.held_out_loss,
            row.held_out_accuracy,
            row.learning_rate,
        ]
        .map(f64::to_bits)
    };
    epochs.iter().map(of).collect()
}

#[test]
fn a_fork_has_the_same_bits_up_to_its_epoch_with_and_without_a_checkpoint() {
    let place = Place::new();
    let (run, _) = place.makes(&["train", "forked.toml"]);
    let (longer, _) = place.makes(&["train", "forked.toml", "--set", "train.epochs=7"]);
    for (epoch, has_checkpoint) in [(5, true), (4, true), (2, false)] {
        let point = format!("{run}@{epoch}");
        // More epochs and nothing else: the run that would have been.
        let (more, said) = place.makes(&["fork", &point, "--set", "train.epochs=7"]);
        assert_eq!(
            said.contains("its own way from the checkpoint"),
            has_checkpoint,
            "{said}"
        );
        assert_eq!(
            said.contains("trained again and checked"),
            !has_checkpoint,
            "{said}"
        );
        assert!(
            said.contains("with the optimizer's state; the schedule spans 7 epochs, not 5"),
            "{said}"
        );
        assert_eq!(
            bits(&place.epochs(&more)),
            bits(&place.epochs(&longer)),
            "@{epoch}"
        );
        assert_eq!(place.weights(&more), place.weights(&longer), "@{epoch}");
        // Another rate: another run after the epoch, and only then.
        let (other, _) = place.makes(&[
            "fork",
            &point,
            "--set",
            "epochs=7",
            "--set",
            "learning_rate=0.0005",
        ]);
        let (ours, theirs) = (place.epochs(&other), place.epochs(&longer));
        assert_eq!(bits(&ours[..epoch]), bits(&theirs[..epoch]), "@{epoch}");
        assert_ne!(
            bits(&ours[epoch..=epoch]),
            bits(&theirs[epoch..=epoch]),
            "@{epoch}"
        );
        assert!((ours[epoch].learning_rate - 0.0005).abs() < 1e-12);
        assert_eq!(ours.len(), 7);
        for fork in [&more, &other] {
            let record = place.record(fork);
            let forks = &record.run.as_ref().unwrap().forks;
            assert_eq!(
                (forks.len(), &forks[0].run, forks[0].epoch),
                (1, &run, epoch)
            );
            assert_eq!(record.run.unwrap().status, Status::Finished);
            let verified = place.run(&["replay", fork, "--verify"]);
            assert_eq!(
                verified.status.code(),
                Some(0),
                "{}",
                text(&verified.stdout)
            );
        }
    }
    // The run itself is what it was.
    let verified = place.run(&["replay", &run, "--verify"]);
    assert_eq!(verified.status.code(), Some(0));
}

#[test]
fn a_fork_of_a_fork_is_trained_again_from_its_record_alone() {
    let place = Place::new();
    let (run, _) = place.makes(&["train", "forked.toml"]);
    let at = |run: &str, epoch: usize| format!("{run}@{epoch}");
    let (child, _) = place.makes(&["fork", &at(&run, 2), "--set", "learning_rate=0.001"]);
    let kinds = [
        "--set",
        "train.optimizer.kind=sgd",
        "--set",
        "momentum=0.5",
        "--set",
        "augment.flip=0",
    ];
    let point = at(&child, 3);
    let arguments = [&["fork", point.as_str()][..], &kinds[..]].concat();
    let (grandchild, said) = place.makes(&arguments);
    assert!(said.contains("with the optimizer's state reset"), "{said}");
    let forks = place.record(&grandchild).run.unwrap().forks;
    let named: Vec<(&String, usize)> = forks.iter().map(|fork| (&fork.run, fork.epoch)).collect();
    assert_eq!(named, [(&run, 2), (&child, 3)]);
    let [a, b, c] = [&run, &child, &grandchild].map(|id| bits(&place.epochs(id)));
    assert_eq!(a[..2], c[..2]);
    assert_eq!(b[..3], c[..3]);
    assert_ne!(b[3..], c[3..]);
    // Elsewhere, where nobody knows the runs that it left.
    let elsewhere = Place::new();
    let file = elsewhere.dir.path().join("grandchild.toml");
    std::fs::copy(place.workspace().profile_path(&grandchild), &file).unwrap();
    let (again, _) = elsewhere.makes(&["train", file.to_str().unwrap()]);
    assert_eq!(elsewhere.weights(&again), place.weights(&grandchild));
}

#[test]
fn a_trunk_that_comes_out_differently_is_no_trunk() {
    let place = Place::new();
    let (run, _) = place.makes(&["train", "forked.toml"]);
    // As if another machine had trained it.
    let path = place.workspace().events_path(&run);
    let log = std::fs::read_to_string(&path).unwrap();
    let loss = place.epochs(&run)[0].train_loss;
    assert!(log.contains(&format!("{loss}")));
    storage::commit(
        &path,
        log.replace(&format!("{loss}"), &format!("{}", loss + 1e-9))
            .as_bytes(),
    )
    .unwrap();
    let output = place.run(&["fork", &format!("{run}@2"), "--set", "epochs=9"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("epoch 1 came out differently"), "{said}");
    // Nor does it become one by being resumed.
    let fork = place.workspace().resolve("last").unwrap();
    let output = place.run(&["resume", &fork]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("epoch 1 came out differently"), "{said}");
}

#[test]
fn what_no_fork_can_be_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let (run, _) = place.makes(&["train", "forked.toml", "--set", "train.epochs=2"]);
    let runs = place.workspace().ids().len();
    for (point, setting, part) in [
        ("@9", "epochs=20", "give one from 1 to 2, best or last"),
        ("@0", "epochs=20", "give one from 1 to 2, best or last"),
        ("@x", "epochs=20", "has no epoch `x`"),
        ("@2", "learning_rate=0.1", "set train.epochs=3 or more"),
        ("@1", "epochs=2", "changes no setting"),
        ("@1", "model.hidden=9", "has the network and the images"),
        ("@1", "data.name=mnist", "has the network and the images"),
        ("@1", "batch_size=9", "counted in batches"),
        ("@1", "learning_rate=x", "learning_rate"),
        ("@1", "foo=1", "foo is not a known key"),
        ("@1", "device=cuda:9", "device"),
        ("@1", "epochs", "has no `=`"),
    ] {
        let output = place.run(&["fork", &format!("{run}{point}"), "--set", setting]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{point} {setting}: {said}");
        assert!(said.contains(part), "{point} {setting}: {said}");
    }
    assert_eq!(place.workspace().ids().len(), runs);
    // Nested settings by the end of their names.
    for setting in ["optimizer.kind=sgd", "early_stop.patience=3", "patience=4"] {
        place.makes(&["fork", &format!("{run}@1"), "--set", setting, "--queue"]);
    }
}
