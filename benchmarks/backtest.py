"""Judging by time, moment by moment: learn from windows whose labels were known, predict a later moment, and compare.

Training windows may overlap each other, but none reaches into the time that the test asks about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import EngineError
from engine.prediction.ensembles import Make, probability
from engine.prediction.evaluate import temporal_splits
from engine.prediction.metrics import METRICS
from engine.prediction.season import base_rates, moved, season_shift
from engine.schema import Snapshot

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


def backtest(snapshot: Snapshot, make: Make, *, seed: int, tests: Collection[datetime] | None = None,
             against_model: bool = False) -> Backtest:
    """Predict each moment of `tests` from the windows whose labels ended by then.

    Without `tests`: every moment that at least one known label comes before. against_model: last year's base rate is
    held against what the model says of last year's customers, not against the mean of all windows.

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
    found = [_predicted(snapshot, make(seed), *splits[moment], moment, against_model) for moment in moments]
    return Backtest(pd.concat([rows for rows, _ in found]),
                    pd.DataFrame([fold for _, fold in found], pd.Index(moments, name="as_of")))


def _predicted(snapshot: Snapshot, model: Any, train: np.ndarray, test: np.ndarray,
               moment: pd.Timestamp, against_model: bool) -> tuple[pd.DataFrame, dict[str, float]]:
    X, y = snapshot.X, snapshot.y
    fitted = model.fit(X.iloc[train], y.iloc[train].to_numpy())
    rates = base_rates(y.iloc[train], probability(fitted, X.iloc[train]) if against_model else None)
    shift, raw = season_shift(rates, moment), probability(fitted, X.iloc[test])
    return (pd.DataFrame({"y": y.iloc[test], "raw": raw, "probability": moved(raw, shift)}),
            {"train_rows": len(train), "train_windows": len(rates), "shift": shift})
