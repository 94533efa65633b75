//! `--filter`: words that a run's line has, or a column compared with a value.

use std::cmp::Ordering;

use serde_json::Value;

use super::columns::{self, Column, Unit};
use crate::error::{Error, Result};
use crate::profile::{Profile, Status};
use crate::run::{RunSummary, comparison, group};
use crate::text;

/// Longer ones first, for `<` begins `<=`.
const COMPARISONS: &[&str] = &["!=", ">=", "<=", "=", ">", "<"];

/// One condition.
pub(super) enum Filter {
    /// Each of these is in the run's id, name, status, architecture, training mode or data set.
    Words(Vec<String>),
    /// A column against a value.
    Figure(Column, &'static str, Wanted),
}

/// What was typed beside a comparison, in the column's unit.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    Number(f64),
    /// As [`plain`] writes it.
    Text(String),
}

impl Filter {
    /// Reads `accuracy>=90%`, `status=finished`, `train.seed=3` or words.
    ///
    /// # Errors
    /// `Input` when there is no such column, or the value is none of its.
    pub(super) fn read(text: &str) -> Result<Self> {
        let sign = text.find(['!', '<', '>', '=']);
        let split = sign.and_then(|at| {
            let rest = &text[at..];
            let sign = COMPARISONS.iter().find(|c| rest.starts_with(**c))?;
            Some((&text[..at], *sign, &rest[sign.len()..]))
        });
        if let Some((name, sign, value)) = split {
            let column = columns::find(name.trim())?;
            let wanted = wanted(&column, value.trim())?;
            return Ok(Self::Figure(column, sign, wanted));
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
        let group = group::name_of(p).unwrap_or_default();
        format!(
            "{} {} {mode} {} {group}",
            p.name, p.model.architecture, p.data.name
        )
    });
    format!("{} {} {of_profile}", run.id, run.status.name()).to_lowercase()
}

/// Reads what was typed beside a comparison: a share as `90%` or `0.9`, points as `2` or `2%`, seconds as a number.
fn wanted(column: &Column, typed: &str) -> Result<Wanted> {
    let refused = |is: &str, remedy: String| {
        let value = text::sanitize(typed);
        Error::input(
            format!("--filter {}", column.name),
            format!("`{value}` {is}"),
            remedy,
        )
    };
    let (number, is_percent) = match typed.strip_suffix('%') {
        Some(percent) => (percent.trim(), true),
        None => (typed, false),
    };
    let number = number.parse::<f64>().ok().filter(|n| n.is_finite());
    // The nearest number to the share itself: 81.4 / 100 is another one than 0.814.
    let share = |n: f64| format!("{n}e-2").parse().unwrap_or(n / 100.0);
    let name = &column.name;
    match (column.unit, number) {
        (Unit::Text, _) if name == "status" && !is_status(typed) => {
            let all = Status::ALL.map(Status::name);
            Err(refused(
                "is not a status",
                format!("there are {}", all.join(", ")),
            ))
        }
        (Unit::Text, _) => Ok(Wanted::Text(plain(typed))),
        (Unit::Share, Some(n)) if is_percent => Ok(Wanted::Number(share(n))),
        (Unit::Share, Some(n)) if n.abs() > 1.0 => Err(refused(
            "is more than 1",
            format!("write it as a percentage: {name}>={n}%"),
        )),
        (Unit::Points, Some(n)) => Ok(Wanted::Number(share(n))),
        (Unit::Number | Unit::Time, Some(_)) if is_percent => Err(refused(
            "is a percentage",
            format!("{name} is none: leave out the %"),
        )),
        (_, Some(n)) => Ok(Wanted::Number(n)),
        (Unit::Share, None) => Err(refused("is not a number", format!("write {name}>=90%"))),
        (Unit::Points, None) => Err(refused(
            "is not a number",
            format!("give percentage points: {name}>2"),
        )),
        (Unit::Time, None) => Err(refused(
            "is not a number",
            format!("give seconds: {name}>60"),
        )),
        (Unit::Number, None) => Err(refused("is not a number", format!("write {name}>=10"))),
    }
}

