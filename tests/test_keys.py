"""Keys are known by words in many places of a name, or by their values; lookup tables are no customers."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.doctor import leavers, monies, propose, recognise, tables
from engine.data.doctor.looks import looks
from engine.decision.consents import unsaid

NOW = datetime(2026, 7, 1)


def customers(rows: int = 600, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame({**columns, "plan": rng.choice(["a", "b"], rows), "age": rng.integers(18, 80, rows),
                         "income": rng.integers(20_000, 90_000, rows), "churned": rng.choice(["Yes", "No"], rows)})


@pytest.mark.parametrize("name", ["NUM_CONTRATO", "cod_assinante", "no_carte", "id_czlonka", "Relatienr",
                                  "tag_acct_no", "carte_no", "Versicherungsnummer", "MPAN"])
def test_a_key_is_known_by_its_first_or_last_word_or_a_compounds_end(name: str) -> None:
    frame = customers(**{name: np.random.default_rng(1).permutation(np.arange(7_000, 7_600)).astype(str)})
    assert recognise.identity(looks(frame)).column == name


@pytest.mark.parametrize("name", ["meter", "tagged", "znacznik"])
def test_numbers_of_as_many_digits_each_that_are_all_different_are_keys_whatever_they_are_called(name: str) -> None:
    rng = np.random.default_rng(2)
    frame = customers(**{name: rng.choice(9 * 10**12, 600, replace=False) + 10**12})
    assert recognise.identity(looks(frame)).column == name


def test_measurements_are_no_keys() -> None:
    rng = np.random.default_rng(3)
    frame = customers(steps=rng.integers(0, 10**6, 600), visits_no=rng.integers(0, 30, 600))
    assert recognise.identity(looks(frame)).column == ""


def test_a_table_that_customers_look_up_is_not_theirs(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    names = [f"P-{number}" for number in range(40)]
    frame = customers(no_carte=[f"{number:07d}" for number in range(600)], code_pharma=rng.choice(names, 600))
    shops = pd.DataFrame({"code_pharma": names, "surface": rng.integers(30, 400, 40), "region": ["N", "S"] * 20})
    frame.to_csv(tmp_path / "clients.csv", index=False)
    shops.to_csv(tmp_path / "pharmacies.csv", index=False)
    whole = tables.together([tmp_path / "pharmacies.csv", tmp_path / "clients.csv"], NOW)
    assert whole.name == "clients.csv" and len(whole.frame) == 600


@pytest.mark.parametrize(("name", "left", "stayed", "value"), [
    ("acct_closed", "Y", "N", "Y"), ("Mbr Stat Cd", "T", "A", "T"), ("Résiliée", "oui", "non", "oui"),
    ("Re-enrolled 25/26", "No", "Yes", "No"), ("data_rezygnacji", "2026-03-05", "", "filled"),
    ("CUST_STS", "Inactive", "Active", "Inactive"),
])
def test_who_left_is_known_by_abbreviations_and_in_other_forms(name: str, left: str, stayed: str, value: str) -> None:
    frame = customers(**{name: [left, stayed, stayed, stayed] * 150}).drop(columns="churned")
    found, _ = leavers.label(looks(frame), "")
    assert (found.column, found.value) == (name, value)


@pytest.mark.parametrize(("name", "values"), [
    ("faktury_rodzaj_abonament", [0.25, 0.5, 1.0]), ("listenpreis_eur", [31_000.0, 52_000.5, 18_400.0]),
])
def test_shares_and_list_prices_are_not_what_customers_pay(name: str, values: list[float]) -> None:
    frame = customers(**{name: values * 200})
    assert monies.money(looks(frame), frozenset())[0].column == ""


def test_a_channel_of_which_nobody_says_who_agreed_is_closed_only_beside_others_that_do() -> None:
    assert unsaid("sms", {"consent_phone"}) and not unsaid("phone", {"consent_phone"}) and not unsaid("sms", {"plan"})


def test_the_proposal_of_such_a_file_names_its_key() -> None:
    draft = propose.of_table(customers(Relatienr=np.arange(5_000, 5_600)), "donateurs.csv", NOW)
    assert next(part.column for part in draft.parts if part.role == "id") == "Relatienr"
