"""Charts are pure: the same card, the same figure; in both looks, in words for everyone, however small the data."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pandas as pd
import plotly.graph_objects as go
import pytest

from engine.schema import Estimate, ModelCard, jsonable
from tests.cards import USED, full_card
from tests.chart_checks import in_both_looks, small_enough, speaks, the_same
from ui.charts import base, explained, performance, robustness, worth
from ui.charts.base import Chart
from ui.look import DARK, LIGHT, Look

Draw = Callable[[ModelCard, Look], Chart | None]
SMALLEST = 2


def _of_card() -> dict[str, Draw]:
    """Every chart that is drawn from a card, by name, asking for the card and the look alone."""
    plain = {f"{module.__name__.split('.')[-1]}.{name}": function
             for module in (performance, robustness, explained, worth) for name, function in charts_of(module).items()}
    more: dict[str, Draw] = {
        "performance.confusion": functools.partial(performance.confusion, threshold=0.3),
        "performance.cost": functools.partial(performance.cost, threshold=0.3, cost_ratio=5.0),
        "explained.swarm": functools.partial(explained.swarm, currency="EUR"),
        "worth.predicted_and_actual": functools.partial(worth.predicted_and_actual, currency="EUR"),
        "worth.value_deciles": functools.partial(worth.value_deciles, currency=""),
        **{f"explained.dependence of {name}": functools.partial(explained.dependence, feature=name, currency="EUR")
           for name in USED},
    }
    del plain["explained.dependence"]
    return plain | more


def charts_of(module: ModuleType) -> dict[str, Draw]:
    """The module's own public functions that return a chart."""
    functions = inspect.getmembers(module, inspect.isfunction)
    return {name: function for name, function in functions if function.__module__ == module.__name__
            and not name.startswith("_") and str(function.__annotations__.get("return")).startswith("Chart")}


CHARTS = _of_card()


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return full_card()


def drawn(name: str, card: ModelCard, look: Look = LIGHT) -> Chart:
    """The chart of that name, which the card holds."""
    chart = CHARTS[name](card, look)
    assert chart is not None
    return chart


@pytest.mark.parametrize("name", CHARTS)
class TestEveryChart:
    def test_is_the_same_for_the_same_card(self, name: str, card: ModelCard) -> None:
        the_same(*(drawn(name, card) for _ in range(2)))

    def test_says_what_to_see_with_units_and_a_table(self, name: str, card: ModelCard) -> None:
        speaks(drawn(name, card))

    def test_is_small_enough_for_a_browser(self, name: str, card: ModelCard) -> None:
        small_enough(drawn(name, card))

    def test_uses_the_colours_of_its_look(self, name: str, card: ModelCard) -> None:
        in_both_looks(*(drawn(name, card, look) for look in (LIGHT, DARK)))

    def test_copes_with_the_smallest_data(self, name: str) -> None:
        speaks(drawn(name, full_card(rows=SMALLEST)))

    def test_is_absent_where_the_card_does_not_hold_it(self, name: str) -> None:
        assert CHARTS[name](full_card(detail={}), LIGHT) is None


def test_a_column_named_like_markup_is_shown_as_it_is(card: ModelCard) -> None:
    evil = {**card.detail["columns"], "months": {**card.detail["columns"]["months"], "title": "<b>x</b><script>"}}
    chart = explained.importance(full_card(detail={**card.detail, "columns": evil}), LIGHT)
    assert chart is not None
    assert "<script>" not in chart.figure.to_json()
    assert "&lt;script&gt;" in chart.figure.to_json()
    assert "<b>x</b><script>" in chart.data["Feature"].tolist(), "the table is no markup and shows it whole"


def test_a_card_of_an_earlier_version_is_drawn_without_intervals_and_meanings(card: ModelCard) -> None:
    detail = {name: part for name, part in card.detail.items() if name not in ("columns", "rule_curves", "minus_rule")}
    detail["ltv"] = {"window_deciles": {name: values for name, values in detail["ltv"]["window_deciles"].items()
                                        if name not in ("low", "high")}}
    old = full_card(detail=detail)
    roc, importance = performance.roc(old, LIGHT), explained.importance(old, LIGHT)
    deciles = worth.value_deciles(old, LIGHT, "EUR")
    assert roc is not None and set(roc.data["Curve"]) == {"Model"}
    assert deciles is not None and "Low [EUR]" not in deciles.data
    assert importance is not None and "Months" in importance.data["Feature"].tolist()


