//! The predictions that a run keeps beside itself, read from its directory.

use crate::metrics::certainty::{self, Certainty};
use crate::metrics::predictions::{self, Kept, Predictions};
use crate::storage;

use super::store::Workspace;

/// Reads them; what is damaged is named.
#[must_use]
pub(crate) fn read(workspace: &Workspace, id: &str) -> Kept {
    let directory = workspace.run_dir(id);
    let mut damaged = Vec::new();
    let mut read = |name: &str| -> Option<Predictions> {
        let bytes = storage::read(&directory.join(name), predictions::LARGEST).ok()?;
        let read = Predictions::decode(&bytes);
        if read.is_err() {
            damaged.push(name.to_owned());
        }
        read.ok()
    };
    let [latest, best, test] =
        [predictions::LATEST, predictions::BEST, predictions::TEST].map(&mut read);
    Kept {
        latest,
        best,
        test,
        damaged,
    }
}

/// What stands for the run: the test at the end, else what its final weights, of this epoch, predicted, else the newest
/// epoch's. `None` where no predictions can be read. Then the files that are damaged.
#[must_use]
pub(crate) fn certainty(
    workspace: &Workspace,
    id: &str,
    weights: Option<usize>,
) -> (Option<Certainty>, Vec<String>) {
    let kept = read(workspace, id);
    (certainty::of_weights(&kept, weights), kept.damaged)
}
