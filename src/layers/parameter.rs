//! The arrays that a layer owns.

/// One array of a layer, named and shaped as PyTorch's.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Behind the layer's name: `weight`.
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub start: Start,
    /// Whether an optimizer changes it; running statistics follow the batches instead.
    pub trained: bool,
}

/// What a fresh array holds; how it is drawn is `nn::init`'s concern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Drawn as `model.init` says.
    Weight,
    /// Drawn likewise; each output sums `fan_in` products.
    Bias {
        fan_in: usize,
    },
    Constant(f32),
}

impl Parameter {
    /// Its numbers; saturates instead of overflowing.
    #[must_use]
    pub fn elements(&self) -> u64 {
        let sizes = self.shape.iter();
        sizes.fold(1, |product, size| product.saturating_mul(*size as u64))
    }

    /// A weight of `shape` `[out, in, …]`, and with `bias` one number for each output.
    pub(super) fn kernel(shape: &[usize], bias: bool) -> (Self, Option<Self>) {
        let bias = bias.then(|| Self {
            name: "bias",
            shape: shape[..1].to_vec(),
            start: Start::Bias {
                fan_in: shape[1..].iter().product(),
            },
            trained: true,
        });
        let weight = Self {
            name: "weight",
            shape: shape.to_vec(),
            start: Start::Weight,
            trained: true,
        };
        (weight, bias)
    }

    /// A vector of one value for each channel.
    pub(super) fn constant(name: &'static str, channels: usize, value: f32, trained: bool) -> Self {
        Self {
            name,
            shape: vec![channels],
            start: Start::Constant(value),
            trained,
        }
    }
}
