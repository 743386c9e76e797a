"""The charts of one customer: pure, in words, small, in both looks, and at the edges of what a record can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from engine.insight.levers import Levers, Step
from tests.chart_checks import in_both_looks, small_enough, speaks, texts, the_same
from ui.charts import customer
from ui.charts.base import Chart
from ui.look import DARK, LIGHT, Look

NAMES = ["Contract", "Tenure", "<b>odd</b> & long " * 4, *(f"Family {n}" for n in range(9))]
SIZES = [0.8, -0.5, 0.3, -0.2, 0.15, 0.1, 0.09, 0.08, -0.07, 0.06, 0.05, 0.04]
SCALE = [{"chance": p, "log_odds": at} for p, at in ((0.05, -2.9), (0.1, -2.2), (0.2, -1.4), (0.5, 0.0), (0.9, 2.2))]


def way(sizes: list[float]) -> dict[str, Any]:
    steps = [{"name": name, "contribution": size, "words": f"Because of {name}.", "after": 0.2 + 0.01 * place}
             for place, (name, size) in enumerate(zip(NAMES, sizes, strict=False))]
    return {"base": -1.5, "total": -1.5 + sum(sizes), "typical": 0.18, "steps": steps, "scale": SCALE}


def record(kind: str = "contract", peak: int | None = 3, p: float = 0.4, sizes: list[float] = SIZES,
           bands: tuple[float, float] = (0.1, 0.5)) -> dict[str, Any]:
    return {
        "churn_probability": p, "churn_low": p / 2, "churn_high": min(1.0, p * 1.5), "threshold": bands[0],
        "bands": list(bands), "churn_risk": "MEDIUM", "horizon_days": 90, "way": way(sizes), "hold_back": "",
        "has_left": False,
        "ahead": {"kind": kind, "months": [float(m) for m in range(25)], "curve": [0.95**m for m in range(25)],
                  "window_months": 2.96, "peak": peak, "words": "Be in touch."},
    }


BESIDE = pd.DataFrame({"axis": ["Tenure", "Tickets, 12 months", "Bill"], "value": ["9 months", "1 ticket", "<i>9</i>"],
                       "median": ["8 months", "0 tickets", "5"], "percentile": [20.0, 90.0, 50.0],
                       "median_percentile": [18.0, 40.0, 55.0]})
STEPS = [Step({"contract": "Two year"}, "Contract: Two year", 0.08),
         Step({"contract": "One year"}, "Contract: One year", 0.2), Step({"bill": 80.0}, "Bill: $80 (-20 %)", 0.41)]
HAPPENED = pd.DataFrame({
    "month": pd.to_datetime(["2024-05-01", "2024-05-01", "2024-06-01"]), "kind": ["order", "return", "usage"],
    "name": ["Orders", "Returns", "Use"], "trouble": [False, True, False], "events": [2, 1, 1],
    "quantity": [3.0, 1.0, 0.0], "words": ["2 orders, £5.00", "1 return, <b>", "0 GB used"]})


def levers(now: float = 0.4, threshold: float = 0.1) -> Levers:
    return Levers("", (), now, threshold, tuple(STEPS), None, 5)


DRAWN: dict[str, Callable[[Look], Chart]] = {
    "gauge": lambda look: customer.gauge(record(), look),
    "gauge at its ends": lambda look: customer.gauge(record(p=1.0, bands=(0.0, 1.0)), look),
    "gauge near nothing": lambda look: customer.gauge(record(p=0.001, bands=(0.02, 0.03)), look),
    "contract": lambda look: customer.months_ahead(record(), look),
    "late peak": lambda look: customer.months_ahead(record(peak=24), look),
    "no peak": lambda look: customer.months_ahead(record(peak=None), look),
    "order": lambda look: customer.months_ahead(record("order", None), look),
    "steady": lambda look: customer.months_ahead(record("steady", None), look),
    "waterfall": lambda look: customer.waterfall(record(), look),
    "one step": lambda look: customer.waterfall(record(sizes=[0.4]), look),
    "no step at all": lambda look: customer.waterfall(record(sizes=[]), look),
    "radar": lambda look: customer.radar(BESIDE, "At-Risk VIP", look),
    "levers": lambda look: customer.alone(levers(), look),
    "below already": lambda look: customer.alone(levers(0.05), look),
    "timeline": lambda look: customer.timeline(HAPPENED, look),
    "trouble alone": lambda look: customer.timeline(HAPPENED.iloc[[1]], look),
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_chart_speaks_and_is_the_same_twice(name: str) -> None:
    light = DRAWN[name](LIGHT)
    speaks(light)
    small_enough(light)
    the_same(light, DRAWN[name](LIGHT))
    in_both_looks(light, DRAWN[name](DARK))
    assert "<b>odd" not in light.figure.to_json() and "<i>9" not in light.figure.to_json(), "Data are no markup."


def test_the_gauge_places_everything_by_the_chance() -> None:
    figure = customer.gauge(record(), LIGHT).figure
    bands = [(trace.theta[0] - trace.width[0] / 2, trace.theta[0] + trace.width[0] / 2) for trace in figure.data[:4]]
    assert bands == [pytest.approx(ends) for ends in ((0, 18), (18, 90), (90, 180), (36, 108))]
    assert [trace.theta[0] for trace in figure.data[4:6]] == pytest.approx([72, 18]), "The needle and the threshold."
    assert any("40 %" in str(trace.text) for trace in figure.data if trace.type == "scatterpolar")


def test_the_waterfall_goes_from_the_base_to_the_total() -> None:
    told = record()
    bar = customer.waterfall(told, LIGHT).figure.data[0]
    starts, ends = list(bar.base), [base + x for base, x in zip(bar.base, bar.x, strict=True)]
    assert starts[0] == pytest.approx(told["way"]["base"]) and ends[-1] == pytest.approx(told["way"]["total"])
    assert ends[:-1] == pytest.approx(starts[1:]), "Each step begins where the one before ended."
    table = customer.waterfall(told, LIGHT).data
    assert table["What"].iloc[-1] == "4 others" and len(table) == customer.MOST_STEPS + 1
    assert table["Points of chance"].sum() == pytest.approx(40.0 - 18.0), "The points add up to the whole way."
    colours = dict(zip(bar.x, bar.marker.color, strict=True))
    assert colours[0.8] == LIGHT.loss and colours[-0.5] == LIGHT.gain


def test_the_months_name_the_window_and_the_likeliest_month() -> None:
    assert {"86 % after 90 days", "likeliest: month 3"} <= set(texts(customer.months_ahead(record(), LIGHT).figure))
    assert not any("likeliest" in text for text in texts(customer.months_ahead(record(peak=None), LIGHT).figure))
    assert "order" in customer.months_ahead(record("order", None), LIGHT).title


def test_levers_are_told_at_their_best_and_against_the_threshold() -> None:
    chart = customer.alone(levers(), LIGHT)
    assert chart.title == "1 lever would be enough alone" and list(chart.figure.data[1].x) == pytest.approx([8.0, 41.0])
    assert len(chart.data) == len(STEPS), "The table has every option."
    assert customer.alone(levers(threshold=0.01), LIGHT).title == "No lever is enough alone"
    assert customer.alone(levers(0.05), LIGHT).title == "What each lever alone would bring"


def test_the_radar_names_what_stands_out() -> None:
    chart = customer.radar(BESIDE, "At-Risk VIP", LIGHT)
    assert chart.says.startswith("What stands out most: tickets, 12 months.")
    assert list(chart.figure.data[1].r) == [20.0, 90.0, 50.0, 20.0], "The outline is closed."


def test_trouble_has_a_sign_of_its_own() -> None:
    figure = customer.timeline(HAPPENED, LIGHT).figure
    assert [(trace.marker.symbol, list(trace.y)) for trace in figure.data] == [
        ("circle", ["Orders", "Use"]), ("diamond", ["Returns"])]


def test_who_is_held_back_gets_no_advice_to_be_in_touch() -> None:
    held = customer.months_ahead(record() | {"hold_back": "Tenure is 1 month."}, LIGHT)
    assert "Be in touch." not in held.says and "held back" in held.says
    assert "Be in touch." in customer.months_ahead(record(), LIGHT).says


def test_a_timeline_names_each_month_once() -> None:
    assert list(customer.timeline(HAPPENED, LIGHT).figure.layout.xaxis.ticktext) == ["May<br>2024", "Jun<br>2024"]
    years = HAPPENED.assign(month=pd.to_datetime(["2020-01-01", "2022-05-01", "2024-06-01"]))
    told = customer.timeline(years, LIGHT).figure.layout.xaxis.ticktext
    assert len(set(told)) == len(told) <= customer.MOST_TICKS
