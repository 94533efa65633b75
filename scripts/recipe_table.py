#!/usr/bin/env python3
"""2,000 recipes of Fashion-MNIST, trained once: the table in which src/search/tests/table.rs searches, and Optuna's search.

    fmtui sweep scripts/recipe_table.toml --detach        # about an hour on two cores
    scripts/recipe_table.py make SWEEPS/recipe_table/journal.log
    pip install optuna==5.0.0 numpy
    scripts/recipe_table.py compare [--seeds 50]

`make` writes src/search/tests/recipes.json.gz: for each recipe the places of its values, the validation images of
10,000 that were right after each epoch, and how many of the best epoch. `compare` has fmtui and Optuna search it, 100
trials for each seed, and prints mean regrets: how far the best that was found is from the best of the table.
"""

import argparse
import gzip
import json
import os
import subprocess
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "src/search/tests/recipes.json.gz"
ORDERED = {"model.hidden", "train.optimizer.learning_rate", "train.optimizer.weight_decay"}
WHEN = {"model.hidden": ("model.architecture", "mlp"), "train.schedule.kind": ("model.architecture", "lenet5-1998")}
TRIALS = 100


def make(path):
    trials, values = {}, {}
    for line in Path(path).read_text().splitlines():
        entry = json.loads(line)
        code = entry["op_code"]
        if code == 4:
            trial = trials[len(trials)] = {"at": {}, "curve": {}, "value": None}
            for name, inside in entry.get("params", {}).items():
                choices = json.loads(entry["distributions"][name])["attributes"]["choices"]
                known = values.setdefault(name, [str(choice) for choice in choices])
                assert known == [str(choice) for choice in choices]
                trial["at"][name] = int(inside)
        elif code == 7:
            trials[entry["trial_id"]]["curve"][entry["step"]] = entry["intermediate_value"]
        elif code == 6:
            assert entry["state"] in (0, 1, 3), entry
            if entry["state"] == 1:
                trials[entry["trial_id"]]["value"] = entry["values"][0]
    images = lambda share: None if share is None else round(10000 * share)
    curve = lambda trial: [images(trial["curve"][epoch]) for epoch in sorted(trial["curve"])]
    recipes = [{"at": t["at"], "curve": curve(t), "value": images(t["value"])} for t in trials.values()]
    recipes.sort(key=lambda recipe: sorted(recipe["at"].items()))
    assert len(recipes) == 2000 and len({str(sorted(r["at"].items())) for r in recipes}) == 2000, len(recipes)
    assert all(len(r["curve"]) == 9 for r in recipes if r["value"] is not None)
    parameters = [{"name": name, "values": values[name], "is_ordered": name in ORDERED, "when": WHEN.get(name)}
                  for name in sorted(values)]
    text = json.dumps({"parameters": parameters, "recipes": recipes}, separators=(",", ":"))
    TABLE.write_bytes(gzip.compress(text.encode(), mtime=0))
    done = [r["value"] for r in recipes if r["value"] is not None]
    print(f"{len(recipes)} recipes, {len(recipes) - len(done)} of them without a value; "
          f"the best has {max(done) / 100} %, the median {sorted(done)[len(done) // 2] / 100} %")


def optunas(table, seeds):
    import optuna

    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parameters = sorted(table["parameters"], key=lambda p: p["when"] is not None)
    values = {tuple(sorted(r["at"].items())): r["value"] for r in table["recipes"]}
    best = max(value for value in values.values() if value is not None)

    def objective(trial):
        at, chosen = {}, {}
        for p in parameters:
            if p["when"] and chosen[p["when"][0]] != p["when"][1]:
                continue
            if p["is_ordered"]:
                at[p["name"]] = trial.suggest_int(p["name"], 0, len(p["values"]) - 1)
            else:
                chosen[p["name"]] = trial.suggest_categorical(p["name"], p["values"])
                at[p["name"]] = p["values"].index(chosen[p["name"]])
        value = values[tuple(sorted(at.items()))]
        return float("nan") if value is None else value / 1e4

    regrets = []
    for seed in range(seeds):
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        study.optimize(objective, n_trials=TRIALS)
        regrets.append(best / 1e4 - study.best_value)
    return regrets


def compare(seeds):
    import numpy as np

    table = json.loads(gzip.decompress(TABLE.read_bytes()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        subprocess.run(["cargo", "test", "--quiet", "--lib", "search::tests::table::figures", "--", "--ignored"], cwd=ROOT,
                       check=True, env=os.environ | {"FMTUI_FIGURES": str(path)}, stdout=subprocess.DEVNULL)
        ours = json.loads(path.read_text())
    theirs = np.array(optunas(table, seeds))
    rng = np.random.default_rng(0)
    means = lambda x: np.mean(x[rng.integers(0, len(x), (20000, len(x)))], axis=1)
    for name in ("random", "tpe", "tpe+asha"):
        regret = np.array(ours[name])
        print(f"{name:9} mean regret {regret.mean():.4f} ± {regret.std(ddof=1) / len(regret) ** 0.5:.4f}")
    print(f"Optuna    mean regret {theirs.mean():.4f} ± {theirs.std(ddof=1) / len(theirs) ** 0.5:.4f}")
    low, high = np.quantile(means(np.array(ours["tpe"])) - means(theirs), [0.025, 0.975])
    print(f"tpe less Optuna: {np.mean(ours['tpe']) - theirs.mean():+.4f}, 95 % {low:+.4f} … {high:+.4f}")
    difference = np.mean(ours["tpe+asha"]) - np.mean(ours["tpe"])
    print(f"tpe+asha less tpe: {difference:+.4f}, with {ours['share']:.3f} of the epochs")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make").add_argument("journal")
    commands.add_parser("compare").add_argument("--seeds", type=int, default=50)
    arguments = parser.parse_args()
    make(arguments.journal) if arguments.command == "make" else compare(arguments.seeds)


main()
