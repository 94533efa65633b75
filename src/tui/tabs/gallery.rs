//! Images with what a network said of each: those of a cell of the confusion matrix, as a strip and as a gallery, and
//! those that decide between two runs.

use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use crate::data::Dataset;
use crate::data::channels::Conversion;
use crate::metrics::class_name;
use crate::metrics::predictions::{Prediction, Predictions};
use crate::profile::Data;
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::image::{Image, cells, fitted};

fn to_u16(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Ranks on a card.
const SHOWN: usize = 3;

/// Images of one cell: mistakes most confident first, right ones least confident first.
#[must_use]
pub(super) fn of_cell(
    predictions: &Predictions,
    label: usize,
    prediction: usize,
) -> Vec<Prediction> {
    let mut found: Vec<Prediction> = predictions
        .items
        .iter()
        .filter(|p| usize::from(p.label) == label && usize::from(p.top[0]) == prediction)
        .copied()
        .collect();
    found.sort_by(|a, b| {
        let surest = b.probability[0].total_cmp(&a.probability[0]);
        if label == prediction {
            surest.reverse()
        } else {
            surest
        }
    });
    found
}

/// The images of a data set with the channels that a run's network gets.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub dataset: &'a Dataset,
    conversion: Conversion,
}

impl<'a> Images<'a> {
    /// Of a run with these settings.
    pub(super) fn new(dataset: &'a Dataset, settings: &Data) -> Self {
        let channels = settings.channels.of(dataset.channels);
        Self {
            dataset,
            conversion: Conversion::new(dataset.channels, channels, settings.background),
        }
    }

    /// Pixels of a predicted image; `None` where the loaded set is not the one that was predicted.
    fn pixels(&self, shown: &Prediction) -> Option<Vec<u8>> {
        let index = shown.index as usize;
        self.dataset.place(index)?;
        let is_it = self.dataset.label(index) == shown.label;
        is_it.then(|| self.conversion.image(self.dataset, shown.index).ok())?
    }
}

/// The open gallery of a cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Gallery {
    cursor: usize,
    first_row: usize,
    small: bool,
    across: usize,
    down: usize,
    area: Rect,
    card: (u16, u16),
}

/// How a gallery moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Left,
    Right,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

impl Gallery {
    pub(super) fn step(&mut self, towards: Move, count: usize) {
        let across = self.across.max(1);
        let page = across * self.down.max(1);
        let last = count.saturating_sub(1);
        self.cursor = match towards {
            Move::Left => self.cursor.saturating_sub(1),
            Move::Right => self.cursor + 1,
            Move::Up => self.cursor.checked_sub(across).unwrap_or(self.cursor),
            Move::Down if self.cursor + across <= last => self.cursor + across,
            // The last row may be shorter than the one above.
            Move::Down if self.cursor / across < last / across => last,
            Move::Down => self.cursor,
            Move::PageUp => self.cursor.saturating_sub(page),
            Move::PageDown => self.cursor + page,
            Move::Home => 0,
            Move::End => last,
        }
        .min(last);
    }

    /// Full or half size.
    pub(super) fn toggle_size(&mut self) {
        self.small = !self.small;
    }

    /// Puts the cursor on the clicked image.
    pub(super) fn click(&mut self, at: Position, count: usize) {
        if !self.area.contains(at) || self.card.0 == 0 || self.card.1 == 0 {
            return;
        }
        let column = usize::from((at.x - self.area.x) / self.card.0);
        let row = usize::from((at.y - self.area.y) / self.card.1);
        let index = (self.first_row + row) * self.across.max(1) + column;
        if column < self.across && index < count {
            self.cursor = index;
        }
    }

