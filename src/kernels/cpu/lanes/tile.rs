//! The product under every convolution and linear layer: c\[i\]\[j\] = Σ a\[…\]\[i\] · b\[…\]\[j\], the depth in
//! segments.
//!
//! A register tile keeps its sums over the whole depth, so a result is one chain of multiply-adds whatever its tile.

use super::Segment;
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::pieces::blocks;
use crate::kernels::cpu::simd::{Simd, per_vector};

/// A product's operands; c is given apart.
pub(super) struct Product<'a> {
    pub(super) segments: &'a [Segment],
    /// Depth taken of a segment at most.
    pub(super) limit: usize,
    /// One number a row and depth: rows `a_row` apart, depths `a_step` apart; one of the two is 1.
    pub(super) a: &'a [f32],
    pub(super) a_row: usize,
    pub(super) a_step: usize,
    /// `lanes` neighbouring numbers a depth, depths `b_step` apart.
    pub(super) b: &'a [f32],
    pub(super) b_step: usize,
    pub(super) rows: usize,
    pub(super) lanes: usize,
    /// Whether the sums are added to what c holds.
    pub(super) add: bool,
}

impl Product<'_> {
    /// Writes `lanes` numbers into each of `rows` rows of c, `c_row` apart.
    pub(super) fn run(&self, isa: Isa, c: &mut [f32], c_row: usize) {
        if self.rows == 0 || self.lanes == 0 {
            return;
        }
        assert!(self.a_row == 1 || self.a_step == 1);
        assert!((self.rows - 1) * c_row + self.lanes <= c.len());
        let (a, b) = (self.a.len(), self.b.len());
        for s in self.segments {
            let last = (s.len as usize).min(self.limit).max(1) - 1;
            assert!(s.a as usize + last * self.a_step + (self.rows - 1) * self.a_row < a);
            assert!(s.b as usize + last * self.b_step + self.lanes <= b);
        }
        all_tiles(isa, self, c, c_row);
    }
}

/// One register tile's operands.
struct Tile<'a> {
    segments: &'a [Segment],
    limit: usize,
    a: *const f32,
    a_row: usize,
    a_step: usize,
    b: *const f32,
    b_step: usize,
    c: *mut f32,
    c_row: usize,
    /// Lanes of the last vector.
    lanes: usize,
    add: bool,
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
    ($rows:expr, $vector:ty, $vectors:literal, $part:literal, $unit:expr, $tile:expr) => {
        if $unit {
            tile_of!($rows, $vector, $vectors, $part, true, $tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
        } else {
            tile_of!($rows, $vector, $vectors, $part, false, $tile; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
        }
    };
}

per_vector! {
    fn all_tiles<V>(p: &Product<'_>, c: &mut [f32], c_row: usize) {
        for (row, rows) in blocks(p.rows, V::ROWS) {
            for lane in (0..p.lanes).step_by(2 * V::LANES) {
                let left = p.lanes - lane;
                // SAFETY: rows and lanes lie inside the product, which `run` checked.
                unsafe {
                    let tile = Tile {
                        segments: p.segments,
                        limit: p.limit,
                        a: p.a.as_ptr().add(row * p.a_row),
                        a_row: p.a_row,
                        a_step: p.a_step,
                        b: p.b.as_ptr().add(lane),
                        b_step: p.b_step,
                        c: c.as_mut_ptr().add(row * c_row + lane),
                        c_row,
                        lanes: if left > V::LANES {
                            left - V::LANES
                        } else {
                            left
                        },
                        add: p.add,
                    };
                    // Rows that are neighbours in memory, or depths that are.
                    let unit = p.a_row == 1;
                    if left >= 2 * V::LANES {
                        tile_of!(rows, V, 2, false, unit, &tile);
                    } else if left > V::LANES {
                        tile_of!(rows, V, 2, true, unit, &tile);
                    } else {
                        tile_of!(rows, V, 1, true, unit, &tile);
                    }
                }
            }
        }
    }
}

/// `ROWS × VECTORS` vectors of sums. `PART`: the last vector may not be full. `UNIT`: rows of a are neighbours.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
unsafe fn tile<
    V: Simd,
    const ROWS: usize,
    const VECTORS: usize,
    const PART: bool,
    const UNIT: bool,
>(
    t: &Tile<'_>,
) {
    // SAFETY: the caller vouches that the tile lies inside its product and for the instruction set.
    unsafe {
        let mask = V::mask(if PART { t.lanes } else { V::LANES });
        let row = if UNIT { 1 } else { t.a_row };
        let step = if UNIT { t.a_step } else { 1 };
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        for segment in t.segments {
            let mut a = t.a.add(segment.a as usize);
            let mut b = t.b.add(segment.b as usize);
            for _ in 0..(segment.len as usize).min(t.limit) {
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
                a = a.add(step);
                b = b.add(t.b_step);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let to = t.c.add(i * t.c_row + v * V::LANES);
                let part = PART && v + 1 == VECTORS;
                let sum = match (t.add, part) {
                    (false, _) => *sum,
                    (true, true) => sum.add(V::load_masked(to, mask)),
                    (true, false) => sum.add(V::load(to)),
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
