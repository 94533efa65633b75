//! What may be concluded from runs side by side: runs on the same test images image by image, groups of seeds by their
//! means. Told by `fmtui compare` and the Runs tab.

use std::path::Path;
use std::sync::Arc;

use super::comparison::letter;
use super::{Workspace, group};
use crate::error::Result;
use crate::metrics::predictions::{self, Prediction, Predictions};
use crate::metrics::significance::{self, CONFIDENCE, Group, Interval, Paired};
use crate::profile::{Profile, Status};
use crate::{storage, text};

/// One of the things compared: a run, or a group of seeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Side {
    Run {
        id: String,
        profile: Arc<Profile>,
    },
    Group {
        name: String,
        members: Vec<group::Member>,
    },
}

impl Side {
    /// The id of a run, the name of a group.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Run { id, .. } => id,
            Self::Group { name, .. } => name,
        }
    }

    /// The run, or the finished runs of the group; all of them where none is.
    #[must_use]
    pub(crate) fn profiles(&self) -> Vec<&Profile> {
        match self {
            Self::Run { profile, .. } => vec![profile],
            Self::Group { members, .. } => {
                let finished = || members.iter().filter(|m| m.status == Status::Finished);
                match finished().count() {
                    0 => members.iter().map(|m| &*m.profile).collect(),
                    _ => finished().map(|m| &*m.profile).collect(),
                }
            }
        }
    }
}

/// What the second of two sides has more than the first.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// Places among the sides.
    pub first: usize,
    pub second: usize,
    /// Test accuracy of the second less that of the first, a share.
    pub difference: f64,
    pub interval: Interval,
    /// Of the interval: 0.95, and closer to 1 where several comparisons are made.
    pub level: f64,
    pub p: f64,
    pub test: Test,
}

/// How it was found out.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// The same images, of which some decide.
    Paired {
        counts: Paired,
        is_exact: bool,
        deciding: Vec<Deciding>,
    },
    /// Groups of so many runs.
    Welch { runs: [usize; 2], freedom: f64 },
}

/// An image that one of two runs has right and the other wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deciding {
    pub first: Prediction,
    pub second: Prediction,
}

impl Deciding {
    /// Whether the second run has it right.
    #[must_use]
    pub(crate) fn is_for_second(&self) -> bool {
        self.second.top[0] == self.second.label
    }
}

/// Below so many deciding images the exact test is taken, above it the mid-p one.
const FEW: u64 = 25;

impl Verdict {
    /// Whether the two are told apart.
    #[must_use]
    pub(crate) fn tells_apart(&self) -> bool {
        self.p < 1.0 - self.level && !self.interval.contains(0.0)
    }

    /// `B − A: +0.30 points, 95 % −0.10 … 0.70: not told apart; 12 images decide (7 for B, 5 for A; McNemar p = 0.77)`.
    #[must_use]
    pub(crate) fn sentence(&self) -> String {
        let (a, b) = (letter(self.first), letter(self.second));
        let points = |share: f64| format!("{:+.2}", 100.0 * share).replace('-', "−");
        let interval = format!(
            "{} % {} … {}",
            level_in_words(self.level),
            points(self.interval.low),
            points(self.interval.high)
        );
        let told = if self.tells_apart() {
            let better = if self.difference > 0.0 { b } else { a };
            format!("told apart, {better} is better")
        } else {
            "not told apart".into()
        };
        let p = p_in_words(self.p);
        let why = match &self.test {
            Test::Paired {
                counts, is_exact, ..
            } => {
                let how = if *is_exact { "exact" } else { "mid-p" };
                format!(
                    "{} decide{} ({} for {b}, {} for {a}; McNemar {how} {p})",
                    text::count(
                        usize::try_from(counts.deciding()).unwrap_or(usize::MAX),
                        "image"
                    ),
                    if counts.deciding() == 1 { "s" } else { "" },
                    counts.second,
                    counts.first
                )
            }
            Test::Welch { runs, .. } => {
                format!("{} and {} runs (Welch {p})", runs[1], runs[0])
            }
        };
        format!(
            "{b} − {a}: {} points, {interval}: {told}; {why}",
            points(self.difference)
        )
    }
}

/// `95`, `97.5`: a confidence level in percent, as short as it is exact enough.
fn level_in_words(level: f64) -> String {
    let percent = format!("{:.2}", 100.0 * level);
    percent.trim_end_matches('0').trim_end_matches('.').into()
}

