//! The safetensors container: written so that the same content gives the same bytes, read without
//! copying the numbers.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors};
use serde::Serialize;

use crate::{Tensor, TraceError};

/// One tensor to be written.
pub struct Section<'a> {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Values<'a>,
}

/// The numbers of a [`Section`].
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

    fn bytes(&self) -> &[u8] {
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

/// A safetensors file in memory whose tensors share one buffer.
pub struct Container {
    /// The strings of `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// Every tensor with its name.
    pub tensors: Vec<(String, Tensor)>,
}

impl Container {
    /// Reads `bytes`; `file` names them in errors. Nothing is allocated from what the header
    /// claims, only for what is there.
    ///
    /// # Errors
    /// If the header and the data disagree, or a tensor is not F32.
    pub fn read(bytes: &[u8], file: &str) -> Result<Container, TraceError> {
        let fault = |e: safetensors::SafeTensorError| TraceError::Container {
            file: file.into(),
            detail: e.to_string(),
        };
        let (header_len, header) = SafeTensors::read_metadata(bytes).map_err(fault)?;
        let views = SafeTensors::deserialize(bytes).map_err(fault)?;
        let data = &bytes[8 + header_len..];
        let storage: Arc<Vec<f32>> =
            Arc::new(data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect());

        let mut tensors = Vec::with_capacity(views.len());
        for (name, info) in header.tensors() {
            let (start, end) = info.data_offsets;
            if info.dtype != Dtype::F32 || start % 4 != 0 {
                let detail = format!("is {:?} at byte {start}; expected aligned F32", info.dtype);
                return Err(TraceError::Tensor { file: file.into(), name, detail });
            }
            tensors.push((name, Tensor::view(info.shape.clone(), Arc::clone(&storage), start / 4..end / 4)));
        }
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        Ok(Container { metadata, tensors })
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
        let header = |json: &str| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &[0; 8]].concat();
        let lies = [
            (u64::MAX - 8).to_le_bytes().to_vec(),
            header(r#"{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#),
            header(r#"{"x":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#),
            header(r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#),
            header(r#"{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#),
            header(r#"{"x":{"dtype":"F32""#),
        ];
        for lie in lies {
            assert!(Container::read(&lie, "lie").is_err(), "{}", String::from_utf8_lossy(&lie));
        }
    }
}
