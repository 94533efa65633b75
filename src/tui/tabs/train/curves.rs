//! From a run's history to the points and ranges of its curves. Pure.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "epochs and screen columns are small"
)]

use crate::event::{EpochEnd, RunHistory, StepPoint};

/// The epoch axis: the planned epochs; what has been seen once the run is over; a part in the first epochs and of a
/// long plan.
///
/// The end moves in jumps (1, 5, 30, 60, 120 … epochs), so that the curve does not creep.
#[must_use]
pub(crate) fn epoch_range(history: &RunHistory, over: bool) -> (f64, f64) {
    let planned = history
        .started
        .as_ref()
        .map_or(1.0, |s| s.epochs.max(1) as f64);
    let seen_steps = history.steps.last().map_or(0.0, |s| s.epoch);
    let seen = history
        .epochs
        .last()
        .map_or(0.0, |e| e.epoch as f64)
        .max(seen_steps);
    if over && seen > 0.0 {
        return (0.0, seen);
    }
    let mut end = match seen {
        s if s <= 1.0 => 1.0,
        s if s <= 5.0 => 5.0,
        _ => 30.0,
    };
    while end < seen {
        end *= 2.0;
    }
    (0.0, planned.min(end).max(seen))
}

/// Told steps as at most `columns` points over the axis, each the mean of the steps that fall there.
#[must_use]
pub(super) fn step_points(
    steps: &[StepPoint],
    range: (f64, f64),
    columns: usize,
    figure: impl Fn(&StepPoint) -> f64,
) -> Vec<(f64, f64)> {
    let mut sums: Vec<(f64, f64, u32)> = vec![(0.0, 0.0, 0); columns.max(1)];
    let width = (range.1 - range.0).max(f64::MIN_POSITIVE);
    for step in steps {
        let value = figure(step);
        let place = (step.epoch - range.0) / width * columns as f64;
        if !value.is_finite() || !place.is_finite() || place < 0.0 {
            continue;
        }
        let at = (place as usize).min(sums.len() - 1);
        sums[at].0 += step.epoch;
        sums[at].1 += value;
        sums[at].2 += 1;
    }
    sums.into_iter()
        .filter(|(_, _, n)| *n > 0)
        .map(|(x, y, n)| (x / f64::from(n), y / f64::from(n)))
        .collect()
}

/// One point per finished epoch.
#[must_use]
pub(crate) fn epoch_points(
    epochs: &[EpochEnd],
    figure: impl Fn(&EpochEnd) -> f64,
) -> Vec<(f64, f64)> {
    epochs.iter().map(|e| (e.epoch as f64, figure(e))).collect()
}

/// The epoch after which the run only fitted the training images: held-out loss has risen for at least three epochs
/// above its minimum while training loss went on falling.
#[must_use]
pub(super) fn overfitting_since(epochs: &[EpochEnd]) -> Option<usize> {
    let best = epochs
        .iter()
        .enumerate()
        .min_by(|a, b| a.1.held_out.loss.total_cmp(&b.1.held_out.loss))?
        .0;
    let (at_best, after) = (&epochs[best], &epochs[best + 1..]);
    let last = after.last()?;
    let mean = after.iter().map(|e| e.held_out.loss).sum::<f64>() / after.len() as f64;
    let rising = after.len() >= 3 && mean > at_best.held_out.loss * 1.02;
    (rising && last.train.loss < at_best.train.loss).then(|| after[0].epoch)
}

/// Where the run stands within its plan.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RunPosition {
    /// 1-based epoch that is being trained, or the last one.
    pub epoch: usize,
    pub epochs: usize,
    pub step_in_epoch: u64,
    pub steps_per_epoch: u64,
    /// Share of all planned steps.
    pub share: f64,
    /// The epoch's steps are done, its evaluation is not.
    pub evaluating: bool,
}

/// [`RunPosition`] of a run; `None` before it started.
#[must_use]
pub(super) fn position(history: &RunHistory) -> Option<RunPosition> {
    let started = history.started.as_ref()?;
    let per_epoch = started.steps_per_epoch.max(1);
    let step = history.step().max(started.resumed_at_step);
    let finished_epochs = history.epochs.last().map_or(0, |e| e.epoch);
    let whole = step / per_epoch;
    let at_boundary = step > 0 && step % per_epoch == 0;
    let epoch = if at_boundary { whole } else { whole + 1 };
    let total = per_epoch * started.epochs.max(1) as u64;
    Some(RunPosition {
        epoch: (epoch as usize).min(started.epochs.max(1)),
        epochs: started.epochs,
        step_in_epoch: if at_boundary {
            per_epoch
        } else {
            step % per_epoch
        },
        steps_per_epoch: per_epoch,
        share: step as f64 / total as f64,
        evaluating: at_boundary && finished_epochs < whole as usize,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Scores;

    fn epochs(held_out: &[f64]) -> Vec<EpochEnd> {
        held_out
            .iter()
            .enumerate()
            .map(|(i, loss)| EpochEnd {
                epoch: i + 1,
                train: Scores::running(1.0 / (i + 1) as f64, 0.9),
                held_out: Scores::running(*loss, 0.9),
                best_epoch: 1,
                ..EpochEnd::default()
            })
            .collect()
    }

    #[test]
    fn overfitting_needs_three_worse_epochs() {
        assert_eq!(overfitting_since(&epochs(&[0.5, 0.4, 0.45, 0.46])), None);
        assert_eq!(
            overfitting_since(&epochs(&[0.5, 0.4, 0.45, 0.46, 0.5])),
            Some(3)
        );
        assert_eq!(
            overfitting_since(&epochs(&[0.5, 0.4, 0.401, 0.401, 0.402])),
            None
        );
        assert_eq!(overfitting_since(&[]), None);
    }

    #[test]
    fn steps_are_averaged_by_column() {
        let step = |epoch: f64, loss: f64| StepPoint {
            step: 1,
            epoch,
            loss,
            accuracy: 0.0,
            learning_rate: 0.0,
            gradient_norm: 0.0,
            images_per_second: 0.0,
            elapsed_seconds: 0.0,
            breakdown: crate::event::Breakdown::default(),
            at: 0.0,
        };
        let steps = [
            step(0.1, 1.0),
            step(0.3, 3.0),
            step(1.5, 7.0),
            step(1.6, f64::NAN),
        ];
        let points = step_points(&steps, (0.0, 2.0), 2, |s| s.loss);
        assert_eq!(points, [(0.2, 2.0), (1.5, 7.0)]);
    }
}
