//! What somebody should notice who was away or looks elsewhere: runs that have ended or stall. On the screen it stays
//! until a key is pressed; the terminal is told by `announcer`, with the window's title and the progress.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{App, NOTICED, READ};
use crate::event::{Phase, RunHistory};
use crate::notify::{Alert, Progress};
use crate::run::ended::{self, Ended, How};
use crate::run::id;
use crate::text;
use crate::tui::widgets::{cut, left, wrap_to};

/// Rows that it has at most.
const ROWS: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct News {
    /// A run that was watched for less is not rung for.
    after: Duration,
    ended: Vec<Ended>,
    /// Some of them ended before this screen was there.
    while_away: bool,
    stalled: Vec<Alert>,
    /// A key before that was pressed by somebody who has not read it.
    unread_until: Option<Instant>,
    /// Not yet told to the terminal.
    alerts: Vec<Alert>,
    /// Since when each run under way is known to be.
    watched: HashMap<String, Instant>,
    /// The runs that were asked on this screen to stop: that they do is no news.
    stopped_here: HashSet<String>,
}

impl News {
    pub(super) fn new(after: Duration) -> Self {
        Self {
            after,
            ended: Vec::new(),
            while_away: false,
            stalled: Vec::new(),
            unread_until: None,
            alerts: Vec::new(),
            watched: HashMap::new(),
            stopped_here: HashSet::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.stalled.is_empty()
    }

    /// In one line; empty where there is nothing.
    fn words(&self) -> String {
        let stalled = self
            .stalled
            .iter()
            .map(|a| format!("{}: {}", a.title, a.detail));
        let ended = (!self.ended.is_empty()).then(|| {
            let told = ended::told(&self.ended);
            if self.while_away {
                format!("While you were away: {told}")
            } else {
                told
            }
        });
        let words: Vec<String> = ended.into_iter().chain(stalled).collect();
        words.join(" · ")
    }

    /// A run is asked to stop.
    pub(super) fn on_stop(&mut self, run: &str) {
        self.stopped_here.insert(run.to_owned());
    }

    /// A command did not reach this run.
    pub(super) fn on_not_sent(&mut self, run: &str) {
        self.stopped_here.remove(run);
    }
}

impl App {
    /// These runs are under way.
    pub(super) fn watch_runs(&mut self) {
        for live in &self.live {
            let watched = &mut self.news.watched;
            watched.entry(live.id.clone()).or_insert(self.now);
        }
    }

    pub(super) fn on_ended_runs(&mut self, ended: Vec<Ended>, while_away: bool) {
        for run in ended {
            let watched = self.news.watched.remove(&run.id);
            let is_asked = self.news.stopped_here.remove(&run.id);
            if is_asked && run.how == How::Stopped {
                continue;
            }
            let is_long = watched.is_some_and(|since| self.now - since >= self.news.after);
            if is_long && !while_away {
                self.news.alerts.push(run.alert());
            }
            self.news.ended.push(run);
            self.news.while_away |= while_away;
            self.let_news_be_read();
        }
    }

    pub(super) fn on_stalled(&mut self, alert: Alert) {
        self.news.stalled.retain(|before| before.run != alert.run);
        self.news.stalled.push(alert.clone());
        self.news.alerts.push(alert);
        self.let_news_be_read();
    }

    fn let_news_be_read(&mut self) {
        let letters = u32::try_from(self.news.words().chars().count()).unwrap_or(u32::MAX);
        self.news.unread_until = Some(self.now + NOTICED + READ.saturating_mul(letters));
    }

    /// A key was pressed; `Esc` at any time. True where it took something away.
    pub(super) fn dismiss_news(&mut self, at_any_time: bool) -> bool {
        let is_unread = self.news.unread_until.is_some_and(|until| self.now < until);
        if self.news.is_empty() || (is_unread && !at_any_time) {
            return false;
        }
        self.news.ended.clear();
        self.news.stalled.clear();
        self.news.while_away = false;
        true
    }

    /// What the terminal is to be told and has not been.
    pub(crate) fn take_alerts(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.news.alerts)
    }

