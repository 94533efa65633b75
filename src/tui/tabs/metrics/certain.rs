//! Which evaluation calibration and curves are of: the test at the end, or an epoch whose predictions are kept. What is
//! said of it.

use ratatui::text::{Line, Span};

use super::at_the_end;
use crate::event::RunHistory;
use crate::metrics::certainty::{self, Certainty, OneAgainstRest};
use crate::profile::{Subset, Weights};
use crate::text;
use crate::tui::context::Context;
use crate::tui::tab::Effect;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::fit;

/// The evaluation that was gone to, by its epoch and whether it is the test at the end; else what stands for the run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pinned(Option<(usize, bool)>);

/// Those that the run on the screen has come to; a replay has not come to all.
fn reached(cx: &Context) -> Vec<&Certainty> {
    let Some(history) = cx.history() else {
        return Vec::new();
    };
    let newest = history.epochs.last().map_or(0, |e| e.epoch);
    let is_reached = |c: &&Certainty| {
        if c.is_final {
            history.result.is_some()
        } else {
            c.epoch <= newest
        }
    };
    cx.certainty.found.iter().filter(is_reached).collect()
}

/// Whether there are several to choose from.
#[must_use]
pub(super) fn are_several(cx: &Context) -> bool {
    reached(cx).len() > 1
}

impl Pinned {
    fn place(self, all: &[&Certainty], cx: &Context) -> Option<usize> {
        let keys: Vec<(usize, bool)> = all.iter().map(|c| (c.epoch, c.is_final)).collect();
        let place = keys.iter().position(|key| self.0 == Some(*key));
        let weights = || cx.history()?.scored().map(|(_, weights)| weights);
        place.or_else(|| certainty::standing(&keys, weights().map(Weights::epoch)))
    }

    #[must_use]
    pub(super) fn shown(self, cx: &Context) -> Option<&Certainty> {
        let all = reached(cx);
        self.place(&all, cx).map(|place| all[place])
    }

    /// The curves of what is shown; none where they are not known.
    #[must_use]
    pub(super) fn curves(self, cx: &Context) -> &[OneAgainstRest] {
        let curves = self.shown(cx).map(|c| c.curves.as_deref());
        curves.and_then(Result::ok).unwrap_or_default()
    }

    /// Goes to an earlier or later one.
    pub(super) fn step(&mut self, by: isize, cx: &Context) -> Effect {
        self.go(cx, |place, count| {
            place.saturating_add_signed(by).min(count - 1)
        })
    }

    /// Goes to the next one, behind the last to the first.
    pub(super) fn cycle(&mut self, cx: &Context) -> Effect {
        self.go(cx, |place, count| (place + 1) % count)
    }

    fn go(&mut self, cx: &Context, to: impl Fn(usize, usize) -> usize) -> Effect {
        let all = reached(cx);
        let Some(place) = self.place(&all, cx) else {
            return Effect::Ignored;
        };
        if all.len() == 1 {
            return Effect::Say("predictions are kept of this evaluation alone".into());
        }
        let chosen = all[to(place, all.len())];
        self.0 = Some((chosen.epoch, chosen.is_final));
        Effect::None
    }
}

/// What is shown: `validation, epoch 7 of 20 (best)`.
fn label(certainty: &Certainty, history: &RunHistory) -> String {
    if certainty.is_final {
        return at_the_end(Subset::Test, history);
    }
    let planned = history.started.as_ref().map_or(0, |s| s.epochs);
    let best = history.best().map(|e| e.epoch);
    let best = if best == Some(certainty.epoch) {
        " (best)"
    } else {
        ""
    };
    let (part, epoch) = (certainty.part.name(), certainty.epoch);
    format!("{part}, epoch {epoch} of {}{best}", planned.max(epoch))
}

/// The first line: which run, which evaluation of it, how many images.
pub(super) fn draw_head(
    canvas: &mut Canvas,
    certainty: &Certainty,
    history: &RunHistory,
    cx: &Context,
) {
    let theme = &cx.theme;
    let label = label(certainty, history);
    let images = format!(" · {}", text::count(certainty.images, "image"));
    let width = usize::from(canvas.width());
    let used = 4 + label.chars().count() + images.chars().count();
    let name = fit::cut(cx.run_name(), width.saturating_sub(used).max(8));
    let line = Line::from(vec![
        Span::styled(name, theme.title()),
        Span::styled(" · ", theme.dim()),
        Span::styled(label, theme.held_out()),
        Span::styled(images, theme.dim()),
    ]);
    canvas.put(1, 0, line);
}

/// What is to be known besides: images that are left out, files that are damaged. In lines.
#[must_use]
pub(super) fn notes(certainty: &Certainty, width: usize, cx: &Context) -> Vec<Line<'static>> {
    let damaged = match &cx.certainty.damaged[..] {
        [] => String::new(),
        damaged => format!("damaged, cannot be shown: {}", damaged.join(", ")),
    };
    let style = cx.theme.warn();
    let lines = [certainty.note(), damaged].map(|note| fit::wrap_to(&note, width, 1));
    let lines = lines.into_iter().flatten();
    lines.map(|line| Line::styled(line, style)).collect()
}

/// Draws why there is nothing to be shown.
pub(super) fn draw_nothing(canvas: &mut Canvas, cx: &Context) {
    let kept = &cx.certainty;
    let words = match &kept.damaged[..] {
        _ if kept.awaited => "Reading the predictions …".into(),
        [] => "No predictions are kept for this run yet; each epoch keeps them.".into(),
        damaged => format!(
            "The predictions of this run cannot be read. Damaged: {}. Train the run again.",
            damaged.join(", ")
        ),
    };
    let theme = &cx.theme;
    canvas.put(1, 0, Line::styled(cx.run_name().to_owned(), theme.title()));
    let width = usize::from(canvas.width().saturating_sub(2)).min(76);
    for (row, line) in (2..).zip(fit::wrap(&words, width)) {
        canvas.put(1, row, Line::styled(line, theme.dim()));
    }
}
