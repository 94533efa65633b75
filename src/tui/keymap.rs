//! The one table of keys: what each does, what it is called, how it is written. Footer, help and palette are made from
//! it.

use std::collections::BTreeMap;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::Action;
use super::tab_id::TabId;
use crate::text;

/// A key with Control and Alt; Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub action: Action,
    /// Its name in the user's configuration.
    pub name: &'static str,
    pub does: &'static str,
    pub group: &'static str,
    keys: Vec<Key>,
    /// How the keys are written by default; hints of tabs use this form.
    usual: &'static str,
    /// How the keys are written now.
    pub shown: String,
}

/// Group, name, keys, shown, what it does, action.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Action,
);

const MOVE: &str = "move";
const RUN: &str = "run";
const LOOK: &str = "view";
const RUNS: &str = "runs";
const PROGRAM: &str = "program";

/// The rows before those of the tabs.
const TABLE: &[Row] = &[
    (
        RUN,
        "train",
        "t",
        "t",
        "train, or open Model",
        Action::Train,
    ),
    (
        RUN,
        "queue",
        "Q",
        "Q",
        "queue the recipe, with several seeds",
        Action::Queue,
    ),
    (
        RUN,
        "sweep",
        "S",
        "S",
        "start a sweep over the marked fields",
        Action::Sweep,
    ),
    (
        RUN,
        "pause",
        "space p",
        "Space",
        "pause/continue",
        Action::PauseOrResume,
    ),
    (
        RUN,
        "stop",
        "x",
        "x",
        "stop the run (asks first)",
        Action::Stop,
    ),
    (
        RUN,
        "faster-learning",
        "+ =",
        "+",
        "raise the learning rate",
        Action::LearningRateUp,
    ),
    (
        RUN,
        "slower-learning",
        "- _",
        "−",
        "lower the learning rate",
        Action::LearningRateDown,
    ),
    (
        RUN,
        "checkpoint",
        "c",
        "c",
        "save a checkpoint now",
        Action::Checkpoint,
    ),
    (
        RUNS,
        "replay",
        "r",
        "r",
        "replay the recorded run",
        Action::Replay,
    ),
    (
        RUNS,
        "resume",
        "u",
        "u",
        "resume a run that ended early",
        Action::ResumeRun,
    ),
    (
        RUNS,
        "fork",
        "f",
        "f",
        "fork a run after the epoch shown",
        Action::Fork,
    ),
    (
        RUNS,
        "mark",
        "m",
        "m",
        "mark for comparison, compare",
        Action::Mark,
    ),
    (
        RUNS,
        "delete",
        "d delete",
        "d",
        "delete a run; download, remove a set",
        Action::Delete,
    ),
    (
        RUNS,
        "add",
        "a",
        "a",
        "add a data set: a folder or a file",
        Action::Add,
    ),
    (
        RUNS,
        "check",
        "C",
        "C",
        "check the data set: copies, leaks",
        Action::CheckDataset,
    ),
    (
        LOOK,
        "view",
        "v",
        "v",
        "next view of this tab",
        Action::CycleView,
    ),
    (
        LOOK,
        "numbers",
        "n",
        "n",
        "number format; split of the data set",
        Action::CycleNumbers,
    ),
    (
        LOOK,
        "sort",
        "s",
        "s",
        "change the sort order",
        Action::Sort,
    ),
    (
        LOOK,
        "filter",
        "/",
        "/",
        "filter by typed text",
        Action::Filter,
    ),
    (
        LOOK,
        "edit",
        "e",
        "e",
        "edit the field under the cursor",
        Action::Edit,
    ),
    (
        LOOK,
        "vary",
        "*",
        "*",
        "mark the field: a sweep searches it",
        Action::Vary,
    ),
    (
        LOOK,
        "edit-text",
        "E",
        "E",
        "edit the whole recipe in $EDITOR",
        Action::EditText,
    ),
    (
        LOOK,
        "predict",
        "i",
        "i",
        "predict an image of your own",
        Action::Predict,
    ),
    (
        LOOK,
        "earlier",
        "< ,",
        "<",
        "earlier epoch, slower replay",
        Action::Earlier,
    ),
    (
        LOOK,
        "later",
        "> .",
        ">",
        "later epoch, faster replay",
        Action::Later,
    ),
    (MOVE, "up", "k up", "k", "up", Action::Up),
    (MOVE, "down", "j down", "j", "down", Action::Down),
    (MOVE, "left", "h left", "h", "left", Action::Left),
    (MOVE, "right", "l right", "l", "right", Action::Right),
    (
        MOVE,
        "page-up",
        "pageup ctrl-b",
        "PgUp",
        "a page up",
        Action::PageUp,
    ),
    (
        MOVE,
        "page-down",
        "pagedown ctrl-f",
        "PgDn",
        "a page down",
        Action::PageDown,
    ),
    (
        MOVE,
        "home",
        "home g",
        "g",
        "to the beginning",
        Action::Home,
    ),
    (MOVE, "end", "end G", "G", "to the end", Action::End),
    (MOVE, "open", "enter", "Enter", "open", Action::Open),
    (MOVE, "back", "esc", "Esc", "back, dismiss", Action::Back),
];

