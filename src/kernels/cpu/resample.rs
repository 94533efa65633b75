//! Weightless sums of pixels, an image at a time.

use rayon::prelude::*;

use crate::kernels::shape::ResampleShape;

/// **Shape** x `[images, …input]`, y `[images, …output]`, overwritten.
///
/// # Panics
/// When a slice's length is not the shape's.
pub(crate) fn forward(shape: &ResampleShape, x: &[f32], y: &mut [f32]) {
    let sizes = check(shape, x, y);
    let images = y.par_chunks_mut(sizes.1).zip(x.par_chunks(sizes.0));
    images.for_each(|(y, x)| {
        y.fill(0.0);
        each(shape, |from, to, weight| y[to] += x[from] * weight);
    });
}

/// The gradient's way back, overwriting `dx`.
///
/// # Panics
/// When a slice's length is not the shape's.
pub(crate) fn backward(shape: &ResampleShape, dy: &[f32], dx: &mut [f32]) {
    let sizes = check(shape, dx, dy);
    let images = dx.par_chunks_mut(sizes.0).zip(dy.par_chunks(sizes.1));
    images.for_each(|(dx, dy)| {
        dx.fill(0.0);
        each(shape, |from, to, weight| dx[from] += dy[to] * weight);
    });
}

/// Numbers of an image, in and out.
fn check(shape: &ResampleShape, x: &[f32], y: &[f32]) -> (usize, usize) {
    let (channels, height, width) = shape.output();
    let sizes = (
        shape.channels * shape.height * shape.width,
        channels * height * width,
    );
    assert!(sizes.0 > 0 && x.len().is_multiple_of(sizes.0));
    assert_eq!(x.len() / sizes.0 * sizes.1, y.len());
    sizes
}

/// Calls `term(index in x, index in y, weight)` for every term of an image's sums.
fn each(shape: &ResampleShape, mut term: impl FnMut(usize, usize, f32)) {
    let (_, height, width) = shape.output();
    let (area, out_area) = (shape.height * shape.width, height * width);
    for channel in 0..shape.channels {
        let (from, to) = (
            channel * area,
            (channel + shape.channels_before()) * out_area,
        );
        shape.pairs(|x, y, weight| term(from + x, to + y, weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.nn.AdaptiveAvgPool2d(2)` of 0, 1, … 14 in 3 rows of 5; and its gradient for ones.
    #[test]
    fn adaptive_windows_overlap_as_in_torch() {
        let shape = ResampleShape::adaptive((1, 3, 5), 2);
        let x: Vec<f32> = (0..15u8).map(f32::from).collect();
        let mut y = [f32::NAN; 4];
        forward(&shape, &x, &mut y);
        for (found, want) in y.iter().zip([3.5, 5.5, 8.5, 10.5]) {
            assert!((found - want).abs() < 1e-6, "{y:?}");
        }
        let mut dx = [f32::NAN; 15];
        backward(&shape, &[1.0; 4], &mut dx);
        let share = 1.0 / 6.0;
        for (i, slot) in dx.iter().enumerate() {
            let (rows, columns) = (
                if i / 5 == 1 { 2.0 } else { 1.0 },
                if i % 5 == 2 { 2.0 } else { 1.0 },
            );
            let want: f32 = rows * columns * share;
            assert!((slot - want).abs() < 1e-6, "{dx:?}");
        }
    }

    #[test]
    fn a_grid_finer_than_the_map_repeats_its_pixels() {
        let shape = ResampleShape::adaptive((2, 1, 1), 3);
        let mut y = [f32::NAN; 18];
        forward(&shape, &[1.0, 2.0], &mut y);
        assert!(y[..9].iter().all(|v| *v == 1.0) && y[9..].iter().all(|v| *v == 2.0));
    }

    #[test]
    fn every_second_pixel_between_channels_of_zeros() {
        let shape = ResampleShape::subsample((1, 3, 3), 3, 2);
        let x: Vec<f32> = (1..=18u8).map(f32::from).collect();
        let mut y = [f32::NAN; 24];
        forward(&shape, &x, &mut y);
        let zeros = [0.0; 4];
        assert_eq!(y[..12], [zeros, [1.0, 3.0, 7.0, 9.0], zeros].concat());
        assert_eq!(y[16..20], [10.0, 12.0, 16.0, 18.0]);
        let mut dx = [f32::NAN; 18];
        backward(&shape, &y, &mut dx);
        assert_eq!(dx[..9], [1.0, 0.0, 3.0, 0.0, 0.0, 0.0, 7.0, 0.0, 9.0]);
    }
}