    /// Draws as many images as fit, with three bars each.
    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        items: &[Prediction],
        images: Images<'_>,
        theme: &Theme,
    ) {
        let dataset = images.dataset;
        self.cursor = self.cursor.min(items.len().saturating_sub(1));
        let full = to_u16(dataset.width.clamp(1, 64));
        // Three ranks and the number stand below a full one.
        let needed = cells(dataset.width, dataset.height, full).1 + 4;
        let small = self.small || canvas.height() < needed || canvas.width() < full + 2;
        let columns = if small { full.div_ceil(2) } else { full };
        let room = (columns, canvas.height().max(1));
        let (image_columns, image_rows) = fitted(dataset.width, dataset.height, room);
        // Small images have their text at the right, full ones below.
        let text_width = 24;
        let (width, height) = if small {
            (image_columns + 1 + text_width + 1, image_rows.max(5) + 1)
        } else {
            (image_columns.max(text_width) + 2, image_rows + 5)
        };
        let width = spread(canvas.width(), width);
        self.card = (width, height);
        self.across = usize::from(canvas.width() / width).max(1);
        // The last row of cards needs no gap below it.
        self.down = usize::from((canvas.height() + 1) / height).max(1);
        // A gap below the title where it costs no row of cards.
        let used = u16::try_from(self.down).unwrap_or(u16::MAX) * height;
        let gap = (canvas.height() + 1).saturating_sub(used).min(1);
        self.area = canvas.rect(0, gap, canvas.width(), canvas.height());
        let row = self.cursor / self.across;
        self.first_row = self
            .first_row
            .clamp((row + 1).saturating_sub(self.down), row);
        let first = self.first_row * self.across;
        let shown = items.iter().enumerate().skip(first);
        for (place, (index, item)) in shown.take(self.across * self.down).enumerate() {
            let x = to_u16(place % self.across) * width;
            let y = gap + to_u16(place / self.across) * height;
            let mut card = canvas.part(x + 1, y, width - 1, height - 1);
            let image = (image_columns, image_rows);
            draw_card(
                &mut card,
                item,
                images,
                image,
                small,
                index == self.cursor,
                theme,
            );
        }
    }
}

/// Widens cards so that they fill the row evenly, but not by more than a third.
pub(super) fn spread(room: u16, width: u16) -> u16 {
    let count = (room / width.max(1)).max(1);
    (room / count).clamp(width, width + width / 3)
}

fn draw_card(
    card: &mut Canvas,
    item: &Prediction,
    images: Images<'_>,
    (columns, rows): (u16, u16),
    small: bool,
    selected: bool,
    theme: &Theme,
) {
    let dataset = images.dataset;
    draw_pixels(card, 0, 0, item, images, (columns, rows), theme);
    let (x, mut y) = if small { (columns + 1, 0) } else { (0, rows) };
    let width = if small {
        card.width().saturating_sub(x + 1)
    } else {
        columns.max(24).min(card.width())
    };
    let mark = if selected { "▸" } else { " " };
    let style = if selected {
        theme.accent()
    } else {
        theme.dim()
    };
    let head = format!("{mark}#{}", text::grouped(u64::from(item.index)));
    card.put_in(x, y, width, Line::styled(head, style));
    let shown = SHOWN.min(dataset.classes.len());
    for (class, probability) in item.top.iter().zip(item.probability).take(shown) {
        y += 1;
        let is_label = *class == item.label;
        let style = if is_label { theme.good() } else { theme.bad() };
        let name = class_name(&dataset.classes, usize::from(*class));
        let name_width = usize::from(width).saturating_sub(12).clamp(4, 12);
        let bar_width = usize::from(width).saturating_sub(name_width + 7);
        let share = f64::from(probability);
        card.put_in(
            x,
            y,
            width,
            Line::from(vec![
                Span::styled(fit::left(&name, name_width), theme.text()),
                Span::styled(
                    fit::right(&format!("{:.0} % ", share * 100.0), 7),
                    theme.text(),
                ),
                Span::styled(
                    fit::bar(share, bar_width),
                    style.remove_modifier(ratatui::style::Modifier::BOLD),
                ),
            ]),
        );
    }
}

fn draw_pixels(
    canvas: &mut Canvas,
    x: u16,
    y: u16,
    item: &Prediction,
    images: Images<'_>,
    (columns, rows): (u16, u16),
    theme: &Theme,
) {
    if let Some(pixels) = images.pixels(item) {
        let size = images.dataset.size(item.index as usize);
        let image = Image::new(&pixels, images.conversion.to, size, theme);
        canvas.image(x, y, columns, rows, &image);
    } else {
        canvas.put_in(
            x,
            y + rows / 2,
            columns,
            Line::styled("not in this set", theme.dim()),
        );
    }
}

