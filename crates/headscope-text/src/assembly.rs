//! From the parts of a tokenizer to one that runs, with the tokens that are added to its vocabulary.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, PostProcessorWrapper};

use crate::Pipeline;
use crate::model::Model;
use crate::surface::Surface;

/// A model and what stands before it, without special tokens.
pub(crate) fn pipeline(model: Model, surface: Surface) -> Result<Pipeline, String> {
    let mut pipeline = Pipeline::new(model);
    resurface(&mut pipeline, surface)?;
    Ok(pipeline)
}

/// Has another surface stand before the model.
pub(crate) fn resurface(pipeline: &mut Pipeline, surface: Surface) -> Result<(), String> {
    pipeline.with_normalizer(surface.normalizer).map_err(|e| e.to_string())?;
    pipeline.with_pre_tokenizer(surface.splitter);
    pipeline.with_decoder(surface.decoder);
    Ok(())
}

/// A token to be added to a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Addition {
    pub(crate) text: String,
    /// Given by its text alone, and not with all that follows.
    pub(crate) plain: bool,
    pub(crate) special: bool,
    pub(crate) lstrip: bool,
    pub(crate) rstrip: bool,
    pub(crate) single_word: bool,
    /// Whether it is looked for in the normalized text; special ones usually are not.
    pub(crate) normalized: Option<bool>,
}

impl Addition {
    /// A special token given by its text alone.
    pub(crate) fn plain(text: impl Into<String>) -> Addition {
        Addition {
            text: text.into(),
            plain: true,
            special: true,
            lstrip: false,
            rstrip: false,
            single_word: false,
            normalized: None,
        }
    }

    /// One that is looked for in the text as it was written.
    pub(crate) fn verbatim(text: impl Into<String>, special: bool) -> Addition {
        Addition { plain: false, special, normalized: Some(false), ..Addition::plain(text) }
    }

    /// One that takes spaces before it with it, as masks do; unless it says itself what it takes.
    pub(crate) fn or_lstrip(self) -> Addition {
        if self.plain { Addition { plain: false, lstrip: true, special: false, ..self } } else { self }
    }

    fn token(&self) -> AddedToken {
        AddedToken {
            content: self.text.clone(),
            single_word: self.single_word,
            lstrip: self.lstrip,
            rstrip: self.rstrip,
            normalized: self.normalized.unwrap_or(!self.special),
            special: self.special,
        }
    }
}

/// The special tokens with a role, in transformers' order of roles.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roles(Vec<(String, Addition)>);

/// The roles that every class of transformers knows.
pub(crate) const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl Roles {
    pub(crate) fn push(&mut self, role: &str, token: Addition) {
        self.0.push((role.to_owned(), token));
    }

    pub(crate) fn get(&self, role: &str) -> Option<&Addition> {
        self.0.iter().find(|(name, _)| name == role).map(|(_, addition)| addition)
    }

    /// The text of the token with a role, `cls_token`.
    pub(crate) fn text(&self, role: &str) -> Option<&str> {
        self.get(role).map(|addition| addition.text.as_str())
    }

    /// The same, with a mask that takes spaces before it with it.
    pub(crate) fn with_lstrip_mask(&self) -> Roles {
        let mut roles = self.clone();
        for (role, addition) in &mut roles.0 {
            if role == "mask_token" {
                *addition = addition.clone().or_lstrip();
            }
        }
        roles
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, addition)| addition.text.as_str())
    }
}

