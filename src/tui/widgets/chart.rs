//! Curves with axes and numbers. Ranges are robust: a few outliers at the start do not flatten the rest.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "positions are those of a screen"
)]

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::braille::Dots;
use super::cut;
use crate::text::figure;
use crate::tui::theme::Theme;

/// Columns for the numbers of the y axis.
const NUMBERS: u16 = 7;

/// One curve.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub name: String,
    /// x ascending.
    pub points: Vec<(f64, f64)>,
    pub style: Style,
    pub dashed: bool,
}

/// How the numbers of the y axis are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Plain,
    /// 0.5 is `50 %`.
    Share,
    Scientific,
}

/// A range of the y axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

/// A chart: title and legend, curves, axes.
#[derive(Clone, Debug)]
pub(crate) struct Chart<'a> {
    pub title: &'a str,
    pub x_name: &'a str,
    pub x: (f64, f64),
    /// As many columns for 0.001 to 0.01 as for 0.1 to 1.
    pub x_log: bool,
    pub y: Span,
    pub number: Number,
    pub series: &'a [Series],
    /// A vertical line at this x, such as the best epoch.
    pub mark: Option<f64>,
}

impl Span {
    /// A range that shows what matters of `values`: snapped outwards to round numbers, the most extreme twentieth at
    /// the `outliers` end cut off, logarithmic where the rest spans more than a factor of 30.
    #[must_use]
    pub(crate) fn around(values: &[f64], outliers: Outliers) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(first), Some(last)) = (sorted.first().copied(), sorted.last().copied()) else {
            return Self {
                low: 0.0,
                high: 1.0,
                log: false,
            };
        };
        if first == 0.0 && last == 0.0 {
            return Self::around(&[], outliers);
        }
        let left_out = sorted.len() / 20;
        let (low, high) = match outliers {
            Outliers::High => (first, sorted[sorted.len() - 1 - left_out]),
            Outliers::Low => (sorted[left_out], last),
        };
        if low > 0.0 && high / low > 30.0 {
            return Self {
                low,
                high: high * 1.1,
                log: true,
            };
        }
        let spread = high - low;
        let narrowest = (high.abs() * 0.05).max(1e-9);
        let (low, high) = if spread < narrowest {
            (low - narrowest / 2.0, high + narrowest / 2.0)
        } else {
            (low, high)
        };
        let step = round_step((high - low) / 4.0);
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            log: false,
        }
    }

    /// The same, within 0 and 1.
    #[must_use]
    pub(crate) fn share(values: &[f64]) -> Self {
        let span = Self::around(values, Outliers::Low);
        if span.log {
            return Self {
                low: 0.0,
                high: 1.0,
                log: false,
            };
        }
        let (low, high) = (span.low.clamp(0.0, 1.0), span.high.clamp(0.0, 1.0));
        if high - low < 0.05 {
            return Self {
                low: (low - 0.05).max(0.0),
                high: (high + 0.05).min(1.0),
                log: false,
            };
        }
        Self {
            low,
            high,
            log: false,
        }
    }

    /// Place of a value, 0 at `low` and 1 at `high`, clamped.
    #[must_use]
    pub(crate) fn place(self, value: f64) -> f64 {
        let place = if self.log {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    fn ticks(self, most: usize) -> Vec<f64> {
        if most == 0 {
            return Vec::new();
        }
        if self.log {
            return log_ticks(self, most);
        }
        let step = round_step((self.high - self.low) / most as f64);
        let first = (self.low / step - 1e-6).ceil() as i64;
        let last = (self.high / step + 1e-6).floor() as i64;
        (first..=last).take(50).map(|i| i as f64 * step).collect()
    }
}

/// At which end the extreme values are unimportant: a loss starts high, an accuracy low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outliers {
    High,
    Low,
}

fn log_ticks(span: Span, most: usize) -> Vec<f64> {
    let decades = span.low.log10().floor() as i32..=span.high.log10().ceil() as i32;
    let mut ticks: Vec<f64> = decades
        .flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(d)))
        .filter(|t| *t >= span.low * 0.999 && *t <= span.high * 1.001)
        .collect();
    if ticks.len() > most {
        ticks.retain(|t| (t.log10() - t.log10().round()).abs() < 1e-6);
    }
    while ticks.len() > most.max(1) {
        ticks = ticks.iter().copied().step_by(2).collect();
    }
    ticks
}

