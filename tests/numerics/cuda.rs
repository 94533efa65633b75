//! Every network among the presets by plan on a GPU, held to the plan on the CPU: logits, losses, gradients, weights
//! and statistics after steps from the same state; the same bits twice; states that go from one to the other.
//!
//! Compiled with the feature `cuda` only, and says loudly where there is no GPU. Batches leave a block of 32 images
//! unfilled, which no sum may notice.

#![cfg(feature = "cuda")]

use std::sync::Arc;
use std::time::Instant;

use crate::skip::skipped;
use fmtui::data::{Batch, Dataset, SplitDataset, mini};
use fmtui::layers::{Activation, Layer};
use fmtui::model::{Architecture, Node, Shape, presets, resolve};
use fmtui::nn::device;
use fmtui::profile::{Backend, Loss, Precision, Profile};
use fmtui::train::learners::graph::GraphLearner;
use fmtui::train::learners::plan::PlanLearner;
use fmtui::train::{Learner, StateDict, Update};

/// Largest distance of the whole gradient from the CPU's, relative to its length; and where ReLUs or maxima may turn
/// over at a number within rounding, each of which changes a path. `torch_gradients` holds those to PyTorch without
/// such ties.
const GRADIENT: f64 = 5e-6;
const GRADIENT_WITH_TIES: f64 = 2e-2;
/// Largest distance of a loss from the same state, relative to it.
const LOSS: f64 = 1e-5;
/// Largest distance of logits, relative to the largest; the deepest networks' are sums of many that cancel out.
const LOGITS: f64 = 2e-5;
const LOGITS_DEEP: f64 = 5e-4;
/// Largest distance of running statistics, relative to their length.
const STATISTICS: f64 = 1e-5;
const STEPS: u64 = 4;

struct Case {
    name: String,
    profile: Profile,
    architecture: Architecture,
    data: SplitDataset,
}

impl Case {
    fn new(dataset: &Arc<Dataset>, name: &str, mut profile: Profile) -> Self {
        profile.data.name = mini::NAME.into();
        profile.data.validation = 0.1;
        profile.train.backend = Backend::Plan;
        let large = name.starts_with("vgg") || name.starts_with("resnet");
        profile.train.batch_size = if large { 40 } else { 72 };
        let data = SplitDataset::new(Arc::clone(dataset), &profile.data).unwrap();
        let input = Shape::Map {
            channels: data.channels,
            height: data.height,
            width: data.width,
        };
        let architecture = resolve(&profile.model, input, 10).unwrap();
        Self {
            name: name.into(),
            profile,
            architecture,
            data,
        }
    }

    fn learner(&self, device: &str) -> PlanLearner {
        let mut profile = self.profile.clone();
        profile.train.device = device.into();
        PlanLearner::new(&profile, &self.architecture, 10).unwrap()
    }

    /// One that multiplies in TF32.
    fn rounded_learner(&self) -> PlanLearner {
        let mut profile = self.profile.clone();
        profile.train.device = "cuda".into();
        profile.train.precision = Precision::Tf32;
        PlanLearner::new(&profile, &self.architecture, 10).unwrap()
    }

    fn picks(&self, step: u64) -> Vec<u32> {
        let order = self.data.order(self.profile.train.seed, 0);
        let size = self.profile.train.batch_size;
        let start = usize::try_from(step).unwrap() * size;
        order[start..start + size].to_vec()
    }
}

/// Whether there are ReLUs on maps: with so many numbers some come near zero.
fn has_ties(nodes: &[Node]) -> bool {
    let any = |of: fn(&Layer) -> bool| nodes.iter().any(|node| of(&node.layer));
    let has_relu = any(|layer| match layer {
        Layer::Activation(layer) => layer.function == Activation::Relu,
        layer => matches!(layer, Layer::Residual(_)),
    });
    has_relu && any(|layer| matches!(layer, Layer::Conv2d(_)))
}

