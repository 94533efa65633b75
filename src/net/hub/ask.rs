//! The questions that are asked of a hub: what a file is, its bytes, a part of them, and its repository's card.

use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use hf_hub::Cache;
use hf_hub::api::tokio::{Api, ApiBuilder};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, LOCATION, RANGE};
use reqwest::{Response, StatusCode, Url};
use sha2::{Digest, Sha256};

use super::cache::{Source, hash_into};
use super::part::{self, Header, Plan};
use super::reference::{Reference, is_hex};
use super::{Hub, LARGEST, model_card, transfer};
use crate::net::transfer::REDIRECTS;
use crate::net::{Failure, FileProgress, GivenUp, Limits, persist};
use crate::storage;

/// What the hub says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// The commit that the revision stands for.
    pub commit: String,
    pub bytes: u64,
    /// Of large files; small ones have none.
    pub sha256: Option<String>,
}

/// What came of a range.
enum Came {
    All,
    /// Its beginning, and then this went wrong.
    Rest(Failure),
    /// The server does not send parts.
    NoPart,
}

impl About {
    /// Whether a file from elsewhere is this one.
    pub(super) fn vouches_for(&self, other: &Source) -> bool {
        self.sha256.as_ref() == Some(&other.sha256)
    }
}

/// A hub, and how patiently it is asked.
pub(super) struct Server<'a> {
    /// hf-hub's: its addresses and its client, which follows redirects and takes the token to the hub alone.
    api: Api,
    /// As that client has it.
    token: Option<&'a str>,
    limits: &'a Limits,
}

impl<'a> Server<'a> {
    /// # Errors
    /// When no client can be made of the hub's token.
    pub(super) fn new(hub: &'a Hub) -> Result<Self, Failure> {
        let token = hub.token.as_ref().map(|token| token.0.as_str());
        // A secret is not sent where everybody on the way can read it.
        let token = token.filter(|_| is_private(&hub.endpoint));
        let api = ApiBuilder::from_cache(Cache::new(hub.cache.root.clone()))
            .with_endpoint(hub.endpoint.clone())
            .with_token(token.map(String::from))
            .with_user_agent("fmtui", env!("CARGO_PKG_VERSION"))
            .with_progress(false)
            .build()
            .map_err(|e| Failure::never(e.to_string()))?;
        Ok(Self {
            api,
            token,
            limits: &hub.limits,
        })
    }

    /// What the file is. Follows a renamed repository, but stays with the hub: what lies elsewhere is only bytes.
    pub(super) async fn about(&self, reference: &Reference) -> Result<About, Failure> {
        let mut address = self.address(reference)?;
        for _ in 0..=REDIRECTS {
            let response = transfer::head(address.as_str(), self.token, self.limits).await?;
            let (status, headers) = (response.status(), response.headers());
            // A redirection's own length is not the file's.
            let tells = status.is_success()
                || status.is_redirection() && headers.contains_key("x-linked-size");
            if tells && headers.contains_key("x-repo-commit") {
                return about(headers);
            }
            if status.is_redirection() {
                address = next(&address, headers)?;
                continue;
            }
            if status.is_success() {
                return Err(Failure::soon(
                    "the server names no commit: it is not a Hugging Face hub",
                ));
            }
            return Err(self.refusal(reference, status, headers));
        }
        Err(Failure::never("redirects endlessly"))
    }

    /// Fetches the whole file to `beside`, going on with what is there; gives its SHA-256.
    pub(super) async fn whole(
        &self,
        pinned: &Reference,
        about: &About,
        beside: &Path,
        report: &mut dyn FnMut(FileProgress),
        cancel: &AtomicBool,
    ) -> Result<String, GivenUp> {
        let length = || beside.metadata().map_or(0, |m| m.len());
        persist(self.limits, report, cancel, async |_, report| {
            let before = length();
            let outcome = self.whole_once(pinned, about, beside, report).await;
            outcome.map_err(|failure| failure.behind(length().saturating_sub(before)))
        })
        .await
    }

