//! Convolution and its two gradients, all on the one matrix product of `gemm`.
//!
//! With stride 1, every tap of the kernel sees the padded image as a shifted but contiguous row, so nothing is copied
//! per tap; with other strides, or where padding would waste too many lanes, the taps' views are written out (im2col).
//! The gradient to the input is a convolution with the kernel turned around. The gradient to the weights is a product
//! over positions with the channels last, so that neighbouring lanes are neighbouring weights.

pub(crate) use crate::kernels::shape::ConvShape;

use super::gemm::{Lhs, Offsets, Packed, Product, Start};
use super::isa::{Isa, isa};
use super::layout::{
    Rows, SLACK, copy_rows, crop, gather_tap, pad, pad_channels_last, padded_len, padded_plane,
    padded_width, scatter_tap, tap_start,
};
use super::pieces::{BLOCK_DEPTH, portion};
use super::tile::tile_lanes;
use super::{reduce, scratch};
use rayon::prelude::*;

/// Multiply-adds a task should have at least.
const TASK_WORK: usize = 1 << 19;

/// Multiply-adds that cost as much as copying one number to its column.
const COPY_COST: usize = 20;

/// Lanes a product of columns should have at least; smaller images are taken together.
const COLUMN_LANES: usize = 256;

/// Numbers that partial weight gradients may take together.
const PARTIAL_SUMS: usize = 1 << 18;

/// Tasks a weight gradient is cut into, whatever the number of threads.
const WEIGHT_TASKS: usize = 16;

/// y = x ∗ w + bias.
///
/// **Shape**: see [`ConvShape`]; bias `[out_channels]`. **Reference**: PyTorch's `conv2d`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub(crate) fn forward(
    shape: &ConvShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    check(shape, x, w, y);
    assert!(bias.is_none_or(|b| b.len() == shape.out_channels));
    let (isa, taps) = (isa(), shape.taps());
    let packed = Packed::new(isa, taps, shape.out_channels, |p, i| w[i * taps + p]);
    convolve(isa, shape, x, &packed, bias, y);
}

/// The gradient to the input, overwriting `dx`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub(crate) fn backward_input(shape: &ConvShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check(shape, dx, w, dy);
    let isa = isa();
    if dy.is_empty() {
        dx.fill(0.0);
    } else if shape.stride == 1 && shape.padding < shape.kernel {
        let turned = ConvShape {
            in_channels: shape.out_channels,
            height: shape.out_height(),
            width: shape.out_width(),
            out_channels: shape.in_channels,
            padding: shape.kernel - 1 - shape.padding,
            ..*shape
        };
        let window = shape.kernel * shape.kernel;
        let packed = Packed::new(isa, turned.taps(), shape.in_channels, |p, i| {
            let (out, tap) = (p / window, p % window);
            w[out * shape.taps() + i * window + window - 1 - tap]
        });
        convolve(isa, &turned, dy, &packed, None, dx);
    } else {
        scatter(isa, shape, dy, w, dx);
    }
}

/// The gradients to weights and bias, overwriting `dw` and `db`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub(crate) fn backward_weights(
    shape: &ConvShape,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    db: Option<&mut [f32]>,
) {
    check(shape, x, dw, dy);
    assert!(db.as_ref().is_none_or(|db| db.len() == shape.out_channels));
    let isa = isa();
    if dy.is_empty() {
        dw.fill(0.0);
    } else {
        weight_gradient(isa, shape, x, dy, dw);
    }
    if let Some(db) = db {
        reduce::channel_sums(isa, shape.out_channels, shape.out_area(), dy, db);
    }
}

fn check(shape: &ConvShape, x: &[f32], w: &[f32], y: &[f32]) {
    assert!(shape.stride > 0 && shape.kernel > 0);
    assert_eq!(x.len(), shape.input_len());
    assert_eq!(w.len(), shape.weights_len());
    assert_eq!(y.len(), shape.output_len());
}

/// Images a task takes at once.
fn images_per_task(shape: &ConvShape) -> usize {
    let work = shape.multiply_adds() / shape.batch.max(1);
    (TASK_WORK / work.max(1)).clamp(1, shape.batch.max(1))
}

