//! Draws the Data tab: head, filter, views, the list of sets.

use ratatui::text::{Line, Span};

use super::filter::{self, EXCLUDED};
use super::grid::Tile;
use super::means::{Means, means_of};
use super::sets::{FETCHED, fetched_size};
use super::{DataTab, Mode, View, balance};
use crate::catalog::{self, BUILT_IN};
use crate::data::channels::Conversion;
use crate::data::statistics::mean_size;
use crate::data::{Dataset, Part};
use crate::metrics::class_name;
use crate::profile::Background;
use crate::text;
use crate::tui::context::Context;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;
use crate::tui::widgets::image::cells;

impl DataTab {
    pub(super) fn draw_head(&mut self, canvas: &mut Canvas, dataset: &Dataset, theme: &Theme) {
        let parts = filter::parts(dataset);
        let has_test = parts.contains(&Part::Test);
        let told = |part: Part| {
            let used = dataset.part(part).len() - self.excluded_in(dataset, part);
            format!("{} {}", text::grouped(used as u64), part.name())
        };
        let parts: Vec<String> = parts.into_iter().map(told).collect();
        let counts = format!(
            " · {}{}",
            parts.join(" + "),
            if has_test { "" } else { ", no test set" }
        );
        let excluded = match self.excluded.len() {
            0 => String::new(),
            count => format!(", {} {EXCLUDED}", text::grouped(count as u64)),
        };
        let rest = format!(
            " · {} classes · {}",
            dataset.classes.len(),
            self.size_of_images(dataset)
        );
        // A long name gives way.
        let needed = [&counts, &excluded, &rest].map(|words| words.chars().count());
        let room = usize::from(canvas.width()).saturating_sub(2 + needed.iter().sum::<usize>());
        let head = vec![
            Span::styled(fit::cut(&dataset.name, room.max(12)), theme.title()),
            Span::styled(counts, theme.text()),
            Span::styled(excluded, theme.warn()),
            Span::styled(rest, theme.text()),
        ];
        canvas.put(1, 0, Line::from(head));
        let verified = if catalog::find(&dataset.name).is_some_and(catalog::Set::is_verified) {
            ", as published"
        } else {
            ""
        };
        let hash: String = dataset.sha256.chars().take(12).collect();
        if self.said().is_empty() {
            let hash = format!(" · sha256 {hash}…{verified}");
            let room = usize::from(canvas.width()).saturating_sub(2 + hash.chars().count());
            let source = fit::cut_front(&dataset.source, room.max(12)) + &hash;
            canvas.put(1, 1, Line::styled(source, theme.dim()));
        } else if self.draw_status(canvas, 2, theme) > 1 {
            // What went wrong matters more than the filter, and its remedy stands at the end.
            return;
        }
        self.draw_filter(canvas, theme);
        self.draw_views(canvas, theme);
    }

