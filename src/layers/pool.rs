//! One number for a window of a map, channel by channel.

use serde::{Deserialize, Serialize};

use super::fault::within;
use super::window::Window;
use super::{Activation, Facts, Fault, Kind, Layer, OutOfRange, Shape, weightless};

/// The maximum of every window. **Reference** `torch.nn.MaxPool2d`.
pub type MaxPool2d = Pool<true>;

/// The mean of every window, padding counted. **Reference** `torch.nn.AvgPool2d`.
pub type AvgPool2d = Pool<false>;

/// **Shape** `[B,C,H,W]` → `[B,C,H',W']`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool<const MAX: bool> {
    pub kernel_size: usize,
    /// Default: the kernel size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    #[serde(default)]
    pub padding: usize,
}

impl<const MAX: bool> Pool<MAX> {
    /// The stride that is meant.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride.unwrap_or(self.kernel_size)
    }

    fn window(&self) -> Window {
        Window {
            kernel_size: self.kernel_size,
            stride: self.stride(),
            padding: self.padding,
        }
    }
}

impl<const MAX: bool> Kind for Pool<MAX> {
    fn facts(&self) -> Facts {
        Facts {
            stem: "pool",
            activation: Activation::None,
            ends_stage: true,
            mixes_images: false,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        let what = if MAX { "max pool" } else { "avg pool" };
        self.window().label(what, self.kernel_size)
    }

    fn check(&self) -> Result<(), OutOfRange> {
        // A window must never lie in the padding alone.
        self.window().check(self.kernel_size / 2)
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        let (channels, height, width) = self.window().over(input)?;
        Ok(Shape::Map {
            channels,
            height,
            width,
        })
    }

    weightless!();
}

/// The mean of every channel. **Shape** `[B,C,H,W]` → `[B,C]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool {}

impl Kind for GlobalAvgPool {
    fn facts(&self) -> Facts {
        Facts {
            stem: "pool",
            activation: Activation::None,
            ends_stage: true,
            mixes_images: false,
            begins_head: false,
        }
    }

    fn inside(&self) -> [&[Layer]; 2] {
        [&[], &[]]
    }

    fn label(&self) -> String {
        "global avg pool".into()
    }

    fn check(&self) -> Result<(), OutOfRange> {
        Ok(())
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        let (channels, ..) = input.map("put it before the flatten layer")?;
        Ok(Shape::Flat(channels))
    }

    weightless!();
}

/// Means over a grid of `size` × `size` windows that cover the map.
///
/// **Shape** `[B,C,H,W]` → `[B,C,size,size]`. **Reference** `torch.nn.AdaptiveAvgPool2d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAvgPool2d {
    pub size: usize,
}

impl Kind for AdaptiveAvgPool2d {
    fn facts(&self) -> Facts {
        Facts {
            stem: "pool",
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
        format!("adaptive avg pool {size}×{size}", size = self.size)
    }

    fn check(&self) -> Result<(), OutOfRange> {
        within("size", self.size, 1, 63)
    }

    fn output(&self, input: Shape) -> Result<Shape, Fault> {
        let (channels, ..) = input.map("put it before the flatten layer")?;
        Ok(Shape::Map {
            channels,
            height: self.size,
            width: self.size,
        })
    }

    weightless!();
}