/// y = x ∗ packed weights + bias, by the cheaper of the two ways.
fn convolve(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    weights: &Packed,
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    if y.is_empty() {
        return;
    }
    let area = shape.out_area();
    let span = (shape.out_height() - 1) * padded_width(shape) + shape.out_width();
    let wasted = span.next_multiple_of(tile_lanes(isa)) - area;
    let shifted =
        shape.stride == 1 && (shape.kernel == 1 || wasted * shape.out_channels <= COPY_COST * area);
    let start = bias.map_or(Start::Zero, Start::Rows);
    let images = if shifted {
        images_per_task(shape)
    } else {
        images_per_task(shape).max(COLUMN_LANES.div_ceil(area))
    };
    let offsets = Offsets::new((0..shape.taps()).map(|t| tap_start(shape, t)).collect());
    y.par_chunks_mut(images * shape.out_image())
        .zip(x.par_chunks(images * shape.image()))
        .for_each(|(y, x)| {
            if shifted {
                let each = y.chunks_mut(shape.out_image());
                for (y, x) in each.zip(x.chunks(shape.image())) {
                    convolve_shifted(isa, shape, x, (weights, &offsets), start, span, y);
                }
            } else {
                convolve_columns(isa, shape, x, weights, start, y);
            }
        });
}

/// One image: the product over shifted rows computes a few positions between the rows too, which are left behind.
fn convolve_shifted(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    (weights, offsets): (&Packed, &Offsets),
    start: Start<'_>,
    span: usize,
    y: &mut [f32],
) {
    let product = |image: &[f32], wide: &mut [f32]| {
        Product {
            rows: shape.out_channels,
            lanes: span,
            left: Lhs::Packed(weights, 0),
            right: image,
            offsets,
            start,
        }
        .run(isa, wide, span);
    };
    let crop = |wide: &[f32], y: &mut [f32]| {
        let (rows, columns) = (shape.out_height(), shape.out_width());
        for o in 0..shape.out_channels {
            let source = Rows {
                first: o * span,
                pitch: padded_width(shape),
            };
            let target = Rows {
                first: o * rows * columns,
                pitch: columns,
            };
            copy_rows(rows, columns, wide, source, y, target);
        }
    };
    let wide_len = shape.out_channels * span;
    match (shape.padding, span == shape.out_area()) {
        (0, true) => product(x, y),
        (0, false) => scratch::with(wide_len, |wide| {
            product(x, wide);
            crop(wide, y);
        }),
        _ => scratch::with(padded_len(shape), |padded| {
            pad(shape, x, padded);
            scratch::with(wide_len, |wide| {
                product(padded, wide);
                crop(wide, y);
            });
        }),
    }
}

/// Some images: writes out what every tap sees, a block of taps at a time.
fn convolve_columns(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    weights: &Packed,
    start: Start<'_>,
    y: &mut [f32],
) {
    let (area, out) = (shape.out_area(), shape.out_channels);
    let images = y.len() / shape.out_image();
    let lanes = images * area;
    let (taps, plane) = (shape.taps(), padded_len(shape));
    let blocks = taps.div_ceil(BLOCK_DEPTH);
    let most = taps.div_ceil(blocks);
    let offsets = |taps: usize| Offsets::regular(taps, lanes);
    let columns_into = |wide: &mut [f32]| {
        scratch::with(images * plane, |padded| {
            for (x, padded) in x.chunks(shape.image()).zip(padded.chunks_mut(plane)) {
                pad(shape, x, padded);
            }
            scratch::with(most * lanes + SLACK, |columns| {
                for block in 0..blocks {
                    let block = portion(taps, blocks, block);
                    for (row, tap) in block.clone().enumerate() {
                        for (image, padded) in padded.chunks(plane).enumerate() {
                            let first = row * lanes + image * area;
                            gather_tap(shape, padded, tap, &mut columns[first..]);
                        }
                    }
                    Product {
                        rows: out,
                        lanes,
                        left: Lhs::Packed(weights, block.start),
                        right: columns,
                        offsets: &offsets(block.len()),
                        start: if block.start == 0 {
                            start
                        } else {
                            Start::Accumulate
                        },
                    }
                    .run(isa, wide, lanes);
                }
            });
        });
    };
    if images == 1 {
        columns_into(y);
        return;
    }
    scratch::with(out * lanes, |wide| {
        columns_into(wide);
        for (image, y) in y.chunks_mut(shape.out_image()).enumerate() {
            for (o, y) in y.chunks_mut(area).enumerate() {
                y.copy_from_slice(&wide[o * lanes + image * area..][..area]);
            }
        }
    });
}

