//! Resampling in lanes against the same, image by image.

use super::super::LANES;
use super::super::resample::Resample;
use super::{assert_near, blocks, rows};
use crate::kernels::cpu::resample;
use crate::kernels::cpu::testing::{for_each_isa, numbers};
use crate::kernels::shape::ResampleShape;

#[test]
fn agrees_with_images_in_rows() {
    let shapes = [
        (
            Resample::adaptive(3, (5, 4), 7),
            ResampleShape::adaptive((3, 5, 4), 7),
        ),
        (
            Resample::adaptive(40, (7, 9), 2),
            ResampleShape::adaptive((40, 7, 9), 2),
        ),
        (
            Resample::adaptive(2, (1, 1), 3),
            ResampleShape::adaptive((2, 1, 1), 3),
        ),
        (
            Resample::subsample((2, 7, 8), 6, 2),
            ResampleShape::subsample((2, 7, 8), 6, 2),
        ),
        (
            Resample::subsample((5, 4, 4), 5, 3),
            ResampleShape::subsample((5, 4, 4), 5, 3),
        ),
    ];
    for (lanes, shape) in shapes {
        let pixels = shape.height * shape.width;
        let (out_channels, height, width) = shape.output();
        let out = out_channels * height * width;
        for images in [1, 19, 32] {
            let x = numbers(images * shape.channels * pixels, 1);
            let dy = numbers(images * out, 2);
            let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
            resample::forward(&shape, &x, &mut y);
            resample::backward(&shape, &dy, &mut dx);
            let x = &blocks(shape.channels, pixels, &x)[0].1;
            let dy = &blocks(out_channels, height * width, &dy)[0].1;
            for_each_isa(|isa| {
                let what = format!("{shape:?} of {images} with {isa:?}");
                let mut result = vec![f32::NAN; out * LANES];
                lanes.forward(isa, x, &mut result);
                let result = rows(out_channels, height * width, [(images, &result[..])]);
                assert_near(&result, &y, 1e-6, 1.0, &what);
                let mut result = vec![f32::NAN; shape.channels * pixels * LANES];
                lanes.backward(isa, dy, &mut result);
                let result = rows(shape.channels, pixels, [(images, &result[..])]);
                assert_near(&result, &dx, 1e-6, 1.0, &what);
            });
        }
    }
}
