//! What went wrong with a request, and what to do about it.

use std::io;

use ureq::http::StatusCode;

use super::Wanted;
use super::client::TRIES;
use super::settings::Settings;
use crate::commands::Hinted;

/// Why a request has no good answer.
#[derive(Debug)]
pub enum Failure {
    /// No answer, or half of one.
    Network(ureq::Error),
    /// An answer that is no yes.
    Refused(Refusal),
    /// An answer that is not what was asked for, and may be next time.
    Odd(String),
    /// An answer that cannot be gone on with.
    Wrong(String),
}

/// An answer that is no yes.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP's number.
    pub status: u16,
    /// The Hub's word for it, as `GatedRepo`.
    pub code: String,
    /// The Hub's sentence.
    pub message: String,
    /// The seconds it asks to wait.
    pub pause: Option<u64>,
}

impl Failure {
    /// Whether another try may succeed.
    pub fn may_pass(&self) -> bool {
        use io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock,
        };
        match self {
            Failure::Network(ureq::Error::Timeout(_)) | Failure::Odd(_) => true,
            Failure::Network(ureq::Error::Io(e)) => matches!(
                e.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut | UnexpectedEof | WouldBlock
            ),
            Failure::Refused(refusal) => matches!(refusal.status, 408 | 429 | 500 | 502 | 503 | 504),
            Failure::Network(_) | Failure::Wrong(_) => false,
        }
    }

    /// The seconds that the server asks to wait.
    pub fn asked_pause(&self) -> Option<u64> {
        match self {
            Failure::Refused(refusal) => refusal.pause,
            _ => None,
        }
    }

    /// A few words.
    pub fn in_short(&self) -> String {
        match self {
            Failure::Network(ureq::Error::Timeout(_)) => "no answer in time".into(),
            Failure::Network(ureq::Error::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                "the connection was cut".into()
            }
            Failure::Network(ureq::Error::Io(e)) => e.to_string(),
            Failure::Network(e) => e.to_string(),
            Failure::Refused(refusal) => status(refusal.status),
            Failure::Odd(what) | Failure::Wrong(what) => what.clone(),
        }
    }

    /// What is said to a person: what was tried, and how to go on.
    pub fn explain(&self, wanted: &Wanted<'_>, settings: &Settings) -> Hinted {
        let place = settings.endpoint.split_once("://").map_or("", |(_, place)| place);
        match self {
            Failure::Network(e) => self.unreachable(e, wanted, place, settings),
            Failure::Refused(refusal) => refusal.explain(wanted, place, settings),
            Failure::Odd(what) | Failure::Wrong(what) => Hinted {
                what: format!("cannot download {wanted} from {place}: {what}"),
                help: "look at where HF_ENDPOINT points; unset, it is https://huggingface.co".into(),
            },
        }
    }

    fn unreachable(
        &self,
        error: &ureq::Error,
        wanted: &Wanted<'_>,
        place: &str,
        settings: &Settings,
    ) -> Hinted {
        let offline = "--offline works with what is in the cache";
        let (what, help) = match error {
            _ if is_nameless(error) => (
                "its name has no address".to_owned(),
                format!("is there a network? {offline}; HF_ENDPOINT names another host, HTTPS_PROXY a proxy"),
            ),
            ureq::Error::Timeout(_) => (
                format!("no answer within {} s, {TRIES} times", settings.patience.as_secs()),
                format!(
                    "try again later, what has come is kept; {offline}; HF_HUB_DOWNLOAD_TIMEOUT=60 waits longer"
                ),
            ),
            ureq::Error::Io(_) if self.may_pass() => (
                format!("{}, {TRIES} times", self.in_short()),
                "run the command again: it goes on with what has come".to_owned(),
            ),
            _ if is_distrust(error) => (
                self.in_short(),
                "where a proxy encrypts anew, SSL_CERT_FILE names a file with its certificate".to_owned(),
            ),
            ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => (
                self.in_short(),
                "look at HTTPS_PROXY and ALL_PROXY; NO_PROXY lists hosts to reach without".to_owned(),
            ),
            _ => (
                self.in_short(),
                format!("is there a network, and a proxy in HTTPS_PROXY if it needs one? {offline}"),
            ),
        };
        Hinted { what: format!("cannot download {wanted} from {place}: {what}"), help }
    }
}

