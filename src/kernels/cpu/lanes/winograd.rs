//! 3×3 convolutions of stride 1 with 16 multiplications where 36 would be: Winograd's minimal filtering F(2×2, 3×3).
//!
//! A tile of 2×2 results comes from 4×4 *points*: input and weights are turned into points by sums and halves,
//! multiplied point by point (a matrix product over the channels each), and summed into the tile. The way back to the
//! weights is the adjoint of the same. The halves are exact; the sums cost about a bit of precision against the direct
//! way. Source: A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2015, arXiv:1509.09308.

use std::ops::Range;

use super::tile::Product;
use super::{LANES, Segment};
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::pieces::blocks;
use crate::kernels::cpu::scratch;
use crate::kernels::cpu::simd::{Simd, per_vector};
use crate::kernels::cpu::tile::tile_rows;

/// Points of a tile, 4 rows of 4.
pub(super) const POINTS: usize = 16;

/// Results along a side of a tile.
pub(super) const SIDE: usize = 2;

/// **Units** bytes of transformed operands that a stretch of the weight gradient works on, beside its sums, were all
/// output channels one thread's: what is added up in one go must not depend on how many there are.
const STRETCH_BYTES: usize = 800_000;

/// Tiles of such a stretch at most.
const STRETCH_TILES: usize = 4;

/// What a tile's transforms cost, in multiplications of points, for a channel of the input and one of the output.
const TRANSFORMS: usize = 70;

/// A convolution of a map with 3×3 weights, forward or back, in tiles.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) out_height: usize,
    pub(super) out_width: usize,
    pub(super) padding: usize,
}

/// Weights as points, `[16][rows][columns]` or, on the way back, `[16][columns][rows]` with rows and columns of points
/// in the order of the weights turned by half a circle.
pub(super) struct Points<'a> {
    /// Channels of the result.
    pub(super) rows: usize,
    /// Channels of what is convolved.
    pub(super) columns: usize,
    pub(super) back: bool,
    pub(super) values: &'a [f32],
}

impl Points<'_> {
    /// Point number `point` of the rows from `row` on: numbers, distance of rows, distance of columns.
    fn of(&self, point: usize, row: usize) -> (&[f32], usize, usize) {
        // Weights turned by half a circle have the outer rows and columns of points exchanged.
        let turned = |i: usize| [3, 1, 2, 0][i];
        let size = self.rows * self.columns;
        if self.back {
            let point = turned(point / 4) * 4 + turned(point % 4);
            let points = &self.values[point * size..(point + 1) * size];
            (&points[row..], 1, self.rows)
        } else {
            let points = &self.values[point * size..(point + 1) * size];
            (&points[row * self.columns..], self.columns, 1)
        }
    }
}

impl Tiles {
    /// Rows of tiles.
    pub(super) fn lines(&self) -> usize {
        self.out_height.div_ceil(SIDE)
    }

    fn columns(&self) -> usize {
        self.out_width.div_ceil(SIDE)
    }

    /// Multiplications for a pair of channels.
    pub(super) fn multiplications(&self) -> usize {
        self.lines() * self.columns() * POINTS
    }

    /// Whether tiles are cheaper than `taps` multiplications a pair of channels.
    pub(super) fn pay(&self, taps: usize, channels: (usize, usize)) -> bool {
        let pairs = channels.0 * channels.1;
        let transforms = self.lines() * self.columns() * TRANSFORMS * (channels.0 + channels.1);
        self.multiplications() * pairs + transforms < taps * pairs
    }

