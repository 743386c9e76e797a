"""The level of churn moves with the season. What is known of it at the time is last year: the base rate of the same
window one year earlier, against that of all windows learned from.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from engine.prediction.calibration import inverse_logit, logit

SEASON_DAYS = 364
NEAR_DAYS = 23  # half of the 45 days that moments learned from lie apart, so that none falls between them


def base_rates(y: pd.Series) -> pd.DataFrame:
    """Customers and share who left per moment; index as_of, columns rows, rate."""
    by_moment = y.groupby(level="as_of")
    return pd.DataFrame({"rows": by_moment.size(), "rate": by_moment.mean()})


def season_shift(rates: pd.DataFrame, as_of: datetime) -> float:
    """How far the season moves the level of churn at `as_of` [log-odds]; 0 where last year is not among the windows.

    log-odds of the base rate in the window 52 weeks before as_of, or the nearest within 23 days of it, less log-odds
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


def moved(p: np.ndarray, shift: float) -> np.ndarray:
    """Probabilities moved by `shift` on the scale of log-odds.

    >>> moved(np.array([0.5]), np.log(3)).round(3).tolist()
    [0.75]
    """
    return inverse_logit(logit(p) + shift)
