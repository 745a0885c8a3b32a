//! Figures: the head view and the matrix view as SVG files, drawn without a browser.
//!
//! What is drawn is what the page draws when it opens: weights on a square-root scale from 0 to 1, with the geometry,
//! widths, opacities and colours of `web/src/views`. Text stays text, in the reader's system font, so that where a
//! label ends is estimated; what has to line up with it is anchored to the same point.

mod colours;
mod head;
mod label;
mod matrix;
mod svg;

use std::fmt;
use std::ops::Range;

use headscope_trace::{AttentionRule, Attn, Mask, Stack, Tensor, Token};

use self::colours::{Colours, Ink};
use self::label::{Label, width_of};
use self::svg::{Anchor, Svg, Type};
use crate::metrics::METRICS;
use crate::{Part, ViewData, ViewError};

pub use self::colours::Theme;

/// More heads than this have no colours of their own.
const MOST_HEADS: usize = 16;
/// From the edge of the paper to what is drawn.
const MARGIN: f64 = 22.0;
/// What stands over the picture.
const CAPTION: f64 = 62.0;
/// The page's small print.
const SMALL: f64 = 12.0;
/// A caption is cut at this length, and stretches a narrow picture up to it.
const WIDEST_CAPTION: f64 = 460.0;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// Tokens on both sides and a curve for every weight that can be seen.
    #[default]
    Head,
    /// Weights as cells, queries down and keys across.
    Matrix,
}

/// What a figure shows, and how.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The view.
    pub view: View,
    /// The part of a model of two stacks; the first that was recorded when absent.
    pub part: Option<Part>,
    /// The layer, as the model counts it; that of the head with the sharpest rows when absent, or with heads 0.
    pub layer: Option<usize>,
    /// The heads of that layer, up to 16; the one with the sharpest rows when empty.
    pub heads: Vec<usize>,
    /// The place of a query whose weights are strong while the others are faint.
    pub token: Option<usize>,
    /// The colours.
    pub theme: Theme,
}

/// A picture as SVG, which displays as its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure(String);

impl Figure {
    /// The file, in one piece.
    pub fn svg(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Draws one layer's heads: curves over each other, or matrices beside each other.
///
/// # Errors
/// If the trace has no such part, layer, head or token, or the picture would be too large to be one.
pub fn draw(data: &ViewData, settings: &Settings) -> Result<Figure, ViewError> {
    let (place, heads) = choose(data, settings)?;
    let scene = Scene::new(data, place, &heads, settings)?;
    match settings.view {
        View::Head => head::draw(&scene),
        View::Matrix => Ok(matrix::draw(&scene)),
    }
    .map(Figure)
}

/// The block, by its place among those shown, and the heads.
fn choose(data: &ViewData, settings: &Settings) -> Result<(usize, Vec<usize>), ViewError> {
    let Settings { part, layer, heads, .. } = settings;
    if heads.len() > MOST_HEADS {
        return Err(ViewError::Crowded { what: "heads", found: heads.len(), limit: MOST_HEADS });
    }
    let layer = layer.or((!heads.is_empty()).then_some(0));
    let place = layer.map(|layer| data.place_of(*part, layer)).transpose()?;
    if let (Some(place), false) = (place, heads.is_empty()) {
        return Ok((place, heads.clone()));
    }
    let first = data.part_or_first(*part)?;
    let of_part = |at: &usize| data.block(*at).is_some_and(|attn| Part::of(attn) == first);
    let places =
        place.map_or_else(|| (0..data.blocks().len()).filter(of_part).collect(), |place| vec![place]);
    let (place, head) = sharpest(data, &places);
    Ok((place, vec![head]))
}

/// The head with the sharpest rows among those that look at words, as the page begins with one.
fn sharpest(data: &ViewData, places: &[usize]) -> (usize, usize) {
    let metrics = data.metrics();
    let [_, blocks, heads] = metrics.shape()[..] else { unreachable!("[metrics, blocks, heads]") };
    let value = |key: &str, place: usize, head: usize| {
        let metric = METRICS.iter().position(|metric| metric.key == key).expect("a metric's key");
        f64::from(metrics.values()[(metric * blocks + place) * heads + head])
    };
    let blur = |&(place, head): &(usize, usize)| {
        let keys = data.trace().encoding_of(data.blocks()[place].key_stack()).len();
        let entropy = value("entropy", place, head) / ((keys + 1) as f64).ln();
        value("first", place, head) + value("separators", place, head) + entropy
    };
    let all = places.iter().flat_map(|place| (0..heads).map(|head| (*place, head)));
    // A narrower block has no numbers where its heads end.
    let known = all.filter(|id| !blur(id).is_nan());
    known.min_by(|a, b| blur(a).total_cmp(&blur(b))).unwrap_or((places[0], 0))
}

/// One of the heads drawn.
struct Drawn {
    /// `[queries, keys]`.
    weights: Tensor,
    /// Its own number in its layer.
    number: usize,
    ink: Ink,
}

impl Drawn {
    /// From 0 to 1, whatever a file claims.
    fn weight(&self, query: usize, key: usize) -> f64 {
        let weight = f64::from(self.weights.row(query)[key]);
        if weight > 0.0 { weight.min(1.0) } else { 0.0 } // so that NaN is nothing
    }
}

/// What both views draw from.
struct Scene<'a> {
    queries: &'a [Token],
    keys: &'a [Token],
    mask: Mask,
    heads: Vec<Drawn>,
    token: Option<usize>,
    colours: &'static Colours,
    /// `Layer 1, head 11`.
    title: String,
    /// The model and the kind of attention.
    about: String,
    /// Whether tokens attend to each other, rather than to those of another text.
    is_self: bool,
    /// What is read, for those who do not see it.
    text: String,
}

impl<'a> Scene<'a> {
    fn new(
        data: &'a ViewData,
        place: usize,
        heads: &[usize],
        settings: &Settings,
    ) -> Result<Scene<'a>, ViewError> {
        let trace = data.trace();
        let attn = data.blocks()[place];
        let rule = trace.rule(attn).expect("only blocks with a rule are shown");
        let [queries, keys] = [attn.stack, attn.key_stack()].map(|stack| trace.encoding_of(stack));
        if let Some(token) = settings.token.filter(|token| *token >= queries.len()) {
            return Err(ViewError::OutOfRange { what: "token", found: token, n: queries.len() });
        }
        let colours = settings.theme.colours();
        let number = |head: usize| trace.heads.as_ref().map_or(head, |numbers| numbers[head]);
        let drawn = heads.iter().enumerate().map(|(i, head)| {
            let weights = data.pattern(place, *head)?;
            Ok(Drawn { weights, number: number(*head), ink: colours.head(i, heads.len()) })
        });
        let drawn = drawn.collect::<Result<Vec<_>, ViewError>>()?;
        let numbers: Vec<String> = drawn.iter().map(|head| head.number.to_string()).collect();
        let s = if numbers.len() == 1 { "" } else { "s" };
        let title = format!("{} {}, head{s} {}", layer_of(attn), attn.layer, numbers.join(", "));
        let model = &trace.card;
        let kind = kind_of(attn, rule);
        let about = match model.family.is_empty() {
            true => kind, // attention that was given, of a model that nobody named
            false => format!("{} · {kind}", model.id),
        };
        let texts: Vec<&str> =
            trace.encoding.texts().chain(trace.target.iter().flat_map(|t| t.texts())).collect();
        Ok(Scene {
            queries: &queries.tokens,
            keys: &keys.tokens,
            mask: rule.mask,
            heads: drawn,
            token: settings.token,
            colours,
            title,
            about,
            is_self: !attn.cross,
            text: texts.join(" | ").chars().take(300).collect(),
        })
    }

