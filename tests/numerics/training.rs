//! The loop with a real learner on the built-in images: resumed, replayed, stopped and diverging runs.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use fmtui::data::mini;
use fmtui::error::{Error, Result};
use fmtui::event::{Command, Event};
use fmtui::layers::Layer;
use fmtui::profile::{Augment, Backend, Monitor, Profile, RunRecord, Schedule, Train, Unfreeze};
use fmtui::train::checkpoint::load_newest;
use fmtui::train::learners::without_memory;
use fmtui::train::{Setup, TrainingContext};

use crate::ended::{Ended, train_logged};

/// Plays commands at given steps and remembers every event.
#[derive(Default)]
struct Script {
    commands: VecDeque<(u64, Command)>,
    events: Vec<Event>,
    asked: u64,
    rewound_to: Option<u64>,
    /// Whoever waits for a command while paused gets the next one, whatever its step.
    hurries: bool,
    /// The process is killed once it waits for a command while paused.
    dies_paused: bool,
}

impl Script {
    fn with(commands: impl IntoIterator<Item = (u64, Command)>) -> Self {
        Self {
            commands: commands.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl TrainingContext for Script {
    /// The n-th look between steps is before step n, as long as no command came.
    fn next_command(&mut self, wait: Duration) -> Option<Command> {
        let is_paused = !wait.is_zero();
        let hurries = is_paused && self.hurries;
        if self
            .commands
            .front()
            .is_some_and(|(at, _)| hurries || *at <= self.asked)
        {
            return self.commands.pop_front().map(|(_, c)| c);
        }
        assert!(!(is_paused && self.dies_paused), "killed");
        if wait.is_zero() {
            self.asked += 1;
        }
        None
    }

    fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    fn log_length(&self) -> u64 {
        self.events.len() as u64
    }

    fn rewind_log(&mut self, length: u64) -> Result<()> {
        self.rewound_to = Some(length);
        Ok(())
    }
}

/// A small network with everything that carries state or chance: convolution, batch norm, dropout, momentum, averages,
/// images that change.
fn small_cnn() -> Profile {
    let text = r#"
        [data]
        name = "fashion-mnist-mini"
        validation = 200
        per_class = 60
        [augment]
        flip = 0.5
        shift = 2
        rotate = 10
        erase = 0.25
        [model]
        architecture = "custom"
        layers = [
            { kind = "conv2d", out_channels = 4, kernel_size = 3, stride = 2, padding = 1, bias = false },
            { kind = "batch-norm2d", activation = "relu" },
            { kind = "max-pool2d", kernel_size = 2 },
            { kind = "flatten" },
            { kind = "dropout", p = 0.3 },
            { kind = "linear", out_features = 10 },
        ]
        [train]
        epochs = 3
        batch_size = 32
        ema = 0.9
        clip = 1.0
        threads = 2
        [train.schedule]
        kind = "cosine"
        warmup_epochs = 0.5
    "#;
    Profile::parse(text, "small").unwrap()
}

fn run(profile: &Profile, directory: &Path, resume: bool, script: &mut Script) -> Result<Ended> {
    train_logged(
        Setup {
            profile,
            dataset: mini::load().unwrap(),
            directory,
            resume,
            until: None,
            trunk: None,
            pretrained: None,
            warnings: Vec::new(),
        },
        script,
    )
}

fn whole(profile: &Profile) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    run(profile, dir.path(), false, &mut Script::default()).unwrap()
}

/// Everything of an epoch that does not depend on the clock.
fn figures(outcome: &Ended) -> Vec<[f64; 5]> {
    outcome
        .history
        .iter()
        .map(|h| {
            [
                h.train_loss,
                h.train_accuracy,
                h.held_out_loss,
                h.held_out_accuracy,
                h.learning_rate,
            ]
        })
        .collect()
}

#[test]
fn the_same_profile_gives_the_same_bits_on_any_number_of_threads() {
    let mut profile = small_cnn();
    let first = whole(&profile);
    for threads in [1, 2, 3, 8] {
        profile.train.threads = threads;
        let again = whole(&profile);
        assert_eq!(
            first.result.weights_sha256, again.result.weights_sha256,
            "{threads} threads"
        );
        assert_eq!(figures(&first), figures(&again));
    }
    profile.train.seed += 1;
    assert_ne!(
        first.result.weights_sha256,
        whole(&profile).result.weights_sha256
    );
}

#[test]
fn it_learns_and_reports_every_part() {
    // Three epochs on images that change are too few.
    let outcome = whole(&Profile {
        augment: Augment::default(),
        ..small_cnn()
    });
    assert!(outcome.complete && outcome.history.len() == 3);
    let test = outcome.result.test.unwrap();
    assert!(test.accuracy > 0.5, "accuracy {}", test.accuracy);
    assert_eq!(test.confusion.total(), 500);
    assert_eq!(outcome.result.validation.unwrap().confusion.total(), 200);
    assert!(outcome.result.train.is_some() && outcome.result.peak_memory_bytes > 0);
}

#[test]
fn stopped_anywhere_and_resumed_ends_with_the_same_bits() {
    stops_change_nothing(&small_cnn());
}

/// `small_cnn` with its layers set free one after the other.
fn thawing() -> Profile {
    let mut profile = small_cnn();
    profile.model.freeze = "backbone".into();
    profile.model.unfreeze = [(2, "conv1"), (3, "none")]
        .map(|(epoch, freeze)| Unfreeze {
            epoch,
            freeze: freeze.into(),
        })
        .into();
    profile.train.lr_multipliers.insert("conv1".into(), 0.5);
    profile
}

#[test]
fn layers_set_free_by_epoch_resume_to_the_same_bits() {
    stops_change_nothing(&thawing());
}

#[test]
fn layers_learn_from_the_epoch_they_are_set_free_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let outcome = run(&thawing(), dir.path(), false, &mut script).unwrap();
    assert_eq!(outcome.result.trained_parameters, outcome.result.parameters);
    let notes: Vec<&str> = script
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Note { message } if message.starts_with("from epoch") => Some(&**message),
            _ => None,
        })
        .collect();
    assert_eq!(
        notes,
        [
            "from epoch 2 on 1,978 of 2,014 parameters are trained; the optimizer state is reset",
            "from epoch 3 on 2,014 of 2,014 parameters are trained; the optimizer state is reset",
        ]
    );

    // What is free in an epoch, and only that, is other than at the end of the epoch before.
    let after = [1, 2, 3].map(|epochs| {
        let mut profile = thawing();
        profile.train.epochs = epochs;
        profile.train.schedule = Schedule::default();
        let dir = tempfile::tempdir().unwrap();
        run(&profile, dir.path(), false, &mut Script::default()).unwrap();
        without_memory(load_newest(dir.path()).unwrap().state)
    });
    for (epoch, free) in [(2, "bn1 fc1"), (3, "bn1 conv1 fc1")] {
        let mut changed: Vec<&str> = after[epoch - 1]
            .iter()
            .filter(|(name, array)| after[epoch - 2][*name] != **array)
            .filter_map(|(name, _)| name.split('.').next())
            .collect();
        changed.dedup();
        assert_eq!(changed.join(" "), free, "epoch {epoch}");
    }
}

