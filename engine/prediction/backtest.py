"""Judging by time: learn from windows whose labels were known, predict a later moment, and compare with what came.

The level of churn moves with the season. What was known of it at the time is last year: the base rate of the same
window one year earlier, against that of the windows learned from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import EngineError
from engine.prediction.calibration import inverse_logit, logit
from engine.prediction.ensembles import Make, probability
from engine.prediction.evaluate import temporal_splits
from engine.prediction.metrics import METRICS
from engine.schema import Snapshot

SEASON_DAYS = 364
NEAR_DAYS = 15
PROBABILITY_METRICS = ("roc_auc", "pr_auc", "log_loss", "brier", "ece", "calibration_in_the_large")


@dataclass(frozen=True)
class Backtest:
    """Out-of-time predictions and how far the season moved each moment's level.

    predictions: index (as_of, customer_id); y, raw (as the model said), probability (moved by the season).
    folds: index as_of; train_rows, train_windows, shift [log-odds].
    """

    predictions: pd.DataFrame
    folds: pd.DataFrame

    def metrics(self, names: Iterable[str] = PROBABILITY_METRICS, of: str = "probability") -> pd.DataFrame:
        """Each metric per moment, rows by as_of; of "raw" or "probability"."""
        return pd.DataFrame({
            as_of: {name: METRICS[name](rows["y"].to_numpy(), rows[of].to_numpy()) for name in names}
            for as_of, rows in self.predictions.groupby("as_of")
        }).T.rename_axis("as_of")

    def calibration_in_the_large(self) -> pd.DataFrame:
        """Mean predicted less observed churn per moment, without ("raw") and with ("probability") the season."""
        means = self.predictions.groupby("as_of")[["y", "raw", "probability"]].mean()
        return means[["raw", "probability"]].sub(means["y"], axis=0)


def backtest(snapshot: Snapshot, make: Make, *, seed: int, tests: Collection[datetime] | None = None) -> Backtest:
    """Predict each moment of `tests` from the windows whose labels ended by then.

    Without `tests`: every moment that at least one known label comes before. Training windows may overlap each other,
    but none reaches into the time that the test asks about.

    Source: rolling-origin evaluation, Tashman (2000), International Journal of Forecasting 16.

    Raises:
        EngineError: when no label was known at a moment of `tests`.
    """
    splits = {snapshot.as_of[test[0]]: (train, test) for train, test in temporal_splits(snapshot)}
    moments = sorted(splits) if tests is None else sorted(pd.Timestamp(moment) for moment in tests)
    unknown = [moment for moment in moments if moment not in splits]
    if unknown or not moments:
        asked = f"{unknown[0]:%Y-%m-%d}" if unknown else "any moment"
        raise EngineError(f"No label was known by {asked}, so there is nothing to learn from. Add earlier windows.")
    folds = pd.DataFrame({moment: _fold(snapshot.y, splits[moment][0], moment) for moment in moments}).T
    parts = [_predicted(snapshot, make(seed), *splits[moment], float(folds["shift"][moment])) for moment in moments]
    return Backtest(pd.concat(parts), folds.rename_axis("as_of"))


def _fold(y: pd.Series, train: np.ndarray, moment: pd.Timestamp) -> dict[str, float]:
    rates = base_rates(y.iloc[train])
    return {"train_rows": len(train), "train_windows": len(rates), "shift": season_shift(rates, moment)}


def _predicted(snapshot: Snapshot, model: Any, train: np.ndarray, test: np.ndarray, shift: float) -> pd.DataFrame:
    X, y = snapshot.X, snapshot.y
    raw = probability(model.fit(X.iloc[train], y.iloc[train].to_numpy()), X.iloc[test])
    return pd.DataFrame({"y": y.iloc[test], "raw": raw, "probability": shifted(raw, shift)})


def base_rates(y: pd.Series) -> pd.DataFrame:
    """Customers and share who left per moment; index as_of, columns rows, rate."""
    by_moment = y.groupby(level="as_of")
    return pd.DataFrame({"rows": by_moment.size(), "rate": by_moment.mean()})


def season_shift(rates: pd.DataFrame, as_of: datetime) -> float:
    """How far the season moves the level of churn at `as_of` [log-odds]; 0 where last year is not among the windows.

    log-odds of the base rate in the window 52 weeks before as_of, or the nearest within 15 days of it, less log-odds
    of the base rate of all windows learned from.

    Args:
        rates: base_rates of the windows learned from.

    Source: prior correction, King and Zeng (2001), Logistic Regression in Rare Events Data, Political Analysis 9.

    >>> moments = pd.DatetimeIndex(["2023-06-01", "2023-12-01"])
    >>> rates = pd.DataFrame({"rows": [100, 100], "rate": [0.5, 0.8]}, index=moments)
    >>> round(season_shift(rates, datetime(2024, 6, 3)), 3), round(season_shift(rates, datetime(2024, 9, 1)), 3)
    (-0.619, 0.0)
    """
    last_year = pd.Timestamp(as_of - timedelta(days=SEASON_DAYS))
    away = np.abs((pd.DatetimeIndex(rates.index) - last_year).days)
    if away.min() > NEAR_DAYS:
        return 0.0
    overall = np.average(rates["rate"], weights=rates["rows"])
    season = rates["rate"].iloc[int(away.argmin())]
    return float(logit(np.asarray(season)) - logit(np.asarray(overall)))


def shifted(p: np.ndarray, shift: float) -> np.ndarray:
    """Probabilities moved by `shift` on the scale of log-odds.

    >>> shifted(np.array([0.5]), np.log(3)).round(3).tolist()
    [0.75]
    """
    return inverse_logit(logit(p) + shift)
