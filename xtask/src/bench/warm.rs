//! A pass of a loaded model with every pattern captured, at several lengths and numbers of threads.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::models::Model;
use super::peers::Peers;
use super::report::{Report, Table, least, median, ms, three_digits};
use super::worker::Worker;
use super::{Options, machine};
use crate::tools::target;

/// Between two turns: threads that spin for work, as those of OpenMP do, have then gone to sleep.
const PAUSE: Duration = Duration::from_millis(50);

/// What a pass in f32 may differ from another's, at the most.
const TOLERANCE: f32 = 1e-3;

/// Rows of a pattern that are compared, or a few less.
const ROWS: usize = 64;

/// Measures all models, and checks that all agree.
pub fn measure(options: &Options, peers: &Peers, report: &mut Report) -> Result<()> {
    report.say(
        "## A pass\n\nMilliseconds, least and (median) of the turns, and how many times headscope's least that is. \
         The limit is what no program of f32 multiply-adds exceeds here: the larger of all of them (linear \
         layers and both products of attention) at the processor's peak, and all weight matrices, as they are \
         stored, at the speed at which a buffer of their size can be read again and again. Both are measured \
         beside the passes. Matrix tiles (amx) make several products of bfloat16 of each of f32 and may pass the \
         first. Nobody computes logits or a pooler.",
    );
    let mut agreement = Table::new([
        "model",
        "tokens",
        "peer",
        "largest difference of a pattern",
        "of the last hidden state",
    ]);
    for model in &options.models {
        report.say(format!("### {}", model.title));
        for (i, &threads) in options.threads().iter().enumerate() {
            let checks = (i == 0).then_some(&mut agreement);
            match table(model, threads, options, peers, checks) {
                Ok(text) => report.say(text),
                Err(error) if error.is::<Disagreement>() => return Err(error),
                // A model that headscope does not know yet, most likely: the others go on.
                Err(error) => {
                    report.say(format!("Left out: {error:#}."));
                    break;
                }
            }
        }
    }
    report.say(format!(
        "### Agreement\n\nWith PyTorch in f32 on the same ids, over about {ROWS} rows of every pattern and of the last \
         hidden state. A difference above {TOLERANCE} in f32 ends the benchmark.\n\n{agreement}",
    ));
    Ok(())
}

/// The times of all peers at all lengths.
fn table(
    model: &Model,
    threads: usize,
    options: &Options,
    peers: &Peers,
    mut agreement: Option<&mut Table>,
) -> Result<String> {
    eprintln!("\n{}, {threads} threads", model.title);
    let mut workers = peers.start(model, threads)?;
    let mut notes = Vec::new();
    let settings = workers[0].ready()?;
    let ours = workers.remove(0);
    workers.retain_mut(|peer| peer.ready().map_err(|error| notes.push(error.to_string())).is_ok());
    workers.insert(0, ours);

    let mut limits = Limits::measure(&mut workers[0], model)?;
    let mut times = Vec::new();
    for tokens in options.tokens(model) {
        // Four peers hold their patterns at the same time, at worst.
        let needed = 4.0 * 4.0 * model.pattern_numbers(tokens, tokens) as f64;
        if needed > machine::free_memory() {
            notes.push(format!("{tokens} tokens are left out: they take {:.0} GB of memory", needed / 1e9));
            continue;
        }
        for worker in &mut workers {
            worker.order(&format!("tokens {tokens}"))?;
        }
        if let Some(agreement) = &mut agreement {
            check(&mut workers, model, tokens, agreement)?;
        }
        let found = take_turns(&mut workers, options.quick)?;
        let line = |(worker, times): (&Worker, &Vec<f64>)| format!("{} {}", worker.name, ms(least(times)));
        let line: Vec<String> = workers.iter().zip(&found).map(line).collect();
        eprintln!("  {tokens} tokens, {} turns, ms: {}", found[0].len(), line.join(", "));
        times.push((tokens, found));
        limits = limits.max(Limits::measure(&mut workers[0], model)?);
    }

    let head = ["tokens", "limit", "headscope", "share of the limit"].into_iter();
    let mut table = Table::new(head.chain(workers[1..].iter().map(|worker| worker.name)));
    for (tokens, found) in &times {
        let limit = limits.seconds(model, *tokens);
        let ours = least(&found[0]);
        let both = |times: &Vec<f64>| format!("{} ({})", ms(least(times)), ms(median(times)));
        let mut row =
            vec![tokens.to_string(), ms(limit), both(&found[0]), format!("{:.0} %", 100.0 * limit / ours)];
        row.extend(
            found[1..].iter().map(|times| format!("{}, {}x", both(times), three_digits(least(times) / ours))),
        );
        table.row(row);
    }
    let notes: String = notes.iter().map(|note| format!("\n{note}.\n")).collect();
    Ok(format!(
        "{threads} {}, headscope {settings}; at most {:.0} GFLOP/s and, over {} MB of weights, {:.1} GB/s.\n\n{table}{notes}",
        if threads == 1 { "thread" } else { "threads" },
        limits.operations / 1e9,
        model.weight_bytes() / 1_000_000,
        limits.bytes / 1e9,
    ))
}

