//! Weights from the Hugging Face hub: pinned to a commit, resumed, verified, kept.
//!
//! A HEAD asks which commit a revision stands for, how long the file is and what SHA-256 the hub vouches for; the file
//! is then asked for at that commit and written beside its place until every byte is verified. What others have fetched
//! is taken from the cache they share.
//!
//! All of it goes through hf-hub: names, addresses, the client that every byte comes by, the shared cache, the login.
//! What hf-hub's own `download` lacks is around its requests: the status and the digest are checked, what stalls is
//! given up, what broke off goes on. The HEAD alone is ours, for it must not follow a redirection, which is what says
//! the commit (hf-hub's `metadata` wants a range and panics without `Location`).

mod ask;
mod cache;
mod model_card;
mod part;
pub(crate) mod reference;
mod shared;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;

pub use cache::{Cache, Cached, Source};
pub use reference::{Pattern, Reference, SCHEME};
pub use shared::Shared;

use self::ask::{About, Server};
use self::part::Plan;
use super::transfer::{self, POLL};
use super::{DownloadProgress, FileProgress, GivenUp, Limits, is_offline, persist};
use crate::error::{Error, Result};
use crate::state::Shapes;
use crate::{storage, text};

/// **Units** bytes: more than any of the networks here.
const LARGEST: u64 = 4 << 30;

/// What of a file is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// Of a safetensors file, the tensors whose names begin so.
    Named(&'static str),
}

/// Whether a file with such tensors is wanted at all.
pub type Fits<'a> = dyn Fn(&Shapes) -> Result<()> + 'a;

/// A secret that opens repositories; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(secret.trim().into())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A hub and the cache of what came from it.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Such as `https://huggingface.co`.
    pub endpoint: String,
    pub cache: Cache,
    /// What other programs have fetched.
    pub shared: Option<Shared>,
    pub token: Option<Token>,
    pub limits: Limits,
    /// Opens no socket.
    pub offline: bool,
}

/// Where the hub is, unless `HF_ENDPOINT` says otherwise.
const ENDPOINT: &str = "https://huggingface.co";

