//! Draws the Model tab's right side (layers, TOML, story) and its last line.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::form::Editing;
use super::{Entry, Focus, ModelTab, View, layers};
use crate::profile::Profile;
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// A line of prose and whether it is a head.
type Prose = Vec<(bool, String)>;

/// Width of a column of the profile's file.
const TOML_COLUMN: u16 = 42;

impl ModelTab {
    pub(super) fn draw_right(&mut self, canvas: &mut Canvas, theme: &Theme) {
        let Some(entry) = self.entries.get(self.cursor) else {
            return;
        };
        let width = canvas.width();
        let mut end = width;
        self.view_areas.clear();
        for view in View::ALL.into_iter().rev() {
            let own = u16::try_from(view.name().len()).unwrap_or(0);
            let style = if view == self.view {
                theme.accent()
            } else {
                theme.dim()
            };
            canvas.put_right(end, 0, Line::styled(view.name(), style));
            self.view_areas
                .push((canvas.rect(end.saturating_sub(own), 0, own, 1), view));
            end = end.saturating_sub(own + 1);
        }
        let (name, year) = match entry.preset {
            Some(preset) => (preset.title, format!(" · {}", preset.year)),
            None => (entry.name.as_str(), String::new()),
        };
        let room = usize::from(end.saturating_sub(1));
        let title = if name.chars().count() + year.chars().count() > room {
            name.to_owned()
        } else {
            format!("{name}{year}")
        };
        canvas.put(0, 0, Line::styled(fit::left(&title, room), theme.title()));
        let top = if canvas.height() >= 20 { 2 } else { 1 };
        let height = canvas.height().saturating_sub(top);
        let beside = self.view == View::Layers && width >= 150;
        let table_width = if beside { width - 62 } else { width };
        let mut below = height;
        let mut part = canvas.part(0, top, table_width, height);
        self.scroll = match (self.view, &self.summary) {
            (View::Layers, Ok(summary)) => {
                let (rows, all) = (usize::from(height.saturating_sub(2)), summary.rows.len());
                let prose = if beside {
                    Prose::new()
                } else {
                    let width = below_width(table_width);
                    // What the weights are comes first where there is no room for the story.
                    let mut parts = self.story(entry, width);
                    if (all..=all + 7).contains(&rows) {
                        parts.swap(0, 1);
                    }
                    joined(&parts)
                };
                // The table makes room for what stands below it.
                let gap = usize::from(!prose.is_empty());
                let last = (all + prose.len() + gap).saturating_sub(rows).min(all);
                let scroll = self.scroll.min(last);
                let used = layers::draw(&mut part, summary, &entry.profile, scroll, theme);
                if beside && used + 10 < height {
                    below = used + 2;
                }
                let rest = height.saturating_sub(used + 1);
                let mut under = part.part(0, used + 1, table_width.min(100), rest);
                scroll + draw_lines(&mut under, &prose, self.scroll - scroll, theme)
            }
            (View::Layers, Err(why)) => {
                let lines = fit::wrap(why, usize::from(table_width));
                for (y, line) in (0..).zip(lines) {
                    part.put(0, y, Line::styled(line, theme.bad()));
                }
                0
            }
            (View::Toml, _) => draw_toml(&mut part, &entry.profile, self.scroll, theme),
            (View::Story, _) => {
                let lines = joined(&self.story(entry, below_width(table_width)));
                draw_lines(&mut part, &lines, self.scroll, theme)
            }
        };
        if beside && below < height {
            let mut file = canvas.part(0, top + below, table_width, height - below);
            draw_toml(&mut file, &entry.profile, 0, theme);
        }
        if beside {
            let mut side = canvas.part(table_width + 3, top, 58, height);
            draw_lines(&mut side, &joined(&self.story(entry, 58)), 0, theme);
        }
    }

