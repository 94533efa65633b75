//! The learning rate over time, as a pure function of the step.

use crate::profile::{Schedule, ScheduleKind};

/// The learning rate of step `step` (0-based) of `total` in a run of `steps_per_epoch` steps an epoch.
///
/// With a warm-up of w steps, a fraction too, a step below w has the share min(1, (step + 1) / w) of `base`; from there
/// on the schedule goes by step − w. Never above `base`. A run of one-cycle rises for w steps, for 0.3 of them all
/// where w is 0.
///
/// **Reference** PyTorch's `LambdaLR` for the warm-up, then `StepLR` (at least one step between drops), `MultiStepLR`
/// and `CosineAnnealingLR` (`T_max` = total − w), all taken per step; `OneCycleLR` with cosine annealing, `div_factor`
/// 25, `final_div_factor` 1e4 and `pct_start` = w / total (Smith and Topin 2018).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "step counts are below 2^53")]
pub fn learning_rate(
    schedule: &Schedule,
    base: f64,
    step: u64,
    total: u64,
    steps_per_epoch: u64,
) -> f64 {
    let warmup = schedule.warmup_epochs * steps_per_epoch as f64;
    let (step, total) = (step as f64, total.max(1) as f64);
    if schedule.kind == ScheduleKind::OneCycle {
        return one_cycle(base, step, total, warmup);
    }
    if step < warmup {
        return if step + 1.0 <= warmup {
            base * (step + 1.0) / warmup
        } else {
            base
        };
    }
    let (step, total) = (step - warmup, (total - warmup).max(1.0));
    match schedule.kind {
        ScheduleKind::Constant | ScheduleKind::OneCycle => base,
        ScheduleKind::Step if !schedule.milestones.is_empty() => {
            let passed = schedule.milestones.iter().filter(|epoch| {
                // As in `drops`: 1.1 epochs of 10 steps are to be 11.
                *epoch * steps_per_epoch as f64 <= step + 1e-9
            });
            base * schedule.gamma.powf(passed.count() as f64)
        }
        ScheduleKind::Step => {
            let between = (schedule.step_epochs * steps_per_epoch as f64).max(1.0);
            base * schedule.gamma.powf(drops(step, between))
        }
        ScheduleKind::Cosine => {
            let low = base * schedule.final_factor;
            cosine(base, low, step / total)
        }
    }
}

/// Rates that steps up and down lead to.
pub const STEPPED: std::ops::RangeInclusive<f64> = 1e-9..=100.0;

/// The next of 1, 2, 5 × 10ⁿ above or below a rate; `None` beyond [`STEPPED`] and where the rate is not positive.
#[must_use]
pub fn neighbour_rate(rate: f64, up: bool) -> Option<f64> {
    if !(rate.is_finite() && rate > 0.0) {
        return None;
    }
    // A rate that a schedule has moved by less than this is that round number.
    let is_beyond = |r: &f64| {
        if up {
            *r > rate * 1.01
        } else {
            *r < rate * 0.99
        }
    };
    // Read from text, so that the same steps lead to the same bits everywhere.
    let round = (-9..=2)
        .flat_map(|power| [1, 2, 5].map(|digit| format!("{digit}e{power}")))
        .filter_map(|text| text.parse::<f64>().ok())
        .filter(|r| STEPPED.contains(r) && is_beyond(r));
    if up {
        round.reduce(f64::min)
    } else {
        round.reduce(f64::max)
    }
}

/// Drops until `step`. 1.1 epochs of 10 steps are 11.000000000000002 in f64: the drop of step 11 is not to wait for
/// step 12.
fn drops(step: f64, between: f64) -> f64 {
    (step / between + 1e-9).floor()
}

/// The decay of averaged weights at step `step` (0-based): `decay`, less in the first steps, so that a short run's
/// average is not mostly its untrained start.
///
/// **Reference** TensorFlow's `ExponentialMovingAverage(num_updates=…)`: min(decay, (1 + step) / (10 + step)).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "step counts are below 2^53")]
pub fn average_decay(decay: f64, step: u64) -> f64 {
    decay.min((1.0 + step as f64) / (10.0 + step as f64))
}

fn one_cycle(peak: f64, step: f64, total: f64, warmup: f64) -> f64 {
    let warmup = if warmup > 0.0 {
        warmup.min(total)
    } else {
        0.3 * total
    };
    // Of the steps that end the rise and the fall. Where less than one step rises, the fall has begun before the first
    // step.
    let (rise, last) = (warmup - 1.0, total - 1.0);
    let start = peak / 25.0;
    if step <= rise {
        // One step's rise has its start and its end in the same step, and PyTorch divides zero by zero: here it is the
        // end.
        let share = if rise > 0.0 { step / rise } else { 1.0 };
        cosine(start, peak, share)
    } else {
        cosine(peak, start / 1e4, (step - rise) / (last - rise))
    }
}