    /// The 4×4 numbers of a map that a tile sees; nothing on padding.
    fn seen<'a>(
        &self,
        map: &'a [f32],
        size: usize,
        at: (usize, usize),
        zeros: &'a [f32],
    ) -> [&'a [f32]; POINTS] {
        std::array::from_fn(|i| {
            let inside = |tile: usize, i: usize, size: usize| {
                (SIDE * tile + i)
                    .checked_sub(self.padding)
                    .filter(|p| *p < size)
            };
            let (y, x) = (
                inside(at.0, i / 4, self.height),
                inside(at.1, i % 4, self.width),
            );
            y.zip(x).map_or(zeros, |(y, x)| {
                let pixel = y * self.width + x;
                &map[pixel * size..(pixel + 1) * size]
            })
        })
    }

    /// Some rows of tiles of the convolution of a block, overwriting `y` or added to it.
    ///
    /// `finish` gets the range of channels of what was written.
    pub(super) fn run(
        &self,
        isa: Isa,
        lines: &Range<usize>,
        x: &[f32],
        weights: &Points<'_>,
        (add, finish): (bool, impl Fn(Range<usize>, &mut [f32])),
        y: &mut [f32],
    ) {
        let (size, out) = (weights.columns * LANES, weights.rows * LANES);
        let most = tile_rows(isa) * LANES;
        scratch::with(
            (POINTS + 1) * size + (POINTS + SIDE * SIDE) * most,
            |memory| {
                let (points, memory) = memory.split_at_mut(POINTS * size);
                let (zeros, memory) = memory.split_at_mut(size);
                let (products, spare) = memory.split_at_mut(POINTS * most);
                zeros.fill(0.0);
                let pairs = y.chunks_mut(SIDE * self.out_width * out);
                for (line, pair) in lines.clone().zip(pairs) {
                    for column in 0..self.columns() {
                        input_points(isa, &self.seen(x, size, (line, column), zeros), points);
                        for (row, count) in blocks(weights.rows, tile_rows(isa)) {
                            let channels = row..row + count;
                            let len = count * LANES;
                            for (point, c) in
                                products[..POINTS * len].chunks_exact_mut(len).enumerate()
                            {
                                let (a, a_row, a_step) = weights.of(point, row);
                                Product {
                                    segments: &[whole(weights.columns)],
                                    limit: usize::MAX,
                                    a,
                                    a_row,
                                    a_step,
                                    b: &points[point * size..(point + 1) * size],
                                    b_step: LANES,
                                    rows: count,
                                    lanes: LANES,
                                    add: false,
                                }
                                .run(isa, c, LANES);
                            }
                            let spare = &mut spare[..SIDE * SIDE * len];
                            let mut corners =
                                corners(pair, self.out_width, out, column, &channels, spare);
                            sum_points(isa, &products[..POINTS * len], add, &mut corners);
                            for corner in corners {
                                finish(channels.clone(), corner);
                            }
                        }
                    }
                }
            },
        );
    }

    /// The gradient to some output channels' weights, over all blocks, overwriting it.
    ///
    /// **Shape** as of [`Conv::weights`](super::conv::Conv::weights), the input turned over. `each` gets every pixel of
    /// the output's gradient with its block's images.
    pub(super) fn weights<'a>(
        &self,
        isa: Isa,
        rows: &Range<usize>,
        (inputs, outputs): (usize, usize),
        blocks_of: impl Iterator<Item = (usize, &'a [f32], &'a [f32])>,
        mut each: impl FnMut(usize, &[f32]),
        dw: &mut [f32],
    ) {
        let (size, len) = (inputs * LANES, rows.len() * LANES);
        let tile_bytes = POINTS * (inputs + outputs) * LANES * size_of::<f32>();
        let group = (STRETCH_BYTES / tile_bytes).clamp(1, STRETCH_TILES);
        let sums = POINTS * rows.len() * inputs;
        let room = sums + group * POINTS * (size + len) + size + len;
        scratch::with(room, |memory| {
            let (sums, memory) = memory.split_at_mut(sums);
            let (points, memory) = memory.split_at_mut(group * POINTS * size);
            let (gradients, zeros) = memory.split_at_mut(group * POINTS * len);
            sums.fill(0.0);
            zeros.fill(0.0);
            let tiles = self.lines() * self.columns();
            for (images, x, dy) in blocks_of {
                for first in (0..tiles).step_by(group) {
                    let count = group.min(tiles - first);
                    for i in 0..count {
                        let at = ((first + i) / self.columns(), (first + i) % self.columns());
                        let seen = self.seen(x, size, at, &zeros[..size]);
                        input_points(
                            isa,
                            &seen,
                            &mut points[i * POINTS * size..][..POINTS * size],
                        );
                        let corners = self.gradient(dy, outputs, rows, at);
                        for corner in corners.into_iter().flatten() {
                            each(images, corner);
                        }
                        let corners = corners.map(|c| c.unwrap_or(&zeros[..len]));
                        gradient_points(
                            isa,
                            &corners,
                            &mut gradients[i * POINTS * len..][..POINTS * len],
                        );
                    }
                    let segments = stretch(POINTS * len, POINTS * size);
                    for (point, c) in sums.chunks_exact_mut(rows.len() * inputs).enumerate() {
                        Product {
                            segments: &segments[..count],
                            limit: images,
                            a: &gradients[point * len..],
                            a_row: LANES,
                            a_step: 1,
                            b: &points[point * size..],
                            b_step: inputs,
                            rows: rows.len(),
                            lanes: inputs,
                            add: true,
                        }
                        .run(isa, c, inputs);
                    }
                }
            }
            weights_of_points(isa, inputs, sums, dw);
        });
    }

    /// Some channels of the output's gradient under a tile's corners.
    fn gradient<'a>(
        &self,
        dy: &'a [f32],
        outputs: usize,
        rows: &Range<usize>,
        at: (usize, usize),
    ) -> [Option<&'a [f32]>; SIDE * SIDE] {
        std::array::from_fn(|i| {
            let (y, x) = (SIDE * at.0 + i / SIDE, SIDE * at.1 + i % SIDE);
            (y < self.out_height && x < self.out_width).then(|| {
                let first = (y * self.out_width + x) * outputs;
                &dy[(first + rows.start) * LANES..(first + rows.end) * LANES]
            })
        })
    }
}

