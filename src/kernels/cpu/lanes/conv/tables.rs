//! Which rows of its operands every result of a convolution needs, worked out once.

use std::ops::Range;

use super::Geometry;
use crate::kernels::cpu::lanes::{LANES, Segment};

/// **Units** bytes of both operands that a stretch of the weight gradient works on: they stay in a second-level cache.
const STRETCH_BYTES: usize = 600_000;

/// The segments of every pixel of a result.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    segments: Vec<Segment>,
    ends: Vec<usize>,
}

impl Table {
    fn close(&mut self) {
        self.ends.push(self.segments.len());
    }

    pub(super) fn of(&self, pixel: usize) -> &[Segment] {
        let start = if pixel == 0 { 0 } else { self.ends[pixel - 1] };
        &self.segments[start..self.ends[pixel]]
    }
}

/// One tap's part of a weight gradient over some rows of pixels.
#[derive(Clone, Debug)]
pub(super) struct TapSum {
    pub(super) tap: usize,
    pub(super) segments: Range<usize>,
}

/// A stretch of output rows of the weight gradient.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) pixels: Range<usize>,
    pub(super) taps: Vec<TapSum>,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`Conv::new` refuses operands that u32 cannot address"
)]
fn segment(a: usize, b: usize, len: usize) -> Segment {
    Segment {
        a: a as u32,
        b: b as u32,
        len: len as u32,
    }
}

pub(super) fn forward_table(g: &Geometry) -> Table {
    let mut table = Table::default();
    for oy in 0..g.out_height() {
        for ox in 0..g.out_width() {
            let across = g.taps(ox, g.kernel_width, g.width);
            for u in g.taps(oy, g.kernel_height, g.height) {
                if across.is_empty() {
                    continue;
                }
                let (iy, ix) = (
                    oy * g.stride + u - g.padding,
                    ox * g.stride + across.start - g.padding,
                );
                table.segments.push(segment(
                    (u * g.kernel_width + across.start) * g.in_channels,
                    (iy * g.width + ix) * g.in_channels * LANES,
                    across.len() * g.in_channels,
                ));
            }
            table.close();
        }
    }
    table
}

pub(super) fn backward_table(g: &Geometry) -> Table {
    let mut table = Table::default();
    for iy in 0..g.height {
        for ix in 0..g.width {
            for u in 0..g.kernel_height {
                let Some(oy) = g.seen_by(iy, u, g.out_height()) else {
                    continue;
                };
                for v in 0..g.kernel_width {
                    if let Some(ox) = g.seen_by(ix, v, g.out_width()) {
                        table.segments.push(segment(
                            (u * g.kernel_width + v) * g.in_channels,
                            (oy * g.out_width() + ox) * g.out_channels * LANES,
                            g.out_channels,
                        ));
                    }
                }
            }
            table.close();
        }
    }
    table
}

/// For every stretch of output rows and every tap: the pixels whose products are added up.
pub(super) fn weight_sums(g: &Geometry, turned: bool) -> (Vec<Segment>, Vec<Stretch>) {
    let bytes = (g.out_channels + g.in_channels * g.stride) * g.out_width() * LANES * 4;
    let rows = (STRETCH_BYTES / bytes.max(1)).clamp(1, g.out_height());
    let mut segments = Vec::new();
    let mut stretches = Vec::new();
    for first in (0..g.out_height()).step_by(rows) {
        let lines = first..(first + rows).min(g.out_height());
        let mut taps = Vec::new();
        for u in 0..g.kernel_height {
            for v in 0..g.kernel_width {
                let start = segments.len();
                add_tap(g, turned, &lines, (u, v), &mut segments);
                if segments.len() > start {
                    taps.push(TapSum {
                        tap: u * g.kernel_width + v,
                        segments: start..segments.len(),
                    });
                }
            }
        }
        stretches.push(Stretch {
            pixels: lines.start * g.out_width()..lines.end * g.out_width(),
            taps,
        });
    }
    (segments, stretches)
}

fn add_tap(
    g: &Geometry,
    turned: bool,
    lines: &Range<usize>,
    (u, v): (usize, usize),
    segments: &mut Vec<Segment>,
) {
    let sees = |o: usize, tap: usize, size: usize| {
        (o * g.stride + tap)
            .checked_sub(g.padding)
            .filter(|i| *i < size)
    };
    let mut columns = (0..g.out_width()).filter(|ox| sees(*ox, v, g.width).is_some());
    let Some(left) = columns.next() else {
        return;
    };
    let count = 1 + columns.count();
    for oy in lines.clone() {
        let (Some(iy), Some(ix)) = (sees(oy, u, g.height), sees(left, v, g.width)) else {
            continue;
        };
        let (out, input) = (oy * g.out_width() + left, iy * g.width + ix);
        let at = |i: usize| {
            (
                (out + i) * g.out_channels * LANES,
                (input + i * g.stride) * g.in_channels * LANES,
            )
        };
        if turned {
            segments.extend((0..count).map(|i| segment(at(i).0, at(i).1, LANES)));
        } else {
            segments.push(segment(at(0).0, at(0).1, count));
        }
    }
}
