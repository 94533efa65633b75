//! Which classes are taken for which: the confusion matrix off its diagonal, sorted.

use super::Confusion;

/// One cell off the diagonal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub label: usize,
    pub prediction: usize,
    pub count: u32,
    /// Images of the true class.
    pub support: u64,
}

/// Every cell off the diagonal that is not empty, largest first; equal ones in reading order.
#[must_use]
pub fn mistakes(confusion: &Confusion) -> Vec<Mistake> {
    let mut found: Vec<Mistake> = confusion
        .counts
        .iter()
        .enumerate()
        .flat_map(|(label, row)| {
            let support = confusion.row_total(label);
            row.iter()
                .enumerate()
                .filter(move |(prediction, count)| *prediction != label && **count > 0)
                .map(move |(prediction, count)| Mistake {
                    label,
                    prediction,
                    count: *count,
                    support,
                })
        })
        .collect();
    found.sort_by_key(|m| std::cmp::Reverse(m.count));
    found
}

/// The two classes taken for each other most often, and how often, both directions added; `None` without a mistake.
#[must_use]
pub fn worst_pair(confusion: &Confusion) -> Option<(usize, usize, u64)> {
    let classes = confusion.classes();
    (0..classes)
        .flat_map(|a| (a + 1..classes).map(move |b| (a, b)))
        .map(|(a, b)| {
            let both = u64::from(confusion.counts[a][b]) + u64::from(confusion.counts[b][a]);
            (a, b, both)
        })
        .filter(|(_, _, both)| *both > 0)
        .rev()
        .max_by_key(|(_, _, both)| *both)
}

/// `part` of `whole` as a share, 0 for nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "image counts are below 2^53")]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// A class's name; its number where the run does not tell names.
#[must_use]
pub fn class_name(classes: &[String], index: usize) -> String {
    classes
        .get(index)
        .cloned()
        .unwrap_or_else(|| format!("class {index}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Confusion {
        Confusion {
            counts: vec![vec![5, 2, 0], vec![3, 7, 4], vec![0, 1, 9]],
        }
    }

    #[test]
    fn largest_mistakes_come_first() {
        let found = mistakes(&example());
        let cells: Vec<_> = found.iter().map(|m| (m.label, m.prediction)).collect();
        assert_eq!(cells, [(1, 2), (1, 0), (0, 1), (2, 1)]);
        assert_eq!((found[0].count, found[0].support), (4, 14));
    }

    #[test]
    fn pairs_add_both_directions() {
        assert_eq!(worst_pair(&example()), Some((0, 1, 5)));
        assert_eq!(worst_pair(&Confusion::new(3)), None);
        assert_eq!(worst_pair(&Confusion::new(0)), None);
    }
}
