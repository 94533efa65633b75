//! The weights for PyTorch.

use std::io::Write;

use super::{Exporter, Source, Written};
use crate::error::{Error, Result};
use crate::run::weights::{self, Which};
use crate::text;
use crate::train::checkpoint;

pub(super) struct TorchSafetensors;

impl Exporter for TorchSafetensors {
    fn name(&self) -> &'static str {
        "torch-safetensors"
    }

    fn about(&self) -> &'static str {
        "Tensors with PyTorch's names, for `safetensors.torch.load_file` and `load_state_dict`"
    }

    fn extension(&self) -> &'static str {
        "safetensors"
    }

    fn write(&self, run: &Source, out: &mut dyn Write) -> Result<Written> {
        let which = run.weights.unwrap_or(Which::Best);
        let name = which.file_name();
        let kept = weights::read(run.workspace, run.id, which)?;
        let arrays = checkpoint::from_safetensors(&kept.bytes, &kept.path)?;
        let bytes = checkpoint::to_safetensors(&arrays, &format!("run {}, {name}", run.id))?;
        out.write_all(&bytes)
            .map_err(|e| Error::io("write", self.extension(), e))?;
        let mut notes = Vec::new();
        if !kept.is_verified {
            notes.push(format!(
                "nothing recorded to verify this run's {name} against"
            ));
        }
        if arrays.contains_key("classifier.weight") {
            notes.push("torchvision's VGG takes them with model.avgpool = AdaptiveAvgPool2d(1) and model.classifier = Linear(512, classes)".into());
        }
        Ok(Written {
            what: text::count(arrays.len(), "array"),
            notes,
        })
    }
}
