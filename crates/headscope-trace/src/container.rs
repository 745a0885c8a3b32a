//! The safetensors container: written so that the same content gives the same bytes, read without
//! copying the numbers.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Tensor, TraceError};

/// One tensor to be written.
#[derive(Clone)]
pub struct Section<'a> {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Values<'a>,
}

/// The numbers of a [`Section`].
#[derive(Clone, Copy)]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Bytes.
    U8(&'a [u8]),
}

impl Values<'_> {
    fn dtype(&self) -> &'static str {
        match self {
            Values::F32(_) => "F32",
            Values::U8(_) => "U8",
        }
    }

    /// As they stand in a file: little-endian.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Values::F32(values) => bytemuck::cast_slice(values),
            Values::U8(bytes) => bytes,
        }
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// Writes a safetensors file.
///
/// The `safetensors` crate keeps metadata in a hash map, whose order differs from run to run;
/// here equal content gives equal bytes. F32 sections must precede U8 ones, which keeps every
/// number aligned.
///
/// # Errors
/// What `out` returns.
pub fn write_safetensors(
    mut out: impl Write,
    metadata: &BTreeMap<&str, String>,
    sections: &[Section<'_>],
) -> io::Result<()> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), serde_json::to_value(metadata)?);
    let mut offset = 0;
    for Section { name, shape, values } in sections {
        let end = offset + values.bytes().len();
        let entry = Entry { dtype: values.dtype(), shape, data_offsets: [offset, end] };
        header.insert(name.clone(), serde_json::to_value(entry)?);
        offset = end;
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for section in sections {
        out.write_all(section.values.bytes())?;
    }
    out.flush()
}

/// One tensor as the header of a safetensors file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// Its dtype as the file spells it: `F32`, `BF16`, `I64`.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its bytes, counted from the beginning of the file.
    pub bytes: Range<usize>,
}

/// The header of a safetensors file, checked against the file.
///
/// Read here rather than by the `safetensors` crate, whose errors name neither the tensor nor the
/// numbers, and whose sum of claimed sizes (0.8) can overflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The strings of `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// Every tensor, in the order of their bytes, which cover the rest of the file without a gap.
    pub tensors: Vec<Described>,
}

#[derive(Deserialize)]
struct RawHeader {
    #[serde(rename = "__metadata__", default)]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<String, RawEntry>,
}

#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl Header {
    /// Reads the header of `file`, the bytes of a whole safetensors file. Nothing is allocated from
    /// what is claimed, only for what is there.
    ///
    /// # Errors
    /// Says what was expected and what was found, without the name of the file.
    pub fn read(file: &[u8]) -> Result<Header, String> {
        if file.starts_with(b"version https://git-lfs") {
            return Err("it is a Git LFS pointer; `git lfs pull` fetches the file itself".into());
        }
        let (len, rest) = file
            .split_first_chunk()
            .ok_or_else(|| format!("it has {} bytes; the length of its header alone takes 8", file.len()))?;
        let len = u64::from_le_bytes(*len);
        let (header, data) = usize::try_from(len)
            .ok()
            .and_then(|len| rest.split_at_checked(len))
            .ok_or_else(|| format!("its header should take {len} bytes, but {} follow", rest.len()))?;
        let RawHeader { metadata, tensors } =
            serde_json::from_slice(header).map_err(|e| format!("its header does not parse: {e}"))?;

        let mut tensors: Vec<(String, RawEntry)> = tensors.into_iter().collect();
        tensors.sort_by_key(|(_, entry)| entry.data_offsets);
        let start = file.len() - data.len();
        let (mut covered, mut described) = (0, Vec::with_capacity(tensors.len()));
        for (name, entry) in tensors {
            entry.check(&name, covered)?;
            covered = entry.data_offsets[1];
            let RawEntry { dtype, shape, data_offsets: [from, to] } = entry;
            let bytes = start.saturating_add(from)..start.saturating_add(to);
            described.push(Described { name, dtype, shape, bytes });
        }
        if covered != data.len() {
            return Err(format!("its header promises {covered} bytes of tensors, but {} follow", data.len()));
        }
        Ok(Header { metadata, tensors: described })
    }
}

