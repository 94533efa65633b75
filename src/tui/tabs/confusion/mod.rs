//! The Confusion tab: which class is taken for which, at any finished epoch, down to the single image.
//!
//! Draws what it is handed (a run's history, predictions, a data set); reads no files.

mod draw;
mod matrix;
mod own;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use super::timeline::{Stop, Timeline};
use crate::event::RunHistory;
use crate::metrics::Confusion;
use crate::metrics::predictions::{Prediction, Predictions};
use crate::metrics::{class_name, mistakes, share};
use crate::text;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::tab_id::TabId;
use crate::tui::tabs::gallery::{self, Gallery, Images, Move};
use crate::tui::widgets::canvas::Canvas;

use matrix::{Layout, Numbers};
pub(crate) use own::Outcome;
use own::{Next, OwnImage};

/// Said where there is no run to compare with.
const MARK_ANOTHER: &str = "mark another run on the Runs tab with m, then compare here";

/// Said where there is no run to predict with.
const NO_NETWORK: &str = "open a run on the Runs tab first; its network predicts your image";

/// The tab.
#[derive(Default)]
pub(crate) struct ConfusionTab {
    /// The run to compare with is subtracted.
    difference: bool,
    timeline: Timeline,
    numbers: Numbers,
    cursor: (usize, usize),
    offset: (usize, usize),
    gallery: Option<Gallery>,
    own: Option<OwnImage>,
    /// The path of the image before.
    last_path: String,
    layout: Layout,
    matrix_area: Rect,
}

