//! `[train.early_stop]`: which figure decides when a run has stopped improving, and how it decides.

use serde::{Deserialize, Serialize};

/// End the run when the monitored figure stops improving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStop {
    /// Epochs without improvement before the run ends; 0 never ends it.
    pub patience: usize,
    /// An epoch counts as improved when it beats the figure of the last improved one by more than this.
    pub min_delta: f64,
    pub monitor: Monitor,
}

impl Default for EarlyStop {
    fn default() -> Self {
        Self {
            patience: 0,
            min_delta: 0.0,
            monitor: Monitor::ValidationLoss,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Monitor {
    #[default]
    ValidationLoss,
    ValidationAccuracy,
    TrainLoss,
}

impl Monitor {
    /// For people, as in `validation loss`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidationLoss => "validation loss",
            Self::ValidationAccuracy => "validation accuracy",
            Self::TrainLoss => "training loss",
        }
    }

    /// Losses are to fall, accuracies to rise.
    #[must_use]
    pub fn is_to_fall(self) -> bool {
        self != Self::ValidationAccuracy
    }
}

impl EarlyStop {
    /// Whether `figure` is an improvement on that of the last improved epoch, `None` before there is one. An equal
    /// figure is none, nor is one that is not a number: a run of such figures ends when the patience is used up.
    ///
    /// **Reference** PyTorch Lightning's `EarlyStopping(check_finite=False)`; with its default `True` the first figure
    /// that is not finite ends the run.
    #[must_use]
    pub fn improves(&self, figure: f64, best: Option<f64>) -> bool {
        // A figure that is to rise is one that is to fall with its sign turned, which rounds nothing.
        let falling = |v: f64| if self.monitor.is_to_fall() { v } else { -v };
        falling(figure) + self.min_delta < best.map_or(f64::INFINITY, falling)
    }
}