/// What the machine does in a second, at best.
struct Limits {
    operations: f64,
    bytes: f64,
}

impl Limits {
    fn measure(headscope: &mut Worker, model: &Model) -> Result<Limits> {
        sleep(PAUSE);
        Ok(Limits {
            operations: headscope.measure("peak")?,
            bytes: headscope.measure(&format!("read {}", model.weight_bytes()))?,
        })
    }

    /// The better of two measurements: other programs can only have made one look worse.
    fn max(self, other: Limits) -> Limits {
        Limits { operations: self.operations.max(other.operations), bytes: self.bytes.max(other.bytes) }
    }

    fn seconds(&self, model: &Model, tokens: usize) -> f64 {
        (model.operations(tokens) / self.operations).max(model.weight_bytes() as f64 / self.bytes)
    }
}

/// The seconds of each worker's runs.
fn take_turns(workers: &mut [Worker], quick: bool) -> Result<Vec<Vec<f64>>> {
    let (seconds, turns) = if quick { (1.0, 2..=5) } else { (5.0, 3..=15) };
    let mut plans = Vec::new();
    for worker in &mut *workers {
        plans.push(Plan::of(worker.measure("run")?));
    }
    let turn: f64 = plans.iter().map(Plan::seconds).sum();
    let turns = ((seconds / turn) as usize).clamp(*turns.start(), *turns.end());
    let mut found = vec![Vec::new(); workers.len()];
    for _ in 0..turns {
        for ((worker, plan), found) in workers.iter_mut().zip(&plans).zip(&mut found) {
            sleep(PAUSE);
            for _ in 0..plan.untimed {
                worker.measure("run")?;
            }
            for _ in 0..plan.timed {
                found.push(worker.measure("run")?);
            }
        }
    }
    Ok(found)
}

/// The runs of a turn. Short ones come several at a time, after one that brings weights and threads back
/// from where the others' turns have driven them.
struct Plan {
    untimed: usize,
    timed: usize,
    run: f64,
}

impl Plan {
    fn of(run: f64) -> Plan {
        Plan { untimed: usize::from(run < 0.1), timed: (0.05 / run).clamp(1.0, 5.0) as usize, run }
    }

    fn seconds(&self) -> f64 {
        PAUSE.as_secs_f64() + self.run * (self.untimed + self.timed) as f64
    }
}

/// Two peers that should agree, and do not.
#[derive(Debug)]
struct Disagreement(String);

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Disagreement {}

