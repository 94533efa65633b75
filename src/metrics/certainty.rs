//! How sure a network is of its answers, how often it is right then, and how the images of each class rank against the
//! rest: one summary of the predictions that a run keeps, for the screens and the command line. Reads no files.

use std::fmt;

use super::calibration::{Bin, Reliability, scaled, temperature};
use super::predictions::{Kept, MOST_CLASSES, Predictions};
use super::ranking::Ranking;
use crate::profile::Subset;
use crate::text;

/// Points of a curve that differ by less cannot be told apart.
const FINE: f64 = 1e-3;

/// What the predictions of one part say.
#[derive(Clone, Debug, PartialEq)]
pub struct Certainty {
    /// Validation or test set.
    pub part: Subset,
    /// The epoch whose weights predicted.
    pub epoch: usize,
    /// The test at the end, not an epoch's evaluation.
    pub is_final: bool,
    /// Images that are counted here.
    pub images: usize,
    /// Images whose probabilities are no numbers; they are not counted.
    pub left_out: usize,
    /// Of these images. NaN of no images, as the next.
    pub accuracy: f64,
    /// Mean of the highest probabilities.
    pub confidence: f64,
    pub reliability: Reliability,
    pub tempered: Result<Tempered, Unknown>,
    /// A curve for each class.
    pub curves: Result<Vec<OneAgainstRest>, Unknown>,
}

/// The same network with its logits divided by a temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Tempered {
    pub temperature: f64,
    /// Validation images that it was fitted on.
    pub fitted_on: usize,
    /// The test set at this temperature; `None` for the validation set: what it was fitted on does not judge it.
    pub after: Option<Reliability>,
}

/// One class against all others.
#[derive(Clone, Debug, PartialEq)]
pub struct OneAgainstRest {
    /// Images of the class.
    pub images: usize,
    /// Area under the ROC curve. NaN where the class, or every other, has no images.
    pub auc: f64,
    /// NaN where the class has no images.
    pub average_precision: f64,
    /// False and true positive rate.
    pub roc: Vec<(f64, f64)>,
    /// Recall and precision.
    pub precision_recall: Vec<(f64, f64)>,
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The run has no validation set.
    NoValidation,
    /// The validation predictions are missing or damaged.
    NoPredictions,
    /// The validation predictions that are kept are those of other weights.
    OtherWeights { validation: usize, judged: usize },
    /// So many classes that not every probability is kept.
    ManyClasses(u16),
    /// An earlier version kept the predictions.
    EarlierVersion,
    /// No image has probabilities that are numbers.
    NoNumbers,
    /// Every validation image is right: the surer, the better.
    AllRight,
    /// The labels are as likely at any temperature.
    NoneIsBest,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValidation => f.write_str("no validation set to fit a temperature on"),
            Self::NoPredictions => {
                f.write_str("the validation predictions to fit a temperature on are missing")
            }
            Self::OtherWeights { validation, judged } => write!(
                f,
                "the validation predictions that are kept are of epoch {validation}, these of epoch {judged}"
            ),
            Self::ManyClasses(classes) => write!(
                f,
                "not every probability of {classes} classes is kept, only the most likely; at most {MOST_CLASSES} classes are kept whole"
            ),
            Self::EarlierVersion => f.write_str(
                "an earlier version of fmtui kept only the most likely classes; train the run again",
            ),
            Self::NoNumbers => f.write_str("no probability is a number: the network diverged"),
            Self::AllRight => {
                f.write_str("no temperature fits best: every validation image is right")
            }
            Self::NoneIsBest => {
                f.write_str("no temperature fits best: the probabilities say nothing of the labels")
            }
        }
    }
}

/// What each kept file of predictions says, by time: of the best epoch, the newest one, and the test at the end. Those
/// that are there twice are told once.
#[must_use]
pub fn of(kept: &Kept) -> Vec<Certainty> {
    let all = evaluations(kept).into_iter();
    all.map(|(p, is_final)| assess(p, is_final, kept)).collect()
}

