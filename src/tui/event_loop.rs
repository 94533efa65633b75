//! The loop of the screens: keys, messages, signals and time go to the app; its requests are carried out; what changed
//! is drawn, at most twenty times a second, and five times where nobody but a run does anything: it needs the processor
//! itself.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use ratatui::crossterm::event::{self, Event, EventStream};
use rustix::process::Signal;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::mpsc::Receiver;

use super::announcer::Announcer;
use super::app::{App, Input};
use super::editor;
use super::message::Message;
use super::replies::Replies;
use super::request::Request;
use super::services::Services;
use super::terminal::{self, Screen};
use crate::error::{Error, Result};
use crate::profile::Profile;
use crate::run::signals::{self, Ending, Endings};

/// Least time between two frames.
const FRAME: Duration = Duration::from_millis(50);
/// Least time between two frames that only show what a run tells.
const CALM: Duration = Duration::from_millis(200);
/// How often time is told to the app, and the terminal looked after, while nothing happens.
const TICK: Duration = Duration::from_millis(250);
/// How often it is noted that somebody looks.
const SEEN_EVERY: Duration = Duration::from_mins(1);
/// How long a stop for the shell may take to arrive.
const STOPPING: Duration = Duration::from_millis(300);

/// How long after it was asked the terminal's answer is swallowed on leaving, lest the shell take it for typed text;
/// and how long that may take.
const ANSWERING: Duration = Duration::from_secs(2);
const SWALLOWING: Duration = Duration::from_millis(300);

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitReason {
    /// Somebody pressed a key for it, or sent a signal.
    Asked,
    /// The terminal has gone.
    TerminalGone,
}

/// What the loop hears from the system.
pub(super) struct Signals {
    endings: Endings,
    resumed: SignalStream,
}

impl Signals {
    /// Catches them from now on. To be called within a tokio runtime.
    ///
    /// # Errors
    /// `Io` or `Compute` when signals cannot be listened to.
    pub(super) fn install() -> Result<Self> {
        Ok(Self {
            endings: Endings::install()?,
            resumed: signal(SignalKind::from_raw(Signal::CONT.as_raw()))
                .map_err(|e| Error::io("listen to signals for", "fmtui", e))?,
        })
    }
}

/// Ends the process where a signal has come and the loop does not get to it: it hangs in a terminal that nobody reads.
pub(super) async fn end_what_hangs(mut endings: Endings) {
    loop {
        let ending = endings.next().await;
        // With the screen left, Ctrl-C is somebody else's: an editor's.
        if ending == Ending::Interrupt && !terminal::is_entered() {
            continue;
        }
        editor::give_up();
        tokio::time::sleep(2 * signals::GRACE).await;
        terminal::abandon();
        std::process::exit(ending.exit_code());
    }
}

enum Next {
    Input(Input),
    Resumed,
    ExitReason(ExitReason),
}

