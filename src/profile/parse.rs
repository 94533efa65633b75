//! Text → profile → text. Every refusal is one line that names the file, the key and the remedy.

use toml::{Table, Value};

use super::{FORMAT, Profile, format, kept, normalization, settings};
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::text;

/// **Units** bytes. No honest profile is longer: a record of 10,000 epochs has 3 MB, one of thousands of classes some
/// ten.
pub const LONGEST: u64 = 32 << 20;

/// The largest whole number of a profile that survives every reader (2^53).
const LARGEST_INTEGER: i64 = 1 << 53;

impl Profile {
    /// Reads a profile; `source` names it in errors.
    ///
    /// # Errors
    /// `Input` for anything that is not a valid profile.
    pub fn parse(text: &str, source: &str) -> Result<Self> {
        Self::from_table(parse_table(text, source)?, source)
    }

    /// Reads the record of a run: [`parse`](Self::parse), but one of a newer format as far as it is understood.
    ///
    /// # Errors
    /// `Input` for anything that is not a valid record, and for one of a newer format that means something unknown
    /// here.
    pub fn parse_record(text: &str, source: &str) -> Result<Self> {
        let table = parse_table(text, source)?;
        match table.get("format").and_then(Value::as_integer) {
            Some(format) if format > i64::from(FORMAT) => Self::from_newer(table, source, format),
            _ => Self::from_table(table, source),
        }
    }

    /// Reads a record without the keys that only a newer fmtui knows.
    fn from_newer(mut table: Table, source: &str, format: i64) -> Result<Self> {
        let read = loop {
            match kept::read::<Self>(table.clone()) {
                Ok((profile, _)) => break profile.validate_settings().map(|()| profile),
                Err(e) => {
                    let message = e.to_string();
                    if !unknown_key(&message).is_some_and(|key| remove(&mut table, &key)) {
                        break Err(explain(&message, source));
                    }
                }
            }
        };
        read.map_err(|e| {
            Error::input(
                source,
                format!(
                    "has format {format} of a newer fmtui; this version reads up to {FORMAT} ({e})"
                ),
                "use the version of fmtui that wrote it",
            )
        })
    }

    /// Whether a newer fmtui wrote it: what this one does not know is not here then, so that it must not be written.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.format > FORMAT
    }

    /// Reads a profile from a parsed table (after `--set`).
    ///
    /// # Errors
    /// `Input` for anything that is not a valid profile.
    pub fn from_table(mut table: Table, source: &str) -> Result<Self> {
        // Before a key of a newer format is called unknown.
        let format = table.get("format").and_then(Value::as_integer);
        if let Some(format) = format.filter(|format| *format != i64::from(FORMAT)) {
            return Err(in_file(format::refused(&format), source));
        }
        check_integers(&table, "", source)?;
        settings::check_table(&table).map_err(|e| in_file(e, source))?;
        normalization::decide(&mut table);
        let layers = table
            .get("model")
            .and_then(|model| model.get("layers"))
            .cloned();
        let (mut profile, kept) = kept::read::<Self>(table).map_err(|e| {
            let wrong = layers.and_then(|layers| wrong_layer(&layers, "model.layers", source));
            wrong.unwrap_or_else(|| explain(&e.to_string(), source))
        })?;
        profile.kept = kept;
        profile.validate().map_err(|e| in_file(e, source))?;
        Ok(profile)
    }

    /// The profile as TOML, as it is saved.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // Every field is a plain number, text or list of such, which TOML can express.
        if self.kept.is_empty() {
            return toml::to_string(self).unwrap_or_default();
        }
        let mut table = Table::try_from(self).unwrap_or_default();
        self.kept.put_back(&mut table);
        toml::to_string(&table).unwrap_or_default()
    }
}

