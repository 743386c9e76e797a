"""What a recovery campaign rests on: who may be contacted, by the scores, and what is known of each rate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from engine.campaign.contact_rules import WORDS
from engine.decision.consents import CONSENTS
from engine.decision.effects import Effects
from engine.decision.guardrails import ADDRESS, AGREED
from engine.decision.playbooks import Treatment
from engine.decision.recovery.plan import CELLS
from engine.decision.recovery.terms import AT_RISK, STRENGTH, Scenario, Terms, first_paying
from engine.insight.learned_rates import learned_rates
from engine.insight.overview import Z90, Doubt
from engine.insight.past import effects_of
from engine.insight.planned import agrees_sql, literal
from engine.insight.reach import unreached
from engine.insight.source import Scope, ask, columns
from engine.schema import SEGMENTS, Estimate, plural, share

EXACT = 500
RATE_STEP = 0.005
LEAST_MONEY = 1e-9
LEFT_OUT = ("count(*) FILTER (NOT agreed)::INTEGER AS refused, "
            "count(*) FILTER (agreed AND unreached)::INTEGER AS unreached")
NO_MONEY = ("The data hold no money: what a customer is worth is counted in months, and no cost can be weighed against "
            "it. Bring the file once more and name the column with what a customer pays.")

CELLS_SQL = f"""
WITH told AS MATERIALIZED (
    SELECT segment, churn_probability AS p, ltv_if_stays AS worth, churn_high - churn_low AS span, customer_id,
           ln(greatest(margin_at_risk, {LEAST_MONEY})) AS size, {{agreed}} AS agreed, {{unreached}} AS unreached
    FROM people WHERE coalesce(hold_back, '') = ''),
reached AS (SELECT * FROM told WHERE agreed AND NOT unreached AND {{carried}}),
cells AS (
    SELECT segment, count(*)::DOUBLE AS customers, sum(p) AS leavers, sum(p * worth) AS at_risk,
           sum(p * worth * worth) AS squares, sum(v) AS noise, sum(v * worth) AS noise_worth,
           sum(v * worth * worth) AS noise_squares, sum(w) AS drift, sum(w * worth) AS drift_worth
    FROM (SELECT *, ? * p * (1 - p) + pow(span / {2 * Z90}, 2) AS v, ? * p * (1 - p) AS w FROM reached)
    JOIN (SELECT segment, count(*) AS many, avg(size) AS middle FROM reached GROUP BY segment) USING (segment)
    GROUP BY segment, CASE WHEN many <= {EXACT} THEN customer_id END, least(floor(5 * p), 4),
             greatest(-50, least(49, floor(16 * (size - middle))))),
left_out AS (SELECT segment, {LEFT_OUT} FROM told GROUP BY segment)
SELECT * FROM (SELECT true AS cell, * FROM cells UNION ALL BY NAME SELECT false AS cell, * FROM left_out)
ORDER BY segment, at_risk / customers DESC, leavers
"""


@dataclass(frozen=True)
class Contactable:
    """Whom a campaign can contact, and how many it cannot.

    cells: customers who are still there, not held back and, as far as the data say, can be reached through the channel
    of their segment's step and agree to it, in groups of about the same chance and margin at risk: CELLS. left_out: by
    segment how many are there and not held back, but do not agree to that channel (refused), or do and have no address
    for it (unreached).
    """

    cells: pd.DataFrame
    left_out: pd.DataFrame


@dataclass(frozen=True)
class Start:
    """What a segment's sliders begin with: its step in the playbook, the terms, and what is known of the rate.

    measured: as a plan takes it, from trials of the step: pooled with the playbook's assumption (insight/past.py), or,
    where that is usable, learned for each customer (insight/learned_rates.py); None where it was never tried, and the
    rate is that assumption. refused: customers who have not agreed to the step's channel and are not counted;
    unreached: those who have no address for it, and are not either.
    """

    segment: str
    treatment: Treatment
    terms: Terms
    measured: Estimate | None = None
    learned: bool = False
    refused: int = 0
    unreached: int = 0
    carried: bool = True

    @property
    def assumed(self) -> float:
        """The playbook's own recovery rate [0..1]."""
        return self.treatment.rate(self.segment)

    def source(self, rate: float) -> str:
        """Where a recovery rate comes from, in words: measured, or an assumption; and who is not counted."""
        return f"{self._whence(rate)} {self.left_out}".strip()

    @property
    def left_out(self) -> str:
        """Who is not counted, and why; "" where everybody is."""
        channel = self.treatment.channel
        if not self.carried:
            return f"Nobody is counted: by the playbook nothing goes out by {WORDS.get(channel, channel)} now."
        told = [_not_counted(self.refused, f"not agreed to {AGREED[self.treatment.channel]}") if self.refused else "",
                _not_counted(self.unreached, f"no {ADDRESS[self.treatment.channel]}") if self.unreached else ""]
        return " ".join(filter(None, told))

    def _whence(self, rate: float) -> str:
        if self.measured is None:
            return f"Assumption (the playbook's is {share(self.assumed)}); campaigns will measure it."
        low, high = share(self.measured.low), share(self.measured.high)
        doubt = ", so it may be nothing" if self.measured.low <= 0 else ""
        found = f"{share(self.measured.value)} kept, 90 % interval {low} to {high}{doubt}, n = {self.measured.n:,}"
        how = "learned customer by customer" if self.learned else f"pooled with the playbook's {share(self.assumed)}"
        begins = "Measured" if self.measures(rate) else "Assumption. Measured"
        return f"{begins} by trials of this step, {how}: {found}."

    def brief(self, rate: float) -> str:
        """The same in a few words."""
        if self.measured is None or not self.measures(rate):
            return "assumption"
        return f"measured by trials, n = {self.measured.n:,}"

    def measures(self, rate: float) -> bool:
        """Whether that rate is the measured one, as far as the slider can say it."""
        return self.measured is not None and abs(rate - on_slider(self.measured.value)) < RATE_STEP / 2


