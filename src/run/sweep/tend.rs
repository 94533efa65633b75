//! Brings a sweep's journal and its runs in line with each other, again and again until the sweep is over.
//!
//! A run is written down before the journal names it, and the journal says what is to happen before it does. Whatever
//! is killed in between, the next turn sees how far it came: a run that no trial names goes, a trial whose run does not
//! wait is queued, a run whose trial is over is stopped.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::trial::{self, Logs, REASON, RUNS, STOPPED, Standing};
use super::{Control, Open};
use crate::error::Result;
use crate::event::Command;
use crate::profile::{Profile, Status};
use crate::run::queue::scheduler::Tending;
use crate::run::queue::{self, Queue};
use crate::run::{RunList, Workspace, client};
use crate::search::{
    Asha, Assigned, Editor, Operation, Pruner, State, Study, Sweep, Trial, arrival, departure,
    waits_at,
};
use crate::text;
use crate::train::checkpoint;

/// How long a run that was asked to stop is not asked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever sees to a sweep.
pub(crate) struct Tender {
    workspace: Workspace,
    open: Open,
    sweep: Sweep,
    pruner: Pruner,
    logs: Logs,
    /// Whether runs that no trial names were looked for.
    is_swept: bool,
    /// The runs that have a worker and belong to trials that are not over.
    working: usize,
    /// When runs were asked to stop last.
    asked: HashMap<String, Instant>,
}

/// Whoever sees to each of several sweeps, by its name.
#[derive(Default)]
pub(crate) struct Tenders {
    all: HashMap<String, Tender>,
}

impl Tending for Tenders {
    fn turn(&mut self, workspace: &Workspace, sweep: &str, list: &RunList) -> Result<bool> {
        let turned = match self.all.entry(sweep.to_owned()) {
            Entry::Occupied(tender) => tender.into_mut().turn(list),
            Entry::Vacant(none) => {
                Tender::new(workspace, sweep).and_then(|tender| none.insert(tender).turn(list))
            }
        };
        // One that is over or in trouble is opened again, should there be a next time.
        if !matches!(turned, Ok(false)) {
            self.all.remove(sweep);
        }
        turned
    }
}

/// What is done to a run once the journal has it.
#[derive(Clone, Debug, PartialEq)]
enum Act {
    Queue(String),
    /// Goes on from its checkpoint.
    Resume(String),
    Stop(String),
    /// Leaves the queue; one that never began is deleted.
    Drop(String),
    /// Goes on up to an epoch, or to its end.
    Promote(String, Option<usize>),
    /// Its checkpoints go: nobody continues it.
    Forget(String),
}

/// What is begun next.
enum Next {
    Trial(Vec<String>),
    Promoted(Vec<String>, usize),
    Nothing,
}

impl Tender {
    /// # Errors
    /// As [`Workspace::open_sweep`]; `Input` where another program made the sweep.
    pub(crate) fn new(workspace: &Workspace, name: &str) -> Result<Self> {
        let open = workspace.open_sweep(name)?;
        let sweep = open.own()?.clone();
        Ok(Self {
            workspace: workspace.clone(),
            pruner: sweep.pruner()?,
            open,
            sweep,
            logs: Logs::default(),
            is_swept: false,
            working: 0,
            asked: HashMap::new(),
        })
    }

    /// Looks once, writes down what has happened, and begins what there is room for; whether the sweep is over, or at
    /// rest until somebody continues it. `list` was read just now.
    ///
    /// # Errors
    /// As editing the journal and the queue.
    pub(crate) fn turn(&mut self, list: &RunList) -> Result<bool> {
        self.open.journal.refresh()?;
        if !self.is_swept {
            self.delete_orphans(list)?;
            self.is_swept = true;
        }
        let queue = self.workspace.queue()?;
        let (operations, acts) = self.judge(list, &queue)?;
        self.write(&operations)?;
        self.act(acts)?;
        self.give_up_hopeless()?;
        let control = Control::of(self.open.study()?);
        if control == Control::Running {
            self.fill()?;
        }
        let study = self.open.study()?;

        let is_busy = || study.trials.iter().any(is_active);
        let over = match control {
            Control::Running => !is_busy() && !self.may_begin(study),
            Control::Paused => !is_busy(),
            // Its trials wait for it to continue.
            Control::Stopped => self.working == 0,
        };
        if over && control == Control::Running {
            self.write_best()?;
        }
        Ok(over)
    }

