"""From a scoring run to a plan and to one customer's recommendation: one set of numbers, on the shell too."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import campaigning, catalog, insight, planning, state
from engine.__main__ import main
from engine.campaign import contact_rules, ledger, suppression
from engine.campaign.ledger import Campaign
from engine.campaign.suppression import Entry
from engine.campaign.tables import ASSIGNMENTS, EXCLUSIONS
from engine.cards_plan import plan as plan_card
from engine.data.demo import DEMOS
from engine.data.features import features
from engine.decision.constraints import Constraints
from engine.decision.effects import effects as by_the_book
from engine.decision.plan import Plan, make
from engine.errors import EngineError, Infeasible, Refused
from engine.insight import Filters, Scope
from engine.insight.past import effects_of, past_trials
from engine.pipeline import onboard
from engine.prediction import store
from engine.schema import NOTHING_DONE, OFFERS, SCORES, SEGMENTS, Actor, ModelCard

ANA, EVE, ADA = Actor("ana", "marketer"), Actor("eve", "executive"), Actor("ada", "admin")
MIA = Actor("mia", "manager")
NOW = datetime(2025, 7, 2)
VIPS = Filters({"segment": ("At-Risk VIP",)})
TRIED = ("contract_migration", "loyalty_discount", "tech_support_call", "hardware_upgrade")

A_CARD = ModelCard("truth", "demo", "v", "truth", "truth", 0, NOW, 90, "left", True, 10**9, 1, ("x",), (), (), {}, 0.5,
                   True, ())

pytestmark = pytest.mark.slow


@pytest.fixture
def telecom(own_companies: Path) -> Scope:
    """The demo telecom, small, in a home of its own."""
    return insight.scope("demo-telecom")


def test_every_customer_of_a_segment_is_told_what_the_plan_says(telecom: Scope) -> None:
    found = planning.plan(telecom, filters=VIPS, actor=ANA, now=NOW)
    priced = found.offers(np.arange(len(found.choice)))
    assert len(found.choice) > 20
    assert OFFERS.validate(priced) == []
    for who, mine in priced.groupby("customer_id"):
        told = planning.recommend("demo-telecom", str(who), actor=ANA, now=NOW)
        alone = pd.DataFrame(told["alternatives"])[OFFERS.names].set_index("treatment")
        batch = mine.set_index("treatment").loc[alone.index]
        pd.testing.assert_frame_equal(alone.fillna(np.nan), batch[alone.columns], check_dtype=False)
        allowed = batch[(batch["blocked_by"] == "") & (batch["incremental_margin"] > 0)]
        best = allowed["incremental_margin"].idxmax() if len(allowed) else NOTHING_DONE
        assert told["action_name"] == best
        assert told["expected_value"] == pytest.approx(allowed["incremental_margin"].max() if len(allowed) else 0.0)
        assert all(one["why_not"] for one in told["alternatives"] if one["treatment"] != best)


def test_a_recommendation_answers_every_question_asked_of_it(telecom: Scope) -> None:
    who = str(telecom.run.scores()["customer_id"].iloc[0])
    told = planning.recommend("demo-telecom", who, actor=ANA, now=NOW)
    asked = {"action_name", "churn_probability", "expected_value", "action_cost", "roi", "strategy_used"}
    assert asked <= set(told)
    assert told["strategy_used"] == "expected_margin"
    assert planning.recommend("demo-telecom", who, "playbook", actor=ANA, now=NOW)["strategy_used"] == "playbook"
    with pytest.raises(EngineError, match="no method 'tarot'"):
        planning.recommend("demo-telecom", who, "tarot", actor=ANA, now=NOW)
    with pytest.raises(EngineError, match="no customer 'nobody'"):
        planning.recommend("demo-telecom", "nobody", actor=ANA, now=NOW)


def test_what_was_tried_is_not_forgotten_when_the_next_delivery_does_not_repeat_it(
        telecom: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    known = catalog.versions("demo-telecom")
    monkeypatch.setattr(catalog, "versions", lambda name: [*known, "later"])
    later = replace(telecom.dataset, version="later", offers=None)
    assert catalog.with_offers(later) == telecom.dataset
    assert past_trials(replace(telecom, dataset=later)).cells.equals(past_trials(telecom).cells)
    assert catalog.with_offers(replace(later, version=known[0])) is None, "Nothing was known before the first."


@pytest.mark.parametrize("method", ["auto", "playbook"])
def test_who_has_left_is_won_back_and_no_type_of_those_who_are_here(telecom: Scope, method: str,
                                                                    capsys: pytest.CaptureFixture[str]) -> None:
    scores = telecom.run.scores()
    who = str(scores.loc[scores["has_left"] == 1, "customer_id"].iloc[0])
    told = planning.recommend("demo-telecom", who, method, actor=ANA, now=NOW)
    assert (told["action_name"], told["type"], told["expected_value"]) == ("win_back", "has left", 0.0)
    assert told["action_words"] == telecom.book.treatments["win_back"].words
    assert told["why"] == "The customer has left already: win back, not retain."
    assert all(one["blocked_by"] for one in told["alternatives"])
    code, out, _ = printed(capsys, "recommend", "--dataset", "demo-telecom", "--customer-id", who)
    assert code == 0
    assert "has left already; the figures are of the time before" in " ".join(out.split())
    assert not [word for word in ("persuadable", "settled", "Leave alone") if word in out]


def test_past_offers_are_seen_by_segment_and_move_the_rates(telecom: Scope) -> None:
    cells, effects = past_trials(telecom).cells, effects_of(telecom)
    assert set(cells["treatment"]) == set(TRIED)
    assert cells["segment"].nunique() >= 4
    assert effects.tried("loyalty_discount") > 500
    assert effects.tried("service_email") == 0
    mine = effects.table.index.get_level_values("treatment")
    moved = (effects.table["rate"] - effects.table["assumed"]).abs()
    assert moved[mine == "loyalty_discount"].mean() > 0.005
    assert moved[mine == "service_email"].max() < 1e-9, "nothing was tried, so the assumption stands"
    tried = effects.table["customers"].where(mine == "loyalty_discount", 0.0)
    share = (tried / tried.sum()).to_numpy()
    sure, assumed = (np.sqrt(share @ found.covariance @ share) for found in (effects, by_the_book(telecom.book)))
    assert sure < assumed, "the rate of all those it was tried on; a small segment may be less sure than was assumed"


def test_the_plan_is_worth_what_it_says_by_the_hidden_truth(telecom: Scope) -> None:
    truth = pd.read_parquet(catalog.apart(telecom.dataset, "truth"))
    found = of_tried(telecom)
    assert found.total.customers > 10
    assert found.total.margin.low <= true_margin(found, truth) <= found.total.margin.high


def of_tried(place: Scope) -> Plan:
    """A plan of what was tried alone, without caps."""
    return make(planning.priced(place), place.book, Constraints(only=TRIED, most=dict.fromkeys(TRIED, 1e9)))


def true_margin(found: Plan, truth: pd.DataFrame) -> float:
    """What the plan brings by the hidden truth."""
    priced, (rows, columns) = found.priced, found.chosen
    truth = truth.set_index("customer_id") if "customer_id" in truth else truth
    theirs = truth.loc[priced.people["customer_id"].to_numpy()[rows]]
    uplift = np.array([theirs[f"expected_uplift_{priced.names[at]}"].iloc[place] for place, at in enumerate(columns)])
    taken, contact = (np.array([getattr(one, name) for one in priced.treatments])[columns]
                      for name in ("redemption", "contact_cost"))
    paid = np.maximum(uplift, 0) + taken * (1 - theirs["churn_probability"].to_numpy())
    return float((uplift * priced.worth[rows] - contact - priced.offer(rows, columns) * paid).sum())


def test_so_are_plans_of_other_companies(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five companies with past offers of their own; chances and worth are known, so the effects alone are unsure."""
    held = []
    for seed in range(1, 6):
        place, truth = company(home, seed)
        monkeypatch.setattr(store, "card", lambda *_: A_CARD)
        found = of_tried(place)
        assert found.total.unsure["effect"] > 0.9
        held.append(found.total.margin.low <= true_margin(found, truth) <= found.total.margin.high)
    assert sum(held) >= 4, "90 % intervals"


