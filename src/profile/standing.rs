//! Which model and which images a run's figures are of, and the gap between training and held-out accuracy. Whatever
//! shows such a figure, a screen or a command, asks here, so that no two mean different things by one word.

use super::{EpochRecord, Profile, ResultRecord};
use crate::metrics::Scores;
use crate::text::figure;

/// How the note of a run begins whose figures are of the last weights because the best are damaged.
const BEST_IS_DAMAGED: &str = "the best weights";

/// Whose weights figures are of, with their epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The ones that `best.safetensors` has.
    Best(usize),
    /// The last ones of a run that is over.
    Last(usize),
    /// Those at the end of an epoch, of a run that is not over or was broken off.
    Epoch(usize),
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    Train,
    Validation,
    Test,
}

/// An accuracy: what of, and by which weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub accuracy: f64,
    pub subset: Subset,
    pub weights: Weights,
}

/// Training and held-out accuracy of the same weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    pub weights: Weights,
    /// At the end of an epoch the mean over it, as it was trained.
    pub train: f64,
    pub held_out: f64,
    /// The validation set, or the test set where there is none.
    pub subset: Subset,
}

/// The gap of any figure: that on the training images less that on the held-out ones, by the same weights.
#[must_use]
pub fn gap(train: f64, held_out: f64) -> f64 {
    train - held_out
}

impl Weights {
    #[must_use]
    pub fn epoch(self) -> usize {
        match self {
            Self::Best(epoch) | Self::Last(epoch) | Self::Epoch(epoch) => epoch,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Best(_) => "best",
            Self::Last(_) => "last",
            Self::Epoch(_) => "epoch",
        }
    }

    /// `best @ 13`, `last @ 20`, `epoch 7`; shorter where that does not fit.
    #[must_use]
    pub fn short(self, width: usize) -> String {
        let (word, epoch) = (self.word(), self.epoch() as u64);
        let full = figure::count(epoch, figure::ANY);
        let least = figure::count(epoch, 5);
        let candidates = if matches!(self, Self::Epoch(_)) {
            [
                format!("{word} {full}"),
                format!("{word} {least}"),
                format!("@{full}"),
                format!("@{least}"),
            ]
        } else {
            [
                format!("{word} @ {full}"),
                format!("{word} @{least}"),
                format!("{word} {least}"),
                format!("@{least}"),
            ]
        };
        figure::fitting(candidates, width)
    }

    /// `the best weights, epoch 13`.
    #[must_use]
    pub fn long(self) -> String {
        let epoch = figure::count(self.epoch() as u64, figure::ANY);
        match self {
            Self::Epoch(_) => format!("the weights of epoch {epoch}"),
            _ => format!("the {} weights, epoch {epoch}", self.word()),
        }
    }
}

impl Subset {
    /// What the curves are drawn on.
    #[must_use]
    pub fn held_out(curve_is_test: bool) -> Self {
        if curve_is_test {
            Self::Test
        } else {
            Self::Validation
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// In five letters at most.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::Validation => "val.",
            other => other.name(),
        }
    }
}

impl Standing {
    /// Of a finished run by the weights that were scored at its end, else by those of the newest epoch; `None` where
    /// nothing was evaluated yet.
    #[must_use]
    pub fn new(
        scored: Option<&ResultRecord>,
        newest: Option<Self>,
        curve_is_test: bool,
    ) -> Option<Self> {
        match scored {
            Some(scored) => scored.standing(curve_is_test),
            None => newest.filter(|newest| !newest.held_out.is_nan()),
        }
    }

    /// At the end of an epoch.
    #[must_use]
    pub fn of_epoch(epoch: usize, train: f64, held_out: f64, curve_is_test: bool) -> Self {
        Self {
            weights: Weights::Epoch(epoch),
            train,
            held_out,
            subset: Subset::held_out(curve_is_test),
        }
    }

    #[must_use]
    pub fn gap(&self) -> f64 {
        gap(self.train, self.held_out)
    }

