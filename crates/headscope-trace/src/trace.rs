//! The trace of one text, in memory and on disk.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::picture;
use crate::{
    AttentionRule, Attn, AttnPoint, Container, Encoding, Head, Picture, Point, Position, PositionTerm,
    Prediction, Section, Site, Stack, Tensor, TraceError, Values,
};
use crate::{write_atomically, write_safetensors};

/// The value of `format` in a trace file's metadata.
const FORMAT: &str = "headscope-trace/1";

/// Which model computed a trace, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The name or path the model was loaded by.
    pub id: String,
    /// What identifies the checkpoint's content (`sha256:…`).
    pub hash: String,
    /// Its family, by Hugging Face's `model_type`.
    pub family: String,
    /// The dtype of its weights at rest; arithmetic is f32.
    pub dtype: String,
    /// The revision asked for, if one was.
    pub revision: Option<String>,
    /// The instruction set and the accumulator that computed it.
    pub kernel: String,
    /// The largest |row sum − 1| over all recorded patterns; absent if none was recorded.
    pub row_sum_error: Option<f32>,
}

impl Card {
    /// A card with only a name and a family.
    pub fn new(id: impl Into<String>, family: impl Into<String>) -> Card {
        Card {
            id: id.into(),
            hash: String::new(),
            family: family.into(),
            dtype: "f32".into(),
            revision: None,
            kernel: String::new(),
            row_sum_error: None,
        }
    }
}

/// A layer's rule as it stands in the file.
#[derive(Serialize, Deserialize)]
struct RuleEntry<'a> {
    site: Cow<'a, str>,
    #[serde(flatten)]
    rule: Cow<'a, AttentionRule>,
}

/// What a model computed on one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The model.
    pub card: Card,
    /// The text.
    pub encoding: Encoding,
    /// What the decoder of two stacks read.
    pub target: Option<Encoding>,
    /// What was seen of an image, by models whose tokens are its patches.
    pub picture: Option<Picture>,
    /// How many tokens were given, where the model wrote the rest.
    pub prompt: Option<usize>,
    /// What the model expected where, if that was asked.
    pub predictions: Vec<Prediction>,
    /// The model's own numbers of the heads, where not all were kept.
    pub heads: Option<Vec<usize>>,
    rules: Vec<(Attn, AttentionRule)>,
    values: BTreeMap<Site, Tensor>,
}

impl Trace {
    /// A trace with no values yet.
    pub fn new(card: Card, encoding: Encoding, rules: Vec<(Attn, AttentionRule)>) -> Trace {
        Trace {
            card,
            encoding,
            target: None,
            picture: None,
            prompt: None,
            predictions: Vec::new(),
            heads: None,
            rules,
            values: BTreeMap::new(),
        }
    }

    /// Records the value at a site.
    pub fn insert(&mut self, site: Site, value: Tensor) {
        self.values.insert(site, value);
    }

    /// Forgets the value at a site, and returns it.
    pub fn remove(&mut self, site: Site) -> Option<Tensor> {
        self.values.remove(&site)
    }

    /// The value recorded at a site.
    pub fn get(&self, site: Site) -> Option<&Tensor> {
        self.values.get(&site)
    }

    /// Everything recorded, in the order of a pass.
    pub fn values(&self) -> impl Iterator<Item = (Site, &Tensor)> {
        self.values.iter().map(|(site, value)| (*site, value))
    }

    /// The attention blocks and their rules, in the order of a pass.
    pub fn rules(&self) -> &[(Attn, AttentionRule)] {
        &self.rules
    }

    /// The rule of one attention block.
    pub fn rule(&self, attn: Attn) -> Option<&AttentionRule> {
        self.rules.iter().find(|(a, _)| *a == attn).map(|(_, rule)| rule)
    }

    /// What the tokens of a stack are. (The text, where nothing was recorded that a decoder read.)
    pub fn encoding_of(&self, stack: Stack) -> &Encoding {
        self.target.as_ref().filter(|_| stack == Stack::Decoder).unwrap_or(&self.encoding)
    }

    /// Which keys of an attention block may be attended to, or `None` if all may.
    pub fn padding(&self, attn: Attn) -> Option<Vec<bool>> {
        self.encoding_of(attn.key_stack()).padding()
    }

