//! From layers to programs: the work of a training step, forward and back, and of an evaluation.
//!
//! Here is what all kinds of layers share. Each has a file of its own, with its work forward and back side by side.

mod activation;
mod back;
mod conv;
mod dropout;
mod flatten;
mod layer_norm;
mod linear;
mod norm;
mod pool;
mod residual;
mod subsample;

use super::engine::Target;
use super::layout::ParameterLayout;
use crate::kernels::plan::ops::load;
use crate::kernels::plan::{Buffer, LANES, Program, Work};
use crate::kinds_of_layers;
use crate::layers::Activation;
use crate::model::{Architecture, Node};
use back::Gradient;

/// Both programs of a network.
pub(super) struct Programs {
    pub(super) training: Program,
    pub(super) evaluation: Program,
    /// The evaluation's result.
    pub(super) logits: Buffer,
    pub(super) places: ParameterLayout,
}

/// The programs of an architecture.
pub(super) fn compile(architecture: &Architecture, batch: usize, place: Target) -> Programs {
    let mut evaluation = Compiler::new(false, batch, place);
    let logits = evaluation.network(architecture);
    let logits = evaluation.tensors[logits].buffer;
    let mut training = Compiler::new(true, batch, place);
    let last = training.network(architecture);
    training.backward(last);
    Programs {
        training: training.program,
        evaluation: evaluation.program,
        logits,
        places: training.places,
    }
}

/// The number of a tensor.
type Id = usize;

/// What lies between two layers, as a map `[pixel][channel]` in lanes.
///
/// A flattened map is left as it lies, since a linear layer can have its weights in the same order. Whatever else asks
/// for features by their number takes it through [`Compiler::ordered`] or [`Compiler::vector`] first.
#[derive(Clone, Copy, Debug)]
struct Tensor {
    buffer: Buffer,
    channels: usize,
    height: usize,
    width: usize,
    /// Applied by whoever made it; its gradient is multiplied with the slope before it goes further back.
    activation: Activation,
}

impl Tensor {
    fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Whether its numbers lie as PyTorch flattens them: channel by channel.
    fn is_ordered(&self) -> bool {
        self.channels == 1 || self.pixels() == 1
    }
}

/// What every kind of layer has to say to the compiler.
trait Emit {
    /// Whether it applies this function to its result in passing.
    fn takes(&self, activation: Activation) -> bool;

    /// Appends its work on `x` with the activation that it takes, and its [way back](Compiler::passed). Gives its
    /// result.
    fn emit(&self, compiler: &mut Compiler, node: &Node, x: Id, activation: Activation) -> Id;
}

/// Appends the work that takes a result's gradient, which lies in this buffer, further back.
type BackwardOp = Box<dyn FnOnce(&mut Compiler, Buffer)>;

/// Work that was passed on the way forward.
struct TapeEntry {
    /// Its result.
    y: Id,
    back: BackwardOp,
}

struct Compiler {
    training: bool,
    batch: usize,
    place: Target,
    program: Program,
    places: ParameterLayout,
    tensors: Vec<Tensor>,
    tape: Vec<TapeEntry>,
    dropouts: usize,
    gradients: Vec<Option<Gradient>>,
    deferred: Vec<Work>,
    /// The images as rows, where a weight gradient wants them.
    rows: Option<Buffer>,
}

/// The network's input.
const INPUT: Id = 0;

impl Compiler {
    fn new(training: bool, batch: usize, place: Target) -> Self {
        Self {
            training,
            batch,
            place,
            program: Program::default(),
            places: ParameterLayout::default(),
            tensors: Vec::new(),
            tape: Vec::new(),
            dropouts: 0,
            gradients: Vec::new(),
            deferred: Vec::new(),
            rows: None,
        }
    }

    fn tensor(
        &mut self,
        (channels, height, width): (usize, usize, usize),
        activation: Activation,
    ) -> Id {
        let buffer = self.program.buffer(channels * height * width * LANES);
        self.tensors.push(Tensor {
            buffer,
            channels,
            height,
            width,
            activation,
        });
        self.tensors.len() - 1
    }

    fn network(&mut self, architecture: &Architecture) -> Id {
        let size = architecture.input.sides();
        let input = self.tensor(size, Activation::None);
        let Tensor {
            buffer, channels, ..
        } = self.tensors[input];
        self.program.push(load::Load {
            channels,
            pixels: size.1 * size.2,
            rows: None,
            to: buffer,
        });
        let last = self.chain(&architecture.nodes, input);
        self.ordered(last)
    }

    fn chain(&mut self, nodes: &[Node], mut x: Id) -> Id {
        let mut rest = nodes.iter().peekable();
        while let Some(node) = rest.next() {
            let kind: &dyn Emit = kinds_of_layers!(with &node.layer, kind => kind);
            let takes = |activation| kind.takes(activation);
            let next = rest.next_if(|next| next.function().is_some_and(takes));
            let activation = next.and_then(Node::function).unwrap_or_default();
            x = kind.emit(self, node, x, activation);
        }
        x
    }

    /// A new tensor of x's shape.
    fn like(&mut self, x: Id, activation: Activation) -> Id {
        let Tensor {
            channels,
            height,
            width,
            ..
        } = self.tensors[x];
        self.tensor((channels, height, width), activation)
    }

    fn buffers<const N: usize>(&self, ids: [Id; N]) -> [Buffer; N] {
        ids.map(|id| self.tensors[id].buffer)
    }

    /// Puts the way back from `y` onto the tape: `back` gets the gradient before y's own activation.
    fn passed(&mut self, y: Id, back: impl FnOnce(&mut Self, Buffer) + 'static) -> Id {
        let back = Box::new(back);
        self.tape.push(TapeEntry { y, back });
        y
    }
}
