//! Sweeps of a workspace: searches whose trials are runs.
//!
//! `sweeps/NAME/` has the sweep as one file and its journal, which says everything that was tried: nothing else is
//! kept. [`tend`] brings journal and runs in line with each other; whoever does that may be killed at any moment.

mod begin;
mod finals;
mod judge;
pub(crate) mod recipe;
pub(crate) mod tend;
mod trial;
pub(crate) mod workers;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use toml::Table;

use super::Workspace;
use super::queue::{self, scheduler};
use crate::error::{Error, Result};
use crate::profile::Profile;
use crate::search::{Direction, Editor, Journal, Operation, State, Study, Sweep, Trial};
use crate::{storage, text};

pub(crate) use trial::{owner, reason, runs};

/// **Units** bytes of the longest sweep file.
const LONGEST: u64 = 1 << 20;

/// Attributes of the study.
const CONTROL: &str = "fmtui:control";
const TRIALS: &str = "fmtui:trials";
const BEGUN: &str = "fmtui:begun";

/// The file with the name of the study that is meant, where the journal is another program's.
const STUDY: &str = "study";

/// What somebody wants of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Running,
    /// No trial begins or goes on at a rung; those that run do so to their end.
    Paused,
    /// Those that run are stopped too, and go on when the sweep does.
    Stopped,
}

impl Control {
    const ALL: [Self; 3] = [Self::Running, Self::Paused, Self::Stopped];

    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// What was written last.
    #[must_use]
    pub(crate) fn of(study: &Study) -> Self {
        let name = study.user.get(CONTROL).and_then(|value| value.as_str());
        let named = Self::ALL.into_iter().find(|c| Some(c.name()) == name);
        named.unwrap_or(Self::Running)
    }
}

/// How a sweep stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Running,
    /// Trials are left, and nobody trains them.
    NoWorker,
    Over,
    Paused,
    Stopping,
    Stopped,
}

impl Standing {
    /// In a word or two.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::NoWorker => "no worker",
            Self::Over => "over",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// As it is said of a sweep that it is so.
    #[must_use]
    pub(crate) fn in_a_sentence(self) -> &'static str {
        match self {
            Self::NoWorker => "without a worker",
            other => other.name(),
        }
    }
}

/// A sweep that is open.
pub(crate) struct Open {
    pub name: String,
    /// None of a study that another program made.
    pub sweep: Option<Sweep>,
    pub journal: Journal,
    /// The study's id in the journal.
    pub study: usize,
}

impl Open {
    /// The study as it was when the journal was read last.
    ///
    /// # Errors
    /// `Input` where it was deleted.
    pub(crate) fn study(&self) -> Result<&Study> {
        let mut studies = self.journal.studies();
        let found = studies.find(|(id, _)| *id == self.study);
        found.map(|(_, study)| study).ok_or_else(|| {
            Error::input(
                format!("sweep {}", self.name),
                "has no study in its journal any more",
                "delete its directory, and search anew",
            )
        })
    }

    /// How many trials there may be: a grid has no more than its combinations, and what somebody queued.
    #[must_use]
    pub(crate) fn budget(&self) -> usize {
        let (Some(sweep), Ok(study)) = (&self.sweep, self.study()) else {
            return 0;
        };
        let added = study.user.get(TRIALS).and_then(serde_json::Value::as_u64);
        let added = added.and_then(|trials| usize::try_from(trials).ok());
        let wanted = added.unwrap_or(sweep.settings.trials);
        wanted.min(sweep.most().saturating_add(study.given()))
    }

    /// How it stands, where somebody sees to it, or nobody.
    #[must_use]
    pub(crate) fn standing(&self, is_active: bool) -> Standing {
        let Ok(study) = self.study() else {
            return Standing::Over;
        };
        match (Control::of(study), is_active) {
            // One of several workers may look alive for a while.
            (Control::Running, _) if !self.is_unfinished(study) => Standing::Over,
            (Control::Running, true) => Standing::Running,
            (Control::Running, false) => Standing::NoWorker,
            (Control::Paused, _) => Standing::Paused,
            (Control::Stopped, true) => Standing::Stopping,
            (Control::Stopped, false) => Standing::Stopped,
        }
    }

