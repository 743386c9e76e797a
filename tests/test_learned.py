"""Learned uplift on its way into plans and recommendations: in the simulated retention world it beats pooled rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.retention_world import CONTACT, INCENTIVE, Trial, margin, trial, value
from engine import catalog, insight, planning
from engine.cards_plan import plan as plan_card
from engine.cards_plan import recommendation
from engine.data.features import feature_columns, features
from engine.decision import own_playbooks
from engine.decision.constraints import Constraints
from engine.decision.methods import TYPES
from engine.decision.plan import Plan
from engine.decision.trials import of_campaign
from engine.evidence.trials import trials
from engine.insight import Scope
from engine.insight.learned import UNTAUGHT, words
from engine.pipeline import onboard
from engine.prediction import store
from engine.prediction.uplift import Uplift
from engine.prediction.uplift_offers import uplift_of_offers
from engine.schema import SCORES, SEGMENTS, Actor, Dataset, ModelCard, jsonable

ANA, NOW, UNTIL = Actor("ana", "admin"), datetime(2025, 7, 2), datetime(2025, 7, 1)
RECORDS, DECIDED, SEED = 20_000, 10_000, 50
LOOSE = ("payback", "ltv")
BOOK = f"""
sector = "telecom"

[plan]
budget = 1e9
days = 1

