//! The stack machine: one operation after the other, each checked against what is there.

use std::collections::HashMap;

use super::{Id, Pickle, Value};

/// The most operations of a pickle: a ResNet-50's has 30,000, CIFAR-100's training set 260,000. Each makes no more than
/// a value and its place.
pub(super) const MOST_OPERATIONS: usize = 1_000_000;

/// **Units** bytes of all names of functions and classes together, which are the only texts that are made anew.
const MOST_NAMES: usize = 1 << 20;

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn read(bytes: &[u8]) -> Result<Pickle, String> {
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
            Value::Called {
                what,
                arguments,
                state: None,
            }
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
            b'X' | 0x8c | 0x8d => {
                let count = match code {
                    b'X' => self.length()?,
                    0x8c => self.byte()?.into(),
                    _ => self.long_length()?,
                };
                Value::Text(text(self.take(count)?))
            }
            b'T' | b'B' | b'U' | b'C' | 0x8e | 0x96 => {
                let count = match code {
                    b'T' | b'B' => self.length()?,
                    b'U' | b'C' => self.byte()?.into(),
                    _ => self.long_length()?,
                };
                // Python 2 has one kind for both.
                match String::from_utf8(self.take(count)?.to_vec()) {
                    Ok(text) => Value::Text(text),
                    Err(e) => Value::Bytes(e.into_bytes()),
                }
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
            b'b' => {
                let filling = self.pop()?;
                let object = self.top()?;
                if let Value::Called { state, .. } = &mut self.values[object] {
                    *state = Some(filling);
                }
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
