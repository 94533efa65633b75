//! The app: the tabs, one header, one footer, help and palette over them. `update` is pure: input in, requests out.

mod chrome;
mod effects;
mod noticed;
mod overlay;
mod question;
#[cfg(test)]
mod speed;
mod starting;
mod tabs;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;

use self::noticed::News;
use self::overlay::{Outcome, Overlay};
use self::question::Question;
use self::tabs::Tabs;
use super::action::Action;
use super::config::Settings;
use super::context::Context;
use super::keymap::Keymap;
use super::message::Message;
use super::request::{Request, Start};
use super::tab::{Effect, Mouse, Tab as _};
use super::tab_id::TabId;
use super::tabs::train::TrainTab;
use super::theme::Ground;
use crate::profile::Profile;
use crate::run::concurrent_runs::Live;
use crate::run::queue::Counts;

/// Smallest screen on which tabs are drawn.
const LEAST: (u16, u16) = (60, 15);
/// How long a passing message stays: to notice it, and for each letter to read it.
const NOTICED: Duration = Duration::from_millis(1500);
const READ: Duration = Duration::from_millis(50);

/// What happens to the app.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Mouse(MouseEvent),
    /// Text pasted at once.
    Paste(String),
    /// The size or the content of the terminal changed.
    Damaged,
    Message(Message),
    /// What the terminal's background is like, as it says itself.
    Background(Ground),
    Tick(Instant),
}

/// A preset that the palette can train.
#[derive(Clone, Debug)]
pub(crate) struct Trainable {
    pub name: String,
    pub title: String,
    pub profile: Profile,
}

/// What stands in the bar above the footer until it is dismissed.
#[derive(Clone, Debug, PartialEq)]
struct Problem {
    problem: String,
    remedy: String,
}

/// See the module.
pub(crate) struct App {
    keymap: Keymap,
    context: Context,
    presets: Vec<Trainable>,
    /// How many of them are compiled in; the user's own come after them.
    built_in: usize,
    tabs: Tabs,
    active: TabId,
    overlay: Option<Overlay>,
    question: Option<Question>,
    problem: Option<Problem>,
    said: Option<(String, Instant)>,
    /// What stays in a bar above the footer until a key is pressed.
    news: News,
    /// Something is being downloaded, added, checked or decoded; `Esc` gives it up.
    fetching: bool,
    /// How far a run is that is made ready.
    preparing: Option<String>,
    /// The runs that have a worker, the newest first.
    live: Vec<Live>,
    queue: Counts,
    /// What is being started and has not been answered.
    starting: Option<String>,
    /// Until then a key that starts something is the bounce of the one before.
    settled: Option<Instant>,
    now: Instant,
    /// Where the tab names lie, for the mouse.
    tab_names: [Rect; TabId::ALL.len()],
    content: Rect,
    /// The run that the tabs know to be on the screen.
    run: Option<String>,
    /// Data set that the shown run was trained on, once asked for.
    run_dataset: Option<String>,
    /// Run and number of finished epochs whose predictions were asked for last.
    predictions_of: Option<(String, usize, bool)>,
    /// The same of those that were worked out.
    certainty_of: Option<(String, usize, bool)>,
    dirty: bool,
    /// The terminal was asked for its background.
    asked_background: bool,
}

impl App {
    /// `first` is what the Train key trains while there is no run.
    #[must_use]
    pub(crate) fn new(settings: Settings, presets: Vec<Trainable>, first: Option<Profile>) -> Self {
        let now = Instant::now();
        let problem = (!settings.warnings.is_empty()).then(|| Problem {
            problem: settings.warnings.join(" · "),
            remedy: Settings::remedy(),
        });
        Self {
            keymap: settings.keymap,
            context: Context::new(settings.theme),
            built_in: presets.len(),
            presets,
            tabs: Tabs {
                train: TrainTab::new(first),
                ..Tabs::default()
            },
            active: TabId::Data,
            overlay: None,
            question: None,
            problem,
            said: None,
            news: News::new(settings.notify.after),
            fetching: false,
            preparing: None,
            live: Vec::new(),
            queue: Counts::default(),
            starting: None,
            settled: None,
            now,
            tab_names: [Rect::ZERO; TabId::ALL.len()],
            content: Rect::ZERO,
            run: None,
            run_dataset: None,
            predictions_of: None,
            certainty_of: None,
            dirty: true,
            asked_background: false,
        }
    }

    /// True once when the theme wants to know the terminal's background.
    pub(crate) fn asks_background(&mut self) -> bool {
        let asks = self.context.theme.asks_for_ground() && !self.asked_background;
        self.asked_background |= asks;
        asks
    }

    /// True once after something on the screen changed.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// True while the screen moves by itself.
    #[must_use]
    pub(crate) fn is_playing(&self) -> bool {
        self.context.run.is_playing()
    }

