"""Explaining and scoring: 300 trees x 31 leaves on 30 features, one thread"""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.common import Row, clock
from engine.prediction import drivers, treeshap

if TYPE_CHECKING:
    from lightgbm import Booster

CUSTOMERS, MILLION, SAMPLE, PREDICTED, TOLD = 10_000, 1_000_000, 1_000, 100_000, 100_000
FEATURES, CATEGORIES, TREES, LEAVES = 30, 3, 300, 31


def run(_real_data: Path) -> list[Row]:
    """Contributions and scores against LightGBM's own, in the same run; no file is read."""
    X, booster = world(CUSTOMERS, seed=1)
    with clock() as first:
        treeshap.explainer(booster).contributions(X[:10])
    with clock() as build:
        explainer = treeshap.explainer(booster)
    ours = cpu(lambda: explainer.contributions(X), 5)
    theirs = cpu(lambda: booster.predict(X[:SAMPLE], pred_contrib=True), 1) * CUSTOMERS / SAMPLE
    told = booster.predict(X[:SAMPLE], pred_contrib=True)
    worst = float(np.abs(explainer.contributions(X[:SAMPLE]) - told).max())
    return [
        Row("10,000 customers explained exactly", f"{ours:.2f} CPU s ({CUSTOMERS / ours:,.0f} rows/s)", "<= .6 CPU s",
            ours <= 0.6, "median of 5, after warm-up; 5 % missing, 3 columns of categories"),
        Row("the same by LightGBM's pred_contrib", f"{theirs:.1f} CPU s ({CUSTOMERS / theirs:,.0f} rows/s)",
            note=f"from {SAMPLE:,} rows; {theirs / ours:.0f} times as long"),
        Row("largest difference from pred_contrib", f"{worst:.1e}", "<= 1e-6", worst <= 1e-6, f"{SAMPLE:,} rows"),
        Row("tables made ready", f"{build.cpu:.2f} CPU s, {explainer.tables.bytes / 2**20:.0f} MB",
            note=f"once per model; a process's very first call: {first.cpu:.1f} CPU s (numba loads or compiles)"),
        *scoring(X, booster), words(),
    ]


def scoring(X: np.ndarray, booster: Booster) -> list[Row]:
    """A million rows through QuickScorer and as many as needed through LightGBM's predict."""
    many = np.tile(X, (MILLION // len(X), 1))
    treeshap.raw_scores(booster, many[:50_000])
    before = peak()
    ours = MILLION / cpu(lambda: treeshap.raw_scores(booster, many), 1)
    grown = peak() - before
    theirs = median(PREDICTED / cpu(lambda: booster.predict(many[:PREDICTED], raw_score=True), 1) for _ in range(3))
    some = many[:PREDICTED]
    same = np.array_equal(treeshap.raw_scores(booster, some), booster.predict(some, raw_score=True))
    return [
        Row("1,000,000 customers scored", f"{ours:,.0f} rows per CPU s", f">= LightGBM's {theirs:,.0f}", ours >= theirs,
            f"{ours / theirs:.1f} times LightGBM's; {grown:.0f} MB beyond the data's {many.nbytes / 2**20:.0f} MB"),
        Row("scores equal to LightGBM's, to the last bit", "yes" if same else "no", "yes", same, f"{PREDICTED:,} rows"),
    ]


def words() -> Row:
    """Top-3 drivers in words; every value differs from every other, the slowest case."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(TOLD, 20)), columns=[f"f{number}" for number in range(20)])
    X = X.rename_axis("customer_id")
    rates = drivers.Rates.learn(X, rng.integers(0, 2, TOLD), ())
    took = cpu(lambda: drivers.drivers(X.assign(base=0.0), X, (), rates), 1)
    return Row("top-3 drivers of 100,000 customers in words", f"{took:.1f} CPU s", note="20 numbers, no value twice")


def world(rows: int, seed: int) -> tuple[np.ndarray, Booster]:
    """Customers and a model of them: pairs, waves, sums, categories, 5 % of the values missing."""
    import lightgbm

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, FEATURES))
    X[:, -CATEGORIES:] = rng.integers(0, 12, (rows, CATEGORIES))
    X[rng.random(X.shape) < 0.05] = np.nan
    z = np.nan_to_num(X)
    logit = z[:, 0] + z[:, 1] * z[:, 2] + np.sin(3 * z[:, 3]) + 0.3 * z[:, 4:12].sum(axis=1) + (z[:, -1] % 3 - 1)
    y = (logit + rng.normal(size=rows) > 0).astype(int)
    data = lightgbm.Dataset(X, y, categorical_feature=list(range(FEATURES - CATEGORIES, FEATURES)))
    options = {"objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.05, "num_threads": 1, "verbosity": -1}
    return X, lightgbm.train(options, data, TREES)


def cpu(work: Callable[[], object], times: int) -> float:
    """Median CPU seconds of the work."""
    taken = []
    for _ in range(times):
        with clock() as took:
            work()
        taken.append(took.cpu)
    return median(taken)


def peak() -> float:
    """Most memory that this process ever held [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
