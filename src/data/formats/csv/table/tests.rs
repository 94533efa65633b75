use std::io::Write;
use std::path::Path;

use super::*;

fn origin() -> Origin {
    Origin::new(Path::new("train.csv"), "replace it")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parse(bytes: &[u8]) -> Result<Split> {
    read(bytes, bytes.len() as u64, &origin()).map(|(split, _)| split)
}

fn message(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn labels_stand_first_or_where_the_first_row_says() {
    let first = "3,1,2,3,4\n5,6,7,8,255\n";
    let named = "label,p1,p2,p3,p4\r\n3,1,2,3,4\r\n5,6,7,8,255\r\n";
    let last = "p1,p2,p3,p4,Label\n1,2,3,4,3\n 6, 7 ,8,255,5";
    let quoted = "\u{feff}\"label\",\"a\",\"b\",\"c\",\"d\"\n\"3\",1,2,3,4\n\n5,6,7,8,255\n";
    for text in [first, named, last, quoted] {
        for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
            let split = parse(&bytes).unwrap();
            assert_eq!(split.labels, [3, 5], "{text}");
            assert_eq!(split.pixels, [1, 2, 3, 4, 6, 7, 8, 255]);
            assert_eq!(split.shape, [1, 2, 2]);
        }
    }
}

#[test]
fn three_times_a_square_is_three_planes() {
    for (values, expected) in [
        (784, Some([1, 28, 28])),
        (3072, Some([3, 32, 32])),
        (3, Some([3, 1, 1])),
        (1, Some([1, 1, 1])),
        (0, None),
        (785, None),
    ] {
        assert_eq!(shape(values), expected, "{values}");
    }
    let row: Vec<_> = (0..=12).map(|n| n.to_string()).collect();
    let split = parse(row.join(",").as_bytes()).unwrap();
    assert_eq!((split.shape, split.labels), ([3, 2, 2], vec![0]));
    assert_eq!(split.pixels, (1..=12).collect::<Vec<u8>>());
}

#[test]
fn what_is_no_table_of_images_is_told() {
    for (text, problem) in [
        ("", "is empty"),
        ("label,a,b,c,d\n", "is empty"),
        ("a,b,c,d,e\n1,2,3,4,5\n", "has no column label"),
        ("1,2,3\n", "has 2 columns of pixels"),
        ("1\n", "has 0 columns of pixels"),
        (
            "0,1,2,3,4\n0,1,2,3\n",
            "has 4 columns in line 2 where the first has 5",
        ),
        (
            "0,1,2,3,4\n0,1,2,3,256\n",
            "has the value \"256\" in line 2",
        ),
        (
            "0,1,2,3,4\n0,1,2,0.5,4\n",
            "has the value \"0.5\" in line 2",
        ),
        ("0,1,2,3,4\n0,1,2,-3,4\n", "has the value \"-3\" in line 2"),
        ("0,1,2,3,4\n0,1,2,,4\n", "has the value \"\" in line 2"),
        (
            "0,1,2,3,4\ncat,1,2,3,4\n",
            "has the label \"cat\" in line 2",
        ),
        ("<html>\n", "has no column label"),
    ] {
        let told = message(text);
        assert!(told.contains(problem), "{text:?}: {told}");
        assert!(
            told.starts_with("train.csv ") && told.ends_with("; replace it"),
            "{told}"
        );
    }
    let told = parse(b"0,1,2,3,4\n0,\xff\x1b[2J,2,3,4\n").unwrap_err();
    assert!(crate::text::is_harmless(&told.to_string()), "{told}");
}

/// A plain file that ends within a row has too few columns there; one that ends within a number cannot be known.
#[test]
fn truncation_is_an_error() {
    let text = "label,a,b,c,d\n3,10,20,30,40\n5,60,70,80,90\n";
    let packed = gzip(text.as_bytes());
    for length in 0..packed.len() {
        assert!(parse(&packed[..length]).is_err(), "{length}");
    }
    for length in 0..text.len() {
        if let Ok(split) = parse(&text.as_bytes()[..length]) {
            assert_eq!(split.pixels.len(), 4 * split.labels.len(), "{length}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_gzip_file_is_noticed_or_harmless() {
    let packed = gzip(b"3,1,2,3,4\n5,6,7,8,255\n");
    for bit in 0..packed.len() * 8 {
        let mut bytes = packed.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = parse(&bytes) {
            assert_eq!(
                (read.labels, read.pixels.len()),
                (vec![3, 5], 8),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn a_line_without_end_is_cut_off() {
    let mut lines = Lines {
        reader: io::repeat(b'1'),
        length: 0,
    };
    let mut buffer = vec![0; 1 << 20];
    let mut taken = 0;
    let problem = loop {
        match lines.read(&mut buffer) {
            Ok(count) => taken += count,
            Err(problem) => break problem,
        }
    };
    assert!(problem.to_string().contains("64 MiB"));
    assert_eq!(taken, LONGEST_LINE);
}
