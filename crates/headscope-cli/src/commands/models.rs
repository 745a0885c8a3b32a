//! `headscope models`: what can be run.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use headscope::engine::config::Config;
use headscope::engine::hub::Snapshot;
use headscope::engine::models::{FAMILIES, family_of};
use headscope::{Error, ModelFiles};
use serde::Serialize;

use super::{print, printable, size};
use crate::args::ModelsArgs;
use crate::source;

#[derive(Serialize)]
struct Listing {
    families: Vec<FamilyRow>,
    models: Vec<ModelRow>,
    cache: String,
}

#[derive(Serialize)]
struct FamilyRow {
    family: &'static str,
    about: &'static str,
}

#[derive(Serialize)]
struct ModelRow {
    id: String,
    family: Option<String>,
    supported: bool,
    /// Why it is not.
    why_not: Option<String>,
    bytes: u64,
    /// The branches and tags that stood for this commit when it was downloaded.
    revisions: Vec<String>,
    commit: Option<String>,
    path: Option<String>,
}

pub fn run(args: &ModelsArgs) -> Result<()> {
    let listing = listing();
    if args.json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&listing)?));
    }
    print(&table(&listing))
}

fn listing() -> Listing {
    use headscope_gte_small::{CONFIG, ID, TOKENIZER, WEIGHTS};
    let cache = source::cache();
    let embedded = ModelRow {
        id: ID.into(),
        family: Some("bert".into()),
        supported: true,
        why_not: None,
        bytes: (CONFIG.len() + WEIGHTS.len() + TOKENIZER.len()) as u64,
        revisions: Vec::new(),
        commit: None,
        path: None,
    };
    let snapshots = cache.snapshots();
    let cached = snapshots.iter().flat_map(rows);
    Listing {
        families: FAMILIES.iter().map(|f| FamilyRow { family: f.model_type, about: f.about }).collect(),
        models: std::iter::once(embedded).chain(cached).collect(),
        cache: cache.root().display().to_string(),
    }
}

/// A snapshot is one model, or as many as it has GGUF files.
fn rows(snapshot: &Snapshot) -> Vec<ModelRow> {
    let row = |id: String, path: &Path, bytes: u64, files: Result<ModelFiles>| {
        let (family, verdict) = match files {
            Ok(files) => judge(&files),
            Err(error) => (family_in(path), Err(error)),
        };
        let folder = snapshot.folder.display().to_string();
        let short =
            |e: anyhow::Error| e.to_string().replace(&format!("{folder}/"), "").replace(&folder, "it");
        ModelRow {
            id,
            family,
            supported: verdict.is_ok(),
            why_not: verdict.err().map(short),
            bytes,
            revisions: snapshot.refs.clone(),
            commit: Some(snapshot.commit.clone()),
            path: Some(path.display().to_string()),
        }
    };
    let gguf = snapshot.gguf_files().into_iter().map(|file| {
        let path = snapshot.folder.join(&file);
        let bytes = path.metadata().map_or(0, |found| found.len());
        row(format!("{}:{file}", snapshot.id), &path, bytes, ModelFiles::open(&path).map_err(Into::into))
    });
    let gguf: Vec<ModelRow> = gguf.collect();
    if !snapshot.folder.join("config.json").exists() {
        return gguf;
    }
    let bytes = snapshot.bytes().saturating_sub(gguf.iter().map(|row| row.bytes).sum());
    let files = ModelFiles::open(&snapshot.folder).map_err(Into::into);
    std::iter::once(row(snapshot.id.clone(), &snapshot.folder, bytes, files)).chain(gguf).collect()
}

/// The family of a model whose files are there, and whether it can be run.
fn judge(files: &ModelFiles) -> (Option<String>, Result<()>) {
    let (name, bytes) = &files.checkpoint.config;
    match Config::parse(bytes, name.clone()) {
        Ok(config) => (
            config.text("model_type").ok().map(str::to_owned),
            family_of(&config).map(drop).map_err(|e| Error::from(e).into()),
        ),
        Err(e) => (None, Err(Error::from(e).into())),
    }
}

/// The family of a model that lacks files, or of which some are not read.
fn family_in(folder: &Path) -> Option<String> {
    let config = std::fs::read(folder.join("config.json")).ok()?;
    Config::parse(&config, String::new()).ok()?.text("model_type").ok().map(str::to_owned)
}

fn table(listing: &Listing) -> String {
    let mut out = String::from("Families\n");
    for row in &listing.families {
        let _ = writeln!(out, "  {:<12} {}", row.family, row.about);
    }
    out.push_str("\nModels\n");
    for row in &listing.models {
        let (id, family) = (printable(&row.id), printable(row.family.as_deref().unwrap_or("unknown")));
        let bytes = size(row.bytes as usize);
        let _ = writeln!(out, "  {id:<40} {family:<12} {bytes:>9}  {}", state(row));
    }
    let _ = writeln!(out, "\nCache: {}", printable(&listing.cache));
    out
}

fn state(row: &ModelRow) -> String {
    let Some(commit) = &row.commit else { return "embedded".into() };
    let commit: String = commit.chars().take(7).collect();
    let revision = if row.revisions.is_empty() { commit } else { row.revisions.join(", ") };
    let verdict = row.why_not.as_deref().map_or_else(String::new, |why| {
        let why = why.split("; supported").next().unwrap_or(why); // the families stand above
        format!(", not supported: {why}")
    });
    printable(&format!("in the cache at {revision}{verdict}"))
}
