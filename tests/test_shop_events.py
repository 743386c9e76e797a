"""Shop events: the published schema in, orders and browsing out; generated files alike; one customer like all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.adapters import guess, read
from engine.data.demo import browsing, shop
from engine.data.features import feature_columns, features, features_at
from engine.data.labels import snapshot, windows_for
from engine.errors import DataError
from engine.schema import Dataset, Reading
from engine.schema.browsing import BROWSE_FEATURES

NOW = datetime(2025, 7, 2)
AS_OF = datetime(2024, 6, 1)
PHONE, KETTLE = ("1001", "77", "electronics.smartphone", "aurel"), ("1002", "78", "appliances.kitchen.kettle", "")


def row(when: datetime, kind: str, product: tuple[str, ...], price: float, visit: str, who: str = "5") -> tuple:
    return (f"{when:%Y-%m-%d %H:%M:%S} UTC", kind, *product, price, who, visit)


def small(folder: Path, rows: list[tuple]) -> Reading:
    pd.DataFrame(rows, columns=list(browsing.COLUMNS)).to_csv(folder / "2024-May.csv", index=False)
    return read([folder / "2024-May.csv"], folder / "read", name="s", now=NOW, observed_until=AS_OF)


def at(days: float, seconds: int = 0) -> datetime:
    return AS_OF - timedelta(days=days) + timedelta(seconds=seconds)


VISITS = [
    row(at(100), "view", KETTLE, 40.0, "v0"), row(at(100, 60), "purchase", KETTLE, 40.0, "v0"),
    row(at(20), "view", PHONE, 500.0, "v1"), row(at(20, 30), "view", PHONE, 500.0, "v1"),
    row(at(20, 30), "view", PHONE, 500.0, "v1"), row(at(20, 60), "cart", PHONE, 500.0, "v1"),
    row(at(20, 90), "purchase", PHONE, 500.0, "v1"), row(at(20, 90), "purchase", PHONE, 500.0, "v1"),
    row(at(5), "view", KETTLE, 42.0, "v2"), row(at(5, 7_200), "view", KETTLE, 42.0, "v2"),
    row(at(5, 7_260), "cart", KETTLE, 42.0, "v2"), row(at(5, 7_290), "remove_from_cart", KETTLE, 42.0, "v2"),
    row(at(4), "view", PHONE, 480.0, "v3", who="6"),
]


def test_events_become_orders_visits_and_views(tmp_path: Path) -> None:
    reading = small(tmp_path, VISITS)
    events = pd.read_parquet(reading.dataset.events)
    assert guess([tmp_path / "2024-May.csv"]).name == "shop_events"
    kinds = {"view": 6, "session": 4, "order": 3, "cart": 2, "cart_removed": 1}
    assert events["kind"].value_counts().to_dict() == kinds
    bought = events[(events["kind"] == "order") & (events["amount"] == 500)]
    assert len(bought) == 2, "two pieces of one product in one second are two pieces"
    assert any("1 row repeats another in the same second" in finding.what for finding in reading.findings)
    assert events["at"].dt.tz is None
    assert reading.dataset.frame().loc["5", "first_order_at"] == at(100, 60)
    assert any("1 visitor has never ordered" in finding.what for finding in reading.findings)


@pytest.mark.slow
def test_a_customer_computed_by_hand(tmp_path: Path) -> None:
    frame = features(small(tmp_path, VISITS).dataset, AS_OF)
    assert list(frame.index) == ["5"], "a visitor who never ordered is not asked about"
    expected = {
        "orders": 2, "spend": 1040, "items": 3, "recency_days": 20 - 90 / 86_400, "sessions_90d": 2,
        "views_7d": 2, "views_30d": 4, "views_90d": 4, "view_days_30d": 2, "view_recency_days": 5 - 7_200 / 86_400,
        "view_streak_days": 0, "view_gap_longest_90d": 80, "views_trend_30d": 1, "views_trend_90d": (4 - 1) / 5,
        "minutes_90d": (90 + 60 + 30) / 60, "minutes_per_visit_90d": 1.5, "views_per_visit_90d": 2,
        "products_viewed_30d": 2, "categories_viewed_90d": 2, "brands_viewed_90d": 1, "new_view_share_30d": 0.25,
        "electronics_share_90d": 0.5, "appliances_share_90d": 0.5, "apparel_share_90d": 0,
        "price_viewed_30d": (500 + 500 + 42 + 42) / 4, "price_viewed_ratio": 271 / (1040 / 3),
        "cart_visits_90d": 2, "cart_bought_share_90d": 0.5, "cart_removed_90d": 1,
    }
    assert {name: frame.loc["5", name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_rows_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    rows = [*VISITS, row(at(3), "click", PHONE, 1.0, "v9"), row(at(3), "purchase", PHONE, 0.0, "v9"),
            row(at(3), "view", PHONE, 1.0, "")]
    reading = small(tmp_path, rows)
    assert sorted(reading.rejected["reason"]) == [
        "event_type: click is no kind of shop event", "price of a purchase is not above 0", "user_session is blank"]


def test_without_a_purchase_nobody_is_a_customer(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no purchase among the events"):
        small(tmp_path, VISITS[:1])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, pd.DataFrame, Path]:
    folder = tmp_path_factory.mktemp("shop")
    sources, truth = browsing.make(folder, 6, 260)
    reading = read(sources, folder / "read", name="shop", now=NOW, observed_until=shop.OBSERVED_UNTIL)
    return reading.dataset, pd.read_parquet(truth), folder


MOMENTS = [datetime(2024, 3, 1), shop.OBSERVED_UNTIL]


@pytest.mark.slow
def test_generated_files_have_the_exact_schema_and_the_same_bytes(made: tuple, tmp_path: Path) -> None:
    _, truth, folder = made
    events = pd.read_csv(folder / "events.csv")
    assert list(events.columns) == list(browsing.COLUMNS)
    assert set(events["event_type"]) == {"view", "cart", "remove_from_cart", "purchase"}
    assert events["event_time"].str.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC").all()
    assert events["user_session"].str.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").all()
    assert events["event_time"].max() < f"{shop.OBSERVED_UNTIL}"
    assert set(events.loc[events["event_type"] == "purchase", "user_id"].astype(str)) == set(truth.index)
    browsing.make(tmp_path, 6, 260)
    assert (tmp_path / "events.csv").read_bytes() == (folder / "events.csv").read_bytes()


@pytest.mark.slow
def test_the_generated_company_keeps_its_truth(made: tuple) -> None:
    """Orders as counted by the engine say as much as the hidden paces: those who stopped have paused for longer."""
    dataset, truth, _ = made
    X = features(dataset, shop.OBSERVED_UNTIL)
    known = truth.reindex(X.index)
    assert X["orders"].corr(known["pace_per_day"], method="spearman") > 0.3
    gone = known["churn_probability"] == 1
    assert X.loc[gone, "recency_days"].median() > 1.5 * X.loc[~gone, "recency_days"].median()


@pytest.mark.slow
def test_training_and_serving_say_the_same_of_random_customers(made: tuple, rng: np.random.Generator) -> None:
    dataset, _, _ = made
    batch = features_at(dataset, MOMENTS)
    assert [column.name for column in feature_columns(dataset)] == list(batch)
    for as_of, who in batch.index[rng.choice(len(batch), 8, replace=False)]:
        alone = features(dataset, as_of.to_pydatetime(), [who])
        pd.testing.assert_frame_equal(alone, batch.loc[as_of].loc[[who]], check_exact=True)


@pytest.mark.slow
def test_no_event_from_the_moment_on_moves_any_feature(made: tuple, tmp_path: Path, rng: np.random.Generator) -> None:
    """Raw rows are added to the file: also a visit that began before the moment and goes on after it."""
    _, _, folder = made
    raw = pd.read_csv(folder / "events.csv", dtype=str, keep_default_na=False)
    as_of = MOMENTS[0]
    past = raw[raw["event_time"] < f"{as_of}"]
    later = past.sample(800, random_state=2).assign(
        event_time=[f"{as_of + timedelta(minutes=int(m)):%Y-%m-%d %H:%M:%S} UTC" for m in rng.integers(0, 9_999, 800)],
        price="9999.0", product_id="7", brand="new", category_code="apparel.new")
    both = []
    for name, rows in (("before", past), ("after", pd.concat([later, past]))):
        (tmp_path / name).mkdir()
        rows.to_csv(tmp_path / name / "events.csv", index=False)
        reading = read([tmp_path / name / "events.csv"], tmp_path / name / "r", name="s", now=NOW, observed_until=as_of)
        both.append(features(reading.dataset, as_of))
    told = [column.name for column in BROWSE_FEATURES]
    assert both[0][told].nunique().gt(1).sum() >= 24
    pd.testing.assert_frame_equal(both[0], both[1], check_exact=True)


@pytest.mark.slow
def test_it_can_be_learned_from(made: tuple) -> None:
    dataset, _, _ = made
    known = snapshot(dataset, windows_for(dataset, 3))
    assert known.X.index.equals(known.y.index)
    assert 0.2 < known.y.mean() < 0.9
    assert replace(dataset).kind == "orders"


@pytest.mark.real
@pytest.mark.slow
def test_the_head_of_the_published_file(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_data("rees46_sample/2019-Oct_head17435.csv")
    reading = read([path], tmp_path, name="rees46", now=NOW)
    events = pd.read_parquet(reading.dataset.events)
    assert reading.dataset.adapter == "shop_events"
    assert events["kind"].value_counts().to_dict() == {"view": 17_051, "session": 5_067, "order": 214, "cart": 164}
    assert reading.rejected["row"].tolist() == [17_435], "its last line is cut"
    assert events["at"].min() == datetime(2019, 10, 1)
    X = features(reading.dataset, reading.dataset.observed_until)
    raw = pd.read_csv(path, dtype={"user_id": str}).iloc[:-1]
    spent = raw[raw["event_type"] == "purchase"].groupby("user_id")["price"].sum()
    pd.testing.assert_series_equal(X["spend"].sort_index(), spent.loc[X.index].sort_index(), check_names=False)
