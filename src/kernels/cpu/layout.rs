//! Copies between the layouts kernels read: padded planes, columns of shifted views, channels last.

use crate::kernels::shape::ConvShape;
use rayon::prelude::*;

/// Numbers a row copy may write past its row's end.
pub(super) const SLACK: usize = 8;

/// Where rows lie: the first one's start, and the distance to the next.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) first: usize,
    pub(super) pitch: usize,
}

/// Copies `rows` rows of `columns` numbers, front to back, eight at a time.
///
/// Up to seven numbers after each row of `to` are overwritten with anything; whoever cares rewrites them afterwards, as
/// copying the next row does.
pub(super) fn copy_rows(
    rows: usize,
    columns: usize,
    from: &[f32],
    source: Rows,
    to: &mut [f32],
    target: Rows,
) {
    for row in 0..rows {
        let from = &from[source.first + row * source.pitch..];
        let to = &mut to[target.first + row * target.pitch..];
        let mut at = 0;
        while at < columns {
            if at + SLACK <= from.len() && at + SLACK <= to.len() {
                to[at..at + SLACK].copy_from_slice(&from[at..at + SLACK]);
            } else {
                let end = columns.min(at + SLACK);
                to[at..end].copy_from_slice(&from[at..end]);
            }
            at += SLACK;
        }
    }
}

/// Numbers of one image of `shape` with its padding, and the room that copying it needs.
pub(super) fn padded_len(shape: &ConvShape) -> usize {
    shape.in_channels * padded_plane(shape) + SLACK
}

/// Columns of a padded plane.
pub(super) fn padded_width(shape: &ConvShape) -> usize {
    shape.width + 2 * shape.padding
}

/// Positions of a padded plane.
pub(super) fn padded_plane(shape: &ConvShape) -> usize {
    (shape.height + 2 * shape.padding) * padded_width(shape)
}

/// Copies one image between borders of zeros.
pub(super) fn pad(shape: &ConvShape, image: &[f32], to: &mut [f32]) {
    let (width, plane, padding) = (padded_width(shape), padded_plane(shape), shape.padding);
    let border = padding * width + padding;
    for c in 0..shape.in_channels {
        let to = &mut to[c * plane..];
        to[..border].fill(0.0);
        for row in 0..shape.height {
            let first = border + row * width;
            let source = Rows {
                first: (c * shape.height + row) * shape.width,
                pitch: 0,
            };
            copy_rows(1, shape.width, image, source, to, Rows { first, pitch: 0 });
            to[first + shape.width..first + width].fill(0.0);
        }
        to[plane - border..plane].fill(0.0);
    }
}

/// Takes the image out of its borders again.
pub(super) fn crop(shape: &ConvShape, padded: &[f32], image: &mut [f32]) {
    let (width, plane, padding) = (padded_width(shape), padded_plane(shape), shape.padding);
    for (c, image) in image.chunks_mut(shape.height * shape.width).enumerate() {
        let source = Rows {
            first: c * plane + padding * width + padding,
            pitch: width,
        };
        let target = Rows {
            first: 0,
            pitch: shape.width,
        };
        copy_rows(shape.height, shape.width, padded, source, image, target);
    }
}

/// Copies one image between borders of zeros, channels last: `[height + 2p][width + 2p][channels]`.
pub(super) fn pad_channels_last(shape: &ConvShape, image: &[f32], to: &mut [f32]) {
    let (width, channels, padding) = (padded_width(shape), shape.in_channels, shape.padding);
    let border = (padding * width + padding) * channels;
    to[..border].fill(0.0);
    for row in 0..shape.height {
        let line = &mut to[border + row * width * channels..][..width * channels];
        for c in 0..channels {
            let from = &image[(c * shape.height + row) * shape.width..][..shape.width];
            for (slot, value) in line[c..].iter_mut().step_by(channels).zip(from) {
                *slot = *value;
            }
        }
        line[shape.width * channels..].fill(0.0);
    }
    let end = padded_plane(shape) * channels;
    to[end - border..end].fill(0.0);
}

/// Where tap number `tap` of the kernel starts in a padded image.
pub(super) fn tap_start(shape: &ConvShape, tap: usize) -> usize {
    let (v, u) = (tap % shape.kernel, tap / shape.kernel % shape.kernel);
    let channel = tap / (shape.kernel * shape.kernel);
    channel * padded_plane(shape) + u * padded_width(shape) + v
}

/// Writes what one tap sees of a padded image into `column`, which needs [`SLACK`] behind it or gets exact copies.
pub(super) fn gather_tap(shape: &ConvShape, padded: &[f32], tap: usize, column: &mut [f32]) {
    let (first, width) = (tap_start(shape, tap), shape.out_width());
    let source = Rows {
        first,
        pitch: shape.stride * padded_width(shape),
    };
    let target = Rows {
        first: 0,
        pitch: width,
    };
    if shape.stride == 1 {
        copy_rows(shape.out_height(), width, padded, source, column, target);
        return;
    }
    for (row, column) in column
        .chunks_mut(width)
        .take(shape.out_height())
        .enumerate()
    {
        let from = &padded[first + row * source.pitch..];
        for (slot, value) in column.iter_mut().zip(from.iter().step_by(shape.stride)) {
            *slot = *value;
        }
    }
}

/// Adds what one tap hands back to a padded image's gradient.
pub(super) fn scatter_tap(shape: &ConvShape, column: &[f32], tap: usize, padded: &mut [f32]) {
    let (first, width) = (tap_start(shape, tap), shape.out_width());
    for (row, column) in column.chunks(width).enumerate() {
        let to = &mut padded[first + row * shape.stride * padded_width(shape)..];
        for (slot, value) in to.iter_mut().step_by(shape.stride).zip(column) {
            *slot += *value;
        }
    }
}

/// Side of the square blocks a transposition moves.
const BLOCK: usize = 16;

/// Numbers below which a transposition isn't worth splitting among threads.
const PARALLEL_NUMBERS: usize = 1 << 16;

/// to\[c\]\[r\] = from\[r\]\[c\].
pub(super) fn transpose(rows: usize, columns: usize, from: &[f32], to: &mut [f32]) {
    assert!(from.len() == rows * columns && to.len() == from.len());
    if from.is_empty() {
        return;
    }
    let band = |(index, to): (usize, &mut [f32])| {
        for r in (0..rows).step_by(BLOCK) {
            transpose_block(
                &from[r * columns + index * BLOCK..],
                columns,
                &mut to[r..],
                rows,
            );
        }
    };
    if from.len() < PARALLEL_NUMBERS {
        to.chunks_mut(BLOCK * rows).enumerate().for_each(band);
    } else {
        to.par_chunks_mut(BLOCK * rows).enumerate().for_each(band);
    }
}

/// One block: as many of 16 × 16 numbers as both slices have.
fn transpose_block(from: &[f32], columns: usize, to: &mut [f32], rows: usize) {
    let mut block = [[0.0; BLOCK]; BLOCK];
    let wide = to.len().div_ceil(rows).min(BLOCK);
    let mut high = 0;
    for (row, line) in from.chunks(columns).take(BLOCK.min(rows)).enumerate() {
        let line = &line[..line.len().min(wide)];
        for (c, value) in line.iter().enumerate() {
            block[c][row] = *value;
        }
        high = row + 1;
    }
    for (line, block) in to.chunks_mut(rows).zip(&block) {
        let high = high.min(line.len());
        line[..high].copy_from_slice(&block[..high]);
    }
}
