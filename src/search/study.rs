//! A search as it stands: its trials, their parameters and what was reported of them. Plain data, as the journal has
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::distribution::Distribution;
use crate::text;

/// The attribute with the values that somebody gave a trial, as Optuna's `enqueue_trial` writes it.
pub(crate) const FIXED: &str = "fixed_params";

/// The attribute of a trial that tries again what another, with this number, has lost.
const AGAIN: &str = "fmtui:tries_again";

/// Whether less or more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Minimize,
    Maximize,
}

impl Direction {
    /// A value so that less is better; what is no number is worst.
    #[must_use]
    pub(crate) fn loss(self, value: f64) -> f64 {
        match self {
            _ if value.is_nan() => f64::INFINITY,
            Self::Minimize => value,
            Self::Maximize => -value,
        }
    }

    #[must_use]
    pub(crate) fn is_better(self, one: f64, than: f64) -> bool {
        self.loss(one) < self.loss(than)
    }
}

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Complete,
    Pruned,
    Failed,
    Waiting,
}

impl State {
    #[must_use]
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Complete | Self::Pruned | Self::Failed)
    }

    /// In a word.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
        }
    }
}

/// A parameter of a trial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assigned {
    pub name: Arc<str>,
    pub distribution: Arc<Distribution>,
    /// As [`Distribution::inside`] has it.
    pub inside: f64,
}

impl Assigned {
    /// Whether the value is a whole number by its kind, not by chance.
    #[must_use]
    pub(crate) fn is_whole(&self) -> bool {
        match &*self.distribution {
            Distribution::Number(range) => range.is_whole,
            Distribution::Choice(_) => self.value().is_i64(),
        }
    }

    /// The value as people write it.
    #[must_use]
    pub(crate) fn value(&self) -> Value {
        self.distribution.value(self.inside)
    }

    /// The value in a few columns.
    #[must_use]
    pub(crate) fn short(&self) -> String {
        short(&self.value())
    }
}

/// A parameter's value in a few columns: numbers to three digits.
#[must_use]
pub(crate) fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text::sanitize(text),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(String::new, short_number)
        }
        other => other.to_string(),
    }
}

/// Three digits, in the way that needs the fewest columns.
fn short_number(value: f64) -> String {
    match value.abs() {
        zero if zero < 1e-12 => "0".into(),
        usual if (0.01..1e4).contains(&usual) => {
            let decimals = if usual < 0.1 { 4 } else { 3 };
            let digits = format!("{value:.decimals$}");
            let digits = digits.trim_end_matches('0').trim_end_matches('.');
            digits.to_owned()
        }
        _ => text::figure::learning_rate(value, 9),
    }
}

/// One try.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trial {
    /// Within the journal, over all its studies.
    pub id: usize,
    /// Within its study, from 0.
    pub number: usize,
    pub state: State,
    /// One for each objective; empty as long as there are none.
    pub values: Vec<f64>,
    pub parameters: Vec<Assigned>,
    /// What was reported at which step, in the order of the steps.
    pub reports: Vec<(i64, f64)>,
    pub user: BTreeMap<String, Value>,
    pub system: BTreeMap<String, Value>,
    /// **Units** seconds since 1970.
    pub started: Option<f64>,
    pub ended: Option<f64>,
}

impl Trial {
    #[must_use]
    pub(crate) fn parameter(&self, name: &str) -> Option<&Assigned> {
        self.parameters.iter().find(|p| &*p.name == name)
    }

    #[must_use]
    pub(crate) fn inside(&self, name: &str) -> Option<f64> {
        self.parameter(name).map(|parameter| parameter.inside)
    }

    /// The attributes of a trial that waits to try the same again; none where this one does so already.
    #[must_use]
    pub(crate) fn again(&self) -> Option<Vec<(String, Value)>> {
        if self.system.contains_key(AGAIN) {
            return None;
        }
        let values = self.parameters.iter();
        let values = values.map(|parameter| (parameter.name.to_string(), parameter.value()));
        let values: serde_json::Map<String, Value> = values.collect();
        Some(vec![
            (FIXED.into(), Value::Object(values)),
            (AGAIN.into(), self.number.into()),
        ])
    }

    /// Its value where there is one objective.
    #[must_use]
    pub(crate) fn value(&self) -> Option<f64> {
        self.values.first().copied()
    }

