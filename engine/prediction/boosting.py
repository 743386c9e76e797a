"""Boosted trees as large as customers who were not learned from ask for.

Where columns add up, trees of three leaves with random cuts tell the most, and larger ones lose up to .03 of ROC-AUC.
Where an answer hangs on several columns at once (a dear plan *and* many calls), they are the ones that lose up to .04.
So sizes are tried on held-out rows, in quick sketches: a fifth of the trees, each of which counts five times. The
smallest is kept unless one of the next two has a log loss lower by half a standard error, for sketches flatter the
small; then the one with the lowest is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from engine.prediction.metrics import TINY

if TYPE_CHECKING:
    from lightgbm import LGBMClassifier

THREADS = 1
LEAST_COLUMNS = 5
SKETCHED = 5
FOLDS = 3
ENOUGH_OF_EACH = 30
MOST_ROWS = 20_000
Size = Mapping[str, Any]
SIZES: tuple[Size, ...] = (
    {"num_leaves": 3, "n_estimators": 700, "learning_rate": 0.03, "min_child_samples": 40, "colsample_bytree": 0.3,
     "extra_trees": True},
    {"num_leaves": 5, "n_estimators": 700, "learning_rate": 0.04, "min_child_samples": 30, "colsample_bytree": 0.6,
     "extra_trees": True},
    {"num_leaves": 5, "n_estimators": 350, "learning_rate": 0.03, "min_child_samples": 40, "colsample_bytree": 0.6},
    {"num_leaves": 8, "n_estimators": 250, "learning_rate": 0.03, "min_child_samples": 40, "colsample_bytree": 0.6},
    {"num_leaves": 8, "n_estimators": 600, "learning_rate": 0.05, "min_child_samples": 20, "colsample_bytree": 0.6,
     "extra_trees": True},
    {"num_leaves": 16, "n_estimators": 400, "learning_rate": 0.03, "min_child_samples": 20, "colsample_bytree": 0.6},
    {"num_leaves": 31, "n_estimators": 400, "learning_rate": 0.05, "min_child_samples": 10, "colsample_bytree": 0.6},
)
ALWAYS_TRIED = 3
STANDARD_ERRORS = 0.5
SMALLEST = SIZES[0]["num_leaves"]


def reproducible(seed: int) -> dict[str, Any]:
    """Settings by which LightGBM gives the same trees for the same seed."""
    return {"deterministic": True, "force_col_wise": True, "n_jobs": THREADS, "verbosity": -1, "random_state": seed}


@dataclass(frozen=True)
class Boosting:
    """Gradient boosting that chooses the size of its trees when it is fitted, from the rows it is fitted on alone."""

    seed: int

    def fit(self, X: pd.DataFrame, y: np.ndarray, sample_weight: np.ndarray | None = None) -> LGBMClassifier:
        """The LightGBM model itself, fitted."""
        return self.sized(X, y).fit(X, y, sample_weight=sample_weight)

    def sized(self, X: pd.DataFrame, y: np.ndarray) -> LGBMClassifier:
        """The model to be fitted, of the size that these rows ask for."""
        return boosted(size_for(X, y, self.seed), X.shape[1], self.seed)


def sized(model: Any, X: pd.DataFrame, y: np.ndarray) -> Any:
    """The model with its size chosen on these rows, where it chooses one; for rows that are changed before the fit."""
    return model.sized(X, y) if isinstance(model, Boosting) else model


def size_for(X: pd.DataFrame, y: np.ndarray, seed: int) -> Size:
    """The size that held-out rows ask for; the smallest where either answer is too rare to tell.

    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(2000, 4)), columns=list("abcd"))
    >>> by = {"a alone": X.a > 0, "a with b": X.a * X.b > 0}
    >>> y = {name: (rng.random(2000) < np.where(leaves, 0.6, 0.2)).astype(int) for name, leaves in by.items()}
    >>> {name: size_for(X, answers, seed=0)["num_leaves"] for name, answers in y.items()}
    {'a alone': 3, 'a with b': 8}
    """
    if min(np.count_nonzero(y), np.count_nonzero(y == 0)) < ENOUGH_OF_EACH:
        return SIZES[0]
    rows = np.sort(np.random.default_rng(seed).permutation(len(y))[:MOST_ROWS])
    lost = [_held_out_loss(size, X.iloc[rows], y[rows], seed) for size in SIZES[:ALWAYS_TRIED]]
    if not any(_clearly_less(loss, lost[0]) for loss in lost[1:]):
        return SIZES[0]
    lost += [_held_out_loss(size, X.iloc[rows], y[rows], seed) for size in SIZES[ALWAYS_TRIED:]]
    return SIZES[int(np.argmin([loss.mean() for loss in lost]))]


def _clearly_less(loss: np.ndarray, other: np.ndarray) -> bool:
    gain = other - loss
    return bool(gain.mean() > STANDARD_ERRORS * gain.std() / np.sqrt(len(gain)))


def _held_out_loss(size: Size, X: pd.DataFrame, y: np.ndarray, seed: int) -> np.ndarray:
    """Log loss of each row by a sketch of that size that was learned from the other folds."""
    from sklearn.model_selection import StratifiedKFold

    sketch = {**size, "n_estimators": size["n_estimators"] // SKETCHED,
              "learning_rate": size["learning_rate"] * SKETCHED}
    p = np.empty(len(y))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, y):
        model = boosted(sketch, X.shape[1], seed).fit(X.iloc[train], y[train])
        p[test] = np.asarray(model.predict_proba(X.iloc[test]))[:, 1]
    return -np.log(np.clip(np.where(y == 1, p, 1 - p), TINY, 1))


def boosted(size: Size, columns: int, seed: int) -> LGBMClassifier:
    """LightGBM of that size for so many columns: slow, regularised; takes categories and gaps.

    >>> boosted(SIZES[0], columns=20, seed=1).num_leaves
    3
    """
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(**size, reg_lambda=5.0, subsample=0.9, subsample_freq=1, **reproducible(seed))
    return seeing_enough(model, columns)


def seeing_enough(model: Any, columns: int) -> Any:
    """The model, each of whose trees sees a few columns at least: with fewer its answers hang on the columns' order."""
    share = getattr(model, "colsample_bytree", None)
    if share is not None and int(share * columns) < LEAST_COLUMNS:
        model.set_params(colsample_bytree=min(1.0, LEAST_COLUMNS / columns + 1e-6))
    return model
