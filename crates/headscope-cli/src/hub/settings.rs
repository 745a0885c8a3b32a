//! What the environment says about the Hub, in the variables of Python's `huggingface_hub`.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use headscope::engine::hub::home;
use ureq::http::Uri;

use crate::commands::Hinted;

/// Where the Hub is, who asks, and for how long.
#[derive(Debug)]
pub struct Settings {
    /// `https://huggingface.co`, or `HF_ENDPOINT`, without a slash at its end.
    pub endpoint: String,
    /// `HF_TOKEN`, or what the file has that `hf auth login` writes.
    pub token: Option<Token>,
    /// How long a silent connection is waited for.
    pub patience: Duration,
}

/// What shows who asks. It is never printed, and only sent to the endpoint's own host.
pub struct Token {
    /// The secret itself.
    pub secret: String,
    /// Where it came from.
    pub from: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token from {}", self.from)
    }
}

impl Settings {
    /// Reads the variables.
    ///
    /// # Errors
    /// If `HF_ENDPOINT` or the token cannot be used.
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>) -> Result<Settings> {
        let text =
            |name: &str| Some(var(name)?.to_string_lossy().trim().to_owned()).filter(|v| !v.is_empty());
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        check_endpoint(&endpoint)?;
        let secs = text("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|secs| secs.parse().ok());
        Ok(Settings {
            endpoint,
            token: token(&var)?,
            patience: Duration::from_secs(secs.filter(|secs| (1..=3600).contains(secs)).unwrap_or(20)),
        })
    }
}

/// The variable that forbids the network, if one does.
pub fn offline(var: impl Fn(&str) -> Option<OsString>) -> Option<&'static str> {
    let is_on = |name: &&str| {
        let value = var(name).unwrap_or_default().to_string_lossy().to_ascii_uppercase();
        matches!(value.as_str(), "1" | "ON" | "YES" | "TRUE")
    };
    ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().find(|name| is_on(name))
}

/// Whether a request may go there: encrypted, or to this machine.
pub fn is_safe(uri: &Uri) -> bool {
    let here = |host: &str| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        host == "localhost" || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    };
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => uri.host().is_some_and(here),
        _ => false,
    }
}

fn check_endpoint(endpoint: &str) -> Result<(), Hinted> {
    let whole = |uri: &Uri| is_safe(uri) && uri.query().is_none() && !endpoint.contains(['@', '#']);
    if endpoint.parse().is_ok_and(|uri| whole(&uri)) {
        return Ok(());
    }
    Err(Hinted {
        what: format!("HF_ENDPOINT is {endpoint:?}; expected https://HOST, or http:// to this machine"),
        help: "leave it unset for https://huggingface.co".into(),
    })
}

fn token(var: impl Fn(&str) -> Option<OsString>) -> Result<Option<Token>, Hinted> {
    let from_variable = |name: &str| Some((var(name)?.to_string_lossy().into_owned(), name.to_owned()));
    let from_file = || {
        let path = var("HF_TOKEN_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = path.unwrap_or_else(|| home(&var).join("token"));
        Some((fs::read_to_string(&path).ok()?, path.display().to_string()))
    };
    let given = |found: Option<(String, String)>| {
        let (secret, from) = found?;
        let secret: String = secret.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        Some(Token { secret: secret.trim().to_owned(), from }).filter(|token| !token.secret.is_empty())
    };
    let token = given(from_variable("HF_TOKEN"))
        .or_else(|| given(from_variable("HUGGING_FACE_HUB_TOKEN")))
        .or_else(|| given(from_file()));
    match token {
        Some(Token { secret, from }) if !secret.chars().all(|c| c.is_ascii_graphic()) => Err(Hinted {
            what: format!("the token from {from} holds characters that no token has"),
            help: "a token looks like hf_abc…; copy it again, or unset it".into(),
        }),
        token => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Settings> {
        Settings::from_env(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn endpoints() {
        for (given, endpoint) in [
            ("", "https://huggingface.co"),
            ("https://hf.example.org/", "https://hf.example.org"),
            ("https://example.org/hub", "https://example.org/hub"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://localhost:1", "http://localhost:1"),
            ("http://[::1]:1", "http://[::1]:1"),
        ] {
            assert_eq!(with(&[("HF_ENDPOINT", given)]).unwrap().endpoint, endpoint);
        }
        for given in [
            "http://huggingface.co",
            "http://127.0.0.1.example.org",
            "ftp://127.0.0.1",
            "huggingface.co",
            "https://",
            "https://user:secret@example.org",
            "https://example.org/?a",
            "https://a b",
        ] {
            let error = with(&[("HF_ENDPOINT", given)]).unwrap_err().to_string();
            assert!(error.contains("HF_ENDPOINT") && error.contains(given), "{error}");
        }
    }

    #[test]
    fn tokens() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        fs::write(folder.path().join("other"), " hf_other\r\n").unwrap();
        let home = folder.path().to_str().unwrap();
        let other = folder.path().join("other");
        let path = other.to_str().unwrap();
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
        let rows: [Row<'_>; 5] = [
            (&[], None),
            (&[("HF_HOME", home)], Some("hf_file")),
            (&[("HF_HOME", home), ("HF_TOKEN", "\n")], Some("hf_file")),
            (&[("HF_HOME", home), ("HF_TOKEN_PATH", path)], Some("hf_other")),
            (&[("HF_HOME", home), ("HF_TOKEN_PATH", path), ("HF_TOKEN", " hf_mine ")], Some("hf_mine")),
        ];
        for (pairs, expected) in rows {
            let settings = with(pairs).unwrap();
            assert_eq!(settings.token.as_ref().map(|token| token.secret.as_str()), expected, "{pairs:?}");
            assert!(!format!("{settings:?}").contains("hf_"));
        }
        let error = with(&[("HF_TOKEN", "hf_\u{e9}")]).unwrap_err().to_string();
        assert!(error.contains("HF_TOKEN") && !error.contains("hf_"), "{error}");
    }

    #[test]
    fn offline_is_what_python_takes_for_it() {
        for (value, expected) in [("1", true), ("true", true), ("Yes", true), ("0", false), ("", false)] {
            assert_eq!(offline(|name| (name == "HF_HUB_OFFLINE").then(|| value.into())).is_some(), expected);
        }
    }
}
