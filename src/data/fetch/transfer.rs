//! One HTTP transfer into memory: bounded in size, given up when it stalls, abandoned when cancelled.
//!
//! Knows nothing of what the bytes should be; that they are right is checked by the caller.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::{Client, Response};
use tokio::time::timeout;

use super::{Limits, Remote, per_second};

/// What has to arrive within the stall time: a server that drips single bytes has stalled as well.
pub(super) const LEAST_PER_STALL: u64 = 16 << 10;

/// How often the cancel flag is looked at.
const POLL: Duration = Duration::from_millis(100);

/// The least time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// How far one file is.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub bytes: u64,
    pub total: Option<u64>,
    pub bytes_per_second: f64,
    pub note: Option<String>,
}

/// Waits for `work`; none when `cancel` is set first.
pub(super) async fn cancellable<T>(
    work: impl Future<Output = T>,
    cancel: &AtomicBool,
) -> Option<T> {
    let cancelled = async {
        while !cancel.load(Ordering::Relaxed) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::select! {
        biased;
        () = cancelled => None,
        outcome = work => Some(outcome),
    }
}

/// Downloads `address`; what went wrong comes back in words.
pub(super) async fn download(
    address: &str,
    remote: &Remote,
    limits: &Limits,
    report: &mut dyn FnMut(Step),
) -> Result<Vec<u8>, String> {
    let client = client(address, limits).map_err(in_words)?;
    let response = timeout(limits.connect * 2, client.get(address).send())
        .await
        .map_err(|_| "the server does not answer".to_string())?
        .map_err(in_words)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("the server answers {}", response.status()));
    }
    let most = remote.most_compressed();
    let total = response.content_length();
    if total.is_some_and(|total| total > most) {
        return Err(format!("is larger than the {most} bytes it may have"));
    }
    body(response, total, most, limits, report).await
}

async fn body(
    response: Response,
    total: Option<u64>,
    most: u64,
    limits: &Limits,
    report: &mut dyn FnMut(Step),
) -> Result<Vec<u8>, String> {
    let started = Instant::now();
    let mut reported: Option<Instant> = None;
    let mut stream = response.bytes_stream();
    let mut bytes: Vec<u8> = Vec::new();
    let mut window = (tokio::time::Instant::now() + limits.stall, 0);
    loop {
        let length = bytes.len() as u64;
        if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            report(step(length, total, started));
            reported = Some(Instant::now());
        }
        if length - window.1 >= LEAST_PER_STALL {
            window = (tokio::time::Instant::now() + limits.stall, length);
        }
        let chunk = tokio::time::timeout_at(window.0, stream.next())
            .await
            .map_err(|_| format!("stalled after {length} bytes"))?;
        let Some(chunk) = chunk else { break };
        let chunk =
            chunk.map_err(|e| format!("broke off after {length} bytes ({})", in_words(e)))?;
        if length + chunk.len() as u64 > most {
            return Err(format!("is larger than the {most} bytes it may have"));
        }
        bytes.extend_from_slice(&chunk);
    }
    let length = bytes.len() as u64;
    if total.is_some_and(|total| total != length) {
        return Err(format!("broke off after {length} bytes"));
    }
    report(step(length, Some(length), started));
    Ok(bytes)
}

fn step(bytes: u64, total: Option<u64>, started: Instant) -> Step {
    Step {
        bytes,
        total,
        bytes_per_second: per_second(bytes, started),
        note: None,
    }
}

fn client(address: &str, limits: &Limits) -> reqwest::Result<Client> {
    // Somebody else in the process may have installed a provider before; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Client::builder()
            .user_agent(concat!("fmtui/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .redirect(reqwest::redirect::Policy::limited(5))
    };
    let client = builder().build();
    if client.is_err() && address.starts_with("http://") {
        // A system without certificates can still use an unencrypted mirror: the hash decides.
        return builder().tls_certs_only([]).build();
    }
    client
}

/// The error and its causes in one line, without the address, which the caller names.
fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = inner.source();
    }
    words
}
