//! From what was seen of the images to findings.

use std::collections::HashMap;

use super::figures::{Figures, far_off};
use super::picture::{Facts, Fill};
use super::report::{Case, Finding, Kind, Level, Report, counted, note, problem, rank};
use super::{Source, Survey};
use crate::data::Part;
use crate::text;

/// An image is told that is longer than so many times its width, or wider.
const LONG: f64 = 3.0;

impl Survey {
    /// What there is to say; `figures` are those that a recipe normalises by.
    #[must_use]
    pub fn report(&self, figures: Option<&Figures>) -> Report {
        let mut findings = vec![
            self.leaks(),
            self.conflicts(),
            self.unreadable(),
            self.near(Kind::NearLeak),
            self.copies_within(),
            self.filled(Kind::Constant),
            self.near(Kind::NearCopy),
            self.filled(Kind::NearlyBlank),
            self.misnamed(),
            self.new_files(),
            self.other_files(),
            self.channels(),
            self.sizes(),
            self.long(),
        ];
        findings.extend(self.classes());
        let (mean, std) = self.statistics();
        findings.extend(figures.map(|figures| far_off(&mean, &std, figures)));
        findings.retain(|finding| finding.count > 0);
        findings.sort_by_key(|finding| (finding.level, finding.kind));
        let count = |part| {
            let is_own = |(index, _): &(u32, &Facts)| self.source.part(*index) == part;
            self.kept().filter(is_own).count()
        };
        Report {
            images: Part::ALL.map(count),
            classes: self.source.classes.len(),
            excluded: self.excluded.len(),
            divided: self.source.divides(),
            mean,
            std,
            findings,
        }
    }

    fn is_kept(&self, index: u32) -> bool {
        !self.excluded.contains(&index)
    }

    /// The images that can be read and are not excluded.
    pub(super) fn kept(&self) -> impl Iterator<Item = (u32, &Facts)> {
        let images = (0..).zip(&self.facts);
        images
            .filter_map(|(index, facts)| Some((index, facts.as_ref()?)))
            .filter(|(index, _)| self.is_kept(*index))
    }

    /// Groups of images with the same pixels that are not excluded, of two or more.
    pub(super) fn groups(&self) -> impl Iterator<Item = Vec<u32>> {
        let kept = |group: &Vec<u32>| -> Vec<u32> {
            let own = group.iter().copied();
            own.filter(|index| self.is_kept(*index)).collect()
        };
        let groups = self.copies.iter().map(kept);
        groups.filter(|group| group.len() > 1)
    }

    fn rank(&self, index: u32) -> u8 {
        rank(self.source.part(index))
    }

    /// A problem where one of the images is trained or validated on; the test set is as it is.
    fn level(&self, cases: &[Case]) -> Level {
        let images = cases.iter().flat_map(|case| [case.image, case.copy_of]);
        if images
            .flatten()
            .any(|image| self.source.part(image) != Part::Test)
        {
            Level::Problem
        } else {
            Level::Note
        }
    }

    fn leaks(&self) -> Finding {
        let mut cases = Vec::new();
        for group in self.groups() {
            for held_out in &group {
                let mut lower = group
                    .iter()
                    .filter(|o| self.rank(**o) < self.rank(*held_out));
                cases.extend(lower.next().map(|other| Case::pair(*held_out, *other, "")));
            }
        }
        let words = held_out(cases.len(), "also in another split");
        problem(Kind::Leak, cases, words)
    }

    fn conflicts(&self) -> Finding {
        let mut cases = Vec::new();
        for group in self.groups() {
            let label = |index: u32| self.source.label(index);
            for (at, index) in group.iter().enumerate() {
                let mut earlier = group[..at].iter();
                let other = earlier.find(|other| label(**other) != label(*index));
                cases.extend(other.map(|other| {
                    let classes = [*index, *other].map(|i| self.source.class(i));
                    Case::pair(*index, *other, format!("({}, {})", classes[0], classes[1]))
                }));
            }
        }
        let words = counted(
            cases.len(),
            "image",
            "is a copy of one with another label",
            "are copies of others with another label",
        );
        Finding {
            level: self.level(&cases),
            ..problem(Kind::LabelConflict, cases, words)
        }
    }

