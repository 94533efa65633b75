//! Draws the Data tab: head, filter, views, the list of sets.

use ratatui::text::{Line, Span};

use super::filter;
use super::grid::Tile;
use super::{DataTab, FETCHED, Mode, View, balance, fetched_size};
use crate::catalog::{self, BUILT_IN};
use crate::data::statistics::{PixelStatistics, channel_names, class_means, mean_size};
use crate::data::{Dataset, Part};
use crate::metrics::class_name;
use crate::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::image::cells;

impl DataTab {
    pub(super) fn draw_head(&mut self, canvas: &mut Canvas, dataset: &Dataset, theme: &Theme) {
        let parts = filter::parts(dataset);
        let has_test = parts.contains(&Part::Test);
        let count = |part: Part| text::grouped(dataset.part(part).len() as u64);
        let told = |part: Part| format!("{} {}", count(part), part.name());
        let parts: Vec<String> = parts.into_iter().map(told).collect();
        canvas.put(
            1,
            0,
            Line::from(vec![
                Span::styled(dataset.name.clone(), theme.title()),
                Span::styled(
                    format!(
                        " · {}{} · {} classes · {}",
                        parts.join(" + "),
                        if has_test { "" } else { ", no test set" },
                        dataset.classes.len(),
                        self.size_of_images(dataset)
                    ),
                    theme.text(),
                ),
            ]),
        );
        let verified = if catalog::find(&dataset.name).is_some_and(catalog::Set::is_verified) {
            ", as published"
        } else {
            ""
        };
        let hash: String = dataset.sha256.chars().take(12).collect();
        if self.status.is_empty() {
            let source = format!("{} · sha256 {hash}…{verified}", dataset.source);
            canvas.put(1, 1, Line::styled(source, theme.dim()));
        } else if self.draw_status(canvas, 2, theme) > 1 {
            // What went wrong matters more than the filter, and its remedy stands at the end.
            return;
        }
        self.draw_filter(canvas, theme);
        self.draw_views(canvas, theme);
    }

    /// `28 × 28`, `up to 375 × 500 RGB`.
    fn size_of_images(&self, dataset: &Dataset) -> String {
        let up_to = if self.is_uniform { "" } else { "up to " };
        let colors = match dataset.channels {
            1 => "",
            3 => " RGB",
            _ => " RGBA",
        };
        format!("{up_to}{} × {}{colors}", dataset.height, dataset.width)
    }

    /// The status from row 1 on, in at most `most` lines; gives how many it took.
    fn draw_status(&self, canvas: &mut Canvas, most: usize, theme: &Theme) -> usize {
        let width = usize::from(canvas.width().saturating_sub(2));
        let lines = fit::wrap_to(&self.status, width, most);
        let count = lines.len();
        for (row, line) in (1..).zip(lines) {
            canvas.put(1, row, Line::styled(line, theme.warn()));
        }
        count
    }

    pub(super) fn draw_filter(&self, canvas: &mut Canvas, theme: &Theme) {
        if let Mode::Filter(input, refused) = &self.mode {
            let mut line = Line::from(Span::styled("/ ", theme.accent()));
            line.spans.extend(input.line(30, theme.text()).spans);
            let hint = if refused.is_empty() {
                let parts: Vec<&str> = self.parts().iter().map(|part| part.name()).collect();
                format!("  {}, a class name or number", parts.join(", "))
            } else {
                refused.clone()
            };
            let style = if refused.is_empty() {
                theme.dim()
            } else {
                theme.bad()
            };
            line.spans.push(Span::styled(format!("  {hint}"), style));
            canvas.put(1, 2, line);
            return;
        }
        if let Some((words, _)) = &self.found {
            let count = format!(" · {}", text::grouped(self.shown.len() as u64));
            let spans = vec![
                Span::styled(words.clone(), theme.accent()),
                Span::styled(count, theme.dim()),
            ];
            // The names of the views stand at the end of the line.
            let room = canvas.width().saturating_sub(32);
            canvas.put_in(1, 2, room, Line::from(spans));
            return;
        }
        let class = self
            .filter
            .class
            .map_or_else(|| "all classes".into(), |c| class_name(self.classes(), c));
        let on = |set: bool| if set { theme.accent() } else { theme.text() };
        // The names of the views need the room on a narrow screen.
        let unit = if canvas.width() >= 96 { " images" } else { "" };
        canvas.put(
            1,
            2,
            Line::from(vec![
                Span::styled(
                    self.filter
                        .part
                        .map_or_else(|| filter::names(&self.parts()), |p| p.name().into()),
                    on(self.filter.part.is_some()),
                ),
                Span::styled(" · ", theme.dim()),
                Span::styled(format!("‹ {class} ›"), on(self.filter.class.is_some())),
                Span::styled(
                    format!(" · {}{unit}", text::grouped(self.shown.len() as u64)),
                    theme.dim(),
                ),
            ]),
        );
    }

