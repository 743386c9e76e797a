"""Revenue Recovery as people use it: the answer for a budget, sliders, scenarios by name and by address, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import insight, saved
from engine.decision.recovery import Scenario, Terms, terms
from engine.schema import Actor
from tests.pages.app import healthy, open_app, words

pytestmark = pytest.mark.slow
PAGE = "revenue_recovery.py"
ANA = Actor("ana", "executive")
BOLD = Scenario({"At-Risk VIP": Terms(2.0, 0.0, 0.4, 50.0)}, budget=5_000.0, redemption=0.25, strength=50.0)


def figure(app: AppTest, label: str) -> str:
    """The value on the card of that label."""
    return str(next(metric.value for metric in app.metric if metric.label == label))


def rate(app: AppTest, segment: str, dataset: str = "demo-telecom") -> float:
    """Where a segment's recovery slider stands [per cent]."""
    return float(app.slider(key=f"recovery_{dataset}_{segment}_rate").value)


def test_an_executive_asks_what_twenty_thousand_buy(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom", budget="100"))
    assert "$100 buys" in words(app).replace("\\", "")
    assert figure(app, "Investment") == "$100"
    healthy(app.number_input(key="budget").set_value(20_000).run())
    assert "of the $20,000 is worth spending" in words(app).replace("\\", "")
    assert {metric.label for metric in app.metric} == {"Investment", "Expected saves", "Net return", "ROI"}
    bands = {metric.label: str(metric.delta) for metric in app.metric if metric.label != "Investment"}
    assert all("90\N{NO-BREAK SPACE}% band" in band for band in bands.values())


def test_where_nothing_was_launched_that_is_said(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom"))
    assert "No campaign has been launched yet." in words(app)


@pytest.mark.parametrize("asked", ["-5", "plenty", "1e999"])
def test_a_budget_in_the_address_that_cannot_be_is_told(read_companies: Path, monkeypatch: pytest.MonkeyPatch,
                                                        asked: str) -> None:
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom", budget=asked))
    usual = insight.scope("demo-telecom").book.plan.budget
    assert app.number_input(key="budget").value == round(usual)
    assert f"asks for {asked} as the budget, which cannot be" in words(app).replace("\\", "")
    healthy(app.number_input(key="budget").set_value(700).run())
    assert app.number_input(key="budget").value == 700 and "cannot be" not in words(app)


def test_each_slider_says_where_its_rate_comes_from(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom"))
    start = insight.recovery_starts(insight.scope("demo-telecom"))["At-Risk VIP"]
    assert start.measured is not None
    for kept in (rate(app, "At-Risk VIP"), 47.0):
        healthy(app.slider(key="recovery_demo-telecom_At-Risk VIP_rate").set_value(kept).run())
        assert start.source(kept / 100) in words(app).replace("\\", "")
    assert start.source(0.47).startswith("Assumption.")
    shop = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-shop"))
    assert words(shop).count("campaigns will measure it") >= 3


def test_a_dearer_contact_lowers_the_net_return_on_the_screen(read_companies: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-shop"))
    before = figure(app, "Net return")
    healthy(app.slider(key="recovery_demo-shop_At-Risk VIP_contact").set_value(20.0).run())
    assert figure(app, "Net return") != before
    assert app.toggle(key="recovery_demo-shop_whole").value is False


def test_a_scenario_is_saved_reopened_by_its_address_compared_and_deleted(own_companies: Path,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom"))
    assert "No scenarios to compare yet." in words(app)
    app.slider(key="recovery_demo-telecom_At-Risk VIP_rate").set_value(33.0).run()
    app.number_input(key="budget").set_value(3_000).run()
    told = figure(app, "Net return")
    app.text_input(key="recovery_name_No scenario").set_value("Bold & cheap").run()
    healthy(app.button(key="recovery_save_now").click().run())
    assert app.query_params["scenario"] == "Bold & cheap"

    again = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom", scenario="Bold & cheap"))
    assert (rate(again, "At-Risk VIP"), again.number_input(key="budget").value) == (33.0, 3_000)
    assert figure(again, "Net return") == told
    assert again.multiselect(key="recovery_compare").value == ["Bold & cheap"]

    healthy(again.button(key="recovery_delete").click().run())
    assert saved.kept("scenario", "demo-telecom", actor=ANA) == []
    assert "No scenarios to compare yet." in words(again)


def test_a_scenario_that_is_not_there_is_told(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom", scenario="Gone"))
    assert "asks for the scenario Gone, which is not there" in words(app)
    assert app.selectbox(key="scenario").value == "No scenario"


def test_opening_a_scenario_sets_everything_and_later_moves_stay(own_companies: Path, monkeypatch: pytest.MonkeyPatch,
                                                                 now: object) -> None:
    saved.keep("scenario", "demo-telecom", "bold", vars(BOLD), actor=ANA, now=now)  # type: ignore[arg-type]
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom", scenario="bold", budget="700"))
    assert app.number_input(key="budget").value == 700, "The address's own budget stands."
    assert rate(app, "At-Risk VIP") == 40.0
    assert app.slider(key="recovery_demo-telecom_redemption").value == 25.0
    assert not [slider for slider in app.slider if "Vulnerable" in str(slider.key)]
    app.slider(key="recovery_demo-telecom_At-Risk VIP_rate").set_value(12.0).run()
    assert rate(healthy(app), "At-Risk VIP") == 12.0
    healthy(app.selectbox(key="scenario").set_value("No scenario").run())
    healthy(app.selectbox(key="scenario").set_value("bold").run())
    assert (rate(app, "At-Risk VIP"), app.number_input(key="budget").value) == (40.0, 5_000)


def test_a_damaged_scenario_is_told_and_an_unknown_one_ignored(own_companies: Path, monkeypatch: pytest.MonkeyPatch,
                                                              now: object) -> None:
    saved.keep("scenario", "demo-telecom", "old", {"rates": 1}, actor=ANA, now=now)  # type: ignore[arg-type]
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom", scenario="old"))
    assert "Delete it and save it anew" in words(app)
    healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom", scenario="never heard of"))


def test_segments_where_nobody_leaves_are_refused_with_the_reason(read_companies: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "LEAST_LEAVERS", 1e6)
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom"))
    assert words(app).count("no saves are credited") == 3
    assert figure(app, "Expected saves") == "0.0"
    assert figure(app, "ROI") == "-"
    assert "Nobody to contact." in words(app) and "Segment by segment" not in words(app)


def test_segments_can_be_added_and_all_taken_away(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom"))
    pills = app.button_group(key="recovery_demo-telecom_segments")
    healthy(pills.set_value([*pills.value, "Champion"]).run())
    assert app.slider(key="recovery_demo-telecom_Champion_rate")
    healthy(app.button_group(key="recovery_demo-telecom_segments").set_value([]).run())
    assert "Nobody" in words(app)
