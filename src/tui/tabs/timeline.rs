//! Which evaluation of a run is shown: the newest, or one that was gone back to. Shared by Metrics and Confusion.

use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use crate::event::{EpochEnd, Phase, RunHistory};
use crate::metrics::{Confusion, Scores};
use crate::profile::{Subset, Weights};
use crate::text::figure;
use crate::tui::context::Context;
use crate::tui::tab::Effect;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;

/// One evaluation: an epoch's, or the test at the end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop<'a> {
    Epoch(&'a EpochEnd),
    Test(&'a Scores),
}

impl<'a> Stop<'a> {
    #[must_use]
    pub(super) fn confusion(self) -> &'a Confusion {
        match self {
            Self::Epoch(epoch) => &epoch.held_out.confusion,
            Self::Test(scores) => &scores.confusion,
        }
    }

    #[must_use]
    pub(super) fn accuracy(self) -> f64 {
        match self {
            Self::Epoch(epoch) => epoch.held_out.accuracy,
            Self::Test(scores) => scores.accuracy,
        }
    }

    /// Which part of the data and which epoch: `validation, epoch 7 of 20`.
    #[must_use]
    pub(super) fn label(self, history: &RunHistory) -> String {
        match self {
            Self::Epoch(epoch) => {
                let planned = history.started.as_ref().map_or(0, |s| s.epochs);
                let all = planned.max(epoch.epoch);
                format!(
                    "{}, epoch {} of {all}",
                    history.held_out_name(),
                    epoch.epoch
                )
            }
            Self::Test(_) => at_the_end(Subset::Test, history),
        }
    }

    /// What it is an evaluation on.
    #[must_use]
    pub(super) fn subset(self, history: &RunHistory) -> Subset {
        match self {
            Self::Epoch(_) => Subset::held_out(history.curve_is_test()),
            Self::Test(_) => Subset::Test,
        }
    }
}

/// A part of the data and the weights that were scored on it at the end: `test of the best weights, epoch 13`.
#[must_use]
pub(super) fn at_the_end(subset: Subset, history: &RunHistory) -> String {
    let weights = history.scored().map(|(_, weights)| weights.long());
    let of = weights.map_or_else(|| "at the end".into(), |weights| format!("of {weights}"));
    format!("{} {of}", subset.name())
}

/// The place on a run's time line; follows the newest evaluation until moved away from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    pinned: Option<usize>,
    track: Rect,
}

impl Timeline {
    /// Back to the newest.
    pub(super) fn reset(&mut self) {
        self.pinned = None;
    }

    /// Asks for a fork after the epoch that is shown; after the last one where that is the test.
    pub(super) fn fork(&self, cx: &Context) -> Effect {
        let Some((run, history)) = cx.run.history() else {
            return Effect::Say("There is no run to fork yet".into());
        };
        let epoch = match self.shown(history) {
            Some(Stop::Epoch(epoch)) => Some(epoch.epoch),
            _ => None,
        };
        let run = run.to_owned();
        Effect::AskToFork { run, epoch }
    }

    /// Whether the newest is shown, whichever that becomes.
    #[must_use]
    pub(super) fn follows(&self) -> bool {
        self.pinned.is_none()
    }

    #[must_use]
    pub(super) fn len(history: &RunHistory) -> usize {
        history.epochs.len() + usize::from(test(history).is_some())
    }

    fn position(&self, history: &RunHistory) -> Option<usize> {
        let last = Self::len(history).checked_sub(1)?;
        Some(self.pinned.map_or(last, |p| p.min(last)))
    }

