//! Groups of seeds: several runs of one recipe, through the queue.

use serde_json::{Value, json};

use super::{answer, train};
use crate::error::Result;
use crate::headless::{self, Output, Table, notice};
use crate::metrics::significance::Group;
use crate::run::Workspace;
use crate::run::group::{self, Member, Summary};
use crate::run::preflight::Checked;
use crate::run::queue::{self, scheduler};
use crate::run::signals::Watch;
use crate::text::{self, figure};

/// Trains a recipe with several seeds and follows them, or leaves them to themselves.
///
/// # Errors
/// As following a run.
pub(super) fn train(
    workspace: &Workspace,
    how: &train::How,
    checked: &Checked,
    seeds: usize,
    signals: Watch,
) -> Result<u8> {
    let (name, ids) = queue::enqueue_seeds(workspace, &checked.profile, seeds, (false, false))?;
    scheduler::ensure(workspace)?;
    let mut out = Output::standard();
    if how.detach {
        if how.json {
            answer::print(&mut out, json!({ "group": name, "runs": ids }))?;
        } else {
            out.line(&name)?;
            notice(format!("queued; see how it stands with: fmtui show {name}"));
        }
        return Ok(0);
    }
    notice(format!(
        "group {name}: {}",
        crate::text::count(ids.len(), "run")
    ));
    let hold = || hold_rest(workspace, &ids);
    let style = train::style(how.json);
    let code = headless::follow_group(workspace, &ids, style, &hold, signals)?;
    if let Some((name, members)) = workspace.group(&name)? {
        let summary = Summary::of(&members);
        if how.json {
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

/// Prints what the runs of a group come to, and each of them.
///
/// # Errors
/// `Io` when nothing can be written.
pub(super) fn show(
    (name, members): (String, Vec<Member>),
    is_json: bool,
    out: &mut Output,
) -> Result<()> {
    let summary = Summary::of(&members);
    if is_json {
        let mut answer = of(&name, &summary);
        let ids: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
        answer["members"] = json!(ids);
        return answer::print(out, answer);
    }
    let finished = format!("{} of {} finished", summary.finished, summary.runs);
    let mut rows = vec![("group", name), ("runs", finished)];
    for (label, figure) in [
        ("test accuracy", &summary.test),
        ("validation accuracy", &summary.validation),
    ] {
        rows.extend(figure.as_ref().map(|of| (label, group::in_words(of))));
    }
    if let Some(seconds) = &summary.seconds {
        rows.push(("time", text::seconds(seconds.mean)));
    }
    for (label, words) in rows {
        out.line(format!("{label:<21}{words}"))?;
    }
    out.line("")?;
    let mut table = Table::new(&["run", ">seed", "status", ">epochs", ">accuracy", "of"]);
    for Member {
        id,
        status,
        profile,
    } in &members
    {
        let measured = profile.accuracy();
        table.row([
            id.clone(),
            profile.train.seed.to_string(),
            status.name().into(),
            format!("{}/{}", profile.epochs_done(), profile.train.epochs),
            measured.map_or_else(String::new, |m| figure::percent(m.accuracy, 2, 8)),
            measured.map_or_else(String::new, |m| m.subset.name().into()),
        ]);
    }
    table.print(out).map(drop)
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