    /// Title and model in the upper left corner.
    fn caption(&self, svg: &mut Svg) {
        let cut = |text: &str, size: f64| Label::new(text, WIDEST_CAPTION / size);
        let title = Type { size: 16.0, bold: true, fill: self.colours.ink, anchor: Anchor::Start };
        svg.label(MARGIN, MARGIN + 6.0, title, &cut(&self.title, title.size), self.colours);
        svg.label(MARGIN, MARGIN + 27.0, self.small(Anchor::Start), &cut(&self.about, SMALL), self.colours);
    }

    /// The width that the caption needs.
    fn least_width(&self) -> f64 {
        let widest = (width_of(&self.title) * 16.0).max(width_of(&self.about) * SMALL);
        widest.min(WIDEST_CAPTION) + 2.0 * MARGIN
    }

    fn small(&self, anchor: Anchor) -> Type<'static> {
        Type { size: SMALL, bold: false, fill: self.colours.quiet, anchor }
    }

    /// The file of a picture of this size; `what` says what is seen.
    fn finish(&self, svg: Svg, size: [f64; 2], what: &str) -> String {
        let title = format!("{}: {}", self.title, self.about);
        let text = if self.text.is_empty() { String::new() } else { format!(" Text: {}", self.text) };
        svg.finish(size, self.colours, &title, &format!("{what}{text}"))
    }
}

fn layer_of(attn: Attn) -> &'static str {
    match (attn.stack, attn.cross) {
        (_, true) => "Cross layer",
        (Stack::Encoder, _) => "Encoder layer",
        (Stack::Decoder, _) => "Decoder layer",
        (Stack::Only, _) => "Layer",
    }
}

/// What attends to what, and what the mask leaves of it.
fn kind_of(attn: Attn, rule: &AttentionRule) -> String {
    let kind = if attn.cross { "attention of the target to the text" } else { "self-attention" };
    match rule.mask {
        Mask::Full => kind.to_owned(),
        Mask::Causal => format!("{kind}, causal"),
        Mask::Window(reach) => format!("{kind}, {reach} tokens to both sides"),
        Mask::CausalWindow(width) => format!("{kind}, the last {width} tokens"),
    }
}

/// How strong a weight is drawn, from 0 to 1: the page's scale when it opens.
fn strength_of(weight: f64) -> f64 {
    weight.sqrt()
}

/// Runs of tokens of one segment, from the first to before the last: the sentences.
fn sentences(tokens: &[Token]) -> Vec<(u32, Range<usize>)> {
    let mut runs: Vec<(u32, Range<usize>)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match runs.last_mut() {
            Some((segment, run)) if *segment == token.segment => run.end = at + 1,
            _ => runs.push((token.segment, at..at + 1)),
        }
    }
    runs
}

/// What a sentence's bracket says.
fn letter_of(segment: u32) -> String {
    match segment {
        0 => "A".into(),
        1 => "B".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
