//! All parameters in one row, with their gradients and what the optimizer keeps of them; measured and updated in
//! pieces.

use std::ops::Range;

use super::{Rule, Settings};
use crate::kernels::cpu::optimizer::{clip_factor, ema_here, squared_norm_here, update_here};
use crate::kernels::cpu::portion;
use crate::kernels::memory::Memory;

/// Numbers of a piece: a quarter of a second-level cache for four operands.
const PIECE: usize = 1 << 13;

/// Parameters and their companions, all of one length.
pub(super) struct Flat {
    pub(super) parameters: Memory,
    pub(super) gradients: Memory,
    pub(super) kept: [Option<Memory>; 2],
    pub(super) average: Option<Memory>,
    /// The squared norm of every piece's gradients.
    squares: Vec<f64>,
}

impl Flat {
    pub(super) fn new(len: usize, keeps: [bool; 2], averages: bool) -> Self {
        Self {
            parameters: Memory::new(len),
            gradients: Memory::new(len),
            kept: keeps.map(|keep| keep.then(|| Memory::new(len))),
            average: averages.then(|| Memory::new(len)),
            squares: vec![0.0; len.div_ceil(PIECE)],
        }
    }

    /// The norm of the last measured gradients.
    pub(super) fn norm(&self) -> f64 {
        self.squares.iter().sum::<f64>().sqrt()
    }

    /// For all members of a team at once.
    pub(super) fn share(&mut self) -> FlatParts {
        let start = |v: &mut Option<Memory>| v.as_mut().map(Memory::start);
        let [first, second] = &mut self.kept;
        FlatParts {
            len: self.parameters.len(),
            parameters: self.parameters.start(),
            gradients: self.gradients.start(),
            kept: [start(first), start(second)],
            average: start(&mut self.average),
            squares: self.squares.as_mut_ptr(),
        }
    }
}

/// [`Flat`] as pointers: members work on different pieces.
pub(super) struct FlatParts {
    pub(super) len: usize,
    pub(super) parameters: *mut f32,
    pub(super) gradients: *mut f32,
    kept: [Option<*mut f32>; 2],
    average: Option<*mut f32>,
    squares: *mut f64,
}

// SAFETY: a piece is one member's, and the borrow the pointers come from outlives the members' work.
unsafe impl Sync for FlatParts {}

impl FlatParts {
    fn pieces(&self) -> usize {
        self.len.div_ceil(PIECE)
    }

    /// Measures the gradients of a member's pieces: always the same ones, which stay in its cache.
    ///
    /// # Safety
    /// The gradients are complete, and nobody writes them.
    pub(super) unsafe fn measure(&self, member: usize, members: usize) {
        for piece in portion(self.pieces(), members, member) {
            let start = piece * PIECE;
            let len = PIECE.min(self.len - start);
            // SAFETY: the piece lies inside; its square is this member's to write.
            unsafe {
                let gradients = std::slice::from_raw_parts(self.gradients.add(start), len);
                *self.squares.add(piece) = squared_norm_here(gradients);
            }
        }
    }

    /// Updates a member's pieces, unless the gradient is not finite.
    ///
    /// # Safety
    /// All pieces are measured, and nobody reads or writes parameters otherwise.
    pub(super) unsafe fn update(&self, settings: &Settings<'_>, member: usize, members: usize) {
        // SAFETY: all squares were written before the barrier behind `measure`.
        let squares = unsafe { std::slice::from_raw_parts(self.squares, self.pieces()) };
        let norm = squares.iter().sum::<f64>().sqrt();
        if !norm.is_finite() {
            return;
        }
        let clip = clip_factor(norm, settings.clip);
        for piece in portion(self.pieces(), members, member) {
            let start = piece * PIECE;
            let end = self.len.min(start + PIECE);
            for (stretch, factor) in stretches(settings.rates, start..end) {
                let rule = settings.rule.scaled(clip, factor);
                // SAFETY: the stretch lies inside every array, and is this member's alone.
                unsafe { self.update_stretch(&rule, settings.average_decay, stretch) };
            }
        }
    }

    /// # Safety
    /// The stretch lies inside, and nobody else reads or writes its parameters.
    unsafe fn update_stretch(&self, rule: &Rule, average_decay: f64, stretch: Range<usize>) {
        let (start, len) = (stretch.start, stretch.len());
        // SAFETY: the caller's promise; all arrays are of one length.
        unsafe {
            let part = |p: *mut f32| std::slice::from_raw_parts_mut(p.add(start), len);
            let parameters = part(self.parameters);
            let gradients = std::slice::from_raw_parts(self.gradients.add(start), len);
            let [first, second] = self.kept.map(|kept| kept.map(part));
            update_here(rule, parameters, gradients, first, second);
            if let Some(average) = self.average {
                ema_here(average_decay, part(average), parameters);
            }
        }
    }
}

/// Cuts a range where the factor on the learning rate changes.
fn stretches(
    rates: &[(usize, f64)],
    range: Range<usize>,
) -> impl Iterator<Item = (Range<usize>, f64)> {
    let first = rates.partition_point(|(start, _)| *start <= range.start);
    let before = first.checked_sub(1).map_or(1.0, |i| rates[i].1);
    let inside = rates[first..]
        .iter()
        .copied()
        .take_while(move |(start, _)| *start < range.end);
    let starts = std::iter::once((range.start, before)).chain(inside);
    let ends = rates[first..]
        .iter()
        .map(|(start, _)| *start)
        .chain(std::iter::once(range.end))
        .map(move |end| end.min(range.end));
    starts
        .zip(ends)
        .map(|((start, factor), end)| (start..end, factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_where_the_factor_changes() {
        let rates = [(0, 0.5), (10, 1.0), (16, 0.1)];
        let cut = |rates: &[(usize, f64)], range| stretches(rates, range).collect::<Vec<_>>();
        assert_eq!(cut(&[], 3..9), [(3..9, 1.0)]);
        assert_eq!(cut(&rates, 2..8), [(2..8, 0.5)]);
        assert_eq!(cut(&rates, 10..12), [(10..12, 1.0)]);
        assert_eq!(
            cut(&rates, 8..20),
            [(8..10, 0.5), (10..16, 1.0), (16..20, 0.1)]
        );
        assert_eq!(cut(&rates[1..], 0..11), [(0..10, 1.0), (10..11, 1.0)]);
    }
}
