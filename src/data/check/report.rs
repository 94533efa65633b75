//! What a check comes to: findings, the worst first.

use super::Source;
use crate::data::Part;
use crate::text;

/// What was found, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The same pixels in two splits.
    Leak,
    /// The same pixels under two labels.
    LabelConflict,
    /// Files that cannot be read as images.
    Unreadable,
    /// Nearly the same image in two splits.
    NearLeak,
    /// The same pixels twice in a split.
    Copy,
    Constant,
    /// A class that a split has none of.
    MissingClass,
    SmallClass,
    Normalization,
    /// Nearly the same image twice in a split.
    NearCopy,
    NearlyBlank,
    Imbalance,
    WrongExtension,
    /// Images in the set's directory that are not in the set.
    NewFiles,
    OtherFiles,
    Channels,
    Sizes,
    AspectRatio,
}

impl Kind {
    /// As JSON has it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::LabelConflict => "label_conflict",
            Self::Unreadable => "unreadable",
            Self::NearLeak => "near_leak",
            Self::Copy => "copy",
            Self::Constant => "constant",
            Self::MissingClass => "missing_class",
            Self::SmallClass => "small_class",
            Self::Normalization => "normalization",
            Self::NearCopy => "near_copy",
            Self::NearlyBlank => "nearly_blank",
            Self::Imbalance => "imbalance",
            Self::WrongExtension => "wrong_extension",
            Self::NewFiles => "new_files",
            Self::OtherFiles => "other_files",
            Self::Channels => "channels",
            Self::Sizes => "sizes",
            Self::AspectRatio => "aspect_ratio",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Somebody should decide what to do about it.
    Problem,
    /// Good to know.
    Note,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub kind: Kind,
    pub level: Level,
    /// Of images, files or classes.
    pub count: usize,
    /// In a line, with the count.
    pub words: String,
    pub cases: Vec<Case>,
}

/// One of the images that a finding is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// As the source counts; `None` for a class, or a file that was refused by its name.
    pub image: Option<u32>,
    /// The one that it is a copy of.
    pub copy_of: Option<u32>,
    /// What else there is to say; the whole where there is no image.
    pub words: String,
}

impl Case {
    pub(super) fn of(image: u32, words: impl Into<String>) -> Self {
        Self {
            image: Some(image),
            copy_of: None,
            words: words.into(),
        }
    }

    pub(super) fn pair(image: u32, copy_of: u32, words: impl Into<String>) -> Self {
        Self {
            copy_of: Some(copy_of),
            ..Self::of(image, words)
        }
    }

    pub(super) fn told(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            ..Self::default()
        }
    }

    /// In a line: `test/rose/7.jpg = train/rose/3.jpg`.
    #[must_use]
    pub fn line(&self, source: &Source, kind: Kind) -> String {
        let Some(image) = self.image else {
            return self.words.clone();
        };
        let copy = self.copy_of.map_or_else(String::new, |copy| {
            let near = matches!(kind, Kind::NearLeak | Kind::NearCopy);
            let sign = if near { "≈" } else { "=" };
            format!(" {sign} {}", source.name(copy))
        });
        let gap = if self.words.is_empty() { "" } else { " " };
        format!("{}{copy}{gap}{}", source.name(image), self.words)
    }
}

/// A checked set.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Images that can be read and are not excluded, in [`Part::ALL`]'s order.
    pub images: [usize; 3],
    pub classes: usize,
    /// Left out by the set's list.
    pub excluded: usize,
    /// Whether the test split was drawn for the check, as adding the directory will draw it.
    pub divided: bool,
    /// Of the training images, in 0–1; one where all are grey, else three.
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    /// The worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Images of a split.
    #[must_use]
    pub fn count(&self, part: Part) -> usize {
        let place = Part::ALL.iter().position(|own| *own == part);
        place.map_or(0, |place| self.images[place])
    }

    pub fn of_level(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |f| f.level == level)
    }

    #[must_use]
    pub fn has_problems(&self) -> bool {
        self.of_level(Level::Problem).next().is_some()
    }
}

/// How much is to be expected of a split: what is held out is not thrown away for a copy that is trained on.
pub(super) fn rank(part: Part) -> u8 {
    match part {
        Part::Train => 0,
        Part::Validation => 1,
        Part::Test => 2,
    }
}

/// `1 image is`, `2 images are`.
pub(super) fn counted(count: usize, noun: &str, one: &str, many: &str) -> String {
    let does = if count == 1 { one } else { many };
    match noun {
        "class" if count != 1 => format!("{} classes {does}", text::grouped(count as u64)),
        noun => format!("{} {does}", text::count(count, noun)),
    }
}

pub(super) fn problem(kind: Kind, cases: Vec<Case>, words: String) -> Finding {
    Finding {
        kind,
        level: Level::Problem,
        count: cases.len(),
        words,
        cases,
    }
}

pub(super) fn note(kind: Kind, cases: Vec<Case>, words: String) -> Finding {
    Finding {
        level: Level::Note,
        ..problem(kind, cases, words)
    }
}