/// Compares everybody's patterns and last hidden state with PyTorch's, or if it is not there, ours.
fn check(workers: &mut [Worker], model: &Model, tokens: usize, agreement: &mut Table) -> Result<()> {
    let path = |name: &str| -> PathBuf { target().join("bench").join(format!("{name}.dump")) };
    let reference = workers.iter().position(|worker| worker.name == "PyTorch").unwrap_or(0);
    workers[reference].order(&format!("dump {}", path("reference").display()))?;
    let rows = tokens.div_ceil(tokens.div_ceil(ROWS));
    let patterns = model.pattern_numbers(rows, tokens);
    for (_, worker) in workers.iter_mut().enumerate().filter(|(i, _)| *i != reference) {
        worker.order(&format!("dump {}", path("other").display()))?;
        let differences = differences(&path("reference"), &path("other"), [patterns, rows * model.width])
            .with_context(|| format!("{} at {tokens} tokens", worker.name))?;
        let row = [model.name.into(), tokens.to_string(), worker.name.into()];
        agreement.row(row.into_iter().chain(differences.map(|difference| format!("{difference:.1e}"))));
        let exact = !worker.name.contains("bf16");
        // A NaN is not within anything.
        if exact && !differences.iter().all(|difference| *difference <= TOLERANCE) {
            bail!(Disagreement(format!(
                "{} differs on {} at {tokens} tokens: by {:.1e} in a pattern and {:.1e} in the last hidden state; \
                 expected at most {TOLERANCE}",
                worker.name, model.name, differences[0], differences[1],
            )));
        }
    }
    for name in ["reference", "other"] {
        let _ = fs::remove_file(path(name));
    }
    Ok(())
}

/// The largest difference in each of the stretches that two files of f32 consist of.
fn differences<const N: usize>(a: &Path, b: &Path, stretches: [usize; N]) -> Result<[f32; N]> {
    let expected = 4 * stretches.iter().sum::<usize>() as u64;
    let open = |path: &Path| -> Result<BufReader<File>> {
        let file = File::open(path)?;
        let found = file.metadata()?.len();
        ensure!(found == expected, "{} has {found} bytes; expected {expected}", path.display());
        Ok(BufReader::with_capacity(1 << 20, file))
    };
    let (mut a, mut b) = (open(a)?, open(b)?);
    let mut largest = [0.0f32; N];
    let (mut x, mut y) = ([0; 4], [0; 4]);
    for (numbers, largest) in stretches.into_iter().zip(&mut largest) {
        for _ in 0..numbers {
            a.read_exact(&mut x)?;
            b.read_exact(&mut y)?;
            let difference = (f32::from_le_bytes(x) - f32::from_le_bytes(y)).abs();
            // NaN, once found, stays.
            if difference.is_nan() || difference > *largest {
                *largest = difference;
            }
        }
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_stretch_and_nan_is_one() {
        let folder = target().join("bench");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, numbers: [f32; 4]| {
            let path = folder.join(format!("test-{name}.dump"));
            fs::write(&path, numbers.map(f32::to_le_bytes).concat()).unwrap();
            path
        };
        let a = write("a", [1.0, 2.0, 3.0, 4.0]);
        let b = write("b", [1.5, 2.0, 3.0, 3.0]);
        let c = write("c", [f32::NAN, 2.0, 3.0, 4.0]);
        assert_eq!(differences(&a, &b, [2, 2]).unwrap(), [0.5, 1.0]);
        assert_eq!(differences(&a, &a, [1, 3]).unwrap(), [0.0, 0.0]);
        assert!(differences(&a, &c, [2, 2]).unwrap()[0].is_nan());
        assert!(differences(&a, &b, [2, 3]).is_err());
        for path in [a, b, c] {
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn short_runs_come_several_at_a_time() {
        for (run, untimed, timed) in [(0.001, 1, 5), (0.02, 1, 2), (0.09, 1, 1), (3.0, 0, 1)] {
            let plan = Plan::of(run);
            assert_eq!((plan.untimed, plan.timed), (untimed, timed), "{run}");
        }
    }
}
