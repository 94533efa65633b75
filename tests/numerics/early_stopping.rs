//! When early stopping ends a run: PyTorch Lightning's decisions on 72 courses with ties, plateaus and figures that are
//! not finite.
//!
//! `early_stopping/lightning.txt` is written by `scripts/lightning_early_stopping.py`, which says what a line is.

use std::str::FromStr;

use fmtui::profile::{EarlyStop, Monitor};

const LIGHTNING: &str = include_str!("early_stopping/lightning.txt");

fn numbers<T: FromStr>(text: &str) -> Vec<T> {
    let words = text.split_whitespace();
    words
        .map(|w| w.parse().unwrap_or_else(|_| panic!("{w}")))
        .collect()
}

/// Epochs without improvement after each epoch, and whether the run was ended after the last of them.
fn stale_epochs(stop: &EarlyStop, figures: &[f64]) -> (Vec<usize>, bool) {
    let (mut best, mut stale, mut counts) = (None, 0, Vec::new());
    for figure in figures {
        if stop.improves(*figure, best) {
            (best, stale) = (Some(*figure), 0);
        } else {
            stale += 1;
        }
        counts.push(stale);
        if stale >= stop.patience {
            return (counts, true);
        }
    }
    (counts, false)
}

#[test]
fn the_decisions_are_lightnings() {
    let mut ended = 0;
    for line in LIGHTNING.lines() {
        let [settings, figures, counts] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let [mode, patience, min_delta] = settings.split_whitespace().collect::<Vec<_>>()[..]
        else {
            panic!("{line}");
        };
        let stop = EarlyStop {
            patience: patience.parse().unwrap(),
            min_delta: min_delta.parse().unwrap(),
            monitor: if mode == "min" {
                Monitor::ValidationLoss
            } else {
                Monitor::ValidationAccuracy
            },
        };
        let expected: Vec<usize> = numbers(counts);
        let is_end = expected.last() == Some(&stop.patience);
        let measured = stale_epochs(&stop, &numbers::<f64>(figures));
        assert_eq!(measured, (expected, is_end), "{line}");
        ended += usize::from(is_end);
    }
    assert_eq!((LIGHTNING.lines().count(), ended > 40), (72, true));
}

/// Keras and Lightning end such a run after 7 epochs: four that improve, then three that equal the best.
#[test]
fn an_equal_figure_is_no_improvement() {
    let figures = [
        0.9, 0.8, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6,
    ];
    let stop = EarlyStop {
        patience: 3,
        ..EarlyStop::default()
    };
    let (counts, ended) = stale_epochs(&stop, &figures);
    assert_eq!((counts.len(), ended), (7, true));
}
