//! From a pickle to the tensors that it describes: which dictionaries hold some, and which stretch of which storage
//! each is.
//!
//! A checkpoint may keep several sets of weights, two dictionaries deep; which of them is taken is for who knows the
//! network. What weights cannot be, such as complex numbers, is told and left out. Reads no storage.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Foreign;
use crate::storage::pickle::{Pickle, Value};

/// The most tensors, of all dictionaries together.
pub(super) const MOST_TENSORS: usize = 20_000;

/// The most dimensions of a tensor.
const MOST_SIDES: usize = 8;

/// How many dictionaries deep weights may lie, as in `{"checkpoint": {"model": …}}`.
const MOST_NESTED: usize = 2;

/// **Units** bytes of the longest key and name; with more it is no parameter's.
const LONGEST_KEY: usize = 300;

/// How often a tensor may be wrapped, as a parameter of a class of its own.
const MOST_WRAPPED: usize = 3;

/// A storage's kind of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F64,
    F32,
    F16,
    BF16,
    /// Counters and masks; not loaded.
    Counter(usize),
    /// No weights: bytes of one, and what it is.
    Foreign(usize, &'static str),
}

impl Kind {
    fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "torch.DoubleStorage" => Self::F64,
            "torch.FloatStorage" => Self::F32,
            "torch.HalfStorage" => Self::F16,
            "torch.BFloat16Storage" => Self::BF16,
            "torch.LongStorage" => Self::Counter(8),
            "torch.IntStorage" => Self::Counter(4),
            "torch.ShortStorage" => Self::Counter(2),
            "torch.CharStorage" | "torch.ByteStorage" | "torch.BoolStorage" => Self::Counter(1),
            "torch.ComplexDoubleStorage" => Self::Foreign(16, COMPLEX),
            "torch.ComplexFloatStorage" => Self::Foreign(8, COMPLEX),
            "torch.ComplexHalfStorage" => Self::Foreign(4, COMPLEX),
            "torch.QInt32Storage" => Self::Foreign(4, QUANTISED),
            "torch.QInt8Storage"
            | "torch.QUInt8Storage"
            | "torch.QUInt4x2Storage"
            | "torch.QUInt2x4Storage" => Self::Foreign(1, QUANTISED),
            "torch.storage.UntypedStorage" | "torch.UntypedStorage" => {
                Self::Foreign(1, "untyped bytes")
            }
            _ => return None,
        })
    }

    /// By the name that newer files give beside a storage of bytes.
    fn of_numbers(name: &str) -> Option<Self> {
        Some(match name {
            "torch.float64" => Self::F64,
            "torch.float32" => Self::F32,
            "torch.float16" => Self::F16,
            "torch.bfloat16" => Self::BF16,
            _ => return None,
        })
    }

    /// **Units** bytes of one number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Counter(size) | Self::Foreign(size, _) => size,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "weights are kept in f32")]
    pub(super) fn number(self, bytes: &[u8]) -> f32 {
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

const COMPLEX: &str = "complex numbers";
const QUANTISED: &str = "quantised";

/// A stretch of a storage.
pub(super) struct View<'a> {
    pub(super) storage: &'a str,
    pub(super) kind: Kind,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// 0 where one number stands for a whole side.
    pub(super) strides: Vec<usize>,
}

/// The tensors of a file.
pub(super) struct Tensors<'a> {
    /// By their names; where they lie in several dictionaries, these come first, as in `ema.conv1.weight`.
    pub(super) views: BTreeMap<String, View<'a>>,
    pub(super) foreign: Vec<Foreign>,
}

/// What a value is that is a tensor.
enum Form<'a> {
    View(View<'a>),
    /// None that weights can be: what it is.
    Foreign(String),
}

