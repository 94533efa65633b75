use std::sync::Arc;

use super::*;
use crate::data::{Store, mini};
use crate::layers::{
    Activation, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Flatten, Layer, Linear,
    MaxPool2d, Residual,
};
use crate::model::resolve;
use crate::profile::{Backend, Init, OptimizerKind};
use crate::rng::{Purpose, Stream};
use crate::train::learners::{self, graph::GraphLearner};

fn noise(seed: u64, count: usize, channels: usize, side: usize) -> Batch {
    let mut images = vec![0.0; count * channels * side * side];
    Stream::new(seed, Purpose::Split, 1).fill_normal(&mut images, 0.0, 1.0);
    let stream = Stream::new(seed, Purpose::Split, 2);
    Batch {
        images,
        labels: (0..count as u64).map(|i| stream.word(i) % 10).collect(),
        channels,
        height: side,
        width: side,
        ..Batch::default()
    }
}

fn architecture(profile: &Profile, channels: usize, side: usize) -> Architecture {
    let input = Shape::Map {
        channels,
        height: side,
        width: side,
    };
    resolve(&profile.model, input, 10).unwrap()
}

fn profile(architecture: &str) -> Profile {
    let mut profile = Profile::new(architecture);
    profile.train.device = "cpu".into();
    profile.train.threads = 2;
    profile
}

/// Every kind of layer there is, in every neighbourhood that matters.
fn everything() -> Profile {
    let relu = Activation::Relu;
    let conv = |out_channels, kernel_size, stride, bias, activation| {
        Layer::Conv2d(Conv2d {
            out_channels,
            kernel_size,
            stride,
            padding: 1,
            bias,
            activation,
        })
    };
    let mut profile = profile("custom");
    profile.model.layers = vec![
        conv(12, 3, 1, false, Activation::None),
        Layer::BatchNorm2d(BatchNorm2d { activation: relu }),
        Layer::MaxPool2d(MaxPool2d {
            kernel_size: 3,
            stride: Some(2),
            padding: 1,
        }),
        Layer::Residual(Residual {
            layers: vec![
                conv(28, 3, 2, false, Activation::None),
                Layer::BatchNorm2d(BatchNorm2d { activation: relu }),
                conv(28, 3, 1, true, Activation::Gelu),
            ],
            shortcut: vec![conv(28, 3, 2, true, Activation::None)],
            activation: Activation::LeakyRelu,
        }),
        Layer::Residual(Residual {
            layers: vec![conv(28, 3, 1, true, Activation::Tanh)],
            shortcut: vec![],
            activation: Activation::Silu,
        }),
        Layer::Residual(Residual {
            layers: vec![
                conv(28, 3, 1, false, Activation::None),
                Layer::BatchNorm2d(BatchNorm2d {
                    activation: Activation::None,
                }),
            ],
            shortcut: vec![],
            activation: relu,
        }),
        Layer::AvgPool2d(AvgPool2d {
            kernel_size: 2,
            stride: Some(1),
            padding: 1,
        }),
        Layer::Dropout(Dropout { p: 0.2 }),
        Layer::Flatten(Flatten {}),
        Layer::Linear(Linear {
            out_features: 41,
            bias: true,
            activation: Activation::None,
        }),
        Layer::BatchNorm1d(BatchNorm1d {
            activation: Activation::Sigmoid,
        }),
        Layer::Dropout(Dropout { p: 0.3 }),
        Layer::Linear(Linear {
            out_features: 10,
            bias: true,
            activation: Activation::None,
        }),
    ];
    profile
}

