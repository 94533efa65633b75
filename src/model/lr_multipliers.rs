//! Which stages learn faster or slower than the rest.

use std::collections::BTreeMap;

use super::Architecture;
use super::freeze::{self, BACKBONE};
use crate::error::{Error, Result};
use crate::text;

/// Factors on the learning rate, by parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LrMultipliers {
    factors: BTreeMap<String, f64>,
    /// The last layer, which is no part of the backbone.
    head: String,
}

impl LrMultipliers {
    /// The factors of `train.lr_multipliers`; stages that the network does not have are passed over.
    #[must_use]
    pub(crate) fn new(architecture: &Architecture, factors: &BTreeMap<String, f64>) -> Self {
        Self {
            factors: factors.clone(),
            head: freeze::last_layer(architecture).unwrap_or_default().into(),
        }
    }

    /// The factor for a parameter such as `layer1.0.conv1.weight`: that of the longest stage it belongs to.
    #[must_use]
    pub(crate) fn of(&self, parameter: &str) -> f64 {
        let stages = self
            .factors
            .iter()
            .filter(|(stage, _)| freeze::belongs(parameter, stage));
        let nearest = stages.max_by_key(|(stage, _)| stage.len());
        let whole = || {
            let in_backbone = !freeze::belongs(parameter, &self.head);
            self.factors.get(BACKBONE).filter(|_| in_backbone)
        };
        nearest
            .map(|(_, factor)| factor)
            .or_else(whole)
            .copied()
            .unwrap_or(1.0)
    }
}

/// The stages of `train.lr_multipliers` that a network frozen like this never trains.
///
/// # Errors
/// As [`freeze::cut`].
pub(crate) fn idle(
    architecture: &Architecture,
    freeze: &str,
    factors: &BTreeMap<String, f64>,
) -> Result<Vec<String>> {
    let Some(cut) = freeze::cut(architecture, freeze)? else {
        return Ok(Vec::new());
    };
    let head = freeze::last_layer(architecture).unwrap_or_default();
    let learns = |stage: &str| {
        cut.trained.nodes.iter().any(|node| {
            node.parameters() > 0
                && match stage {
                    BACKBONE => node.name != head,
                    stage => {
                        freeze::belongs(&node.name, stage) || freeze::belongs(stage, &node.name)
                    }
                }
        })
    };
    Ok(factors.keys().filter(|s| !learns(s)).cloned().collect())
}

/// Checks that the network has the stages that `train.lr_multipliers` names.
///
/// # Errors
/// `Input` naming the stages there are.
pub(crate) fn check(architecture: &Architecture, factors: &BTreeMap<String, f64>) -> Result<()> {
    let has = |stage: &str| {
        stage == BACKBONE
            || architecture
                .nodes
                .iter()
                .any(|node| node.parameters() > 0 && freeze::belongs(&node.name, stage))
    };
    match factors.keys().find(|stage| !has(stage)) {
        None => Ok(()),
        Some(stage) => Err(Error::input(
            format!("train.lr_multipliers.{}", text::sanitize(stage)),
            "is not a stage of this network",
            format!(
                "use one of {BACKBONE}, {}",
                freeze::stages(architecture).join(", ")
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Shape, resolve};
    use crate::profile::Profile;

    fn network() -> Architecture {
        let input = Shape::Map {
            channels: 3,
            height: 32,
            width: 32,
        };
        resolve(&Profile::new("resnet18").model, input, 10).unwrap()
    }

    fn factors(list: &[(&str, f64)]) -> BTreeMap<String, f64> {
        list.iter().map(|(k, v)| ((*k).to_string(), *v)).collect()
    }

    #[test]
    fn stages_that_never_learn_are_known() {
        let named = factors(&[
            ("backbone", 0.1),
            ("layer1", 0.2),
            ("layer4.1", 0.3),
            ("fc", 2.0),
        ]);
        let idle = |freeze| super::idle(&network(), freeze, &named).unwrap();
        assert!(idle("none").is_empty());
        assert_eq!(idle("layer2"), ["layer1"]);
        assert_eq!(idle("backbone"), ["backbone", "layer1", "layer4.1"]);
    }

    #[test]
    fn the_nearest_stage_decides() {
        let named = factors(&[("backbone", 0.1), ("layer1", 0.2), ("layer1.0", 0.3)]);
        let rates = LrMultipliers::new(&network(), &named);
        for (parameter, factor) in [
            ("conv1.weight", 0.1),
            ("layer1.0.conv1.weight", 0.3),
            ("layer1.1.bn1.bias", 0.2),
            ("layer4.1.conv2.weight", 0.1),
            ("fc.weight", 1.0),
        ] {
            assert_eq!(rates.of(parameter), factor, "{parameter}");
        }
        assert_eq!(
            LrMultipliers::new(&network(), &factors(&[])).of("conv1.weight"),
            1.0
        );
    }

    #[test]
    fn a_stage_that_is_not_there_is_refused() {
        let network = network();
        assert!(check(&network, &factors(&[("backbone", 0.1), ("fc", 2.0)])).is_ok());
        let message = check(&network, &factors(&[("layer9", 0.1)])).unwrap_err();
        assert_eq!(
            message.to_string(),
            "train.lr_multipliers.layer9 is not a stage of this network; use one of backbone, conv1, bn1, layer1, layer2, layer3, layer4, fc"
        );
    }
}
