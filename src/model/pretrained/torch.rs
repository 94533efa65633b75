//! PyTorch's own files: a zip since version 1.6 (`.pt`, `.pth`), before that pickles one after the other (`.th`).
//!
//! The pickle says which stretch of which storage every tensor is; storages are raw numbers. Nothing is executed, and
//! all tensors together may have no more numbers than the file has bytes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};

use super::tensors::{self, Kind, MOST_TENSORS, Tensors, View};
use super::{Foreign, Found};
use crate::state::{Array, StateDict};
use crate::storage::pickle::{self, Pickle, Value};

/// PyTorch's number, as a pickle has it.
const NUMBER: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// What a zip begins with.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";

/// The most entries of a zip, one a storage and some besides.
const MOST_ENTRIES: usize = MOST_TENSORS;

/// Whether a file begins as those before version 1.6: with a pickle of PyTorch's number, of whatever protocol.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    let [0x80, 2..=5, rest @ ..] = bytes else {
        return false;
    };
    // From protocol 4 on a frame of eight bytes' length comes first.
    let rest = match rest {
        [0x95, frame @ ..] => frame.get(8..).unwrap_or_default(),
        rest => rest,
    };
    rest.starts_with(NUMBER)
}

/// The floating-point tensors of a legacy file.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read_legacy(bytes: &[u8]) -> Result<Found, String> {
    let mut rest = bytes;
    let mut next = || -> Result<Pickle, String> {
        let pickle = pickle::read(rest)?;
        rest = &rest[pickle.length..];
        Ok(pickle)
    };
    for _ in 0..3 {
        next()?;
    }
    let (weights, keys) = (next()?, next()?);
    let tensors = tensors::tensors(&weights)?;
    let sizes = tensors::storage_sizes(&weights)?;
    let needed: HashSet<&str> = needed(&tensors).collect();
    let keys = keys
        .items(keys.root())
        .ok_or("it does not say which storages it holds")?;
    let mut storages = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else {
            return Err("it does not say which storages it holds".into());
        };
        let head = rest.get(..8).ok_or("it is cut off")?;
        let count = head
            .iter()
            .rev()
            .fold(0u64, |n, b| (n << 8) | u64::from(*b));
        rest = &rest[8..];
        let size = *sizes
            .get(key.as_str())
            .ok_or("it has an unreferenced storage")?;
        let len = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size));
        let len = len
            .filter(|len| *len <= rest.len())
            .ok_or("it is cut off")?;
        if needed.contains(key.as_str()) {
            storages.insert(key.clone(), Cow::from(&rest[..len]));
        }
        rest = &rest[len..];
    }
    arrays(tensors, bytes.len(), &storages)
}

/// The floating-point tensors of a zip.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read_zip(bytes: &[u8]) -> Result<Found, String> {
    // The file begins with an entry, so nothing lies before the zip. Left to find that out, the crate takes the
    // directory to end where the last record begins; but PyTorch writes two of zip64's in between, 76 bytes, and an
    // entry that happens to begin there (a first one of as many bytes, by its name) would be taken for the first.
    let config = zip::read::Config {
        archive_offset: zip::read::ArchiveOffset::Known(0),
    };
    let mut archive = zip::ZipArchive::with_config(config, Cursor::new(bytes))
        .map_err(|e| format!("its zip is broken ({e})"))?;
    if archive.len() > MOST_ENTRIES {
        return Err(format!("its zip has more than {MOST_ENTRIES} entries"));
    }
    let names = archive.file_names().filter_map(Result::ok);
    let prefixes = names.filter_map(|name| name.strip_suffix("data.pkl").map(String::from));
    let Some(prefix) = prefixes
        .into_iter()
        .find(|prefix| prefix.is_empty() || prefix.ends_with('/'))
    else {
        return Err("its zip has no data.pkl, as PyTorch's files have".into());
    };
    // PyTorch stores without compressing, so all entries together are no longer than the file.
    let mut left = bytes.len() as u64;
    let mut entry = |name: &str| -> Result<Vec<u8>, String> {
        let entry = archive
            .by_name(&format!("{prefix}{name}"))
            .map_err(|e| match e {
                zip::result::ZipError::FileNotFound => format!("its zip has no {name}"),
                e => format!("{name} of its zip cannot be read ({e})"),
            })?;
        let size = entry.size();
        left = left
            .checked_sub(size)
            .ok_or_else(|| format!("{name} of its zip is larger than the file"))?;
        let mut data = Vec::new();
        entry
            .take(size)
            .read_to_end(&mut data)
            .map_err(|e| format!("{name} of its zip is broken ({e})"))?;
        Ok(data)
    };
    let big = entry("byteorder").is_ok_and(|order| order.starts_with(b"big"));
    if big {
        return Err("its numbers are big-endian".into());
    }
    let weights = entry("data.pkl")?;
    let weights = pickle::read(&weights)?;
    let tensors = tensors::tensors(&weights)?;
    let mut storages = HashMap::new();
    for storage in needed(&tensors) {
        if !storages.contains_key(storage) {
            storages.insert(
                storage.to_string(),
                Cow::from(entry(&format!("data/{storage}"))?),
            );
        }
    }
    arrays(tensors, bytes.len(), &storages)
}

