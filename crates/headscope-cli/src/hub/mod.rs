//! Downloads from the Hugging Face Hub, into the cache that Python's libraries use too.
//!
//! ```text
//! list (commit, names) ──choose──▶ files ──HEAD──▶ ETag, size ──GET──▶ blob ──link──▶ snapshot ──▶ ref
//! ```
//!
//! A blob gets its name when size and hash are right; the ref is written last. So whatever interrupts a
//! download, nothing that is half there looks whole, and the next run goes on from it.

mod choice;
mod client;
mod failure;
mod progress;
mod settings;
mod transfer;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use headscope::engine::config::Config;
use headscope::engine::hub::{Commit, FileName, is_revision, shards_of};
use headscope::engine::models::family_of;
use headscope::{Cache, Error};
use serde::{Deserialize, Serialize};

use crate::commands::{Hinted, size};
use client::{Client, escaped};
use failure::Failure;
use settings::Settings;
use transfer::{Fetched, Transfer};

pub use progress::{Audience, Progress, Terminal};

/// What is asked of the Hub, for requests and errors.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// `org/name`.
    pub id: &'a str,
    /// A branch, tag or commit; `main` when absent.
    pub revision: Option<&'a str>,
    /// One file, else all that a model needs.
    pub file: Option<&'a FileName>,
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file {
            Some(file) => write!(f, "{file} of {}", self.id),
            None => write!(f, "model {:?}", self.id),
        }
    }
}

/// A model that is in the cache now.
#[derive(Debug, Serialize)]
pub struct Pulled {
    /// Its id.
    pub id: String,
    /// The branch, tag or commit asked for.
    pub revision: String,
    /// What that stands for.
    pub commit: String,
    /// The folder with its files; of a GGUF file, the file.
    pub path: PathBuf,
    /// What it consists of.
    pub files: Vec<Fetched>,
}

impl Pulled {
    /// Says what came.
    pub fn report(&self, audience: &dyn Audience) {
        let total = |bytes: fn(&Fetched) -> u64| size(self.files.iter().map(bytes).sum::<u64>() as usize);
        let files = self.files.len();
        let s = if files == 1 { "" } else { "s" };
        audience.say(&match self.files.iter().any(|file| file.downloaded > 0) {
            true => format!("downloaded {} ({files} file{s}, {})", self.id, total(|f| f.downloaded)),
            false => format!("{} is up to date ({files} file{s}, {})", self.id, total(|f| f.size)),
        });
    }
}

/// Why the network may not be used, if it may not.
pub fn offline(flag: bool) -> Option<&'static str> {
    if flag { Some("--offline") } else { settings::offline(|name| std::env::var_os(name)) }
}

/// `ID` and `FILE.gguf` of `ID:FILE.gguf`.
pub fn split_gguf(name: &str) -> Option<(&str, &str)> {
    let (id, file) = name.split_once(':')?;
    file.to_ascii_lowercase().ends_with(".gguf").then_some((id, file))
}

/// Brings a model, or the one file that is wanted, into the cache. What is there already is not asked for.
///
/// # Errors
/// If it cannot be had: says what was tried, and how to go on.
pub fn pull(wanted: Wanted<'_>, cache: &Cache, audience: &dyn Audience) -> Result<Pulled> {
    let repo = cache.repo(wanted.id).map_err(Error::from)?;
    let client = Client::new(Settings::from_env(|name| std::env::var_os(name))?);
    let revision = wanted.revision.unwrap_or("main");
    if !is_revision(revision) {
        let what = format!("{revision:?} is no branch, tag or commit");
        return Err(Hinted { what, help: "leave --revision out for main".into() }.into());
    }
    let model = Wanted { file: None, ..wanted };
    audience.say(&format!("asking {} for {} at {revision}", client.settings.endpoint, wanted.id));
    let (commit, names) = list(&client, &model, revision, audience)?;
    let transfer = Transfer { client: &client, repo, commit, wanted: model, audience };
    let (path, files) = match wanted.file {
        Some(file) => one(&transfer, &choice::choose_gguf(wanted.id, file, &names)?)?,
        None => all(&transfer, &choice::choose(wanted.id, &names)?)?,
    };
    let place = transfer.repo.folder().display().to_string();
    transfer
        .repo
        .set_ref(revision, &transfer.commit)
        .with_context(|| format!("cannot write into {place}"))?;
    Ok(Pulled {
        id: wanted.id.to_owned(),
        revision: revision.to_owned(),
        commit: transfer.commit.to_string(),
        path,
        files,
    })
}

