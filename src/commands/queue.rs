//! `fmtui queue`: what is trained next, in which order, and how many at a time.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{answer, complete, train};
use crate::error::{Error, Result};
use crate::headless::{Output, Table, notice};
use crate::profile::{Profile, Status};
use crate::run::queue::slots::{Machine, Place};
use crate::run::queue::{self, Counts, Job, OnFailure, Queue, scheduler};
use crate::run::signals::Watch;
use crate::run::{RunList, Workspace, group};
use crate::text::{self, figure};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a run; it starts when there is room
    Add(Add),
    /// List the queue
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Move runs to another place
    Move {
        /// Runs: numbers of `queue list`, IDs, or a group
        #[arg(add = complete::run(), required = true, value_name = "RUN")]
        jobs: Vec<String>,
        /// Where to: first, last, or a number
        #[arg(long, value_name = "PLACE")]
        to: String,
    },
    /// Hold runs, or the whole queue: what is running continues, nothing else starts
    Hold {
        /// Runs [default: the whole queue]
        #[arg(add = complete::run(), value_name = "RUN")]
        jobs: Vec<String>,
    },
    /// Take runs out of the queue; those that never started are deleted
    Drop {
        #[arg(add = complete::run(), required_unless_present = "all", value_name = "RUN")]
        jobs: Vec<String>,
        /// All that wait
        #[arg(long, conflicts_with = "jobs")]
        all: bool,
    },
    /// Release held runs and start what there is room for; change how many run at a time
    Run(Run),
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command"
)]
struct Add {
    /// A profile file, a preset such as lenet5, or a run to train again
    #[arg(add = complete::profile(), value_name = "FILE|PRESET|RUN")]
    what: String,
    /// Override a setting, such as train.epochs=3; repeatable
    #[arg(add = complete::setting(), long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Add N runs with different seeds, as a group
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=group::MOST_SEEDS.into()))]
    seeds: u16,
    /// Before all others
    #[arg(long)]
    first: bool,
    /// Do not start it until `fmtui queue run`
    #[arg(long)]
    hold: bool,
    /// Add it even if the estimated memory exceeds what is free
    #[arg(long)]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Run {
    /// Runs to release [default: all, unless an option is given]
    #[arg(add = complete::run(), value_name = "RUN")]
    jobs: Vec<String>,
    /// Runs on the CPU at a time; they share its cores
    #[arg(long = "at-a-time", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    at_a_time: Option<u16>,
    /// Runs on each GPU at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    per_gpu: Option<u16>,
    /// What happens to the rest when a run fails
    #[arg(long, value_name = "WHAT")]
    on_failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Failure {
    /// Start the next run
    Continue,
    /// Hold everything that waits
    Hold,
    /// Drop what waits of the same group
    Skip,
}

impl From<Failure> for OnFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Continue => Self::Continue,
            Failure::Hold => Self::Hold,
            Failure::Skip => Self::Skip,
        }
    }
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let mut out = Output::standard();
    match &arguments.action {
        None | Some(Action::List { json: false }) => list(workspace, &mut out)?,
        Some(Action::List { json: true }) => list_json(workspace, &mut out)?,
        Some(Action::Add(arguments)) => add(workspace, arguments, &mut out)?,
        Some(Action::Move { jobs, to }) => {
            workspace.edit_queue(|queue| {
                let runs = named(workspace, queue, jobs)?;
                let at = place(to, queue.jobs.len())?;
                queue.place(&runs, at);
                Ok(())
            })?;
            list(workspace, &mut out)?;
        }
        Some(Action::Hold { jobs }) => {
            hold(workspace, jobs)?;
            list(workspace, &mut out)?;
        }
        Some(Action::Drop { jobs, all }) => drop_jobs(workspace, jobs, *all, &mut out)?,
        Some(Action::Run(arguments)) => {
            release(workspace, arguments)?;
            scheduler::ensure(workspace)?;
            list(workspace, &mut out)?;
        }
    }
    // Whatever was asked: where the scheduler was killed, it is found out now.
    scheduler::ensure(workspace)?;
    Ok(0)
}

