//! The process that trains one run: owns its lock, log, socket and signals, and gives the training a thread of its own.
//!
//! Every screen may vanish; this goes on. It prints nothing: what it has to say is in the log and in the profile.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};

use super::context::WorkerContext;
use super::journal::Journal;
use super::lock::{self, Holder, RunLock};
use super::queue::scheduler;
use super::record::{self, Recorder};
use super::reserve::Reserve;
use super::server::{self, Service};
use super::signals::Endings;
use super::training::{Ready, STACK, panic_message};
use super::{history, memory, pretrained, resource_monitor, socket, spool};
use crate::data;
use crate::error::{Error, Result};
use crate::event::{Command, Event};
use crate::kernels::plan::OUT_OF_MEMORY;
use crate::profile::{Profile, Status};
use crate::run::Workspace;
use crate::train::{Outcome, TrainingContext, checkpoint};

/// Commands that may wait for the training.
const COMMANDS: usize = 64;

/// How long is waited where as many commands wait as may.
const FULL: Duration = Duration::from_millis(50);

/// How often it is looked whether the queue has its scheduler.
const SCHEDULER_LOOK: Duration = Duration::from_secs(5);

/// How long clients may take to hear the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Finished,
    /// Finished, but what was recorded is not what it should be: its figures are those of other weights than the best.
    Flawed,
    Stopped,
    Failed,
}

impl End {
    /// The process's exit code.
    #[must_use]
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Finished => 0,
            Self::Flawed | Self::Failed => 1,
            Self::Stopped => 3,
        }
    }
}

/// Trains the run until it ends; `resume` goes on from its newest checkpoint.
///
/// # Errors
/// `Busy` when somebody else has it; `Input` when there is no such run, or it has already started or ended; `Io` when
/// its files cannot be written. Everything that happens later is told as `Failed` and is not an error here.
pub(crate) fn run(workspace: &Workspace, id: &str, resume: bool) -> Result<End> {
    // Fails where the process already leads a session, which is as good.
    let _ = rustix::process::setsid();
    call_it_fmtui();
    let reached = Reached::open()?;
    let mut lock = workspace.own(id)?;
    // Read only now: before, others may have changed it.
    let mut profile = workspace.load(id)?;
    if resume {
        record::check_unfinished(&profile)?;
        forget_stops(&mut profile);
    }
    match serve_and_train(workspace, &profile, resume, &mut lock, reached) {
        Ok(end) => Ok(end),
        Err(e) => {
            if let Some(run) = &mut profile.run {
                run.status = Status::Failed;
                run.error = e.to_string();
                // The run is still ours, and the error that is about to be returned says more than this save's.
                let _ = workspace.save(&profile);
            }
            Err(e)
        }
    }
}

/// A program that was started as `/proc/self/exe` is called `exe` in lists of processes. Where the system takes no
/// name, it keeps that one.
pub(super) fn call_it_fmtui() {
    let _ = std::fs::write("/proc/self/comm", "fmtui");
}

/// What hears of a worker's signals and commands: there before anything else is, so that no signal comes too early.
struct Reached {
    runtime: Runtime,
    commands: SyncSender<Command>,
    receiver: Receiver<Command>,
    /// Where the worker listens, once it does.
    socket: Arc<OnceLock<PathBuf>>,
    /// Set where a signal has asked the run to stop.
    signalled: Arc<AtomicBool>,
}

impl Reached {
    fn open() -> Result<Self> {
        let (commands, receiver) = sync_channel(COMMANDS);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| Error::compute("starting the worker", e))?;
        let socket = Arc::<OnceLock<PathBuf>>::default();
        let signalled = Arc::<AtomicBool>::default();
        let stopping = {
            let _inside = runtime.enter();
            Stopping::install(commands.clone(), Arc::clone(&signalled))?
        };
        runtime.spawn(stopping.watch(Arc::clone(&socket)));
        Ok(Self {
            runtime,
            commands,
            receiver,
            socket,
            signalled,
        })
    }
}

