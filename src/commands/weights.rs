//! `fmtui weights`: which weights of the hub are here, and fetching, verifying and deleting some.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;

use clap::{Args, Subcommand};

use super::{complete, download, recipe};
use crate::error::{Error, Result};
use crate::headless::{Output, Table};
use crate::model::presets;
use crate::model::pretrained::catalog::known;
use crate::net::hub::{Cached, Part, Pattern, Reference, SCHEME, Source};
use crate::profile::Model;
use crate::run::{Workspace, pretrained};
use crate::text;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download weights into the workspace and verify them
    Fetch {
        /// hf:owner/name, or a preset or profile file that needs weights
        #[arg(add = complete::profile(), value_name = "hf:OWNER/NAME|FILE|PRESET")]
        what: String,
    },
    /// Re-verify the SHA-256 of every cached file
    Verify,
    /// Delete cached weights; a run that needs them downloads them again
    Delete {
        /// A repository, one commit or file of it, or the weights of a preset or profile file
        #[arg(
            value_name = "hf:OWNER/NAME[@COMMIT][:FILE]|FILE|PRESET",
            required_unless_present = "old"
        )]
        what: Vec<String>,
        /// All superseded versions that no run uses
        #[arg(long, conflicts_with = "what")]
        old: bool,
    },
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
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
                what,
                "is neither a preset nor a profile",
                format!(
                    "for weights on the hub write {SCHEME}{}",
                    name.trim_end_matches('/')
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
    let mut model = on_hub(workspace, what)?;
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
    out.line(format!(
        "{} is cached, {}",
        named(source),
        source.verified()
    ))?;
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
    let cache = workspace.hub().cache;
    let is_whole = |cached: &Cached| cached.source.part.is_empty();
    let mut outcomes = Vec::new();
    for whole in cache.list().into_iter().filter(is_whole) {
        let outcome = whole.verify();
        if outcome.is_ok() {
            cache.settle(&whole)?;
        }
        outcomes.push((whole, outcome));
    }
    let parts = cache.list().into_iter().filter(|cached| !is_whole(cached));
    outcomes.extend(parts.map(|part| {
        let outcome = part.verify();
        (part, outcome)
    }));
    outcomes.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    for (cached, outcome) in &outcomes {
        let words = match outcome {
            Ok(()) => cached.source.verified(),
            Err(error) => error.to_string(),
        };
        out.line(format!("{}  {words}", named(&cached.source)))?;
    }
    let damaged = outcomes.iter().filter(|(_, outcome)| outcome.is_err());
    let damaged = damaged.count();
    out.line(format!(
        "{} cached, {damaged} damaged",
        text::count(outcomes.len(), "file")
    ))?;
    Ok(u8::from(damaged > 0))
}

/// Deletes what is named, or what is old where nothing is.
fn delete(workspace: &Workspace, what: &[String]) -> Result<u8> {
    let cache = workspace.hub().cache;
    let found = cache.list();
    let (mut chosen, mut unfinished) = (Vec::new(), Vec::new());
    // Who fetches meanwhile is not disturbed.
    let mut locks = BTreeMap::new();
    let mut hold = |reference: &Reference| {
        if let Entry::Vacant(place) = locks.entry(reference.repository()) {
            place.insert(cache.hold(reference)?);
        }
        Ok::<_, Error>(())
    };
    for given in what {
        let given = if given.starts_with(SCHEME) {
            given.clone()
        } else {
            on_hub(workspace, given)?.pretrained
        };
        let (pattern, reference) = (Pattern::parse(&given)?, Reference::parse(&given)?);
        let before = chosen.len() + unfinished.len();
        chosen.extend(found.iter().filter(|c| pattern.matches(&c.source)));
        hold(&reference)?;
        if pattern.is_repository() {
            unfinished.extend(cache.unfinished(Some(&reference)));
        }
        if chosen.len() + unfinished.len() == before {
            return Err(Error::input(
                given,
                "is not cached",
                "`fmtui weights` lists what is cached",
            ));
        }
    }
    if what.is_empty() {
        let runs = begun_from(workspace)?;
        chosen.extend(found.iter().filter(|c| is_old(workspace, &runs, c)));
    }
    chosen.sort_by(|a, b| a.path.cmp(&b.path));
    chosen.dedup();
    for cached in &chosen {
        hold(&Reference::parse(&cached.source.reference())?)?;
    }
    let mut out = Output::standard();
    for cached in &chosen {
        cache.delete(cached)?;
        out.line(format!(
            "{}, {}, is deleted",
            named(&cached.source),
            text::bytes(cached.source.bytes)
        ))?;
    }
    unfinished.sort();
    unfinished.dedup();
    for (path, _) in &unfinished {
        fs::remove_file(path).map_err(|e| Error::io("remove", path, e))?;
    }
    if !unfinished.is_empty() {
        let bytes = unfinished.iter().map(|(_, bytes)| bytes).sum();
        out.line(format!(
            "{} of partial downloads deleted",
            text::bytes(bytes)
        ))?;
    } else if chosen.is_empty() {
        out.line("nothing is superseded")?;
    }
    Ok(0)
}

