//! Requests to the Hub: redirects followed by hand, tries that are counted.

use std::thread;
use std::time::Duration;

use ureq::Agent;
use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, LOCATION, RANGE, RETRY_AFTER};
use ureq::http::{Method, Request, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};

use super::failure::{Failure, Refusal};
use super::settings::{Settings, is_safe};

/// How often a request is made before its failure is final.
pub const TRIES: u32 = 5;
/// The pause after the first try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest pause that a server may ask for; a person would rather be told.
const LONGEST_PAUSE: u64 = 60;
/// A file of the Hub is two redirects away at most; a loop of them has an end.
const REDIRECTS: usize = 8;
/// The longest list of files that is read.
const LARGEST_TEXT: u64 = 64 << 20;

/// An answer whose body is still to be read.
pub type Answer = Response<ureq::Body>;

/// What talks to the Hub.
pub struct Client {
    /// Where the Hub is, and who asks.
    pub settings: Settings,
    agent: Agent,
    endpoint: Uri,
}

impl Client {
    /// A client; nothing is sent yet. Proxies are those that `ureq` finds in the environment.
    pub fn new(settings: Settings) -> Client {
        let patience = Some(settings.patience);
        let config = Agent::config_builder()
            .user_agent(concat!("headscope/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0) // the token must not follow them
            .max_redirects_will_error(false)
            .timeout_resolve(patience)
            .timeout_connect(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .build();
        let endpoint = settings.endpoint.parse().unwrap_or_default();
        Client { agent: config.new_agent(), settings, endpoint }
    }

    /// The text at a path of the endpoint.
    ///
    /// # Errors
    /// The last of at most [`TRIES`] failures.
    pub fn text(&self, path: &str, say: &dyn Fn(&str)) -> Result<Vec<u8>, Failure> {
        retrying(say, || {
            let mut answer = self.get(path, 0)?;
            let body = answer.body_mut().with_config().limit(LARGEST_TEXT);
            body.read_to_vec().map_err(Failure::Network)
        })
    }

    /// What the Hub says about a file, in the headers of its own last answer: a redirect to where the
    /// bytes are, on another host, is not followed.
    ///
    /// # Errors
    /// As [`text`](Client::text).
    pub fn head(&self, path: &str, say: &dyn Fn(&str)) -> Result<Answer, Failure> {
        retrying(say, || self.walk(&Method::HEAD, path, 0))
    }

    /// Begins to read the file at a path, from byte `from` on; one try.
    ///
    /// # Errors
    /// If there is no answer, or it is a refusal.
    pub fn get(&self, path: &str, from: u64) -> Result<Answer, Failure> {
        self.walk(&Method::GET, path, from)
    }

    fn walk(&self, method: &Method, path: &str, from: u64) -> Result<Answer, Failure> {
        let unusable = |url: &str| Failure::Wrong(format!("the address {url:?} cannot be used"));
        let start = format!("{}{path}", self.settings.endpoint);
        let mut url: Uri = start.parse().map_err(|_| unusable(&start))?;
        for _ in 0..=REDIRECTS {
            if !is_safe(&url) {
                return Err(Failure::Wrong(format!(
                    "it leads to {url}, and what goes there is not encrypted"
                )));
            }
            let answer = self.ask(method, &url, from)?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            if !status.is_redirection() {
                return Err(Failure::Refused(refusal(&answer)));
            }
            let target = answer.headers().get(LOCATION).and_then(|target| target.to_str().ok());
            let target =
                target.ok_or_else(|| Failure::Wrong(format!("it answers {status} without an address")))?;
            let next = resolve(&url, target).ok_or_else(|| unusable(target))?;
            if method == Method::HEAD && !self.is_ours(&next) {
                return Ok(answer);
            }
            url = next;
        }
        Err(Failure::Wrong(format!("it redirects more than {REDIRECTS} times")))
    }

    fn ask(&self, method: &Method, url: &Uri, from: u64) -> Result<Answer, Failure> {
        // Compressed on the way, a file would not have the size that is promised.
        let mut request = Request::builder().method(method).uri(url).header(ACCEPT_ENCODING, "identity");
        if let Some(token) = self.settings.token.as_ref().filter(|_| self.is_ours(url)) {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.secret));
        }
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let request = request.body(()).map_err(|e| Failure::Network(e.into()))?;
        self.agent.run(request).map_err(Failure::Network)
    }

    /// Whether an address is the endpoint's own: scheme, host and port.
    fn is_ours(&self, url: &Uri) -> bool {
        origin(url) == origin(&self.endpoint)
    }
}

/// Tries again, with longer and longer pauses, while the failure may pass.
fn retrying<T>(say: &dyn Fn(&str), mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut tries = Tries::default();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(failure) => tries.pause(failure, say)?,
        }
    }
}

