#!/usr/bin/env python3
"""What scikit-learn and PyTorch themselves reach with the settings of the study's perceptron and MLPs: test accuracy, seed by seed.

    scripts/study_peers.py FASHION_MNIST_DIR [--seeds 0 1 2] [--only NAME …] [--fmtui BINARY]

FASHION_MNIST_DIR holds the four IDX files, gzipped. Needs numpy, scikit-learn and torch, which fmtui itself does not. With --fmtui it is fmtui
that trains, the same presets without averaging. Prints one JSON line a run and a markdown table at the end. The MLPs take minutes each.
"""
import argparse
import gzip
import json
import pathlib
import statistics
import subprocess
import tempfile
import warnings

import numpy as np

MLPS = {
    "mlp-20": (20,), "mlp-80": (80,), "mlp-20-20": (20, 20), "mlp-20-20-20": (20, 20, 20), "mlp-20-50-20": (20, 50, 20),
    "mlp-100-100-50-sweep": (100, 100, 50),
}


def read(directory):
    def idx(name, header, shape):
        data = np.frombuffer(gzip.open(directory / name).read(), np.uint8, offset=header)
        return data.reshape(shape)
    parts = [(idx(f"{part}-images-idx3-ubyte.gz", 16, (-1, 784)), idx(f"{part}-labels-idx1-ubyte.gz", 8, -1)) for part in ("train", "t10k")]
    return parts


def pooled(parts, seed):
    """The study's split: all 70,000 pictures, a random fifth for testing, every pixel standardised."""
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler
    x = np.concatenate([x for x, _ in parts]).astype(np.float32)
    y = np.concatenate([y for _, y in parts])
    x, xt, y, yt = train_test_split(x, y, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(x)
    return scaler.transform(x), y, scaler.transform(xt), yt


def scikit(parts, seed, make):
    x, y, xt, yt = pooled(parts, seed)
    model = make(seed).fit(x, y)
    return {"accuracy": round(float(model.score(xt, yt)), 4), "epochs": int(np.max(model.n_iter_))}


def perceptron(seed):
    from sklearn.linear_model import Perceptron
    return Perceptron(max_iter=1000, tol=1e-3, random_state=seed)


def mlp(hidden):
    from sklearn.neural_network import MLPClassifier
    return lambda seed: MLPClassifier(hidden, alpha=1e-3, batch_size=200, max_iter=200, tol=1e-4, random_state=seed)


def torch_mlp(parts, seed):
    """784→100→100→50→10, 20 epochs of Adam at 1e-3 in batches of 64, constant, standard split; the last epoch's accuracy and the best one's."""
    import torch
    from torch import nn
    torch.manual_seed(seed)
    (x, y), (xt, yt) = [(torch.from_numpy((x / 255.0 - 0.2859) / 0.3530).float(), torch.from_numpy(y.astype(np.int64))) for x, y in parts]
    net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    reached = []
    for _ in range(20):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            reached.append(float((net(xt).argmax(1) == yt).float().mean()))
    return {"accuracy": round(reached[-1], 4), "best_epoch": round(max(reached), 4), "epochs": 20}


def fmtui(binary, name, seed):
    settings = ["train.ema=0", f"train.seed={seed}", f"data.split_seed={seed}"]
    flags = [word for setting in settings for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as workspace:
        done = subprocess.run([binary, "--workspace", workspace, "train", name, *flags, "--json"], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])["result"]
    return {"accuracy": round(result["test"]["accuracy"], 4), "epochs": result["epochs"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=["perceptron", "mlp-100-100-50", *MLPS])
    parser.add_argument("--fmtui", help="fmtui's binary, to train with it")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    parts = read(options.directory)
    rows = []
    for name in options.only:
        found = []
        for seed in options.seeds:
            if options.fmtui:
                reached = fmtui(options.fmtui, name, seed)
            elif name == "mlp-100-100-50":
                reached = torch_mlp(parts, seed)
            else:
                reached = scikit(parts, seed, perceptron if name == "perceptron" else mlp(MLPS[name]))
            print(json.dumps({"name": name, "seed": seed, **reached}), flush=True)
            found.append(reached["accuracy"])
        by = "fmtui" if options.fmtui else "PyTorch" if name == "mlp-100-100-50" else "scikit-learn"
        rows.append(f"| {name} | {by} | {', '.join(f'{a:.4f}' for a in found)} | {statistics.mean(found):.4f} |")
    print("\n| preset | trained by | test accuracy, seed by seed | mean |\n|---|---|---|---:|\n" + "\n".join(rows))


if __name__ == "__main__":
    main()
