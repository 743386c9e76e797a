"""A column that says who left: found by its name and values, or chosen by a person, who is offered its values."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import onboarding
from engine.data.doctor import propose, recognise
from engine.data.doctor.looks import look, looks
from engine.schema import Actor

ANA, NOW = Actor("ana", "manager"), datetime(2026, 7, 1)


def answers(**columns: tuple[str, str]) -> pd.DataFrame:
    """A hundred customers, of whom thirty have the second answer of every column."""
    return pd.DataFrame({"customer_id": [f"C{n:03d}" for n in range(100)], "plan": ["a", "b"] * 50}
                        | {name: [stayed] * 70 + [left] * 30 for name, (stayed, left) in columns.items()})


@pytest.mark.parametrize(("name", "stayed", "left", "word"), [
    ("closed_within_6m", "N", "Y", "likely"), ("account_closed", "0", "1", "likely"), ("closed", "no", "yes", "likely"),
    ("policy_closed_in_90_days", "false", "true", "likely"), ("Konto geschlossen", "nein", "ja", "likely"),
    ("is_active", "1", "0", "likely"), ("active", "Yes", "No", "likely"), ("churned_within_3_months", "0", "1", "sure"),
])
def test_the_only_column_that_speaks_of_closing_or_activity_is_proposed(name: str, stayed: str, left: str, word: str
                                                                        ) -> None:
    draft = propose.of_table(answers(**{name: (stayed, left)}), "file", NOW)
    label = next(part for part in draft.parts if part.role == "label")
    assert (label.column, label.value, label.word) == (name, left, word)


@pytest.mark.parametrize("name", ["ticket_closed", "closed_deals", "deal_closed_in_30_days", "shop_closed_on_sunday"])
def test_what_else_can_be_closed_is_no_label(name: str) -> None:
    assert recognise.label(looks(answers(**{name: ("N", "Y")})))[0].column == ""


@pytest.mark.parametrize("better", ["Exited", "closed_within_6m", "account_closed", "left"])
@pytest.mark.parametrize("active", ["is_active_member", "is_active", "active"])
def test_activity_is_no_label_beside_a_better_one(better: str, active: str) -> None:
    seen = looks(answers(**{active: ("1", "0"), better: ("0", "1")}))
    assert recognise.label(seen)[0].column == better


@pytest.mark.parametrize(("values", "left"), [
    (["N", "N", "Y"], "Y"), (["1", "1", "2"], "2"), (["gone", "here", "here"], "gone"),
    (["churned", "moved", "closed", "open"], "churned|closed"), (["2026-01-02", "", ""], "filled"),
    (["x", "", ""], "filled"), (["red", "green", "blue"], ""),
])
def test_a_column_that_a_person_chooses_offers_its_values(values: list[str], left: str) -> None:
    assert set(recognise.who_left(look(pd.Series(values * 20), "a_column")).split("|")) == set(left.split("|"))


@pytest.mark.parametrize(("name", "days"), [
    ("closed_within_6m", 183), ("churned_within_3_months", 91), ("left_in_next_90_days", 90), ("churn_next_month", 30),
    ("cancelled_in_2024", None), ("churned", None)])
def test_a_labels_name_may_say_within_how_many_days(name: str, days: int | None) -> None:
    assert propose.of_table(answers(**{name: ("N", "Y")}), "file", NOW).mapping.get("horizon_days") == days


def bank(folder: Path) -> Path:
    rng = np.random.default_rng(2)
    rows = 400
    frame = pd.DataFrame({
        "client_ref": [f"BK{n:05d}" for n in range(rows)], "annual_fee_eur": np.round(rng.gamma(3, 30, rows), 2),
        "went_in_spring": np.where(rng.random(rows) < 0.3, "Y", "N"), "churn": rng.choice([1, 0], rows),
        "gone_within_6m": np.where(rng.random(rows) < 0.4, "Y", "N"),
        "colour": rng.choice(["red", "blue", "tan"], rows)})
    frame.to_csv(folder / "bank.csv", index=False)
    return folder / "bank.csv"


def test_another_label_comes_with_its_own_answer_and_without_one_the_way_on_stays_open(tmp_path: Path,
                                                                                       monkeypatch: pytest.MonkeyPatch
                                                                                       ) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    first = onboarding.propose([bank(tmp_path)], name="bank", actor=ANA, now=NOW)
    assert (first.part("label").column, first.part("label").value) == ("churn", "1")
    assert "horizon_days" not in first.mapping
    assert onboarding.amended(first, parts={"label": "gone_within_6m"}).mapping["horizon_days"] == 183
    assert onboarding.amended(first, parts={"label": "gone_within_6m"}, horizon_days=30).mapping["horizon_days"] == 30
    other = onboarding.amended(first, parts={"label": "went_in_spring"})
    assert other.part("label").value == "Y" and other.trainable
    assert other.examined.left == pytest.approx((pd.read_csv(tmp_path / "bank.csv")["went_in_spring"] == "Y").mean())
    unsaid = onboarding.amended(first, parts={"label": "colour"})
    assert not unsaid.trainable and not unsaid.examined.stopped and unsaid.part("label").word == "open"
    assert "not said yet" in unsaid.part("label").evidence
    assert onboarding.amended(first, parts={"label": "colour", "positive": "red|tan"}).trainable
    assert onboarding.amended(first, parts={"label": "churn", "positive": ""}).part("label").word == "open"


@pytest.mark.parametrize("wrong", [0, 9])
def test_a_second_column_that_says_who_left_is_told_with_the_rows_in_which_they_differ(wrong: int) -> None:
    left = np.arange(300) % 4 == 0
    other = left ^ (np.arange(300) < wrong)
    frame = pd.DataFrame({"id": [f"K{n:04d}" for n in range(300)], "fee": np.arange(300) % 70 + 0.5,
                          "renewed": np.where(left, "N", "Y"), "churned": np.where(other, "Yes", "No")})
    draft = propose.of_table(frame, "policies.csv", datetime(2024, 7, 1))
    told = [fault.finding for fault in draft.faults if "says who left as well as churned" in fault.finding.what]
    assert [(one.where, one.rows, one.severity) for one in told] == [("renewed", wrong, "warning" if wrong else "note")]
