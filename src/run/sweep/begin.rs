//! Begins trials of a sweep, and lets them go on at a rung, as long as fewer run than may.

use serde_json::{Value, json};

use super::recipe;
use super::tend::{Tender, claim, is_active};
use super::trial::{self, OWNER, RUNS};
use crate::error::Result;
use crate::run::Workspace;
use crate::run::queue;
use crate::search::{
    Asha, Assigned, Distribution, FIXED, Operation, Point, State, Study, Sweep, Trial, departure,
};

/// What is begun next.
enum Next {
    Trial(Vec<String>),
    Promoted(Vec<String>, usize),
    Nothing,
}

impl Tender {
    /// Begins trials, or lets them go on, as long as fewer run than may.
    pub(super) fn fill(&mut self) -> Result<()> {
        loop {
            let study = self.open.study()?;
            let mine = study.trials.iter().filter(|trial| self.is_mine(trial));
            let active = mine.filter(|trial| is_active(trial)).count();
            if active >= self.jobs()? {
                return Ok(());
            }
            match self.begin_next()? {
                Next::Nothing => return Ok(()),
                Next::Trial(ids) => {
                    for id in ids {
                        queue::enqueue_existing(&self.workspace, &id)?;
                    }
                }
                Next::Promoted(ids, rung) => {
                    let until = self.rung_after(rung);
                    for id in ids {
                        self.promote(&id, until)?;
                    }
                }
            }
        }
    }

    /// How many trials may run at once.
    fn jobs(&self) -> Result<usize> {
        Ok(if self.me.is_empty() {
            self.sweep.settings.jobs
        } else {
            self.workspace.queue()?.settings.jobs
        })
    }

    /// Whether there is anything left to begin.
    pub(super) fn may_begin(&self, study: &Study) -> bool {
        let goes_up = |asha: Asha| asha.promotable(study, self.least(study)).is_some();
        self.asha().is_some_and(goes_up) || self.may_ask(study)
    }

    /// How many of a rung go on at least: one, where nothing else can come any more.
    fn least(&self, study: &Study) -> usize {
        usize::from(!study.trials.iter().any(is_active) && !self.may_ask(study))
    }

    fn may_ask(&self, study: &Study) -> bool {
        let late = self.sweep.is_late(self.open.begun());
        let waits = study
            .trials
            .iter()
            .any(|trial| trial.state == State::Waiting);
        let grid_is_left = || {
            let sampler = self.sweep.sampler();
            let number = study.trials.len();
            let next = sampler.propose(&self.sweep.space, study, self.sweep.settings.seed, number);
            next.is_ok_and(|next| next.is_some())
        };
        !late && (waits || (study.counted() < self.open.budget() && grid_is_left()))
    }

    fn begin_next(&mut self) -> Result<Next> {
        let (study_id, asha) = (self.open.study, self.asha());
        let open_study = self.open.study()?;
        let may_ask = self.may_ask(open_study);
        let least = self.least(open_study);
        let (workspace, sweep) = (&self.workspace, &self.sweep);
        let budget = self.open.budget();
        let (name, me) = (&self.open.name, &self.me);
        self.open.journal.edit(|edit| {
            let study = edit.journal().studies().find(|(id, _)| *id == study_id);
            let Some((_, study)) = study else {
                return Ok(Next::Nothing);
            };
            if let Some((trial, rung)) = asha.and_then(|asha| asha.promotable(study, least)) {
                let ids = owned(trial::runs(trial));
                let operation = Operation::Mark {
                    trial: trial.id,
                    attribute: departure(),
                };
                let claimed = claim(trial, me);
                edit.push(study_id, &operation);
                if let Some(claimed) = claimed {
                    edit.push(study_id, &claimed);
                }
                return Ok(Next::Promoted(ids, rung));
            }
            if !may_ask {
                return Ok(Next::Nothing);
            }
            let waiting = study.trials.iter().find(|t| t.state == State::Waiting);
            let number = waiting.map_or(study.trials.len(), |trial| trial.number);
            if waiting.is_none() && study.counted() >= budget {
                return Ok(Next::Nothing);
            }
            let seed = sweep.settings.seed;
            let Some(point) = sweep.sampler().propose(&sweep.space, study, seed, number)? else {
                return Ok(Next::Nothing);
            };
            let point = match waiting {
                Some(trial) => with_fixed(sweep, point, trial),
                None => point,
            };
            let parameters = sweep.space.assign(&point);
            let ids = write_runs(workspace, sweep, (name, number), &parameters, asha)?;
            if let Some(waiting) = waiting {
                let (trial, claimed) = (waiting.id, claim(waiting, me));
                edit.push(
                    study_id,
                    &Operation::SetState {
                        trial,
                        state: State::Running,
                        values: Vec::new(),
                    },
                );
                for parameter in parameters {
                    edit.push(study_id, &Operation::SetParameter { trial, parameter });
                }
                let attribute = (RUNS.to_owned(), json!(ids));
                edit.push(study_id, &Operation::Mark { trial, attribute });
                if let Some(claimed) = claimed {
                    edit.push(study_id, &claimed);
                }
            } else {
                let owner = (!me.is_empty()).then(|| (OWNER.to_owned(), json!(me)));
                let runs = (RUNS.to_owned(), json!(ids));
                let created = Operation::CreateTrial {
                    state: State::Running,
                    parameters,
                    user: Vec::new(),
                    system: std::iter::once(runs).chain(owner).collect(),
                };
                edit.push(study_id, &created);
            }
            Ok(Next::Trial(ids))
        })
    }
}

fn owned(ids: Vec<&str>) -> Vec<String> {
    ids.into_iter().map(String::from).collect()
}

/// Writes down the runs of a trial, which wait; nobody starts them yet.
fn write_runs(
    workspace: &Workspace,
    sweep: &Sweep,
    (name, number): (&str, usize),
    parameters: &[Assigned],
    asha: Option<Asha>,
) -> Result<Vec<String>> {
    let recipe = recipe::of_trial(sweep, parameters)?;
    let first = asha.and_then(|asha| usize::try_from(*asha.rungs().first()?).ok());
    let mut ids = Vec::new();
    for seed in 0..sweep.settings.seeds {
        let mut profile = recipe.clone();
        profile.name = format!("{name}-{number}");
        profile.train.seed = profile.train.seed.wrapping_add(seed as u64);
        let id = workspace.create_trial(&profile, (name, number), first)?;
        ids.push(id);
    }
    Ok(ids)
}

/// A point with the values that somebody has given a waiting trial.
fn with_fixed(sweep: &Sweep, mut point: Point, trial: &Trial) -> Point {
    let fixed = trial.system.get(FIXED).and_then(Value::as_object);
    let inside = |name: &str, distribution: &Distribution| {
        let given = fixed.and_then(|fixed| distribution.inside(fixed.get(name)?));
        given.or_else(|| trial.inside(name))
    };
    for (at, parameter) in sweep.space.parameters.iter().enumerate() {
        if let Some(value) = inside(&parameter.name, &parameter.distribution) {
            point[at] = Some(value);
        }
    }
    let mut seen = Point::new();
    for (at, value) in point.into_iter().enumerate() {
        let used = sweep.space.is_used(at, &seen);
        seen.push(value.filter(|_| used));
    }
    seen
}
