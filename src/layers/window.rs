//! The square window of a convolution or pooling that slides over a map.

use super::fault::within;
use super::{Fault, OutOfRange, Shape};

#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel_size: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Window {
    pub(super) fn check(self, most_padding: usize) -> Result<(), OutOfRange> {
        within("kernel_size", self.kernel_size, 1, 63)?;
        within("stride", self.stride, 1, 63)?;
        within("padding", self.padding, 0, most_padding)
    }

    /// Channels of the input, height and width of the output.
    pub(super) fn over(self, input: Shape) -> Result<(usize, usize, usize), Fault> {
        let (channels, height, width) = input.map("put it before the flatten layer")?;
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

    /// `conv 3×3 s2 p1`: the stride where it is not the usual one, the padding where there is some.
    pub(super) fn label(self, what: &str, usual_stride: usize) -> String {
        let Self {
            kernel_size: k,
            stride,
            padding,
        } = self;
        let mut parts = vec![format!("{what} {k}×{k}")];
        if stride != usual_stride {
            parts.push(format!("s{stride}"));
        }
        if padding != 0 {
            parts.push(format!("p{padding}"));
        }
        parts.join(" ")
    }
}
