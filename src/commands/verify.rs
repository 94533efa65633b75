//! `fmtui replay RUN --verify`: trains a recorded run again, in this process and a scratch directory, and compares bit
//! by bit.

use super::answer;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::headless::{Output, notice};
use crate::profile::{self, EpochRecord, Profile, ResultRecord};
use crate::run::training::Ready;
use crate::run::{Workspace, record};
use crate::text;

/// Trains and compares; 0 when every epoch and the weights are the same, 1 when not.
pub(super) fn run(workspace: &Workspace, id: &str, json: bool) -> Result<u8> {
    let recorded = workspace.load_with_history(id)?;
    record::check_known(&recorded)?;
    if workspace.is_running(id) {
        return Err(Error::input(
            format!("run {id}"),
            "is still running",
            "wait until it ends",
        ));
    }
    if recorded.history.is_empty() {
        return Err(Error::input(
            format!("run {id}"),
            "has no finished epoch to compare",
            "train at least one epoch",
        ));
    }
    let ready = Ready::read(workspace, &recorded)?;
    warn_of_differences(&recorded, &ready.profile);
    let other_data = other_data(&recorded, &ready.profile);
    let again = train_again(workspace, id, ready)?;
    let difference = first_difference(&recorded, &again);
    let cause = difference
        .as_ref()
        .and_then(|_| other_data.or_else(|| known_cause(&recorded)));
    let mut out = Output::standard();
    if json {
        let answer = serde_json::json!({
            "run": id,
            "identical": difference.is_none(),
            "difference": difference,
            "cause": cause,
            "epochs": again.history.len(),
        });
        answer::print(&mut out, answer)?;
    } else {
        match &difference {
            None => out.line("identical")?,
            Some(difference) => out.line(difference)?,
        }
        if let Some(cause) = cause {
            out.line(cause)?;
        }
    }
    Ok(u8::from(difference.is_some()))
}

/// What may make a difference that is nobody's fault.
fn warn_of_differences(recorded: &Profile, here: &Profile) {
    let (Some(then), Some(now)) = (&recorded.run, &here.run) else {
        return;
    };
    for (what, then, now) in [
        ("data set", &then.data_sha256, &now.data_sha256),
        (
            "SHA-256 of the decoded images",
            &then.pixels_sha256,
            &now.pixels_sha256,
        ),
        ("device", &then.device, &now.device),
        ("instruction set", &then.kernels, &now.kernels),
    ] {
        if then != now && !then.is_empty() {
            let (then, now) = (text::ellipsis(then, 20), text::ellipsis(now, 20));
            notice(format!(
                "warning: the {what} is {now}, the run's was {then}; results may not be identical in every bit"
            ));
        }
    }
    let version = |v: &str, r: &str| format!("{v} {r}");
    let here = version(record::VERSION, record::REVISION);
    let there = version(&then.version, &then.revision);
    if here != there {
        notice(format!(
            "this is fmtui {here}, the run was trained by {there}"
        ));
    }
}

/// That the images are not those that the run was trained on.
fn other_data(recorded: &Profile, here: &Profile) -> Option<String> {
    let (then, now) = (recorded.run.as_ref()?, here.run.as_ref()?);
    let same = |then: &str, now: &str| then.is_empty() || then == now;
    let is_same =
        same(&then.data_sha256, &now.data_sha256) && same(&then.pixels_sha256, &now.pixels_sha256);
    let name = &recorded.data.name;
    (!is_same).then(|| {
        format!("data set {name} is not what the run was trained on; put that back to verify it")
    })
}

/// What is known of a record that cannot be had again: its figures are of other weights, or its version computed wrong.
fn known_cause(recorded: &Profile) -> Option<String> {
    let note = recorded.result.as_ref().map_or("", |result| &result.note);
    if !note.is_empty() {
        return Some(format!("as the record says, {note}"));
    }
    let version = &recorded.run.as_ref()?.version;
    profile::known_against(version).map(str::to_owned)
}

/// What came out of a training: every epoch, and the digests of the weights.
#[derive(Clone)]
struct Again {
    history: Vec<EpochRecord>,
    result: ResultRecord,
}

