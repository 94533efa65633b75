//! The word that somebody meant.

/// The first candidate that begins with `word`; else the nearest by edit distance, if it is near enough to be a slip of
/// the finger.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Two letters that change places are two edits.
    let least = if word.len() > 3 { 2 } else { 1 };
    let is_slip = |(d, c): &(usize, &str)| *d <= (c.len().max(word.len()) / 3).max(least);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let distances = candidates.iter().map(|c| (edit_distance(word, c), *c));
    let near = distances.filter(is_slip).min_by_key(|(d, _)| *d);
    let begun = candidates
        .iter()
        .find(|c| word.len() > 2 && c.starts_with(word));
    begun.copied().or(near.map(|(_, c)| c))
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let keys = ["epochs", "batch_size", "seed"];
        assert_eq!(nearest("epoch", keys), Some("epochs"));
        assert_eq!(nearest("batchsize", keys), Some("batch_size"));
        assert_eq!(nearest("sed", keys), Some("seed"));
        assert_eq!(nearest("acc", ["mcc", "accuracy"]), Some("accuracy"));
        assert_eq!(nearest("batch", keys), Some("batch_size"));
        assert_eq!(nearest("speech", keys), None);
        assert_eq!(nearest("zzzzzzzzzz", keys), None);
    }
}
