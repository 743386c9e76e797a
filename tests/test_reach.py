"""Whom the data give a way to: a plan counts nobody whom no campaign of it can reach, and says how many that are."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import campaigning, insight, planning
from engine.campaign import ledger
from engine.campaign.contact_rules import ADDRESSES, History, left_out
from engine.campaign.rules import Rules
from engine.campaign.tables import EXCLUSIONS, PLANNED
from engine.cards_campaign import campaign as campaign_card
from engine.cards_plan import plan as plan_card
from engine.decision.constraints import Constraints
from engine.decision.plan import Plan
from engine.decision.playbooks import playbook
from engine.errors import EngineError
from engine.insight import Listing, Scope, worklist
from engine.insight.reach import of_steps, unsendable, without_address
from engine.prediction import store
from engine.schema import DECISIONS, NOTHING_DONE, Actor, Column, ModelCard
from tests import desk as company
from tests.desk import ANA, CUSTOMERS, IDS, desk

MIA = Actor("mia", "manager")
CARD = ModelCard("m1", "desk", "v1", "m1", "m1", 0, company.AS_OF, 90, "left", True, 10**9, 1, ("x",), (), (), {}, 0.5,
                 True, ())
ADDRESSED = tuple(one.name for one in playbook("telecom").acting() if one.channel in ADDRESSES)
PLENTY = Constraints(budget=1e9, most=dict.fromkeys(ADDRESSED, 1e9), only=ADDRESSED)
AGREED = {"consent_email": 1, "consent_sms": 1, "consent_phone": 1}
HERE = {"001", "002", "003", "004", "007", "=8"}  # 005 is held back, 006 has left
MAILED = {"001", "004", "=8"}  # 002, 003 and 007 have no e-mail address
E_MAILS = ["a@example.org", None, "   ", "d@example.org", "e@example.org", None, "\u00a0\t", "h@example.org"]


@pytest.fixture
def place(home: Path, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What makes the eight customers, all of them worth an offer, with these contact columns; each time in a home of
    its own."""
    monkeypatch.setattr(company, "PROBABILITY", [0.5] * 8)
    monkeypatch.setattr(company, "WORTH", [2_000.0] * 8)
    monkeypatch.setattr(store, "card", lambda *_: CARD)

    def made(drop: tuple[str, ...] = (), **columns: Any) -> Scope:
        monkeypatch.setenv("HOLDFAST_HOME", tempfile.mkdtemp(dir=home))
        customers = CUSTOMERS.assign(**{**AGREED, **columns, "x": 50.0}).drop(columns=list(drop))
        scope = desk(now, tmp_path, customers)
        return replace(scope, dataset=replace(scope.dataset, columns=(*scope.dataset.columns, SPENT)))

    return made


SPENT = Column("x", "number", "currency", "Monthly revenue")


def planned(scope: Scope, now: datetime) -> tuple[Plan, dict[str, Any]]:
    """A plan that money and caps limit nowhere, and what is told of it."""
    found = planning.plan(scope, PLENTY, actor=ANA, now=now)
    return found, planning.described(scope, found)


def contacted(found: Plan) -> dict[str, str]:
    """Whom the plan contacts, and by which channel."""
    rows = found.decisions()
    rows = rows[rows["treatment"] != NOTHING_DONE]
    return dict(zip(rows["customer_id"], rows["channel"], strict=True))


def test_with_e_mails_of_some_and_no_telephone_numbers_exactly_those_with_an_e_mail_are_contacted(
        place: Any, now: datetime) -> None:
    scope = place(drop=("phone",), email=E_MAILS)
    found, told = planned(scope, now)
    assert contacted(found) == dict.fromkeys(MAILED, "email")
    assert told["reach"] == [
        "3 customers cannot be reached by e-mail, and no such offer is made: the column email is empty there.",
        "7 customers cannot be reached by telephone or SMS, and no such offer is made: the data hold no telephone "
        "numbers (no column phone)."]
    assert "no column phone" in " ".join(plan_card(told).split())
    made = campaigning.draft(scope, found.decisions(), name="July", actor=MIA, now=now, holdout_share=0.0)
    assert set(ledger.table_of(made.id, PLANNED)["customer_id"]) == MAILED, "the draft takes whom the plan promises"
    assert ledger.table_of(made.id, EXCLUSIONS).empty
    assert campaigning.described(made.id, actor=MIA)["warnings"] == []


def test_with_every_address_nothing_changes_and_nothing_is_said(place: Any, now: datetime) -> None:
    found, told = planned(place(), now)
    assert set(contacted(found)) == HERE and "phone" in contacted(found).values()
    assert told["reach"] == [] and "address" not in {cost["name"] for cost in told["guardrails"]}


def test_what_the_missing_addresses_cost_is_told(place: Any, now: datetime) -> None:
    whole, less = (planned(place(drop=drop), now)[0] for drop in ((), ("phone",)))
    cost = next(one for one in less.guardrails if one.name == "address")
    assert whole.total.margin.value > less.total.margin.value
    assert cost.margin == pytest.approx(whole.total.margin.value - less.total.margin.value)
    assert cost.words.startswith("Lack of an address costs")


def test_without_any_addresses_the_plan_stays_and_says_that_nothing_can_be_sent(place: Any, now: datetime) -> None:
    whole, (found, told) = planned(place(), now)[0], planned(place(drop=("email", "phone", *AGREED)), now)
    assert contacted(found) == contacted(whole)
    assert found.total.margin == whole.total.margin
    said = told["reach"][0]
    assert len(told["reach"]) == 1 and "no campaign of it can be sent or exported until addresses come" in said
    assert "(the columns email and phone)" in said and "telephone takes phone and consent_phone" in said
    assert said in " ".join(plan_card(told).split())


