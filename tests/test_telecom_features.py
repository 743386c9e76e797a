"""Telecom features against hand-computed values, their dictionary, and the wall at as_of."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.features.telecom import telecom_features
from engine.schema import Table
from engine.schema.telecom import FROM_EVENTS, RAW, TELECOM_FEATURES, TELECOM_LEVERS, TELECOM_STATIC

AS_OF = datetime(2024, 6, 1)


def customers() -> pd.DataFrame:
    """Three customers: fiber and month-to-month; phone only, two years; joined today."""
    yes, no, none = "Yes", "No", "No internet service"
    return pd.DataFrame({
        "customer_id": ["a", "b", "c"],
        "gender": ["Female", "Male", "Male"], "senior_citizen": [1, 0, 0], "partner": [0, 1, 0],
        "dependents": [0, 1, 0],
        "tenure_months": [10, 30, 0], "phone_service": [yes, yes, no],
        "multiple_lines": [yes, no, "No phone service"], "internet_service": ["Fiber optic", "No", "DSL"],
        "online_security": [no, none, yes], "online_backup": [no, none, no], "device_protection": [no, none, no],
        "tech_support": [no, none, yes], "streaming_tv": [yes, none, no], "streaming_movies": [no, none, no],
        "contract": ["Month-to-month", "Two year", "One year"], "paperless_billing": [1, 0, 0],
        "payment_method": ["Electronic check", "Mailed check", "Credit card (automatic)"],
        "monthly_charges": [88.0, 20.0, 40.0], "total_charges": [800.0, 600.0, 0.0],
    }).set_index("customer_id")


def event(customer: str, days_ago: float, kind: str, quantity: float = np.nan, amount: float = np.nan) -> dict:
    return {"customer_id": customer, "at": AS_OF - timedelta(days=days_ago), "kind": kind, "quantity": quantity,
            "amount": amount}


def stored(rows: list[dict], folder: Path, name: str = "events.parquet") -> Path:
    frame = pd.DataFrame(rows)
    frame.insert(0, "event_id", [str(n) for n in range(len(frame))])
    frame.to_parquet(folder / name)
    return folder / name


@pytest.fixture
def events(tmp_path: Path) -> Path:
    usage = [event("a", 15 + 30 * month, "usage", gb) for month, gb in enumerate([10, 20, 30, 40, 40, 40, 80])]
    rest = [
        event("a", 10, "payment", amount=88), event("a", 40, "payment", amount=88), event("a", 41, "payment_failure"),
        event("a", 170, "payment_failure"), event("a", 20, "ticket", -0.8), event("a", 200, "ticket", 0.4),
        event("b", 400, "ticket", 0.5),
    ]
    return stored(usage + rest, tmp_path)


def test_the_dictionary_describes_exactly_the_columns(events: Path) -> None:
    assert telecom_features(customers(), events, AS_OF).columns.tolist() == [c.name for c in TELECOM_FEATURES]
    assert telecom_features(customers(), None, AS_OF).columns.tolist() == [c.name for c in TELECOM_STATIC]


def test_there_are_thirty_features_without_events_and_ten_more_with_them() -> None:
    assert len(TELECOM_STATIC) >= 30
    assert len(FROM_EVENTS) >= 10
    assert all(column.meaning for column in TELECOM_FEATURES)
    assert len({column.name for column in TELECOM_FEATURES}) == len(TELECOM_FEATURES)


def test_values_keep_to_their_ranges_and_kinds(events: Path) -> None:
    frame = telecom_features(customers(), events, AS_OF)
    assert Table("features", ("customer_id",), TELECOM_FEATURES).validate(frame.reset_index()[
        ["customer_id", *frame.columns]]) == []
    for column in TELECOM_FEATURES:
        assert (frame[column.name].dtype == "category") == (column.kind == "category"), column.name


def test_levers_are_columns_of_the_customers_themselves() -> None:
    assert {lever.column for lever in TELECOM_LEVERS} <= {column.name for column in RAW}


def test_derived_values_by_hand() -> None:
    frame = telecom_features(customers(), None, AS_OF)
    a = frame.loc["a"]
    assert a["average_monthly_charge"] == 80.0
    assert a["charge_change"] == 8.0
    assert a["charge_change_share"] == pytest.approx(0.1)
    assert a["services_count"] == 4  # telephone, several lines, internet, television
    assert a["price_per_service"] == 22.0
    assert (a["protection_services"], a["streaming_services"]) == (0, 1)
    assert (a["has_fiber"], a["unprotected_internet"], a["unsupported_fiber"], a["uncommitted_payer"]) == (1, 1, 1, 1)
    assert (a["senior_alone"], a["household_size"], a["new_customer"]) == (1, 1, 0)
    assert a["monthly_charge_per_tenure"] == 8.0


def test_contract_cycle_by_hand() -> None:
    b = telecom_features(customers(), None, AS_OF).loc["b"]
    assert (b["contract_months"], b["months_to_renewal"], b["renewals"]) == (24, 18, 1)
    assert b["contract_position"] == 0.25
    assert (b["services_count"], b["unprotected_internet"], b["household_size"]) == (1, 0, 3)


def test_a_customer_of_today_has_no_average_rather_than_a_guess() -> None:
    c = telecom_features(customers(), None, AS_OF).loc["c"]
    assert np.isnan(c["average_monthly_charge"])
    assert np.isnan(c["charge_change"])
    assert (c["new_customer"], c["internet_only"], c["months_to_renewal"]) == (1, 1, 12)


def test_missing_answers_stay_missing() -> None:
    frame = customers()
    frame.loc["a", ["contract", "payment_method", "internet_service"]] = None
    a = telecom_features(frame, None, AS_OF).loc["a"]
    assert a[["contract_months", "automatic_payment", "has_fiber", "services_count"]].isna().all()


def test_usage_by_hand(events: Path) -> None:
    a = telecom_features(customers(), events, AS_OF).loc["a"]
    assert (a["usage_gb_1m"], a["usage_gb_3m"]) == (10.0, 20.0)
    assert a["usage_gb_6m"] == pytest.approx(30.0)
    assert a["usage_change_1m"] == pytest.approx(10 / 30 - 1)
    assert a["usage_change_3m"] == pytest.approx(20 / 40 - 1)
    assert a["usage_change_6m"] == pytest.approx(30 / 80 - 1)
    months = -np.arange(6) * 30 / 30.4375
    assert a["usage_slope_6m"] == pytest.approx(np.polyfit(months, [10, 20, 30, 40, 40, 40], 1)[0])


def test_payments_and_tickets_by_hand(events: Path) -> None:
    frame = telecom_features(customers(), events, AS_OF)
    a = frame.loc["a"]
    assert (a["payments_365d"], a["payment_failures_90d"], a["payment_failures_180d"]) == (2, 1, 2)
    assert a["payment_failure_share_365d"] == 0.5
    assert (a["tickets_90d"], a["tickets_365d"], a["days_since_ticket"]) == (1, 2, 20.0)
    assert a["ticket_sentiment_365d"] == pytest.approx(-0.2)
    assert a["worst_sentiment_365d"] == -0.8
    assert (frame.loc["b", "tickets_365d"], frame.loc["b", "days_since_ticket"]) == (0, 400.0)


def test_a_customer_without_events_has_zero_counts_and_no_means(events: Path) -> None:
    c = telecom_features(customers(), events, AS_OF).loc["c"]
    assert (c["tickets_365d"], c["payments_365d"], c["payment_failures_90d"]) == (0, 0, 0)
    assert np.isnan(c["usage_gb_1m"])
    assert np.isnan(c["days_since_ticket"])


@pytest.mark.parametrize("days_ago", [0, -1, -400])
def test_nothing_from_as_of_on_moves_a_feature(events: Path, tmp_path: Path, days_ago: float) -> None:
    before = telecom_features(customers(), events, AS_OF)
    rows = pd.read_parquet(events).drop(columns="event_id").to_dict("records")
    later = [event(who, days_ago, kind, -0.9, 1.0) for who in "abc" for kind in ("usage", "ticket", "payment_failure")]
    after = telecom_features(customers(), stored(rows + later, tmp_path, "more.parquet"), AS_OF)
    pd.testing.assert_frame_equal(before, after)


def test_events_of_strangers_are_ignored(events: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(events).drop(columns="event_id").to_dict("records")
    more = stored([*rows, event("z", 5, "ticket", 0.1)], tmp_path, "more.parquet")
    assert telecom_features(customers(), more, AS_OF).index.tolist() == ["a", "b", "c"]
