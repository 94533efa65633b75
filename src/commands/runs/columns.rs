//! What can be listed, sorted and filtered of a run: its figures, and every setting by its key.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::metrics::{self, METRICS};
use crate::profile::settings::{self, Kind};
use crate::profile::{Measured, Profile, Subset};
use crate::run::{RunSummary, comparison, group};
use crate::text::{self, figure};

/// A column: how it is called, headed and printed, and its value as `--json` and `--csv` have it.
pub(super) struct Column {
    pub name: String,
    /// Begins with `>` over figures.
    pub heading: String,
    pub unit: Unit,
    pub text: Of<String>,
    pub value: Of<Value>,
}

/// What a column's values are, and so what they are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Text,
    Number,
    /// 0 to 1, shown in percent.
    Share,
    /// A difference of shares, shown in percentage points.
    Points,
    /// Seconds, shown as a duration.
    Time,
}

/// What is read of a run.
type Of<T> = Box<dyn Fn(&RunSummary, &Profile) -> T>;

type Text = fn(&RunSummary, &Profile) -> String;
type Read = fn(&RunSummary, &Profile) -> Value;

/// Name, heading, unit, text, value. What the table has when none are asked for, in its order, is in [`DEFAULT`].
const COLUMNS: &[(&str, &str, Unit, Text, Read)] = &[
    (
        "run",
        "run",
        Unit::Text,
        |run, _| run.id.clone(),
        |run, _| run.id.as_str().into(),
    ),
    (
        "name",
        "name",
        Unit::Text,
        |_, p| p.name.clone(),
        |_, p| p.name.as_str().into(),
    ),
    (
        "status",
        "status",
        Unit::Text,
        |run, _| run.status.name().into(),
        |run, _| run.status.name().into(),
    ),
    (
        "started",
        "started",
        Unit::Text,
        |_, p| {
            p.run
                .as_ref()
                .map_or_else(String::new, |r| text::local(&r.started))
        },
        |_, p| p.run.as_ref().map(|r| r.started.as_str()).into(),
    ),
    (
        "architecture",
        "architecture",
        Unit::Text,
        |_, p| p.model.architecture.clone(),
        |_, p| p.model.architecture.as_str().into(),
    ),
    (
        "training_mode",
        "mode",
        Unit::Text,
        |_, p| comparison::training_mode(p),
        |_, p| comparison::training_mode(p).into(),
    ),
    (
        "dataset",
        "data",
        Unit::Text,
        |_, p| text::ellipsis(&p.data.name, 24),
        |_, p| p.data.name.as_str().into(),
    ),
    (
        "parameters",
        ">parameters",
        Unit::Number,
        |_, p| {
            p.result
                .as_ref()
                .map_or_else(none, |r| text::grouped(r.parameters))
        },
        |_, p| p.result.as_ref().map(|r| r.parameters).into(),
    ),
    (
        "epochs",
        ">epochs",
        Unit::Number,
        |_, p| format!("{}/{}", p.epochs_done(), p.train.epochs),
        |_, p| p.epochs_done().into(),
    ),
    (
        "best_epoch",
        ">best epoch",
        Unit::Number,
        |_, p| p.best_epoch().map_or_else(none, |e| e.epoch.to_string()),
        |_, p| p.best_epoch().map(|e| e.epoch).into(),
    ),
    (
        "accuracy",
        ">accuracy",
        Unit::Share,
        |_, p| {
            p.accuracy()
                .map_or_else(none, |a| figure::percent(a.accuracy, 2, figure::ANY))
        },
        |_, p| p.accuracy().map(|a| a.accuracy).into(),
    ),
    (
        "accuracy_interval",
        "95 %",
        Unit::Text,
        |_, p| comparison::accuracy_interval(p).map_or_else(none, |i| i.percent(2)),
        |_, p| {
            comparison::accuracy_interval(p)
                .map(|i| i.percent(2))
                .into()
        },
    ),
    (
        "group",
        "group",
        Unit::Text,
        |_, p| group::name_of(p).unwrap_or_default().into(),
        |_, p| group::name_of(p).into(),
    ),
    ("of", "of", Unit::Text, |_, p| of(p), |_, p| of(p).into()),
    (
        "gap",
        ">gap",
        Unit::Points,
        |_, p| gap(p),
        |_, p| p.standing().map(|s| s.gap()).into(),
    ),
    (
        "seconds",
        ">time",
        Unit::Time,
        |_, p| comparison::seconds(p).map_or_else(none, text::seconds),
        |_, p| comparison::seconds(p).into(),
    ),
];

/// What is listed, and what gives way first where the terminal is narrow.
pub(super) const DEFAULT: &[&str] = &[
    "run",
    "status",
    "architecture",
    "training_mode",
    "dataset",
    "parameters",
    "epochs",
    "accuracy",
    "of",
    "gap",
    "macro_f1",
    "seconds",
];

/// Headings in the order in which they give way.
pub(super) const DISPENSABLE: &[&str] = &[
    "parameters",
    "mode",
    "macro F1",
    "architecture",
    "data",
    "time",
    "gap",
    "of",
    "epochs",
    "status",
];

