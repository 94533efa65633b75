//! Train, validation and test side by side, with the gap that tells overfitting.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Shown;
use crate::event::RunHistory;
use crate::metrics::{METRICS, Metric, Scores, Unit};
use crate::metrics::{class_name, mistakes, share};
use crate::profile::{Subset, Weights, gap};
use crate::text::figure;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// Metrics that are always shown; the others where there is height.
const FEW: usize = 4;

/// Scores of train, validation and test: those of a finished run, or what an epoch told of a running one.
fn parts<'a>(history: &'a RunHistory, shown: &'a Shown) -> [Option<&'a Scores>; 3] {
    if let Some((result, _)) = history.scored() {
        return [&result.train, &result.validation, &result.test].map(Option::as_ref);
    }
    let is_test = history.curve_is_test();
    let epoch = history.epochs.iter().find(|e| Some(e.epoch) == shown.epoch);
    let held_out = Some(&shown.scores);
    [
        epoch.map(|e| &e.train),
        held_out.filter(|_| !is_test),
        held_out.filter(|_| is_test),
    ]
}

fn gap_of(metric: &Metric, gap: f64, width: usize) -> String {
    match metric.unit {
        Unit::Share | Unit::Score if gap.is_nan() => "–".into(),
        Unit::Share => figure::signed(gap * 100.0, 1, width),
        Unit::Score => figure::signed(gap, 3, width),
        Unit::Loss => figure::signed(gap, 4, width),
    }
}

/// Whose figures stand side by side: what was scored at the end, before that an epoch's.
fn weights(history: &RunHistory, shown: &Shown) -> String {
    let of_epoch = || shown.epoch.map(Weights::Epoch);
    let weights = history
        .scored()
        .map(|(_, weights)| weights)
        .or_else(of_epoch);
    weights.map_or_else(String::new, |weights| weights.short(10))
}

/// What the gap is measured to.
fn gap_heading(history: &RunHistory) -> String {
    format!(
        "gap to {}",
        Subset::held_out(history.curve_is_test()).short()
    )
}

/// Draws the comparison; where there is height, the classes that lose most from training to test below it.
pub(super) fn draw(canvas: &mut Canvas, history: &RunHistory, shown: &Shown, theme: &Theme) {
    // Nothing here is lit while an epoch of a finished run is looked at: these figures are not its.
    let is_here = history.scored().is_some() != shown.epoch.is_some();
    let head = |subset: Subset, width: usize, style: Style| {
        let is_lit = is_here && subset == shown.subset;
        let style = if is_lit { style } else { theme.dim() };
        Span::styled(fit::right(subset.name(), width), style)
    };
    canvas.put(
        1,
        0,
        Line::from(vec![
            Span::styled(fit::left(&weights(history, shown), 10), theme.text()),
            head(Subset::Train, 7, theme.train()),
            head(Subset::Validation, 11, theme.held_out()),
            head(Subset::Test, 8, theme.held_out()),
            Span::styled(fit::right(&gap_heading(history), 12), theme.dim()),
        ]),
    );
    let held_out = Subset::held_out(history.curve_is_test());
    let metrics = if usize::from(canvas.height()) > METRICS.len() + 12 {
        &METRICS[..]
    } else {
        &METRICS[..FEW]
    };
    let scores = parts(history, shown);
    let mut y = 1;
    for metric in metrics {
        let [train, validation, test] = scores.map(|s| s.map(metric.of));
        let show = |value: Option<f64>, width| {
            let shown = value.map_or_else(|| "–".into(), |v| metric.unit.text(v, 1, 7));
            fit::right(&shown, width)
        };
        let of_held_out = match held_out {
            Subset::Test => test,
            _ => validation,
        };
        let gap = train.zip(of_held_out).map_or_else(
            || "–".into(),
            |(train, held_out)| gap_of(metric, gap(train, held_out), 10),
        );
        let room = 17 - metric.label.chars().count();
        canvas.put(
            1,
            y,
            Line::from(vec![
                Span::styled(metric.label, theme.dim()),
                Span::styled(show(train, room), theme.train()),
                Span::styled(show(validation, 11), theme.held_out()),
                Span::styled(show(test, 8), theme.text()),
                Span::styled(fit::right(&gap, 12), theme.warn()),
            ]),
        );
        y += 1;
    }
    if history.result.is_none() || !history.is_tested() {
        draw_live_note(canvas, y + 1, history, theme);
    }
    draw_mistakes(canvas, y + 3, history, shown, theme);
}

