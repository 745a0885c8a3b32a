//! Traces, weights and configurations that somebody damaged, by accident or on purpose: whatever
//! the bytes, reading them ends in a value or an error, never in a panic, and never in memory that
//! a header merely claims. (`fuzz/` looks longer and deeper.)
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::fs;
use std::sync::LazyLock;

use headscope::engine::{Bytes, Checkpoint};
use headscope::trace::{AttentionRule, Card};
use headscope::view::{Focus, ViewData, render::html};
use headscope::{Attn, AttnPoint, Compute, Encoding, Input, Isa, Sites, Tensor, Token, Trace, engine};
use proptest::prelude::*;
use proptest::sample::Index;
use support::{join, repository, split};

/// What is put in place of a number.
const NUMBERS: [&str; 10] =
    ["0", "1", "2", "-1", "3.5", "\"3\"", "null", "999999999", "18446744073709551615", "1e30"];

/// One harm done to a file.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    /// Copies some bytes over others.
    Splice(Index, Index, usize),
    /// Puts another number in place of one in the text.
    Number(Index, usize),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), any::<Index>(), 1..40usize).prop_map(|(from, to, n)| Damage::Splice(from, to, n)),
        6 => (any::<Index>(), 0..NUMBERS.len()).prop_map(|(at, number)| Damage::Number(at, number)),
    ];
    prop::collection::vec(one, 1..4)
}

fn harm(text: &mut Vec<u8>, damage: &[Damage]) {
    for harm in damage {
        if text.is_empty() {
            return;
        }
        match harm {
            Damage::Flip(at, bits) => *at.get_mut(text) ^= bits,
            Damage::Cut(at) => text.truncate(at.index(text.len())),
            Damage::Splice(from, to, n) => {
                let (from, to) = (from.index(text.len()), to.index(text.len()));
                let n = (*n).min(text.len() - from.max(to));
                text.copy_within(from..from + n, to);
            }
            Damage::Number(at, number) => replace_number(text, *at, NUMBERS[*number]),
        }
    }
}

fn replace_number(text: &mut Vec<u8>, at: Index, number: &str) {
    let starts: Vec<usize> = (0..text.len())
        .filter(|&i| text[i].is_ascii_digit() && !text[i.saturating_sub(1)].is_ascii_digit())
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = *at.get(&starts);
    let len = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.splice(start..start + len, number.bytes());
}

/// Damages the header of a safetensors file, and tells its true length, so that what is inside is
/// reached; or anything in it, if `anywhere`.
fn harmed(whole: &[u8], damage: &[Damage], anywhere: bool) -> Vec<u8> {
    if anywhere {
        let mut bytes = whole.to_vec();
        harm(&mut bytes, damage);
        return bytes;
    }
    let len = u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    let mut header = whole[8..8 + len].to_vec();
    harm(&mut header, damage);
    [&(header.len() as u64).to_le_bytes()[..], &header, &whole[8 + len..]].concat()
}

/// The most memory that this process ever asked for stays far below what headers claim.
fn assert_little_was_claimed() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")?.trim().strip_suffix(" kB"));
    let kib: usize = peak.map_or(0, |kib| kib.parse().unwrap());
    assert!(kib < 4 << 20, "{} MiB", kib >> 10);
}

/// A small trace of every kind of value.
static TRACE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let text = "né\nx";
    let token = |id: u32, span| Token {
        id,
        piece: format!("</p>{id}"),
        span,
        segment: id % 2,
        special: id == 1,
        mask: id != 3,
    };
    let encoding = Encoding {
        text: text.into(),
        parts: vec![0..3, 4..5],
        tokens: vec![token(1, None), token(2, Some(0..3)), token(3, Some(4..5))],
    };
    let rule = AttentionRule { soft_cap: Some(30.0), key_heads: 1, ..AttentionRule::full(0.5, 2) };
    let rules = (0..2).map(|layer| (Attn::block(layer), rule.clone())).collect();
    let mut trace = Trace::new(Card::new("tiny", "bert"), encoding, rules);
    let wave = |shape: [usize; 3]| {
        Tensor::new(shape, (0..shape.iter().product()).map(|i| (i as f32).sin()).collect())
    };
    trace.insert(Attn::block(0).site(AttnPoint::Q), wave([2, 3, 4]));
    trace.insert(Attn::block(0).site(AttnPoint::K), wave([1, 3, 4]));
    trace.insert(Attn::block(1).site(AttnPoint::Pattern), wave([2, 3, 3]));
    let mut bytes = Vec::new();
    trace.write(&mut bytes).unwrap();
    bytes
});

/// Reads a trace and, if that works, does with it what the command does.
fn show(bytes: &[u8]) {
    let Ok(trace) = Trace::read(bytes, "damaged") else { return };
    let Ok(data) = ViewData::new(trace) else { return };
    let _ = data.overview();
    let _ = data.pattern(1, 1);
    let focus = Focus { layer: Some(1), head: Some(1), ..Focus::default() };
    if data.check(&focus).is_ok() {
        let _ = html::standalone(&data, &focus);
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(repository().join("fixtures/bert-one-head").join(name)).unwrap()
}

static COMPUTE: LazyLock<Compute> = LazyLock::new(|| Compute::new(1, Isa::detect()));

/// Loads a model and, if that works, runs it. A checkpoint's bytes live as long as the program.
fn run(config: Vec<u8>, weights: Vec<u8>) {
    let checkpoint = Checkpoint {
        id: "damaged".into(),
        revision: None,
        config: ("config.json".into(), Bytes::Static(config.leak())),
        generation: None,
        weights: vec![("model.safetensors".into(), Bytes::Static(weights.leak()))],
    };
    let Ok(model) = engine::Model::load(&checkpoint, &COMPUTE) else { return };
    let text = Encoding::from_ids(&[0, 5, 1], |id| id.to_string());
    let target = model.target_limits().map(|_| text.clone());
    let _ = model.trace(Input { target, ..Input::from(text) }, &Sites::patterns(&model));
}

#[test]
fn what_is_whole_is_read() {
    assert_eq!(Trace::read(&TRACE, "whole").unwrap().values().count(), 3);
    let (header, data) = split(&TRACE);
    assert!(Trace::read(&join(&header, &data), "joined").is_ok());
    show(&TRACE);
    run(fixture("config.json"), fixture("model.safetensors"));
}

#[test]
fn every_cut_is_an_error() {
    for len in 0..TRACE.len() {
        assert!(Trace::read(&TRACE[..len], "cut").is_err(), "{len} bytes");
    }
    let weights = fixture("model.safetensors");
    for len in (0..weights.len()).step_by(97).chain(weights.len() - 9..weights.len()) {
        let cut: &'static [u8] = weights[..len].to_vec().leak();
        let files = vec![("cut".to_owned(), Bytes::Static(cut))];
        assert!(engine::Weights::read(files, &COMPUTE).is_err(), "{len} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_traces(damage in damage(), anywhere in any::<bool>()) {
        show(&harmed(&TRACE, &damage, anywhere));
        assert_little_was_claimed();
    }

    #[test]
    fn damaged_weights(damage in damage(), anywhere in any::<bool>()) {
        run(fixture("config.json"), harmed(&fixture("model.safetensors"), &damage, anywhere));
        assert_little_was_claimed();
    }

    #[test]
    fn damaged_configurations(damage in damage()) {
        let mut config = fixture("config.json");
        harm(&mut config, &damage);
        run(config, fixture("model.safetensors"));
        assert_little_was_claimed();
    }

    #[test]
    fn no_bytes_at_all_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        show(&bytes);
        run(bytes.clone(), bytes);
    }
}
