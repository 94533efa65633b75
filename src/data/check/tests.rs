use std::collections::BTreeSet;
use std::path::PathBuf;

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage, imageops};
use proptest::prelude::*;

use super::*;
use crate::data::locate::SearchPath;
use crate::data::{Dataset, InMemory, Part, mini};
use crate::rng::{Purpose, Stream};

/// Something wrong with a set.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A training image twice.
    Copied,
    /// A test image among the training images.
    Leaked,
    /// A training image in another class too.
    Relabelled,
    /// A training image at three quarters of its size too.
    Shrunk,
    /// A test image among the training images, encoded again.
    Reencoded,
    Constant,
    Cut,
    Empty,
    Misnamed,
}

fn any_fault() -> impl Strategy<Value = Fault> {
    use Fault::*;
    prop::sample::select(vec![
        Copied, Leaked, Relabelled, Shrunk, Reencoded, Constant, Cut, Empty, Misnamed,
    ])
}

/// Waves in colours, different in every image.
fn waves(seed: u64, number: u64) -> RgbImage {
    let stream = Stream::new(seed, Purpose::Augmentation, number);
    let draw = |index, most: f64| f64::from(stream.uniform(index)) * most;
    let (width, height) = (stream.word(90) % 24 + 40, stream.word(91) % 24 + 40);
    let value = |across: f64, down: f64, channel: u64| {
        let wave = |k: u64| {
            let at = 12 * channel + 3 * k;
            let slope = (draw(at, 16.0) - 8.0, draw(at + 1, 16.0) - 8.0);
            28.0 * (slope.0 * across + slope.1 * down + draw(at + 2, 6.0)).sin()
        };
        (128.0 + (0..4).map(wave).sum::<f64>()) as u8
    };
    RgbImage::from_fn(width, height, |x, y| {
        let across = f64::from(x) / f64::from(width);
        let down = f64::from(y) / f64::from(height);
        Rgb([0, 1, 2].map(|channel| value(across, down, channel)))
    })
}

struct Folder {
    dir: tempfile::TempDir,
    seed: u64,
    expected: BTreeSet<(Kind, BTreeSet<String>)>,
}

const CLASSES: [&str; 2] = ["daisy", "rose"];

impl Folder {
    /// Fourteen training and ten test images in two classes.
    fn new(seed: u64) -> Self {
        let folder = Self {
            dir: tempfile::tempdir().unwrap(),
            seed,
            expected: BTreeSet::new(),
        };
        for number in 0..28 {
            let image = waves(seed, number as u64);
            image.save(folder.at(&Self::train(number))).unwrap();
        }
        for number in 0..10 {
            let image = waves(seed, 100 + number as u64);
            image.save(folder.at(&Self::test(number))).unwrap();
        }
        folder
    }

    fn train(number: usize) -> String {
        format!("train/{}/{number}.png", CLASSES[number % 2])
    }

    fn test(number: usize) -> String {
        format!("test/{}/{number}.png", CLASSES[number % 2])
    }

