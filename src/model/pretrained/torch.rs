//! PyTorch's own files: a zip since version 1.6 (`.pt`, `.pth`), before that pickles one after the other (`.th`).
//!
//! The pickle says which stretch of which storage every tensor is; storages are raw numbers. Nothing is executed, and all
//! tensors together may have no more numbers than the file has bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};

use super::pickle::{self, Id, Pickle, Value};
use crate::state::{Array, StateDict};

/// What a legacy file begins with: a pickle of this number.
pub(super) const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// What a zip begins with.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";

/// Names under which checkpoints keep their weights, where those are not the whole file.
const INSIDE: [&str; 6] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "weights",
    "params",
];

/// The most entries of a zip, one a storage, and of tensors.
const MOST_ENTRIES: usize = 20_000;

/// The most dimensions of a tensor.
const MOST_SIDES: usize = 8;

/// A storage's kind of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    F64,
    F32,
    F16,
    BF16,
    /// Counters; not loaded.
    Other(usize),
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "torch.DoubleStorage" => Self::F64,
            "torch.FloatStorage" => Self::F32,
            "torch.HalfStorage" => Self::F16,
            "torch.BFloat16Storage" => Self::BF16,
            "torch.LongStorage" => Self::Other(8),
            "torch.IntStorage" => Self::Other(4),
            "torch.ShortStorage" => Self::Other(2),
            "torch.CharStorage" | "torch.ByteStorage" | "torch.BoolStorage" => Self::Other(1),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Other(size) => size,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "weights are kept in f32")]
    fn number(self, bytes: &[u8]) -> f32 {
        if let Ok(bytes) = <[u8; 8]>::try_from(bytes) {
            return f64::from_le_bytes(bytes) as f32;
        }
        if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
            return f32::from_le_bytes(bytes);
        }
        match *bytes {
            [low, high] if self == Self::BF16 => f32::from_le_bytes([0, 0, low, high]),
            [low, high] => super::half(u16::from_le_bytes([low, high])),
            _ => 0.0,
        }
    }
}

/// A stretch of a storage.
struct View<'a> {
    storage: &'a str,
    kind: Kind,
    /// Numbers of the whole storage.
    count: usize,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// The floating-point tensors of a legacy file.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read_legacy(bytes: &[u8]) -> Result<StateDict, String> {
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
    let views = views(&weights)?;
    let kinds: HashMap<&str, Kind> = views
        .values()
        .map(|view| (view.storage, view.kind))
        .collect();
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
        let size = kinds
            .get(key.as_str())
            .ok_or("it has a storage that nothing names")?
            .size();
        let len = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size));
        let len = len
            .filter(|len| *len <= rest.len())
            .ok_or("it is cut off")?;
        storages.insert(key.clone(), Cow::from(&rest[..len]));
        rest = &rest[len..];
    }
    arrays(&views, bytes.len(), &storages)
}

/// The floating-point tensors of a zip.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read_zip(bytes: &[u8]) -> Result<StateDict, String> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("its zip is broken ({e})"))?;
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
    let views = views(&weights)?;
    let mut storages = HashMap::new();
    for view in views.values() {
        if !storages.contains_key(view.storage) {
            storages.insert(
                view.storage.to_string(),
                Cow::from(entry(&format!("data/{}", view.storage))?),
            );
        }
    }
    arrays(&views, bytes.len(), &storages)
}

/// The tensors of a state dict by name.
fn views(pickle: &Pickle) -> Result<BTreeMap<&str, View<'_>>, String> {
    let mut entries = pickle.entries(pickle.root());
    let inside = INSIDE.iter().find_map(|name| {
        let found = entries
            .iter()
            .find(|(key, value)| key == name && matches!(value, Value::Dict(_)));
        found.map(|(_, value)| *value)
    });
    if let Some(inside) = inside {
        entries = pickle.entries(inside);
    }
    let mut views = BTreeMap::new();
    for (name, value) in entries {
        if let Some(view) =
            tensor(pickle, value, 0).map_err(|e| format!("{}: {e}", crate::text::sanitize(name)))?
        {
            views.insert(name, view);
        }
        if views.len() > MOST_ENTRIES {
            return Err(format!("it holds more than {MOST_ENTRIES} tensors"));
        }
    }
    if views.is_empty() {
        return Err(match pickle.root() {
            Value::Dict(_) => "it holds no tensors".into(),
            Value::Called { .. } => "it holds a whole pickled model instead of weights".into(),
            _ => "it holds no dictionary of weights".into(),
        });
    }
    Ok(views)
}