/// Largest distance of two states' numbers, relative to the array's largest number; of arrays that are nothing but
/// rounding (a bias before a batch norm has no gradient), relative to a thousandth of the largest of all.
fn distance(a: &StateDict, b: &StateDict) -> (f64, String) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let largest_of = |array: &Array| {
        let values = array.values.iter();
        values.fold(0.0f64, |m, v| m.max(f64::from(v.abs())))
    };
    let all = b
        .iter()
        .filter(|(name, _)| *name != STEP)
        .map(|(_, array)| largest_of(array))
        .fold(0.0, f64::max);
    let mut worst = (0.0, String::new());
    for (name, x) in a {
        let y = &b[name];
        assert_eq!(x.shape, y.shape, "{name}");
        let largest = largest_of(y).max(1e-3 * all);
        for (x, y) in x.values.iter().zip(&y.values) {
            let off = (f64::from(*x) - f64::from(*y)).abs() / largest;
            if off > worst.0 || off.is_nan() {
                worst = (off, name.clone());
            }
        }
    }
    worst
}

fn both(profile: &Profile, channels: usize, side: usize) -> (PlanLearner, GraphLearner) {
    let architecture = architecture(profile, channels, side);
    (
        PlanLearner::new(profile, &architecture, 10).unwrap(),
        GraphLearner::new(profile, &architecture, 10).unwrap(),
    )
}

/// Plain SGD's first step shows the gradients of every parameter.
///
/// Where a number lies within rounding of a ReLU's or a maximum's border, the two paths may take different branches,
/// and gradients differ by that image's share. That happens to one batch and not to the next, while a wrong gradient is
/// wrong for all: the nearest of several batches counts.
#[test]
fn gradients_are_the_graphs() {
    let cases = [
        ("everything", 1, 13, 70),
        ("everything", 3, 9, 33),
        ("mlp", 1, 8, 64),
        ("lenet5", 1, 32, 40),
        ("lenet5-1998", 1, 28, 32),
        ("modern-lenet", 1, 32, 64),
        ("improved-cnn", 1, 28, 17),
        ("resnet18", 3, 28, 34),
    ];
    for (name, channels, side, count) in cases {
        let mut profile = if name == "everything" {
            everything()
        } else {
            profile(name)
        };
        if name == "mlp" {
            profile.model.hidden = vec![30, 20];
        }
        profile.train.batch_size = count;
        profile.train.optimizer.kind = OptimizerKind::Sgd;
        profile.train.optimizer.learning_rate = 1.0;
        let found: Vec<_> = (1..=5)
            .map(|seed| apart(&profile, &noise(seed, count, channels, side)))
            .collect();
        let nearest = found
            .iter()
            .map(|(off, _)| *off)
            .fold(f64::INFINITY, f64::min);
        // What is left is rounding: of biases before a batch norm, whose true gradient is zero.
        assert!(nearest < 1e-3, "{name}: {found:?}");
    }
}

/// How far the gradients of both paths are apart, and in which parameter.
fn apart(profile: &Profile, batch: &Batch) -> (f64, String) {
    let (mut plan, mut graph) = both(profile, batch.channels, batch.height);
    let before = graph.weights().unwrap();
    assert_eq!(plan.weights().unwrap(), before, "fresh weights");
    let (a, b) = (plan.logits(batch).unwrap(), graph.logits(batch).unwrap());
    let worst = a
        .iter()
        .zip(&b)
        .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst < 2e-5, "logits differ by {worst}");
    let update = Update {
        learning_rate: 1.0,
        step: 0,
    };
    let (p, g) = (
        plan.step(batch, update).unwrap(),
        graph.step(batch, update).unwrap(),
    );
    assert!((p.loss - g.loss).abs() < 1e-5, "{} {}", p.loss, g.loss);
    assert_eq!(p.correct, g.correct);
    let gradients = |after: &StateDict| -> StateDict {
        after
            .iter()
            .map(|(name, array)| {
                let values = array.values.iter().zip(&before[name].values);
                let values = values.map(|(a, b)| a - b).collect();
                let shape = array.shape.clone();
                (name.clone(), Array { shape, values })
            })
            .collect()
    };
    let (a, b) = (plan.weights().unwrap(), graph.weights().unwrap());
    distance(&gradients(&a), &gradients(&b))
}

