//! What is known of data sets by their name: published hashes, names of classes, and EMNIST's peculiarities.
//!
//! A set that is not listed here loads all the same; its classes are then called by their numbers.

/// One published file.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Without `.gz`.
    pub file: &'static str,
    /// Decompressed.
    pub bytes: u64,
    /// Of the decompressed file; re-compressed copies differ in the compressed bytes only.
    pub sha256: &'static str,
}

/// Fashion-MNIST in the order train images, train labels, test images, test labels.
///
/// Reference: <https://github.com/zalandoresearch/fashion-mnist>.
pub const FASHION_MNIST: [Published; 4] = [
    Published {
        file: "train-images-idx3-ubyte",
        bytes: 47_040_016,
        sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    },
    Published {
        file: "train-labels-idx1-ubyte",
        bytes: 60_008,
        sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    },
    Published {
        file: "t10k-images-idx3-ubyte",
        bytes: 7_840_016,
        sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    },
    Published {
        file: "t10k-labels-idx1-ubyte",
        bytes: 10_008,
        sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
];

/// The published files of the set called `name`, where they are known.
#[must_use]
pub fn published(name: &str) -> Option<&'static [Published; 4]> {
    (name == "fashion-mnist").then_some(&FASHION_MNIST)
}

/// The names of the classes of the set called `name`, where they are known.
#[must_use]
pub fn classes(name: &str) -> Option<Vec<String>> {
    const CLOTHES: [&str; 10] = [
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
    ];
    const KUZUSHIJI: [&str; 10] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"];
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let letters = |text: &str| text.chars().map(String::from).collect();
    let digits = "0123456789";
    let capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    match normalised(name).as_str() {
        "fashion-mnist" | "fashion-mnist-mini" => Some(owned(&CLOTHES)),
        "kmnist" | "kuzushiji-mnist" => Some(owned(&KUZUSHIJI)),
        "mnist" | "qmnist" | "emnist-digits" | "emnist-mnist" => Some(letters(digits)),
        "emnist-letters" => Some(letters(capitals)),
        // Capitals and small letters that look alike are one class (Cohen et al. 2017, "EMNIST", table II).
        "emnist-balanced" | "emnist-bymerge" => {
            Some(letters(&format!("{digits}{capitals}abdefghnqrt")))
        }
        "emnist-byclass" => Some(letters(&format!(
            "{digits}{capitals}abcdefghijklmnopqrstuvwxyz"
        ))),
        _ => None,
    }
}

/// Whether the set's files hold every picture with rows and columns swapped, as all of EMNIST's do.
#[must_use]
pub fn is_transposed(name: &str) -> bool {
    normalised(name).starts_with("emnist")
}

/// Whether the set's labels count from 1, as EMNIST's letters do.
#[must_use]
pub fn counts_from_one(name: &str) -> bool {
    normalised(name) == "emnist-letters"
}

fn normalised(name: &str) -> String {
    name.to_lowercase().replace(['_', ' '], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sets_have_as_many_names_as_classes() {
        for (name, count) in [
            ("fashion-mnist", 10),
            ("MNIST", 10),
            ("kmnist", 10),
            ("emnist_letters", 26),
            ("emnist-balanced", 47),
            ("emnist-bymerge", 47),
            ("emnist-byclass", 62),
            ("emnist-digits", 10),
        ] {
            assert_eq!(classes(name).unwrap().len(), count, "{name}");
        }
        assert_eq!(classes("k49"), None);
        assert!(is_transposed("emnist-digits") && !is_transposed("kmnist"));
    }
}
