//! `fmtui predict`: what a run's network says about images of one's own.

mod many;
mod one;

use std::path::{Path, PathBuf};

use clap::Args;

use super::complete;
use crate::data::decode::LARGEST_FILE;
use crate::error::{Error, Result};
use crate::headless::{Output, notice};
use crate::run::prediction::{Predictor, read};
use crate::run::{Workspace, example};
use crate::{storage, text};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run: its ID, the start or end of one, its name, the path of its record, or `last`
    #[arg(add = complete::run())]
    run: String,
    /// An image, a directory of images, or - for an image on standard input
    #[arg(required = true, value_name = "FILE|DIR|-", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// How many classes to print, the most likely first
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,
    /// Invert the images, as for dark drawings on a light ground where the run was trained on light ones on a dark
    #[arg(long)]
    invert: bool,
    /// Print one JSON object per image
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values, unrounded, with a header
    #[arg(long)]
    csv: bool,
}

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    People,
    Json,
    Csv,
}

impl Arguments {
    fn style(&self) -> Style {
        match (self.json, self.csv) {
            (true, _) => Style::Json,
            (_, true) => Style::Csv,
            _ => Style::People,
        }
    }

    /// Classes that are printed of so many.
    fn ranks(&self, classes: usize) -> usize {
        usize::from(self.top).min(classes)
    }
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let predictor = load(workspace, &arguments.run)?;
    let paths: Vec<PathBuf> = arguments
        .paths
        .iter()
        .map(|p| storage::expand_home(p))
        .collect();
    let mut out = Output::standard();
    match paths.as_slice() {
        [path] if path == Path::new("-") => {
            let bytes = read_standard_input()?;
            one::predict(predictor, "standard input", &bytes, arguments, &mut out)
        }
        [path] if !path.is_dir() => {
            let bytes = read(path)?;
            let name = text::sanitize(&path.display().to_string());
            one::predict(predictor, &name, &bytes, arguments, &mut out)
        }
        paths => many::predict(predictor, paths, arguments, &mut out),
    }
}

/// The network of the run that somebody means; says what is to be known of it.
///
/// # Errors
/// `Input` when it is none, or has no weights; else as [`Predictor::load`].
pub(super) fn load(workspace: &Workspace, run: &str) -> Result<Predictor> {
    let (home, id) = example::resolve(workspace, run)?;
    if home != *workspace {
        return Err(Error::input(
            format!("run {id}"),
            "is built in and has no weights",
            "train a run of your own, such as `fmtui train lenet5`",
        ));
    }
    let predictor = Predictor::load(workspace, &id)?;
    for note in &predictor.notes {
        notice(format!("note: {note}"));
    }
    Ok(predictor)
}

fn read_standard_input() -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("read", "standard input", e))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Error::input(
            "standard input",
            format!("has more than {}", text::bytes(LARGEST_FILE)),
            "give a smaller image",
        ));
    }
    Ok(bytes)
}

/// What to say where images look inverted.
fn hint(is_light: bool) -> String {
    let (own, other) = if is_light {
        ("light", "dark")
    } else {
        ("dark", "light")
    };
    format!("its border is {own}, that of the training images {other}: --invert inverts it")
}