fn is_status(typed: &str) -> bool {
    let is_typed = |status: Status| plain(status.name()) == plain(typed);
    typed == "broken" || Status::ALL.into_iter().any(is_typed)
}

/// A text as it is compared: in any case, lists as they are shown and as they are typed.
fn plain(text: &str) -> String {
    let is_read = |sign: &char| !matches!(sign, '[' | ']' | ' ' | '"');
    text.to_lowercase().chars().filter(is_read).collect()
}

/// A value beside what was typed; `None` for a value that is missing.
fn order_with(value: &Value, wanted: &Wanted) -> Option<Ordering> {
    match (wanted, value) {
        (Wanted::Number(wanted), value) => value.as_f64()?.partial_cmp(wanted),
        (Wanted::Text(_), Value::Null) => None,
        (Wanted::Text(wanted), Value::String(own)) => Some(plain(own).cmp(wanted)),
        (Wanted::Text(wanted), other) => Some(plain(&other.to_string()).cmp(wanted)),
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
        let order_of = |name: &str, value: &Value, typed: &str| {
            order_with(
                value,
                &wanted(&columns::find(name).unwrap(), typed).unwrap(),
            )
        };
        assert_eq!(
            order_of("accuracy", &json!(0.9), "90%"),
            Some(Ordering::Equal)
        );
        assert_eq!(
            order_of("accuracy", &json!(0.814), "81.4%"),
            Some(Ordering::Equal)
        );
        assert_eq!(
            order_of("model.hidden", &json!("100, 50"), "[100,50]"),
            Some(Ordering::Equal)
        );
        assert_eq!(order_of("gap", &json!(0.025), "2"), Some(Ordering::Greater));
        assert_eq!(order_of("epochs", &json!(10), "9"), Some(Ordering::Greater));
        assert_eq!(
            order_of("status", &json!("Finished"), "finished"),
            Some(Ordering::Equal)
        );
        assert_eq!(order_of("epochs", &Value::Null, "9"), None);
        let mut values = [json!(2), Value::Null, json!(10), json!(-1.5)];
        values.sort_by(order);
        assert_eq!(values, [json!(-1.5), json!(2), json!(10), Value::Null]);
    }

    #[test]
    fn a_value_that_is_none_of_the_column_is_refused() {
        for (text, says) in [
            ("accuracy>90", "write it as a percentage: accuracy>=90%"),
            ("accuracy>=high", "write accuracy>=90%"),
            ("gap>wide", "give percentage points"),
            ("epochs=5%", "leave out the %"),
            ("time>1 min", "give seconds: seconds>60"),
            ("train.epochs=many", "is not a number"),
            ("status=done", "there are created, queued, running"),
            (">5", "has no name"),
        ] {
            let error = Filter::read(text).err().map(|e| e.to_string());
            assert!(
                error.as_ref().is_some_and(|e| e.contains(says)),
                "{text}: {error:?}"
            );
        }
        for text in [
            "mode=frozen",
            "data=fashion-mnist",
            "macro f1>0.8",
            "Best-Epoch=3",
        ] {
            assert!(Filter::read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_filter_that_names_no_column_is_refused() {
        assert!(matches!(Filter::read("lenet5 finished"), Ok(Filter::Words(w)) if w.len() == 2));
        for (text, sign) in [
            ("accuracy >= 0.9", ">="),
            ("train.seed!=3", "!="),
            ("status=finished", "="),
        ] {
            assert!(matches!(Filter::read(text), Ok(Filter::Figure(_, s, _)) if s == sign));
        }
        let error = Filter::read("acuracy>0.9").err().unwrap().to_string();
        assert!(error.contains("did you mean `accuracy`?"), "{error}");
    }
}
