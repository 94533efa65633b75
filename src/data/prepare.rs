//! Images that lie in files of their own, made ready for training: decoded once, brought to one size, kept packed.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::antialias::{Antialias, Scratch};
use super::channels::Conversion;
use super::packed::{self, Spec};
use super::{Dataset, Part};
use crate::error::{Error, Result};
use crate::profile::{Data, Resizing, Split};
use crate::text;

/// The side of images where they differ in size and the recipe names none. **Units** pixels.
const SIDE: usize = 64;

/// Where packed files lie, how much room there is, and who hears how far it is.
pub struct Room<'a> {
    /// The workspace's `data/`.
    pub directory: &'a Path,
    /// What may be kept in memory. **Units** bytes.
    pub memory: u64,
    /// What is free on the disk, where that is known. **Units** bytes.
    pub disk: Option<u64>,
    /// Is told how many of how many images are decoded.
    pub progress: &'a mut dyn FnMut(usize, usize),
    pub cancel: &'a AtomicBool,
}

fn is_decoded(dataset: &Dataset) -> bool {
    let mut parts = Part::ALL.iter().map(|part| dataset.part(*part));
    parts.all(|part| part.is_empty() || part.images.is_decoded())
}

/// The longest side of images of one size that are trained on as they are. **Units** pixels.
const LONGEST: usize = 256;

/// Settles what a recipe leaves open for this set, and gives what is to be known of it, in words. Images of files of
/// their own that differ in size or are large are scaled, antialiased, to 64 pixels or what the recipe says; smaller
/// ones where it asks for less than they have. A validation set of the set's own is always the one that is used.
#[must_use]
pub fn suit(settings: &mut Data, dataset: &Dataset) -> Vec<String> {
    let name = &dataset.name;
    let mut told = Vec::new();
    let is_standard = settings.split == Split::Standard;
    let own = dataset.validation.len();
    let default = Data::default().validation;
    if is_standard && own > 0 && settings.validation.to_bits() != default.to_bits() {
        let asked = std::mem::replace(&mut settings.validation, default);
        told.push(format!(
            "{name} has a validation set of its own, of {}: data.validation = {asked} is not used",
            text::count(own, "image")
        ));
    }
    if is_decoded(dataset) {
        return told;
    }
    if !(is_standard || dataset.test.is_empty() && dataset.validation.is_empty()) {
        told.push(format!(
            "data.split = \"pooled\" divides {name} anew: images of its test set are trained on"
        ));
    }
    let differ = !dataset.is_uniform();
    let longest = dataset.height.max(dataset.width);
    let shrinks = (1..longest).contains(&settings.image_size);
    if !differ && !shrinks && longest <= LONGEST {
        return told;
    }
    let mut settled = Vec::new();
    if settings.image_size == 0 {
        settings.image_size = SIDE;
        settled.push(format!("data.image_size = {SIDE}"));
    }
    if settings.resize == Resizing::Bilinear {
        settings.resize = Resizing::Antialias;
        settled.push("data.resize = \"antialias\"".into());
    }
    if !settled.is_empty() {
        let why = match () {
            () if differ => "differ in size".to_owned(),
            () if longest > LONGEST => "are large".into(),
            () => format!("have up to {longest} pixels a side"),
        };
        let settled = settled.join(", ");
        told.push(format!("the images of {name} {why}: {settled}"));
    }
    told
}

