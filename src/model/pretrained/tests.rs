//! What is taken from a file, under which name and in which shape, and what is refused; and files of every broken kind.

use super::*;

/// What a legacy file begins with in protocol 2.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

fn array(shape: &[usize], from: f32) -> Array {
    let count = shape.iter().product();
    let values = std::iter::successors(Some(from), |v| Some(v + 1.0))
        .take(count)
        .collect();
    Array {
        shape: shape.into(),
        values,
    }
}

fn state(arrays: &[(&str, &[usize], f32)]) -> StateDict {
    arrays
        .iter()
        .map(|(name, shape, from)| ((*name).into(), array(shape, *from)))
        .collect()
}

fn heads() -> Vec<String> {
    ["fc.weight", "fc.bias"].map(String::from).into()
}

#[test]
fn wrappers_are_stripped_and_the_head_stays_fresh() {
    let fresh = state(&[
        ("conv1.weight", &[2, 3, 1, 1], 0.0),
        ("fc.weight", &[4, 2], 0.0),
        ("fc.bias", &[4], 0.0),
    ]);
    let found = state(&[
        ("module.conv1.weight", &[2, 3, 1, 1], 10.0),
        ("module.linear.weight", &[10, 2], 50.0),
        ("module.linear.bias", &[10], 60.0),
    ]);
    let fitting = fit("x", fresh, found, &heads(), false).unwrap();
    assert_eq!(fitting.weights["conv1.weight"].values[0], 10.0);
    assert_eq!(fitting.weights["fc.bias"].values[0], 0.0);
    assert_eq!(fitting.loaded, ["conv1.weight"]);
    assert_eq!(fitting.new, ["fc.bias 4", "fc.weight 4×2"]);
    assert_eq!(
        fitting.skipped,
        ["module.linear.bias 10", "module.linear.weight 10×2"]
    );
    assert_eq!(
        fitting.summary(),
        "1 array loaded (6 numbers) from module.*, 2 new (fc.bias 4, fc.weight 4×2), 2 skipped (module.linear.bias 10, module.linear.weight 10×2)"
    );
}

#[test]
fn a_head_is_kept_where_asked_for_and_as_large() {
    let fresh = || state(&[("fc.weight", &[4, 2], 0.0), ("fc.bias", &[4], 0.0)]);
    let found = |classes| {
        state(&[
            ("linear.weight", &[classes, 2], 50.0),
            ("linear.bias", &[classes], 60.0),
        ])
    };
    let fitting = fit("x", fresh(), found(4), &heads(), true).unwrap();
    assert_eq!(fitting.weights["fc.bias"].values[0], 60.0);
    let message = fit("x.pth", fresh(), found(10), &heads(), true)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("x.pth does not fit this network: fc.bias is [10] there and [4] here"),
        "{message}"
    );
}

#[test]
fn colours_are_added_up_and_convolutions_become_linear() {
    let fresh = state(&[
        ("conv1.weight", &[1, 1, 1, 2], 0.0),
        ("classifier.0.weight", &[2, 4], 0.0),
    ]);
    let found = state(&[
        ("conv1.weight", &[1, 3, 1, 2], 1.0),
        ("pre_logits.fc1.weight", &[2, 1, 2, 2], 7.0),
    ]);
    let fitting = fit("x", fresh, found, &[], false).unwrap();
    assert_eq!(
        fitting.weights["conv1.weight"].values,
        [1.0 + 3.0 + 5.0, 2.0 + 4.0 + 6.0]
    );
    assert_eq!(fitting.weights["classifier.0.weight"].values[7], 14.0);
}