    async fn whole_once(
        &self,
        pinned: &Reference,
        about: &About,
        beside: &Path,
        report: &mut dyn FnMut(FileProgress),
    ) -> Result<String, Failure> {
        let disk = |e: std::io::Error| Failure::never(format!("cannot be kept on disk: {e}"));
        let mut file = fs::OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(beside)
            .map_err(disk)?;
        let mut have = file.metadata().map_err(disk)?.len();
        let mut hash = Sha256::new();
        if have > about.bytes {
            file.set_len(0).map_err(disk)?;
            have = 0;
        }
        if have > 0 {
            hash_into(&mut file, &mut hash).map_err(disk)?;
        }
        if have < about.bytes {
            let range = (have > 0).then_some(have..about.bytes);
            let goes_on = range.is_some();
            let response = self.get(pinned, range).await?;
            if goes_on && response.status() != StatusCode::PARTIAL_CONTENT {
                // It sends all of it again, or something that does not follow.
                file.set_len(0).map_err(disk)?;
                (have, hash) = (0, Sha256::new());
            }
            if let Err(failure) = check(&response, have, about) {
                // The next attempt begins at the beginning.
                file.set_len(0).map_err(disk)?;
                return Err(failure);
            }
            let mut keep = |chunk: &[u8]| {
                hash.update(chunk);
                file.write_all(chunk).map_err(disk)
            };
            let mut told = |step: FileProgress| report(step.behind(have));
            let rest = about.bytes - have;
            let came = transfer::body(response, rest, self.limits, &mut told, &mut keep).await?;
            if came != rest {
                return Err(Failure::soon(format!(
                    "broke off after {} bytes",
                    have + came
                )));
            }
        }
        let sha256 = storage::hex(&hash.finalize());
        if about
            .sha256
            .as_ref()
            .is_some_and(|vouched| *vouched != sha256)
        {
            file.set_len(0).map_err(disk)?;
            return Err(Failure::soon(
                "the download does not match the hub's SHA-256",
            ));
        }
        file.sync_all().map_err(disk)?;
        Ok(sha256)
    }

    /// The header of a safetensors file; none where it is no such file or the server does not send parts. What is wrong
    /// with it is left to whoever reads the whole.
    pub(super) async fn header(
        &self,
        pinned: &Reference,
        about: &About,
        report: &mut dyn FnMut(FileProgress),
        cancel: &AtomicBool,
    ) -> Result<Option<Header>, GivenUp> {
        if !pinned.file.ends_with(".safetensors") {
            return Ok(None);
        }
        let read = persist(self.limits, report, cancel, async |_, _| {
            let (mut silent, mut bytes) = (|_: FileProgress| {}, Vec::new());
            let mut end = part::NUMBER;
            // The number that says how long the header is, then the header.
            while (bytes.len() as u64) < end {
                let rest = bytes.len() as u64..end;
                let mut keep = |chunk: &[u8]| {
                    bytes.extend_from_slice(chunk);
                    Ok(())
                };
                let came = self.range(pinned, rest, about, &mut silent, &mut keep);
                match came.await? {
                    Came::All => {}
                    Came::NoPart => return Ok(None),
                    Came::Rest(failure) => return Err(failure),
                }
                let Ok(header) = part::header_end(&bytes[..8], about.bytes) else {
                    return Ok(None);
                };
                end = header;
            }
            Ok(Some(bytes))
        });
        let bytes = read.await?;
        Ok(bytes.and_then(|bytes| Header::read(&bytes, about.bytes).ok()))
    }

