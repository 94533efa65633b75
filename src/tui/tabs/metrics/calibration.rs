//! The calibration view: errors and temperature in words, the reliability diagram before and after it, and its bins in
//! figures.

use ratatui::text::{Line, Span};

use super::certain::{draw_head, notes};
use super::diagram;
use crate::event::RunHistory;
use crate::metrics::calibration::{BINS, Bin, Reliability};
use crate::metrics::certainty::{Certainty, Tempered};
use crate::text::{self, figure};
use crate::tui::context::Context;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// Columns of the table of bins with bars in it.
const TABLE: u16 = 40;
/// Columns of all its figures; in fewer it has counts alone.
const FIGURES: usize = 39;
/// Columns of a diagram of two columns a bin.
const DIAGRAM: u16 = 37;
/// On narrower screens words are fewer.
const NARROW: usize = 76;
/// The tallest diagram.
const TALLEST: u16 = 30;

const HELP: &str = "A bar ends where its images are right that often: at the line, they are as often right as their probability says. Those of fewer than ten images are dim. A temperature divides the logits before the softmax; no prediction changes.";

/// Draws all of it.
pub(super) fn draw(canvas: &mut Canvas, certainty: &Certainty, history: &RunHistory, cx: &Context) {
    let theme = &cx.theme;
    draw_head(canvas, certainty, history, cx);
    let (width, height) = (canvas.width(), canvas.height());
    let roomy = height >= 30;
    let mut y = 1 + u16::from(roomy);
    let columns = usize::from(width.saturating_sub(2));
    let notes = notes(certainty, columns, cx);
    for line in facts(certainty, columns, theme).into_iter().chain(notes) {
        canvas.put(1, y, line);
        y += 1;
    }
    if certainty.images == 0 {
        return;
    }
    y += u16::from(roomy);
    let left = height.saturating_sub(y);
    let help = fit::wrap_to(HELP, usize::from(width.saturating_sub(2)).min(100), 3);
    let help_height = if roomy {
        u16::try_from(help.len()).unwrap_or(0) + 1
    } else {
        0
    };
    let tall = left.saturating_sub(help_height).min(TALLEST);
    draw_bins(&mut canvas.part(0, y, width, tall), certainty, theme);
    for (row, line) in (y + tall + 1..).zip(help).filter(|_| roomy) {
        canvas.put(1, row, Line::styled(line, theme.dim()));
    }
}

/// Diagrams at the left, figures at the right, as far as there is room.
fn draw_bins(canvas: &mut Canvas, certainty: &Certainty, theme: &Theme) {
    let (width, height) = (canvas.width(), canvas.height());
    let after = certainty.tempered.as_ref().ok();
    let after = after.and_then(|t| Some((t.temperature, t.after.as_ref()?)));
    let for_diagrams = width.saturating_sub(TABLE + 3);
    let both = after.filter(|_| for_diagrams >= 2 * DIAGRAM + 2);
    let count = if both.is_some() { 2 } else { 1 };
    let each = if width < TABLE + DIAGRAM {
        width.min(DIAGRAM)
    } else {
        (for_diagrams.saturating_sub(2 * count - 2) / count).max(DIAGRAM)
    };
    let each = diagram::width(each, height);
    let part = &mut canvas.part(1, 0, each, height);
    diagram::draw(part, &certainty.reliability, "accuracy", theme);
    let mut x = each + 3;
    if let Some((temperature, after)) = both {
        let value = figure::fixed(temperature, 2, 6);
        let part = &mut canvas.part(x, 0, each, height);
        diagram::draw(part, after, &format!("at temperature {value}"), theme);
        x += each + 2;
    }
    let part = &mut canvas.part(x, 0, width.saturating_sub(x), height);
    draw_table(part, &certainty.reliability, theme);
}

