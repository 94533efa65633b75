//! The matrix product under convolutions and linear layers: c\[i\]\[j\] = Σ\_p a\[p\]\[i\] · b\[offsets\[p\] + j\].
//!
//! Rows of b lie wherever an offset says, so a convolution's shifted views of an image are rows without being copied.
//! Each result is one chain of multiply-adds in the order of p (in blocks of fixed depth), whatever tile or thread it
//! falls to. Deliberately knows nothing of layers.

use super::isa::Isa;
use super::simd::{Portable, Simd};
use rayon::prelude::*;

/// Depth of a block: its part of a tile of b stays in the first-level cache.
pub(super) const BLOCK_DEPTH: usize = 384;

/// Multiply-adds below which a product isn't worth splitting among threads.
const PARALLEL_WORK: usize = 1 << 18;

/// The left matrix, `depth × rows`.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// Copied into the order tiles read it; the product starts at this depth of it.
    Packed(&'a Packed, usize),
    /// a\[p\]\[i\] = `data[p * step + i * row]`.
    Strided {
        data: &'a [f32],
        step: usize,
        row: usize,
    },
}

/// A left matrix as `[block of rows][depth][row]`.
pub(super) struct Packed {
    data: Vec<f32>,
    rows: usize,
    depth: usize,
}

impl Packed {
    /// Packs `value(p, i)`.
    pub(super) fn new(
        isa: Isa,
        depth: usize,
        rows: usize,
        value: impl Fn(usize, usize) -> f32 + Sync,
    ) -> Self {
        let mut data = vec![0.0; depth * rows];
        let mut rest = data.as_mut_slice();
        let mut pieces = Vec::new();
        for (start, count) in blocks(rows, tile_rows(isa)) {
            let (piece, tail) = rest.split_at_mut(depth * count);
            pieces.push((start, count, piece));
            rest = tail;
        }
        pieces.into_par_iter().for_each(|(start, count, piece)| {
            for (p, row) in piece.chunks_mut(count).enumerate() {
                for (i, slot) in row.iter_mut().enumerate() {
                    *slot = value(p, start + i);
                }
            }
        });
        Self { data, rows, depth }
    }
}

/// Where the rows of b start.
pub(super) struct Offsets {
    starts: Vec<usize>,
    last: usize,
}

impl Offsets {
    pub(super) fn new(starts: Vec<usize>) -> Self {
        let last = starts.iter().copied().max().unwrap_or(0);
        Self { starts, last }
    }

    /// `depth` rows at equal distances.
    pub(super) fn regular(depth: usize, distance: usize) -> Self {
        Self::new((0..depth).map(|p| p * distance).collect())
    }
}

/// What the sums are added to.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    Zero,
    /// What c holds.
    Accumulate,
    /// One number a row of c.
    Rows(&'a [f32]),
    /// One number a lane of c.
    Lanes(&'a [f32]),
}

/// One product's operands; c is given apart.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) rows: usize,
    pub(super) lanes: usize,
    pub(super) left: Left<'a>,
    pub(super) right: &'a [f32],
    pub(super) offsets: &'a Offsets,
    pub(super) start: Start<'a>,
}