fn stops_change_nothing(profile: &Profile) {
    let uninterrupted = whole(profile);
    // Mid-epoch, five stops in a row, and everywhere around an epoch's end: during evaluation, while features are
    // computed, at the next step.
    let rows = [vec![4], vec![13, 14], vec![1, 3, 5, 7, 9]];
    for stops in rows.into_iter().chain((13..24).map(|stop| vec![stop])) {
        let dir = tempfile::tempdir().unwrap();
        let mut resume = false;
        for stop in &stops {
            let mut script = Script::with([(*stop, Command::Stop)]);
            let outcome = run(profile, dir.path(), resume, &mut script).unwrap();
            assert!(!outcome.complete, "{}", outcome.reason);
            resume = true;
        }
        let mut script = Script::default();
        let outcome = run(profile, dir.path(), true, &mut script).unwrap();
        assert!(outcome.complete && script.rewound_to.is_some());
        assert_eq!(
            outcome.result.weights_sha256, uninterrupted.result.weights_sha256,
            "{stops:?}"
        );
        assert_eq!(figures(&outcome), figures(&uninterrupted), "{stops:?}");
        assert_eq!(outcome.result.test, uninterrupted.result.test);
    }
}

#[test]
fn interventions_are_journaled_and_replayed() {
    let mut profile = small_cnn();
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::with([
        (3, Command::SetLearningRate { value: 5e-3 }),
        (5, Command::Pause),
        (5, Command::SetLearningRate { value: 2e-3 }),
        (5, Command::Continue),
        (20, Command::Stop),
    ]);
    let first = run(&profile, dir.path(), false, &mut script).unwrap();
    let whats: Vec<_> = first
        .interventions
        .iter()
        .map(|i| (i.what.as_str(), i.value))
        .collect();
    assert_eq!(
        whats,
        [
            ("learning_rate", 5e-3),
            ("learning_rate", 2e-3),
            ("stop", 0.0)
        ]
    );
    assert!(
        script
            .events
            .iter()
            .any(|e| matches!(e, Event::Paused { .. }))
    );
    assert!(
        script
            .events
            .iter()
            .any(|e| matches!(e, Event::Changed { .. }))
    );

    profile.run = Some(RunRecord {
        interventions: first.interventions.clone(),
        ..RunRecord::default()
    });
    let again = whole(&profile);
    assert_eq!(again.interventions, first.interventions);
    assert_eq!(again.result.weights_sha256, first.result.weights_sha256);
}

