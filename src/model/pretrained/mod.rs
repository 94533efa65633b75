//! Weights to start from: read from a file of another program, named as fmtui names them, laid beside what a network
//! needs.
//!
//! Nothing is loaded before everything fits. Knows files and names; who sets the weights is `train`'s concern.

pub(crate) mod catalog;
pub(crate) mod file;
pub(crate) mod pairing;
mod tensors;
mod torch;

use crate::error::{Error, Result};
use crate::state::{Array, Shapes, StateDict, shapes};
use crate::text;

pub(crate) use pairing::{Pairing, pair};

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The floating-point tensors in f32, by the names they have there.
    pub weights: StateDict,
    /// Tensors that weights cannot be, in the file's order.
    pub foreign: Vec<Foreign>,
}

impl From<StateDict> for Found {
    fn from(weights: StateDict) -> Self {
        let foreign = Vec::new();
        Self { weights, foreign }
    }
}

impl Found {
    /// As [`pair`]; a refusal tells what was left out of the file too, for it may be what is missing.
    ///
    /// # Errors
    /// As [`pair`].
    pub fn pair(
        &self,
        source: &str,
        own: &Shapes,
        heads: &[String],
        keep_head: bool,
    ) -> Result<Pairing> {
        let paired = pair(source, own, &shapes(&self.weights), heads, keep_head);
        paired.map_err(|refusal| match refusal {
            Error::Input {
                subject,
                problem,
                remedy,
            } if !self.foreign.is_empty() => {
                let foreign = self.foreign.iter().take(3);
                let named: Vec<String> = foreign.map(Foreign::to_string).collect();
                let more = if self.foreign.len() > 3 { ", …" } else { "" };
                Error::Input {
                    subject,
                    problem: format!("{problem}; left out: {}{more}", named.join(", ")),
                    remedy,
                }
            }
            other => other,
        })
    }
}

/// A tensor of a file that weights cannot be, and is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub name: String,
    /// What it is instead, such as `complex numbers`.
    pub kind: String,
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", shown(&self.name), self.kind)
    }
}

/// What became of every array.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fitting {
    /// A network's weights with what the file had in place of its own.
    pub weights: StateDict,
    /// Taken from the file.
    pub loaded: Vec<String>,
    /// Of the network, and still as freshly drawn: name and shape.
    pub new: Vec<String>,
    /// Of the file, and not used: name and shape.
    pub skipped: Vec<String>,
    /// Taken from the file with three input channels added up to one.
    pub folded: Vec<String>,
    /// What the names of the loaded arrays begin with in the file.
    pub beneath: String,
    /// What in the file would have fitted as well, in words.
    pub others: String,
}

impl Fitting {
    /// In a line for people.
    #[must_use]
    pub(crate) fn summary(&self) -> String {
        let some = |what: &str, names: &[String]| match names {
            [] => String::new(),
            names if names.len() <= 4 => format!(", {} {what} ({})", names.len(), names.join(", ")),
            names => format!(", {} {what} ({}, …)", names.len(), names[..3].join(", ")),
        };
        let loaded: usize = self
            .loaded
            .iter()
            .map(|name| self.weights[name].values.len())
            .sum();
        let beneath = match self.beneath.as_str() {
            "" => String::new(),
            beneath => format!(" from {}.*", text::sanitize(beneath)),
        };
        let others = match self.others.as_str() {
            "" => String::new(),
            others => format!("; {others}"),
        };
        format!(
            "{} loaded ({} numbers){beneath}{}{}{}{others}",
            text::count(self.loaded.len(), "array"),
            text::grouped(loaded as u64),
            some("folded from three channels to one", &self.folded),
            some("new", &self.new),
            some("skipped", &self.skipped)
        )
    }
}

/// Lays weights of a file over a network's fresh ones. `heads` are the names of its last layer's arrays, which stay
/// fresh unless `keep_head`.
///
/// # Errors
/// As [`pair`], and `Input` when the file holds what is no number.
pub(crate) fn fit(
    source: &str,
    fresh: StateDict,
    found: impl Into<Found>,
    heads: &[String],
    keep_head: bool,
) -> Result<Fitting> {
    let found = found.into();
    let pairing = found.pair(source, &shapes(&fresh), heads, keep_head)?;
    let Found {
        weights: mut found,
        foreign,
    } = found;
    let mut fitting = Fitting {
        weights: fresh,
        others: pairing.told_others(),
        beneath: pairing.beneath,
        ..Fitting::default()
    };
    for (name, own) in &mut fitting.weights {
        let Some(array) = pairing
            .pairs
            .get(name)
            .and_then(|theirs| found.remove(theirs))
        else {
            fitting.new.push(with_shape(name, &own.shape));
            continue;
        };
        own.values = match Reshaping::between(&array.shape, &own.shape) {
            Some(Reshaping::Folded) => {
                fitting.folded.push(name.clone());
                folded(&array)
            }
            _ => array.values,
        };
        check_finite(source, name, &own.values)?;
        fitting.loaded.push(name.clone());
    }
    fitting.skipped = found
        .into_iter()
        .map(|(name, array)| with_shape(&text::sanitize(&name), &array.shape))
        .chain(foreign.iter().map(Foreign::to_string))
        .collect();
    Ok(fitting)
}

fn check_finite(source: &str, name: &str, values: &[f32]) -> Result<()> {
    let Some(value) = values.iter().find(|value| !value.is_finite()) else {
        return Ok(());
    };
    Err(Error::input(
        text::sanitize(source),
        format!("holds {value} in {name}: the weights are corrupt"),
        "choose others",
    ))
}

/// A name of a file for people.
fn shown(name: &str) -> String {
    text::ellipsis(&text::sanitize(name), 60)
}

fn with_shape(name: &str, shape: &[usize]) -> String {
    format!("{name} {}", text::shape(shape)).trim_end().into()
}

/// How an array of the file becomes one of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reshaping {
    /// The same numbers in the same order; a convolution's as a linear layer's.
    Same,
    /// Three input channels added up to one, which sees the same in a grey image that three would see in its
    /// repetition.
    Folded,
}

impl Reshaping {
    /// None where the shapes do not go together.
    #[must_use]
    pub(crate) fn between(from: &[usize], to: &[usize]) -> Option<Self> {
        match (from, to) {
            _ if from == to => Some(Self::Same),
            ([out, inner @ ..], [o, i])
                if out == o && inner.len() == 3 && inner.iter().product::<usize>() == *i =>
            {
                Some(Self::Same)
            }
            ([out, 3, h, w], [o, 1, h2, w2]) if (out, h, w) == (o, h2, w2) => Some(Self::Folded),
            _ => None,
        }
    }
}

/// A convolution's weights `[out, 3, h, w]` with the input channels added up: `[out, 1, h, w]`.
fn folded(array: &Array) -> Vec<f32> {
    let area: usize = array.shape[2..].iter().product();
    let sum = |filter: &[f32], i: usize| filter[i] + filter[area + i] + filter[2 * area + i];
    let filters = array.values.chunks_exact(3 * area);
    filters
        .flat_map(|filter| (0..area).map(move |i| sum(filter, i)))
        .collect()
}

/// A number of 16 bits, IEEE's binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 31), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests;
