//! `fmtui export`: what a run has made, for other programs.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::complete;
use crate::error::{Error, Result};
use crate::export::{self, Exporter, FORMATS, Source};
use crate::headless::{Output, notice};
use crate::run::weights::Which;
use crate::run::{Workspace, example};
use crate::storage;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run: its ID, the start or end of one, its name, the path of its record, `last` or `example`
    #[arg(add = complete::run())]
    run: String,
    /// Output format
    #[arg(long, value_parser = formats(), default_value = FORMATS[0].name())]
    format: String,
    /// Export the last weights instead of the best
    #[arg(long)]
    last: bool,
    /// Output file or directory, or - for standard output [default: RUN.EXTENSION in the current directory]
    #[arg(long, value_name = "FILE|DIR")]
    out: Option<PathBuf>,
}

fn formats() -> PossibleValuesParser {
    let value = |f: &&dyn Exporter| PossibleValue::new(f.name()).help(f.about());
    PossibleValuesParser::new(FORMATS.iter().map(value))
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let (home, id) = example::resolve(workspace, &arguments.run)?;
    let format = export::format(&arguments.format).unwrap_or(FORMATS[0]);
    if home != *workspace && format.extension() == "safetensors" {
        return Err(Error::input(
            format!("run {id}"),
            "is built in and has no weights",
            "export its history with --format csv",
        ));
    }
    let name = format!("{id}.{}", format.extension());
    let out = match arguments.out.as_deref().map(storage::expand_home) {
        Some(given) if given.is_dir() => given.join(name),
        Some(given) => given,
        None => name.into(),
    };
    let to_standard_output = out == Path::new("-");
    if !to_standard_output && out.exists() {
        return Err(Error::input(
            out.display().to_string(),
            "exists already",
            "give another name with --out",
        ));
    }
    let source = Source {
        workspace: &home,
        id: &id,
        weights: arguments.last.then_some(Which::Last),
    };
    let mut bytes = Vec::new();
    let written = format.write(&source, &mut bytes)?;
    if to_standard_output {
        Output::standard().bytes(&bytes)?;
    } else {
        storage::commit(&out, &bytes)?;
        Output::standard().line(format!("{} written to {}", written.what, out.display()))?;
    }
    for note in written.notes {
        notice(note);
    }
    Ok(0)
}
