#!/usr/bin/env python3
"""Loads safetensors that `fmtui export` wrote into a network of torchvision, every array of it, and says the logits of a black picture.

    scripts/load_into_torchvision.py FILE ARCHITECTURE        # such as run.safetensors resnet18

Needs torch and torchvision.
"""
import json
import struct
import sys

import torch
import torchvision


def read(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    state = {}
    for name, entry in header.items():
        if name != "__metadata__":
            assert entry["dtype"] == "F32", entry
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            state[name] = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32).reshape(entry["shape"])
    return state


state = read(sys.argv[1])
classes = next(array for name, array in reversed(state.items()) if name.endswith(".bias")).shape[0]
model = getattr(torchvision.models, sys.argv[2])(num_classes=classes)
missing = model.load_state_dict(state, strict=True)
with torch.inference_mode():
    print(missing, model.eval()(torch.zeros(1, 3, 28, 28)).flatten().tolist())
