//! Playing a recorded log again: a position on a time axis, a speed, and the history as it was at that position.

use crate::event::{RunHistory, Stamped};

/// Longest silence of the log that is played at full length, in seconds; longer ones (a night before a resume) are cut
/// to it.
const LONGEST_GAP: f64 = 5.0;
/// Speeds that `<` and `>` step through.
const SPEEDS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 1000.0];

/// A recorded run while it is played.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub run: String,
    events: Vec<Stamped>,
    /// Playing time of each event, seconds from the start, silences cut.
    times: Vec<f64>,
    folded: usize,
    pub history: RunHistory,
    /// Seconds from the start.
    pub position: f64,
    pub speed: f64,
    pub playing: bool,
}

/// What is done to a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Playback {
    /// Play or pause.
    Toggle,
    /// To a position in seconds.
    Seek(f64),
    /// By a share of the whole length.
    Scrub(f64),
    Slower,
    Faster,
    /// Back to the run as it is now.
    End,
}

impl Replay {
    /// Starts at the beginning, playing.
    #[must_use]
    pub(crate) fn new(run: String, events: Vec<Stamped>, speed: f64) -> Self {
        let mut times = Vec::with_capacity(events.len());
        let (mut time, mut before) = (0.0, f64::NAN);
        for event in &events {
            let gap = event.at - before;
            if gap.is_finite() {
                time += gap.clamp(0.0, LONGEST_GAP);
            }
            before = event.at;
            times.push(time);
        }
        let mut replay = Self {
            run,
            events,
            times,
            folded: 0,
            history: RunHistory::default(),
            position: 0.0,
            speed: if speed.is_finite() {
                speed.clamp(0.1, 10_000.0)
            } else {
                10.0
            },
            playing: true,
        };
        replay.fold();
        replay
    }

    /// Seconds of playing time at 1×.
    #[must_use]
    pub(crate) fn length(&self) -> f64 {
        self.times.last().copied().unwrap_or(0.0)
    }

    #[must_use]
    pub(crate) fn at_end(&self) -> bool {
        self.position >= self.length()
    }

    /// The events played so far.
    #[must_use]
    pub(crate) fn played(&self) -> &[Stamped] {
        &self.events[..self.folded]
    }

    /// Lets `seconds` of real time pass; true when something changed.
    pub(crate) fn advance(&mut self, seconds: f64) -> bool {
        if !self.playing {
            return false;
        }
        self.seek(self.position + seconds * self.speed);
        if self.at_end() {
            self.playing = false;
        }
        true
    }

    pub(crate) fn apply(&mut self, playback: Playback) {
        match playback {
            Playback::Toggle => self.toggle(),
            Playback::Seek(seconds) => self.seek(seconds),
            Playback::Scrub(share) => self.scrub(share),
            Playback::Slower => self.slower(),
            Playback::Faster => self.faster(),
            Playback::End => {}
        }
    }

    /// Plays or pauses; at the end it starts over.
    fn toggle(&mut self) {
        if !self.playing && self.at_end() {
            self.seek(0.0);
        }
        self.playing = !self.playing;
    }

    /// Goes to a position in seconds.
    fn seek(&mut self, seconds: f64) {
        self.position = seconds.clamp(0.0, self.length());
        self.fold();
    }

    /// Moves by a share of the whole length.
    fn scrub(&mut self, share: f64) {
        self.seek(self.position + share * self.length());
    }

    fn faster(&mut self) {
        self.speed = SPEEDS
            .into_iter()
            .find(|s| *s > self.speed * 1.001)
            .unwrap_or(self.speed);
    }

    fn slower(&mut self) {
        self.speed = SPEEDS
            .into_iter()
            .rev()
            .find(|s| *s < self.speed * 0.999)
            .unwrap_or(self.speed);
    }

    fn fold(&mut self) {
        let wanted = self.times.partition_point(|t| *t <= self.position);
        if wanted < self.folded {
            self.history = RunHistory::default();
            self.folded = 0;
        }
        for event in &self.events[self.folded..wanted] {
            self.history.apply(event);
        }
        self.folded = wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Phase};

    fn log() -> Vec<Stamped> {
        let at = |at, event| Stamped { at, event };
        vec![
            at(
                100.0,
                Event::Warning {
                    message: "a".into(),
                },
            ),
            at(102.0, Event::Paused { step: 1 }),
            at(9000.0, Event::Continued { step: 1 }),
            at(
                9001.0,
                Event::Warning {
                    message: "b".into(),
                },
            ),
        ]
    }

    #[test]
    fn it_plays_scrubs_and_cuts_silences() {
        let mut replay = Replay::new("r".into(), log(), 2.0);
        assert!((replay.length() - 8.0).abs() < 1e-9);
        assert_eq!(replay.history.messages.len(), 1);
        assert!(replay.advance(1.0));
        assert_eq!(replay.history.phase, Phase::Paused);
        replay.advance(100.0);
        assert!(replay.at_end() && !replay.playing);
        assert_eq!(replay.history.messages.len(), 4);
        replay.scrub(-0.5);
        assert_eq!(replay.history.phase, Phase::Paused);
        assert_eq!(replay.played().len(), 2);
        assert!(!replay.advance(1.0));
    }

    #[test]
    fn speeds_step_and_stay_in_range() {
        let mut replay = Replay::new("r".into(), Vec::new(), f64::NAN);
        assert!((replay.speed - 10.0).abs() < 1e-9);
        replay.faster();
        assert!((replay.speed - 30.0).abs() < 1e-9);
        for _ in 0..20 {
            replay.slower();
        }
        assert!((replay.speed - 1.0).abs() < 1e-9);
        replay.toggle();
        assert!(!replay.advance(1.0) || replay.at_end());
    }
}
