//! Downloading a data set: from mirrors, bounded in size and time, verified before it gets its name.
//!
//! A file is kept in memory until its decompressed bytes have the published SHA-256; only then it is put in place.
//! Runs only when somebody asks for it; with the offline switch it opens no socket.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use flate2::bufread::MultiGzDecoder;
use reqwest::StatusCode;
use sha2::{Digest, Sha256};

use super::places;
use crate::catalog::{self, BUILT_IN, Source};
use crate::error::{Error, Result};
use crate::net::transfer;
use crate::net::{self, Failure, GivenUp};
use crate::{storage, text};

pub use crate::net::{DownloadProgress, Limits, is_offline};

/// A file that is known before it is downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Without `.gz`.
    pub file: String,
    /// Decompressed.
    pub bytes: u64,
    /// Of the decompressed file, in hexadecimal.
    pub sha256: String,
}

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

/// Downloads the set called `name` into `data_dir/NAME` (`data_dir` is the workspace's `data/`).
///
/// Blocks; cancels within a second of `cancel` being set. Call it from a plain thread or `spawn_blocking`, not from
/// async code. The environment can point it elsewhere (`FMTUI_MIRROR`); `offline`, `FMTUI_OFFLINE=1` and
/// `HF_HUB_OFFLINE=1` forbid it.
///
/// # Errors
/// `Input` for an unknown set or when offline, `Download` when no mirror gave the right bytes, `Cancelled`, `Io` for
/// the disk.
pub fn fetch(
    name: &str,
    data_dir: &Path,
    offline: bool,
    progress: &mut dyn FnMut(DownloadProgress),
    cancel: &AtomicBool,
) -> Result<()> {
    places::check_name(name)?;
    let mut fetcher = Fetcher::from_environment(name)?;
    fetcher.offline |= offline;
    fetcher.fetch(name, data_dir, progress, cancel)
}

impl Fetcher {
    /// The mirrors of a known set, or those in `FMTUI_MIRROR` (separated by spaces).
    ///
    /// # Errors
    /// `Input` when the set is not one that can be downloaded.
    pub fn from_environment(name: &str) -> Result<Self> {
        let set = catalog::fetchable().find(|set| set.name == name);
        let Some((set, Source::Mirrors(mirrors, _))) = set.map(|set| (set, set.source)) else {
            let others: Vec<_> = catalog::fetchable().map(|set| set.name).collect();
            return Err(Error::input(
                format!("data set {}", text::sanitize(name)),
                format!("cannot be downloaded; {} can", others.join(", ")),
                "put its files into a directory of that name under the workspace's data",
            ));
        };
        let given = std::env::var("FMTUI_MIRROR").unwrap_or_default();
        let given: Vec<&str> = given.split_whitespace().collect();
        let mirrors = if given.is_empty() { mirrors } else { &given };
        let files = set.files.iter().map(|file| Remote {
            file: file.name.into(),
            bytes: file.bytes,
            sha256: file.sha256.into(),
        });
        Ok(Self {
            mirrors: mirrors.iter().map(ToString::to_string).collect(),
            files: files.collect(),
            limits: Limits::default(),
            offline: is_offline(),
        })
    }

    /// Downloads every file that is not yet there as it should be.
    ///
    /// # Errors
    /// As [`fetch`].
    pub fn fetch(
        &self,
        name: &str,
        data_dir: &Path,
        progress: &mut dyn FnMut(DownloadProgress),
        cancel: &AtomicBool,
    ) -> Result<()> {
        let directory = data_dir.join(name);
        let missing: Vec<(usize, &Remote)> = self
            .files
            .iter()
            .enumerate()
            .filter(|(_, remote)| !is_in_place(&directory, remote))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        if self.offline {
            return Err(Error::input(
                format!("data set {}", text::sanitize(name)),
                "cannot be downloaded: --offline, FMTUI_OFFLINE or HF_HUB_OFFLINE turns off network access",
                format!("go online, or use the built-in {BUILT_IN}"),
            ));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::compute("starting a download", e))?;
        let files = self.files.len();
        let outcome = missing.into_iter().try_for_each(|(file_index, remote)| {
            let mut report = |step: net::FileProgress| {
                progress(DownloadProgress::of(
                    remote.gzipped(),
                    (file_index, files),
                    step,
                ));
            };
            let bytes = runtime.block_on(self.file(remote, &mut report, cancel))?;
            storage::commit(&directory.join(remote.gzipped()), &bytes)
        });
        // A name lookup that hangs must not hold up the one who cancelled.
        runtime.shutdown_background();
        outcome
    }

