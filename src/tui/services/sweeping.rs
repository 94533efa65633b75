//! The sweeps: read over and over while they are looked at, and steered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Services, problem};
use crate::error::Result;
use crate::run::Workspace;
use crate::run::preflight::Network;
use crate::run::sweep::{self, Control, Open, workers};
use crate::search::{Sweep, importance};
use crate::tui::message::Message;
use crate::tui::request::SweepChange;
use crate::tui::tabs::sweep::SweepShown;

/// How often they are read while they are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The sweeps that are open, so that only what is new of their journals is read.
#[derive(Default)]
struct Kept {
    open: HashMap<String, (Open, Arc<SweepShown>)>,
}

impl Kept {
    /// The sweeps as they are now, the newest first; none where nothing has changed.
    fn look(&mut self, workspace: &Workspace) -> Result<Option<Vec<Arc<SweepShown>>>> {
        let active = workspace.queue()?.sweeps;
        let names = workspace.sweeps()?;
        let before = self.open.len();
        self.open.retain(|name, _| names.contains(name));
        let mut is_other = before != self.open.len();
        for name in names {
            let seen_to = active.iter().find(|sweep| sweep.name == name);
            let problem = seen_to.map_or("", |sweep| &sweep.problem);
            let is_active = workers::is_active(workspace, &name)?;
            let Some((open, shown)) = self.open.get_mut(&name) else {
                // One that is damaged is told by `fmtui sweep status`.
                if let Ok(open) = workspace.open_sweep(&name) {
                    let shown = Arc::new(shown(&open, is_active, problem)?);
                    self.open.insert(name, (open, shown));
                    is_other = true;
                }
                continue;
            };
            let is_new = open.journal.refresh()?;
            if is_new || shown.standing != open.standing(is_active) || shown.problem != problem {
                *shown = Arc::new(self::shown(open, is_active, problem)?);
                is_other = true;
            }
        }
        if !is_other {
            return Ok(None);
        }
        let mut all: Vec<(&Open, &Arc<SweepShown>)> = self
            .open
            .values()
            .map(|(open, shown)| (open, shown))
            .collect();
        let begun = |open: &Open| open.begun().unwrap_or(0.0);
        all.sort_by(|(one, _), (two, _)| begun(two).total_cmp(&begun(one)));
        Ok(Some(
            all.into_iter()
                .map(|(_, shown)| Arc::clone(shown))
                .collect(),
        ))
    }
}

fn shown(open: &Open, is_active: bool, problem: &str) -> Result<SweepShown> {
    let study = open.study()?.clone();
    let own = open.sweep.as_ref();
    let how = own.map_or_else(String::new, |sweep| match sweep.settings.pruner.as_str() {
        "none" => sweep.settings.sampler.clone(),
        pruner => format!("{}, {pruner}", sweep.settings.sampler),
    });
    Ok(SweepShown {
        name: open.name.clone(),
        standing: open.standing(is_active),
        budget: if own.is_some() {
            open.budget()
        } else {
            study.trials.len()
        },
        objectives: own.map_or_else(Vec::new, |sweep| sweep.objectives.clone()),
        how,
        problem: problem.to_owned(),
        importance: importance::importance(&study),
        study,
    })
}

/// Looks at the sweeps while they are wanted, and tells them when they changed.
pub(super) async fn tell_sweeps(
    workspace: Workspace,
    out: mpsc::Sender<Message>,
    mut wanted: watch::Receiver<bool>,
) {
    let mut kept = Kept::default();
    let mut is_first = true;
    loop {
        if wanted.wait_for(|on| *on).await.is_err() {
            return;
        }
        let home = workspace.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let found = kept.look(&home);
            (kept, found)
        });
        let Ok((there, found)) = looking.await else {
            return;
        };
        kept = there;
        let message = match found {
            Ok(None) if is_first => Some(Message::Sweeps(Vec::new())),
            Ok(sweeps) => sweeps.map(Message::Sweeps),
            Err(e) => Some(problem(&e)),
        };
        is_first = false;
        if let Some(message) = message
            && out.send(message).await.is_err()
        {
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Services {
    /// Reads the sweeps, and goes on reading them, from now on or no longer.
    pub(crate) fn watch_sweeps(&self, on: bool) {
        self.sweeps_wanted.send_replace(on);
    }

    /// Checks a sweep and begins it, under a name that no other has.
    pub(crate) fn start_sweep(&mut self, mut sweep: Sweep) {
        let example = match sweep::recipe::example(&sweep) {
            Ok(example) => Box::new(example),
            Err(error) => return self.blocking(move || Err(error)),
        };
        let searched = sweep.clone();
        let check = move |network: &Network| sweep::recipe::check(&searched, network);
        self.prepared(example, check, move |workspace, _| {
            sweep.settings.name = workspace.free_name(&sweep.settings.name);
            let open = workspace.create_sweep(&sweep)?;
            sweep::steer(workspace, &open.name, Control::Running)?;
            Ok(Message::SweepBegun(open.name))
        });
    }

    /// Pauses, stops or extends a sweep, or stops one of its trials.
    pub(crate) fn change_sweep(&self, name: String, change: SweepChange) {
        let workspace = self.workspace.clone();
        self.blocking(move || {
            let words = match change {
                SweepChange::Control(control) => {
                    sweep::steer(&workspace, &name, control)?;
                    match control {
                        Control::Running => "continues".to_owned(),
                        Control::Paused => "begins no more trials".into(),
                        Control::Stopped => "stops".into(),
                    }
                }
                SweepChange::Allow(trials) => {
                    workspace.open_sweep(&name)?.allow(trials)?;
                    sweep::steer(&workspace, &name, Control::Running)?;
                    format!("continues to {trials} trials")
                }
                SweepChange::StopTrial(number) => {
                    sweep::stop_trial(&workspace, &name, number)?;
                    format!("trial {number} stops")
                }
            };
            Ok(Message::Say(format!("{name}: {words}")))
        });
    }
}