    fn at(&self, path: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn expect(&mut self, kind: Kind, images: &[&str]) {
        let images = images.iter().map(ToString::to_string).collect();
        self.expected.insert((kind, images));
    }

    /// Each fault has images of its own.
    fn plant(&mut self, number: usize, fault: Fault) {
        let (train, test) = (Self::train(number), Self::test(number));
        let (own, other) = (CLASSES[number % 2], CLASSES[(number + 1) % 2]);
        let new = format!("train/{own}/fault{number}.png");
        let copy = |from: &str, to: &str| {
            std::fs::copy(self.at(from), self.at(to)).unwrap();
        };
        match fault {
            Fault::Copied => {
                copy(&train, &new);
                self.expect(Kind::Copy, &[&train, &new]);
            }
            Fault::Leaked => {
                copy(&test, &new);
                self.expect(Kind::Leak, &[&test, &new]);
            }
            Fault::Relabelled => {
                let new = format!("train/{other}/fault{number}.png");
                copy(&train, &new);
                self.expect(Kind::LabelConflict, &[&train, &new]);
            }
            Fault::Shrunk => {
                let image = waves(self.seed, number as u64);
                let (width, height) = (image.width() * 3 / 4, image.height() * 3 / 4);
                let filter = imageops::FilterType::Triangle;
                let small = imageops::resize(&image, width, height, filter);
                small.save(self.at(&new)).unwrap();
                self.expect(Kind::NearCopy, &[&train, &new]);
            }
            Fault::Reencoded => {
                let new = format!("train/{own}/fault{number}.jpg");
                let mut bytes = Vec::new();
                let image = waves(self.seed, 100 + number as u64);
                let encoder = JpegEncoder::new_with_quality(&mut bytes, 75);
                image.write_with_encoder(encoder).unwrap();
                std::fs::write(self.at(&new), bytes).unwrap();
                self.expect(Kind::NearLeak, &[&test, &new]);
            }
            Fault::Constant => {
                let shade = u8::try_from(10 * number).unwrap();
                let image = RgbImage::from_pixel(40, 40, Rgb([shade, 200, 7]));
                image.save(self.at(&new)).unwrap();
                self.expect(Kind::Constant, &[&new]);
            }
            Fault::Cut => {
                let bytes = std::fs::read(self.at(&train)).unwrap();
                std::fs::write(self.at(&new), &bytes[..bytes.len() / 2]).unwrap();
                self.expect(Kind::Unreadable, &[&new]);
            }
            Fault::Empty => {
                std::fs::write(self.at(&new), b"").unwrap();
                self.expect(Kind::Unreadable, &[&new]);
            }
            Fault::Misnamed => {
                let new = format!("train/{own}/fault{number}.bmp");
                let image = waves(self.seed, 200 + number as u64);
                image
                    .save_with_format(self.at(&new), image::ImageFormat::Png)
                    .unwrap();
                self.expect(Kind::WrongExtension, &[&new]);
            }
        }
    }

    fn survey(&self) -> Survey {
        let what = self.dir.path().to_str().unwrap();
        let source = Source::find(what, 1, &SearchPath::default()).unwrap();
        survey(source, &|_, _| {}, &AtomicBool::new(false)).unwrap()
    }
}

/// What was found, without what is not about single images.
fn found(survey: &Survey, report: &Report) -> BTreeSet<(Kind, BTreeSet<String>)> {
    let about = |finding: &&Finding| !matches!(finding.kind, Kind::Sizes | Kind::AspectRatio);
    let findings = report.findings.iter().filter(about);
    let cases = findings.flat_map(|finding| finding.cases.iter().map(|case| (finding.kind, case)));
    let images = |case: &Case| {
        let both = [case.image, case.copy_of].into_iter().flatten();
        both.map(|index| survey.source.name(index)).collect()
    };
    cases.map(|(kind, case)| (kind, images(case))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    /// What was planted is found, and nothing else; without what is superfluous nothing is left to mend.
    #[test]
    fn planted_faults_are_found(seed in 0..1000_u64, faults in prop::collection::vec(any_fault(), 0..9)) {
        let mut folder = Folder::new(seed);
        for (number, fault) in faults.iter().enumerate() {
            folder.plant(number, *fault);
        }
        let mut survey = folder.survey();
        let report = survey.report(None);
        prop_assert_eq!(&found(&survey, &report), &folder.expected);
        let misnamed = |(kind, _): &&(Kind, _)| *kind == Kind::WrongExtension || *kind == Kind::NearCopy;
        let notes = folder.expected.iter().filter(misnamed).count();
        prop_assert_eq!(report.has_problems(), folder.expected.len() > notes);
        let images = survey.superfluous(Near::Excluded);
        survey.exclude(&images).unwrap();
        prop_assert!(!survey.report(None).has_problems());
        for (index, _) in images {
            prop_assert_eq!(survey.source.part(index), Part::Train);
        }
    }
}

#[test]
fn a_class_that_is_small_or_missing_is_told() {
    let folder = Folder::new(1);
    for path in ["train/lily/1.png", "train/lily/2.png"] {
        waves(2, path.len() as u64 + u64::from(path.as_bytes()[11]))
            .save(folder.at(path))
            .unwrap();
    }
    std::fs::write(folder.at("readme.txt"), b"x").unwrap();
    let report = folder.survey().report(None);
    let words: Vec<&str> = report.findings.iter().map(|f| f.words.as_str()).collect();
    assert!(
        words.contains(&"1 class is missing from a split"),
        "{words:#?}"
    );
    assert!(
        words.contains(&"1 class has fewer than 10 training images"),
        "{words:#?}"
    );
    assert!(words[2].contains("is no image by its name"), "{words:#?}");
    let cases = &report.findings[0].cases;
    assert_eq!(cases, &[Case::told("lily has no test images")]);
}

/// Of the built-in set, whose training images are 2,000 of Fashion-MNIST's.
#[test]
fn a_clean_set_has_no_problems_and_its_own_statistics() {
    let set = mini::load().unwrap();
    let source = Source::of_dataset(set);
    let data = crate::profile::Data::default();
    let published = figures(&source, &data).unwrap();
    let survey = survey(source, &|_, _| {}, &AtomicBool::new(false)).unwrap();
    let report = survey.report(Some(&published));
    assert!(!report.has_problems(), "{:#?}", report.findings);
    assert_eq!(report.images, [2000, 500, 0]);
    assert!((report.mean[0] - published.mean[0]).abs() < 0.01);
    let imagenet = Figures {
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        whose: "ImageNet's".into(),
        level: Level::Problem,
    };
    let report = survey.report(Some(&imagenet));
    assert_eq!(report.findings[0].kind, Kind::Normalization);
    let told = report.findings[0].cases[0].words.clone();
    assert!(told.starts_with("training images: mean 0.28"), "{told}");
}

#[test]
fn the_test_set_keeps_its_own_copies() {
    let set = mini::load().unwrap();
    let mut pixels = Vec::new();
    for index in [2000, 2001, 2000, 2003] {
        pixels.extend(set.image(index).unwrap());
    }
    let labels = [2000, 2001, 2000, 2003]
        .map(|index| set.label(index))
        .to_vec();
    let images = InMemory {
        pixels,
        channels: 1,
        height: 28,
        width: 28,
    };
    let test = crate::data::Examples::in_memory(images, labels);
    let set = Dataset { test, ..set };
    let source = Source::of_dataset(set);
    let survey = survey(source, &|_, _| {}, &AtomicBool::new(false)).unwrap();
    let report = survey.report(None);
    let copies = report
        .findings
        .iter()
        .find(|f| f.kind == Kind::Copy)
        .unwrap();
    assert_eq!((copies.level, copies.count), (Level::Note, 1));
    assert_eq!(
        copies.cases[0].line(&survey.source, Kind::Copy),
        "test 2 = test 0"
    );
    assert!(survey.superfluous(Near::Excluded).is_empty());
}

#[test]
fn what_is_no_set_is_refused_and_a_check_can_be_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let find = |what: &str| {
        Source::find(what, 1, &SearchPath::default())
            .unwrap_err()
            .to_string()
    };
    let empty = find(dir.path().to_str().unwrap());
    assert!(
        empty.contains("is not a data set that fmtui knows"),
        "{empty}"
    );
    assert!(find("./nowhere").contains("is not there"));
    assert!(find("nowhere").contains("not found; looked in"));
    let source = Source::of_dataset(mini::load().unwrap());
    let stopped = survey(source, &|_, _| {}, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(Error::Cancelled { .. })));
}
