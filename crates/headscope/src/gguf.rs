//! The tokenizer inside a GGUF file: the engine reads the metadata, text knows what it means.

use headscope_engine::{Checkpoint, GgufMetadata};
use headscope_text::{GgufVocabulary, Tokenizer};

use crate::Error;

/// The tokenizer of a GGUF file.
pub(crate) fn tokenizer(checkpoint: &Checkpoint) -> Result<Tokenizer, Error> {
    let metadata = checkpoint.gguf_metadata()?;
    let vocabulary = metadata.as_ref().map(vocabulary).transpose()?.unwrap_or_default();
    Ok(Tokenizer::from_gguf(&vocabulary)?)
}

fn vocabulary(metadata: &GgufMetadata<'_>) -> Result<GgufVocabulary, Error> {
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let narrowed = |name: &str| -> Result<Option<Vec<f64>>, Error> { Ok(metadata.numbers(&key(name))?) };
    Ok(GgufVocabulary {
        architecture: metadata.text("general.architecture")?.unwrap_or_default(),
        model: metadata.text(&key("model"))?.unwrap_or_default(),
        pre: metadata.text(&key("pre"))?,
        tokens: metadata.texts(&key("tokens"))?.unwrap_or_default(),
        scores: narrowed("scores")?.map(|scores| scores.into_iter().map(|score| score as f32).collect()),
        token_types: narrowed("token_type")?.map(|types| types.into_iter().map(|kind| kind as i32).collect()),
        merges: metadata.texts(&key("merges"))?,
        bos_id: metadata.whole(&key("bos_token_id"))?,
        eos_id: metadata.whole(&key("eos_token_id"))?,
        unk_id: metadata.whole(&key("unknown_token_id"))?,
        pad_id: metadata.whole(&key("padding_token_id"))?,
        add_bos: metadata.flag(&key("add_bos_token"))?,
        add_eos: metadata.flag(&key("add_eos_token"))?,
    })
}
