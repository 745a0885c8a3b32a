//! A tokenizer from its `tokenizer.json`.

use std::panic::catch_unwind;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper};

use crate::decode::Decoder;
use crate::model::Model;
use crate::normalizer::Normalizer;
use crate::splitter::Splitter;
use crate::{Pipeline, TextError, template};

/// The parts that matter here. How to cut and pad is not even looked at. Each part is
/// first taken as it stands, so that the crate's parsers, some of which panic on it, never see a
/// text that is not JSON.
#[derive(Deserialize)]
struct File<'a> {
    version: Option<String>,
    #[serde(borrow)]
    added_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    normalizer: Option<&'a RawValue>,
    #[serde(borrow)]
    pre_tokenizer: Option<&'a RawValue>,
    #[serde(borrow)]
    post_processor: Option<&'a RawValue>,
    #[serde(borrow)]
    decoder: Option<&'a RawValue>,
    #[serde(borrow)]
    model: &'a RawValue,
}

const VERSION: &str = "1.0";

/// The pipeline that a file describes.
pub(crate) fn pipeline(bytes: &[u8]) -> Result<Pipeline, TextError> {
    // The crate panics on some parts that do not fit together, like a merge of BPE that is
    // shorter than its prefix.
    let built = catch_unwind(|| build(bytes));
    let built = built.unwrap_or_else(|_| Err("its parts do not fit together".into()));
    built.map_err(|detail| TextError::File { file: "tokenizer.json".into(), detail })
}

fn build(bytes: &[u8]) -> Result<Pipeline, String> {
    let json = std::str::from_utf8(bytes)
        .map_err(|e| format!("byte {} is not UTF-8; expected JSON", e.valid_up_to()))?;
    let file: File<'_> = serde_json::from_str(json).map_err(|e| format!("it does not parse: {e}"))?;
    if let Some(version) = file.version.filter(|version| version != VERSION) {
        return Err(format!("its version is {version:?}; supported is {VERSION:?}"));
    }
    let normalizer: Option<NormalizerWrapper> = part("normalizer", file.normalizer)?;
    let pre_tokenizer: Option<PreTokenizerWrapper> = part("pre_tokenizer", file.pre_tokenizer)?;
    let processor: Option<PostProcessorWrapper> = part("post_processor", file.post_processor)?;
    let decoder: Option<DecoderWrapper> = part("decoder", file.decoder)?;
    let added: Option<Vec<AddedToken>> = part("added_tokens", file.added_tokens)?;
    if let Some(fault) = template::fault(processor.as_ref()) {
        return Err(fault);
    }

    let refused = |e: tokenizers::Error| e.to_string();
    let mut pipeline = Pipeline::new(Model::from_json(file.model.get())?);
    pipeline.with_normalizer(normalizer.map(Normalizer::Crate)).map_err(refused)?;
    pipeline.with_pre_tokenizer(pre_tokenizer.map(Splitter::Crate));
    pipeline.with_post_processor(processor);
    pipeline.with_decoder(decoder.map(Decoder::Crate));
    let added = added.unwrap_or_default();
    pipeline.add_tokens(added).map_err(refused)?;
    Ok(pipeline)
}

fn part<T: DeserializeOwned>(name: &str, json: Option<&RawValue>) -> Result<Option<T>, String> {
    json.map(|json| serde_json::from_str(json.get()))
        .transpose()
        .map_err(|e| format!("its {name} does not parse: {e}"))
}
