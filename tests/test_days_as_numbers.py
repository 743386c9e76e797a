"""Days that a spreadsheet counts and days that never come, whether they stand as texts, numbers or typed dates."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import onboarding, pipeline
from engine.data.doctor import cures, propose
from engine.data.doctor.looks import look
from engine.schema import Actor

ANA, NOW = Actor("ana", "manager"), datetime(2026, 7, 1)
JOINED = pd.date_range("2021-03-01", periods=600, freq="2D")


def members(**columns: object) -> pd.DataFrame:
    """Six hundred members, of whom every fifth left."""
    number = np.arange(600)
    return pd.DataFrame({"member_id": [f"M{n:04d}" for n in number], "monthly_fee": 20.5 + number % 7,
                         "visits": number % 9, "churned": np.where(number % 5 == 0, "Yes", "No")} | columns)


def counted(days: pd.DatetimeIndex) -> np.ndarray:
    """The days as a spreadsheet counts them: 1 January 2024 is 45292."""
    return (days - pd.Timestamp("2024-01-01")).days.to_numpy() + 45292


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    return tmp_path


def kept(path: Path) -> pd.DataFrame:
    """The customers of the file as they are kept, as proposed."""
    mapping = onboarding.propose([path], name="gym", actor=ANA, now=NOW).mapping
    dataset, _ = pipeline.onboard([path], name="gym", actor=ANA, now=NOW, adapter="table", options={"mapping": mapping})
    return dataset.frame()


@pytest.mark.parametrize("name", ["signup_date", "Eintrittsdatum", "FechaAlta", "joined_on", "date_of_birth"])
@pytest.mark.parametrize("kind", ["text", "number", "with a blank"])
def test_days_that_a_spreadsheet_counts_are_days(name: str, kind: str) -> None:
    days = pd.Series(counted(JOINED))
    values = {"text": days.astype(str), "number": days, "with a blank": days.astype(float).mask(days % 7 == 0)}[kind]
    assert look(values, name).kind == "date"
    faults = propose.of_table(members(**{name: values}), "file", NOW).faults
    fault, = (fault for fault in faults if fault.cure.get("column") == name)
    assert fault.cure["cure"] == "date" and "spreadsheet" in fault.finding.what
    cured = cures.cured(members(**{name: values}), [fault.cure], "file")[0][name].astype(str)
    first = values.notna().to_numpy().argmax()
    assert cured[first] == f"{JOINED[first]:%Y-%m-%d}" and set(cured[values.isna()]) <= {""}


@pytest.mark.parametrize("name", ["days_since_signup", "salary", "data_usage_mb", "last_payment", "postcode", "age"])
def test_other_numbers_are_no_days(name: str) -> None:
    assert look(pd.Series(counted(JOINED)), name).kind == "number"


def test_months_without_a_mark_are_months_where_they_can_be_nothing_else() -> None:
    months = pd.Series(pd.date_range("2023-01-01", periods=24, freq="MS").strftime("%Y%m").tolist() * 9)
    assert look(months, "month").kind == look(months, "x").kind == look(months.astype(int), "period").kind == "date"
    assert look(months.replace("202301", "202313").replace("202302", "202399"), "month").kind == "number"


@pytest.mark.slow
def test_a_file_with_counted_days_is_read_as_one_with_dates(home: Path) -> None:
    members(signup_date=JOINED.strftime("%Y-%m-%d")).to_csv(home / "dates.csv", index=False)
    members(signup_date=counted(JOINED)).to_csv(home / "counted.csv", index=False)
    members(signup_date=counted(JOINED)).to_parquet(home / "counted.parquet")
    dates, text, number = (kept(home / name)["signup_date"] for name in ("dates.csv", "counted.csv", "counted.parquet"))
    assert pd.api.types.is_datetime64_any_dtype(dates) and dates.iloc[0] == JOINED[0]
    assert dates.tolist() == text.tolist() == number.tolist()


def test_typed_days_that_never_come_mean_that_nothing_is_known(home: Path) -> None:
    ends = np.where(np.arange(600) % 3 == 0, np.datetime64("2026-09-30", "us"), np.datetime64("9999-12-31", "us"))
    members(contract_end=ends).to_parquet(home / "typed.parquet")
    proposal = onboarding.propose([home / "typed.parquet"], name="gym", actor=ANA, now=NOW)
    assert {"column": "contract_end", "cure": "missing", "words": ["9999-12-31 00:00:00"]} in proposal.mapping["cures"]
    end = kept(home / "typed.parquet")["contract_end"]
    assert end.notna().sum() == 200 and end.max() == pd.Timestamp("2026-09-30")


def test_a_typed_day_of_leaving_that_never_comes_is_no_leaving(home: Path) -> None:
    ends = np.where(np.arange(600) % 5 == 0, np.datetime64("2026-05-30", "us"), np.datetime64("9999-12-31", "us"))
    members(cancel_date=ends).drop(columns="churned").to_parquet(home / "typed.parquet")
    assert kept(home / "typed.parquet")["churned"].mean() == pytest.approx(0.2)
