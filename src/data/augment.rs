//! Random changes of training pictures, made on their bytes before anything else: mirrored, turned, shifted, erased in part.
//!
//! What happens to a picture is a function of seed, step and its place in the batch: no thread, pause or resume changes it.

use crate::profile::Augment;
use crate::rng::{Purpose, Stream};

/// Random numbers of one picture.
const NUMBERS: u64 = 12;

/// Share of a picture that is erased, and height by width of what is: those of torchvision's `RandomErasing`.
const AREA: (f32, f32) = (0.02, 0.33);
const RATIO: (f32, f32) = (0.3, 3.3);

/// The changes that a profile asks for.
#[derive(Clone, Debug)]
pub struct Augmentation {
    settings: Augment,
    seed: u64,
}

impl Augmentation {
    /// None where nothing is to be changed.
    #[must_use]
    pub fn new(settings: &Augment, seed: u64) -> Option<Self> {
        (!settings.is_none()).then(|| Self {
            settings: settings.clone(),
            seed,
        })
    }

    /// Those of one step.
    #[must_use]
    pub fn at(&self, step: u64) -> Changes<'_> {
        Changes {
            settings: &self.settings,
            stream: Stream::new(self.seed, Purpose::Augmentation, step),
        }
    }
}

/// The changes of one step.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    settings: &'a Augment,
    stream: Stream,
}

impl Changes<'_> {
    /// Writes what becomes of the picture at this place of the batch. What comes in from beyond the edge is black.
    ///
    /// **Shape** both `[height, width]`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "probabilities and angles are rounded to f32"
    )]
    pub fn apply(&self, place: usize, picture: &[u8], sides: (usize, usize), out: &mut [u8]) {
        let first = NUMBERS * place as u64;
        let draw = |which: u64| self.stream.uniform(first + which);
        let settings = self.settings;
        let pose = Pose {
            mirrored: draw(0) < settings.flip as f32,
            down: shift(settings.shift, draw(1)),
            right: shift(settings.shift, draw(2)),
        };
        let angle = (2.0 * draw(3) - 1.0) * (settings.rotate as f32).to_radians();
        if angle == 0.0 {
            pose.copy(picture, sides, out);
        } else {
            pose.turn(angle, picture, sides, out);
        }
        if draw(4) < settings.erase as f32 {
            erase([draw(5), draw(6), draw(7), draw(8)], sides, out);
        }
    }
}

/// A whole number from −most to most.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "shifts are at most some dozens of pixels"
)]
fn shift(most: usize, uniform: f32) -> isize {
    let choices = (2 * most + 1) as f32;
    (uniform * choices) as isize - most as isize
}

/// Mirrored first, moved last.
struct Pose {
    mirrored: bool,
    down: isize,
    right: isize,
}

impl Pose {
    fn copy(&self, picture: &[u8], (height, width): (usize, usize), out: &mut [u8]) {
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let from = row.checked_add_signed(-self.down).filter(|r| *r < height);
            let Some(from) = from.map(|r| &picture[r * width..][..width]) else {
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
        reason = "coordinates of a picture; a mean of bytes is a byte"
    )]
    fn turn(&self, angle: f32, picture: &[u8], (height, width): (usize, usize), out: &mut [u8]) {
        let (sin, cos) = angle.sin_cos();
        let middle = ((height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0);
        let pixel = |row: isize, column: isize| {
            let inside = |at: isize, size: usize| usize::try_from(at).ok().filter(|at| *at < size);
            match (inside(row, height), inside(column, width)) {
                (Some(row), Some(column)) => f32::from(picture[row * width + column]),
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

/// Blackens a rectangle (Zhong et al., "Random Erasing Data Augmentation", AAAI 2020).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sides of a picture"
)]
fn erase(uniform: [f32; 4], (height, width): (usize, usize), out: &mut [u8]) {
    let between = |(low, high): (f32, f32), uniform: f32| low + (high - low) * uniform;
    let area = between(AREA, uniform[0]) * (height * width) as f32;
    let ratio = between((RATIO.0.ln(), RATIO.1.ln()), uniform[1]).exp();
    let side = |length: f32, most: usize| (length.round() as usize).clamp(1, most);
    let (rows, columns) = (
        side((area * ratio).sqrt(), height),
        side((area / ratio).sqrt(), width),
    );
    let start = |room: usize, uniform: f32| (uniform * (room + 1) as f32) as usize;
    let (top, left) = (
        start(height - rows, uniform[2]),
        start(width - columns, uniform[3]),
    );
    for line in out.chunks_exact_mut(width).skip(top).take(rows) {
        line[left..left + columns].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDES: (usize, usize) = (5, 4);

    /// Every pixel another byte, none black.
    fn picture() -> Vec<u8> {
        (1..=20).collect()
    }

    fn changed(settings: &Augment, place: usize) -> Vec<u8> {
        let augmentation = Augmentation::new(settings, 7).unwrap();
        let mut out = vec![9; 20];
        augmentation.at(3).apply(place, &picture(), SIDES, &mut out);
        out
    }

    #[test]
    fn nothing_asked_for_is_nothing_done() {
        assert!(Augmentation::new(&Augment::default(), 1).is_none());
    }

    #[test]
    fn a_picture_is_mirrored_as_often_as_is_said() {
        let mirror: Vec<u8> = picture()
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
                assert!(*p == mirror || *p == picture());
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
                    (Some(row), Some(column)) => picture()[row * 4 + column],
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
        let still = Pose {
            mirrored: false,
            down: 0,
            right: 0,
        };
        let mut out = vec![0; 9];
        still.turn(std::f32::consts::FRAC_PI_2, &square, (3, 3), &mut out);
        assert_eq!(out, [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        let settings = Augment {
            rotate: 10.0,
            ..Augment::default()
        };
        let augmentation = Augmentation::new(&settings, 1).unwrap();
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
        let augmentation = Augmentation::new(&settings, 1).unwrap();
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
            let augmentation = Augmentation::new(&settings, seed).unwrap();
            augmentation
                .at(step)
                .apply(place, &picture(), SIDES, &mut out);
            out
        };
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        let others = [of(2, 2, 3), of(1, 3, 3), of(1, 2, 4)];
        assert!(others.iter().any(|other| *other != of(1, 2, 3)));
    }
}
