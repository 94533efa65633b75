#!/usr/bin/env python3
"""Writes tests/numerics/torch_gradients/values.rs: every preset's gradients as PyTorch computes them in float64.

    python3 scripts/torch_gradients.py                # all presets
    python3 scripts/torch_gradients.py lenet5         # one of them; the others stay as they are
    python3 scripts/torch_gradients.py --float32      # what PyTorch's own float32 is off by, measured the same way

Weights and images come from one formula that the Rust side repeats (`fill`), in float32; nothing is exchanged but
results: of every parameter's gradient its L2 norm and its products with eight vectors of ±1. An error e of a
gradient shows in such a product with the mean square |e|², so the root mean square of eight measures |e|, were it
eleven million numbers.

A ReLU whose input is 0 up to rounding, or a max pool with two largest inputs that are equal up to rounding, makes
the gradient jump: float32 may take the other branch. So the seed is searched for the one whose nearest miss is
farthest away, in units of the layer's root mean square. Dropout is left out.
"""
import argparse
import math
import pathlib
import sys
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18, vgg11_bn, vgg16
from torchvision.models.resnet import BasicBlock

from cifar_resnet import CifarResNet
from torch_formula import fill, fnv, hashes

torch.set_num_threads(1)

VALUES = pathlib.Path(__file__).parent.parent / "tests/numerics/torch_gradients/values.rs"
PROJECTIONS = 8
SEEDS = 100


def projections(gradient):
    g = gradient.detach().reshape(-1).double().numpy()
    h = hashes(fnv("projections"), g.size)
    signs = (1.0 - 2.0 * ((h >> np.uint32(8 + k)) & np.uint32(1)) for k in range(PROJECTIONS))
    return [float(np.sqrt((g * g).sum()))] + [float((g * s).sum()) for s in signs]


def named(*layers):
    """Layers counted by kind, as the presets name theirs."""
    kinds = [
        (nn.Conv2d, "conv"), (nn.Linear, "fc"), (nn.BatchNorm2d, "bn"), (nn.BatchNorm1d, "bn"), (BasicBlock, "block"),
    ]  # fmt: skip
    seen, result = {}, OrderedDict()
    for layer in layers:
        stem = next((stem for kind, stem in kinds if isinstance(layer, kind)), "other")
        seen[stem] = seen.get(stem, 0) + 1
        result[f"{stem}{seen[stem]}"] = layer
    return nn.Sequential(result)


