"""A campaign on the screen: planned, written down, approved, launched, sent out without its holdout, measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine import campaigning, insight, state
from engine.campaign import ledger, outcomes
from engine.campaign.rules import rules, set_rules
from engine.campaign.tables import EXCLUSIONS
from engine.evidence import power
from engine.insight import Filters, audiences
from engine.schema import Actor, Dataset, money
from tests.pages.app import healthy, open_app, words
from ui.clock import now

PAGE = "action_center.py"
MONA, ADA = Actor("ana", "manager"), Actor("ada", "admin")

pytestmark = pytest.mark.slow


def campaigns(monkeypatch: pytest.MonkeyPatch, role: str = "manager", **query: str) -> AppTest:
    return healthy(open_app(monkeypatch, role, PAGE, dataset="demo-telecom", actions_view="Campaigns", **query))


def drafted(monkeypatch: pytest.MonkeyPatch, role: str = "manager") -> AppTest:
    app = campaigns(monkeypatch, role)
    app.button(key="plan_make").click().run()
    app.text_input(key="draft_name").set_value("July rescue").run()
    app.text_input(key="draft_sender").set_value("Acme").run()
    app.button(key="draft_write").click().run()
    return healthy(app)


def taken(app: AppTest, step: str) -> None:
    """Take a step as a person does: press it, read what it means, and press again."""
    app.button(key=f"campaign_{step}").click().run()
    healthy(app.button(key=f"campaign_{step}_sure").click().run())


def brought(monkeypatch: pytest.MonkeyPatch) -> str:
    """What an executive reads of the campaigns so far."""
    app = healthy(open_app(monkeypatch, "executive", "revenue_recovery.py", dataset="demo-telecom"))
    monkeypatch.setattr("ui.session.signed_in", lambda: MONA)
    told = next(frame.value for frame in app.dataframe if "verdict" in frame.value)
    return " ".join(told["verdict"])


def only() -> ledger.Campaign:
    (found,) = ledger.campaigns("demo-telecom")
    return found


def test_a_plan_says_what_it_brings_beside_other_rules(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = campaigns(monkeypatch)
    assert "Choose whom, set the limits" in words(app)
    app.button(key="plan_make").click().run()
    said = words(healthy(app))
    assert "more are expected to stay" in said and "90 % interval" in said
    assert "whom each offer moves" in said, "why learned uplift is used, or is not"
    assert {metric.label for metric in app.metric} == {"To contact", "Expected cost", "Incremental margin", "ROI"}
    assert not ledger.campaigns("demo-telecom")


def test_a_campaign_goes_its_way(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = drafted(monkeypatch)
    assert only().status == "draft" and "Campaign: July rescue" in words(app).replace("\\", "")
    for step, then in (("approve", "approved"), ("launch", "launched")):
        taken(app, step)
        assert only().status == then
    assert "Nothing is measured yet" in words(app)
    assert "Not measured yet: 0 outcomes known" in brought(monkeypatch)
    rows, _ = campaigning.members(only().id, actor=MONA)
    _sent_out(app, rows)
    _measured(app, rows, monkeypatch)


def _sent_out(app: AppTest, rows) -> None:
    app.selectbox(key="campaign_tool").set_value("braze_segment").run()
    app.button(key="campaign_prepare_tool").click().run()
    made = app.session_state["_campaign_export"]["tool"][1][0]
    listed = {line.split(",")[0] for name, content in made.files.items() if name.endswith(".csv")
              and "rejected" not in name for line in content.decode("utf-8-sig").split()[1:]}
    held = set(rows.loc[rows["holdout"].astype(bool), "customer_id"])
    assert listed and not listed & held and listed <= set(rows["customer_id"])
    everybody = insight.export_list(insight.scope("demo-telecom"), insight.Listing(standing=""), "csv", actor=MONA,
                                    now=now()).content.decode("utf-8-sig")
    named = {line.split(",")[0] for line in everybody.splitlines()[1:]}
    assert named and not named & (listed | held), "Whoever a running campaign treats or holds out is on no other list."
    assert healthy(app)


def _measured(app: AppTest, rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody treated stayed, everybody held out left: the largest effect there can be."""
    seen = rows[["customer_id"]].assign(stayed=~rows["holdout"].astype(bool), revenue=float("nan"), observed_at=now())
    outcomes.settle(only().id, seen, "a file", actor=MONA, now=now())
    app.run()
    said = words(healthy(app)).replace("\\", "")
    assert "It works" in said and "So far only: the window ends on" in said
    assert "It works" in brought(monkeypatch)
    app.button(key="campaign_close").click().run()
    assert "no later plan will ever learn from it" in words(healthy(app)) and only().status == "launched"


