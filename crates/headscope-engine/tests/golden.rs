//! Every family against float64 runs of Hugging Face transformers, at every site.
//!
//! `fixtures/NAME/reference.safetensors` holds, for each of its cases, the value at each site; a
//! failure names the first site of the pass that diverges, which is where to look.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use headscope_engine::models::FAMILIES;
use headscope_engine::{Checkpoint, Compute, Input, Isa, Model, Sites};
use headscope_trace::{Container, Encoding, Point, Site, Stack, Tensor, Token, Trace};
use serde::Deserialize;
use support::each_isa;

/// How far a value may be from float64, as a share of its site's largest magnitude (at least 1).
const TOLERANCE: f32 = 1e-5;

/// What a reference calls an image that was run.
const PIXELS: &str = "pixels";

#[derive(Deserialize)]
struct Case {
    name: String,
    ids: Vec<u32>,
    segments: Vec<u32>,
    mask: Vec<u8>,
    /// What the decoder of two stacks reads.
    decoder_ids: Option<Vec<u32>>,
    /// The rows that were kept; all when absent.
    rows: Option<Vec<usize>>,
    /// How many ids were given; transformers went on with the others, each the likeliest.
    given: Option<usize>,
    /// The largest difference of PyTorch's f32 from float64.
    pytorch_f32: BTreeMap<String, f32>,
}

/// The reference values of one model.
struct Reference {
    family: String,
    cases: Vec<Case>,
    tensors: BTreeMap<String, Tensor>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn reference(name: &str) -> Reference {
    let path = root().join("fixtures").join(name).join("reference.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let container = Container::read(&bytes, &path.display().to_string()).unwrap();
    Reference {
        family: container.metadata["family"].clone(),
        cases: serde_json::from_str(&container.metadata["cases"]).unwrap(),
        tensors: container.tensors.into_iter().collect(),
    }
}

/// The files of weights that a fixture may have.
const WEIGHTS: [&str; 2] = ["model.safetensors", "model.gguf"];

/// The names of all fixtures that hold a model of their own.
fn fixtures() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("fixtures")).unwrap().flatten();
    let models = entries.filter(|entry| WEIGHTS.iter().any(|file| entry.path().join(file).exists()));
    let mut names: Vec<String> = models.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A folder's model: its GGUF file, if it has one.
fn load(folder: &Path, compute: &Compute) -> Model {
    Model::load(&checkpoint(folder), compute).unwrap()
}

fn checkpoint(folder: &Path) -> Checkpoint {
    let gguf = folder.join("model.gguf");
    Checkpoint::open(if gguf.exists() { &gguf } else { folder }).unwrap()
}

impl Case {
    fn input(&self) -> Input {
        let encode = |ids: &[u32]| Encoding::from_ids(ids, |id| id.to_string());
        let mut text = encode(&self.ids);
        for (i, token) in text.tokens.iter_mut().enumerate() {
            (token.segment, token.mask) = (self.segments[i], self.mask[i] != 0);
        }
        Input { target: self.decoder_ids.as_deref().map(encode), ..Input::from(text) }
    }
}

impl Reference {
    /// What a case gives a model: its ids, or an image.
    fn input(&self, case: &Case, model: &Model) -> Input {
        let pixels = self.tensors.get(&format!("{}/{PIXELS}", case.name));
        let (Some(pixels), Some(limits)) = (pixels, model.image_limits()) else {
            return case.input();
        };
        let encoding = limits.encoding(&case.name, pixels.shape()[1], pixels.shape()[2]);
        assert_eq!(encoding.len(), case.ids.len());
        Input { pixels: Some(pixels.clone()), ..encoding.into() }
    }

    /// The sites of a case with their values, in the order of a pass.
    fn sites(&self, case: &str) -> BTreeMap<Site, &Tensor> {
        let prefix = format!("{case}/");
        let of_case =
            self.tensors.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
        let sites = of_case.filter(|(name, _)| *name != PIXELS);
        sites.map(|(name, value)| (name.parse().unwrap(), value)).collect()
    }

