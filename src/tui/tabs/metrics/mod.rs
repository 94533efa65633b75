//! The Metrics tab: per-class precision, recall and F1, the means over classes, and how the parts of the data compare;
//! how well its probabilities are calibrated; ROC and precision–recall curves of each class.
//!
//! Draws a run's history and what is worked out of its predictions; computes nothing that `crate::metrics` does not.

mod calibration;
mod certain;
mod curves;
mod diagram;
mod draw;
mod parts;
mod table;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::timeline::{Stop, Timeline, at_the_end};
use crate::event::RunHistory;
use crate::metrics::Scores;
use crate::profile::Subset;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::tab_id::TabId;
use crate::tui::widgets::canvas::Canvas;
use certain::Pinned;
use curves::Curves;
use table::{Order, Table};

/// What the tab shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Table,
    Calibration,
    Curves,
}

impl View {
    fn next(self) -> Self {
        match self {
            Self::Table => Self::Calibration,
            Self::Calibration => Self::Curves,
            Self::Curves => Self::Table,
        }
    }
}

/// Which figures of a finished run are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// What the time line points at: an epoch, or the test at the end.
    #[default]
    Curve,
    Validation,
    Train,
}

/// The tab.
#[derive(Default)]
pub(crate) struct MetricsTab {
    view: View,
    /// Of which evaluation calibration and curves are.
    pinned: Pinned,
    curves: Curves,
    timeline: Timeline,
    part: Part,
    order: Order,
    /// Place in the sorted table.
    cursor: usize,
    offset: usize,
    rows_area: Rect,
    head_area: Rect,
}

/// The figures on the screen and what they are of.
struct Shown {
    scores: Scores,
    label: String,
    subset: Subset,
    /// The epoch whose end they are of; `None` for what was scored when the run was over.
    epoch: Option<usize>,
}

impl MetricsTab {
    fn shown(&self, history: &RunHistory) -> Option<Shown> {
        let result = history.result.as_ref();
        let kept = match self.part {
            Part::Curve => None,
            Part::Validation => result
                .and_then(|r| r.validation.as_ref())
                .map(|s| (s, Subset::Validation)),
            Part::Train => result
                .and_then(|r| r.train.as_ref())
                .map(|s| (s, Subset::Train)),
        };
        if let Some((scores, subset)) = kept {
            return Some(Shown {
                scores: scores.clone(),
                label: at_the_end(subset, history),
                subset,
                epoch: None,
            });
        }
        let stop = self.timeline.shown(history)?;
        let (label, subset) = (stop.label(history), stop.subset(history));
        Some(match stop {
            Stop::Test(scores) => Shown {
                scores: scores.clone(),
                label,
                subset,
                epoch: None,
            },
            Stop::Epoch(point) => Shown {
                scores: point.held_out.clone(),
                label,
                subset,
                epoch: Some(point.epoch),
            },
        })
    }

    fn rows(&self, cx: &Context) -> usize {
        let shown = cx.history().and_then(|h| self.shown(h));
        shown.map_or(0, |s| s.scores.confusion.classes())
    }

    /// Class numbers in the order of the table's rows.
    fn order(&self, cx: &Context) -> Vec<usize> {
        let shown = cx.history().and_then(|h| Some((h, self.shown(h)?)));
        shown.map_or_else(Vec::new, |(history, shown)| {
            let table = Table {
                scores: &shown.scores,
                classes: &[],
                history,
                order: self.order,
            };
            table.sorted()
        })
    }

    /// The class under the cursor.
    fn class(&self, cx: &Context) -> Option<usize> {
        self.order(cx).get(self.cursor).copied()
    }