/// What stands for the run alone, as [`standing`] chooses it.
#[must_use]
pub fn of_weights(kept: &Kept, weights: Option<usize>) -> Option<Certainty> {
    let all = evaluations(kept);
    let keys = all
        .iter()
        .map(|(p, is_final)| (p.epoch as usize, *is_final));
    let (judged, is_final) = all[standing(&keys.collect::<Vec<_>>(), weights)?];
    Some(assess(judged, is_final, kept))
}

/// By time, each with whether it is the test at the end.
fn evaluations(kept: &Kept) -> Vec<(&Predictions, bool)> {
    let mut epochs: Vec<&Predictions> = [&kept.best, &kept.latest].into_iter().flatten().collect();
    epochs.sort_by_key(|p| p.epoch);
    epochs.dedup_by_key(|p| p.epoch);
    if let Some(test) = &kept.test {
        epochs.retain(|p| !p.is_test || p.epoch != test.epoch);
    }
    let epochs = epochs.into_iter().map(|p| (p, false));
    epochs.chain(kept.test.iter().map(|p| (p, true))).collect()
}

/// Which of these stands for the run: its test at the end, else what its final weights, of this epoch, predicted, else
/// the newest. Each is told by its epoch and whether it is the test.
#[must_use]
pub fn standing(all: &[(usize, bool)], weights: Option<usize>) -> Option<usize> {
    let last = all.len().checked_sub(1)?;
    let of_weights = || all.iter().position(|(epoch, _)| Some(*epoch) == weights);
    let (_, is_final) = all[last];
    if is_final {
        Some(last)
    } else {
        of_weights().or(Some(last))
    }
}

fn assess(judged: &Predictions, is_final: bool, kept: &Kept) -> Certainty {
    let places = judged.sound();
    let images = places.len();
    let reliability = reliability(judged, &places, None);
    let mean = |of: fn(&Bin) -> f64| weighted(&reliability, of);
    Certainty {
        part: if judged.is_test {
            Subset::Test
        } else {
            Subset::Validation
        },
        epoch: judged.epoch as usize,
        is_final,
        images,
        left_out: judged.items.len() - images,
        accuracy: mean(|bin| bin.accuracy),
        confidence: mean(|bin| bin.confidence),
        tempered: tempered(judged, &places, kept),
        curves: curves(judged, &places),
        reliability,
    }
}

/// The mean over the images.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn weighted(all: &Reliability, of: fn(&Bin) -> f64) -> f64 {
    let bins = || all.bins.iter().filter(|bin| bin.images > 0);
    let total: u64 = bins().map(|bin| bin.images).sum();
    let sum: f64 = bins().map(|bin| of(bin) * bin.images as f64).sum();
    sum / total as f64
}

/// The highest probability of each image at a temperature, and whether that class is the right one.
fn reliability(p: &Predictions, places: &[usize], temperature: Option<f64>) -> Reliability {
    Reliability::of(places.iter().map(|place| {
        let item = &p.items[*place];
        let all = temperature.and_then(|t| Some(scaled(&p.probabilities_of(*place)?, t)));
        let confidence = match all {
            Some(all) => all.into_iter().fold(0.0, f64::max),
            None => f64::from(item.probability[0]),
        };
        (confidence, item.top[0] == item.label)
    }))
}

/// Whether there are the probabilities of all classes, of some image at least.
fn whole(p: &Predictions, places: &[usize]) -> Result<(), Unknown> {
    match p.classes {
        _ if places.is_empty() => Err(Unknown::NoNumbers),
        0 => Err(Unknown::EarlierVersion),
        _ if !p.probabilities.is_empty() => Ok(()),
        classes => Err(Unknown::ManyClasses(classes)),
    }
}

