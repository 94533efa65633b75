//! The Sweep tab: the trials of a search, what came of them, and what that says of the parameters; steers it.
//!
//! Studies come from the app, which has their journals read once in a while off this thread.

mod charts;
mod parameters;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::run::sweep::{Control, Standing, runs};
use crate::search::importance::Importance;
use crate::search::{Objective, State, Study, Trial, standing, waits_at};
use crate::text;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::request::{Request, SweepChange};
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::tab_id::TabId;
use crate::tui::theme::Theme;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::cut;
use crate::tui::widgets::input::{Input, Typed};
use crate::tui::widgets::popup::{self, Answer};

/// How many trials `+` adds.
const MORE: usize = 10;

/// A sweep as its journal tells.
#[derive(Clone, Debug)]
pub(crate) struct SweepShown {
    pub name: String,
    pub study: Study,
    pub standing: Standing,
    pub budget: usize,
    /// None of a study that another program made.
    pub objectives: Vec<Objective>,
    /// Such as `tpe, asha`; empty where that is not known.
    pub how: String,
    /// Why it does not go on, where that is so.
    pub problem: String,
    /// What parameters matter; none where too few trials are complete to say.
    pub importance: Option<Importance>,
}

impl SweepShown {
    /// A value of its first objective.
    fn value(&self, value: f64, width: usize) -> String {
        match self.objectives.first() {
            Some(objective) => objective.text(value, width),
            None => text::figure::loss(value, width),
        }
    }

    fn loss(&self, trial: &Trial) -> f64 {
        let direction = self.study.direction();
        trial
            .newest()
            .map_or(f64::INFINITY, |value| direction.loss(value))
    }

    fn is_share(&self) -> bool {
        let metric = self.objectives.first().and_then(Objective::metric);
        metric.is_some_and(|metric| metric.unit == crate::metrics::Unit::Share)
    }

    /// Names of the parameters that are not the same in all trials, in the order of their first use.
    fn differing(&self) -> Vec<Arc<str>> {
        let mut names: Vec<(Arc<str>, f64, bool)> = Vec::new();
        let all = self.study.trials.len();
        for parameter in self.study.trials.iter().flat_map(|trial| &trial.parameters) {
            match names.iter_mut().find(|(name, ..)| *name == parameter.name) {
                Some((_, first, differs)) => *differs |= first.total_cmp(&parameter.inside).is_ne(),
                None => names.push((Arc::clone(&parameter.name), parameter.inside, false)),
            }
        }
        let kept = names
            .into_iter()
            .filter(|(_, _, differs)| *differs || all < 2);
        kept.map(|(name, ..)| name).collect()
    }

    /// As much of the end of a parameter's name as tells it from the others.
    fn label<'a>(&self, name: &'a str) -> &'a str {
        let names = self.differing();
        let ends = name.rmatch_indices('.').map(|(at, _)| &name[at + 1..]);
        let is_own = |end: &&str| {
            let is_like =
                |other: &Arc<str>| **other != *name && other.ends_with(&format!(".{end}"));
            !names.iter().any(is_like)
        };
        ends.into_iter().find(is_own).unwrap_or(name)
    }

    /// The objectives after the first.
    fn further(&self) -> &[Objective] {
        self.objectives.get(1..).unwrap_or_default()
    }

    /// The numbers of the trials that none is better than.
    fn best(&self) -> Vec<usize> {
        if self.study.directions.len() > 1 {
            let front = self.study.pareto_front();
            return front.into_iter().map(|trial| trial.number).collect();
        }
        self.study
            .best()
            .map(|best| best.number)
            .into_iter()
            .collect()
    }

    /// The parameters by what they matter, those of which nothing is known last.
    fn by_importance(&self) -> Vec<Arc<str>> {
        let shares = self.importance.as_ref();
        let shares = shares.map_or(&[][..], |found| &found.shares);
        let share = |name: &Arc<str>| {
            let found = shares.iter().find(|(other, _)| other == name);
            found.map_or(-1.0, |(_, share)| *share)
        };
        let mut names = self.differing();
        names.sort_by(|one, two| share(two).total_cmp(&share(one)));
        names
    }
}

/// What is shown of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Trials,
    History,
    Curves,
    Importance,
    Slice,
    Parallel,
    Timeline,
}

impl View {
    const ALL: [Self; 7] = [
        Self::Trials,
        Self::History,
        Self::Curves,
        Self::Importance,
        Self::Slice,
        Self::Parallel,
        Self::Timeline,
    ];

