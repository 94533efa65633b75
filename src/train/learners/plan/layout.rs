//! Where every parameter lies in a plan's row, and how its order there differs from PyTorch's.

use crate::kernels::plan::{Kernel, Norm, Weights};
use crate::layers::{Parameter, Start, norm};
use crate::model::Node;

/// **Units** numbers: parameters start at cache lines.
const ALIGN: usize = 16;

/// A trainable parameter: its name and shape as in PyTorch, its place in the plan.
#[derive(Clone, Debug)]
pub(super) struct ParameterSlot {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) start: Start,
    pub(super) place: Weights,
    order: Order,
}

/// How a parameter's numbers follow each other in the plan.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// As in PyTorch.
    Same,
    /// Channels last: `[out][in][pixels]` there, `[out][pixels][in]` here.
    ChannelsLast { inputs: usize, pixels: usize },
}

impl ParameterSlot {
    /// From PyTorch's order into the plan's.
    pub(super) fn write(&self, values: &[f32], row: &mut [f32]) {
        let to = &mut row[self.place.start..self.place.start + self.place.len];
        self.each(|theirs, ours| to[ours] = values[theirs]);
    }

    /// From the plan's order into PyTorch's.
    pub(super) fn read(&self, row: &[f32]) -> Vec<f32> {
        let from = &row[self.place.start..self.place.start + self.place.len];
        let mut values = vec![0.0; from.len()];
        self.each(|theirs, ours| values[theirs] = from[ours]);
        values
    }

    /// Calls `pair(index in PyTorch's order, index in the plan's)` for every number.
    fn each(&self, mut pair: impl FnMut(usize, usize)) {
        match self.order {
            Order::Same => (0..self.place.len).for_each(|i| pair(i, i)),
            Order::ChannelsLast { inputs, pixels } => {
                for first in (0..self.place.len).step_by(inputs * pixels) {
                    for pixel in 0..pixels {
                        for input in 0..inputs {
                            pair(
                                first + input * pixels + pixel,
                                first + pixel * inputs + input,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// A batch normalisation's name and channels.
#[derive(Clone, Debug)]
pub(super) struct Normalisation {
    pub(super) name: String,
    pub(super) channels: usize,
}

impl Normalisation {
    /// The names of its running mean and variance.
    pub(super) fn statistics(&self) -> [String; 2] {
        norm::running(self.channels).map(|array| format!("{}.{}", self.name, array.name))
    }
}

/// All parameters of a network in the order of its layers.
#[derive(Clone, Debug, Default)]
pub(super) struct ParameterLayout {
    pub(super) parameters: Vec<ParameterSlot>,
    pub(super) norms: Vec<Normalisation>,
    /// Numbers of the whole row.
    pub(super) total: usize,
}

impl ParameterLayout {
    fn add(&mut self, node: &Node, parameter: Parameter, order: Order) -> Weights {
        let Parameter {
            name, shape, start, ..
        } = parameter;
        let place = Weights {
            start: self.total,
            len: shape.iter().product(),
        };
        self.total = (place.start + place.len).next_multiple_of(ALIGN);
        self.parameters.push(ParameterSlot {
            name: format!("{}.{name}", node.name),
            shape,
            start,
            place,
            order,
        });
        place
    }

    /// ParameterLayout the parameters of a convolution or linear layer whose input is a map of `pixels` with `inputs`
    /// channels each.
    pub(super) fn kernel(
        &mut self,
        node: &Node,
        (weight, bias): (Parameter, Option<Parameter>),
        (inputs, pixels): (usize, usize),
    ) -> Kernel {
        let order = if inputs == 1 || pixels == 1 {
            Order::Same
        } else {
            Order::ChannelsLast { inputs, pixels }
        };
        Kernel {
            weight: self.add(node, weight, order),
            bias: bias.map(|bias| self.plain(node, bias)),
        }
    }

    /// ParameterLayout a parameter whose numbers lie as in PyTorch.
    pub(super) fn plain(&mut self, node: &Node, parameter: Parameter) -> Weights {
        self.add(node, parameter, Order::Same)
    }

    /// ParameterLayout the parameters of a batch normalisation.
    pub(super) fn norm(&mut self, node: &Node, channels: usize) -> Norm {
        let [gamma, beta] = norm::affine(channels).map(|parameter| self.plain(node, parameter));
        self.norms.push(Normalisation {
            name: node.name.clone(),
            channels,
        });
        Norm {
            index: self.norms.len() - 1,
            channels,
            gamma,
            beta,
        }
    }
}
