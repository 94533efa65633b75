//! What a screen or a command does to runs: start one, resume one, ask one to do something. Watching is `connection`'s.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::preflight::{Checked, Network, Preparation};
use super::protocol::{self, FromWorker};
use super::{Workspace, lock, memory, record, spool};
use crate::error::{Error, Result};
use crate::event::Command;
use crate::profile::{self, Exclude, Status};
use crate::train;

/// How long a worker may take to come up before its starter looks no longer.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// The exit code of a worker that did nothing, for [`Error::Input`] and [`Error::Busy`].
const NOT_OURS: i32 = 2;

/// How long a worker may take to answer.
const REPLY_PATIENCE: Duration = Duration::from_secs(5);

const POLL: Duration = Duration::from_millis(10);

/// Starts a run: writes the profile down, brings a worker up. Gives the run's id.
///
/// # Errors
/// `Io` when the workspace cannot be written, `Compute` with the worker's own words when it died at once.
pub fn start(workspace: &Workspace, checked: &Checked) -> Result<String> {
    let id = workspace.create(&checked.profile)?;
    bring_up(workspace, &id, false, None)?;
    Ok(id)
}

/// What a worker may use of its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Where the recipe does not say how many.
    pub threads: usize,
    /// As `CUDA_VISIBLE_DEVICES` names it; all where none is named.
    pub gpu: Option<String>,
}

/// What a seat sets, and under which name what was there before is handed on.
const SEAT: [(&str, &str); 2] = [
    (profile::THREADS, "FMTUI_OUTER_THREADS"),
    ("CUDA_VISIBLE_DEVICES", "FMTUI_OUTER_GPUS"),
];

impl Seat {
    fn set(&self, command: &mut std::process::Command) {
        let threads = self.threads.to_string();
        for ((name, outer), value) in SEAT.iter().zip([Some(&threads), self.gpu.as_ref()]) {
            if let Some(value) = value {
                command.env(outer, std::env::var_os(name).unwrap_or_default());
                command.env(name, value);
            }
        }
    }
}

/// Gives a process that a worker starts for the whole workspace what the worker's own starter had.
pub(super) fn outside_a_seat(command: &mut std::process::Command) {
    for (name, outer) in SEAT {
        match std::env::var_os(outer) {
            Some(before) if before.is_empty() => command.env_remove(name).env_remove(outer),
            Some(before) => command.env(name, before).env_remove(outer),
            None => continue,
        };
    }
}

/// Brings up the worker of a run that is written down.
///
/// # Errors
/// As [`start()`].
pub(super) fn begin(workspace: &Workspace, id: &str, resume: bool) -> Result<()> {
    bring_up(workspace, id, resume, None)
}

/// Brings up the worker of a run that waits in the queue, or whose worker is gone.
///
/// # Errors
/// As [`start()`].
pub(super) fn launch(workspace: &Workspace, id: &str, resume: bool, seat: &Seat) -> Result<()> {
    bring_up(workspace, id, resume, Some(seat))
}

/// Goes on with a stopped, failed or lost run from its newest checkpoint.
///
/// # Errors
/// `Input` when the run is finished, cannot work or is not what its checkpoint was made with, `Busy` when it is running
/// or paused, else as [`start()`].
pub fn resume(workspace: &Workspace, id: &str) -> Result<()> {
    let (progress, never) = (&mut |_| (), AtomicBool::new(false));
    check_resumable(workspace, id, false, progress, &never)?;
    resume_checked(workspace, id)
}

/// Checks that a run can be resumed, and begins nothing; gives what is to be known before. `force` goes on where memory
/// is wanting, too. Images that must be decoded first are.
///
/// # Errors
/// As [`resume`]; `Cancelled`.
pub fn check_resumable(
    workspace: &Workspace,
    id: &str,
    force: bool,
    progress: &mut dyn FnMut(Preparation),
    cancel: &AtomicBool,
) -> Result<Option<String>> {
    let profile = workspace.load(id)?;
    let status = profile.run.as_ref().map_or(Status::Created, |r| r.status);
    if workspace.live_status(id, status).has_worker() {
        return Err(Error::Busy {
            run: id.into(),
            pid: lock::holder(&workspace.lock_path(id)).pid,
        });
    }
    record::check_unfinished(&profile)?;
    // Its weights are in its checkpoint: where the first came from is of no more interest.
    let mut network = profile.clone();
    network.model.pretrained.clear();
    // A list of excluded images that is newer than the run is not the run's.
    if network.data.exclude_sha256.is_empty() {
        network.data.exclude = Exclude::None;
    }
    let network = Network::read(workspace, network, force, progress, cancel)?;
    train::check_resumable(&workspace.run_dir(id), &profile, &network.dataset.sha256)?;
    Ok(network.check(workspace)?.warning)
}

