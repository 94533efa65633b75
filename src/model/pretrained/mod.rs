//! Weights to start from: read from a file of another program, named as fmtui names them, laid beside what a network needs.
//!
//! Nothing is loaded before everything fits. Knows files and names; who sets the weights is `train`'s concern.

pub mod file;
pub mod known;
mod pickle;
mod torch;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::state::{Array, Shapes, StateDict, shapes};
use crate::text;

/// The mismatches that are named before a file is refused.
const NAMED: usize = 3;

/// What became of every array.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fitting {
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
}

impl Fitting {
    /// In a line for people.
    #[must_use]
    pub fn summary(&self) -> String {
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
        format!(
            "{} loaded ({} numbers){}{}{}",
            text::count(self.loaded.len(), "array"),
            text::grouped(loaded as u64),
            some("folded from three channels to one", &self.folded),
            some("new", &self.new),
            some("skipped", &self.skipped)
        )
    }
}

/// Lays weights of a file over a network's fresh ones. `heads` are the names of its last layer's arrays, which stay fresh
/// unless `keep_head`.
///
/// # Errors
/// As [`pair`], and `Input` when the file holds what is no number.
pub fn fit(
    source: &str,
    fresh: StateDict,
    mut found: StateDict,
    heads: &[String],
    keep_head: bool,
) -> Result<Fitting> {
    let pairs = pair(source, &shapes(&fresh), &shapes(&found), heads, keep_head)?;
    let mut fitting = Fitting {
        weights: fresh,
        ..Fitting::default()
    };
    for (name, own) in &mut fitting.weights {
        let Some(array) = pairs.get(name).and_then(|theirs| found.remove(theirs)) else {
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
        .collect();
    Ok(fitting)
}

/// The name in a file of every array of a network that is taken from there, by the network's names. `heads` stay fresh unless
/// `keep_head`. Looks at shapes alone, so that a header will do.
///
/// # Errors
/// `Input` with the first three mismatches when an array of the network is missing or has another shape.
pub fn pair(
    source: &str,
    own: &Shapes,
    found: &Shapes,
    heads: &[String],
    keep_head: bool,
) -> Result<BTreeMap<String, String>> {
    let mut known = renamed(found);
    let mut pairs = BTreeMap::new();
    let mut mismatches = Vec::new();
    let mut only_last = true;
    for (name, shape) in own {
        let is_head = heads.contains(name);
        if is_head && !keep_head {
            continue;
        }
        let theirs = alias(name, &known).and_then(|name| known.remove(&name));
        let mismatch = match theirs {
            Some(theirs) => match &found[theirs] {
                there if Reshaping::between(there, shape).is_some() => {
                    pairs.insert(name.clone(), theirs.clone());
                    continue;
                }
                there => format!("{name} is {there:?} there and {shape:?} here"),
            },
            None => format!("{name} is missing there"),
        };
        only_last &= is_head;
        mismatches.push(mismatch);
    }
    // More of what is loaded, such as a deeper network's blocks; what is behind it, such as another head, may be left out.
    let stage = |name: &str| name.split('.').next().unwrap_or_default().to_string();
    let stages: BTreeSet<String> = pairs.keys().map(|name| stage(name)).collect();
    for name in known.keys() {
        if stages.contains(&stage(name)) && !name.ends_with("num_batches_tracked") {
            only_last = false;
            mismatches.push(format!("{} is missing here", text::sanitize(name)));
        }
    }
    if mismatches.is_empty() {
        return Ok(pairs);
    }
    let more = match mismatches.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    mismatches.truncate(NAMED);
    Err(Error::input(
        text::sanitize(source),
        format!("does not fit this network: {}{more}", mismatches.join(", ")),
        if only_last {
            "leave model.keep_head out, so that the last layer begins anew"
        } else {
            "choose the architecture, stem and channels it was made for"
        },
    ))
}

fn check_finite(source: &str, name: &str, values: &[f32]) -> Result<()> {
    let Some(value) = values.iter().find(|value| !value.is_finite()) else {
        return Ok(());
    };
    Err(Error::input(
        text::sanitize(source),
        format!("holds {value} in {name}: these weights are spoiled"),
        "choose others",
    ))
}

fn with_shape(name: &str, shape: &[usize]) -> String {
    format!("{name} {}", text::shape(shape)).trim_end().into()
}

/// The file's names, by what they are without what a wrapper put before all of them, and with timm's names of VGG's head as
/// torchvision's.
fn renamed(found: &Shapes) -> BTreeMap<String, &String> {
    let timm = [
        ("pre_logits.fc1.", "classifier.0."),
        ("pre_logits.fc2.", "classifier.3."),
        ("head.fc.", "classifier.6."),
    ];
    let mut names: Vec<(&str, &String)> = found.keys().map(|name| (name.as_str(), name)).collect();
    for prefix in ["module.", "_orig_mod.", "model.", "module."] {
        if names.iter().all(|(name, _)| name.starts_with(prefix)) {
            for (name, _) in &mut names {
                *name = &name[prefix.len()..];
            }
        }
    }
    let rename = |(name, theirs): (&str, _)| {
        let with = timm
            .iter()
            .find_map(|(from, to)| name.strip_prefix(from).map(|rest| format!("{to}{rest}")));
        (with.unwrap_or_else(|| name.into()), theirs)
    };
    names.into_iter().map(rename).collect()
}

/// The name in the file of an array of the network: the same, or another name of a last layer.
fn alias(name: &str, known: &BTreeMap<String, &String>) -> Option<String> {
    let last = ["fc.", "linear.", "classifier.", "head."];
    let others = last
        .iter()
        .filter_map(|from| name.strip_prefix(*from))
        .flat_map(|rest| last.map(|to| format!("{to}{rest}")));
    std::iter::once(name.to_string())
        .chain(others)
        .find(|name| known.contains_key(name))
}

/// How an array of the file becomes one of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshaping {
    /// The same numbers in the same order; a convolution's as a linear layer's.
    Same,
    /// Three input channels added up to one, which sees the same in a grey picture that three would see in its repetition.
    Folded,
}

impl Reshaping {
    /// None where the shapes do not go together.
    #[must_use]
    pub fn between(from: &[usize], to: &[usize]) -> Option<Self> {
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
