//! Which tokenizer a model's files describe, and reading it.

use std::collections::HashSet;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;

use crate::assembly::{self, Addition, Frame, Parts, Roles};
use crate::classes::{self, BACKEND, Build, Built, Class, MARIAN};
use crate::decode::Decoder;
use crate::marian::Marian;
use crate::model::Model;
use crate::sentencepiece::SentencePiece;
use crate::settings::{self, Settings, SettingsFiles};
use crate::splitter::Splitter;
use crate::{Pipeline, Target, TextError, Tokenizer, bpe, json};

/// Hands out a model's files by their names; none where there is no such file.
pub(crate) type Files<'a> = dyn Fn(&str) -> Result<Option<Vec<u8>>, TextError> + 'a;

/// The files of a folder.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, TextError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TextError::Io { path: path.into(), source }),
    }
}

const TOKENIZER_JSON: &str = "tokenizer.json";
const MODEL_CONFIG: &str = "config.json";
const VOCAB_TXT: &str = "vocab.txt";
const VOCAB_JSON: &str = "vocab.json";
const MERGES: &str = "merges.txt";

/// The files of which each can be all there is of a vocabulary.
const VOCABULARIES: [&str; 7] = [
    VOCAB_TXT,
    VOCAB_JSON,
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
    SENTENCEPIECE,
    "source.spm",
];

/// Read in place of a class's own SentencePiece model where it is there, as in transformers.
const SENTENCEPIECE: &str = "tokenizer.model";

/// The tokenizer of a `tokenizer.json`, else of the class that the files name.
pub(crate) fn load(files: &Files<'_>) -> Result<Tokenizer, TextError> {
    let class = class(files);
    let is_marian = matches!(class, Ok(Some(class)) if std::ptr::eq(class, &MARIAN));
    if !is_marian && let Some(bytes) = files(TOKENIZER_JSON)? {
        let pipeline = json::pipeline(&bytes)?;
        // What the files beside it say is worth having; where they are damaged, it does without.
        let (Ok(Some(class)), Ok(settings)) = (class, settings(files)) else {
            return Ok(Tokenizer::of(pipeline));
        };
        return by_class(pipeline, class, &settings).map_err(|detail| fault(TOKENIZER_JSON, detail));
    }
    let Some(class) = class? else { return Err(TextError::NoTokenizer { folder: "".into() }) };
    let settings = settings(files)?;
    let fault = |detail| fault(settings::CONFIG, detail);
    let roles = settings.roles(class.roles).map_err(fault)?;
    let extra = settings.extra().map_err(fault)?;
    let additional = settings.additional().map_err(fault)?;
    let (file, built) = match class.build {
        Build::Marian => return marian(files, &settings, &roles),
        Build::Words(build) => (VOCAB_TXT, build(&needed(files, VOCAB_TXT)?, &settings, &roles)),
        Build::Merges(build) => {
            let ids = bpe::read_vocab(&needed(files, VOCAB_JSON)?).map_err(|e| self::fault(VOCAB_JSON, e))?;
            let merges = bpe::read_merges(&needed(files, MERGES)?).map_err(|e| self::fault(MERGES, e))?;
            (VOCAB_JSON, build(ids, merges, &settings, &roles))
        }
        Build::Pieces(own, build) => {
            let (file, bytes) = match files(SENTENCEPIECE)? {
                Some(bytes) => (SENTENCEPIECE, bytes),
                None => (own, needed(files, own)?),
            };
            let model = SentencePiece::parse(&bytes).map_err(|e| self::fault(file, e))?;
            (file, build(&model, &settings, &roles))
        }
    };
    let fault = |detail| self::fault(file, detail);
    let built = built.map_err(fault)?;
    // What stands in a SentencePiece model comes in place of what only the oldest file lists.
    let additional = additional.filter(|_| !matches!(class.build, Build::Pieces(..)));
    let others = extra.or(additional).unwrap_or_else(|| built.others.clone());
    assemble(built, &settings, &others).map_err(fault)
}

