#!/usr/bin/env python3
"""Training speed on a set that does not fit into the memory, beside the same with it in memory.

    sudo python3 scripts/larger_than_memory.py DIRECTORY [--images 100000] [--side 64] [--rounds 6] [--seconds 60]
        [--preset resnet20-cifar-scratch] [--binary target/release/fmtui]

Writes JPEGs of ten textured classes to DIRECTORY (once), adds them to a workspace there, and trains in turn with free
memory and in a control group that may have half of what the decoded set takes, the page cache emptied before each run;
the order is turned round from round to round. Prints images a second (the median of the steps told, without the first
quarter), the share of waiting, and the ratio of each pair. Linux, root, control groups of either version; needs numpy
and pillow, and nothing else may run meanwhile.
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
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--preset", default="resnet20-cifar-scratch")
    parser.add_argument("--binary", default="target/release/fmtui")
    arguments = parser.parse_args()
    images, workspace = arguments.directory / "images", arguments.directory / "workspace"
    environment = {**os.environ, "FMTUI_HOME": str(workspace), "FMTUI_OFFLINE": "1"}
    limit = arguments.images * 3 * arguments.side ** 2 // 2

    def fmtui(*command, limited=False):
        def enter():
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
                "data.validation=0", "data.normalize=unit", "train.epochs=1", "train.batch_size=64"]
    overrides = [word for setting in settings for word in ("--set", setting)]

    def speed(limited):
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
        run = fmtui("train", arguments.preset, "--detach", "--force", *overrides, limited=limited).split()[-1]
        log = workspace / "checkpoints" / run / "events.jsonl"
        while not log.exists() or '"step"' not in log.read_text():
            time.sleep(1)
        time.sleep(arguments.seconds)
        fmtui("stop", run)
        while "running" in fmtui("runs", "--csv"):
            time.sleep(1)
        steps = [event for event in map(json.loads, log.read_text().splitlines()) if event["event"] == "step"]
        steps = steps[len(steps) // 4:]
        wait = statistics.mean(step["breakdown"].get("wait", 0) for step in steps)
        return statistics.median(step["images_per_second"] for step in steps), wait

    ratios = []
    for number in range(arguments.rounds):
        order = [False, True] if number % 2 == 0 else [True, False]
        found = {limited: speed(limited) for limited in order}
        ratios.append(found[True][0] / found[False][0])
        print(f"in memory {found[False][0]:.1f}/s, from the disk {found[True][0]:.1f}/s, ratio {ratios[-1]:.3f}, "
              f"waiting {100 * found[True][1]:.2f} %", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} of {len(ratios)}, limit {limit} bytes")


if __name__ == "__main__":
    main()