impl Product<'_> {
    /// Writes `lanes` numbers into each of `rows` rows of c, `c_row` apart, on this thread.
    pub(super) fn run(&self, isa: Isa, c: &mut [f32], c_row: usize) {
        if let Some(job) = self.job(c, c_row) {
            // SAFETY: `job` checked every bound, and an `Isa` is only made for a processor that has it.
            unsafe { job.run(isa) }
        }
    }

    /// [`run`](Self::run), split among the threads of the current pool where that pays.
    pub(super) fn run_parallel(&self, isa: Isa, c: &mut [f32], c_row: usize) {
        let Some(job) = self.job(c, c_row) else {
            return;
        };
        let work = self.rows * self.lanes * job.depth;
        let wanted = (work / PARALLEL_WORK).min(4 * rayon::current_num_threads());
        if wanted < 2 || matches!(self.left, Left::Packed(..)) {
            // SAFETY: as in `run`.
            return unsafe { job.run(isa) };
        }
        // Columns first: a piece then reads its part of b once.
        let columns = wanted.min(self.lanes.div_ceil(128));
        let rows = (wanted / columns).clamp(1, self.rows.div_ceil(tile_rows(isa)));
        let unit = 2 * tile_lanes(isa);
        (0..columns * rows).into_par_iter().for_each(|piece| {
            let across = portion(self.lanes.div_ceil(unit), columns, piece % columns);
            let down = portion(self.rows, rows, piece / columns);
            let lanes = (across.start * unit)..(across.end * unit).min(self.lanes);
            // SAFETY: pieces are disjoint parts of a checked job, so no two write the same number.
            unsafe { job.part(down, lanes).run(isa) }
        });
    }

    /// Checks that every access stays inside the slices; nothing to do where c is empty.
    fn job(&self, c: &mut [f32], c_row: usize) -> Option<Job> {
        let (rows, lanes, depth) = (self.rows, self.lanes, self.offsets.starts.len());
        if rows == 0 || lanes == 0 {
            return None;
        }
        assert!(rows == 1 || lanes <= c_row);
        assert!((rows - 1) * c_row + lanes <= c.len());
        assert!(depth == 0 || self.offsets.last + lanes <= self.right.len());
        let (data, a_step, a_row) = match self.left {
            Left::Packed(packed, from) => {
                assert!(packed.rows == rows && from + depth <= packed.depth);
                (packed.data.as_slice(), packed.depth, from)
            }
            Left::Strided { data, step, row } => {
                assert!(depth == 0 || (depth - 1) * step + (rows - 1) * row < data.len());
                (data, step, row)
            }
        };
        let start = match self.start {
            Start::Zero => From::Zero,
            Start::Accumulate => From::Result,
            Start::Rows(bias) => {
                assert_eq!(bias.len(), rows);
                From::Rows(bias.as_ptr())
            }
            Start::Lanes(bias) => {
                assert_eq!(bias.len(), lanes);
                From::Lanes(bias.as_ptr())
            }
        };
        Some(Job {
            rows,
            lanes,
            depth,
            a: data.as_ptr(),
            a_step,
            a_row,
            packed: matches!(self.left, Left::Packed(..)),
            b: self.right.as_ptr(),
            offsets: self.offsets.starts.as_ptr(),
            start,
            c: c.as_mut_ptr(),
            c_row,
        })
    }
}

/// A checked product as pointers.
#[derive(Clone, Copy)]
struct Job {
    rows: usize,
    lanes: usize,
    depth: usize,
    a: *const f32,
    /// Distance from one depth to the next; of a packed left side the whole depth.
    a_step: usize,
    /// Distance from one row to the next; of a packed left side the depth to start at.
    a_row: usize,
    packed: bool,
    b: *const f32,
    offsets: *const usize,
    start: From,
    c: *mut f32,
    c_row: usize,
}

/// [`Start`] as pointers.
#[derive(Clone, Copy)]
enum From {
    Zero,
    Result,
    Rows(*const f32),
    Lanes(*const f32),
}

// SAFETY: a job's pointers come from borrows that outlive it; its parts on other threads write disjoint numbers.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

impl Job {
    /// The job for some rows and lanes of c; not for a packed left side.
    unsafe fn part(&self, rows: std::ops::Range<usize>, lanes: std::ops::Range<usize>) -> Self {
        // SAFETY: the ranges lie inside the job's, whose bounds were checked.
        unsafe {
            Self {
                rows: rows.len(),
                lanes: lanes.len(),
                a: self.a.add(rows.start * self.a_row),
                b: self.b.add(lanes.start),
                c: self.c.add(rows.start * self.c_row + lanes.start),
                start: match self.start {
                    From::Rows(bias) => From::Rows(bias.add(rows.start)),
                    From::Lanes(bias) => From::Lanes(bias.add(lanes.start)),
                    other => other,
                },
                ..*self
            }
        }
    }

