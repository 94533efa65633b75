//! `[sweep]`: how a space is searched.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::profile::settings::{Kind, real, text as text_of, whole};
use crate::search::pruner::Pruner;
use crate::search::sampler::Sampler;
use crate::text;

/// How a space is searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Of the sweep and its directory; empty: that of the file.
    pub name: String,
    /// A preset, or the path of a recipe, around which is searched; empty: the file's own tables are the recipe.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub base: String,
    pub sampler: String,
    pub pruner: String,
    /// By name; the first one decides where there is one.
    pub objective: OneOrMore,
    /// Trials in all.
    pub trials: usize,
    /// No trial begins after so many hours of training; 0: no limit.
    pub hours: f64,
    /// Runs of each trial, which differ in their seed; their mean is the trial's value.
    pub seeds: usize,
    /// Trials that run at the same time.
    pub jobs: usize,
    /// Of the sampler.
    pub seed: u64,
    /// asha: epochs up to the first rung.
    pub first_rung: usize,
    /// asha: one of so many goes on at a rung, so many times as far.
    pub reduction: usize,
    /// median: complete trials before the first is given up.
    pub startup_trials: usize,
    /// median: epochs that every trial has.
    pub warmup_epochs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            base: String::new(),
            sampler: Sampler::Tpe.name().into(),
            pruner: Pruner::None.name().into(),
            objective: OneOrMore::One("validation-accuracy".into()),
            trials: 50,
            hours: 0.0,
            seeds: 1,
            jobs: 1,
            seed: 42,
            first_rung: 1,
            reduction: 3,
            startup_trials: 5,
            warmup_epochs: 0,
        }
    }
}

/// A text or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    #[must_use]
    pub(crate) fn all(&self) -> Vec<&str> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more.iter().map(String::as_str).collect(),
        }
    }
}

/// A key of `[sweep]`: its name and what it takes.
struct Row {
    key: &'static str,
    /// None where it checks itself.
    kind: Option<Kind>,
}

const fn row(key: &'static str, kind: Option<Kind>) -> Row {
    Row { key, kind }
}

/// All keys of `[sweep]`.
const ALL: [Row; 14] = [
    row("name", Some(text_of(80))),
    row("base", Some(text_of(4096))),
    row("sampler", Some(Kind::Choice(&Sampler::NAMES))),
    row("pruner", Some(Kind::Choice(&Pruner::NAMES))),
    row("objective", None),
    row("trials", Some(whole(1, 1_000_000))),
    row("hours", Some(real(0.0, 1e5))),
    row("seeds", Some(whole(1, 100))),
    row("jobs", Some(whole(1, 1000))),
    row("seed", Some(whole(0, 1 << 53))),
    row("first_rung", Some(whole(1, 1_000_000))),
    row("reduction", Some(whole(2, 100))),
    row("startup_trials", Some(whole(1, 1_000_000))),
    row("warmup_epochs", Some(whole(0, 1_000_000))),
];

impl Settings {
    /// Reads the table with changes (`sweep.trials=12`) over it.
    ///
    /// # Errors
    /// `Input` naming the key and what it takes.
    pub(super) fn read(mut table: Table, changes: &[&String]) -> Result<Self> {
        for change in changes {
            let (key, value) = change.split_once('=').ok_or_else(|| {
                let remedy = "write it as sweep.trials=12";
                Error::input(format!("--set {change}"), "has no `=`", remedy)
            })?;
            let key = key.trim().trim_start_matches("sweep.");
            let row = find(key)?;
            let value = match &row.kind {
                Some(kind) => kind.read(value.trim()),
                None => list(value),
            };
            table.insert(key.into(), value);
        }
        for (key, value) in &table {
            if let Some(kind) = &find(key)?.kind {
                kind.check(&format!("sweep.{key}"), value)?;
            }
        }
        let bad = |e: toml::de::Error| {
            let remedy = "write it as objective = \"validation-accuracy\", or a list of such";
            Error::input("sweep.objective", e.message().to_owned(), remedy)
        };
        Value::Table(table).try_into().map_err(bad)
    }
}

fn list(value: &str) -> Value {
    let words = value.trim().trim_matches(['[', ']']).split([',', ' ']);
    let words = words
        .map(|word| word.trim_matches('"'))
        .filter(|word| !word.is_empty());
    let all: Vec<Value> = words.map(|word| Value::String(word.into())).collect();
    match <[Value; 1]>::try_from(all) {
        Ok([one]) => one,
        Err(more) => Value::Array(more),
    }
}

fn find(key: &str) -> Result<&'static Row> {
    ALL.iter().find(|row| row.key == key).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|row| row.key).collect();
        let remedy = match text::nearest(key, names.iter().copied()) {
            Some(near) => format!("did you mean `sweep.{near}`?"),
            None => format!("set one of {}", names.join(", ")),
        };
        Error::input(format!("sweep.{key}"), "is not a known key", remedy)
    })
}
