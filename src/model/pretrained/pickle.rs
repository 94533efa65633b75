//! Reads the pickles that PyTorch writes, without executing anything: a stack machine that builds plain values.
//!
//! What a pickle asks to be called is only remembered by name. Values lie in one list and refer to each other by
//! number, so neither sharing nor nesting can make a small file large or deep; operations are counted. Knows nothing of
//! tensors. **Source** the opcodes of CPython's `pickletools`, protocols 2 to 5.

use std::collections::HashMap;

/// The most operations of a pickle: a ResNet-50's has 30,000. Each makes no more than a value and its place.
const MOST_OPERATIONS: usize = 500_000;

/// **Units** bytes of all names of functions and classes together, which are the only texts that are made anew.
const MOST_NAMES: usize = 1 << 20;

/// The place of a value.
pub(super) type Id = usize;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
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
    /// What a call would have made.
    Called {
        what: Id,
        arguments: Id,
    },
}

/// A finished pickle.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
    /// Bytes it took.
    pub(super) length: usize,
}

impl Pickle {
    pub(super) fn root(&self) -> &Value {
        self.get(self.root)
    }

    pub(super) fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::None)
    }

    /// What every storage is named by.
    pub(super) fn persistent(&self) -> impl Iterator<Item = &Value> {
        self.values.iter().filter_map(|value| match value {
            Value::Persistent(id) => Some(self.get(*id)),
            _ => None,
        })
    }

    /// The entries of a dictionary with texts for keys.
    pub(super) fn entries<'a>(&'a self, value: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let Value::Dict(pairs) = value else {
            return Vec::new();
        };
        let named = |(key, value): &(Id, Id)| match self.get(*key) {
            Value::Text(key) => Some((key.as_str(), self.get(*value))),
            _ => None,
        };
        pairs.iter().filter_map(named).collect()
    }

    /// A tuple's or list's items; nothing is copied, for many values may share one.
    pub(super) fn items<'a>(
        &'a self,
        value: &'a Value,
    ) -> Option<impl ExactSizeIterator<Item = &'a Value>> {
        match value {
            Value::Tuple(ids) | Value::List(ids) => Some(ids.iter().map(|id| self.get(*id))),
            _ => None,
        }
    }

    /// The first `N` items of a tuple or list that has as many.
    pub(super) fn first<'a, const N: usize>(&'a self, value: &'a Value) -> Option<[&'a Value; N]> {
        match value {
            Value::Tuple(ids) | Value::List(ids) => {
                Some(ids.first_chunk::<N>()?.map(|id| self.get(id)))
            }
            _ => None,
        }
    }
}

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        names: 0,
    };
    for _ in 0..MOST_OPERATIONS {
        if machine.step()? {
            let root = machine.pop()?;
            return Ok(Pickle {
                values: machine.values,
                root,
                length: machine.at,
            });
        }
    }
    Err(format!(
        "its pickle has more than {MOST_OPERATIONS} operations"
    ))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// **Units** bytes of names so far.
    names: usize,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self
            .at
            .checked_add(count)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("its pickle is truncated")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn length(&mut self) -> Result<usize, String> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn long_length(&mut self) -> Result<usize, String> {
        usize::try_from(u64::from_le_bytes(self.array()?))
            .map_err(|_| "its pickle is truncated".into())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| *b == b'\n');
        let line = self.take(end.ok_or("its pickle is truncated")? + 1)?;
        Ok(text(&line[..line.len() - 1]))
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn pop(&mut self) -> Result<Id, String> {
        if self
            .marks
            .last()
            .is_some_and(|mark| *mark == self.stack.len())
        {
            return Err(broken());
        }
        self.stack.pop().ok_or_else(broken)
    }

    fn top(&self) -> Result<Id, String> {
        self.stack.last().copied().ok_or_else(broken)
    }

    /// What was pushed since the last mark.
    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or_else(broken)?;
        if mark > self.stack.len() {
            return Err(broken());
        }
        Ok(self.stack.split_off(mark))
    }

    fn last(&mut self, count: usize) -> Result<Vec<Id>, String> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            ids.push(self.pop()?);
        }
        ids.reverse();
        Ok(ids)
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        let list = self.top()?;
        // Otherwise a set, or an object that is filled: of no interest.
        if let Value::List(list) = &mut self.values[list] {
            list.extend(items);
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        if !items.len().is_multiple_of(2) {
            return Err(broken());
        }
        let dict = self.top()?;
        if let Value::Dict(pairs) = &mut self.values[dict] {
            pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = self.memo.get(&key).copied().ok_or_else(broken)?;
        self.stack.push(id);
        Ok(())
    }

    /// What calling something makes: an ordered dictionary is a dictionary, all else is only noted down.
    fn call(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let what = self.pop()?;
        let ordered =
            matches!(&self.values[what], Value::Global(name) if name == "collections.OrderedDict");
        self.push(if ordered {
            Value::Dict(Vec::new())
        } else {
            Value::Called { what, arguments }
        });
        Ok(())
    }

    /// The value that an operation stands for by itself, where it does.
    fn literal(&mut self, code: u8) -> Result<Option<Value>, String> {
        Ok(Some(match code {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                Value::Int(value.into())
            }
            b'K' => {
                let value = self.byte()?;
                Value::Int(value.into())
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                Value::Int(value.into())
            }
            0x8a => {
                let count = self.byte()?.into();
                let value = self.take(count)?;
                long(value)
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                Value::Float(value)
            }
            b'X' | b'T' | b'B' | b'U' | b'C' | 0x8c | 0x8d | 0x8e | 0x96 => {
                let count = match code {
                    b'X' | b'T' | b'B' => self.length()?,
                    b'U' | b'C' | 0x8c => self.byte()?.into(),
                    _ => self.long_length()?,
                };
                let value = text(self.take(count)?);
                Value::Text(value)
            }
            b')' => Value::Tuple(Vec::new()),
            b']' | 0x8f => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            _ => return Ok(None),
        }))
    }

    /// Takes an operation that remembers or recalls a value.
    fn memoise(&mut self, code: u8) -> Result<(), String> {
        match code {
            b'q' => {
                let key = self.byte()?;
                self.remember(key.into())
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)
            }
            0x94 => {
                let key = u32::try_from(self.memo.len()).map_err(|_| broken())?;
                self.remember(key)
            }
            b'h' => {
                let key = self.byte()?;
                self.recall(key.into())
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)
            }
            _ => Err(format!("its pickle has the unknown operation {code:#04x}")),
        }
    }

    /// Takes one operation; true at the end.
    fn step(&mut self) -> Result<bool, String> {
        let code = self.byte()?;
        if let Some(value) = self.literal(code)? {
            self.push(value);
            return Ok(false);
        }
        match code {
            b'.' => return Ok(true),
            0x80 => {
                self.byte()?;
            }
            0x95 => {
                self.long_length()?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.since_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let items = self.last(usize::from(code - 0x84))?;
                self.push(Value::Tuple(items));
            }
            b'l' | 0x91 => {
                let items = self.since_mark()?;
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'd' => {
                let items = self.since_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let pair = self.last(2)?;
                self.set(&pair)?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.names = names(self.names, &module, &name)?;
                self.push(Value::Global(format!("{module}.{name}")));
            }
            0x93 => {
                let parts = self.last(2)?;
                let [Value::Text(module), Value::Text(name)] =
                    [&self.values[parts[0]], &self.values[parts[1]]]
                else {
                    return Err(broken());
                };
                self.names = names(self.names, module, name)?;
                let name = format!("{module}.{name}");
                self.push(Value::Global(name));
            }
            b'R' | 0x81 => self.call()?,
            // An object's attributes: of no interest.
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            _ => self.memoise(code)?,
        }
        Ok(false)
    }
}

