//! The Hugging Face cache, shared with Python: `models--org--name/{refs,snapshots,blobs}`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::EngineError;

/// A cache on disk; only read.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// A model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedModel {
    /// Its id, `org/name`.
    pub id: String,
    /// The folder of its `main` snapshot, or of its only one.
    pub folder: PathBuf,
}

impl Cache {
    /// The cache under `root`, the folder that holds `models--…`.
    pub fn at(root: impl Into<PathBuf>) -> Cache {
        Cache { root: root.into() }
    }

    /// Where Python's `huggingface_hub` keeps it, given a way to look up environment variables:
    /// `HF_HUB_CACHE`, `HF_HOME/hub`, `XDG_CACHE_HOME/huggingface/hub`, `~/.cache/huggingface/hub`.
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>) -> Cache {
        let folder = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(folder("HF_HOME")?.join("hub")))
            .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface/hub")))
            .or_else(|| {
                Some(folder("HOME").or_else(|| folder("USERPROFILE"))?.join(".cache/huggingface/hub"))
            });
        Cache { root: root.unwrap_or_else(|| PathBuf::from("huggingface/hub")) }
    }

    /// The folder that holds the files of `id` at `revision` (a branch, tag or commit; `main` when
    /// absent).
    ///
    /// # Errors
    /// If it is not in the cache.
    pub fn find(&self, id: &str, revision: Option<&str>) -> Result<PathBuf, EngineError> {
        let not_found = || EngineError::NotFound {
            id: id.to_owned(),
            revision: revision.map(str::to_owned),
            cache: self.root.clone(),
        };
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        // An id is `name` or `org/name`; anything else could lead out of the cache.
        if id.split('/').count() > 2 || !id.split('/').all(plain) {
            return Err(EngineError::NoFolder { name: id.to_owned() });
        }
        let revision = revision.unwrap_or("main");
        if !revision.split('/').all(plain) {
            return Err(not_found());
        }
        let repo = self.root.join(format!("models--{}", id.replace('/', "--")));
        let commit = fs::read_to_string(repo.join("refs").join(revision))
            .map_or_else(|_| revision.to_owned(), |c| c.trim().to_owned());
        let folder = repo.join("snapshots").join(&commit);
        if plain(&commit) && folder.join("config.json").exists() { Ok(folder) } else { Err(not_found()) }
    }

    /// Every model whose configuration is in the cache, by id.
    pub fn models(&self) -> Vec<CachedModel> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| {
            Some(entry.file_name().to_str()?.strip_prefix("models--")?.replace("--", "/"))
        });
        let mut models: Vec<CachedModel> = ids
            .filter_map(|id| {
                let folder = self.find(&id, None).ok()?;
                Some(CachedModel { id, folder })
            })
            .collect();
        models.sort_by(|a, b| a.id.cmp(&b.id));
        models
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
        let ids: Vec<String> = cache.models().into_iter().map(|model| model.id).collect();
        assert_eq!(ids, ["org/tiny"]);
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
