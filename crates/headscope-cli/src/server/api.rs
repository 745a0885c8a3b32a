//! What the page asks for.

use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::poll_fn;
use headscope::trace::Values;
use headscope::view::render::html::{self, Sentences};
use headscope::view::{ROUNDED_WITHIN, rounded};
use headscope::{Error, Tensor, engine};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::guard::{self, Guard};
use super::{Run, Server, lock};
use crate::commands::{self, Hinted};
use crate::runner::Given;

/// The longest text that is run, in bytes: several times what any model here can read.
const MAX_TEXT: usize = 1 << 20;

/// The most bytes a request may bring. Somewhat more than is run: a body that is turned away unread
/// breaks the connection, and the page would not hear why.
const MAX_BODY: usize = 16 << 20;

/// Tells a page which run its overview is of.
const RUN: HeaderName = HeaderName::from_static("x-headscope-run");

/// Tells a page that weights are u16 on a square-root scale, and how far off they may be.
const WITHIN: HeaderName = HeaderName::from_static("x-headscope-within");

/// More weights than this are sent rounded: a head of 1,024 tokens has 4 MB of them.
const SENT_WHOLE: usize = 1 << 20;

/// Rows of such a pattern that are sent at a time: work for several cores, and a part of what the page makes ready while
/// the next ones are computed.
const BAND: usize = 512;

const SCRIPT: (HeaderName, HeaderValue) =
    (CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
const BYTES: (HeaderName, HeaderValue) = (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));

type Shared = State<Arc<Server>>;

/// Every route, behind the guard.
pub fn router(server: Arc<Server>, guard: Guard) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/headscope.js", get(script))
        .route("/api/overview", get(overview))
        .route("/api/pattern", get(pattern))
        .route("/api/exact", get(exact))
        .route("/api/vectors", get(vectors))
        .route("/api/run", post(run))
        .route("/learn", get(learn))
        .route("/lesson.js", get(lesson_script))
        .route("/api/lesson", post(lesson))
        .route("/api/piece", get(piece))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this is asked for in another way")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::new(guard), guard::check))
        .layer(map_response(harden))
        .with_state(server)
}

/// Headers that every answer carries.
async fn harden(mut response: Response) -> Response {
    let policy = HeaderValue::from_str(&html::app_policy()).expect("a policy is plain text");
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

async fn page(State(server): Shared) -> Html<String> {
    Html(html::app(server.runner.is_some(), server.teacher().is_ok(), &server.focus))
}

async fn learn(State(server): Shared) -> Result<Html<String>, Problem> {
    Ok(Html(html::lesson(&server.teacher()?.syllabus(&server.sentences))))
}

async fn script() -> impl IntoResponse {
    ([SCRIPT], html::SCRIPT)
}

async fn lesson_script() -> impl IntoResponse {
    ([SCRIPT], html::LESSON)
}

async fn overview(State(server): Shared) -> Response {
    overview_of(&server.newest())
}

fn overview_of(run: &Run) -> Response {
    ([BYTES, (RUN, HeaderValue::from(run.id))], run.overview.clone()).into_response()
}

#[derive(Clone, Copy, Deserialize)]
struct Place {
    layer: usize,
    head: usize,
    run: u64,
}

type Asked = Result<Query<Place>, QueryRejection>;

/// The place that is asked about, and the trace that it is in.
fn find(server: &Server, place: Asked) -> Result<(Place, Arc<Run>), Problem> {
    let Query(place) = place.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, e.body_text()))?;
    let run = server.run(place.run).ok_or_else(|| {
        Problem::new(StatusCode::GONE, "this trace is no longer kept")
            .help("reload the page for the newest one")
    })?;
    Ok((place, run))
}

/// A head's weights, `[queries, keys]`, as little-endian f32; of a long text [`rounded`].
async fn pattern(State(server): Shared, place: Asked) -> Result<Response, Problem> {
    let (place, run) = find(&server, place)?;
    if run.data.weights(place.layer) > SENT_WHOLE
        && let Some(response) = in_bands(Arc::clone(&server), Arc::clone(&run), place).await
    {
        return Ok(response);
    }
    let pattern = blocking(move || weights_of(&server, &run, &place)).await??;
    Ok(([BYTES], Bytes::copy_from_slice(Values::F32(&pattern).bytes())).into_response())
}