/// The tensors that a pickle describes.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn tensors(pickle: &Pickle) -> Result<Tensors<'_>, String> {
    let mut walk = Walk {
        pickle,
        seen: HashSet::new(),
        places: Vec::new(),
        found: Vec::new(),
        model: None,
    };
    walk.dictionary(pickle.root(), "", 0)?;
    let is_view = |found: &&Found<'_>| matches!(found.form, Form::View(_));
    let Some(first) = walk.found.iter().find(is_view).map(|found| found.place) else {
        return Err(walk.nothing());
    };
    let is_one = walk
        .found
        .iter()
        .filter(is_view)
        .all(|found| found.place == first);
    let mut tensors = Tensors {
        views: BTreeMap::new(),
        foreign: Vec::new(),
    };
    for Found { place, key, form } in walk.found {
        let name = match walk.places[place].as_str() {
            "" => key.to_string(),
            _ if is_one && place == first => key.to_string(),
            place => format!("{place}.{key}"),
        };
        match form {
            Form::View(view) => drop(tensors.views.insert(name, view)),
            Form::Foreign(kind) => tensors.foreign.push(Foreign { name, kind }),
        }
    }
    Ok(tensors)
}

/// A tensor, and where it is.
struct Found<'a> {
    /// The number of its dictionary.
    place: usize,
    key: &'a str,
    form: Form<'a>,
}

/// A walk through the dictionaries of a checkpoint.
struct Walk<'a> {
    pickle: &'a Pickle,
    /// Each dictionary is entered once, however many refer to it.
    seen: HashSet<*const Value>,
    /// The keys that lead to a dictionary, with dots between them.
    places: Vec<String>,
    found: Vec<Found<'a>>,
    /// The key of a whole pickled model.
    model: Option<&'a str>,
}

impl<'a> Walk<'a> {
    fn dictionary(&mut self, value: &'a Value, place: &str, depth: usize) -> Result<(), String> {
        if !self.seen.insert(std::ptr::from_ref(value)) {
            return Ok(());
        }
        self.places.push(place.to_string());
        let number = self.places.len() - 1;
        for (key, value) in self.pickle.entries(value) {
            if key.len() > LONGEST_KEY {
                continue;
            }
            if matches!(value, Value::Dict(_)) && depth < MOST_NESTED {
                let place = match place {
                    "" => key.to_string(),
                    place => format!("{place}.{key}"),
                };
                self.dictionary(value, &place, depth + 1)?;
                continue;
            }
            let form =
                form(self.pickle, value, 0).map_err(|e| format!("{}: {e}", super::shown(key)))?;
            if let Some(form) = form {
                let place = number;
                self.found.push(Found { place, key, form });
            } else if depth < MOST_NESTED && is_object(self.pickle, value) {
                self.model.get_or_insert(key);
            }
            if self.found.len() > MOST_TENSORS {
                return Err(format!("it holds more than {MOST_TENSORS} tensors"));
            }
        }
        Ok(())
    }

    /// Why there is no tensor.
    fn nothing(&self) -> String {
        const WHOLE: &str = "a whole pickled model instead of weights";
        if let Some(found) = self.found.first() {
            let Form::Foreign(kind) = &found.form else {
                return "it holds no tensors".into();
            };
            return format!(
                "it holds no tensors that weights can be: {} ({kind})",
                super::shown(found.key)
            );
        }
        match (self.pickle.root(), self.model) {
            (Value::Dict(_), None) => "it holds no tensors".into(),
            (Value::Dict(_), Some(key)) => {
                format!("it holds {WHOLE}, as {}", super::shown(key))
            }
            (Value::Called { .. }, _) => format!("it holds {WHOLE}"),
            _ => "it holds no dictionary of weights".into(),
        }
    }
}

/// Whether a value is an object of somebody's class, as far as its name says.
fn is_object(pickle: &Pickle, value: &Value) -> bool {
    let Value::Called { what, .. } = value else {
        return false;
    };
    let Value::Global(class) = pickle.get(*what) else {
        return false;
    };
    let plain = [
        "argparse.",
        "builtins.",
        "collections.",
        "numpy.",
        "_codecs.",
        "pathlib.",
        "datetime.",
    ];
    !plain.iter().any(|module| class.starts_with(module))
}

/// The tensor that a value stands for; nothing where it is none.
fn form<'a>(
    pickle: &'a Pickle,
    value: &'a Value,
    depth: usize,
) -> Result<Option<Form<'a>>, String> {
    let Value::Called {
        what, arguments, ..
    } = value
    else {
        return Ok(None);
    };
    let Value::Global(function) = pickle.get(*what) else {
        return Ok(None);
    };
    rebuilt(pickle, function, pickle.get(*arguments), depth)
}