/// |a − b| and |b|, over the arrays that `counts` says.
fn distance(a: &StateDict, b: &StateDict, counts: impl Fn(&str) -> bool) -> [f64; 2] {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let counted: Vec<_> = a.keys().filter(|name| counts(name)).collect();
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        let numbers = counted.iter().flat_map(|name| {
            let pairs = a[*name].values.iter().zip(&b[*name].values);
            pairs.map(|(a, b)| of(f64::from(*a), f64::from(*b)))
        });
        numbers.sum::<f64>().sqrt()
    };
    [sum(&|a, b| (a - b).powi(2)), sum(&|_, b| b * b)]
}

fn relative(a: &StateDict, b: &StateDict, counts: impl Fn(&str) -> bool) -> f64 {
    let [off, length] = distance(a, b, counts);
    if length > 0.0 { off / length } else { off }
}

/// Gives every image some of the next class, and weights of which some are 0.
fn mix(batch: &mut Batch) {
    let mut rows = vec![0.0; batch.len() * 10];
    let mut weights = Vec::new();
    for ((i, row), label) in (0..).zip(rows.chunks_exact_mut(10)).zip(&batch.labels) {
        row[*label as usize] = 0.7;
        row[(*label as usize + 1) % 10] = 0.3;
        weights.push((i % 4) as f32);
    }
    (batch.targets, batch.weights) = (Some(rows), Some(weights));
}

/// What differs by more than it may.
fn check(case: &Case) -> Vec<String> {
    let started = Instant::now();
    let mut wrong = Vec::new();
    let (mut cpu, mut gpu, mut again) = (
        case.learner("cpu"),
        case.learner("cuda"),
        case.learner("cuda"),
    );
    let mut batch = Batch::default();
    let fresh = relative(&gpu.state().unwrap(), &cpu.state().unwrap(), |_| true);
    if fresh > 0.0 {
        wrong.push(format!("fresh weights {fresh:.1e}"));
    }
    let ties = has_ties(&case.architecture.nodes);
    let most = if ties { GRADIENT_WITH_TIES } else { GRADIENT };
    let mut seen = [0.0f64; 4];
    for step in 0..STEPS {
        let picks = case.picks(step);
        let update = Update {
            learning_rate: case.profile.train.optimizer.learning_rate,
            step,
        };
        let state = cpu.state().unwrap();
        gpu.set_state(&state).unwrap();
        again.set_state(&state).unwrap();
        // Odd steps send their images, even ones take those that the GPU holds; one learns from targets and weights.
        let is_sent = step % 2 == 1;
        if is_sent {
            case.data.batch(&picks, &mut batch).unwrap();
        }
        if step == 1 && case.profile.train.loss == Loss::CrossEntropy {
            mix(&mut batch);
        }
        let mut take = |learner: &mut PlanLearner| {
            if is_sent {
                learner.step(&batch, update)
            } else {
                learner.step_on(&case.data, &picks, &mut batch, update)
            }
        };
        let one = take(&mut cpu).unwrap();
        let other = take(&mut gpu);
        let other = match other {
            Ok(other) => other,
            Err(e) => {
                wrong.push(format!("step {step}: {e}"));
                break;
            }
        };
        let off = (other.loss / one.loss - 1.0).abs();
        seen[0] = seen[0].max(off);
        if off.is_nan() || off > LOSS || one.correct != other.correct {
            wrong.push(format!(
                "step {step}: loss {} for {}, {} right for {}",
                other.loss, one.loss, other.correct, one.correct
            ));
        }
        let norm = (other.gradient_norm / one.gradient_norm - 1.0).abs();
        if norm.is_nan() || norm > most {
            wrong.push(format!(
                "step {step}: norm {} for {}",
                other.gradient_norm, one.gradient_norm
            ));
        }
        let (mine, theirs) = (gpu.gradients().unwrap(), cpu.gradients().unwrap());
        let off = relative(&mine, &theirs, |_| true);
        seen[1] = seen[1].max(off);
        if off.is_nan() || off > most {
            let all = distance(&mine, &theirs, |_| true)[1];
            let far = theirs.keys().filter_map(|name| {
                let [off, length] = distance(&mine, &theirs, |n| n == name);
                let far = off.is_nan() || off > most * all * 0.1;
                far.then(|| format!("{name} {off:.1e} of {length:.1e}"))
            });
            let far = far.take(12).collect::<Vec<_>>().join(", ");
            wrong.push(format!("step {step}: gradient {off:.1e} ({far})"));
        }
        let (mine, theirs) = (gpu.state().unwrap(), cpu.state().unwrap());
        let off = relative(&mine, &theirs, |n| n.contains("running_"));
        seen[2] = seen[2].max(off);
        if off.is_nan() || off > STATISTICS {
            wrong.push(format!("step {step}: statistics {off:.1e}"));
        }
        take(&mut again).unwrap();
        if again.state().unwrap() != mine {
            wrong.push(format!("step {step}: other bits the second time"));
        }
    }
    // An evaluation with the same weights.
    gpu.set_state(&cpu.state().unwrap()).unwrap();
    let picks: Vec<u32> = case.data.train.iter().copied().take(77).collect();
    let theirs = cpu.logits_on(&case.data, &picks, &mut batch).unwrap();
    case.data.batch(&picks, &mut batch).unwrap();
    let deep = case.name.starts_with("vgg");
    let nearest = if deep { LOGITS_DEEP } else { LOGITS };
    for (how, mine) in [
        ("held", gpu.logits_on(&case.data, &picks, &mut batch)),
        ("sent", gpu.logits(&batch)),
    ] {
        let mine = match mine {
            Ok(mine) => mine,
            Err(e) => {
                wrong.push(format!("logits of {how} images: {e}"));
                continue;
            }
        };
        let most = theirs.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let pairs = mine.iter().zip(&theirs);
        let off = f64::from(pairs.fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / most);
        seen[3] = seen[3].max(off);
        if off.is_nan() || off > nearest || mine.iter().any(|x| x.is_nan()) {
            wrong.push(format!("logits of {how} images {off:.1e}"));
        }
    }
    eprintln!(
        "{:24} loss {:.1e}, gradient {:.1e}, statistics {:.1e}, logits {:.1e}; {:.1} s",
        case.name,
        seen[0],
        seen[1],
        seen[2],
        seen[3],
        started.elapsed().as_secs_f64()
    );
    wrong
}

