//! One attempt at a file: what is missing of it is asked for and written behind what is there, then all of it is held
//! to what is published.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use reqwest::StatusCode;

use super::remote::{Check, Fault};
use crate::net::{Failure, FileProgress, Limits, transfer};
use crate::storage;

/// One attempt at a file.
pub(super) struct Attempt<'a> {
    pub(super) address: &'a str,
    pub(super) check: &'a Check,
    pub(super) part: &'a Path,
    pub(super) limits: &'a Limits,
}

impl Attempt<'_> {
    /// Brings what is missing of it and verifies all; gives its SHA-256.
    pub(super) async fn all(
        &self,
        report: &mut dyn FnMut(FileProgress),
        cancel: &AtomicBool,
    ) -> Result<String, Failure> {
        let before = self.have();
        // Killed before it was verified.
        let may_be_whole = before > 0 && self.check.length().is_none_or(|all| all <= before);
        if may_be_whole {
            if let Ok(sha256) = self.check.verify(self.part, cancel) {
                return Ok(sha256);
            }
            if self.check.length().is_some() {
                self.forget()?;
            }
        }
        let rest = self.rest(report).await;
        rest.map_err(|failure| failure.behind(self.have().saturating_sub(before)))?;
        match self.check.verify(self.part, cancel) {
            Ok(sha256) => Ok(sha256),
            Err(Fault::Wrong(problem)) => {
                self.forget()?;
                Err(Failure::soon(format!("{}: {problem}", self.address)))
            }
            Err(Fault::Unreadable(e)) => Err(disk(&e)),
            Err(Fault::Cancelled) => Err(Failure::soon("cancelled")),
        }
    }

    fn have(&self) -> u64 {
        self.part.metadata().map_or(0, |part| part.len())
    }

    /// The next attempt begins at the beginning.
    fn forget(&self) -> Result<(), Failure> {
        storage::remove(self.part).map_err(|e| Failure::never(e.to_string()))
    }

    /// Asks for what is missing and writes it behind what is there.
    async fn rest(&self, report: &mut dyn FnMut(FileProgress)) -> Result<(), Failure> {
        let told = |problem: &str| format!("{}: {problem}", self.address);
        let mut have = self.have();
        if have >= self.check.most() {
            self.forget()?;
            have = 0;
        }
        let response = transfer::get(self.address, have, self.limits).await;
        let response = response.map_err(|failure| failure.told(told))?;
        match response.status() {
            StatusCode::OK if have > 0 => {
                // It sends all of it again.
                self.forget()?;
                have = 0;
            }
            StatusCode::OK => {}
            StatusCode::PARTIAL_CONTENT => {
                if !transfer::continues(&response, have, self.check.length()) {
                    self.forget()?;
                    return Err(Failure::soon(told(
                        "the server sent another part than requested",
                    )));
                }
            }
            status => {
                if status == StatusCode::RANGE_NOT_SATISFIABLE {
                    self.forget()?;
                }
                let failure = transfer::refusal(status, response.headers());
                // Another mirror may have it, or this one later.
                return Err(failure.told(told).worth_another());
            }
        }
        if transfer::is_web_page(&response) {
            return Err(Failure::soon(told(
                "the server sends a web page in place of the file",
            )));
        }
        let rest = self.check.most() - have;
        if let (Some(length), Some(all)) = (response.content_length(), self.check.length())
            && length < rest
        {
            let length = have + length;
            return Err(Failure::soon(told(&format!(
                "the server sends {length} bytes for a file of {all}"
            ))));
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.part)
            .map_err(|e| disk(&e))?;
        let mut is_kept = true;
        let mut keep = |chunk: &[u8]| {
            file.write_all(chunk).map_err(|e| {
                is_kept = false;
                disk(&e)
            })
        };
        let mut step = |step: FileProgress| report(step.behind(have));
        let is_announced = response.content_length().is_some();
        let came = transfer::body(response, rest, self.limits, &mut step, &mut keep).await;
        let came = match came {
            Ok(came) => came,
            Err(failure) => {
                // Nobody said how much it would be: it may be something else altogether.
                if !is_announced {
                    self.forget()?;
                }
                return Err(if is_kept { failure.told(told) } else { failure });
            }
        };
        if self.check.length().is_some() && came < rest {
            let came = have + came;
            return Err(Failure::soon(told(&format!(
                "broke off after {came} bytes"
            ))));
        }
        file.sync_all().map_err(|e| disk(&e))
    }
}

fn disk(e: &std::io::Error) -> Failure {
    Failure::never(format!("cannot be kept on disk: {e}"))
}
