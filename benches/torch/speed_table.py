#!/usr/bin/env python3
"""Writes the list of measurements for the speed comparison with PyTorch, and makes tables of what they gave.

    benches/torch/speed_table.py config > config.txt
    benches/torch/ab.py out.jsonl 5 config.txt
    benches/torch/speed_table.py table out.jsonl

The tables are those of docs/PERFORMANCE.md: medians of all chunks, and as ratio the median over the rounds of fmtui's
median to that of PyTorch's faster f32 mode. With `--others`, given to both, they compare what is slower on both sides,
torch.compile and the graph backend, with PyTorch's eager mode and the plan. Standard library only; the measurements
need a Python with torch and a release build of fmtui.
"""
import argparse
import collections
import json
import pathlib
import shlex
import statistics
import sys

import common

NAMES = {**common.NETWORKS, "E": "resnet18, 28×28"}
# Images per chunk with two threads: about 0.7 s of PyTorch's time.
IMAGES = {"A": 50_000, "B": 2_100, "C": 2_100, "D": 400, "E": 340}
CONVOLUTIONAL = ["eager", "channels_last", "channels_last_bf16"]
# PyTorch's modes; bf16 in the memory layout that is faster.
MODES = {
    "A": ["eager"], "B": CONVOLUTIONAL, "C": CONVOLUTIONAL, "D": CONVOLUTIONAL, "E": ["eager", "channels_last", "bf16"],
}
F32 = ["eager", "channels_last"]
OTHERS = ["eager", "compile", "graph", "plan"]
CHUNKS = 3


def settings(options):
    return [(threads, batch) for batch in options.batches for threads in options.threads]


