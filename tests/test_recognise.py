"""Who left, said under many names: which column is taken, and which of its values means that a customer left."""

from __future__ import annotations

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