#[derive(serde::Deserialize)]
struct Layers {
    layers: Vec<Layer>,
}

/// A network of everything that the presets don't have.
fn everything() -> Profile {
    let layers = r#"
        [[layers]]
        kind = "conv2d"
        out_channels = 11
        kernel_size = 5
        stride = 2
        padding = 1
        activation = "gelu"
        [[layers]]
        kind = "avg-pool2d"
        kernel_size = 3
        stride = 2
        padding = 1
        [[layers]]
        kind = "conv2d"
        out_channels = 24
        kernel_size = 3
        padding = 1
        activation = "silu"
        [[layers]]
        kind = "max-pool2d"
        kernel_size = 3
        stride = 2
        padding = 1
        [[layers]]
        kind = "conv2d"
        out_channels = 40
        kernel_size = 2
        activation = "leaky-relu"
        [[layers]]
        kind = "batch-norm2d"
        activation = "sigmoid"
        [[layers]]
        kind = "global-avg-pool"
        [[layers]]
        kind = "linear"
        out_features = 33
        activation = "tanh"
        [[layers]]
        kind = "dropout"
        p = 0.3
        [[layers]]
        kind = "linear"
        out_features = 10
    "#;
    let Layers { layers } = toml::from_str(layers).unwrap();
    let mut profile = Profile::new("custom");
    profile.model.layers = layers;
    profile
}

