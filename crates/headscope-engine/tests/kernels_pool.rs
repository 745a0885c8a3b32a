//! The pool: every chunk once, panics travel, nothing hangs.

use headscope_engine::kernels::{Compute, Isa};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn pool(threads: usize) -> Compute {
    Compute::new(threads, Isa::PORTABLE)
}

#[test]
fn every_chunk_runs_once() {
    for threads in [0, 1, 2, 5] {
        let pool = pool(threads);
        assert_eq!(pool.threads(), threads.max(1));
        for n in [0, 1, 2, 3, 100, 1000] {
            let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            for _ in 0..20 {
                pool.for_each_chunk(n, |i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 20), "{threads} threads, {n} chunks");
        }
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    let pool = pool(3);
    for bad in [0, 50, 99] {
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.for_each_chunk(100, |i| assert!(i != bad, "chunk {bad}"));
        }));
        let message = result.unwrap_err();
        assert_eq!(message.downcast_ref::<String>(), Some(&format!("chunk {bad}")));
        let count = AtomicUsize::new(0);
        pool.for_each_chunk(100, |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 100);
    }
}

#[test]
fn a_chunk_may_use_the_pool() {
    let pool = pool(3);
    let count = AtomicUsize::new(0);
    pool.for_each_chunk(10, |_| {
        pool.for_each_chunk(10, |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(count.into_inner(), 100);
}

#[test]
fn threads_may_share_a_pool() {
    let pool = pool(3);
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    pool.for_each_chunk(7, |_| {
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 4 * 200 * 7);
}

/// Two callers go on side by side: neither waits until the other has no more jobs.
#[test]
fn callers_take_turns() {
    const JOBS: usize = 4000;
    let pool = pool(2);
    let (first, second) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let started = Barrier::new(2);
    let call = |mine: &AtomicUsize, other: &AtomicUsize| {
        started.wait();
        let mut seen_between = false;
        for _ in 0..JOBS {
            pool.for_each_chunk(4, |_| {
                std::hint::black_box((0..2000).map(std::hint::black_box).sum::<u64>());
            });
            let others = other.load(Ordering::SeqCst);
            seen_between |= 0 < others && others < JOBS;
            mine.fetch_add(1, Ordering::SeqCst);
        }
        seen_between
    };
    let seen = std::thread::scope(|scope| {
        let one = scope.spawn(|| call(&first, &second));
        let other = scope.spawn(|| call(&second, &first));
        [one.join().unwrap(), other.join().unwrap()]
    });
    assert!(seen.iter().any(|&seen| seen), "one caller did all its jobs before the other did any");
    assert_eq!((first.into_inner(), second.into_inner()), (JOBS, JOBS));
}

/// The workers are there for whoever calls, also while another thread calls all the time.
#[test]
fn a_second_caller_gets_the_workers() {
    let pool = pool(2);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                pool.for_each_chunk(2, |_| {});
            }
        });
        for _ in 0..20 {
            // Chunks that wait for each other need two threads.
            let arrived = AtomicUsize::new(0);
            pool.for_each_chunk(2, |_| {
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < 2 {
                    std::thread::yield_now();
                }
            });
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn parked_workers_wake() {
    let pool = pool(2);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(20));
        // A chunk that waits for the other one needs both threads.
        let arrived = AtomicUsize::new(0);
        pool.for_each_chunk(2, |_| {
            arrived.fetch_add(1, Ordering::SeqCst);
            while arrived.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
        });
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_pool_uses_no_processor_time() {
    let ticks = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    // Processor time is counted for the whole process: this test needs a quiet one.
    let pool = pool(4);
    pool.for_each_chunk(100, |_| {});
    let quiet = (0..50).any(|_| {
        let before = ticks();
        std::thread::sleep(Duration::from_millis(100));
        ticks() == before
    });
    assert!(quiet, "workers still run after 5 s");
}

#[test]
fn names_of_instruction_sets() {
    for isa in Isa::available() {
        assert_eq!(isa.to_string().parse::<Isa>(), Ok(isa));
    }
    let error = "mmx".parse::<Isa>().unwrap_err().to_string();
    assert!(error.contains("`mmx`") && error.contains("portable"), "{error}");
}
