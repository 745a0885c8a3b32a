//! Which tokenizer a model's files describe, and reading it.

use std::collections::HashSet;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;
use tokenizers::ModelWrapper;

use crate::assembly::{self, Addition, Roles};
use crate::classes::{self, Around, BACKEND, Build, Built, Class, MARIAN};
use crate::decode::Decoder;
use crate::marian::Marian;
use crate::model::Model;
use crate::normalizer::Normalizer;
use crate::sentencepiece::SentencePiece;
use crate::settings::{self, Settings, SettingsFiles};
use crate::splitter::Splitter;
use crate::surface::Surface;
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
    let Some(class) = class?.map_or_else(|| unnamed(files), |class| Ok(Some(class)))? else {
        return Err(TextError::NoTokenizer { folder: "".into() });
    };
    from_class(files, class)
}

/// The tokenizer of a class, from the files that it reads.
fn from_class(files: &Files<'_>, class: &'static Class) -> Result<Tokenizer, TextError> {
    let settings = settings(files)?;
    let fault = |detail| fault(settings::CONFIG, detail);
    let roles = settings.roles(class.roles).map_err(fault)?;
    let extra = settings.extra().map_err(fault)?;
    let additional = settings.additional().map_err(fault)?;
    let (file, built, charsmap) = match class.build {
        Build::Marian => return marian(files, &settings, &roles),
        Build::Words(build) => (VOCAB_TXT, build(&needed(files, VOCAB_TXT)?, &settings, &roles), Ok(None)),
        Build::Merges(build) => {
            let ids = bpe::read_vocab(&needed(files, VOCAB_JSON)?).map_err(|e| self::fault(VOCAB_JSON, e))?;
            let merges = bpe::read_merges(&needed(files, MERGES)?).map_err(|e| self::fault(MERGES, e))?;
            (VOCAB_JSON, build(ids, merges, &settings, &roles), Ok(None))
        }
        Build::Unigram(own, build) | Build::Merged(own, build) => {
            let (file, bytes) = match files(SENTENCEPIECE)? {
                Some(bytes) => (SENTENCEPIECE, bytes),
                None => (own, needed(files, own)?),
            };
            let model = SentencePiece::parse(&bytes).map_err(|e| self::fault(file, e))?;
            (file, build(&model, &settings, &roles), classes::charsmap(&model))
        }
    };
    let fault = |detail| self::fault(file, detail);
    let built = built.map_err(fault)?;
    let surface = charsmap.and_then(|charsmap| (class.surface)(&settings, charsmap)).map_err(fault)?;
    // What stands in a SentencePiece model comes in place of what only the oldest file lists.
    let additional = additional.filter(|_| matches!(class.build, Build::Words(_) | Build::Merges(_)));
    let others = extra.or(additional).unwrap_or_else(|| built.others.clone());
    assemble(class, built, surface, &settings, &others).map_err(fault)
}

/// A `tokenizer.json` as its class in transformers uses it: of the file are the pieces and the special
/// tokens around a text; what is added, and how text is written and split, is the settings' and
/// the class's, unless the model is of another kind than the class's.
fn by_class(mut pipeline: Pipeline, class: &Class, settings: &Settings) -> Result<Tokenizer, String> {
    let fits = fits(&pipeline, class);
    if fits {
        let charsmap = pipeline.get_normalizer().and_then(Normalizer::charsmap);
        assembly::resurface(&mut pipeline, (class.surface)(settings, charsmap)?)?;
    }
    let others = settings.extra()?.or(settings.additional()?).unwrap_or_default();
    let roles = settings.roles(class.roles)?;
    assembly::add(&mut pipeline, &settings.added(), &roles, &others)?;
    if !fits || class.keeps_frame() {
        return Ok(Tokenizer::of(pipeline));
    }
    // Ends of texts are the file's affair, even where the class takes it for having none.
    let settings = settings.without(&["add_bos_token", "add_eos_token"]);
    frame(pipeline, class, &settings, roles)
}

