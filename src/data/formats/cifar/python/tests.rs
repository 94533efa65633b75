//! Pickles that `scripts/data_fixtures.py` wrote with numpy.

use std::io::Read;
use std::path::Path;

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        unpack(include_bytes!(concat!(
            "../../testdata/",
            $name,
            ".pickle.gz"
        )))
    };
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn origin() -> Origin {
    Origin::new(Path::new("data_batch_1"), "replace it")
}

/// As the script's `images`.
fn pixels(images: usize) -> Vec<u8> {
    let image = |i: usize| (0..VALUES).map(move |at| ((31 * i + 7 * at) % 251) as u8);
    (0..images).flat_map(image).collect()
}

fn ten(bytes: &[u8]) -> Result<Batch> {
    read(bytes, Kind::Ten, Labels::Fine, &origin())
}

#[test]
fn every_way_that_numpy_pickles_is_read() {
    let expected = Batch {
        pixels: pixels(2),
        labels: vec![6, 9],
    };
    for bytes in [
        fixture!("cifar_python2"),
        fixture!("cifar_protocol2"),
        fixture!("cifar_planes"),
    ] {
        assert_eq!(ten(&bytes).unwrap(), expected);
    }
    let hundred = fixture!("cifar_protocol5");
    for (labels, expected) in [(Labels::Fine, [19, 29]), (Labels::Coarse, [11, 15])] {
        let batch = read(&hundred, Kind::Hundred, labels, &origin()).unwrap();
        assert_eq!((batch.labels, batch.pixels), (expected.to_vec(), pixels(2)));
    }
    let meta = fixture!("cifar_meta");
    let names = |labels| names(&meta, Kind::Ten, labels, &origin());
    assert_eq!(names(Labels::Fine).unwrap(), ["one", "two"]);
}

#[test]
fn what_is_no_batch_is_told() {
    let message = |bytes: &[u8]| ten(bytes).unwrap_err().to_string();
    for (bytes, problem) in [
        (fixture!("cifar_fortran"), "Fortran order"),
        (
            fixture!("cifar_int64"),
            "something else than unsigned bytes",
        ),
        (fixture!("cifar_meta"), "has no data"),
        (fixture!("cifar_protocol5"), "has no list labels"),
        (b"\x80\x02]q\x00.".to_vec(), "is not a pickled dictionary"),
        (b"<html>".to_vec(), "is damaged"),
    ] {
        let told = message(&bytes);
        assert!(told.contains(problem), "{told}");
        assert!(
            told.starts_with("data_batch_1 ") && told.ends_with("; replace it"),
            "{told}"
        );
    }
    let meta = names(
        &fixture!("cifar_meta"),
        Kind::Hundred,
        Labels::Fine,
        &origin(),
    );
    assert!(
        meta.unwrap_err()
            .to_string()
            .contains("has no list fine_label_names")
    );
}

#[test]
fn truncation_anywhere_is_an_error() {
    for bytes in [fixture!("cifar_python2"), fixture!("cifar_protocol5")] {
        for length in 0..bytes.len() {
            assert!(ten(&bytes[..length]).is_err(), "{length}");
        }
    }
}

/// Whatever the pickle says of sizes, a batch has as many labels as images, and no more than the file has bytes.
#[test]
fn no_flipped_bit_of_what_describes_the_array_breaks_the_reader() {
    let good = fixture!("cifar_python2");
    for at in (0..200).chain(good.len() - 60..good.len()) {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(batch) = ten(&bytes) {
                assert_eq!(batch.pixels.len(), batch.labels.len() * VALUES);
                assert!(batch.pixels.len() <= bytes.len());
            }
        }
    }
}
