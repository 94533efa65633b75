//! `fmtui export`: a run's weights for other programs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::{Error, Result};
use crate::headless::{Output, notice};
use crate::run::Workspace;
use crate::run::weights::{self, Which};
use crate::storage;
use crate::train::checkpoint;

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
    let which = if arguments.last {
        Which::Last
    } else {
        Which::Best
    };
    let name = which.file_name();
    let kept = weights::read(workspace, &id, which)?;
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{id}.safetensors")));
    if out.exists() {
        return Err(Error::input(
            out.display().to_string(),
            "is there already",
            "give another name with --out",
        ));
    }
    let Format::TorchSafetensors = arguments.format;
    let weights = checkpoint::from_safetensors(&kept.bytes, &kept.path)?;
    let bytes = checkpoint::to_safetensors(&weights, &format!("run {id}, {name}"))?;
    storage::commit(&out, &bytes)?;
    Output::standard().line(format!("{} arrays are in {}", weights.len(), out.display()))?;
    if !kept.is_verified {
        notice(format!(
            "nothing was recorded that this run's {name} could be held to"
        ));
    }
    if weights.contains_key("classifier.weight") {
        notice(
            "torchvision's VGG takes them with model.avgpool = AdaptiveAvgPool2d(1) and model.classifier = Linear(512, classes)",
        );
    }
    Ok(0)
}