    /// Images of a part that runs leave out.
    fn excluded_in(&self, dataset: &Dataset, part: Part) -> usize {
        self.excluded.range(dataset.range(part)).count()
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

    /// What is said in place of where the set lies.
    fn said(&self) -> &str {
        match self.status.words() {
            "" => &self.excluded_problem,
            words => words,
        }
    }

    /// The status from row 1 on, in at most `most` lines; gives how many it took.
    pub(super) fn draw_status(&self, canvas: &mut Canvas, most: usize, theme: &Theme) -> usize {
        let width = usize::from(canvas.width().saturating_sub(2));
        let lines = fit::wrap_to(self.said(), width, most);
        let count = lines.len();
        let style = if self.status.is_failed() {
            theme.bad()
        } else {
            theme.warn()
        };
        for (row, line) in (1..).zip(lines) {
            canvas.put(1, row, Line::styled(line, style));
        }
        count
    }

    pub(super) fn draw_filter(&self, canvas: &mut Canvas, theme: &Theme) {
        if let Mode::Filter(input, refused) = &self.mode {
            let mut line = Line::from(Span::styled("/ ", theme.accent()));
            line.spans.extend(input.line(30, theme.text()).spans);
            let hint = if refused.is_empty() {
                let mut words: Vec<&str> = self.parts().iter().map(|part| part.name()).collect();
                if !self.excluded.is_empty() {
                    words.push(EXCLUDED);
                }
                format!("  {}, a class name or number", words.join(", "))
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
        let excluded = if self.filter.is_excluded {
            format!(" · {EXCLUDED}")
        } else {
            String::new()
        };
        let on = |set: bool| if set { theme.accent() } else { theme.text() };
        // The names of the views need the room on a narrow screen.
        let unit = if canvas.width() >= 96 { " images" } else { "" };
        // The names of the views stand at the end of the line.
        let room = canvas
            .width()
            .saturating_sub(if canvas.width() < 72 { 2 } else { 33 });
        let class = fit::cut(&class, usize::from(room).saturating_sub(28).max(8));
        canvas.put_in(
            1,
            2,
            room,
            Line::from(vec![
                Span::styled(
                    self.filter
                        .part
                        .map_or_else(|| filter::names(&self.parts()), |p| p.name().into()),
                    on(self.filter.part.is_some()),
                ),
                Span::styled(" · ", theme.dim()),
                Span::styled(format!("‹ {class} ›"), on(self.filter.class.is_some())),
                Span::styled(excluded, theme.accent()),
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

    pub(super) fn draw_body(&mut self, canvas: &mut Canvas, dataset: &Dataset, cx: &Context) {
        let theme = &cx.theme;
        let top = if canvas.height() >= 22 { 4 } else { 3 };
        let height = canvas.height().saturating_sub(top + 1);
        let width = canvas.width();
        let size = (dataset.width, dataset.height);
        let true_size = u16::try_from(dataset.width.clamp(1, 256)).unwrap_or(256);
        let (view, shown, excluded) = (self.view(), &self.shown, &self.excluded);
        let conversion = conversion(dataset, cx.background);
        let thumbnails = &mut self.thumbnails;
        let tile = |place: usize| {
            let index = *shown.get(place)?;
            let label = class_name(&dataset.classes, usize::from(dataset.label(index)));
            let label = if view == View::Large {
                format!("{label}  #{}", text::grouped(index as u64))
            } else {
                label
            };
            let image = thumbnails.get(dataset, index, conversion).as_ref().ok();
            Some(Tile {
                pixels: image.map(|image| image.pixels.clone()),
                channels: conversion.to,
                size: image.map_or((1, 1), |image| image.size),
                label,
                is_excluded: excluded.contains_key(&index),
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
            View::Balance => {
                balance::draw(&mut body, dataset, excluded, self.balance_offset, theme);
            }
            View::Means => {
                let size = mean_size(dataset);
                if dataset.is_in_memory() && !matches!(self.means, Means::Known(_)) {
                    let used = |index: &usize| !excluded.contains_key(index);
                    self.means = Means::Known(means_of(dataset, used).map_err(|e| e.to_string()));
                }
                let told = match &self.means {
                    Means::Known(Ok(means)) => Ok(means),
                    Means::Known(Err(why)) => Err(Line::styled(
                        format!("There are no means: {why}"),
                        theme.bad(),
                    )),
                    Means::Unknown | Means::Asked => {
                        Err(Line::styled("Averaging the training images …", theme.dim()))
                    }
                };
                let means = match told {
                    Ok(means) => means,
                    Err(why) => {
                        let width = usize::from(body.width().saturating_sub(2));
                        for (y, line) in (1..).zip(fit::wrap(&why.to_string(), width)) {
                            body.put(1, y, Line::styled(line, why.style));
                        }
                        return;
                    }
                };
                let shape = (size.1, size.0);
                let columns = fitting(shape, means.len(), body.width(), body.height());
                let tile = |place: usize| {
                    let mut pixels = means.get(place)?.clone();
                    conversion.apply(&mut pixels);
                    Some(Tile {
                        pixels: Some(pixels),
                        channels: conversion.to,
                        size,
                        label: class_name(&dataset.classes, place),
                        is_excluded: false,
                    })
                };
                self.mean_grid
                    .draw(&mut body, shape, columns, means.len(), tile, theme);
            }
        }
        let last = canvas.height().saturating_sub(1);
        if last > top {
            let caption = self.caption(dataset, conversion, theme);
            canvas.put(1, last, caption);
        }
    }

    /// What is under the cursor, in a line.
    fn caption(
        &mut self,
        dataset: &Dataset,
        conversion: Conversion,
        theme: &Theme,
    ) -> Line<'static> {
        match self.view() {
            View::Balance => {
                let none = if dataset.test.is_empty() {
                    " · this set has no test set"
                } else {
                    ""
                };
                let left_out = self.left_out();
                let words =
                    format!("bars are relative to the largest class of each split{none}{left_out}");
                Line::styled(words, theme.dim())
            }
            View::Means => {
                let (height, width) = mean_size(dataset);
                let scaled =
                    if self.is_uniform && (height, width) == (dataset.height, dataset.width) {
                        String::new()
                    } else {
                        format!(" · scaled to {height} × {width}")
                    };
                let left_out = self.left_out();
                let words = format!("mean training image of each class{scaled}{left_out}");
                Line::styled(words, theme.dim())
            }
            View::Large | View::Small => {
                let Some(index) = self.shown.get(self.grid.cursor) else {
                    return Line::default();
                };
                let label = usize::from(dataset.label(*index));
                let part = dataset.place(*index).map_or("", |(part, _)| part.name());
                let mut spans = vec![
                    Span::styled(format!("#{} ", text::grouped(*index as u64)), theme.dim()),
                    Span::styled(
                        fit::cut(&class_name(&dataset.classes, label), LONGEST_NAME),
                        theme.title(),
                    ),
                    Span::styled(
                        format!(" · {part}{}", self.own_size(dataset, *index)),
                        theme.dim(),
                    ),
                ];
                spans.push(match self.excluded.get(index) {
                    Some(reason) => Span::styled(format!(" · {EXCLUDED}: {reason}"), theme.warn()),
                    None => match self.thumbnails.get(dataset, *index, conversion) {
                        Ok(image) => Span::styled(format!(" · mean {}", image.means), theme.dim()),
                        Err(why) => Span::styled(format!(" · {why}"), theme.bad()),
                    },
                });
                Line::from(spans)
            }
        }
    }

    /// Said of figures of the set.
    fn left_out(&self) -> String {
        match self.excluded.len() {
            0 => String::new(),
            count => format!(" · without {} {EXCLUDED}", text::grouped(count as u64)),
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

    pub(super) fn draw_empty(&self, canvas: &mut Canvas, theme: &Theme) {
        let mut below = 3;
        if self.said().is_empty() {
            canvas.put(1, 1, Line::styled("No data set is loaded.", theme.title()));
        } else {
            let lines = self.draw_status(canvas, 4, theme);
            below = 2 + u16::try_from(lines).unwrap_or(4);
        }
        let images = catalog::find(FETCHED).map_or((0, 0), |set| set.images);
        let images = text::grouped(u64::from(images.0 + images.1));
        let size = fetched_size(FETCHED);
        let download = if self.sets.wants_download() {
            format!(" Press d to download {FETCHED} ({size}, {images} images).")
        } else {
            String::new()
        };
        let words = format!(
            "Press e to choose one: {BUILT_IN} is built in.{download} \
             Press a to add a folder of images or a data set's file; docs/data.md has the formats."
        );
        let width = usize::from(canvas.width().saturating_sub(2)).min(76);
        for (row, line) in (below..).zip(fit::wrap(&words, width)) {
            canvas.put(1, row, Line::styled(line, theme.dim()));
        }
    }
}

/// To the channels that are shown: colours stay, and what is not opaque is laid over the background.
pub(super) fn conversion(dataset: &Dataset, background: Background) -> Conversion {
    Conversion::new(dataset.channels, 3, background)
}

/// Columns of a class's name where more is said of an image.
const LONGEST_NAME: usize = 32;

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
