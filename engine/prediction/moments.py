"""A model over time: how its metrics move from one predicted moment to the next, and whether the drivers stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.ensembles import is_boosted
from engine.prediction.evaluate import Judged, estimates
from engine.schema import Column, Estimate, Snapshot

WATCHED = ("roc_auc", "brier", "ece")
FEWEST_TO_RANK = 3


def over_time(snapshot: Snapshot, judged: Judged, seed: int, groups: np.ndarray | None,
              draws: int) -> list[dict[str, Any]]:
    """Of several moments, each that was predicted from the time before it; empty for a single moment.

    as_of, customers, left; metrics: each of WATCHED as an Estimate of that moment's customers; importance: by family of
    features its share of what the moment's own model gained from all (LightGBM's total gain; missing for other
    models); agreement: rank correlation (Spearman) of these shares with the moment before, -1..1, None for the first.
    """
    if snapshot.as_of.nunique() == 1:
        return []
    told: list[dict[str, Any]] = []
    first = judged.first
    for number, model in enumerate(judged.models):
        rows = first[first["fold"] == number]
        shares = gain_by_family(model, snapshot.columns)
        before = told[-1]["importance"] if told else {}
        told.append({
            "as_of": snapshot.as_of[rows["position"].iloc[0]], "customers": len(rows), "left": int(rows["y"].sum()),
            "metrics": estimates(rows, seed, groups, draws, WATCHED), "importance": shares,
            "agreement": agreement(before, shares),
        })
    return told


def gain_by_family(model: Any, columns: Sequence[Column]) -> dict[str, float]:
    """Each family's share of the total gain, the greatest first; a feature of no family stands alone. Empty for models
    other than LightGBM."""
    if not is_boosted(model):
        return {}
    booster = model.booster_
    gain = pd.Series(booster.feature_importance("gain"), booster.feature_name(), dtype=float)
    family = {column.name: column.family or column.name for column in columns}
    shares = gain.groupby([family.get(name, name) for name in gain.index]).sum().sort_values(
        ascending=False, kind="stable")
    return {str(name): float(value) for name, value in (shares / max(gain.sum(), 1e-12)).items()}


def agreement(before: Mapping[str, float], now: Mapping[str, float]) -> float | None:
    """Spearman's rank correlation of two sets of shares; None where fewer than three are known to both, or all are
    equal.

    >>> agreement({"a": 0.6, "b": 0.3, "c": 0.1}, {"a": 0.5, "b": 0.1, "c": 0.4})
    0.5
    """
    both = sorted(before.keys() & now.keys())
    if len(both) < FEWEST_TO_RANK:
        return None
    ranks = [pd.Series([shares[name] for name in both]).rank() for shares in (before, now)]
    if min(rank.nunique() for rank in ranks) == 1:
        return None
    return float(round(ranks[0].corr(ranks[1]), 6))


def drift(told: Sequence[Mapping[str, Any]], metric: str = "roc_auc") -> Estimate | None:
    """The metric at the last moment less that at the first; the interval adds both moments' half-widths as squares.

    A customer may be in both, so the true interval is rather narrower. None where fewer than two moments were
    predicted.
    """
    if len(told) < 2:
        return None
    first, last = (told[place]["metrics"][metric] for place in (0, -1))
    value = last.value - first.value
    below = np.hypot(last.value - last.low, first.high - first.value)
    above = np.hypot(last.high - last.value, first.value - first.low)
    return Estimate(value, float(value - below), float(value + above), first.n + last.n,
                    f"{metric} at the last moment less the first, intervals added as squares")
