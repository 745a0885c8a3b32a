//! The format of PyTorch 1.6 and later: a zip file whose entries are stored as they are, so that they can be mapped.
//!
//! Only the central directory counts, as for Python. It says where each entry's own header is, and that how long it
//! is itself.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::Bytes;
use super::super::entry::Entry;
use super::Fault;
use super::machine::Machine;
use super::tensor::{self, Storages};

/// The tensors of a zip file that `torch.save` wrote.
pub(super) fn entries(bytes: &Bytes) -> Result<Vec<Entry>, Fault> {
    let files = directory(bytes)?;
    let mut pickles = files.keys().filter_map(|name| name.strip_suffix("data.pkl"));
    let (Some(root), None) = (pickles.next(), pickles.next()) else {
        return Err(Fault::Damaged("it does not hold one data.pkl".into()));
    };
    if let Some(order) = files.get(&*format!("{root}byteorder"))
        && !bytes[order.clone()].starts_with(b"little")
    {
        return Err(Fault::Damaged("its numbers are not little-endian".into()));
    }
    let folder = format!("{root}data/");
    let places = files.iter().filter_map(|(name, range)| Some((name.strip_prefix(&folder)?, range.clone())));
    let storages = Storages { bytes, places: places.collect() };
    let mut machine = Machine::default();
    let (state, _) = machine.run(&bytes[files[&*format!("{root}data.pkl")].clone()])?;
    tensor::entries(&machine, state, &storages)
}

/// Where each file of a zip file lies, by its name.
fn directory(file: &[u8]) -> Result<BTreeMap<&str, Range<usize>>, String> {
    let (count, at) = end_of_directory(file)?;
    let mut files = BTreeMap::new();
    let mut rest = file.get(at..).ok_or_else(|| format!("its directory is at {at}, beyond its end"))?;
    for i in 0..count {
        let entry =
            Central::read(rest).ok_or_else(|| format!("its directory ends at entry {i} of {count}"))?;
        rest = &rest[entry.len..];
        let range = entry.range(file).map_err(|detail| format!("entry {} {detail}", entry.name))?;
        if files.insert(entry.name, range).is_some() {
            return Err(format!("entry {} is there twice", entry.name));
        }
    }
    Ok(files)
}

/// How many entries the directory has, and where it begins: in the record at the end of the file, or, of large
/// files, in another that stands before.
fn end_of_directory(file: &[u8]) -> Result<(u64, usize), String> {
    const LEN: usize = 22;
    let last = file.len().checked_sub(LEN).ok_or("it is too short for a zip file")?;
    // A comment of up to 64 KiB may follow the record.
    let mut places = (last.saturating_sub(0xffff)..=last).rev();
    let at = places
        .find(|at| file[*at..].starts_with(b"PK\x05\x06"))
        .ok_or("it has no zip directory at its end")?;
    let (count, offset) = (short(file, at + 10), word(file, at + 16));
    if count != 0xffff && offset != u64::from(u32::MAX) {
        return Ok((count, offset as usize));
    }
    let cut = || "its record of a large directory is cut".to_owned();
    let locator = at.checked_sub(20).filter(|at| file[*at..].starts_with(b"PK\x06\x07")).ok_or_else(cut)?;
    let at = usize::try_from(long(file, locator + 8)).map_err(|_| cut())?;
    let record = file.get(at..).filter(|record| record.len() >= 56 && record.starts_with(b"PK\x06\x06"));
    let record = record.ok_or_else(cut)?;
    let offset = usize::try_from(long(record, 48)).map_err(|_| cut())?;
    Ok((long(record, 32), offset))
}

/// An entry of the directory.
struct Central<'a> {
    name: &'a str,
    flags: u64,
    method: u64,
    packed: u64,
    size: u64,
    header: u64,
    /// Bytes of the entry itself.
    len: usize,
}

impl<'a> Central<'a> {
    fn read(bytes: &'a [u8]) -> Option<Central<'a>> {
        if bytes.len() < 46 || !bytes.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (name_len, extra_len, comment_len) =
            (short(bytes, 28) as usize, short(bytes, 30) as usize, short(bytes, 32) as usize);
        let name = str::from_utf8(bytes.get(46..46 + name_len)?).ok()?;
        let extra = bytes.get(46 + name_len..46 + name_len + extra_len)?;
        let len = 46 + name_len + extra_len + comment_len;
        bytes.get(..len)?;
        // Sizes of 4 GiB and more stand in a field of their own, in this order, those that do not fit.
        let mut wide = large_sizes(extra).as_chunks::<8>().0.iter();
        let mut fit = |size: u64| match size {
            0xffff_ffff => wide.next().map(|wide| u64::from_le_bytes(*wide)),
            size => Some(size),
        };
        let (size, packed) = (fit(word(bytes, 24))?, fit(word(bytes, 20))?);
        let header = fit(word(bytes, 42))?;
        Some(Central { name, flags: short(bytes, 8), method: short(bytes, 10), packed, size, header, len })
    }

    /// Where its bytes lie, behind its header.
    fn range(&self, file: &[u8]) -> Result<Range<usize>, String> {
        if self.flags & 1 != 0 {
            return Err("is encrypted".into());
        }
        if self.method != 0 || self.packed != self.size {
            return Err("is compressed; expected the stored entries that torch.save writes".into());
        }
        let beyond = || format!("takes {} bytes at {}, beyond the end of the file", self.size, self.header);
        let (Ok(header), Ok(size)) = (usize::try_from(self.header), usize::try_from(self.size)) else {
            return Err(beyond());
        };
        let local = file.get(header..).filter(|local| local.len() >= 30).ok_or_else(beyond)?;
        if !local.starts_with(b"PK\x03\x04") {
            return Err(format!("has no header at {header}"));
        }
        let from = header + 30 + short(local, 26) as usize + short(local, 28) as usize;
        match from.checked_add(size) {
            Some(to) if to <= file.len() => Ok(from..to),
            _ => Err(beyond()),
        }
    }
}

/// The extra field of large sizes; empty if there is none.
fn large_sizes(mut extra: &[u8]) -> &[u8] {
    while extra.len() >= 4 {
        let (kind, len) = (short(extra, 0), short(extra, 2) as usize);
        let Some(field) = extra.get(4..4 + len) else { break };
        if kind == 1 {
            return field;
        }
        extra = &extra[4 + len..];
    }
    &[]
}

fn short(bytes: &[u8], at: usize) -> u64 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]]).into()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    short(bytes, at) | short(bytes, at + 2) << 16
}

fn long(bytes: &[u8], at: usize) -> u64 {
    word(bytes, at) | word(bytes, at + 4) << 32
}
