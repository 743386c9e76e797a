"""Further columns that say who left: said where they agree with the label, or are as sure as it; others are not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import onboarding
from engine.data.doctor import propose, rivals
from engine.data.doctor.faults import Fault
from engine.onboarding.accepting import lasting
from engine.prediction.settings import Settings
from engine.schema import Actor

ANA, NOW = Actor("ana", "manager"), datetime(2024, 7, 1)
ROWS = 2000
LEFT = np.arange(ROWS) % 4 == 0
ELSE = np.random.default_rng(7).random(ROWS) < 0.25  # nothing to do with who left


def told(**columns: np.ndarray) -> list[Fault]:
    frame = pd.DataFrame({"id": [f"K{n:05d}" for n in range(ROWS)], "fee": np.arange(ROWS) % 70 + 0.5} | columns)
    draft = propose.of_table(frame, "members.csv", NOW)
    return [fault for fault in draft.faults if "who left" in fault.finding.what]


def yes(values: np.ndarray) -> np.ndarray:
    return np.where(values, "Yes", "No")


@pytest.mark.parametrize("name", ["renewed", "is_active", "cancelled_extras", "lapsed_members_club", "auto_renew",
                                  "cancel_insurance_option", "exit_row_seat", "left_team_last_year"])
def test_a_column_whose_name_only_sounds_so_and_does_not_agree_is_no_rival(name: str) -> None:
    assert told(churned=yes(LEFT), **{name: yes(ELSE)}) == []


@pytest.mark.parametrize(("name", "gone"), [("renewed", ~LEFT), ("account_closed", LEFT & ~ELSE), ("lapsed", LEFT),
                                            ("cancelled_extras", LEFT | (ELSE & (np.arange(ROWS) % 5 == 0)))])
def test_a_column_that_agrees_beyond_chance_is_said_with_the_rows_that_differ(name: str, gone: np.ndarray) -> None:
    faults = told(churned=yes(LEFT), **{name: yes(gone)})
    differ = int(((~gone if name == "renewed" else gone) != LEFT).sum())
    assert [(fault.finding.where, fault.finding.rows, fault.lasts) for fault in faults] == [(name, differ, differ > 0)]
    assert "says who left as well as churned" in faults[0].finding.what


def test_as_sure_a_name_that_does_not_agree_may_be_the_answer_and_is_said() -> None:
    faults = told(left=yes(ELSE), lapsed=yes(LEFT))
    assert [(fault.finding.where, fault.finding.severity, fault.lasts) for fault in faults] == [
        ("left", "warning", True)]
    assert "It may be what says who left, rather than lapsed" in faults[0].finding.what


def test_rows_without_an_answer_do_not_differ() -> None:
    answer = yes(LEFT)
    answer[1000:] = ""
    assert [fault.finding.rows for fault in told(churned=answer, lapsed=yes(LEFT))] == [0]


def test_agreement_beyond_chance_is_that_of_known_tables() -> None:
    """Cohen's own kind of table: 20 and 15 alike of 50, 5 and 10 not: observed 0.70, by chance 0.50."""
    one = pd.Series([True] * 25 + [False] * 25)
    other = pd.Series([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    assert rivals.agreement(one, other) == pytest.approx(0.4)
    assert rivals.agreement(one, ~one) == pytest.approx(-1.0)
    assert rivals.agreement(one, pd.Series([True] * 50)) == 0 == rivals.agreement(pd.Series([True]), pd.Series([True]))


@pytest.mark.slow
def test_a_rival_that_is_learned_from_is_said_of_the_run_until_it_is_ignored_or_chosen(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    path = tmp_path / "members.csv"
    pd.DataFrame({"customer_id": np.arange(ROWS) + 70_000, "visits": np.arange(ROWS) % 7, "left": yes(ELSE),
                  "lapsed": yes(LEFT)}).to_csv(path, index=False)
    first = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert first.part("label").column == "lapsed"
    assert [finding.where for finding in lasting(first)] == ["left"]
    onboarding.keep(first, actor=ANA, now=NOW)
    again = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert again.refresh and [finding.where for finding in lasting(again)] == ["left"]
    assert lasting(onboarding.amended(first, uses={"left": "ignored"})) == ()
    assert lasting(onboarding.amended(again, uses={"left": "ignored"})) == ()
    assert lasting(onboarding.amended(first, parts={"label": "left"})) == ()
    onboarding.keep(onboarding.amended(first, uses={"left": "ignored"}), actor=ANA, now=NOW)
    assert lasting(onboarding.propose([path], name="acme", actor=ANA, now=NOW)) == ()


@pytest.mark.slow
def test_a_rival_that_is_learned_from_is_among_the_findings_of_the_run(tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    path = tmp_path / "members.csv"
    pd.DataFrame({"customer_id": np.arange(ROWS) + 70_000, "visits": np.random.default_rng(1).poisson(3 + 4 * ~LEFT),
                  "left": yes(ELSE), "lapsed": yes(LEFT)}).to_csv(path, index=False)
    found = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    report = onboarding.accept(found, actor=ANA, now=NOW, settings=Settings(quick=True))
    assert [finding["where"] for finding in report["findings"] if "rather than lapsed" in finding["what"]] == ["left"]
