//! The settings of a recipe, one row each: the key, which values it takes, its unit, a line of help, when it is used.
//!
//! Whoever needs to know settings one by one asks this table: the check of ranges, `--set`, the form on the Model tab,
//! the comments of `fmtui show --toml`, docs/profile.md. Rules between several settings are `validate`'s, not here.

mod docs;
mod kind;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use docs::commented;
pub(super) use kind::required;
pub(crate) use kind::{Bounds, Kind, Scale, real, show, text, whole};
pub(crate) use table::{ALL, TABLES};

use toml::{Table, Value};

use super::Profile;
use crate::error::{Error, Result};
use crate::text;
use kind::{TOO_LARGE, loose};

/// One key of a recipe.
pub(crate) struct Setting {
    /// Such as `train.optimizer.learning_rate`.
    pub key: &'static str,
    pub kind: Kind,
    /// Such as `pixels`; empty where there is none.
    pub unit: &'static str,
    /// What it means, in a line.
    pub help: &'static str,
    /// The word for a value that is left out; empty where the key has no such value.
    pub left_out: &'static str,
    /// Of no use to an architecture that learns without gradients.
    pub by_gradient: bool,
    /// Its bounds do not count in a recipe that does not use it.
    lenient: bool,
    applies: fn(&Profile) -> bool,
    get: fn(&Profile) -> Option<Value>,
    /// False where the value is of another kind.
    set: fn(&mut Profile, Value) -> bool,
    copy: fn(&Profile, &mut Profile),
}

impl Setting {
    /// Whether a recipe uses it, as far as its other settings tell; of its architecture `model::architectures::applies`
    /// knows.
    #[must_use]
    pub(crate) fn applies(&self, profile: &Profile) -> bool {
        (self.applies)(profile)
    }

    /// The last part of its key.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, name)| name)
    }

    /// Its value in a profile; `None` where it is left out.
    #[must_use]
    pub(crate) fn value(&self, profile: &Profile) -> Option<Value> {
        (self.get)(profile)
    }

    /// Its value in a recipe, as it is written and as [`read`](Self::read) takes it.
    #[must_use]
    pub(crate) fn show(&self, profile: &Profile) -> String {
        let shown = self.value(profile).map(|value| kind::show(&value));
        shown
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| self.left_out.into())
    }

    /// The value in what somebody typed.
    ///
    /// # Errors
    /// `Input` naming the key and what it takes.
    pub(crate) fn read(&self, text: &str) -> Result<Value> {
        let text = text.trim();
        let is_left_out = text == self.left_out && matches!(self.kind, Kind::Text { .. });
        let value = self.kind.read(if is_left_out { "" } else { text });
        self.check(&value)?;
        Ok(value)
    }

    /// Puts a value into a recipe.
    ///
    /// # Errors
    /// `Input` naming the key and what it takes.
    pub(crate) fn put(&self, profile: &mut Profile, value: Value) -> Result<()> {
        self.check(&value)?;
        let words = kind::show(&value);
        if (self.set)(profile, value) {
            return Ok(());
        }
        Err(self.kind.refuse(self.key, &words))
    }

    /// Puts what somebody typed into a recipe where it goes by another name, which errors say then.
    ///
    /// # Errors
    /// `Input` naming `name` and what it takes.
    pub(crate) fn put_as(&self, name: &str, profile: &mut Profile, text: &str) -> Result<()> {
        let value = self.kind.read(text);
        self.kind.check(name, &value)?;
        self.put(profile, value)
    }

    /// Gives one recipe the value of another.
    pub(crate) fn copy(&self, from: &Profile, to: &mut Profile) {
        (self.copy)(from, to);
    }

    /// Refuses a value of another kind, or out of its bounds.
    ///
    /// # Errors
    /// `Input` naming the key and what it takes.
    pub(crate) fn check(&self, value: &Value) -> Result<()> {
        self.kind.check(self.key, value)
    }

    /// Checks the value in a recipe.
    ///
    /// # Errors
    /// `Input` naming the key and what it takes.
    pub(super) fn validate(&self, profile: &Profile) -> Result<()> {
        if self.lenient && !self.applies(profile) {
            return Ok(());
        }
        match (self.get)(profile) {
            Some(value) => self.check(&value),
            None if !self.left_out.is_empty() => Ok(()),
            None => Err(self.kind.refuse(self.key, TOO_LARGE)),
        }
    }

    /// What it takes, in words: `a whole number from 1 to 65,536`.
    #[must_use]
    pub(crate) fn expected(&self) -> String {
        self.kind.expected()
    }
}