def company(home: Path, seed: int) -> tuple[Scope, pd.DataFrame]:
    """The demo telecom drawn anew, scored by its hidden truth; segments by chance."""
    made = DEMOS["demo-telecom"].write(home / f"raw{seed}", seed=seed, customers=1_500)
    data, _ = onboard(made.sources, name=f"telecom-{seed}", adapter=made.adapter, observed_until=made.observed_until,
                      options={"synthetic": True}, actor=ADA, now=NOW)
    truth = pd.read_parquet(made.truth)
    truth = truth.set_index("customer_id") if "customer_id" in truth else truth
    X = features(data, data.observed_until)
    p, worth = (truth.loc[X.index, name].to_numpy() for name in ("churn_probability", "expected_ltv"))
    kept = catalog.Run.of(data, "truth", data.observed_until, len(X))
    scores = pd.DataFrame({
        "run_id": kept.run_id, "customer_id": X.index, "hold_back": "", "has_left": 0, "churn_probability": p,
        "churn_low": p, "churn_high": p, "ltv_if_stays": worth, "expected_ltv": worth, "margin_at_risk": p * worth,
        "segment": np.array(SEGMENTS)[np.arange(len(X)) % len(SEGMENTS)], "next_order_at": pd.NaT})
    reasons = scores[["run_id", "customer_id"]].assign(rank=1, feature="x", value="", contribution=0.0, words="")
    catalog.save_run(kept, scores.reindex(columns=SCORES.names), reasons, X, actor=ADA, now=NOW)
    return insight.scope(data.name), truth


