//! One array of numpy's, as `.npy` files and the members of `.npz` have it.
//!
//! The header gives the size; the content is read up to that size plus one byte, whatever the stream would inflate to.
//! Reference: `numpy.lib.format`, versions 1 to 3.

use std::io::Read;

use crate::data::formats::numbers::{Kind, Order};
use crate::data::formats::origin::{LARGEST, Origin, capped};
use crate::error::Result;

/// What a file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// **Units** bytes of the longest header that is read; one of an array takes some 100.
const LONGEST_HEADER: usize = 1 << 16;

/// The most dimensions of an array.
const MOST_SIDES: usize = 32;

/// The most items of an array.
const MOST_ITEMS: u64 = 1 << 26;

/// Numbers in C order, as they lie in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
    pub(super) order: Order,
    /// As many as the product of `shape`, of `kind`'s size.
    pub(super) bytes: Vec<u8>,
}

/// Reads an array from a stream of at most `most` bytes.
///
/// # Errors
/// `Input` where it is no array of numbers in C order, is truncated, too long or damaged.
pub(super) fn read(mut reader: impl Read, most: u64, origin: &Origin) -> Result<Array> {
    let mut fill = |length: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        reader
            .read_exact(&mut bytes)
            .map_err(|e| origin.read_error(e))?;
        Ok(bytes)
    };
    let start = fill(MAGIC.len() + 2)?;
    if !start.starts_with(MAGIC) {
        return Err(origin.error("is not an array of numpy's"));
    }
    let length = match start[MAGIC.len()] {
        1 => fill(2)?
            .iter()
            .rev()
            .fold(0, |n, b| n << 8 | usize::from(*b)),
        2 | 3 => fill(4)?
            .iter()
            .rev()
            .fold(0, |n, b| n << 8 | usize::from(*b)),
        other => return Err(origin.error(format!("has the unknown version {other}"))),
    };
    if length > LONGEST_HEADER {
        return Err(origin.error(format!("has a header of {length} bytes, too long for one")));
    }
    let header = fill(length)?;
    let header = Header::parse(&header).map_err(|problem| origin.error(problem))?;
    if header.is_fortran {
        return Err(origin.error_with(
            "is in Fortran order",
            "save it in C order (numpy.ascontiguousarray)",
        ));
    }
    let size = header.kind.size() as u64;
    let items = header
        .shape
        .iter()
        .try_fold(1u64, |product, side| product.checked_mul(*side))
        .filter(|items| items.checked_mul(size).is_some_and(|all| all <= LARGEST))
        .ok_or_else(|| {
            origin.error(format!(
                "claims the shape {:?}, more than 4 GiB",
                header.shape
            ))
        })?;
    if let Some(first) = header.shape.first().filter(|first| **first > MOST_ITEMS) {
        return Err(origin.error(format!("claims {first} items, more than {MOST_ITEMS}")));
    }
    if items == 0 {
        return Err(origin.error(format!("is empty (its shape is {:?})", header.shape)));
    }
    let expected = items * size;
    if expected > most {
        return Err(origin.error(format!(
            "is truncated: its header declares {expected} bytes, which it cannot hold"
        )));
    }
    let sides = header.shape.iter().map(|side| usize::try_from(*side));
    Ok(Array {
        shape: sides
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| origin.too_large())?,
        kind: header.kind,
        order: header.order,
        bytes: capped(&mut reader, expected, origin)?,
    })
}

struct Header {
    kind: Kind,
    order: Order,
    is_fortran: bool,
    shape: Vec<u64>,
}

impl Header {
    /// Reads a dictionary as Python writes it: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        const BROKEN: &str = "has a broken header";
        let text = std::str::from_utf8(bytes).map_err(|_| BROKEN)?;
        let inside = text.trim().strip_prefix('{');
        let mut rest = inside
            .and_then(|text| text.strip_suffix('}'))
            .ok_or(BROKEN)?;
        let (mut kind, mut is_fortran, mut shape) = (None, None, None);
        while let Some((key, after)) = quoted(rest) {
            rest = after.trim_start().strip_prefix(':').ok_or(BROKEN)?;
            rest = rest.trim_start();
            match key {
                "descr" => {
                    let Some((name, after)) = quoted(rest) else {
                        return Err("has records, not plain numbers".into());
                    };
                    kind = Some(numbers(name)?);
                    rest = after;
                }
                "fortran_order" => {
                    let no = rest.strip_prefix("False").map(|rest| (false, rest));
                    let yes = rest.strip_prefix("True").map(|rest| (true, rest));
                    let (is_it, after) = no.or(yes).ok_or(BROKEN)?;
                    is_fortran = Some(is_it);
                    rest = after;
                }
                "shape" => {
                    let (sides, after) = rest
                        .strip_prefix('(')
                        .and_then(|rest| rest.split_once(')'))
                        .ok_or(BROKEN)?;
                    let sides = sides.split(',').map(str::trim);
                    let sides = sides.filter(|side| !side.is_empty());
                    let sides: Vec<u64> = sides
                        .map(|side| side.parse().map_err(|_| BROKEN))
                        .collect::<std::result::Result<_, _>>()?;
                    shape = Some(sides);
                    rest = after;
                }
                _ => return Err(BROKEN.into()),
            }
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        let ((kind, order), is_fortran, shape) = (
            kind.ok_or(BROKEN)?,
            is_fortran.ok_or(BROKEN)?,
            shape.ok_or(BROKEN)?,
        );
        if !rest.trim().is_empty() || shape.len() > MOST_SIDES {
            return Err(BROKEN.into());
        }
        Ok(Self {
            kind,
            order,
            is_fortran,
            shape,
        })
    }
}

