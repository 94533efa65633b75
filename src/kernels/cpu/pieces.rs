//! How work is cut: into pieces for threads, each result computed from its own inputs alone, and into blocks for
//! caches.

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

/// Depth of a block: its part of a tile of b stays in the first-level cache.
pub(super) const BLOCK_DEPTH: usize = 384;

/// Part `index` of `0..total` cut into `parts` of nearly equal size.
pub(in crate::kernels) fn portion(
    total: usize,
    parts: usize,
    index: usize,
) -> std::ops::Range<usize> {
    (total * index / parts)..(total * (index + 1) / parts)
}

/// Rows in as few blocks of at most `most` as possible, nearly equal, as (start, count).
pub(super) fn blocks(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = rows.div_ceil(most);
    (0..parts).map(move |i| {
        let range = portion(rows, parts, i);
        (range.start, range.len())
    })
}
