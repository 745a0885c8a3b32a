//! What a page is given: the overview, one head's vectors, or all that it needs without a server.

use std::collections::{BTreeMap, BTreeSet};

use headscope_trace::{Attn, AttnPoint, Section, Site, Tensor, Values, write_safetensors};
use rayon::prelude::*;

use super::ViewData;
use super::keep::{VECTORS, is_beyond_a_page};
use super::narrow::{self, Narrow};
use super::quantised::Roots;
use crate::ViewError;
use crate::metrics::METRICS;

/// How many bytes of numbers a page carries before it does without what only one view reads; packed and
/// written in letters they take a fifth more.
pub(crate) const PAGE_BYTES: usize = 48 << 20;

impl ViewData {
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

    /// Text, rules, atlas and metrics: what the first picture needs besides one pattern.
    pub fn overview(&self) -> Vec<u8> {
        self.overview_with(&[])
    }

    /// The same with some of what was recorded.
    pub fn overview_with(&self, recorded: &[(Site, Tensor)]) -> Vec<u8> {
        let sections = recorded.iter().map(|(site, value)| section(site.to_string(), value)).collect();
        self.container(sections, &[], None)
    }

    /// All that a page without a server needs: the overview, then of each block shown a container with its pattern,
    /// or the queries and keys it is computed from, whichever is smaller; and what scores are made of, as far as the
    /// page stays of a modest size. What does not is named by the overview as `left_out`. A page unpacks the block
    /// that is seen, and no other.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        self.parts_within(PAGE_BYTES)
    }

    fn parts_within(&self, most: usize) -> Vec<Vec<u8>> {
        let mut parts = vec![Vec::new()];
        parts[0] = self.each_within(most, |part| part, |part| parts.push(part));
        parts
    }

    /// The same for a page that is to carry so many bytes of numbers, before it does with fewer digits. Each block's
    /// part is finished as soon as it is made, a few side by side, and taken in order: together they may be large.
    /// Returns the overview, which says how far off all of them are.
    pub(crate) fn each_within<T: Send>(
        &self,
        most: usize,
        finish: impl Fn(Vec<u8>) -> T + Sync,
        mut take: impl FnMut(T),
    ) -> T {
        let mut sections = self.trace.sections();
        let mut taken: usize = self.trace.values().map(|(_, value)| value.len() * size_of::<f32>()).sum();
        let narrow = if taken > most { self.narrow() } else { Vec::new() };
        for (site, vectors) in &narrow {
            let name = site.to_string();
            sections.retain(|section| section.name != name);
            sections.extend(vectors.sections(&name));
        }
        let in_bytes = taken > most;
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
        let make = |attn: &Attn| {
            let (site, pattern) = (format!("{attn}."), attn.site(AttnPoint::Pattern));
            let roots = self.trace.get(pattern).filter(|_| in_bytes).map(Roots::new);
            let of_block = sections.iter().filter(|section| section.name.starts_with(&site));
            let of_block = of_block.map(|section| match &roots {
                Some(roots) if section.name == pattern.to_string() => roots.section(&section.name),
                _ => section.clone(),
            });
            let part = packed(BTreeMap::new(), of_block.collect());
            let loss = roots.map(|roots| roots.loss);
            (finish(part), loss)
        };
        let mut loss = self.loss(&narrow);
        for few in self.blocks.chunks(rayon::current_num_threads()) {
            for (part, of_block) in few.par_iter().map(make).collect::<Vec<_>>() {
                take(part);
                loss = loss.into_iter().chain(of_block).reduce(f64::max);
            }
        }
        finish(self.container(Vec::new(), &left_out, loss))
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
        packed(metadata, sections)
    }
}

