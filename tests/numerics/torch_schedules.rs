//! The learning rate beside PyTorch's schedulers, at every kind, length and warm-up; and what holds where PyTorch has
//! none.
//!
//! `torch_schedules/cases.txt` is written by `scripts/torch_schedules.py`, which says what a line is and which of
//! PyTorch's forms it takes. The same script makes fresh cases where there is a Python with PyTorch:
//! `FMTUI_TORCH_PYTHON`, or `python3`.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use fmtui::profile::{Schedule, ScheduleKind};
use fmtui::schedule::learning_rate;
use proptest::prelude::*;

const FIXED: &str = include_str!("torch_schedules/cases.txt");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/torch_schedules.py");
/// Largest distance from PyTorch's rate, as a share of the base rate.
const TOLERANCE: f64 = 1e-9;
/// A rate that is `base · w / w` may be the next number above `base`.
const ROUNDING: f64 = 1.0 + 4.0 * f64::EPSILON;

/// A run's schedule: the rate of every step follows from it.
#[derive(Clone, Debug)]
struct Course {
    schedule: Schedule,
    base: f64,
    steps_per_epoch: u64,
    total: u64,
}

impl Course {
    fn rate(&self, step: u64) -> f64 {
        learning_rate(
            &self.schedule,
            self.base,
            step,
            self.total,
            self.steps_per_epoch,
        )
    }

    fn warmup(&self) -> f64 {
        self.schedule.warmup_epochs * self.steps_per_epoch as f64
    }
}

fn kind(name: &str) -> ScheduleKind {
    match name {
        "constant" => ScheduleKind::Constant,
        "step" | "multi-step" => ScheduleKind::Step,
        "cosine" => ScheduleKind::Cosine,
        "one-cycle" => ScheduleKind::OneCycle,
        other => panic!("{other}"),
    }
}

/// A line of the script: the run, and steps with PyTorch's rates, `None` where it has none.
fn parse(line: &str) -> (Course, Vec<(u64, Option<f64>)>) {
    let parts: Vec<Vec<&str>> = line
        .split('|')
        .map(|part| part.split_whitespace().collect())
        .collect();
    let [settings, steps, rates] = &parts[..] else {
        panic!("{line}");
    };
    let number = |i: usize| settings[i].parse::<f64>().unwrap();
    let epochs: Vec<f64> = settings[5].split(',').map(|e| e.parse().unwrap()).collect();
    let (step_epochs, milestones) = if settings[0] == "multi-step" {
        (Schedule::default().step_epochs, epochs)
    } else {
        (epochs[0], Vec::new())
    };
    let course = Course {
        schedule: Schedule {
            kind: kind(settings[0]),
            warmup_epochs: number(4),
            step_epochs,
            gamma: number(6),
            final_factor: number(7),
            milestones,
        },
        base: number(1),
        steps_per_epoch: settings[2].parse().unwrap(),
        total: settings[3].parse().unwrap(),
    };
    assert_eq!(steps.len(), rates.len(), "{line}");
    let rates = rates.iter().map(|rate| rate.parse().ok());
    let steps = steps.iter().map(|step| step.parse().unwrap());
    (course, steps.zip(rates).collect())
}

/// Compares every line; how many rates were PyTorch's.
fn assert_torch(lines: &str) -> usize {
    let mut compared = 0;
    for line in lines.lines() {
        let (course, rates) = parse(line);
        for (step, expected) in rates {
            let rate = course.rate(step);
            assert!(
                rate.is_finite() && rate >= 0.0,
                "step {step}: {rate}\n{line}"
            );
            let Some(expected) = expected else { continue };
            assert!(
                (rate - expected).abs() <= TOLERANCE * course.base,
                "step {step}: {rate}, PyTorch {expected}\n{line}"
            );
            compared += 1;
        }
    }
    compared
}

#[test]
fn fixed_cases_are_torchs() {
    assert_eq!(FIXED.lines().count(), 600);
    assert!(assert_torch(FIXED) > 2500);
}

