"""Members of a service whose subscriptions run out: what is declared of them, and who is asked about at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from engine.data.features.declared import (
    DAY,
    Age,
    Count,
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
    MeanGap,
    Recency,
    Season,
    Share,
    Streak,
    Sum,
    Trend,
    Until,
)
from engine.data.features.layer import before, columns_of, declare, features_of, look, runs, seconds, whole
from engine.schema import Column, Dataset
from engine.schema.columns import in_families
from engine.schema.streaming import FAMILIES, MEMBER_COLUMNS, REGISTERED_DAYS, USE_WINDOWS

SUBSCRIPTION, CANCELLED, PLAY = "subscription", "subscription_cancelled", "play"
TERM = (SUBSCRIPTION, CANCELLED)
MONTH = 30.4375
OF_TERM = ("customer_id", "term")

LOOKS: Mapping[str, Look] = {
    "paid": whole("amount"),
    "length": whole("quantity"),
    "listed": whole("list_price"),
    "rebate": look(lambda events: events.listed - events.paid),
    "renews": look(lambda events: events.auto_renew.cast("int64")),
    "by_itself": look(lambda events: (events.auto_renew == 1).fill_null(False)),
    "free": look(lambda events: (events.paid == 0).fill_null(False)),
    "term": look(lambda events: events.kind.isin(list(TERM))),
    "gone": look(lambda events: (events.kind == CANCELLED).cast("int64")),
    "runs_until": look(lambda events: seconds(events.expires_at)),
    "ran_until": before("runs_until", OF_TERM),
    "late": look(lambda events: events.day - events.ran_until // DAY),
    "renewal": look(lambda events: events.late.notnull()),
    "lapsed": look(lambda events: (events.late > 0).fill_null(False)),
    "length_before": before("length"),
    "listed_before": before("listed"),
    "other_plan": look(lambda events: (events.length != events.length_before).fill_null(False)),
    "step": look(lambda events: events.listed - events.listed_before),
    "other_price": look(lambda events: (events.step != 0).fill_null(False)),
    "heard": look(lambda events: events.length),
    "day_before": before("day"),
    "pause": look(lambda events: events.day - events.day_before),
    "weekend": look(lambda events: (events.day + 3) % 7 >= 5),
    "different": look(lambda events: events.titles.cast("int64")),
    "begun": look(lambda events: events.plays.cast("int64")),
    "left_early": look(lambda events: events.plays_left.cast("int64")),
    "to_the_end": look(lambda events: events.plays_full.cast("int64")),
    "run": runs,
}

_PRICE = Share(Last(SUBSCRIPTION, of="paid"), Last(SUBSCRIPTION, of="length"), times=MONTH)


def _use(what: str, days: int) -> Sum:
    return Sum(PLAY, days, of=what, per=1.0)


HOW: Mapping[str, How] = {
    "days_to_expiry": Until(TERM, of="runs_until"),
    "tenure_months": Age(SUBSCRIPTION, whole=True, per=MONTH),
    "plan_days": Last(SUBSCRIPTION, of="length"),
    "auto_renew": Last(SUBSCRIPTION, of="renews", per=1.0),
    "auto_renew_share": Share(Count(SUBSCRIPTION, flag="by_itself"), Count(SUBSCRIPTION)),
    "cancelled_now": Last(TERM, of="gone", per=1.0),
    "plans": Distinct(SUBSCRIPTION, of="length"),
    "plan_changes": Count(SUBSCRIPTION, flag="other_plan"),
    "plan_days_mean": Share(Sum(SUBSCRIPTION, of="length"), Count(SUBSCRIPTION)),
    "renewals": Count(SUBSCRIPTION),
    "renewals_90d": Count(SUBSCRIPTION, 90),
    "renewals_365d": Count(SUBSCRIPTION, 365),
    "renewal_recency_days": Recency(SUBSCRIPTION, whole=True),
    "renewal_gap_mean_days": MeanGap(SUBSCRIPTION),
    "days_paid_365d": Sum(SUBSCRIPTION, 365, of="length"),
    "lapses": Count(SUBSCRIPTION, flag="lapsed"),
    "lapse_longest_days": Largest(SUBSCRIPTION, flag="lapsed", of="late", per=1.0),
    "late_last_days": Last(SUBSCRIPTION, of="late", per=1.0),
    "late_mean_days": Share(Sum(SUBSCRIPTION, of="late", per=1.0), Count(SUBSCRIPTION, flag="renewal")),
    "cancellations": Count(CANCELLED),
    "cancellations_365d": Count(CANCELLED, 365),
    "cancellation_recency_days": Recency(CANCELLED, whole=True),
    "cancellation_share": Share(Count(CANCELLED), Count(SUBSCRIPTION)),
    "price_per_month": _PRICE,
    "list_price": Last(SUBSCRIPTION, of="listed"),
    "paid_last": Last(SUBSCRIPTION, of="paid"),
    "discount_last": Share(Less(Last(SUBSCRIPTION, of="listed"), Last(SUBSCRIPTION, of="paid")),
                           Last(SUBSCRIPTION, of="listed")),
    "discount_share": Share(Sum(SUBSCRIPTION, of="rebate"), Sum(SUBSCRIPTION, of="listed")),
    "free_share": Share(Count(SUBSCRIPTION, flag="free"), Count(SUBSCRIPTION)),
    "paid": Sum(SUBSCRIPTION, of="paid"),
    "paid_90d": Sum(SUBSCRIPTION, 90, of="paid"),
    "paid_365d": Sum(SUBSCRIPTION, 365, of="paid"),
    "price_changes": Count(SUBSCRIPTION, flag="other_price"),
    "price_step_last": Last(SUBSCRIPTION, flag="other_price", of="step"),
    "method": LastText(SUBSCRIPTION, of="method"),
    "methods": Distinct(SUBSCRIPTION, of="method"),
    **{f"listen_days_{days}d": Count(PLAY, days) for days in (*USE_WINDOWS, 365)},
    **{f"minutes_{days}d": Sum(PLAY, days, of="heard") for days in USE_WINDOWS},
    **{f"plays_{days}d": _use("begun", days) for days in USE_WINDOWS},
    "listen_recency_days": Recency(PLAY, whole=True),
    "minutes_per_day_30d": Share(Sum(PLAY, 30, of="heard"), Count(PLAY, 30)),
    "minutes_last_day": Last(PLAY, of="heard"),
    "minutes_per_price": Share(Sum(PLAY, 30, of="heard"), _PRICE),
    "listen_share_of_paid": Share(Count(PLAY, 365), Sum(SUBSCRIPTION, 365, of="length")),
    **{f"listen_trend_{days}d": Trend(Count(PLAY, days)) for days in USE_WINDOWS},
    **{f"minutes_trend_{days}d": Trend(Sum(PLAY, days, of="heard")) for days in (30, 90)},
    "listen_gap_longest_90d": Largest(PLAY, 90, of="pause", per=1.0),
    "listen_streak_days": Streak(PLAY, "run"),
    **{f"full_share_{days}d": Share(_use("to_the_end", days), _use("begun", days)) for days in (30, 90)},
    **{f"left_share_{days}d": Share(_use("left_early", days), _use("begun", days)) for days in (30, 90)},
    "variety_30d": Share(_use("different", 30), _use("begun", 30)),
    "weekend_share_90d": Share(Count(PLAY, 90, flag="weekend"), Count(PLAY, 90)),
    "season_listen_days": Season(Count(PLAY, 30)),
    "season_renewals": Season(Count(SUBSCRIPTION, 30)),
}


def running_out(found: Found) -> ir.Value:
    """Members whose membership, as known, runs out within the reach from the moment on."""
    left = found[END] - found.seen.as_of_s
    return ((left >= 0) & (left < found.seen.reach_s)).fill_null(False)


END = Last(TERM, of="runs_until", per=1.0)
COLUMNS = in_families([column for columns in FAMILIES.values() for column in columns],
                      {family: [column.name for column in columns] for family, columns in FAMILIES.items()})
STREAMING = declare(FeatureTable(
    "streaming", tuple(Feature(column, HOW[column.name]) for column in COLUMNS), (END,), running_out,
    extras=("expires_at", "list_price", "auto_renew", "method", "titles", "plays", "plays_left", "plays_full"),
    looks=LOOKS,
))


def streaming_columns(dataset: Dataset) -> tuple[Column, ...]:
    """The meaning of each feature that the company's files can tell."""
    assert dataset.events is not None, "a streaming dataset has events"
    return (*columns_of(STREAMING, dataset.events), *_stated(dataset))


