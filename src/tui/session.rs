//! The only file of the screens that speaks with workers, data sets and files: it carries out requests off the screen's
//! thread and answers with messages.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::config::{self, KeptTheme};
use super::editor;
use super::message::{Message, Request};
use super::tabs::runs::RunRow;
use super::tabs::train::Link;
use crate::data::source::{self, SearchPath};
use crate::data::{Dataset, fetch, mini};
use crate::error::{Error, Result};
use crate::event::{Command, Event, Stamped};
use crate::metrics::predictions::{self, Predictions};
use crate::net::Progress;
use crate::profile::{Profile, Status};
use crate::run::{
    Connection, RunSummary, Sender, Workspace, card, client, company, log, memory, own,
};
use crate::{storage, text};

/// Messages that may wait for the screen.
const BACKLOG: usize = 64;
/// How often the list of runs is read while it is looked at, and which of them have a worker at any time.
const RUNS_EVERY: Duration = Duration::from_secs(1);
/// A log that is silent for this long has been told whole.
const SILENCE: Duration = Duration::from_millis(40);
/// The whole history is shown at once if it can be read in this time.
const PATIENCE: Duration = Duration::from_secs(2);
/// Events told to the screen at once.
const BATCH: usize = 4096;
/// How often it is said how a download stands.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether the worker listens.
const LINK_EVERY: Duration = Duration::from_millis(250);

/// Carries out requests. Dropping it stops watching; runs go on.
pub struct Session {
    workspace: Workspace,
    out: mpsc::Sender<Message>,
    watched: Option<Sender>,
    /// Commands for runs that are not watched.
    others: mpsc::UnboundedSender<(String, Command)>,
    watching: Option<JoinHandle<()>>,
    runs_wanted: watch::Sender<bool>,
    datasets: Arc<Mutex<Vec<Arc<Dataset>>>>,
    fetch_cancelled: Arc<AtomicBool>,
    /// Of the weights that a run to be started begins with.
    weights_cancelled: Arc<AtomicBool>,
    kept_theme: Arc<KeptTheme>,
}

impl Session {
    /// To be called within a tokio runtime.
    #[must_use]
    pub fn new(workspace: Workspace) -> (Self, mpsc::Receiver<Message>) {
        let (out, messages) = mpsc::channel(BACKLOG);
        let (runs_wanted, wanted) = watch::channel(false);
        let (others, asked) = mpsc::unbounded_channel();
        tokio::spawn(tell_runs(workspace.clone(), out.clone(), wanted));
        tokio::spawn(tell_live(workspace.clone(), out.clone()));
        tokio::spawn(send_to_others(workspace.clone(), out.clone(), asked));
        let session = Self {
            workspace,
            out,
            watched: None,
            others,
            watching: None,
            runs_wanted,
            datasets: Arc::default(),
            fetch_cancelled: Arc::default(),
            weights_cancelled: Arc::default(),
            kept_theme: Arc::new(KeptTheme::new(config::path())),
        };
        (session, messages)
    }

    /// Carries out what needs no screen; `EditText`, `Suspend`, `Redraw` and `Leave` are not for here.
    pub fn perform(&mut self, request: Request) {
        match request {
            Request::Start(profile) => self.start(profile),
            Request::Open(run) => self.open(run),
            Request::Send { run, command } => self.send(run, command),
            Request::Replay { run, speed } => {
                let workspace = self.workspace.clone();
                self.blocking(move || {
                    let events = log::read(&workspace.events_path(&run))?;
                    if events.is_empty() {
                        return Err(nothing_to_replay(&run));
                    }
                    Ok(Message::Replay { run, events, speed })
                });
            }
            Request::Resume(run) => self.resume(run),
            Request::Delete(run) => {
                let workspace = self.workspace.clone();
                self.blocking(move || workspace.delete(&run).map(|()| Message::Deleted(run)));
            }
            Request::LoadDataset(name) => self.load_dataset(name, true),
            Request::LoadRunDataset(name) => self.load_dataset(name, false),
            Request::FetchDataset(name) => self.fetch(name),
            Request::CancelFetch => {
                self.fetch_cancelled.store(true, Ordering::Relaxed);
                self.weights_cancelled.store(true, Ordering::Relaxed);
            }
            Request::DescribeWeights(model) => {
                let workspace = self.workspace.clone();
                self.blocking(move || {
                    let card = card::card(&workspace, &model);
                    let pretrained = model.pretrained;
                    Ok(Message::Weights { pretrained, card })
                });
            }
            Request::LoadPredictions(run) => {
                let directory = self.workspace.run_dir(&run);
                self.blocking(move || Ok(read_predictions(run, &directory)));
            }
            Request::KeepTheme(palette) => {
                self.kept_theme.choose(palette);
                let (kept, out) = (Arc::clone(&self.kept_theme), self.out.clone());
                tokio::task::spawn_blocking(move || {
                    if let Err(e) = kept.write() {
                        let _ = out.blocking_send(problem(&e));
                    }
                });
            }
            Request::ReadOwn => self.tell_own(),
            Request::WatchRuns(on) => {
                self.runs_wanted.send_replace(on);
            }
            Request::EditText(_) | Request::Suspend | Request::Redraw | Request::Leave => {}
        }
    }

