"""What the model must beat: a rule of one column, chance, and five other algorithms on the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction import ensembles
from engine.prediction.ensembles import Make
from engine.prediction.metrics import roc_auc

BINS = 10

ALGORITHMS: Mapping[str, Make] = {
    "logistic_regression": ensembles.logistic,
    "random_forest": ensembles.random_forest,
    "extra_trees": ensembles.extra_trees,
    "hist_boosting": ensembles.hist_boosting,
    "xgboost": ensembles.xgboost,
    "lightgbm": ensembles.lightgbm,
}


@dataclass
class BestColumn:
    """The rule of one column: the leavers' share among customers with a similar value, of the column that ranks best.

    Numbers are cut into tenths, gaps are a group of their own; the column is chosen on the training rows.

    >>> X = pd.DataFrame({"noise": [1.0, 2.0] * 20, "plan": pd.Categorical(["a", "a", "b", "b"] * 10)})
    >>> rule = BestColumn().fit(X, np.array([0, 0, 1, 1] * 10))
    >>> rule.column, rule.predict_proba(X)[:3, 1].round(2).tolist()
    ('plan', [0.02, 0.02, 0.98])
    """

    column: str = ""
    edges: np.ndarray = field(default_factory=lambda: np.empty(0))
    rates: dict[Any, float] = field(default_factory=dict)
    base_rate: float = 0.0

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> BestColumn:
        """Choose the column whose groups' rates rank the training rows best."""
        self.base_rate = float(np.mean(y))
        self.column = max(X.columns, key=lambda name: roc_auc(y, self._learn(X[name], y)))
        self._learn(X[self.column], y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities of staying and of leaving, one row per customer."""
        p = self._rate(X[self.column])
        return np.column_stack([1 - p, p])

    def _learn(self, values: pd.Series, y: np.ndarray) -> np.ndarray:
        self.edges = _edges(values)
        groups = pd.Series(y).groupby(self._groups(values))
        self.rates = ((groups.sum() + self.base_rate) / (groups.size() + 1)).to_dict()
        return self._rate(values)

    def _groups(self, values: pd.Series) -> np.ndarray:
        if values.dtype == "category":
            return values.astype(object).where(values.notna(), "missing").to_numpy()
        numbers = values.to_numpy(dtype=float)
        return np.where(np.isnan(numbers), -1, np.searchsorted(self.edges, numbers, side="left"))

    def _rate(self, values: pd.Series) -> np.ndarray:
        return np.array([self.rates.get(group, self.base_rate) for group in self._groups(values)])


def _edges(values: pd.Series) -> np.ndarray:
    """The upper ends of groups of a column of numbers: each of few values, else inner deciles; none for categories."""
    if values.dtype == "category" or values.notna().sum() == 0:
        return np.empty(0)
    numbers = values.dropna().to_numpy(dtype=float)
    few = np.unique(numbers)
    return few[:-1] if len(few) <= BINS else np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1]))


@dataclass
class Chance:
    """The base rate for everyone, in random order: what targeting without knowledge achieves."""

    seed: int = 0
    base_rate: float = 0.0

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Chance:  # noqa: ARG002
        """Remember the share of leavers."""
        self.base_rate = float(np.mean(y))
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """The base rate, with an order of no consequence (a millionth) drawn from the seed."""
        p = self.base_rate + 1e-6 * np.random.default_rng(self.seed).uniform(-1, 1, len(X))
        return np.column_stack([1 - p, p])
