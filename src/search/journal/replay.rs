//! What the operations of a journal come to, one after the other, by Optuna's rules: whatever does not fit is left out.
//!
//! **Reference** `optuna.storages.journal._storage.JournalStorageReplayResult`

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::line::{Line, Number};
use crate::error::Result;
use crate::search::distribution::Distribution;
use crate::search::study::{Assigned, Direction, State, Study, Trial};

/// The studies of a journal.
#[derive(Default)]
pub(super) struct Replay {
    /// By their ids; none where a study was deleted.
    pub studies: Vec<Option<Study>>,
    /// Where each trial is, by its id: its study and its number.
    trials: Vec<(usize, usize)>,
    /// Texts of which there are many, once.
    names: HashMap<Box<str>, Arc<str>>,
    distributions: HashMap<Box<str>, Arc<Distribution>>,
    /// The first trial of a study that has a parameter, with its distribution there.
    first: HashMap<(usize, Arc<str>), (usize, Arc<Distribution>)>,
}

impl Replay {
    /// # Errors
    /// `Input` when a distribution is none that is known.
    pub(super) fn apply(&mut self, line: Line<'_>) -> Result<()> {
        match line.op_code {
            0 => self.create_study(&line),
            1 => self.delete_study(&line),
            2 | 3 => self.describe_study(line),
            4 => self.create_trial(line)?,
            5 => self.set_parameter(&line)?,
            6 => self.set_state(&line),
            7 => self.report(&line),
            8 | 9 => self.describe_trial(line),
            // Of another program's, or a later version's.
            _ => {}
        }
        Ok(())
    }

    /// How many trials there have been, over all studies.
    #[cfg(test)]
    pub(super) fn trial_count(&self) -> usize {
        self.trials.len()
    }

    fn create_study(&mut self, line: &Line<'_>) {
        let (Some(name), Some(directions)) = (&line.study_name, &line.directions) else {
            return;
        };
        let is_there = |study: &Study| study.name == name.0;
        if self.studies.iter().flatten().any(is_there) {
            return;
        }
        let direction = |code: &i64| match code {
            2 => Direction::Maximize,
            _ => Direction::Minimize,
        };
        let directions = directions.iter().map(direction).collect();
        self.studies.push(Some(Study::new(&name.0, directions)));
    }

    fn study(&mut self, line: &Line<'_>) -> Option<(usize, &mut Study)> {
        let id = line.study_id?;
        Some((id, self.studies.get_mut(id)?.as_mut()?))
    }

    fn delete_study(&mut self, line: &Line<'_>) {
        if let Some(there) = line.study_id.and_then(|id| self.studies.get_mut(id)) {
            *there = None;
        }
    }

    fn describe_study(&mut self, line: Line<'_>) {
        if let Some((_, study)) = self.study(&line) {
            study.user.extend(line.user_attr.unwrap_or_default());
            study.system.extend(line.system_attr.unwrap_or_default());
        }
    }

    fn create_trial(&mut self, line: Line<'_>) -> Result<()> {
        let id = self.trials.len();
        let Some((study, number)) = self.study(&line).map(|(id, s)| (id, s.trials.len())) else {
            return Ok(());
        };
        let mut parameters = Vec::new();
        let texts = line.distributions.unwrap_or_default();
        for (name, inside) in line.params.unwrap_or_default() {
            let Some(text) = texts.get(&name) else {
                continue;
            };
            let (name, distribution) = (self.name(&name.0), self.distribution(&text.0)?);
            self.note_first(study, &name, number, &distribution);
            parameters.push(Assigned {
                name,
                distribution,
                inside: inside.0,
            });
        }
        let value = line.value.map(|value| vec![value.0]);
        let values = line.values.map(|values| numbers(&values)).or(value);
        let mut reports = Vec::new();
        for (step, value) in line.intermediate_values.unwrap_or_default() {
            if let Ok(step) = step.0.parse::<i64>() {
                reports.push((step, value.0));
            }
        }
        reports.sort_by_key(|report| report.0);
        let trial = Trial {
            id,
            number,
            state: line.state.map_or(State::Running, state),
            values: values.unwrap_or_default(),
            parameters,
            reports,
            user: line.user_attrs.unwrap_or_default(),
            system: line.system_attrs.unwrap_or_default(),
            started: line.datetime_start.and_then(|text| seconds(&text.0)),
            ended: line.datetime_complete.and_then(|text| seconds(&text.0)),
        };
        if let Some(Some(study)) = self.studies.get_mut(study) {
            study.trials.push(trial);
        }
        self.trials.push((study, number));
        Ok(())
    }