/// A container in memory.
fn packed(metadata: BTreeMap<&str, String>, mut sections: Vec<Section<'_>>) -> Vec<u8> {
    sections.sort_by_key(|section| matches!(section.values, Values::U8(_))); // numbers first: they stay aligned
    let mut bytes = Vec::new();
    write_safetensors(&mut bytes, &metadata, &sections).expect("a vector takes all that is written");
    bytes
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

#[cfg(test)]
mod tests {
    use headscope_trace::{AttentionRule, Card, Container, Disentangled, Encoding, Position, Trace};

    use super::super::tests::trace;
    use super::*;

    fn names(parts: &[Vec<u8>]) -> Vec<String> {
        // The reader of traces takes F32 alone, and the atlas is bytes: parse the headers here.
        let names = parts.iter().flat_map(|bytes| {
            let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let header: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(&bytes[8..8 + len]).unwrap();
            header.into_iter().map(|(name, _)| name).filter(|name| name != "__metadata__")
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn each_block_has_a_part_of_its_own() {
        use AttnPoint::{K, Pattern, Q};
        let attns: Vec<Attn> = [1, 10, 2].map(Attn::block).to_vec();
        let rules = attns.iter().map(|attn| (*attn, AttentionRule::full(0.5, 1))).collect();
        let encoding = Encoding::from_ids(&[0, 1, 2], |id| format!("t{id}"));
        let mut many = Trace::new(Card::new("tiny", "bert"), encoding, rules);
        for attn in &attns {
            many.insert(attn.site(Pattern), Tensor::new([1, 3, 3], vec![1.0 / 3.0; 9]));
            many.insert(attn.site(Q), Tensor::new([1, 3, 4], vec![1.0; 12]));
            many.insert(attn.site(K), Tensor::new([1, 3, 4], vec![1.0; 12]));
        }
        let data = ViewData::new(many).unwrap();
        let parts = data.parts();
        assert_eq!(names(&parts[..1]), ["atlas", "metrics"]);
        let blocks: Vec<Vec<String>> =
            parts[1..].iter().map(|part| names(std::slice::from_ref(part))).collect();
        let expected: Vec<Vec<String>> =
            data.blocks.iter().map(|attn| vec![format!("{attn}.k"), format!("{attn}.q")]).collect();
        assert_eq!(blocks, expected);
        assert_eq!(expected.len(), 3);
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
            assert_eq!(names(&data.parts()), expected);
            assert_eq!(names(&[data.overview()]), ["atlas", "metrics"]);
        }
    }

    #[test]
    fn an_overview_may_carry_what_was_recorded() {
        use AttnPoint::{K, Pattern, Q, V};
        let all = trace(40, &[Pattern, Q, K, V]);
        let site = Attn::block(1).site(V);
        let recorded = [(site, all.get(site).unwrap().clone())];
        let overview = ViewData::new(all).unwrap().overview_with(&recorded);
        assert_eq!(names(&[overview]), ["atlas", "blocks.1.attn.v", "metrics"]);
    }

    #[test]
    fn what_scores_are_made_of_is_carried_while_there_is_room() {
        use AttnPoint::{K, KPre, Pattern, Q, QPre};
        let data = ViewData::new(trace(4, &[Pattern, Q, K, QPre, KPre])).unwrap();
        let carried = |most: usize| {
            let parts = data.parts_within(most);
            let points = names(&parts)
                .into_iter()
                .filter_map(|name| Some(name.strip_prefix("blocks.1.attn.")?.to_owned()));
            let header = String::from_utf8_lossy(&parts[0]).into_owned();
            let left_out =
                header.split("left_out\":\"").nth(1).map(|rest| rest.split(']').next().unwrap().to_owned());
            (points.collect::<Vec<_>>().join(" "), left_out.unwrap_or_default().replace('\\', ""))
        };
        let (pattern, vectors) = (3 * 4 * 4 * 4, 2 * 3 * 4 * 4 * 4); // bytes
        let rows = [
            (pattern + 2 * vectors, "k k_pre q q_pre", ""),
            (pattern + vectors, "k q", r#"["k_pre","q_pre""#),
            (pattern, "pattern", r#"["k","q","k_pre","q_pre""#),
            (pattern - 1, "pattern.roots", r#"["k","q","k_pre","q_pre""#),
        ];
        for (most, points, left_out) in rows {
            assert_eq!(carried(most), (points.to_owned(), left_out.to_owned()), "{most} bytes");
        }
        assert_eq!(data.parts(), data.parts_within(pattern + 2 * vectors));
    }

    #[test]
    fn a_page_of_a_long_text_has_a_byte_a_number_and_says_so() {
        use AttnPoint::{K, Q};
        let data = ViewData::new(trace(40, &[Q, K])).unwrap();
        let [wide, narrow] = [usize::MAX, 0].map(|most| data.parts_within(most));
        assert!(names(&wide).contains(&"blocks.1.attn.q".to_owned()));
        let parts = ["bytes", "dims", "means", "steps"].map(|part| format!("blocks.1.attn.q.{part}"));
        assert!(parts.iter().all(|part| names(&narrow).contains(part)));
        assert!(!names(&narrow).contains(&"blocks.1.attn.q".to_owned()));
        assert!(String::from_utf8_lossy(&narrow[0]).contains("weights_within"));
        assert!(!String::from_utf8_lossy(&wide[0]).contains("weights_within"));
        assert!(narrow[1].len() < wide[1].len());

        let patterns = ViewData::new(trace(40, &[AttnPoint::Pattern])).unwrap().parts_within(0);
        assert!(names(&patterns).contains(&"blocks.1.attn.pattern.roots".to_owned()));
        assert!(String::from_utf8_lossy(&patterns[0]).contains("weights_within"));
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
            assert_eq!(
                names(&data.parts_within(3 * 40 * 40 * 4)),
                ["atlas", "blocks.1.attn.pattern", "metrics"]
            );
            assert_eq!(names(&data.parts_within(0)), ["atlas", "blocks.1.attn.pattern.roots", "metrics"]);
        }
        // What queries meet: one vector for each of the 79 distances of 40 tokens, of the 4 in the table.
        let data = ViewData::new(disentangled(&[Q, K, PosK])).unwrap();
        let met = Container::read(&data.vectors(0, 2).unwrap(), "vectors").unwrap().tensors;
        let shapes: Vec<(&str, &[usize])> =
            met.iter().map(|(name, value)| (name.as_str(), value.shape())).collect();
        assert_eq!(shapes, [("q", &[40, 4][..]), ("k", &[40, 4]), ("pos_k", &[79, 4])]);
        assert!(matches!(ViewData::new(disentangled(&[Q, K])), Err(ViewError::NoAttention)));
    }
}