/// A depth without gaps.
fn whole(depth: usize) -> Segment {
    #[expect(clippy::cast_possible_truncation, reason = "channels of a layer")]
    let len = depth as u32;
    Segment { a: 0, b: 0, len }
}

/// The depths of tiles that lie so far apart.
#[expect(clippy::cast_possible_truncation, reason = "a few tiles' points")]
fn stretch(a: usize, b: usize) -> [Segment; STRETCH_TILES] {
    std::array::from_fn(|i| Segment {
        a: (i * a) as u32,
        b: (i * b) as u32,
        len: LANES as u32,
    })
}

/// Some channels of a tile's corners in a pair of rows; `spare` stands in for those beyond the map.
fn corners<'a>(
    pair: &'a mut [f32],
    width: usize,
    out: usize,
    column: usize,
    channels: &Range<usize>,
    spare: &'a mut [f32],
) -> [&'a mut [f32]; SIDE * SIDE] {
    let len = channels.len() * LANES;
    let line = (width * out).min(pair.len());
    let (top, bottom) = pair.split_at_mut(line);
    let mut top = top.chunks_exact_mut(out).skip(SIDE * column);
    let mut bottom = bottom.chunks_exact_mut(out).skip(SIDE * column);
    let mut spare = spare.chunks_exact_mut(len);
    [top.next(), top.next(), bottom.next(), bottom.next()].map(|pixel| {
        let beyond = spare.next().unwrap_or_default();
        pixel.map_or(beyond, |p| {
            &mut p[channels.start * LANES..channels.end * LANES]
        })
    })
}

/// Rows of what is given in columns.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn sides<V: Simd, const N: usize, const M: usize>(columns: &[[V; M]; N]) -> [[V; N]; M] {
    // SAFETY: the caller vouches for the instruction set.
    let mut rows = [[unsafe { V::zero() }; N]; M];
    for (i, column) in columns.iter().enumerate() {
        for (row, value) in rows.iter_mut().zip(column) {
            row[i] = *value;
        }
    }
    rows
}

