"""What happened lately to a customer, in words: the features that make a contact timely today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from engine.insight.source import Scope, ask, columns, quoted
from engine.schema import plural, share


@dataclass(frozen=True)
class Sign:
    """A feature that tells of something recent where it lies between `least` and `most`, and the words for it."""

    column: str
    least: float
    most: float
    says: Callable[[float], str]


def _days(value: float) -> str:
    return plural(max(1, round(value)), "day")


SIGNS = (
    Sign("days_since_payment_failure", 0, 30, lambda value: f"a payment failed {_days(value)} ago"),
    Sign("days_since_ticket", 0, 30, lambda value: f"a support ticket {_days(value)} ago"),
    Sign("usage_change_1m", -1, -0.3, lambda value: f"use fell by {share(-value)} in a month"),
    Sign("overdue_days", 1, 30, lambda value: f"the next order is overdue by {_days(value)}"),
    Sign("carts_abandoned_30d", 1, 1e6, lambda value: f"{plural(round(value), 'cart')} left behind in 30 days"),
    Sign("undone_recency_days", 0, 30, lambda value: f"an order sent back or cancelled {_days(value)} ago"),
)


def signs_of(scope: Scope, ids: Sequence[str]) -> pd.Series:
    """`lately` of these customers, in this order, numbered from 0."""
    names = [sign.column for sign in SIGNS if sign.column in columns(scope)]
    wanted = ", ".join(quoted(name) for name in ("customer_id", *names))
    found = ask(scope, f"SELECT {wanted} FROM features WHERE customer_id IN (SELECT unnest(?))", [list(ids)])
    return lately(found.set_index("customer_id").reindex(list(ids))).reset_index(drop=True)


def lately(frame: pd.DataFrame) -> pd.Series:
    """What happened in the month before the data end, per row, from the features that the frame holds; "" = nothing.

    >>> lately(pd.DataFrame({"days_since_ticket": [2.2, 90.0], "usage_change_1m": [-0.5, 0.1]})).tolist()
    ['A support ticket 2 days ago; use fell by 50.0 % in a month', '']
    """
    told = pd.Series("", index=frame.index, dtype=object)
    for sign in SIGNS:
        if sign.column in frame:
            words = frame[sign.column].where(frame[sign.column].between(sign.least, sign.most)).map(
                sign.says, na_action="ignore").fillna("")
            told = told.where(words == "", told.where(told == "", told + "; ") + words)
    return told.map(lambda words: words[:1].upper() + words[1:])
