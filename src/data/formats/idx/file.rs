//! Reading one IDX file, gzipped or plain, without believing anything it says about itself.
//!
//! The header gives the size; the content is read up to that size plus one byte, whatever the stream would inflate to.
//! Deliberately knows nothing of data sets: which files belong together is [`layout`](super::layout)'s.
//! Reference: the format at the end of <http://yann.lecun.com/exdb/mnist/>.

use std::io::{BufRead, Read};
use std::ops::RangeInclusive;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use crate::data::formats::numbers::Kind;
pub use crate::data::formats::origin::Origin;
use crate::data::formats::origin::{self, LARGEST, capped};
use crate::error::Result;

/// The most items of one file: a file of labels is not to be read for seconds before that of the images is found too
/// large.
const MOST_ITEMS: u32 = 1 << 26;

/// What a file's array is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    Images,
    Labels,
}

impl Items {
    /// Dimensions that an array may have, and the same for people.
    fn ranks(self) -> (RangeInclusive<u8>, &'static str) {
        match self {
            Self::Images => (2..=4, "2 to 4 are expected (images, rows, columns)"),
            Self::Labels => (1..=2, "1 or 2 are expected (labels)"),
        }
    }
}

/// The content of an IDX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    pub kind: Kind,
    pub dimensions: Vec<usize>,
    /// Row-major; as many as the product of `dimensions`, each of `kind`'s size with the highest byte first.
    pub values: Vec<u8>,
    /// Of the decompressed file, its header included.
    pub sha256: [u8; 32],
}

/// Reads the IDX file at `path`.
///
/// # Errors
/// `Input` naming the file when it is not an IDX file of such items, is truncated, too long or damaged; `Io` when it
/// cannot be read.
pub fn read(path: &Path, items: Items, remedy: &str) -> Result<Idx> {
    let origin = Origin::new(path, remedy);
    let (reader, length) = origin::open(path, &origin)?;
    parse(reader, length, items, &origin)
}

/// Reads an IDX file of `length` bytes (as it lies there, perhaps compressed) from `reader`.
///
/// # Errors
/// As [`read`].
pub fn parse(reader: impl BufRead, length: u64, items: Items, origin: &Origin) -> Result<Idx> {
    let (reader, most) = origin::inflated(reader, length, origin)?;
    content(reader, most, items, origin)
}

/// Reads the decompressed content, of which there are at most `most` bytes.
fn content(mut reader: impl Read, most: u64, items: Items, origin: &Origin) -> Result<Idx> {
    let mut header = vec![0; 4];
    fill(&mut reader, &mut header, origin)?;
    let kind = check_magic(&header, items, origin)?;
    header.resize(4 + 4 * usize::from(header[3]), 0);
    fill(&mut reader, &mut header[4..], origin)?;
    let dimensions: Vec<u32> = header[4..]
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
        .collect();

    let expected = dimensions
        .iter()
        .try_fold(kind.size() as u64, |product, d| {
            product.checked_mul(u64::from(*d))
        })
        .filter(|size| *size <= LARGEST)
        .ok_or_else(|| origin.error(format!("claims the size {dimensions:?}, more than 4 GiB")))?;
    if let Some(items) = dimensions.first().filter(|items| **items > MOST_ITEMS) {
        return Err(origin.error(format!("claims {items} items, more than {MOST_ITEMS}")));
    }
    if expected == 0 {
        return Err(origin.error(format!("is empty (its size is {dimensions:?})")));
    }
    if expected > most {
        return Err(origin.error(format!(
            "is truncated: its header declares {expected} bytes, which it cannot hold"
        )));
    }

    let values = capped(&mut reader, expected, origin)?;
    let mut hash = Sha256::new();
    hash.update(&header);
    hash.update(&values);
    Ok(Idx {
        kind,
        dimensions: dimensions.iter().map(|d| *d as usize).collect(),
        values,
        sha256: hash.finalize().into(),
    })
}

fn fill(reader: &mut impl Read, bytes: &mut [u8], origin: &Origin) -> Result<()> {
    reader.read_exact(bytes).map_err(|e| origin.read_error(e))
}

