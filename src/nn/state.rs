//! Arrays by name: the form in which weights, statistics and moments leave a device.
//!
//! Plain data; files and tensors are other rooms' concern.

use crate::error::{Error, Result};
pub use crate::state::{Array, StateDict};

/// The array called `name`, if it has the expected shape.
///
/// # Errors
/// `Input` naming the array when it is missing, shaped otherwise, or holds another count of values than its shape says.
pub(crate) fn expect<'a>(state: &'a StateDict, name: &str, shape: &[usize]) -> Result<&'a Array> {
    const REMEDY: &str = "use a checkpoint of the same architecture and optimizer";
    let array = state
        .get(name)
        .ok_or_else(|| Error::input(name, "is missing from the checkpoint", REMEDY))?;
    if array.shape != shape || array.values.len() != shape.iter().product::<usize>() {
        return Err(Error::input(
            name,
            format!(
                "has shape {:?} with {} values in the checkpoint, {shape:?} is needed",
                array.shape,
                array.values.len()
            ),
            REMEDY,
        ));
    }
    Ok(array)
}

/// Refuses names that nothing takes.
///
/// # Errors
/// `Input` naming the first unknown array.
pub(crate) fn refuse_unknown(state: &StateDict, known: impl Fn(&str) -> bool) -> Result<()> {
    match state.keys().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(Error::input(
            name,
            "is not part of this network or its optimizer",
            "use a checkpoint of the same architecture and optimizer",
        )),
    }
}
