//! The user's own settings: theme, ASCII, keys. Read leniently: what cannot be used is told and left at its default.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::keymap::Keymap;
use super::theme::{Palette, Theme};
use crate::{storage, text};

/// Settings of the screens.
#[derive(Clone, Debug)]
pub struct Settings {
    pub theme: Theme,
    pub keymap: Keymap,
    /// What could not be used, for people.
    pub warnings: Vec<String>,
}

impl Settings {
    /// What to do about the warnings.
    #[must_use]
    pub fn remedy(&self) -> String {
        let file = path().map_or_else(
            || "config.toml".into(),
            |p| text::sanitize(&p.display().to_string()),
        );
        format!("correct {file} and open fmtui again; the rest of it holds")
    }
}

/// **Units** bytes of the longest settings that are read.
const LONGEST: u64 = 1 << 20;

/// `config.toml` in the platform's configuration directory.
#[must_use]
pub fn path() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "fmtui").map(|d| d.config_dir().join("config.toml"))
}

/// Reads the settings; no file means the defaults.
#[must_use]
pub fn read() -> Settings {
    let Some(path) = path() else {
        return parse("");
    };
    match storage::read_text(&path, LONGEST) {
        Ok(content) => parse(&content),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => parse(""),
        Err(e) => {
            let mut settings = parse("");
            let shown = text::sanitize(&path.display().to_string());
            settings.warnings.push(format!("cannot read {shown}: {e}"));
            settings
        }
    }
}

fn parse(content: &str) -> Settings {
    let mut warnings = Vec::new();
    let table: toml::Table = content.parse().unwrap_or_else(|e: toml::de::Error| {
        warnings.push(format!("config.toml: {}", text::sanitize(e.message())));
        toml::Table::new()
    });
    let mut palette = Palette::Dark;
    let mut ascii = None;
    let mut keys = BTreeMap::new();
    for (key, value) in &table {
        match (key.as_str(), value) {
            ("theme", toml::Value::String(name)) => match palette_of(name) {
                Some(found) => palette = found,
                None => warnings.push(format!(
                    "config.toml: theme \"{}\" is none of dark, light, color-blind, mono",
                    text::sanitize(name)
                )),
            },
            ("ascii", toml::Value::Boolean(on)) => ascii = Some(*on),
            ("keys", toml::Value::Table(own)) => keys = own_keys(own, &mut warnings),
            ("theme" | "ascii" | "keys", _) => {
                warnings.push(format!("config.toml: {key} has a value of the wrong kind"));
            }
            // Settings of other parts of the program live in the same file.
            ("device" | "workspace" | "data_dir", _) => {}
            _ => warnings.push(format!("config.toml: {} is not known", text::sanitize(key))),
        }
    }
    let (keymap, key_warnings) = Keymap::with(&keys);
    warnings.extend(
        key_warnings
            .into_iter()
            .map(|w| format!("config.toml: {w}")),
    );
    let mut theme = Theme::detect(palette);
    theme.ascii = ascii.unwrap_or(theme.ascii);
    Settings {
        theme,
        keymap,
        warnings,
    }
}

fn palette_of(name: &str) -> Option<Palette> {
    match name {
        "dark" => Some(Palette::Dark),
        "light" => Some(Palette::Light),
        "color-blind" | "colour-blind" => Some(Palette::ColorBlind),
        "mono" => Some(Palette::Mono),
        _ => None,
    }
}

fn own_keys(table: &toml::Table, warnings: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for (name, value) in table {
        match value.as_str() {
            Some(key) => {
                keys.insert(name.clone(), key.to_string());
            }
            None => warnings.push(format!(
                "config.toml: keys.{} must be a text such as \"p\"",
                text::sanitize(name)
            )),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::crossterm::event::{KeyCode, KeyEvent};

    #[test]
    fn good_settings_are_taken() {
        let s = parse("theme = \"light\"\nascii = true\ndevice = \"cpu\"\n[keys]\npause = \"p\"\n");
        assert!(s.theme.is_light() && s.theme.ascii);
        assert!(
            s.keymap
                .action(KeyEvent::from(KeyCode::Char('p')))
                .is_some()
        );
        assert_eq!(s.warnings, Vec::<String>::new());
    }

    #[test]
    fn bad_settings_are_told_and_left() {
        let s = parse("theme = \"neon\"\nascii = 3\ncolour = 1\n[keys]\nstop = 7\nfly = \"f\"\n");
        assert_eq!(s.warnings.len(), 5, "{:?}", s.warnings);
        assert!(!s.theme.is_light());
        assert_eq!(parse("theme = ").warnings.len(), 1);
    }
}