def test_who_may_plan_and_what_the_log_keeps(telecom: Scope) -> None:
    for verb in (lambda: planning.plan(telecom, actor=EVE, now=NOW),
                 lambda: planning.recommend("demo-telecom", "x", actor=EVE, now=NOW)):
        with pytest.raises(Refused):
            verb()
    found = planning.plan(telecom, Constraints(budget=500.0), VIPS, actor=ANA, now=NOW)
    entry = state.audit_log(verb="plan")[0]
    assert entry.detail["customers"] == found.total.customers
    assert entry.detail["budget"] == 500.0


def test_nobody_to_plan_for_and_senseless_constraints_are_told(telecom: Scope) -> None:
    with pytest.raises(EngineError, match="Widen them"):
        planning.plan(telecom, filters=Filters(ids=("nobody",)), actor=ANA, now=NOW)
    with pytest.raises(Infeasible, match="no treatment 'serenade'"):
        planning.plan(telecom, Constraints(only=("serenade",)), actor=ANA, now=NOW)


def test_the_shop_without_past_offers_is_planned_by_its_playbook(own_companies: Path) -> None:
    place = insight.scope("demo-shop")
    found = planning.plan(place, Constraints(budget=300.0), actor=ANA, now=NOW)
    assert 0 < found.total.spend <= 300 + 1e-6
    assert found.priced.effects.segments_differ == 1.0
    assert (found.priced.people["monthly_revenue"] > 0).any()


# --- the month after

def test_a_second_month_plans_nobody_whom_its_draft_would_leave_out(telecom: Scope) -> None:
    def drafted(name: str, when: datetime) -> tuple[Plan, Campaign]:
        found = planning.plan(telecom, actor=MIA, now=when)
        return found, campaigning.draft(telecom, found.decisions(), name=name, holdout_share=0.2, actor=MIA, now=when)

    _, july = drafted("July", NOW)
    campaigning.approve(july.id, actor=MIA, now=NOW)
    campaigning.launch(july.id, actor=MIA, now=NOW)
    had = ledger.table_of(july.id, ASSIGNMENTS)
    held = had["holdout"].astype(bool)
    found, august = drafted("August", NOW + timedelta(days=6))
    made = found.decisions()
    made = made[made["treatment"] != NOTHING_DONE]
    assert 0 < len(made) < len(had)
    assert not set(made["customer_id"]) & set(had.loc[held, "customer_id"])
    assert made.merge(had, on=["customer_id", "treatment"]).empty, "each offer rests for a week or more"
    assert found.left_out() == {contact_rules.HELD: held.sum(), contact_rules.SAME: (~held).sum()}
    assert not ledger.table_of(august.id, EXCLUSIONS)["reason"].str.contains("held out|same offer").any()
    told = campaigning.described(august.id, actor=MIA)
    assert told["treated"] + told["held_out"] + sum(told["left_out"].values()) == found.total.customers
    one = planning.recommend("demo-telecom", str(had.loc[held, "customer_id"].iloc[0]), actor=ANA, now=NOW)
    assert one["action_name"] == NOTHING_DONE
    assert all("held out by a running campaign" in offer["blocked_by"] for offer in one["alternatives"])
    card = " ".join(plan_card(planning.described(telecom, found)).split())
    assert f"{held.sum()} customers: held out by a running campaign" in card


# --- on the shell


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out = capsys.readouterr()
    return code, out.out, out.err


