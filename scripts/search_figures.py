#!/usr/bin/env python3
"""fmtui's samplers beside Optuna's on three functions: medians of the best value after 25, 50 and 100 trials.

    pip install optuna==5.0.0 numpy
    scripts/search_figures.py [--seeds 100]

Runs both here, with the same seeds' count, and prints the difference of the medians (fmtui's less Optuna's; less is
better) with its 95 % bootstrap interval. Some minutes.
"""

import argparse
import json
import math
import os
import subprocess
import tempfile
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
import optuna

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

A = np.array([[10, 3, 17, 3.5, 1.7, 8], [.05, 10, 17, .1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, .05, 10, .1, 14]])
P = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                     [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])
ALPHA = np.array([1, 1.2, 3, 3.2])


def branin(t):
    x, y = t.suggest_float("x", -5, 10), t.suggest_float("y", 0, 15)
    b, c, s = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - s) * math.cos(x) + 10


def hart6(t):
    x = np.array([t.suggest_float(f"x{i}", 0, 1) for i in range(6)])
    return float(-np.sum(ALPHA * np.exp(-np.sum(A * (x - P) ** 2, axis=1))))


def mixed(t):
    opt = t.suggest_categorical("opt", ["sgd", "adam", "adamw"])
    lr = t.suggest_float("lr", 1e-5, 1.0, log=True)
    batch = t.suggest_int("batch", 16, 1024, log=True)
    arch = t.suggest_categorical("arch", ["mlp", "cnn"])
    best = {"sgd": -1.0, "adam": -3.0, "adamw": -2.7}[opt] + 0.5 * math.log10(batch / 128)
    f = (math.log10(lr) - best) ** 2
    if opt == "sgd":
        f += 2 * (t.suggest_float("momentum", 0.0, 0.99) - 0.9) ** 2 + 0.05
    else:
        f += 0.05 * (math.log10(t.suggest_float("wd", 1e-6, 1e-1, log=True)) + 3) ** 2
    if arch == "cnn":
        f += 0.1 * (math.log2(t.suggest_int("width", 8, 128, log=True)) - 6) ** 2
        f += (t.suggest_float("drop", 0, 0.7) - 0.25) ** 2
    else:
        f += 0.05 * (math.log2(t.suggest_int("hidden", 32, 2048, log=True)) - 9) ** 2 + 0.3
    return f + 0.02 * (math.log2(batch) - 7) ** 2


def optunas(function, seeds):
    rows = []
    for seed in range(seeds):
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        study.optimize(function, n_trials=100)
        best = np.minimum.accumulate([trial.value for trial in study.trials])
        rows.append([best[24], best[49], best[99]])
    return np.array(rows)


def interval(ours, theirs, draws=20000):
    rng = np.random.default_rng(0)
    pick = lambda x: np.median(x[rng.integers(0, len(x), (draws, len(x)))], axis=1)
    return np.quantile(pick(ours) - pick(theirs), [0.025, 0.975])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--debug", action="store_true", help="builds fmtui's tests without optimisation")
    arguments = parser.parse_args()
    seeds = arguments.seeds
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        profile = [] if arguments.debug else ["--release"]
        subprocess.run(
            ["cargo", "test", *profile, "--quiet", "--lib", "search::figures::figures", "--", "--ignored"],
            cwd=root, check=True, env=os.environ | {"FMTUI_FIGURES": str(path)}, stdout=subprocess.DEVNULL)
        ours = json.loads(path.read_text())
    reached = cells = 0
    print(f"{'function':9} {'trials':>6} {'random':>8} {'sobol':>8} {'fmtui':>8} {'Optuna':>8}   difference, 95 %")
    for function in (branin, hart6, mixed):
        name = function.__name__
        theirs = optunas(function, seeds)
        for at, trials in enumerate((25, 50, 100)):
            column = {s: np.array(ours[name][s])[:, at] for s in ("random", "sobol", "tpe")}
            low, high = interval(column["tpe"], theirs[:, at])
            cells += 1
            reached += low <= 0
            medians = [np.median(column[s]) for s in ("random", "sobol", "tpe")] + [np.median(theirs[:, at])]
            print(f"{name:9} {trials:6} " + " ".join(f"{m:8.4f}" for m in medians)
                  + f"   {medians[2] - medians[3]:+.4f}  {low:+.4f} … {high:+.4f}", flush=True)
    print(f"as good as Optuna's or better in {reached} of {cells}")


main()
