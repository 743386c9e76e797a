"""The save desk's view: the day's list, one customer taken, changed, overridden and ended, and what fills the desk."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import insight, planning
from engine.__main__ import main
from engine.campaign import desk, suppression
from engine.campaign.suppression import Entry
from engine.evidence.overrides import Call, score
from engine.schema import Actor
from tests.pages.app import SECONDS, healthy, words
from ui import desk_parts
from ui.clock import now

pytestmark = pytest.mark.slow

NAME = "demo-telecom"
ANA = Actor("ana", "marketer")
SCRIPT = """
import streamlit as st
from engine import insight
from engine.schema import Actor
from ui import desk_parts, state
from ui.components import told
from ui.navigation import BY_URL

def screen():
    place = state.Here(Actor("ana", st.session_state["role"]), scope, state.card_of(scope.dataset.name,
                                                                                  scope.run.model_id))
    state.stand(place)
    with told():
        desk_parts.screen(place)

scope = insight.scope("demo-telecom")
st.navigation([st.Page(screen, title="Save desk", default=True),
               st.Page(BY_URL["customer"].path, title="Customer", url_path="customer")]).run()
"""


def opened(role: str = "marketer") -> AppTest:
    """The screen after its first run."""
    app = AppTest.from_string(SCRIPT, default_timeout=SECONDS)
    app.session_state["role"] = role
    return app.run()


def said(app: AppTest) -> str:
    """What the screen says, as it is read."""
    return words(healthy(app)).replace("\\", "")


def keyed(app: AppTest, kind: str, begins: str) -> Any:
    """The one widget of a kind whose key begins so."""
    [found] = [widget for widget in getattr(app, kind) if (widget.key or "").startswith(begins)]
    return found


def fill(*people: tuple[str, float, float], probability: float = 0.6) -> dict[str, int]:
    """Customers with margin and minutes on the desk; their items' numbers."""
    rows = pd.DataFrame([(who, "tech_support_call", "Vulnerable", probability, margin, minutes)
                         for who, margin, minutes in people],
                        columns=["customer_id", "treatment", "segment", "churn_probability", "incremental_margin",
                                 "minutes"])
    desk.put(NAME, rows, actor=ANA, now=now())
    return {item.customer_id: item.id for item in desk.items(NAME, actor=ANA)}


def item(number: int) -> desk.Item:
    """The item as it is kept."""
    return next(one for one in desk.items(NAME, actor=ANA) if one.id == number)


def test_an_empty_desk_says_how_it_fills(own_companies: Path) -> None:
    told = said(opened())
    assert "The save desk is empty." in told and "a campaign with phone calls is launched" in told
    assert "Not enough data to tell: no override has come to its end yet." in told


def test_the_days_list_is_what_fits_its_minutes(own_companies: Path) -> None:
    """8, 6 and 2 a minute: in 30 minutes the first two fit; the third takes 50."""
    fill(("slow", 100.0, 50.0), ("quick", 30.0, 5.0), ("rich", 200.0, 25.0))
    app = opened()
    app.number_input(key="desk_minutes").set_value(30).run()
    assert "2 conversations fit today's minutes, expected to bring $230; 1 more waits." in said(app)
    today, later = (frame.value for frame in app.dataframe)
    assert list(today["customer_id"]) == ["rich", "quick"] and list(later["customer_id"]) == ["slow"]
    assert list(today["pace"]) == [8.0, 6.0] and set(today["treatment"]) == {"Tech support call"}
    assert insight.scope(NAME).book.treatments["tech_support_call"].words in said(app), "In full beside the list."
    app.number_input(key="desk_minutes").set_value(80).run()
    assert list(app.dataframe[0].value["customer_id"]) == ["rich", "quick", "slow"]


