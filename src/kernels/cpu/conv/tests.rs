//! Convolution against the reference, PyTorch and itself on other numbers of threads.

use super::*;
use crate::kernels::cpu::testing::{assert_close, assert_thread_invariant, for_each_isa, numbers};
use crate::kernels::reference;

/// batch, in, height, width, out, kernel, stride, padding.
fn shape(s: [usize; 8]) -> ConvShape {
    let [
        batch,
        in_channels,
        height,
        width,
        out_channels,
        kernel,
        stride,
        padding,
    ] = s;
    ConvShape {
        batch,
        in_channels,
        height,
        width,
        out_channels,
        kernel,
        stride,
        padding,
    }
}

const SHAPES: [[usize; 8]; 18] = [
    [1, 1, 1, 1, 1, 1, 1, 0],
    [3, 1, 11, 9, 8, 3, 1, 1],
    [2, 8, 16, 16, 25, 5, 1, 0],
    [5, 25, 12, 12, 30, 4, 1, 0],
    [2, 3, 7, 5, 4, 3, 1, 2],
    [2, 3, 7, 5, 4, 2, 1, 3],
    [6, 16, 14, 14, 17, 3, 1, 1],
    [7, 18, 4, 4, 33, 3, 1, 1],
    [3, 20, 7, 7, 40, 3, 2, 1],
    [2, 4, 8, 8, 6, 3, 2, 0],
    [2, 5, 9, 6, 3, 1, 2, 0],
    [4, 6, 6, 6, 20, 1, 1, 0],
    [2, 2, 13, 10, 5, 4, 3, 2],
    [3, 2, 5, 5, 3, 5, 1, 0],
    [1, 70, 6, 6, 19, 3, 1, 1],
    [2, 2, 3, 3, 2, 5, 1, 1],
    [9, 3, 2, 2, 3, 2, 2, 0],
    [2, 1, 20, 1, 3, 1, 1, 1],
];

fn all_three(shape: &ConvShape) -> [Vec<f32>; 4] {
    let (x, w) = (
        numbers(shape.input_len(), 1),
        numbers(shape.weights_len(), 2),
    );
    let (b, dy) = (
        numbers(shape.out_channels, 3),
        numbers(shape.output_len(), 4),
    );
    let mut y = vec![9.0; shape.output_len()];
    let mut dx = vec![9.0; shape.input_len()];
    let mut dw = vec![9.0; shape.weights_len()];
    let mut db = vec![9.0; shape.out_channels];
    forward(shape, &x, &w, Some(&b), &mut y);
    backward_input(shape, &dy, &w, &mut dx);
    backward_weights(shape, &x, &dy, &mut dw, Some(&mut db));
    [y, dx, dw, db]
}

#[test]
fn all_agree_with_the_reference() {
    for numbers_of_shape in SHAPES {
        let s = shape(numbers_of_shape);
        let (x, w) = (numbers(s.input_len(), 1), numbers(s.weights_len(), 2));
        let (b, dy) = (numbers(s.out_channels, 3), numbers(s.output_len(), 4));
        let mut y = vec![0.0; s.output_len()];
        let mut dx = vec![0.0; s.input_len()];
        let mut dw = vec![0.0; s.weights_len()];
        let mut db = vec![0.0; s.out_channels];
        reference::conv::forward(&s, &x, &w, Some(&b), &mut y);
        reference::conv::backward_input(&s, &dy, &w, &mut dx);
        reference::conv::backward_weights(&s, &x, &dy, &mut dw, Some(&mut db));
        for_each_isa(|isa| {
            let what = |part| format!("{part} of {s:?} with {isa:?}");
            let [fast_y, fast_dx, fast_dw, fast_db] = all_three(&s);
            assert_close(&fast_y, &y, 2e-6, &what("y"));
            assert_close(&fast_dx, &dx, 2e-6, &what("dx"));
            assert_close(&fast_dw, &dw, 3e-6, &what("dw"));
            assert_close(&fast_db, &db, 2e-6, &what("db"));
            let mut plain = vec![9.0; y.len()];
            forward(&s, &x, &w, None, &mut plain);
            let mut expected = vec![0.0; y.len()];
            reference::conv::forward(&s, &x, &w, None, &mut expected);
            assert_close(&plain, &expected, 2e-6, &what("y without bias"));
        });
    }
}

#[test]
fn threads_do_not_matter() {
    for s in [
        [19, 3, 14, 14, 20, 3, 1, 1],
        [9, 20, 7, 7, 40, 3, 2, 1],
        [13, 25, 12, 12, 30, 4, 1, 0],
    ] {
        assert_thread_invariant(|| all_three(&shape(s)).concat());
    }
}

#[test]
fn a_kernel_that_never_fits_has_no_output_and_zero_gradients() {
    let s = shape([2, 1, 2, 2, 1, 5, 1, 0]);
    let mut dw = [1.0; 25];
    let mut dx = [1.0; 8];
    forward(&s, &[1.0; 8], &[1.0; 25], None, &mut []);
    backward_input(&s, &[], &[1.0; 25], &mut dx);
    backward_weights(&s, &[1.0; 8], &[], &mut dw, None);
    assert!(dx.iter().chain(&dw).all(|v| *v == 0.0));
}
