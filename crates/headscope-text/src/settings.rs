//! What the files beside a vocabulary say: `tokenizer_config.json`, and in older folders
//! `special_tokens_map.json` and `added_tokens.json`, read as transformers reads them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::assembly::{Addition, ROLES, Roles};
use crate::bpe::Ids;

/// The settings of a tokenizer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    values: Map<String, Value>,
    /// Tokens that the vocabulary may lack, by id.
    added: BTreeMap<u32, Addition>,
}

/// The three files, where they are there.
#[derive(Default)]
pub(crate) struct SettingsFiles {
    pub(crate) config: Option<Vec<u8>>,
    pub(crate) special_tokens: Option<Vec<u8>>,
    pub(crate) added_tokens: Option<Vec<u8>>,
}

pub(crate) const CONFIG: &str = "tokenizer_config.json";
pub(crate) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub(crate) const ADDED_TOKENS: &str = "added_tokens.json";

/// A file and what is wrong with it.
type Fault = (&'static str, String);

impl Settings {
    /// The older two files count only where the first does not list its added tokens itself.
    pub(crate) fn read(files: &SettingsFiles) -> Result<Settings, Fault> {
        let mut settings =
            Settings { values: object(CONFIG, files.config.as_deref())?, added: BTreeMap::new() };
        settings.rename_additional();
        let result = match settings.values.remove("added_tokens_decoder") {
            Some(added) => settings.read_added(&added).map_err(|e| (CONFIG, e)),
            None => {
                settings.read_special(object(SPECIAL_TOKENS, files.special_tokens.as_deref())?);
                let added = object(ADDED_TOKENS, files.added_tokens.as_deref())?;
                settings.read_added_ids(&added).map_err(|e| (ADDED_TOKENS, e))
            }
        };
        result?;
        Ok(settings)
    }

    /// Newer files say `extra_special_tokens`.
    fn rename_additional(&mut self) {
        if self.values.get("extra_special_tokens").is_none_or(is_empty)
            && let Some(additional) = self.values.remove("additional_special_tokens")
        {
            self.values.insert("extra_special_tokens".into(), additional);
        }
    }

    /// `{"id": {"content": …}, …}`
    fn read_added(&mut self, added: &Value) -> Result<(), String> {
        let added = added.as_object().ok_or("its added_tokens_decoder is no object")?;
        for (id, token) in added {
            let id = id.parse().map_err(|_| format!("its added_tokens_decoder has an id {id:?}"))?;
            self.added.insert(id, addition(token)?);
        }
        Ok(())
    }

    /// `{"cls_token": "[CLS]" or {"content": …}, …}`
    fn read_special(&mut self, special: Map<String, Value>) {
        for (key, mut value) in special {
            if let Value::Object(token) = &mut value
                && token.contains_key("content")
            {
                token.insert("special".into(), true.into());
            }
            self.values.insert(key, value);
        }
    }

    /// `{"token": id, …}`
    fn read_added_ids(&mut self, added: &Map<String, Value>) -> Result<(), String> {
        let named = self.roles(&[])?;
        let extra = self.extra()?.unwrap_or_default();
        for (token, id) in added {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| format!("the id of {token:?} is no number of 32 bits"))?;
            let special = named.texts().chain(extra.iter().map(|a| a.text.as_str())).any(|t| t == token);
            let normalized = Some(!special);
            self.added.insert(id, Addition { normalized, ..Addition::verbatim(token, special) });
        }
        Ok(())
    }

    /// The same without some.
    pub(crate) fn without(&self, keys: &[&str]) -> Settings {
        let mut settings = self.clone();
        settings.values.retain(|key, _| !keys.contains(&key.as_str()));
        settings
    }

    /// The tokens with ids of their own.
    pub(crate) fn added(&self) -> Vec<Addition> {
        self.added.values().cloned().collect()
    }

    /// Calls pieces by the names that the files have for their ids, unless these are pieces themselves.
    pub(crate) fn rename(&self, ids: &mut Ids) {
        if self.added.is_empty() {
            return;
        }
        let mut pieces: HashMap<u32, String> = ids.iter().map(|(piece, id)| (*id, piece.clone())).collect();
        for (id, token) in &self.added {
            if !ids.contains_key(&token.text)
                && let Some(old) = pieces.insert(*id, token.text.clone())
            {
                ids.remove(&old);
                ids.insert(token.text.clone(), *id);
            }
        }
    }

    /// Those that the files name, else the class's; roles that no class knows come last.
    pub(crate) fn roles(&self, defaults: &[(&str, &str)]) -> Result<Roles, String> {
        let mut roles = Roles::default();
        for role in ROLES {
            let default = defaults.iter().find(|(name, _)| *name == role).map(|(_, text)| *text);
            match self.values.get(role) {
                Some(Value::Null) => {}
                Some(value) => roles.push(role, self.with_flags(addition(value)?)),
                None => default.into_iter().for_each(|text| roles.push(role, Addition::plain(text))),
            }
        }
        let own =
            self.values.iter().filter(|(key, _)| key.ends_with("_token") && !ROLES.contains(&key.as_str()));
        let own = own.filter(|(_, value)| value.is_string() || value.get("content").is_some());
        let extra = self.values.get("extra_special_tokens").and_then(Value::as_object);
        for (key, value) in own.chain(extra.into_iter().flatten()) {
            roles.push(key, addition(value)?);
        }
        Ok(roles)
    }

    /// How a token of this text is listed among the added ones.
    fn with_flags(&self, token: Addition) -> Addition {
        self.added.values().find(|added| added.text == token.text).cloned().unwrap_or(token)
    }

    /// `extra_special_tokens`, where there is a list of them.
    pub(crate) fn extra(&self) -> Result<Option<Vec<Addition>>, String> {
        self.list("extra_special_tokens")
    }

    /// `additional_special_tokens`, as only the oldest file still says.
    pub(crate) fn additional(&self) -> Result<Option<Vec<Addition>>, String> {
        self.list("additional_special_tokens")
    }

    fn list(&self, key: &str) -> Result<Option<Vec<Addition>>, String> {
        let Some(Value::Array(tokens)) = self.values.get(key) else { return Ok(None) };
        tokens.iter().map(addition).collect::<Result<_, _>>().map(Some)
    }

    /// A switch, where the files have it.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(format!("its {key} is {other}; expected true or false")),
        }
    }

    /// A string, where the files have it.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, String> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(token) => match token.get("content").and_then(Value::as_str) {
                Some(text) => Ok(Some(text)),
                None => Err(format!("its {key} is {token}; expected a string")),
            },
        }
    }

    /// A count of at most `most`, where the files have it.
    pub(crate) fn count(&self, key: &str, most: u64) -> Result<Option<u64>, String> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().filter(|count| *count <= most) {
                Some(count) => Ok(Some(count)),
                None => Err(format!("its {key} is {value}; expected a number from 0 to {most}")),
            },
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    }
}

fn object(file: &'static str, bytes: Option<&[u8]>) -> Result<Map<String, Value>, Fault> {
    let Some(bytes) = bytes else { return Ok(Map::new()) };
    serde_json::from_slice(bytes).map_err(|e| (file, format!("it does not parse: {e}")))
}

/// A token as these files write it: its text, or an object with more.
fn addition(value: &Value) -> Result<Addition, String> {
    let object = match value {
        Value::String(text) => return Ok(Addition::plain(text)),
        Value::Object(object) => object,
        other => return Err(format!("one of its tokens is {other}; expected a string or an object")),
    };
    let text = object.get("content").and_then(Value::as_str);
    let text = text.ok_or_else(|| format!("one of its tokens is {value}; expected a content"))?;
    let flag = |key: &str| object.get(key).and_then(Value::as_bool);
    Ok(Addition {
        text: text.to_owned(),
        plain: false,
        special: flag("special").unwrap_or(false),
        lstrip: flag("lstrip").unwrap_or(false),
        rstrip: flag("rstrip").unwrap_or(false),
        single_word: flag("single_word").unwrap_or(false),
        normalized: flag("normalized"),
    })
}
