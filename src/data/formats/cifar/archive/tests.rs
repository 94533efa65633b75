use std::io::Write;

use tar::{Builder, Header};

use super::*;

fn origin() -> Origin {
    Origin::new(Path::new("cifar.tar.gz"), "replace it")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A header of any path, which the crate's own functions would refuse to write.
fn header(path: &str, size: u64, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(size);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, kind, data) in entries {
        let header = header(path, data.len() as u64, *kind);
        builder.append(&header, *data).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

type Files = Vec<(String, Vec<u8>)>;

fn files(bytes: &[u8]) -> Result<Files> {
    let mut files = Vec::new();
    read(
        bytes,
        bytes.len() as u64,
        &origin(),
        |layout, role, data, _| {
            files.push((layout.file(role), data.to_vec()));
            Ok(())
        },
    )?;
    Ok(files)
}

fn good() -> Vec<u8> {
    packed(&[
        ("cifar-10-batches-bin/", EntryType::Directory, b""),
        (
            "cifar-10-batches-bin/readme.html",
            EntryType::Regular,
            b"hello",
        ),
        (
            "./cifar-10-batches-bin/data_batch_2.bin",
            EntryType::Regular,
            b"two",
        ),
        ("test_batch.bin", EntryType::Regular, &[7; 700]),
    ])
}

#[test]
fn batches_are_found_among_other_files() {
    let files = files(&good()).unwrap();
    assert_eq!(files[0], ("data_batch_2.bin".into(), b"two".to_vec()));
    assert_eq!(files[1], ("test_batch.bin".into(), vec![7; 700]));
    assert_eq!(files.len(), 2);
}

#[test]
fn links_other_things_and_paths_that_lead_out_are_refused() {
    for (path, kind, problem) in [
        ("test_batch", EntryType::Symlink, "has links in it"),
        ("test_batch", EntryType::Link, "has links in it"),
        ("test_batch", EntryType::Fifo, "something else than files"),
        ("test_batch", EntryType::Char, "something else than files"),
        (
            "test_batch",
            EntryType::GNUSparse,
            "something else than files",
        ),
        ("/etc/test_batch", EntryType::Regular, "leads out of it"),
        ("a/../../test_batch", EntryType::Regular, "leads out of it"),
    ] {
        let told = files(&packed(&[(path, kind, b"")]))
            .unwrap_err()
            .to_string();
        assert!(
            told.starts_with("cifar.tar.gz ") && told.contains(problem),
            "{told}"
        );
    }
    let twice = packed(&[
        ("a/test_batch", EntryType::Regular, b"1"),
        ("b/test_batch", EntryType::Regular, b"2"),
    ]);
    assert!(
        files(&twice)
            .unwrap_err()
            .to_string()
            .contains("more than once")
    );
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    let bytes = good();
    for length in 1..bytes.len() {
        assert!(files(&bytes[..length]).is_err(), "{length}");
    }
    assert!(files(&gzip(b"<html>not a tar</html>")).is_err());
}

#[test]
fn every_flipped_bit_is_noticed_or_harmless() {
    let (bytes, expected) = (good(), files(&good()).unwrap());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = files(&flipped) {
            assert_eq!(read, expected, "bit {bit}");
        }
    }
}

/// Entries that declare more than there is, or that nobody needs, take no memory.
#[test]
fn bombs_are_cut_off() {
    let mut huge = Builder::new(Vec::new());
    let claimed = header("test_batch", 1 << 40, EntryType::Regular);
    huge.append(&claimed, &b"x"[..]).unwrap();
    let told = files(&gzip(&huge.into_inner().unwrap())).unwrap_err();
    assert!(told.to_string().contains("too large"), "{told}");

    let mut large = Builder::new(Vec::new());
    let claimed = header("test_batch", 1 << 30, EntryType::Regular);
    large.append(&claimed, &b"x"[..]).unwrap();
    let told = files(&gzip(&large.into_inner().unwrap())).unwrap_err();
    assert!(told.to_string().contains("truncated"), "{told}");

    let mut bounded = Bounded {
        reader: io::repeat(0),
        left: 100,
    };
    let told = bounded.read(&mut [0; 101]).unwrap_err();
    assert!(told.to_string().contains("2 GiB"), "{told}");

    let many = vec![("x", EntryType::Regular, &b""[..]); MOST_ENTRIES + 1];
    let told = files(&packed(&many)).unwrap_err();
    assert!(
        told.to_string().contains("more than 1000 entries"),
        "{told}"
    );
}
