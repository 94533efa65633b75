//! Watching a run: its whole history first, then every event as it happens, until its worker is gone.
//!
//! The log is the source; the socket only brings its new lines sooner and takes commands. Where there is no socket
//! (another machine, a shared disk) the log alone is followed.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::log::Follower;
use super::protocol::{self, FromWorker, Hello};
use super::{Workspace, client, history, lock, spool};
use crate::error::Result;
use crate::event::{Command, Event, Stamped};
use crate::profile::{Profile, Status};

/// Events that may wait for their reader; a reader that lags further catches up from the log.
const BACKLOG: usize = 1024;

/// Commands that may wait for the worker.
const COMMANDS: usize = 64;

/// How often the log is looked at where there is no socket.
const POLL: Duration = Duration::from_millis(200);

/// How long a worker may take to greet or to answer.
const PATIENCE: Duration = Duration::from_secs(5);

type Answer = oneshot::Sender<Result<(), String>>;

/// A watched run. Dropping it only stops the watching.
pub struct Connection {
    events: mpsc::Receiver<Stamped>,
    sender: Sender,
}

/// Sends commands to the worker of a watched run; clones share the connection.
#[derive(Clone)]
pub struct Sender {
    workspace: Workspace,
    run: String,
    commands: mpsc::Sender<(Command, Answer)>,
    live: Arc<AtomicBool>,
}

impl Connection {
    /// Begins to watch a run, running or not. To be called within a tokio runtime.
    ///
    /// # Errors
    /// `Input` when there is no such run.
    pub fn open(workspace: &Workspace, id: &str) -> Result<Self> {
        if !workspace.profile_path(id).exists() {
            // Says which runs there are.
            workspace.load(id)?;
        }
        let (events_in, events) = mpsc::channel(BACKLOG);
        let (commands, commands_out) = mpsc::channel(COMMANDS);
        let live = Arc::new(AtomicBool::new(false));
        let feed = Feed {
            workspace: workspace.clone(),
            id: id.into(),
            lock_path: workspace.lock_path(id),
            follower: Some(Follower::new(&workspace.events_path(id))),
            events: events_in,
            commands: commands_out,
            live: Arc::clone(&live),
            ended: false,
            told: None,
            ahead: Vec::new(),
            turned_away: false,
            is_other: false,
        };
        tokio::spawn(feed.run());
        let run = id.into();
        Ok(Self {
            events,
            sender: Sender {
                workspace: workspace.clone(),
                run,
                commands,
                live,
            },
        })
    }

    /// The next event, the oldest first; `None` when everything was told and the worker is gone.
    pub async fn next(&mut self) -> Option<Stamped> {
        self.events.recv().await
    }

    /// An event that is already here.
    pub fn try_next(&mut self) -> Option<Stamped> {
        self.events.try_recv().ok()
    }

    /// Whether commands reach a worker at this moment.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.sender.is_live()
    }

    /// For sending commands from elsewhere while somebody waits for events here.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Asks the worker to do something.
    ///
    /// # Errors
    /// `Input` when no worker is there or it refuses.
    pub async fn send(&self, command: Command) -> Result<()> {
        self.sender.send(command).await
    }
}

impl Sender {
    /// Whether commands reach a worker at this moment.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// The run whose worker it is.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Asks the worker to do something; it has taken the command when this returns, and does it between two steps.
    ///
    /// # Errors
    /// `Input` when no worker is there or it refuses.
    pub async fn send(&self, command: Command) -> Result<()> {
        self.ask(command).await
    }

    /// Asks at once, and gives what waits for the answer: what is asked one after the other is done in that order.
    ///
    /// # Errors
    /// As [`send`](Self::send), when it is awaited.
    pub fn ask(&self, command: Command) -> impl Future<Output = Result<()>> + use<> {
        let (answer, answered) = oneshot::channel();
        let asked = self.commands.try_send((command, answer));
        let (workspace, run) = (self.workspace.clone(), self.run.clone());
        async move {
            let refused = |why: String| client::refused(&workspace, &run, &why);
            match asked {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    return Err(refused("too many commands are waiting".into()));
                }
                Err(TrySendError::Closed(_)) => {
                    return Err(refused("cannot be reached from here".into()));
                }
            }
            match tokio::time::timeout(PATIENCE, answered).await {
                Ok(Ok(reply)) => reply.map_err(refused),
                Ok(Err(_)) => Err(refused("cannot be reached from here".into())),
                Err(_) => Err(refused("its worker does not answer".into())),
            }
        }
    }
}

