//! Header, footer, the bar for problems, and the message on a screen that is too small.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::{App, place};
use crate::event::Severity;
use crate::tui::theme::Theme;
use crate::tui::widgets::{cut, left, plain_if, wrap_to};

/// Draws lines, in ASCII where the theme asks for it.
pub fn lines(frame: &mut Frame, area: Rect, lines: Vec<Line<'static>>, theme: &Theme) {
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|l| plain_if(theme.ascii, l))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// What stands on a screen too small for a tab.
pub fn too_small(frame: &mut Frame, least: (u16, u16), theme: &Theme) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    let text = format!(
        "fmtui needs {} × {}; this is {} × {}. Make the window larger, or press q: a run goes on.",
        least.0, least.1, area.width, area.height
    );
    let wrapped = wrap_to(&text, usize::from(area.width), usize::from(area.height));
    let top = area
        .height
        .saturating_sub(u16::try_from(wrapped.len()).unwrap_or(0))
        / 2;
    let area = Rect {
        y: area.y + top,
        height: area.height - top,
        ..area
    };
    let shown = wrapped
        .into_iter()
        .map(|l| Line::styled(l, theme.text()))
        .collect();
    lines(frame, area, shown, theme);
}

/// `name · state` in `room` columns: the name gives way, not what the run does.
fn cut_name(text: &str, room: usize) -> String {
    let Some((name, state)) = text.rsplit_once(" · ") else {
        return cut(text, room);
    };
    match room.checked_sub(state.width() + 3) {
        Some(rest) if rest >= 6 => format!("{} · {state}", cut(name, rest)),
        _ => cut(text, room),
    }
}

impl App {
    pub(super) fn render_header(&mut self, frame: &mut Frame, area: Rect) {
        let theme = self.theme;
        let mut spans = vec![Span::styled(" fmtui ", theme.title())];
        let mut x = area.x + 7.min(area.width);
        for (i, name) in place::NAMES.iter().enumerate() {
            let active = i == self.active;
            let text = format!("{}{name} ", if active { "▸" } else { " " });
            let width = u16::try_from(text.width()).unwrap_or(0);
            self.tab_names[i] = Rect { x, width, ..area }.intersection(area);
            x = x.saturating_add(width);
            spans.push(Span::styled(
                text,
                if active { theme.accent() } else { theme.dim() },
            ));
        }
        let used = usize::from(x - area.x);
        let state = self.tabs.train.state();
        let room = usize::from(area.width).saturating_sub(used + 2);
        let state = cut_name(&state, room);
        let pad = (room + 1).saturating_sub(state.width());
        spans.push(Span::raw(" ".repeat(pad)));
        spans.push(Span::styled(state, self.state_style()));
        lines(frame, area, vec![Line::from(spans)], &theme);
    }

    fn state_style(&self) -> Style {
        match self.tabs.train.state_severity() {
            Severity::Info => self.theme.text(),
            Severity::Good => self.theme.good(),
            Severity::Warning => self.theme.warn(),
            Severity::Error => self.theme.bad(),
        }
    }

    pub(super) fn render_footer(&self, frame: &mut Frame, area: Rect) {
        let theme = self.theme;
        let width = usize::from(area.width);
        let always = format!(
            "{} help   {} leave ",
            self.keymap.shown("?"),
            self.keymap.shown("q")
        );
        let mut spans = vec![Span::raw(" ")];
        let mut used = 1;
        for hint in self.tabs.get(self.active).hints().into_iter().take(5) {
            let keys = self.keymap.shown(hint.keys);
            let needed = keys.width() + 1 + hint.does.width() + 3;
            if used + needed + always.width() > width {
                break;
            }
            used += needed;
            spans.push(Span::styled(keys, theme.accent()));
            spans.push(Span::styled(format!(" {}   ", hint.does), theme.text()));
        }
        let pad = width.saturating_sub(used + always.width());
        spans.push(Span::raw(" ".repeat(pad)));
        spans.push(Span::styled(always, theme.dim()));
        lines(frame, area, vec![Line::from(spans)], &theme);
    }

    /// What was just said, on whole rows above the footer: beside it nothing would be left but pieces.
    pub(super) fn render_said(&self, frame: &mut Frame, content: Rect) {
        let Some((said, _)) = &self.said else {
            return;
        };
        let theme = self.theme;
        let room = usize::from(content.width).saturating_sub(4);
        let said = wrap_to(said, room, 2);
        let rows = u16::try_from(said.len()).unwrap_or(0).min(content.height);
        let area = Rect {
            y: content.bottom() - rows,
            height: rows,
            ..content
        };
        let width = usize::from(content.width).saturating_sub(1);
        let style = theme.title().patch(theme.cursor());
        let said = said
            .into_iter()
            .map(|l| Line::styled(format!(" {}", left(&l, width)), style))
            .collect();
        frame.render_widget(Clear, area);
        lines(frame, area, said, &theme);
    }

    /// The problem and what to do about it, at most four lines.
    pub(super) fn problem_lines(&self, width: u16) -> Vec<Line<'static>> {
        let Some(problem) = &self.problem else {
            return Vec::new();
        };
        let theme = self.theme;
        let room = usize::from(width).saturating_sub(4);
        let mut shown: Vec<Line> = wrap_to(&problem.problem, room, 3)
            .into_iter()
            .enumerate()
            .map(|(i, l)| {
                Line::styled(
                    format!(" {} {l}", if i == 0 { "×" } else { " " }),
                    theme.bad(),
                )
            })
            .collect();
        let dismiss = format!("  ({} dismisses)", self.keymap.shown("Esc"));
        let remedy = wrap_to(&format!("{}{dismiss}", problem.remedy), room, 2);
        shown.extend(
            remedy
                .into_iter()
                .map(|l| Line::styled(format!("   {l}"), theme.text())),
        );
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::cut_name;

    #[test]
    fn the_name_gives_way_to_the_state() {
        for (room, shown) in [
            (40, "resnet20-cifar-frozen · finished"),
            (24, "resnet20-cif… · finished"),
            (16, "resnet20-cifar-…"),
        ] {
            assert_eq!(cut_name("resnet20-cifar-frozen · finished", room), shown);
        }
        assert_eq!(cut_name("no run", 3), "no…");
    }
}