    /// Compares every site of every case: the first, if any, that diverges.
    fn divergence(&self, model: &Model) -> Option<String> {
        let sites = model.sites("*").unwrap();
        self.cases.iter().find_map(|case| {
            let trace = model.trace(self.input(case, model), &sites).unwrap();
            let expected = self.sites(&case.name);
            assert!(!expected.is_empty(), "no value of case {}", case.name);
            let mut expected = expected.into_iter();
            expected.find_map(|(site, expected)| {
                let found = trace.get(site).map(|found| kept_rows(found, case.rows.as_deref()));
                let fault = found.map_or(Some("is absent".into()), |found| fault(&found, expected))?;
                Some(format!("case {}, {}: {site} {fault}", case.name, model.card().kernel))
            })
        })
    }
}

/// What is wrong with the value at a site.
fn fault(found: &Tensor, expected: &Tensor) -> Option<String> {
    if found.shape() != expected.shape() {
        return Some(format!("has shape {:?}; expected {:?}", found.shape(), expected.shape()));
    }
    let off = largest_difference(found, expected);
    let scale = expected.iter().filter(|v| v.is_finite()).fold(1.0f32, |scale, v| scale.max(v.abs()));
    let agrees = off <= TOLERANCE * scale; // which no NaN does
    (!agrees).then(|| format!("is {off:e} off, of {scale}"))
}

/// The rows, one per token, that the reference kept of a value whose last axes are `[tokens, n]`.
fn kept_rows(found: &Tensor, rows: Option<&[usize]>) -> Tensor {
    let Some(rows) = rows else { return found.clone() };
    let (outer, [tokens, n]) = found.shape().split_last_chunk().unwrap();
    let kept = (0..outer.iter().product())
        .flat_map(|i: usize| rows.iter().flat_map(move |row| found.row(i * tokens + row)));
    Tensor::new([outer, &[rows.len(), *n]].concat(), kept.copied().collect())
}

fn largest_difference(found: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(found.shape(), expected.shape());
    let difference = |(found, expected): (&f32, &f32)| {
        if found == expected { 0.0 } else { (found - expected).abs() }
    };
    found
        .iter()
        .zip(expected.iter())
        .map(difference)
        .fold(0.0, |largest: f32, d| if d.is_nan() { d } else { largest.max(d) })
}

#[test]
fn every_family_agrees_with_transformers_at_every_site() {
    let names = fixtures();
    let mut divergences = Vec::new();
    for compute in each_isa() {
        for name in &names {
            let checkpoint = checkpoint(&root().join("fixtures").join(name));
            let divergence = match Model::load(&checkpoint, &compute) {
                Ok(model) => reference(name).divergence(&model),
                Err(error) => Some(format!("does not load: {error}")),
            };
            divergences.extend(divergence.map(|divergence| format!("{name}, {divergence}")));
        }
    }
    assert!(divergences.is_empty(), "{}", divergences.join("\n"));
    let covered: Vec<String> = names.iter().map(|name| reference(name).family).collect();
    for family in FAMILIES {
        assert!(covered.iter().any(|name| name == family.model_type), "{} has no fixture", family.model_type);
    }
}

/// Padding behind a text is seen by none of its tokens: not in attention, not by a convolution.
#[test]
fn padding_changes_nothing_before_it() {
    let compute = Compute::new(2, Isa::detect());
    for name in fixtures() {
        let reference = reference(&name);
        let Some(case) = reference.cases.iter().find(|case| case.name == "single") else { continue };
        let model = load(&root().join("fixtures").join(&name), &compute);
        let sites = Sites::patterns(&model);
        let (alone, mut padded) = (case.input(), case.input());
        let padding = Encoding::from_ids(&[3, 0, 7], |id| id.to_string()).tokens;
        padded.text.tokens.extend(padding.into_iter().map(|token| Token { mask: false, ..token }));
        let (alone, padded) = (model.trace(alone, &sites).unwrap(), model.trace(padded, &sites).unwrap());
        for (site, expected) in alone.values().filter(|(site, _)| site.point == Point::LastHidden) {
            let rows: Vec<usize> = (0..expected.shape()[0]).collect();
            let found = kept_rows(padded.get(site).unwrap(), Some(&rows));
            let off = largest_difference(&found, expected);
            let scale = expected.iter().fold(1.0f32, |scale, v| scale.max(v.abs()));
            assert!(off <= TOLERANCE * scale, "{name}: {site} is {off:e} off");
        }
    }
}

/// Compares patterns and last hidden state of a real model with what was recorded of it, and the
/// likeliest next tokens where there are some.
fn check_against_pytorch(name: &str, path: &Path) {
    let model = load(path, &Compute::new(2, Isa::detect()));
    let reference = reference(name);
    let sites = Sites::patterns(&model);
    for case in &reference.cases {
        let trace = model.trace(case.input(), &sites).unwrap();
        let mut off: BTreeMap<&str, f32> = BTreeMap::new();
        for (site, expected) in reference.sites(&case.name) {
            let kind = if site.attn().is_some() { "attn.pattern" } else { "last_hidden" };
            let found = kept_rows(trace.get(site).unwrap(), case.rows.as_deref());
            let worst = off.entry(kind).or_default();
            *worst = worst.max(largest_difference(&found, expected));
        }
        if let (Some(given), Some(logits)) = (case.given, trace.get(Site::new(Stack::Only, 0, Point::Logits)))
        {
            for (row, next) in case.ids.iter().enumerate().skip(given) {
                assert_eq!(likeliest(logits.row(row - 1)), *next, "{}: token {row}", case.name);
            }
        }
        for (kind, off) in off {
            let pytorch = case.pytorch_f32[kind];
            println!("{:>12} {kind:>12}: {off:.2e}, PyTorch {pytorch:.2e}, {:.2}x", case.name, off / pytorch);
            assert!(off <= 1.5 * pytorch, "{}: {kind} is {off:e} off, PyTorch {pytorch:e}", case.name);
        }
    }
}

#[test]
fn gte_small_is_no_further_from_float64_than_pytorch() {
    check_against_pytorch("gte-small", &root().join("models/gte-small"));
}

/// stories15M is not part of this repository: its tokenizer has terms of its own.
#[test]
fn stories15m_is_no_further_from_float64_than_pytorch() {
    match std::env::var_os("HEADSCOPE_STORIES15M") {
        Some(folder) => check_against_pytorch("stories15M", Path::new(&folder)),
        None => println!("skipped: HEADSCOPE_STORIES15M names no folder of the model"),
    }
}

fn likeliest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.unwrap().0 as u32
}

/// SmolLM2-135M-Instruct.Q4_1.gguf is not part of this repository, for its size.
#[test]
fn smollm2_from_gguf_is_no_further_from_float64_than_pytorch() {
    match std::env::var_os("HEADSCOPE_SMOLLM2") {
        Some(file) => check_against_pytorch("smollm2", Path::new(&file)),
        None => println!("skipped: HEADSCOPE_SMOLLM2 names no GGUF file of the model"),
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for name in ["bert", "llama", "gguf-qwen3", "t5", "bart", "dinov2"] {
        let reference = reference(name);
        let folder = root().join("fixtures").join(name);
        let run = |threads| -> Vec<Trace> {
            let model = load(&folder, &Compute::new(threads, Isa::detect()));
            let sites = model.sites("*").unwrap();
            reference
                .cases
                .iter()
                .map(|case| model.trace(reference.input(case, &model), &sites).unwrap())
                .collect()
        };
        let alone = run(1);
        for threads in [2, 3, 7] {
            assert!(run(threads) == alone, "{name}, {threads} threads");
        }
    }
}
