//! A line of the journal: one operation as JSON, in which Python also writes NaN and infinities.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;

/// Every field that an operation may have.
#[derive(serde::Deserialize)]
pub(super) struct Line<'a> {
    pub op_code: i64,
    pub study_id: Option<usize>,
    pub trial_id: Option<usize>,
    #[serde(borrow)]
    pub study_name: Option<Text<'a>>,
    pub directions: Option<Vec<i64>>,
    pub user_attr: Option<BTreeMap<String, Value>>,
    pub system_attr: Option<BTreeMap<String, Value>>,
    #[serde(borrow)]
    pub datetime_start: Option<Text<'a>>,
    #[serde(borrow)]
    pub datetime_complete: Option<Text<'a>>,
    pub state: Option<i64>,
    pub value: Option<Number>,
    pub values: Option<Vec<Number>>,
    #[serde(borrow)]
    pub params: Option<BTreeMap<Text<'a>, Number>>,
    #[serde(borrow)]
    pub distributions: Option<BTreeMap<Text<'a>, Text<'a>>>,
    pub user_attrs: Option<BTreeMap<String, Value>>,
    pub system_attrs: Option<BTreeMap<String, Value>>,
    #[serde(borrow)]
    pub intermediate_values: Option<BTreeMap<Text<'a>, Number>>,
    #[serde(borrow)]
    pub param_name: Option<Text<'a>>,
    pub param_value_internal: Option<Number>,
    #[serde(borrow)]
    pub distribution: Option<Text<'a>>,
    pub step: Option<i64>,
    pub intermediate_value: Option<Number>,
}

/// A text that is copied only where JSON escapes something in it.
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A number, or what stands for one that JSON has not.
#[derive(Clone, Copy)]
pub(super) struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }

            #[expect(
                clippy::cast_precision_loss,
                reason = "as JavaScript and Python's float"
            )]
            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            #[expect(
                clippy::cast_precision_loss,
                reason = "as JavaScript and Python's float"
            )]
            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Number, E> {
                Ok(Number(f64::from(u8::from(value))))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                not_json(text)
                    .map(Number)
                    .ok_or_else(|| E::custom("not a number"))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// Reads a line; the second try takes Python's numbers that JSON has not.
pub(super) fn with<T>(
    line: &[u8],
    then: impl FnOnce(Line<'_>) -> T,
) -> Result<T, serde_json::Error> {
    match serde_json::from_slice(line) {
        Ok(read) => Ok(then(read)),
        Err(error) => match quoted(line) {
            Some(quoted) => serde_json::from_slice(&quoted).map(then),
            None => Err(error),
        },
    }
}

/// The numbers that Python writes and JSON has not.
const NOT_JSON: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// What such a word stands for.
fn not_json(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A number as Python writes it.
pub(super) fn write(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        finite => serde_json::json!(finite).to_string(),
    }
}

/// A line in which such words are texts, where it has any outside of texts.
fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(line.len() + 16);
    let (mut at, mut in_text, mut found) = (0, false, false);
    while let Some(byte) = line.get(at) {
        let word = NOT_JSON
            .iter()
            .find(|word| !in_text && line[at..].starts_with(word.as_bytes()));
        if let Some(word) = word {
            found = true;
            out.push(b'"');
            out.extend_from_slice(word.as_bytes());
            out.push(b'"');
            at += word.len();
            continue;
        }
        out.push(*byte);
        at += 1;
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => {
                out.extend(line.get(at));
                at += 1;
            }
            _ => {}
        }
    }
    found.then_some(out)
}
