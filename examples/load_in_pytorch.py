#!/usr/bin/env python3
"""Loads the weights of a lenet5 run into PyTorch and checks that they score there what fmtui recorded.

    fmtui export RUN --last --out lenet5.safetensors
    examples/load_in_pytorch.py lenet5.safetensors profiles/runs/RUN.toml [--data-dir DIR]

The record says how images are prepared (size, mean and standard deviation) and what the test accuracy was. Which weights
were tested depends on the run: without a validation set (`data.validation = 0`, as in the preset) the last ones, which
`--last` exports; with one the best, which `fmtui export` writes without it. DIR holds the test images as IDX files,
gzipped or not (default: the built-in mini images in this repository). Python 3.11 or later; needs torch and safetensors.
Exit code 1 if the accuracy differs.
"""
import argparse
import gzip
import pathlib
import sys
import tomllib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

MINI = pathlib.Path(__file__).resolve().parent.parent / "data" / "fashion-mnist-mini"


class LeNet5(nn.Module):
    """The preset lenet5. Layers have the names that fmtui exports."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 25, 5)
        self.conv3 = nn.Conv2d(25, 84, 4)
        self.fc1 = nn.Linear(84 * 4 * 4, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = torch.tanh(self.conv2(x))
        x = F.max_pool2d(torch.tanh(self.conv3(x)), 2)
        x = torch.tanh(self.fc1(x.flatten(1)))
        x = torch.tanh(self.fc2(x))
        return self.fc3(x)


def read_idx(directory, name):
    for path in (directory / f"{name}.gz", directory / name):
        if path.exists():
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            sides = [int.from_bytes(data[at:at + 4], "big") for at in range(4, 4 + 4 * data[3], 4)]
            return torch.frombuffer(bytearray(data[4 + 4 * data[3]:]), dtype=torch.uint8).reshape(sides)
    sys.exit(f"{directory} has no {name}[.gz]; give the directory of the data set with --data-dir")


def prepared(images, data):
    """What the network sees, as `[data]` of the record says: scaled, resized, normalised."""
    x = images[:, None].float() / 255
    size = data.get("image_size", 0)
    if size:
        x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    return (x - data["mean"]) / data["std"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path, metavar="WEIGHTS.safetensors")
    parser.add_argument("record", type=pathlib.Path, metavar="RECORD.toml")
    parser.add_argument("--data-dir", type=pathlib.Path, default=MINI, metavar="DIR")
    options = parser.parse_args()
    record = tomllib.loads(options.record.read_text())
    data, result = record["data"], record.get("result", {})
    if record["model"]["architecture"] != "lenet5" or "test" not in result:
        sys.exit(f"{options.record} is not a finished run of lenet5 with test scores")
    if not isinstance(data.get("mean"), float) or data.get("resize", "bilinear") != "bilinear":
        sys.exit(f"{options.record}: only one mean and deviation for all pixels, and bilinear resizing, are shown here")

    model = LeNet5()
    print(model.load_state_dict(load_file(options.weights), strict=True))
    model.eval()
    images = prepared(read_idx(options.data_dir, "t10k-images-idx3-ubyte"), data)
    labels = read_idx(options.data_dir, "t10k-labels-idx1-ubyte").long()
    with torch.inference_mode():
        logits = torch.cat([model(batch) for batch in images.split(500)])
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    loss = F.cross_entropy(logits.double(), labels).item()

    recorded = result["test"]
    print(f"PyTorch   accuracy {accuracy:.4f}  loss {loss:.6f}  ({len(labels):,} test images)")
    print(f"recorded  accuracy {recorded['accuracy']:.4f}  loss {recorded['loss']:.6f}")
    if abs(accuracy - recorded["accuracy"]) * len(labels) > 0.5:
        sys.exit("they differ: other weights (with or without --last?) or other test images than the run's")


if __name__ == "__main__":
    main()
