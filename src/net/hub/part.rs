//! A part of a safetensors file on a server: its header first, then only the ranges of the tensors that are wanted.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use safetensors::tensor::{Metadata, TensorView};

use crate::net::Failure;
use crate::state::Shapes;
use crate::storage;

/// Longest header that is read.
const LONGEST_HEADER: u64 = 16 << 20;

/// What lies between two wanted tensors is fetched along when it is no longer than this.
const GAP: u64 = 64 << 10;

/// Bytes of the number in front, which says how long the header is.
pub(super) const NUMBER: u64 = 8;

/// Where the header ends in a file of `size` bytes, from its first eight.
pub(super) fn header_end(number: &[u8], size: u64) -> Result<u64, Failure> {
    let number = number.try_into().map_or(u64::MAX, u64::from_le_bytes);
    let end = number.saturating_add(NUMBER);
    if number > LONGEST_HEADER || end > size {
        return Err(Failure::never("is not a safetensors file"));
    }
    Ok(end)
}

/// The part of a whole file, if it is a safetensors file with such tensors. Reads no more of it.
pub(super) fn cut(whole: &mut (impl Read + Seek), prefix: &str) -> io::Result<Option<Vec<u8>>> {
    let size = whole.seek(SeekFrom::End(0))?;
    let mut piece = |range: Range<u64>| {
        whole.seek(SeekFrom::Start(range.start))?;
        let mut bytes = Vec::new();
        let mut rest = whole.by_ref().take(range.end - range.start);
        rest.read_to_end(&mut bytes).map(|_| bytes)
    };
    let Ok(end) = header_end(&piece(0..NUMBER)?, size) else {
        return Ok(None);
    };
    let header = Header::read(&piece(0..end)?, size).ok();
    let Some(plan) = header.and_then(|header| header.plan(prefix)) else {
        return Ok(None);
    };
    let pieces: io::Result<Vec<Vec<u8>>> = plan.ranges.iter().cloned().map(piece).collect();
    Ok(plan.file(&pieces?.concat()).ok())
}

/// What tensors a file has, and where.
pub(super) struct Header {
    metadata: Metadata,
    /// Of its bytes.
    sha256: String,
    /// Name and place in the file.
    tensors: Vec<(String, Range<u64>)>,
}

impl Header {
    /// `header` is the file's beginning up to the header's end.
    ///
    /// # Errors
    /// When it is no header, or not of a file of `size` bytes.
    pub(super) fn read(header: &[u8], size: u64) -> Result<Self, Failure> {
        let broken = |e| Failure::never(format!("its safetensors header is broken ({e})"));
        let json = header.get(8..).unwrap_or_default();
        let metadata: Metadata = serde_json::from_slice(json).map_err(broken)?;
        let start = header.len() as u64;
        let mut end = start;
        let mut tensors = Vec::new();
        for (name, info) in metadata.tensors() {
            let (from, to) = info.data_offsets;
            let (from, to) = (
                (from as u64).saturating_add(start),
                (to as u64).saturating_add(start),
            );
            if from > to || to > size {
                return Err(Failure::never(
                    "its safetensors header points beyond its end",
                ));
            }
            end = end.max(to);
            tensors.push((name, from..to));
        }
        if end != size {
            return Err(Failure::never(format!(
                "its safetensors header is of a file of {end} bytes, and it has {size}"
            )));
        }
        Ok(Self {
            metadata,
            sha256: storage::sha256(header),
            tensors,
        })
    }

    /// Of all tensors, whatever their type.
    pub(super) fn shapes(&self) -> Shapes {
        let tensors = self.metadata.tensors().into_iter();
        tensors
            .map(|(name, info)| (name, info.shape.clone()))
            .collect()
    }

    /// How the tensors whose names begin so are fetched; none where there are none.
    pub(super) fn plan(mut self, prefix: &str) -> Option<Plan> {
        self.tensors.retain(|(name, _)| name.starts_with(prefix));
        self.tensors.sort_by_key(|(_, place)| place.start);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (_, place) in self.tensors.iter().filter(|(_, place)| !place.is_empty()) {
            match ranges.last_mut() {
                Some(last) if place.start <= last.end + GAP => last.end = last.end.max(place.end),
                _ => ranges.push(place.clone()),
            }
        }
        let header = self;
        (!ranges.is_empty()).then_some(Plan { header, ranges })
    }
}

/// The tensors that are wanted, by the ranges in which they are fetched.
pub(super) struct Plan {
    /// Of the wanted tensors alone.
    header: Header,
    /// What is fetched: in order, apart from each other.
    pub(super) ranges: Vec<Range<u64>>,
}

