#!/usr/bin/env python3
"""Lays out the speed comparison with PyTorch, and makes the tables of docs/PERFORMANCE.md of what it measured.

    scripts/speed_table.py config --python PYTHON --binary FMTUI [--others] > CONFIG.txt
    scripts/speed_table.py table OUT.jsonl [--others]

CONFIG.txt is for scripts/ab.py, which takes every line in turn, round after round: `scripts/ab.py OUT.jsonl 5 CONFIG.txt`. The table gives the
median of all chunks, and for the ratio the median over the rounds of fmtui's median to that of PyTorch's better f32 mode. `--others` compares what
is slower on both sides, torch.compile and Candle's graph, with PyTorch's eager mode and the plan. Standard library only.
"""
import argparse
import collections
import json
import pathlib
import statistics

NAMES = {"A": "mlp-100-100-50", "B": "lenet5", "C": "modern-lenet", "D": "improved-cnn", "E": "resnet18, 28×28"}
# Pictures of a chunk with two threads: about 0.7 s of PyTorch's time.
PICTURES = {"A": 50_000, "B": 2_100, "C": 2_100, "D": 400, "E": 340}
# PyTorch's modes; bf16 in the memory layout that is faster.
MODES = {
    "A": ["eager"], "B": ["eager", "cl", "cl_bf16"], "C": ["eager", "cl", "cl_bf16"], "D": ["eager", "cl", "cl_bf16"],
    "E": ["eager", "cl", "bf16"],
}
SETTINGS = [(threads, batch) for batch in (64, 256) for threads in (2, 1)]
CHUNKS = 3


# What is compared in both parts, and in the second alone.
OTHERS = ["eager", "compile", "graph", "plan"]


def config(options):
    root = pathlib.Path(__file__).resolve().parent
    torch = f"{options.python} {root / 'torch_bench.py'}"
    for arch, modes in MODES.items():
        for threads, batch in SETTINGS:
            steps = max(2, PICTURES[arch] * threads // 2 // batch) * CHUNKS
            shared = f"--threads {threads} --batch {batch} --chunks {CHUNKS}"
            for mode in OTHERS[:2] if options.others else modes:
                print(f"{arch} {mode} {threads} {batch} | {torch} --arch {arch} --mode {mode} --steps {steps} --warmup 4 {shared}")
            print(f"{arch} plan {threads} {batch} | {options.binary} bench {arch} --steps {2 * steps} {shared} --json")
            if options.others:
                print(f"{arch} graph {threads} {batch} | {options.binary} bench {arch} --steps {steps} {shared} --backend graph --json")
        if options.others:
            continue
        evaluation = f"{options.python} {root / 'torch_evaluation.py'} --arch {arch}"
        for mode in [mode for mode in modes if "bf16" not in mode]:
            print(f"{arch} evaluation-{mode} 2 1000 | {evaluation} --mode {mode}")


def median(values):
    return statistics.median(values) if values else None


def cell(value):
    return "–" if value is None else f"{value:,.0f}"


def table(options):
    runs = collections.defaultdict(dict)
    for line in options.out.read_text().splitlines():
        run = json.loads(line)
        arch, mode, threads, batch = run["name"].split()
        runs[arch, mode, int(threads), int(batch)][run["round"]] = run

    def rates(arch, mode, threads, batch, key="chunks"):
        return {number: run[key] for number, run in runs[arch, mode, threads, batch].items()}

    def all_of(arch, mode, threads, batch, key="chunks"):
        return median([rate for chunk in rates(arch, mode, threads, batch, key).values() for rate in chunk])

    def ratio(ours, theirs):
        rounds = [
            median(chunk) / max(median(other[number]) for other in theirs if number in other)
            for number, chunk in ours.items() if any(number in other for other in theirs)
        ]
        return "–" if not rounds else f"{median(rounds):.2f}"

    if options.others:
        for threads, batch in SETTINGS:
            print(f"**{threads} thread{'s' if threads > 1 else ''}, batch {batch}**\n")
            print("| | PyTorch eager | PyTorch compile | fmtui, graph | fmtui, plan | compile to eager | graph to eager | plan to eager | rounds |")
            print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
            for arch, name in NAMES.items():
                shown = [all_of(arch, mode, threads, batch) for mode in OTHERS]
                eager = [rates(arch, "eager", threads, batch)]
                ratios = [ratio(rates(arch, mode, threads, batch), eager) for mode in OTHERS[1:]]
                rounds = min(len(rates(arch, mode, threads, batch)) for mode in OTHERS)
                print(f"| {arch} {name} | {' | '.join(cell(value) for value in shown)} | {' | '.join(ratios)} | {rounds} |")
            print()
        return

    def bf16(arch):
        return next((mode for mode in MODES[arch] if "bf16" in mode), "")

    for threads, batch in SETTINGS:
        print(f"**{threads} thread{'s' if threads > 1 else ''}, batch {batch}**\n")
        print("| | PyTorch eager | channels_last | bf16 | **fmtui, plan** | ratio to PyTorch's best f32 | memory PyTorch | memory fmtui |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        for arch, name in NAMES.items():
            shown = [all_of(arch, mode, threads, batch) for mode in ("eager", "cl", bf16(arch), "plan")]
            theirs = [rates(arch, mode, threads, batch) for mode in ("eager", "cl")]
            memory = [
                median([run[key] / unit for mode in modes for run in runs[arch, mode, threads, batch].values()])
                for key, unit, modes in (("rss_mb", 1, ["eager", "cl"]), ("training_peak_memory_bytes", 2**20, ["plan"]))
            ]
            cells = " | ".join(cell(value) for value in shown)
            print(f"| {arch} {name} | {cells} | {ratio(rates(arch, 'plan', threads, batch), theirs)} | {' | '.join(cell(m) + ' MB' for m in memory)} |")
        print()
    print("**Evaluation**, forward only, batches of 1000, 2 threads\n")
    print("| | PyTorch eager | channels_last | **fmtui, plan** | ratio |")
    print("|---|---:|---:|---:|---:|")
    for arch, name in NAMES.items():
        theirs = [rates(arch, f"evaluation-{mode}", 2, 1000) for mode in ("eager", "cl")]
        shown = [all_of(arch, f"evaluation-{mode}", 2, 1000) for mode in ("eager", "cl")]
        ours = {number: [rate] for number, rate in rates(arch, "plan", 2, 64, "evaluation_images_per_second").items()}
        shown.append(median([rate[0] for rate in ours.values()]))
        print(f"| {arch} {name} | {' | '.join(cell(value) for value in shown)} | {ratio(ours, theirs)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    lines = commands.add_parser("config")
    lines.add_argument("--python", required=True, help="a Python that has torch")
    lines.add_argument("--binary", required=True)
    lines.add_argument("--others", action="store_true", help="torch.compile and the graph in place of channels_last and bf16")
    lines.set_defaults(run=config)
    tables = commands.add_parser("table")
    tables.add_argument("out", type=pathlib.Path)
    tables.add_argument("--others", action="store_true", help="of a comparison that was laid out with it")
    tables.set_defaults(run=table)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