def test_above_the_limit_it_takes_a_second_person(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    set_rules("demo-telecom", {"spend_limit": 0.0}, actor=ADA, now=now())
    app = drafted(monkeypatch)
    assert "a manager who did not write it must approve it" in words(app)
    assert not [button for button in app.button if button.key == "campaign_approve"]
    app.button(key="campaign_submit").click().run()
    assert healthy(app) and only().status == "awaiting approval"
    monkeypatch.setattr("ui.session.signed_in", lambda: Actor("ben", "manager"))
    taken(healthy(app.run()), "approve")
    assert only().status == "approved"


def test_rules_are_changed_where_campaigns_are_and_the_change_is_audited(own_companies: Path,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    app = campaigns(monkeypatch, "admin")
    app.number_input(key="rule_spend_limit").set_value(2_500.0)
    app.number_input(key="rule_holdout_share").set_value(20.0)
    app.button(key="campaign_rules_keep").click().run()
    healthy(app)
    kept = rules("demo-telecom", actor=MONA)
    assert (kept.spend_limit, kept.holdout_share) == (2_500.0, 0.2)
    [entry] = state.audit_log(verb="rules")
    assert (entry.detail, entry.about) == ({"spend_limit": 2_500.0, "holdout_share": 0.2}, "demo-telecom")
    app.number_input(key="rule_until_hour").set_value(3)
    app.button(key="campaign_rules_keep").click().run()
    assert "cannot be" in app.error[0].value and rules("demo-telecom", actor=MONA) == kept
    other = campaigns(monkeypatch, "manager")
    assert other.number_input(key="rule_spend_limit").disabled and not other.number_input(key="rule_from_hour").disabled
    assert not [one for one in campaigns(monkeypatch, "marketer").number_input if str(one.key).startswith("rule_")]


def test_what_cannot_be_undone_is_said_before(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, there = drafted(monkeypatch), only()
    rows, _ = campaigning.members(there.id, actor=MONA)
    known = power.foretold(rows["churn_probability"].mean(), rows.loc[~rows["holdout"].astype(bool), "uplift"].mean(),
                           int(rows["holdout"].sum()), int((~rows["holdout"].astype(bool)).sum()))
    assert known and known in words(app).replace("\\", ""), "whether it can show anything is said before it is approved"
    app.button(key="campaign_approve").click().run()
    said = words(healthy(app)).replace("\\", "")
    assert money(there.spend, "USD") in said and f"{int(rows['holdout'].sum())} are held out" in said
    assert only().status == "draft", "Nothing is done before it has been read."
    app.button(key="campaign_approve_not").click().run()
    assert only().status == "draft"
    taken(app, "approve")
    app.button(key="campaign_launch").click().run()
    assert "What cannot be undone" in words(healthy(app)) and only().status == "approved"


def test_what_stands_in_the_way_of_a_step_is_told(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else has withdrawn it meanwhile."""
    app = drafted(monkeypatch)
    app.button(key="campaign_approve").click().run()
    ledger.close(only().id, "", actor=MONA, now=now())
    app.button(key="campaign_approve_sure").click().run()
    assert "is closed, so it cannot become approved" in words(healthy(app))


def test_a_name_that_is_taken_is_told(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken(drafted(monkeypatch), "approve")
    again = campaigns(monkeypatch)
    again.number_input(key="plan_budget").set_value(100).run()
    again.button(key="plan_make").click().run()
    again.text_input(key="draft_name").set_value("July rescue").run()
    again.button(key="draft_write").click().run()
    assert "Choose another name" in words(healthy(again)) and len(ledger.campaigns("demo-telecom")) == 1


@pytest.fixture
def nothing_planned_before() -> Iterator[None]:
    """No plan is kept from a test before, nor for one after: the same data always have the same columns elsewhere."""
    for kept in (st.cache_resource, st.cache_data):
        kept.clear()
    yield
    for kept in (st.cache_resource, st.cache_data):
        kept.clear()


@pytest.mark.usefixtures("nothing_planned_before")
def test_data_without_contact_columns_say_so_before_a_draft(own_companies: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    names = Dataset.names.fget  # type: ignore[attr-defined]
    missing = {"email", "consent_email", "phone", "consent_phone", "consent_sms"}
    monkeypatch.setattr(Dataset, "names", property(lambda self: [name for name in names(self) if name not in missing]))
    app = campaigns(monkeypatch)
    app.button(key="plan_make").click().run()
    said = words(healthy(app)).replace("\\", "")
    assert "no way to reach customers" in said and "takes email and consent_email" in said
    app.text_input(key="draft_name").set_value("Nobody").run()
    app.button(key="draft_write").click().run()
    assert "may be contacted" in words(healthy(app)) and not ledger.campaigns("demo-telecom")


@pytest.mark.usefixtures("nothing_planned_before")
def test_a_plan_says_whom_it_cannot_reach_and_its_draft_takes_all_the_others(own_companies: Path,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    names = Dataset.names.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Dataset, "names", property(lambda self: [name for name in names(self) if name != "phone"]))
    app = campaigns(monkeypatch)
    app.button(key="plan_make").click().run()
    said = words(healthy(app)).replace("\\", "")
    assert "cannot be reached by telephone or SMS, and no such offer is made: the data hold no telephone" in said
    assert "no way to reach customers" not in said
    app.text_input(key="draft_name").set_value("E-mail").run()
    app.button(key="draft_write").click().run()
    rows, out = campaigning.members(only().id, actor=MONA)
    assert set(rows["channel"]) <= {"email", "post"} and out.empty


def test_a_campaign_that_lost_most_of_its_plan_warns_before_it_is_approved(own_companies: Path,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    drafted(monkeypatch)
    there = only()
    rows, _ = campaigning.members(there.id, actor=MONA)
    lost = pd.DataFrame({"campaign_id": there.id, "customer_id": [f"lost{n}" for n in range(len(rows) + 1)],
                         "treatment": "plan_review", "reason": "no phone known", "at": now()})
    with state.writer() as connection:
        ledger.add(connection, EXCLUSIONS, lost)
    app = campaigns(monkeypatch, campaign=there.name)
    assert "because the data hold no address of theirs" in words(healthy(app))
    taken(app, "approve")
    assert only().status == "approved"
    assert "because the data hold no address of theirs" not in words(campaigns(monkeypatch, campaign=there.name))


def test_a_campaign_that_is_not_there_is_told(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = campaigns(monkeypatch, campaign="Never made")
    assert "asks for the campaign Never made, which is not there" in words(app)
    assert app.button(key="plan_make")


def test_an_audience_of_nobody_says_what_to_do(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audiences.keep_audience("demo-telecom", "Nobody", Filters(ranges={"expected_ltv": (1e9, 2e9)}), actor=MONA,
                            now=now())
    app = campaigns(monkeypatch, plan_audience="Nobody")
    app.button(key="plan_make").click().run()
    assert "Nobody fits these filters" in words(healthy(app)) and not app.metric
