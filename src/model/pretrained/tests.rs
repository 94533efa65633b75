//! What is taken from a file, under which name and in which shape, and what is refused; and files of every broken kind.

use super::*;

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
        "1 array loaded (6 numbers), 2 new (fc.bias 4, fc.weight 4×2), 2 skipped (module.linear.bias 10, module.linear.weight 10×2)"
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
        message.starts_with("x.pth: does not fit this network: fc.bias is [10] there and [4] here"),
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
        refused.starts_with("x.pth: does not fit this network: layer1.1.weight is missing here")
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
            .starts_with("file: holds NaN in conv1.weight"),
        "{refused}"
    );
    let other = state(&[("conv1.weight", &[2, 2], 0.0), ("fc.weight", &[5, 2], 0.0)]);
    let refused = fit("file", fresh(), other, &heads(), true).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("leave model.keep_head out, so that the last layer begins anew"),
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

/// A legacy file of one tensor, `torch.save({"w": torch.arange(6.).reshape(2, 3).t()}, f, _use_new_zipfile_serialization=False)`
/// but for names of protocol and machine.
fn legacy(strides: [u8; 2], count: u8, numbers: &[f32]) -> Vec<u8> {
    let mut bytes = torch::LEGACY.to_vec();
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
    let state = file::parse(&legacy([1, 3], 6, &SIX)).unwrap();
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
    let start = torch::LEGACY.len() + 10;
    let end = legacy.len() - 8 - 24 - 11;
    let data: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    zipped(&[("m/data.pkl", &legacy[start..end]), ("m/data/0", &data)])
}

#[test]
fn a_zip_is_read_too() {
    let state = file::parse(&zip_of_six(&SIX)).unwrap();
    assert_eq!(state["w"].values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
}

/// Truncated at every byte, every bit of the head turned over, and what somebody hostile would write: an error in words.
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
            "a tensor larger than its storage",
            legacy([0, 0], 1, &SIX),
            "larger than its storage",
        ),
        (
            "no file of weights",
            b"GIF89a..............".to_vec(),
            "no file of weights",
        ),
        ("nothing", Vec::new(), "no file of weights"),
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
            "cut off",
        ),
        (
            "an endless text of 64 bits",
            legacy_of(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc"),
            "cut off",
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
    legacy[torch::LEGACY.len() + 10..legacy.len() - 43].to_vec()
}

/// A legacy file whose weights are this pickle.
fn legacy_of(pickle: &[u8]) -> Vec<u8> {
    [
        torch::LEGACY,
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
