"""Labels, windows and snapshots: what is asked of whom, and when it may be asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.data.adapters import ADAPTERS
from engine.data.features import FEATURE_SETS, feature_columns, features
from engine.data.labels import labels, snapshot, windows_for
from engine.errors import EngineError
from engine.schema import Column, Dataset, LabelRule, MoneyRule, Window

AS_OF = datetime(2024, 1, 1)
END = datetime(2024, 12, 31)


def dataset(folder: Path, **changes: Any) -> Dataset:
    known: dict[str, Any] = {
        "name": "shop", "version": "v", "kind": "orders", "adapter": "orders", "sector": "shop", "currency": "EUR",
        "label": LabelRule("inactivity", 90, "no order in 90 days"), "money": MoneyRule("", "total"),
        "observed_until": END, "synthetic": True, "customers": folder / "customers.parquet", "columns": (),
    }  # fmt: skip
    return Dataset(**(known | changes))


def shop(folder: Path, orders: list[tuple[str, datetime]], **changes: Any) -> Dataset:
    frame = pd.DataFrame(orders, columns=["customer_id", "at"]).assign(kind="order", amount=10.0, quantity=1.0)
    frame = frame.assign(event_id=frame.index.astype(str), group_id=frame.index.astype(str))
    frame.to_parquet(folder / "events.parquet")
    return dataset(folder, events=folder / "events.parquet", **changes)


def days(number: float) -> timedelta:
    return timedelta(days=number)


def test_who_is_asked_and_who_left(tmp_path: Path) -> None:
    instant = timedelta(microseconds=1)
    company = shop(tmp_path, [
        ("back at once", AS_OF - days(1)), ("back at once", AS_OF),
        ("back at the last instant", AS_OF - days(1)), ("back at the last instant", AS_OF + days(90) - instant),
        ("back too late", AS_OF - days(1)), ("back too late", AS_OF + days(90)),
        ("first instant of the lookback", AS_OF - days(365)),
        ("before the lookback", AS_OF - days(365) - instant),
        ("not yet a customer", AS_OF + days(3)),
    ])  # fmt: skip
    answers = labels(company, [Window(AS_OF, 90)]).droplevel("as_of").to_dict()
    assert answers == {
        "back at once": 0, "back at the last instant": 0, "back too late": 1, "first instant of the lookback": 1
    }  # fmt: skip


def test_only_an_order_shows_that_a_customer_stayed(tmp_path: Path) -> None:
    company = shop(tmp_path, [("a", AS_OF - days(1)), ("a", AS_OF + days(5))])
    events = pd.read_parquet(company.events)
    events.assign(kind=["order", "return"]).to_parquet(company.events)
    assert labels(company, [Window(AS_OF, 90)]).to_list() == [1]


def test_whatever_the_rule_names_shows_that_a_customer_stayed(tmp_path: Path) -> None:
    """No event for N days: a visit counts as being there, but only an order makes a customer."""
    rule = LabelRule("inactivity", 90, "no order or visit in 90 days", events=("order", "session"))
    company = shop(tmp_path, [("a", AS_OF - days(1)), ("a", AS_OF + days(5)), ("b", AS_OF - days(1)),
                              ("c", AS_OF - days(1)), ("d", AS_OF - days(1))], label=rule)
    events = pd.read_parquet(company.events)
    events.assign(kind=["order", "session", "order", "session", "return"]).to_parquet(company.events)
    assert labels(company, [Window(AS_OF, 90)]).droplevel("as_of").to_dict() == {"a": 0, "b": 1}


@pytest.mark.slow
def test_features_and_labels_ask_the_same_customers(tmp_path: Path, rng: np.random.Generator) -> None:
    orders = [(f"c{rng.integers(60)}", END - days(float(rng.uniform(1, 1000)))) for _ in range(400)]
    company = shop(tmp_path, orders)
    windows = windows_for(company, 5)
    view = snapshot(company, windows, without=["season_spend"])
    assert view.X.index.equals(view.y.index)
    assert view.X.index.is_monotonic_increasing
    assert [column.name for column in view.columns] == list(view.X)
    assert "season_spend" not in view.X
    assert view.y.index.equals(labels(company, windows).index)
    now = features(company, windows[-1].as_of)
    pd.testing.assert_frame_equal(view.X.loc[windows[-1].as_of], now.drop(columns="season_spend"))


def test_label_windows_do_not_straddle_and_are_all_known(tmp_path: Path) -> None:
    company = shop(tmp_path, [("a", END - days(700)), ("a", END - days(1))])
    windows = windows_for(company, 3)
    assert [window.as_of for window in windows] == [END - days(270), END - days(180), END - days(90)]
    assert all(earlier.ends <= later.as_of for earlier, later in pairwise(windows))
    assert len(windows_for(company, 99)) == 5, "as far back as 180 days of history allow"
    assert len(windows_for(company, 99, step_days=30)) == 15


def test_too_short_a_history_says_what_it_needs(tmp_path: Path) -> None:
    company = shop(tmp_path, [("a", END - days(200)), ("a", END - days(1))])
    with pytest.raises(EngineError, match=r"spans 200 days; a label of 90 days needs 270\..*at most 20 days"):
        windows_for(company)


def test_a_window_that_is_not_over_is_refused(tmp_path: Path) -> None:
    company = shop(tmp_path, [("a", END - days(200))])
    with pytest.raises(EngineError, match=r"ends on 2025-01-01.*observed until 2024-12-31"):
        labels(company, [Window(END - days(89), 90)])


PLAN = (Column("plan", "category", "", "Plan"), Column("seats", "count", "seats", "Seats", 0),
        Column("left", "category", "", "Left"), Column("email", "text", "", "E-mail"))  # fmt: skip


def table(folder: Path, left: list[Any], label: LabelRule) -> Dataset:
    rows = len(left)
    frame = pd.DataFrame({"customer_id": [f"0{place}" for place in range(rows)], "plan": ["b", None, "a"][:rows],
                          "seats": range(rows), "left": left, "email": "x@y.z"})
    frame[::-1].to_parquet(folder / "customers.parquet")
    return dataset(folder, kind="snapshot", adapter="table", label=label, columns=PLAN)


@pytest.mark.parametrize(
    ("left", "positive"), [(["Yes", "No", None], "Yes"), ([1, 0, None], "1"), ([1, 0, None], "Yes")]
)
def test_a_label_column_in_words_or_numbers(tmp_path: Path, left: list[Any], positive: str) -> None:
    company = table(tmp_path, left, LabelRule("column", 90, "left", column="left", positive=positive))
    assert windows_for(company, 7) == (Window(END, 90),)
    assert labels(company, windows_for(company)).to_dict() == {(END, "00"): 1, (END, "01"): 0}


def test_a_threshold_label(tmp_path: Path) -> None:
    company = table(tmp_path, [None] * 3, LabelRule("threshold", 90, "seats > 1", column="seats", above=1))
    assert labels(company, windows_for(company)).to_list() == [0, 0, 1]


def test_a_table_without_label_cannot_be_learned_from(tmp_path: Path) -> None:
    company = table(tmp_path, [None] * 3, LabelRule("none", 90, "unknown"))
    with pytest.raises(EngineError, match="does not say who left"):
        labels(company, windows_for(company))
    assert len(features(company, END)) == 3


def test_a_table_gives_its_columns_but_never_label_or_contact(tmp_path: Path) -> None:
    company = table(tmp_path, ["Yes", "No", None], LabelRule("column", 90, "left", column="left", positive="Yes"))
    view = snapshot(company, windows_for(company))
    assert list(view.X) == ["plan", "seats"] == [column.name for column in feature_columns(company)]
    assert list(view.X["plan"].cat.categories) == ["a", "b"]
    assert view.X["plan"].isna().to_list() == [False, True]
    assert features(company, END, only=["02"]).to_dict("list") == {"plan": ["a"], "seats": [2.0]}


def test_a_snapshot_does_not_know_the_past(tmp_path: Path) -> None:
    company = table(tmp_path, ["Yes", "No", None], LabelRule("column", 90, "left", column="left", positive="Yes"))
    with pytest.raises(EngineError, match="does not say what was known on 2024-12-30"):
        features(company, END - days(1))


def test_every_adapter_has_its_features() -> None:
    assert set(FEATURE_SETS) == set(ADAPTERS)
