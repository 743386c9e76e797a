"""The Action Center as people use it: today's calls, filters by hand and by address, ticks, the file that leaves."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import insight, state
from engine.campaign import suppression
from engine.campaign.suppression import Entry
from engine.insight import Filters, Listing, audiences, worklist
from engine.schema import Actor, money
from tests.pages.app import healthy, open_app, words

pytestmark = pytest.mark.slow
PAGE = "action_center.py"
ANA = Actor("ana", "marketer")
NOW = datetime(2025, 7, 3)


def opened(monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    """The Action Center on the telecom, as a marketer."""
    return healthy(open_app(monkeypatch, "marketer", PAGE, **{"dataset": "demo-telecom", **query}))


def figure(app: AppTest, label: str) -> str:
    """The value on the card of that label."""
    return str(next(metric.value for metric in app.metric if metric.label == label))


def total(listing: Listing) -> worklist.Sum:
    """What the engine says of the list."""
    scope = insight.scope("demo-telecom")
    return worklist.tally(scope, listing.filters, ANA).total(listing)


def test_the_figures_are_the_engines(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, whole = opened(monkeypatch), total(Listing())
    assert figure(app, "On the list") == f"{whole.customers:,}"
    assert figure(app, "Margin at risk") == money(whole.margin_at_risk, "USD")
    assert figure(app, "Contact cost") == money(whole.contact_cost, "USD")
    assert figure(app, "No consent") == f"{whole.refused:,}" and "do not say who agreed" not in words(app)
    table = app.dataframe[0].value
    first = worklist.rows(insight.scope("demo-telecom"), Listing(), ANA, most=25)
    assert table["customer_id"].tolist() == first["customer_id"].tolist()
    assert not {"first_name", "email", "phone"} & set(table)


def test_filters_narrow_list_and_figures(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch)
    healthy(app.multiselect(key="actions_risk").set_value(["HIGH"]).run())
    healthy(app.radio(key="actions_segment").set_value("Losing Customer").run())
    healthy(app.toggle(key="actions_agreed").set_value(True).run())
    asked = Listing(Filters(values={"churn_risk": ("HIGH",)}), segments=("Losing Customer",), agreed=True)
    assert figure(app, "On the list") == f"{total(asked).customers:,}"
    assert set(app.dataframe[0].value["segment"]) == {"Losing Customer"}


def test_the_address_opens_the_same_list(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, actions_list="Win back", actions_order="By chance to leave", actions_tier="Low LTV")
    asked = Listing(Filters(values={"ltv_tier": ("Low LTV",)}), "win_back", order="churn_probability")
    assert figure(app, "On the list") == f"{total(asked).customers:,}"
    shown = app.dataframe[0].value
    rows = worklist.rows(insight.scope("demo-telecom"), asked, ANA, most=25)
    assert shown["customer_id"].tolist() == rows["customer_id"].tolist() and len(shown) > 1
    assert (rows["has_left"] == 1).all() and "churn_probability" not in shown, "who has left has no chance to leave"


@pytest.mark.parametrize("standing", ["contact", "win_back", "leave_alone"])
def test_the_headline_counts_the_list_that_is_looked_at(
    read_companies: Path, monkeypatch: pytest.MonkeyPatch, standing: str
) -> None:
    app = opened(monkeypatch)
    healthy(app.segmented_control(key="actions_list").set_value(standing).run())
    whole = total(Listing(standing=standing))
    assert whole.customers and f"{whole.customers:,} customers " in words(app).replace("\\", "")
    assert figure(app, "On the list") == f"{whole.customers:,}"


def test_the_ten_to_call_today_and_why(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch)
    healthy(app.segmented_control(key="actions_list").set_value("calls").run())
    scope = insight.scope("demo-telecom")
    rows = worklist.rows(scope, worklist.to_call(Listing()), ANA, most=10)
    said = words(app).replace("\\", "")
    assert 0 < len(rows) <= 10
    for row in rows.to_dict("records"):
        for part in (row["customer_id"], row["reason"], row["step_words"], money(row["margin_at_risk"], "USD")):
            assert part in said
    names = worklist.contacts(scope, rows["customer_id"].tolist(), actor=ANA, now=NOW)
    assert all(f"{first} {last}" in said for first, last in zip(names["first_name"], names["last_name"], strict=True))


def test_contact_details_are_shown_on_the_record(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch)
    assert state.audit_log(verb="contact") == []
    healthy(app.toggle(key="actions_contact").set_value(True).run())
    assert {"first_name", "phone", "email"} <= set(app.dataframe[0].value)
    healthy(app.multiselect(key="actions_channel").set_value(["post"]).run())
    shown = [len(entry.detail["customers"]) for entry in state.audit_log(verb="contact")]
    assert shown == [len(app.dataframe[0].value), 25], "Once for each page of customers, however often the script runs."


def test_prepare_then_download_what_the_engine_wrote(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, actions_segment="At-Risk VIP")
    assert not app.get("download_button")
    healthy(app.button(key="actions_prepare").click().run())
    [entry] = state.audit_log(verb="export")
    made = app.session_state["_actions_export"][1]
    assert entry.detail["sha256"] == made.sha256 and entry.detail["file"] == made.name
    scope = insight.scope("demo-telecom")
    asked = Listing(segments=("At-Risk VIP",), agreed=True)
    again = insight.export_list(scope, asked, "csv", actor=ANA, now=entry.at)
    assert made.content == again.content and made.name != again.name
    [button] = app.get("download_button")
    assert button.proto.url
    assert f"{made.rows:,} rows" in button.proto.label
    healthy(app.multiselect(key="actions_risk").set_value(["MEDIUM"]).run())
    assert not app.get("download_button"), "Another list has to be prepared anew."


def test_whoever_has_not_agreed_stays_out_unless_asked_for(own_companies: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    app, whole = opened(monkeypatch), total(Listing())
    assert 0 < whole.refused < whole.customers
    assert f"{whole.refused} customers of {whole.customers:,} left out" in words(app)
    assert f"{whole.customers - whole.refused:,} customers leave the building" in words(app)
    healthy(app.button(key="actions_prepare").click().run())
    made = app.session_state["_actions_export"][1]
    agreed = pd.read_csv(io.BytesIO(made.content), encoding="utf-8-sig", dtype={"customer_id": str})["agreed"]
    assert len(agreed) == whole.customers - whole.refused and (agreed.fillna(1) == 1).all()
    healthy(app.toggle(key="actions_refused").set_value(True).run())
    assert f"{whole.customers:,} customers leave the building" in words(app)
    healthy(app.button(key="actions_prepare").click().run())
    assert app.session_state["_actions_export"][1].rows == whole.customers


def test_whoever_is_suppressed_is_on_no_list_and_in_no_file(own_companies: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    calls = worklist.rows(insight.scope("demo-telecom"), worklist.to_call(Listing()), ANA, most=2)["customer_id"]
    suppression.suppress("demo-telecom", [Entry(calls[0], "phone"), Entry(calls[1])], actor=ANA, now=NOW)
    app = opened(monkeypatch, actions_channel="phone")
    assert "2 customers left out: 2 on the suppression list." in words(app)
    healthy(app.button(key="actions_prepare").click().run())
    made = app.session_state["_actions_export"][1]
    taken = pd.read_csv(io.BytesIO(made.content), encoding="utf-8-sig", dtype={"customer_id": str})["customer_id"]
    assert len(taken) and not set(calls) & set(taken)
    today = words(opened(monkeypatch, actions_list="calls"))
    assert not any(who in today for who in calls)


def test_ticked_rows_alone_leave_on_all_pages(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, actions_agreed="true")
    expected = []
    for page, places in ((1, [0, 2]), (2, [1])):
        app.session_state["actions_page"] = page
        healthy(app.run())
        table = app.dataframe[0]
        app.session_state[table.key] = {"selection": {"rows": places, "columns": [], "cells": []}}
        healthy(app.run())
        expected += [app.dataframe[0].value["customer_id"].iloc[place] for place in places]
    assert "3 customers leave the building" in words(app)
    healthy(app.button(key="actions_prepare").click().run())
    [entry] = state.audit_log(verb="export")
    assert (entry.detail["rows"], entry.detail["list"]["picked"]) == (3, 3)
    content = app.session_state["_actions_export"][1].content.decode("utf-8-sig")
    assert all(f"\n{who}," in content for who in expected)


def test_a_saved_audience_opens(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = Filters(values={"contract": ("Month-to-month",)}, ranges={"expected_ltv": (0.0, 1_000.0)})
    audiences.keep_audience("demo-telecom", "Uncommitted", filters, actor=ANA, now=NOW)
    app = opened(monkeypatch, actions_audience="Uncommitted")
    assert figure(app, "On the list") == f"{total(Listing(filters)).customers:,}"
    assert "saved filter" in words(app)


def test_an_audience_that_is_not_there_is_told_until_another_is_chosen(own_companies: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    audiences.keep_audience("demo-telecom", "Kept", Filters({"contract": ("Month-to-month",)}), actor=ANA, now=NOW)
    app = opened(monkeypatch, actions_audience="Gone *ones*")
    assert "asks for the audience Gone *ones*, which is not there" in words(app).replace("\\", "")
    assert app.selectbox(key="actions_audience").value == "Everyone"
    healthy(app.selectbox(key="actions_audience").set_value("Kept").run())
    assert "is not there" not in words(app)


def test_an_audience_that_the_data_no_longer_know_is_told(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audiences.keep_audience("demo-telecom", "Old", Filters({"shoe_size": ("9",)}), actor=ANA, now=NOW)
    app = healthy(open_app(monkeypatch, "marketer", PAGE, dataset="demo-telecom", actions_audience="Old"))
    assert "cannot answer this" in words(app) and "shoe" in words(app)


def test_an_empty_list_says_what_to_do(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, actions_least="1000000")
    assert "Nobody is on this list" in words(app)
    assert app.button(key="actions_prepare").disabled


def test_a_rule_that_holds_back_shows_its_cost(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, actions_list="Leave alone")
    found = worklist.tally(insight.scope("demo-telecom"), Filters(), ANA)
    rules = app.dataframe[-1].value
    assert rules["customers"].tolist() == [f"{one.customers:,}" for one in found.by_rule(Listing())]
    assert "held back for now" in words(app)


def test_both_companies_are_healthy_in_every_list(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for dataset in ("demo-telecom", "demo-shop"):
        for name in ("Call today", "To contact", "Win back", "Leave alone"):
            app = opened(monkeypatch, dataset=dataset, actions_list=name)
            assert figure(app, "On the list") != "0", (dataset, name)


def test_an_executive_has_no_such_page(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom")
