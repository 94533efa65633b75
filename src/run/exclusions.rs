//! The images that a run leaves out: those on its set's list when it began, which is held to that.

use std::path::PathBuf;

use super::Workspace;
use crate::data::{Dataset, exclude};
use crate::error::{Error, Result};
use crate::profile::{Data, Exclude};
use crate::text;

impl Workspace {
    /// Where the list of images lies that runs leave out of this set.
    #[must_use]
    pub fn exclusions(&self, name: &str) -> PathBuf {
        exclude::path(&self.data_dir(), name)
    }

    /// Writes down which images of its set a recipe leaves out: those on its list now.
    ///
    /// # Errors
    /// As [`exclude::read`].
    pub fn pin_exclusions(&self, settings: &mut Data) -> Result<()> {
        if settings.exclude == Exclude::None {
            settings.exclude_sha256.clear();
        } else if settings.exclude_sha256.is_empty()
            && let Some(list) = exclude::read(&self.exclusions(&settings.name))?
            && !list.is_empty()
        {
            settings.exclude_sha256 = list.sha256();
        }
        Ok(())
    }

    /// The set without the images that the recipe leaves out.
    ///
    /// # Errors
    /// `Input` when their list is gone, another one than was recorded, or does not fit the set.
    pub fn without_excluded(&self, dataset: Dataset, settings: &Data) -> Result<Dataset> {
        let recorded = &settings.exclude_sha256;
        if recorded.is_empty() {
            return Ok(dataset);
        }
        let path = self.exclusions(&settings.name);
        let problem = match exclude::read(&path)? {
            Some(list) if list.sha256() == *recorded => {
                return exclude::apply(dataset, &list, &path);
            }
            Some(_) => "is another list of excluded images than the recipe was made with",
            None => "is missing, the list of excluded images that the recipe was made with",
        };
        Err(Error::input(
            text::sanitize(&path.display().to_string()),
            problem,
            "restore it, or train another run with --set data.exclude=auto or none",
        ))
    }
}
