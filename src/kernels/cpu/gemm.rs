//! The matrix product under convolutions and linear layers: c\[i\]\[j\] = Σ\_p a\[p\]\[i\] · b\[offsets\[p\] + j\].
//!
//! Rows of b lie wherever an offset says, so a convolution's shifted views of an image are rows without being copied.
//! Each result is one chain of multiply-adds in the order of p (in blocks of fixed depth), whatever tile or thread it
//! falls to. Deliberately knows nothing of layers.

use super::isa::Isa;
use super::pieces::{blocks, portion};
use super::tile::{From, Job, tile_lanes, tile_rows};
use rayon::prelude::*;

/// Multiply-adds below which a product isn't worth splitting among threads.
const PARALLEL_WORK: usize = 1 << 18;

/// The left matrix, `depth × rows`.
#[derive(Clone, Copy)]
pub(super) enum Lhs<'a> {
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
    pub(super) left: Lhs<'a>,
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
        if wanted < 2 || matches!(self.left, Lhs::Packed(..)) {
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
            Lhs::Packed(packed, from) => {
                assert!(packed.rows == rows && from + depth <= packed.depth);
                (packed.data.as_slice(), packed.depth, from)
            }
            Lhs::Strided { data, step, row } => {
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
            packed: matches!(self.left, Lhs::Packed(..)),
            b: self.right.as_ptr(),
            offsets: self.offsets.starts.as_ptr(),
            start,
            c: c.as_mut_ptr(),
            c_row,
        })
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
                let strided = Lhs::Strided {
                    data: &a,
                    step: rows,
                    row: 1,
                };
                for left in [Lhs::Packed(&packed, 0), strided] {
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
            left: Lhs::Strided {
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
