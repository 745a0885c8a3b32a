//! A model with its tokenizer.

use std::path::{Path, PathBuf};
use std::thread;
use std::{fs, io};

use headscope_engine::{Cache, Checkpoint, Compute, EngineError, ImageLimits, Input, Sites};
use headscope_image::{ImageError, Processor, Usual};
use headscope_text::Tokenizer;
use headscope_trace::{Encoding, Trace};

use crate::{Error, ImageModel, gguf};

/// Where a tokenizer comes from.
enum TokenizerFile {
    Folder(PathBuf),
    Json(&'static [u8]),
    /// Inside the file of weights.
    Gguf,
}

/// A model's files: found, not yet read.
pub struct ModelFiles {
    /// Configuration and weights.
    pub checkpoint: Checkpoint,
    tokenizer: TokenizerFile,
}

impl ModelFiles {
    /// The files of a folder, or a GGUF file, which holds everything.
    ///
    /// # Errors
    /// If configuration or weights are missing.
    pub fn open(path: impl AsRef<Path>) -> Result<ModelFiles, Error> {
        let path = path.as_ref();
        let tokenizer = match Checkpoint::is_gguf(path) {
            true => TokenizerFile::Gguf,
            false => TokenizerFile::Folder(path.to_owned()),
        };
        Ok(ModelFiles { checkpoint: Checkpoint::open(path)?, tokenizer })
    }

    /// What is done to images before the model sees them, by `preprocessor_config.json`, or as is usual for
    /// its family.
    ///
    /// # Errors
    /// If the file cannot be read, or a setting is not supported.
    pub fn processor(&self, limits: ImageLimits, family: &str) -> Result<Processor, Error> {
        if let TokenizerFile::Folder(folder) = &self.tokenizer {
            let path = folder.join("preprocessor_config.json");
            match fs::read(&path) {
                Ok(json) => return Ok(Processor::read(&json, &path.display().to_string())?),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ImageError::Io { path, source }.into()),
            }
        }
        let usual = match family {
            "deit" => Usual::Deit,
            _ if limits.any_size => Usual::Dinov2,
            _ => Usual::Vit,
        };
        Ok(Processor::usual(usual, limits.size))
    }

    /// The files of a model by name: a folder or GGUF file, or else a Hub id in the cache at `revision` (`main` when
    /// absent).
    ///
    /// # Errors
    /// If it is neither, or lacks configuration or weights.
    pub fn find(name: &str, revision: Option<&str>, cache: &Cache) -> Result<ModelFiles, Error> {
        if Path::new(name).is_dir() || (Path::new(name).is_file() && Checkpoint::is_gguf(Path::new(name))) {
            return ModelFiles::open(name);
        }
        let mut files = ModelFiles::open(cache.find(name, revision)?)?;
        files.checkpoint.id = name.to_owned();
        files.checkpoint.revision = revision.map(str::to_owned);
        Ok(files)
    }

    /// A model that is part of the program.
    pub fn embedded(
        id: &str,
        config: &'static [u8],
        weights: &'static [u8],
        tokenizer: &'static [u8],
    ) -> ModelFiles {
        ModelFiles {
            checkpoint: Checkpoint::embedded(id, config, weights),
            tokenizer: TokenizerFile::Json(tokenizer),
        }
    }

    /// Reads the tokenizer alone, which is all that `tokens` needs.
    ///
    /// # Errors
    /// If it is missing or cannot be read.
    pub fn tokenizer(&self) -> Result<Tokenizer, Error> {
        Ok(match &self.tokenizer {
            TokenizerFile::Folder(folder) => Tokenizer::from_dir(folder)?,
            TokenizerFile::Json(bytes) => Tokenizer::from_json(bytes)?,
            TokenizerFile::Gguf => gguf::tokenizer(&self.checkpoint)?,
        })
    }
}

/// A model of either kind: which one shows only when its configuration is read.
#[expect(clippy::large_enum_variant, reason = "a process holds one")]
pub enum AnyModel {
    /// One that reads texts.
    Text(Model),
    /// One that sees images.
    Image(ImageModel),
}

impl AnyModel {
    /// Loads a model with what prepares its input, side by side.
    ///
    /// # Errors
    /// If a file is missing or cannot be used; the error names it.
    pub fn load(files: &ModelFiles, compute: &Compute) -> Result<AnyModel, Error> {
        thread::scope(|scope| {
            let tokenizer = scope.spawn(|| files.tokenizer());
            let engine = headscope_engine::Model::load(&files.checkpoint, compute);
            let tokenizer = tokenizer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let engine = engine?;
            Ok(match engine.image_limits() {
                None => AnyModel::Text(Model { engine, tokenizer: tokenizer? }),
                Some(limits) => {
                    let processor = files.processor(limits, &engine.card().family)?;
                    AnyModel::Image(ImageModel::new(engine, limits, processor))
                }
            })
        })
    }
}