def _not_counted(number: int, what: str) -> str:
    """That so many customers have that against them.

    >>> _not_counted(1, "no telephone number")
    '1 customer has no telephone number and is not counted.'
    """
    has, is_ = ("has", "is") if number == 1 else ("have", "are")
    return f"{plural(number, 'customer')} {has} {what} and {is_} not counted."


def rates_words(starts: Mapping[str, Start], scenario: Scenario) -> str:
    """How many of the scenario's recovery rates anything has measured, in a sentence; "" when it has none.

    >>> rates_words({}, Scenario({}, 0.0))
    ''
    >>> from engine.decision.playbooks import playbook
    >>> step = first_paying(playbook("telecom"), "Champion")
    >>> terms = Terms(step.contact_cost, step.offer_cost, 0.1)
    >>> rates_words({"Champion": Start("Champion", step, terms)}, Scenario({"Champion": terms}, 0.0))
    'The recovery rates are assumptions until campaigns measure them.'
    """
    told = [starts[name].measures(terms.recovery_rate) for name, terms in scenario.segments.items()]
    if not any(told):
        return "The recovery rates are assumptions until campaigns measure them." if told else ""
    if all(told):
        return "The recovery rates are as measured by trials."
    return (f"{sum(told)} of {len(told)} recovery rates are as measured by trials, the others assumptions until "
            "campaigns measure them.")


def recovery_cells(scope: Scope, doubt: Doubt) -> pd.DataFrame:
    """The groups of those who can be contacted: CELLS, none where the data hold no money (see NO_MONEY)."""
    return contactable(scope, doubt).cells


def contactable(scope: Scope, doubt: Doubt) -> Contactable:
    """Who can be contacted, in one question.

    At most 500 groups per segment; a segment of at most 500 customers has each of them alone. What is unsure about
    their chances is counted as in `engine.insight.overview`. No groups where the data hold no money.
    """
    if not scope.dataset.worth_in_money:
        none = pd.DataFrame(columns=list(CELLS)).astype({name: float for name in CELLS if name != "segment"})
        return Contactable(none, _left_out(scope))
    learning = scope.run.customers / max(doubt.learned_from, 1)
    held = _consents(scope)
    sql = CELLS_SQL.format(agreed=_agreed(scope, held), unreached=_without_address(scope), carried=_carried(scope))
    found = ask(scope, sql, [learning, doubt.level], known=held)
    counts = found[~found["cell"]].set_index("segment")[["refused", "unreached"]]
    return Contactable(found.loc[found["cell"], list(CELLS)].reset_index(drop=True), _by_segment(counts))


def _consents(scope: Scope) -> list[str]:
    """The consents that the data hold."""
    return [name for name in CONSENTS.values() if name in scope.dataset.names]


def _agreed(scope: Scope, held: Collection[str]) -> str:
    """SQL that is true for whoever agrees to the channel of their segment's step; what is not known is no agreement,
    what the data do not hold is not asked."""
    return _by_channel(_channels(scope), lambda channel: agrees_sql(channel, held), "true")


def _by_channel(channels: Mapping[str, str], says: Callable[[str], str], otherwise: str) -> str:
    """SQL of what is said of each channel, for the segments whose step goes by it; each is asked once."""
    said = {channel: says(channel) for channel in channels.values()}
    asked = {channel: sql for channel, sql in said.items() if sql and sql != otherwise}
    segments = {channel: [literal(name) for name, by in channels.items() if by == channel] for channel in asked}
    cases = " ".join(f"WHEN segment IN ({', '.join(segments[channel])}) THEN {sql}" for channel, sql in asked.items())
    return f"CASE {cases} ELSE {otherwise} END" if cases else otherwise


