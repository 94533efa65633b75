//! Layer normalisation: groups of one image's numbers brought to mean 0 and deviation 1, each number then scaled and
//! shifted by its place in the group.
//!
//! One set of loops for both layouts, rows of 32 images in lanes and single numbers. Sums are kept in f64.
//!
//! **Reference**: Ba, Kiros and Hinton, "Layer normalization", 2016; PyTorch's `LayerNorm`.

use rayon::prelude::*;

use super::isa::{isa, mul_add, per_isa};
use super::lanes::LANES;
use super::math::rounded;
use super::pieces;

/// How numbers fall into groups: number `k` of a group lies at `(outer·count + k)·inner + i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    pub outer: usize,
    /// Numbers of a group, and of each parameter.
    pub count: usize,
    pub inner: usize,
}

impl Groups {
    /// Numbers of one outer part, whose groups are interleaved.
    #[must_use]
    pub fn part(self) -> usize {
        self.count * self.inner
    }

    /// These groups, with so many outer parts.
    fn of(self, outer: usize) -> Self {
        Self { outer, ..self }
    }

    /// The rows of every group: its number, and its first row.
    fn each(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.outer * self.inner)
            .map(move |group| (group, group / self.inner * self.part() + group % self.inner))
    }
}

/// Statistics of a group: its mean, and 1/√(biased variance + ε).
pub const STATISTICS: usize = 2;

/// Row `at` of so many lanes.
fn row<const L: usize>(values: &[f32], at: usize) -> &[f32; L] {
    &values.as_chunks().0[at]
}

fn row_mut<const L: usize>(values: &mut [f32], at: usize) -> &mut [f32; L] {
    &mut values.as_chunks_mut().0[at]
}