/// A model that is ready to run, with its tokenizer.
pub struct Model {
    engine: headscope_engine::Model,
    tokenizer: Tokenizer,
}

impl Model {
    /// Loads a GGUF file, or the model in a folder that holds `config.json`, weights and a tokenizer.
    ///
    /// # Errors
    /// If a file is missing or cannot be used; the error names it.
    pub fn open(folder: impl AsRef<Path>, compute: &Compute) -> Result<Model, Error> {
        Model::load(&ModelFiles::open(folder)?, compute)
    }

    /// Loads a model by name, as transformers does: a folder or GGUF file, or else a Hub id in the cache.
    ///
    /// # Errors
    /// If it is neither, or a file is missing or cannot be used.
    pub fn from_pretrained(name: &str, cache: &Cache, compute: &Compute) -> Result<Model, Error> {
        Model::load(&ModelFiles::find(name, None, cache)?, compute)
    }

    /// Loads tokenizer and weights, side by side.
    ///
    /// # Errors
    /// As [`open`](Model::open).
    pub fn load(files: &ModelFiles, compute: &Compute) -> Result<Model, Error> {
        match AnyModel::load(files, compute)? {
            AnyModel::Text(model) => Ok(model),
            AnyModel::Image(model) => {
                Err(EngineError::NoImage { model: model.engine().card().id.clone() }.into())
            }
        }
    }

    /// The model without its tokenizer: sites, probes, raw ids.
    pub fn engine(&self) -> &headscope_engine::Model {
        &self.engine
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Tokenizes a text or a pair, cut to the model's positions if `truncate`.
    ///
    /// # Errors
    /// If a text is empty. A text that is too long is an error of the pass.
    pub fn encode(&self, text: &str, pair: Option<&str>, truncate: bool) -> Result<Encoding, Error> {
        Ok(if truncate {
            self.tokenizer.encode_truncated(text, pair, self.engine.limits().tokens)?
        } else {
            self.tokenizer.encode(text, pair)?
        })
    }

    /// Whether it has an encoder and a decoder, which then reads the second text.
    pub fn has_decoder(&self) -> bool {
        self.engine.target_limits().is_some()
    }

    /// What the decoder of two stacks reads before anything is written: the token that is first in all
    /// targets, if there is one.
    ///
    /// # Errors
    /// None that is known; the tokenizer may refuse the token.
    pub fn target_start(&self) -> Result<Option<Encoding>, Error> {
        let Some(id) = self.engine.decoder_start() else { return Ok(None) };
        let mut start = self.tokenizer.ids(&[id])?;
        start.tokens.iter_mut().for_each(|token| token.special = true);
        Ok(Some(start))
    }

    /// Tokenizes a target as the decoder of two stacks reads it: one to the right, behind the token that
    /// is first in all of them. Cut to its positions if `truncate`.
    ///
    /// # Errors
    /// If the text is empty.
    pub fn encode_target(&self, text: &str, truncate: bool) -> Result<Encoding, Error> {
        let start = self.target_start()?.and_then(|mut start| start.tokens.pop());
        let mut target = self.tokenizer.encode_target(text)?.shifted_right(start);
        if let Some(limits) = self.engine.target_limits().filter(|_| truncate) {
            target.tokens.truncate(limits.tokens);
        }
        Ok(target)
    }

    /// What the model reads of one text or two: a pair or, where there is a decoder, a text and its target.
    ///
    /// # Errors
    /// As [`encode`](Model::encode) and [`encode_target`](Model::encode_target).
    pub fn input(&self, text: &str, second: Option<&str>, truncate: bool) -> Result<Input, Error> {
        if !self.has_decoder() {
            return Ok(self.encode(text, second, truncate)?.into());
        }
        let target = second.map(|text| self.encode_target(text, truncate)).transpose()?;
        Ok(Input { target, ..Input::from(self.encode(text, None, truncate)?) })
    }

    /// Runs a text or a pair, or a text with its target, and keeps every head's pattern.
    ///
    /// # Errors
    /// If a text is empty, or longer than the model takes.
    pub fn trace(&self, text: &str, second: Option<&str>) -> Result<Trace, Error> {
        self.trace_encoding(self.input(text, second, false)?, &Sites::patterns(&self.engine))
    }

    /// Runs an encoding, or two for a model of two stacks, and keeps the values at `sites`.
    ///
    /// # Errors
    /// If one is longer than the model takes.
    pub fn trace_encoding(&self, input: impl Into<Input>, sites: &Sites) -> Result<Trace, Error> {
        Ok(self.engine.trace(input, sites)?)
    }
}
