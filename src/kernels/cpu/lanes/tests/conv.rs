//! Convolutions over a grid of odd shapes.

use super::super::conv::{Conv, Geometry};
use super::super::layout::turn;
use super::super::{LANES, pointwise};
use super::{assert_near, bits, blocks, rows};
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::testing::{assert_close, for_each_isa, numbers};
use crate::kernels::reference;
use crate::kernels::shape::ConvShape;
use crate::profile::Activation;

fn shape(s: [usize; 8]) -> ConvShape {
    let [
        batch,
        in_channels,
        height,
        width,
        out_channels,
        kernel,
        stride,
        padding,
    ] = s;
    ConvShape {
        batch,
        in_channels,
        height,
        width,
        out_channels,
        kernel,
        stride,
        padding,
    }
}

/// Every kernel from 1 to 5, stride to 3, padding to 2 and kind of depth; batches, maps and widths go round.
fn grid() -> Vec<ConvShape> {
    let sizes = [(5, 7), (6, 4), (1, 3), (8, 8), (2, 9), (4, 1), (3, 3)];
    let (batches, outs) = ([1, 17, 32, 49], [1, 9, 30, 14, 3]);
    let mut shapes = Vec::new();
    for kernel in 1..=5 {
        for stride in 1..=3 {
            for padding in 0..=2 {
                for in_channels in [1, 3, 25, 40] {
                    let i = shapes.len();
                    // The next map that the kernel fits, padded; often it is larger than the map itself.
                    let fits = |(h, w): &&(usize, usize)| *h.min(w) + 2 * padding >= kernel;
                    let mut from = sizes.iter().cycle().skip(i % sizes.len());
                    let (height, width) = *from.find(fits).unwrap();
                    let (batch, out) = (batches[i % 4], outs[i % 5]);
                    shapes.push(shape([
                        batch,
                        in_channels,
                        height,
                        width,
                        out,
                        kernel,
                        stride,
                        padding,
                    ]));
                }
            }
        }
    }
    // Lines longer than a stretch of the weight gradient, single pixels with many channels, a linear layer.
    shapes.extend([
        shape([33, 3, 40, 40, 20, 3, 1, 1]),
        shape([40, 30, 24, 24, 8, 3, 2, 1]),
        shape([20, 64, 1, 1, 70, 3, 1, 1]),
        shape([64, 300, 1, 1, 33, 1, 1, 0]),
        shape([3, 7, 2, 2, 5, 5, 3, 2]),
    ]);
    shapes.extend(tiled());
    shapes
}

/// Shapes that are worked out in tiles: odd sides, one-sided leftovers, channels that fill no vector, all paddings.
fn tiled() -> Vec<ConvShape> {
    let shapes = vec![
        shape([1, 33, 5, 7, 30, 3, 1, 1]),
        shape([49, 40, 8, 8, 35, 3, 1, 1]),
        shape([32, 64, 7, 7, 64, 3, 1, 1]),
        shape([17, 32, 12, 10, 47, 3, 1, 0]),
        shape([33, 45, 6, 9, 33, 3, 1, 2]),
        shape([64, 32, 14, 13, 15, 3, 1, 1]),
        shape([3, 50, 4, 12, 70, 3, 1, 1]),
    ];
    assert!(shapes.iter().all(|s| Conv::new(geometry(s)).tiled()));
    shapes
}

fn geometry(s: &ConvShape) -> Geometry {
    Geometry {
        in_channels: s.in_channels,
        height: s.height,
        width: s.width,
        out_channels: s.out_channels,
        kernel_height: s.kernel,
        kernel_width: s.kernel,
        stride: s.stride,
        padding: s.padding,
    }
}

/// Channels last, as weights lie in lanes.
fn channels_last(s: &ConvShape, w: &[f32]) -> Vec<f32> {
    let area = s.kernel * s.kernel;
    let at = |i: usize| {
        let (out, tap, channel) = (i / s.taps(), i / s.in_channels % area, i % s.in_channels);
        w[out * s.taps() + channel * area + tap]
    };
    (0..w.len()).map(at).collect()
}

struct Operands {
    x: Vec<(usize, Vec<f32>)>,
    dy: Vec<(usize, Vec<f32>)>,
    w: Vec<f32>,
    bias: Vec<f32>,
}