    /// The shown evaluation; `None` before the first.
    #[must_use]
    pub(super) fn shown<'a>(&self, history: &'a RunHistory) -> Option<Stop<'a>> {
        let position = self.position(history)?;
        history
            .epochs
            .get(position)
            .map(Stop::Epoch)
            .or_else(|| test(history).map(Stop::Test))
            .filter(|stop| is_square(stop.confusion()))
    }

    /// Moves by `by` evaluations; at the end it follows the newest again.
    pub(super) fn step(&mut self, history: &RunHistory, by: isize) {
        let Some(position) = self.position(history) else {
            return;
        };
        self.go(history, position.saturating_add_signed(by));
    }

    fn go(&mut self, history: &RunHistory, position: usize) {
        let count = Self::len(history);
        self.pinned = (position + 1 < count).then_some(position);
    }

    /// Goes to the clicked place; false when the click was not on the slider.
    pub(super) fn click(&mut self, history: &RunHistory, at: Position) -> bool {
        let count = Self::len(history);
        if !self.track.contains(at) || count == 0 {
            return false;
        }
        let along = usize::from(at.x - self.track.x);
        let last = usize::from(self.track.width.max(2) - 1);
        self.go(history, (along * (count - 1) + last / 2) / last);
        true
    }

    /// Draws the slider into row `y`: the epochs so far, the shown one, and what it is.
    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        y: u16,
        history: &RunHistory,
        theme: &Theme,
    ) {
        self.track = Rect::ZERO;
        let (Some(position), Some(shown)) = (self.position(history), self.shown(history)) else {
            return;
        };
        let count = Self::len(history);
        let what = match shown {
            Stop::Epoch(epoch) => Weights::Epoch(epoch.epoch).short(13),
            Stop::Test(_) => {
                let weights = history.scored().map(|(_, weights)| weights.short(11));
                format!("test · {}", weights.unwrap_or_default())
            }
        };
        // What is the last in time need not be of the last weights.
        let follows = match (self.pinned, history.phase, shown) {
            (Some(_), ..) | (.., Stop::Test(_)) => "",
            (None, Phase::Running | Phase::Paused, _) => " · newest",
            (None, ..) => " · last",
        };
        let accuracy = figure::percent(shown.accuracy(), 1, 7);
        let right = format!("{what}{follows} · {accuracy}");
        // A fixed width for what stands at the right, so that the track does not jump.
        let right_width = 30.min(canvas.width() / 2);
        let from = 3;
        let width = canvas.width().saturating_sub(from + 3 + right_width);
        if width < 4 {
            canvas.put(1, y, Line::styled(right, theme.held_out()));
            return;
        }
        let last = usize::from(width - 1);
        let at = if count > 1 {
            position * last / (count - 1)
        } else {
            last
        };
        canvas.put(1, y, Line::styled("‹", theme.dim()));
        canvas.put(
            from,
            y,
            Line::from(vec![
                Span::styled("━".repeat(at), theme.held_out()),
                Span::styled("●", theme.accent()),
                Span::styled("─".repeat(last - at), theme.dim()),
            ]),
        );
        canvas.put(from + width + 1, y, Line::styled("›", theme.dim()));
        canvas.put(from + width + 3, y, Line::styled(right, theme.text()));
        self.track = canvas.rect(from, y, width, 1);
    }
}

/// A log can be edited by hand: a matrix with rows of different lengths is not shown.
fn is_square(confusion: &Confusion) -> bool {
    let classes = confusion.classes();
    confusion.counts.iter().all(|row| row.len() == classes)
}

fn test(history: &RunHistory) -> Option<&Scores> {
    history.result.as_ref()?.test.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tabs::testing;

    #[test]
    fn follows_the_newest_until_moved() {
        let mut running = testing::history(3, false);
        let mut line = Timeline::default();
        let epoch = |line: &Timeline, h: &RunHistory| match line.shown(h) {
            Some(Stop::Epoch(e)) => e.epoch,
            _ => 0,
        };
        assert_eq!(epoch(&line, &running), 3);
        line.step(&running, -1);
        assert_eq!(epoch(&line, &running), 2);
        running = testing::history(5, false);
        assert_eq!(epoch(&line, &running), 2);
        line.step(&running, 3);
        assert_eq!(epoch(&line, &testing::history(6, false)), 6);
        line.step(&running, -100);
        assert_eq!(epoch(&line, &running), 1);
        assert!(Timeline::default().shown(&RunHistory::default()).is_none());
    }

    #[test]
    fn a_finished_run_ends_with_its_test() {
        let done = testing::history(3, true);
        let shown = Timeline::default().shown(&done).unwrap();
        assert_eq!(shown.label(&done), "test of the best weights, epoch 3");
        assert_eq!(shown.subset(&done), Subset::Test);
        assert_eq!(Timeline::len(&done), 4);
    }
}