/// What a worker says first.
enum Greeting {
    Hello(Hello),
    Dropped(String),
}

/// The task behind a connection.
struct Feed {
    workspace: Workspace,
    id: String,
    lock_path: PathBuf,
    /// Lent to a blocking task while it reads.
    follower: Option<Follower>,
    events: mpsc::Sender<Stamped>,
    commands: mpsc::Receiver<(Command, Answer)>,
    live: Arc<AtomicBool>,
    /// The run's end was told, and no new beginning since.
    ended: bool,
    /// The last epoch told, 0 before the first; `None` before the beginning.
    told: Option<usize>,
    /// What was told before it stood in the log.
    ahead: Vec<Stamped>,
    /// It was said that the worker does not serve this client.
    turned_away: bool,
    /// It was said that the worker is of another version.
    is_other: bool,
}

impl Feed {
    async fn run(mut self) {
        self.follow().await;
        self.live.store(false, Ordering::Relaxed);
    }

    /// `Break` anywhere below means that nobody listens any more.
    async fn follow(&mut self) {
        loop {
            // Asked before reading: what a worker wrote before it went is then certainly read.
            let is_there = self.is_there();
            if self.catch_up(u64::MAX).await.is_break() {
                return;
            }
            if !is_there {
                // Nobody who listens is left, where this breaks.
                let _ = self.tell_rest().await;
                return;
            }
            let watched = match self.connect().await {
                Some((Greeting::Hello(hello), lines, writer)) => {
                    self.live.store(true, Ordering::Relaxed);
                    let watched = self.watch(&hello, lines, writer).await;
                    self.live.store(false, Ordering::Relaxed);
                    watched
                }
                Some((Greeting::Dropped(why), ..)) => self.on_dropped(why).await,
                None => ControlFlow::Continue(()),
            };
            if watched.is_break() {
                return;
            }
            self.wait().await;
        }
    }

    /// Whether more may come: a worker holds the lock, or one on another machine still writes.
    fn is_there(&self) -> bool {
        if lock::is_held(&self.lock_path) {
            return true;
        }
        let host = lock::holder(&self.lock_path).host;
        if !self.ended
            && self
                .record()
                .is_some_and(|(_, status)| status == Status::Queued)
        {
            // It has its turn some time.
            return true;
        }
        if host.is_empty() && self.record().is_some_and(|(_, status)| status.is_over()) {
            // A record that was copied here.
            return false;
        }
        host != lock::host_name() && !self.ended && !self.workspace.is_silent(&self.id)
    }

    fn record(&self) -> Option<(Profile, Status)> {
        let record = self.workspace.load(&self.id).ok()?;
        let status = record.run.as_ref()?.status;
        Some((record, status))
    }

    /// Tells what the record has of a run that is over and whose log does not say so.
    async fn tell_rest(&mut self) -> ControlFlow<()> {
        if self.ended {
            return ControlFlow::Continue(());
        }
        let Some((record, _)) = self.record() else {
            return ControlFlow::Continue(());
        };
        for event in history::events_of(&record, self.told) {
            self.tell(event).await?;
        }
        ControlFlow::Continue(())
    }

    /// Tells everything that the log has up to byte `end`.
    async fn catch_up(&mut self, end: u64) -> ControlFlow<()> {
        loop {
            let Some(mut follower) = self.follower.take() else {
                return ControlFlow::Break(());
            };
            let read = tokio::task::spawn_blocking(move || {
                let events = follower.poll_until(end);
                (follower, events)
            });
            let Ok((follower, events)) = read.await else {
                return ControlFlow::Break(());
            };
            self.follower = Some(follower);
            // A log that cannot be read just now is tried again with the next poll.
            let events = events.unwrap_or_default();
            if events.is_empty() {
                return ControlFlow::Continue(());
            }
            for event in events {
                match self.ahead.iter().position(|told| *told == event) {
                    Some(told) => drop(self.ahead.remove(told)),
                    None => self.tell(event).await?,
                }
            }
        }
    }

