#!/usr/bin/env python3
"""What scipy, statsmodels and scikit-learn make of random figures, for the tests of src/metrics.

    python3 scripts/significance.py > tests/support/significance.json

Needs numpy, scipy, statsmodels and scikit-learn.
"""

import json
import warnings

import numpy as np
from scipy import optimize, stats
from sklearn.metrics import average_precision_score, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

BINS = 15


def shares(rng):
    for _ in range(30):
        total = int(rng.integers(1, 20_000))
        hits = int(rng.choice([0, total, rng.integers(0, total + 1)]))
        low, high = proportion_confint(hits, total, method="wilson")
        yield {"hits": hits, "total": total, "low": low, "high": high}


def groups(rng):
    for _ in range(30):
        first, second = (rng.normal(rng.uniform(0.4, 0.95), rng.uniform(1e-4, 0.05), rng.integers(2, 12)) for _ in range(2))
        test = stats.ttest_ind(second, first, equal_var=False)
        interval = test.confidence_interval(0.95)
        own = stats.t.interval(0.95, len(first) - 1, first.mean(), stats.sem(first))
        yield {"first": list(first), "second": list(second), "mean": first.mean(), "deviation": first.std(ddof=1),
               "interval": list(own), "p": test.pvalue, "freedom": test.df, "difference": [interval.low, interval.high]}


def pairs(rng):
    for _ in range(40):
        first, second = (int(n) for n in rng.integers(0, rng.choice([3, 30, 300]), 2))
        exact = mcnemar([[10, first], [second, 10]], exact=True).pvalue if first + second else 1.0
        fewer, many = min(first, second), first + second
        mid = min(1.0, exact - stats.binom.pmf(fewer, many, 0.5)) if many else 1.0
        # Where the division is even, the exact test is cut off at 1 before the half is taken away.
        if many and first == second:
            mid = 2 * stats.binom.cdf(fewer, many, 0.5) - stats.binom.pmf(fewer, many, 0.5)
        yield {"first": first, "second": second, "exact": exact, "mid": min(1.0, mid)}


def calibrations(rng):
    for _ in range(12):
        classes, images = int(rng.integers(2, 8)), int(rng.integers(40, 140))
        logits = rng.normal(0, rng.uniform(0.5, 4), (images, classes))
        truth = logits / rng.uniform(0.6, 3)
        chances = np.exp(truth - truth.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        labels = np.array([rng.choice(classes, p=row) for row in chances])
        all_of = np.exp(logits - logits.max(1, keepdims=True))
        all_of /= all_of.sum(1, keepdims=True)
        all_of = np.maximum(np.round(all_of, 5), 1e-5)
        confidence, right = all_of.max(1), all_of.argmax(1) == labels
        places = np.clip(np.ceil(confidence * BINS).astype(int), 1, BINS)
        gaps = [(places == b).sum() * abs(confidence[places == b].mean() - right[places == b].mean())
                for b in range(1, BINS + 1) if (places == b).any()]

        def loss(inverse):
            scaled = np.log(all_of) * inverse
            return stats.entropy([1]) + np.mean(
                np.log(np.exp(scaled - scaled.max(1, keepdims=True)).sum(1)) + scaled.max(1) - scaled[range(images), labels])

        inverse = optimize.minimize_scalar(loss, bounds=(1e-3, 20), method="bounded", options={"xatol": 1e-10}).x
        own = labels == 0
        several = 0 < own.sum() < images
        yield {"probabilities": all_of.tolist(), "labels": labels.tolist(), "ece": sum(gaps) / images,
               "temperature": 1 / inverse, "auc": roc_auc_score(own, np.round(all_of[:, 0], 2)) if several else None,
               "average_precision": average_precision_score(own, np.round(all_of[:, 0], 2)) if several else None}


def main():
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(22)
    print(json.dumps({"shares": list(shares(rng)), "groups": list(groups(rng)), "pairs": list(pairs(rng)),
                      "calibrations": list(calibrations(rng))}, default=float))


if __name__ == "__main__":
    main()
