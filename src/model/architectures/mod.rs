//! Every architecture a profile can name, one file each: its name, the fields that it uses, its list of layers.
//!
//! Deliberately knows no shapes: [`resolve`](super::resolve()) finds out whether the layers fit the images.

mod custom;
mod improved_cnn;
mod lenet5;
mod lenet5_1998;
mod mlp;
mod modern_lenet;
mod parts;
mod perceptron;
mod resnet;
mod vgg;

use super::naming;
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::profile::settings::Setting;
use crate::profile::{Model, Profile};
use crate::text;

/// All of them, in the order of the study.
const ALL: &[&[Definition]] = &[
    perceptron::ALL,
    mlp::ALL,
    lenet5::ALL,
    lenet5_1998::ALL,
    modern_lenet::ALL,
    improved_cnn::ALL,
    resnet::ALL,
    vgg::ALL,
    custom::ALL,
];

/// What `model.architecture` can name.
struct Definition {
    name: &'static str,
    /// The fields of `[model]` that it uses, of those that not all do.
    uses: fn(&Model) -> &'static [Field],
    rule: Rule,
    /// Its layers for so many classes.
    layers: fn(&Model, usize) -> Blueprint,
}

impl Definition {
    /// An architecture that uses none of the fields that not all do.
    const fn plain(name: &'static str, layers: fn(&Model, usize) -> Blueprint) -> Self {
        Self {
            name,
            uses: |_| &[],
            rule: Rule::Gradient,
            layers,
        }
    }
}

/// How an architecture learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// By the gradients of its layers.
    Gradient,
    /// By gradients written out by hand.
    ByHand,
    /// By Rosenblatt's rule, image by image.
    Perceptron,
}

/// The fields of `[model]` that some architectures use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Hidden,
    Activation,
    Stem,
    Head,
    Dropout,
    Layers,
}

impl Field {
    const ALL: [Self; 6] = [
        Self::Hidden,
        Self::Activation,
        Self::Stem,
        Self::Head,
        Self::Dropout,
        Self::Layers,
    ];

    fn unset(self, model: &mut Model) {
        match self {
            Self::Hidden => model.hidden.clear(),
            Self::Activation => model.activation = None,
            Self::Stem => model.stem = None,
            Self::Head => model.head = None,
            Self::Dropout => model.dropout = None,
            Self::Layers => model.layers.clear(),
        }
    }

    fn is_set(self, model: &Model) -> bool {
        match self {
            Self::Hidden => !model.hidden.is_empty(),
            Self::Activation => model.activation.is_some(),
            Self::Stem => model.stem.is_some(),
            Self::Head => model.head.is_some(),
            Self::Dropout => model.dropout.is_some(),
            Self::Layers => !model.layers.is_empty(),
        }
    }

    /// Its name, and an architecture that uses it.
    fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Hidden => ("hidden", "mlp"),
            Self::Activation => ("activation", "mlp"),
            Self::Stem => ("stem", "resnet18"),
            Self::Head => ("head", "vgg11-bn"),
            Self::Dropout => ("dropout", "vgg11-bn"),
            Self::Layers => ("layers", "custom"),
        }
    }
}

/// The layers of a network, each with the name its parameters go by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blueprint {
    pub layers: Vec<Layer>,
    /// One per layer of `layers`; layers inside a residual block are named by `naming`.
    pub names: Vec<String>,
}

impl Blueprint {
    /// Layers named by kind and number: `conv1`, `bn1`, `fc2`.
    fn counted(layers: Vec<Layer>) -> Self {
        let names = naming::counted(&layers);
        Self { layers, names }
    }
}

/// Every name `model.architecture` may have, in the order of the study.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().copied().flatten().map(|known| known.name)
}

/// How an architecture learns. One that nobody knows learns by gradients until it is refused.
#[must_use]
pub(crate) fn rule(name: &str) -> Rule {
    find(name).map_or(Rule::Gradient, |known| known.rule)
}

/// Whether the architecture that a profile names uses a field.
#[must_use]
pub(crate) fn uses(model: &Model, field: Field) -> bool {
    find(&model.architecture).is_some_and(|known| (known.uses)(model).contains(&field))
}

/// Leaves out what the architecture does not use.
pub(crate) fn leave_out_unused(model: &mut Model) {
    let Some(known) = find(&model.architecture) else {
        return;
    };
    let used = (known.uses)(model);
    for field in Field::ALL {
        if !used.contains(&field) {
            field.unset(model);
        }
    }
}

/// Whether a recipe uses a setting: its architecture does, and its other settings do.
#[must_use]
pub(crate) fn applies(setting: &Setting, profile: &Profile) -> bool {
    let model = &profile.model;
    let own = Field::ALL.into_iter().find(|field| {
        let key = setting.key.strip_prefix("model.");
        key == Some(field.name().0)
    });
    let learns = !setting.by_gradient || rule(&model.architecture) != Rule::Perceptron;
    learns && own.is_none_or(|field| uses(model, field)) && setting.applies(profile)
}

fn find(name: &str) -> Option<&'static Definition> {
    ALL.iter()
        .copied()
        .flatten()
        .find(|known| known.name == name)
}

/// The layers of the architecture that a profile names.
///
/// # Errors
/// `Input` for an unknown name and for fields that the architecture does not use.
pub(crate) fn blueprint(model: &Model, classes: usize) -> Result<Blueprint> {
    let name = model.architecture.as_str();
    let known = find(name).ok_or_else(|| unknown(name))?;
    let used = (known.uses)(model);
    let mut unused = Field::ALL.into_iter().filter(|field| !used.contains(field));
    if let Some(field) = unused.find(|field| field.is_set(model)) {
        let (field, wanted_by) = field.name();
        return Err(Error::input(
            format!("model.{field}"),
            format!("the architecture `{name}` does not use it"),
            format!("remove it, or set model.architecture = \"{wanted_by}\""),
        ));
    }
    if used.contains(&Field::Layers) {
        custom::check(&model.layers)?;
    }
    Ok((known.layers)(model, classes))
}

fn unknown(name: &str) -> Error {
    let all = names().collect::<Vec<_>>().join(", ");
    let remedy = match text::nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`? Known are {all}"),
        None => format!("use one of {all}"),
    };
    Error::input(
        "model.architecture",
        format!("`{}` is not known", text::sanitize(name)),
        remedy,
    )
}
