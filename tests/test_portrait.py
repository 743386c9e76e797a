"""One customer in detail: the way adds up to the chance, and the months ahead meet the chance at the window's end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine import insight
from engine.errors import EngineError, Refused
from engine.prediction import portrait
from engine.prediction.model import score
from engine.schema import Actor
from engine.state import audit_log

pytestmark = pytest.mark.slow
MEG, NOW = Actor("meg", "manager"), datetime(2025, 7, 3, 9)
COMPANIES = ("demo-telecom", "demo-shop")


@pytest.mark.parametrize("name", COMPANIES)
def test_the_way_adds_up_to_the_chance(name: str, read_companies: Path) -> None:
    scope = insight.scope(name)
    model, _ = engine.open_model(name, scope.run.model_id)
    for who in scope.run.scores()["customer_id"].iloc[[0, 11, 99]]:
        scored = score(model, scope.dataset, scope.run.as_of, [who])
        way = portrait.way(model, scored, scope.dataset.currency)
        p = scored.scores["churn_probability"].iloc[0]
        assert way["total"] == pytest.approx(float(model.churn.log_odds(scored.features)[0]), abs=1e-9)
        assert way["base"] + sum(step["contribution"] for step in way["steps"]) == pytest.approx(way["total"], abs=1e-4)
        assert way["base"] + sum(one["contribution"] for one in way["features"]) == pytest.approx(way["total"])
        assert not any("currency" in one["value"] for one in way["features"]), "Money is in the company's own."
        assert way["steps"][-1]["after"] == pytest.approx(p, abs=1e-4)
        sizes = [abs(step["contribution"]) for step in way["steps"]]
        assert sizes == sorted(sizes, reverse=True)
        top = scored.reasons.sort_values("rank")["words"].tolist()
        assert [step["words"] for step in way["steps"][: len(top)]] == top, "The same reasons as on every list."
        at = np.array([tick["log_odds"] for tick in way["scale"]])
        chances = portrait.chance(model, at, scope.run.as_of)
        assert np.all(np.diff(at) > 0)
        np.testing.assert_allclose(chances, [tick["chance"] for tick in way["scale"]], atol=0.02)


@pytest.mark.parametrize("name", COMPANIES)
def test_the_months_ahead_meet_the_chance_at_the_windows_end(name: str, read_companies: Path) -> None:
    scope = insight.scope(name)
    model, _ = engine.open_model(name, scope.run.model_id)
    who = scope.run.scores()["customer_id"].iloc[5]
    scored = score(model, scope.dataset, scope.run.as_of, [who])
    ahead = portrait.months_ahead(model, scope.dataset, scored)
    p, window, curve = scored.scores["churn_probability"].iloc[0], ahead["window_months"], np.array(ahead["curve"])
    low, high = curve[int(window) + 1], curve[int(window)]
    at_window = p if name == "demo-shop" else 1 - p
    assert low - 1e-9 <= at_window <= high + 1e-9
    assert curve[0] == 1 and np.all(np.diff(curve) <= 0) and len(curve) == portrait.MONTHS + 1
    assert ahead["kind"] == {"demo-shop": "order", "demo-telecom": "contract"}[name]
    assert ahead["words"].endswith(".")


def test_without_hazard_and_rhythm_the_rate_is_steady_and_no_month_stands_out(read_companies: Path) -> None:
    scope = insight.scope("demo-telecom")
    model, _ = engine.open_model("demo-telecom", scope.run.model_id)
    plain = replace(model, ltv=replace(model.ltv, hazard=None, orders=None))
    left = scope.run.scores().set_index("customer_id")["has_left"]
    scored = score(plain, scope.dataset, scope.run.as_of, [left[left == 0].index[0]])
    ahead = portrait.months_ahead(plain, scope.dataset, scored)
    curve = np.array(ahead["curve"])
    np.testing.assert_allclose(curve[1:] / curve[:-1], curve[1], rtol=1e-9)
    assert (ahead["kind"], ahead["peak"]) == ("steady", None) and "evenly" in ahead["words"]


def test_a_value_that_nobody_had_in_training_is_named(read_companies: Path) -> None:
    scope = insight.scope("demo-telecom")
    model, _ = engine.open_model("demo-telecom", scope.run.model_id)
    scored = score(model, scope.dataset, scope.run.as_of, [scope.run.scores()["customer_id"].iloc[0]])
    assert portrait.unseen(model, scored) == []
    odd = replace(scored, features=scored.features.assign(contract="Ten year"))
    assert portrait.unseen(model, odd) == ["Contract Ten year"]
    unknown = replace(scored, features=scored.features.assign(contract=pd.NA))
    assert portrait.unseen(model, unknown) == []


def test_a_card_tells_every_step_and_why_not(read_companies: Path) -> None:
    scope = insight.scope("demo-telecom")
    by = engine.open_model("demo-telecom", scope.run.model_id)
    known = scope.run.scores().set_index("customer_id").join(scope.dataset.frame()[["contract"]])
    here = known[(known["has_left"] == 0) & (known["hold_back"] == "")]

    def options(who: str) -> list[dict]:
        return engine.predict("demo-telecom", who, actor=MEG, now=NOW, run_id=scope.key, by=by, again=True)["options"]

    vip = options(here[(here["segment"] == "At-Risk VIP") & (here["contract"] == "Two year")].index[0])
    named = {step["name"]: step for step in vip}
    assert vip[0]["advised"] and vip[0]["why"] == ""
    assert named["contract_migration"]["why"] == "Contract is Two year; this is for Month-to-month."
    assert named["service_email"]["why"] == "Not in the plan of At-Risk VIP."
    assert named["win_back"]["why"] == "Only for customers who have left."
    held = known[(known["has_left"] == 0) & (known["hold_back"] != "")]
    first, *others = options(held.index[0])
    assert first["name"] == "leave_alone"
    assert {step["why"] for step in others if step["name"] != "win_back"} == {held["hold_back"].iloc[0]}
    gone = options(known[known["has_left"] == 1].index[0])
    assert gone[0]["name"] == "win_back" and {step["why"] for step in gone[1:]} == {"The customer has left already."}


def test_the_card_of_a_run_equals_the_run_and_is_logged_once(own_companies: Path) -> None:
    scope = insight.scope("demo-shop")
    by = engine.open_model("demo-shop", scope.run.model_id)
    stored = scope.run.scores().set_index("customer_id")
    who, before = stored.index[3], len(audit_log(verb="predict"))
    told = engine.predict("demo-shop", who, actor=MEG, now=NOW, run_id=scope.key, by=by)
    again = engine.predict("demo-shop", who, actor=MEG, now=NOW, run_id=scope.key, by=by, again=True)
    plain = engine.predict("demo-shop", who, actor=MEG, now=NOW)
    assert told == again == plain, "The current run is the production model's."
    for name in ("churn_probability", "churn_low", "churn_high", "expected_ltv", "risk_score"):
        assert told[name] == pytest.approx(stored.loc[who, name], rel=1e-12)
    assert len(audit_log(verb="predict")) == before + 2, "Looking at it again is not told twice."


def test_customers_without_enough_history_get_advice(read_companies: Path) -> None:
    scope = insight.scope("demo-shop")
    silent = sorted(set(scope.dataset.frame().index) - set(scope.run.scores()["customer_id"]))
    with pytest.raises(EngineError, match="not enough to judge as of 2025-07-01"):
        engine.predict("demo-shop", silent[0], actor=MEG, now=NOW)
    with pytest.raises(EngineError, match="has no customer"):
        engine.predict("demo-shop", "' OR 1=1 --", actor=MEG, now=NOW)
    with pytest.raises(Refused):
        engine.predict("demo-shop", silent[0], actor=Actor("eve", "executive"), now=NOW)