/// The [`rounded`] weights of a head: the first rows are on their way while the last are computed. None if there is no
/// such head, or a damaged file has weights that cannot be rounded.
async fn in_bands(server: Arc<Server>, run: Arc<Run>, place: Place) -> Option<Response> {
    let length = size_of::<u16>() * run.data.weights(place.layer);
    let (send, mut bands) = mpsc::unbounded_channel();
    tokio::task::spawn_blocking(move || {
        let ready = &mut |rows: &[f32]| drop(send.send(rounded(rows))); // in vain once the page has gone
        let (trace, attn) = (run.data.trace(), run.data.block(place.layer)?);
        let pattern = engine::pattern_in_bands(&server.compute, trace, attn, place.head, BAND, ready)?;
        server.remember((run.id, place.layer, place.head), &pattern);
        Some(())
    });
    let mut first = Some(bands.recv().await??);
    let rows = poll_fn(move |context| match first.take() {
        Some(first) => Poll::Ready(Some(Ok(first))),
        None => bands
            .poll_recv(context)
            .map(|band| band.map(|rows| rows.ok_or("no weights are in a band of rows"))),
    });
    let within = HeaderValue::from_str(&format!("{ROUNDED_WITHIN:.1e}")).expect("digits are plain text");
    let headers = [BYTES, (WITHIN, within), (CONTENT_LENGTH, HeaderValue::from(length))];
    Some((headers, Body::from_stream(rows)).into_response())
}

fn weights_of(server: &Server, run: &Run, place: &Place) -> Result<Tensor, Problem> {
    // Where queries and keys are kept instead of patterns, the kernels are quicker than a
    // trace, which has none.
    let block = run.data.block(place.layer);
    let fast = |attn| engine::pattern(&server.compute, run.data.trace(), attn, place.head);
    let pattern = block.and_then(fast).map_or_else(|| run.data.pattern(place.layer, place.head), Ok);
    pattern.map_err(|e| Problem::new(StatusCode::NOT_FOUND, e.to_string()))
}

#[derive(Deserialize)]
struct Line {
    query: Option<usize>,
    key: Option<usize>,
}

/// All digits of one query's weights, `[keys]`, then of those on one key, `[queries]`, as far as they are asked for:
/// of a long text a page has rounded ones.
async fn exact(
    State(server): Shared,
    place: Asked,
    line: Result<Query<Line>, QueryRejection>,
) -> Result<Response, Problem> {
    let (place, run) = find(&server, place)?;
    let Query(Line { query, key }) =
        line.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, e.body_text()))?;
    let work = move || {
        let id = (run.id, place.layer, place.head);
        let pattern = match server.remembered(id) {
            Some(pattern) => pattern,
            None => weights_of(&server, &run, &place)?,
        };
        server.remember(id, &pattern);
        let [queries, keys] = [pattern.shape()[0], pattern.shape()[1]];
        for (what, index, n) in [("query", query, queries), ("key", key, keys)] {
            if index.is_some_and(|index| index >= n) {
                let message = format!("there is no {what} {}; the text has {n} tokens", index.unwrap_or(0));
                return Err(Problem::new(StatusCode::NOT_FOUND, message));
            }
        }
        let mut line = query.map_or(Vec::new(), |query| pattern.row(query).to_vec());
        if let Some(key) = key {
            line.extend((0..queries).map(|query| pattern.row(query)[key]));
        }
        Ok(Values::F32(&line).bytes().to_vec())
    };
    Ok(([BYTES], blocking(work).await??).into_response())
}

/// What a head's scores are made of, as a safetensors file: see [`ViewData::vectors`].
///
/// [`ViewData::vectors`]: headscope::view::ViewData::vectors
async fn vectors(State(server): Shared, place: Asked) -> Result<Response, Problem> {
    let (place, run) = find(&server, place)?;
    let vectors = run.data.vectors(place.layer, place.head);
    let bytes = vectors.map_err(|e| Problem::new(StatusCode::NOT_FOUND, e.to_string()))?;
    Ok(([BYTES], Bytes::from(bytes)).into_response())
}