def streaming_features(dataset: Dataset, as_ofs: Sequence[datetime], _lookback_days: int,
                       only: Sequence[str] | None = None) -> pd.DataFrame:
    """Features per moment and member whose membership runs out in the days that the label asks about."""
    assert dataset.events is not None, "a streaming dataset has events"
    reach = dataset.label.horizon_days - dataset.label.grace_days
    known = features_of(STREAMING, dataset.events, as_ofs, reach_days=reach, only=only)
    stated = _stated_of(dataset, known.index, only)
    method = {"method": as_category(known["method"])} if "method" in known else {}
    return known.assign(**method, **{column.name: stated[column.name] for column in _stated(dataset)})


def _stated(dataset: Dataset) -> tuple[Column, ...]:
    """What members said of themselves when they registered, in families of their own."""
    names = set(dataset.names)
    told = [column for column in MEMBER_COLUMNS if column.name in names and column.kind != "date"]
    more = [REGISTERED_DAYS] if "registered_at" in names else []
    return in_families([*told, *more], {"member": [column.name for column in (*told, *more)]})


def _stated_of(dataset: Dataset, index: pd.Index, only: Sequence[str] | None) -> dict[str, pd.Series]:
    wanted = [column.name for column in MEMBER_COLUMNS if column.name in dataset.names]
    customers = index.get_level_values("customer_id")
    rows = dataset.frame(only, wanted).reindex(customers)
    told = {column.name: _typed(rows[column.name], column, index) for column in MEMBER_COLUMNS
            if column.name in wanted and column.kind != "date"}
    if "registered_at" not in wanted:
        return told
    age: Any = (index.get_level_values("as_of") - pd.DatetimeIndex(rows["registered_at"])).days
    since = pd.Series(age, index, dtype="float64")
    return {**told, REGISTERED_DAYS.name: since.where(since >= 0)}


def _typed(values: pd.Series, column: Column, index: pd.Index) -> pd.Series:
    placed = values.set_axis(index)
    return as_category(placed) if column.kind == "category" else pd.to_numeric(placed).astype("float64")


def as_category(values: pd.Series) -> pd.Series:
    """Texts as a category, its levels in order of the alphabet."""
    text = values.astype("object").map(str, na_action="ignore")
    return text.astype(pd.CategoricalDtype(sorted(text.dropna().unique())))


assert set(HOW) == {column.name for column in COLUMNS}, "every feature has its words and its way"