    /// All weights of a head, `[queries, keys]`: recorded, or computed from queries and keys.
    /// `None` if neither was recorded or there is no such head.
    pub fn pattern(&self, attn: Attn, head: usize) -> Option<Tensor> {
        let rule = self.rule(attn).filter(|rule| head < rule.query_heads)?;
        if let Some(pattern) = self.get(attn.site(AttnPoint::Pattern)) {
            return Some(pattern.index(head));
        }
        let padding = self.padding(attn);
        let head = self.head(attn, head, rule, padding.as_deref())?;
        Some(head.tile(0..head.q.shape()[0], 0..head.k.shape()[0]))
    }

    /// The weights of some rows of a head on some columns, `[rows, cols]`; as
    /// [`pattern`](Trace::pattern) otherwise.
    ///
    /// # Panics
    /// If a range reaches past the queries or the keys.
    pub fn tile(&self, attn: Attn, head: usize, rows: Range<usize>, cols: Range<usize>) -> Option<Tensor> {
        let rule = self.rule(attn).filter(|rule| head < rule.query_heads)?;
        if let Some(pattern) = self.get(attn.site(AttnPoint::Pattern)) {
            let pattern = pattern.index(head);
            let shape = [rows.len(), cols.len()];
            let values = rows.flat_map(|row| pattern.row(row)[cols.clone()].to_vec()).collect();
            return Some(Tensor::new(shape, values));
        }
        let padding = self.padding(attn);
        Some(self.head(attn, head, rule, padding.as_deref())?.tile(rows, cols))
    }

