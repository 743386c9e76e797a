"""Why the model says what it says: each feature's share of each customer's raw log-odds, before calibration.

LightGBM is explained exactly (path-dependent TreeSHAP, Lundberg et al. 2020, Nature Machine Intelligence 2). Any other
model is explained by sampled Shapley values of its log-odds (Castro, Gomez & Tejada 2009, Computers & Operations
Research 36): the customer is turned feature by feature, in several fixed orders, from a typical customer of the
training population into herself, and each feature is given the change that its turn brings. Both add up exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from engine.prediction.treemodel import Unsupported, matrix
from engine.prediction.treeshap import explainer

if TYPE_CHECKING:
    from lightgbm import Booster

    from engine.prediction.churn import ChurnModel

BASE = "base"
CHAINS = 16
ROWS_AT_ONCE = 50_000
WORTH_TABLES = 20_000_000
MATTERS = 0.05

Predict = Callable[[pd.DataFrame], np.ndarray]


def contributions(model: ChurnModel, X: pd.DataFrame, background: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each feature's contribution [log-odds] and the last column "base"; a row sums to the model's raw log-odds.

    Args:
        background: training customers (Rates.background), wanted by models that are not a single LightGBM model;
            their base is the mean log-odds of typical ones among them.
    """
    aligned = model.align(X)
    booster = getattr(model.estimator, "booster_", None)
    if booster is not None:
        return of_booster(booster, aligned)
    assert background is not None, "Give Rates.background: this model is explained against typical customers."
    return sampled(model.log_odds, aligned, model.align(background))


def of_booster(booster: Booster, X: pd.DataFrame) -> pd.DataFrame:
    """The same for a LightGBM booster with one output; for a regression in the target's unit."""
    values = matrix(booster, X)
    return pd.DataFrame(_exact(booster, values), index=X.index, columns=[*X.columns, BASE])


def _exact(booster: Booster, values: np.ndarray) -> np.ndarray:
    """From tables where there is enough to explain to make them worth their second, otherwise by LightGBM itself."""
    leaves = booster.num_trees() * booster.params.get("num_leaves", 31)
    if len(values) * leaves >= WORTH_TABLES:
        try:
            return explainer(booster).contributions(values)
        except Unsupported:
            pass
    return np.asarray(booster.predict(values, pred_contrib=True, num_threads=1), dtype=np.float64)


