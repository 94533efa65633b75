//! What is wrong with a layer, in words that name no place: whoever knows the place adds it.

use std::fmt::Display;

use crate::error::Error;

/// A layer that does not fit its input, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub problem: String,
    pub remedy: String,
}

impl Fault {
    #[must_use]
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

/// A number of a layer that is out of its range.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfRange {
    field: &'static str,
    value: String,
    range: String,
}

impl OutOfRange {
    /// As the refusal of a profile whose layer lies at `path`.
    #[must_use]
    pub fn at(self, path: &str) -> Error {
        Error::input(
            format!("{path}.{}", self.field),
            format!("is {}", self.value),
            format!("give a number from {}", self.range),
        )
    }
}

impl From<OutOfRange> for Fault {
    fn from(number: OutOfRange) -> Self {
        Self::new(
            format!("{} = {} is out of range", number.field, number.value),
            format!("use {}", number.range),
        )
    }
}

/// Refuses a number below `low` or above `high`; NaN is never within.
pub(super) fn within<T: PartialOrd + Display + Copy>(
    field: &'static str,
    value: T,
    low: T,
    high: T,
) -> Result<(), OutOfRange> {
    if value >= low && value <= high {
        return Ok(());
    }
    Err(OutOfRange {
        field,
        value: value.to_string(),
        range: format!("{low} to {high}"),
    })
}
