//! The same networks in f64, layer by layer as their definitions say, for central differences.

use std::collections::BTreeMap;

use fmtui::data::Batch;
use fmtui::kernels::reference::loss as losses;
use fmtui::kernels::targets::Targets;
use fmtui::model::Node;
use fmtui::profile::{Loss, Train};
use fmtui::rng::{Purpose, Stream};

use super::kinds;

/// Arrays by name.
pub type Weights = BTreeMap<String, Vec<f64>>;

/// A forward pass over a batch.
pub struct Pass<'a> {
    pub weights: &'a Weights,
    pub batch: usize,
    /// Dropout on and batch norm by the batch.
    pub training: bool,
    pub seed: u64,
    pub step: u64,
    /// Dropouts that lie before.
    pub dropouts: usize,
    /// Seed of what rounding to f32 would do to every layer's result, up or down at random; none where nothing does.
    pub rounding: Option<u64>,
    /// Results of layers so far.
    pub results: u64,
}

impl Pass<'_> {
    /// **Shape** `[B, …input]` → `[B, …output]`.
    pub fn chain(&mut self, nodes: &[Node], mut x: Vec<f64>) -> Vec<f64> {
        for node in nodes {
            x = kinds::reference(self, node, x);
            assert_eq!(x.len(), self.batch * node.output.elements(), "{node:?}");
            self.round(&mut x);
        }
        x
    }

    fn round(&mut self, result: &mut [f64]) {
        let Some(seed) = self.rounding else { return };
        let stream = Stream::new(seed, Purpose::Augmentation, self.results);
        self.results += 1;
        let half = f64::from(f32::EPSILON) / 2.0;
        for (i, value) in (0..).zip(result) {
            let up = stream.word(i).is_multiple_of(2);
            *value *= 1.0 + if up { half } else { -half };
        }
    }

    /// An array of a layer.
    pub fn of(&self, node: &Node, what: &str) -> &[f64] {
        &self.weights[&format!("{}.{what}", node.name)]
    }
}

/// The mean loss of a batch.
pub fn loss(train: &Train, classes: usize, logits: &[f64], batch: &Batch) -> f64 {
    let (labels, mut gradient) = (&batch.labels, vec![0.0; logits.len()]);
    let (soft, weights) = (batch.targets.as_deref(), batch.weights.as_deref());
    let smoothing = train.label_smoothing;
    let batch = labels.len();
    if soft.is_some() || weights.is_some() {
        let targets = Targets::new(classes, labels, soft, weights, smoothing).unwrap();
        let targets = targets.all();
        return losses::soft_cross_entropy(batch, classes, logits, targets, &mut gradient);
    }
    match train.loss {
        Loss::CrossEntropy => {
            losses::cross_entropy(batch, classes, logits, labels, smoothing, &mut gradient)
        }
        Loss::Mse => losses::mse_one_hot(batch, classes, logits, labels, &mut gradient),
    }
}
