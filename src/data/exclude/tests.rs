use super::*;
use crate::data::{SplitDataset, mini, testing};
use crate::profile::Data;

fn row(part: Part, image: &str, sha256: &str, reason: &str) -> Row {
    Row {
        part,
        image: image.into(),
        sha256: sha256.into(),
        reason: reason.into(),
    }
}

fn of_mini(indices: &[usize]) -> List {
    let set = mini::load().unwrap();
    let mut list = List::default();
    for index in indices {
        let (part, own) = set.place(*index).unwrap();
        let sha256 = storage::sha256(&set.image(*index).unwrap());
        list.add(row(part, &own.to_string(), &sha256, "a copy\tof one"));
    }
    list
}

#[test]
fn a_list_is_read_as_it_was_written_and_may_be_edited() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path(), "flowers");
    assert_eq!(read(&path).unwrap(), None);
    let list = of_mini(&[7, 3, 2100]);
    list.write(&path, "flowers").unwrap();
    let again = read(&path).unwrap().unwrap();
    assert_eq!((again.len(), again.sha256()), (3, list.sha256()));
    let text = std::fs::read_to_string(&path).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(
        rows[0].starts_with("test\t100\t") && rows[0].ends_with("\ta copyof one"),
        "{rows:?}"
    );
    let edited = [
        rows[2],
        "",
        "# mine",
        rows[0],
        &rows[1][..rows[1].len() - 5],
    ]
    .join("\n");
    std::fs::write(&path, edited).unwrap();
    assert_eq!(read(&path).unwrap().unwrap().sha256(), list.sha256());
    std::fs::write(&path, rows[..2].join("\n")).unwrap();
    assert_ne!(read(&path).unwrap().unwrap().sha256(), list.sha256());
    for wrong in [
        "train\t3",
        "train\t3\tabc\tx",
        "tests\t3\t0\tx",
        "train\t\t0\tx",
    ] {
        std::fs::write(&path, format!("# one\n{wrong}\n")).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.contains("excluded.tsv, line 2 is no excluded image"),
            "{error}"
        );
    }
}

#[test]
fn excluded_images_are_in_no_split_and_the_others_stay_in_theirs() {
    let set = mini::load().unwrap();
    let settings = Data {
        validation: 0.1,
        ..Data::default()
    };
    let whole = SplitDataset::new(Arc::new(set.clone()), &settings).unwrap();
    let gone = [
        whole.train[5],
        whole.validation[2],
        whole.test[9],
        whole.train[6],
    ];
    let list = of_mini(&gone.map(|index| index as usize));
    let left = apply(set.clone(), &list, Path::new("excluded.tsv")).unwrap();
    let told = reasons(&set, &list, Path::new("excluded.tsv")).unwrap();
    let places: Vec<usize> = left.excluded.iter().map(|index| *index as usize).collect();
    assert!(told.keys().eq(&places) && told.values().all(|reason| reason == "a copy\tof one"));
    assert_ne!(left.sha256, set.sha256);
    assert_eq!(
        left.remarks,
        ["4 images of fashion-mnist-mini are excluded (excluded.tsv)"]
    );
    let split = SplitDataset::new(Arc::new(left), &settings).unwrap();
    for (before, after) in [
        (whole.train, split.train),
        (whole.validation, split.validation),
        (whole.test, split.test),
    ] {
        let expected: Vec<u32> = before.into_iter().filter(|i| !gone.contains(i)).collect();
        assert_eq!(after, expected);
    }
}

#[test]
fn a_list_of_other_images_is_refused() {
    let set = || mini::load().unwrap();
    let message = |list: &List| {
        let error = apply(set(), list, Path::new("excluded.tsv")).unwrap_err();
        error.to_string()
    };
    let mut other = List::default();
    other.add(row(Part::Train, "7", &"0".repeat(64), ""));
    assert!(message(&other).contains("names train 7, which is another image than it was"));
    for image in ["2000", "rose/1.jpg", "-1"] {
        let mut none = List::default();
        none.add(row(Part::Train, image, &"0".repeat(64), ""));
        assert!(message(&none).contains("which is not in the set"));
    }
    let all: Vec<usize> = (0..2000).collect();
    assert!(message(&of_mini(&all)).contains("excludes every training image"));
}

/// A broken file that is excluded must not keep a run from its other images.
#[test]
fn an_excluded_file_is_not_read() {
    let set = testing::lazy(&[(9, 12), (20, 8), (16, 16)]);
    let sha256 = storage::sha256(&set.image(1).unwrap());
    let mut list = List::default();
    list.add(row(Part::Train, "1", &sha256, "is truncated"));
    let left = apply(set.clone(), &list, Path::new("excluded.tsv")).unwrap();
    assert!(left.image(1).unwrap().iter().all(|value| *value == 0));
    assert_eq!(left.image(2).unwrap(), set.image(2).unwrap());
    assert!(!left.train.images.is_decoded());
}
