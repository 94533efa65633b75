//! Many images, a few hundred in memory at a time: a row for each, and where they lie in directories of the run's
//! classes, the scores.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::json;

use super::{Arguments, Style, one};
use crate::commands::download::Counted;
use crate::commands::{answer, scores};
use crate::data::formats::folder;
use crate::data::input::Seen;
use crate::error::{Error, Result};
use crate::headless::{Output, Table, Tint, notice};
use crate::metrics::{Scores, class_name};
use crate::run::prediction::{AT_ONCE, Predictor, Said, read};
use crate::text::{self, figure};
use crate::train::evaluate::Tally;

/// Names of directories that are told at most.
const NAMED: usize = 5;

/// An image that is to be predicted.
struct Source {
    /// As it is printed.
    name: String,
    path: PathBuf,
    lies_in: Place,
}

/// A file's name and what is wrong with it.
type Broken = (String, String);

/// The directory in which an image lies.
enum Place {
    /// None below the one that was given.
    Top,
    Class(usize),
    /// One that is no class of the run.
    Other(String),
}

/// Predicts images and prints them; 2 where some could not be read.
///
/// # Errors
/// `Input` when there are none; else as [`Predictor::predict`].
pub(super) fn predict(
    mut predictor: Predictor,
    paths: &[PathBuf],
    arguments: &Arguments,
    out: &mut Output,
) -> Result<u8> {
    let (sources, mut broken) = find(paths, &predictor.input.classes)?;
    let has_classes = sources.iter().any(|s| matches!(s.lies_in, Place::Class(_)));
    let mut shown = Shown::new(arguments, &predictor, has_classes);
    shown.begin(out)?;
    let mut tally = predictor.tally();
    let (mut scored, mut inverted, mut done) = (0, 0, 0);
    let mut progress = Counted::new("images");
    for chunk in sources.chunks(AT_ONCE) {
        progress.show(done, sources.len());
        let input = &predictor.input;
        let images: Vec<Result<Seen, String>> = chunk
            .par_iter()
            .map(|source| {
                let bytes = read(&source.path).map_err(|e| match e {
                    Error::Input { problem, .. } => problem,
                    Error::Io { source, .. } => format!("cannot be read: {source}"),
                    other => other.to_string(),
                })?;
                input.see_file(&bytes, arguments.invert)
            })
            .collect();
        let whole: Vec<Seen> = images.iter().flatten().cloned().collect();
        let mut said = predictor.predict(&whole)?.into_iter();
        for (source, image) in chunk.iter().zip(&images) {
            let seen = match image {
                Ok(seen) => seen,
                Err(problem) => {
                    broken.push((source.name.clone(), problem.clone()));
                    continue;
                }
            };
            let Some(said) = said.next() else { break };
            inverted += usize::from(predictor.input.looks_inverted(seen));
            scored += usize::from(add(&mut tally, source, &said));
            done += 1;
            shown.image(&predictor, source, &said, out)?;
        }
    }
    progress.clear();
    let measured = (scored > 0).then(|| tally.evaluation().scores);
    shown.end(&predictor, measured.as_ref(), (done, broken.len()), out)?;
    tell(&predictor, &sources, has_classes, (inverted, done));
    for (name, problem) in &broken {
        notice(format!("error: {name} {problem}"));
    }
    Ok(if broken.is_empty() { 0 } else { 2 })
}

/// Counts an image whose class is known; whether it is.
fn add(tally: &mut Tally, source: &Source, said: &Said) -> bool {
    let Place::Class(class) = source.lies_in else {
        return false;
    };
    let label = u32::try_from(class).unwrap_or(u32::MAX);
    tally.add(&said.logits, &[label], &[0]);
    true
}

/// What is to be known of all images together.
fn tell(
    predictor: &Predictor,
    sources: &[Source],
    has_classes: bool,
    (inverted, done): (usize, usize),
) {
    let others: BTreeSet<&String> = sources
        .iter()
        .filter_map(|source| match &source.lies_in {
            Place::Other(name) => Some(name),
            Place::Top | Place::Class(_) => None,
        })
        .collect();
    if has_classes && !others.is_empty() {
        let named: Vec<&str> = others
            .iter()
            .take(NAMED)
            .map(|name| name.as_str())
            .collect();
        let more = if others.len() > NAMED { ", …" } else { "" };
        notice(format!(
            "note: not scored, as run {} has no such class: {}{more}",
            predictor.run,
            named.join(", ")
        ));
    }
    if 2 * inverted > done {
        notice(format!(
            "note: {} of {} look inverted against the training images: --invert inverts them",
            text::grouped(inverted as u64),
            text::count(done, "image")
        ));
    }
}