/// F1 of each class in each part, and what is lost from training to the held-out part; false where there is no room.
pub(super) fn draw_classes(
    canvas: &mut Canvas,
    history: &RunHistory,
    order: &[usize],
    theme: &Theme,
) -> bool {
    let Some((result, weights)) = history.scored() else {
        return false;
    };
    let parts = [&result.train, &result.validation, &result.test];
    if usize::from(canvas.height()) < order.len() + 1 || parts.iter().all(|p| p.is_none()) {
        return false;
    }
    let classes = history.started.as_ref().map_or(&[][..], |s| &s.classes);
    canvas.put(
        1,
        0,
        Line::styled(
            format!(
                "{}{}{}{}{}",
                fit::left(&format!("F1, {}", weights.short(11)), 16),
                fit::right("train", 10),
                fit::right("validation", 12),
                fit::right("test", 9),
                fit::right(&gap_heading(history), 13)
            ),
            theme.dim(),
        ),
    );
    let f1 = |part: &Option<Scores>, class: usize| {
        let scores = part.as_ref()?;
        scores.per_class().get(class).map(|c| c.f1)
    };
    let show = |value: Option<f64>, width| {
        let text = value.map_or_else(|| "–".into(), |v| figure::fixed(v, 3, 7));
        fit::right(&text, width)
    };
    let held_out = Subset::held_out(history.curve_is_test());
    for (y, class) in (1..).zip(order) {
        let [train, validation, test] = parts.map(|p| f1(p, *class));
        let of_held_out = if held_out == Subset::Test {
            test
        } else {
            validation
        };
        let gap = train.zip(of_held_out).map(|(a, b)| gap(a, b));
        let gap = gap.map_or_else(|| "–".into(), |g| figure::signed(g, 3, 9));
        canvas.put(
            1,
            y,
            Line::from(vec![
                Span::styled(fit::left(&class_name(classes, *class), 16), theme.text()),
                Span::styled(show(train, 10), theme.train()),
                Span::styled(show(validation, 12), theme.held_out()),
                Span::styled(show(test, 9), theme.text()),
                Span::styled(fit::right(&gap, 13), theme.warn()),
            ]),
        );
    }
    true
}

fn draw_live_note(canvas: &mut Canvas, y: u16, history: &RunHistory, theme: &Theme) {
    if canvas.height() < y + 2 {
        return;
    }
    let note = match &history.started {
        Some(_) if !history.is_evaluated() => {
            "Nothing is evaluated until the end (train.curve = false)."
        }
        Some(s) if s.curve_is_test => "The curve is the test set's (data.validation = 0).",
        _ => "The test set is read once, at the end.",
    };
    let untested = history.untested();
    let note = untested.map_or_else(
        || note.to_owned(),
        |why| format!("There are no test scores ({why})."),
    );
    canvas.put(1, y, Line::styled(note, theme.dim()));
}

fn draw_mistakes(canvas: &mut Canvas, y: u16, history: &RunHistory, shown: &Shown, theme: &Theme) {
    if canvas.height() < y + 6 {
        return;
    }
    let classes = history.started.as_ref().map_or(&[][..], |s| &s.classes);
    canvas.put(1, y, Line::styled("most confused pairs", theme.dim()));
    let rows = usize::from(canvas.height() - y - 4).min(16);
    for (y, mistake) in (y + 1..).zip(mistakes(&shown.scores.confusion).into_iter().take(rows)) {
        let words = format!(
            "{} → {}",
            class_name(classes, mistake.label),
            class_name(classes, mistake.prediction)
        );
        let part = figure::percent(share(u64::from(mistake.count), mistake.support), 1, 8);
        let count = figure::count(u64::from(mistake.count), 6);
        canvas.put(
            1,
            y,
            Line::from(vec![
                Span::styled(fit::left(&words, 26), theme.text()),
                Span::styled(fit::right(&count, 7), theme.text()),
                Span::styled(fit::right(&part, 9), theme.dim()),
            ]),
        );
    }
}
