use half::f16;

use super::*;
use crate::metrics::predictions::{Prediction, RANKS};
use crate::metrics::references;

/// Predictions with these probabilities and labels.
fn predictions(images: &[(Vec<f64>, usize)], is_test: bool, epoch: u32) -> Predictions {
    let classes = u16::try_from(images[0].0.len()).unwrap();
    let mut p = Predictions::new(classes);
    (p.is_test, p.epoch) = (is_test, epoch);
    for (index, (all, label)) in (0..).zip(images) {
        let mut order: Vec<u16> = (0..classes).collect();
        order.sort_by(|a, b| all[usize::from(*b)].total_cmp(&all[usize::from(*a)]));
        let mut item = Prediction {
            index,
            label: u16::try_from(*label).unwrap(),
            top: [0; RANKS],
            probability: [0.0; RANKS],
        };
        for (rank, class) in order.iter().take(RANKS).enumerate() {
            item.top[rank] = *class;
            #[expect(clippy::cast_possible_truncation, reason = "as they are kept")]
            let kept = all[usize::from(*class)] as f32;
            item.probability[rank] = kept;
        }
        p.add(item, all);
    }
    p
}

/// The largest of the cases that numpy and scipy have worked out: its images, error and temperature.
fn case() -> (Vec<(Vec<f64>, usize)>, f64, f64) {
    let cases = references().calibrations.into_iter();
    let case = cases.max_by_key(|case| case.labels.len()).unwrap();
    let images = case.probabilities.into_iter().zip(case.labels).collect();
    (images, case.ece, case.temperature)
}

/// Validation images of epoch 5, and the same as test images of this epoch.
fn kept(test_epoch: u32) -> Kept {
    let (images, ..) = case();
    Kept {
        best: Some(predictions(&images, false, 5)),
        latest: Some(predictions(&images, false, 7)),
        test: Some(predictions(&images, true, test_epoch)),
        damaged: Vec::new(),
    }
}

#[test]
fn kept_files_give_the_figures_of_numpy_and_scipy() {
    let (images, ece, temperature) = case();
    let all = of(&kept(5));
    assert_eq!(all.len(), 3);
    let test = &all[2];
    assert!(test.is_final && test.part == Subset::Test && test.epoch == 5);
    assert_eq!((test.images, test.left_out), (images.len(), 0));
    // Kept with f32 for the most likely classes, and f16 for the others.
    assert!((test.reliability.ece - ece).abs() < 1e-6);
    let tempered = test.tempered.as_ref().unwrap();
    assert!((tempered.temperature / temperature - 1.0).abs() < 1e-3);
    assert_eq!(tempered.fitted_on, images.len());
    let scaled = images.iter().map(|(all, label)| {
        let scaled = scaled(all, temperature);
        let most = (0..all.len()).max_by(|a, b| all[*a].total_cmp(&all[*b]));
        (scaled[most.unwrap()], most == Some(*label))
    });
    let expected = Reliability::of(scaled);
    let after = tempered.after.as_ref().unwrap();
    assert!((after.ece - expected.ece).abs() < 2e-3);
    let right = images.iter().filter(|(all, label)| {
        let highest = all.iter().copied().fold(0.0, f64::max);
        (all[*label] - highest).abs() < 1e-12
    });
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let accuracy = right.count() as f64 / images.len() as f64;
    assert!((test.accuracy - accuracy).abs() < 1e-9);
}

#[test]
fn what_a_temperature_is_fitted_on_is_not_judged_by_it() {
    for certainty in of(&kept(5)) {
        let tempered = certainty.tempered.unwrap();
        assert_eq!(
            tempered.after.is_some(),
            certainty.part == Subset::Test,
            "{}",
            certainty.epoch
        );
    }
    // A run without a validation set has test images in all files.
    let (images, ..) = case();
    let on_test = Kept {
        best: Some(predictions(&images, true, 5)),
        latest: Some(predictions(&images, true, 7)),
        ..kept(7)
    };
    let all = of(&on_test);
    assert_eq!(all.len(), 2, "the newest epoch's images are the test's");
    for certainty in all {
        assert_eq!(certainty.tempered, Err(Unknown::NoValidation));
        assert!(certainty.curves.is_ok());
    }
    let lost = Kept {
        best: None,
        latest: None,
        ..kept(7)
    };
    assert_eq!(of(&lost)[0].tempered, Err(Unknown::NoPredictions));
    let elsewhere = Unknown::OtherWeights {
        validation: 5,
        judged: 6,
    };
    assert_eq!(of(&kept(6))[2].tempered, Err(elsewhere));
}

#[test]
fn what_stands_for_a_run_is_its_test_then_what_its_weights_said() {
    let stands = |kept: &Kept, weights: Option<usize>| {
        let key = |c: &Certainty| (c.epoch, c.is_final, c.part);
        let one = of_weights(kept, weights)?;
        of(kept).iter().position(|each| key(each) == key(&one))
    };
    assert_eq!(stands(&kept(5), Some(7)), Some(2));
    let untested = Kept {
        test: None,
        ..kept(5)
    };
    assert_eq!(stands(&untested, Some(5)), Some(0));
    assert_eq!(stands(&untested, Some(6)), Some(1));
    assert_eq!(stands(&untested, None), Some(1));
    assert_eq!(stands(&Kept::default(), None), None);
}

