"""Checks: each planted flaw is found where it was planted and counted; clean data say nothing; only the gate raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.checks import CHECKS, check, gate
from engine.data.clash import percent_clash
from engine.errors import DataError
from engine.schema import Column, Dataset, Finding, LabelRule, MoneyRule, Window

UNTIL = datetime(2024, 6, 1)
WINDOW = Window(UNTIL, 90)
COLUMNS = (
    Column("tenure_months", "count", "months", "Months since the contract began", 0, 600),
    Column("charges", "number", "currency", "Charged per month", 0),
    Column("abandon_rate", "number", "share 0..1", "Share of carts abandoned", 0, 1),
    Column("plan", "category", "", "Name of the plan"),
    Column("joined_at", "date", "UTC", "When the customer joined"),
    Column("email", "text", "", "E-mail address; never a feature"),
    Column("churned", "flag", "", "Left", 0, 1),
)
Make = Callable[..., Dataset]


def clean(n: int = 600) -> pd.DataFrame:
    """A customers table without a flaw."""
    rng = np.random.default_rng(7)
    return pd.DataFrame({
        "customer_id": [f"C{i:05d}" for i in range(1, n + 1)],
        "tenure_months": rng.integers(1, 72, n),
        "charges": rng.gamma(4, 15, n).round(2),
        "abandon_rate": rng.beta(2, 5, n),
        "plan": rng.choice(["basic", "plus", "max"], n),
        "joined_at": [UNTIL - timedelta(days=int(d)) for d in rng.integers(30, 2000, n)],
        "email": [f"someone{i}@example.org" for i in range(n)],
        "churned": (rng.random(n) < 0.3).astype(int),
    })


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Write a customers table (and events) as Parquet and return its Dataset."""

    def make(customers: pd.DataFrame, events: pd.DataFrame | None = None, **changes: object) -> Dataset:
        customers.to_parquet(tmp_path / "customers.parquet")
        if events is not None:
            events.to_parquet(tmp_path / "events.parquet")
        dataset = Dataset(
            "acme", "v1", "snapshot", "table", "telecom", "EUR", LabelRule("column", 90, "left", "churned", "1"),
            MoneyRule("charges", "month"), UNTIL, False, tmp_path / "customers.parquet", COLUMNS,
            None if events is None else tmp_path / "events.parquet",
        )
        return replace(dataset, **changes)

    return make


def orders(ats: list[datetime], amount: float = 10.0) -> pd.DataFrame:
    """One order per moment."""
    count = len(ats)
    return pd.DataFrame({
        "event_id": [str(i) for i in range(count)], "customer_id": [f"C{i % 600 + 1:05d}" for i in range(count)],
        "at": pd.to_datetime(ats), "kind": "order", "group_id": "", "amount": amount, "quantity": 1.0,
    })


def found(dataset: Dataset, where: str, window: Window = WINDOW) -> list[Finding]:
    return [finding for finding in check(dataset, window) if finding.where == where]


def test_clean_data_say_nothing(made: Make) -> None:
    year = [UNTIL - timedelta(days=d) for d in range(1, 365)]
    assert check(made(clean(), orders(year)), WINDOW) == []


def test_every_flaw_is_reported_at_once(made: Make) -> None:
    frame = clean()
    frame["tenure_months"] = frame["tenure_months"].astype("float64")
    frame.loc[:2, "tenure_months"] = -4
    frame.loc[:4, "joined_at"] = UNTIL + timedelta(days=3)
    frame["plan"] = "basic"
    frame.loc[10, "charges"] = np.inf
    findings = {(f.severity, f.where, f.rows) for f in check(made(frame), WINDOW)}
    assert findings == {("warning", "tenure_months", 3), ("warning", "joined_at", 5), ("warning", "plan", 600),
                        ("error", "charges", 1)}


def test_missing_label_stops_and_a_missing_feature_warns(made: Make) -> None:
    dataset = made(clean().drop(columns=["churned", "plan"]))
    assert [f.severity for f in found(dataset, "churned")] == ["error"]
    assert [f.severity for f in found(dataset, "plan")] == ["warning"]


