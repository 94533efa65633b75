//! The program: an allocator that keeps freed buffers, panics that can be read, and the command line.

use std::process::ExitCode;

use clap::Parser;

/// Candle frees and takes large buffers at every step; this allocator does not give them back to the kernel in between.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Fails only when somebody else has installed a handler, and then panics are readable already.
    let _ = color_eyre::install();
    ExitCode::from(fmtui::commands::run(fmtui::commands::Cli::parse()))
}
