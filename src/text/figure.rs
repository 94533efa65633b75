//! Figures in a given number of columns, for every screen, table and line. A figure that does not fit is written
//! shorter (`98.6k`, `1.5e15`), never cut: what is read is the value within the digits shown, or `…` where nothing of
//! it fits.

/// For lines that end where they end.
pub(crate) const ANY: usize = usize::MAX;

/// Numbers from here on are written with a power of ten.
const LARGE: f64 = 1e6;

/// The first of these, from the longest to the shortest, that has at most `width` columns; else `…`.
#[must_use]
pub(crate) fn fitting(candidates: impl IntoIterator<Item = String>, width: usize) -> String {
    let fits = |text: &String| text.chars().count() <= width;
    let none = || if width == 0 { "" } else { "…" }.to_string();
    candidates.into_iter().find(fits).unwrap_or_else(none)
}

/// A number with `decimals` decimals, fewer where they do not fit: a share, a score.
#[must_use]
pub(crate) fn fixed(value: f64, decimals: usize, width: usize) -> String {
    fitting(
        plain(value, decimals).into_iter().chain(short(value)),
        width,
    )
}

/// [`fixed`] with its sign, a true minus: a gap, a change.
#[must_use]
pub(crate) fn signed(value: f64, decimals: usize, width: usize) -> String {
    let candidates = plain(value, decimals).into_iter().chain(short(value));
    fitting(candidates.map(with_sign), width)
}

/// A loss: four decimals, fewer of a large one, a power of ten of a very large or very small one.
#[must_use]
pub(crate) fn loss(value: f64, width: usize) -> String {
    magnitude(value, 4, width)
}

/// A norm, or another figure of any size of which three digits are enough.
#[must_use]
pub(crate) fn norm(value: f64, width: usize) -> String {
    magnitude(value, 2, width)
}

/// A learning rate: `1.0e-3`.
#[must_use]
pub(crate) fn learning_rate(value: f64, width: usize) -> String {
    if !value.is_finite() {
        return fitting(plain(value, 0), width);
    }
    fitting([1, 0].map(|digits| format!("{value:.digits$e}")), width)
}

/// A share as a percentage: 0.916 with one decimal is `91.6 %`.
#[must_use]
pub(crate) fn percent(share: f64, decimals: usize, width: usize) -> String {
    let value = share * 100.0;
    let candidates = plain(value, decimals).into_iter().chain(short(value));
    let with_unit = |text: String| [format!("{text} %"), format!("{text}%")];
    fitting(candidates.flat_map(with_unit), width)
}

/// A difference of shares in percentage points: `+6.1 points`, in little room `+6.1`.
#[must_use]
pub(crate) fn points(difference: f64, width: usize) -> String {
    let value = difference * 100.0;
    let all = || {
        plain(value, 1)
            .into_iter()
            .chain(short(value))
            .map(with_sign)
    };
    fitting(
        all().map(|text| format!("{text} points")).chain(all()),
        width,
    )
}

/// A count, its digits grouped: `1,702,090`, in little room `1.70M`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub(crate) fn count(value: u64, width: usize) -> String {
    let whole = std::iter::once(super::grouped(value));
    fitting(
        whole
            .chain(with_letter(value as f64))
            .chain(powers(value as f64)),
        width,
    )
}

/// A figure of which the decimals do not matter, its digits grouped: images a second.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below 10^15 and not negative"
)]
pub(crate) fn whole(value: f64, width: usize) -> String {
    if (0.0..1e15).contains(&value) {
        let grouped = std::iter::once(super::grouped(value.round() as u64));
        return fitting(
            grouped.chain(with_letter(value)).chain(powers(value)),
            width,
        );
    }
    fixed(value, 0, width)
}

/// A time as people say it, in little room in hours or days: `1 min 12 s`, `278 h`, `11574 d`. **Units** seconds.
#[must_use]
pub(crate) fn seconds(value: f64, width: usize) -> String {
    time(value, super::seconds(value), width)
}

/// [`seconds`] with a wording of one's own where there is room for it.
#[must_use]
pub(crate) fn time(value: f64, full: String, width: usize) -> String {
    let in_units = [(3600.0, "h"), (86_400.0, "d")]
        .map(|(unit, letter)| format!("{:.0} {letter}", value / unit))
        .into_iter()
        .filter(|_| value >= 3600.0);
    let in_days = powers(value / 86_400.0)
        .into_iter()
        .filter(|_| value >= 86_400.0);
    let candidates = std::iter::once(full).chain(in_units);
    fitting(
        candidates.chain(in_days.map(|text| format!("{text} d"))),
        width,
    )
}