impl Hub {
    /// The hub that `HF_ENDPOINT` and `HF_TOKEN` (or a login) name, with its cache in a directory.
    #[must_use]
    pub fn from_environment(cache: PathBuf, offline: bool) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into());
        let shared = Shared::from_environment();
        let login = || shared.as_ref().and_then(Shared::token);
        let given = set("HF_TOKEN").map(|secret| Token::new(&secret));
        Self {
            endpoint: endpoint.trim().trim_end_matches('/').into(),
            cache: Cache { root: cache },
            token: given.or_else(login),
            shared,
            limits: Limits::default(),
            offline: offline || is_offline(),
        }
    }

    /// The hub's address without what may be secret in it.
    #[must_use]
    pub fn host(&self) -> String {
        let address = self.endpoint.rsplit("//").next().unwrap_or_default();
        text::sanitize(address.rsplit('@').next().unwrap_or_default())
    }

    /// The file in the cache, fetched where it is not there; a branch or tag is asked for anew unless offline. Blocks;
    /// cancels within a second of `cancel` being set. Call it from a plain thread or `spawn_blocking`, not from async
    /// code.
    ///
    /// # Errors
    /// `Input` when it is not there and the network is forbidden, `Download` when it could not be had or was cancelled,
    /// `Io` for the disk.
    pub fn fetch(
        &self,
        reference: &Reference,
        part: Part,
        progress: &mut dyn FnMut(DownloadProgress),
        cancel: &AtomicBool,
    ) -> Result<Cached> {
        self.fetch_fitting(reference, part, None, progress, cancel)
    }

    /// As [`fetch`](Self::fetch); of a safetensors file that is not here the header comes first, and `fits` says
    /// whether the rest is wanted.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch), and what `fits` says.
    pub fn fetch_fitting(
        &self,
        reference: &Reference,
        part: Part,
        fits: Option<&Fits<'_>>,
        progress: &mut dyn FnMut(DownloadProgress),
        cancel: &AtomicBool,
    ) -> Result<Cached> {
        if (self.offline || reference.is_pinned())
            && let Some(cached) = self.kept(reference, part)?
        {
            return Ok(cached);
        }
        if self.offline {
            return Err(Error::input(
                reference.to_string(),
                "is not in the cache, and network access is turned off (--offline, FMTUI_OFFLINE or HF_HUB_OFFLINE)",
                "go online once, or give a file",
            ));
        }
        self.check()?;
        let file = reference.file.rsplit('/').next().unwrap_or_default();
        let mut report =
            |step: FileProgress| progress(DownloadProgress::of(file.into(), (0, 1), step));
        let _held = self.lock(reference, &mut report, cancel)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::compute("starting a download", e))?;
        let fetched =
            runtime.block_on(self.fetch_locked(reference, part, fits, &mut report, cancel));
        // A name lookup that hangs must not hold up the one who cancelled.
        runtime.shutdown_background();
        // Whoever cancels in the last moment does not want what comes next either.
        if fetched.is_ok() && cancel.load(Ordering::Relaxed) {
            return Err(not_fetched(reference, GivenUp::Cancelled, false));
        }
        fetched
    }

    /// Whether requests can be made of its address and token.
    fn check(&self) -> Result<()> {
        let address = Url::parse(&self.endpoint).ok();
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !address.as_ref().is_some_and(is_web) {
            return Err(Error::input(
                "HF_ENDPOINT",
                format!(
                    "{} is not the URL of a server",
                    text::sanitize(&self.endpoint)
                ),
                format!("write one such as {ENDPOINT}, or unset it"),
            ));
        }
        let is_sound = |token: &Token| token.0.bytes().all(|b| b.is_ascii_graphic());
        if self.token.as_ref().is_some_and(|token| !is_sound(token)) {
            return Err(Error::input(
                "HF_TOKEN, or the token of your login",
                "contains a space or a character that is not printable ASCII",
                "set it again",
            ));
        }
        Ok(())
    }

    /// What is wanted, without the network: from our cache, or from the one that others keep.
    fn kept(&self, reference: &Reference, part: Part) -> Result<Option<Cached>> {
        let own = self.cache.find(reference, part);
        if let Some(cached) = self.unless_damaged(own)? {
            return Ok(Some(cached));
        }
        let commit = reference.is_pinned().then_some(reference.revision.as_str());
        let found = self.shared.as_ref().and_then(|s| s.find(reference, commit));
        let Some(found) = found else { return Ok(None) };
        self.cache.remember(reference, &found.source.commit)?;
        self.cache.adopt(reference, part, found).map(Some)
    }

    /// What was changed since is fetched anew, where that is possible.
    fn unless_damaged(&self, found: Result<Option<Cached>>) -> Result<Option<Cached>> {
        match found {
            Err(Error::Input { .. }) if !self.offline => Ok(None),
            found => found,
        }
    }

    async fn fetch_locked(
        &self,
        reference: &Reference,
        part: Part,
        fits: Option<&Fits<'_>>,
        report: &mut dyn FnMut(FileProgress),
        cancel: &AtomicBool,
    ) -> Result<Cached> {
        let gave_up = |given_up| not_fetched(reference, given_up, false);
        let server =
            Server::new(self).map_err(|failure| gave_up(GivenUp::Failed(failure.words)))?;
        let limits = Limits {
            attempts: match self.cache.look(reference, part) {
                // That will do when the hub does not answer at once.
                Some(_) => 1,
                None => self.limits.attempts,
            },
            ..self.limits
        };
        let asked = persist(&limits, report, cancel, async |_, _| {
            server.about(reference).await
        });
        let about = match asked.await {
            Ok(about) => about,
            Err(GivenUp::Tried(problem)) => {
                let Some(own) = self.unless_damaged(self.kept(reference, part))? else {
                    return Err(gave_up(GivenUp::Tried(problem)));
                };
                let note = format!("using the cached version: {problem}");
                report(FileProgress {
                    note: Some(note),
                    ..FileProgress::default()
                });
                return Ok(own);
            }
            Err(given_up) => return Err(gave_up(given_up)),
        };
        if reference.is_pinned() && about.commit != reference.revision {
            let words = "the server answers with another commit than requested";
            return Err(gave_up(GivenUp::Failed(words.into())));
        }
        let own = self.cache.at_commit(reference, &about.commit, part);
        if let Some(cached) = self.unless_damaged(own)? {
            self.cache.remember(reference, &about.commit)?;
            return Ok(cached);
        }
        let shared = self.shared.as_ref();
        let found = shared.and_then(|s| s.find(reference, Some(&about.commit)));
        if let Some(found) = found.filter(|found| about.vouches_for(&found.source)) {
            self.cache.remember(reference, &about.commit)?;
            return self.cache.adopt(reference, part, found);
        }
        let pinned = reference.at(&about.commit);
        let header = if part == Part::Whole && fits.is_none() {
            None
        } else {
            let header = server.header(&pinned, &about, report, cancel).await;
            header.map_err(gave_up)?
        };
        if let (Some(header), Some(fits)) = (&header, fits) {
            fits(&header.shapes())?;
        }
        let plan = match part {
            Part::Whole => None,
            Part::Named(prefix) => header.and_then(|header| header.plan(prefix)),
        };
        let came = if plan.is_some() { part } else { Part::Whole };
        let place = self.cache.path(reference, &about.commit, came);
        create_parent(&place)?;
        let mut source = self.source(reference, &about, came);
        let beside = unfinished(&place, &about, plan.as_ref());
        let path = cache::named(&place, &source);
        let gave_up = |given_up| {
            let kept = beside.metadata().is_ok_and(|file| file.len() > 0);
            not_fetched(reference, given_up, kept)
        };
        if let Some(plan) = &plan {
            let of = (&pinned, &about);
            let bytes = server.part(of, plan, &beside, report, cancel).await;
            let bytes = bytes.map_err(gave_up)?;
            source.bytes = bytes.len() as u64;
            source.sha256 = storage::sha256(&bytes);
            storage::commit(&beside, &bytes)?;
        } else {
            let whole = server.whole(&pinned, &about, &beside, report, cancel);
            source.sha256 = whole.await.map_err(gave_up)?;
        }
        server.describe(&pinned, &mut source, cancel).await;
        cache::write_record(&path, &source)?;
        let put = |e| Error::io("put in place", &path, e);
        fs::rename(&beside, &path).map_err(put)?;
        storage::sync_directory(path.parent().unwrap_or(&path)).map_err(put)?;
        cache::forget_unverified(&place, &source);
        self.cache.remember(reference, &about.commit)?;
        self.cache.sweep(reference);
        let cached = Cached { path, source };
        self.cache.settle(&cached)?;
        if part == came {
            return Ok(cached);
        }
        let wanted = self.cache.at_commit(reference, &about.commit, part)?;
        Ok(wanted.unwrap_or(cached))
    }

    fn source(&self, reference: &Reference, about: &About, part: Part) -> Source {
        Source {
            repository: reference.repository(),
            revision: reference.revision.clone(),
            commit: about.commit.clone(),
            file: reference.file.clone(),
            part: match part {
                Part::Whole => String::new(),
                Part::Named(prefix) => prefix.into(),
            },
            bytes: about.bytes,
            sha256: String::new(),
            vouched: part == Part::Whole && about.sha256.is_some(),
            endpoint: self.host(),
            fetched: text::timestamp(text::now()),
            ..Source::default()
        }
    }

    /// Waits until nobody else fetches from this repository into this cache.
    fn lock(
        &self,
        reference: &Reference,
        report: &mut dyn FnMut(FileProgress),
        cancel: &AtomicBool,
    ) -> Result<fs::File> {
        let path = self.cache.repository(reference).join(cache::LOCK);
        create_parent(&path)?;
        let file = fs::File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) if cancel.load(Ordering::Relaxed) => {
                    return Err(not_fetched(reference, GivenUp::Cancelled, false));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    report(FileProgress {
                        note: Some("another fmtui is downloading from this repository".into()),
                        ..FileProgress::default()
                    });
                    std::thread::sleep(POLL);
                }
                Err(fs::TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
            }
        }
    }
}