    /// One file's verified bytes, gzipped as they came.
    async fn file(
        &self,
        remote: &Remote,
        report: &mut dyn FnMut(net::FileProgress),
        cancel: &AtomicBool,
    ) -> Result<Vec<u8>> {
        let attempt = async |number: usize, report: &mut dyn FnMut(net::FileProgress)| {
            let mirror = self.mirrors.iter().cycle().nth(number);
            let mirror = mirror.ok_or_else(|| Failure::never("no mirror is known"))?;
            let address = remote.address(mirror);
            self.download(&address, remote, report)
                .await
                .map_err(|failure| Failure::soon(format!("{address}: {}", failure.words)))
        };
        net::persist(&self.limits, report, cancel, attempt)
            .await
            .map_err(|given_up| match given_up {
                GivenUp::Cancelled => remote.cancelled(),
                GivenUp::Failed(problem) | GivenUp::Tried(problem) => Error::Download {
                    file: remote.gzipped(),
                    problem,
                    remedy: format!(
                        "check the network and try again, or use the built-in {BUILT_IN}"
                    ),
                },
            })
    }

    async fn download(
        &self,
        address: &str,
        remote: &Remote,
        report: &mut dyn FnMut(net::FileProgress),
    ) -> Result<Vec<u8>, Failure> {
        let response = transfer::get(address, &self.limits).await?;
        if response.status() != StatusCode::OK {
            return Err(transfer::refusal(response.status(), response.headers()));
        }
        let mut bytes = Vec::new();
        let mut keep = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Ok(())
        };
        let most = remote.most_compressed();
        transfer::body(response, most, &self.limits, report, &mut keep).await?;
        remote.verify(&bytes).map_err(Failure::soon)?;
        Ok(bytes)
    }
}

impl Remote {
    fn gzipped(&self) -> String {
        format!("{}.gz", self.file)
    }

    fn address(&self, mirror: &str) -> String {
        format!("{}/{}", mirror.trim_end_matches('/'), self.gzipped())
    }

    /// The most that a gzip file of this content can take: stored blocks cost five bytes per 16 KiB at worst.
    fn most_compressed(&self) -> u64 {
        self.bytes + self.bytes / 1000 + 4096
    }

    fn cancelled(&self) -> Error {
        Error::Cancelled {
            file: self.gzipped(),
            remedy: "try again at any time; complete files are kept".into(),
        }
    }

    /// Whether these gzipped bytes inflate to the right ones; stops one byte after the size they should have.
    fn verify(&self, gzipped: &[u8]) -> Result<(), String> {
        let mut content = std::io::Read::take(MultiGzDecoder::new(gzipped), self.bytes + 1);
        let mut hash = Sha256::new();
        let length = std::io::copy(&mut content, &mut HashWriter(&mut hash))
            .map_err(|e| format!("is not a complete gzip file ({e})"))?;
        if length != self.bytes {
            let more = if length > self.bytes { "more" } else { "fewer" };
            return Err(format!("inflates to {more} than {} bytes", self.bytes));
        }
        if storage::hex(&hash.finalize()) != self.sha256 {
            return Err("has the wrong SHA-256: it is not the published file".into());
        }
        Ok(())
    }
}

/// Feeds what is written to it into a hash.
struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether the file lies there already, as it should be.
fn is_in_place(directory: &Path, remote: &Remote) -> bool {
    let path = directory.join(remote.gzipped());
    storage::read(&path, remote.most_compressed()).is_ok_and(|bytes| remote.verify(&bytes).is_ok())
}
