//! Small windows over a tab: a frame with a title, and a question answered with yes or no.

#![expect(clippy::cast_possible_truncation, reason = "a question has few lines")]

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::input::Input;
use super::{plain_if, wrap_to};
use crate::tui::theme::Theme;

/// Clears a window of at most `width` × `height` in the middle of `area`, frames it and returns its inside.
pub(crate) fn window(
    frame: &mut Frame,
    area: Rect,
    size: (u16, u16),
    title: &str,
    theme: &Theme,
) -> Rect {
    let area = area.intersection(frame.area());
    let (width, height) = (size.0.min(area.width), size.1.min(area.height));
    let rect = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 3,
        width,
        height,
    };
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.dim())
        .title(Span::styled(format!(" {title} "), theme.title()));
    let block = if theme.ascii {
        block.border_set(ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        })
    } else {
        block
    };
    let inside = block.inner(rect);
    frame.render_widget(Clear, rect);
    frame.render_widget(block, rect);
    inside
}

/// An answer to a [`question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
}

/// Enter and `y` are yes, Esc, `n` and `q` no; any other key is no answer.
#[must_use]
pub(crate) fn answer(key: KeyEvent) -> Option<Answer> {
    match key.code {
        KeyCode::Enter | KeyCode::Char('y' | 'Y') => Some(Answer::Yes),
        KeyCode::Esc | KeyCode::Char('n' | 'N' | 'q') => Some(Answer::No),
        _ => None,
    }
}

/// A window with a question, what a yes does, and the keys.
pub(crate) fn question(
    frame: &mut Frame,
    area: Rect,
    title: &str,
    text: &str,
    yes: &str,
    theme: &Theme,
) {
    let keys = [("Enter", yes), ("Esc", "no")];
    choice(frame, area, title, text, &keys, theme);
}

/// A window with a question, and what each key does.
pub(crate) fn choice(
    frame: &mut Frame,
    area: Rect,
    title: &str,
    text: &str,
    keys: &[(&str, &str)],
    theme: &Theme,
) {
    let width = 60.min(area.width);
    let lines = wrap_to(text, usize::from(width.saturating_sub(4)), 4);
    let inside = window(frame, area, (width, lines.len() as u16 + 4), title, theme);
    let mut shown: Vec<Line> = lines
        .into_iter()
        .map(|l| plain_if(theme.ascii, Line::styled(format!(" {l}"), theme.text())))
        .collect();
    shown.push(Line::default());
    let keys = keys.iter().flat_map(|(key, does)| {
        [
            Span::styled(format!(" {key}"), theme.accent()),
            Span::styled(format!(" {does}  "), theme.text()),
        ]
    });
    shown.push(keys.collect());
    frame.render_widget(Paragraph::new(shown), inside);
}

/// A window with a text, a line to type in, and what Enter does.
pub(crate) fn entry(
    frame: &mut Frame,
    area: Rect,
    title: &str,
    text: &str,
    (typed, enter): (&Input, &str),
    theme: &Theme,
) {
    let width = 60.min(area.width);
    let lines = wrap_to(text, usize::from(width.saturating_sub(4)), 4);
    let inside = window(frame, area, (width, lines.len() as u16 + 5), title, theme);
    let mut shown: Vec<Line> = lines
        .into_iter()
        .map(|l| plain_if(theme.ascii, Line::styled(format!(" {l}"), theme.text())))
        .collect();
    let mut line = Line::from(Span::styled(" › ", theme.accent()));
    let room = usize::from(width).saturating_sub(6);
    line.spans.extend(typed.line(room, theme.text()).spans);
    shown.push(plain_if(theme.ascii, line));
    shown.push(Line::default());
    shown.push(Line::from(vec![
        Span::styled(" Enter", theme.accent()),
        Span::styled(format!(" {enter}  "), theme.text()),
        Span::styled(" Esc", theme.accent()),
        Span::styled(" cancel", theme.text()),
    ]));
    frame.render_widget(Paragraph::new(shown), inside);
}
