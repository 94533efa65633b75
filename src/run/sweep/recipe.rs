//! The recipes of a sweep's trials, as they are trained.

use crate::error::Result;
use crate::model::architectures;
use crate::profile::Profile;
use crate::run::preflight::Network;
use crate::search::{Assigned, Sweep, untrainable};

/// The key by which an architecture is searched.
const ARCHITECTURE: &str = "model.architecture";

/// The recipe of a trial. Where the architecture is searched, what only others use is left out.
///
/// # Errors
/// `Input` naming the key that does not fit.
pub(crate) fn of_trial(sweep: &Sweep, parameters: &[Assigned]) -> Result<Profile> {
    let mut profile = sweep.recipe(parameters)?;
    if sweep.space.place(ARCHITECTURE).is_some() {
        architectures::leave_out_unused(&mut profile.model);
    }
    Ok(profile)
}

/// The recipe of a trial as it may come.
///
/// # Errors
/// As [`of_trial`].
pub(crate) fn example(sweep: &Sweep) -> Result<Profile> {
    of_trial(sweep, &sweep.samples().next().unwrap_or_default())
}

/// Checks many trials as they may come against the data set of one that was read.
///
/// # Errors
/// `Input` naming the parameters that cannot be trained, and why.
pub(crate) fn check(sweep: &Sweep, network: &Network) -> Result<()> {
    let mut splits = Vec::new();
    for parameters in sweep.samples() {
        of_trial(sweep, &parameters)
            .and_then(|profile| network.check_another(profile, &mut splits))
            .map_err(|error| untrainable(&parameters, &error))?;
    }
    Ok(())
}
