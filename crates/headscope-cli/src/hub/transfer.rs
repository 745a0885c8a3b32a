//! One file, from the Hub into the cache.

use std::io::{self, Read};
use std::path::Path;

use anyhow::Result;
use headscope::engine::hub::{Blob, Commit, Etag, FileName, Flaw, Partial, Repo};
use serde::Serialize;
use ureq::http::HeaderMap;
use ureq::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG};

use super::Wanted;
use super::client::{Answer, Client, Tries, escaped};
use super::failure::Failure;
use super::progress::{Audience, Progress};
use crate::commands::{Hinted, size};

/// So many bytes further, a download that broke off begins to count its tries anew.
const HEADWAY: u64 = 1 << 20;

/// Brings files of one commit.
pub struct Transfer<'a> {
    /// Whom to ask.
    pub client: &'a Client,
    /// Where they go.
    pub repo: Repo,
    /// Which commit.
    pub commit: Commit,
    /// The model, for errors.
    pub wanted: Wanted<'a>,
    /// Who is told.
    pub audience: &'a dyn Audience,
}

/// A file that is in the cache now.
#[derive(Debug, Serialize)]
pub struct Fetched {
    /// Its name in the repository.
    pub file: String,
    /// In bytes.
    pub size: u64,
    /// How many bytes of it came over the network.
    pub downloaded: u64,
}

/// What the Hub says of a file.
struct Meta {
    etag: Etag,
    size: Option<u64>,
}

/// Why a stretch of a file ended early.
enum Stop {
    Failed(Failure),
    Unwritable(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl Transfer<'_> {
    /// Puts a file into the snapshot; without a request if it is there.
    ///
    /// # Errors
    /// If it cannot be had, is not what was promised, or cannot be written.
    pub fn fetch(&self, file: &FileName) -> Result<Fetched> {
        let path = self.repo.snapshot(&self.commit).join(file.as_str());
        let fetched = |downloaded| {
            let size = path.metadata().map_or(0, |found| found.len());
            Fetched { file: file.to_string(), size, downloaded }
        };
        if path.exists() {
            return Ok(fetched(0));
        }
        let meta = self.ask(file)?;
        let waiting = || self.audience.say(&format!("waiting for another process that downloads {file}"));
        let blob = self.repo.blob(&meta.etag, waiting).map_err(|e| unwritable(self.repo.folder(), &e, 0))?;
        let downloaded = match blob {
            Blob::There => 0,
            Blob::Partial(partial) => self.bring(file, &meta, partial)?,
        };
        self.repo.link(&self.commit, file, &meta.etag).map_err(|e| unwritable(&path, &e, 0))?;
        Ok(fetched(downloaded))
    }

    fn address(&self, file: &FileName) -> String {
        let parts: Vec<String> = file.as_str().split('/').map(escaped).collect();
        format!("/{}/resolve/{}/{}", self.wanted.id, self.commit, parts.join("/"))
    }

    fn ask(&self, file: &FileName) -> Result<Meta> {
        let answer = self.client.head(&self.address(file), &|line| self.audience.say(line));
        let answer = answer.map_err(|failure| self.explain(&failure, file))?;
        let meta = meta(answer.headers(), answer.status().is_redirection());
        meta.map_err(|what| self.explain(&Failure::Wrong(what), file).into())
    }

    fn explain(&self, failure: &Failure, file: &FileName) -> Hinted {
        let wanted = Wanted { file: Some(file), ..self.wanted };
        failure.explain(&wanted, &self.client.settings)
    }

    /// Downloads what is missing of a blob, checks the whole and gives it its name.
    fn bring(&self, file: &FileName, meta: &Meta, mut partial: Partial) -> Result<u64> {
        let write = |partial: &Partial, e: &io::Error| unwritable(partial.path(), e, partial.len());
        if meta.size.is_some_and(|size| partial.len() > size) {
            partial.restart().map_err(|e| write(&partial, &e))?;
        }
        let mut resumed = !partial.is_empty();
        let progress = self.audience.file(file.as_str(), meta.size);
        if resumed {
            progress.resume(partial.len());
            progress.say(&format!("{file}: going on after {}", size(partial.len() as usize)));
        }
        let mut came = 0;
        loop {
            match self.receive(file, meta, &mut partial, &*progress, &mut came) {
                Ok(()) => {}
                Err(Stop::Failed(failure)) => {
                    partial.discard_if_empty();
                    return Err(self.explain(&failure, file).into());
                }
                Err(Stop::Unwritable(e)) => return Err(write(&partial, &e).into()),
            }
            match partial.finish(meta.size) {
                Ok(()) => return Ok(came),
                Err(Flaw::Io(e)) => return Err(write(&partial, &e).into()),
                Err(flaw) if resumed => {
                    // What an earlier run left may be to blame; this happens once.
                    progress.say(&format!("{file} {flaw}: downloading all of it again"));
                    resumed = false;
                    partial.restart().map_err(|e| write(&partial, &e))?;
                }
                Err(flaw) => {
                    partial.discard();
                    let what = format!("{file} of {}, as downloaded, {flaw}", self.wanted.id);
                    let help = "it was removed; try again, and look at where HF_ENDPOINT points".to_owned();
                    return Err(Hinted { what, help }.into());
                }
            }
        }
    }

    /// Reads until all bytes are there, over as many connections as that takes, within reason.
    fn receive(
        &self,
        file: &FileName,
        meta: &Meta,
        partial: &mut Partial,
        progress: &dyn Progress,
        came: &mut u64,
    ) -> Result<(), Stop> {
        let mut tries = Tries::default();
        let mut furthest = partial.len();
        while meta.size.is_none_or(|size| partial.len() < size) {
            let outcome = self.stream(file, meta, partial, progress, came);
            if partial.len() >= furthest + HEADWAY {
                (furthest, tries) = (partial.len(), Tries::default());
            }
            let failure = match outcome {
                Ok(()) if meta.size.is_none_or(|size| partial.len() >= size) => return Ok(()),
                Ok(()) => Failure::Odd(format!("it ends after {}", progress_of(partial, meta))),
                Err(Stop::Failed(failure)) => failure,
                Err(unwritable) => return Err(unwritable),
            };
            tries.pause(failure, &|line| progress.say(line))?;
        }
        Ok(())
    }

    /// Reads one answer to its end.
    fn stream(
        &self,
        file: &FileName,
        meta: &Meta,
        partial: &mut Partial,
        progress: &dyn Progress,
        came: &mut u64,
    ) -> Result<(), Stop> {
        let mut answer = match self.client.get(&self.address(file), partial.len()) {
            Err(Failure::Refused(refusal)) if refusal.status == 416 && !partial.is_empty() => {
                partial.restart().map_err(Stop::Unwritable)?;
                return Err(Failure::Odd("it refuses to go on in the middle".into()).into());
            }
            answer => answer?,
        };
        check_encoding(&answer)?;
        if !goes_on_at(&answer, partial.len()) {
            partial.restart().map_err(Stop::Unwritable)?;
            if answer.status().as_u16() == 206 {
                return Err(Failure::Odd("it goes on at another byte than was asked for".into()).into());
            }
        }
        let is_delimited = |headers: &HeaderMap| {
            headers.contains_key(CONTENT_LENGTH) || headers.contains_key("transfer-encoding")
        };
        if meta.size.is_none() && meta.etag.sha256().is_none() && !is_delimited(answer.headers()) {
            return Err(Failure::Wrong("it does not say how long the file is".into()).into());
        }
        let mut body = answer.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 17];
        while meta.size.is_none_or(|size| partial.len() <= size) {
            let n = body.read(&mut buffer).map_err(|e| Stop::Failed(Failure::Network(e.into())))?;
            if n == 0 {
                break;
            }
            partial.append(&buffer[..n]).map_err(Stop::Unwritable)?;
            *came += n as u64;
            progress.at(partial.len());
        }
        Ok(())
    }
}

