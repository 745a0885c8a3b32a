//! The Python package: its wheel is built, installed where nothing else is, and tested there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tools::{command, finish, has_modules, interpreter, run, target};

/// What builds the wheel: a version that `python/pyproject.toml` allows.
const MATURIN: &str = "maturin==1.16.0";

/// What the wheel may weigh: `PyPI` takes no file over 100 MB without asking.
const MOST_BYTES: u64 = 100_000_000;

const NETWORK: &str =
    "its packages come from PyPI: this needs a network, or a mirror that PIP_INDEX_URL names";

/// Builds the wheel and says where it is.
pub fn wheel() -> Result<PathBuf> {
    let tools = environment("tools", &[MATURIN])?;
    let folder = target().join("python/wheels");
    let _ = fs::remove_dir_all(&folder); // an older version's wheel would be found, too
    let maturin = tools.with_file_name("maturin");
    run("python", &text(&maturin), &["build", "--release", "--locked", "--out", &text(&folder)])?;
    let wheels = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let [wheel] = &wheels[..] else {
        bail!("{} holds {} files; expected one wheel", text(&folder), wheels.len())
    };
    let bytes = wheel.metadata()?.len();
    if bytes > MOST_BYTES {
        bail!("{} has {bytes} bytes; at most {MOST_BYTES} can be published", text(wheel));
    }
    eprintln!("{}: {:.1} MB", text(wheel), bytes as f64 / 1e6);
    Ok(wheel.clone())
}

/// Tests the wheel in a clean environment; and where Python has torch and transformers, with these.
pub fn check() -> Result<()> {
    let wheel = wheel()?;
    let _ = fs::remove_dir_all(target().join("python/clean"));
    let clean = environment("clean", &[&text(&wheel), "--requirement", "tests/requirements.txt"])?;
    run("python", &text(&clean), &["-m", "pytest", "--quiet", "-rs"])?;

    if !has_modules("torch, transformers, numpy") {
        eprintln!(
            "skipped: Python here has no torch and transformers, whose models captures are held against"
        );
        return Ok(());
    }
    let python = interpreter();
    let beside = beside(Path::new(&python), &wheel)?;
    let install = ["-m", "pip", "install", "--quiet", "--upgrade", "--target", &text(&beside)];
    let pinned = ["pytest", "--constraint", "tests/requirements.txt"];
    run("python", &python, &[&install[..], &pinned].concat()).context(NETWORK)?;
    let mut tests = command("python", &python, &["-m", "pytest", "--quiet", "-rs", "tests/test_torch.py"]);
    tests.env("PYTHONPATH", &beside);
    finish(tests)
}

/// Installs the wheel alone into a folder that a Python with packages of its own can be pointed to.
pub fn beside(python: &Path, wheel: &Path) -> Result<PathBuf> {
    let folder = target().join("python/beside");
    let _ = fs::remove_dir_all(&folder);
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", &text(&folder), &text(wheel)];
    run("python", &text(python), &install)?;
    Ok(folder)
}

/// A Python with these packages, in a folder of its own.
fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = target().join("python").join(name);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        run(".", &interpreter(), &["-m", "venv", &text(&folder)])
            .context("the Python package needs Python 3.10 or newer with venv (Debian: python3-venv)")?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run("python", &text(&python), &[&install[..], packages].concat()).context(NETWORK)?;
    Ok(python)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
