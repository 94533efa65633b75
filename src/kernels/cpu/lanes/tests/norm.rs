//! Moments, gradient sums and what is made of them, over blocks with lanes left empty.

use super::super::LANES;
use super::super::norm::{Back, Moments, apply, back, back_in_place, gradient_sums, moments};
use super::{assert_near, bits, blocks, rows};
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::testing::{for_each_isa, numbers};
use crate::kernels::reference;

/// batch, channels, pixels.
const SHAPES: [(usize, usize, usize); 8] = [
    (1, 3, 5),
    (2, 1, 1),
    (17, 33, 1),
    (32, 5, 16),
    (40, 20, 49),
    (64, 8, 100),
    (96, 3, 1024),
    (33, 40, 4),
];
const EPSILON: f64 = 1e-5;

/// A channel's moments in f64, two passes.
fn exact(channels: usize, pixels: usize, rows: &[f32], channel: usize) -> Moments {
    let features = channels * pixels;
    let of = || {
        rows.chunks_exact(features)
            .flat_map(|p| &p[channel * pixels..(channel + 1) * pixels])
            .map(|v| f64::from(*v))
    };
    let count = of().count() as f64;
    let mean = of().sum::<f64>() / count;
    Moments {
        count,
        mean,
        squares: of().map(|v| (v - mean).powi(2)).sum(),
    }
}

/// Every channel's moments over all blocks.
fn of_batch(isa: Isa, channels: usize, blocks: &[(usize, Vec<f32>)]) -> Vec<Moments> {
    let mut all = vec![Moments::default(); channels];
    let mut block = all.clone();
    for (images, x) in blocks {
        moments(isa, &(0..channels), channels, *images, x, &mut block);
        for (sum, block) in all.iter_mut().zip(&block) {
            *sum = sum.and(*block);
        }
    }
    all
}

/// However large the mean is against the deviation, the variance keeps its digits: what counts is the f32 of the
/// inputs.
#[test]
fn moments_survive_a_large_mean() {
    for (batch, channels, pixels) in SHAPES {
        for (mean, deviation) in [(0.0, 1.0), (30.0, 0.5), (1000.0, 0.1), (-1e5, 1.0)] {
            let x: Vec<f32> = numbers(batch * channels * pixels, 1)
                .iter()
                .map(|v| v * deviation + mean)
                .collect();
            let lanes = blocks(channels, pixels, &x);
            for_each_isa(|isa| {
                for (c, found) in of_batch(isa, channels, &lanes).iter().enumerate() {
                    let what =
                        format!("{batch} × {channels} × {pixels}, {mean}, {isa:?}: {found:?}");
                    let exact = exact(channels, pixels, &x, c);
                    assert_eq!(found.count, exact.count, "{what}");
                    let scale = f64::from(deviation);
                    assert!(
                        (found.mean - exact.mean).abs() <= 1e-5 * scale,
                        "{what} {exact:?}"
                    );
                    let off = (found.squares - exact.squares).abs();
                    assert!(
                        off <= 2e-5 * scale * scale * exact.count,
                        "{what} {exact:?}"
                    );
                }
            });
        }
    }
}

/// An image whose first rows, where the mean is guessed, are unlike the others.
#[test]
fn a_bad_guess_costs_no_more_than_rounding() {
    let (batch, channels, pixels) = (48, 4, 400);
    let mut x = numbers(batch * channels * pixels, 2);
    for (i, value) in x.iter_mut().enumerate() {
        *value = if i % pixels < 16 {
            0.0
        } else {
            *value * 0.1 + 50.0
        };
    }
    let lanes = blocks(channels, pixels, &x);
    for_each_isa(|isa| {
        for (c, found) in of_batch(isa, channels, &lanes).iter().enumerate() {
            let exact = exact(channels, pixels, &x, c);
            assert!(
                (found.mean / exact.mean - 1.0).abs() < 1e-5,
                "{isa:?} {found:?} {exact:?}"
            );
            assert!(
                (found.squares / exact.squares - 1.0).abs() < 3e-5,
                "{isa:?} {found:?} {exact:?}"
            );
        }
    });
}

