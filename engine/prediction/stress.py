"""How the model holds when data get worse: held-out rows with noise, gaps or a shift, judged by models new to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.ensembles import probability
from engine.prediction.evaluate import Judged, Tick, differences, estimates
from engine.schema import Estimate

Worsen = Callable[[pd.DataFrame, float, np.random.Generator], pd.DataFrame]
MEASURED = ("roc_auc", "brier", "ece")


def noised(X: pd.DataFrame, amount: float, rng: np.random.Generator) -> pd.DataFrame:
    """Numbers with normal noise of `amount` standard deviations; that share of categories replaced by another row's.

    >>> noised(pd.DataFrame({"x": [1.0, 1.0]}), 0.5, np.random.default_rng(0))["x"].tolist()
    [1.0, 1.0]
    """
    return X.apply(lambda column: _swapped(column, amount, rng) if column.dtype == "category"
                   else column.astype(float) + rng.normal(0, amount, len(X)) * _deviation(column))


def _swapped(column: pd.Series, share: float, rng: np.random.Generator) -> pd.Series:
    other = column.iloc[rng.permutation(len(column))].set_axis(column.index)
    return column.where(rng.uniform(size=len(column)) >= share, other)


def _deviation(column: pd.Series) -> float:
    spread = float(column.astype(float).std())
    return spread if np.isfinite(spread) else 0.0


def missing(X: pd.DataFrame, amount: float, rng: np.random.Generator) -> pd.DataFrame:
    """That share of all cells emptied at random.

    >>> int(missing(pd.DataFrame({"x": np.ones(1000)}), 0.3, np.random.default_rng(0))["x"].isna().sum())
    277
    """
    return X.apply(lambda column: (column if column.dtype == "category" else column.astype(float)).where(
        rng.uniform(size=len(column)) >= amount))


def shifted(X: pd.DataFrame, amount: float, rng: np.random.Generator) -> pd.DataFrame:
    """Every column of numbers moved by `amount` of its standard deviations, up or down by the toss of a coin.

    >>> shifted(pd.DataFrame({"x": [0.0, 2.0]}), 0.5, np.random.default_rng(0))["x"].diff().iloc[1].item()
    2.0
    """
    return X.apply(lambda column: column if column.dtype == "category"
                   else column.astype(float) + amount * rng.choice([-1.0, 1.0]) * _deviation(column))


WORSE: Mapping[str, tuple[Worsen, tuple[float, ...]]] = {
    "noised": (noised, (0.1, 0.3)), "missing": (missing, (0.1, 0.3)), "shifted": (shifted, (0.25, 0.5)),
}


TESTS = 1 + sum(len(amounts) for _, amounts in WORSE.values())


def stress(judged: Judged, X: pd.DataFrame, seed: int, groups: np.ndarray | None = None, draws: int = 200,
           tick: Tick | None = None) -> list[dict[str, Any]]:
    """ROC-AUC, Brier and ECE of the first repeat's held-out rows, as they are and made worse, and the paired change.

    tick: told (tests done, TESTS) after each of them.
    """
    rng = np.random.default_rng(seed)
    clean = _rescored(judged, X)
    report = [_line("as it is", 0.0, estimates(clean, seed, groups, draws, MEASURED), {})]
    for done, (name, amount, worsen) in enumerate(_steps(), start=1):
        _tell(tick, done)
        worse = _rescored(judged, worsen(X, amount, rng))
        report.append(_line(name, amount, estimates(worse, seed, groups, draws, MEASURED),
                            differences(worse, clean, seed, groups, draws, MEASURED)))
    _tell(tick, TESTS)
    return report


def _tell(tick: Tick | None, done: int) -> None:
    if tick:
        tick(done, TESTS)


def _steps() -> Iterator[tuple[str, float, Worsen]]:
    for name, (worsen, amounts) in WORSE.items():
        for amount in amounts:
            yield name, amount, worsen


def _line(name: str, amount: float, metrics: dict[str, Estimate], change: dict[str, Estimate]) -> dict[str, Any]:
    return {"data": name, "amount": amount, "metrics": metrics, "change": change}


def _rescored(judged: Judged, X: pd.DataFrame) -> pd.DataFrame:
    """The first repeat's rows with the probabilities that its models and calibrators give to X."""
    parts = []
    learned = zip(judged.splits, judged.models, judged.calibrators, judged.first.groupby("fold"), strict=False)
    for (_, test), model, calibrator, (_, rows) in learned:
        parts.append(rows.assign(probability=calibrator(probability(model, X.iloc[test]))))
    return pd.concat(parts, ignore_index=True)