    /// The gap in words: `+6.1 points`, or `+6.1 points to test` where there is no validation set; shorter in little
    /// room.
    #[must_use]
    pub fn gap_in_words(&self, width: usize) -> String {
        if self.subset != Subset::Test {
            return figure::points(self.gap(), width);
        }
        let number = figure::points(self.gap(), figure::ANY);
        let short = figure::signed(self.gap() * 100.0, 1, width.saturating_sub(8));
        let candidates = [format!("{number} to test"), format!("{short} to test")];
        let fits = candidates.iter().any(|text| text.chars().count() <= width);
        if fits && short != "…" {
            return figure::fitting(candidates, width);
        }
        figure::points(self.gap(), width)
    }
}

impl ResultRecord {
    /// Whose weights `train`, `validation` and `test` are of: the best, where a validation set chose them and they were
    /// whole.
    #[must_use]
    pub fn weights(&self, curve_is_test: bool) -> Weights {
        if curve_is_test || self.has_lost_best() {
            Weights::Last(self.epochs)
        } else {
            Weights::Best(self.best_epoch)
        }
    }

    /// Whether the scores are of the last weights because the best were damaged.
    #[must_use]
    pub fn has_lost_best(&self) -> bool {
        self.note.starts_with(BEST_IS_DAMAGED)
    }

    /// Whether the weights at the end were scored to the last part: the test set, or where a run has none to score on
    /// the validation set.
    #[must_use]
    pub fn is_scored(&self, is_tested: bool) -> bool {
        self.known_by(is_tested).is_some()
    }

    /// The scores that a finished run is known by.
    fn known_by(&self, is_tested: bool) -> Option<(&Scores, Subset)> {
        let of_validation = self.validation.as_ref().filter(|_| !is_tested);
        let test = self.test.as_ref().map(|scores| (scores, Subset::Test));
        test.or(of_validation.map(|scores| (scores, Subset::Validation)))
    }

    /// What is to be said of a run that learned nothing.
    #[must_use]
    pub fn verdict(&self) -> Option<String> {
        let (scores, subset) = self.known_by(false)?;
        let percent = |share| figure::percent(share, 1, figure::ANY);
        let chance = percent(scores.chance()?);
        Some(format!(
            "no better than chance: {} of the {} set (one class is {chance})",
            percent(scores.accuracy),
            subset.name()
        ))
    }

    fn standing(&self, curve_is_test: bool) -> Option<Standing> {
        let held_out = if curve_is_test {
            &self.test
        } else {
            &self.validation
        };
        Some(Standing {
            weights: self.weights(curve_is_test),
            train: self.train.as_ref()?.accuracy,
            held_out: held_out.as_ref()?.accuracy,
            subset: Subset::held_out(curve_is_test),
        })
    }
}

impl Profile {
    /// The test set draws the curve, so that it chooses nothing: the lowest training loss does.
    #[must_use]
    pub fn curve_is_test(&self) -> bool {
        self.data.validation == 0.0
    }