/// Bᵀ·x: differences and sums of neighbours.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn input_side<V: Simd>(x: [V; 4]) -> [V; 4] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        [
            x[0].sub(x[2]),
            x[1].add(x[2]),
            x[2].sub(x[1]),
            x[1].sub(x[3]),
        ]
    }
}

/// Aᵀ·m: a tile's side from its points.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn result_side<V: Simd>(m: [V; 4]) -> [V; 2] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { [m[0].add(m[1]).add(m[2]), m[1].sub(m[2]).sub(m[3])] }
}

/// A·y, its adjoint.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn gradient_side<V: Simd>(y: [V; 2]) -> [V; 4] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { [y[0], y[0].add(y[1]), y[0].sub(y[1]), V::zero().sub(y[1])] }
}

/// G·w.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn weight_side<V: Simd>(w: [V; 3]) -> [V; 4] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let half = V::splat(0.5);
        let (outer, inner) = (w[0].add(w[2]), w[1]);
        let zero = V::zero();
        [
            w[0],
            outer.add(inner).mul_add(half, zero),
            outer.sub(inner).mul_add(half, zero),
            w[2],
        ]
    }
}

/// Gᵀ·u, its adjoint.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn weight_gradient_side<V: Simd>(u: [V; 4]) -> [V; 3] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let half = V::splat(0.5);
        let (sum, difference) = (u[1].add(u[2]), u[1].sub(u[2]));
        [
            sum.mul_add(half, u[0]),
            difference.mul_add(half, V::zero()),
            sum.mul_add(half, u[3]),
        ]
    }
}

per_vector! {
    /// Bᵀ·x·B of a tile. **Shape** x: 16 of `len` numbers; points `[16][len]`.
    fn input_points<V>(x: &[&[f32]; POINTS], points: &mut [f32]) {
        let len = x[0].len();
        assert!(x.iter().all(|x| x.len() == len) && points.len() == POINTS * len && len.is_multiple_of(LANES));
        for at in (0..len).step_by(V::LANES) {
            // SAFETY: a vector from `at` on lies inside each of the operands, whose lengths were checked.
            unsafe {
                let mut columns = [[V::zero(); 4]; 4];
                for (column, slot) in columns.iter_mut().enumerate() {
                    let mut side = [V::zero(); 4];
                    for (row, slot) in side.iter_mut().enumerate() {
                        *slot = V::load(x[4 * row + column].as_ptr().add(at));
                    }
                    *slot = input_side(side);
                }
                for (row, side) in sides(&columns).into_iter().enumerate() {
                    for (column, value) in input_side(side).into_iter().enumerate() {
                        value.store(points.as_mut_ptr().add((4 * row + column) * len + at));
                    }
                }
            }
        }
    }
}

per_vector! {
    /// Aᵀ·m·A of a tile, overwriting its corners or added to them. **Shape** products `[16][len]`; corners: 4 of `len`.
    fn sum_points<V>(products: &[f32], add: bool, corners: &mut [&mut [f32]; SIDE * SIDE]) {
        let len = corners[0].len();
        assert!(corners.iter().all(|c| c.len() == len) && products.len() == POINTS * len && len.is_multiple_of(LANES));
        for at in (0..len).step_by(V::LANES) {
            // SAFETY: a vector from `at` on lies inside each of the operands, whose lengths were checked.
            unsafe {
                let mut columns = [[V::zero(); 2]; 4];
                for (column, slot) in columns.iter_mut().enumerate() {
                    let mut side = [V::zero(); 4];
                    for (row, slot) in side.iter_mut().enumerate() {
                        *slot = V::load(products.as_ptr().add((4 * row + column) * len + at));
                    }
                    *slot = result_side(side);
                }
                for (row, side) in sides(&columns).into_iter().enumerate() {
                    for (column, value) in result_side(side).into_iter().enumerate() {
                        let to = corners[SIDE * row + column].as_mut_ptr().add(at);
                        let value = if add { value.add(V::load(to)) } else { value };
                        value.store(to);
                    }
                }
            }
        }
    }
}