/// Parses TOML text; keys of older formats get their present names, and nothing else is interpreted. Bounded in size
/// (the parser bounds its depth).
///
/// # Errors
/// `Input` with line and column.
pub fn parse_table(text: &str, source: &str) -> Result<Table> {
    if text.len() as u64 > LONGEST {
        return Err(Error::input(
            source,
            format!(
                "is {} long, too large for a profile",
                text::bytes(text.len() as u64)
            ),
            "give a profile written by fmtui or by hand",
        ));
    }
    let mut table = text.parse::<Table>().map_err(|e| {
        let place = e.span().map_or(String::new(), |span| {
            let before = &text[..span.start.min(text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!(" line {line} column {column}")
        });
        Error::input(
            format!("{source}{place}"),
            format!("is not TOML: {}", one_line(e.message())),
            "correct the line; `fmtui show lenet5 --toml` prints a profile to start from",
        )
    })?;
    format::modernise(&mut table);
    Ok(table)
}

fn check_integers(table: &Table, path: &str, source: &str) -> Result<()> {
    fn check(value: &Value, path: &str, source: &str) -> Result<()> {
        match value {
            Value::Integer(i) if i.abs() > LARGEST_INTEGER => Err(Error::input(
                format!("{source}: {path}"),
                format!("{i} is too large"),
                "give a number up to 2^53",
            )),
            Value::Table(t) => check_integers(t, path, source),
            Value::Array(a) => a
                .iter()
                .enumerate()
                .try_for_each(|(i, v)| check(v, &format!("{path}[{i}]"), source)),
            _ => Ok(()),
        }
    }
    table.iter().try_for_each(|(key, value)| {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        check(value, &path, source)
    })
}

/// What is wrong in a list of layers: serde does not say in which of them it is, nor in which of its fields.
fn wrong_layer(layers: &Value, path: &str, source: &str) -> Option<Error> {
    let mut layers = layers.as_array()?.iter().enumerate();
    layers.find_map(|(index, layer)| wrong_in_layer(layer, &format!("{path}[{index}]"), source))
}

fn wrong_in_layer(layer: &Value, path: &str, source: &str) -> Option<Error> {
    let error = |place: &str, problem: &str, remedy: &str| {
        Some(Error::input(format!("{source}: {place}"), problem, remedy))
    };
    let Some(fields) = layer.as_table() else {
        let remedy = "write it as { kind = \"linear\", out_features = 10 }";
        return error(path, "is not a table", remedy);
    };
    if !fields.get("kind").is_some_and(Value::is_str) {
        let remedy = "write its kind as kind = \"linear\"";
        return error(path, "has no kind (a string)", remedy);
    }
    let within = ["layers", "shortcut"].iter().find_map(|key| {
        let layers = fields.get(*key)?;
        wrong_layer(layers, &format!("{path}.{key}"), source)
    });
    if within.is_some() {
        return within;
    }
    let read = |fields: Table| {
        let read = Value::Table(fields).try_into::<Layer>();
        read.err().map(|e| e.message().to_owned())
    };
    let message = read(fields.clone())?;
    let names_its_field = message.starts_with("unknown field") || message.starts_with("missing");
    // The field without which another thing is wrong, or none.
    let is_kind = message.starts_with("unknown variant");
    let mut candidates = fields.keys().filter(|key| (*key == "kind") == is_kind);
    let wrong = candidates.find(|key| {
        let mut others = fields.clone();
        others.remove(*key);
        !names_its_field && read(others).as_ref() != Some(&message)
    });
    let place = wrong.map_or_else(|| path.to_owned(), |key| format!("{path}.{key}"));
    Some(explain(&format!("{message}\nin `{place}`\n"), source))
}

/// The key that serde does not know, where that is what its message says.
fn unknown_key(message: &str) -> Option<String> {
    let key = message.strip_prefix("unknown field `")?.split('`').next()?;
    let place = message
        .rsplit_once("in `")
        .and_then(|(_, rest)| rest.split('`').next());
    Some(place.map_or_else(|| key.to_owned(), |place| format!("{place}.{key}")))
}

/// Removes a key from the tables that lead to it; false where it is not there.
fn remove(table: &mut Table, key: &str) -> bool {
    match key.split_once('.') {
        None => table.remove(key).is_some(),
        Some((first, rest)) => match table.get_mut(first) {
            Some(Value::Table(table)) => remove(table, rest),
            _ => false,
        },
    }
}

/// Serde's message ("unknown field `epoch`, expected one of `epochs`, … in `train`") as ours.
fn explain(message: &str, source: &str) -> Error {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let place = message
        .rsplit_once("in `")
        .and_then(|(_, rest)| rest.split_once('`'))
        .map(|(place, _)| place);
    let known = |skip_last: usize| {
        let end = quoted.len().saturating_sub(skip_last);
        quoted.get(1..end).unwrap_or_default().to_vec()
    };
    let key = quoted.first().copied().unwrap_or_default();
    if message.starts_with("unknown field") {
        let candidates = known(usize::from(place.is_some()));
        let full = place.map_or_else(|| key.to_string(), |p| format!("{p}.{key}"));
        let remedy = match place {
            Some(table) if settings::of_table(table).next().is_some() => {
                settings::suggestion(&full)
            }
            _ => suggestion(key, &candidates),
        };
        return Error::input(
            format!("{source}: {}", text::sanitize(&full)),
            "is not a known key",
            remedy,
        );
    }
    if message.starts_with("unknown variant") {
        let candidates = known(usize::from(place.is_some()));
        return Error::input(
            format!("{source}: {}", place.unwrap_or("a setting")),
            format!("has no value `{}`", text::sanitize(key)),
            suggestion(key, &candidates),
        );
    }
    if message.starts_with("missing field") {
        let full = place.map_or_else(|| key.to_string(), |p| format!("{p}.{key}"));
        return Error::input(format!("{source}: {full}"), "is missing", "add it");
    }
    let message = message.split("\nin `").next().unwrap_or(message);
    let (problem, remedy) = spoken(message.trim()).unwrap_or_else(|| {
        let remedy = "give a value of the right kind";
        (one_line(message), remedy.into())
    });
    let subject = place.map_or_else(|| source.to_string(), |p| format!("{source}: {p}"));
    Error::input(subject, problem, remedy)
}

/// Serde's "invalid type: floating point `0.5`, expected usize" without Rust's types.
fn spoken(message: &str) -> Option<(String, String)> {
    let (given, expected) = message
        .strip_prefix("invalid ")?
        .split_once(", expected ")?;
    let (what, given) = given.split_once(": ").unwrap_or((given, ""));
    let given = match given.split_once(' ') {
        _ if what.starts_with("length") => "a list",
        _ if given == "map" => "a table",
        _ if given == "sequence" => "a list",
        Some(("string", text)) => text,
        _ => given.split('`').nth(1).unwrap_or(given),
    };
    let expected = match expected {
        "usize" | "u8" | "u16" | "u32" | "u64" => "a whole number from 0 on",
        "isize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other if other.contains("struct") || other.contains("enum") || other.contains("map") => {
            "a table"
        }
        other => other,
    };
    Some((
        one_line(&format!("is {given}")),
        one_line(&format!("give {expected}")),
    ))
}

fn suggestion(word: &str, candidates: &[&str]) -> String {
    match text::nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if candidates.is_empty() => "remove it: there are none here".into(),
        None => format!("choose one of: {}", candidates.join(", ")),
    }
}

