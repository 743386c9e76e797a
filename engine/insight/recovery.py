"""What a recovery campaign rests on: who may be contacted, by the scores, and what past offers have kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.decision.playbooks import Treatment
from engine.decision.recovery.measured import Arm, enough, kept_share, strength_of
from engine.decision.recovery.plan import CELLS
from engine.decision.recovery.terms import STRENGTH, Scenario, Terms, first_paying
from engine.insight.overview import Z90, Doubt
from engine.insight.planned import among
from engine.insight.source import Scope, ask, quoted
from engine.schema import SEGMENTS, Estimate, share

EXACT = 500
RATE_STEP = 0.005
LEAST_MONEY = 1e-9

CELLS_SQL = f"""
SELECT segment, count(*)::DOUBLE AS customers, sum(p) AS leavers, sum(p * worth) AS at_risk,
       sum(p * worth * worth) AS squares, sum(v) AS noise, sum(v * worth) AS noise_worth,
       sum(v * worth * worth) AS noise_squares, sum(w) AS drift, sum(w * worth) AS drift_worth
FROM (SELECT customer_id, segment, churn_probability AS p, ltv_if_stays AS worth,
             ? * p * (1 - p) + pow((churn_high - churn_low) / {2 * Z90}, 2) AS v, ? * p * (1 - p) AS w,
             ln(greatest(margin_at_risk, {LEAST_MONEY})) AS size
      FROM people WHERE coalesce(hold_back, '') = '')
JOIN (SELECT segment, count(*) AS many, avg(ln(greatest(margin_at_risk, {LEAST_MONEY}))) AS middle
      FROM people WHERE coalesce(hold_back, '') = '' GROUP BY segment) USING (segment)
GROUP BY segment, CASE WHEN many <= {EXACT} THEN customer_id END, least(floor(5 * p), 4),
         greatest(-50, least(49, floor(16 * (size - middle))))
ORDER BY segment, at_risk / customers DESC, leavers
"""
ARMS_SQL = """
SELECT treated, count(*) AS customers, sum(churned)::INTEGER AS left_, sum(weight) AS weight,
       sum(weight * churned) AS weight_left, sum(weight ** 2) AS squared, sum(weight ** 2 * churned) AS squared_left
FROM (SELECT treatment <> 'none' AS treated, churned, {weight} AS weight FROM offers
      WHERE churned IS NOT NULL AND propensity > 0 AND propensity < 1 AND {condition})
