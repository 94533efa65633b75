//! The inside of the matrix product: blocks for the caches, tiles for the registers, on raw pointers.
//!
//! Deliberately checks nothing: `gemm` does, and is the only caller.

use super::isa::Isa;
use super::pieces::{BLOCK_DEPTH, blocks, portion};
use super::simd::{Portable, Simd};

/// A checked product as pointers.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) rows: usize,
    pub(super) lanes: usize,
    pub(super) depth: usize,
    pub(super) a: *const f32,
    /// Distance from one depth to the next; of a packed left side the whole depth.
    pub(super) a_step: usize,
    /// Distance from one row to the next; of a packed left side the depth to start at.
    pub(super) a_row: usize,
    pub(super) packed: bool,
    pub(super) b: *const f32,
    pub(super) offsets: *const usize,
    pub(super) start: From,
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
}

/// `Start` as pointers.
#[derive(Clone, Copy)]
pub(super) enum From {
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
    pub(super) unsafe fn part(
        &self,
        rows: std::ops::Range<usize>,
        lanes: std::ops::Range<usize>,
    ) -> Self {
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

    pub(super) unsafe fn run(&self, isa: Isa) {
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
pub(super) fn tile_rows(isa: Isa) -> usize {
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
                tile_of!(rows, V, 2, false, true, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            }
            (true, _, false) => {
                tile_of!(rows, V, 2, false, false, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            }
            (_, true, true) => {
                tile_of!(rows, V, 2, true, true, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            }
            (_, true, false) => {
                tile_of!(rows, V, 2, true, false, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            }
            (_, _, true) => {
                tile_of!(rows, V, 1, true, true, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            }
            (_, _, false) => {
                tile_of!(rows, V, 1, true, false, &tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
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
