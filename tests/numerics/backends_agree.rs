//! Every network among the presets trained for 20 steps by plan and through the graph on the same images.
//!
//! *Step by step*: before each step of the plan's training the graph takes over its state, so both take the same step;
//! loss, weights and statistics must agree to rounding. *Free*: both train on their own and may drift apart. Without
//! batch norm they stay together to the end. With it, ReLUs and Adam magnify the last bit: shaking the weights of one
//! and the same path by 6e-8 moves the losses of 20 steps by up to 2e-3 (modern-lenet), 5e-3 (improved-cnn), 4e-4
//! (custom-cnn) and 4e-1 (resnet18-scratch), the same as between the paths; there only the first steps are held
//! together. Learning rates are the optimizer's own, without a schedule. ResNets and VGGs take batches of 16, to keep
//! the time down.

use std::sync::Arc;

use fmtui::data::{Batch, Dataset, SplitDataset, mini};
use fmtui::model::{Architecture, Shape, presets, resolve};
use fmtui::profile::{Augment, Backend, Loss, Profile};
use fmtui::train::{Learner, StateDict, StepOutcome, Update, learners};

const STEPS: usize = 20;

/// Largest distance of the losses of one step from the same state, relative to the loss.
const SAME_LOSS: f64 = 1e-5;

/// Largest distance of the weights after such a step, relative to its length: of most networks, and of the deepest,
/// where more gradients are so small that rounding decides their sign, which is all that Adam's first steps look at.
const SAME_STEP: f64 = 1e-2;
const SAME_STEP_DEEP: f64 = 5e-2;

/// Largest distance of the running statistics after it, relative to them.
const SAME_STATISTICS: f64 = 1e-5;

/// Largest distance of the losses of free trainings, as long as they are held together.
const FREE_LOSS: f64 = 1e-3;

/// Largest distance of the weights after 20 free steps, relative to the way they have come.
const FREE_WEIGHTS: f64 = 1e-2;

/// What a preset needs to be told.
struct Case {
    preset: &'static str,
    /// Steps for which free trainings stay together.
    together: usize,
    batch_size: Option<usize>,
    /// A bias before a batch norm has no gradient but rounding, which Adam makes as large as any other; the norm takes
    /// it out again.
    without: &'static [&'static str],
}

/// The biases of VGG-11's convolutions, each before a batch norm.
const VGG11_BIASES: [&str; 8] = [
    "features.0.bias",
    "features.4.bias",
    "features.8.bias",
    "features.11.bias",
    "features.15.bias",
    "features.18.bias",
    "features.22.bias",
    "features.25.bias",
];

impl Case {
    fn of(preset: &'static str) -> Self {
        let (together, without): (_, &[_]) = match preset {
            "improved-cnn" => (5, &["conv1.bias", "conv2.bias", "conv3.bias", "fc1.bias"]),
            "modern-lenet" | "custom-cnn" | "vgg16-scratch" => (5, &[]),
            "resnet18-scratch" | "resnet20-cifar-scratch" => (2, &[]),
            "vgg11-bn-scratch" => (2, &VGG11_BIASES),
            _ => (STEPS, &[]),
        };
        Self {
            preset,
            together,
            batch_size: (preset.starts_with("resnet") || preset.starts_with("vgg")).then_some(16),
            without,
        }
    }
}

fn learner(profile: &Profile, architecture: &Architecture, path: Backend) -> Box<dyn Learner> {
    let mut profile = profile.clone();
    profile.train.backend = path;
    learners::build(&profile, architecture, 10).unwrap()
}

/// The weights that are trained, not their averages, and the running statistics.
fn parameters(mut state: StateDict) -> StateDict {
    state.retain(|name, _| !name.starts_with("ema.") && !name.starts_with("optimizer."));
    state
}

/// |a − b| over the arrays that `counts` says.
fn distance(a: &StateDict, b: &StateDict, counts: impl Fn(&str) -> bool) -> f64 {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let squares = |name: &String| -> f64 {
        let pairs = a[name].values.iter().zip(&b[name].values);
        pairs
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .sum()
    };
    let counted = a.keys().filter(|name| counts(name));
    counted.map(squares).sum::<f64>().sqrt()
}

