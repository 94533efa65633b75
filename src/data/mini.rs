//! The set that is compiled into the program: nothing is looked for and nothing can be missing.

use super::Dataset;
use super::formats::idx;
use crate::catalog::{self, Source};
use crate::error::{Error, Result};

/// The set's name in profiles.
pub const NAME: &str = catalog::BUILT_IN;

/// Unpacks the built-in set; takes some 10 ms.
///
/// # Errors
/// `Input` when the program was built from damaged files.
pub fn load() -> Result<Dataset> {
    match catalog::find(NAME).map(|set| set.source) {
        Some(Source::BuiltIn(files)) => idx::unpack(
            NAME,
            files,
            "run scripts/make_mini.py and build fmtui again",
        ),
        _ => Err(Error::compute(
            "unpacking the built-in set",
            "it is not in this build",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::statistics::class_counts;
    use crate::storage::sha256;

    #[test]
    fn the_built_in_set_is_the_real_one() {
        let set = load().unwrap();
        assert_eq!((set.train.len(), set.test.len()), (2000, 500));
        assert_eq!((set.height, set.width, set.classes.len()), (28, 28, 10));
        assert_eq!(set.classes[9], "Ankle boot");
        assert_eq!(
            class_counts(set.train.labels.iter().copied(), 10),
            [200; 10]
        );
        assert_eq!(class_counts(set.test.labels.iter().copied(), 10), [50; 10]);
        // The first training image of Fashion-MNIST is an ankle boot.
        assert_eq!((set.label(0), set.label(1)), (9, 0));
        assert_eq!(
            set.sha256,
            "634f28d3c878c2ecedd30dc006bdde27d5a0e3ff6ae6ca96d283208c03e0b8dc"
        );
    }

    /// Decompressed, as `data/fashion-mnist-mini/README.md` lists them.
    #[test]
    fn hashes_are_pinned() {
        let expected = [
            "a724cd72799a6b1c3a81c4263865a75a73bb6473673b3394e34adf222930f19e",
            "4738fd437c0f8d6498ae7f6f5c86f1cc3c878d4116ff169fc5635bd6847899cc",
            "8fdf02ada67d92f4db5ba3c2f6c5b1cc6186ba6e0efd4914661e4389e103b81e",
            "9c71808b3a0ebfc091442c0009a7aa35be2d9622bf6aaf6891ce9a0088e96c07",
        ];
        let Some(Source::BuiltIn(files)) = catalog::find(NAME).map(|set| set.source) else {
            panic!("not built in")
        };
        for (file, expected) in files.iter().zip(expected) {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(*file), &mut bytes)
                .unwrap();
            assert_eq!(sha256(&bytes), expected);
        }
    }
}