def sampled(predict: Predict, X: pd.DataFrame, background: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Sampled Shapley values of any prediction; a row sums to the prediction exactly.

    The same seed and background give a customer the same values, alone or among others. base is the mean prediction
    of CHAINS rows of the background, evenly spaced by their prediction.

    >>> X = pd.DataFrame({"a": [1.0, 2.0], "b": [5.0, 7.0]})
    >>> sampled(lambda rows: rows.a.to_numpy() * 10 + rows.b.to_numpy(), X, X * 0)
          a    b  base
    0  10.0  5.0   0.0
    1  20.0  7.0   0.0
    """
    typical, start = _typical(predict, background)
    turns = _turns(len(X.columns), np.random.default_rng(seed))
    step = max(1, ROWS_AT_ONCE // (CHAINS * max(len(X.columns), 1)))
    parts = [_chains(predict, X.iloc[begin:begin + step], typical, start, turns) for begin in range(0, len(X), step)]
    values = np.concatenate([np.empty((0, len(X.columns))), *parts])
    return pd.DataFrame(values, index=X.index, columns=X.columns).assign(**{BASE: start.mean()})


def _typical(predict: Predict, background: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """CHAINS rows of the background, evenly spaced by prediction, and their predictions."""
    predicted = predict(background)
    places = ((np.arange(CHAINS) + 0.5) / CHAINS * len(background)).astype(int)
    chosen = np.argsort(predicted, kind="stable")[places]
    return background.iloc[chosen], predicted[chosen]


def _turns(features: int, rng: np.random.Generator) -> np.ndarray:
    """Per chain the features in the order in which they turn; every second order is the one before, reversed."""
    orders = [rng.permutation(features) for _ in range(CHAINS // 2)]
    return np.array([turn for order in orders for turn in (order, order[::-1])])


def _chains(
    predict: Predict, X: pd.DataFrame, typical: pd.DataFrame, start: np.ndarray, turns: np.ndarray
) -> np.ndarray:
    """The mean over chains of what each feature's turn changes: (rows, features). A turn without a change is free."""
    rows, features = X.shape
    pool = pd.concat([X, typical], ignore_index=True)
    same = np.stack([_same(X[name], typical[name]) for name in X.columns], axis=-1)
    row, chain, step = np.nonzero(~np.take_along_axis(same, turns[None], axis=2))
    turned_at = np.argsort(turns, axis=1)
    hybrids = pd.DataFrame({
        name: pool[name].take(np.where(turned_at[chain, number] <= step, row, rows + chain)).array
        for number, name in enumerate(X.columns)
    })
    values = np.concatenate([start, predict(hybrids) if len(hybrids) else np.empty(0)])
    latest = np.zeros((rows, CHAINS, features + 1), np.int64)
    latest[:, :, 0] = np.arange(CHAINS)
    latest[row, chain, step + 1] = CHAINS + np.arange(len(row))
    change = np.diff(values[np.maximum.accumulate(latest, axis=2)], axis=2)
    return np.take_along_axis(change, turned_at[None], axis=2).mean(axis=1)


def _same(values: pd.Series, others: pd.Series) -> np.ndarray:
    """Whether each value equals each of the others (missing equals missing): (values, others)."""
    left, right = (part.cat.codes if isinstance(part.dtype, pd.CategoricalDtype) else part for part in (values, others))
    a, b = left.to_numpy(dtype=np.float64)[:, None], right.to_numpy(dtype=np.float64)[None, :]
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def global_importance(frame: pd.DataFrame) -> pd.DataFrame:
    """Features by mean absolute contribution, strongest first: feature, importance [log-odds], share [0..1].

    >>> global_importance(pd.DataFrame({"a": [1.0, -1.0], "b": [0.0, 6.0], "base": 0.5}))
      feature  importance  share
    0       b         3.0   0.75
    1       a         1.0   0.25
    """
    importance = frame.drop(columns=BASE).abs().mean().sort_values(ascending=False, kind="stable")
    total = importance.sum()
    return pd.DataFrame({
        "feature": importance.index.astype(str), "importance": importance.to_numpy(),
        "share": (importance / total if total > 0 else importance).to_numpy(),
    })


def dependence(
    frame: pd.DataFrame, X: pd.DataFrame, feature: str, colour: str | None = None, most: int = 5000
) -> pd.DataFrame:
    """What a dependence plot draws: value, contribution [log-odds] and colour of at most so many customers.

    Customers are taken evenly along the feature's values, so that its whole range is seen.
    """
    drawn = {"value": X[feature], "contribution": frame[feature]} | ({"colour": X[colour]} if colour else {})
    points = pd.DataFrame(drawn).sort_values("value", kind="stable")
    if len(points) <= most:
        return points
    return points.iloc[np.linspace(0, len(points) - 1, most).round().astype(int)]


def cross_model(churn: pd.DataFrame, ltv: pd.DataFrame) -> pd.DataFrame:
    """What drives leaving beside what drives value, per feature, strongest first.

    Shares of the mean absolute contribution in each model; `role` is "both", "churn only", "LTV only" or "neither" by
    whether a share reaches MATTERS; `together` is the correlation of the two contributions across customers: where it
    is negative, what makes customers leave also makes them worth less. A feature that a model lacks has share 0.

    >>> churn = pd.DataFrame({"a": [1.0, -1.0], "base": 0.0})
    >>> ltv = pd.DataFrame({"a": [3.0, -3.0], "b": 1.0, "base": 9.0})
    >>> cross_model(churn, ltv)[["feature", "churn_share", "ltv_share", "role"]]
      feature  churn_share  ltv_share      role
    0       a          1.0       0.75      both
    1       b          0.0       0.25  LTV only
    """
    shares = [global_importance(part).set_index("feature")["share"] for part in (churn, ltv)]
    table = pd.concat(shares, axis=1, keys=["churn_share", "ltv_share"], sort=True).fillna(0.0)
    matters = table >= MATTERS
    roles = {(True, True): "both", (True, False): "churn only", (False, True): "LTV only", (False, False): "neither"}
    table["role"] = [roles[pair] for pair in zip(matters.churn_share, matters.ltv_share, strict=True)]
    table["together"] = [_correlation(churn, ltv, str(name)) for name in table.index]
    order = (table.churn_share + table.ltv_share).sort_values(ascending=False, kind="stable").index
    return table.loc[order].rename_axis("feature").reset_index()


def _correlation(one: pd.DataFrame, other: pd.DataFrame, feature: str) -> float:
    if feature not in one or feature not in other:
        return float("nan")
    a, b = one[feature].to_numpy(), other[feature].to_numpy()
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan")


def waterfall(row: pd.Series, most: int = 10) -> pd.DataFrame:
    """One customer's way from the base to the raw log-odds: step, contribution, start, end [log-odds].

    The strongest features first; the rest together as one step; the last step is the total.

    >>> waterfall(pd.Series({"a": 0.5, "b": -2.0, "base": -1.0}))
        step  contribution  start  end
    0   base          -1.0    0.0 -1.0
    1      b          -2.0   -1.0 -3.0
    2      a           0.5   -3.0 -2.5
    3  total          -2.5    0.0 -2.5
    """
    features = row.drop(BASE).astype(float)
    ranked = features.reindex(features.abs().sort_values(ascending=False, kind="stable").index)
    steps: dict[Any, float] = {BASE: float(row[BASE]), **ranked.iloc[:most].to_dict()}
    if len(ranked) > most:
        steps[f"{len(ranked) - most} others"] = float(ranked.iloc[most:].sum())
    change = np.array([*steps.values()])
    end = np.cumsum(change)
    return pd.DataFrame({
        "step": [*map(str, steps), "total"], "contribution": [*change, end[-1]],
        "start": [*(end - change), 0.0], "end": [*end, end[-1]],
    })