[channels.post]
contacts_a_day = {DECIDED // 5}

[treatments.leave_alone]
words = "Leave alone."
channel = "none"
contact_cost = 0.0

[treatments.win_back]
words = "Win back."
channel = "post"
contact_cost = 1.0

[treatments.gift]
words = "Send a gift to those who stay."
channel = "post"
contact_cost = {CONTACT}
offer_cost = {INCENTIVE}
redemption = 1.0
recovery_rate = 0.10

[treatments.card]
words = "Send a card."
channel = "post"
contact_cost = 1.0
recovery_rate = 0.01

[segments]
""" + "\n".join(f'"{name}" = ["gift", "leave_alone"]' for name in SEGMENTS)


@dataclass(frozen=True)
class World:
    """The simulated company as the product keeps it, twice: with the learned uplift, and with one that is unusable."""

    truth: Trial
    uplift: Uplift
    learned: Scope
    pooled: Scope

    def brings(self, found: Plan) -> float:
        """The true margin of a plan, as a share of what the best possible rule brings."""
        rows, columns = found.chosen
        assert set(np.array(found.priced.names)[columns]) <= {"gift"}
        true = margin(self.truth.p0 - self.truth.p1, self.truth.p1, self.truth.ltv)
        best = value(true, self.truth) * len(true)
        return float(true[rows].sum() / best)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Made once: 20,000 randomised records, 10,000 customers to decide on, their true chance to leave known."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(folder / "home"))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        yield _made(folder)


def _made(folder: Path) -> World:
    known, truth = trial(RECORDS, 0.0, SEED), trial(DECIDED, 0.0, SEED + 1)
    offers = known.X.assign(customer_id=[f"p{k}" for k in range(RECORDS)], offered_at="2025-01-01", propensity=0.5,
                            treatment=np.where(known.treated, "gift", "none"), churned=known.churned)
    here = truth.X.assign(client_no=[f"c{k:05d}" for k in range(DECIDED)], spend=50.0)
    for name, frame in (("customers", here), ("offers", offers)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    mapping = {"id": "client_no", "money": {"column": "spend", "per": "month"}, "numeric": list(truth.X),
               "sector": "telecom", "currency": "EUR", "horizon_days": 90}
    company, _ = onboard([folder / "customers.csv", folder / "offers.csv"], name="world", actor=ANA, now=NOW,
                         adapter="table", observed_until=UNTIL, options={"mapping": mapping, "synthetic": True})
    own_playbooks.keep(company, BOOK, based_on=0, actor=ANA, now=NOW)
    X = features(company, UNTIL)
    uplift = uplift_of_offers(company, [column.name for column in feature_columns(company)], 0)
    assert uplift is not None
    learned, pooled = (_scored(company, X, truth, uplift, usable) for usable in (True, False))
    return World(truth, uplift, learned, pooled)


def _scored(company: Dataset, X: pd.DataFrame, truth: Trial, uplift: Uplift, usable: bool) -> Scope:
    name = "learned" if usable else "pooled"
    told = uplift.told() | {"usable": usable and uplift.usable}
    card = ModelCard(name, "world", company.version, "given", "given", 0, UNTIL, 90, "left", True, RECORDS, 1,
                     tuple(X), (), (), {}, 0.5, True, (), detail={"uplift": jsonable(told)})
    parts = dict.fromkeys(("churn", "ltv", "rates", "cuts", "columns", "level")) | {"uplift": uplift}
    store.save(parts, card, "world")
    kept = catalog.Run.of(company, name, UNTIL, len(X))
    scores = pd.DataFrame({"run_id": kept.run_id, "customer_id": X.index, "segment": "Vulnerable", "hold_back": "",
                           "churn_probability": truth.p0, "churn_low": truth.p0, "churn_high": truth.p0,
                           "ltv_if_stays": truth.ltv, "expected_ltv": truth.ltv, "has_left": 0,
                           "margin_at_risk": truth.p0 * truth.ltv, "next_order_at": pd.NaT})
    reasons = scores[["run_id", "customer_id"]].assign(rank=1, feature="x0", value="", contribution=0.0, words="")
    catalog.save_run(kept, scores.reindex(columns=SCORES.names), reasons, X, actor=ANA, now=NOW)
    return insight.scope("world", kept.run_id)


def planned(place: Scope) -> Plan:
    return planning.plan(place, Constraints(without=LOOSE, only=("gift",)), actor=ANA, now=NOW)


pytestmark = pytest.mark.slow


def test_with_20_000_records_the_learned_plan_beats_the_pooled_one(world: World) -> None:
    learned, pooled = planned(world.learned), planned(world.pooled)
    assert world.brings(learned) > 0.85
    assert world.brings(learned) > world.brings(pooled) + 0.1
    assert set(learned.rivals) == {"top risk", "risk x LTV"}, "shown beside the usual rules at the same budget"
    for rival in learned.rivals.values():
        assert rival.spend <= learned.constraints.budget
        assert rival.margin.value < learned.total.margin.value


def test_the_plan_promises_what_it_brings(world: World) -> None:
    """The interval of the learned plan's total holds its true margin."""
    found = planned(world.learned)
    rows, _ = found.chosen
    true = margin(world.truth.p0 - world.truth.p1, world.truth.p1, world.truth.ltv)[rows].sum()
    assert found.total.margin.low <= true <= found.total.margin.high
    assert found.total.unsure["effect"] > 0.9, "chances and worth are known here"


def test_intervals_of_offers_hold_the_truth(world: World) -> None:
    found = planned(world.learned)
    offers = found.offers(np.arange(2_000))
    mine = offers[offers["treatment"] == "gift"]
    truth = (world.truth.p0 - world.truth.p1)[:2_000]
    held = (mine["uplift_low"].to_numpy() <= truth) & (truth <= mine["uplift_high"].to_numpy())
    assert 0.82 < held.mean() < 0.97


def test_sleeping_dogs_are_left_alone_and_told_why(world: World) -> None:
    found = planning.plan(world.learned, Constraints(without=("roi", *LOOSE)), actor=ANA, now=NOW)
    told = world.uplift.predict(features(world.learned.dataset, UNTIL))["gift"].to_numpy()
    dogs = np.flatnonzero(told < 0)
    assert 50 < len(dogs) < DECIDED / 3
    assert (found.choice[dogs] == -1).all(), "not even the card that was never tried"
    gift, card = found.offers(dogs[:1])["blocked_by"]
    assert gift.startswith("Contact is expected to keep nobody: the chance to leave would change by +")
    assert "90 % interval" in gift
    assert card.startswith("A sleeping dog")
    kinds = planning.types(found)
    assert kinds["sleeping dog"] == len(dogs)
    assert set(kinds) == set(TYPES)
    one = planning.recommend("world", f"c{dogs[0]:05d}", run_id=world.learned.run.run_id, actor=ANA, now=NOW)
    assert (one["type"], one["action_name"]) == ("sleeping dog", "none")


def test_one_customer_is_told_what_the_plan_says_and_where_it_is_from(world: World) -> None:
    found = planned(world.learned)
    row = int(found.chosen[0][0])
    one = planning.recommend("world", f"c{row:05d}", run_id=world.learned.run.run_id, actor=ANA, now=NOW)
    gift = next(offer for offer in one["alternatives"] if offer["treatment"] == "gift")
    assert gift["uplift"] == pytest.approx(found.priced.uplift[row, found.priced.names.index("gift")])
    assert one["effects"] == {"learned": ["gift"], "words": words(jsonable(world.uplift.told()))}
    told = recommendation({**one, "action_name": "gift"})
    assert "learned of customers like this one" in " ".join(told.split())
    of_all = " ".join(plan_card(planning.described(world.learned, found)).split())
    assert "is learned from 20,000 randomised records" in of_all


def test_where_it_is_not_usable_pooled_rates_are_used_and_it_says_so(world: World) -> None:
    found = planned(world.pooled)
    assert not found.priced.learned.uplift
    ratio = found.priced.uplift[:, found.priced.names.index("gift")] / world.truth.p0
    assert np.ptp(ratio) < 1e-9, "one rate for the segment"
    told = " ".join(plan_card(planning.described(world.pooled, found)).split())
    assert "Learned uplift is not usable: 20,000 randomised records do not tell" in told
    assert "(Qini 0." in told and "Pooled rates instead" in told
    one = planning.recommend("world", "c00001", run_id=world.pooled.run.run_id, actor=ANA, now=NOW)
    assert "Pooled rates instead" in " ".join(recommendation(one).split())


def test_what_campaigns_show_later_moves_the_learned_uplift(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({"treatment": "gift", "segment": "Vulnerable", "holdout": [0] * 4_000 + [1] * 4_000,
                         "stayed": [1] * 3_800 + [0] * 200 + [1] * 2_800 + [0] * 1_200})
    before = planned(world.learned).priced.uplift[:, 0].mean()
    monkeypatch.setattr("engine.insight.past.trials", lambda name: trials(name) + of_campaign(rows, "campaign"))
    after = planned(world.learned).priced.uplift[:, 0].mean()
    assert after > before + 0.02, "six in seven leavers were kept"


def test_recoverys_sliders_begin_with_the_uplift_that_a_plan_takes(world: World) -> None:
    """The playbook's step of the segment: what its would-be leavers are kept by, as learned; pooled where unusable."""
    found = planned(world.learned)
    gift = found.priced.uplift[:, found.priced.names.index("gift")]
    expected = gift.sum() / found.priced.p.sum()
    start = insight.recovery_starts(world.learned)["Vulnerable"]
    assert start.learned and start.measured is not None
    assert start.measured.value == pytest.approx(expected, abs=0.01), "of 5,000 of the 10,000"
    true = (world.truth.p0 - world.truth.p1).sum() / world.truth.p0.sum()
    assert start.measured.low <= true <= start.measured.high
    assert "by trials of this step, learned customer by customer: " in start.source(start.terms.recovery_rate)
    pooled = insight.recovery_starts(world.pooled)["Vulnerable"]
    assert not pooled.learned and "pooled with the playbook's" in pooled.source(0.5)


def test_a_company_without_offers_says_that_nothing_was_tried() -> None:
    assert words(None) == UNTAUGHT
