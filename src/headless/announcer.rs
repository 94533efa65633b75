//! What a terminal is told beside the lines of a run that is followed: progress in its tab, a stall, the end.

use std::io::IsTerminal;
use std::time::Instant;

use super::{Output, Style, can_draw_bar, notice};
use crate::event::{Event, Phase, RunHistory, Stamped};
use crate::notify::{Channels, Progress, Settings};
use crate::run::ended::{self, Ended};
use crate::run::stall::{self, Stalls};
use crate::run::{Workspace, id};

/// See the module.
pub(super) struct Announcer {
    id: String,
    settings: Settings,
    channels: Channels,
    out: Output,
    stalls: Option<Stalls>,
    history: RunHistory,
    /// When the run did something last, as its log says.
    newest: Option<f64>,
    progress: Option<Progress>,
    begun: Instant,
}

impl Announcer {
    /// Tells nothing where a program reads, and the terminal nothing where standard output is none.
    #[must_use]
    pub(super) fn new(id: &str, style: Style) -> Self {
        let is_for_people = style == Style::People;
        let (settings, warnings) = if is_for_people {
            Settings::read()
        } else {
            let stalled_after = None;
            let settings = Settings {
                stalled_after,
                ..Settings::default()
            };
            (settings, Vec::new())
        };
        for warning in warnings {
            notice(format!("warning: {warning}"));
        }
        let is_shown = is_for_people && can_draw_bar(std::io::stdout().is_terminal());
        let channels = if is_shown {
            Channels::here(&settings)
        } else {
            Channels::default()
        };
        Self::with(id, settings, channels, Output::standard())
    }

    fn with(id: &str, settings: Settings, channels: Channels, out: Output) -> Self {
        Self {
            id: id.to_owned(),
            settings,
            channels,
            out,
            stalls: settings.stalled_after.map(Stalls::new),
            history: RunHistory::default(),
            newest: None,
            progress: None,
            begun: Instant::now(),
        }
    }

    /// Takes note of an event, and shows how far the run is.
    pub(super) fn on_event(&mut self, stamped: &Stamped) {
        self.history.apply(stamped);
        // Only the last point is looked at.
        self.history.messages.clear();
        self.history.epochs.clear();
        if let Some(excess) = self.history.steps.len().checked_sub(1) {
            self.history.steps.drain(..excess);
        }
        if stall::is_act(&stamped.event) {
            self.newest = Some(stamped.at);
        }
        let is_over = matches!(stamped.event, Event::Finished { .. } | Event::Failed { .. });
        let is_paused = self.history.phase == Phase::Paused;
        let share = self.history.share_done().filter(|_| !is_over);
        self.show(share.map(|share| Progress::of(share, is_paused)));
    }

    /// Tells that the run has stalled, once it has, and gives what is to be said of it. To be asked now and then.
    pub(super) fn look_whether_it_stalls(&mut self, now: Instant) -> Option<Event> {
        let stalls = self.stalls.as_mut()?;
        let is_training = self.history.phase == Phase::Running;
        let running = is_training.then(|| (self.id.clone(), self.newest));
        if stalls.look(now, running.as_slice()).is_empty() {
            return None;
        }
        let started = self.history.started.as_ref();
        let name = started.map_or_else(|| id::name(&self.id), |s| s.name.as_str());
        let alert = ended::stalled(&self.id, name, stalls.after().as_secs_f64());
        self.tell(&self.channels.alert(&alert));
        let message = format!("{}: {}", alert.title, alert.detail);
        Some(Event::Warning { message })
    }

    /// The run is over and nobody here has asked for it.
    pub(super) fn on_end(&mut self, workspace: &Workspace) {
        self.show(None);
        if self.begun.elapsed() < self.settings.after {
            return;
        }
        if let Some(ended) = Ended::of(workspace, &workspace.summary(&self.id)) {
            self.tell(&self.channels.alert(&ended.alert()));
        }
    }

