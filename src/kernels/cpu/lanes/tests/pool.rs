//! Pooling with ties, NaN, overlapping windows and padding.

use super::super::LANES;
use super::super::pool::Pool;
use super::{bits, blocks, rows};
use crate::kernels::cpu::testing::{assert_close, for_each_isa, numbers};
use crate::kernels::reference;
use crate::kernels::shape::PoolShape;

/// channels, height, width, kernel, stride, padding.
const SHAPES: [[usize; 6]; 12] = [
    [1, 4, 4, 2, 2, 0],
    [3, 7, 5, 2, 2, 0],
    [2, 7, 7, 2, 3, 0],
    [2, 8, 6, 3, 3, 0],
    [3, 7, 7, 3, 2, 1],
    [2, 14, 14, 3, 2, 1],
    [2, 6, 5, 3, 1, 1],
    [4, 5, 6, 2, 1, 0],
    [2, 5, 5, 5, 5, 0],
    [5, 3, 3, 2, 2, 1],
    [40, 4, 4, 4, 2, 2],
    [1, 1, 1, 1, 1, 0],
];

const IMAGES: [usize; 3] = [1, 17, 32];

fn pool(s: [usize; 6]) -> Pool {
    let [channels, height, width, kernel, stride, padding] = s;
    Pool {
        channels,
        height,
        width,
        kernel_height: kernel,
        kernel_width: kernel,
        stride,
        padding,
    }
}

fn shape(images: usize, s: [usize; 6]) -> PoolShape {
    let [channels, height, width, kernel, stride, padding] = s;
    PoolShape {
        planes: images * channels,
        height,
        width,
        kernel,
        stride,
        padding,
    }
}

/// Quarters, which tie often; every third plane has a NaN.
fn images_with_ties(shape: &PoolShape) -> Vec<f32> {
    let mut x = numbers(shape.planes * shape.area(), 1);
    for value in &mut x {
        *value = (*value * 4.0).round() / 4.0;
    }
    for (plane, x) in x.chunks_exact_mut(shape.area()).enumerate().step_by(3) {
        x[(7 * plane + 3) % shape.area()] = f32::NAN;
    }
    x
}

fn same(a: &[f32], b: &[f32]) -> bool {
    let pairs = a.iter().zip(b);
    a.len() == b.len()
        && pairs.fold(true, |all, (a, b)| {
            all && (a == b || a.is_nan() && b.is_nan())
        })
}

#[test]
fn maxima_and_their_winners_are_the_references() {
    for s in SHAPES {
        for images in IMAGES {
            let (pool, shape) = (pool(s), shape(images, s));
            let x = images_with_ties(&shape);
            let outputs = shape.planes * shape.out_area();
            // Eighths, so that sums are exact in whatever order.
            let eighths = |v: &f32| (v * 8.0).round() / 8.0;
            let dy: Vec<f32> = numbers(outputs, 2).iter().map(eighths).collect();
            let (mut y, mut argmax) = (vec![0.0; outputs], vec![0; outputs]);
            let mut dx = vec![0.0; x.len()];
            reference::pool::max_forward(&shape, &x, &mut y, &mut argmax);
            reference::pool::max_backward(&shape, &dy, &argmax, &mut dx);
            let x = &blocks(s[0], shape.area(), &x)[0].1;
            let dy = &blocks(s[0], shape.out_area(), &dy)[0].1;
            for_each_isa(|isa| {
                let what = format!("{images} images of {s:?} with {isa:?}");
                let mut fast = vec![f32::NAN; dy.len()];
                pool.max(isa, &(0..pool.forward_units()), x, &mut fast);
                let found = rows(s[0], shape.out_area(), [(images, &fast[..])]);
                assert!(same(&found, &y), "y of {what}");
                let mut back = vec![f32::NAN; x.len()];
                let units = 0..pool.backward_units();
                pool.max_back(isa, &units, (x, &fast), dy, &mut back);
                let found = rows(s[0], shape.area(), [(images, &back[..])]);
                assert!(same(&found, &dx), "dx of {what}");
            });
        }
    }
}

