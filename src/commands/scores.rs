//! Scores as tables: a row a metric, a row a class, and the confusion matrix where it is small enough to be read.

use crate::error::Result;
use crate::headless::{Output, Table, Tint};
use crate::metrics::significance::wilson_of;
use crate::metrics::{METRICS, Scores, class_name};
use crate::text::{self, figure};

/// Classes of a confusion matrix that is printed.
const SMALL: usize = 20;

/// A row a metric, a column a part.
pub(super) fn table(parts: &[(&str, &Option<Scores>)]) -> Table {
    let measured: Vec<(&str, &Scores)> = parts
        .iter()
        .filter_map(|(name, scores)| Some((*name, scores.as_ref()?)))
        .collect();
    let names = measured.iter().map(|(name, _)| format!(">{name}"));
    let head: Vec<String> = std::iter::once(String::new()).chain(names).collect();
    let mut table = Table::new(&head);
    for metric in METRICS {
        let figures = measured
            .iter()
            .map(|(_, scores)| metric.text(scores, 2, figure::ANY));
        table.row(std::iter::once(metric.label.to_owned()).chain(figures));
        if metric.key == "accuracy" {
            // Of the training images it says nothing of others.
            let interval = |(name, scores): &(&str, &Scores)| match wilson_of(scores) {
                Some(interval) if *name != "train" => interval.percent(2),
                _ => String::new(),
            };
            let intervals = measured.iter().map(interval);
            table.row(std::iter::once("accuracy, 95 %".to_owned()).chain(intervals));
        }
    }
    table
}

/// Prints the figures of every class that has images or was predicted, and the confusion matrix of these.
///
/// # Errors
/// `Io` when it cannot be written.
pub(super) fn print_classes(scores: &Scores, names: &[String], out: &mut Output) -> Result<()> {
    let counts = &scores.confusion;
    let met: Vec<usize> = (0..counts.classes())
        .filter(|class| counts.row_total(*class) + counts.column_total(*class) > 0)
        .collect();
    let each = scores.per_class();
    let mut table = Table::new(&["class", ">precision", ">recall", ">F1", ">images"]);
    for class in &met {
        let own = &each[*class];
        table.row([
            class_name(names, *class),
            figure::fixed(own.precision, 4, figure::ANY),
            figure::fixed(own.recall, 4, figure::ANY),
            figure::fixed(own.f1, 4, figure::ANY),
            text::grouped(own.support),
        ]);
    }
    table.print(out)?;
    if met.len() > SMALL {
        return Ok(());
    }
    out.line("")?;
    let shown = |class: &usize| format!(">{}", class_name(names, *class));
    let head = std::iter::once("true \\ predicted".to_owned()).chain(met.iter().map(shown));
    let mut matrix = Table::new(&head.collect::<Vec<_>>());
    for label in &met {
        let count = |class: &usize| match counts.counts[*label][*class] {
            0 => "·".to_owned(),
            count => text::grouped(u64::from(count)),
        };
        let name = class_name(names, *label);
        matrix.row(std::iter::once(name.clone()).chain(met.iter().map(count)));
        matrix.tint(&name, Tint::Good);
    }
    matrix.print(out).map(drop)
}
