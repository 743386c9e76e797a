"""What a shop snapshot's features mean: its behaviour columns and the ratios between them."""

from __future__ import annotations

from engine.schema.columns import Column

RAW = (
    Column("recency_days", "number", "days", "Days since the last order", 0, label="Recency"),
    Column("frequency", "count", "orders", "Orders so far", 0),
    Column("monetary", "number", "currency", "Money spent so far", 0),
    Column("avg_order_value", "number", "currency", "Mean value of an order, as the shop reports it", 0),
    Column("session_count", "count", "sessions", "Visits to the shop", 0, label="Sessions"),
    Column("avg_session_minutes", "number", "minutes", "Mean length of a visit", 0, label="Session length"),
    Column("pages_viewed", "count", "pages", "Pages looked at", 0),
    Column("clicks", "count", "clicks", "Clicks on products and campaigns", 0),
    Column("campaign_response", "count", "", "Campaigns answered; a flag where the shop only says yes or no", 0),
    Column("wishlist_adds", "count", "products", "Products put on the wishlist", 0),
    Column("cart_abandon_rate", "number", "share 0..1", "Carts left behind / carts filled", 0, 1),
    Column("returns", "count", "returns", "Orders or lines sent back", 0),
)

DERIVED = (
    Column("spend_per_order", "number", "currency", "Money spent / orders", 0),
    Column("return_rate", "number", "returns per order", "Returns / orders; above 1 where single lines are counted", 0),
    Column("orders_per_session", "number", "orders per session", "Orders / visits: how often a visit sells", 0),
    Column("spend_per_session", "number", "currency", "Money spent / visits", 0),
    Column("pages_per_session", "number", "pages per session", "Pages looked at / visits", 0),
    Column("clicks_per_session", "number", "clicks per session", "Clicks / visits", 0),
    Column("clicks_per_page", "number", "clicks per page", "Clicks / pages looked at", 0),
    Column("wishlist_per_session", "number", "products per session", "Products put on the wishlist / visits", 0),
    Column("minutes_per_page", "number", "minutes per page", "Time in the shop / pages looked at", 0),
)

SHOP_FEATURES = RAW + DERIVED
