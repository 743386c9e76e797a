"""Customer Lookup as people use it: find somebody, see why, try a lever, share the address; and who may not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import insight, permissions
from engine.campaign import suppression
from engine.campaign.suppression import Entry
from engine.insight import Scope
from engine.schema import Actor, money, share
from engine.state import audit_log
from tests.pages.app import healthy, open_app, words

pytestmark = pytest.mark.slow
PAGE = "customer_lookup.py"
ANA = Actor("ana", "manager")
TELECOM, SHOP = "demo-telecom", "demo-shop"


def opened(monkeypatch: pytest.MonkeyPatch, dataset: str, customer: str = "", role: str = "manager") -> AppTest:
    asked = {"dataset": dataset} | ({"customer": customer} if customer else {})
    return open_app(monkeypatch, role, PAGE, **asked)


def said(app: AppTest) -> str:
    """What the screen says, without the signs that keep Markdown from reading data."""
    return words(app).replace("\\", "")


def at_risk(scope: Scope) -> str:
    """Somebody still there, whom action is allowed for, on a monthly contract where the company has any."""
    people = "churn_probability > 0.3 AND coalesce(hold_back, '') = ''"
    monthly = " AND contract = 'Month-to-month'" if "contract" in insight.columns(scope) else ""
    return str(insight.ask(scope, f"SELECT customer_id FROM people WHERE {people}{monthly} "
                                  "ORDER BY customer_id")["customer_id"].iloc[0])


def figure(app: AppTest, label: str) -> str:
    return str(next(metric.value for metric in app.metric if metric.label == label))


def test_nobody_chosen_says_what_to_type_and_offers_three(read_companies: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(opened(monkeypatch, TELECOM))
    three = insight.examples(insight.scope(TELECOM), actor=ANA)["customer_id"].tolist()
    assert "Type a part of an id" in said(app) and all(who in said(app) for who in three)
    healthy(app.button(key=f"customer_open_{three[1]}").click().run())
    assert app.query_params["customer"] in (three[1], [three[1]])
    assert three[1] in app.header[0].value


def test_a_deep_link_opens_the_card_with_its_figures(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for dataset in (TELECOM, SHOP):
        scope = insight.scope(dataset)
        who = at_risk(scope)
        row = scope.run.scores().set_index("customer_id").loc[who]
        app = healthy(opened(monkeypatch, dataset, who))
        assert who in app.header[0].value
        text = said(app)
        days = scope.dataset.label.horizon_days
        assert f"{share(row['churn_probability'])} chance to leave within {days} days" in text
        assert f"90 % interval {share(row['churn_low'])} to {share(row['churn_high'])}" in text
        assert figure(app, "Lifetime value") == money(row["expected_ltv"], scope.dataset.currency)
        assert figure(app, "Margin at risk") == money(row["margin_at_risk"], scope.dataset.currency)
        reasons = scope.run.reasons().query("customer_id == @who").sort_values("rank")["words"]
        assert all(words in text for words in reasons), "The reasons are those of every list."


def test_typing_finds_by_id_and_by_name(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = insight.scope(TELECOM)
    who = at_risk(scope)
    reach = insight.contact(scope, who, actor=ANA)
    app = healthy(opened(monkeypatch, TELECOM))
    healthy(app.text_input(key="customer_search").set_value(who[:-1].lower()).run())
    assert app.button(key=f"customer_found_{who}").label
    healthy(app.text_input(key="customer_search").set_value(reach["email"]).run())
    assert reach["last_name"] in app.button(key=f"customer_found_{who}").label
    healthy(app.button(key=f"customer_found_{who}").click().run())
    assert who in app.header[0].value and app.text_input(key="customer_search").value == ""
    healthy(app.text_input(key="customer_search").set_value("nobody at all").run())
    assert "Nobody is called nobody at all" in said(app)


def test_a_whole_id_opens_by_itself_in_any_case(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = at_risk(insight.scope(TELECOM))
    app = healthy(opened(monkeypatch, TELECOM))
    healthy(app.text_input(key="customer_search").set_value(who.lower()).run())
    assert who in app.header[0].value


def test_an_executive_cannot_open_it(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="page"):
        opened(monkeypatch, TELECOM, at_risk(insight.scope(TELECOM)), role="executive")


def test_contact_fields_are_hidden_from_those_who_may_not_see_them(read_companies: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    scope = insight.scope(TELECOM)
    who = at_risk(scope)
    reach = insight.contact(scope, who, actor=ANA)
    assert reach["last_name"] in said(healthy(opened(monkeypatch, TELECOM, who)))
    monkeypatch.setitem(permissions.ALLOWED, "contact", frozenset({"admin"}))
    hidden = healthy(opened(monkeypatch, TELECOM, who, role="marketer"))
    assert who in hidden.header[0].value
    assert not any(str(value) in said(hidden) for value in (reach["last_name"], reach["email"], reach["phone"]))
    healthy(hidden.text_input(key="customer_search").set_value(reach["last_name"]).run())
    assert "Nobody is called" in said(hidden)


@pytest.mark.parametrize("odd", ["nobody", "'; DROP TABLE x; --", "**bold** [a](b) `c` <b>d</b> $e$", "x" * 900])
def test_unknown_ids_get_advice_and_are_shown_as_text(odd: str, read_companies: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(opened(monkeypatch, SHOP, odd))
    [problem] = app.error
    plain = problem.value.replace("\\", "")
    assert "has no customer" in plain and odd[:40].strip("'") in plain.replace('\\"', '"')
    assert "**bold**" not in problem.value and "<b>" not in problem.value, "Signs of Markdown are made harmless."
    assert "Type a part of an id" in said(app), "Three examples are offered all the same."


def test_a_customer_without_enough_history_gets_advice(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = insight.scope(SHOP)
    silent = sorted(set(scope.dataset.frame().index) - set(scope.run.scores()["customer_id"]))[0]
    app = healthy(opened(monkeypatch, SHOP, silent))
    assert "not enough to judge" in app.error[0].value


def test_those_who_should_not_be_judged_say_so(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = insight.scope(TELECOM).run.scores()
    held = known[(known["hold_back"] != "") & (known["has_left"] == 0)].iloc[0]
    app = healthy(opened(monkeypatch, TELECOM, held["customer_id"]))
    assert any("No action is advised" in warning.value for warning in app.warning)
    assert held["hold_back"] in said(app) and figure(app, "Be in touch") == "Not yet"
    gone = known[known["has_left"] == 1].iloc[0]
    app = healthy(opened(monkeypatch, TELECOM, gone["customer_id"]))
    assert any("left already" in warning.value for warning in app.warning)
    assert figure(app, "Be in touch") == "Win back"


def test_whoever_must_not_be_contacted_says_so(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = at_risk(insight.scope(TELECOM))
    suppression.suppress(TELECOM, [Entry(who, "phone", "STOP")], actor=ANA, now=datetime(2025, 7, 3))
    app = healthy(opened(monkeypatch, TELECOM, who))
    assert "Must not be contacted. On the suppression list for telephone: STOP." in said(app)
    suppression.suppress(TELECOM, [Entry(who, "all", "Asked us to stop")], actor=ANA, now=datetime(2025, 7, 3))
    app = healthy(opened(monkeypatch, TELECOM, who))
    assert figure(app, "Be in touch") == "Not now" and "Leave alone for now" in said(app)
    assert "On the suppression list" in said(app) and "After that: " in said(app)


def test_a_lever_is_scored_at_once_and_can_be_set_back(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = insight.scope(TELECOM)
    who = at_risk(scope)
    app = healthy(opened(monkeypatch, TELECOM, who))
    key = f"customer_lever_contract_{who}"
    before = figure(app, "Chance to leave")
    assert before == share(scope.run.scores().set_index("customer_id").loc[who, "churn_probability"])
    control = next(group for group in app.button_group if group.key == key)
    healthy(control.set_value("Two year").run())
    assert float(figure(app, "Chance to leave").split()[0]) < float(before.split()[0])
    assert "Contract length: 1 month" in said(app) and "association, not a promise" in said(app)
    healthy(app.button(key="customer_reset").click().run())
    assert figure(app, "Chance to leave") == before


def test_the_smallest_change_is_a_click_away(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import engine

    scope = insight.scope(TELECOM)
    model, card = engine.open_model(TELECOM, scope.run.model_id)
    risky = scope.run.scores().query("has_left == 0 and hold_back == ''").sort_values("churn_probability")
    for who in risky.loc[risky["churn_probability"] > card.threshold, "customer_id"]:
        found = insight.levers_of(scope, model, who, actor=ANA)
        if found.smallest:
            break
    assert found.smallest
    app = healthy(opened(monkeypatch, TELECOM, who))
    assert found.smallest.words in said(app)
    healthy(app.button(key="customer_smallest").click().run())
    assert figure(app, "Chance to leave") == share(found.smallest.probability)


def test_a_shop_says_that_it_has_no_levers_and_what_an_order_would_say(read_companies: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    who = at_risk(insight.scope(SHOP))
    app = healthy(opened(monkeypatch, SHOP, who))
    assert "is not among what the model knows" in said(app)
    assert "Chance to leave" not in {metric.label for metric in app.metric}
    healthy(app.toggle(key=f"customer_today_{who}").set_value(True).run())
    assert figure(app, "Chance to leave").endswith("%") and "no further order within 90 days" in said(app)


def test_each_customer_is_told_to_the_log_once_a_session(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = insight.scope(SHOP)
    one, other = scope.run.scores()["customer_id"].iloc[:2]

    def told(customer: str) -> int:
        return len(audit_log(verb="predict", customer_id=customer))

    before = told(one), told(other)
    app = healthy(opened(monkeypatch, SHOP, one))
    for customer in (one, other, one):
        app.query_params["customer"] = customer
        healthy(app.run())
        healthy(app.run())
    assert (told(one), told(other)) == (before[0] + 1, before[1] + 1)
    healthy(opened(monkeypatch, SHOP, one))
    assert told(one) == before[0] + 2, "Another session tells it again."


def test_another_dataset_forgets_the_customer(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = at_risk(insight.scope(TELECOM))
    app = healthy(opened(monkeypatch, TELECOM, who))
    healthy(app.sidebar.selectbox(key="dataset").set_value(SHOP).run())
    assert not app.error and "Type a part of an id" in said(app)


def test_anybody_can_be_drawn_twice(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(opened(monkeypatch, TELECOM))
    drawn = set()
    for _ in range(3):
        healthy(app.button(key="customer_any").click().run())
        drawn.add(app.header[0].value)
    assert len(drawn) > 1, "Somebody else each time, as a rule."


def test_a_model_that_knows_nothing_gives_no_reasons() -> None:
    def screen() -> None:
        from ui.customer_parts import why

        why({"usable": False}, None)  # type: ignore[arg-type]

    app = AppTest.from_function(screen).run()
    assert not app.exception and "There are no reasons." in words(app)