fn magnitude(value: f64, decimals: usize, width: usize) -> String {
    let size = value.abs();
    let least = 10_f64.powi(1 - i32::try_from(decimals).unwrap_or(0));
    let decimals = match size {
        ..10.0 => decimals,
        ..1000.0 => decimals / 2,
        _ => 0,
    };
    let is_plain = size == 0.0 || (least..1e5).contains(&size) || !size.is_finite();
    let plain = plain(value, decimals).into_iter().filter(|_| is_plain);
    // Thousands that fit are told to the unit; beyond them three digits are.
    let letter = with_letter(value).into_iter().filter(|_| is_plain);
    fitting(plain.chain(letter).chain(powers(value)), width)
}

/// With all decimals, then with fewer: while two digits are left, or as many as were asked for.
fn plain(value: f64, decimals: usize) -> Vec<String> {
    if value.is_nan() {
        return vec!["NaN".into()];
    }
    if value.is_infinite() {
        return vec![if value > 0.0 { "inf" } else { "-inf" }.into()];
    }
    let size = value.abs();
    if size >= LARGE {
        return Vec::new();
    }
    let says_enough =
        |d: &usize| *d == decimals || size == 0.0 || size * 10_f64.powi(to_i32(*d)) >= 9.5;
    let write = |d: usize| {
        let text = format!("{value:.d$}");
        let is_zero = text.trim_start_matches(['-', '0', '.']).is_empty();
        if is_zero {
            text.trim_start_matches('-').into()
        } else {
            text
        }
    };
    (0..=decimals)
        .rev()
        .filter(says_enough)
        .map(write)
        .collect()
}

/// What a figure is shortened to.
fn short(value: f64) -> impl Iterator<Item = String> {
    with_letter(value)
        .into_iter()
        .filter(move |_| value.abs() < LARGE)
        .chain(powers(value))
}

/// Three digits or two and a letter for a power of a thousand.
fn with_letter(value: f64) -> Vec<String> {
    let size = value.abs();
    // Rounding must not carry into the next letter: 999,950 is 1.00M.
    let unit = [(999.5e6, 1e9, "G"), (999.5e3, 1e6, "M"), (1e3, 1e3, "k")];
    let unit = unit
        .into_iter()
        .find(|(from, ..)| size >= *from && size < 999.5e9);
    let Some((_, unit, letter)) = unit else {
        return Vec::new();
    };
    let scaled = value / unit;
    let digits = |three: usize| match scaled.abs() {
        ..9.995 => three,
        ..99.95 => three.saturating_sub(1),
        _ => 0,
    };
    let three = format!("{scaled:.*}{letter}", digits(2));
    let two = format!("{scaled:.*}{letter}", digits(1));
    vec![three, two]
}

/// One digit before the point and a power of ten.
fn powers(value: f64) -> Vec<String> {
    if !value.is_finite() {
        return Vec::new();
    }
    [2, 1, 0].map(|digits| format!("{value:.digits$e}")).into()
}

fn with_sign(text: String) -> String {
    match text.strip_prefix('-') {
        Some(size) => format!("−{size}"),
        None if text == "NaN" => text,
        None => format!("+{text}"),
    }
}

