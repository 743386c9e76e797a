"""One customer in detail: the way from the typical customer to this one's chance, and the months ahead."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction import drivers, explain, value
from engine.prediction.calibration import inverse_logit
from engine.prediction.ltv import LtvInputs
from engine.prediction.model import Model, Scored
from engine.prediction.money import DAYS_PER_MONTH, NEVER, Floats
from engine.prediction.survival import best_contact_month, curves, steady_curves
from engine.schema import Dataset, share

MONTHS = 24
STANDS_OUT, EVEN = 1.25, 0.5
TICKS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97,
         0.98, 0.99, 0.995)
REACH, GRID = 12.0, 4_801


def way(model: Model, scored: Scored, currency: str = "") -> dict[str, Any]:
    """From the base to the customer's raw log-odds, family by family, the strongest first.

    base, total: raw log-odds before calibration; base and steps add up to the total, to six decimals. steps: per
    family its contribution [log-odds], the words of the feature that speaks for it, and `after`, the chance that the
    sum so far stands for (it depends on the order). scale: at which raw log-odds which calibrated chance lies.
    features: everything that the model uses, one by one.
    """
    shares = explain.contributions(model.churn, scored.features, model.rates.background)
    told = drivers.drivers(shares, scored.features, model.columns, model.rates, len(shares.columns), currency)
    base, total = float(shares[explain.BASE].iloc[0]), float(shares.iloc[0].sum())
    after = chance(model, base + np.cumsum(told["contribution"].to_numpy(float)), scored.as_of)
    meaning = {column.name: column for column in model.columns}
    steps = [{"name": _name(meaning.get(row["feature"]), row["feature"]), **row, "after": float(p)}
             for row, p in zip(told[["feature", "value", "contribution", "words"]].to_dict("records"), after,
                               strict=True)]
    return {"base": base, "total": total, "typical": float(chance(model, np.array([base]), scored.as_of)[0]),
            "steps": steps, "scale": _scale(model, scored.as_of),
            "features": _features(shares, scored, model, currency)}


def _name(column: Any, feature: str) -> str:
    """What a family is called: its own name, or the title of the only feature in it."""
    family = column.family if column is not None else ""
    return family[:1].upper() + family[1:] if family else (column.title if column is not None else feature)


def _features(shares: pd.DataFrame, scored: Scored, model: Model, currency: str) -> list[dict[str, Any]]:
    """Every feature that the model uses: what the customer has, and its contribution [log-odds]."""
    row, values = shares.iloc[0], scored.features.iloc[0]
    known = [column for column in model.columns if column.name in model.churn.columns]
    return [{"title": column.title, "value": drivers.in_words(column, values[column.name], currency),
             "meaning": column.meaning, "contribution": float(row[column.name])} for column in known]


def chance(model: Model, log_odds: Floats, as_of: datetime) -> Floats:
    """The calibrated chance at the moment's level that raw log-odds stand for."""
    return model.level.moved(model.churn.calibrator(inverse_logit(log_odds)), as_of)


def _scale(model: Model, as_of: datetime) -> list[dict[str, float]]:
    """Round chances, and the raw log-odds from which on the calibrated chance reaches them."""
    grid = np.linspace(-REACH, REACH, GRID)
    p = chance(model, grid, as_of)
    reached = [tick for tick in TICKS if p[0] < tick <= p[-1]]
    return [{"chance": tick, "log_odds": float(grid[np.searchsorted(p, tick)])} for tick in reached]


def unseen(model: Model, scored: Scored) -> list[str]:
    """The customer's categories that no training customer had, each in words: the model takes them as unknown."""
    row = scored.features.iloc[0]
    meaning = {column.name: column.title for column in model.columns}
    return [f"{meaning.get(name, name)} {row[name]}" for name, levels in model.churn.categories.items()
            if pd.notna(row[name]) and row[name] not in levels]


def months_ahead(model: Model, dataset: Dataset, scored: Scored, months: int = MONTHS) -> dict[str, Any]:
    """What becomes likely month by month: of a contract, still to be here; of a shop's customer, no order so far.

    kind: "contract" (the hazard's shape by tenure), "order" (the rhythm of orders) or "steady" (a constant rate, where
    neither is known). curve: the chance at 0, 1, ..., `months` months from now; after window_months it equals one
    minus the chance to leave ("contract", "steady") or the chance to leave itself ("order", which means no order).
    peak: the month in which most leave, if it stands out from the other months; None otherwise. words: when to be in
    touch.
    """
    grid = np.arange(months + 1.0)
    p = scored.scores["churn_probability"].to_numpy(float)
    inputs = value.value_inputs(dataset, scored.features, p, scored.as_of, model.ltv.settings)
    kind, curve = _curve(model, inputs, grid)
    window = dataset.label.horizon_days / DAYS_PER_MONTH
    peak = _peak(curve, grid) if kind == "contract" else None
    return {"kind": kind, "months": grid.tolist(), "curve": curve[0].tolist(), "window_months": window, "peak": peak,
            "words": _when(kind, peak, scored)}


def _when(kind: str, peak: int | None, scored: Scored) -> str:
    """When to be in touch."""
    row = scored.scores.iloc[0]
    if row["has_left"] == 1:
        return "The customer has left already: the curve is of the time before."
    if kind == "order":
        buys = share(row["p_alive"])
        begins = (f"{buys} of such customers still buy at all. If this one does," if row["p_alive"] >= EVEN else
                  f"This customer has probably stopped buying: {buys} of such customers still do. If this one does,")
        return (f"{begins} the next order is due around {row['next_order_at']:%d %b %Y} (half of them order sooner): "
                "be in touch shortly before.")
    if kind == "steady":
        return "The data do not tell which month is the likeliest: the chance is spread evenly over the months."
    if peak is None:
        return "No month stands out: the chance to leave is spread over the months."
    if peak == 1:
        return "The coming month is the likeliest one to leave in: be in touch now."
    last = pd.Timestamp(scored.as_of) + pd.DateOffset(months=peak)
    return f"The likeliest month to leave in ends on {last:%d %b %Y}, month {peak} from now: be in touch before it."


def _curve(model: Model, inputs: LtvInputs, grid: Floats) -> tuple[str, Floats]:
    if model.ltv.hazard is not None and inputs.tenure() is not None:
        return "contract", model.ltv.survival(inputs, grid)
    if model.ltv.orders is not None and inputs.purchases is not None:
        frequency, recency, age = (inputs.purchases[name].to_numpy(float)[:, None]
                                   for name in ("frequency", "recency_days", "T_days"))
        silent = model.ltv.orders.when.no_order(grid[None, :] * DAYS_PER_MONTH, frequency, recency, age)
        shape = np.log(np.maximum(silent, NEVER))
        return "order", curves(shape, grid, inputs.label_window_days, 1 - inputs.p)
    return "steady", steady_curves(grid, inputs.label_window_days, inputs.p)


def _peak(curve: Floats, grid: Floats) -> int | None:
    """The month in which most leave, where those still there leave clearly faster than in the mean month.

    >>> _peak(np.array([[1.0, 0.95, 0.70, 0.68]]), np.arange(4.0)), _peak(np.array([[1.0, 0.5, 0.25]]), np.arange(3.0))
    (2, None)
    """
    month = int(best_contact_month(curve, grid)[0])
    hazard = 1 - curve[0, 1:] / np.maximum(curve[0, :-1], NEVER)
    return month if hazard[month - 1] > STANDS_OUT * hazard.mean() else None
