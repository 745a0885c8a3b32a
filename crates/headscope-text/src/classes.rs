//! The tokenizer classes of transformers, as version 5 builds them from files other than a
//! `tokenizer.json`: one entry in [`CLASSES`] each.

use tokenizers::models::unigram::Unigram;
use tokenizers::{Model as _, ModelWrapper};

use crate::assembly::{Addition, Frame, Roles};
use crate::bpe::{self, Ids, Merge, Unknown};
use crate::charsmap::Charsmap;
use crate::model::Model;
use crate::normalizer::Normalizer;
use crate::sentencepiece::{SentencePiece, UNIGRAM};
use crate::settings::Settings;
use crate::surface::{self, Surfaces};
use crate::wordpiece;

/// How one class, or several of the same ways, reads its vocabulary.
pub(crate) struct Class {
    /// As `tokenizer_class` names them.
    pub(crate) names: &'static [&'static str],
    /// The special tokens that it has where the files name no others.
    pub(crate) roles: &'static [(&'static str, &'static str)],
    pub(crate) surface: Surfaces,
    pub(crate) around: Around,
    pub(crate) build: Build,
}

/// What stands around a text.
pub(crate) enum Around {
    /// Its ends, where the settings ask for them.
    Ends,
    /// The tokens of these roles, around a text and around a pair.
    Roles(&'static str, &'static str),
    Roberta,
    MpNet,
    /// The code of its language, behind the text or before it.
    Languages {
        behind: bool,
    },
}

impl Around {
    /// What stands around a text, and around one for the decoder where that differs.
    pub(crate) fn frames(
        &self,
        settings: &Settings,
        roles: &Roles,
    ) -> Result<(Frame, Option<Frame>), String> {
        let frame = match *self {
            Around::Ends => ends(settings, roles)?,
            Around::Roles(single, pair) => Frame::Roles { single, pair },
            Around::MpNet => Frame::Roberta { trim_offsets: true, add_prefix_space: false },
            Around::Roberta => Frame::Roberta {
                trim_offsets: settings.flag("trim_offsets")?.unwrap_or(true),
                add_prefix_space: surface::prefix_space(settings, false)?,
            },
            Around::Languages { behind } => {
                let [frame, target] = language_frames(behind);
                return Ok((frame, Some(target)));
            }
        };
        Ok((frame, None))
    }
}