/// The input's gradient where no convolution gives it: what every tap hands back, added up (col2im).
fn scatter(isa: Isa, shape: &ConvShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let (area, taps) = (shape.out_area(), shape.taps());
    let offsets = Offsets::regular(shape.out_channels, area);
    dx.par_chunks_mut(shape.image())
        .zip(dy.par_chunks(shape.out_image()))
        .for_each(|(dx, dy)| {
            scratch::with(taps * area, |columns| {
                Product {
                    rows: taps,
                    lanes: area,
                    left: Lhs::Strided {
                        data: w,
                        step: taps,
                        row: 1,
                    },
                    right: dy,
                    offsets: &offsets,
                    start: Start::Zero,
                }
                .run(isa, columns, area);
                scratch::with(padded_len(shape), |padded| {
                    padded.fill(0.0);
                    for (tap, column) in columns.chunks(area).enumerate() {
                        scatter_tap(shape, column, tap, padded);
                    }
                    crop(shape, padded, dx);
                });
            });
        });
}

/// Groups of images × chunks of output channels, one task each; the groups' sums are added in order.
fn weight_gradient(isa: Isa, shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let (taps, out) = (shape.taps(), shape.out_channels);
    let groups = (PARTIAL_SUMS / dw.len().max(1))
        .clamp(1, WEIGHT_TASKS)
        .min(shape.batch.div_ceil(4));
    let chunks = WEIGHT_TASKS.div_ceil(groups).min(out.div_ceil(16));
    let offsets = positions(shape);
    let mut partial = vec![0.0; groups * dw.len()];
    let mut tasks = Vec::with_capacity(groups * chunks);
    let mut rest = partial.as_mut_slice();
    for task in 0..groups * chunks {
        let rows = portion(out, chunks, task % chunks);
        let (sums, tail) = rest.split_at_mut(rows.len() * taps);
        tasks.push((portion(shape.batch, groups, task / chunks), rows, sums));
        rest = tail;
    }
    tasks.into_par_iter().for_each(|(images, rows, sums)| {
        for image in images {
            let x = &x[image * shape.image()..][..shape.image()];
            let dy = &dy[image * shape.out_image()..][..shape.out_image()];
            let dy = &dy[rows.start * shape.out_area()..rows.end * shape.out_area()];
            add_image(isa, shape, x, dy, &offsets, sums);
        }
    });
    let window = shape.kernel * shape.kernel;
    dw.par_chunks_mut(taps).enumerate().for_each(|(o, dw)| {
        for (c, dw) in dw.chunks_mut(window).enumerate() {
            for (tap, slot) in dw.iter_mut().enumerate() {
                let at = |g| (g * out + o) * taps + tap * shape.in_channels + c;
                *slot = (0..groups).fold(0.0, |sum, g| sum + partial[at(g)]);
            }
        }
    });
}

/// Where, with the channels last, the first tap sees each output position.
fn positions(shape: &ConvShape) -> Offsets {
    let (width, step) = (shape.out_width(), shape.stride * shape.in_channels);
    Offsets::new(
        (0..shape.out_area())
            .map(|q| (q / width * padded_width(shape) + q % width) * step)
            .collect(),
    )
}

/// Adds one image's share to some output channels' gradients, `[rows][kernel][kernel][in_channels]`.
fn add_image(
    isa: Isa,
    shape: &ConvShape,
    x: &[f32],
    dy: &[f32],
    offsets: &Offsets,
    sums: &mut [f32],
) {
    let (area, taps) = (shape.out_area(), shape.taps());
    let lanes = shape.kernel * shape.in_channels;
    scratch::with(padded_plane(shape) * shape.in_channels, |image| {
        pad_channels_last(shape, x, image);
        for u in 0..shape.kernel {
            Product {
                rows: dy.len() / area,
                lanes,
                left: Lhs::Strided {
                    data: dy,
                    step: 1,
                    row: area,
                },
                right: &image[u * padded_width(shape) * shape.in_channels..],
                offsets,
                start: Start::Accumulate,
            }
            .run(isa, &mut sums[u * lanes..], taps);
        }
    });
}

#[cfg(test)]
mod tests;
