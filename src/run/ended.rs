//! How a run ended, in the words in which somebody is told who was not looking.

use super::list::RunSummary;
use super::store::Workspace;
use super::{index, memory};
use crate::error::Error;
use crate::notify::Alert;
use crate::profile::{Measured, Profile, Status, Subset};
use crate::text::{self, figure};

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Finished,
    /// Loss or gradient stopped being a number.
    Diverged {
        step: u64,
    },
    /// Why.
    Failed(String),
    /// Its worker exited unexpectedly; why, where that is known.
    Crashed(Option<String>),
    Stopped,
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ended {
    pub id: String,
    pub name: String,
    pub dataset: String,
    pub how: How,
    /// What it is known by.
    pub accuracy: Option<Measured>,
    /// **Units** seconds since 1970; of a crashed one those of its last event.
    pub at: Option<f64>,
}

/// When a run ended, as [`Ended::at`].
#[must_use]
pub(crate) fn ended_at(workspace: &Workspace, summary: &RunSummary) -> Option<f64> {
    if summary.status == Status::Lost {
        let log = index::Stamp::of(&workspace.events_path(&summary.id));
        return log.map(index::Stamp::seconds);
    }
    let profile = summary.profile.as_deref().ok()?;
    text::seconds_of(&profile.run.as_ref()?.finished)
}

impl Ended {
    /// `None` for a run that goes on or has not begun, and for a record that cannot be read.
    #[must_use]
    pub(crate) fn of(workspace: &Workspace, summary: &RunSummary) -> Option<Self> {
        let profile = summary.profile.as_deref().ok()?;
        let run = profile.run.as_ref()?;
        if profile.is_trial() {
            // A sweep tells what became of its own.
            return None;
        }
        let how = match summary.status {
            Status::Finished => How::Finished,
            Status::Stopped => How::Stopped,
            Status::Failed => match Error::diverged_at(&run.error) {
                Some(step) => How::Diverged { step },
                None => How::Failed(run.error.clone()),
            },
            Status::Lost => How::Crashed(memory::cause_of_death(workspace, &summary.id)),
            _ => return None,
        };
        Some(Self {
            id: summary.id.clone(),
            name: profile.run_name().to_owned(),
            dataset: profile.data.name.clone(),
            accuracy: profile.accuracy(),
            how,
            at: ended_at(workspace, summary),
        })
    }

    /// Whether somebody should do something.
    #[must_use]
    pub(crate) fn is_bad(&self) -> bool {
        !matches!(self.how, How::Finished | How::Stopped)
    }

    /// `lenet5 diverged at step 812`.
    #[must_use]
    pub(crate) fn title(&self) -> String {
        let how = match self.how {
            How::Finished => "finished".into(),
            How::Diverged { step } => format!("diverged at step {}", text::grouped(step)),
            How::Failed(_) => "failed".into(),
            How::Crashed(_) => "crashed".into(),
            How::Stopped => "stopped".into(),
        };
        format!("{} {how}", self.name)
    }

    /// The accuracy, or why there is none and what to do.
    #[must_use]
    pub(crate) fn detail(&self) -> String {
        let resume = || format!("resume it with: fmtui resume {}", self.id);
        match &self.how {
            How::Finished => self.accuracy.map_or_else(String::new, accuracy),
            How::Diverged { .. } => "lower the learning rate or set train.clip".into(),
            How::Failed(why) => why.clone(),
            How::Crashed(None) | How::Stopped => resume(),
            How::Crashed(Some(cause)) => format!("its worker {cause}; {}", resume()),
        }
    }

    /// Both in a line.
    #[must_use]
    pub(crate) fn line(&self) -> String {
        let detail = self.detail();
        if detail.is_empty() {
            return self.title();
        }
        format!("{}: {detail}", self.title())
    }

    #[must_use]
    pub(crate) fn alert(&self) -> Alert {
        Alert {
            run: self.id.clone(),
            title: self.title(),
            detail: self.detail(),
            is_bad: self.is_bad(),
        }
    }
}

/// `93.4 % on the test set`.
#[must_use]
pub(crate) fn accuracy(measured: Measured) -> String {
    let percent = figure::percent(measured.accuracy, 1, figure::ANY);
    format!("{percent} on the {} set", measured.subset.name())
}

/// Tells of a run that tells nothing itself.
#[must_use]
pub(crate) fn stalled(id: &str, name: &str, seconds: f64) -> Alert {
    Alert {
        run: id.to_owned(),
        title: format!("{name} has stalled"),
        detail: format!("no step or epoch for {}", text::seconds(seconds.round())),
        is_bad: true,
    }
}

impl Profile {
    /// What its run is called: by its name, else by the id's.
    #[must_use]
    pub(crate) fn run_name(&self) -> &str {
        let id = self.run.as_ref().map_or("", |run| &run.id);
        if self.name.is_empty() {
            super::id::name(id)
        } else {
            &self.name
        }
    }
}