/// The storages that numbers are taken from.
fn needed<'a>(tensors: &'a Tensors<'_>) -> impl Iterator<Item = &'a str> {
    let views = tensors.views.values();
    views
        .filter(|view| !matches!(view.kind, Kind::Counter(_)))
        .map(|view| view.storage)
}

/// Reads the views out of their storages.
fn arrays(
    tensors: Tensors<'_>,
    bytes: usize,
    storages: &HashMap<String, Cow<'_, [u8]>>,
) -> Result<Found, String> {
    let mut left = bytes;
    let mut found = Found {
        weights: StateDict::new(),
        foreign: tensors.foreign,
    };
    for (name, view) in tensors.views {
        let blame = |e: &str| format!("{}: {e}", super::shown(&name));
        if matches!(view.kind, Kind::Counter(_)) {
            continue;
        }
        let count = view
            .shape
            .iter()
            .try_fold(1usize, |n, side| n.checked_mul(*side));
        // One number may stand for many, but not for more than a file of this length could hold.
        let Some(count) = count.filter(|count| *count <= left) else {
            let kind = "larger than the file".into();
            found.foreign.push(Foreign { name, kind });
            continue;
        };
        let data = storages
            .get(view.storage)
            .ok_or_else(|| blame("has no storage"))?;
        if !reaches(&view, count, data) {
            return Err(blame("reaches beyond its storage"));
        }
        left -= count;
        let values =
            gather(&view, count, data).ok_or_else(|| blame("reaches beyond its storage"))?;
        let shape = view.shape;
        found.weights.insert(name, Array { shape, values });
    }
    if found.weights.is_empty() {
        return Err("it holds no floating-point tensors".into());
    }
    Ok(found)
}

/// Whether a view's last number is still in its storage, before anything is allocated for it.
fn reaches(view: &View<'_>, count: usize, data: &[u8]) -> bool {
    let sides = view.shape.iter().zip(&view.strides);
    let last = sides
        .filter(|(side, _)| **side > 1)
        .try_fold(view.offset, |at, (side, stride)| {
            at.checked_add((side - 1).checked_mul(*stride)?)
        });
    count == 0 || last.is_some_and(|last| last < data.len() / view.kind.size())
}

fn gather(view: &View<'_>, count: usize, data: &[u8]) -> Option<Vec<f32>> {
    let size = view.kind.size();
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0usize; view.shape.len()];
    for _ in 0..count {
        let at = index
            .iter()
            .zip(&view.strides)
            .try_fold(view.offset, |at, (i, stride)| {
                at.checked_add(i.checked_mul(*stride)?)
            })?;
        let start = at.checked_mul(size)?;
        values.push(view.kind.number(data.get(start..start.checked_add(size)?)?));
        for (i, side) in index.iter_mut().zip(&view.shape).rev() {
            *i += 1;
            if *i < *side {
                break;
            }
            *i = 0;
        }
    }
    Some(values)
}
