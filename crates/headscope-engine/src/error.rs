//! What can go wrong before a pass; nothing fails during one.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a model could not be loaded, or a text not be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder that should hold a model lacks one of its files.
    #[error("{} has no {missing}", folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        missing: &'static str,
    },
    /// A PyTorch checkpoint whose pickle asks for more than tensors.
    #[error("{file} asks to run {asks}, which headscope never does; expected tensors alone")]
    Pickle {
        /// The file.
        file: String,
        /// What it names: `os.system`.
        asks: String,
    },
    /// What can be no Hub id, and is no folder either.
    #[error("there is no folder {name:?}")]
    NoFolder {
        /// What was asked for.
        name: String,
    },
    /// A Hub id that is not in the Hugging Face cache.
    #[error("no model {id:?}{}: the cache at {} does not hold it", at(revision.as_deref()), cache.display())]
    NotFound {
        /// The id.
        id: String,
        /// The branch, tag or commit, if one was asked for.
        revision: Option<String>,
        /// Where was looked.
        cache: PathBuf,
    },
    /// A name from a repository that is no plain name on disk.
    #[error("the {what} {name:?} is refused: it could lead out of the cache")]
    UnsafeName {
        /// `file`, `ETag` or `commit`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A file of weights that is cut short or contradicts itself.
    #[error("{file} is not a whole {format} file: {detail}")]
    Container {
        /// The file.
        file: String,
        /// What it should be: `safetensors`, `GGUF`, `PyTorch`.
        format: &'static str,
        /// What was found.
        detail: String,
    },
    /// A configuration value that is missing, malformed or not supported.
    #[error("{file}: {key} {detail}")]
    Config {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// A tensor that is missing, or of another shape or dtype than the configuration asks for.
    #[error("{file}: tensor {name} {detail}")]
    Tensor {
        /// The file, or files.
        file: String,
        /// The tensor.
        name: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// A text of more tokens than the model has positions for.
    #[error("the {of} has {tokens} tokens, but {model} takes at most {limit}")]
    TooLong {
        /// The model.
        model: String,
        /// `text` or `target`.
        of: &'static str,
        /// The text's tokens, special ones included.
        tokens: usize,
        /// The model's positions.
        limit: usize,
    },
    /// A token id or segment that the model has no embedding for.
    #[error("token {position}{} has {what} {found}, but {model} has {limit} of them", of_target(of))]
    OutOfRange {
        /// The model.
        model: String,
        /// `text` or `target`.
        of: &'static str,
        /// The token's place.
        position: usize,
        /// `id` or `segment`.
        what: &'static str,
        /// Its value.
        found: u32,
        /// How many the model has.
        limit: usize,
    },
    /// A pass whose numbers went past what f32 can hold.
    #[error("{model} gave values that are not finite")]
    NotFinite {
        /// The model.
        model: String,
    },
    /// No token at all.
    #[error("there is no token to run{}", of_target(of))]
    Empty {
        /// `text` or `target`.
        of: &'static str,
    },
    /// A model of two stacks, and nothing for its decoder.
    #[error("{model} has an encoder and a decoder; nothing was given that the decoder reads")]
    NoTarget {
        /// The model.
        model: String,
    },
    /// A model that cannot write.
    #[error("{model} does not predict the next token: it is no causal language model")]
    NoNext {
        /// The model.
        model: String,
    },
    /// Something for a decoder, and a model of one stack.
    #[error("{model} has one stack of layers; there is no decoder that could read a second text")]
    OneStack {
        /// The model.
        model: String,
    },
    /// A model that sees, and no image.
    #[error("{model} reads images; no image was given")]
    NoImage {
        /// The model.
        model: String,
    },
    /// An image, and a model that reads.
    #[error("{model} reads texts; an image was given")]
    NoEyes {
        /// The model.
        model: String,
    },
    /// An image of another size than the model takes.
    #[error("the image is {} ({}); {model} takes {expected}", sides(found), channels(found))]
    ImageSize {
        /// The model.
        model: String,
        /// What it takes.
        expected: String,
        /// Channels, height and width of the image.
        found: Vec<usize>,
    },
    /// An image whose tokens are not its patches.
    #[error("the image has {found} tokens; {model} makes {expected} of it")]
    ImageTokens {
        /// The model.
        model: String,
        /// The special tokens and the patches.
        expected: usize,
        /// The tokens given.
        found: usize,
    },
    /// A pattern of site names that no site of the model matches.
    #[error("no site of {model} is called {glob:?}")]
    NoSuchSite {
        /// The model.
        model: String,
        /// The pattern.
        glob: String,
    },
}

fn sides(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().skip(1).rev().map(ToString::to_string).collect();
    sides.join(" x ")
}

fn channels(shape: &[usize]) -> String {
    match shape.first() {
        Some(1) => "1 channel".into(),
        n => format!("{} channels", n.unwrap_or(&0)),
    }
}

/// Says of a target that it is one.
fn of_target(of: &str) -> &'static str {
    if of == "target" { " of the target" } else { "" }
}

fn at(revision: Option<&str>) -> String {
    revision.map_or_else(String::new, |revision| format!(" at revision {revision:?}"))
}

impl EngineError {
    /// How to go on, where there is a way.
    pub fn help(&self) -> Option<String> {
        match self {
            EngineError::Incomplete { .. } => {
                Some("a model folder holds config.json, model.safetensors and tokenizer.json or vocab.txt".into())
            }
            EngineError::Pickle { .. } => Some(
                "use a copy of the model that has safetensors; this file would run that in Python, so make one from \
                 it only where you trust it: AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
                    .into(),
            ),
            EngineError::NoFolder { .. } => Some(
                "give the path of a folder that holds config.json, or a model in the Hugging Face cache, as ORG/NAME; \
                 `headscope models` lists those"
                    .into(),
            ),
            EngineError::NotFound { id, revision, .. } => {
                let revision = revision.as_ref().map_or_else(String::new, |r| format!(" --revision {r}"));
                Some(format!(
                    "download it with `headscope pull {id}{revision}`, or give the path of a folder that holds config.json"
                ))
            }
            EngineError::UnsafeName { .. } => {
                Some("no honest repository has such a name; look at where HF_ENDPOINT points".into())
            }
            EngineError::NotFinite { .. } => {
                Some("its weights are too large to compute with: the checkpoint is damaged, or was never trained".into())
            }
            EngineError::Container { .. } => Some("the file may be cut short; download or copy it again".into()),
            EngineError::Config { key, .. } if key == "model_type" || key == "general.architecture" => {
                Some("`headscope models` lists the families that can be run".into())
            }
            EngineError::Tensor { .. } => Some(
                "config.json and the weights may be of different models, or damaged; download both again".into(),
            ),
            EngineError::OutOfRange { what, limit, .. } => Some(format!(
                "{what}s go from 0 to {}; if the tokenizer gave this one, it is another model's",
                limit.saturating_sub(1)
            )),
            EngineError::TooLong { .. } => {
                Some("shorten the text, cut it with --truncate, or choose a model with more positions".into())
            }
            EngineError::NoImage { .. } => Some("give the path of a png or jpeg file in place of a text".into()),
            EngineError::NoEyes { .. } => Some("give a text, or choose a model that reads images".into()),
            EngineError::ImageSize { .. } => Some(
                "images are resized as preprocessor_config.json in the model's folder says; its sizes and those of \
                 config.json should agree"
                    .into(),
            ),
            EngineError::NoTarget { .. } => Some(
                "give what the decoder reads: a second text, --target \"TEXT\", or its ids by --decoder-ids; \
                 or let the model write it with --generate 40"
                    .into(),
            ),
            EngineError::NoSuchSite { .. } => Some(
                "sites are called like embed, blocks.3.attn.q, blocks.3.attn.pattern, blocks.3.resid_pre, last_hidden; \
                 * stands for any letters"
                    .into(),
            ),
            _ => None,
        }
    }
}
