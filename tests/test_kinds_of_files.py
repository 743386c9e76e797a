"""Which kind of files they are: order lines under names of any language, and what a person says they are."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from engine import onboarding
from engine.data import chunks
from engine.data.doctor import kinds, silence
from engine.errors import EngineError
from engine.schema import Actor
from tests.files import small, visits

ANA = Actor("ana", "manager")
NOW = datetime(2024, 7, 1)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))


def lines(folder: Path, when: str, **more: object) -> Path:
    """Six hundred order lines of a hundred customers, with their time under that name."""
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(600) // 2, "D")
    frame = pd.DataFrame({"Kundennummer": np.arange(600) % 100 + 10_000, **more, when: days.strftime("%d.%m.%Y"),
                          "Menge": np.arange(600) % 3 + 1})
    frame["Einzelpreis"] = [f"{price},50 €" for price in np.arange(600) % 50 + 1]
    frame.to_csv(folder / "zeilen.csv", sep=";", index=False)
    return folder / "zeilen.csv"


@pytest.mark.parametrize("when", ["Datum", "Bestelldatum", "Rechnungsdatum", "Kaufdatum", "Auftragsdatum",
                                  "Buchungs-Datum", "purchasedate", "Fecha de compra", "fechapedido", "DataOrdine",
                                  "date_commande", "Belegzeitpunkt", "order_dt", "sold_on"])
def test_the_time_of_an_order_is_known_in_compounds(when: str, tmp_path: Path) -> None:
    found = kinds.kind_of([lines(tmp_path, when)])
    assert (found.adapter, found.part.value) == ("orders", "order lines")
    assert found.options["names"] == {"customer_id": "Kundennummer", "at": when, "quantity": "Menge",
                                      "price": "Einzelpreis"}


def test_a_day_of_birth_or_delivery_is_not_the_time_of_an_order(tmp_path: Path) -> None:
    born = (pd.Timestamp("1980-01-01") + pd.to_timedelta(np.arange(600) % 100, "D")).strftime("%d.%m.%Y")
    sent = (pd.Timestamp("2025-01-03") + pd.to_timedelta(np.arange(600) // 2, "D")).strftime("%d.%m.%Y")
    found = kinds.kind_of([lines(tmp_path, "Bestelldatum", Geburtsdatum=born, Lieferdatum=sent)])
    assert found.options["names"]["at"] == "Bestelldatum"


def test_what_a_person_calls_order_lines_is_read_so_or_told_what_it_lacks(tmp_path: Path) -> None:
    path = lines(tmp_path, "wann")
    assert kinds.kind_of([path]).adapter == ""
    assert kinds.said("orders", [path]).options["names"]["at"] == "wann"
    pd.read_csv(path, sep=";").drop(columns="wann").to_csv(path, sep=";", index=False)
    with pytest.raises(EngineError, match=r"zeilen\.csv cannot be read as order lines: no column is a time\. .*Menge"):
        kinds.said("orders", [path])
    pd.read_csv(path, sep=";").drop(columns="Kundennummer").to_csv(path, sep=";", index=False)
    with pytest.raises(EngineError, match="no column names a customer on several rows and none is a time"):
        kinds.said("orders", [path])


# --------------------------------------------------------------------------------------------------- orders and events

def test_the_chance_to_return_is_that_of_a_simulated_world() -> None:
    told = silence.of_events(duckdb.from_df(visits(customers=4_000)), pd.Timestamp("2024-01-01"))
    curve = told.curve.set_index("days")
    for days in (7, 14, 30, 60, 90):
        coming = 0.9 * np.exp(-days / 20)
        truth = coming / (coming + 0.1)
        assert curve.loc[days, "returns"] == pytest.approx(truth, abs=0.02)
        assert curve.loc[days, "low"] <= curve.loc[days, "returns"] <= curve.loc[days, "high"]
    assert told.days == 90 and "after 60 days" in told.evidence and curve["returns"].is_monotonic_decreasing


def test_pauses_are_counted_between_active_days(rng: np.random.Generator) -> None:
    """Against a count by hand: several events of a day are one, and what comes after the end is not known."""
    frame = pd.DataFrame({"customer_id": rng.choice(["a", "b", "c"], 90),
                          "at": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 24 * 99, 90), "h")})
    until = pd.Timestamp("2024-03-20 15:00")
    ended, unended = Counter[int](), Counter[int]()
    for _, own in frame.groupby("customer_id"):
        days = sorted({day for day in own["at"].dt.normalize() if day <= until})
        ended.update((after - before).days for before, after in pairwise(days))
        unended[(until - days[-1]).days] += 1
    found = duckdb.from_df(frame).query("events", silence.PAUSES.format(until=until))
    assert found is not None
    told = found.df().set_index("days")
    assert {day: n for day, n in told["ended"].items() if n} == dict(ended)
    assert {day: n for day, n in told["unended"].items() if n} == dict(unended)


def test_without_pauses_nothing_is_made_up() -> None:
    once = pd.DataFrame({"customer_id": ["a", "b"], "at": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    told = silence.of_events(duckdb.from_df(once), pd.Timestamp("2024-02-01"))
    assert told.days == 90 and told.curve.empty and "only 0 pauses" in told.evidence


@pytest.mark.slow
def test_orders_and_events_are_known_under_names_of_any_language(tmp_path: Path) -> None:
    frame = visits(customers=400)
    lines = frame.assign(at=frame["at"].dt.strftime("%d/%m/%Y %H:%M"), importe="12,50", factura=range(len(frame)))
    lines = lines.rename(columns={"customer_id": "cliente", "at": "fecha"})
    lines.to_csv(tmp_path / "ventas.csv", sep=";", index=False)
    orders = onboarding.propose([tmp_path / "ventas.csv"], name="ventas", actor=ANA, now=NOW)
    assert orders.kind == "order lines" and orders.trainable and orders.silence is not None
    assert orders.mapping["names"] == {"customer_id": "cliente", "at": "fecha", "order_id": "factura",
                                       "amount": "importe"}
    assert orders.mapping["horizon_days"] == orders.silence.days
    assert orders.part("label").value == f"no order within {orders.silence.days} days"
    assert [found for found in orders.examined.findings if found.where == "label"] == []
    frame.rename(columns={"customer_id": "user_id", "at": "timestamp"}).to_csv(tmp_path / "log.csv", index=False)
    events = onboarding.propose([tmp_path / "log.csv"], name="log", actor=ANA, now=NOW)
    assert events.kind == "an event log" and events.trainable
    assert events.part("label").value.startswith("no event within")


def test_one_row_per_customer_is_no_history_of_orders(tmp_path: Path) -> None:
    path = small(tmp_path)
    frame = pd.read_csv(path).rename(columns={"client_no": "customer_id", "monthly_fee": "amount"})
    frame.assign(date="2024-05-01").to_csv(path, index=False)
    proposal = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert proposal.adapter == "table" and proposal.part("label").column == "status"


@pytest.mark.slow
def test_a_table_of_customers_too_big_to_look_through_is_not_taken_for_orders(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, count = tmp_path / "customers.csv", 30_000
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(count) % 100, "D")
    frame = pd.DataFrame({"customer_id": np.arange(count) + 5000, "order_date": days, "amount": 5.0,
                          "comment": "x" * 20, "churn": np.arange(count) % 2})
    frame.to_csv(path, index=False)
    monkeypatch.setenv("HOLDFAST_WHOLE_MB", "1")
    monkeypatch.setattr(chunks, "WHOLE_BYTES", 1 << 20)
    with pytest.raises(EngineError, match=r"one row per customer.*--adapter orders.*up to 1 MB"):
        kinds.kind_of([path])
    frame.assign(customer_id=np.arange(count) % 700).to_csv(path, index=False)
    assert kinds.kind_of([path]).adapter == "orders"