/// Runs until the user leaves or the terminal goes.
pub(super) async fn run(
    app: &mut App,
    services: &mut Services,
    messages: &mut Receiver<Message>,
    (screen, announcer): &mut (Screen, Announcer),
    signals: Signals,
) -> ExitReason {
    let mut outside = Outside {
        services,
        screen,
        announcer,
        signals,
        keys: EventStream::new(),
        replies: Replies::default(),
    };
    let mut drawn = Instant::now()
        .checked_sub(FRAME)
        .unwrap_or_else(Instant::now);
    let mut waiting = app.take_dirty();
    // Somebody did something and waits to see it.
    let mut eager = true;
    let mut seen = Instant::now();
    loop {
        let pace = if eager || app.is_playing() {
            FRAME
        } else {
            CALM
        };
        if waiting && drawn.elapsed() >= pace {
            if outside.screen.draw(|frame| app.render(frame)).is_err() {
                return ExitReason::TerminalGone;
            }
            drawn = Instant::now();
            // After something is on the screen, so that nobody waits for the answer.
            if app.asks_background() {
                if outside.screen.ask_background().is_err() {
                    return ExitReason::TerminalGone;
                }
                outside.replies.expect(drawn);
            }
            (waiting, eager) = (false, false);
        }
        let now = Instant::now();
        let sequences = outside.announcer.due(app, now);
        if !sequences.is_empty() && outside.screen.tell(&sequences).is_err() {
            return ExitReason::TerminalGone;
        }
        // Where a frame hangs, as the connection is broken, nobody looks.
        if now - seen >= SEEN_EVERY {
            outside.services.mark_seen();
            seen = now;
        }
        let patience = if waiting || app.is_playing() {
            pace.saturating_sub(drawn.elapsed())
                .max(Duration::from_millis(1))
        } else {
            TICK
        };
        let patience = patience.min(outside.replies.patience());
        match outside.next(messages, patience).await {
            Next::ExitReason(left) => {
                if left == ExitReason::Asked {
                    tokio::task::block_in_place(|| swallow_answer(&mut outside.replies));
                }
                return left;
            }
            Next::Resumed => {
                if let Some(left) = outside.reenter() {
                    return left;
                }
                app.update(Input::Damaged);
            }
            Next::Input(input) => {
                eager |= !matches!(input, Input::Tick(_) | Input::Message(_));
                if matches!(input, Input::Tick(_)) && !terminal::is_there() {
                    return ExitReason::TerminalGone;
                }
                // Keys are taken at the time they come.
                let now = Instant::now();
                let mut inputs = vec![Input::Tick(now)];
                inputs.extend(outside.replies.hear(input, now));
                // Everything that has come meanwhile belongs to the same frame.
                while let Ok(message) = messages.try_recv() {
                    inputs.push(Input::Message(message));
                }
                inputs.push(Input::Tick(Instant::now()));
                let requests: Vec<_> = inputs.into_iter().flat_map(|i| app.update(i)).collect();
                for request in requests {
                    if let Some(left) = outside.perform(request).await {
                        return left;
                    }
                }
            }
        }
        waiting |= app.take_dirty();
    }
}

