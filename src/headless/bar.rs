//! A progress bar under the lines of a run, redrawn in place.

use std::time::{Duration, Instant};

use super::Output;
use super::plain::Wording;
use crate::error::Result;
use crate::event::{Event, Observer, RunHistory, Stamped};
use crate::text::{self, figure};

/// The least time between two drawings.
const PERIOD: Duration = Duration::from_millis(100);

/// Cells of the bar.
const CELLS: usize = 20;

/// Columns that are surely there.
const COLUMNS: usize = 79;

/// Whether a bar can be drawn: on a terminal that is not dumb.
#[must_use]
pub(crate) fn is_capable(is_terminal: bool) -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    is_terminal && !term.is_empty() && term != "dumb"
}

/// Prints lines with a bar below.
pub(crate) struct Bar {
    out: Output,
    wording: Wording,
    history: RunHistory,
    drawn: Option<Instant>,
    ascii: bool,
}

impl Bar {
    #[must_use]
    pub(crate) fn new(out: Output) -> Self {
        Self {
            out,
            wording: Wording::default(),
            history: RunHistory::default(),
            drawn: None,
            ascii: super::terminal::is_ascii(),
        }
    }

    fn status(&self) -> Option<String> {
        let started = self.history.started.as_ref()?;
        if let Some(features) = &self.history.features {
            let share = ratio(features.done as u64, features.all as u64);
            return Some(format!(
                "frozen layers' features {} {:>3.0} %  {} of {}  {} left",
                draw(share, CELLS, self.ascii),
                share * 100.0,
                text::grouped(features.done as u64),
                text::count(features.all, "image"),
                text::seconds(features.seconds_left().ceil())
            ));
        }
        let step = self.history.steps.last()?;
        let total = started.epochs as u64 * started.steps_per_epoch;
        let share = ratio(step.step, total);
        let left = self.history.seconds_left().map_or_else(String::new, |s| {
            format!("  {} left", text::seconds(s.ceil()))
        });
        let epoch = (step.step.saturating_sub(1) / started.steps_per_epoch.max(1) + 1)
            .min(started.epochs as u64);
        Some(format!(
            "epoch {epoch}/{} {} {:>3.0} %  loss {}  {} images/s{left}",
            started.epochs,
            draw(share, CELLS, self.ascii),
            share * 100.0,
            figure::loss(step.loss, 9),
            figure::whole(step.images_per_second, 9),
        ))
    }
}

impl Observer for Bar {
    fn on_event(&mut self, stamped: &Stamped) -> Result<()> {
        self.history.apply(stamped);
        // Only the last point and the last message are ever looked at.
        self.history.messages.clear();
        if let Some(excess) = self.history.steps.len().checked_sub(2) {
            self.history.steps.drain(..excess);
        }
        let lines = self.wording.lines(&stamped.event);
        let over = matches!(stamped.event, Event::Finished { .. } | Event::Failed { .. });
        let due = self.drawn.is_none_or(|at| at.elapsed() >= PERIOD);
        if lines.is_empty() && !due {
            return Ok(());
        }
        let status = self.status().filter(|_| !over).unwrap_or_default();
        self.drawn = Some(Instant::now());
        self.out.redraw(&lines, &status, COLUMNS)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        // The prompt starts on a clean line; on a terminal that is gone there is none.
        let _ = self.out.redraw(&[], "", COLUMNS);
    }
}

/// A bar of `cells` cells, filled to `share`.
#[must_use]
pub(crate) fn draw(share: f64, cells: usize, ascii: bool) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few cells"
    )]
    let filled = ((share.clamp(0.0, 1.0) * cells as f64) as usize).min(cells);
    let (full, empty) = if ascii { ("#", "-") } else { ("━", "─") };
    full.repeat(filled) + &empty.repeat(cells - filled)
}

#[expect(clippy::cast_precision_loss, reason = "step counts are below 2^53")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::output::CLEAR;
    use super::super::output::tests::Kept;
    use super::super::plain::tests::run;
    use super::*;

    #[test]
    fn bars_fill_up() {
        assert_eq!(draw(0.0, 4, true), "----");
        assert_eq!(draw(0.5, 4, true), "##--");
        assert_eq!(draw(2.0, 4, false), "━━━━");
        assert_eq!(draw(f64::NAN, 2, true), "--");
    }

    #[test]
    fn the_bar_stays_on_one_line_and_leaves_none_behind() {
        let kept = Kept::default();
        let mut bar = Bar::new(kept.output());
        for event in run() {
            bar.drawn = None;
            bar.on_event(&Stamped::now(event)).unwrap();
        }
        drop(bar);
        let text = kept.text();
        assert!(text.contains("epoch 1/2 "), "{text}");
        assert!(
            text.ends_with(&format!("F1 0.7000  (last @ 2)\n{CLEAR}")),
            "{text}"
        );
        let widest = text
            .split(['\n', '\r'])
            .filter(|l| l.contains("left"))
            .map(|l| l.chars().count());
        assert!(widest.max().is_some_and(|w| w <= COLUMNS + CLEAR.len()));
    }
}
