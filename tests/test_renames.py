"""Columns that come under another name than last month: what is read so unasked, what a person is asked, what stops."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from engine import onboarding
from engine.data.adapters import mapping as mappings
from engine.data.doctor import cures
from engine.errors import EngineError
from engine.onboarding import Proposal
from engine.schema import Actor
from tests.files import small

ANA = Actor("ana", "manager")
MAY, JUNE = datetime(2024, 6, 1), datetime(2024, 7, 1)


@pytest.fixture
def may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A first file whose mapping is kept."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    path = small(tmp_path, rows=400)
    onboarding.keep(onboarding.propose([path], name="acme", actor=ANA, now=MAY), actor=ANA, now=MAY)
    return path


def june(path: Path, times: float = 1, **names: str) -> Proposal:
    """The next file, some of its columns under other names."""
    frame = pd.read_csv(path)
    frame.assign(monthly_fee=frame["monthly_fee"] * times).rename(columns=names).to_csv(path, index=False)
    return onboarding.propose([path], name="acme", actor=ANA, now=JUNE)


@pytest.mark.parametrize(("old", "new"), [("client_no", "ClientNo"), ("monthly_fee", "Fee (monthly)"),
                                          ("plan", "PLAN"), ("status", "Status")])
def test_the_same_words_otherwise_written_are_the_same_column(may: Path, old: str, new: str) -> None:
    found = june(may, **{old: new})
    plan = mappings.check(found.mapping)
    assert not found.changes and found.trainable and {"column": new, "cure": "renamed", "to": old} in plan.cures
    assert (plan.id, plan.money, plan.label) == ("client_no", "monthly_fee", "status")
    onboarding.keep(found, actor=ANA, now=JUNE)
    july = onboarding.propose([may], name="acme", actor=ANA, now=JUNE)
    assert not july.changes and july.trainable and july.examined.customers == 400, "A cure once kept holds on."


def test_the_same_words_with_other_values_are_asked_about(may: Path) -> None:
    with pytest.raises(EngineError, match="'fee_monthly' may be 'monthly_fee' .their names share words.*--anew"):
        june(may, times=100, monthly_fee="fee_monthly")


def test_a_name_that_shares_words_or_a_column_of_like_values_is_for_a_person_to_say(may: Path) -> None:
    found = june(may, months_active="loyalty", plan="plan_name")
    asked = {(cure.spec["column"], cure.spec["to"]): cure.on for cure in found.cures if cure.spec["cure"] == "renamed"}
    assert asked == {("loyalty", "months_active"): False, ("plan_name", "plan"): False}
    assert {(one.kind, one.where) for one in found.changes} >= {("missing column", "plan"), ("new column", "plan_name")}
    place = next(place for place, cure in enumerate(found.cures) if cure.spec.get("to") == "months_active")
    said = onboarding.amended(found, cures={place: True})
    first = said.examined.first
    assert first is not None and "tenure_months" in first and "tenure_months" not in found.examined.first
    kept = [cure["to"] for cure in said.mapping["cures"] if cure["cure"] == "renamed"]
    assert kept == ["months_active"], "What nobody has agreed to is not kept."


def test_a_renaming_needs_both_names() -> None:
    with pytest.raises(EngineError, match="lacks 'column' or 'to'"):
        cures.check([{"column": "a", "cure": "renamed"}])
    both = pd.DataFrame({"a": [1], "b": [2]})
    assert list(cures.renamed(both, [{"column": "a", "cure": "renamed", "to": "b"}])[0]) == ["a", "b"]
