//! An image file's bytes become pixels: PNG, JPEG, WebP, BMP and the first frame of a GIF, whatever the file is called.
//!
//! Memory is bounded before it is taken. Says what is wrong in words that follow the file's name.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

/// Extensions of files that are taken for images, in lower case.
const EXTENSIONS: [(&str, ImageFormat); 7] = [
    ("png", ImageFormat::Png),
    ("jpg", ImageFormat::Jpeg),
    ("jpeg", ImageFormat::Jpeg),
    ("jpe", ImageFormat::Jpeg),
    ("webp", ImageFormat::WebP),
    ("bmp", ImageFormat::Bmp),
    ("gif", ImageFormat::Gif),
];

/// The longest side. **Units** pixels.
const LONGEST_SIDE: u32 = 65_535;

/// What any image may take decoded, such as a photo of 80 megapixels, and how many times its file's size a larger one.
/// **Units** bytes.
const SMALL: u64 = 256 << 20;
const RATIO: u64 = 50;
const LARGEST: u64 = 1 << 30;

/// The largest file that is read. **Units** bytes.
pub(crate) const LARGEST_FILE: u64 = 256 << 20;

/// An image as it is in its file, turned as its EXIF data says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// 1 (grey), 3 (red, green, blue) or 4 (and opacity).
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// **Shape** `[channels, height, width]` u8.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// The same image in as many channels or more: grey is repeated, and what has no opacity is opaque.
    #[must_use]
    pub(crate) fn widened(mut self, channels: usize) -> Self {
        let area = self.height * self.width;
        if self.channels == 1 && channels > 1 {
            self.pixels = self.pixels.repeat(3);
            self.channels = 3;
        }
        if self.channels == 3 && channels == 4 {
            self.pixels.resize(4 * area, u8::MAX);
            self.channels = 4;
        }
        self
    }
}

/// Whether a file is taken for an image by its name.
#[must_use]
pub(crate) fn is_image_name(name: &str) -> bool {
    of_name(name).is_some()
}

/// What a file that has this name should be, and is not: `Some("a JPEG")` for a JPEG called `a.png`.
#[must_use]
pub(crate) fn is_misnamed(name: &str, bytes: &[u8]) -> Option<&'static str> {
    let real = image::guess_format(bytes).ok()?;
    (of_name(name)? != real).then(|| told(real))
}

fn of_name(name: &str) -> Option<ImageFormat> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    let known = EXTENSIONS.iter().find(|(own, _)| *own == extension);
    known.map(|(_, format)| *format)
}

fn told(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "a PNG",
        ImageFormat::Jpeg => "a JPEG",
        ImageFormat::WebP => "a WebP",
        ImageFormat::Bmp => "a BMP",
        ImageFormat::Gif => "a GIF",
        _ => "another kind of file",
    }
}

/// Decodes an image file.
///
/// # Errors
/// What is wrong with it: `is truncated`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Picture, String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|e| format!("cannot be read: {e}"))?;
    let format = reader.format();
    let Some(format) = format.filter(|f| EXTENSIONS.iter().any(|(_, own)| own == f)) else {
        return Err("is not a PNG, JPEG, WebP, BMP or GIF".into());
    };
    // Its decoder fills the rest of a cut file with grey.
    if format == ImageFormat::Jpeg && !ends(bytes) {
        return Err("is truncated: the end of the JPEG is missing".into());
    }
    let most = (RATIO * bytes.len() as u64).clamp(SMALL, LARGEST);
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(2 * most);
    reader.limits(limits);
    let broken = |error: ImageError| fault(format, &error);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > most {
        return Err(format!(
            "has {width} × {height} pixels, too many for a file of its size"
        ));
    }
    if width == 0 || height == 0 {
        return Err("has no pixels".into());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(orientation);
    Ok(planes(image))
}

/// Planes of 8 bits, one behind the other.
fn planes(image: DynamicImage) -> Picture {
    let (height, width) = (image.height() as usize, image.width() as usize);
    let color = image.color();
    let (channels, pixels) = match (color.has_color(), color.has_alpha()) {
        (_, true) => (4, split::<4>(image.into_rgba8().as_raw())),
        (true, false) => (3, split::<3>(image.into_rgb8().as_raw())),
        (false, false) => (1, image.into_luma8().into_raw()),
    };
    Picture {
        channels,
        height,
        width,
        pixels,
    }
}

/// All first values, then all second ones, and so on.
fn split<const CHANNELS: usize>(mixed: &[u8]) -> Vec<u8> {
    let (mixed, _) = mixed.as_chunks::<CHANNELS>();
    let mut planes = vec![0; CHANNELS * mixed.len()];
    for (channel, plane) in planes.chunks_exact_mut(mixed.len().max(1)).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(mixed) {
            *value = pixel[channel];
        }
    }
    planes
}

fn fault(format: ImageFormat, error: &ImageError) -> String {
    match error {
        ImageError::Limits(_) => "has more pixels than a file of its size may have".into(),
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            "is truncated".into()
        }
        other => {
            let words = other.to_string();
            if words.contains("end of file") || words.contains("EOF") {
                return "is truncated".into();
            }
            format!("is {} that is damaged", told(format))
        }
    }
}

