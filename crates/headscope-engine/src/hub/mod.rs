//! The Hugging Face cache, shared with Python: `models--org--name/{refs,snapshots,blobs}`.
//!
//! A file's content is a blob, named by its ETag; a snapshot is the folder of a commit, of links to
//! blobs; a ref is the commit that a branch or tag stood for when it was last looked up. Nothing here
//! knows a network: [`Repo`] takes what a download brings.

mod name;
mod repo;
mod snapshot;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::EngineError;

pub use name::{Commit, Etag, FileName};
pub use repo::{Blob, Flaw, Partial, Repo};
pub use snapshot::{Snapshot, shards_of};

/// A cache on disk.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Where Hugging Face's libraries keep what is theirs, given a way to look up environment variables:
/// `HF_HOME`, `XDG_CACHE_HOME/huggingface`, `~/.cache/huggingface`.
pub fn home(var: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let folder = |name: &str| folder_of(&var, name);
    folder("HF_HOME")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface")))
        .or_else(|| Some(folder("HOME").or_else(|| folder("USERPROFILE"))?.join(".cache/huggingface")))
        .unwrap_or_else(|| PathBuf::from("huggingface"))
}

fn folder_of(var: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    var(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether a branch, tag or commit could be the name of a ref on disk.
pub fn is_revision(revision: &str) -> bool {
    revision.split('/').all(plain)
}

/// Whether a part of an id or a revision can be a name on disk.
fn plain(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('.')
        && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

impl Cache {
    /// The cache under `root`, the folder that holds `models--…`.
    pub fn at(root: impl Into<PathBuf>) -> Cache {
        Cache { root: root.into() }
    }

    /// Where Python's `huggingface_hub` keeps it, given a way to look up environment variables:
    /// `HF_HUB_CACHE`, or `hub` in its [`home`].
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>) -> Cache {
        let root = folder_of(&var, "HF_HUB_CACHE").or_else(|| folder_of(&var, "HUGGINGFACE_HUB_CACHE"));
        Cache { root: root.unwrap_or_else(|| home(&var).join("hub")) }
    }

    /// The folder that holds the files of `id` at `revision` (a branch, tag or commit; `main` when
    /// absent).
    ///
    /// # Errors
    /// If it is not in the cache.
    pub fn find(&self, id: &str, revision: Option<&str>) -> Result<PathBuf, EngineError> {
        let folder = self.repo(id)?.snapshot_at(revision.unwrap_or("main"));
        folder.filter(|folder| folder.join("config.json").exists()).ok_or_else(|| self.lacks(id, revision))
    }

    /// One file of `id` at `revision`, which need not have a configuration.
    ///
    /// # Errors
    /// If it is not in the cache.
    pub fn find_file(
        &self,
        id: &str,
        revision: Option<&str>,
        file: &FileName,
    ) -> Result<PathBuf, EngineError> {
        let folder = self.repo(id)?.snapshot_at(revision.unwrap_or("main"));
        let path = folder.map(|folder| folder.join(file.as_str())).filter(|path| path.exists());
        path.ok_or_else(|| self.lacks(&format!("{id}:{file}"), revision))
    }

    /// That something is not in the cache.
    fn lacks(&self, id: &str, revision: Option<&str>) -> EngineError {
        EngineError::NotFound {
            id: id.to_owned(),
            revision: revision.map(str::to_owned),
            cache: self.root.clone(),
        }
    }

    /// The place of a model in the cache, whether or not anything is there yet.
    ///
    /// # Errors
    /// If `id` is neither `name` nor `org/name`; anything else could lead out of the cache.
    pub fn repo(&self, id: &str) -> Result<Repo, EngineError> {
        if id.split('/').count() > 2 || !id.split('/').all(plain) {
            return Err(EngineError::NoFolder { name: id.to_owned() });
        }
        Ok(Repo::new(&self.root, &format!("models--{}", id.replace('/', "--"))))
    }

    /// Every snapshot in the cache that holds a configuration or a GGUF file, by id; of one model, `main`
    /// comes first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| {
            Some(entry.file_name().to_str()?.strip_prefix("models--")?.replace("--", "/"))
        });
        let mut found: Vec<Snapshot> =
            ids.filter_map(|id| Some(self.repo(&id).ok()?.snapshots(&id))).flatten().collect();
        found.sort_by_cached_key(|s| {
            (s.id.clone(), !s.refs.iter().any(|r| r == "main"), s.refs.clone(), s.commit.clone())
        });
        found
    }

    /// The folder of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let root = tempfile::tempdir().unwrap();
        let repo = root.path().join("models--org--tiny");
        for (commit, reference) in [("abc123", "refs/main"), ("def456", "refs/pr/1")] {
            fs::create_dir_all(repo.join("snapshots").join(commit)).unwrap();
            fs::create_dir_all(repo.join("refs/pr")).unwrap();
            fs::write(repo.join("snapshots").join(commit).join("config.json"), "{}").unwrap();
            fs::write(repo.join(reference), commit).unwrap();
        }
        fs::create_dir_all(root.path().join("models--org--partial/snapshots/abc")).unwrap();
        let cache = Cache::at(root.path());
        (root, cache)
    }

    #[test]
    fn branches_and_commits_are_found() {
        let (_root, cache) = cache();
        for (revision, commit) in
            [(None, "abc123"), (Some("main"), "abc123"), (Some("pr/1"), "def456"), (Some("def456"), "def456")]
        {
            assert!(cache.find("org/tiny", revision).unwrap().ends_with(commit), "{revision:?}");
        }
        let rows = cache.snapshots().into_iter().map(|s| (s.id, s.refs.join(" "), s.commit));
        let expected = [("org/tiny", "main", "abc123"), ("org/tiny", "pr/1", "def456")];
        assert!(rows.eq(expected.map(|(id, refs, commit)| (id.into(), refs.into(), commit.into()))));
    }

    #[test]
    fn nothing_outside_of_the_cache_is_found() {
        let (_root, cache) = cache();
        for (id, revision) in [
            ("org/tiny", "absent"),
            ("org/tiny", "../.."),
            ("../org/tiny", "main"),
            ("org/partial", "main"),
            ("", "main"),
            ("a/b/c", "main"),
        ] {
            let error = cache.find(id, Some(revision)).unwrap_err();
            assert!(
                matches!(error, EngineError::NotFound { .. } | EngineError::NoFolder { .. }),
                "{id} {revision}"
            );
            assert!(error.help().unwrap().contains("config.json"));
        }
    }

    #[test]
    fn a_reference_cannot_lead_out_of_the_cache() {
        let (root, cache) = cache();
        fs::write(root.path().join("models--org--tiny/refs/main"), "../../..").unwrap();
        assert!(cache.find("org/tiny", None).is_err());
    }

    #[test]
    fn the_environment_is_read_as_python_reads_it() {
        let with = |pairs: &'static [(&str, &str)]| {
            Cache::from_env(move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
                .root
        };
        assert_eq!(with(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")]), Path::new("/c"));
        assert_eq!(with(&[("HF_HOME", "/h"), ("HOME", "/u")]), Path::new("/h/hub"));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/u")]), Path::new("/x/huggingface/hub"));
        assert_eq!(with(&[("HF_HOME", ""), ("HOME", "/u")]), Path::new("/u/.cache/huggingface/hub"));
    }
}
