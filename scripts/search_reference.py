#!/usr/bin/env python3
"""What Optuna makes of random studies: src/search/tests/optuna.json.gz, to which the search is held.

    pip install optuna==5.0.0
    scripts/search_reference.py

Each study is a journal as Optuna writes it, with what Optuna says of it: its trials, how TPE splits them, the densities
of the best and of the rest at points, importance, the best trial, and which trials the median pruner gives up.
"""

import functools
import gzip
import json
import math
import os
import pathlib
import random
import tempfile
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.samplers._tpe import sampler as tpe
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

warnings.filterwarnings("ignore")
# Equal values weigh differently by their age, and have no order in numpy's usual sort.
np.argsort = functools.partial(np.argsort, kind="stable")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def distribution(rng):
    kind = rng.randrange(6)
    if kind == 0:
        return FloatDistribution(rng.uniform(-5, 0), rng.uniform(0.1, 10))
    if kind == 1:
        return FloatDistribution(10 ** rng.uniform(-6, -2), 10 ** rng.uniform(-1, 2), log=True)
    if kind == 2:
        step = rng.choice([0.1, 0.25, 2.0])
        return FloatDistribution(0.0, step * rng.randint(2, 30), step=step)
    if kind == 3:
        return IntDistribution(rng.randint(-3, 3), rng.randint(4, 40), step=1)
    if kind == 4:
        return IntDistribution(rng.randint(1, 9), rng.randint(20, 2000), log=True)
    return CategoricalDistribution(rng.sample(["a", "b", None, True, 7, 0.5, "adamw"], rng.randint(2, 5)))


def suggest(trial, name, dist):
    if isinstance(dist, CategoricalDistribution):
        return trial.suggest_categorical(name, dist.choices)
    if isinstance(dist, IntDistribution):
        return trial.suggest_int(name, dist.low, dist.high, step=dist.step, log=dist.log)
    return trial.suggest_float(name, dist.low, dist.high, step=dist.step, log=dist.log)


def one(seed, folder):
    rng = random.Random(seed)
    path = os.path.join(folder, f"{seed}.log")
    direction = rng.choice(["minimize", "maximize"])
    storage = JournalStorage(JournalFileBackend(path))
    study = optuna.create_study(
        study_name=f"study {seed} ☃", storage=storage, direction=direction,
        sampler=optuna.samplers.RandomSampler(seed=seed))
    study.set_user_attr("of", {"a": [1, None, "x"]})
    always = {f"p{i}": distribution(rng) for i in range(rng.randint(1, 4))}
    sometimes = {f"q{i}": distribution(rng) for i in range(rng.randint(0, 2))}
    pruner = MedianPruner(n_startup_trials=rng.choice([1, 5]), n_warmup_steps=rng.choice([0, 2]))
    given_up = []
    for number in range(rng.choice([3, 14, 30, 60])):
        trial = study.ask()
        values = [suggest(trial, n, d) for n, d in always.items()]
        if rng.random() < 0.6:
            values += [suggest(trial, n, d) for n, d in sometimes.items()]
        loss = sum(v if isinstance(v, float) else len(str(v)) for v in values) + rng.gauss(0, 0.5)
        for step in range(rng.randint(0, 5)):
            odd = rng.random()
            value = math.nan if odd < 0.03 else math.inf if odd < 0.05 else loss + rng.gauss(0, 1) / (step + 1)
            trial.report(value, step)
            frozen = study._storage.get_trial(trial._trial_id)
            if pruner.prune(study, frozen):
                given_up.append([number, step])
        end = rng.random()
        if end < 0.6:
            study.tell(trial, loss)
        elif end < 0.8:
            study.tell(trial, state=TrialState.PRUNED)
        elif end < 0.9:
            study.tell(trial, state=TrialState.FAIL)
    study.enqueue_trial({"p0": 1})
    number = len(study.trials)
    expected = dict(
        direction=direction,
        pruner=[pruner._n_startup_trials, pruner._n_warmup_steps],
        given_up=given_up,
        trials=[
            dict(
                state=t.state.name,
                value=t.value if t.value is None or math.isfinite(t.value) else repr(t.value),
                params={k: [d.to_internal_repr(t.params[k]), t.params[k]] for k, d in t.distributions.items()},
                reports=sorted([k, repr(v)] for k, v in t.intermediate_values.items()),
                started=t.datetime_start and t.datetime_start.timestamp(),
            )
            for t in study.trials
        ],
    )
    complete = [t for t in study.trials if t.state == TrialState.COMPLETE]
    if complete:
        expected["best"] = study.best_trial.number
    if len(complete) > 1:
        expected["importance"] = optuna.importance.get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator())
    # Densities of both parts, over the parameters that are always there.
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    trials = [t for t in study.get_trials(states=states) if set(always) <= set(t.params)]
    over = sum(t.state != TrialState.RUNNING for t in trials)
    below, above = tpe._split_trials(study, trials, tpe.default_gamma(over))
    sampler = TPESampler(seed=seed)
    points = [{k: (np.float64(d.to_internal_repr(v))) for k, d in always.items()
               for v in [optuna.samplers.RandomSampler(seed=seed * 100 + i).sample_independent(study, None, k, d)]}
              for i in range(5)]
    columns = {k: np.array([p[k] for p in points]) for k in always}
    density = lambda part, low: sampler._build_parzen_estimator(study, always, part, low).log_pdf(columns).tolist()
    plain = lambda values: [v if math.isfinite(v) else repr(v) for v in values]
    expected["split"] = dict(
        number=number,
        below=[t.number for t in below],
        above=[t.number for t in above],
        names=list(always),
        points=[[float(p[k]) for k in always] for p in points],
        below_density=plain(density(below, True)),
        above_density=plain(density(above, False)),
    )
    with open(path) as journal:
        return dict(journal=journal.read(), expected=expected)


OUT = pathlib.Path(__file__).parent.parent / "src/search/tests/optuna.json.gz"

with tempfile.TemporaryDirectory() as folder:
    studies = [one(seed, folder) for seed in range(16)]
    text = json.dumps(studies, separators=(",", ":"))
    OUT.write_bytes(gzip.compress(text.encode(), mtime=0))