def test_plan_prints_a_card_or_json_and_writes_the_decisions(telecom: Scope, tmp_path: Path,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("plan", "--dataset", "demo-telecom", "--budget", "800", "--segment", "Vulnerable", "--segment",
             "Losing Customer", "--most", "contract_migration=5", "--output", str(tmp_path / "decisions.csv"))
    code, out, _ = printed(capsys, *asked)
    assert code == 0
    assert "SYNTHETIC" in out
    assert "offers to those who would have stayed" in " ".join(out.split())
    code, out, _ = printed(capsys, *asked, "--json")
    record = json.loads(out)
    rows = pd.read_csv(tmp_path / "decisions.csv", dtype={"customer_id": str})
    assert len(rows) == record["total"]["customers"]
    assert set(rows["segment"]) <= {"Vulnerable", "Losing Customer"}
    assert (rows["treatment"] == "contract_migration").sum() <= 5
    assert rows["expected_cost"].sum() == pytest.approx(record["total"]["spend"])
    assert set(record["rivals"]) == {"top risk", "risk x LTV"}
    assert sum(record["types"].values()) == record["customers"]


def test_a_limit_that_is_none_and_a_customer_who_is_nobody_end_with_code_two(
        telecom: Scope, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = printed(capsys, "plan", "--dataset", "demo-telecom", "--without", "gravity")
    assert (code, "no guardrail 'gravity'" in err) == (2, True)
    code, out, _ = printed(capsys, "recommend", "--dataset", "demo-telecom", "--customer-id", "nobody", "--json")
    assert (code, "nobody" in json.loads(out)["error"]) == (2, True)


def test_a_suppressed_channel_is_closed_to_offers_in_plan_and_recommendation(telecom: Scope) -> None:
    before = planning.plan(telecom, filters=VIPS, actor=ANA, now=NOW).decisions()
    called = before[before["channel"] == "phone"]["customer_id"]
    one, other = called.iloc[0], called.iloc[1]
    suppression.suppress("demo-telecom", [Entry(one, "phone"), Entry(other)], actor=ANA, now=NOW)
    after = planning.plan(telecom, filters=VIPS, actor=ANA, now=NOW).decisions().set_index("customer_id")
    assert after.loc[one, "channel"] != "phone" and after.loc[other, "treatment"] == NOTHING_DONE
    told = planning.recommend("demo-telecom", one, actor=ANA, now=NOW)["alternatives"]
    forbidden = {offer["channel"] for offer in told if "on the suppression list and must not" in offer["blocked_by"]}
    assert forbidden == {"phone"}
    assert planning.recommend("demo-telecom", other, actor=ANA, now=NOW)["action_name"] == NOTHING_DONE


def test_recommend_prints_a_card(telecom: Scope, capsys: pytest.CaptureFixture[str]) -> None:
    who = str(telecom.run.scores()["customer_id"].iloc[3])
    code, out, _ = printed(capsys, "recommend", "--dataset", "demo-telecom", "--customer-id", who)
    assert code == 0
    assert who in out
    assert "Why not the others" in out


def test_a_changed_minimum_tenure_says_that_it_counts_from_the_next_scoring_on(
        telecom: Scope, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planning.waiting(telecom) == ""
    text = printed(capsys, "playbook", "--dataset", "demo-telecom", "--text")[1]
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("minimum_tenure_months = 6 ", "minimum_tenure_months = 2 "), encoding="utf-8")
    out = printed(capsys, "playbook", "--dataset", "demo-telecom", "--keep", str(mine))[1]
    assert "The minimum tenure is 2 months now" in " ".join(out.split())
    assert "counts from the next scoring on" in planning.waiting(insight.scope("demo-telecom"))
    out = printed(capsys, "plan", "--dataset", "demo-telecom", "--budget", "200")[1]
    assert "counts from the next scoring on" in " ".join(out.split())


def test_a_playbook_is_shown_checked_kept_and_gone_back_from(telecom: Scope, tmp_path: Path,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    assert "tried on" in printed(capsys, "playbook", "--dataset", "demo-telecom")[1]
    text = printed(capsys, "playbook", "--sector", "telecom", "--text")[1]
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("contact_cost = 4.0", "contact_cost = -4.0"), encoding="utf-8")
    code, _, err = printed(capsys, "playbook", "--check", str(mine))
    assert (code, "mine.toml, line" in err) == (2, True)
    mine.write_text(text.replace("contact_cost = 4.0", "contact_cost = 7.0"), encoding="utf-8")
    assert printed(capsys, "playbook", "--check", str(mine))[0] == 0
    code, out, _ = printed(capsys, "playbook", "--dataset", "demo-telecom", "--keep", str(mine), "--json")
    record = json.loads(out)
    assert record["version"] == 1
    assert next(one for one in record["treatments"] if one["name"] == "contract_migration")["contact_cost"] == 7.0
    code, out, _ = printed(capsys, "playbook", "--dataset", "demo-telecom", "--revert", "0", "--json")
    assert json.loads(out)["version"] == 2