/// The view that a value stands for; nothing where it is no tensor.
fn tensor<'a>(
    pickle: &'a Pickle,
    value: &'a Value,
    depth: usize,
) -> Result<Option<View<'a>>, String> {
    let Value::Called { what, arguments } = value else {
        return Ok(None);
    };
    let (Value::Global(function), arguments) = (pickle.get(*what), pickle.get(*arguments)) else {
        return Ok(None);
    };
    match function.as_str() {
        "torch._utils._rebuild_parameter" if depth == 0 => match pickle.first(arguments) {
            Some([data]) => tensor(pickle, data, 1),
            None => Ok(None),
        },
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
            let Some([storage, offset, shape, strides]) = pickle.first(arguments) else {
                return Ok(None);
            };
            let Value::Persistent(id) = storage else {
                return Err("has no storage".into());
            };
            let (storage, kind, count) = storage_of(pickle, *id)?;
            let sizes = |value: &Value| -> Result<Vec<usize>, String> {
                let items = pickle.items(value).ok_or("has no shape")?;
                if items.len() > MOST_SIDES {
                    return Err("has a broken shape".into());
                }
                items.map(size).collect()
            };
            let (shape, strides) = (sizes(shape)?, sizes(strides)?);
            if shape.len() != strides.len() {
                return Err("has a broken shape".into());
            }
            Ok(Some(View {
                storage,
                kind,
                count,
                offset: size(offset)?,
                shape,
                strides,
            }))
        }
        _ => Ok(None),
    }
}

fn size(value: &Value) -> Result<usize, String> {
    match value {
        Value::Int(n) => usize::try_from(*n).map_err(|_| "has a negative size".into()),
        _ => Err("has a size that is no number".into()),
    }
}

/// ('storage', kind, key, device, count) or the same with a view, which PyTorch has not written for years.
fn storage_of(pickle: &Pickle, id: Id) -> Result<(&str, Kind, usize), String> {
    let parts = pickle.get(id);
    let Some([_, Value::Global(kind), Value::Text(key), _, count]) = pickle.first(parts) else {
        return Err("has a storage of an unknown form".into());
    };
    if let Some([.., view]) = pickle.first::<6>(parts)
        && *view != Value::None
    {
        return Err("lies in a part of a storage".into());
    }
    let known = Kind::of(kind).ok_or_else(|| {
        format!(
            "has numbers of an unknown kind, {}",
            crate::text::sanitize(kind)
        )
    })?;
    Ok((key, known, size(count)?))
}

/// Reads the views out of their storages.
fn arrays(
    views: &BTreeMap<&str, View<'_>>,
    bytes: usize,
    storages: &HashMap<String, Cow<'_, [u8]>>,
) -> Result<StateDict, String> {
    let mut left = bytes;
    let mut state = StateDict::new();
    for (name, view) in views {
        let blame = |e: String| format!("{}: {e}", crate::text::sanitize(name));
        if matches!(view.kind, Kind::Other(_)) {
            continue;
        }
        let count = view
            .shape
            .iter()
            .try_fold(1usize, |n, side| n.checked_mul(*side));
        let count = count.filter(|count| *count <= view.count && *count <= left);
        let count = count.ok_or_else(|| blame("is larger than its storage".into()))?;
        left -= count;
        let data = storages
            .get(view.storage)
            .ok_or_else(|| blame("has no storage".into()))?;
        let values =
            gather(view, count, data).ok_or_else(|| blame("reaches beyond its storage".into()))?;
        let shape = view.shape.clone();
        state.insert((*name).to_string(), Array { shape, values });
    }
    if state.is_empty() {
        return Err("it holds no floating-point tensors".into());
    }
    Ok(state)
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
