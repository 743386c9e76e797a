"""What a recovery scenario assumes, and where no saves may be credited at all."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from engine.decision.consents import unsaid
from engine.decision.playbooks import Playbook, Treatment
from engine.errors import EngineError
from engine.schema import SEGMENTS, plural

AT_RISK = ("At-Risk VIP", "Vulnerable", "Losing Customer")
REDEMPTION = 0.5
STRENGTH = 20.0
LEAST_LEAVERS, LEAST_SHARE = 5.0, 0.01


@dataclass(frozen=True)
class Terms:
    """What a campaign to one segment costs and keeps.

    contact_cost: per customer contacted [currency]. offer_cost: per customer who takes the offer [currency].
    recovery_rate: share of would-be leavers who are kept [0..1]. strength: how sure that rate is, as the number of
    would-be leavers on whom it would have been seen [1 or more].
    """

    contact_cost: float
    offer_cost: float
    recovery_rate: float
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        _within("contact cost", self.contact_cost, 0, math.inf)
        _within("offer cost", self.offer_cost, 0, math.inf)
        _within("recovery rate", self.recovery_rate, 0, 1)
        _within("strength of the assumption", self.strength, 1, math.inf)


@dataclass(frozen=True)
class Scenario:
    """Assumptions and a budget: what is simulated, saved by name and compared.

    segments: the terms of each segment that may be contacted. budget: most that may be invested [currency].
    redemption: share of those who would have stayed anyway who take the offer [0..1]. strength: of the terms that
    nothing has measured. whole_budget: go on where the next customer costs more than they bring.
    """

    segments: Mapping[str, Terms]
    budget: float
    redemption: float = REDEMPTION
    strength: float = STRENGTH
    whole_budget: bool = False

    def __post_init__(self) -> None:
        _within("budget", self.budget, 0, math.inf)
        _within("share who take the offer anyway", self.redemption, 0, 1)
        _within("strength of the assumption", self.strength, 1, math.inf)

    @staticmethod
    def of(content: Mapping[str, Any]) -> Scenario:
        """The scenario that was kept as plain values.

        >>> from engine.schema import jsonable
        >>> scenario = Scenario({"Vulnerable": Terms(4.0, 10.0, 0.1)}, budget=500.0)
        >>> Scenario.of(jsonable(scenario)) == scenario
        True
        """
        try:
            segments = {name: Terms(**terms) for name, terms in content["segments"].items() if name in SEGMENTS}
            return Scenario(**{**content, "segments": segments})
        except (KeyError, TypeError, AttributeError) as problem:
            raise EngineError("This scenario was kept by another version and cannot be read. Delete it and save it "
                              "anew.") from problem


def _within(what: str, value: float, low: float, high: float) -> None:
    if not (low <= value <= high and not math.isinf(value)):
        raise EngineError(f"The {what} is {value:g}; choose a number of at least {low:g}"
                          f"{'' if math.isinf(high) else f' and at most {high:g}'}.")


def first_paying(book: Playbook, segment: str, columns: Collection[str] | None = None) -> Treatment:
    """The segment's first step that costs anything; where none does, the cheapest of the playbook that does.

    columns: those that the data hold; steps come first that lack none which they need, and by channels to which
    somebody may have agreed.

    >>> from engine.decision.playbooks import playbook
    >>> first_paying(playbook("telecom"), "Champion").name
    'service_email'
    """
    steps = [book.treatments[name] for name in book.segments[segment]]
    if columns is not None:
        steps.sort(key=lambda step: bool(step.lacks(columns)) or unsaid(step.channel, columns))
    paid = [step for step in book.treatments.values() if step.contact_cost > 0]
    return next((step for step in steps if step.contact_cost > 0), min(paid, key=lambda step: step.contact_cost))


def refusal(customers: float, leavers: float) -> str:
    """Why no saves may be credited to a segment; "" where they may.

    Whoever would have stayed cannot be kept: below five expected leavers, or one in a hundred customers, the model's
    own error is larger than anything a campaign could show.

    >>> refusal(400, 55.0)
    ''
    >>> refusal(400, 2.2)
    'Of 400 customers only 2.2 are expected to leave: where (almost) nobody leaves, nobody can be kept.'
    """
    if not customers:
        return ("Nobody to contact: all customers of this segment have left, are held back, have not agreed to it or "
                "cannot be reached that way, or nothing goes out that way now.")
    if leavers >= max(LEAST_LEAVERS, LEAST_SHARE * customers):
        return ""
    return (f"Of {plural(round(customers), 'customer')} only {leavers:.1f} are expected to leave: where (almost) "
            "nobody leaves, nobody can be kept.")
