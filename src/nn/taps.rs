//! What convolution and pooling are composed of where a device has no own kernels: shifted copies of the input, one per
//! kernel position (a "tap"), and results with a gradient of their own.
//!
//! Avoids what Candle gets wrong: its pooling gradients, its convolution's weight gradient on Metal. Right first, fast
//! later.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp3, Layout, MetalStorage, Result, Shape, Tensor,
    backend::BackendStorage,
};

/// Where a square window falls on a padded map.
#[derive(Clone, Copy)]
pub(super) struct Window {
    kernel: usize,
    stride: usize,
    padding: usize,
    out_height: usize,
    out_width: usize,
}

impl Window {
    /// The window whose results have y's height and width.
    pub(super) fn new(kernel: usize, stride: usize, padding: usize, y: &Tensor) -> Result<Self> {
        let (_, _, out_height, out_width) = y.dims4()?;
        Ok(Self {
            kernel,
            stride,
            padding,
            out_height,
            out_width,
        })
    }

    /// x with its padding, and stride − 1 more rows and columns so that every tap is a whole number of strides.
    pub(super) fn pad(&self, x: &Tensor, value: f32) -> Result<Tensor> {
        let mut padded = x.clone();
        for dim in [2, 3] {
            let side = |length: usize, dims: &[usize]| -> Result<Tensor> {
                let mut dims = dims.to_vec();
                dims[dim] = length;
                Tensor::full(value, dims, x.device())
            };
            // CUDA refuses to fill a tensor of no numbers.
            let mut parts = vec![padded.clone()];
            if self.padding > 0 {
                parts.insert(0, side(self.padding, padded.dims())?);
            }
            let after = self.padding + self.stride - 1;
            if after > 0 {
                parts.push(side(after, padded.dims())?);
            }
            padded = Tensor::cat(&parts, dim)?;
        }
        padded.contiguous()
    }

    /// Every window's number at one kernel position.
    pub(super) fn tap(&self, padded: &Tensor, tap: usize) -> Result<Tensor> {
        let (batch, channels, _, _) = padded.dims4()?;
        let (s, oh, ow) = (self.stride, self.out_height, self.out_width);
        padded
            .narrow(2, tap / self.kernel, oh * s)?
            .narrow(3, tap % self.kernel, ow * s)?
            .contiguous()?
            .reshape((batch, channels, oh, s, ow, s))?
            .narrow(3, 0, 1)?
            .narrow(5, 0, 1)?
            .contiguous()?
            .reshape((batch, channels, oh, ow))
    }

    /// The reverse of the taps: every tap's numbers added where they were read, without the padding.
    pub(super) fn collect(&self, x: &Tensor, taps: &[Tensor]) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let extra = 2 * self.padding + self.stride - 1;
        let (rows, columns) = (height + extra, width + extra);
        let mut sum: Option<Tensor> = None;
        for (tap, values) in taps.iter().enumerate() {
            let (top, left) = (tap / self.kernel, tap % self.kernel);
            let spread = spread(values, self.stride)?;
            let (_, _, h, w) = spread.dims4()?;
            let placed = spread
                .pad_with_zeros(2, top, rows - top - h)?
                .pad_with_zeros(3, left, columns - left - w)?;
            sum = Some(match sum {
                Some(sum) => (sum + placed)?,
                None => placed,
            });
        }
        match sum {
            Some(sum) => sum
                .narrow(2, self.padding, height)?
                .narrow(3, self.padding, width)?
                .contiguous(),
            None => x.zeros_like(),
        }
    }
}

/// Puts stride − 1 zeros after every row and column.
pub(super) fn spread(x: &Tensor, stride: usize) -> Result<Tensor> {
    if stride == 1 {
        return Ok(x.clone());
    }
    let (batch, channels, height, width) = x.dims4()?;
    x.reshape((batch, channels, height, 1, width, 1))?
        .pad_with_zeros(3, 0, stride - 1)?
        .pad_with_zeros(5, 0, stride - 1)?
        .reshape((batch, channels, height * stride, width * stride))
}

/// Gives `y`, computed outside the graph from `a` and `b`, a gradient: `gradient(a, b, dy)`.
pub(super) fn with_gradient<F>(a: &Tensor, b: &Tensor, y: &Tensor, gradient: F) -> Result<Tensor>
where
    F: Fn(&Tensor, &Tensor, &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)>
        + Send
        + Sync
        + 'static,
{
    a.apply_op3(b, &y.contiguous()?, WithGradient(gradient))
}

struct WithGradient<F>(F);

impl<F> CustomOp3 for WithGradient<F>
where
    F: Fn(&Tensor, &Tensor, &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)>,
{
    fn name(&self) -> &'static str {
        "with-gradient"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        y: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        y: &CudaStorage,
        layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        y: &MetalStorage,
        layout: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (da, db) = (self.0)(a, b, dy)?;
        Ok((da, db, None))
    }
}