    /// How long it has taken, so far where it is not over.
    ///
    /// **Units** seconds.
    #[must_use]
    pub(crate) fn seconds(&self) -> Option<f64> {
        let ended = self.ended.or((!self.state.is_over()).then(text::now))?;
        Some((ended - self.started?).max(0.0))
    }

    /// Its value, or what it reported last.
    #[must_use]
    pub(crate) fn newest(&self) -> Option<f64> {
        self.value().or(self.last_report().map(|report| report.1))
    }

    #[must_use]
    pub(crate) fn last_report(&self) -> Option<(i64, f64)> {
        self.reports.last().copied()
    }

    #[must_use]
    pub(crate) fn report_at(&self, step: i64) -> Option<f64> {
        let at = self.reports.binary_search_by_key(&step, |r| r.0).ok()?;
        self.reports.get(at).map(|report| report.1)
    }

    pub(super) fn report(&mut self, step: i64, value: f64) {
        match self.reports.binary_search_by_key(&step, |r| r.0) {
            Ok(at) => self.reports[at].1 = value,
            Err(at) => self.reports.insert(at, (step, value)),
        }
    }
}

/// A search.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Study {
    pub name: String,
    /// One for each objective.
    pub directions: Vec<Direction>,
    /// In the order of their numbers.
    pub trials: Vec<Trial>,
    pub user: BTreeMap<String, Value>,
    pub system: BTreeMap<String, Value>,
}

impl Study {
    /// How many trials there are, of which some try again what others have lost: that counts once.
    #[must_use]
    pub(crate) fn counted(&self) -> usize {
        let is_again = |trial: &&Trial| trial.system.contains_key(AGAIN);
        self.trials.len() - self.trials.iter().filter(is_again).count()
    }

    /// How many of them somebody gave their values.
    #[must_use]
    pub(crate) fn given(&self) -> usize {
        let has = |trial: &&Trial, key| trial.system.contains_key(key);
        let is_given = |trial: &&Trial| has(trial, FIXED) && !has(trial, AGAIN);
        self.trials.iter().filter(is_given).count()
    }

    #[must_use]
    pub(crate) fn new(name: &str, directions: Vec<Direction>) -> Self {
        Self {
            name: name.into(),
            directions,
            trials: Vec::new(),
            user: BTreeMap::new(),
            system: BTreeMap::new(),
        }
    }

    /// The direction of its first objective.
    #[must_use]
    pub(crate) fn direction(&self) -> Direction {
        self.directions
            .first()
            .copied()
            .unwrap_or(Direction::Minimize)
    }

    /// The trials that are over.
    pub(crate) fn over(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| trial.state.is_over())
    }

    #[must_use]
    pub(crate) fn count(&self, state: State) -> usize {
        self.trials.iter().filter(|t| t.state == state).count()
    }

    /// The best complete trial, the earliest of equal ones, where there is one objective.
    #[must_use]
    pub(crate) fn best(&self) -> Option<&Trial> {
        let direction = self.direction();
        let loss = |trial: &&Trial| trial.value().map_or(f64::INFINITY, |v| direction.loss(v));
        self.trials
            .iter()
            .filter(|trial| trial.state == State::Complete && loss(trial).is_finite())
            .min_by(|one, two| loss(one).total_cmp(&loss(two)))
    }

    /// The complete trials of which none is better in one objective without being worse in another, in their order.
    #[must_use]
    pub(crate) fn pareto_front(&self) -> Vec<&Trial> {
        let losses = |trial: &Trial| -> Vec<f64> {
            let both = trial.values.iter().zip(&self.directions);
            both.map(|(value, direction)| direction.loss(*value))
                .collect()
        };
        let complete: Vec<(&Trial, Vec<f64>)> = self
            .trials
            .iter()
            .filter(|t| t.state == State::Complete && t.values.len() == self.directions.len())
            .map(|trial| (trial, losses(trial)))
            .filter(|(_, losses)| losses.iter().all(|loss| loss.is_finite()))
            .collect();
        let dominates = |one: &[f64], two: &[f64]| {
            let mut pairs = one.iter().zip(two);
            pairs.clone().all(|(a, b)| a <= b) && pairs.any(|(a, b)| a < b)
        };
        complete
            .iter()
            .filter(|(_, own)| !complete.iter().any(|(_, other)| dominates(other, own)))
            .map(|(trial, _)| *trial)
            .collect()
    }
}