/// The same bits whatever the number of threads, and after a state was taken out and put back.
#[test]
fn threads_and_resumes_change_no_bit() {
    let mut profile = everything();
    profile.train.batch_size = 100;
    profile.train.ema = 0.9;
    profile.train.clip = 0.5;
    let state = |threads: usize, resume: bool| {
        let mut profile = profile.clone();
        profile.train.threads = threads;
        let architecture = architecture(&profile, 1, 13);
        let mut learner = PlanLearner::new(&profile, &architecture, 10).unwrap();
        for step in 0..4 {
            if resume && step == 2 {
                let state = learner.state().unwrap();
                learner = PlanLearner::new(&profile, &architecture, 10).unwrap();
                learner.set_state(&state).unwrap();
            }
            let batch = noise(step, if step == 1 { 37 } else { 100 }, 1, 13);
            let update = Update {
                learning_rate: 1e-2,
                step,
            };
            learner.step(&batch, update).unwrap();
        }
        (
            learner.state().unwrap(),
            learner.logits(&noise(9, 75, 1, 13)).unwrap(),
        )
    };
    let one = state(1, false);
    for threads in [2, 3, 8] {
        assert!(state(threads, false) == one, "{threads} threads");
    }
    assert!(state(2, true) == one, "resumed");
}

/// Every optimizer, loss, average and clip behaves on both paths the same.
#[test]
fn settings_behave_as_in_the_graph() {
    for (kind, momentum, loss) in [
        (OptimizerKind::Sgd, 0.9, Loss::Mse),
        (OptimizerKind::Rmsprop, 0.0, Loss::CrossEntropy),
        (OptimizerKind::Rmsprop, 0.5, Loss::CrossEntropy),
        (OptimizerKind::Adam, 0.0, Loss::CrossEntropy),
        (OptimizerKind::Adamw, 0.0, Loss::Mse),
    ] {
        let mut profile = profile("mlp");
        profile.model.hidden = vec![19];
        profile.model.init = Init::He;
        profile.train.batch_size = 50;
        profile.train.loss = loss;
        profile.train.label_smoothing = if loss == Loss::Mse { 0.0 } else { 0.1 };
        profile.train.ema = 0.8;
        profile.train.clip = 0.3;
        profile.train.optimizer.kind = kind;
        profile.train.optimizer.momentum = momentum;
        profile.train.optimizer.weight_decay = 0.01;
        let (mut plan, mut graph) = both(&profile, 1, 6);
        // Before any step, the averages are the fresh weights.
        assert!(plan.state().unwrap() == graph.state().unwrap(), "{kind:?}");
        assert!(
            plan.weights().unwrap() == graph.weights().unwrap(),
            "{kind:?}"
        );
        for step in 0..20 {
            let batch = noise(step, 50, 1, 6);
            let update = Update {
                learning_rate: 1e-2,
                step,
            };
            let (p, g) = (
                plan.step(&batch, update).unwrap(),
                graph.step(&batch, update).unwrap(),
            );
            assert!((p.loss - g.loss).abs() < 1e-5, "{kind:?} at {step}");
        }
        let (off, name) = distance(&plan.weights().unwrap(), &graph.weights().unwrap());
        assert!(off < 1e-4, "{kind:?}: {name} is off by {off}");
        let (off, name) = distance(&plan.state().unwrap(), &graph.state().unwrap());
        assert!(off < 1e-3, "{kind:?}: {name} is off by {off}");
        graph.set_state(&plan.state().unwrap()).unwrap();
    }
}

#[test]
fn what_is_not_finite_is_refused_before_anything_is_written() {
    let mut profile = profile("mlp");
    profile.model.hidden = vec![8];
    profile.train.batch_size = 32;
    let (mut plan, _) = both(&profile, 1, 6);
    let before = plan.state().unwrap();
    let mut batch = noise(1, 32, 1, 6);
    batch.images[5] = f32::NAN;
    let update = Update {
        learning_rate: 1e-2,
        step: 7,
    };
    let error = plan.step(&batch, update).unwrap_err();
    assert!(matches!(error, Error::NotFinite { step: 7, .. }), "{error}");
    assert!(plan.state().unwrap() == before);
}

