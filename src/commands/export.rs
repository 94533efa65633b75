//! `fmtui export`: a run's weights for other programs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::{Error, Result};
use crate::headless::{Output, notice};
use crate::model::pretrained::file;
use crate::run::Workspace;
use crate::train::checkpoint;
use crate::{storage, text};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The run
    run: String,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::TorchSafetensors)]
    format: Format,
    /// Take the weights of the end instead of the best ones
    #[arg(long)]
    last: bool,
    /// Where to [default: RUN.safetensors here]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Arrays by PyTorch's names, for `safetensors.torch.load_file` and `load_state_dict`
    TorchSafetensors,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let id = workspace.resolve(&arguments.run)?;
    let name = if arguments.last {
        checkpoint::LAST
    } else {
        checkpoint::BEST
    };
    let from = workspace.run_dir(&id).join(name);
    if !from.is_file() {
        return Err(Error::input(
            format!("run {id}"),
            format!("has no {name} yet"),
            "choose a run that has finished an epoch",
        ));
    }
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{id}.safetensors")));
    if out.exists() {
        return Err(Error::input(
            text::sanitize(&out.display().to_string()),
            "is there already",
            "give another name with --out",
        ));
    }
    let Format::TorchSafetensors = arguments.format;
    let weights = file::read(&from)?;
    let bytes = checkpoint::to_safetensors(&weights, &format!("run {id}, {name}"))?;
    storage::commit(&out, &bytes)?;
    Output::standard().line(format!(
        "{} arrays are in {}",
        weights.len(),
        text::sanitize(&out.display().to_string())
    ))?;
    if weights.contains_key("classifier.weight") {
        notice(
            "torchvision's VGG takes them with model.avgpool = AdaptiveAvgPool2d(1) and model.classifier = Linear(512, classes)",
        );
    }
    Ok(0)
}