impl Refusal {
    fn explain(&self, wanted: &Wanted<'_>, place: &str, settings: &Settings) -> Hinted {
        let (endpoint, id) = (&settings.endpoint, wanted.id);
        let page = format!("{endpoint}/{id}");
        let answer = status(self.status);
        let token = settings.token.as_ref().map(|token| format!("the token from {}", token.from));
        let gate = token.as_ref().map_or("opens with a token".into(), |t| format!("{t} does not open it"));
        let token = token.unwrap_or_else(|| "no token".into());
        let (what, help) = match (self.status, self.code.as_str()) {
            (_, "GatedRepo") => (
                format!("{id} is gated: {gate} ({answer})"),
                format!("accept its terms at {page}, then set HF_TOKEN to a token of that account ({endpoint}/settings/tokens)"),
            ),
            (_, "RevisionNotFound") => (
                format!("{id} has no revision {:?} on {place}", wanted.revision.unwrap_or("main")),
                format!("leave --revision out, or see what there is at {page}/tree/main"),
            ),
            (_, "EntryNotFound") => (
                format!("{wanted} is not on {place} ({answer})"),
                format!("see what there is at {page}/tree/main"),
            ),
            (401, _) if settings.token.is_some() => (
                format!("{place} does not let {token} read {id} ({answer})"),
                format!("check the spelling; make a new token at {endpoint}/settings/tokens, or unset it for a public model"),
            ),
            (401, _) | (404, "RepoNotFound") => (
                format!("there is no model {id:?} on {place} that may be read with {token} ({answer})"),
                "check the spelling, ORG/NAME; for a private or gated model set HF_TOKEN to a token that may read it".into(),
            ),
            (403, _) => (
                format!("{place} does not let {token} read {id} ({answer}{})", self.said()),
                format!("accept its terms at {page}, if it has any, and set HF_TOKEN to a token that may read it"),
            ),
            (404, _) => {
                let at = wanted.revision.map_or_else(String::new, |r| format!(", or not at revision {r:?}"));
                let what = format!("there is no {wanted} on {place}{at} ({answer})");
                (what, "check the spelling, ORG/NAME, and the revision; `headscope models` lists what is in the cache".into())
            }
            (429, _) => {
                let pause = self.pause.map_or_else(|| "a pause".into(), |secs| format!("a pause of {secs} s"));
                let what = format!("{place} asks for {pause} before {wanted} ({answer})");
                (what, "try again then; with a token in HF_TOKEN the Hub allows more".into())
            }
            (500..=599 | 408, _) => (
                format!("{place} answered {answer} when asked for {wanted}, {TRIES} times"),
                "try again later; what has come is kept".into(),
            ),
            _ => (
                format!("{place} answered {answer} when asked for {wanted}{}", self.said()),
                "look at where HF_ENDPOINT and HTTPS_PROXY point".into(),
            ),
        };
        Hinted { what, help }
    }

    fn said(&self) -> String {
        if self.message.is_empty() { String::new() } else { format!(", {:?}", self.message) }
    }
}

/// Whether the host's name has no address; how the system says so has no kind of its own.
fn is_nameless(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(e) => e.to_string().starts_with("failed to lookup address"),
        _ => false,
    }
}

/// Whether the other side is not who it should be; `rustls` wraps that as data that is not valid.
fn is_distrust(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
        ureq::Error::Io(e) => e.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// `404 Not Found`.
fn status(number: u16) -> String {
    StatusCode::from_u16(number).map_or_else(|_| number.to_string(), |status| status.to_string())
}
