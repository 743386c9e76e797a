"""Money that the audit keeps out, and money that says nothing of most customers: value is never counted in either."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import cards, catalog, noted, onboarding, pipeline
from engine.data import worth
from engine.insight import answers, card_words
from engine.prediction import store, value
from engine.prediction.settings import Settings
from engine.schema import Actor

NOW = datetime(2024, 8, 1)
ANA = Actor("ana", "manager")
QUICK = Settings(quick=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    return tmp_path


def members(rng: np.random.Generator, n: int = 600) -> pd.DataFrame:
    """Members of whom those with complaints leave; only who left was sent a `final_bill`."""
    complaints = rng.poisson(1, n)
    left = rng.random(n) < 1 / (1 + np.exp(2.2 - complaints))
    return pd.DataFrame({
        "member_id": [f"M{row:05d}" for row in range(n)], "complaints": complaints, "visits": rng.poisson(9, n),
        "worth": [f"${amount:,.2f}" for amount in rng.gamma(4, 900, n)],
        "final_bill": np.where(left, np.round(rng.gamma(9, 9, n), 2), np.round(rng.gamma(9, 0.2, n), 2)),
        "churned": np.where(left, "Yes", "No")})


def mapping(**more: Any) -> dict[str, Any]:
    return {"id": "member_id", "numeric": ["complaints", "visits", "worth"],
            "label": {"column": "churned", "positive": "Yes"},
            "money": {"column": "final_bill", "per": "month"}, "currency": "EUR", **more}


def run(frame: pd.DataFrame, folder: Path, settings: Settings = QUICK, **more: Any) -> dict[str, Any]:
    frame.to_csv(folder / "members.csv", index=False)
    return pipeline.run([folder / "members.csv"], name="club", adapter="table", actor=ANA, now=NOW, settings=settings,
                        options={"mapping": mapping(**more)})


def severe(report: dict[str, Any]) -> list[str]:
    return [found["what"] for found in report["findings"] if found["severity"] == "severe" and
            found["where"] == "money"]


@pytest.mark.slow
def test_money_that_the_audit_keeps_out_is_not_what_customers_are_worth(home: Path, rng: np.random.Generator) -> None:
    report = run(members(rng), home)
    assert [each["column"] for each in report["quarantined"]] == ["final_bill"]
    assert severe(report) == ["final_bill was taken for what customers pay, but the audit keeps it out: what a "
                              "customer is worth is counted in months as a customer."]
    dataset = catalog.dataset("club")
    assert not dataset.worth_in_money and (report["currency"], dataset.currency) == ("months", "months")
    assert {column.name: column.unit for column in dataset.columns}["final_bill"] == "EUR"
    scores = catalog.run("club").scores()
    assert scores["expected_ltv"].min() > 0 and scores["expected_ltv"].max() <= 24
    assert [part["customers"] + part["already_left"] > 0 for part in report["segments"]].count(False) == 0
    card = pipeline.predict("club", scores["customer_id"][0], actor=ANA, now=NOW)
    assert card["currency"] == "months"
    assert any("the audit keeps their money out" in note for note in report["notes"])


@pytest.mark.slow
def test_a_person_may_overrule_it_and_take_that_back(home: Path, rng: np.random.Generator) -> None:
    frame = members(rng)
    run(frame, home)
    kept = pipeline.train("club", actor=ANA, now=NOW, settings=replace(QUICK, overrule=("final_bill",)))
    assert kept["quarantined"] == [] and severe(kept) == []
    assert kept["currency"] == "EUR" and catalog.dataset("club").money.column == "final_bill"
    margin = frame["final_bill"].clip(lower=0) * 0.3
    most = catalog.run("club").scores().set_index("customer_id")["expected_ltv"]
    assert (most <= (24 * margin.to_numpy()[[int(who[1:]) for who in most.index]])).all()
    again = pipeline.train("club", actor=ANA, now=NOW, settings=QUICK)
    assert again["currency"] == "months" and not catalog.dataset("club").worth_in_money


@pytest.mark.slow
def test_a_later_file_is_counted_as_its_model_counts(home: Path, rng: np.random.Generator) -> None:
    run(members(rng), home)
    later = members(rng).drop(columns="churned").head(50)
    later.to_csv(home / "later.csv", index=False)
    out = home / "scores.csv"
    pipeline.score_file("club", [home / "later.csv"], out, actor=ANA, now=NOW)
    assert pd.read_csv(out)["expected_ltv"].between(0, 24, inclusive="right").all()
    dataset, _ = pipeline.onboard([home / "later.csv"], name="club", adapter="table", actor=ANA, now=NOW,
                                  options={"mapping": mapping(label={})})
    assert dataset.worth_in_money, "nothing has been counted yet"
    pipeline.score(dataset, actor=ANA, now=NOW)
    assert not catalog.dataset("club").worth_in_money
    assert noted.as_read(dataset).money.column == "final_bill"


@pytest.mark.parametrize("other", [True, False])
def test_a_proposal_takes_the_next_best_money_or_none(other: bool, home: Path, rng: np.random.Generator) -> None:
    frame = members(rng).rename(columns={"final_bill": "monthly_charge"}).drop(columns="worth")
    if other:
        frame["total_spend"] = np.round(rng.gamma(4, 90, len(frame)), 2)
    frame.to_csv(home / "members.csv", index=False)
    found = onboarding.propose([home / "members.csv"], name="club", actor=ANA, now=NOW)
    assert [name for name, _ in found.examined.quarantined] == ["monthly_charge"]
    assert found.part("money").column == ("total_spend" if other else "")
    assert other or "monthly_charge speaks of what is paid, but the audit keeps it out" in found.part("money").evidence
    assert found.mapping.get("money") == ({"column": "total_spend", "per": "total", "period_days": 365.0} if other
                                          else {})
    told = [finding for finding in found.examined.findings if finding.severity == "severe"
            and finding.where == "money"]
    assert bool(told) != other


@pytest.mark.slow
def test_an_honest_money_is_left_alone(home: Path, rng: np.random.Generator) -> None:
    frame = members(rng).assign(final_bill=np.round(rng.gamma(9, 9, 600), 2))
    report = run(frame, home)
    assert (report["currency"], severe(report)) == ("EUR", [])
    assert not catalog.dataset("club").money_withheld


@pytest.mark.slow
@pytest.mark.parametrize(("paying", "severity"), [(0.05, "severe"), (0.25, "warning"), (0.8, "")])
def test_money_that_few_pay_is_told(paying: float, severity: str, home: Path, rng: np.random.Generator) -> None:
    frame = members(rng)
    some = rng.random(len(frame)) < paying
    report = run(frame.assign(final_bill=np.where(some, np.round(rng.gamma(9, 9, 600), 2), 0)), home)
    told = [found for found in report["findings"] if found["where"] == "money" and "tell them apart" in found["what"]]
    assert [found["severity"] for found in told] == [severity] * bool(severity)
    if severity == "severe":
        _, card = store.load("club", report["model_id"])
        nothing = (catalog.run("club").scores().query("has_left != 1")["expected_ltv"] == 0).mean()
        assert told[0]["what"].startswith(f"{100 * nothing:.0f} % of customers are worth (nearly) nothing by final_")
        assert "nobody is in Mid LTV" in told[0]["what"] and card.findings[0].severity == "severe"


@pytest.mark.slow
def test_what_is_counted_in_months_is_never_said_to_be_of_few(home: Path, rng: np.random.Generator) -> None:
    run(members(rng), home)
    assert value.of_few(catalog.dataset("club"), np.zeros(9), (0.0, 0.0)) == ()
    assert worth.told(catalog.dataset("club"), [("final_bill", "a leak")]) == ()


@pytest.mark.slow
def test_findings_and_quarantine_are_told_in_the_company_s_own_titles(home: Path, rng: np.random.Generator) -> None:
    own = members(rng).rename(columns={"final_bill": "Final Bill"})
    report = run(own, home, money={"column": "Final Bill", "per": "month"})
    said = " ".join(cards.run(report).split())
    assert "Final Bill was taken for what customers pay" in said and "(--overrule final_bill)" in said
    assert "final_bill was taken" not in said and "- Final Bill: " in said
    assert [each["column"] for each in report["quarantined"]] == ["final_bill"], "the record keeps its name"
    _, card = store.load("club", report["model_id"])
    assert card_words.quarantine_table(card)["Column"].tolist() == ["Final Bill"]
    found = next(one for one in card.findings if one.where == "final_bill")
    shown = card_words.in_own_words(card, found)
    assert shown.where == "Final Bill" and "by its name (--overrule final_bill)" in shown.fix
    assert answers.name_of(found).startswith("final_bill: ")
    one = pipeline.predict("club", catalog.run("club").scores()["customer_id"][0], actor=ANA, now=NOW)
    assert "SEVERE: money: Final Bill was taken" in cards.customer(one)
