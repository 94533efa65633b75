//! Random changes of training images, made on their bytes before anything else, a file each: mirrored, moved, turned,
//! erased in part.
//!
//! What happens to an image is a function of seed, step and its place in the batch: no thread, pause or resume changes
//! it.

mod erase;
mod flip;
mod pose;
mod rotate;
mod shift;

use std::fmt::Debug;
use std::sync::Arc;

use pose::Pose;

use crate::profile::Augment;
use crate::rng::{Purpose, Stream};

/// Numbers that the shared stream has for one image.
const SHARED: u64 = 12;

/// Numbers that an augmentation's own stream has for one image.
const OWN: u64 = 64;

/// One kind of change. A new one draws from a stream of its own, so that it moves no number of the others.
trait Augmentation: Debug + Send + Sync {
    /// Where its random numbers come from.
    fn source(&self) -> Source;

    /// Takes part in where each pixel comes from.
    fn pose(&self, _draw: Draw<'_>, _pose: &mut Pose) {}

    /// Changes pixels that are in their places.
    fn paint(&self, _draw: Draw<'_>, _image: &mut Image<'_>) {}
}

/// Where an augmentation's random numbers come from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The stream of the first four augmentations, from this number on.
    Shared(u64),
    /// A stream of this purpose.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the next augmentation"))]
    Own(Purpose),
}

/// The random numbers of an augmentation for one image, from 0 to 1, by their position.
type Draw<'a> = &'a dyn Fn(u64) -> f32;

/// **Shape** `[height, width]`.
struct Image<'a> {
    pixels: &'a mut [u8],
    height: usize,
    width: usize,
}

/// `None` where a profile does not ask for it.
type Asked = Option<Arc<dyn Augmentation>>;

/// Every augmentation, in the order in which they act.
const ALL: [fn(&Augment) -> Asked; 4] = [flip::of, shift::of, rotate::of, erase::of];

/// The changes that a profile asks for.
#[derive(Clone, Debug)]
pub(crate) struct Augmentations {
    all: Vec<Arc<dyn Augmentation>>,
    seed: u64,
}

impl Augmentations {
    /// None where nothing is to be changed.
    #[must_use]
    pub(crate) fn new(settings: &Augment, seed: u64) -> Option<Self> {
        let all: Vec<_> = ALL.iter().filter_map(|of| of(settings)).collect();
        (!all.is_empty()).then_some(Self { all, seed })
    }

    /// Those of one step.
    #[must_use]
    pub(crate) fn at(&self, step: u64) -> Changes<'_> {
        Changes { of: self, step }
    }
}

/// The changes of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changes<'a> {
    of: &'a Augmentations,
    step: u64,
}

