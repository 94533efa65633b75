"""Random confusion matrices with scikit-learn's figures of them: tests/support/metrics.json is what this prints.

    pip install scikit-learn
    python scripts/sklearn_metrics.py > tests/support/metrics.json
"""

import json
import math
import random
import warnings

from sklearn import metrics

warnings.simplefilter("ignore")
random.seed(1)


def counts(classes):
    most = random.choice([1, 3, 20, 400])
    right = random.random()
    table = [
        [
            int(random.random() * most * (1 if true != predicted else 20 * right)) * (random.random() < 0.6)
            for predicted in range(classes)
        ]
        for true in range(classes)
    ]
    # Classes without support, classes never predicted, and both.
    for k in range(classes):
        if random.random() < 0.25:
            table[k] = [0] * classes
        if random.random() < 0.15:
            for row in table:
                row[k] = 0
    return table


def case(table):
    labels = [t for t, row in enumerate(table) for n in row for _ in range(n)]
    predictions = [p for row in table for p, n in enumerate(row) for _ in range(n)]
    expected = {"accuracy": metrics.accuracy_score(labels, predictions)}
    for mean in ("macro", "weighted"):
        figures = metrics.precision_recall_fscore_support(labels, predictions, average=mean, zero_division=0)
        for name, figure in zip(("precision", "recall", "f1"), figures):
            expected[f"{mean}_{name}"] = float(figure)
    expected["cohen_kappa"] = metrics.cohen_kappa_score(labels, predictions)
    expected["mcc"] = metrics.matthews_corrcoef(labels, predictions)
    f1 = metrics.f1_score(labels, predictions, average=None, labels=list(range(len(table))), zero_division=0)
    return {
        "counts": table,
        "expected": {k: None if math.isnan(v) else float(v) for k, v in expected.items()},
        "f1": [float(v) for v in f1],
    }


tables = [[[7]], [[0, 0], [0, 9]], [[0, 0], [9, 0]], [[4, 0, 0, 0], [0, 0, 0, 0], [0, 0, 5, 0], [0, 0, 0, 0]]]
while len(tables) < 60:
    table = counts(random.choice([2, 2, 3, 5, 10]))
    if sum(map(sum, table)) > 0:
        tables.append(table)
print("[")
print(",\n".join(json.dumps(case(table)) for table in tables))
print("]")
