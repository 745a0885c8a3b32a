//! Those that are compared: found, installed where that is possible, and how each is started.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::machine;
use super::models::Model;
use super::worker::Worker;
use crate::tools::{cargo, command, finish, root, run, target};

/// Everything that can be started.
pub struct Peers {
    /// The binary that users run.
    pub headscope: PathBuf,
    ours: PathBuf,
    python: PathBuf,
    /// The versions of the packages that this Python has.
    packages: BTreeMap<&'static str, String>,
    candle: Option<PathBuf>,
    /// What is left out, and why.
    missing: Vec<String>,
}

/// Packages of Python in the order in which they are installed, each group on its own: without one there
/// may be others.
const GROUPS: [&[&str]; 4] =
    [&["torch"], &["transformers", "safetensors"], &["numpy", "onnx", "onnxruntime"], &["bertviz"]];

/// Where PyTorch is to be had without what it needs for graphics cards, a twentieth of the size.
const TORCH_FOR_CPU: &str = "https://download.pytorch.org/whl/cpu";

impl Peers {
    /// Builds what is ours and candle, and finds or installs the packages of Python.
    pub fn prepare() -> Result<Peers> {
        let mut peers = Peers::without_candle()?;
        peers.candle = build_candle().ok();
        peers.note_missing();
        Ok(peers)
    }

    /// Builds what is ours, and finds or installs the packages of Python.
    pub fn without_candle() -> Result<Peers> {
        fs::create_dir_all(target().join("bench"))?;
        let packages_of_ours = ["--package", "headscope-cli", "--package", "headscope-bench"];
        run(".", &cargo(), &[&["build", "--release", "--locked"], &packages_of_ours[..]].concat())?;
        let binary = |name| target().join("release").join(format!("{name}{}", env::consts::EXE_SUFFIX));
        let python = interpreter();
        let mut peers = Peers {
            headscope: binary("headscope"),
            ours: binary("headscope-bench"),
            packages: packages(&python),
            python,
            candle: None,
            missing: Vec::new(),
        };
        peers.install();
        Ok(peers)
    }

    /// Installs what is missing into an environment of our own; a Python that was named is left as it is.
    fn install(&mut self) {
        if env::var_os("PYTHON").is_some() || self.lacks(GROUPS.concat().as_slice()).is_empty() {
            return;
        }
        let folder = environment();
        if !self.python.exists() {
            let made = run(".", "python3", &["-m", "venv", &folder.display().to_string()]);
            if made.is_err() {
                return; // said in `note_missing`
            }
        }
        let python = self.python.display().to_string();
        for group in GROUPS {
            let lacking = self.lacks(group);
            if lacking.is_empty() {
                continue;
            }
            let pip = |options: &[&str]| {
                let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
                run(".", &python, &[&install, options, &lacking].concat()).is_ok()
            };
            let small = ["--retries", "0", "--timeout", "10", "--index-url", TORCH_FOR_CPU];
            // Whether it worked shows in what is there afterwards.
            let _ = (group == ["torch"] && pip(&small)) || pip(&[]);
        }
        self.packages = packages(&self.python);
    }

