"""Segment Analysis: filters in the address, corners, audiences, the three views, and what each role may see."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import engine
from engine import insight, state
from engine.insight import Filters, audiences, overview, quadrant
from engine.schema import Actor
from tests.pages.app import healthy, open_app, words

pytestmark = pytest.mark.slow
PAGE = "segment_analysis.py"
COMPANIES = ("demo-telecom", "demo-shop")


def standing(name: str, filters: Filters) -> overview.Standing:
    """What the engine says of those who pass the filters."""
    scope = insight.scope(name)
    return overview.standing(scope, overview.doubt(engine.model_card(name, scope.run.model_id)), filters)


def in_view(app: AppTest) -> str:
    """The first figure of the top row."""
    return str(next(metric.value for metric in app.metric if metric.label == "Customers in view"))


@pytest.mark.parametrize("role", ["manager", "executive"])
@pytest.mark.parametrize("name", COMPANIES)
def test_filters_hold_for_every_role(read_companies: Path, monkeypatch: pytest.MonkeyPatch, name: str,
                                     role: str) -> None:
    app = healthy(open_app(monkeypatch, role, PAGE, dataset=name))
    assert in_view(app) == f"{standing(name, Filters()).customers:,}"
    healthy(app.multiselect(key="segments_segment").set_value(["Champion", "At-Risk VIP"]).run())
    wanted = standing(name, Filters(values={"segment": ("Champion", "At-Risk VIP")}))
    assert in_view(app) == f"{wanted.customers:,}"
    customers = [frame for frame in app.dataframe if "hold_back" in frame.value or "churn_risk" in frame.value]
    assert bool(customers) == (role == "manager")
    if role == "executive":
        assert "Single customers are shown to marketers and managers" in words(app)
        assert not [box for box in app.selectbox if box.key == "segments_audience"]


def test_a_deep_link_opens_its_filters(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-shop", segments_churn_risk="High",
                           segments_feature="Time since the last order"))
    assert app.multiselect(key="segments_churn_risk").value == ["HIGH"]
    assert in_view(app) == f"{standing('demo-shop', Filters(values={'churn_risk': ('HIGH',)})).customers:,}"
    assert app.selectbox(key="segments_feature").value == "Time since the last order"


def test_nobody_passes(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-telecom"))
    app.multiselect(key="segments_segment").set_value(["Champion"])
    app.multiselect(key="segments_ltv_tier").set_value(["Low LTV"])
    healthy(app.run())
    assert "Nobody passes these filters." in words(app)
    assert not app.metric


def test_a_feature_sorts_customers(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-telecom"))
    healthy(app.selectbox(key="segments_feature").set_value("Contract").run())
    healthy(app.multiselect(key="segments_group").set_value(["Two year"]).run())
    assert in_view(app) == f"{standing('demo-telecom', Filters(values={'contract': ('Two year',)})).customers:,}"


def test_a_corner_is_picked_and_cleared(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-shop"))
    healthy(app.button(key="segments_corner_Save first").click().run())
    scope = insight.scope("demo-shop")
    wanted = standing("demo-shop", quadrant.in_corner(Filters(), quadrant.axes(scope), "Save first"))
    assert f"**{wanted.customers:,}** customers" in words(app)
    assert "Picked\\: Save first" in words(app)
    shown = next(frame.value for frame in app.dataframe if "churn_risk" in frame.value)
    assert len(shown) == min(wanted.customers, 500)
    assert state.audit_log()[0].verb == "customers", "Whoever sees customers is recorded."
    healthy(app.button(key="segments_clear").click().run())
    assert "Picked" not in words(app)


def test_what_is_selected_in_the_picture_is_listed(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-shop"))
    scope = insight.scope("demo-shop")
    ids = list(insight.ask(scope, "SELECT customer_id FROM people ORDER BY customer_id LIMIT 3")["customer_id"])
    stamp = (scope.key, repr(Filters()))
    app.session_state["segments_picked"] = stamp, ("3 points", quadrant.among(Filters(), ids))
    healthy(app.run())
    shown = next(frame.value for frame in app.dataframe if "churn_risk" in frame.value)
    assert sorted(shown["customer_id"]) == ids
    healthy(app.multiselect(key="segments_segment").set_value(["Champion"]).run())
    assert "Picked" not in words(app), "Other filters begin with nothing picked."


def test_an_audience_is_kept_opened_and_removed(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "marketer", PAGE, dataset="demo-telecom"))
    healthy(app.multiselect(key="segments_churn_risk").set_value(["HIGH"]).run())
    healthy(app.text_input(key="segments_audience_name").set_value("High *risk*").run())
    healthy(app.button(key="segments_save_now").click().run())
    ana = Actor("ana", "marketer")
    kept = audiences.audience("demo-telecom", "High *risk*", ana)
    assert kept == Filters(values={"churn_risk": ("HIGH",)})
    healthy(app.multiselect(key="segments_churn_risk").set_value([]).run())
    healthy(app.selectbox(key="segments_audience").set_value("High *risk*").run())
    assert in_view(app) == f"{standing('demo-telecom', kept).customers:,}"
    healthy(app.button(key="segments_remove").click().run())
    assert audiences.audiences("demo-telecom", ana) == []
    assert app.selectbox(key="segments_audience").value == "None"


@pytest.mark.parametrize("name", COMPANIES)
@pytest.mark.parametrize("view", ["Breakdown", "By feature", "Compare two"])
def test_only_the_open_view_is_drawn(read_companies: Path, monkeypatch: pytest.MonkeyPatch, name: str,
                                     view: str) -> None:
    app = open_app(monkeypatch, "executive", PAGE, dataset=name)
    app.session_state["segments_view"] = view
    healthy(app.run())
    told = words(app)
    assert ("Segment by segment" in told) == (view == "Breakdown")
    assert ("darker is riskier" in told) == (view == "By feature")
    assert ("differ most in" in told) == (view == "Compare two")


def test_another_dataset_forgets_what_it_does_not_know(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-telecom"))
    healthy(app.selectbox(key="segments_feature").set_value("Contract").run())
    healthy(app.multiselect(key="segments_group").set_value(["Two year"]).run())
    healthy(app.button(key="segments_corner_Keep close").click().run())
    healthy(app.selectbox(key="dataset").set_value("demo-shop").run())
    assert in_view(app) == f"{standing('demo-shop', Filters()).customers:,}"
    assert app.selectbox(key="segments_feature").value == "Any feature"
    assert "Picked" not in words(app)
