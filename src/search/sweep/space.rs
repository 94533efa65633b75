//! `[space]`: each key of the recipe with what is tried of it. Bounds, scale and choices are the setting's own where
//! they are not narrowed.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::profile::settings::{self, Bounds, Kind, Scale, Setting};
use crate::search::distribution::{Distribution, Range};
use crate::search::space::{Space, Written};
use crate::search::study::Assigned;
use crate::text;

/// Everything that a setting takes.
const ANY: &str = "any";

/// What is the same for all trials, so that they can be compared.
const FIXED: [&str; 11] = [
    "name",
    "data.name",
    "data.validation",
    "data.split",
    "data.split_seed",
    "data.test_fraction",
    "data.exclude",
    "train.seed",
    "train.test",
    "train.curve",
    "train.device",
];

/// The keys of a range.
const OF_RANGE: [&str; 6] = ["low", "high", "log", "step", "values", "when"];

/// Reads the table; conditions on what the recipe fixes are settled by it.
///
/// # Errors
/// `Input` naming the key.
pub(super) fn read(table: &Table, recipe: &Table) -> Result<Space> {
    if table.is_empty() {
        return Err(Error::input(
            "space",
            "is empty, so that there is nothing to search",
            "add \"train.optimizer.learning_rate\" = { low = 1e-4, high = 0.1 } under [space]",
        ));
    }
    let mut flat = Vec::new();
    flatten("", table, &mut flat);
    let names: Vec<&String> = flat.iter().map(|(name, _)| name).collect();
    let mut written = Vec::new();
    for (name, value) in &flat {
        let (distribution, when) = parameter(name, value)?;
        let mut conditions = BTreeMap::new();
        for (key, values) in when {
            if names.contains(&&key) {
                conditions.insert(key, values);
            } else {
                settle(name, &key, &values, recipe)?;
            }
        }
        written.push(Written {
            name: name.clone(),
            distribution,
            when: conditions,
        });
    }
    Space::new(written)
}

/// `"train.batch_size" = …` and `train.batch_size = …` are the same.
fn flatten<'a>(prefix: &str, table: &'a Table, flat: &mut Vec<(String, &'a Value)>) {
    for (key, value) in table {
        let name = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        let is_parameter = name.starts_with('$') || settings::find(&name).is_some();
        match value {
            Value::Table(inside) if !is_parameter && !inside.is_empty() => {
                let is_range = inside.keys().any(|key| OF_RANGE.contains(&key.as_str()));
                if is_range {
                    flat.push((name, value));
                } else {
                    flatten(&name, inside, flat);
                }
            }
            _ => flat.push((name, value)),
        }
    }
}

type When = BTreeMap<String, Vec<Json>>;

fn parameter(name: &str, value: &Value) -> Result<(Distribution, When)> {
    if FIXED.contains(&name) {
        return Err(Error::input(
            format!("space.{name}"),
            "is the same for all trials, so that they can be compared",
            "leave it out of [space]",
        ));
    }
    let setting = if name.starts_with('$') {
        None
    } else {
        // Says which key is near.
        let found = settings::find(name).ok_or_else(|| {
            Error::input(
                format!("space.{name}"),
                "is not a known key",
                settings::suggestion(name),
            )
        })?;
        Some(found)
    };
    let mut when = When::new();
    let distribution = match value {
        Value::Array(values) => choices(name, setting, values)?,
        Value::String(any) if any == ANY => everything(name, setting)?,
        Value::Table(table) => {
            if let Some(unknown) = table.keys().find(|key| !OF_RANGE.contains(&key.as_str())) {
                let near = text::nearest(unknown, OF_RANGE);
                let remedy = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("give {}", OF_RANGE.join(", ")),
                };
                let subject = format!("space.{name}.{unknown}");
                return Err(Error::input(subject, "is not a known key", remedy));
            }
            when = conditions(name, table.get("when"))?;
            match table.get("values") {
                Some(Value::Array(values)) => choices(name, setting, values)?,
                Some(Value::String(any)) if any == ANY => everything(name, setting)?,
                Some(_) => return Err(unclear(name)),
                None => range(name, setting, table)?,
            }
        }
        _ => return Err(unclear(name)),
    };
    Ok((distribution, when))
}