/// The largest distances seen, for people.
#[derive(Default)]
struct Worst {
    same_loss: f64,
    same_step: f64,
    same_statistics: f64,
    free_loss: f64,
}

fn check(dataset: &Arc<Dataset>, case: &Case) {
    let started = std::time::Instant::now();
    let preset = case.preset;
    let mut profile = presets::find(preset).unwrap().profile().unwrap();
    profile.data.name = mini::NAME.into();
    profile.train.device = "cpu".into();
    profile.train.threads = 2;
    profile.train.batch_size = case.batch_size.unwrap_or(profile.train.batch_size);
    let data = SplitDataset::new(Arc::clone(dataset), &profile.data).unwrap();
    let input = Shape::Map {
        channels: data.channels,
        height: data.height,
        width: data.width,
    };
    let architecture = resolve(&profile.model, input, 10).unwrap();
    let mut plan = learner(&profile, &architecture, Backend::Plan);
    let mut graph = learner(&profile, &architecture, Backend::Graph);
    let mut follower = learner(&profile, &architecture, Backend::Graph);
    assert_eq!((plan.backend(), graph.backend()), ("plan", "graph"));
    let trained = |name: &str| !case.without.contains(&name) && !name.contains("running_");
    let running = |name: &str| name.contains("running_");
    let start = parameters(plan.state().unwrap());
    assert!(
        start == parameters(graph.state().unwrap()),
        "{preset}: fresh weights"
    );

    let (seed, size) = (profile.train.seed, profile.train.batch_size);
    let mut order = (0..).flat_map(|epoch| data.order(seed, epoch));
    let (mut batch, mut worst) = (Batch::default(), Worst::default());
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let indices: Vec<u32> = order.by_ref().take(size).collect();
        data.batch(&indices, &mut batch).unwrap();
        let update = Update {
            learning_rate: profile.train.optimizer.learning_rate,
            step: step as u64,
        };
        let state = plan.state().unwrap();
        follower.set_state(&state).unwrap();
        let before = parameters(state);
        let loss = plan.step(&batch, update).unwrap().loss;
        let same = follower.step(&batch, update).unwrap().loss;
        let off = (loss / same - 1.0).abs();
        assert!(
            off < SAME_LOSS,
            "{preset}, step {step}: losses {loss} {same}"
        );
        worst.same_loss = worst.same_loss.max(off);
        let (p, f) = (
            parameters(plan.state().unwrap()),
            parameters(follower.state().unwrap()),
        );
        let off = distance(&p, &f, trained) / distance(&p, &before, trained);
        let is_deep = preset.starts_with("resnet20") || preset.starts_with("vgg");
        let most = if is_deep { SAME_STEP_DEEP } else { SAME_STEP };
        assert!(off < most, "{preset}, step {step}: {off:e} apart");
        worst.same_step = worst.same_step.max(off);
        if p.keys().any(|name| running(name)) {
            let none = p.iter().map(|(name, array)| {
                let mut array = array.clone();
                array.values.fill(0.0);
                (name.clone(), array)
            });
            let off = distance(&p, &f, running) / distance(&p, &none.collect(), running);
            assert!(off < SAME_STATISTICS, "{preset}, step {step}: {off:e}");
            worst.same_statistics = worst.same_statistics.max(off);
        }

        if step < case.together {
            let free = graph.step(&batch, update).unwrap().loss;
            let off = (loss / free - 1.0).abs();
            assert!(
                off < FREE_LOSS,
                "{preset}, step {step}: free losses {loss} {free}"
            );
            worst.free_loss = worst.free_loss.max(off);
        }
        losses.push(loss);
    }
    assert!(losses[STEPS - 1] < losses[0], "{preset}: {losses:?}");
    let mut free_weights = f64::NAN;
    if case.together == STEPS {
        let [p, g] = [&plan, &graph].map(|l| parameters(l.state().unwrap()));
        free_weights = distance(&p, &g, trained) / distance(&g, &start, trained);
        assert!(
            free_weights < FREE_WEIGHTS,
            "{preset}: {free_weights:e} apart"
        );
    }
    eprintln!(
        "{preset:20} step by step: loss {:.1e}, step {:.1e}, statistics {:.1e}; {:2} free: loss {:.1e}, weights \
         {free_weights:.1e}; {:.1} s",
        worst.same_loss,
        worst.same_step,
        worst.same_statistics,
        case.together,
        worst.free_loss,
        started.elapsed().as_secs_f64()
    );
}

