//! `config.json`, read by key; what is not understood is refused by name.

use serde_json::{Map, Value};

use crate::EngineError;
use crate::kernels::Activation;

/// A type that configuration values have.
pub trait Setting: Sized {
    /// What is expected, for errors.
    const EXPECTED: &'static str;

    /// The value, if it is of this type.
    fn read(value: &Value) -> Option<Self>;
}

impl Setting for usize {
    const EXPECTED: &'static str = "a whole number from 0 up";

    fn read(value: &Value) -> Option<usize> {
        value.as_u64()?.try_into().ok()
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a token id";

    fn read(value: &Value) -> Option<u32> {
        value.as_u64()?.try_into().ok()
    }
}

impl Setting for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn read(value: &Value) -> Option<i64> {
        value.as_i64()
    }
}

impl Setting for f32 {
    const EXPECTED: &'static str = "a number that f32 can hold";

    fn read(value: &Value) -> Option<f32> {
        value.as_f64().map(|number| number as f32).filter(|number| number.is_finite())
    }
}

impl Setting for f64 {
    const EXPECTED: &'static str = "a number";

    fn read(value: &Value) -> Option<f64> {
        value.as_f64()
    }
}

/// A number above 0 that f32 can hold.
pub struct Positive(pub f64);

impl Setting for Positive {
    const EXPECTED: &'static str = "a number above 0 that f32 can hold";

    fn read(value: &Value) -> Option<Positive> {
        let held = |number: &f64| *number as f32 > 0.0 && (*number as f32).is_finite();
        value.as_f64().filter(held).map(Positive)
    }
}

/// Rows and columns: one number for both, or a list of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area(pub [usize; 2]);

impl Setting for Area {
    const EXPECTED: &'static str = "a size from 1 to 65536, or two: height and width";

    fn read(value: &Value) -> Option<Area> {
        let side = |value| usize::read(value).filter(|side| (1..=1 << 16).contains(side));
        match value.as_array().map(Vec::as_slice) {
            None => side(value).map(|side| Area([side; 2])),
            Some([height, width]) => Some(Area([side(height)?, side(width)?])),
            Some(_) => None,
        }
    }
}

/// Token ids: one, or a list. (Some say -1 where they mean none.)
pub struct Ids(pub Vec<u32>);

impl Setting for Ids {
    const EXPECTED: &'static str = "a token id, or a list of them";

    fn read(value: &Value) -> Option<Ids> {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let ids = values.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>()?;
        Some(Ids(ids.into_iter().filter_map(|id| id.try_into().ok()).collect()))
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(value: &Value) -> Option<bool> {
        value.as_bool()
    }
}

impl Setting for Vec<f32> {
    const EXPECTED: &'static str = "a list of numbers that f32 can hold";

    fn read(value: &Value) -> Option<Vec<f32>> {
        value.as_array()?.iter().map(f32::read).collect()
    }
}

impl Setting for Vec<usize> {
    const EXPECTED: &'static str = "a list of whole numbers from 0 up";

    fn read(value: &Value) -> Option<Vec<usize>> {
        value.as_array()?.iter().map(usize::read).collect()
    }
}

impl Setting for Vec<String> {
    const EXPECTED: &'static str = "a list of names";

    fn read(value: &Value) -> Option<Vec<String>> {
        value.as_array()?.iter().map(String::read).collect()
    }
}

impl Setting for Vec<f64> {
    const EXPECTED: &'static str = "a list of numbers";