    pub(super) fn draw_views(&mut self, canvas: &mut Canvas, theme: &Theme) {
        self.view_areas.clear();
        if matches!(self.mode, Mode::Filter(..)) || canvas.width() < 72 {
            return;
        }
        let mut end = canvas.width() - 1;
        for view in View::ALL.into_iter().rev() {
            let name = view.name();
            let width = u16::try_from(name.len()).unwrap_or(0);
            let style = if view == self.view() {
                theme.accent()
            } else {
                theme.dim()
            };
            canvas.put_right(end, 2, Line::styled(name, style));
            self.view_areas
                .push((canvas.rect(end - width, 2, width, 1), view));
            end = end.saturating_sub(width + 2);
        }
    }

    pub(super) fn draw_body(&mut self, canvas: &mut Canvas, dataset: &Dataset, theme: &Theme) {
        let top = if canvas.height() >= 22 { 4 } else { 3 };
        let height = canvas.height().saturating_sub(top + 1);
        let width = canvas.width();
        let size = (dataset.width, dataset.height);
        let true_size = u16::try_from(dataset.width.clamp(1, 256)).unwrap_or(256);
        let (view, shown) = (self.view(), &self.shown);
        let tile = |place: usize| {
            let index = *shown.get(place)?;
            let label = class_name(&dataset.classes, usize::from(dataset.label(index)));
            let label = if view == View::Large {
                format!("{label}  #{}", text::grouped(index as u64))
            } else {
                label
            };
            Some(Tile {
                pixels: dataset.image(index).ok()?,
                channels: dataset.channels,
                size: dataset.size(index),
                label,
            })
        };
        let mut body = canvas.part(0, top, width, height);
        match view {
            View::Large | View::Small if shown.is_empty() => {
                body.put(
                    1,
                    1,
                    Line::styled("No image matches the filter; Esc clears it.", theme.text()),
                );
            }
            View::Large => self.grid.draw(
                &mut body,
                size,
                true_size.min(MOST_LARGE),
                shown.len(),
                tile,
                theme,
            ),
            View::Small => {
                let columns = small(true_size);
                // The tallest of a set is no measure of the others.
                let size = (size.0, size.1.min(size.0));
                self.grid
                    .draw(&mut body, size, columns, shown.len(), tile, theme);
            }
            View::Balance => balance::draw(&mut body, dataset, self.balance_offset, theme),
            View::Means => {
                let size = mean_size(dataset);
                let means = self.means.get_or_insert_with(|| {
                    let classes = dataset.classes.len();
                    class_means(&dataset.train, classes, dataset.channels, size)
                });
                let means = match means {
                    Ok(means) => means,
                    Err(why) => {
                        let why = format!("There are no means: {why}");
                        let width = usize::from(body.width().saturating_sub(2));
                        for (y, line) in (1..).zip(fit::wrap(&why, width)) {
                            body.put(1, y, Line::styled(line, theme.bad()));
                        }
                        return;
                    }
                };
                let shape = (size.1, size.0);
                let columns = fitting(shape, means.len(), body.width(), body.height());
                let tile = |place: usize| {
                    Some(Tile {
                        pixels: means.get(place)?.clone(),
                        channels: dataset.channels,
                        size,
                        label: class_name(&dataset.classes, place),
                    })
                };
                self.mean_grid
                    .draw(&mut body, shape, columns, means.len(), tile, theme);
            }
        }
        let last = canvas.height().saturating_sub(1);
        if last > top {
            canvas.put(1, last, self.caption(dataset, theme));
        }
    }

