//! Scores in files: in a record with every metric, in an event log with what the others follow from. Those of any
//! version are read: what follows from the counts is computed from them, whatever else was written.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::{ClassScore, Confusion, METRICS, Scores, figure, metric, unknown};

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

    #[test]
    fn counts_that_are_no_square_are_none() {
        let read: Scores =
            serde_json::from_str(r#"{"accuracy":0.25,"confusion":[[1,2],[3]],"later":{"a":1}}"#)
                .unwrap();
        assert_eq!((read.accuracy, read.confusion.classes()), (0.25, 0));
        assert!(read.macro_mean(|c| c.f1).is_nan());
    }
}
