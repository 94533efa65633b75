//! The process that trains one run: owns its lock, log, socket and signals, and gives the training a thread of its own.
//!
//! Every screen may vanish; this goes on. It prints nothing: what it has to say is in the log and in the profile.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};

use super::host::WorkerHost;
use super::journal::Journal;
use super::lock::{self, Holder, RunLock};
use super::record::{self, Recorder};
use super::server::{self, Service};
use super::{load, pretrained, socket};
use crate::data;
use crate::error::{Error, Result};
use crate::event::{Command, Event};
use crate::profile::{Profile, Status};
use crate::run::Workspace;
use crate::train::{self, Host, Setup, checkpoint};

/// Automatic differentiation walks the graph recursively.
pub const STACK: usize = 64 << 20;

/// Commands that may wait for the training.
const COMMANDS: usize = 64;

/// How long clients may take to hear the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Finished,
    /// Finished, but what was recorded is not what it should be: its figures are those of other weights than the best.
    Flawed,
    Stopped,
    Failed,
}

impl End {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
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
/// `Busy` when another worker has it; `Input` when there is no such run or it has already begun; `Io` when its files
/// cannot be written. Everything that happens later is told as `Failed` and is not an error here.
pub fn run(workspace: &Workspace, id: &str, resume: bool) -> Result<End> {
    // Fails where the process already leads a session, which is as good.
    let _ = rustix::process::setsid();
    let mut profile = workspace.load(id)?;
    let dir = workspace.run_dir(id);
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
    let lock = RunLock::acquire(&workspace.lock_path(id), id)?;
    match serve_and_train(workspace, &profile, resume, lock) {
        Ok(end) => Ok(end),
        Err(e) => {
            if let Some(run) = &mut profile.run {
                run.status = Status::Failed;
                run.error = e.to_string();
                // The error that is about to be returned says more than this save's.
                let _ = workspace.save(&profile);
            }
            Err(e)
        }
    }
}

fn serve_and_train(
    workspace: &Workspace,
    profile: &Profile,
    resume: bool,
    mut lock: RunLock,
) -> Result<End> {
    let id = profile.run.as_ref().map_or("", |r| r.id.as_str());
    let journal = Journal::open(&workspace.events_path(id))?;
    if !resume && journal.log_length() > 0 {
        return Err(Error::input(
            format!("run {id}"),
            "has already begun",
            format!("go on with `fmtui resume {id}`"),
        ));
    }
    let recorder = Recorder::begin(workspace.profile_path(id), profile.clone())?;
    let (commands, receiver) = sync_channel(COMMANDS);
    let host = WorkerHost::new(receiver, recorder, journal.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::compute("starting the worker", e))?;
    let listening = {
        let _inside = runtime.enter();
        listen(workspace, id, &journal)
    };
    let path = listening.as_ref().map(|(_, path)| path.clone());
    lock.describe(&Holder {
        pid: std::process::id(),
        host: lock::host_name(),
        socket: path.clone(),
    })?;
    let end = runtime.block_on(async {
        let stopping = Stopping::install(commands.clone())?;
        tokio::spawn(stopping.watch(path.clone()));
        tokio::spawn(load::watch(
            journal.clone(),
            load::gpu_index(&profile.train.device),
        ));
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
        let end = train_on_own_thread(workspace, profile, resume, host).await;
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
    end
}

/// The socket; a run without one still trains, and is followed through its log and stopped by signal.
fn listen(
    workspace: &Workspace,
    id: &str,
    journal: &Journal,
) -> Option<(tokio::net::UnixListener, std::path::PathBuf)> {
    let opened = socket::open(workspace, id).and_then(|(listener, path)| {
        listener
            .set_nonblocking(true)
            .and_then(|()| tokio::net::UnixListener::from_std(listener))
            .map(|listener| (listener, path.clone()))
            .map_err(|e| Error::io("listen on", path, e))
    });
    opened
        .inspect_err(|e| {
            journal.tell(Event::Warning {
                message: format!("{e}; attach can watch this run but not control it"),
            });
        })
        .ok()
}

async fn train_on_own_thread(
    workspace: &Workspace,
    profile: &Profile,
    resume: bool,
    mut host: WorkerHost,
) -> Result<End> {
    let (done, ended) = oneshot::channel();
    let (workspace, profile) = (workspace.clone(), profile.clone());
    std::thread::Builder::new()
        .name("training".into())
        .stack_size(STACK)
        .spawn(move || {
            let end = train_to_the_end(&workspace, &profile, resume, &mut host);
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
    host: &mut WorkerHost,
) -> End {
    let trained = std::panic::catch_unwind(AssertUnwindSafe(|| {
        load_and_train(workspace, profile, resume, host)
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
        Err(panic) => (
            Event::Failed {
                message: format!("the training panicked: {}", panic_message(panic.as_ref())),
                remedy: "this is a bug of fmtui; worker.log in the run's directory says where"
                    .into(),
            },
            End::Failed,
        ),
    };
    if host.end(event) { end } else { End::Failed }
}

fn load_and_train(
    workspace: &Workspace,
    profile: &Profile,
    resume: bool,
    host: &mut WorkerHost,
) -> Result<train::Outcome> {
    let id = profile.run.as_ref().map_or("", |r| r.id.as_str());
    let directory = workspace.run_dir(id);
    let dataset = data::source::load(&profile.data.name, &workspace.search_path())?;
    let profile = record::on_this_machine(profile, &dataset)?;
    host.describe(&profile);
    let resume = resume && checkpoint::exists(&directory);
    if !resume {
        // A run that died before its first checkpoint begins again, and so does its log.
        host.rewind_log(0)?;
    }
    let unverified = pretrained::cached(workspace, &profile.model).map(|cached| cached.source);
    let unverified = unverified.filter(|source| !resume && !source.vouched);
    let setup = Setup {
        profile: &profile,
        warnings: unverified
            .map(|source| format!("{} is here {}", source.reference(), source.verified()))
            .into_iter()
            .chain(data::source::remarks(
                &profile.data.name,
                &workspace.search_path(),
            ))
            .collect(),
        dataset,
        directory: &directory,
        pretrained: if resume {
            None
        } else {
            pretrained::load(workspace, &profile.model)?
        },
        resume,
    };
    let outcome = train::train(setup, host)?;
    host.conclude(&outcome);
    Ok(outcome)
}

/// What a panic said.
#[must_use]
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".into())
}

/// The signals that end a run. Their handlers only set a flag; the run is saved between two steps.
struct Stopping {
    signals: [(Signal, i32); 3],
    /// A file-size limit must be an error of the write, not the end of the process.
    file_size: Signal,
    commands: SyncSender<Command>,
}

impl Stopping {
    fn install(commands: SyncSender<Command>) -> Result<Self> {
        let catch = |kind: SignalKind| {
            signal(kind).map_err(|e| Error::compute("installing a signal handler", e))
        };
        let number = |kind: SignalKind| kind.as_raw_value();
        let kinds = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ];
        let [terminate, interrupt, hangup] = kinds;
        Ok(Self {
            signals: [
                (catch(terminate)?, number(terminate)),
                (catch(interrupt)?, number(interrupt)),
                (catch(hangup)?, number(hangup)),
            ],
            file_size: catch(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
            commands,
        })
    }

    /// The first signal stops the run as the command does; the second ends the process at once.
    async fn watch(mut self, socket: Option<std::path::PathBuf>) {
        let mut asked = false;
        loop {
            let [(terminate, a), (interrupt, b), (hangup, c)] = &mut self.signals;
            let number = tokio::select! {
                _ = terminate.recv() => *a,
                _ = interrupt.recv() => *b,
                _ = hangup.recv() => *c,
                _ = self.file_size.recv() => continue,
            };
            if asked {
                if let Some(path) = &socket {
                    let _ = std::fs::remove_file(path);
                }
                std::process::exit(128 + number);
            }
            asked = true;
            // Fails only when the run has ended anyway or dozens of commands wait; a second signal then ends it.
            let _ = self.commands.try_send(Command::Stop);
        }
    }
}

/// Where a stop was asked for and the run goes on again, the stop is no part of it any more.
pub fn forget_stops(profile: &mut Profile) {
    if let Some(run) = &mut profile.run {
        run.interventions.retain(|i| i.what != "stop");
    }
}