    fn lacks<'a>(&self, packages: &[&'a str]) -> Vec<&'a str> {
        packages.iter().copied().filter(|package| !self.packages.contains_key(package)).collect()
    }

    fn note_missing(&mut self) {
        let peers: [(&str, &[&str]); 3] =
            [("PyTorch", &PYTORCH), ("ONNX Runtime", &ONNXRUNTIME), ("bertviz", &["bertviz"])];
        for (peer, needs) in peers {
            let lacking = self.lacks(needs);
            if !lacking.is_empty() {
                let python = self.python.display();
                self.missing.push(format!("{peer} is left out: {python} has no {}.", lacking.join(", ")));
            }
        }
        if self.candle.is_none() {
            self.missing.push("candle is left out: benches/candle could not be built.".into());
        }
        for line in &self.missing {
            eprintln!("{line}");
        }
    }

    pub fn has_pytorch(&self) -> bool {
        self.lacks(&PYTORCH).is_empty()
    }

    pub fn has_onnxruntime(&self) -> bool {
        self.lacks(&ONNXRUNTIME).is_empty()
    }

    pub fn has_bertviz(&self) -> bool {
        self.lacks(&["bertviz"]).is_empty()
    }

    /// The version of a package that is there.
    pub fn version(&self, package: &str) -> Option<&str> {
        self.packages.get(package).map(String::as_str)
    }

    /// Versions and settings, as the document says them.
    pub fn describe(&self) -> String {
        let version = |package: &str| format!("{package} {}", self.packages[package]);
        let mut lines = Vec::new();
        if self.has_pytorch() {
            lines.push(format!(
                "PyTorch: {} with {}, eager attention, `output_attentions`, no gradients, f32 (llama also in bf16, where the processor multiplies it).",
                version("torch"),
                version("transformers"),
            ));
        }
        if self.has_onnxruntime() {
            lines.push(format!(
                "ONNX Runtime: {}, every pattern an output that stays in its memory, all graph optimisations, f32.",
                version("onnxruntime"),
            ));
        }
        if self.candle.is_some() {
            lines.push(format!(
                "candle: {}, built for this processor with AVX-512 in its products, f32, every softmax kept.",
                candle_version().unwrap_or_default()
            ));
        }
        if self.has_bertviz() {
            lines.push(format!("bertviz: {}.", self.packages["bertviz"]));
        }
        lines.extend(self.missing.iter().cloned());
        lines.push(
            "All patterns are captured by everybody. Threads are set by OMP_NUM_THREADS and \
             `torch.set_num_threads`, `intra_op_num_threads`, RAYON_NUM_THREADS; whole processes are left to \
             their defaults. headscope computes in f32 from weights as they are stored."
                .into(),
        );
        lines.iter().map(|line| format!("- {line}\n")).collect()
    }

    /// headscope's own part of the benchmark.
    pub fn ours(&self, args: &[&str]) -> Command {
        command(".", &self.ours.display().to_string(), args)
    }

    /// One of the scripts in `benches/`.
    pub fn script(&self, name: &str, args: &[&str]) -> Command {
        let script = root().join("benches").join(name).display().to_string();
        command(".", &self.python.display().to_string(), &[&[script.as_str()], args].concat())
    }

    /// The Python that has these packages.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// candle, when it could be built.
    pub fn candle(&self, args: &[&str]) -> Option<Command> {
        self.candle.as_ref().map(|candle| command(".", &candle.display().to_string(), args))
    }

    /// Starts everybody who runs this model; headscope is the first.
    pub fn start(&self, model: &Model, threads: usize) -> Result<Vec<Worker>> {
        let (folder, count) = (model.folder().display().to_string(), threads.to_string());
        let mut commands = vec![("headscope", self.ours(&["serve", &folder, &count]))];
        if self.has_pytorch() {
            commands.push(("PyTorch", self.script("serve.py", &["pytorch", &folder, &count])));
            if model.name == "smollm-135m" && machine::multiplies_bf16() {
                commands.push(("PyTorch bf16", self.script("serve.py", &["pytorch-bf16", &folder, &count])));
            }
        }
        if self.has_onnxruntime() {
            commands.push(("ONNX Runtime", self.script("serve.py", &["onnxruntime", &folder, &count])));
        }
        commands.extend(self.candle(&["serve", &folder]).map(|command| ("candle", command)));
        let start = |(name, mut command): (_, Command)| {
            for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"] {
                command.env(variable, &count);
            }
            Worker::start(name, command)
        };
        commands.into_iter().map(start).collect()
    }

    /// Starts those that continue texts; headscope is the first.
    pub fn start_writing(&self, model: &Model, threads: usize) -> Result<Vec<Worker>> {
        let (folder, count) = (model.folder().display().to_string(), threads.to_string());
        let mut workers = vec![Worker::start("headscope", self.ours(&["serve", &folder, &count]))?];
        if self.has_pytorch() {
            let mut command = self.script("serve.py", &["pytorch-lm", &folder, &count]);
            command.env("OMP_NUM_THREADS", &count).env("MKL_NUM_THREADS", &count);
            workers.push(Worker::start("transformers", command)?);
        }
        Ok(workers)
    }
}

const PYTORCH: [&str; 3] = ["torch", "transformers", "safetensors"];
const ONNXRUNTIME: [&str; 3] = ["numpy", "onnx", "onnxruntime"];

fn environment() -> PathBuf {
    target().join("bench/venv")
}

/// `PYTHON`, or that of our own environment.
fn interpreter() -> PathBuf {
    let ours = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    env::var_os("PYTHON").map_or_else(|| environment().join(ours), PathBuf::from)
}

/// The versions of those of our packages that a Python has.
fn packages(python: &Path) -> BTreeMap<&'static str, String> {
    let names = GROUPS.concat();
    let script = format!(
        "from importlib.metadata import distributions\n\
         for d in distributions():\n  if d.name in {names:?}: print(d.name, d.version)"
    );
    let output = Command::new(python).args(["-c", &script]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let versions = text.lines().filter_map(|line| line.split_once(' '));
    let known = versions.filter_map(|(name, version)| {
        names.iter().find(|known| **known == name).map(|known| (*known, version.to_owned()))
    });
    known.collect()
}

/// candle is built for this very processor, from its own workspace.
fn build_candle() -> Result<PathBuf> {
    let folder = target().join("bench/candle");
    let mut build = command("benches/candle", &cargo(), &["build", "--release", "--locked", "--target-dir"]);
    build.arg(&folder).env("RUSTFLAGS", "-C target-cpu=native");
    finish(build)?;
    Ok(folder.join("release").join(format!("bench-candle{}", env::consts::EXE_SUFFIX)))
}

fn candle_version() -> Result<String> {
    let lock = fs::read_to_string(root().join("benches/candle/Cargo.lock"))?;
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"candle-core\"").skip(1);
    let version = lines.next().and_then(|line| line.split('"').nth(1));
    Ok(format!("candle-core {}", version.context("candle-core is in its lock file")?))
}