    fn unreadable(&self) -> Finding {
        let own = self
            .broken
            .iter()
            .filter(|(index, _)| self.is_kept(**index));
        let mut cases: Vec<Case> = own
            .map(|(index, problem)| Case::of(*index, text::sanitize(problem)))
            .collect();
        let faults = self.source.faults.iter();
        cases
            .extend(faults.map(|(path, why)| Case::told(text::sanitize(&format!("{path} {why}")))));
        let words = counted(cases.len(), "file", "cannot be used", "cannot be used");
        problem(Kind::Unreadable, cases, words)
    }

    fn near(&self, kind: Kind) -> Finding {
        let mut groups: HashMap<u32, &[u32]> = HashMap::new();
        for group in &self.copies {
            groups.insert(group[0], group);
        }
        let mut cases = Vec::new();
        for pair in &self.near {
            let members = |index: &u32| -> Vec<u32> {
                let all = groups
                    .get(index)
                    .copied()
                    .unwrap_or(std::slice::from_ref(index));
                all.iter().copied().filter(|i| self.is_kept(*i)).collect()
            };
            let (a, b) = (members(&pair.first), members(&pair.second));
            let words = format!("({:.1} % apart)", pair.difference * 100.0);
            if kind == Kind::NearCopy {
                let same = |x: &u32, y: &u32| self.rank(*x) == self.rank(*y);
                let found = a
                    .iter()
                    .find_map(|x| Some((*x, *b.iter().find(|y| same(x, y))?)));
                cases.extend(found.map(|(x, y)| Case::pair(y, x, words)));
                continue;
            }
            for (own, others) in [(&a, &b), (&b, &a)] {
                for held_out in own {
                    let mut lower = others
                        .iter()
                        .filter(|o| self.rank(**o) < self.rank(*held_out));
                    let case = lower
                        .next()
                        .map(|o| Case::pair(*held_out, *o, words.clone()));
                    cases.extend(case);
                }
            }
        }
        // A case for each image, with the nearest that it resembles first in the order of pairs.
        cases.sort_by_key(|case| (case.image, case.copy_of));
        if kind == Kind::NearLeak {
            cases.dedup_by_key(|case| case.image);
            let words = held_out(cases.len(), "nearly the same as one of another split");
            return problem(kind, cases, words);
        }
        let words = counted(
            cases.len(),
            "pair",
            "of images in a split is nearly the same",
            "of images in a split are nearly the same",
        );
        note(kind, cases, words)
    }

    fn copies_within(&self) -> Finding {
        let of = |index: u32| (self.source.part(index), self.source.label(index));
        let mut cases = Vec::new();
        for group in self.groups() {
            for (at, index) in group.iter().enumerate() {
                let same = group[..at].iter().find(|other| of(**other) == of(*index));
                cases.extend(same.map(|other| Case::pair(*index, *other, "")));
            }
        }
        cases.sort_by_key(|case| case.image);
        let words = counted(
            cases.len(),
            "image",
            "is a copy of another in its split",
            "are copies of others in their split",
        );
        Finding {
            level: self.level(&cases),
            ..problem(Kind::Copy, cases, words)
        }
    }

    fn filled(&self, kind: Kind) -> Finding {
        let wanted = if kind == Kind::Constant {
            Fill::Constant
        } else {
            Fill::NearlyBlank
        };
        let own = self.kept().filter(|(_, facts)| facts.fill == wanted);
        let cases: Vec<Case> = own.map(|(index, _)| Case::of(index, "")).collect();
        if kind == Kind::NearlyBlank {
            let words = counted(cases.len(), "image", "is nearly blank", "are nearly blank");
            return note(kind, cases, words);
        }
        let words = counted(
            cases.len(),
            "image",
            "has one colour only",
            "have one colour only",
        );
        Finding {
            level: self.level(&cases),
            ..problem(kind, cases, words)
        }
    }

    fn misnamed(&self) -> Finding {
        let own = self
            .misnamed
            .iter()
            .filter(|(index, _)| self.is_kept(**index));
        let cases: Vec<Case> = own
            .map(|(i, kind)| Case::of(*i, format!("is {kind}")))
            .collect();
        let words = counted(
            cases.len(),
            "file",
            "has the extension of another format; it is read all the same",
            "have the extension of another format; they are read all the same",
        );
        note(Kind::WrongExtension, cases, words)
    }

    fn new_files(&self) -> Finding {
        let new = self.source.new.iter();
        let cases: Vec<Case> = new.map(|path| Case::told(text::sanitize(path))).collect();
        let words = counted(
            cases.len(),
            "image",
            "of the directory is not in the set: broken when it was added, or newer",
            "of the directory are not in the set: broken when it was added, or newer",
        );
        note(Kind::NewFiles, cases, words)
    }

