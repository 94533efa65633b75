"""Rebuilds networks that tests/random_networks exported, in float64 PyTorch.

Writes the logits, and the gradients and statistics of one step, beside them. Each layer is an expression, which its kind's tests give.

    python scripts/torch_networks.py FOLDER COUNT
    python scripts/torch_networks.py FOLDER examples

The second prints the output's shape, and names and shapes of the arrays, of each module in FOLDER/examples.json.
"""

import json
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


def chain(layers):
    return nn.Sequential(OrderedDict(layers))


class Residual(nn.Module):
    def __init__(self, body, shortcut, function):
        super().__init__()
        for name, layer in body.items():
            self.add_module(name, layer)
        self.body = list(body)
        self.downsample = chain(shortcut)
        self.function = function

    def forward(self, x):
        y = x
        for name in self.body:
            y = self._modules[name](y)
        return self.function(y + self.downsample(x))


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


def compare(folder, count):
    for number in range(count):
        case = json.loads((folder / f"{number}.json").read_text())
        weights = load_file(folder / f"{number}-weights.safetensors")
        images = load_file(folder / f"{number}-input.safetensors")["images"].double().reshape([-1, *case["input"]])
        network = chain(eval(case["network"])).double()
        load(network, {name: value.double() for name, value in weights.items()})
        with torch.no_grad():
            logits = network.eval()(images)
        found = {**learned(network, case, images), "logits": logits}
        flat = {name: value.detach().float().flatten().contiguous() for name, value in found.items()}
        save_file(flat, folder / f"{number}-torch.safetensors")
    print(f"PyTorch {torch.__version__}, float64: {count} networks")


def describe(folder):
    found = []
    for expression, sides in json.loads((folder / "examples.json").read_text()):
        module = eval(expression)
        output = module(torch.zeros(2, *sides))
        # A batch norm's count of batches has no sides.
        arrays = [(name, list(array.shape)) for name, array in module.state_dict().items() if array.dim()]
        found.append((list(output.shape[1:]), arrays))
    print(json.dumps(found))


folder, what = Path(sys.argv[1]), sys.argv[2]
if what == "examples":
    describe(folder)
else:
    compare(folder, int(what))
