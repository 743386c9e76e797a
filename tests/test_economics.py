"""What an offer costs and brings: by hand, then properties, then intervals against simulated worlds; and guardrails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.decision.economics import Doubts, Learned, Priced, intervals, variances
from engine.decision.effects import effects
from engine.decision.guardrails import GUARDS, among, blocked, fits, reasons
from engine.decision.playbooks import Guardrails, Range, Treatment, playbook, playbook_files
from engine.schema import SEGMENTS
from tests.offers import CALL, GIFT, NOTE, book, crowd, people, priced

ONE = np.array([0])
AS_SHIPPED = Guardrails()


def column(found: Priced, name: str) -> int:
    return found.names.index(name)


# --- by hand


def test_a_fixed_offer_by_hand() -> None:
    """p .5, L 400, r .1: u = .05; cost = 4 + 10 (.05 + .2 x .5) = 5.5; margin = 20 - 5.5."""
    found = priced(people(p=[0.5], L=[400.0]))
    at = column(found, "call")
    assert found.uplift[0, at] == pytest.approx(0.05)
    assert found.cost[0, at] == pytest.approx(5.5)
    assert found.margin[0, at] == pytest.approx(14.5)
    assert found.wasted(ONE, np.array([at]))[0] == pytest.approx(1.0), "10 x .2 to the half who would stay"
    assert found.roi()[0, at] == pytest.approx(14.5 / 5.5)
    assert found.payback_days()[0, at] == pytest.approx(5.5 / (60 * 0.3 / (365.25 / 12)))


def test_a_share_of_revenue_by_hand() -> None:
    """A tenth of 80 for six months is 48: u = .1; cost = .5 + 48 (.1 + .5 x .5) = 17.3; margin = 40 - 17.3."""
    found = priced(people(p=[0.5], L=[400.0], revenue=80.0))
    at = column(found, "gift")
    assert found.cost[0, at] == pytest.approx(17.3)
    assert found.margin[0, at] == pytest.approx(22.7)
    assert found.wasted(ONE, np.array([at]))[0] == pytest.approx(12.0)


def test_a_free_month_costs_the_customers_own_revenue() -> None:
    free = Treatment("free", "A month free.", "email", 0.0, free_months=1, redemption=1.0, recovery_rate=0.2)
    found = priced(people(p=[0.5, 0.5], L=[400.0, 400.0], revenue=[10.0, 100.0]), book(free))
    assert found.cost[:, 0].tolist() == pytest.approx([10 * 0.6, 100 * 0.6])


def test_whom_contact_drives_away_costs_worth_and_takes_no_offer_for_being_kept() -> None:
    """u = -.1: cost = 4 + 10 x .2 x .5 = 5, for nobody is kept; margin = -40 - 5."""
    learned = Learned({"call": np.array([-0.1])}, {"call": np.array([0.02])})
    found = priced(people(p=[0.5], L=[400.0]), learned=learned)
    assert found.cost[0, 0] == pytest.approx(5.0)
    assert found.margin[0, 0] == pytest.approx(-45.0)


def test_nobody_is_kept_who_would_not_have_left() -> None:
    learned = Learned({"call": np.array([0.3])}, {"call": np.array([0.02])})
    assert priced(people(p=[0.1], L=[400.0]), learned=learned).uplift[0, 0] == pytest.approx(0.1)


def test_the_interval_by_hand() -> None:
    """By effect: sd(r) p (L - o); by chance: (r (L - o) + q o) se(p); by worth: u L e."""
    frame = people(p=[0.5], L=[400.0], churn_low=[0.4], churn_high=[0.6])
    found = priced(frame, doubts=Doubts(worth_own=0.03, worth_all=0.04))
    sd = found.effects.table.loc[("call", "Vulnerable"), "deviation"]
    spread = np.sqrt((sd * 0.5 * 390) ** 2 + ((0.1 * 390 + 0.2 * 10) * 0.2 / 3.29) ** 2 + (0.05 * 400 * 0.05) ** 2)
    ends = intervals(found, ONE, ONE).iloc[0]
    assert ends["margin_high"] - 14.5 == pytest.approx(1.645 * spread, rel=1e-3)
    assert 14.5 - ends["margin_low"] == pytest.approx(1.645 * spread, rel=1e-3)
    spread = np.hypot(sd * 0.5, 0.1 * 0.2 / 3.29)
    assert ends["uplift_high"] - 0.05 == pytest.approx(1.645 * spread, rel=1e-3)


def test_what_is_shared_does_not_average_out_and_what_is_own_does() -> None:
    frame = people(p=[0.5] * 100, L=[400.0] * 100, churn_low=[0.4] * 100, churn_high=[0.6] * 100)
    everybody, calls = np.arange(100), np.zeros(100, dtype=int)
    parts = variances(priced(frame, doubts=Doubts(worth_own=0.05)), everybody, calls)
    one = variances(priced(frame.head(1), doubts=Doubts(worth_own=0.05)), ONE, ONE)
    assert parts["effect"] == pytest.approx(100**2 * one["effect"]), "one rate for all: no averaging"
    assert parts["probability"] == pytest.approx(100 * one["probability"])
    assert parts["worth"] == pytest.approx(100 * one["worth"])
    shared = [variances(priced(part, doubts=Doubts(level=0.1, worth_all=0.05)), np.arange(len(part)),
                        np.zeros(len(part), dtype=int)) for part in (frame.assign(churn_low=0.5, churn_high=0.5),
                                                                     frame.head(1).assign(churn_low=.5, churn_high=.5))]
    assert shared[0]["probability"] == pytest.approx(100**2 * shared[1]["probability"])
    assert shared[0]["worth"] == pytest.approx(100**2 * shared[1]["worth"])


def test_two_segments_of_a_treatment_doubt_less_than_one_and_more_than_strangers() -> None:
    def effect(segments: list[str], columns: list[int]) -> float:
        own = book(NOTE, replace(NOTE, name="other"))
        found = priced(people(p=[0.5, 0.5], L=[400.0, 400.0], segment=segments), own)
        return variances(found, np.arange(2), np.array(columns))["effect"]

    same, mixed = effect(["Vulnerable"] * 2, [0, 0]), effect(["Vulnerable", "Champion"], [0, 0])
    strangers = effect(["Vulnerable", "Champion"], [0, 1])
    assert same > mixed > strangers


# --- properties


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), cost=st.floats(0, 50), taken=st.floats(0, 1), rate=st.floats(0, 0.9))
@pytest.mark.slow
def test_whatever_the_terms_the_identities_hold(seed: int, cost: float, taken: float, rate: float) -> None:
    offer = replace(CALL, offer_cost=cost, redemption=taken, recovery_rate=rate)
    found = priced(crowd(60, seed), book(offer, GIFT))
    rows, columns = np.repeat(np.arange(60), 2), np.tile([0, 1], 60)
    wasted = found.wasted(rows, columns)
    assert (found.cost[rows, columns] >= found.wasted(rows, columns) - 1e-9).all()
    assert (wasted >= 0).all()
    assert found.uplift == pytest.approx(np.minimum(found.uplift, found.p[:, None])), "nobody is kept twice"
    np.testing.assert_allclose(found.margin, found.uplift * found.worth[:, None] - found.cost)
    if cost > 0:
        dearer = priced(crowd(60, seed), book(replace(offer, offer_cost=2 * cost), GIFT))
        assert (dearer.margin <= found.margin + 1e-9).all()


@pytest.mark.parametrize("sector", sorted(playbook_files()))
class TestEveryPlaybook:
    def test_prices_everybody(self, sector: str) -> None:
        own = playbook(sector)
        found = priced(crowd(400), own)
        assert np.isfinite(found.margin).all()
        assert (found.cost > 0).all()
        ends = intervals(found, np.arange(400), np.zeros(400, dtype=int))
        assert (ends["margin_low"] <= found.margin[:, 0]).all()
        assert (found.margin[:, 0] <= ends["margin_high"]).all()

    def test_every_skip_has_its_reason_and_every_allowed_offer_none(self, sector: str) -> None:
        own = playbook(sector)
        found = priced(crowd(120), own)
        bits = blocked(found, own)
        told = [[reasons(found, own, bits, row, at) for at in range(bits.shape[1])] for row in range(120)]
        assert ((np.array(told) == "") == (bits == 0)).all()
        assert all(text.endswith(".") for row in told for text in row if text)


# --- simulated worlds


@pytest.mark.slow
def test_nine_in_ten_totals_lie_in_their_interval_whatever_is_unsure() -> None:
    """Worlds drawn as the doubts say: effects, chances and worths of which the priced ones are the estimates."""
    rng, held = np.random.default_rng(4), []
    own, frame = book(GIFT, NOTE), crowd(300, 1)
    doubts = Doubts(level=0.15, worth_own=0.05, worth_all=0.05)
    found = priced(frame, own, doubts)
    rows, columns = np.arange(300), rng.integers(0, 2, 300)
    spread = np.sqrt(sum(variances(found, rows, columns).values()))
    root = np.linalg.cholesky(found.effects.covariance + 1e-14 * np.eye(len(found.effects.covariance)))
    for _ in range(800):
        rate = found.effects.table["rate"] + root @ rng.normal(size=len(root))
        wide = rate.unstack("treatment").loc[list(SEGMENTS), found.names].to_numpy()[found.place, columns]
        level = rng.normal(0, 0.15)
        p = found.p + level * found.p * (1 - found.p) + rng.normal(size=300) * 0.4 * found.p / 3.29
        worth = found.worth * (1 + rng.normal(0, 0.05) + rng.normal(0, 0.05, 300))
        offer, taken = found.offer(rows, columns), np.array([0.5, 0.5])[columns]
        cost = np.array([0.5, 0.1])[columns] + offer * (np.maximum(wide * p, 0) + taken * (1 - p))
        held.append(abs((wide * p * worth - cost).sum() - found.margin[rows, columns].sum()) <= 1.645 * spread)
    assert 0.87 <= np.mean(held) <= 0.93


# --- guardrails


def told(frame: pd.DataFrame, name: str, guardrails: Guardrails = AS_SHIPPED, row: int = 0, **more: object) -> str:
    own = book(guardrails=guardrails)
    found = priced(frame, own, **more)  # type: ignore[arg-type]
    return reasons(found, own, blocked(found, own), row, column(found, name))


def test_each_guardrail_says_why() -> None:
    rich = {"p": [0.5], "L": [400.0]}
    assert told(people(**rich), "call") == ""
    assert told(people(**rich, has_left=1), "call") == "The customer has left already: win back, not retain."
    assert told(people(**rich, hold_back="Tenure is 3 months."), "call") == "Tenure is 3 months."
    unfit = people(**rich, known_contract="Two year")
    assert told(unfit, "call") == "Contract is Two year; this is for Month-to-month."
    assert told(people(**rich, known_consent_phone=0.0), "call") == "The customer has not agreed to be called."
    assert told(people(**rich, known_consent_phone=np.nan), "call") == "The customer has not agreed to be called."
    assert told(people(**rich, known_consent_email=0.0), "call") == \
        "The data do not say that anybody agreed to be called (no column consent_phone)."
    stopped = people(**rich, known_consent_phone=1.0, suppressed_phone=True)
    assert told(stopped, "call") == "The customer is on the suppression list and must not be called."
    assert told(people(**rich, suppressed_email=True), "call") == ""
    poor = people(p=[0.05], L=[300.0])
    assert told(poor, "call").startswith("ROI is -75 %, below the least of 0 %")
    dear = people(p=[0.5], L=[40.0], revenue=2.0)
    assert "The cost is 14 % of the lifetime value, more than 10 %." in told(dear, "call")
    assert "Earning the cost back takes 279 days, more than 90." in told(dear, "call")
    assert "for ever" in told(people(p=[0.5], L=[400.0], revenue=0.0), "call")
    driven = Learned({"call": np.array([-0.02])}, {"call": np.array([0.01])})
    assert "chance to leave would change by +2.0 points" in told(people(**rich), "call", learned=driven)


def test_guardrails_are_settings_and_can_be_put_aside() -> None:
    dear = people(p=[0.5], L=[90.0], revenue=10.0)
    assert told(dear, "call") != ""
    assert told(dear, "call", Guardrails(least_roi=-1, payback_days=1e6, most_of_ltv=1)) == ""
    own, found = book(), priced(dear)
    assert blocked(found, own, ("roi", "payback", "ltv"))[0, 0] == 0
    assert all(name in GUARDS for name in ("roi", "payback", "ltv"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", 1, 2.5, True]), min_size=1, max_size=3).map(tuple)
       | st.builds(Range, st.sampled_from([-np.inf, 0.0, 1.0]), st.sampled_from([1.0, 2.0, np.inf])))
def test_eligibility_is_the_same_at_once_as_one_by_one(allowed: object) -> None:
    for values in (pd.Series(["a", "b", None]), pd.Series([1.0, 2.5, np.nan]), pd.Series([0, 1, 2]),
                   pd.Series(pd.Categorical(["a", "c", None])), pd.Series(pd.array([1, None, 2], dtype="Int64"))):
        each = [value is not pd.NA and value == value and value in allowed for value in values.tolist()]  # type: ignore[operator]
        assert among(values, allowed).tolist() == each, values.dtype  # type: ignore[arg-type]


def test_a_column_that_the_data_do_not_hold_rules_nothing_out() -> None:
    assert fits(CALL, people(p=[0.5], L=[1.0])).all()
    assert effects(book()).estimate("note", "Champion").value == pytest.approx(0.01)
