//! A square window that slides over a side.

#[derive(Clone, Copy)]
pub(super) struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Window {
    /// Pairs of (place in the window, place on the side) of the window number `at`.
    pub fn places(self, at: usize, side: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
        let place = move |k: usize| {
            (at * self.stride + k)
                .checked_sub(self.padding)
                .filter(|p| *p < side)
                .map(|p| (k, p))
        };
        (0..self.kernel).filter_map(place)
    }
}
