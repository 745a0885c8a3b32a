//! What a page needs of a trace: the same container, the same metadata, a picture and a few numbers
//! of each head, and the means to show any pattern.

mod carry;
mod keep;
mod narrow;
mod quantised;
mod rounded;

use std::collections::BTreeMap;

use headscope_trace::{AttentionRule, Attn, AttnPoint, Encoding, Site, Stack, Tensor, Trace};
use rayon::prelude::*;
use serde::Serialize;

pub(crate) use self::carry::PAGE_BYTES;
use self::keep::{slim, spell_out};
pub use self::rounded::{WITHIN as ROUNDED_WITHIN, rounded};
use crate::metrics::{METRICS, Meter};
use crate::{ViewError, atlas};

/// What a page shows first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Focus {
    /// The view; `head` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// The layer, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// The head, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// The heads of that layer that are drawn over each other, where it is not that one alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<usize>,
    /// `light` or `dark`; as the surroundings when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
}

/// Which attention of a model: where there is one stack, that of its tokens to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The only stack.
    Only,
    /// The encoder's tokens to each other.
    Encoder,
    /// The decoder's tokens to each other.
    Decoder,
    /// The decoder's tokens to the encoder's.
    Cross,
}

impl Part {
    const ALL: [Part; 4] = [Part::Only, Part::Encoder, Part::Decoder, Part::Cross];

    /// The part that a block belongs to.
    pub fn of(attn: Attn) -> Part {
        match (attn.stack, attn.cross) {
            (_, true) => Part::Cross,
            (Stack::Only, _) => Part::Only,
            (Stack::Encoder, _) => Part::Encoder,
            (Stack::Decoder, _) => Part::Decoder,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Part::Only => "a single stack",
            Part::Encoder => "encoder",
            Part::Decoder => "decoder",
            Part::Cross => "cross",
        }
    }
}

/// The longest text shown: the weights of one head are held at once, 1 GiB at this length.
const MAX_TOKENS: usize = 1 << 14;

/// The most heads shown, several times those of any model. Every block is given a place for as many
/// as the widest has, so a trace of one wide block and many narrow ones could ask for the square of
/// its size.
const MAX_HEADS: usize = 1 << 16;

/// The longest text of which all patterns are recorded at once: 0.6 GB of 144 heads.
const RECORDED: usize = 1 << 10;

/// What is told of a head without its weights.
struct Measured {
    thumbnail: Vec<u8>,
    metrics: Vec<f32>,
    row_sum_error: Option<f32>,
}

/// A trace made ready to be shown.
pub struct ViewData {
    trace: Trace,
    blocks: Vec<Attn>,
    n_heads: usize,
    side: usize,
    atlas: Vec<u8>, // [blocks, heads, side, side], filled from the upper left as far as a block's texts reach
    metrics: Vec<f32>, // [metrics, blocks, heads]
    vectors: BTreeMap<Site, Tensor>, // what scores are made of, where it is not what tells patterns
    /// How long the pass took, in milliseconds, if known.
    pub traced_ms: Option<f64>,
}

impl ViewData {
    /// What to record of each attention block for a view: the pattern, which is drawn and measured, the
    /// queries and keys that can stand for it, and whatever else its scores are made of.
    pub const POINTS: [AttnPoint; 7] = [
        AttnPoint::Q,
        AttnPoint::K,
        AttnPoint::Pattern,
        AttnPoint::QPre,
        AttnPoint::KPre,
        AttnPoint::PosQ,
        AttnPoint::PosK,
    ];

    /// Draws the atlas and measures every head, then keeps of the trace what a view reads: per block the
    /// pattern, or the queries and keys it is computed from, and what its scores are made of. Blocks of which the
    /// trace has neither pattern nor queries and keys are left out.
    ///
    /// # Errors
    /// If nothing is left, the text is empty, or there is more than can be shown.
    pub fn new(trace: Trace) -> Result<ViewData, ViewError> {
        ViewData::with_patterns(trace, Trace::pattern)
    }