fn p_in_words(p: f64) -> String {
    match p {
        small if small < 0.0001 => "p < 0.0001".into(),
        small if small < 0.01 => format!("p = {small:.4}"),
        p => format!("p = {p:.2}"),
    }
}

/// Each side held against the first, as far as that can be; and in words what cannot, and what to know besides.
#[must_use]
pub(crate) fn verdicts(workspace: &Workspace, sides: &[Side]) -> (Vec<Verdict>, Vec<String>) {
    let pairs = || (1..sides.len()).map(|second| (second, (&sides[0], &sides[second])));
    let at =
        |level: f64| pairs().map(move |(second, pair)| (second, compare(workspace, pair, level)));
    let mut compared: Vec<_> = at(CONFIDENCE).collect();
    let comparisons = compared
        .iter()
        .filter(|(_, found)| found.is_ok())
        .count()
        .max(1);
    #[expect(
        clippy::cast_precision_loss,
        reason = "at most four comparisons are made"
    )]
    let level = 1.0 - (1.0 - CONFIDENCE) / comparisons as f64;
    if comparisons > 1 {
        compared = at(level).collect();
    }
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for (second, verdict) in compared {
        match verdict {
            Ok(mut verdict) => {
                verdict.second = second;
                found.push(verdict);
            }
            Err(why) => notes.push(format!("{} − {}: {why}", letter(second), letter(0))),
        }
    }
    let is_paired = |verdict: &Verdict| matches!(verdict.test, Test::Paired { .. });
    if found.iter().any(is_paired) {
        notes.push(
            "one run each: this compares two trained networks; for the recipes train several seeds (--seeds 5)".into(),
        );
    }
    if found.len() > 1 {
        notes.push(format!(
            "{} comparisons: each at {} %, so that all hold together at 95 % (Bonferroni)",
            found.len(),
            level_in_words(level)
        ));
    }
    (found, notes)
}

fn compare(workspace: &Workspace, sides: (&Side, &Side), level: f64) -> Result<Verdict, String> {
    match sides {
        (
            Side::Run {
                id: first,
                profile: a,
            },
            Side::Run {
                id: second,
                profile: b,
            },
        ) => {
            let first = tested(workspace, first, a)?;
            let second = tested(workspace, second, b)?;
            if a.run.as_ref().map(|r| &r.data_sha256) != b.run.as_ref().map(|r| &r.data_sha256) {
                return Err("they were tested on different data sets, so nothing can be concluded".into());
            }
            paired(&first, &second, level).ok_or_else(|| "they were tested on different images, so nothing can be concluded".into())
        }
        (Side::Group { members: a, .. }, Side::Group { members: b, .. }) => {
            let of = |members: &[group::Member]| group::Summary::of(members).test;
            let (first, second) = (of(a), of(b));
            welch(first.as_ref(), second.as_ref(), level)
                .ok_or_else(|| "each group needs two tested runs whose figures differ".into())
        }
        _ => Err(
            "a run and a group cannot be tested against each other; train the run's recipe with --seeds 5".into(),
        ),
    }
}

/// What a run predicted for the test images, where that is what its figures are of.
fn tested(workspace: &Workspace, id: &str, profile: &Profile) -> Result<Predictions, String> {
    let test = profile
        .result
        .as_ref()
        .and_then(|result| result.test.as_ref());
    let Some(test) = test else {
        return Err(format!("{id} has no test scores"));
    };
    let path = workspace.run_dir(id).join(predictions::TEST);
    let predictions = read(&path).ok_or_else(|| format!("what {id} predicted is gone"))?;
    let correct = predictions
        .items
        .iter()
        .filter(|item| is_right(item))
        .count();
    if correct as u64 != test.confusion.correct() {
        return Err(format!("what {id} predicted is not what its scores are of"));
    }
    Ok(predictions)
}

fn read(path: &Path) -> Option<Predictions> {
    Predictions::decode(&storage::read(path, predictions::LARGEST).ok()?).ok()
}

fn is_right(item: &Prediction) -> bool {
    item.top[0] == item.label
}

/// Two runs on the same images; `None` where they are not the same.
#[must_use]
pub(crate) fn paired(first: &Predictions, second: &Predictions, level: f64) -> Option<Verdict> {
    if first.items.is_empty() || first.items.len() != second.items.len() {
        return None;
    }
    let mut counts = Paired::default();
    let mut deciding = Vec::new();
    for (a, b) in first.items.iter().zip(&second.items) {
        if (a.index, a.label) != (b.index, b.label) {
            return None;
        }
        counts.add(is_right(a), is_right(b));
        if is_right(a) != is_right(b) {
            deciding.push(Deciding {
                first: *a,
                second: *b,
            });
        }
    }
    let is_exact = counts.deciding() < FEW;
    Some(Verdict {
        first: 0,
        second: 1,
        difference: counts.difference(),
        interval: counts.bootstrap(level)?,
        level,
        p: if is_exact {
            counts.exact_p()
        } else {
            counts.mid_p()
        },
        test: Test::Paired {
            counts,
            is_exact,
            deciding,
        },
    })
}

