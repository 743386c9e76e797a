"""A churn model for orders: three views of one customer, blended, so that no one view's mistakes carry far.

Boosted trees see every feature and how they interact; a ridge regression on logarithms sees the same, smooth; the
customer's own rhythm (BG/NBD) knows nothing but when she ordered. Weights and sizes were chosen on windows of Online
Retail II that end before its test begins (benchmarks/bench_online_retail.py tells how).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.bgnbd import BgNbd, fit_bgnbd
from engine.prediction.boosting import THREADS
from engine.prediction.calibration import Calibrator, platt
from engine.prediction.ensembles import Blend, Classifier, tabular

RHYTHM = ("order_days", "gap_mean_days", "tenure_days")
WEEK = 7.0
HORIZON_WEEKS = 13.0
SAMPLE = 6_000


def lightgbm_temporal(seed: int) -> Classifier:
    """LightGBM .45, ridge regression on logarithms .30, BG/NBD .25; without order features the first two alone.

    >>> lightgbm_temporal(seed=1).weights
    (0.45, 0.3, 0.25)
    """
    return Views((boosted(seed), log_ridge(seed + 1), Rhythm(seed + 2)), weights=(0.45, 0.30, 0.25))


class Views(Blend):
    """A blend that leaves out the rhythm where the features do not tell it."""

    def fit(self, X: pd.DataFrame, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Views:
        """Fit the members that the features allow; their weights are scaled up to 1."""
        allowed = [set(RHYTHM) <= set(X) or not isinstance(member, Rhythm) for member in self.members]
        blend = self._of(allowed).fit(X, y, sample_weight)
        self.fitted, self.learned = blend.fitted, blend.learned
        return self

    def _of(self, allowed: Sequence[bool]) -> Blend:
        """A plain blend of the allowed members."""
        members = tuple(compress(self.members, allowed))
        if self.weights is None:
            return Blend(members, None, self.seed, self.folds)
        weights = np.array(tuple(compress(self.weights, allowed)))
        return Blend(members, tuple((weights / weights.sum()).tolist()), self.seed, self.folds)


def boosted(seed: int) -> Classifier:
    """LightGBM with eight leaves of 300 rows or more: a customer comes in every window, so rows repeat each other."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=200, learning_rate=0.04, num_leaves=8, min_child_samples=300, reg_lambda=10.0,
        colsample_bytree=0.3, subsample=0.5, subsample_freq=1, random_state=seed, n_jobs=THREADS, verbosity=-1,
        deterministic=True, force_col_wise=True,
    )  # fmt: skip


def lightgbm_orders(seed: int) -> Classifier:
    """The boosted trees alone, with leaves of 60 rows or more, so that a small shop can be learned from too."""
    return boosted(seed).set_params(min_child_samples=60)  # type: ignore[attr-defined, no-any-return]


def log_ridge(seed: int) -> Classifier:
    """Ridge logistic regression on log(1 + x) of the numbers: orders and money grow by factors, not by steps."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    ridge = tabular(LogisticRegression(C=0.001, max_iter=300, random_state=seed), scaled=True)
    return Pipeline([("log", FunctionTransformer(logarithms)), *ridge.steps])


def logarithms(X: pd.DataFrame) -> pd.DataFrame:
    """sign(x) log(1 + |x|) of each number; categories as they are.

    >>> logarithms(pd.DataFrame({"x": [0.0, -np.e + 1]}))["x"].to_list()
    [0.0, -1.0]
    """
    numbers = X.select_dtypes("number").astype(float)
    return X.assign(**{str(name): np.sign(values) * np.log1p(values.abs()) for name, values in numbers.items()})


@dataclass
class Rhythm:
    """BG/NBD as a classifier: the chance of no order in the next quarter, on a line of log-odds fitted to the labels.

    The line makes it fit label windows of other lengths too. The four parameters are fitted on a sample of the rows.
    """

    seed: int = 0
    model: BgNbd | None = None
    line: Calibrator | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """What a fresh copy needs, in scikit-learn's way."""
        return {"seed": self.seed}

    def fit(self, X: pd.DataFrame, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Rhythm:  # noqa: ARG002
        """Learn the customers' rates and chances to leave, then the line."""
        rng = np.random.default_rng(self.seed)
        rows = np.sort(rng.choice(len(X), min(SAMPLE, len(X)), replace=False))
        self.model = fit_bgnbd(*_purchases(X.iloc[rows]))
        self.line = platt(self._silent(X), np.asarray(y))
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities of staying and of leaving, one row per customer."""
        assert self.line is not None, "fit comes before predict_proba"
        p = self.line(self._silent(X))
        return np.column_stack([1 - p, p])

    def _silent(self, X: pd.DataFrame) -> np.ndarray:
        assert self.model is not None, "fit comes before predict_proba"
        return np.asarray(self.model.no_order(HORIZON_WEEKS, *_purchases(X)), dtype=float)


def _purchases(X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Repeat order days, age at the last of them and age now [weeks]."""
    repeats = X["order_days"].to_numpy(float) - 1
    recency = np.nan_to_num(X["gap_mean_days"].to_numpy(float)) * repeats / WEEK
    return repeats, recency, X["tenure_days"].to_numpy(float) / WEEK
