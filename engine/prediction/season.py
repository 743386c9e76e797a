"""The level of churn moves with the season. What is known of it at the time is last year: how far the base rate of the
same window one year earlier lay from that of all windows learned from, or from what the model says of the customers of
that time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from engine.prediction.calibration import inverse_logit, logit

SEASON_DAYS = 364
NEAR_DAYS = 23  # half of the 45 days that moments learned from lie apart, so that none falls between them


def base_rates(y: pd.Series, said: np.ndarray | None = None) -> pd.DataFrame:
    """Customers and share who left per moment; index as_of, columns rows, rate, and said: the mean of what a model that
    learned from them says, where that is given."""
    by_moment = y.groupby(level="as_of")
    rates = pd.DataFrame({"rows": by_moment.size(), "rate": by_moment.mean()})
    return rates if said is None else rates.assign(said=pd.Series(said, y.index).groupby(level="as_of").mean())


def season_shift(rates: pd.DataFrame, as_of: datetime) -> float:
    """How far the season moves the level of churn at `as_of` [log-odds]; 0 where last year is not among the windows.

    log-odds of the base rate less log-odds of what the model said, 52 weeks before as_of: on the line between the
    windows around that day, the nearer of them within 23 days. What the model said takes out that customers were others
    a year ago; without it the base rate of all windows stands in.

    Args:
        rates: base_rates of the windows learned from.

    Source: prior correction, King and Zeng (2001), Logistic Regression in Rare Events Data, Political Analysis 9.

    >>> moments = pd.DatetimeIndex(["2023-06-03", "2023-12-01"])
    >>> rates = pd.DataFrame({"rows": [100, 100], "rate": [0.5, 0.8], "said": [0.6, 0.7]}, index=moments)
    >>> round(season_shift(rates, datetime(2024, 6, 1)), 3), round(season_shift(rates, datetime(2024, 9, 1)), 3)
    (-0.405, 0.0)
    """
    last_year = pd.Timestamp(as_of - timedelta(days=SEASON_DAYS))
    away = (pd.DatetimeIndex(rates.index) - last_year).days.to_numpy()
    if np.abs(away).min() > NEAR_DAYS:
        return 0.0
    expected = rates["said"] if "said" in rates else np.average(rates["rate"], weights=rates["rows"])
    return float(np.interp(0, away, logit(rates["rate"].to_numpy()) - logit(np.asarray(expected))))


def moved(p: np.ndarray, shift: float) -> np.ndarray:
    """Probabilities moved by `shift` on the scale of log-odds.

    >>> moved(np.array([0.5]), np.log(3)).round(3).tolist()
    [0.75]
    """
    return inverse_logit(logit(p) + shift)