fn none() -> String {
    "–".into()
}

fn of(profile: &Profile) -> String {
    let of = |a: Measured| format!("{}, {}", a.subset.name(), a.weights.short(figure::ANY));
    let untested = profile.untested();
    profile.accuracy().map_or_else(String::new, of)
        + &untested.map_or_else(String::new, |why| format!("; {why}"))
}

fn gap(profile: &Profile) -> String {
    profile.standing().map_or_else(none, |s| {
        let to = if s.subset == Subset::Test {
            " to test"
        } else {
            ""
        };
        figure::signed(100.0 * s.gap(), 2, figure::ANY) + to
    })
}

/// The names of all columns but those of settings.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let metrics = METRICS.iter().map(|m| m.key);
    COLUMNS
        .iter()
        .map(|(name, ..)| *name)
        .chain(metrics.filter(|key| *key != "accuracy"))
}

/// The value of a setting that is left out, or no number; what it is taken to be may be one.
fn of_text(shown: &str, kind: Kind) -> Value {
    if !matches!(kind, Kind::Number(_)) {
        return shown.into();
    }
    let whole = shown.parse::<i64>().map(Value::from);
    whole.unwrap_or_else(|_| shown.parse::<f64>().map_or(Value::Null, Value::from))
}

/// Whether another column or setting has this name too.
fn is_ambiguous(name: &str) -> bool {
    let settings = settings::ALL
        .iter()
        .map(crate::profile::settings::Setting::name);
    let all = names().chain(settings);
    all.filter(|own| *own == name).count() > 1
}

/// The values that runs have in a column of text; none of a column of figures.
pub(crate) fn values_of(name: &str, runs: &[RunSummary]) -> BTreeSet<String> {
    let column = find(name).ok().filter(|c| c.unit == Unit::Text);
    let value = |run: &RunSummary| {
        let value = (column.as_ref()?.value)(run, run.profile.as_ref().ok()?);
        Some(value.as_str()?.to_owned())
    };
    runs.iter().filter_map(value).collect()
}

/// The column of this name or heading: a figure of the list, a metric of the run's scores, or a setting such as
/// `train.epochs`.
///
/// # Errors
/// `Input` when there is none.
pub(super) fn find(name: &str) -> Result<Column> {
    if name.is_empty() {
        let remedy = "such as --columns run,accuracy or --filter accuracy>=90%";
        return Err(Error::input("column", "has no name", remedy));
    }
    let asked = name.replace(['-', ' '], "_").to_lowercase();
    let asked = match asked.as_str() {
        "id" => "run".into(),
        "params" => "parameters".into(),
        _ => asked,
    };
    let is_asked = |own: &str, heading: &str| {
        own == asked
            || heading
                .trim_start_matches('>')
                .replace(' ', "_")
                .to_lowercase()
                == asked
    };
    if let Some((name, heading, unit, text, value)) = COLUMNS
        .iter()
        .find(|(own, heading, ..)| is_asked(own, heading))
    {
        return Ok(Column {
            name: (*name).into(),
            heading: (*heading).into(),
            unit: *unit,
            text: Box::new(text),
            value: Box::new(value),
        });
    }
    if let Some(metric) = METRICS
        .iter()
        .find(|metric| is_asked(metric.key, metric.label))
    {
        return Ok(Column {
            name: metric.key.into(),
            heading: format!(">{}", metric.label),
            unit: match metric.unit {
                metrics::Unit::Share => Unit::Share,
                metrics::Unit::Score | metrics::Unit::Loss => Unit::Number,
            },
            text: Box::new(|_, p| {
                p.known_scores()
                    .map_or_else(none, |s| metric.text(s, 2, figure::ANY))
            }),
            value: Box::new(|_, p| p.known_scores().map(|s| (metric.of)(s)).into()),
        });
    }
    if let Some(setting) = settings::find(name) {
        return Ok(Column {
            name: setting.key.into(),
            heading: if is_ambiguous(setting.name()) {
                setting.key.into()
            } else {
                setting.name().into()
            },
            unit: if matches!(setting.kind, Kind::Number(_)) {
                Unit::Number
            } else {
                Unit::Text
            },
            text: Box::new(|_, p| setting.show(p)),
            value: Box::new(|_, p| match setting.value(p) {
                Some(toml::Value::Integer(n)) => n.into(),
                Some(toml::Value::Float(n)) => n.into(),
                Some(toml::Value::Boolean(is)) => is.into(),
                _ => of_text(&setting.show(p), setting.kind),
            }),
        });
    }
    let known: Vec<&str> = names().collect();
    let settings = settings::ALL.iter().map(|s| s.key);
    let remedy = text::nearest(name, known.iter().copied().chain(settings)).map_or_else(
        || {
            format!(
                "use {}, or a setting such as train.epochs",
                known.join(", ")
            )
        },
        |near| format!("did you mean `{near}`?"),
    );
    Err(Error::input(
        format!("column {}", text::sanitize(name)),
        "is not known",
        remedy,
    ))
}
