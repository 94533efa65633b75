//! What an architecture costs: parameters and multiply-adds layer by layer, and an estimate of the memory to train it.
//!
//! Computed from shapes alone; nothing is measured and nothing is allocated.

use super::{Architecture, Node, Shape, freeze};
use crate::error::Result;
use crate::layers::{Activate, Flatten, Layer};
use crate::profile::Train;

/// The table of a network's layers with its totals.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    pub rows: Vec<Row>,
    pub parameters: u64,
    /// Those that training changes.
    pub trained_parameters: u64,
    /// Of one image, forward. Counted as usual: convolutions and linear layers, without their biases.
    pub multiply_adds: u64,
    /// Numbers per image that training keeps for the backward pass: the input and every layer's output.
    pub activation_floats: u64,
    /// Running means and variances of batch norm.
    pub statistics: u64,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// As the layer's parameters are named.
    pub name: String,
    /// Such as `conv 3×3 p1 · relu`: stride as `s2` and padding as `p1` where they are not 1 and 0, then the layer's
    /// activation.
    pub kind: String,
    pub output: Shape,
    pub parameters: u64,
    pub multiply_adds: u64,
    /// 0 for the network's own layers, 1 for those inside a residual block, whose row above holds their sum.
    pub depth: usize,
    /// Whether it keeps its weights.
    pub frozen: bool,
}

/// The table of `architecture`. A layer's own activation shares its row.
#[must_use]
pub(crate) fn summarise(architecture: &Architecture) -> Summary {
    let mut rows = Vec::new();
    let mut activations = architecture.input.elements() as u64;
    tabulate(&architecture.nodes, 0, &mut rows, &mut activations);
    let total = |of: fn(&Row) -> u64| rows.iter().filter(|row| row.depth == 0).map(of).sum();
    let parameters = total(|row| row.parameters);
    Summary {
        parameters,
        trained_parameters: parameters,
        multiply_adds: total(|row| row.multiply_adds),
        activation_floats: activations,
        statistics: architecture.nodes.iter().map(Node::statistics).sum(),
        rows,
    }
}

impl Summary {
    /// The same where some layers keep their weights.
    ///
    /// # Errors
    /// `Input` when `freeze` names nothing that could be frozen.
    pub(crate) fn with_frozen(self, architecture: &Architecture, freeze: &str) -> Result<Self> {
        let mut summary = self;
        if let Some(cut) = freeze::cut(architecture, freeze)? {
            let frozen = summarise(&cut.frozen).rows.len();
            for row in summary.rows.iter_mut().take(frozen) {
                row.frozen = true;
            }
            summary.trained_parameters = cut.trained.parameters();
            summary.activation_floats = summarise(&cut.trained).activation_floats;
        }
        Ok(summary)
    }

    /// About how much memory training takes, of all layers that learn.
    ///
    /// **Units** bytes of f32: weights, gradients and what the optimizer keeps, running statistics, and each activation
    /// with its gradient. Work space of the kernels, the data set, and what frozen layers gave for it come on top.
    #[must_use]
    pub(crate) fn memory_bytes(&self, train: &Train) -> u64 {
        let batch = train.batch_size;
        let of_trained = (1 + kept(train)) as u64;
        let trained = self.trained_parameters.saturating_mul(of_trained);
        let weights = self.parameters.saturating_add(trained);
        let activations = self
            .activation_floats
            .saturating_mul(2)
            .saturating_mul(batch as u64);
        weights
            .saturating_add(activations)
            .saturating_add(self.statistics)
            .saturating_mul(4)
    }
}

/// Numbers that are kept per parameter, by the optimizer and for averages.
fn kept(train: &Train) -> usize {
    let [first, second] = train.optimizer.keeps();
    [first, second, train.ema > 0.0]
        .map(usize::from)
        .iter()
        .sum()
}

