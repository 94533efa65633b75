//! The part of the study with convolutions: LeNet, its modern form, a deeper network, ResNet; and one to change at will.

use super::Preset;

const LECUN: &str = "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. \
    Proceedings of the IEEE 86";

pub(super) const PRESETS: [Preset; 5] = [
    Preset {
        name: "lenet5-1998",
        group: "LeNet",
        title: "LeNet-5, as in 1998",
        year: 1998,
        paper: LECUN,
        story: "The network that read the amounts on bank cheques. Small filters slide over the picture, so that an \
            edge is learned once for all places; averaging in between makes it forget exactly where. With 61,706 \
            weights it has fewer than the MLP of 100, 100 and 50 neurons. Tanh and average pooling are the original's; \
            its third layer is fully connected here, and its output linear.",
        look_for: "About as good as an MLP with half again its weights. Which classes gained from seeing shapes instead of \
            pixels? Compare the two confusion matrices.",
        toml: file!("lenet5-1998"),
    },
    Preset {
        name: "lenet5",
        group: "LeNet",
        title: "LeNet-5, the study's variant",
        year: 1998,
        paper: LECUN,
        story: "LeNet-5 as the study built it: pictures enlarged to 32 × 32, a first filter of 3 × 3, then 25 and 84 \
            maps instead of 16 and 120, and max pooling, which keeps the strongest answer instead of the mean. It \
            still speaks tanh, whose slope vanishes for large inputs.",
        look_for: "90 % on the test set at 95 % on the training set: the gap is small, the curve flattens early. The \
            gradient's norm shows what saturated tanh units let through.",
        toml: file!("lenet5"),
    },
    Preset {
        name: "modern-lenet",
        group: "Modern LeNet",
        title: "Modern LeNet: ReLU and batch norm",
        year: 2015,
        paper: "S. Ioffe, C. Szegedy: Batch normalization: accelerating deep network training by reducing internal \
            covariate shift. ICML",
        story: "The same layers with two ideas that came later. ReLU does not saturate, so that gradients arrive in \
            the first layers at full size; batch norm brings every channel back to mean 0 and deviation 1 and trains \
            its scale instead. Only 234 weights are new. Here it stands after the ReLU, as in the study.",
        look_for: "The training loss falls much faster than lenet5's, to 99 % on the training set, for one \
            point more on the test set: it has learned to overfit. Where does the test loss turn?",
        toml: file!("modern-lenet"),
    },
    Preset {
        name: "improved-cnn",
        group: "Improved CNN",
        title: "Improved CNN: 3 × 3 filters, batch norm, dropout",
        year: 2014,
        paper: "K. Simonyan, A. Zisserman: Very deep convolutional networks for large-scale image recognition (ICLR \
            2015); N. Srivastava and others: Dropout: a simple way to prevent neural networks from overfitting. JMLR 15",
        story: "Small 3 × 3 filters, more of them after every pooling: what VGG taught. Batch norm follows each \
            convolution, now before the ReLU. Nearly all of its 1.7 million weights sit in one hidden layer of 256 \
            neurons, and there dropout silences every second one at random, so that none can rely on another.",
        look_for: "93 % on the test set, the best of the study. During training the accuracy on the training batches \
            lies below what it is without dropout; the gap at the end is much smaller than the network's size suggests.",
        toml: file!("improved-cnn"),
    },
    Preset {
        name: "resnet18-scratch",
        group: "ResNet",
        title: "ResNet-18 from random weights",
        year: 2015,
        paper: "K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition. CVPR 2016",
        story: "Deeper plain networks had begun to train worse, not better. The answer was to let each block learn only \
            what to add to its input: the shortcut carries everything else past it, and the gradient back. This is \
            torchvision's ResNet-18 with all 11 million weights, on grey pictures repeated to three channels. Its \
            first layers were made for pictures eight times as large and shrink 28 pixels to 7 at once.",
        look_for: "With seven times the weights of improved-cnn it reached 90 % in the study: size is not what was \
            missing. Most of its arithmetic works on maps of 7 × 7 and smaller; see the multiply-adds per layer.",
        toml: file!("resnet18-scratch"),
    },
];

pub(super) const YOUR_OWN: Preset = Preset {
    name: "custom-cnn",
    group: "Your own",
    title: "A network written out, to be changed",
    year: 2015,
    paper: "K. He and others: Deep residual learning for image recognition; L. N. Smith, N. Topin: \
        Super-convergence (2018)",
    story: "Every layer of this small residual network stands in the profile under [[model.layers]]. It has no \
        hidden layer at all: a global average over each of 64 maps goes straight to the ten outputs, which leaves \
        77,290 weights. A one-cycle learning rate and a little label smoothing do the rest. Copy the file and change it; \
        a layer that does not fit is named together with the shape it needs.",
    look_for: "How far a network with fewer weights than mlp-100-100-50 comes when all of them are filters. Take a \
        residual block out, or the batch norm, and see what it was good for.",
    toml: file!("custom-cnn"),
};
