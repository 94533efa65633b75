//! Brings a sweep's journal and its runs in line with each other, again and again until the sweep is over.
//!
//! A run is written down before the journal names it, and the journal says what is to happen before it does. Whatever
//! is killed in between, the next turn sees how far it came: a run that no trial names goes, a trial whose run does not
//! wait is queued, a run whose trial is over is stopped.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::json;

use super::trial::{self, Logs};
use super::workers::{self, Others};
use super::{Control, Open};
use crate::error::Result;
use crate::event::Command;
use crate::profile::{Profile, Status};
use crate::run::queue;
use crate::run::queue::scheduler::Tending;
use crate::run::{RunList, Workspace, client};
use crate::search::{Asha, Editor, Operation, Pruner, State, Sweep, Trial, waits_at};
use crate::train::checkpoint;

/// How long a run that was asked to stop is not asked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever sees to a sweep.
pub(crate) struct Tender {
    pub(super) workspace: Workspace,
    pub(super) open: Open,
    pub(super) sweep: Sweep,
    pub(super) pruner: Pruner,
    pub(super) logs: Logs,
    /// Whether runs that no trial names were looked for.
    is_swept: bool,
    /// The runs that have a worker and belong to trials that are not over.
    pub(super) working: usize,
    /// The numbers of trials that are over, whose runs are too.
    pub(super) settled: HashSet<usize>,
    /// When runs were asked to stop last.
    asked: HashMap<String, Instant>,
    /// Who this is, among several workers; empty for the workspace's own scheduler.
    pub(super) me: String,
    pub(super) others: Others,
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
pub(super) enum Act {
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
            settled: HashSet::new(),
            asked: HashMap::new(),
            me: workers::me(workspace),
            others: Others::default(),
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
        self.others.beat(&self.workspace);
        self.take_over_abandoned(list)?;
        let queue = self.workspace.queue()?;
        let (operations, acts) = self.judge(list, &queue)?;
        self.write(&operations)?;
        self.act(acts)?;
        let has_pruned = self.give_up_hopeless()?;
        let control = Control::of(self.open.study()?);
        if control == Control::Running {
            self.fill()?;
        }
        let study = self.open.study()?;
        let is_busy = || study.trials.iter().any(is_active);
        let over = match control {
            // Checkpoints of what was pruned just now go with the next turn.
            Control::Running => !has_pruned && !is_busy() && !self.may_begin(study),
            Control::Paused => !study.trials.iter().any(|t| is_active(t) && self.is_mine(t)),
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
    pub(super) fn promote(&self, id: &str, until: Option<usize>) -> Result<()> {
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

    pub(super) fn is_mine(&self, trial: &Trial) -> bool {
        trial::owner(trial) == self.me
    }

    /// Takes trials that no worker sees to any more.
    fn take_over_abandoned(&mut self, list: &RunList) -> Result<()> {
        let study_id = self.open.study;
        let study = self.open.study()?;
        let others = study.trials.iter().filter(|t| is_active(t));
        let others: Vec<(usize, String)> = others
            .filter(|trial| !self.is_mine(trial))
            .filter(|trial| {
                let works = |id: &&str| list.find(id).is_some_and(|run| run.status.has_worker());
                !trial::runs(trial).iter().any(works)
            })
            .map(|trial| (trial.number, trial::owner(trial).to_owned()))
            .collect();
        let (workspace, name) = (&self.workspace, &self.open.name);
        let mut gone = others;
        gone.retain(|(_, owner)| self.others.is_gone(workspace, name, owner));
        if gone.is_empty() {
            return Ok(());
        }
        let me = &self.me;
        self.open.journal.edit(|edit| {
            let study = edit.journal().studies().find(|(id, _)| *id == study_id);
            let trials = study.map_or(&[][..], |(_, study)| &study.trials);
            // Another one may have been faster.
            let left = gone.iter().filter_map(|(number, owner)| {
                let trial = trials.get(*number)?;
                let is_left = is_active(trial) && trial::owner(trial) == owner;
                claim(trial, me).filter(|_| is_left)
            });
            let claims: Vec<Operation> = left.collect();
            for claim in &claims {
                edit.push(study_id, claim);
            }
            Ok(())
        })
    }

    pub(super) fn asha(&self) -> Option<Asha> {
        match self.pruner {
            Pruner::Asha(asha) => Some(asha),
            _ => None,
        }
    }

    /// The epoch of the next rung; none where the next stop is the end.
    pub(super) fn rung_after(&self, rung: usize) -> Option<usize> {
        let next = self.asha()?.rungs().get(rung + 1).copied()?;
        usize::try_from(next).ok()
    }

    /// Writes trials down as pruned that wait at a rung and never can go on; whether there were such.
    fn give_up_hopeless(&mut self) -> Result<bool> {
        let Some(asha) = self.asha() else {
            return Ok(false);
        };
        let study = self.open.study()?;
        let again = study.trials.len() - study.counted();
        let hopeless = asha.hopeless(study, Some(self.open.budget() + again));
        let pruned = |trial: &&Trial| Operation::SetState {
            trial: trial.id,
            state: State::Pruned,
            values: trial.last_report().iter().map(|report| report.1).collect(),
        };
        let claimed = hopeless.iter().filter_map(|trial| claim(trial, &self.me));
        let operations: Vec<Operation> = claimed.chain(hopeless.iter().map(pruned)).collect();
        self.write(&operations)?;
        Ok(!operations.is_empty())
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

/// Makes a trial one's own; nothing where it is already.
pub(super) fn claim(trial: &Trial, me: &str) -> Option<Operation> {
    (trial::owner(trial) != me).then(|| Operation::Mark {
        trial: trial.id,
        attribute: (trial::OWNER.to_owned(), json!(me)),
    })
}

/// Whether a trial of ours is neither over nor waits. Whether another program's is trained nobody knows.
pub(super) fn is_active(trial: &Trial) -> bool {
    trial.state == State::Running && waits_at(trial).is_none() && !trial::runs(trial).is_empty()
}
