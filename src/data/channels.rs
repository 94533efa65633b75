//! From the channels that an image has in its files to those that the network gets.

use super::Dataset;
use crate::error::Result;
use crate::profile::Background;

/// Weights of red, green and blue in grey (ITU-R BT.601, as PIL's mode "L"), in 1/65536.
const LUMA: [u32; 3] = [19_595, 38_470, 7_471];

/// What is done to an image before all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// 1, 3 or 4, as the images have.
    pub from: usize,
    /// 1 or 3; of one of them the network may still get three copies.
    pub to: usize,
    /// What is laid under images that are not opaque, in every channel.
    pub under: u8,
}

impl Conversion {
    /// For a network of this many channels. Grey stays one plane.
    #[must_use]
    pub fn new(from: usize, channels: usize, background: Background) -> Self {
        let to = if from == 1 { 1 } else { channels.min(3) };
        let under = background.value();
        Self { from, to, under }
    }

    /// Whether images lose their colours.
    #[must_use]
    pub fn loses_colours(self) -> bool {
        self.from > 1 && self.to == 1
    }

    /// Converts in place: what is not opaque is laid over the background, then colours become grey where that is asked.
    ///
    /// **Shape** `[from, area]` before, `[to, area]` after.
    pub fn apply(self, image: &mut Vec<u8>) {
        if self.from == self.to {
            return;
        }
        let area = image.len() / self.from;
        if self.from == 4 {
            let (colours, opacity) = image.split_at_mut(3 * area);
            for plane in colours.chunks_exact_mut(area.max(1)) {
                for (value, opacity) in plane.iter_mut().zip(&*opacity) {
                    *value = over(self.under, *value, *opacity);
                }
            }
        }
        if self.to == 1 {
            for pixel in 0..area {
                let of = |channel: usize| LUMA[channel] * u32::from(image[channel * area + pixel]);
                let sum = of(0) + of(1) + of(2) + (1 << 15);
                image[pixel] = u8::try_from(sum >> 16).unwrap_or(u8::MAX);
            }
        }
        image.truncate(self.to * area);
    }

    /// The converted image of this pooled index.
    ///
    /// **Shape** `[to, height, width]` u8.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub fn image(self, dataset: &Dataset, index: u32) -> Result<Vec<u8>> {
        let mut image = dataset.image(index as usize)?;
        self.apply(&mut image);
        Ok(image)
    }
}

fn over(under: u8, value: u8, opacity: u8) -> u8 {
    let [under, value, opacity] = [under, value, opacity].map(u32::from);
    let sum = value * opacity + under * (255 - opacity);
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// [Image.new("RGB", (1, 1), c).convert("L").getpixel((0, 0)) for c in colours]
    /// ```
    #[test]
    fn grey_is_pils() {
        let colours = [
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([255, 255, 255], 255),
            ([12, 200, 99], 132),
            ([1, 2, 3], 2),
        ];
        let plane = |channel: usize| colours.iter().map(move |(c, _)| c[channel]);
        let mut image: Vec<u8> = (0..3).flat_map(plane).collect();
        Conversion::new(3, 1, Background::White).apply(&mut image);
        assert_eq!(image, colours.map(|(_, grey)| grey));
    }

    #[test]
    fn what_is_transparent_shows_the_background() {
        let image = vec![10, 10, 10, 20, 20, 20, 30, 30, 30, 0, 255, 128];
        let mut dark = image.clone();
        Conversion::new(4, 3, Background::Black).apply(&mut dark);
        assert_eq!(dark, [0, 10, 5, 0, 20, 10, 0, 30, 15]);
        let mut colours = image.clone();
        Conversion::new(4, 3, Background::White).apply(&mut colours);
        assert_eq!(colours, [255, 10, 132, 255, 20, 137, 255, 30, 142]);
        let mut grey = image;
        Conversion::new(4, 1, Background::White).apply(&mut grey);
        assert_eq!((grey.len(), grey[0]), (3, 255));
        for (from, channels, to) in [(1, 1, 1), (1, 3, 1), (3, 3, 3), (3, 1, 1), (4, 3, 3)] {
            assert_eq!(Conversion::new(from, channels, Background::White).to, to);
        }
    }
}
