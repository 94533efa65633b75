//! What of a recipe is searched: fields that are marked, each with its range, and the sweep that comes of them. Pure.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::fields::Field;
use crate::error::{Error, Result};
use crate::profile::settings::{self, Kind, Scale};
use crate::profile::{self, Profile};
use crate::search::Sweep;

/// The settings of a sweep that are asked for, with their defaults.
pub(super) const ASKED: &str = "trials=30 sampler=tpe pruner=none jobs=1";

/// The ranges of marked fields as they were typed, by key.
pub(super) type Marks = BTreeMap<&'static str, String>;

/// A range to begin with: a decade around the value of a recipe, or all that may be chosen.
#[must_use]
pub(super) fn proposal(field: Field, profile: &Profile) -> String {
    let Some(setting) = settings::find(field.key) else {
        return String::new();
    };
    let value = setting.show(profile);
    match (setting.kind, value.parse::<f64>()) {
        (Kind::Number(bounds), Ok(now)) if now.is_finite() => {
            let (low, high) = match (bounds.scale, now > 0.0) {
                (Scale::Log, true) if bounds.is_whole => ((now / 2.0).floor(), now * 2.0),
                (Scale::Log, true) => (now / 10.0, now * 10.0),
                (_, true) if bounds.is_whole => ((now / 2.0).floor(), now * 2.0),
                (_, true) => (0.0, now * 2.0),
                (_, false) if bounds.is_whole => (0.0, 10.0),
                (_, false) => (0.0, 0.5),
            };
            let low = low.max(bounds.low);
            format!("{}..{}", short(low), short(high.min(bounds.high)))
        }
        (kind, _) if !kind.choices().is_empty() => kind.choices().join(", "),
        _ => value,
    }
}

/// A number as people type it: `1e-4`, `0.01`, `200`. What is behind the sixth digit is rounding.
fn short(number: f64) -> String {
    let rounded: f64 = format!("{number:.5e}").parse().unwrap_or(number);
    let (plain, power) = (rounded.to_string(), format!("{rounded:e}"));
    if power.len() < plain.len() {
        power
    } else {
        plain
    }
}

/// What was typed, as a sweep file has it: `1e-4..0.1` is a range, `16, 32, 64` a list, `any` everything.
///
/// # Errors
/// `Input` naming the setting.
pub(super) fn read(key: &str, text: &str) -> Result<Value> {
    let text = text.trim();
    if text == "any" {
        return Ok(Value::String("any".into()));
    }
    if let Some((low, high)) = text.split_once("..") {
        let mut range = Table::new();
        for (name, end) in [("low", low), ("high", high)] {
            range.insert(name.into(), number(key, end.trim())?);
        }
        return Ok(Value::Table(range));
    }
    let values = text.split(',').map(str::trim).filter(|v| !v.is_empty());
    let values: Vec<Value> = values
        .map(|value| settings::read(key, value))
        .collect::<Result<_>>()?;
    if values.is_empty() {
        return Err(Error::input(
            key,
            "has nothing to be searched",
            "type a range such as 1e-4..0.1, a list such as 16, 32, 64, or any",
        ));
    }
    Ok(Value::Array(values))
}

fn number(key: &str, text: &str) -> Result<Value> {
    let whole = text.parse::<i64>().map(Value::Integer);
    let value = whole.or_else(|_| text.parse::<f64>().map(Value::Float));
    value.map_err(|_| {
        let problem = format!("`{text}` is no number");
        Error::input(key, problem, "type a range such as 1e-4..0.1")
    })
}