impl ConfusionTab {
    fn stop<'a>(&self, cx: &'a Context) -> Option<Stop<'a>> {
        self.timeline.shown(cx.history()?)
    }

    /// The predictions of the shown evaluation; until the newest come, the images of the one before stay.
    fn predictions<'a>(&self, cx: &'a Context) -> Option<&'a Predictions> {
        let all = &cx.predictions;
        let kept = match self.stop(cx)? {
            Stop::Test(_) => all.test.as_ref(),
            Stop::Epoch(point) => [&all.latest, &all.best]
                .into_iter()
                .flatten()
                .find(|p| p.epoch as usize == point.epoch),
        };
        let before = || {
            let latest = all.latest.as_ref();
            latest.filter(|_| all.awaited && self.timeline.follows())
        };
        kept.or_else(before)
    }

    fn items(&self, cx: &Context) -> Vec<Prediction> {
        self.predictions(cx)
            .map(|p| gallery::of_cell(p, self.cursor.0, self.cursor.1))
            .unwrap_or_default()
    }

    fn move_cursor(&mut self, down: isize, right: isize, cx: &Context) {
        let Some(classes) = self.stop(cx).map(|s| s.confusion().classes()) else {
            return;
        };
        let last = classes.saturating_sub(1);
        self.cursor.0 = self.cursor.0.saturating_add_signed(down).min(last);
        self.cursor.1 = self.cursor.1.saturating_add_signed(right).min(last);
    }
    fn on_gallery(&mut self, action: Action, cx: &Context) -> Effect {
        let towards = match action {
            Action::Left => Move::Left,
            Action::Right => Move::Right,
            Action::Up => Move::Up,
            Action::Down => Move::Down,
            Action::PageUp => Move::PageUp,
            Action::PageDown => Move::PageDown,
            Action::Home => Move::Home,
            Action::End => Move::End,
            Action::Back | Action::Open => {
                self.gallery = None;
                return Effect::None;
            }
            Action::CycleView => {
                if let Some(gallery) = &mut self.gallery {
                    gallery.toggle_size();
                }
                return Effect::None;
            }
            _ => return self.on_matrix(action, cx),
        };
        let count = self.items(cx).len();
        if let Some(gallery) = &mut self.gallery {
            gallery.step(towards, count);
        }
        Effect::None
    }

    fn on_matrix(&mut self, action: Action, cx: &Context) -> Effect {
        match action {
            Action::Up => self.move_cursor(-1, 0, cx),
            Action::Down => self.move_cursor(1, 0, cx),
            Action::Left => self.move_cursor(0, -1, cx),
            Action::Right => self.move_cursor(0, 1, cx),
            Action::PageUp => self.move_cursor(-5, 0, cx),
            Action::PageDown => self.move_cursor(5, 0, cx),
            Action::Home => self.cursor = (0, 0),
            Action::End => self.move_cursor(isize::MAX / 2, isize::MAX / 2, cx),
            Action::Sort => self.find_next_mistake(cx),
            Action::CycleNumbers => self.numbers = self.numbers.next(),
            Action::Mark if cx.other.is_some() => self.difference = !self.difference,
            Action::Mark => return Effect::Say(MARK_ANOTHER.into()),
            Action::Earlier | Action::Later => {
                if let Some(history) = cx.history() {
                    let by = if action == Action::Later { 1 } else { -1 };
                    self.timeline.step(history, by);
                }
            }
            Action::Open if self.stop(cx).is_some() => self.gallery = Some(Gallery::default()),
            Action::Predict => return self.ask_for_image(cx),
            Action::Train if self.stop(cx).is_none() => return Effect::GoToTab(TabId::Model),
            _ => return Effect::Ignored,
        }
        Effect::None
    }

    fn ask_for_image(&mut self, cx: &Context) -> Effect {
        let Some((run, _)) = cx.run.history() else {
            return Effect::Say(NO_NETWORK.into());
        };
        self.own = Some(OwnImage::ask(run, &self.last_path));
        Effect::None
    }

    /// What is left of the image of one's own after a key.
    fn after(&mut self, next: Next) -> Effect {
        if let Some(own) = &self.own {
            own.path().clone_into(&mut self.last_path);
        }
        match next {
            Next::Stays(effect) => effect,
            Next::Closes => {
                self.own = None;
                Effect::None
            }
        }
    }

    /// Takes what came of an image of one's own.
    pub(crate) fn set_predicted(&mut self, path: &str, is_inverted: bool, outcome: Outcome) {
        if let Some(own) = &mut self.own {
            own.set(path, is_inverted, outcome);
        }
    }

    /// Goes to what this class is most often taken for; to its own cell where it never is.
    pub(crate) fn select_class(&mut self, class: usize, cx: &Context) {
        let Some(stop) = self.stop(cx).filter(|s| class < s.confusion().classes()) else {
            return;
        };
        let found = mistakes(stop.confusion());
        let worst = found.iter().find(|m| m.label == class);
        self.cursor = (class, worst.map_or(class, |m| m.prediction));
        self.gallery = None;
        self.own = None;
    }

    /// Moves the cursor to the next most frequent mistake.
    fn find_next_mistake(&mut self, cx: &Context) {
        let Some(stop) = self.stop(cx) else { return };
        let found = mistakes(stop.confusion());
        let here = found
            .iter()
            .position(|m| (m.label, m.prediction) == self.cursor);
        let next = here.map_or(0, |at| (at + 1) % found.len().max(1));
        if let Some(mistake) = found.get(next) {
            self.cursor = (mistake.label, mistake.prediction);
        }
    }

    /// The cell under the cursor in words.
    fn reading(&self, confusion: &Confusion, minus: Option<&Confusion>, cx: &Context) -> String {
        let (label, prediction) = self.cursor;
        let classes = cx.classes();
        let count = confusion.counts[label][prediction];
        let all = confusion.row_total(label);
        let name = class_name(classes, label);
        let said = class_name(classes, prediction);
        if let (Some(minus), Some((other, _))) = (minus, &cx.other) {
            let before = minus.counts[label][prediction];
            return format!(
                "true {name} → predicted {said}: {count} of {all} here, {before} of {} in {other}",
                minus.row_total(label)
            );
        }
        let part = text::percent(share(u64::from(count), all));
        let verb = if label == prediction {
            format!("true {name}, correct")
        } else {
            format!("true {name} → predicted {said}")
        };
        format!("{verb}: {count} of {all} ({part})")
    }

    /// The cell's count at each finished epoch.
    fn cell_trend(&self, cx: &Context) -> Vec<f64> {
        let (label, prediction) = self.cursor;
        let epochs = cx.history().into_iter().flat_map(|h| &h.epochs);
        epochs
            .filter_map(|e| e.held_out.confusion.counts.get(label)?.get(prediction))
            .map(|c| f64::from(*c))
            .collect()
    }

    fn on_click(&mut self, at: Position, cx: &Context) -> Effect {
        if self.gallery.is_some() {
            let count = self.items(cx).len();
            if let Some(gallery) = &mut self.gallery {
                gallery.click(at, count);
            }
            return Effect::None;
        }
        if let Some(history) = cx.history()
            && self.timeline.click(history, at)
        {
            return Effect::None;
        }
        if let Some((row, column)) = self.layout.cell_at(self.matrix_area, at) {
            let cell = (self.offset.0 + row, self.offset.1 + column);
            if cell == self.cursor {
                return self.on_matrix(Action::Open, cx);
            }
            self.cursor = cell;
        }
        Effect::None
    }
}

