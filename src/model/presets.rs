//! The presets: complete profiles, compiled in, with the story of each in the order of the study that they retrace.
//!
//! Both stand in the files under `profiles/`, so that they can be read and copied: the recipe, and below it the story
//! as a comment, of which every line `# Key: …` begins a part and every line `#   …` goes on with it.

use std::sync::LazyLock;

use crate::error::Result;
use crate::profile::Profile;

/// The texts of the files of these names.
macro_rules! files {
    ($($name:literal,)*) => {
        [$((
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/profiles/",
                $name,
                ".toml"
            )),
        ),)*]
    };
}

/// In the order of the study.
static ALL: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let files = files![
        "perceptron",
        "mlp-20",
        "mlp-50",
        "mlp-80",
        "mlp-100",
        "mlp-150",
        "mlp-200",
        "mlp-20-l2",
        "mlp-20-20",
        "mlp-20-20-20",
        "mlp-50-20",
        "mlp-20-50-20",
        "mlp-100-50",
        "mlp-100-100-50-sweep",
        "mlp-100-100-50",
        "mlp-scratch",
        "lenet5-1998",
        "lenet5",
        "modern-lenet",
        "improved-cnn",
        "improved-cnn-cifar10",
        "resnet18-scratch",
        "resnet18-finetune",
        "resnet18-frozen",
        "resnet18-a1-finetune",
        "resnet18-a1-frozen",
        "resnet20-cifar-scratch",
        "resnet20-cifar-finetune",
        "resnet20-cifar-frozen",
        "resnet20-cifar10",
        "vgg11-bn-scratch",
        "vgg11-bn-finetune",
        "vgg11-bn-frozen",
        "vgg16-scratch",
        "vgg16-finetune",
        "vgg16-frozen",
        "custom-cnn",
    ];
    files.map(|(name, text)| Preset::read(name, text)).into()
});

/// The group of profiles that are made to be changed.
pub const YOUR_OWN: &str = "Your own";

/// Begins the story: an empty line and its first part.
const STORY: &str = "\n# Group: ";

/// A profile to start from, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Also the name of its file and the `name` in it.
    pub name: &'static str,
    /// A step of the study's progression; those of a group follow each other.
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
    /// The file's text before the story.
    pub toml: &'static str,
}

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

    /// What a file says; parts that are missing are empty, which the tests rule out.
    fn read(name: &'static str, text: &'static str) -> Self {
        let (toml, story) = text.split_at(text.find(STORY).unwrap_or(text.len()));
        let part = |key: &str| -> &'static str {
            let begins = format!("# {key}: ");
            let mut lines = story.lines().skip_while(|line| !line.starts_with(&begins));
            let first = lines.next().map(|line| &line[begins.len()..]);
            let more = lines.map_while(|line| line.strip_prefix("#   "));
            let parts: Vec<&str> = first.into_iter().chain(more).collect();
            // Read once; a preset lives as long as the program.
            parts.join(" ").leak()
        };
        Self {
            name,
            group: part("Group"),
            title: part("Title"),
            year: part("Year").parse().unwrap_or(0),
            paper: part("Paper"),
            story: part("Story"),
            look_for: part("Look for"),
            toml,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;
    use crate::model::resolve;

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
            ("improved-cnn-cifar10", 2_194_186),
            ("resnet18-scratch", 11_181_642),
            ("resnet18-finetune", 11_181_642),
            ("resnet18-frozen", 11_181_642),
            ("resnet18-a1-finetune", 11_181_642),
            ("resnet18-a1-frozen", 11_181_642),
            ("resnet20-cifar-scratch", 269_722),
            ("resnet20-cifar-finetune", 269_722),
            ("resnet20-cifar-frozen", 269_722),
            ("resnet20-cifar10", 269_722),
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
            let set = catalog::find(&profile.data.name).unwrap();
            let network = resolve(&profile.model, profile.data.input(set.shape), 10).unwrap();
            assert_eq!(network.parameters(), want, "{name}");
            assert_eq!(profile.name, name);
            assert_eq!(
                (profile.format, profile.train.seed),
                (crate::profile::FORMAT, 42)
            );
        }
    }

    #[test]
    fn every_story_is_told_and_groups_stay_together() {
        let mut groups: Vec<&str> = all().iter().map(|preset| preset.group).collect();
        groups.dedup();
        let known = [
            "Perceptron",
            "MLP",
            "MLP from scratch",
            "LeNet",
            "Modern LeNet",
            "Improved CNN",
            "ResNet",
            "Small ResNet",
            "VGG",
            YOUR_OWN,
        ];
        assert_eq!(groups, known);
        for preset in all() {
            let name = preset.name;
            let parts = [preset.title, preset.paper, preset.story, preset.look_for];
            assert!(parts.iter().all(|part| !part.is_empty()), "{name}");
            assert!((1950..2100).contains(&preset.year), "{name}");
            assert!(!preset.toml.contains("# Story"), "{name}");
            assert!(preset.toml.ends_with('\n') && !preset.toml.ends_with("\n\n"));
        }
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
                (data.normalize, data.mean, data.validation),
                (crate::profile::Normalize::Dataset, None, 0.0)
            );
            assert_eq!((train.epochs, train.batch_size), (20, 64));
            assert_eq!(train.optimizer, crate::profile::Optimizer::default());
        }
    }
}