fn one(transfer: &Transfer<'_>, file: &FileName) -> Result<(PathBuf, Vec<Fetched>)> {
    let fetched = transfer.fetch(file)?;
    Ok((transfer.repo.snapshot(&transfer.commit).join(file.as_str()), vec![fetched]))
}

fn all(transfer: &Transfer<'_>, choice: &choice::Choice) -> Result<(PathBuf, Vec<Fetched>)> {
    let folder = transfer.repo.snapshot(&transfer.commit);
    let mut files = vec![transfer.fetch(&choice.config)?];
    check_family(&folder.join(choice.config.as_str()))?;
    for file in &choice.small {
        files.push(transfer.fetch(file)?);
    }
    files.push(transfer.fetch(&choice.weights)?);
    if choice.is_sharded() {
        let index = folder.join(choice.weights.as_str());
        let shards = fs::read(&index).map_err(|e| e.to_string()).and_then(|text| shards_of(&text));
        let shards = shards.map_err(anyhow::Error::msg).with_context(|| index.display().to_string())?;
        for shard in &shards {
            files.push(transfer.fetch(shard)?);
        }
    }
    let tokenizer = FileName::parse("tokenizer.json").map_err(Error::from)?;
    if !choice.small.contains(&tokenizer) {
        // So that it is not looked for again. A cache that cannot hold this has what was asked for.
        let _ = transfer.repo.set_absent(&transfer.commit, &tokenizer);
    }
    Ok((folder, files))
}

/// Gigabytes of a model that cannot be run need not come first.
fn check_family(config: &Path) -> Result<()> {
    let name = config.display().to_string();
    let bytes = fs::read(config).with_context(|| format!("cannot read {name}"))?;
    Config::parse(&bytes, name).and_then(|config| family_of(&config).map(drop)).map_err(Error::from)?;
    Ok(())
}

/// What the Hub knows of a model; of the rest of its answer nothing is used.
#[derive(Deserialize)]
struct Listing {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

fn list(
    client: &Client,
    wanted: &Wanted<'_>,
    revision: &str,
    audience: &dyn Audience,
) -> Result<(Commit, Vec<FileName>)> {
    let explain = |failure: &Failure| failure.explain(wanted, &client.settings);
    let path = format!("/api/models/{}/revision/{}", wanted.id, escaped(revision));
    let text = client.text(&path, &|line| audience.say(line)).map_err(|failure| explain(&failure))?;
    let listing: Listing = serde_json::from_slice(&text)
        .map_err(|e| explain(&Failure::Wrong(format!("its answer lists no files: {e}"))))?;
    let names = listing.siblings.iter().map(|sibling| FileName::parse(&sibling.rfilename));
    let names = names.collect::<Result<_, _>>().map_err(Error::from)?;
    Ok((Commit::parse(&listing.sha).map_err(Error::from)?, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gguf_file_is_named_after_its_model() {
        for (name, expected) in [
            ("org/name:q8_0.gguf", Some(("org/name", "q8_0.gguf"))),
            ("org/name:sub/q8_0.GGUF", Some(("org/name", "sub/q8_0.GGUF"))),
            ("org/name", None),
            ("org/name:main", None),
            ("model.gguf", None),
        ] {
            assert_eq!(split_gguf(name), expected, "{name}");
        }
    }
}
