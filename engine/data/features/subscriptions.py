"""Accounts with subscriptions: what is declared of contract, use, tickets and payments, and who is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pandas as pd

from engine.data.features.declared import (
    Age,
    Count,
    Days,
    Distinct,
    Feature,
    FeatureTable,
    Found,
    How,
    Largest,
    Last,
    LastText,
    Less,
    Look,
    Recency,
    Season,
    Share,
    Streak,
    Sum,
    Trend,
)
from engine.data.features.layer import before, columns_of, declare, features_of, look, runs, seconds, whole
from engine.data.features.streaming import as_category
from engine.schema import Column, Dataset
from engine.schema.subscriptions import SUBSCRIPTION_FEATURES, USE_WINDOWS

START, END, USE, TICKET = "subscription", "subscription_cancelled", "activity", "ticket"
FAILED, PAID, BACK = "payment_failure", "payment", "return"
TERM = (START, END)
MONTH = 30.4375
URGENT = ("urgent", "high", "critical")

LOOKS: Mapping[str, Look] = {
    "money": whole("amount"),
    "much": whole("quantity"),
    "monthly": whole("list_price"),
    "runs_until": look(lambda events: seconds(events.expires_at)),
    "step": look(lambda events: (events.kind == START).cast("int64") - (events.kind == END).cast("int64")),
    "running_then": look(lambda events: events.step.sum().over(ibis.cumulative_window(
        group_by="customer_id", order_by=["at", "event_id"]))),
    "day_before": before("day"),
    "pause": look(lambda events: events.day - events.day_before),
    "urgent": look(lambda events: events.category.lower().isin(list(URGENT)).fill_null(False)),
    "rated": look(lambda events: events.much.notnull()),
    "run": runs,
}

HOW: Mapping[str, How] = {
    "tenure_months": Age(START, per=MONTH),
    "mrr": Last(TERM, of="monthly"),
    "mrr_change_90d": Less(Last(TERM, of="monthly"), Last(TERM, since=90, of="monthly")),
    "running": Last(TERM, of="running_then", per=1.0),
    "plan": LastText(START, of="plan"),
    "plans": Distinct(START, of="plan"),
    "starts": Count(START),
    "starts_90d": Count(START, 90),
    "ends": Count(END),
    "ends_90d": Count(END, 90),
    "start_recency_days": Recency(START),
    "end_recency_days": Recency(END),
    **{f"uses_{days}d": Sum(USE, days, of="much") for days in USE_WINDOWS},
    **{f"active_days_{days}d": Days(USE, days) for days in USE_WINDOWS},
    "use_recency_days": Recency(USE),
    "use_streak_days": Streak(USE, "run"),
    "use_gap_longest_90d": Largest(USE, 90, of="pause", per=1.0),
    **{f"use_trend_{days}d": Trend(Sum(USE, days, of="much")) for days in (30, 90)},
    "features_used_90d": Distinct(USE, 90, of="category"),
    "uses_per_day_30d": Share(Sum(USE, 30, of="much"), Days(USE, 30)),
    "uses_per_price": Share(Sum(USE, 30, of="much"), Last(TERM, of="monthly")),
    "season_uses": Season(Sum(USE, 30, of="much")),
    **{f"tickets_{days}d": Count(TICKET, days) for days in (30, 90, 365)},
    "ticket_recency_days": Recency(TICKET),
    "ticket_mood_90d": Share(Sum(TICKET, 90, of="much"), Count(TICKET, 90, flag="rated")),
    "urgent_tickets_90d": Count(TICKET, 90, flag="urgent"),
    "payment_failures_90d": Count(FAILED, 90),
    "payment_failure_recency_days": Recency(FAILED),
    "paid_365d": Sum(PAID, 365, of="money"),
    "refunded_share": Share(Sum(BACK, of="money"), Sum(PAID, of="money")),
}
RUNS = Last(TERM, of="runs_until", per=1.0)


def with_a_subscription(found: Found) -> ir.Value:
    """Accounts of which a subscription runs at the moment, as known then."""
    return (found[RUNS] >= found.seen.as_of_s).fill_null(False)


SUBSCRIPTIONS = declare(FeatureTable(
    "subscriptions", tuple(Feature(column, HOW[column.name]) for column in SUBSCRIPTION_FEATURES), (RUNS,),
    with_a_subscription, extras=("category", "expires_at", "list_price", "plan"), looks=LOOKS))


def subscription_columns(dataset: Dataset) -> tuple[Column, ...]:
    """The meaning of each feature that the company's files can tell."""
    assert dataset.events is not None, "subscriptions are events"
    return columns_of(SUBSCRIPTIONS, dataset.events)


def subscription_features(dataset: Dataset, as_ofs: Sequence[datetime], _lookback_days: int,
                          only: Sequence[str] | None = None) -> pd.DataFrame:
    """Features per moment and account with a subscription that runs."""
    assert dataset.events is not None, "subscriptions are events"
    known = features_of(SUBSCRIPTIONS, dataset.events, as_ofs, reach_days=0, only=only)
    return known.assign(plan=as_category(known["plan"]))


assert set(HOW) == {column.name for column in SUBSCRIPTION_FEATURES}, "every feature has its words and its way"
