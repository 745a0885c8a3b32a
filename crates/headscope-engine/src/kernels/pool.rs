//! Where the arithmetic happens: an instruction set and a pool of threads.
//!
//! A pass calls the pool some hundred times, often for less than ten
//! microseconds, so a job must cost little: workers spin for a short while
//! after each job and only then park, which makes a job inside a pass cost
//! about a microsecond and an idle program nothing. Each thread has a run of
//! neighbouring chunks (`runs.rs`), so that a chunk can ask for what the next one
//! needs, and takes from the end of another's once its own are done: a thread that
//! is held up costs at most one chunk.
//!
//! A job is *open* while threads may join it. Joining and closing are one
//! atomic word: a worker that wakes late finds the job closed and leaves, and
//! the caller waits only for those that joined. The caller never waits for a
//! sleeping thread.
//!
//! Several threads may call one pool: they take turns, job by job, and a turn is
//! kept for a millisecond's worth of jobs, because handing it over at every job
//! would wake a thread for each. Two passes at once therefore both go on, and
//! take together as long as one after the other.
#![allow(unsafe_code)] // The borrowed closure of a job crosses to threads that outlive it.

use super::Isa;
use super::runs::Runs;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

/// Where arithmetic happens: an instruction set and a pool of threads.
///
/// Cloning is cheap, and clones share the threads. Results do not depend on
/// the number of threads, to the bit.
#[derive(Clone)]
pub struct Compute(Arc<Inner>);

struct Inner {
    isa: Isa,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// How long a worker looks for the next job before it parks.
///
/// Longer than the gap between two jobs of a pass, far shorter than the gap
/// between two passes.
const SPIN: Duration = Duration::from_micros(200);

/// The bit of [`Shared::state`] that says threads may join. Below it stands
/// the number of threads that joined, above it the number of the job.
const OPEN: u64 = 1 << 31;
const JOINED: u64 = OPEN - 1;
const NEXT_JOB: u64 = 1 << 32;

struct Shared {
    state: AtomicU64,
    job: UnsafeCell<Option<Job>>,
    runs: Runs,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Whose turn it is to open jobs.
    turn: Mutex<Turn>,
    turn_ends: Condvar,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

/// How long a caller keeps its turn while others wait.
const TURN: Duration = Duration::from_millis(1);

/// Whose job the pool does. A caller is a thread that is not inside of a chunk.
struct Turn {
    /// Whether a job is being done.
    busy: bool,
    /// The caller of the last job, and since when no other had a turn.
    caller: Option<ThreadId>,
    since: Instant,
    waiting: usize,
}

thread_local! {
    /// Whether this thread is inside of a chunk of some pool.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What is called for each chunk, borrowed from the caller.
type Job = *const (dyn Fn(usize) + Sync);

// SAFETY: `job` is written only by the thread whose turn it is, while no
// thread has joined, and read only by threads that joined an open job; both go
// through `state` with acquire and release. The closure is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above; the raw pointer is followed only between opening and
// closing a job, while the caller keeps the closure alive.
unsafe impl Send for Shared {}

impl Compute {
    /// Computes with `isa` on `threads` threads; the calling thread is one of them.
    ///
    /// Zero threads count as one. When the system refuses a thread, the pool
    /// does with those it got.
    #[must_use]
    pub fn new(threads: usize, isa: Isa) -> Compute {
        let shared = Arc::new(Shared::new(threads.max(1)));
        let workers = (1..threads)
            .map_while(|i| {
                let shared = Arc::clone(&shared);
                let name = format!("headscope-{i}");
                std::thread::Builder::new().name(name).spawn(move || shared.work(i)).ok()
            })
            .collect();
        Compute(Arc::new(Inner { isa, shared, workers }))
    }

    /// The instruction set that kernels use.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.0.isa
    }

    /// The number of threads, the calling one included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.0.workers.len() + 1
    }