/// The smallest of 1, 2, 5 × 10ⁿ that is not below `least`.
#[must_use]
pub(crate) fn round_step(least: f64) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    let factor = least / power;
    let round = if factor <= 1.0 + 1e-9 {
        1.0
    } else if factor <= 2.0 + 1e-9 {
        2.0
    } else if factor <= 5.0 + 1e-9 {
        5.0
    } else {
        10.0
    };
    round * power
}

impl Chart<'_> {
    /// Columns and rows that axes and title take.
    pub(crate) const AROUND: (u16, u16) = (NUMBERS, 3);

    /// Where the curves lie in an area; `None` in too small a one.
    #[must_use]
    pub(crate) fn plot(area: Rect) -> Option<Rect> {
        let (columns, rows) = Self::AROUND;
        (area.height >= rows + 2 && area.width >= columns + 8).then(|| Rect {
            x: area.x + columns,
            y: area.y + 1,
            width: area.width - columns,
            height: area.height - rows,
        })
    }

    /// Draws into an area of any size; too small an area shows the title alone.
    pub(crate) fn draw(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        if area.is_empty() {
            return;
        }
        self.draw_title(area, buffer, theme);
        let Some(plot) = Self::plot(area) else {
            return;
        };
        self.draw_y_axis(plot, buffer, theme);
        self.draw_x_axis(plot, buffer, theme);
        self.draw_curves(plot, buffer, theme);
    }

    fn draw_title(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let width = usize::from(area.width);
        let scale = if self.y.log { " (log)" } else { "" };
        let title = cut(&format!("{}{scale}", self.title), width);
        buffer.set_string(area.x, area.y, &title, theme.title());
        let mut x = usize::from(area.x) + width;
        let left_edge = usize::from(area.x) + title.width() + 2;
        for (i, series) in self
            .series
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, s)| !s.name.is_empty())
        {
            if series.name.is_empty() {
                continue;
            }
            let sign = legend_sign(i, series.dashed, theme.ascii);
            let text = format!("{} {sign}", series.name);
            if x < left_edge + text.width() {
                break;
            }
            x -= text.width();
            buffer.set_string(x as u16, area.y, text, series.style);
            x = x.saturating_sub(2);
        }
    }

    fn draw_y_axis(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let rows = usize::from(plot.height);
        let ticks = self.y.ticks(rows.div_ceil(2).clamp(1, 6));
        let decimals = decimals(&ticks, self.number);
        let (line, tick_sign) = if theme.ascii {
            ("|", "+")
        } else {
            ("│", "┤")
        };
        for row in 0..plot.height {
            buffer.set_string(plot.x - 1, plot.y + row, line, theme.dim());
        }
        let mut before = String::new();
        for tick in ticks {
            let dot = (1.0 - self.y.place(tick)) * (rows * 4 - 1) as f64;
            let row = plot.y + (dot.round() as u16 / 4).min(plot.height - 1);
            let text = write_number(tick, self.number, decimals, usize::from(NUMBERS) - 1);
            let x = plot.x - 1 - text.width() as u16;
            // Ticks that a short number does not tell apart have one number.
            if text != before {
                buffer.set_string(x, row, &text, theme.dim());
            }
            before = text;
            buffer.set_string(plot.x - 1, row, tick_sign, theme.dim());
        }
    }

    fn draw_x_axis(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let (corner, line, tick_sign) = if theme.ascii {
            ("+", "-", "+")
        } else {
            ("└", "─", "┬")
        };
        let y = plot.bottom();
        buffer.set_string(plot.x - 1, y, corner, theme.dim());
        let name_width = self.x_name.width() as u16 + 1;
        for x in plot.left()..plot.right() {
            buffer.set_string(x, y, line, theme.dim());
        }
        let ticks = self.x_span().ticks(usize::from(plot.width / 7).clamp(1, 8));
        let decimals = decimals(&ticks, Number::Plain);
        let numbers_end = plot.right().saturating_sub(name_width);
        let mut free_from = plot.x.saturating_sub(1);
        for tick in ticks {
            let column = plot.x + self.x_dot(tick, plot.width) as u16 / 2;
            if column >= plot.right() {
                continue;
            }
            buffer.set_string(column, y, tick_sign, theme.dim());
            let text = if self.x_log {
                plain_or_short(tick)
            } else {
                figure::fixed(tick, decimals, 9)
            };
            let width = text.width() as u16;
            let at = column.saturating_sub(width / 2).max(plot.x - 1);
            if at >= free_from && at + width <= numbers_end {
                buffer.set_string(at, y + 1, &text, theme.dim());
                free_from = at + width + 1;
            }
        }
        let name_at = plot.right() - (name_width - 1).min(plot.width);
        buffer.set_string(name_at, y + 1, self.x_name, theme.dim());
    }

    fn x_span(&self) -> Span {
        Span {
            low: self.x.0,
            high: self.x.1,
            log: self.x_log,
        }
    }

    fn x_dot(&self, x: f64, width: u16) -> i64 {
        let dots = f64::from(width) * 2.0 - 1.0;
        let place = if self.x_log {
            (x.max(f64::MIN_POSITIVE) / self.x.0).ln() / (self.x.1 / self.x.0).ln()
        } else {
            (x - self.x.0) / (self.x.1 - self.x.0).max(f64::MIN_POSITIVE)
        };
        (place * dots).round().clamp(-1.0, dots + 1.0) as i64
    }

    fn draw_curves(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        if let Some(mark) = self.mark {
            let column = plot.x + self.x_dot(mark, plot.width).max(0) as u16 / 2;
            let sign = if theme.ascii { ":" } else { "┊" };
            for row in plot.top()..plot.bottom() {
                if column < plot.right() {
                    buffer.set_string(column, row, sign, theme.dim());
                }
            }
        }
        let mut dots = Dots::new(plot.width, plot.height);
        let highest = dots.height() as f64 - 1.0;
        let mut styles = Vec::with_capacity(self.series.len());
        for (i, series) in self.series.iter().enumerate() {
            styles.push(series.style);
            let points: Vec<(i64, i64)> = series
                .points
                .iter()
                .filter(|(x, y)| x.is_finite() && y.is_finite())
                .map(|(x, y)| {
                    let row = ((1.0 - self.y.place(*y)) * highest).round() as i64;
                    (self.x_dot(*x, plot.width), row)
                })
                .collect();
            if let [(x, y)] = points[..] {
                dots.line(&[(x - 1, y), (x + 1, y)], i as u8, false);
            }
            dots.line(&points, i as u8, series.dashed && points.len() > 2);
        }
        dots.draw(plot, buffer, &styles, theme.ascii);
        self.draw_letters(plot, buffer);
    }

    /// A letter names a curve at its end too, where colours do not tell curves apart; beside it where another has the
    /// place.
    fn draw_letters(&self, plot: Rect, buffer: &mut Buffer) {
        let highest = f64::from(plot.height) * 4.0 - 1.0;
        let mut taken: Vec<(u16, u16)> = Vec::new();
        for series in self.series.iter().filter(|s| s.name.width() == 1) {
            let last = series
                .points
                .iter()
                .rfind(|(x, y)| x.is_finite() && y.is_finite());
            let Some((x, y)) = last else { continue };
            let column = (self.x_dot(*x, plot.width).max(0) as u16 / 2).min(plot.width - 1);
            let row = ((1.0 - self.y.place(*y)) * highest).round().max(0.0) as u16 / 4;
            let row = row.min(plot.height - 1);
            let beside = [(0, 0), (0, 1), (0, -1), (-1, 0), (-2, 0), (-3, 0), (-4, 0)];
            let places = beside.into_iter().filter_map(|(right, down)| {
                let column = column.checked_add_signed(right)?;
                let row = row.checked_add_signed(down)?;
                (row < plot.height && !taken.contains(&(column, row))).then_some((column, row))
            });
            let Some((column, row)) = places.into_iter().next() else {
                continue;
            };
            taken.push((column, row));
            buffer.set_string(plot.x + column, plot.y + row, &series.name, series.style);
        }
    }
}

