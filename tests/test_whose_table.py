"""Which of several files holds the customers: a table that many of them look up is none, however it is keyed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import onboarding
from engine.data.doctor import tables
from engine.onboarding.accepting import lasting
from engine.schema import Actor

NOW, ANA = datetime(2026, 7, 1), Actor("ana", "admin")
Rng = np.random.Generator


def written(folder: Path, **files: pd.DataFrame) -> list[Path]:
    for name, frame in files.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in files]


def customers(key: str, rng: Rng, rows: int = 1200, refers: str = "tariff_cd", **more: object) -> pd.DataFrame:
    """Customers of twelve tariffs, under a key of that name."""
    return pd.DataFrame({key: 2_000_000 + rng.permutation(rows * 7)[:rows], "kwh": rng.gamma(4, 900, rows).round(1),
                         refers: rng.choice([f"T{n:02d}" for n in range(12)], rows)} | more)


def tariffs(key: str = "tariff", **more: object) -> pd.DataFrame:
    return pd.DataFrame({key: [f"T{n:02d}" for n in range(12)], "unit_price": np.linspace(0.2, 0.4, 12)} | more)


@pytest.mark.parametrize("key", ["MPAN", "customer_id", "CLNT_NO", "id", "account no", "policy_ref"])
@pytest.mark.parametrize("refers", ["tariff", "tariff_cd", "tariff_id"])
@pytest.mark.parametrize("first", [True, False])
def test_a_table_of_tariffs_is_looked_up_though_nobody_says_who_left(key: str, refers: str, first: bool, rng: Rng,
                                                                     tmp_path: Path) -> None:
    files = {"tariffs": tariffs(), "customers": customers(key, rng, refers=refers)}
    whole = tables.together(written(tmp_path, **(files if first else dict(reversed(files.items())))), NOW)
    assert (whole.name, len(whole.frame)) == ("customers.csv", 1200) and "unit_price" in whole.frame
    assert [(beside.name, beside.many) for beside in whole.besides] == [("tariffs", False)] and not whole.doubts


def test_a_tariff_that_is_no_longer_offered_is_no_customer_who_left(rng: Rng, tmp_path: Path) -> None:
    offered = tariffs(discontinued=["Y", "N", "N"] * 4)
    state = np.where(rng.random(1200) < 0.1, "Switched away", "Supplied")
    whole = tables.together(written(tmp_path, tariffs=offered, customers=customers("MPAN", rng, supply_state=state)),
                            NOW)
    assert (whole.name, len(whole.frame), whole.doubts) == ("customers.csv", 1200, ())


@pytest.mark.slow
@pytest.mark.parametrize(("mine", "refers", "other"), [
    ("customer_id", "customer_id", "order_id"), ("client_ref", "client", "id"), ("uid", "player", "session_id"),
    ("learner", "learner", "id"), ("account_id", "acct", "ticket_id"), ("household_id", "household_id", "meter_no"),
    ("member", "member", "card_no"), ("company_id", "company_id", "user_id")])
def test_customers_to_whom_many_rows_with_keys_of_their_own_refer_stay_the_customers(
        mine: str, refers: str, other: str, rng: Rng, tmp_path: Path) -> None:
    names = [f"K{n:04d}x" for n in rng.permutation(9000)[:300]]
    rows = rng.choice(names, 9000)
    people = pd.DataFrame({mine: names, "age": rng.integers(18, 80, 300)})
    uses = pd.DataFrame({other: 70_000 + np.arange(9000), refers: rows, "minutes": rng.poisson(9, 9000),
                         "day": pd.date_range("2026-01-01", periods=9000, freq="10min").strftime("%Y-%m-%d")})
    whole = tables.together(written(tmp_path, people=people, uses=uses), NOW)
    assert (whole.name, len(whole.frame), whole.doubts) == ("people.csv", 300, ())


@pytest.mark.slow
def test_a_few_rows_taken_for_the_customers_beside_many_with_a_key_are_doubted_in_the_run_too(
        rng: Rng, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred branches with an answer, and the thirty thousand whom they serve: both may be the customers."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    branches = pd.DataFrame({"branch": [f"BR{n:03d}" for n in range(300)], "staff": rng.integers(2, 40, 300),
                             "closed": np.where(rng.random(300) < 0.2, "Y", "N"), "fee": rng.gamma(3, 9, 300).round(2)})
    served = pd.DataFrame({"customer_id": 40_000 + np.arange(30_000), "branch": rng.choice(branches["branch"], 30_000),
                           "age": rng.integers(18, 80, 30_000)})
    paths = written(tmp_path, branches=branches.rename(columns={"closed": "lapsed"}), served=served)
    found = onboarding.propose(paths, name="bank", actor=ANA, now=NOW)
    doubts = [fault.finding for fault in found.faults if fault.lasts]
    assert [(doubt.severity, doubt.where, doubt.rows) for doubt in doubts] == [("warning", "branches.csv", 300)]
    assert "300 rows" in doubts[0].what and "30,000, each with its own customer_id" in doubts[0].what
    assert doubts[0] in lasting(found)


@pytest.mark.slow
@pytest.mark.parametrize(("lacks", "told"), [(True, "columns but for churned and"), (False, "columns and are")])
def test_files_taken_as_one_are_told_in_the_proposal(lacks: bool, told: str, rng: Rng, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    from engine import cards_onboard, verbs_onboard

    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    whole = pd.DataFrame({"customer_id": np.arange(600) + 70_000, "age": rng.integers(18, 80, 600),
                          "visits": rng.poisson(4, 600), "churned": rng.choice(["Y", "N"], 600)})
    test = whole[400:].drop(columns="churned") if lacks else whole[400:]
    paths = written(tmp_path, train=whole[:400], test=test)
    found = onboarding.propose(paths, name="acme", actor=ANA, now=NOW)
    shown = " ".join(cards_onboard.proposal({"proposal": verbs_onboard.described(found)}).split())
    assert "Together: train.csv, test.csv: sure (0.95): they have the same columns" in shown and told in shown
    onboarding.keep(found, actor=ANA, now=NOW)
    again = onboarding.propose(paths, name="acme", actor=ANA, now=NOW)
    assert again.refresh and again.part("stacked").value == "train.csv, test.csv"