/// What a class is built from.
pub(crate) enum Build {
    /// A `vocab.txt`, one WordPiece a line.
    Words(fn(&[u8], &Settings, &Roles) -> Result<Built, String>),
    /// A `vocab.json` and a `merges.txt`.
    Merges(fn(Ids, Vec<Merge>, &Settings, &Roles) -> Result<Built, String>),
    /// A SentencePiece model in the file of this name, its pieces by their probability.
    Unigram(&'static str, fn(&SentencePiece, &Settings, &Roles) -> Result<Built, String>),
    /// One whose pieces are merged.
    Merged(&'static str, fn(&SentencePiece, &Settings, &Roles) -> Result<Built, String>),
    /// `source.spm`, `target.spm` and a `vocab.json` of both.
    Marian,
}

/// A model, and what is added to its vocabulary and to texts.
pub(crate) struct Built {
    pub(crate) model: Model,
    /// Special tokens without a role, where the class adds any; the files' own come first.
    pub(crate) others: Vec<Addition>,
    /// Special tokens whose flags the class sets itself.
    pub(crate) roles: Roles,
    /// Whether all special tokens are added once more, without flags.
    pub(crate) again: bool,
}

const GPT2: [(&str, &str); 3] =
    [("unk_token", "<|endoftext|>"), ("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>")];

/// Those of `RobertaTokenizer`, which many others took over.
const ROBERTA: [(&str, &str); 7] = [
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("sep_token", "</s>"),
    ("cls_token", "<s>"),
    ("unk_token", "<unk>"),
    ("pad_token", "<pad>"),
    ("mask_token", "<mask>"),
];

/// All classes that are supported.
pub(crate) static CLASSES: [Class; 17] = [
    Class {
        names: &[
            "BertTokenizer",
            "ConvBertTokenizer",
            "DistilBertTokenizer",
            "ElectraTokenizer",
            "LayoutLMTokenizer",
            "MobileBertTokenizer",
            "SqueezeBertTokenizer",
        ],
        roles: &[
            ("unk_token", "[UNK]"),
            ("sep_token", "[SEP]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
        surface: surface::bert,
        around: CLS_SEP,
        build: Build::Words(bert),
    },
    Class {
        names: &["MPNetTokenizer"],
        roles: &[
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("sep_token", "</s>"),
            ("cls_token", "<s>"),
            ("unk_token", "[UNK]"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
        surface: surface::bert,
        around: Around::MpNet,
        build: Build::Words(mpnet),
    },
    Class {
        names: &["GPT2Tokenizer", "CodeGenTokenizer"],
        roles: &GPT2,
        surface: surface::gpt2,
        around: Around::Ends,
        build: Build::Merges(gpt2),
    },
    Class {
        names: &["RobertaTokenizer", "BartTokenizer", "LEDTokenizer", "LongformerTokenizer", "MvpTokenizer"],
        roles: &ROBERTA,
        surface: surface::gpt2,
        around: Around::Roberta,
        build: Build::Merges(gpt2),
    },
    Class {
        names: &["GPTNeoXTokenizer"],
        roles: &[
            ("unk_token", "<|endoftext|>"),
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("pad_token", "<|padding|>"),
        ],
        surface: surface::gpt_neox,
        around: Around::Ends,
        build: Build::Merges(gpt2),
    },
    Class {
        names: &["Qwen2Tokenizer"],
        roles: &[
            ("unk_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("pad_token", "<|endoftext|>"),
        ],
        surface: surface::qwen2,
        around: Around::Ends,
        build: Build::Merges(qwen2),
    },
    Class {
        names: &["T5Tokenizer", "MT5Tokenizer"],
        roles: &[("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
        surface: surface::t5,
        around: Around::Roles("A eos", "A eos B eos"),
        build: Build::Unigram("spiece.model", t5),
    },
    Class {
        names: &["XLMRobertaTokenizer"],
        roles: &ROBERTA,
        surface: surface::xlm_roberta,
        around: BOS_EOS,
        build: Build::Unigram("sentencepiece.bpe.model", xlm_roberta),
    },
    Class {
        names: &["CamembertTokenizer"],
        roles: &ROBERTA,
        surface: surface::xlm_roberta,
        around: BOS_EOS,
        build: Build::Unigram("sentencepiece.bpe.model", camembert),
    },
    Class {
        names: &["AlbertTokenizer"],
        roles: &[
            ("bos_token", "[CLS]"),
            ("eos_token", "[SEP]"),
            ("unk_token", "<unk>"),
            ("sep_token", "[SEP]"),
            ("pad_token", "<pad>"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
        surface: surface::albert,
        around: CLS_SEP,
        build: Build::Unigram("spiece.model", albert),
    },
    Class {
        names: &["DebertaV2Tokenizer"],
        roles: &[
            ("bos_token", "[CLS]"),
            ("eos_token", "[SEP]"),
            ("unk_token", "[UNK]"),
            ("sep_token", "[SEP]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
        surface: surface::deberta_v2,
        around: CLS_SEP,
        build: Build::Unigram("spm.model", deberta_v2),
    },
    Class {
        names: &["BigBirdTokenizer"],
        roles: &[
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("unk_token", "<unk>"),
            ("sep_token", "[SEP]"),
            ("pad_token", "<pad>"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
        surface: surface::big_bird,
        around: CLS_SEP,
        build: Build::Unigram("spiece.model", big_bird),
    },
    Class {
        names: &["MBartTokenizer"],
        roles: &ROBERTA,
        surface: surface::mbart,
        around: Around::Languages { behind: true },
        build: Build::Unigram("sentencepiece.bpe.model", mbart),
    },
    Class {
        names: &["MBart50Tokenizer"],
        roles: &[
            ("eos_token", "</s>"),
            ("sep_token", "</s>"),
            ("cls_token", "<s>"),
            ("unk_token", "<unk>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
        surface: surface::mbart50,
        around: Around::Languages { behind: false },
        build: Build::Unigram("sentencepiece.bpe.model", mbart50),
    },
    Class {
        names: &["PegasusTokenizer"],
        roles: &[
            ("pad_token", "<pad>"),
            ("eos_token", "</s>"),
            ("unk_token", "<unk>"),
            ("mask_token", "<mask_2>"),
        ],
        surface: surface::pegasus,
        around: Around::Roles("A eos", "A B eos"),
        build: Build::Unigram("spiece.model", pegasus),
    },
    Class {
        names: &["LlamaTokenizer"],
        roles: &[("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")],
        surface: surface::llama,
        around: Around::Ends,
        build: Build::Merged("tokenizer.model", llama),
    },
    Class {
        names: &["GemmaTokenizer"],
        roles: &[
            ("unk_token", "<unk>"),
            ("bos_token", "<bos>"),
            ("eos_token", "<eos>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
        surface: surface::gemma,
        around: Around::Ends,
        build: Build::Merged("tokenizer.model", gemma),
    },
];

/// Marian's, whose two vocabularies are read apart.
pub(crate) static MARIAN: Class = Class {
    names: &["MarianTokenizer"],
    roles: &[("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
    surface: surface::t5, // not used: each of Marian's two vocabularies brings its own
    around: Around::Roles("A eos", "A B eos"),
    build: Build::Marian,
};

/// The class of models that have none of their own: what the SentencePiece model says, and no more.
pub(crate) static BACKEND: Class = Class {
    names: &["TokenizersBackend", "PreTrainedTokenizerFast", "PreTrainedTokenizer"],
    roles: &[],
    surface: surface::plain,
    around: Around::Ends,
    build: Build::Merged("tokenizer.model", backend),
};

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Class> {
    CLASSES.iter().chain([&MARIAN, &BACKEND])
}

impl Class {
    /// Whether it leaves what a `tokenizer.json` has around a text.
    pub(crate) fn keeps_frame(&self) -> bool {
        const KEEP: [&str; 6] = [
            "GPT2Tokenizer",
            "Qwen2Tokenizer",
            "AlbertTokenizer",
            "LlamaTokenizer",
            "GemmaTokenizer",
            "TokenizersBackend",
        ];
        KEEP.contains(&self.names[0])
    }

    /// Finds a class by its name, with or without the `Fast` that older files have behind it.
    pub(crate) fn named(name: &str) -> Option<&'static Class> {
        let short = name.strip_suffix("Fast").unwrap_or(name);
        all().find(|class| class.names.iter().any(|own| *own == short || *own == name))
    }
}

/// The class of a `model_type`, for folders that name none, and where transformers overrules them.
pub(crate) fn of_family(model_type: &str) -> Option<&'static str> {
    Some(match model_type {
        "bert" | "distilbert" | "electra" => "BertTokenizer",
        "mpnet" => "MPNetTokenizer",
        "roberta" | "bart" => "RobertaTokenizer",
        "xlm-roberta" => "XLMRobertaTokenizer",
        "camembert" => "CamembertTokenizer",
        "albert" => "AlbertTokenizer",
        "deberta-v2" => "DebertaV2Tokenizer",
        "big_bird" => "BigBirdTokenizer",
        "gpt2" | "gpt_neo" | "gptj" | "opt" | "phi" => "GPT2Tokenizer",
        "gpt_neox" => "GPTNeoXTokenizer",
        "qwen2" | "qwen3" => "Qwen2Tokenizer",
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" => "GemmaTokenizer",
        "t5" | "mt5" => "T5Tokenizer",
        "mbart" => "MBartTokenizer",
        "marian" => "MarianTokenizer",
        "pegasus" => "PegasusTokenizer",
        "modernbert" | "mistral" | "phi3" | "olmo2" => "TokenizersBackend",
        _ => return None,
    })
}

// ------------------------------------------------------------------- vocab.txt

/// A vocabulary that lacks what every text needs is not one.
fn words(bytes: &[u8], roles: &Roles) -> Result<Model, String> {
    let model = wordpiece::model(bytes, roles.text("unk_token").unwrap_or("[UNK]"))?;
    for piece in ["sep_token", "cls_token", "unk_token"].into_iter().filter_map(|role| roles.text(role)) {
        model.token_to_id(piece).ok_or_else(|| wordpiece::lacks(model.get_vocab_size(), piece))?;
    }
    Ok(model)
}

fn bert(bytes: &[u8], _: &Settings, roles: &Roles) -> Result<Built, String> {
    Ok(built(words(bytes, roles)?, Vec::new(), roles.clone()))
}

/// BERT's words between the special tokens of `RobertaTokenizer`.
fn mpnet(bytes: &[u8], _: &Settings, roles: &Roles) -> Result<Built, String> {
    Ok(built(words(bytes, roles)?, Vec::new(), roles.with_lstrip_mask()))
}

// ------------------------------------------------- vocab.json and merges.txt

/// A byte-level vocabulary, with the ends of texts that the settings ask for.
fn gpt2(ids: Ids, merges: Vec<Merge>, _: &Settings, roles: &Roles) -> Result<Built, String> {
    let model = bpe::model(ids, merges, Unknown::default())?;
    Ok(built(model, Vec::new(), roles.clone()))
}

fn qwen2(ids: Ids, merges: Vec<Merge>, settings: &Settings, roles: &Roles) -> Result<Built, String> {
    Ok(Built { again: true, ..gpt2(ids, merges, settings, roles)? })
}

/// The ends of texts where the settings ask for them and there are tokens for them.
fn ends(settings: &Settings, roles: &Roles) -> Result<Frame, String> {
    let asked = |key: &str, role: &str| -> Result<bool, String> {
        Ok(settings.flag(key)?.unwrap_or(false) && roles.text(role).is_some())
    };
    Ok(Frame::ends(asked("add_bos_token", "bos_token")?, asked("add_eos_token", "eos_token")?))
}

// ------------------------------------------------------- SentencePiece models

const CLS_SEP: Around = Around::Roles("cls A sep", "cls A sep B:1 sep:1");

/// As `RobertaTokenizer`, with the names that fairseq has for the ends of a text.
const BOS_EOS: Around = Around::Roles("bos A eos", "bos A eos eos B eos");

/// Pieces by their probability.
fn unigram(pieces: Vec<(String, f64)>, unk_id: usize, as_bytes: bool) -> Result<Model, String> {
    let count = pieces.len();
    if unk_id >= count {
        return Err(format!("its unknown piece is {unk_id}; it has {count} pieces"));
    }
    let model = Unigram::from(pieces, Some(unk_id), as_bytes).map_err(|e| e.to_string())?;
    Ok(Model::Other { model: ModelWrapper::Unigram(model), unknown: Some(unk_id as u32) })
}

/// The rewritings that come with the pieces, if any do.
pub(crate) fn charsmap(model: &SentencePiece) -> Result<Option<Normalizer>, String> {
    if model.charsmap.is_empty() {
        return Ok(None);
    }
    Ok(Some(Normalizer::Charsmap(Charsmap::parse(&model.charsmap)?)))
}

/// The pieces that are never split.
fn whole(model: &SentencePiece) -> Vec<Addition> {
    model.whole().map(|(text, special)| Addition::verbatim(text, special)).collect()
}

fn built(model: Model, others: Vec<Addition>, roles: Roles) -> Built {
    Built { model, others, roles, again: false }
}

/// Pieces, and behind them a hundred that stand for what was left out of a text.
fn t5(model: &SentencePiece, settings: &Settings, roles: &Roles) -> Result<Built, String> {
    let count = settings.count("extra_ids", 10_000)?.unwrap_or(100);
    let mut pieces = model.scored();
    pieces.extend((0..count).rev().map(|i| (format!("<extra_id_{i}>"), 0.0)));
    let mut others = whole(model);
    if !others.iter().any(|token| token.text.contains("<extra_id_")) {
        others.extend((0..count).map(|i| Addition::plain(format!("<extra_id_{i}>"))));
    }
    Ok(built(unigram(pieces, 2, false)?, others, roles.clone()))
}

/// fairseq's first four pieces in place of SentencePiece's first three: all ids are one higher.
fn fairseq(model: &SentencePiece, roles: &Roles, first: &str) -> Vec<(String, f64)> {
    let named = [(first, "<s>"), ("pad_token", "<pad>"), ("eos_token", "</s>"), ("unk_token", "<unk>")];
    let first = named.map(|(role, usual)| (roles.text(role).unwrap_or(usual).to_owned(), 0.0));
    first.into_iter().chain(model.scored().into_iter().skip(3)).collect()
}

fn mask(roles: &Roles) -> (String, f64) {
    (roles.text("mask_token").unwrap_or("<mask>").to_owned(), 0.0)
}

fn xlm_roberta(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    let mut pieces = fairseq(model, roles, "bos_token");
    pieces.push(mask(roles));
    Ok(built(unigram(pieces, 3, false)?, whole(model), roles.clone()))
}

/// fairseq's pieces before all of SentencePiece's but the first, so that some stand there twice.
fn camembert(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    if model.kind != UNIGRAM {
        return Err(format!(
            "its model_type is {}; supported with CamembertTokenizer is {UNIGRAM}",
            model.kind
        ));
    }
    let text = |role: &str, usual: &str| roles.text(role).unwrap_or(usual).to_owned();
    let unk_token = text("unk_token", "<unk>");
    let mut pieces = vec![
        ("<s>NOTUSED".to_owned(), 0.0),
        (text("pad_token", "<pad>"), 0.0),
        ("</s>NOTUSED".to_owned(), 0.0),
        (unk_token.clone(), 0.0),
        ("<unk>NOTUSED".to_owned(), -100.0),
    ];
    pieces.extend(model.scored().into_iter().skip(1));
    pieces.push(mask(roles));
    let unk_id = pieces.iter().position(|(piece, _)| *piece == unk_token).unwrap_or(0);
    Ok(built(unigram(pieces, unk_id, false)?, whole(model), roles.with_lstrip_mask()))
}

fn albert(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    Ok(built(unigram(model.scored(), 1, false)?, whole(model), roles.clone()))
}

/// The id of the unknown token, where it is listed with a score of 0.
fn listed(model: &SentencePiece, unk_token: &str) -> Option<usize> {
    model.pieces.iter().position(|piece| piece.text == unk_token && piece.score == 0.0)
}

fn deberta_v2(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    let listed = listed(model, roles.text("unk_token").unwrap_or("[UNK]"));
    let unk_id = listed.unwrap_or(usize::try_from(model.unk_id).unwrap_or(usize::MAX));
    Ok(built(unigram(model.scored(), unk_id, false)?, whole(model), roles.clone()))
}

fn big_bird(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    let unk_id = listed(model, roles.text("unk_token").unwrap_or("<unk>")).unwrap_or(100);
    Ok(built(unigram(model.scored(), unk_id, false)?, whole(model), roles.with_lstrip_mask()))
}

/// The languages of mBART, whose codes are pieces behind all others.
const MBART_LANGUAGES: [&str; 25] = [
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN", "it_IT",
    "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU", "si_LK",
    "tr_TR", "vi_VN", "zh_CN",
];

/// Those that mBART-50 has besides.
const MBART50_LANGUAGES: [&str; 27] = [
    "af_ZA", "az_AZ", "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH", "mk_MK", "ml_IN",
    "mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN", "te_IN", "th_TH", "tl_XX",
    "uk_UA", "ur_PK", "xh_ZA", "gl_ES", "sl_SI",
];

/// The roles, and the languages of the source and the target as two more, so that frames can name
/// them.
pub(crate) fn with_languages(
    roles: &Roles,
    settings: &Settings,
    is_piece: impl Fn(&str) -> bool,
) -> Result<Roles, String> {
    let mut roles = roles.clone();
    let source = settings.text("src_lang")?.unwrap_or("en_XX");
    let target = settings.text("tgt_lang")?.unwrap_or(source);
    for (role, key, code) in [("source_token", "src_lang", source), ("target_token", "tgt_lang", target)] {
        if !is_piece(code) {
            return Err(format!("its {key} is {code:?}, which is none of its pieces"));
        }
        roles.push(role, Addition::verbatim(code, true));
    }
    Ok(roles)
}

/// What stands around a text, and around one for the decoder.
fn language_frames(behind: bool) -> [Frame; 2] {
    let frames = if behind {
        [("A eos source", "A B eos source"), ("A eos target", "A B eos target")]
    } else {
        [("source A eos", "source A B eos"), ("target A eos", "target A B eos")]
    };
    frames.map(|(single, pair)| Frame::Roles { single, pair })
}

/// The source's language behind a text, the target's behind one for the decoder.
fn mbart(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    let mut pieces = fairseq(model, roles, "bos_token");
    pieces.extend(MBART_LANGUAGES.map(|code| (code.to_owned(), 0.0)));
    pieces.push(mask(roles));
    let mut others: Vec<Addition> = MBART_LANGUAGES.map(Addition::plain).into();
    others.extend(whole(model));
    let model = unigram(pieces, 3, false)?;
    Ok(built(model, others, roles.with_lstrip_mask()))
}

/// As mBART, with the language before the text.
fn mbart50(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    let codes = || MBART_LANGUAGES.into_iter().chain(MBART50_LANGUAGES);
    let mut pieces = fairseq(model, roles, "cls_token");
    pieces.extend(codes().map(|code| (code.to_owned(), 0.0)));
    pieces.push(mask(roles));
    let mut others = whole(model);
    others.extend(codes().map(Addition::plain));
    let model = unigram(pieces, 3, false)?;
    Ok(built(model, others, roles.with_lstrip_mask()))
}

/// A hundred pieces that were never trained stand before SentencePiece's.
fn pegasus(model: &SentencePiece, settings: &Settings, roles: &Roles) -> Result<Built, String> {
    let offset = settings.count("offset", 10_000)?.unwrap_or(103);
    let text = |role: &str, usual: &str| roles.text(role).unwrap_or(usual).to_owned();
    // What the class fills in for tokens that the files do not name differs between here and there.
    let word = settings.text("mask_token")?.unwrap_or("<mask_1>").to_owned();
    let sentence = settings.text("mask_token_sent")?;
    let mut pieces = vec![text("pad_token", "<pad>"), text("eos_token", "</s>"), word.clone()];
    pieces.extend(Some(sentence.unwrap_or("<mask_2>").to_owned()).filter(|sentence| *sentence != word));
    let mut pieces: Vec<_> = pieces.into_iter().map(|piece| (piece, 0.0)).collect();
    pieces.extend((2..offset).map(|i| (format!("<unk_{i}>"), -100.0)));
    pieces.extend(model.scored().into_iter().skip(2));
    let unk_token = text("unk_token", "<unk>");
    let unk_id = pieces.iter().skip(1).position(|(piece, score)| *piece == unk_token && *score == 0.0);
    let unk_id = unk_id.ok_or_else(|| format!("none of its pieces is {unk_token:?}"))? + 1;

    let mut others = vec![Addition::plain(sentence.unwrap_or("<mask_1>"))];
    others.extend((2..offset).map(|i| Addition::plain(format!("<unk_{i}>"))));
    let model = unigram(pieces, unk_id, false)?;
    Ok(built(model, others, roles.clone()))
}

/// Pieces by id, and the merges that they imply.
fn merged(model: &SentencePiece) -> Result<(Ids, Vec<Merge>), String> {
    let pieces: Vec<String> = model.pieces.iter().map(|piece| piece.text.clone()).collect();
    let merges = bpe::merges_of(&pieces, None)?;
    Ok((pieces.into_iter().zip(0..).collect(), merges))
}

fn llama(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    let (ids, merges) = merged(model)?;
    let merged = bpe::model(ids, merges, bpe::as_bytes(None))?;
    Ok(built(merged, whole(model), roles.clone()))
}

fn gemma(model: &SentencePiece, _: &Settings, roles: &Roles) -> Result<Built, String> {
    let (ids, merges) = merged(model)?;
    let unk_token = roles.text("unk_token").unwrap_or("<unk>");
    let merged = bpe::model(ids, merges, bpe::as_bytes(Some(unk_token)))?;
    Ok(built(merged, whole(model), roles.clone()))
}

/// What the model itself says: no space is put before a text.
fn backend(model: &SentencePiece, settings: &Settings, _: &Roles) -> Result<Built, String> {
    let named = [
        ("bos_token", model.bos_id, &model.bos_piece),
        ("eos_token", model.eos_id, &model.eos_piece),
        ("unk_token", model.unk_id, &model.unk_piece),
    ];
    let mut defaults: Vec<(&str, &str)> = Vec::new();
    for (role, id, piece) in named {
        if id >= 0 {
            defaults.push((role, piece));
        }
    }
    let roles = settings.roles(&defaults)?;
    let as_bytes = model.byte_fallback;
    let splits = if model.kind == UNIGRAM {
        unigram(model.scored(), usize::try_from(model.unk_id).unwrap_or(usize::MAX), as_bytes)?
    } else {
        let (mut ids, merges) = merged(model)?;
        settings.rename(&mut ids);
        bpe::model(ids, merges, Unknown { token: Some(model.unk_piece.clone()), fused: true, as_bytes })?
    };
    Ok(built(splits, whole(model), roles))
}