    /// Takes one input and says what is to be done about it.
    pub(crate) fn update(&mut self, input: Input) -> Vec<Request> {
        let mut requests = match input {
            Input::Tick(now) => self.on_tick(now),
            Input::Background(ground) => {
                let theme = self.context.theme.on(ground);
                self.dirty |= !theme.looks_like(self.context.theme);
                self.context.theme = theme;
                return Vec::new();
            }
            Input::Key(key) if key.kind != KeyEventKind::Press => return Vec::new(),
            other => {
                self.dirty = true;
                match other {
                    Input::Key(key) => self.on_key(key),
                    Input::Mouse(mouse) => self.on_mouse(mouse),
                    Input::Paste(text) => self.on_paste(&text),
                    Input::Message(message) => self.on_message(message),
                    Input::Damaged | Input::Background(_) | Input::Tick(_) => Vec::new(),
                }
            }
        };
        self.context.background = self.tabs.model.background();
        self.follow_run(&mut requests);
        self.follow_model(&mut requests);
        self.follow_data(&mut requests);
        requests
    }

    fn on_tick(&mut self, now: Instant) -> Vec<Request> {
        self.now = now;
        if self.said.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.said = None;
            self.dirty = true;
        }
        if self.context.run.tick(now) {
            self.dirty = true;
        }
        Vec::new()
    }

    fn on_key(&mut self, key: KeyEvent) -> Vec<Request> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let typed = self.takes_text();
        let action = self.keymap.action(key);
        let is_back = action == Some(Action::Back) && !typed;
        if self.dismiss_news(is_back) && is_back {
            return Vec::new();
        }
        // Keys with Control mean the same even while text is typed, so that nobody is ever locked in.
        let always = control
            && matches!(
                action,
                Some(Action::Leave | Action::Suspend | Action::Redraw)
            );
        if typed && !always {
            return self.on_text(key);
        }
        action.map_or_else(Vec::new, |a| self.on_action(a))
    }

    fn takes_text(&self) -> bool {
        self.question.is_some() || self.overlay.is_some() || self.tabs.get(self.active).takes_text()
    }

    /// Pasted text is typed where text is typed, and means nothing elsewhere; it answers no question.
    fn on_paste(&mut self, text: &str) -> Vec<Request> {
        if self.question.is_some() || !self.takes_text() {
            return Vec::new();
        }
        let clean = crate::text::sanitize(text);
        let keys = clean.chars().map(|c| KeyEvent::from(KeyCode::Char(c)));
        keys.flat_map(|key| self.on_text(key)).collect()
    }

    fn on_text(&mut self, key: KeyEvent) -> Vec<Request> {
        if self.question.is_some() {
            return self.on_answer(key);
        }
        let Some(overlay) = self.overlay.as_mut() else {
            let effect = self.tabs.get_mut(self.active).on_text(key);
            return self.on_effect(effect);
        };
        match overlay.on_key(key, &self.keymap, &self.presets) {
            Outcome::Stay => Vec::new(),
            Outcome::Close => {
                self.overlay = None;
                Vec::new()
            }
            Outcome::Act(action) => {
                self.overlay = None;
                let requests = self.on_action(action);
                self.let_enter_bounce();
                requests
            }
            Outcome::Train(index) => {
                self.overlay = None;
                let profile = self.presets.get(index).map(|p| Box::new(p.profile.clone()));
                let requests = profile.map_or_else(Vec::new, |p| self.start(Start::New(p)));
                self.let_enter_bounce();
                requests
            }
        }
    }

    /// The key that led to a question from the palette is one that would answer it.
    fn let_enter_bounce(&mut self) {
        if let Some(question) = &mut self.question {
            question.await_another_key(self.now);
        }
    }

    fn on_action(&mut self, action: Action) -> Vec<Request> {
        match action {
            Action::GoToTab(tab) => self.go_to(tab),
            Action::NextTab => self.go_to(self.active.next()),
            Action::PreviousTab => self.go_to(self.active.previous()),
            Action::Help => {
                self.overlay = Some(Overlay::help());
                Vec::new()
            }
            Action::Palette => {
                self.overlay = Some(Overlay::palette());
                Vec::new()
            }
            Action::NextTheme => self.next_theme(),
            Action::Leave => vec![Request::Leave],
            Action::Suspend => vec![Request::Suspend],
            Action::Redraw => vec![Request::Redraw],
            Action::Back if self.problem.is_some() => {
                self.problem = None;
                Vec::new()
            }
            Action::Back if self.fetching => {
                self.fetching = false;
                if self.preparing.is_some() {
                    self.preparing = Some("cancelling …".into());
                } else {
                    self.say("cancelling …");
                }
                vec![Request::CancelFetch]
            }
            // Meant for the start before, this would lead away from it.
            Action::Train if self.has_just_started() => Vec::new(),
            Action::Queue => self.ask_for_seeds(),
            // Elsewhere they are of the run that is shown.
            other if other.commands_a_run() && !self.commands_its_own() => {
                let effect = self.tabs.train.on_action(other, &self.context);
                self.on_effect(effect)
            }
            other => {
                let tab = self.tabs.get_mut(self.active);
                match tab.on_action(other, &self.context) {
                    Effect::Ignored => self.on_ignored(other),
                    effect => self.on_effect(effect),
                }
            }
        }
    }

    /// Whether the open tab has runs of its own that keys are for.
    fn commands_its_own(&self) -> bool {
        matches!(self.active, TabId::Runs | TabId::Sweep)
    }

    fn next_theme(&mut self) -> Vec<Request> {
        let next = self.context.theme.next();
        if next.looks_like(self.context.theme) {
            self.say("this terminal shows no colours, so all themes look the same");
            return Vec::new();
        }
        self.context.theme = next;
        self.say(format!("theme: {}", next.title_of_theme()));
        vec![Request::KeepTheme(next.palette())]
    }

    /// Turns to a tab and brings what it shows up to date.
    fn go_to(&mut self, tab: TabId) -> Vec<Request> {
        if tab == self.active {
            return Vec::new();
        }
        let before = self.active;
        if self.active == TabId::Data {
            self.tabs.data.on_left();
        }
        self.active = tab;
        self.tabs.model.forget_card();
        let mut requests = Vec::new();
        for (list, watch) in [
            (TabId::Runs, Request::WatchRuns as fn(bool) -> Request),
            (TabId::Sweep, Request::WatchSweeps),
        ] {
            if (before == list) != (tab == list) {
                requests.push(watch(tab == list));
            }
        }
        match tab {
            TabId::Model => requests.push(Request::ReadOwn),
            TabId::Data => {
                let shown = self.tabs.data.shown_set();
                requests.push(Request::FindDatasets { shown });
            }
            _ => {}
        }
        requests
    }

    fn on_mouse(&mut self, event: MouseEvent) -> Vec<Request> {
        let at = Position::new(event.column, event.row);
        let mouse = match event.kind {
            MouseEventKind::Down(MouseButton::Left) => Mouse::Click(at),
            MouseEventKind::ScrollUp => Mouse::ScrollUp(at),
            MouseEventKind::ScrollDown => Mouse::ScrollDown(at),
            _ => return Vec::new(),
        };
        if self.question.is_some() {
            return Vec::new();
        }
        if let Some(overlay) = self.overlay.as_mut() {
            match mouse {
                Mouse::Click(_) => self.overlay = None,
                Mouse::ScrollUp(_) => overlay.move_by(-1),
                Mouse::ScrollDown(_) => overlay.move_by(1),
            }
            return Vec::new();
        }
        if let Mouse::Click(at) = mouse
            && let Some(tab) = self.tab_names.iter().position(|r| r.contains(at))
        {
            return self.go_to(TabId::ALL[tab]);
        }
        if !self.content.contains(at) {
            return Vec::new();
        }
        let tab = self.tabs.get_mut(self.active);
        let effect = tab.on_mouse(mouse, &self.context);
        self.on_effect(effect)
    }

    fn say(&mut self, text: impl Into<String>) {
        let text = text.into();
        let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let until = self.now + NOTICED + READ.saturating_mul(letters);
        self.said = Some((text, until));
    }

    /// Draws everything; any size will do.
    pub(crate) fn render(&mut self, frame: &mut Frame) {
        let area = frame.area();
        if area.width < LEAST.0 || area.height < LEAST.1 {
            self.tab_names = [Rect::ZERO; TabId::ALL.len()];
            self.content = Rect::ZERO;
            chrome::too_small(frame, LEAST, &self.context.theme);
            return;
        }
        let problem = self.problem_lines(area.width);
        let news = self.news_lines(area.width);
        let rows = |lines: &[Line]| u16::try_from(lines.len()).unwrap_or(0);
        let [header, content, news_bar, bar, footer] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(0),
            Constraint::Length(rows(&news)),
            Constraint::Length(rows(&problem)),
            Constraint::Length(1),
        ])
        .areas(area);
        self.content = content;
        self.render_header(frame, header);
        let theme = self.context.theme;
        let tab = self.tabs.get_mut(self.active);
        tab.render(frame, content, &self.context);
        chrome::lines(frame, news_bar, news, &theme);
        chrome::lines(frame, bar, problem, &theme);
        self.render_said(frame, content);
        self.render_footer(frame, footer);
        if let Some(question) = &self.question {
            question.render(frame, content, &theme);
        }
        if let Some(overlay) = &mut self.overlay {
            let hints = self.tabs.get(self.active).hints(&self.context);
            overlay.render(frame, content, &self.keymap, &self.presets, &hints, &theme);
        }
    }
}