/// A program that runs Python with PyTorch.
fn python() -> Option<String> {
    let python = std::env::var("FMTUI_TORCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let status = Command::new(&python)
        .args(["-c", "import torch"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|s| s.success()).then_some(python)
}

#[test]
fn fresh_cases_are_torchs() {
    let Some(python) = python() else {
        crate::skip::skipped(
            "no Python with PyTorch (python3, or what FMTUI_TORCH_PYTHON names): no fresh schedules",
        );
        return;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = now.as_millis().to_string();
    let fresh = |count: &str, more: &[&str]| {
        let output = Command::new(&python)
            .args([SCRIPT, "--random", count, "--seed", &seed])
            .args(more)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "seed {seed}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let lines = fresh("200", &[]) + &fresh("100", &["--kind", "multi-step"]);
    assert_eq!(lines.lines().count(), 300, "seed {seed}");
    assert!(assert_torch(&lines) > 1200, "seed {seed}");
}

/// The formula of fmtui 0.1.
fn first_formula(course: &Course, step: u64) -> f64 {
    let Course { schedule, base, .. } = course;
    let cosine = |from: f64, to: f64, share: f64| {
        to + (from - to) * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos()) / 2.0
    };
    let warmup = course.warmup();
    let (step, total) = (step as f64, course.total as f64);
    if schedule.kind == ScheduleKind::OneCycle {
        let warmup = if warmup > 0.0 {
            warmup.min(total)
        } else {
            0.3 * total
        };
        let (rise, last) = ((warmup - 1.0).max(1.0), (total - 1.0).max(1.0));
        let start = base / 25.0;
        return if step <= rise {
            cosine(start, *base, step / rise)
        } else {
            cosine(*base, start / 1e4, (step - rise) / (last - rise).max(1.0))
        };
    }
    if step < warmup {
        return base * (step + 1.0) / warmup.max(1.0);
    }
    let (step, total) = (step - warmup, (total - warmup).max(1.0));
    match schedule.kind {
        ScheduleKind::Constant | ScheduleKind::OneCycle => *base,
        ScheduleKind::Step => {
            let between = (schedule.step_epochs * course.steps_per_epoch as f64).max(1.0);
            base * schedule.gamma.powf((step / between).floor())
        }
        ScheduleKind::Cosine => cosine(*base, base * schedule.final_factor, step / total),
    }
}

/// Whether 0.1 was right: the warm-up ends with a whole step; two steps of one-cycle's rise, and one of its fall or
/// none; whole steps between drops.
fn was_right(course: &Course) -> bool {
    let (warmup, total) = (course.warmup(), course.total as f64);
    let is_whole = |steps: f64| steps.fract() == 0.0;
    match course.schedule.kind {
        ScheduleKind::OneCycle => {
            let rise = if warmup > 0.0 { warmup } else { 0.3 * total };
            rise >= 2.0 && (total - rise >= 1.0 || rise >= total)
        }
        ScheduleKind::Step => {
            let between = course.schedule.step_epochs * course.steps_per_epoch as f64;
            is_whole(warmup) && is_whole(between)
        }
        ScheduleKind::Constant | ScheduleKind::Cosine => is_whole(warmup),
    }
}

/// Recorded runs keep their bits: what 0.1 computed right is computed so again, to the last bit.
#[test]
fn rates_that_were_right_keep_their_bits() {
    let mut state = 20_u64;
    // SplitMix64.
    let mut draw = |most: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % (most + 1)
    };
    let (mut courses, mut rates) = (0, 0);
    while courses < 20_000 {
        let (epochs, steps_per_epoch) = (1 + draw(39), 1 + draw(199));
        let total = epochs * steps_per_epoch;
        let share = |n: u64| n as f64 / 1e6;
        let warmup_epochs = match draw(3) {
            0 => 0.0,
            1 => draw(epochs) as f64,
            2 => draw(total) as f64 / steps_per_epoch as f64,
            _ => share(draw(1_000_000)) * epochs as f64,
        };
        let course = Course {
            schedule: Schedule {
                kind: ["constant", "step", "cosine", "one-cycle"].map(kind)[draw(3) as usize],
                warmup_epochs,
                step_epochs: (1 + draw(2 * total)) as f64 / steps_per_epoch as f64,
                gamma: share(1 + draw(999_999)),
                final_factor: share(draw(1_000_000)),
                milestones: Vec::new(),
            },
            base: share(1 + draw(999_999)),
            steps_per_epoch,
            total,
        };
        if !was_right(&course) {
            continue;
        }
        courses += 1;
        for step in [0, draw(total - 1), draw(total - 1), total - 1] {
            let (rate, before) = (course.rate(step), first_formula(&course, step));
            assert_eq!(
                rate.to_bits(),
                before.to_bits(),
                "step {step} of {course:?}"
            );
            rates += 1;
        }
    }
    assert_eq!(rates, 80_000);
}

prop_compose! {
    /// Any run, with warm-ups of any length, whole or not, and often short.
    fn any_course()(
        name in prop::sample::select(vec!["constant", "step", "cosine", "one-cycle"]),
        (steps_per_epoch, epochs) in (1_u64..60, 1_u64..12),
        warmup in prop_oneof![
            Just(0.0), 0.0..1.0_f64, (0_u32..12).prop_map(|s| f64::from(s) / 12.0),
            (0.0..0.05_f64),
        ],
        (step_epochs, gamma, final_factor) in (1e-3..12.0_f64, 1e-6..=1.0_f64, 0.0..=1.0_f64),
        base in 1e-6..1.0_f64,
    ) -> Course {
        Course {
            schedule: Schedule {
                kind: kind(name),
                warmup_epochs: warmup * epochs as f64,
                step_epochs,
                gamma,
                final_factor,
                milestones: Vec::new(),
            },
            base,
            steps_per_epoch,
            total: steps_per_epoch * epochs,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Not beyond the run's end either, where nothing should ask.
    #[test]
    fn rates_are_finite_and_never_above_the_peak(course in any_course()) {
        for step in 0..course.total + 3 {
            let rate = course.rate(step);
            prop_assert!(rate.is_finite() && rate >= 0.0, "step {}: {}", step, rate);
            prop_assert!(rate <= course.base * ROUNDING, "step {}: {}", step, rate);
        }
    }

    /// The warm-up never falls, its last step has the base rate, and the next one goes on from there.
    #[test]
    fn a_warm_up_ends_in_the_base_rate(course in any_course()) {
        let warmup = course.warmup();
        if course.schedule.kind == ScheduleKind::OneCycle || warmup == 0.0 {
            return Ok(());
        }
        let last = warmup.ceil() as u64 - 1;
        let rates: Vec<f64> = (0..=last).map(|step| course.rate(step)).collect();
        prop_assert!(rates.is_sorted_by(|a, b| *a <= b * ROUNDING));
        prop_assert!((rates[rates.len() - 1] / course.base - 1.0).abs() <= 1e-15);
        if last + 1 < course.total {
            // As a run without warm-up has begun after less than one step.
            let left = (course.total as f64 - warmup).max(1.0);
            let least = match course.schedule.kind {
                ScheduleKind::Cosine => {
                    let share = f64::midpoint(1.0, (std::f64::consts::PI / left).cos());
                    let low = course.schedule.final_factor;
                    course.base * (low + (1.0 - low) * share)
                }
                _ => course.base,
            };
            prop_assert!(course.rate(last + 1) >= least * (1.0 - 1e-12));
        }
    }
}
