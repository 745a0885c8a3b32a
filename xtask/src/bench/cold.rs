//! Whole processes with files in the page cache: start, load, one pass with every pattern, end.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use wait4::Wait4;

use super::Options;
use super::models::Model;
use super::peers::Peers;
use super::report::{Report, Table, least, median, ms, three_digits};
use crate::tools::{command, root, target};

pub const PAIR: [&str; 2] = ["The cat sat on the mat", "The dog played in the park"];

/// What takes its turns with others.
pub struct Row {
    name: String,
    command: Command,
    runs: Vec<Usage>,
}

/// What a process took.
struct Usage {
    seconds: f64,
    peak_bytes: f64,
    /// What it said its seconds went into.
    parts: BTreeMap<String, f64>,
}

/// Measures each model at 16 tokens, then the lesson's cell.
pub fn measure(options: &Options, peers: &Peers, report: &mut Report) -> Result<()> {
    report.say(
        "## Whole processes\n\nFrom the start of a process to its end, the files of the model in the page cache: 16 \
         ids in, the patterns of all heads captured; headscope writes them to a file as well, and a page of the \
         lesson's pair (15 tokens) in the row that says so. Of a llama, headscope computes the logits too. Ratios \
         are those of medians.",
    );
    for model in options.models.iter().filter(|model| !options.quick || model.name == "bert-base") {
        let rows = of_model(model, peers);
        report.say(format!("### {}, 16 tokens", model.name));
        match take_turns(rows, if options.quick { 2 } else { 5 }) {
            Ok(table) => report.say(table),
            Err(error) => report.say(format!("Left out: {error:#}.")),
        }
    }
    report.say(format!(
        "### The lesson's cell\n\n\"{}\" / \"{}\" with gte-small, tokenizer included; the cell draws bertviz's \
         `head_view` into a page.",
        PAIR[0], PAIR[1]
    ));
    report.say(take_turns(cell(peers), if options.quick { 1 } else { 5 })?);
    Ok(())
}

fn of_model(model: &Model, peers: &Peers) -> Vec<Row> {
    let folder = model.folder().display().to_string();
    let ids = (0..16).map(|i| (1000 + i * 37).to_string()).collect::<Vec<_>>().join(",");
    let mut rows = vec![ours(
        "`headscope trace --ids`",
        peers,
        &["trace", "--ids", &ids, "-m", &folder],
        "t.safetensors",
    )];
    if model.reads_text {
        rows.push(ours(
            "`headscope A B -o view.html`",
            peers,
            &[PAIR[0], PAIR[1], "-m", &folder],
            "view.html",
        ));
    }
    rows.extend(peers.candle(&["once", &folder, &ids]).map(|command| Row::new("candle", command)));
    if peers.has_onnxruntime() {
        let once = peers.script("once.py", &["onnxruntime", &folder, &ids]);
        rows.push(Row::new("Python: ONNX Runtime", once));
    }
    if peers.has_pytorch() {
        let once = peers.script("once.py", &["pytorch", &folder, &ids]);
        rows.push(Row::new("Python: transformers, PyTorch", once));
    }
    rows
}

fn cell(peers: &Peers) -> Vec<Row> {
    let gte_small = root().join("models/gte-small").display().to_string();
    let page = target().join("bench/cell.html").display().to_string();
    let mut rows = vec![
        ours("`headscope A B -o view.html`", peers, &PAIR, "view.html"),
        ours("`headscope trace A B -o t.safetensors`", peers, &["trace", PAIR[0], PAIR[1]], "t.safetensors"),
    ];
    if peers.has_pytorch() {
        let forward = peers.script("cell.py", &[&gte_small, PAIR[0], PAIR[1]]);
        rows.push(Row::new("Python: import, load, tokenize, forward", forward));
        if peers.has_bertviz() {
            let cell = peers.script("cell.py", &[&gte_small, PAIR[0], PAIR[1], &page]);
            rows.push(Row::new("the same, `head_view`, write the page", cell));
        }
    }
    rows
}