fn in_file(error: Error, source: &str) -> Error {
    match error {
        Error::Input {
            subject,
            problem,
            remedy,
        } => Error::Input {
            subject: format!("{source}: {subject}"),
            problem,
            remedy,
        },
        other => other,
    }
}

fn one_line(message: &str) -> String {
    text::sanitize(message.trim().replace('\n', ", ").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Backend;

    fn refusal(text: &str) -> String {
        Profile::parse(text, "x.toml").unwrap_err().to_string()
    }

    const MODEL: &str = "[model]\narchitecture = \"lenet5\"\n";

    #[test]
    fn a_profile_survives_the_round_trip() {
        let mut profile = Profile::new("mlp");
        profile.model.hidden = vec![100, 50];
        profile.run = Some(super::super::RunRecord::default());
        profile.result = Some(super::super::ResultRecord::default());
        profile.history.push(super::super::EpochRecord::default());
        let text = profile.to_toml();
        assert_eq!(Profile::parse(&text, "x").unwrap(), profile, "{text}");
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        assert_eq!(
            refusal(&format!("{MODEL}[train]\nepoch = 3\n")),
            "x.toml: train.epoch is not a known key; did you mean `train.epochs`?"
        );
        assert_eq!(
            refusal(&format!("{MODEL}[train.optimizer]\nlr = 3\n"))
                .split(';')
                .next(),
            Some("x.toml: train.optimizer.lr is not a known key")
        );
        assert_eq!(
            refusal(&format!("{MODEL}[train.optimizer]\nkind = \"adma\"\n")),
            "x.toml: train.optimizer.kind has no value `adma`; did you mean `adam`?"
        );
        assert_eq!(
            refusal(&format!("{MODEL}[train]\npath = \"grpah\"\n")),
            "x.toml: train.backend has no value `grpah`; did you mean `graph`?"
        );
        assert_eq!(
            refusal(&format!("{MODEL}[train]\nbakend = \"plan\"\n")),
            "x.toml: train.bakend is not a known key; did you mean `train.backend`?"
        );
        let layers = "layers = [{ kind = 'flatten', activation = 'relu' }]\n";
        assert_eq!(
            refusal(&format!("{MODEL}{layers}")),
            "x.toml: model.layers[0].activation is not a known key; remove it: there are none here"
        );
        for (layer, told) in [
            (
                "{ kind = 'linear', out_features = -10 }",
                "[0].out_features is -10; give a whole number from 0 on",
            ),
            (
                "{ kind = 'flatten' }, { kind = 'dropout', p = 'x' }",
                "[1].p is \"x\"; give a number",
            ),
            (
                "{ kind = 3 }",
                "[0] has no kind (a string); write its kind as kind = \"linear\"",
            ),
            (
                "{ kind = 'liner' }",
                "[0].kind has no value `liner`; did you mean `linear`?",
            ),
            ("{ kind = 'linear' }", "[0].out_features is missing; add it"),
            (
                "3",
                "[0] is not a table; write it as { kind = \"linear\", out_features = 10 }",
            ),
            (
                "{ kind = 'residual', layers = [{ kind = 'flatten' }, { kind = 'dropout', p = true }] }",
                "[0].layers[1].p is true; give a number",
            ),
        ] {
            assert_eq!(
                refusal(&format!("{MODEL}layers = [{layer}]\n")),
                format!("x.toml: model.layers{told}")
            );
        }
    }

    #[test]
    fn a_record_of_a_newer_format_is_read_as_far_as_it_is_understood() {
        let text = include_str!("../../tests/support/run-0.1/record.toml");
        let newer = text
            .replace("format = 1\n", "format = 9\nseason = \"autumn\"\n")
            .replace("[data]\n", "[data]\nparts = 3\n")
            .replace(
                "[train.optimizer]\n",
                "[train.optimizer]\nlookahead = { k = 5 }\n",
            )
            .replace("[run]\n", "[queue]\nplace = 1\n\n[run]\nnode = 3\n");
        let record = Profile::parse_record(&newer, "x.toml").unwrap();
        assert!(record.is_newer());
        let mut known = Profile::parse_record(text, "x.toml").unwrap();
        assert!(!known.is_newer());
        known.format = 9;
        assert_eq!(record, known);
        // As a recipe it is refused, and so is what means something that is not known.
        assert_eq!(
            refusal(&format!("format = 3\n{MODEL}")),
            "x.toml: format is 3, and this fmtui reads 1 to 2; use the version of fmtui that wrote the profile"
        );
        for unknown in [
            newer.replace("\"standard\"", "\"by-author\""),
            newer.replace("epochs = 40", "epochs = \"auto\""),
        ] {
            let refused = Profile::parse_record(&unknown, "x.toml")
                .unwrap_err()
                .to_string();
            assert!(refused.contains("of a newer fmtui"), "{refused}");
        }
    }

    /// A profile without a wish stays the text it was, and with it the hash that a resume compares.
    #[test]
    fn the_backend_is_written_only_where_one_is_asked_for() {
        let mut profile = Profile::new("lenet5");
        assert!(!profile.to_toml().contains("backend"));
        for (backend, name) in [(Backend::Plan, "plan"), (Backend::Graph, "graph")] {
            profile.train.backend = backend;
            let text = profile.to_toml();
            assert!(text.contains(&format!("backend = \"{name}\"")), "{text}");
            assert_eq!(Profile::parse(&text, "x").unwrap(), profile);
        }
    }

    #[test]
    fn a_test_is_written_only_where_none_is_wanted() {
        let mut profile = Profile::new("lenet5");
        assert!(!profile.to_toml().contains("test ="));
        profile.train.test = false;
        let text = profile.to_toml();
        assert!(text.contains("\ntest = false\n"), "{text}");
        assert_eq!(Profile::parse(&text, "x").unwrap(), profile);
        profile.data.validation = 0.0;
        let refused = profile.validate().unwrap_err().to_string();
        assert!(refused.starts_with("train.test is false, and with data.validation = 0"));
    }

    #[test]
    fn refusals_are_one_line_and_say_where() {
        for (text, start) in [
            ("[model\n", "x.toml line 1 column 7 is not TOML"),
            ("", "x.toml: model is missing"),
            ("[model]\n", "x.toml: model.architecture is missing"),
            (
                "[model]\narchitecture = 3\n",
                "x.toml: model.architecture is 3; give text of at most 200 bytes",
            ),
            ("a = 1\na = 2\n", "x.toml line 2 column 1 is not TOML"),
            (
                "a = 9223372036854775807\n",
                "x.toml: a: 9223372036854775807 is too large",
            ),
        ] {
            let message = refusal(text);
            assert!(message.starts_with(start), "{message}");
            assert!(
                !message.contains('\n') && message.contains(';'),
                "{message}"
            );
        }
    }

    #[test]
    fn hostile_text_is_refused_quickly() {
        let deep = format!("a = {}{}", "[".repeat(20_000), "]".repeat(20_000));
        assert!(refusal(&deep).contains("is not TOML"));
        assert!(refusal(&"#".repeat(50 << 20)).contains("too large for a profile"));
    }
}
