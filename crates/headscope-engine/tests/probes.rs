//! Watching a pass must not change it, and changing it must change what follows.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::path::Path;

use headscope_engine::{Checkpoint, Compute, Edit, Isa, Model, Probe, Recorder, Sites};
use headscope_trace::{Attn, AttnPoint, Container, Encoding, Site, Tensor, Trace};

fn model() -> Model {
    model_of("bert")
}

fn model_of(fixture: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(fixture);
    Model::load(&Checkpoint::open(folder).unwrap(), &Compute::new(2, Isa::detect())).unwrap()
}

fn text() -> Encoding {
    Encoding::from_ids(&[3, 1, 4, 1, 5, 9, 2, 6], |id| id.to_string())
}

fn site(name: &str) -> Site {
    name.parse().unwrap()
}

fn traced(model: &Model, probe: &mut dyn Probe) -> Trace {
    model.trace_with(text(), &model.sites("*").unwrap(), probe).unwrap()
}

fn edited(model: &Model, at: &str, edit: impl FnMut(Tensor) -> Tensor) -> Trace {
    traced(model, &mut Edit::at(site(at), edit))
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    a.iter().zip(b.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn watching_changes_nothing() {
    let model = model();
    let unwatched = model.trace(text(), &model.sites("last_hidden").unwrap()).unwrap();
    let watched = traced(&model, &mut ());
    assert_eq!(unwatched.get(site("last_hidden")), watched.get(site("last_hidden")));
    assert_eq!(unwatched.values().count(), 1, "only what is wanted is kept");
}

#[test]
fn words_and_positions_are_the_rows_of_their_tables() {
    let trace = traced(&model(), &mut ());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bert/model.safetensors");
    let tables = Container::read(&std::fs::read(file).unwrap(), "bert").unwrap().tensors;
    let table = |name: &str| &tables.iter().find(|(known, _)| known.ends_with(name)).unwrap().1;
    let (words, positions) = (table("word_embeddings.weight"), table("position_embeddings.weight"));
    for (place, token) in text().tokens.iter().enumerate() {
        assert_eq!(trace.get(site("word_embed")).unwrap().row(place), words.row(token.id as usize));
        assert_eq!(trace.get(site("pos_embed")).unwrap().row(place), positions.row(place));
    }
    // Models of rotated queries and keys have no vectors of positions.
    assert!(model_of("llama").sites("pos_embed").is_err() && model_of("llama").sites("word_embed").is_ok());
}

#[test]
fn an_edit_that_changes_nothing_changes_nothing() {
    let model = model();
    let expected = traced(&model, &mut ());
    for at in [
        "word_embed",
        "pos_embed",
        "embed",
        "blocks.1.attn.q",
        "blocks.0.attn.scores",
        "blocks.1.attn.pattern",
        "blocks.0.attn.z",
        "blocks.2.resid_mid",
    ] {
        let same = edited(&model, at, |value| value);
        assert!(same == expected, "{at} returned as it was");
        let copied = edited(&model, at, |value| Tensor::new(value.shape(), value.to_vec()));
        let off = largest_difference(
            copied.get(site("last_hidden")).unwrap(),
            expected.get(site("last_hidden")).unwrap(),
        );
        assert!(off < 1e-5, "{at} copied: {off:e}");
    }
}

#[test]
fn an_edit_changes_what_follows_and_nothing_before() {
    let model = model();
    let expected = traced(&model, &mut ());
    let points = [
        "attn.q",
        "attn.k",
        "attn.v",
        "attn.scores",
        "attn.pattern",
        "attn.z",
        "attn_out",
        "resid_mid",
        "mlp_out",
        "resid_post",
        "resid_pre",
    ];
    for point in points {
        let at = format!("blocks.1.{point}");
        let found = edited(&model, &at, |mut value| {
            value.values_mut().iter_mut().enumerate().for_each(|(i, x)| *x = *x * 0.5 + (i % 3) as f32);
            value
        });
        assert_ne!(found.get(site("last_hidden")), expected.get(site("last_hidden")), "{at}");
        for (before, value) in
            expected.values().take_while(|(before, _)| before.layer == 0 && *before != site("last_hidden"))
        {
            assert_eq!(found.get(before), Some(value), "{before} comes before {at}");
        }
    }
}

#[test]
fn a_rewritten_pattern_is_what_mixes_the_values() {
    let model = model();
    let attn = Attn::block(1);
    let found = edited(&model, "blocks.1.attn.pattern", |pattern| {
        let (heads, n) = (pattern.shape()[0], pattern.shape()[1]);
        let mut identity = Tensor::zeros([heads, n, n]);
        (0..heads * n).for_each(|row| identity.values_mut()[row * n + row % n] = 1.0);
        identity
    });
    assert_eq!(found.get(attn.site(AttnPoint::Z)), found.get(attn.site(AttnPoint::V)));
}

#[test]
fn rewritten_scores_are_what_softmax_sees() {
    let model = model();
    let found = edited(&model, "blocks.0.attn.scores", |mut scores| {
        let n = scores.shape()[1];
        scores
            .values_mut()
            .iter_mut()
            .enumerate()
            .for_each(|(i, s)| *s = if i % n == 2 { 5.0 } else { f32::NEG_INFINITY });
        scores
    });
    let pattern = found.get(site("blocks.0.attn.pattern")).unwrap();
    assert!(pattern.iter().enumerate().all(|(i, w)| *w == if i % 8 == 2 { 1.0 } else { 0.0 }));
    assert!(found.get(site("blocks.0.attn.lse")).unwrap().iter().all(|lse| *lse == 5.0));
}

#[test]
fn probes_compose_in_order() {
    let model = model();
    let at = site("blocks.0.resid_pre");
    let add = |x: f32| {
        move |mut value: Tensor| {
            value.values_mut().iter_mut().for_each(|v| *v += x);
            value
        }
    };
    let recorder = Recorder::new(move |site| site == at);
    let mut probes = (Edit::at(at, add(1.0)), (recorder, Edit::at(at, add(2.0))));
    let found = traced(&model, &mut probes);
    let (seen_between, before) = (&probes.1.0.values[&at], traced(&model, &mut ()));
    let off = |value: &Tensor, by: f32| {
        value.iter().zip(before.get(at).unwrap().iter()).all(|(a, b)| (a - b - by).abs() < 1e-5)
    };
    assert!(off(seen_between, 1.0));
    assert!(off(found.get(at).unwrap(), 3.0));
}

#[test]
#[should_panic(expected = "a probe changed the shape of blocks.0.attn.z")]
fn a_changed_shape_is_refused() {
    edited(&model(), "blocks.0.attn.z", |_| Tensor::zeros([1]));
}

#[test]
fn patterns_computed_from_queries_and_keys_are_the_recorded_ones() {
    let model = model();
    let points = [AttnPoint::Q, AttnPoint::K, AttnPoint::Lse];
    let lazy = model.trace(text(), &Sites::of_attention(&model, &points)).unwrap();
    let recorded = model.trace(text(), &Sites::patterns(&model)).unwrap();
    for (attn, rule) in model.rules() {
        for head in 0..rule.query_heads {
            let off = largest_difference(
                &lazy.pattern(attn, head).unwrap(),
                &recorded.pattern(attn, head).unwrap(),
            );
            assert!(off < 1e-6, "{attn} head {head}: {off:e}");
        }
    }
}

/// What is computed from queries and keys afterwards is what the pass would have recorded, to the bit; and where
/// scores have a term of position, it is in there.
#[test]
fn patterns_come_back_from_queries_and_keys() {
    for fixture in ["bert", "modernbert", "mpnet", "deberta-v2", "deberta-v2-c2p", "deberta-v2-p2c"] {
        let model = model_of(fixture);
        let met = model.sites("*.attn.pos_*").is_ok();
        let lean =
            model.sites(if met { "*.attn.q,*.attn.k,*.attn.pos_*" } else { "*.attn.q,*.attn.k" }).unwrap();
        let long = Encoding::from_ids(&(0..38).map(|i| i % 10).collect::<Vec<u32>>(), |id| id.to_string());
        for text in [text(), long] {
            let recorded = model.trace(text.clone(), &model.sites("*.attn.pattern").unwrap()).unwrap();
            let lean = model.trace(text, &lean).unwrap();
            let compute = Compute::new(2, Isa::detect());
            for (attn, rule) in recorded.rules() {
                for head in 0..rule.query_heads {
                    let expected = headscope_engine::pattern(&compute, &recorded, *attn, head).unwrap();
                    assert_eq!(Some(&expected), recorded.pattern(*attn, head).as_ref(), "as recorded");
                    let found = headscope_engine::pattern(&compute, &lean, *attn, head).unwrap();
                    assert!(found == expected, "{fixture}, {attn:?}, head {head}");
                    let mut bands = vec![];
                    let ready = &mut |rows: &[f32]| bands.push(rows.to_vec());
                    headscope_engine::pattern_in_bands(&compute, &lean, *attn, head, 7, ready).unwrap();
                    assert_eq!(bands.len(), expected.shape()[0].div_ceil(7));
                    assert!(bands.concat() == *expected, "{fixture}, {attn:?}, head {head} in bands");
                    let plain = lean.pattern(*attn, head).unwrap();
                    let off = largest_difference(&found, &plain);
                    assert!(off < 2e-6, "{fixture}, {attn:?}, head {head} in f64: {off:e}");
                }
                assert!(headscope_engine::pattern(&compute, &lean, *attn, rule.query_heads).is_none());
            }
        }
        if met {
            let without = model.trace(text(), &model.sites("*.attn.q,*.attn.k").unwrap()).unwrap();
            assert!(without.rules().iter().all(|(attn, _)| without.pattern(*attn, 0).is_none()), "{fixture}");
        }
    }
}
