//! Reads the pickles that PyTorch and numpy write, without executing anything: a stack machine that builds plain
//! values.
//!
//! What a pickle asks to be called is only remembered by name. Values lie in one list and refer to each other by
//! number, so neither sharing nor nesting can make a small file large or deep; operations are counted. Knows nothing of
//! tensors and arrays. **Source** the opcodes of CPython's `pickletools`, protocols 2 to 5.

mod machine;

pub(crate) use machine::read;

/// The place of a value.
pub(crate) type Id = usize;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class by its name, such as `torch._utils._rebuild_tensor_v2`.
    Global(String),
    /// What the file's own scheme must be asked for: a storage.
    Persistent(Id),
    /// A byte string that is no UTF-8 text.
    Bytes(Vec<u8>),
    /// What a call would have made, and what it would have been filled with.
    Called {
        what: Id,
        arguments: Id,
        state: Option<Id>,
    },
}

/// A finished pickle.
#[derive(Debug)]
pub(crate) struct Pickle {
    values: Vec<Value>,
    root: Id,
    /// Bytes it took.
    pub(crate) length: usize,
}

impl Pickle {
    pub(crate) fn root(&self) -> &Value {
        self.get(self.root)
    }

    pub(crate) fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::None)
    }

    /// What every storage is named by.
    pub(crate) fn persistent(&self) -> impl Iterator<Item = &Value> {
        self.values.iter().filter_map(|value| match value {
            Value::Persistent(id) => Some(self.get(*id)),
            _ => None,
        })
    }

    /// The entries of a dictionary with texts for keys.
    pub(crate) fn entries<'a>(&'a self, value: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let named = |(key, value): (&'a Value, &'a Value)| match key {
            Value::Text(key) => Some((key.as_str(), value)),
            _ => None,
        };
        self.pairs(value).filter_map(named).collect()
    }

    /// The entries of a dictionary, whatever their keys are.
    pub(crate) fn pairs<'a>(
        &'a self,
        value: &'a Value,
    ) -> impl DoubleEndedIterator<Item = (&'a Value, &'a Value)> {
        let pairs = match value {
            Value::Dict(pairs) => pairs.as_slice(),
            _ => &[],
        };
        pairs.iter().map(|(k, v)| (self.get(*k), self.get(*v)))
    }

    /// A tuple's or list's items; nothing is copied, for many values may share one.
    pub(crate) fn items<'a>(
        &'a self,
        value: &'a Value,
    ) -> Option<impl ExactSizeIterator<Item = &'a Value>> {
        match value {
            Value::Tuple(ids) | Value::List(ids) => Some(ids.iter().map(|id| self.get(*id))),
            _ => None,
        }
    }

    /// The first `N` items of a tuple or list that has as many.
    pub(crate) fn first<'a, const N: usize>(&'a self, value: &'a Value) -> Option<[&'a Value; N]> {
        match value {
            Value::Tuple(ids) | Value::List(ids) => {
                Some(ids.first_chunk::<N>()?.map(|id| self.get(id)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
