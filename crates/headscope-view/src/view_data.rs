//! What a page needs of a trace: the same container, the same metadata, a picture and a few numbers
//! of each head, and the means to show any pattern.

use std::collections::{BTreeMap, BTreeSet};

use headscope_trace::{
    AttentionRule, Attn, AttnPoint, Encoding, Position, Section, Site, Stack, Tensor, Trace, Values,
    write_safetensors,
};
use rayon::prelude::*;
use serde::Serialize;

use crate::metrics::{METRICS, Meter};
use crate::narrow::{self, Narrow};
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

/// What scores are made of, in the order in which a page does without it when it grows too large.
const VECTORS: [&[AttnPoint]; 2] =
    [&[AttnPoint::Q, AttnPoint::K, AttnPoint::PosQ, AttnPoint::PosK], &[AttnPoint::QPre, AttnPoint::KPre]];

/// How many bytes of numbers a page carries before it does without what only one view reads; packed and
/// written in letters they take a fifth more.
const PAGE_BYTES: usize = 48 << 20;

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
        let measured: Vec<Measured> = places
            .par_iter()
            .map(|(attn, head)| match pattern(&trace, *attn, *head) {
                Some(pattern) => Measured {
                    thumbnail: atlas::thumbnail(&pattern, side),
                    metrics: meters[&(attn.stack, attn.cross)].measure(&pattern),
                    row_sum_error: trace
                        .rule(*attn)
                        .filter(|rule| rule.sink.is_none())
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
        if trace.card.row_sum_error.is_none() {
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

    /// What the scores of a head of the `layer`-th block shown are made of, as far as it was recorded: a
    /// container of `q` and `k`, `[tokens, d_head]`, both before rotary as `q_pre` and `k_pre`, and what queries
    /// and keys meet for each distance `key − query`, from `1 − queries` up to `keys − 1`, as `pos_k` and `pos_q`.
    ///
    /// # Errors
    /// If there is no such layer or head.
    pub fn vectors(&self, layer: usize, head: usize) -> Result<Vec<u8>, ViewError> {
        let (attn, rule) = self.rule(layer)?;
        if head >= rule.query_heads {
            return Err(ViewError::OutOfRange { what: "head", found: head, n: rule.query_heads });
        }
        let of_head = |point: &AttnPoint| {
            let site = attn.site(*point);
            let all = self.trace.get(site).or_else(|| self.vectors.get(&site))?;
            let index = if is_of_keys(*point) { rule.key_head(head) } else { head };
            Some((point_name(site), all.index(index)))
        };
        let found: Vec<(String, Tensor)> = VECTORS.concat().iter().filter_map(of_head).collect();
        let sections: Vec<Section<'_>> =
            found.iter().map(|(name, value)| section(name.clone(), value)).collect();
        let mut bytes = Vec::new();
        write_safetensors(&mut bytes, &BTreeMap::new(), &sections)
            .expect("a vector takes all that is written");
        Ok(bytes)
    }

    /// The `layer`-th block shown, and its rule.
    fn rule(&self, layer: usize) -> Result<(Attn, &AttentionRule), ViewError> {
        let out_of = ViewError::OutOfRange { what: "layer", found: layer, n: self.blocks.len() };
        let attn = *self.blocks.get(layer).ok_or(out_of)?;
        Ok((attn, self.trace.rule(attn).expect("only blocks with a rule are shown")))
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
        let first = self.blocks.first().map_or(Part::Only, |attn| Part::of(*attn));
        let part = part.unwrap_or(first);
        let of_part = || self.blocks.iter().enumerate().filter(|(_, attn)| Part::of(**attn) == part);
        if of_part().next().is_none() {
            let is_shown = |part: &Part| self.blocks.iter().any(|attn| Part::of(*attn) == *part);
            let shown: Vec<&str> = Part::ALL.into_iter().filter(is_shown).map(Part::name).collect();
            return Err(ViewError::NoPart { part: part.name(), shown: shown.join(", ") });
        }
        of_part().find(|(_, attn)| attn.layer == layer).map(|(place, _)| place).ok_or_else(|| {
            let shown: Vec<String> = of_part().map(|(_, attn)| attn.layer.to_string()).collect();
            ViewError::NotShown { layer, shown: shown.join(", ") }
        })
    }

    /// Whether a focus points into the trace.
    ///
    /// # Errors
    /// Names what does not exist.
    pub fn check(&self, focus: &Focus) -> Result<(), ViewError> {
        self.pattern(focus.layer.unwrap_or(0), focus.head.unwrap_or(0)).map(drop)
    }

    /// Text, rules, atlas and metrics: what the first picture needs besides one pattern.
    pub fn overview(&self) -> Vec<u8> {
        self.container(Vec::new(), &[], None)
    }

    /// The same with all that a page without a server needs: per block the pattern, or the queries and
    /// keys it is computed from, whichever is smaller; and what scores are made of, as far as the page stays of a
    /// modest size. What does not is named as `left_out`.
    pub fn whole(&self) -> Vec<u8> {
        self.within(PAGE_BYTES)
    }

    fn within(&self, most: usize) -> Vec<u8> {
        let mut sections = self.trace.sections();
        let mut taken: usize = self.trace.values().map(|(_, value)| value.len() * size_of::<f32>()).sum();
        let narrow = if taken > most { self.narrow() } else { Vec::new() };
        for (site, vectors) in &narrow {
            let name = site.to_string();
            sections.retain(|section| section.name != name);
            sections.extend(vectors.sections(&name));
        }
        let mut left_out = Vec::new();
        for points in VECTORS {
            let of_points = |site: &Site| site.attn().is_some_and(|(_, point)| points.contains(&point));
            let found = || self.vectors.iter().filter(|(site, _)| of_points(site));
            let bytes: usize = found().map(|(_, value)| value.len() * size_of::<f32>()).sum();
            if taken + bytes <= most {
                taken += bytes;
                let carried: BTreeSet<Site> = found().map(|(site, _)| *site).collect();
                sections.retain(|section| !self.is_told_by(section, &carried));
                sections.extend(found().map(|(site, value)| section(site.to_string(), value)));
            } else {
                left_out.extend(found().map(|(site, _)| point_name(*site)).collect::<BTreeSet<_>>());
            }
        }
        self.container(sections, &left_out, self.loss(&narrow))
    }

    /// Whether a section is of patterns that a page computes from queries and keys which it carries too.
    fn is_told_by(&self, section: &Section<'_>, carried: &BTreeSet<Site>) -> bool {
        self.blocks.iter().any(|attn| {
            section.name == attn.site(AttnPoint::Pattern).to_string()
                && [AttnPoint::Q, AttnPoint::K].iter().all(|point| carried.contains(&attn.site(*point)))
                && !self.trace.rule(*attn).is_some_and(is_beyond_a_page)
        })
    }

    /// Queries and keys in fewer digits: those that tell patterns.
    fn narrow(&self) -> Vec<(Site, Narrow)> {
        let told: Vec<(Site, &Tensor)> = self.trace.values().collect();
        let is_vector = |site: &Site| matches!(site.attn(), Some((_, AttnPoint::Q | AttnPoint::K)));
        let narrowed = told
            .par_iter()
            .filter(|(site, _)| is_vector(site))
            .map(|(site, value)| (*site, Narrow::new(value)));
        narrowed.collect()
    }

    /// How far off the page's weights may be for it.
    fn loss(&self, narrow: &[(Site, Narrow)]) -> Option<f64> {
        let of = |site: Site| narrow.iter().find(|(other, _)| *other == site).map(|(_, narrow)| narrow);
        let losses = self.blocks.par_iter().filter_map(|attn| {
            let sites = [AttnPoint::Q, AttnPoint::K].map(|point| attn.site(point));
            let wide = [self.trace.get(sites[0])?, self.trace.get(sites[1])?];
            Some(narrow::loss(self.trace.rule(*attn)?, wide, [of(sites[0])?, of(sites[1])?]))
        });
        losses.reduce_with(f64::max)
    }

    fn container<'a>(
        &'a self,
        mut sections: Vec<Section<'a>>,
        left_out: &[String],
        loss: Option<f64>,
    ) -> Vec<u8> {
        let mut metadata = self.trace.metadata();
        if let Some(loss) = loss {
            metadata.insert("weights_within", format!("{loss:.1e}"));
        }
        if !left_out.is_empty() {
            metadata.insert("left_out", serde_json::to_string(left_out).expect("strings serialize"));
        }
        let shown: Vec<String> = self.blocks.iter().map(ToString::to_string).collect();
        metadata.insert("blocks", serde_json::to_string(&shown).expect("strings serialize"));
        metadata.insert("metrics", serde_json::to_string(METRICS).expect("plain structs serialize"));
        if let Some(ms) = self.traced_ms {
            metadata.insert("traced_ms", format!("{ms:.1}"));
        }
        let (blocks, heads, side) = (self.blocks.len(), self.n_heads, self.side);
        sections.push(Section {
            name: "metrics".into(),
            shape: vec![METRICS.len(), blocks, heads],
            values: Values::F32(&self.metrics),
        });
        sections.push(Section {
            name: "atlas".into(),
            shape: vec![blocks, heads, side, side],
            values: Values::U8(&self.atlas),
        });
        sections.extend(self.trace.picture_section());
        sections.sort_by_key(|section| matches!(section.values, Values::U8(_))); // numbers first: they stay aligned
        let mut bytes = Vec::new();
        write_safetensors(&mut bytes, &metadata, &sections).expect("a vector takes all that is written");
        bytes
    }
}

/// A meter for the texts that a block's queries and keys are of.
fn meter_of(trace: &Trace, attn: Attn) -> Meter {
    let [queries, keys] = [attn.stack, attn.key_stack()].map(|stack| trace.encoding_of(stack));
    if attn.cross { Meter::across(queries, keys) } else { Meter::new(keys) }
}

/// Whether patterns take more than queries, keys and what their distance adds, which is all that a page
/// computes them from.
fn is_beyond_a_page(rule: &AttentionRule) -> bool {
    matches!(rule.position, Some(Position::Disentangled(_)))
}

/// Records the patterns of blocks that a page would draw without their term of position.
fn spell_out(trace: &mut Trace, blocks: &[Attn]) {
    for &attn in
        blocks.iter().filter(|attn| trace.get(attn.site(AttnPoint::Pattern)).is_none()).collect::<Vec<_>>()
    {
        let Some(rule) = trace.rule(attn).filter(|rule| is_beyond_a_page(rule)) else { continue };
        let heads: Vec<Tensor> =
            (0..rule.query_heads).into_par_iter().filter_map(|head| trace.pattern(attn, head)).collect();
        let Some(first) = heads.first() else { continue };
        let shape = [&[heads.len()], first.shape()].concat();
        let pattern = Tensor::new(shape, heads.iter().flat_map(|head| head.iter().copied()).collect());
        trace.insert(attn.site(AttnPoint::Pattern), pattern);
    }
}

/// Forgets what no view reads, and takes out what tells no pattern but is what scores are made of.
fn slim(trace: &mut Trace, blocks: &[Attn]) -> BTreeMap<Site, Tensor> {
    let kept: BTreeSet<Site> = blocks.iter().flat_map(|attn| told_by(trace, *attn)).collect();
    let others: Vec<Site> =
        trace.values().map(|(site, _)| site).filter(|site| !kept.contains(site)).collect();
    let shown = |(attn, point): &(Attn, AttnPoint)| {
        blocks.contains(attn) && VECTORS.iter().any(|points| points.contains(point))
    };
    let vector = |site: &Site| {
        let (attn, point) = site.attn().filter(shown)?;
        let value = trace.get(*site)?;
        let is_met = matches!(point, AttnPoint::PosQ | AttnPoint::PosK);
        Some((*site, if is_met { by_distance(trace, attn, value)? } else { value.clone() }))
    };
    let vectors = others.iter().filter_map(vector).collect();
    for site in others {
        trace.remove(site);
    }
    vectors
}

/// Of a table of vectors that queries or keys meet those of the text's own distances, in order; none if it was
/// recorded without what it meets.
fn by_distance(trace: &Trace, attn: Attn, table: &Tensor) -> Option<Tensor> {
    let Some(Position::Disentangled(term)) = &trace.rule(attn)?.position else { return None };
    let q = trace.get(attn.site(AttnPoint::Q))?;
    let (heads, all, d_head) = (table.shape()[0], table.shape()[1], table.shape()[2]);
    if q.shape()[2] != d_head {
        return None; // a damaged file's; it could be many times as large as all that was read
    }
    let [queries, keys] = [attn.stack, attn.key_stack()].map(|stack| trace.encoding_of(stack).len());
    let places = term.places(queries, keys);
    let rows = (0..heads).flat_map(|head| places.iter().map(move |place| head * all + place));
    let values = rows.flat_map(|row| table.row(row)).copied().collect();
    Some(Tensor::new([heads, places.len(), d_head], values))
}

/// Whether heads that share keys share these vectors too.
fn is_of_keys(point: AttnPoint) -> bool {
    matches!(point, AttnPoint::K | AttnPoint::KPre)
}

/// The last word of a site: `q_pre` of `blocks.3.attn.q_pre`.
fn point_name(site: Site) -> String {
    let site = site.to_string();
    site.rsplit('.').next().unwrap_or(&site).to_owned()
}

fn section(name: String, value: &Tensor) -> Section<'_> {
    Section { name, shape: value.shape().to_vec(), values: Values::F32(value) }
}

/// The sites that tell a block's patterns in the fewest numbers.
fn told_by(trace: &Trace, attn: Attn) -> Vec<Site> {
    let [q, k, pattern] = [AttnPoint::Q, AttnPoint::K, AttnPoint::Pattern].map(|point| attn.site(point));
    let len = |site| trace.get(site).map(|value| value.len());
    if trace.rule(attn).is_some_and(is_beyond_a_page) {
        return vec![pattern];
    }
    match (len(pattern), len(q), len(k)) {
        (None, ..) => vec![q, k],
        (Some(pattern_len), Some(q_len), Some(k_len)) if q_len + k_len < pattern_len => vec![q, k],
        _ => vec![pattern],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headscope_trace::{Card, Container, Disentangled};

    fn trace(tokens: usize, sites: &[AttnPoint]) -> Trace {
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

    fn names(bytes: &[u8]) -> Vec<String> {
        // The reader of traces takes F32 alone, and the atlas is bytes: parse the header here.
        let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&bytes[8..8 + len]).unwrap();
        header.keys().filter(|name| *name != "__metadata__").cloned().collect()
    }

    #[test]
    fn a_page_carries_the_smaller_of_patterns_and_queries_and_keys() {
        use AttnPoint::{K, Lse, Pattern, Q, V};
        let rows: [(usize, &[AttnPoint], &[&str]); 4] = [
            (4, &[Pattern, V, Lse], &["atlas", "blocks.1.attn.pattern", "metrics"]),
            (40, &[Pattern, Q, K, Lse], &["atlas", "blocks.1.attn.k", "blocks.1.attn.q", "metrics"]),
            (40, &[Pattern], &["atlas", "blocks.1.attn.pattern", "metrics"]),
            (4, &[Q, K], &["atlas", "blocks.1.attn.k", "blocks.1.attn.q", "metrics"]),
        ];
        for (tokens, sites, expected) in rows {
            let data = ViewData::new(trace(tokens, sites)).unwrap();
            assert_eq!(names(&data.whole()), expected);
            assert_eq!(names(&data.overview()), ["atlas", "metrics"]);
        }
    }

    #[test]
    fn what_scores_are_made_of_is_carried_while_there_is_room() {
        use AttnPoint::{K, KPre, Pattern, Q, QPre};
        let data = ViewData::new(trace(4, &[Pattern, Q, K, QPre, KPre])).unwrap();
        let carried = |most: usize| {
            let bytes = data.within(most);
            let points = names(&bytes)
                .into_iter()
                .filter_map(|name| Some(name.strip_prefix("blocks.1.attn.")?.to_owned()));
            let header = String::from_utf8_lossy(&bytes).into_owned();
            let left_out =
                header.split("left_out\":\"").nth(1).map(|rest| rest.split(']').next().unwrap().to_owned());
            (points.collect::<Vec<_>>().join(" "), left_out.unwrap_or_default().replace('\\', ""))
        };
        let (pattern, vectors) = (3 * 4 * 4 * 4, 2 * 3 * 4 * 4 * 4); // bytes
        let rows = [
            (pattern + 2 * vectors, "k k_pre q q_pre", ""),
            (pattern + vectors, "k q", r#"["k_pre","q_pre""#),
            (0, "pattern", r#"["k","q","k_pre","q_pre""#),
        ];
        for (most, points, left_out) in rows {
            assert_eq!(carried(most), (points.to_owned(), left_out.to_owned()), "{most} bytes");
        }
        assert_eq!(data.whole(), data.within(pattern + 2 * vectors));
    }

    #[test]
    fn a_page_of_a_long_text_has_a_byte_a_number_and_says_so() {
        use AttnPoint::{K, Q};
        let data = ViewData::new(trace(40, &[Q, K])).unwrap();
        let (wide, narrow) = (data.within(usize::MAX), data.within(0));
        assert!(names(&wide).contains(&"blocks.1.attn.q".to_owned()));
        let parts = ["bytes", "dims", "means", "steps"].map(|part| format!("blocks.1.attn.q.{part}"));
        assert!(parts.iter().all(|part| names(&narrow).contains(part)));
        assert!(!names(&narrow).contains(&"blocks.1.attn.q".to_owned()));
        assert!(String::from_utf8_lossy(&narrow).contains("weights_within"));
        assert!(!String::from_utf8_lossy(&wide).contains("weights_within"));
        assert!(narrow.len() < wide.len());
    }

    #[test]
    fn a_long_text_is_told_by_queries_and_keys() {
        assert!(ViewData::points(RECORDED).contains(&AttnPoint::Pattern));
        assert!(!ViewData::points(RECORDED + 1).contains(&AttnPoint::Pattern));
        assert!(ViewData::points(RECORDED + 1).contains(&AttnPoint::K));
    }

    #[test]
    fn vectors_are_those_of_a_head_and_of_the_keys_it_asks() {
        use AttnPoint::{K, Pattern, Q};
        let mut rule = AttentionRule::full(0.5, 4);
        rule.key_heads = 2;
        let attn = Attn::block(0);
        let encoding = Encoding::from_ids(&[0, 1, 2], |id| format!("t{id}"));
        let mut grouped = Trace::new(Card::new("tiny", "llama"), encoding, vec![(attn, rule)]);
        let count = |heads: usize| Tensor::new([heads, 3, 2], (0..heads * 6).map(|i| i as f32).collect());
        grouped.insert(attn.site(Q), count(4));
        grouped.insert(attn.site(K), count(2));
        let data = ViewData::new(grouped).unwrap();
        let tensors = Container::read(&data.vectors(0, 3).unwrap(), "vectors").unwrap().tensors;
        let first: Vec<(&str, f32)> = tensors.iter().map(|(name, value)| (name.as_str(), value[0])).collect();
        assert_eq!(first, [("q", 18.0), ("k", 6.0)]);
        assert!(data.vectors(0, 4).is_err() && data.vectors(1, 0).is_err());

        let silent = ViewData::new(trace(3, &[Pattern])).unwrap();
        assert!(Container::read(&silent.vectors(0, 0).unwrap(), "vectors").unwrap().tensors.is_empty());
    }

    #[test]
    fn terms_of_position_are_never_left_out() {
        use AttnPoint::{K, Pattern, PosK, Q};
        let disentangled = |sites: &[AttnPoint]| {
            let term = Disentangled { span: 2, max_distance: None, queries_meet: true, keys_meet: false };
            let plain = trace(40, sites);
            let rules = plain.rules().iter().map(|(attn, rule)| {
                (
                    *attn,
                    AttentionRule { position: Some(Position::Disentangled(term.clone())), ..rule.clone() },
                )
            });
            let mut trace = Trace::new(plain.card.clone(), plain.encoding.clone(), rules.collect());
            plain.values().for_each(|(site, value)| trace.insert(site, value.clone()));
            trace
        };
        for sites in [&[Pattern, Q, K][..], &[Q, K, PosK]] {
            let data = ViewData::new(disentangled(sites)).unwrap();
            assert_eq!(names(&data.within(0)), ["atlas", "blocks.1.attn.pattern", "metrics"]);
        }
        // What queries meet: one vector for each of the 79 distances of 40 tokens, of the 4 in the table.
        let data = ViewData::new(disentangled(&[Q, K, PosK])).unwrap();
        let met = Container::read(&data.vectors(0, 2).unwrap(), "vectors").unwrap().tensors;
        let shapes: Vec<(&str, &[usize])> =
            met.iter().map(|(name, value)| (name.as_str(), value.shape())).collect();
        assert_eq!(shapes, [("q", &[40, 4][..]), ("k", &[40, 4]), ("pos_k", &[79, 4])]);
        assert!(matches!(ViewData::new(disentangled(&[Q, K])), Err(ViewError::NoAttention)));
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
