//! Sums over images and pixels where the input has few channels: c\[i\]\[j\] += Σ a\[…\]\[i\]\[lane\] ·
//! b\[…\]\[j\]\[lane\].
//!
//! Both operands are read along the lanes, so any number of channels fills the vectors; the lanes are added up at the
//! end, in a fixed order.

use super::{LANES, Segment};
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::pieces::blocks;
use crate::kernels::cpu::simd::{Simd, per_vector};

/// Rows and columns of a register tile.
const ROWS: usize = 4;
const COLUMNS: usize = 6;

/// The operands, both maps in lanes; c is given apart.
pub(super) struct Dot<'a> {
    /// A segment's length counts pixels.
    pub(super) segments: &'a [Segment],
    /// Images in the block; the lanes behind them are not read of a.
    pub(super) images: usize,
    pub(super) a: &'a [f32],
    pub(super) a_step: usize,
    pub(super) b: &'a [f32],
    pub(super) b_step: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Dot<'_> {
    /// Adds one number to each of `columns` of `rows` rows of c, `c_row` apart.
    pub(super) fn run(&self, isa: Isa, c: &mut [f32], c_row: usize) {
        if self.rows == 0 || self.columns == 0 {
            return;
        }
        assert!((self.rows - 1) * c_row + self.columns <= c.len() && self.images <= LANES);
        for s in self.segments {
            let last = (s.len as usize).max(1) - 1;
            assert!(s.a as usize + last * self.a_step + self.rows * LANES <= self.a.len());
            assert!(s.b as usize + last * self.b_step + self.columns * LANES <= self.b.len());
        }
        all_tiles(isa, self, c, c_row);
    }
}

/// Calls a tile of as many rows and columns as asked.
macro_rules! tile_of {
    ($d:expr, $rows:expr, $columns:expr, $a:expr, $b:expr, $c:expr, $c_row:expr; $($r:literal: $($k:literal)*;)*) => {
        match ($rows, $columns) {
            $($(($r, $k) => tile::<V, $r, $k>($d, $a, $b, $c, $c_row),)*)*
            _ => {}
        }
    };
}

per_vector! {
    fn all_tiles<V>(d: &Dot<'_>, c: &mut [f32], c_row: usize) {
        for (column, columns) in blocks(d.columns, COLUMNS) {
            for (row, rows) in blocks(d.rows, ROWS) {
                // SAFETY: rows and columns lie inside the operands, which `run` checked.
                unsafe {
                    let a = d.a.as_ptr().add(row * LANES);
                    let b = d.b.as_ptr().add(column * LANES);
                    let c = c.as_mut_ptr().add(row * c_row + column);
                    tile_of!(d, rows, columns, a, b, c, c_row;
                        1: 1 2 3 4 5 6; 2: 1 2 3 4 5 6; 3: 1 2 3 4 5 6; 4: 1 2 3 4 5 6;);
                }
            }
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn tile<V: Simd, const ROWS: usize, const COLUMNS: usize>(
    d: &Dot<'_>,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    c_row: usize,
) {
    // SAFETY: the caller vouches that the tile lies inside the operands and for the instruction set.
    unsafe {
        let mut sums = [[V::zero(); COLUMNS]; ROWS];
        let full = d.images / V::LANES;
        let rest = d.images % V::LANES;
        let mask = V::mask(rest);
        for segment in d.segments {
            let mut a = a.add(segment.a as usize);
            let mut b = b.add(segment.b as usize);
            for _ in 0..segment.len {
                for v in 0..full {
                    let mut left = [V::zero(); ROWS];
                    for (i, slot) in left.iter_mut().enumerate() {
                        *slot = V::load(a.add(i * LANES + v * V::LANES));
                    }
                    for j in 0..COLUMNS {
                        let right = V::load(b.add(j * LANES + v * V::LANES));
                        for (sums, left) in sums.iter_mut().zip(left) {
                            sums[j] = left.mul_add(right, sums[j]);
                        }
                    }
                }
                if rest > 0 {
                    for j in 0..COLUMNS {
                        let right = V::load_masked(b.add(j * LANES + full * V::LANES), mask);
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let left = V::load_masked(a.add(i * LANES + full * V::LANES), mask);
                            sums[j] = left.mul_add(right, sums[j]);
                        }
                    }
                }
                a = a.add(d.a_step);
                b = b.add(d.b_step);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                *c.add(i * c_row + j) += sum.sum();
            }
        }
    }
}
