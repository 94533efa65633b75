//! A finished network measured on another set, or on another part of its own. Kept beside the run, never in its record:
//! its own scores stay what they were.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::prediction::{AT_ONCE, Predictor};
use super::record::{REVISION, VERSION};
use super::weights::Which;
use super::{Workspace, lock};
use crate::data::decode::Picture;
use crate::data::{Dataset, Part, SplitDataset, locate};
use crate::error::{Error, Result};
use crate::metrics::Scores;
use crate::{storage, text};

/// Its file in a run's directory: a line of JSON for each.
pub(crate) const FILE: &str = "evaluations.jsonl";

/// **Units** bytes of the longest such file that is read.
const LONGEST: u64 = 256 << 20;

const FORMAT: u32 = 1;

/// How a set's classes were found among the run's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Matched {
    #[default]
    Names,
    /// The first is the first, for one of both has numbers alone.
    Positions,
}

/// An evaluation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Evaluated {
    pub format: u32,
    /// UTC, RFC 3339.
    pub at: String,
    pub data: String,
    /// `train`, `validation` or `test`.
    pub part: String,
    pub data_sha256: String,
    /// It is the run's own set, split as the run has it.
    pub is_own: bool,
    pub images: usize,
    pub matched: Matched,
    /// `best` or `last`.
    pub weights: String,
    pub epoch: Option<usize>,
    /// Of the file with the weights.
    pub weights_sha256: String,
    /// fmtui's.
    pub version: String,
    pub revision: String,
    pub scores: Option<Scores>,
}

/// The images of a set that are measured.
struct Measured {
    dataset: Arc<Dataset>,
    indices: Vec<u32>,
    is_own: bool,
}

/// Measures a run on a part of a data set, its own where `data` names none; tells `progress` how many of how many
/// images are done.
///
/// # Errors
/// `Input` when the set is not there, has no such part, or other classes; else as [`Predictor::predict`].
pub(crate) fn evaluate(
    workspace: &Workspace,
    predictor: &mut Predictor,
    data: Option<&str>,
    part: Part,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluated> {
    let Measured {
        dataset,
        indices,
        is_own,
    } = find(workspace, predictor, data, part)?;
    let (labels, matched) = classes(predictor, &dataset, is_own)?;
    let mut tally = predictor.tally();
    let mut done = 0;
    let input = predictor.input.clone();
    for chunk in indices.chunks(AT_ONCE) {
        progress(done, indices.len());
        dataset.announce(chunk);
        predictor.count(
            chunk,
            &|place, out, scratch| {
                let index = chunk[place] as usize;
                let (height, width) = dataset.size(index);
                let image = Picture {
                    channels: dataset.channels,
                    height,
                    width,
                    pixels: dataset.image(index)?,
                };
                input.fill(&input.see(image, false), out, scratch);
                Ok(labels[usize::from(dataset.label(index))])
            },
            &mut tally,
        )?;
        done += chunk.len();
    }
    progress(done, indices.len());
    let used = &predictor.used;
    Ok(Evaluated {
        format: FORMAT,
        at: text::timestamp(text::now()),
        data: dataset.name.clone(),
        part: part.name().into(),
        data_sha256: dataset.sha256.clone(),
        is_own,
        images: indices.len(),
        matched,
        weights: match used.which {
            Which::Best => "best".into(),
            Which::Last => "last".into(),
        },
        epoch: used.epoch,
        weights_sha256: used.sha256.clone(),
        version: VERSION.into(),
        revision: REVISION.into(),
        scores: Some(tally.evaluation().scores),
    })
}

fn find(
    workspace: &Workspace,
    predictor: &mut Predictor,
    data: Option<&str>,
    part: Part,
) -> Result<Measured> {
    let settings = &predictor.profile.data;
    let name = data.unwrap_or(&settings.name);
    let empty = || {
        Error::input(
            format!("data set {name}"),
            format!("has no {} set", part_name(part)),
            "choose another with --part",
        )
    };
    if name == settings.name {
        let dataset = Arc::new(workspace.dataset(settings)?);
        if dataset.sha256 == predictor.input.data_sha256 {
            let split = SplitDataset::new(Arc::clone(&dataset), settings)?;
            let indices = match part {
                Part::Train => split.train,
                Part::Validation => split.validation,
                Part::Test => split.test,
            };
            if indices.is_empty() {
                return Err(empty());
            }
            return Ok(Measured {
                dataset,
                indices,
                is_own: true,
            });
        }
        predictor.notes.push(format!(
            "{name} is not the one that the run was trained on: its parts are taken as they are published"
        ));
    }
    let dataset = Arc::new(locate::load(name, &workspace.search_path())?);
    let range = dataset.range(part);
    if range.is_empty() {
        return Err(empty());
    }
    let number = |index| u32::try_from(index).unwrap_or(u32::MAX);
    Ok(Measured {
        indices: range.map(number).collect(),
        dataset,
        is_own: false,
    })
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Train => "training",
        Part::Validation => "validation",
        Part::Test => "test",
    }
}