    /// Calls `f(0)` to `f(n - 1)`, each once, on all threads and in no
    /// particular order, and returns when all are done.
    ///
    /// While another thread's job runs, the calling thread waits for its turn.
    /// Inside of a chunk, of this pool or another, it does all chunks itself; so a
    /// chunk must not wait for another thread that calls its pool.
    ///
    /// # Panics
    /// With 2^32 chunks or more. When a chunk panics: its panic continues here, once no chunk runs any
    /// more. Some chunks may then not have been called.
    pub fn for_each_chunk(&self, n: usize, f: impl Fn(usize) + Sync) {
        if n <= 1 || self.0.workers.is_empty() || INSIDE.get() {
            (0..n).for_each(f);
            return;
        }
        assert!(u32::try_from(n).is_ok(), "{n} chunks in one job");
        let shared = &*self.0.shared;
        shared.begin_turn();
        let panic = shared.run(n, &f);
        shared.end_turn();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl std::fmt::Debug for Compute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compute({}, {} threads)", self.isa(), self.threads())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of chunks and has none of its own.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn new(threads: usize) -> Shared {
        Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            runs: Runs::of(threads),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
            turn: Mutex::new(Turn { busy: false, caller: None, since: Instant::now(), waiting: 0 }),
            turn_ends: Condvar::new(),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    /// Waits until the pool is free, and it is not for another to use it.
    fn begin_turn(&self) {
        let me = Some(std::thread::current().id());
        let mut turn = lock(&self.turn);
        while turn.busy || turn.waiting > 0 && turn.caller == me && turn.since.elapsed() >= TURN {
            turn.waiting += 1;
            // The last caller may not come back: then nobody tells of the end of its turn.
            let (guard, _) = self.turn_ends.wait_timeout(turn, TURN).unwrap_or_else(PoisonError::into_inner);
            turn = guard;
            turn.waiting -= 1;
        }
        turn.busy = true;
        if turn.caller != me {
            turn.caller = me;
            turn.since = Instant::now();
        }
    }

    fn end_turn(&self) {
        let mut turn = lock(&self.turn);
        turn.busy = false;
        if turn.waiting > 0 && turn.since.elapsed() >= TURN {
            self.turn_ends.notify_all();
        }
    }

    /// Runs a job from opening to closing, in the turn of the calling thread.
    /// Returns the panic of a chunk.
    fn run(&self, chunks: usize, f: &(dyn Fn(usize) + Sync)) -> Option<Box<dyn Any + Send>> {
        // SAFETY: only the lifetime changes. The pointer is followed by threads
        // that joined, and this function returns after all of them have left.
        let job = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Job>(f) };
        // SAFETY: no job is open and no thread is joined, so nobody reads.
        unsafe { *self.job.get() = Some(job) };
        self.runs.begin(chunks);
        let number = (self.state.load(Ordering::Relaxed) / NEXT_JOB + 1) % NEXT_JOB;
        let opened = (number * NEXT_JOB) | OPEN;
        self.state.store(opened, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.wake_all();
        }
        self.take_chunks(job, 0);
        self.close();
        lock(&self.panic).take()
    }

    /// Closes the job and waits until the threads that joined have left.
    fn close(&self) {
        let mut joined = self.state.fetch_and(!OPEN, Ordering::AcqRel) & JOINED;
        let mut spins = 0u32;
        while joined > 0 {
            // On a machine with more work than cores the other thread may be
            // waiting for this very core.
            spins += 1;
            if spins.is_multiple_of(1024) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
            joined = self.state.load(Ordering::Acquire) & JOINED;
        }
    }

    /// Takes chunks until none is left. A panic ends the job early.
    fn take_chunks(&self, job: Job, thread: usize) {
        // SAFETY: called between opening and closing, see `run` and `join`.
        let run = unsafe { &*job };
        INSIDE.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| {
            while let Some(chunk) = self.runs.next(thread) {
                run(chunk);
            }
        }));
        INSIDE.set(false);
        if let Err(panic) = result {
            self.runs.begin(0);
            lock(&self.panic).get_or_insert(panic);
        }
    }

    /// The life of a worker: join open jobs, spin between them, park.
    fn work(&self, thread: usize) {
        let mut last = 0;
        let mut idle_since = Instant::now();
        let mut spins = 0u32;
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(number) = self.join(last, thread) {
                last = number;
                idle_since = Instant::now();
            }
            std::hint::spin_loop();
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(64) && idle_since.elapsed() > SPIN {
                self.park(last);
                idle_since = Instant::now();
            }
        }
    }

    /// Joins the open job unless it is `last`, and returns its number when done.
    fn join(&self, last: u64, thread: usize) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        let number = state / NEXT_JOB;
        if state & OPEN == 0 || number == last {
            return None;
        }
        self.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        // SAFETY: this thread has joined an open job: the caller wrote it
        // before opening and does not touch it until this thread leaves.
        if let Some(job) = unsafe { *self.job.get() } {
            self.take_chunks(job, thread);
        }
        self.state.fetch_sub(1, Ordering::Release);
        Some(number)
    }

    /// Sleeps until a job other than `last` is open or the pool ends.
    fn park(&self, last: u64) {
        let mut guard = lock(&self.sleep);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        // Announced before looking, while a caller opens before it looks for
        // sleepers: one of the two sees the other.
        loop {
            let state = self.state.load(Ordering::SeqCst);
            let fresh = state & OPEN != 0 && state / NEXT_JOB != last;
            if fresh || self.stop.load(Ordering::SeqCst) {
                break;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake_all(&self) {
        // The lock makes sure that a thread about to sleep is asleep.
        drop(lock(&self.sleep));
        self.wake.notify_all();
    }
}

/// Locks, whether or not a panic happened under the lock: what these locks
/// guard is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