/// The first four bytes: two zeros, the type of the values, the number of dimensions.
fn check_magic(magic: &[u8], items: Items, origin: &Origin) -> Result<Kind> {
    if magic[..2] != [0, 0] {
        return Err(origin.error("is not an IDX file (its first two bytes are not zero)"));
    }
    let kind = match magic[2] {
        0x08 => Kind::U8,
        0x09 => Kind::I8,
        0x0b => Kind::I16,
        0x0c => Kind::I32,
        0x0d => Kind::F32,
        0x0e => Kind::F64,
        _ => return Err(origin.error("is not an IDX file (unknown type of values)")),
    };
    let (ranks, expected) = items.ranks();
    if !ranks.contains(&magic[3]) {
        return Err(origin.error(format!("has {} dimensions where {expected}", magic[3])));
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{self, Write};

    use crate::error::Error;

    fn origin() -> Origin {
        Origin::new(Path::new("tiny"), "fetch it again")
    }

    fn tiny() -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend(1..=12);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn parse_bytes(bytes: &[u8], items: Items) -> Result<Idx> {
        parse(bytes, bytes.len() as u64, items, &origin())
    }

    #[test]
    fn plain_gzip_and_multi_member_read_the_same() {
        let plain = parse_bytes(&tiny(), Items::Images).unwrap();
        assert_eq!(
            (plain.kind, &plain.dimensions[..]),
            (Kind::U8, &[2, 2, 3][..])
        );
        assert_eq!(plain.values, (1..=12).collect::<Vec<u8>>());
        assert_eq!(
            crate::storage::hex(&plain.sha256),
            crate::storage::sha256(&tiny())
        );
        assert_eq!(parse_bytes(&gzip(&tiny()), Items::Images).unwrap(), plain);
        let mut members = gzip(&tiny()[..5]);
        members.extend(gzip(&tiny()[5..20]));
        members.extend(gzip(&tiny()[20..]));
        assert_eq!(parse_bytes(&members, Items::Images).unwrap(), plain);
    }

    #[test]
    fn truncation_at_every_byte_is_an_error() {
        let plain = tiny();
        for bytes in [&plain, &gzip(&plain)] {
            for length in 0..bytes.len() {
                let error = parse_bytes(&bytes[..length], Items::Images).unwrap_err();
                assert!(matches!(error, Error::Input { .. }), "{length}: {error}");
                assert!(error.to_string().contains("fetch it again"));
            }
        }
    }

    #[test]
    fn every_flipped_bit_of_a_gzip_file_is_noticed_or_harmless() {
        let good = parse_bytes(&tiny(), Items::Images).unwrap();
        let packed = gzip(&tiny());
        for bit in 0..packed.len() * 8 {
            let mut bytes = packed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // Flips in the time stamp and the like change nothing.
            if let Ok(read) = parse_bytes(&bytes, Items::Images) {
                assert_eq!(read, good, "bit {bit}");
            }
        }
    }

    #[test]
    fn one_byte_too_many_is_an_error() {
        let mut bytes = tiny();
        bytes.push(0);
        for bytes in [bytes.clone(), gzip(&bytes)] {
            let message = parse_bytes(&bytes, Items::Images).unwrap_err().to_string();
            assert!(message.contains("too long"), "{message}");
        }
    }

    #[test]
    fn wrong_headers_are_told_apart() {
        let with = |change: fn(&mut Vec<u8>)| {
            let mut bytes = tiny();
            change(&mut bytes);
            parse_bytes(&bytes, Items::Images).unwrap_err().to_string()
        };
        assert!(with(|b| b[0] = 1).contains("not an IDX file"));
        assert!(with(|b| b[2] = 0x42).contains("not an IDX file"));
        assert!(with(|b| b[2] = 0x0d).contains("declares 48 bytes"));
        assert!(with(|b| b[3] = 1).contains("has 1 dimensions where 2 to 4"));
        assert!(with(|b| b[3] = 5).contains("has 5 dimensions"));
        assert!(with(|b| b[7] = 0).contains("empty"));
        assert!(with(|b| b[7] = 3).contains("truncated"));
        assert!(with(|b| b[4..16].fill(0xff)).contains("more than 4 GiB"));
        assert!(with(|b| b[4] = 0x03).contains("truncated"));
        assert!(with(|b| b[4] = 0x0f).contains("items, more than"));
    }

    /// A stream of zeros without end, counting what is taken of it.
    struct Bomb<'a>(&'a mut u64);

    impl Read for Bomb<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0);
            *self.0 += buffer.len() as u64;
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_bomb_is_cut_off_one_byte_after_the_promised_size() {
        let mut taken = 0;
        let header: &[u8] = &[0, 0, 8, 1, 0, 0, 0, 10];
        let bomb = header.chain(Bomb(&mut taken));
        let message = content(bomb, u64::MAX, Items::Labels, &origin())
            .unwrap_err()
            .to_string();
        assert!(message.contains("too long"), "{message}");
        assert_eq!(taken, 11);
    }

    #[test]
    fn a_gzip_bomb_stays_small() {
        // 64 members of 16 MB of zeros each: 1 GB from about 1 MB, behind a header that promises 10 bytes.
        let mut bytes = gzip(&[0, 0, 8, 1, 0, 0, 0, 10]);
        let zeros = gzip(&vec![0; 16 << 20]);
        for _ in 0..64 {
            bytes.extend_from_slice(&zeros);
        }
        let started = std::time::Instant::now();
        let message = parse_bytes(&bytes, Items::Labels).unwrap_err().to_string();
        assert!(message.contains("too long"), "{message}");
        assert!(started.elapsed().as_secs() < 1);
    }

    #[test]
    fn a_wrong_size_in_the_gzip_trailer_is_an_error() {
        let mut bytes = gzip(&tiny());
        let last = bytes.len() - 4;
        bytes[last] ^= 1;
        assert!(parse_bytes(&bytes, Items::Images).is_err());
    }

    #[test]
    fn a_directory_and_a_missing_file_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let message = read(directory.path(), Items::Images, "replace it")
            .unwrap_err()
            .to_string();
        assert!(message.contains("not a regular file"), "{message}");
        let missing =
            read(&directory.path().join("none"), Items::Images, "replace it").unwrap_err();
        assert!(matches!(missing, Error::Io { .. }));
    }
}