#[derive(Deserialize)]
struct Texts {
    texts: Vec<String>,
}

/// Runs one text or a pair, or a text with its target, and answers with its overview.
async fn run(State(server): Shared, body: Result<Json<Texts>, JsonRejection>) -> Result<Response, Problem> {
    let Texts { texts } = read(body, r#"{"texts": ["A", "B"]}"#)?;
    check_lengths(&texts)?;
    if server.runner.is_none() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "a saved trace is shown here, without a model to run other texts",
        )
        .help("headscope \"TEXT A\" \"TEXT B\" runs them"));
    }
    if texts.is_empty() || texts.len() > 2 {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{} texts; expected one, or a pair", texts.len()),
        ));
    }
    let run = blocking(move || pass(&server, &texts)).await??;
    Ok(overview_of(&run))
}

/// Runs the sentences of the lesson and answers with its scenes.
async fn lesson(
    State(server): Shared,
    body: Result<Json<Sentences>, JsonRejection>,
) -> Result<Response, Problem> {
    let sentences = read(body, r#"{"pair": ["A", "B"], "senses": ["A", "B"]}"#)?;
    check_lengths(sentences.pair.iter().chain(&sentences.senses))?;
    let scenes = blocking(move || {
        let _one_at_a_time = lock(&server.passes);
        Ok::<_, Problem>(html::bundle(&server.teacher()?.scenes(&sentences)?))
    })
    .await??;
    Ok(([BYTES], Bytes::from(scenes)).into_response())
}

#[derive(Deserialize)]
struct Id {
    id: u32,
}

/// How the vocabulary spells an id; null where it has no such id.
async fn piece(
    State(server): Shared,
    id: Result<Query<Id>, QueryRejection>,
) -> Result<Json<Option<String>>, Problem> {
    let Query(Id { id }) = id.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, e.body_text()))?;
    Ok(Json(server.runner.as_ref().and_then(|runner| runner.model.tokenizer().piece(id))))
}

/// The JSON of a request.
fn read<T>(body: Result<Json<T>, JsonRejection>, expected: &str) -> Result<T, Problem> {
    body.map(|Json(body)| body).map_err(|e| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => Problem::new(status, e.body_text()).help(format!("expected {expected} as JSON")),
    })
}

fn check_lengths<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<(), Problem> {
    match texts.into_iter().any(|text| text.len() > MAX_TEXT) {
        true => Err(too_large()),
        false => Ok(()),
    }
}

fn too_large() -> Problem {
    let message = format!("a text is larger than {} KiB", MAX_TEXT >> 10);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message).help("shorten it")
}

fn pass(server: &Server, texts: &[String]) -> Result<Arc<Run>, Error> {
    let runner = server.runner.as_ref().expect("checked by the caller");
    let _one_at_a_time = lock(&server.passes);
    let second = texts.get(1).map(String::as_str);
    Ok(server.keep(runner.view(Given { text: &texts[0], second, ..Given::default() })?))
}

/// Runs what computes for a while where it does not hold up other requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the computation broke off")
            .help("the terminal says where; please report it")
    })
}

/// What went wrong, as the page shows it.
#[derive(Serialize)]
struct Problem {
    #[serde(skip)]
    status: StatusCode,
    message: String,
    help: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, message: impl Into<String>) -> Problem {
        Problem { status, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Problem {
        Problem { help: Some(help.into()), ..self }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem { status: StatusCode::UNPROCESSABLE_ENTITY, message: error.to_string(), help: error.help() }
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Problem {
        let help = commands::help_of(&error);
        Problem { status: StatusCode::UNPROCESSABLE_ENTITY, message: format!("{error:#}"), help }
    }
}

impl From<Hinted> for Problem {
    fn from(Hinted { what, help }: Hinted) -> Problem {
        Problem::new(StatusCode::CONFLICT, what).help(help)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}
