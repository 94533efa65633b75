//! How the classes of a set are represented.

use super::Survey;
use super::report::{Case, Finding, Kind, counted, note, problem};
use crate::data::Part;
use crate::text;

/// A class with fewer training images is told.
const FEW: usize = 10;

/// The largest class may have so many times the images of the smallest.
const IMBALANCE: usize = 10;

impl Survey {
    pub(super) fn classes(&self) -> Vec<Finding> {
        let names = &self.source.classes;
        let mut counts = vec![[0_usize; 3]; names.len()];
        for (index, _) in self.kept() {
            let part = self.source.part(index);
            let place = Part::ALL.iter().position(|own| *own == part).unwrap_or(0);
            if let Some(counts) = counts.get_mut(usize::from(self.source.label(index))) {
                counts[place] += 1;
            }
        }
        let (mut missing, mut small) = (Vec::new(), Vec::new());
        for (place, part) in Part::ALL.into_iter().enumerate() {
            if part != Part::Train && counts.iter().all(|own| own[place] == 0) {
                continue;
            }
            for (name, own) in names.iter().zip(&counts) {
                if own[place] == 0 {
                    missing.push(Case::told(format!("{name} has no {} images", told(part))));
                }
            }
        }
        if let [only] = names.as_slice() {
            missing.push(Case::told(format!(
                "{only} is the only class; there must be two"
            )));
        }
        let train = || names.iter().zip(&counts).map(|(name, own)| (name, own[0]));
        for (name, count) in train().filter(|(_, count)| (1..FEW).contains(count)) {
            let images = text::count(count, "training image");
            small.push(Case::told(format!("{name} has {images}")));
        }
        let words = match names.len() {
            1 => "a class is missing".into(),
            _ => counted(
                missing.len(),
                "class",
                "is missing from a split",
                "are missing from a split",
            ),
        };
        let few = format!("fewer than {FEW} training images");
        let few = counted(
            small.len(),
            "class",
            &format!("has {few}"),
            &format!("have {few}"),
        );
        let largest = train().max_by_key(|(_, count)| *count);
        let smallest = train()
            .filter(|(_, count)| *count > 0)
            .min_by_key(|(_, count)| *count);
        let mut imbalance = Vec::new();
        let mut ratio = String::new();
        if let (Some((large, most)), Some((small, least))) = (largest, smallest)
            && most > IMBALANCE * least
        {
            let images = |count: usize| text::grouped(count as u64);
            ratio = format!(
                "the largest class has {} times the training images of the smallest",
                most / least
            );
            imbalance.push(Case::told(format!(
                "{large} {}, {small} {}",
                images(most),
                images(least)
            )));
        }
        vec![
            problem(Kind::MissingClass, missing, words),
            problem(Kind::SmallClass, small, few),
            note(Kind::Imbalance, imbalance, ratio),
        ]
    }
}

fn told(part: Part) -> &'static str {
    match part {
        Part::Train => "training",
        Part::Test => "test",
        Part::Validation => "validation",
    }
}
