"""What limits a plan: its budget, caps per treatment, what channels can carry and teams have time for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.decision.budget import Limit
from engine.decision.economics import Priced
from engine.decision.guardrails import GUARDS
from engine.decision.treatments import CHANNELS, Playbook
from engine.errors import Infeasible

BUDGET = "budget"
MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Constraints:
    """What a plan must keep to; None or nothing named = as the playbook says.

    budget: the most that may be spent, by expected cost [currency]. days: working days over which the plan is carried
    out. most: customers per treatment; channels: contacts per channel; teams: minutes per team, all over the whole
    plan. only: these treatments alone. without: guardrails put aside, by name (GUARDS). method: of SOLVERS.
    """

    budget: float | None = None
    days: float | None = None
    most: Mapping[str, float] = field(default_factory=dict)
    channels: Mapping[str, float] = field(default_factory=dict)
    teams: Mapping[str, float] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    method: str = "auto"

    def settled(self, book: Playbook) -> Constraints:
        """With the playbook's own numbers where none is given.

        Raises:
            Infeasible: when something named does not exist or a number makes no sense; names all of it.
        """
        faults = list(self._faults(book))
        if faults:
            raise Infeasible("No plan can keep these constraints. " + " ".join(faults))
        days = book.plan.days if self.days is None else self.days
        caps = {one.name: self.most.get(one.name, one.most) for one in book.acting()}
        channels = {name: self.channels.get(name, channel.contacts_a_day * days)
                    for name, channel in book.channels.items()}
        teams = {name: self.teams.get(name, minutes * days) for name, minutes in book.teams.items()}
        budget = book.plan.budget if self.budget is None else self.budget
        return Constraints(budget, days, caps, {**channels, **self.channels}, teams, self.only, self.without,
                           self.method)

    def _faults(self, book: Playbook) -> Iterator[str]:
        acting = {treatment.name for treatment in book.acting()}
        yield from _unknown("treatment", [*self.most, *self.only], acting)
        yield from _unknown("channel", self.channels, set(CHANNELS))
        yield from _unknown("team", self.teams, set(book.teams))
        yield from _unknown("guardrail", self.without, {name for name, guard in GUARDS.items() if guard.asked})
        numbers = {BUDGET: self.budget, "days": self.days, **self.most, **self.channels, **self.teams}
        for name, value in numbers.items():
            if value is not None and (math.isnan(value) or value < 0):
                yield f"The limit of {name.replace('_', ' ')} is {value:g}: write a number of at least 0."


def _unknown(kind: str, names: object, known: set[str]) -> Iterator[str]:
    for name in names:  # type: ignore[attr-defined]
        if name not in known:
            yield f"There is no {kind} {name!r}: choose one of {', '.join(sorted(known)) or 'none'}."


def limits(priced: Priced, book: Playbook, kept: Constraints) -> tuple[Limit, ...]:
    """The constraints as limits of the optimiser; those that nothing uses, or that are infinite, are left out."""
    treatments = priced.treatments
    ones = np.array([1.0] * len(treatments))
    found = [Limit(BUDGET, priced.cost, float(kept.budget or 0.0))]
    found += [Limit(f"treatment:{one.name}", ones * [one is other for other in treatments], kept.most[one.name])
              for one in treatments]
    found += [Limit(f"channel:{name}", ones * [one.channel == name for one in treatments], most)
              for name, most in kept.channels.items()]
    found += [Limit(f"team:{name}", np.array([_minutes(one.channel, one.minutes, book, name) for one in treatments]),
                    most) for name, most in kept.teams.items()]
    return tuple(limit for limit in found if math.isfinite(limit.most) and limit.use.any())


def _minutes(channel: str, minutes: float, book: Playbook, team: str) -> float:
    return minutes if channel in book.channels and book.channels[channel].team == team else 0.0


def more(name: str) -> tuple[float, str]:
    """How many more units of a limit a person would think of, and how to say so.

    >>> more("team:agents"), more("treatment:loyalty_discount")
    ((2400.0, '40 more hours of agents'), (10.0, '10 more of loyalty discount'))
    """
    kind, _, what = name.partition(":")
    words = what.replace("_", " ")
    if kind == BUDGET:
        return 1_000.0, "the next 1,000 of budget"
    if kind == "team":
        return 40.0 * MINUTES_PER_HOUR, f"40 more hours of {words}"
    return (100.0, f"100 more contacts by {words}") if kind == "channel" else (10.0, f"10 more of {words}")
