//! Follows a run to its end with a printer, and plays a recorded one.

use std::time::{Duration, Instant};

use super::announcer::Announcer;
use super::{Style, notice, output, printer};
use crate::error::{Error, Result};
use crate::event::{Command, Event, Stamped};
use crate::profile::Status;
use crate::run::signals::{Ending, Watch};
use crate::run::{Connection, GOES_ON, Sender, Workspace, client, log, memory};

/// What Ctrl-C does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Saves and ends the run.
    Stops,
    /// Leaves the run running.
    Leaves,
}

/// How long it takes at most, once nothing comes, until it is looked whether the run stalls.
const LOOK: Duration = Duration::from_secs(1);

/// Exit codes, as documented in the README.
const DONE: u8 = 0;
const FAILED: u8 = 1;
const STOPPED: u8 = 3;

/// How often it is looked whether a queued run has begun.
const QUEUED: Duration = Duration::from_millis(200);

/// How long nothing is said of that.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prints a run from its first event to its last; gives the exit code.
///
/// # Errors
/// `Input` when there is no such run.
pub(crate) fn follow(
    workspace: &Workspace,
    id: &str,
    style: Style,
    interrupt: Interrupt,
    mut signals: Watch,
) -> Result<u8> {
    match wait_for_start(workspace, id, interrupt, &mut signals)? {
        Wait::Begun | Wait::Gone => {}
        Wait::Interrupted => return Ok(GOES_ON),
    }
    follow_one(workspace, id, style, (interrupt, &|| ()), &mut signals)
}

/// Prints the runs of a group one after the other, each once it has begun; gives the exit code. Ctrl-C stops the one
/// that is followed; `held` is done then, so that no other begins.
///
/// # Errors
/// `Input` when there is no such run.
pub(crate) fn follow_group(
    workspace: &Workspace,
    ids: &[String],
    style: Style,
    held: &dyn Fn(),
    mut signals: Watch,
) -> Result<u8> {
    signals.hold()?;
    let mut worst = DONE;
    for id in ids {
        match wait_for_start(workspace, id, Interrupt::Stops, &mut signals)? {
            Wait::Begun => {}
            Wait::Gone => {
                notice(format!("{id} left the queue before it began"));
                continue;
            }
            Wait::Interrupted => {
                held();
                return Ok(STOPPED);
            }
        }
        match follow_one(workspace, id, style, (Interrupt::Stops, held), &mut signals)? {
            GOES_ON => return Ok(GOES_ON),
            STOPPED => {
                // Where it was stopped from elsewhere, too.
                held();
                return Ok(STOPPED);
            }
            code => worst = worst.max(code),
        }
    }
    Ok(worst)
}

/// How the wait for a queued run ended.
enum Wait {
    Begun,
    /// It was taken out, and is no more.
    Gone,
    Interrupted,
}

/// Waits until a queued run has begun, is gone, or somebody presses Ctrl-C.
///
/// # Errors
/// `Input` where it waits for nobody, as no queue has it.
fn wait_for_start(
    workspace: &Workspace,
    id: &str,
    interrupt: Interrupt,
    signals: &mut Watch,
) -> Result<Wait> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::compute("waiting for the run", e))?;
    let since = Instant::now();
    let mut is_told = false;
    runtime.block_on(async {
        loop {
            if !workspace.profile_path(id).exists() {
                return Ok(Wait::Gone);
            }
            let run = workspace.load(id)?.run;
            let waits = run.is_some_and(|run| run.status == Status::Queued);
            if !waits || workspace.is_running(id) {
                return Ok(Wait::Begun);
            }
            if since.elapsed() > PATIENCE && !std::mem::replace(&mut is_told, true) {
                if !workspace.queue()?.jobs.iter().any(|job| job.run == id) {
                    return Err(Error::input(
                        format!("run {id}"),
                        "is no longer in the queue",
                        format!("put it back with `fmtui resume {id} --queue`"),
                    ));
                }
                notice(format!(
                    "{id} waits in the queue; `fmtui queue` shows what is before it"
                ));
            }
            tokio::select! {
                () = tokio::time::sleep(QUEUED) => {}
                ending = signals.next() => if interrupt == Interrupt::Leaves || interrupt.stops(ending) {
                    return Ok(Wait::Interrupted);
                },
            }
        }
    })
}

/// Prints a run; `before_stop` is done before Ctrl-C stops it.
fn follow_one(
    workspace: &Workspace,
    id: &str,
    style: Style,
    (interrupt, before_stop): (Interrupt, &dyn Fn()),
    signals: &mut Watch,
) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::compute("starting to follow the run", e))?;
    signals.hold()?;
    let (there, run) = (workspace.clone(), id.to_string());
    signals.when_stuck(move |ending| {
        if !interrupt.stops(ending) {
            return GOES_ON;
        }
        // A run that has ended meanwhile is stopped as well.
        let _ = client::send(&there, &run, &Command::Stop);
        STOPPED
    });
    let stop = (interrupt, before_stop);
    let code = runtime.block_on(watch(workspace, id, style, stop, signals));
    // A command on its way to a worker that is gone must not hold up the exit.
    runtime.shutdown_background();
    code
}

