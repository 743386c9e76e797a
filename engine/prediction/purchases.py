"""What a customer's purchases say as of a moment: the four numbers of the order models, and a history as features.

`orders` is a frame of customer_id, at, amount [currency], one row per order or order line; a day is one purchase.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from engine.errors import EngineError
from engine.prediction.money import DAYS_PER_MONTH

PURCHASES = ["frequency", "recency_days", "T_days", "monetary_value", "order_value"]
RECENT_DAYS = (28, 56, 91)
WARM_UP_DAYS = 60
STEP_DAYS = 30
PERIOD_SHARES = (1 / 3, 1 / 4, 1 / 6)
YOUNGEST_DAYS = 0.5
MOST_MOMENTS = 16


def purchases(orders: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Frequency, recency, age and value of each customer with a purchase before as_of, indexed by customer_id.

    frequency: days with a purchase after the first; recency_days: first to last purchase; T_days: first purchase to
    the last day observed; monetary_value: mean value of the repeat days [currency], 0 without one; order_value: mean
    value of all days, the first included.

    >>> orders = pd.DataFrame({"customer_id": ["a", "a", "a"], "amount": [10.0, 20.0, 40.0],
    ...                        "at": pd.to_datetime(["2024-01-01", "2024-01-11", "2024-02-20"])})
    >>> purchases(orders, datetime(2024, 2, 1)).loc["a"].tolist()
    [1.0, 10.0, 30.0, 20.0, 15.0]
    """
    days = _days(orders, as_of)
    by = days.groupby("customer_id", sort=True)
    seen = by["at"].agg(["min", "max", "size"])
    first_value, all_values = by["amount"].first(), by["amount"].sum()
    frequency = (seen["size"] - 1).astype(float)
    last_day = pd.Timestamp(as_of) - pd.Timedelta(days=1)
    age = ((last_day.ceil("D") - seen["min"]).dt.days).clip(lower=YOUNGEST_DAYS)
    return pd.DataFrame({
        "frequency": frequency,
        "recency_days": (seen["max"] - seen["min"]).dt.days.astype(float),
        "T_days": np.maximum(age, (seen["max"] - seen["min"]).dt.days).astype(float),
        "monetary_value": ((all_values - first_value) / frequency.where(frequency > 0)).fillna(0.0),
        "order_value": all_values / seen["size"],
    })


