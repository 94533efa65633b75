//! The images of a recipe, as a run trains on them.

use std::sync::atomic::AtomicBool;

use super::memory::Limits;
use super::preflight;
use super::store::Workspace;
use crate::data::prepare::{Room, prepare};
use crate::data::{Dataset, locate};
use crate::error::Result;
use crate::profile::Data;

impl Workspace {
    /// The data set that `[data]` names, its images decoded and of one size.
    ///
    /// # Errors
    /// As [`locate::load`] and [`prepare`].
    pub fn dataset(&self, settings: &Data) -> Result<Dataset> {
        let dataset = locate::load(&settings.name, &self.search_path())?;
        let dataset = self.without_excluded(dataset, settings)?;
        self.decoded(dataset, settings, &mut |_, _| {}, &AtomicBool::new(false))
    }

    /// A set of images in files of their own, decoded and of one size; others stay as they are. Half of the free memory
    /// is taken, else they are read from the disk as they are needed. Tells `progress` how many of how many images are
    /// decoded, where any must be.
    ///
    /// # Errors
    /// As [`prepare`].
    pub fn decoded(
        &self,
        dataset: Dataset,
        settings: &Data,
        progress: &mut dyn FnMut(usize, usize),
        cancel: &AtomicBool,
    ) -> Result<Dataset> {
        let directory = self.data_dir();
        let room = Room {
            directory: &directory,
            memory: Limits::here().map_or(u64::MAX, |limits| limits.free / 2),
            disk: preflight::free_space(&directory),
            progress,
            cancel,
        };
        prepare(dataset, settings, room)
    }
}