    fn read(value: &Value) -> Option<Vec<f64>> {
        value.as_array()?.iter().map(f64::read).collect()
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a name";

    fn read(value: &Value) -> Option<String> {
        value.as_str().map(str::to_owned)
    }
}

/// A model's configuration.
pub struct Config {
    file: String,
    /// What stands before a key in errors: `rope_scaling.` in that section.
    path: String,
    values: Map<String, Value>,
}

impl Config {
    /// Parses `bytes`; `file` names them in errors.
    ///
    /// # Errors
    /// If they are not a JSON object.
    pub fn parse(bytes: &[u8], file: impl Into<String>) -> Result<Config, EngineError> {
        let file = file.into();
        match serde_json::from_slice(bytes) {
            Ok(values) => Ok(Config { file, path: String::new(), values }),
            Err(e) => Err(EngineError::Config {
                file,
                key: "the file".into(),
                detail: format!("is no JSON object: {e}"),
            }),
        }
    }

    /// The value of `key`, or `default` where it is absent or null, as transformers does.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn get<T: Setting>(&self, key: &str, default: T) -> Result<T, EngineError> {
        Ok(self.given(key)?.unwrap_or(default))
    }

    /// The value of `key`, unless it is absent or null.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn given<T: Setting>(&self, key: &str) -> Result<Option<T>, EngineError> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match T::read(value) {
                None => Err(self.fault(key, format!("is {value}; expected {}", T::EXPECTED))),
                found => Ok(found),
            },
        }
    }

    /// The value of `key`, which has no default.
    ///
    /// # Errors
    /// If there is none, or it is of another type.
    pub fn needed<T: Setting>(&self, key: &str) -> Result<T, EngineError> {
        self.given(key)?.ok_or_else(|| self.fault(key, format!("is missing; expected {}", T::EXPECTED)))
    }

    /// The settings under `key`, whose names in errors begin with it; none if it is absent or null.
    ///
    /// # Errors
    /// If the value is no object.
    pub fn section(&self, key: &str) -> Result<Config, EngineError> {
        let values = match self.values.get(key) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(values)) => values.clone(),
            Some(other) => return Err(self.fault(key, format!("is {other}; expected an object"))),
        };
        Ok(Config { file: self.file.clone(), path: format!("{}{key}.", self.path), values })
    }

    /// The names under `key`: a list of them, or one text that `|` splits; none if it is absent or null.
    ///
    /// # Errors
    /// If one is not among those supported.
    pub fn names(&self, key: &str, supported: &[&str]) -> Result<Vec<String>, EngineError> {
        let names = match self.values.get(key) {
            Some(Value::String(text)) => {
                text.to_lowercase().split('|').map(|name| name.trim().to_owned()).collect()
            }
            _ => self.get(key, Vec::new())?,
        };
        let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        match names.iter().find(|name| !supported.contains(&name.as_str())) {
            Some(other) => {
                Err(self.fault(key, format!("has {other:?}; supported are {}", supported.join(", "))))
            }
            None => Ok(names),
        }
    }

    /// The same settings, with that of `key` from `other` where there is none.
    #[must_use]
    pub fn with_default(mut self, other: &Config, key: &str) -> Config {
        if let (false, Some(value)) = (self.values.contains_key(key), other.values.get(key)) {
            self.values.insert(key.to_owned(), value.clone());
        }
        self
    }

    /// Whether there is no setting at all.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether `key` is there and null, which for some says what its absence does not.
    pub fn is_null(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(Value::is_null)
    }

    /// The text of `key`.
    ///
    /// # Errors
    /// If there is none.
    pub fn text(&self, key: &str) -> Result<&str, EngineError> {
        match self.values.get(key) {
            Some(Value::String(text)) => Ok(text),
            None | Some(Value::Null) => Err(self.fault(key, "is missing; expected a name".into())),
            Some(other) => Err(self.fault(key, format!("is {other}; expected a name"))),
        }
    }

    /// A size, which must be at least 1.
    ///
    /// # Errors
    /// If it is not a positive whole number.
    pub fn size(&self, key: &str, default: usize) -> Result<usize, EngineError> {
        match self.get(key, default)? {
            0 => Err(self.fault(key, "is 0; expected at least 1".into())),
            size => Ok(size),
        }
    }

    /// A size that goes by several names: the first of them that is given, or `default`.
    ///
    /// # Errors
    /// As [`size`](Config::size).
    pub fn size_of(&self, names: &[&str], default: usize) -> Result<usize, EngineError> {
        let is_given = |name: &&&str| self.values.get(**name).is_some_and(|value| !value.is_null());
        names.iter().find(is_given).map_or(Ok(default), |name| self.size(name, default))
    }

    /// What a norm adds to the variance, which must not be negative.
    ///
    /// # Errors
    /// If it is no such number.
    pub fn eps(&self, key: &str, default: f32) -> Result<f32, EngineError> {
        match self.get(key, default)? {
            eps if eps < 0.0 => Err(self.fault(key, format!("is {eps:e}; expected 0 or more"))),
            eps => Ok(eps),
        }
    }

    /// Refuses any value of `key` but `expected` (which is also what its absence means).
    ///
    /// # Errors
    /// Names the key, the value found and the one supported.
    pub fn only(&self, key: &str, expected: impl Into<Value>) -> Result<(), EngineError> {
        let expected = expected.into();
        match self.values.get(key) {
            Some(found) if !found.is_null() && *found != expected => {
                Err(self.fault(key, format!("is {found}; supported is {expected}")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses any number for `key` but `expected`, which is also what its absence means.
    ///
    /// # Errors
    /// Names the key, the value found and the one supported.
    pub fn only_number(&self, key: &str, expected: f64) -> Result<(), EngineError> {
        match self.get(key, expected)? {
            found if found != expected => {
                Err(self.fault(key, format!("is {found}; supported is {expected}")))
            }
            _ => Ok(()),
        }
    }

    /// Under which of several names of one thing the configuration has it; the first, if under none.
    pub fn spelled<'k>(&self, names: &[&'k str]) -> &'k str {
        names.iter().find(|name| self.values.contains_key(**name)).unwrap_or(&names[0])
    }

    /// The activation function that `key` names.
    ///
    /// # Errors
    /// Names the function found and those supported.
    pub fn activation(&self, key: &str, default: &str) -> Result<Activation, EngineError> {
        self.activation_called(&self.get(key, default.to_owned())?, key)
    }

    /// The activation function called `name`, which the value of `key` meant.
    ///
    /// # Errors
    /// As [`activation`](Config::activation).
    pub fn activation_called(&self, name: &str, key: &str) -> Result<Activation, EngineError> {
        const SUPPORTED: [(&str, Activation); 13] = [
            ("gelu", Activation::Gelu),
            ("gelu_python", Activation::Gelu),
            ("gelu_new", Activation::GeluTanh),
            ("gelu_pytorch_tanh", Activation::GeluTanh),
            ("gelu_python_tanh", Activation::GeluTanh),
            ("gelu_fast", Activation::GeluTanh),
            ("gelu_accurate", Activation::GeluTanh),
            ("quick_gelu", Activation::QuickGelu),
            ("sigmoid", Activation::Sigmoid),
            ("silu", Activation::Silu),
            ("swish", Activation::Silu),
            ("relu", Activation::Relu),
            ("tanh", Activation::Tanh),
        ];
        let found = SUPPORTED.iter().find(|(supported, _)| *supported == name);
        found.map(|(_, activation)| *activation).ok_or_else(|| {
            let names = SUPPORTED.map(|(name, _)| name).join(", ");
            self.fault(key, format!("is {name:?}; supported are {names}"))
        })
    }

    /// An error about `key`.
    pub fn fault(&self, key: &str, detail: String) -> EngineError {
        EngineError::Config { file: self.file.clone(), key: format!("{}{key}", self.path), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        Config::parse(json.as_bytes(), "config.json").unwrap()
    }

    #[test]
    fn values_are_read_or_refused_by_name() {
        let config = config(
            r#"{"layers": 3, "sides": [3, 5], "eps": 1e-5, "negative": -1e-5, "act": "gelu_new", "kind": "absolute", "zero": 0, "none": null,
                "huge": 1e99, "names": ["A", "B"], "pair": "B | a|",
                "rope": {"theta": 10000, "factor": -2, "none": null}}"#,
        );
        assert_eq!(config.size("layers", 12).unwrap(), 3);
        assert_eq!(config.size("absent", 12).unwrap(), 12);
        assert_eq!(config.size("none", 7).unwrap(), 7);
        assert_eq!(config.size_of(&["none", "layers", "zero"], 12).unwrap(), 3);
        assert_eq!(config.size_of(&["none", "absent"], 12).unwrap(), 12);
        assert!(config.size_of(&["zero", "layers"], 12).is_err());
        assert!(config.only("kind", "absolute").is_ok());
        assert!(config.only("absent", false).is_ok());
        assert_eq!(config.activation("act", "gelu").unwrap(), Activation::GeluTanh);
        let message = |result: Result<(), EngineError>| result.unwrap_err().to_string();
        assert_eq!(message(config.size("zero", 1).map(drop)), "config.json: zero is 0; expected at least 1");
        assert_eq!(
            message(config.only("kind", "relative_key")),
            r#"config.json: kind is "absolute"; supported is "relative_key""#
        );
        assert_eq!(
            message(config.size("act", 1).map(drop)),
            r#"config.json: act is "gelu_new"; expected a whole number from 0 up"#
        );
        assert!(
            message(config.get("huge", 0.0f32).map(drop)).ends_with("expected a number that f32 can hold")
        );
        assert_eq!(config.eps("eps", 1e-12).unwrap(), 1e-5);
        assert_eq!(
            message(config.eps("negative", 0.0).map(drop)),
            "config.json: negative is -1e-5; expected 0 or more"
        );
        let section = config.section("rope").unwrap();
        assert_eq!(section.needed::<Positive>("theta").unwrap().0, 1e4);
        assert_eq!(section.given::<f64>("none").unwrap(), None);
        assert!(!section.is_empty() && config.section("absent").unwrap().is_empty());
        assert_eq!(
            message(section.needed::<Positive>("factor").map(drop)),
            "config.json: rope.factor is -2; expected a number above 0 that f32 can hold"
        );
        assert_eq!(
            message(section.needed::<usize>("length").map(drop)),
            "config.json: rope.length is missing; expected a whole number from 0 up"
        );
        assert_eq!(
            message(config.section("act").map(drop)),
            r#"config.json: act is "gelu_new"; expected an object"#
        );
        assert_eq!(config.get::<Vec<String>>("names", Vec::new()).unwrap(), ["A", "B"]);
        assert_eq!(config.names("names", &["A", "B", "C"]).unwrap(), ["A", "B"]);
        assert_eq!(config.names("pair", &["a", "b"]).unwrap(), ["b", "a"]);
        assert!(config.names("absent", &["a"]).unwrap().is_empty());
        assert_eq!(
            message(config.names("pair", &["a", "c"]).map(drop)),
            r#"config.json: pair has "b"; supported are a, c"#
        );
        assert!(message(config.given::<Vec<String>>("act").map(drop)).ends_with("expected a list of names"));
        assert_eq!(config.get("sides", Area([1; 2])).unwrap(), Area([3, 5]));
        assert_eq!(config.get("layers", Area([1; 2])).unwrap(), Area([3, 3]));
        assert!(message(config.get("names", Area([1; 2])).map(drop)).contains("expected a size from 1"));
        assert!(message(config.get("eps", false).map(drop)).ends_with("expected true or false"));
        assert!(message(config.text("zero").map(drop)).ends_with("is 0; expected a name"));
        assert!(message(config.text("none").map(drop)).ends_with("is missing; expected a name"));
        assert!(message(config.activation("kind", "gelu").map(drop)).contains("supported are gelu,"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "{\"a\": ", "\u{0}"] {
            assert!(Config::parse(text.as_bytes(), "c").is_err(), "{text:?}");
        }
    }
}
