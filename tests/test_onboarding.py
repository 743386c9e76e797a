"""The onboarding doctor: recognition on companies made at random, cures by hand, the kept mapping, what is accepted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import catalog, onboarding
from engine.data.adapters import mapping as mappings
from engine.data.doctor import changes, cures, propose, recognise, tables
from engine.data.doctor.looks import look, looks
from engine.data.names import snake
from engine.errors import EngineError, Refused
from engine.onboarding import Proposal
from engine.schema import Actor
from tests.companies import Company, company

ANA = Actor("ana", "manager")
NOW = datetime(2024, 7, 1)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))


def proposed(made: Company, folder: Path) -> Proposal:
    return onboarding.propose(made.write(folder), name="acme", actor=ANA, now=NOW)


# -------------------------------------------------------------------------------------------- companies made at random

def wrong(made: Company, parts: dict[str, Any], used: set[str]) -> list[str]:
    """What of a company is not recognised as it is."""
    label = parts["label"]
    value = {"<date>"} if label.value == "filled" else set(label.value.split("|"))
    found = [f"the label is {label.column!r}, not {made.label!r}"] if label.column != made.label else []
    found += [f"{value} means left, not {set(made.positive)}"] if not found and value != made.positive else []
    found += [f"the id is {parts['id'].column!r}, not {made.id!r}"] if parts["id"].column != made.id else []
    return found + [f"{name} is not used" for name in sorted(made.honest - used)]


@pytest.mark.parametrize("seed", range(100, 108))
def test_a_company_nobody_has_met_is_recognised(seed: int, tmp_path: Path) -> None:
    made = company(seed, rows=700)
    whole = tables.together(made.write(tmp_path), NOW)
    draft = propose.of_table(whole.frame, whole.name, NOW)
    used = {part.column for part in (*draft.parts, *draft.columns) if part.role != "ignored"}
    assert wrong(made, {part.role: part for part in draft.parts}, used) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 206))
def test_every_leak_is_quarantined_and_nothing_honest(seed: int, tmp_path: Path) -> None:
    made = company(seed, rows=1_500)
    proposal = proposed(made, tmp_path)
    parts = {part.role: part for part in proposal.parts}
    used = {part.column for part in (*proposal.parts, *proposal.columns) if part.role != "ignored"}
    assert wrong(made, parts, used) == []
    kept_out = {name for name, _ in proposal.examined.quarantined}
    assert {snake(name) for name in made.leaks & used} <= kept_out
    assert not {snake(name) for name in made.honest} & kept_out
    assert not proposal.examined.stopped and proposal.examined.left == pytest.approx(made.left.mean(), abs=0.01)


# ----------------------------------------------------------------------------------------------------------- recognise

@pytest.mark.parametrize(("name", "values", "positive"), [
    ("Attrition_Flag", ["Existing Customer", "Attrited Customer"], "Attrited Customer"),
    ("is_active", [1, 0], "0"), ("Churn?", [" False.", " True."], "True."),
    ("status", ["active", "churned"], "churned"),
    ("Kündigung", ["nein", "ja"], "ja"), ("renewed", ["Yes", "No"], "No"), ("target", [0, 1], "1"),
    ("membership_status", ["Active", "Expired"], "Expired"), ("churn", [-1, 1], "1"), ("not_churned", [1, 0], "0"),
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
    frame = pd.DataFrame({"MonthlyIncome": range(1000, 1100), "Balance": range(100), "fee": [5, 9] * 50})
    assert recognise.money(looks(frame.astype(str)), frozenset())[0].column == ""
    frame["monthly_premium"] = range(20, 120)
    found = recognise.money(looks(frame.astype(str)), frozenset())[0]
    assert (found.column, found.value, found.word) == ("monthly_premium", "month", "sure")


# --------------------------------------------------------------------------------------------------------------- cures

def test_cures_do_what_they_say_and_no_more() -> None:
    frame = pd.DataFrame({
        "plan": ["Basic", " basic", "BASIC ", "Pro"], "rate": ["17 %", "0.2", "30", ""],
        "fee": ["R$ 1,200.50", "x", "3", "-7"], "who": ["a", "a", "b", "c"], "ok": ["sim", "Não", "SIM", "?"],
        "age": ["40", "unknown", "-", "51"]}).astype("category")
    specs = [{"column": "plan", "cure": "spelling", "values": ["Basic", "Pro"]}, {"column": "rate", "cure": "percent"},
             {"column": "fee", "cure": "number"}, {"column": "ok", "cure": "yes_no"},
             {"column": "age", "cure": "missing", "words": ["unknown", "-"]}, {"column": "gone", "cure": "percent"}]
    done, _ = cures.cured(frame, specs, "file", "who")
    assert done["plan"].tolist() == ["Basic", "Basic", "Basic", "Pro"]
    assert done["rate"].tolist() == ["0.17", "0.2", "0.3", ""]
    assert done["fee"].tolist() == ["1200.5", "x", "3", "-7"]
    assert done["ok"].tolist() == ["Yes", "No", "Yes", ""] and done["age"].tolist() == ["40", "", "", "51"]


def test_repeats_go_and_the_latest_row_of_a_customer_stays() -> None:
    frame = pd.DataFrame({"who": ["a", "a", "a", "b"], "month": ["2024-01", "2024-03", "2024-02", "2024-01"],
                          "x": ["1", "3", "2", "9"]})
    done, _ = cures.cured(pd.concat([frame, frame]), [{"cure": "repeats"}, {"column": "month", "cure": "date"},
                                                      {"column": "month", "cure": "latest"}], "file", "who")
    assert done["x"].tolist() == ["3", "9"]


def test_a_cure_that_is_none_is_refused() -> None:
    with pytest.raises(EngineError, match="no cure 'magic'"):
        mappings.check({"id": "a", "value": "months", "cures": [{"column": "x", "cure": "magic"}]})


def test_numbers_written_with_units_and_words_among_them_are_numbers() -> None:
    seen = look(pd.Series(["12 months", "2 years", "unknown", "7 months"] * 30), "t")
    assert (seen.kind, seen.low, seen.high) == ("number", 7, 24)
    keys = pd.Series(["7e12345678901", *map(str, range(50))])  # on the first one pandas' own parser ends the process
    assert look(keys, "key").kind == "number"


# ------------------------------------------------------------------------------------------------------------- proposal

def small(folder: Path, rows: int = 600, seed: int = 5, **columns: Any) -> Path:
    """A file of which the answer is known: who pays much leaves more."""
    rng = np.random.default_rng(seed)
    fee = np.round(20 + 60 * rng.random(rows), 2)
    left = rng.random(rows) < 0.05 + 0.5 * (fee > 50)
    frame = pd.DataFrame({"client_no": [f"K{n:05d}" for n in range(rows)], "monthly_fee": fee,
                          "plan": rng.choice(["Basic", "Pro", "basic "], rows),
                          "months_active": rng.integers(1, 60, rows),
                          "status": np.where(left, "cancelled", "active"), **columns})
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "clients.csv", index=False)
    return folder / "clients.csv"


def test_a_proposal_says_what_it_rests_on_and_keeps_nothing(tmp_path: Path) -> None:
    proposal = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    assert proposal.trainable and proposal.kind == "snapshot" and proposal.examined.customers == 600
    told = {part.role: (part.column, part.value, part.word) for part in proposal.parts if part.column}
    assert told["id"] == ("client_no", "", "sure") and told["label"] == ("status", "cancelled", "sure")
    assert told["money"] == ("monthly_fee", "month", "sure") and told["tenure"] == ("months_active", "months", "sure")
    assert all(part.evidence for part in (*proposal.parts, *proposal.columns))
    assert "spelling" in [cure.spec["cure"] for cure in proposal.cures]
    assert mappings.parsed(proposal.toml, "kept")["label"] == {"column": "status", "positive": "cancelled"}
    assert catalog.datasets() == [] and onboarding.kept("acme") is None


def test_a_person_may_decide_otherwise(tmp_path: Path) -> None:
    before = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    after = onboarding.amended(before, parts={"tenure": "", "per": "365", "currency": "EUR"}, uses={"plan": "ignored"},
                               cures=dict.fromkeys(range(len(before.cures)), False), horizon_days=30)
    plan = mappings.check(after.mapping)
    assert (plan.tenure, plan.per, plan.currency, plan.horizon_days, plan.cures) == ("", "total", "EUR", 30, ())
    assert "plan" in plan.ignored and "months_active" in plan.ignored and after.trainable
    with pytest.raises(EngineError, match="used as one of"):
        onboarding.amended(before, uses={"plan": "decoration"})


def test_without_a_label_it_says_so(tmp_path: Path) -> None:
    path = small(tmp_path)
    pd.read_csv(path).drop(columns="status").to_csv(path, index=False)
    proposal = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert proposal.kind == "snapshot without a label" and not proposal.trainable
    report = onboarding.accept(proposal, actor=ANA, now=NOW)
    assert report["trained"] is False and report["customers"] == 600 and catalog.dataset("acme").label.kind == "none"


def test_who_may_not_onboard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        onboarding.propose([small(tmp_path)], name="acme", actor=Actor("eve", "executive"), now=NOW)


def test_the_next_file_needs_no_clicks_and_differences_are_said(tmp_path: Path) -> None:
    first = onboarding.propose([small(tmp_path / "may")], name="acme", actor=ANA, now=NOW)
    onboarding.keep(first, actor=ANA, now=NOW)
    path = small(tmp_path / "june", seed=6, region="north")
    frame = pd.read_csv(path)
    frame = frame.assign(monthly_fee=frame["monthly_fee"] * 100, plan=frame["plan"].replace("Pro", "Gold"))
    frame.drop(columns="months_active").to_csv(path, index=False)
    again = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    said = {(change.kind, change.where) for change in again.changes}
    assert again.refresh and said == {("new column", "region"), ("missing column", "months_active"),
                                      ("new categories", "plan"), ("unit", "monthly_fee")}
    assert again.trainable and again.part("label").evidence == "as agreed before"


def test_no_single_customer_is_in_what_is_kept_for_comparison(tmp_path: Path) -> None:
    proposal = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    onboarding.keep(proposal, actor=ANA, now=NOW)
    kept = "".join(path.read_text() for path in (tmp_path / "home" / "data" / "acme").iterdir())
    assert "K00007" not in kept


def test_a_unit_that_changed_is_told_from_a_customer_base_that_grew() -> None:
    def of(values: np.ndarray) -> dict[str, Any]:
        frame = pd.DataFrame({"x": values.astype(str)})
        return changes.portrait(frame, looks(frame))

    values = np.linspace(10, 90, 200)
    assert [change.kind for change in changes.compared(of(values), of(values * 12))] == ["unit"]
    assert changes.compared(of(values), of(values * 1.3)) == ()


@pytest.mark.slow
def test_what_is_accepted_is_learned_from_and_read_alike_next_month(tmp_path: Path) -> None:
    from engine.prediction.settings import Settings

    proposal = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    report = onboarding.accept(proposal, actor=ANA, now=NOW, settings=Settings(quick=True))
    assert report["metrics"]["model"]["roc_auc"].value > 0.6
    assert set(catalog.dataset("acme").frame()["plan"]) == {"Basic", "Pro"}
    again = onboarding.propose([small(tmp_path / "june", seed=8)], name="acme", actor=ANA, now=NOW)
    assert again.refresh and again.mapping["cures"] == list(proposal.mapping["cures"])