impl RawEntry {
    /// Whether the tensor begins where the last one ended, and takes as many bytes as its shape asks.
    fn check(&self, name: &str, covered: usize) -> Result<(), String> {
        let RawEntry { dtype, shape, data_offsets: [from, to] } = self;
        if *from != covered || to < from {
            return Err(format!("tensor {name:?} lies at {from}..{to}; expected it to begin at {covered}"));
        }
        let expected = size_of_dtype(dtype)
            .map(|size| shape.iter().try_fold(size, |bytes, axis| bytes.checked_mul(*axis)));
        match expected {
            Some(expected) if expected != Some(to - from) => {
                let expected = expected.map_or("more than there can be".into(), |bytes| bytes.to_string());
                Err(format!(
                    "tensor {name:?} takes {} bytes; {dtype} of shape {shape:?} takes {expected}",
                    to - from
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Bytes of one number; `None` for dtypes that nothing here reads.
fn size_of_dtype(dtype: &str) -> Option<usize> {
    match dtype {
        "BOOL" | "U8" | "I8" => Some(1),
        "U16" | "I16" | "F16" | "BF16" => Some(2),
        "U32" | "I32" | "F32" => Some(4),
        "U64" | "I64" | "F64" => Some(8),
        _ => None,
    }
}

/// A safetensors file in memory whose tensors share one buffer.
pub struct Container {
    /// The strings of `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// Every tensor of numbers with its name.
    pub tensors: Vec<(String, Tensor)>,
    /// Every tensor of bytes, with its name and its shape.
    pub bytes: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl Container {
    /// Reads `bytes`; `file` names them in errors. Nothing is allocated from what the header
    /// claims, only for what is there.
    ///
    /// # Errors
    /// If the header and the data disagree, or a tensor is neither F32 nor U8.
    pub fn read(bytes: &[u8], file: &str) -> Result<Container, TraceError> {
        let header =
            Header::read(bytes).map_err(|detail| TraceError::Container { file: file.into(), detail })?;
        let start = header.tensors.first().map_or(bytes.len(), |first| first.bytes.start);
        let values: Vec<f32> =
            bytes[start..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let all = Tensor::new([values.len()], values);

        let (mut tensors, mut raw) = (Vec::with_capacity(header.tensors.len()), Vec::new());
        for Described { name, dtype, shape, bytes: place } in header.tensors {
            let (from, to) = (place.start - start, place.end - start);
            if dtype == "U8" {
                raw.push((name, shape, bytes[place].to_vec()));
                continue;
            }
            if dtype != "F32" || from % 4 != 0 {
                let detail = format!("is {dtype} at byte {from}; expected aligned F32");
                return Err(TraceError::Tensor { file: file.into(), name, detail });
            }
            tensors.push((name, all.part(shape, from / 4..to / 4)));
        }
        Ok(Container { metadata: header.metadata, tensors, bytes: raw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let metadata = BTreeMap::from([("b", "2".to_owned()), ("a", "\"1\"".to_owned())]);
        let sections = [
            Section { name: "x".into(), shape: vec![2, 2], values: Values::F32(&[1.0, 2.0, 3.0, 4.0]) },
            Section { name: "empty".into(), shape: vec![0, 5], values: Values::F32(&[]) },
        ];
        let mut bytes = Vec::new();
        write_safetensors(&mut bytes, &metadata, &sections).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = sample();
        assert_eq!(bytes, sample(), "the same content gives the same bytes");
        let container = Container::read(&bytes, "sample").unwrap();
        assert_eq!(container.metadata["a"], "\"1\"");
        let find = |name| container.tensors.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(find("x"), Tensor::new([2, 2], vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(find("empty").shape(), [0, 5]);
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert!(Container::read(&bytes[..len], "cut").is_err(), "{len} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let file = |json: &str| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &[0; 8]].concat();
        let entry = |fields: &str| file(&format!(r#"{{"x":{{"dtype":"F32",{fields}}}}}"#));
        let eighth = usize::MAX / 8; // eight of them and a bit more pass the largest number
        let chain = (0..9).map(|i| {
            let (from, to) = (i * eighth, (i + 1).min(8) * eighth);
            format!(r#""t{i}":{{"dtype":"F4","shape":[1],"data_offsets":[{from},{to}]}}"#)
        });
        let lies = [
            (vec![1, 2, 3], "it has 3 bytes; the length of its header alone takes 8"),
            (
                (u64::MAX - 8).to_le_bytes().to_vec(),
                "its header should take 18446744073709551607 bytes, but 0 follow",
            ),
            (file(r#"{"x":{"dtype":"F32""#), "its header does not parse: EOF while parsing an object"),
            (file("[]"), "its header does not parse"),
            (entry(r#""shape":[4],"data_offsets":[0,16]"#), "promises 16 bytes of tensors, but 8 follow"),
            (entry(r#""shape":[1],"data_offsets":[0,4]"#), "promises 4 bytes of tensors, but 8 follow"),
            (
                entry(r#""shape":[3],"data_offsets":[0,8]"#),
                "tensor \"x\" takes 8 bytes; F32 of shape [3] takes 12",
            ),
            (
                entry(r#""shape":[18446744073709551615,2],"data_offsets":[0,8]"#),
                "takes more than there can be",
            ),
            (entry(r#""shape":[2],"data_offsets":[8,0]"#), "lies at 8..0; expected it to begin at 0"),
            (entry(r#""shape":[1],"data_offsets":[4,8]"#), "lies at 4..8; expected it to begin at 0"),
            (entry(r#""shape":[-2],"data_offsets":[0,8]"#), "does not parse: invalid value: integer `-2`"),
            (file(r#"{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#), "is F64 at byte 0"),
            (file(&format!("{{{}}}", chain.collect::<Vec<_>>().join(","))), "promises 18446744073709551608"),
        ];
        for (lie, expected) in lies {
            let error = Container::read(&lie, "lie").err().unwrap().to_string();
            assert!(error.contains(expected), "{error}; expected {expected}");
        }
    }
}