fn unclear(name: &str) -> Error {
    Error::input(
        format!("space.{name}"),
        "says not what is tried",
        "give { low = …, high = … }, a list of values, or \"any\"",
    )
}

fn everything(name: &str, setting: Option<&Setting>) -> Result<Distribution> {
    let Some(setting) = setting else {
        return Err(unclear(name));
    };
    let choices = setting.kind.choices();
    match &setting.kind {
        Kind::YesNo => Ok(Distribution::Choice(vec![json!(false), json!(true)])),
        Kind::Choice(_) | Kind::Among(_) if !choices.is_empty() => {
            let values: Vec<Json> = choices.iter().map(|choice| json!(choice)).collect();
            Ok(Distribution::Choice(values))
        }
        Kind::Number(_) => range(name, Some(setting), &Table::new()),
        _ => Err(Error::input(
            format!("space.{name}"),
            "takes more than can be listed",
            "give a list of values",
        )),
    }
}

fn choices(name: &str, setting: Option<&Setting>, values: &[Value]) -> Result<Distribution> {
    let key = format!("space.{name}");
    if values.is_empty() {
        return Err(Error::input(key, "is an empty list", "give some values"));
    }
    let mut choices: Vec<Json> = Vec::new();
    for value in values {
        if let Some(setting) = setting {
            setting.kind.check(&key, value)?;
        }
        let choice = to_json(value);
        if choices.contains(&choice) {
            let problem = format!("has {choice} twice");
            return Err(Error::input(key, problem, "give each value once"));
        }
        choices.push(choice);
    }
    Ok(Distribution::Choice(choices))
}

fn range(name: &str, setting: Option<&Setting>, table: &Table) -> Result<Distribution> {
    let key = format!("space.{name}");
    let own = match setting.map(|setting| &setting.kind) {
        Some(Kind::Number(bounds)) => Some(*bounds),
        None => None,
        Some(_) => {
            let problem = "takes no range";
            return Err(Error::input(
                key,
                problem,
                "give a list of values, or \"any\"",
            ));
        }
    };
    let number = |field: &str| -> Result<Option<f64>> {
        let Some(value) = table.get(field) else {
            return Ok(None);
        };
        let number = value.as_float().or_else(|| value.as_integer().map(as_f64));
        let number = number.filter(|n| n.is_finite());
        number.map(Some).ok_or_else(|| {
            Error::input(format!("{key}.{field}"), "is not a number", "give a number")
        })
    };
    let is_whole = match own {
        Some(bounds) => bounds.is_whole,
        None => ["low", "high"]
            .iter()
            .all(|f| table.get(*f).is_some_and(Value::is_integer)),
    };
    let inside = |bounds: Bounds| {
        let nudge = |open: bool, by: fn(f64) -> f64, value| if open { by(value) } else { value };
        let (low, high) = (bounds.low, bounds.high);
        [
            nudge(bounds.open.0, f64::next_up, low),
            nudge(bounds.open.1, f64::next_down, high),
        ]
    };
    let limits = own.map(inside);
    let end = |field: &str, limit: Option<f64>| -> Result<f64> {
        let given = number(field)?;
        if let (Some(value), Some(setting)) = (given, setting) {
            let whole = is_whole && value.fract() == 0.0;
            let value = if whole {
                Value::Integer(as_i64(value))
            } else {
                Value::Float(value)
            };
            setting.kind.check(&format!("{key}.{field}"), &value)?;
        }
        given.or(limit).ok_or_else(|| {
            Error::input(
                format!("{key}.{field}"),
                "is missing",
                "give both low and high",
            )
        })
    };
    let low = end("low", limits.map(|limits| limits[0]))?;
    let high = end("high", limits.map(|limits| limits[1]))?;
    let scale = own.map(|bounds| bounds.scale);
    let log = match table.get("log") {
        None => scale == Some(Scale::Log),
        Some(Value::Boolean(log)) => *log,
        Some(_) => {
            let remedy = "give true or false";
            return Err(Error::input(
                format!("{key}.log"),
                "is neither true nor false",
                remedy,
            ));
        }
    };
    let range = Range {
        low,
        high,
        log,
        step: number("step")?,
        is_whole,
    };
    checked(&key, range).map(Distribution::Number)
}