fn add(workspace: &Workspace, arguments: &Add, out: &mut Output) -> Result<()> {
    let signals = Watch::begin()?;
    let recipe = (arguments.what.as_str(), &arguments.set[..]);
    let checked = train::prepare(workspace, recipe, arguments.force, &signals)?;
    let how = (arguments.first, arguments.hold);
    let seeds = arguments.seeds.into();
    let (name, ids) = queue::enqueue_seeds(workspace, &checked.profile, seeds, how)?;
    scheduler::ensure(workspace)?;
    if arguments.json {
        let name = Some(name).filter(|name| !name.is_empty());
        return answer::print(out, json!({ "group": name, "runs": ids }));
    }
    for id in &ids {
        out.line(id)?;
    }
    let counts = queue::counts(workspace)?;
    let of = if name.is_empty() {
        String::new()
    } else {
        format!("group {name}; ")
    };
    notice(format!("{of}{}", counts.words()));
    Ok(())
}

/// The runs that somebody names, each once.
fn named(workspace: &Workspace, queue: &Queue, jobs: &[String]) -> Result<Vec<String>> {
    let mut runs = Vec::new();
    for job in jobs {
        for run in queue::find(workspace, queue, job)? {
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
    }
    Ok(runs)
}

/// A place from 0.
fn place(to: &str, jobs: usize) -> Result<usize> {
    match to {
        "first" => Ok(0),
        "last" => Ok(jobs),
        number => number
            .parse::<usize>()
            .ok()
            .and_then(|n| n.checked_sub(1))
            .ok_or_else(|| {
                Error::input(
                    format!("--to {}", text::sanitize(to)),
                    "is not a place in the queue",
                    "give first, last, or a number from 1",
                )
            }),
    }
}

fn hold(workspace: &Workspace, jobs: &[String]) -> Result<()> {
    workspace.edit_queue(|queue| {
        if jobs.is_empty() {
            queue.held = true;
            queue.held_because.clear();
            return Ok(());
        }
        let (running, waiting): (Vec<_>, Vec<_>) = named(workspace, queue, jobs)?
            .into_iter()
            .partition(|run| workspace.is_running(run));
        if let (Some(run), true) = (running.first(), waiting.is_empty()) {
            return Err(Error::input(
                format!("run {run}"),
                "is running",
                format!("pause it with `fmtui pause {run}`, or stop it"),
            ));
        }
        for run in waiting {
            if let Some(job) = queue.job(&run) {
                job.held = true;
            }
        }
        Ok(())
    })
}

fn release(workspace: &Workspace, arguments: &Run) -> Result<()> {
    workspace.edit_queue(|queue| {
        let settings = &mut queue.settings;
        if let Some(jobs) = arguments.at_a_time {
            settings.jobs = jobs.into();
        }
        if let Some(per_gpu) = arguments.per_gpu {
            settings.per_gpu = per_gpu.into();
        }
        if let Some(on_failure) = arguments.on_failure {
            settings.on_failure = on_failure.into();
        }
        let changes_settings = arguments.at_a_time.is_some()
            || arguments.per_gpu.is_some()
            || arguments.on_failure.is_some();
        if changes_settings && arguments.jobs.is_empty() {
            return Ok(());
        }
        let runs = named(workspace, queue, &arguments.jobs)?;
        let is_meant = |job: &Job| runs.is_empty() || runs.contains(&job.run);
        for job in queue.jobs.iter_mut().filter(|job| is_meant(job)) {
            job.held = false;
            job.crashes = 0;
            job.problem.clear();
        }
        queue.held = false;
        queue.held_because.clear();
        Ok(())
    })
}

fn drop_jobs(workspace: &Workspace, jobs: &[String], all: bool, out: &mut Output) -> Result<()> {
    let mut list = RunList::new(workspace);
    list.refresh()?;
    let dropped = workspace.edit_queue(|queue| {
        let runs = if all {
            queue.jobs.iter().map(|job| job.run.clone()).collect()
        } else {
            named(workspace, queue, jobs)?
        };
        let (running, waiting): (Vec<_>, Vec<_>) =
            runs.into_iter().partition(|run| workspace.is_running(run));
        if let (Some(run), false) = (running.first(), all) {
            return Err(Error::input(
                format!("run {run}"),
                "is running",
                format!("stop it with `fmtui stop {run}`; it leaves the queue then"),
            ));
        }
        queue.remove(&waiting);
        Ok(waiting)
    })?;
    for run in &dropped {
        let status = list.find(run).map(|run| run.status);
        queue::forget_unstarted(workspace, run);
        let what = match status {
            Some(Status::Queued) | None => "dropped",
            _ => "dropped; it can be resumed",
        };
        out.line(format!("{run} {what}"))?;
    }
    if dropped.is_empty() {
        notice("nothing waits in the queue");
    }
    Ok(())
}

fn list(workspace: &Workspace, out: &mut Output) -> Result<()> {
    let mut runs = RunList::new(workspace);
    runs.refresh()?;
    let queue = workspace.queue()?;
    let jobs = queue::standings(workspace, &runs)?;
    for sweep in &queue.sweeps {
        out.line(format!("sweep {}; see `fmtui sweep status`", sweep.name))?;
    }
    if jobs.is_empty() && queue.sweeps.is_empty() {
        out.line("the queue is empty; add a run with: fmtui queue add lenet5")?;
    } else if !jobs.is_empty() {
        let counts = Counts::of(jobs.iter().map(|(_, standing)| standing));
        out.line(format!("{}; {}", counts.words(), at_a_time(&queue)))?;
        let mut table = Table::new(&[">#", "run", "status", "epochs", "accuracy", "seed", "group"])
            .dispensing_with(&["group", "seed", "epochs"]);
        for (nth, (job, standing)) in jobs.iter().enumerate() {
            let profile = runs.find(&job.run).and_then(|run| run.profile.ok());
            let of =
                |f: &dyn Fn(&Profile) -> String| profile.as_deref().map_or_else(String::new, f);
            table.row([
                (nth + 1).to_string(),
                job.run.clone(),
                standing.word(job).into(),
                of(&|p| format!("{}/{}", p.epochs_done(), p.train.epochs)),
                of(&|p| {
                    let accuracy = p.accuracy().map(|a| a.accuracy);
                    accuracy.map_or_else(String::new, |a| figure::percent(a, 1, 7))
                }),
                of(&|p| p.train.seed.to_string()),
                of(&|p| group::name_of(p).unwrap_or_default().into()),
            ]);
        }
        table.print(out)?;
        let problems = jobs.iter().map(|(job, _)| (&job.run, &job.problem));
        for (run, problem) in problems.filter(|(_, problem)| !problem.is_empty()) {
            out.line(format!("{run} did not start: {}", text::sanitize(problem)))?;
        }
        if counts.waiting > 0 && counts.running == 0 {
            for run in runs.with_worker() {
                let status = run.status.name();
                out.line(format!(
                    "{} is {status} beside the queue and takes room",
                    run.id
                ))?;
            }
        }
    }
    if queue.held {
        let why = match queue.held_because.as_str() {
            "" => String::new(),
            why => format!(" ({})", text::sanitize(why)),
        };
        out.line(format!(
            "the queue is held{why}; continue with: fmtui queue run"
        ))?;
    }
    let is_trial = |run: &str| {
        let profile = runs.find(run).and_then(|run| run.profile.ok());
        profile.is_some_and(|profile| profile.is_trial())
    };
    let ended: Vec<String> = queue
        .ended
        .iter()
        .rev()
        .filter(|ended| !is_trial(&ended.run))
        .take(5)
        .map(|ended| {
            let why = match ended.problem.as_str() {
                "" => String::new(),
                problem => format!(" ({})", text::sanitize(problem)),
            };
            format!("{} {}{why}", ended.run, ended.status.name())
        })
        .collect();
    if !ended.is_empty() {
        out.line(format!("ended: {}", ended.join(", ")))?;
    }
    Ok(())
}

/// How many runs there is room for.
fn at_a_time(queue: &Queue) -> String {
    let (machine, settings) = (Machine::here(), &queue.settings);
    let threads = machine.threads(&Place::Cpu(0), settings);
    let cpu = format!(
        "{} at a time on the CPU, {} each",
        settings.jobs,
        text::count(threads, "thread")
    );
    match machine.gpus.len() {
        0 => cpu,
        gpus => format!(
            "{} on each of {}; {cpu}",
            settings.per_gpu,
            text::count(gpus, "GPU")
        ),
    }
}

fn list_json(workspace: &Workspace, out: &mut Output) -> Result<()> {
    let mut runs = RunList::new(workspace);
    runs.refresh()?;
    let queue = workspace.queue()?;
    let jobs: Vec<Value> = queue::standings(workspace, &runs)?
        .iter()
        .map(|(job, standing)| {
            let run = runs.find(&job.run);
            let mut value = run
                .as_ref()
                .map_or_else(|| json!({ "run": job.run }), answer::run);
            value["standing"] = json!(standing.word(job));
            value["place"] = json!(job.place);
            value["crashes"] = json!(job.crashes);
            value["problem"] = json!(job.problem);
            value
        })
        .collect();
    answer::print(
        out,
        json!({
            "held": queue.held,
            "settings": queue.settings,
            "scheduler": scheduler::process(workspace),
            "jobs": jobs,
            "ended": queue.ended,
        }),
    )
}
