//! Sweeps on a cluster: an array job of SLURM whose tasks are workers on one journal.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Args;

use crate::error::{Error, Result};
use crate::headless::{Output, notice};
use crate::run::Workspace;
use crate::run::sweep::tend::Tenders;
use crate::run::sweep::{Control, Open, workers};
use crate::{storage, text};

/// How long before the limit of its time a task is told to save and to be queued again. **Units** seconds.
const BEFORE_LIMIT: u32 = 120;

#[derive(Debug, Args)]
pub(super) struct Slurm {
    /// Run it as an array job of SLURM, whose tasks are workers of the sweep; docs/clusters.md says more
    #[arg(id = "slurm", long = "slurm")]
    is_asked: bool,
    /// Print the job's script instead of submitting it
    #[arg(long, requires = "slurm")]
    print: bool,
    /// How many tasks: workers at once
    #[arg(long, value_name = "TASKS", default_value_t = 4, requires = "slurm",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    array: u32,
    /// GPUs of each task
    #[arg(long, value_name = "N", requires = "slurm")]
    gpus_per_task: Option<u32>,
    /// Cores of each task
    #[arg(long, value_name = "N", requires = "slurm")]
    cpus_per_task: Option<u32>,
    /// Time limit of each task, such as 4:00:00; before it is over, the task saves its trials and is queued again
    #[arg(long, value_name = "TIME", requires = "slurm")]
    time: Option<String>,
    /// Memory of each task, such as 16G
    #[arg(long, value_name = "SIZE", requires = "slurm")]
    mem: Option<String>,
    #[arg(long, value_name = "NAME", requires = "slurm")]
    partition: Option<String>,
    #[arg(long, value_name = "NAME", requires = "slurm")]
    account: Option<String>,
    /// Any other option of sbatch, such as --sbatch=--qos=high; repeatable
    #[arg(
        long,
        value_name = "OPTION",
        requires = "slurm",
        allow_hyphen_values = true
    )]
    sbatch: Vec<String>,
}

impl Slurm {
    #[must_use]
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// The options of sbatch, one a line.
    fn options(&self) -> Result<Vec<String>> {
        let number = |key: &str, value: Option<u32>| value.map(|n| format!("--{key}={n}"));
        let word =
            |key: &str, value: &Option<String>| value.as_ref().map(|v| format!("--{key}={v}"));
        let asked = [
            number("gpus-per-task", self.gpus_per_task),
            number("cpus-per-task", self.cpus_per_task),
            word("time", &self.time),
            word("mem", &self.mem),
            word("partition", &self.partition),
            word("account", &self.account),
        ];
        let options: Vec<String> = asked.into_iter().flatten().collect();
        let others = self.sbatch.iter().map(|option| {
            let bare = option.trim_start_matches('-');
            format!("--{bare}")
        });
        let options: Vec<String> = options.into_iter().chain(others).collect();
        match options.iter().find(|option| option.contains(['\n', '\r'])) {
            None => Ok(options),
            Some(option) => Err(Error::input(
                text::sanitize(option),
                "has a line break",
                "give one option of sbatch",
            )),
        }
    }
}

/// The script of a job.
fn script(workspace: &Workspace, name: &str, program: &Path, arguments: &Slurm) -> Result<String> {
    let log = workspace.sweep_dir(name).join("workers/%A_%a.log");
    let mut script = format!(
        "#!/bin/bash\n\
         # Workers of the fmtui sweep {name}; more of them may be submitted while it runs.\n\
         #SBATCH --job-name=fmtui-{name}\n\
         #SBATCH --array=0-{}\n\
         #SBATCH --ntasks=1\n\
         #SBATCH --output=\"{}\"\n\
         #SBATCH --open-mode=append\n\
         #SBATCH --requeue\n\
         #SBATCH --signal=B:USR2@{BEFORE_LIMIT}\n",
        arguments.array - 1,
        log.display(),
    );
    for option in arguments.options()? {
        let _ = writeln!(script, "#SBATCH {option}");
    }
    if workspace.offline {
        script.push_str("export FMTUI_OFFLINE=1\n");
    }
    if let Some(dir) = &workspace.data_override {
        let _ = writeln!(script, "export FMTUI_DATA_DIR={}", quoted(dir));
    }
    let _ = writeln!(
        script,
        "exec {} --workspace {} sweep worker {name}",
        quoted(program),
        quoted(&workspace.root)
    );
    Ok(script)
}