#[test]
fn a_plan_on_the_gpu_computes_what_one_on_the_cpu_does() {
    if let Err(e) = device::select("cuda") {
        skipped(&format!("no GPU to test on: {e}"));
        return;
    }
    let dataset = Arc::new(mini::load().unwrap());
    let mut cases = vec![Case::new(&dataset, "everything", everything())];
    for preset in presets::all() {
        let same = ["-finetune", "-frozen", "-cifar10"];
        let planned = !["perceptron", "mlp-scratch"].contains(&preset.name);
        if planned && !same.iter().any(|end| preset.name.ends_with(end)) {
            cases.push(Case::new(&dataset, preset.name, preset.profile().unwrap()));
        }
    }
    let mut smoothed = presets::find("lenet5").unwrap().profile().unwrap();
    smoothed.train.label_smoothing = 0.1;
    smoothed.train.clip = 0.5;
    smoothed.train.ema = 0.9;
    smoothed.train.optimizer.kind = fmtui::profile::OptimizerKind::Sgd;
    smoothed.train.optimizer.momentum = 0.9;
    smoothed.train.optimizer.nesterov = true;
    smoothed.train.optimizer.weight_decay = 1e-3;
    cases.push(Case::new(&dataset, "lenet5, sgd, smoothed", smoothed));
    let mut squared = presets::find("lenet5").unwrap().profile().unwrap();
    squared.train.loss = Loss::Mse;
    squared.train.optimizer.kind = fmtui::profile::OptimizerKind::Rmsprop;
    squared.train.optimizer.momentum = 0.5;
    cases.push(Case::new(&dataset, "lenet5, rmsprop, squared", squared));
    let mut wrong = Vec::new();
    for case in &cases {
        for problem in check(case) {
            eprintln!("    {problem}");
            wrong.push(format!("{}: {problem}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tf32_differs_by_what_its_bits_promise() {
    if let Err(e) = device::select("cuda") {
        skipped(&format!("no GPU to test on: {e}"));
        return;
    }
    let dataset = Arc::new(mini::load().unwrap());
    let named = |name: &str| {
        let profile = presets::find(name).unwrap().profile().unwrap();
        Case::new(&dataset, name, profile)
    };
    // Without ReLUs on maps little turns over at a rounding; maxima do.
    let mut cases = vec![named("lenet5"), named("lenet5-1998")];
    cases.push(Case::new(&dataset, "everything", everything()));
    for case in cases {
        let (mut exact, mut rounded) = (case.learner("cuda"), case.rounded_learner());
        let mut batch = Batch::default();
        let update = Update {
            learning_rate: case.profile.train.optimizer.learning_rate,
            step: 0,
        };
        let [one, other] = [&mut exact, &mut rounded].map(|learner| {
            learner
                .step_on(&case.data, &case.picks(0), &mut batch, update)
                .unwrap()
        });
        let off = relative(
            &rounded.gradients().unwrap(),
            &exact.gradients().unwrap(),
            |_| true,
        );
        let loss = (other.loss / one.loss - 1.0).abs();
        eprintln!("{:24} tf32: loss {loss:.1e}, gradient {off:.1e}", case.name);
        assert!(
            (1e-5..GRADIENT_WITH_TIES).contains(&off),
            "{}: {off:.1e}",
            case.name
        );
        assert!(loss < 1e-3, "{}: {loss:.1e}", case.name);
    }
}

#[test]
fn the_graph_on_the_gpu_computes_what_the_plan_does() {
    if let Err(e) = device::select("cuda") {
        skipped(&format!("no GPU to test on: {e}"));
        return;
    }
    let dataset = Arc::new(mini::load().unwrap());
    for preset in ["lenet5", "improved-cnn", "resnet18-scratch"] {
        let case = Case::new(
            &dataset,
            preset,
            presets::find(preset).unwrap().profile().unwrap(),
        );
        let mut profile = case.profile.clone();
        profile.train.backend = Backend::Graph;
        profile.train.device = "cuda".into();
        let graph = GraphLearner::new(&profile, &case.architecture, 10);
        let mut graph = graph.unwrap_or_else(|e| panic!("{preset}: {e}"));
        let (mut cpu, mut batch) = (case.learner("cpu"), Batch::default());
        let picks = case.picks(0);
        let update = Update {
            learning_rate: profile.train.optimizer.learning_rate,
            step: 0,
        };
        let one = cpu.step_on(&case.data, &picks, &mut batch, update).unwrap();
        let other = graph.step_on(&case.data, &picks, &mut batch, update);
        let other = other.unwrap_or_else(|e| panic!("{preset}: {e}"));
        let loss = (other.loss / one.loss - 1.0).abs();
        let norm = (other.gradient_norm / one.gradient_norm - 1.0).abs();
        eprintln!("{preset:24} through the graph: loss {loss:.1e}, norm {norm:.1e}");
        assert!(
            loss < LOSS && norm < 1e-4,
            "{preset}: {other:?} for {one:?}"
        );
    }
}