    fn move_cursor(&mut self, by: isize, cx: &Context) {
        let last = self.rows(cx).saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    /// Test (or newest epoch) → validation → train, as far as they exist.
    fn next_part(&mut self, cx: &Context) -> Effect {
        let Some(history) = cx.history() else {
            return Effect::None;
        };
        let Some(result) = &history.result else {
            return Effect::Say(
                "train and test figures come when the run has ended; < and > walk the epochs"
                    .into(),
            );
        };
        let ways = [
            (Part::Curve, true),
            (Part::Validation, result.validation.is_some()),
            (Part::Train, result.train.is_some()),
        ];
        let here = ways.iter().position(|(p, _)| *p == self.part).unwrap_or(0);
        let next = (1..=ways.len()).map(|by| ways[(here + by) % ways.len()]);
        if let Some((part, _)) = next.into_iter().find(|(_, exists)| *exists) {
            self.part = part;
        }
        self.timeline.reset();
        Effect::None
    }

    /// Whether what the predictions say is looked at.
    #[must_use]
    pub(crate) fn shows_certainty(&self) -> bool {
        self.view != View::Table
    }

    /// Table → calibration → curves. The class under the cursor stays.
    fn next_view(&mut self, cx: &Context) {
        match self.view {
            View::Table => {}
            View::Calibration => {
                if let Some(class) = self.class(cx) {
                    self.curves.select(class, self.pinned.curves(cx));
                }
            }
            View::Curves => {
                let class = self.curves.class(self.pinned.curves(cx));
                let place = class.and_then(|class| self.order(cx).iter().position(|c| *c == class));
                self.cursor = place.unwrap_or(self.cursor);
            }
        }
        self.view = self.view.next();
    }

    /// An action while calibration or curves are shown.
    fn on_certainty(&mut self, action: Action, cx: &Context) -> Effect {
        match action {
            Action::CycleNumbers => self.pinned.cycle(cx),
            Action::Earlier => self.pinned.step(-1, cx),
            Action::Later => self.pinned.step(1, cx),
            Action::Train if cx.history().is_none_or(|h| h.epochs.is_empty()) => {
                Effect::GoToTab(TabId::Model)
            }
            _ if self.view == View::Curves => self.curves.on_action(action, self.pinned.curves(cx)),
            _ => Effect::Ignored,
        }
    }

    fn on_click(&mut self, at: Position, cx: &Context) -> Effect {
        if let Some(history) = cx.history()
            && self.timeline.click(history, at)
        {
            self.part = Part::Curve;
        } else if self.head_area.contains(at) {
            self.order = self.order.next();
        } else if self.rows_area.contains(at) {
            let place = self.offset + usize::from(at.y - self.rows_area.y);
            if place == self.cursor {
                return self.on_action(Action::Open, cx);
            }
            self.cursor = place;
        }
        Effect::None
    }
}

impl Tab for MetricsTab {
    fn on_action(&mut self, action: Action, cx: &Context) -> Effect {
        if action == Action::Fork {
            return self.timeline.fork(cx);
        }
        match action {
            Action::CycleView => self.next_view(cx),
            _ if self.view != View::Table => return self.on_certainty(action, cx),
            Action::Up => self.move_cursor(-1, cx),
            Action::Down => self.move_cursor(1, cx),
            Action::PageUp => self.move_cursor(-10, cx),
            Action::PageDown => self.move_cursor(10, cx),
            Action::Home => self.cursor = 0,
            Action::End => self.move_cursor(isize::MAX / 2, cx),
            Action::Sort => {
                self.order = self.order.next();
                self.cursor = 0;
            }
            Action::CycleNumbers => return self.next_part(cx),
            Action::Earlier | Action::Later => {
                self.part = Part::Curve;
                if let Some(history) = cx.history() {
                    let by = if action == Action::Later { 1 } else { -1 };
                    self.timeline.step(history, by);
                }
            }
            Action::Open => return self.class(cx).map_or(Effect::Ignored, Effect::OpenClass),
            Action::Train if self.rows(cx) == 0 => return Effect::GoToTab(TabId::Model),
            _ => return Effect::Ignored,
        }
        Effect::None
    }

    fn on_mouse(&mut self, mouse: Mouse, cx: &Context) -> Effect {
        match mouse {
            Mouse::Click(at) if self.view == View::Curves => {
                self.curves.on_click(at, self.pinned.curves(cx))
            }
            Mouse::Click(_) if self.view == View::Calibration => Effect::None,
            Mouse::Click(at) => self.on_click(at, cx),
            Mouse::ScrollUp(_) => self.on_action(Action::Up, cx),
            Mouse::ScrollDown(_) => self.on_action(Action::Down, cx),
        }
    }

    fn hints(&self, cx: &Context) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        if self.rows(cx) == 0 {
            return vec![hint("t", "train")];
        }
        let finished = cx.history().is_some_and(|h| h.result.is_some());
        let mut hints = match self.view {
            View::Table => vec![hint("v", "calibration")],
            View::Calibration => vec![hint("v", "curves")],
            View::Curves => vec![hint("v", "table"), hint("k j", "class")],
        };
        if self.view == View::Table || certain::are_several(cx) {
            hints.push(hint("< >", "epoch"));
        }
        if self.view == View::Table && finished {
            hints.push(hint("n", "split"));
        }
        if self.view != View::Calibration {
            hints.push(hint("Enter", "confusion"));
            hints.push(hint("s", "sort"));
        }
        hints
    }

    fn on_other_run(&mut self) {
        self.timeline.reset();
        self.part = Part::Curve;
        (self.cursor, self.offset) = (0, 0);
        (self.pinned, self.curves) = (Pinned::default(), Curves::default());
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, cx: &Context) {
        let mut canvas = Canvas::new(frame.buffer_mut(), area);
        (self.rows_area, self.head_area) = (Rect::ZERO, Rect::ZERO);
        let shown = cx.history().and_then(|h| Some((h, self.shown(h)?)));
        match shown {
            None => draw::draw_empty(&mut canvas, cx),
            Some((history, shown)) if self.view == View::Table => {
                self.draw_filled(&mut canvas, history, &shown, cx);
            }
            Some((history, _)) => match self.pinned.shown(cx) {
                Some(certainty) if self.view == View::Curves => {
                    self.curves.draw(&mut canvas, certainty, history, cx);
                }
                Some(certainty) => calibration::draw(&mut canvas, certainty, history, cx),
                None => certain::draw_nothing(&mut canvas, cx),
            },
        }
        if cx.theme.ascii {
            canvas.make_ascii();
        }
    }
}

#[cfg(test)]
mod tests;