fn meta(headers: &HeaderMap, is_redirect: bool) -> Result<Meta, String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let etag = text("x-linked-etag").or_else(|| text(ETAG.as_str()));
    let etag = etag.ok_or("it names no ETag, by which the cache knows a file")?;
    let length = || if is_redirect { None } else { text(CONTENT_LENGTH.as_str()) };
    let size = text("x-linked-size").or_else(length);
    Ok(Meta {
        etag: Etag::parse(etag).map_err(|e| e.to_string())?,
        size: size
            .map(|size| size.parse().map_err(|_| format!("it gives the size as {size:?}")))
            .transpose()?,
    })
}

fn check_encoding(answer: &Answer) -> Result<(), Failure> {
    match answer.headers().get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => {
            Err(Failure::Wrong(format!("it sends the file as {coding:?}")))
        }
        _ => Ok(()),
    }
}

/// Whether an answer begins at byte `from`; a server may ignore that it was asked to.
fn goes_on_at(answer: &Answer, from: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok());
    answer.status().as_u16() == 206 && start == Some(from)
}

fn progress_of(partial: &Partial, meta: &Meta) -> String {
    let of = meta.size.map_or_else(String::new, |size| format!(" of {size}"));
    format!("{}{of} bytes", partial.len())
}

/// That the cache cannot be written; `kept` bytes of the file are there.
fn unwritable(path: &Path, error: &io::Error, kept: u64) -> Hinted {
    let goes_on = match kept {
        0 => "and run the command again".to_owned(),
        kept => format!("and run the command again: it goes on after {}", size(kept as usize)),
    };
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    );
    let help = if full {
        format!("make room there {goes_on}; HF_HUB_CACHE names another place")
    } else {
        format!("make it writable {goes_on}; HF_HUB_CACHE names another place")
    };
    Hinted { what: format!("cannot write {}: {error}", path.display()), help }
}
