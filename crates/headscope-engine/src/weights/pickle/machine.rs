//! A stack machine for the pickles that `torch.save` writes. It calls nothing.
//!
//! Values are small and are copied; texts stay in the file, and what holds other values is an index. So nothing is
//! ever walked in depth, no value costs more than the instruction that made it, and a pickle that refers to itself
//! a billion times is as long as it is.

use std::collections::HashMap;

use super::Fault;

/// The instruction that begins a pickle.
pub(super) const PROTO: u8 = 0x80;

/// What a pickle may make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A number that nothing here looks at: a float, or one of more than 64 bits.
    Number,
    Text(&'a str),
    Callable(Callable),
    /// A dtype by its storage, or by its name.
    Dtype(&'static str),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
    /// Where a tuple, a list's or a dict's values begin.
    Mark,
}

/// What a pickle may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callable {
    OrderedDict,
    /// `(storage, offset, size, stride, …)`
    RebuildTensor,
    /// `(tensor, …)`
    RebuildParameter,
    /// `(sizes,)`
    Size,
}

/// The names that a pickle may use, all of them.
const GLOBALS: &[(&str, &str, Value<'static>)] = &[
    ("collections", "OrderedDict", Value::Callable(Callable::OrderedDict)),
    ("torch._utils", "_rebuild_tensor", Value::Callable(Callable::RebuildTensor)),
    ("torch._utils", "_rebuild_tensor_v2", Value::Callable(Callable::RebuildTensor)),
    ("torch._utils", "_rebuild_parameter", Value::Callable(Callable::RebuildParameter)),
    ("torch", "Size", Value::Callable(Callable::Size)),
    ("torch", "FloatStorage", Value::Dtype("F32")),
    ("torch", "HalfStorage", Value::Dtype("F16")),
    ("torch", "BFloat16Storage", Value::Dtype("BF16")),
    ("torch", "DoubleStorage", Value::Dtype("F64")),
    ("torch", "LongStorage", Value::Dtype("I64")),
    ("torch", "IntStorage", Value::Dtype("I32")),
    ("torch", "ShortStorage", Value::Dtype("I16")),
    ("torch", "CharStorage", Value::Dtype("I8")),
    ("torch", "ByteStorage", Value::Dtype("U8")),
    ("torch", "BoolStorage", Value::Dtype("BOOL")),
    ("torch", "float32", Value::Dtype("F32")),
    ("torch", "float16", Value::Dtype("F16")),
    ("torch", "bfloat16", Value::Dtype("BF16")),
    ("torch", "float64", Value::Dtype("F64")),
];

/// Bytes that a storage is made of, as a pickle describes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage<'a> {
    pub dtype: &'static str,
    pub key: &'a str,
    /// How many numbers it has.
    pub numbers: u64,
    /// Where it begins in another one, which older torch wrote of storages that share their bytes.
    pub offset: u64,
}

/// A tensor: some numbers of a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub storage: usize,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub strides: Vec<u64>,
}

/// What a pickle left behind.
#[derive(Default)]
pub(super) struct Machine<'a> {
    stack: Vec<Value<'a>>,
    memo: HashMap<u32, Value<'a>>,
    tuples: Vec<Vec<Value<'a>>>,
    lists: Vec<Vec<Value<'a>>>,
    dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub storages: Vec<Storage<'a>>,
    pub tensors: Vec<View>,
}

/// A pickle has no more instructions: a tensor takes about forty, and none may fill the memory.
const MOST_INSTRUCTIONS: usize = 1 << 22;

/// A tensor has no more axes.
const MOST_AXES: usize = 16;

impl<'a> Machine<'a> {
    /// Runs one pickle at the beginning of `bytes`. Returns its value and what follows it.
    pub(super) fn run(&mut self, bytes: &'a [u8]) -> Result<(Value<'a>, &'a [u8]), Fault> {
        self.stack.clear();
        self.memo.clear();
        let mut code = Code { rest: bytes, len: bytes.len() };
        for _ in 0..MOST_INSTRUCTIONS {
            let at = code.len - code.rest.len();
            let [instruction] = code.array()?;
            if instruction == b'.' {
                return Ok((self.pop()?, code.rest));
            }
            self.step(instruction, &mut code).map_err(|fault| match fault {
                Fault::Damaged(detail) => Fault::Damaged(format!("{detail} (at {at} of its pickle)")),
                asks => asks,
            })?;
        }
        Err(Fault::Damaged(format!("its pickle has more than {MOST_INSTRUCTIONS} instructions")))
    }