/// As the shell takes it as one word.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// Submits the workers of a sweep, or prints what would be submitted.
///
/// # Errors
/// `Input` where sbatch is not there or refuses; `Io`.
pub(super) fn submit(
    workspace: &Workspace,
    mut open: Open,
    arguments: &Slurm,
    out: &mut Output,
) -> Result<u8> {
    let name = open.name.clone();
    let program = std::env::current_exe().map_err(|e| Error::io("find", "fmtui", e))?;
    let script = script(workspace, &name, &program, arguments)?;
    let directory = workspace.sweep_dir(&name);
    let workers = directory.join("workers");
    std::fs::create_dir_all(&workers).map_err(|e| Error::io("create", &workers, e))?;
    let path = directory.join("slurm.sh");
    storage::commit(&path, script.as_bytes())?;
    open.control(Control::Running)?;
    if arguments.print {
        script.lines().try_for_each(|line| out.line(line))?;
        notice(format!("submit it with: sbatch {}", path.display()));
        return Ok(0);
    }
    let job = sbatch(&script)?;
    out.line(&job)?;
    notice(format!(
        "submitted as job {job}; see how it stands with: fmtui sweep status {name}"
    ));
    Ok(0)
}

/// Hands a script to SLURM; gives the number of the job.
fn sbatch(script: &str) -> Result<String> {
    let refused = |why: String, remedy: &str| Error::input("sbatch", why, remedy);
    let mut child = Command::new("sbatch")
        .arg("--parsable")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| {
            refused(
                format!("cannot be started: {e}"),
                "submit from a machine of the cluster, or print the script with --print",
            )
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // Where it reads no more, it says why.
        let _ = stdin.write_all(script.as_bytes());
    }
    let said = child
        .wait_with_output()
        .map_err(|e| Error::io("wait for", "sbatch", e))?;
    let words = |bytes: &[u8]| {
        let said = String::from_utf8_lossy(bytes);
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        text::sanitize(&lines.join("; "))
    };
    if !said.status.success() {
        return Err(refused(
            format!("refuses the job: {}", words(&said.stderr)),
            "change the options, or give others with --sbatch",
        ));
    }
    let parsable = words(&said.stdout);
    Ok(parsable.split(';').next().unwrap_or_default().to_owned())
}

/// Works on a sweep; before the limit of its time the job of SLURM is queued again.
///
/// # Errors
/// As the worker; `Input` where the job cannot be queued again.
pub(super) fn work(
    workspace: &Workspace,
    name: &str,
    jobs: Option<usize>,
    worker: Option<&str>,
) -> Result<u8> {
    let own = workers::own_name();
    let worker = worker.unwrap_or(&own);
    workers::check_name(worker)?;
    notice(format!("worker {worker} of sweep {name}"));
    let Some(ending) = workers::work(workspace, name, worker, jobs, &mut Tenders::default())?
    else {
        notice(format!("worker {worker} is done"));
        return Ok(0);
    };
    notice(format!("worker {worker} has saved its trials"));
    if ending.is_warning() && std::env::var_os("SLURM_JOB_ID").is_some() {
        let said = Command::new("scontrol").args(["requeue", &own]).status();
        if !said.is_ok_and(|status| status.success()) {
            return Err(Error::input(
                format!("job {own}"),
                "could not be queued again",
                "submit the sweep again; it continues where it is",
            ));
        }
        notice(format!("job {own} is queued again"));
        return Ok(0);
    }
    Ok(u8::try_from(ending.exit_code()).unwrap_or(1))
}
