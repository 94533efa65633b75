//! What the runs of a sweep's trials have come to, and what follows from that.

use serde_json::json;

use super::Control;
use super::tend::{Act, Tender};
use super::trial::{self, Logs, REASON, STOPPED, Standing};
use crate::error::Result;
use crate::run::RunList;
use crate::run::queue::Queue;
use crate::search::{Operation, Pruner, State, Study, Trial, arrival, waits_at};
use crate::text;
use crate::train::checkpoint;

impl Tender {
    /// What the runs of the trials have come to.
    pub(super) fn judge(
        &mut self,
        list: &RunList,
        queue: &Queue,
    ) -> Result<(Vec<Operation>, Vec<Act>)> {
        let (mut operations, mut acts) = (Vec::new(), Vec::new());
        let mut logs = std::mem::take(&mut self.logs);
        let (mut working, mut settled) = (0, Vec::new());
        let study = self.open.study()?;
        let control = Control::of(study);
        let is_settled = |trial: &&Trial| self.settled.contains(&trial.number);
        for trial in study.trials.iter().filter(|trial| !is_settled(trial)) {
            let ids = trial::runs(trial);
            if ids.is_empty() {
                continue;
            }
            if !self.is_mine(trial) {
                // Another worker has taken it.
                let queued = queue.jobs.iter().map(|job| &job.run);
                let queued = queued.filter(|run| ids.contains(&run.as_str()));
                acts.extend(queued.cloned().map(Act::Drop));
                continue;
            }
            let standings: Vec<Standing> = ids
                .iter()
                .map(|id| Standing::of(&self.workspace, id, list, queue))
                .collect();
            let each = || ids.iter().map(|id| (*id).to_owned()).zip(&standings);
            if trial.state.is_over() {
                let before = acts.len();
                acts.extend(each().filter_map(end));
                if trial.state == State::Pruned {
                    acts.extend(each().filter_map(|run| self.forget(run)));
                }
                if acts.len() == before {
                    settled.push(trial.number);
                }
                continue;
            }
            working += standings
                .iter()
                .filter(|s| **s == Standing::Running)
                .count();
            let mut now = trial.clone();
            self.report(&mut now, &ids, &mut logs, &mut operations);
            match self.verdict(study, &now, &standings, control) {
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
                    let is_lost = standings.contains(&Standing::Damaged);
                    if let Some(again) = trial.again().filter(|_| is_lost) {
                        operations.push(Operation::CreateTrial {
                            state: State::Waiting,
                            parameters: Vec::new(),
                            user: Vec::new(),
                            system: again,
                        });
                    }
                    if state != State::Complete {
                        acts.extend(each().filter_map(end));
                    }
                    for id in &ids {
                        logs.forget(id);
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
                Verdict::GoesUp(rung, epoch) => {
                    let until = self.rung_after(rung);
                    acts.extend(each().filter_map(|(id, standing)| match standing {
                        Standing::AtRung(at) if *at == epoch => Some(Act::Promote(id, until)),
                        _ => None,
                    }));
                }
            }
            hold_or_resume(trial, each(), control, &mut operations, &mut acts);
        }
        (self.logs, self.working) = (logs, working);
        self.settled.extend(settled);
        Ok((operations, acts))
    }

    /// Epochs that the journal does not have yet.
    fn report(
        &self,
        trial: &mut Trial,
        ids: &[&str],
        logs: &mut Logs,
        operations: &mut Vec<Operation>,
    ) {
        let values = logs.values(&self.workspace, ids, &self.sweep.objectives[0]);
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

    /// The checkpoint of a pruned trial's run goes: nobody continues it.
    fn forget(&self, (id, standing): (String, &Standing)) -> Option<Act> {
        let has_ended = matches!(standing, Standing::AtRung(_) | Standing::Stopped);
        let is_there = has_ended && checkpoint::exists(&self.workspace.run_dir(&id));
        is_there.then_some(Act::Forget(id))
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
                Standing::Damaged => return failed("its checkpoints are damaged".into()),
                Standing::Missing => return failed("its run was deleted".into()),
                Standing::Stopped if control == Control::Running && !was_stopped(trial) => {
                    return failed("somebody stopped its run".into());
                }
                Standing::Finished(result) => results.push(result),
                // The one that is furthest behind.
                Standing::AtRung(at) => {
                    rung = Some(rung.map_or(*at, |other: usize| other.min(*at)));
                }
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
                    Verdict::GoesUp(nth, epoch)
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
}

/// What becomes of a trial.
enum Verdict {
    GoesOn,
    /// With its values, and why it failed.
    Over(State, Vec<f64>, Option<String>),
    /// At a rung, with its value there.
    Arrives(usize, f64),
    /// It was let go on after a rung, at an epoch, and runs of it do not do so yet.
    GoesUp(usize, usize),
}

/// How the run of a trial that is over ends too, where it has not.
fn end((id, standing): (String, &Standing)) -> Option<Act> {
    match standing {
        Standing::Running => Some(Act::Stop(id)),
        Standing::Waiting | Standing::Unqueued => Some(Act::Drop(id)),
        _ => None,
    }
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

/// Whether the runs of a trial were stopped with the whole sweep.
fn was_stopped(trial: &Trial) -> bool {
    trial
        .system
        .get(STOPPED)
        .is_some_and(|mark| *mark == json!(true))
}
