#!/usr/bin/env python3
"""Training speed on a GPU beside PyTorch: the GPU table of docs/PERFORMANCE.md.

    FMNIST_DIR=… scripts/gpu_table.py TORCH_BENCH FMTUI [--rounds 3] [--archs ABCDE] [--batches 64,1024] [--modes eager,compile,compile_graph]

TORCH_BENCH is the peer's script, scripts/torch_bench.py (its networks, data and step are taken), FMTUI a binary built with `--features cuda`. Every network
has a process of its own, which compiles before anything is measured; then all are measured in turn, round by round, PyTorch
and fmtui (in f32, and in TF32 as PyTorch computes convolutions) one after the other, alone on the machine. Prints a line for every
measurement, and a table of medians with the ratios of fmtui's f32 and TF32 to each of PyTorch's modes.
"""
import argparse, importlib.util, json, os, select, statistics, subprocess, sys, time

OURS = ["fmtui-f32", "fmtui-tf32"]
PRESETS = {"A": "mlp-100-100-50", "B": "lenet5", "C": "modern-lenet", "D": "improved-cnn", "E": "resnet18-scratch"}


def server(path, arch, batches, modes):
    """Answers every line `mode batch steps` with images a second."""
    import torch
    spec = importlib.util.spec_from_file_location("torch_bench", path)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    device = torch.device("cuda")
    runs = {}
    for mode in modes:
        for batch in batches:
            torch.manual_seed(0)
            model, size = peer.build(arch)
            model = model.to(device)
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
            compiled = {"compile": lambda: torch.compile(model), "compile_graph": lambda: torch.compile(model, mode="reduce-overhead")}
            runs[mode, batch] = (compiled.get(mode, lambda: model)(), optimizer)
            model.train()
    images, labels = (t.to(device) for t in peer.load("train", size))
    lossf, total = torch.nn.CrossEntropyLoss(), torch.zeros((), device=device)

    def run(mode, batch, steps):
        net, optimizer = runs[mode, batch]
        order = torch.randperm(len(images))
        for step in range(steps):
            at = step * batch % (len(images) - batch)
            picks = order[at:at + batch].to(device)
            x, y = images[picks], labels[picks]
            if arch == "E":
                x = x.expand(-1, 3, -1, -1).contiguous()
            optimizer.zero_grad()
            loss = lossf(net(x), y)
            loss.backward()
            optimizer.step()
            total.add_(loss.detach())
        torch.cuda.synchronize()

    for mode, batch in runs:
        run(mode, batch, 12)
    print("ready", flush=True)
    for line in sys.stdin:
        mode, batch, steps = line.split()
        batch, steps = int(batch), int(steps)
        run(mode, batch, 5)
        begun = time.perf_counter()
        run(mode, batch, steps)
        print(batch * steps / (time.perf_counter() - begun), flush=True)


def ours(fmtui, arch, batch, steps, precision):
    command = [fmtui, "bench", PRESETS[arch], "--device", "cuda", "--batch", str(batch), "--steps", str(steps), "--chunks", "1", "--json"]
    command += ["--precision", precision]
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(line)["images_per_second"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("peer")
    p.add_argument("fmtui")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--archs", default="ABCDE")
    p.add_argument("--batches", default="64,1024")
    p.add_argument("--modes", default="eager,compile,compile_graph")
    p.add_argument("--steps", type=int, default=200)
    p.add_argument("--ready-s", type=float, default=150, help="longest wait for a mode to compile")
    p.add_argument("--wait-for", help="a file that must be there before anything is measured")
    p.add_argument("--serve", help=argparse.SUPPRESS)
    a = p.parse_args()
    batches, modes = [int(b) for b in a.batches.split(",")], a.modes.split(",")
    if a.serve:
        return server(a.peer, a.serve, batches, modes)
    servers = {}
    for arch in a.archs:
        for mode in modes:
            command = [sys.executable, __file__, a.peer, a.fmtui, "--serve", arch, "--batches", a.batches, "--modes", mode]
            servers[arch, mode] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    deadline = time.time() + a.ready_s
    for key, s in list(servers.items()):
        if not select.select([s.stdout], [], [], max(0.0, deadline - time.time()))[0] or s.stdout.readline().strip() != "ready":
            print("not ready:", *key, flush=True)
            s.kill()
            del servers[key]
    while a.wait_for and not os.path.exists(a.wait_for):
        time.sleep(0.5)
    print("measuring", flush=True)
    seen = {}
    for number in range(a.rounds):
        for arch in a.archs:
            for batch in batches:
                for mode in modes + OURS:
                    if mode in OURS:
                        ips = ours(a.fmtui, arch, batch, a.steps, mode.removeprefix("fmtui-"))
                    elif (arch, mode) in servers:
                        s = servers[arch, mode]
                        s.stdin.write(f"{mode} {batch} {a.steps}\n")
                        s.stdin.flush()
                        ips = float(s.stdout.readline())
                    else:
                        continue
                    seen.setdefault((arch, batch, mode), []).append(ips)
                    print(number, arch, batch, mode, round(ips), flush=True)
    print("| | batch | " + " | ".join(modes + OURS + [f"{mine} to {mode}" for mode in modes for mine in OURS]) + " |")
    for arch in a.archs:
        for batch in batches:
            rows = {mode: seen[arch, batch, mode] for mode in modes + OURS if (arch, batch, mode) in seen}
            cells = [f"{statistics.median(rows[m]):,.0f}" if m in rows else "–" for m in modes + OURS]
            for mode in modes:
                for mine in OURS:
                    ratios = [m / t for m, t in zip(rows[mine], rows.get(mode, []))]
                    cells.append(f"{statistics.median(ratios):.2f}" if ratios else "–")
            print(f"| {arch} | {batch} | " + " | ".join(cells) + " |", flush=True)
    for s in servers.values():
        s.kill()


main()