    fn other_files(&self) -> Finding {
        let Source {
            ignored, beside, ..
        } = self.source;
        let mut words = Vec::new();
        if ignored > 0 {
            words.push(counted(
                ignored,
                "file",
                "is no image by its name, and passed over",
                "are no images by their names, and passed over",
            ));
        }
        if beside > 0 {
            words.push(counted(
                beside,
                "image",
                "lies beside the directories of the splits, and is passed over",
                "lie beside the directories of the splits, and are passed over",
            ));
        }
        let (count, words) = (ignored + beside, words.join("; "));
        Finding {
            count,
            ..note(Kind::OtherFiles, Vec::new(), words)
        }
    }

    fn channels(&self) -> Finding {
        let all = self.kept().count();
        let grey: Vec<u32> = self
            .kept()
            .filter(|(_, f)| f.is_grey)
            .map(|(i, _)| i)
            .collect();
        let stored: Vec<u32> = self
            .kept()
            .filter(|(_, f)| f.is_grey && f.channels > 1)
            .map(|(i, _)| i)
            .collect();
        let clear = self.kept().filter(|(_, f)| f.channels == 4).count();
        let grouped = |count: usize| text::grouped(count as u64);
        let mut words = Vec::new();
        if grey.len() == all && !stored.is_empty() {
            words.push("all images are grey, some or all stored in colour; data.channels = 1 trains on less".to_owned());
        } else if !grey.is_empty() && grey.len() < all {
            words.push(format!(
                "{} of {} images are grey, the others in colour",
                grouped(grey.len()),
                grouped(all)
            ));
        }
        if clear > 0 {
            words.push(format!(
                "{} of {} images have an opacity, and are laid over white",
                grouped(clear),
                grouped(all)
            ));
        }
        let listed = if grey.len() < all { grey } else { Vec::new() };
        Finding {
            count: if words.is_empty() {
                0
            } else {
                listed.len().max(clear).max(stored.len())
            },
            ..note(
                Kind::Channels,
                listed.into_iter().map(|i| Case::of(i, "is grey")).collect(),
                words.join("; "),
            )
        }
    }

    fn sizes(&self) -> Finding {
        let mut areas: Vec<(u64, u32, u32, u32)> = self
            .kept()
            .map(|(i, f)| {
                (
                    u64::from(f.height) * u64::from(f.width),
                    f.height,
                    f.width,
                    i,
                )
            })
            .collect();
        areas.sort_unstable();
        let size = |own: &(u64, u32, u32, u32)| format!("{} × {}", own.1, own.2);
        let (Some(least), Some(most)) = (areas.first(), areas.last()) else {
            return note(Kind::Sizes, Vec::new(), String::new());
        };
        let mut sizes: Vec<(u32, u32)> = areas.iter().map(|own| (own.1, own.2)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        if sizes.len() == 1 {
            return note(Kind::Sizes, Vec::new(), String::new());
        }
        let median = &areas[areas.len() / 2];
        let words = format!(
            "images have {} sizes, from {} to {} pixels (height × width), the median {}",
            text::grouped(sizes.len() as u64),
            size(least),
            size(most),
            size(median)
        );
        let cases = [least, most].map(|own| Case::of(own.3, format!("is {}", size(own))));
        note(Kind::Sizes, cases.to_vec(), words)
    }

    fn long(&self) -> Finding {
        let is_long = |f: &Facts| {
            let (h, w) = (f64::from(f.height), f64::from(f.width));
            (h / w).max(w / h) > LONG
        };
        let own = self.kept().filter(|(_, facts)| is_long(facts));
        let cases: Vec<Case> = own
            .map(|(i, f)| Case::of(i, format!("is {} × {}", f.height, f.width)))
            .collect();
        let words = counted(
            cases.len(),
            "image",
            &format!(
                "is more than {LONG} times as long as wide or the reverse; a square from its middle shows little of it"
            ),
            &format!(
                "are more than {LONG} times as long as wide or the reverse; a square from their middle shows little of them"
            ),
        );
        note(Kind::AspectRatio, cases, words)
    }
}

fn held_out(count: usize, what: &str) -> String {
    let noun = "test or validation image";
    counted(count, noun, &format!("is {what}"), &format!("are {what}"))
}
