//! Pruners: which trials are given up before their last epoch.
//!
//! With successive halving (ASHA, Li et al. 2020) a trial stops at each rung and waits there, running as far as the
//! journal knows, until it is among the best of the rung and goes on, or never can be any more.

use serde_json::{Value, json};

use super::study::{Direction, State, Study, Trial};

/// The attribute of a trial that waits at a rung: which; null where it has gone on.
const WAITS: &str = "fmtui:waits_at_rung";

/// Which trials are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pruner {
    None,
    Median(Median),
    Asha(Asha),
}

impl Pruner {
    pub(crate) const NAMES: [&str; 3] = ["none", "median", "asha"];

    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Median(_) => "median",
            Self::Asha(_) => "asha",
        }
    }
}

/// Gives up a trial whose best value so far is worse than the median of the complete ones at the same step.
///
/// **Reference** `optuna.pruners.MedianPruner`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Median {
    /// So many complete trials are waited for.
    pub start_up: usize,
    /// So many epochs are trained whatever they give.
    pub warm_up: i64,
}

impl Median {
    /// Whether a trial is to be given up after what it reported last.
    #[must_use]
    pub(crate) fn gives_up(&self, study: &Study, trial: &Trial) -> bool {
        let direction = study.direction();
        let Some((step, _)) = trial.last_report() else {
            return false;
        };
        let complete = study.trials.iter().filter(|t| t.state == State::Complete);
        let enough = complete.clone().count() >= self.start_up.max(1);
        if !enough || step < self.warm_up {
            return false;
        }
        let losses = trial.reports.iter().map(|(_, value)| *value);
        let best = losses
            .filter(|value| !value.is_nan())
            .map(|value| direction.loss(value))
            .reduce(f64::min);
        let Some(best) = best else {
            return true;
        };
        let mut others: Vec<f64> = complete
            .filter_map(|other| other.report_at(step))
            .filter(|value| !value.is_nan())
            .map(|value| direction.loss(value))
            .collect();
        if others.is_empty() {
            return false;
        }
        others.sort_by(f64::total_cmp);
        let middle = others.len() / 2;
        let median = match others.len() % 2 {
            0 => f64::midpoint(others[middle - 1], others[middle]),
            _ => others[middle],
        };
        best > median
    }
}

/// Asynchronous successive halving. From the second rung on one of so many goes on and no more, also where later trials
/// push early ones out of the best: of trials that get better and better nearly all would, which takes most of the
/// epochs.
///
/// **Reference** Li et al. 2020, algorithm 2, but for that limit
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asha {
    /// The epoch of the first rung.
    pub first: i64,
    /// One of so many goes on; the next rung is so many times as far.
    pub factor: usize,
    /// The last epoch of a trial.
    pub last: i64,
}

impl Asha {
    /// The epochs at which trials stop, the last of a trial not among them.
    #[must_use]
    pub(crate) fn rungs(&self) -> Vec<i64> {
        let factor = i64::try_from(self.factor).unwrap_or(i64::MAX).max(2);
        let mut rungs = Vec::new();
        let mut epoch = self.first.max(1);
        while epoch < self.last {
            rungs.push(epoch);
            epoch = epoch.saturating_mul(factor);
        }
        rungs
    }

