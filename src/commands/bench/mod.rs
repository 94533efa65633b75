//! `fmtui bench`: how many images a second presets train and evaluate, and the memory they take.
//!
//! Every preset has a process of its own, started as a run's worker is: peak memory is a process's, and the allocator's
//! settings are part of the speed.

mod report;

use std::process::Stdio;

use clap::Args;

use self::report::{Report, pieces, table};
use super::complete;
use super::recipe;
use crate::catalog;
use crate::data::{self, locate};
use crate::error::{Error, Result};
use crate::headless::{Output, notice};
use crate::profile::{Profile, settings};
use crate::run::training::{STACK, panic_message};
use crate::run::{Workspace, client};
use crate::train::bench::{self, BenchOptions, BenchResult};
use crate::{nn, text};

/// What is measured where nothing is named, with the letters by which `torch_bench.py` knows them.
const PRESETS: [(&str, &str); 5] = [
    ("A", "mlp-100-100-50"),
    ("B", "lenet5"),
    ("C", "modern-lenet"),
    ("D", "improved-cnn"),
    ("E", "resnet18-scratch"),
];

/// Steps before the clock counts, as in `torch_bench.py`.
const WARM_UP: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Presets, profile files or runs; A to E name the five defaults
    #[arg(add = complete::preset(), value_name = "PRESET")]
    presets: Vec<String>,
    /// Training steps to measure, after 10 of warm-up
    #[arg(long, value_name = "N", default_value_t = 200)]
    steps: usize,
    /// Chunks to measure them in; the median is reported
    #[arg(long, value_name = "N", default_value_t = 5)]
    chunks: usize,
    /// Images per step
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch: usize,
    /// CPU threads; 0 for all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// auto, cpu, cuda, cuda:1 or metal
    #[arg(add = complete::value_of("train.device"), long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Execution backend: auto, plan or graph
    #[arg(add = complete::value_of("train.backend"), long, alias = "path", value_name = "BACKEND", default_value = "auto")]
    backend: String,
    /// Matrix precision of the plan backend on CUDA: f32, or tf32 as PyTorch's convolutions
    #[arg(add = complete::value_of("train.precision"), long, value_name = "PRECISION", default_value = "f32")]
    precision: String,
    /// Show the time of each operation of a planned step
    #[arg(long)]
    pieces: bool,
    /// Print one JSON object per preset
    #[arg(long)]
    json: bool,
    /// Measure in this process and print JSON
    #[arg(long, hide = true)]
    here: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let effort = arguments.effort()?;
    let asked = arguments.asked();
    // Everything is checked before the first minute is spent.
    for preset in &asked {
        arguments.recipe(workspace, preset)?;
    }
    // Opening a GPU takes seconds and memory. Without one compiled in, a wrong name shows here.
    if !cfg!(any(feature = "cuda", feature = "metal")) {
        nn::device::select(&arguments.device)?;
    }
    let mut out = Output::standard();
    if arguments.here {
        for preset in &asked {
            out.line(measure(workspace, arguments, preset, effort)?)?;
        }
        return Ok(0);
    }
    let mut reports = Vec::new();
    for preset in &asked {
        if !arguments.json {
            notice(format!("measuring {} …", text::sanitize(preset)));
        }
        let line = match measured_apart(workspace, arguments, preset)? {
            Ok(line) => line,
            Err(code) => return Ok(code),
        };
        if arguments.json {
            out.line(line)?;
        } else {
            let report: Report = serde_json::from_str(&line)
                .map_err(|e| Error::compute("reading what was measured", e))?;
            reports.push(report);
        }
    }
    if let Some(first) = reports.first() {
        out.line(first.circumstances(effort))?;
        out.line("")?;
        table(&reports).print(&mut out)?;
        for report in reports.iter().filter(|r| !r.pieces.is_empty()) {
            out.line("")?;
            out.line(&report.name)?;
            pieces(report).print(&mut out)?;
        }
    }
    Ok(0)
}