per_vector! {
    /// A·y·Aᵀ of a tile. **Shape** corners: 4 of `len` numbers; points `[16][len]`.
    fn gradient_points<V>(corners: &[&[f32]; SIDE * SIDE], points: &mut [f32]) {
        let len = corners[0].len();
        assert!(corners.iter().all(|c| c.len() == len) && points.len() == POINTS * len && len.is_multiple_of(LANES));
        for at in (0..len).step_by(V::LANES) {
            // SAFETY: a vector from `at` on lies inside each of the operands, whose lengths were checked.
            unsafe {
                let mut columns = [[V::zero(); 4]; SIDE];
                for (column, slot) in columns.iter_mut().enumerate() {
                    let top = V::load(corners[column].as_ptr().add(at));
                    let bottom = V::load(corners[SIDE + column].as_ptr().add(at));
                    *slot = gradient_side([top, bottom]);
                }
                for (row, side) in sides(&columns).into_iter().enumerate() {
                    for (column, value) in gradient_side(side).into_iter().enumerate() {
                        value.store(points.as_mut_ptr().add((4 * row + column) * len + at));
                    }
                }
            }
        }
    }
}

per_vector! {
    /// G·w·Gᵀ of every pair of channels. **Shape** w `[out][3][3][in]`; points `[16][out][in]`.
    pub(super) fn points_of_weights<V>(inputs: usize, w: &[f32], points: &mut [f32]) {
        let outputs = w.len() / (9 * inputs);
        assert!(w.len() == 9 * inputs * outputs && points.len() == POINTS * inputs * outputs);
        for out in 0..outputs {
            for at in (0..inputs).step_by(V::LANES) {
                // SAFETY: no more lanes than there are channels left are read or written.
                unsafe {
                    let mask = V::mask(V::LANES.min(inputs - at));
                    let mut columns = [[V::zero(); 4]; 3];
                    for (column, slot) in columns.iter_mut().enumerate() {
                        let mut side = [V::zero(); 3];
                        for (row, slot) in side.iter_mut().enumerate() {
                            let from = (out * 9 + 3 * row + column) * inputs + at;
                            *slot = V::load_masked(w.as_ptr().add(from), mask);
                        }
                        *slot = weight_side(side);
                    }
                    for (row, side) in sides(&columns).into_iter().enumerate() {
                        for (column, value) in weight_side(side).into_iter().enumerate() {
                            let to = ((4 * row + column) * outputs + out) * inputs + at;
                            value.store_masked(points.as_mut_ptr().add(to), mask);
                        }
                    }
                }
            }
        }
    }
}

per_vector! {
    /// Gᵀ·u·G of every pair of channels. **Shape** points `[16][out][in]`; w `[out][3][3][in]`.
    fn weights_of_points<V>(inputs: usize, points: &[f32], w: &mut [f32]) {
        let outputs = w.len() / (9 * inputs);
        assert!(w.len() == 9 * inputs * outputs && points.len() == POINTS * inputs * outputs);
        for out in 0..outputs {
            for at in (0..inputs).step_by(V::LANES) {
                // SAFETY: no more lanes than there are channels left are read or written.
                unsafe {
                    let mask = V::mask(V::LANES.min(inputs - at));
                    let mut columns = [[V::zero(); 3]; 4];
                    for (column, slot) in columns.iter_mut().enumerate() {
                        let mut side = [V::zero(); 4];
                        for (row, slot) in side.iter_mut().enumerate() {
                            let from = ((4 * row + column) * outputs + out) * inputs + at;
                            *slot = V::load_masked(points.as_ptr().add(from), mask);
                        }
                        *slot = weight_gradient_side(side);
                    }
                    for (row, side) in sides(&columns).into_iter().enumerate() {
                        for (column, value) in weight_gradient_side(side).into_iter().enumerate() {
                            let to = (out * 9 + 3 * row + column) * inputs + at;
                            value.store_masked(w.as_mut_ptr().add(to), mask);
                        }
                    }
                }
            }
        }
    }
}
