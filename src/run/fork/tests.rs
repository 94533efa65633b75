//! Forks of random recipes: whichever way one comes about, it is the same run.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::event::{Command, Event, Observer, Stamped};
use crate::run::log::LogWriter;
use crate::run::record::Recorder;
use crate::run::training::Ready;
use crate::train::{Outcome, TrainingContext};

/// Convolution, batch norm and dropout, on few small images.
const NETWORK: &str = r#"
format = 2
[data]
name = "fashion-mnist-mini"
per_class = 12
validation = 40
[model]
architecture = "custom"
layers = [
    { kind = "max-pool2d", kernel_size = 4 },
    { kind = "conv2d", out_channels = 4, kernel_size = 3, padding = 1 },
    { kind = "batch-norm2d", activation = "relu" },
    { kind = "flatten" },
    { kind = "dropout", p = 0.3 },
    { kind = "linear", out_features = 10 },
]
[train]
epochs = 5
batch_size = 8
threads = 1
"#;

/// What a recipe and a fork may set, each to one of these.
const CHOICES: [(&str, &[&str]); 17] = [
    ("train.epochs", &["5", "6", "8"]),
    ("train.seed", &["1", "2"]),
    ("train.backend", &["plan", "graph"]),
    ("train.checkpoint_every", &["1", "2", "9"]),
    ("train.ema", &["0", "0.9"]),
    ("train.clip", &["0", "0.5"]),
    ("train.label_smoothing", &["0", "0.1"]),
    ("train.optimizer.kind", &["sgd", "rmsprop", "adam", "adamw"]),
    ("train.optimizer.learning_rate", &["0.002", "0.02"]),
    ("train.optimizer.momentum", &["0", "0.8"]),
    ("train.optimizer.weight_decay", &["0", "0.01"]),
    ("train.schedule.kind", &["step", "cosine", "one-cycle"]),
    ("train.schedule.warmup_epochs", &["0", "1.5"]),
    ("train.early_stop.patience", &["0", "1", "2"]),
    (
        "train.early_stop.monitor",
        &["train-loss", "validation-accuracy"],
    ),
    ("augment.shift", &["0", "2"]),
    ("augment.flip", &["0", "0.5"]),
];

type Settings = Vec<(usize, Index)>;

/// A few of the choices.
fn settings(most: usize) -> impl Strategy<Value = Settings> {
    let one = (0..CHOICES.len(), any::<Index>());
    proptest::collection::vec(one, 1..=most)
}

fn words(settings: &Settings) -> Vec<String> {
    let word = |(of, which): &(usize, Index)| {
        let (key, values) = CHOICES[*of];
        format!("{key}={}", which.get(values))
    };
    settings.iter().map(word).collect()
}

/// What ends a process where it stands.
struct Killed;

/// The host of a training: its log and its record, as a worker keeps them.
struct Host {
    log: LogWriter,
    recorder: Recorder,
    /// Words with the training so far, and those at which it dies, or the learning rate is raised.
    said: usize,
    dies_at: Option<usize>,
    raises_at: Option<usize>,
    warnings: Vec<String>,
}

impl Host {
    fn word(&mut self) {
        self.said += 1;
        if self.dies_at == Some(self.said) {
            resume_unwind(Box::new(Killed));
        }
    }
}

impl TrainingContext for Host {
    fn next_command(&mut self, _: Duration) -> Option<Command> {
        self.word();
        (self.raises_at? <= self.said).then(|| {
            self.raises_at = None;
            Command::StepLearningRate { up: true }
        })
    }

    fn emit(&mut self, event: Event) {
        self.word();
        if let Event::Warning { message } = &event {
            self.warnings.push(message.clone());
        }
        let stamped = Stamped { at: 1.0, event };
        let mut line = serde_json::to_vec(&stamped).unwrap();
        line.push(b'\n');
        self.log.append(&line).unwrap();
        self.recorder.on_event(&stamped).unwrap();
    }

