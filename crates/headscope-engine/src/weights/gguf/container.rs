//! The GGUF container, versions 2 and 3: metadata and where tensors lie, read without copying.
//!
//! Nothing is allocated from a count that the file claims: every value is read before the next, and costs the file
//! at least eight bytes. Details of errors are without the file's name.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::kernels::Dtype;

/// A GGUF file's header, checked against the file.
pub(super) struct Container<'a> {
    pub metadata: BTreeMap<&'a str, Value<'a>>,
    pub tensors: Vec<Tensor<'a>>,
}

/// A value of the metadata, where it lies in the file.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value<'a> {
    Whole(u64),
    Negative(i64),
    Real(f64),
    Bool(bool),
    Text(&'a str),
    List(List<'a>),
}

/// A list whose values were checked to be there, but not looked at.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct List<'a> {
    kind: Kind,
    len: u64,
    bytes: &'a [u8],
}

/// A tensor as the header describes it.
pub(super) struct Tensor<'a> {
    pub name: &'a str,
    /// As ggml calls it.
    pub dtype: String,
    /// Rows first, the other way round than in the file.
    pub shape: Vec<usize>,
    /// Its bytes, counted from the beginning of the file; none where its dtype is not known.
    pub range: Range<usize>,
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    List,
    U64,
    I64,
    F64,
}

/// Lists in lists further down than this are refused: nobody writes them.
const DEEPEST: usize = 4;

