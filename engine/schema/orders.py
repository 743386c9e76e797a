"""The words for shops: what is known of a customer from orders, returns and visits, as of a moment."""

from __future__ import annotations

from collections.abc import Mapping

from engine.schema.columns import Column, in_families

ORDER_WINDOWS = (7, 30, 90, 180, 365)
TREND_WINDOWS = (30, 90, 180)
VISIT_WINDOWS = (30, 90)
VISIT_KINDS = {"session": "sessions", "cart": "carts", "cart_abandoned": "carts_abandoned", "wishlist": "wishlist_adds"}

_RHYTHM = (
    Column("recency_days", "number", "days", "Days since the last order", 0, label="Time since the last order"),
    Column("tenure_days", "number", "days", "Days since the first order", 0, label="Time as a customer"),
    Column("orders", "count", "orders", "Orders so far", 1, label="Orders so far"),
    Column("orders_per_year", "number", "orders per year", "Orders so far over the tenure, at least 30 days", 0,
           label="Pace"),
    Column("orders_decayed", "number", "orders", "Orders so far, each halving in weight every 90 days", 0,
           label="Recent orders, weighted"),
    Column("months_with_orders", "count", "months", "Of the last twelve months of 30 days, those with an order", 0, 12,
           label="Months with an order in the last twelve"),
    Column("order_days", "count", "days", "Days with an order so far; the gaps are those between them", 1,
           label="Days with an order"),
    Column("gap_mean_days", "number", "days", "Mean days between orders", 0, label="Mean time between orders"),
    Column("gap_median_days", "number", "days", "Median days between orders", 0, label="Median time between orders"),
    Column("gap_recent_days", "number", "days", "Mean of the last three gaps between orders", 0,
           label="Time between the last orders"),
    Column("gap_sd_days", "number", "days", "Standard deviation of the days between orders", 0,
           label="Spread of the time between orders"),
    Column("gap_last_days", "number", "days", "Days between the last two orders", 0,
           label="Time between the last two orders"),
    Column("gap_longest_days", "number", "days", "The longest pause between two orders so far", 0,
           label="Longest pause so far"),
    Column("gap_trend", "number", "ratio", "Last gap over mean gap; above 1 = slowing down", 0,
           label="Last gap against the mean"),
    Column("pause_ratio", "number", "ratio", "Days since the last order over the mean gap; above 1 = overdue", 0,
           label="Pause against the usual gap"),
    Column("pause_ratio_median", "number", "ratio", "Days since the last order over the median gap", 0,
           label="Pause against the median gap"),
    Column("pause_ratio_recent", "number", "ratio", "Days since the last order over the last three gaps' mean", 0,
           label="Pause against the recent gaps"),
    Column("overdue_days", "number", "days", "Days since the last order beyond the mean gap; negative = not yet due",
           label="Overdue time"),
    Column("longest_pause_ratio", "number", "ratio", "Days since the last order over the longest pause so far", 0,
           label="Pause against the longest so far"),
)

_MONEY = (
    Column("spend", "number", "currency", "Money ordered so far", 0, label="Spend so far"),
    Column("items", "number", "pieces", "Pieces ordered so far", 0, label="Pieces so far"),
    Column("order_value_mean", "number", "currency", "Mean value of an order", 0, label="Mean order value"),
    Column("order_value_last", "number", "currency", "Value of the last order", 0, label="Last order value"),
    Column("order_value_ratio", "number", "ratio", "Value of the last order over the mean order", 0,
           label="Last order against the mean"),
    Column("order_lines_mean", "number", "lines", "Mean lines of an order", 1, label="Mean lines per order"),
    Column("order_items_mean", "number", "pieces", "Mean pieces of an order", 0, label="Mean pieces per order"),
    Column("products", "count", "products", "Different products ordered so far (unknown without product ids)", 0,
           label="Different products"),
    Column("products_new_90d", "count", "products", "Products ordered for the first time in the last 90 days", 0,
           label="New products in the last 90 days"),
    Column("products_new_share", "number", "share 0..1", "Of all order lines, those with a product new to the customer",
           0, 1, label="Share of new products"),
)

_WINDOWS = tuple(
    column
    for days in ORDER_WINDOWS
    for column in (
        Column(f"orders_{days}d", "count", "orders", f"Orders in the last {days} days", 0,
               label=f"Orders in the last {days} days"),
        Column(f"spend_{days}d", "number", "currency", f"Money ordered in the last {days} days", 0,
               label=f"Spend in the last {days} days"),
        Column(f"items_{days}d", "number", "pieces", f"Pieces ordered in the last {days} days", 0,
               label=f"Pieces in the last {days} days"),
    )
)