    /// Lets the user edit a recipe in their own editor and tells what came of it. The screen has been left.
    pub fn edit(&self, profile: &Profile) {
        let edited = std::fs::create_dir_all(&self.workspace.root)
            .map_err(|e| Error::io("create", &self.workspace.root, e))
            .and_then(|()| editor::edit(profile, &self.workspace.root));
        let message = match edited {
            Ok(Some(profile)) => Message::Edited(Box::new(profile)),
            Ok(None) => Message::Say("The recipe is as it was".into()),
            Err(e) => problem(&e),
        };
        let out = self.out.clone();
        tokio::spawn(async move { out.send(message).await });
    }

    /// Finds the user's own profiles and tells them.
    pub fn tell_own(&self) {
        let workspace = self.workspace.clone();
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let mut profiles = Vec::new();
            for found in own::profiles(&workspace) {
                match found {
                    Ok(profile) => profiles.push(profile),
                    Err(e) => drop(out.blocking_send(problem(&e))),
                }
            }
            let _ = out.blocking_send(Message::Own(profiles));
        });
    }

    /// Opens the newest run that is running, and turns to it; where none is, the newest.
    pub fn open_newest(&mut self) {
        let ids = self.workspace.ids();
        let running = ids.iter().find(|id| self.workspace.is_running(id));
        if let Some(run) = running.or(ids.first()) {
            self.watch(run.clone(), running.is_some());
        }
    }

    /// Reads the data set that the Data tab shows first: the full one where there is one.
    pub fn load_first_dataset(&mut self) {
        let sets = self.tell_sets();
        let wanted = "fashion-mnist";
        let there = sets.iter().any(|f| f.name == wanted);
        self.load_dataset(if there { wanted } else { mini::NAME }.into(), true);
    }

    /// Finds the data sets that are here and tells them.
    fn tell_sets(&self) -> Vec<source::Found> {
        let sets = source::available(&self.search());
        // Sent at the start, when the queue is empty.
        let _ = self.out.try_send(named(&sets));
        sets
    }

    fn search(&self) -> SearchPath {
        self.workspace.search_path()
    }

    /// Runs something slow on a thread of its own and tells its outcome.
    fn blocking(&self, work: impl FnOnce() -> Result<Message> + Send + 'static) {
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let message = work().unwrap_or_else(|e| problem(&e));
            // Fails only when the screen has gone.
            let _ = out.blocking_send(message);
        });
    }

    fn open(&mut self, run: String) {
        self.watch(run, true);
    }

    fn start(&mut self, mut profile: Box<Profile>) {
        // Another start means that this one is not waited for any longer.
        self.weights_cancelled.store(true, Ordering::Relaxed);
        self.weights_cancelled = Arc::default();
        let cancelled = Arc::clone(&self.weights_cancelled);
        let (workspace, out) = (self.workspace.clone(), self.out.clone());
        self.blocking(move || {
            let mut told: Option<Instant> = None;
            let mut tell = |p: Progress| {
                if told.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
                    if told.is_none() {
                        let _ = out.try_send(Message::Fetching(true));
                    }
                    told = Some(Instant::now());
                    let _ = out.try_send(Message::Say(progress(&p)));
                }
            };
            let fetched = client::fetch_weights(&workspace, &mut profile, &mut tell, &cancelled);
            // Where another start took this one's place, the download under way is that one's.
            if told.is_some() && !(cancelled.load(Ordering::Relaxed) && fetched.is_err()) {
                let _ = out.blocking_send(Message::Fetching(false));
            }
            let mut warning = None;
            let mut take = |said| warning = said;
            let run = fetched
                .and_then(|()| client::start_with(&workspace, &profile, false, &mut take))
                .inspect_err(|_| {
                    let _ = out.blocking_send(Message::NotStarted);
                })?;
            Ok(match started(&workspace, run) {
                Message::Started { run, note } => Message::Started {
                    run,
                    note: warning.or(note),
                },
                other => other,
            })
        });
    }

    fn resume(&mut self, run: String) {
        let (workspace, out) = (self.workspace.clone(), self.out.clone());
        self.blocking(move || {
            client::resume(&workspace, &run).inspect_err(|_| {
                let _ = out.blocking_send(Message::NotStarted);
            })?;
            Ok(started(&workspace, run))
        });
    }

    fn watch(&mut self, run: String, turn_to_it: bool) {
        if let Some(before) = self.watching.take() {
            before.abort();
        }
        let connection = match Connection::open(&self.workspace, &run) {
            Ok(connection) => connection,
            Err(e) => {
                let out = self.out.clone();
                tokio::spawn(async move { out.send(problem(&e)).await });
                return;
            }
        };
        self.watched = Some(connection.sender());
        let out = self.out.clone();
        let workspace = self.workspace.clone();
        self.watching = Some(tokio::spawn(async move {
            // Ends when the screen has gone.
            let _ = follow(&workspace, connection, run, turn_to_it, &out).await;
        }));
    }

    fn send(&self, run: String, command: Command) {
        let watched = self.watched.as_ref();
        let Some(sender) = watched.filter(|w| w.run() == run && w.is_live()) else {
            // Read until the screen goes.
            let _ = self.others.send((run, command));
            return;
        };
        let answer = sender.ask(command);
        let out = self.out.clone();
        tokio::spawn(async move {
            if let Err(e) = answer.await {
                let _ = out.send(Message::NotSent(run)).await;
                let _ = out.send(problem(&e)).await;
            }
        });
    }

    fn load_dataset(&self, name: String, for_data_tab: bool) {
        let (search, kept) = (self.search(), Arc::clone(&self.datasets));
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let message = match load(&name, &search, &kept) {
                Ok(dataset) => Message::Dataset {
                    dataset,
                    for_data_tab,
                },
                Err(e) if for_data_tab => Message::DatasetStatus(e.to_string()),
                Err(e) => problem(&e),
            };
            let _ = out.blocking_send(message);
        });
    }

    fn fetch(&mut self, name: String) {
        // A second download replaces the first.
        self.fetch_cancelled.store(true, Ordering::Relaxed);
        self.fetch_cancelled = Arc::default();
        let cancelled = Arc::clone(&self.fetch_cancelled);
        let (search, kept) = (self.search(), Arc::clone(&self.datasets));
        let (directory, offline) = (self.workspace.data_dir(), self.workspace.offline);
        let out = self.out.clone();
        tokio::task::spawn_blocking(move || {
            let _ = out.blocking_send(Message::Fetching(true));
            let mut tell = |p: Progress| {
                let status = progress(&p);
                // A full queue loses a line of progress, nothing else.
                let _ = out.try_send(Message::DatasetStatus(status));
            };
            let fetched = fetch::fetch(&name, &directory, offline, &mut tell, &cancelled)
                .and_then(|()| load(&name, &search, &kept));
            if !cancelled.load(Ordering::Relaxed) {
                let _ = out.blocking_send(Message::Fetching(false));
            }
            let message = match fetched {
                Ok(dataset) => {
                    let _ = out.blocking_send(named(&source::available(&search)));
                    Message::Dataset {
                        dataset,
                        for_data_tab: true,
                    }
                }
                Err(e) => Message::DatasetStatus(e.to_string()),
            };
            let _ = out.blocking_send(message);
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.fetch_cancelled.store(true, Ordering::Relaxed);
        self.weights_cancelled.store(true, Ordering::Relaxed);
        if let Some(watching) = &self.watching {
            watching.abort();
        }
    }
}

fn named(sets: &[source::Found]) -> Message {
    Message::Sets(sets.iter().map(|f| (f.name.clone(), f.place())).collect())
}

/// How a download stands, in words.
fn progress(p: &Progress) -> String {
    let number = match p.files {
        1 => String::new(),
        files => format!(" ({} of {files})", p.file_index + 1),
    };
    let place = format!("downloading {}{number}", text::sanitize(&p.file));
    if let Some(note) = &p.note {
        return format!("{place}: {}; Esc gives up", text::sanitize(note));
    }
    let total = p
        .total
        .map_or(String::new(), |t| format!(" of {}", text::bytes(t)));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a speed for people; the cast saturates"
    )]
    let speed = text::bytes(p.bytes_per_second.max(0.0) as u64);
    let left = p
        .seconds_left()
        .map_or(String::new(), |s| format!(", {} left", text::seconds(s)));
    format!(
        "{place}: {}{total}, {speed}/s{left}; Esc gives up",
        text::bytes(p.bytes)
    )
}

