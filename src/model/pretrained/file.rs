//! Weights of a file: safetensors, or one of PyTorch's formats, told apart by how the file begins.

use std::io::ErrorKind;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::{Foreign, Found, half, torch};
use crate::error::{Error, Result};
use crate::state::Array;
use crate::{storage, text};

/// **Units** bytes: more than any of the networks here.
const LARGEST: u64 = 4 << 30;

/// **Units** bytes of the longest header of safetensors that is read; a ResNet-50's has 40 thousand. Reading one takes
/// some fifteen times as much memory.
const LONGEST_HEADER: u64 = 4 << 20;

/// A file's bytes, where it is no longer than weights are.
///
/// # Errors
/// `Io` when it cannot be read, `Input` when it is too long.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>> {
    storage::read(path, LARGEST).map_err(|e| match e.kind() {
        ErrorKind::FileTooLarge => Error::input(
            path.display().to_string(),
            format!("is too large for a weights file: {e}"),
            "give a file of weights",
        ),
        _ => Error::io("read", path, e),
    })
}

/// The tensors in a file's bytes.
///
/// # Errors
/// `Input` naming the file when it is no file of weights, broken or hostile; nothing in it is executed.
pub(crate) fn parse_named(bytes: &[u8], path: &Path) -> Result<Found> {
    parse(bytes).map_err(|problem| {
        Error::input(
            path.display().to_string(),
            problem,
            "give weights as .safetensors, or as torch.save(model.state_dict(), path) writes them",
        )
    })
}

/// As [`parse_named`], without a name.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn parse(bytes: &[u8]) -> Result<Found, String> {
    if bytes.starts_with(torch::ZIP) {
        return torch::read_zip(bytes);
    }
    if torch::is_legacy(bytes) {
        return torch::read_legacy(bytes);
    }
    if bytes.get(8) == Some(&b'{') {
        return safetensors(bytes);
    }
    Err("is not a weights file that fmtui can read".into())
}

fn safetensors(bytes: &[u8]) -> Result<Found, String> {
    let header = bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    if header > LONGEST_HEADER && header <= bytes.len() as u64 {
        return Err(format!(
            "its header has {}, too large for a weights file",
            text::bytes(header)
        ));
    }
    let tensors =
        SafeTensors::deserialize(bytes).map_err(|e| format!("its safetensors are broken ({e})"))?;
    let mut found = Found::default();
    for (name, view) in tensors.iter() {
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => each(data, f32::from_le_bytes),
            #[expect(clippy::cast_possible_truncation, reason = "weights are kept in f32")]
            Dtype::F64 => each(data, |b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => each(data, |b| half(u16::from_le_bytes(b))),
            Dtype::BF16 => each(data, |[a, b]: [u8; 2]| f32::from_le_bytes([0, 0, a, b])),
            // Counters and masks.
            Dtype::BOOL
            | Dtype::U8
            | Dtype::I8
            | Dtype::U16
            | Dtype::I16
            | Dtype::U32
            | Dtype::I32
            | Dtype::U64
            | Dtype::I64 => continue,
            other => {
                found.foreign.push(Foreign {
                    name: name.to_string(),
                    kind: format!("{other:?}"),
                });
                continue;
            }
        };
        let shape = view.shape().to_vec();
        found
            .weights
            .insert(name.to_string(), Array { shape, values });
    }
    if found.weights.is_empty() {
        return Err("it holds no floating-point tensors".into());
    }
    Ok(found)
}

fn each<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks()
        .0
        .iter()
        .map(|bytes| number(*bytes))
        .collect()
}
