"""Overview: the headline, what changed, drivers and findings, for each role, on both demo companies."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import engine
from engine import catalog, insight, saved, state
from engine.insight import movement, overview
from engine.schema import Actor, Finding, money
from tests.pages.app import healthy, open_app, words

pytestmark = pytest.mark.slow
COMPANIES = ("demo-telecom", "demo-shop")
A_DAY = timedelta(days=1)


def scored_earlier(name: str) -> catalog.Run:
    """The company's run, once more, as if scored a day earlier, with everybody's chance a tenth lower."""
    run = catalog.run(name)
    dataset = catalog.dataset(name, run.version)
    then = catalog.Run.of(dataset, run.model_id, run.as_of - A_DAY, run.customers)
    scores, reasons = (frame.assign(run_id=then.run_id) for frame in (run.scores(), run.reasons()))
    scores["churn_probability"] *= 0.9
    scores["churn_low"] *= 0.5
    features = pd.read_parquet(run.folder / "features.parquet").set_index("customer_id")
    return catalog.save_run(then, scores, reasons, features, actor=Actor("ana"), now=then.as_of, in_use=False)


@pytest.mark.parametrize("role", ["manager", "executive"])
@pytest.mark.parametrize("name", COMPANIES)
def test_the_headline_is_the_engines(read_companies: Path, monkeypatch: pytest.MonkeyPatch, name: str,
                                     role: str) -> None:
    app = healthy(open_app(monkeypatch, role, "overview.py", dataset=name))
    scope = insight.scope(name)
    found = overview.standing(scope, overview.doubt(engine.model_card(name, scope.run.model_id)))
    labels = {metric.label: metric.value for metric in app.metric}
    assert len(labels) == 4
    assert labels[f"Expected leavers of {found.customers:,}"].startswith(f"{found.leavers.value:,.0f} ± ")
    assert labels["Margin at risk"].startswith(money(found.margin_at_risk.value, scope.dataset.currency))
    assert labels["Average expected LTV"] == money(found.mean_ltv, scope.dataset.currency)
    assert overview.sentence(found, scope.dataset.label.horizon_days) in words(app)
    assert "Synthetic" in words(app)


def test_a_first_run_says_what_to_do(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in catalog.runs("demo-shop"):
        if run != catalog.run("demo-shop"):
            for path in sorted(run.folder.iterdir()):
                path.unlink()
            run.folder.rmdir()
    app = healthy(open_app(monkeypatch, "manager", "overview.py", dataset="demo-shop"))
    assert "this is the first scoring run" in words(app)
    assert "python -m engine run" in words(app)
    assert not any(metric.delta.startswith(("+", "-")) for metric in app.metric), "There is nothing to compare with."


def test_movement_is_told_with_its_moment(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    then = scored_earlier("demo-telecom")
    app = healthy(open_app(monkeypatch, "manager", "overview.py", dataset="demo-telecom",
                           overview_than="the run before"))
    [leavers] = [metric for metric in app.metric if metric.label.startswith("Expected leavers")]
    assert leavers.delta.startswith("+")
    assert "riskier" in words(app)
    assert "Whose risk changed most" in words(app)
    [table] = [frame.value for frame in app.dataframe if "why" in frame.value]
    assert len(table) == 10
    assert (table["change"] > 0).all()
    assert then.as_of < catalog.run("demo-telecom").as_of


def test_what_a_movement_is_counted_from_is_said_beside_what_was_said_then(
    own_companies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run before is looked back at by today's model; another model had said something else at the time."""
    made = scored_earlier("demo-telecom")
    back = replace(made, run_id="backbackback", model_id=catalog.run("demo-telecom").model_id, looks_back=True)
    scores = made.scores().assign(run_id=back.run_id)
    features = pd.read_parquet(made.folder / "features.parquet").set_index("customer_id")
    catalog.save_run(back, scores.assign(churn_probability=0.8 * scores["churn_probability"]),
                     made.reasons().assign(run_id=back.run_id), features, actor=Actor("ana"), now=made.as_of,
                     in_use=False)
    monkeypatch.setattr(movement, "earlier", lambda _run: {"the run before": back})
    app = healthy(open_app(monkeypatch, "manager", "overview.py", dataset="demo-telecom"))
    then, said = (movement.totals(insight.scope("demo-telecom", run.run_id)).leavers for run in (back, made))
    [leavers] = [metric for metric in app.metric if metric.label.startswith("Expected leavers")]
    assert f"against {then:,.0f} on {back.as_of:%d %b %Y}, by today's model" in leavers.help
    assert f"What was said then, by model {made.model_id[:6]}: {said:,.0f}." in leavers.help
    assert f"today's model would have expected {then:,.0f} leavers then" in words(app)
    assert f"by the model of the time, was {said:,.0f}." in words(app)


def test_money_of_two_currencies_is_never_subtracted(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored_earlier("demo-telecom")
    known = movement.totals

    def in_francs(scope: insight.Scope) -> movement.Totals:
        return replace(known(scope), currency="CHF")

    monkeypatch.setattr(movement, "totals", in_francs)
    app = healthy(open_app(monkeypatch, "manager", "overview.py", dataset="demo-telecom",
                           overview_than="the run before"))
    deltas = {metric.label: metric.delta for metric in app.metric}
    assert deltas["Margin at risk"] == deltas["Average expected LTV"] == "in CHF then, not compared"
    assert next(delta for label, delta in deltas.items() if label.startswith("Expected leavers")).startswith("+")


def test_executives_see_movement_but_nobody(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored_earlier("demo-telecom")
    app = healthy(open_app(monkeypatch, "executive", "overview.py", dataset="demo-telecom"))
    assert "Single customers are shown to marketers and managers" in words(app)
    assert not any("customer_id" in frame.value for frame in app.dataframe)


def with_finding(monkeypatch: pytest.MonkeyPatch, finding: Finding) -> None:
    """Every card that is looked at holds the finding."""
    from ui import state as shown

    known = engine.model_card
    shown.card_of.clear()
    monkeypatch.setattr(engine, "model_card", lambda name, model: replace(known(name, model), findings=(finding,)))


def test_a_severe_finding_is_answered_and_asks_again(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_finding(monkeypatch, Finding("severe", "left_at", "tells the answer.", "Leave it out."))
    app = healthy(open_app(monkeypatch, "manager", "overview.py", dataset="demo-shop"))
    assert any("tells the answer" in warning.value for warning in app.warning), "It heads the screen."
    app.text_area(key="overview_reason_0").set_value("Dropped it.")
    healthy(app.button(key="overview_keep_0").click().run())
    assert not app.warning
    assert "Dropped it." in words(app)
    assert state.audit_log()[0].verb == "answer"
    healthy(app.button(key="overview_again_0").click().run())
    assert saved.kept("answer", "demo-shop", actor=Actor("ana")) == []
    assert app.warning


def test_an_answer_without_a_reason_is_not_kept(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_finding(monkeypatch, Finding("severe", "left_at", "tells the answer.", "Leave it out."))
    app = healthy(open_app(monkeypatch, "manager", "overview.py", dataset="demo-shop"))
    healthy(app.button(key="overview_keep_0").click().run())
    assert saved.kept("answer", "demo-shop", actor=Actor("ana")) == []
    assert "Say in 1 to 1,000 characters" in app.toast[0].value


def test_an_executive_reads_answers_and_gives_none(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_finding(monkeypatch, Finding("warning", "level", "was missed.", "Look."))
    app = healthy(open_app(monkeypatch, "executive", "overview.py", dataset="demo-shop"))
    assert "1 finding to look at" in words(app)
    assert not app.text_area