/// The loops below for both kinds of rows: single numbers, and 32 lanes.
macro_rules! per_row {
    ($(#[$meta:meta])* fn $name:ident<L>($lanes:ident, $($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        per_isa! {
            $(#[$meta])*
            pub(in crate::kernels) fn $name<FMA>($lanes: bool, $($arg: $ty),*) {
                #[inline(always)]
                #[allow(clippy::inline_always, clippy::extra_unused_type_parameters, reason = "features are the caller's")]
                fn rows<const FMA: bool, const L: usize>($($arg: $ty),*) $body
                if $lanes {
                    rows::<FMA, LANES>($($arg),*);
                } else {
                    rows::<FMA, 1>($($arg),*);
                }
            }
        }
    };
}

per_row! {
    /// The statistics of every group. **Shape** x `[outer, count, inner, L]`, out `[outer, inner, 2, L]`.
    fn statistics<L>(lanes, groups: Groups, epsilon: f64, x: &[f32], out: &mut [f32]) {
        #[expect(clippy::cast_precision_loss, reason = "an image has far below 2^52 numbers")]
        let share = 1.0 / groups.count as f64;
        for (group, first) in groups.each() {
            let numbers = || (0..groups.count).map(|k| row::<L>(x, first + k * groups.inner));
            let mut mean = [0.0; L];
            for x in numbers() {
                for (sum, x) in mean.iter_mut().zip(x) {
                    *sum += f64::from(*x);
                }
            }
            mean = mean.map(|sum| sum * share);
            let mut variance = [0.0; L];
            for x in numbers() {
                for ((sum, x), mean) in variance.iter_mut().zip(x).zip(&mean) {
                    let off = f64::from(*x) - mean;
                    *sum += off * off;
                }
            }
            *row_mut(out, STATISTICS * group) = mean.map(rounded);
            let inverse = variance.map(|sum| rounded(1.0 / (sum * share + epsilon).sqrt()));
            *row_mut(out, STATISTICS * group + 1) = inverse;
        }
    }
}

per_row! {
    /// y = γ·(x − mean)/deviation + β. **Shape** x, y `[outer, count, inner, L]`, γ and β `[count]`.
    fn normalise<L>(lanes, groups: Groups, x: &[f32], statistics: &[f32], affine: [&[f32]; 2], y: &mut [f32]) {
        for (group, first) in groups.each() {
            let [mean, inverse] = of_group::<L>(statistics, group);
            for (k, (gamma, beta)) in affine[0].iter().zip(affine[1]).enumerate() {
                let at = first + k * groups.inner;
                let numbers = row_mut::<L>(y, at).iter_mut().zip(row::<L>(x, at));
                for (((y, x), mean), inverse) in numbers.zip(mean).zip(inverse) {
                    *y = mul_add::<FMA>((x - mean) * inverse, *gamma, *beta);
                }
            }
        }
    }
}

per_row! {
    /// The gradient to x. **Shape** as [`normalise`].
    fn input_gradient<L>(lanes, groups: Groups, x: &[f32], statistics: &[f32], gamma: &[f32], dy: &[f32], dx: &mut [f32]) {
        #[expect(clippy::cast_precision_loss, reason = "an image has far below 2^52 numbers")]
        let share = 1.0 / groups.count as f64;
        for (group, first) in groups.each() {
            let [mean, inverse] = of_group::<L>(statistics, group);
            let (mut sum, mut dot) = ([0.0; L], [0.0; L]);
            for (k, gamma) in gamma.iter().enumerate() {
                let at = first + k * groups.inner;
                let numbers = row::<L>(x, at).iter().zip(row::<L>(dy, at)).zip(mean.iter().zip(inverse));
                for (((x, dy), (mean, inverse)), (sum, dot)) in numbers.zip(sum.iter_mut().zip(&mut dot)) {
                    let g = f64::from(dy * gamma);
                    *sum += g;
                    *dot += g * f64::from((x - mean) * inverse);
                }
            }
            let (sum, dot) = (sum.map(|sum| rounded(sum * share)), dot.map(|sum| rounded(sum * share)));
            for (k, gamma) in gamma.iter().enumerate() {
                let at = first + k * groups.inner;
                let numbers = row::<L>(x, at).iter().zip(row::<L>(dy, at)).zip(mean.iter().zip(inverse));
                let sums = sum.iter().zip(&dot);
                for ((((x, dy), (mean, inverse)), (sum, dot)), dx) in numbers.zip(sums).zip(row_mut::<L>(dx, at)) {
                    let normal = (x - mean) * inverse;
                    *dx = mul_add::<FMA>(-normal, *dot, dy * gamma - sum) * inverse;
                }
            }
        }
    }
}

per_row! {
    /// Adds to Σ dy·(x − mean)/deviation and Σ dy of number `k` of the groups what the first `images` lanes give.
    ///
    /// **Shape** x, dy `[outer, count, inner, L]`.
    fn add_parameter_gradients<L>(
        lanes,
        groups: Groups,
        k: usize,
        images: usize,
        x: &[f32],
        statistics: &[f32],
        dy: &[f32],
        sums: &mut [f64; 2],
    ) {
        let (mut dots, mut plain) = ([0.0; L], [0.0; L]);
        for (group, first) in groups.each() {
            let [mean, inverse] = of_group::<L>(statistics, group);
            let at = first + k * groups.inner;
            let numbers = row::<L>(x, at).iter().zip(row::<L>(dy, at)).zip(mean.iter().zip(inverse));
            for (((x, dy), (mean, inverse)), (dot, plain)) in numbers.zip(dots.iter_mut().zip(&mut plain)) {
                *dot += f64::from(*dy) * f64::from((x - mean) * inverse);
                *plain += f64::from(*dy);
            }
        }
        for (sum, lanes) in sums.iter_mut().zip([dots, plain]) {
            *sum += lanes[..images].iter().sum::<f64>();
        }
    }
}

fn of_group<const L: usize>(statistics: &[f32], group: usize) -> [&[f32; L]; 2] {
    [0, 1].map(|which| row(statistics, STATISTICS * group + which))
}

/// y = γ·(x − mean)/√(variance + ε) + β of every group of a batch, with each group's statistics.
///
/// **Shape** x, y `[outer, count, inner]`, statistics `[outer, inner, 2]`, γ and β `[count]`.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub fn forward(
    groups: Groups,
    epsilon: f64,
    x: &[f32],
    affine: [&[f32]; 2],
    y: &mut [f32],
    out: &mut [f32],
) {
    assert_eq!([x.len(), y.len()], [groups.outer * groups.part(); 2]);
    assert_eq!(affine.map(<[f32]>::len), [groups.count; 2]);
    assert_eq!(out.len(), groups.outer * groups.inner * STATISTICS);
    let isa = isa();
    let items = pieces::items(groups.part());
    let x = x.par_chunks(items * groups.part());
    let y = y.par_chunks_mut(items * groups.part());
    let out = out.par_chunks_mut(items * groups.inner * STATISTICS);
    x.zip(y).zip(out).for_each(|((x, y), out)| {
        let groups = groups.of(x.len() / groups.part());
        statistics(isa, false, groups, epsilon, x, out);
        normalise(isa, false, groups, x, out, affine, y);
    });
}