def test_missing_money_column_is_named(made: Make) -> None:
    assert len(found(made(clean(), money=MoneyRule("revenue", "total")), "revenue")) == 1


def test_repeated_blank_and_lookalike_ids(made: Make) -> None:
    frame = clean()
    frame.loc[1, "customer_id"] = "C00001"
    frame.loc[2, "customer_id"] = " "
    frame.loc[3:5, "customer_id"] = ["7", "007", "7.0"]
    what = {(f.severity, f.rows) for f in found(made(frame), "customer_id")}
    assert what == {("error", 2), ("error", 1), ("warning", 3)}


@pytest.mark.parametrize(("left", "says"), [
    (0, "everyone stayed"), (600, "everyone left"), (49, "Only 49 customers left"), (551, "Only 49 customers stayed"),
])
def test_labels_that_teach_nothing_are_errors(made: Make, left: int, says: str) -> None:
    frame = clean().assign(churned=[1] * left + [0] * (600 - left))
    findings = found(made(frame), "Churned")
    assert [f.severity for f in findings] == ["error"]
    assert says in findings[0].what


def test_fifty_of_each_kind_are_enough(made: Make) -> None:
    assert found(made(clean().assign(churned=[1] * 50 + [0] * 550)), "Churned") == []


def test_data_without_a_label_are_not_asked_for_one(made: Make) -> None:
    dataset = made(clean().drop(columns="churned"), label=LabelRule("none", 90, "not said"),
                   columns=tuple(c for c in COLUMNS if c.name != "churned"))
    assert check(dataset, WINDOW) == []


def test_inactivity_is_asked_only_of_an_observed_window(made: Make) -> None:
    ats = [UNTIL - timedelta(days=d % 360 + 1) for d in range(1200)]
    rule = LabelRule("inactivity", 90, "no order within 90 days")
    dataset = made(clean(), orders(ats), kind="orders", label=rule)
    assert found(dataset, "label") == []
    late = replace(WINDOW, as_of=UNTIL - timedelta(days=90))
    nobody_left = made(clean(), orders([*ats, *[UNTIL - timedelta(days=1)] * 600]), kind="orders", label=rule)
    assert "everyone stayed" in found(nobody_left, "label", late)[0].what


def test_no_rows_is_an_error_and_nothing_else_breaks(made: Make) -> None:
    findings = check(made(clean().iloc[:0]), WINDOW)
    assert {f.where for f in findings if f.severity == "error"} == {"customers", "Churned"}


def test_too_few_customers_and_days_warn(made: Make) -> None:
    days = [UNTIL - timedelta(days=d) for d in range(1, 101)]
    findings = check(made(clean(499), orders(days)), WINDOW)
    assert [(f.severity, f.where, f.rows) for f in findings] == [
        ("warning", "customers", 499), ("warning", "events.at", 100)]
    assert "span 99 days" in findings[1].what


def test_events_from_the_future_and_negative_amounts_are_counted(made: Make) -> None:
    ats = [UNTIL - timedelta(days=200), UNTIL, UNTIL + timedelta(seconds=1), UNTIL + timedelta(days=9)]
    dataset = made(clean(), orders(ats, amount=-1.0))
    assert [f.rows for f in found(dataset, "events.at")] == [2]
    assert [f.rows for f in found(dataset, "events.amount")] == [4]


def test_no_events_stop_orders(made: Make) -> None:
    dataset = made(clean(), orders([UNTIL]).iloc[:0], kind="orders")
    assert [f.severity for f in found(dataset, "events")] == ["error"]


@pytest.mark.parametrize(("held", "says"), [
    (["X"] * 600, ["Every value is X."]), ([None] * 600, ["Every value is blank."]),
    ([""] * 600, ["Every value is blank."]),
    (["X"] * 599 + [None], []), (["X"] + [None] * 599, []), (["X"] * 300 + [""] * 300, []),
])
def test_one_value_tells_nobody_apart_only_where_no_cell_is_blank(made: Make, held: list[str | None], says: list[str]
                                                                  ) -> None:
    assert [finding.what for finding in found(made(clean().assign(plan=held)), "plan")] == says


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308])
def test_infinite_and_huge_numbers_stop_once(made: Make, value: float) -> None:
    frame = clean()
    frame.loc[3, "charges"] = value
    assert [(f.severity, f.rows) for f in found(made(frame), "charges")] == [("error", 1)]


