//! Convolution and its gradients in lanes; a linear layer is a convolution as large as its input.
//!
//! Which rows of the operands a result needs is worked out once, when the convolution is made: taps on padding do not
//! appear, so small maps cost what their real taps cost.

mod tables;

use std::ops::Range;

use super::dot::Dot;
use super::tile::Product;
use super::winograd::{self, Points, SIDE, Tiles};
use super::{LANES, Segment, pointwise};
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::pieces::blocks;
use crate::kernels::cpu::scratch;
use crate::kernels::cpu::tile::tile_rows;
use crate::profile::Activation;
use tables::{Stretch, Table, TapSum, backward_table, forward_table, weight_sums};

/// Channels from which on the weight gradient takes the input turned over, lanes over channels.
const TURNED_FROM: usize = 32;

/// Pixels below which it does so for fewer channels too: adding up lanes would cost more than the products.
const FEW_PIXELS: usize = 16;

/// What a convolution does to a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub in_channels: usize,
    pub height: usize,
    pub width: usize,
    pub out_channels: usize,
    pub kernel_height: usize,
    pub kernel_width: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    #[must_use]
    pub(crate) fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel_height) / self.stride + 1
    }

    #[must_use]
    pub(crate) fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel_width) / self.stride + 1
    }

    #[must_use]
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.width
    }

    #[must_use]
    pub(crate) fn out_pixels(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Weights of one output channel.
    #[must_use]
    pub(crate) fn depth(&self) -> usize {
        self.kernel_height * self.kernel_width * self.in_channels
    }

    #[must_use]
    pub(crate) fn weights(&self) -> usize {
        self.out_channels * self.depth()
    }

    /// Multiply-adds of one image, taps on padding left out.
    #[must_use]
    pub(crate) fn multiply_adds(&self) -> usize {
        let along = |outputs: usize, kernel: usize, size: usize| -> usize {
            (0..outputs).map(|o| self.taps(o, kernel, size).len()).sum()
        };
        along(self.out_height(), self.kernel_height, self.height)
            * along(self.out_width(), self.kernel_width, self.width)
            * self.in_channels
            * self.out_channels
    }

    /// The kernel fits the padded map, and every operand has less than 2³² numbers.
    fn assert_sound(&self) {
        assert!(self.stride > 0 && self.kernel_height > 0 && self.kernel_width > 0);
        assert!(self.kernel_height <= self.height + 2 * self.padding);
        assert!(self.kernel_width <= self.width + 2 * self.padding);
        let numbers = [
            self.weights(),
            self.pixels() * self.in_channels * LANES,
            self.out_pixels() * self.out_channels * LANES,
        ];
        assert!(numbers.iter().all(|n| u32::try_from(*n).is_ok()));
    }

    /// The taps of output position `o` that fall on the map, along one side.
    fn taps(&self, o: usize, kernel: usize, size: usize) -> Range<usize> {
        let first = self.padding.saturating_sub(o * self.stride).min(kernel);
        let end = (size + self.padding)
            .saturating_sub(o * self.stride)
            .min(kernel);
        first..end.max(first)
    }

    /// The output position that sees input position `i` through `tap`, along one side.
    pub(in crate::kernels) fn seen_by(
        &self,
        i: usize,
        tap: usize,
        outputs: usize,
    ) -> Option<usize> {
        let from = (i + self.padding).checked_sub(tap)?;
        let o = from / self.stride;
        (from % self.stride == 0 && o < outputs).then_some(o)
    }
}

/// A convolution ready to run on blocks.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    pub geometry: Geometry,
    /// Whether the weight gradient takes its input turned over (`layout::turn`).
    pub turned: bool,
    algorithm: Algorithm,
}

/// How a convolution is worked out.
#[derive(Clone, Debug)]
enum Algorithm {
    /// Tap by tap.
    Direct {
        forward: Table,
        backward: Table,
        sums: Vec<Segment>,
        stretches: Vec<Stretch>,
    },
    /// In tiles, with fewer multiplications.
    Tiled { forward: Tiles, backward: Tiles },
}

