use super::*;
use crate::layers::{
    Activation, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Flatten, Layer, Linear,
    MaxPool2d, Residual,
};
use crate::model::resolve;
use crate::profile::OptimizerKind;
use crate::rng::{Purpose, Stream};

/// Images of normal noise with labels at random: nothing to generalise, everything to remember.
fn noise(seed: u64, count: usize, side: usize) -> Batch {
    let mut images = vec![0.0; count * side * side];
    Stream::new(seed, Purpose::Split, 1).fill_normal(&mut images, 0.0, 1.0);
    let stream = Stream::new(seed, Purpose::Split, 2);
    Batch {
        images,
        labels: (0..count as u64).map(|i| stream.word(i) % 10).collect(),
        channels: 1,
        height: side,
        width: side,
        ..Batch::default()
    }
}

fn learner(profile: &Profile, side: usize) -> GraphLearner {
    let input = Shape::Map {
        channels: 1,
        height: side,
        width: side,
    };
    let architecture = resolve(&profile.model, input, 10).unwrap();
    GraphLearner::new(profile, &architecture, 10).unwrap()
}

fn profile(architecture: &str) -> Profile {
    let mut profile = Profile::new(architecture);
    profile.train.device = "cpu".into();
    profile.train.threads = 2;
    profile
}

