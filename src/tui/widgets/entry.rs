//! A line of typed text: filters, the palette, the search in the help.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key did to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    Changed,
    /// Enter.
    Done,
    /// Esc, or backspace in an empty line.
    Cancelled,
    /// Not a key of the line.
    Ignored,
}

/// Text with the cursor at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub text: String,
}

impl Entry {
    pub fn on_key(&mut self, key: KeyEvent) -> Typed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => Typed::Done,
            KeyCode::Esc => Typed::Cancelled,
            KeyCode::Char('u') if control => {
                self.text.clear();
                Typed::Changed
            }
            KeyCode::Char('w') if control => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                self.text.truncate(kept);
                Typed::Changed
            }
            KeyCode::Backspace => {
                if self.text.pop().is_none() {
                    return Typed::Cancelled;
                }
                Typed::Changed
            }
            KeyCode::Char(c) if !control && self.text.chars().count() < 100 => {
                self.text
                    .extend(crate::text::sanitize(&c.to_string()).chars());
                Typed::Changed
            }
            _ => Typed::Ignored,
        }
    }

    /// True when every typed word occurs in the text, whatever the case.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.text
            .to_lowercase()
            .split_whitespace()
            .all(|word| text.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_keys(entry: &mut Entry, text: &str) {
        for c in text.chars() {
            entry.on_key(KeyEvent::from(KeyCode::Char(c)));
        }
    }

    #[test]
    fn typing_and_leaving() {
        let mut entry = Entry::default();
        type_keys(&mut entry, "le net");
        assert!(entry.matches("Modern LeNet, le"));
        assert!(!entry.matches("mlp"));
        let ctrl_w = KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL);
        entry.on_key(ctrl_w);
        assert_eq!(entry.text, "le ");
        for _ in 0..3 {
            assert_eq!(
                entry.on_key(KeyEvent::from(KeyCode::Backspace)),
                Typed::Changed
            );
        }
        assert_eq!(
            entry.on_key(KeyEvent::from(KeyCode::Backspace)),
            Typed::Cancelled
        );
        assert_eq!(entry.on_key(KeyEvent::from(KeyCode::Enter)), Typed::Done);
    }
}
