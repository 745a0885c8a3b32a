//! The folder of one model, to be read and written beside Python and other processes.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Commit, Etag, FileName, Snapshot, is_revision, plain};

/// One model's folder in the cache.
#[derive(Debug, Clone)]
pub struct Repo {
    folder: PathBuf,
    locks: PathBuf,
}

/// A blob that was asked for.
pub enum Blob {
    /// It is there, whole.
    There,
    /// It has yet to be brought.
    Partial(Partial),
}

/// A blob on its way: `<etag>.incomplete`, under a lock that ends with this value. Its bytes reach the
/// file as they come, so that an interrupted download goes on from there.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
    blob: PathBuf,
    etag: Etag,
    hash: Sha256,
    len: u64,
    /// Held, not read.
    _lock: Option<File>,
}

/// Why a blob is not what it should be.
#[derive(Debug, Error)]
pub enum Flaw {
    /// Another size.
    #[error("has {found} bytes; expected {expected}")]
    Size {
        /// In bytes.
        expected: u64,
        /// In bytes.
        found: u64,
    },
    /// Other content.
    #[error("has the SHA-256 {found}; expected {expected}")]
    Hash {
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits.
        found: String,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Repo {
    pub(super) fn new(root: &Path, name: &str) -> Repo {
        Repo { folder: root.join(name), locks: root.join(".locks").join(name) }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a commit.
    pub fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.folder.join("snapshots").join(commit.as_str())
    }

    /// The folder of the commit that a branch or tag stood for, or of a commit itself.
    pub(super) fn snapshot_at(&self, revision: &str) -> Option<PathBuf> {
        if !is_revision(revision) {
            return None;
        }
        let commit = fs::read_to_string(self.folder.join("refs").join(revision));
        let commit = commit.map_or_else(|_| revision.to_owned(), |commit| commit.trim().to_owned());
        plain(&commit).then(|| self.folder.join("snapshots").join(commit))
    }

    /// What is in `snapshots/`.
    pub(super) fn snapshots(&self, id: &str) -> Vec<Snapshot> {
        let mut refs = Vec::new();
        refs_under(&self.folder.join("refs"), "", 8, &mut refs);
        refs.sort();
        let entries = fs::read_dir(self.folder.join("snapshots")).into_iter().flatten().flatten();
        let snapshots = entries.filter_map(|entry| {
            let commit = entry.file_name().into_string().ok()?;
            let names = refs.iter().filter(|(_, target)| *target == commit).map(|(name, _)| name.clone());
            Some(Snapshot { id: id.to_owned(), refs: names.collect(), folder: entry.path(), commit })
        });
        snapshots.filter(|s| s.folder.join("config.json").exists() || !s.gguf_files().is_empty()).collect()
    }

    /// The blob named `etag`, locked for this process while it is not there. `waiting` is called when
    /// another process holds it, which this one then waits for.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub fn blob(&self, etag: &Etag, waiting: impl FnOnce()) -> io::Result<Blob> {
        let blob = self.folder.join("blobs").join(etag.as_str());
        if blob.exists() {
            return Ok(Blob::There);
        }
        fs::create_dir_all(self.folder.join("blobs"))?;
        let lock = self.lock(etag, waiting)?;
        if blob.exists() {
            return Ok(Blob::There); // brought by the process that was waited for
        }
        Partial::open(blob, etag.clone(), lock).map(Blob::Partial)
    }

    /// Python locks the same file. Where a file system knows no locks there is none to hold.
    fn lock(&self, etag: &Etag, waiting: impl FnOnce()) -> io::Result<Option<File>> {
        fs::create_dir_all(&self.locks)?;
        let path = self.locks.join(format!("{}.lock", etag.as_str()));
        let lock = File::options().create(true).truncate(false).write(true).open(path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock()?;
                Ok(Some(lock))
            }
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }

    /// Puts a blob into a snapshot: as a relative link, or where there are none as a second name or a copy.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub fn link(&self, commit: &Commit, file: &FileName, etag: &Etag) -> io::Result<PathBuf> {
        let path = self.snapshot(commit).join(file.as_str());
        let ups = "../".repeat(2 + file.as_str().matches('/').count());
        let target = PathBuf::from(format!("{ups}blobs/{}", etag.as_str()));
        if fs::read_link(&path).is_ok_and(|found| found == target) || path.is_file() {
            return Ok(path); // a commit's file has one content
        }
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        // Made beside and renamed: a reader sees all of it or nothing, whoever else does the same.
        let beside = folder.join(format!(".{}.{}.tmp", etag.as_str(), std::process::id()));
        let blob = self.folder.join("blobs").join(etag.as_str());
        let made = symlink(&target, &beside).or_else(|_| second_name(&blob, &beside));
        let placed = made.and_then(|()| fs::rename(&beside, &path));
        if placed.is_err() {
            let _ = fs::remove_file(&beside);
        }
        placed.map(|()| path)
    }

