//! The published data sets: a row each, with all that is known of a set by its name.
//!
//! Nothing else in the program names one of them. Plain data: finding, reading and downloading are the room `data`'s. A
//! set that has no row here loads all the same; its classes are then called by their numbers.

mod cifar;
mod download;

pub(crate) use download::{Digest, Download, Parcel, Size};

/// The set of a recipe that names none, by [`Set::name`].
pub(crate) const DEFAULT: &str = "fashion-mnist";

/// The set that is compiled into the program and can never be missing: the first images of each class of [`DEFAULT`].
pub(crate) const BUILT_IN: &str = "fashion-mnist-mini";

/// What is known of a data set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    /// As in `data.name`, and the directory of its files.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Other names that mean the same classes.
    pub aliases: &'static [&'static str],
    pub classes: Classes,
    /// Mean and standard deviation of the training set, of values in 0–1, for each channel; empty where none are given.
    pub statistics: &'static [(f64, f64)],
    /// **Shape** `[channels, height, width]` of an image.
    pub shape: [usize; 3],
    /// Images of the training set and of the test set; 0 where nothing depends on them.
    pub images: (u32, u32),
    /// Empty where other files of this name are taken too.
    pub files: &'static [File],
    pub source: Source,
    /// The directory that torchvision keeps it in, its files one deeper, in `raw`.
    pub torchvision: Option<&'static str>,
    /// The number of the first class in its files.
    pub first_label: u8,
    /// What it is published as, where that is one archive.
    pub archives: &'static [Archive],
}

/// A published archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Archive {
    pub name: &'static str,
    /// The directory that it unpacks to.
    pub directory: &'static str,
}

/// Where a set comes from that is not here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Download(Download),
    /// Gzipped files that are part of the program, in the order of a set's files.
    BuiltIn(&'static [&'static [u8]; 4]),
    /// Whoever has it puts it there.
    Unknown,
}

/// Names of classes in the order of their labels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Classes {
    Words(&'static [&'static str]),
    /// A character each.
    Characters(&'static str),
}

/// One published file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    /// Without `.gz`.
    pub name: &'static str,
    /// Decompressed.
    pub bytes: u64,
    /// Of the decompressed file; re-compressed copies differ in the compressed bytes only.
    pub sha256: &'static str,
}

const CLOTHES: Classes = Classes::Words(&[
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]);

/// What most sets have nothing else than.
const PLAIN: Set = Set {
    name: "",
    title: "",
    aliases: &[],
    classes: Classes::Characters("0123456789"),
    statistics: &[],
    shape: [1, 28, 28],
    images: (0, 0),
    files: &[],
    source: Source::Unknown,
    torchvision: None,
    first_label: 0,
    archives: &[],
};

/// Reference: <https://github.com/zalandoresearch/fashion-mnist>.
const FASHION_MNIST: Set = Set {
    name: DEFAULT,
    title: "Fashion-MNIST",
    classes: CLOTHES,
    statistics: &[(0.2859, 0.3530)],
    images: (60_000, 10_000),
    files: &[
        File {
            name: "train-images-idx3-ubyte",
            bytes: 47_040_016,
            sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        },
        File {
            name: "train-labels-idx1-ubyte",
            bytes: 60_008,
            sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        },
        File {
            name: "t10k-images-idx3-ubyte",
            bytes: 7_840_016,
            sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        },
        File {
            name: "t10k-labels-idx1-ubyte",
            bytes: 10_008,
            sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ],
    source: Source::Download(download::FASHION_MNIST),
    torchvision: Some("FashionMNIST"),
    ..PLAIN
};

macro_rules! built_in {
    ($file:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/data/fashion-mnist-mini/",
            $file
        ))
    };
}

/// Made by `scripts/make_mini.py` of the files above: the first 200 training and 50 test images of each class.
const FASHION_MNIST_MINI: Set = Set {
    name: BUILT_IN,
    title: "Fashion-MNIST, a subset",
    images: (2000, 500),
    // Its mean and deviation are those of the whole set.
    files: &[],
    source: Source::BuiltIn(&[
        built_in!("train-images-idx3-ubyte.gz"),
        built_in!("train-labels-idx1-ubyte.gz"),
        built_in!("t10k-images-idx3-ubyte.gz"),
        built_in!("t10k-labels-idx1-ubyte.gz"),
    ]),
    torchvision: None,
    ..FASHION_MNIST
};

/// Capitals and small letters that look alike are one class (Cohen et al. 2017, "EMNIST", table II).
const MERGED: Classes = Classes::Characters("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt");