impl Conv {
    /// # Panics
    /// When the kernel does not fit the padded map, or an operand has more than 2³² numbers.
    #[must_use]
    pub(crate) fn new(geometry: Geometry) -> Self {
        let g = geometry;
        g.assert_sound();
        if let Some((forward, backward)) = tiles(&g) {
            return Self {
                geometry,
                turned: true,
                algorithm: Algorithm::Tiled { forward, backward },
            };
        }
        let turned = g.in_channels >= TURNED_FROM || g.out_pixels() < FEW_PIXELS;
        let (sums, stretches) = weight_sums(&g, turned);
        Self {
            geometry,
            turned,
            algorithm: Algorithm::Direct {
                forward: forward_table(&g),
                backward: backward_table(&g),
                sums,
                stretches,
            },
        }
    }

    /// The same for another processor, which works by the geometry alone: without tables, so not to be run here.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    #[cfg(feature = "cuda")]
    pub(crate) fn elsewhere(geometry: Geometry) -> Self {
        geometry.assert_sound();
        Self {
            geometry,
            turned: false,
            algorithm: Algorithm::Direct {
                forward: Table::default(),
                backward: Table::default(),
                sums: Vec::new(),
                stretches: Vec::new(),
            },
        }
    }

    /// Whether it is worked out in tiles.
    #[must_use]
    pub(crate) fn tiled(&self) -> bool {
        matches!(self.algorithm, Algorithm::Tiled { .. })
    }

    /// Multiplications for one image, forward or to the weights; to the input's gradient, for which tiles may differ.
    #[must_use]
    pub(crate) fn multiplications(&self) -> [usize; 2] {
        let g = &self.geometry;
        match &self.algorithm {
            Algorithm::Direct { .. } => [g.multiply_adds(); 2],
            Algorithm::Tiled { forward, backward } => [forward, backward]
                .map(|tiles| tiles.multiplications() * g.in_channels * g.out_channels),
        }
    }

    /// Rows of pixels of a unit.
    fn unit_rows(&self) -> usize {
        if self.tiled() { SIDE } else { 1 }
    }

    /// Parts that the output of a block can be cut into: rows of pixels, or groups of channels of a single pixel.
    #[must_use]
    pub(crate) fn forward_units(&self) -> usize {
        units(
            self.geometry.out_pixels(),
            self.geometry.out_height().div_ceil(self.unit_rows()),
            self.geometry.out_channels,
        )
    }

    /// The same of the input's gradient.
    #[must_use]
    pub(crate) fn backward_units(&self) -> usize {
        units(
            self.geometry.pixels(),
            self.geometry.height.div_ceil(self.unit_rows()),
            self.geometry.in_channels,
        )
    }

    /// The numbers of a block's output that some units write.
    #[must_use]
    pub(crate) fn forward_range(&self, units: &Range<usize>) -> Range<usize> {
        let g = &self.geometry;
        range(
            units,
            g.out_pixels(),
            self.unit_rows() * g.out_width(),
            g.out_channels,
        )
    }

    /// The numbers of a block's input gradient that some units write.
    #[must_use]
    pub(crate) fn backward_range(&self, units: &Range<usize>) -> Range<usize> {
        let g = &self.geometry;
        range(units, g.pixels(), self.unit_rows() * g.width, g.in_channels)
    }

    /// Some units of y = f(x ∗ w + bias).
    ///
    /// **Shape** x: a block of the input map; y: [`forward_range`](Self::forward_range) of the output.
    pub(crate) fn forward(
        &self,
        isa: Isa,
        units: &Range<usize>,
        x: &[f32],
        w: &[f32],
        (bias, activation): (Option<&[f32]>, Activation),
        y: &mut [f32],
    ) {
        let g = &self.geometry;
        let table = match &self.algorithm {
            Algorithm::Direct { forward, .. } => forward,
            Algorithm::Tiled { forward, .. } => {
                let finish = |channels: Range<usize>, y: &mut [f32]| {
                    pointwise::finish(isa, bias.map(|b| &b[channels]), activation, y);
                };
                return self.in_tiles(isa, w, false, |points| {
                    forward.run(isa, units, x, points, (false, finish), y);
                });
            }
        };
        let (pixels, rows) = part(units, g.out_pixels(), g.out_width(), g.out_channels);
        let across = rows.len() * LANES;
        for (row, count) in blocks(rows.len(), tile_rows(isa)) {
            let first = rows.start + row;
            let bias = bias.map(|b| &b[first..first + count]);
            for (y, pixel) in y.chunks_exact_mut(across).zip(pixels.clone()) {
                let y = &mut y[row * LANES..(row + count) * LANES];
                Product {
                    segments: table.of(pixel),
                    limit: usize::MAX,
                    a: &w[first * g.depth()..],
                    a_row: g.depth(),
                    a_step: 1,
                    b: x,
                    b_step: LANES,
                    rows: count,
                    lanes: LANES,
                    add: false,
                }
                .run(isa, y, LANES);
                pointwise::finish(isa, bias, activation, y);
            }
        }
    }

