//! Figures are read back as XML, and what is drawn is held against the weights.

use headscope_trace::{AttnPoint, Card, Encoding, Trace};
use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::*;

/// One layer of `heads` heads over these pieces; query 0 gives all to key 0, the others spread theirs.
fn data(pieces: &[&str], heads: usize, mask: Mask) -> ViewData {
    let n = pieces.len();
    let weight = |head: usize, query: usize, key: usize| match (query, key) {
        (0, 0) => 1.0,
        (0, _) => 0.0,
        _ => ((head + query + 2 * key) % 5) as f32 / 10.0,
    };
    let all = (0..heads * n * n).map(|at| weight(at / (n * n), at / n % n, at % n));
    traced(pieces, mask, Tensor::new([heads, n, n], all.collect::<Vec<_>>()))
}

fn traced(pieces: &[&str], mask: Mask, pattern: Tensor) -> ViewData {
    let ids: Vec<u32> = (0..pieces.len() as u32).collect();
    let mut encoding = Encoding::from_ids(&ids, |id| pieces[id as usize].to_owned());
    encoding.text = pieces.concat();
    encoding.parts = std::iter::once(0..encoding.text.len()).collect();
    let rule = AttentionRule { mask, ..AttentionRule::full(1.0, pattern.shape()[0]) };
    let attn = Attn::block(0);
    let mut trace = Trace::new(Card::new(pieces[0], "bert"), encoding, vec![(attn, rule)]);
    trace.insert(attn.site(AttnPoint::Pattern), pattern);
    ViewData::new(trace).unwrap()
}

fn heads(heads: &[usize]) -> Settings {
    Settings { heads: heads.to_vec(), ..Settings::default() }
}

fn matrix() -> Settings {
    Settings { view: View::Matrix, ..heads(&[0]) }
}

fn drawn(data: &ViewData, settings: &Settings) -> String {
    draw(data, settings).unwrap().to_string()
}

/// The paths inside the group of this class.
fn paths<'a>(document: &'a Document<'a>, class: &str) -> Vec<Node<'a, 'a>> {
    let group = document.descendants().find(|node| node.attribute("class") == Some(class)).unwrap();
    group.children().filter(|node| node.has_tag_name("path")).collect()
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts
        .map(|node| node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect())
        .collect()
}

#[test]
fn curves_are_the_weights() {
    let data = data(&["a", "b", "c", "d"], 2, Mask::Full);
    for head in [0, 1] {
        let svg = drawn(&data, &heads(&[head]));
        let document = Document::parse(&svg).unwrap();
        let mut found: Vec<f32> = paths(&document, "edges")
            .iter()
            .map(|path| {
                let opacity: f64 = path.attribute("stroke-opacity").unwrap().parse().unwrap();
                (((opacity - 0.04) / 0.89).powf(2.0 / 1.3) * 10.0).round() as f32 / 10.0
            })
            .collect();
        let pattern = data.pattern(0, head).unwrap();
        let mut expected: Vec<f32> =
            pattern.values().iter().copied().filter(|weight| *weight > 0.0).collect();
        found.sort_by(f32::total_cmp);
        expected.sort_by(f32::total_cmp);
        assert_eq!(found, expected);
    }
}

#[test]
fn a_pinned_token_has_its_numbers() {
    let data = data(&["a", "b", "c", "d"], 2, Mask::Full);
    let svg = drawn(&data, &Settings { token: Some(1), ..heads(&[0, 1]) });
    let document = Document::parse(&svg).unwrap();
    let printed = texts(&document).into_iter().filter(|text| text.starts_with("0.") && text.len() == 5);
    let [one, other] = [0, 1].map(|head| data.pattern(0, head).unwrap());
    let mean = |key: usize| format!("{:.3}", (one.row(1)[key] + other.row(1)[key]) / 2.0);
    assert_eq!(printed.collect::<Vec<_>>(), [0, 1, 2, 3].map(mean));
    let of_token = |head: &Tensor| head.row(1).iter().filter(|weight| **weight > 0.0).count();
    assert_eq!(paths(&document, "pinned").len(), of_token(&one) + of_token(&other));
}

#[test]
fn cells_are_the_weights_and_masked_ones_are_paper() {
    let colours = Theme::Light.colours();
    for mask in [Mask::Full, Mask::Causal] {
        let data = data(&["a", "b", "c"], 1, mask);
        let svg = drawn(&data, &matrix());
        let document = Document::parse(&svg).unwrap();
        // Of each path the cells: where they begin, and how far they go.
        let mut found = vec![None; 9];
        let (mut left, mut top) = (f64::MAX, f64::MAX);
        let mut runs = Vec::new();
        for path in paths(&document, "cells") {
            for run in path.attribute("d").unwrap().split_terminator('z') {
                let numbers: Vec<f64> =
                    run.split(['M', ' ', 'h', 'v']).filter_map(|part| part.parse().ok()).collect();
                let [x, y, width, ..] = numbers[..] else { panic!("{run}") };
                (left, top) = (left.min(x), top.min(y));
                runs.push((x, y, width, path.attribute("fill").unwrap()));
            }
        }
        for (x, y, width, fill) in runs {
            let at = |distance: f64| (distance / 44.0).round() as usize; // the largest cells
            for column in at(x - left)..at(x - left + width) {
                found[at(y - top) * 3 + column] = Some(fill.to_owned());
            }
        }
        let pattern = data.pattern(0, 0).unwrap();
        for (at, cell) in found.into_iter().enumerate() {
            let weight = f64::from(pattern.values()[at]);
            let colour = colours.ramp((weight.sqrt() * 255.0).round() as u8);
            let is_seen = mask == Mask::Full || at % 3 <= at / 3;
            assert_eq!(cell, is_seen.then_some(colour), "{mask:?}, cell {at}");
        }
        assert_eq!(texts(&document).contains(&"masked".to_owned()), mask == Mask::Causal);
        assert!(texts(&document).contains(&".400".to_owned()), "weights stand in cells of this size");
    }
}