def test_addresses_without_a_word_of_who_agreed_say_so(place: Any, now: datetime) -> None:
    _, told = planned(place(drop=("consent_email", "consent_sms", "consent_phone")), now)
    assert "The data do not say who agreed to be contacted" in told["reach"][0]
    assert "telephone takes consent_phone" in told["reach"][0]


def test_one_customer_is_told_what_the_plan_says(place: Any, now: datetime) -> None:
    place(drop=("phone",), email=E_MAILS)
    for who in HERE:
        told = planning.recommend("desk", who, actor=ANA, now=now)
        assert told["channel"] in (("email", "post") if who in MAILED else ("post", "none"))
        why = {one["channel"]: one["blocked_by"] for one in told["alternatives"]}
        assert "The data hold no telephone number of the customer." in why["phone"]
        assert ("The data hold no e-mail address of the customer." in why["email"]) == (who not in MAILED)


def test_the_screen_and_the_draft_call_the_same_addresses_blank(place: Any, now: datetime) -> None:
    """What is no sign at all to the one is none to the other."""
    odd = ["", " ", "\u00a0", "\t\r\n", None, "\x85\u2003\u3000", "\u200b", "7"]
    scope = place(phone=odd)
    rows = pd.DataFrame({"customer_id": IDS, "treatment": "call", "channel": "phone"})
    why = left_out(rows, campaigning.contact_of(scope.dataset, rows["customer_id"]), History(), Rules(), {}, now)
    found = without_address(scope, ("phone", "sms", "post"), pd.Index(IDS))
    assert set(found) == {"phone", "sms"}
    assert found["phone"].tolist() == (why == "no phone known").tolist() == [True] * 6 + [False] * 2
    few = without_address(scope, ("phone",), pd.Index(["=8", "001"]), ("=8", "001"))["phone"]
    assert few.tolist() == [False, True]


def test_channels_that_take_no_address_are_open_to_everybody() -> None:
    assert unsendable(["post", "app"], []) == ""
    assert of_steps({"post": 3, "none": 4}, ["email"]) == ""
    assert not {"post", "app", "none"} & set(ADDRESSES)


def rows_of(**channels: str) -> pd.DataFrame:
    """A decision for each customer, by that channel."""
    given = {"segment": "Champion", "churn_probability": 0.5, "ltv_if_stays": 100.0, "treatment": "loyalty_discount",
             "uplift": 0.1, "expected_cost": 2.0, "incremental_margin": 8.0, "minutes": 0.0, "propensity": 1.0}
    ids, by = zip(*((name.removeprefix("c"), channel) for name, channel in channels.items()), strict=True)
    return pd.DataFrame({"customer_id": ids, "channel": by}).assign(**given)[DECISIONS.names]


def test_a_draft_that_loses_most_of_its_plan_for_want_of_addresses_warns_until_it_is_approved(place: Any,
                                                                                             now: datetime) -> None:
    scope = place(drop=("phone",))
    most = rows_of(c001="phone", c002="sms", c003="phone", c004="email", c007="email")
    made = campaigning.draft(scope, most, name="Most", actor=MIA, now=now, holdout_share=0.0)
    said = campaigning.described(made.id, actor=MIA)["warnings"]
    assert len(said) == 1 and said[0].startswith("3 of 5 customers in the plan are left out because the data hold no")
    assert said[0] in " ".join(campaign_card(campaigning.described(made.id, actor=MIA)).split())
    campaigning.approve(made.id, actor=MIA, now=now)
    assert campaigning.described(made.id, actor=MIA)["warnings"] == said
    half = rows_of(c001="phone", c002="sms", c004="email", c007="email")
    made = campaigning.draft(scope, half, name="Half", actor=MIA, now=now, holdout_share=0.0)
    assert campaigning.described(made.id, actor=MIA)["warnings"] == []


def test_whoever_refused_is_not_said_to_have_no_address(place: Any, now: datetime) -> None:
    refused = np.where(pd.Series(IDS).isin(["001", "002", "003"]), 0, 1)
    four = rows_of(c001="email", c002="email", c003="email", c004="email")
    made = campaigning.draft(place(consent_email=refused), four, name="July", actor=MIA, now=now, holdout_share=0.0)
    assert campaigning.described(made.id, actor=MIA)["warnings"] == []
    with pytest.raises(EngineError, match="Bring contact data: name the columns"):
        campaigning.draft(place(drop=("phone",)), rows_of(c001="phone"), name="August", actor=MIA, now=now)


def test_a_list_says_for_which_steps_the_data_hold_no_addresses(place: Any, now: datetime) -> None:
    scope, listing = place(drop=("phone",)), Listing()
    called = worklist.tally(scope, listing.filters, ANA).channels(listing)["phone"]
    said = f"By telephone, {called} customers of the list: the data hold no telephone numbers (no column phone)."
    assert called == 2, "001 is offered a contract, 002 tech support, both by a call"
    assert insight.export_list(scope, listing, "csv", actor=ANA, now=now).unreached == said
    by_mail = insight.export_list(scope, replace(listing, channels=("email",)), "csv", actor=ANA, now=now)
    assert by_mail.unreached == ""
    assert insight.export_list(place(), listing, "csv", actor=ANA, now=now).unreached == ""