fn serve_and_train(
    workspace: &Workspace,
    profile: &Profile,
    resume: bool,
    lock: &mut RunLock,
    reached: Reached,
) -> Result<End> {
    let Reached {
        runtime,
        commands,
        receiver,
        socket,
        signalled,
    } = reached;
    let id = profile.run.as_ref().map_or("", |r| r.id.as_str());
    let journal = Journal::open(&workspace.events_path(id))?;
    if !resume && journal.log_length() > 0 {
        return Err(Error::input(
            format!("run {id}"),
            "has already started",
            format!("resume it with `fmtui resume {id}`"),
        ));
    }
    let recorder = Recorder::begin(workspace.profile_path(id), with_history(workspace, profile))?;
    let (listening, warnings) = {
        let _inside = runtime.enter();
        match listen(workspace, id) {
            Ok(listening) => (Some(listening), Vec::new()),
            // A run without one still trains, and is followed through its log.
            Err(e) => (
                None,
                vec![format!("{e}; the run takes commands through its directory")],
            ),
        }
    };
    let path = listening.as_ref().map(|(_, path)| path.clone());
    if let Some(path) = &path {
        // Nobody else sets it.
        let _ = socket.set(path.clone());
    }
    let sign = lock.describe(&Holder {
        pid: std::process::id(),
        host: lock::host_name(),
        socket: path.clone(),
        kills: Some(memory::kills()),
    })?;
    let context = WorkerContext::new(receiver, recorder, journal.clone(), |_| ())
        .with_sign(sign)
        .with_signals(signalled)
        .with_reserve(Reserve::keep(workspace.run_dir(id).join("reserve")));
    let end = runtime.block_on(async {
        tokio::spawn(resource_monitor::watch(
            context.bus(),
            journal.clone(),
            resource_monitor::gpu_index(&profile.train.device),
        ));
        tokio::spawn(spool::watch(
            spool::directory(workspace, id),
            commands.clone(),
        ));
        tokio::spawn(keep_scheduler(workspace.clone()));
        let closing = Arc::new(Notify::new());
        let serving = listening.map(|(listener, _)| {
            let service = Service {
                run: id.into(),
                journal: journal.clone(),
                commands,
            };
            let closing = Arc::clone(&closing);
            tokio::spawn(server::serve(listener, service, async move {
                closing.notified().await;
            }))
        });
        let end = train_on_own_thread(workspace, profile, resume, warnings, context).await;
        journal.close();
        closing.notify_one();
        if let Some(serving) = serving {
            // Who has not heard the end by now reads it in the log.
            let _ = tokio::time::timeout(FAREWELL, serving).await;
        }
        end
    });
    if let Some(path) = path {
        let _ = std::fs::remove_file(path);
    }
    runtime.shutdown_background();
    // What waits for this run's place is started by somebody; where that cannot be, the next command does it.
    let _ = scheduler::ensure(workspace);
    end
}

/// Brings the scheduler up again where it was killed.
async fn keep_scheduler(workspace: Workspace) {
    loop {
        tokio::time::sleep(SCHEDULER_LOOK).await;
        let there = workspace.clone();
        // The next time is soon enough where it fails.
        let _ = tokio::task::spawn_blocking(move || scheduler::ensure(&there)).await;
    }
}

/// The record with all its epochs, which the log has; where it has none, with those that were recorded.
fn with_history(workspace: &Workspace, profile: &Profile) -> Profile {
    let id = profile.run.as_ref().map_or("", |r| r.id.as_str());
    let logged = history::of_log(&workspace.events_path(id));
    let mut profile = profile.clone();
    if !logged.is_empty() {
        profile.history = logged;
    }
    profile
}

fn listen(workspace: &Workspace, id: &str) -> Result<(tokio::net::UnixListener, PathBuf)> {
    let (listener, path) = socket::open(workspace, id)?;
    listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::UnixListener::from_std(listener))
        .map(|listener| (listener, path.clone()))
        .map_err(|e| Error::io("listen on", path, e))
}

async fn train_on_own_thread(
    workspace: &Workspace,
    profile: &Profile,
    resume: bool,
    warnings: Vec<String>,
    mut context: WorkerContext,
) -> Result<End> {
    let (done, ended) = oneshot::channel();
    let (workspace, profile) = (workspace.clone(), profile.clone());
    std::thread::Builder::new()
        .name("training".into())
        .stack_size(STACK)
        .spawn(move || {
            let end = train_to_the_end(&workspace, &profile, resume, warnings, &mut context);
            // The receiver waits for exactly this.
            let _ = done.send(end);
        })
        .map_err(|e| Error::compute("starting the training thread", e))?;
    Ok(ended.await.unwrap_or(End::Failed))
}

