//! One HTTP transfer: bounded in size, given up when it stalls, abandoned when cancelled.
//!
//! Knows nothing of what the bytes should be; that they are right is checked by the caller.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::time::timeout;

use super::{Failure, FileProgress, Limits};

/// What has to arrive within the stall time: a server that drips single bytes has stalled as well.
pub(crate) const LEAST_PER_STALL: u64 = 16 << 10;

/// How often the cancel flag is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(100);

/// The least time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// How often an answer may send on to another address.
pub(crate) const REDIRECTS: usize = 5;

/// Longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

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

/// Asks for the head of an address, without going where it may be sent on to.
///
/// # Errors
/// When the server cannot be reached or does not answer in time.
pub(crate) async fn head(
    address: &str,
    token: Option<&str>,
    limits: &Limits,
) -> Result<Response, Failure> {
    let request = client(limits, Policy::none())?.head(address);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    send(request, limits).await
}

/// Asks for an address, from byte `from` on; the answer's body has not come yet.
///
/// # Errors
/// As [`head`].
pub(crate) async fn get(address: &str, from: u64, limits: &Limits) -> Result<Response, Failure> {
    let client = client(limits, Policy::limited(REDIRECTS))?;
    let request = client.get(address);
    let request = if from > 0 {
        request.header(RANGE, format!("bytes={from}-"))
    } else {
        request
    };
    send(request, limits).await
}

/// Whether an answer with a part of a file is what stands behind `from` bytes of it, to its end at `length` bytes where
/// that is known.
pub(crate) fn continues(response: &Response, from: u64, length: Option<u64>) -> bool {
    let range = response.headers().get(CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok()?.strip_prefix("bytes "));
    let Some((bounds, all)) = range.and_then(|range| range.split_once('/')) else {
        return false;
    };
    let Some((start, end)) = bounds.split_once('-') else {
        return false;
    };
    let reaches_end =
        |end: u64| all.parse() == Ok(end + 1) && length.is_none_or(|length| end + 1 == length);
    start.parse() == Ok(from) && end.parse().is_ok_and(reaches_end)
}

/// Whether an answer says that it is for people: what servers send in place of a file that they no longer have.
pub(crate) fn is_web_page(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.trim_start().starts_with("text/html"))
}

/// Sends a request of anybody's client; the answer's body has not come yet.
///
/// # Errors
/// As [`head`].
pub(crate) async fn send(request: RequestBuilder, limits: &Limits) -> Result<Response, Failure> {
    timeout(limits.connect * 2, request.send())
        .await
        .map_err(|_| Failure::soon("the server does not answer"))?
        .map_err(|e| {
            if e.is_builder() {
                Failure::never(in_words(e))
            } else {
                Failure::soon(in_words(e))
            }
        })
}

/// What an answer that is none says: whether it is worth asking again.
pub(crate) fn refusal(status: StatusCode, headers: &HeaderMap) -> Failure {
    let words = format!("the server answers {status}");
    if status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = headers
            .get(RETRY_AFTER)
            .and_then(|v| v.to_str().ok()?.parse().ok());
        return seconds.map_or_else(
            || Failure::soon(&words),
            |s| Failure::after(&words, Duration::from_secs(s).min(LONGEST_WAIT)),
        );
    }
    if status.is_client_error() {
        Failure::never(words)
    } else {
        Failure::soon(words)
    }
}

/// Hands an answer's body to `sink` as it comes; gives its length.
///
/// # Errors
/// When it is longer than `most` bytes or than announced, breaks off or stalls, or the sink fails.
pub(crate) async fn body(
    response: Response,
    most: u64,
    limits: &Limits,
    report: &mut dyn FnMut(FileProgress),
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let total = response.content_length();
    let too_large = || Failure::soon(format!("is larger than the {most} bytes it may have"));
    if total.is_some_and(|total| total > most) {
        return Err(too_large());
    }
    let started = Instant::now();
    let mut reported: Option<Instant> = None;
    let mut stream = response.bytes_stream();
    let mut length = 0;
    let mut window = (tokio::time::Instant::now() + limits.stall, 0);
    loop {
        if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            report(FileProgress::of(length, total, started));
            reported = Some(Instant::now());
        }
        if length - window.1 >= LEAST_PER_STALL {
            window = (tokio::time::Instant::now() + limits.stall, length);
        }
        let chunk = tokio::time::timeout_at(window.0, stream.next())
            .await
            .map_err(|_| Failure::soon(format!("stalled after {length} bytes")))?;
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|e| {
            Failure::soon(format!("broke off after {length} bytes ({})", in_words(e)))
        })?;
        length += chunk.len() as u64;
        if length > most {
            return Err(too_large());
        }
        sink(&chunk)?;
    }
    if total.is_some_and(|total| total != length) {
        return Err(Failure::soon(format!("broke off after {length} bytes")));
    }
    report(FileProgress::of(length, Some(length), started));
    Ok(length)
}

fn client(limits: &Limits, redirects: Policy) -> Result<Client, Failure> {
    Client::builder()
        .user_agent(concat!("fmtui/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .redirect(redirects)
        .build()
        .map_err(|e| Failure::never(in_words(e)))
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
