use std::sync::Arc;

use super::*;
use crate::data::{mini, testing};
use crate::profile::{Channels, Normalize, Resizing};

fn data(dataset: Dataset, settings: &Data) -> SplitDataset {
    SplitDataset::new(Arc::new(dataset), settings).unwrap()
}

fn settings(name: &str, normalize: Normalize, image_size: usize) -> Data {
    Data {
        name: name.into(),
        normalize,
        image_size,
        validation: 0.2,
        ..Data::default()
    }
}

fn picture(dataset: &Dataset, index: usize) -> Picture {
    let (height, width) = dataset.size(index);
    Picture {
        channels: dataset.channels,
        height,
        width,
        pixels: dataset.image(index).unwrap(),
    }
}

fn filled(input: &Input, picture: Picture) -> Vec<f32> {
    let mut out = vec![f32::NAN; input.output().iter().product()];
    input.fill(
        &input.see(picture, false),
        &mut out,
        &mut Scratch::default(),
    );
    out
}

/// Whatever the recipe: read back, every number is the one that training and test images have.
#[test]
fn an_image_of_the_set_gets_the_same_bits_with_and_without_the_set() {
    let colours = || testing::colours(&[(12, 12); 10]);
    let every = [
        Normalize::Dataset,
        Normalize::Computed,
        Normalize::PerPixel,
        Normalize::Unit,
    ];
    let mut cases = Vec::new();
    for normalize in every {
        for side in [0, 32] {
            for resize in [Resizing::Bilinear, Resizing::Antialias] {
                let settings = |name: &str| Data {
                    resize,
                    ..settings(name, normalize, side)
                };
                cases.push((mini::load().unwrap(), settings(mini::NAME)));
                cases.push((colours(), settings("noise")));
            }
        }
    }
    let grey = Data {
        channels: Channels::Of(1),
        ..settings("noise", Normalize::Computed, 9)
    };
    let three = Data {
        channels: Channels::Of(3),
        ..settings(mini::NAME, Normalize::Imagenet, 36)
    };
    let padded = Data {
        resize: Resizing::Pad,
        ..settings("noise", Normalize::Unit, 20)
    };
    cases.push((colours(), grey));
    cases.push((mini::load().unwrap(), three));
    cases.push((colours(), padded));
    for (dataset, settings) in cases {
        let data = data(dataset, &settings);
        let input = Input::of(&data).unwrap();
        let read = Input::from_json(&input.to_json().unwrap(), &settings).unwrap();
        assert_eq!(read, input, "{settings:?}");
        let mut rows = vec![0.0; 2 * data.transform().len()];
        let indices = [data.train[1], data.train[4]];
        data.rows(&indices, &mut rows).unwrap();
        for (index, row) in indices.iter().zip(rows.chunks_exact(rows.len() / 2)) {
            let found = filled(&read, picture(&data.dataset, *index as usize));
            assert!(found == row, "{settings:?}");
        }
    }
}

#[test]
fn a_file_that_is_damaged_or_of_another_recipe_is_refused() {
    let own = settings(mini::NAME, Normalize::Computed, 0);
    let json = Input::of(&data(mini::load().unwrap(), &own)).unwrap();
    let json = String::from_utf8(json.to_json().unwrap()).unwrap();
    let refused = |json: &str, settings: &Data| {
        Input::from_json(json.as_bytes(), settings).expect_err("refused")
    };
    assert_eq!(
        refused(&json.replace("Sandal", "Sandel"), &own),
        "is corrupt"
    );
    assert!(refused(&json[..json.len() / 2], &own).starts_with("cannot be read"));
    let newer = json.replace("\"format\":1", "\"format\":9");
    assert!(refused(&newer, &own).contains("another fmtui"));
    let other = settings(mini::NAME, Normalize::PerPixel, 0);
    assert_eq!(refused(&json, &other), "does not fit the recipe");
}

#[test]
fn another_size_is_scaled_and_cropped_to_the_sets() {
    let own = settings("noise", Normalize::Unit, 20);
    let set = testing::colours(&[(12, 16); 4]);
    let input = Input::of(&data(set, &own)).unwrap();
    let of = |height: usize, width: usize, channels: usize| Picture {
        channels,
        height,
        width,
        pixels: (0..channels * height * width)
            .map(|i| (i % 251) as u8)
            .collect(),
    };
    for (height, width, channels) in [(12, 16, 3), (600, 20, 1), (3, 400, 4), (1, 1, 3)] {
        let seen = input.see(of(height, width, channels), false);
        assert_eq!((seen.channels, seen.height, seen.width), (3, 12, 16));
    }
    let seen = input.see(of(12, 16, 3), false);
    assert_eq!(seen.pixels, of(12, 16, 3).pixels, "as it is");
    // Twice the size in both directions, and wider: the middle is kept.
    let wide = input.see(of(24, 64, 3), false);
    let whole = Antialias::new(24, 64, 12, 32);
    let mut scaled = vec![0; 12 * 32];
    let plane = &of(24, 64, 3).pixels[..24 * 64];
    whole.apply(plane, &mut scaled, &mut AntialiasScratch::default());
    for (row, bytes) in scaled.chunks_exact(32).enumerate() {
        assert_eq!(wide.pixels[row * 16..][..16], bytes[8..24]);
    }
}

#[test]
fn drawings_on_another_ground_look_inverted_and_photos_do_not() {
    let dark = settings(mini::NAME, Normalize::Unit, 0);
    let input = Input::of(&data(mini::load().unwrap(), &dark)).unwrap();
    let plain = |value: u8| Picture {
        channels: 1,
        height: 50,
        width: 40,
        pixels: vec![value; 2000],
    };
    let looks = |value, is_inverted| input.looks_inverted(&input.see(plain(value), is_inverted));
    assert!(looks(255, false) && !looks(255, true));
    assert!(!looks(0, false) && looks(0, true));
    assert!(!looks(120, false), "between");
    // The border of these is neither dark nor light.
    let noise = settings("noise", Normalize::Unit, 0);
    let input = Input::of(&data(testing::colours(&[(9, 9); 4]), &noise)).unwrap();
    for value in [0, 100, 255] {
        assert!(!input.looks_inverted(&input.see(plain(value), false)));
    }
}

#[test]
fn colours_and_opacity_come_as_the_run_has_them() {
    let grey = settings(mini::NAME, Normalize::Unit, 0);
    let input = Input::of(&data(mini::load().unwrap(), &grey)).unwrap();
    let mut pixels = vec![10; 4 * 784];
    pixels[3 * 784..].fill(0);
    let transparent = Picture {
        channels: 4,
        height: 28,
        width: 28,
        pixels,
    };
    let seen = input.see(transparent.clone(), false);
    assert_eq!(
        (seen.channels, seen.pixels),
        (1, vec![255; 784]),
        "white shows"
    );
    assert_eq!(input.see(transparent, true).pixels, vec![0; 784]);
}
