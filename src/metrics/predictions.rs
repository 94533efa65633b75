//! What a network said about each held-out picture, kept beside the run for the confusion matrix's gallery.
//!
//! A small binary file: `FMPR2`, part, epoch, count, 20 bytes a picture, little-endian, then the SHA-256 of all this.
//! Version 0.1's are `FMPR1` and have no digest.

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// **Units** bytes of the largest file of predictions that is read: those of 50 million pictures.
pub const LARGEST: u64 = 1 << 30;

const MAGIC: &[u8; 5] = b"FMPR2";
const MAGIC_WITHOUT_DIGEST: &[u8; 5] = b"FMPR1";
const DIGEST: usize = 32;
const HEADER: usize = 5 + 1 + 4 + 4;
const RECORD: usize = 20;

/// File names inside a run's directory: the newest evaluated epoch, the best epoch, and the final test.
pub const LATEST: &str = "predictions-latest.bin";
pub const BEST: &str = "predictions-best.bin";
pub const TEST: &str = "predictions-test.bin";

/// What was predicted for one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Position in the data set, training pictures first, then test pictures.
    pub index: u32,
    pub label: u8,
    /// The three most likely classes, most likely first.
    pub top: [u8; 3],
    /// Their probabilities.
    pub probability: [f32; 3],
}

/// All predictions of one evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    pub is_test: bool,
    pub epoch: u32,
    pub items: Vec<Prediction>,
}

impl Predictions {
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a data set has fewer than 2^32 pictures"
    )]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.items.len() * RECORD + DIGEST);
        out.extend_from_slice(MAGIC);
        out.push(u8::from(self.is_test));
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&(self.items.len() as u32).to_le_bytes());
        for item in &self.items {
            out.extend_from_slice(&item.index.to_le_bytes());
            out.push(item.label);
            out.extend_from_slice(&item.top);
            for p in item.probability {
                out.extend_from_slice(&p.to_le_bytes());
            }
        }
        let digest = Sha256::digest(&out);
        out.extend_from_slice(&digest);
        out
    }

    /// # Errors
    /// `Input` when the bytes are not a whole predictions file, or not as it was written.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let bad = |problem: &str| Error::input("predictions file", problem, "train the run again");
        let header = bytes.get(..HEADER).ok_or_else(|| bad("is cut short"))?;
        let bytes = match &header[..5] {
            magic if magic == MAGIC => {
                let (bytes, digest) = bytes
                    .split_last_chunk::<DIGEST>()
                    .filter(|(bytes, _)| bytes.len() >= HEADER)
                    .ok_or_else(|| bad("is cut short"))?;
                if Sha256::digest(bytes).as_slice() != digest {
                    return Err(bad("is not as it was written"));
                }
                bytes
            }
            magic if magic == MAGIC_WITHOUT_DIGEST => bytes,
            _ => return Err(bad("does not begin with FMPR")),
        };
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let count = word(10) as usize;
        let body = &bytes[HEADER..];
        if count.checked_mul(RECORD) != Some(body.len()) {
            return Err(bad("has the wrong length"));
        }
        let items = body
            .chunks_exact(RECORD)
            .map(|r| {
                let word = |at: usize| [r[at], r[at + 1], r[at + 2], r[at + 3]];
                Prediction {
                    index: u32::from_le_bytes(word(0)),
                    label: r[4],
                    top: [r[5], r[6], r[7]],
                    probability: [8, 12, 16].map(|at| f32::from_le_bytes(word(at))),
                }
            })
            .collect();
        Ok(Self {
            is_test: header[5] == 1,
            epoch: word(6),
            items,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Predictions {
        Predictions {
            is_test: true,
            epoch: 7,
            items: vec![
                Prediction {
                    index: 60_001,
                    label: 6,
                    top: [0, 6, 2],
                    probability: [0.6, 0.3, 0.05]
                };
                3
            ],
        }
    }

    #[test]
    fn round_trip_and_refusal_of_every_truncation_and_every_flipped_byte() {
        let p = three();
        let bytes = p.encode();
        assert_eq!(Predictions::decode(&bytes).unwrap(), p);
        for at in 0..bytes.len() {
            assert!(Predictions::decode(&bytes[..at]).is_err());
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x40;
            assert!(Predictions::decode(&flipped).is_err(), "byte {at}");
        }
    }

    #[test]
    fn files_of_version_0_1_have_no_digest() {
        let mut bytes = three().encode();
        bytes.truncate(bytes.len() - DIGEST);
        bytes[..5].copy_from_slice(MAGIC_WITHOUT_DIGEST);
        assert_eq!(Predictions::decode(&bytes).unwrap(), three());
        for cut in 0..bytes.len() {
            assert!(Predictions::decode(&bytes[..cut]).is_err());
        }
    }
}