/// The temperature of the validation images of the same weights, and what it makes of the test set.
fn tempered(judged: &Predictions, places: &[usize], kept: &Kept) -> Result<Tempered, Unknown> {
    whole(judged, places)?;
    let fitted = if judged.is_test {
        validation(judged, kept)?
    } else {
        judged
    };
    let sound = fitted.sound();
    whole(fitted, &sound)?;
    let image = |place: &usize| {
        let label = usize::from(fitted.items[*place].label);
        Some((fitted.probabilities_of(*place)?, label))
    };
    let images: Vec<(Vec<f64>, usize)> = sound.iter().filter_map(image).collect();
    let is_right = |place: &usize| fitted.items[*place].top[0] == fitted.items[*place].label;
    let why = || {
        if sound.iter().all(is_right) {
            Unknown::AllRight
        } else {
            Unknown::NoneIsBest
        }
    };
    let temperature = temperature(&images).ok_or_else(why)?;
    Ok(Tempered {
        temperature,
        fitted_on: images.len(),
        after: judged
            .is_test
            .then(|| reliability(judged, places, Some(temperature))),
    })
}

/// The validation predictions by the weights that `judged` is of.
fn validation<'a>(judged: &Predictions, kept: &'a Kept) -> Result<&'a Predictions, Unknown> {
    let epochs = || [&kept.best, &kept.latest].into_iter().flatten();
    if epochs().any(|p| p.is_test) {
        return Err(Unknown::NoValidation);
    }
    let other = epochs().next().ok_or(Unknown::NoPredictions)?;
    let same = epochs().find(|p| p.epoch == judged.epoch);
    same.ok_or(Unknown::OtherWeights {
        validation: other.epoch as usize,
        judged: judged.epoch as usize,
    })
}

fn curves(p: &Predictions, places: &[usize]) -> Result<Vec<OneAgainstRest>, Unknown> {
    whole(p, places)?;
    let one = |class: u16| {
        let scores = places.iter().map(|place| {
            let score = p.probability_of(*place, class);
            (score, p.items[*place].label == class)
        });
        let ranking = Ranking::of(scores);
        let own = |place: &&usize| p.items[**place].label == class;
        OneAgainstRest {
            images: places.iter().filter(own).count(),
            auc: ranking.auc(),
            average_precision: ranking.average_precision(),
            roc: thinned(ranking.roc()),
            precision_recall: thinned(ranking.precision_recall()),
        }
    };
    Ok((0..p.classes).map(one).collect())
}

/// Without the points that lie on the one before, for all that a screen can show.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let last = points.last().copied();
    for point in points {
        let is_near = |before: &(f64, f64)| {
            (point.0 - before.0).abs() < FINE && (point.1 - before.1).abs() < FINE
        };
        if !kept.last().is_some_and(is_near) || Some(point) == last {
            kept.push(point);
        }
    }
    kept
}

/// The unweighted mean of a figure over the classes that have it, and how many these are.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "class counts are small")]
pub fn macro_mean(curves: &[OneAgainstRest], of: fn(&OneAgainstRest) -> f64) -> (f64, usize) {
    let known: Vec<f64> = curves.iter().map(of).filter(|v| !v.is_nan()).collect();
    (known.iter().sum::<f64>() / known.len() as f64, known.len())
}

impl Certainty {
    /// How much surer the network is than right, in words: `overconfident by 2.2 points`.
    #[must_use]
    pub fn leaning(&self) -> String {
        let points = (self.confidence - self.accuracy) * 100.0;
        match points {
            _ if points.is_nan() => String::new(),
            ..-0.05 => format!("underconfident by {:.1} points", -points),
            0.05.. => format!("overconfident by {points:.1} points"),
            _ => "neither over- nor underconfident".into(),
        }
    }

    /// What is left out, in words; empty where nothing is.
    #[must_use]
    pub fn note(&self) -> String {
        if self.left_out == 0 {
            return String::new();
        }
        let images = text::count(self.left_out, "image");
        format!("{images} left out: their probabilities are no numbers")
    }
}

#[cfg(test)]
mod tests;