fn started(workspace: &Workspace, run: String) -> Message {
    let note = company::note(workspace, &run);
    Message::Started { run, note }
}

fn nothing_to_replay(run: &str) -> Error {
    Error::input(
        format!("run {run}"),
        "its event log is empty or gone",
        "choose another run on the Runs tab",
    )
}

/// An error as the bar above the footer shows it.
pub fn problem(error: &Error) -> Message {
    let remedy = error.remedy().unwrap_or_default().to_string();
    let problem = match error {
        Error::Input {
            subject, problem, ..
        } => format!("{subject}: {problem}"),
        Error::Download { file, problem, .. } => format!("cannot download {file}: {problem}"),
        cancelled @ Error::Cancelled { .. } => return Message::Say(cancelled.to_string()),
        other => other.to_string(),
    };
    Message::Problem { problem, remedy }
}

fn load(name: &str, search: &SearchPath, kept: &Mutex<Vec<Arc<Dataset>>>) -> Result<Arc<Dataset>> {
    let find = || {
        let kept = kept.lock().ok()?;
        kept.iter().find(|d| d.name == name).map(Arc::clone)
    };
    if let Some(dataset) = find() {
        return Ok(dataset);
    }
    let dataset = Arc::new(source::load(name, search)?);
    if let Ok(mut kept) = kept.lock() {
        kept.retain(|d| d.name != name);
        kept.push(Arc::clone(&dataset));
        // Two are enough: the Data tab's and the run's.
        while kept.len() > 2 {
            kept.remove(0);
        }
    }
    Ok(dataset)
}

