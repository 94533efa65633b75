#!/usr/bin/env python3
"""Measures how fast PyTorch evaluates a network of the speed comparison: forward only, batches of 1000, pictures in memory.

    scripts/torch_evaluation.py --arch A [--mode eager|cl] [--threads 2] [--chunks 3] [--batches 10]

Prints one JSON object with `chunks` in images a second, as the comparison script takes it. Needs torch.
"""
import argparse
import importlib.util
import json
import pathlib
import time

import torch


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torch-bench", default=pathlib.Path(__file__).with_name("torch_bench.py"), help="whose networks and data are taken")
    parser.add_argument("--arch", required=True)
    parser.add_argument("--mode", default="eager", choices=["eager", "cl"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunks", type=int, default=3)
    parser.add_argument("--batches", type=int, default=10)
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("torch_bench", options.torch_bench)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    torch.set_num_threads(options.threads)
    model, size = bench.build(options.arch)
    layout = torch.channels_last if options.mode == "cl" else torch.contiguous_format
    model = model.to(memory_format=layout).eval()
    pictures, _ = bench.load("t10k", size)
    channels = 3 if options.arch == "E" else -1

    def batch(number):
        start = number % 10 * 1000
        x = pictures[start:start + 1000]
        return x.expand(-1, channels, -1, -1).contiguous(memory_format=layout)

    rates = []
    with torch.inference_mode():
        model(batch(0))
        for _ in range(options.chunks):
            begun = time.perf_counter()
            for number in range(options.batches):
                model(batch(number)).argmax(1)
            rates.append(round(options.batches * 1000 / (time.perf_counter() - begun), 1))
    print(json.dumps({"fw": "torch", "arch": options.arch, "mode": options.mode, "task": "evaluation", "threads": options.threads, "chunks": rates}))


if __name__ == "__main__":
    main()
