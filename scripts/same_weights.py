#!/usr/bin/env python3
"""Trains the same recipes with two builds of fmtui and compares their weights bit by bit.

    scripts/same_weights.py BEFORE AFTER [--only WORD ...] [--jobs 2]

Two epochs on the built-in mini set on one thread of the CPU: every preset that needs no weights of the hub, and
variants of presets with augmentation, on the graph, with dropout, averages, other losses and optimizers, and frozen
layers. Prints a table of the records' `weights_sha256` and says which differ; exit code 1 where some do. What a
build refuses is told as such, and differs from weights. BEFORE may be the file of a table that was printed earlier.
Ten images a class where the network is large. Standard library only.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib

LARGE = ("resnet", "vgg")
FEW = ["data.per_class=10"]
# `train.path` is what version 0.1 calls `train.backend`; both builds read it.
VARIANTS = {
    "augmented: flip": ("lenet5", ["augment.flip=0.5"]),
    "augmented: shift": ("modern-lenet", ["augment.shift=2"]),
    "augmented: erase": ("lenet5", ["augment.erase=0.5"]),
    "augmented: all": ("improved-cnn", [f"augment.{s}" for s in ("flip=0.5", "shift=2", "rotate=10", "erase=0.3")]),
    "graph, mlp": ("mlp-100-100-50", ["train.path=graph"]),
    "graph, lenet5": ("lenet5", ["train.path=graph"]),
    "graph, improved-cnn": ("improved-cnn", ["train.path=graph"]),
    "graph, resnet20-cifar": ("resnet20-cifar-scratch", ["train.path=graph", *FEW]),
    "graph, vgg11-bn": ("vgg11-bn-scratch", ["train.path=graph", *FEW]),
    "graph, frozen": ("lenet5", ["train.path=graph", "model.freeze=backbone"]),
    "dropout": ("vgg11-bn-scratch", ["model.head=mlp", "model.dropout=0.3", "train.batch_size=10", *FEW]),
    "dropout, two threads": ("improved-cnn", ["train.threads=2"]),
    "averages": ("modern-lenet", ["train.ema=0.99"]),
    "averages, graph": ("lenet5", ["train.ema=0.99", "train.path=graph"]),
    "clipped": ("lenet5", ["train.clip=0.5"]),
    "mse": ("lenet5", ["train.loss=mse"]),
    "smoothed": ("modern-lenet", ["train.label_smoothing=0.1"]),
    "sgd": ("improved-cnn", ["train.optimizer.kind=sgd", "train.optimizer.momentum=0.9"]),
    "two threads": ("lenet5", ["train.threads=2"]),
    "frozen, lenet5": ("lenet5", ["model.freeze=backbone"]),
    "frozen, modern-lenet": ("modern-lenet", ["model.freeze=backbone"]),
    "frozen, improved-cnn": ("improved-cnn", ["model.freeze=backbone"]),
    "frozen, resnet20-cifar": ("resnet20-cifar-scratch", ["model.freeze=layer1", *FEW]),
}


def presets():
    found = []
    for path in sorted((pathlib.Path(__file__).parent.parent / "profiles").glob("*.toml")):
        if not tomllib.loads(path.read_text())["model"].get("pretrained"):
            found.append(path.stem)
    return found


def weights(binary, preset, settings):
    """The digest of a run's weights, or the reason why there are none."""
    settings = ["train.threads=1", *settings, "data.name=fashion-mnist-mini", "train.epochs=2", "train.device=cpu"]
    with tempfile.TemporaryDirectory(prefix="fmtui-same-") as place:
        options = [word for setting in settings for word in ("--set", setting)]
        command = [binary, "--workspace", place, "--offline", "train", preset, *options]
        done = subprocess.run(command, capture_output=True, text=True)
        records = list(pathlib.Path(place, "profiles", "runs").glob("*.toml"))
        if records:
            digest = tomllib.loads(records[0].read_text()).get("result", {}).get("weights_sha256")
            if digest:
                return digest
        return "none: " + " | ".join((done.stderr or done.stdout).strip().splitlines()[-2:])


def read_table(path):
    """The digests of a table: their first 16 characters, by recipe."""
    rows = (line for line in pathlib.Path(path).read_text().splitlines() if " = " in line)
    return {row[:24].strip(): row[24:].split()[-1] for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    recipes = {name: (name, FEW if name.startswith(LARGE) else []) for name in presets()} | VARIANTS
    chosen = {name: recipe for name, recipe in recipes.items() if all(word in name for word in arguments.only)}
    known = {} if os.access(arguments.before, os.X_OK) else read_table(arguments.before)
    binaries = [arguments.after] if known else [arguments.after, arguments.before]
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        both = {
            name: [pool.submit(weights, binary, *recipe) for binary in binaries]
            for name, recipe in chosen.items()
        }
        for name, (after, *before) in both.items():
            after = after.result()
            before = before[0].result() if before else known.get(name, "none: not in the table")
            same = after[: len(before)] == before and not before.startswith("none")
            wrong += not same
            print(f"{name:24} {before[:16]} {'=' if same else '!'} {after[:16]}", flush=True)
            if not same:
                print(f"    {before}\n    {after}", flush=True)
    print(f"{len(both)} recipes, {wrong} of them differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
