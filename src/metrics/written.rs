//! Scores in files: in a record with every metric, in an event log with what the others follow from. Those of any
//! version are read: what follows from the counts is computed from them, whatever else was written.

use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::{ClassScore, Confusion, METRICS, MOST_CLASSES, Scores, figure, metric, unknown};

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for metric in METRICS {
            map.serialize_entry(metric.key, &(metric.of)(self))?;
        }
        map.serialize_entry("confusion", &self.confusion)?;
        map.serialize_entry("per_class", &self.per_class())?;
        map.end()
    }
}

/// Classes of which all counts are written; of more only those that are not 0.
const MOST_WHOLE: usize = 100;

/// The counts of many classes: true class, predicted class and count of each pair that occurs.
#[derive(Serialize, Deserialize)]
struct Sparse {
    classes: usize,
    counts: Vec<[u32; 3]>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Counts {
    Whole(Vec<Vec<u32>>),
    Sparse(Sparse),
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let classes = self.classes();
        if classes <= MOST_WHOLE {
            return self.counts.serialize(to);
        }
        let mut counts = Vec::new();
        for (label, row) in (0..).zip(&self.counts) {
            let own = (0..).zip(row).filter(|(_, count)| **count > 0);
            counts.extend(own.map(|(prediction, count)| [label, prediction, *count]));
        }
        Sparse { classes, counts }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Confusion {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let sparse = match Counts::deserialize(from)? {
            Counts::Whole(counts) => return Ok(Self { counts }),
            Counts::Sparse(sparse) => sparse,
        };
        if sparse.classes > MOST_CLASSES {
            return Err(D::Error::custom("too many classes"));
        }
        let mut confusion = Self::new(sparse.classes);
        for [label, prediction, count] in sparse.counts {
            let row = confusion.counts.get_mut(label as usize);
            let place = row.and_then(|row| row.get_mut(prediction as usize));
            *place.ok_or_else(|| D::Error::custom("a class that there is not"))? = count;
        }
        Ok(confusion)
    }
}

/// Scores without what follows from their counts, and without what is not known of them.
///
/// # Errors
/// As they come from `to`.
pub fn lean<S: Serializer>(scores: &Scores, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(None)?;
    map.serialize_entry("loss", &scores.loss)?;
    map.serialize_entry("accuracy", &scores.accuracy)?;
    if scores.confusion.classes() > 0 {
        map.serialize_entry("top3_accuracy", &scores.top3_accuracy)?;
        map.serialize_entry("confusion", &scores.confusion)?;
    }
    map.end()
}

/// A figure that is there, be it null.
struct Figure(f64);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        figure(from).map(Self)
    }
}

impl<'de> Deserialize<'de> for Scores {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Scores;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("scores")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scores, A::Error> {
        let mut scores = Scores::running(unknown(), unknown());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "loss" => scores.loss = map.next_value::<Figure>()?.0,
                "accuracy" => scores.accuracy = map.next_value::<Figure>()?.0,
                "top3_accuracy" => scores.top3_accuracy = map.next_value::<Figure>()?.0,
                "confusion" => scores.confusion = map.next_value::<Confusion>()?.squared(),
                "per_class" => {
                    map.next_value::<Vec<ClassScore>>()?;
                }
                key if metric(key).is_some() => {
                    map.next_value::<Figure>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if scores.confusion.total() > 0 {
            scores.accuracy = scores.confusion.accuracy();
        }
        Ok(scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_survive_both_ways_of_writing_them() {
        let mut scores = Scores::of_accuracy(0.5, 0.75);
        scores.loss = f64::NAN;
        let read = |json: &str| serde_json::from_str::<Scores>(json).unwrap();
        let whole = serde_json::to_string(&scores).unwrap();
        assert!(
            whole.contains(r#""mcc":0.5,"#) && whole.contains(r#""loss":null"#),
            "{whole}"
        );
        let lean = |scores: &Scores| {
            let mut out = Vec::new();
            super::lean(scores, &mut serde_json::Serializer::new(&mut out)).unwrap();
            String::from_utf8(out).unwrap()
        };
        for json in [&whole, &lean(&scores)] {
            let again = read(json);
            assert!(again.loss.is_nan());
            assert_eq!(again.confusion, scores.confusion);
            assert_eq!((again.accuracy, again.top3_accuracy), (0.75, 1.0));
            assert_eq!(serde_json::to_string(&again).unwrap(), whole);
        }
        let running = Scores::running(0.25, 0.5);
        assert_eq!(lean(&running), r#"{"loss":0.25,"accuracy":0.5}"#);
        assert!(read(&lean(&running)).top3_accuracy.is_nan());
    }

    /// Files of a thousand classes have megabytes of zeros otherwise.
    #[test]
    fn of_many_classes_only_what_occurs_is_written() {
        for classes in [100, 101, 1000] {
            let mut scores = Scores::of_accuracy(0.5, 0.75);
            scores.confusion = Confusion::new(classes);
            for image in 0..3 * classes {
                let prediction = (image * image + 7) % classes;
                scores.confusion.add(image % classes, prediction);
            }
            let json = serde_json::to_string(&scores).unwrap();
            let toml = toml::to_string(&scores).unwrap();
            let (own, whole) = (
                &scores.confusion,
                serde_json::to_string(&scores.confusion.counts),
            );
            let whole = format!("\"confusion\":{},", whole.unwrap());
            assert_eq!(json.contains(&whole), classes <= MOST_WHOLE);
            assert!(
                classes < 1000 || json.len().max(toml.len()) < 300_000,
                "{}",
                json.len()
            );
            let again: [Scores; 2] = [
                serde_json::from_str(&json).unwrap(),
                toml::from_str(&toml).unwrap(),
            ];
            assert!(again.iter().all(|again| again.confusion == *own));
            // As it was written before.
            let before: Scores = serde_json::from_str(&format!("{{{whole}\"loss\":1}}")).unwrap();
            assert_eq!(before.confusion, *own);
        }
        for wrong in [
            r#"{"classes":101,"counts":[[101,0,1]]}"#,
            r#"{"classes":101,"counts":[[0,101,1]]}"#,
            r#"{"classes":5000,"counts":[]}"#,
            r#"{"classes":101,"counts":[[0,1]]}"#,
        ] {
            assert!(serde_json::from_str::<Confusion>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_that_are_no_square_are_none() {
        let read: Scores =
            serde_json::from_str(r#"{"accuracy":0.25,"confusion":[[1,2],[3]],"later":{"a":1}}"#)
                .unwrap();
        assert_eq!((read.accuracy, read.confusion.classes()), (0.25, 0));
        assert!(read.macro_mean(|c| c.f1).is_nan());
    }
}