/// A `tokenizer.json` as its class in transformers uses it: tokens that the files beside it add are
/// added, Llama's spaces are its class's, and mBART's languages are those of the settings.
fn by_class(mut pipeline: Pipeline, class: &Class, settings: &Settings) -> Result<Tokenizer, String> {
    let others = settings.extra()?.or(settings.additional()?).unwrap_or_default();
    assembly::add(&mut pipeline, &settings.added(), &settings.roles(&[])?, &others)?;
    if class.names.contains(&"LlamaTokenizer")
        && !pipeline.get_pre_tokenizer().is_some_and(Splitter::is_byte_level)
    {
        classes::llama_spaces(&mut pipeline, settings)?;
    }
    let Some(after) = classes::language_behind(class) else { return Ok(Tokenizer::of(pipeline)) };
    let roles = settings.roles(class.roles)?;
    let roles = classes::with_languages(&roles, settings, |code| pipeline.token_to_id(code).is_some())?;
    let [frame, target] = classes::language_frames(after);
    let target = target.processor(&pipeline, &roles)?;
    let processor = frame.processor(&pipeline, &roles)?;
    pipeline.with_post_processor(Some(processor));
    Ok(Tokenizer { pipeline, target: Some(Target::Frame(target)) })
}

/// Puts a tokenizer together.
fn assemble(built: Built, settings: &Settings, others: &[Addition]) -> Result<Tokenizer, String> {
    let Built { parts, roles, again, frame, target, .. } = built;
    let mut pipeline = parts.pipeline()?;
    assembly::add(&mut pipeline, &settings.added(), &roles, others)?;
    if again {
        assembly::add_again(&mut pipeline, &roles, others)?;
    }
    let target = target.map(|frame| frame.processor(&pipeline, &roles)).transpose()?;
    let processor = frame.processor(&pipeline, &roles)?;
    pipeline.with_post_processor(Some(processor));
    pipeline.set_encode_special_tokens(settings.flag("split_special_tokens")?.unwrap_or(false));
    Ok(Tokenizer { pipeline, target: target.map(Target::Frame) })
}

/// What the folder says of its class.
#[derive(Deserialize)]
struct Named {
    tokenizer_class: Option<String>,
    model_type: Option<String>,
}

fn named(files: &Files<'_>, file: &'static str) -> Result<Named, TextError> {
    let nothing = Named { tokenizer_class: None, model_type: None };
    let Some(bytes) = files(file)? else { return Ok(nothing) };
    serde_json::from_slice(&bytes).map_err(|e| fault(file, format!("it does not parse: {e}")))
}

