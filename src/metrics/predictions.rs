//! What a network said about each held-out image, kept beside the run for the confusion matrix's gallery and for other
//! programs.
//!
//! A small binary file, little-endian, in version 3: `FMPR3`; `u8` 1 for the test set; `u32` epoch, images, `u16`
//! classes K, `u8` ranks R (at most 5), `u8` 1 where all probabilities are there (K ≤ 100); then for each image `u32`
//! index, `u16` label, R × `u16` the most likely classes, R × `f32` their probabilities, and K × `f16` where all are
//! there; then the SHA-256 of all this. Versions 1 (without digest) and 2 have `u8` classes and three ranks, and no K.

use half::f16;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// **Units** bytes of the largest file of predictions that is read: those of four million images of a hundred classes.
pub const LARGEST: u64 = 1 << 30;

/// Classes that are ranked.
pub const RANKS: usize = 5;

/// All probabilities are kept of so many classes at most.
pub const MOST_CLASSES: usize = 100;

const MAGIC: &[u8; 5] = b"FMPR3";
/// Of earlier versions; only the second has a digest.
const OLDER: [&[u8; 5]; 2] = [b"FMPR1", b"FMPR2"];
const DIGEST: usize = 32;

/// File names inside a run's directory: the newest evaluated epoch, the best epoch, and the final test.
pub const LATEST: &str = "predictions-latest.bin";
pub const BEST: &str = "predictions-best.bin";
pub const TEST: &str = "predictions-test.bin";

/// What was predicted for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Position in the data set, training images first, then test images.
    pub index: u32,
    pub label: u16,
    /// The most likely classes, most likely first: as many as [`Predictions::ranks`] says.
    pub top: [u16; RANKS],
    /// Their probabilities.
    pub probability: [f32; RANKS],
}

/// All predictions of one evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    pub is_test: bool,
    pub epoch: u32,
    /// 0 in files of older versions, which do not say.
    pub classes: u16,
    /// Classes that are ranked: five, or all where there are fewer; three in files of older versions.
    pub ranks: usize,
    pub items: Vec<Prediction>,
    /// Every probability, image by image; empty where there are too many classes, and in files of older versions.
    pub probabilities: Vec<f16>,
}

/// The predictions that a run keeps, as far as there are files.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Of the newest epoch.
    pub latest: Option<Predictions>,
    /// Of the best epoch.
    pub best: Option<Predictions>,
    /// Of the test at the end.
    pub test: Option<Predictions>,
    /// Files that are there and cannot be read.
    pub damaged: Vec<String>,
}

impl Predictions {
    /// Of no image yet.
    #[must_use]
    pub fn new(classes: u16) -> Self {
        Self {
            classes,
            ranks: usize::from(classes).min(RANKS),
            ..Self::default()
        }
    }

    /// Adds an image with the probabilities of all classes.
    pub fn add(&mut self, item: Prediction, probabilities: &[f64]) {
        self.items.push(item);
        if usize::from(self.classes) <= MOST_CLASSES {
            self.probabilities
                .extend(probabilities.iter().map(|p| f16::from_f64(*p)));
        }
    }

    /// The probabilities of all classes for the image at this place; `None` where they were not kept.
    #[must_use]
    pub fn all_of(&self, place: usize) -> Option<&[f16]> {
        let classes = usize::from(self.classes);
        let from = place.checked_mul(classes)?;
        self.probabilities
            .get(from..from + classes)
            .filter(|all| !all.is_empty())
    }

    /// The probability of a class for the image at this place: of the most likely ones as f32; 0 where it was not kept.
    #[must_use]
    pub fn probability_of(&self, place: usize, class: u16) -> f64 {
        let item = &self.items[place];
        let rank = item.top[..self.ranks].iter().position(|k| *k == class);
        let whole = || Some(self.all_of(place)?.get(usize::from(class))?.to_f64());
        rank.map_or_else(
            || whole().unwrap_or_default(),
            |rank| f64::from(item.probability[rank]),
        )
    }