    /// Some units of the input's gradient, overwriting `dx` or added to it.
    ///
    /// **Shape** dy: a block of the output's gradient; dx: [`backward_range`](Self::backward_range) of the input's.
    pub(crate) fn backward(
        &self,
        isa: Isa,
        units: &Range<usize>,
        dy: &[f32],
        w: &[f32],
        add: bool,
        dx: &mut [f32],
    ) {
        let g = &self.geometry;
        let table = match &self.algorithm {
            Algorithm::Direct { backward, .. } => backward,
            Algorithm::Tiled { backward, .. } => {
                return self.in_tiles(isa, w, true, |points| {
                    backward.run(isa, units, dy, points, (add, |_, _| {}), dx);
                });
            }
        };
        let (pixels, rows) = part(units, g.pixels(), g.width, g.in_channels);
        let across = rows.len() * LANES;
        for (row, count) in blocks(rows.len(), tile_rows(isa)) {
            for (dx, pixel) in dx.chunks_exact_mut(across).zip(pixels.clone()) {
                Product {
                    segments: table.of(pixel),
                    limit: usize::MAX,
                    a: &w[rows.start + row..],
                    a_row: 1,
                    a_step: g.depth(),
                    b: dy,
                    b_step: LANES,
                    rows: count,
                    lanes: LANES,
                    add,
                }
                .run(isa, &mut dx[row * LANES..(row + count) * LANES], LANES);
            }
        }
    }

    /// The gradients to some output channels' weights and biases, over all blocks, overwriting both.
    ///
    /// **Shape** `blocks` gives each block's images, input (turned over where [`turned`](Self::turned)) and output
    /// gradient; dw: the channels' weights; db: their biases.
    pub(crate) fn weights<'a>(
        &self,
        isa: Isa,
        rows: &Range<usize>,
        blocks_of: impl Iterator<Item = (usize, &'a [f32], &'a [f32])>,
        dw: &mut [f32],
        db: Option<&mut [f32]>,
    ) {
        dw.fill(0.0);
        if rows.is_empty() {
            return;
        }
        let with_bias = db.is_some();
        let channels = (self.geometry.in_channels, self.geometry.out_channels);
        scratch::with(rows.len() * LANES, |sums| {
            sums.fill(0.0);
            match &self.algorithm {
                Algorithm::Direct {
                    sums: segments,
                    stretches,
                    ..
                } => {
                    for (images, x, dy) in blocks_of {
                        for stretch in stretches {
                            self.add_stretch(isa, (stretch, segments), rows, (images, x, dy), dw);
                            if with_bias {
                                let pixels = stretch.pixels.clone();
                                add_pixels(isa, pixels, channels.1, rows, (images, dy), sums);
                            }
                        }
                    }
                }
                Algorithm::Tiled { forward, .. } => {
                    let each = |images: usize, dy: &[f32]| {
                        if with_bias {
                            add_pixel(isa, images, dy, sums);
                        }
                    };
                    forward.weights(isa, rows, channels, blocks_of, each, dw);
                }
            }
            for (slot, sums) in db.into_iter().flatten().zip(sums.chunks_exact(LANES)) {
                let sum: f64 = sums.iter().map(|s| f64::from(*s)).sum();
                #[expect(clippy::cast_possible_truncation, reason = "the sum's nearest f32")]
                (*slot = sum as f32);
            }
        });
    }

    /// Calls `work` with the weights as points.
    fn in_tiles(&self, isa: Isa, w: &[f32], back: bool, work: impl FnOnce(&Points<'_>)) {
        let g = &self.geometry;
        let (rows, columns) = if back {
            (g.in_channels, g.out_channels)
        } else {
            (g.out_channels, g.in_channels)
        };
        scratch::with(winograd::POINTS * rows * columns, |points| {
            winograd::points_of_weights(isa, g.in_channels, w, points);
            work(&Points {
                rows,
                columns,
                back,
                values: points,
            });
        });
    }

    fn add_stretch(
        &self,
        isa: Isa,
        (stretch, sums): (&Stretch, &[Segment]),
        rows: &Range<usize>,
        (images, x, dy): (usize, &[f32], &[f32]),
        dw: &mut [f32],
    ) {
        let g = &self.geometry;
        let dy = &dy[rows.start * LANES..];
        for TapSum { tap, segments } in &stretch.taps {
            let segments = &sums[segments.clone()];
            let c = &mut dw[tap * g.in_channels..];
            if self.turned {
                Product {
                    segments,
                    limit: images,
                    a: dy,
                    a_row: LANES,
                    a_step: 1,
                    b: x,
                    b_step: g.in_channels,
                    rows: rows.len(),
                    lanes: g.in_channels,
                    add: true,
                }
                .run(isa, c, g.depth());
            } else {
                Dot {
                    segments,
                    images,
                    a: dy,
                    a_step: g.out_channels * LANES,
                    b: x,
                    b_step: g.stride * g.in_channels * LANES,
                    rows: rows.len(),
                    columns: g.in_channels,
                }
                .run(isa, c, g.depth());
            }
        }
    }
}

