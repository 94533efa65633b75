//! The list of kinds: whoever has something to say about each of them takes it from here.

use serde::{Deserialize, Serialize};

use super::Kind;

/// The kinds of layers, a line each: the `kind` in profiles, the variant of [`Layer`] and the file and form of its own.
///
/// - `with LAYER, KIND => RESULT`: RESULT with KIND for the form of whatever kind LAYER is of;
/// - `each FUNCTION(ARGUMENT…)`: FUNCTION called for every form, as `FUNCTION::<Form>(ARGUMENT…)`.
#[macro_export]
macro_rules! kinds_of_layers {
    (@define [] $($name:tt $variant:ident($file:ident::$form:ident),)*) => {
        $(pub use super::$file::$form;)*

        /// One layer of a network as written in a profile: `[[model.layers]]` with a `kind`.
        ///
        /// `activation`, where a layer has one, is applied to the layer's output.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Layer {
            $(#[serde(rename = $name)] $variant($form),)*
        }

        impl Layer {
            /// Every `kind`.
            pub const KINDS: &[&str] = &[$($name),*];

            /// Its `kind` in a profile.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }
        }

        $(impl From<$form> for Layer {
            fn from(layer: $form) -> Self {
                Self::$variant(layer)
            }
        })*
    };
    (@with [$layer:expr, $kind:ident => $result:expr]
        $($name:tt $variant:ident($file:ident::$form:ident),)*) => {
        match $layer { $($crate::layers::Layer::$variant($kind) => $result,)* }
    };
    (@each [$function:ident $arguments:tt]
        $($name:tt $variant:ident($file:ident::$form:ident),)*) => {
        $($function::<$crate::layers::$form> $arguments;)*
    };
    ($rule:ident $($input:tt)*) => {
        $crate::kinds_of_layers! { @$rule [$($input)*]
            "conv2d" Conv2d(conv::Conv2d),
            "max-pool2d" MaxPool2d(pool::MaxPool2d),
            "avg-pool2d" AvgPool2d(pool::AvgPool2d),
            "global-avg-pool" GlobalAvgPool(pool::GlobalAvgPool),
            "adaptive-avg-pool2d" AdaptiveAvgPool2d(pool::AdaptiveAvgPool2d),
            "subsample" Subsample(subsample::Subsample),
            "batch-norm2d" BatchNorm2d(norm::BatchNorm2d),
            "batch-norm1d" BatchNorm1d(norm::BatchNorm1d),
            "layer-norm" LayerNorm(layer_norm::LayerNorm),
            "linear" Linear(linear::Linear),
            "dropout" Dropout(dropout::Dropout),
            "flatten" Flatten(flatten::Flatten),
            "activation" Activation(activation::Activate),
            "residual" Residual(residual::Residual),
        }
    };
}

kinds_of_layers!(define);

impl Layer {
    /// What its kind says of it.
    #[must_use]
    pub fn kind(&self) -> &dyn Kind {
        kinds_of_layers!(with self, kind => kind)
    }
}