    /// What is under the cursor, in a line.
    pub(super) fn caption(&self, dataset: &Dataset, theme: &Theme) -> Line<'static> {
        match self.view() {
            View::Balance => {
                let none = if dataset.test.is_empty() {
                    " · this set has no test set"
                } else {
                    ""
                };
                let words = format!("bars are relative to the largest class of each split{none}");
                Line::styled(words, theme.dim())
            }
            View::Means => {
                let (height, width) = mean_size(dataset);
                let scaled =
                    if self.is_uniform && (height, width) == (dataset.height, dataset.width) {
                        String::new()
                    } else {
                        format!(", scaled to {height} × {width}")
                    };
                let words = format!(
                    "mean image of each class in the training set{scaled} · Enter shows its images"
                );
                Line::styled(words, theme.dim())
            }
            View::Large | View::Small => {
                let Some(index) = self.shown.get(self.grid.cursor) else {
                    return Line::default();
                };
                let label = usize::from(dataset.label(*index));
                let image = dataset.image(*index).unwrap_or_default();
                Line::from(vec![
                    Span::styled(format!("#{} ", text::grouped(*index as u64)), theme.dim()),
                    Span::styled(class_name(&dataset.classes, label), theme.title()),
                    Span::styled(
                        format!(
                            " · {}{} · mean {}",
                            dataset.place(*index).map_or("", |(part, _)| part.name()),
                            self.own_size(dataset, *index),
                            means_of(&image, dataset.channels)
                        ),
                        theme.dim(),
                    ),
                ])
            }
        }
    }

    /// An image's size where it is not the same for all.
    fn own_size(&self, dataset: &Dataset, index: usize) -> String {
        if self.is_uniform {
            return String::new();
        }
        let (height, width) = dataset.size(index);
        format!(" · {height} × {width}")
    }

    pub(super) fn draw_sets(&mut self, canvas: &mut Canvas, at: usize, theme: &Theme) {
        canvas.put(1, 0, Line::styled("Data sets", theme.title()));
        self.draw_status(canvas, 2, theme);
        self.list_area = canvas.rect(0, 3, canvas.width(), canvas.height().saturating_sub(3));
        let name_width = self.sets.iter().map(|(n, _)| n.chars().count()).max();
        let name_width = name_width.unwrap_or(0).clamp(8, 40);
        // The cursor stays in sight.
        let rows = usize::from(self.list_area.height).max(1);
        self.first_set = (at + 1).saturating_sub(rows);
        let shown = self.sets.iter().enumerate().skip(self.first_set);
        for (line, (row, (name, place))) in (3..).zip(shown.take(rows)) {
            let (mark, style) = if row == at {
                ("▸", theme.accent())
            } else {
                (" ", theme.text())
            };
            canvas.put(
                1,
                line,
                Line::from(vec![
                    Span::styled(format!("{mark} {}  ", fit::left(name, name_width)), style),
                    Span::styled(place.clone(), theme.dim()),
                ]),
            );
        }
    }

    pub(super) fn draw_empty(&self, canvas: &mut Canvas, theme: &Theme) {
        let mut below = 3;
        if self.status.is_empty() {
            canvas.put(1, 1, Line::styled("No data set is loaded.", theme.title()));
        } else {
            let lines = self.draw_status(canvas, 4, theme);
            below = 2 + u16::try_from(lines).unwrap_or(4);
        }
        let images = catalog::find(FETCHED).map_or((0, 0), |set| set.images);
        let words = format!(
            "Press e to choose one: {BUILT_IN} is built in. Press d to download {FETCHED} ({}, {} images). \
             Other sets are found in the workspace's data directory; docs/data.md has the formats.",
            fetched_size(FETCHED),
            text::grouped(u64::from(images.0 + images.1)),
        );
        let width = usize::from(canvas.width().saturating_sub(2)).min(76);
        for (row, line) in (below..).zip(fit::wrap(&words, width)) {
            canvas.put(1, row, Line::styled(line, theme.dim()));
        }
    }
}

/// `0.286 ± 0.353` of a grey image; the mean of each channel of one in colours.
fn means_of(image: &[u8], channels: usize) -> String {
    let figures = PixelStatistics::of_channels(image, channels);
    if let [grey] = figures[..] {
        return format!("{:.3} ± {:.3}", grey.mean, grey.std);
    }
    let named = channel_names(channels).iter().zip(figures);
    let named: Vec<String> = named.map(|(n, f)| format!("{n} {:.3}", f.mean)).collect();
    named.join(" ")
}

/// The widest small and large images of a grid, so that there are several. **Units** columns.
const MOST_SMALL: u16 = 16;
const MOST_LARGE: u16 = 36;

/// Columns of small images: half of their true size, as far as an overview goes.
fn small(true_size: u16) -> u16 {
    true_size.div_ceil(2).min(MOST_SMALL)
}

/// The widest columns, at most true size and at least those of small ones, at which `count` images fit.
fn fitting((width, height): (usize, usize), count: usize, room: u16, rows: u16) -> u16 {
    let full = u16::try_from(width.clamp(1, 256)).unwrap_or(256);
    let least = small(full);
    (least..=full)
        .rev()
        .find(|columns| {
            let (columns, image_rows) = cells(width, height, *columns);
            let across = usize::from(room / (columns + 2));
            let down = usize::from((rows + 1) / (image_rows + 2));
            across * down >= count
        })
        .unwrap_or(least)
}