/// Adds some channels of pixels of dy to `sums`, lane by lane.
fn add_pixels(
    isa: Isa,
    pixels: Range<usize>,
    channels: usize,
    rows: &Range<usize>,
    (images, dy): (usize, &[f32]),
    sums: &mut [f32],
) {
    for first in pixels.map(|pixel| pixel * channels) {
        let dy = &dy[(first + rows.start) * LANES..(first + rows.end) * LANES];
        add_pixel(isa, images, dy, sums);
    }
}

/// Adds channels of a pixel to `sums`, the lanes that hold images.
fn add_pixel(isa: Isa, images: usize, dy: &[f32], sums: &mut [f32]) {
    if images == LANES {
        pointwise::accumulate(isa, dy, sums);
        return;
    }
    for (sums, dy) in sums.chunks_exact_mut(LANES).zip(dy.chunks_exact(LANES)) {
        for (sum, dy) in sums[..images].iter_mut().zip(dy) {
            *sum += *dy;
        }
    }
}

/// Both directions in tiles, where they pay.
fn tiles(g: &Geometry) -> Option<(Tiles, Tiles)> {
    let fits = (g.kernel_height, g.kernel_width, g.stride) == (3, 3, 1) && g.padding <= 2;
    if !fits || g.in_channels < TURNED_FROM {
        return None;
    }
    let forward = Tiles {
        height: g.height,
        width: g.width,
        out_height: g.out_height(),
        out_width: g.out_width(),
        padding: g.padding,
    };
    let backward = Tiles {
        height: g.out_height(),
        width: g.out_width(),
        out_height: g.height,
        out_width: g.width,
        padding: 2 - g.padding,
    };
    let channels = (g.in_channels, g.out_channels);
    let taps = g.multiply_adds() / (g.in_channels * g.out_channels);
    (forward.pay(taps, channels) && backward.pay(taps, channels)).then_some((forward, backward))
}

/// Channels of a unit where a map is a single pixel.
const UNIT_CHANNELS: usize = 14;

fn units(pixels: usize, rows: usize, channels: usize) -> usize {
    if pixels == 1 {
        channels.div_ceil(UNIT_CHANNELS)
    } else {
        rows
    }
}

/// The pixels and channels of some units.
fn part(
    units: &Range<usize>,
    pixels: usize,
    width: usize,
    channels: usize,
) -> (Range<usize>, Range<usize>) {
    if pixels == 1 {
        let end = (units.end * UNIT_CHANNELS).min(channels);
        (0..1, (units.start * UNIT_CHANNELS).min(end)..end)
    } else {
        (
            units.start * width..(units.end * width).min(pixels),
            0..channels,
        )
    }
}

fn range(units: &Range<usize>, pixels: usize, width: usize, channels: usize) -> Range<usize> {
    let (pixels, rows) = part(units, pixels, width, channels);
    let first = pixels.start * channels + rows.start;
    first * LANES..(first + pixels.len() * rows.len()) * LANES
}
