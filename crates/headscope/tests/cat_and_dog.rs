//! The lesson's pair through the library, from a folder and from a Hugging Face cache.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::fs;
use std::path::{Path, PathBuf};

use headscope::view::ViewData;
use headscope::{Attn, Cache, Compute, Error, Isa, Model, Sites, Trace};

const PAIR: (&str, &str) = ("The cat sat on the mat", "The dog played in the park");

fn gte_small() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/gte-small")
}

fn compute() -> Compute {
    Compute::new(2, Isa::detect())
}

fn place(trace: &Trace, piece: &str) -> usize {
    trace.encoding.tokens.iter().position(|token| token.piece == piece).unwrap()
}

#[test]
fn the_pair_reads_as_in_transformers() {
    let model = Model::open(gte_small(), &compute()).unwrap();
    let trace = model.trace(PAIR.0, Some(PAIR.1)).unwrap();

    let ids: Vec<u32> = trace.encoding.tokens.iter().map(|token| token.id).collect();
    assert_eq!(ids, [101, 1996, 4937, 2938, 2006, 1996, 13523, 102, 1996, 3899, 2209, 1999, 1996, 2380, 102]);
    let first = trace.pattern(Attn::block(0), 0).unwrap();
    for (found, expected) in first.row(0).iter().zip([0.409_991, 0.016_155, 0.001_783, 0.007_142, 0.013_035])
    {
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
    let weight = |layer, head, from, to| {
        trace.pattern(Attn::block(layer), head).unwrap().row(place(&trace, from))[place(&trace, to)]
    };
    assert!((weight(0, 2, "played", "dog") - 1.000).abs() < 5e-4);
    assert!((weight(1, 11, "cat", "sat") - 0.990).abs() < 5e-4);
    assert!((weight(11, 5, "sat", "mat") - 0.31).abs() < 5e-3);
    assert!(trace.card.row_sum_error.unwrap() < 1e-6);
}

#[test]
fn queries_and_keys_tell_the_same_weights() {
    let model = Model::open(gte_small(), &compute()).unwrap();
    let text = |truncate| model.encode(PAIR.0, Some(PAIR.1), truncate).unwrap();
    let sites = Sites::of_attention(model.engine(), &ViewData::POINTS);
    let mut lazy = model.trace_encoding(text(false), &sites).unwrap();
    let recorded = model.trace_encoding(text(true), &sites).unwrap();
    for (attn, rule) in model.engine().rules() {
        lazy.remove(format!("{attn}.pattern").parse().unwrap());
        for head in 0..rule.query_heads {
            let (a, b) = (lazy.pattern(attn, head).unwrap(), recorded.pattern(attn, head).unwrap());
            let off = a.iter().zip(b.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 2e-6, "{attn} head {head}: {off:e}");
        }
    }
}

#[cfg(unix)] // the cache is made of links
#[test]
fn a_model_is_found_by_its_name() {
    let root = tempfile::tempdir().unwrap();
    let repo = root.path().join("models--thenlper--gte-small");
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::create_dir_all(repo.join("snapshots")).unwrap();
    fs::write(repo.join("refs/main"), "17e1f347").unwrap();
    std::os::unix::fs::symlink(gte_small().canonicalize().unwrap(), repo.join("snapshots/17e1f347")).unwrap();

    let cache = Cache::at(root.path());
    let model = Model::from_pretrained("thenlper/gte-small", &cache, &compute()).unwrap();
    assert_eq!(model.engine().card().id, "thenlper/gte-small");
    assert!(model.trace("The cat", None).is_ok());

    let folder = gte_small().display().to_string();
    assert_eq!(Model::from_pretrained(&folder, &cache, &compute()).unwrap().engine().card().id, folder);
    let absent = Model::from_pretrained("nobody/nothing", &cache, &compute()).map(drop);
    assert!(matches!(absent, Err(Error::Engine(_))) && absent.unwrap_err().help().is_some());
}
