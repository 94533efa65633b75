//! What each kind of layer makes of its input's shape, and what it says when it cannot.
//!
//! Knows a layer's input and nothing of its place in the network.

use crate::model::{Node, Op, Shape};
use crate::profile::{Activation, Layer};

/// The largest width, number of channels, kernel, stride or padding.
pub(in crate::model) const LARGEST_SIZE: usize = 1 << 20;

/// What is wrong with a layer and what to do about it.
pub(super) struct Fault {
    pub problem: String,
    pub remedy: String,
}

impl Fault {
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

/// Operation and output shape of a layer without layers inside.
#[expect(clippy::too_many_lines, reason = "one arm a kind of layer")]
pub(super) fn plain(layer: &Layer, input: Shape) -> Result<(Op, Shape), Fault> {
    match *layer {
        Layer::Conv2d {
            out_channels,
            kernel_size,
            stride,
            padding,
            bias,
            ..
        } => {
            within("out_channels", out_channels, 1)?;
            let window = Window::new(kernel_size, stride, padding)?;
            let (in_channels, height, width) = window.over(input)?;
            let op = Op::Conv2d {
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding,
                bias,
            };
            Ok((op, map(out_channels, height, width)))
        }
        Layer::MaxPool2d {
            kernel_size,
            stride,
            padding,
        } => {
            let stride = stride.unwrap_or(kernel_size);
            let (channels, height, width) =
                Window::new(kernel_size, stride, padding)?.pooling(input)?;
            let op = Op::MaxPool2d {
                kernel_size,
                stride,
                padding,
            };
            Ok((op, map(channels, height, width)))
        }
        Layer::AvgPool2d {
            kernel_size,
            stride,
            padding,
        } => {
            let stride = stride.unwrap_or(kernel_size);
            let (channels, height, width) =
                Window::new(kernel_size, stride, padding)?.pooling(input)?;
            let op = Op::AvgPool2d {
                kernel_size,
                stride,
                padding,
            };
            Ok((op, map(channels, height, width)))
        }
        Layer::GlobalAvgPool => {
            let (channels, ..) = as_map(input)?;
            Ok((Op::GlobalAvgPool, Shape::Flat(channels)))
        }
        Layer::AdaptiveAvgPool2d { size } => {
            within("size", size, 1)?;
            let (channels, ..) = as_map(input)?;
            Ok((Op::AdaptiveAvgPool2d { size }, map(channels, size, size)))
        }
        Layer::Subsample {
            out_channels,
            stride,
        } => {
            within("stride", stride, 1)?;
            let (channels, height, width) = as_map(input)?;
            if out_channels < channels || !(out_channels - channels).is_multiple_of(2) {
                return Err(Fault::new(
                    format!(
                        "cannot make {out_channels} maps of {channels} by adding zeros on both sides"
                    ),
                    format!("use out_channels = {channels} and an even number more"),
                ));
            }
            within("out_channels", out_channels, 1)?;
            let op = Op::Subsample {
                out_channels,
                stride,
            };
            Ok((
                op,
                map(
                    out_channels,
                    height.div_ceil(stride),
                    width.div_ceil(stride),
                ),
            ))
        }
        Layer::BatchNorm2d { .. } => match input {
            Shape::Map { channels, .. } => Ok((Op::BatchNorm { features: channels }, input)),
            Shape::Flat(_) => Err(Fault::new(
                format!("needs maps of channels × height × width but gets {input} features"),
                "use batch-norm1d here",
            )),
        },
        Layer::BatchNorm1d { .. } => match input {
            Shape::Flat(features) => Ok((Op::BatchNorm { features }, input)),
            Shape::Map { .. } => Err(Fault::new(
                format!("needs a vector of features but gets {input}"),
                "use batch-norm2d here, or put a flatten layer before it",
            )),
        },
        Layer::Linear {
            out_features, bias, ..
        } => {
            within("out_features", out_features, 1)?;
            let Shape::Flat(in_features) = input else {
                return Err(Fault::new(
                    format!("needs a vector of features but gets {input}"),
                    "put a flatten layer before it",
                ));
            };
            let op = Op::Linear {
                in_features,
                out_features,
                bias,
            };
            Ok((op, Shape::Flat(out_features)))
        }
        Layer::Dropout { p } if (0.0..1.0).contains(&p) => Ok((Op::Dropout { p }, input)),
        Layer::Dropout { p } => Err(Fault::new(
            format!("p = {p} is not a share of numbers to drop"),
            "use 0 ≤ p < 1",
        )),
        Layer::Flatten => Ok((Op::Flatten, Shape::Flat(input.elements()))),
        Layer::Activation { function } => Ok((Op::Activation(function), input)),
        Layer::Residual { .. } => Err(Fault::new(
            "a residual block is not a plain layer",
            "report this as a fault of fmtui",
        )),
    }
}

/// Operation and output shape of a residual block whose layers have been resolved. A body of layers that do nothing is empty,
/// and passes its input on.
pub(super) fn residual(
    body: Vec<Node>,
    shortcut: Vec<Node>,
    activation: Activation,
    input: Shape,
) -> Result<(Op, Shape), Fault> {
    let output = body.last().map_or(input, |node| node.output);
    let other = shortcut.last().map_or(input, |node| node.output);
    if output != other {
        let what = if shortcut.is_empty() {
            "its input, which the empty shortcut passes on, is"
        } else {
            "its shortcut gives"
        };
        let remedy = match output {
            Shape::Map { channels, .. } => format!(
                "make both equal; a shortcut of a 1 × 1 conv2d with out_channels = {channels} and the layers' stride does it"
            ),
            Shape::Flat(features) => format!(
                "make both equal; a shortcut of a linear layer with out_features = {features} does it"
            ),
        };
        return Err(Fault::new(
            format!("its layers give {output} but {what} {other}"),
            remedy,
        ));
    }
    let op = Op::Residual {
        body,
        shortcut,
        activation,
    };
    Ok((op, output))
}

/// A window that slides over a map.
#[derive(Clone, Copy)]
struct Window {
    kernel_size: usize,
    stride: usize,
    padding: usize,
}

impl Window {
    fn new(kernel_size: usize, stride: usize, padding: usize) -> Result<Self, Fault> {
        within("kernel_size", kernel_size, 1)?;
        within("stride", stride, 1)?;
        within("padding", padding, 0)?;
        Ok(Self {
            kernel_size,
            stride,
            padding,
        })
    }