/// The set with its images as pixels of one size; the same set where they are that already.
///
/// # Errors
/// `Input` when the settings bring them to no one size, an image cannot be read, or the disk is too small; `Io`;
/// `Cancelled`.
pub fn prepare(dataset: Dataset, settings: &Data, room: Room<'_>) -> Result<Dataset> {
    if is_decoded(&dataset) {
        return Ok(dataset);
    }
    let Room {
        directory,
        memory,
        disk,
        progress,
        cancel,
    } = room;
    let side = settings.store_size.max(settings.image_size);
    let own = (dataset.height, dataset.width);
    let is_uniform = dataset.is_uniform();
    let scales = settings.resize == Resizing::Antialias && side > 0;
    let scales = scales && !(is_uniform && own == (side, side));
    if !scales && !is_uniform {
        return Err(Error::input(
            "data.resize",
            format!("leaves the images of {} at many sizes", dataset.name),
            "set data.resize = \"antialias\" and data.image_size, such as 64",
        ));
    }
    let (height, width) = if scales { (side, side) } else { own };
    // Before it is scaled, so that no colour of what cannot be seen gets into what can.
    let conversion = Conversion::new(dataset.channels, 3, settings.background);
    let mut method = String::from(if scales { "antialias 1" } else { "as it is" });
    if dataset.channels == 4 {
        let _ = write!(method, " over {}", conversion.under);
    }
    let spec = Spec {
        set: dataset.sha256.clone(),
        method,
        shape: [conversion.to, height, width],
    };
    let path = spec.path(&directory.join(&dataset.name));
    let read = || packed::read(&dataset, &spec, &path, memory);
    // A damaged one is made again.
    if let Some(written) = packed::written(&path)
        && let Ok(Some(ready)) = read()
    {
        packed::check_files(&dataset, &path, written, cancel)?;
        return Ok(ready);
    }
    let fit = |image: &mut Vec<u8>, sides: (usize, usize), out: &mut [u8]| {
        conversion.apply(image);
        if scales {
            let square = Antialias::covering(sides, side);
            out.copy_from_slice(square.fit(image, sides, &mut Scratch::default()));
        } else {
            out.copy_from_slice(image);
        }
    };
    packed::write(&dataset, &spec, &fit, &path, disk, progress, cancel)?;
    read()?.ok_or_else(|| Error::compute("packing the images", "the file cannot be read back"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::sample::select;

    use crate::data::resize::Scratch as ResizeScratch;
    use crate::data::{Batch, SplitDataset, testing};
    use crate::profile::{Augment, Background, Channels, Normalize};

    #[test]
    fn images_come_to_one_size_once() {
        let dir = tempfile::tempdir().unwrap();
        let set = testing::lazy(&[(9, 12), (20, 8), (16, 16)]);
        let cancel = AtomicBool::new(false);
        let prepared = |settings: &Data, memory| {
            let room = Room {
                directory: dir.path(),
                memory,
                disk: None,
                progress: &mut |_, _| {},
                cancel: &cancel,
            };
            prepare(set.clone(), settings, room)
        };
        let mut settings = Data::default();
        let error = prepared(&settings, 0).unwrap_err();
        assert!(error.to_string().contains("at many sizes"), "{error}");
        let told = suit(&mut settings, &set).join("; ");
        assert!(
            told.contains("data.image_size = 64") && told.contains("antialias"),
            "{told}"
        );
        settings.image_size = 8;
        assert!(suit(&mut settings, &set).is_empty());
        let (lazy, whole) = (
            prepared(&settings, 0).unwrap(),
            prepared(&settings, u64::MAX).unwrap(),
        );
        assert_eq!(whole.shape(), [3, 8, 8]);
        for index in 0..set.len() {
            let sides = set.size(index);
            let mut scratch = Scratch::default();
            let square = Antialias::covering(sides, 8);
            let image = set.image(index).unwrap();
            let expected = square.fit(&image, sides, &mut scratch);
            assert_eq!(whole.image(index).unwrap(), expected);
            assert_eq!(lazy.image(index).unwrap(), expected);
        }
        assert_eq!(dir.path().join("noise").read_dir().unwrap().count(), 1);
    }

    /// Colours of pixels that cannot be seen are laid under before the image is scaled; a larger square is kept where
    /// that is asked for.
    #[test]
    fn what_is_not_opaque_is_laid_over_the_background_first() {
        let dir = tempfile::tempdir().unwrap();
        let set = testing::lazy_of(4, &[(9, 12), (20, 8)]);
        for (background, under) in [(Background::White, 255), (Background::Black, 0)] {
            for (store_size, kept) in [(0, 4), (6, 6)] {
                let settings = Data {
                    image_size: 4,
                    resize: Resizing::Antialias,
                    store_size,
                    background,
                    ..Data::default()
                };
                let room = Room {
                    directory: dir.path(),
                    memory: u64::MAX,
                    disk: None,
                    progress: &mut |_, _| {},
                    cancel: &AtomicBool::new(false),
                };
                let ready = prepare(set.clone(), &settings, room).unwrap();
                assert_eq!(ready.shape(), [3, kept, kept]);
                for index in 0..set.len() {
                    let (sides, image) = (set.size(index), set.image(index).unwrap());
                    let area = sides.0 * sides.1;
                    let laid: Vec<u8> = (0..3 * area)
                        .map(|at| {
                            let opacity = u32::from(image[3 * area + at % area]);
                            let value = u32::from(image[at]) * opacity;
                            ((value + under * (255 - opacity) + 127) / 255) as u8
                        })
                        .collect();
                    let square = Antialias::covering(sides, kept);
                    let mut scratch = Scratch::default();
                    let expected = square.fit(&laid, sides, &mut scratch);
                    assert_eq!(ready.image(index).unwrap(), expected);
                }
            }
        }
        assert_eq!(dir.path().join("noise").read_dir().unwrap().count(), 4);
    }

    proptest::proptest! {
        /// Whatever is asked for: images kept in memory and images read ahead from the file make the same batches, and
        /// these are what the transform makes of each image alone.
        #[test]
        fn a_batch_is_the_same_wherever_its_images_lie(
            sizes in vec((3_usize..16, 3_usize..16), 6..14),
            is_uniform: bool,
            from in select(vec![1_usize, 3, 4]),
            channels in select(vec![Channels::Auto, Channels::Of(1), Channels::Of(3)]),
            (image_size, store_size) in (4_usize..12, 0_usize..14),
            resize in select(vec![Resizing::Bilinear, Resizing::Antialias, Resizing::Pad]),
            background in select(vec![Background::White, Background::Grey, Background::Black]),
            normalize in select(vec![Normalize::Unit, Normalize::Computed, Normalize::PerPixel]),
            (flip, shift) in (0.0_f64..1.0, 0_usize..3),
            seed: u64,
        ) {
            let first = sizes[0];
            let sizes: Vec<_> = sizes.iter().map(|own| if is_uniform { first } else { *own }).collect();
            let set = testing::lazy_of(from, &sizes);
            let mut settings = Data {
                image_size,
                store_size,
                resize,
                background,
                channels,
                normalize,
                validation: 1.0,
                ..Data::default()
            };
            let _ = suit(&mut settings, &set);
            let dir = tempfile::tempdir().unwrap();
            let data = |memory| {
                let room = Room {
                    directory: dir.path(),
                    memory,
                    disk: None,
                    progress: &mut |_, _| {},
                    cancel: &AtomicBool::new(false),
                };
                let ready = prepare(set.clone(), &settings, room)?;
                let augment = Augment { flip, shift, ..Augment::default() };
                let split = SplitDataset::new(Arc::new(ready), &settings)?;
                Ok::<_, Error>(split.augmented(&augment, seed))
            };
            // Some sizes and settings are refused; then on both sides, and in words.
            let (whole, disk) = match (data(u64::MAX), data(0)) {
                (Ok(whole), Ok(disk)) => (whole, disk.reading_ahead().unwrap()),
                (whole, disk) => {
                    let (whole, disk) = (whole.err().unwrap(), disk.err().unwrap());
                    proptest::prop_assert_eq!(whole.to_string(), disk.to_string());
                    return Ok(());
                }
            };
            proptest::prop_assert!(whole.dataset.is_in_memory() && !disk.dataset.is_in_memory());
            let order = whole.order(seed, 1);
            proptest::prop_assert_eq!(&order, &disk.order(seed, 1));
            disk.expect(&order, 4);
            let (mut one, mut other) = (Batch::default(), Batch::default());
            for (step, indices) in (0..).zip(order.chunks(4)) {
                whole.training_batch(indices, step, &mut one).unwrap();
                disk.training_batch(indices, step, &mut other).unwrap();
                proptest::prop_assert_eq!(&one.images, &other.images);
                proptest::prop_assert_eq!(&one.labels, &other.labels);
            }
            let all: Vec<u32> = (0..sizes.len() as u32).collect();
            whole.batch(&all, &mut one).unwrap();
            let len = one.images.len() / all.len();
            let transform = whole.transform();
            for (index, image) in all.iter().zip(one.images.chunks_exact(len)) {
                let alone = transform.conversion.image(&whole.dataset, *index).unwrap();
                let mut out = vec![0.0; len];
                let sides = whole.dataset.size(*index as usize);
                transform.apply(&alone, sides, &mut out, &mut ResizeScratch::default());
                proptest::prop_assert_eq!(&out, image);
            }
        }
    }

    #[test]
    fn a_validation_set_of_its_own_is_used_and_test_images_trained_on_are_told() {
        let mut set = testing::lazy(&[(9, 9), (9, 9), (9, 9)]);
        set.validation = testing::lazy(&[(9, 9)]).train;
        let mut settings = Data {
            validation: 0.0,
            ..Data::default()
        };
        let told = suit(&mut settings, &set).join("; ");
        assert!(
            told.contains("of its own, of 1 image: data.validation = 0"),
            "{told}"
        );
        let split = SplitDataset::new(Arc::new(set.clone()), &settings).unwrap();
        assert_eq!((split.train, split.validation), (vec![0, 1, 2], vec![3]));
        assert!(suit(&mut settings, &set).is_empty());
        settings.split = Split::Pooled;
        let told = suit(&mut settings, &set).join("; ");
        assert!(told.contains("divides noise anew"), "{told}");
        // Smaller than they are, they are not scaled at every step; larger, as before.
        for (asked, resize) in [
            (8, Resizing::Antialias),
            (9, Resizing::Bilinear),
            (12, Resizing::Bilinear),
        ] {
            let mut settings = Data {
                image_size: asked,
                ..Data::default()
            };
            let _ = suit(&mut settings, &testing::lazy(&[(9, 9), (9, 9)]));
            assert_eq!((settings.image_size, settings.resize), (asked, resize));
        }
        let large = testing::lazy(&[(300, 400), (300, 400)]);
        let mut settings = Data::default();
        assert_eq!(suit(&mut settings, &large).len(), 1);
        assert_eq!(
            (settings.image_size, settings.resize),
            (64, Resizing::Antialias)
        );
    }

    #[test]
    fn what_is_in_memory_stays_as_it_is() {
        let set = crate::data::mini::load().unwrap();
        let mut settings = Data::default();
        assert!(suit(&mut settings, &set).is_empty());
        assert_eq!(settings, Data::default());
    }
}
