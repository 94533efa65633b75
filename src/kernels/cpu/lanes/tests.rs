//! Every kernel in lanes against the reference, with every instruction set, and its parts against the whole bit for
//! bit.
//!
//! Lanes without an image hold NaN here: nothing of them may reach a result.

mod conv;
mod norm;
mod pointwise;
mod pool;
mod resample;

use super::LANES;
use super::layout::{into_lanes, into_rows, turn};
use crate::kernels::cpu::testing::{for_each_isa, numbers};

/// Images in rows, `[images, channels, pixels]`, as blocks of lanes with their images.
fn blocks(channels: usize, pixels: usize, rows: &[f32]) -> Vec<(usize, Vec<f32>)> {
    let features = channels * pixels;
    rows.chunks(features * LANES)
        .map(|rows| {
            let mut block = vec![f32::NAN; features * LANES];
            for (lane, image) in rows.chunks_exact(features).enumerate() {
                for (i, value) in image.iter().enumerate() {
                    let (channel, pixel) = (i / pixels, i % pixels);
                    block[(pixel * channels + channel) * LANES + lane] = *value;
                }
            }
            (rows.len() / features, block)
        })
        .collect()
}

/// The images of blocks in rows again.
fn rows<'a>(
    channels: usize,
    pixels: usize,
    blocks: impl IntoIterator<Item = (usize, &'a [f32])>,
) -> Vec<f32> {
    let mut rows = Vec::new();
    for (images, block) in blocks {
        for lane in 0..images {
            for channel in 0..channels {
                let at = |pixel| block[(pixel * channels + channel) * LANES + lane];
                rows.extend((0..pixels).map(at));
            }
        }
    }
    rows
}

/// Asserts that every number is within `tolerance` of the expected one, relative to `scale` or the largest expected.
///
/// Terms that cancel leave a sum much smaller than its rounding: `scale` says what its terms come to.
#[track_caller]
fn assert_near(actual: &[f32], expected: &[f32], tolerance: f32, scale: f32, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(scale, |m, v| m.max(v.abs()));
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (a - e).abs() <= tolerance * scale,
            "{what}: {a} is not {e} at {i} (scale {scale})"
        );
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn images_go_into_lanes_and_come_back() {
    for (count, channels, pixels) in [
        (1, 1, 1),
        (32, 1, 784),
        (17, 1, 50),
        (16, 1, 16),
        (31, 3, 25),
        (32, 3, 48),
        (5, 40, 1),
        (32, 25, 9),
    ] {
        let images = numbers(count * channels * pixels, 1);
        for_each_isa(|isa| {
            let what = format!("{count} × {channels} × {pixels} with {isa:?}");
            let mut block = vec![f32::NAN; channels * pixels * LANES];
            into_lanes(isa, channels, pixels, &images, &mut block);
            for row in block.chunks_exact(LANES) {
                assert!(row[count..].iter().all(|v| *v == 0.0), "{what}");
            }
            let back = rows(channels, pixels, [(count, &block[..])]);
            assert!(back == images, "{what}");
            if pixels == 1 {
                let mut rows = vec![0.0; images.len()];
                into_rows(channels, &block, &mut rows);
                assert!(rows == images, "{what}");
            }
        });
    }
}

#[test]
fn turning_exchanges_channels_and_lanes() {
    for (channels, pixels) in [(1, 3), (3, 2), (15, 1), (16, 2), (25, 4), (32, 1), (40, 3)] {
        let size = channels * LANES;
        let block = numbers(pixels * size, 2);
        for_each_isa(|isa| {
            let mut turned = vec![f32::NAN; block.len()];
            turn(isa, channels, &block, &mut turned);
            for (i, value) in turned.iter().enumerate() {
                let (pixel, lane, channel) = (i / size, i % size / channels, i % channels);
                let from = block[pixel * size + channel * LANES + lane];
                assert_eq!(*value, from, "{channels} × {pixels} with {isa:?}");
            }
        });
    }
}