/// Several in one line: each where they are one or two, else how many of each, and the best.
#[must_use]
pub(crate) fn told(ended: &[Ended]) -> String {
    if ended.len() <= 2 {
        let lines: Vec<String> = ended.iter().map(Ended::line).collect();
        return lines.join(" · ");
    }
    let is_diverged = |e: &&Ended| matches!(e.how, How::Diverged { .. });
    let diverged: Vec<&Ended> = ended.iter().filter(is_diverged).collect();
    let count = |of: fn(&How) -> bool| ended.iter().filter(|e| of(&e.how)).count();
    let counts = [
        (count(|how| *how == How::Finished), "finished"),
        (diverged.len(), "diverged"),
        (count(|how| matches!(how, How::Failed(_))), "failed"),
        (count(|how| matches!(how, How::Crashed(_))), "crashed"),
        (count(|how| *how == How::Stopped), "stopped"),
    ];
    let counted = counts.iter().filter(|(number, _)| *number > 0);
    let words: Vec<String> = counted
        .map(|(number, what)| match diverged.as_slice() {
            [only] if *what == "diverged" => format!("1 {}", &only.title()[only.name.len() + 1..]),
            _ => format!("{number} {what}"),
        })
        .collect();
    words.join(", ") + &best(ended)
}

/// The best of those that finished, on the test set where one of them was tested, and what it is.
fn best(ended: &[Ended]) -> String {
    let finished = || ended.iter().filter(|e| e.how == How::Finished);
    let on = |subset| {
        let known = finished().filter_map(move |e| Some((e, e.accuracy?)));
        known
            .filter(move |(_, m)| m.subset == subset && m.accuracy.is_finite())
            .max_by(|(_, a), (_, b)| a.accuracy.total_cmp(&b.accuracy))
    };
    let Some((run, measured)) = on(Subset::Test).or_else(|| on(Subset::Validation)) else {
        return String::new();
    };
    // Accuracies on several data sets say little of each other.
    let is_one_set = finished().all(|e| e.dataset == run.dataset);
    let of_set = if is_one_set {
        String::new()
    } else {
        format!(", {}", run.dataset)
    };
    format!("; best {} ({}{of_set})", accuracy(measured), run.name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::profile::Weights;

    pub(crate) fn ended(name: &str, how: How, accuracy: Option<(f64, Subset)>) -> Ended {
        Ended {
            id: format!("20261130-010203-{name}-0001"),
            name: name.into(),
            dataset: "garments".into(),
            how,
            accuracy: accuracy.map(|(accuracy, subset)| Measured {
                accuracy,
                subset,
                weights: Weights::Best(3),
            }),
            at: Some(1.0),
        }
    }

    #[test]
    fn one_or_two_are_told_in_full() {
        let finished = ended("lenet5", How::Finished, Some((0.934, Subset::Test)));
        assert_eq!(
            told(std::slice::from_ref(&finished)),
            "lenet5 finished: 93.4 % on the test set"
        );
        let crashed = ended("mlp", How::Crashed(None), None);
        assert_eq!(
            told(&[finished, crashed]),
            "lenet5 finished: 93.4 % on the test set · mlp crashed: resume it with: fmtui resume 20261130-010203-mlp-0001"
        );
    }

    #[test]
    fn more_are_counted_and_the_best_is_named() {
        let test = |name, accuracy| ended(name, How::Finished, Some((accuracy, Subset::Test)));
        let mut all = vec![
            test("lenet5", 0.934),
            test("mlp", 0.88),
            ended(
                "vgg",
                How::Diverged { step: 1812 },
                Some((0.99, Subset::Test)),
            ),
            ended("untested", How::Finished, Some((0.95, Subset::Validation))),
        ];
        assert_eq!(
            told(&all),
            "3 finished, 1 diverged at step 1,812; best 93.4 % on the test set (lenet5)"
        );
        all[1].dataset = "photos".into();
        all.push(ended("a", How::Diverged { step: 2 }, None));
        all.push(ended("b", How::Failed("no such file".into()), None));
        all.push(ended("c", How::Crashed(None), None));
        all.push(ended("d", How::Stopped, None));
        assert_eq!(
            told(&all),
            "3 finished, 2 diverged, 1 failed, 1 crashed, 1 stopped; best 93.4 % on the test set (lenet5, garments)"
        );
        let untested = |accuracy| ended("u", How::Finished, Some((accuracy, Subset::Validation)));
        assert_eq!(
            told(&[untested(0.9), untested(f64::NAN), untested(0.91)]),
            "3 finished; best 91.0 % on the validation set (u)"
        );
        assert_eq!(
            told(&all[4..7]),
            "1 diverged at step 2, 1 failed, 1 crashed"
        );
    }
}
