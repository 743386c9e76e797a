"""What-if: the same functions as every score, what is derived follows, and the smallest change is the smallest."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import engine
from engine import insight
from engine.errors import EngineError, Refused
from engine.insight import Scope
from engine.insight import levers as screen
from engine.prediction import whatif
from engine.prediction.model import Model, score
from engine.schema import Actor, Column
from engine.schema.levers import Lever
from engine.schema.stored import rows_of

pytestmark = pytest.mark.slow
MEG, EVE = Actor("meg", "manager"), Actor("eve", "executive")
Opened = tuple[Scope, Model]
MOVABLE = 3


@pytest.fixture
def telecom(read_companies: Path) -> Opened:
    scope = insight.scope("demo-telecom")
    return scope, engine.open_model("demo-telecom", scope.run.model_id)[0]


@pytest.fixture
def shop(read_companies: Path) -> Opened:
    scope = insight.scope("demo-shop")
    return scope, engine.open_model("demo-shop", scope.run.model_id)[0]


def someone(scope: Scope, **values: Any) -> str:
    """The first customer with these values."""
    frame = scope.dataset.frame().sort_index()
    return str(frame[(frame[list(values)] == pd.Series(values)).all(axis=1)].index[0])


def with_few_levers(opened: Opened) -> str:
    """A customer at risk with three levers or so: few enough to try every combination one by one."""
    scope, model = opened
    known = scope.run.scores()
    risky = known[known["churn_probability"] > model.churn.threshold].sort_values("churn_probability")["customer_id"]
    return next(who for who in risky if len(whatif.choices(model, scope.dataset, who)) == MOVABLE)


def at(opened: Opened, who: str, changes: dict[str, Any]) -> Any:
    scope, model = opened
    return whatif.what_if(model, scope.dataset, scope.run.as_of, who, changes)


def test_nothing_changed_is_the_same_to_the_last_digit(telecom: Opened) -> None:
    scope, model = telecom
    stored = scope.run.scores().set_index("customer_id")
    for who in stored.index[:5]:
        same = at(telecom, who, {})
        pd.testing.assert_frame_equal(same.scores, score(model, scope.dataset, scope.run.as_of, [who]).scores)
        for name in ("churn_probability", "churn_low", "churn_high", "expected_ltv", "margin_at_risk"):
            assert same.scores[name].iloc[0] == pytest.approx(stored.loc[who, name], rel=1e-12, abs=1e-12)


def test_whatever_is_derived_follows(telecom: Opened) -> None:
    who = someone(telecom[0], contract="Month-to-month", payment_method="Electronic check", internet_service="DSL")
    before = at(telecom, who, {}).features.iloc[0]
    after = at(telecom, who, {"contract": "Two year"}).features.iloc[0]
    tenure = before["tenure_months"]
    assert (before["contract_months"], after["contract_months"]) == (1.0, 24.0)
    assert after["months_to_renewal"] == 24 - tenure % 24 and after["renewals"] == tenure // 24
    assert (before["uncommitted_payer"], after["uncommitted_payer"]) == (1.0, 0.0)
    untouched = [name for name in before.index if "contract" not in name
                 and name not in ("months_to_renewal", "renewals", "uncommitted_payer")]
    pd.testing.assert_series_equal(before[untouched], after[untouched])


def test_a_lower_bill_reaches_every_figure_made_of_it(telecom: Opened) -> None:
    scope, model = telecom
    who = someone(scope, internet_service="Fiber optic", contract="Month-to-month")
    offered = {choice.column.name: choice for choice in whatif.choices(model, scope.dataset, who)}
    bill = offered["monthly_charges"]
    lowest = min(bill.options)
    assert lowest == round(0.8 * bill.now, 2)
    before, after = at(telecom, who, {}), at(telecom, who, {"monthly_charges": lowest})
    X, Z = before.features.iloc[0], after.features.iloc[0]
    assert Z["charge_change"] == pytest.approx(lowest - X["average_monthly_charge"])
    assert Z["price_per_service"] == pytest.approx(lowest / X["services_count"])
    p = [frame.scores["churn_probability"].iloc[0] for frame in (before, after)]
    worth = [frame.scores["ltv_if_stays"].iloc[0] for frame in (before, after)]
    assert p[0] != p[1]
    assert worth[1] < worth[0], "Margin is a share of the bill, and the bill is lower."


def test_levers_outside_their_values_are_refused(telecom: Opened) -> None:
    bound = someone(telecom[0], contract="Two year")
    for changes in ({"contract": "Month-to-month"}, {"contract": "Ten year"}, {"gender": "Male"}, {"nonsense": 1},
                    {"monthly_charges": 1.0}):
        with pytest.raises(EngineError, match="cannot become"):
            at(telecom, bound, changes)
    with pytest.raises(EngineError, match="has no customer"):
        at(telecom, "nobody", {})


def test_a_lever_counts_only_where_the_model_knows_column_and_value(telecom: Opened) -> None:
    scope, model = telecom
    who = someone(scope, contract="Month-to-month", internet_service="DSL", tech_support="No")
    names = {choice.column.name for choice in whatif.choices(model, scope.dataset, who)}
    assert {"contract", "tech_support", "monthly_charges"} <= names
    blind = replace(model.churn, columns=tuple(name for name in model.churn.columns if name != "contract"))
    assert {choice.column.name for choice in whatif.choices(replace(model, churn=blind), scope.dataset, who)} \
        == names - {"contract"}
    seen = {**model.churn.categories, "contract": ("Month-to-month", "One year")}
    young = replace(model, churn=replace(model.churn, categories=seen))
    contract = next(c for c in whatif.choices(young, scope.dataset, who) if c.column.name == "contract")
    assert set(contract.options) == {"One year"}


def test_the_smallest_change_is_the_smallest(telecom: Opened) -> None:
    scope, model = telecom
    who = with_few_levers(telecom)
    offered = whatif.choices(model, scope.dataset, who)
    one_by_one = {}
    for way in itertools.product(*[[None, *choice.options] for choice in offered]):
        changes = {choice.column.name: value for choice, value in zip(offered, way, strict=True) if value is not None}
        one_by_one[tuple(changes.items())] = float(at(telecom, who, changes).scores["churn_probability"].iloc[0])
    steps = {(choice.column.name, value): far for choice in offered for value, far in choice.options.items()}
    chances = sorted(one_by_one.values())
    for threshold in (chances[0] / 2, chances[0] + 1e-9, *np.quantile(chances, [0.2, 0.5, 0.8])):
        judge = replace(model, churn=replace(model.churn, threshold=float(threshold)))
        found = whatif.search(judge, scope.dataset, scope.run.as_of, who)
        enough = [(len(moves), sum(steps[move] for move in moves), p)
                  for moves, p in one_by_one.items() if p < threshold and moves]
        assert found.tried == len(one_by_one) - 1
        if not enough:
            assert found.smallest is None
            continue
        assert found.smallest is not None
        moves = tuple(found.smallest.changes.items())
        assert found.smallest.probability == pytest.approx(one_by_one[moves], rel=1e-12)
        assert (len(moves), found.smallest.steps) == min(enough)[:2]
        assert found.smallest.probability == pytest.approx(min(enough)[2], rel=1e-12)


def test_each_option_alone_is_what_moving_it_brings(telecom: Opened) -> None:
    scope, model = telecom
    who = with_few_levers(telecom)
    found = whatif.search(model, scope.dataset, scope.run.as_of, who)
    assert [step.probability for step in found.alone] == sorted(step.probability for step in found.alone)
    assert len(found.alone) == sum(len(choice.options) for choice in whatif.choices(model, scope.dataset, who))
    for step in found.alone:
        p = at(telecom, who, dict(step.changes)).scores["churn_probability"].iloc[0]
        assert step.probability == pytest.approx(p, rel=1e-12)


def test_the_sentence_says_what_is_enough_or_that_nothing_is(telecom: Opened) -> None:
    scope, model = telecom
    who = with_few_levers(telecom)

    def said(threshold: float) -> screen.Levers:
        judge = replace(model, churn=replace(model.churn, threshold=threshold))
        return insight.levers_of(scope, judge, who, actor=MEG)

    assert said(1.0).sentence.endswith("below the threshold of 100.0 % already: nothing has to change.")
    assert said(1.0).smallest is None
    none = said(1e-6)
    assert none.sentence == (f"None of the {none.tried:,} combinations of these levers brings the customer below the "
                             "threshold of 0.0 %.")
    some = said(none.now - 1e-9)
    assert some.smallest is not None and some.smallest.words in some.sentence


def test_what_a_screen_is_told_of_a_change(telecom: Opened) -> None:
    scope, model = telecom
    who = someone(scope, contract="Month-to-month", payment_method="Electronic check")
    told = insight.what_if(scope, model, who, {"contract": "Two year"}, actor=MEG)
    follows = {title: (before, after) for title, before, after in told.follows}
    assert follows["Contract"] == ("Month-to-month", "Two year")
    assert follows["Contract length"] == ("1 month", "24 months")
    assert follows["Uncommitted payer"] == ("yes", "no")
    assert "Tenure" not in follows and len(told.reasons) == MOVABLE
    assert told.figures["churn_probability"] == at(telecom, who, {"contract": "Two year"}).scores[
        "churn_probability"].iloc[0]
    bill = insight.levers_of(scope, model, who, actor=MEG).levers[-1]
    cheaper = list(bill.options)[-1]
    minds = insight.what_if(scope, model, who, {"monthly_charges": cheaper}, actor=MEG).mind
    assert bill.options[cheaper].endswith("(-20 %)") and f"${bill.now - cheaper:.2f} a month" in minds[0]
    assert insight.what_if(scope, model, who, {}, actor=MEG).follows == ()


def test_an_executive_may_not_try(telecom: Opened, shop: Opened) -> None:
    scope, model = telecom
    asked: tuple[Callable[[], object], ...] = (
        lambda: insight.levers_of(scope, model, "x", actor=EVE),
        lambda: insight.what_if(scope, model, "x", {}, actor=EVE),
        lambda: insight.order_today(*shop, "x", actor=EVE))
    for ask in asked:
        with pytest.raises(Refused):
            ask()


def test_other_customers_stay_as_they_are(telecom: Opened) -> None:
    dataset = telecom[0].dataset
    one, other = dataset.frame().index[:2]
    imagined = whatif.Imagined.of(dataset, dataset.frame([one]).assign(contract="Two year", tenure_months=3))
    assert imagined.frame([one])["contract"].tolist() == ["Two year"]
    pd.testing.assert_frame_equal(imagined.frame([other]), dataset.frame([other]))
    both, before = imagined.frame([one, other], ["tenure_months"]), dataset.frame([other])
    assert both["tenure_months"].to_dict() == {one: 3, other: before["tenure_months"].iloc[0]}
    whole = imagined.frame()
    assert len(whole) == len(dataset.frame()) and whole.loc[one, "contract"] == "Two year"


def test_one_customer_is_judged_without_reading_all_others(telecom: Opened, shop: Opened,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    known = {scope.dataset.name: scope.run.scores()["customer_id"].iloc[0] for scope, _ in (telecom, shop)}

    def everything(*_: Any, **__: Any) -> None:
        raise AssertionError("A whole table was read for one customer.")

    monkeypatch.setattr(pd, "read_parquet", everything)
    for scope, model in (telecom, shop):
        who = known[scope.dataset.name]
        assert len(score(model, scope.dataset, scope.run.as_of, [who]).scores) == 1
    insight.levers_of(*telecom, known["demo-telecom"], actor=MEG)


# ---- where there are no levers


def test_a_shop_has_no_levers_and_says_so(shop: Opened) -> None:
    scope, model = shop
    who = scope.run.scores()["customer_id"].iloc[0]
    told = insight.levers_of(scope, model, who, actor=MEG)
    assert told.levers == () and told.sentence == whatif.NO_LEVERS
    with pytest.raises(EngineError, match="On offer: nothing"):
        at(shop, who, {"recency_days": 0.0})


def test_an_order_today_is_the_last_one_once_more(shop: Opened) -> None:
    scope, model = shop
    dataset, as_of = scope.dataset, scope.run.as_of
    assert dataset.events is not None
    for who in scope.run.scores()["customer_id"].iloc[[0, 7, 50]]:
        events = rows_of(dataset.events, [who])
        orders = events[(events["kind"] == "order") & (events["at"] < as_of)]
        last = orders[orders["group_id"] == orders.loc[orders["at"].idxmax(), "group_id"]]
        hour_before = events["at"].between(last["at"].min() - timedelta(hours=1), last["at"].max())
        visits = events[(events["kind"] == "session") & hour_before]
        X = score(model, dataset, as_of, [who]).features.iloc[0]
        after = whatif.order_today(model, dataset, as_of, who)
        assert after is not None
        Z = after.features.iloc[0]
        assert Z["orders"] == X["orders"] + 1 and Z["recency_days"] == pytest.approx(1 / 86_400)
        assert Z["spend"] == pytest.approx(X["spend"] + last["amount"].sum())
        assert Z["sessions_90d"] == X["sessions_90d"] + len(visits)
        for name in ("tenure_days", "season_orders", "season_before_orders", "products", "returns_365d"):
            assert Z[name] == pytest.approx(X[name], nan_ok=True), name
        assert scope.dataset.events == dataset.events and len(rows_of(dataset.events, [who])) == len(events)


def test_an_order_today_is_nothing_where_there_are_no_orders(telecom: Opened, shop: Opened) -> None:
    scope, model = telecom
    assert whatif.order_today(model, scope.dataset, scope.run.as_of, scope.run.scores()["customer_id"].iloc[0]) is None
    assert insight.order_today(*shop, "nobody", actor=MEG) is None


def test_a_lever_offers_what_it_can_move_to() -> None:
    lever = Lever("plan", "Offer a longer one.", {"month": {"year": 1, "two years": 2}})
    assert lever.options("month") == {"year": 1, "two years": 2}
    assert lever.options("two years") == lever.options(None) == {}
    price = Lever("price", "Lower it.", cuts=(0.1, 0.5))
    assert price.options(80) == {72.0: 1, 40.0: 2}
    assert price.options(0.0) == price.options(float("nan")) == price.options("free") == {}
    assert whatif.Choice(price, Column("price", "number", "", ""), 80, {}).lever is price