/// Puts what the class says around texts.
fn frame(
    mut pipeline: Pipeline,
    class: &Class,
    settings: &Settings,
    roles: Roles,
) -> Result<Tokenizer, String> {
    let roles = match class.around {
        Around::Languages { .. } => {
            classes::with_languages(&roles, settings, |code| pipeline.token_to_id(code).is_some())?
        }
        _ => roles,
    };
    let (frame, target) = class.around.frames(settings, &roles)?;
    let target = target.map(|frame| frame.processor(&pipeline, &roles)).transpose()?;
    let processor = frame.processor(&pipeline, &roles)?;
    pipeline.with_post_processor(Some(processor));
    Ok(Tokenizer { pipeline, target: target.map(Target::Frame) })
}

/// Whether a class would read such a model.
fn fits(pipeline: &Pipeline, class: &Class) -> bool {
    let bytes = pipeline.get_pre_tokenizer().is_some_and(Splitter::is_byte_level);
    match (&class.build, pipeline.get_model()) {
        _ if std::ptr::eq(class, &BACKEND) => false,
        (Build::Words(_), Model::WordPiece(_)) => true,
        (Build::Merges(_), Model::Other { model: ModelWrapper::BPE(_), .. }) => bytes,
        (Build::Merged(..), Model::Other { model: ModelWrapper::BPE(_), .. }) => !bytes,
        (Build::Unigram(..), Model::Other { model: ModelWrapper::Unigram(_), .. }) => true,
        _ => false,
    }
}

/// Puts a tokenizer together.
fn assemble(
    class: &Class,
    built: Built,
    surface: Surface,
    settings: &Settings,
    others: &[Addition],
) -> Result<Tokenizer, String> {
    let Built { model, roles, again, .. } = built;
    let mut pipeline = assembly::pipeline(model, surface)?;
    assembly::add(&mut pipeline, &settings.added(), &roles, others)?;
    if again {
        assembly::add_again(&mut pipeline, &roles, others)?;
    }
    pipeline.set_encode_special_tokens(settings.flag("split_special_tokens")?.unwrap_or(false));
    frame(pipeline, class, settings, roles)
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

/// The class that a folder names, itself or by its family.
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
        (None, None) => return Ok(None),
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

/// The class of files that name none; none if there is no vocabulary that we know. A `vocab.txt`
/// alone is BERT's; no other file says by itself how it is used.
fn unnamed(files: &Files<'_>) -> Result<Option<&'static Class>, TextError> {
    let model_type = named(files, MODEL_CONFIG)?.model_type;
    for vocabulary in VOCABULARIES {
        if files(vocabulary)?.is_none() {
            continue;
        }
        let who = match model_type {
            _ if vocabulary == VOCAB_TXT => return Ok(Class::named("BertTokenizer")),
            Some(_) if vocabulary == SENTENCEPIECE => return Ok(Some(&BACKEND)),
            Some(model_type) => format!("the model_type {model_type:?} does not say how it is used"),
            None => "nothing says how it is used".into(),
        };
        let supported = supported();
        let detail = format!("{who}; expected a tokenizer_class in tokenizer_config.json: {supported}");
        return Err(fault(vocabulary, detail));
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
        let tokenizer = marian.and_then(|(model, spelling)| {
            let surface = Surface {
                normalizer: None,
                splitter: Some(Splitter::Marian(spelling)),
                decoder: Some(Decoder::Marian(special.clone())),
            };
            let (model, roles) = (Model::Marian(model), roles.clone());
            let built = Built { model, others: Vec::new(), roles, again: false };
            assemble(&MARIAN, built, surface, settings, &extra)
        });
        Ok(tokenizer.map_err(|e| fault(spm, e))?.pipeline)
    };
    let source = pipeline("source.spm", VOCAB_JSON)?;
    let target = pipeline("target.spm", target_vocabulary)?;
    Ok(Tokenizer { pipeline: source, target: Some(Target::Own(Box::new(target))) })
}

/// A file that a class needs; where there is no vocabulary at all, there is no tokenizer.
fn needed(files: &Files<'_>, file: &'static str) -> Result<Vec<u8>, TextError> {
    if let Some(bytes) = files(file)? {
        return Ok(bytes);
    }
    for other in VOCABULARIES {
        if files(other)?.is_some() {
            return Err(fault(file, "there is no such file, which this tokenizer_class needs".into()));
        }
    }
    Err(TextError::NoTokenizer { folder: "".into() })
}

fn fault(file: &str, detail: String) -> TextError {
    TextError::File { file: file.into(), detail }
}