    /// The waiting trial that is to go on next, and its rung: of the highest rung where there is one, the best first.
    /// So many of each rung go on at `least`: 1 once no other trial can come, so that one comes to the end.
    #[must_use]
    pub(crate) fn promotable<'a>(
        &self,
        study: &'a Study,
        least: usize,
    ) -> Option<(&'a Trial, usize)> {
        (0..self.rungs().len()).rev().find_map(|rung| {
            let ranked = ranked(study, rung);
            let may_go = (ranked.len() / self.factor.max(2)).max(least);
            let gone = ranked.iter().filter(|t| goes_beyond(t, rung)).count();
            if rung > 0 && gone >= may_go {
                return None;
            }
            let mut best = ranked.into_iter().take(may_go);
            best.find(|trial| waits_at(trial) == Some(rung))
                .map(|trial| (trial, rung))
        })
    }

    /// The waiting trials that never can go on, where there are at most so many trials in all; none where nobody knows
    /// how many there will be.
    #[must_use]
    pub(crate) fn hopeless<'a>(&self, study: &'a Study, trials: Option<usize>) -> Vec<&'a Trial> {
        let Some(all) = trials else {
            return Vec::new();
        };
        let mut hopeless = Vec::new();
        let ended_before = |trial: &&Trial| trial.state.is_over() && value_at(trial, 0).is_none();
        let away = study.trials.iter().filter(ended_before).count();
        let mut most = all.max(study.trials.len()).saturating_sub(away);
        for rung in 0..self.rungs().len() {
            let ranked = ranked(study, rung);
            let may_go = (most / self.factor.max(2)).max(1);
            let to_come = most.saturating_sub(ranked.len()).min(may_go);
            let gone = ranked.iter().filter(|t| goes_beyond(t, rung)).count();
            let places = match rung {
                0 => may_go,
                _ => may_go.saturating_sub(gone),
            };
            let (mut waiting, mut going) = (0, 0);
            for (rank, trial) in ranked.into_iter().enumerate() {
                if waits_at(trial) != Some(rung) {
                    continue;
                }
                // At the first rung who went on takes nobody's place.
                let place = if rung == 0 { rank } else { waiting };
                waiting += 1;
                if place < places {
                    going += 1;
                } else {
                    hopeless.push(trial);
                }
            }
            most = gone + going + to_come;
            if rung > 0 {
                most = most.min(may_go).max(gone);
            }
        }
        hopeless
    }
}

/// Whether a trial was let go on after a rung.
fn goes_beyond(trial: &Trial, rung: usize) -> bool {
    match trial.state {
        State::Running => waits_at(trial) != Some(rung),
        State::Complete => true,
        _ => value_at(trial, rung + 1).is_some(),
    }
}

/// The trials that have come to a rung, the best first, earlier ones before equal ones.
fn ranked(study: &Study, rung: usize) -> Vec<&Trial> {
    let direction: Direction = study.direction();
    let at = |trial| value_at(trial, rung).map(|value| (direction.loss(value), trial));
    let mut ranked: Vec<(f64, &Trial)> = study.trials.iter().filter_map(at).collect();
    ranked.sort_by(|one, two| one.0.total_cmp(&two.0));
    ranked.into_iter().map(|(_, trial)| trial).collect()
}

/// What a trial had at a rung.
fn value_at(trial: &Trial, rung: usize) -> Option<f64> {
    match trial.system.get(&rung_key(rung))? {
        Value::Number(number) => number.as_f64(),
        // NaN, as the journal reads it.
        Value::String(_) => Some(f64::NAN),
        _ => None,
    }
}

/// The rung at which a running trial waits.
#[must_use]
pub(crate) fn waits_at(trial: &Trial) -> Option<usize> {
    if trial.state != State::Running {
        return None;
    }
    let rung = trial.system.get(WAITS)?.as_u64()?;
    usize::try_from(rung).ok()
}

/// How a trial stands, in a word or two: `running`, `at rung 1`.
#[must_use]
pub(crate) fn standing(trial: &Trial) -> String {
    match waits_at(trial) {
        Some(rung) => format!("at rung {}", rung + 1),
        None => trial.state.name().into(),
    }
}

/// The attributes of a trial that has come to a rung with a finite value and waits there.
#[must_use]
pub(crate) fn arrival(rung: usize, value: f64) -> [(String, Value); 2] {
    [(rung_key(rung), json!(value)), (WAITS.into(), json!(rung))]
}

/// The attribute of a trial that goes on.
#[must_use]
pub(crate) fn departure() -> (String, Value) {
    (WAITS.into(), Value::Null)
}

