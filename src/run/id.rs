//! Run ids such as `20261123-160211-lenet5-3f2a`: sorted by time to the second, readable, safe as file names. A name is
//! only a label in them.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::text;

/// The longest part taken from a name.
const LONGEST_NAME: usize = 24;

/// Characters of day and time at the beginning of an id.
const SECOND: usize = 15;

/// The longest id that is looked for on disk.
const LONGEST_ID: usize = 64;

/// A new id for a run of something called `name`, started at `unix_seconds`.
#[must_use]
pub(crate) fn generate(name: &str, unix_seconds: f64) -> String {
    let digits: String = text::timestamp(unix_seconds)
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let (day, time) = digits.split_at(8);
    // The standard library seeds each state from the operating system's randomness.
    let random = RandomState::new().build_hasher().finish() & 0xffff;
    format!("{day}-{time}-{}-{random:04x}", label(name))
}

/// A new name for a group of so many runs of something called `name`.
#[must_use]
pub(crate) fn group(name: &str, runs: usize) -> String {
    let random = RandomState::new().build_hasher().finish() & 0xffff;
    format!("{}-x{runs}-{random:04x}", label(name))
}

/// The name reduced to `[a-z0-9-]`, bounded; `run` where nothing is left.
fn label(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if out.len() == LONGEST_NAME {
            break;
        }
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() {
        "run".into()
    } else {
        out.into()
    }
}

/// The name within an id; the whole text where it is no id.
#[must_use]
pub(crate) fn name(id: &str) -> &str {
    let name = || id.splitn(3, '-').nth(2)?.rsplit_once('-');
    name().map_or(id, |(name, _)| name)
}

/// The second at which a run of this id began; the whole text where it is no id.
#[must_use]
pub(crate) fn second(id: &str) -> &str {
    id.get(..SECOND).unwrap_or(id)
}

/// Whether a text could be an id (or the start of one); nothing else is ever joined to a path.
#[must_use]
pub(crate) fn is_plausible(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_ID
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_dated_and_safe() {
        let id = generate("Modern LeNet (2)!", 1_795_449_731.0);
        assert!(id.starts_with("20261123-160211-modern-lenet-2-"), "{id}");
        assert!(is_plausible(&id));
        assert_eq!(name(&id), "modern-lenet-2");
        assert_eq!(second(&id), "20261123-160211");
        assert_eq!(name("lenet-1"), "lenet-1");
        for hostile in ["../../etc/passwd", "", "\0\n", "ä", &"x".repeat(300)] {
            let id = generate(hostile, 0.0);
            assert!(is_plausible(&id), "{id}");
            assert!(id.starts_with("19700101-000000-"));
        }
    }

    #[test]
    fn two_ids_of_one_second_differ() {
        let many: std::collections::BTreeSet<String> =
            (0..20).map(|_| generate("a", 0.0)).collect();
        assert!(many.len() > 15);
    }

    #[test]
    fn paths_are_not_ids() {
        for text in ["..", "a/b", "A", "", ".x", "a b"] {
            assert!(!is_plausible(text), "{text}");
        }
    }
}
