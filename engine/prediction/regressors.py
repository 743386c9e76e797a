"""Regressions of money: most customers bring nothing, a few bring much.

Each has fit(X, y) and predict(X) on feature frames (numbers, categories, missing values) and y >= 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from engine.errors import EngineError
from engine.prediction.money import Floats

THREADS = 1
BOOSTING: Mapping[str, Any] = {
    "n_estimators": 150, "learning_rate": 0.03, "num_leaves": 8, "min_child_samples": 200, "subsample": 0.7,
    "subsample_freq": 1, "colsample_bytree": 0.6, "reg_lambda": 5.0, "n_jobs": THREADS, "verbosity": -1,
    "deterministic": True, "force_row_wise": True,
}
SMALLEST_LEAVES, FEWEST = 20, 50
FOREST: Mapping[str, Any] = {
    "n_estimators": 200, "max_depth": 15, "min_samples_split": 10, "min_samples_leaf": 4, "max_features": 0.7,
    "n_jobs": THREADS,
}
TWEEDIE_POWER = 1.5
PERIOD = "period_days"


class Regressor(Protocol):
    """What a regression of money offers."""

    def fit(self, X: pd.DataFrame, y: Floats) -> Any:
        """Learn; returns itself."""

    def predict(self, X: pd.DataFrame) -> Floats:
        """Expected money of each row, never negative."""


@dataclass
class TwoPart:
    """P(any purchase) x E[spend | purchase]: a boosted classifier and a boosted gamma regression."""

    seed: int
    parts: tuple[Any, Any] | None = None
    levels: dict[str, Any] = field(default_factory=dict)

    def fit(self, X: pd.DataFrame, y: Floats) -> TwoPart:
        """Learn both parts from 50 positive values or more; where fewer are zero, all buy with the same chance."""
        from lightgbm import LGBMRegressor

        buys = np.asarray(y) > 0
        if buys.sum() < FEWEST:
            raise EngineError(f"{int(buys.sum())} of {len(buys)} customers bought anything in the period, too few for "
                              f'two_part, which needs {FEWEST}. Choose "tweedie" instead.')
        X, self.levels = _learn_levels(X)
        spends = LGBMRegressor(objective="gamma", **_boosting(int(buys.sum()), self.seed))
        self.parts = self._chance(buys).fit(X, buys), spends.fit(X[buys], np.asarray(y)[buys])
        return self

    def _chance(self, buys: np.ndarray) -> Any:
        from lightgbm import LGBMClassifier
        from sklearn.dummy import DummyClassifier

        told_apart = (~buys).sum() >= FEWEST
        return LGBMClassifier(**_boosting(len(buys), self.seed)) if told_apart else DummyClassifier(strategy="prior")

    def predict(self, X: pd.DataFrame) -> Floats:
        """Expected money of each row."""
        assert self.parts is not None, "fit comes before predict"
        aligned = _align(X, self.levels)
        return np.asarray(self.parts[0].predict_proba(aligned)[:, -1] * self.parts[1].predict(aligned))


@dataclass
class Tweedie:
    """One boosted regression under a Tweedie loss of power 1.5: a mass at zero and a long tail at once."""

    seed: int
    part: Any = None
    levels: dict[str, Any] = field(default_factory=dict)

    def fit(self, X: pd.DataFrame, y: Floats) -> Tweedie:
        """Learn from y >= 0."""
        from lightgbm import LGBMRegressor

        X, self.levels = _learn_levels(X)
        options = _boosting(len(X), self.seed)
        self.part = LGBMRegressor(objective="tweedie", tweedie_variance_power=TWEEDIE_POWER, **options).fit(X, y)
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """Expected money of each row."""
        return np.asarray(self.part.predict(_align(X, self.levels)))


@dataclass
class Forest:
    """A random forest on the values as they are; categories as their codes."""

    seed: int
    part: Any = None
    levels: dict[str, Any] = field(default_factory=dict)

    def fit(self, X: pd.DataFrame, y: Floats) -> Forest:
        """Learn."""
        from sklearn.ensemble import RandomForestRegressor

        X, self.levels = _learn_levels(X)
        self.part = RandomForestRegressor(random_state=self.seed, **FOREST).fit(_codes(X), y)
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """Expected money of each row."""
        return np.asarray(self.part.predict(_codes(_align(X, self.levels))))


@dataclass
class Blend:
    """The mean of several regressions, each learned on the same rows."""

    members: tuple[Regressor, ...]

    def fit(self, X: pd.DataFrame, y: Floats) -> Blend:
        """Learn each member."""
        for member in self.members:
            member.fit(X, y)
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """The members' mean."""
        return np.asarray(np.mean([member.predict(X) for member in self.members], axis=0))


def two_part_and_tweedie(seed: int) -> Blend:
    """The mean of a two-part and a Tweedie regression: one lends the level, the other the order of customers."""
    return Blend((TwoPart(seed), Tweedie(seed)))


def fit_periods(make: Callable[[int], Regressor], seed: int, X: pd.DataFrame, y: Floats) -> Regressor:
    """One regression per length of period in the index (level "period_days"), averaged; one regression without it.

    Spend after 45 days and after 91 days are different questions of "any purchase?", so they are not pooled.
    """
    if PERIOD not in X.index.names:
        return make(seed).fit(X, y)
    periods = X.index.get_level_values(PERIOD)
    return Blend(tuple(make(seed).fit(X[periods == days], y[periods == days]) for days in periods.unique()))


def _boosting(rows: int, seed: int) -> dict[str, Any]:
    """Boosting's options: leaves of 200 rows where there are many, of a hundredth of the rows where there are few."""
    leaf = int(np.clip(rows // 100, SMALLEST_LEAVES, BOOSTING["min_child_samples"]))
    return {**BOOSTING, "min_child_samples": leaf, "random_state": seed}


def _learn_levels(X: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The frame with text as categories, and its columns with the levels of each category (None for numbers)."""
    texts = {str(name): X[name].astype("category") for name in X if not pd.api.types.is_numeric_dtype(X[name])}
    X = X.assign(**texts)
    return X, {str(name): X[name].cat.categories if name in texts else None for name in X}


def _align(X: pd.DataFrame, levels: Mapping[str, Any]) -> pd.DataFrame:
    """The columns learned from, in their order, with their levels; new levels count as missing."""
    missing = [name for name in levels if name not in X]
    if missing:
        raise EngineError(f"Columns are missing that the LTV model was trained on: {', '.join(missing)}. Bring them.")
    return pd.DataFrame({name: X[name] if known is None else pd.Categorical(X[name], categories=known)
                         for name, known in levels.items()}, index=X.index)


def _codes(X: pd.DataFrame) -> Floats:
    """The frame as numbers; a category's code, missing as NaN."""
    columns = [X[name].cat.codes.where(X[name].notna(), np.nan) if isinstance(X[name].dtype, pd.CategoricalDtype)
               else X[name] for name in X]
    return np.column_stack([column.to_numpy(float, na_value=np.nan) for column in columns])
