//! Which files of a repository are downloaded.

use anyhow::Result;
use headscope::engine::hub::FileName;

use crate::commands::{Hinted, printable};

/// Besides the weights: all that the engine or a tokenizer may look at.
const SMALL: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "generation_config.json",
];

/// Vocabularies of SentencePiece go by several names (`spiece.model`, `tokenizer.model`, `source.spm`).
const VOCABULARIES: [&str; 2] = [".model", ".spm"];

/// In the order of preference. An index names the files to get.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// What is downloaded, in this order.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// The configuration.
    pub config: FileName,
    /// Tokenizer and the like.
    pub small: Vec<FileName>,
    /// The weights, or their index.
    pub weights: FileName,
}

impl Choice {
    /// Whether [`weights`](Choice::weights) is a list of files.
    pub fn is_sharded(&self) -> bool {
        self.weights.as_str().ends_with(".index.json")
    }
}

/// Chooses among the files of `id`, whose names are checked.
///
/// # Errors
/// If there are no weights, or no configuration; if a GGUF file has to be chosen by name.
pub fn choose(id: &str, files: &[FileName]) -> Result<Choice> {
    let find = |name: &str| files.iter().find(|file| file.as_str() == name).cloned();
    let is_vocabulary = |file: &&FileName| {
        let name = file.as_str();
        !name.contains('/') && VOCABULARIES.iter().any(|end| name.ends_with(end))
    };
    let weights = WEIGHTS.iter().find_map(|name| find(name));
    let (Some(config), Some(weights)) = (find("config.json"), weights.clone()) else {
        return Err(lacking(id, files, weights.is_some()).into());
    };
    let mut small: Vec<FileName> = SMALL.iter().filter_map(|name| find(name)).collect();
    small.extend(files.iter().filter(is_vocabulary).cloned());
    Ok(Choice { config, small, weights })
}

/// The GGUF file `file` of `id`.
///
/// # Errors
/// If there is none by that name; lists those that there are.
pub fn choose_gguf(id: &str, file: &FileName, files: &[FileName]) -> Result<FileName> {
    if let Some(found) = files.iter().find(|found| *found == file) {
        return Ok(found.clone());
    }
    let gguf = gguf_files(files);
    let help = match gguf.first() {
        Some(first) => format!("it has {}; for example {id}:{first}", list(&gguf)),
        None => format!("it has no GGUF file; `headscope pull {id}` gets what it has"),
    };
    Err(Hinted { what: format!("{id} has no file {:?}", file.as_str()), help }.into())
}

fn lacking(id: &str, files: &[FileName], has_weights: bool) -> Hinted {
    let gguf = gguf_files(files);
    if let Some(first) = gguf.first() {
        let what = format!("{id} holds GGUF files, of which one has to be chosen: {}", list(&gguf));
        return Hinted { what, help: format!("give one as ID:FILE, for example {id}:{first}") };
    }
    let missing =
        if has_weights { "config.json" } else { "model.safetensors, pytorch_model.bin or GGUF file" };
    let names: Vec<&str> = files.iter().map(FileName::as_str).collect();
    let what = if names.is_empty() {
        format!("{id} is empty")
    } else {
        format!("{id} has no {missing}; it has {}", list(&names))
    };
    Hinted { what, help: "choose a repository that holds a whole model in one of these forms".into() }
}

fn gguf_files(files: &[FileName]) -> Vec<&str> {
    let is_gguf = |name: &&str| name.to_ascii_lowercase().ends_with(".gguf");
    files.iter().map(FileName::as_str).filter(is_gguf).collect()
}

/// The first names of a list that may be long.
fn list(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let more = match names.len().checked_sub(SHOWN) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| printable(name)).collect();
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &str) -> Vec<FileName> {
        names.split_whitespace().map(|name| FileName::parse(name).unwrap()).collect()
    }

    #[test]
    fn the_files_that_run_a_model_are_chosen() {
        let rows = [
            (
                "README.md config.json model.safetensors pytorch_model.bin tf_model.h5 tokenizer.json vocab.txt",
                "config.json tokenizer.json vocab.txt model.safetensors",
            ),
            (
                "config.json pytorch_model.bin onnx/model.onnx onnx/config.json spiece.model sub/x.model",
                "config.json spiece.model pytorch_model.bin",
            ),
            (
                "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors \
                 model.safetensors.index.json pytorch_model.bin source.spm target.spm vocab.json",
                "config.json vocab.json source.spm target.spm model.safetensors.index.json",
            ),
            (
                "config.json pytorch_model.bin.index.json x.gguf generation_config.json",
                "config.json generation_config.json pytorch_model.bin.index.json",
            ),
        ];
        for (names, expected) in rows {
            let choice = choose("org/tiny", &files(names)).unwrap();
            assert_eq!(choice.is_sharded(), expected.ends_with("index.json"));
            let all = [vec![choice.config], choice.small, vec![choice.weights]].concat();
            assert_eq!(all, files(expected));
        }
    }

    #[test]
    fn what_cannot_be_chosen_from_is_listed() {
        let rows = [
            ("", "org/tiny is empty"),
            ("README.md tf_model.h5", "it has README.md, tf_model.h5"),
            ("model.safetensors adapter_config.json", "has no config.json"),
            ("a-q4.gguf b-q8.GGUF README.md", "one has to be chosen: a-q4.gguf, b-q8.GGUF"),
            ("config.json a-q4.gguf", "one has to be chosen: a-q4.gguf"),
        ];
        for (names, expected) in rows {
            let error = choose("org/tiny", &files(names)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let listing = files("a-q4.gguf b/c.gguf");
        for name in ["a-q4.gguf", "b/c.gguf"] {
            let file = FileName::parse(name).unwrap();
            assert_eq!(choose_gguf("org/tiny", &file, &listing).unwrap(), file);
        }
        let error = choose_gguf("org/tiny", &FileName::parse("q5.gguf").unwrap(), &listing).unwrap_err();
        assert_eq!(
            error.downcast::<Hinted>().unwrap().help,
            "it has a-q4.gguf, b/c.gguf; for example org/tiny:a-q4.gguf"
        );
        let many: Vec<String> = (0..20).map(|i| format!("{i}.gguf")).collect();
        let error = choose("org/tiny", &files(&many.join(" "))).unwrap_err().to_string();
        assert!(error.ends_with("11.gguf and 8 more"), "{error}");
    }
}