impl Changes<'_> {
    /// Writes what becomes of the image at this place of the batch. What comes in from beyond the edge is black.
    ///
    /// **Shape** both `[channels, height, width]`; every channel is changed alike.
    pub(crate) fn apply(&self, place: usize, image: &[u8], sides: (usize, usize), out: &mut [u8]) {
        let mut pose = Pose::default();
        for augmentation in &self.of.all {
            augmentation.pose(&self.numbers(augmentation.as_ref(), place), &mut pose);
        }
        let area = (sides.0 * sides.1).max(1);
        for (plane, out) in image.chunks_exact(area).zip(out.chunks_exact_mut(area)) {
            pose.place(plane, sides, out);
        }
        let mut image = Image {
            pixels: out,
            height: sides.0,
            width: sides.1,
        };
        for augmentation in &self.of.all {
            augmentation.paint(&self.numbers(augmentation.as_ref(), place), &mut image);
        }
    }

    fn numbers(
        &self,
        augmentation: &dyn Augmentation,
        place: usize,
    ) -> impl Fn(u64) -> f32 + use<> {
        let (purpose, first) = match augmentation.source() {
            Source::Shared(first) => (Purpose::Augmentation, SHARED * place as u64 + first),
            Source::Own(purpose) => (purpose, OWN * place as u64),
        };
        let stream = Stream::new(self.of.seed, purpose, self.step);
        move |which| stream.uniform(first + which)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDES: (usize, usize) = (5, 4);

    /// Every pixel another byte, none black.
    fn image() -> Vec<u8> {
        (1..=20).collect()
    }

    fn changed(settings: &Augment, place: usize) -> Vec<u8> {
        let augmentation = Augmentations::new(settings, 7).unwrap();
        let mut out = vec![9; 20];
        augmentation.at(3).apply(place, &image(), SIDES, &mut out);
        out
    }

    #[test]
    fn every_channel_is_changed_alike() {
        let settings = Augment {
            flip: 0.5,
            shift: 2,
            rotate: 20.0,
            erase: 0.5,
        };
        let augmentation = Augmentations::new(&settings, 7).unwrap();
        let colours = image().repeat(3);
        for place in 0..50 {
            let mut out = vec![9; 60];
            augmentation.at(3).apply(place, &colours, SIDES, &mut out);
            assert_eq!(out, changed(&settings, place).repeat(3));
        }
    }

    #[test]
    fn nothing_asked_for_is_nothing_done() {
        assert!(Augmentations::new(&Augment::default(), 1).is_none());
    }

    #[test]
    fn a_image_is_mirrored_as_often_as_is_said() {
        let mirror: Vec<u8> = image()
            .chunks(4)
            .flat_map(|row| row.iter().rev().copied())
            .collect();
        let count = |flip: f64| {
            let settings = Augment {
                flip,
                ..Augment::default()
            };
            let seen = (0..1000).map(|place| changed(&settings, place));
            seen.filter(|p| {
                assert!(*p == mirror || *p == image());
                *p == mirror
            })
            .count()
        };
        assert_eq!(count(1.0), 1000);
        assert!((220..280).contains(&count(0.25)), "{}", count(0.25));
    }

    #[test]
    fn a_shift_moves_what_stays_and_leaves_black() {
        let settings = Augment {
            shift: 2,
            ..Augment::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        for place in 0..500 {
            let out = changed(&settings, place);
            // A number that stayed tells how far all moved.
            let at = out.iter().position(|p| *p > 0).unwrap();
            let from = usize::from(out[at]) - 1;
            let moved = [at / 4, at % 4, from / 4, from % 4].map(usize::cast_signed);
            let (down, right) = (moved[0] - moved[2], moved[1] - moved[3]);
            for (index, pixel) in out.iter().enumerate() {
                let row = (index / 4).checked_add_signed(-down).filter(|r| *r < 5);
                let column = (index % 4).checked_add_signed(-right).filter(|c| *c < 4);
                let expected = match (row, column) {
                    (Some(row), Some(column)) => image()[row * 4 + column],
                    _ => 0,
                };
                assert_eq!(*pixel, expected);
            }
            seen.insert((down, right));
        }
        assert_eq!(seen.len(), 25, "every shift comes");
    }

    #[test]
    fn a_turn_by_a_right_angle_moves_every_pixel_and_a_small_one_keeps_the_middle() {
        let square: Vec<u8> = (1..=9).collect();
        let turned = Pose {
            angle: std::f32::consts::FRAC_PI_2,
            ..Pose::default()
        };
        let mut out = vec![0; 9];
        turned.place(&square, (3, 3), &mut out);
        assert_eq!(out, [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        let settings = Augment {
            rotate: 10.0,
            ..Augment::default()
        };
        let augmentation = Augmentations::new(&settings, 1).unwrap();
        let white = vec![200; 28 * 28];
        let mut turned = std::collections::BTreeSet::new();
        for place in 0..50 {
            let mut out = vec![0; 28 * 28];
            augmentation.at(0).apply(place, &white, (28, 28), &mut out);
            assert_eq!(out[14 * 28 + 14], 200);
            assert_eq!(out[14 * 28 + 4], 200);
            turned.insert(out);
        }
        assert!(turned.len() > 40, "{} different ones", turned.len());
    }

    #[test]
    fn what_is_erased_is_a_black_rectangle_of_the_right_size() {
        let settings = Augment {
            erase: 1.0,
            ..Augment::default()
        };
        let augmentation = Augmentations::new(&settings, 1).unwrap();
        let white = vec![200; 28 * 28];
        let mut mean = 0.0;
        for place in 0..400 {
            let mut out = vec![0; 28 * 28];
            augmentation.at(9).apply(place, &white, (28, 28), &mut out);
            let black: Vec<usize> = (0..28 * 28).filter(|i| out[*i] == 0).collect();
            let of = |side: fn(usize) -> usize| {
                let places = black.iter().map(|i| side(*i));
                places.clone().max().unwrap() - places.min().unwrap() + 1
            };
            let (rows, columns) = (of(|i| i / 28), of(|i| i % 28));
            assert_eq!(rows * columns, black.len(), "a whole rectangle");
            let share = f64::from(u32::try_from(black.len()).unwrap()) / 784.0;
            assert!((0.01..0.36).contains(&share), "{share}");
            mean += share / 400.0;
        }
        assert!((mean - 0.175).abs() < 0.02, "{mean}");
    }

    #[test]
    fn step_place_and_seed_decide_alone() {
        let settings = Augment {
            flip: 0.5,
            shift: 2,
            rotate: 20.0,
            erase: 0.5,
        };
        let of = |seed: u64, step: u64, place: usize| {
            let mut out = vec![0; 20];
            let augmentation = Augmentations::new(&settings, seed).unwrap();
            augmentation
                .at(step)
                .apply(place, &image(), SIDES, &mut out);
            out
        };
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        let others = [of(2, 2, 3), of(1, 3, 3), of(1, 2, 4)];
        assert!(others.iter().any(|other| *other != of(1, 2, 3)));
    }

    /// What a further augmentation is like.
    #[derive(Debug)]
    struct Invert;

    impl Augmentation for Invert {
        fn source(&self) -> Source {
            Source::Own(Purpose::Dropout)
        }

        fn paint(&self, draw: Draw<'_>, image: &mut Image<'_>) {
            if draw(0) < 0.5 {
                image
                    .pixels
                    .iter_mut()
                    .for_each(|pixel| *pixel = 255 - *pixel);
            }
        }
    }

    #[test]
    fn a_further_augmentation_moves_no_number_of_the_others() {
        let settings = Augment {
            flip: 0.5,
            shift: 2,
            rotate: 20.0,
            erase: 0.5,
        };
        let before = Augmentations::new(&settings, 7).unwrap();
        let mut after = Augmentations::new(&settings, 7).unwrap();
        after.all.push(Arc::new(Invert));
        let mut inverted = 0;
        for place in 0..200 {
            let of = |augmentations: &Augmentations| {
                let mut out = vec![0; 20];
                augmentations.at(3).apply(place, &image(), SIDES, &mut out);
                out
            };
            let (before, after) = (of(&before), of(&after));
            let negative: Vec<u8> = before.iter().map(|pixel| 255 - pixel).collect();
            assert!(after == before || after == negative);
            inverted += u32::from(after == negative);
        }
        assert!((70..130).contains(&inverted), "{inverted}");
    }
}
