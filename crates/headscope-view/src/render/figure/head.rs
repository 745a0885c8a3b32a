//! The head view, as `web/src/views/head.tsx`, `layout.ts` and `paint.ts` draw it.

use std::ops::Range;

use headscope_trace::Token;

use super::colours::Ink;
use super::label::Label;
use super::svg::{Anchor, Svg, Type, tenths};
use super::{CAPTION, MARGIN, Scene, letter_of, sentences, strength_of};
use crate::ViewError;

/// Of longer texts curves are not told apart on paper.
const MOST_TOKENS: usize = 256;
/// Rows are as high as a figure of this height has room for, within bounds.
const HEIGHT: f64 = 960.0;
const ROW_HEIGHT: [f64; 3] = [19.0, 31.0, 54.0]; // least, without a height to fill, most
/// From a column of tokens to where its curves begin on the other side.
const CURVES: f64 = 320.0;
const WIDEST_COLUMN: f64 = 190.0;
const BRACKET: f64 = 30.0;
/// Room for numbers, each with a bar.
const NUMBERS: f64 = 102.0;
const BAR: f64 = 56.0;

/// Fainter curves cannot be seen on either paper.
const FAINTEST: f64 = 0.035;
/// A curve that climbs further than this spreads its ink over its length.
const LONG_CLIMB: f64 = 700.0;
/// More curves than this are a haze, and a large file: the strongest are drawn.
const MOST_CURVES: usize = 5000;
/// How much of the others is left beside a pinned token's curves.
const FADED: f64 = 0.26;
/// A pinned token's own are drawn a little stronger, and from this strength on.
const LEAST_PINNED: f64 = 0.01;
/// Numbers that would print as 0.000 are left out.
const LEAST_PRINTED: f64 = 0.0005;
/// Tokens that a pinned one gives so much are set in bold.
const LEAST_LIT: f64 = 0.1;

/// Where rows and columns are, in pixels.
struct Layout {
    row_height: f64,
    /// Font size of a token.
    size: f64,
    /// Middle of each query's row and of each key's.
    queries: Vec<f64>,
    keys: Vec<f64>,
    bottom: f64,
    column: f64,
    bracket: f64,
    /// Left and right end of the curves.
    left: f64,
    right: f64,
    width: f64,
}

struct Edge {
    query: usize,
    key: usize,
    head: usize,
    strength: f64,
}