/// Waits a little for an answer that is due, before others read what the terminal sends.
fn swallow_answer(replies: &mut Replies) {
    let start = Instant::now();
    while replies.is_due(ANSWERING, Instant::now()) {
        let left = SWALLOWING.saturating_sub(start.elapsed());
        // Not through the stream: its thread would hold the reader until the next key, and no other stream could begin.
        if !event::poll(left).unwrap_or(false) {
            return;
        }
        match event::read() {
            Ok(Event::Key(key)) => {
                replies.hear(Input::Key(key), Instant::now());
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// What requests are carried out with.
struct Outside<'a> {
    services: &'a mut Services,
    screen: &'a mut Screen,
    announcer: &'a mut Announcer,
    signals: Signals,
    keys: EventStream,
    replies: Replies,
}

impl Outside<'_> {
    /// Carries a request out; says so when it ends the loop.
    async fn perform(&mut self, request: Request) -> Option<ExitReason> {
        match request {
            Request::Leave => {
                tokio::task::block_in_place(|| swallow_answer(&mut self.replies));
                return Some(ExitReason::Asked);
            }
            Request::Redraw if self.screen.clear().is_err() => {
                return Some(ExitReason::TerminalGone);
            }
            Request::Redraw => {}
            Request::Suspend => return self.suspend().await,
            Request::EditText(profile) => return self.edit(&profile),
            Request::Start(start) => self.services.start(start),
            Request::QueueSeeds { profile, seeds } => self.services.queue_seeds(profile, seeds),
            Request::ChangeQueue { run, change } => self.services.change_queue(run, change),
            Request::Fork {
                point,
                changes,
                queued,
            } => self.services.fork(point, changes, queued),
            Request::Queue(start) => self.services.queue(start),
            Request::Open(run) => self.services.open(run),
            Request::Send { run, command } => self.services.send(run, command),
            Request::Replay { run, speed } => self.services.replay(run, speed),
            Request::Delete(run) => self.services.delete(run),
            Request::LoadDataset(name) => self.services.load_dataset(name, true),
            Request::LoadRunDataset(name) => self.services.load_dataset(name, false),
            Request::FetchDataset(name) => self.services.fetch(name),
            Request::FindDatasets { shown } => self.services.find_datasets(shown),
            Request::AddDataset { path, skips_broken } => self.services.add(path, skips_broken),
            Request::RemoveDataset(name) => self.services.remove(name),
            Request::AverageClasses(name) => self.services.average(name),
            Request::CheckDataset(name) => self.services.check(name),
            Request::CancelFetch => self.services.cancel_fetch(),
            Request::DescribeWeights(model) => self.services.describe_weights(model),
            Request::DescribeDataset(name) => self.services.describe_dataset(name),
            Request::LoadPredictions(run) => self.services.load_predictions(run),
            Request::AssessPredictions(run) => self.services.assess_predictions(run),
            Request::Predict {
                run,
                path,
                is_inverted,
            } => self.services.predict(run, path, is_inverted),
            Request::Compare(sides) => self.services.compare(sides),
            Request::WatchRuns(on) => self.services.watch_runs(on),
            Request::WatchSweeps(on) => self.services.watch_sweeps(on),
            Request::StartSweep(sweep) => self.services.start_sweep(*sweep),
            Request::ChangeSweep { sweep, change } => self.services.change_sweep(sweep, change),
            Request::ReadOwn => self.services.tell_own(),
            Request::KeepTheme(palette) => self.services.keep_theme(palette),
        }
        None
    }

    async fn suspend(&mut self) -> Option<ExitReason> {
        tokio::task::block_in_place(|| swallow_answer(&mut self.replies));
        self.screen.leave();
        // Where nobody could continue us the kernel ignores this, and we go on at once.
        let _ = rustix::process::kill_current_process_group(Signal::TSTP);
        let _ = tokio::time::timeout(STOPPING, self.signals.resumed.recv()).await;
        self.reenter()
    }

    fn edit(&mut self, profile: &Profile) -> Option<ExitReason> {
        tokio::task::block_in_place(|| swallow_answer(&mut self.replies));
        // Nobody but the editor reads keys now.
        self.keys = EventStream::new();
        self.screen.leave();
        tokio::task::block_in_place(|| self.services.edit(profile));
        // Ctrl-C was the editor's.
        self.signals.endings.forget(Ending::Interrupt);
        self.reenter()
    }

    fn reenter(&mut self) -> Option<ExitReason> {
        self.announcer.forget();
        let gone = self.screen.reenter().is_err();
        gone.then_some(ExitReason::TerminalGone)
    }

    /// The next thing that happens; a tick when nothing does.
    async fn next(&mut self, messages: &mut Receiver<Message>, patience: Duration) -> Next {
        tokio::select! {
            biased;
            ending = self.signals.endings.next() => Next::ExitReason(match ending {
                Ending::HangUp => ExitReason::TerminalGone,
                _ => ExitReason::Asked,
            }),
            _ = self.signals.resumed.recv() => Next::Resumed,
            event = self.keys.next() => match event {
                Some(Ok(Event::Key(key))) => Next::Input(Input::Key(key)),
                Some(Ok(Event::Mouse(mouse))) => Next::Input(Input::Mouse(mouse)),
                Some(Ok(Event::Paste(text))) => Next::Input(Input::Paste(text)),
                Some(Ok(_)) => Next::Input(Input::Damaged),
                Some(Err(_)) | None => Next::ExitReason(ExitReason::TerminalGone),
            },
            message = messages.recv() => match message {
                Some(message) => Next::Input(Input::Message(message)),
                None => Next::ExitReason(ExitReason::Asked),
            },
            () = tokio::time::sleep(patience) => Next::Input(Input::Tick(Instant::now())),
        }
    }
}
