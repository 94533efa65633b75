//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009, "Learning multiple layers of features from tiny images").
//!
//! Reference: <https://www.cs.toronto.edu/~kriz/cifar.html>. Classes are spelt as in the sets' own lists of names.

use super::{Archive, Classes, PLAIN, Set, Source, download};

pub(super) const TEN: Set = Set {
    name: "cifar10",
    title: "CIFAR-10",
    aliases: &["cifar-10"],
    classes: Classes::Words(&[
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]),
    statistics: &[(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)],
    archives: &[
        Archive {
            name: "cifar-10-binary.tar.gz",
            directory: "cifar-10-batches-bin",
        },
        Archive {
            name: "cifar-10-python.tar.gz",
            directory: "cifar-10-batches-py",
        },
    ],
    source: Source::Download(download::CIFAR_10),
    ..COLOURED
};

/// By its fine labels.
pub(super) const HUNDRED: Set = Set {
    name: "cifar100",
    title: "CIFAR-100",
    aliases: &["cifar-100"],
    classes: Classes::Words(FINE),
    statistics: &[(0.5071, 0.2673), (0.4865, 0.2564), (0.4409, 0.2762)],
    archives: &[
        Archive {
            name: "cifar-100-binary.tar.gz",
            directory: "cifar-100-binary",
        },
        Archive {
            name: "cifar-100-python.tar.gz",
            directory: "cifar-100-python",
        },
    ],
    source: Source::Download(download::CIFAR_100),
    ..COLOURED
};

/// The same images by their coarse labels.
pub(super) const COARSE: Set = Set {
    name: "cifar100-coarse",
    title: "CIFAR-100, superclasses",
    aliases: &["cifar-100-coarse"],
    classes: Classes::Words(SUPERCLASSES),
    ..HUNDRED
};

const COLOURED: Set = Set {
    shape: [3, 32, 32],
    images: (50_000, 10_000),
    ..PLAIN
};

#[rustfmt::skip]
const FINE: &[&str] = &[
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
    "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
    "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox",
    "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom",
    "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake",
    "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle",
    "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

const SUPERCLASSES: &[&str] = &[
    "aquatic_mammals",
    "fish",
    "flowers",
    "food_containers",
    "fruit_and_vegetables",
    "household_electrical_devices",
    "household_furniture",
    "insects",
    "large_carnivores",
    "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores",
    "medium_mammals",
    "non-insect_invertebrates",
    "people",
    "reptiles",
    "small_mammals",
    "trees",
    "vehicles_1",
    "vehicles_2",
];