async fn watch(
    workspace: &Workspace,
    id: &str,
    style: Style,
    (interrupt, before_stop): (Interrupt, &dyn Fn()),
    signals: &mut Watch,
) -> Result<u8> {
    let mut connection = Connection::open(workspace, id)?;
    let mut announcer = Announcer::new(id, style);
    let mut printer = printer(style);
    let mut stopping = false;
    let mut last = None;
    loop {
        if let Some(warning) = announcer.look_whether_it_stalls(Instant::now()) {
            // Whoever does not read it is noticed at the next event.
            let _ = printer.on_event(&Stamped::now(warning));
        }
        tokio::select! {
            event = connection.next() => {
                let Some(event) = event else { break };
                let outcome = printer.on_event(&event);
                announcer.on_event(&event);
                // A warning may still come after the end; only a new beginning takes that back.
                if !is_end(last.as_ref()) || matches!(event.event, Event::Started(_)) {
                    last = Some(event.event);
                }
                match outcome {
                    // Nobody reads any more: that is leaving.
                    Err(e) if output::is_hung_up(&e) => {
                        drop(printer);
                        return Ok(left(workspace, last.as_ref(), id));
                    }
                    other => other?,
                }
            }
            () = tokio::time::sleep(LOOK) => {}
            ending = signals.next() => {
                if !interrupt.stops(ending) {
                    drop(printer);
                    return Ok(left(workspace, last.as_ref(), id));
                }
                if !stopping {
                    stopping = true;
                    before_stop();
                    notice("stopping after this step and saving; Ctrl-C again quits at once");
                    tokio::spawn(ask_to_stop(connection.sender()));
                } else if !ending.is_warning() {
                    drop(printer);
                    notice(format!("quit while it stops; resume it with `fmtui resume {id}`"));
                    return Ok(STOPPED);
                }
            }
        }
    }
    drop(printer);
    if !stopping {
        announcer.on_end(workspace);
    }
    if is_end(last.as_ref()) {
        return Ok(code_of(last.as_ref(), id));
    }
    Ok(gone(workspace, id))
}

/// The exit code of a run whose worker exited unexpectedly.
fn gone(workspace: &Workspace, id: &str) -> u8 {
    let run = workspace.load(id).ok().and_then(|profile| profile.run);
    let failed = run.filter(|run| run.status == Status::Failed && !run.error.is_empty());
    if let Some(run) = failed {
        notice(format!("error: run {id} failed: {}", run.error));
        return FAILED;
    }
    match memory::cause_of_death(workspace, id) {
        Some(cause) => notice(format!(
            "error: the worker of run {id} {cause}; free some memory and resume with: fmtui resume {id}, or train it anew with a \
             smaller train.batch_size"
        )),
        None => notice(format!(
            "error: the worker of run {id} exited unexpectedly; resume with: fmtui resume {id}"
        )),
    }
    FAILED
}

impl Interrupt {
    /// Whether a signal stops the run. A terminal that goes away stops none.
    fn stops(self, ending: Ending) -> bool {
        self == Self::Stops && ending != Ending::HangUp
    }
}

fn is_end(event: Option<&Event>) -> bool {
    matches!(event, Some(Event::Finished { .. } | Event::Failed { .. }))
}

/// The exit code of whoever does not wait for the end.
fn left(workspace: &Workspace, last: Option<&Event>, id: &str) -> u8 {
    if is_end(last) {
        return code_of(last, id);
    }
    if !workspace.is_running(id) {
        return DONE;
    }
    notice(format!(
        "the run keeps training; reattach with `fmtui attach {id}`"
    ));
    GOES_ON
}

async fn ask_to_stop(sender: Sender) {
    if let Err(e) = sender.send(Command::Stop).await {
        notice(format!("error: {e}"));
    }
}

/// The exit code after a run's last event, with a hint where something is left to do.
fn code_of(last: Option<&Event>, id: &str) -> u8 {
    match last {
        Some(Event::Finished {
            complete: true,
            result,
            ..
        }) => {
            if result.note.is_empty() {
                return DONE;
            }
            notice(format!("error: run {id}: {}", result.note));
            FAILED
        }
        Some(Event::Finished { .. }) => {
            notice(format!("resume with: fmtui resume {id}"));
            STOPPED
        }
        Some(Event::Failed { message, .. }) => {
            notice(format!("error: run {id} failed: {message}"));
            FAILED
        }
        _ => FAILED,
    }
}

/// Prints a recorded run, `speed` times as fast as it was; all at once without a speed.
///
/// # Errors
/// `Io` when the log cannot be read or the output not be written.
pub(crate) fn play(
    workspace: &Workspace,
    id: &str,
    style: Style,
    speed: Option<f64>,
) -> Result<u8> {
    let events = log::read(&workspace.events_path(id))?;
    if events.is_empty() {
        return Err(Error::input(
            format!("run {id}"),
            "has no events yet",
            "see its status with `fmtui runs`",
        ));
    }
    let mut printer = printer(style);
    let mut before: Option<&Stamped> = None;
    for event in &events {
        if let (Some(speed), Some(before)) = (speed, before) {
            let seconds = (event.at - before.at) / speed;
            std::thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
        match printer.on_event(event) {
            Err(e) if output::is_hung_up(&e) => return Ok(DONE),
            other => other?,
        }
        before = Some(event);
    }
    Ok(DONE)
}