    /// The news in rows of their own above the footer.
    pub(super) fn news_lines(&self, width: u16) -> Vec<Line<'static>> {
        if self.news.is_empty() {
            return Vec::new();
        }
        let theme = self.context.theme;
        let width = usize::from(width);
        let room = width.saturating_sub(4);
        let dismiss = format!("  ({} dismisses)", self.keymap.shown("Esc"));
        let mut shown = wrap_to(&self.news.words(), room, ROWS);
        let last = shown.pop().unwrap_or_default();
        if last.width() + dismiss.width() <= room {
            shown.push(last + &dismiss);
        } else if shown.len() + 1 < ROWS {
            shown.extend([last, dismiss.trim_start().to_owned()]);
        } else {
            shown.push(cut(&last, room.saturating_sub(dismiss.width())) + &dismiss);
        }
        let (mark_style, style) = (self.news_style(), theme.title());
        let lines = shown.into_iter().enumerate().map(|(row, line)| {
            let mark = if row == 0 { " ● " } else { "   " };
            let text = left(&line, width.saturating_sub(mark.width()));
            Line::from(vec![
                Span::styled(mark, mark_style),
                Span::styled(text, style),
            ])
        });
        lines.collect()
    }

    fn news_style(&self) -> Style {
        let theme = self.context.theme;
        let is_bad = self.news.ended.iter().any(Ended::is_bad);
        match (is_bad, self.news.stalled.is_empty()) {
            (true, _) => theme.bad(),
            (false, false) => theme.warn(),
            (false, true) => theme.good(),
        }
    }

    /// `fmtui · lenet5 7/30 93.1 %`.
    pub(crate) fn window_title(&self) -> String {
        let Some((run, history)) = self.context.run.history() else {
            return "fmtui".into();
        };
        let started = history.started.as_ref();
        let mut words = vec![
            started
                .map_or_else(|| id::name(run), |s| s.name.as_str())
                .to_owned(),
        ];
        if self.context.run.replay().is_some() {
            words.push("replay".into());
        } else {
            let state = self.context.run.state_word();
            words.extend((state != "running").then(|| state.to_owned()));
        }
        if history.result.is_none() {
            words.extend(epoch(history));
        }
        words.extend(accuracy(history).map(text::percent));
        let title = format!("fmtui · {}", words.join(" "));
        if self.context.theme.ascii {
            return text::ascii(&title).into_owned();
        }
        title
    }

    /// How far the shown run is while it goes on; that it failed, until somebody has noticed.
    pub(crate) fn window_progress(&self) -> Option<Progress> {
        let shown = self.context.run.shown()?;
        if self.context.run.live_run().is_some() {
            let is_paused = shown.history.phase == Phase::Paused;
            let share = shown.history.share_done()?;
            return Some(Progress::of(share, is_paused));
        }
        let mut ended = self.news.ended.iter();
        let has_failed = ended.any(|e| e.id == shown.run && e.is_bad());
        (has_failed && !self.news.while_away).then_some(Progress::Failed)
    }
}

/// `7/30`: the epoch that is trained, of how many.
fn epoch(history: &RunHistory) -> Option<String> {
    let started = history.started.as_ref()?;
    let epochs = started.epochs as u64;
    let done = history.step().saturating_sub(1) / started.steps_per_epoch.max(1);
    Some(format!("{}/{epochs}", (done + 1).min(epochs)))
}

