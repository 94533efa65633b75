//! What a run has made, for other programs: a format is a file here and a line in [`FORMATS`].
//!
//! Chooses no file names and prints nothing.

mod csv;
mod history;
mod jsonl;
mod safetensors;
#[cfg(test)]
mod tests;

use std::io::Write;

use crate::error::Result;
use crate::run::Workspace;
use crate::run::weights::Which;

/// Every format, the first of them unless another is asked for.
pub(crate) const FORMATS: &[&dyn Exporter] =
    &[&safetensors::TorchSafetensors, &csv::Csv, &jsonl::JsonLines];

/// A format that runs are written in.
pub(crate) trait Exporter: Sync {
    /// What `--format` calls it.
    fn name(&self) -> &'static str;

    /// What it is and what reads it, in a line of help.
    fn about(&self) -> &'static str;

    /// Of its files' names, without the dot.
    fn extension(&self) -> &'static str;

    /// Writes a run.
    ///
    /// # Errors
    /// `Input` where the run has nothing for this format, or other than was recorded; `Io` where something cannot be
    /// read or written.
    fn write(&self, run: &Source, out: &mut dyn Write) -> Result<Written>;
}

/// The run that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub workspace: &'a Workspace,
    pub id: &'a str,
    /// Which weights, where somebody said so.
    pub weights: Option<Which>,
}

/// What has been written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Such as `12 arrays`.
    pub what: String,
    /// What whoever uses it should know.
    pub notes: Vec<String>,
}

/// The format of this name.
#[must_use]
pub(crate) fn format(name: &str) -> Option<&'static dyn Exporter> {
    FORMATS.iter().copied().find(|f| f.name() == name)
}
