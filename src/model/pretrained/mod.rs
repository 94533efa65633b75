//! Weights to start from: read from a file of another program, named as fmtui names them, laid beside what a network needs.
//!
//! Nothing is loaded before everything fits. Knows files and names; who sets the weights is `train`'s concern.

pub mod file;
pub mod known;
mod pickle;
mod torch;

use crate::error::{Error, Result};
use crate::state::{Array, StateDict};
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
/// `Input` with the first three mismatches when an array of the network is missing or has another shape, or holds what is no number.
pub fn fit(
    source: &str,
    fresh: StateDict,
    found: StateDict,
    heads: &[String],
    keep_head: bool,
) -> Result<Fitting> {
    let mut found = renamed(found);
    let mut fitting = Fitting {
        weights: fresh,
        ..Fitting::default()
    };
    let mut mismatches = Vec::new();
    let mut only_last = true;
    for (name, own) in &mut fitting.weights {
        let is_head = heads.contains(name);
        if is_head && !keep_head {
            fitting.new.push(with_shape(name, &own.shape));
            continue;
        }
        let key = alias(name, &found);
        let mismatch = match key.and_then(|key| found.remove(&key)) {
            Some(array) => {
                let length = array.values.len();
                match shaped(array, &own.shape) {
                    Ok(values) => {
                        check_finite(source, name, &values)?;
                        if values.len() < length {
                            fitting.folded.push(name.clone());
                        }
                        own.values = values;
                        fitting.loaded.push(name.clone());
                        continue;
                    }
                    Err(shape) => format!("{name} is {shape:?} there and {:?} here", own.shape),
                }
            }
            None => format!("{name} is missing there"),
        };
        only_last &= is_head;
        mismatches.push(mismatch);
    }
    if !mismatches.is_empty() {
        let more = match mismatches.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        mismatches.truncate(NAMED);
        return Err(Error::input(
            text::sanitize(source),
            format!("does not fit this network: {}{more}", mismatches.join(", ")),
            if only_last {
                "leave model.keep_head out, so that the last layer begins anew"
            } else {
                "choose the architecture, stem and channels it was made for"
            },
        ));
    }
    fitting.skipped = found
        .into_iter()
        .map(|(name, array)| with_shape(&text::sanitize(&name), &array.shape))
        .collect();
    Ok(fitting)
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
    if shape.is_empty() {
        return name.into();
    }
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("{name} {}", sides.join("×"))
}

/// The names of the file without what a wrapper put before all of them, and timm's names of VGG's head as torchvision's.
fn renamed(found: StateDict) -> StateDict {
    let mut found = found;
    for prefix in ["module.", "_orig_mod.", "model.", "module."] {
        if !found.is_empty() && found.keys().all(|name| name.starts_with(prefix)) {
            found = found
                .into_iter()
                .map(|(name, array)| (name[prefix.len()..].to_string(), array))
                .collect();
        }
    }
    let timm = [
        ("pre_logits.fc1.", "classifier.0."),
        ("pre_logits.fc2.", "classifier.3."),
        ("head.fc.", "classifier.6."),
    ];
    let rename = |(name, array): (String, Array)| {
        let with = timm
            .iter()
            .find_map(|(from, to)| name.strip_prefix(from).map(|rest| format!("{to}{rest}")));
        (with.unwrap_or(name), array)
    };
    found.into_iter().map(rename).collect()
}

/// The name in the file of an array of the network: the same, or another name of a last layer.
fn alias(name: &str, found: &StateDict) -> Option<String> {
    let last = ["fc.", "linear.", "classifier.", "head."];
    let others = last
        .iter()
        .filter_map(|from| name.strip_prefix(*from))
        .flat_map(|rest| last.map(|to| format!("{to}{rest}")));
    std::iter::once(name.to_string())
        .chain(others)
        .find(|name| found.contains_key(name))
}

/// The values in the wanted shape: as they are, a convolution's as a linear layer's, or three input channels added up to
/// one, which sees the same in a grey picture that three would see in its repetition.
fn shaped(array: Array, shape: &[usize]) -> Result<Vec<f32>, Vec<usize>> {
    let Array {
        shape: from,
        values,
    } = array;
    if from == shape {
        return Ok(values);
    }
    match (from.as_slice(), shape) {
        ([out, inner @ ..], [o, i])
            if out == o && inner.len() == 3 && inner.iter().product::<usize>() == *i =>
        {
            Ok(values)
        }
        ([out, 3, h, w], [o, 1, h2, w2]) if (out, h, w) == (o, h2, w2) => {
            let area = h * w;
            let folded = values.chunks_exact(3 * area).flat_map(|filter| {
                (0..area).map(move |i| filter[i] + filter[area + i] + filter[2 * area + i])
            });
            Ok(folded.collect())
        }
        _ => Err(from),
    }
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