/// The tries that were made.
#[derive(Default)]
pub struct Tries(u32);

impl Tries {
    /// Waits before the next try.
    ///
    /// # Errors
    /// Gives the failure back when it will not pass, or there were [`TRIES`] of it.
    pub fn pause(&mut self, failure: Failure, say: &dyn Fn(&str)) -> Result<(), Failure> {
        self.0 += 1;
        let asked = failure.asked_pause();
        if self.0 >= TRIES || !failure.may_pass() || asked.is_some_and(|secs| secs > LONGEST_PAUSE) {
            return Err(failure);
        }
        let pause = asked.map_or(PAUSE * 2u32.pow(self.0 - 1), Duration::from_secs);
        if pause >= Duration::from_secs(2) {
            say(&format!("waiting {} s before trying again: {}", pause.as_secs(), failure.in_short()));
        }
        thread::sleep(pause);
        Ok(())
    }
}

fn refusal(answer: &Answer) -> Refusal {
    let headers = answer.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Refusal {
        status: answer.status().as_u16(),
        code: text("x-error-code").to_owned(),
        message: text("x-error-message").chars().take(200).collect(),
        pause: pause_asked(headers),
    }
}

/// `Retry-After` in seconds, or the Hub's `RateLimit: …;t=SECONDS`.
fn pause_asked(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let rate = || text("ratelimit")?.split(';').find_map(|part| part.trim().strip_prefix("t="));
    text(RETRY_AFTER.as_str()).and_then(|secs| secs.trim().parse().ok()).or_else(|| rate()?.parse().ok())
}

fn origin(url: &Uri) -> (Option<&str>, Option<String>, Option<u16>) {
    let usual = if url.scheme_str() == Some("http") { 80 } else { 443 };
    (url.scheme_str(), url.host().map(str::to_ascii_lowercase), url.port_u16().or(Some(usual)))
}

/// The address that `target` means on a page at `base`.
fn resolve(base: &Uri, target: &str) -> Option<Uri> {
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let whole = match target {
        _ if target.contains("://") && !target.starts_with('/') => target.to_owned(),
        _ if target.starts_with("//") => format!("{scheme}:{target}"),
        _ if target.starts_with('/') => format!("{scheme}://{authority}{target}"),
        _ => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{scheme}://{authority}{folder}/{target}")
        }
    };
    whole.split('#').next()?.parse().ok()
}

/// A part of an address, with all escaped that could mean something else there.
pub fn escaped(part: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    part.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let base: Uri = "https://h.example:8/a/b?c".parse().unwrap();
        for (target, expected) in [
            ("https://cdn.example/x?y=1#z", "https://cdn.example/x?y=1"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("/x", "https://h.example:8/x"),
            ("x/y", "https://h.example:8/a/x/y"),
        ] {
            assert_eq!(resolve(&base, target).unwrap().to_string(), expected);
        }
        assert!(resolve(&base, "http://a b/").is_none());
        assert_eq!(escaped("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(escaped("é a%.bin"), "%C3%A9%20a%25.bin");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| origin(&a.parse().unwrap()) == origin(&b.parse().unwrap());
        assert!(same("https://a.example/x", "https://A.example:443/y"));
        assert!(!same("https://a.example", "http://a.example"));
        assert!(!same("https://a.example", "https://a.example:444"));
        assert!(!same("https://a.example", "https://b.a.example"));
    }

    #[test]
    fn pauses_are_read() {
        let asked = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            pause_asked(&headers)
        };
        assert_eq!(asked("retry-after", "7"), Some(7));
        assert_eq!(asked("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(asked("ratelimit", "\"api\";r=0;t=55"), Some(55));
        assert_eq!(asked("ratelimit", "\"api\";r=0"), None);
    }
}
