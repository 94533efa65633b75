//! One batch: its images and labels, and the binary version of it.
//!
//! Reference: <https://www.cs.toronto.edu/~kriz/cifar.html>, "Binary version".

use super::layout::Kind;
use crate::data::formats::origin::Origin;
use crate::error::Result;

/// Channels, height and width of an image.
pub(super) const SHAPE: [usize; 3] = [3, 32, 32];

/// Values of an image.
pub(super) const VALUES: usize = 3 * 32 * 32;

/// Images of a file, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// **Shape** `[N, 3, 32, 32]` u8.
    pub(super) pixels: Vec<u8>,
    /// **Shape** `[N]`.
    pub(super) labels: Vec<i64>,
}

/// Which of two labels is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    Fine,
    Coarse,
}

/// Reads records of one label, or a coarse and a fine one, and 3072 pixels.
///
/// # Errors
/// `Input` where it is not a whole number of records.
pub(super) fn read(bytes: &[u8], kind: Kind, labels: Labels, origin: &Origin) -> Result<Batch> {
    let (own, at) = match (kind, labels) {
        (Kind::Ten, _) => (1, 0),
        (Kind::Hundred, Labels::Coarse) => (2, 0),
        (Kind::Hundred, Labels::Fine) => (2, 1),
    };
    let record = own + VALUES;
    let over = bytes.len() % record;
    if bytes.is_empty() {
        return Err(origin.error("is empty"));
    }
    if over > 0 {
        return Err(origin.error(format!(
            "has {} bytes, not a whole number of images of {record} bytes",
            bytes.len()
        )));
    }
    let count = bytes.len() / record;
    let mut batch = Batch {
        pixels: Vec::with_capacity(count * VALUES),
        labels: Vec::with_capacity(count),
    };
    for record in bytes.chunks_exact(record) {
        batch.labels.push(record[at].into());
        batch.pixels.extend_from_slice(&record[own..]);
    }
    Ok(batch)
}

/// Reads a list of names, one a line.
///
/// # Errors
/// `Input` where it is not text.
pub(super) fn names(bytes: &[u8], origin: &Origin) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes).map_err(|_| origin.error("is not UTF-8 text"))?;
    let lines = text.lines().map(str::trim);
    Ok(lines
        .filter(|line| !line.is_empty())
        .map(String::from)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn origin() -> Origin {
        Origin::new(Path::new("batch"), "replace it")
    }

    #[test]
    fn either_label_of_a_record_is_read() {
        let mut bytes = Vec::new();
        for image in 0..3u8 {
            bytes.extend([image, 50 + image]);
            bytes.extend((0..VALUES).map(|at| (at as u8).wrapping_add(image)));
        }
        let fine = read(&bytes, Kind::Hundred, Labels::Fine, &origin()).unwrap();
        let coarse = read(&bytes, Kind::Hundred, Labels::Coarse, &origin()).unwrap();
        assert_eq!(fine.labels, [50, 51, 52]);
        assert_eq!(coarse.labels, [0, 1, 2]);
        assert_eq!(fine.pixels, coarse.pixels);
        assert_eq!(fine.pixels[VALUES..VALUES + 2], [1, 2]);
        let one: Vec<u8> = bytes[1..=VALUES + 1].to_vec();
        let ten = read(&one, Kind::Ten, Labels::Fine, &origin()).unwrap();
        assert_eq!(
            (ten.labels, ten.pixels),
            (vec![50], fine.pixels[..VALUES].to_vec())
        );
    }

    #[test]
    fn truncation_at_every_byte_is_an_error() {
        let bytes = vec![7; 2 * (1 + VALUES)];
        for length in 0..bytes.len() {
            let read = read(&bytes[..length], Kind::Ten, Labels::Fine, &origin());
            assert_eq!(read.is_ok(), length == 1 + VALUES, "{length}");
        }
        let told = read(&bytes[1..], Kind::Ten, Labels::Fine, &origin()).unwrap_err();
        assert_eq!(
            told.to_string(),
            "batch has 6145 bytes, not a whole number of images of 3073 bytes; replace it"
        );
        assert_eq!(names(b"a b\n\nc\r\n", &origin()).unwrap(), ["a b", "c"]);
        assert!(names(b"\xff", &origin()).is_err());
    }
}
