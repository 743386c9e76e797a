"""Who left, said under many names: which column is taken, and which of its values means that a customer left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.data.doctor import cures, recognise
from engine.data.doctor.looks import look, looks

LABELS = (
    ("labels", "1", "0"), ("Target", "1", "0"), ("class", "1", "0"), ("Y", "Yes", "No"), ("output", "1", "0"),
    ("Subscriber", "NO", "YES"), ("is_subscriber", "0", "1"), ("CHURN_IND", "1", "0"), ("hasChurned", "True", "False"),
    ("LEAVE", "LEAVE", "STAY"), ("Stay/Leave", "Leave", "Stay"), ("resigned", "1", "0"), ("Resignation", "Yes", "No"),
    ("is_canceled", "1", "0"), ("booking_status", "Canceled", "Not_Canceled"), ("Renewed", "N", "Y"),
    ("will_renew", "No", "Yes"), ("non_renewal", "1", "0"), ("not_renewed", "1", "0"), ("not_retained", "Y", "N"),
    ("discontinued", "1", "0"), ("disconnected", "1", "0"), ("port_out", "1", "0"), ("switched", "1", "0"),
    ("dormant", "1", "0"), ("expired", "Y", "N"), ("Unsubscribe", "1", "0"), ("still_member", "No", "Yes"),
    ("retained_binary", "0", "1"), ("Customer_Flag", "Attrited", "Existing"), ("Engagement", "Disengaged", "Engaged"),
)


@pytest.mark.parametrize(("name", "left", "stayed"), LABELS)
def test_who_left_is_known_under_many_names(name: str, left: str, stayed: str, rng: np.random.Generator) -> None:
    rows = 600
    frame = pd.DataFrame({
        "id": [f"C{row:05d}" for row in range(rows)], "age": rng.integers(18, 80, rows),
        "Partner": rng.choice(["Yes", "No"], rows), "IsActiveMember": rng.integers(0, 2, rows),
        "is_tv_subscriber": rng.integers(0, 2, rows), name: np.where(rng.random(rows) < 0.2, left, stayed),
        "plan": rng.choice(["Basic", "Pro"], rows)})
    found, _ = recognise.label(looks(frame), "id")
    assert (found.column, found.value) == (name, left)


@pytest.mark.parametrize("texts", [["5261 S Main St", "12 E Lincoln Ave"], ["3 GB", "500 MB"], ["2 rooms", "3 beds"]])
def test_numbers_of_several_unknown_units_are_words(texts: list[str]) -> None:
    assert np.isnan(cures.decorated(pd.Series(texts))).all()
    assert look(pd.Series(texts * 50), "what").kind == "category"


def test_one_unit_in_the_singular_and_plural_is_one() -> None:
    assert cures.decorated(pd.Series(["1 visit", "3 visits"])).tolist() == [1.0, 3.0]


@pytest.mark.parametrize("name", ["price_data_rows", "orders_recent", "days_rate"])
def test_counts_of_rows_are_no_money(name: str, rng: np.random.Generator) -> None:
    seen = looks(pd.DataFrame({name: rng.integers(1, 50, 300)}))
    assert recognise.money(seen, frozenset())[0].column == ""


@pytest.mark.parametrize("name", ["monthly_dues", "bill_avg", "avg_bill_amount"])
def test_two_prices_and_an_average_bill_are_money(name: str, rng: np.random.Generator) -> None:
    seen = looks(pd.DataFrame({name: rng.choice([25.0, 40.0], 300), "agreed": rng.integers(0, 2, 300)}))
    found, _ = recognise.money(seen, frozenset())
    assert (found.column, found.value) == (name, "month")


@pytest.mark.parametrize("name", ["Nº socio", "N° client", "Matricule", "policy", "Membership #"])
def test_customers_are_named_by_numbers_of_many_names(name: str, rng: np.random.Generator) -> None:
    seen = looks(pd.DataFrame({name: rng.permutation(90_000)[:600] + 10_000, "age": rng.integers(18, 80, 600)}))
    assert recognise.identity(seen).column == name


@pytest.mark.parametrize(("name", "values", "positive"), [
    ("Attrition_Flag", ["Existing Customer", "Attrited Customer"], "Attrited Customer"),
    ("is_active", [1, 0], "0"), ("Churn?", [" False.", " True."], "True."),
    ("status", ["active", "churned"], "churned"),
    ("Kündigung", ["nein", "ja"], "ja"), ("renewed", ["Yes", "No"], "No"), ("target", [0, 1], "1"),
    ("membership_status", ["Active", "Expired"], "Expired"), ("churn", [-1, 1], "1"), ("not_churned", [1, 0], "0"),
    ("state", ["trialing", "past_due_canceled"], "past_due_canceled"),
])
def test_who_left_is_found_however_it_is_spelled(name: str, values: list[Any], positive: str) -> None:
    frame = pd.DataFrame({"plan": ["a", "b"] * 50, name: pd.Series([values[0]] * 70 + [values[1]] * 30).map(str)})
    label, _ = recognise.label(looks(frame))
    assert (label.column, label.value) == (name, positive)


@pytest.mark.parametrize(("name", "values"), [
    ("churn_score", [str(number) for number in range(100)]), ("gender", ["M", "F"]), ("Partner", ["Yes", "No"]),
    ("risk", ["low", "high"]), ("last_login", ["2024-01-01", "2024-02-01"]), ("calls_left_over", ["3", "9"]),
])
def test_what_does_not_say_who_left_is_no_label(name: str, values: list[str]) -> None:
    frame = pd.DataFrame({name: (values * 100)[:100]})
    assert recognise.label(looks(frame))[0].column == ""


def test_an_income_or_a_balance_is_not_what_a_customer_pays() -> None:
    frame = pd.DataFrame({"MonthlyIncome": range(1000, 1100), "Balance": range(100), "fee": [5, 9] * 50,
                          "HourSpendOnApp": range(100), "time_spend_company": range(100)})
    assert recognise.money(looks(frame.astype(str)), frozenset())[0].column == ""
    frame["monthly_premium"] = range(20, 120)
    found = recognise.money(looks(frame.astype(str)), frozenset())[0]
    assert (found.column, found.value, found.word) == ("monthly_premium", "month", "sure")
