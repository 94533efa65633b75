//! Published archives, small ones, from download to data set.

use std::io::{Cursor, Write};

use fmtui::data::locate::{self, SearchPath};
use md5::{Digest, Md5};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

pub fn md5(bytes: &[u8]) -> String {
    fmtui::storage::hex(&Md5::digest(bytes))
}

/// The paths of EMNIST Letters in the published archive.
pub fn letters() -> Vec<String> {
    let parts = ["train", "test"].into_iter();
    let names =
        parts.flat_map(|part| ["images-idx3", "labels-idx1"].map(|kind| format!("{part}-{kind}")));
    names
        .map(|name| format!("gzip/emnist-letters-{name}-ubyte.gz"))
        .collect()
}

/// An IDX file of these dimensions, gzipped.
fn idx(dimensions: &[u32], values: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    file.extend(dimensions.iter().flat_map(|d| d.to_be_bytes()));
    file.extend(values);
    gzip(&file)
}

/// Two training images and one test image of each letter.
fn letters_files() -> Vec<(String, Vec<u8>)> {
    let file = |index: usize, of_each: u32| {
        let count = 26 * of_each;
        if index.is_multiple_of(2) {
            let values = (0..count * 784).map(|i| (i * 7 % 251) as u8);
            idx(&[count, 28, 28], values)
        } else {
            idx(&[count], (0..count).map(|i| (i % 26 + 1) as u8))
        }
    };
    let names = letters().into_iter().enumerate();
    names
        .map(|(i, name)| (name, file(i, if i < 2 { 2 } else { 1 })))
        .collect()
}

fn archive_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// As EMNIST is published, with other sets' files, a directory and entries that want to lead out of it.
pub fn emnist_archive() -> Vec<u8> {
    let files = letters_files();
    let mut entries: Vec<(&str, &[u8])> = vec![
        ("../../outside.gz", b"outside"),
        ("/tmp/fmtui-outside.gz", b"outside"),
        (
            "gzip/emnist-digits-train-images-idx3-ubyte.gz",
            b"another set's",
        ),
    ];
    entries.extend(files.iter().map(|(n, b)| (n.as_str(), b.as_slice())));
    entries.push(("gzip/../emnist-letters-mapping.txt", b"1 65 97"));
    archive_of(&entries)
}

/// As CIFAR-10 is published, with 20 images in each batch.
pub fn cifar_archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let names = (1..=5).map(|n| format!("data_batch_{n}.bin"));
    let names = names.chain(["test_batch.bin".into()]).enumerate();
    for (batch, name) in names {
        let record = |image: usize| {
            let stream = fmtui::rng::Stream::new(
                2,
                fmtui::rng::Purpose::Shuffle,
                20 * batch as u64 + image as u64,
            );
            let pixels = (0..3072).map(move |i| stream.word(i).to_le_bytes()[0]);
            std::iter::once((image % 10) as u8).chain(pixels)
        };
        let bytes: Vec<u8> = (0..20).flat_map(record).collect();
        append(&mut tar, &name, &bytes);
    }
    let classes = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    append(&mut tar, "batches.meta.txt", classes.as_bytes());
    tar.into_inner().unwrap().finish().unwrap()
}

/// As CIFAR-100 is published, with 100 training images and 20 test images.
fn cifar_100_archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (name, count) in [("train.bin", 100), ("test.bin", 20)] {
        let record = |image: usize| {
            let labels = [(image % 20) as u8, (image % 100) as u8];
            labels
                .into_iter()
                .chain(std::iter::repeat_n(image as u8, 3072))
        };
        let bytes: Vec<u8> = (0..count).flat_map(record).collect();
        append(&mut tar, name, &bytes);
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn append(tar: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    let path = format!("cifar-batches-bin/{name}");
    tar.append_data(&mut header, path, bytes).unwrap();
}

fn packed(file: &str, bytes: &[u8], members: Vec<String>) -> Remote {
    Remote {
        file: file.into(),
        check: Check::Sha256 {
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
        },
        members,
    }
}

fn fetch(fetcher: &Fetcher, name: &str, data: &Path) -> Result<Fetched> {
    fetcher.fetch(name, data, &mut |_| {}, &AtomicBool::new(false))
}

fn load(name: &str, data: &Path) -> fmtui::data::Dataset {
    let search = SearchPath {
        data_dir: None,
        workspace_data: data.into(),
    };
    assert!(
        locate::available(&search)
            .iter()
            .any(|found| found.name == name)
    );
    locate::load(name, &search).unwrap()
}

#[test]
fn emnist_comes_as_one_archive_and_the_files_of_one_set_stay() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("workspace/data");
    let archive = emnist_archive();
    let server = serve(&[("gzip.zip", archive.clone())], &[Behaviour::Right]);
    let fetcher = fetcher_of(&[&server], vec![packed("gzip.zip", &archive, letters())]);
    let came = fetch(&fetcher, "emnist-letters", &data).unwrap();
    assert_eq!(came.verified(), "verified");
    let directory = data.join("emnist-letters");
    for (path, bytes) in letters_files() {
        let name = path.strip_prefix("gzip/").unwrap();
        assert_eq!(std::fs::read(directory.join(name)).unwrap(), bytes);
        assert!(came.files.contains(&(name.into(), sha256(&bytes))));
    }
    assert_eq!(
        directory.read_dir().unwrap().count(),
        5,
        "and their SHA-256"
    );
    // Nothing was written where the archive's other paths lead.
    assert_eq!(root.path().read_dir().unwrap().count(), 1);
    assert_eq!(data.read_dir().unwrap().count(), 1);
    assert!(!Path::new("/tmp/fmtui-outside.gz").exists());

    let set = load("emnist-letters", &data);
    assert_eq!(
        (set.train.len(), set.test.len(), set.classes.len()),
        (52, 26, 26)
    );
    assert_eq!((set.label(0), set.classes[0].as_str()), (0, "A"));

    assert!(fetch(&fetcher, "emnist-letters", &data).unwrap().was_there);
    assert_eq!(server.asked(), 1);
    // One of its files was changed since.
    std::fs::write(
        directory.join("emnist-letters-test-labels-idx1-ubyte.gz"),
        "x",
    )
    .unwrap();
    assert!(!fetch(&fetcher, "emnist-letters", &data).unwrap().was_there);
    assert_eq!(server.asked(), 2);
    load("emnist-letters", &data);
}