#[test]
fn a_deeper_network_does_not_fit_and_another_head_may_be_left_out() {
    let fresh = || state(&[("layer1.0.weight", &[2], 0.0), ("fc.weight", &[4, 2], 0.0)]);
    let with = |more: &[&str]| {
        let mut found = state(&[("layer1.0.weight", &[2], 7.0), ("head.fc.bias", &[9], 0.0)]);
        found.extend(
            more.iter()
                .map(|name| ((*name).to_string(), array(&[1], 0.0))),
        );
        fit("x.pth", fresh(), found, &heads(), false)
    };
    let fitting = with(&["layer1.0.num_batches_tracked", "pre_logits.fc1.weight"]).unwrap();
    assert_eq!(fitting.skipped.len(), 3);
    let refused = with(&["layer1.1.weight"]).unwrap_err().to_string();
    assert!(
        refused.starts_with("x.pth does not fit this network: layer1.1.weight is missing here")
            && refused.ends_with("choose the architecture, stem and channels it was made for"),
        "{refused}"
    );
}

#[test]
fn a_refusal_names_three_mismatches() {
    let names: Vec<String> = (0..9).map(|i| format!("layer{i}.weight")).collect();
    let fresh = names
        .iter()
        .map(|n| (n.clone(), array(&[2], 0.0)))
        .collect();
    let message = fit(
        "x.pth",
        fresh,
        state(&[("layer0.weight", &[3], 0.0)]),
        &[],
        false,
    )
    .unwrap_err()
    .to_string();
    assert!(message.contains("layer0.weight is [3] there and [2] here, layer1.weight is missing there, layer2.weight is missing there, and 6 more"), "{message}");
}

/// `torch.tensor(v, dtype=torch.float16)` for some v.
#[test]
fn spoiled_weights_are_refused_and_a_head_of_other_classes_has_a_remedy() {
    let fresh = || state(&[("conv1.weight", &[2, 2], 0.0), ("fc.weight", &[2, 2], 0.0)]);
    let mut spoiled = fresh();
    spoiled.get_mut("conv1.weight").unwrap().values[1] = f32::NAN;
    let refused = fit("file", fresh(), spoiled, &heads(), false).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("file holds NaN in conv1.weight"),
        "{refused}"
    );
    let other = state(&[("conv1.weight", &[2, 2], 0.0), ("fc.weight", &[5, 2], 0.0)]);
    let refused = fit("file", fresh(), other, &heads(), true).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("leave model.keep_head out, so that the last layer is initialised anew"),
        "{refused}"
    );
}

#[test]
fn half_precision_is_ieees() {
    for (bits, value) in [
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x0001, 5.960_464_5e-8),
        (0x7bff, 65504.0),
        (0x3555, 0.333_251_95),
        (0x8000, 0.0),
    ] {
        assert_eq!(half(bits), value);
    }
    assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
}