    /// Those of all classes for the image at this place; `None` where they were not kept.
    #[must_use]
    pub fn probabilities_of(&self, place: usize) -> Option<Vec<f64>> {
        self.all_of(place)?;
        let each = (0..self.classes).map(|class| self.probability_of(place, class));
        Some(each.collect())
    }

    /// Places of the images whose probabilities are numbers from 0 to 1, and whose label is a class.
    #[must_use]
    pub fn sound(&self) -> Vec<usize> {
        let is_sound = |place: &usize| {
            let item = &self.items[*place];
            let ranked = item.probability[..self.ranks].iter();
            let whole = self.all_of(*place).into_iter().flatten();
            let is_share = |p: f32| (0.0..=1.0).contains(&p);
            (self.classes == 0 || item.label < self.classes)
                && ranked.copied().all(is_share)
                && whole.copied().map(f16::to_f32).all(is_share)
        };
        (0..self.items.len()).filter(is_sound).collect()
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_as(self.is_test, self.epoch)
    }

    /// [`encode`](Self::encode), as those of another epoch and part.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a data set has fewer than 2^32 images, and five ranks at most"
    )]
    pub fn encode_as(&self, is_test: bool, epoch: u32) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.push(u8::from(is_test));
        out.extend_from_slice(&epoch.to_le_bytes());
        out.extend_from_slice(&(self.items.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.classes.to_le_bytes());
        out.push(self.ranks as u8);
        out.push(u8::from(!self.probabilities.is_empty()));
        for (place, item) in self.items.iter().enumerate() {
            out.extend_from_slice(&item.index.to_le_bytes());
            out.extend_from_slice(&item.label.to_le_bytes());
            out.extend(item.top[..self.ranks].iter().flat_map(|k| k.to_le_bytes()));
            out.extend(
                item.probability[..self.ranks]
                    .iter()
                    .flat_map(|p| p.to_le_bytes()),
            );
            out.extend(
                self.all_of(place)
                    .into_iter()
                    .flatten()
                    .flat_map(|p| p.to_le_bytes()),
            );
        }
        let digest = Sha256::digest(&out);
        out.extend_from_slice(&digest);
        out
    }

    /// # Errors
    /// `Input` when the bytes are not a whole predictions file, or not as it was written.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let magic = bytes.get(..MAGIC.len()).unwrap_or_default();
        let is_first = magic == OLDER[0];
        let body = if is_first {
            bytes
        } else {
            let (body, digest) = bytes
                .split_last_chunk::<DIGEST>()
                .ok_or_else(|| bad("is truncated"))?;
            if Sha256::digest(body).as_slice() != digest {
                return Err(bad("is corrupt"));
            }
            body
        };
        let mut reader = Reader(&body[MAGIC.len().min(body.len())..]);
        let read = match magic {
            magic if magic == MAGIC => reader.predictions(),
            magic if OLDER.iter().any(|older| magic == *older) => reader.older(),
            _ => return Err(bad("does not begin with FMPR")),
        };
        read.filter(|_| reader.0.is_empty())
            .ok_or_else(|| bad("has the wrong length"))
    }
}

fn bad(problem: &str) -> Error {
    Error::input("predictions file", problem, "train the run again")
}

