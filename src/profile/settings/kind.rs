//! Which values a setting takes: read from text, checked, shown, and told in words.

use std::fmt;

use serde::Serialize;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::text;

/// Of any image.
const MOST_CHANNELS: usize = 4;

/// What TOML cannot write.
pub(super) const TOO_LARGE: &str = "too large a number";

/// Which values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Number(Bounds),
    /// A list of `least` to `most` numbers.
    Numbers {
        least: usize,
        most: usize,
        each: Bounds,
    },
    /// A table of numbers by names that are free.
    Factors(Bounds),
    /// A number for all channels, or a list with one for each.
    PerChannel(Bounds),
    /// One of these words and numbers.
    Among(&'static [&'static str]),
    Choice(&'static [&'static str]),
    /// `offered` are those to choose from where somebody chooses; any other text may be typed.
    Text {
        required: bool,
        /// **Units** bytes.
        longest: usize,
        offered: &'static [&'static str],
    },
    YesNo,
    /// Such as a list of layers, which checks itself.
    Tables(&'static str),
}

/// The numbers from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub low: f64,
    pub high: f64,
    /// Whether `low` and `high` are themselves left out.
    pub open: (bool, bool),
    pub is_whole: bool,
    pub scale: Scale,
}

/// How values lie between the bounds that a search may try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Log,
}

#[expect(clippy::cast_precision_loss, reason = "bounds are at most 2^53")]
pub(crate) const fn whole(low: u64, high: u64) -> Kind {
    Kind::Number(Bounds {
        is_whole: true,
        ..bounds(low as f64, high as f64)
    })
}

pub(crate) const fn real(low: f64, high: f64) -> Kind {
    Kind::Number(bounds(low, high))
}

pub(super) const fn bounds(low: f64, high: f64) -> Bounds {
    Bounds {
        low,
        high,
        open: (false, false),
        is_whole: false,
        scale: Scale::Linear,
    }
}

pub(crate) const fn text(longest: usize) -> Kind {
    Kind::Text {
        required: false,
        longest,
        offered: &[],
    }
}

pub(in crate::profile) const fn required(offered: &'static [&'static str]) -> Kind {
    Kind::Text {
        required: true,
        longest: 200,
        offered,
    }
}

impl Kind {
    /// Values of which a search tries as many between 0.001 and 0.01 as between 0.1 and 1.
    pub(crate) const fn log(self) -> Self {
        match self {
            Self::Number(bounds) => Self::Number(Bounds {
                scale: Scale::Log,
                ..bounds
            }),
            Self::PerChannel(bounds) => Self::PerChannel(Bounds {
                scale: Scale::Log,
                ..bounds
            }),
            other => other,
        }
    }

    /// Those to choose from; empty where a value is typed.
    #[must_use]
    pub(crate) fn choices(&self) -> &'static [&'static str] {
        match self {
            Self::Choice(names) | Self::Among(names) | Self::Text { offered: names, .. } => names,
            Self::YesNo => &["true", "false"],
            _ => &[],
        }
    }

    /// The value in a text, of whatever kind it looks: [`check`](Self::check) says what it is not.
    pub(crate) fn read(&self, text: &str) -> Value {
        match self {
            Self::Choice(_) | Self::Text { .. } => match loose(text) {
                Value::String(text) => Value::String(text),
                _ => Value::String(text.into()),
            },
            Self::PerChannel(_) if !text.contains([',', ' ', '[']) => loose(text),
            Self::Numbers { .. } | Self::PerChannel(_) => {
                let inside = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
                let words = inside.unwrap_or(text).split([',', ' ']);
                Value::Array(words.filter(|word| !word.is_empty()).map(loose).collect())
            }
            _ => loose(text),
        }
    }

    /// Checks what is no setting of its own.
    ///
    /// # Errors
    /// `Input` naming the key and what it takes.
    pub(in crate::profile) fn holds(&self, key: &str, value: impl Serialize) -> Result<()> {
        match Value::try_from(value) {
            Ok(value) => self.check(key, &value),
            Err(_) => Err(self.refuse(key, TOO_LARGE)),
        }
    }

    pub(crate) fn check(&self, key: &str, value: &Value) -> Result<()> {
        let fits = match self {
            Self::Number(bounds) => bounds.contain(value),
            Self::Numbers { least, most, each } => match value.as_array() {
                Some(list) if !(*least..=*most).contains(&list.len()) => {
                    let problem = format!("has {}", text::count(list.len(), "number"));
                    return Err(Error::input(key, problem, self.remedy()));
                }
                Some(list) => {
                    for (i, value) in list.iter().enumerate() {
                        each.check(&format!("{key}[{i}]"), value)?;
                    }
                    true
                }
                None => false,
            },
            Self::Factors(bounds) => match value.as_table() {
                Some(table) => {
                    for (name, value) in table {
                        text(200).check(key, &Value::String(name.clone()))?;
                        bounds.check(&format!("{key}.{name}"), value)?;
                    }
                    table.len() <= 1000 && !table.contains_key("")
                }
                None => false,
            },
            Self::PerChannel(each) => match value.as_array() {
                Some(list) => {
                    for (i, value) in list.iter().enumerate() {
                        each.check(&format!("{key}[{i}]"), value)?;
                    }
                    (1..=MOST_CHANNELS).contains(&list.len())
                }
                None => each.contain(value),
            },
            Self::Among(values) => {
                let is_one = |one: &&str| loose(one) == *value;
                values.iter().any(is_one)
            }
            Self::Choice(names) => match value.as_str() {
                Some(name) if !names.contains(&name) => {
                    let near = text::nearest(name, names.iter().copied());
                    let remedy = near.map(|near| format!("did you mean `{near}`?"));
                    let problem = format!("has no value `{}`", text::sanitize(name));
                    let remedy = remedy.unwrap_or_else(|| format!("choose {}", self.expected()));
                    return Err(Error::input(key, problem, remedy));
                }
                name => name.is_some(),
            },
            Self::Text {
                required, longest, ..
            } => match value.as_str() {
                Some("") if *required => {
                    return Err(Error::input(key, "is empty", "give it a value"));
                }
                Some(text) if !text::is_harmless(text) || text.len() > *longest => {
                    let problem =
                        format!("has control characters or is longer than {longest} bytes");
                    return Err(Error::input(key, problem, "give plain text"));
                }
                text => text.is_some(),
            },
            Self::YesNo => value.is_bool(),
            Self::Tables(_) => value.is_array(),
        };
        if fits {
            Ok(())
        } else {
            Err(self.refuse(key, &quoted(value)))
        }
    }

    /// The refusal of a value.
    pub(super) fn refuse(&self, key: &str, value: &str) -> Error {
        Error::input(key, format!("is {value}"), self.remedy())
    }

    fn remedy(&self) -> String {
        format!("give {}", self.expected())
    }

    /// In words, such as `a whole number from 1 to 65,536`.
    #[must_use]
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Number(bounds) => bounds.to_string(),
            Self::Numbers { least, most, each } => {
                let count = if least == most {
                    format!("{most}")
                } else {
                    format!("at most {most}")
                };
                format!("a list of {count} {}", each.plural())
            }
            Self::Factors(bounds) => format!("a table of {} by name", bounds.plural()),
            Self::PerChannel(each) => format!("{each}, or a list of one for each channel"),
            Self::Among(values) => match values {
                [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
                values => values.concat(),
            },
            Self::Choice(names) => format!("one of {}", names.join(", ")),
            Self::Text { longest, .. } => format!("text of at most {longest} bytes"),
            Self::YesNo => "true or false".into(),
            Self::Tables(what) => format!("a list of {what}"),
        }
    }
}

