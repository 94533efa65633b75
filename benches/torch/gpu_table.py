#!/usr/bin/env python3
"""Training speed on a GPU beside PyTorch: the GPU tables of docs/PERFORMANCE.md.

    benches/torch/gpu_table.py [--rounds 3] [--networks ABCDE] [--batches 64,1024] [--modes eager,compile_graphs]

Every network and mode of PyTorch has a process of its own, which compiles before anything is measured. Then all are
measured in turn, round by round, PyTorch and fmtui (in f32, and in TF32 as PyTorch computes convolutions) one after the
other, alone on the machine. Prints a line for every measurement, and a table of medians with the ratios of fmtui's f32
and TF32 to each of PyTorch's modes. Needs torch, torchvision for E, and a build with `--features cuda`. `--device cpu`
with `--modes eager` tries the script itself.
"""
import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import time

import common


def serve(options):
    """Measures one network on request: every line `mode batch steps` is answered with images per second."""
    import torch

    import torch_bench

    device = torch.device(options.device)
    networks = {}
    for mode in options.modes:
        for batch in options.batches:
            torch.manual_seed(0)
            model, size = torch_bench.build(options.serve)
            model = model.to(device).train()
            networks[mode, batch] = (torch_bench.compiled(model, mode), torch_bench.adam(model))
    images, labels = (tensor.to(device) for tensor in torch_bench.load(options.data_dir, "train", size))
    loss_of, total = torch.nn.CrossEntropyLoss(), torch.zeros((), device=device)

    def run(mode, batch, steps):
        network, optimizer = networks[mode, batch]
        order = torch.randperm(len(images))
        for step in range(steps):
            at = step * batch % (len(images) - batch)
            picks = order[at:at + batch].to(device)
            x, y = images[picks], labels[picks]
            if options.serve == "E":
                x = x.expand(-1, 3, -1, -1).contiguous()
            optimizer.zero_grad()
            loss = loss_of(network(x), y)
            loss.backward()
            optimizer.step()
            total.add_(loss.detach())
        if device.type == "cuda":
            torch.cuda.synchronize()

    for mode, batch in networks:
        run(mode, batch, options.warmup)
    print("ready", flush=True)
    for line in sys.stdin:
        mode, batch, steps = line.split()
        batch, steps = int(batch), int(steps)
        run(mode, batch, min(5, steps))
        begun = time.perf_counter()
        run(mode, batch, steps)
        print(batch * steps / (time.perf_counter() - begun), flush=True)


def start_servers(options):
    """A process for each network and mode; those that are not ready in time are left out."""
    servers = {}
    for network in options.networks:
        for mode in options.modes:
            command = [
                sys.executable, __file__, "--serve", network, "--modes", mode, "--device", options.device,
                "--batches", ",".join(map(str, options.batches)), "--data-dir", str(options.data_dir),
                "--warmup", str(options.warmup),
            ]
            servers[network, mode] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
    deadline = time.time() + options.ready_seconds
    for key, server in list(servers.items()):
        answered = select.select([server.stdout], [], [], max(0.0, deadline - time.time()))[0]
        if not answered or server.stdout.readline().strip() != "ready":
            print("not ready:", *key, flush=True)
            server.kill()
            del servers[key]
    return servers


def measure_fmtui(options, network, batch, precision):
    command = [
        options.binary, "bench", network, "--device", options.device, "--batch", str(batch), "--precision", precision,
        "--steps", str(options.steps), "--chunks", "1", "--json",
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)["images_per_second"]


def measure_torch(options, server, mode, batch):
    server.stdin.write(f"{mode} {batch} {options.steps}\n")
    server.stdin.flush()
    return float(server.stdout.readline())


def table(options, seen, ours):
    ratios = [f"{mine} to {mode}" for mode in options.modes for mine in ours]
    columns = ["batch", *options.modes, *ours, *ratios]
    print(f"| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for network in options.networks:
        for batch in options.batches:
            rows = {mode: seen.get((network, batch, mode), []) for mode in [*options.modes, *ours]}
            cells = [f"{statistics.median(rates):,.0f}" if rates else "–" for rates in rows.values()]
            for mode in options.modes:
                for mine in ours:
                    rounds = [m / t for m, t in zip(rows[mine], rows[mode])]
                    cells.append(f"{statistics.median(rounds):.2f}" if rounds else "–")
            print(f"| {network} {common.NETWORKS[network]} | {batch} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_binary(parser)
    common.add_data_dir(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", type=common.letters, default="ABCDE")
    parser.add_argument("--batches", type=common.numbers, default=[64, 1024])
    parser.add_argument("--modes", type=lambda text: text.split(","), default=["eager", "compile", "compile_graphs"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=12, help="steps before anything is measured (default 12)")
    parser.add_argument("--ready-seconds", type=float, default=150, help="longest wait for compilation (default 150)")
    parser.add_argument("--wait-for", metavar="FILE", help="measure once this file is there")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options)
        return
    options.binary = common.fmtui_binary(options.binary)
    ours = ["fmtui-f32", "fmtui-tf32"] if options.device == "cuda" else ["fmtui-f32"]
    servers = start_servers(options)
    while options.wait_for and not os.path.exists(options.wait_for):
        time.sleep(0.5)
    print("measuring", flush=True)
    seen = {}
    try:
        for number in range(options.rounds):
            for network in options.networks:
                for batch in options.batches:
                    for mode in [*options.modes, *ours]:
                        if mode in ours:
                            rate = measure_fmtui(options, network, batch, mode.removeprefix("fmtui-"))
                        elif (network, mode) in servers:
                            rate = measure_torch(options, servers[network, mode], mode, batch)
                        else:
                            continue
                        seen.setdefault((network, batch, mode), []).append(rate)
                        print(number, network, batch, mode, round(rate), flush=True)
        table(options, seen, ours)
    finally:
        for server in servers.values():
            server.kill()


if __name__ == "__main__":
    main()