pub fn draw(scene: &Scene<'_>) -> Result<String, ViewError> {
    let found = scene.queries.len().max(scene.keys.len());
    if found > MOST_TOKENS {
        return Err(ViewError::Crowded { what: "tokens in a column", found, limit: MOST_TOKENS });
    }
    let layout = lay_out(scene);
    let (edges, least) = visible(scene);
    let mut svg = Svg::default();
    scene.caption(&mut svg);
    names(&mut svg, scene, &layout);
    let faded = if scene.token.is_some() { format!(r#" opacity="{FADED}""#) } else { String::new() };
    svg.group(format_args!(r#"class="edges" fill="none" stroke-linecap="round"{faded}"#), |svg| {
        for edge in &edges {
            let climb = (layout.queries[edge.query] - layout.keys[edge.key]).abs();
            let thinned = edge.strength * (LONG_CLIMB / climb).min(1.0);
            stroke(svg, scene, &layout, edge, thinned);
        }
    });
    if let Some(token) = scene.token {
        pinned(&mut svg, scene, &layout, token);
    }
    columns(&mut svg, scene, &layout);
    brackets(&mut svg, scene, &layout);
    let bottom = scale_key(&mut svg, scene, &layout, least);
    let what = format!(
        "{} tokens at the left, a curve from each to the tokens that it attends to at the right: the more weight, the \
         wider and the more opaque. Weights under {} are not drawn.",
        scene.queries.len(),
        rounded(least, 1),
    );
    Ok(scene.finish(svg, [layout.width, bottom + MARGIN], &what))
}

fn lay_out(scene: &Scene<'_>) -> Layout {
    let Scene { queries, keys, is_self, .. } = scene;
    let most = queries.len().max(keys.len()) as f64;
    let breaks = [queries, keys].map(|tokens| sentences(tokens).len() - 1).into_iter().max().unwrap_or(0);
    let height = ((most + 1.0) * ROW_HEIGHT[1]).min(HEIGHT);
    let fitting = (height - 4.0) / (most + breaks as f64 * 0.3);
    let row_height = fitting.floor().clamp(ROW_HEIGHT[0], ROW_HEIGHT[2]);
    let size = (8.0 + row_height * 0.2).clamp(12.0, 17.0);
    let top = MARGIN + CAPTION;
    let rows = |tokens: &[Token]| {
        let mut y = top + 2.0;
        let middles: Vec<f64> = (0..tokens.len())
            .map(|at| {
                if at > 0 && tokens[at].segment != tokens[at - 1].segment {
                    y += row_height * 0.3;
                }
                y += row_height;
                y - row_height / 2.0
            })
            .collect();
        (middles, y + 2.0)
    };
    let [(queries_at, low), (keys_at, high)] = [rows(queries), rows(keys)];
    let all = queries.iter().chain(*keys);
    let widest = all.map(|token| Label::new(&token.piece, WIDEST_COLUMN / size).width).fold(0.0, f64::max);
    let column = (widest * size + 20.0).clamp(48.0, WIDEST_COLUMN);
    let bracket = if *is_self && sentences(keys).len() > 1 { BRACKET } else { 0.0 };
    let numbers = if scene.token.is_some() { NUMBERS } else { 0.0 };
    let needed = 2.0 * (MARGIN + column) + bracket + CURVES + numbers;
    let width = needed.max(scene.least_width());
    let left = MARGIN + bracket + column + 10.0 + (width - needed) / 2.0;
    Layout {
        row_height,
        size,
        queries: queries_at,
        keys: keys_at,
        bottom: low.max(high),
        column,
        bracket,
        left,
        right: left + CURVES - 20.0,
        width,
    }
}

/// The edges worth drawing, weakest first, and the least weight drawn.
fn visible(scene: &Scene<'_>) -> (Vec<Edge>, f64) {
    let mut edges = edges_of(scene, 0..scene.queries.len(), FAINTEST);
    let surplus = edges.len().saturating_sub(MOST_CURVES);
    edges.drain(..surplus);
    let least = edges.first().filter(|_| surplus > 0).map_or(FAINTEST, |edge| edge.strength);
    (edges, least * least)
}

/// The edges of some queries that are at least so strong, weakest first.
fn edges_of(scene: &Scene<'_>, queries: Range<usize>, least: f64) -> Vec<Edge> {
    let mut edges = Vec::new();
    for query in queries {
        for (head, drawn) in scene.heads.iter().enumerate() {
            let edge = |key| Edge { query, key, head, strength: strength_of(drawn.weight(query, key)) };
            edges.extend((0..scene.keys.len()).map(edge).filter(|edge| edge.strength >= least));
        }
    }
    edges.sort_by(|a, b| a.strength.total_cmp(&b.strength));
    edges
}

/// One curve from the left column to the right one. Width follows the strength, opacity a little more steeply: a
/// hundred weak curves must not veil a strong one.
fn stroke(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, edge: &Edge, strength: f64) {
    let Layout { left, right, .. } = *layout;
    let shift = spread(edge.head, scene.heads.len(), layout.row_height);
    let [from, to] = [layout.queries[edge.query] + shift, layout.keys[edge.key] + shift].map(tenths);
    let bend = (right - left) * 0.45;
    let [left, near, far, right] = [left, left + bend, right - bend, right].map(tenths);
    let looks = looks_of(strength, layout.row_height, scene.heads[edge.head].ink);
    svg.push(format_args!(r#"<path d="M{left} {from}C{near} {from} {far} {to} {right} {to}"{looks}/>"#));
}

fn looks_of(strength: f64, row_height: f64, ink: Ink) -> String {
    let full = (row_height * 0.15).min(5.0);
    let opacity = ((0.04 + 0.89 * strength.powf(1.3)) * 1e3).round() / 1e3;
    let width = ((0.6 + (full - 0.6) * strength) * 1e2).round() / 1e2;
    let dashed = if ink.is_dashed { r#" stroke-dasharray="7 5""# } else { "" };
    format!(r#" stroke="{}" stroke-opacity="{opacity}" stroke-width="{width}"{dashed}"#, ink.colour)
}

/// How far the curves of one of several heads keep from the middle of the row.
fn spread(head: usize, heads: usize, row_height: f64) -> f64 {
    let gap = (row_height * 0.6 / heads as f64).min(3.5);
    (head as f64 - (heads as f64 - 1.0) / 2.0) * gap
}

/// What the columns are.
fn names(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout) {
    let y = MARGIN + CAPTION - 12.0;
    let set = Type { size: 11.0, ..scene.small(Anchor::End) };
    svg.text(layout.left - 14.0, y, set, "attends");
    svg.text(layout.right + 14.0, y, Type { anchor: Anchor::Start, ..set }, "attended to");
}

/// The tokens of both sides.
fn columns(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout) {
    let colours = scene.colours;
    let lit: Vec<bool> = scene.token.map_or_else(
        || vec![false; scene.keys.len()],
        |token| means_of(scene, token).iter().map(|mean| *mean >= LEAST_LIT).collect(),
    );
    let mut column = |tokens: &[Token], middles: &[f64], is_query: bool| {
        for (at, (token, y)) in tokens.iter().zip(middles).enumerate() {
            let bold = if is_query { scene.token == Some(at) } else { lit[at] };
            let fill = match (bold, token.special, is_query) {
                (true, ..) => colours.ink,
                (_, true, _) => colours.quiet,
                (_, _, true) => colours.ink,
                (_, _, false) => colours.soft,
            };
            let size = if token.special { layout.size * 0.86 } else { layout.size };
            let (x, anchor) = match is_query {
                true => (layout.left - 14.0, Anchor::End),
                false => (layout.right + 14.0, Anchor::Start),
            };
            let label = Label::new(&token.piece, (layout.column - 16.0) / size);
            svg.label(x, *y, Type { size, bold, fill, anchor }, &label, colours);
        }
    };
    column(scene.queries, &layout.queries, true);
    column(scene.keys, &layout.keys, false);
}

/// A bracket with a letter for each sentence, at the left.
fn brackets(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout) {
    if layout.bracket == 0.0 {
        return;
    }
    let x = layout.left - 10.0 - layout.column - layout.bracket + 18.0;
    for (segment, run) in sentences(scene.queries) {
        let half = layout.row_height / 2.0;
        let [top, bottom] =
            [layout.queries[run.start] - half + 4.0, layout.queries[run.end - 1] + half - 4.0];
        let [left, right, top, bottom] = [x, x + 8.0, top, bottom].map(tenths);
        svg.push(format_args!(
            r#"<path d="M{right} {top}H{left}V{bottom}H{right}" fill="none" stroke="{}" stroke-opacity="0.75"/>"#,
            scene.colours.quiet
        ));
        let set = Type { size: 12.5, bold: false, fill: scene.colours.soft, anchor: Anchor::Middle };
        svg.text(x - 11.0, (top + bottom) / 2.0, set, &letter_of(segment));
    }
}

/// The curves of one token, with its weights as numbers and bars at the other end.
fn pinned(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, token: usize) {
    let height = (layout.row_height - 2.0).min(30.0);
    let ground = [
        layout.left - layout.column - 6.0,
        layout.queries[token] - height / 2.0,
        layout.column + 4.0,
        height,
    ];
    svg.rect(ground, 8.0, scene.colours.accent_soft);
    svg.group(r#"class="pinned" fill="none" stroke-linecap="round""#, |svg| {
        for edge in edges_of(scene, token..token + 1, LEAST_PINNED) {
            stroke(svg, scene, layout, &edge, 0.06 + 0.94 * edge.strength);
        }
    });
    let x = layout.right + layout.column + 10.0;
    for (key, mean) in means_of(scene, token).into_iter().enumerate() {
        if mean < LEAST_PRINTED {
            continue;
        }
        let y = layout.keys[key];
        let set = Type { size: 12.5, bold: false, fill: scene.colours.soft, anchor: Anchor::Start };
        svg.text(x, y, set, &format!("{mean:.3}"));
        let mut left = x + 44.0;
        for drawn in &scene.heads {
            let width = drawn.weight(token, key) / scene.heads.len() as f64 * BAR;
            let least = if scene.heads.len() == 1 { 1.5 } else { 0.0 };
            svg.rect([left, y - 2.5, width.max(least), 5.0], 0.0, drawn.ink.colour);
            left += width;
        }
    }
}

/// What a query gives each key, as the mean over the heads.
fn means_of(scene: &Scene<'_>, query: usize) -> Vec<f64> {
    let weight = |key: usize| scene.heads.iter().map(move |drawn| drawn.weight(query, key));
    (0..scene.keys.len()).map(|key| weight(key).sum::<f64>() / scene.heads.len() as f64).collect()
}

/// What a curve's looks mean, and of several heads whose it is; returns where that ends.
fn scale_key(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, least: f64) -> f64 {
    let set = scene.small(Anchor::Start);
    let right = layout.width - MARGIN;
    let [mut x, mut y] = [MARGIN, layout.bottom + 26.0];
    let mut sample = |x: f64, y: f64, looks: String, name: &str| {
        let from = [x + 3.0, y].map(tenths);
        svg.push(format_args!(r#"<path d="M{} {}h20" stroke-linecap="round"{looks}/>"#, from[0], from[1]));
        svg.text(x + 31.0, y, set, name);
    };
    if scene.heads.len() > 1 {
        for drawn in &scene.heads {
            if x + 80.0 > right {
                [x, y] = [MARGIN, y + 20.0];
            }
            sample(x, y, looks_of(1.0, layout.row_height, drawn.ink), &format!("head {}", drawn.number));
            x += 92.0;
        }
        [x, y] = [MARGIN, y + 22.0];
    }
    for weight in [0.01, 0.1, 0.5, 1.0].into_iter().filter(|weight| *weight >= least) {
        let ink = Ink { colour: scene.colours.accent, is_dashed: false };
        sample(x, y, looks_of(strength_of(weight), layout.row_height, ink), &weight.to_string());
        x += 66.0;
    }
    svg.text(MARGIN, y + 20.0, set, &format!("weights under {} are not drawn", rounded(least, 1)));
    y + 20.0
}

/// A number in so many significant digits.
fn rounded(value: f64, digits: usize) -> String {
    let scientific = format!("{value:.*e}", digits - 1);
    scientific.parse::<f64>().map_or(scientific, |value| value.to_string())
}
