#!/usr/bin/env python3
"""JPEGs decoded a second: fmtui, which also resizes and keeps them, beside torchvision's `decode_jpeg` alone.

    python3 benches/torch/decode_speed.py DIRECTORY [--rounds 5] [--workers 2] [--binary target/release/fmtui]

DIRECTORY has a directory for each class, as `fmtui data add` takes it. In each round both read all files once, from
the page cache: PyTorch's DataLoader with so many workers decodes each to a tensor of bytes; `fmtui train` of no more
than a step is timed twice, with the decoded images still to be made and already there, and the difference counts.
Needs torch and torchvision.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from common import add_binary, fmtui_binary


SETTINGS = ["data.name=timed", "data.image_size=64", "data.resize=antialias", "data.per_class=1",
            "data.validation=0", "data.normalize=unit", "train.epochs=1"]


class Decoded(Dataset):
    """The files of a directory, decoded to tensors of bytes."""

    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return decode_jpeg(read_file(str(self.files[index])), mode=ImageReadMode.RGB)


def torchvision(files, workers):
    """Images a second."""
    loader = DataLoader(Decoded(files), batch_size=64, num_workers=workers, collate_fn=list)
    for _ in loader:
        break
    begun = time.perf_counter()
    count = sum(len(batch) for batch in loader)
    return count / (time.perf_counter() - begun)


def fmtui(program, workspace, count):
    """Images a second, from the time that a run takes longer where it must decode them."""
    environment = {**os.environ, "FMTUI_HOME": str(workspace), "FMTUI_OFFLINE": "1"}
    command = [program, "train", "mlp-100-100-50", "--detach"]
    for setting in SETTINGS:
        command += ["--set", setting]

    def seconds():
        begun = time.perf_counter()
        run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        elapsed = time.perf_counter() - begun
        subprocess.run([program, "stop"] + [run.stdout.split()[-1]], env=environment, capture_output=True)
        return elapsed

    subprocess.run([program, "data", "clean"], env=environment, check=True, capture_output=True)
    whole = seconds()
    return count / (whole - seconds())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    add_binary(parser)
    arguments = parser.parse_args()
    program = str(fmtui_binary(arguments.binary))
    files = sorted(p for p in arguments.directory.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    with tempfile.TemporaryDirectory() as workspace:
        environment = {**os.environ, "FMTUI_HOME": workspace, "FMTUI_OFFLINE": "1"}
        add = [program, "data", "add", str(arguments.directory), "--name", "timed"]
        subprocess.run(add, env=environment, check=True)
        ratios = []
        for number in range(arguments.rounds):
            ours = fmtui(program, workspace, len(files))
            theirs = torchvision(files, arguments.workers)
            ratios.append(ours / theirs)
            print(f"round {number + 1}: fmtui {ours:.0f}/s, torchvision {theirs:.0f}/s, ratio {ratios[-1]:.2f}")
    print(f"{len(files)} files, median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
