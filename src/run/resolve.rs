//! Which run somebody means.

use std::fs;
use std::path::Path;

use super::id;
use super::list::RunSummary;
use super::store::Workspace;
use crate::error::{Error, Result};
use crate::{storage, text};

/// So many of the runs that a word fits are named.
const SHOWN: usize = 5;

impl Workspace {
    /// The run somebody means: an id, the start or end of exactly one id, the name of exactly one run, the path of a
    /// record, or `last`.
    ///
    /// # Errors
    /// `Input` when it is none or several.
    pub fn resolve(&self, text: &str) -> Result<String> {
        let found = self.candidates(text)?;
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] if text == "last" => Err(Error::input(
                "run last",
                format!("there is no run in {}", self.root.display()),
                "start one with `fmtui train lenet5`",
            )),
            [] => Err(self.unknown(text)),
            several => {
                let shown = several[..several.len().min(SHOWN)].join(", ");
                let more = if several.len() > SHOWN { ", …" } else { "" };
                let count = text::count(several.len(), "run");
                Err(Error::input(
                    format!("run {text}"),
                    format!("matches {count}: {shown}{more}"),
                    "give the full ID, or more of it",
                ))
            }
        }
    }

    /// The ids of the runs that somebody may mean, newest first.
    ///
    /// # Errors
    /// `Input` for the path of a record of another workspace, `Io` where the runs cannot be read.
    pub fn candidates(&self, text: &str) -> Result<Vec<String>> {
        if let Some(id) = self.record_at(text)? {
            return Ok(vec![id]);
        }
        let mut ids = self.ids();
        if text == "last" {
            ids.truncate(1);
            return Ok(ids);
        }
        if ids.iter().any(|id| id == text) {
            return Ok(vec![text.into()]);
        }
        // The name inside the id counts too: `lenet5-3f2a` finds 20261123-160211-lenet5-3f2a.
        ids.retain(|id| !text.is_empty() && (id.starts_with(text) || id.ends_with(text)));
        if ids.len() == 1 {
            return Ok(ids);
        }
        let is_named = |run: &RunSummary| run.profile.as_ref().is_ok_and(|p| p.name == text);
        let named: Vec<String> = self
            .runs()?
            .into_iter()
            .filter(is_named)
            .map(|run| run.id)
            .collect();
        Ok(if named.is_empty() { ids } else { named })
    }

    /// The id of the record that a path names.
    fn record_at(&self, text: &str) -> Result<Option<String>> {
        let path = storage::expand_home(Path::new(text));
        let id = path.file_stem().and_then(|stem| stem.to_str());
        let is_record = path.extension().is_some_and(|e| e == "toml") && path.is_file();
        let Some(id) = id.filter(|id| is_record && id::is_plausible(id)) else {
            return Ok(None);
        };
        let own = self.profile_path(id);
        if fs::canonicalize(&own).ok() == fs::canonicalize(&path).ok() {
            return Ok(Some(id.to_owned()));
        }
        Err(Error::input(
            format!("run {text}"),
            format!("is not in {}", self.root.display()),
            "name its workspace with --workspace",
        ))
    }
}