fn welch(first: Option<&Group>, second: Option<&Group>, level: f64) -> Option<Verdict> {
    let (first, second) = (first?, second?);
    let found = significance::welch(first, second, level)?;
    Some(Verdict {
        first: 0,
        second: 1,
        difference: found.difference,
        interval: found.interval,
        level,
        p: found.p,
        test: Test::Welch {
            runs: [first.count, second.count],
            freedom: found.freedom,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(right: &[bool]) -> Predictions {
        let mut all = Predictions::new(10);
        for (index, right) in (0..).zip(right) {
            let item = Prediction {
                index,
                label: 3,
                top: [if *right { 3 } else { 4 }, 0, 0, 0, 0],
                probability: [0.5, 0.1, 0.1, 0.1, 0.1],
            };
            all.add(item, &[0.1; 10]);
        }
        all
    }

    #[test]
    fn what_decides_is_counted_kept_and_said() {
        let first: Vec<bool> = (0..1000).map(|i| i % 10 != 0).collect();
        let mut second = first.clone();
        // Twelve images change: nine for the second, three for the first.
        for i in 0..9 {
            second[10 * i] = true;
        }
        for i in 0..3 {
            second[10 * i + 1] = false;
        }
        let (a, b) = (predictions(&first), predictions(&second));
        let verdict = paired(&a, &b, CONFIDENCE).unwrap();
        let Test::Paired {
            counts,
            is_exact,
            deciding,
        } = &verdict.test
        else {
            panic!("not paired");
        };
        assert_eq!((counts.first, counts.second, *is_exact), (3, 9, true));
        assert_eq!(deciding.len(), 12);
        assert_eq!(deciding.iter().filter(|d| d.is_for_second()).count(), 9);
        assert!((verdict.difference - 0.006).abs() < 1e-12);
        assert!(!verdict.tells_apart());
        let said = verdict.sentence();
        assert!(said.starts_with("B − A: +0.60 points, 95 % "), "{said}");
        assert!(
            said.contains(
                ": not told apart; 12 images decide (9 for B, 3 for A; McNemar exact p = 0.15)"
            ),
            "{said}"
        );
        let none = paired(&a, &a, CONFIDENCE).unwrap();
        assert!(
            none.sentence().contains("0 images decide"),
            "{}",
            none.sentence()
        );
        assert!(!none.tells_apart());
        let all = paired(
            &predictions(&[false; 100]),
            &predictions(&[true; 100]),
            0.975,
        )
        .unwrap();
        let said = all.sentence();
        assert!(
            said.contains("97.5 %")
                && said.contains("told apart, B is better")
                && said.contains("p < 0.0001"),
            "{said}"
        );
        let worse = paired(
            &predictions(&[true; 100]),
            &predictions(&[false; 100]),
            0.95,
        )
        .unwrap();
        assert!(
            worse.sentence().contains("A is better"),
            "{}",
            worse.sentence()
        );
    }

    #[test]
    fn other_images_are_not_compared() {
        let (a, mut b) = (predictions(&[true; 5]), predictions(&[true; 5]));
        assert!(paired(&a, &predictions(&[true; 4]), CONFIDENCE).is_none());
        b.items[2].index = 9;
        assert!(paired(&a, &b, CONFIDENCE).is_none());
        assert!(paired(&predictions(&[]), &predictions(&[]), CONFIDENCE).is_none());
    }

    #[test]
    fn groups_are_told_apart_by_their_spread() {
        let of = |values: &[f64]| Group::of(values);
        let verdict = welch(
            of(&[0.90, 0.91, 0.92]).as_ref(),
            of(&[0.95, 0.96, 0.94]).as_ref(),
            CONFIDENCE,
        );
        let said = verdict.unwrap().sentence();
        assert!(
            said.contains("told apart, B is better; 3 and 3 runs (Welch p = 0.00"),
            "{said}"
        );
        assert!(welch(of(&[0.9]).as_ref(), of(&[0.8, 0.9]).as_ref(), CONFIDENCE).is_none());
        assert!(welch(None, None, CONFIDENCE).is_none());
    }
}