#[test]
fn means_are_the_references() {
    for s in SHAPES {
        for images in IMAGES {
            let (pool, shape) = (pool(s), shape(images, s));
            let x = numbers(shape.planes * shape.area(), 3);
            let dy = numbers(shape.planes * shape.out_area(), 4);
            let (mut y, mut dx) = (dy.clone(), x.clone());
            reference::pool::avg_forward(&shape, &x, &mut y);
            reference::pool::avg_backward(&shape, &dy, &mut dx);
            let x = &blocks(s[0], shape.area(), &x)[0].1;
            let dy = &blocks(s[0], shape.out_area(), &dy)[0].1;
            for_each_isa(|isa| {
                let what = format!("{images} images of {s:?} with {isa:?}");
                let mut fast = vec![f32::NAN; dy.len()];
                pool.mean(isa, &(0..pool.forward_units()), x, &mut fast);
                let fast = rows(s[0], shape.out_area(), [(images, &fast[..])]);
                assert_close(&fast, &y, 1e-6, &format!("y of {what}"));
                let mut back = vec![f32::NAN; x.len()];
                pool.mean_back(isa, &(0..pool.backward_units()), dy, &mut back);
                let back = rows(s[0], shape.area(), [(images, &back[..])]);
                assert_close(&back, &dx, 1e-6, &format!("dx of {what}"));
            });
        }
    }
}

/// As a global mean is taken.
#[test]
fn a_window_as_large_as_an_oblong_map_takes_its_mean() {
    let (channels, height, width) = (5, 3, 4);
    let area = height * width;
    let pool = Pool {
        kernel_height: height,
        kernel_width: width,
        ..pool([channels, height, width, 1, width, 0])
    };
    let x = numbers(9 * channels * area, 5);
    let dy = numbers(9 * channels, 6);
    let (mut y, mut dx) = (dy.clone(), x.clone());
    reference::pool::global_avg_forward(area, &x, &mut y);
    reference::pool::global_avg_backward(area, &dy, &mut dx);
    let (x, dy) = (
        &blocks(channels, area, &x)[0].1,
        &blocks(channels, 1, &dy)[0].1,
    );
    for_each_isa(|isa| {
        let mut fast = vec![f32::NAN; dy.len()];
        pool.mean(isa, &(0..1), x, &mut fast);
        assert_close(&rows(channels, 1, [(9, &fast[..])]), &y, 1e-6, "y");
        let mut back = vec![f32::NAN; x.len()];
        pool.mean_back(isa, &(0..1), dy, &mut back);
        assert_close(&rows(channels, area, [(9, &back[..])]), &dx, 1e-6, "dx");
    });
}

#[test]
fn parts_are_the_whole_bit_for_bit() {
    for s in SHAPES {
        let (pool, shape) = (pool(s), shape(32, s));
        let x = &blocks(s[0], shape.area(), &images_with_ties(&shape))[0].1;
        let dy = numbers(s[0] * shape.out_area() * LANES, 7);
        for_each_isa(|isa| {
            let mut y = vec![f32::NAN; dy.len()];
            pool.max(isa, &(0..pool.forward_units()), x, &mut y);
            let forward = |units: std::ops::Range<usize>| {
                let size = pool.forward_range(&units).len();
                let (mut max, mut mean) = (vec![f32::NAN; size], vec![f32::NAN; size]);
                pool.max(isa, &units, x, &mut max);
                pool.mean(isa, &units, x, &mut mean);
                [bits(&max), bits(&mean)]
            };
            let backward = |units: std::ops::Range<usize>| {
                let size = pool.backward_range(&units).len();
                let (mut max, mut mean) = (vec![f32::NAN; size], vec![f32::NAN; size]);
                pool.max_back(isa, &units, (x, &y), &dy, &mut max);
                pool.mean_back(isa, &units, &dy, &mut mean);
                [bits(&max), bits(&mean)]
            };
            let joined = |parts: Vec<[Vec<u32>; 2]>| {
                parts
                    .into_iter()
                    .fold([vec![], vec![]], |[mut a, mut b], [c, d]| {
                        a.extend(c);
                        b.extend(d);
                        [a, b]
                    })
            };
            let units = pool.forward_units();
            let parts = joined((0..units).map(|u| forward(u..u + 1)).collect());
            assert!(parts == forward(0..units), "y of {s:?} with {isa:?}");
            let units = pool.backward_units();
            let parts = joined((0..units).map(|u| backward(u..u + 1)).collect());
            assert!(parts == backward(0..units), "dx of {s:?} with {isa:?}");
            assert_eq!(parts[0].len(), x.len(), "{s:?}");
        });
    }
}