    fn show(&mut self, progress: Option<Progress>) {
        if progress != self.progress {
            self.progress = progress;
            self.tell(&self.channels.progress(progress));
        }
    }

    fn tell(&mut self, sequences: &str) {
        if !sequences.is_empty() {
            // A terminal that is gone is told nothing.
            let _ = self.out.bytes(sequences.as_bytes());
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.show(None);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::output::tests::Kept;
    use super::super::plain::tests::run;
    use super::*;

    fn announcer(kept: &Kept, after: u64) -> Announcer {
        let settings = Settings {
            after: Duration::from_secs(after),
            stalled_after: Some(Duration::from_secs(300)),
            ..Settings::default()
        };
        let channels = Channels::of(&settings, &|name| match name {
            "TERM" => "xterm-256color".into(),
            "TERM_PROGRAM" => "WezTerm".into(),
            _ => String::new(),
        });
        Announcer::with(
            "20261130-010203-mlp-0001",
            settings,
            channels,
            kept.output(),
        )
    }

    #[test]
    fn progress_is_told_as_it_changes_and_taken_away_at_the_end() {
        let kept = Kept::default();
        let mut announcer = announcer(&kept, 0);
        for event in run() {
            announcer.on_event(&Stamped::now(event));
        }
        let text = kept.text();
        assert!(text.starts_with("\x1b]9;4;1;0\x07"), "{text:?}");
        assert!(text.ends_with("\x1b]9;4;0;0\x07"), "{text:?}");
        let told: Vec<&str> = text.split_inclusive('\x07').collect();
        assert!(told.windows(2).all(|two| two[0] != two[1]), "{told:?}");
        drop(announcer);
        assert_eq!(kept.text(), text);
    }

    #[test]
    fn progress_goes_with_whoever_stops_looking() {
        let kept = Kept::default();
        let mut announcer = announcer(&kept, 0);
        announcer.on_event(&Stamped::now(run().remove(0)));
        drop(announcer);
        assert_eq!(kept.text(), "\x1b]9;4;1;0\x07\x1b]9;4;0;0\x07");
    }

    #[test]
    fn the_end_is_told_unless_the_run_was_short() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        let mut profile = crate::profile::Profile::new("mlp");
        profile.name = "mlp".into();
        let id = workspace.create(&profile).unwrap();
        let mut profile = workspace.load(&id).unwrap();
        let record = profile.run.as_mut().unwrap();
        record.status = crate::profile::Status::Failed;
        record.error = "no such file".into();
        workspace.save(&profile).unwrap();
        for (after, told) in [
            (0, "\x1b]777;notify;fmtui: mlp failed;no such file\x07\x07"),
            (10, ""),
        ] {
            let kept = Kept::default();
            let mut announcer = announcer(&kept, after);
            announcer.id.clone_from(&id);
            announcer.on_end(&workspace);
            assert_eq!(kept.text(), told);
        }
    }

    #[test]
    fn a_stall_is_told_and_a_pause_is_none() {
        let kept = Kept::default();
        let mut announcer = announcer(&kept, 0);
        let mut events = run().into_iter();
        announcer.on_event(&Stamped::now(events.next().unwrap()));
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        announcer.on_event(&Stamped::now(Event::Paused { step: 1 }));
        assert_eq!(announcer.look_whether_it_stalls(later(0)), None);
        assert_eq!(announcer.look_whether_it_stalls(later(400)), None);
        announcer.on_event(&Stamped::now(Event::Continued { step: 1 }));
        assert_eq!(announcer.look_whether_it_stalls(later(401)), None);
        assert!(!kept.text().contains("stalled"), "{:?}", kept.text());
        let message = "mlp has stalled: no step or epoch for 5 min 00 s".into();
        let said = announcer.look_whether_it_stalls(later(701));
        assert_eq!(said, Some(Event::Warning { message }));
        assert_eq!(announcer.look_whether_it_stalls(later(800)), None);
        assert_eq!(kept.text().matches(" has stalled;").count(), 1);
    }
}