#[test]
fn where_not_all_was_kept_the_reliability_is_known_alone() {
    let file = include_bytes!("../../../tests/support/run-0.1/predictions-best.bin");
    let old = Kept {
        best: Some(Predictions::decode(file).unwrap()),
        ..Kept::default()
    };
    let all = of(&old);
    assert!((all[0].accuracy - 22.0 / 40.0).abs() < 1e-12);
    assert!(all[0].reliability.ece.is_finite());
    assert_eq!(all[0].tempered, Err(Unknown::EarlierVersion));
    assert_eq!(all[0].curves, Err(Unknown::EarlierVersion));
    let mut most = vec![0.001; 101];
    most[3] = 0.9;
    let many = Kept {
        best: Some(predictions(&[(most, 3)], false, 1)),
        ..Kept::default()
    };
    let certainty = &of(&many)[0];
    assert_eq!(certainty.curves, Err(Unknown::ManyClasses(101)));
    assert_eq!(certainty.tempered, Err(Unknown::ManyClasses(101)));
    assert!((certainty.reliability.ece - 0.1).abs() < 1e-6);
}

#[test]
fn what_is_no_number_is_left_out_and_told() {
    let (images, ..) = case();
    let mut broken = predictions(&images, false, 1);
    broken.items[0].probability[0] = f32::NAN;
    let second = usize::from(broken.classes);
    broken.probabilities[second] = f16::INFINITY;
    broken.items[2].label = u16::MAX;
    let certainty = &of(&Kept {
        best: Some(broken.clone()),
        ..Kept::default()
    })[0];
    assert_eq!(
        (certainty.images, certainty.left_out),
        (images.len() - 3, 3)
    );
    assert!(certainty.note().starts_with("3 images left out"));
    assert!(certainty.tempered.is_ok() && certainty.curves.is_ok());
    for item in &mut broken.items {
        item.probability[0] = f32::NAN;
    }
    let none = &of(&Kept {
        best: Some(broken),
        ..Kept::default()
    })[0];
    assert_eq!(none.images, 0);
    assert!(none.accuracy.is_nan() && none.leaning().is_empty());
    assert_eq!(none.tempered, Err(Unknown::NoNumbers));
    assert_eq!(none.curves, Err(Unknown::NoNumbers));
    let empty = &of(&Kept {
        best: Some(Predictions::new(3)),
        ..Kept::default()
    })[0];
    assert_eq!(empty.images, 0);
}

#[test]
fn a_class_that_is_never_seen_has_no_figures_and_is_in_no_mean() {
    let images = vec![
        (vec![0.7, 0.2, 0.1], 0),
        (vec![0.4, 0.5, 0.1], 0),
        (vec![0.3, 0.6, 0.1], 1),
    ];
    let certainty = &of(&Kept {
        best: Some(predictions(&images, false, 1)),
        ..Kept::default()
    })[0];
    let curves = certainty.curves.as_ref().unwrap();
    assert_eq!(curves[2].images, 0);
    assert!(curves[2].auc.is_nan() && curves[2].average_precision.is_nan());
    assert!(curves[2].roc.is_empty());
    // Both are perfectly ranked: 0.7 and 0.4 before 0.3; 0.6 before 0.5 and 0.2.
    assert_eq!(macro_mean(curves, |c| c.auc), (1.0, 2));
    assert!(macro_mean(&[], |c| c.auc).0.is_nan());
}

#[test]
fn a_temperature_that_cannot_be_says_why() {
    let right = vec![(vec![0.7, 0.3], 0), (vec![0.2, 0.8], 1)];
    let tempered = |images: &[(Vec<f64>, usize)]| {
        let kept = Kept {
            best: Some(predictions(images, false, 1)),
            ..Kept::default()
        };
        of(&kept).remove(0).tempered
    };
    assert_eq!(tempered(&right), Err(Unknown::AllRight));
    let wrong = vec![(vec![0.7, 0.3], 1), (vec![0.2, 0.8], 0)];
    assert_eq!(tempered(&wrong), Err(Unknown::NoneIsBest));
}

#[test]
fn thinned_curves_keep_their_ends_and_areas() {
    let fine: Vec<(f64, f64)> = (0..=100_000)
        .map(|i| (f64::from(i) / 1e5, (f64::from(i) / 1e5).sqrt()))
        .collect();
    let area = |points: &[(f64, f64)]| -> f64 {
        let strips = points.windows(2);
        strips
            .map(|w| (w[1].0 - w[0].0) * f64::midpoint(w[0].1, w[1].1))
            .sum()
    };
    let few = thinned(fine.clone());
    assert!(few.len() < 2500, "{}", few.len());
    assert_eq!((few.first(), few.last()), (fine.first(), fine.last()));
    assert!((area(&few) - area(&fine)).abs() < 1e-4);
}

#[test]
fn leanings_read_well() {
    let mut certainty = of(&kept(5)).remove(2);
    let mut says = |accuracy: f64, confidence: f64| {
        (certainty.accuracy, certainty.confidence) = (accuracy, confidence);
        certainty.leaning()
    };
    assert_eq!(says(0.8, 0.822), "overconfident by 2.2 points");
    assert_eq!(says(0.822, 0.8), "underconfident by 2.2 points");
    assert_eq!(says(0.8, 0.8001), "neither over- nor underconfident");
}
