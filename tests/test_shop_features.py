"""Shop features against hand-computed values, and their dictionary."""

from __future__ import annotations

import pandas as pd

from engine.data.features.shop import shop_features
from engine.schema import Table
from engine.schema.shop import RAW, SHOP_FEATURES


def customers() -> pd.DataFrame:
    rows = [
        [10, 4, 200.0, 50.0, 8, 5.0, 40, 20, 1, 4, 0.25, 1],
        [100, 0, 30.0, 30.0, 0, 0.0, 0, 0, 0, 0, 0.0, 0],
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in RAW], index=["a", "b"])
    return frame.rename_axis("customer_id").assign(segment_label="Gold", email="a@example.com")


def test_ratios_by_hand() -> None:
    a = shop_features(customers()).loc["a"]
    assert (a["spend_per_order"], a["return_rate"], a["orders_per_session"]) == (50.0, 0.25, 0.5)
    assert (a["spend_per_session"], a["pages_per_session"], a["clicks_per_session"]) == (25.0, 5.0, 2.5)
    assert (a["clicks_per_page"], a["wishlist_per_session"], a["minutes_per_page"]) == (0.5, 0.5, 1.0)


def test_nothing_divides_by_zero() -> None:
    b = shop_features(customers()).loc["b"]
    ratios = ["spend_per_order", "return_rate", "pages_per_session", "clicks_per_page", "minutes_per_page"]
    assert b[ratios].isna().all()


def test_the_dictionary_describes_exactly_the_columns() -> None:
    frame = shop_features(customers())
    assert frame.columns.tolist() == [column.name for column in SHOP_FEATURES]
    table = Table("features", ("customer_id",), SHOP_FEATURES)
    assert table.validate(frame.reset_index()) == []


def test_no_ratio_moves_with_recency() -> None:
    moved = customers().assign(recency_days=[999, 1])
    before, after = shop_features(customers()), shop_features(moved)
    pd.testing.assert_frame_equal(before.drop(columns="recency_days"), after.drop(columns="recency_days"))
