//! `cargo xtask bench --web`: the page in headless Chromium, beside bertviz's page of the same patterns.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::cold::run_to_end;
use super::models::{Model, OF_PAGES};
use super::peers::Peers;
use super::report::{Table, keep_section, median, three_digits, today};
use super::{USAGE, machine, numbers};
use crate::tools::{command, finish, run as run_program, target};
use crate::{test, web};

const HEADING: &str = "## The page";

/// What the app and the file may take at most: first picture, layer switch, hover, resident, file.
const FLOORS: [(usize, [&str; 5]); 2] =
    [(512, ["300", "50", "16", "300", ""]), (2048, ["", "100", "16", "", "60"])];

/// How often bertviz's page is loaded; beyond these lengths it takes more memory than a small machine has.
const BERTVIZ: [(usize, usize); 4] = [(16, 3), (64, 3), (128, 3), (256, 1)];

/// Measures the page at the lengths of `args`, or at all, which then become a section of `BENCHMARKS.md`.
pub fn run(args: &[String]) -> Result<()> {
    let lengths = match args {
        [] => OF_PAGES.tokens.to_vec(),
        [list] => numbers(list.split(','))?,
        _ => bail!(USAGE),
    };
    let bench = Bench::prepare()?;
    let mut table = Table::new([
        "tokens",
        "first picture, ms",
        "layer switch, ms",
        "hover, ms (most)",
        "JS heap, MB",
        "resident, MB",
        "file, MB",
    ]);
    let mut failures = String::new();
    for tokens in lengths {
        for (name, measured) in bench.measure(tokens) {
            eprintln!("measured: {name} at {tokens} tokens");
            match measured {
                Ok(page) => table.row(page.row(format!("{tokens}, {name}"))),
                Err(error) => failures += &format!("\n{name} at {tokens} tokens is left out: {error:#}.\n"),
            }
        }
        if let Some((_, [first, switch, hover, resident, file])) = FLOORS.iter().find(|(n, _)| *n == tokens) {
            table.row(["ours at most", first, switch, hover, "", resident, file]);
        }
    }
    let section = format!("{HEADING}\n\n{}\n\n{table}{failures}", bench.describe());
    println!("\n{section}");
    if args.is_empty() {
        keep_section(&section)?;
    }
    Ok(())
}

/// What is needed for measuring.
struct Bench {
    peers: Peers,
    model: &'static Model,
    chromium: PathBuf,
}

/// Medians over the loads of a page.
struct Measured {
    medians: BTreeMap<String, f64>,
    /// Bytes, of a page that is a file.
    file: Option<u64>,
}

impl Bench {
    fn prepare() -> Result<Bench> {
        web::install()?; // with what drives the browser
        run_program("benches/web", "npm", &["ci", "--no-audit", "--no-fund"])?;
        let bench = Bench { peers: Peers::without_candle()?, model: &OF_PAGES, chromium: test::chromium()? };
        bench.model.make(&bench.peers)?;
        Ok(bench)
    }

    fn describe(&self) -> String {
        let version = Command::new(&self.chromium).arg("--version").output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        format!(
            "`cargo xtask bench --web`, on {}; on {}. {} without a window or a GPU, 1440 x 900; {}; bertviz {}.\n\n\
             12 layers x 12 heads, the head view. \"app\" is what the binary serves, \"file\" the page that it \
             writes, \"bertviz\" its head view of the same patterns, all heads of a layer at once, as it begins. \
             Medians of five loads, each in a new profile (three at 2,048 tokens and of bertviz, one of bertviz at 256; \
             longer texts were not tried with it).\n\n\
             - First picture: from the start of navigation until it is drawn, for bertviz until its SVG is complete; \
             painting comes after that.\n\
             - Layer switch: from the event that asks for a layer whose pattern the page has not asked for yet to the \
             second animation frame that finds its picture, when the first has been painted: at best one to two \
             frames of 17 ms. Ours by the keys right and down at once (the page fetches the next head and the next \
             layer ahead, not the one across), bertviz by its drop-down. The median of five in each load, of two for bertviz.\n\
             - Hover: from the pointer's event to the last stroke, 40 tokens in each load.\n\
             - Memory, after all that: JavaScript objects after a collection (without buffers), and all that the \
             page's process has resident, Chromium's own code among it.",
            machine::description(),
            today(),
            version.unwrap_or_default(),
            self.model.title,
            self.peers.version("bertviz").unwrap_or("is not installed"),
        )
    }

