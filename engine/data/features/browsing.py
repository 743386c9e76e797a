"""Shops that record every view: the features of orders, and beside them what browsing tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pandas as pd

from engine.data.features import orders
from engine.data.features.declared import (
    Count,
    Days,
    Distinct,
    Feature,
    FeatureTable,
    Found,
    How,
    Largest,
    Look,
    Recency,
    Season,
    Share,
    Streak,
    Sum,
    Trend,
)
from engine.data.features.layer import before, declare, features_of, first_of, look, runs, whole
from engine.schema import Column, Dataset
from engine.schema.browsing import BROWSE_FEATURES, TOP_CATEGORIES, VIEW_WINDOWS

VIEW, CART, ORDER, VISIT, REMOVED = "view", "cart", "order", "session", "cart_removed"
ANYTHING = (VIEW, CART, ORDER, REMOVED)
SILENT_S = 1_800
UNRECORDED = frozenset({"carts_abandoned_30d", "carts_abandoned_90d", "cart_abandon_share_90d", "session_minutes_90d",
                        "wishlist_adds_30d", "wishlist_adds_90d"})


def _in_visit(kind: str) -> Look:
    """How many events of the kind the visit has had so far, this one among them."""
    return look(lambda events: (events.kind == kind).cast("int64").sum().over(ibis.cumulative_window(
        group_by=["customer_id", "group_id"], order_by=["at", "event_id"])))


LOOKS: Mapping[str, Look] = {
    "price": whole("amount"),
    "pieces": whole("quantity"),
    "acts": look(lambda events: events.kind != VISIT),
    "at_before": before("at_s", ("customer_id", "group_id", "acts")),
    "since_s": look(lambda events: events.at_s - events.at_before),
    "stay_s": look(lambda events: (events.acts & (events.since_s <= SILENT_S)).fill_null(False).ifelse(
        events.since_s, 0)),
    "day_before": before("day"),
    "pause": look(lambda events: events.day - events.day_before),
    "weekend": look(lambda events: (events.day + 3) % 7 >= 5),
    "night": look(lambda events: events.at_s % 86_400 < 6 * 3_600),
    "new": first_of("kind", "item_id"),
    "carts_so_far": _in_visit(CART),
    "orders_so_far": _in_visit(ORDER),
    "first_cart": look(lambda events: (events.kind == CART) & (events.carts_so_far == 1)),
    "cart_bought": look(lambda events: (events.kind == ORDER) & (events.orders_so_far == 1)
                        & (events.carts_so_far > 0)),
    "known_category": look(lambda events: events.category.fill_null("")),
    **{f"of_{name}": look(lambda events, name=name: events.known_category.startswith(name))  # type: ignore[misc]
       for name in TOP_CATEGORIES},
    "run": runs,
}
_BOUGHT = Share(Sum(ORDER, of="price"), Sum(ORDER, of="pieces"))
_VIEWED = Share(Sum(VIEW, 30, of="price"), Count(VIEW, 30))

HOW: Mapping[str, How] = {
    **{f"views_{days}d": Count(VIEW, days) for days in VIEW_WINDOWS},
    "view_days_30d": Days(VIEW, 30),
    "view_recency_days": Recency(VIEW),
    "view_streak_days": Streak(VIEW, "run"),
    "view_gap_longest_90d": Largest(VIEW, 90, of="pause", per=1.0),
    **{f"views_trend_{days}d": Trend(Count(VIEW, days)) for days in (30, 90)},
    "season_views": Season(Count(VIEW, 30)),
    "minutes_90d": Sum(ANYTHING, 90, of="stay_s", per=60.0),
    "minutes_per_visit_90d": Share(Sum(ANYTHING, 90, of="stay_s", per=60.0), Count(VISIT, 90)),
    "views_per_visit_90d": Share(Count(VIEW, 90), Count(VISIT, 90)),
    "weekend_share_90d": Share(Count(VIEW, 90, flag="weekend"), Count(VIEW, 90)),
    "night_share_90d": Share(Count(VIEW, 90, flag="night"), Count(VIEW, 90)),
    "products_viewed_30d": Distinct(VIEW, 30, of="item_id"),
    "categories_viewed_90d": Distinct(VIEW, 90, of="category"),
    "brands_viewed_90d": Distinct(VIEW, 90, of="brand"),
    "new_view_share_30d": Share(Count(VIEW, 30, flag="new"), Count(VIEW, 30)),
    **{f"{name}_share_90d": Share(Count(VIEW, 90, flag=f"of_{name}"), Count(VIEW, 90)) for name in TOP_CATEGORIES},
    "price_viewed_30d": _VIEWED,
    "price_viewed_ratio": Share(_VIEWED, _BOUGHT),
    "cart_visits_90d": Count(CART, 90, flag="first_cart"),
    "cart_bought_share_90d": Share(Count(ORDER, 90, flag="cart_bought"), Count(CART, 90, flag="first_cart")),
    "cart_removed_90d": Count(REMOVED, 90),
}
LAST_ORDER = Recency(ORDER)


def who_ordered(found: Found) -> ir.Value:
    """Customers with an order in the lookback before the moment."""
    return (found[LAST_ORDER] <= found.seen.reach_s).fill_null(False)


BROWSING = declare(FeatureTable(
    "browsing", tuple(Feature(column, HOW[column.name]) for column in BROWSE_FEATURES), (LAST_ORDER,), who_ordered,
    extras=("item_id", "category", "brand"), looks=LOOKS, always=True))


def shop_event_columns(dataset: Dataset) -> tuple[Column, ...]:
    """The features of orders and visits, and what browsing adds."""
    assert dataset.events is not None, "shop events are events"
    told = (column for column in orders.order_columns(dataset.events) if column.name not in UNRECORDED)
    return (*told, *BROWSE_FEATURES)


def shop_event_features(dataset: Dataset, as_ofs: Sequence[datetime], lookback_days: int,
                        only: Sequence[str] | None = None) -> pd.DataFrame:
    """Features per moment and customer with an order in the `lookback_days` before it."""
    assert dataset.events is not None, "shop events are events"
    bought = orders.order_features(dataset.events, as_ofs, horizon_days=dataset.label.horizon_days,
                                   lookback_days=lookback_days, only=only)
    browsed = features_of(BROWSING, dataset.events, as_ofs, reach_days=lookback_days, only=only)
    told = bought.drop(columns=[name for name in bought if name in UNRECORDED])
    return told.join(browsed)[[column.name for column in shop_event_columns(dataset)]]


assert set(HOW) == {column.name for column in BROWSE_FEATURES}, "every feature has its words and its way"