/// The class of a folder; none if there is no vocabulary that we know.
fn class(files: &Files<'_>) -> Result<Option<&'static Class>, TextError> {
    let config = named(files, settings::CONFIG)?;
    let model = named(files, MODEL_CONFIG)?;
    let family = model.model_type.as_deref().and_then(classes::of_family);
    let file = if config.tokenizer_class.is_some() { settings::CONFIG } else { MODEL_CONFIG };
    let claimed = config.tokenizer_class.or(model.tokenizer_class);
    let name = match (claimed, family) {
        (_, Some(family)) if BACKEND.names.contains(&family) => family.to_owned(),
        // Files of Qwen 2 that claim to be of another class are wrong.
        (_, Some(family)) if model.model_type.as_deref() == Some("qwen2") => family.to_owned(),
        (Some(claimed), _) => claimed,
        (None, Some(family)) => family.to_owned(),
        (None, None) => return unnamed(files, model.model_type.as_deref()),
    };
    let class = Class::named(&name).ok_or_else(|| {
        fault(
            file,
            format!(
                "its tokenizer_class is {name:?}; supported without a tokenizer.json are {}",
                supported()
            ),
        )
    })?;
    Ok(Some(class))
}

/// A `vocab.txt` alone is BERT's; no other file says by itself how it is used.
fn unnamed(files: &Files<'_>, model_type: Option<&str>) -> Result<Option<&'static Class>, TextError> {
    for vocabulary in VOCABULARIES {
        if files(vocabulary)?.is_none() {
            continue;
        }
        return match model_type {
            _ if vocabulary == VOCAB_TXT => Ok(Class::named("BertTokenizer")),
            _ if vocabulary == SENTENCEPIECE && model_type.is_some() => Ok(Some(&BACKEND)),
            Some(model_type) => Err(fault(
                vocabulary,
                format!(
                    "the model_type {model_type:?} does not say how it is used; expected a tokenizer_class in tokenizer_config.json: {}",
                    supported()
                ),
            )),
            None => Err(fault(
                vocabulary,
                format!(
                    "nothing says how it is used; expected a tokenizer_class in tokenizer_config.json: {}",
                    supported()
                ),
            )),
        };
    }
    Ok(None)
}

fn supported() -> String {
    let names = classes::all().filter(|class| !std::ptr::eq(*class, &BACKEND)).flat_map(|class| class.names);
    names.copied().collect::<Vec<_>>().join(", ")
}

fn settings(files: &Files<'_>) -> Result<Settings, TextError> {
    let files = SettingsFiles {
        config: files(settings::CONFIG)?,
        special_tokens: files(settings::SPECIAL_TOKENS)?,
        added_tokens: files(settings::ADDED_TOKENS)?,
    };
    Settings::read(&files).map_err(|(file, detail)| fault(file, detail))
}

/// One tokenizer for the text and one for the translation; their vocabulary is one, unless the
/// settings say otherwise.
fn marian(files: &Files<'_>, settings: &Settings, roles: &Roles) -> Result<Tokenizer, TextError> {
    let config = |detail| fault(settings::CONFIG, detail);
    let apart = settings.flag("separate_vocabs").map_err(config)?.unwrap_or(false);
    let extra =
        settings.extra().map_err(config)?.or(settings.additional().map_err(config)?).unwrap_or_default();
    let special: HashSet<String> =
        roles.texts().chain(extra.iter().map(|addition| addition.text.as_str())).map(str::to_owned).collect();
    let target_vocabulary = if apart { "target_vocab.json" } else { VOCAB_JSON };
    let pipeline = |spm: &'static str, vocabulary: &'static str| -> Result<Pipeline, TextError> {
        let ids = bpe::read_vocab(&needed(files, vocabulary)?).map_err(|e| fault(vocabulary, e))?;
        let model = SentencePiece::parse(&needed(files, spm)?);
        let unk_token = roles.text("unk_token").unwrap_or("<unk>");
        let marian = model.and_then(|model| Marian::new(&model, ids, unk_token));
        let built = marian.map(|(model, spelling)| {
            let parts = Parts {
                model: Model::Marian(model),
                normalizer: None,
                splitter: Some(Splitter::Marian(spelling)),
                decoder: Some(Decoder::Marian(special.clone())),
            };
            let frame = Frame::Roles { single: "A eos", pair: "A B eos" };
            Built { parts, others: Vec::new(), roles: roles.clone(), again: false, frame, target: None }
        });
        let tokenizer = built.and_then(|built| assemble(built, settings, &extra));
        Ok(tokenizer.map_err(|e| fault(spm, e))?.pipeline)
    };
    let source = pipeline("source.spm", VOCAB_JSON)?;
    let target = pipeline("target.spm", target_vocabulary)?;
    Ok(Tokenizer { pipeline: source, target: Some(Target::Own(Box::new(target))) })
}

/// A file without which the others are of no use.
fn needed(files: &Files<'_>, file: &'static str) -> Result<Vec<u8>, TextError> {
    files(file)?.ok_or_else(|| fault(file, "there is no such file, which this tokenizer_class needs".into()))
}

fn fault(file: &str, detail: String) -> TextError {
    TextError::File { file: file.into(), detail }
}