/// Trains and tells the end, whatever it is.
fn train_to_the_end(
    workspace: &Workspace,
    profile: &Profile,
    resume: bool,
    warnings: Vec<String>,
    context: &mut WorkerContext,
) -> End {
    let trained = std::panic::catch_unwind(AssertUnwindSafe(|| {
        load_and_train(workspace, profile, resume, warnings, context)
    }));
    let (event, end) = match trained {
        Ok(Ok(outcome)) => {
            let end = match (outcome.complete, outcome.result.note.as_str()) {
                (false, _) => End::Stopped,
                (true, "") => End::Finished,
                (true, _) => End::Flawed,
            };
            let event = Event::Finished {
                complete: outcome.complete,
                reason: outcome.reason,
                result: Box::new(outcome.result),
            };
            (event, end)
        }
        Ok(Err(error)) => (
            Event::Failed {
                message: error.to_string(),
                remedy: error.remedy().unwrap_or_default().into(),
            },
            End::Failed,
        ),
        Err(panic) if panic_message(panic.as_ref()).starts_with(OUT_OF_MEMORY) => (
            Event::Failed {
                message: panic_message(panic.as_ref()),
                remedy: "free some memory, or train with a smaller train.batch_size".into(),
            },
            End::Failed,
        ),
        Err(panic) => (
            Event::Failed {
                message: format!("the training panicked: {}", panic_message(panic.as_ref())),
                remedy: "this is a bug of fmtui; worker.log in the run's directory says where"
                    .into(),
            },
            End::Failed,
        ),
    };
    if context.end(event) { end } else { End::Failed }
}

fn load_and_train(
    workspace: &Workspace,
    profile: &Profile,
    resume: bool,
    mut warnings: Vec<String>,
    context: &mut WorkerContext,
) -> Result<Outcome> {
    let id = profile.run.as_ref().map_or("", |r| r.id.as_str());
    let directory = workspace.run_dir(id);
    let ready = Ready::read(workspace, profile)?;
    let profile = &ready.profile;
    context.describe(profile);
    let resume = resume && checkpoint::exists(&directory);
    if !resume {
        // A run that died before its first checkpoint begins again, and so does its log.
        context.rewind_log(0)?;
    }
    let unverified = pretrained::cached(workspace, &profile.model).map(|cached| cached.source);
    let unverified = unverified.filter(|source| !resume && !source.vouched);
    warnings.extend(
        unverified.map(|source| format!("{} is cached {}", source.reference(), source.verified())),
    );
    warnings.extend(data::locate::remarks(
        &profile.data.name,
        &workspace.search_path(),
    ));
    let outcome = ready.train(workspace, &directory, resume, warnings, context)?;
    context.conclude(&outcome);
    Ok(outcome)
}

/// The signals that end a run. Their handlers only set a flag; the run is saved between two steps.
struct Stopping {
    endings: Endings,
    /// A file-size limit must be an error of the write, not the end of the process.
    file_size: Signal,
    commands: SyncSender<Command>,
    signalled: Arc<AtomicBool>,
}

impl Stopping {
    fn install(commands: SyncSender<Command>, signalled: Arc<AtomicBool>) -> Result<Self> {
        let file_size = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        Ok(Self {
            endings: Endings::install()?,
            file_size: signal(file_size)
                .map_err(|e| Error::compute("installing a signal handler", e))?,
            commands,
            signalled,
        })
    }

    /// The first signal stops the run as the command does; the second ends the process at once, unless it only warns.
    async fn watch(mut self, socket: Arc<OnceLock<PathBuf>>) {
        let mut asked = false;
        loop {
            let ending = tokio::select! {
                ending = self.endings.next() => ending,
                _ = self.file_size.recv() => continue,
            };
            if asked && !ending.is_warning() {
                if let Some(path) = socket.get() {
                    let _ = std::fs::remove_file(path);
                }
                std::process::exit(ending.exit_code());
            }
            if !asked {
                self.signalled.store(true, Ordering::SeqCst);
                tokio::spawn(ask_to_stop(self.commands.clone()));
            }
            asked = true;
        }
    }
}

/// Asks until the training takes it or has ended.
async fn ask_to_stop(commands: SyncSender<Command>) {
    while let Err(TrySendError::Full(_)) = commands.try_send(Command::Stop) {
        tokio::time::sleep(FULL).await;
    }
}

/// Where a stop was asked for and the run goes on again, the stop is no part of it any more.
pub(crate) fn forget_stops(profile: &mut Profile) {
    if let Some(run) = &mut profile.run {
        run.interventions.retain(|i| i.what != "stop");
    }
}