/// Resumes a run that [`check_resumable`] has nothing against.
///
/// # Errors
/// As [`start()`].
pub fn resume_checked(workspace: &Workspace, id: &str) -> Result<()> {
    // Nothing is written here: only who has the run changes its record, and that is the worker.
    bring_up(workspace, id, true, None)
}

/// Asks the run's worker to do something; it has taken the command when this returns, and does it between two steps.
///
/// # Errors
/// `Input` when the run is not running, the worker refuses or takes no commands; `Io` when none can be left for it.
pub fn send(workspace: &Workspace, id: &str, command: &Command) -> Result<()> {
    let path = workspace.lock_path(id);
    if !lock::is_held(&path) {
        return Err(workspace.not_running(id));
    }
    let holder = lock::holder(&path);
    let asked = holder.socket.map(|socket| ask(&socket, command));
    match asked {
        Some(Ok(answered)) => answered.map_err(|why| refused(workspace, id, &why)),
        // The socket is on another machine, or was taken away; the run's directory is still there.
        Some(Err(_)) | None => match spool::leave(workspace, id, command) {
            // Nothing can be written there either: a worker still knows signals.
            Err(Error::Io { .. })
                if *command == Command::Stop && holder.host == lock::host_name() =>
            {
                terminate(holder.pid)
            }
            other => other,
        },
    }
}

/// Why a worker does not do what it was asked.
pub(super) fn refused(workspace: &Workspace, id: &str, why: &str) -> Error {
    if protocol::is_unknown(why) {
        return Error::input(
            format!("run {id}"),
            "its worker was started by another version of fmtui and does not know this command",
            format!("stop it, then `fmtui resume {id}` continues with this version"),
        );
    }
    if !workspace.is_running(id) {
        return workspace.not_running(id);
    }
    let remedy = "the run keeps training; try again, or watch it with `fmtui attach`";
    Error::input(format!("run {id}"), crate::text::sanitize(why), remedy)
}

fn terminate(pid: u32) -> Result<()> {
    let pid = i32::try_from(pid).ok();
    let found = pid.and_then(rustix::process::Pid::from_raw);
    let told = found.map_or(Err(rustix::io::Errno::SRCH), |pid| {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
    });
    told.map_err(|e| Error::compute("asking the worker to end", e))
}

fn ask(socket: &std::path::Path, command: &Command) -> std::io::Result<Result<(), String>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(REPLY_PATIENCE))?;
    stream.set_write_timeout(Some(REPLY_PATIENCE))?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        match protocol::parse(&line?) {
            Some(FromWorker::Hello(hello)) => match protocol::command_line(command, hello.format) {
                Ok(line) => stream.write_all(&line)?,
                Err(why) => return Ok(Err(why)),
            },
            Some(FromWorker::Reply(reply)) if reply.ok => return Ok(Ok(())),
            Some(FromWorker::Reply(reply)) => return Ok(Err(reply.error.unwrap_or_default())),
            // It serves as many as it can already.
            Some(FromWorker::Dropped(_)) => {
                return Err(std::io::ErrorKind::ConnectionRefused.into());
            }
            _ => {}
        }
    }
    Ok(Err("ended before it answered".into()))
}

