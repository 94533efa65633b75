//! The program: an allocator that keeps freed buffers, panics that can be read, and the command line.

use std::fmt;
use std::io::IsTerminal;
use std::process::ExitCode;

use color_eyre::config::{HookBuilder, Theme};
use color_eyre::section::PanicMessage;
use fmtui::{commands, text};

/// Candle frees and takes large buffers at every step; this allocator does not give them back to the kernel in between.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let theme = if std::io::stderr().is_terminal() {
        Theme::dark()
    } else {
        Theme::new()
    };
    // Fails only when somebody else has installed a handler, and then panics are readable already.
    let _ = HookBuilder::default()
        .theme(theme)
        .panic_message(Harmless)
        .install();
    let code = match commands::parse(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(cli) => commands::run(cli),
        Err(code) => code,
    };
    ExitCode::from(code)
}

/// What a panic says may quote text from elsewhere.
struct Harmless;

impl PanicMessage for Harmless {
    fn display(
        &self,
        panic: &std::panic::PanicHookInfo<'_>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let message = panic.payload_as_str().unwrap_or("without a message");
        writeln!(f, "fmtui panicked: {}", text::harmless(message))?;
        panic.location().map_or(Ok(()), |at| write!(f, "at {at}"))
    }
}
