//! Which pictures are shown: a part of the set and a class, typed or cycled. Pure.

use crate::data::{self, Dataset};
use crate::error::{Error, Result};

/// Which files the pictures come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    All,
    Train,
    Test,
}

/// What is shown of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub part: Part,
    pub class: Option<usize>,
}

impl Part {
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::All => Self::Train,
            Self::Train => Self::Test,
            Self::Test => Self::All,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "train and test",
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

impl Filter {
    /// Reads what was typed: `train`, `test`, a class number, the beginning of a class name, or two of these.
    ///
    /// # Errors
    /// `Input` for a word that is none of these.
    pub fn parse(text: &str, classes: &[String]) -> Result<Self> {
        let mut filter = Self::default();
        let text = text.trim().to_lowercase();
        // A class name may hold spaces, so the whole text is tried first, then word by word.
        if let Some(class) = class_of(&text, classes) {
            filter.class = Some(class);
            return Ok(filter);
        }
        let (part, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let rest = match part {
            "" | "all" => rest,
            "train" => {
                filter.part = Part::Train;
                rest
            }
            "test" => {
                filter.part = Part::Test;
                rest
            }
            _ => &text,
        }
        .trim();
        if !rest.is_empty() {
            filter.class = Some(class_of(rest, classes).ok_or_else(|| {
                Error::input(
                    format!("«{rest}»"),
                    "is no class",
                    format!(
                        "type train, test, 0 to {}, or a name",
                        classes.len().max(1) - 1
                    ),
                )
            })?);
        }
        Ok(filter)
    }

    /// The next class, or the previous; before the first and after the last come all of them.
    pub fn step(&mut self, forward: bool, classes: usize) {
        self.class = match (self.class, forward) {
            (None, true) => (classes > 0).then_some(0),
            (None, false) => classes.checked_sub(1),
            (Some(class), true) => Some(class + 1).filter(|c| *c < classes),
            (Some(class), false) => class.checked_sub(1),
        };
    }

    /// Pooled indices of the pictures that pass.
    #[must_use]
    pub fn indices(&self, dataset: &Dataset) -> Vec<usize> {
        let range = match self.part {
            Part::All => 0..dataset.len(),
            Part::Train => dataset.range(data::Part::Train),
            Part::Test => dataset.range(data::Part::Test),
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
        let parse = |text: &str| Filter::parse(text, &names).unwrap();
        let filter = |part, class| Filter { part, class };
        assert_eq!(parse(""), filter(Part::All, None));
        assert_eq!(parse("shirt"), filter(Part::All, Some(6)));
        assert_eq!(parse("ankle boot"), filter(Part::All, Some(9)));
        assert_eq!(parse("Test"), filter(Part::Test, None));
        assert_eq!(parse("test ank"), filter(Part::Test, Some(9)));
        assert_eq!(parse("train 3"), filter(Part::Train, Some(3)));
        let refused = Filter::parse("hat", &names).unwrap_err().to_string();
        assert!(refused.contains("0 to 9"), "{refused}");
        assert!(Filter::parse("10", &names).is_err());
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
            part: Part::Test,
            class: Some(3),
        };
        assert_eq!(filter.indices(&set), [43, 53]);
    }
}
