//! The format before PyTorch 1.6: five pickles and the storages, one behind the other.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::Bytes;
use super::super::entry::Entry;
use super::Fault;
use super::machine::{Machine, Value};
use super::tensor::{self, Storages, number_size};

/// The version that every such file states.
const PROTOCOL: i64 = 1001;

/// What the first pickle makes: torch's magic number, of ten bytes.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The tensors of a file.
pub(super) fn entries(bytes: &Bytes) -> Result<Vec<Entry>, Fault> {
    // `PROTO n` and the number.
    if bytes.get(2..2 + MAGIC.len()) != Some(MAGIC) {
        return Err(not_torch(bytes));
    }
    let rest = &bytes[2 + MAGIC.len()..];
    let (version, rest) = Machine::default().run(rest)?;
    if version != Value::Int(PROTOCOL) {
        return Err(Fault::Damaged(format!("its protocol is {version:?}; expected {PROTOCOL}")));
    }
    let mut system = Machine::default();
    let (info, rest) = system.run(rest)?;
    let little = (Value::Text("little_endian"), Value::Bool(true));
    if !system.pairs(info).is_some_and(|pairs| pairs.contains(&little)) {
        return Err(Fault::Damaged("it does not say that its numbers are little-endian".into()));
    }
    let mut machine = Machine::default();
    let (state, rest) = machine.run(rest)?;
    let mut keys = Machine::default();
    let (list, rest) = keys.run(rest)?;
    let list = keys.items(list).ok_or_else(|| Fault::Damaged("it has no list of storages".into()))?;
    let places = places(list, &machine, rest, bytes.len() - rest.len())?;
    tensor::entries(&machine, state, &Storages { bytes, places })
}

/// A pickle that is no checkpoint: what it names comes first, since that may be why.
fn not_torch(bytes: &[u8]) -> Fault {
    match Machine::default().run(bytes) {
        Err(asks @ Fault::Asks(_)) => asks,
        _ => Fault::Damaged("it is a pickle, but does not begin with torch's magic number".into()),
    }
}

/// Where each storage lies: its length in eight bytes, then its numbers; in the order of the keys.
fn places<'a>(
    keys: &[Value<'a>],
    machine: &Machine<'_>,
    mut rest: &[u8],
    mut at: usize,
) -> Result<BTreeMap<&'a str, Range<usize>>, Fault> {
    let dtypes: BTreeMap<&str, &str> = machine.storages.iter().map(|s| (s.key, s.dtype)).collect();
    let mut places = BTreeMap::new();
    for key in keys {
        let Value::Text(key) = key else {
            return Err(Fault::Damaged("it has a storage without a name".into()));
        };
        let fault = |detail: &str| Fault::Damaged(format!("storage {key} {detail}"));
        let dtype = dtypes.get(key).ok_or_else(|| fault("belongs to no tensor"))?;
        let (numbers, numbers_on) =
            rest.split_first_chunk().ok_or_else(|| fault("is missing; the file is cut"))?;
        let len = usize::try_from(u64::from_le_bytes(*numbers)).ok();
        let len = len.and_then(|numbers| numbers.checked_mul(number_size(dtype)));
        let len = len.filter(|len| *len <= numbers_on.len());
        let len = len.ok_or_else(|| fault("is longer than what is left of the file"))?;
        places.insert(*key, at + 8..at + 8 + len);
        rest = &numbers_on[len..];
        at += 8 + len;
    }
    Ok(places)
}