impl Operands {
    fn inputs(&self, isa: Isa, conv: &Conv) -> Vec<Vec<f32>> {
        let turned = |(_, x): &(usize, Vec<f32>)| {
            let mut turned = x.clone();
            if conv.turned {
                turn(isa, conv.geometry.in_channels, x, &mut turned);
            }
            turned
        };
        self.x.iter().map(turned).collect()
    }

    fn weights(
        &self,
        isa: Isa,
        conv: &Conv,
        inputs: &[Vec<f32>],
        channels: &std::ops::Range<usize>,
    ) -> [Vec<f32>; 2] {
        let mut dw = vec![f32::NAN; channels.len() * conv.geometry.depth()];
        let mut db = vec![f32::NAN; channels.len()];
        let blocks = inputs.iter().zip(&self.dy);
        let blocks = blocks.map(|(x, (images, dy))| (*images, &x[..], &dy[..]));
        conv.weights(isa, channels, blocks, &mut dw, Some(&mut db));
        [dw, db]
    }
}

/// y, dx, dw, db in the reference's order.
fn all(isa: Isa, s: &ConvShape, o: &Operands) -> [Vec<f32>; 4] {
    let conv = Conv::new(geometry(s));
    let (pixels, out_pixels) = (s.height * s.width, s.out_area());
    let (mut y, mut dx) = (Vec::new(), Vec::new());
    for ((images, x), (_, dy)) in o.x.iter().zip(&o.dy) {
        let mut whole = vec![f32::NAN; s.out_image() * LANES];
        let units = 0..conv.forward_units();
        let ending = (Some(&o.bias[..]), Activation::None);
        conv.forward(isa, &units, x, &o.w, ending, &mut whole);
        y.push((*images, whole));
        let mut whole = vec![f32::NAN; s.image() * LANES];
        let units = 0..conv.backward_units();
        conv.backward(isa, &units, dy, &o.w, false, &mut whole);
        dx.push((*images, whole));
    }
    let [dw, db] = o.weights(isa, &conv, &o.inputs(isa, &conv), &(0..s.out_channels));
    let in_rows = |channels, pixels, blocks: &[(usize, Vec<f32>)]| {
        rows(channels, pixels, blocks.iter().map(|(p, b)| (*p, &b[..])))
    };
    [
        in_rows(s.out_channels, out_pixels, &y),
        in_rows(s.in_channels, pixels, &dx),
        dw,
        db,
    ]
}

fn operands(s: &ConvShape) -> (Operands, [Vec<f32>; 4]) {
    let (x, w) = (numbers(s.input_len(), 1), numbers(s.weights_len(), 2));
    let (bias, dy) = (numbers(s.out_channels, 3), numbers(s.output_len(), 4));
    let [mut y, mut dx, mut dw, mut db] = [
        s.output_len(),
        s.input_len(),
        s.weights_len(),
        s.out_channels,
    ]
    .map(|n| vec![0.0; n]);
    reference::conv::forward(s, &x, &w, Some(&bias), &mut y);
    reference::conv::backward_input(s, &dy, &w, &mut dx);
    reference::conv::backward_weights(s, &x, &dy, &mut dw, Some(&mut db));
    let operands = Operands {
        x: blocks(s.in_channels, s.height * s.width, &x),
        dy: blocks(s.out_channels, s.out_area(), &dy),
        w: channels_last(s, &w),
        bias,
    };
    (operands, [y, dx, channels_last(s, &dw), db])
}

#[test]
fn all_agree_with_the_reference() {
    for s in grid() {
        let (operands, exact) = operands(&s);
        for_each_isa(|isa| {
            let fast = all(isa, &s, &operands);
            // As much as the sum of that many products of numbers in [−1, 1) comes to.
            let sum_of = |terms: usize| (terms as f32).sqrt() / 3.0;
            let terms = [
                s.taps(),
                s.out_channels,
                s.batch * s.out_area(),
                s.batch * s.out_area(),
            ];
            let parts = ["y", "dx", "dw", "db"].iter().zip(terms);
            for ((part, terms), (fast, exact)) in parts.zip(fast.iter().zip(&exact)) {
                let what = format!("{part} of {s:?} with {isa:?}");
                assert_near(fast, exact, 3e-6, sum_of(terms), &what);
            }
        });
    }
}