    /// It is a trial of a sweep.
    #[must_use]
    pub fn is_trial(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.sweep.is_empty())
    }

    /// Epochs that are finished, as far as recorded.
    #[must_use]
    pub fn epochs_done(&self) -> usize {
        self.history.last().map_or(0, |last| last.epoch)
    }

    /// The epoch that the best weights are of: of the highest validation accuracy, then of the lowest loss; without a
    /// validation set that of the lowest training loss.
    #[must_use]
    pub fn best_epoch(&self) -> Option<&EpochRecord> {
        let recorded = self.result.as_ref().map_or(0, |r| r.best_epoch);
        let of_record = self.history.iter().find(|e| e.epoch == recorded);
        let by_training = self.curve_is_test();
        let loss = |e: &EpochRecord| {
            if by_training {
                e.train_loss
            } else {
                e.held_out_loss
            }
        };
        // Every number beats a loss that is not finite.
        let to_beat = |e: &EpochRecord| Some(loss(e)).filter(|l| l.is_finite()).unwrap_or(f64::MAX);
        let beats = |e: &EpochRecord, best: &EpochRecord| {
            let by_accuracy = e.held_out_accuracy.total_cmp(&best.held_out_accuracy);
            let is_level = by_training || by_accuracy.is_eq();
            (is_level && loss(e) < to_beat(best)) || (!by_training && by_accuracy.is_gt())
        };
        let computed = || {
            self.history
                .iter()
                .reduce(|best, e| if beats(e, best) { e } else { best })
        };
        of_record.or_else(computed)
    }

    /// Why it has no test scores; `None` where it has or gets them.
    #[must_use]
    pub fn untested(&self) -> Option<&'static str> {
        let no_test_set = self.run.as_ref().is_some_and(|run| run.no_test_set);
        (no_test_set || !self.train.test).then(|| why_untested(no_test_set))
    }

    /// Whether it has test scores, or gets them at its end.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        self.untested().is_none()
    }

    /// Training and held-out accuracy; `None` before the first epoch.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let on_test = self.curve_is_test();
        let newest = self
            .history
            .last()
            .map(|e| Standing::of_epoch(e.epoch, e.train_accuracy, e.held_out_accuracy, on_test));
        Standing::new(self.scored(), newest, on_test)
    }

    /// The result, once its weights were scored to the last part.
    fn scored(&self) -> Option<&ResultRecord> {
        let is_scored = |r: &&ResultRecord| r.is_scored(self.is_tested());
        self.result.as_ref().filter(is_scored)
    }

    /// Whose weights this run's figures are of.
    #[must_use]
    pub fn weights(&self) -> Option<Weights> {
        let of_result = self.scored().map(|r| r.weights(self.curve_is_test()));
        of_result.or_else(|| self.history.last().map(|e| Weights::Epoch(e.epoch)))
    }

    /// The scores a run is known by once it is over: on the test set, or on the validation set where it has no test
    /// scores.
    #[must_use]
    pub fn known_scores(&self) -> Option<&Scores> {
        let known = self.result.as_ref()?.known_by(self.is_tested());
        known.map(|(scores, _)| scores)
    }

    /// The accuracy a run is known by: on the test set when it is finished (on the validation set
    /// where it has no test scores), before that the held-out one of its best epoch.
    #[must_use]
    pub fn accuracy(&self) -> Option<Measured> {
        let on_test = self.curve_is_test();
        if let Some(result) = &self.result
            && let Some((scores, subset)) = result.known_by(self.is_tested())
        {
            return Some(Measured {
                accuracy: scores.accuracy,
                subset,
                weights: result.weights(on_test),
            });
        }
        let best = self.best_epoch();
        let best = best.filter(|best| !best.held_out_accuracy.is_nan());
        best.map(|best| Measured {
            accuracy: best.held_out_accuracy,
            subset: Subset::held_out(on_test),
            weights: Weights::Best(best.epoch),
        })
    }
}

