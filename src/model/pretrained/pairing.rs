//! Which array of a file is which of a network: by the names and shapes alone, beneath whatever a wrapper or a
//! checkpoint put before them.
//!
//! Nothing is a guess: all that the network needs is there under one beginning of names, or the file is refused with
//! what is in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Reshaping, shown, with_shape};
use crate::error::{Error, Result};
use crate::state::Shapes;
use crate::text;

/// The mismatches, and the arrays of a file, that are named before it is refused.
const NAMED: usize = 3;

/// The parts of a name that are looked at as what may stand before the network's own.
const MOST_PARTS: usize = 8;

/// What stands before a network's names, as wrappers and checkpoints put it there, in the order of which is taken where
/// several fit: weights as they were trained before their averages. Others come after these.
const BEGINNINGS: [&str; 28] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "model_weights",
    "network",
    "net",
    "module",
    "_orig_mod",
    "weights",
    "params",
    "state",
    "backbone",
    "encoder",
    "encoder_q",
    "online_network",
    "generator",
    "G",
    "classifier",
    "student",
    "teacher",
    "ema",
    "model_ema",
    "ema_model",
    "state_dict_ema",
    "ema_state_dict",
    "params_ema",
    "ema_weights",
];

/// timm's names of VGG's head, and torchvision's.
const TIMM: [(&str, &str); 3] = [
    ("pre_logits.fc1.", "classifier.0."),
    ("pre_logits.fc2.", "classifier.3."),
    ("head.fc.", "classifier.6."),
];

/// What networks call their last layer.
const LAST: [&str; 4] = ["fc.", "linear.", "classifier.", "head."];

/// Where a file has the arrays of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairing {
    /// The name in the file of every array that is taken from there, by the network's names.
    pub pairs: BTreeMap<String, String>,
    /// What the names in the file begin with, such as `module.encoder_q`; empty: nothing.
    pub beneath: String,
    /// Other beginnings that fit as well, and were not taken.
    pub others: Vec<String>,
}

impl Pairing {
    /// What else fits, for people; empty where nothing does.
    #[must_use]
    pub fn told_others(&self) -> String {
        let named: Vec<String> = self.others.iter().take(NAMED).map(|n| shown(n)).collect();
        match (named.as_slice(), self.others.len()) {
            ([], _) => String::new(),
            ([one], _) => format!("{one} fits as well and is not taken"),
            (some, all) if all <= NAMED => {
                format!("{} fit as well and are not taken", some.join(", "))
            }
            (some, all) => format!(
                "{} and {} more fit as well and are not taken",
                some.join(", "),
                all - NAMED
            ),
        }
    }
}

/// Finds the arrays of a network in a file, beneath the beginning of names that fits; of several the one that people
/// mean first. `heads`, the names of the last layer's arrays, stay fresh unless `keep_head`. Looks at shapes alone, so
/// that a header will do.
///
/// # Errors
/// `Input` with the first three mismatches and arrays of the file when an array of the network is missing or has
/// another shape under every beginning.
pub(crate) fn pair(
    source: &str,
    own: &Shapes,
    found: &Shapes,
    heads: &[String],
    keep_head: bool,
) -> Result<Pairing> {
    let needed: BTreeMap<&str, Needed<'_>> = own
        .iter()
        .map(|(name, shape)| {
            let is_head = heads.contains(name);
            (name.as_str(), Needed { shape, is_head })
        })
        .filter(|(_, needed)| keep_head || !needed.is_head)
        .collect();
    let mut fitting: Option<Pairing> = None;
    let mut nearest: Option<Attempt> = None;
    for beginning in beginnings(&needed, found) {
        let attempt = Attempt::beneath(beginning, &needed, found);
        if attempt.mismatches.is_empty() {
            let name = beginning.trim_end_matches('.').to_string();
            match &mut fitting {
                None => {
                    fitting = Some(Pairing {
                        pairs: attempt.pairs,
                        beneath: name,
                        others: Vec::new(),
                    });
                }
                Some(first) => first.others.push(name),
            }
        } else if nearest
            .as_ref()
            .is_none_or(|n| attempt.pairs.len() > n.pairs.len())
        {
            nearest = Some(attempt);
        }
    }
    match (fitting, nearest) {
        (Some(pairing), _) => Ok(pairing),
        (None, Some(attempt)) => Err(attempt.refusal(source, found)),
        (None, None) => Ok(Pairing::default()),
    }
}

