//! How weights start. Every parameter draws from its own stream, so neither order nor threads matter.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "fans are far below 2^52 and bounds are wanted in f32"
)]

use super::state::Array;
use crate::layers::Start;
use crate::profile::Init;
use crate::rng::{Purpose, Stream};

/// A fresh array of a layer, called `name`.
#[must_use]
pub(crate) fn fresh(start: Start, shape: &[usize], init: Init, seed: u64, name: &str) -> Array {
    let count = shape.iter().product();
    match start {
        Start::Weight => weight(init, seed, name, shape),
        Start::Bias { fan_in } => bias(init, seed, name, count, fan_in),
        Start::Constant(value) => Array {
            shape: shape.to_vec(),
            values: vec![value; count],
        },
    }
}

/// The starting weight of a convolution (`[out, in, k, k]`) or linear layer (`[out, in]`).
///
/// **Reference** `Torch`: `torch.nn.Linear` and `Conv2d`, kaiming-uniform with a = √5, which is U(±1/√`fan_in`).
/// `He`: He et al. 2015, N(0, 2/`fan_in`). `Xavier`: Glorot and Bengio 2010, U(±√(6/(`fan_in` + `fan_out`))).
#[must_use]
pub(crate) fn weight(init: Init, seed: u64, name: &str, shape: &[usize]) -> Array {
    let mut values = vec![0.0; shape.iter().product()];
    let receptive: usize = shape.iter().skip(2).product();
    let fan_in = (shape.get(1).copied().unwrap_or(1) * receptive) as f64;
    let fan_out = (shape.first().copied().unwrap_or(1) * receptive) as f64;
    let stream = stream(seed, name);
    match init {
        Init::Torch => uniform(&stream, &mut values, 1.0 / fan_in.sqrt()),
        Init::He => stream.fill_normal(&mut values, 0.0, (2.0 / fan_in).sqrt() as f32),
        Init::Xavier => uniform(&stream, &mut values, (6.0 / (fan_in + fan_out)).sqrt()),
    }
    Array {
        shape: shape.to_vec(),
        values,
    }
}

/// The starting bias of a layer whose outputs each sum `fan_in` products: U(±1/√`fan_in`) for `Torch`, else zero.
#[must_use]
pub(crate) fn bias(init: Init, seed: u64, name: &str, features: usize, fan_in: usize) -> Array {
    let mut values = vec![0.0; features];
    if init == Init::Torch {
        uniform(
            &stream(seed, name),
            &mut values,
            1.0 / (fan_in as f64).sqrt(),
        );
    }
    Array {
        shape: vec![features],
        values,
    }
}

fn uniform(stream: &Stream, values: &mut [f32], bound: f64) {
    stream.fill_uniform(values, -bound as f32, bound as f32);
}

fn stream(seed: u64, name: &str) -> Stream {
    Stream::new(seed, Purpose::Initialisation, fnv1a(name))
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo): small, and the same on every machine and in every version.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the FNV test suite.
    #[test]
    fn hash_known_answers() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }

    fn moments(values: &[f32]) -> (f64, f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let variance = values
            .iter()
            .map(|v| (f64::from(*v) - mean).powi(2))
            .sum::<f64>()
            / n;
        let largest = values
            .iter()
            .map(|v| f64::from(v.abs()))
            .fold(0.0, f64::max);
        (mean, variance, largest)
    }

    #[test]
    fn ranges_and_variances_are_as_published() {
        let shape = [64, 32, 3, 3];
        let (fan_in, fan_out) = (288.0f64, 576.0f64);
        for (init, variance, bound) in [
            (Init::Torch, 1.0 / (3.0 * fan_in), 1.0 / fan_in.sqrt()),
            (Init::He, 2.0 / fan_in, f64::INFINITY),
            (
                Init::Xavier,
                2.0 / (fan_in + fan_out),
                (6.0 / (fan_in + fan_out)).sqrt(),
            ),
        ] {
            let (mean, measured, largest) = moments(&weight(init, 1, "w", &shape).values);
            assert!(mean.abs() < 4.0 * (variance / 18432.0).sqrt(), "{init:?}");
            assert!((measured / variance - 1.0).abs() < 0.03, "{init:?}");
            assert!(largest <= bound * 1.000_001, "{init:?}");
        }
    }

    #[test]
    fn parameters_differ_by_name_and_seed_only() {
        let draw = |seed, name| weight(Init::Torch, seed, name, &[3, 4]);
        assert_eq!(draw(1, "conv1.weight"), draw(1, "conv1.weight"));
        assert_ne!(draw(1, "conv1.weight"), draw(1, "conv2.weight"));
        assert_ne!(draw(1, "conv1.weight"), draw(2, "conv1.weight"));
        assert!(
            bias(Init::He, 1, "b", 3, 4)
                .values
                .iter()
                .all(|v| *v == 0.0)
        );
        assert!(
            bias(Init::Torch, 1, "b", 300, 4)
                .values
                .iter()
                .all(|v| v.abs() <= 0.5)
        );
    }
}
