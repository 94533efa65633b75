#!/usr/bin/env python3
"""Compares the test accuracy after 1, 2, 3 epochs of fmtui with PyTorch's, network by network, over several seeds.

    scripts/parity_accuracy.py OUT.jsonl --python PYTHON [--binary FMTUI] [--arch ABCD]
                               [--seeds 0 1 2] [--epochs 3] [--threads 2] [--device cpu|cuda] [--backend auto|plan|graph] [--only fmtui|torch]

Both train on the whole Fashion-MNIST with Adam at 1e-3, batches of 64, no averages and no validation set, fmtui through
`fmtui train PRESET --json`, PyTorch through `scripts/torch_bench.py --task acc`. Every finished run is appended to OUT.jsonl at once, and one that
is already there is not done again; the table of all that is there comes last. Takes an hour or more on a CPU. On a GPU PyTorch computes in
whole f32 too (NVIDIA_TF32_OVERRIDE=0). Standard library only.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

PRESETS = {"A": "mlp-100-100-50", "B": "lenet5", "C": "modern-lenet", "D": "improved-cnn", "E": "resnet18-scratch"}


def last_lines(text):
    return " | ".join(text.strip().splitlines()[-3:])


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NVIDIA_TF32_OVERRIDE": "0"})
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {last_lines(done.stderr) or last_lines(done.stdout)}")
    return done.stdout


def train_fmtui(options, arch, seed):
    settings = [
        "data.name=fashion-mnist", "data.validation=0", "data.split=standard", "data.normalize=given", f"train.epochs={options.epochs}", f"train.seed={seed}",
        "train.batch_size=64", "train.ema=0", "train.schedule.kind=constant", "train.optimizer.kind=adam", "train.optimizer.learning_rate=1e-3",
        f"train.threads={options.threads}", f"train.device={options.device}",
    ]
    if options.backend != "auto":
        settings.append(f"train.backend={options.backend}")
    with tempfile.TemporaryDirectory() as workspace:
        flags = [word for setting in settings for word in ("--set", setting)]
        out = run([options.binary, "--workspace", workspace, "train", PRESETS[arch], *flags, "--json"])
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    epochs = [event for event in events if event["event"] == "epoch-end"]
    return {
        "acc": [round(100 * e["held_out_accuracy"], 2) for e in epochs],
        "train_loss": [round(e["train_loss"], 4) for e in epochs],
        "ips": round(statistics.median(e["images_per_second"] for e in epochs), 1),
    }


def train_torch(options, arch, seed):
    out = run([
        options.python, str(options.torch_bench), "--arch", arch, "--task", "acc", "--epochs", str(options.epochs),
        "--seed", str(seed), "--threads", str(options.threads), "--device", options.device,
    ])
    told = json.loads([line for line in out.splitlines() if line.startswith("{")][-1])
    return {key: told[key] for key in ("acc", "train_loss", "ips")}


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def name_of(options, framework):
    """fmtui's paths are different programs: their runs are told apart."""
    return framework if framework == "torch" or options.backend == "auto" else f"fmtui-{options.backend}"


def table(done, frameworks, archs, epochs, seeds):
    """Mean, lowest and highest accuracy in percent, a row for each network and epoch."""
    ours, theirs = frameworks
    print(f"| network | epoch | {ours} | from–to | {theirs} | from–to | difference of means | seeds |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for arch in archs:
        for epoch in range(epochs):
            cells, means, counts = [], [], []
            for framework in (ours, theirs):
                values = [
                    r["acc"][epoch] for r in done
                    if (r["fw"], r["arch"]) == (framework, arch) and r["seed"] in seeds and len(r["acc"]) > epoch
                ]
                counts.append(len(values))
                if values:
                    means.append(statistics.mean(values))
                    cells += [f"{means[-1]:.2f}", f"{min(values):.2f}–{max(values):.2f}"]
                else:
                    cells += ["–", "–"]
            difference = f"{means[0] - means[1]:+.2f}" if len(means) == 2 else "–"
            count = str(counts[0]) if counts[0] == counts[1] else f"{counts[0]} / {counts[1]}"
            print(f"| {arch} {PRESETS[arch]} | {epoch + 1} | {' | '.join(cells)} | {difference} | {count} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--torch-bench", default=pathlib.Path(__file__).with_name("torch_bench.py"))
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--binary", default=str(root / "target/release/fmtui"))
    parser.add_argument("--arch", default="ABCD", help="letters of the networks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--backend", default="auto", choices=["auto", "plan", "graph"])
    parser.add_argument("--only", choices=["fmtui", "torch"], help="train with one of the two alone")
    options = parser.parse_args()
    if unknown := set(options.arch) - set(PRESETS):
        parser.error(f"--arch: no network {', '.join(sorted(unknown))}; give letters of {''.join(PRESETS)}")
    ways = [("fmtui", train_fmtui), ("torch", train_torch)]
    for seed in options.seeds:
        for arch in options.arch:
            for framework, train in ways:
                if options.only not in (None, framework):
                    continue
                name = name_of(options, framework)
                key = (name, arch, seed)
                if any((r["fw"], r["arch"], r["seed"]) == key and len(r["acc"]) >= options.epochs for r in records(options.out)):
                    continue
                record = {"fw": name, "arch": arch, "preset": PRESETS[arch], "seed": seed, **train(options, arch, seed)}
                with options.out.open("a") as out:
                    out.write(json.dumps(record) + "\n")
                print(f"{name} {arch} seed {seed}: {record['acc']}", file=sys.stderr, flush=True)
    table(records(options.out), [name_of(options, f) for f, _ in ways], options.arch, options.epochs, options.seeds)


if __name__ == "__main__":
    main()
