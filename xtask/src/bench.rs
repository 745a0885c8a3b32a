//! `cargo xtask bench`: headscope beside its peers on this machine, and beside what the machine can do.
//!
//! Every number comes from a process of its own. Peers take turns, so that a busy machine troubles all
//! alike; ratios are within one run. Without arguments it writes `BENCHMARKS.md`; with any it prints only.

mod cold;
mod decode;
mod long;
mod machine;
mod models;
mod notebook;
mod pages;
mod peers;
mod report;
mod warm;
mod worker;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::tools::root;
use models::{MODELS, Model};
use peers::Peers;
use report::{Report, kept_sections};

const USAGE: &str = "\
usage: cargo xtask bench [--quick] [--model NAME,…] [--tokens N,…] [--threads N,…] [warm] [decode] [cold] [long]
       cargo xtask bench --web [TOKENS,…]
       cargo xtask bench --notebook [--quick]

Without arguments everything but the page is measured and BENCHMARKS.md written; `--web` measures the page,
`--notebook` the Python package, and each writes its section. With more arguments, what was asked for is printed.";

/// What to measure.
struct Options {
    quick: bool,
    models: Vec<&'static Model>,
    /// Instead of the model's own.
    tokens: Option<Vec<usize>>,
    /// Instead of 1 and one per core.
    threads: Option<Vec<usize>>,
    parts: Vec<&'static Part>,
}

struct Part {
    name: &'static str,
    measure: fn(&Options, &Peers, &mut Report) -> Result<()>,
}

const PARTS: &[Part] = &[
    Part { name: "warm", measure: warm::measure },
    Part { name: "decode", measure: decode::measure },
    Part { name: "cold", measure: cold::measure },
    Part { name: "long", measure: long::measure },
];

/// Measures, prints, and writes `BENCHMARKS.md` when everything was measured.
pub fn run(args: &[String]) -> Result<()> {
    if let [web, rest @ ..] = args
        && web == "--web"
    {
        return pages::run(rest);
    }
    if let [notebook, rest @ ..] = args
        && notebook == "--notebook"
    {
        return notebook::run(rest);
    }
    let options = Options::parse(args)?;
    let peers = Peers::prepare()?;
    for model in &options.models {
        model.make(&peers)?;
        model.make_graph(&peers)?;
    }
    let mut report = Report::new(&peers);
    for part in &options.parts {
        (part.measure)(&options, &peers, &mut report)?;
    }
    report.print_head();
    if args.is_empty() {
        let path = root().join("BENCHMARKS.md");
        let old = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, report.document(&kept_sections(&old)))
            .with_context(|| format!("writing {}", path.display()))?;
        eprintln!("\nwrote {}", path.display());
    }
    Ok(())
}

impl Options {
    fn parse(args: &[String]) -> Result<Options> {
        let mut options = Options {
            quick: false,
            models: MODELS.iter().collect(),
            tokens: None,
            threads: None,
            parts: Vec::new(),
        };
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            let mut list = || args.next().map(|list| list.split(',')).context(USAGE);
            match arg {
                "--quick" => options.quick = true,
                "--model" => options.models = list()?.map(Model::by_name).collect::<Result<_>>()?,
                "--tokens" => options.tokens = Some(numbers(list()?)?),
                "--threads" => options.threads = Some(numbers(list()?)?),
                name => match PARTS.iter().find(|part| part.name == name) {
                    Some(part) => options.parts.push(part),
                    None => bail!("{USAGE}"),
                },
            }
        }
        if options.parts.is_empty() {
            options.parts = PARTS.iter().collect();
        }
        Ok(options)
    }

    /// The numbers of threads to compare at.
    fn threads(&self) -> Vec<usize> {
        let cores = machine::cores();
        match &self.threads {
            Some(threads) => threads.clone(),
            None if self.quick || cores == 1 => vec![cores],
            None => vec![1, cores],
        }
    }

    /// The lengths to compare at.
    fn tokens(&self, model: &Model) -> Vec<usize> {
        match &self.tokens {
            Some(tokens) => tokens.clone(),
            None if self.quick => model.quick_tokens.to_vec(),
            None => model.tokens.to_vec(),
        }
    }
}

fn numbers<'a>(list: impl Iterator<Item = &'a str>) -> Result<Vec<usize>> {
    list.map(|n| n.parse().ok().filter(|n| *n > 0).with_context(|| format!("{n:?} is no number above 0")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_choose_what_is_measured() {
        let parse =
            |args: &[&str]| Options::parse(&args.iter().map(|arg| arg.to_string()).collect::<Vec<_>>());
        let all = parse(&[]).unwrap();
        assert_eq!((all.parts.len(), all.models.len(), all.quick), (PARTS.len(), MODELS.len(), false));
        assert_eq!(all.tokens(&MODELS[0]), MODELS[0].tokens);

        let some = parse(&["--model", "gte-small", "--tokens", "16,128", "cold", "--threads", "3"]).unwrap();
        assert_eq!((some.parts[0].name, some.parts.len()), ("cold", 1));
        assert_eq!((some.models[0].name, some.models.len()), ("gte-small", 1));
        assert_eq!((some.tokens(&MODELS[0]), some.threads()), (vec![16, 128], vec![3]));

        let wrong =
            [&["hot"][..], &["--model"], &["--model", "gpt-9"], &["--tokens", "1,x"], &["--threads", "0"]];
        for args in wrong {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}