/// An array that the file must have.
struct Needed<'a> {
    shape: &'a [usize],
    is_head: bool,
}

/// Every beginning beneath which there may be all that is needed, those first that have the most of its names; where
/// none has all, only those with as many as any.
fn beginnings<'a>(needed: &BTreeMap<&str, Needed<'_>>, found: &'a Shapes) -> Vec<&'a str> {
    let mut accepted: HashSet<String> = HashSet::new();
    for name in needed.keys() {
        accepted.extend(others_of_last(name));
        accepted.insert((*name).to_string());
    }
    let mut counts: HashMap<&str, usize> = HashMap::from([("", 0)]);
    for name in found.keys() {
        let dots = name.match_indices('.').map(|(at, _)| at + 1);
        for start in std::iter::once(0).chain(dots).take(MOST_PARTS + 1) {
            let (beginning, rest) = name.split_at(start);
            if accepted.contains(rest) || accepted.contains(&torchvisions(rest)) {
                *counts.entry(beginning).or_default() += 1;
            }
        }
    }
    let most = counts.values().copied().max().unwrap_or(0);
    let least = most.min(needed.len());
    let mut beginnings: Vec<(&str, usize)> =
        counts.into_iter().filter(|(_, n)| *n >= least).collect();
    beginnings.sort_by_cached_key(|(beginning, _)| (ranks(beginning), *beginning));
    beginnings
        .into_iter()
        .map(|(beginning, _)| beginning)
        .collect()
}

/// Where each part of a beginning stands among those that are known.
fn ranks(beginning: &str) -> Vec<usize> {
    let rank = |part: &str| BEGINNINGS.iter().position(|known| *known == part);
    beginning
        .split_terminator('.')
        .map(|part| rank(part).unwrap_or(BEGINNINGS.len()))
        .collect()
}

/// A name of timm's as torchvision has it.
fn torchvisions(name: &str) -> String {
    TIMM.iter()
        .find_map(|(from, to)| name.strip_prefix(from).map(|rest| format!("{to}{rest}")))
        .unwrap_or_else(|| name.into())
}

/// The other names that an array of a last layer may have.
fn others_of_last(name: &str) -> impl Iterator<Item = String> {
    LAST.iter()
        .filter_map(|from| name.strip_prefix(*from))
        .flat_map(|rest| LAST.map(|to| format!("{to}{rest}")))
}

/// What is found and what is not beneath one beginning.
struct Attempt {
    pairs: BTreeMap<String, String>,
    mismatches: Vec<String>,
    /// Whether nothing but the last layer does not fit.
    only_last: bool,
}

impl Attempt {
    fn beneath(beginning: &str, needed: &BTreeMap<&str, Needed<'_>>, found: &Shapes) -> Self {
        let mut known: BTreeMap<String, &String> = found
            .range(beginning.to_string()..)
            .map_while(|(name, _)| Some((torchvisions(name.strip_prefix(beginning)?), name)))
            .collect();
        let mut attempt = Self {
            pairs: BTreeMap::new(),
            mismatches: Vec::new(),
            only_last: true,
        };
        for (name, Needed { shape, is_head }) in needed {
            let theirs = std::iter::once((*name).to_string())
                .chain(others_of_last(name))
                .find_map(|name| known.remove(&name));
            let mismatch = match theirs {
                Some(theirs) => match &found[theirs] {
                    there if Reshaping::between(there, shape).is_some() => {
                        attempt.pairs.insert((*name).to_string(), theirs.clone());
                        continue;
                    }
                    there => format!("{name} is {there:?} there and {shape:?} here"),
                },
                None => format!("{name} is missing there"),
            };
            attempt.only_last &= *is_head;
            attempt.mismatches.push(mismatch);
        }
        attempt.refuse_more(&known);
        attempt
    }

