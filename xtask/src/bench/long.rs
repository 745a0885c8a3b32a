//! Texts too long for n² weights: the log-sum-exp pass, from which any tile of a pattern follows.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::Options;
use super::cold::run_to_end;
use super::peers::Peers;
use super::report::{Report, Table, ms};

/// Heads of BERT-base.
const HEADS: usize = 12;

/// Measures one layer's log-sum-exps at 8k and 32k tokens.
pub fn measure(options: &Options, peers: &Peers, report: &mut Report) -> Result<()> {
    let lengths: &[usize] = if options.quick { &[8192] } else { &[8192, 32_768] };
    let mut table =
        Table::new(["tokens", "threads", "ms", "GFLOP/s", "share of the peak", "peak MB", "patterns, MB"]);
    for &tokens in lengths {
        for threads in options.threads() {
            let mut command = peers.ours(&["lse", &tokens.to_string(), &threads.to_string()]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let (said, _, peak_bytes) = run_to_end(&mut command)?;
            let [seconds, operations, peak] = numbers(&said).context("the log-sum-exp pass")?;
            table.row([
                tokens.to_string(),
                threads.to_string(),
                ms(seconds),
                format!("{:.0}", operations / seconds / 1e9),
                format!("{:.0} %", 100.0 * operations / seconds / peak),
                format!("{:.0}", peak_bytes / 1e6),
                format!("{:.0}", (4 * HEADS * tokens * tokens) as f64 / 1e6),
            ]);
        }
    }
    report.say(format!(
        "## Long texts\n\nThe log-sum-exp of every row of one layer of BERT-base ({HEADS} heads of 64, every key seen): \
         with it, any tile of any pattern is computed from queries and keys alone. The least of three passes; \
         only the product of queries and keys counts as work; the peak is that of the whole process, queries and keys \
         included, beside what the layer's patterns would take.\n\n{table}"
    ));
    Ok(())
}

fn numbers<const N: usize>(said: &str) -> Result<[f64; N]> {
    let found: Vec<f64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(found.len() == N, "it said {said:?}; expected {N} numbers");
    Ok(found.try_into().unwrap_or([0.0; N]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_numbers_is_read_whole() {
        assert_eq!(numbers("0.5 2 3e9\n").unwrap(), [0.5, 2.0, 3e9]);
        assert!(numbers::<3>("0.5 2").is_err());
        assert!(numbers::<1>("fast").is_err());
    }
}