def _channels(scope: Scope) -> dict[str, str]:
    """The channel of each segment's step."""
    return {segment: step.channel for segment, step in _steps(scope).items()}


def _steps(scope: Scope) -> dict[str, Treatment]:
    """Each segment's step: the first that costs anything and is open to these data."""
    known, book = {*scope.dataset.names, *columns(scope)}, scope.book
    return {segment: first_paying(book, segment, known) for segment in SEGMENTS}


def _without_address(scope: Scope) -> str:
    """SQL that is true for whoever has no address for the channel of their segment's step."""
    held = scope.dataset.names
    return _by_channel(_channels(scope), lambda channel: unreached(channel, held), "false")


def _reached(scope: Scope, held: Collection[str]) -> str:
    """SQL that is true for whoever can be reached through the channel of their segment's step, and agrees to it."""
    return f"({_agreed(scope, held)} AND NOT {_without_address(scope)} AND {_carried(scope)})"


def _carried(scope: Scope) -> str:
    """SQL that is false for segments whose step goes by a channel that the playbook lets carry nothing."""
    book = scope.book
    closed = [literal(segment) for segment, channel in _channels(scope).items() if not book.carries(channel)]
    return f"segment NOT IN ({', '.join(closed)})" if closed else "true"


def _left_out(scope: Scope) -> pd.DataFrame:
    """Contactable.left_out alone."""
    held = _consents(scope)
    sql = f"""SELECT segment, {LEFT_OUT}
              FROM (SELECT segment, {_agreed(scope, held)} AS agreed, {_without_address(scope)} AS unreached
                    FROM people WHERE coalesce(hold_back, '') = '') GROUP BY segment"""
    return _by_segment(ask(scope, sql, known=held).set_index("segment"))


def _by_segment(counts: pd.DataFrame) -> pd.DataFrame:
    return counts.reindex(list(SEGMENTS)).fillna(0).astype(int)


def recovery_starts(scope: Scope, left_out: pd.DataFrame | None = None) -> dict[str, Start]:
    """What each segment's campaign begins with: the playbook's first step that costs anything, and the recovery rate
    that a plan takes, as near as a slider can stand to it; 0 for a step that drives people away.

    left_out: of `contactable`, where that is known already.
    """
    known, out = effects_of(scope), _left_out(scope) if left_out is None else left_out
    steps, book = _steps(scope), scope.book
    held = _consents(scope)
    learned = learned_rates(scope, known, {segment: step.name for segment, step in steps.items()},
                            _reached(scope, held), held)
    return {segment: replace(_start(segment, step, known, learned.get(segment)),
                             refused=int(out["refused"].loc[segment]), unreached=int(out["unreached"].loc[segment]),
                             carried=book.carries(step.channel))
            for segment, step in steps.items()}


def first_scenario(scope: Scope, starts: Mapping[str, Start]) -> Scenario:
    """What is simulated before anybody has set anything: the segments at risk, within the playbook's budget."""
    return Scenario({segment: starts[segment].terms for segment in AT_RISK}, scope.book.plan.budget)


def _start(segment: str, step: Treatment, known: Effects, learned: Estimate | None) -> Start:
    """A step that no plan makes, as winning back is none, is believed to do what the playbook says."""
    begun = Start(segment, step, Terms(step.contact_cost, step.offer_cost, on_slider(step.rate(segment)), STRENGTH))
    cell = (step.name, segment)
    if cell not in known.table.index or not known.tried(step.name):
        return begun
    found, deviation = known.estimate(*cell), float(known.table["deviation"].loc[cell])
    if learned is not None:
        found, deviation = learned, (learned.high - learned.low) / (2 * Z90)
    terms = replace(begun.terms, recovery_rate=on_slider(found.value), strength=strength_of(found.value, deviation))
    return replace(begun, terms=terms, measured=found, learned=learned is not None)


def strength_of(rate: float, deviation: float) -> float:
    """The strength of the Beta of that mean and standard deviation, m (1 - m) / s^2 - 1 with m in .01 to .99; at least
    1.

    >>> round(strength_of(0.3, 0.06))
    57
    """
    mean = min(max(rate, 0.01), 0.99)
    return max(mean * (1 - mean) / deviation**2 - 1, 1.0)


def on_slider(rate: float) -> float:
    """A recovery rate where a slider can stand.

    >>> on_slider(0.0523), on_slider(-0.1)
    (0.05, 0.0)
    """
    return round(round(min(max(rate, 0.0), 1.0) / RATE_STEP) * RATE_STEP, 6)
