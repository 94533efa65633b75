//! Train, validation and test side by side, with the gap that tells overfitting.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Shown;
use crate::event::RunHistory;
use crate::metrics::Scores;
use crate::profile::{Subset, Weights, gap};
use crate::text::figure;
use crate::tui::tabs::mistakes::{class_name, mistakes, share};
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// One figure of each part; `None` where it is not known (yet).
struct Figure {
    name: &'static str,
    train: Option<f64>,
    validation: Option<f64>,
    test: Option<f64>,
    is_share: bool,
}

impl Figure {
    fn new(
        name: &'static str,
        is_share: bool,
        of: fn(&Scores) -> f64,
        parts: &[Option<&Scores>; 3],
    ) -> Self {
        let [train, validation, test] = parts.map(|p| p.map(of));
        Self {
            name,
            train,
            validation,
            test,
            is_share,
        }
    }

    fn show(&self, value: Option<f64>, width: usize) -> String {
        match value {
            None => "–".into(),
            Some(v) if self.is_share => figure::percent(v, 1, width),
            Some(v) => figure::loss(v, width),
        }
    }

    /// The figure on the training part less that on the held-out one.
    fn gap(&self, held_out: Subset, width: usize) -> String {
        let of_held_out = match held_out {
            Subset::Test => self.test,
            _ => self.validation,
        };
        let Some((train, held_out)) = self.train.zip(of_held_out) else {
            return "–".into();
        };
        let gap = gap(train, held_out);
        if self.is_share {
            figure::signed(gap * 100.0, 1, width)
        } else {
            figure::signed(gap, 4, width)
        }
    }
}

/// Figures of a finished run, or what the newest epoch told of a running one.
fn figures(history: &RunHistory, shown: &Shown) -> Vec<Figure> {
    if let Some((result, _)) = history.scored() {
        let parts = [
            result.train.as_ref(),
            result.validation.as_ref(),
            result.test.as_ref(),
        ];
        return vec![
            Figure::new("accuracy", true, |s| s.accuracy, &parts),
            Figure::new("top-3", true, |s| s.top3_accuracy, &parts),
            Figure::new("loss", false, |s| s.loss, &parts),
            Figure::new("F1 macro", true, |s| s.macro_f1, &parts),
        ];
    }
    let is_test = history.curve_is_test();
    let point = history.epochs.iter().find(|e| Some(e.epoch) == shown.epoch);
    let figure = |name, train, held_out, is_share| Figure {
        name,
        train,
        validation: Some(held_out).filter(|_| !is_test),
        test: Some(held_out).filter(|_| is_test),
        is_share,
    };
    let scores = &shown.scores;
    vec![
        figure(
            "accuracy",
            point.map(|p| p.train_accuracy),
            scores.accuracy,
            true,
        ),
        figure("top-3", None, shown.top3, true),
        figure("loss", point.map(|p| p.train_loss), scores.loss, false),
        figure("F1 macro", None, scores.macro_f1, true),
    ]
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
pub fn draw(canvas: &mut Canvas, history: &RunHistory, shown: &Shown, theme: &Theme) {
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
    for (y, figure) in (1..).zip(figures(history, shown)) {
        let show = |value, width| fit::right(&figure.show(value, 7), width);
        canvas.put(
            1,
            y,
            Line::from(vec![
                Span::styled(fit::left(figure.name, 9), theme.dim()),
                Span::styled(show(figure.train, 8), theme.train()),
                Span::styled(show(figure.validation, 11), theme.held_out()),
                Span::styled(show(figure.test, 8), theme.text()),
                Span::styled(fit::right(&figure.gap(held_out, 10), 12), theme.warn()),
            ]),
        );
    }
    if history.result.is_none() {
        draw_live_note(canvas, history, theme);
    }
    draw_mistakes(canvas, history, shown, theme);
}

/// F1 of each class in each part, and what is lost from training to the held-out part; false where there is no room.
pub fn draw_classes(
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
        scores.per_class.get(class).map(|c| c.f1)
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

fn draw_live_note(canvas: &mut Canvas, history: &RunHistory, theme: &Theme) {
    if canvas.height() < 8 {
        return;
    }
    let note = match &history.started {
        Some(s) if s.curve_is_test => "The curve is the test set's (data.validation = 0).",
        _ => "The test set is read once, at the end.",
    };
    canvas.put(1, 6, Line::styled(note, theme.dim()));
}

fn draw_mistakes(canvas: &mut Canvas, history: &RunHistory, shown: &Shown, theme: &Theme) {
    if canvas.height() < 14 {
        return;
    }
    let classes = history.started.as_ref().map_or(&[][..], |s| &s.classes);
    canvas.put(1, 8, Line::styled("most confused pairs", theme.dim()));
    let rows = usize::from(canvas.height() - 12).min(16);
    for (y, mistake) in (9..).zip(mistakes(&shown.scores.confusion).into_iter().take(rows)) {
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