/// The run's class of each of the set's.
fn classes(
    predictor: &mut Predictor,
    dataset: &Dataset,
    is_own: bool,
) -> Result<(Vec<u32>, Matched)> {
    let own = &predictor.input.classes;
    if is_own || dataset.classes == *own {
        return Ok((
            (0..own.len())
                .filter_map(|n| u32::try_from(n).ok())
                .collect(),
            Matched::Names,
        ));
    }
    let of = |name: &String| own.iter().position(|own| own == name);
    let unknown: Vec<&String> = dataset.classes.iter().filter(|c| of(c).is_none()).collect();
    if unknown.is_empty() {
        let labels = dataset.classes.iter().filter_map(of);
        let labels = labels.filter_map(|n| u32::try_from(n).ok()).collect();
        return Ok((labels, Matched::Names));
    }
    let is_numbered = |names: &[String]| names.iter().all(|n| n.parse::<u32>().is_ok());
    if own.len() == dataset.classes.len() && (is_numbered(own) || is_numbered(&dataset.classes)) {
        predictor.notes.push(format!(
            "classes are matched by their order: {} is {}, and so on",
            text::sanitize(&dataset.classes[0]),
            text::sanitize(&own[0])
        ));
        return Ok((
            (0..own.len())
                .filter_map(|n| u32::try_from(n).ok())
                .collect(),
            Matched::Positions,
        ));
    }
    let named: Vec<String> = unknown.iter().take(3).map(|c| text::sanitize(c)).collect();
    let more = if unknown.len() > 3 { ", …" } else { "" };
    Err(Error::input(
        format!("data set {}", dataset.name),
        format!(
            "has classes that run {} does not know: {}{more}",
            predictor.run,
            named.join(", ")
        ),
        format!(
            "choose a set with classes such as {}",
            text::sanitize(&own[0])
        ),
    ))
}

fn path(workspace: &Workspace, id: &str) -> PathBuf {
    workspace.run_dir(id).join(FILE)
}

/// Keeps an evaluation beside its run.
///
/// # Errors
/// `Busy` while a worker has the run; `Io` when it cannot be written.
pub(crate) fn keep(workspace: &Workspace, id: &str, evaluated: &Evaluated) -> Result<()> {
    let _lock: lock::RunLock = workspace.own(id)?;
    let path = path(workspace, id);
    let json = serde_json::to_string(evaluated).map_err(|e| Error::compute("writing JSON", e))?;
    let failed = |e| Error::io("write", &path, e);
    // Behind a torn line it begins a new one.
    let is_torn = storage::read_end(&path, 1).is_ok_and(|end| !end.is_empty() && end != "\n");
    let line = format!("{}{json}\n", if is_torn { "\n" } else { "" });
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(failed)?;
    file.write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// The evaluations of a run, of every part of a set the newest by each weights, in the order they were made. What
/// cannot be read is left out.
#[must_use]
pub(crate) fn kept(workspace: &Workspace, id: &str) -> Vec<Evaluated> {
    let read = storage::read_text(&path(workspace, id), LONGEST).unwrap_or_default();
    let mut found: Vec<Evaluated> = Vec::new();
    for line in read.lines() {
        let Ok(evaluated) = serde_json::from_str::<Evaluated>(line) else {
            continue;
        };
        found.retain(|before| {
            let key = |e: &Evaluated| {
                (
                    e.data_sha256.clone(),
                    e.part.clone(),
                    e.weights_sha256.clone(),
                    e.data.clone(),
                )
            };
            key(before) != key(&evaluated)
        });
        found.push(evaluated);
    }
    found.retain(|evaluated| evaluated.scores.is_some());
    found
}
