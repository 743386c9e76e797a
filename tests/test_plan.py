"""Plans: by hand, against every possible plan of small worlds, what limits and guardrails cost, other rules beside."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.decision import plan as planned
from engine.decision.budget import Limit, Problem
from engine.decision.constraints import Constraints, limits
from engine.decision.effects import Z90
from engine.decision.guardrails import blocked
from engine.decision.methods import METHODS, TYPES, by_margin, by_playbook, types_of
from engine.decision.plan import Plan, make
from engine.decision.playbooks import Playbook, playbook, playbook_files
from engine.decision.rivals import in_order
from engine.errors import Infeasible
from engine.schema import DECISIONS, NOTHING_DONE, OFFERS
from tests.offers import CALL, GIFT, NOTE, book, crowd, people, priced

ALIKE = {"p": [0.5, 0.5, 0.5], "L": [400.0, 600.0, 800.0]}


def planned_for(frame: pd.DataFrame, own: Playbook, **wanted: object) -> Plan:
    return make(priced(frame, own), own, Constraints(**wanted))  # type: ignore[arg-type]


# --- by hand


def test_a_budget_for_one_call_goes_to_the_dearest() -> None:
    """A call costs 5.5 and brings .05 L - 5.5: 14.5, 24.5, 34.5."""
    found = planned_for(people(**ALIKE), book(CALL), budget=6.0)
    assert found.choice.tolist() == [-1, -1, 0]
    assert found.total.margin.value == pytest.approx(34.5)
    assert found.total.spend == pytest.approx(5.5)
    assert (found.total.contacts, found.total.wasted, found.total.offers_kept) == pytest.approx((4.0, 1.0, 0.5))
    assert found.total.gain == pytest.approx(40.0)
    assert found.total.saves == pytest.approx(0.05)
    assert found.total.roi == pytest.approx(34.5 / 5.5)
    assert found.total.minutes == 8


def test_the_promise_of_some_of_its_customers_by_hand() -> None:
    """The rate errs by d for all alike, so the margin of c0 and c2 by d (.5 x (400 - 10) + .5 x (800 - 10)) = 590 d."""
    found = planned_for(people(**ALIKE), book(CALL), budget=100.0)
    d = float(found.priced.effects.table["deviation"].loc[("call", "Vulnerable")])
    some, everybody = found.among({"c0", "c2", "stranger"}), found.among(found.priced.people["customer_id"])
    assert (some.customers, some.spend) == (2, pytest.approx(11.0))
    assert some.margin.value == pytest.approx(14.5 + 34.5)
    assert some.margin.high - some.margin.value == pytest.approx(Z90 * 590 * d)
    assert everybody == found.total and found.total.margin.high - 73.5 == pytest.approx(Z90 * 885 * d)
    assert found.among(()).margin.value == 0.0


def test_caps_and_capacities_bind_and_their_price_is_the_next_ones_margin() -> None:
    for wanted, name in (({"most": {"call": 2}}, "treatment:call"), ({"channels": {"phone": 2}}, "channel:phone"),
                         ({"teams": {"agents": 16.0}}, "team:agents")):
        found = planned_for(people(**ALIKE), book(CALL), **wanted)
        assert found.choice.tolist() == [-1, 0, 0], name
        price = next(one for one in found.prices if one.name == name)
        assert price.used == price.most == next(iter(next(iter(wanted.values())).values()))
    unlimited = planned_for(people(**ALIKE), book(CALL))
    assert unlimited.choice.tolist() == [0, 0, 0]
    assert all(price.brings == pytest.approx(0) for price in unlimited.prices)


@pytest.mark.slow
def test_a_price_says_what_a_little_more_brings() -> None:
    own = book(replace(NOTE, recovery_rate=0.05), GIFT)
    frame = crowd(800)
    less, tight, more = (make(priced(frame, own), own, Constraints(budget=budget)) for budget in (105.0, 120.0, 135.0))
    price = next(one for one in tight.prices if one.name == "budget")
    brings = [found.total.margin.value for found in (less, tight, more)]
    steps = [(brings[1] - brings[0]) / 15, (brings[2] - brings[1]) / 15]
    assert 0.97 * steps[1] <= price.brings / price.more <= 1.03 * steps[0], "returns fall, and the price lies between"
    assert "the next 1,000 of budget" in price.words.lower()


def test_what_the_minimum_tenure_costs_by_hand() -> None:
    found = planned_for(people(**ALIKE, hold_back=["", "", "Tenure is 3 months."]), book(CALL))
    [held] = [cost for cost in found.guardrails if cost.name == "held"]
    assert held.margin == pytest.approx(34.5)
    assert (held.offers, held.customers) == (1, 1)
    assert found.held_back == (1, pytest.approx(0.5 * 800))


def test_a_guardrail_costs_what_the_plan_without_it_brings_more() -> None:
    own, frame = playbook("telecom"), crowd(1_500)
    found = make(priced(frame, own), own, Constraints(budget=3_000.0))
    assert {cost.name for cost in found.guardrails} >= {"held", "consent", "roi"}
    for cost in found.guardrails:
        if cost.name in ("held", "payback", "ltv"):
            free = make(priced(frame, own), own, Constraints(budget=3_000.0, without=(cost.name,)))
            assert free.total.margin.value - found.total.margin.value == pytest.approx(cost.margin, abs=0.02), cost.name


def test_constraints_that_make_no_sense_are_all_named() -> None:
    with pytest.raises(Infeasible) as problem:
        planned_for(people(**ALIKE), book(CALL), budget=-5.0, most={"serenade": 3, "call": float("nan")},
                    channels={"pigeon": 4}, teams={"robots": 1.0}, only=("gift",), without=("fit", "roi"))
    for name in ("serenade", "budget is -5", "pigeon", "robots", "gift", "fit", "call is nan"):
        assert name in str(problem.value), name
    assert "'roi'" not in str(problem.value)


def test_no_budget_no_contacts() -> None:
    found = planned_for(people(**ALIKE), book(CALL), budget=0.0)
    assert found.total.customers == 0
    assert found.total.roi is None
    assert found.total.margin.value == found.total.margin.low == found.total.margin.high == 0


def test_whom_the_contact_rules_keep_from_an_offer_takes_no_place_in_the_plan() -> None:
    """Four alike and money for two calls: one must not be called, one rests: the others are."""
    own, frame = book(CALL), people(p=[0.5] * 4, L=[400.0] * 4, known_contract="Month-to-month",
                                    suppressed_phone=[True, False, False, False])
    found = priced(frame, own)
    kept = replace(found, barred={"held": np.array([[True], [False], [False], [False]]),
                                  "rests": np.array([[True], [True], [False], [False]])})
    two = Constraints(budget=2.5 * float(found.cost[0, 0]))
    made = make(kept, own, two)
    assert made.choice.tolist() == [-1, -1, 0, 0]
    assert made.left_out() == {"on the suppression list": 1, "held": 1, "rests": 2}
    assert made.offers([0, 1, 2])["blocked_by"].tolist() == [
        "The customer is on the suppression list and must not be called. The contact rules forbid it now: held.",
        "The contact rules forbid it now: rests.", ""]
    assert {one.customers for one in made.rivals.values()} == {2}, "other ways to spend keep to the rules too"


def test_days_stretch_what_can_be_carried() -> None:
    own = book(replace(CALL, most=np.inf))
    one, two = (limits(priced(crowd(50), own), own, Constraints(days=days).settled(own)) for days in (1, 2))
    most = [{limit.name: limit.most for limit in found} for found in (one, two)]
    assert most[1]["team:agents"] == 2 * most[0]["team:agents"] == 960
    assert most[1]["channel:phone"] == 2 * most[0]["channel:phone"] == 200
    assert most[1]["budget"] == most[0]["budget"] == 50_000


# --- every possible plan


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), budget=st.floats(0, 40), calls=st.integers(0, 3))
@pytest.mark.slow
def test_no_possible_plan_of_a_small_world_brings_more(seed: int, budget: float, calls: int) -> None:
    own, frame = book(CALL, GIFT), crowd(6, seed)
    found = make(priced(frame, own), own, Constraints(budget=budget, most={"call": calls}))
    allowed = np.where(found.bits == 0, found.priced.margin, np.nan)
    best = 0.0
    for choice in itertools.product((-1, 0, 1), repeat=6):
        made = [(row, at) for row, at in enumerate(choice) if at >= 0]
        if (sum(found.priced.cost[pair] for pair in made) <= budget and sum(at == 0 for _, at in made) <= calls
                and not any(np.isnan(allowed[pair]) for pair in made)):
            best = max(best, sum(allowed[pair] for pair in made))
    assert found.total.margin.value == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("sector", sorted(playbook_files()))
class TestEveryPlaybook:
    def test_makes_a_plan_within_all_its_limits(self, sector: str) -> None:
        own = playbook(sector)
        found = make(priced(crowd(1_200), own), own)
        assert found.total.spend <= own.plan.budget + 1e-6
        for price in found.prices:
            assert price.used <= price.most * (1 + 1e-9), price.name
        rows, columns = found.chosen
        assert (found.bits[rows, columns] == 0).all(), "nothing forbidden is chosen"
        assert found.solution.gap <= 1e-4

    def test_says_all_of_it_in_the_tables_of_the_house(self, sector: str) -> None:
        own = playbook(sector)
        found = make(priced(crowd(600), own), own)
        decisions = found.decisions()
        assert DECISIONS.validate(decisions) == []
        assert OFFERS.validate(found.offers(range(40))) == []
        contacted = decisions[decisions["treatment"] != NOTHING_DONE]
        assert len(contacted) == found.total.customers
        assert contacted["incremental_margin"].sum() == pytest.approx(found.total.margin.value)
        assert contacted["expected_cost"].sum() == pytest.approx(found.total.spend)
        assert (decisions.loc[decisions["treatment"] == NOTHING_DONE, "expected_cost"] == 0).all()
        for name in ("treatment", "segment", "channel"):
            assert found.by(name)["margin"].sum() == pytest.approx(found.total.margin.value)

    @pytest.mark.slow
    def test_no_other_rule_brings_more(self, sector: str) -> None:
        own = playbook(sector)
        found = make(priced(crowd(800), own), own, Constraints(budget=150.0))
        assert set(found.rivals) == {"top risk", "risk x LTV"}
        for name, rival in found.rivals.items():
            assert rival.spend <= 150 + 1e-6, name
            free = make(found.priced, own, Constraints(budget=150.0, without=("roi", "payback", "ltv", "dog")))
            assert rival.margin.value <= free.total.margin.value + 1e-6, name


def test_an_order_is_worked_until_each_limit_is_full() -> None:
    values = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, np.nan], [1.0, 2.0]])
    one = Limit("treatment:b", np.array([0.0, 1.0]), 1)
    assert in_order(Problem(values, (one,)), np.arange(4), values).tolist() == [1, 0, 0, 0]
    money = Limit("budget", np.array([[5.0, 6.0]] * 4), 12.0)
    assert in_order(Problem(values, (one, money)), np.array([3, 2, 1, 0]), values).tolist() == [-1, -1, 0, 1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), budget=st.floats(1, 200))
def test_an_order_never_breaks_a_limit(seed: int, budget: float) -> None:
    own = book()
    found = priced(crowd(80, seed), own)
    kept = Constraints(budget=budget, most={"gift": 5}, teams={"agents": 40.0}).settled(own)
    problem = Problem(np.where(blocked(found, own) == 0, found.margin, np.nan), limits(found, own, kept))
    choice = in_order(problem, np.argsort(-found.p), found.margin)
    rows = np.flatnonzero(choice >= 0)
    for limit in problem.limits:
        use = limit.use[choice[rows]] if limit.use.ndim == 1 else limit.use[rows, choice[rows]]
        assert use.sum() <= limit.most * (1 + 1e-9)
    assert not np.isnan(problem.values[rows, choice[rows]]).any()


# --- for one customer


def test_one_customer_gets_the_best_allowed_offer_or_none() -> None:
    own = book()
    found = priced(people(p=[0.5], L=[400.0]), own)
    assert found.names[by_margin(found, blocked(found, own), own)] == "gift", "40 - (.5 + 36 (.1 + .25)) = 26.9"
    poor = priced(people(p=[0.01], L=[10.0]), own)
    assert by_margin(poor, blocked(poor, own), own) == -1
    assert by_playbook(found, blocked(found, own), own) == 0, "the first step that nothing forbids"
    leave = replace(own, segments=dict.fromkeys(own.segments, ("leave_alone", "call")))
    assert by_playbook(found, blocked(found, leave), leave) == -1
    assert set(METHODS) == {"expected_margin", "playbook"}


def test_every_customer_has_one_type_and_each_type_its_words() -> None:
    rng = np.random.default_rng(1)
    kinds = types_of(rng.random(500), rng.normal(0.01, 0.03, 500))
    assert set(kinds) == set(TYPES)
    assert all(words[0].islower() for words in TYPES.values())


def test_the_realised_interval_is_wider_and_the_parts_sum_to_one() -> None:
    found = planned_for(crowd(500), book())
    total = found.total
    assert total.realised.low < total.margin.low < total.margin.value < total.margin.high < total.realised.high
    assert sum(total.unsure.values()) == pytest.approx(1)
    assert planned.REALISED in total.realised.method
