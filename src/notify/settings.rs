//! `[notify]` of `config.toml`. Read leniently: what cannot be used is told and left at its default.

use std::time::Duration;

use crate::{storage, text};

/// How notifications are shown on the desktop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Desktop {
    /// As the terminal can, where it is known.
    #[default]
    Auto,
    Osc9,
    Osc777,
    Osc99,
    None,
}

impl Desktop {
    const ALL: [(&str, Self); 5] = [
        ("auto", Self::Auto),
        ("osc9", Self::Osc9),
        ("osc777", Self::Osc777),
        ("osc99", Self::Osc99),
        ("none", Self::None),
    ];
}

/// Whether something is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Switch {
    /// Where the terminal is known to show it.
    #[default]
    Auto,
    On,
    Off,
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub bell: bool,
    pub desktop: Desktop,
    pub title: bool,
    pub progress: Switch,
    /// A run that was watched for less is not rung for: whoever started it still looks.
    pub after: Duration,
    /// A run that tells nothing for so long has stalled; `None` for never.
    pub stalled_after: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bell: true,
            desktop: Desktop::Auto,
            title: true,
            progress: Switch::Auto,
            after: Duration::from_secs(10),
            stalled_after: Some(Duration::from_mins(5)),
        }
    }
}

impl Settings {
    /// Takes the table's values; what cannot be used is added to the warnings.
    #[must_use]
    pub(crate) fn parse(table: &toml::Table, warnings: &mut Vec<String>) -> Self {
        let mut settings = Self::default();
        for (key, value) in table {
            let taken = match key.as_str() {
                "bell" => flag(&mut settings.bell, value),
                "title" => flag(&mut settings.title, value),
                "desktop" => settings.take_desktop(value),
                "progress" => settings.take_progress(value),
                "after" => seconds(value, "seconds, 0 or more").map(|s| settings.after = s),
                "stalled_after" => seconds(value, "seconds, or 0 for never")
                    .map(|s| settings.stalled_after = Some(s).filter(|s| !s.is_zero())),
                _ => Err("not known".into()),
            };
            if let Err(wanted) = taken {
                let key = text::sanitize(key);
                warnings.push(format!("config.toml: notify.{key} is {wanted}"));
            }
        }
        settings
    }

    fn take_desktop(&mut self, value: &toml::Value) -> Result<(), String> {
        let found = Desktop::ALL
            .iter()
            .find(|(name, _)| value.as_str() == Some(name));
        let Some((_, desktop)) = found else {
            let names = Desktop::ALL.map(|(name, _)| name);
            return Err(format!("one of {}", names.join(", ")));
        };
        self.desktop = *desktop;
        Ok(())
    }

    fn take_progress(&mut self, value: &toml::Value) -> Result<(), String> {
        self.progress = match (value.as_bool(), value.as_str()) {
            (Some(true), _) => Switch::On,
            (Some(false), _) => Switch::Off,
            (_, Some("auto")) => Switch::Auto,
            _ => return Err("true, false or \"auto\"".into()),
        };
        Ok(())
    }

    /// Those of the user's file, and what of them could not be used; of its other tables nothing is said.
    #[must_use]
    pub(crate) fn read() -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let content = storage::config_path().map(|path| storage::read_text(&path, LONGEST));
        let table = content
            .and_then(Result::ok)
            .and_then(|content| content.parse::<toml::Table>().ok());
        let settings = match table.as_ref().and_then(|table| table.get("notify")) {
            Some(toml::Value::Table(own)) => Self::parse(own, &mut warnings),
            _ => Self::default(),
        };
        (settings, warnings)
    }
}

/// **Units** bytes of the longest settings that are read.
const LONGEST: u64 = 1 << 20;

fn flag(to: &mut bool, value: &toml::Value) -> Result<(), String> {
    *to = value.as_bool().ok_or("true or false")?;
    Ok(())
}

fn seconds(value: &toml::Value, wanted: &str) -> Result<Duration, String> {
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let number = value.as_float().or(value.as_integer().map(|i| i as f64));
    number
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .ok_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> (Settings, Vec<String>) {
        let mut warnings = Vec::new();
        let settings = Settings::parse(&content.parse().unwrap(), &mut warnings);
        (settings, warnings)
    }

    #[test]
    fn good_settings_are_taken() {
        let (settings, warnings) = parse(
            "bell = false\ndesktop = \"osc9\"\ntitle = false\nprogress = true\nafter = 0\nstalled_after = 1.5",
        );
        assert_eq!(warnings, Vec::<String>::new());
        let wanted = Settings {
            bell: false,
            desktop: Desktop::Osc9,
            title: false,
            progress: Switch::On,
            after: Duration::ZERO,
            stalled_after: Some(Duration::from_millis(1500)),
        };
        assert_eq!(settings, wanted);
        for (progress, switch) in [("\"auto\"", Switch::Auto), ("false", Switch::Off)] {
            let (settings, _) = parse(&format!("progress = {progress}"));
            assert_eq!(settings.progress, switch);
        }
        assert_eq!(parse("stalled_after = 0").0.stalled_after, None);
        assert_eq!(parse("").0, Settings::default());
    }

    #[test]
    fn what_cannot_be_used_is_told_and_left_at_its_default() {
        let (settings, warnings) = parse(
            "after = -1\nbell = 1\ndesktop = \"growl\"\nprogress = \"yes\"\nsound = true\nstalled_after = \"5 min\"",
        );
        assert_eq!(settings, Settings::default());
        assert_eq!(
            warnings,
            [
                "after is seconds, 0 or more",
                "bell is true or false",
                "desktop is one of auto, osc9, osc777, osc99, none",
                "progress is true, false or \"auto\"",
                "sound is not known",
                "stalled_after is seconds, or 0 for never",
            ]
            .map(|warning| format!("config.toml: notify.{warning}"))
        );
    }
}
