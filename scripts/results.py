#!/usr/bin/env python3
"""Writes the table of docs/results.md, and docs/runs/*.toml, from the finished runs of a workspace.

    scripts/results.py WORKSPACE

For every preset of the study the newest finished run of that name is taken; its record is copied to docs/runs
(without the host's name) and becomes a row beside the study's own figure. The text above the table is left as it
is. Python 3.11 or later, standard library only.
"""
import pathlib
import re
import sys
import tomllib

# Preset → the test accuracy the study reached (None: it has no figure for it).
STUDY = {
    "perceptron": 0.81,
    "mlp-20": 0.86, "mlp-50": 0.87, "mlp-80": 0.88, "mlp-100": 0.88, "mlp-150": 0.89, "mlp-200": 0.89,
    "mlp-20-l2": 0.87,
    "mlp-20-20": 0.86, "mlp-20-20-20": 0.86, "mlp-50-20": 0.87, "mlp-20-50-20": 0.86, "mlp-100-50": 0.88,
    "mlp-100-100-50-sweep": 0.89,
    "mlp-100-100-50": 0.899, "mlp-scratch": 0.899,
    "lenet5": 0.900, "lenet5-1998": None, "modern-lenet": 0.910, "improved-cnn": 0.930, "resnet18-scratch": 0.898,
}
COLUMNS = [
    "preset", "command", "parameters", "epochs", "train accuracy", "test accuracy", "macro F1", "without averaging",
    "training time", "the study", "difference",
]
HEADER = f"| {' | '.join(COLUMNS)} |"
RULE = "|---|---|" + "---:|" * (len(COLUMNS) - 2)


def clock(seconds):
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def newest_runs(workspace):
    """The newest finished run of each preset as it is shipped, and of each that averages without that."""
    averaged, plain = {}, {}
    for path in sorted(pathlib.Path(workspace, "profiles/runs").glob("*.toml")):
        profile = tomllib.loads(path.read_text())
        if profile.get("run", {}).get("status") == "finished":
            runs = averaged if profile["train"].get("ema", 0) > 0 else plain
            runs[profile["name"]] = (path, profile)
    return {**plain, **averaged}, {name: plain[name] for name in averaged.keys() & plain.keys()}


def keep(path, out):
    """Copies a record without the host's name."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(re.sub(r'(?m)^host = .*$', 'host = ""', path.read_text()))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(__file__).resolve().parent.parent
    out = root / "docs/runs"
    (runs, plain), rows = newest_runs(sys.argv[1]), []
    for name, study in STUDY.items():
        if name not in runs:
            print(f"no finished run of {name}", file=sys.stderr)
            continue
        path, profile = runs[name]
        keep(path, out / f"{name}.toml")
        result = profile["result"]
        train, test = result["train"], result["test"]
        figure = "–" if study is None else f"{study:.3f}"
        difference = "–" if study is None else f"{test['accuracy'] - study:+.4f}"
        without = "–"
        if name in plain:
            path, alone = plain[name]
            keep(path, out / f"plain/{name}.toml")
            without = f"[{alone['result']['test']['accuracy']:.4f}](runs/plain/{name}.toml)"
        cells = [
            f"[{name}](runs/{name}.toml)", f"`fmtui train {name}`", f"{result['parameters']:,}", str(result["epochs"]),
            f"{train['accuracy']:.4f}", f"{test['accuracy']:.4f}", f"{test['macro_f1']:.4f}", without,
            clock(result["seconds"]), figure, difference,
        ]
        rows.append(f"| {' | '.join(cells)} |")
    page = root / "docs/results.md"
    above, found, _ = page.read_text().partition(HEADER)
    if not found:
        sys.exit(f"{page} has no table that begins with\n{HEADER}")
    page.write_text("\n".join([above + HEADER, RULE, *rows]) + "\n")
    print(f"docs/results.md: {len(rows)} of {len(STUDY)} presets")


main()
