"""Survival since joining, for files that hold everybody who ever joined: how well it is told, cross-validated.

The product learns from a window after a moment, which customers enter at their tenure; published figures on IBM Telco
take tenure for the time that everybody was watched. This judges the same hazard model as they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.prediction.ltv import SURVIVAL_REPLICATES, from_start
from engine.prediction.ltv_metrics import Floats, concordance, estimate, tenths
from engine.schema import Estimate


def judge_survival(X: pd.DataFrame, tenure_months: pd.Series, left: pd.Series, seed: int, rng: np.random.Generator,
                   months: int) -> dict[str, Estimate]:
    """Concordance (by S(12)), integrated Brier over 1..`months`, and error of S(12) by decile, cross-validated."""
    survival = from_start(X, tenure_months, left, seed, months)
    tenure, gone = np.asarray(tenure_months, float).round(), np.asarray(left, float)
    year = survival[:, min(12, months)]
    asked: Mapping[str, tuple[Callable[..., float], Floats]] = {
        "concordance": (concordance, year), "integrated_brier": (integrated_brier, survival),
        "s12_decile_error": (survival_decile_error, year),
    }
    return {name: estimate(metric, (tenure, gone, told), "cross-validation", rng, SURVIVAL_REPLICATES)
            for name, (metric, told) in asked.items()}


def kaplan_meier(tenure: Floats, left: Floats, months: int) -> Floats:
    """Share still there after 0, 1, ..., `months` months [0..1]; who leaves or is last seen in a month is at risk.

    >>> kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 1.0, 0.0, 0.0]), 3).round(3)
    array([1.  , 0.75, 0.5 , 0.5 ])
    """
    at_risk, leavers = _by_month(tenure, left, months)
    return np.concatenate([[1.0], np.cumprod(1 - leavers / np.maximum(at_risk, 1))])


def _by_month(tenure: Floats, left: Floats, months: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Who is at risk in month 1, ..., `months`, and who leaves in it."""
    at_risk = len(tenure) - np.searchsorted(np.sort(tenure), np.arange(1, months + 1))
    return at_risk, np.bincount(tenure[left == 1].astype(int), minlength=months + 1)[1:months + 1]


def integrated_brier(tenure: Floats, left: Floats, survival: Floats) -> float:
    """Mean over months 1..m of the squared error of S(t), weighted for those last seen before t [0..1].

    survival: S at 0..m months, one row per customer. Source: Graf, Schmoor, Sauerbrei and Schumacher (1999),
    Statistics in Medicine 18(17-18).
    """
    last = survival.shape[1] - 1
    seen = kaplan_meier(tenure, 1 - left, int(max(last, tenure.max())))
    seen = np.maximum(seen, 1e-3)
    at_exit = seen[np.maximum(tenure.astype(int) - 1, 0)]
    month = np.arange(1, last + 1)[None, :]
    gone = (tenure[:, None] <= month) & (left[:, None] == 1)
    there = tenure[:, None] > month
    s = survival[:, 1:]
    return float((gone * s**2 / at_exit[:, None] + there * (1 - s) ** 2 / seen[month]).mean())


def survival_decile_error(tenure: Floats, left: Floats, at_month: Floats, month: int = 12) -> float:
    """Mean over deciles of predicted S(month) of |mean predicted - Kaplan-Meier| [share of customers]."""
    table = _survival_means(tenure, left, at_month, month)
    return float((table["predicted"] - table["actual"]).abs().mean())


def _survival_means(tenure: Floats, left: Floats, at_month: Floats, month: int) -> pd.DataFrame:
    group = tenths(at_month)
    rows = [(int(k) + 1, float(at_month[group == k].mean()),
             float(kaplan_meier(tenure[group == k], left[group == k], month)[-1]), int((group == k).sum()))
            for k in np.unique(group)]
    return pd.DataFrame(rows, columns=["decile", "predicted", "actual", "count"])
