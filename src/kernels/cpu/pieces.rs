//! Splitting elementwise work among threads: pieces of fixed size, each result computed from its own inputs alone.

use rayon::prelude::*;

/// Numbers of a piece: a quarter of a second-level cache for three operands. A multiple of every vector's lanes.
pub(super) const PIECE: usize = 1 << 14;

/// Calls `work(start, piece)` for every piece of `out`, in parallel where there are several.
pub(super) fn for_each<T: Send>(out: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() <= PIECE {
        work(0, out);
        return;
    }
    out.par_chunks_mut(PIECE)
        .enumerate()
        .for_each(|(index, piece)| work(index * PIECE, piece));
}

/// Items of `size` numbers that make a piece, for work that goes item by item (planes, rows).
pub(super) fn items(size: usize) -> usize {
    (PIECE / size.max(1)).max(1)
}