def _days(orders: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """One row per customer and day with a purchase before as_of, earliest first."""
    known = orders.loc[orders["at"] < as_of, ["customer_id", "at", "amount"]]
    known = known.assign(at=known["at"].dt.floor("D"))
    return known.groupby(["customer_id", "at"], sort=True)["amount"].sum().reset_index()


def history(orders: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Features of each customer's purchases before as_of: the four numbers, their values, gaps and recent sums.

    Where the orders have a `quantity` [pieces], also how many pieces and at what price.

    >>> orders = pd.DataFrame({"customer_id": ["a", "a"], "amount": [10.0, 20.0],
    ...                        "at": pd.to_datetime(["2024-01-01", "2024-01-11"])})
    >>> history(orders, datetime(2024, 2, 1)).loc["a", ["since_days", "spent", "spent_28d", "gap_days"]].tolist()
    [20.0, 30.0, 20.0, 10.0]
    """
    days, known = _days(orders, as_of), purchases(orders, as_of)
    by = days.groupby("customer_id", sort=True)["amount"]
    features = known.assign(
        since_days=known["T_days"] - known["recency_days"],
        spent=by.sum(), last_value=by.last(), first_value=by.first(), largest=by.max(), smallest=by.min(),
        orders_per_day=known["frequency"] / known["T_days"],
    )
    features["spent_per_day"] = features["spent"] / known["T_days"]
    features = features.join(_recent(days, as_of, features.index)).join(_gaps(days, features["since_days"]))
    return features.join(_pieces(orders[orders["at"] < as_of], features)) if "quantity" in orders else features


def _recent(days: pd.DataFrame, as_of: datetime, customers: pd.Index) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for length in RECENT_DAYS:
        by = days[days["at"] >= pd.Timestamp(as_of) - pd.Timedelta(days=length)].groupby("customer_id")["amount"]
        columns[f"spent_{length}d"] = by.sum().reindex(customers, fill_value=0.0)
        columns[f"orders_{length}d"] = by.size().reindex(customers, fill_value=0)
    return pd.DataFrame(columns)


def _gaps(days: pd.DataFrame, since_days: pd.Series) -> pd.DataFrame:
    """Mean, spread and largest of the days between purchases, and how late the next one is; missing without two."""
    gap = days.groupby("customer_id")["at"].diff().dt.days
    by = gap.groupby(days["customer_id"])
    mean = by.mean()
    return pd.DataFrame({"gap_days": mean, "gap_spread": by.std(), "gap_longest": by.max(),
                         "lateness": since_days / mean})


def _pieces(orders: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Pieces in all, per purchase day and in the first order, and the mean price of a piece [currency]."""
    by = orders.sort_values("at", kind="stable").groupby("customer_id")["quantity"]
    pieces = by.sum().astype(float)
    return pd.DataFrame({"pieces": pieces, "pieces_per_order": pieces / (features["frequency"] + 1),
                         "pieces_first": by.first().astype(float),
                         "price": features["spent"] / pieces.where(pieces > 0)})


def earlier_moments(first: datetime, as_of: datetime) -> list[tuple[datetime, float]]:
    """Moments after which a period has already been observed in full, with the period's length [days].

    Periods of a third, a quarter and a sixth of the history, so that no single period's accidents set the level;
    each at moments 30 days apart, the earliest 60 days after the first order.

    >>> moments = earlier_moments(datetime(1997, 1, 1), datetime(1997, 10, 1))
    >>> len(moments), moments[0]
    (16, (datetime.datetime(1997, 7, 2, 0, 0), 91.0))
    """
    span = (as_of - first).days
    periods = [int(span * share) for share in PERIOD_SHARES]
    return [(as_of - timedelta(days=back), float(period))
            for period in periods for back in range(period, span - WARM_UP_DAYS + 1, STEP_DAYS)]


def past_moments(first: datetime, as_of: datetime) -> list[tuple[datetime, float]]:
    """Of the earlier moments with their periods [days], every so many that 16 at most are left.

    >>> len(past_moments(datetime(1997, 1, 1), datetime(1997, 10, 1)))
    16
    """
    moments = earlier_moments(first, as_of)
    return moments[:: max(-(-len(moments) // MOST_MOMENTS), 1)]


def some_past(first: datetime, as_of: datetime) -> list[tuple[datetime, float]]:
    """`past_moments`, at least one.

    >>> some_past(datetime(1997, 1, 1), datetime(1997, 3, 1))
    Traceback (most recent call last):
    engine.errors.EngineError: The orders reach back 59 days, too few to learn what customers bring. Bring 72 or more.
    """
    moments = past_moments(first, as_of)
    if not moments:
        fewest = math.ceil(WARM_UP_DAYS / (1 - min(PERIOD_SHARES)))
        raise EngineError(f"The orders reach back {(as_of - first).days} days, too few to learn what customers "
                          f"bring. Bring {fewest} or more.")
    return moments


def first_day(orders: pd.DataFrame) -> datetime:
    """The day of the first order."""
    return pd.Timestamp(orders["at"].min()).normalize().to_pydatetime()


def monthly_spend(orders: pd.DataFrame, as_of: datetime, period_days: float, customers: pd.Index) -> pd.Series:
    """Spend per month within the period from as_of on [currency per month], 0 for customers without a purchase."""
    ends = pd.Timestamp(as_of) + pd.Timedelta(days=period_days)
    within = orders[(orders["at"] >= as_of) & (orders["at"] < ends)]
    total = within.groupby("customer_id")["amount"].sum().reindex(customers, fill_value=0.0)
    return total.astype(float) * (DAYS_PER_MONTH / period_days)


def stacked(orders: pd.DataFrame, moments: Sequence[tuple[datetime, float]]) -> tuple[pd.DataFrame, pd.Series]:
    """Features as of each moment and the monthly spend that followed; index (period_days, as_of, customer_id)."""
    names, features, targets = ["period_days", "as_of"], [], []
    for as_of, period in moments:
        X = history(orders, as_of)
        features.append(pd.concat({(period, as_of): X}, names=names))
        targets.append(pd.concat({(period, as_of): monthly_spend(orders, as_of, period, X.index)}, names=names))
    return pd.concat(features), pd.concat(targets)
