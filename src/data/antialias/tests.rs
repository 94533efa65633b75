//! Against Pillow and torchvision, and in a transform.

use proptest::prelude::*;

use super::super::resize;
use super::super::transform::Transform;
use super::super::{Dataset, testing};
use super::*;
use crate::profile::{Data, Normalize, Resizing};

mod values;

/// The image of scripts/pillow_resize.py.
fn image(height: usize, width: usize) -> Vec<u8> {
    let byte = |place: usize| {
        let x = (place + 1000 * height + width) as u64;
        let x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        match (x >> 56) as u8 {
            value if width.is_multiple_of(2) => value,
            value => u8::MAX * u8::from(value >= 128),
        }
    };
    (0..height * width).map(byte).collect()
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
    })
}

fn resize(image: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let resize = Antialias::new(from.0, from.1, to.0, to.1);
    let mut out = vec![0; resize.area()];
    resize.apply(image, &mut out, &mut Scratch::default());
    out
}

/// `Image.fromarray(image).resize((new_width, new_height), Image.BILINEAR)`
#[test]
fn pillow_gives_the_same_bytes() {
    for (height, width, new_height, new_width, expected) in values::PAIRS {
        let case = (height, width, new_height, new_width);
        let found = resize(
            &image(height, width),
            (height, width),
            (new_height, new_width),
        );
        assert_eq!(fnv(&found), expected, "{case:?}");
    }
    for (height, width, new_height, new_width, expected) in values::SMALL {
        let found = resize(
            &image(height, width),
            (height, width),
            (new_height, new_width),
        );
        assert_eq!(found, expected, "{height} {width} {new_height} {new_width}");
    }
}

/// `v2.Compose([v2.Resize(side), v2.CenterCrop(side)])(Image.fromarray(image))`
#[test]
fn torchvision_gives_the_same_squares() {
    let mut scratch = Scratch::default();
    let other = Antialias::covering((3, 2), 9);
    for ([height, width, side], [new_height, new_width, top, left], expected) in values::SQUARES {
        let sides = (height, width);
        let case = format!("{height} × {width} to {side}");
        let image = image(height, width);
        let square = Antialias::covering(sides, side);
        assert_eq!((square.rows.len(), square.columns.len()), (side, side));
        let found = square.fit(&image, sides, &mut scratch).to_vec();
        assert_eq!(fnv(&found), expected, "{case}");
        if new_height * new_width < 20_000 {
            let whole = resize(&image, sides, (new_height, new_width));
            let rows = whole.chunks(new_width).skip(top).take(side);
            let crop: Vec<u8> = rows
                .flat_map(|row| row[left..left + side].to_vec())
                .collect();
            assert_eq!(found, crop, "{case}");
        }
        if side == 9 {
            assert_eq!(other.fit(&image, sides, &mut scratch), found, "{case}");
        }
    }
}

/// `[int(round(excess / 2.0)) for excess in range(12)]`
#[test]
fn a_half_goes_to_the_even_neighbour() {
    let found: Vec<usize> = (0..12).map(middle).collect();
    assert_eq!(found, [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6]);
}

proptest! {
    #[test]
    fn sizes_that_stay_change_nothing(height in 1..40_usize, width in 1..40_usize) {
        let image = image(height, width);
        let sides = (height, width);
        prop_assert_eq!(&resize(&image, sides, sides), &image);
        let side = height.min(width);
        let found = Antialias::covering(sides, side);
        let (top, left) = (middle(height - side), middle(width - side));
        let rows = image.chunks(width).skip(top).take(side);
        let crop: Vec<u8> = rows.flat_map(|row| row[left..left + side].to_vec()).collect();
        let mut scratch = Scratch::default();
        prop_assert_eq!(found.fit(&image, sides, &mut scratch), crop);
    }

    #[test]
    fn values_stay_between_the_smallest_and_the_largest(
        from in (1..60_usize, 1..60_usize),
        to in (1..60_usize, 1..60_usize),
        low in any::<u8>(),
        high in any::<u8>(),
    ) {
        let (low, high) = (low.min(high), low.max(high));
        let image: Vec<u8> = image(from.0, from.1).iter().map(|v| low.max(*v).min(high)).collect();
        let found = resize(&image, from, to);
        prop_assert!(found.iter().all(|value| (low..=high).contains(value)));
        let constant = resize(&vec![low; image.len()], from, to);
        prop_assert!(constant.iter().all(|value| *value == low));
    }
}

/// Long axes keep constant images too: the error of all weights stays below half a byte.
#[test]
fn a_long_axis_keeps_what_is_constant() {
    assert_eq!(resize(&[255; 5000], (1, 5000), (1, 2)), [255; 2]);
    assert_eq!(resize(&[1; 5000], (5000, 1), (3, 1)), [1; 3]);
}

fn settings(normalize: Normalize, image_size: usize, resize: Resizing) -> Data {
    Data {
        normalize,
        image_size,
        resize,
        ..Data::default()
    }
}