    /// The values of a tuple or list.
    pub(super) fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Tuple(i) => Some(&self.tuples[i]),
            Value::List(i) => Some(&self.lists[i]),
            _ => None,
        }
    }

    /// The keys and values of a dict.
    pub(super) fn pairs(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match value {
            Value::Dict(i) => Some(&self.dicts[i]),
            _ => None,
        }
    }

    fn step(&mut self, instruction: u8, code: &mut Code<'a>) -> Result<(), Fault> {
        let value = match instruction {
            PROTO => {
                let [protocol] = code.array()?;
                return match protocol {
                    0..=5 => Ok(()),
                    other => Err(Fault::Damaged(format!("its protocol is {other}; expected up to 5"))),
                };
            }
            0x95 => return code.take(8).map(drop), // a frame's length
            b'(' => Value::Mark,
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(code.array::<1>()?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(code.array()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(code.array()?).into()),
            0x8a => {
                let [len] = code.array()?;
                long(code.take(len.into())?)
            }
            b'G' => code.take(8).map(|_| Value::Number)?,
            0x8c | b'U' => {
                let [len] = code.array()?;
                code.text(len.into())?
            }
            b'X' | b'T' => {
                let len = u32::from_le_bytes(code.array()?);
                code.text(len as usize)?
            }
            b'c' => {
                let module = code.line()?;
                global(module, code.line()?)?
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err(unexpected("a name", "two texts"));
                };
                global(module, name)?
            }
            b'}' => self.dict(Vec::new()),
            b']' => self.list(Vec::new()),
            b')' => self.tuple(Vec::new()),
            b't' => {
                let items = self.pop_to_mark()?;
                self.tuple(items)
            }
            0x85..=0x87 => {
                let at = self.stack.len().checked_sub((instruction - 0x84).into());
                let items = self.stack.split_off(at.ok_or_else(empty)?);
                self.tuple(items)
            }
            b'l' => {
                let items = self.pop_to_mark()?;
                self.list(items)
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.dict(pairs(&items)?)
            }
            b'q' => return self.keep(code.array::<1>()?[0].into()),
            b'r' => return self.keep(u32::from_le_bytes(code.array()?)),
            0x94 => return self.keep(self.memo.len() as u32),
            b'h' => self.kept(code.array::<1>()?[0].into())?,
            b'j' => self.kept(u32::from_le_bytes(code.array()?))?,
            b'a' => {
                let item = self.pop()?;
                return self.append(vec![item]);
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                return self.append(items);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                return self.set(vec![(key, value)]);
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                return self.set(pairs(&items)?);
            }
            // What an OrderedDict has beside its items, `_metadata`, says nothing of tensors.
            b'b' => return self.pop().map(drop),
            b'Q' => {
                let id = self.pop()?;
                self.storage(id)?
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?
            }
            other => {
                let shown = char::from(other).escape_default();
                return Err(Fault::Damaged(format!(
                    "instruction {other:#04x} ('{shown}') is none that torch writes"
                )));
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value<'a>, Fault> {
        self.stack.pop().ok_or_else(empty)
    }

    /// Everything above the last mark.
    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>, Fault> {
        let mark = self.stack.iter().rposition(|value| *value == Value::Mark).ok_or_else(empty)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn keep(&mut self, index: u32) -> Result<(), Fault> {
        let value = *self.stack.last().ok_or_else(empty)?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn kept(&self, index: u32) -> Result<Value<'a>, Fault> {
        self.memo.get(&index).copied().ok_or_else(|| Fault::Damaged(format!("nothing was kept as {index}")))
    }

    fn tuple(&mut self, items: Vec<Value<'a>>) -> Value<'a> {
        self.tuples.push(items);
        Value::Tuple(self.tuples.len() - 1)
    }

    fn list(&mut self, items: Vec<Value<'a>>) -> Value<'a> {
        self.lists.push(items);
        Value::List(self.lists.len() - 1)
    }

    fn dict(&mut self, items: Vec<(Value<'a>, Value<'a>)>) -> Value<'a> {
        self.dicts.push(items);
        Value::Dict(self.dicts.len() - 1)
    }

    fn append(&mut self, items: Vec<Value<'a>>) -> Result<(), Fault> {
        let Some(Value::List(list)) = self.stack.last() else {
            return Err(unexpected("what grows", "a list"));
        };
        self.lists[*list].extend(items);
        Ok(())
    }

    fn set(&mut self, items: Vec<(Value<'a>, Value<'a>)>) -> Result<(), Fault> {
        let Some(Value::Dict(dict)) = self.stack.last() else {
            return Err(unexpected("what grows", "a dict"));
        };
        self.dicts[*dict].extend(items);
        Ok(())
    }

    /// `('storage', type, key, location, numbers)`, and in older files what part of another it is:
    /// `(key, offset, numbers)` or None.
    fn storage(&mut self, id: Value<'a>) -> Result<Value<'a>, Fault> {
        let fault = || unexpected("a storage", "('storage', type, key, location, numbers)");
        let (storage, whole) = match self.items(id).ok_or_else(fault)? {
            [
                Value::Text("storage"),
                Value::Dtype(dtype),
                Value::Text(key),
                _,
                Value::Int(numbers),
                rest @ ..,
            ] => {
                let numbers = u64::try_from(*numbers).map_err(|_| fault())?;
                (Storage { dtype, key, numbers, offset: 0 }, rest.first().copied())
            }
            _ => return Err(fault()),
        };
        let storage = match whole.and_then(|part| self.items(part)) {
            Some([_, Value::Int(offset), Value::Int(numbers)]) => Storage {
                offset: u64::try_from(*offset).map_err(|_| fault())?,
                numbers: u64::try_from(*numbers).map_err(|_| fault())?,
                ..storage
            },
            Some(_) => return Err(fault()),
            None => storage,
        };
        self.storages.push(storage);
        Ok(Value::Storage(self.storages.len() - 1))
    }

    fn call(&mut self, callable: Value<'a>, arguments: Value<'a>) -> Result<Value<'a>, Fault> {
        let Value::Callable(callable) = callable else {
            return Err(unexpected("what is called", "a function"));
        };
        let Some(arguments) = self.items(arguments) else { return Err(unexpected("arguments", "a tuple")) };
        match (callable, arguments) {
            (Callable::OrderedDict, []) => Ok(self.dict(Vec::new())),
            // Python 2 gives its items in a list of pairs.
            (Callable::OrderedDict, [items]) => {
                let items = self.items(*items).ok_or_else(|| unexpected("a dict's items", "a list"))?;
                let pair = |item: &Value<'a>| match self.items(*item) {
                    Some([key, value]) => Ok((*key, *value)),
                    _ => Err(unexpected("a dict's item", "a pair")),
                };
                let pairs = items.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
                Ok(self.dict(pairs))
            }
            (Callable::RebuildTensor, [Value::Storage(storage), Value::Int(offset), shape, strides, ..]) => {
                let view = View {
                    storage: *storage,
                    offset: u64::try_from(*offset).map_err(|_| unexpected("an offset", "0 or more"))?,
                    shape: self.sizes(*shape)?,
                    strides: self.sizes(*strides)?,
                };
                if view.shape.len() != view.strides.len() {
                    return Err(unexpected("a tensor", "as many strides as axes"));
                }
                self.tensors.push(view);
                Ok(Value::Tensor(self.tensors.len() - 1))
            }
            (Callable::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Ok(*tensor),
            (Callable::Size, [sizes]) => Ok(*sizes),
            (callable, _) => Err(unexpected(&format!("{callable:?}"), "other arguments")),
        }
    }

    fn sizes(&self, value: Value<'a>) -> Result<Vec<u64>, Fault> {
        let fault = || unexpected("a size", "a tuple of whole numbers");
        let items = self.items(value).filter(|items| items.len() <= MOST_AXES).ok_or_else(fault)?;
        let size = |item: &Value<'a>| match item {
            Value::Int(size) => u64::try_from(*size).map_err(|_| fault()),
            _ => Err(fault()),
        };
        items.iter().map(size).collect()
    }
}

/// What is left of a pickle.
struct Code<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Code<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| {
            Fault::Damaged(format!("its pickle ends at {}, within an instruction", self.len))
        })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn text(&mut self, len: usize) -> Result<Value<'a>, Fault> {
        str::from_utf8(self.take(len)?).map(Value::Text).map_err(|_| unexpected("a text", "UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str, Fault> {
        let len = self.rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(len.unwrap_or(self.rest.len()))?;
        self.take(1)?;
        str::from_utf8(line).map_err(|_| unexpected("a name", "UTF-8"))
    }
}

/// What a name stands for; only those of [`GLOBALS`] stand for anything.
fn global<'a>(module: &str, name: &str) -> Result<Value<'a>, Fault> {
    // As Python 2 calls it.
    let module = if module == "__builtin__" { "builtins" } else { module };
    let known = GLOBALS.iter().find(|(of, known, _)| (*of, *known) == (module, name));
    known
        .map(|(_, _, value)| *value)
        .ok_or_else(|| Fault::Asks(format!("{module}.{name}").escape_debug().to_string()))
}

/// A whole number of any length.
fn long<'a>(bytes: &[u8]) -> Value<'a> {
    if bytes.len() > 8 {
        return Value::Number;
    }
    let sign = if bytes.last().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
    let mut all = [sign; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}

fn pairs<'a>(items: &[Value<'a>]) -> Result<Vec<(Value<'a>, Value<'a>)>, Fault> {
    match items.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
        _ => Err(unexpected("a dict's items", "keys and values")),
    }
}

fn empty() -> Fault {
    Fault::Damaged("an instruction wants a value that is not there".into())
}

fn unexpected(what: &str, expected: &str) -> Fault {
    Fault::Damaged(format!("{what} is something else; expected {expected}"))
}
