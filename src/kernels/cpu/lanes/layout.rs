//! Pictures in rows to lanes and back, and maps turned over.

use super::LANES;
use crate::kernels::cpu::isa::{Isa, per_isa};

/// Side of the squares that are moved at once.
const SIDE: usize = 16;

/// Pictures in rows into one block.
///
/// **Shape** images `[pictures, channels, pixels]`, block `[pixels, channels, 32]`; lanes without a picture become 0.
pub fn into_lanes(isa: Isa, channels: usize, pixels: usize, images: &[f32], block: &mut [f32]) {
    let features = channels * pixels;
    let pictures = images.len() / features;
    assert!(pictures <= LANES && block.len() == features * LANES);
    if pictures < LANES {
        block.fill(0.0);
    }
    if channels == 1 {
        return square_by_square(isa, pixels, pictures, images, pixels, block, LANES);
    }
    for (picture, image) in images.chunks_exact(features).enumerate() {
        for (channel, plane) in image.chunks_exact(pixels).enumerate() {
            for (pixel, value) in plane.iter().enumerate() {
                block[(pixel * channels + channel) * LANES + picture] = *value;
            }
        }
    }
}

/// Each pixel's channels and lanes change places: `[pixels, channels, 32]` to `[pixels, 32, channels]`.
pub fn turn(isa: Isa, channels: usize, block: &[f32], turned: &mut [f32]) {
    assert_eq!(block.len(), turned.len());
    let size = channels * LANES;
    for (from, to) in block.chunks_exact(size).zip(turned.chunks_exact_mut(size)) {
        square_by_square(isa, LANES, channels, from, LANES, to, channels);
    }
}

/// One number a picture and class, taken out of a block: `[classes, 32]` to `[pictures, classes]`.
pub fn into_rows(classes: usize, block: &[f32], rows: &mut [f32]) {
    for (picture, row) in rows.chunks_exact_mut(classes).enumerate() {
        for (slot, lanes) in row.iter_mut().zip(block.chunks_exact(LANES)) {
            *slot = lanes[picture];
        }
    }
}

per_isa! {
    /// to\[c\]\[r\] = from\[r\]\[c\] for `rows` rows of `columns` numbers.
    #[inline]
    fn square_by_square<FMA>(columns: usize, rows: usize, from: &[f32], from_row: usize, to: &mut [f32], to_row: usize) {
        for row in (0..rows).step_by(SIDE) {
            for column in (0..columns).step_by(SIDE) {
                if row + SIDE <= rows && column + SIDE <= columns {
                    let mut square = [[0.0f32; SIDE]; SIDE];
                    for (r, line) in square.iter_mut().enumerate() {
                        line.copy_from_slice(&from[(row + r) * from_row + column..][..SIDE]);
                    }
                    let square = transposed(square);
                    for (c, line) in square.iter().enumerate() {
                        to[(column + c) * to_row + row..][..SIDE].copy_from_slice(line);
                    }
                } else {
                    for r in row..rows.min(row + SIDE) {
                        for c in column..columns.min(column + SIDE) {
                            to[c * to_row + r] = from[r * from_row + c];
                        }
                    }
                }
            }
        }
    }
}

/// A square turned over in four rounds of exchanging halves, which compilers turn into shuffles.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
fn transposed(mut square: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    let mut half = SIDE / 2;
    while half > 0 {
        let before = square;
        for r in 0..SIDE {
            for c in 0..SIDE {
                let (down, right) = (r & half != 0, c & half != 0);
                square[r][c] = match (down, right) {
                    (false, true) => before[r + half][c - half],
                    (true, false) => before[r - half][c + half],
                    _ => before[r][c],
                };
            }
        }
        half /= 2;
    }
    square
}