    /// The pages of a text with so many tokens.
    fn measure(&self, tokens: usize) -> Vec<(&'static str, Result<Measured>)> {
        let text = text(tokens);
        let loads = if tokens < 2048 { 5 } else { 3 };
        let mut measured = vec![("app", self.app(&text, loads)), ("file", self.file(&text, loads))];
        if let Some((_, loads)) = BERTVIZ.iter().find(|(n, _)| *n == tokens)
            && self.peers.has_bertviz()
        {
            measured.push(("bertviz", self.bertviz(&text, *loads)));
        }
        measured
    }

    fn app(&self, text: &str, loads: usize) -> Result<Measured> {
        let app = App::start(self.headscope(&["--no-browser", "--port", "0", text]))?;
        Ok(Measured { medians: self.page("headscope", &app.url, loads)?, file: None })
    }

    fn file(&self, text: &str, loads: usize) -> Result<Measured> {
        let page = target().join("bench/page.html");
        finish_quietly(self.headscope(&["-o", &page.display().to_string(), text]))?;
        self.saved("headscope", &page, loads)
    }

    fn bertviz(&self, text: &str, loads: usize) -> Result<Measured> {
        let [trace, page] =
            ["page.safetensors", "bertviz.html"].map(|name| target().join("bench").join(name));
        let [from, to] = [&trace, &page].map(|path| path.display().to_string());
        finish_quietly(self.headscope(&["trace", text, "-o", &from]))?;
        finish(self.peers.script("bertviz_page.py", &[&from, &to]))?;
        self.saved("bertviz", &page, loads)
    }

    fn headscope(&self, args: &[&str]) -> Command {
        let model = self.model.folder().display().to_string();
        command(".", &self.peers.headscope.display().to_string(), &[args, &["-m", &model]].concat())
    }

    fn saved(&self, kind: &str, page: &Path, loads: usize) -> Result<Measured> {
        let medians = self.page(kind, &format!("file://{}", page.display()), loads)?;
        Ok(Measured { medians, file: Some(fs::metadata(page)?.len()) })
    }

    /// What the browser measures of a page.
    fn page(&self, kind: &str, url: &str, loads: usize) -> Result<BTreeMap<String, f64>> {
        let mut node = command(".", "node", &["benches/web/page.mjs", kind, url, &loads.to_string()]);
        node.env("CHROMIUM", &self.chromium);
        let (said, _, _) = run_to_end(node.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        Ok(medians(&said))
    }
}

impl Measured {
    fn row(&self, name: String) -> [String; 7] {
        let number = |name| self.medians.get(name).map(|number| three_digits(*number));
        let hover = number("hover").zip(number("worst")).map(|(middle, most)| format!("{middle} ({most})"));
        let file = self.file.map(|bytes| three_digits(bytes as f64 / 1e6));
        let cells = [number("first"), number("switch"), hover, number("heap"), number("resident"), file];
        let [first, switch, hover, heap, resident, file] = cells.map(Option::unwrap_or_default);
        [name, first, switch, hover, heap, resident, file]
    }
}

/// Lines of a name and a number for each load.
fn medians(said: &str) -> BTreeMap<String, f64> {
    let lines = said.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(name, numbers)| {
            let numbers: Vec<f64> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
            (name.to_owned(), median(&numbers))
        })
        .collect()
}

/// A served text. It ends when this is dropped.
struct App {
    process: Child,
    url: String,
}

impl App {
    /// Starts the binary and waits for its link, which it prints when the model has run.
    fn start(mut command: Command) -> Result<App> {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut url = String::new();
        BufReader::new(process.stdout.take().context("stdout was piped")?).read_line(&mut url)?;
        let app = App { process, url: url.trim().to_owned() };
        ensure!(app.url.starts_with("http://"), "headscope printed {:?} instead of a link", app.url);
        Ok(app)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Like `finish`, but without printing a command that is as long as its text.
fn finish_quietly(mut command: Command) -> Result<()> {
    run_to_end(command.stdout(Stdio::piped()).stderr(Stdio::piped())).map(drop)
}

/// Each a token of its own.
const WORDS: &str = "the small dog ran over an old bridge and then it saw two white birds near some water but no one \
                     else was there so after many hours they all went home";

/// A text of so many tokens, the two at its ends among them.
fn text(tokens: usize) -> String {
    let words: Vec<&str> = WORDS.split(' ').cycle().take(tokens.saturating_sub(2)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::root;

    #[test]
    fn each_word_is_a_token() {
        let vocabulary = fs::read_to_string(root().join("models/gte-small/tokenizer.json")).unwrap();
        for word in WORDS.split(' ') {
            assert!(vocabulary.contains(&format!("\"{word}\":")), "{word}");
        }
        assert_eq!(text(64).split(' ').count(), 62);
    }

    #[test]
    fn numbers_of_loads_become_medians() {
        let found = medians("first 3.5 1.0 2.25\nheap 4\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("first".into(), 2.25), ("heap".into(), 4.0)]);
    }
}
