#!/usr/bin/env python3
"""What scikit-learn and PyTorch reach with the settings of the study's perceptron and MLPs: test accuracy per seed.

    benches/torch/study_peers.py [--data-dir DIR] [--seeds 0,1,2] [--only NAME,…] [--fmtui [BINARY]]

With `--fmtui` it is fmtui that trains, the same presets without averaging (docs/results.md, "without
averaging"). Prints one JSON line per run and a markdown table at the end. The MLPs take minutes each on the full
Fashion-MNIST. Needs numpy, scikit-learn and torch; with fmtui the standard library only.
"""
import argparse
import json
import statistics
import subprocess
import tempfile
import warnings

import common

MLPS = {
    "mlp-20": (20,), "mlp-80": (80,), "mlp-20-20": (20, 20), "mlp-20-20-20": (20, 20, 20), "mlp-20-50-20": (20, 50, 20),
    "mlp-100-100-50-sweep": (100, 100, 50),
}
NAMES = ["perceptron", "mlp-100-100-50", *MLPS]


def read(directory):
    """Images as rows of pixels, and labels, of the training and the test set."""
    import numpy as np

    def idx(name):
        shape, data = common.read_idx(directory, name)
        return np.frombuffer(data, np.uint8).reshape(shape[0], -1)

    return [
        (idx(f"{split}-images-idx3-ubyte"), idx(f"{split}-labels-idx1-ubyte")[:, 0]) for split in ("train", "t10k")
    ]


def pooled(splits, seed):
    """The study's split: all images pooled, a random fifth for testing, every pixel standardised."""
    import numpy as np
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler
    x = np.concatenate([x for x, _ in splits]).astype(np.float32)
    y = np.concatenate([y for _, y in splits])
    x, xt, y, yt = train_test_split(x, y, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(x)
    return scaler.transform(x), y, scaler.transform(xt), yt


def scikit(splits, seed, make):
    import numpy as np
    x, y, xt, yt = pooled(splits, seed)
    model = make(seed).fit(x, y)
    return {"accuracy": round(float(model.score(xt, yt)), 4), "epochs": int(np.max(model.n_iter_))}


def perceptron(seed):
    from sklearn.linear_model import Perceptron
    return Perceptron(max_iter=1000, tol=1e-3, random_state=seed)


def mlp(hidden):
    from sklearn.neural_network import MLPClassifier
    return lambda seed: MLPClassifier(hidden, alpha=1e-3, batch_size=200, max_iter=200, tol=1e-4, random_state=seed)


def torch_mlp(splits, seed):
    """784→100→100→50→10, 20 epochs of Adam at 1e-3 in batches of 64: the last epoch's accuracy and the best one's."""
    import torch
    from torch import nn
    torch.manual_seed(seed)
    (x, y), (xt, yt) = [
        (torch.from_numpy((x / 255.0 - common.MEAN) / common.STD).float(), torch.from_numpy(y.copy()).long())
        for x, y in splits
    ]
    net = nn.Sequential(
        nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10)
    )
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


def fmtui(options, name, seed):
    data = options.data_dir.resolve()
    settings = ["train.ema=0", f"train.seed={seed}", f"data.split_seed={seed}", f"data.name={data.name}"]
    flags = [word for setting in settings for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as workspace:
        places = ["--workspace", workspace, "--data-dir", str(data), "--offline"]
        done = subprocess.run(
            [options.binary, "train", name, *places, *flags, "--json"], stdout=subprocess.PIPE, text=True, check=True
        )
    result = json.loads(done.stdout.splitlines()[-1])["result"]
    return {"accuracy": round(result["test"]["accuracy"], 4), "epochs": result["epochs"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_data_dir(parser)
    parser.add_argument("--seeds", type=common.numbers, default=[0, 1, 2], help="default 0,1,2")
    parser.add_argument("--only", type=lambda text: text.split(","), default=NAMES, help=f"default {','.join(NAMES)}")
    parser.add_argument(
        "--fmtui", nargs="?", const="", metavar="BINARY",
        help="train with fmtui instead (default: target/release/fmtui, else fmtui on the PATH)",
    )
    options = parser.parse_args()
    if unknown := set(options.only) - set(NAMES):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}")
    warnings.filterwarnings("ignore")
    by_fmtui = options.fmtui is not None
    if by_fmtui:
        options.binary = common.fmtui_binary(options.fmtui)
    else:
        splits = read(options.data_dir)
    rows = []
    for name in options.only:
        found = []
        for seed in options.seeds:
            if by_fmtui:
                reached = fmtui(options, name, seed)
            elif name == "mlp-100-100-50":
                reached = torch_mlp(splits, seed)
            else:
                reached = scikit(splits, seed, perceptron if name == "perceptron" else mlp(MLPS[name]))
            print(json.dumps({"name": name, "seed": seed, **reached}), flush=True)
            found.append(reached["accuracy"])
        peer = "PyTorch" if name == "mlp-100-100-50" else "scikit-learn"
        by = "fmtui" if by_fmtui else peer
        rows.append(f"| {name} | {by} | {', '.join(f'{a:.4f}' for a in found)} | {statistics.mean(found):.4f} |")
    print("\n| preset | trained by | test accuracy per seed | mean |\n|---|---|---|---:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
