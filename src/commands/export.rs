//! `fmtui export`: what a run has made, for other programs.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::complete;
use crate::error::{Error, Result};
use crate::export::{self, Exporter, FORMATS, Source};
use crate::headless::{Output, notice};
use crate::run::Workspace;
use crate::run::weights::Which;
use crate::storage;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The run
    #[arg(add = complete::run())]
    run: String,
    /// Output format
    #[arg(long, value_parser = formats(), default_value = FORMATS[0].name())]
    format: String,
    /// Export the last weights instead of the best
    #[arg(long)]
    last: bool,
    /// Output file, or - for standard output [default: RUN.EXTENSION in the current directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn formats() -> PossibleValuesParser {
    let value = |f: &&dyn Exporter| PossibleValue::new(f.name()).help(f.about());
    PossibleValuesParser::new(FORMATS.iter().map(value))
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let id = workspace.resolve(&arguments.run)?;
    let format = export::format(&arguments.format).unwrap_or(FORMATS[0]);
    let default = || PathBuf::from(format!("{id}.{}", format.extension()));
    let given = arguments.out.as_deref().map(storage::expand_home);
    let out = given.unwrap_or_else(default);
    let to_standard_output = out == Path::new("-");
    if !to_standard_output && out.exists() {
        return Err(Error::input(
            out.display().to_string(),
            "is there already",
            "give another name with --out",
        ));
    }
    let source = Source {
        workspace,
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