    fn write(&mut self, operations: &[Operation]) -> Result<()> {
        if operations.is_empty() {
            return Ok(());
        }
        let study = self.open.study;
        self.open.journal.edit(|edit: &mut Editor<'_>| {
            for operation in operations {
                edit.push(study, operation);
            }
            Ok(())
        })
    }

    /// What the runs of the trials have come to.
    fn judge(&mut self, list: &RunList, queue: &Queue) -> Result<(Vec<Operation>, Vec<Act>)> {
        let study = self.open.study()?.clone();
        let control = Control::of(&study);
        let (mut operations, mut acts) = (Vec::new(), Vec::new());
        self.working = 0;
        for trial in &study.trials {
            let ids = trial::runs(trial);
            if ids.is_empty() {
                continue;
            }
            let standings: Vec<Standing> = ids
                .iter()
                .map(|id| Standing::of(&self.workspace, id, list, queue))
                .collect();
            let each = || ids.iter().map(|id| (*id).to_owned()).zip(&standings);
            if trial.state.is_over() {
                acts.extend(each().filter_map(|(id, standing)| match standing {
                    Standing::Running => Some(Act::Stop(id)),
                    Standing::Waiting | Standing::Unqueued => Some(Act::Drop(id)),
                    _ => None,
                }));
                continue;
            }
            self.working += standings
                .iter()
                .filter(|s| **s == Standing::Running)
                .count();
            let mut now = trial.clone();
            self.report(&mut now, &ids, &mut operations);
            match self.verdict(&study, &now, &standings, control) {
                Verdict::GoesOn => {}
                Verdict::Over(state, values, why) => {
                    if let Some(why) = why {
                        let attribute = (REASON.to_owned(), json!(text::sanitize(&why)));
                        operations.push(Operation::Describe {
                            trial: trial.id,
                            attribute,
                        });
                    }
                    operations.push(Operation::SetState {
                        trial: trial.id,
                        state,
                        values,
                    });
                    if state != State::Complete {
                        acts.extend(each().filter_map(|(id, standing)| match standing {
                            Standing::Running => Some(Act::Stop(id)),
                            Standing::Waiting | Standing::Unqueued => Some(Act::Drop(id)),
                            _ => None,
                        }));
                    }
                    for id in &ids {
                        self.logs.forget(id);
                    }
                    continue;
                }
                Verdict::Arrives(rung, value) => {
                    let marks = arrival(rung, value).into_iter();
                    operations.extend(marks.map(|attribute| Operation::Mark {
                        trial: trial.id,
                        attribute,
                    }));
                }
                Verdict::GoesUp(rung) => {
                    let until = self.rung_after(rung);
                    acts.extend(each().filter_map(|(id, standing)| match standing {
                        Standing::AtRung(_) => Some(Act::Promote(id, until)),
                        _ => None,
                    }));
                }
            }
            hold_or_resume(trial, each(), control, &mut operations, &mut acts);
        }
        Ok((operations, acts))
    }

    /// Epochs that the journal does not have yet.
    fn report(&mut self, trial: &mut Trial, ids: &[&str], operations: &mut Vec<Operation>) {
        let values = self
            .logs
            .values(&self.workspace, ids, &self.sweep.objectives[0]);
        for (epoch, value) in values {
            let step = i64::try_from(epoch).unwrap_or(i64::MAX);
            if trial.report_at(step).is_none() {
                operations.push(Operation::Report {
                    trial: trial.id,
                    step,
                    value,
                });
                trial.reports.push((step, value));
            }
        }
        trial.reports.sort_by_key(|report| report.0);
    }

    fn verdict(
        &self,
        study: &Study,
        trial: &Trial,
        standings: &[Standing],
        control: Control,
    ) -> Verdict {
        let failed = |why: String| Verdict::Over(State::Failed, Vec::new(), Some(why));
        let mut results = Vec::new();
        let mut rung = None;
        for standing in standings {
            match standing {
                Standing::Failed(why) => return failed(why.clone()),
                Standing::Missing => return failed("its run was deleted".into()),
                Standing::Stopped if control == Control::Running && !was_stopped(trial) => {
                    return failed("somebody stopped its run".into());
                }
                Standing::Finished(result) => results.push(result),
                Standing::AtRung(at) => rung = Some(*at),
                _ => {}
            }
        }
        if results.len() == standings.len() {
            let mean = |objective: &crate::search::Objective| {
                let sum: f64 = results.iter().map(|result| objective.value(result)).sum();
                sum / trial::as_f64(results.len())
            };
            let values: Vec<f64> = self.sweep.objectives.iter().map(mean).collect();
            let bad = values.iter().position(|value| !value.is_finite());
            return match bad {
                Some(at) => failed(format!(
                    "its {} is {}",
                    self.sweep.objectives[at].name, values[at]
                )),
                None => Verdict::Over(State::Complete, values, None),
            };
        }
        match (self.pruner, rung) {
            (Pruner::Asha(asha), Some(epoch)) => {
                let waits =
                    |standing: &Standing| matches!(standing, Standing::AtRung(at) if *at == epoch);
                let is_done = |standing: &Standing| matches!(standing, Standing::Finished(_));
                let all = standings
                    .iter()
                    .all(|standing| waits(standing) || is_done(standing));
                let step = i64::try_from(epoch).unwrap_or(i64::MAX);
                let Some(nth) = asha.rungs().iter().position(|rung| *rung == step) else {
                    return Verdict::GoesOn;
                };
                if waits_at(trial) == Some(nth) {
                    Verdict::GoesOn
                } else if trial.system.contains_key(&crate::search::rung_key(nth)) {
                    Verdict::GoesUp(nth)
                } else if !all {
                    Verdict::GoesOn
                } else {
                    // A run that stopped early has no report at the rung.
                    let reports = trial.reports.iter().rev();
                    let value = reports
                        .clone()
                        .find(|report| report.0 <= step)
                        .map_or(f64::NAN, |r| r.1);
                    if value.is_finite() {
                        Verdict::Arrives(nth, value)
                    } else {
                        failed(format!(
                            "its {} is {value} at epoch {epoch}",
                            self.sweep.objectives[0].name
                        ))
                    }
                }
            }
            (Pruner::Median(median), _) if median.gives_up(study, trial) => {
                let last = trial.last_report().map(|report| report.1);
                Verdict::Over(State::Pruned, last.into_iter().collect(), None)
            }
            _ => Verdict::GoesOn,
        }
    }

    fn act(&mut self, acts: Vec<Act>) -> Result<()> {
        for act in acts {
            match act {
                Act::Queue(id) => queue::enqueue_existing(&self.workspace, &id)?,
                Act::Resume(id) => queue::resume(&self.workspace, &id)?,
                Act::Stop(id) => {
                    let is_asked = self
                        .asked
                        .get(&id)
                        .is_some_and(|at| at.elapsed() < PATIENCE);
                    if !is_asked {
                        // It may have ended by itself.
                        let _ = client::send(&self.workspace, &id, &Command::Stop);
                        self.asked.insert(id, Instant::now());
                    }
                }
                Act::Drop(id) => {
                    self.workspace.edit_queue(|queue| {
                        queue.remove(std::slice::from_ref(&id));
                        Ok(())
                    })?;
                    if self.is_over(&id)? {
                        queue::forget_unstarted(&self.workspace, &id);
                    }
                }
                Act::Promote(id, until) => self.promote(&id, until)?,
                Act::Forget(id) => {
                    let _owned = self.workspace.own(&id)?;
                    checkpoint::forget(&self.workspace.run_dir(&id))?;
                }
            }
        }
        Ok(())
    }

    /// Whether the trial of a run is over.
    fn is_over(&self, id: &str) -> Result<bool> {
        let study = self.open.study()?;
        let of = study
            .trials
            .iter()
            .find(|trial| trial::runs(trial).contains(&id));
        Ok(of.is_none_or(|trial| trial.state.is_over()))
    }

    /// Lets a run that waits at a rung go on.
    fn promote(&self, id: &str, until: Option<usize>) -> Result<()> {
        {
            let _owned = self.workspace.own(id)?;
            let mut profile = self.workspace.load(id)?;
            if let Some(run) = &mut profile.run {
                run.status = Status::Queued;
                run.until = until;
            }
            self.workspace.save(&profile)?;
        }
        queue::enqueue_existing(&self.workspace, id)
    }

    fn asha(&self) -> Option<Asha> {
        match self.pruner {
            Pruner::Asha(asha) => Some(asha),
            _ => None,
        }
    }

    /// The epoch of the next rung; none where the next stop is the end.
    fn rung_after(&self, rung: usize) -> Option<usize> {
        let next = self.asha()?.rungs().get(rung + 1).copied()?;
        usize::try_from(next).ok()
    }

    /// Writes trials down as pruned that wait at a rung and never can go on, and removes their checkpoints.
    fn give_up_hopeless(&mut self) -> Result<()> {
        let Some(asha) = self.asha() else {
            return Ok(());
        };
        let budget = self.open.budget();
        let study = self.open.study()?;
        let (mut operations, mut acts) = (Vec::new(), Vec::new());
        for trial in asha.hopeless(study, Some(budget)) {
            let last = trial.last_report().map(|report| report.1);
            operations.push(Operation::SetState {
                trial: trial.id,
                state: State::Pruned,
                values: last.into_iter().collect(),
            });
            let ids = trial::runs(trial).into_iter();
            acts.extend(ids.map(|id| Act::Forget(id.to_owned())));
        }
        self.write(&operations)?;
        self.act(acts)
    }

    /// Begins trials, or lets them go on, as long as fewer run than may.
    fn fill(&mut self) -> Result<()> {
        loop {
            let study = self.open.study()?;
            let active = study.trials.iter().filter(|trial| is_active(trial)).count();
            if active >= self.sweep.settings.jobs {
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

    /// Whether there is anything left to begin.
    fn may_begin(&self, study: &Study) -> bool {
        let goes_up = |asha: Asha| asha.promotable(study, self.least(study)).is_some();
        self.asha().is_some_and(goes_up) || self.may_ask(study)
    }

    /// How many of a rung go on at least: one, where nothing else can come any more.
    fn least(&self, study: &Study) -> usize {
        usize::from(!study.trials.iter().any(is_active) && !self.may_ask(study))
    }

    fn may_ask(&self, study: &Study) -> bool {
        let hours = self.sweep.settings.hours;
        let begun = self.open.begun().unwrap_or_else(text::now);
        let late = hours > 0.0 && text::now() - begun > 3600.0 * hours;
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
        !late && (waits || (study.trials.len() < self.open.budget() && grid_is_left()))
    }

    fn begin_next(&mut self) -> Result<Next> {
        let (study_id, asha) = (self.open.study, self.asha());
        let open_study = self.open.study()?;
        let may_ask = self.may_ask(open_study);
        let least = self.least(open_study);
        let (workspace, sweep) = (&self.workspace, &self.sweep);
        let budget = self.open.budget();
        let name = &self.open.name;
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
                edit.push(study_id, &operation);
                return Ok(Next::Promoted(ids, rung));
            }
            if !may_ask {
                return Ok(Next::Nothing);
            }
            let waiting = study.trials.iter().find(|t| t.state == State::Waiting);
            let number = waiting.map_or(study.trials.len(), |trial| trial.number);
            if waiting.is_none() && number >= budget {
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
            match waiting.map(|trial| trial.id) {
                Some(trial) => {
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
                }
                None => edit.push(
                    study_id,
                    &Operation::CreateTrial {
                        state: State::Running,
                        parameters,
                        user: Vec::new(),
                        system: vec![(RUNS.to_owned(), json!(ids))],
                    },
                ),
            }
            Ok(Next::Trial(ids))
        })
    }

    /// Deletes runs that were written down for a trial which the journal never got.
    fn delete_orphans(&mut self, list: &RunList) -> Result<()> {
        let name = self.open.name.clone();
        let study_id = self.open.study;
        let of_sweep =
            |profile: &Profile| profile.run.as_ref().is_some_and(|run| run.sweep == name);
        let candidates: Vec<String> = list
            .runs()
            .into_iter()
            .filter(|run| {
                run.status == Status::Queued && run.profile.as_ref().is_ok_and(|p| of_sweep(p))
            })
            .map(|run| run.id)
            .collect();
        if candidates.is_empty() {
            return Ok(());
        }
        let workspace = &self.workspace;
        // With nobody between a run and its trial.
        self.open.journal.edit(|edit| {
            let study = edit.journal().studies().find(|(id, _)| *id == study_id);
            let named: BTreeSet<&str> = study
                .iter()
                .flat_map(|(_, study)| study.trials.iter().flat_map(trial::runs))
                .collect();
            for orphan in candidates.iter().filter(|id| !named.contains(id.as_str())) {
                queue::delete(workspace, orphan)?;
            }
            Ok(())
        })
    }

    fn write_best(&self) -> Result<()> {
        let Some((_, profile)) = self.open.best()? else {
            return Ok(());
        };
        let path = self.workspace.sweep_dir(&self.open.name).join("best.toml");
        let text = profile.to_toml();
        let same = crate::storage::read(&path, 1 << 20).is_ok_and(|there| there == text.as_bytes());
        if same {
            return Ok(());
        }
        crate::storage::commit(&path, text.as_bytes())
    }
}

