//! What another version wrote into a record and this one does not know: kept, and written back where it was.

use serde::de::DeserializeOwned;
use serde_ignored::Path;
use toml::{Table, Value};

/// The parts of a record, which a run writes.
const PARTS: [&str; 3] = ["run", "result", "history"];

/// Unknown fields, each with the keys and numbers of the lists that lead to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept(Vec<(Vec<String>, Value)>);

/// Reads `table` as a T, with what T does not know of the parts of a record.
pub(super) fn read<T: DeserializeOwned>(table: Table) -> Result<(T, Kept), toml::de::Error> {
    let mut unknown = Vec::new();
    let value = Value::Table(table);
    let read = serde_ignored::deserialize(value.clone(), |path| unknown.push(keys(&path)))?;
    unknown.retain(|keys| {
        keys.first()
            .is_some_and(|part| PARTS.contains(&part.as_str()))
    });
    let found = unknown.into_iter().filter_map(|keys| {
        let field = keys.iter().try_fold(&value, |at, key| inside(at, key))?;
        let field = field.clone();
        Some((keys, field))
    });
    Ok((read, Kept(found.collect())))
}

/// From the outermost key to the field.
fn keys(path: &Path<'_>) -> Vec<String> {
    let (parent, key) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, index.to_string()),
        Path::Map { parent, key } => (parent, key.clone()),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => return keys(parent),
    };
    let mut keys = keys(parent);
    keys.push(key);
    keys
}

fn inside<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        value => value.get(key),
    }
}

impl Kept {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the fields back into a record; those of rows that are no more go with them.
    pub(super) fn put_back(&self, record: &mut Table) {
        for (keys, field) in &self.0 {
            let Some((name, above)) = keys.split_last() else {
                continue;
            };
            let mut above = above.iter();
            let first = above.next().and_then(|key| record.get_mut(key));
            let place = above.fold(first, |at, key| match at? {
                Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?),
                value => value.get_mut(key),
            });
            if let Some(Value::Table(table)) = place {
                table.entry(name.clone()).or_insert_with(|| field.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::profile::Profile;

    /// What fmtui 0.1 wrote.
    const RECORD: &str = include_str!("../../tests/support/run-0.1/record.toml");

    fn read(text: &str) -> Profile {
        Profile::parse(text, "record.toml").unwrap()
    }

    #[test]
    fn records_of_this_version_keep_nothing() {
        let record = read(RECORD);
        assert!(record.kept.is_empty());
        assert_eq!(read(&record.to_toml()), record);
    }

    #[test]
    fn what_a_later_version_wrote_is_read_and_written_back() {
        let later = RECORD
            .replace("[run]\n", "[run]\nqueue = 'night'\ncost = { euro = 0.5 }\n")
            .replace("[result]\n", "[result]\njoules = 3\n")
            .replace(
                "[result.validation]\n",
                "[result.validation]\nbrier = 0.25\n",
            )
            .replace(
                "[[history]]\nepoch = 3\n",
                "[[history]]\nepoch = 3\nbrier = 0.5\n",
            );
        let mut record = read(&later);
        assert!(!record.kept.is_empty());
        let again: toml::Table = record.to_toml().parse().unwrap();
        assert_eq!(again["run"]["queue"].as_str(), Some("night"));
        assert_eq!(again["run"]["cost"]["euro"].as_float(), Some(0.5));
        assert_eq!(again["result"]["joules"].as_integer(), Some(3));
        for (row, brier) in [
            (&again["result"]["validation"], 0.25),
            (&again["history"][2], 0.5),
        ] {
            assert_eq!(row["brier"].as_float(), Some(brier));
        }
        assert_eq!(read(&record.to_toml()), record);

        // What is known of it is changed as ever, and a row takes its fields along.
        let mut known = read(RECORD);
        for record in [&mut record, &mut known] {
            record.history.truncate(2);
            record.run.as_mut().unwrap().host = "elsewhere".into();
        }
        let text = record.to_toml();
        assert!(
            text.contains("queue") && !text.contains("brier = 0.5"),
            "{text}"
        );
        record.kept = known.kept.clone();
        assert_eq!(record, known);
    }

    #[test]
    fn a_status_that_is_unknown_is_read() {
        let record = read(&RECORD.replace("\"finished\"", "\"dreaming\""));
        assert_eq!(record.run.unwrap().status, crate::profile::Status::Unknown);
    }

    #[test]
    fn what_an_earlier_version_did_not_write_is_empty_or_no_number() {
        let without = |words: &[&str]| -> String {
            let line = |line: &&str| !words.iter().any(|word| line.starts_with(word));
            let lines = RECORD.lines().filter(line);
            lines.flat_map(|line| [line, "\n"]).collect()
        };
        let record = read(&without(&[
            "host",
            "seconds",
            "macro_f1",
            "held_out_loss",
            "weighted",
        ]));
        let (whole, result) = (read(RECORD).result.unwrap(), record.result.unwrap());
        assert_eq!(record.run.unwrap().host, "");
        assert!(result.seconds.is_nan());
        assert!(record.history.iter().all(|row| row.held_out_loss.is_nan()));
        // Figures that follow from the counts are worked out.
        assert_eq!(result.test, whole.test);
        assert_eq!(result.validation, whole.validation);
    }

    #[test]
    fn a_recipe_is_read_strictly() {
        for place in ["[train]\n", "[data]\n", "[train.optimizer]\n"] {
            let text = RECORD.replace(place, &format!("{place}later = 1\n"));
            let refused = Profile::parse(&text, "record.toml").unwrap_err();
            assert!(refused.to_string().contains("later"), "{refused}");
        }
    }
}
