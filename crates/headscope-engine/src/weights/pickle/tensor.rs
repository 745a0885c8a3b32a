//! Views of storages as tensors: where they lie, or copied into rows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::super::Bytes;
use super::super::entry::{Entry, Order};
use super::Fault;
use super::machine::{Machine, Value, View};

/// What a checkpoint's tensors are made of.
pub(super) struct Storages<'a> {
    /// The file.
    pub bytes: &'a Bytes,
    /// Where each storage lies in it.
    pub places: BTreeMap<&'a str, Range<usize>>,
}

/// The tensors of a state dict, by name. What is no tensor in it is left out.
pub(super) fn entries(
    machine: &Machine<'_>,
    state: Value<'_>,
    storages: &Storages<'_>,
) -> Result<Vec<Entry>, Fault> {
    let pairs = machine
        .pairs(state)
        .ok_or_else(|| Fault::Damaged("it holds no dict of tensors; expected a model's state_dict".into()))?;
    let mut entries: BTreeMap<&str, Entry> = BTreeMap::new();
    // Copies may take as much memory as the file, all together.
    let mut budget = storages.bytes.len();
    for (name, value) in pairs {
        let (Value::Text(name), Value::Tensor(tensor)) = (name, value) else { continue };
        let entry = storages.entry(name, machine, &machine.tensors[*tensor], &mut budget);
        let entry = entry.map_err(|detail| Fault::Damaged(format!("tensor {name} {detail}")))?;
        entries.insert(name, entry); // a key that comes twice has its last value, as in Python
    }
    Ok(entries.into_values().collect())
}

impl Storages<'_> {
    fn entry(
        &self,
        name: &str,
        machine: &Machine<'_>,
        view: &View,
        budget: &mut usize,
    ) -> Result<Entry, String> {
        let storage = &machine.storages[view.storage];
        let size = number_size(storage.dtype);
        let place = self
            .places
            .get(storage.key)
            .ok_or_else(|| format!("lies in storage {}, which is missing", storage.key))?;
        let held = ((place.len() / size) as u64).saturating_sub(storage.offset).min(storage.numbers);
        let end = view.end().filter(|end| *end <= held);
        end.ok_or_else(|| {
            format!(
                "of shape {:?} reaches out of storage {}, which holds {held} numbers",
                view.shape, storage.key
            )
        })?;
        let axes = view.shape.iter().map(|axis| *axis as usize).collect::<Vec<usize>>();
        // Every number is within the storage, so that none of these can overflow.
        let first = place.start + (storage.offset + view.offset) as usize * size;
        let mut entry = Entry {
            name: name.to_owned(),
            dtype: storage.dtype.to_owned(),
            bytes: self.bytes.clone(),
            range: first..first,
            order: Order::AsStored,
            shape: axes,
        };
        if view.shape.contains(&0) {
            return Ok(entry);
        }
        let numbers: u64 =
            view.shape.iter().try_fold(1u64, |all, axis| all.checked_mul(*axis)).unwrap_or(u64::MAX);
        if numbers > held {
            return Err(format!("of shape {:?} repeats its {held} numbers", view.shape));
        }
        let len = numbers as usize * size;
        if view.is_contiguous() {
            entry.range = first..first + len;
            return Ok(entry);
        }
        *budget =
            budget.checked_sub(len).ok_or("and others are views that take more memory than the file")?;
        let copied = view.gather(&self.bytes[first..place.end], size, len);
        entry.bytes = Bytes::Owned(Arc::new(copied));
        entry.range = 0..len;
        Ok(entry)
    }
}

impl View {
    /// Numbers of the storage up to the last that it takes, if that can be said.
    fn end(&self) -> Option<u64> {
        if self.shape.contains(&0) {
            return Some(self.offset);
        }
        let mut last = self.offset;
        for (axis, stride) in self.shape.iter().zip(&self.strides) {
            last = last.checked_add((axis - 1).checked_mul(*stride)?)?;
        }
        last.checked_add(1)
    }

    /// Whether its rows lie side by side.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (axis, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *axis != 1 && *stride != expected {
                return false;
            }
            expected *= axis;
        }
        true
    }

    /// Its numbers, row by row.
    fn gather(&self, from: &[u8], size: usize, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len);
        let mut index = vec![0u64; self.shape.len()];
        while out.len() < len {
            let at: u64 = index.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum();
            let at = at as usize * size;
            out.extend_from_slice(&from[at..at + size]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                if index[axis] < self.shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        out
    }
}

/// Bytes of one number.
pub(super) fn number_size(dtype: &str) -> usize {
    match dtype {
        "I8" | "U8" | "BOOL" => 1,
        "F16" | "BF16" | "I16" => 2,
        "F64" | "I64" => 8,
        _ => 4,
    }
}