/// Why a run has no test scores, in a few words.
#[must_use]
pub fn why_untested(no_test_set: bool) -> &'static str {
    if no_test_set {
        "no test set"
    } else {
        "train.test = false"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(
        epoch: usize,
        train_loss: f64,
        held_out_accuracy: f64,
        held_out_loss: f64,
    ) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss,
            train_accuracy: 0.9,
            held_out_accuracy,
            held_out_loss,
            ..EpochRecord::default()
        }
    }

    fn run() -> Profile {
        let mut profile = Profile::new("mlp");
        profile.data.validation = 0.1;
        profile.history = vec![
            epoch(1, 0.9, 0.8, 0.6),
            epoch(2, 0.5, 0.84, 0.5),
            epoch(3, 0.6, 0.84, 0.4),
            epoch(4, 0.4, 0.81, 0.3),
        ];
        profile
    }

    fn scores(accuracy: f64) -> Scores {
        Scores {
            accuracy,
            ..Scores::default()
        }
    }

    fn finished() -> Profile {
        let mut profile = run();
        profile.result = Some(ResultRecord {
            epochs: 4,
            best_epoch: 3,
            train: Some(scores(0.92)),
            validation: Some(scores(0.84)),
            test: Some(scores(0.83)),
            ..ResultRecord::default()
        });
        profile
    }

    #[test]
    fn the_best_epoch_is_that_of_the_best_weights() {
        let mut profile = run();
        assert_eq!(profile.best_epoch().unwrap().epoch, 3);
        profile.history[2].held_out_loss = f64::NAN;
        assert_eq!(profile.best_epoch().unwrap().epoch, 2);
        profile.history[1].held_out_loss = f64::NAN;
        assert_eq!(profile.best_epoch().unwrap().epoch, 2);
        profile.data.validation = 0.0;
        assert_eq!(profile.best_epoch().unwrap().epoch, 4);
        let mut recorded = finished();
        recorded.result.as_mut().unwrap().best_epoch = 2;
        assert_eq!(recorded.best_epoch().unwrap().epoch, 2);
        assert!(Profile::new("mlp").best_epoch().is_none());
    }

    #[test]
    fn the_gap_is_training_less_validation_of_the_same_weights() {
        let near = |profile: &Profile, points: &str, weights: Weights| {
            let standing = profile.standing().unwrap();
            assert_eq!(standing.gap_in_words(20), points);
            assert_eq!(standing.weights, weights);
        };
        let mut profile = run();
        near(&profile, "+9.0 points", Weights::Epoch(4));
        profile = finished();
        near(&profile, "+8.0 points", Weights::Best(3));
        profile.result.as_mut().unwrap().note =
            "the best weights, of epoch 3, are gone or damaged: …".into();
        near(&profile, "+8.0 points", Weights::Last(4));
        profile.data.validation = 0.0;
        profile.result.as_mut().unwrap().validation = None;
        near(&profile, "+9.0 points to test", Weights::Last(4));
        let standing = profile.standing().unwrap();
        assert_eq!(standing.gap_in_words(12), "+9.0 to test");
        assert_eq!(standing.gap_in_words(11), "+9.0 points");
        assert_eq!(standing.gap_in_words(4), "+9.0");
        // Stopped while it was scored: the newest epoch is all there is.
        profile = finished();
        profile.result.as_mut().unwrap().test = None;
        near(&profile, "+9.0 points", Weights::Epoch(4));
    }

    #[test]
    fn a_run_is_known_by_its_test_and_before_that_by_its_best_epoch() {
        let of = |profile: &Profile| {
            let a = profile.accuracy().unwrap();
            (a.accuracy, a.subset, a.weights)
        };
        assert_eq!(of(&run()), (0.84, Subset::Validation, Weights::Best(3)));
        assert_eq!(of(&finished()), (0.83, Subset::Test, Weights::Best(3)));
        let mut on_test = run();
        on_test.data.validation = 0.0;
        assert_eq!(of(&on_test), (0.81, Subset::Test, Weights::Best(4)));
        assert_eq!(finished().weights(), Some(Weights::Best(3)));
        assert_eq!(run().weights(), Some(Weights::Epoch(4)));
    }

    #[test]
    fn it_is_told_why_there_are_no_test_scores() {
        let mut profile = finished();
        assert_eq!(profile.untested(), None);
        profile.train.test = false;
        assert_eq!(profile.untested(), Some("train.test = false"));
        profile.run = Some(crate::profile::RunRecord {
            no_test_set: true,
            ..Default::default()
        });
        for asked in [false, true] {
            profile.train.test = asked;
            assert_eq!(profile.untested(), Some("no test set"));
            assert!(!profile.is_tested());
        }
    }

    #[test]
    fn without_a_test_a_finished_run_is_known_by_its_validation() {
        let mut untested = finished();
        untested.train.test = false;
        let result = untested.result.as_mut().unwrap();
        result.test = None;
        result.validation.as_mut().unwrap().accuracy = 0.85;
        let known = untested.accuracy().unwrap();
        assert_eq!((known.accuracy, known.subset), (0.85, Subset::Validation));
        assert_eq!(untested.known_scores().unwrap().accuracy, 0.85);
        assert_eq!(known.weights, Weights::Best(3));
        assert_eq!(untested.weights(), Some(Weights::Best(3)));
        assert_eq!(untested.standing().unwrap().weights, Weights::Best(3));
        // Of a run that wants a test it is not all.
        untested.train.test = true;
        assert_eq!(untested.weights(), Some(Weights::Epoch(4)));
        assert_eq!(untested.accuracy().unwrap().accuracy, 0.84);
        assert_eq!(untested.known_scores(), None);
    }

    #[test]
    fn weights_are_named_in_any_width() {
        assert_eq!(Weights::Best(13).short(9), "best @ 13");
        assert_eq!(Weights::Last(20).short(8), "last @20");
        assert_eq!(Weights::Best(1_000_000).short(11), "best @1.00M");
        assert_eq!(Weights::Last(1_000_000).short(10), "last 1.00M");
        assert_eq!(Weights::Epoch(1_000_000).short(9), "@1.00M");
        assert_eq!(Weights::Epoch(7).short(9), "epoch 7");
        assert_eq!(Weights::Epoch(7).short(1), "…");
        assert_eq!(Weights::Last(20).long(), "the last weights, epoch 20");
    }
}