/// The rows after those of the tabs.
const PROGRAM_TABLE: &[Row] = &[
    (
        PROGRAM,
        "next-tab",
        "tab",
        "Tab",
        "next tab",
        Action::NextTab,
    ),
    (
        PROGRAM,
        "previous-tab",
        "backtab",
        "Shift-Tab",
        "previous tab",
        Action::PreviousTab,
    ),
    (
        PROGRAM,
        "help",
        "? f1",
        "?",
        "keys, searchable",
        Action::Help,
    ),
    (
        PROGRAM,
        "palette",
        ":",
        ":",
        "palette: every action and preset",
        Action::Palette,
    ),
    (
        PROGRAM,
        "theme",
        "T",
        "T",
        "next colour theme; saved",
        Action::NextTheme,
    ),
    (
        PROGRAM,
        "redraw",
        "ctrl-l",
        "Ctrl-L",
        "redraw the screen",
        Action::Redraw,
    ),
    (
        PROGRAM,
        "suspend",
        "ctrl-z",
        "Ctrl-Z",
        "suspend; fg returns",
        Action::Suspend,
    ),
    (
        PROGRAM,
        "leave",
        "q ctrl-c",
        "q",
        "quit; runs keep training",
        Action::Leave,
    ),
];

/// The whole table.
fn rows() -> impl Iterator<Item = Row> {
    let tabs = TabId::ALL.iter().map(|&tab| {
        let (name, key) = (tab.key_name(), tab.key());
        (PROGRAM, name, key, key, tab.title(), Action::GoToTab(tab))
    });
    let before = TABLE.iter().copied();
    before.chain(tabs).chain(PROGRAM_TABLE.iter().copied())
}

/// Keys to actions, and back to words.
#[derive(Clone, Debug)]
pub(crate) struct Keymap {
    bindings: Vec<Binding>,
}

impl Default for Keymap {
    fn default() -> Self {
        let binding = |(group, name, keys, usual, does, action): Row| Binding {
            action,
            name,
            does,
            group,
            keys: keys.split(' ').filter_map(Key::parse).collect(),
            usual,
            shown: usual.to_string(),
        };
        Self {
            bindings: rows().map(binding).collect(),
        }
    }
}

impl Keymap {
    /// The table with the user's own keys; what cannot be used is left as it was and told.
    #[must_use]
    pub(crate) fn with(own: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut map = Self::default();
        let mut warnings = Vec::new();
        let names: Vec<&str> = map.bindings.iter().map(|b| b.name).collect();
        for (name, keys) in own {
            let Some(at) = names.iter().position(|n| n == name) else {
                let near = text::nearest(name, names.iter().copied());
                let near = near.map_or(String::new(), |n| format!("; did you mean {n}?"));
                warnings.push(format!(
                    "keys.{} is not an action{near}",
                    text::sanitize(name)
                ));
                continue;
            };
            let parsed: Vec<Option<Key>> = keys.split_whitespace().map(Key::parse).collect();
            if parsed.is_empty() || parsed.contains(&None) {
                warnings.push(format!(
                    "keys.{name}: \"{}\" is not a key; write one such as \"p\", \"ctrl-p\", \"f5\" or \"space\"",
                    text::sanitize(keys)
                ));
                continue;
            }
            let keys: Vec<Key> = parsed.into_iter().flatten().collect();
            for binding in &mut map.bindings {
                binding.keys.retain(|k| !keys.contains(k));
            }
            map.bindings[at].shown = keys[0].name();
            map.bindings[at].keys = keys;
        }
        for binding in &mut map.bindings {
            match binding.keys.first() {
                None => {
                    warnings.push(format!(
                        "keys.{}: all its keys are taken by other actions",
                        binding.name
                    ));
                    binding.shown = "–".into();
                }
                Some(first) if binding.shown == binding.usual => {
                    // The usual first key may have been given to something else.
                    let usual = rows().find(|row| row.1 == binding.name);
                    let first_usual = usual
                        .and_then(|row| row.2.split(' ').next())
                        .and_then(Key::parse);
                    let moved = first_usual.is_some_and(|k| !binding.keys.contains(&k));
                    if moved {
                        binding.shown = first.name();
                    }
                }
                Some(_) => {}
            }
        }
        (map, warnings)
    }

    /// What a key means, if anything.
    #[must_use]
    pub(crate) fn action(&self, event: KeyEvent) -> Option<Action> {
        let key = Key::of(event);
        self.bindings
            .iter()
            .find(|b| b.keys.contains(&key))
            .map(|b| b.action)
    }

