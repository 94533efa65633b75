//! Layers as the architectures write them.

use crate::layers::{
    Activation, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d,
};

pub(super) fn conv(
    out_channels: usize,
    kernel_size: usize,
    padding: usize,
    activation: Activation,
) -> Layer {
    Layer::Conv2d(Conv2d {
        out_channels,
        kernel_size,
        stride: 1,
        padding,
        bias: true,
        activation,
    })
}

/// A convolution without bias: the batch norm that follows has one.
pub(super) fn bare_conv(
    out_channels: usize,
    kernel_size: usize,
    stride: usize,
    padding: usize,
) -> Layer {
    Layer::Conv2d(Conv2d {
        out_channels,
        kernel_size,
        stride,
        padding,
        bias: false,
        activation: Activation::None,
    })
}

/// Batch norm of maps.
pub(super) fn norm(activation: Activation) -> Layer {
    Layer::BatchNorm2d(BatchNorm2d { activation })
}

/// Batch norm of vectors.
pub(super) fn flat_norm(activation: Activation) -> Layer {
    Layer::BatchNorm1d(BatchNorm1d { activation })
}

pub(super) fn max_pool(kernel_size: usize) -> Layer {
    Layer::MaxPool2d(MaxPool2d {
        kernel_size,
        stride: None,
        padding: 0,
    })
}

pub(super) fn avg_pool(kernel_size: usize) -> Layer {
    Layer::AvgPool2d(AvgPool2d {
        kernel_size,
        stride: None,
        padding: 0,
    })
}

pub(super) fn linear(out_features: usize, activation: Activation) -> Layer {
    Layer::Linear(Linear {
        out_features,
        bias: true,
        activation,
    })
}
