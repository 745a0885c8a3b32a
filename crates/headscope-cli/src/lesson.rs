//! What the lesson is told on: a reader's sentences, run, with all that its figures compute their numbers from.
//!
//! A *scene* is a text's container, as a page has it, with more sites; a lesson is a few scenes by name.

use std::time::Instant;

use anyhow::Result;
use headscope::trace::Mask;
use headscope::view::ViewData;
use headscope::view::render::html::{Scene, Sentences, Syllabus};
use headscope::{AttnPoint, Encoding, Error, Input, Model, Point, Site, Tensor, Token};

use crate::commands::Hinted;
use crate::runner::view_of;

/// The figures have room for so many tokens.
const MOST_TOKENS: usize = 64;

/// How vocabularies spell what fills a batch up.
const PADDING: [&str; 4] = ["[PAD]", "<pad>", "<|padding|>", "<|pad|>"];

/// Ids that the lesson speaks of.
const SPOKEN_OF: [u32; 1] = [3323];

/// The model of a lesson and, if one is at hand, a decoder to set beside it.
pub struct Teacher<'a> {
    model: &'a Model,
    decoder: Option<&'a Model>,
    padding: u32,
}

impl<'a> Teacher<'a> {
    /// A lesson on `model`, which must be one that the chapters speak of.
    ///
    /// # Errors
    /// If it is a decoder, or its scores are more than a product of query and key; or if the decoder is none.
    pub fn new(model: &'a Model, decoder: Option<&'a Model>) -> Result<Teacher<'a>, Hinted> {
        let id = &model.engine().card().id;
        let refuse = |why: String| Hinted {
            what: format!("the lesson is not told on {id}: {why}"),
            help: "choose BERT or a relative, such as the embedded gte-small; a decoder goes beside it with \
                   --decoder"
                .into(),
        };
        if model.has_decoder() {
            return Err(refuse("it has an encoder and a decoder".into()));
        }
        for (attn, rule) in model.engine().rules() {
            if rule.mask != Mask::Full {
                return Err(refuse(format!("in layer {} not every token may see every other", attn.layer)));
            }
            if rule.position.is_some() || rule.soft_cap.is_some() || rule.sink.is_some() {
                let why = "its scores are made of more than the product of a query and a key";
                return Err(refuse(why.into()));
            }
        }
        let spelled = PADDING.iter().find_map(|piece| model.tokenizer().id(piece));
        let Some(padding) = spelled else { return Err(refuse("its vocabulary has no padding".into())) };
        match decoder.filter(|decoder| !decoder.engine().predicts_next()) {
            None => Ok(Teacher { model, decoder, padding }),
            Some(other) => Err(Hinted {
                what: format!("{} is no decoder", other.engine().card().id),
                help: "choose one that writes from left to right, such as GPT-2 or Llama".into(),
            }),
        }
    }

    /// Runs the sentences: the pair with queries, keys and values; the two meanings with what enters each
    /// layer; sentence A as the first of a batch with the pair; and sentence A through the decoder.
    ///
    /// # Errors
    /// If a sentence is empty or longer than the figures have room for.
    pub fn scenes(&self, sentences: &Sentences) -> Result<Vec<Scene>> {
        let [a, b] = &sentences.pair;
        let pair = self.read(a, Some(b))?;
        let padded = self.pad(self.read(a, None)?, pair.len());
        let mut scenes = vec![
            scene("pair", self.model, pair, "*.attn.q,*.attn.k,*.attn.v")?,
            scene("padded", self.model, padded, "blocks.0.attn.q,blocks.0.attn.k")?,
        ];
        for (name, text) in ["first", "second"].into_iter().zip(&sentences.senses) {
            scenes.push(self.meaning(name, self.read(text, None)?)?);
        }
        if let Some(decoder) = self.decoder {
            scenes.push(scene("decoder", decoder, decoder.encode(a, None, false)?, "*.attn.q,*.attn.k")?);
        }
        Ok(scenes)
    }

    /// What the lesson begins with.
    pub fn syllabus(&self, sentences: &Sentences) -> Syllabus {
        let piece = |id: &u32| Some((*id, self.model.tokenizer().piece(*id)?));
        Syllabus { sentences: sentences.clone(), pieces: SPOKEN_OF.iter().filter_map(piece).collect() }
    }

    fn read(&self, text: &str, pair: Option<&str>) -> Result<Encoding> {
        let encoding = self.model.encode(text, pair, false)?;
        match encoding.len() {
            0..=MOST_TOKENS => Ok(encoding),
            found => Err(Hinted {
                what: format!("{found} tokens; the lesson's figures have room for {MOST_TOKENS}"),
                help: "shorten the sentences; the workbench takes longer ones".into(),
            }
            .into()),
        }
    }

    /// Fills a text up to `tokens`, with what nothing attends to.
    fn pad(&self, mut text: Encoding, tokens: usize) -> Encoding {
        let filler = Token {
            id: self.padding,
            piece: self.model.tokenizer().piece(self.padding).unwrap_or_default(),
            span: None,
            segment: 0,
            special: true,
            mask: false,
        };
        text.tokens.resize(tokens.max(text.len()), filler);
        text
    }

    /// What enters each layer, and what the first is made of; the overview has the metrics of its heads.
    fn meaning(&self, name: &'static str, text: Encoding) -> Result<Scene> {
        let engine = self.model.engine();
        let known = |site: &&str| engine.sites(site).is_ok(); // not all models show words and positions apart
        let sites = ["word_embed", "pos_embed", "*.resid_pre", "*.attn.pattern"].into_iter().filter(known);
        let sites = sites.collect::<Vec<_>>().join(",");
        let is_told = |site: Site| {
            matches!(site.point, Point::WordEmbed | Point::PosEmbed | Point::ResidPre | Point::LastHidden)
        };
        let (data, recorded) = run(self.model, text, &sites, is_told)?;
        Ok(Scene { name, bytes: data.overview_with(&recorded) })
    }
}

/// A text with these queries, keys and values.
fn scene(name: &'static str, model: &Model, text: Encoding, sites: &str) -> Result<Scene> {
    let is_told = |site: Site| matches!(site.point, Point::Attn(AttnPoint::Q | AttnPoint::K | AttnPoint::V));
    let (data, recorded) = run(model, text, sites, is_told)?;
    Ok(Scene { name, bytes: data.overview_with(&recorded) })
}

/// Runs a text; what is told of the sites comes along with what is shown.
fn run(
    model: &Model,
    text: Encoding,
    sites: &str,
    is_told: impl Fn(Site) -> bool,
) -> Result<(ViewData, Vec<(Site, Tensor)>)> {
    let start = Instant::now();
    let sites = model.engine().sites(sites).map_err(Error::from)?;
    let trace = model.trace_encoding(Input::from(text), &sites)?;
    let picked = trace.values().filter(|(site, _)| is_told(*site));
    let picked = picked.map(|(site, value)| (site, value.clone())).collect();
    Ok((view_of(model.engine(), trace, start.elapsed())?, picked))
}
