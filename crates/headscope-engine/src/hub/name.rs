//! Names that come from a server, checked before they become names on disk.

use std::fmt;

use super::plain;
use crate::EngineError;

/// The name of a file in a repository: a relative path that stays in its folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is absolute, empty or holds `..`, a backslash or a control character (on Windows a colon).
    pub fn parse(name: &str) -> Result<FileName, EngineError> {
        let stays = |part: &str| !matches!(part, "" | "." | "..");
        let obeyed = |c: char| c == '\\' || c.is_control() || (cfg!(windows) && c == ':');
        if name.split('/').all(stays) && !name.contains(obeyed) {
            return Ok(FileName(name.to_owned()));
        }
        Err(hostile("file", name))
    }

    /// The name, its folders separated by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What names the content of a file: SHA-256 in hex for large files, the id that git gives it otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(String);

impl Etag {
    /// Reads the header: `"…"` or `W/"…"`.
    ///
    /// # Errors
    /// If it could be no plain name of a file.
    pub fn parse(header: &str) -> Result<Etag, EngineError> {
        let value = header.trim().trim_start_matches("W/").trim_matches('"');
        if plain(value) && value.len() <= 128 {
            Ok(Etag(value.to_owned()))
        } else {
            Err(hostile("ETag", value))
        }
    }

    /// The SHA-256 of the content, if this is one.
    pub fn sha256(&self) -> Option<&str> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (self.0.len() == 64 && self.0.bytes().all(hex)).then_some(&self.0)
    }

    /// The name of the blob.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A commit, as git names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit(String);

impl Commit {
    /// Checks a commit.
    ///
    /// # Errors
    /// If it is not 40 hexadecimal digits, by which Python's library knows one.
    pub fn parse(commit: &str) -> Result<Commit, EngineError> {
        let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        if is_commit { Ok(Commit(commit.to_owned())) } else { Err(hostile("commit", commit)) }
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hostile(what: &'static str, name: &str) -> EngineError {
    EngineError::UnsafeName { what, name: name.chars().take(120).collect() }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused_by_name() {
        let names =
            ["", ".", "..", "../x", "a/../x", "/etc/passwd", "a//b", "a/", "..\\x", "a\\b", "a\0b", "a\nb"];
        for name in names {
            let error = FileName::parse(name).unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?}")), "{error}");
        }
        for name in ["config.json", "onnx/model.onnx", ".gitattributes", "..x", "modèle 猫.model"] {
            assert_eq!(FileName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn etags_and_commits() {
        let sha = "0".repeat(64);
        for (header, value, hashed) in [
            ("\"abc\"", "abc", false),
            ("W/\"abc-1\"", "abc-1", false),
            (&format!("\"{sha}\""), sha.as_str(), true),
        ] {
            let etag = Etag::parse(header).unwrap();
            assert_eq!((etag.as_str(), etag.sha256().is_some()), (value, hashed), "{header}");
        }
        for header in ["", "\"\"", "\"../x\"", "\".x\"", "\"a/b\"", "\"a\\b\"", &"a".repeat(129)] {
            assert!(Etag::parse(header).is_err(), "{header}");
        }
        assert!(Commit::parse(&"a1".repeat(20)).is_ok());
        for commit in ["", "main", "../..", &"a".repeat(39), &"g".repeat(40)] {
            assert!(Commit::parse(commit).is_err(), "{commit}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_passes_stays_in_its_folder(name in "([./\\\\a\0:é-]|\\.\\.|//){0,12}") {
            if let Ok(name) = FileName::parse(&name) {
                let path = Path::new("/cache").join(name.as_str());
                prop_assert!(path.starts_with("/cache") && path != Path::new("/cache"));
                prop_assert!(path.components().skip(1).all(|c| matches!(c, Component::Normal(_))));
            }
        }
    }
}
