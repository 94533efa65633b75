//! Which images are shown: a part of the set and a class, typed or cycled. Pure.

use crate::data::{Dataset, Part};
use crate::error::{Error, Result};

/// What is shown of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// `None`: all of them.
    pub part: Option<Part>,
    pub class: Option<usize>,
    /// Only images that runs leave out.
    pub is_excluded: bool,
}

/// What is typed for images that runs leave out.
pub(super) const EXCLUDED: &str = "excluded";

/// The parts that a set has.
#[must_use]
pub(super) fn parts(dataset: &Dataset) -> Vec<Part> {
    let has = |part: &Part| !dataset.part(*part).is_empty();
    Part::ALL.into_iter().filter(has).collect()
}

/// `train, test and validation`.
#[must_use]
pub(super) fn names(parts: &[Part]) -> String {
    match parts {
        [] => "nothing".into(),
        [one] => one.name().into(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(|part| part.name()).collect();
            format!("{} and {}", first.join(", "), last.name())
        }
    }
}

impl Filter {
    /// Reads what was typed: a part such as `train`, a class number, the beginning of a class name, or two of these;
    /// before or behind them `excluded`.
    ///
    /// # Errors
    /// `Input` for a word that is none of these, or a part that the set has not.
    pub(super) fn parse(text: &str, classes: &[String], parts: &[Part]) -> Result<Self> {
        let mut filter = Self::default();
        let text = text.trim().to_lowercase();
        // A class name may hold spaces, so the whole text is tried first, then word by word.
        if let Some(class) = class_of(&text, classes) {
            filter.class = Some(class);
            return Ok(filter);
        }
        let without = |(word, rest): (&str, &str)| (word == EXCLUDED).then(|| rest.to_owned());
        let ends = [
            text.split_once(' '),
            text.rsplit_once(' ').map(|(a, b)| (b, a)),
        ];
        let rest = ends.into_iter().flatten().find_map(without);
        let rest = rest.or_else(|| (text == EXCLUDED).then(String::new));
        if let Some(rest) = rest {
            let filter = Self::parse(&rest, classes, parts)?;
            return Ok(Self {
                is_excluded: true,
                ..filter
            });
        }
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        filter.part = Part::ALL.into_iter().find(|part| part.name() == word);
        if let Some(part) = filter.part.filter(|part| !parts.contains(part)) {
            return Err(Error::input(
                "this set",
                format!("has no {} set", part.name()),
                format!("it has {}", names(parts)),
            ));
        }
        let is_part = filter.part.is_some() || word == "all";
        let rest = if is_part { rest.trim() } else { &text };
        if !rest.is_empty() {
            filter.class = Some(class_of(rest, classes).ok_or_else(|| {
                Error::input(
                    format!("«{rest}»"),
                    "is not a class",
                    format!(
                        "type train, test, 0 to {}, or a name",
                        classes.len().max(1) - 1
                    ),
                )
            })?);
        }
        Ok(filter)
    }

    /// The next of these parts; after the last come all of them.
    pub(super) fn step_part(&mut self, parts: &[Part]) {
        let next = parts.iter().position(|p| Some(*p) == self.part);
        self.part = parts.get(next.map_or(0, |at| at + 1)).copied();
    }

    /// The next class, or the previous; before the first and after the last come all of them.
    pub(super) fn step(&mut self, forward: bool, classes: usize) {
        self.class = match (self.class, forward) {
            (None, true) => (classes > 0).then_some(0),
            (None, false) => classes.checked_sub(1),
            (Some(class), true) => Some(class + 1).filter(|c| *c < classes),
            (Some(class), false) => class.checked_sub(1),
        };
    }

    /// Those of some images that pass, in their order.
    #[must_use]
    pub(super) fn only(&self, dataset: &Dataset, images: &[usize]) -> Vec<usize> {
        let passes = |index: &&usize| {
            let place = dataset.place(**index);
            place.is_some_and(|(part, _)| self.part.is_none_or(|own| own == part))
                && self
                    .class
                    .is_none_or(|own| usize::from(dataset.label(**index)) == own)
        };
        images.iter().filter(passes).copied().collect()
    }

