#!/usr/bin/env python3
"""Trains on Fashion-MNIST in every format, in the same order, and compares the runs bit by bit.

    python3 scripts/same_bits.py DIRECTORY [--data-dir /usr/share/datasets/fashion-mnist] [--preset lenet5]
        [--epochs 1] [--binary target/release/fmtui]

Writes all 70,000 images to DIRECTORY, sorted by class as a folder is: as they are (`grey`: folders of PNG, `.npz`,
IDX) and as 32 × 32 × 3, each in the middle of black, three times (`colour`: the same, and records as CIFAR's). Adds
them to a workspace there, trains a preset on each, and prints accuracy, loss and the SHA-256 of the weights, which must
be the same within `grey` and within `colour`. Between the two, padding comes after or before the division by 255, and
the last bits differ. Needs numpy and pillow, and 2 GB of disk.
"""

import argparse
import gzip
import os
import subprocess
import tomllib
from pathlib import Path

import numpy as np
from PIL import Image

SETTINGS = ["data.image_size=32", "data.resize=pad", "data.channels=3", "data.normalize=given", "data.mean=0.2860",
            "data.std=0.3530", "data.validation=0"]


def read(directory, name):
    """The numbers of an IDX file of bytes, compressed or not."""
    path = directory / name
    data = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(f"{name}.gz").read_bytes())
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def idx(path, numbers):
    sizes = b"".join(size.to_bytes(4, "big") for size in numbers.shape)
    path.write_bytes(bytes([0, 0, 8, numbers.ndim]) + sizes + numbers.tobytes())


def write(directory, parts):
    """The parts, each of images and labels sorted by label, in every format; images are grey, or N × 3 × 32 × 32."""
    directory.mkdir()
    (directory / "bytes").mkdir()
    arrays = {}
    for name, (images, labels) in parts.items():
        last = images if images.ndim == 3 else images.transpose(0, 2, 3, 1)
        for number, (image, label) in enumerate(zip(last, labels)):
            folder = directory / "pictures" / name / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(image)).save(folder / f"{number:05}.png", compress_level=1)
        arrays |= {f"x_{name}": np.ascontiguousarray(last), f"y_{name}": labels}
        prefix = "t10k" if name == "test" else name
        idx(directory / "bytes" / f"{prefix}-images-idx{images.ndim}-ubyte", images)
        idx(directory / "bytes" / f"{prefix}-labels-idx1-ubyte", labels)
    np.savez(directory / "arrays.npz", **arrays)
    if parts["train"][0].ndim == 4:
        (directory / "records").mkdir()
        train, test = parts["train"], parts["test"]
        batches = list(zip(np.array_split(train[0], 5), np.array_split(train[1], 5))) + [test]
        for number, (images, labels) in enumerate(batches, 1):
            records = np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)
            name = "test_batch.bin" if number == len(batches) else f"data_batch_{number}.bin"
            (directory / "records" / name).write_bytes(records.tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--data-dir", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--preset", default="lenet5")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--binary", default="target/release/fmtui")
    arguments = parser.parse_args()
    directory = arguments.directory
    directory.mkdir(parents=True)
    grey, colour = {}, {}
    for name, prefix in (("train", "train"), ("test", "t10k")):
        labels = read(arguments.data_dir, f"{prefix}-labels-idx1-ubyte")
        order = np.argsort(labels, kind="stable")
        images = read(arguments.data_dir, f"{prefix}-images-idx3-ubyte")[order]
        grey[name] = images, labels[order]
        wide = np.pad(images, ((0, 0), (2, 2), (2, 2)))
        colour[name] = np.repeat(wide[:, None], 3, axis=1), labels[order]
    write(directory / "grey", grey)
    write(directory / "colour", colour)

    workspace = directory / "workspace"
    workspace.mkdir()
    environment = {**os.environ, "FMTUI_HOME": str(workspace), "FMTUI_OFFLINE": "1"}

    def fmtui(*command):
        subprocess.run([arguments.binary, *command], env=environment, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    for place in sorted((directory / "grey").iterdir()) + sorted((directory / "colour").iterdir()):
        name = f"{place.parent.name}-{place.stem}"
        fmtui("data", "add", str(place), "--name", name)
        settings = [f"data.name={name}", f"train.epochs={arguments.epochs}", *SETTINGS]
        fmtui("train", arguments.preset, *[word for setting in settings for word in ("--set", setting)])
        records = [tomllib.loads(path.read_text()) for path in (workspace / "profiles" / "runs").glob("*.toml")]
        [result] = [record["result"] for record in records if record["data"]["name"] == name]
        test = result["test"]
        print(f"{name:16} accuracy {test['accuracy']!r} loss {test['loss']!r} weights {result['weights_sha256'][:16]}")


if __name__ == "__main__":
    main()