    /// The tensors of a plan, as a file of their own. Their bytes are kept at `beside` as they come, and what is there
    /// goes on.
    pub(super) async fn part(
        &self,
        (pinned, about): (&Reference, &About),
        plan: &Plan,
        beside: &Path,
        report: &mut dyn FnMut(FileProgress),
        cancel: &AtomicBool,
    ) -> Result<Vec<u8>, GivenUp> {
        let gone = |e: std::io::Error| GivenUp::Failed(format!("cannot be kept on disk: {e}"));
        let total = plan.bytes();
        let mut kept = fs::OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(beside)
            .map_err(gone)?;
        if kept.metadata().map_err(gone)?.len() > total {
            kept.set_len(0).map_err(gone)?;
        }
        let mut before = 0;
        for range in &plan.ranges {
            let length = range.end - range.start;
            let attempt = async |_: usize, report: &mut dyn FnMut(FileProgress)| {
                let disk =
                    |e: std::io::Error| Failure::never(format!("cannot be kept on disk: {e}"));
                let had = kept.metadata().map_err(disk)?.len();
                let done = had.saturating_sub(before);
                if done >= length {
                    return Ok(());
                }
                let mut told = |step: FileProgress| {
                    report(FileProgress {
                        total: Some(total),
                        ..step.behind(had)
                    });
                };
                let rest = range.start + done..range.end;
                let mut keep = |chunk: &[u8]| kept.write_all(chunk).map_err(disk);
                let outcome = self.range(pinned, rest, about, &mut told, &mut keep).await;
                let now = kept.metadata().map_err(disk)?.len();
                match outcome {
                    Ok(Came::All) => Ok(()),
                    Ok(Came::NoPart) => Err(Failure::soon(
                        "the server sent the whole file, not the requested range",
                    )),
                    Ok(Came::Rest(failure)) => Err(failure.behind(now - had)),
                    Err(failure) => Err(failure),
                }
            };
            persist(self.limits, report, cancel, attempt).await?;
            before += length;
        }
        let bytes = storage::read(beside, total).map_err(gone)?;
        plan.file(&bytes)
            .map_err(|failure| GivenUp::Failed(failure.words))
    }

    /// Hands some bytes of the file to `keep`.
    ///
    /// # Errors
    /// When nothing came that can be gone on with.
    async fn range(
        &self,
        pinned: &Reference,
        range: Range<u64>,
        about: &About,
        report: &mut dyn FnMut(FileProgress),
        keep: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Came, Failure> {
        let response = self.get(pinned, Some(range.clone())).await?;
        if response.status() == StatusCode::OK {
            return Ok(Came::NoPart);
        }
        check(&response, range.start, about)?;
        let length = range.end - range.start;
        if response.content_length() == Some(length) {
            let came = transfer::body(response, length, self.limits, report, keep).await;
            return Ok(came.map_or_else(Came::Rest, |_| Came::All));
        }
        // It may be something else altogether: nothing of it is kept before all of it is here.
        let mut all = Vec::new();
        let mut collect = |chunk: &[u8]| {
            all.extend_from_slice(chunk);
            Ok(())
        };
        let came = transfer::body(response, length, self.limits, report, &mut collect).await?;
        if came != length {
            return Err(Failure::soon(format!("broke off after {came} bytes")));
        }
        keep(&all)?;
        Ok(Came::All)
    }

    /// Adds what the repository's card says; nothing where it cannot be had.
    pub(super) async fn describe(
        &self,
        pinned: &Reference,
        source: &mut Source,
        cancel: &AtomicBool,
    ) {
        let card = Reference {
            file: "README.md".into(),
            ..pinned.clone()
        };
        let mut bytes = Vec::new();
        let mut keep = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Ok(())
        };
        let work = async {
            let response = self.get(&card, None).await?;
            transfer::body(
                response,
                model_card::LONGEST,
                self.limits,
                &mut |_| {},
                &mut keep,
            )
            .await
        };
        if let Some(Ok(_)) = transfer::cancellable(work, cancel).await {
            (source.licence, source.datasets) = model_card::read(&String::from_utf8_lossy(&bytes));
        }
    }

