//! The part of the study about knowledge from elsewhere: the same network from random weights, tuned, and frozen.

use super::Preset;

const HE: &str =
    "K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition. CVPR 2016";

const VGG: &str = "K. Simonyan, A. Zisserman: Very deep convolutional networks for large-scale image recognition. ICLR 2015";

const YOSINSKI: &str = "J. Yosinski, J. Clune, Y. Bengio, H. Lipson: How transferable are features in deep neural \
    networks? NIPS 2014";

const WIGHTMAN: &str = "R. Wightman, H. Touvron, H. Jégou: ResNet strikes back: an improved training procedure in timm. 2021";

pub(super) const PRESETS: [Preset; 13] = [
    Preset {
        name: "resnet18-finetune",
        group: "ResNet",
        title: "ResNet-18 from ImageNet, tuned",
        year: 2015,
        paper: HE,
        story: "The same network, but it does not begin from nothing: it has seen 1.2 million photographs in a thousand \
            classes. Its filters for edges, textures and shapes are there already; only the last layer is new. All \
            weights go on learning. The weights (torchvision's, 45 MiB) are fetched from the hub once and verified.",
        look_for: "The first epoch: how far is it ahead of resnet18-scratch, and how much of that is left after twenty? \
            The study saw 91.3 % against 89.8 %. Mark the three runs on the Runs tab and compare.",
        toml: file!("resnet18-finetune"),
    },
    Preset {
        name: "resnet18-frozen",
        group: "ResNet",
        title: "ResNet-18 from ImageNet, frozen",
        year: 2014,
        paper: YOSINSKI,
        story: "All that ImageNet taught is kept as it is; 5,130 weights of the last layer learn to read it. What the \
            frozen layers say of a picture never changes, so it is computed once and kept: after the first epoch an \
            epoch takes less than a second.",
        look_for: "72 % in the study: features of photographs 224 pixels wide say little about grey pictures of 28. \
            Does a larger data.image_size help? It costs time in the first epoch only.",
        toml: file!("resnet18-frozen"),
    },
    Preset {
        name: "resnet18-a1-finetune",
        group: "ResNet",
        title: "ResNet-18 as timm trained it, tuned",
        year: 2021,
        paper: WIGHTMAN,
        story: "The same network and the same pictures, trained by other means six years later: 600 epochs instead of 90, \
            pictures mixed with each other, a loss that asks of every class whether it is there. On ImageNet that gained \
            about two points over torchvision's weights. Are they the better beginning too?",
        look_for: "Compare with resnet18-finetune: everything but the weights it begins with is the same.",
        toml: file!("resnet18-a1-finetune"),
    },
    Preset {
        name: "resnet18-a1-frozen",
        group: "ResNet",
        title: "ResNet-18 as timm trained it, frozen",
        year: 2021,
        paper: WIGHTMAN,
        story: "timm's weights stay as they are, and 5,130 of the last layer learn to read them.",
        look_for: "What is better on ImageNet need not be better to read from: training that presses pictures of a class \
            together leaves less in them for other questions. Compare with resnet18-frozen.",
        toml: file!("resnet18-a1-frozen"),
    },
    Preset {
        name: "resnet20-cifar-scratch",
        group: "Small ResNet",
        title: "ResNet-20, made for small pictures",
        year: 2015,
        paper: HE,
        story: "The other network of the same paper: three stages of 16, 32 and 64 maps for pictures of 32 × 32, 270 \
            thousand weights instead of 11 million. Nothing is thrown away at the entrance, and shortcuts have no \
            weights: they skip every second pixel and fill new maps with zeros.",
        look_for: "A fortieth of resnet18-scratch's weights, and after three epochs it is ahead. The shape of the network \
            fits the pictures. Its first epoch can end far below what the training \
            curve promises.",
        toml: file!("resnet20-cifar-scratch"),
    },
    Preset {
        name: "resnet20-cifar-finetune",
        group: "Small ResNet",
        title: "ResNet-20 from CIFAR-10, tuned",
        year: 2015,
        paper: HE,
        story: "Begins with what ten classes of small colour photographs taught: airplanes, cats, trucks. The weights are \
            Yerlan Idelbayev's (resnet20-12fca82f.th, 1 MB, from github.com/akamaster/pytorch_resnet_cifar10): put the \
            file into the workspace's weights directory, or give its path.",
        look_for: "After one epoch it is about where resnet20-cifar-scratch is after three. Trousers and bags look like nothing \
            in CIFAR-10, yet edges are edges.",
        toml: file!("resnet20-cifar-finetune"),
    },
    Preset {
        name: "resnet20-cifar-frozen",
        group: "Small ResNet",
        title: "ResNet-20 from CIFAR-10, frozen",
        year: 2014,
        paper: YOSINSKI,
        story: "650 weights learn to read clothes from 64 numbers that were made to tell cats from trucks. The numbers \
            of every picture are computed once; twenty epochs take about as long as one.",
        look_for: "About 75 %: late layers are about their own task. Freeze less (model.freeze = \"layer2\"), or set stages \
            free one after the other with [[model.unfreeze]], and watch the accuracy climb.",
        toml: file!("resnet20-cifar-frozen"),
    },
    Preset {
        name: "vgg11-bn-scratch",
        group: "VGG",
        title: "VGG-11 with batch norm",
        year: 2014,
        paper: VGG,
        story: "Nothing but 3 × 3 filters, doubled in number after every pooling: depth instead of cleverness. The \
            original ends in two hidden layers of 4096 that hold nine tenths of its weights; here the last maps go \
            straight to the classes (model.head = \"linear\").",
        look_for: "9 million weights, and most arithmetic in maps larger than ResNet-18's. Is it better for it?",
        toml: file!("vgg11-bn-scratch"),
    },
    Preset {
        name: "vgg11-bn-finetune",
        group: "VGG",
        title: "VGG-11-BN from ImageNet, tuned",
        year: 2014,
        paper: VGG,
        story: "From ImageNet's weights, of which only the convolutions are fetched: the hidden layers, most of the \
            file, are replaced. The backbone learns at a tenth of the last layer's rate ([train.rates]), so that noise \
            from the new layer does not wash out what is there.",
        look_for: "Set train.rates.backbone to 1 and compare the first epochs: what does the slower rate protect?",
        toml: file!("vgg11-bn-finetune"),
    },
    Preset {
        name: "vgg11-bn-frozen",
        group: "VGG",
        title: "VGG-11-BN from ImageNet, frozen",
        year: 2014,
        paper: YOSINSKI,
        story: "The convolutions stay as ImageNet left them, batch norm included; 5,130 weights learn. Features are \
            computed once.",
        look_for: "Better or worse than resnet18-frozen? VGG does not shrink the picture before it has looked at it.",
        toml: file!("vgg11-bn-frozen"),
    },
    Preset {
        name: "vgg16-scratch",
        group: "VGG",
        title: "VGG-16 from random weights",
        year: 2014,
        paper: VGG,
        story: "Thirteen convolutions without batch norm or shortcuts: about the depth at which plain networks become \
            hard to train. He's initialisation keeps the signal's size from layer to layer; with PyTorch's default it \
            fades, and learning begins late: a whole epoch on the built-in pictures leaves the loss at ln 10.",
        look_for: "Set model.init to torch and look at the gradient's norm. The data set's own table lists 93.5 % for VGG-16.",
        toml: file!("vgg16-scratch"),
    },
    Preset {
        name: "vgg16-finetune",
        group: "VGG",
        title: "VGG-16 from ImageNet, tuned",
        year: 2014,
        paper: VGG,
        story: "The study promised this one and did not get to it. 56 of the file's 528 MiB are fetched: the \
            convolutions. They learn at a tenth of the last layer's rate.",
        look_for: "The weights do what initialisation alone hardly could: the loss falls from the first step.",
        toml: file!("vgg16-finetune"),
    },
    Preset {
        name: "vgg16-frozen",
        group: "VGG",
        title: "VGG-16 from ImageNet, frozen",
        year: 2014,
        paper: YOSINSKI,
        story: "Fourteen million weights that stay, and 5,130 that learn to read them.",
        look_for: "Compare the three regimes of VGG-16 with fmtui compare: accuracy, gap, seconds, weights trained.",
        toml: file!("vgg16-frozen"),
    },
];