def mlp(*widths):
    sizes = [784, *widths]
    hidden = [layer for a, b in zip(sizes, sizes[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
    return named(nn.Flatten(), *hidden, nn.Linear(sizes[-1], 10))


def lenet5(modern):
    act = nn.ReLU if modern else nn.Tanh
    norm = (lambda c: [nn.BatchNorm2d(c)]) if modern else (lambda c: [])
    return named(
        nn.Conv2d(1, 8, 3, padding=1), act(), *norm(8), nn.MaxPool2d(2),
        nn.Conv2d(8, 25, 5), act(), *norm(25),
        nn.Conv2d(25, 84, 4), act(), *norm(84), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1344, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 10),
    )  # fmt: skip


def lenet5_1998():
    return named(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def improved_cnn(channels=1, side=28):
    block = lambda a, b: [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
    return named(
        *block(channels, 32), *block(32, 64), nn.MaxPool2d(2), *block(64, 128), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128 * (side // 4) ** 2, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 10),
    )  # fmt: skip


def custom_cnn():
    down = nn.Sequential(nn.Conv2d(32, 64, 1, stride=2, bias=False), nn.BatchNorm2d(64))
    return named(
        nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        BasicBlock(32, 32), nn.MaxPool2d(2), BasicBlock(32, 64, 2, down),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def vgg(make):
    model = make()
    model.avgpool, model.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(512, 10)
    return model


def training_modes(name):
    return [f"{name}-{mode}" for mode in ("scratch", "finetune", "frozen")]


# Presets of this architecture, the network, images, label smoothing, shape of an image.
GREY, LARGE = (1, 28, 28), (1, 32, 32)
CASES = [
    (["mlp-20", "mlp-20-l2"], lambda: mlp(20), 64, 0.0, GREY),
    (["mlp-50"], lambda: mlp(50), 64, 0.0, GREY),
    (["mlp-80"], lambda: mlp(80), 64, 0.0, GREY),
    (["mlp-100"], lambda: mlp(100), 64, 0.0, GREY),
    (["mlp-150"], lambda: mlp(150), 64, 0.0, GREY),
    (["mlp-200"], lambda: mlp(200), 64, 0.0, GREY),
    (["mlp-20-20"], lambda: mlp(20, 20), 64, 0.0, GREY),
    (["mlp-20-20-20"], lambda: mlp(20, 20, 20), 64, 0.0, GREY),
    (["mlp-50-20"], lambda: mlp(50, 20), 64, 0.0, GREY),
    (["mlp-20-50-20"], lambda: mlp(20, 50, 20), 64, 0.0, GREY),
    (["mlp-100-50"], lambda: mlp(100, 50), 64, 0.0, GREY),
    (["mlp-100-100-50", "mlp-100-100-50-sweep", "mlp-scratch"], lambda: mlp(100, 100, 50), 64, 0.0, GREY),
    (["lenet5-1998"], lenet5_1998, 64, 0.0, GREY),
    (["lenet5"], lambda: lenet5(False), 64, 0.0, LARGE),
    (["modern-lenet"], lambda: lenet5(True), 64, 0.0, LARGE),
    (["improved-cnn"], improved_cnn, 64, 0.0, GREY),
    (["improved-cnn-cifar10"], lambda: improved_cnn(3, 32), 16, 0.0, (3, 32, 32)),
    (training_modes("resnet18"), lambda: resnet18(num_classes=10), 64, 0.0, (3, 28, 28)),
    ([*training_modes("resnet20-cifar"), "resnet20-cifar10"], lambda: CifarResNet(3), 8, 0.0, (3, 32, 32)),
    (training_modes("vgg11-bn"), lambda: vgg(vgg11_bn), 16, 0.0, (3, 32, 32)),
    (training_modes("vgg16"), lambda: vgg(vgg16), 16, 0.0, (3, 32, 32)),
    (["custom-cnn"], custom_cnn, 64, 0.05, GREY),
]


def set_weights(model, seed):
    norms = [name for name, m in model.named_modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    with torch.no_grad():
        for name, p in model.named_parameters():
            layer, which = name.rsplit(".", 1)
            if which == "bias":
                scale, shift = 0.1, 0.0
            elif layer in norms:
                scale, shift = 0.25, 1.0
            else:
                scale, shift = math.sqrt(3 / math.prod(p.shape[1:])), 0.0
            p.copy_(fill(fnv(f"{name} {seed}"), p.shape, scale, shift))


def batch(shape, count, seed):
    x = fill(fnv(f"pictures {seed}"), (count, *shape), 1.7)
    return x, torch.tensor([(7 * i + 3) % 10 for i in range(count)])


def watch(model, misses):
    """Notes how near every ReLU's input comes to 0, and every max pool's second largest to its largest."""

    def relu(module, inputs):
        x = inputs[0].detach()
        misses.append((x.abs().min() / x.square().mean().sqrt()).item())

    def pool(module, inputs):
        x = inputs[0].detach()
        k, s, p = module.kernel_size, module.stride, module.padding
        padded = F.pad(x, [p] * 4, value=-math.inf)
        windows = padded.unfold(2, k, s).unfold(3, k, s).flatten(4)
        most = windows.topk(2).values
        gaps = most[..., 0] - most[..., 1]
        # Equal numbers stay equal in float32, and the first of them wins everywhere.
        misses.append((gaps[gaps > 0].min() / x.square().mean().sqrt()).item())

    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
            module.register_forward_pre_hook(relu)
        elif isinstance(module, nn.MaxPool2d):
            module.register_forward_pre_hook(pool)


def nearest_miss(make, count, smoothing, shape, seed):
    model, misses = make().double(), []
    set_weights(model, seed)
    watch(model, misses)
    with torch.no_grad():
        model(batch(shape, count, seed)[0].double())
    return min(misses, default=math.inf)


def gradients(make, count, smoothing, shape, seed, dtype):
    model = make().to(dtype)
    set_weights(model, seed)
    x, labels = batch(shape, count, seed)
    loss = F.cross_entropy(model(x.to(dtype)), labels, label_smoothing=smoothing)
    loss.backward()
    return loss.item(), {name: projections(p.grad) for name, p in model.named_parameters()}


def number(v):
    return f"{v:.12e}"


def expected(case, seed, nearest):
    """The lines of a case in values.rs."""
    presets, make, count, smoothing, shape = case
    loss, exact = gradients(make, count, smoothing, shape, seed, torch.float64)
    names = ", ".join(f'"{p}"' for p in presets)
    miss = "f64::INFINITY" if nearest == math.inf else f"{nearest:.2e}"
    head = f"Expected {{ presets: &[{names}], batch: {count}, seed: {seed}, nearest_miss: {miss}, loss: {number(loss)},"
    rows = [f'("{name}", [{", ".join(map(number, values))}]),' for name, values in exact.items()]
    return "\n".join([head, "parameters: &[", *rows, "]},"])


def show_float32(case, seed, misses):
    """How far PyTorch's own float32 is off for a case."""
    presets, *case = case
    for s in sorted({0, seed}):
        truth = gradients(*case, s, torch.float64)[1]
        _, single = gradients(*case, s, torch.float32)
        off = lambda n: math.dist(single[n][1:], truth[n][1:]) / math.sqrt(PROJECTIONS) / scale(truth, n)
        worst = max(truth, key=off)
        print(f"{presets[0]:16} seed {s:2} nearest miss {misses[s]:.1e} {worst:24} {off(worst):.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", metavar="PRESET", help="only the cases of these presets")
    parser.add_argument("--float32", action="store_true", help="print what PyTorch's own float32 is off by")
    arguments = parser.parse_args()
    known = {preset for presets, *_ in CASES for preset in presets}
    if unknown := set(arguments.presets) - known:
        parser.error(f"no case of {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    before = {}
    if arguments.presets and not arguments.float32:
        blocks = VALUES.read_text().split("\nExpected ")[1:]
        before = {block.split('"')[1]: "Expected " + block.removesuffix("\n").removesuffix("\n];") for block in blocks}
    lines = []
    for case in CASES:
        presets, *rest = case
        if arguments.presets and not set(arguments.presets) & set(presets):
            lines.append(before.get(presets[0]))
            continue
        misses = [nearest_miss(*rest, seed) for seed in range(SEEDS)]
        seed = max(range(SEEDS), key=misses.__getitem__) if min(misses) < math.inf else 0
        print(presets[0], seed, f"{misses[seed]:.1e}", file=sys.stderr, flush=True)
        if arguments.float32:
            show_float32(case, seed, misses)
        else:
            lines.append(expected(case, seed, misses[seed]))
    if arguments.float32:
        return
    version = torch.__version__.split("+")[0]
    head = f"//! Written by scripts/torch_gradients.py with PyTorch {version}.\n\nuse super::Expected;\n"
    values = "\n".join([head, "pub const CASES: &[Expected] = &[", *filter(None, lines), "];"]) + "\n"
    # Whole or not at all.
    new = VALUES.with_suffix(".new")
    new.write_text(values)
    new.replace(VALUES)
    print(f"{VALUES} written", file=sys.stderr)


def scale(exact, name):
    """A gradient's norm; where it is nothing but rounding (a bias before a batch norm), that of the layer's weights."""
    norm, weights = exact[name][0], exact[name.rsplit(".", 1)[0] + ".weight"][0]
    return norm if norm > 1e-9 * weights else weights


main()
