//! Small copies of the images in the grid: a photo is decoded and shrunk once, however often it is drawn.

use std::collections::HashMap;

use crate::data::Dataset;
use crate::data::channels::Conversion;
use crate::data::statistics::{PixelStatistics, channel_names};

/// The longest side of a copy, about; the largest tile is 36 columns wide. **Units** pixels.
const LONGEST: usize = 96;

/// What all copies may take. **Units** bytes.
const KEPT: usize = 32 << 20;

/// A copy of an image.
pub(super) struct Thumbnail {
    /// **Shape** `[channels, height, width]`, with the channels of the conversion.
    pub pixels: Vec<u8>,
    /// Height and width.
    pub size: (usize, usize),
    /// Means of the image itself, for people.
    pub means: String,
}

/// The copies that were made of a set's images.
#[derive(Default)]
pub(super) struct Thumbnails {
    /// What was done to them.
    conversion: Option<Conversion>,
    /// By pooled index, or why there is none.
    made: HashMap<usize, Result<Thumbnail, String>>,
    /// Of their pixels.
    bytes: usize,
}

impl Thumbnails {
    /// Forgets them: another set is shown.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The copy of an image, or why it cannot be read.
    pub(super) fn get(
        &mut self,
        dataset: &Dataset,
        index: usize,
        conversion: Conversion,
    ) -> &Result<Thumbnail, String> {
        if self.conversion != Some(conversion) || self.bytes > KEPT {
            self.clear();
            self.conversion = Some(conversion);
        }
        let bytes = &mut self.bytes;
        self.made.entry(index).or_insert_with(|| {
            let made = Thumbnail::new(dataset, index, conversion);
            *bytes += made.as_ref().map_or(0, |made| made.pixels.len());
            made
        })
    }
}

impl Thumbnail {
    fn new(dataset: &Dataset, index: usize, conversion: Conversion) -> Result<Self, String> {
        let mut pixels = dataset.image(index).map_err(|e| e.to_string())?;
        let means = means_of(&pixels, dataset.channels);
        conversion.apply(&mut pixels);
        let size = dataset.size(index);
        let by = size.0.max(size.1).div_ceil(LONGEST).max(1);
        if by == 1 {
            return Ok(Self {
                pixels,
                size,
                means,
            });
        }
        let (pixels, size) = shrunk(&pixels, size, by);
        Ok(Self {
            pixels,
            size,
            means,
        })
    }
}

/// The means of squares of `by` pixels, in every channel; less than a square at the end is left out.
fn shrunk(image: &[u8], (height, width): (usize, usize), by: usize) -> (Vec<u8>, (usize, usize)) {
    let new = ((height / by).max(1), (width / by).max(1));
    let (down, across) = (by.min(height), by.min(width));
    let half = down * across / 2;
    let mut out = Vec::with_capacity(image.len() / (down * across));
    for plane in image.chunks_exact(height * width) {
        for y in 0..new.0 {
            let rows = &plane[y * down * width..(y + 1) * down * width];
            for x in 0..new.1 {
                let part = |row: &[u8]| {
                    let values = &row[x * across..(x + 1) * across];
                    values
                        .iter()
                        .map(|value| usize::from(*value))
                        .sum::<usize>()
                };
                let sum: usize = rows.chunks_exact(width).map(part).sum();
                let mean = (sum + half) / (down * across);
                out.push(u8::try_from(mean).unwrap_or(u8::MAX));
            }
        }
    }
    (out, new)
}

/// `0.286 ± 0.353` of a grey image; the mean of each channel of one in colours.
fn means_of(image: &[u8], channels: usize) -> String {
    let figures = PixelStatistics::of_channels(image, channels);
    if let [grey] = figures[..] {
        return format!("{:.3} ± {:.3}", grey.mean, grey.std);
    }
    let named = channel_names(channels).iter().zip(figures);
    let named: Vec<String> = named.map(|(n, f)| format!("{n} {:.3}", f.mean)).collect();
    named.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Background;
    use crate::tui::tabs::testing;

    #[test]
    fn squares_become_their_mean() {
        let image = [[10, 20, 30, 40, 9], [12, 22, 30, 41, 9]].concat();
        assert_eq!(shrunk(&image, (2, 5), 2), (vec![16, 35], (1, 2)));
        let two = [vec![7; 300], vec![9; 300]].concat();
        assert_eq!(
            shrunk(&two, (1, 300), 100),
            (vec![7, 7, 7, 9, 9, 9], (1, 3))
        );
        assert_eq!(shrunk(&two, (300, 1), 150), (vec![7, 7, 9, 9], (2, 1)));
    }

    #[test]
    fn a_photo_is_shrunk_once_and_a_small_image_is_itself() {
        let dataset = testing::colored(4, &[(16, 16), (400, 200)]);
        let conversion = |background| Conversion::new(4, 3, background);
        let mut thumbnails = Thumbnails::default();
        let mut get = |index, background| {
            let made = thumbnails.get(&dataset, index, conversion(background));
            let made = made.as_ref().unwrap();
            (made.size, made.pixels[0])
        };
        assert_eq!(get(0, Background::White), ((16, 16), 255));
        assert_eq!(get(1, Background::White).0, (80, 40));
        // Over another background they are others.
        assert_eq!(get(0, Background::Black), ((16, 16), 0));
        assert_eq!(thumbnails.made.len(), 1);
    }
}