#[test]
fn every_preset_trains_the_same_by_plan_and_through_the_graph() {
    let dataset = Arc::new(mini::load().unwrap());
    for preset in presets::all() {
        // Tuned and frozen networks are those that their siblings train from random weights; those for CIFAR-10 have
        // the layers of another preset.
        let is_same = ["-finetune", "-frozen", "-cifar10"]
            .iter()
            .any(|end| preset.name.ends_with(end));
        if !["perceptron", "mlp-scratch"].contains(&preset.name) && !is_same {
            check(&dataset, &Case::of(preset.name));
        }
    }
}

/// Mixed targets and weights, by every learner that knows cross-entropy: one step from the same weights.
#[test]
fn targets_and_weights_are_learnt_alike() {
    let mut mixing = Mixing::new();
    let hard = mixing.hard.clone();
    let mixed = |share: f32| {
        let mut rows = vec![0.0; 70 * 10];
        for (row, label) in rows.chunks_exact_mut(10).zip(&hard.labels) {
            row[*label as usize] += 1.0 - share;
            row[(*label as usize + 3) % 10] += share;
        }
        Some(rows)
    };
    let weights = |of: &dyn Fn(u8) -> f32| Some((0..70).map(of).collect::<Vec<f32>>());
    let with = |targets, weights| Batch {
        targets,
        weights,
        ..hard.clone()
    };
    let plain = mixing.step(&hard);
    for same in [
        with(mixed(0.0), None),
        with(None, weights(&|_| 3.0)),
        with(mixed(0.0), weights(&|_| 1.0)),
    ] {
        let same = mixing.step(&same);
        assert!((same.loss - plain.loss).abs() < 1e-6);
        assert!((same.gradient_norm / plain.gradient_norm - 1.0).abs() < 1e-5);
        assert_eq!(same.correct, plain.correct);
    }
    let uneven = weights(&|i| f32::from(i % 4));
    for other in [
        with(mixed(0.3), None),
        with(None, uneven.clone()),
        with(mixed(0.3), uneven.clone()),
    ] {
        let other = mixing.step(&other);
        assert!((other.loss - plain.loss).abs() > 1e-4, "{other:?}");
        assert_eq!(other.correct, plain.correct, "by the largest share");
    }
    // Most of each image is another class's now; and where nothing counts, nothing is learnt.
    let moved = mixing.step(&with(mixed(0.9), None));
    assert_ne!(moved.correct, plain.correct);
    let none = mixing.step(&with(None, weights(&|_| 0.0)));
    assert_eq!((none.loss, none.gradient_norm), (0.0, 0.0));
    // Images without weight are as if they were not there.
    let first = weights(&|i| f32::from(u8::from(i < 40)));
    let counted = mixing.step(&with(None, first));
    let mut fewer = hard.clone();
    fewer.labels.truncate(40);
    fewer.images.truncate(40 * 784);
    assert!((counted.loss - mixing.step(&fewer).loss).abs() < 1e-6);

    for wrong in [
        with(Some(vec![0.1; 10]), None),
        with(None, Some(vec![-1.0; 70])),
    ] {
        for mut learner in mixing.learners() {
            let error = learner.step(&wrong, Mixing::UPDATE).unwrap_err();
            assert!(error.to_string().contains("a batch's"), "{error}");
        }
    }
    mixing.profile.train.label_smoothing = 0.0;
    mixing.profile.train.loss = Loss::Mse;
    for mut learner in mixing.learners() {
        let error = learner.step(&with(None, uneven.clone()), Mixing::UPDATE);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("train.loss"), "{error}");
        learner.step(&hard, Mixing::UPDATE).unwrap();
    }
}