fn tabulate(nodes: &[Node], depth: usize, rows: &mut Vec<Row>, activations: &mut u64) {
    let mut layer: Option<&Node> = None;
    for node in nodes {
        // A flattened map is the same numbers again.
        if node.layer != Layer::Flatten(Flatten {}) {
            *activations += node.output.elements() as u64;
        }
        if let (Layer::Activation(Activate { function }), Some(layer), Some(row)) =
            (&node.layer, layer, rows.last_mut())
            && node.name == format!("{}.{}", layer.name, function.name())
        {
            row.kind = format!("{} · {}", row.kind, function.name());
            continue;
        }
        layer = Some(node);
        rows.push(Row {
            name: node.name.clone(),
            kind: node.layer.kind().label(),
            output: node.output,
            parameters: node.parameters(),
            multiply_adds: node.multiply_adds(),
            depth,
            frozen: false,
        });
        for branch in &node.branches {
            tabulate(branch, depth + 1, rows, activations);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::resolve;
    use crate::profile::Profile;

    fn summary(architecture: &str, channels: usize, side: usize) -> Summary {
        let input = Shape::Map {
            channels,
            height: side,
            width: side,
        };
        let model = Profile::new(architecture).model;
        summarise(&resolve(&model, input, 10).unwrap())
    }

    /// By hand: 8·32²·9 + 25·12²·8·25 + 84·9²·25·16 + 1344·120 + 120·84 + 84·10.
    #[test]
    fn lenet5_is_counted_layer_by_layer() {
        let lenet = summary("lenet5", 1, 32);
        assert_eq!(
            lenet.multiply_adds,
            73_728 + 720_000 + 2_721_600 + 161_280 + 10_080 + 840
        );
        assert_eq!(lenet.parameters, 211_203);
        let kinds: Vec<&str> = lenet.rows.iter().map(|row| row.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "conv 3×3 p1 · tanh",
                "max pool 2×2",
                "conv 5×5 · tanh",
                "conv 4×4 · tanh",
                "max pool 2×2",
                "flatten",
                "linear · tanh",
                "linear · tanh",
                "linear"
            ]
        );
        // Input, each layer and each tanh; the flattened map is counted once.
        let floats = 1024 + 2 * 8192 + 2048 + 2 * 3600 + 2 * 6804 + 1344 + 2 * 120 + 2 * 84 + 10;
        assert_eq!(lenet.activation_floats, floats);
        assert_eq!(
            lenet.memory_bytes(&Train::default()),
            4 * (211_203 * 4 + 64 * 2 * floats)
        );
    }

    /// ```python
    /// m = torchvision.models.resnet18(num_classes=10).eval(); total = 0
    /// def count(mod, i, o):
    ///     global total
    ///     if isinstance(mod, nn.Conv2d): total += o[0].numel() * mod.in_channels * mod.kernel_size[0] ** 2
    ///     if isinstance(mod, nn.Linear): total += mod.in_features * mod.out_features
    /// for mod in m.modules(): mod.register_forward_hook(count)
    /// m(torch.zeros(1, 3, 224, 224)); print(total)
    /// print(sum(b.numel() for n, b in m.named_buffers() if "running" in n))
    /// ```
    #[test]
    fn resnet18_costs_what_is_published() {
        let resnet = summary("resnet18", 3, 224);
        assert_eq!(resnet.multiply_adds, 1_813_566_464);
        assert_eq!(resnet.parameters, 11_181_642);
        assert_eq!(resnet.statistics, 9_600);
        let block = resnet.rows.iter().position(|r| r.name == "layer2.0");
        let block = block.unwrap();
        let inside: Vec<&Row> = resnet.rows[block + 1..]
            .iter()
            .take_while(|r| r.depth == 1)
            .collect();
        assert_eq!(inside.len(), 6);
        assert_eq!(inside[1].kind, "batch norm · relu");
        assert_eq!(
            resnet.rows[block].parameters,
            inside.iter().map(|r| r.parameters).sum::<u64>()
        );
        assert_eq!(
            resnet.rows[block].multiply_adds,
            inside.iter().map(|r| r.multiply_adds).sum::<u64>()
        );
    }

    #[test]
    fn frozen_layers_need_neither_gradients_nor_activations() {
        let model = Profile::new("resnet18").model;
        let input = Shape::Map {
            channels: 3,
            height: 28,
            width: 28,
        };
        let architecture = resolve(&model, input, 10).unwrap();
        let frozen = summarise(&architecture)
            .with_frozen(&architecture, "backbone")
            .unwrap();
        assert_eq!(frozen.trained_parameters, 5_130);
        // The features, the ten numbers, and once every weight.
        assert_eq!(frozen.activation_floats, 512 + 10);
        assert_eq!(
            frozen.memory_bytes(&Train::default()),
            4 * (11_181_642 + 3 * 5_130 + 64 * 2 * 522 + 9_600)
        );
    }
}