    /// What to record of a text of so many tokens. Where all patterns would take several times the room of the
    /// queries and keys that tell them, one at a time is computed, by
    /// [`with_patterns`](ViewData::with_patterns).
    pub fn points(tokens: usize) -> Vec<AttnPoint> {
        let is_kept = |point: &AttnPoint| tokens <= RECORDED || *point != AttnPoint::Pattern;
        ViewData::POINTS.into_iter().filter(is_kept).collect()
    }

    /// As [`new`](ViewData::new), with a quicker way to a head's weights than the plain loops of a trace.
    ///
    /// # Errors
    /// As [`new`](ViewData::new).
    pub fn with_patterns(
        mut trace: Trace,
        pattern: impl Fn(&Trace, Attn, usize) -> Option<Tensor> + Sync,
    ) -> Result<ViewData, ViewError> {
        let texts = [Some(&trace.encoding), trace.target.as_ref()].into_iter().flatten();
        if texts.clone().any(Encoding::is_empty) {
            return Err(ViewError::NoToken);
        }
        let longest = texts.map(Encoding::len).max().unwrap_or(0);
        let blocks: Vec<Attn> =
            trace.rules().iter().map(|(attn, _)| *attn).filter(|attn| trace.tells_patterns(*attn)).collect();
        let heads_of = |attn: &Attn| trace.rule(*attn).map_or(0, |rule| rule.query_heads);
        let n_heads = blocks.iter().map(heads_of).max().ok_or(ViewError::NoAttention)?;

        let too_many = |what, found, limit| ViewError::TooMany { what, found, limit };
        if longest > MAX_TOKENS {
            return Err(too_many("tokens", longest, MAX_TOKENS));
        }
        if blocks.len().saturating_mul(n_heads) > MAX_HEADS {
            return Err(too_many("heads", blocks.len().saturating_mul(n_heads), MAX_HEADS));
        }
        let meters: BTreeMap<(Stack, bool), Meter> =
            blocks.iter().map(|attn| ((attn.stack, attn.cross), meter_of(&trace, *attn))).collect();
        let places: Vec<(Attn, usize)> =
            blocks.iter().flat_map(|attn| (0..n_heads).map(|head| (*attn, head))).collect();
        let side = atlas::side(longest);
        let sums_known = trace.card.row_sum_error.is_some();
        let measured: Vec<Measured> = places
            .par_iter()
            .map(|(attn, head)| match pattern(&trace, *attn, *head) {
                Some(pattern) => Measured {
                    thumbnail: atlas::thumbnail(&pattern, side),
                    metrics: meters[&(attn.stack, attn.cross)].measure(&pattern),
                    row_sum_error: trace
                        .rule(*attn)
                        .filter(|rule| !sums_known && rule.sink.is_none())
                        .and_then(|_| Trace::row_sum_error_of(&pattern)),
                },
                // A narrower block.
                None => Measured {
                    thumbnail: vec![0; side * side],
                    metrics: vec![f32::NAN; METRICS.len()],
                    row_sum_error: None,
                },
            })
            .collect();
        let metrics = (0..METRICS.len())
            .flat_map(|metric| measured.iter().map(move |head| head.metrics[metric]))
            .collect();
        let atlas = measured.iter().flat_map(|head| &head.thumbnail).copied().collect();
        if !sums_known {
            trace.card.row_sum_error =
                measured.iter().filter_map(|head| head.row_sum_error).max_by(f32::total_cmp);
        }
        spell_out(&mut trace, &blocks);
        let vectors = slim(&mut trace, &blocks);
        Ok(ViewData { trace, blocks, n_heads, side, atlas, metrics, vectors, traced_ms: None })
    }

    /// The trace, without what no view reads.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The weights of a head of the `layer`-th block shown, `[queries, keys]`.
    ///
    /// # Errors
    /// If there is no such layer or head.
    pub fn pattern(&self, layer: usize, head: usize) -> Result<Tensor, ViewError> {
        let (attn, rule) = self.rule(layer)?;
        let out_of = ViewError::OutOfRange { what: "head", found: head, n: rule.query_heads };
        self.trace.pattern(attn, head).ok_or(out_of)
    }

    /// How many weights a head of the `layer`-th block shown has; 0 if there is no such block.
    pub fn weights(&self, layer: usize) -> usize {
        let tokens = |stack| self.trace.encoding_of(stack).len();
        self.block(layer).map_or(0, |attn| tokens(attn.stack) * tokens(attn.key_stack()))
    }