    /// A head's queries and keys with its rule, if they were recorded.
    fn head<'a>(
        &self,
        attn: Attn,
        head: usize,
        rule: &'a AttentionRule,
        padding: Option<&'a [bool]>,
    ) -> Option<Head<'a>> {
        let q = self.get(attn.site(AttnPoint::Q))?.index(head);
        let k = self.get(attn.site(AttnPoint::K))?.index(rule.key_head(head));
        let position = match &rule.position {
            None => None,
            Some(position) => Some(self.position_term(attn, head, position, [q.shape()[0], k.shape()[0]])?),
        };
        Some(Head {
            position,
            q,
            k,
            lse: self.get(attn.site(AttnPoint::Lse)).map(|lse| lse.index(head)),
            sink: rule.sink.as_ref().map(|sink| sink[head]),
            rule,
            padding,
        })
    }

    /// A head's term of position for so many queries and keys; none if what it needs was not recorded.
    fn position_term(
        &self,
        attn: Attn,
        head: usize,
        position: &Position,
        [queries, keys]: [usize; 2],
    ) -> Option<PositionTerm> {
        let Position::Disentangled(term) = position else {
            return position.by_distance(head, queries, keys).map(PositionTerm::ByDistance);
        };
        let vectors = |point| Some(self.get(attn.site(point))?.index(head));
        Some(PositionTerm::Disentangled {
            places: term.places(queries, keys),
            pos_k: if term.queries_meet { Some(vectors(AttnPoint::PosK)?) } else { None },
            pos_q: if term.keys_meet { Some(vectors(AttnPoint::PosQ)?) } else { None },
        })
    }

    /// Whether a block's patterns were recorded, or all that they are computed from.
    pub fn tells_patterns(&self, attn: Attn) -> bool {
        let recorded = self.get(attn.site(AttnPoint::Pattern)).is_some();
        recorded || self.rule(attn).is_some_and(|rule| self.head(attn, 0, rule, None).is_some())
    }

    /// The largest |row sum − 1| over the recorded patterns whose rows should sum to 1: those of
    /// layers without a sink, for tokens that may see something.
    pub fn row_sum_error(&self) -> Option<f32> {
        let patterns = self.values.iter().filter_map(|(site, value)| match site.attn()? {
            (attn, AttnPoint::Pattern) if self.rule(attn)?.sink.is_none() => Some(value),
            _ => None,
        });
        patterns.filter_map(Trace::row_sum_error_of).max_by(f32::total_cmp)
    }

    /// The largest |row sum − 1| of a pattern, over tokens that may see something.
    pub fn row_sum_error_of(pattern: &Tensor) -> Option<f32> {
        let rows = pattern.chunks_exact((*pattern.shape().last().expect("a pattern has axes")).max(1));
        let errors = rows.map(|row| (row_sum(row) - 1.0).abs()).filter(|error| *error < 1.0);
        errors.max_by(f64::total_cmp).map(|error| error as f32)
    }

    /// The metadata that every file of this trace carries.
    pub fn metadata(&self) -> BTreeMap<&'static str, String> {
        let rules = self
            .rules
            .iter()
            .map(|(attn, rule)| RuleEntry { site: attn.to_string().into(), rule: Cow::Borrowed(rule) });
        let json = |value: serde_json::Result<String>| value.expect("plain structs serialize");
        let target = self.target.as_ref().map(|target| ("target", json(serde_json::to_string(target))));
        let prompt = self.prompt.map(|prompt| ("prompt", prompt.to_string()));
        let predictions = (!self.predictions.is_empty())
            .then(|| ("predictions", json(serde_json::to_string(&self.predictions))));
        let always = [
            ("format", FORMAT.to_owned()),
            ("card", json(serde_json::to_string(&self.card))),
            ("encoding", json(serde_json::to_string(&self.encoding))),
            ("rules", json(serde_json::to_string(&rules.collect::<Vec<_>>()))),
        ];
        let grid = self.picture.as_ref().map(|picture| picture.grid);
        let grid = grid.map(|grid| (picture::NAME, json(serde_json::to_string(&grid))));
        let heads = self.heads.as_ref().map(|heads| ("heads", json(serde_json::to_string(heads))));
        always.into_iter().chain(target).chain(grid).chain(prompt).chain(predictions).chain(heads).collect()
    }

    /// The values as every file of this trace carries them, named after their sites.
    pub fn sections(&self) -> Vec<Section<'_>> {
        let sections = self.values().map(|(site, value)| Section {
            name: site.to_string(),
            shape: value.shape().to_vec(),
            values: Values::F32(value),
        });
        sections.collect()
    }

    /// The picture, if there is one, as every file of this trace carries it: after all numbers.
    pub fn picture_section(&self) -> Option<Section<'_>> {
        self.picture.as_ref().map(Picture::section)
    }

    /// Writes the trace as a safetensors file whose tensor names are site names.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut sections = self.sections();
        sections.extend(self.picture_section());
        write_safetensors(out, &self.metadata(), &sections)
    }

    /// Writes the trace to a file, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TraceError> {
        write_atomically(path.as_ref(), |out| self.write(out))
    }

    /// Reads a trace from a file.
    ///
    /// # Errors
    /// If the file cannot be read, is not a whole safetensors file, is not a trace, or holds
    /// tensors that do not fit its encoding and rules.
    pub fn open(path: impl AsRef<Path>) -> Result<Trace, TraceError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| TraceError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Trace::read(&bytes, &path.display().to_string())
    }

    /// Reads a trace from bytes; `file` names them in errors.
    ///
    /// # Errors
    /// As [`open`](Trace::open).
    pub fn read(bytes: &[u8], file: &str) -> Result<Trace, TraceError> {
        Trace::assemble(Container::read(bytes, file)?, file)
    }

    /// Makes a trace of the parts that a file of it has; `file` names them in errors.
    ///
    /// # Errors
    /// If they are no trace, or hold tensors that do not fit its encoding and rules.
    pub fn assemble(parts: Container, file: &str) -> Result<Trace, TraceError> {
        let Container { metadata, tensors, bytes } = parts;
        let not_a_trace = |detail: String| TraceError::NotATrace { file: file.into(), detail };
        let entry =
            |key: &str| metadata.get(key).ok_or_else(|| not_a_trace(format!("its metadata has no {key:?}")));
        match entry("format")? {
            format if format == FORMAT => {}
            other => {
                return Err(not_a_trace(format!("its format is {other:?}; expected {FORMAT:?}")));
            }
        }
        let json_fault =
            |key| move |e: serde_json::Error| not_a_trace(format!("its {key} does not parse: {e}"));
        let card: Card = serde_json::from_str(entry("card")?).map_err(json_fault("card"))?;
        let read = |key: &'static str, text: &str| -> Result<Encoding, TraceError> {
            let encoding: Encoding = serde_json::from_str(text).map_err(json_fault(key))?;
            encoding.fault().map_or(Ok(encoding), |fault| Err(not_a_trace(fault)))
        };
        let encoding = read("encoding", entry("encoding")?)?;
        let target = metadata.get("target").map(|text| read("target", text)).transpose()?;
        let prompt = metadata.get("prompt").map(|text| serde_json::from_str(text)).transpose();
        let prompt = prompt.map_err(json_fault("prompt"))?;
        let predictions = metadata.get("predictions").map(|text| serde_json::from_str(text)).transpose();
        let predictions = predictions.map_err(json_fault("predictions"))?.unwrap_or_default();
        let heads: Option<Vec<usize>> = metadata
            .get("heads")
            .map(|text| serde_json::from_str(text))
            .transpose()
            .map_err(json_fault("heads"))?;
        let entries: Vec<RuleEntry<'_>> =
            serde_json::from_str(entry("rules")?).map_err(json_fault("rules"))?;

        let (mut rules, mut seen) = (Vec::with_capacity(entries.len()), BTreeSet::new());
        for RuleEntry { site, rule } in entries {
            if let Some(fault) = rule.fault() {
                return Err(not_a_trace(format!("the rule of {site} is impossible: {fault}")));
            }
            let attn: Attn = site.parse()?;
            if !seen.insert(attn) {
                return Err(not_a_trace(format!("it has two rules of {attn}; expected one")));
            }
            rules.push((attn, rule.into_owned()));
        }

        let mut trace = Trace { target, prompt, predictions, heads, ..Trace::new(card, encoding, rules) };
        for (name, shape, bytes) in bytes {
            let Some(grid) = metadata.get(picture::NAME).filter(|_| name == picture::NAME) else {
                let detail = "is U8; expected the numbers of a site, as F32".into();
                return Err(TraceError::Tensor { file: file.into(), name, detail });
            };
            let picture = Picture::read(grid, &shape, &bytes, trace.encoding.len());
            trace.picture = Some(picture.map_err(not_a_trace)?);
        }
        if let Some(fault) = trace.fault() {
            return Err(not_a_trace(fault));
        }
        for (name, value) in tensors {
            let fault = |detail| TraceError::Tensor { file: file.into(), name: name.clone(), detail };
            let site: Site = name.parse().map_err(|_| fault("is no site of a model".into()))?;
            trace.check_shape(site, &value).map_err(fault)?;
            trace.insert(site, value);
        }
        Ok(trace)
    }

    /// What is wrong with places outside of the text.
    fn fault(&self) -> Option<String> {
        let tokens = self.target.as_ref().unwrap_or(&self.encoding).len();
        let outside = |what: &str, at: usize| format!("{what} {at} lies outside of the {tokens} tokens");
        let prompt = self.prompt.filter(|prompt| *prompt > tokens).map(|at| outside("a prompt of", at));
        let predicted = self.predictions.iter().find(|prediction| prediction.position >= tokens);
        let predicted = predicted.map(|prediction| outside("the prediction at", prediction.position));
        prompt.or(predicted).or_else(|| self.misnumbered())
    }

    /// What is wrong with the numbers of heads.
    fn misnumbered(&self) -> Option<String> {
        let named = self.heads.as_ref()?.len();
        let other = self.rules.iter().find(|(_, rule)| rule.query_heads != named)?;
        Some(format!("{named} heads are numbered, but {} has {}", other.0, other.1.query_heads))
    }

    /// Whether a value read from a file has the shape that the encoding and the rules ask for.
    fn check_shape(&self, site: Site, value: &Tensor) -> Result<(), String> {
        if value.is_empty() {
            return Err(format!("has shape {:?}; expected no empty axis", value.shape()));
        }
        let tokens = self.encoding_of(site.stack).len();
        let rule = site.attn().map(|(attn, point)| (point, self.rule(attn)));
        let expected: Vec<Option<usize>> = match (rule, site.point) {
            (Some((_, None)), _) => {
                return Err("belongs to an attention block without a rule".into());
            }
            (Some((point, Some(rule))), _) => {
                let keys = site.attn().map_or(tokens, |(attn, _)| self.encoding_of(attn.key_stack()).len());
                let AttentionRule { query_heads, key_heads, .. } = *rule;
                let span = match &rule.position {
                    Some(Position::Disentangled(term)) => term.span,
                    _ => 0, // no vectors of distances belong here
                };
                match point {
                    AttnPoint::PosQ | AttnPoint::PosK => vec![Some(query_heads), Some(2 * span), None],
                    AttnPoint::QPre | AttnPoint::Q | AttnPoint::Z => {
                        vec![Some(query_heads), Some(tokens), None]
                    }
                    AttnPoint::KPre | AttnPoint::K | AttnPoint::V => {
                        vec![Some(key_heads), Some(keys), None]
                    }
                    AttnPoint::Scores | AttnPoint::Pattern => {
                        vec![Some(query_heads), Some(tokens), Some(keys)]
                    }
                    AttnPoint::Lse => vec![Some(query_heads), Some(tokens)],
                }
            }
            // A classifier scores the whole input at once.
            (None, Point::Logits) if value.shape().first() == Some(&1) => vec![None, None],
            (None, _) => vec![Some(tokens), None],
        };
        let fits = value.shape().len() == expected.len()
            && value
                .shape()
                .iter()
                .zip(&expected)
                .all(|(found, expected)| expected.is_none_or(|e| e == *found));
        if !fits {
            let axes: Vec<String> =
                expected.iter().map(|axis| axis.map_or("any".into(), |n| n.to_string())).collect();
            return Err(format!("has shape {:?}; expected [{}]", value.shape(), axes.join(", ")));
        }
        self.check_widths(site, value)
    }

    /// Whether all that is multiplied in a block has one width.
    fn check_widths(&self, site: Site, value: &Tensor) -> Result<(), String> {
        const MULTIPLIED: [AttnPoint; 4] = [AttnPoint::Q, AttnPoint::K, AttnPoint::PosQ, AttnPoint::PosK];
        let Some((attn, _)) = site.attn().filter(|(_, point)| MULTIPLIED.contains(point)) else {
            return Ok(());
        };
        let others = MULTIPLIED.map(|point| attn.site(point)).into_iter();
        let others = others.filter_map(|other| Some((other, self.get(other)?.shape()[2])));
        let width = value.shape()[2];
        match others.into_iter().find(|(_, other)| *other != width) {
            Some((other, found)) => Err(format!("has heads of {width} dimensions, but {other} of {found}")),
            None => Ok(()),
        }
    }
}