    /// A trial that is not over.
    fn trial(&mut self, line: &Line<'_>) -> Option<&mut Trial> {
        let (study, number) = *self.trials.get(line.trial_id?)?;
        let trial = self
            .studies
            .get_mut(study)?
            .as_mut()?
            .trials
            .get_mut(number)?;
        (!trial.state.is_over()).then_some(trial)
    }

    fn set_parameter(&mut self, line: &Line<'_>) -> Result<()> {
        let (Some(name), Some(inside), Some(text)) = (
            &line.param_name,
            line.param_value_internal,
            &line.distribution,
        ) else {
            return Ok(());
        };
        let Some(place) = line.trial_id.and_then(|id| self.trials.get(id)).copied() else {
            return Ok(());
        };
        let (name, distribution) = (self.name(&name.0), self.distribution(&text.0)?);
        let before = self.first.get(&(place.0, Arc::clone(&name)));
        if before.is_some_and(|(_, before)| !before.agrees_with(&distribution)) {
            return Ok(());
        }
        let Some(trial) = self.trial(line) else {
            return Ok(());
        };
        let number = trial.number;
        let assigned = Assigned {
            name: Arc::clone(&name),
            distribution: Arc::clone(&distribution),
            inside: inside.0,
        };
        match trial.parameters.iter_mut().find(|p| p.name == name) {
            Some(there) => *there = assigned,
            None => trial.parameters.push(assigned),
        }
        self.note_first(place.0, &name, number, &distribution);
        Ok(())
    }

    fn note_first(
        &mut self,
        study: usize,
        name: &Arc<str>,
        number: usize,
        distribution: &Arc<Distribution>,
    ) {
        let first = self.first.entry((study, Arc::clone(name)));
        let new = (number, Arc::clone(distribution));
        let there = first.or_insert_with(|| new.clone());
        if number < there.0 {
            *there = new;
        }
    }

    fn set_state(&mut self, line: &Line<'_>) {
        let Some(new) = line.state.map(state) else {
            return;
        };
        let Some(trial) = self.trial(line) else {
            return;
        };
        if new == State::Running && trial.state == State::Running {
            return;
        }
        let moment =
            |text: &Option<super::line::Text<'_>>| text.as_ref().and_then(|t| seconds(&t.0));
        if new == State::Running {
            trial.started = moment(&line.datetime_start);
        }
        if new.is_over() {
            trial.ended = moment(&line.datetime_complete);
        }
        trial.state = new;
        if let Some(values) = &line.values {
            trial.values = numbers(values);
        }
    }

    fn report(&mut self, line: &Line<'_>) {
        if let (Some(step), Some(value)) = (line.step, line.intermediate_value)
            && let Some(trial) = self.trial(line)
        {
            trial.report(step, value.0);
        }
    }

    fn describe_trial(&mut self, line: Line<'_>) {
        if let Some(trial) = self.trial(&line) {
            trial.user.extend(line.user_attr.unwrap_or_default());
            trial.system.extend(line.system_attr.unwrap_or_default());
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.names.insert(name.into(), Arc::clone(&new));
        new
    }

    fn distribution(&mut self, text: &str) -> Result<Arc<Distribution>> {
        if let Some(known) = self.distributions.get(text) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(Distribution::parse(text)?);
        self.distributions.insert(text.into(), Arc::clone(&new));
        Ok(new)
    }
}

fn numbers(values: &[Number]) -> Vec<f64> {
    values.iter().map(|value| value.0).collect()
}

fn state(code: i64) -> State {
    match code {
        1 => State::Complete,
        2 => State::Pruned,
        3 => State::Failed,
        4 => State::Waiting,
        _ => State::Running,
    }
}

/// The code of a state.
pub(super) fn code(state: State) -> u8 {
    match state {
        State::Running => 0,
        State::Complete => 1,
        State::Pruned => 2,
        State::Failed => 3,
        State::Waiting => 4,
    }
}

/// Seconds since 1970; older versions wrote local time without saying so.
#[expect(clippy::cast_precision_loss, reason = "microseconds are below 2^53")]
fn seconds(text: &str) -> Option<f64> {
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        TimeZone::system().to_timestamp(local).ok()
    })?;
    Some(moment.as_microsecond() as f64 / 1e6)
}