/// Bytes of names with this one, while there are not too many.
fn names(so_far: usize, module: &str, name: &str) -> Result<usize, String> {
    let names = so_far + module.len() + name.len();
    if names > MOST_NAMES {
        return Err(format!(
            "its pickle has more than {MOST_NAMES} bytes of names of functions"
        ));
    }
    Ok(names)
}

fn broken() -> String {
    "its pickle is broken".into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A whole number of any size; one that needs more than 64 bits is kept as text.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Text(format!("{} bytes", bytes.len()));
    }
    let negative = bytes.last().is_some_and(|b| *b >= 0x80);
    let mut array = [if negative { 0xff } else { 0 }; 8];
    array[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(array))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `pickle.dumps({"a": [1, -2, 70000, 2.5, None, True], "b": (1, "x")}, 2)`.
    const PLAIN: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffJp\x11\x01\x00G@\x04\x00\x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00bq\x03K\x01X\x01\x00\x00\x00xq\x04\x86q\x05u.";

    #[test]
    fn plain_values_are_read() {
        let pickle = read(PLAIN).unwrap();
        assert_eq!(pickle.length, PLAIN.len());
        let entries = pickle.entries(pickle.root());
        assert_eq!(entries[0].0, "a");
        let items: Vec<&Value> = pickle.items(entries[0].1).unwrap().collect();
        assert_eq!(
            items,
            [
                &Value::Int(1),
                &Value::Int(-2),
                &Value::Int(70_000),
                &Value::Float(2.5),
                &Value::None,
                &Value::Bool(true)
            ]
        );
        let [_, x] = pickle.first(entries[1].1).unwrap();
        assert_eq!(*x, Value::Text("x".into()));
        assert!(pickle.first::<3>(entries[1].1).is_none());
    }

    /// `os.system("…")` as a pickle would call it: it is noted down, and nothing happens.
    #[test]
    fn calls_are_only_noted_down() {
        let path = std::env::temp_dir().join("fmtui-pickle-must-not-exist");
        let command = format!("touch {}", path.display());
        let mut bytes = b"\x80\x02cos\nsystem\nX".to_vec();
        bytes.extend(u32::try_from(command.len()).unwrap().to_le_bytes());
        bytes.extend(command.as_bytes());
        bytes.extend(b"\x85R.");
        let pickle = read(&bytes).unwrap();
        let Value::Called { what, .. } = pickle.root() else {
            panic!("{:?}", pickle.root());
        };
        assert_eq!(pickle.get(*what), &Value::Global("os.system".into()));
        assert!(!path.exists());
    }

    #[test]
    fn every_truncation_is_an_error() {
        for end in 0..PLAIN.len() {
            assert!(read(&PLAIN[..end]).is_err(), "{end}");
        }
    }

    /// Each list holds the one before twice: 2^100 items if anybody counted them.
    #[test]
    fn sharing_and_nesting_cost_nothing() {
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for _ in 0..100_000 {
            bytes.extend(b"h\x00h\x00\x86q\x00");
        }
        bytes.push(b'.');
        drop(read(&bytes).unwrap());
        let endless = [b"\x80\x02".to_vec(), vec![b'N'; MOST_OPERATIONS + 1]].concat();
        assert!(read(&endless).unwrap_err().contains("more than"));

        // A long text is there once however often it is used, but a name made of it would be another.
        let mut bytes = b"\x80\x02X\x00\x00\x10\x00".to_vec();
        bytes.extend(vec![b'a'; 1 << 20]);
        bytes.extend(b"q\x00h\x00h\x00\x93.");
        assert!(read(&bytes).unwrap_err().contains("names of functions"));
    }
}
