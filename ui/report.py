"""The technical report of a dataset: everything a reader needs to judge its model, in one file that needs nothing else.

    python -m engine report --dataset acme --output report.html

Figures about all customers together: no single customer is named in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from engine import files, insight, state
from engine.insight import card_words, distributions, overview, quadrant, trust
from engine.insight.source import Scope
from engine.permissions import allow
from engine.prediction import store
from engine.schema import Actor, ModelCard, money, money_range, share
from ui.charts import explained, performance, robustness, worth
from ui.charts import overview as standing
from ui.charts import recovery as returns
from ui.charts import segments as plane
from ui.charts.base import Chart
from ui.document import Figures, Section, block, listing, page, pairs, table, tiles
from ui.look import LIGHT

FOLLOWED = 6


def write(name: str, output: Path, *, actor: Actor, now: datetime, run_id: str | None = None) -> dict[str, Any]:
    """Write the report on the dataset's current run, or the one given; the file is there whole or not at all.

    Raises:
        EngineError: if there is no such dataset or run, or the file cannot be written.
    """
    allow(actor, "models")
    scope = insight.scope(name, run_id)
    card = store.card(name, scope.run.model_id)
    figures = Figures()
    title = f"{name}: who leaves, and how well it is known"
    content = page(title, _lead(scope, card, now), _sections(scope, card, figures), LIGHT).encode()
    files.write_bytes(output, content)
    state.record(actor, "report", name, now, {"run_id": scope.run.run_id, "model_id": card.model_id,
                                              "output": output.name})
    return {"dataset": name, "output": str(output), "bytes": len(content), "charts": figures.count,
            "run_id": scope.run.run_id, "model_id": card.model_id, "synthetic": card.synthetic,
            "verdict": trust.verdict(card)}


def _lead(scope: Scope, card: ModelCard, now: datetime) -> list[str]:
    """What stands above the contents: whether it is invented, the verdict, about which data, and the four figures."""
    label = '<p><span class="label">Synthetic: an invented company</span></p>' if card.synthetic else ""
    about = (f"{scope.run.customers:,} customers as of {scope.run.as_of:%d %B %Y}, run {scope.run.run_id}, "
             f"model {card.model_id}; written {now:%d %B %Y}.")
    return [label, f'<p class="lead">{escape(trust.verdict(card))}</p>', f'<p class="muted">{escape(about)}</p>',
            _severe(card),
            tiles((told.label, told.value, told.beside, told.says) for told in trust.headlines(card))]


def _severe(card: ModelCard) -> str:
    """Findings that head every figure."""
    told = [card_words.told(card, finding) for finding in card.findings if finding.severity == "severe"]
    return block("Before anything else", listing(told), kind="block severe") if told else ""


def _sections(scope: Scope, card: ModelCard, figures: Figures) -> list[Section]:
    """All sections, in reading order."""
    currency = scope.dataset.currency
    return [
        _segments(scope, card, currency, figures), _recovery(scope, card, currency, figures),
        _ranking(card, figures), _calibration(card, figures),
        _threshold(card, figures), _drivers(scope, card, currency, figures), _value(card, currency, figures),
        _checks(card, figures), _stress(card, figures), _card(card, currency), _synthetic(scope, card),
    ]


def _segments(scope: Scope, card: ModelCard, currency: str, figures: Figures) -> Section:
    stands = overview.standing(scope, overview.doubt(card))
    if not stands.customers:
        return Section("Where do we stand", "Everybody in these data has left already.")
    leavers, margin = stands.leavers, stands.margin_at_risk
    says = (f"Of {stands.customers:,} customers still there {leavers.value:,.0f} ({leavers.low:,.0f} to "
            f"{leavers.high:,.0f}) are expected to leave within {card.horizon_days} days; "
            f"{money(margin.value, currency)} ({money_range(margin.low, margin.high, currency)}) of "
            "margin is at risk. Intervals: 90 %.")
    return Section("Where do we stand", says).add(
        block("Segments", table(_segment_rows(stands.segments, currency))),
        figures.pair(standing.margin_by_segment(stands.segments, currency, LIGHT),
                     standing.ltv_by_segment(distributions.densities(scope), currency, LIGHT)),
        figures.pair(_quadrant(scope, currency), *_spreads(scope, currency)))


def _quadrant(scope: Scope, currency: str) -> Chart:
    """Value beside risk, in bins: no single customer is a point of it."""
    axes = quadrant.axes(scope)
    return plane.bins(quadrant.plane(scope, axes), axes, "Click", currency, LIGHT)


def _spreads(scope: Scope, currency: str) -> list[Chart]:
    """How what customers bring is spread, where the data say what they bring."""
    return [standing.histogram(distributions.histogram(scope, column), currency, LIGHT)
            for column in distributions.money_columns(scope)[:1]]


def _recovery(scope: Scope, card: ModelCard, currency: str, figures: Figures) -> Section:
    """What the screen Revenue Recovery begins with."""
    if not scope.dataset.worth_in_money:
        return Section("What would a campaign bring back", insight.NO_MONEY)
    starts = insight.recovery_starts(scope)
    scenario = insight.first_scenario(scope, starts)
    found = insight.simulate(insight.recovery_cells(scope, overview.doubt(card)), scenario)
    says = f"{insight.recovery_sentence(found, currency)} {insight.rates_words(starts, scenario)}"
    told = Section("What would a campaign bring back", says)
    refused = [f"{segment}: no saves are credited. {why}" for segment, why in found.refused.items()]
    if refused:
        told.add(block("Left out", listing(refused)))
    if found.whole:
        told.add(figures.pair(returns.budget(found, currency, LIGHT)))
    if found.total.customers:
        told.add(figures.pair(returns.flow(found, currency, LIGHT), returns.pays_from(found, currency, LIGHT)))
    return told.add(block("What was set", table(_terms(scenario, starts, currency)),
                          "Of those who would have stayed anyway, "
                          f"{share(scenario.redemption)} are taken to accept the offer too."))


def _terms(scenario: insight.Scenario, starts: Mapping[str, insight.Start], currency: str) -> pd.DataFrame:
    return pd.DataFrame([{
        "Segment": segment, "Leavers kept": share(terms.recovery_rate),
        "Per contact": money(terms.contact_cost, currency), "Per offer taken": money(terms.offer_cost, currency),
        "Step": starts[segment].treatment.words,
        "Where the rate comes from": starts[segment].source(terms.recovery_rate)}
        for segment, terms in scenario.segments.items()])


def _segment_rows(segments: pd.DataFrame, currency: str) -> pd.DataFrame:
    return pd.DataFrame({
        "Segment": segments["segment"], "Customers": segments["customers"],
        "Share of customers": segments["share"].map(share),
        "Mean chance to leave": segments["churn_probability"].map(share),
        "Mean LTV": [money(value, currency) for value in segments["expected_ltv"]],
        "Margin at risk": [money(value, currency) for value in segments["margin_at_risk"]],
        "Share of the margin": segments["margin_share"].map(share)})


def _ranking(card: ModelCard, figures: Figures) -> Section:
    return Section("Does it know who leaves before whom").add(
        figures.pair(performance.roc(card, LIGHT), performance.precision_recall(card, LIGHT)),
        figures.pair(performance.gain(card, LIGHT), performance.lift(card, LIGHT)),
        figures.pair(robustness.algorithms(card, LIGHT), robustness.algorithm_differences(card, LIGHT)),
        block("Every measure beside rule and chance", table(card_words.metrics_table(card)),
              "On customers the model had not seen, with 95 % intervals."))


def _calibration(card: ModelCard, figures: Figures) -> Section:
    return Section("Do its probabilities mean what they say").add(
        figures.pair(performance.reliability(card, LIGHT), performance.coverage(card, LIGHT)),
        figures.pair(robustness.seasons(card, LIGHT), robustness.over_time(card, LIGHT)),
        figures.pair(robustness.balance(card, LIGHT)))


def _threshold(card: ModelCard, figures: Figures) -> Section:
    ratio = trust.cost_ratio(card)
    found = trust.outcome(card, card.threshold, ratio)
    return Section("What does its threshold do", _does(card, found, ratio) if found else "").add(
        figures.pair(performance.confusion(card, LIGHT, card.threshold),
                     performance.cost(card, LIGHT, card.threshold, ratio)))


def _does(card: ModelCard, found: trust.AtThreshold, ratio: float) -> str:
    return f"{trust.outcome_words(found)} {trust.cost_words(card, found, ratio)}"


def _drivers(scope: Scope, card: ModelCard, currency: str, figures: Figures) -> Section:
    strongest = overview.drivers(scope)
    followed = list(explained.features_with_dependence(card))[:FOLLOWED]
    courses = [explained.dependence(card, LIGHT, name, currency) for name in followed]
    says = "What goes with leaving, by the model. It need not be what causes it."
    return Section("What drives leaving, and what drives value", says).add(
        figures.pair(explained.swarm(card, LIGHT, currency), explained.importance(card, LIGHT)),
        figures.pair(explained.cross_model(card, LIGHT),
                     None if strongest.empty else standing.drivers(strongest, currency, LIGHT)),
        *(figures.pair(*courses[at:at + 2]) for at in range(0, len(courses), 2)))


def _value(card: ModelCard, currency: str, figures: Figures) -> Section:
    return Section("Are the values right, and how long do customers stay").add(
        figures.pair(worth.predicted_and_actual(card, LIGHT, currency), worth.value_deciles(card, LIGHT, currency)),
        figures.pair(worth.survival_deciles(card, LIGHT)),
        block("Every measure of the values", table(card_words.value_table(card, currency)), "With 95 % intervals."))


def _checks(card: ModelCard, figures: Figures) -> Section:
    found = [f"{finding.severity}: {card_words.told(card, finding)}" for finding in card.findings]
    shut_out = card_words.quarantine_table(card)
    return Section("Does any column know the answer").add(
        figures.pair(robustness.single_columns(card, LIGHT)),
        block("Findings", listing(found or ["Nothing was found that a person needs to look at."])),
        block("Columns that know the answer, shut out", table(shut_out) if len(shut_out) else listing(["None."])))


def _stress(card: ModelCard, figures: Figures) -> Section:
    chart = robustness.stress(card, LIGHT)
    absent = "It was judged quickly, so it was not stressed."
    return Section("What if the data get worse", "" if chart else absent).add(figures.pair(chart))


def _card(card: ModelCard, currency: str) -> Section:
    return Section("Model card").add(
        block("What it is", pairs(card_words.identity(card))),
        block("How it was made", pairs(card_words.settings_words(card)), "Everything a person could have decided."),
        block("What to mind", listing(card.notes)), block("Its limits", listing(card_words.limits(card))),
        block("What it looks at", table(card_words.features_table(card, currency))))


def _synthetic(scope: Scope, card: ModelCard) -> Section:
    sources = [f"{source.name}: {source.rows:,} rows, SHA-256 {source.sha256}" for source in scope.dataset.sources]
    told = ("The company, its customers and all that happened to them are generated; the figures of this report show "
            "the method and say nothing of real customers." if card.synthetic else
            "Nothing in this report is synthetic: every figure was computed from the files below.")
    return Section("What is synthetic", told).add(block("Sources", listing(sources)))