/// Whether a JPEG's data goes on to the marker that ends it.
fn ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    // From marker to marker, up to the first scan; what is embedded in a segment ends nothing.
    loop {
        while bytes.get(at) == Some(&0xff) && bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let (Some(0xff), Some(marker)) = (bytes.get(at), bytes.get(at + 1)) else {
            return false;
        };
        if *marker == 0xd9 {
            return true;
        }
        let (Some(high), Some(low)) = (bytes.get(at + 2), bytes.get(at + 3)) else {
            return false;
        };
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
        if *marker == 0xda {
            break;
        }
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.windows(2).any(|pair| pair == [0xff, 0xd9])
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder, codecs};

    use super::*;

    /// Colours that change from pixel to pixel.
    fn mixed(width: u32, height: u32, channels: u32) -> Vec<u8> {
        let value = |at: u32| u8::try_from((at * 37 + at / 7) % 256).unwrap();
        (0..width * height * channels).map(value).collect()
    }

    fn png(width: u32, height: u32, kind: image::ExtendedColorType, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let encoder = codecs::png::PngEncoder::new(&mut out);
        encoder.write_image(bytes, width, height, kind).unwrap();
        out
    }

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let encoder = codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 95);
        let bytes = mixed(width, height, 3);
        let kind = image::ExtendedColorType::Rgb8;
        encoder.write_image(&bytes, width, height, kind).unwrap();
        out
    }

    #[test]
    fn colours_become_planes() {
        let bytes = mixed(5, 3, 3);
        let picture = decode(&png(5, 3, image::ExtendedColorType::Rgb8, &bytes)).unwrap();
        assert_eq!((picture.channels, picture.height, picture.width), (3, 3, 5));
        for (at, value) in bytes.iter().enumerate() {
            assert_eq!(picture.pixels[at % 3 * 15 + at / 3], *value);
        }
        let grey = decode(&png(5, 3, image::ExtendedColorType::L8, &bytes[..15])).unwrap();
        assert_eq!((grey.channels, &grey.pixels[..]), (1, &bytes[..15]));
        let wide = grey.widened(4);
        assert_eq!((wide.channels, wide.pixels.len()), (4, 60));
        assert_eq!(wide.pixels[..15], wide.pixels[30..45]);
        assert!(wide.pixels[45..].iter().all(|opacity| *opacity == 255));
        let deep: Vec<u8> = [0_u16, 257, 65_535, 128].map(u16::to_ne_bytes).concat();
        let deep = decode(&png(2, 2, image::ExtendedColorType::L16, &deep)).unwrap();
        assert_eq!(deep.pixels, [0, 1, 255, 0]);
    }

    #[test]
    fn every_kind_of_file_is_read() {
        let bytes = mixed(8, 6, 3);
        let kind = image::ExtendedColorType::Rgb8;
        let mut files = vec![jpeg(8, 6)];
        for write in [
            |out: &mut Vec<u8>, bytes: &[u8], kind| {
                codecs::webp::WebPEncoder::new_lossless(out).write_image(bytes, 8, 6, kind)
            },
            |out: &mut Vec<u8>, bytes: &[u8], kind| {
                codecs::bmp::BmpEncoder::new(out).write_image(bytes, 8, 6, kind)
            },
        ] {
            let mut out = Vec::new();
            write(&mut out, &bytes, kind).unwrap();
            assert_eq!(
                decode(&out).unwrap().pixels[..3],
                [bytes[0], bytes[3], bytes[6]]
            );
            files.push(out);
        }
        let mut gif = Vec::new();
        codecs::gif::GifEncoder::new(&mut gif)
            .encode(&bytes, 8, 6, kind)
            .unwrap();
        files.push(gif);
        for file in files {
            let picture = decode(&file).unwrap();
            assert_eq!((picture.height, picture.width), (6, 8));
            assert!(decode(&file[..file.len() / 2]).is_err());
        }
    }

    #[test]
    fn what_is_cut_is_never_taken_for_whole() {
        let file = jpeg(40, 30);
        for length in 0..file.len() {
            assert!(
                decode(&file[..length]).is_err(),
                "{length} of {}",
                file.len()
            );
        }
        let file = png(9, 9, image::ExtendedColorType::Rgb8, &mixed(9, 9, 3));
        for length in 0..file.len() - 16 {
            assert!(
                decode(&file[..length]).is_err(),
                "{length} of {}",
                file.len()
            );
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_takes_memory() {
        let mut file = png(1, 1, image::ExtendedColorType::L8, &[0]);
        // Width and height stand behind the signature and the chunk's head; its checksum follows.
        file[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
        let sum = crc(&file[12..29]).to_be_bytes();
        file[29..33].copy_from_slice(&sum);
        let refused = decode(&file).unwrap_err();
        assert!(refused.contains("pixels"), "{refused}");
    }

    /// The checksum of a PNG's chunk.
    fn crc(bytes: &[u8]) -> u32 {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        sum.sum()
    }

    #[test]
    fn names_and_content_are_told_apart() {
        assert!(is_image_name("a/b.JPG") && is_image_name("x.webp"));
        assert!(!is_image_name("readme.txt") && !is_image_name("png"));
        assert_eq!(is_misnamed("a.png", &jpeg(4, 4)), Some("a JPEG"));
        assert_eq!(is_misnamed("a.jpeg", &jpeg(4, 4)), None);
        let refused = decode(b"<html>").unwrap_err();
        assert!(refused.starts_with("is not a PNG"), "{refused}");
        assert_eq!(decode(&[]).unwrap_err(), "is empty");
    }

    proptest::proptest! {
        #[test]
        fn damage_is_an_error_or_an_image_and_never_a_panic(
            at in proptest::prelude::any::<proptest::sample::Index>(),
            byte: u8,
            which in 0..2,
        ) {
            let mut file = if which == 0 {
                jpeg(12, 9)
            } else {
                png(12, 9, image::ExtendedColorType::Rgb8, &mixed(12, 9, 3))
            };
            let at = at.index(file.len());
            file[at] ^= byte;
            if let Ok(picture) = decode(&file) {
                let size = picture.channels * picture.height * picture.width;
                proptest::prop_assert_eq!(picture.pixels.len(), size);
            }
        }
    }
}
