"""Rebuilds networks that tests/random_networks exported, in float64 PyTorch, and writes its logits, and its gradients and
statistics after a step, beside them.

    python scripts/torch_networks.py FOLDER COUNT
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
FUNCTIONS = {
    "none": lambda x: x, "relu": F.relu, "leaky-relu": F.leaky_relu, "gelu": F.gelu, "silu": F.silu,
    "tanh": torch.tanh, "sigmoid": torch.sigmoid,
}


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


class Chain(nn.Module):
    """Layers one after the other, each under the last part of its name."""

    def __init__(self, layers):
        super().__init__()
        for layer in layers:
            self.add_module(tail(layer), module(layer))

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


class Residual(nn.Module):
    def __init__(self, layer):
        super().__init__()
        for inner in layer["body"]:
            self.add_module(tail(inner), module(inner))
        self.body = [tail(inner) for inner in layer["body"]]
        self.downsample = Chain(layer["shortcut"])
        self.function = FUNCTIONS[layer["activation"]]

    def forward(self, x):
        y = x
        for name in self.body:
            y = self._modules[name](y)
        return self.function(y + self.downsample(x))


def tail(layer):
    # An activation's own name hangs from its layer's: conv1.relu.
    parts = layer["name"].split(".")
    if layer["kind"] == "activation" and len(parts) > 1 and parts[-1] in FUNCTIONS:
        return parts[-2] + "_" + parts[-1]
    return parts[-1]


def subsample(out, stride):
    def forward(x):
        before = (out - x.shape[1]) // 2
        return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, before, before))
    return forward


def module(layer):
    kind = layer["kind"]
    if kind == "conv2d":
        return nn.Conv2d(layer["in"], layer["out"], layer["kernel_size"], layer["stride"], layer["padding"], bias=layer["bias"])
    if kind == "linear":
        return nn.Linear(layer["in"], layer["out"], layer["bias"])
    if kind == "batch-norm":
        return (nn.BatchNorm2d if layer["map"] else nn.BatchNorm1d)(layer["features"])
    if kind == "max-pool2d":
        return nn.MaxPool2d(layer["kernel_size"], layer["stride"], layer["padding"])
    if kind == "avg-pool2d":
        return nn.AvgPool2d(layer["kernel_size"], layer["stride"], layer["padding"])
    if kind == "global-avg-pool":
        return Function(lambda x: x.mean((2, 3)))
    if kind == "adaptive-avg-pool2d":
        return nn.AdaptiveAvgPool2d(layer["size"])
    if kind == "subsample":
        return Function(subsample(layer["out"], layer["stride"]))
    if kind == "flatten":
        return nn.Flatten()
    if kind == "activation":
        return Function(FUNCTIONS[layer["function"]])
    if kind == "residual":
        return Residual(layer)
    return nn.Identity()


def load(network, weights):
    missing, unexpected = network.load_state_dict(weights, strict=False)
    wrong = [name for name in missing if not name.endswith("num_batches_tracked")] + unexpected
    if wrong:
        raise ValueError(f"names that do not fit: {wrong}")


def learned(network, case, images):
    """Gradients and statistics of one step."""
    network.train()
    network.zero_grad()
    labels = torch.tensor(case["labels"])
    logits = network(images)
    if case["loss"] == "mse":
        loss = F.mse_loss(logits, F.one_hot(labels, logits.shape[1]).double())
    else:
        loss = F.cross_entropy(logits, labels, label_smoothing=case["label_smoothing"])
    loss.backward()
    after = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    for name, value in network.named_buffers():
        if "running_" in name:
            after[name] = value.clone()
    return after


def main():
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    for number in range(count):
        case = json.loads((folder / f"{number}.json").read_text())
        weights = load_file(folder / f"{number}-weights.safetensors")
        images = load_file(folder / f"{number}-input.safetensors")["images"].double().reshape([-1, *case["input"]])
        network = Chain(case["layers"]).double()
        load(network, {name: value.double() for name, value in weights.items()})
        with torch.no_grad():
            logits = network.eval()(images)
        found = {**learned(network, case, images), "logits": logits}
        flat = {name: value.detach().float().flatten().contiguous() for name, value in found.items()}
        save_file(flat, folder / f"{number}-torch.safetensors")
    print(f"PyTorch {torch.__version__}, float64: {count} networks")


main()