/// The images of the data set, where it is the one the run was trained on.
fn images(cx: &Context) -> Result<Images<'_>, String> {
    let wanted = cx.history().and_then(|h| h.started.as_ref());
    let wanted = wanted.map_or("", |s| s.dataset.as_str());
    match &cx.dataset {
        Some(d) if wanted.is_empty() || d.name == wanted => {
            Ok(Images::new(d, &cx.predictions.data))
        }
        _ => Err(format!(
            "The images of {wanted} are not loaded; choose it on the Data tab."
        )),
    }
}

/// Why there are no images for the shown evaluation, and where there are.
fn kept_where(cx: &Context) -> String {
    let kept = &cx.predictions;
    let mut places = Vec::new();
    for (name, predictions) in [("newest", &kept.latest), ("best", &kept.best)] {
        if let Some(predictions) = predictions {
            places.push(format!("the {name} epoch ({})", predictions.epoch));
        }
    }
    if kept.test.is_some() {
        places.push("the final test".into());
    }
    let damaged = match &kept.damaged[..] {
        [] => String::new(),
        damaged => format!(" Damaged: {}.", damaged.join(", ")),
    };
    if places.is_empty() && damaged.is_empty() {
        return "No predictions are saved for this run yet; each epoch saves them.".into();
    }
    if places.is_empty() {
        return format!("The predictions of this run cannot be read.{damaged}");
    }
    let untested = cx.history().and_then(RunHistory::untested);
    let untested = untested.map_or_else(String::new, |why| {
        format!(" There are no test predictions ({why}).")
    });
    format!(
        "Images are kept for {}; go there with < and >.{untested}{damaged}",
        places.join(", ")
    )
}

impl Tab for ConfusionTab {
    fn on_action(&mut self, action: Action, cx: &Context) -> Effect {
        if action == Action::Fork {
            return self.timeline.fork(cx);
        }
        if let Some(own) = &mut self.own {
            let next = own.on_action(action);
            return self.after(next);
        }
        if self.gallery.is_some() {
            self.on_gallery(action, cx)
        } else {
            self.on_matrix(action, cx)
        }
    }

    fn on_mouse(&mut self, mouse: Mouse, cx: &Context) -> Effect {
        match mouse {
            _ if self.own.is_some() => Effect::None,
            Mouse::Click(at) => self.on_click(at, cx),
            Mouse::ScrollUp(_) => self.on_action(Action::Up, cx),
            Mouse::ScrollDown(_) => self.on_action(Action::Down, cx),
        }
    }

    fn takes_text(&self) -> bool {
        self.own.as_ref().is_some_and(OwnImage::takes_text)
    }

    fn on_text(&mut self, key: KeyEvent) -> Effect {
        match self.own.as_mut().map(|own| own.on_text(key)) {
            Some(next) => self.after(next),
            None => Effect::None,
        }
    }

    fn hints(&self, cx: &Context) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        if let Some(own) = &self.own {
            return own.hints();
        }
        if self.gallery.is_some() {
            return vec![
                hint("Esc", "matrix"),
                hint("hjkl", "move"),
                hint("PgDn", "page"),
                hint("v", "size"),
                hint("< >", "epoch"),
            ];
        }
        if self.stop(cx).is_none() {
            return vec![hint("t", "train")];
        }
        vec![
            hint("Enter", "images"),
            hint("s", "next mistake"),
            hint("i", "your image"),
            hint("n", "numbers"),
            hint("< >", "epoch"),
        ]
    }

    fn on_other_run(&mut self) {
        self.timeline.reset();
        self.gallery = None;
        self.own = None;
        self.cursor = (0, 0);
        self.offset = (0, 0);
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, cx: &Context) {
        let mut canvas = Canvas::new(frame.buffer_mut(), area);
        self.matrix_area = Rect::ZERO;
        self.difference &= cx.other.is_some();
        if let Some(own) = &self.own {
            own.draw(&mut canvas, cx.run_name(), &cx.theme);
            if cx.theme.ascii {
                canvas.make_ascii();
            }
            return;
        }
        match cx.history().and_then(|h| Some((h, self.stop(cx)?))) {
            None => draw::draw_empty(&mut canvas, cx),
            Some((history, stop)) if self.gallery.is_some() => {
                self.draw_gallery(&mut canvas, history, stop, cx);
            }
            Some((history, stop)) => self.draw_matrix_screen(&mut canvas, history, stop, cx),
        }
        if cx.theme.ascii {
            canvas.make_ascii();
        }
    }
}

#[cfg(test)]
mod tests;