    unsafe fn run(&self, isa: Isa) {
        match isa {
            // SAFETY: the processor has the instructions; bounds were checked when the job was made.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { drive_avx512(self) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { drive_avx2(self) },
            // SAFETY: as above.
            _ => unsafe { drive::<Portable>(self) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn drive_avx512(job: &Job) {
    // SAFETY: the caller vouches for the job.
    unsafe { drive::<std::arch::x86_64::__m512>(job) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn drive_avx2(job: &Job) {
    // SAFETY: the caller vouches for the job.
    unsafe { drive::<std::arch::x86_64::__m256>(job) }
}

/// Rows of a tile.
fn tile_rows(isa: Isa) -> usize {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => <std::arch::x86_64::__m512 as Simd>::ROWS,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => <std::arch::x86_64::__m256 as Simd>::ROWS,
        _ => Portable::ROWS,
    }
}

/// Numbers of a vector.
pub(super) fn tile_lanes(isa: Isa) -> usize {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => <std::arch::x86_64::__m512 as Simd>::LANES,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => <std::arch::x86_64::__m256 as Simd>::LANES,
        _ => Portable::LANES,
    }
}

/// Part `index` of `0..total` cut into `parts` of nearly equal size.
pub(super) fn portion(total: usize, parts: usize, index: usize) -> std::ops::Range<usize> {
    (total * index / parts)..(total * (index + 1) / parts)
}

/// Rows in as few blocks of at most `most` as possible, nearly equal, as (start, count).
fn blocks(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = rows.div_ceil(most);
    (0..parts).map(move |i| {
        let range = portion(rows, parts, i);
        (range.start, range.len())
    })
}

/// One register tile's operands.
struct Tile {
    depth: usize,
    a: *const f32,
    a_step: usize,
    a_row: usize,
    b: *const f32,
    offsets: *const usize,
    /// Lanes of the last vector, where it isn't full.
    lanes: usize,
    start: From,
    c: *mut f32,
    c_row: usize,
}

/// Calls a tile of as many rows as `$rows` says.
macro_rules! tile_of {
    ($rows:expr, $vector:ty, $vectors:literal, $part:literal, $unit:literal, $tile:expr; $($count:literal)*) => {
        match $rows {
            $($count if $count <= <$vector>::ROWS =>
                tile::<$vector, $count, $vectors, $part, $unit>($tile),)*
            _ => {}
        }
    };
}

/// The whole job: blocks of depth, then of lanes, then of rows, a tile each.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn drive<V: Simd>(job: &Job) {
    let parts = job.depth.div_ceil(BLOCK_DEPTH).max(1);
    for part in 0..parts {
        let depth = portion(job.depth, parts, part);
        for lane in (0..job.lanes).step_by(2 * V::LANES) {
            for (row, rows) in blocks(job.rows, V::ROWS) {
                // SAFETY: all of it lies inside the job.
                unsafe { block::<V>(job, &depth, lane, row, rows) }
            }
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn block<V: Simd>(
    job: &Job,
    depth: &std::ops::Range<usize>,
    lane: usize,
    row: usize,
    rows: usize,
) {
    // SAFETY: the caller vouches that rows, lanes and depth lie inside the job.
    unsafe {
        let (first, a_step, a_row) = if job.packed {
            (row * job.a_step + (job.a_row + depth.start) * rows, rows, 1)
        } else {
            let first = row * job.a_row + depth.start * job.a_step;
            (first, job.a_step, job.a_row)
        };
        let left = job.lanes - lane;
        let tile = Tile {
            depth: depth.len(),
            a: job.a.add(first),
            a_step,
            a_row,
            b: job.b.add(lane),
            offsets: job.offsets.add(depth.start),
            lanes: if left > V::LANES {
                left - V::LANES
            } else {
                left
            },
            start: match job.start {
                _ if depth.start > 0 => From::Result,
                From::Rows(bias) => From::Rows(bias.add(row)),
                From::Lanes(bias) => From::Lanes(bias.add(lane)),
                other => other,
            },
            c: job.c.add(row * job.c_row + lane),
            c_row: job.c_row,
        };
        let (full, two, unit) = (left >= 2 * V::LANES, left > V::LANES, a_row == 1);
        match (full, two, unit) {
            (true, _, true) => {
                tile_of!(rows, V, 2, false, true, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
            }
            (true, _, false) => {
                tile_of!(rows, V, 2, false, false, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
            }
            (_, true, true) => {
                tile_of!(rows, V, 2, true, true, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
            }
            (_, true, false) => {
                tile_of!(rows, V, 2, true, false, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
            }
            (_, _, true) => {
                tile_of!(rows, V, 1, true, true, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
            }
            (_, _, false) => {
                tile_of!(rows, V, 1, true, false, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
            }
        }
    }
}

/// `ROWS × VECTORS` vectors of sums, kept in registers over the tile's depth. `PART`: the last vector isn't full.
/// `UNIT`: neighbouring rows of a are neighbours in memory.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn tile<
    V: Simd,
    const ROWS: usize,
    const VECTORS: usize,
    const PART: bool,
    const UNIT: bool,
>(
    t: &Tile,
) {
    // SAFETY: the caller vouches that the tile lies inside its job and for the instruction set.
    unsafe {
        let mask = V::mask(if PART { t.lanes } else { V::LANES });
        let row = if UNIT { 1 } else { t.a_row };
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        let mut a = t.a;
        for p in 0..t.depth {
            let b = t.b.add(*t.offsets.add(p));
            let mut right = [V::zero(); VECTORS];
            for (v, slot) in right.iter_mut().enumerate() {
                let from = b.add(v * V::LANES);
                *slot = if PART && v + 1 == VECTORS {
                    V::load_masked(from, mask)
                } else {
                    V::load(from)
                };
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let left = V::splat(*a.add(i * row));
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = left.mul_add(right, *sum);
                }
            }
            a = a.add(t.a_step);
        }
        for (i, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let to = t.c.add(i * t.c_row + v * V::LANES);
                let part = PART && v + 1 == VECTORS;
                let sum = match t.start {
                    From::Zero => *sum,
                    From::Rows(bias) => sum.add(V::splat(*bias.add(i))),
                    From::Result if part => sum.add(V::load_masked(to, mask)),
                    From::Result => sum.add(V::load(to)),
                    From::Lanes(bias) if part => {
                        sum.add(V::load_masked(bias.add(v * V::LANES), mask))
                    }
                    From::Lanes(bias) => sum.add(V::load(bias.add(v * V::LANES))),
                };
                if part {
                    sum.store_masked(to, mask);
                } else {
                    sum.store(to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::tests::available;

    /// Small integers, so that every order of adding gives the same exact sum.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        let mut state = seed as u32;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 24) % 9) as f32 - 4.0
            })
            .collect()
    }

    #[test]
    fn every_tile_size_is_exact() {
        for isa in available() {
            for (rows, lanes, depth) in (1..=30).map(|i| (i, 67 - 2 * i, i % 7)).chain([
                (3, 33, 1000),
                (29, 16, 385),
                (15, 1, 384),
                (2, 200, 3),
            ]) {
                let (a, b) = (numbers(depth * rows, 1), numbers(depth * lanes + 5, 2));
                let offsets = Offsets::new((0..depth).map(|p| p * lanes + p % 3).collect());
                let bias = numbers(rows, 3);
                let expected = |base: f32, i: usize, j: usize| {
                    (0..depth).fold(base, |sum, p| {
                        sum + a[p * rows + i] * b[p * lanes + p % 3 + j]
                    })
                };
                let packed = Packed::new(isa, depth, rows, |p, i| a[p * rows + i]);
                let strided = Left::Strided {
                    data: &a,
                    step: rows,
                    row: 1,
                };
                for left in [Left::Packed(&packed, 0), strided] {
                    let mut product = Product {
                        rows,
                        lanes,
                        left,
                        right: &b,
                        offsets: &offsets,
                        start: Start::Rows(&bias),
                    };
                    let pitch = lanes + 2;
                    let mut c = vec![7.0; rows * pitch];
                    product.run(isa, &mut c, pitch);
                    product.start = Start::Accumulate;
                    product.run_parallel(isa, &mut c, pitch);
                    for (i, row) in c.chunks(pitch).enumerate() {
                        for (j, value) in row.iter().enumerate() {
                            let twice = 2.0 * expected(0.0, i, j.min(lanes - 1)) + bias[i];
                            let right = if j < lanes { twice } else { 7.0 };
                            assert_eq!(*value, right, "{isa:?} {rows}×{lanes}×{depth} at {i},{j}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn reading_past_the_end_is_refused() {
        let product = Product {
            rows: 1,
            lanes: 4,
            left: Left::Strided {
                data: &[1.0; 2],
                step: 1,
                row: 1,
            },
            right: &[1.0; 7],
            offsets: &Offsets::regular(2, 4),
            start: Start::Zero,
        };
        product.run(Isa::Portable, &mut [0.0; 4], 4);
    }
}
