//! Bytes of a checkpoint: mapped, part of the program, or made.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
#[cfg(unix)]
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
#[cfg(target_os = "linux")]
use memmap2::UncheckedAdvice;

use crate::EngineError;

/// Bytes that live as long as anyone holds them.
#[derive(Clone)]
pub enum Bytes {
    /// Part of the program.
    Static(&'static [u8]),
    /// A file, paged in as it is read.
    Mapped(Arc<Mapped>),
    /// In memory: what a file does not hold in the form that is asked for.
    Owned(Arc<Vec<u8>>),
}

/// A file in memory, and open.
pub struct Mapped {
    map: Mmap,
    #[cfg(unix)]
    file: File,
}

impl Bytes {
    /// Maps a file into memory.
    ///
    /// # Errors
    /// If it cannot be opened or mapped, or is no regular file.
    #[expect(unsafe_code, reason = "mapping a file cannot be checked by the compiler")]
    pub fn map(path: &Path) -> Result<Bytes, EngineError> {
        let fault = |source| EngineError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(fault)?;
        let kind = file.metadata().map_err(fault)?.file_type();
        if kind.is_dir() {
            return Err(fault(io::ErrorKind::IsADirectory.into()));
        }
        if !kind.is_file() {
            return Err(fault(io::Error::other("it is no regular file")));
        }
        // SAFETY: the map is read-only and we never write the file. Should another process
        // shorten it meanwhile, reads end the program, as for any memory-mapped checkpoint.
        let map = unsafe { Mmap::map(&file) }.map_err(fault)?;
        Ok(Bytes::Mapped(Arc::new(Mapped {
            map,
            #[cfg(unix)]
            file,
        })))
    }

    /// Copies the bytes from `from` on, if they are a file's: nothing is mapped for it. Otherwise says `false`, or if
    /// the file cannot be read.
    pub(super) fn copy(&self, from: usize, to: &mut [u8]) -> bool {
        #[cfg(unix)]
        if let Bytes::Mapped(mapped) = self {
            return mapped.file.read_exact_at(to, from as u64).is_ok();
        }
        let _ = (from, to);
        false
    }

    /// Says that some bytes will hardly be read again, so that they need take no memory.
    pub(super) fn hardly_needed(&self, range: &Range<usize>) {
        // A program's own bytes may stand in memory that no file would bring back.
        #[cfg(target_os = "linux")]
        if let Bytes::Mapped(mapped) = self {
            give_back(&mapped.map, range);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

/// Takes whole pages of a mapped file out of this process. They stay in the system's page cache,
/// and whoever reads them again gets them back from there, or from the file.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the same advice would clear memory that no file stands behind")]
fn give_back(map: &Mmap, range: &Range<usize>) {
    const PAGE: usize = 4096;
    let (from, to) = (range.start.next_multiple_of(PAGE), range.end / PAGE * PAGE);
    if from < to {
        // SAFETY: the map is of a file, is read-only and was never written, so that
        // every page can be read from the file again, with the same content.
        let advised = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
        let _ = advised; // a system that refuses merely keeps them
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Static(bytes) => bytes,
            Bytes::Mapped(mapped) => &mapped.map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn what_a_file_has_can_be_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        let content: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        std::fs::write(&path, &content).unwrap();
        let bytes = Bytes::map(&path).unwrap();
        let mut copy = [0; 5000];
        assert!(bytes.copy(4321, &mut copy));
        assert_eq!(copy, bytes[4321..9321]);
        assert!(bytes.copy(10_000, &mut []), "nothing");
        assert!(!bytes.copy(5001, &mut copy), "more than there is");
        assert!(!Bytes::Static(b"in the program").copy(0, &mut copy[..3]));
        assert!(!Bytes::Owned(Arc::new(content)).copy(0, &mut copy[..3]));
    }
}