/// Takes numbers from the front of bytes; `None` where they are not enough.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn predictions(&mut self) -> Option<Predictions> {
        let (is_test, epoch, count) = (self.byte()? == 1, self.word()?, self.word()?);
        let (classes, ranks) = (self.short()?, usize::from(self.byte()?));
        let has_all = self.byte()? == 1;
        if ranks > RANKS {
            return None;
        }
        let mut read = Predictions {
            is_test,
            epoch,
            classes,
            ranks,
            ..Predictions::default()
        };
        for _ in 0..count {
            let mut item = Prediction {
                index: self.word()?,
                label: self.short()?,
                top: [0; RANKS],
                probability: [0.0; RANKS],
            };
            for class in &mut item.top[..ranks] {
                *class = self.short()?;
            }
            for probability in &mut item.probability[..ranks] {
                *probability = f32::from_bits(self.word()?);
            }
            read.items.push(item);
            for _ in 0..if has_all { classes } else { 0 } {
                read.probabilities.push(f16::from_bits(self.short()?));
            }
        }
        Some(read)
    }

    /// Versions 1 and 2, without what comes before and after.
    fn older(&mut self) -> Option<Predictions> {
        let (is_test, epoch, count) = (self.byte()? == 1, self.word()?, self.word()?);
        let mut read = Predictions {
            is_test,
            epoch,
            ranks: 3,
            ..Predictions::default()
        };
        for _ in 0..count {
            let mut item = Prediction {
                index: self.word()?,
                label: self.byte()?.into(),
                top: [0; RANKS],
                probability: [0.0; RANKS],
            };
            for class in &mut item.top[..3] {
                *class = self.byte()?.into();
            }
            for probability in &mut item.probability[..3] {
                *probability = f32::from_bits(self.word()?);
            }
            read.items.push(item);
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(classes: u16) -> Predictions {
        let mut predictions = Predictions::new(classes);
        (predictions.is_test, predictions.epoch) = (true, 7);
        for index in 60_001..60_004 {
            let all: Vec<f64> = (0..classes).map(|k| 1.0 / f64::from(k + 2)).collect();
            let mut item = Prediction {
                index,
                label: classes - 1,
                top: [0; RANKS],
                probability: [0.0; RANKS],
            };
            for rank in 0..predictions.ranks {
                item.top[rank] = classes - 1 - u16::try_from(rank).unwrap();
                item.probability[rank] = 0.5 / (rank as f32 + 1.0);
            }
            predictions.add(item, &all);
        }
        predictions
    }

    #[test]
    fn round_trip_and_refusal_of_every_truncation_and_every_flipped_byte() {
        for classes in [1, 2, 10, 100, 101, 257, 1000] {
            let p = some(classes);
            let bytes = p.encode();
            assert_eq!(Predictions::decode(&bytes).unwrap(), p);
            assert_eq!(
                p.all_of(2).map(<[f16]>::len),
                (classes <= 100).then_some(classes.into())
            );
            assert_eq!(p.all_of(3), None);
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 300) {
                assert!(Predictions::decode(&bytes[..at]).is_err());
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x40;
                assert!(Predictions::decode(&flipped).is_err(), "byte {at}");
            }
        }
    }

    /// What 0.1 and 0.2 wrote.
    #[test]
    fn files_of_older_versions_are_read() {
        let file = include_bytes!("../../tests/support/run-0.1/predictions-best.bin");
        let first = Predictions::decode(file).unwrap();
        assert_eq!((first.epoch, first.items.len(), first.ranks), (5, 40, 3));
        assert!(!first.is_test && first.all_of(0).is_none());
        let right = first.items.iter().filter(|i| i.label == i.top[0]).count();
        assert_eq!(right, 22);
        let mut second = file.to_vec();
        second[..5].copy_from_slice(OLDER[1]);
        second.extend_from_slice(&Sha256::digest(&second));
        assert_eq!(Predictions::decode(&second).unwrap(), first);
        for file in [&file[..], &second] {
            for cut in 0..file.len() {
                assert!(Predictions::decode(&file[..cut]).is_err());
            }
        }
    }

    #[test]
    fn a_header_that_promises_more_than_there_is_costs_nothing() {
        let mut bytes = some(10).encode();
        bytes[10..14].copy_from_slice(&u32::MAX.to_le_bytes());
        let end = bytes.len() - DIGEST;
        let digest = Sha256::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&digest);
        assert!(Predictions::decode(&bytes).is_err());
    }
}