/// The binary that users run, which writes a file by that name.
fn ours(name: &str, peers: &Peers, args: &[&str], output: &str) -> Row {
    let output = target().join("bench").join(output).display().to_string();
    Row::new(name, command(".", &peers.headscope.display().to_string(), &[args, &["-o", &output]].concat()))
}

impl Row {
    pub fn new(name: &str, mut command: Command) -> Row {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Row { name: name.to_owned(), command, runs: Vec::new() }
    }
}

/// Runs everybody so many times, after a turn that fills the page cache.
pub fn take_turns(mut rows: Vec<Row>, turns: usize) -> Result<Table> {
    for turn in 0..=turns {
        for row in &mut rows {
            let usage = run(&mut row.command).with_context(|| row.name.clone())?;
            if turn > 0 {
                row.runs.push(usage);
            }
        }
    }
    let seconds = |row: &Row| row.runs.iter().map(|usage| usage.seconds).collect::<Vec<f64>>();
    let ours = median(&seconds(&rows[0]));
    let mut table = Table::new(["", "least ms", "median ms", "ratio", "peak MB", "of the median"]);
    for row in &rows {
        let (seconds, peak) =
            (seconds(row), row.runs.iter().map(|usage| usage.peak_bytes).fold(0.0, f64::max));
        let parts = row.runs[0].parts.keys().map(|part| {
            let of_part: Vec<f64> =
                row.runs.iter().filter_map(|usage| usage.parts.get(part).copied()).collect();
            format!("{part} {}", ms(median(&of_part)))
        });
        table.row([
            row.name.clone(),
            ms(least(&seconds)),
            ms(median(&seconds)),
            format!("{}x", three_digits(median(&seconds) / ours)),
            format!("{:.0}", peak / 1e6),
            parts.collect::<Vec<_>>().join(", "),
        ]);
        eprintln!("  {}: {} ms", row.name, ms(median(&seconds)));
    }
    Ok(table)
}

/// Runs a process to its end.
pub fn run_to_end(command: &mut Command) -> Result<(String, f64, f64)> {
    let start = Instant::now();
    let mut process = command.spawn().context("it does not start")?;
    let pipes = (process.stdout.take(), process.stderr.take());
    // What any of these says fits into a pipe, so that none waits for us to read.
    let usage = process.wait4()?;
    let seconds = start.elapsed().as_secs_f64();
    let (mut said, mut complaints) = (String::new(), String::new());
    pipes.0.map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut said))?;
    pipes.1.map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut complaints))?;
    let reason = complaints.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    ensure!(usage.status.success(), "{reason} ({})", usage.status);
    Ok((said, seconds, usage.rusage.maxrss as f64))
}

fn run(command: &mut Command) -> Result<Usage> {
    let (said, seconds, peak_bytes) = run_to_end(command)?;
    Ok(Usage { seconds, peak_bytes, parts: parts(&said) })
}

/// Lines of a name and seconds.
fn parts(said: &str) -> BTreeMap<String, f64> {
    let pairs = said.lines().filter_map(|line| line.split_once(' '));
    pairs.filter_map(|(name, seconds)| Some((name.to_owned(), seconds.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_says_of_its_time_is_read() {
        let found = parts("import 1.5\nsome warning\nrun 0.25\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("import".into(), 1.5), ("run".into(), 0.25)]);
    }

    #[cfg(unix)]
    #[test]
    fn processes_are_measured_and_their_failures_told() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
            run_to_end(&mut command)
        };
        let (said, seconds, peak) = shell("sleep 0.05; echo run 2").unwrap();
        assert_eq!(said, "run 2\n");
        assert!(seconds >= 0.05 && peak > 1e5, "{seconds} s, {peak} bytes");
        assert!(shell("echo no weights >&2; exit 1").unwrap_err().to_string().starts_with("no weights"));
    }
}