/// On the test set at the end, else on the held-out one after the newest epoch.
fn accuracy(history: &RunHistory) -> Option<f64> {
    let result = history.result.as_ref();
    let at_the_end = result.and_then(|r| r.test.as_ref().or(r.validation.as_ref()));
    let newest = history.epochs.last().map(|e| &e.held_out);
    let scores = at_the_end.or(newest)?;
    Some(scores.accuracy).filter(|accuracy| accuracy.is_finite())
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyCode;

    use super::super::Input;
    use super::super::tests::{app, key, later, live, press, screen, tell, with_run};
    use super::*;
    use crate::event::{Command, Event, Step};
    use crate::profile::Subset;
    use crate::run::ended::tests::ended;
    use crate::tui::message::Message;
    use crate::tui::request::Request;
    use crate::tui::run_view::Link;

    fn finished(name: &str) -> Ended {
        ended(name, How::Finished, Some((0.934, Subset::Test)))
    }

    fn end(app: &mut App, ended: Vec<Ended>, while_away: bool) {
        app.update(Input::Message(Message::Ended { ended, while_away }));
    }

    #[test]
    fn what_ended_stays_in_rows_of_its_own_until_it_was_read_and_a_key_pressed() {
        let mut app = app();
        let before = screen(&mut app, 80, 24);
        let all = ["lenet5", "mlp", "vgg"].map(finished).to_vec();
        end(&mut app, all, true);
        assert!(app.take_alerts().is_empty(), "that was while away");
        let words = "While you were away: 3 finished; best 93.4 % on the test set";
        assert!(screen(&mut app, 80, 24).contains(words));
        // Whoever types at this moment has not read it.
        press(&mut app, "j");
        assert!(screen(&mut app, 80, 24).contains(words));
        later(&mut app, 60_000);
        assert!(screen(&mut app, 80, 24).contains(words));
        press(&mut app, "2");
        let after = screen(&mut app, 80, 24);
        assert!(!after.contains("away") && after.contains("▸Model"));
        press(&mut app, "1");
        assert_eq!(screen(&mut app, 80, 24), before);
    }

    #[test]
    fn how_to_dismiss_it_is_said_however_long_it_is() {
        let mut app = app();
        let why = "cannot read the file: ".repeat(20);
        end(&mut app, vec![ended("mlp", How::Failed(why), None)], false);
        for (width, height) in [(60, 15), (80, 24), (120, 40)] {
            let shown = screen(&mut app, width, height);
            assert!(
                shown.contains("● mlp failed: cannot read the file:"),
                "{shown}"
            );
            assert!(shown.contains("…  (Esc dismisses)"), "{shown}");
        }
    }

    #[test]
    fn esc_takes_the_news_away_and_nothing_else() {
        let mut app = app();
        app.update(Input::Message(Message::Problem {
            problem: "the disk is full".into(),
            remedy: "free some".into(),
        }));
        end(&mut app, vec![finished("lenet5")], false);
        let both = screen(&mut app, 60, 15);
        assert!(
            both.contains("● lenet5 finished: 93.4 % on the test set"),
            "{both}"
        );
        assert!(both.contains("the disk is full") && both.contains("▸Data"));
        key(&mut app, KeyCode::Esc);
        let problem = screen(&mut app, 60, 15);
        assert!(!problem.contains('●') && problem.contains("the disk is full"));
        key(&mut app, KeyCode::Esc);
        assert!(!screen(&mut app, 60, 15).contains("the disk is full"));
    }

    #[test]
    fn a_run_that_was_watched_for_a_while_rings_when_it_ends() {
        let mut app = app();
        live(&mut app, &[("lenet5", false), ("mlp", false)]);
        later(&mut app, 9_000);
        let id = |name: &str| format!("20261128-160000-{name}-0001");
        let of = |name: &str, how| Ended {
            id: id(name),
            ..ended(name, how, None)
        };
        end(&mut app, vec![of("mlp", How::Crashed(None))], false);
        assert!(app.take_alerts().is_empty());
        assert!(screen(&mut app, 80, 24).contains("● mlp crashed: resume it"));
        later(&mut app, 1_000);
        let diverged = of("lenet5", How::Diverged { step: 812 });
        end(&mut app, vec![diverged.clone()], false);
        assert_eq!(app.take_alerts(), [diverged.alert()]);
        assert!(app.take_alerts().is_empty());
        assert!(screen(&mut app, 120, 40).contains("lenet5 diverged at step 812"));
    }

    #[test]
    fn a_stop_that_was_asked_for_here_is_no_news() {
        let mut app = with_run();
        app.update(Input::Message(Message::Live(Vec::new())));
        press(&mut app, "3x");
        let requests = key(&mut app, KeyCode::Enter);
        assert!(matches!(
            &requests[..],
            [Request::Send {
                command: Command::Stop,
                ..
            }]
        ));
        let of = |how| Ended {
            id: "r".into(),
            ..ended("lenet5", how, None)
        };
        end(&mut app, vec![of(How::Stopped)], false);
        assert!(!screen(&mut app, 80, 24).contains('●'));
        // The same run, resumed and stopped from elsewhere.
        end(&mut app, vec![of(How::Stopped)], false);
        assert!(screen(&mut app, 80, 24).contains("● lenet5 stopped: "));
    }

    #[test]
    fn a_stall_is_told_at_once() {
        let mut app = app();
        let alert = ended::stalled("r", "vgg", 300.0);
        app.update(Input::Message(Message::Stalled(alert.clone())));
        assert_eq!(app.take_alerts(), [alert]);
        let told = "● vgg has stalled: no step or epoch for 5 min 00 s";
        assert!(screen(&mut app, 80, 24).contains(told));
    }

    #[test]
    fn the_window_tells_how_far_the_shown_run_is() {
        let mut app = app();
        assert_eq!(
            (app.window_title().as_str(), app.window_progress()),
            ("fmtui", None)
        );
        app = with_run();
        assert_eq!(app.window_title(), "fmtui · lenet5 1/20");
        assert_eq!(app.window_progress(), Some(Progress::Running(0)));
        let step = |step| {
            Event::Step(Step {
                step,
                ..Step::default()
            })
        };
        tell(&mut app, step(301));
        let held_out = crate::metrics::Scores {
            accuracy: 0.931,
            ..Default::default()
        };
        tell(
            &mut app,
            Event::EpochEnd(Box::new(crate::event::EpochEnd {
                epoch: 10,
                held_out,
                ..Default::default()
            })),
        );
        assert_eq!(app.window_title(), "fmtui · lenet5 11/20 93.1 %");
        assert_eq!(app.window_progress(), Some(Progress::Running(50)));
        tell(&mut app, Event::Paused { step: 301 });
        assert_eq!(app.window_title(), "fmtui · lenet5 paused 11/20 93.1 %");
        assert_eq!(app.window_progress(), Some(Progress::Paused(50)));
        tell(
            &mut app,
            Event::Failed {
                message: "no".into(),
                remedy: "none".into(),
            },
        );
        assert_eq!(app.window_title(), "fmtui · lenet5 failed 11/20 93.1 %");
        // It is shown as failed until somebody has seen it.
        assert_eq!(app.window_progress(), None);
        let failed = Ended {
            id: "r".into(),
            ..ended("lenet5", How::Failed("no".into()), None)
        };
        end(&mut app, vec![failed], false);
        assert_eq!(app.window_progress(), Some(Progress::Failed));
        key(&mut app, KeyCode::Esc);
        assert_eq!(app.window_progress(), None);
        let (run, link) = ("r".into(), Link::Ended);
        app.update(Input::Message(Message::Link { run, link }));
        assert_eq!(app.window_progress(), None);
    }
}
