//! The user's own settings: theme, ASCII, keys, notifications. Read leniently: what cannot be used is told and left at
//! its default. Of all that stands in the file only the theme is ever written, when a key has chosen one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::keymap::Keymap;
use super::theme::{Palette, Theme};
use crate::error::{Error, Result};
use crate::{notify, storage, text};

/// Settings of the screens.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub theme: Theme,
    pub keymap: Keymap,
    pub notify: notify::Settings,
    /// What could not be used, for people.
    pub warnings: Vec<String>,
}

impl Settings {
    /// What to do about the warnings.
    #[must_use]
    pub(crate) fn remedy() -> String {
        let file = storage::config_path().map_or_else(
            || "config.toml".into(),
            |p| text::sanitize(&p.display().to_string()),
        );
        format!("correct {file} and open fmtui again")
    }
}

/// **Units** bytes of the longest settings that are read.
const LONGEST: u64 = 1 << 20;

/// Reads the settings; no file means the defaults.
#[must_use]
pub(crate) fn read() -> Settings {
    let Some(path) = storage::config_path() else {
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
        let why = text::sanitize(e.message());
        warnings.push(format!(
            "config.toml is not valid TOML and is ignored: {why}"
        ));
        toml::Table::new()
    });
    let mut palette = Palette::Auto;
    let mut ascii = None;
    let mut query = true;
    let mut keys = BTreeMap::new();
    let mut notify = notify::Settings::default();
    for (key, value) in &table {
        match (key.as_str(), value) {
            ("theme", toml::Value::String(name)) => match Palette::named(name) {
                Some(found) => palette = found,
                None => warnings.push(format!(
                    "config.toml: theme \"{}\" is none of {}",
                    text::sanitize(name),
                    Palette::ALL.map(Palette::name).join(", ")
                )),
            },
            ("ascii", toml::Value::Boolean(on)) => ascii = Some(*on),
            ("terminal", toml::Value::Table(own)) => query = may_query(own, &mut warnings),
            ("keys", toml::Value::Table(own)) => keys = own_keys(own, &mut warnings),
            ("notify", toml::Value::Table(own)) => {
                notify = notify::Settings::parse(own, &mut warnings);
            }
            ("theme" | "ascii" | "terminal" | "keys" | "notify", _) => {
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
    theme.query &= query;
    Settings {
        theme,
        keymap,
        notify,
        warnings,
    }
}

/// `[terminal] query`: whether the terminal may be asked for its background.
fn may_query(table: &toml::Table, warnings: &mut Vec<String>) -> bool {
    let mut query = true;
    for (name, value) in table {
        match (name.as_str(), value) {
            ("query", toml::Value::Boolean(on)) => query = *on,
            ("query", _) => warnings.push("config.toml: terminal.query is true or false".into()),
            _ => warnings.push(format!(
                "config.toml: terminal.{} is not known",
                text::sanitize(name)
            )),
        }
    }
    query
}

fn own_keys(table: &toml::Table, warnings: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for (name, value) in table {
        match value.as_str() {
            Some(key) => {
                keys.insert(name.clone(), key.to_string());
            }
            None => warnings.push(format!(
                "config.toml: keys.{} must be a string such as \"p\"",
                text::sanitize(name)
            )),
        }
    }
    keys
}

/// The theme that a key has chosen, on its way into the user's file.
#[derive(Debug, Default)]
pub(crate) struct KeptTheme {
    path: Option<PathBuf>,
    chosen: Mutex<Option<Palette>>,
    /// Held while the file is written.
    writing: Mutex<()>,
}

impl KeptTheme {
    #[must_use]
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            ..Self::default()
        }
    }

    /// Takes a choice; [`write`](Self::write) keeps the last one.
    pub(crate) fn choose(&self, palette: Palette) {
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some(palette);
    }

    /// Writes what was chosen last into the file and leaves all else in it as it is; nothing where that is done
    /// already.
    ///
    /// # Errors
    /// `Io` when the file cannot be read or written, `Input` where it is no TOML that a theme could be put into. The
    /// file is then as it was.
    pub(crate) fn write(&self) -> Result<()> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = self
            .chosen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(palette) = chosen else {
            return Ok(());
        };
        let path = self.path.as_deref().ok_or_else(|| {
            Error::input(
                "theme",
                "is not saved: there is no config directory",
                "set HOME",
            )
        })?;
        write_theme(path, palette)
    }
}

