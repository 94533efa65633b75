//! The normal distribution, cut off at both ends, in logarithms.

use std::f64::consts::{LN_2, PI, SQRT_2};

use statrs::function::erf::{erf, erfc, erfc_inv};

/// Below it the distribution function is taken from its asymptotic series.
const FAR: f64 = -20.0;

/// Φ, the distribution function.
fn cdf(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

/// ln Φ(x), exact far out too.
fn ln_cdf(x: f64) -> f64 {
    if x > 6.0 {
        return -cdf(-x);
    }
    if x > FAR {
        return cdf(x).ln();
    }
    // Φ(x) ≈ φ(x)/|x| · (1 − 1/x² + 3/x⁴ − …)
    let square = x * x;
    let mut term = 1.0;
    let mut sum = 1.0;
    for odd in (1..16_u32).step_by(2) {
        term *= -f64::from(odd) / square;
        sum += term;
    }
    -0.5 * square - (-x).ln() - 0.5 * (2.0 * PI).ln() + f64::ln(sum)
}

/// ln(Φ(b) − Φ(a)).
///
/// **Reference** scipy.stats.truncnorm, optuna.samplers._tpe._truncnorm._log_gauss_mass
#[must_use]
pub(in crate::search) fn ln_mass(a: f64, b: f64) -> f64 {
    if a > 0.0 {
        return ln_mass(-b, -a);
    }
    if b <= 0.0 {
        let (low, high) = (ln_cdf(a), ln_cdf(b));
        return high + ln_one_minus_exp(low - high);
    }
    let mass = 0.5 * (erf(b / SQRT_2) + erf(-a / SQRT_2));
    if mass < 0.5 {
        mass.ln()
    } else {
        (-cdf(a) - cdf(-b)).ln_1p()
    }
}

/// ln(1 − eˣ) for x ≤ 0.
fn ln_one_minus_exp(x: f64) -> f64 {
    if x > -LN_2 {
        (-x.exp_m1()).ln()
    } else {
        (-x.exp()).ln_1p()
    }
}

/// The point between `a` and `b` with this share of the mass below it.
///
/// **Units** `share` in [0, 1).
#[must_use]
pub(super) fn quantile(share: f64, a: f64, b: f64) -> f64 {
    if a > 0.0 {
        return -quantile(1.0 - share, -b, -a);
    }
    let (low, high) = (cdf(a), cdf(b));
    // Where both are far out there is no mass to tell apart.
    let below = low + share * (high - low);
    let point = match below {
        none if none <= 0.0 => a,
        all if all >= 1.0 => b,
        some => -SQRT_2 * erfc_inv(2.0 * some),
    };
    point.clamp(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_are_exact() {
        // mpmath with 60 digits: log(ncdf(b) - ncdf(a)).
        for (a, b, expected) in MASSES {
            let found = ln_mass(*a, *b);
            let error = (found - expected).abs() / expected.abs().max(1e-300);
            assert!(error < 1e-9, "{a} {b}: {found} {expected}");
        }
    }

    const MASSES: &[(f64, f64, f64)] = &[
        (-1.0, 2.0, -0.200_166_294_324_462_6),
        (-0.1, 0.05, -2.817_307_581_092_754_4),
        (-30.0, -25.0, -316.639_408_008_020_27),
        (-3.0, -2.99, -10.009_088_011_152_297),
        (2.0, 5.0, -3.783_196_933_757_427),
        (10.0, 11.0, -53.231_310_225_583_12),
        (-1e-8, 1e-8, -18.646_472_096_597_094),
        (-1000.0, -999.0, -499_008.325_694_313_85),
        (5.5, 5.6, -18.610_392_879_005_037),
    ];

    #[test]
    fn quantiles_are_where_the_mass_is() {
        for (a, b) in [(-1.0, 2.0), (-40.0, 0.5), (0.3, 9.0), (-8.0, -7.0)] {
            for share in [0.0, 0.01, 0.5, 0.9, 0.999_999] {
                let x = quantile(share, a, b);
                assert!((a..=b).contains(&x));
                let found = (ln_mass(a, x) - ln_mass(a, b)).exp();
                assert!((found - share).abs() < 1e-6, "{a} {b} {share}: {found}");
            }
        }
    }
}