/// The errors, which way they lean, and what a temperature does about them.
fn facts(certainty: &Certainty, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let percent = |share| figure::percent(share, 2, 8);
    let mut lines = Vec::new();
    let (dim, title) = (theme.dim(), theme.title());
    let is_narrow = width < NARROW;
    if certainty.images > 0 {
        let all = &certainty.reliability;
        lines.push(Line::from(vec![
            Span::styled("ECE ", dim),
            Span::styled(percent(all.ece), title),
            Span::styled(
                if is_narrow {
                    ""
                } else {
                    " mean gap to the accuracy"
                },
                dim,
            ),
            Span::styled(" · MCE ", dim),
            Span::styled(percent(all.mce), title),
            Span::styled(worst(all), dim),
        ]));
        let style = if certainty.confidence - certainty.accuracy >= 5e-4 {
            diagram::overconfident(theme)
        } else {
            theme.text()
        };
        let [confidence, accuracy] =
            [certainty.confidence, certainty.accuracy].map(|share| figure::percent(share, 1, 7));
        let means = if is_narrow {
            format!(": {confidence} sure, {accuracy} right")
        } else {
            format!(": confidence {confidence}, accuracy {accuracy}")
        };
        lines.push(Line::from(vec![
            Span::styled(certainty.leaning(), style),
            Span::styled(means, theme.text()),
        ]));
    }
    match &certainty.tempered {
        Ok(tempered) => lines.push(temperature(tempered, is_narrow, theme)),
        Err(why) => {
            let why = fit::wrap_to(&format!("no temperature: {why}"), width, 2);
            lines.extend(why.into_iter().map(|l| Line::styled(l, theme.warn())));
        }
    }
    lines
}

/// Where the largest gap is: one of few images says little.
fn worst(all: &Reliability) -> String {
    let filled = all.bins.iter().filter(|bin| bin.images > 0);
    let gap = |bin: &Bin| (bin.confidence - bin.accuracy).abs();
    let worst = filled.max_by(|a, b| gap(a).total_cmp(&gap(b)));
    worst.map_or_else(String::new, |bin| {
        let images = usize::try_from(bin.images).unwrap_or(usize::MAX);
        format!(" in a bin of {}", text::count(images, "image"))
    })
}

fn temperature(tempered: &Tempered, is_narrow: bool, theme: &Theme) -> Line<'static> {
    let images = text::count(tempered.fitted_on, "validation image");
    let fitted = if is_narrow {
        " of the validation set".into()
    } else {
        format!(" fitted on {images}")
    };
    let value = figure::fixed(tempered.temperature, 3, 8);
    let mut spans = vec![
        Span::styled("temperature ", theme.dim()),
        Span::styled(value, theme.title()),
    ];
    let dim = |words: String| Span::styled(words, theme.dim());
    match &tempered.after {
        Some(after) if is_narrow => spans.extend([
            dim(format!("{fitted}: ECE ")),
            Span::styled(figure::percent(after.ece, 2, 8), theme.title()),
        ]),
        Some(after) => spans.extend([
            dim(format!("{fitted}: ECE ")),
            Span::styled(figure::percent(after.ece, 2, 8), theme.title()),
            dim(" · MCE ".into()),
            Span::styled(figure::percent(after.mce, 2, 8), theme.title()),
        ]),
        None => spans.push(dim(
            " fits these images best; the test set alone judges it".into()
        )),
    }
    Line::from(spans)
}

/// The bins that have images, the surest first.
fn draw_table(canvas: &mut Canvas, all: &Reliability, theme: &Theme) {
    let width = usize::from(canvas.width());
    let bar = width.saturating_sub(FIGURES + 1).min(24);
    let most = all.bins.iter().map(|bin| bin.images).max().unwrap_or(0);
    let head = format!(
        "{}{}{}{}",
        fit::left("bin", 10),
        fit::right("images", 8),
        " ".repeat(bar + 1),
        if width < FIGURES {
            String::new()
        } else {
            format!("{:>11}{:>9}", "confidence", "accuracy")
        }
    );
    canvas.put(0, 0, Line::styled(head, theme.dim()));
    let filled = all.bins.iter().enumerate().rev();
    let filled = filled.filter(|(_, bin)| bin.images > 0);
    for (y, (place, bin)) in (1..).zip(filled) {
        let mut line = row(place, bin, (bar, most), theme);
        line.spans.truncate(if width < FIGURES { 2 } else { 5 });
        canvas.put(0, y, line);
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown as a bar")]
fn row(place: usize, bin: &Bin, (bar, most): (usize, u64), theme: &Theme) -> Line<'static> {
    let end = |place: usize| place * 100 / BINS;
    let range = format!("{}–{} %", end(place), end(place + 1));
    let share = bin.images as f64 / most.max(1) as f64;
    let bar = format!(" {}", fit::left(&fit::bar(share, bar), bar));
    let percent = |share| figure::percent(share, 1, 8);
    let style = diagram::style(bin, theme);
    Line::from(vec![
        Span::styled(fit::left(&range, 10), theme.text()),
        Span::styled(fit::right(&figure::count(bin.images, 8), 8), theme.text()),
        Span::styled(bar, theme.dim()),
        Span::styled(fit::right(&percent(bin.confidence), 11), theme.dim()),
        Span::styled(fit::right(&percent(bin.accuracy), 9), style),
    ])
}
