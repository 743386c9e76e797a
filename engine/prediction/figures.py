"""What the model page draws of the features: importance, swarm and dependence, and churn's drivers beside value's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction import explain
from engine.prediction.boosting import THREADS
from engine.prediction.churn import ChurnModel
from engine.schema import Column

MOST = 2_000
IN_SWARM = 12
CUSTOMERS_IN_SWARM = 125
WITH_DEPENDENCE = 24
BINS = 20
OTHERS = "all others"


def of(who: ChurnModel, background: pd.DataFrame, X: pd.DataFrame, worth: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Importance, swarm and dependence [log-odds] and the table of churn beside value, from at most 2,000 customers."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(X))[:MOST])
    rows = who.align(X.iloc[chosen])
    mine = explain.contributions(who, rows, background)
    value, r2 = value_contributions(rows, worth["expected_ltv"].to_numpy()[chosen], seed)
    importance = explain.global_importance(mine)
    strongest = importance["feature"].tolist()[:WITH_DEPENDENCE]
    return {"importance": importance.to_dict("list"), "swarm": swarm(mine, rows, strongest[:IN_SWARM], seed),
            "dependence": {name: dependence(rows[name], mine[name]) for name in strongest},
            "cross_model": explain.cross_model(mine, value).to_dict("list"), "ltv_surrogate_r2": r2}


def described(column: Column) -> dict[str, str]:
    """What a reader of the card needs to name the column and its values, those in quarantine too."""
    return {"title": column.title, "kind": column.kind, "unit": column.unit, "meaning": column.meaning}


def swarm(mine: pd.DataFrame, rows: pd.DataFrame, features: Sequence[str], seed: int) -> dict[str, dict[str, Any]]:
    """Per feature the contribution [log-odds], the value, and its place among all values, of 125 customers.

    place: 0 for the lowest value, 100 for the highest, by rank; None for categories and for what is missing. Each
    feature's points stand in the order of their contribution, so that no customer can be followed from one to another.
    """
    drawn = np.sort(np.random.default_rng(seed).permutation(len(rows))[:CUSTOMERS_IN_SWARM])
    told = {}
    for name in features:
        some = drawn[np.argsort(mine[name].to_numpy()[drawn], kind="stable")]
        told[name] = {"contribution": _short(mine[name].iloc[some], 3), "value": _values(rows[name].iloc[some]),
                      "place": _places(rows[name])[some].tolist()}
    return told


def _short(numbers: pd.Series, digits: int) -> list[float]:
    return [float(number) for number in numbers.round(digits)]


def _values(values: pd.Series) -> list[Any]:
    """Numbers with four digits that count, levels as text, None for what is missing."""
    words = isinstance(values.dtype, pd.CategoricalDtype)
    return [None if pd.isna(value) else str(value) if words else float(f"{value:.4g}") for value in values]


def _places(values: pd.Series) -> np.ndarray:
    """Each value's rank from 0, the lowest, to 100, the highest; None where there is no order or no value."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return np.full(len(values), None)
    rank = values.rank()
    width = rank.max() - rank.min()
    scaled = (100 * (rank - rank.min()) / (width if width > 0 else 1)).round()
    return np.array([None if np.isnan(place) else int(place) for place in scaled], dtype=object)


def dependence(values: pd.Series, contribution: pd.Series) -> dict[str, list[Any]]:
    """Contribution [log-odds] along a feature: per bin or level its value, customers, and the 10th, 50th and 90th
    percentile of the contribution.

    Numbers are cut into at most 20 bins of as many customers (value: their mean), categories beyond the 20 most
    frequent stand together; what is missing has the value None and stands last.

    >>> told = dependence(pd.Series([1.0, 1.0, None]), pd.Series([0.5, 0.7, -1.0]))
    >>> told["value"], told["middle"], told["customers"]
    ([1.0, None], [0.6, -1.0], [2, 1])
    """
    bins = _bins(values)
    rows = pd.DataFrame({"bin": bins, "value": values.to_numpy(), "contribution": contribution.to_numpy()})
    known = rows[bins.notna().to_numpy()].groupby("bin", observed=True)
    inside = [(_name(bin_, part["value"]), part["contribution"]) for bin_, part in known]
    gaps = rows.loc[bins.isna().to_numpy(), "contribution"]
    parts = [*inside, *([(None, gaps)] if len(gaps) else [])]
    ends = [np.quantile(part, [0.1, 0.5, 0.9]).round(4) for _, part in parts]
    return {"value": [value for value, _ in parts], "customers": [len(part) for _, part in parts],
            **{name: [float(end[place]) for end in ends] for place, name in enumerate(("low", "middle", "high"))}}


def _bins(values: pd.Series) -> pd.Series:
    """Each row's bin: a number, or a level's name; missing where the value is."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        named = values.astype("string").astype(object)
        often = named.value_counts().index[:BINS]
        return named.where(named.isin(often) | named.isna(), OTHERS).reset_index(drop=True)
    numbers = values.astype(float).reset_index(drop=True)
    if numbers.nunique() <= BINS:
        return numbers
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1]))
    return pd.Series(np.searchsorted(edges, numbers, side="right").astype(float)).where(numbers.notna())


def _name(bin_: Any, values: pd.Series) -> Any:
    return bin_ if isinstance(bin_, str) else float(f"{values.astype(float).mean():.4g}")


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