#[test]
fn what_is_not_finite_shows_in_the_moments() {
    let mut x = numbers(32 * 2 * 9, 3);
    x[5] = f32::NAN;
    x[40 * 9 + 2] = f32::INFINITY;
    let lanes = blocks(2, 9, &x);
    for_each_isa(|isa| {
        for (c, found) in of_batch(isa, 2, &lanes).iter().enumerate() {
            let bad = exact(2, 9, &x, c).mean;
            assert_eq!(
                bad.is_finite(),
                found.squares.is_finite(),
                "{isa:?} {found:?}"
            );
        }
    });
}

#[test]
fn moments_of_parts_are_those_of_the_whole() {
    let halves = [0..3usize, 3..8].map(|r| r.map(|v| v as f64).collect::<Vec<_>>());
    let of = |values: &[f64]| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum();
        Moments {
            count,
            mean,
            squares,
        }
    };
    let (together, whole) = (of(&halves[0]).and(of(&halves[1])), of(&halves.concat()));
    assert!((together.mean - whole.mean).abs() < 1e-12);
    assert!((together.squares - whole.squares).abs() < 1e-12);
    assert_eq!(Moments::default().and(whole), whole);
    assert_eq!(whole.and(Moments::default()), whole);
    let none = Moments::default().and(Moments::default());
    assert_eq!(none, Moments::default());
}

/// Some channels at a time give the same bits as all.
#[test]
fn parts_are_the_whole_bit_for_bit() {
    for (batch, channels, pixels) in SHAPES {
        let images = batch.min(LANES);
        let x = numbers(images * channels * pixels, 4);
        let g = numbers(images * channels * pixels, 5);
        let means = numbers(channels, 6);
        let (x, g) = (
            &blocks(channels, pixels, &x)[0].1,
            &blocks(channels, pixels, &g)[0].1,
        );
        for_each_isa(|isa| {
            let moments_of = |range: std::ops::Range<usize>| {
                let mut out = vec![Moments::default(); range.len()];
                moments(isa, &range, channels, images, x, &mut out);
                out
            };
            let sums_of = |range: std::ops::Range<usize>| {
                let mut out = vec![[0.0; 2]; range.len()];
                gradient_sums(isa, &range, channels, images, (x, g), &means, &mut out);
                out
            };
            for width in [1, 3] {
                let each = || {
                    (0..channels)
                        .step_by(width)
                        .map(|c| c..(c + width).min(channels))
                };
                let what = format!("{batch} × {channels} × {pixels} with {isa:?}");
                let parts: Vec<_> = each().flat_map(moments_of).collect();
                assert!(parts == moments_of(0..channels), "moments of {what}");
                let parts: Vec<_> = each().flat_map(sums_of).collect();
                assert!(parts == sums_of(0..channels), "sums of {what}");
            }
        });
    }
}

