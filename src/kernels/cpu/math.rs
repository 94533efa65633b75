//! exp, tanh, sigmoid and the normal distribution in f32, written so that compilers turn loops over them into vectors.
//!
//! **Reference**: Moshier's Cephes library (expf); Abramowitz and Stegun 7.1.26 for erf.

#![expect(
    clippy::inline_always,
    reason = "must be inlined into the loop that enables the vector features"
)]

use super::isa::mul_add;

/// What was computed in f64, rounded once.
#[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
pub(in crate::kernels) fn rounded(value: f64) -> f32 {
    value as f32
}

/// 1.5·2²³: adding it rounds a small number to an integer, which stands in the sum's low bits.
const ROUND: f32 = 12_582_912.0;

/// Evaluates a polynomial, highest coefficient first.
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut value = coefficients[0];
    for c in &coefficients[1..] {
        value = mul_add::<FMA>(value, x, *c);
    }
    value
}

/// eˣ, with x held within −87 and 88.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let shifted = mul_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts, so that the remainder is exact.
    let r = mul_add::<FMA>(n, -0.693_359_4, x);
    let r = mul_add::<FMA>(n, 2.121_944_4e-4, r);
    let p = polynomial::<FMA, 6>(
        r,
        [
            1.987_569_1e-4,
            1.398_2e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
        ],
    );
    let mantissa = mul_add::<FMA>(p, r * r, r) + 1.0;
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    mantissa * f32::from_bits(power.wrapping_add(127) << 23)
}

/// 1/(1 + e⁻ˣ), exactly 0 where it is smaller than 10⁻³⁷.
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    let value = 1.0 / (1.0 + exp::<FMA>(-x));
    if x < -87.0 { 0.0 } else { value }
}

/// The hyperbolic tangent: x·P(x²)/Q(x²), fitted for the least relative error up to 9, where f32 has nothing left to
/// tell.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let x = x.clamp(-9.0, 9.0);
    let z = x * x;
    let p = polynomial::<FMA, 5>(
        z,
        [
            1.335_565_4e-8,
            2.060_987_4e-5,
            3.495_639_2e-3,
            0.133_810_7,
            1.0,
        ],
    );
    let q = polynomial::<FMA, 5>(
        z,
        [
            7.776_987e-7,
            3.285_716_2e-4,
            2.587_718e-2,
            0.467_143_86,
            1.0,
        ],
    );
    (x * p / q).clamp(-1.0, 1.0)
}

/// The standard normal distribution's cumulative probability and density.
#[inline(always)]
pub(super) fn normal<const FMA: bool>(x: f32) -> (f32, f32) {
    // Beyond 13 the bell is exactly 0 for all that is multiplied with it.
    let bell = exp::<FMA>(-0.5 * x * x);
    let bell = if x.abs() > 13.0 { 0.0 } else { bell };
    let t = 1.0 / mul_add::<FMA>(x.abs(), 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2, 1.0);
    let p = polynomial::<FMA, 5>(
        t,
        [
            1.061_405_4,
            -1.453_152,
            1.421_413_8,
            -0.284_496_74,
            0.254_829_6,
        ],
    );
    let tail = 0.5 * p * t * bell;
    let cumulative = if x < 0.0 { tail } else { 1.0 - tail };
    (cumulative, 0.398_942_3 * bell)
}
