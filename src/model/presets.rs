//! The presets: complete profiles, compiled in, with the story of each in the order of the study that they retrace.
//!
//! The recipes are the files under `profiles/`, so that they can be read and copied; this room adds only words to them.

use crate::error::Result;
use crate::profile::Profile;

/// The text of a preset's file.
macro_rules! file {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/profiles/",
            $name,
            ".toml"
        ))
    };
}

mod deep;
mod shallow;
mod transfer;

/// A profile to start from, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Also the name of its file and the `name` in it.
    pub name: &'static str,
    /// One of [`GROUPS`].
    pub group: &'static str,
    pub title: &'static str,
    /// Of the paper.
    pub year: u16,
    /// Authors, title, place.
    pub paper: &'static str,
    /// What it is and why it came about.
    pub story: &'static str,
    /// What to watch while it trains and afterwards.
    pub look_for: &'static str,
    /// The file's text.
    pub toml: &'static str,
}

/// The study's progression.
pub const GROUPS: [&str; 10] = [
    "Perceptron",
    "MLP",
    "MLP from scratch",
    "LeNet",
    "Modern LeNet",
    "Improved CNN",
    "ResNet",
    "Small ResNet",
    "VGG",
    "Your own",
];

/// Every preset, in the order of the study.
#[must_use]
pub fn all() -> &'static [Preset] {
    &ALL
}

/// The preset called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// The profile, ready to be trained.
    ///
    /// # Errors
    /// `Input` when the compiled-in file is not a profile, which the tests rule out.
    pub fn profile(&self) -> Result<Profile> {
        Profile::parse(self.toml, &format!("preset {}", self.name))
    }
}

const ALL: [Preset; 35] = {
    let parts: [&[Preset]; 4] = [
        &shallow::PRESETS,
        &deep::PRESETS,
        &transfer::PRESETS,
        &[deep::YOUR_OWN],
    ];
    let mut all = [deep::YOUR_OWN; 35];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut i = 0;
        while i < parts[part].len() {
            all[at] = parts[part][i];
            (i, at) = (i + 1, at + 1);
        }
        part += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Shape, resolve};

    /// What the network sees of a 28 × 28 grey picture.
    fn input(profile: &Profile) -> Shape {
        let side = match profile.data.image_size {
            0 => 28,
            side => side,
        };
        Shape::Map {
            channels: profile.data.channels,
            height: side,
            width: side,
        }
    }

    #[test]
    fn every_preset_resolves_to_the_studys_parameters() {
        let parameters = [
            ("perceptron", 7_850),
            ("mlp-20", 15_910),
            ("mlp-50", 39_760),
            ("mlp-80", 63_610),
            ("mlp-100", 79_510),
            ("mlp-150", 119_260),
            ("mlp-200", 159_010),
            ("mlp-20-l2", 15_910),
            ("mlp-20-20", 16_330),
            ("mlp-20-20-20", 16_750),
            ("mlp-50-20", 40_480),
            ("mlp-20-50-20", 17_980),
            ("mlp-100-50", 84_060),
            ("mlp-100-100-50-sweep", 94_160),
            ("mlp-100-100-50", 94_160),
            ("mlp-scratch", 94_160),
            ("lenet5-1998", 61_706),
            ("lenet5", 211_203),
            ("modern-lenet", 211_437),
            ("improved-cnn", 1_702_090),
            ("resnet18-scratch", 11_181_642),
            ("resnet18-finetune", 11_181_642),
            ("resnet18-frozen", 11_181_642),
            ("resnet18-a1-finetune", 11_181_642),
            ("resnet18-a1-frozen", 11_181_642),
            ("resnet20-cifar-scratch", 269_722),
            ("resnet20-cifar-finetune", 269_722),
            ("resnet20-cifar-frozen", 269_722),
            ("vgg11-bn-scratch", 9_231_114),
            ("vgg11-bn-finetune", 9_231_114),
            ("vgg11-bn-frozen", 9_231_114),
            ("vgg16-scratch", 14_719_818),
            ("vgg16-finetune", 14_719_818),
            ("vgg16-frozen", 14_719_818),
            ("custom-cnn", 77_290),
        ];
        let names: Vec<&str> = all().iter().map(|preset| preset.name).collect();
        assert_eq!(names, parameters.map(|(name, _)| name));
        for (name, want) in parameters {
            let profile = find(name).unwrap().profile().unwrap();
            let network = resolve(&profile.model, input(&profile), 10).unwrap();
            assert_eq!(network.parameters(), want, "{name}");
            assert_eq!(profile.name, name);
            assert_eq!((profile.format, profile.train.seed), (1, 42));
        }
    }

    #[test]
    fn groups_come_in_their_order_and_none_is_empty() {
        let mut groups: Vec<&str> = all().iter().map(|preset| preset.group).collect();
        groups.dedup();
        assert_eq!(groups, GROUPS);
    }

    #[test]
    fn every_file_under_profiles_is_a_preset() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles");
        let mut files = 0;
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "toml") {
                let name = path.file_stem().unwrap().to_str().unwrap();
                assert!(find(name).is_some(), "{name}");
                files += 1;
            }
        }
        assert_eq!(files, all().len());
    }

    #[test]
    fn the_convolutional_part_has_the_studys_settings() {
        for name in ["lenet5", "modern-lenet", "improved-cnn", "resnet18-scratch"] {
            let profile = find(name).unwrap().profile().unwrap();
            let (data, train) = (profile.data, profile.train);
            assert_eq!(
                (data.mean, data.std, data.validation),
                (0.2859, 0.3530, 0.0)
            );
            assert_eq!((train.epochs, train.batch_size), (20, 64));
            assert_eq!(train.optimizer, crate::profile::Optimizer::default());
        }
    }
}
