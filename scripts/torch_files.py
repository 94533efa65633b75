#!/usr/bin/env python3
"""Writes a small network's weights in the forms in which people keep them, for tests/program/pretrained.rs.

    python3 scripts/torch_files.py DIRECTORY

Files beside plain.pth hold the same numbers, whatever is around them; those in other/ do not fit the network or are
no weights.
"""
import os
import sys
import warnings

import torch
from safetensors.torch import save_file
from torch import nn

warnings.filterwarnings("ignore")
directory = sys.argv[1]
os.makedirs(os.path.join(directory, "other"), exist_ok=True)
torch.manual_seed(0)
# The names that fmtui gives the layers of tests/program/pretrained.rs' recipe.
net = nn.Sequential()
net.add_module("conv1", nn.Conv2d(1, 4, 3, padding=1))
net.add_module("bn1", nn.BatchNorm2d(4))
net.add_module("flatten", nn.Flatten())
net.add_module("fc1", nn.Linear(4 * 28 * 28, 10))
state = dict(net.state_dict())


def save(name, what, **options):
    torch.save(what, os.path.join(directory, name), **options)


def beneath(prefix, weights=None):
    return {prefix + name: array for name, array in (weights or state).items()}


save("plain.pth", state)
for protocol in (2, 4, 5):
    save(f"legacy{protocol}.pth", state, _use_new_zipfile_serialization=False, pickle_protocol=protocol)
    save(f"zip{protocol}.pth", state, pickle_protocol=protocol)
for length in (1, 20, 21, 22, 60):
    save("a" * length + ".pth", state)
PREFIXES = ["module.", "_orig_mod.", "module._orig_mod.", "net.", "model.", "backbone.", "encoder."]
PREFIXES.append("module.encoder_q.")
for prefix in PREFIXES:
    save(f"prefix-{prefix}pth", {"state_dict": {**beneath(prefix), "criterion.weight": torch.ones(4)}})
KEYS = [
    "state_dict", "model", "ema", "model_ema", "state_dict_ema", "model_state", "network", "module", "student",
    "teacher",
]
for key in KEYS:
    save(f"nested-{key}.pth", {key: state, "epoch": 3, "best": torch.tensor(0.5)})
    save(f"twice-{key}.pth", {"checkpoint": {key: state}, "args": {"lr": 0.1}})
doubled = {name: 2 * array for name, array in state.items()}
save("both.pth", {"model_ema": doubled, "model": state})
optimizer = torch.optim.Adam(net.parameters())
net(torch.randn(2, 1, 28, 28)).sum().backward()
optimizer.step()
net.load_state_dict(torch.load(os.path.join(directory, "plain.pth")))
save("optimizer.pth", {"state_dict": state, "optimizer": optimizer.state_dict()})
both = {"state_dict": state, "optimizer": optimizer.state_dict()}
save("legacy-optimizer.pth", both, _use_new_zipfile_serialization=False)
extras = {
    "complex": torch.ones(4, dtype=torch.complex64),
    "float8": torch.ones(4).to(torch.float8_e4m3fn),
    "quantised": torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
    "sparse": torch.eye(3).to_sparse(),
    "uint16": torch.ones(4, dtype=torch.uint16),
    "mask": torch.ones(4, dtype=torch.bool),
}
for name, extra in extras.items():
    save(f"extra-{name}.pth", {**state, "extra": extra})
    save(f"legacy-extra-{name}.pth", {**state, "extra": extra}, _use_new_zipfile_serialization=False)
parameters = {name: nn.Parameter(array) if array.is_floating_point() else array for name, array in state.items()}
save("parameters.pth", parameters)
plain = {name: array.contiguous() for name, array in state.items()}
save_file({**beneath("model.", plain), "loss.weight": torch.ones(4)}, os.path.join(directory, "prefix.safetensors"))
save_file({**plain, "f8": torch.ones(4).to(torch.float8_e4m3fn)}, os.path.join(directory, "extra.safetensors"))

expanded = {**state, "bn1.weight": torch.full((1,), 3.0).expand(4)}
save("other/expanded.pth", expanded)
save("other/expanded-legacy.pth", expanded, _use_new_zipfile_serialization=False)
quantised = torch.quantize_per_tensor(state["fc1.weight"], 0.01, 0, torch.qint8)
save("other/quantised.pth", {**state, "fc1.weight": quantised})
save("other/foreign.pth", {"state_dict": {"embed.weight": torch.ones(3, 2), "head.bias": torch.ones(2)}})
save("other/whole.pth", {"epoch": 3, "model": net})