    async fn get(
        &self,
        reference: &Reference,
        range: Option<Range<u64>>,
    ) -> Result<Response, Failure> {
        let address = self.address(reference)?;
        let request = self.api.client().get(address.clone());
        let request = match range {
            Some(range) => request.header(
                RANGE,
                format!("bytes={}-{}", range.start, range.end.max(1) - 1),
            ),
            None => request,
        };
        let response = transfer::send(request, self.limits).await?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            // Bytes often lie with somebody else, at an address that holds for a while.
            status if response.url().origin() != address.origin() => {
                Err(Failure::soon(format!("the file's server answers {status}")))
            }
            status => Err(self.refusal(reference, status, response.headers())),
        }
    }

    fn address(&self, reference: &Reference) -> Result<Url, Failure> {
        let address = self.api.repo(reference.repo()).url(&reference.file);
        Url::parse(&address)
            .map_err(|e| Failure::never(format!("HF_ENDPOINT is not a valid URL ({e})")))
    }

    fn refusal(&self, reference: &Reference, status: StatusCode, headers: &HeaderMap) -> Failure {
        let Reference { revision, file, .. } = reference;
        let repository = reference.repository();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.token.is_none() => {
                Failure::never(format!(
                    "{repository} is private or gated, or does not exist; log in (hf auth login), or set HF_TOKEN to a token that may read it"
                ))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::never(format!(
                "the token (of HF_TOKEN, or of your login) may not read {repository}, or it does not exist"
            )),
            StatusCode::NOT_FOUND => Failure::never(format!(
                "the hub has no {repository}, no revision {revision} of it, or no {file} in it"
            )),
            status => transfer::refusal(status, headers),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether nobody on the way to this address can read what is sent.
fn is_private(address: &str) -> bool {
    let Ok(address) = Url::parse(address) else {
        return false;
    };
    let loopback = matches!(
        address.host_str(),
        Some("127.0.0.1" | "localhost" | "[::1]")
    );
    address.scheme() == "https" || loopback
}

/// Reads what a hub says of a file, as strictly as it goes into paths and comparisons.
fn about(headers: &HeaderMap) -> Result<About, Failure> {
    let commit = text(headers, "x-repo-commit").filter(|commit| is_hex(commit, 40));
    let commit = commit.ok_or_else(|| Failure::never("the server names no valid commit"))?;
    let length = text(headers, "x-linked-size").or(text(headers, CONTENT_LENGTH.as_str()));
    let bytes: u64 = length
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| Failure::soon("the server does not say how long the file is"))?;
    if bytes == 0 || bytes > LARGEST {
        return Err(Failure::never(format!(
            "is {bytes} bytes long, too long for weights"
        )));
    }
    let digest = text(headers, "x-linked-etag").or(text(headers, ETAG.as_str()));
    let digest = digest.map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
    Ok(About {
        commit: commit.into(),
        bytes,
        sha256: digest.filter(|d| is_hex(d, 64)).map(String::from),
    })
}

/// Where an answer sends on to, if that is the same server.
fn next(from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let next = text(headers, LOCATION.as_str()).and_then(|to| from.join(to).ok());
    next.filter(|next| next.origin() == from.origin())
        .ok_or_else(|| {
            Failure::never("is sent to another server that does not say which commit it is of")
        })
}

/// Whether an answer's body is the rest of the file from `start` on, or the part of it that was asked for.
fn check(response: &Response, start: u64, about: &About) -> Result<(), Failure> {
    if response.status() == StatusCode::PARTIAL_CONTENT {
        let range = text(response.headers(), CONTENT_RANGE.as_str()).unwrap_or_default();
        let begins = range.starts_with(&format!("bytes {start}-"));
        if begins && range.ends_with(&format!("/{}", about.bytes)) {
            return Ok(());
        }
        return Err(Failure::soon("the server sent another part than requested"));
    }
    match response.content_length() {
        Some(length) if length != about.bytes => Err(Failure::soon(format!(
            "the server sends {length} bytes for a file of {}",
            about.bytes
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_an_open_line_to_this_machine_alone() {
        for (address, goes) in [
            ("https://hub.example/x", true),
            ("http://127.0.0.1:8080/x", true),
            ("http://[::1]/x", true),
            ("http://hub.example/x", false),
            ("http://127.0.0.1.hub.example/x", false),
        ] {
            assert_eq!(is_private(address), goes, "{address}");
        }
    }
}