    /// The `layer`-th block shown, and its rule.
    fn rule(&self, layer: usize) -> Result<(Attn, &AttentionRule), ViewError> {
        let out_of = ViewError::OutOfRange { what: "layer", found: layer, n: self.blocks.len() };
        let attn = *self.blocks.get(layer).ok_or(out_of)?;
        Ok((attn, self.trace.rule(attn).expect("only blocks with a rule are shown")))
    }

    /// The blocks shown, in the order of a pass.
    pub fn blocks(&self) -> &[Attn] {
        &self.blocks
    }

    /// What [`METRICS`] say of every head, `[metrics, blocks, heads]`; NaN where one means nothing.
    pub fn metrics(&self) -> Tensor {
        Tensor::new([METRICS.len(), self.blocks.len(), self.n_heads], self.metrics.clone())
    }

    /// The `layer`-th block shown.
    pub fn block(&self, layer: usize) -> Option<Attn> {
        self.blocks.get(layer).copied()
    }

    /// The place, among the blocks shown, of what the model counts as layer `layer` of a part: of the
    /// encoder of two stacks, their decoder, or the attention between them. They differ where only some
    /// layers were recorded. The first part shown is meant when none is named.
    ///
    /// # Errors
    /// If that part or layer is not shown; names those that are.
    pub fn place_of(&self, part: Option<Part>, layer: usize) -> Result<usize, ViewError> {
        let part = self.part_or_first(part)?;
        let of_part = || self.blocks.iter().enumerate().filter(|(_, attn)| Part::of(**attn) == part);
        of_part().find(|(_, attn)| attn.layer == layer).map(|(place, _)| place).ok_or_else(|| {
            let shown: Vec<String> = of_part().map(|(_, attn)| attn.layer.to_string()).collect();
            ViewError::NotShown { layer, shown: shown.join(", ") }
        })
    }

    /// The part that is meant: the first one shown when none is named.
    ///
    /// # Errors
    /// If that part is not shown; names those that are.
    pub fn part_or_first(&self, part: Option<Part>) -> Result<Part, ViewError> {
        let first = self.blocks.first().map_or(Part::Only, |attn| Part::of(*attn));
        let part = part.unwrap_or(first);
        let is_shown = |part: &Part| self.blocks.iter().any(|attn| Part::of(*attn) == *part);
        if is_shown(&part) {
            return Ok(part);
        }
        let shown: Vec<&str> = Part::ALL.into_iter().filter(is_shown).map(Part::name).collect();
        Err(ViewError::NoPart { part: part.name(), shown: shown.join(", ") })
    }

    /// Whether a focus points into the trace.
    ///
    /// # Errors
    /// Names what does not exist.
    pub fn check(&self, focus: &Focus) -> Result<(), ViewError> {
        let heads = focus.head.into_iter().chain(focus.heads.iter().copied()).max();
        self.pattern(focus.layer.unwrap_or(0), heads.unwrap_or(0)).map(drop)
    }
}