def test_unique_text_is_named_but_contact_is_not(made: Make) -> None:
    dataset = made(clean().assign(plan=[f"contract {i}" for i in range(600)]))
    assert [f.rows for f in found(dataset, "plan")] == [600]
    assert found(dataset, "email") == []


def test_blanks_that_stand_where_another_count_is_zero(made: Make) -> None:
    frame = clean()
    frame.loc[:10, "tenure_months"] = 0
    frame.loc[:10, "charges"] = np.nan
    assert "tenure_months is 0" in found(made(frame), "charges")[0].what
    frame["tenure_months"] = clean()["tenure_months"]
    assert found(made(frame), "charges") == []


def test_percent_among_shares_is_found_once(made: Make) -> None:
    frame = clean()
    frame.loc[:6, "abandon_rate"] = 17.6
    findings = found(made(frame), "abandon_rate")
    assert [f.rows for f in findings] == [7]
    assert "percent" in findings[0].what


def test_a_share_outside_both_readings_is_impossible(made: Make) -> None:
    frame = clean()
    frame.loc[:1, "abandon_rate"] = [-0.2, 250.0]
    assert [f.rows for f in found(made(frame), "abandon_rate")] == [2]


RATE = COLUMNS[2]


def test_one_fraction_among_percentages() -> None:
    rng = np.random.default_rng(1)
    values = pd.Series([0.001, 0.0012, *rng.uniform(0.05, 0.5, 800)])
    assert [f.rows for f in percent_clash(RATE, values)] == [2]


@pytest.mark.parametrize("share", [0.08, 0.2, 0.4])
def test_a_part_of_the_column_100_times_too_small(share: float) -> None:
    values = np.random.default_rng(2).uniform(0, 0.5, 5000)
    part = int(share * 5000)
    values[:part] /= 100
    (finding,) = percent_clash(RATE, pd.Series(values))
    assert finding.rows == pytest.approx(part + 0.01 * (5000 - part), rel=0.1)


def test_a_whole_column_read_as_percent() -> None:
    values = pd.Series(np.random.default_rng(3).uniform(0, 0.5, 500) / 100)
    assert "read as percent" in percent_clash(RATE, values)[0].what
    percent = replace(RATE, unit="percent", high=100.0)
    assert "read as percent" in percent_clash(percent, values * 100)[0].what
    assert percent_clash(percent, values * 10_000) == []


HONEST = {
    "uniform from zero": lambda rng, n: rng.uniform(0, 0.5, n),
    "bell": lambda rng, n: rng.beta(2, 5, n),
    "piled at zero": lambda rng, n: rng.beta(0.3, 4, n),
    "skewed": lambda rng, n: np.clip(rng.lognormal(-3, 1, n), 0, 1),
    "counts over counts": lambda rng, n: rng.binomial(20, 0.1, n) / 20,
    "rounded": lambda rng, n: rng.uniform(0, 0.5, n).round(2),
    "half of them zero": lambda rng, n: rng.beta(2, 5, n) * (rng.random(n) < 0.5),
}


@pytest.mark.parametrize("shape", HONEST)
def test_honest_shares_raise_no_alarm(shape: str) -> None:
    worlds = [HONEST[shape](np.random.default_rng(seed), 2000) for seed in range(40)]
    assert sum(bool(percent_clash(RATE, pd.Series(world))) for world in worlds) == 0


def test_the_gate_raises_every_error_and_only_errors() -> None:
    gate([Finding("severe", "a", "bad."), Finding("warning", "b", "odd.")])
    with pytest.raises(DataError) as caught:
        gate([Finding("error", "a", "One."), Finding("warning", "b", "Two."), Finding("error", "c", "Three.")])
    assert [f.where for f in caught.value.findings] == ["a", "c"]


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_survives_a_table_of_nothing_but_ids(made: Make, name: str) -> None:
    dataset = made(clean()[["customer_id"]])
    assert all(isinstance(finding, Finding) for finding in CHECKS[name](dataset, WINDOW))