def config(options):
    fmtui, directory = common.fmtui_binary(options.binary), pathlib.Path(__file__).resolve().parent
    # Without the full data set, `fmtui bench` takes the built-in images by itself.
    data = ["--data-dir", str(options.data_dir.resolve())]
    fmtui_data = [] if options.data_dir.resolve() == common.MINI else data

    def line(job, command):
        print(f"{job} | {shlex.join(map(str, command))}")

    for network in options.networks:
        bench = [options.python, directory / "torch_bench.py", network, *data, "--warmup", 4]
        for threads, batch in settings(options):
            steps = max(2, IMAGES[network] * threads // 2 // batch) * CHUNKS
            shared = ["--threads", threads, "--batch", batch, "--chunks", CHUNKS]
            for mode in OTHERS[:2] if options.others else MODES[network]:
                line(f"{network} {mode} {threads} {batch}", [*bench, "--mode", mode, "--steps", steps, *shared])
            ours = [fmtui, "bench", network, *fmtui_data, "--json", *shared]
            line(f"{network} plan {threads} {batch}", [*ours, "--steps", 2 * steps])
            if options.others:
                line(f"{network} graph {threads} {batch}", [*ours, "--steps", steps, "--backend", "graph"])
        if options.others:
            continue
        evaluation = [options.python, directory / "torch_evaluation.py", network, *data]
        for mode in [mode for mode in MODES[network] if mode in F32]:
            line(f"{network} evaluation-{mode} 2 1000", [*evaluation, "--mode", mode])


def median(values):
    return statistics.median(values) if values else None


def cell(value, unit=""):
    return "–" if value is None else f"{value:,.0f}{unit}"


class Runs:
    """What was measured, by network, mode, threads, batch size and round."""

    def __init__(self, path):
        self.found = collections.defaultdict(dict)
        for line in path.read_text().splitlines():
            run = json.loads(line)
            network, mode, threads, batch = run["job"].split()
            self.found[network, mode, int(threads), int(batch)][run["round"]] = run

    def networks(self):
        return [network for network in NAMES if any(key[0] == network for key in self.found)]

    def settings(self):
        """Threads and batch sizes of the training measurements, many threads first."""
        found = {key[2:] for key in self.found if not key[1].startswith("evaluation")}
        return sorted(found, key=lambda setting: (setting[1], -setting[0]))

    def by_round(self, key, name="chunks"):
        return {number: run[name] for number, run in self.found.get(key, {}).items()}

    def chunks(self, key):
        return [rate for chunks in self.by_round(key).values() for rate in chunks]


def ratio(ours, theirs):
    """The median over the rounds of our median to the best of theirs."""
    rounds = [
        median(chunks) / max(median(other[number]) for other in theirs if number in other)
        for number, chunks in ours.items() if any(number in other for other in theirs)
    ]
    return f"{median(rounds):.2f}" if rounds else "–"


def header(*columns):
    return f"| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}"


def title(threads, batch):
    return f"**{threads} thread{'s' if threads > 1 else ''}, batch {batch}**\n"


def training_table(runs, threads, batch):
    columns = ["PyTorch eager", "channels_last", "bf16", "**fmtui, plan**", "ratio to PyTorch's best f32"]
    print(title(threads, batch), header(*columns, "memory PyTorch", "memory fmtui"), sep="\n")
    for network in runs.networks():
        bf16 = next((mode for mode in MODES[network] if "bf16" in mode), "")
        shown = [median(runs.chunks((network, mode, threads, batch))) for mode in [*F32, bf16, "plan"]]
        plan = (network, "plan", threads, batch)
        theirs = [(network, mode, threads, batch) for mode in F32]
        memory = [
            median([bytes / 2**20 for key in keys for bytes in runs.by_round(key, name).values()])
            for keys, name in ((theirs, "peak_memory_bytes"), ([plan], "training_peak_memory_bytes"))
        ]
        cells = [*map(cell, shown), ratio(runs.by_round(plan), [runs.by_round(key) for key in theirs])]
        print(f"| {network} {NAMES[network]} | {' | '.join(cells + [cell(m, ' MB') for m in memory])} |")
    print()


def others_table(runs, threads, batch):
    columns = ["PyTorch eager", "PyTorch compile", "fmtui, graph", "fmtui, plan"]
    print(title(threads, batch))
    print(header(*columns, "compile to eager", "graph to eager", "plan to eager", "rounds"))
    for network in runs.networks():
        keys = [(network, mode, threads, batch) for mode in OTHERS]
        eager = [runs.by_round(keys[0])]
        cells = [cell(median(runs.chunks(key))) for key in keys]
        cells += [ratio(runs.by_round(key), eager) for key in keys[1:]]
        print(f"| {network} {NAMES[network]} | {' | '.join(cells)} | {min(len(runs.by_round(key)) for key in keys)} |")
    print()


def evaluation_table(runs):
    """fmtui's figures come from the measurements of its training with two threads and the smallest batch."""
    batch = min((batch for threads, batch in runs.settings() if threads == 2), default=None)
    if batch is None:
        return
    print("**Evaluation**, forward only, batches of 1000, 2 threads\n")
    print(header("PyTorch eager", "channels_last", "**fmtui, plan**", "ratio"))
    for network in runs.networks():
        theirs = [(network, f"evaluation-{mode}", 2, 1000) for mode in F32]
        ours = runs.by_round((network, "plan", 2, batch), "evaluation_images_per_second")
        cells = [cell(median(runs.chunks(key))) for key in theirs] + [cell(median(list(ours.values())))]
        ours = {number: [rate] for number, rate in ours.items()}
        cells.append(ratio(ours, [runs.by_round(key) for key in theirs]))
        print(f"| {network} {NAMES[network]} | {' | '.join(cells)} |")


def table(options):
    runs = Runs(options.out)
    for threads, batch in runs.settings():
        (others_table if options.others else training_table)(runs, threads, batch)
    if not options.others:
        evaluation_table(runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    lines = commands.add_parser("config", help="print the measurements, one `job | command` per line")
    common.add_binary(lines)
    common.add_data_dir(lines)
    lines.add_argument("--python", default=sys.executable, help="a Python with torch (default: this one)")
    lines.add_argument("--networks", type=common.letters, default="ABCDE", help="letters (default ABCDE)")
    lines.add_argument("--threads", type=common.numbers, default=[2, 1], help="default 2,1")
    lines.add_argument("--batches", type=common.numbers, default=[64, 256], help="default 64,256")
    lines.add_argument("--others", action="store_true", help="torch.compile and the graph backend instead")
    lines.set_defaults(run=config)
    tables = commands.add_parser("table", help="print the tables of what ab.py wrote")
    tables.add_argument("out", type=pathlib.Path)
    tables.add_argument("--others", action="store_true", help="of measurements configured with --others")
    tables.set_defaults(run=table)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
