//! What is asked before it is done, over whatever tab is looked at: a start beside another run, a stop.

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::App;
use crate::event::Command;
use crate::profile::Profile;
use crate::run::concurrent_runs::Live;
use crate::run::group;
use crate::tui::request::{Request, Start};
use crate::tui::theme::Theme;
use crate::tui::widgets::input::{Input, Typed};
use crate::tui::widgets::popup::{self, Answer};

/// A yes within this time after Enter has led to a question answers nothing: it is the bounce of that key.
const BOUNCE: Duration = Duration::from_millis(250);

/// A question and what a yes does.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    about: About,
    /// A yes before that answers nothing.
    answered_from: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq)]
enum About {
    /// A start while other runs are under way, and what is said of those.
    Beside {
        start: Start,
        others: String,
    },
    Stop {
        run: String,
        name: String,
    },
    /// With how many seeds a recipe is queued, as it is typed.
    Seeds {
        profile: Box<Profile>,
        typed: Input,
    },
    /// The settings that a fork changes, as they are typed.
    Fork {
        run: String,
        name: String,
        epoch: Option<usize>,
        typed: Input,
    },
}

impl Question {
    pub(super) fn beside(start: Start, others: &[Live]) -> Self {
        let about = About::Beside {
            start,
            others: words(others),
        };
        Self {
            about,
            answered_from: None,
        }
    }

    pub(super) fn stop(run: String, name: String) -> Self {
        let about = About::Stop { run, name };
        Self {
            about,
            answered_from: None,
        }
    }

    pub(super) fn seeds(profile: Box<Profile>) -> Self {
        let about = About::Seeds {
            profile,
            typed: Input::default(),
        };
        Self {
            about,
            answered_from: None,
        }
    }

    pub(super) fn fork(run: String, name: String, epoch: Option<usize>) -> Self {
        let about = About::Fork {
            run,
            name,
            epoch,
            typed: Input::default(),
        };
        Self {
            about,
            answered_from: None,
        }
    }

    /// Enter has led here at `now`.
    pub(super) fn await_another_key(&mut self, now: Instant) {
        self.answered_from = Some(now + BOUNCE);
    }

    /// The run that is asked about, where it must be under way for the question to make sense.
    pub(super) fn needs(&self) -> Option<&str> {
        match &self.about {
            About::Stop { run, .. } => Some(run),
            About::Beside { .. } | About::Fork { .. } | About::Seeds { .. } => None,
        }
    }

    pub(super) fn render(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        match &self.about {
            About::Beside { start, others } => {
                let text = format!("{others} Queue {}, or start it beside?", start.name());
                let keys = [("Enter", "queue"), ("b", "beside"), ("Esc", "cancel")];
                popup::choice(frame, area, "another run is under way", &text, &keys, theme);
            }
            About::Seeds { profile, typed } => {
                let text = format!(
                    "How many seeds of {}, from {} on? Several make a group, with mean and interval. Enter alone queues one run.",
                    profile.name, profile.train.seed
                );
                popup::entry(frame, area, "queue", &text, (typed, "queue"), theme);
            }
            About::Fork {
                name, epoch, typed, ..
            } => {
                let after =
                    epoch.map_or_else(|| "its last epoch".into(), |epoch| format!("epoch {epoch}"));
                let text = format!(
                    "A new run with the same bits as {name} up to the end of {after}. Settings from there on, such as learning_rate=0.0001 epochs=40:"
                );
                popup::entry(frame, area, "fork", &text, (typed, "start"), theme);
            }
            About::Stop { name, .. } => {
                let text = format!(
                    "{name} saves a checkpoint and stops. A stopped run can be resumed (u on the Runs tab); it is tested once it finishes."
                );
                popup::question(frame, area, "stop the run", &text, "stop it", theme);
            }
        }
    }
}

/// What other runs are under way, and what that means for one more.
fn words(others: &[Live]) -> String {
    let running = others.iter().find(|run| !run.is_paused);
    let Some(named) = running.or(others.first()) else {
        return String::new();
    };
    let who = match others.len() {
        1 => format!("{} is", named.name),
        more => format!("{} and {} more are", named.name, more - 1),
    };
    let (all, go_on) = match others.len() {
        1 => ("both", "it continues"),
        _ => ("all", "they continue"),
    };
    if running.is_some() {
        format!("{who} running: {all} would compete for the CPU and take longer.")
    } else {
        format!("{who} paused: once {go_on}, {all} share this machine.")
    }
}

impl App {
    pub(super) fn on_answer(&mut self, key: KeyEvent) -> Vec<Request> {
        let Some(mut question) = self.question.take() else {
            return Vec::new();
        };
        if let About::Seeds { profile, typed } = &mut question.about {
            match typed.on_key(key) {
                Typed::Accepted if typed.is_empty() => {
                    return self.queue_seeds(profile.clone(), 1);
                }
                Typed::Accepted => match typed.text().trim().parse() {
                    Ok(seeds) if (1..=group::MOST_SEEDS).contains(&seeds) => {
                        return self.queue_seeds(profile.clone(), seeds.into());
                    }
                    _ => {
                        self.say(format!(
                            "Give a number of seeds from 1 to {}",
                            group::MOST_SEEDS
                        ));
                        self.question = Some(question);
                    }
                },
                Typed::Cancelled => {}
                _ => self.question = Some(question),
            }
            return Vec::new();
        }
        if let About::Fork {
            run, epoch, typed, ..
        } = &mut question.about
        {
            match typed.on_key(key) {
                Typed::Accepted if !typed.is_empty() => {
                    let changes = typed.text().split_whitespace().map(String::from).collect();
                    let epoch = epoch.map_or_else(|| "last".into(), |epoch| epoch.to_string());
                    let point = format!("{run}@{epoch}");
                    return self.fork_now(point, changes);
                }
                Typed::Cancelled => return Vec::new(),
                _ => {
                    self.question = Some(question);
                    return Vec::new();
                }
            }
        }
        if let (About::Beside { start, .. }, KeyCode::Char('b' | 'B')) = (&question.about, key.code)
        {
            return self.start_now(start.clone());
        }
        match popup::answer(key) {
            Some(Answer::Yes) if question.answered_from.is_none_or(|at| self.now >= at) => {
                match question.about {
                    About::Beside { start, .. } => self.queue_now(start),
                    About::Stop { run, name } => self.command(run, &name, Command::Stop),
                    // Its keys are text.
                    About::Fork { .. } | About::Seeds { .. } => Vec::new(),
                }
            }
            Some(Answer::No) => Vec::new(),
            _ => {
                self.question = Some(question);
                Vec::new()
            }
        }
    }
}