fn read_predictions(run: String, directory: &Path) -> Message {
    let read = |name: &str| -> Option<Predictions> {
        let bytes = storage::read(&directory.join(name), predictions::LARGEST).ok()?;
        Predictions::decode(&bytes).ok()
    };
    Message::Predictions {
        run,
        latest: read(predictions::LATEST),
        best: read(predictions::BEST),
        test: read(predictions::TEST),
    }
}

fn link(connection: &Connection) -> Link {
    if connection.is_live() {
        Link::Live
    } else {
        Link::ReadOnly
    }
}

/// Tells the whole history at once, then what comes.
async fn follow(
    workspace: &Workspace,
    mut connection: Connection,
    run: String,
    turn_to_it: bool,
    out: &mpsc::Sender<Message>,
) -> Result<(), mpsc::error::SendError<Message>> {
    let (events, mut over) = history(&mut connection).await;
    let mut told = if over { Link::Ended } else { link(&connection) };
    out.send(Message::Opened {
        run: run.clone(),
        link: told,
        events,
    })
    .await?;
    if over {
        tell_cause(workspace, &run, out).await?;
    }
    if turn_to_it {
        out.send(Message::ShowTrain).await?;
    }
    while !over {
        let mut events = Vec::new();
        if let Ok(next) = tokio::time::timeout(LINK_EVERY, connection.next()).await {
            match next {
                Some(event) => events.push(event),
                None => over = true,
            }
        }
        while events.len() < BATCH && !events.is_empty() {
            match connection.try_next() {
                Some(event) => events.push(event),
                None => break,
            }
        }
        if !events.is_empty() {
            out.send(Message::Events {
                run: run.clone(),
                events,
            })
            .await?;
        }
        let now = if over { Link::Ended } else { link(&connection) };
        if now != told && over {
            tell_cause(workspace, &run, out).await?;
        }
        if now != told {
            told = now;
            out.send(Message::Link {
                run: run.clone(),
                link: now,
            })
            .await?;
        }
    }
    Ok(())
}