    fn log_length(&self) -> u64 {
        self.log.len()
    }

    fn rewind_log(&mut self, length: u64) -> Result<()> {
        self.word();
        self.log.rewind(length)
    }
}

/// Where a run is interfered with.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    dies_at: Option<usize>,
    raises_at: Option<usize>,
}

/// Trains a run of the workspace, from its newest checkpoint where there is one; how many words it took, and its
/// outcome where it did not die.
fn live(workspace: &Workspace, id: &str, fate: Fate) -> (usize, Option<Outcome>) {
    let directory = workspace.run_dir(id);
    let recorded = workspace.load(id).unwrap();
    let resume = checkpoint::exists(&directory);
    let mut log = LogWriter::open(&workspace.events_path(id)).unwrap();
    if !resume {
        log.rewind(0).unwrap();
    }
    let mut host = Host {
        log,
        recorder: Recorder::begin(workspace.profile_path(id), recorded.clone()).unwrap(),
        said: 0,
        dies_at: fate.dies_at,
        raises_at: fate.raises_at,
        warnings: Vec::new(),
    };
    let ready = Ready::read(workspace, &recorded).unwrap();
    let trained = catch_unwind(AssertUnwindSafe(|| {
        ready.train(workspace, &directory, resume, Vec::new(), &mut host)
    }));
    assert_eq!(host.warnings, Vec::<String>::new());
    let outcome = match trained {
        Ok(outcome) => Some(outcome.unwrap()),
        Err(death) if death.is::<Killed>() => None,
        Err(panic) => resume_unwind(panic),
    };
    (host.said, outcome)
}

fn all_bits(epochs: &[EpochRecord]) -> Vec<[u64; 5]> {
    epochs.iter().map(bits).collect()
}

/// All of a finished run that does not depend on the clock.
fn end(workspace: &Workspace, id: &str, outcome: &Outcome) -> Vec<String> {
    assert!(outcome.complete, "{}", outcome.reason);
    let result = &outcome.result;
    let epochs = all_bits(&history::of_log(&workspace.events_path(id)));
    let mut end = vec![
        outcome.reason.clone(),
        format!("weights {}", result.weights_sha256),
        format!("best epoch {} of {}", result.best_epoch, result.epochs),
        format!("train {:?}", result.train),
        format!("test {:?}", result.test),
        format!("interventions {:?}", outcome.interventions),
    ];
    end.extend(epochs.iter().map(|epoch| format!("{epoch:?}")));
    end
}

/// Trains a run to its end; dies and comes back on the way, at these parts of it.
fn lives(workspace: &Workspace, id: &str, words: usize, deaths: &[Index]) -> Vec<String> {
    for death in deaths {
        let dies_at = Some(1 + death.index(words));
        let fate = Fate {
            dies_at,
            ..Fate::default()
        };
        if let (_, Some(outcome)) = live(workspace, id, fate) {
            // It came to its end sooner.
            return end(workspace, id, &outcome);
        }
    }
    let (_, outcome) = live(workspace, id, Fate::default());
    end(workspace, id, &outcome.unwrap())
}

/// How often each kind of case was met.
#[derive(Debug, Default)]
struct Met {
    forks: usize,
    with_checkpoint: usize,
    /// Of forks, no later than where these left their run.
    before_its_own: usize,
    of_early_ends: usize,
    with_raised_rates: usize,
}

