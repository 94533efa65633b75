//! Where each pixel of a changed image comes from.

/// Mirrored first, turned in between, moved last.
#[derive(Debug, Default)]
pub(super) struct Pose {
    pub mirrored: bool,
    /// **Units** radians.
    pub angle: f32,
    /// **Units** pixels.
    pub down: isize,
    pub right: isize,
}

impl Pose {
    /// Writes the image as it comes to lie; what comes in from beyond the edge is black.
    ///
    /// **Shape** both `[height, width]`.
    pub(super) fn place(&self, image: &[u8], sides: (usize, usize), out: &mut [u8]) {
        if self.angle == 0.0 {
            self.copy(image, sides, out);
        } else {
            self.turn(image, sides, out);
        }
    }

    fn copy(&self, image: &[u8], (height, width): (usize, usize), out: &mut [u8]) {
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let from = row.checked_add_signed(-self.down).filter(|r| *r < height);
            let Some(from) = from.map(|r| &image[r * width..][..width]) else {
                line.fill(0);
                continue;
            };
            for (column, pixel) in line.iter_mut().enumerate() {
                let at = column.checked_add_signed(-self.right);
                *pixel = at.filter(|at| *at < width).map_or(0, |at| {
                    from[if self.mirrored { width - 1 - at } else { at }]
                });
            }
        }
    }

    /// The same, turned about the middle in between; bilinear.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "coordinates of a image; a mean of bytes is a byte"
    )]
    pub(super) fn turn(&self, image: &[u8], (height, width): (usize, usize), out: &mut [u8]) {
        let (sin, cos) = self.angle.sin_cos();
        let middle = ((height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0);
        let pixel = |row: isize, column: isize| {
            let inside = |at: isize, size: usize| usize::try_from(at).ok().filter(|at| *at < size);
            match (inside(row, height), inside(column, width)) {
                (Some(row), Some(column)) => f32::from(image[row * width + column]),
                _ => 0.0,
            }
        };
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let y = row as f32 - self.down as f32 - middle.0;
            for (column, to) in line.iter_mut().enumerate() {
                let x = column as f32 - self.right as f32 - middle.1;
                let from_row = cos * y - sin * x + middle.0;
                let across = sin * y + cos * x + middle.1;
                let from_column = if self.mirrored {
                    width as f32 - 1.0 - across
                } else {
                    across
                };
                let (top, left) = (from_row.floor(), from_column.floor());
                let (below, beside) = (from_row - top, from_column - left);
                let (top, left) = (top as isize, left as isize);
                let along = |row| pixel(row, left) * (1.0 - beside) + pixel(row, left + 1) * beside;
                let mean = along(top) * (1.0 - below) + along(top + 1) * below;
                *to = mean.round() as u8;
            }
        }
    }
}