fn write_theme(path: &Path, palette: Palette) -> Result<()> {
    // Whoever links to a file of their own keeps the link.
    let file = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let read = storage::read_text(&file, LONGEST)
        .and_then(|content| Ok((content, std::fs::metadata(&file)?)));
    let (content, permissions) = match read {
        Ok((content, metadata)) => (content, Some(metadata.permissions())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => (String::new(), None),
        Err(e) => return Err(Error::io("read", &file, e)),
    };
    let content = with_theme(&content, palette.name()).ok_or_else(|| {
        Error::input(
            "theme",
            "could not be saved; config.toml is unchanged",
            format!(
                "write theme = \"{}\" into {} yourself",
                palette.name(),
                text::sanitize(&file.display().to_string())
            ),
        )
    })?;
    storage::commit(&file, content.as_bytes())?;
    if let Some(permissions) = permissions {
        std::fs::set_permissions(&file, permissions).map_err(|e| Error::io("write", &file, e))?;
    }
    Ok(())
}

/// The settings with this theme and nothing else changed; `None` where that cannot be done.
fn with_theme(content: &str, name: &str) -> Option<String> {
    let mut expected: toml::Table = content.parse().ok()?;
    expected.insert("theme".into(), name.into());
    let mut out = String::new();
    let mut is_done = false;
    // Keys of the file itself stand before its first table.
    let mut is_before_tables = true;
    for line in content.split_inclusive('\n') {
        is_before_tables &= !line.trim_start().starts_with('[');
        let value = line
            .trim_start()
            .strip_prefix("theme")
            .and_then(|l| l.trim_start().strip_prefix('='));
        match value {
            Some(value) if is_before_tables && !is_done => {
                out.extend(["theme = \"", name, "\"", after_text(value)]);
                is_done = true;
            }
            _ => out.push_str(line),
        }
    }
    if !is_done {
        out.insert_str(0, &format!("theme = \"{name}\"\n"));
    }
    // What looks like a key may stand in a text of several lines; then this is not what was meant.
    (out.parse::<toml::Table>().ok()? == expected).then_some(out)
}

/// What stands behind a value: a comment, and the end of the line.
fn after_text(value: &str) -> &str {
    let end = value.trim_end_matches(['\r', '\n']).len();
    let text = value.trim_start();
    let quote = text.chars().next().filter(|c| ['"', '\''].contains(c));
    let behind = quote.and_then(|q| text[1..].split_once(q)).map(|(_, b)| b);
    match behind {
        Some(behind) if behind.trim_start().starts_with('#') => behind,
        _ => &value[end..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Ground;
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
        let s = parse(
            "theme = \"neon\"\nascii = 3\ncolour = 1\n[keys]\nstop = 7\nfly = \"f\"\n[terminal]\nquery = 1\nask = true\n",
        );
        assert_eq!(s.warnings.len(), 7, "{:?}", s.warnings);
        assert_eq!(s.theme.palette(), Palette::Auto);
        assert_eq!(parse("theme = ").warnings.len(), 1);
        assert!(parse("theme = ").warnings[0].contains("is not valid TOML"));
        assert_eq!(parse("terminal = false").warnings.len(), 1);
    }

    #[test]
    fn every_theme_is_known_by_its_name() {
        for palette in Palette::ALL {
            let s = parse(&format!("theme = \"{}\"", palette.name()));
            assert_eq!((s.theme.palette(), s.warnings.len()), (palette, 0));
        }
        let british = parse("theme = \"colour-blind\"");
        assert_eq!(british.theme.palette(), Palette::ColorBlind);
        assert_eq!(parse("").theme.palette(), Palette::Auto);
    }

    #[test]
    fn the_terminal_is_not_asked_where_that_is_forbidden() {
        for off in ["terminal.query = false", "[terminal]\nquery = false"] {
            let settings = parse(off);
            assert!(!settings.theme.query, "{off}");
            assert_eq!(settings.warnings, Vec::<String>::new());
        }
        assert!(
            !parse("terminal.query = false")
                .theme
                .on(Ground::Dark)
                .asks_for_ground()
        );
    }

    #[test]
    fn a_theme_is_put_in_and_all_else_stays() {
        for (before, after) in [
            ("", "theme = \"light\"\n"),
            ("theme = \"dark\"\n", "theme = \"light\"\n"),
            ("theme=\"dark\"", "theme = \"light\""),
            (
                "# mine\r\n  theme = 'dark' # \"at night\"\r\nascii = true\r\n",
                "# mine\r\ntheme = \"light\" # \"at night\"\r\nascii = true\r\n",
            ),
            ("theme = 3 # none\n", "theme = \"light\"\n"),
            (
                "# no theme = here\n[keys]\ntheme = \"F\"\n",
                "theme = \"light\"\n# no theme = here\n[keys]\ntheme = \"F\"\n",
            ),
            ("themes = 1\n", "theme = \"light\"\nthemes = 1\n"),
        ] {
            assert_eq!(
                with_theme(before, "light").as_deref(),
                Some(after),
                "{before:?}"
            );
        }
        for impossible in [
            "theme = ",
            "\"theme\" = \"dark\"\n",
            "note = \"\"\"\ntheme = 1\n\"\"\"\n",
            "theme = \"\"\"\ndark\"\"\"\n",
        ] {
            assert_eq!(with_theme(impossible, "light"), None, "{impossible:?}");
        }
    }

    #[test]
    fn the_last_choice_is_kept_in_the_file_that_is_linked_to() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let (own, link) = (
            home.path().join("own.toml"),
            home.path().join("config.toml"),
        );
        std::fs::write(&own, "ascii = true\n").unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("own.toml", &link).unwrap();
        let kept = KeptTheme::new(Some(link.clone()));
        kept.choose(Palette::Light);
        kept.choose(Palette::Mono);
        kept.write().unwrap();
        kept.write().unwrap();
        let content = std::fs::read_to_string(&own).unwrap();
        assert_eq!(content, "theme = \"mono\"\nascii = true\n");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = std::fs::metadata(&own).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn a_theme_that_cannot_be_kept_is_told_and_nothing_is_lost() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("new/config.toml");
        let kept = KeptTheme::new(Some(path.clone()));
        kept.choose(Palette::Dark);
        kept.write().unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "theme = \"dark\"\n"
        );
        std::fs::write(&path, "theme = ").unwrap();
        kept.choose(Palette::Light);
        assert!(kept.write().is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theme = ");
        let homeless = KeptTheme::new(None);
        homeless.choose(Palette::Dark);
        assert!(homeless.write().is_err());
    }
}
