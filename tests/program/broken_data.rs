//! Broken data sets, through the real program: each is refused in a line that names what is wrong, nothing is written,
//! and no more memory is taken than the input is worth.

use std::fs;
use std::io::{Cursor, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::skip::skipped;
use image::{ExtendedColorType, ImageEncoder, codecs};

use crate::program::command;

/// Makes a broken file in a directory, and says what to add.
type Make = fn(&Path) -> PathBuf;

/// What is wrong, how it is made, and words of the answer.
type Case = (&'static str, Make, &'static [&'static str]);

/// The files of CIFAR-10.
const CIFAR: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

/// Beside four times the input. **Units** bytes.
const ROOM: u64 = 64 << 20;

/// A directory of two classes in which one file, made by `bytes`, is broken.
fn with(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let root = folder(dir);
    fs::write(root.join("cat").join(name), bytes).unwrap();
    root
}

/// Three good images of each of two classes.
fn folder(dir: &Path) -> PathBuf {
    let root = dir.join("pets");
    for class in ["cat", "dog"] {
        fs::create_dir_all(root.join(class)).unwrap();
        for number in 0..3 {
            let path = root.join(class).join(format!("good{number}.png"));
            fs::write(path, png(8, 6)).unwrap();
        }
    }
    root
}

fn pixels(width: u32, height: u32) -> Vec<u8> {
    (0..width * height * 3)
        .map(|at| (at * 7 % 251) as u8)
        .collect()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    codecs::png::PngEncoder::new(&mut out)
        .write_image(
            &pixels(width, height),
            width,
            height,
            ExtendedColorType::Rgb8,
        )
        .unwrap();
    out
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    codecs::jpeg::JpegEncoder::new(&mut out)
        .write_image(
            &pixels(width, height),
            width,
            height,
            ExtendedColorType::Rgb8,
        )
        .unwrap();
    out
}

fn webp() -> Vec<u8> {
    let mut out = Vec::new();
    codecs::webp::WebPEncoder::new_lossless(&mut out)
        .write_image(&pixels(40, 30), 40, 30, ExtendedColorType::Rgb8)
        .unwrap();
    out
}

fn gif() -> Vec<u8> {
    let mut out = Vec::new();
    codecs::gif::GifEncoder::new(&mut out)
        .encode(&pixels(40, 30), 40, 30, ExtendedColorType::Rgb8)
        .unwrap();
    out
}

/// A PNG whose header has this width and height, with a checksum that is right, and little behind it.
fn huge_png(side: u32) -> Vec<u8> {
    let mut file = png(1, 1);
    file[16..20].copy_from_slice(&side.to_be_bytes());
    file[20..24].copy_from_slice(&side.to_be_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(&file[12..29]);
    file[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    file
}

/// A JPEG whose frame has sides of 65,500 pixels.
fn huge_jpeg() -> Vec<u8> {
    let mut file = jpeg(16, 16);
    let frame = file
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    for at in [frame + 5, frame + 7] {
        file[at..at + 2].copy_from_slice(&65_500_u16.to_be_bytes());
    }
    file
}

/// A bitmap that says it is 100,000 pixels wide and high.
fn huge_bmp() -> Vec<u8> {
    let mut file = vec![0; 60];
    file[..2].copy_from_slice(b"BM");
    for (at, value) in [(2, 60), (10, 54), (14, 40), (18, 100_000), (22, 100_000)] {
        file[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
    (file[26], file[28]) = (1, 24);
    file
}

fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive of CIFAR-10's with an entry before the batches.
fn cifar(dir: &Path, entry: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> PathBuf {
    let mut archive = tar::Builder::new(Vec::new());
    entry(&mut archive);
    let record: Vec<u8> = (0..3073_u32).map(|at| (at % 10) as u8).collect();
    for name in CIFAR {
        let mut header = header(record.len() as u64);
        archive
            .append_data(
                &mut header,
                format!("cifar-10-batches-bin/{name}"),
                &record[..],
            )
            .unwrap();
    }
    let path = dir.join("cifar-10-binary.tar.gz");
    fs::write(&path, gzip(&archive.into_inner().unwrap())).unwrap();
    path
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header
}

/// An entry whose name stands in the header as it is, whatever it leads to.
fn named(archive: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType) {
    let mut header = header(0);
    header.set_entry_type(kind);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    if kind == tar::EntryType::Symlink {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    archive.append(&header, std::io::empty()).unwrap();
}

/// A file of numpy's with this header and body.
fn npy(header: &str, body: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    let mut header = header.to_owned();
    while !(out.len() + 2 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(body);
    out
}

fn npz(dir: &Path, arrays: &[(&str, Vec<u8>)]) -> PathBuf {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in arrays {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    let path = dir.join("arrays.npz");
    fs::write(&path, archive.finish().unwrap().into_inner()).unwrap();
    path
}

pub fn array(kind: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    npy(
        &format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"),
        body,
    )
}

/// Files of IDX in a directory: training images as they are, and two labels.
fn idx(dir: &Path, images: &[u8]) -> PathBuf {
    let root = dir.join("digits");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("train-images-idx3-ubyte"), images).unwrap();
    fs::write(
        root.join("train-labels-idx1-ubyte"),
        [0, 0, 8, 1, 0, 0, 0, 2, 0, 1],
    )
    .unwrap();
    root
}

fn csv(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("table.csv");
    fs::write(&path, text).unwrap();
    path
}

/// Faults of single files in a folder of images, which `--skip-broken` passes over.
const IN_FOLDERS: &[Case] = &[
    (
        "a truncated JPEG",
        |d| with(d, "x.jpg", half(&jpeg(90, 60))),
        &["x.jpg", "truncated"],
    ),
    (
        "a truncated PNG",
        |d| with(d, "x.png", half(&png(90, 60))),
        &["x.png", "truncated"],
    ),
    (
        "a truncated WebP",
        |d| with(d, "x.webp", half(&webp())),
        &["x.webp"],
    ),
    (
        "a truncated GIF",
        |d| with(d, "x.gif", half(&gif())),
        &["x.gif"],
    ),
    (
        "a PNG of 50,000 × 50,000",
        |d| with(d, "x.png", &huge_png(50_000)),
        &["x.png", "pixels"],
    ),
    (
        "a JPEG of 65,500 × 65,500",
        |d| with(d, "x.jpg", &huge_jpeg()),
        &["x.jpg", "pixels"],
    ),
    (
        "a bitmap of 100,000 × 100,000",
        |d| with(d, "x.bmp", &huge_bmp()),
        &["x.bmp"],
    ),
    (
        "a PNG without pixels",
        |d| with(d, "x.png", &huge_png(0)),
        &["x.png"],
    ),
    (
        "an empty file",
        |d| with(d, "x.png", &[]),
        &["x.png", "is empty"],
    ),
    (
        "text that is called an image",
        |d| with(d, "x.png", b"<html>not found</html>"),
        &["x.png", "is not a PNG, JPEG, WebP, BMP or GIF"],
    ),
    (
        "a PDF that is called an image",
        |d| with(d, "x.jpeg", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
        &["x.jpeg"],
    ),
    (
        "a name that is not UTF-8",
        |d| {
            let root = folder(d);
            let name = std::ffi::OsStr::from_bytes(b"cat/\xff\xfe.png");
            fs::write(root.join(name), png(4, 4)).unwrap();
            root
        },
        &["not UTF-8"],
    ),
    (
        "a name with an escape",
        |d| with(d, "a\u{1b}[31mb.png", &png(4, 4)),
        &["control characters"],
    ),
    (
        "names that differ in case",
        |d| with(d, "GOOD1.png", &png(4, 4)),
        &["capital letters", "good1.png"],
    ),
    (
        "a link that leads out",
        |d| {
            fs::write(d.join("secret.png"), png(4, 4)).unwrap();
            let root = folder(d);
            symlink(d.join("secret.png"), root.join("cat/x.png")).unwrap();
            root
        },
        &["x.png", "leads out of"],
    ),
    (
        "a link to a directory around it",
        |d| {
            let root = folder(d);
            symlink(&root, root.join("cat/round")).unwrap();
            root
        },
        &["cat/round", "is a link to a directory that it lies in"],
    ),
    (
        "a link to nothing",
        |d| {
            let root = folder(d);
            symlink("nowhere", root.join("cat/x.png")).unwrap();
            root
        },
        &["x.png", "link to nothing"],
    ),
    (
        "a pipe",
        |d| {
            let root = folder(d);
            let made = Command::new("mkfifo").arg(root.join("cat/x.png")).status();
            assert!(made.unwrap().success());
            root
        },
        &["x.png", "not a regular file"],
    ),
    (
        "an image beside the classes",
        |d| {
            let root = folder(d);
            fs::write(root.join("x.png"), png(4, 4)).unwrap();
            root
        },
        &["x.png", "lies in no directory of a class"],
    ),
];

/// Faults of a whole set.
const WHOLE: &[Case] = &[
    ("no such path", |d| d.join("nowhere"), &["nowhere"]),
    (
        "a directory without images",
        |d| {
            let root = d.join("empty");
            fs::create_dir_all(root.join("cat")).unwrap();
            root
        },
        &["empty"],
    ),
    (
        "one class",
        |d| {
            let root = folder(d);
            fs::remove_dir_all(root.join("dog")).unwrap();
            root
        },
        &["pets", "class"],
    ),
    (
        "an archive with a path that leads out",
        |d| cifar(d, |a| named(a, "../../evil.bin", tar::EntryType::Regular)),
        &["cifar-10-binary.tar.gz", ".."],
    ),
    (
        "an archive with an absolute path",
        |d| cifar(d, |a| named(a, "/etc/evil.bin", tar::EntryType::Regular)),
        &["cifar-10-binary.tar.gz", "/etc/evil.bin"],
    ),
    (
        "an archive with a link",
        |d| cifar(d, |a| named(a, "link", tar::EntryType::Symlink)),
        &["cifar-10-binary.tar.gz", "link"],
    ),
    (
        "an archive with a device",
        |d| cifar(d, |a| named(a, "disk", tar::EntryType::Block)),
        &["cifar-10-binary.tar.gz", "something else than files"],
    ),
    (
        "a truncated archive",
        |d| {
            let path = cifar(d, |_| {});
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, half(&bytes)).unwrap();
            path
        },
        &["cifar-10-binary.tar.gz"],
    ),
    (
        "a CIFAR batch that is no whole number of records",
        |d| {
            let root = d.join("cifar-10-batches-bin");
            fs::create_dir_all(&root).unwrap();
            for name in CIFAR {
                fs::write(root.join(name), vec![0; 5000]).unwrap();
            }
            root
        },
        &["data_batch_1.bin"],
    ),
    (
        "a set of which a file is missing",
        |d| {
            let root = d.join("cifar-10-batches-bin");
            fs::create_dir_all(&root).unwrap();
            for name in &CIFAR[1..] {
                fs::write(root.join(name), vec![0; 3073]).unwrap();
            }
            root
        },
        &["cifar-10-batches-bin", "without data_batch_1.bin"],
    ),
    (
        "a pickle that calls a function",
        |d| {
            let root = d.join("cifar-10-batches-py");
            fs::create_dir_all(&root).unwrap();
            for name in CIFAR {
                let name = name.trim_end_matches(".bin");
                fs::write(root.join(name), b"cos\nsystem\n(S'touch evil'\ntR.").unwrap();
            }
            root
        },
        &["data_batch_1"],
    ),
    (
        "a truncated npz",
        |d| {
            let images = array("|u1", "(2, 4, 4)", &[7; 32]);
            let path = npz(d, &[("train_images.npy", images)]);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, half(&bytes)).unwrap();
            path
        },
        &["arrays.npz"],
    ),
    (
        "an npz of Python objects",
        |d| {
            let images = array("|O", "(2, 4, 4)", &[0; 32]);
            let labels = array("|u1", "(2,)", &[0, 1]);
            npz(
                d,
                &[("train_images.npy", images), ("train_labels.npy", labels)],
            )
        },
        &["arrays.npz", "train_images"],
    ),
    (
        "an npz whose shape is a bomb",
        |d| {
            let images = array("|u1", "(2000000000, 1000, 1000)", &[0; 32]);
            let labels = array("|u1", "(2,)", &[0, 1]);
            npz(
                d,
                &[("train_images.npy", images), ("train_labels.npy", labels)],
            )
        },
        &["arrays.npz", "train_images"],
    ),
    (
        "an npz that unpacks to 256 MiB that are not there",
        |d| {
            let images = array("|u1", "(2, 4, 4)", &vec![0; 256 << 20]);
            let labels = array("|u1", "(2,)", &[0, 1]);
            npz(
                d,
                &[("train_images.npy", images), ("train_labels.npy", labels)],
            )
        },
        &["arrays.npz", "train_images"],
    ),
    (
        "an IDX file of another kind",
        |d| idx(d, b"PK\x03\x04 is a zip"),
        &["train-images-idx3-ubyte"],
    ),
    (
        "an IDX header that promises 4 GiB",
        |d| {
            let mut bytes = vec![0, 0, 8, 3];
            for size in [65_536_u32, 256, 256] {
                bytes.extend(size.to_be_bytes());
            }
            idx(d, &bytes)
        },
        &["train-images-idx3-ubyte"],
    ),
    (
        "an IDX file of zeros, packed",
        |d| {
            let root = idx(d, &[]);
            fs::remove_file(root.join("train-images-idx3-ubyte")).unwrap();
            let bytes = gzip(&vec![0; 256 << 20]);
            fs::write(root.join("train-images-idx3-ubyte.gz"), bytes).unwrap();
            root
        },
        &["train-images-idx3-ubyte.gz"],
    ),
    (
        "a table with a word",
        |d| csv(d, "label,p0,p1,p2,p3\n0,1,2,3,4\n1,1,2,three,4\n"),
        &["table.csv", "three"],
    ),
    (
        "a table with a value of 256",
        |d| csv(d, "label,p0,p1,p2,p3\n0,1,2,3,4\n1,1,2,256,4\n"),
        &["table.csv", "256"],
    ),
    (
        "a table with rows of two lengths",
        |d| csv(d, "label,p0,p1,p2,p3\n0,1,2,3,4\n1,1,2,3\n"),
        &["table.csv"],
    ),
];

/// What a command said, its exit code, and the most memory it took as far as that was seen. **Units** bytes.
fn run(command: &mut Command) -> (String, Option<i32>, u64) {
    let said = tempfile::tempfile().unwrap();
    let output = || said.try_clone().unwrap();
    let mut child = command.stdout(output()).stderr(output()).spawn().unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        let text = fs::read_to_string(&status_file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) << 10);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut text = String::new();
    (&said).rewind().unwrap();
    (&said).read_to_string(&mut text).unwrap();
    (text, status.code(), peak)
}

/// Bytes below a path.
fn size(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else {
        return 0;
    };
    let below = path.read_dir().into_iter().flatten().flatten();
    metadata.len() + below.map(|entry| size(&entry.path())).sum::<u64>()
}

/// Everything below a directory, by name.
fn listed(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(listed(&entry.path()));
        }
    }
    found.sort();
    found
}

fn check((what, make, words): &Case, skips: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (input, workspace) = (dir.path().join("input"), dir.path().join("workspace"));
    fs::create_dir_all(&input).unwrap();
    fs::create_dir_all(&workspace).unwrap();
    let path = make(&input);
    let before = listed(dir.path());
    let add = |skip: bool| {
        let mut command = command(&workspace, &[]);
        command.args(["data", "add"]).arg(&path);
        run(command.args(skip.then_some("--skip-broken")))
    };
    let (said, code, peak) = add(false);
    assert_eq!(code, Some(2), "{what}: {said}");
    let names = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(said.lines().any(names), "{what}: {said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
    assert_eq!(listed(dir.path()), before, "{what}");
    let most = 4 * size(&path) + ROOM;
    assert!(peak <= most, "{what}: {peak} of {most} bytes");
    if skips {
        let (said, code, _) = add(true);
        assert_eq!(code, Some(0), "{what}: {said}");
        assert!(
            said.contains("2 classes") && said.contains("1 file passed over"),
            "{what}: {said}"
        );
        assert!(said.lines().any(names), "{what}: {said}");
    }
}

/// Checks every case, and then says which failed.
fn all(cases: &[Case], skips: bool) {
    let fails = |case: &&Case| std::panic::catch_unwind(|| check(case, skips)).is_err();
    let failed: Vec<&str> = cases.iter().filter(fails).map(|case| case.0).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_broken_file_among_images_is_named_and_can_be_passed_over() {
    all(IN_FOLDERS, true);
}

#[test]
fn a_broken_set_is_refused_before_anything_is_written() {
    all(WHOLE, false);
}

#[test]
fn a_directory_that_may_not_be_read_is_named() {
    if rustix::process::geteuid().is_root() {
        skipped("root may read every directory");
        return;
    }
    let make: Make = |d| {
        let root = folder(d);
        fs::create_dir(root.join("cat/locked")).unwrap();
        let nothing = fs::Permissions::from_mode(0o000);
        fs::set_permissions(root.join("cat/locked"), nothing).unwrap();
        root
    };
    check(
        &(
            "a locked directory",
            make,
            &["cat/locked", "cannot be read"],
        ),
        true,
    );
}