/// What becomes of a trial.
enum Verdict {
    GoesOn,
    /// With its values, and why it failed.
    Over(State, Vec<f64>, Option<String>),
    /// At a rung, with its value there.
    Arrives(usize, f64),
    /// It was let go on after a rung, and its runs do not do so yet.
    GoesUp(usize),
}

/// What a sweep that is stopped, or goes on, means for the runs of a trial that is not over.
fn hold_or_resume<'a>(
    trial: &Trial,
    each: impl Iterator<Item = (String, &'a Standing)>,
    control: Control,
    operations: &mut Vec<Operation>,
    acts: &mut Vec<Act>,
) {
    let (mut stopped, mut resumes) = (false, false);
    for (id, standing) in each {
        match (control, standing) {
            (Control::Stopped, Standing::Running) => acts.push(Act::Stop(id)),
            (Control::Stopped, Standing::Stopped) => stopped = true,
            (Control::Stopped, Standing::Waiting) => acts.push(Act::Drop(id)),
            (Control::Running | Control::Paused, Standing::Unqueued) => {
                acts.push(Act::Queue(id));
            }
            (Control::Running, Standing::Stopped) => {
                resumes = true;
                acts.push(Act::Resume(id));
            }
            _ => {}
        }
    }
    if stopped != was_stopped(trial) && !resumes {
        let attribute = (STOPPED.to_owned(), json!(stopped));
        operations.push(Operation::Mark {
            trial: trial.id,
            attribute,
        });
    }
}