/// A legacy file of one tensor, `torch.save({"w": torch.arange(6.).reshape(2, 3).t()}, f,
/// _use_new_zipfile_serialization=False)` but for names of protocol and machine.
fn legacy(strides: [u8; 2], count: u8, numbers: &[f32]) -> Vec<u8> {
    let mut bytes = LEGACY.to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    bytes.extend(b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK");
    bytes.push(count);
    bytes.extend(b"tQK\x00K\x03K\x02\x86K");
    bytes.push(strides[0]);
    bytes.push(b'K');
    bytes.push(strides[1]);
    bytes.extend(b"\x86\x89}tRs.\x80\x02]X\x01\x00\x00\x000a.");
    bytes.extend((numbers.len() as u64).to_le_bytes());
    bytes.extend(numbers.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

const SIX: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

#[test]
fn a_legacy_file_is_read_through_its_strides() {
    let state = file::parse(&legacy([1, 3], 6, &SIX)).unwrap().weights;
    assert_eq!(
        state["w"],
        Array {
            shape: vec![3, 2],
            values: vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
        }
    );
}

fn zipped(bytes: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::CompressionMethod::Stored;
    let options = zip::write::SimpleFileOptions::default().compression_method(stored);
    for (name, data) in bytes {
        writer.start_file(*name, options).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn zip_of_six(numbers: &[f32]) -> Vec<u8> {
    let legacy = legacy([1, 3], 6, &SIX);
    let start = LEGACY.len() + 10;
    let end = legacy.len() - 8 - 24 - 11;
    let data: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    zipped(&[("m/data.pkl", &legacy[start..end]), ("m/data/0", &data)])
}

#[test]
fn a_zip_is_read_too() {
    let state = file::parse(&zip_of_six(&SIX)).unwrap().weights;
    assert_eq!(state["w"].values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
}

/// Truncated at every byte, every bit of the head turned over, and what somebody hostile would write: an error in
/// words.
#[test]
fn broken_and_hostile_files_are_refused() {
    let good = legacy([1, 3], 6, &SIX);
    for end in 0..good.len() {
        assert!(file::parse(&good[..end]).is_err(), "{end}");
    }
    let good = zip_of_six(&SIX);
    for end in 0..good.len() {
        assert!(file::parse(&good[..end]).is_err(), "{end}");
    }
    for good in [legacy([1, 3], 6, &SIX), zip_of_six(&SIX)] {
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // Whatever it says, it does not panic.
            let _ = file::parse(&bad);
        }
    }
    for (what, bytes, part) in [
        (
            "strides beyond the storage",
            legacy([2, 3], 6, &SIX),
            "reaches beyond its storage",
        ),
        (
            "a larger storage than there is",
            legacy([1, 3], 255, &SIX[..3]),
            "reaches beyond",
        ),
        (
            "one number for more than the file could hold",
            legacy_of(b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQK\x00M\xff\xffM\xff\xff\x86K\x00K\x00\x86\x89}tRs."),
            "no floating-point tensors",
        ),
        (
            "no file of weights",
            b"GIF89a..............".to_vec(),
            "is not a weights file",
        ),
        ("nothing", Vec::new(), "is not a weights file"),
        (
            "a zip without weights",
            zipped(&[("a.txt", b"hello")]),
            "no data.pkl",
        ),
        (
            "a zip without its storage",
            zipped(&[("data.pkl", &zip_pickle())]),
            "has no data/0",
        ),
        (
            "a whole model",
            legacy_of(b"\x80\x02cmodels\nNet\n)R."),
            "whole pickled model",
        ),
        (
            "a call of the system",
            legacy_of(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."),
            "whole pickled model",
        ),
        (
            "only counters",
            legacy_of(b"\x80\x02}X\x05\x00\x00\x00epochK\x03s."),
            "holds no tensors",
        ),
        (
            "a list",
            legacy_of(b"\x80\x02]."),
            "no dictionary of weights",
        ),
        (
            "an endless text",
            legacy_of(b"\x80\x02X\xff\xff\xff\x7fabc"),
            "truncated",
        ),
        (
            "an endless text of 64 bits",
            legacy_of(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc"),
            "truncated",
        ),
        (
            "an unknown operation",
            legacy_of(b"\x80\x02i"),
            "unknown operation",
        ),
        ("a stack that is empty", legacy_of(b"\x80\x02t."), "broken"),
        (
            "a memo that is empty",
            legacy_of(b"\x80\x02h\x07."),
            "broken",
        ),
        (
            "a safetensors header too long",
            b"\xff\xff\xff\xff\xff\xff\xff\x7f{}".to_vec(),
            "safetensors are broken",
        ),
        (
            "a safetensors header cut off",
            b"\x20\0\0\0\0\0\0\0{\"w\":{".to_vec(),
            "safetensors are broken",
        ),
        (
            "safetensors beyond the end",
            safe(
                r#"{"w":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}"#,
                4,
            ),
            "safetensors are broken",
        ),
        (
            "safetensors without numbers",
            safe("{}", 0),
            "no floating-point tensors",
        ),
    ] {
        let error = file::parse(&bytes).unwrap_err();
        assert!(
            error.contains(part) && !error.contains('\n'),
            "{what}: {error}"
        );
    }
}

fn zip_pickle() -> Vec<u8> {
    let legacy = legacy([1, 3], 6, &SIX);
    legacy[LEGACY.len() + 10..legacy.len() - 43].to_vec()
}

/// A legacy file whose weights are this pickle.
fn legacy_of(pickle: &[u8]) -> Vec<u8> {
    [
        LEGACY,
        b"\x80\x02M\xe9\x03.\x80\x02}.",
        pickle,
        b"\x80\x02].",
    ]
    .concat()
}

fn safe(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// Entries that unpack to more than they are cannot be: a compressed one is refused, and a size that is a lie too.
#[test]
fn a_zip_that_would_unpack_is_refused() {
    let good = zip_of_six(&SIX);
    let central = good.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let mut compressed = good.clone();
    compressed[central + 10] = 8;
    assert!(
        file::parse(&compressed)
            .unwrap_err()
            .contains("data/0 of its zip")
    );
    let mut large = good;
    large[central + 24..central + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    assert!(
        file::parse(&large)
            .unwrap_err()
            .contains("larger than the file")
    );
}

/// A zip as PyTorch writes it: between directory and end lie two records of zip64's, 76 bytes, though nothing needs
/// them.
fn as_pytorch(zip: &[u8]) -> Vec<u8> {
    let end = zip.len() - 22;
    assert_eq!(&zip[end..end + 4], b"PK\x05\x06");
    let number = |at: usize, len: usize| {
        let bytes = zip[end + at..end + at + len].iter().rev();
        bytes.fold(0u64, |n, b| (n << 8) | u64::from(*b))
    };
    let (entries, size, start) = (number(10, 2), number(12, 4), number(16, 4));
    let mut bytes = zip[..end].to_vec();
    let record = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([30, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for n in [entries, entries, size, start] {
        bytes.extend(n.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(record.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(&zip[end..]);
    bytes
}

/// With a name of 21 characters the first entry of the directory is as long as what lies behind the directory.
#[test]
fn a_zip_of_any_name_is_read() {
    let six: Vec<u8> = SIX.iter().flat_map(|v| v.to_le_bytes()).collect();
    for length in 1..=60 {
        let name = "a".repeat(length);
        let zip = zipped(&[
            (&format!("{name}/data.pkl"), &zip_pickle()),
            (&format!("{name}/.format_version"), b"1"),
            (&format!("{name}/data/0"), &six),
        ]);
        for zip in [as_pytorch(&zip), zip] {
            let state = file::parse(&zip).map_err(|e| format!("{length}: {e}"));
            assert_eq!(state.unwrap().weights["w"].values[1], 3.0, "{length}");
        }
    }
}

/// `torch.save({"w": torch.arange(6.)}, f, _use_new_zipfile_serialization=False, pickle_protocol=protocol)` but for
/// names of machine and files.
fn legacy_in_frames(protocol: u8) -> Vec<u8> {
    let weights: &[&[u8]] = &[
        b"}\x94\x8c\x01w\x94\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94((\x8c\x07storage\x94",
        b"\x8c\x05torch\x94\x8c\x0cFloatStorage\x94\x93\x94\x8c\x01a\x94\x8c\x03cpu\x94K\x06Nt\x94Q",
        b"K\x00K\x06\x85\x94K\x01\x85\x94\x89\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94t\x94R\x94s.",
    ];
    let mut bytes = Vec::new();
    for pickle in [
        &LEGACY[2..],
        b"M\xe9\x03.",
        b"}\x94.",
        &weights.concat(),
        b"]\x94\x8c\x01a\x94a.",
    ] {
        bytes.extend([0x80, protocol, 0x95]);
        bytes.extend((pickle.len() as u64).to_le_bytes());
        bytes.extend(pickle);
    }
    bytes.extend(6u64.to_le_bytes());
    bytes.extend(SIX.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

#[test]
fn a_legacy_file_of_every_protocol_is_read() {
    for protocol in [4, 5] {
        let good = legacy_in_frames(protocol);
        let found = file::parse(&good).unwrap();
        assert_eq!(found.weights["w"].values, SIX);
        for end in 0..good.len() {
            assert!(file::parse(&good[..end]).is_err(), "{end}");
        }
    }
}

/// `torch.tensor([[0., 1.]]).expand(3, 2)`.
#[test]
fn one_number_stands_for_a_whole_side() {
    let found = file::parse(&legacy([0, 1], 2, &SIX[..2])).unwrap();
    assert_eq!(found.weights["w"].values, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
}

/// The pickle of a call that makes a tensor of two numbers from the storage of this key and kind.
fn tensor(function: &str, kind: &str, key: char, more: &[u8]) -> Vec<u8> {
    let (module, kind) = kind.rsplit_once('.').unwrap();
    let head = format!(
        "ctorch._utils\n{function}\n((X\x07\0\0\0storagec{module}\n{kind}\nX\x01\0\0\0{key}X\x03\0\0\0cpuK"
    );
    let mut bytes = head.into_bytes();
    bytes.extend(b"\x02tQK\x00K\x02\x85K\x01\x85\x89}");
    bytes.extend(more);
    bytes.extend(b"tR");
    bytes
}

/// The pickle of a dictionary.
fn dictionary(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"}(".to_vec();
    for (key, value) in entries {
        bytes.push(b'X');
        bytes.extend(u32::try_from(key.len()).unwrap().to_le_bytes());
        bytes.extend(key.as_bytes());
        bytes.extend(*value);
    }
    bytes.push(b'u');
    bytes
}

const FLOAT: &str = "torch.FloatStorage";

fn floats(key: char) -> Vec<u8> {
    tensor("_rebuild_tensor_v2", FLOAT, key, b"")
}

/// Storages by their keys.
type Storages<'a> = [(&'a str, &'a [u8])];

/// This pickle and these storages in either of PyTorch's formats; `size` bytes are a number of each.
fn saved(pickle: &[u8], storages: &Storages<'_>, size: impl Fn(&str) -> usize) -> [Vec<u8>; 2] {
    let pickle = [b"\x80\x02", pickle, b"."].concat();
    let paths: Vec<String> = storages
        .iter()
        .map(|(key, _)| format!("m/data/{key}"))
        .collect();
    let mut entries: Vec<(&str, &[u8])> = vec![("m/data.pkl", &pickle)];
    entries.extend(
        paths
            .iter()
            .map(String::as_str)
            .zip(storages.iter().map(|(_, data)| *data)),
    );
    let mut legacy = [
        LEGACY,
        b"\x80\x02M\xe9\x03.\x80\x02}.",
        &pickle,
        b"\x80\x02](",
    ]
    .concat();
    for (key, _) in storages {
        legacy.extend(b"X\x01\0\0\0");
        legacy.extend(key.as_bytes());
    }
    legacy.extend(b"e.");
    for (key, data) in storages {
        legacy.extend(((data.len() / size(key)) as u64).to_le_bytes());
        legacy.extend(*data);
    }
    [as_pytorch(&zipped(&entries)), legacy]
}

#[test]
fn what_weights_cannot_be_is_left_out_and_told() {
    let two = [1.5f32, 2.5].map(f32::to_le_bytes).concat();
    let pickle = dictionary(&[
        (
            "c",
            &tensor("_rebuild_tensor_v2", "torch.ComplexFloatStorage", 'c', b""),
        ),
        (
            "e",
            &tensor(
                "_rebuild_tensor_v3",
                "torch.storage.UntypedStorage",
                'e',
                b"ctorch\nfloat8_e4m3fn\n",
            ),
        ),
        (
            "q",
            &tensor("_rebuild_qtensor", "torch.QInt8Storage", 'q', b""),
        ),
        ("s", b"ctorch._utils\n_rebuild_sparse_tensor\nN\x85R"),
        ("w", &floats('w')),
    ]);
    let storages: [(&str, &[u8]); 4] =
        [("c", &[0; 16]), ("e", &[0; 2]), ("q", &[0; 2]), ("w", &two)];
    let size = |key: &str| match key {
        "c" => 8,
        "w" => 4,
        _ => 1,
    };
    for bytes in saved(&pickle, &storages, size) {
        let found = file::parse(&bytes).unwrap();
        assert_eq!(found.weights.keys().collect::<Vec<_>>(), ["w"]);
        assert_eq!(found.weights["w"].values, [1.5, 2.5]);
        let told: Vec<String> = found.foreign.iter().map(Foreign::to_string).collect();
        let expected = [
            "c (complex numbers)",
            "e (float8_e4m3fn)",
            "q (quantised)",
            "s (sparse)",
        ];
        assert_eq!(told, expected);
        let fresh = state(&[("w", &[2], 0.0)]);
        let fitting = fit("x", fresh, found.clone(), &[], false).unwrap();
        assert_eq!(fitting.skipped, expected);
        let other = state(&[("q", &[2], 0.0)]);
        let refused = fit("x", other, found, &[], false).unwrap_err().to_string();
        assert!(
            refused.contains("q is missing there") && refused.contains("q (quantised)"),
            "{refused}"
        );
    }
    let alone = dictionary(&[(
        "c",
        &tensor("_rebuild_tensor_v2", "torch.ComplexFloatStorage", 'c', b""),
    )]);
    let [zip, _] = saved(&alone, &storages[..1], size);
    assert_eq!(
        file::parse(&zip).unwrap_err(),
        "it holds no tensors that weights can be: c (complex numbers)"
    );
}

#[test]
fn dictionaries_of_weights_are_found_two_deep_and_no_deeper() {
    let one = [1.0f32, 2.0].map(f32::to_le_bytes).concat();
    let other = [3.0f32, 4.0].map(f32::to_le_bytes).concat();
    let storages: [(&str, &[u8]); 2] = [("a", &one), ("b", &other)];
    let names = |pickle: &[u8]| -> Vec<String> {
        // PyTorch writes those alone that a tensor lies in.
        let is_named = |key: &str| {
            let name = format!("X\x01\0\0\0{key}X\x03\0\0\0cpu").into_bytes();
            pickle.windows(name.len()).any(|part| part == name)
        };
        let mut named = storages.to_vec();
        named.retain(|(key, _)| is_named(key));
        let [zip, legacy] = saved(pickle, &named, |_| 4).map(|bytes| file::parse(&bytes).unwrap());
        assert_eq!(zip, legacy);
        zip.weights.into_keys().collect()
    };
    let inner = dictionary(&[("w", &floats('a'))]);
    let second = dictionary(&[("w", &floats('b'))]);
    for depth in 0..=2 {
        let nested = (0..depth).fold(inner.clone(), |value, _| {
            dictionary(&[("model", &value), ("epoch", b"K\x03")])
        });
        assert_eq!(names(&nested), ["w"], "{depth}");
    }
    let both = dictionary(&[("ema", &second), ("model", &inner)]);
    assert_eq!(names(&both), ["ema.w", "model.w"]);
    let deep = (0..3).fold(inner, |value, _| dictionary(&[("model", &value)]));
    let [zip, _] = saved(&deep, &storages, |_| 4);
    assert_eq!(file::parse(&zip).unwrap_err(), "it holds no tensors");
    // The same dictionary under many keys is there once; one in itself ends.
    let mut shared = b"}q\x00(X\x01\0\0\0wq\x01".to_vec();
    shared.extend(floats('a'));
    shared.extend(b"X\x01\0\0\0xh\x00X\x01\0\0\0yh\x00u");
    assert_eq!(names(&shared), ["w"]);
}

#[test]
fn a_whole_model_in_a_dictionary_is_told() {
    let whole = dictionary(&[("epoch", b"K\x03"), ("model", b"cnets\nNet\n)\x81}b")]);
    let [zip, _] = saved(&whole, &[], |_| 4);
    assert_eq!(
        file::parse(&zip).unwrap_err(),
        "it holds a whole pickled model instead of weights, as model"
    );
}
