"""What the model page draws of the features: their importance, and churn's drivers beside value's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from engine.prediction import explain
from engine.prediction.churn import ChurnModel
from engine.prediction.ensembles import THREADS

MOST = 2_000


def of(who: ChurnModel, background: pd.DataFrame, X: pd.DataFrame, worth: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Global importance [log-odds] and the table of churn beside value, from at most 2,000 of the customers in X."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(X))[:MOST])
    rows = who.align(X.iloc[chosen])
    mine = explain.contributions(who, rows, background)
    value, r2 = value_contributions(rows, worth["expected_ltv"].to_numpy()[chosen], seed)
    return {"importance": explain.global_importance(mine).to_dict("list"),
            "cross_model": explain.cross_model(mine, value).to_dict("list"), "ltv_surrogate_r2": r2}


def value_contributions(X: pd.DataFrame, ltv: np.ndarray, seed: int) -> tuple[pd.DataFrame, float]:
    """Each feature's contribution to the LTV [currency], through a surrogate, and the surrogate's R2 on these rows.

    Value models read a customer's money, purchases and survival, not the churn model's features; a boosted regression
    of their LTV on those features says which of them go with value.
    """
    from lightgbm import LGBMRegressor

    surrogate = LGBMRegressor(
        n_estimators=200, num_leaves=15, learning_rate=0.05, min_child_samples=20, deterministic=True,
        force_row_wise=True, n_jobs=THREADS, verbosity=-1, random_state=seed,
    ).fit(X, ltv)
    spread = float(np.var(ltv))
    r2 = 1 - float(np.mean((ltv - surrogate.predict(X)) ** 2)) / spread if spread > 0 else 1.0
    return explain.of_booster(surrogate.booster_, X), r2