/// Whoever computes which part of a result, its bits are the same.
#[test]
fn parts_are_the_whole_bit_for_bit() {
    for s in grid().into_iter().step_by(3) {
        let (operands, _) = operands(&s);
        let conv = Conv::new(geometry(&s));
        let (x, dy) = (&operands.x[0].1, &operands.dy[0].1);
        for_each_isa(|isa| {
            let what = format!("{s:?} with {isa:?}");
            let forward = |units: std::ops::Range<usize>| {
                let mut y = vec![f32::NAN; conv.forward_range(&units).len()];
                let ending = (Some(&operands.bias[..]), Activation::Tanh);
                conv.forward(isa, &units, x, &operands.w, ending, &mut y);
                bits(&y)
            };
            let units = conv.forward_units();
            let parts: Vec<u32> = (0..units).flat_map(|u| forward(u..u + 1)).collect();
            assert_eq!(parts.len(), s.out_image() * LANES, "{what}");
            assert!(parts == forward(0..units), "y of {what}");
            let backward = |units: std::ops::Range<usize>, add: bool| {
                let range = conv.backward_range(&units);
                let mut dx = if add {
                    numbers(s.image() * LANES, 5)[range].to_vec()
                } else {
                    vec![f32::NAN; range.len()]
                };
                conv.backward(isa, &units, dy, &operands.w, add, &mut dx);
                bits(&dx)
            };
            let units = conv.backward_units();
            for add in [false, true] {
                let parts: Vec<u32> = (0..units).flat_map(|u| backward(u..u + 1, add)).collect();
                assert_eq!(parts.len(), s.image() * LANES, "{what}");
                assert!(parts == backward(0..units, add), "dx of {what}, add {add}");
            }
            let inputs = operands.inputs(isa, &conv);
            let weights = |range| operands.weights(isa, &conv, &inputs, &range);
            let whole = weights(0..s.out_channels);
            for width in [1, 4, 5] {
                let each = (0..s.out_channels).step_by(width);
                let parts = each.map(|c| weights(c..(c + width).min(s.out_channels)));
                let parts = parts.fold([vec![], vec![]], |[mut w, mut b], [dw, db]| {
                    w.extend(bits(&dw));
                    b.extend(bits(&db));
                    [w, b]
                });
                assert!(parts == whole.each_ref().map(|v| bits(v)), "dw of {what}");
            }
        });
    }
}

#[test]
fn a_gradient_is_added_to_what_was_there() {
    for s in grid().into_iter().step_by(7) {
        let (operands, _) = operands(&s);
        let conv = Conv::new(geometry(&s));
        let (images, dy) = &operands.dy[0];
        let units = 0..conv.backward_units();
        for_each_isa(|isa| {
            let run = |add: bool, mut dx: Vec<f32>| {
                conv.backward(isa, &units, dy, &operands.w, add, &mut dx);
                rows(s.in_channels, s.height * s.width, [(*images, &dx[..])])
            };
            let before = numbers(s.image() * LANES, 6);
            let mut expected = run(false, vec![f32::NAN; before.len()]);
            let was = rows(s.in_channels, s.height * s.width, [(*images, &before[..])]);
            expected.iter_mut().zip(was).for_each(|(e, w)| *e += w);
            assert_close(
                &run(true, before),
                &expected,
                1e-6,
                &format!("{s:?} with {isa:?}"),
            );
        });
    }
}

#[test]
fn the_activation_is_applied_to_the_sum_with_the_bias() {
    let s = shape([17, 3, 5, 6, 11, 3, 2, 1]);
    let (operands, [sums, ..]) = operands(&s);
    let conv = Conv::new(geometry(&s));
    let (images, x) = &operands.x[0];
    let units = 0..conv.forward_units();
    for activation in [
        Activation::None,
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Tanh,
        Activation::Sigmoid,
    ] {
        assert!(pointwise::is_gate(activation));
        let mut exact = sums.clone();
        reference::elementwise::forward(activation, &sums, &mut exact);
        for_each_isa(|isa| {
            let mut y = vec![f32::NAN; s.out_image() * LANES];
            let ending = (Some(&operands.bias[..]), activation);
            conv.forward(isa, &units, x, &operands.w, ending, &mut y);
            let y = rows(s.out_channels, s.out_area(), [(*images, &y[..])]);
            assert_close(&y, &exact, 3e-6, &format!("{activation:?} with {isa:?}"));
        });
    }
}
