"""The layer of declared features: by hand, one like all, nothing from later, and the same on another engine's terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.adapters import read
from engine.data.demo import streaming
from engine.data.features import features, features_at
from engine.data.features.layer import TABLES, columns_of, expression, features_of
from engine.data.features.streaming import COLUMNS, STREAMING
from engine.schema import Dataset
from engine.schema.columns import NUMERIC

AS_OF = datetime(2024, 7, 1)
LAST = timedelta(seconds=86_399)
Write = Callable[[list[dict]], Path]
EMPTY = {"group_id": None, "amount": np.nan, "quantity": np.nan, "expires_at": pd.NaT, "list_price": np.nan,
         "auto_renew": np.nan, "method": None, "titles": np.nan, "plays": np.nan, "plays_left": np.nan,
         "plays_full": np.nan}
TEXT = ["event_id", "customer_id", "kind", "group_id", "method"]


def ago(days: int) -> datetime:
    """The last second of the day so many days before the moment: 1 is yesterday."""
    return AS_OF - timedelta(days=days) + LAST


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_parquet(rows: list[dict]) -> Path:
        frame = pd.DataFrame([{**EMPTY, "customer_id": "a", **row} for row in rows])
        frame["event_id"] = [f"{place:05d}" for place in range(len(frame))]
        frame = frame.astype(dict.fromkeys(TEXT, object) | {"at": "datetime64[us]", "expires_at": "datetime64[us]"})
        frame.to_parquet(path := tmp_path / f"events{len(rows)}.parquet", index=False)
        return path

    return to_parquet


def bought(days: int, plan: int, paid: float, listed: float, **more: object) -> dict:
    return {"at": ago(days), "kind": "subscription", "quantity": plan, "amount": paid, "list_price": listed,
            "expires_at": AS_OF - timedelta(days=days - plan), "auto_renew": 1.0, "method": "41", **more}


def heard(days: int, minutes: float, plays: int, full: int, left: int = 0) -> dict:
    return {"at": ago(days), "kind": "play", "quantity": minutes, "titles": float(max(plays - 1, 1)),
            "plays": float(plays), "plays_full": float(full), "plays_left": float(left)}


MEMBER = [
    bought(200, 7, 0, 0), bought(193, 30, 100, 150, auto_renew=0.0), bought(150, 30, 149, 149, method="38"),
    bought(120, 90, 400, 447), {"at": ago(90), "kind": "subscription_cancelled", "expires_at": ago(90) - LAST},
    bought(61, 30, 149, 149), bought(32, 30, 164, 164),
    {"at": ago(25), "kind": "subscription_cancelled", "expires_at": AS_OF + timedelta(days=3)},
    *[heard(days, 60, 10, 6, 2) for days in (100, 40, 39, 12, 5, 4, 3, 2, 1)],
    bought(0, 30, 999, 999), heard(0, 500, 99, 99),
]


def test_a_member_computed_by_hand(write: Write) -> None:
    path = write(MEMBER)
    row = features_of(STREAMING, path, [AS_OF], reach_days=30).loc[(AS_OF, "a")]
    expected = {
        "days_to_expiry": 3, "tenure_months": 200 / 30.4375, "plan_days": 30, "auto_renew": 1, "cancelled_now": 1,
        "auto_renew_share": 5 / 6, "plans": 3, "plan_changes": 3, "plan_days_mean": 217 / 6, "renewals": 6,
        "renewals_90d": 2, "renewals_365d": 6, "renewal_recency_days": 32, "renewal_gap_mean_days": 168 / 5,
        "days_paid_365d": 217, "cancellations": 2, "cancellations_365d": 2, "cancellation_recency_days": 25,
        "cancellation_share": 2 / 6,
        "lapses": 2, "lapse_longest_days": 29, "late_last_days": -1, "late_mean_days": (0 + 13 + 0 + 29 - 1) / 5,
        "price_per_month": 164 / 30 * 30.4375, "list_price": 164, "paid_last": 164, "discount_last": 0,
        "discount_share": 97 / 1059, "free_share": 1 / 6, "paid": 962, "paid_90d": 313, "paid_365d": 962,
        "price_changes": 5, "price_step_last": 15, "methods": 2,
        "listen_days_7d": 5, "listen_days_30d": 6, "listen_days_90d": 8, "listen_days_365d": 9, "minutes_30d": 360,
        "plays_90d": 80, "listen_recency_days": 1, "minutes_per_day_30d": 60, "minutes_last_day": 60,
        "minutes_per_price": 360 / (164 / 30 * 30.4375), "listen_share_of_paid": 9 / 217,
        "listen_trend_7d": (5 - 1) / 6, "listen_trend_30d": (6 - 2) / 8, "minutes_trend_90d": (480 - 60) / 540,
        "listen_gap_longest_90d": 60, "listen_streak_days": 5,
        "full_share_30d": 0.6, "left_share_90d": 0.2, "variety_30d": 0.9, "weekend_share_90d": 2 / 8,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert row["method"] == "41"
    assert np.isnan(row["season_listen_days"]), "the data do not reach back a year"


def test_of_a_day_it_is_the_last_id_that_was_last(write: Write) -> None:
    path = write([bought(20, 10, 5, 5), bought(20, 30, 7, 7), bought(20, 25, 9, 9)])
    row = features_of(STREAMING, path, [AS_OF], reach_days=30).loc[(AS_OF, "a")]
    assert (row["plan_days"], row["paid_last"], row["days_to_expiry"]) == (25, 9, 5)


def test_a_streak_that_broke_yesterday_is_none(write: Write) -> None:
    path = write([bought(20, 30, 5, 5), *[heard(days, 1, 1, 1) for days in (4, 3, 2)]])
    assert features_of(STREAMING, path, [AS_OF], reach_days=30)["listen_streak_days"].to_list() == [0]


def test_last_year_counts_the_days_that_follow(write: Write) -> None:
    rows = [heard(days, 1, 1, 1) for days in (800, 366, 365, 364, 336, 335, 334)]
    path = write([bought(20, 30, 5, 5), *rows])
    row = features_of(STREAMING, path, [AS_OF], reach_days=30).iloc[0]
    assert row["season_listen_days"] == 3, "days 365 to 336 before: the 30 days that follow the moment, a year ago"


def test_whoever_runs_out_later_or_has_run_out_is_not_asked(write: Write) -> None:
    path = write([bought(20, days, 5, 5, customer_id=f"c{days}") for days in (19, 20, 21, 49, 50)])
    asked = features_of(STREAMING, path, [AS_OF], reach_days=30).index.get_level_values("customer_id")
    assert list(asked) == ["c20", "c21", "c49"]


def test_every_feature_is_declared_once_with_unit_and_meaning() -> None:
    names = [column.name for column in COLUMNS]
    assert len(names) == len(set(names))
    assert 40 <= len(names) <= 100
    for column in COLUMNS:
        assert column.meaning, column.name
        assert column.unit or column.kind in ("flag", "category"), column.name
        assert column.family, column.name
    assert TABLES["streaming"] is STREAMING


def test_without_logs_there_are_no_listening_features(write: Write) -> None:
    path = write([bought(20, 30, 5, 5)])
    told = {column.name for column in columns_of(STREAMING, path)}
    assert "renewals" in told
    assert not any(name.startswith(("listen", "minutes", "plays", "cancel")) for name in told - {"cancelled_now"})


def test_the_expression_reads_two_tables_and_nothing_else() -> None:
    import ibis

    made = expression(STREAMING, STREAMING.features)
    read_ = {table.get_name() for table in made.op().find(ibis.expr.operations.UnboundTable) for table in
             [table.to_expr()]}
    assert read_ == {"events", "spine"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("service")
    sources, _ = streaming.make(folder, 7, 220)
    return read(sources, folder / "read", "kkbox", name="service", now=datetime(2025, 7, 2),
                observed_until=streaming.OBSERVED_UNTIL).dataset


MOMENTS = [datetime(2024, 9, 1), datetime(2025, 3, 15), datetime(2025, 7, 1)]


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({name: object for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)})


@pytest.mark.slow
def test_training_and_serving_say_the_same_of_random_members(service: Dataset, rng: np.random.Generator) -> None:
    """Many moments of everybody against one member at one moment: the same bits."""
    batch = features_at(service, MOMENTS)
    assert len(batch) > 150
    for as_of, who in batch.index[rng.choice(len(batch), 12, replace=False)]:
        alone = features(service, as_of.to_pydatetime(), [who])
        pd.testing.assert_frame_equal(plain(alone), plain(batch.loc[as_of].loc[[who]]), check_exact=True)


@pytest.mark.slow
def test_no_event_from_the_moment_on_moves_any_feature(service: Dataset, tmp_path: Path,
                                                       rng: np.random.Generator) -> None:
    as_of = MOMENTS[1]
    happened = pd.read_parquet(service.events)
    later = happened.sample(3_000, random_state=3)
    later = later.assign(
        event_id=[f"zz{place}" for place in range(len(later))], amount=7e5, quantity=9e4, list_price=1e6, method="new",
        at=[as_of + timedelta(hours=float(hours)) for hours in rng.integers(0, 3_000, len(later))],
        expires_at=as_of + timedelta(days=400), auto_renew=0.0, plays=5e3, titles=5e3, plays_full=5e3, plays_left=5e3)
    early = later.iloc[:300].assign(event_id=[f"00{place}" for place in range(300)], at=as_of)
    changed = pd.concat([happened[happened["at"] < as_of], early, later.astype(happened.dtypes.to_dict())])
    changed.sort_values(["customer_id", "at"]).to_parquet(tmp_path / "events.parquet", index=False)
    before, after = (features(company, as_of) for company in
                     (service, replace(service, events=tmp_path / "events.parquet")))
    assert before.nunique().gt(1).sum() > 55, "nearly every feature should tell members apart, or this shows nothing"
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.slow
def test_the_order_of_rows_in_the_file_does_not_matter(service: Dataset, tmp_path: Path) -> None:
    shuffled = pd.read_parquet(service.events).sample(frac=1, random_state=5)
    shuffled.to_parquet(tmp_path / "events.parquet", index=False)
    there = features(replace(service, events=tmp_path / "events.parquet"), MOMENTS[2])
    pd.testing.assert_frame_equal(there, features(service, MOMENTS[2]), check_exact=True)


@pytest.mark.slow
def test_every_value_lies_in_its_columns_range(service: Dataset) -> None:
    X = features_at(service, MOMENTS)
    for column in COLUMNS:
        if column.kind in NUMERIC:
            known = X[column.name].dropna()
            assert known.between(column.low, column.high).all(), column.name
