#![expect(clippy::cast_precision_loss, reason = "counts are small")]

use candle_core::Tensor;

use super::*;
use crate::nn::state::Array;

fn parameters() -> Parameters {
    let mut p = Parameters::new();
    for (name, count) in [("a.weight", 12usize), ("b.bias", 5)] {
        let values = (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
        let shape = if count == 12 { vec![3, 4] } else { vec![5] };
        p.add_trainable(name, Array { shape, values }, &Device::Cpu)
            .unwrap();
    }
    p
}

/// Gradients 2·p·scale + 0.3, by the graph.
fn gradients(p: &Parameters, scale: f64) -> Gradients {
    let sums: Vec<Tensor> = p
        .trainable()
        .map(|(_, v)| {
            let square =
                ((v.sqr().unwrap() * scale).unwrap() + (v.as_tensor() * 0.3).unwrap()).unwrap();
            square.sum_all().unwrap()
        })
        .collect();
    let loss = Tensor::stack(&sums, 0).unwrap().sum_all().unwrap();
    Gradients::collect(p, loss.backward().unwrap()).unwrap()
}

fn every_kind() -> Vec<Settings> {
    let mut all = Vec::new();
    for kind in [
        OptimizerKind::Sgd,
        OptimizerKind::Rmsprop,
        OptimizerKind::Adam,
        OptimizerKind::Adamw,
    ] {
        for (momentum, nesterov, weight_decay) in
            [(0.0, false, 0.0), (0.9, false, 0.1), (0.8, true, 0.0)]
        {
            all.push(Settings {
                kind,
                weight_decay,
                momentum,
                nesterov,
                ..Settings::default()
            });
        }
    }
    all
}

/// The way of other devices, with its state in variables, against the fused one.
#[test]
fn composed_updates_are_the_same() {
    for settings in every_kind() {
        let (fused, composed) = (parameters(), parameters());
        let mut optimizer = Optimizer::new(&settings, &fused).unwrap();
        let mut other = Optimizer::new(&settings, &composed).unwrap();
        for slots in other.slots.values_mut() {
            for slot in [&mut slots.first, &mut slots.second].into_iter().flatten() {
                let zeros = Var::zeros(slots.shape.as_slice(), DType::F32, &Device::Cpu);
                *slot = Slot::Device(zeros.unwrap());
            }
        }
        let step = StepSettings {
            learning_rate: 0.05,
            gradient_scale: 0.7,
        };
        for scale in [1.0, -0.5, 2.0, 0.1, 1.0] {
            optimizer.step(&gradients(&fused, scale), step).unwrap();
            other.steps += 1;
            for (name, var, gradient) in gradients(&composed, scale).iter() {
                let step = VarUpdate {
                    settings: &settings,
                    varying: step,
                    number: other.steps,
                };
                composed::update(step, var, gradient, other.slots.get_mut(name).unwrap()).unwrap();
            }
        }
        assert_near(&fused.export().unwrap(), &composed.export().unwrap());
        assert_near(&optimizer.export().unwrap(), &other.export().unwrap());
    }
}

fn assert_near(one: &StateDict, other: &StateDict) {
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>()
    );
    for (name, array) in one {
        for (a, b) in array.values.iter().zip(&other[name].values) {
            assert!(
                (a - b).abs() <= 2e-6 * (1.0 + a.abs()),
                "{name}: {a} against {b}"
            );
        }
    }
}

#[test]
fn state_is_named_and_checked_before_anything_is_set() {
    let p = parameters();
    let settings = Settings::default();
    let mut optimizer = Optimizer::new(&settings, &p).unwrap();
    let step = StepSettings {
        learning_rate: 0.1,
        gradient_scale: 1.0,
    };
    optimizer.step(&gradients(&p, 1.0), step).unwrap();
    let state = optimizer.export().unwrap();
    assert_eq!(
        state.keys().collect::<Vec<_>>(),
        [
            "optimizer.m.a.weight",
            "optimizer.m.b.bias",
            "optimizer.step",
            "optimizer.v.a.weight",
            "optimizer.v.b.bias"
        ]
    );
    assert!(state.keys().all(|name| optimizer.contains(name)));
    assert!(!optimizer.contains("optimizer.m.c"));
    let mut broken = state.clone();
    for array in broken.values_mut() {
        array.values.fill(3.0);
    }
    broken.remove("optimizer.v.b.bias");
    let error = optimizer.import(&broken).unwrap_err().to_string();
    assert!(error.starts_with("optimizer.v.b.bias"), "{error}");
    assert_eq!(optimizer.export().unwrap(), state);
}

#[test]
fn step_counts_survive_as_f32() {
    for steps in [0, 1, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, (1 << 48) - 1] {
        assert_eq!(step_count(&step_array(steps)), steps);
    }
}
