//! The part of the study without convolutions: the perceptron, sweeps over width and depth, and gradients by hand.

use super::Preset;

const RUMELHART: &str = "D. E. Rumelhart, G. E. Hinton, R. J. Williams: Learning representations by \
    back-propagating errors. Nature 323";

const WIDTH: &str = "One hidden layer: every neuron sees all 784 pixels, takes a weighted sum and lets it pass where it is \
    positive; ten outputs weigh those answers. The bend of the ReLU is what the perceptron lacked: without it two \
    linear layers would be no more than one. The study swept the width from 20 to 200 neurons to see what more of them buy.";

const DEPTH: &str = "Several hidden layers: each builds its features from those of the layer before, so that few \
    neurons can describe much. Back-propagation carries the error through all of them with the chain rule. The study \
    swept depth at small widths to see whether layers or neurons are the better buy.";

pub(super) const PRESETS: [Preset; 16] = [
    Preset {
        name: "perceptron",
        group: "Perceptron",
        title: "Perceptron",
        year: 1958,
        paper: "F. Rosenblatt: The perceptron: a probabilistic model for information storage and organization in the \
            brain. Psychological Review 65",
        story: "The first machine that learned to classify from examples. Ten neurons, one per class, each say yes or \
            no to a picture; only a wrong answer changes anything, by adding the picture to the neuron's weights or \
            subtracting it. There is no gradient and no learning rate that matters. It finds a separating plane where \
            there is one, and goes on for ever where there is none.",
        look_for: "The accuracy jumps from pass to pass instead of settling, because clothes cannot be separated by \
            planes. About 81 % is as far as it comes; in the confusion matrix Shirt falls apart first.",
        toml: file!("perceptron"),
    },
    width(
        "mlp-20",
        "MLP, 20 hidden neurons",
        "Already 5 points above the perceptron with twice its weights: 86 % in the study. Compare train with test: so \
         few neurons can hardly overfit.",
        file!("mlp-20"),
    ),
    width(
        "mlp-50",
        "MLP, 50 hidden neurons",
        "About 87 % in the study. The gap between train and test begins to open.",
        file!("mlp-50"),
    ),
    width(
        "mlp-80",
        "MLP, 80 hidden neurons",
        "About 88 % in the study. Overlay it with mlp-20 on the Runs tab: the training curve gains much more than the \
         test curve.",
        file!("mlp-80"),
    ),
    width(
        "mlp-100",
        "MLP, 100 hidden neurons",
        "About 88 % in the study, hardly more than with 80: the return on width is diminishing.",
        file!("mlp-100"),
    ),
    width(
        "mlp-150",
        "MLP, 150 hidden neurons",
        "About 89 % in the study. The training accuracy nears 100 % while the test loss rises: confident mistakes.",
        file!("mlp-150"),
    ),
    width(
        "mlp-200",
        "MLP, 200 hidden neurons",
        "About 89 % in the study, the end of the sweep: ten times the weights of mlp-20 for three points. What is \
         missing is not width.",
        file!("mlp-200"),
    ),
    Preset {
        name: "mlp-20-l2",
        group: "MLP",
        title: "MLP, 20 hidden neurons, L2 penalty",
        year: 1992,
        paper: "A. Krogh, J. A. Hertz: A simple weight decay can improve generalization. NIPS 4",
        story: "The network of mlp-20 with a penalty on the squares of its weights, a hundred times that of the sweep. \
            Each step pulls every weight a little towards zero, so that only those that keep earning their size stay \
            large. It is the study's first cure for overfitting.",
        look_for: "The gap between train and test beside that of mlp-20, and whether the test accuracy gained by it: \
            87 % in the study.",
        toml: file!("mlp-20-l2"),
    },
    depth(
        "mlp-20-20",
        "MLP, 20 and 20 hidden neurons",
        "86 % in the study, the same as one layer of 20: at this width a second layer buys nothing.",
        file!("mlp-20-20"),
    ),
    depth(
        "mlp-20-20-20",
        "MLP, three times 20 hidden neurons",
        "86 % in the study. Three narrow layers: everything has to pass through 20 numbers three times.",
        file!("mlp-20-20-20"),
    ),
    depth(
        "mlp-50-20",
        "MLP, 50 and 20 hidden neurons",
        "87 % in the study. Wide first, narrow then: the first layer has the pixels to read.",
        file!("mlp-50-20"),
    ),
    depth(
        "mlp-20-50-20",
        "MLP, 20, 50 and 20 hidden neurons",
        "86 % in the study, below (50, 20): what the narrow first layer has lost the wider second one cannot bring back.",
        file!("mlp-20-50-20"),
    ),
    depth(
        "mlp-100-50",
        "MLP, 100 and 50 hidden neurons",
        "88 % in the study, as one layer of 100. Watch the training loss sink far below the test loss.",
        file!("mlp-100-50"),
    ),
    depth(
        "mlp-100-100-50-sweep",
        "MLP, 100, 100 and 50 neurons, 200 passes",
        "89 % in the study, the best of the sweep. Compare it with mlp-100-100-50: ten times the passes for no more \
         accuracy on new pictures.",
        file!("mlp-100-100-50-sweep"),
    ),
    Preset {
        name: "mlp-100-100-50",
        group: "MLP",
        title: "MLP, 100, 100 and 50 neurons, autograd",
        year: 1986,
        paper: RUMELHART,
        story: "The largest network of the sweep as one writes it today: the forward pass in a few lines, and the \
            gradients from automatic differentiation. Twenty passes with Adam, batches of 64 and a learning rate \
            that rises and falls once are enough. It is the yardstick for everything with convolutions.",
        look_for: "Just below 90 % after 20 epochs. The test loss turns up after nine of them, while the accuracy \
            still climbs: it learns the training pictures by heart, and is surer of its mistakes.",
        toml: file!("mlp-100-100-50"),
    },
    Preset {
        name: "mlp-scratch",
        group: "MLP from scratch",
        title: "The same MLP, gradients by hand",
        year: 1986,
        paper: RUMELHART,
        story: "The network of mlp-100-100-50 once more, without automatic differentiation: forward and backward pass \
            are written out as matrix products, δ = softmax − y at the output and the chain rule from there. It \
            starts from the same weights and sees the same batches. That two programs agree is the best proof that \
            both are right.",
        look_for: "Overlay it with mlp-100-100-50 on the Runs tab: the curves lie on each other. Then read \
            src/model/mlp_scratch.rs.",
        toml: file!("mlp-scratch"),
    },
];

const fn width(
    name: &'static str,
    title: &'static str,
    look_for: &'static str,
    toml: &'static str,
) -> Preset {
    mlp(name, title, WIDTH, look_for, toml)
}

const fn depth(
    name: &'static str,
    title: &'static str,
    look_for: &'static str,
    toml: &'static str,
) -> Preset {
    mlp(name, title, DEPTH, look_for, toml)
}

const fn mlp(
    name: &'static str,
    title: &'static str,
    story: &'static str,
    look_for: &'static str,
    toml: &'static str,
) -> Preset {
    Preset {
        name,
        group: "MLP",
        title,
        year: 1986,
        paper: RUMELHART,
        story,
        look_for,
        toml,
    }
}
