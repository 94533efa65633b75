//! What a check of the shown set came to, in a window with a cursor.

use std::collections::HashSet;
use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::data::check::{Checked, Finding, Level};
use crate::text;
use crate::tui::action::Action;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::popup::window;
use crate::tui::widgets::{fit, wrap_to};

/// Images of a finding that are named.
const NAMED: usize = 20;

/// Before an image. **Units** columns.
const INDENT: usize = 2;

/// The most lines of a finding.
const LINES: usize = 4;

/// A report and where somebody stands in it.
#[derive(Clone, Debug)]
pub(super) struct ReportView {
    checked: Arc<Checked>,
    /// A row of [`rows`](Self::rows).
    cursor: usize,
    first: usize,
    height: usize,
    /// Of the lines, as they were last drawn.
    width: usize,
}

/// A row of the report.
struct Row {
    text: String,
    tone: Tone,
    /// The number of its finding.
    finding: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Heading,
    Problem,
    Note,
    Case,
}

impl ReportView {
    pub(super) fn new(checked: Arc<Checked>) -> Self {
        Self {
            checked,
            // The first line is a heading.
            cursor: 1,
            first: 0,
            height: 1,
            width: 76,
        }
    }

    /// The set that was checked.
    pub(super) fn set(&self) -> &str {
        &self.checked.source.set
    }

    fn rows(&self, width: usize) -> Vec<Row> {
        let Checked { source, report, .. } = &*self.checked;
        let mut rows = Vec::new();
        let mut add = |text: &str, tone, finding| {
            let indent = if tone == Tone::Case { INDENT } else { 0 };
            rows.extend(
                wrap_to(text, width.saturating_sub(indent), LINES)
                    .into_iter()
                    .map(|text| Row {
                        text,
                        tone,
                        finding,
                    }),
            );
        };
        for (level, heading, tone) in [
            (Level::Problem, "Problems", Tone::Problem),
            (Level::Note, "Notes", Tone::Note),
        ] {
            let findings = report.findings.iter().enumerate();
            let mut own = findings.filter(|(_, f)| f.level == level).peekable();
            if own.peek().is_some() {
                add(heading, Tone::Heading, None);
            }
            for (number, finding) in own {
                add(&finding.words, tone, Some(number));
                for case in finding.cases.iter().take(NAMED) {
                    let line = fit::cut(
                        &case.line(source, finding.kind),
                        width.saturating_sub(INDENT),
                    );
                    add(&line, Tone::Case, Some(number));
                }
                if let Some(more) = finding.cases.len().checked_sub(NAMED + 1) {
                    let more = text::grouped(more as u64 + 1);
                    add(&format!("and {more} more"), Tone::Case, Some(number));
                }
            }
        }
        if report.findings.is_empty() {
            add("Nothing is wrong.", Tone::Case, None);
        }
        if self.checked.superfluous > 0 {
            let images = text::count(self.checked.superfluous, "image");
            let advice = format!(
                "fmtui data check {} --fix excludes {images} from runs; no file is changed.",
                source.set
            );
            add("What to do", Tone::Heading, None);
            add(&advice, Tone::Case, None);
        }
        rows
    }

    /// Moves the cursor; false when the action is not a movement.
    pub(super) fn step(&mut self, action: Action) -> bool {
        self.cursor = match action {
            Action::Up => self.cursor.saturating_sub(1),
            Action::Down => self.cursor + 1,
            Action::PageUp => self.cursor.saturating_sub(self.height),
            Action::PageDown => self.cursor + self.height,
            Action::Home => 0,
            Action::End => usize::MAX - 1,
            _ => return false,
        };
        true
    }

    fn finding(&self) -> Option<&Finding> {
        let rows = self.rows(self.width);
        let row = rows.get(self.cursor.min(rows.len().saturating_sub(1)))?;
        self.checked.report.findings.get(row.finding?)
    }

    /// The images of the finding under the cursor, copies beside each other, and what they are.
    pub(super) fn images(&self) -> Option<(String, Vec<usize>)> {
        let finding = self.finding()?;
        let cases = finding.cases.iter();
        let all = cases.flat_map(|case| [case.image, case.copy_of]).flatten();
        let mut seen = HashSet::new();
        let images: Vec<usize> = all
            .filter(|image| seen.insert(*image))
            .map(|image| image as usize)
            .collect();
        (!images.is_empty()).then(|| (finding.words.clone(), images))
    }

    pub(super) fn draw(&mut self, frame: &mut Frame, area: Rect, theme: &Theme) {
        let size = (
            area.width.saturating_sub(4).min(110),
            area.height.saturating_sub(2),
        );
        let title = format!("check of {}", self.set());
        let inside = window(frame, area, size, &title, theme);
        let width = usize::from(inside.width.saturating_sub(2));
        self.width = width;
        let rows = self.rows(width);
        self.height = usize::from(inside.height).max(1);
        self.cursor = self.cursor.min(rows.len().saturating_sub(1));
        self.first = self
            .first
            .clamp((self.cursor + 1).saturating_sub(self.height), self.cursor);
        let mut canvas = Canvas::new(frame.buffer_mut(), inside);
        for (y, (at, row)) in (0..inside.height).zip(rows.iter().enumerate().skip(self.first)) {
            let style = style(row.tone, theme);
            let style = if at == self.cursor {
                style.patch(theme.cursor())
            } else {
                style
            };
            let indent = if row.tone == Tone::Case { INDENT } else { 0 };
            let text = format!("{}{}", " ".repeat(indent), row.text);
            canvas.put(1, y, Line::styled(fit::left(&text, width), style));
        }
        if theme.ascii {
            canvas.make_ascii();
        }
    }
}

fn style(tone: Tone, theme: &Theme) -> Style {
    match tone {
        Tone::Heading => theme.title(),
        Tone::Problem => theme.warn(),
        Tone::Note => theme.text(),
        Tone::Case => theme.dim(),
    }
}