    /// Notes that `revision` stands for `commit`.
    ///
    /// # Errors
    /// If it could be no name on disk, or the cache cannot be written.
    pub fn set_ref(&self, revision: &str, commit: &Commit) -> io::Result<()> {
        if !is_revision(revision) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let path = self.folder.join("refs").join(revision);
        if revision == commit.as_str()
            || fs::read_to_string(&path).is_ok_and(|found| found == commit.as_str())
        {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let beside = self.folder.join(format!(".ref.{}.tmp", std::process::id()));
        let placed = fs::write(&beside, commit.as_str()).and_then(|()| fs::rename(&beside, &path));
        if placed.is_err() {
            let _ = fs::remove_file(&beside);
        }
        placed
    }

    /// Notes that the repository has no such file at this commit, where Python looks for that too.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub fn set_absent(&self, commit: &Commit, file: &FileName) -> io::Result<()> {
        let path = self.folder.join(".no_exist").join(commit.as_str()).join(file.as_str());
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        File::create(path).map(drop)
    }

    /// Whether it was noted that the repository of this snapshot has no such file.
    pub(super) fn known_absent(snapshot: &Path, file: &str) -> bool {
        let absent = || {
            let repo = snapshot.parent()?.parent()?;
            Some(repo.join(".no_exist").join(snapshot.file_name()?).join(file))
        };
        absent().is_some_and(|path| path.exists())
    }
}

fn refs_under(folder: &Path, prefix: &str, depth: usize, refs: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = format!("{prefix}{name}");
        match fs::read_to_string(entry.path()) {
            Ok(commit) => refs.push((name, commit.trim().to_owned())),
            Err(_) if depth > 0 => refs_under(&entry.path(), &format!("{name}/"), depth - 1, refs),
            Err(_) => {}
        }
    }
}

impl Partial {
    fn open(blob: PathBuf, etag: Etag, lock: Option<File>) -> io::Result<Partial> {
        // Without a lock two processes could write the same file, so each has one of its own.
        let own = if lock.is_some() { String::new() } else { format!(".{}", std::process::id()) };
        let path = blob.with_file_name(format!("{}{own}.incomplete", etag.as_str()));
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
        let mut hash = Sha256::new();
        let len = read_into(&mut file, &mut hash)?;
        Ok(Partial { file, path, blob, etag, hash, len, _lock: lock })
    }

    /// How many bytes are there.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        if written.is_err() {
            // What stands beyond the bytes that were hashed is not known; the next try shall not see it.
            let _ = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
            return written;
        }
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Forgets all bytes.
    ///
    /// # Errors
    /// If the file cannot be cut.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hash = Sha256::new();
        self.len = 0;
        Ok(())
    }

    /// Gives the blob its name, if it has the size that is expected and the SHA-256 that its ETag is.
    ///
    /// # Errors
    /// If it has not, or cannot be renamed; it keeps its name then.
    pub fn finish(&mut self, size: Option<u64>) -> Result<(), Flaw> {
        if let Some(expected) = size.filter(|size| *size != self.len) {
            return Err(Flaw::Size { expected, found: self.len });
        }
        if let Some(expected) = self.etag.sha256() {
            let found: String = self.hash.clone().finalize().iter().map(|b| format!("{b:02x}")).collect();
            if found != expected {
                return Err(Flaw::Hash { expected: expected.to_owned(), found });
            }
        }
        self.file.sync_all()?; // or a loss of power could leave the name without the bytes
        Ok(fs::rename(&self.path, &self.blob)?)
    }

    /// Removes the file if nothing came: there is nothing to go on from.
    pub fn discard_if_empty(self) {
        if self.is_empty() {
            self.discard();
        }
    }

    /// Removes the file: what is in it is of no use.
    pub fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Hashes a file from its start and says how long it is.
