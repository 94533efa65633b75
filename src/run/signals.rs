//! The signals that end a process: which there are, which of them whoever started it had switched off, and what becomes
//! of a program that hangs in a write when one comes.
//!
//! Nothing is done inside of a handler; it only wakes whoever waits here.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::error::{Error, Result};

/// How long a write may take once a signal has come.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// How long whoever is cancelled may take to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether a write still hangs.
const LOOK: Duration = Duration::from_millis(50);

/// A signal that asks a process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    HangUp,
    Interrupt,
    Quit,
    Terminate,
    /// What batch systems send before a job's time is over.
    User1,
    User2,
    Alarm,
    /// The soft limit of processor time; the kernel repeats it every second.
    ProcessorTime,
}

impl Ending {
    pub(crate) const ALL: [Self; 8] = [
        Self::HangUp,
        Self::Interrupt,
        Self::Quit,
        Self::Terminate,
        Self::User1,
        Self::User2,
        Self::Alarm,
        Self::ProcessorTime,
    ];

    /// The signal's number on this system.
    #[must_use]
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::HangUp => Number::HUP,
            Self::Interrupt => Number::INT,
            Self::Quit => Number::QUIT,
            Self::Terminate => Number::TERM,
            Self::User1 => Number::USR1,
            Self::User2 => Number::USR2,
            Self::Alarm => Number::ALARM,
            Self::ProcessorTime => Number::XCPU,
        }
        .as_raw()
    }

    /// Whether it only says that the end is near. It may come again, and is no sign of impatience then.
    #[must_use]
    pub(crate) fn is_warning(self) -> bool {
        matches!(
            self,
            Self::User1 | Self::User2 | Self::Alarm | Self::ProcessorTime
        )
    }

    /// What a process that it killed would have as its exit code in a shell.
    #[must_use]
    pub(crate) fn exit_code(self) -> i32 {
        128 + self.number()
    }
}

/// The ending signals as they come. What was ignored when the process began (`nohup`, `trap ''`) stays ignored.
pub(crate) struct Endings {
    streams: Vec<(Ending, Signal)>,
}

