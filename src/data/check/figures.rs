//! The mean and deviation of a set's images, and those that a recipe normalises by.

use super::report::{Case, Finding, Kind, Level, problem};
use super::{Source, Survey};
use crate::catalog;
use crate::data::Part;
use crate::data::transform::IMAGENET;
use crate::profile::{Data, Normalize, PerChannel};

/// Statistics are told where the mean is off by more than so many deviations, or the deviation by more than this
/// factor.
const MEAN_OFF: f64 = 0.25;
const STD_OFF: f64 = 1.25;

/// By what a recipe normalises: mean and deviation of each channel or all, and whose they are, in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    pub whose: String,
    /// Of a finding that the images' are others.
    pub level: Level,
}

impl Survey {
    /// Mean and deviation of the training images, pixel by pixel.
    pub(super) fn statistics(&self) -> (Vec<f64>, Vec<f64>) {
        let (mut area, mut sums) = (0.0, [[0.0; 2]; 3]);
        let mut is_grey = true;
        let train = self
            .kept()
            .filter(|(i, _)| self.source.part(*i) == Part::Train);
        for (_, facts) in train {
            let own = f64::from(facts.height) * f64::from(facts.width);
            area += own;
            is_grey &= facts.is_grey;
            for (channel, sums) in sums.iter_mut().enumerate() {
                sums[0] += own * f64::from(facts.means[channel]);
                sums[1] += own * f64::from(facts.squares[channel]);
            }
        }
        if area == 0.0 {
            return (Vec::new(), Vec::new());
        }
        let each = sums.iter().take(if is_grey { 1 } else { 3 });
        let of = |[sum, square]: &[f64; 2]| {
            let mean = sum / area;
            (mean, (square / area - mean * mean).max(0.0).sqrt())
        };
        each.map(of).unzip()
    }
}

pub(super) fn far_off(mean: &[f64], std: &[f64], figures: &Figures) -> Finding {
    let at = |values: &[f64], channel: usize| values.get(channel).or(values.first()).copied();
    let channels = mean.len().max(figures.mean.len());
    let is_off = (0..channels).any(|channel| {
        let all = (
            at(mean, channel),
            at(std, channel),
            at(&figures.mean, channel),
            at(&figures.std, channel),
        );
        let (Some(mean), Some(std), Some(by), Some(divisor)) = all else {
            return false;
        };
        let factor = std / divisor;
        (mean - by).abs() > MEAN_OFF * divisor || !(1.0 / STD_OFF..=STD_OFF).contains(&factor)
    });
    let cases = if is_off {
        vec![
            Case::told(format!(
                "training images: mean {}, deviation {}",
                numbers(mean),
                numbers(std)
            )),
            Case::told(format!(
                "{}: mean {}, deviation {}",
                figures.whose,
                numbers(&figures.mean),
                numbers(&figures.std)
            )),
        ]
    } else {
        Vec::new()
    };
    let words = match figures.level {
        Level::Problem => {
            "the recipe normalises by figures that are not those of the images; data.normalize = \"computed\" takes theirs"
        }
        Level::Note => {
            "the recipe normalises by ImageNet's figures, as pretrained weights expect; those of the images are others"
        }
    };
    Finding {
        count: usize::from(is_off),
        level: figures.level,
        ..problem(Kind::Normalization, cases, words.into())
    }
}

/// `0.286`, or `0.485, 0.456, 0.406`.
#[must_use]
pub fn numbers(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
    values.join(", ")
}

/// What a source's images are normalised by, where the recipe's figures are known without them.
#[must_use]
pub fn figures(source: &Source, settings: &Data) -> Option<Figures> {
    let each = |figures: &[(f64, f64)], whose: &str, level| {
        let (mean, std) = figures.iter().copied().unzip();
        Some(Figures {
            mean,
            std,
            whose: whose.into(),
            level,
        })
    };
    let published = || {
        let set = catalog::find(&source.set)?;
        (!set.statistics.is_empty()).then_some(set.statistics)
    };
    match settings.normalize {
        Normalize::Imagenet => each(
            &IMAGENET.map(|(mean, std)| (f64::from(mean), f64::from(std))),
            "ImageNet's",
            Level::Note,
        ),
        Normalize::Dataset | Normalize::Given => {
            let all = |of: &PerChannel| (0..of.len()).filter_map(|c| of.at(c)).collect();
            match (&settings.mean, &settings.std) {
                (Some(mean), Some(std)) => Some(Figures {
                    mean: all(mean),
                    std: all(std),
                    whose: "the recipe's".into(),
                    level: Level::Problem,
                }),
                _ => each(published()?, "the published ones", Level::Problem),
            }
        }
        Normalize::Computed | Normalize::PerPixel | Normalize::Unit => None,
    }
}
