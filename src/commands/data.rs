//! `fmtui data`: which sets are here, and fetching one.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use crate::data::source::{self, FETCHABLE, Progress};
use crate::error::{Error, Result};
use crate::headless::{Output, Table, can_draw_bar, draw_bar, notice};
use crate::run::Workspace;
use crate::text;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download a data set into the workspace and verify it
    Fetch {
        /// Such as fashion-mnist
        name: String,
    },
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    match &arguments.action {
        None => list(workspace),
        Some(Action::Fetch { name }) => fetch(workspace, name),
    }
}

fn list(workspace: &Workspace) -> Result<u8> {
    let found = source::available(&workspace.search_path());
    let mut table = Table::new(&["data set", "where"]);
    for set in &found {
        table.row([set.name.clone(), set.place()]);
    }
    let absent = FETCHABLE
        .iter()
        .filter(|name| found.iter().all(|f| f.name != **name));
    for name in absent {
        table.row([
            (*name).to_string(),
            format!("not here; fmtui data fetch {name}"),
        ]);
    }
    let mut out = Output::standard();
    for line in table.lines() {
        out.line(line)?;
    }
    Ok(0)
}

fn fetch(workspace: &Workspace, name: &str) -> Result<u8> {
    if workspace.offline {
        return Err(Error::input(
            format!("data set {}", text::sanitize(name)),
            "cannot be fetched offline",
            "leave out --offline (and FMTUI_OFFLINE, HF_HUB_OFFLINE), or train on fashion-mnist-mini, which is built in",
        ));
    }
    let cancel = Arc::new(AtomicBool::new(false));
    cancel_on_interrupt(Arc::clone(&cancel))?;
    let mut shown = Shown::new();
    let fetched = source::fetch(
        name,
        &workspace.data_dir(),
        &mut |p| shown.show(&p),
        &cancel,
    );
    shown.clear();
    fetched?;
    let place = workspace.data_dir().join(name);
    Output::standard().line(format!(
        "{name} is in {}, verified",
        text::sanitize(&place.display().to_string())
    ))?;
    Ok(0)
}

fn cancel_on_interrupt(cancel: Arc<AtomicBool>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::compute("starting to watch for Ctrl-C", e))?;
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            cancel.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}

/// The download as it is shown, on standard error.
struct Shown {
    draws: bool,
    last: Option<Instant>,
}

impl Shown {
    fn new() -> Self {
        Self {
            draws: can_draw_bar(std::io::stderr().is_terminal()),
            last: None,
        }
    }

    fn show(&mut self, progress: &Progress) {
        let period = Duration::from_millis(if self.draws { 100 } else { 2000 });
        if self.last.is_some_and(|at| at.elapsed() < period) {
            return;
        }
        self.last = Some(Instant::now());
        let line = words(progress);
        if self.draws {
            draw(&text::ellipsis(&line, 79));
        } else {
            notice(line);
        }
    }

    fn clear(&self) {
        if self.draws {
            draw("");
        }
    }
}

fn words(progress: &Progress) -> String {
    let share = |total: u64| {
        #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
        let share = progress.bytes as f64 / total.max(1) as f64;
        format!("{} {:>3.0} %", draw_bar(share, 20, false), share * 100.0)
    };
    let bar = progress
        .total
        .map_or_else(|| text::bytes(progress.bytes), share);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let pace = text::bytes(progress.bytes_per_second as u64);
    let note = progress
        .note
        .as_ref()
        .map_or_else(String::new, |n| format!("  {}", text::sanitize(n)));
    format!(
        "{}/{} {}  {bar}  {pace}/s{note}",
        progress.file_index + 1,
        progress.files,
        text::sanitize(&progress.file)
    )
}

/// Replaces the line under the cursor.
fn draw(line: &str) {
    use std::io::Write;
    // Nobody sees a progress bar that cannot be written.
    let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
}