impl Arguments {
    fn asked(&self) -> Vec<&str> {
        if self.presets.is_empty() {
            return PRESETS.iter().map(|(_, name)| *name).collect();
        }
        let named = |asked| {
            let letter = PRESETS.iter().find(|(letter, _)| *letter == asked);
            letter.map_or(asked, |(_, name)| *name)
        };
        self.presets.iter().map(|p| named(p.as_str())).collect()
    }

    fn effort(&self) -> Result<BenchOptions> {
        within("--steps", self.steps, 1, 1_000_000)?;
        within("--chunks", self.chunks, 1, self.steps)?;
        Ok(BenchOptions {
            warm_up: WARM_UP,
            steps: self.steps,
            chunks: self.chunks,
            pieces: self.pieces,
        })
    }

    /// The recipe that is measured for a preset: on the default set, or the part of it that is built in.
    fn recipe(&self, workspace: &Workspace, preset: &str) -> Result<Profile> {
        let whole = catalog::DEFAULT;
        let found = locate::available(&workspace.search_path());
        let data = if found.iter().any(|set| set.name == whole) {
            whole
        } else {
            catalog::BUILT_IN
        };
        let mut profile = bench::recipe(&recipe::find(workspace, preset, &[])?, data);
        for (flag, key, text) in [
            ("--batch", "train.batch_size", &self.batch.to_string()),
            ("--threads", "train.threads", &self.threads.to_string()),
            ("--device", "train.device", &self.device),
            ("--backend", "train.backend", &self.backend),
            ("--precision", "train.precision", &self.precision),
        ] {
            if let Some(setting) = settings::find(key) {
                setting.put_as(flag, &mut profile, text)?;
            }
        }
        profile.validate()?;
        Ok(profile)
    }
}

fn within(flag: &str, value: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::input(
        flag,
        format!("is {value}"),
        format!("give a number from {low} to {high}"),
    ))
}

/// The line a process of its own prints about a preset; where it fails, it has said why and only its exit code is left.
fn measured_apart(
    workspace: &Workspace,
    arguments: &Arguments,
    preset: &str,
) -> Result<Result<String, u8>> {
    let mut command = client::own_program(workspace)?;
    command
        .args(["bench", "--here"])
        .args(["--steps", &arguments.steps.to_string()])
        .args(["--chunks", &arguments.chunks.to_string()])
        .args(["--batch", &arguments.batch.to_string()])
        .args(["--threads", &arguments.threads.to_string()])
        .arg(format!("--device={}", arguments.device))
        .arg(format!("--backend={}", arguments.backend))
        .arg(format!("--precision={}", arguments.precision));
    if arguments.pieces {
        command.arg("--pieces");
    }
    let output = command
        .args(["--", preset])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| Error::io("start", command.get_program(), e))?;
    let failed = match output.status.code() {
        Some(0) => None,
        Some(code) => Some(u8::try_from(code).unwrap_or(1)),
        None => {
            return Err(Error::compute(
                format!("measuring {}", text::sanitize(preset)),
                format!("the process ended by {}", output.status),
            ));
        }
    };
    let line = String::from_utf8_lossy(&output.stdout).trim().to_string();
    Ok(failed.map_or(Ok(line), Err))
}

/// Measures in this process; gives the line of JSON.
fn measure(
    workspace: &Workspace,
    arguments: &Arguments,
    preset: &str,
    effort: BenchOptions,
) -> Result<String> {
    let profile = arguments.recipe(workspace, preset)?;
    let dataset = workspace.dataset(&profile.data)?;
    let measured = on_roomy_thread(&profile, dataset, effort)?;
    serde_json::to_string(&Report::new(&profile, &measured))
        .map_err(|e| Error::compute("writing JSON", e))
}

/// Measures on a thread with room for automatic differentiation.
fn on_roomy_thread(
    profile: &Profile,
    dataset: data::Dataset,
    effort: BenchOptions,
) -> Result<BenchResult> {
    std::thread::scope(|scope| {
        let measuring = std::thread::Builder::new()
            .name("training".into())
            .stack_size(STACK)
            .spawn_scoped(scope, || bench::measure(profile, dataset, effort))
            .map_err(|e| Error::compute("starting the training thread", e))?;
        measuring
            .join()
            .unwrap_or_else(|panic| Err(Error::compute("training", panic_message(panic.as_ref()))))
    })
}