/// Whether a trial is neither over nor waits.
fn is_active(trial: &Trial) -> bool {
    trial.state == State::Running && waits_at(trial).is_none()
}

/// Whether the runs of a trial were stopped with the whole sweep.
fn was_stopped(trial: &Trial) -> bool {
    trial
        .system
        .get(STOPPED)
        .is_some_and(|mark| *mark == json!(true))
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
    let recipe = sweep.recipe(parameters)?;
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
fn with_fixed(
    sweep: &Sweep,
    mut point: crate::search::Point,
    trial: &Trial,
) -> crate::search::Point {
    let fixed = trial.system.get("fixed_params").and_then(Value::as_object);
    let inside = |name: &str, distribution: &crate::search::Distribution| {
        let given = fixed.and_then(|fixed| distribution.inside(fixed.get(name)?));
        given.or_else(|| trial.inside(name))
    };
    for (at, parameter) in sweep.space.parameters.iter().enumerate() {
        if let Some(value) = inside(&parameter.name, &parameter.distribution) {
            point[at] = Some(value);
        }
    }
    let mut seen = crate::search::Point::new();
    for (at, value) in point.into_iter().enumerate() {
        let used = sweep.space.is_used(at, &seen);
        seen.push(value.filter(|_| used));
    }
    seen
}
