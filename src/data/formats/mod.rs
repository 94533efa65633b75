//! The formats that data sets lie in, and which of them a directory is in.
//!
//! A format is a file that implements [`Format`], and a line in [`FORMATS`]. Where directories are is
//! [`locate`](super::locate)'s.

use std::path::Path;

use super::Dataset;
use crate::error::Result;

pub mod added;
mod cifar;
mod content;
mod csv;
pub mod folder;
pub mod idx;
mod labels;
mod npz;
mod numbers;
mod origin;

/// Every format, in the order in which a directory is tried.
pub const FORMATS: &[&dyn Format] = &[
    &added::Added,
    &idx::Files,
    &cifar::Batches,
    &npz::Arrays,
    &csv::Tables,
];

/// One way in which data sets lie in directories.
pub trait Format: Sync {
    /// In a word, such as `IDX`.
    fn name(&self) -> &'static str;

    /// Which files make up a set, such as `IDX files`; empty where nobody puts them there by hand.
    fn files(&self) -> &'static str;

    /// The names of the complete sets in a directory, by its own name or by those of its files; reads no content.
    fn sets_in(&self, directory: &Path) -> Vec<String>;

    /// The name of a complete set that a file is, or is a part of, in its directory; reads no content.
    fn set_of(&self, directory: &Path, file: &str) -> Option<String> {
        let stem = file.split('.').next().filter(|_| self.claims(file))?;
        self.sets_in(directory).into_iter().find(|set| set == stem)
    }

    /// Whether a file may be one of its, by the end of its name.
    fn claims(&self, file: &str) -> bool;

    /// How much of a set is at a place; reads no content.
    fn probe(&self, place: Place<'_>) -> Holding;

    /// Whether the files of a directory are the set that was published under this name, whatever it is called.
    fn is_published(&self, directory: &Path, name: &str) -> bool;

    /// Reads a set that [`probe`](Self::probe) calls complete.
    ///
    /// # Errors
    /// `Input` naming the file that is not as it should be, `Io` when one cannot be read.
    fn load(&self, place: Place<'_>) -> Result<Dataset>;
}

/// A directory that may have the set called `name`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub directory: &'a Path,
    pub name: &'a str,
    pub plain: Plain,
}

/// Whether a directory's plain file names, such as `train-images-idx3-ubyte`, stand for the set that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    Counts,
    Ignored,
}

/// What a directory holds of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding<F = ()> {
    /// All of its files.
    Complete(F),
    /// Some; the names of those that are missing.
    Partial(Vec<String>),
    Nothing,
}

#[cfg(test)]
mod tests;
