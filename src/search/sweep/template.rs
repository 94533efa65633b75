//! Layers that a search makes: `$width` in a layer stands for a parameter, and a `repeat` for its layers several times.
//!
//! ```toml
//! [[model.layers]]
//! kind = "repeat"
//! times = "$depth"
//! growth = { "$width" = 2 }     # each time twice as much
//! layers = [{ kind = "conv2d", out_channels = "$width", kernel_size = 3, padding = 1, activation = "relu" }]
//! ```

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::search::study::Assigned;

/// The most times that layers are repeated.
const MOST: i64 = 200;

/// Puts values in place of `$names` in `model.layers`, and layers in place of repeats.
///
/// # Errors
/// `Input` naming the layer.
pub(super) fn fill(recipe: &mut Table, parameters: &[Assigned]) -> Result<()> {
    let Some(Value::Table(model)) = recipe.get_mut("model") else {
        return Ok(());
    };
    let Some(Value::Array(layers)) = model.get_mut("layers") else {
        return Ok(());
    };
    let filling = Filling {
        parameters,
        growth: BTreeMap::new(),
    };
    *layers = filling.layers(layers, "model.layers")?;
    Ok(())
}

struct Filling<'a> {
    parameters: &'a [Assigned],
    /// What whole-numbered parameters are multiplied with here.
    growth: BTreeMap<String, f64>,
}

impl Filling<'_> {
    fn layers(&self, layers: &[Value], path: &str) -> Result<Vec<Value>> {
        let mut filled = Vec::new();
        for (at, layer) in layers.iter().enumerate() {
            let path = format!("{path}[{at}]");
            match layer.as_table() {
                Some(layer) if layer.get("kind").and_then(Value::as_str) == Some("repeat") => {
                    filled.extend(self.repeat(layer, &path)?);
                }
                _ => filled.push(self.value(layer, &path)?),
            }
        }
        Ok(filled)
    }

    fn repeat(&self, layer: &Table, path: &str) -> Result<Vec<Value>> {
        let known = ["kind", "times", "growth", "layers"];
        if let Some(unknown) = layer.keys().find(|key| !known.contains(&key.as_str())) {
            let remedy = format!("give {}", known.join(", "));
            return Err(Error::input(
                format!("{path}.{unknown}"),
                "is not a known key",
                remedy,
            ));
        }
        let missing =
            |key: &str, remedy: &str| Error::input(format!("{path}.{key}"), "is missing", remedy);
        let times = layer
            .get("times")
            .ok_or_else(|| missing("times", "give a number, or a parameter as \"$depth\""))?;
        let times = self.value(times, &format!("{path}.times"))?;
        let times = times
            .as_integer()
            .filter(|times| (0..=MOST).contains(times));
        let times = times.ok_or_else(|| {
            let remedy = format!("give a whole number from 0 to {MOST}");
            Error::input(format!("{path}.times"), "is no number of times", remedy)
        })?;
        let growth = growth(layer, path)?;
        let inside = layer.get("layers").and_then(Value::as_array);
        let inside = inside.ok_or_else(|| missing("layers", "give a list of layers"))?;
        let mut filled = Vec::new();
        let mut each = Filling {
            parameters: self.parameters,
            growth: self.growth.clone(),
        };
        for _ in 0..times {
            filled.extend(each.layers(inside, &format!("{path}.layers"))?);
            for (name, factor) in &growth {
                *each.growth.entry(name.clone()).or_insert(1.0) *= factor;
            }
        }
        Ok(filled)
    }

    fn value(&self, value: &Value, path: &str) -> Result<Value> {
        match value {
            Value::String(text) if text.starts_with('$') => self.parameter(text, path),
            Value::Array(list) => {
                let list = if list.iter().any(Value::is_table) {
                    self.layers(list, path)?
                } else {
                    let each = list.iter().enumerate();
                    each.map(|(at, value)| self.value(value, &format!("{path}[{at}]")))
                        .collect::<Result<Vec<_>>>()?
                };
                Ok(Value::Array(list))
            }
            Value::Table(table) => {
                let mut filled = Table::new();
                for (key, value) in table {
                    filled.insert(key.clone(), self.value(value, &format!("{path}.{key}"))?);
                }
                Ok(Value::Table(filled))
            }
            other => Ok(other.clone()),
        }
    }

    fn parameter(&self, name: &str, path: &str) -> Result<Value> {
        let found = self.parameters.iter().find(|p| &*p.name == name);
        let found = found.ok_or_else(|| {
            Error::input(
                path,
                format!("names {name}, which the search has not (here)"),
                format!("add \"{name}\" to [space], without a `when`"),
            )
        })?;
        Ok(match found.value() {
            Json::Bool(yes) => Value::Boolean(yes),
            Json::Number(number) => match number.as_i64() {
                Some(whole) if found.is_whole() => Value::Integer(self.grown(name, whole)),
                _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(text),
            _ => Value::String(String::new()),
        })
    }

    /// A whole number after so much growth.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "numbers of layers and channels"
    )]
    fn grown(&self, name: &str, number: i64) -> i64 {
        match self.growth.get(name) {
            Some(factor) => (number as f64 * factor).round() as i64,
            None => number,
        }
    }
}

/// What parameters of a repeat are multiplied with each time.
fn growth(layer: &Table, path: &str) -> Result<Vec<(String, f64)>> {
    let Some(growth) = layer.get("growth") else {
        return Ok(Vec::new());
    };
    let bad = || {
        Error::input(
            format!("{path}.growth"),
            "is no table of factors from 0.1 to 10",
            "write it as growth = { \"$width\" = 2 }",
        )
    };
    let factor = |value: &Value| match value {
        Value::Integer(factor @ 1..=10) => Some(f64::from(i32::try_from(*factor).ok()?)),
        Value::Float(factor) if (0.1..=10.0).contains(factor) => Some(*factor),
        _ => None,
    };
    let of = |(name, value): (&String, &Value)| Some((name.clone(), factor(value)?));
    let all = growth.as_table().ok_or_else(bad)?.iter().map(of);
    all.collect::<Option<Vec<_>>>().ok_or_else(bad)
}