    /// What is wrong with what is typed in the last line: above the form.
    pub(super) fn draw_refused(&self, canvas: &mut Canvas, y: u16, theme: &Theme) {
        let is_typed = matches!(&self.editing, Some(Editing::Sweep(_) | Editing::Range(_)));
        if is_typed && !self.refused.is_empty() {
            let room = usize::from(canvas.width().saturating_sub(4));
            let words = format!(" {} ", fit::cut(&self.refused, room));
            canvas.put(1, y, Line::styled(words, theme.bad()));
        }
    }

    /// The last line: what is wrong, what the field means, or which data is used.
    pub(super) fn draw_message(&self, canvas: &mut Canvas, y: u16, theme: &Theme) {
        let Some(entry) = self.entry() else { return };
        let width = usize::from(canvas.width().saturating_sub(2));
        let typed = match &self.editing {
            Some(Editing::Sweep(input)) => {
                let fields = text::count(entry.marks.len(), "field");
                Some((format!("sweep over {fields}: "), input, ""))
            }
            Some(Editing::Range(input)) => {
                let search = format!("search {}: ", self.form.field().name);
                Some((search, input, "  1e-4..0.1, or 16, 32, 64, or any"))
            }
            _ => None,
        };
        if let Some((asks, input, how)) = typed {
            let room = width.saturating_sub(asks.width());
            let mut line = Line::styled(asks, theme.accent());
            line.spans.extend(input.line(room, theme.title()).spans);
            if line.width() + how.width() <= width {
                line.spans.push(Span::styled(how, theme.dim()));
            }
            canvas.put(1, y, line);
            return;
        }
        let (words, style) = if !self.refused.is_empty() {
            (self.refused.clone(), theme.bad())
        } else if let Some(range) = entry.marks.get(self.form.field().key)
            && self.focus == Focus::Form
        {
            let words = format!("a sweep searches {}: {range}", self.form.field().name);
            (words, theme.dim())
        } else if self.focus == Focus::Form {
            (self.form.field().help().to_owned(), theme.dim())
        } else if self.summary.is_err() {
            (
                format!("{} cannot be trained as it is", entry.name),
                theme.bad(),
            )
        } else if entry.profile.data.name != entry.original.data.name && self.chosen_set.is_none() {
            let words = format!(
                "{} is not here: training uses {}; d on the Data tab downloads it",
                entry.original.data.name, entry.profile.data.name
            );
            (words, theme.warn())
        } else if !self.sets.contains(&entry.profile.data.name) {
            let words = format!(
                "{} needs {}; choose it with e on the Data tab",
                entry.name, entry.profile.data.name
            );
            (words, theme.warn())
        } else {
            let epochs = entry.profile.train.epochs;
            let words = format!(
                "t trains {} for {} on {}",
                entry.name,
                text::count(epochs, "epoch"),
                entry.profile.data.name
            );
            (words, theme.dim())
        };
        canvas.put(1, y, Line::styled(fit::cut(&words, width), style));
    }
}

fn below_width(width: u16) -> usize {
    usize::from(width.min(100))
}

/// One part after the other, an empty line between them.
fn joined(parts: &[Prose]) -> Prose {
    let parts: Vec<Prose> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .cloned()
        .collect();
    parts.join(&(false, String::new()))
}

impl ModelTab {
    /// The story, the weights' card, what to look for, the paper.
    fn story(&self, entry: &Entry, width: usize) -> [Prose; 4] {
        let plain = |words: &str| -> Prose {
            let lines = fit::wrap(words, width).into_iter();
            lines.map(|line| (false, line)).collect()
        };
        let Some(preset) = entry.preset else {
            let place = format!("A profile of your own: profiles/{}.toml", entry.name);
            return [
                plain(&place),
                self.begins_with(entry, width),
                Prose::new(),
                Prose::new(),
            ];
        };
        let mut look_for = vec![(true, "What to look for".to_owned())];
        look_for.extend(plain(preset.look_for));
        [
            plain(preset.story),
            self.begins_with(entry, width),
            look_for,
            plain(&paper(preset.paper, preset.year)),
        ]
    }