/// A range that has values; one of whole numbers without a step has all of them.
fn checked(key: &str, mut range: Range) -> Result<Range> {
    let bad = |problem: &str, remedy: &str| Err(Error::input(key, problem, remedy));
    let Range {
        low, log, is_whole, ..
    } = range;
    if low > range.high {
        return bad("has a low end above its high end", "exchange the two");
    }
    if log && low <= 0.0 {
        return bad(
            "has a log scale that begins at 0 or below",
            "give a low end above 0, or log = false",
        );
    }
    let is_step = |step: f64| step > 0.0 && !(is_whole && step.fract() != 0.0);
    if range.step.is_some_and(|step| !is_step(step)) {
        return bad(
            "has a step that is no step",
            "give one above 0, a whole one for whole numbers",
        );
    }
    if log && range.step.is_some_and(|step| !(is_whole && step <= 1.0)) {
        return bad(
            "has a log scale and a step",
            "leave one of the two out, or list the values",
        );
    }
    if let Some(count) = range.count() {
        range.high = range.nth(count - 1);
    }
    range.step = range.step.or(is_whole.then_some(1.0));
    Ok(range)
}

fn conditions(name: &str, when: Option<&Value>) -> Result<When> {
    let Some(when) = when else {
        return Ok(When::new());
    };
    let bad = || {
        Error::input(
            format!("space.{name}.when"),
            "is no condition",
            "write it as when = { \"train.optimizer.kind\" = [\"sgd\"] }",
        )
    };
    let table = when.as_table().ok_or_else(bad)?;
    let mut flat = Vec::new();
    flatten("", table, &mut flat);
    let mut conditions = When::new();
    for (key, values) in flat {
        let values = match values {
            Value::Array(values) => values.iter().map(to_json).collect(),
            Value::Table(_) => return Err(bad()),
            one => vec![to_json(one)],
        };
        conditions.insert(key, values);
    }
    Ok(conditions)
}

/// A condition on what all trials have.
fn settle(name: &str, key: &str, values: &[Json], recipe: &Table) -> Result<()> {
    let subject = format!("space.{name}.when.{key}");
    if settings::find(key).is_none() {
        return Err(Error::input(
            subject,
            "is no parameter of this search and no setting",
            settings::suggestion(key),
        ));
    }
    let mut at = Some(&Value::Table(recipe.clone())).cloned();
    for part in key.split('.') {
        at = at.and_then(|value| value.get(part).cloned());
    }
    let fixed = at.map(|value| to_json(&value));
    if fixed.as_ref().is_some_and(|fixed| values.contains(fixed)) {
        return Ok(());
    }
    let has = fixed.map_or("leaves it out".into(), |fixed| format!("has {fixed}"));
    Err(Error::input(
        subject,
        format!("holds for no trial: the recipe {has}"),
        format!("search {key} too, or leave {name} out"),
    ))
}

/// A value as Optuna's choices have them: a list as its text.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Boolean(yes) => json!(yes),
        other => json!(settings::show(other)),
    }
}

/// A parameter's value as its setting takes it.
///
/// # Errors
/// `Input` naming the key where the value is none of its own.
pub(super) fn to_toml(parameter: &Assigned) -> Result<Value> {
    let value = match parameter.value() {
        Json::Bool(yes) => Value::Boolean(yes),
        Json::Number(number) => match number.as_i64() {
            Some(whole) if parameter.is_whole() => Value::Integer(whole),
            _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => return settings::read(&parameter.name, &text),
        other => return settings::read(&parameter.name, &other.to_string()),
    };
    Ok(value)
}

#[expect(clippy::cast_precision_loss, reason = "settings are below 2^53")]
fn as_f64(number: i64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a whole number within bounds"
)]
fn as_i64(number: f64) -> i64 {
    number as i64
}