/// Spawns the worker and waits until it listens, has logged something, or died.
fn bring_up(workspace: &Workspace, id: &str, resume: bool, seat: Option<&Seat>) -> Result<()> {
    let log_length = || std::fs::metadata(workspace.events_path(id)).map_or(0, |m| m.len());
    let before = log_length();
    let mut child = spawn(workspace, id, resume, seat)?;
    let since = Instant::now();
    while since.elapsed() < START_PATIENCE {
        let exited = child
            .try_wait()
            .map_err(|e| Error::compute("waiting for the worker", e))?;
        if let Some(status) = exited {
            if status.code() == Some(NOT_OURS)
                && let Some(error) = taken(workspace, id)
            {
                return Err(error);
            }
            // A run that ended this soon has told its story in the log; a worker that never got so far has not.
            if log_length() == before {
                return Err(last_words(workspace, id, status));
            }
        }
        let holder = lock::holder(&workspace.lock_path(id));
        // Where another worker has the run, this one ends and says so.
        let listens = || holder.socket.is_some_and(|s| s.exists());
        let is_up = holder.pid == child.id() && (log_length() > before || listens());
        if exited.is_some() || is_up {
            break;
        }
        std::thread::sleep(POLL);
    }
    // Takes note of the child's end, so that it leaves no zombie behind while this process lives.
    std::thread::spawn(move || {
        let _ = child.wait();
    });
    Ok(())
}

/// Why a worker could not have the run: it is gone, or another one was faster.
fn taken(workspace: &Workspace, id: &str) -> Option<Error> {
    if !workspace.profile_path(id).exists() {
        return workspace.load(id).err();
    }
    workspace.is_running(id).then(|| Error::Busy {
        run: id.into(),
        pid: lock::holder(&workspace.lock_path(id)).pid,
    })
}

fn spawn(workspace: &Workspace, id: &str, resume: bool, seat: Option<&Seat>) -> Result<Child> {
    let path = workspace.worker_log_path(id);
    let log = {
        // So that nobody deletes the directory under the new file, or finds it in a directory that was to be empty.
        let _owned = workspace.own(id)?;
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?
    };
    let copy = log.try_clone().map_err(|e| Error::io("open", &path, e))?;
    let mut command = own_program(workspace)?;
    if let Some(seat) = seat {
        seat.set(&mut command);
    }
    command
        .args(["worker", id])
        .args(resume.then_some("--resume"))
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(copy);
    command
        .spawn()
        .map_err(|e| Error::io("start", command.get_program(), e))
}

/// This program once more on this workspace, in the environment that a training wants.
///
/// # Errors
/// `Compute` where the system does not tell which program this is.
pub fn own_program(workspace: &Workspace) -> Result<std::process::Command> {
    let mut command = std::process::Command::new(own_executable()?);
    command
        .arg0("fmtui")
        .arg("--workspace")
        .arg(&workspace.root)
        // A worker asks no hub: the secret is none of its business.
        .env_remove("HF_TOKEN");
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // Milliseconds until freed buffers go back to the kernel. The allocator's 10 are shorter than a step, and
        // getting the buffers of every step anew cost 17 % of an improved-cnn's training.
        command.env("MIMALLOC_PURGE_DELAY", "10000");
    }
    if let Some(dir) = &workspace.data_override {
        command.env("FMTUI_DATA_DIR", dir);
    }
    if workspace.offline {
        command.env("FMTUI_OFFLINE", "1");
    }
    if let Some(queue) = &workspace.queue {
        command.env("FMTUI_QUEUE", queue);
    }
    Ok(command)
}

/// On Linux the running program itself, also when its file was replaced meanwhile.
fn own_executable() -> Result<std::path::PathBuf> {
    let own = std::path::Path::new("/proc/self/exe");
    if own.exists() {
        return Ok(own.into());
    }
    std::env::current_exe().map_err(|e| Error::compute("finding the own program", e))
}

/// Why the worker died: what it wrote into the profile, else into `worker.log`.
fn last_words(workspace: &Workspace, id: &str, status: std::process::ExitStatus) -> Error {
    let recorded = workspace
        .load(id)
        .ok()
        .and_then(|p| p.run)
        .map(|r| r.error)
        .filter(|e| !e.is_empty());
    let logged = || {
        let text = workspace.worker_log_end(id);
        text.lines()
            .rev()
            .find(|l| !l.trim().is_empty())
            .map(crate::text::sanitize)
    };
    let words = recorded
        .or_else(|| memory::cause_of_death(workspace, id))
        .or_else(logged)
        .unwrap_or_else(|| format!("it exited with {status} and no message"));
    Error::compute(format!("the worker of {id}"), words)
}