/// The setting with this key.
#[must_use]
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    ALL.iter().find(|setting| setting.key == key)
}

/// The settings of a table, such as `augment`.
pub(crate) fn of_table(table: &str) -> impl Iterator<Item = &'static Setting> {
    ALL.iter()
        .filter(move |s| s.key.rsplit_once('.').map_or("", |(of, _)| of) == table)
}

/// Reads what somebody typed as the value of a key, which may also name an entry of a table of numbers
/// (`train.lr_multipliers.layer1`).
///
/// # Errors
/// `Input` naming the key: there is none such, or it takes other values.
pub(crate) fn read(key: &str, text: &str) -> Result<Value> {
    if let Some(setting) = find(key) {
        return setting.read(text);
    }
    let table = key.rsplit_once('.').and_then(|(of, name)| {
        let setting = find(of).filter(|s| matches!(s.kind, Kind::Factors(_)))?;
        is_bare(name).then_some((setting, name))
    });
    let Some((setting, name)) = table else {
        return Err(unknown(key));
    };
    let value = loose(text.trim());
    let entry = Table::from_iter([(name.to_owned(), value.clone())]);
    setting.check(&Value::Table(entry))?;
    Ok(value)
}

fn is_bare(key: &str) -> bool {
    let may_be = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !key.is_empty() && key.chars().all(may_be)
}

fn unknown(key: &str) -> Error {
    let first = key.split('.').next().unwrap_or_default();
    if matches!(first, "format" | "run" | "result" | "history") {
        return Error::input(
            key,
            "is written by runs and cannot be set",
            "set a key of the recipe, such as train.epochs",
        );
    }
    let keys: Vec<&str> = of_table(key).map(|s| s.key).collect();
    if !keys.is_empty() && !key.is_empty() {
        let remedy = format!("set one of {}", keys.join(", "));
        return Error::input(key, "is a table", remedy);
    }
    let subject = if key.is_empty() { "the setting" } else { key };
    Error::input(subject, "is not a known key", suggestion(key))
}

/// What somebody may have meant who wrote a key that there is not.
#[must_use]
pub(crate) fn suggestion(key: &str) -> String {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let namesakes = ALL.iter().filter(|s| s.name() == name).map(|s| s.key);
    let close = || {
        let near = text::nearest(name, of_table(table).map(Setting::name))?;
        of_table(table).find(|s| s.name() == near).map(|s| s.key)
    };
    let all = namesakes.collect::<Vec<_>>();
    let near = text::nearest(key, all.iter().copied())
        .or_else(|| all.first().copied())
        .or_else(close)
        .or_else(|| short_for(table, name));
    if let Some(near) = near {
        return format!("did you mean `{near}`?");
    }
    let keys: Vec<&str> = of_table(table).map(|s| s.key).collect();
    if keys.is_empty() || table.is_empty() {
        "remove it; docs/profile.md lists every key".into()
    } else {
        format!("set one of {}", keys.join(", "))
    }
}

/// The key that `arch`, `lr` or `batchsize` is short for: in its table first, then anywhere.
#[must_use]
pub(crate) fn short_for(table: &str, name: &str) -> Option<&'static str> {
    let mut all = of_table(table).chain(ALL.iter());
    all.find(|s| is_short_for(name, s.name())).map(|s| s.key)
}

/// Whether a word is the beginning, the initials or the letters of a key's name.
fn is_short_for(word: &str, name: &str) -> bool {
    let initials: String = name
        .split('_')
        .filter_map(|part| part.chars().next())
        .collect();
    let begins = word.len() >= 3 && name.starts_with(word);
    !word.is_empty()
        && (begins || (word.len() >= 2 && word == initials) || word == name.replace('_', ""))
}

/// Refuses values of another kind or out of their bounds in a recipe as it was written, before serde names Rust's
/// types.
///
/// # Errors
/// `Input` naming the key and what it takes.
pub(super) fn check_table(recipe: &Table) -> Result<()> {
    for setting in ALL {
        let mut parts = setting.key.split('.');
        let first = parts.next().and_then(|part| recipe.get(part));
        let value = parts.fold(first, |at, part| at?.get(part));
        let Some(value) = value else { continue };
        let is_number = matches!(value, Value::Integer(_) | Value::Float(_));
        if !(setting.lenient && is_number) {
            setting.check(value)?;
        }
    }
    Ok(())
}
