//! One-line curves of the recent past.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "levels are 0–6 and widths are those of a screen"
)]

/// No full block: it would grow together with the curve on the line above.
const BARS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];
const ASCII: [char; 7] = ['_', '.', ',', '-', '=', '+', '*'];

/// The level of the maximum.
const HIGHEST: f64 = 6.0;

/// The values as bars from zero to their maximum, squeezed to at most `width` characters by means; not-numbers are
/// gaps.
#[must_use]
pub(crate) fn sparkline(values: &[f64], width: usize, ascii: bool) -> String {
    let finite = |v: &f64| v.is_finite();
    let highest = robust_maximum(values);
    let columns = values.len().min(width);
    let bars = if ascii { ASCII } else { BARS };
    (0..columns)
        .map(|i| {
            let from = i * values.len() / columns;
            let to = ((i + 1) * values.len() / columns).max(from + 1);
            let part: Vec<f64> = values[from..to].iter().copied().filter(finite).collect();
            if part.is_empty() {
                return ' ';
            }
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            let level = if highest > 0.0 {
                mean / highest * HIGHEST
            } else {
                0.0
            };
            bars[(level.round().clamp(0.0, HIGHEST)) as usize]
        })
        .collect()
}

/// The maximum, or four times the median where single values are far beyond it.
fn robust_maximum(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(highest) = sorted.last().copied() else {
        return 0.0;
    };
    let median = sorted[sorted.len() / 2];
    if median > 0.0 {
        highest.min(4.0 * median)
    } else {
        highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_follow_values() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0], 8, false), "▁▃▅▇");
        assert_eq!(sparkline(&[1.0; 4], 2, false), "▇▇");
        assert_eq!(sparkline(&[], 5, false), "");
        assert_eq!(sparkline(&[f64::NAN, 2.0], 2, false), " ▇");
    }

    #[test]
    fn one_outlier_does_not_flatten_the_rest() {
        let mut values = vec![1.0; 20];
        values[3] = 1e9;
        assert!(sparkline(&values, 20, false).starts_with('▃'));
    }
}