#[test]
fn archives_that_are_not_as_they_should_be_leave_nothing_in_place() {
    let files = letters_files();
    let mut entries: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(n, b)| (n.as_str(), b.as_slice()))
        .collect();
    let zeros = vec![0; 67_654_321];
    let last = entries.len() - 1;
    let without = archive_of(&entries[..last]);
    entries[last].1 = &zeros;
    let bomb = archive_of(&entries);
    // The same, and its size is given as 9 bytes.
    let size = (zeros.len() as u32).to_le_bytes();
    let mut liar = bomb.clone();
    for at in 0..liar.len() - 4 {
        if liar[at..at + 4] == size {
            liar[at..at + 4].copy_from_slice(&9u32.to_le_bytes());
        }
    }
    let mut link = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &entries[..last] {
        link.start_file(*name, SimpleFileOptions::default())
            .unwrap();
        link.write_all(bytes).unwrap();
    }
    link.add_symlink(entries[last].0, "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let link = link.finish().unwrap().into_inner();
    let mut damaged = emnist_archive();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0);
    for (archive, words) in [
        (b"PK\x03\x04 and nothing else".to_vec(), "not a zip archive"),
        (without, "has no gzip/emnist-letters-test-labels"),
        (bomb, "larger than itself"),
        (liar, "emnist-letters-test-labels"),
        (link, "not a file"),
        (damaged, "damaged"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let server = serve(&[("gzip.zip", archive.clone())], &[Behaviour::Right]);
        let fetcher = fetcher_of(&[&server], vec![packed("gzip.zip", &archive, letters())]);
        let error = fetch(&fetcher, "tiny", data.path()).unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(in_place(data.path()), [""; 0]);
        let staging = data.path().join("tiny/.download");
        let largest = staging.read_dir().into_iter().flatten().flatten();
        let largest = largest.map(|entry| entry.metadata().unwrap().len()).max();
        assert!(
            largest <= Some(archive.len() as u64 + 1),
            "{words}: {largest:?}"
        );
    }
}

#[test]
fn cifars_archives_are_kept_and_read_as_they_are() {
    let data = tempfile::tempdir().unwrap();
    let archive = cifar_archive();
    let name = "cifar-10-binary.tar.gz";
    let server = serve(&[(name, archive.clone())], &[Behaviour::Right]);
    let fetcher = fetcher_of(&[&server], vec![packed(name, &archive, Vec::new())]);
    let came = fetch(&fetcher, "cifar10", data.path()).unwrap();
    assert_eq!(came.files, [(name.into(), sha256(&archive))]);
    let set = load("cifar10", data.path());
    assert_eq!(set.shape(), [3, 32, 32]);
    assert_eq!((set.train.len(), set.test.len()), (100, 20));
    assert_eq!(set.classes[9], "truck");

    // Its superclasses lie in the same archive.
    let archive = cifar_100_archive();
    let name = "cifar-100-binary.tar.gz";
    let server = serve(&[(name, archive.clone())], &[Behaviour::Right]);
    let fetcher = fetcher_of(&[&server], vec![packed(name, &archive, Vec::new())]);
    fetch(&fetcher, "cifar100", data.path()).unwrap();
    for (name, classes) in [("cifar100", 100), ("cifar100-coarse", 20)] {
        let set = load(name, data.path());
        assert_eq!((set.train.len(), set.classes.len()), (100, classes));
    }
}