GROUP BY treated ORDER BY treated
"""


@dataclass(frozen=True)
class Start:
    """What a segment's sliders begin with: its step in the playbook, the terms, and what past offers say of the rate.

    measured: None where nothing has been measured. pooled: it is of all past offers together, not of this step.
    assumed: the playbook's own recovery rate [0..1].
    """

    segment: str
    treatment: Treatment
    terms: Terms
    measured: Estimate | None = None
    pooled: bool = False

    def source(self, rate: float) -> str:
        """Where a recovery rate comes from, in words: measured, or an assumption."""
        if self.measured is None:
            return f"Assumption (the playbook's is {share(self.treatment.recovery_rate)}); campaigns will measure it."
        low, high = share(self.measured.low), share(self.measured.high)
        doubt = ", so it may be nothing" if self.measured.low <= 0 else ""
        found = f"{share(self.measured.value)} kept, 90 % interval {low} to {high}{doubt}, n = {self.measured.n:,}"
        what = "all past offers together (this step was not tried)" if self.pooled else "past offers of this step"
        return f"{'Measured' if self.measures(rate) else 'Assumption. Measured'} on {what}: {found}."

    def brief(self, rate: float) -> str:
        """The same in a few words."""
        if self.measured is None or not self.measures(rate):
            return "assumption"
        return f"measured on {'all past' if self.pooled else 'such'} offers, n = {self.measured.n:,}"

    def measures(self, rate: float) -> bool:
        """Whether that rate is the measured one, as far as the slider can say it."""
        return self.measured is not None and abs(rate - on_slider(self.measured.value)) < RATE_STEP / 2


def rates_words(starts: Mapping[str, Start], scenario: Scenario) -> str:
    """How many of the scenario's recovery rates anything has measured, in a sentence; "" when it has none.

    >>> rates_words({}, Scenario({}))
    ''
    >>> from engine.decision.playbooks import playbook
    >>> step = first_paying(playbook("telecom"), "Champion")
    >>> terms = Terms(step.contact_cost, step.offer_cost, 0.1)
    >>> rates_words({"Champion": Start("Champion", step, terms)}, Scenario({"Champion": terms}))
    'The recovery rates are assumptions until campaigns measure them.'
    """
    told = [starts[name].measures(terms.recovery_rate) for name, terms in scenario.segments.items()]
    if not any(told):
        return "The recovery rates are assumptions until campaigns measure them." if told else ""
    if all(told):
        return "The recovery rates are as measured on past offers."
    return (f"{sum(told)} of {len(told)} recovery rates are as measured on past offers, the others assumptions until "
            "campaigns measure them.")


def recovery_cells(scope: Scope, doubt: Doubt) -> pd.DataFrame:
    """Customers who are still there and not held back, in groups of about the same chance and margin at risk: CELLS.

    At most 500 groups per segment; a segment of at most 500 customers has each of them alone. What is unsure about
    their chances is counted as in `engine.insight.overview`.
    """
    learning = scope.run.customers / max(doubt.learned_from, 1)
    return ask(scope, CELLS_SQL, [learning, doubt.level])[list(CELLS)]


def recovery_starts(scope: Scope) -> dict[str, Start]:
    """What each segment's campaign begins with: the playbook's first step that costs anything, and a recovery rate.

    The rate is as measured on past offers of that step, else on all of them together, else the playbook's assumption.
    A measurement of nothing or less begins with the assumption while its interval holds that, otherwise with nothing.
    """
    book = scope.book
    steps = {segment: first_paying(book, segment) for segment in SEGMENTS}
    tried = {step.name: _measured(scope, step) for step in steps.values()} if _randomised(scope) else {}
    everything = _pooled(scope) if tried else None
    return {segment: _start(segment, step, tried.get(step.name), everything) for segment, step in steps.items()}


def _start(segment: str, step: Treatment, own: Estimate | None, everything: Estimate | None) -> Start:
    measured = own or everything
    if measured is None:
        return Start(segment, step, Terms(step.contact_cost, step.offer_cost, step.recovery_rate, STRENGTH))
    told = measured.value > 0 or not measured.low <= step.recovery_rate <= measured.high
    rate = on_slider(measured.value) if told else step.recovery_rate
    terms = Terms(step.contact_cost, step.offer_cost, rate, strength_of(measured) if told else STRENGTH)
    return Start(segment, step, terms, measured, pooled=own is None)


def on_slider(rate: float) -> float:
    """A recovery rate where a slider can stand.

    >>> on_slider(0.0523), on_slider(-0.1)
    (0.05, 0.0)
    """
    return round(round(min(max(rate, 0.0), 1.0) / RATE_STEP) * RATE_STEP, 6)


def _randomised(scope: Scope) -> bool:
    """Whether the dataset holds past offers whose chances are known."""
    return scope.dataset.offers is not None and {"treatment", "propensity", "churned"} <= set(_columns(scope))


def _columns(scope: Scope) -> list[str]:
    return [str(name) for name in ask(scope, "SELECT * FROM offers LIMIT 0")]


def _measured(scope: Scope, step: Treatment) -> Estimate | None:
    """What past offers of this step kept, among those to whom it can be offered."""
    fits = [among(quoted(column), allowed) for column, allowed in step.only_if.items() if column in _columns(scope)]
    condition = " AND ".join(["treatment IN (?, 'none')", *fits])
    return _compared(scope, "1 / propensity", condition, [step.name], step.name.replace("_", " "))


def _pooled(scope: Scope) -> Estimate | None:
    """What any past offer kept, where everybody had the same chance of none; otherwise it is not known."""
    chances = ask(scope, "SELECT count(DISTINCT propensity) AS chances FROM offers WHERE treatment = 'none'")
    return _compared(scope, "1.0", "true", [], "any offer") if chances["chances"].iloc[0] == 1 else None


def _compared(scope: Scope, weight: str, condition: str, given: Sequence[Any], what: str) -> Estimate | None:
    rows = ask(scope, ARMS_SQL.format(weight=weight, condition=condition), given)
    arms = {bool(row.treated): Arm(*row[2:]) for row in rows.itertuples()}
    if len(arms) < 2 or not enough(arms[True], arms[False]):
        return None
    return kept_share(arms[True], arms[False], what)