    /// Pooled indices of the images that pass.
    #[must_use]
    pub(super) fn indices(&self, dataset: &Dataset) -> Vec<usize> {
        let range = match self.part {
            None => 0..dataset.len(),
            Some(part) => dataset.range(part),
        };
        let passes = |i: &usize| {
            self.class
                .is_none_or(|c| usize::from(dataset.label(*i)) == c)
        };
        range.filter(passes).collect()
    }
}

fn class_of(text: &str, classes: &[String]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    if let Ok(number) = text.parse::<usize>() {
        return (number < classes.len()).then_some(number);
    }
    let named = |test: &dyn Fn(&str) -> bool| classes.iter().position(|c| test(&c.to_lowercase()));
    named(&|c| c == text).or_else(|| named(&|c| c.starts_with(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tabs::testing;

    #[test]
    fn words_become_filters() {
        let names = testing::names(10);
        let parts = [Part::Train, Part::Test];
        let try_parse = |text: &str| Filter::parse(text, &names, &parts);
        let parse = |text: &str| try_parse(text).unwrap();
        let filter = |part, class| Filter {
            part,
            class,
            ..Filter::default()
        };
        assert_eq!(parse(""), filter(None, None));
        assert_eq!(parse("all"), filter(None, None));
        assert_eq!(parse("shirt"), filter(None, Some(6)));
        assert_eq!(parse("ankle boot"), filter(None, Some(9)));
        assert_eq!(parse("Test"), filter(Some(Part::Test), None));
        assert_eq!(parse("test ank"), filter(Some(Part::Test), Some(9)));
        assert_eq!(parse("train 3"), filter(Some(Part::Train), Some(3)));
        for (text, part, class) in [
            ("excluded", None, None),
            ("excluded train", Some(Part::Train), None),
            ("test ankle boot excluded", Some(Part::Test), Some(9)),
        ] {
            let expected = Filter {
                part,
                class,
                is_excluded: true,
            };
            assert_eq!(parse(text), expected);
        }
        assert!(try_parse("excluded hat").is_err());
        let refused = try_parse("hat").unwrap_err().to_string();
        assert!(refused.contains("0 to 9"), "{refused}");
        assert!(try_parse("10").is_err());
        assert_eq!(
            try_parse("validation 3").unwrap_err().to_string(),
            "this set has no validation set; it has train and test"
        );
    }

    #[test]
    fn parts_cycle_through_those_that_are_there() {
        let mut filter = Filter::default();
        let parts = [Part::Train, Part::Validation];
        let mut seen = Vec::new();
        for _ in 0..3 {
            filter.step_part(&parts);
            seen.push(filter.part);
        }
        assert_eq!(seen, [Some(Part::Train), Some(Part::Validation), None]);
        filter.step_part(&[]);
        assert_eq!(filter.part, None);
        assert_eq!(names(&Part::ALL), "train, test and validation");
    }

    #[test]
    fn classes_cycle_through_all_of_them() {
        let mut filter = Filter::default();
        let mut seen = Vec::new();
        for _ in 0..4 {
            filter.step(true, 3);
            seen.push(filter.class);
        }
        assert_eq!(seen, [Some(0), Some(1), Some(2), None]);
        filter.step(false, 3);
        assert_eq!(filter.class, Some(2));
        filter.class = None;
        filter.step(true, 0);
        assert_eq!(filter.class, None);
    }

    #[test]
    fn indices_are_pooled() {
        let set = testing::dataset(10, 4);
        let filter = Filter {
            part: Some(Part::Test),
            class: Some(3),
            ..Filter::default()
        };
        assert_eq!(filter.indices(&set), [43, 53]);
    }
}