/// A row of the cell's first images, full size where the height allows, their top class below.
pub(super) fn draw_strip(
    canvas: &mut Canvas,
    items: &[Prediction],
    images: Images<'_>,
    theme: &Theme,
) {
    let dataset = images.dataset;
    let full = to_u16(dataset.width.clamp(1, 64));
    let rows_of = |columns| cells(dataset.width, dataset.height, columns).1;
    let columns = if canvas.height() > rows_of(full) {
        full
    } else {
        full.div_ceil(2)
    };
    let room = (columns, canvas.height().saturating_sub(1));
    let (columns, rows) = fitted(dataset.width, dataset.height, room);
    let width = columns + 2;
    for (place, item) in items
        .iter()
        .take(usize::from((canvas.width() + 2) / width))
        .enumerate()
    {
        let x = to_u16(place) * width;
        draw_pixels(canvas, x, 0, item, images, (columns, rows), theme);
        let sure = format!("{:.0} %", f64::from(item.probability[0]) * 100.0);
        let number = format!("#{} ", text::grouped(u64::from(item.index)));
        canvas.put_in(
            x,
            rows,
            columns,
            Line::from(vec![
                Span::styled(number, theme.dim()),
                Span::styled(sure, theme.text()),
            ]),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Background, Channels};
    use crate::tui::tabs::testing;

    #[test]
    fn mistakes_are_sorted_by_confidence() {
        let dataset = testing::dataset(10, 40);
        let predictions = testing::predictions(&dataset, 3);
        let wrong = of_cell(&predictions, 0, 6);
        assert!(wrong.len() > 1);
        assert!(
            wrong
                .windows(2)
                .all(|w| w[0].probability[0] >= w[1].probability[0])
        );
        let right = of_cell(&predictions, 0, 0);
        assert!(
            right
                .windows(2)
                .all(|w| w[0].probability[0] <= w[1].probability[0])
        );
    }

    #[test]
    fn images_of_another_set_are_not_shown() {
        let dataset = testing::dataset(10, 4);
        let mut item = testing::predictions(&dataset, 1).items[3];
        let images = Images::new(&dataset, &Data::default());
        assert!(images.pixels(&item).is_some());
        item.label += 1;
        assert!(images.pixels(&item).is_none());
        item.index = u32::MAX;
        assert!(images.pixels(&item).is_none());
    }

    #[test]
    fn images_are_what_the_network_gets() {
        let dataset = testing::colored(4, &[(16, 16)]);
        let index = 2;
        let item = Prediction {
            index,
            label: dataset.label(2),
            ..testing::predictions(&testing::dataset(2, 4), 1).items[0]
        };
        // The border of every second image is transparent.
        assert_eq!(dataset.image(2).unwrap()[3 * 256], 0);
        let first = |data: &Data| Images::new(&dataset, data).pixels(&item).unwrap()[0];
        for (background, under) in [
            (Background::White, 255),
            (Background::Grey, 128),
            (Background::Black, 0),
        ] {
            let settings = Data {
                background,
                ..Data::default()
            };
            assert_eq!(first(&settings), under);
        }
        let grey = Data {
            channels: Channels::Of(1),
            ..Data::default()
        };
        let images = Images::new(&dataset, &grey);
        assert_eq!(images.pixels(&item).unwrap().len(), 256);
    }

    #[test]
    fn the_cursor_stays_on_images() {
        let mut gallery = Gallery {
            across: 3,
            down: 2,
            ..Gallery::default()
        };
        gallery.step(Move::Down, 5);
        gallery.step(Move::Right, 5);
        gallery.step(Move::Right, 5);
        assert_eq!(gallery.cursor, 4);
        gallery.step(Move::Up, 5);
        assert_eq!(gallery.cursor, 1);
        gallery.step(Move::Right, 5);
        gallery.step(Move::Down, 5);
        assert_eq!(gallery.cursor, 4);
        gallery.step(Move::PageUp, 5);
        assert_eq!(gallery.cursor, 0);
        gallery.step(Move::End, 0);
        assert_eq!(gallery.cursor, 0);
    }
}
