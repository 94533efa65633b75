#!/usr/bin/env python3
"""Prints the learning rates that PyTorch's schedulers give, for tests/numerics/torch_schedules.rs.

    python3 scripts/torch_schedules.py --random 300 --seed 1 > tests/numerics/torch_schedules/cases.txt
    echo "cosine 0.1 10 200 2.5 1 0.1 0.01 | 0 1 2 3 199" | python3 scripts/torch_schedules.py

A case is a line: kind, base rate, steps per epoch, steps in all, then warmup_epochs, step_epochs, gamma and
final_factor of `[train.schedule]`, and after a bar the steps that are asked for. It is printed again with the rates
after a second bar, `-` where PyTorch gives none. `multi-step` is the kind `step` with `milestones`, which stand in
the place of step_epochs with commas between. With w = warmup_epochs × steps per epoch:

- one-cycle: `OneCycleLR(total_steps, pct_start = w / total, or 0.3 where w is 0)`, stepped through. Where pct_start
  × total is 1, PyTorch divides zero by zero in step 0.
- others, w whole: `SequentialLR` of `LambdaLR` with min(1, (step + 1) / w) and `StepLR`, `MultiStepLR` or
  `CosineAnnealingLR`, stepped through: their chainable forms.
- others, w or the steps between drops no whole number, which the chainable forms cannot have: `_get_closed_form_lr`
  of the same schedulers at step − w.
"""
import argparse
import math
import random
import sys
import warnings

import torch
from torch.optim import lr_scheduler as torch_schedules

warnings.filterwarnings("ignore")  # that the optimizer takes no steps


def whole(value):
    """The whole number that `value` is, but for rounding; else `value`."""
    return round(value) if abs(value - round(value)) < 1e-9 else value


def optimizer(base):
    return torch.optim.SGD([torch.zeros(1)], lr=base)


def stepped(make, base, total):
    """The rate of every step."""
    sgd = optimizer(base)
    scheduler = make(sgd)
    for step in range(total):
        yield sgd.param_groups[0]["lr"]
        if step + 1 < total:
            scheduler.step()


def one_cycle(base, total, warmup):
    share = min(warmup / total, 1.0) if warmup > 0 else 0.3
    if abs(share * total - 1) < 1e-9:
        yield None
        # What follows is defined, but not to be had from a scheduler that fails in its constructor.
        yield from (None for _ in range(total - 1))
        return
    make = lambda sgd: torch_schedules.OneCycleLR(
        sgd, max_lr=base, total_steps=total, pct_start=float(share), cycle_momentum=False
    )
    yield from stepped(make, base, total)


def main_part(kind, base, left, between, gamma, final):
    """What comes after the warm-up, as a function of the optimizer."""
    return {
        "constant": lambda sgd: torch_schedules.LambdaLR(sgd, lambda _: 1.0),
        "step": lambda sgd: torch_schedules.StepLR(sgd, between, gamma),
        "multi-step": lambda sgd: torch_schedules.MultiStepLR(sgd, between, gamma),
        "cosine": lambda sgd: torch_schedules.CosineAnnealingLR(sgd, left, base * final),
    }[kind]


def rates(kind, base, per_epoch, total, warmup_epochs, step_epochs, gamma, final):
    warmup = warmup_epochs * per_epoch
    if kind == "one-cycle":
        yield from one_cycle(base, total, warmup)
        return
    warmup = whole(warmup)
    if kind == "multi-step":
        between = [whole(epoch * per_epoch) for epoch in step_epochs]
        are_whole = all(isinstance(step, int) for step in between)
    else:
        between = max(whole(step_epochs * per_epoch), 1)
        are_whole = isinstance(between, int)
    main = main_part(kind, base, max(total - warmup, 1), between, gamma, final)
    rise = lambda step: min(1.0, (step + 1) / warmup)
    if isinstance(warmup, int) and are_whole:
        if warmup == 0:
            yield from stepped(main, base, total)
            return
        make = lambda sgd: torch_schedules.SequentialLR(
            sgd, [torch_schedules.LambdaLR(sgd, rise), main(sgd)], milestones=[warmup]
        )
        yield from stepped(make, base, total)
        return
    closed = main(optimizer(base))
    for step in range(total):
        closed.last_epoch = step - warmup
        if step < warmup:
            yield base * rise(step)
        else:
            yield base if kind == "constant" else closed._get_closed_form_lr()[0]


def rounded(value):
    return float(f"{value:.4g}")


def random_milestones(rng, per_epoch, total):
    """Up to four, in any order, some of them equal, some where there is no step."""
    one = rng.choice([
        lambda: rng.randint(1, total + 2) / per_epoch,
        lambda: rounded(rng.uniform(0.01, total / per_epoch)),
    ])
    milestones = [one() for _ in range(rng.randint(1, 4))]
    return milestones + milestones[: rng.randint(0, 1)]


def random_case(rng, only=None):
    per_epoch = round(math.exp(rng.uniform(0, math.log(60))))
    epochs = round(math.exp(rng.uniform(0, math.log(20))))
    total = per_epoch * epochs
    warmup = rng.choice([
        lambda: 0.0,
        lambda: rng.randint(0, total) / per_epoch,
        lambda: min(rng.randint(0, 8) / per_epoch, epochs),
        lambda: rounded(rng.uniform(0, epochs)),
        lambda: min(rounded(rng.uniform(0, 3) / per_epoch), epochs),
    ])()
    between = rng.choice([lambda: rng.randint(1, total) / per_epoch, lambda: rounded(rng.uniform(0.01, epochs))])()
    kind = rng.choice(["constant", "step", "step", "cosine", "cosine", "one-cycle", "one-cycle", "one-cycle"])
    kind = only or kind
    if kind == "multi-step":
        between = random_milestones(rng, per_epoch, total)
    base, gamma = rounded(10 ** rng.uniform(-4, 0)), rounded(10 ** rng.uniform(-2, 0))
    final = rng.choice([0.0, rounded(rng.random())])
    end = warmup * per_epoch
    around = [math.floor(end) - 1, math.floor(end), math.ceil(end)]
    near = [0, 1, *around, rng.randrange(total), rng.randrange(total), total - 1]
    if kind == "multi-step":
        drops = [math.floor(end + epoch * per_epoch) for epoch in between]
        near += [step + away for step in drops for away in (-1, 0, 1)]
    steps = range(total) if total < 8 else sorted({step for step in near if 0 <= step < total})
    return (kind, base, per_epoch, total, warmup, between, gamma, final), steps


def asked(line):
    settings, steps = line.split("|")
    kind, base, per_epoch, total, warmup, between, gamma, final = settings.split()
    between = [float(epoch) for epoch in between.split(",")]
    between = between if kind == "multi-step" else between[0]
    course = kind, float(base), int(per_epoch), int(total), float(warmup), between, float(gamma), float(final)
    return course, [int(step) for step in steps.split()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int, help="so many cases instead of those on the standard input")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", help="random cases of this kind alone")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    if arguments.random is None:
        cases = [asked(line) for line in sys.stdin]
    else:
        cases = [random_case(rng, arguments.kind) for _ in range(arguments.random)]
    for settings, steps in cases:
        every = list(rates(*settings))
        answers = ["-" if every[step] is None else repr(float(every[step])) for step in steps]
        settings = (",".join(map(str, part)) if isinstance(part, list) else part for part in settings)
        print(*settings, "|", *steps, "|", *answers)


if __name__ == "__main__":
    main()