    /// Channels of the input, height and width of the output.
    fn over(self, input: Shape) -> Result<(usize, usize, usize), Fault> {
        let (channels, height, width) = as_map(input)?;
        let Self {
            kernel_size: k,
            stride,
            padding,
        } = self;
        let side = |length: usize| {
            let padded = length + 2 * padding;
            padded
                .checked_sub(k)
                .map(|room| room / stride + 1)
                .ok_or_else(|| {
                    let padded = if padding > 0 {
                        format!(" with its padding of {padding}")
                    } else {
                        String::new()
                    };
                    Fault::new(
                        format!("its {k} × {k} kernel does not fit into {input}{padded}"),
                        "lower kernel_size, pool less before it, or raise data.image_size",
                    )
                })
        };
        Ok((channels, side(height)?, side(width)?))
    }

    /// The same for pooling, where a window must never lie in the padding alone.
    fn pooling(self, input: Shape) -> Result<(usize, usize, usize), Fault> {
        if self.padding > self.kernel_size / 2 {
            return Err(Fault::new(
                format!(
                    "padding = {} is more than half of kernel_size = {}",
                    self.padding, self.kernel_size
                ),
                "lower the padding",
            ));
        }
        self.over(input)
    }
}

fn as_map(input: Shape) -> Result<(usize, usize, usize), Fault> {
    match input {
        Shape::Map {
            channels,
            height,
            width,
        } => Ok((channels, height, width)),
        Shape::Flat(_) => Err(Fault::new(
            format!("needs maps of channels × height × width but gets {input} features"),
            "put it before the flatten layer",
        )),
    }
}

fn map(channels: usize, height: usize, width: usize) -> Shape {
    Shape::Map {
        channels,
        height,
        width,
    }
}

fn within(field: &str, value: usize, lowest: usize) -> Result<(), Fault> {
    if (lowest..=LARGEST_SIZE).contains(&value) {
        return Ok(());
    }
    Err(Fault::new(
        format!("{field} = {value} is out of range"),
        format!("use {lowest} to {LARGEST_SIZE}"),
    ))
}
