//! A tokenizer from what a GGUF file says about its vocabulary, as transformers builds it.

use std::collections::HashMap;

use tokenizers::AddedToken;
use tokenizers::normalizers::Prepend;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;

use crate::assembly::{self, Addition, Frame, Roles};
use crate::bpe::{self, Ids, Merge, Unknown};
use crate::model::Model;
use crate::normalizer::{self, Normalizer};
use crate::settings::Settings;
use crate::surface::{self, Surface};
use crate::{Pipeline, splitter};

/// The metadata of a GGUF file that describe its tokenizer: `tokenizer.ggml.*`, by the ends of their
/// names, and `general.architecture`. What a file lacks stays `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GgufVocabulary {
    /// `general.architecture`: `llama`, `qwen2`, `gemma`, …
    pub architecture: String,
    /// `model`: `llama` is SentencePiece, `gpt2` byte-level BPE.
    pub model: String,
    /// `pre`: how words are split, `llama-bpe`, `qwen2`, `smollm`, …
    pub pre: Option<String>,
    /// `tokens`: the pieces, in the order of their ids.
    pub tokens: Vec<String>,
    /// `scores`, one for each piece.
    pub scores: Option<Vec<f32>>,
    /// `token_type`, one for each piece.
    pub token_types: Option<Vec<i32>>,
    /// `merges`: two pieces each, with a space between.
    pub merges: Option<Vec<String>>,
    /// `bos_token_id`
    pub bos_id: Option<u32>,
    /// `eos_token_id`
    pub eos_id: Option<u32>,
    /// `unknown_token_id`
    pub unk_id: Option<u32>,
    /// `padding_token_id`
    pub pad_id: Option<u32>,
    /// `add_bos_token`
    pub add_bos: Option<bool>,
    /// `add_eos_token`
    pub add_eos: Option<bool>,
}

/// Values of `token_type`.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// The kinds of vocabulary that are supported.
const MODELS: [&str; 2] = ["llama", "gpt2"];

impl GgufVocabulary {
    pub(crate) fn pipeline(&self) -> Result<Pipeline, String> {
        self.check()?;
        let (model, surface, roles) = match self.model.as_str() {
            "llama" if matches!(self.architecture.as_str(), "gemma" | "gemma2" | "gemma3") => self.gemma()?,
            "llama" if self.architecture == "phi3" => self.phi3()?,
            "llama" => self.llama()?,
            "gpt2" => self.byte_level()?,
            other => {
                return Err(format!(
                    "its tokenizer.ggml.model is {other:?}; supported are {}",
                    MODELS.join(", ")
                ));
            }
        };
        let mut pipeline = assembly::pipeline(model, surface)?;
        assembly::add(&mut pipeline, &[], &roles, &[])?;
        self.add_typed(&mut pipeline)?;

        let mut roles = self.roles()?;
        if self.architecture.starts_with("gemma") {
            roles.push("mask_token", Addition::plain("<mask>"));
        }
        assembly::add(&mut pipeline, &[], &roles, &[])?;
        let begin = self.add_bos.unwrap_or(self.model == "llama") && roles.text("bos_token").is_some();
        let end = self.add_eos.unwrap_or(false) && roles.text("eos_token").is_some();
        let processor = Frame::ends(begin, end).processor(&pipeline, &roles)?;
        pipeline.with_post_processor(Some(processor));
        Ok(pipeline)
    }

    /// Lists that belong together are of one length.
    fn check(&self) -> Result<(), String> {
        let pieces = self.tokens.len();
        if pieces == 0 {
            return Err("its tokenizer.ggml.tokens holds no piece".into());
        }
        let lists = [
            ("scores", self.scores.as_ref().map(Vec::len)),
            ("token_type", self.token_types.as_ref().map(Vec::len)),
        ];
        for (name, found) in lists {
            if let Some(found) = found.filter(|found| *found != pieces) {
                return Err(format!(
                    "its tokenizer.ggml.{name} has {found} entries; expected {pieces}, as tokens"
                ));
            }
        }
        Ok(())
    }