impl Plan {
    /// What the fetched bytes are named by while they are not all there: only those of the same ranges go on.
    pub(super) fn name(&self) -> &str {
        &self.header.sha256[..8]
    }

    /// Bytes that are fetched.
    pub(super) fn bytes(&self) -> u64 {
        self.ranges
            .iter()
            .map(|range| range.end - range.start)
            .sum()
    }

    /// A file of the wanted tensors alone; `fetched` is the bytes of the ranges, one behind the other.
    ///
    /// # Errors
    /// When a tensor does not lie in them.
    pub(super) fn file(&self, fetched: &[u8]) -> Result<Vec<u8>, Failure> {
        let outside = || Failure::never("its tensors lie outside of what was downloaded");
        let mut views = Vec::new();
        for (name, place) in &self.header.tensors {
            let info = self.header.metadata.info(name).ok_or_else(outside)?;
            let data = if place.is_empty() {
                &[]
            } else {
                let at = self.ranges.iter().position(|range| range.end >= place.end);
                let at = at.filter(|at| self.ranges[*at].start <= place.start);
                let at = at.ok_or_else(outside)?;
                let before: u64 = self.ranges[..at].iter().map(|r| r.end - r.start).sum();
                let from = usize::try_from(before + place.start - self.ranges[at].start);
                let length = usize::try_from(place.end - place.start);
                let (Ok(from), Ok(length)) = (from, length) else {
                    return Err(outside());
                };
                fetched.get(from..from + length).ok_or_else(outside)?
            };
            let view = TensorView::new(info.dtype, info.shape.clone(), data)
                .map_err(|e| Failure::never(format!("{name} is broken ({e})")))?;
            views.push((name.as_str(), view));
        }
        safetensors::serialize(views, None)
            .map_err(|e| Failure::never(format!("its tensors cannot be written ({e})")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;
    use safetensors::tensor::Dtype;

    /// A file of tensors of bytes: name and length.
    fn file(tensors: &[(&str, usize)]) -> Vec<u8> {
        let data: Vec<Vec<u8>> = tensors
            .iter()
            .enumerate()
            .map(|(i, (_, len))| vec![i as u8 + 1; *len])
            .collect();
        let views = tensors.iter().zip(&data).map(|((name, len), data)| {
            (*name, TensorView::new(Dtype::U8, vec![*len], data).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn a_part_is_cut_out_of_a_whole() {
        let whole = file(&[
            ("features.0.weight", 100),
            ("classifier.weight", 1_000_000),
            ("features.1.bias", 7),
            ("features.2.empty", 0),
        ]);
        let size = whole.len() as u64;
        let end = header_end(&whole[..8], size).unwrap();
        let header = Header::read(&whole[..end as usize], size).unwrap();
        assert_eq!(header.shapes()["classifier.weight"], [1_000_000]);
        let plan = header.plan("features.").unwrap();
        assert!(plan.bytes() <= 107 + 1);
        let fetched: Vec<Vec<u8>> = plan
            .ranges
            .iter()
            .map(|r| whole[r.start as usize..r.end as usize].to_vec())
            .collect();
        let fetched = fetched.concat();
        let (bytes, cut_out) = (whole.clone(), plan.file(&fetched).unwrap());
        let (part, whole) = (
            SafeTensors::deserialize(&cut_out).unwrap(),
            SafeTensors::deserialize(&whole).unwrap(),
        );
        assert_eq!(part.len(), 3);
        let cut_from = |bytes: &[u8], prefix| cut(&mut io::Cursor::new(bytes), prefix).unwrap();
        let from_whole = cut_from(&bytes, "features.");
        assert_eq!(from_whole, Some(cut_out.clone()), "the same from the whole");
        assert_eq!(cut_from(&bytes, "other."), None);
        for none in [&b"no weights at all"[..], b"short", &bytes[..100]] {
            assert_eq!(cut_from(none, ""), None);
        }
        for (name, view) in part.tensors() {
            assert_eq!(view.data(), whole.tensor(&name).unwrap().data(), "{name}");
        }
    }

    #[test]
    fn hostile_headers_are_refused() {
        assert!(header_end(&[0xff; 8], 1000).is_err());
        assert!(header_end(&2000u64.to_le_bytes(), 1000).is_err());
        assert!(header_end(&[1, 2], 1000).is_err());
        let whole = file(&[("features.a", 100)]);
        let end = header_end(&whole[..8], whole.len() as u64).unwrap() as usize;
        for size in [whole.len() as u64 - 1, whole.len() as u64 + 1] {
            assert!(Header::read(&whole[..end], size).is_err());
        }
        let mut noise = whole[..end].to_vec();
        noise[8] = b'!';
        assert!(Header::read(&noise, whole.len() as u64).is_err());
    }
}
