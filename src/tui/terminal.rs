//! The terminal: entered and left with every mode, whatever ends the program, and drawn to with one write a frame.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};

use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use ratatui::crossterm::style::Print;
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute, queue};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};

use super::backend::FrugalBackend;
use crate::error::{Error, Result};
use crate::notify::Channels;

/// Operating System Command 11: what colour is the background? Ended by BEL: some terminals answer wrongly to the other
/// end.
const ASK_BACKGROUND: &[u8] = b"\x1b]11;?\x07";

/// Bytes kept back until a frame is whole.
const BUFFER: usize = 64 * 1024;

/// True while the terminal is ours; whoever ends that restores it, once.
static ENTERED: AtomicBool = AtomicBool::new(false);
static PANIC_HOOK: Once = Once::new();
/// How title and progress are given back, whoever does.
static CHANNELS: OnceLock<Channels> = OnceLock::new();

/// Collects a frame: ratatui's own flushes are held back, [`Screen::draw`] sends everything at once.
#[derive(Clone)]
struct Output(Rc<RefCell<BufWriter<File>>>);

impl Output {
    fn send(&self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The entered terminal; leaving it is its `Drop`.
pub(crate) struct Screen {
    terminal: Terminal<FrugalBackend<Output>>,
    output: Output,
}

/// Says whether a screen can be shown here at all.
///
/// # Errors
/// `Input` when standard input or output is no terminal, or the terminal has no cursor addressing.
pub(crate) fn check() -> Result<()> {
    if !is_there() {
        return Err(Error::input(
            "terminal",
            "standard input and output are not both a terminal",
            "use `fmtui train FILE` and the other commands, which need none",
        ));
    }
    let term = std::env::var("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        return Err(Error::input(
            "terminal",
            format!(
                "TERM is \"{}\", which cannot run the TUI",
                crate::text::sanitize(&term)
            ),
            "set TERM (such as xterm-256color), or use `fmtui train FILE`",
        ));
    }
    Ok(())
}

/// False once the terminal has gone away: its other end was closed, the connection broke.
#[must_use]
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// `Io` when it cannot be written to or switched.
    pub(crate) fn enter(channels: Channels) -> Result<Self> {
        let failed = |e| Error::io("set up", "the terminal", e);
        let _ = CHANNELS.set(channels);
        PANIC_HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        let file = io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map(File::from)
            .map_err(failed)?;
        let output = Output(Rc::new(RefCell::new(BufWriter::with_capacity(
            BUFFER, file,
        ))));
        switch_on().map_err(failed)?;
        let terminal = Terminal::new(FrugalBackend::new(output.clone())).map_err(failed)?;
        let mut screen = Self { terminal, output };
        screen.clear().map_err(failed)?;
        Ok(screen)
    }

    /// Draws a frame with one write, as one synchronised update.
    ///
    /// # Errors
    /// When the terminal cannot be written to: it is gone.
    pub(crate) fn draw(&mut self, render: impl FnOnce(&mut Frame)) -> io::Result<()> {
        queue!(self.output, BeginSynchronizedUpdate)?;
        self.terminal.draw(render)?;
        queue!(self.output, EndSynchronizedUpdate)?;
        self.output.send()
    }

    /// Forgets what is on the terminal, so that the next frame is drawn whole.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` would ask the terminal for its cursor's place and wait for the answer; this asks nothing.
        let size = self.terminal.size()?;
        self.terminal
            .resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Asks the terminal for its background; the answer, if there is one, comes among the keys.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub(crate) fn ask_background(&mut self) -> io::Result<()> {
        self.output.write_all(ASK_BACKGROUND)?;
        self.output.send()
    }

    /// Writes what is no part of a frame, between two of them.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub(crate) fn tell(&mut self, sequences: &str) -> io::Result<()> {
        self.output.write_all(sequences.as_bytes())?;
        self.output.send()
    }

    /// Gives the terminal back for a while.
    #[expect(clippy::unused_self, reason = "only who has it gives it back")]
    pub(crate) fn leave(&mut self) {
        restore();
    }

    /// Takes the terminal over again, whatever was done to it meanwhile.
    ///
    /// # Errors
    /// When it cannot be written to or switched.
    pub(crate) fn reenter(&mut self) -> io::Result<()> {
        switch_on()?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// What the terminal is told beside its modes.
fn told(what: fn(Channels) -> String) -> String {
    CHANNELS.get().copied().map_or_else(String::new, what)
}

fn switch_on() -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    execute!(
        io::stdout(),
        Print(told(Channels::enter)),
        EnterAlternateScreen,
        EnableMouseCapture,
        EnableBracketedPaste,
        cursor::Hide
    )
}

/// Puts every mode back; does nothing the second time. Failures are ignored: there is nobody left to tell.
fn restore() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = queue_restoring(&mut out).and_then(|()| out.flush());
    let _ = disable_raw_mode();
}

/// Whether the terminal is ours at the moment.
#[must_use]
pub(crate) fn is_entered() -> bool {
    ENTERED.load(Ordering::SeqCst)
}

/// Puts back what can be put back without waiting, where somebody else may hang in a write to the terminal: its modes,
/// and what it shows if it takes that at once.
pub(crate) fn abandon() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = disable_raw_mode();
    let nonblocking = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let terminal = OpenOptions::new()
        .write(true)
        .custom_flags(nonblocking.bits().cast_signed())
        .open("/dev/tty");
    if let Ok(mut terminal) = terminal {
        let mut bytes = Vec::new();
        let _ = queue_restoring(&mut bytes);
        let _ = terminal.write(&bytes);
    }
}

fn queue_restoring(to: &mut impl Write) -> io::Result<()> {
    queue!(
        to,
        EndSynchronizedUpdate,
        Print(told(Channels::leave)),
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    )
}