/// A run, and a fork of it or of that fork.
fn check(
    met: &mut Met,
    (recipe, forks): (&Settings, &[(Index, Settings)]),
    raised: Option<Index>,
    deaths: &[Index],
) {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(dir.path());
    let mut profile = Profile::parse(NETWORK, "network").unwrap();
    for word in words(recipe) {
        let (key, value) = word.split_once('=').unwrap();
        put(&mut profile, key, value).unwrap();
    }
    if profile.validate().is_err() {
        return;
    }
    let mut run = workspace.create(&profile).unwrap();
    let raises_at = raised.map(|at| 1 + at.index(60));
    let fate = Fate {
        raises_at,
        ..Fate::default()
    };
    let (said, outcome) = live(&workspace, &run, fate);
    let outcome = outcome.unwrap();
    met.of_early_ends += usize::from(outcome.reason.contains("early"));
    met.with_raised_rates += usize::from(!outcome.interventions.is_empty());
    for (epoch, changes) in forks {
        let epochs = history::of_log(&workspace.events_path(&run)).len();
        let point = Point {
            epoch: 1 + epoch.index(epochs),
            run: run.clone(),
        };
        let Some(fork) = by_every_way(met, &workspace, (&point, changes), (said, deaths)) else {
            // Nothing changes, nothing is left to train, or it does not fit.
            continue;
        };
        run = fork;
    }
}

/// Makes the same fork in every way; gives one of them.
fn by_every_way(
    met: &mut Met,
    workspace: &Workspace,
    (point, changes): (&Point, &Settings),
    (said, deaths): (usize, &[Index]),
) -> Option<String> {
    let parent = workspace.load(&point.run).unwrap();
    let what = format!(
        "{:?} after epoch {} of {}",
        words(changes),
        point.epoch,
        parent.to_toml()
    );
    let forked = super::recipe(workspace, point, &words(changes)).ok()?;
    let first = create(workspace, point, forked.clone(), false).unwrap();
    let expected = lives(workspace, &first.id, said, &[]);
    // Up to there it is the run that it left.
    let of = |run: &str| all_bits(&history::of_log(&workspace.events_path(run))[..point.epoch]);
    assert_eq!(of(&first.id), of(&point.run), "{what}");
    let same_again = |from_checkpoint, deaths: &[Index]| {
        let again = create(workspace, point, forked.clone(), false).unwrap();
        assert_eq!(again.from_checkpoint, from_checkpoint);
        let found = lives(workspace, &again.id, said, deaths);
        assert_eq!(found, expected, "{from_checkpoint} {deaths:?}: {what}");
    };
    same_again(first.from_checkpoint, deaths);
    checkpoint::forget(&workspace.run_dir(&point.run)).unwrap();
    same_again(false, &[]);
    same_again(false, deaths);
    let record = workspace.load(&first.id).unwrap();
    let ready = Ready::read(workspace, &record).unwrap();
    let again = ready.rerun(workspace, &first.id, &mut |_| ()).unwrap();
    let weights = format!("weights {}", again.result.weights_sha256);
    assert_eq!(weights, expected[1], "from its record alone: {what}");
    met.forks += 1;
    met.with_checkpoint += usize::from(first.from_checkpoint);
    let own = parent.run.unwrap_or_default().forks;
    met.before_its_own += usize::from(own.iter().any(|own| own.epoch >= point.epoch));
    Some(first.id)
}

#[test]
fn forks_of_random_recipes_are_one_run_by_every_way() {
    let cases = (
        settings(7),
        proptest::collection::vec((any::<Index>(), settings(3)), 1..3),
        proptest::option::of(any::<Index>()),
        proptest::collection::vec(any::<Index>(), 1..4),
    );
    let config = Config {
        cases: 36,
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let met = std::cell::RefCell::new(Met::default());
    let outcome = runner.run(&cases, |(recipe, forks, raised, deaths)| {
        check(&mut met.borrow_mut(), (&recipe, &forks), raised, &deaths);
        Ok(())
    });
    outcome.unwrap();
    let met = met.into_inner();
    println!("{met:?}");
    let Met {
        forks,
        with_checkpoint,
        before_its_own,
        of_early_ends,
        with_raised_rates,
    } = met;
    assert!(forks >= 25 && with_checkpoint >= 5, "{met:?}");
    assert!(before_its_own >= 3, "{met:?}");
    assert!(of_early_ends >= 1 && with_raised_rates >= 5, "{met:?}");
}