/// Adds tokens as transformers does: those with an id of their own in the order of ids, then those
/// with a role, then all others. One that is there already is not added again.
pub(crate) fn add(
    pipeline: &mut Pipeline,
    with_ids: &[Addition],
    roles: &Roles,
    others: &[Addition],
) -> Result<(), String> {
    let there = pipeline.get_added_vocabulary().get_added_tokens_decoder();
    let mut new: Vec<Addition> = with_ids.to_vec();
    new.retain(|addition| !there.values().any(|old| *old == addition.token()));
    let texts = there.values().map(|old| old.content.as_str());
    let known: HashSet<&str> = texts.chain(with_ids.iter().map(|addition| addition.text.as_str())).collect();
    let mut seen = HashSet::new();
    for addition in roles.0.iter().map(|(_, addition)| addition).chain(others) {
        if !known.contains(addition.text.as_str()) && seen.insert(addition) {
            new.push(addition.clone());
        }
    }
    let with_role: HashSet<&str> = roles.texts().collect();
    for addition in &mut new {
        addition.special |= with_role.contains(addition.text.as_str());
    }
    let tokens: Vec<_> = new.iter().map(Addition::token).collect();
    pipeline.add_tokens(tokens).map_err(|e| e.to_string())?;
    Ok(())
}

/// Adds all special tokens once more, so that they lose flags that files gave them, as Qwen 2's do.
pub(crate) fn add_again(pipeline: &mut Pipeline, roles: &Roles, others: &[Addition]) -> Result<(), String> {
    let texts = roles.texts().chain(others.iter().map(|addition| addition.text.as_str()));
    let tokens: Vec<_> = texts.map(|text| AddedToken::from(text, true)).collect();
    pipeline.add_tokens(tokens).map_err(|e| e.to_string())?;
    Ok(())
}

/// What stands around a text and a pair.
pub(crate) enum Frame {
    /// Roles of tokens around the texts `A` and `B`, each with its segment: `cls A sep B:1 sep:1`.
    Roles { single: &'static str, pair: &'static str },
    /// As `RobertaTokenizer` does, which also narrows the tokens' spans to what is no space.
    Roberta { trim_offsets: bool, add_prefix_space: bool },
}

impl Frame {
    /// The begin of a text before each, its end behind each.
    pub(crate) fn ends(begin: bool, end: bool) -> Frame {
        let (single, pair) = match (begin, end) {
            (false, false) => ("A", "A B:1"),
            (true, false) => ("bos A", "bos A bos:1 B:1"),
            (false, true) => ("A eos", "A eos B:1 eos:1"),
            (true, true) => ("bos A eos", "bos A eos bos:1 B:1 eos:1"),
        };
        Frame::Roles { single, pair }
    }

    /// What adds these tokens; they must be in the vocabulary.
    pub(crate) fn processor(
        &self,
        pipeline: &Pipeline,
        roles: &Roles,
    ) -> Result<PostProcessorWrapper, String> {
        let token = |role: &str| {
            let text = roles.text(role).ok_or_else(|| format!("every text needs a {role}; there is none"))?;
            let id = pipeline.token_to_id(text).ok_or_else(|| format!("the {role} {text:?} has no id"))?;
            Ok::<_, String>((text.to_owned(), id))
        };
        match *self {
            Frame::Roberta { trim_offsets, add_prefix_space } => {
                let processor = RobertaProcessing::new(token("sep_token")?, token("cls_token")?);
                Ok(processor.trim_offsets(trim_offsets).add_prefix_space(add_prefix_space).into())
            }
            Frame::Roles { single, pair } => template(single, pair, token),
        }
    }
}

/// The crate's template of a frame.
fn template(
    single: &str,
    pair: &str,
    token: impl Fn(&str) -> Result<(String, u32), String>,
) -> Result<PostProcessorWrapper, String> {
    let mut special = serde_json::Map::new();
    let mut slot = |slot: &str| {
        let (name, segment) = slot.split_once(':').unwrap_or((slot, "0"));
        let type_id = u32::from(segment == "1");
        if let "A" | "B" = name {
            return Ok(json!({"Sequence": {"id": name, "type_id": type_id}}));
        }
        let (text, id) = token(&format!("{name}_token"))?;
        special.insert(text.clone(), json!({"id": text, "ids": [id], "tokens": [text]}));
        Ok(json!({"SpecialToken": {"id": text, "type_id": type_id}}))
    };
    let mut slots = |frame: &str| frame.split(' ').map(&mut slot).collect::<Result<Vec<Value>, String>>();
    let (single, pair) = (slots(single)?, slots(pair)?);
    let json =
        json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special});
    serde_json::from_value(json).map_err(|e| e.to_string())
}
