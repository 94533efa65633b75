//! Convolution of a map with square kernels.

use serde::{Deserialize, Serialize};

use super::fault::within;
use super::window::Window;
use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Parameter, Shape};

/// **Shape** `[B,C,H,W]` → `[B,out_channels,H',W']`. **Reference** `torch.nn.Conv2d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    pub out_channels: usize,
    pub kernel_size: usize,
    #[serde(default = "super::one")]
    pub stride: usize,
    #[serde(default)]
    pub padding: usize,
    #[serde(default = "super::yes")]
    pub bias: bool,
    #[serde(default, skip_serializing_if = "Activation::is_none")]
    pub activation: Activation,
}

impl Conv2d {
    /// Weight `[out,in,k,k]` and, where there is one, bias `[out]`.
    #[must_use]
    pub fn kernel(&self, input: Shape) -> (Parameter, Option<Parameter>) {
        let (k, (channels, ..)) = (self.kernel_size, input.sides());
        Parameter::kernel(&[self.out_channels, channels, k, k], self.bias)
    }

    fn window(&self) -> Window {
        Window {
            kernel_size: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl Kind for Conv2d {
    fn facts(&self) -> Facts {
        Facts {
            stem: "conv",
            activation: self.activation,
            ends_stage: false,
            mixes_images: false,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        self.window().label("conv", 1)
    }

    fn check(&self) -> Result<(), OutOfRange> {
        within("out_channels", self.out_channels, 1, 65_536)?;
        self.window().check(63)
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        let (_, height, width) = self.window().over(input)?;
        Ok(Shape::Map {
            channels: self.out_channels,
            height,
            width,
        })
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let (weight, bias) = self.kernel(input);
        std::iter::once(weight).chain(bias).collect()
    }

    fn multiply_adds(&self, input: Shape, output: Shape) -> u64 {
        let (k, (channels, ..)) = (self.kernel_size as u64, input.sides());
        [channels as u64, k, k, output.elements() as u64]
            .into_iter()
            .fold(1, u64::saturating_mul)
    }
}
