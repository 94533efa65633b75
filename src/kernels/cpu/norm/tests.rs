//! Batch normalisation against the reference, PyTorch and itself on other numbers of threads.

use super::*;
use crate::kernels::cpu::testing::{assert_close, assert_thread_invariant, for_each_isa, numbers};
use crate::kernels::reference;

const SHAPES: [(usize, usize, usize); 8] = [
    (1, 1, 1),
    (1, 3, 5),
    (64, 10, 1),
    (7, 33, 1),
    (4, 3, 49),
    (3, 5, 100),
    (2, 4, 784),
    (9, 2, 16),
];

struct Case {
    x: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    dy: Vec<f32>,
}

fn case(batch: usize, channels: usize, area: usize) -> Case {
    let count = batch * channels * area;
    Case {
        // Away from zero, where a variance from squares would lose its digits.
        x: numbers(count, 1).iter().map(|v| v * 0.5 + 30.0).collect(),
        gamma: numbers(channels, 2),
        beta: numbers(channels, 3),
        dy: numbers(count, 4),
    }
}

/// y, mean, inv_std, var_unbiased, dx, dgamma, dbeta, evaluation's y.
fn all(case: &Case, (b, c, a): (usize, usize, usize), relu: bool, fast: bool) -> Vec<Vec<f32>> {
    let Case { x, gamma, beta, dy } = case;
    let (mut y, mut dx, mut ey) = (dy.clone(), dy.clone(), dy.clone());
    let mut s: [Vec<f32>; 5] = std::array::from_fn(|_| vec![9.0; c]);
    let [mean, inv, var, dgamma, dbeta] = &mut s;
    match (fast, relu) {
        (true, false) => {
            train_forward(b, c, a, x, gamma, beta, 1e-5, &mut y, mean, inv, var);
            backward(b, c, a, x, gamma, mean, inv, dy, &mut dx, dgamma, dbeta);
            eval_forward(b, c, a, x, gamma, beta, mean, var, 1e-5, &mut ey);
        }
        (true, true) => {
            train_forward_relu(b, c, a, x, gamma, beta, 1e-5, &mut y, mean, inv, var);
            backward_relu(
                b, c, a, x, gamma, beta, mean, inv, dy, &mut dx, dgamma, dbeta,
            );
            eval_forward_relu(b, c, a, x, gamma, beta, mean, var, 1e-5, &mut ey);
        }
        (false, _) => {
            use reference::norm;
            norm::train_forward(b, c, a, x, gamma, beta, 1e-5, relu, &mut y, mean, inv, var);
            norm::backward(
                b, c, a, x, gamma, beta, mean, inv, relu, dy, &mut dx, dgamma, dbeta,
            );
            norm::eval_forward(b, c, a, x, gamma, beta, mean, var, 1e-5, relu, &mut ey);
        }
    }
    let [mean, inv, var, dgamma, dbeta] = s;
    vec![y, mean, inv, var, dx, dgamma, dbeta, ey]
}

#[test]
fn all_agree_with_the_reference() {
    for shape in SHAPES {
        let case = case(shape.0, shape.1, shape.2);
        for relu in [false, true] {
            let exact = all(&case, shape, relu, false);
            for_each_isa(|isa| {
                let fast = all(&case, shape, relu, true);
                for (i, (fast, exact)) in fast.iter().zip(&exact).enumerate() {
                    let what = format!("result {i} of {shape:?}, relu {relu}, {isa:?}");
                    assert_close(fast, exact, 2e-5, &what);
                }
            });
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let shape = (5, 37, 99);
    let case = case(shape.0, shape.1, shape.2);
    assert_thread_invariant(|| all(&case, shape, true, true).concat());
}

/// ```python
/// import torch
/// x = torch.tensor([[[1., 2.], [0., -1.]], [[4., 3.], [2., 2.5]]], dtype=torch.float64, requires_grad=True)
/// n = torch.nn.BatchNorm1d(2).double()
/// n.weight.data = torch.tensor([2., 0.5]).double(); n.bias.data = torch.tensor([0.1, -0.2]).double()
/// y = n(x); y.backward(torch.tensor([[[1., 0.], [2., -1.]], [[0.5, 0.], [1., 1.]]]).double())
/// print(y.flatten().tolist(), x.grad.flatten().tolist(), n.weight.grad.tolist(), n.bias.grad.tolist())
/// print(((n.running_var - 0.9) / 0.1).tolist())
/// ```
#[test]
fn forward_and_backward_are_pytorchs() {
    let case = Case {
        x: vec![1.0, 2.0, 0.0, -1.0, 4.0, 3.0, 2.0, 2.5],
        gamma: vec![2.0, 0.5],
        beta: vec![0.1, -0.2],
        dy: vec![1.0, 0.0, 2.0, -1.0, 0.5, 0.0, 1.0, 1.0],
    };
    let results = all(&case, (2, 2, 2), false, true);
    assert_close(
        &results[0],
        &[
            -2.5832708, -0.7944236, -0.5057957, -0.8552764, 2.7832708, 0.9944236, 0.1931659,
            0.3679062,
        ],
        1e-6,
        "y",
    );
    assert_close(&results[3], &[1.6666667, 2.7291667], 1e-6, "var_unbiased");
    assert_close(
        &results[4],
        &[
            0.7155421, -0.8049802, 0.5442291, -0.3814954, 0.6260933, -0.5366552, -0.0506874,
            -0.1120463,
        ],
        1e-5,
        "dx",
    );
    assert_close(&results[5], &[-0.6708177, 2.0095144], 1e-6, "dgamma");
    assert_close(&results[6], &[1.5, 3.0000000], 1e-6, "dbeta");
}
