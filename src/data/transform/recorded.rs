//! What of a transform comes from the training set and not from the recipe, so that it can be made again without the
//! set.

use serde::{Deserialize, Serialize};

use super::{Normalization, ResizeMethod, Transform};
use crate::data::{Dataset, Examples};
use crate::error::Result;
use crate::profile::{Data, Normalize, PerChannel};

/// Statistics of a training set, as a transform uses them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::data) struct Statistics {
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<PerChannel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    std: Option<PerChannel>,
    /// Of every pixel, where pixels have their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pixels: Option<Pixels>,
}

/// **Shape** each `[planes, height, width]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pixels {
    mean: Vec<f32>,
    inverse: Vec<f32>,
}

impl Transform {
    /// What its training set gave.
    #[must_use]
    pub(in crate::data) fn statistics(&self) -> Statistics {
        let (mean, std) = self.figures.clone().unzip();
        let pixels = match &self.normalization {
            Normalization::PerPixel { mean, inverse } => Some(Pixels {
                mean: mean.clone(),
                inverse: inverse.clone(),
            }),
            Normalization::Channels(_) | Normalization::AfterUnit(_) => None,
        };
        Statistics { mean, std, pixels }
    }

    /// The transform of a recipe for images of this shape, with statistics that were recorded; `None` where these are
    /// not those that it needs.
    ///
    /// **Shape** `shape [channels, height, width]`.
    ///
    /// # Errors
    /// As [`Transform::new`].
    pub(in crate::data) fn restored(
        [channels, height, width]: [usize; 3],
        settings: &Data,
        statistics: Statistics,
    ) -> Result<Option<Self>> {
        let mut settings = settings.clone();
        let Statistics { mean, std, pixels } = statistics;
        let needs_pixels = settings.normalize == Normalize::PerPixel;
        let needs_figures = match settings.normalize {
            Normalize::PerPixel | Normalize::Unit | Normalize::Imagenet => false,
            Normalize::Dataset | Normalize::Given | Normalize::Computed => true,
        };
        if needs_figures != (mean.is_some() && std.is_some()) || needs_pixels != pixels.is_some() {
            return Ok(None);
        }
        if needs_figures {
            settings.normalize = Normalize::Given;
            (settings.mean, settings.std) = (mean, std);
        }
        let without_images = Dataset {
            name: settings.name.clone(),
            classes: Vec::new(),
            channels,
            height,
            width,
            train: Examples::default(),
            validation: Examples::default(),
            test: Examples::default(),
            source: String::new(),
            sha256: String::new(),
            pixels_sha256: String::new(),
            remarks: Vec::new(),
            excluded: Vec::new(),
        };
        let mut transform = Self::new(&without_images, &settings, &[])?;
        if let Some(Pixels { mean, inverse }) = pixels {
            let values = transform.conversion.to * transform.height * transform.width;
            if [&mean, &inverse].iter().any(|each| each.len() != values) {
                return Ok(None);
            }
            transform.normalization = Normalization::PerPixel { mean, inverse };
        }
        Ok(Some(transform))
    }

    /// Whether it brings images of any size to its own.
    #[must_use]
    pub(in crate::data) fn takes_any_size(&self) -> bool {
        matches!(self.resize, Some(ResizeMethod::Antialias(_)))
    }
}
