//! Groups of seeds: several runs of one recipe, through the queue.

use serde_json::{Value, json};

use super::{answer, train};
use crate::error::Result;
use crate::headless::{self, Output, notice};
use crate::metrics::significance::Group;
use crate::run::Workspace;
use crate::run::group::{self, Summary};
use crate::run::preflight::Checked;
use crate::run::queue::{self, scheduler};
use crate::run::signals::Watch;

/// Trains a recipe with several seeds and follows them, or leaves them to themselves.
///
/// # Errors
/// As following a run.
pub(super) fn train(
    workspace: &Workspace,
    arguments: &train::Arguments,
    checked: &Checked,
    seeds: usize,
    signals: Watch,
) -> Result<u8> {
    let (name, ids) = queue::enqueue_seeds(workspace, &checked.profile, seeds, (false, false))?;
    scheduler::ensure(workspace)?;
    let mut out = Output::standard();
    if arguments.detach {
        if arguments.json {
            answer::print(&mut out, json!({ "group": name, "runs": ids }))?;
        } else {
            out.line(&name)?;
            notice(format!(
                "queued; compare its runs with: fmtui compare {name}"
            ));
        }
        return Ok(0);
    }
    notice(format!(
        "group {name}: {}",
        crate::text::count(ids.len(), "run")
    ));
    let hold = || hold_rest(workspace, &ids);
    let style = train::style(arguments.json);
    let code = headless::follow_group(workspace, &ids, style, &hold, signals)?;
    if let Some((name, members)) = workspace.group(&name)? {
        let summary = Summary::of(&members);
        if arguments.json {
            answer::print(&mut out, of(&name, &summary))?;
        } else if let Some((of, accuracy)) = summary.accuracy() {
            let runs = crate::text::count(summary.finished, "run");
            let accuracy = group::in_words(accuracy);
            out.line(format!("group {name}: {of} accuracy {accuracy} ({runs})"))?;
        }
    }
    Ok(code)
}

/// Holds what waits of a group whose followed run was stopped.
fn hold_rest(workspace: &Workspace, ids: &[String]) {
    let held = workspace.edit_queue(|queue| {
        let waiting = queue.jobs.iter_mut().filter(|job| ids.contains(&job.run));
        Ok(waiting.map(|job| job.held = true).count())
    });
    match held {
        Ok(0) => {}
        Ok(_) => notice("the runs that wait are held; `fmtui queue run` continues with them"),
        Err(e) => notice(format!("error: {e}")),
    }
}

/// A group as JSON.
#[must_use]
pub(super) fn of(name: &str, summary: &Summary) -> Value {
    json!({
        "group": name,
        "runs": summary.runs,
        "finished": summary.finished,
        "test_accuracy": figures(summary.test.as_ref()),
        "validation_accuracy": figures(summary.validation.as_ref()),
        "seconds": figures(summary.seconds.as_ref()),
    })
}

fn figures(group: Option<&Group>) -> Value {
    group.map_or(Value::Null, |group| {
        json!({
            "mean": group.mean,
            "deviation": Some(group.deviation).filter(|d| !d.is_nan()),
            "interval": group.interval.map(|i| [i.low, i.high]),
            "count": group.count,
        })
    })
}
