//! Writing a file whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

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
        let target = resolve(path);
        let found = target.metadata().ok();
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            return write_through(&File::options().write(true).open(&target)?, write);
        }
        let folder =
            target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = create_beside(folder)?;
        write_through(temporary.as_file(), write)?;
        if let Some(found) = found {
            temporary.as_file().set_permissions(found.permissions())?; // what was private stays so
        }
        temporary.persist(&target)?;
        Ok(())
    };
    attempt().map_err(|source| TraceError::Io { action: "write", path: path.to_owned(), source })
}

/// The file itself where `path` is a link to it, so that a link stays a link.
fn resolve(path: &Path) -> PathBuf {
    let through_link = || Some(path.parent()?.join(fs::read_link(path).ok()?)); // to a file yet to be
    fs::canonicalize(path).ok().or_else(through_link).unwrap_or_else(|| path.to_owned())
}

/// A temporary file with the permissions that a new file has. (`tempfile_in` would make it private,
/// and put its name into errors.)
fn create_beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".headscope-")
        .suffix(".tmp")
        .make_in(folder, |path| File::create_new(path))
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
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.starts_with("No such file") && !cause.contains(".tmp"), "{cause}");
        assert!(error.help().unwrap().contains("exists"));
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_private_files_private() {
        use std::fs::Permissions;
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        symlink("file", &link).unwrap();
        for content in [b"new", b"old"] {
            write_atomically(&link, |out| out.write_all(content)).unwrap();
            assert!(link.is_symlink());
            assert_eq!(fs::read(&file).unwrap(), content);
        }
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        write_atomically(&link, |out| out.write_all(b"3")).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
