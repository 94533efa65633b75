//! The formats that profiles have been written in, and how an older one is read.

use std::fmt::{Display, Write};

use toml::{Table, Value};

use super::Profile;
use crate::error::Error;

/// The format this program writes. It reads the older ones too.
pub const FORMAT: u32 = 2;

/// What was called otherwise: since which format, and by which keys before and after.
const RENAMED: [(u32, &str, &str); 3] = [
    (2, "train.path", "train.backend"),
    (2, "train.rates", "train.lr_multipliers"),
    (2, "run.path", "run.backend"),
];

/// The present name of a key, such as `train.backend` of `train.path`.
#[must_use]
pub fn current_key(key: &str) -> String {
    for (_, before, after) in RENAMED {
        match key.strip_prefix(before) {
            Some(rest) if rest.is_empty() || rest.starts_with('.') => {
                return format!("{after}{rest}");
            }
            _ => {}
        }
    }
    key.to_owned()
}

/// Gives the keys of older formats their present names. A key that is there by both is left for its reader to refuse.
pub(super) fn modernise(profile: &mut Table) {
    for (_, before, after) in RENAMED {
        let ((part, before), (_, after)) = (split(before), split(after));
        let Some(Value::Table(table)) = profile.get_mut(part) else {
            continue;
        };
        if !table.contains_key(after)
            && let Some(value) = table.remove(before)
        {
            table.insert(after.into(), value);
        }
    }
    let is_older = |format: &Value| {
        format
            .as_integer()
            .is_some_and(|format| (1..i64::from(FORMAT)).contains(&format))
    };
    if profile.get("format").is_some_and(is_older) {
        profile.insert("format".into(), i64::from(FORMAT).into());
    }
}

/// Why a profile of this format is not read.
pub(super) fn refused(format: &impl Display) -> Error {
    Error::input(
        "format",
        format!("is {format}, and this fmtui reads 1 to {FORMAT}"),
        "use the version of fmtui that wrote the profile",
    )
}

impl Profile {
    /// The profile as TOML of this format or an older one: byte by byte as that wrote it, but for what came later.
    #[must_use]
    pub fn to_toml_of(&self, format: u32) -> String {
        let profile = Self {
            format,
            ..self.clone()
        };
        let mut text = String::new();
        let mut part = String::new();
        for line in profile.to_toml().lines() {
            if let Some(header) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                header.clone_into(&mut part);
                let _ = write!(text, "[{}]", key_of(header, format));
            } else if let Some((key, value)) = line.split_once(" = ") {
                let full = key_of(&format!("{part}.{key}"), format);
                let _ = write!(text, "{} = {value}", split(&full).1);
            } else {
                text.push_str(line);
            }
            text.push('\n');
        }
        text
    }
}

/// What a key of the present format was called in an older one.
fn key_of(key: &str, format: u32) -> String {
    let renamed = RENAMED
        .iter()
        .find(|(since, _, after)| *since > format && *after == key);
    renamed.map_or(key, |(_, before, _)| before).to_owned()
}

/// The table that a key is in, and its name there.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = include_str!("../../tests/support/run-0.1/record.toml");

    #[test]
    fn a_recipe_of_format_1_is_written_as_it_was() {
        let mut text: String = RECORD.split("[run]").next().unwrap().trim_end().into();
        text.push('\n');
        let recipe = Profile::parse(&text, "old").unwrap();
        assert_eq!(recipe.format, FORMAT);
        assert_eq!(recipe.to_toml_of(1), text);
        for (key, value) in [("path = \"graph\"\n", "graph"), ("", "auto")] {
            let text = text.replace("loss = ", &format!("{key}loss = "));
            let text = text + "\n[train.rates]\nlinear1 = 0.5\n";
            let recipe = Profile::parse(&text, "old").unwrap();
            assert_eq!(
                recipe.to_toml().contains("backend = \"graph\""),
                value == "graph"
            );
            assert_eq!(recipe.train.lr_multipliers["linear1"], 0.5);
            let written = recipe.to_toml_of(1);
            assert_eq!(written.contains("path = \"graph\""), value == "graph");
            assert!(
                written.contains("[train.rates]\nlinear1 = 0.5\n"),
                "{written}"
            );
            assert_eq!(Profile::parse(&written, "old").unwrap(), recipe);
        }
    }

    #[test]
    fn old_names_are_read_in_every_format_and_refused_beside_new_ones() {
        let model = "[model]\narchitecture = \"lenet5\"\n";
        for format in ["", "format = 1\n", "format = 2\n"] {
            let text = format!("{format}{model}[train]\npath = \"graph\"\n");
            let profile = Profile::parse(&text, "x").unwrap();
            assert_eq!(profile.train.backend, crate::profile::Backend::Graph);
            let both = format!("{text}backend = \"plan\"\n");
            let refused = Profile::parse(&both, "x").unwrap_err().to_string();
            assert!(refused.contains("train.path"), "{refused}");
        }
        assert_eq!(current_key("train.path"), "train.backend");
        assert_eq!(
            current_key("train.rates.conv1"),
            "train.lr_multipliers.conv1"
        );
        assert_eq!(current_key("train.paths"), "train.paths");
    }
}