struct Case {
    x: Vec<f32>,
    dy: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

/// y, dx, dγ, dβ from the kernels, put together as a plan does.
fn fast(isa: Isa, (channels, pixels): (usize, usize), case: &Case) -> [Vec<f32>; 4] {
    let (x, dy) = (
        blocks(channels, pixels, &case.x),
        blocks(channels, pixels, &case.dy),
    );
    let moments = of_batch(isa, channels, &x);
    let inverse: Vec<f64> = moments
        .iter()
        .map(|m| m.inverse_deviation(EPSILON))
        .collect();
    let means: Vec<f32> = moments.iter().map(|m| m.mean as f32).collect();
    let affine: Vec<[f32; 3]> = (0..channels)
        .map(|c| [means[c], case.gamma[c] * inverse[c] as f32, case.beta[c]])
        .collect();
    let mut sums = vec![[0.0; 2]; channels];
    let mut of_block = sums.clone();
    let mut y = Vec::new();
    for ((images, x), (_, dy)) in x.iter().zip(&dy) {
        let mut block = vec![f32::NAN; x.len()];
        apply(isa, x, &affine, false, &mut block);
        let mut positive = vec![f32::NAN; x.len()];
        apply(isa, x, &affine, true, &mut positive);
        let plain = rows(channels, pixels, [(*images, &block[..])]);
        let positive = rows(channels, pixels, [(*images, &positive[..])]);
        assert!(plain.iter().zip(&positive).all(|(a, b)| a.max(0.0) == *b));
        y.extend(plain);
        gradient_sums(
            isa,
            &(0..channels),
            channels,
            *images,
            (x, dy),
            &means,
            &mut of_block,
        );
        for (sum, [a, b]) in sums.iter_mut().zip(&of_block) {
            *sum = [sum[0] + a, sum[1] + b];
        }
    }
    let backs: Vec<Back> = (0..channels)
        .map(|c| {
            let scale = f64::from(case.gamma[c]) * inverse[c];
            let count = moments[c].count;
            Back {
                mean: means[c],
                scale: scale as f32,
                average: (sums[c][0] / count) as f32,
                slope: (-scale * inverse[c].powi(2) * sums[c][1] / count) as f32,
            }
        })
        .collect();
    let mut dx = Vec::new();
    for ((images, x), (_, dy)) in x.iter().zip(&dy) {
        let (mut apart, mut in_place) = (vec![f32::NAN; x.len()], dy.clone());
        back(isa, x, &backs, dy, &mut apart);
        back_in_place(isa, x, &backs, &mut in_place);
        let apart = rows(channels, pixels, [(*images, &apart[..])]);
        let in_place = rows(channels, pixels, [(*images, &in_place[..])]);
        assert!(bits(&apart) == bits(&in_place));
        dx.extend(apart);
    }
    let dgamma = sums
        .iter()
        .zip(&inverse)
        .map(|(s, inv)| (s[1] * inv) as f32);
    let dbeta = sums.iter().map(|s| s[0] as f32);
    [y, dx, dgamma.collect(), dbeta.collect()]
}

#[test]
fn normalising_forward_and_back_is_the_references() {
    for (batch, channels, pixels) in SHAPES {
        let count = batch * channels * pixels;
        let case = Case {
            x: numbers(count, 7).iter().map(|v| v * 0.5 + 3.0).collect(),
            dy: numbers(count, 8),
            gamma: numbers(channels, 9),
            beta: numbers(channels, 10),
        };
        let Case { x, dy, gamma, beta } = &case;
        let (mut y, mut dx) = (vec![0.0; count], vec![0.0; count]);
        let [mut mean, mut inv, mut var, mut dgamma, mut dbeta] =
            std::array::from_fn(|_| vec![0.0; channels]);
        let (b, c, p) = (batch, channels, pixels);
        reference::norm::train_forward(
            b, c, p, x, gamma, beta, EPSILON, false, &mut y, &mut mean, &mut inv, &mut var,
        );
        reference::norm::backward(
            b,
            c,
            p,
            x,
            gamma,
            beta,
            &mean,
            &inv,
            false,
            dy,
            &mut dx,
            &mut dgamma,
            &mut dbeta,
        );
        for_each_isa(|isa| {
            // A gradient through a norm of few numbers is a difference of terms as large as this.
            let scale = inv.iter().zip(gamma).map(|(i, g)| (i * g).abs());
            let scale = scale.fold(1.0, f32::max);
            let results = fast(isa, (channels, pixels), &case);
            let expected = [&y, &dx, &dgamma, &dbeta];
            for (part, (fast, exact)) in ["y", "dx", "dγ", "dβ"]
                .iter()
                .zip(results.iter().zip(expected))
            {
                let what = format!("{part} of {batch} × {channels} × {pixels} with {isa:?}");
                assert_near(fast, exact, 1e-5, scale, &what);
            }
        });
    }
}
