//! `fmtui doctor`: what this machine offers and what stands in the way.

use std::io::IsTerminal;

use crate::data::locate;
use crate::error::Result;
use crate::headless::Output;
use crate::run::{Workspace, lock, logind, preflight, record};
use crate::{kernels, nn, notify, text};

pub(super) fn run(workspace: &Workspace) -> Result<u8> {
    let mut out = Output::standard();
    let facts = [
        ("fmtui", format!("{} {}", record::VERSION, record::REVISION)),
        ("host", lock::host_name()),
        ("device", device()),
        ("threads", threads()),
        ("kernels", kernels::cpu::isa().name().into()),
        ("terminal", terminal()),
        ("notify", notifications()),
        ("workspace", place(workspace)),
        ("disk", disk(workspace)),
        ("runs", runs(workspace)),
        ("data", data(workspace)),
        ("hub", hub(workspace)),
        ("log-out", log_out()),
    ];
    for (name, fact) in facts {
        out.line(format!("{name:<10} {}", fact.trim()))?;
    }
    Ok(0)
}

fn device() -> String {
    let built: Vec<&str> = [
        ("cuda", cfg!(feature = "cuda")),
        ("cudnn", cfg!(feature = "cudnn")),
        ("metal", cfg!(feature = "metal")),
    ]
    .iter()
    .filter(|(_, on)| *on)
    .map(|(name, _)| *name)
    .collect();
    let built = if built.is_empty() {
        "built for the CPU only".into()
    } else {
        format!("built with {}", built.join(", "))
    };
    match nn::device::select("auto") {
        Ok((_, description)) => format!("{description} ({built})"),
        Err(e) => format!("{e} ({built})"),
    }
}

fn threads() -> String {
    std::thread::available_parallelism().map_or_else(|e| e.to_string(), |n| n.to_string())
}

fn terminal() -> String {
    let var = |name: &str| {
        let value = std::env::var(name).unwrap_or_default();
        (!value.is_empty()).then(|| format!("{name}={value}"))
    };
    let set: Vec<String> = ["TERM", "COLORTERM", "NO_COLOR", "LC_ALL", "LANG", "TMUX"]
        .into_iter()
        .filter_map(var)
        .collect();
    let kind = match (
        std::io::stdin().is_terminal(),
        std::io::stdout().is_terminal(),
    ) {
        (true, true) => "yes",
        _ => "no (input or output is not a terminal)",
    };
    let screens = if cfg!(feature = "tui") {
        ""
    } else {
        ", built without the TUI"
    };
    format!("{kind}{screens} {}", set.join(" "))
}

/// How this terminal is told of a run's end.
fn notifications() -> String {
    let (settings, warnings) = notify::Settings::read();
    let words = notify::Channels::here(&settings).words();
    [vec![words], warnings].concat().join("; ")
}

fn place(workspace: &Workspace) -> String {
    let root = workspace.root.display().to_string();
    let existing = workspace.root.ancestors().find(|p| p.exists());
    let may_write = existing.is_some_and(|p| {
        rustix::fs::access(
            p,
            rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
        )
        .is_ok()
    });
    match (workspace.root.is_dir(), may_write) {
        (true, true) => root,
        (false, true) => format!("{root} (created by the first run)"),
        (_, false) => format!("{root} (not writable: give another with --workspace)"),
    }
}

fn disk(workspace: &Workspace) -> String {
    preflight::free_space(&workspace.root).map_or_else(
        || "unknown".into(),
        |free| format!("{} free", text::bytes(free)),
    )
}

fn runs(workspace: &Workspace) -> String {
    let ids = workspace.ids();
    let running = ids.iter().filter(|id| workspace.is_running(id)).count();
    format!("{}, {running} of them running or paused", ids.len())
}

fn data(workspace: &Workspace) -> String {
    locate::available(&workspace.search_path())
        .iter()
        .map(|set| format!("{} ({})", set.name, set.place()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn hub(workspace: &Workspace) -> String {
    if workspace.offline {
        "offline (--offline, FMTUI_OFFLINE or HF_HUB_OFFLINE)".into()
    } else {
        let hub = workspace.hub();
        let token = if hub.token.is_some() {
            ", with a token"
        } else {
            ""
        };
        let here = hub.cache.list().len();
        let shared = hub.shared.as_ref().map_or_else(String::new, |shared| {
            format!(", and those of {} are taken", shared.root().display())
        });
        format!(
            "{} , used for hf: weights{token}; {here} files cached{shared}",
            hub.host()
        )
    }
}

fn log_out() -> String {
    logind::advice().unwrap_or_else(|| "runs survive logout".into())
}