/// What stands in quotes at the beginning, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// The numbers that numpy calls so, such as `<f4`.
fn numbers(name: &str) -> std::result::Result<(Kind, Order), String> {
    let kind = match name.get(1..).unwrap_or_default() {
        "u1" => Some(Kind::U8),
        "i1" => Some(Kind::I8),
        "u2" => Some(Kind::U16),
        "i2" => Some(Kind::I16),
        "u4" => Some(Kind::U32),
        "i4" => Some(Kind::I32),
        "u8" => Some(Kind::U64),
        "i8" => Some(Kind::I64),
        "f2" => Some(Kind::F16),
        "f4" => Some(Kind::F32),
        "f8" => Some(Kind::F64),
        _ => None,
    };
    let order = match name.bytes().next() {
        Some(b'<' | b'|' | b'=') => Some(Order::Lowest),
        Some(b'>') => Some(Order::Highest),
        _ => None,
    };
    kind.zip(order).ok_or_else(|| {
        format!("has values of the type {name}, which are neither integers nor fractions")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn origin() -> Origin {
        Origin::new(Path::new("images"), "replace it")
    }

    fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
        let length = header.len() as u32;
        let mut bytes = [MAGIC, &[version, 0]].concat();
        bytes.extend(&length.to_le_bytes()[..if version == 1 { 2 } else { 4 }]);
        [&bytes, header.as_bytes(), data].concat()
    }

    const HEADER: &str = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }  \n";

    fn parse(bytes: &[u8]) -> Result<Array> {
        read(bytes, bytes.len() as u64, &origin())
    }

    fn message(header: &str, data: &[u8]) -> String {
        parse(&npy(1, header, data)).unwrap_err().to_string()
    }

    #[test]
    fn all_versions_are_read() {
        let data: Vec<u8> = (0..12).collect();
        for version in 1..=3 {
            let array = parse(&npy(version, HEADER, &data)).unwrap();
            assert_eq!((array.kind, array.order), (Kind::I16, Order::Lowest));
            assert_eq!((&array.shape[..], &array.bytes), (&[2, 3][..], &data));
        }
        let other = "{\"shape\": (12,), \"descr\": \"|u1\", \"fortran_order\": False}";
        assert_eq!(parse(&npy(1, other, &data)).unwrap().shape, [12]);
    }

    #[test]
    fn truncation_at_every_byte_is_an_error() {
        let bytes = npy(1, HEADER, &[7; 12]);
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "{length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(parse(&longer).unwrap_err().to_string().contains("too long"));
    }

    /// Whatever the header says, there are as many numbers as it says.
    #[test]
    fn no_flipped_bit_breaks_the_reader() {
        let bytes = npy(1, HEADER, &[7; 12]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(array) = parse(&flipped) {
                let count: usize = array.shape.iter().product();
                assert_eq!(count * array.kind.size(), array.bytes.len());
            }
        }
    }

    #[test]
    fn what_is_no_array_of_images_is_told() {
        let header = |kind: &str, fortran: &str, shape: &str| {
            format!("{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {shape}, }}")
        };
        for (header, problem) in [
            (header("'<f4'", "True", "(2, 3)"), "Fortran order"),
            (header("'|O'", "False", "(2, 3)"), "values of the type |O"),
            (header("'<c8'", "False", "(2, 3)"), "values of the type <c8"),
            (header("[('a', '<f4')]", "False", "(2,)"), "has records"),
            (header("'|u1'", "False", "(0, 3)"), "is empty"),
            (header("'|u1'", "False", "(2, 4)"), "is truncated"),
            (
                header("'|u1'", "False", "(9999999, 9999999)"),
                "more than 4 GiB",
            ),
            (
                header("'|u1'", "False", "(100000000, 1)"),
                "more than 67108864",
            ),
            (header("'|u1'", "False", "(-2,)"), "broken header"),
            (header("'|u1'", "Maybe", "(2,)"), "broken header"),
            (header("'|u1'", "False", "2"), "broken header"),
            ("{}".into(), "broken header"),
            ("{'descr': '|u1'} x".into(), "broken header"),
            ("{'é': 1}".into(), "broken header"),
        ] {
            let told = message(&header, &[7; 6]);
            assert!(told.contains(problem), "{told}");
        }
        assert!(
            parse(b"PK\x03\x04....")
                .unwrap_err()
                .to_string()
                .contains("is not an array")
        );
        let long = [MAGIC, &[2, 0, 0xff, 0xff, 0xff, 0xff]].concat();
        assert!(parse(&long).unwrap_err().to_string().contains("too long"));
    }
}
