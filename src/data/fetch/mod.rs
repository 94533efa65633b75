//! Downloading a data set: from mirrors, bounded in size and time, verified before it gets its name.
//!
//! Files come into a directory of their own (`staging`), where they are held to what is published (`remote`); only when
//! all of a set are verified they are put in place. What has come of a file stays for the next attempt. Runs only when
//! somebody asks for it; with the offline switch it opens no socket.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use self::attempt::Attempt;
use self::remote::Fault;
use self::staging::Staging;
use self::sums::{InPlace, Sums};
use super::places;
use crate::catalog::{self, BUILT_IN};
use crate::error::{Error, Result};
use crate::net::{self, Failure, FileProgress, GivenUp};
use crate::{storage, text};

mod archive;
mod attempt;
mod remote;
mod staging;
mod sums;

pub use self::remote::{Check, Remote};
pub use self::sums::SUMS;
pub use crate::net::{DownloadProgress, Limits, is_offline};

/// A download that can be pointed anywhere.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Base addresses, tried in turn.
    pub mirrors: Vec<String>,
    pub files: Vec<Remote>,
    pub limits: Limits,
    /// Opens no socket.
    pub offline: bool,
}

/// A set that is in place and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub directory: PathBuf,
    /// Name and SHA-256 of every file.
    pub files: Vec<(String, String)>,
    /// Whether all of it was there before.
    pub was_there: bool,
    /// Whether no SHA-256 is published of it, only MD5 and size.
    pub is_weak: bool,
}

impl Fetched {
    /// What it was held to, in words.
    #[must_use]
    pub fn verified(&self) -> &'static str {
        if self.is_weak {
            "verified by MD5 and size; no SHA-256 is published"
        } else {
            "verified"
        }
    }
}

/// Downloads the set called `name` into `data_dir/NAME` (`data_dir` is the workspace's `data/`).
///
/// Blocks; cancels within a second of `cancel` being set. Call it from a plain thread or `spawn_blocking`, not from
/// async code. The environment can point it elsewhere (`FMTUI_MIRROR`); `offline`, `FMTUI_OFFLINE=1` and
/// `HF_HUB_OFFLINE=1` forbid it.
///
/// # Errors
/// `Input` for an unknown set, when offline or where the disk has too little space, `Download` when no mirror gave the
/// right bytes, `Cancelled`, `Io` for the disk.
pub fn fetch(
    name: &str,
    data_dir: &Path,
    offline: bool,
    progress: &mut dyn FnMut(DownloadProgress),
    cancel: &AtomicBool,
) -> Result<Fetched> {
    places::check_name(name)?;
    let mut fetcher = Fetcher::from_environment(name)?;
    fetcher.offline |= offline;
    let download = catalog::find(name).and_then(catalog::Set::download);
    let directory = download.and_then(|d| d.directory).unwrap_or(name);
    fetcher.fetch(directory, data_dir, progress, cancel)
}

impl Fetcher {
    /// The mirrors of a known set, or those in `FMTUI_MIRROR` (separated by spaces).
    ///
    /// # Errors
    /// `Input` when the set is not one that can be downloaded.
    pub fn from_environment(name: &str) -> Result<Self> {
        let set = catalog::find(name);
        let Some((set, download)) = set.and_then(|set| Some((set, set.download()?))) else {
            let others: Vec<_> = catalog::fetchable().map(|set| set.name).collect();
            return Err(Error::input(
                format!("data set {}", text::sanitize(name)),
                format!("cannot be downloaded; {} can", others.join(", ")),
                "put its files into a directory of that name under the workspace's data",
            ));
        };
        let given = std::env::var("FMTUI_MIRROR").unwrap_or_default();
        let given: Vec<&str> = given.split_whitespace().collect();
        let mirrors = if given.is_empty() {
            download.mirrors
        } else {
            &given
        };
        let files = if download.parcels.is_empty() {
            set.files.iter().map(Remote::gzipped).collect()
        } else {
            download.parcels.iter().map(Remote::of).collect()
        };
        Ok(Self {
            mirrors: mirrors.iter().map(ToString::to_string).collect(),
            files,
            limits: Limits::default(),
            offline: is_offline(),
        })
    }

    /// Downloads every file that is not yet there as it should be, and puts all in place together.
    ///
    /// # Errors
    /// As [`fetch`].
    pub fn fetch(
        &self,
        name: &str,
        data_dir: &Path,
        progress: &mut dyn FnMut(DownloadProgress),
        cancel: &AtomicBool,
    ) -> Result<Fetched> {
        let directory = data_dir.join(name);
        let there = sums::in_place(&self.files, &directory, cancel);
        if let Some(files) = there.ok_or_else(|| cancelled(name, false))?.all() {
            return Ok(self.fetched(directory, files, true));
        }
        if self.offline {
            return Err(Error::input(
                format!("data set {}", text::sanitize(name)),
                "cannot be downloaded: --offline, FMTUI_OFFLINE or HF_HUB_OFFLINE turns off network access",
                format!("go online, or use the built-in {BUILT_IN}"),
            ));
        }
        let mut waits = |step| progress(DownloadProgress::of(name.into(), (0, 1), step));
        let Some(staging) = Staging::open(&directory, &mut waits, cancel)? else {
            return Err(cancelled(name, false));
        };
        let files = self.stage(name, &directory, &staging, progress, cancel);
        match files {
            Ok(files) => {
                staging.remove();
                Ok(self.fetched(directory, files, false))
            }
            Err(e) => {
                if !staging.has_files() {
                    staging.remove();
                }
                Err(e)
            }
        }
    }