/// The model of a preset or profile that begins with weights of the hub.
fn on_hub(workspace: &Workspace, what: &str) -> Result<Model> {
    let model = recipe::find(workspace, what, &[])?.model;
    if pretrained::is_on_hub(&model) {
        return Ok(model);
    }
    Err(Error::input(
        what,
        "uses no weights from the hub",
        "name a preset such as resnet18-finetune, or hf:owner/name",
    ))
}

/// What the runs of the workspace began with.
fn begun_from(workspace: &Workspace) -> Result<Vec<String>> {
    let runs = workspace.runs()?.into_iter();
    let profiles = runs.filter_map(|run| run.profile.ok());
    Ok(profiles
        .map(|profile| profile.model.pretrained.clone())
        .collect())
}

/// Whether newer weights have come in the place of these, and no run began with them.
fn is_old(workspace: &Workspace, runs: &[String], cached: &Cached) -> bool {
    let commit = format!("@{}", cached.source.commit);
    let is_named = runs.iter().any(|began| began.contains(&commit));
    !is_named && workspace.hub().cache.is_old(cached)
}

/// A file at its commit, and which part of it.
fn named(source: &Source) -> String {
    format!("{}{}", source.reference(), part(source))
}

fn list(workspace: &Workspace) -> Result<u8> {
    let mut out = Output::standard();
    let cache = workspace.hub().cache;
    let found = cache.list();
    let (unfinished, broken) = (cache.unfinished(None), cache.broken());
    if found.is_empty() && unfinished.is_empty() && broken.is_empty() {
        out.line(
            "no weights are cached; download some with: fmtui weights fetch resnet18-finetune",
        )?;
        return Ok(0);
    }
    let runs = begun_from(workspace)?;
    let mut table = Table::new(&[
        "weights",
        "commit",
        ">size",
        "SHA-256",
        "licence",
        "trained on",
        "where",
    ])
    .dispensing_with(&["trained on", "licence", "SHA-256"]);
    for cached in found {
        let old = if is_old(workspace, &runs, &cached) {
            " (old)"
        } else {
            ""
        };
        let source = cached.source;
        let name = format!("{SCHEME}{}", source.repository);
        let known = known(&name);
        let told = |words: String, known: Option<&str>| match (words.as_str(), known) {
            ("", known) => known.unwrap_or("–").to_string(),
            _ => words,
        };
        table.row([
            format!("{name}:{}{}", source.file, part(&source)),
            format!(
                "{}{old}",
                source.commit.chars().take(12).collect::<String>()
            ),
            text::bytes(source.bytes),
            if source.vouched {
                "verified"
            } else {
                "unverified"
            }
            .into(),
            told(source.licence, known.map(|k| k.licence)),
            told(source.datasets.join(", "), known.map(|k| k.short_name())),
            cached.path.display().to_string(),
        ]);
    }
    if !table.is_empty() {
        table.print(&mut out)?;
    }
    for (path, bytes) in unfinished {
        out.line(format!(
            "partial download, resumed by the next fetch: {}, {}",
            text::bytes(bytes),
            path.display()
        ))?;
    }
    for error in broken {
        out.line(error)?;
    }
    Ok(0)
}