    #[must_use]
    pub(crate) fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// A hint's keys as they are now, where the user has changed them.
    #[must_use]
    pub(crate) fn shown(&self, usual: &str) -> String {
        let now = |word: &str| {
            let binding = self.bindings.iter().find(|b| b.usual == word);
            binding.map_or_else(|| word.to_string(), |b| b.shown.clone())
        };
        usual.split(' ').map(now).collect::<Vec<_>>().join(" ")
    }
}

impl Key {
    fn of(event: KeyEvent) -> Self {
        let kept = KeyModifiers::CONTROL | KeyModifiers::ALT;
        Self {
            code: event.code,
            modifiers: event.modifiers & kept,
        }
    }

    /// Reads `p`, `ctrl-p`, `alt-x`, `f5`, `space`, `enter`, `esc`, `tab`, `backtab`, arrows, `home`, `end`, `pageup`,
    /// `pagedown`.
    fn parse(text: &str) -> Option<Self> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        while rest.len() > 1 {
            if let Some(after) = rest.strip_prefix("ctrl-") {
                (rest, modifiers) = (after, modifiers | KeyModifiers::CONTROL);
            } else if let Some(after) = rest.strip_prefix("alt-") {
                (rest, modifiers) = (after, modifiers | KeyModifiers::ALT);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => KeyCode::Char(c),
            _ => match rest {
                "space" => KeyCode::Char(' '),
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "backtab" => KeyCode::BackTab,
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "pageup" => KeyCode::PageUp,
                "pagedown" => KeyCode::PageDown,
                "delete" => KeyCode::Delete,
                "insert" => KeyCode::Insert,
                _ => KeyCode::F(
                    rest.strip_prefix('f')?
                        .parse()
                        .ok()
                        .filter(|n| (1..=24).contains(n))?,
                ),
            },
        };
        Some(Self { code, modifiers })
    }

    fn name(self) -> String {
        let mut name = String::new();
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            name.push_str("Ctrl-");
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            name.push_str("Alt-");
        }
        match self.code {
            KeyCode::Char(' ') => name.push_str("Space"),
            KeyCode::Char(c) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                name.extend(c.to_uppercase());
            }
            KeyCode::Char(c) => name.push(c),
            KeyCode::F(n) => return format!("{name}F{n}"),
            KeyCode::PageUp => name.push_str("PgUp"),
            KeyCode::PageDown => name.push_str("PgDn"),
            KeyCode::BackTab => name.push_str("Shift-Tab"),
            other => return format!("{name}{other:?}"),
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(c: char) -> KeyEvent {
        KeyEvent::from(KeyCode::Char(c))
    }

    #[test]
    fn every_key_of_the_table_is_read_and_means_one_thing() {
        let map = Keymap::default();
        let mut seen: Vec<Key> = Vec::new();
        for (binding, row) in map.bindings.iter().zip(rows()) {
            assert_eq!(
                binding.keys.len(),
                row.2.split(' ').count(),
                "{}",
                binding.name
            );
            for key in &binding.keys {
                assert!(!seen.contains(key), "{} twice", key.name());
                seen.push(*key);
            }
        }
        assert_eq!(map.action(press('q')), Some(Action::Leave));
        assert_eq!(map.action(press('G')), Some(Action::End));
        let control_l = KeyEvent::new(KeyCode::Char('l'), KeyModifiers::CONTROL);
        assert_eq!(map.action(control_l), Some(Action::Redraw));
        assert_eq!(map.action(press('T')), Some(Action::NextTheme));
        assert_eq!(map.action(press('Z')), None);
        // As wide as the help's column on a screen of 80.
        for Binding { does, .. } in &map.bindings {
            assert!(does.chars().count() <= 38, "{does}");
        }
    }

    #[test]
    fn own_keys_replace_and_mistakes_are_told() {
        let own = BTreeMap::from([
            ("pause".to_string(), "p".to_string()),
            ("stop".to_string(), "hyper-x".to_string()),
            ("trian".to_string(), "t".to_string()),
            ("mark".to_string(), "t".to_string()),
        ]);
        let (map, warnings) = Keymap::with(&own);
        assert_eq!(map.action(press('p')), Some(Action::PauseOrResume));
        assert_eq!(map.action(press(' ')), None);
        assert_eq!(map.action(press('x')), Some(Action::Stop));
        assert_eq!(map.action(press('t')), Some(Action::Mark));
        assert_eq!(map.shown("Space"), "p");
        assert_eq!(map.shown("+ −"), "+ −");
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings.iter().any(|w| w.contains("did you mean train?")));
        assert!(
            warnings
                .iter()
                .any(|w| w.contains("keys.train: all its keys are taken"))
        );
    }
}