fn to_i32(decimals: usize) -> i32 {
    i32::try_from(decimals).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A written figure: its value, and half a unit of its last digit.
    fn read(text: &str) -> (f64, f64) {
        let text = text.replace(',', "").replace('−', "-");
        let text = text
            .trim_end_matches(" points")
            .trim_end_matches('%')
            .trim_end();
        if ["NaN", "inf", "-inf", "+inf"].contains(&text) {
            return (text.parse().unwrap(), 0.0);
        }
        let letters = [("k", 1e3), ("M", 1e6), ("G", 1e9)];
        let letter = letters.iter().find(|(letter, _)| text.ends_with(letter));
        let (text, unit) =
            letter.map_or((text, 1.0), |(l, unit)| (text.trim_end_matches(l), *unit));
        let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
        let decimals = mantissa.split_once('.').map_or(0, |(_, d)| d.len());
        let power: i32 = power.parse().unwrap();
        let last = format!("1e{}", power - i32::try_from(decimals).unwrap());
        let value: f64 = text.parse().unwrap();
        (value * unit, last.parse::<f64>().unwrap() * unit / 2.0)
    }

    fn says(text: &str, value: f64, width: usize) -> Result<(), TestCaseError> {
        prop_assert!(text.chars().count() <= width, "{text:?} in {width}");
        if text == "…" || width == 0 {
            return Ok(());
        }
        let (shown, half) = read(text);
        let near = (shown - value).abs() <= half * 1.000_001 + value.abs() * 1e-12;
        // Rounded up beyond the largest number there is, as -1.8e308 is to -2e308.
        let beyond = shown.is_infinite() && value.abs() > 1e308 && shown.signum() == value.signum();
        let same = shown.is_nan() && value.is_nan() || shown == value || beyond;
        prop_assert!(near || same, "{value:e} is shown as {text:?}");
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn a_figure_is_its_value_or_a_mark_in_any_width(
            value in prop_oneof![
                proptest::num::f64::ANY, -2.0..2.0, -2e6..2e6, Just(0.0), Just(999_949.9), Just(9_999_999.0), Just(0.99999),
            ],
            decimals in 0_usize..6,
            width in 0_usize..26,
        ) {
            says(&fixed(value, decimals, width), value, width)?;
            says(&signed(value, decimals, width), value, width)?;
            says(&loss(value, width), value, width)?;
            says(&norm(value, width), value, width)?;
            says(&learning_rate(value, width), value, width)?;
            says(&whole(value, width), value, width)?;
            says(&percent(value, decimals, width), value * 100.0, width)?;
            says(&points(value, width), value * 100.0, width)?;
            prop_assert!(seconds(value, width).chars().count() <= width);
        }

        #[test]
        #[expect(clippy::cast_precision_loss, reason = "compared within three digits")]
        fn a_count_is_its_value_or_a_mark_in_any_width(value in any::<u64>(), shift in 0_u32..64, width in 0_usize..28) {
            let value = value >> shift;
            says(&count(value, width), value as f64, width)?;
        }

        #[test]
        fn five_columns_hold_any_positive_count_and_seven_any_loss(value in any::<u64>(), shift in 0_u32..64, loss_value in 0.0..f64::MAX) {
            prop_assert!(count(value >> shift, 5) != "…");
            prop_assert!(loss(loss_value, 7) != "…");
        }
    }

    #[test]
    fn figures_read_well_and_get_shorter() {
        assert_eq!(loss(0.287_44, ANY), "0.2874");
        assert_eq!(loss(637.0, ANY), "637.00");
        assert_eq!(loss(98_635.2, ANY), "98635");
        assert_eq!(loss(98_635.2, 4), "99k");
        assert_eq!(loss(98_635.2, 5), "98635");
        assert_eq!(fixed(98_635.2, 1, 6), "98635");
        assert_eq!(fixed(98_635.2, 1, 4), "99k");
        assert_eq!(fixed(598_635.2, 1, 5), "599k");
        assert_eq!(loss(1_460_974_950_282_202.3, ANY), "1.46e15");
        assert_eq!(loss(1_460_974_950_282_202.3, 6), "1.5e15");
        assert_eq!(loss(1_460_974_950_282_202.3, 4), "1e15");
        assert_eq!(loss(1_460_974_950_282_202.3, 3), "…");
        assert_eq!(loss(0.000_012, ANY), "1.20e-5");
        assert_eq!(loss(0.0, ANY), "0.0000");
        assert_eq!(loss(f64::NAN, 3), "NaN");
        assert_eq!(loss(f64::NEG_INFINITY, 9), "-inf");
        assert_eq!(norm(0.83, 9), "0.83");
        assert_eq!(norm(0.004, 9), "4.00e-3");
        assert_eq!(percent(1.0, 1, 7), "100.0 %");
        assert_eq!(percent(1.0, 1, 6), "100.0%");
        assert_eq!(percent(1.0, 1, 4), "100%");
        assert_eq!(percent(1.0, 1, 3), "…");
        assert_eq!(fixed(100.0, 1, 4), "100");
        assert_eq!(fixed(0.912, 3, 3), "…");
        assert_eq!(fixed(-0.04, 1, ANY), "0.0");
        assert_eq!(points(-0.003, ANY), "−0.3 points");
        assert_eq!(points(0.0612, 6), "+6.1");
        assert_eq!(signed(0.0, 1, ANY), "+0.0");
        assert_eq!(learning_rate(1e-3, ANY), "1.0e-3");
        assert_eq!(whole(4096.4, ANY), "4,096");
        assert_eq!(whole(1e18, ANY), "1.00e18");
        assert_eq!(count(1_000_000, 8), "1.00M");
        assert_eq!(count(999_950, 5), "1.00M");
        assert_eq!(seconds(1e9, 9), "277778 h");
        assert_eq!(seconds(1e15, 7), "1e10 d");
        assert_eq!(seconds(72.4, ANY), "1 min 12 s");
    }
}
