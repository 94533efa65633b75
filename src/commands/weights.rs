//! `fmtui weights`: which weights of the hub are here, and fetching, verifying and deleting some.

use clap::{Args, Subcommand};

use super::{download, recipe};
use crate::error::{Error, Result};
use crate::headless::{Output, Table};
use crate::model::presets;
use crate::net::hub::{Cached, Part, Pattern, Reference, SCHEME, Source};
use crate::run::{Workspace, pretrained};
use crate::text;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch weights into the workspace and verify them
    Fetch {
        /// hf:owner/name, or a preset or profile whose weights are wanted
        #[arg(value_name = "hf:OWNER/NAME|FILE|PRESET")]
        what: String,
    },
    /// Read every file again and compare its SHA-256 with what was fetched
    Verify,
    /// Delete weights; a run that begins with them fetches them again
    Delete {
        /// A repository's, or those of one commit or file of it
        #[arg(
            value_name = "hf:OWNER/NAME[@COMMIT][:FILE]",
            required_unless_present = "old"
        )]
        what: Vec<String>,
        /// All that newer ones have come in the place of
        #[arg(long, conflicts_with = "what")]
        old: bool,
    },
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    match &arguments.action {
        None => list(workspace),
        Some(Action::Fetch { what }) if what.starts_with(SCHEME) => {
            let reference = Reference::parse(what)?;
            let hub = workspace.hub();
            let cached = download::shown(|progress, cancel| {
                hub.fetch(&reference, Part::Whole, progress, cancel)
            })?;
            say_here(&cached.source)
        }
        Some(Action::Fetch { what }) if presets::find(what).is_none() && looks_like_hub(what) => {
            let name = what.rsplit("huggingface.co/").next().unwrap_or_default();
            Err(Error::input(
                text::sanitize(what),
                "is no preset and no profile",
                format!(
                    "for what lies on the hub write {SCHEME}{}",
                    text::sanitize(name.trim_end_matches('/'))
                ),
            ))
        }
        Some(Action::Fetch { what }) => of_recipe(workspace, what),
        Some(Action::Verify) => verify(workspace),
        Some(Action::Delete { what, .. }) => delete(workspace, what),
    }
}

/// Whether it is an address, or `owner/name` and no file.
fn looks_like_hub(what: &str) -> bool {
    let path = std::path::Path::new(what);
    let is_file = path.exists() || path.extension().is_some_and(|e| e == "toml");
    !is_file && (what.contains("://") || what.split('/').count() == 2)
}

fn of_recipe(workspace: &Workspace, what: &str) -> Result<u8> {
    let mut model = recipe::find(workspace, what, &[])?.model;
    if !pretrained::is_on_hub(&model) {
        return Err(Error::input(
            text::sanitize(what),
            "begins with no weights of the hub",
            "name a preset such as resnet18-finetune, or hf:owner/name",
        ));
    }
    download::shown(|progress, cancel| {
        pretrained::fetch(workspace, &mut model, None, progress, cancel)
    })?;
    match pretrained::cached(workspace, &model) {
        Some(cached) => say_here(&cached.source),
        None => Ok(0),
    }
}

fn say_here(source: &Source) -> Result<u8> {
    let mut out = Output::standard();
    out.line(format!("{} is here, {}", named(source), source.verified()))?;
    Ok(0)
}

/// Which part of its file it is, if it is not the whole.
fn part(source: &Source) -> String {
    match source.part.as_str() {
        "" => String::new(),
        part => format!(" ({part}*)"),
    }
}

fn verify(workspace: &Workspace) -> Result<u8> {
    let mut out = Output::standard();
    let found = workspace.hub().cache.list();
    let mut damaged = 0;
    for cached in &found {
        let words = match cached.verify() {
            Ok(()) => cached.source.verified(),
            Err(error) => {
                damaged += 1;
                error.to_string()
            }
        };
        out.line(format!("{}  {words}", named(&cached.source)))?;
    }
    out.line(format!(
        "{} here, {damaged} damaged",
        text::count(found.len(), "file")
    ))?;
    Ok(u8::from(damaged > 0))
}

/// Deletes what is named, or what is old where nothing is.
fn delete(workspace: &Workspace, what: &[String]) -> Result<u8> {
    let mut out = Output::standard();
    let cache = workspace.hub().cache;
    let found = cache.list();
    let mut chosen: Vec<&Cached> = Vec::new();
    for given in what {
        let pattern = Pattern::parse(given)?;
        let before = chosen.len();
        chosen.extend(
            found
                .iter()
                .filter(|cached| pattern.matches(&cached.source)),
        );
        if chosen.len() == before {
            return Err(Error::input(
                text::sanitize(given),
                "is not here",
                "`fmtui weights` lists what is",
            ));
        }
    }
    if what.is_empty() {
        chosen.extend(found.iter().filter(|cached| cache.is_old(cached)));
    }
    chosen.dedup();
    for cached in &chosen {
        cache.delete(cached)?;
        out.line(format!(
            "{}, {}, is deleted",
            named(&cached.source),
            text::bytes(cached.source.bytes)
        ))?;
    }
    if chosen.is_empty() {
        out.line("nothing here is old")?;
    }
    Ok(0)
}

/// A file at its commit, and which part of it.
fn named(source: &Source) -> String {
    format!("{}{}", source.reference(), part(source))
}

fn list(workspace: &Workspace) -> Result<u8> {
    let mut out = Output::standard();
    let cache = workspace.hub().cache;
    let found = cache.list();
    if found.is_empty() {
        out.line("no weights of the hub are here; fetch some with: fmtui weights fetch resnet18-finetune")?;
        return Ok(0);
    }
    let mut table = Table::new(&[
        "weights",
        "commit",
        ">size",
        "SHA-256",
        "licence",
        "trained on",
        "where",
    ]);
    for cached in found {
        let old = if cache.is_old(&cached) { " (old)" } else { "" };
        let source = cached.source;
        table.row([
            format!(
                "{SCHEME}{}:{}{}",
                source.repository,
                source.file,
                part(&source)
            ),
            format!(
                "{}{old}",
                source.commit.chars().take(12).collect::<String>()
            ),
            text::bytes(source.bytes),
            if source.vouched {
                "the hub's"
            } else {
                "as it came"
            }
            .into(),
            source.licence,
            source.datasets.join(", "),
            text::sanitize(&cached.path.display().to_string()),
        ]);
    }
    for line in table.lines() {
        out.line(line)?;
    }
    Ok(0)
}
