//! Fully connected layers: three matrix products.
//!
//! The gradients' operands already lie as the product wants them. The forward pass has to turn one over: the weights,
//! or the input and then the output, whichever costs less.

use super::gemm::{Lhs, Offsets, Product, Start};
use super::isa::{Isa, isa};
use super::layout::transpose;
use super::tile::tile_lanes;
use super::{reduce, scratch};

/// Multiply-adds that cost as much as moving one number of a transposition.
const MOVE_COST: usize = 16;

/// y = x·wᵀ + bias.
///
/// **Shape**: x `[batch, in_f]`, w `[out_f, in_f]`, bias `[out_f]`, y `[batch, out_f]`. **Reference**: PyTorch's
/// `linear`.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn forward(
    batch: usize,
    in_f: usize,
    out_f: usize,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    check(batch, in_f, out_f, x, w, y);
    assert!(bias.is_none_or(|b| b.len() == out_f));
    let isa = isa();
    if turn_weights(isa, batch, in_f, out_f) {
        scratch::with(w.len(), |turned| {
            transpose(out_f, in_f, w, turned);
            Product {
                rows: batch,
                lanes: out_f,
                left: Lhs::Strided {
                    data: x,
                    step: 1,
                    row: in_f,
                },
                right: turned,
                offsets: &Offsets::regular(in_f, out_f),
                start: bias.map_or(Start::Zero, Start::Lanes),
            }
            .run_parallel(isa, y, out_f);
        });
        return;
    }
    scratch::with(x.len(), |turned| {
        transpose(batch, in_f, x, turned);
        scratch::with(y.len(), |result| {
            Product {
                rows: out_f,
                lanes: batch,
                left: Lhs::Strided {
                    data: w,
                    step: 1,
                    row: in_f,
                },
                right: turned,
                offsets: &Offsets::regular(in_f, batch),
                start: bias.map_or(Start::Zero, Start::Rows),
            }
            .run_parallel(isa, result, batch);
            transpose(out_f, batch, result, y);
        });
    });
}

/// dx = dy·w.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn backward_input(
    batch: usize,
    in_f: usize,
    out_f: usize,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    check(batch, in_f, out_f, dx, w, dy);
    Product {
        rows: batch,
        lanes: in_f,
        left: Lhs::Strided {
            data: dy,
            step: 1,
            row: out_f,
        },
        right: w,
        offsets: &Offsets::regular(out_f, in_f),
        start: Start::Zero,
    }
    .run_parallel(isa(), dx, in_f);
}

/// dw = dyᵀ·x and db = Σ dy over the batch.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub(crate) fn backward_weights(
    batch: usize,
    in_f: usize,
    out_f: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    db: Option<&mut [f32]>,
) {
    check(batch, in_f, out_f, x, dw, dy);
    assert!(db.as_ref().is_none_or(|db| db.len() == out_f));
    Product {
        rows: out_f,
        lanes: in_f,
        left: Lhs::Strided {
            data: dy,
            step: out_f,
            row: 1,
        },
        right: x,
        offsets: &Offsets::regular(batch, in_f),
        start: Start::Zero,
    }
    .run_parallel(isa(), dw, in_f);
    if let Some(db) = db {
        reduce::column_sums(dy, db);
    }
}

/// Whether lanes over the outputs cost less than lanes over the batch.
fn turn_weights(isa: Isa, batch: usize, in_f: usize, out_f: usize) -> bool {
    let full = |lanes: usize| lanes.next_multiple_of(tile_lanes(isa));
    let by_outputs = in_f * (batch * full(out_f) + MOVE_COST * out_f);
    let by_batch = in_f * (out_f * full(batch) + MOVE_COST * batch) + MOVE_COST * batch * out_f;
    by_outputs <= by_batch
}

fn check(batch: usize, in_f: usize, out_f: usize, x: &[f32], w: &[f32], y: &[f32]) {
    assert_eq!(x.len(), batch * in_f);
    assert_eq!(w.len(), out_f * in_f);
    assert_eq!(y.len(), batch * out_f);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, assert_thread_invariant, for_each_isa, numbers};
    use super::*;
    use crate::kernels::reference;

    fn all_three(batch: usize, in_f: usize, out_f: usize) -> [Vec<f32>; 4] {
        let (x, w) = (numbers(batch * in_f, 1), numbers(out_f * in_f, 2));
        let (b, dy) = (numbers(out_f, 3), numbers(batch * out_f, 4));
        let (mut y, mut dx) = (vec![9.0; dy.len()], vec![9.0; x.len()]);
        let (mut dw, mut db) = (vec![9.0; w.len()], vec![9.0; out_f]);
        forward(batch, in_f, out_f, &x, &w, Some(&b), &mut y);
        backward_input(batch, in_f, out_f, &dy, &w, &mut dx);
        backward_weights(batch, in_f, out_f, &x, &dy, &mut dw, Some(&mut db));
        [y, dx, dw, db]
    }

    #[test]
    fn all_agree_with_the_reference() {
        for (batch, in_f, out_f) in [
            (1, 1, 1),
            (1, 37, 10),
            (5, 784, 19),
            (64, 100, 50),
            (33, 65, 130),
            (70, 17, 3),
            (3, 400, 33),
        ] {
            let (x, w) = (numbers(batch * in_f, 1), numbers(out_f * in_f, 2));
            let (b, dy) = (numbers(out_f, 3), numbers(batch * out_f, 4));
            let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
            let (mut dw, mut db) = (vec![0.0; w.len()], vec![0.0; out_f]);
            reference::linear::forward(batch, in_f, out_f, &x, &w, Some(&b), &mut y);
            reference::linear::backward_input(batch, in_f, out_f, &dy, &w, &mut dx);
            reference::linear::backward_weights(
                batch,
                in_f,
                out_f,
                &x,
                &dy,
                &mut dw,
                Some(&mut db),
            );
            for_each_isa(|isa| {
                let what = |part| format!("{part} of {batch}×{in_f}→{out_f} with {isa:?}");
                let [fast_y, fast_dx, fast_dw, fast_db] = all_three(batch, in_f, out_f);
                assert_close(&fast_y, &y, 3e-6, &what("y"));
                assert_close(&fast_dx, &dx, 2e-6, &what("dx"));
                assert_close(&fast_dw, &dw, 2e-6, &what("dw"));
                assert_close(&fast_db, &db, 2e-6, &what("db"));
            });
        }
    }

    #[test]
    fn threads_do_not_matter() {
        assert_thread_invariant(|| all_three(67, 301, 150).concat());
    }

    /// An image's outputs are the same bits in any batch.
    #[test]
    fn the_batch_does_not_matter() {
        for_each_isa(|_| {
            let (in_f, out_f) = (500, 40);
            let (x, w) = (numbers(65 * in_f, 1), numbers(out_f * in_f, 2));
            let bias = numbers(out_f, 3);
            let (mut one, mut all) = (vec![0.0; out_f], vec![0.0; 65 * out_f]);
            forward(65, in_f, out_f, &x, &w, Some(&bias), &mut all);
            forward(1, in_f, out_f, &x[..in_f], &w, Some(&bias), &mut one);
            assert_eq!(one, all[..out_f]);
        });
    }
}
