#!/usr/bin/env python3
"""Loads safetensors that `fmtui export` wrote into a network of torchvision, every array of it, and tests it there.

    scripts/load_into_torchvision.py FILE ARCHITECTURE IDX_DIR
    scripts/load_into_torchvision.py run.safetensors resnet18 data/fashion-mnist-mini

IDX_DIR holds t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz; the images are padded to 32 × 32, normalised
with Fashion-MNIST's mean and deviation and repeated to three channels. A VGG with one linear layer behind its
convolutions (`head = "linear"`) is torchvision's with its pooling and classifier exchanged. Prints what
load_state_dict says, then loss and accuracy. Needs torch and torchvision.
"""
import gzip
import json
import pathlib
import struct
import sys

import torch
import torch.nn.functional as F
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


def idx(path, header):
    return torch.frombuffer(bytearray(gzip.open(path).read()[header:]), dtype=torch.uint8)


def network(architecture, state):
    classes = next(len(state[head]) for head in ("fc.bias", "classifier.bias", "classifier.6.bias") if head in state)
    model = getattr(torchvision.models, architecture)(num_classes=classes)
    if "classifier.weight" in state:
        model.avgpool = torch.nn.AdaptiveAvgPool2d(1)
        model.classifier = torch.nn.Linear(*reversed(state["classifier.weight"].shape))
    print(model.load_state_dict(state, strict=True))
    return model.eval()


def main():
    file, architecture, directory = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    model = network(architecture, read(file))
    images = idx(directory / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = idx(directory / "t10k-labels-idx1-ubyte.gz", 8).long()
    inputs = (F.pad(images / 255, (2, 2, 2, 2)) - 0.2859) / 0.3530
    with torch.inference_mode():
        logits = model(inputs.expand(-1, 3, -1, -1)).double()
    accuracy = (logits.argmax(1) == labels).double().mean()
    print(json.dumps({"loss": F.cross_entropy(logits, labels).item(), "accuracy": accuracy.item()}))


main()
