//! Lists of pixels by which kernels go through maps, worked out once for every shape.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::cuda::cudarc::driver::CudaStream;

use super::device::Memory;
use crate::error::Result;
use crate::kernels::cpu::lanes::conv::Geometry;
use crate::kernels::cpu::lanes::resample::Resample;

/// Lists of pixels that kernels go by, each made once.
pub(in crate::kernels) struct Tables {
    stream: Arc<CudaStream>,
    /// Their places, and how many taps there are of all pixels.
    taps: HashMap<(Direction, Shape), ([u64; 2], usize)>,
    sources: HashMap<Shape, u64>,
    held: Vec<Memory<i32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::kernels) enum Direction {
    Forward,
    Backward,
}

/// What a list of taps depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Shape([usize; 6]);

impl Shape {
    fn of(g: &Geometry) -> Self {
        Self([
            g.height,
            g.width,
            g.kernel_height,
            g.kernel_width,
            g.stride,
            g.padding,
        ])
    }
}

impl Tables {
    pub(in crate::kernels) fn new(stream: &Arc<CudaStream>) -> Self {
        Self {
            stream: stream.clone(),
            taps: HashMap::new(),
            sources: HashMap::new(),
            held: Vec::new(),
        }
    }

    fn hold(&mut self, values: &[i32]) -> Result<u64> {
        let memory = Memory::of(&self.stream, values)?;
        let address = memory.address(0);
        self.held.push(memory);
        Ok(address)
    }

    /// For every pixel of the result its taps {pixel of the operand, tap}, how many there are of each, and of all.
    pub(in crate::kernels) fn taps(
        &mut self,
        g: &Geometry,
        direction: Direction,
    ) -> Result<([u64; 2], usize)> {
        let key = (direction, Shape::of(g));
        if let Some(found) = self.taps.get(&key) {
            return Ok(*found);
        }
        let slots = g.kernel_height * g.kernel_width;
        let (height, width) = match direction {
            Direction::Backward => (g.height, g.width),
            Direction::Forward => (g.out_height(), g.out_width()),
        };
        let (mut pairs, mut counts) = (Vec::new(), Vec::new());
        for (row, column) in (0..height).flat_map(|r| (0..width).map(move |c| (r, c))) {
            let first = pairs.len();
            for (u, v) in taps_of(g) {
                let met = match direction {
                    Direction::Backward => source(
                        g.seen_by(row, u, g.out_height()),
                        g.seen_by(column, v, g.out_width()),
                        g.out_width(),
                    ),
                    Direction::Forward => met_by(g, (row, column), (u, v)),
                };
                if let Some(pixel) = met {
                    pairs.extend([number(pixel), number(u * g.kernel_width + v)]);
                }
            }
            counts.push(number((pairs.len() - first) / 2));
            pairs.resize(first + 2 * slots, 0);
        }
        let all = counts
            .iter()
            .map(|c| usize::try_from(*c).unwrap_or(0))
            .sum();
        let tables = [self.hold(&pairs)?, self.hold(&counts)?];
        self.taps.insert(key, (tables, all));
        Ok((tables, all))
    }

    /// For every pixel of the result the pixel that each tap meets, or −1.
    pub(in crate::kernels) fn sources(&mut self, g: &Geometry) -> Result<u64> {
        if let Some(found) = self.sources.get(&Shape::of(g)) {
            return Ok(*found);
        }
        let mut sources = Vec::new();
        for row in 0..g.out_height() {
            for column in 0..g.out_width() {
                let met = taps_of(g).map(|tap| met_by(g, (row, column), tap));
                sources.extend(met.map(|pixel| pixel.map_or(-1, number)));
            }
        }
        let address = self.hold(&sources)?;
        self.sources.insert(Shape::of(g), address);
        Ok(address)
    }

    /// For every pixel of the result where its terms start, and the terms {pixel, weight}.
    pub(in crate::kernels) fn terms(
        &mut self,
        resample: &Resample,
        back: bool,
    ) -> Result<[u64; 2]> {
        let shape = resample.shape();
        let (_, out_height, out_width) = shape.output();
        let pixels = if back {
            shape.height * shape.width
        } else {
            out_height * out_width
        };
        let mut of_pixel = vec![Vec::new(); pixels];
        shape.pairs(|from, to, weight| {
            let (at, other) = if back { (from, to) } else { (to, from) };
            of_pixel[at].push((other, weight));
        });
        let (mut starts, mut terms) = (vec![0], Vec::new());
        for of_one in of_pixel {
            for (other, weight) in of_one {
                terms.extend([number(other), weight.to_bits().cast_signed()]);
            }
            starts.push(number(terms.len() / 2));
        }
        Ok([self.hold(&starts)?, self.hold(&terms)?])
    }
}

fn taps_of(g: &Geometry) -> impl Iterator<Item = (usize, usize)> + use<> {
    let width = g.kernel_width;
    (0..g.kernel_height).flat_map(move |u| (0..width).map(move |v| (u, v)))
}

/// The pixel of the map that a tap of the convolution's result meets, unless it falls on padding.
fn met_by(g: &Geometry, at: (usize, usize), tap: (usize, usize)) -> Option<usize> {
    let along = |at: usize, tap: usize, size: usize| {
        let met = (at * g.stride + tap).checked_sub(g.padding);
        met.filter(|met| *met < size)
    };
    source(
        along(at.0, tap.0, g.height),
        along(at.1, tap.1, g.width),
        g.width,
    )
}

fn source(row: Option<usize>, column: Option<usize>, width: usize) -> Option<usize> {
    Some(row? * width + column?)
}

/// Sizes on the GPU are i32: `Conv` and the profile's limits keep them below 2³¹.
pub(in crate::kernels) fn number(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