/// The sum of a row, in f64 over eight lanes so that the check costs less than what it checks.
fn row_sum(row: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let blocks = row.chunks_exact(8);
    let rest: f64 = blocks.remainder().iter().copied().map(f64::from).sum();
    for block in blocks {
        for lane in 0..8 {
            sums[lane] += f64::from(block[lane]);
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disentangled, Guess, Stack};

    const ATTN: Attn = Attn { stack: Stack::Only, layer: 0, cross: false };

    /// Two heads over one key head, three tokens, causal, with the first two values recorded.
    fn sample() -> Trace {
        let rule = AttentionRule { mask: crate::Mask::Causal, key_heads: 1, ..AttentionRule::full(0.5, 2) };
        let encoding = Encoding::from_ids(&[3, 1, 4], |id| format!("</script>{id}"));
        let mut trace = Trace::new(Card::new("tiny", "llama"), encoding, vec![(ATTN, rule)]);
        let wave = |n: usize| (0..n).map(|i| (i as f32).sin()).collect();
        trace.insert(ATTN.site(AttnPoint::Q), Tensor::new([2, 3, 4], wave(24)));
        trace.insert(ATTN.site(AttnPoint::K), Tensor::new([1, 3, 4], wave(12)));
        trace
    }

    fn bytes(trace: &Trace) -> Vec<u8> {
        let mut bytes = Vec::new();
        trace.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_saved_trace_reads_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let mut trace = sample();
        trace.prompt = Some(2);
        trace.heads = Some(vec![3, 8]);
        let guess = Guess { id: 4, piece: "four".into(), probability: 0.25 };
        trace.predictions = vec![Prediction { position: 2, probability: Some(0.5), top: vec![guess] }];
        trace.save(&path).unwrap();
        assert_eq!(Trace::open(&path).unwrap(), trace);
    }

    #[test]
    fn patterns_come_from_queries_and_keys_or_from_the_record() {
        let mut trace = sample();
        let lazy = [0, 1].map(|head| trace.pattern(ATTN, head).unwrap());
        assert_eq!(lazy[0].row(0), [1.0, 0.0, 0.0]);
        assert_eq!(trace.tile(ATTN, 1, 1..3, 0..2).unwrap().row(0), &lazy[1].row(1)[..2]);
        assert!(trace.pattern(ATTN, 2).is_none() && trace.pattern(Attn::block(1), 0).is_none());

        trace.insert(
            ATTN.site(AttnPoint::Pattern),
            Tensor::new([2, 3, 3], lazy.iter().flat_map(|p| p.to_vec()).collect()),
        );
        assert_eq!(trace.pattern(ATTN, 1).unwrap(), lazy[1]);
        assert_eq!(trace.tile(ATTN, 1, 1..3, 0..2).unwrap().row(1), &lazy[1].row(2)[..2]);
        assert!(trace.row_sum_error().unwrap() < 1e-6);
    }

    #[test]
    fn files_that_do_not_fit_together_are_refused() {
        let check = |change: &dyn Fn(&mut Trace), expected: &str| {
            let mut trace = sample();
            change(&mut trace);
            let error = Trace::read(&bytes(&trace), "t").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&|t| t.insert(ATTN.site(AttnPoint::Pattern), Tensor::zeros([2, 3, 2])), "expected [2, 3, 3]");
        check(&|t| t.insert(ATTN.site(AttnPoint::K), Tensor::zeros([1, 3, 5])), "dimensions");
        check(&|t| t.insert(Attn::block(7).site(AttnPoint::Q), Tensor::zeros([2, 3, 4])), "without a rule");
        check(&|t| t.insert("embed".parse().unwrap(), Tensor::zeros([4, 4])), "expected [3, any]");
        check(&|t| t.rules[0].1.key_heads = 0, "2 query heads over 0 key heads");
        check(&|t| t.rules[0].1.sink = Some(vec![1.0]), "1 sinks for 2 heads");
        check(&|t| t.rules.push(t.rules[0].clone()), "two rules of blocks.0.attn; expected one");
        check(&|t| t.heads = Some(vec![7]), "1 heads are numbered, but blocks.0.attn has 2");
        check(&|t| t.prompt = Some(4), "a prompt of 4 lies outside of the 3 tokens");
        check(
            &|t| t.predictions = vec![Prediction { position: 3, probability: None, top: Vec::new() }],
            "the prediction at 3",
        );
        check(&|t| t.encoding.tokens[1].span = Some(4..9), "token 1 spans 4..9");
    }

    #[test]
    fn what_a_decoder_read_has_its_own_length() {
        let attn = Attn { stack: Stack::Decoder, layer: 0, cross: true };
        let rules = vec![(attn, AttentionRule::full(0.5, 1))];
        let mut trace =
            Trace::new(Card::new("tiny", "t5"), Encoding::from_ids(&[3, 1, 4], |id| id.to_string()), rules);
        trace.encoding.tokens[2].mask = false;
        trace.target = Some(Encoding::from_ids(&[7, 8], |id| id.to_string()));
        trace.insert(attn.site(AttnPoint::Q), Tensor::new([1, 2, 1], vec![0.0, 1.0]));
        trace.insert(attn.site(AttnPoint::K), Tensor::new([1, 3, 1], vec![0.0, 0.0, 5.0]));
        assert_eq!(*trace.pattern(attn, 0).unwrap(), [0.5, 0.5, 0.0, 0.5, 0.5, 0.0]);
        assert_eq!(Trace::read(&bytes(&trace), "t").unwrap(), trace);

        trace.insert(attn.site(AttnPoint::Pattern), Tensor::zeros([1, 3, 2]));
        let error = Trace::read(&bytes(&trace), "t").unwrap_err().to_string();
        assert!(error.contains("expected [1, 2, 3]"), "{error}");
    }

    #[test]
    fn a_picture_is_kept_and_must_fit_the_tokens() {
        let picture = |rows, columns, first| Picture {
            grid: crate::Grid { rows, columns, first },
            height: 1,
            width: 3,
            rgb: [1, 2, 3, 4, 5, 6, 7, 8, 9].into(),
        };
        let mut trace = sample();
        trace.insert("logits".parse().unwrap(), Tensor::zeros([1, 5])); // of the whole image
        trace.picture = Some(picture(1, 2, 1));
        assert_eq!(Trace::read(&bytes(&trace), "t").unwrap(), trace);

        let lies = [(picture(2, 2, 1), "2 x 2 patches after 1 tokens"), (picture(0, 2, 3), "image is empty")];
        for (lie, expected) in lies {
            trace.picture = Some(lie);
            let error = Trace::read(&bytes(&trace), "t").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut flat = sample();
        flat.picture = Some(Picture { height: 9, width: 0, rgb: [].into(), ..picture(1, 2, 1) });
        assert!(Trace::read(&bytes(&flat), "t").unwrap_err().to_string().contains("image is empty"));
    }

    #[test]
    fn a_pattern_without_its_term_of_position_is_none() {
        let term = Disentangled { span: 2, max_distance: None, queries_meet: true, keys_meet: true };
        let rule =
            AttentionRule { position: Some(Position::Disentangled(term)), ..AttentionRule::full(1.0, 1) };
        let mut trace = Trace::new(
            Card::new("tiny", "deberta-v2"),
            Encoding::from_ids(&[3, 1], |id| id.to_string()),
            vec![(ATTN, rule)],
        );
        trace.insert(ATTN.site(AttnPoint::Q), Tensor::new([1, 2, 1], vec![1.0, 2.0]));
        trace.insert(ATTN.site(AttnPoint::K), Tensor::new([1, 2, 1], vec![1.0, 0.0]));
        assert!(trace.pattern(ATTN, 0).is_none() && !trace.tells_patterns(ATTN));
        trace.insert(ATTN.site(AttnPoint::PosK), Tensor::new([1, 4, 1], vec![0.0, 0.0, 1.0, 2.0]));
        assert!(trace.pattern(ATTN, 0).is_none());
        trace.insert(ATTN.site(AttnPoint::PosQ), Tensor::new([1, 4, 1], vec![0.0, 0.0, 1.0, -4.0]));

        // Place 2 is a distance of 0, place 1 that of the key after, place 3 that of the key before.
        let scores = [[1.0 + 1.0 + 1.0, 0.0], [2.0 + 4.0 - 4.0, 2.0]];
        let pattern = trace.pattern(ATTN, 0).unwrap();
        for (row, [a, b]) in scores.into_iter().enumerate() {
            let expected: f64 = 1.0 / (1.0 + f64::exp(b - a));
            assert!((f64::from(pattern.row(row)[0]) - expected).abs() < 1e-7, "{row}");
        }
        assert_eq!(Trace::read(&bytes(&trace), "t").unwrap(), trace);

        trace.insert(ATTN.site(AttnPoint::PosQ), Tensor::zeros([1, 3, 1]));
        let error = Trace::read(&bytes(&trace), "t").unwrap_err().to_string();
        assert!(error.contains("expected [1, 4, any]"), "{error}");
        trace.insert(ATTN.site(AttnPoint::PosQ), Tensor::zeros([1, 4, 2]));
        assert!(Trace::read(&bytes(&trace), "t").unwrap_err().to_string().contains("of 2 dimensions, but"));
    }

    #[test]
    fn other_safetensors_files_are_told_apart() {
        let mut bytes = Vec::new();
        write_safetensors(&mut bytes, &BTreeMap::from([("format", "pt".to_owned())]), &[]).unwrap();
        let error = Trace::read(&bytes, "model.safetensors").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"model.safetensors is no headscope trace: its format is "pt"; expected "headscope-trace/1""#
        );
        assert!(error.help().is_some());
    }

    #[test]
    fn no_cut_or_flipped_byte_panics() {
        let whole = bytes(&sample());
        for len in 0..whole.len() {
            assert!(Trace::read(&whole[..len], "cut").is_err());
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0x15;
            let _ = Trace::read(&broken, "broken"); // some flips are harmless; none may panic
        }
    }
}