impl Endings {
    /// Catches them from now on. To be called within a tokio runtime.
    ///
    /// # Errors
    /// `Compute` when the system refuses.
    pub(crate) fn install() -> Result<Self> {
        let ignored = ignored();
        let caught = Ending::ALL
            .into_iter()
            .filter(|ending| !is_in(ignored, ending.number()));
        let streams = caught.map(|ending| {
            signal(SignalKind::from_raw(ending.number()))
                .map(|stream| (ending, stream))
                .map_err(|e| Error::compute("installing a signal handler", e))
        });
        Ok(Self {
            streams: streams.collect::<Result<_>>()?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Ending {
        poll_fn(|context| {
            for (ending, stream) in &mut self.streams {
                if stream.poll_recv(context).is_ready() {
                    return Poll::Ready(*ending);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Forgets one that has come and was somebody else's.
    pub(crate) fn forget(&mut self, forgotten: Ending) {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for (ending, stream) in &mut self.streams {
            if *ending == forgotten {
                while stream.poll_recv(&mut context).is_ready() {}
            }
        }
    }
}

/// The signals that this process ignores, as a mask; nothing where the system does not tell.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status)
}

fn ignored_in(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_in(mask: u64, number: i32) -> bool {
    u32::try_from(number - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

/// What a write is given to do: see [`writing`].
static WRITING_SINCE: AtomicU64 = AtomicU64::new(0);

/// Milliseconds since this was first asked, at least 1.
fn clock() -> u64 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let elapsed = BEGUN.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// Writes to somewhere that may be read by nobody: a [`Watch`] ends the process where this hangs and a signal comes.
pub(crate) fn writing<T>(write: impl FnOnce() -> T) -> T {
    WRITING_SINCE.store(clock(), Ordering::SeqCst);
    let written = write();
    WRITING_SINCE.store(0, Ordering::SeqCst);
    written
}

fn hangs() -> bool {
    let since = WRITING_SINCE.load(Ordering::SeqCst);
    since > 0 && u128::from(clock().saturating_sub(since)) >= GRACE.as_millis()
}

/// How a program that hangs is left; gives the exit code.
type Leave = Box<dyn FnOnce(Ending) -> u8 + Send>;

#[derive(Default)]
struct Shared {
    /// Something runs that does not end with this process.
    held: bool,
    /// Whoever works until then looks at this.
    cancel: Option<Arc<AtomicBool>>,
    leave: Option<Leave>,
}

impl Shared {
    /// What is done about a signal: whether somebody hears of it, or the process ends.
    fn is_heard(&self) -> bool {
        let first = |cancel: &Arc<AtomicBool>| !cancel.swap(true, Ordering::SeqCst);
        self.held || self.cancel.as_ref().is_some_and(first)
    }
}

/// Waits for the ending signals on a thread of its own, so that one is heard whatever the others do.
///
/// Until [`hold`](Self::hold) a signal ends the process at once, as if nothing had caught it, or
/// [`cancels`](Self::cancels) what it does; from then on it is told to whoever asks [`next`](Self::next).
pub(crate) struct Watch {
    arrivals: mpsc::UnboundedReceiver<Ending>,
    shared: Arc<Mutex<Shared>>,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// `Compute` when the system gives no thread or no handler.
    pub(crate) fn begin() -> Result<Self> {
        let failed = |e| Error::compute("starting to watch for signals", e);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let endings = {
            let _inside = runtime.enter();
            Endings::install()?
        };
        let (sender, arrivals) = mpsc::unbounded_channel();
        let shared = Arc::<Mutex<Shared>>::default();
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || runtime.block_on(watch(endings, &sender, &theirs)))
            .map_err(failed)?;
        Ok(Self { arrivals, shared })
    }

    /// What the first signal sets from now on instead of ending the process. A second one does, and so does the first
    /// where nobody has ended it within [`PATIENCE`].
    pub(crate) fn cancels(&self) -> Arc<AtomicBool> {
        let mut shared = locked(&self.shared);
        Arc::clone(shared.cancel.get_or_insert_default())
    }

    /// From now on something runs that does not end with this process, and signals are told.
    ///
    /// # Errors
    /// `Cancelled` where a signal has come already.
    pub(crate) fn hold(&self) -> Result<()> {
        let mut shared = locked(&self.shared);
        if let Some(cancel) = &shared.cancel
            && cancel.load(Ordering::SeqCst)
        {
            return Err(Error::Cancelled {
                file: "the run".into(),
                remedy: "nothing was started".into(),
            });
        }
        shared.held = true;
        Ok(())
    }

    /// What is to be done, and said as the exit code, where a signal finds the process hanging in a write.
    pub(crate) fn when_stuck(&self, leave: impl FnOnce(Ending) -> u8 + Send + 'static) {
        locked(&self.shared).leave = Some(Box::new(leave));
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Ending {
        match self.arrivals.recv().await {
            Some(ending) => ending,
            // The thread is gone, and no signal will come.
            None => std::future::pending().await,
        }
    }
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch(mut endings: Endings, told: &mpsc::UnboundedSender<Ending>, shared: &Mutex<Shared>) {
    let mut come: Option<(Ending, Instant)> = None;
    loop {
        tokio::select! {
            ending = endings.next() => {
                let shared = locked(shared);
                if !shared.is_heard() {
                    // With the lock: nobody begins anything any more.
                    std::process::exit(ending.exit_code());
                }
                come = Some((ending, Instant::now()));
                // Where nobody asks any more, the process is about to end.
                let _ = told.send(ending);
            }
            () = tokio::time::sleep(LOOK), if come.is_some() => {
                let Some((ending, at)) = come else { continue };
                let mut shared = locked(shared);
                if shared.held && hangs() {
                    let leave = shared.leave.take();
                    drop(shared);
                    let status = leave.map_or(super::GOES_ON, |leave| leave(ending));
                    std::process::exit(status.into());
                }
                if !shared.held && at.elapsed() > PATIENCE {
                    std::process::exit(ending.exit_code());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_had_switched_off_is_known() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        let mask = ignored_in(status);
        assert_eq!(
            Ending::ALL.map(|e| is_in(mask, e.number())),
            [true, false, false, false, false, false, false, false]
        );
        assert_eq!(ignored_in("Name: x\n"), 0);
        assert!(!is_in(u64::MAX, 0) && !is_in(u64::MAX, 65) && is_in(u64::MAX, 64));
    }

    #[test]
    fn only_a_write_that_takes_long_hangs() {
        assert!(!hangs());
        let seen = writing(|| {
            let at_first = hangs();
            std::thread::sleep(GRACE + Duration::from_millis(50));
            (at_first, hangs())
        });
        assert_eq!(seen, (false, true));
        assert!(!hangs());
    }
}
