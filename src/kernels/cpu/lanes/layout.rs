//! Images in rows to lanes and back, and maps turned over.

use super::{LANES, rows, rows_mut};
use crate::kernels::cpu::isa::{Isa, per_isa};
use crate::kernels::cpu::simd::{SQUARE, turn_square};

/// Images in rows into one block.
///
/// **Shape** images `[images, channels, pixels]`, block `[pixels, channels, 32]`; lanes without an image become 0.
pub(crate) fn into_lanes(
    isa: Isa,
    channels: usize,
    pixels: usize,
    images: &[f32],
    block: &mut [f32],
) {
    let features = channels * pixels;
    let count = images.len() / features;
    assert!(count <= LANES && block.len() == features * LANES);
    if count < LANES {
        block.fill(0.0);
    }
    if channels == 1 {
        return turn_over(isa, pixels, count, images, pixels, block, LANES);
    }
    for (lane, image) in images.chunks_exact(features).enumerate() {
        for (channel, plane) in image.chunks_exact(pixels).enumerate() {
            for (pixel, value) in plane.iter().enumerate() {
                block[(pixel * channels + channel) * LANES + lane] = *value;
            }
        }
    }
}

/// Each pixel's channels and lanes change places: `[pixels, channels, 32]` to `[pixels, 32, channels]`.
pub(crate) fn turn(isa: Isa, channels: usize, block: &[f32], turned: &mut [f32]) {
    assert_eq!(block.len(), turned.len());
    let size = channels * LANES;
    for (from, to) in block.chunks_exact(size).zip(turned.chunks_exact_mut(size)) {
        turn_over(isa, LANES, channels, from, LANES, to, channels);
    }
}

/// A map's pixels and channels change places: `[pixels, channels, 32]` to `[channels, pixels, 32]`.
pub(crate) fn reorder(channels: usize, pixels: usize, block: &[f32], turned: &mut [f32]) {
    let (from, to) = (rows(block), rows_mut(turned));
    assert!(from.len() == channels * pixels && to.len() == from.len());
    for (pixel, from) in from.chunks_exact(channels).enumerate() {
        for (channel, row) in from.iter().enumerate() {
            to[channel * pixels + pixel] = *row;
        }
    }
}

/// One number an image and class, taken out of a block: `[classes, 32]` to `[images, classes]`.
pub(crate) fn into_rows(classes: usize, block: &[f32], rows: &mut [f32]) {
    for (lane, row) in rows.chunks_exact_mut(classes).enumerate() {
        for (slot, lanes) in row.iter_mut().zip(block.chunks_exact(LANES)) {
            *slot = lanes[lane];
        }
    }
}

per_isa! {
    /// to\[c\]\[r\] = from\[r\]\[c\] for `rows` rows of `columns` numbers.
    fn turn_over<FMA>(columns: usize, rows: usize, from: &[f32], from_row: usize, to: &mut [f32], to_row: usize) {
        if rows == 0 || columns == 0 {
            return;
        }
        assert!((rows - 1) * from_row + columns <= from.len());
        assert!((columns - 1) * to_row + rows <= to.len());
        let (whole_rows, whole_columns) = (rows / SQUARE * SQUARE, columns / SQUARE * SQUARE);
        for column in (0..whole_columns).step_by(SQUARE) {
            for row in (0..whole_rows).step_by(SQUARE) {
                // SAFETY: the square lies inside both, as checked; an instruction set with fused multiply-adds has AVX.
                unsafe {
                    let from = from.as_ptr().add(row * from_row + column);
                    let to = to.as_mut_ptr().add(column * to_row + row);
                    turn_square::<FMA>(from, from_row, to, to_row);
                }
            }
        }
        for row in 0..rows {
            let first = if row < whole_rows { whole_columns } else { 0 };
            for column in first..columns {
                to[column * to_row + row] = from[row * from_row + column];
            }
        }
    }
}
