#!/usr/bin/env python3
"""Prints tests/numerics/torchvision_parity/values.rs: logits and losses of torchvision's networks in float64.

    python3 scripts/torchvision_parity.py > tests/numerics/torchvision_parity/values.rs

The networks are ResNets and VGGs, and a plain CIFAR ResNet-20. Weights, running statistics and images come from the
formula of torch_formula.py, which the Rust side repeats. For every network and size of image: the logits of two
images in evaluation mode; for one size also the losses of six steps in training mode, one after the other by SGD on
the same sixteen images, dropout left out, with a learning rate that is small enough for float32's rounding not to
be amplified.
"""
import math
import sys

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from cifar_resnet import CifarResNet
from torch_formula import fill, fnv

IMAGES, TRAINED, STEPS = 2, 16, 5


models = torchvision.models
# At 32 pixels a ResNet-50's last maps are single pixels, and its loss so steep that PyTorch's own float32 is 3e-4 off
# after a step.
RATES = {"resnet20": 1e-3, "resnet18": 1e-5, "resnet50": 1e-7, "vgg11-bn": 1e-5}
NETWORKS = {
    "resnet18": lambda: models.resnet18(num_classes=10),
    "resnet34": lambda: models.resnet34(num_classes=10),
    "resnet50": lambda: models.resnet50(num_classes=10),
    "vgg11": lambda: models.vgg11(num_classes=10, dropout=0.0),
    "vgg16": lambda: models.vgg16(num_classes=10, dropout=0.0),
    "vgg11-bn": lambda: models.vgg11_bn(num_classes=10, dropout=0.0),
    "resnet20": lambda: CifarResNet(3),
}


def set_weights(model):
    norms = [name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    # Without normalisation, and so without shortcuts: as much variance after a ReLU as before.
    gain = 6 if not norms else 3
    with torch.no_grad():
        for name, p in model.state_dict().items():
            layer, which = name.rsplit(".", 1)
            if which == "num_batches_tracked":
                continue
            if which in ("bias", "running_mean"):
                scale, shift = 0.1, 0.0
            elif which == "running_var" or layer in norms:
                scale, shift = 0.25, 1.0
            else:
                scale, shift = math.sqrt(gain / math.prod(p.shape[1:])), 0.0
            p.copy_(fill(fnv(name), p.shape, scale, shift))


def images(count, side):
    return fill(fnv(f"pictures {side}"), (count, 3, side, side), 1.7).double()


def numbers(values):
    return ", ".join(f"{v:.9e}" for v in values)


def main():
    print("//! Written by scripts/torchvision_parity.py with PyTorch " + torch.__version__.split("+")[0])
    print("//! and torchvision " + torchvision.__version__.split("+")[0] + ".\n")
    print("use super::Expected;\n\npub const CASES: &[Expected] = &[")
    for name, make in NETWORKS.items():
        model = make().double()
        print(f'Expected {{ architecture: "{name}", logits: &[')
        for side in (28, 32, 64):
            if "vgg" in name and side == 28:
                continue
            set_weights(model)
            model.eval()
            with torch.no_grad():
                logits = model(images(IMAGES, side))
            print(f"({side}, [{numbers(logits.flatten().tolist())}]),")
        set_weights(model)
        model.train()
        side = 64 if name == "resnet50" else 32
        x, labels = images(TRAINED, side), torch.tensor([(7 * i + 3) % 10 for i in range(TRAINED)])
        rate = RATES.get(name, 1e-6)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        losses = []
        for _ in range(STEPS + 1):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"], side: {side}, rate: {rate:e}, losses: [{numbers(losses)}] }},")
        print(name, losses, file=sys.stderr, flush=True)
    print("];")


main()