    /// Whether trials are left that somebody would have to train.
    fn is_unfinished(&self, study: &Study) -> bool {
        let Some(sweep) = &self.sweep else {
            return false;
        };
        let is_left = |trial: &Trial| match trial.state {
            State::Running => !trial::runs(trial).is_empty(),
            State::Waiting => true,
            State::Complete | State::Pruned | State::Failed => false,
        };
        let is_late = sweep.is_late(self.begun());
        study.trials.iter().any(is_left) || (!is_late && study.counted() < self.budget())
    }

    /// When it began. **Units** seconds since 1970.
    #[must_use]
    pub(crate) fn begun(&self) -> Option<f64> {
        self.study().ok()?.user.get(BEGUN)?.as_f64()
    }

    /// Says what is wanted of it from now on.
    ///
    /// # Errors
    /// As editing the journal.
    pub(crate) fn control(&mut self, control: Control) -> Result<()> {
        self.describe(CONTROL, json!(control.name()))
    }

    /// Allows so many trials in all.
    ///
    /// # Errors
    /// `Input` where there are more already, or no more combinations; as editing the journal.
    pub(crate) fn allow(&mut self, trials: usize) -> Result<()> {
        let study = self.study()?;
        let there = study.counted();
        let most = self.own()?.most().saturating_add(study.given());
        let subject = format!("sweep {}", self.name);
        if trials < there {
            let problem = format!("has {} already", text::count(there, "trial"));
            return Err(Error::input(subject, problem, "allow as many or more"));
        }
        if there == most && trials > most {
            let problem = format!(
                "has tried all {} combinations of its grid",
                self.own()?.most()
            );
            let remedy = "begin another sweep, with more values in its [space]";
            return Err(Error::input(subject, problem, remedy));
        }
        self.describe(TRIALS, json!(trials))
    }

    fn describe(&mut self, key: &str, value: serde_json::Value) -> Result<()> {
        let study = self.study;
        let attribute = (key.to_owned(), value);
        self.journal.edit(|edit: &mut Editor<'_>| {
            edit.push(study, &Operation::DescribeStudy { attribute });
            Ok(())
        })
    }

    /// The recipe of the best trial, as it can be trained on its own; none before there is one.
    ///
    /// # Errors
    /// `Input` where the sweep is of another program, or its recipe does not fit any more.
    pub(crate) fn best(&self) -> Result<Option<(usize, Profile)>> {
        let sweep = self.own()?;
        let Some(best) = self.study()?.best() else {
            return Ok(None);
        };
        Ok(Some((
            best.number,
            recipe::of_trial(sweep, &best.parameters)?,
        )))
    }

    /// The sweep, where fmtui made it.
    ///
    /// # Errors
    /// `Input` where another program did.
    pub(crate) fn own(&self) -> Result<&Sweep> {
        self.sweep.as_ref().ok_or_else(|| {
            Error::input(
                format!("sweep {}", self.name),
                "was imported, and has no recipe",
                "look at it with `fmtui sweep status` or `export`",
            )
        })
    }
}

/// Says what is wanted of a sweep, and has it done.
///
/// # Errors
/// As [`Workspace::open_sweep`], and as editing journal and queue.
pub(crate) fn steer(workspace: &Workspace, name: &str, control: Control) -> Result<()> {
    let mut open = workspace.open_sweep(name)?;
    let jobs = open.own()?.settings.jobs;
    let is_over =
        || Ok::<_, Error>(open.standing(workers::is_active(workspace, name)?) == Standing::Over);
    if control != Control::Running && is_over()? {
        return Err(Error::input(
            format!("sweep {name}"),
            "is over",
            format!("add trials with `fmtui sweep continue {name} --trials N`"),
        ));
    }
    open.control(control)?;
    match control {
        // Workers elsewhere see it in the journal.
        Control::Running if !workers::alive(workspace, name).is_empty() => return Ok(()),
        Control::Running => queue::enter_sweep(workspace, name, jobs)?,
        // Whoever sees to it stops its runs.
        Control::Stopped => queue::enter_sweep(workspace, name, 0)?,
        Control::Paused => {}
    }
    scheduler::ensure(workspace)
}

/// Checks that a sweep can be called so.
///
/// # Errors
/// `Input` where it cannot.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::input(
        "sweep.name",
        format!("is `{}`", text::sanitize(name)),
        "use letters, digits, `-`, `_` and `.`, and begin with a letter or digit",
    ))
}