    /// More of what is loaded, such as a deeper network's blocks; what is behind it, such as another head, may be left
    /// out.
    fn refuse_more(&mut self, rest: &BTreeMap<String, &String>) {
        let stage = |name: &str| name.split('.').next().unwrap_or_default().to_string();
        let stages: BTreeSet<String> = self.pairs.keys().map(|name| stage(name)).collect();
        for name in rest.keys() {
            if stages.contains(&stage(name)) && !name.ends_with("num_batches_tracked") {
                self.only_last = false;
                self.mismatches
                    .push(format!("{} is missing here", shown(name)));
            }
        }
    }

    fn refusal(mut self, source: &str, found: &Shapes) -> Error {
        let more = match self.mismatches.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        self.mismatches.truncate(NAMED);
        Error::input(
            text::sanitize(source),
            format!(
                "does not fit this network: {}{more} ({})",
                self.mismatches.join(", "),
                contents(found)
            ),
            if self.only_last {
                "leave model.keep_head out, so that the last layer is initialised anew"
            } else {
                "choose the architecture, stem and channels it was made for"
            },
        )
    }
}

/// What is in a file, by its first names.
fn contents(found: &Shapes) -> String {
    let named: Vec<String> = found
        .iter()
        .take(NAMED)
        .map(|(name, shape)| with_shape(&shown(name), shape))
        .collect();
    let more = if found.len() > NAMED { ", …" } else { "" };
    let count = text::count(found.len(), "array");
    format!("the file has {count}: {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shapes(arrays: &[(&str, &[usize])]) -> Shapes {
        let array = |(name, shape): &(&str, &[usize])| ((*name).to_string(), shape.to_vec());
        arrays.iter().map(array).collect()
    }

    fn beneath(beginning: &str, arrays: &Shapes) -> Shapes {
        let named =
            |(name, shape): (&String, &Vec<usize>)| (format!("{beginning}{name}"), shape.clone());
        arrays.iter().map(named).collect()
    }

    fn small() -> Shapes {
        shapes(&[
            ("conv1.weight", &[4, 1, 3, 3]),
            ("bn1.weight", &[4]),
            ("fc.weight", &[10, 64]),
        ])
    }

    #[test]
    fn whatever_stands_before_the_names_is_found() {
        let own = small();
        for beginning in [
            "",
            "module.",
            "_orig_mod.module.",
            "net.",
            "model.",
            "backbone.",
            "encoder.",
            "module.encoder_q.",
            "resnet.",
            "ema.",
            "checkpoint.model.",
            "student.backbone.",
            "a.b.c.d.e.f.g.h.",
        ] {
            let mut found = beneath(beginning, &own);
            found.insert("criterion.weight".into(), vec![4]);
            found.insert("val_acc.tp".into(), vec![4]);
            let pairing = pair("x", &own, &found, &[], true).unwrap();
            assert_eq!(pairing.beneath, beginning.trim_end_matches('.'));
            assert!(pairing.others.is_empty());
            for (name, theirs) in &pairing.pairs {
                assert_eq!(*theirs, format!("{beginning}{name}"));
            }
            assert_eq!(pairing.pairs.len(), own.len());
        }
    }

    #[test]
    fn of_several_that_fit_the_trained_one_is_taken_and_the_others_told() {
        let own = small();
        let of = |beginnings: &[&str]| {
            let all = beginnings.iter().flat_map(|b| beneath(b, &own)).collect();
            pair("x", &own, &all, &[], true).unwrap()
        };
        for (beginnings, taken) in [
            (["state_dict_ema.", "state_dict."], "state_dict"),
            (["ema.", "model."], "model"),
            (["teacher.", "student."], "student"),
            (
                ["module.encoder_k.", "module.encoder_q."],
                "module.encoder_q",
            ),
            (["zebra.", ""], ""),
        ] {
            let pairing = of(&beginnings);
            assert_eq!(pairing.beneath, taken);
            let other = beginnings
                .iter()
                .map(|b| b.trim_end_matches('.'))
                .find(|b| *b != taken);
            assert_eq!(
                pairing.told_others(),
                format!("{} fits as well and is not taken", other.unwrap())
            );
        }
        let many = of(&["a.", "b.", "c.", "d.", "e."]);
        assert_eq!(
            many.told_others(),
            "b, c, d and 1 more fit as well and are not taken"
        );
    }

    #[test]
    fn the_one_that_fits_is_taken_whatever_it_is_called() {
        let own = small();
        let mut found = beneath("model.", &own);
        found.insert("model.conv1.weight".into(), vec![8, 1, 3, 3]);
        found.extend(beneath("generator.", &own));
        let pairing = pair("x", &own, &found, &[], true).unwrap();
        assert_eq!(pairing.beneath, "generator");
    }

    #[test]
    fn what_does_not_fit_is_listed_by_its_first_names() {
        let found = shapes(&[
            ("features.0.weight", &[64, 3, 3, 3]),
            ("features.0.bias", &[64]),
            ("x", &[]),
            ("y\u{1b}[2J", &[1]),
        ]);
        let refused = pair("w.pth", &small(), &found, &[], true)
            .unwrap_err()
            .to_string();
        assert_eq!(
            refused,
            "w.pth does not fit this network: bn1.weight is missing there, conv1.weight is missing there, fc.weight is missing there \
             (the file has 4 arrays: features.0.bias 64, features.0.weight 64×3×3×3, x, …); choose the architecture, stem and channels it was made for"
        );
        let long = shapes(&[(&*format!("{}\u{1b}[2J", "n".repeat(500)), &[1])]);
        let refused = pair("w.pth", &small(), &long, &[], true)
            .unwrap_err()
            .to_string();
        assert!(
            refused.len() < 500 && !refused.contains('\u{1b}'),
            "{refused}"
        );
    }

    /// Many names that share their parts, and one that is nothing but parts: no more work than a few look-ups a name.
    #[test]
    fn hostile_names_take_no_time() {
        let begun = std::time::Instant::now();
        let found: Shapes = (0..20_000)
            .map(|i| (format!("{i}.a.b.c.d.e.f.g.conv1.weight"), vec![4, 1, 3, 3]))
            .chain([("a.".repeat(1 << 20), vec![1])])
            .collect();
        assert!(pair("x", &small(), &found, &[], true).is_err());
        assert!(begun.elapsed().as_secs() < 20);
    }

    /// Arrays of a network: names of three parts at most, of a few stages.
    fn network() -> impl Strategy<Value = Shapes> {
        let name = "(conv1|bn1|layer[12]\\.[01]\\.(conv|bn)[12]|fc)\\.(weight|bias)";
        let shape = prop::collection::vec(1usize..5, 1..4);
        prop::collection::btree_map(name, shape, 1..12)
    }

    proptest! {
        #[test]
        fn the_chooser_takes_all_from_one_place_or_nothing(
            own in network(),
            beginning in prop::collection::vec("[a-z_]{1,6}", 0..4),
            other in "[A-Z]{1,6}",
            foreign in prop::collection::btree_map("Z[a-z]{1,4}(\\.[a-z0-9]{1,4}){0,4}", prop::collection::vec(1usize..5, 0..3), 0..10),
            spoiled in any::<prop::sample::Index>(),
            is_missing in any::<bool>(),
        ) {
            let beginning: String = beginning.iter().flat_map(|part| [part.as_str(), "."]).collect();
            let (at, shape) = own.iter().nth(spoiled.index(own.len())).unwrap();
            // Beside the right one another with an array less, or in another shape.
            let mut wrong = beneath(&format!("{other}x."), &own);
            let key = format!("{other}x.{at}");
            if is_missing {
                wrong.remove(&key);
            } else {
                wrong.insert(key, [shape.as_slice(), &[7]].concat());
            }
            let mut found = beneath(&beginning, &own);
            found.extend(foreign);
            found.extend(wrong);
            let pairing = pair("x", &own, &found, &[], true).unwrap();
            prop_assert_eq!(pairing.beneath, beginning.trim_end_matches('.'));
            prop_assert_eq!(pairing.pairs.len(), own.len());
            for (name, theirs) in &pairing.pairs {
                prop_assert_eq!(theirs, &format!("{beginning}{name}"));
            }
            prop_assert!(pairing.others.is_empty());
            // Half of it here and half of it there is not a network.
            found.remove(&format!("{beginning}{at}"));
            let refused = pair("x", &own, &found, &[], true).unwrap_err().to_string();
            prop_assert!(refused.contains("does not fit this network"), "{}", refused);
            prop_assert!(refused.contains("the file has "), "{}", refused);
        }
    }
}