fn transformed(transform: &Transform, dataset: &Dataset, index: usize) -> Vec<f32> {
    let place = u32::try_from(index).unwrap();
    let image = transform.conversion.image(dataset, place).unwrap();
    let mut out = vec![f32::NAN; transform.len()];
    let scratch = &mut resize::Scratch::default();
    transform.apply(&image, dataset.size(index), &mut out, scratch);
    out
}

const SIZES: [(usize, usize); 6] = [(4, 5), (8, 8), (3, 9), (6, 6), (12, 7), (7, 14)];

fn square(dataset: &Dataset, index: usize, side: usize) -> Vec<u8> {
    let image = dataset.image(index).unwrap();
    let sides = dataset.size(index);
    let mut scratch = Scratch::default();
    Antialias::covering(sides, side)
        .fit(&image, sides, &mut scratch)
        .to_vec()
}

#[test]
fn a_transform_normalises_the_bytes() {
    let dataset = testing::colours(&SIZES);
    let of = |normalize| settings(normalize, 6, Resizing::Antialias);
    let unit = Transform::new(&dataset, &of(Normalize::Unit), &[]).unwrap();
    let imagenet = Transform::new(&dataset, &of(Normalize::Imagenet), &[]).unwrap();
    assert!(unit.resizes());
    for index in 0..SIZES.len() {
        let bytes = square(&dataset, index, 6);
        for (transform, mean, std) in [
            (&unit, [0.0; 3], [1.0; 3]),
            (&imagenet, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ] {
            let found = transformed(transform, &dataset, index);
            for (place, value) in found.iter().enumerate() {
                let channel = place / 36;
                let unit = f64::from(bytes[place]) / 255.0;
                let expected = (unit - mean[channel]) / std[channel];
                assert!((f64::from(*value) - expected).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn images_of_the_right_size_are_left_as_they_are() {
    for normalize in [
        Normalize::Computed,
        Normalize::PerPixel,
        Normalize::Imagenet,
    ] {
        let same = testing::colours(&[(6, 6); 4]);
        let asked = settings(normalize, 6, Resizing::Antialias);
        let plain = settings(normalize, 0, Resizing::Bilinear);
        let train = [0, 1, 2];
        let asked = Transform::new(&same, &asked, &train).unwrap();
        assert_eq!(asked, Transform::new(&same, &plain, &train).unwrap());
        assert!(!asked.resizes());
    }
    // Among others too.
    let mixed = testing::colours(&SIZES);
    let alone = testing::one(&mixed, 3);
    let of = |size, dataset: &Dataset| {
        let settings = settings(Normalize::Imagenet, size, Resizing::Antialias);
        Transform::new(dataset, &settings, &[]).unwrap()
    };
    let found = transformed(&of(6, &mixed), &mixed, 3);
    assert_eq!(found, transformed(&of(0, &alone), &alone, 0));
}

/// `per-pixel` of the resized images, `computed` of the images as they lie in the file.
#[test]
fn statistics_are_of_the_training_images() {
    let dataset = testing::colours(&SIZES);
    let train = [0, 2, 3, 4];
    let of = |normalize, resize| {
        Transform::new(&dataset, &settings(normalize, 6, resize), &train).unwrap()
    };
    let computed = of(Normalize::Computed, Resizing::Antialias);
    let bilinear = of(Normalize::Computed, Resizing::Bilinear);
    assert!(computed.figures().is_some());
    assert_eq!(computed.figures(), bilinear.figures());

    let per_pixel = of(Normalize::PerPixel, Resizing::Antialias);
    let bytes = train.map(|index| square(&dataset, index as usize, 6));
    let found = transformed(&per_pixel, &dataset, 5);
    let image = square(&dataset, 5, 6);
    for (place, value) in found.iter().enumerate() {
        let values = bytes.each_ref().map(|image| f64::from(image[place]));
        let mean = values.iter().sum::<f64>() / 4.0;
        let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4.0).sqrt();
        let std = if std == 0.0 { 255.0 } else { std };
        let expected = (f64::from(image[place]) - mean) / std;
        assert!((f64::from(*value) - expected).abs() < 1e-4, "{place}");
    }
}

/// Prints what it costs: `cargo test --release --lib antialias -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    for (height, width, side) in [(375, 500, 64), (64, 64, 32), (375, 500, 224), (28, 28, 32)] {
        let image = image(height, width);
        let square = Antialias::covering((height, width), side);
        let mut scratch = Scratch::default();
        let run = |_| {
            let start = std::time::Instant::now();
            std::hint::black_box(square.fit(&image, (height, width), &mut scratch));
            start.elapsed().as_secs_f64() * 1e9
        };
        let best = (0..300).map(run).fold(f64::MAX, f64::min);
        let each = best / (side * side) as f64;
        println!(
            "{height} × {width} to {side}: {:.1} µs, {each:.2} ns per pixel",
            best / 1e3
        );
    }
}