fn cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(kind: ScheduleKind, warmup_epochs: f64, step: u64) -> f64 {
        let schedule = Schedule {
            kind,
            warmup_epochs,
            step_epochs: 2.0,
            gamma: 0.5,
            ..Schedule::default()
        };
        learning_rate(&schedule, 0.1, step, 100, 10)
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} ≠ {b}");
    }

    #[test]
    fn shapes() {
        near(rate(ScheduleKind::Constant, 0.0, 99), 0.1);
        near(rate(ScheduleKind::Constant, 1.0, 4), 0.05);
        near(rate(ScheduleKind::Step, 0.0, 19), 0.1);
        near(rate(ScheduleKind::Step, 0.0, 20), 0.05);
        near(rate(ScheduleKind::Cosine, 0.0, 50), 0.05);
        near(rate(ScheduleKind::Cosine, 0.0, 0), 0.1);
    }

    #[test]
    fn rates_step_through_round_numbers() {
        let steps = |from: f64, ups: &str| {
            ups.chars()
                .scan(from, |rate, c| {
                    *rate = neighbour_rate(*rate, c == '+')?;
                    Some(*rate)
                })
                .collect::<Vec<f64>>()
        };
        assert_eq!(steps(2e-4, "+++"), [5e-4, 1e-3, 2e-3]);
        assert_eq!(steps(1e-3, "+++-"), [2e-3, 5e-3, 1e-2, 5e-3]);
        assert_eq!(steps(0.003, "-+"), [2e-3, 5e-3]);
        // What a division by the schedule's rate leaves of a round number is that number.
        assert_eq!(steps(0.001 * (1.0 - 1e-15), "+"), [2e-3]);
        assert_eq!(steps(50.0, "++"), [100.0]);
        assert_eq!(steps(2e-9, "--"), [1e-9]);
        assert_eq!(steps(1e3, "+-"), [] as [f64; 0]);
        assert_eq!(steps(1e3, "-"), [100.0]);
        for none in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(neighbour_rate(none, true), None);
        }
    }

    #[test]
    fn averaging_begins_short_sighted() {
        near(average_decay(0.999, 0), 0.1);
        near(average_decay(0.999, 90), 0.91);
        near(average_decay(0.999, 1_000_000), 0.999);
    }

    /// `torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=100)`; `get_last_lr()` at steps 0, 10, 29, 60,
    /// 99.
    #[test]
    fn one_cycle_matches_torch() {
        for (step, want) in [
            (0, 0.004),
            (10, 0.029_516_394_846_410_082),
            (29, 0.1),
            (60, 0.058_928_008_029_028_55),
            (99, 4e-7),
        ] {
            near(rate(ScheduleKind::OneCycle, 0.0, step), want);
        }
    }

    #[test]
    fn a_warm_up_of_part_of_a_step_ends_in_the_base_rate() {
        let first_two = |warmup_steps: f64| {
            [0, 1].map(|step| rate(ScheduleKind::Cosine, warmup_steps / 10.0, step))
        };
        for steps in [0.5, 1.0] {
            near(first_two(steps)[0], 0.1);
        }
        near(first_two(1.01)[0], 0.1 / 1.01);
        near(first_two(1.01)[1], 0.1);
        near(first_two(1.5)[0], 0.1 / 1.5);
        near(first_two(1.5)[1], 0.1);
    }

    /// 1.1 epochs of 10 steps are more than 11 in f64.
    #[test]
    fn a_drop_comes_in_its_step() {
        let schedule = Schedule {
            kind: ScheduleKind::Step,
            step_epochs: 1.1,
            gamma: 0.5,
            ..Schedule::default()
        };
        let rate = |step| learning_rate(&schedule, 0.1, step, 100, 10);
        assert_eq!([10, 11, 21, 22].map(rate), [0.1, 0.05, 0.05, 0.025]);
    }

    /// `MultiStepLR(opt, milestones=[11, 30], gamma=0.1)` from a rate of 0.1; `get_last_lr()` at these steps.
    #[test]
    fn drops_at_milestones_are_torchs() {
        let mut schedule = Schedule {
            kind: ScheduleKind::Step,
            milestones: vec![3.0, 1.1],
            ..Schedule::default()
        };
        for (step, want) in [
            (0, 0.1),
            (10, 0.1),
            (11, 0.01),
            (29, 0.01),
            (30, 1e-3),
            (99, 1e-3),
        ] {
            near(learning_rate(&schedule, 0.1, step, 100, 10), want);
        }
        schedule.warmup_epochs = 1.0;
        for (step, want) in [(4, 0.05), (20, 0.1), (21, 0.01), (40, 1e-3)] {
            near(learning_rate(&schedule, 0.1, step, 100, 10), want);
        }
    }

    /// `pct_start = 1 / total`, where PyTorch divides by zero: at the peak in the first step, then down as from any
    /// rise.
    #[test]
    fn a_rise_of_one_step_is_the_peak() {
        let schedule = |warmup_epochs| Schedule {
            kind: ScheduleKind::OneCycle,
            warmup_epochs,
            ..Schedule::default()
        };
        let rate = |total, step| learning_rate(&schedule(1.0), 0.1, step, total, 1);
        near(rate(1, 0), 0.1);
        assert_eq!(rate(5, 0), 0.1);
        near(rate(5, 2), f64::midpoint(0.1, 4e-7));
        near(rate(5, 4), 4e-7);
    }
}
