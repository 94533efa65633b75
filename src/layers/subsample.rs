//! Every second pixel or so, and channels of zeros: a shortcut without weights.

use serde::{Deserialize, Serialize};

use super::fault::within;
use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Shape, weightless};

/// Every `stride`-th pixel, and channels of zeros on both sides up to `out_channels`, half of those that are missing
/// each.
///
/// **Shape** `[B,C,H,W]` → `[B,out_channels,⌈H/stride⌉,⌈W/stride⌉]`. **Reference** He et al. 2015, option A.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsample {
    pub out_channels: usize,
    pub stride: usize,
}

impl Kind for Subsample {
    fn facts(&self) -> Facts {
        Facts {
            stem: "subsample",
            activation: Activation::None,
            ends_stage: false,
            mixes_images: false,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        format!("subsample s{}", self.stride)
    }

    fn check(&self) -> Result<(), OutOfRange> {
        within("out_channels", self.out_channels, 1, 65_536)?;
        within("stride", self.stride, 1, 63)
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        let (channels, height, width) = input.map("put it before the flatten layer")?;
        let out = self.out_channels;
        if out < channels || !(out - channels).is_multiple_of(2) {
            return Err(Fault::new(
                format!("cannot make {out} maps of {channels} by adding zeros on both sides"),
                format!("use out_channels = {channels} and an even number more"),
            ));
        }
        Ok(Shape::Map {
            channels: out,
            height: height.div_ceil(self.stride),
            width: width.div_ceil(self.stride),
        })
    }

    weightless!();
}
