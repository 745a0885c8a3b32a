//! Continuing a text, token by token, with keys and values remembered.

use anyhow::{Context, Result, ensure};

use super::Options;
use super::models::Model;
use super::peers::Peers;
use super::report::{Report, Table, least, median, three_digits};
use super::worker::Worker;

/// Tokens of the prompt.
const PROMPT: usize = 16;

/// Measures the causal models.
pub fn measure(options: &Options, peers: &Peers, report: &mut Report) -> Result<()> {
    report.say(format!(
        "## Writing\n\nTokens a second while a text of {PROMPT} tokens is continued, always by the likeliest token: \
         the prompt's pass is part of the time. Most and (median) of the turns. The last column counts the tokens from the \
         first on that are the same ones, before f32 rounding decides between two that are about as likely."
    ));
    for model in options.models.iter().filter(|model| model.causal) {
        let mut table =
            Table::new(["threads", "tokens", "headscope", "transformers", "ratio", "same tokens"]);
        for threads in options.threads() {
            if let Some(row) = row(model, threads, options.quick, peers)? {
                table.row(row);
            }
        }
        report.say(format!("### {}\n\n{table}", model.title));
    }
    Ok(())
}

fn row(model: &Model, threads: usize, quick: bool, peers: &Peers) -> Result<Option<[String; 6]>> {
    let (tokens, turns) = if quick { (32, 2) } else { (128, 5) };
    let mut workers = peers.start_writing(model, threads)?;
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); workers.len()];
    let mut written = Vec::new();
    for worker in &mut workers {
        worker.ready()?;
        worker.order(&format!("tokens {PROMPT}"))?;
        written.push(write(worker, tokens)?.1); // the first turn warms up
    }
    for _ in 0..turns {
        for (worker, found) in workers.iter_mut().zip(&mut found) {
            found.push(write(worker, tokens)?.0);
        }
    }
    let rate = |secs: f64| three_digits(tokens as f64 / secs);
    let both = |times: &[f64]| format!("{} ({})", rate(least(times)), rate(median(times)));
    let [ours, theirs] = &found[..] else { return Ok(None) };
    let same = written[0].iter().zip(&written[1]).take_while(|(a, b)| a == b).count();
    eprintln!(
        "  {}, {threads} threads, tokens/s: headscope {}, transformers {}",
        model.title,
        both(ours),
        both(theirs)
    );
    Ok(Some([
        threads.to_string(),
        tokens.to_string(),
        both(ours),
        both(theirs),
        format!("{}x", three_digits(least(theirs) / least(ours))),
        format!("{same} of {tokens}"),
    ]))
}

/// Seconds and tokens of one continuation.
fn write(worker: &mut Worker, tokens: usize) -> Result<(f64, Vec<u32>)> {
    let answer = worker.ask(&format!("write {tokens}"))?;
    let (secs, ids) = answer.split_once(' ').with_context(|| format!("{} said {answer:?}", worker.name))?;
    let ids: Vec<u32> = ids.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    ensure!(ids.len() == tokens, "{} wrote {} tokens; expected {tokens}", worker.name, ids.len());
    Ok((secs.parse()?, ids))
}
