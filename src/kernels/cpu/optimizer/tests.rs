//! Optimizers against the reference, PyTorch and itself on other numbers of threads.

use super::*;
use crate::kernels::cpu::testing::{assert_close, assert_thread_invariant, for_each_isa, numbers};
use crate::kernels::reference;

const COUNT: usize = 40_003;

fn adam_settings(step: u64) -> Adam {
    Adam {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.02,
        step,
        gradient_scale: 0.7,
    }
}

const SGD: Sgd = Sgd {
    learning_rate: 0.1,
    momentum: 0.9,
    nesterov: false,
    weight_decay: 5e-4,
    gradient_scale: 0.5,
};

const RMSPROP: RmsProp = RmsProp {
    learning_rate: 0.01,
    alpha: 0.99,
    epsilon: 1e-8,
    momentum: 0.0,
    weight_decay: 1e-3,
    gradient_scale: 1.0,
};

/// Three steps of every optimizer on the same gradients; `fast` tells which version.
fn three_steps(fast: bool) -> Vec<Vec<f32>> {
    let (start, zeros) = (numbers(COUNT, 1), vec![0.0; COUNT]);
    let mut all = Vec::new();
    for kind in 0..7 {
        let (mut p, mut m, mut v) = (start.clone(), zeros.clone(), zeros.clone());
        for step in 1..=3 {
            let g = numbers(COUNT, 10 + step);
            let (adam_s, nesterov) = (
                adam_settings(step),
                Sgd {
                    nesterov: true,
                    ..SGD
                },
            );
            let moving = RmsProp {
                momentum: 0.9,
                ..RMSPROP
            };
            match (kind, fast) {
                (0, true) => adam(&adam_s, &mut p, &g, &mut m, &mut v),
                (0, false) => {
                    reference::optimizer::adam(&adam_s, false, &mut p, &g, &mut m, &mut v);
                }
                (1, true) => adamw(&adam_s, &mut p, &g, &mut m, &mut v),
                (1, false) => reference::optimizer::adam(&adam_s, true, &mut p, &g, &mut m, &mut v),
                (2, true) => sgd(&SGD, &mut p, &g, None),
                (2, false) => reference::optimizer::sgd(&SGD, &mut p, &g, None),
                (3, true) => sgd(&SGD, &mut p, &g, Some(&mut m)),
                (3, false) => reference::optimizer::sgd(&SGD, &mut p, &g, Some(&mut m)),
                (4, true) => sgd(&nesterov, &mut p, &g, Some(&mut m)),
                (4, false) => reference::optimizer::sgd(&nesterov, &mut p, &g, Some(&mut m)),
                (5, true) => rmsprop(&RMSPROP, &mut p, &g, &mut v, None),
                (5, false) => reference::optimizer::rmsprop(&RMSPROP, &mut p, &g, &mut v, None),
                (_, true) => rmsprop(&moving, &mut p, &g, &mut v, Some(&mut m)),
                (_, false) => {
                    reference::optimizer::rmsprop(&moving, &mut p, &g, &mut v, Some(&mut m));
                }
            }
        }
        all.extend([p, m, v]);
    }
    all
}

#[test]
fn every_optimizer_agrees_with_the_reference() {
    let exact = three_steps(false);
    for_each_isa(|isa| {
        for (i, (fast, exact)) in three_steps(true).iter().zip(&exact).enumerate() {
            assert_close(fast, exact, 3e-6, &format!("state {i} with {isa:?}"));
        }
    });
}

#[test]
fn norm_and_average_agree_with_the_reference() {
    let (x, mut average) = (numbers(COUNT, 1), numbers(COUNT, 2));
    let mut exact = average.clone();
    let norm = reference::optimizer::squared_norm(&x);
    assert!((squared_norm(&x) - norm).abs() < 1e-6 * norm);
    ema(0.99, &mut average, &x);
    reference::optimizer::ema(0.99, &mut exact, &x);
    assert_close(&average, &exact, 1e-6, "average");
}

#[test]
fn threads_do_not_matter() {
    assert_thread_invariant(|| {
        let mut all = three_steps(true).concat();
        all.push(squared_norm(&all) as f32);
        all
    });
}

/// ```python
/// import torch
/// def run(make):
///     p = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
///     o = make([p])
///     for s in range(3):
///         p.grad = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64) * (s + 1)
///         o.step()
///     print(p.tolist())
/// run(lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1))
/// run(lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1))
/// run(lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1))
/// run(lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1, nesterov=True))
/// run(lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9, weight_decay=0.1))
/// ```
#[test]
fn three_steps_are_pytorchs() {
    let expected = [
        [0.9702142, -1.9702168, 0.4706109],
        [0.9678008, -1.9648038, 0.4692993],
        [0.9848906, -1.9697812, 0.4686848],
        [0.9774234, -1.9548468, 0.452_358],
        [0.4994312, -1.4977625, -0.0165095],
    ];
    for (kind, expected) in expected.iter().enumerate() {
        let (mut p, mut m, mut v) = ([1.0, -2.0, 0.5], [0.0; 3], [0.0; 3]);
        for step in 1..=3u8 {
            let g = [0.1, -0.2, 0.3].map(|g| g * f32::from(step));
            let adam_s = Adam {
                learning_rate: 0.01,
                weight_decay: 0.1,
                gradient_scale: 1.0,
                ..adam_settings(u64::from(step))
            };
            let sgd_s = Sgd {
                learning_rate: 0.01,
                weight_decay: 0.1,
                gradient_scale: 1.0,
                nesterov: kind == 3,
                ..SGD
            };
            let rms_s = RmsProp {
                weight_decay: 0.1,
                momentum: 0.9,
                ..RMSPROP
            };
            match kind {
                0 => adam(&adam_s, &mut p, &g, &mut m, &mut v),
                1 => adamw(&adam_s, &mut p, &g, &mut m, &mut v),
                2 | 3 => sgd(&sgd_s, &mut p, &g, Some(&mut m)),
                _ => rmsprop(&rms_s, &mut p, &g, &mut v, Some(&mut m)),
            }
        }
        assert_close(&p, expected, 1e-6, &format!("optimizer {kind}"));
    }
}