/// The tensor that a call of one of PyTorch's functions would make.
fn rebuilt<'a>(
    pickle: &'a Pickle,
    function: &str,
    arguments: &'a Value,
    depth: usize,
) -> Result<Option<Form<'a>>, String> {
    if depth > MOST_WRAPPED {
        return Ok(None);
    }
    match function {
        "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
            match pickle.first(arguments) {
                Some([data]) => form(pickle, data, depth + 1),
                None => Ok(None),
            }
        }
        // A tensor with attributes, or of a class of its own.
        "torch._tensor._rebuild_from_type_v2" => match pickle.first(arguments) {
            Some([Value::Global(function), _, arguments]) => {
                rebuilt(pickle, function, arguments, depth + 1)
            }
            _ => Ok(None),
        },
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
            view(pickle, arguments, None)
        }
        "torch._utils._rebuild_tensor_v3" => match pickle.first(arguments) {
            Some([_, _, _, _, _, _, Value::Global(numbers)]) => {
                view(pickle, arguments, Some(numbers))
            }
            _ => Ok(None),
        },
        "torch._utils._rebuild_qtensor" => Ok(Some(Form::Foreign(QUANTISED.into()))),
        "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => {
            Ok(Some(Form::Foreign("a NumPy array".into())))
        }
        other => {
            let kind = ["torch._utils._rebuild_", "torch._tensor._rebuild_"]
                .iter()
                .find_map(|module| other.strip_prefix(module));
            Ok(kind.map(|kind| Form::Foreign(named(kind.trim_end_matches("_tensor")))))
        }
    }
}

/// (storage, offset, shape, strides, …); `numbers` are what the storage holds where that is mere bytes.
fn view<'a>(
    pickle: &'a Pickle,
    arguments: &'a Value,
    numbers: Option<&str>,
) -> Result<Option<Form<'a>>, String> {
    let Some([storage, offset, shape, strides]) = pickle.first(arguments) else {
        return Ok(None);
    };
    let Value::Persistent(id) = storage else {
        return Err("has no storage".into());
    };
    let parts = pickle.get(*id);
    let Some([_, Value::Global(storage), Value::Text(key)]) = pickle.first(parts) else {
        return Err("has a storage of an unknown form".into());
    };
    // What PyTorch has not written for years.
    if let Some([.., part]) = pickle.first::<6>(parts)
        && *part != Value::None
    {
        return Ok(Some(Form::Foreign("a part of a storage".into())));
    }
    let (kind, name) = match numbers {
        Some(numbers) => (Kind::of_numbers(numbers), numbers),
        None => (Kind::of_storage(storage), storage.as_str()),
    };
    let kind = match kind {
        Some(Kind::Foreign(_, what)) => return Ok(Some(Form::Foreign(what.into()))),
        Some(kind) => kind,
        None => return Ok(Some(Form::Foreign(named(name)))),
    };
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
    Ok(Some(Form::View(View {
        storage: key,
        kind,
        offset: size(offset)?,
        shape,
        strides,
    })))
}

/// The name of a kind as PyTorch has it, without its module.
fn named(name: &str) -> String {
    let name = name.rsplit('.').next().unwrap_or_default();
    crate::text::ellipsis(&crate::text::sanitize(name), 40)
}

fn size(value: &Value) -> Result<usize, String> {
    match value {
        Value::Int(n) => usize::try_from(*n).map_err(|_| "has a negative size".into()),
        _ => Err("has a size that is not a number".into()),
    }
}

/// **Units** bytes of a number of every storage that a pickle names, of weights or not.
///
/// # Errors
/// What cannot be known, in words.
pub(super) fn storage_sizes(pickle: &Pickle) -> Result<HashMap<&str, usize>, String> {
    let mut sizes = HashMap::new();
    for parts in pickle.persistent() {
        let Some([_, Value::Global(storage), Value::Text(key)]) = pickle.first(parts) else {
            return Err("it has a storage of an unknown form".into());
        };
        let kind = Kind::of_storage(storage)
            .ok_or_else(|| format!("it has a storage of an unknown kind, {}", named(storage)))?;
        sizes.insert(key.as_str(), kind.size());
    }
    Ok(sizes)
}
