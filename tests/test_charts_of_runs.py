"""The charts of customers and segments, drawn from both small demo companies: the same checks as for any chart."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import engine
from engine import insight
from engine.data.doctor.silence import of_events
from engine.insight import distributions, overview, quadrant, segments
from engine.insight.meaning import sorting_columns
from engine.insight.past import effects_of
from engine.prediction import challenge
from engine.schema import RISK_BANDS, Actor, Estimate
from tests.chart_checks import in_both_looks, small_enough, speaks, the_same
from ui import charts
from ui.charts import customer, effects, onboarding, plans, recovery, versus
from ui.charts import overview as standing
from ui.charts import segments as planes
from ui.charts.base import Chart
from ui.look import DARK, LIGHT, Look

ANN, NOW = Actor("ann", "manager"), datetime(2025, 7, 2)
OF_A_CARD = {"performance", "robustness", "explained", "worth"}

pytestmark = pytest.mark.slow

Draw = Callable[[Look], Chart]


def overviews(scope: insight.Scope, currency: str) -> dict[str, Draw]:
    card = engine.model_card(scope.dataset.name, scope.run.model_id)
    stands = overview.standing(scope, overview.doubt(card))
    spread = distributions.densities(scope)
    counted = distributions.histogram(scope, distributions.money_columns(scope)[0])
    strongest = overview.drivers(scope)
    matrix = pd.DataFrame([[5, 2, 0], [1, 7, 3], [0, 0, 4]], index=list(RISK_BANDS), columns=list(RISK_BANDS))
    return {
        "margin_by_segment": lambda look: standing.margin_by_segment(stands.segments, currency, look),
        "ltv_by_segment": lambda look: standing.ltv_by_segment(spread, currency, look),
        "histogram": lambda look: standing.histogram(counted, currency, look),
        "drivers": lambda look: standing.drivers(strongest, currency, look),
        "moved": lambda look: standing.moved(matrix, "risk band", "Of 22 customers here at both moments.", look, True),
    }


def planes_of(scope: insight.Scope, currency: str) -> dict[str, Draw]:
    axes = quadrant.axes(scope)
    plane = quadrant.plane(scope, axes)
    single = quadrant.points(scope, actor=ANN, now=NOW)
    column = sorting_columns(scope)[0]
    groups = segments.heatmap(scope, column)
    names = list(engine.model_card(scope.dataset.name, scope.run.model_id).features)
    apart = segments.compare(scope, "Champion", "At-Risk VIP", names)
    return {
        "bins": lambda look: planes.bins(plane, axes, "Box", currency, look, "Save first"),
        "points": lambda look: planes.points(single, plane, axes, "Box", currency, look),
        "heatmap": lambda look: planes.heatmap(groups, column, look),
        "differences": lambda look: planes.differences(apart, "Champion", "At-Risk VIP", look),
    }


def recoveries(scope: insight.Scope, currency: str) -> dict[str, Draw]:
    card = engine.model_card(scope.dataset.name, scope.run.model_id)
    cells = insight.recovery_cells(scope, overview.doubt(card))
    terms = {name: insight.Terms(2.0, 5.0, 0.2) for name in insight.AT_RISK}
    bold = {name: insight.Terms(2.0, 5.0, 0.4) for name in insight.AT_RISK}
    found, other = (insight.simulate(cells, insight.Scenario(part, budget=400.0)) for part in (terms, bold))
    return {
        "flow": lambda look: recovery.flow(found, currency, look),
        "pays_from": lambda look: recovery.pays_from(found, currency, look),
        "budget": lambda look: recovery.budget(found, currency, look),
        "compared": lambda look: recovery.compared({"Now": found.total, "Bold": other.total}, currency, look),
    }


def customers(scope: insight.Scope, currency: str) -> dict[str, Draw]:
    who = insight.anyone(scope, 1, actor=ANN)
    by = engine.open_model(scope.dataset.name, scope.run.model_id)
    record = engine.predict(scope.dataset.name, who, actor=ANN, now=NOW, run_id=scope.key, by=by)
    beside = insight.radar(scope, who, actor=ANN)
    found = insight.timeline_of(scope, who, actor=ANN)
    levers = insight.levers_of(scope, by[0], who, actor=ANN)
    assert found is not None
    moved: dict[str, Draw] = {"alone": lambda look: customer.alone(levers, look)} if levers.levers else {}
    return moved | {
        "gauge": lambda look: customer.gauge(record, look),
        "months_ahead": lambda look: customer.months_ahead(record, look),
        "waterfall": lambda look: customer.waterfall(record, look),
        "radar": lambda look: customer.radar(beside, record["segment"], look),
        "timeline": lambda look: customer.timeline(found.months, look),
    }


def believed(scope: insight.Scope, _currency: str) -> dict[str, Draw]:
    known, acting = effects_of(scope), list(scope.book.acting())
    found = [known.estimate(one.name, "Vulnerable") for one in acting]
    names, assumed = [one.words for one in acting], [one.rate("Vulnerable") for one in acting]
    return {"kept": lambda look: effects.kept(names, assumed, found, "Vulnerable", look)}


def planned(_scope: insight.Scope, currency: str) -> dict[str, Draw]:
    plan, rival = Estimate(120.0, -40.0, 280.0, 50, "90 %"), Estimate(-30.0, -90.0, 20.0, 40, "90 %")
    rows = [("Customers saved", Estimate(13.0, 13.0, 13.0, 90, "plan"), Estimate(21.0, -4.0, 40.0, 90, "95 %"))]
    return {
        "ways": lambda look: plans.ways({"This plan": plan, "Highest risk first": rival},
                                        {"This plan": 50, "Highest risk first": 40}, currency, look),
        "promised": lambda look: plans.promised(rows, "customers saved", "", look),
    }


def quiet(scope: insight.Scope, _currency: str) -> dict[str, Draw]:
    days = pd.Timedelta(days=1)
    visits = [(who, scope.run.as_of - days * at * (1 + who % 7)) for who in range(60) for at in range(1, 9)]
    events = duckdb.from_df(pd.DataFrame(visits, columns=["customer_id", "at"]))
    found = of_events(events, pd.Timestamp(scope.run.as_of))
    return {"silence": lambda look: onboarding.silence(found, look)}


def compared(_scope: insight.Scope, _currency: str) -> dict[str, Draw]:
    names = ("roc_auc", "log_loss", "brier", "ece")
    found = {name: Estimate(0.01, -0.002, 0.02, 90, "") for name in names}
    minus = found | {"log_loss": Estimate(-0.02, -0.03, -0.01, 90, "")}
    told = challenge.Comparison("a", "b", "held out", "90 rows", found, found, minus, True, ())
    record = challenge.described("x", told)
    return {"ahead": lambda look: versus.ahead(record, look)}


GROUPS = {"overview": overviews, "segments": planes_of, "recovery": recoveries, "customer": customers,
          "effects": believed, "plans": planned, "onboarding": quiet, "versus": compared}


@pytest.fixture(params=[(name, group) for name in engine.DEMOS for group in GROUPS], ids=lambda pair: " ".join(pair))
def drawings(request: pytest.FixtureRequest, read_companies: Path) -> dict[str, Draw]:
    """The charts of one screen for one company, each waiting for a look."""
    name, group = request.param
    scope = insight.scope(name)
    return GROUPS[group](scope, scope.dataset.currency)


def test_every_chart_speaks_is_small_and_is_pure_in_both_looks(drawings: dict[str, Draw]) -> None:
    for draw in drawings.values():
        light = draw(LIGHT)
        the_same(light, draw(LIGHT))
        speaks(light)
        small_enough(light)
        in_both_looks(light, draw(DARK))


def test_every_chart_there_is_has_its_example(read_companies: Path) -> None:
    """A new chart function is tested here or in test_charts.py, or this fails."""
    scope = insight.scope("demo-telecom")
    for path in sorted(Path(charts.__path__[0]).glob("*.py")):
        module = importlib.import_module(f"ui.charts.{path.stem}")
        drawn = {name for name, function in inspect.getmembers(module, inspect.isfunction)
                 if function.__module__ == module.__name__ and not name.startswith("_")
                 and str(function.__annotations__.get("return")).startswith("Chart")}
        if path.stem not in OF_A_CARD and drawn:
            assert drawn == set(GROUPS[path.stem](scope, "USD")), f"ui/charts/{path.name}"
