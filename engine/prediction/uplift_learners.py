"""Ways to learn effects from randomised records: ours, and the published ones that it is shown beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd

from engine.prediction import uplift_logit
from engine.prediction.encoding import Floats

TREES: Mapping[str, Any] = {"num_leaves": 8, "learning_rate": 0.05, "n_estimators": 120, "min_child_samples": 50,
                            "reg_lambda": 10.0, "verbosity": -1, "n_jobs": 1}


class Effects(Protocol):
    """What every learner returns."""

    def chances(self, X: pd.DataFrame) -> Floats:
        """P(leaves) under each arm, nothing first: (customers, arms)."""

    def spread(self, X: pd.DataFrame) -> Floats:
        """Standard error of each treatment's uplift; missing where the learner has none."""

    def together(self, X: pd.DataFrame, arm: np.ndarray, weights: Floats) -> float:
        """The variance of sum of weights x uplift of those arms, one per row; missing where the learner has none."""


@dataclass(frozen=True)
class Told:
    """Chances that models tell: of leaving untreated, and of each treatment's uplift."""

    plain: Any
    uplifts: tuple[Any, ...]
    differ: bool

    def chances(self, X: pd.DataFrame) -> Floats:
        """P(leaves) under each arm, nothing first: (customers, arms)."""
        p = self.plain.predict_proba(X)[:, 1]
        told = [model.predict(X) if self.differ else p - model.predict_proba(X)[:, 1] for model in self.uplifts]
        return np.column_stack([p, *(np.clip(p - uplift, 0, 1) for uplift in told)])

    def spread(self, X: pd.DataFrame) -> Floats:
        """Missing: these learners do not say."""
        return np.full((len(X), len(self.uplifts)), np.nan)

    def together(self, _X: pd.DataFrame, _arm: np.ndarray, _weights: Floats) -> float:
        """Missing: these learners do not say."""
        return float("nan")


def logit_effects(X: pd.DataFrame, arm: np.ndarray, churned: np.ndarray, _propensity: np.ndarray, seed: int) -> Effects:
    """Effects on the log-odds: penalised sums and boosted trees (ours)."""
    return uplift_logit.learn(X, arm, churned, seed)


def t_learner(X: pd.DataFrame, arm: np.ndarray, churned: np.ndarray, _propensity: np.ndarray, seed: int) -> Effects:
    """One model per arm, and the difference between them (Kuenzel et al. 2019)."""
    models = [_classifier(seed).fit(X[arm == number], churned[arm == number]) for number in range(int(arm.max()) + 1)]
    return Told(models[0], tuple(models[1:]), differ=False)


def dr_learner(X: pd.DataFrame, arm: np.ndarray, churned: np.ndarray, propensity: np.ndarray, seed: int) -> Effects:
    """A regression of doubly robust scores, cross-fitted (Kennedy 2023): arms against nothing by inverse propensity."""
    from lightgbm import LGBMRegressor

    arms, scores = int(arm.max()) + 1, np.zeros((len(arm), int(arm.max()) + 1))
    for a, b in uplift_logit.folds(len(arm), 3, seed):
        told = t_learner(X.iloc[a], arm[a], churned[a], propensity[a], seed).chances(X.iloc[b])
        got = arm[b][:, None] == np.arange(arms)
        scores[b] = told + got * (churned[b][:, None] - told) / propensity[b][:, None]
    plain = t_learner(X, arm, churned, propensity, seed)
    uplifts = [LGBMRegressor(**TREES, random_state=seed).fit(X, scores[:, 0] - scores[:, k]) for k in range(1, arms)]
    return Told(plain.plain, tuple(uplifts), differ=True)  # type: ignore[attr-defined]


def _classifier(seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(**TREES, random_state=seed)


Learner = Callable[[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray, int], Effects]

LEARNERS: Mapping[str, Learner] = MappingProxyType({
    "logit": logit_effects, "t_learner": t_learner, "dr_learner": dr_learner,
})