def test_whoever_is_suppressed_since_is_not_to_be_spoken_with_and_it_says_why(
        own_companies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(("stop", 100.0, 5.0), ("free", 30.0, 5.0))
    suppression.suppress(NAME, [Entry("stop", "phone", "asked us")], actor=ANA, now=now())
    app = opened()
    assert "1 conversation fits today's minutes" in said(app) and "Stopped: no conversation after all (1)" in [
        fold.label for fold in app.expander]
    today, barred = (frame.value for frame in app.dataframe)
    assert list(today["customer_id"]) == ["free"] and list(barred["customer_id"]) == ["stop"]
    assert list(barred["stopped"]) == ["on the suppression list: asked us"]
    assert main(["desk", "--dataset", NAME]) == 0
    assert "1 conversation" in (told := capsys.readouterr().out)
    assert "stop is stopped: on the suppression list: asked us" in told


def test_whose_they_are(own_companies: Path) -> None:
    at = fill(("a", 50.0, 5.0), ("b", 40.0, 5.0), ("c", 30.0, 5.0))
    desk.change(at["a"], {"owner": "ana"}, actor=ANA, now=now())
    desk.change(at["b"], {"owner": "ben"}, actor=ANA, now=now())
    app = opened()
    seen = {}
    for whose in desk_parts.WHOSE:
        app.segmented_control(key="desk_whose").set_value(whose).run()
        seen[whose] = list(healthy(app).dataframe[0].value["customer_id"])
    assert seen == {"everybody": ["a", "b", "c"], "mine": ["a"], "nobody": ["c"]}


def test_a_customer_is_taken_and_given_back(own_companies: Path) -> None:
    at = fill(("a", 50.0, 5.0), ("b", 40.0, 5.0))
    app = opened()
    app.selectbox(key="desk_item").set_value(at["b"]).run()
    app.button(key="desk_take").click().run()
    assert "b: owner ana." in said(app)
    assert (item(at["b"]).owner, item(at["a"]).owner) == ("ana", None)
    app.button(key="desk_give").click().run()
    assert item(at["b"]).owner is None and [one["changes"] for one in desk.history(at["b"], actor=ANA)] == [
        {"owner": "ana"}, {"owner": None}]


def test_how_it_stands_is_kept_together_and_told(own_companies: Path) -> None:
    at = fill(("a", 50.0, 5.0), ("b", 40.0, 5.0))
    tomorrow = now().date() + timedelta(days=1)
    app = opened()
    keyed(app, "selectbox", "desk_stage").set_value("saving")
    keyed(app, "date_input", "desk_due").set_value(tomorrow)
    keyed(app, "text_input", "desk_outcome").set_value("calls back")
    keyed(app, "date_input", "desk_snooze").set_value(tomorrow)
    keyed(app, "button", "desk_keep").click().run()
    kept = item(at["a"])
    assert (kept.stage, kept.due, kept.outcome, kept.snoozed_until) == ("saving", tomorrow, "calls back", tomorrow)
    assert f"ana: stage saving; due {tomorrow}; snoozed until {tomorrow}; outcome calls back" in said(app)
    assert list(app.dataframe[0].value["customer_id"]) == ["b"], "Whoever is snoozed is not on today's list."
    assert list(app.dataframe[1].value["snoozed"]) == [tomorrow]


def test_it_ends_with_a_reason_only(own_companies: Path) -> None:
    at = fill(("a", 50.0, 5.0))
    app = opened()
    keyed(app, "selectbox", "desk_stage").set_value("lost")
    keyed(app, "button", "desk_keep").click().run()
    assert "Say why the customer is lost: give a reason." in said(app) and item(at["a"]).stage == "at risk"
    keyed(app, "text_input", "desk_reason").set_value("moved away")
    keyed(app, "button", "desk_keep").click().run()
    assert (item(at["a"]).stage, item(at["a"]).reason) == ("lost", "moved away")
    assert "Nobody is to be spoken with today." in said(app)
    assert list(app.dataframe[0].value["reason"]) == ["moved away"]


def test_overdue_is_counted(own_companies: Path) -> None:
    at = fill(("a", 50.0, 5.0), ("b", 40.0, 5.0))
    desk.change(at["a"], {"due": date(2024, 1, 1)}, actor=ANA, now=now())
    assert "Overdue 1" in said(opened())


def test_an_override_is_kept_with_its_note_and_scored_once_it_ends(own_companies: Path) -> None:
    at = fill(("a", 50.0, 5.0))
    app = opened()
    keyed(app, "segmented_control", "desk_call").set_value("stays")
    keyed(app, "button", "desk_override").click().run()
    assert "Say in a note" in said(app) and item(at["a"]).human_call is None
    keyed(app, "segmented_control", "desk_call").set_value("stays")
    keyed(app, "selectbox", "desk_other").set_value("loyalty_discount")
    keyed(app, "text_area", "desk_note").set_value("has just moved house")
    keyed(app, "button", "desk_override").click().run()
    assert "ana says that the customer stays, the model that the customer leaves: has just moved house" in said(app)
    assert (item(at["a"]).human_call, item(at["a"]).human_treatment) == ("stays", "loyalty_discount")
    keyed(app, "selectbox", "desk_stage").set_value("recovered")
    keyed(app, "text_input", "desk_reason").set_value("signed")
    keyed(app, "button", "desk_keep").click().run()
    told = said(app)
    assert "People: right in 100.0 % (95 % interval 20.7 % to 100.0 %) of 1 customer" in told
    assert "The model: right in 0.0 %" in told and "not enough data to tell who knows better" in told


def test_one_customer_is_put_on_the_desk_or_it_says_why_not(own_companies: Path) -> None:
    plan = planning.plan(insight.scope(NAME), actor=ANA, now=now()).decisions()
    called = plan.loc[plan["minutes"] > 0, "customer_id"].iloc[0]
    app = opened()
    for typed, answer in ((called, f"{called} is on the desk."), (called, f"{called} was on the desk already."),
                          ("nobody", "has no customer 'nobody'")):
        app.text_input(key="desk_put_id").set_value(typed)
        app.button(key="desk_put_one").click().run()
        assert answer in said(app)
    assert [one.customer_id for one in desk.items(NAME, actor=ANA)] == [called]


def test_the_plans_calls_are_put_on_the_desk(own_companies: Path) -> None:
    plan = planning.plan(insight.scope(NAME), actor=ANA, now=now()).decisions()
    calls = set(plan.loc[plan["minutes"] > 0, "customer_id"])
    app = opened()
    app.button(key="desk_put_plan").click().run()
    assert f"{len(calls)} customers are new on the desk; 0 of the plan's calls were left out." in said(app)
    assert {one.customer_id for one in desk.items(NAME, actor=ANA)} == calls
    assert {one.customer_id: one.incremental_margin for one in desk.items(NAME, actor=ANA)} == {
        who: pytest.approx(margin) for who, margin in zip(plan["customer_id"], plan["incremental_margin"], strict=True)
        if who in calls}


def test_executives_are_refused(own_companies: Path) -> None:
    app = opened("executive")
    assert "may not desk" in said(app) and not app.dataframe


@pytest.mark.parametrize(("calls", "verdict"), [
    ([("stays", "leaves", "stays")] * 9, "people know better"),
    ([("stays", "leaves", "leaves")] * 9, "the model knows better"),
    ([("leaves", "leaves", "stays")] * 9, "never said different things"),
    ([("stays", "leaves", "stays"), ("stays", "leaves", "leaves")], "not enough data to tell who knows better")])
def test_the_verdict_rests_on_where_they_differed(calls: list[tuple[str, str, str]], verdict: str) -> None:
    assert verdict in desk_parts._verdict(score(Call(*one) for one in calls))
