"""A table with a row for each customer and month: its customers are named, and the latest row of each is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import onboarding
from engine.data.doctor import propose
from engine.data.doctor.looks import looks
from engine.schema import Actor

ANA, NOW = Actor("ana", "manager"), datetime(2026, 7, 1)


def panel(rng: np.random.Generator, customers: int = 300, months: int = 9) -> pd.DataFrame:
    """Customers by month until they leave, after which they have no row; the rows in no order."""
    days = pd.date_range("2024-01-31", periods=months, freq="ME").strftime("%Y-%m")
    rows = []
    for number in range(customers):
        stays = min(int(rng.geometric(0.06)), months)
        last = stays < months
        since = rng.integers(1, 60)
        rows += [(f"TV{number:05d}", days[place], ("Sport", "Basic")[number % 2], 29 + number % 3 * 10, since + place,
                  int(rng.poisson(9)), int(last and place == stays - 1)) for place in range(stays)]
    names = ["subscriber_id", "month", "package", "monthly_fee", "tenure_months", "hours_watched", "churn_next_month"]
    return pd.DataFrame(rows, columns=names).sample(frac=1, random_state=4).reset_index(drop=True)


def id_of(frame: pd.DataFrame) -> tuple[str, propose.Draft]:
    draft = propose.of_table(frame.astype(str), "file", NOW)
    return next(part.column for part in draft.parts if part.role == "id"), draft


def test_a_row_for_each_month_is_no_customer(rng: np.random.Generator) -> None:
    frame = panel(rng)
    named, draft = id_of(frame)
    last = frame.sort_values("month").groupby("subscriber_id").tail(1)
    label = next(part for part in draft.parts if part.role == "label")
    assert named == "subscriber_id"
    assert {"cure": "latest", "column": "month"} in draft.mapping["cures"]
    assert draft.mapping["ignored"] == ["month"] and draft.mapping["dates"] == []
    assert f"{100 * last['churn_next_month'].mean():.1f} % have 1" in label.evidence


@pytest.mark.slow
def test_the_latest_row_of_each_customer_is_read_and_next_month_too(rng: np.random.Generator, tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    frame = panel(rng)
    frame.to_csv(tmp_path / "panel.csv", index=False)
    first = onboarding.propose([tmp_path / "panel.csv"], name="tv", actor=ANA, now=NOW)
    last = frame.sort_values("month").groupby("subscriber_id").tail(1)
    assert first.examined.customers == frame["subscriber_id"].nunique()
    assert first.examined.left == pytest.approx(last["churn_next_month"].mean())
    more = frame[frame["churn_next_month"] == 0]
    more.to_csv(tmp_path / "panel_2.csv", index=False)
    second = onboarding.propose([tmp_path / "panel_2.csv"], name="tv", actor=ANA, now=NOW, mapping=first.mapping)
    assert second.examined.customers == more["subscriber_id"].nunique() and second.examined.left == 0


def test_an_id_of_the_rows_does_not_hide_the_customers(rng: np.random.Generator) -> None:
    frame = panel(rng)
    frame.insert(0, "id", range(1, len(frame) + 1))
    named, draft = id_of(frame)
    assert named == "subscriber_id" and draft.mapping["ignored"] == ["id", "month"]


def test_people_of_one_company_are_not_its_months(rng: np.random.Generator) -> None:
    months = pd.date_range("2019-01-01", periods=60, freq="MS").strftime("%Y-%m").to_numpy()
    frame = pd.DataFrame({"company_id": rng.integers(100, 600, 3000), "signup_month": rng.choice(months, 3000),
                          "age": rng.integers(18, 80, 3000), "churned": rng.integers(0, 2, 3000)})
    assert id_of(frame)[0] == ""
    days = pd.date_range("2019-01-01", periods=1500).strftime("%Y-%m-%d").to_numpy()
    assert id_of(frame.assign(signup_month=rng.choice(days, 3000)))[0] == ""


def test_orders_on_days_of_their_own_are_not_rows_of_every_day(rng: np.random.Generator) -> None:
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500_000, 3000), "min")
    frame = pd.DataFrame({"customer_id": rng.integers(100, 400, 3000), "at": at.astype(str), "amount": 9,
                          "left": rng.integers(0, 2, 3000)})
    assert id_of(frame)[0] == ""


def test_a_key_of_the_customers_stays_the_key(rng: np.random.Generator) -> None:
    frame = panel(rng).drop_duplicates("subscriber_id")
    assert id_of(frame)[0] == "subscriber_id"
    frame["household_id"] = rng.integers(1, 60, len(frame))
    named, draft = id_of(frame)
    assert named == "subscriber_id" and "month" not in draft.mapping["ignored"]


def test_of_several_dates_the_one_that_parts_a_customers_rows_says_the_latest(rng: np.random.Generator) -> None:
    frame = panel(rng).rename(columns={"month": "read_on"})
    frame["read_on"] += "-15"
    frame.insert(1, "joined", "2020-0" + (frame["subscriber_id"].str[-1].astype(int) % 9 + 1).astype(str) + "-11")
    named, draft = id_of(frame)
    assert named == "subscriber_id" and {"cure": "latest", "column": "read_on"} in draft.mapping["cures"]
    assert looks(frame)["joined"].kind == "date" and draft.mapping["dates"] == ["joined"]


@pytest.mark.slow
@pytest.mark.parametrize("write", [lambda at: at.replace("-", ""), lambda at: str(int(at[-2:]))], ids=["202401", "1"])
@pytest.mark.parametrize("typed", [False, True])
def test_months_may_be_numbers(write: Callable[[str], str], typed: bool, rng: np.random.Generator,
                               tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    frame = panel(rng)
    last = frame.sort_values("month").groupby("subscriber_id").tail(1)
    frame["month"] = frame["month"].map(write)
    if typed:
        frame.assign(month=frame["month"].astype(int)).to_parquet(tmp_path / "panel.parquet")
    else:
        frame.to_csv(tmp_path / "panel.csv", index=False)
    first = onboarding.propose(list(tmp_path.glob("panel.*")), name="tv", actor=ANA, now=NOW)
    assert first.examined.customers == frame["subscriber_id"].nunique()
    assert first.examined.left == pytest.approx(last["churn_next_month"].mean())


@pytest.mark.slow
def test_a_file_sorted_by_month_tells_nothing_by_the_order_of_its_rows(rng: np.random.Generator, tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    frame = panel(rng, customers=900).sort_values("month", kind="stable")
    frame.to_csv(tmp_path / "panel.csv", index=False)
    found = onboarding.propose([tmp_path / "panel.csv"], name="tv", actor=ANA, now=NOW)
    assert not [finding for finding in found.examined.findings if finding.where == "row order"]
    first = found.examined.first
    assert first is not None and first["customer_id"].tolist() == frame["subscriber_id"].head(8).tolist()