_TRENDS = tuple(
    Column(f"{what}_trend_{days}d", "number", "-1..1",
           f"{noun} in the last {days} days less the {days} before, over both; -1 = stopped, 1 = new", -1, 1,
           f"{noun}, trend over {days} days")
    for days in TREND_WINDOWS
    for what, noun in (("orders", "Orders"), ("spend", "Money ordered"))
)

_SEASON = (
    Column("season_orders", "count", "orders", "Orders one year before the label window, over its length", 0,
           label="Orders in this season last year"),
    Column("season_spend", "number", "currency", "Money ordered one year before the label window, over its length", 0,
           label="Spend in this season last year"),
    Column("season_before_orders", "count", "orders",
           "Orders one year before, in the label window's length before as_of", 0,
                  label="Orders in the season before, last year"),
)

_UNDONE = (
    Column("return_share", "number", "share", "Money sent back over money ordered", 0,
           label="Share of money sent back"),
    Column("returns_365d", "count", "returns", "Returns in the last 365 days", 0, label="Returns in the last 365 days"),
    Column("cancellation_share", "number", "share", "Money cancelled over money ordered", 0,
           label="Share of money cancelled"),
    Column("cancellations_365d", "count", "cancellations", "Cancellations in the last 365 days", 0,
           label="Cancellations in the last 365 days"),
    Column("undone_recency_days", "number", "days", "Days since the last return or cancellation", 0,
           label="Time since the last return"),
)

_HABITS = (
    Column("weekend_share", "number", "share 0..1", "Of all orders, those on Saturday or Sunday (UTC)", 0, 1,
           label="Share of weekend orders"),
    Column("hour_mean", "number", "hours", "Mean hour of the day of an order (UTC)", 0, 24, label="Usual hour"),
)

_SO_FAR = ("orders", "order_days", "orders_per_year", "orders_decayed", "months_with_orders")
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "pause": ("recency_days", "pause_ratio", "pause_ratio_median", "pause_ratio_recent", "overdue_days",
              "longest_pause_ratio"),
    "rhythm": ("gap_mean_days", "gap_median_days", "gap_recent_days", "gap_sd_days", "gap_last_days",
               "gap_longest_days", "gap_trend"),
    "orders": (*_SO_FAR, *(f"orders_{days}d" for days in ORDER_WINDOWS)),
    "spend": ("spend", "items", *(f"{what}_{days}d" for what in ("spend", "items") for days in ORDER_WINDOWS)),
    "order size": ("order_value_mean", "order_value_last", "order_value_ratio", "order_lines_mean", "order_items_mean"),
    "products": ("products", "products_new_90d", "products_new_share"),
    "trend": tuple(column.name for column in _TRENDS),
    "season": tuple(column.name for column in _SEASON),
    "returns": tuple(column.name for column in _UNDONE),
    "visits": ("sessions", "sessions_since_order", "sessions_30d", "sessions_90d", "session_recency_days",
               "session_minutes_90d", "sessions_trend_30d"),
    "carts": ("carts_30d", "carts_90d", "carts_abandoned_30d", "carts_abandoned_90d", "cart_abandon_share_90d"),
    "wishlist": ("wishlist_adds_30d", "wishlist_adds_90d"),
}

ORDER_FEATURES: tuple[Column, ...] = in_families(
    (*_RHYTHM, *_MONEY, *_WINDOWS, *_TRENDS, *_SEASON, *_UNDONE, *_HABITS), FAMILIES)
"""What is known of every customer who orders."""

VISIT_FEATURES: tuple[Column, ...] = in_families((
    *(
        Column(f"{noun}_{days}d", "count", "", f"{noun.replace('_', ' ').capitalize()} in the last {days} days", 0,
               label=f"{noun.replace('_', ' ').capitalize()} in the last {days} days")
        for days in VISIT_WINDOWS
        for noun in VISIT_KINDS.values()
    ),
    Column("sessions", "count", "visits", "Visits so far", 0, label="Visits so far"),
    Column("sessions_since_order", "count", "visits", "Visits since the last order", 0,
           label="Visits since the last order"),
    Column("session_recency_days", "number", "days", "Days since the last visit", 0, label="Time since the last visit"),
    Column("session_minutes_90d", "number", "minutes", "Minutes of visits in the last 90 days", 0,
           label="Time in the shop in the last 90 days"),
    Column("sessions_trend_30d", "number", "-1..1",
           "Visits in the last 30 days less the 30 before, over both; -1 = stopped, 1 = new", -1, 1,
                  label="Visits, trend over 30 days"),
    Column("cart_abandon_share_90d", "number", "share 0..1", "Carts left behind of the last 90 days' carts", 0, 1,
           label="Share of carts left behind"),
), FAMILIES)
"""What visits add, where a company records them."""