/// The rates that were told, and those that the profile keeps.
fn rates(script: &Script, outcome: &Ended) -> (Vec<f64>, Vec<(u64, f64)>) {
    let told = script.events.iter().filter_map(|event| match event {
        Event::Changed { to, .. } => Some(*to),
        _ => None,
    });
    let kept = outcome.interventions.iter();
    let kept = kept.filter(|i| i.what == "learning_rate");
    (told.collect(), kept.map(|i| (i.step, i.value)).collect())
}

#[test]
fn rates_step_from_what_the_worker_has_between_steps_and_while_paused() {
    let mut profile = small_cnn();
    profile.train.schedule = Schedule::default();
    profile.train.optimizer.learning_rate = 2e-4;
    let step = |up| Command::StepLearningRate { up };
    let mut script = Script::with([
        (3, step(true)),
        (3, step(true)),
        (3, step(true)),
        (5, Command::SetLearningRate { value: 1e-3 }),
        (6, Command::Pause),
        (6, step(true)),
        (6, step(true)),
        (6, step(true)),
        (6, step(false)),
        (6, Command::Continue),
    ]);
    let dir = tempfile::tempdir().unwrap();
    let first = run(&profile, dir.path(), false, &mut script).unwrap();
    let (told, kept) = rates(&script, &first);
    assert_eq!(told, [5e-4, 1e-3, 2e-3, 1e-3, 2e-3, 5e-3, 1e-2, 5e-3]);
    // Of several before one step the last takes effect.
    assert_eq!(kept, [(3, 2e-3), (5, 1e-3), (6, 5e-3)]);
    // They are journaled as what they led to, so the same is trained again.
    profile.run = Some(RunRecord {
        interventions: first.interventions.clone(),
        ..RunRecord::default()
    });
    let again = whole(&profile);
    assert_eq!(again.interventions, first.interventions);
    assert_eq!(again.result.weights_sha256, first.result.weights_sha256);
    profile.run = None;
    assert_ne!(
        whole(&profile).result.weights_sha256,
        first.result.weights_sha256
    );
}

#[test]
fn a_rate_at_the_end_of_its_steps_stays_and_says_so() {
    let mut profile = small_cnn();
    profile.train.epochs = 1;
    profile.train.schedule = Schedule::default();
    profile.train.optimizer.learning_rate = 1e-9;
    let mut script = Script::with([(2, Command::StepLearningRate { up: false })]);
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(&profile, dir.path(), false, &mut script).unwrap();
    assert_eq!(rates(&script, &outcome), (vec![], vec![]));
    let says =
        |e: &Event| matches!(e, Event::Warning { message } if message.contains("stays at 1.0e-9"));
    assert!(script.events.iter().any(says));
}

/// Between steps, while images are evaluated (every look from the 13th on is at an epoch's
/// end: 13 steps an epoch), and while paused.
#[test]
fn a_stop_wins_over_a_pause_whichever_comes_first() {
    let both = [Command::Stop, Command::Pause];
    let orders = [both.clone(), [Command::Pause, Command::Stop]];
    for at in [3, 12, 13, 14, 16] {
        let profile = small_cnn();
        for order in &orders {
            let mut script = Script::with(order.clone().map(|c| (at, c)));
            let dir = tempfile::tempdir().unwrap();
            let outcome = run(&profile, dir.path(), false, &mut script).unwrap();
            assert!(!outcome.complete, "{order:?} at {at}");
            let paused = |e: &Event| matches!(e, Event::Paused { .. });
            assert!(!script.events.iter().any(paused), "{order:?} at {at}");
        }
    }
    // Paused before, and asked to pause and go on behind the stop.
    let mut script = Script::with([
        (4, Command::Pause),
        (5, Command::Stop),
        (5, Command::Continue),
        (5, Command::Pause),
    ]);
    script.hurries = true;
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(&small_cnn(), dir.path(), false, &mut script).unwrap();
    assert_eq!(outcome.reason, "stopped at step 4");
}