    /// Those that are chosen from where the table and the history are always there.
    const BESIDE: [Self; 5] = [
        Self::Curves,
        Self::Importance,
        Self::Slice,
        Self::Parallel,
        Self::Timeline,
    ];

    fn next(self, of: &[Self]) -> Self {
        let at = of.iter().position(|view| *view == self);
        of[at.map_or(0, |at| (at + 1) % of.len())]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trials => "trials",
            Self::History => "best so far",
            Self::Curves => "curves",
            Self::Importance => "importance",
            Self::Slice => "slice",
            Self::Parallel => "parallel",
            Self::Timeline => "timeline",
        }
    }
}

/// What the trials are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Newest,
    Best,
    State,
    Time,
}

impl Order {
    fn next(self) -> Self {
        match self {
            Self::Newest => Self::Best,
            Self::Best => Self::State,
            Self::State => Self::Time,
            Self::Time => Self::Newest,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Best => "best first",
            Self::State => "by state",
            Self::Time => "longest first",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Looking,
    Filtering,
    /// Asks whether to stop this trial.
    Stopping(usize),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SweepTab {
    /// `None` until they have been read once.
    sweeps: Option<Vec<Arc<SweepShown>>>,
    /// The name of the shown one.
    shown: Option<String>,
    /// The number of the trial under the cursor.
    cursor: Option<usize>,
    view: View,
    order: Order,
    filter: Input,
    mode: Mode,
    /// The parameter whose slice is shown, by its place among those that differ.
    parameter: usize,
    /// Against time, not trials.
    by_time: bool,
    /// The table and the history are always there.
    is_large: bool,
    first: usize,
    rows_area: Rect,
}

impl SweepTab {
    /// Takes the sweeps as they are now, the newest first.
    pub(crate) fn set_sweeps(&mut self, sweeps: Vec<Arc<SweepShown>>) {
        let is_there = |name: &String| sweeps.iter().any(|sweep| sweep.name == *name);
        if !self.shown.as_ref().is_some_and(is_there) {
            let active = sweeps.iter().find(|s| s.standing == Standing::Running);
            self.shown = active.or(sweeps.first()).map(|sweep| sweep.name.clone());
            self.cursor = None;
        }
        self.sweeps = Some(sweeps);
        let numbers = self.numbers();
        if !self.cursor.is_some_and(|cursor| numbers.contains(&cursor)) {
            self.cursor = numbers.first().copied();
        }
    }

    /// Shows this sweep from now on.
    pub(crate) fn show(&mut self, name: String) {
        self.shown = Some(name);
        self.cursor = None;
        self.filter = Input::default();
    }

    fn sweep(&self) -> Option<&Arc<SweepShown>> {
        let name = self.shown.as_ref()?;
        self.sweeps
            .as_ref()?
            .iter()
            .find(|sweep| sweep.name == *name)
    }

    /// The trials that the filter leaves, in their order.
    fn trials(&self) -> Vec<&Trial> {
        let Some(sweep) = self.sweep() else {
            return Vec::new();
        };
        let matches = |trial: &&Trial| {
            let words = format!(
                "{} {} {}",
                trial.number,
                standing(trial),
                crate::search::in_words(&trial.parameters)
            );
            self.filter.matches(&words)
        };
        let mut trials: Vec<&Trial> = sweep.study.trials.iter().filter(matches).collect();
        trials.sort_by(|one, two| {
            let newest = two.number.cmp(&one.number);
            let first = match self.order {
                Order::Newest => newest,
                Order::Best => {
                    let rank = |trial: &Trial| u8::from(trial.state != State::Complete);
                    let value = sweep.loss(one).total_cmp(&sweep.loss(two));
                    rank(one).cmp(&rank(two)).then(value)
                }
                Order::State => standing(one).cmp(&standing(two)),
                Order::Time => {
                    let seconds = |trial: &Trial| trial.seconds().unwrap_or(0.0);
                    seconds(two).total_cmp(&seconds(one))
                }
            };
            first.then(newest)
        });
        trials
    }

    fn numbers(&self) -> Vec<usize> {
        self.trials()
            .into_iter()
            .map(|trial| trial.number)
            .collect()
    }

    fn selected(&self) -> Option<&Trial> {
        self.sweep()?.study.trials.get(self.cursor?)
    }

    fn move_by(&mut self, by: isize) -> Effect {
        let numbers = self.numbers();
        let at = self
            .cursor
            .and_then(|c| numbers.iter().position(|n| *n == c));
        let last = numbers.len().saturating_sub(1);
        let to = at.unwrap_or(0).saturating_add_signed(by).min(last);
        self.cursor = numbers.get(to).copied();
        Effect::None
    }

    /// Another sweep, or another parameter in its slice.
    fn sideways(&mut self, by: isize) -> Effect {
        if self.view == View::Slice {
            let count = self.sweep().map_or(0, |sweep| sweep.differing().len());
            self.parameter = wrapped(self.parameter, by, count);
            return Effect::None;
        }
        let sweeps = self.sweeps.as_deref().unwrap_or_default();
        let at = sweeps
            .iter()
            .position(|sweep| Some(&sweep.name) == self.shown.as_ref());
        let to = sweeps.get(wrapped(at.unwrap_or(0), by, sweeps.len()));
        if let Some(sweep) = to.map(|sweep| sweep.name.clone()) {
            self.show(sweep);
            self.move_by(0);
        }
        Effect::None
    }

    fn with_own(&self, change: impl FnOnce(&SweepShown) -> Effect) -> Effect {
        match self.sweep() {
            None => Effect::Say("There is no sweep here yet".into()),
            Some(sweep) if sweep.objectives.is_empty() => Effect::Say(
                "This study was made by another program: it can only be looked at".into(),
            ),
            Some(sweep) => change(sweep),
        }
    }

    fn pause(&self) -> Effect {
        self.with_own(|sweep| {
            let control = match sweep.standing {
                Standing::Running => Control::Paused,
                Standing::Over => return Effect::Say("It is over: + adds trials".into()),
                Standing::NoWorker | Standing::Paused | Standing::Stopping | Standing::Stopped => {
                    Control::Running
                }
            };
            change(sweep, SweepChange::Control(control))
        })
    }

    fn stop(&mut self) -> Effect {
        match self.selected().map(|trial| (trial.number, trial.state)) {
            Some((number, State::Running)) => {
                let is_own = self
                    .sweep()
                    .is_some_and(|sweep| !sweep.objectives.is_empty());
                if is_own {
                    self.mode = Mode::Stopping(number);
                }
                Effect::None
            }
            Some((number, state)) => Effect::Say(format!("Trial {number} is {}", state.name())),
            None => Effect::Say("There is no trial here yet".into()),
        }
    }

    fn open(&self) -> Effect {
        let Some(trial) = self.selected() else {
            return Effect::Say("There is no trial here yet".into());
        };
        match runs(trial).first() {
            Some(run) => Request::Open((*run).to_owned()).into(),
            None => Effect::Say(format!(
                "Trial {} has no run in this workspace",
                trial.number
            )),
        }
    }

    fn views(&self) -> &'static [View] {
        if self.is_large {
            &View::BESIDE
        } else {
            &View::ALL
        }
    }
}

fn change(sweep: &SweepShown, change: SweepChange) -> Effect {
    Request::ChangeSweep {
        sweep: sweep.name.clone(),
        change,
    }
    .into()
}

fn wrapped(at: usize, by: isize, count: usize) -> usize {
    if count == 0 {
        return 0;
    }
    let count = isize::try_from(count).unwrap_or(1);
    let at = isize::try_from(at).unwrap_or(0);
    usize::try_from((at + by).rem_euclid(count)).unwrap_or(0)
}

impl Tab for SweepTab {
    fn on_action(&mut self, action: Action, _: &Context) -> Effect {
        match action {
            Action::Up => self.move_by(-1),
            Action::Down => self.move_by(1),
            Action::PageUp => self.move_by(-10),
            Action::PageDown => self.move_by(10),
            Action::Home => self.move_by(isize::MIN),
            Action::End => self.move_by(isize::MAX),
            Action::Left => self.sideways(-1),
            Action::Right => self.sideways(1),
            Action::CycleView => {
                self.view = self.view.next(self.views());
                Effect::None
            }
            Action::Back if !self.filter.is_empty() => {
                self.filter = Input::default();
                Effect::None
            }
            Action::Back => {
                self.view = View::Trials;
                Effect::None
            }
            Action::CycleNumbers => {
                self.by_time = !self.by_time;
                Effect::Say(format!(
                    "Against {}",
                    if self.by_time { "time" } else { "trials" }
                ))
            }
            Action::Filter => {
                self.mode = Mode::Filtering;
                Effect::None
            }
            Action::Sort => {
                self.order = self.order.next();
                Effect::Say(format!("Trials {}", self.order.name()))
            }
            Action::Open => self.open(),
            Action::PauseOrResume => self.pause(),
            Action::Stop => self.stop(),
            Action::Train | Action::Queue => Effect::GoToTab(TabId::Model),
            Action::LearningRateUp => {
                self.with_own(|sweep| change(sweep, SweepChange::Allow(sweep.budget + MORE)))
            }
            _ => Effect::Ignored,
        }
    }

    fn on_mouse(&mut self, mouse: Mouse, cx: &Context) -> Effect {
        match mouse {
            Mouse::ScrollUp(_) => self.move_by(-1),
            Mouse::ScrollDown(_) => self.move_by(1),
            Mouse::Click(at) if self.rows_area.contains(at) => {
                let index = self.first + usize::from(at.y - self.rows_area.y);
                let Some(number) = self.numbers().get(index).copied() else {
                    return Effect::None;
                };
                if self.cursor == Some(number) {
                    return self.on_action(Action::Open, cx);
                }
                self.cursor = Some(number);
                Effect::None
            }
            Mouse::Click(_) => Effect::None,
        }
    }

    fn takes_text(&self) -> bool {
        self.mode != Mode::Looking
    }

    fn on_text(&mut self, key: KeyEvent) -> Effect {
        match self.mode {
            Mode::Stopping(number) => match popup::answer(key) {
                Some(answer) => {
                    self.mode = Mode::Looking;
                    match answer {
                        Answer::Yes => {
                            self.with_own(|sweep| change(sweep, SweepChange::StopTrial(number)))
                        }
                        Answer::No => Effect::None,
                    }
                }
                None => Effect::None,
            },
            Mode::Filtering => {
                match self.filter.on_search_key(key) {
                    Typed::Accepted => self.mode = Mode::Looking,
                    Typed::Cancelled => {
                        self.filter = Input::default();
                        self.mode = Mode::Looking;
                    }
                    Typed::Edited => {
                        let numbers = self.numbers();
                        if !self.cursor.is_some_and(|cursor| numbers.contains(&cursor)) {
                            self.cursor = numbers.first().copied();
                        }
                    }
                    Typed::Ignored => {}
                }
                Effect::None
            }
            Mode::Looking => Effect::None,
        }
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        match self.mode {
            Mode::Filtering => vec![hint("Enter", "keep the filter"), hint("Esc", "show all")],
            Mode::Stopping(_) => vec![hint("Enter", "stop it"), hint("Esc", "keep it running")],
            Mode::Looking if self.sweep().is_none() => Vec::new(),
            Mode::Looking if self.view == View::Slice => vec![
                hint("h l", "parameter"),
                hint("v", "next view"),
                hint("Enter", "open the run"),
            ],
            Mode::Looking => vec![
                hint("v", "next view"),
                hint("Enter", "open the run"),
                hint("Space", "pause/continue"),
                hint("x", "stop the trial"),
                hint("+", "more trials"),
            ],
        }
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, cx: &Context) {
        let theme = &cx.theme;
        let inner = Rect {
            x: area.x + 1.min(area.width),
            width: area.width.saturating_sub(2),
            ..area
        };
        if inner.is_empty() {
            return;
        }
        self.is_large = inner.width >= 100 && inner.height >= 30;
        if self.is_large && !View::BESIDE.contains(&self.view) {
            self.view = View::Curves;
        }
        let Some(sweep) = self.sweep().map(Arc::clone) else {
            let mut canvas = Canvas::new(frame.buffer_mut(), inner);
            nothing(self.sweeps.is_some(), &mut canvas, theme);
            return;
        };
        {
            let mut canvas = Canvas::new(frame.buffer_mut(), inner);
            canvas.put(0, 0, heading(&sweep, self, usize::from(inner.width), theme));
            if sweep.problem.is_empty() {
                canvas.put(0, 1, self.view_names(theme));
            } else {
                let line = format!("It does not continue: {}", text::sanitize(&sweep.problem));
                canvas.put(0, 1, Line::styled(line, theme.bad()));
            }
        }
        let body = Rect {
            y: inner.y + 2.min(inner.height),
            height: inner.height.saturating_sub(2),
            ..inner
        };
        if self.is_large {
            let upper = body.height * 2 / 5;
            let top = Rect {
                height: upper,
                ..body
            };
            let bottom = Rect {
                y: body.y + upper + 1,
                height: body.height - upper - 1,
                ..body
            };
            table::render(self, &sweep, frame, top, theme);
            let half = bottom.width / 2;
            let left = Rect {
                width: half - 1,
                ..bottom
            };
            let right = Rect {
                x: bottom.x + half + 1,
                width: bottom.width - half - 1,
                ..bottom
            };
            self.draw(View::History, &sweep, frame, left, theme);
            self.draw(self.view, &sweep, frame, right, theme);
        } else if self.view == View::Trials {
            table::render(self, &sweep, frame, body, theme);
        } else {
            self.rows_area = Rect::default();
            self.draw(self.view, &sweep, frame, body, theme);
        }
        if theme.ascii {
            Canvas::new(frame.buffer_mut(), inner).make_ascii();
        }
        if let Mode::Stopping(number) = self.mode {
            let text = format!("Stop trial {number}? It counts as failed; the others continue.");
            popup::question(frame, area, "stop a trial", &text, "stop it", theme);
        }
    }
}

impl SweepTab {
    /// The views to choose from, the shown one marked.
    fn view_names(&self, theme: &Theme) -> Line<'static> {
        let mut line = Line::default();
        for view in self.views() {
            let style = if *view == self.view {
                theme.text().patch(theme.cursor())
            } else {
                theme.dim()
            };
            line.push_span(Span::styled(format!(" {} ", view.name()), style));
        }
        line
    }

    fn draw(&self, view: View, sweep: &SweepShown, frame: &mut Frame, area: Rect, theme: &Theme) {
        let mut canvas = Canvas::new(frame.buffer_mut(), area);
        match view {
            View::Trials => {}
            View::History => charts::history(sweep, self.by_time, &mut canvas, theme),
            View::Curves => charts::curves(sweep, self.cursor, &mut canvas, theme),
            View::Timeline => charts::timeline(sweep, &mut canvas, theme),
            View::Importance => parameters::importance(sweep, &mut canvas, theme),
            View::Slice => {
                let names = sweep.by_importance();
                let name = names.get(self.parameter.min(names.len().saturating_sub(1)));
                parameters::slice(sweep, name, self.cursor, &mut canvas, theme);
            }
            View::Parallel => parameters::parallel(sweep, self.cursor, &mut canvas, theme),
        }
    }
}

/// Name, standing, how far it is and the best.
fn heading(sweep: &SweepShown, tab: &SweepTab, width: usize, theme: &Theme) -> Line<'static> {
    let best = match sweep.study.best() {
        Some(best) if sweep.study.directions.len() == 1 => {
            let value = best
                .value()
                .map_or_else(String::new, |value| sweep.value(value, 9));
            format!(" · best {value} (trial {})", best.number)
        }
        _ if sweep.study.directions.len() > 1 => {
            format!(" · Pareto front of {}", sweep.study.pareto_front().len())
        }
        _ => String::new(),
    };
    let several = tab.sweeps.as_ref().map_or(0, Vec::len);
    let others = match several {
        0 | 1 => String::new(),
        _ => format!(" · h l: {several} sweeps"),
    };
    let how = match sweep.how.as_str() {
        "" => String::new(),
        how => format!(" · {how}"),
    };
    let waits = sweep
        .study
        .trials
        .iter()
        .filter(|t| waits_at(t).is_some())
        .count();
    let waits = if waits > 0 {
        format!(", {waits} at a rung")
    } else {
        String::new()
    };
    let text = format!(
        "{} {} · {} of {} trials{waits}{best}{how}{others}",
        sweep.name,
        sweep.standing.name(),
        sweep.study.over().count(),
        sweep.budget,
    );
    Line::styled(cut(&text, width), theme.dim())
}

fn nothing(is_read: bool, canvas: &mut Canvas, theme: &Theme) {
    let lines: &[&str] = if is_read {
        &[
            "No sweep yet. A sweep file is a recipe with [sweep] and [space]:",
            "",
            "    [sweep]",
            "    base = \"lenet5\"",
            "    trials = 30",
            "",
            "    [space]",
            "    \"train.optimizer.learning_rate\" = { low = 1e-4, high = 0.1 }",
            "",
            "Begin it with: fmtui sweep FILE --detach",
        ]
    } else {
        &["Reading the sweeps…"]
    };
    for (row, line) in (1_u16..).zip(lines) {
        canvas.put(0, row, Line::styled((*line).to_owned(), theme.text()));
    }
}
