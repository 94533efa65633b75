//! The screens: one app, a tab each, drawn from data sets, profiles and the event log. Never trains and never names
//! `train`.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "a theme is handed down by reference, whatever its size"
)]

pub(crate) mod action;
mod announcer;
pub(crate) mod app;
mod backend;
pub(crate) mod config;
pub(crate) mod context;
mod editor;
mod event_loop;
pub(crate) mod keymap;
pub(crate) mod message;
mod replies;
pub(crate) mod request;
pub(crate) mod run_view;
mod services;
pub(crate) mod tab;
pub(crate) mod tab_id;
pub(crate) mod tabs;
pub(crate) mod terminal;
pub(crate) mod theme;
pub(crate) mod widgets;

use std::io::Write;
use std::time::Duration;

use self::announcer::Announcer;
use self::app::{App, Trainable};
use self::event_loop::{ExitReason, Signals};
use self::services::Services;
use self::terminal::Screen;
use crate::error::{Error, Result};
use crate::model::presets;
use crate::notify::Channels;
use crate::profile::Profile;
use crate::run::signals::Endings;
use crate::run::{RunList, Workspace, concurrent_runs, digest, example};

/// Speed at which a run is replayed unless somebody says otherwise.
pub(crate) const REPLAY_SPEED: f64 = 10.0;

/// How long work in the background may take to end when the screen is left.
const CLOSING: Duration = Duration::from_millis(200);

/// What the screens show first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Launch {
    /// The newest run that is running; where none is, the data, with the newest run at hand.
    Home,
    /// This run (an id, the start of one, or `last`) on the Train tab.
    Attach(String),
    /// This run's log, played at a speed (1 is as it happened).
    Replay { run: String, speed: f64 },
}

/// Opens the screens and stays until the user leaves. To be called outside of a tokio runtime.
///
/// # Errors
/// `Input` when there is no terminal or no such run, `Io` when the terminal cannot be used.
pub(crate) fn run(workspace: Workspace, launch: Launch) -> Result<()> {
    terminal::check()?;
    let (workspace, launch) = resolve(workspace, launch)?;
    let place = workspace.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::io("start", "the runtime", e))?;
    let settings = config::read();
    let notify = settings.notify;
    let channels = Channels::here(&notify);
    let mut app = App::new(settings, trainable(), first_profile());
    let left: Result<ExitReason> = runtime.block_on(async {
        let signals = Signals::install()?;
        tokio::spawn(event_loop::end_what_hangs(Endings::install()?));
        let (mut services, mut messages) = Services::new(workspace, &notify);
        let screen = Screen::enter(channels)?;
        services.welcome();
        services.load_first_dataset();
        services.tell_own();
        match launch {
            Launch::Home => services.open_newest(),
            Launch::Attach(run) => services.open(run),
            Launch::Replay { run, speed } => services.replay(run, speed),
        }
        let announcer = Announcer::new(channels);
        let mut shown = (screen, announcer);
        Ok(event_loop::run(&mut app, &mut services, &mut messages, &mut shown, signals).await)
    });
    let left = left?;
    if left == ExitReason::Asked {
        // Where the terminal has gone, nobody has looked for a while.
        let _ = digest::mark_seen(&place);
    }
    if left == ExitReason::Asked
        && let Some(words) = farewell(&place)
    {
        // The terminal may have gone since; then there is nobody to tell.
        let _ = writeln!(std::io::stdout(), "{words}");
    }
    // Not before: until here a terminal that nobody reads is left when a signal comes.
    runtime.shutdown_timeout(CLOSING);
    Ok(())
}

/// What goes on when the screen is left, and how to come back to it.
fn farewell(workspace: &Workspace) -> Option<String> {
    let mut list = RunList::new(workspace);
    list.refresh().ok()?;
    let live = concurrent_runs::live(&list);
    match live.as_slice() {
        [] => None,
        [run] => {
            let is_last = workspace.resolve("last").is_ok_and(|last| last == run.id);
            let which = if is_last {
                String::new()
            } else {
                format!(" {}", run.id)
            };
            let state = if run.is_paused {
                "stays paused"
            } else {
                "keeps training"
            };
            Some(format!(
                "run {} {state}; reattach with `fmtui attach{which}`",
                run.id
            ))
        }
        runs => {
            let ids: Vec<&str> = runs.iter().map(|r| r.id.as_str()).collect();
            Some(format!(
                "{} runs keep training: {}; reattach with `fmtui attach RUN`",
                runs.len(),
                ids.join(", ")
            ))
        }
    }
}

/// The same with the whole id of its run.
fn resolve(workspace: Workspace, launch: Launch) -> Result<(Workspace, Launch)> {
    let launch = match launch {
        Launch::Home => Launch::Home,
        Launch::Attach(run) => Launch::Attach(workspace.resolve(&run)?),
        Launch::Replay { run, speed } => Launch::Replay {
            run: example::resolve(&workspace, &run)?.1,
            speed,
        },
    };
    Ok((workspace, launch))
}

fn trainable() -> Vec<Trainable> {
    let preset = |p: &presets::Preset| {
        let profile = p.profile().ok()?;
        Some(Trainable {
            name: p.name.into(),
            title: p.title.into(),
            profile,
        })
    };
    presets::all().iter().filter_map(preset).collect()
}

/// What the Train key trains while there is no run: small, quick, and there without a network.
fn first_profile() -> Option<Profile> {
    let mut profile = presets::find("lenet5")?.profile().ok()?;
    profile.data.use_set(crate::catalog::BUILT_IN);
    profile.data.validation = 0.2;
    Some(profile)
}
