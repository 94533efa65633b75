#!/usr/bin/env python3
"""Runs several measurements in turn, round after round, and prints the median of each.

    benches/torch/ab.py OUT.jsonl ROUNDS CONFIG.txt

CONFIG.txt has one `job | command` per line; `#` starts a comment. Every command prints a JSON object with `chunks`,
a list of images per second, as `fmtui bench --json` and torch_bench.py do. It is appended to OUT.jsonl with `job`,
`round` and `wall_seconds`. Commands of one round follow each other directly, so a ratio within a round compares
like with like even where the machine is shared. Standard library only.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time


def jobs_of(config):
    lines = (line.strip() for line in config.read_text().splitlines())
    return [
        tuple(part.strip() for part in line.split("|", 1)) for line in lines if line and not line.startswith("#")
    ]


def measure(command, timeout):
    """The last JSON object that a command prints; raises where there is none."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=timeout)
    objects = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not objects:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(objects[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("rounds", type=int)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--timeout", type=float, default=240, metavar="SECONDS", help="of one command (default 240)")
    options = parser.parse_args()
    jobs = jobs_of(options.config)
    chunks, memory, failures = {}, {}, 0
    for number in range(options.rounds):
        for job, command in jobs:
            begun = time.time()
            try:
                measured = measure(command, options.timeout)
            except (RuntimeError, subprocess.TimeoutExpired) as problem:
                print(f"{job}: FAILED: {problem}", file=sys.stderr, flush=True)
                failures += 1
                continue
            measured.update(job=job, round=number, wall_seconds=round(time.time() - begun, 1))
            chunks.setdefault(job, []).extend(measured["chunks"])
            memory[job] = measured.get("peak_memory_bytes", 0) / 2**20
            with options.out.open("a") as out:
                out.write(json.dumps(measured) + "\n")
    print(f"{'job':34} {'median':>10} {'min':>10} {'max':>10} {'n':>4} {'MiB':>6}   (images per second)")
    for job, values in chunks.items():
        figures = f"{statistics.median(values):10,.0f} {min(values):10,.0f} {max(values):10,.0f}"
        print(f"{job:34} {figures} {len(values):4} {memory[job]:6.0f}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
