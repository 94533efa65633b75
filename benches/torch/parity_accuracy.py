#!/usr/bin/env python3
"""Compares the test accuracy after 1, 2, 3 epochs of fmtui with PyTorch's, network by network, over several seeds.

    benches/torch/parity_accuracy.py OUT.jsonl [--networks ABCD] [--seeds 0,1,2] [--epochs 3] [--only fmtui|torch]

Both train with Adam at 1e-3, batches of 64, no averages and no validation set, fmtui through `fmtui train PRESET
--json`, PyTorch through `torch_bench.py --task accuracy`. Every finished run is appended to OUT.jsonl at once, and
one that is already there is not done again; the table of all that is there comes last. Takes an hour or more on a
CPU with the full Fashion-MNIST. On a GPU PyTorch computes in whole f32 too (NVIDIA_TF32_OVERRIDE=0). Standard
library only; PyTorch's side needs a Python with torch.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import common

TORCH_BENCH = pathlib.Path(__file__).with_name("torch_bench.py")


def last_lines(text):
    return " | ".join(text.strip().splitlines()[-3:])


def run(command):
    environment = {**os.environ, "NVIDIA_TF32_OVERRIDE": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        said = last_lines(done.stderr) or last_lines(done.stdout)
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}: {said}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def train_fmtui(options, network, seed):
    settings = [
        f"data.name={options.data_dir.resolve().name}", "data.validation=0", "data.split=standard",
        "data.normalize=given", f"data.mean={common.MEAN}", f"data.std={common.STD}",
        f"train.epochs={options.epochs}", f"train.seed={seed}", "train.batch_size=64", "train.ema=0",
        "train.schedule.kind=constant", "train.optimizer.kind=adam", "train.optimizer.learning_rate=1e-3",
        f"train.threads={options.threads}", f"train.device={options.device}", f"train.backend={options.backend}",
    ]
    flags = [word for setting in settings for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as workspace:
        places = ["--workspace", workspace, "--data-dir", str(options.data_dir.resolve()), "--offline"]
        events = run([options.binary, "train", common.NETWORKS[network], *places, *flags, "--json"])
    epochs = [event for event in events if event["event"] == "epoch-end"]
    return {
        "test_accuracy": [epoch["held_out"]["accuracy"] for epoch in epochs],
        "train_loss": [round(epoch["train"]["loss"], 4) for epoch in epochs],
        "images_per_second": round(statistics.median(epoch["images_per_second"] for epoch in epochs), 1),
    }


def train_torch(options, network, seed):
    told = run([
        options.python, TORCH_BENCH, network, "--task", "accuracy", "--epochs", str(options.epochs),
        "--seed", str(seed), "--threads", str(options.threads), "--device", options.device,
        "--data-dir", str(options.data_dir),
    ])[-1]
    return {key: told[key] for key in ("test_accuracy", "train_loss", "images_per_second")}


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def name_of(options, framework):
    """fmtui's backends differ in rounding: their runs are kept apart."""
    return framework if framework == "torch" or options.backend == "auto" else f"fmtui-{options.backend}"


def table(done, frameworks, options):
    """Mean, lowest and highest accuracy in percent, a row for each network and epoch."""
    ours, theirs = frameworks
    print(f"| network | epoch | {ours} | from–to | {theirs} | from–to | difference of means | seeds |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for network in options.networks:
        for epoch in range(options.epochs):
            cells, means, counts = [], [], []
            for framework in (ours, theirs):
                values = [
                    100 * r["test_accuracy"][epoch] for r in done
                    if is_of(r, options, framework, network) and r["seed"] in options.seeds
                    and len(r["test_accuracy"]) > epoch
                ]
                counts.append(len(values))
                if values:
                    means.append(statistics.mean(values))
                    cells += [f"{means[-1]:.2f}", f"{min(values):.2f}–{max(values):.2f}"]
                else:
                    cells += ["–", "–"]
            difference = f"{means[0] - means[1]:+.2f}" if len(means) == 2 else "–"
            count = str(counts[0]) if counts[0] == counts[1] else f"{counts[0]} / {counts[1]}"
            name = f"{network} {common.NETWORKS[network]}"
            print(f"| {name} | {epoch + 1} | {' | '.join(cells)} | {difference} | {count} |")


def is_of(record, options, framework, network):
    told = (record["fw"], record["name"], record["dataset"])
    return told == (framework, common.NETWORKS[network], options.data_dir.resolve().name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--python", default=sys.executable, help="a Python with torch (default: this one)")
    common.add_binary(parser)
    common.add_data_dir(parser)
    parser.add_argument("--networks", type=common.letters, default="ABCD", help="letters (default ABCD)")
    parser.add_argument("--seeds", type=common.numbers, default=[0, 1, 2], help="default 0,1,2")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--backend", default="auto", choices=["auto", "plan", "graph"])
    parser.add_argument("--only", choices=["fmtui", "torch"], help="train with one of the two alone")
    options = parser.parse_args()
    if options.only != "torch":
        options.binary = common.fmtui_binary(options.binary)
    sides = [("fmtui", train_fmtui), ("torch", train_torch)]
    for seed in options.seeds:
        for network in options.networks:
            for framework, train in sides:
                if options.only not in (None, framework):
                    continue
                name = name_of(options, framework)
                done = [r for r in records(options.out) if is_of(r, options, name, network) and r["seed"] == seed]
                if any(len(r["test_accuracy"]) >= options.epochs for r in done):
                    continue
                record = {
                    "fw": name, "name": common.NETWORKS[network], "dataset": options.data_dir.resolve().name,
                    "seed": seed, **train(options, network, seed),
                }
                with options.out.open("a") as out:
                    out.write(json.dumps(record) + "\n")
                accuracies = " ".join(f"{accuracy:.4f}" for accuracy in record["test_accuracy"])
                print(f"{name} {network} seed {seed}: {accuracies}", file=sys.stderr, flush=True)
    table(records(options.out), [name_of(options, framework) for framework, _ in sides], options)


if __name__ == "__main__":
    main()
