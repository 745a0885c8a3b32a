//! A peer that lives as long as a table: a line to it, a line from it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tools::target;

/// A running peer. It ends when this is dropped.
pub struct Worker {
    /// How tables call it.
    pub name: &'static str,
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Worker {
    /// Starts a peer; it loads its model while others load theirs.
    pub fn start(name: &'static str, mut command: Command) -> Result<Worker> {
        let log = target().join("bench").join(format!("{}.log", name.replace([' ', ','], "-")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let to = process.stdin.take().context("stdin was piped")?;
        let from = BufReader::new(process.stdout.take().context("stdout was piped")?);
        Ok(Worker { name, process, to, from, log })
    }

    /// Waits until the peer is ready, and returns its settings.
    pub fn ready(&mut self) -> Result<String> {
        let line = self.answer()?;
        line.strip_prefix("ready ").map(str::to_owned).with_context(|| format!("{} said {line:?}", self.name))
    }

    /// What the peer answers to a line.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        // A peer that has ended says why in its log; `answer` finds out.
        let _ = writeln!(self.to, "{line}");
        self.answer()
    }

    /// The number that the peer answers to a line: seconds, or a rate.
    pub fn measure(&mut self, line: &str) -> Result<f64> {
        let answer = self.ask(line)?;
        let number = answer.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
        number.with_context(|| format!("{} answered {answer:?} to {line:?}; expected a number", self.name))
    }

    /// Asks for something that is only done, or fails.
    pub fn order(&mut self, line: &str) -> Result<()> {
        let answer = self.ask(line)?;
        ensure!(answer == "ok", "{} answered {answer:?} to {line:?}", self.name);
        Ok(())
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "{} ended: {}", self.name, last_line(&self.log));
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Worker {
        std::fs::create_dir_all(target().join("bench")).expect("target is ours to write to");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Worker::start("a shell", command).expect("there is a shell")
    }

    #[test]
    fn lines_are_answered_and_what_is_no_answer_is_refused() {
        let mut peer = shell("echo ready f32, fast; while read line; do echo $line; done");
        assert_eq!(peer.ready().unwrap(), "f32, fast");
        assert_eq!(peer.measure("0.25").unwrap(), 0.25);
        peer.order("ok").unwrap();
        for line in ["nan", "-1", "0", "fast"] {
            assert!(peer.measure(line).is_err(), "{line}");
        }
        assert!(peer.order("no").is_err());
    }

    #[test]
    fn a_peer_that_ends_says_why() {
        let mut peer = shell("echo 'no such model' >&2; exit 3");
        assert_eq!(peer.ready().unwrap_err().to_string(), "a shell ended: no such model");
        assert!(peer.ask("run").is_err());
    }
}
