"""The words for shop events: what browsing says of a customer who orders, as of a moment."""

from __future__ import annotations

from engine.schema.columns import Column, in_families

VIEW_WINDOWS = (7, 30, 90)
TOP_CATEGORIES = ("electronics", "appliances", "computers", "apparel", "furniture")

_VIEWS = (
    *(Column(f"views_{days}d", "count", "views", f"Products looked at in the last {days} days", 0,
             label=f"Views in the last {days} days") for days in VIEW_WINDOWS),
    Column("view_days_30d", "count", "days", "Days with a product looked at in the last 30 days", 0, 30,
           "Days with views in the last 30 days"),
    Column("view_recency_days", "number", "days", "Days since a product was looked at", 0,
           label="Time since the last view"),
    Column("view_streak_days", "number", "days", "Days in a row with a product looked at, up to the day before", 0,
           label="Streak of days with views"),
    Column("view_gap_longest_90d", "number", "days", "Longest pause between days with views that ended in the last 90 "
           "days", 0, label="Longest pause between views"),
    *(Column(f"views_trend_{days}d", "number", "-1..1",
             f"Views in the last {days} days less the {days} before, over both; -1 = stopped, 1 = new", -1, 1,
             f"Views, trend over {days} days") for days in (30, 90)),
    Column("season_views", "count", "views", "Views in the 30 days that follow, one year before", 0,
           label="Views in this season last year"),
)
_VISITS = (
    Column("minutes_90d", "number", "minutes", "Minutes between the events of a visit, last 90 days", 0,
           label="Time in the shop in the last 90 days"),
    Column("minutes_per_visit_90d", "number", "minutes", "Minutes of a visit, last 90 days", 0,
           label="Time per visit"),
    Column("views_per_visit_90d", "number", "views", "Products looked at in a visit, last 90 days", 0,
           label="Views per visit"),
    Column("weekend_share_90d", "number", "share 0..1", "Of the views in the last 90 days, those on Saturday or Sunday "
           "(UTC)", 0, 1, "Share of weekend views"),
    Column("night_share_90d", "number", "share 0..1", "Of the views in the last 90 days, those before six (UTC)", 0, 1,
           "Share of views at night"),
)
_CHOICE = (
    Column("products_viewed_30d", "count", "products", "Different products looked at in the last 30 days", 0,
           label="Different products viewed"),
    Column("categories_viewed_90d", "count", "categories", "Different categories looked at in the last 90 days", 0,
           label="Different categories viewed"),
    Column("brands_viewed_90d", "count", "brands", "Different brands looked at in the last 90 days", 0,
           label="Different brands viewed"),
    Column("new_view_share_30d", "number", "share 0..1", "Of the views in the last 30 days, those of a product never "
           "looked at before", 0, 1, "Share of views of new products"),
    *(Column(f"{name}_share_90d", "number", "share 0..1", f"Of the views in the last 90 days, those of {name}", 0, 1,
             f"Share of {name}") for name in TOP_CATEGORIES),
    Column("price_viewed_30d", "number", "currency", "Mean price of the products looked at in the last 30 days", 0,
           label="Mean price viewed"),
    Column("price_viewed_ratio", "number", "ratio", "Mean price looked at in the last 30 days over the mean price of "
           "all that was bought", 0, label="Price viewed against bought"),
)
_CARTS = (
    Column("cart_visits_90d", "count", "visits", "Visits with something put into the cart, last 90 days", 0,
           label="Visits with a cart"),
    Column("cart_bought_share_90d", "number", "share 0..1", "Of the visits with something put into the cart in the "
           "last 90 days, those that bought", 0, 1, "Share of carts bought"),
    Column("cart_removed_90d", "count", "pieces", "Products taken out of the cart in the last 90 days", 0,
           label="Taken out of the cart"),
)
_FAMILIES = {"browsing": _VIEWS, "visits": _VISITS, "choice": _CHOICE, "carts": _CARTS}

BROWSE_FEATURES: tuple[Column, ...] = in_families(
    [column for columns in _FAMILIES.values() for column in columns],
    {family: [column.name for column in columns] for family, columns in _FAMILIES.items()})
"""What a shop that records every view knows of a customer, beside the orders."""