fn read_into(file: &mut File, hash: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 18];
    let mut len = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(len),
            n => {
                hash.update(&buffer[..n]);
                len += n as u64;
            }
        }
    }
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn second_name(blob: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(blob, path).or_else(|_| fs::copy(blob, path).map(drop))
}

#[cfg(test)]
mod tests {
    use super::super::Cache;
    use super::*;

    const SHA: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // of "abc"

    struct Bench {
        root: tempfile::TempDir,
        repo: Repo,
        commit: Commit,
    }

    fn bench() -> Bench {
        let root = tempfile::tempdir().unwrap();
        let repo = Cache::at(root.path()).repo("org/tiny").unwrap();
        Bench { root, repo, commit: Commit::parse(&"c0".repeat(20)).unwrap() }
    }

    fn partial(repo: &Repo, etag: &Etag) -> Partial {
        match repo.blob(etag, || panic!("nobody holds it")).unwrap() {
            Blob::Partial(partial) => partial,
            Blob::There => panic!("it is not there yet"),
        }
    }

    #[test]
    fn a_blob_grows_over_several_tries_and_is_checked() {
        let Bench { root, repo, commit } = bench();
        let etag = Etag::parse(SHA).unwrap();
        partial(&repo, &etag).append(b"a").unwrap();
        let mut second = partial(&repo, &etag);
        assert_eq!(second.len(), 1);
        second.append(b"b").unwrap();
        assert!(matches!(second.finish(Some(3)), Err(Flaw::Size { expected: 3, found: 2 })));
        second.append(b"x").unwrap();
        assert!(matches!(second.finish(Some(3)), Err(Flaw::Hash { .. })));
        second.restart().unwrap();
        second.append(b"abc").unwrap();
        second.finish(Some(3)).unwrap();
        drop(second);
        assert!(matches!(repo.blob(&etag, || ()).unwrap(), Blob::There));

        let file = FileName::parse("sub/weights.bin").unwrap();
        for _ in 0..2 {
            let path = repo.link(&commit, &file, &etag).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"abc");
            #[cfg(unix)]
            assert_eq!(fs::read_link(&path).unwrap(), Path::new("../../../blobs").join(SHA));
        }
        repo.set_ref("refs/pr/1", &commit).unwrap();
        assert_eq!(repo.snapshot_at("refs/pr/1"), Some(repo.snapshot(&commit)));
        let blobs = fs::read_dir(root.path().join("models--org--tiny/blobs")).unwrap();
        assert_eq!(blobs.count(), 1, "no partial is left");
    }

    #[test]
    fn two_at_once_wait_for_each_other() {
        let Bench { root: _root, repo, .. } = bench();
        let etag = Etag::parse(SHA).unwrap();
        let mut first = partial(&repo, &etag);
        let (told, hear) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| repo.blob(&etag, move || told.send(()).unwrap()).unwrap());
            hear.recv().unwrap();
            first.append(b"abc").unwrap();
            first.finish(Some(3)).unwrap();
            drop(first);
            assert!(matches!(second.join().unwrap(), Blob::There));
        });
    }

    #[test]
    fn a_copy_stands_where_links_cannot() {
        let Bench { root, .. } = bench();
        let (blob, copy) = (root.path().join("blob"), root.path().join("copy"));
        fs::write(&blob, "abc").unwrap();
        second_name(&blob, &copy).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), b"abc");
    }

    #[test]
    fn whole_means_weights_and_a_tokenizer() {
        let Bench { root: _root, repo, commit } = bench();
        let folder = repo.snapshot(&commit);
        fs::create_dir_all(&folder).unwrap();
        let put = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let index = r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
        let steps: [(&str, &str, bool); 6] = [
            ("config.json", "{}", false),
            ("vocab.txt", "a", false),
            ("model.safetensors.index.json", index, false),
            ("model-1.safetensors", "", false),
            ("model-2.safetensors", "", true),
            ("model.safetensors.index.json", r#"{"weight_map": {"a": "../x"}}"#, false),
        ];
        for (name, text, whole) in steps {
            put(name, text);
            assert_eq!(Snapshot::is_whole(&folder), whole, "{name}");
        }
        put("pytorch_model.bin", "");
        assert!(Snapshot::is_whole(&folder));
        fs::remove_file(folder.join("vocab.txt")).unwrap();
        assert!(!Snapshot::is_whole(&folder));
        repo.set_absent(&commit, &FileName::parse("tokenizer.json").unwrap()).unwrap();
        assert!(Snapshot::is_whole(&folder), "there is none to have");
    }
}