    fn llama(&self) -> Result<(Model, Surface, Roles), String> {
        let merges = self.merges(&self.tokens, self.scores())?;
        let model = bpe::model(ids(&self.tokens), merges, bpe::as_bytes(None))?;
        let named = [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")];
        Ok((model, surface::one_word(PrependScheme::First)?, roles(&named)))
    }

    /// Gemma's pieces of several spaces are written with spaces.
    fn gemma(&self) -> Result<(Model, Surface, Roles), String> {
        let respelled = |piece: &String| {
            let blank = piece.contains(' ') && piece.trim().is_empty();
            if blank { "\u{2581}".repeat(piece.chars().count()) } else { piece.clone() }
        };
        let pieces: Vec<String> = self.tokens.iter().map(respelled).collect();
        let scores = (0..pieces.len()).map(|id| -(id as f64)).collect();
        let merges = self.merges(&pieces, Some(scores))?;
        let model = bpe::model(ids(&pieces), merges, bpe::as_bytes(Some("<unk>")))?;
        let named = [
            ("bos_token", "<bos>"),
            ("eos_token", "<eos>"),
            ("unk_token", "<unk>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ];
        Ok((model, surface::gemma(&Settings::default(), None)?, roles(&named)))
    }

    fn phi3(&self) -> Result<(Model, Surface, Roles), String> {
        let (model, mut surface, roles) = self.llama()?;
        let steps =
            vec![Normalizer::of(Prepend::new("\u{2581}".into())), normalizer::respell(" ", "\u{2581}")?];
        surface.normalizer = Some(Normalizer::Sequence(steps));
        surface.splitter = None;
        Ok((model, surface, roles))
    }

    /// Pieces that are not written in the letters for bytes, as tokens added later are not, are
    /// written so.
    fn byte_level(&self) -> Result<(Model, Surface, Roles), String> {
        let letters = bpe::byte_letters();
        let spelled = |piece: &String| {
            if piece.chars().all(bpe::is_byte_letter) {
                piece.clone()
            } else {
                piece.bytes().map(|byte| letters[byte as usize]).collect()
            }
        };
        let pieces: Vec<String> = self.tokens.iter().map(spelled).collect();
        let splitter = match self.pre.as_deref().and_then(words) {
            Some(pattern) => splitter::byte_level_by(pattern, false)?,
            None => splitter::byte_level(false),
        };
        let merges = self.merges(&self.tokens, self.scores())?;
        let model = bpe::model(ids(&pieces), merges, Unknown::default())?;
        let end = "<|endoftext|>";
        Ok((
            model,
            surface::byte_level(splitter),
            roles(&[("bos_token", end), ("eos_token", end), ("unk_token", end)]),
        ))
    }

    fn scores(&self) -> Option<Vec<f64>> {
        self.scores.as_ref().map(|scores| scores.iter().map(|&score| score.into()).collect())
    }

    /// The file's merges, else those that the pieces and their scores imply.
    fn merges(&self, pieces: &[String], scores: Option<Vec<f64>>) -> Result<Vec<Merge>, String> {
        let Some(lines) = &self.merges else {
            let scores = scores.ok_or("it has neither tokenizer.ggml.merges nor tokenizer.ggml.scores")?;
            return bpe::merges_of(pieces, Some(&scores));
        };
        let parse = |line: &String| {
            bpe::parse_merge(line)
                .ok_or_else(|| format!("its tokenizer.ggml.merges hold {line:?}; expected two pieces"))
        };
        lines.iter().map(parse).collect()
    }

    /// The tokens with a role. An id beyond the pieces is refused.
    fn roles(&self) -> Result<Roles, String> {
        let named = [
            ("bos_token", self.bos_id),
            ("eos_token", self.eos_id),
            ("unk_token", self.unk_id),
            ("pad_token", self.pad_id),
        ];
        let mut roles = Roles::default();
        for (role, id) in named {
            let Some(id) = id else { continue };
            let piece = self.tokens.get(id as usize).ok_or_else(|| {
                format!("its {role} is {id}; its tokenizer.ggml.tokens end at {}", self.tokens.len() - 1)
            })?;
            roles.push(role, Addition::plain(piece));
        }
        Ok(roles)
    }

    /// Adds the tokens that are never split: control tokens, which are special, and the user's.
    fn add_typed(&self, pipeline: &mut Pipeline) -> Result<(), String> {
        let of_type = |wanted: i32| {
            let types = self.token_types.iter().flatten();
            self.tokens.iter().zip(types).filter(move |(_, found)| **found == wanted).map(|(piece, _)| piece)
        };
        let spelled = |piece: &&String| self.model != "gpt2" || piece.chars().all(bpe::is_byte_letter);
        let control: Vec<_> =
            of_type(CONTROL).filter(spelled).map(|piece| AddedToken::from(piece, true)).collect();
        let added = |e: tokenizers::Error| e.to_string();
        pipeline.add_tokens(control).map_err(added)?;
        let user: Vec<_> = of_type(USER_DEFINED)
            .filter(|piece| pipeline.token_to_id(piece).is_some())
            .map(|piece| AddedToken::from(piece, false).normalized(false))
            .collect();
        pipeline.add_tokens(user).map_err(added)?;
        Ok(())
    }
}

/// Ids by piece; of a piece that stands there twice the last one counts.
fn ids(pieces: &[String]) -> Ids {
    pieces.iter().zip(0..).map(|(piece, id)| (piece.clone(), id)).collect::<HashMap<_, _>>()
}

fn roles(named: &[(&str, &str)]) -> Roles {
    let mut roles = Roles::default();
    for (role, text) in named {
        roles.push(role, Addition::plain(*text));
    }
    roles
}

/// How words are split by the value of `tokenizer.ggml.pre`; of those that are not here, `smollm`
/// and `gpt-2` among them, transformers splits all as GPT-2 does.
fn words(pre: &str) -> Option<&'static str> {
    Some(match pre {
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2"
        | "jina-v5-nano" | "dbrx" | "smaug-bpe" => surface::LLAMA3_WORDS,
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" => surface::QWEN2_WORDS,
        "tekken" => TEKKEN_WORDS,
        "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => GPT4O_WORDS,
        _ => return None,
    })
}

const TEKKEN_WORDS: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const GPT4O_WORDS: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