/// ggml's dtypes by number: those that are widened here, and the names of the others.
const DTYPES: &[(u32, &str)] = &[
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (6, "Q5_0"),
    (7, "Q5_1"),
    (8, "Q8_0"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (30, "BF16"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
    (41, "Q1_0"),
];

impl<'a> Container<'a> {
    /// Reads the header of `file`, the bytes of a whole GGUF file.
    ///
    /// # Errors
    /// Says what was expected and what was found.
    pub(super) fn read(file: &'a [u8]) -> Result<Container<'a>, String> {
        let mut reader = Reader { rest: file, len: file.len() };
        if reader.take(4, "its first word")? != b"GGUF" {
            return Err("it does not begin with GGUF".into());
        }
        match reader.u32("its version")? {
            2 | 3 => {}
            swapped if (1..=3).contains(&swapped.swap_bytes()) => {
                return Err("it is written big-endian; expected little-endian".into());
            }
            other => return Err(format!("its version is {other}; expected 2 or 3")),
        }
        let (tensor_count, value_count) = (reader.u64("its tensors")?, reader.u64("its metadata")?);
        let mut metadata = BTreeMap::new();
        for _ in 0..value_count {
            let key = reader.text("a key")?;
            let kind = reader.kind(key)?;
            let value = reader.value(kind, key)?;
            if metadata.insert(key, value).is_some() {
                return Err(format!("its metadata has {key} twice"));
            }
        }
        let mut described = Vec::new();
        for _ in 0..tensor_count {
            described.push(Described::read(&mut reader)?);
        }
        let start = aligned(reader.at(), &metadata)?;
        let tensors = described.into_iter().map(|tensor| tensor.place(start, file.len()));
        let tensors: Vec<Tensor<'_>> = tensors.collect::<Result<_, _>>()?;
        refuse_shared_bytes(&tensors)?;
        Ok(Container { metadata, tensors })
    }
}

/// Bytes that are read twice would be a way to ask for more memory than the file takes.
fn refuse_shared_bytes(tensors: &[Tensor<'_>]) -> Result<(), String> {
    let mut sorted: Vec<&Tensor<'_>> = tensors.iter().filter(|tensor| !tensor.range.is_empty()).collect();
    sorted.sort_by_key(|tensor| tensor.range.start);
    match sorted.windows(2).find(|pair| pair[1].range.start < pair[0].range.end) {
        Some(pair) => Err(format!("tensors {} and {} share bytes", pair[0].name, pair[1].name)),
        None => Ok(()),
    }
}

/// Where tensors begin: the next multiple of the alignment.
fn aligned(header: usize, metadata: &BTreeMap<&str, Value<'_>>) -> Result<usize, String> {
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(Value::Whole(power)) if power.is_power_of_two() && *power <= 1 << 30 => *power as usize,
        Some(other) => return Err(format!("general.alignment is {other}; expected a power of two")),
    };
    Ok(header.next_multiple_of(alignment))
}

/// A tensor as its header says, not yet set against the file.
struct Described<'a> {
    name: &'a str,
    dtype: u32,
    shape: Vec<u64>,
    offset: u64,
}

impl<'a> Described<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Described<'a>, String> {
        let name = reader.text("a tensor's name")?;
        let axes = reader.u32(name)?;
        if axes > 4 {
            return Err(format!("tensor {name} has {axes} axes; expected at most 4"));
        }
        let mut shape = (0..axes).map(|_| reader.u64(name)).collect::<Result<Vec<u64>, _>>()?;
        shape.reverse();
        Ok(Described { name, dtype: reader.u32(name)?, shape, offset: reader.u64(name)? })
    }

    /// Its bytes, `start` being where all tensors begin.
    fn place(self, start: usize, len: usize) -> Result<Tensor<'a>, String> {
        let Described { name, dtype, shape, offset } = self;
        let fault = |detail: String| format!("tensor {name} {detail}");
        let known = DTYPES.iter().find(|(number, _)| *number == dtype);
        let dtype = known.map_or_else(|| format!("of type {dtype}"), |(_, name)| (*name).to_owned());
        let axis = |axis: u64| usize::try_from(axis).map_err(|_| fault(format!("has an axis of {axis}")));
        let shape = shape.into_iter().map(axis).collect::<Result<Vec<usize>, _>>()?;
        let from = usize::try_from(offset).ok().and_then(|offset| start.checked_add(offset));
        let Some(from) = from else {
            return Err(fault(format!("begins at {offset}, which no file reaches")));
        };
        let Some(known) = Dtype::named(&dtype) else {
            return Ok(Tensor { name, dtype, shape, range: 0..0 });
        };
        let (block, bytes) = known.block();
        let width = shape.last().copied().unwrap_or(1);
        if !width.is_multiple_of(block) {
            return Err(fault(format!("has rows of {width} numbers; {dtype} has blocks of {block}")));
        }
        let numbers = shape.iter().try_fold(1usize, |numbers, axis| numbers.checked_mul(*axis));
        let to = numbers.and_then(|n| (n / block).checked_mul(bytes)).and_then(|n| from.checked_add(n));
        match to {
            Some(to) if to <= len => Ok(Tensor { name, dtype, shape, range: from..to }),
            _ => {
                let end = to.map_or("more than there can be".into(), |to| to.to_string());
                Err(fault(format!("takes bytes {from} to {end}, but the file has {len}")))
            }
        }
    }
}

impl Kind {
    const ALL: [Kind; 13] = [
        Kind::U8,
        Kind::I8,
        Kind::U16,
        Kind::I16,
        Kind::U32,
        Kind::I32,
        Kind::F32,
        Kind::Bool,
        Kind::Text,
        Kind::List,
        Kind::U64,
        Kind::I64,
        Kind::F64,
    ];

    /// Bytes of a value, if all take as many.
    fn size(self) -> Option<u64> {
        match self {
            Kind::U8 | Kind::I8 | Kind::Bool => Some(1),
            Kind::U16 | Kind::I16 => Some(2),
            Kind::U32 | Kind::I32 | Kind::F32 => Some(4),
            Kind::U64 | Kind::I64 | Kind::F64 => Some(8),
            Kind::Text | Kind::List => None,
        }
    }
}

/// What is left of a file.
#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a [u8],
    /// Bytes of the whole file.
    len: usize,
}