#[test]
fn a_checkpoint_asked_for_while_paused_is_saved_then() {
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::with([
        (4, Command::Pause),
        (5, Command::StepLearningRate { up: true }),
        (5, Command::SaveCheckpoint),
        (6, Command::SaveCheckpoint),
        (7, Command::Continue),
        (9, Command::Stop),
    ]);
    script.hurries = true;
    run(&small_cnn(), dir.path(), false, &mut script).unwrap();
    let told: Vec<&str> = script
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Paused { step: 4 } => Some("paused"),
            Event::Changed { step: 4, .. } => Some("changed"),
            Event::CheckpointSaved { kind, step: 4, .. } if kind == "last" => Some("saved"),
            Event::Continued { step: 4 } => Some("resumed"),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["paused", "changed", "saved", "saved", "resumed"]);

    // Killed while it is paused, it goes on from there, with the rate that it was given, to the same bits.
    let commands = [
        (4, Command::Pause),
        (4, Command::StepLearningRate { up: true }),
        (4, Command::SaveCheckpoint),
    ];
    let mut never_killed =
        Script::with(commands.clone().into_iter().chain([(4, Command::Continue)]));
    let other = tempfile::tempdir().unwrap();
    let whole = run(&small_cnn(), other.path(), false, &mut never_killed).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::with(commands);
    script.dies_paused = true;
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&small_cnn(), dir.path(), false, &mut script)
    }));
    assert!(died.is_err());
    assert_eq!(load_newest(dir.path()).unwrap().progress.step, 4);
    let resumed = run(&small_cnn(), dir.path(), true, &mut Script::default()).unwrap();
    assert_eq!(resumed.result.weights_sha256, whole.result.weights_sha256);
    assert_eq!(resumed.interventions, whole.interventions);
}

#[test]
fn early_stopping_ends_the_run_and_says_why() {
    let mut profile = small_cnn();
    profile.train.epochs = 50;
    profile.train.early_stop.patience = 1;
    profile.train.early_stop.min_delta = 10.0;
    let outcome = whole(&profile);
    assert!(
        outcome.complete && outcome.history.len() == 2,
        "{}",
        outcome.reason
    );
    assert_eq!(
        outcome.reason,
        "stopped early after epoch 2: validation loss has not improved by more than 10 for 1 epoch"
    );
    profile.data.validation = 0.0;
    let dir = tempfile::tempdir().unwrap();
    let error = run(&profile, dir.path(), false, &mut Script::default()).unwrap_err();
    assert!(error.to_string().starts_with("train.early_stop.monitor"));
    profile.train.early_stop.monitor = Monitor::TrainLoss;
    assert!(whole(&profile).complete);
}

/// Weights that do not move give the same accuracy every epoch.
#[test]
fn an_equal_figure_uses_up_the_patience() {
    let mut profile = Profile::new("mlp");
    profile.data.name = "fashion-mnist-mini".into();
    profile.data.validation = 200.0;
    profile.data.per_class = 60;
    profile.train.epochs = 12;
    profile.train.optimizer.learning_rate = 1e-12;
    profile.train.early_stop.patience = 1;
    profile.train.early_stop.monitor = Monitor::ValidationAccuracy;
    let outcome = whole(&profile);
    assert_eq!(outcome.history.len(), 2);
    assert_eq!(
        outcome.reason,
        "stopped early after epoch 2: validation accuracy has not improved for 1 epoch"
    );
    assert_eq!(outcome.result.best_epoch, 1);
}

/// A batch norm of vectors, in a block too, has no variance in a last batch of one image; one that is frozen needs
/// none.
#[test]
fn a_last_batch_of_one_is_refused_before_the_first_step() {
    let text = "
        [data]
        name = 'fashion-mnist-mini'
        validation = 0
        per_class = 1
        [model]
        architecture = 'custom'
        layers = [
            { kind = 'flatten' },
            { kind = 'residual', layers = [{ kind = 'batch-norm1d' }] },
            { kind = 'linear', out_features = 10 },
        ]
        [train]
        epochs = 1
        batch_size = 9
        device = 'cpu'
    ";
    let mut profile = Profile::parse(text, "single").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let refused = run(&profile, directory.path(), false, &mut Script::default());
    let message = refused.unwrap_err().to_string();
    assert!(
        message.starts_with(
            "train.batch_size leaves a batch of one of 10 images, and batch norm (block1.bn1)"
        ),
        "{message}"
    );
    profile.model.freeze = "block1".into();
    let outcome = run(&profile, directory.path(), false, &mut Script::default()).unwrap();
    assert!(outcome.complete);
}

