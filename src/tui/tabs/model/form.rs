//! Draws the hyperparameters as a form in columns, and moves through it.

use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::Entry;
use super::fields::{Field, PRETRAINED, SHOWN};
use crate::profile::Profile;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::input::Input;

/// Least width of a column: a name, a value, a gap.
const COLUMN: u16 = 26;
const NAME: u16 = 14;

/// What is being edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Editing {
    Text(Input),
    /// Cycling through choices; the value before, for Esc.
    Choice(String),
    /// What a sweep searches of the field, in place of the message.
    Range(Input),
    /// The settings of a sweep, in place of the message.
    Sweep(Input),
}

/// Where the form stands and how it was last drawn.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub cursor: usize,
    /// Those of the shown recipe.
    pub fields: [Field; SHOWN],
    rows: u16,
    column_width: u16,
    area: Rect,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            cursor: 0,
            fields: Field::of(&Profile::new("mlp")),
            rows: 0,
            column_width: 0,
            area: Rect::default(),
        }
    }
}

impl Form {
    /// Puts the cursor on a field, where it is shown.
    pub(super) fn go_to(&mut self, field: Field) {
        let place = self.fields.iter().position(|shown| *shown == field);
        self.cursor = place.unwrap_or(self.cursor);
    }

    #[must_use]
    pub(super) fn field(&self) -> Field {
        self.fields[self.cursor.min(SHOWN - 1)]
    }

    /// Rows the form takes at this width.
    #[must_use]
    pub(super) fn height(width: u16) -> u16 {
        let columns = usize::from((width / COLUMN).clamp(1, 6));
        u16::try_from(SHOWN.div_ceil(columns)).unwrap_or(u16::MAX)
    }

    /// Moves; false when it would leave the form to the left.
    pub(super) fn step(&mut self, down: isize, right: isize) -> bool {
        let rows = isize::try_from(self.rows.max(1)).unwrap_or(1);
        let last = SHOWN - 1;
        let by = down + right * rows;
        if right < 0 && self.cursor < usize::from(self.rows.max(1)) {
            return false;
        }
        let next = self.cursor.saturating_add_signed(by);
        if right <= 0 || next <= last {
            self.cursor = next.min(last);
        }
        true
    }

    /// The field at a screen position.
    #[must_use]
    pub(super) fn at(&self, at: Position) -> Option<usize> {
        if !self.area.contains(at) || self.column_width == 0 {
            return None;
        }
        let column = (at.x - self.area.x) / self.column_width;
        let row = at.y - self.area.y;
        let index = usize::from(column * self.rows + row);
        (row < self.rows && index < SHOWN).then_some(index)
    }

    /// Draws all fields; those that were changed, or are searched, are marked.
    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        entry: &Entry,
        editing: Option<&Editing>,
        focused: bool,
        theme: &Theme,
    ) {
        let (profile, original) = (&entry.profile, &entry.original);
        let width = canvas.width();
        self.rows = Self::height(width);
        let columns = u16::try_from(SHOWN).unwrap_or(u16::MAX).div_ceil(self.rows);
        self.column_width = (width / columns.max(1)).min(COLUMN + 8);
        self.area = canvas.rect(0, 0, width, self.rows);
        for (index, field) in (0_u16..).zip(self.fields) {
            let (x, y) = (index / self.rows * self.column_width, index % self.rows);
            let here = focused && usize::from(index) == self.cursor;
            let applies = field.applies(profile);
            let range = entry.marks.get(field.key);
            let value = range.cloned().unwrap_or_else(|| field.get(profile));
            let changed = value != field.get(original);
            let name_style = if here { theme.accent() } else { theme.dim() };
            let mark = match (here, range) {
                (_, Some(_)) => "*",
                (true, None) => "▸",
                (false, None) => " ",
            };
            let name = format!("{mark}{}", field.name);
            // A long value begins further to the left, as far as the name allows.
            let chars = |text: &str| u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
            let least = chars(field.name) + 2;
            let long = self
                .column_width
                .saturating_sub(chars(&value).saturating_add(3));
            let start = (NAME + 1).min(long).max(least);
            let room = usize::from(self.column_width.saturating_sub(start + 1));
            canvas.put_in(x, y, NAME + 1, Line::styled(name, name_style));
            let style = if !applies {
                theme.dim()
            } else if range.is_some() {
                theme.accent()
            } else if changed {
                theme.warn()
            } else {
                theme.text()
            };
            let line = match editing.filter(|_| here) {
                Some(Editing::Text(input)) => input.line(room, theme.title()),
                Some(Editing::Choice(_)) => Line::from(vec![
                    Span::styled("‹", theme.accent()),
                    Span::styled(fit::cut(&value, room.saturating_sub(2)), theme.title()),
                    Span::styled("›", theme.accent()),
                ]),
                None | Some(Editing::Range(_) | Editing::Sweep(_)) if applies => {
                    Line::styled(fitted(field, &value, room), style)
                }
                None | Some(Editing::Range(_) | Editing::Sweep(_)) => Line::styled("–", style),
            };
            canvas.put_in(x + start, y, self.column_width.saturating_sub(start), line);
        }
    }
}

/// A value in the room that it has: weights are told apart by the ends of their names, without the commit.
fn fitted(field: Field, value: &str, room: usize) -> String {
    if field != PRETRAINED {
        return fit::cut(value, room);
    }
    let pinned = value
        .split_once('@')
        .filter(|(_, commit)| commit.len() >= 40);
    fit::cut_front(pinned.map_or(value, |(name, _)| name), room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_in_columns_and_leaves_to_the_left() {
        let mut form = Form {
            rows: 8,
            ..Form::default()
        };
        assert!(form.step(1, 0));
        assert!(form.step(0, 1));
        assert_eq!(form.field(), Field::named("threads"));
        assert!(form.step(0, 1));
        assert!(form.step(0, 1));
        assert_eq!(form.field(), Field::named("loss"));
        form.cursor = 0;
        assert!(!form.step(0, -1));
        assert!(form.step(-1, 0));
        assert_eq!(form.cursor, 0);
    }

    #[test]
    fn height_follows_the_width() {
        assert_eq!(Form::height(80), 8);
        assert_eq!(Form::height(120), 6);
        assert_eq!(Form::height(200), 4);
        assert_eq!(Form::height(0), 24);
    }

    #[test]
    fn weights_are_named_by_their_ends() {
        let pinned = format!("hf:timm/resnet18.a1_in1k@{}", "0".repeat(40));
        for (given, shown) in [
            ("hf:timm/resnet18.a1_in1k", "…resnet18.a1_in1k"),
            (pinned.as_str(), "…resnet18.a1_in1k"),
            ("run:last", "run:last"),
            ("me@home/weights.pth", "…home/weights.pth"),
        ] {
            assert_eq!(fitted(Field::named("init. from"), given, 17), shown);
        }
        assert_eq!(fitted(Field::named("data"), "fashion-mnist", 8), "fashion…");
    }
}
