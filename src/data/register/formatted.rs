//! Sets in one of the formats that are no folder of images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Manifest, Options, Outcome, Summary, commit, manifest};
use crate::data::formats::{FORMATS, Format, Holding, Place, Plain, added};
use crate::data::{Part, places};
use crate::error::{Error, Result};
use crate::text;

/// The format, directory and own name of a set that is no folder of images.
pub(super) type Known = (&'static dyn Format, PathBuf, String);

/// The set that a directory or file is in one of the other formats. Torchvision's directory of a set has its files in
/// `raw/`.
///
/// # Errors
/// `Input` where some of its files are missing.
pub(in crate::data) fn known(path: &Path) -> Result<Option<Known>> {
    if !path.is_dir() {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let directory = path.parent().unwrap_or(Path::new("/"));
        return known_in(directory, Some(&file));
    }
    let raw = path.join("raw");
    match known_in(path, None)? {
        None if raw.is_dir() => known_in(&raw, None),
        found => Ok(found),
    }
}

/// The set that lies in a directory, or that this file of it belongs to.
fn known_in(directory: &Path, file: Option<&str>) -> Result<Option<Known>> {
    let formats = FORMATS.iter().filter(|f| f.name() != added::Added.name());
    for format in formats {
        let names: Vec<String> = if let Some(file) = file {
            format.set_of(directory, file).into_iter().collect()
        } else {
            let complete = format.sets_in(directory);
            complete
                .into_iter()
                .chain(places::called(directory))
                .collect()
        };
        for own in names {
            let place = Place {
                directory,
                name: &own,
                plain: Plain::Counts,
            };
            match format.probe(place) {
                Holding::Complete(()) => return Ok(Some((*format, directory.into(), own))),
                Holding::Partial(missing) => {
                    let path = file.map_or_else(|| directory.into(), |file| directory.join(file));
                    return Err(Error::input(
                        text::sanitize(&path.display().to_string()),
                        format!(
                            "is a set in {} without {}",
                            format.files(),
                            missing.join(", ")
                        ),
                        "put the missing files there",
                    ));
                }
                Holding::Nothing => {}
            }
        }
    }
    Ok(None)
}

/// The set with the coarse labels, where the name that is asked for says so and the files have them.
pub(super) fn coarse((format, directory, own): Known, name: Option<&str>) -> Known {
    if name.is_some_and(places::is_coarse) && !places::is_coarse(&own) {
        let coarse = places::coarse(&own);
        let place = Place {
            directory: &directory,
            name: &coarse,
            plain: Plain::Counts,
        };
        if matches!(format.probe(place), Holding::Complete(())) {
            return (format, directory, coarse);
        }
    }
    (format, directory, own)
}

/// Refuses options that only a folder of images has.
pub(super) fn check_options(path: &str, options: &Options) -> Result<()> {
    let given = [
        (options.class_depth != 1, "--class-depth"),
        (options.skips_broken, "--skip-broken"),
    ];
    let Some((_, option)) = given.into_iter().find(|(is_given, _)| *is_given) else {
        return Ok(());
    };
    Err(Error::input(
        option,
        format!("does not apply to {path}, which is no directory of images"),
        "leave it out",
    ))
}

/// A set in one of the other formats: read once, so that what is wrong with it shows now.
pub(super) fn add(
    (format, place, own): Known,
    file: &Path,
    name: String,
    directory: &Path,
) -> Result<Outcome> {
    let dataset = format.load(Place {
        directory: &place,
        name: &own,
        plain: Plain::Counts,
    })?;
    let manifest = Manifest {
        kind: format.name().into(),
        file: file
            .strip_prefix(&place)
            .map(|file| file.to_string_lossy().into_owned())
            .unwrap_or_default(),
        path: place,
        sha256: dataset.sha256.clone(),
        name: own,
        ..manifest()
    };
    commit(directory, &manifest, None)?;
    Ok(Outcome::Added(Summary {
        name,
        images: Part::ALL.map(|part| dataset.part(part).len()),
        classes: dataset.classes.len(),
        divided: false,
        ignored: 0,
        beside: 0,
        misnamed: 0,
        skipped: BTreeMap::new(),
        remarks: dataset.remarks,
    }))
}