/// The attribute of Optuna's `SuccessiveHalvingPruner`.
#[must_use]
pub(crate) fn rung_key(rung: usize) -> String {
    format!("completed_rung_{rung}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn study() -> Study {
        Study::new("s", vec![Direction::Maximize])
    }

    fn trial(number: usize) -> Trial {
        Trial {
            id: number,
            number,
            state: State::Running,
            values: Vec::new(),
            parameters: Vec::new(),
            reports: Vec::new(),
            user: BTreeMap::new(),
            system: BTreeMap::new(),
            started: None,
            ended: None,
        }
    }

    /// A whole search with so many trials at a time, whose values at the rungs and the end are given; which of those
    /// that run comes to its stop next is `order`'s. Gives for each trial how far it came, and whether it was pruned
    /// before nothing more could happen.
    fn search(
        asha: Asha,
        values: &[Vec<f64>],
        jobs: usize,
        order: &[usize],
        prunes: bool,
    ) -> Vec<usize> {
        let (mut study, rungs) = (study(), asha.rungs());
        // Which rung each active trial is on its way to.
        let mut active: Vec<(usize, usize)> = Vec::new();
        let mut next = order.iter().cycle();
        let mut came = vec![0; values.len()];
        loop {
            while active.len() < jobs {
                let may_ask = study.trials.len() < values.len();
                let least = usize::from(active.is_empty() && !may_ask);
                let up = asha.promotable(&study, least);
                if let Some((number, rung)) = up.map(|(trial, rung)| (trial.number, rung)) {
                    let (key, value) = departure();
                    study.trials[number].system.insert(key, value);
                    active.push((number, rung + 1));
                } else if may_ask {
                    active.push((study.trials.len(), 0));
                    study.trials.push(trial(study.trials.len()));
                } else {
                    break;
                }
            }
            if active.is_empty() {
                break;
            }
            let at = next.next().copied().unwrap_or(0) % active.len();
            let (number, to) = active.swap_remove(at);
            let value = values[number][to];
            came[number] = to + 1;
            if to < rungs.len() {
                study.trials[number].system.extend(arrival(to, value));
            } else {
                study.trials[number].state = State::Complete;
                study.trials[number].values = vec![value];
            }
            if prunes {
                let hopeless = asha.hopeless(&study, Some(values.len()));
                let hopeless: Vec<usize> = hopeless.iter().map(|trial| trial.number).collect();
                for number in hopeless {
                    study.trials[number].state = State::Pruned;
                }
            }
        }
        if prunes {
            let is_over = |trial: &Trial| trial.state.is_over();
            assert!(study.trials.iter().all(is_over), "somebody waits for ever");
        }
        assert!(study.count(State::Complete) > 0, "nobody came to the end");
        came
    }

    #[test]
    fn rungs_lie_a_factor_apart() {
        let rungs = |first, factor, last| {
            Asha {
                first,
                factor,
                last,
            }
            .rungs()
        };
        assert_eq!(rungs(1, 3, 9), [1, 3]);
        assert_eq!(rungs(2, 4, 100), [2, 8, 32]);
        assert_eq!(rungs(9, 3, 9), Vec::<i64>::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whoever is pruned would never have gone on: with and without pruning every trial comes as far.
        #[test]
        fn nobody_is_pruned_who_would_have_gone_on(
            values in proptest::collection::vec(proptest::collection::vec(0.0..1.0_f64, 4), 1..60),
            factor in 2..5_usize,
            jobs in 1..6_usize,
            order in proptest::collection::vec(0..8_usize, 1..40),
        ) {
            let asha = Asha { first: 1, factor, last: i64::try_from(factor.pow(3)).unwrap() };
            let with = search(asha, &values, jobs, &order, true);
            let without = search(asha, &values, jobs, &order, false);
            prop_assert_eq!(&with, &without);
            // At the first rung those that looked good early may be more than one of so many; then as many, and one
            // at least comes to the end.
            let came = |rung| with.iter().filter(|came| **came > rung).count();
            prop_assert!(came(1) >= (values.len() / factor).max(1));
            prop_assert_eq!(came(2), (came(1) / factor).max(1));
            prop_assert_eq!(came(3), (came(2) / factor).max(1));
        }
    }
}
