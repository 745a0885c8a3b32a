//! Which model is meant, where it is, and what computes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use headscope::engine::hub::{FileName, Snapshot};
use headscope::{Cache, Compute, Error, Isa, ModelFiles};

use crate::args::ModelArgs;
use crate::commands::Hinted;
use crate::hub::{self, Audience, Terminal, Wanted};

/// The cache that Python's libraries use.
pub fn cache() -> Cache {
    Cache::from_env(|name| std::env::var_os(name))
}

/// Finds a model: a folder or GGUF file by that name, else the embedded one, else the cache, else the Hub.
pub fn find(args: &ModelArgs) -> Result<ModelFiles> {
    find_before(&Terminal, args)
}

/// The same before another audience, should it be downloaded.
pub fn find_before(audience: &dyn Audience, args: &ModelArgs) -> Result<ModelFiles> {
    let (name, path) = (args.model.as_str(), Path::new(&args.model));
    let embedded = name == headscope_gte_small::ID && args.revision.is_none();
    if path.join("config.json").exists() || (path.is_dir() && !embedded) {
        return open_path("folder", name, args);
    }
    if embedded {
        use headscope_gte_small::{CONFIG, ID, TOKENIZER, WEIGHTS};
        return Ok(ModelFiles::embedded(ID, CONFIG, WEIGHTS, TOKENIZER));
    }
    if path.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")) {
        return open_path("file", name, args);
    }
    if path.is_file() {
        return Err(refuse_file(path).into());
    }
    if let Some((id, file)) = hub::split_gguf(name) {
        let mut files = ModelFiles::open(gguf(id, file, args, audience)?)?;
        files.checkpoint.id = name.to_owned();
        files.checkpoint.revision = args.revision.clone();
        return Ok(files);
    }
    let (cache, revision) = (cache(), args.revision.as_deref());
    let found = cache.find(name, revision).map_err(Error::from);
    if !found.as_ref().is_ok_and(|folder| Snapshot::is_whole(folder)) {
        let wanted = Wanted { id: name, revision, file: None };
        complete(&wanted, found, args, &cache, audience)?;
    }
    Ok(ModelFiles::find(name, revision, &cache)?)
}

/// A GGUF file of a repository.
fn gguf(id: &str, file: &str, args: &ModelArgs, audience: &dyn Audience) -> Result<PathBuf> {
    let (cache, revision) = (cache(), args.revision.as_deref());
    let file = FileName::parse(file).map_err(Error::from)?;
    let found = || cache.find_file(id, revision, &file).map_err(Error::from);
    if let Ok(path) = found() {
        return Ok(path);
    }
    complete(&Wanted { id, revision, file: Some(&file) }, found(), args, &cache, audience)?;
    Ok(found()?)
}

/// Downloads what the cache lacks. Offline, what is `found` has to do.
fn complete(
    wanted: &Wanted<'_>,
    found: Result<PathBuf, Error>,
    args: &ModelArgs,
    cache: &Cache,
    audience: &dyn Audience,
) -> Result<()> {
    cache.repo(wanted.id).map_err(Error::from)?; // what is no id is not looked for on the Hub
    match (hub::offline(args.offline), found) {
        (None, _) => hub::pull(*wanted, cache, audience)?.report(audience),
        (Some(_), Ok(_)) => {}
        (Some(why), Err(missing)) => {
            let help = missing.help().unwrap_or_default();
            return Err(Hinted { what: format!("{missing}, and {why} forbids the network"), help }.into());
        }
    }
    Ok(())
}

fn open_path(kind: &str, name: &str, args: &ModelArgs) -> Result<ModelFiles> {
    if let Some(revision) = &args.revision {
        let what = format!("{name} is a {kind} here, which has no revision {revision:?}");
        let help = "leave --revision out; it is for models in the Hugging Face cache".to_owned();
        return Err(Hinted { what, help }.into());
    }
    Ok(ModelFiles::open(name)?)
}

/// What to say of a file where a folder is expected.
fn refuse_file(path: &Path) -> Hinted {
    let file = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Hinted {
        what: format!("{file} is a file; expected a model's folder, or a .gguf file"),
        help: format!("give the folder, which holds config.json too: -m {}", folder.display()),
    }
}

/// The image that a text names: for a model that sees the text is a path.
///
/// # Errors
/// If it names no file, or there is a second text.
pub fn image<'a>(id: &str, text: &'a str, pair: Option<&str>) -> Result<&'a Path, Hinted> {
    let help = "give one png or jpeg file, or choose a model that reads texts".to_owned();
    if pair.is_some() {
        return Err(Hinted { what: format!("{id} reads one image; two were given"), help });
    }
    let path = Path::new(text);
    match path.is_file() {
        true => Ok(path),
        false => Err(Hinted { what: format!("{id} reads images; there is no file {text:?}"), help }),
    }
}

/// Refuses a text that is the name of an image: the letters of a path are hardly what was meant.
///
/// # Errors
/// If there is a png or jpeg file by that name.
pub fn no_image(id: &str, texts: &[Option<&str>]) -> Result<(), Hinted> {
    let is_image = |path: &Path| {
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut head));
        read.is_ok() && headscope::image::is_image(&head)
    };
    match texts.iter().flatten().find(|text| Path::new(text).is_file() && is_image(Path::new(text))) {
        None => Ok(()),
        Some(text) => Err(Hinted {
            what: format!("{text} is an image; {id} reads texts"),
            help: "choose a model that sees: `headscope models` lists the families".into(),
        }),
    }
}

/// The threads asked for, or one per core, and the best instructions of this processor, or those
/// named by `HEADSCOPE_ISA`.
pub fn compute(args: &ModelArgs) -> Result<Compute> {
    compute_on(args.threads)
}

/// As many threads, or one per core, and the best instructions of this processor, or those named by
/// `HEADSCOPE_ISA`.
pub fn compute_on(threads: Option<u16>) -> Result<Compute> {
    let threads = match threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let isa = match std::env::var_os("HEADSCOPE_ISA") {
        Some(name) => name.to_string_lossy().parse().context("the environment variable HEADSCOPE_ISA")?,
        None => Isa::detect(),
    };
    Ok(Compute::new(threads, isa))
}
