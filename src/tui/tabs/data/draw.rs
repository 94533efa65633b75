//! Draws the Data tab: head, filter, views, the list of sets.

use ratatui::text::{Line, Span};

use super::filter;
use super::grid::Tile;
use super::{DataTab, FETCHED, Mode, View, balance, fetched_size};
use crate::catalog::{self, BUILT_IN};
use crate::data::Dataset;
use crate::data::statistics::{PixelStatistics, class_means};
use crate::text;
use crate::tui::tabs::mistakes::class_name;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::picture::cells;

impl DataTab {
    pub(super) fn draw_head(&mut self, canvas: &mut Canvas, dataset: &Dataset, theme: &Theme) {
        let grouped = |n: usize| text::grouped(n as u64);
        canvas.put(
            1,
            0,
            Line::from(vec![
                Span::styled(dataset.name.clone(), theme.title()),
                Span::styled(
                    format!(
                        " · {} train + {} test · {} classes · {} × {}",
                        grouped(dataset.train.len()),
                        grouped(dataset.test.len()),
                        dataset.classes.len(),
                        dataset.height,
                        dataset.width
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
                "  train, test, a class name or number"
            } else {
                refused
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
        let class = self
            .filter
            .class
            .map_or_else(|| "all classes".into(), |c| class_name(self.classes(), c));
        let on = |set: bool| if set { theme.accent() } else { theme.text() };
        // The names of the views need the room on a narrow screen.
        let unit = if canvas.width() >= 96 {
            " pictures"
        } else {
            ""
        };
        canvas.put(
            1,
            2,
            Line::from(vec![
                Span::styled(
                    self.filter.part.name(),
                    on(self.filter.part != filter::Part::All),
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
                label,
            })
        };
        let mut body = canvas.part(0, top, width, height);
        match view {
            View::Large | View::Small if shown.is_empty() => {
                body.put(
                    1,
                    1,
                    Line::styled("No picture passes the filter; Esc clears it.", theme.text()),
                );
            }
            View::Large => self
                .grid
                .draw(&mut body, size, true_size, shown.len(), tile, theme),
            View::Small => {
                let columns = true_size.div_ceil(2);
                self.grid
                    .draw(&mut body, size, columns, shown.len(), tile, theme);
            }
            View::Balance => balance::draw(&mut body, dataset, self.balance_offset, theme),
            View::Means => {
                let means = self.means.get_or_insert_with(|| {
                    class_means(&dataset.train, dataset.classes.len(), dataset.pixels())
                        .unwrap_or_default()
                });
                let columns = fitting(size, means.len(), body.width(), body.height());
                let tile = |place: usize| {
                    Some(Tile {
                        pixels: means.get(place)?.clone(),
                        label: class_name(&dataset.classes, place),
                    })
                };
                self.mean_grid
                    .draw(&mut body, size, columns, means.len(), tile, theme);
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
            View::Balance => Line::styled(
                "bars are relative to the largest class of each part",
                theme.dim(),
            ),
            View::Means => Line::styled(
                "mean picture of each class in the training part · Enter shows its pictures",
                theme.dim(),
            ),
            View::Large | View::Small => {
                let Some(index) = self.shown.get(self.grid.cursor) else {
                    return Line::default();
                };
                let label = usize::from(dataset.label(*index));
                let figures = PixelStatistics::of(&dataset.image(*index).unwrap_or_default());
                Line::from(vec![
                    Span::styled(format!("#{} ", text::grouped(*index as u64)), theme.dim()),
                    Span::styled(class_name(&dataset.classes, label), theme.title()),
                    Span::styled(
                        format!(
                            " · {} · mean {:.3} ± {:.3}",
                            dataset.place(*index).map_or("", |(part, _)| part.name()),
                            figures.mean,
                            figures.std
                        ),
                        theme.dim(),
                    ),
                ])
            }
        }
    }

    pub(super) fn draw_sets(&mut self, canvas: &mut Canvas, at: usize, theme: &Theme) {
        canvas.put(1, 0, Line::styled("Data sets", theme.title()));
        self.draw_status(canvas, 2, theme);
        self.list_area = canvas.rect(0, 3, canvas.width(), canvas.height().saturating_sub(3));
        let name_width = self.sets.iter().map(|(n, _)| n.chars().count()).max();
        let name_width = name_width.unwrap_or(0).clamp(8, 40);
        for (row, (name, place)) in self.sets.iter().enumerate() {
            let (mark, style) = if row == at {
                ("▸", theme.accent())
            } else {
                (" ", theme.text())
            };
            let y = 3 + u16::try_from(row).unwrap_or(u16::MAX - 3);
            canvas.put(
                1,
                y,
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
            "Press e to choose one: {BUILT_IN} is built in. Press d to download {FETCHED} ({}, {} pictures). \
             Other sets in IDX files are found in the workspace's data directory.",
            fetched_size(),
            text::grouped(u64::from(images.0 + images.1)),
        );
        let width = usize::from(canvas.width().saturating_sub(2)).min(76);
        for (row, line) in (below..).zip(fit::wrap(&words, width)) {
            canvas.put(1, row, Line::styled(line, theme.dim()));
        }
    }
}

/// The widest columns, at most true size and at least half, at which `count` pictures fit.
fn fitting((width, height): (usize, usize), count: usize, room: u16, rows: u16) -> u16 {
    let full = u16::try_from(width.clamp(1, 256)).unwrap_or(256);
    let half = full.div_ceil(2);
    (half..=full)
        .rev()
        .find(|columns| {
            let (columns, picture_rows) = cells(width, height, *columns);
            let across = usize::from(room / (columns + 2));
            let down = usize::from((rows + 1) / (picture_rows + 2));
            across * down >= count
        })
        .unwrap_or(half)
}
