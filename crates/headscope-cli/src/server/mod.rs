//! The local app: a page, its script, and the numbers it asks for.
//!
//! Only 127.0.0.1 listens, and only who holds the printed address is answered: see [`guard`].

mod api;
mod guard;

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::body::Bytes;
use headscope::view::render::html::Sentences;
use headscope::view::{Focus, ViewData};
use headscope::{Compute, Model, Tensor};
use tokio::net::TcpListener;

use crate::args::ServeArgs;
use crate::commands::{self, Hinted};
use crate::lesson::Teacher;
use crate::runner::Runner;
use guard::Guard;

/// How many traces are kept for pages that still show an older one.
const RUNS_KEPT: usize = 8;

/// Patterns of long texts that are kept, for the digits that a page asks for: 16 heads of 2,048 tokens. One that is
/// larger by itself is kept all the same.
const REMEMBERED_BYTES: usize = 256 << 20;

/// A run, a layer and a head.
type HeadOf = (u64, usize, usize);

/// A trace that pages may ask about.
struct Run {
    id: u64,
    data: ViewData,
    overview: Bytes,
}

/// What the app serves.
pub struct Server {
    focus: Focus,
    runner: Option<Runner>,
    /// What the lesson begins with.
    sentences: Sentences,
    /// A decoder that the lesson sets beside the model.
    decoder: Option<Model>,
    /// Computes patterns from queries and keys.
    compute: Compute,
    runs: Mutex<VecDeque<Arc<Run>>>,
    /// The patterns asked for last, the newest at the end.
    patterns: Mutex<VecDeque<(HeadOf, Tensor)>>,
    /// One pass at a time: each uses every core.
    passes: Mutex<()>,
}

impl Server {
    /// A server of one trace; with a runner, of all that its reader types.
    pub fn new(data: ViewData, runner: Option<Runner>, compute: Compute, focus: Focus) -> Server {
        let (runs, patterns, passes) = (Mutex::default(), Mutex::default(), Mutex::default());
        let sentences = Sentences::default();
        let server = Server { focus, runner, sentences, decoder: None, compute, runs, patterns, passes };
        server.keep(data);
        server
    }

    /// The same with what the lesson begins with.
    pub fn with_lesson(self, sentences: Sentences, decoder: Option<Model>) -> Server {
        Server { sentences, decoder, ..self }
    }

    /// Who tells the lesson, if the model is one for it.
    fn teacher(&self) -> Result<Teacher<'_>, Hinted> {
        let runner = self.runner.as_ref().ok_or_else(|| Hinted {
            what: "a saved trace is shown here, without a model to tell the lesson on".into(),
            help: "headscope learn tells it".into(),
        })?;
        Teacher::new(&runner.model, self.decoder.as_ref())
    }

    /// Keeps a trace as the newest.
    fn keep(&self, data: ViewData) -> Arc<Run> {
        let overview = data.overview().into();
        let mut runs = lock(&self.runs);
        let id = runs.back().map_or(0, |run| run.id + 1);
        let run = Arc::new(Run { id, data, overview });
        runs.push_back(Arc::clone(&run));
        if runs.len() > RUNS_KEPT {
            runs.pop_front();
        }
        run
    }

    /// Keeps a pattern as the one asked for last, and lets go of the oldest.
    fn remember(&self, id: HeadOf, pattern: &Tensor) {
        let mut patterns = lock(&self.patterns);
        patterns.retain(|(other, _)| *other != id);
        patterns.push_back((id, pattern.clone())); // which copies no numbers
        while patterns.len() > 1
            && patterns.iter().map(|(_, kept)| kept.len() * size_of::<f32>()).sum::<usize>()
                > REMEMBERED_BYTES
        {
            patterns.pop_front();
        }
    }

    /// A pattern that is kept.
    fn remembered(&self, id: HeadOf) -> Option<Tensor> {
        lock(&self.patterns).iter().find(|(other, _)| *other == id).map(|(_, pattern)| pattern.clone())
    }

    /// The newest trace.
    fn newest(&self) -> Arc<Run> {
        Arc::clone(lock(&self.runs).back().expect("a server begins with a trace"))
    }

    /// The trace called `id`, if it is still kept.
    fn run(&self, id: u64) -> Option<Arc<Run>> {
        lock(&self.runs).iter().find(|run| run.id == id).cloned()
    }
}

/// Locks even if a thread panicked while holding it: what is behind is never half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until Ctrl-C; prints the address of a page, and opens a browser there unless told not to.
pub fn serve(server: Server, page: &str, at: &ServeArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let listener = listen(at.port.unwrap_or(0)).await?;
        let address = listener.local_addr()?;
        let guard = Guard::new(address.port()).context("no random numbers for the token")?;
        let url = guard.url(page);
        // Ctrl-C is ours from the first poll on, which must come before anybody knows the address.
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        tokio::select! {
            biased;
            early = &mut interrupted => return Ok(early?),
            () = std::future::ready(()) => {}
        }
        commands::print(&format!("{url}\n"))?;
        commands::note("Ctrl-C ends headscope.");
        if !at.no_browser
            && let Err(e) = open::that_detached(&url)
        {
            commands::note(&format!("no browser could be opened ({e}); open the address above in one"));
        }
        let app = api::router(Arc::new(server), guard);
        tokio::select! {
            served = axum::serve(listener, app).into_future() => Ok(served?),
            interrupted = interrupted => Ok(interrupted?),
        }
    });
    runtime.shutdown_background(); // a pass under way is nobody's any more
    outcome
}

async fn listen(port: u16) -> Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|e| match e.kind() {
        io::ErrorKind::AddrInUse => Hinted {
            what: format!("port {port} is taken"),
            help: "choose another with --port, or leave --port out for a free one".into(),
        }
        .into(),
        _ => anyhow::Error::new(e).context(format!("cannot listen on {address}")),
    })
}