/// Every kind of layer there is, for 8 × 8 images or larger.
fn everything() -> Profile {
    let relu = Activation::Relu;
    let conv = |out_channels, stride, bias, activation| {
        Layer::Conv2d(Conv2d {
            out_channels,
            kernel_size: 3,
            stride,
            padding: 1,
            bias,
            activation,
        })
    };
    let mut profile = profile("custom");
    profile.model.layers = vec![
        conv(12, 1, false, Activation::None),
        Layer::BatchNorm2d(BatchNorm2d { activation: relu }),
        Layer::MaxPool2d(MaxPool2d {
            kernel_size: 2,
            stride: None,
            padding: 0,
        }),
        Layer::Residual(Residual {
            layers: vec![
                conv(20, 2, false, Activation::None),
                Layer::BatchNorm2d(BatchNorm2d { activation: relu }),
                conv(20, 1, true, Activation::Gelu),
            ],
            shortcut: vec![conv(20, 2, true, Activation::None)],
            activation: Activation::LeakyRelu,
        }),
        Layer::AvgPool2d(AvgPool2d {
            kernel_size: 2,
            stride: Some(1),
            padding: 1,
        }),
        Layer::Flatten(Flatten {}),
        Layer::Linear(Linear {
            out_features: 40,
            bias: true,
            activation: Activation::None,
        }),
        Layer::BatchNorm1d(BatchNorm1d {
            activation: Activation::Tanh,
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

fn at(step: u64) -> Update {
    Update {
        learning_rate: 1e-3,
        step,
    }
}

fn bits(state: &StateDict) -> Vec<(String, Vec<u32>)> {
    let words = |a: &crate::nn::Array| a.values.iter().map(|v| v.to_bits()).collect();
    state.iter().map(|(n, a)| (n.clone(), words(a))).collect()
}

#[test]
fn a_fresh_network_knows_nothing() {
    for (name, side) in [("mlp", 28), ("lenet5", 32), ("lenet5-1998", 28)] {
        let mut profile = profile(name);
        if name == "mlp" {
            profile.model.hidden = vec![100, 100, 50];
        }
        let mut learner = learner(&profile, side);
        let outcome = learner.step(&noise(1, 64, side), at(0)).unwrap();
        assert!(
            (outcome.loss - 10f64.ln()).abs() < 0.1,
            "{name}: {outcome:?}"
        );
        assert!(outcome.gradient_norm > 0.0 && outcome.correct <= 64);
        assert!(outcome.seconds.iter().all(|s| *s > 0.0));
    }
}

#[test]
fn sixty_four_images_are_learned_by_heart() {
    let mut mlp = profile("mlp");
    mlp.model.hidden = vec![64];
    mlp.train.optimizer.learning_rate = 3e-3;
    for profile in [mlp, everything()] {
        let mut learner = learner(&profile, 8);
        let batch = noise(2, 64, 8);
        let mut right = 0;
        for step in 0..300 {
            let update = Update {
                learning_rate: 3e-3,
                step,
            };
            learner.step(&batch, update).unwrap();
            if step % 20 == 19 {
                right = correct(&learner.logits(&batch).unwrap(), &batch.labels);
            }
            if right == 64 {
                break;
            }
        }
        assert_eq!(right, 64, "{}", profile.name);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let run = |threads| {
        let mut profile = everything();
        profile.train.threads = threads;
        profile.train.ema = 0.9;
        profile.train.clip = 0.5;
        let mut learner = learner(&profile, 20);
        let losses: Vec<u64> = (0..3)
            .map(|step| {
                let outcome = learner.step(&noise(step, 37, 20), at(step)).unwrap();
                outcome.loss.to_bits() ^ outcome.gradient_norm.to_bits().rotate_left(1)
            })
            .collect();
        assert_eq!(learner.threads(), threads);
        let logits = learner.logits(&noise(9, 5, 20)).unwrap();
        let logits: Vec<u32> = logits.iter().map(|v| v.to_bits()).collect();
        (losses, logits, bits(&learner.state().unwrap()))
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(
            one == run(threads),
            "{threads} threads give other bits than 1"
        );
    }
}

#[test]
fn a_resumed_learner_goes_on_bit_by_bit() {
    for (kind, ema) in [(OptimizerKind::Sgd, 0.0), (OptimizerKind::Adamw, 0.8)] {
        let mut profile = everything();
        profile.train.ema = ema;
        profile.train.optimizer.kind = kind;
        profile.train.optimizer.momentum = 0.9;
        profile.train.optimizer.weight_decay = 0.01;
        let mut whole = learner(&profile, 8);
        let mut resumed = None;
        for step in 0..5 {
            if step == 2 {
                // Another seed's weights, all replaced by the state.
                let mut other = profile.clone();
                other.train.seed = 7;
                let mut second = learner(&other, 8);
                second.settings.seed = profile.train.seed;
                second.set_state(&whole.state().unwrap()).unwrap();
                resumed = Some(second);
            }
            let batch = noise(step, 16, 8);
            let outcome = whole.step(&batch, at(step)).unwrap();
            if let Some(resumed) = &mut resumed {
                let again = resumed.step(&batch, at(step)).unwrap();
                assert_eq!(outcome.loss.to_bits(), again.loss.to_bits());
            }
        }
        let resumed = resumed.unwrap();
        assert_eq!(
            bits(&whole.state().unwrap()),
            bits(&resumed.state().unwrap())
        );
        assert_eq!(
            bits(&whole.weights().unwrap()),
            bits(&resumed.weights().unwrap())
        );
    }
}

#[test]
fn a_state_that_does_not_fit_changes_nothing() {
    let mut profile = everything();
    profile.train.ema = 0.9;
    let mut learner = learner(&profile, 8);
    learner.step(&noise(1, 8, 8), at(0)).unwrap();
    let before = learner.state().unwrap();
    for name in [
        "ema.fc2.weight",
        "optimizer.v.fc1.bias",
        "bn1.running_var",
        "optimizer.step",
    ] {
        let mut broken = before.clone();
        for array in broken.values_mut() {
            array.values.fill(0.25);
        }
        broken.remove(name).unwrap();
        let error = learner.set_state(&broken).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
        broken.insert(name.into(), before[name].clone());
        broken.insert("stranger".into(), before[name].clone());
        assert!(
            learner
                .set_state(&broken)
                .unwrap_err()
                .to_string()
                .starts_with("stranger")
        );
        assert_eq!(bits(&learner.state().unwrap()), bits(&before));
    }
}

#[test]
fn what_is_not_finite_is_not_written() {
    let mut learner = learner(&everything(), 8);
    learner.step(&noise(1, 8, 8), at(0)).unwrap();
    let before = bits(&learner.state().unwrap());
    for poison in [f32::NAN, f32::INFINITY] {
        let mut batch = noise(2, 8, 8);
        batch.images[100] = poison;
        let error = learner.step(&batch, at(1)).unwrap_err();
        assert!(matches!(error, Error::NotFinite { step: 1, .. }), "{error}");
        assert_eq!(bits(&learner.state().unwrap()), before);
    }
    // Weights thrown far away: the step that finds out leaves them as they are.
    let far = Update {
        learning_rate: 1e30,
        step: 1,
    };
    learner.step(&noise(2, 8, 8), far).unwrap();
    let thrown = bits(&learner.state().unwrap());
    let error = learner.step(&noise(3, 8, 8), at(2)).unwrap_err();
    assert!(matches!(error, Error::NotFinite { step: 2, .. }), "{error}");
    assert_eq!(bits(&learner.state().unwrap()), thrown);
}

#[test]
fn averaged_weights_are_what_is_used_and_saved() {
    let mut profile = profile("mlp");
    profile.model.hidden = vec![6];
    // The warm-up of the decay ends at step 1: (1 + 1) / (10 + 1) > 0.15.
    profile.train.ema = 0.15;
    let mut learner = learner(&profile, 4);
    let mut expected: Option<Vec<f32>> = None;
    for step in 0..4 {
        learner.step(&noise(step, 8, 4), at(step)).unwrap();
        let current = learner.state().unwrap()["fc1.weight"].values.clone();
        expected = Some(match expected {
            None => current,
            Some(average) => average
                .iter()
                .zip(&current)
                .map(|(a, c)| 0.15 * a + 0.85 * c)
                .collect(),
        });
    }
    let weights = learner.weights().unwrap();
    for (a, b) in weights["fc1.weight"].values.iter().zip(expected.unwrap()) {
        assert!((a - b).abs() < 1e-6, "{a} against {b}");
    }
    // The logits are those of a plain learner with the averaged weights.
    let mut plain_profile = profile.clone();
    plain_profile.train.ema = 0.0;
    let mut plain = self::learner(&plain_profile, 4);
    plain.set_weights(&weights).unwrap();
    let batch = noise(9, 8, 4);
    assert_eq!(
        learner.logits(&batch).unwrap(),
        plain.logits(&batch).unwrap()
    );
}

#[test]
fn a_batch_of_one_is_an_error_only_where_batch_norm_trains_on_it() {
    let mut learner = learner(&everything(), 8);
    let error = learner
        .step(&noise(1, 1, 8), at(0))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("layer bn2") && error.contains("batch_size"),
        "{error}"
    );
    assert_eq!(learner.logits(&noise(1, 1, 8)).unwrap().len(), 10);
}

#[test]
fn an_architecture_for_other_classes_is_refused() {
    let profile = profile("lenet5");
    let input = Shape::Map {
        channels: 1,
        height: 32,
        width: 32,
    };
    let architecture = resolve(&profile.model, input, 10).unwrap();
    let error = GraphLearner::new(&profile, &architecture, 7).err().unwrap();
    assert!(error.to_string().contains("one per class"), "{error}");
}

/// The tape leads to the same gradients as Candle's own backward pass, to the last bit (zeros may differ in sign).
#[test]
fn the_tape_and_candle_agree() {
    let learner = learner(&everything(), 8);
    let batch = noise(1, 6, 8);
    let gradients = |tape: Tape| {
        let mode = Mode {
            training: true,
            step: 3,
            seed: 1,
        };
        let images = learner.images(&batch).unwrap();
        let mut pending = PendingStatistics::new();
        let network = &learner.network;
        let logits = network
            .forward_pending(&images, mode, &tape, &mut pending)
            .unwrap();
        let kind = learner.settings.loss;
        let loss = loss::mean(&tape, kind, 0.1, &logits, &batch.labels).unwrap();
        let store = tape.backward(loss.tensor).unwrap();
        let all = Gradients::collect(network.parameters(), store).unwrap();
        all.iter()
            .map(|(name, _, g)| (name.to_string(), parameters::array(g).unwrap()))
            .collect::<StateDict>()
    };
    let (tape, candle) = (gradients(Tape::on()), gradients(Tape::off()));
    assert_eq!(tape.len(), learner.network.parameters().trainable().count());
    assert!(tape == candle);
}