/// A stage at rate 0 stays, one at half the rate moves on both paths alike, and so does the rest.
#[test]
fn stages_learn_at_their_own_rates() {
    let mut profile = everything();
    profile.train.optimizer.kind = OptimizerKind::Sgd;
    profile.train.lr_multipliers = [("conv1", 0.0), ("backbone", 0.5)]
        .map(|(stage, factor)| (stage.to_string(), factor))
        .into();
    let network = architecture(&profile, 3, 9);
    let batch = noise(4, 12, 3, 9);
    let update = Update {
        learning_rate: 0.1,
        step: 0,
    };
    let mut plan = PlanLearner::new(&profile, &network, 10).unwrap();
    let mut graph = GraphLearner::new(&profile, &network, 10).unwrap();
    let before = plan.weights().unwrap();
    plan.step(&batch, update).unwrap();
    graph.step(&batch, update).unwrap();
    let (by_plan, by_graph) = (plan.weights().unwrap(), graph.weights().unwrap());
    let head = crate::model::freeze::head(&network);
    for (name, gradient) in plan.gradients().unwrap() {
        let factor = match name.as_str() {
            "conv1.weight" | "conv1.bias" => 0.0,
            name if head.iter().any(|own| own == name) => 1.0,
            _ => 0.5,
        };
        for (i, gradient) in gradient.values.iter().enumerate() {
            let moved = before[&name].values[i] - by_plan[&name].values[i];
            let wanted = 0.1 * factor * gradient;
            assert!(
                (moved - wanted).abs() < 1e-6,
                "{name}[{i}]: {moved} for {wanted}"
            );
            let other = by_graph[&name].values[i];
            assert!(
                (by_plan[&name].values[i] - other).abs() < 1e-4,
                "{name}[{i}]"
            );
        }
    }
}

/// A store that cannot be read from its tenth image on.
#[derive(Debug)]
struct Broken;

impl Store for Broken {
    fn size(&self, _: usize) -> (usize, usize) {
        (28, 28)
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        if index >= 10 {
            return Err(Error::input("image 10", "is damaged", "fetch it again"));
        }
        out.fill(7);
        Ok(())
    }

    fn announce(&self, _: usize) {}

    fn bytes(&self) -> u64 {
        0
    }
}

/// By both backends: the error is the store's, and no weight has moved.
#[test]
fn an_image_that_cannot_be_read_ends_the_step_before_anything_is_written() {
    for backend in [Backend::Plan, Backend::Graph] {
        let mut profile = profile("mlp");
        profile.data.validation = 0.1;
        profile.train.backend = backend;
        let mut dataset = mini::load().unwrap();
        dataset.train.images = Arc::new(Broken);
        let data = SplitDataset::new(Arc::new(dataset), &profile.data).unwrap();
        let network = architecture(&profile, 1, 28);
        let mut learner = learners::build(&profile, &network, 10).unwrap();
        let before = learner.state().unwrap();
        let update = Update {
            step: 1,
            learning_rate: 0.1,
        };
        let mut batch = Batch::default();
        let whole: Vec<u32> = (0..10).collect();
        let broken: Vec<u32> = (5..60).collect();
        let told = learner.step_on(&data, &broken, &mut batch, update);
        assert!(
            told.unwrap_err()
                .to_string()
                .contains("image 10 is damaged")
        );
        assert!(learner.logits_on(&data, &broken, &mut batch).is_err());
        assert_eq!(learner.state().unwrap(), before);
        learner.step_on(&data, &whole, &mut batch, update).unwrap();
        assert_ne!(learner.state().unwrap(), before);
    }
}
