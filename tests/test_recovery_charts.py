"""The recovery charts: pure, in words, small, in both looks, however the campaign turns out."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from engine.decision.recovery import Scenario, Simulation, Terms, simulate
from tests.chart_checks import in_both_looks, small_enough, speaks, texts, the_same
from tests.test_recovery import group
from ui.charts import recovery
from ui.charts.base import Chart
from ui.look import DARK, LIGHT, Look

GROUPS = pd.DataFrame([group("Vulnerable", 100, 0.2, 200, own=0.05), group("At-Risk VIP", 60, 0.3, 700, own=0.05)])
PAYS = Scenario({"Vulnerable": Terms(4, 10, 0.3), "At-Risk VIP": Terms(6, 0, 0.2)}, budget=500.0)
COURSES = {
    "pays": PAYS, "never pays": Scenario({"Vulnerable": Terms(4, 500, 0.3)}, budget=5_000.0, whole_budget=True),
    "loses": Scenario({"Vulnerable": Terms(60, 0, 0.1)}, budget=9_000.0, whole_budget=True),
    "all kept": Scenario({"Vulnerable": Terms(0, 0, 1.0)}, budget=20_000.0),
}
NOBODY = {"nobody pays": Scenario({"Vulnerable": Terms(60, 0, 0.1)}, budget=20_000.0),
          "nothing spent": Scenario(PAYS.segments, budget=0.0)}
Draw = Callable[[Simulation, str, Look], Chart]


def compared(found: Simulation, currency: str, look: Look) -> Chart:
    """Two scenarios side by side."""
    named = {"What is set now": found.total, "<b>bold</b> & " + "long " * 20: found.total}
    return recovery.compared(named, currency, look)


DRAWN = {"budget": recovery.budget, "compared": compared, "flow": recovery.flow, "pays from": recovery.pays_from}
CASES = [*((course, draw) for course in COURSES for draw in DRAWN),
         *((course, draw) for course in NOBODY for draw in ("budget", "compared"))]


@pytest.mark.slow
@pytest.mark.parametrize(("course", "name"), CASES)
def test_every_chart_speaks_however_the_campaign_turns_out(course: str, name: str) -> None:
    scenario, draw = (COURSES | NOBODY)[course], DRAWN[name]
    found = simulate(GROUPS, scenario)
    chart = draw(found, "USD", LIGHT)
    speaks(chart)
    small_enough(chart)
    the_same(chart, draw(simulate(GROUPS, scenario), "USD", LIGHT))
    in_both_looks(chart, draw(found, "USD", DARK))
    speaks(draw(found, "", LIGHT))


def test_the_marks_say_the_best_budget_yours_and_the_break_even() -> None:
    found = simulate(GROUPS, PAYS)
    assert {"best: $1,220", "yours: $500"} <= set(texts(recovery.budget(found, "USD", LIGHT).figure))
    marks = " ".join(texts(recovery.pays_from(found, "USD", LIGHT).figure))
    assert f"now {100 * found.total.kept:.1f} %" in marks
    assert f"pays from {100 * found.total.break_even:.1f} %" in marks


def test_the_waterfall_ends_at_the_net_return() -> None:
    found = simulate(GROUPS, PAYS)
    chart = recovery.flow(found, "USD", LIGHT)
    steps = chart.data.iloc[:, 1]
    assert steps[:-1].sum() == pytest.approx(steps.iloc[-1])
    assert steps.iloc[-1] == pytest.approx(found.total.net.value)


def test_a_name_is_never_read_as_markup() -> None:
    found = simulate(GROUPS, PAYS)
    labels = texts(compared(found, "USD", LIGHT).figure)
    assert not [label for label in labels if "<b>" in label]
    assert [label for label in labels if "&lt;b&gt;bold" in label]