/// A meter for the texts that a block's queries and keys are of.
fn meter_of(trace: &Trace, attn: Attn) -> Meter {
    let [queries, keys] = [attn.stack, attn.key_stack()].map(|stack| trace.encoding_of(stack));
    if attn.cross { Meter::across(queries, keys) } else { Meter::new(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headscope_trace::{Card, Container};

    pub(super) fn trace(tokens: usize, sites: &[AttnPoint]) -> Trace {
        let encoding = Encoding::from_ids(&(0..tokens as u32).collect::<Vec<_>>(), |id| format!("t{id}"));
        let rules = (0..2).map(|layer| (Attn::block(layer), AttentionRule::full(0.5, 3))).collect();
        let mut trace = Trace::new(Card::new("tiny", "bert"), encoding, rules);
        for point in sites {
            let attn = Attn::block(1); // only the second layer was recorded
            let shape = match point {
                AttnPoint::Pattern => vec![3, tokens, tokens],
                AttnPoint::Lse => vec![3, tokens],
                AttnPoint::PosK => vec![3, 4, 4],
                _ => vec![3, tokens, 4],
            };
            let n: usize = shape.iter().product();
            trace.insert(attn.site(*point), Tensor::new(shape, vec![1.0 / tokens as f32; n]));
        }
        trace
    }

    #[test]
    fn a_long_text_is_told_by_queries_and_keys() {
        assert!(ViewData::points(RECORDED).contains(&AttnPoint::Pattern));
        assert!(!ViewData::points(RECORDED + 1).contains(&AttnPoint::Pattern));
        assert!(ViewData::points(RECORDED + 1).contains(&AttnPoint::K));
    }

    #[test]
    fn what_cannot_be_shown_is_said() {
        assert!(matches!(ViewData::new(trace(3, &[AttnPoint::Q])), Err(ViewError::NoAttention)));
        assert!(matches!(ViewData::new(trace(0, &[])), Err(ViewError::NoToken)));
        let long = ViewData::new(trace(MAX_TOKENS + 1, &[AttnPoint::Q, AttnPoint::K])).err().unwrap();
        assert_eq!(long.to_string(), "the trace has 16385 tokens; at most 16384 can be shown");
        let data = ViewData::new(trace(3, &[AttnPoint::Pattern])).unwrap();
        assert_eq!(
            data.pattern(1, 0).unwrap_err().to_string(),
            "there is no layer 1; the trace has layers 0 to 0"
        );
        assert!(data.pattern(0, 3).is_err());
        assert!(data.check(&Focus { head: Some(3), ..Focus::default() }).is_err());
        assert!(data.check(&Focus { heads: vec![0, 3], ..Focus::default() }).is_err());
        assert!(data.check(&Focus::default()).is_ok());
    }

    /// One layer of each stack, a text of five tokens and a target of three.
    fn of_two_stacks() -> Trace {
        let ids = |n: u32| Encoding::from_ids(&(0..n).collect::<Vec<_>>(), |id| format!("t{id}"));
        let attn = |stack, cross| Attn { stack, layer: 0, cross };
        let blocks = [attn(Stack::Encoder, false), attn(Stack::Decoder, false), attn(Stack::Decoder, true)];
        let rules = blocks.map(|attn| (attn, AttentionRule::full(0.5, 2))).to_vec();
        let mut trace = Trace::new(Card::new("tiny", "t5"), ids(5), rules);
        trace.target = Some(ids(3));
        for (attn, [queries, keys]) in blocks.into_iter().zip([[5, 5], [3, 3], [3, 5]]) {
            let uniform = vec![1.0 / keys as f32; 2 * queries * keys];
            trace.insert(attn.site(AttnPoint::Pattern), Tensor::new([2, queries, keys], uniform));
        }
        trace
    }

    #[test]
    fn blocks_of_two_stacks_have_sides_of_their_own() {
        let data = ViewData::new(of_two_stacks()).unwrap();
        assert_eq!(
            [0, 1, 2].map(|layer| data.pattern(layer, 1).unwrap().shape().to_vec()),
            [[5, 5], [3, 3], [3, 5]]
        );
        let cells = |block: usize| data.atlas[block * 50..][..25].iter().filter(|cell| **cell > 0).count();
        assert_eq!([0, 1, 2].map(cells), [25, 9, 15]);
        let distance = METRICS.iter().position(|metric| metric.key == "distance").unwrap();
        let defined = |block: usize| !data.metrics[(distance * 3 + block) * 2].is_nan();
        assert_eq!([0, 1, 2].map(defined), [true, true, false]);

        let places = [None, Some(Part::Encoder), Some(Part::Decoder), Some(Part::Cross)];
        assert_eq!(places.map(|part| data.place_of(part, 0).unwrap()), [0, 0, 1, 2]);
        let message = |part, layer| data.place_of(part, layer).unwrap_err().to_string();
        assert_eq!(message(Some(Part::Cross), 1), "there is no layer 1 to show; the trace has 0");
        assert_eq!(
            message(Some(Part::Only), 0),
            "a single stack cannot be shown; the trace has encoder, decoder, cross"
        );
    }

    #[test]
    fn a_trace_file_stays_readable_beside() {
        let mut bytes = Vec::new();
        trace(3, &[AttnPoint::Pattern]).write(&mut bytes).unwrap();
        assert_eq!(Container::read(&bytes, "t").unwrap().tensors.len(), 1);
    }
}
