//! The Python version of a batch: a pickled dictionary with an array of numpy's. Nothing in it is executed.
//!
//! Reference: <https://www.cs.toronto.edu/~kriz/cifar.html>, and numpy's `ndarray.__reduce__` and `__reduce_ex__`.

use std::borrow::Cow;

use super::batch::{Batch, Labels, VALUES};
use super::layout::Kind;
use crate::data::formats::origin::Origin;
use crate::error::Result;
use crate::storage::pickle::{self, Pickle, Value};

/// Reads a batch.
///
/// # Errors
/// `Input` where it is no pickle of a dictionary with as many labels as images of 3072 bytes.
pub(super) fn read(bytes: &[u8], kind: Kind, labels: Labels, origin: &Origin) -> Result<Batch> {
    parse(bytes, kind, labels).map_err(|problem| origin.error(problem))
}

/// Reads the names of the classes.
///
/// # Errors
/// `Input` where it is no pickle of a dictionary that has them.
pub(super) fn names(
    bytes: &[u8],
    kind: Kind,
    labels: Labels,
    origin: &Origin,
) -> Result<Vec<String>> {
    let key = match (kind, labels) {
        (Kind::Ten, _) => "label_names",
        (Kind::Hundred, Labels::Fine) => "fine_label_names",
        (Kind::Hundred, Labels::Coarse) => "coarse_label_names",
    };
    let names = || -> Result<Vec<String>, String> {
        let pickle = unpickled(bytes)?;
        let items = entry(&pickle, key).and_then(|list| pickle.items(list));
        let items = items.ok_or_else(|| format!("has no list {key}"))?;
        items
            .map(|name| match bytes_of(&pickle, name) {
                Some(name) => Ok(String::from_utf8_lossy(&name).into_owned()),
                None => Err(format!("has something else than names in {key}")),
            })
            .collect()
    };
    names().map_err(|problem| origin.error(problem))
}

fn unpickled(bytes: &[u8]) -> Result<Pickle, String> {
    let pickle = pickle::read(bytes).map_err(|e| format!("is damaged ({e})"))?;
    if matches!(pickle.root(), Value::Dict(_)) {
        Ok(pickle)
    } else {
        Err("is not a pickled dictionary, as CIFAR's batches are".into())
    }
}

fn parse(bytes: &[u8], kind: Kind, labels: Labels) -> Result<Batch, String> {
    let pickle = unpickled(bytes)?;
    let key = match (kind, labels) {
        (Kind::Ten, _) => "labels",
        (Kind::Hundred, Labels::Fine) => "fine_labels",
        (Kind::Hundred, Labels::Coarse) => "coarse_labels",
    };
    let data = entry(&pickle, "data").ok_or("has no data")?;
    let pixels = array(&pickle, data)?;
    let items = entry(&pickle, key).and_then(|list| pickle.items(list));
    let items = items.ok_or_else(|| format!("has no list {key}"))?;
    let labels: Vec<i64> = items
        .map(|label| match label {
            Value::Int(label) => Ok(*label),
            _ => Err(format!("has something else than numbers in {key}")),
        })
        .collect::<Result<_, String>>()?;
    if labels.len() * VALUES != pixels.len() {
        return Err(format!(
            "holds {} labels for {} images",
            labels.len(),
            pixels.len() / VALUES
        ));
    }
    Ok(Batch {
        pixels: pixels.into_owned(),
        labels,
    })
}

/// The last entry of this key, as Python has it; the key may be a text or a byte string.
fn entry<'a>(pickle: &'a Pickle, key: &str) -> Option<&'a Value> {
    let mut pairs = pickle.pairs(pickle.root()).rev();
    let is_it = |name: &Value| bytes_of(pickle, name).is_some_and(|name| *name == *key.as_bytes());
    pairs.find(|(name, _)| is_it(name)).map(|(_, value)| value)
}

/// A byte string; Python 3 writes one for Python 2 as a call that makes it of a text of Latin-1.
fn bytes_of<'a>(pickle: &'a Pickle, value: &'a Value) -> Option<Cow<'a, [u8]>> {
    match value {
        Value::Text(text) => Some(Cow::from(text.as_bytes())),
        Value::Bytes(bytes) => Some(Cow::from(bytes.as_slice())),
        Value::Called {
            what, arguments, ..
        } => {
            let Value::Global(function) = pickle.get(*what) else {
                return None;
            };
            let [Value::Text(text), Value::Text(_)] = pickle.first(pickle.get(*arguments))? else {
                return None;
            };
            if function != "_codecs.encode" {
                return None;
            }
            let bytes = text.chars().map(u8::try_from).collect::<Result<_, _>>();
            bytes.ok().map(Cow::Owned)
        }
        _ => None,
    }
}

/// The bytes of an array of unsigned bytes, a row of 3072 for each image.
fn array<'a>(pickle: &'a Pickle, value: &'a Value) -> Result<Cow<'a, [u8]>, String> {
    const NONE: &str = "has no array of numpy's for data";
    let Value::Called {
        what,
        arguments,
        state,
    } = value
    else {
        return Err(NONE.into());
    };
    let Value::Global(function) = pickle.get(*what) else {
        return Err(NONE.into());
    };
    let (shape, kind, is_fortran, data) = match function.as_str() {
        "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => {
            let state = state.and_then(|state| pickle.first(pickle.get(state)));
            let [_, shape, kind, order, data] = state.ok_or(NONE)?;
            (shape, kind, *order != Value::Bool(false), data)
        }
        "numpy.core.numeric._frombuffer" | "numpy._core.numeric._frombuffer" => {
            let parts = pickle.first(pickle.get(*arguments));
            let [data, kind, shape, order] = parts.ok_or(NONE)?;
            (shape, kind, *order != Value::Text("C".into()), data)
        }
        _ => return Err(NONE.into()),
    };
    if !is_bytes(pickle, kind) {
        return Err("has an array of something else than unsigned bytes for data".into());
    }
    if is_fortran {
        return Err("has its data in Fortran order".into());
    }
    let sides: Option<Vec<u64>> = pickle.items(shape).and_then(|sides| {
        let side = |side: &Value| match side {
            Value::Int(side) => u64::try_from(*side).ok(),
            _ => None,
        };
        sides.map(side).collect()
    });
    let sides = sides.filter(|sides| {
        let image = sides.get(1..).unwrap_or_default();
        image == [VALUES as u64] || image == [3, 32, 32]
    });
    let [images, ..] = sides
        .as_deref()
        .ok_or("has data of another shape than images × 3072")?
    else {
        return Err(NONE.into());
    };
    if *images == 0 {
        return Err("is empty".into());
    }
    let data = bytes_of(pickle, data).ok_or(NONE)?;
    if images.checked_mul(VALUES as u64) != Some(data.len() as u64) {
        return Err(format!(
            "declares {images} images and holds {} bytes of data",
            data.len()
        ));
    }
    Ok(data)
}

/// Whether a `numpy.dtype` is that of unsigned bytes.
fn is_bytes(pickle: &Pickle, value: &Value) -> bool {
    let Value::Called {
        what, arguments, ..
    } = value
    else {
        return false;
    };
    matches!(pickle.get(*what), Value::Global(name) if name == "numpy.dtype")
        && matches!(pickle.first(pickle.get(*arguments)), Some([Value::Text(kind)]) if kind == "u1")
}

#[cfg(test)]
mod tests;