    /// The card of the weights that a recipe begins with, where it begins with some, and what of it learns where that
    /// is not all.
    fn begins_with(&self, entry: &Entry, width: usize) -> Prose {
        let mut card = self.card().to_vec();
        let head = match entry.profile.model.pretrained.as_str() {
            "" => "What learns".into(),
            pretrained => format!("Initialised from {pretrained}"),
        };
        card.extend(entry.profile.learning());
        if card.is_empty() {
            return Prose::new();
        }
        let mut lines = vec![(true, fit::cut(&head, width))];
        let card = card_lines(&card, width).into_iter();
        lines.extend(card.map(|line| (false, line)));
        lines
    }
}

/// A card as lines, what stands in a column of its own.
fn card_lines(card: &[(&'static str, String)], width: usize) -> Vec<String> {
    let column = card
        .iter()
        .map(|(what, _)| what.len() + 2)
        .max()
        .unwrap_or(0);
    let rows = card.iter().flat_map(|(what, is)| {
        let words = fit::wrap_whole(is, width.saturating_sub(column));
        words.into_iter().enumerate().map(move |(row, words)| {
            let what = if row == 0 { what } else { "" };
            format!("{what:column$}{words}")
        })
    });
    rows.collect()
}

/// Draws lines from `scroll` on; returns the scroll that was possible.
fn draw_lines(canvas: &mut Canvas, lines: &Prose, scroll: usize, theme: &Theme) -> usize {
    let rows = usize::from(canvas.height());
    let scroll = scroll.min(lines.len().saturating_sub(rows));
    let more = " PgDn ▾";
    let goes_on = scroll + rows < lines.len() && rows > 0;
    let last = canvas.height().saturating_sub(1);
    for (y, (is_head, line)) in (0..).zip(lines.iter().skip(scroll).take(rows)) {
        let style = if *is_head {
            theme.title()
        } else {
            theme.text()
        };
        let mut room = usize::from(canvas.width());
        if goes_on && y == last {
            room = room.saturating_sub(more.width());
        }
        canvas.put(0, y, Line::styled(fit::cut(line, room), style));
    }
    if goes_on {
        canvas.put_right(canvas.width(), last, Line::styled(more, theme.accent()));
    }
    scroll
}

/// With its year, where it does not name one itself.
fn paper(paper: &str, year: u16) -> String {
    let mut numbers = paper.split(|c: char| !c.is_ascii_digit());
    if numbers.any(|n| n.len() == 4) {
        return paper.into();
    }
    format!("{paper} ({year})")
}

/// Draws the file, in several columns where the width allows and the height asks for it; returns the possible scroll.
fn draw_toml(canvas: &mut Canvas, profile: &Profile, scroll: usize, theme: &Theme) -> usize {
    let text = profile.recipe().to_toml();
    let lines: Vec<&str> = text.lines().collect();
    let rows = usize::from(canvas.height());
    let across = (canvas.width() / TOML_COLUMN).max(1);
    let shown = rows * usize::from(across);
    let scroll = scroll.min(lines.len().saturating_sub(shown));
    for (place, line) in lines.iter().skip(scroll).take(shown).enumerate() {
        let at = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let x = at(place / rows.max(1)).saturating_mul(TOML_COLUMN);
        let styled = match line.split_once(" = ") {
            _ if line.starts_with('[') => Line::styled((*line).to_owned(), theme.accent()),
            Some((key, value)) => Line::from(vec![
                Span::styled(format!("{key} = "), theme.dim()),
                Span::styled(value.to_owned(), theme.text()),
            ]),
            None => Line::styled((*line).to_owned(), theme.text()),
        };
        canvas.put(x, at(place % rows.max(1)), styled);
    }
    if scroll + shown < lines.len() && rows > 0 {
        let last = canvas.height() - 1;
        canvas.put_right(
            canvas.width(),
            last,
            Line::styled(" PgDn ▾", theme.accent()),
        );
    }
    scroll
}