def test_the_confusion_is_that_of_the_threshold() -> None:
    """Ten customers, four of them leavers: flagged from 0.5 on are three leavers and two others."""
    told = {"threshold": [0.0, 0.5, 0.9], "flagged": [10, 5, 1], "caught": [4, 3, 1], "customers": 10, "leavers": 4}
    card = full_card(detail={"thresholds": told})
    chart = performance.confusion(card, LIGHT, 0.5)
    assert chart is not None
    assert dict(zip(chart.data["Outcome"], chart.data["Customers"], strict=True)) == {
        "Leavers missed": 1, "Left alone": 4, "Leavers reached": 3, "Contacted in vain": 2}
    assert chart.title == "Contacting from 50.0 % on reaches 75.0 % of the leavers"
    priced = performance.cost(card, LIGHT, 0.5, 5.0)
    assert priced is not None
    assert priced.data["Cost per 1,000 customers [false alarms]"].tolist() == [600.0, 700.0, 1500.0]


def test_roles_stand_in_order_those_of_both_first() -> None:
    """Shares of leaving and value by hand: from 5 % on a feature counts."""
    told = {"feature": ["bill", "autopay", "months", "plan"], "churn_share": [0.6, 0.03, 0.3, 0.07],
            "ltv_share": [0.02, 0.01, 0.5, 0.47], "role": ["churn only", "neither", "both", "both"],
            "together": [None, None, -0.5, 0.2]}
    chart = explained.cross_model(full_card(detail={"cross_model": told}), LIGHT)
    assert chart is not None
    assert chart.figure.layout.yaxis.ticktext == ("Months", "Plan", "Bill", "Autopay")
    assert [note.text for note in chart.figure.layout.annotations[:4]] == ["both", "both", "leaving", "neither"]
    assert chart.title == "Months and Plan drive both leaving and value"


@pytest.mark.parametrize("folds", ["1 x 5 held-out folds; 95 % bootstrap", "5 x 5 held-out folds; 95 % bootstrap"])
def test_a_ranking_on_other_folds_than_the_headlines_says_so(card: ModelCard, folds: str) -> None:
    headline = Estimate(0.735, 0.70, 0.77, 400, "5 x 5 held-out folds; 95 % bootstrap")
    metrics = dict.fromkeys(("roc_auc", "ece", "brier"), headline)
    here = jsonable({name: replace(one, value=0.727, method=folds) for name, one in metrics.items()})
    detail = {"benchmark": {name: told | {"metrics": here} for name, told in card.detail["benchmark"].items()},
              "balance": {name: told | {"metrics": here} for name, told in card.detail["balance"].items()},
              "stress": [entry | {"metrics": here} for entry in card.detail["stress"]]}
    judged = full_card(detail=detail, metrics={**card.metrics, "model": metrics})
    for draw in (robustness.algorithms, robustness.balance, robustness.stress):
        chart = draw(judged, LIGHT)
        assert chart is not None
        assert ("on 1 x 5 held-out folds, the headline's 0.735 on 5 x 5 held-out folds" in chart.says) == (
            folds.startswith("1"))


def test_another_algorithm_that_is_surely_better_is_named() -> None:
    estimate = {"value": 0.9, "low": 0.88, "high": 0.92}
    entry = {"metrics": dict.fromkeys(("roc_auc", "brier", "ece"), estimate)}
    ahead, behind = {"value": 0.02, "low": 0.01, "high": 0.03}, {"value": 0.001, "low": -0.01, "high": 0.012}
    told = {"lightgbm": entry | {"minus_model": {"roc_auc": behind}}, "xgboost": entry | {"minus_model": {
        "roc_auc": ahead}}, "extra_trees": entry | {"minus_model": {"roc_auc": behind}}}
    chart = robustness.algorithm_differences(full_card(detail={"benchmark": told}), LIGHT)
    assert chart is not None
    assert chart.title == "Surely better: XGBoost"
    assert "LightGBM" not in chart.data["Algorithm"].tolist(), "it is not compared with itself"


def test_a_chart_is_built_once_for_the_same_data_and_anew_for_others() -> None:
    built = []

    @base.drawn_once
    def chart(data: pd.DataFrame, title: str) -> base.Chart:
        built.append(title)
        return base.Chart(title, "", go.Figure(), data)

    data = pd.DataFrame({"a": [1.0, 2.0]})
    assert chart(data, "one") is chart(data.copy(), "one")
    assert chart(data.assign(a=[1.0, 3.0]), "one").data["a"].tolist() == [1.0, 3.0]
    before = len(built)
    base.forget_drawings()
    chart(data, "one")
    assert len(built) == before + 1, "Nothing is kept after an erasure."