/// The first thing that is not the same, in words. Times do not count; of a long run the record does not have every
/// epoch.
fn first_difference(recorded: &Profile, again: &Again) -> Option<String> {
    for then in &recorded.history {
        let Some(now) = then
            .epoch
            .checked_sub(1)
            .and_then(|at| again.history.get(at))
        else {
            break;
        };
        if let Some((what, a, b)) = epoch_difference(then, now) {
            return Some(format!(
                "first difference at epoch {}: {what} was {a:e}, is {b:e}",
                then.epoch
            ));
        }
    }
    let (then, now) = (recorded.epochs_done(), again.history.len());
    if then != now {
        return Some(format!(
            "first difference at epoch {}: {then} epochs were recorded, {now} trained",
            then.min(now) + 1
        ));
    }
    let result = recorded.result.as_ref()?;
    // Where the best weights were lost, the last ones are what there is to compare.
    let digest: fn(&ResultRecord) -> &str = if result.has_lost_best() {
        |result| &result.last_file_sha256
    } else {
        |result| &result.weights_sha256
    };
    let weights = digest(result);
    (!weights.is_empty() && weights != digest(&again.result)).then(|| {
        format!("first difference at epoch {now}: all metrics match but the weights differ")
    })
}

fn epoch_difference(then: &EpochRecord, now: &EpochRecord) -> Option<(&'static str, f64, f64)> {
    [
        ("training loss", then.train_loss, now.train_loss),
        ("training accuracy", then.train_accuracy, now.train_accuracy),
        ("held-out loss", then.held_out_loss, now.held_out_loss),
        (
            "held-out accuracy",
            then.held_out_accuracy,
            now.held_out_accuracy,
        ),
        ("learning rate", then.learning_rate, now.learning_rate),
    ]
    .into_iter()
    .find(|(_, a, b)| a.to_bits() != b.to_bits())
}

/// Trains again and says how far it is.
fn train_again(workspace: &Workspace, id: &str, ready: Ready) -> Result<Again> {
    let epochs = ready.profile.train.epochs;
    let mut history = Vec::new();
    let outcome = ready.rerun(workspace, id, &mut |event| match event {
        Event::EpochEnd(end) => {
            notice(format!("epoch {}/{epochs}", end.epoch));
            history.push(EpochRecord::from(&**end));
        }
        Event::Warning { message } => notice(format!("warning: {message}")),
        _ => {}
    })?;
    Ok(Again {
        history,
        result: outcome.result,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Profile, Again) {
        let history: Vec<EpochRecord> = (1..=3)
            .map(|epoch| EpochRecord {
                epoch,
                train_loss: 0.5,
                ..EpochRecord::default()
            })
            .collect();
        let result = ResultRecord {
            weights_sha256: "ab".into(),
            last_file_sha256: "cd".into(),
            ..ResultRecord::default()
        };
        let mut profile = Profile::new("mlp");
        profile.history.clone_from(&history);
        profile.result = Some(result.clone());
        (profile, Again { history, result })
    }

    #[test]
    fn a_record_that_cannot_be_had_again_has_a_known_cause() {
        let (mut profile, _) = pair();
        profile.run = Some(crate::profile::RunRecord {
            version: record::VERSION.into(),
            ..crate::profile::RunRecord::default()
        });
        assert_eq!(known_cause(&profile), None);
        profile.run.as_mut().unwrap().version = "0.1.0".into();
        assert!(known_cause(&profile).unwrap().contains("fmtui 0.1"));
        let result = profile.result.get_or_insert_default();
        result.note = "the best weights are gone".into();
        let cause = known_cause(&profile).unwrap();
        assert_eq!(cause, "as the record says, the best weights are gone");
    }

    #[test]
    fn differences_are_found_where_they_begin() {
        let (profile, same) = pair();
        assert_eq!(first_difference(&profile, &same), None);

        let mut other = same.clone();
        other.history[1].train_loss = f64::from_bits(0.5_f64.to_bits() + 1);
        let message = first_difference(&profile, &other).unwrap();
        assert!(message.starts_with("first difference at epoch 2: training loss"));

        let mut other = same.clone();
        other.history[0].seconds = 99.0;
        assert_eq!(first_difference(&profile, &other), None);

        let mut other = same.clone();
        other.history.pop();
        let message = first_difference(&profile, &other).unwrap();
        assert!(
            message.starts_with("first difference at epoch 3"),
            "{message}"
        );

        let mut other = same;
        other.result.weights_sha256 = "ef".into();
        assert!(
            first_difference(&profile, &other)
                .unwrap()
                .contains("weights")
        );
    }

    #[test]
    fn lost_best_weights_are_not_compared_with_others() {
        let (mut profile, mut again) = pair();
        let result = profile.result.get_or_insert_default();
        result.note = "the best weights are gone".into();
        again.result.weights_sha256 = "ef".into();
        assert_eq!(first_difference(&profile, &again), None);
        again.result.last_file_sha256 = "ef".into();
        assert!(first_difference(&profile, &again).is_some());
    }
}