/// The sweep over the marked fields of a recipe, with settings such as `trials=30 sampler=tpe`.
///
/// # Errors
/// `Input` naming the key that cannot be searched, or the setting.
pub(super) fn sweep(profile: &Profile, marks: &Marks, asked: &str) -> Result<Sweep> {
    let recipe = profile.recipe();
    let source = "the recipe";
    let mut file = profile::parse_table(&recipe.to_toml(), source)?;
    let ranges = marks.iter();
    let space: Table = ranges
        .map(|(key, text)| Ok(((*key).to_owned(), read(key, text)?)))
        .collect::<Result<_>>()?;
    file.insert("space".into(), Value::Table(space));
    let set = |word: &str| {
        let is_recipes = word.split('=').next().is_some_and(|key| key.contains('.'));
        let of = if is_recipes { "" } else { "sweep." };
        format!("{of}{word}")
    };
    let changes: Vec<String> = asked.split_whitespace().map(set).collect();
    let text = toml::to_string(&file).unwrap_or_default();
    let none = |named: &str| Err(Error::input(named, "is no base here", "leave base out"));
    Sweep::parse(&text, source, (&changes, &recipe.name), &none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Profile {
        let mut profile = Profile::new("lenet5");
        profile.name = "lenet5".into();
        profile.data.validation = 0.1;
        profile
    }

    #[test]
    fn proposals_are_searched_as_they_are() {
        let profile = recipe();
        let both = [Field::of(&profile), Field::of(&Profile::new("mlp"))].concat();
        let mut searched = 0;
        for field in both {
            let proposed = proposal(field, &profile);
            let marks = Marks::from([(field.key, proposed.clone())]);
            match sweep(&profile, &marks, ASKED) {
                Ok(sweep) => {
                    assert_eq!(sweep.space.parameters.len(), 1, "{field:?}: {proposed}");
                    searched += 1;
                }
                Err(refused) => {
                    let refused = refused.to_string();
                    assert!(refused.contains(field.key), "{field:?}: {refused}");
                }
            }
        }
        assert!(searched >= 16, "{searched}");
    }

    #[test]
    fn what_is_typed_is_what_a_sweep_file_says() {
        let marks = Marks::from([
            ("train.optimizer.learning_rate", "1e-4 .. 0.1".into()),
            ("train.batch_size", "16, 32,64".into()),
            ("train.optimizer.kind", "any".into()),
        ]);
        let found = sweep(&recipe(), &marks, "trials=7 sampler=random train.epochs=2").unwrap();
        assert_eq!((found.settings.trials, found.settings.jobs), (7, 1));
        assert_eq!(found.settings.name, "lenet5");
        let parameters = found.samples().next().unwrap();
        let example = found.recipe(&parameters).unwrap();
        assert_eq!((example.train.epochs, example.train.test), (2, false));
        assert_eq!(found.space.parameters.len(), 3);
        let written = found.to_toml();
        assert!(written.contains("low = 0.0001"), "{written}");
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        for (key, text, asked, named) in [
            ("train.epochs", "few..9", ASKED, "train.epochs"),
            ("train.epochs", "", ASKED, "train.epochs"),
            (
                "train.optimizer.kind",
                "sgd, adagrad",
                ASKED,
                "train.optimizer.kind",
            ),
            (
                "train.optimizer.learning_rate",
                "0.1..0.01",
                ASKED,
                "learning_rate",
            ),
            ("data.validation", "0.1..0.2", ASKED, "data.validation"),
            ("train.epochs", "3..9", "trials=0", "sweep.trials"),
            ("train.epochs", "3..9", "tirals=3", "tirals"),
            ("train.epochs", "3..9", "jobs", "jobs"),
        ] {
            let marks = Marks::from([(key, text.to_owned())]);
            let refused = sweep(&recipe(), &marks, asked).unwrap_err().to_string();
            assert!(refused.contains(named), "{key} {text} {asked}: {refused}");
        }
        let mut untested = recipe();
        untested.data.validation = 0.0;
        let marks = Marks::from([("train.epochs", "3..9".to_owned())]);
        let refused = sweep(&untested, &marks, ASKED).unwrap_err().to_string();
        assert!(refused.starts_with("data.validation is 0"), "{refused}");
    }
}