/// Gives a trial up that is not over; whoever sees to the sweep stops its runs.
///
/// # Errors
/// As [`steer`]; `Input` where there is no such trial, or it is over.
pub(crate) fn stop_trial(workspace: &Workspace, name: &str, number: usize) -> Result<()> {
    let mut open = workspace.open_sweep(name)?;
    open.own()?;
    let study_id = open.study;
    let is_local = open.journal.edit(|edit| {
        let study = edit.journal().studies().find(|(id, _)| *id == study_id);
        let trial = study.and_then(|(_, study)| study.trials.get(number));
        let Some(trial) = trial.filter(|trial| !trial.state.is_over()) else {
            return Err(Error::input(
                format!("trial {number} of {name}"),
                "does not run",
                format!("see the trials with `fmtui sweep status {name}`"),
            ));
        };
        let has_runs = !trial::runs(trial).is_empty();
        let (id, is_local) = (trial.id, has_runs && trial::owner(trial).is_empty());
        let attribute = (trial::REASON.to_owned(), json!("somebody stopped it"));
        edit.push(
            study_id,
            &Operation::Describe {
                trial: id,
                attribute,
            },
        );
        let end = Operation::SetState {
            trial: id,
            state: State::Failed,
            values: Vec::new(),
        };
        edit.push(study_id, &end);
        Ok(is_local)
    })?;
    if !is_local {
        // Its worker sees to it, or another program does.
        return Ok(());
    }
    queue::enter_sweep(workspace, name, 0)?;
    scheduler::ensure(workspace)
}

impl Workspace {
    /// Where sweeps lie.
    #[must_use]
    pub(crate) fn sweeps_dir(&self) -> PathBuf {
        self.root.join("sweeps")
    }

    #[must_use]
    pub(crate) fn sweep_dir(&self, name: &str) -> PathBuf {
        self.sweeps_dir().join(name)
    }