    async fn tell(&mut self, event: Stamped) -> ControlFlow<()> {
        match &event.event {
            Event::Started(_) => {
                self.told = self.told.or(Some(0));
                self.ended = false;
            }
            Event::EpochEnd(end) => self.told = Some(end.epoch),
            // A warning may still come after it.
            Event::Finished { .. } | Event::Failed { .. } => self.ended = true,
            _ => {}
        }
        match self.events.send(event).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Says once that the worker does not serve this client, or not any more; the log is still there for it.
    async fn on_dropped(&mut self, why: String) -> ControlFlow<()> {
        if std::mem::replace(&mut self.turned_away, true) {
            return ControlFlow::Continue(());
        }
        let message = format!("{why}; this one follows the log");
        self.tell(Stamped::now(Event::Warning { message })).await
    }

    async fn connect(&self) -> Option<(Greeting, Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf)> {
        let socket = lock::holder(&self.lock_path).socket?;
        let greeting = async {
            let stream = UnixStream::connect(&socket).await.ok()?;
            let peer = stream.peer_cred().ok()?;
            if peer.uid() != rustix::process::geteuid().as_raw() {
                return None;
            }
            let (reader, writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            let line = lines.next_line().await.ok()??;
            match protocol::parse(&line)? {
                FromWorker::Hello(hello) if hello.run == self.id => {
                    Some((Greeting::Hello(hello), lines, writer))
                }
                FromWorker::Dropped(why) => Some((Greeting::Dropped(why), lines, writer)),
                _ => None,
            }
        };
        tokio::time::timeout(PATIENCE, greeting).await.ok()?
    }

    /// Passes events on and commands over until the worker hangs up.
    async fn watch(
        &mut self,
        hello: &Hello,
        mut lines: Lines<BufReader<OwnedReadHalf>>,
        mut writer: OwnedWriteHalf,
    ) -> ControlFlow<()> {
        self.catch_up(hello.log_length).await?;
        if let Some(message) = protocol::otherness(hello.format)
            && !std::mem::replace(&mut self.is_other, true)
        {
            self.tell(Stamped::now(Event::Warning { message })).await?;
        }
        let mut waiting: VecDeque<Answer> = VecDeque::new();
        loop {
            tokio::select! {
                line = lines.next_line() => {
                    let Ok(Some(line)) = line else {
                        return ControlFlow::Continue(());
                    };
                    self.on_line(&line, &mut waiting).await?;
                }
                command = self.commands.recv() => match command {
                    Some((command, answer)) => match protocol::command_line(&command, hello.format) {
                        Ok(line) => {
                            waiting.push_back(answer);
                            if writer.write_all(&line).await.is_err() {
                                return ControlFlow::Continue(());
                            }
                        }
                        // Who asked may have stopped waiting.
                        Err(why) => drop(answer.send(Err(why))),
                    },
                    // No sender and no connection is left.
                    None => return ControlFlow::Break(()),
                },
                () = self.events.closed() => return ControlFlow::Break(()),
            }
        }
    }

    async fn on_line(&mut self, line: &str, waiting: &mut VecDeque<Answer>) -> ControlFlow<()> {
        match protocol::parse(line) {
            Some(FromWorker::Event(event)) => {
                if let Some(follower) = &mut self.follower {
                    follower.skip(format!("{line}\n").as_bytes());
                }
                self.tell(*event).await?;
            }
            // Whoever comes back is told it again.
            Some(FromWorker::Unlogged(event)) if !self.ahead.contains(&event) => {
                self.ahead.push((*event).clone());
                self.tell(*event).await?;
            }
            Some(FromWorker::Dropped(why)) => self.on_dropped(why).await?,
            Some(FromWorker::Rewound(length)) => {
                self.ahead.clear();
                if let Some(follower) = &mut self.follower {
                    follower.rewind(length);
                }
            }
            Some(FromWorker::Reply(reply)) => {
                if let Some(answer) = waiting.pop_front() {
                    let result = if reply.ok {
                        Ok(())
                    } else {
                        Err(crate::text::sanitize(&reply.error.unwrap_or_default()))
                    };
                    // Who asked may have stopped waiting.
                    let _ = answer.send(result);
                }
            }
            Some(FromWorker::Hello(_) | FromWorker::Unlogged(_)) | None => {}
        }
        ControlFlow::Continue(())
    }

    /// Lets some time pass; commands meanwhile go through the run's directory.
    async fn wait(&mut self) {
        let is_here = lock::is_held(&self.lock_path);
        self.live.store(is_here, Ordering::Relaxed);
        let pause = tokio::time::sleep(POLL);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return,
                Some((command, answer)) = self.commands.recv() => {
                    let (workspace, id) = (self.workspace.clone(), self.id.clone());
                    tokio::task::spawn_blocking(move || {
                        let left = if lock::is_held(&workspace.lock_path(&id)) {
                            spool::leave(&workspace, &id, &command).map_err(|e| e.to_string())
                        } else {
                            Err("no worker can be reached from here".into())
                        };
                        // Who asked may have stopped waiting.
                        let _ = answer.send(left);
                    });
                }
            }
        }
    }
}