/// What has come of a file whose name and content are certain once it is whole: only the same file, or the same part of
/// it, goes on with it.
fn unfinished(place: &Path, about: &About, plan: Option<&Plan>) -> PathBuf {
    let digest = about.sha256.as_deref().unwrap_or("unvouched");
    let digest = &digest[..digest.len().min(16)];
    let part = plan.map_or_else(String::new, |plan| format!("{}.", plan.name()));
    cache::beside(place, &format!(".{digest}.{part}part"))
}

fn create_parent(path: &Path) -> Result<()> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    fs::create_dir_all(directory).map_err(|e| Error::io("create", directory, e))
}

/// `kept`: whether what came of it is still there.
fn not_fetched(reference: &Reference, given_up: GivenUp, kept: bool) -> Error {
    let file = reference.to_string();
    let goes_on = if kept { " (the download resumes)" } else { "" };
    match given_up {
        GivenUp::Cancelled => Error::Cancelled {
            file,
            remedy: format!("try again at any time{goes_on}"),
        },
        GivenUp::Failed(problem) => Error::Download {
            file,
            problem,
            remedy: "check its name, or give a file".into(),
        },
        GivenUp::Tried(problem) => Error::Download {
            file,
            problem,
            remedy: format!("check the network and try again{goes_on}, or give a file"),
        },
    }
}