/// Says what became of a worker that is gone without a word, where memory was the reason.
async fn tell_cause(
    workspace: &Workspace,
    run: &str,
    out: &mpsc::Sender<Message>,
) -> Result<(), mpsc::error::SendError<Message>> {
    let status = workspace.summary(run).status;
    let cause = memory::cause_of_death(workspace, run).filter(|_| status == Status::Lost);
    let Some(cause) = cause else { return Ok(()) };
    let message = format!("the worker {cause}");
    let events = vec![Stamped::now(Event::Warning { message })];
    let run = run.into();
    out.send(Message::Events { run, events }).await
}

/// What is there already, and whether there will be no more.
async fn history(connection: &mut Connection) -> (Vec<Stamped>, bool) {
    let mut events = Vec::new();
    let give_up = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < give_up {
        match tokio::time::timeout(SILENCE, connection.next()).await {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, true),
            Err(_) => break,
        }
    }
    (events, false)
}

/// Asks the workers of runs that are not watched, one after the other.
async fn send_to_others(
    workspace: Workspace,
    out: mpsc::Sender<Message>,
    mut asked: mpsc::UnboundedReceiver<(String, Command)>,
) {
    while let Some((run, command)) = asked.recv().await {
        let (workspace, id) = (workspace.clone(), run.clone());
        let sent = tokio::task::spawn_blocking(move || client::send(&workspace, &id, &command));
        if let Ok(Err(e)) = sent.await {
            let _ = out.send(Message::NotSent(run)).await;
            let _ = out.send(problem(&e)).await;
        }
    }
}

/// Looks which runs have a worker, and tells it when it changed.
async fn tell_live(workspace: Workspace, out: mpsc::Sender<Message>) {
    let mut told = Vec::new();
    loop {
        let workspace = workspace.clone();
        let Ok(live) = tokio::task::spawn_blocking(move || company::live(&workspace)).await else {
            return;
        };
        if live != told {
            told.clone_from(&live);
            if out.send(Message::Live(live)).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(RUNS_EVERY).await;
    }
}

/// Reads the list of runs while it is wanted, and tells it when it changed.
async fn tell_runs(
    workspace: Workspace,
    out: mpsc::Sender<Message>,
    mut wanted: watch::Receiver<bool>,
) {
    let mut told: Option<Vec<RunRow>> = None;
    loop {
        if wanted.wait_for(|on| *on).await.is_err() {
            return;
        }
        let workspace = workspace.clone();
        let read = tokio::task::spawn_blocking(move || workspace.runs()).await;
        match read {
            Ok(Ok(runs)) => {
                let rows: Vec<RunRow> = runs.into_iter().map(row).collect();
                if told.as_ref() != Some(&rows) {
                    told = Some(rows.clone());
                    if out.send(Message::Runs(rows)).await.is_err() {
                        return;
                    }
                }
            }
            Ok(Err(e)) => {
                if out.send(problem(&e)).await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
        tokio::time::sleep(RUNS_EVERY).await;
    }
}

fn row(summary: RunSummary) -> RunRow {
    let RunSummary {
        id,
        status,
        profile,
    } = summary;
    let status = if profile.is_err() {
        Status::Failed
    } else {
        status
    };
    RunRow {
        id,
        status,
        profile: profile.map(|p| Box::new(std::sync::Arc::unwrap_or_clone(p))),
    }
}
