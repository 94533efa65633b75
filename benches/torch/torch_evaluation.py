#!/usr/bin/env python3
"""Measures how fast PyTorch evaluates a network of the speed comparison: forward only, images in memory.

    torch_evaluation.py NETWORK [--mode eager|channels_last] [--threads 2] [--chunks 3] [--batches 10] [--batch 1000]

NETWORK is as in torch_bench.py. Prints one JSON object with `chunks` in images per second, as ab.py reads it. Needs
torch.
"""
import argparse
import json
import time

import torch

import common
import torch_bench


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=torch_bench.network, metavar="NETWORK")
    parser.add_argument("--mode", default="eager", choices=["eager", "channels_last"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunks", type=int, default=3)
    parser.add_argument("--batches", type=int, default=10, help="batches per chunk (default 10)")
    parser.add_argument("--batch", type=int, default=1000, help="images per batch (default 1000)")
    common.add_data_dir(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, size = torch_bench.build(options.network)
    layout = torch.channels_last if options.mode == "channels_last" else torch.contiguous_format
    model = model.to(memory_format=layout).eval()
    images, _ = torch_bench.load(options.data_dir, "t10k", size)
    channels = 3 if options.network == "E" else -1
    # The mini set has fewer images than a batch: they are repeated.
    parts = images.repeat(-(-options.batch // len(images)), 1, 1, 1).split(options.batch)
    parts = [part for part in parts if len(part) == options.batch]

    def evaluate(number):
        x = parts[number % len(parts)].expand(-1, channels, -1, -1).contiguous(memory_format=layout)
        return model(x).argmax(1)

    rates = []
    with torch.inference_mode():
        evaluate(0)
        for _ in range(options.chunks):
            begun = time.perf_counter()
            for number in range(options.batches):
                evaluate(number)
            rates.append(round(options.batches * options.batch / (time.perf_counter() - begun), 1))
    print(json.dumps({
        "fw": "torch", "name": common.NETWORKS[options.network], "mode": options.mode, "task": "evaluation",
        "threads": options.threads, "batch_size": options.batch, "dataset": options.data_dir.name, "chunks": rates,
        "peak_memory_bytes": common.peak_memory_bytes(),
    }))


if __name__ == "__main__":
    main()
