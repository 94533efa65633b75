//! Train, validation and test side by side, with the gap that tells overfitting.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Part, Shown};
use crate::event::RunHistory;
use crate::metrics::Scores;
use crate::text;
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

    fn show(&self, value: Option<f64>) -> String {
        match value {
            None => "–".into(),
            Some(v) if self.is_share => text::percent(v),
            Some(v) => format!("{v:.4}"),
        }
    }

    /// How much worse the held-out part is than the training part.
    fn gap(&self) -> String {
        match (self.train, self.test.or(self.validation)) {
            (Some(train), Some(held_out)) if self.is_share => {
                signed(&format!("{:+.1}", (train - held_out) * 100.0))
            }
            (Some(train), Some(held_out)) => signed(&format!("{:+.4}", held_out - train)),
            _ => "–".into(),
        }
    }
}

fn signed(number: &str) -> String {
    number.replace('-', "−")
}

/// Figures of a finished run, or what the newest epoch told of a running one.
fn figures(history: &RunHistory, shown: &Shown) -> Vec<Figure> {
    if let Some(result) = &history.result {
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
    let is_test = history.started.as_ref().is_some_and(|s| s.curve_is_test);
    let point = history
        .epochs
        .iter()
        .find(|e| e.confusion == shown.scores.confusion);
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

/// Draws the comparison; where there is height, the classes that lose most from training to test below it.
pub fn draw(canvas: &mut Canvas, history: &RunHistory, shown: &Shown, part: Part, theme: &Theme) {
    let head = |name: &str, width: usize, on: bool, style: Style| {
        let style = if on { style } else { theme.dim() };
        Span::styled(fit::right(name, width), style)
    };
    let on_test = part == Part::Curve;
    canvas.put(
        1,
        0,
        Line::from(vec![
            Span::raw(" ".repeat(9)),
            head("train", 9, part == Part::Train, theme.train()),
            head("validation", 12, part == Part::Validation, theme.held_out()),
            head("test", 9, on_test, theme.held_out()),
            head("gap", 8, false, theme.dim()),
        ]),
    );
    for (y, figure) in (1..).zip(figures(history, shown)) {
        canvas.put(
            1,
            y,
            Line::from(vec![
                Span::styled(fit::left(figure.name, 9), theme.dim()),
                Span::styled(fit::right(&figure.show(figure.train), 9), theme.train()),
                Span::styled(
                    fit::right(&figure.show(figure.validation), 12),
                    theme.held_out(),
                ),
                Span::styled(fit::right(&figure.show(figure.test), 9), theme.text()),
                Span::styled(fit::right(&figure.gap(), 8), theme.warn()),
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
    let Some(result) = &history.result else {
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
                fit::left("F1 by part", 16),
                fit::right("train", 10),
                fit::right("validation", 12),
                fit::right("test", 9),
                fit::right("gap", 9)
            ),
            theme.dim(),
        ),
    );
    let f1 = |part: &Option<Scores>, class: usize| {
        let scores = part.as_ref()?;
        scores.per_class.get(class).map(|c| c.f1)
    };
    let show = |value: Option<f64>, width| {
        let text = value.map_or_else(|| "–".into(), |v| format!("{v:.3}"));
        fit::right(&text, width)
    };
    for (y, class) in (1..).zip(order) {
        let [train, validation, test] = parts.map(|p| f1(p, *class));
        let gap = train.zip(test.or(validation)).map(|(a, b)| a - b);
        let gap = gap.map_or_else(|| "–".into(), |g| signed(&format!("{g:+.3}")));
        canvas.put(
            1,
            y,
            Line::from(vec![
                Span::styled(fit::left(&class_name(classes, *class), 16), theme.text()),
                Span::styled(show(train, 10), theme.train()),
                Span::styled(show(validation, 12), theme.held_out()),
                Span::styled(show(test, 9), theme.text()),
                Span::styled(fit::right(&gap, 9), theme.warn()),
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
    canvas.put(
        1,
        8,
        Line::styled("taken for another most often", theme.dim()),
    );
    let rows = usize::from(canvas.height() - 12).min(16);
    for (y, mistake) in (9..).zip(mistakes(&shown.scores.confusion).into_iter().take(rows)) {
        let words = format!(
            "{} → {}",
            class_name(classes, mistake.label),
            class_name(classes, mistake.prediction)
        );
        let part = text::percent(share(u64::from(mistake.count), mistake.support));
        canvas.put(
            1,
            y,
            Line::from(vec![
                Span::styled(fit::left(&words, 26), theme.text()),
                Span::styled(fit::right(&mistake.count.to_string(), 7), theme.text()),
                Span::styled(fit::right(&part, 9), theme.dim()),
            ]),
        );
    }
}