/// The same MLP by hand, by plan and through the graph.
struct Mixing {
    profile: Profile,
    /// Images with labels alone.
    hard: Batch,
    input: Shape,
}

impl Mixing {
    const UPDATE: Update = Update {
        learning_rate: 0.1,
        step: 0,
    };

    fn new() -> Self {
        let mut profile = presets::find("mlp-scratch").unwrap().profile().unwrap();
        profile.data.name = mini::NAME.into();
        profile.train.device = "cpu".into();
        profile.train.threads = 2;
        profile.train.batch_size = 70;
        profile.train.label_smoothing = 0.1;
        let data = SplitDataset::new(Arc::new(mini::load().unwrap()), &profile.data).unwrap();
        let mut hard = Batch::default();
        data.batch(&data.train[..70], &mut hard).unwrap();
        let input = Shape::Map {
            channels: data.channels,
            height: data.height,
            width: data.width,
        };
        Self {
            profile,
            hard,
            input,
        }
    }

    fn learners(&self) -> [Box<dyn Learner>; 3] {
        let mut other = self.profile.clone();
        other.model.architecture = "mlp".into();
        let of = |profile: &Profile, path| {
            let architecture = resolve(&profile.model, self.input, 10).unwrap();
            learner(profile, &architecture, path)
        };
        let mut all = [
            of(&self.profile, Backend::Auto),
            of(&other, Backend::Plan),
            of(&other, Backend::Graph),
        ];
        let backends = all.each_ref().map(|learner| learner.backend());
        assert_eq!(backends, ["by hand", "plan", "graph"]);
        let weights = all[0].weights().unwrap();
        for other in &mut all[1..] {
            other.set_weights(&weights).unwrap();
        }
        all
    }

    /// What one step of each gives, which is the same.
    fn step(&self, batch: &Batch) -> StepOutcome {
        let mut all = self.learners();
        let [first, others @ ..] = all
            .each_mut()
            .map(|learner| learner.step(batch, Self::UPDATE).unwrap());
        for other in others {
            let near = |a: f64, b: f64| (a - b).abs() < SAME_LOSS * b.abs().max(1.0);
            assert!(near(other.loss, first.loss), "{other:?} {first:?}");
            assert!(near(other.gradient_norm, first.gradient_norm));
            assert_eq!(other.correct, first.correct);
        }
        first
    }
}

#[test]
fn images_change_alike_by_plan_and_through_the_graph() {
    let mut profile = presets::find("lenet5").unwrap().profile().unwrap();
    profile.data.name = mini::NAME.into();
    profile.train.device = "cpu".into();
    profile.augment = Augment {
        flip: 0.5,
        shift: 3,
        rotate: 15.0,
        erase: 0.5,
    };
    let still = SplitDataset::new(Arc::new(mini::load().unwrap()), &profile.data).unwrap();
    let data = still.clone().augmented(&profile.augment, 1);
    let input = Shape::Map {
        channels: data.channels,
        height: data.height,
        width: data.width,
    };
    let architecture = resolve(&profile.model, input, 10).unwrap();
    let losses = |path, data: &SplitDataset| -> Vec<f64> {
        let mut learner = learner(&profile, &architecture, path);
        let mut batch = Batch::default();
        let mut step = |(step, indices): (usize, &[u32])| {
            let update = Update {
                learning_rate: 1e-3,
                step: step as u64,
            };
            learner
                .step_on(data, indices, &mut batch, update)
                .unwrap()
                .loss
        };
        let order = data.order(1, 1);
        order
            .chunks(50)
            .take(8)
            .enumerate()
            .map(&mut step)
            .collect()
    };
    let (plan, graph) = (losses(Backend::Plan, &data), losses(Backend::Graph, &data));
    for (a, b) in plan.iter().zip(&graph) {
        assert!((a / b - 1.0).abs() < SAME_LOSS, "{plan:?} {graph:?}");
    }
    let off = |(a, b): (&f64, &f64)| (a / b - 1.0).abs();
    let unchanged = losses(Backend::Plan, &still);
    assert!(plan.iter().zip(&unchanged).map(off).fold(0.0, f64::max) > 1e-3);
}