    /// The names of all sweeps, in their order.
    ///
    /// # Errors
    /// `Io` where the directory cannot be read.
    pub(crate) fn sweeps(&self) -> Result<Vec<String>> {
        let directory = self.sweeps_dir();
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("read", directory, e)),
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| journal_path(&entry.path()).exists())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Opens a sweep by its name.
    ///
    /// # Errors
    /// `Input` where there is none such, or its files are damaged.
    pub(crate) fn open_sweep(&self, name: &str) -> Result<Open> {
        let directory = self.sweep_dir(name);
        if !is_name(name) || !journal_path(&directory).exists() {
            let names = self.sweeps()?;
            let remedy = match text::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None if names.is_empty() => {
                    "start one with `fmtui sweep FILE`; docs/sweeps.md says how".into()
                }
                None => format!("name one of {}", names.join(", ")),
            };
            let subject = format!("sweep {}", text::sanitize(name));
            return Err(Error::input(subject, "is not in this workspace", remedy));
        }
        let path = directory.join("sweep.toml");
        let sweep = match storage::read_text(&path, LONGEST) {
            Ok(text) => {
                let source = format!("sweeps/{name}/sweep.toml");
                Some(Sweep::parse(&text, &source, (&[], name), &no_base)?)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Error::io("read", path, e)),
        };
        let journal = Journal::open(&journal_path(&directory))?;
        let chosen = storage::read_text(&directory.join(STUDY), LONGEST).ok();
        let is_it = |study: &Study| chosen.as_ref().is_none_or(|name| study.name == *name);
        let found = journal.studies().find(|(_, study)| is_it(study));
        let study = found.map(|(id, _)| id).ok_or_else(|| {
            Error::input(
                format!("sweep {name}"),
                "has no study in its journal",
                "delete its directory, and search anew",
            )
        })?;
        Ok(Open {
            name: name.into(),
            sweep,
            journal,
            study,
        })
    }

    /// Shows the studies of a journal of Optuna's as sweeps from now on, which cannot be continued here: the file stays
    /// where it is, and whoever writes it goes on writing it. Gives their names here; those of studies that are here
    /// already do not change.
    ///
    /// # Errors
    /// `Input` where it is no journal, has no study, or a sweep has the name of one already; `Io`.
    pub(crate) fn import_sweeps(&self, file: &Path) -> Result<Vec<String>> {
        let file = fs::canonicalize(file).map_err(|e| {
            Error::input(
                format!("journal {}", file.display()),
                format!("cannot be found: {e}"),
                "name a file of Optuna's JournalStorage",
            )
        })?;
        let journal = Journal::open(&file)?;
        let mut names = Vec::new();
        for (_, study) in journal.studies() {
            if let Some(name) = self.imported(&file, &study.name)? {
                names.push(name);
                continue;
            }
            let name = self.free_name(&study.name);
            let directory = self.sweep_dir(&name);
            let link = journal_path(&directory);
            fs::create_dir_all(&directory)
                .and_then(|()| std::os::unix::fs::symlink(&file, &link))
                .map_err(|e| Error::io("create", &link, e))?;
            storage::commit(&directory.join(STUDY), study.name.as_bytes())?;
            names.push(name);
        }
        if names.is_empty() {
            return Err(Error::input(
                file.display().to_string(),
                "has no study",
                "name a file of Optuna's JournalStorage",
            ));
        }
        Ok(names)
    }

    /// Under which name a study of a journal is here already.
    fn imported(&self, file: &Path, study: &str) -> Result<Option<String>> {
        let is_it = |name: &String| {
            let directory = self.sweep_dir(name);
            let is_of_file = fs::read_link(journal_path(&directory)).is_ok_and(|to| to == file);
            let chosen = storage::read_text(&directory.join(STUDY), LONGEST);
            is_of_file && chosen.is_ok_and(|chosen| chosen == study)
        };
        Ok(self.sweeps()?.into_iter().find(is_it))
    }

    /// A name that no sweep has, like another one.
    pub(crate) fn free_name(&self, like: &str) -> String {
        let sign = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let plain: String = like.chars().take(60).map(sign).collect();
        let plain = match plain.trim_matches('-') {
            "" => "study",
            some => some,
        };
        let mut names =
            std::iter::once(plain.to_owned()).chain((2_u32..).map(|nth| format!("{plain}-{nth}")));
        let is_free = |name: &String| !self.sweep_dir(name).exists();
        names.find(is_free).unwrap_or_default()
    }

    /// Writes a sweep down, or opens it where it is there already, as the same.
    ///
    /// # Errors
    /// `Input` where another one has its name; `Io` where it cannot be written.
    pub(crate) fn create_sweep(&self, sweep: &Sweep) -> Result<Open> {
        let name = &sweep.settings.name;
        check_name(name)?;
        let directory = self.sweep_dir(name);
        fs::create_dir_all(&directory).map_err(|e| Error::io("create", &directory, e))?;
        let (path, text) = (directory.join("sweep.toml"), sweep.to_toml());
        match storage::read_text(&path, LONGEST) {
            Ok(there) if there == text => {}
            Ok(_) => {
                return Err(Error::input(
                    format!("sweep {name}"),
                    "is there already, with other settings",
                    format!("continue it with `fmtui sweep continue {name}`, or set sweep.name=…"),
                ));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                storage::commit(&path, text.as_bytes())?;
            }
            Err(e) => return Err(Error::io("read", path, e)),
        }
        let mut journal = Journal::open(&journal_path(&directory))?;
        let directions: Vec<Direction> = sweep
            .objectives
            .iter()
            .map(|objective| objective.direction)
            .collect();
        let names: Vec<&str> = sweep.objectives.iter().map(|o| o.name.as_str()).collect();
        let study = journal.edit(|edit| {
            if let Some((id, _)) = edit.journal().study(name) {
                return Ok(id);
            }
            let id = edit.create_study(name, &directions);
            let about = |key: &str, value| Operation::DescribeStudy {
                attribute: (key.into(), value),
            };
            edit.push(id, &about(BEGUN, json!(text::now())));
            edit.push(id, &about("fmtui:version", json!(super::record::VERSION)));
            // As Optuna and its dashboard know the objectives' names.
            let attribute = ("study:metric_names".to_owned(), json!(names));
            edit.push(id, &Operation::MarkStudy { attribute });
            Ok(id)
        })?;
        Ok(Open {
            name: name.clone(),
            sweep: Some(sweep.clone()),
            journal,
            study,
        })
    }
}

fn journal_path(directory: &Path) -> PathBuf {
    directory.join("journal.log")
}

/// A frozen sweep file has its recipe in it.
fn no_base(named: &str) -> Result<Table> {
    Err(Error::input(
        "sweep.base",
        format!("is `{named}` in a sweep that has begun"),
        "give the file back what it was",
    ))
}

fn is_name(name: &str) -> bool {
    let may_be = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.len() <= 80
        && name.chars().all(may_be)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}