impl<'a> Reader<'a> {
    /// How far it has read.
    fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    fn take(&mut self, count: u64, what: &str) -> Result<&'a [u8], String> {
        let taken = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let (taken, rest) = taken.ok_or_else(|| {
            format!("{what} takes {count} bytes at {}, but {} follow", self.at(), self.rest.len())
        })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    fn u32(&mut self, what: &str) -> Result<u32, String> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, String> {
        self.array(what).map(u64::from_le_bytes)
    }

    fn text(&mut self, what: &str) -> Result<&'a str, String> {
        let len = self.u64(what)?;
        let bytes = self.take(len, what)?;
        str::from_utf8(bytes).map_err(|_| format!("{what} is no UTF-8 at {}", self.at() - bytes.len()))
    }

    fn kind(&mut self, key: &str) -> Result<Kind, String> {
        let number = self.u32(key)?;
        let kind = Kind::ALL.get(number as usize).copied();
        kind.ok_or_else(|| {
            format!("{key} is a value of type {number}; expected 0 to {}", Kind::ALL.len() - 1)
        })
    }

    fn value(&mut self, kind: Kind, key: &str) -> Result<Value<'a>, String> {
        let signed = |number: i64| u64::try_from(number).map_or(Value::Negative(number), Value::Whole);
        Ok(match kind {
            Kind::U8 => Value::Whole(u8::from_le_bytes(self.array(key)?).into()),
            Kind::U16 => Value::Whole(u16::from_le_bytes(self.array(key)?).into()),
            Kind::U32 => Value::Whole(self.u32(key)?.into()),
            Kind::U64 => Value::Whole(self.u64(key)?),
            Kind::I8 => signed(i8::from_le_bytes(self.array(key)?).into()),
            Kind::I16 => signed(i16::from_le_bytes(self.array(key)?).into()),
            Kind::I32 => signed(i32::from_le_bytes(self.array(key)?).into()),
            Kind::I64 => signed(i64::from_le_bytes(self.array(key)?)),
            Kind::F32 => Value::Real(f32::from_le_bytes(self.array(key)?).into()),
            Kind::F64 => Value::Real(f64::from_le_bytes(self.array(key)?)),
            Kind::Bool => Value::Bool(self.array::<1>(key)? != [0]),
            Kind::Text => Value::Text(self.text(key)?),
            Kind::List => Value::List(self.list(key, DEEPEST)?),
        })
    }

    /// A list, of which only the ends of its values are looked for.
    fn list(&mut self, key: &str, depth: usize) -> Result<List<'a>, String> {
        let (kind, len) = (self.kind(key)?, self.u64(key)?);
        let before = self.rest;
        match kind.size() {
            Some(size) => {
                let bytes = len.checked_mul(size).ok_or_else(|| format!("{key} has {len} values"))?;
                self.take(bytes, key)?;
            }
            None if kind == Kind::Text => {
                for _ in 0..len {
                    let bytes = self.u64(key)?;
                    self.take(bytes, key)?;
                }
            }
            None if depth == 0 => return Err(format!("{key} has lists in lists in lists")),
            None => {
                for _ in 0..len {
                    self.list(key, depth - 1)?;
                }
            }
        }
        Ok(List { kind, len, bytes: &before[..before.len() - self.rest.len()] })
    }
}

impl<'a> List<'a> {
    /// Its values, one after the other.
    pub(super) fn values(self) -> impl Iterator<Item = Result<Value<'a>, String>> {
        let mut reader = Reader { rest: self.bytes, len: self.bytes.len() };
        (0..self.len).map(move |i| reader.value(self.kind, "a value").map_err(|e| format!("value {i}: {e}")))
    }
}

impl std::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Whole(number) => number.fmt(f),
            Value::Negative(number) => number.fmt(f),
            Value::Real(number) => number.fmt(f),
            Value::Bool(value) => value.fmt(f),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::List(list) => write!(f, "a list of {} values", list.len),
        }
    }
}
