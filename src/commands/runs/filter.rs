//! `--filter`: words that a run's line has, or a column compared with a value.

use std::cmp::Ordering;

use serde_json::Value;

use super::columns::{self, Column};
use crate::error::Result;
use crate::profile::Profile;
use crate::run::{RunSummary, comparison};

/// Longer ones first, for `<` begins `<=`.
const COMPARISONS: &[&str] = &["!=", ">=", "<=", "=", ">", "<"];

/// One condition.
pub(super) enum Filter {
    /// Each of these is in the run's id, name, status, architecture, training mode or data set.
    Words(Vec<String>),
    /// A column against a value.
    Figure(Column, &'static str, String),
}

impl Filter {
    /// Reads `accuracy>=90%`, `status=finished`, `train.seed=3` or words.
    ///
    /// # Errors
    /// `Input` when there is no such column.
    pub(super) fn read(text: &str) -> Result<Self> {
        let sign = text.find(['!', '<', '>', '=']);
        let split = sign.and_then(|at| {
            let rest = &text[at..];
            let sign = COMPARISONS.iter().find(|c| rest.starts_with(**c))?;
            Some((&text[..at], *sign, &rest[sign.len()..]))
        });
        if let Some((name, sign, value)) = split {
            let column = columns::find(name.trim())?;
            return Ok(Self::Figure(column, sign, value.trim().to_lowercase()));
        }
        let words = text.split_whitespace().map(str::to_lowercase);
        Ok(Self::Words(words.collect()))
    }

    /// Whether a run is listed. One that cannot be read has no figures.
    pub(super) fn takes(&self, run: &RunSummary) -> bool {
        match (self, &run.profile) {
            (Self::Words(words), profile) => {
                let line = line(run, profile.as_deref().ok());
                words.iter().all(|word| line.contains(word))
            }
            (Self::Figure(column, sign, wanted), Ok(profile)) => {
                let ordering = order_with(&(column.value)(run, profile), wanted);
                match *sign {
                    "=" => ordering == Some(Ordering::Equal),
                    "!=" => ordering != Some(Ordering::Equal),
                    ">" => ordering == Some(Ordering::Greater),
                    "<" => ordering == Some(Ordering::Less),
                    ">=" => ordering.is_some_and(Ordering::is_ge),
                    _ => ordering.is_some_and(Ordering::is_le),
                }
            }
            (Self::Figure(..), Err(_)) => false,
        }
    }
}

fn line(run: &RunSummary, profile: Option<&Profile>) -> String {
    let of_profile = profile.map_or_else(String::new, |p| {
        let mode = comparison::training_mode(p);
        format!("{} {} {mode} {}", p.name, p.model.architecture, p.data.name)
    });
    format!("{} {} {of_profile}", run.id, run.status.name()).to_lowercase()
}

/// A value beside what was typed: numbers as numbers, a percentage as a share, the rest as text in any case.
fn order_with(value: &Value, wanted: &str) -> Option<Ordering> {
    let number = match wanted.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|p| p / 100.0),
        None => wanted.parse::<f64>().ok(),
    };
    match (value.as_f64(), number, value) {
        (Some(own), Some(wanted), _) => own.partial_cmp(&wanted),
        (_, _, Value::String(own)) => Some(own.to_lowercase().as_str().cmp(wanted)),
        _ => None,
    }
}

/// The order of two values of a column: numbers by size, texts by letter, what is missing last.
pub(super) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => a.as_str().cmp(&b.as_str()),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_as_what_they_are() {
        assert_eq!(order_with(&json!(0.9), "90%"), Some(Ordering::Equal));
        assert_eq!(order_with(&json!(10), "9"), Some(Ordering::Greater));
        assert_eq!(
            order_with(&json!("Finished"), "finished"),
            Some(Ordering::Equal)
        );
        assert_eq!(order_with(&Value::Null, "9"), None);
        let mut values = [json!(2), Value::Null, json!(10), json!(-1.5)];
        values.sort_by(order);
        assert_eq!(values, [json!(-1.5), json!(2), json!(10), Value::Null]);
    }

    #[test]
    fn a_filter_that_names_no_column_is_refused() {
        assert!(matches!(Filter::read("lenet5 finished"), Ok(Filter::Words(w)) if w.len() == 2));
        for (text, sign) in [
            ("accuracy >= 0.9", ">="),
            ("train.seed!=3", "!="),
            ("status=", "="),
        ] {
            assert!(matches!(Filter::read(text), Ok(Filter::Figure(_, s, _)) if s == sign));
        }
        let error = Filter::read("acuracy>0.9").err().unwrap().to_string();
        assert!(error.contains("did you mean `accuracy`?"), "{error}");
    }
}
