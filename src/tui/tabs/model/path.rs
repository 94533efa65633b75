//! The presets as the path the study walked: group after group, the walked part filled.

use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::Entry;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// A line of the path: a group's head or one preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathLine {
    Group(&'static str),
    Preset(usize),
}

/// Where the path was last drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    offset: usize,
    area: Rect,
}

fn steps(entries: &[Entry]) -> Vec<PathLine> {
    let mut steps = Vec::new();
    let mut group = "";
    for (index, entry) in entries.iter().enumerate() {
        if entry.group() != group {
            group = entry.group();
            steps.push(PathLine::Group(group));
        }
        steps.push(PathLine::Preset(index));
    }
    steps
}

impl Path {
    /// The preset at a screen position.
    #[must_use]
    pub(super) fn at(&self, at: Position, entries: &[Entry]) -> Option<usize> {
        if !self.area.contains(at) {
            return None;
        }
        match steps(entries).get(self.offset + usize::from(at.y - self.area.y)) {
            Some(PathLine::Preset(index)) => Some(*index),
            _ => None,
        }
    }

    #[must_use]
    pub(super) fn contains(&self, at: Position) -> bool {
        self.area.contains(at)
    }

    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        entries: &[Entry],
        cursor: usize,
        focused: bool,
        theme: &Theme,
    ) {
        let steps = steps(entries);
        let rows = usize::from(canvas.height());
        self.area = canvas.rect(0, 0, canvas.width(), canvas.height());
        let at = steps
            .iter()
            .position(|s| *s == PathLine::Preset(cursor))
            .unwrap_or(0);
        // The group's head stays in view with its first preset, and one step ahead is seen.
        let least = (at + 2).saturating_sub(rows);
        let most = at.saturating_sub(1);
        self.offset = self
            .offset
            .clamp(least.min(most), most)
            .min(steps.len().saturating_sub(rows));
        let here = entries.get(cursor).map_or("", Entry::group);
        let shown = steps.iter().enumerate().skip(self.offset).take(rows);
        for (y, (place, step)) in (0..).zip(shown) {
            let walked = place <= at;
            let trail = if walked { theme.train() } else { theme.dim() };
            let width = usize::from(canvas.width());
            let line = match step {
                PathLine::Group(name) => Line::from(vec![
                    Span::styled(if walked { "● " } else { "○ " }, trail),
                    Span::styled(
                        fit::cut(name, width.saturating_sub(2)),
                        if *name == here {
                            theme.title()
                        } else {
                            theme.dim()
                        },
                    ),
                ]),
                PathLine::Preset(index) => {
                    let entry = &entries[*index];
                    let edited = if entry.is_edited() { " •" } else { "" };
                    let name = format!("{}{edited}", entry.name);
                    let name = fit::cut(&name, width.saturating_sub(3));
                    let (mark, style) = match (*index == cursor, focused) {
                        (true, true) => ("▸", theme.accent()),
                        (true, false) => ("▸", theme.title()),
                        _ => (" ", theme.text()),
                    };
                    Line::from(vec![
                        Span::styled("│", trail),
                        Span::styled(mark, style),
                        Span::styled(name, style),
                    ])
                }
            };
            canvas.put(0, y, line);
        }
    }
}
