//! Help and palette: two lists over a tab, narrowed by typing.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::Trainable;
use crate::tui::action::Action;
use crate::tui::keymap::Keymap;
use crate::tui::tab::Hint;
use crate::tui::theme::Theme;
use crate::tui::widgets::input::{Input, Typed};
use crate::tui::widgets::popup::window;
use crate::tui::widgets::{cut, left, plain_if};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Help,
    Palette,
}

/// A list with a line to type in.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    kind: Kind,
    entry: Input,
    cursor: usize,
}

/// What a key in an overlay leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stay,
    Close,
    Act(Action),
    /// Train the preset with this index.
    Train(usize),
}

struct Item {
    keys: String,
    text: String,
    note: String,
    outcome: Outcome,
}

impl Overlay {
    pub(super) fn help() -> Self {
        Self {
            kind: Kind::Help,
            entry: Input::default(),
            cursor: 0,
        }
    }

    pub(super) fn palette() -> Self {
        Self {
            kind: Kind::Palette,
            entry: Input::default(),
            cursor: 0,
        }
    }

    fn items(&self, keymap: &Keymap, presets: &[Trainable]) -> Vec<Item> {
        let actions = keymap.bindings().iter().map(|b| Item {
            keys: b.shown.clone(),
            text: match b.action {
                Action::GoToTab(_) => format!("go to {}", b.does),
                _ => b.does.to_string(),
            },
            note: format!("{} · {}", b.group, b.name),
            outcome: Outcome::Act(b.action),
        });
        let trainings = presets.iter().enumerate().map(|(i, p)| Item {
            keys: String::new(),
            text: format!("train {}", p.name),
            note: p.title.clone(),
            outcome: Outcome::Train(i),
        });
        let mut items: Vec<Item> = match self.kind {
            Kind::Help => actions.collect(),
            Kind::Palette => actions.chain(trainings).collect(),
        };
        if self.kind == Kind::Palette {
            // What Enter takes at once begins nothing.
            items.sort_by_key(|i| !matches!(i.outcome, Outcome::Act(Action::GoToTab(_))));
        }
        items.retain(|i| {
            self.entry
                .matches(&format!("{} {} {}", i.text, i.note, i.keys))
        });
        items
    }

    pub(super) fn move_by(&mut self, lines: isize) {
        self.cursor = self.cursor.saturating_add_signed(lines);
    }

    pub(super) fn on_key(
        &mut self,
        key: KeyEvent,
        keymap: &Keymap,
        presets: &[Trainable],
    ) -> Outcome {
        match key.code {
            KeyCode::Up => self.move_by(-1),
            KeyCode::Down => self.move_by(1),
            KeyCode::PageUp => self.move_by(-10),
            KeyCode::PageDown => self.move_by(10),
            _ => match self.entry.on_search_key(key) {
                Typed::Edited => self.cursor = 0,
                Typed::Cancelled => return Outcome::Close,
                Typed::Accepted => {
                    let items = self.items(keymap, presets);
                    let at = self.cursor.min(items.len().saturating_sub(1));
                    return items.get(at).map_or(Outcome::Stay, |i| i.outcome);
                }
                Typed::Ignored => {}
            },
        }
        let last = self.items(keymap, presets).len().saturating_sub(1);
        self.cursor = self.cursor.min(last);
        Outcome::Stay
    }

    pub(super) fn render(
        &mut self,
        frame: &mut Frame,
        area: Rect,
        keymap: &Keymap,
        presets: &[Trainable],
        hints: &[Hint],
        theme: &Theme,
    ) {
        let items = self.items(keymap, presets);
        self.cursor = self.cursor.min(items.len().saturating_sub(1));
        let title = match self.kind {
            Kind::Help => "keys",
            Kind::Palette => "actions",
        };
        let inside = window(
            frame,
            area,
            (
                area.width.saturating_sub(6).min(100),
                area.height.saturating_sub(2).min(26),
            ),
            title,
            theme,
        );
        let width = usize::from(inside.width);
        let mut lines = vec![self.entry_line(width, theme)];
        if self.kind == Kind::Help && self.entry.is_empty() {
            lines.extend(here(hints, keymap, width, theme));
        }
        lines.push(Line::default());
        let rows = usize::from(inside.height).saturating_sub(lines.len());
        let first = (self.cursor + 1).saturating_sub(rows.max(1));
        if items.is_empty() {
            lines.push(Line::styled(
                " Nothing matches; Backspace deletes a character.",
                theme.dim(),
            ));
        }
        for (i, item) in items.iter().enumerate().skip(first).take(rows) {
            let line = item.line(width, theme);
            lines.push(if i == self.cursor {
                // In one colour: reversed, every colour of the row would become a background.
                Line::styled(line.to_string(), theme.text().patch(theme.cursor()))
            } else {
                line
            });
        }
        let lines: Vec<Line> = lines
            .into_iter()
            .map(|l| plain_if(theme.ascii, l))
            .collect();
        frame.render_widget(Paragraph::new(lines), inside);
    }

    fn entry_line(&self, width: usize, theme: &Theme) -> Line<'static> {
        let mut spans = vec![Span::styled(" › ", theme.accent())];
        let typed = self.entry.line(width.saturating_sub(4), theme.text());
        spans.extend(typed.spans);
        if self.entry.is_empty() {
            spans.push(Span::styled(
                " type to search · Enter runs it · Esc closes",
                theme.dim(),
            ));
        }
        Line::from(spans)
    }
}

/// The keys that matter on the tab below, each in one line.
fn here(hints: &[Hint], keymap: &Keymap, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = vec![" here:".to_owned()];
    for (number, hint) in hints.iter().enumerate() {
        let gap = if number > 0 { " · " } else { " " };
        let words = format!("{gap}{} {}", keymap.shown(hint.keys), hint.does);
        match lines.last_mut() {
            Some(line) if line.width() + words.width() <= width => line.push_str(&words),
            _ => lines.push(format!("       {}", words.trim_start_matches(" · "))),
        }
    }
    lines
        .into_iter()
        .map(|line| Line::styled(cut(&line, width), theme.good()))
        .collect()
}

impl Item {
    fn line(&self, width: usize, theme: &Theme) -> Line<'static> {
        let text_width = width.saturating_sub(12).min(38);
        let note_width = width.saturating_sub(13 + text_width);
        Line::from(vec![
            Span::styled(format!(" {} ", left(&self.keys, 9)), theme.accent()),
            Span::styled(left(&self.text, text_width), theme.text()),
            Span::styled(format!(" {}", left(&self.note, note_width)), theme.dim()),
        ])
    }
}
