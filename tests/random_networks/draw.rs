//! A source of choices, layers among them.

use fmtui::layers::{Activation, Layer, Parameter, Shape};
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;

use super::kinds::offers;

/// The most numbers between two layers, and the most parameters of one: larger ones only take longer.
const MOST_NUMBERS: usize = 700;
const MOST_PARAMETERS: u64 = 12_000;

/// How often another kind is taken, where one did not fit.
const TRIES: usize = 20;

pub struct Draw {
    source: TestRng,
    /// How deep residual blocks may still lie in one another.
    depth: usize,
}

/// The same of a whole network.
const DEEPEST: usize = 2;

impl Draw {
    pub fn new(source: TestRng) -> Self {
        Self {
            source,
            depth: DEEPEST,
        }
    }

    pub fn word(&mut self) -> u64 {
        self.source.next_u64()
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.word() % end.max(1) as u64) as usize
    }

    pub fn from(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last + 1 - first)
    }

    /// From a range, the first and the last more often.
    pub fn edged(&mut self, first: usize, last: usize) -> usize {
        if self.once_in(8) {
            self.of(&[first, last])
        } else {
            self.from(first, last)
        }
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    pub fn activation(&mut self) -> Activation {
        if self.once_in(3) {
            Activation::Relu
        } else {
            self.of(&Activation::ALL)
        }
    }

    /// What lies in a residual block; inside of another one only in half of the cases.
    pub fn inside<T>(&mut self, draw: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth < DEEPEST && self.once_in(2) {
            return None;
        }
        self.depth = self.depth.checked_sub(1)?;
        let drawn = draw(self);
        self.depth += 1;
        drawn
    }

    /// A layer of any kind for this input, with its output's shape: the input's where `keeping`.
    pub fn layer(&mut self, input: Shape, keeping: bool) -> Option<(Layer, Shape)> {
        let offers = offers();
        let all = offers.iter().map(|(odds, _)| odds).sum();
        (0..TRIES).find_map(|_| {
            let mut left = self.below(all);
            let (_, draw) = offers.iter().find(|(odds, _)| {
                let rest = left.checked_sub(*odds);
                left = rest.unwrap_or(left);
                rest.is_none()
            })?;
            let (layer, output) = fitting(draw(self, input, keeping)?, input)?;
            (!keeping || output == input).then_some((layer, output))
        })
    }
}

/// A layer with its output's shape, if it goes with the input and both are small.
pub fn fitting(layer: impl Into<Layer>, input: Shape) -> Option<(Layer, Shape)> {
    let layer = layer.into();
    let kind = layer.kind();
    kind.check().ok()?;
    let output = kind.output(input).ok()?;
    let arrays = kind.parameters(input);
    let parameters: u64 = arrays.iter().map(Parameter::elements).sum();
    let is_small = (1..=MOST_NUMBERS).contains(&output.elements()) && parameters <= MOST_PARAMETERS;
    is_small.then_some((layer, output))
}
