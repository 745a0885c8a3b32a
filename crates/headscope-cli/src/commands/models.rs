//! `headscope models`: what can be run.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;
use headscope::engine::config::Config;
use headscope::engine::models::{FAMILIES, family_of};
use serde::Serialize;

use super::print;
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
    let cache = source::cache();
    let embedded = ModelRow {
        id: headscope_gte_small::ID.into(),
        family: Some("bert".into()),
        supported: true,
        path: None,
    };
    let cached = cache.models().into_iter().map(|model| {
        let config = read_config(&model.folder);
        ModelRow {
            id: model.id,
            supported: config.as_ref().is_some_and(|config| family_of(config).is_ok()),
            family: config.and_then(|config| config.text("model_type").ok().map(str::to_owned)),
            path: Some(model.folder.display().to_string()),
        }
    });
    Listing {
        families: FAMILIES.iter().map(|f| FamilyRow { family: f.model_type, about: f.about }).collect(),
        models: std::iter::once(embedded).chain(cached).collect(),
        cache: cache.root().display().to_string(),
    }
}

fn read_config(folder: &Path) -> Option<Config> {
    let path = folder.join("config.json");
    Config::parse(&fs::read(&path).ok()?, path.display().to_string()).ok()
}

fn table(listing: &Listing) -> String {
    let mut out = String::from("Families\n");
    for row in &listing.families {
        let _ = writeln!(out, "  {:<12} {}", row.family, row.about);
    }
    out.push_str("\nModels\n");
    for row in &listing.models {
        let family = super::printable(row.family.as_deref().unwrap_or("unknown"));
        let state = match (&row.path, row.supported) {
            (None, _) => "embedded",
            (_, true) => "in the cache",
            (_, false) => "in the cache, not supported",
        };
        let _ = writeln!(out, "  {:<40} {family:<12} {state}", super::printable(&row.id));
    }
    let _ = writeln!(out, "\nCache: {}", super::printable(&listing.cache));
    out
}
