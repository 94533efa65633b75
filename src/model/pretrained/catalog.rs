//! What is known of weights by their names alone, before they are here: those that the presets begin with, and their
//! kin.

/// Who made some weights, of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub trained_by: &'static str,
    pub trained_on: &'static str,
    pub licence: &'static str,
    /// **Units** bytes of the file, to a percent.
    pub bytes: u64,
}

impl Known {
    /// What it was trained on, in a word.
    #[must_use]
    pub(crate) fn short_name(&self) -> &'static str {
        self.trained_on.split(',').next().unwrap_or_default()
    }
}

/// Parameters of networks for the thousand classes of ImageNet, by timm's names.
const NETWORKS: [(&str, u64); 11] = [
    ("resnet18", 11_689_512),
    ("resnet34", 21_797_672),
    ("resnet50", 25_557_032),
    ("vgg11", 132_863_336),
    ("vgg11_bn", 132_868_840),
    ("vgg13", 133_047_848),
    ("vgg13_bn", 133_053_736),
    ("vgg16", 138_357_544),
    ("vgg16_bn", 138_365_992),
    ("vgg19", 143_667_240),
    ("vgg19_bn", 143_678_248),
];

/// What is known of the weights that `model.pretrained` names, whatever their revision or directory.
#[must_use]
pub(crate) fn known(pretrained: &str) -> Option<Known> {
    if pretrained.rsplit('/').next() == Some("resnet20-12fca82f.th") {
        return Some(Known {
            trained_by: "Yerlan Idelbayev, github.com/akamaster/pytorch_resnet_cifar10",
            trained_on: "CIFAR-10, 50,000 photographs of 32 × 32 in 10 classes",
            licence: "BSD-2-Clause",
            bytes: 1_099_231,
        });
    }
    let repository = pretrained.strip_prefix("hf:timm/")?;
    let (model, training) = repository.split(['@', ':']).next()?.split_once('.')?;
    let (_, parameters) = NETWORKS.iter().find(|(name, _)| *name == model)?;
    let (trained_by, licence) = match training {
        "tv_in1k" => ("torchvision (PyTorch), published by timm", "BSD-3-Clause"),
        "a1_in1k" | "a2_in1k" | "a3_in1k" if model.starts_with("resnet") => (
            "timm (R. Wightman and others), as in ResNet strikes back, 2021",
            "Apache-2.0",
        ),
        _ => return None,
    };
    Some(Known {
        trained_by,
        trained_on: "ImageNet-1k, 1.28 million photographs in 1,000 classes",
        licence,
        bytes: 4 * parameters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::presets;

    #[test]
    fn what_presets_begin_with_is_known() {
        for preset in presets::all() {
            let pretrained = preset.profile().unwrap().model.pretrained;
            assert!(
                pretrained.is_empty() || known(&pretrained).is_some(),
                "{}",
                preset.name
            );
        }
        let pinned = format!("hf:timm/vgg11_bn.tv_in1k@{}", "0".repeat(40));
        assert_eq!(known(&pinned).unwrap().bytes, 531_475_360);
        assert!(known("weights/resnet20-12fca82f.th").is_some());
        let own = known("hf:timm/resnet18.a1_in1k").unwrap();
        assert_eq!((own.licence, own.bytes), ("Apache-2.0", 46_758_048));
        for other in [
            "",
            "mine.pth",
            "run:last",
            "hf:timm/vgg16.a1_in1k",
            "hf:timm/resnet18.fb_ssl_yfcc100m_ft_in1k",
            "hf:other/resnet18.tv_in1k",
        ] {
            assert_eq!(known(other), None, "{other}");
        }
    }
}