/// What lies at these paths, and what of it cannot be taken.
fn find(paths: &[PathBuf], classes: &[String]) -> Result<(Vec<Source>, Vec<Broken>)> {
    let (mut sources, mut broken) = (Vec::new(), Vec::new());
    for path in paths {
        let shown = text::sanitize(&path.display().to_string());
        if !path.is_dir() {
            sources.push(Source {
                name: shown,
                path: path.clone(),
                lies_in: Place::Top,
            });
            continue;
        }
        let (found, faults) = folder::images(path)?;
        let full = |name: String| match paths {
            [_] => name,
            _ => format!("{}/{name}", shown.trim_end_matches('/')),
        };
        broken.extend(
            faults
                .into_iter()
                .map(|(name, problem)| (full(name), problem)),
        );
        sources.extend(found.into_iter().map(|name| Source {
            path: path.join(&name),
            lies_in: place(&name, classes),
            name: full(name),
        }));
    }
    if sources.is_empty() && broken.is_empty() {
        let named: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(Error::input(
            text::sanitize(&named.join(", ")),
            "has no images",
            "give a directory of PNG, JPEG, WebP, BMP or GIF files",
        ));
    }
    Ok((sources, broken))
}

/// The class that the first directories of a name make up.
fn place(name: &str, classes: &[String]) -> Place {
    let Some(directories) = Path::new(name).parent().and_then(Path::to_str) else {
        return Place::Top;
    };
    if directories.is_empty() {
        return Place::Top;
    }
    let ends = directories.match_indices('/').map(|(at, _)| at);
    let mut prefixes = ends
        .chain([directories.len()])
        .map(|end| &directories[..end]);
    let class = prefixes.find_map(|prefix| classes.iter().position(|class| class == prefix));
    match class {
        Some(class) => Place::Class(class),
        None => Place::Other(directories.split('/').next().unwrap_or_default().into()),
    }
}

/// The rows as they are printed.
struct Shown {
    style: Style,
    ranks: usize,
    has_classes: bool,
    table: Table,
}

impl Shown {
    fn new(arguments: &Arguments, predictor: &Predictor, has_classes: bool) -> Self {
        let head: &[&str] = if has_classes {
            &["image", "true class", "prediction", ">probability"]
        } else {
            &["image", "prediction", ">probability"]
        };
        Self {
            style: arguments.style(),
            ranks: arguments.ranks(predictor.input.classes.len()),
            has_classes,
            table: Table::new(head),
        }
    }

    fn begin(&self, out: &mut Output) -> Result<()> {
        if self.style == Style::Csv {
            answer::print_csv(out, &[one::csv_head(self.ranks)])?;
        }
        Ok(())
    }

    fn image(
        &mut self,
        predictor: &Predictor,
        source: &Source,
        said: &Said,
        out: &mut Output,
    ) -> Result<()> {
        let classes = &predictor.input.classes;
        let label = match source.lies_in {
            Place::Class(class) => Some(class),
            Place::Top | Place::Other(_) => None,
        };
        match self.style {
            Style::Json => {
                let mut answer = one::to_json(predictor, &source.name, said, self.ranks);
                answer["true_class"] = label.map(|class| class_name(classes, class)).into();
                answer::print(out, answer)
            }
            Style::Csv => {
                let line = one::csv(predictor, &source.name, label, said, self.ranks);
                answer::print_csv(out, &[line])
            }
            Style::People => {
                let class = said.class();
                let mut cells = vec![source.name.clone()];
                if self.has_classes {
                    cells
                        .push(label.map_or_else(|| "–".into(), |label| class_name(classes, label)));
                }
                cells.push(class_name(classes, class));
                cells.push(figure::percent(said.probabilities[class], 2, figure::ANY));
                self.table.row(cells);
                if label.is_some_and(|label| label != class) {
                    self.table.tint("prediction", Tint::Bad);
                }
                Ok(())
            }
        }
    }

    fn end(
        &self,
        predictor: &Predictor,
        measured: Option<&Scores>,
        (done, broken): (usize, usize),
        out: &mut Output,
    ) -> Result<()> {
        match self.style {
            Style::Csv => Ok(()),
            Style::Json => {
                let answer = json!({
                    "run": predictor.run,
                    "images": done,
                    "broken": broken,
                    "classes": predictor.input.classes,
                    "scores": answer::scores(measured),
                    "confusion": measured.map(|scores| &scores.confusion),
                    "per_class": measured.map(Scores::per_class),
                });
                answer::print(out, answer)
            }
            Style::People => {
                self.table.print(out)?;
                if let Some(scores) = measured {
                    let counts = &scores.confusion;
                    out.line("")?;
                    out.line(format!(
                        "{} of {} correct, by {} of run {}:",
                        text::grouped(counts.correct()),
                        text::grouped(counts.total()),
                        predictor.used.told(),
                        predictor.run
                    ))?;
                    scores::table(&[("score", &Some(scores.clone()))]).print(out)?;
                    out.line("")?;
                    scores::print_classes(scores, &predictor.input.classes, out)?;
                }
                Ok(())
            }
        }
    }
}
