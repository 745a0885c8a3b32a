//! Who is answered.
//!
//! Any page in the browser can send requests to 127.0.0.1, and a hostile name can be made to
//! resolve there. So a request must name this very host and port (DNS rebinding), come from our
//! own page or from none (`Origin`), and hold the random token: once in the printed address, then
//! in a cookie that scripts cannot read and other sites cannot send.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

/// Where a reader may arrive.
pub const PAGES: [&str; 2] = ["/", "/learn"];

/// The rules of one server.
pub struct Guard {
    port: u16,
    token: String,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Answer,
    /// The token came in the address: move it into a cookie.
    Welcome,
    WrongHost,
    WrongOrigin,
    NoToken,
}

impl Guard {
    /// Rules for `port`, with a fresh token.
    pub fn new(port: u16) -> Result<Guard, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let token = bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Ok(Guard { port, token })
    }

    /// The address of a page, to print.
    pub fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}{page}?token={}", self.port, self.token)
    }

    fn judge(&self, headers: &HeaderMap, path: &str, query: &str) -> Verdict {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let hosts = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        if !text(HOST).is_some_and(|host| hosts.iter().any(|ours| ours == host)) {
            return Verdict::WrongHost;
        }
        let ours = |origin: &str| {
            origin.strip_prefix("http://").is_some_and(|host| hosts.iter().any(|ours| ours == host))
        };
        if headers.contains_key(ORIGIN) && !text(ORIGIN).is_some_and(ours) {
            return Verdict::WrongOrigin;
        }
        let in_address = query.split('&').find_map(|pair| pair.strip_prefix("token="));
        if PAGES.contains(&path) && in_address.is_some_and(|token| self.is_token(token)) {
            return Verdict::Welcome;
        }
        let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        if pairs.any(|(name, value)| name == self.cookie_name() && self.is_token(value)) {
            return Verdict::Answer;
        }
        Verdict::NoToken
    }

    /// Browsers share cookies between ports, so each server has its own name.
    fn cookie_name(&self) -> String {
        format!("headscope-{}", self.port)
    }

    /// Compares in a time that does not tell how much was right.
    fn is_token(&self, given: &str) -> bool {
        let differ = self.token.bytes().zip(given.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
        given.len() == self.token.len() && differ == 0
    }
}

/// Lets a request through, or answers it in one line.
pub async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    match guard.judge(headers, uri.path(), uri.query().unwrap_or_default()) {
        Verdict::Answer => next.run(request).await,
        Verdict::Welcome => {
            let cookie =
                format!("{}={}; HttpOnly; SameSite=Strict; Path=/", guard.cookie_name(), guard.token);
            ([(SET_COOKIE, cookie)], Redirect::to(uri.path())).into_response()
        }
        Verdict::WrongHost => {
            (StatusCode::MISDIRECTED_REQUEST, "This server answers to 127.0.0.1 alone.\n").into_response()
        }
        Verdict::WrongOrigin => {
            (StatusCode::FORBIDDEN, "Another site's page may not ask here.\n").into_response()
        }
        Verdict::NoToken => {
            (StatusCode::UNAUTHORIZED, "Open the address that headscope printed; it holds the key.\n")
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    #[test]
    fn only_who_holds_the_address_is_answered() {
        let guard = Guard { port: 8000, token: "abcd".into() };
        type Row<'a> = (&'a [(HeaderName, &'a str)], &'a str, Verdict);
        let rows: [Row<'_>; 13] = [
            (&[(HOST, "127.0.0.1:8000")], "token=abcd", Verdict::Welcome),
            (&[(HOST, "localhost:8000")], "token=abcd", Verdict::Welcome),
            (&[(HOST, "127.0.0.1:8000"), (COOKIE, "headscope-8000=abcd")], "", Verdict::Answer),
            (&[(HOST, "127.0.0.1:8000"), (COOKIE, "a=b; headscope-8000=abcd")], "", Verdict::Answer),
            (
                &[
                    (HOST, "127.0.0.1:8000"),
                    (COOKIE, "headscope-8000=abcd"),
                    (ORIGIN, "http://127.0.0.1:8000"),
                ],
                "",
                Verdict::Answer,
            ),
            (&[(HOST, "127.0.0.1:8000")], "", Verdict::NoToken),
            (&[(HOST, "127.0.0.1:8000")], "token=abcx", Verdict::NoToken),
            (&[(HOST, "127.0.0.1:8000")], "token=abcdd", Verdict::NoToken),
            (&[(HOST, "127.0.0.1:8000"), (COOKIE, "headscope-8001=abcd")], "", Verdict::NoToken),
            (&[(HOST, "evil.example"), (COOKIE, "headscope-8000=abcd")], "token=abcd", Verdict::WrongHost),
            (&[], "token=abcd", Verdict::WrongHost),
            (
                &[(HOST, "127.0.0.1:8000"), (ORIGIN, "http://evil.example"), (COOKIE, "headscope-8000=abcd")],
                "",
                Verdict::WrongOrigin,
            ),
            (
                &[(HOST, "127.0.0.1:8000"), (ORIGIN, "null"), (COOKIE, "headscope-8000=abcd")],
                "",
                Verdict::WrongOrigin,
            ),
        ];
        for (headers, query, expected) in rows {
            let map = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            assert_eq!(guard.judge(&map, "/", query), expected, "{headers:?} {query}");
        }
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (a, b) = (Guard::new(1).unwrap(), Guard::new(1).unwrap());
        assert_eq!(a.token.len(), 32);
        assert_ne!(a.token, b.token);
    }
}
