"""Class imbalance, the two usual cures: class weights and SMOTE. Both distort probabilities; their effect is measured.

Rows are made only from the rows handed over, so that calling this on a fold's training rows keeps the test rows clean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import choose
from engine.prediction.boosting import sized
from engine.prediction.ensembles import Make, fit

Balanced = Callable[[Make, int, pd.DataFrame, np.ndarray], Any]


def fit_balanced(make: Make, seed: int, X: pd.DataFrame, y: np.ndarray, balance: str = "none") -> Any:
    """The learner fitted after the named cure: "none", "class_weight" or "smote"."""
    return choose("cure for class imbalance", balance, BALANCES)(make, seed, X, y)


def _as_it_is(make: Make, seed: int, X: pd.DataFrame, y: np.ndarray) -> Any:
    return fit(make(seed), X, y)


def _weighted(make: Make, seed: int, X: pd.DataFrame, y: np.ndarray) -> Any:
    return fit(make(seed), X, y, class_weights(y))


def _oversampled(make: Make, seed: int, X: pd.DataFrame, y: np.ndarray) -> Any:
    return fit(sized(make(seed), X, y), *smote(X, y, seed))


BALANCES: Mapping[str, Balanced] = {"none": _as_it_is, "class_weight": _weighted, "smote": _oversampled}


def class_weights(y: np.ndarray) -> np.ndarray:
    """A weight per row that gives leavers and stayers the same total.

    >>> class_weights(np.array([0, 0, 0, 1])).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    counts = np.bincount(y, minlength=2)
    return len(y) / (2 * counts[y])


def smote(X: pd.DataFrame, y: np.ndarray, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows and, below them, synthetic rows of the rarer class until both are as frequent.

    Gaps are filled (median, most frequent) for the children only; the real rows keep theirs.

    Source: Chawla et al. (2002), SMOTE, JAIR 16; SMOTE-NC for categories.

    >>> X = pd.DataFrame({"x": np.arange(20.0)})
    >>> children = smote(X, np.array([1] * 6 + [0] * 14), seed=0)
    >>> len(children[0]), int(children[1].sum())
    (28, 14)
    """
    filled = X.apply(_filled)
    coded = filled.apply(lambda column: column.cat.codes if column.dtype == "category" else column.astype(float))
    grown, labels = _sampler(X, y, seed).fit_resample(coded.to_numpy(dtype=float), y)
    children = pd.DataFrame(np.asarray(grown)[len(X):], columns=X.columns)
    return pd.concat([X.reset_index(drop=True), children.apply(lambda column: _decoded(column, X[column.name]))],
                     ignore_index=True), np.asarray(labels)


def _filled(column: pd.Series) -> pd.Series:
    if column.dtype == "category":
        return column.fillna(column.mode().iloc[0]) if column.notna().any() else column
    return column.astype(float).fillna(column.median() if column.notna().any() else 0.0)


def _decoded(column: pd.Series, like: pd.Series) -> pd.Series:
    if isinstance(like.dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical.from_codes(column.astype(int).tolist(), dtype=like.dtype), name=column.name)
    return column.round().astype(like.dtype) if like.dtype.kind in "iub" else column.astype(like.dtype)


def _sampler(X: pd.DataFrame, y: np.ndarray, seed: int) -> Any:
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC

    categories = [position for position, dtype in enumerate(X.dtypes) if dtype == "category"]
    neighbours = {"k_neighbors": min(5, int(np.bincount(y).min()) - 1), "random_state": seed}
    if not categories:
        return SMOTE(**neighbours)
    if len(categories) == X.shape[1]:
        return SMOTEN(**neighbours)
    return SMOTENC(categories, **neighbours)
