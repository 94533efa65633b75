#!/usr/bin/env python3
"""Training speed on a set that does not fit into the memory, beside the same with it in memory.

    sudo python3 scripts/larger_than_memory.py DIRECTORY [--images 100000] [--side 64] [--rounds 5] [--seconds 60]
        [--preset resnet20-cifar-scratch] [--binary target/release/fmtui]

Writes JPEGs of ten textured classes to DIRECTORY (once), adds them to a workspace there, and trains twice at the same
time, each run on a core of its own: with free memory, and in a control group that may have half of what the decoded set
takes; the page cache is emptied before. Then the runs change cores. Prints images a second, the share of waiting, and
the ratio of each round. Linux, root, two cores, control groups of either version; needs numpy and pillow, and nothing
else may run meanwhile.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
from PIL import Image


def write(root, count, side):
    """Images of a frequency and direction for each class, with blocks of noise."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0:side, 0:side] / side
    for number in range(count):
        label = number % 10
        folder = root / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        along = (columns * np.cos(label) + rows * np.sin(label)) * np.pi * (2 + label)
        waves = [np.sin(along + phase) for phase in rng.uniform(0, 2 * np.pi, 3)]
        noise = rng.normal(0, 0.5, (-(-side // 8), -(-side // 8), 3)).repeat(8, 0).repeat(8, 1)[:side, :side]
        image = np.clip((np.stack(waves, -1) + noise) * 60 + 128, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{number:06}.jpg", quality=90)


def group(limit):
    """A control group's list of processes, with this limit of memory; of either version."""
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    place, name = (first, "memory.limit_in_bytes") if first.is_dir() else (second, "memory.max")
    directory = place / "fmtui-measured"
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(str(limit))
    return directory / "cgroup.procs"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--preset", default="resnet20-cifar-scratch")
    parser.add_argument("--binary", default="target/release/fmtui")
    arguments = parser.parse_args()
    images, workspace = arguments.directory / "images", arguments.directory / "workspace"
    environment = {**os.environ, "FMTUI_HOME": str(workspace), "FMTUI_OFFLINE": "1"}
    limit = arguments.images * 3 * arguments.side ** 2 // 2

    def fmtui(*command, limited=False, core=None):
        def enter():
            if core is not None:
                os.sched_setaffinity(0, {core})
            if limited:
                group(limit).write_text(str(os.getpid()))

        run = subprocess.run([arguments.binary, *command], env=environment, capture_output=True, text=True,
                             preexec_fn=enter)
        return run.stdout

    if not images.exists():
        write(images, arguments.images, arguments.side)
    if not workspace.exists():
        workspace.mkdir()
        fmtui("data", "add", str(images), "--name", "large")
    settings = ["data.name=large", f"data.image_size={arguments.side}", "data.resize=antialias", "data.channels=3",
                "data.validation=0", "data.normalize=unit", "train.epochs=1", "train.batch_size=64", "train.threads=1"]
    overrides = [word for setting in settings for word in ("--set", setting)]

    def start(limited, core):
        words = ("train", arguments.preset, "--detach", "--force", *overrides)
        return fmtui(*words, limited=limited, core=core).split()[-1]

    def steps(run):
        log = workspace / "checkpoints" / run / "events.jsonl"
        events = map(json.loads, log.read_text().splitlines()) if log.exists() else []
        return [event for event in events if event["event"] == "step"]

    def pair(cores):
        """Speeds from memory and from the disk, and the share of waiting, of two runs at the same time."""
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
        runs = [start(limited, core) for limited, core in zip((False, True), cores)]
        while not all(steps(run) for run in runs):
            time.sleep(1)
        before = [len(steps(run)) for run in runs]
        time.sleep(arguments.seconds)
        after = [steps(run)[first:] for run, first in zip(runs, before)]
        for run in runs:
            fmtui("stop", run)
        while "running" in fmtui("runs", "--csv"):
            time.sleep(1)
        # By what is seen of a step at its end: as many seconds for both.
        speeds = [statistics.harmonic_mean(step["images_per_second"] for step in seen) for seen in after]
        return *speeds, statistics.mean(step["breakdown"].get("wait", 0) for step in after[1])

    ratios = []
    for _ in range(arguments.rounds):
        found = [pair((0, 1)), pair((1, 0))]
        # What one core is faster than the other falls out.
        ratios.append(statistics.geometric_mean(disk / memory for memory, disk, _ in found))
        told = "; ".join(f"{memory:.1f}/s from memory, {disk:.1f}/s from the disk" for memory, disk, _ in found)
        print(f"{told}; ratio {ratios[-1]:.3f}, waiting {100 * max(wait for *_, wait in found):.2f} %", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} of {len(ratios)}, limit {limit} bytes")


if __name__ == "__main__":
    main()