#[test]
fn long_texts_are_summed_up_or_refused() {
    let pieces: Vec<String> = (0..600).map(|i| format!("t{i}")).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let data = data(&pieces, 1, Mask::Causal);
    let svg = drawn(&data, &matrix());
    assert!(svg.contains("a cell is the largest of 4 × 4 weights"));
    assert!(svg.len() < 300_000, "{} bytes", svg.len());
    let error = draw(&data, &heads(&[0])).unwrap_err();
    assert_eq!(error.to_string(), "the figure would have 600 tokens in a column; at most 256 are told apart");
    assert!(error.help().unwrap().contains("the matrix view"));
}

#[test]
fn many_faint_curves_leave_the_strongest() {
    let pieces = ["t"; 100];
    let mut weights = vec![0.009; 10_000];
    weights[17] = 0.5;
    let data = traced(&pieces, Mask::Full, Tensor::new([1, 100, 100], weights));
    let svg = drawn(&data, &heads(&[0]));
    let document = Document::parse(&svg).unwrap();
    assert_eq!(paths(&document, "edges").len(), 5000);
    assert!(svg.contains("weights under 0.009 are not drawn"));
    assert!(svg.contains(r#"stroke-opacity="0.607""#)); // 0.04 + 0.89 · √0.5^1.3
}

#[test]
fn what_is_not_there_is_named() {
    let data = data(&["a", "b"], 2, Mask::Full);
    for (settings, expected) in [
        (heads(&[2]), "there is no head 2; the trace has heads 0 to 1"),
        (Settings { layer: Some(3), ..heads(&[]) }, "there is no layer 3 to show; the trace has 0"),
        (Settings { token: Some(2), ..heads(&[]) }, "there is no token 2; the trace has tokens 0 to 1"),
        (heads(&[0; 17]), "the figure would have 17 heads; at most 16 are told apart"),
        (
            Settings { part: Some(Part::Cross), ..heads(&[]) },
            "cross cannot be shown; the trace has a single stack",
        ),
    ] {
        assert_eq!(draw(&data, &settings).unwrap_err().to_string(), expected);
    }
}

#[test]
fn the_sharpest_head_is_drawn_unless_another_is_asked_for() {
    let mut weights = vec![0.25; 32];
    (16..32).for_each(|at| weights[at] = if at % 4 == 1 { 1.0 } else { 0.0 }); // head 1 looks at token 1 alone
    let data = traced(&["a", "b", "c", "d"], Mask::Full, Tensor::new([2, 4, 4], weights));
    let title = |settings| drawn(&data, &settings).split_once("<title>").unwrap().1[..15].to_owned();
    assert_eq!(title(heads(&[])), "Layer 0, head 1");
    assert_eq!(title(Settings { layer: Some(0), ..heads(&[]) }), "Layer 0, head 1");
    assert_eq!(title(heads(&[0])), "Layer 0, head 0");
}

/// Every figure of some pieces.
fn every(pieces: &[&str], weights: Option<Vec<f32>>) -> Vec<String> {
    let data = match weights {
        None => data(pieces, 2, Mask::Causal),
        Some(weights) => traced(pieces, Mask::Full, Tensor::new([2, pieces.len(), pieces.len()], weights)),
    };
    let views = [View::Head, View::Matrix].into_iter();
    let of_view = |view| [None, Some(0)].map(|token| (view, token));
    let settings = views.flat_map(of_view).flat_map(|(view, token)| {
        [vec![0], vec![1, 0]].map(|heads| Settings {
            view,
            token,
            heads,
            theme: Theme::Dark,
            ..Settings::default()
        })
    });
    settings.map(|settings| drawn(&data, &settings)).collect()
}

#[test]
fn hostile_and_odd_tokens_stay_text() {
    let long = "word".repeat(50_000);
    let pieces = [
        "</text><script>alert(1)</script>",
        "\"'&<!--",
        "]]>",
        "\u{202e}\u{0}\u{ffff}",
        "שלום",
        "猫",
        "##ing",
        "",
        &long,
    ];
    for svg in every(&pieces, None).into_iter().chain(every(&["x"], None)) {
        let document = Document::parse(&svg).unwrap();
        assert!(document.descendants().all(|node| !node.has_tag_name("script")));
        assert!(svg.len() < 60_000, "{} bytes", svg.len());
    }
    let svg = &every(&pieces, None)[0];
    assert!(texts(&Document::parse(svg).unwrap()).contains(&"‿ing".to_owned()));
    assert!(svg.contains(r#" direction="rtl">שלום<"#));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_figure_is_always_xml_of_finite_numbers(
        pieces in prop::collection::vec(any::<String>(), 1..9),
        seed in prop::collection::vec(prop::num::f32::ANY, 2 * 81),
    ) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let weights = seed[..2 * pieces.len() * pieces.len()].to_vec();
        for svg in every(&pieces, Some(weights)) {
            let document = Document::parse(&svg).unwrap();
            for attribute in document.descendants().flat_map(|node| node.attributes()) {
                let value = attribute.value();
                prop_assert!(!value.contains("NaN") && !value.contains("inf"), "{}", value);
            }
        }
    }
}
