//! Which values a parameter takes, as Optuna knows and writes them: a range of numbers, or a choice.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// The values of a parameter. Inside a search each is a number: itself, or the index of a choice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Distribution {
    Number(Range),
    Choice(Vec<Value>),
}

/// The numbers from `low` to `high`, both among them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub low: f64,
    pub high: f64,
    /// As many are tried between 0.001 and 0.01 as between 0.1 and 1.
    pub log: bool,
    /// Only `low` and so many steps more; 1 for whole numbers of which all are meant.
    pub step: Option<f64>,
    pub is_whole: bool,
}

impl Range {
    /// How many values there are, where they can be counted.
    #[must_use]
    pub(crate) fn count(&self) -> Option<u64> {
        let steps = (self.high - self.low) / self.step?;
        // A count: a step of the decimal system divides a range only nearly.
        Some(whole((steps + 1e-8).floor()).saturating_add(1))
    }

    /// The value that comes so many steps after the lowest.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53")]
    pub(crate) fn nth(&self, index: u64) -> f64 {
        let value = self.low + index as f64 * self.step.unwrap_or(1.0);
        value.min(self.high)
    }

    /// The nearest value that there is.
    #[must_use]
    pub(crate) fn nearest(&self, value: f64) -> f64 {
        let value = match self.step {
            Some(step) => {
                let steps = ((value - self.low) / step).round();
                let last = self.count().map_or(0.0, |n| to_f64(n - 1));
                self.low + steps.clamp(0.0, last) * step
            }
            None => value,
        };
        value.clamp(self.low, self.high)
    }

    /// A value on the axis on which it is searched: itself, or its logarithm.
    #[must_use]
    pub(crate) fn on_axis(&self, value: f64) -> f64 {
        if self.log { value.ln() } else { value }
    }

    /// The value at a point of the axis.
    #[must_use]
    pub(crate) fn off_axis(&self, point: f64) -> f64 {
        self.nearest(if self.log { point.exp() } else { point })
    }

    /// Both ends of the axis; values that come in steps reach half a step around themselves.
    #[must_use]
    pub(crate) fn axis(&self) -> (f64, f64) {
        let half = self.step.map_or(0.0, |step| step / 2.0);
        (
            self.on_axis(self.low - half),
            self.on_axis(self.high + half),
        )
    }

    /// The value at a share of the axis.
    ///
    /// **Units** `share` from 0 to 1.
    #[must_use]
    pub(crate) fn at(&self, share: f64) -> f64 {
        let (low, high) = self.axis();
        self.off_axis(low + share * (high - low))
    }

    #[must_use]
    pub(crate) fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value) && (!self.is_whole || value.fract() == 0.0)
    }

    fn is_single(&self) -> bool {
        self.low >= self.high || self.count() == Some(1)
    }

    fn number(&self, value: f64) -> Value {
        if self.is_whole {
            json!(to_i64(value))
        } else {
            json!(value)
        }
    }
}

impl Distribution {
    /// Whether there is but one value.
    #[must_use]
    pub(crate) fn is_single(&self) -> bool {
        match self {
            Self::Number(range) => range.is_single(),
            Self::Choice(choices) => choices.len() <= 1,
        }
    }

    /// A value as people write it.
    #[must_use]
    pub(crate) fn value(&self, inside: f64) -> Value {
        match self {
            Self::Number(range) => range.number(inside),
            Self::Choice(choices) => index(inside)
                .and_then(|at| choices.get(at))
                .cloned()
                .unwrap_or(Value::Null),
        }
    }

    /// The number that a value is inside a search; none where it is not one of these values.
    #[must_use]
    pub(crate) fn inside(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Number(range) => value.as_f64().filter(|v| range.contains(*v)),
            Self::Choice(choices) => {
                let at = choices.iter().position(|choice| is_same(choice, value))?;
                Some(to_f64(at as u64))
            }
        }
    }

    /// Whether values of both can stand in one search under one name, as Optuna has it.
    #[must_use]
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => {
                (one.is_whole, one.log) == (two.is_whole, two.log)
            }
            (Self::Choice(_), Self::Choice(_)) => self == other,
            _ => false,
        }
    }

    /// As Optuna's `distribution_to_json` writes it.
    #[must_use]
    pub(crate) fn to_json(&self) -> String {
        let (name, attributes) = match self {
            Self::Choice(choices) => ("CategoricalDistribution", json!({ "choices": choices })),
            Self::Number(range) => {
                let name = if range.is_whole {
                    "IntDistribution"
                } else {
                    "FloatDistribution"
                };
                let attributes = json!({
                    "step": range.step.map(|step| range.number(step)),
                    "low": range.number(range.low),
                    "high": range.number(range.high),
                    "log": range.log,
                });
                (name, attributes)
            }
        };
        json!({ "name": name, "attributes": attributes }).to_string()
    }

    /// Reads what Optuna writes, those of its first versions too.
    ///
    /// # Errors
    /// `Input` naming what it cannot read.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::input(
                format!("the distribution {text}"),
                "is none that fmtui knows",
                "use a study of Optuna 2.0 to 5.x",
            )
        };
        let whole: Value = serde_json::from_str(text).map_err(|_| bad())?;
        let (name, of) = match (whole["name"].as_str(), whole["attributes"].as_object()) {
            (Some(name), Some(of)) => (name, of),
            _ => (
                whole["type"].as_str().ok_or_else(bad)?,
                whole.as_object().ok_or_else(bad)?,
            ),
        };
        Self::read(name, of).ok_or_else(bad)
    }

    fn read(name: &str, of: &Map<String, Value>) -> Option<Self> {
        let number = |key: &str| of.get(key).and_then(Value::as_f64);
        let is_log = of.get("log").and_then(Value::as_bool).unwrap_or(false);
        let (is_whole, log, step) = match name {
            "CategoricalDistribution" | "categorical" => {
                let choices = of.get("choices")?.as_array()?.clone();
                return (!choices.is_empty()).then_some(Self::Choice(choices));
            }
            "FloatDistribution" | "float" => (false, is_log, number("step")),
            "IntDistribution" | "int" => (true, is_log, number("step").or(Some(1.0))),
            "UniformDistribution" => (false, false, None),
            "LogUniformDistribution" => (false, true, None),
            "DiscreteUniformDistribution" => (false, false, number("q")),
            "IntUniformDistribution" => (true, false, number("step").or(Some(1.0))),
            "IntLogUniformDistribution" => (true, true, Some(1.0)),
            _ => return None,
        };
        let range = Range {
            low: number("low")?,
            high: number("high")?,
            log,
            step,
            is_whole,
        };
        let is_good = range.low <= range.high
            && range.step.is_none_or(|step| step > 0.0)
            && !(log && range.low <= 0.0);
        is_good.then_some(Self::Number(range))
    }
}