#[test]
fn a_diverging_run_fails_before_its_weights_are_spoilt() {
    let mut profile = small_cnn();
    profile.train.clip = 0.0;
    profile.train.optimizer.kind = fmtui::profile::OptimizerKind::Sgd;
    profile.train.optimizer.learning_rate = 1e3;
    profile
        .model
        .layers
        .retain(|l| !matches!(l, Layer::BatchNorm2d(_)));
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    match run(&profile, dir.path(), false, &mut script) {
        Err(Error::NotFinite { step, .. }) => {
            let told = script.events.iter().rev().find_map(|e| match e {
                Event::Step(told) => Some(told.step),
                _ => None,
            });
            // Every step before it is told, so that nothing says it failed at another.
            assert!(step > 1 && told == Some(step - 1), "{step} {told:?}");
        }
        other => panic!("{:?}", other.map(|o| o.history)),
    }
}

#[test]
fn a_resume_with_another_recipe_is_refused() {
    let mut profile = small_cnn();
    let dir = tempfile::tempdir().unwrap();
    run(
        &profile,
        dir.path(),
        false,
        &mut Script::with([(2, Command::Stop)]),
    )
    .unwrap();
    let recipe = profile.train.clone();
    for other in [
        Train {
            batch_size: 16,
            ..recipe.clone()
        },
        Train {
            backend: Backend::Graph,
            ..recipe
        },
    ] {
        profile.train = other;
        let error = run(&profile, dir.path(), true, &mut Script::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is not the one the checkpoint was made with")
        );
    }
}

/// The weights of a diverging run's last checkpoint stay loadable; the whole-run figures of each learner are
/// repeatable.
#[test]
fn every_kind_of_learner_stops_and_resumes() {
    for (architecture, hidden) in [
        ("mlp", vec![16]),
        ("mlp-scratch", vec![16]),
        ("perceptron", vec![]),
    ] {
        let mut profile = Profile::new(architecture);
        profile.model.hidden = hidden;
        profile.data.name = "fashion-mnist-mini".into();
        profile.data.validation = 100.0;
        profile.train.epochs = 2;
        let first = whole(&profile);
        let dir = tempfile::tempdir().unwrap();
        let stopped = run(
            &profile,
            dir.path(),
            false,
            &mut Script::with([(12, Command::Stop)]),
        )
        .unwrap();
        assert!(!stopped.complete);
        let resumed = run(&profile, dir.path(), true, &mut Script::default()).unwrap();
        assert_eq!(
            resumed.result.weights_sha256, first.result.weights_sha256,
            "{architecture}"
        );
        assert!(first.result.test.unwrap().accuracy > 0.5, "{architecture}");
    }
}

/// Everything up to the last layer is frozen.
fn frozen() -> Profile {
    let text = r#"
        format = 1
        [data]
        name = "fashion-mnist-mini"
        channels = 3
        validation = 0
        [model]
        architecture = "resnet20"
        freeze = "backbone"
        [train]
        epochs = 1
        batch_size = 100
        threads = 2
    "#;
    Profile::parse(text, "frozen").unwrap()
}

#[test]
fn features_come_before_the_first_step_and_whoever_asks_is_heard_meanwhile() {
    let features = |script: &Script| -> Vec<(usize, usize)> {
        let before = script
            .events
            .iter()
            .take_while(|e| !matches!(e, Event::Step(_)));
        let told = before.filter_map(|e| match e {
            Event::Features(f) => Some((f.done, f.all)),
            _ => None,
        });
        told.collect()
    };
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let whole = run(&frozen(), dir.path(), false, &mut script).unwrap();
    assert_eq!(features(&script).last(), Some(&(2500, 2500)));
    let warned = script
        .events
        .iter()
        .any(|e| matches!(e, Event::Warning { message } if message.contains("at random weights")));
    assert!(warned);
    let ahead = script.events.iter().rev().find_map(|e| match e {
        Event::Features(f) => Some(f.seconds),
        _ => None,
    });
    assert!(whole.result.seconds >= ahead.unwrap());

    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::with([(2, Command::Stop)]);
    let stopped = run(&frozen(), dir.path(), false, &mut script).unwrap();
    assert!(!stopped.complete && stopped.result.epochs == 0);
    assert!(!script.events.iter().any(|e| matches!(e, Event::Step(_))));
    assert_ne!(features(&script).last(), Some(&(2500, 2500)));

    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::with([(2, Command::Pause), (2, Command::Continue)]);
    let paused = run(&frozen(), dir.path(), false, &mut script).unwrap();
    assert_eq!(paused.result.weights_sha256, whole.result.weights_sha256);
    assert_eq!(features(&script).last(), Some(&(2500, 2500)));
}
