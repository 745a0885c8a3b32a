//! Marian (arXiv 1804.00344): BART's blocks, with positions as sines and cosines and without a norm before
//! the first block. Encoder and decoder may have vocabularies of their own.

use super::Family;
use super::bart::{Bart, Shape};

pub(super) const FAMILY: Family = Family {
    model_type: "marian",
    about: "Marian, as OPUS-MT has it: translation between two languages",
    load: |config, weights| {
        let read = Shape::read(config, 58101)?;
        let shares_words = config.get("share_encoder_decoder_embeddings", true)?;
        let source = read.vocabulary[0];
        let target = match config.get("decoder_vocab_size", 0)? {
            0 => source, // as if it were not there
            given => given,
        };
        let is_tied = config.get("tie_word_embeddings", true)?;
        let shape = Shape {
            vocabulary: match (shares_words, is_tied) {
                (true, true) => [source; 3],
                (true, false) => [source, target, source],
                (false, _) => [source, target, target],
            },
            shares_words,
            sinusoidal: true,
            embed_norm: false,
            start: Some(58100),
            ..read
        };
        Ok(Box::new(Bart::load(&shape, config, weights)?))
    },
};