    fn fetched(&self, directory: PathBuf, files: Sums, was_there: bool) -> Fetched {
        Fetched {
            directory,
            files: files.into_iter().collect(),
            was_there,
            is_weak: self.files.iter().any(|remote| remote.check.is_weak()),
        }
    }

    /// Downloads what is missing and puts all of it in place; gives the SHA-256 of the set's files.
    fn stage(
        &self,
        name: &str,
        directory: &Path,
        staging: &Staging,
        progress: &mut dyn FnMut(DownloadProgress),
        cancel: &AtomicBool,
    ) -> Result<Sums> {
        // Again: whoever had the lock before may have brought it.
        let there = sums::in_place(&self.files, directory, cancel);
        let InPlace(there) = there.ok_or_else(|| cancelled(name, true))?;
        let mut sums: Sums = there.iter().flatten().flat_map(Sums::clone).collect();
        let missing: Vec<_> = (0..self.files.len())
            .filter(|index| there[*index].is_none())
            .collect();
        self.check_space(directory, staging, &missing)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::compute("starting a download", e))?;
        let mut came = Vec::new();
        let outcome = missing.into_iter().try_for_each(|index| {
            let remote = &self.files[index];
            let place = (index, self.files.len());
            let mut report =
                |step| progress(DownloadProgress::of(remote.file.clone(), place, step));
            let sha256 = runtime.block_on(self.file(remote, staging, &mut report, cancel))?;
            if remote.members.is_empty() {
                came.push((remote.file.clone(), sha256));
                return Ok(());
            }
            let whole = staging.whole(&remote.file);
            let stopped = || cancelled(&remote.file, true);
            if !archive::take(&whole, &remote.members, staging, cancel)? {
                return Err(stopped());
            }
            for name in remote.kept() {
                let path = staging.whole(name);
                let sha256 = remote::sha256(&path, cancel).map_err(|fault| match fault {
                    Fault::Unreadable(e) => Error::io("read", &path, e),
                    Fault::Cancelled | Fault::Wrong(_) => stopped(),
                })?;
                came.push((name.into(), sha256));
            }
            Ok(())
        });
        // A name lookup that hangs must not hold up the one who cancelled.
        runtime.shutdown_background();
        outcome?;
        for (name, _) in &came {
            staging.place(name)?;
        }
        sums.extend(came);
        sums::write(directory, &sums)?;
        Ok(sums)
    }

    /// Refuses a download that the disk has no space for.
    fn check_space(&self, directory: &Path, staging: &Staging, missing: &[usize]) -> Result<()> {
        let needed = |remote: &Remote| {
            let most = remote.check.most();
            let came = [staging.part(&remote.file), staging.whole(&remote.file)];
            let came = came.iter().filter_map(|path| path.metadata().ok());
            let left = most.saturating_sub(came.map(|file| file.len()).sum());
            // Beside the archive, what is kept of it.
            left + if remote.members.is_empty() { 0 } else { most }
        };
        let needed: u64 = missing
            .iter()
            .map(|index| needed(&self.files[*index]))
            .sum();
        match storage::free_space(directory) {
            Some(free) if free < needed => Err(Error::input(
                text::sanitize(&directory.display().to_string()),
                format!(
                    "has {} free and the download may need {}",
                    text::bytes(free),
                    text::bytes(needed)
                ),
                "free some space or give another place with --workspace",
            )),
            _ => Ok(()),
        }
    }

    /// Brings one file, verified, to where whole ones lie; gives its SHA-256.
    async fn file(
        &self,
        remote: &Remote,
        staging: &Staging,
        report: &mut dyn FnMut(FileProgress),
        cancel: &AtomicBool,
    ) -> Result<String> {
        let (whole, part) = (staging.whole(&remote.file), staging.part(&remote.file));
        if let Ok(sha256) = remote.check.verify(&whole, cancel) {
            return Ok(sha256);
        }
        let attempt = async |number: usize, report: &mut dyn FnMut(FileProgress)| {
            let mirror = self.mirrors.iter().cycle().nth(number);
            let mirror = mirror.ok_or_else(|| Failure::never("no mirror is known"))?;
            let address = remote.address(mirror);
            let attempt = Attempt {
                address: &address,
                check: &remote.check,
                part: &part,
                limits: &self.limits,
            };
            attempt.all(report, cancel).await
        };
        let sha256 = net::persist(&self.limits, report, cancel, attempt)
            .await
            .map_err(|given_up| {
                let has_part = part.metadata().is_ok_and(|part| part.len() > 0);
                not_fetched(&remote.file, given_up, has_part)
            })?;
        fs::rename(&part, &whole).map_err(|e| Error::io("write", &whole, e))?;
        Ok(sha256)
    }
}

/// `kept`: whether what came of it is still there.
fn cancelled(file: &str, kept: bool) -> Error {
    let goes_on = if kept { "; what has come is kept" } else { "" };
    Error::Cancelled {
        file: file.into(),
        remedy: format!("try again at any time{goes_on}"),
    }
}

/// `kept` as in [`cancelled`].
fn not_fetched(file: &str, given_up: GivenUp, kept: bool) -> Error {
    let goes_on = if kept { " (the download resumes)" } else { "" };
    let (problem, remedy) = match given_up {
        GivenUp::Cancelled => return cancelled(file, kept),
        GivenUp::Failed(problem) => {
            let remedy =
                format!("mend that and try again{goes_on}, or use the built-in {BUILT_IN}");
            (problem, remedy)
        }
        GivenUp::Tried(problem) => {
            let remedy =
                format!("check the network and try again{goes_on}, or use the built-in {BUILT_IN}");
            (problem, remedy)
        }
    };
    Error::Download {
        file: file.into(),
        problem,
        remedy,
    }
}