/// Whether two values are the same; 1 and 1.0 are.
fn is_same(one: &Value, two: &Value) -> bool {
    one == two || one.as_f64().is_some_and(|one| two.as_f64() == Some(one))
}

/// The index of a choice.
#[must_use]
pub(crate) fn index(inside: f64) -> Option<usize> {
    let is_one = inside >= 0.0 && inside.fract() == 0.0 && inside < 1e9;
    is_one
        .then(|| usize::try_from(whole(inside)).ok())
        .flatten()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, which saturates"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^53")]
fn to_i64(number: f64) -> i64 {
    number as i64
}

#[expect(clippy::cast_precision_loss, reason = "a count below 2^53")]
pub(super) fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(low: f64, high: f64) -> Range {
        Range {
            low,
            high,
            log: false,
            step: None,
            is_whole: false,
        }
    }

    #[test]
    fn what_optuna_writes_is_read_and_written() {
        // optuna.distributions.distribution_to_json of Optuna 5.0.
        for text in [
            r#"{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}"#,
            r#"{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.7, "log": false}}"#,
            r#"{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 8, "high": 128}}"#,
            r#"{"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", null, true, 3, 0.5]}}"#,
        ] {
            let read = Distribution::parse(text).unwrap();
            let written: Value = serde_json::from_str(&read.to_json()).unwrap();
            assert_eq!(written, serde_json::from_str::<Value>(text).unwrap());
        }
        let old =
            r#"{"name": "IntUniformDistribution", "attributes": {"low": 2, "high": 9, "step": 3}}"#;
        let Distribution::Number(read) = Distribution::parse(old).unwrap() else {
            panic!("{old}")
        };
        assert_eq!((read.is_whole, read.count()), (true, Some(3)));
        for bad in ["", "{}", r#"{"name":"FloatDistribution","attributes":{}}"#] {
            assert!(Distribution::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_go_in_and_out() {
        let choice = Distribution::Choice(vec![json!("sgd"), json!(1), json!(false)]);
        for (at, value) in [json!("sgd"), json!(1.0), json!(false)].iter().enumerate() {
            assert_eq!(choice.inside(value), Some(at as f64));
        }
        assert_eq!(choice.inside(&json!("adam")), None);
        assert_eq!(choice.value(2.0), json!(false));
        let number = Distribution::Number(Range {
            is_whole: true,
            step: Some(1.0),
            ..range(1.0, 10.0)
        });
        assert_eq!(number.value(7.0), json!(7));
        assert_eq!(number.inside(&json!(11)), None);
    }

    proptest::proptest! {
        #[test]
        fn every_share_is_a_value(
            low in 1_u32..50, more in 0_u32..200, step in 1_u32..7, share in 0.0..=1.0_f64, kind in 0..4
        ) {
            let (low, high) = (f64::from(low), f64::from(low + more));
            let steps = Some(f64::from(step));
            let range = match kind {
                0 => range(low, high),
                1 => Range { log: true, ..range(low, high) },
                2 => Range { is_whole: true, step: steps, ..range(low, high) },
                _ => Range { is_whole: true, log: true, step: Some(1.0), ..range(low, high) },
            };
            let value = range.at(share);
            proptest::prop_assert!(range.contains(value), "{range:?} at {share}: {value}");
            proptest::prop_assert_eq!(range.nearest(value), value);
            if let Some(count) = range.count() {
                let all: Vec<f64> = (0..count).map(|at| range.nth(at)).collect();
                proptest::prop_assert!(all.contains(&value), "{all:?} {value}");
            }
        }
    }
}
