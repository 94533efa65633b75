#!/usr/bin/env python3
"""Prints tests/numerics/early_stopping/lightning.txt: when Lightning's `EarlyStopping` ends a run, for 72 curves.

    pip install lightning
    python3 scripts/lightning_early_stopping.py > tests/numerics/early_stopping/lightning.txt

A line is: mode, patience, min_delta, the figure epoch by epoch, and Lightning's count of epochs without improvement
after each. Where the last count is the patience, Lightning ended the run there. Everything is float64.
`check_finite` is off: it would end the run at the first figure that is not finite, and fmtui goes on until the
patience is used up.
"""
import math
import random

import torch
from lightning.pytorch.callbacks import EarlyStopping

EPOCHS = 17
SETTINGS = [(patience, min_delta) for patience in (1, 2, 3, 5) for min_delta in (0.0, 0.01, 0.125)]


def curves():
    """Twelve falling curves; `max` takes 1 minus each."""
    rng = random.Random(72)
    yield [0.5] * EPOCHS
    yield [1.0, 0.5] + [0.5] * 10
    yield [0.9, 0.9, 0.8, 0.8, 0.7, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]
    yield [1 - 0.01 * i for i in range(EPOCHS)]
    yield [1 - 0.004 * i for i in range(EPOCHS)]
    yield [1 - 0.125 * (i // 3) for i in range(EPOCHS)]
    yield [0.5, math.nan, 0.4, math.nan, math.nan, math.nan, 0.3, 0.3, 0.3]
    yield [math.nan, math.inf, 0.7, 0.6, 0.6, math.nan, 0.6, -math.inf, -math.inf, 0.5]
    yield [0.4, 0.45, 0.4, 0.5, 0.4, 0.399, 0.4, 0.4]
    yield [1 - 0.05 * i + rng.choice([0, 0, 0.05, 0.1]) for i in range(EPOCHS)]
    yield [1 - 0.05 * i + rng.choice([0, 0.05, 0.1, 0.15]) for i in range(EPOCHS)]
    yield [rng.random() for _ in range(EPOCHS)]


def counts(mode, patience, min_delta, curve):
    """Epochs without improvement after each epoch, as far as the run went."""
    stopping = EarlyStopping("figure", mode=mode, patience=patience, min_delta=min_delta, check_finite=False)
    for value in curve:
        stop, _ = stopping._evaluate_stopping_criteria(torch.tensor(value, dtype=torch.float64))
        yield stopping.wait_count
        if stop:
            return


def main():
    for i, curve in enumerate(curves()):
        for k in range(6):
            mode, (patience, min_delta) = ("min", "max")[k % 2], SETTINGS[(7 * i + 5 * (k // 2)) % len(SETTINGS)]
            figures = [round(value if mode == "min" else 1 - value, 3) for value in curve]
            stale = list(counts(mode, patience, min_delta, figures))
            print(mode, patience, min_delta, "|", *figures[: len(stale)], "|", *stale)


if __name__ == "__main__":
    main()