/// The gradients to x, γ and β, from what [`forward`] gave.
///
/// # Panics
/// When a slice's length is not what the shape says.
pub fn backward(
    groups: Groups,
    x: &[f32],
    statistics: &[f32],
    gamma: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    daffine: [&mut [f32]; 2],
) {
    let size = groups.outer * groups.part();
    assert_eq!([x.len(), dy.len(), dx.len()], [size; 3]);
    let [dgamma, dbeta] = daffine;
    assert_eq!([gamma.len(), dgamma.len(), dbeta.len()], [groups.count; 3]);
    assert_eq!(statistics.len(), groups.outer * groups.inner * STATISTICS);
    let isa = isa();
    let items = pieces::items(groups.part());
    let part = items * groups.part();
    let of_part = statistics.par_chunks(items * groups.inner * STATISTICS);
    let operands = x.par_chunks(part).zip(dy.par_chunks(part)).zip(of_part);
    let parts = operands.zip(dx.par_chunks_mut(part));
    parts.for_each(|(((x, dy), statistics), dx)| {
        let groups = groups.of(x.len() / groups.part());
        input_gradient(isa, false, groups, x, statistics, gamma, dy, dx);
    });
    let parameters = dgamma.par_iter_mut().zip(dbeta).enumerate();
    parameters.for_each(|(k, (dgamma, dbeta))| {
        let mut sums = [0.0; 2];
        add_parameter_gradients(isa, false, groups, k, 1, x, statistics, dy, &mut sums);
        [*dgamma, *dbeta] = sums.map(rounded);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::tests::{available, with_isa};
    use crate::kernels::cpu::testing::numbers;

    const EPSILON: f64 = 1e-5;

    /// Result and gradients of groups whose number `k` lies at `(outer·count + k)·inner + i`: y, dx, dγ, dβ.
    ///
    /// **Shape** x, dy `[outer, count, inner]`, γ and β `[count]`.
    fn reference(
        (outer, count, inner): (usize, usize, usize),
        epsilon: f64,
        x: &[f64],
        [gamma, beta]: [&[f64]; 2],
        dy: &[f64],
    ) -> [Vec<f64>; 4] {
        #[expect(clippy::cast_precision_loss, reason = "sizes of tests")]
        let n = count as f64;
        let [mut y, mut dx] = [(); 2].map(|()| vec![0.0; x.len()]);
        let [mut dgamma, mut dbeta] = [(); 2].map(|()| vec![0.0; count]);
        for group in 0..outer * inner {
            let place = |k: usize| (group / inner * count + k) * inner + group % inner;
            let sum = |of: &dyn Fn(usize) -> f64| (0..count).map(of).sum::<f64>();
            let mean = sum(&|k| x[place(k)]) / n;
            let variance = sum(&|k| (x[place(k)] - mean).powi(2)) / n;
            let deviation = (variance + epsilon).sqrt();
            let normal = |k: usize| (x[place(k)] - mean) / deviation;
            let g = |k: usize| dy[place(k)] * gamma[k];
            let (average, dot) = (sum(&g) / n, sum(&|k| g(k) * normal(k)) / n);
            for k in 0..count {
                y[place(k)] = normal(k) * gamma[k] + beta[k];
                dx[place(k)] = (g(k) - average - normal(k) * dot) / deviation;
                dgamma[k] += dy[place(k)] * normal(k);
                dbeta[k] += dy[place(k)];
            }
        }
        [y, dx, dgamma, dbeta]
    }

    fn assert_near(found: &[f32], expected: &[f64], what: &str) {
        let largest = expected.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
        for (found, expected) in found.iter().zip(expected) {
            let apart = (f64::from(*found) - expected).abs();
            assert!(apart <= 2e-6 * largest, "{what}: {found} {expected}");
        }
    }

    #[test]
    fn all_layouts_are_as_the_reference() {
        for (outer, count, inner) in [(3, 7, 1), (1, 5, 6), (2, 33, 4), (5, 1, 3), (40, 500, 1)] {
            let groups = Groups {
                outer,
                count,
                inner,
            };
            let size = outer * count * inner;
            let [gamma, beta] = [1, 2].map(|seed| numbers(count, seed));
            let affine = [&gamma[..], &beta];
            // The same images one after the other, and side by side.
            let [x, dy] = [3, 4].map(|seed| numbers(size * LANES, seed));
            let across = |values: &[f32]| -> Vec<f32> {
                let at = |i| values[i % LANES * size + i / LANES];
                (0..size * LANES).map(at).collect()
            };
            let all = groups.of(LANES * outer);
            let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let expected = reference(
                (all.outer, count, inner),
                EPSILON,
                &wide(&x),
                [&wide(&gamma), &wide(&beta)],
                &wide(&dy),
            );
            for isa in available() {
                let (mut y, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                let mut kept = vec![f32::NAN; all.outer * inner * STATISTICS];
                let [mut dgamma, mut dbeta] = [(); 2].map(|()| vec![f32::NAN; count]);
                with_isa(isa, || {
                    forward(all, EPSILON, &x, affine, &mut y, &mut kept);
                    let daffine = [&mut dgamma[..], &mut dbeta];
                    backward(all, &x, &kept, &gamma, &dy, &mut dx, daffine);
                });
                let name = format!("{groups:?} {isa:?}");
                let found = [&y, &dx, &dgamma, &dbeta];
                for (found, expected) in found.into_iter().zip(&expected) {
                    assert_near(found, expected, &name);
                }

                let (x, dy) = (across(&x), across(&dy));
                let (mut y2, mut dx2) = (y.clone(), dx.clone());
                let mut kept = vec![f32::NAN; outer * inner * STATISTICS * LANES];
                let mut sums = vec![[0.0; 2]; count];
                statistics(isa, true, groups, EPSILON, &x, &mut kept);
                normalise(isa, true, groups, &x, &kept, affine, &mut y2);
                input_gradient(isa, true, groups, &x, &kept, &gamma, &dy, &mut dx2);
                for (k, sums) in sums.iter_mut().enumerate() {
                    add_parameter_gradients(isa, true, groups, k, LANES, &x, &kept, &dy, sums);
                }
                assert_eq!(y2, across(&y), "{name}");
                assert_eq!(dx2, across(&dx), "{name}");
                for (which, expected) in expected[2..].iter().enumerate() {
                    let found: Vec<_> = sums.iter().map(|s| rounded(s[which])).collect();
                    assert_near(&found, expected, &name);
                }
            }
        }
    }
}