/// Every set of which something is known.
pub(crate) const SETS: &[Set] = &[
    FASHION_MNIST,
    FASHION_MNIST_MINI,
    Set {
        name: "mnist",
        title: "MNIST",
        source: Source::Download(download::MNIST),
        torchvision: Some("MNIST"),
        ..PLAIN
    },
    Set {
        name: "qmnist",
        title: "QMNIST",
        source: Source::Download(download::QMNIST),
        torchvision: Some("QMNIST"),
        ..PLAIN
    },
    Set {
        name: "kmnist",
        title: "Kuzushiji-MNIST",
        aliases: &["kuzushiji-mnist"],
        classes: Classes::Words(&["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]),
        source: Source::Download(download::KMNIST),
        torchvision: Some("KMNIST"),
        ..PLAIN
    },
    Set {
        name: "emnist-digits",
        title: "EMNIST Digits",
        source: Source::Download(download::EMNIST_DIGITS),
        ..PLAIN
    },
    Set {
        name: "emnist-mnist",
        title: "EMNIST MNIST",
        source: Source::Download(download::EMNIST_MNIST),
        ..PLAIN
    },
    Set {
        name: "emnist-letters",
        title: "EMNIST Letters",
        source: Source::Download(download::EMNIST_LETTERS),
        classes: Classes::Characters("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        first_label: 1,
        ..PLAIN
    },
    Set {
        name: "emnist-balanced",
        title: "EMNIST Balanced",
        source: Source::Download(download::EMNIST_BALANCED),
        classes: MERGED,
        ..PLAIN
    },
    Set {
        name: "emnist-bymerge",
        title: "EMNIST ByMerge",
        source: Source::Download(download::EMNIST_BYMERGE),
        classes: MERGED,
        ..PLAIN
    },
    Set {
        name: "emnist-byclass",
        title: "EMNIST ByClass",
        source: Source::Download(download::EMNIST_BYCLASS),
        classes: Classes::Characters(
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        ),
        ..PLAIN
    },
    cifar::TEN,
    cifar::HUNDRED,
    cifar::COARSE,
];

/// The set of exactly this name.
#[must_use]
pub(crate) fn find(name: &str) -> Option<&'static Set> {
    SETS.iter().find(|set| set.name == name)
}

/// A set's name for people.
#[must_use]
pub(crate) fn title(name: &str) -> &str {
    find(name).map_or(name, |set| set.title)
}

/// The set whose classes a set of this name has, however it is spelt.
#[must_use]
pub(crate) fn alike(name: &str) -> Option<&'static Set> {
    let name = normalised(name);
    SETS.iter()
        .find(|set| set.name == name || set.aliases.contains(&name.as_str()))
}

/// The sets that can be downloaded.
pub(crate) fn fetchable() -> impl Iterator<Item = &'static Set> {
    SETS.iter().filter(|set| set.download().is_some())
}

/// Whether a set's files hold every image with rows and columns swapped, as all of EMNIST's do.
#[must_use]
pub(crate) fn is_transposed(name: &str) -> bool {
    normalised(name).starts_with("emnist")
}

fn normalised(name: &str) -> String {
    name.to_lowercase().replace(['_', ' '], "-")
}

impl Set {
    /// Whether its files are held to published SHA-256, or come with the program.
    #[must_use]
    pub(crate) fn is_verified(&self) -> bool {
        !self.files.is_empty() || matches!(self.source, Source::BuiltIn(_))
    }

    /// Where it can be downloaded.
    #[must_use]
    pub(crate) fn download(&self) -> Option<&Download> {
        match &self.source {
            Source::Download(download) => Some(download),
            Source::BuiltIn(_) | Source::Unknown => None,
        }
    }

    /// Mean and standard deviation where the set has one channel and they are given.
    #[must_use]
    pub(crate) fn grey(&self) -> Option<(f64, f64)> {
        match self.statistics {
            [grey] => Some(*grey),
            _ => None,
        }
    }
}

impl Classes {
    #[must_use]
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Words(words) => words.iter().map(ToString::to_string).collect(),
            Self::Characters(characters) => characters.chars().map(String::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sets_have_as_many_names_as_classes() {
        for (name, count) in [
            (DEFAULT, 10),
            (BUILT_IN, 10),
            ("MNIST", 10),
            ("kuzushiji_mnist", 10),
            ("emnist_letters", 26),
            ("emnist-balanced", 47),
            ("emnist-bymerge", 47),
            ("emnist-byclass", 62),
            ("emnist-mnist", 10),
            ("CIFAR-10", 10),
            ("cifar100", 100),
            ("cifar100-coarse", 20),
        ] {
            assert_eq!(alike(name).unwrap().classes.names().len(), count, "{name}");
        }
        assert!(alike("k49").is_none());
        assert!(is_transposed("emnist-digits") && !is_transposed("kmnist"));
    }

    #[test]
    fn rows_are_whole() {
        for (place, set) in SETS.iter().enumerate() {
            assert!(!set.name.is_empty() && !set.title.is_empty(), "{place}");
            let names = || [set.name].into_iter().chain(set.aliases.iter().copied());
            for name in names() {
                assert_eq!(normalised(name), name);
                let first = SETS
                    .iter()
                    .position(|s| s.name == alike(name).unwrap().name);
                assert_eq!(first, Some(place), "{name} has two rows");
            }
            for file in set.files {
                assert_eq!(file.sha256.len(), 64, "{}", file.name);
            }
            for (mean, std) in set.statistics {
                assert!((0.0..1.0).contains(mean) && (0.0..1.0).contains(std));
            }
            if let Some(download) = set.download() {
                let is_verified = !set.files.is_empty() || !download.parcels.is_empty();
                assert!(is_verified, "{} cannot be verified", set.name);
                assert!(download.mirrors[0].starts_with("http"), "{}", set.name);
                for parcel in download.parcels {
                    let (digits, digest) = match parcel.digest {
                        Digest::Sha256(digest) => (64, digest),
                        Digest::Md5(digest) => (32, digest),
                    };
                    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                    assert!(digest.len() == digits && digest.chars().all(is_hex));
                }
            }
        }
        assert_eq!(
            find(BUILT_IN).unwrap().grey(),
            find(DEFAULT).unwrap().grey()
        );
        assert!(find("Fashion_MNIST").is_none());
    }
}
