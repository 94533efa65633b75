//! One line of typed text with a cursor: filters, the palette, the search in the help, form fields.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::text;

/// Longest text that can be typed, in characters.
const LONGEST: usize = 120;

/// The same of a path.
const LONGEST_PATH: usize = 4096;

/// Text being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    text: Vec<char>,
    cursor: usize,
    is_path: bool,
}

/// What a key did to an [`Input`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The text or the cursor may have changed.
    Edited,
    /// Enter.
    Accepted,
    /// Esc or Ctrl-C.
    Cancelled,
    /// Not for the input.
    Ignored,
}

impl Input {
    /// Begins with `text`, the cursor at its end.
    #[must_use]
    pub(crate) fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().take(LONGEST).collect();
        let cursor = text.len();
        Self {
            text,
            cursor,
            is_path: false,
        }
    }

    /// The same for a path, which may be longer.
    #[must_use]
    pub(crate) fn of_path(path: &str) -> Self {
        let text: Vec<char> = path.chars().take(LONGEST_PATH).collect();
        let cursor = text.len();
        Self {
            text,
            cursor,
            is_path: true,
        }
    }

    fn longest(&self) -> usize {
        if self.is_path { LONGEST_PATH } else { LONGEST }
    }

    #[must_use]
    pub(crate) fn text(&self) -> String {
        self.text.iter().collect()
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// True when every typed word occurs in `text`, whatever the case.
    #[must_use]
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let typed = self.text().to_lowercase();
        typed.split_whitespace().all(|word| text.contains(word))
    }

    /// Takes one key.
    pub(crate) fn on_key(&mut self, key: KeyEvent) -> Typed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Typed::Accepted,
            KeyCode::Esc => return Typed::Cancelled,
            KeyCode::Char('c') if control => return Typed::Cancelled,
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => self.delete_word(),
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char(sign) if !control => {
                let harmless = !text::sanitize(sign.encode_utf8(&mut [0; 4])).is_empty();
                if harmless && self.text.len() < self.longest() {
                    self.text.insert(self.cursor, sign);
                    self.cursor += 1;
                }
            }
            KeyCode::Backspace => {
                if self.cursor > 0 {
                    self.cursor -= 1;
                    self.text.remove(self.cursor);
                }
            }
            KeyCode::Delete => {
                if self.cursor < self.text.len() {
                    self.text.remove(self.cursor);
                }
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return Typed::Ignored,
        }
        Typed::Edited
    }

    /// Takes one key of a search, which a backspace leaves where there is nothing to delete: Esc waits in some
    /// terminals for what could follow it.
    pub(crate) fn on_search_key(&mut self, key: KeyEvent) -> Typed {
        if self.is_empty() && key.code == KeyCode::Backspace {
            return Typed::Cancelled;
        }
        self.on_key(key)
    }

    fn delete_word(&mut self) {
        let mut from = self.cursor;
        while from > 0 && self.text[from - 1] == ' ' {
            from -= 1;
        }
        while from > 0 && self.text[from - 1] != ' ' {
            from -= 1;
        }
        self.text.drain(from..self.cursor);
        self.cursor = from;
    }

    /// The last `width` columns' worth around the cursor, with the cursor shown reversed.
    #[must_use]
    pub(crate) fn line(&self, width: usize, style: Style) -> Line<'static> {
        let from = (self.cursor + 1).saturating_sub(width.max(1));
        let before: String = self.text[from..self.cursor].iter().collect();
        let at = self.text.get(self.cursor).copied().unwrap_or(' ');
        let room = width.saturating_sub(self.cursor - from + 1);
        let after: String = self.text.iter().skip(self.cursor + 1).take(room).collect();
        Line::from(vec![
            Span::styled(before, style),
            Span::styled(at.to_string(), style.add_modifier(Modifier::REVERSED)),
            Span::styled(after, style),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(input: &mut Input, keys: &[KeyCode]) {
        for key in keys {
            input.on_key(KeyEvent::from(*key));
        }
    }

    #[test]
    fn edits_in_the_middle() {
        let mut input = Input::new("1e-3");
        press(
            &mut input,
            &[KeyCode::Left, KeyCode::Backspace, KeyCode::Char('+')],
        );
        assert_eq!(input.text(), "1e+3");
        press(&mut input, &[KeyCode::Home, KeyCode::Delete, KeyCode::End]);
        assert_eq!(input.text(), "e+3");
        input.on_key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(input.text(), "");
    }

    #[test]
    fn words_go_at_once_and_length_is_bounded() {
        let mut input = Input::new("ankle boot ");
        input.on_key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(input.text(), "ankle ");
        press(&mut input, &[KeyCode::Char('x'); 300]);
        assert_eq!(input.text().len(), LONGEST);
    }

    #[test]
    fn every_word_must_occur() {
        let input = Input::new("le  NET");
        assert!(input.matches("Modern LeNet, le"));
        assert!(!input.matches("mlp"));
        assert!(Input::default().matches("") && Input::default().is_empty());
    }

    #[test]
    fn says_when_it_is_done() {
        let mut input = Input::new("");
        assert_eq!(
            input.on_key(KeyEvent::from(KeyCode::Enter)),
            Typed::Accepted
        );
        assert_eq!(input.on_key(KeyEvent::from(KeyCode::Esc)), Typed::Cancelled);
        assert_eq!(input.on_key(KeyEvent::from(KeyCode::F(1))), Typed::Ignored);
        let backspace = KeyEvent::from(KeyCode::Backspace);
        assert_eq!(input.on_key(backspace), Typed::Edited);
        assert_eq!(input.on_search_key(backspace), Typed::Cancelled);
        assert_eq!(input.line(4, Style::new()).width(), 1);
    }
}
