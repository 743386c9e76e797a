"""A shop snapshot's features: its behaviour columns and the ratios between them."""

from __future__ import annotations

import pandas as pd

from engine.data.features.telecom import ratio
from engine.schema.shop import RAW, SHOP_FEATURES


def shop_features(customers: pd.DataFrame) -> pd.DataFrame:
    """The shop features of each customer (index customer_id); columns are `schema.shop.SHOP_FEATURES`.

    No ratio uses recency: a label cut from recency must not come back through a side door.
    """
    raw = customers[[column.name for column in RAW]].astype(float)
    derived = pd.DataFrame({
        "spend_per_order": ratio(raw["monetary"], raw["frequency"]),
        "return_rate": ratio(raw["returns"], raw["frequency"]),
        "orders_per_session": ratio(raw["frequency"], raw["session_count"]),
        "spend_per_session": ratio(raw["monetary"], raw["session_count"]),
        "pages_per_session": ratio(raw["pages_viewed"], raw["session_count"]),
        "clicks_per_session": ratio(raw["clicks"], raw["session_count"]),
        "clicks_per_page": ratio(raw["clicks"], raw["pages_viewed"]),
        "wishlist_per_session": ratio(raw["wishlist_adds"], raw["session_count"]),
        "minutes_per_page": ratio(raw["session_count"] * raw["avg_session_minutes"], raw["pages_viewed"]),
    })
    return pd.concat([raw, derived], axis=1)[[column.name for column in SHOP_FEATURES]]
