//! All metrics, a row each. Every table of figures, on the screens, on the command line and in JSON, goes through this
//! list.

use super::Scores;
use crate::text::figure;

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 0 to 1, shown in percent.
    Share,
    /// At most 1, shown as it is.
    Score,
    /// Of any size.
    Loss,
}

/// A figure of one part of the data.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// In records and JSON.
    pub key: &'static str,
    /// On screens.
    pub label: &'static str,
    pub unit: Unit,
    pub higher_is_better: bool,
    /// NaN where it is not known.
    pub of: fn(&Scores) -> f64,
}

impl Metric {
    const fn new(key: &'static str, label: &'static str, of: fn(&Scores) -> f64) -> Self {
        Self {
            key,
            label,
            unit: Unit::Score,
            higher_is_better: true,
            of,
        }
    }

    const fn share(key: &'static str, label: &'static str, of: fn(&Scores) -> f64) -> Self {
        Self {
            unit: Unit::Share,
            ..Self::new(key, label, of)
        }
    }
}

impl Metric {
    /// The figure of some scores in at most `width` columns: a share in percent with so many decimals, a score with two
    /// more.
    #[must_use]
    pub fn text(&self, scores: &Scores, decimals: usize, width: usize) -> String {
        self.unit.text((self.of)(scores), decimals, width)
    }
}

impl Unit {
    /// A figure of this unit: [`Metric::text`].
    #[must_use]
    pub fn text(self, value: f64, decimals: usize, width: usize) -> String {
        match self {
            // A loss that is not a number was measured so.
            Self::Share | Self::Score if value.is_nan() => "–".into(),
            Self::Share => figure::percent(value, decimals, width),
            Self::Score => figure::fixed(value, decimals + 2, width),
            Self::Loss => figure::loss(value, width),
        }
    }
}

/// The mean of the classes' F1 that a run is known by, beside its accuracy.
pub const MACRO_F1: Metric = Metric::new("macro_f1", "macro F1", |s| s.macro_mean(|c| c.f1));

/// The most important first: where there is little room, the last ones are left out.
pub const METRICS: [Metric; 11] = [
    Metric::share("accuracy", "accuracy", |s| s.accuracy),
    MACRO_F1,
    Metric {
        unit: Unit::Loss,
        higher_is_better: false,
        ..Metric::new("loss", "loss", |s| s.loss)
    },
    Metric::share("top3_accuracy", "top-3", |s| s.top3_accuracy),
    Metric::new("mcc", "MCC", matthews),
    Metric::new("cohen_kappa", "kappa", cohen_kappa),
    Metric::new("macro_precision", "macro P", |s| {
        s.macro_mean(|c| c.precision)
    }),
    Metric::new("macro_recall", "macro R", |s| s.macro_mean(|c| c.recall)),
    Metric::new("weighted_f1", "weighted F1", |s| s.weighted_mean(|c| c.f1)),
    Metric::new("weighted_precision", "weighted P", |s| {
        s.weighted_mean(|c| c.precision)
    }),
    Metric::new("weighted_recall", "weighted R", |s| {
        s.weighted_mean(|c| c.recall)
    }),
];

/// The metric with this key.
#[must_use]
pub fn metric(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}

/// Sums over the classes: images right, all images, and of their numbers as labels and as predictions the product and
/// both squares.
struct Sums {
    right: f64,
    all: f64,
    product: f64,
    labels: f64,
    predictions: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn sums(scores: &Scores) -> Sums {
    let counts = &scores.confusion;
    let pairs = || (0..counts.classes()).map(|k| [counts.row_total(k), counts.column_total(k)]);
    let sum = |of: fn([f64; 2]) -> f64| pairs().map(|n| of(n.map(|n| n as f64))).sum();
    Sums {
        right: counts.correct() as f64,
        all: counts.total() as f64,
        product: sum(|[label, prediction]| label * prediction),
        labels: sum(|[label, _]| label * label),
        predictions: sum(|[_, prediction]| prediction * prediction),
    }
}

/// Cohen 1960: agreement beyond that of chance; NaN where chance alone agrees always.
fn cohen_kappa(scores: &Scores) -> f64 {
    let s = sums(scores);
    1.0 - (s.all - s.right) / (s.all - s.product / s.all)
}

/// Matthews' correlation coefficient, of several classes as Gorodkin 2004; 0 where labels or predictions are all alike,
/// as scikit-learn has it.
fn matthews(scores: &Scores) -> f64 {
    let s = sums(scores);
    if s.all == 0.0 {
        return f64::NAN;
    }
    let square = s.all * s.all;
    let spread = (square - s.predictions) * (square - s.labels);
    if spread == 0.0 {
        return 0.0;
    }
    (s.right * s.all - s.product) / spread.sqrt()
}
