//! Writing a file whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::TraceError;

/// Writes `path` through a temporary file beside it that is renamed when complete, so that a full
/// disk or an interruption never leaves half a file and never harms the one that was there.
/// Something that is no regular file (`/dev/stdout`, a pipe) is written directly.
///
/// # Errors
/// Names the path and what the system said.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<(), TraceError> {
    let attempt = || -> io::Result<()> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()); // a link stays a link
        if target.metadata().is_ok_and(|meta| !meta.is_file()) {
            return write_through(&File::options().write(true).open(&target)?, write);
        }
        let folder =
            target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = create_beside(folder)?;
        write_through(temporary.as_file(), write)?;
        temporary.persist(&target)?;
        Ok(())
    };
    attempt().map_err(|source| TraceError::Io { action: "write", path: path.to_owned(), source })
}

/// A temporary file with the permissions that a new file would have.
fn create_beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".headscope-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn write_through(file: &File, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 18, file);
    write(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        write_atomically(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write_atomically(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.unwrap_err().to_string().contains("out"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = write_atomically(Path::new("/nowhere/at/all"), |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /nowhere/at/all");
    }
}