impl Bounds {
    pub(super) const fn above(self) -> Self {
        Self {
            open: (true, self.open.1),
            ..self
        }
    }

    pub(super) const fn below(self) -> Self {
        Self {
            open: (self.open.0, true),
            ..self
        }
    }

    /// Refuses what is no such number; NaN never is.
    ///
    /// # Errors
    /// `Input` naming the key and the bounds.
    fn check(&self, key: &str, value: &Value) -> Result<()> {
        if self.contain(value) {
            return Ok(());
        }
        Err(Kind::Number(*self).refuse(key, &quoted(value)))
    }

    fn contain(&self, value: &Value) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "bounds are at most 2^53, and what is larger is compared as it is"
        )]
        let number = match value {
            Value::Integer(number) if self.is_whole => {
                return (self.low as i64..=self.high as i64).contains(number);
            }
            Value::Integer(number) => *number as f64,
            Value::Float(number) if !self.is_whole => *number,
            _ => return false,
        };
        let from_low = number > self.low || (number >= self.low && !self.open.0);
        let to_high = number < self.high || (number <= self.high && !self.open.1);
        from_low && to_high
    }

    /// In words, such as `from 1 to 65,536`.
    #[must_use]
    pub(crate) fn range(&self) -> String {
        let [low, high] = [self.low, self.high].map(grouped);
        match self.open {
            (false, false) => format!("from {low} to {high}"),
            (true, false) => format!("above {low} and at most {high}"),
            (false, true) => format!("of at least {low} and below {high}"),
            (true, true) => format!("above {low} and below {high}"),
        }
    }

    fn plural(&self) -> String {
        let whole = if self.is_whole { "whole " } else { "" };
        format!("{whole}numbers {}", self.range())
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.is_whole { "whole " } else { "" };
        write!(f, "a {whole}number {}", self.range())
    }
}

/// TOML, else a number as Rust reads it, else a text.
pub(super) fn loose(text: &str) -> Value {
    let toml = format!("value = {text}").parse::<Table>().ok();
    let alone = toml.filter(|table| table.len() == 1);
    alone
        .and_then(|mut table| table.remove("value"))
        .or_else(|| text.parse().ok().map(Value::Float))
        .unwrap_or_else(|| Value::String(text.into()))
}

/// A value as people write it, without quotes.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => self::number(*number),
        Value::Array(list) if !list.iter().any(Value::is_table) => {
            let items: Vec<String> = list.iter().map(show).collect();
            items.join(", ")
        }
        Value::Table(table) if table.is_empty() => String::new(),
        other => other.to_string(),
    }
}

/// A value within a message.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", text::ellipsis(&text::sanitize(text), 60)),
        Value::Array(_) => "a list".into(),
        Value::Table(_) => "a table".into(),
        value => show(value),
    }
}

/// Short and exact: `0.9`, `5000`, `1e-3`.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// A bound: large ones with commas.
fn grouped(value: f64) -> String {
    let digits = number(value);
    let sign = if value < 0.0 { "-" } else { "" };
    match digits.trim_start_matches('-').parse() {
        Ok(whole) => format!("{sign}{}", text::grouped(whole)),
        Err(_) => digits,
    }
}
