"""Order features: hand-computed truth, nothing from after as_of, one customer equal to all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.features.orders import order_columns, order_features
from engine.schema import EVENT_KINDS
from engine.schema.orders import ORDER_FEATURES, VISIT_FEATURES

AS_OF = datetime(2024, 7, 1)
Write = Callable[[list[tuple]], Path]
FIELDS = ["customer_id", "at", "kind", "group_id", "amount", "quantity", "item_id"]


def day(days_before: float) -> datetime:
    return AS_OF - timedelta(days=days_before)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_parquet(rows: list[tuple]) -> Path:
        frame = pd.DataFrame(rows, columns=FIELDS)
        frame.insert(0, "event_id", [f"e{place:07d}" for place in range(len(frame))])
        frame = frame.astype({"at": "datetime64[us]", "amount": float, "quantity": float})
        frame.to_parquet(tmp_path / f"events{len(rows)}.parquet")
        return tmp_path / f"events{len(rows)}.parquet"

    return to_parquet


ANNA = [
    ("anna", day(400), "order", "a1", 100.0, 10, "cup"),
    ("anna", day(400), "order", "a1", 50.0, 5, "pan"),
    ("anna", day(300), "order", "a2", 60.0, 6, "cup"),
    ("anna", day(100), "order", "a3", 30.0, 3, "lid"),
    ("anna", day(20), "order", "a4", 90.0, 9, "pot"),
    ("anna", day(19.5), "order", "a4", 10.0, 1, "cup"),
    ("anna", day(15), "return", "r1", 30.0, 3, "pot"),
    ("anna", day(5), "cancellation", "c1", 68.0, 2, "mug"),
    ("anna", AS_OF, "order", "a5", 999.0, 99, "toy"),
    ("bert", day(366), "order", "b1", 20.0, 1, "cup"),
    ("cleo", day(3), "order", "c1", 20.0, 1, "cup"),
]


def test_a_customer_computed_by_hand(write: Write) -> None:
    frame = order_features(write(ANNA), [AS_OF], horizon_days=90)
    assert list(frame.index) == [(pd.Timestamp(AS_OF), "anna"), (pd.Timestamp(AS_OF), "cleo")]
    anna = frame.loc[(AS_OF, "anna")]
    gaps = np.array([100, 200, 80])
    expected = {
        "recency_days": 20, "tenure_days": 400, "orders": 4, "orders_per_year": 4 * 365 / 400,
        "orders_decayed": sum(2 ** (-age / 90) for age in (400, 300, 100, 20)), "months_with_orders": 3,
        "order_days": 4, "gap_median_days": 100, "gap_recent_days": 380 / 3,
        "pause_ratio_median": 0.2, "pause_ratio_recent": 20 / (380 / 3),
        "gap_mean_days": 380 / 3, "gap_sd_days": gaps.std(), "gap_last_days": 80, "gap_longest_days": 200,
        "gap_trend": 80 / (380 / 3), "pause_ratio": 20 / (380 / 3), "overdue_days": 20 - 380 / 3,
        "longest_pause_ratio": 0.1,
        "spend": 340, "items": 34, "order_value_mean": 85, "order_value_last": 100, "order_value_ratio": 100 / 85,
        "order_lines_mean": 1.5, "order_items_mean": 8.5,
        "products": 4, "products_new_90d": 1, "products_new_share": 4 / 6,
        "orders_7d": 0, "orders_30d": 1, "orders_90d": 1, "orders_180d": 2, "orders_365d": 3,
        "spend_30d": 100, "spend_180d": 130, "spend_365d": 190, "items_90d": 10,
        "orders_trend_30d": 1, "orders_trend_90d": 0, "spend_trend_90d": (100 - 30) / 130, "orders_trend_180d": 1 / 3,
        "return_share": 30 / 340, "returns_365d": 1, "cancellation_share": 0.2, "cancellations_365d": 1,
        "undone_recency_days": 5,
    }  # fmt: skip
    for name, value in expected.items():
        assert anna[name] == pytest.approx(value, abs=1e-4), name


def test_the_season_is_the_label_window_one_year_earlier(write: Write) -> None:
    rows = [("old", day(900), "order", "x", 1.0, 1, None), ("anna", day(10), "order", "a0", 5.0, 1, None)]
    rows += [("anna", day(age), "order", f"a{age}", 10.0, 1, None) for age in (456, 455, 366, 365, 300, 275, 274)]
    anna = order_features(write(rows), [AS_OF], horizon_days=90).loc[(AS_OF, "anna")]
    assert anna["season_orders"] == 2
    assert anna["season_spend"] == 20
    assert anna["season_before_orders"] == 2


def test_the_season_is_unknown_before_the_data_begin(write: Write) -> None:
    frame = order_features(write([("anna", day(300), "order", "a", 1.0, 1, None)]), [AS_OF], horizon_days=90)
    assert frame[["season_orders", "season_spend", "season_before_orders"]].isna().all(axis=None)


def test_one_order_has_no_gaps(write: Write) -> None:
    frame = order_features(write(ANNA), [AS_OF], horizon_days=90)
    assert frame.loc[(AS_OF, "cleo"), ["gap_mean_days", "gap_sd_days", "pause_ratio", "gap_trend"]].isna().all()


def test_orders_of_one_day_are_one_beat_of_the_rhythm(write: Write) -> None:
    ages = (300, 200, 100, 99.9, 10, 9.8)
    rows = [("a", day(age), "order", f"g{age}", 1.0, 1, None) for age in ages]
    row = order_features(write(rows), [AS_OF + timedelta(days=1)], horizon_days=90).iloc[0]
    expected = {"orders": 6, "order_days": 4, "gap_mean_days": 290 / 3, "gap_last_days": 90, "gap_median_days": 100,
                "recency_days": 10.8, "orders_30d": 2}
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_weekend_and_hour(write: Write) -> None:
    saturday, monday = datetime(2024, 6, 29, 9, 30), datetime(2024, 6, 24, 15, 0)
    rows = [("a", saturday, "order", "1", 1.0, 1, None), ("a", monday, "order", "2", 1.0, 1, None)]
    row = order_features(write(rows), [AS_OF], horizon_days=90).iloc[0]
    assert row["weekend_share"] == 0.5
    assert row["hour_mean"] == 12.25


def test_visits_are_features_where_they_are_recorded(write: Write) -> None:
    rows = [("a", day(40), "order", "1", 9.0, 1, None), ("a", day(45), "session", "s1", np.nan, 30.0, None),
            ("a", day(10), "session", "s2", np.nan, 12.5, None), ("a", day(9), "cart", "k1", np.nan, 3, None),
            ("a", day(8), "cart", "k2", np.nan, 3, None), ("a", day(8), "cart_abandoned", "k2", np.nan, 3, None),
            ("a", day(7), "wishlist", None, np.nan, 1, None), ("a", day(7), "wishlist", None, np.nan, 1, None)]
    path = write(rows)
    row = order_features(path, [AS_OF], horizon_days=90).iloc[0]
    assert order_columns(path) == (*ORDER_FEATURES, *VISIT_FEATURES)
    expected = {"sessions": 2, "sessions_since_order": 1, "sessions_30d": 1, "sessions_90d": 2,
                "session_recency_days": 10, "session_minutes_90d": 42.5,
                "sessions_trend_30d": 0, "cart_abandon_share_90d": 0.5, "wishlist_adds_30d": 2, "recency_days": 40}
    assert {name: row[name] for name in expected} == expected


def random_events(rng: np.random.Generator, customers: int = 40, events: int = 1500) -> list[tuple]:
    """Events of every kind over two years, orders of several lines, some at equal times."""
    kinds = rng.choice(["order"] * 8 + [kind for kind in EVENT_KINDS if kind != "order"], events)
    return [
        (f"c{rng.integers(customers):02d}", day(float(rng.integers(1, 2900)) / 4), kind,
         f"g{rng.integers(events // 3)}" if rng.random() < 0.9 else None, float(rng.integers(1, 10**6)) / 1000,
         float(rng.integers(1, 50)), f"p{rng.integers(30)}" if rng.random() < 0.9 else None)
        for kind in kinds
    ]


def test_no_event_from_as_of_on_moves_any_feature(write: Write, rng: np.random.Generator) -> None:
    past = random_events(rng)
    later = [(c, at + timedelta(days=float(rng.choice([725, 800, 900]))), kind, group, 7e5, quantity, item)
             for c, at, kind, group, _, quantity, item in random_events(rng, events=1400)]
    later += [(customer, AS_OF, *rest) for customer, _, *rest in past[:99]]
    assert min(row[1] for row in later) >= AS_OF
    as_ofs = [AS_OF, day(90), day(365.25)]
    before = order_features(write(past), as_ofs, horizon_days=90)
    after = order_features(write(past + later), as_ofs, horizon_days=90)
    assert len(before) > 60
    assert before.nunique().gt(1).sum() >= 60, "the events should move nearly every feature, or the test shows nothing"
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.slow
def test_many_moments_at_once_equal_one_at_a_time(write: Write, rng: np.random.Generator) -> None:
    path, as_ofs = write(random_events(rng)), [day(200), AS_OF, day(33.3)]
    at_once = order_features(path, as_ofs, horizon_days=60)
    one_by_one = pd.concat([order_features(path, [as_of], horizon_days=60) for as_of in sorted(as_ofs)])
    assert at_once.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(at_once, one_by_one, check_exact=True)


def test_one_customer_alone_equals_the_batch(write: Write, rng: np.random.Generator) -> None:
    path = write(random_events(rng))
    batch = order_features(path, [AS_OF, day(90)], horizon_days=90)
    for customer in rng.choice(batch.index.unique("customer_id"), 5, replace=False):
        alone = order_features(path, [AS_OF, day(90)], horizon_days=90, only=[customer])
        expected = batch[batch.index.get_level_values("customer_id") == customer]
        pd.testing.assert_frame_equal(alone, expected, check_exact=True)


def test_the_order_of_rows_in_the_file_does_not_matter(write: Write, rng: np.random.Generator, tmp_path: Path) -> None:
    path = write(random_events(rng))
    pd.read_parquet(path).sample(frac=1, random_state=3).to_parquet(tmp_path / "shuffled.parquet")
    there, here = (order_features(p, [AS_OF], horizon_days=90) for p in (tmp_path / "shuffled.parquet", path))
    pd.testing.assert_frame_equal(there, here, check_exact=True)


def test_every_value_lies_in_its_columns_range(write: Write, rng: np.random.Generator) -> None:
    path = write(random_events(rng))
    frame = order_features(path, [AS_OF, day(90)], horizon_days=90)
    columns = order_columns(path)
    assert [column.name for column in columns] == list(frame)
    assert len(ORDER_FEATURES) >= 45
    for column in columns:
        assert column.meaning, column.name
        assert frame[column.name].dropna().between(column.low, column.high).all(), column.name


@pytest.mark.real
@pytest.mark.slow
def test_online_retail_agrees_with_pandas(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """The same figures from a second hand: pandas, one moment, order by order."""
    raw = pd.read_parquet(real_data("online_retail_ii_uci/online_retail_two_years_dedup_window.parquet"))
    lines = raw[raw["Customer ID"].notna() & (raw.Price > 0) & (raw.Quantity > 0)]
    events = pd.DataFrame({
        "event_id": lines.index.astype(str), "customer_id": lines["Customer ID"].astype(int).astype(str),
        "at": lines.InvoiceDate, "kind": "order", "group_id": lines.Invoice, "amount": lines.Quantity * lines.Price,
        "quantity": lines.Quantity.astype(float),
    })  # fmt: skip
    events.to_parquet(tmp_path / "events.parquet")
    as_of = datetime(2011, 9, 10)
    ours = order_features(tmp_path / "events.parquet", [as_of], horizon_days=90).droplevel("as_of")
    known = events[events["at"] < as_of]
    orders = known.groupby(["customer_id", "group_id"]).agg(at=("at", "min"), amount=("amount", "sum")).reset_index()
    age = (as_of - orders["at"]).dt.total_seconds() / 86400
    by_customer = orders.assign(age=age).groupby("customer_id")
    theirs = pd.DataFrame({"recency_days": by_customer.age.min(), "orders": by_customer.size(),
                           "spend": by_customer.amount.sum(), "order_value_mean": by_customer.amount.mean()})
    assert len(ours) == 4317
    pd.testing.assert_frame_equal(ours[list(theirs)], theirs.loc[ours.index].astype(float), rtol=1e-7)