/// A tick of a logarithmic axis: `20`, `0.05`, `1e-4`.
fn plain_or_short(tick: f64) -> String {
    if (0.01..1e4).contains(&tick) {
        let digits = format!("{tick:.2}");
        return digits.trim_end_matches('0').trim_end_matches('.').into();
    }
    figure::learning_rate(tick, 9)
}

fn legend_sign(index: usize, dashed: bool, ascii: bool) -> char {
    if ascii {
        return ['*', 'o', '+', 'x', '#', '@'][index % 6];
    }
    if dashed { '┄' } else { '─' }
}

/// Decimals that tell neighbouring ticks apart.
fn decimals(ticks: &[f64], number: Number) -> usize {
    let gap = ticks
        .windows(2)
        .map(|w| w[1] - w[0])
        .fold(f64::INFINITY, f64::min);
    let gap = if gap.is_finite() {
        gap
    } else {
        ticks.first().map_or(1.0, |t| t.abs())
    };
    let gap = if number == Number::Share {
        gap * 100.0
    } else {
        gap
    };
    (0..6).find(|d| gap * 10_f64.powi(*d) >= 0.999).unwrap_or(6) as usize
}

fn write_number(value: f64, number: Number, decimals: usize, width: usize) -> String {
    match number {
        Number::Share => figure::percent(value, decimals.min(2), width),
        Number::Scientific if value == 0.0 => "0".into(),
        Number::Scientific => {
            let whole = format!("{value:.1e}").replace(".0e", "e");
            figure::fitting([whole, figure::learning_rate(value, width)], width)
        }
        Number::Plain if value >= 1000.0 => figure::whole(value, width),
        Number::Plain => figure::fixed(value, decimals, width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{ColorDepth, Palette};

    fn theme() -> Theme {
        Theme::new(Palette::Dark, ColorDepth::Mono, false)
    }

    #[test]
    fn every_curve_has_its_letter_even_where_ends_meet() {
        let series: Vec<Series> = ["A", "B", "C"]
            .map(|name| Series {
                name: name.into(),
                points: vec![(1.0, 0.2), (3.0, 0.8)],
                style: Style::default(),
                dashed: false,
            })
            .into();
        let area = Rect::new(0, 0, 40, 10);
        let mut buffer = Buffer::empty(area);
        Chart {
            x_log: false,
            title: "t",
            x_name: "epoch",
            x: (1.0, 3.0),
            y: Span::share(&[0.2, 0.8]),
            number: Number::Share,
            series: &series,
            mark: None,
        }
        .draw(area, &mut buffer, &theme());
        // Below the legend.
        let plot: String = (1..10)
            .flat_map(|y| (0..40).map(move |x| (x, y)))
            .map(|at| buffer[at].symbol())
            .collect();
        for letter in ["A", "B", "C"] {
            assert_eq!(plot.matches(letter).count(), 1, "{letter}: {plot}");
        }
    }

    #[test]
    fn steps_are_round() {
        assert!((round_step(0.013) - 0.02).abs() < 1e-12);
        assert!((round_step(3.0) - 5.0).abs() < 1e-12);
        assert!((round_step(5.1) - 10.0).abs() < 1e-12);
        assert!((round_step(f64::NAN) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn ranges_are_round_and_ignore_the_first_spike() {
        let mut losses = vec![90.0];
        losses.extend((0..60).map(|i| 0.9 - 0.01 * f64::from(i)));
        let span = Span::around(&losses, Outliers::High);
        assert!(
            span.high <= 1.0 && span.low <= 0.31 && !span.log,
            "{span:?}"
        );
        let wide: Vec<f64> = (0..100).map(|i| 2.0 * 0.9_f64.powi(i)).collect();
        assert!(Span::around(&wide, Outliers::High).log);
        let share = Span::share(&[0.85, 0.9, 1.0]);
        assert!(share.high <= 1.0 && share.low >= 0.8);
        let nothing = Span::around(&[0.0, 0.0], Outliers::High);
        assert!((nothing.low, nothing.high) == (0.0, 1.0), "{nothing:?}");
        let flat = Span::share(&[1.0, 1.0]);
        assert!(flat.high > flat.low);
    }

    #[test]
    fn ticks_lie_inside() {
        for span in [
            Span {
                low: 0.2,
                high: 0.6,
                log: false,
            },
            Span {
                low: 0.003,
                high: 2.5,
                log: true,
            },
            Span {
                low: 0.0,
                high: 1.0,
                log: false,
            },
        ] {
            for most in 0..8 {
                let ticks = span.ticks(most);
                assert!(ticks.len() <= most + 1, "{ticks:?}");
                assert!(
                    ticks
                        .iter()
                        .all(|t| *t >= span.low * 0.99 && *t <= span.high * 1.01)
                );
            }
        }
    }

    #[test]
    fn no_size_and_no_value_disturbs_it() {
        let series = [Series {
            name: "train".into(),
            points: vec![(0.0, f64::NAN), (1.0, 1e300), (2.0, -1e300), (1e300, 0.0)],
            style: Style::new(),
            dashed: true,
        }];
        for width in 0..40 {
            for height in 0..12 {
                let area = Rect::new(0, 0, width, height);
                let mut buffer = Buffer::empty(area);
                Chart {
                    x_log: false,
                    title: "loss",
                    x_name: "epoch",
                    x: (0.0, 0.0),
                    y: Span::around(&[f64::NAN], Outliers::High),
                    number: Number::Share,
                    series: &series,
                    mark: Some(5.0),
                }
                .draw(area, &mut buffer, &theme());
            }
        }
    }
}
