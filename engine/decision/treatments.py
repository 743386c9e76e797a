"""What a team can do: treatments and their offers, channels, teams and guardrails; together a sector's playbook."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from engine.decision.consents import unsaid

MOST_STEPS = 4
LEAVE_ALONE = "leave_alone"
WIN_BACK = "win_back"
CHANNELS = ("email", "sms", "phone", "post", "app", "none")
STRENGTH = 20.0
ASSUMPTION = "assumption"


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`, both included; what is missing or no number lies in none.

    >>> 12 in Range(6), 5.9 in Range(6), None in Range(6), float("nan") in Range(6)
    (True, False, False, False)
    """

    least: float = -math.inf
    most: float = math.inf

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Real) and self.least <= float(value) <= self.most

    def __str__(self) -> str:
        if math.isinf(self.most):
            return f"at least {self.least:g}"
        return f"at most {self.most:g}" if math.isinf(self.least) else f"{self.least:g} to {self.most:g}"


Allowed = tuple[Any, ...] | Range


@dataclass(frozen=True)
class Treatment:
    """Something a team can do for a customer.

    contact_cost: per customer contacted; offer_cost: per customer who takes what is offered [currency]; instead of it
    offer_share of the customer's revenue for offer_months, or free_months of that revenue. redemption: share of those
    who would have stayed anyway who take the offer too [0..1]. minutes: a person's time per contact.
    recovery_rate: the share of those who would have left whom it keeps [0..1], an assumption until it is measured;
    by_segment: the same where a segment differs; strength: how many would-be leavers that assumption is worth; source:
    where it is from. only_if: column -> the values, or the range, it must have; a column that the data do not hold
    rules nothing out, unless it is among needs: then the treatment answers what that column says. cooldown_days: rest
    before the customer is contacted again. most: customers per plan.
    """

    name: str
    words: str
    channel: str
    contact_cost: float
    only_if: Mapping[str, Allowed] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    offer_cost: float = 0.0
    recovery_rate: float = 0.05
    offer_share: float = 0.0
    offer_months: float = 0.0
    free_months: float = 0.0
    redemption: float = 0.5
    minutes: float = 0.0
    strength: float = STRENGTH
    by_segment: Mapping[str, float] = field(default_factory=dict)
    source: str = ASSUMPTION
    cooldown_days: float = 30.0
    most: float = math.inf
    messages: tuple[str, ...] = ()

    def fits(self, customer: Mapping[str, Any]) -> bool:
        """True when the customer's values allow the treatment.

        >>> lock_in = Treatment("lock_in", "Offer a contract.", "phone", 4.0, {"contract": ("Month-to-month",)})
        >>> lock_in.fits({"contract": "Two year"}), lock_in.fits({"contract": "Month-to-month"}), lock_in.fits({})
        (False, True, True)
        >>> Treatment("mend", "Mend it.", "phone", 6.0, {"tickets": Range(1)}, needs=("tickets",)).fits({})
        False
        """
        fitting = (customer[column] in allowed for column, allowed in self.only_if.items() if column in customer)
        return not self.lacks(customer) and all(fitting)

    def lacks(self, columns: Collection[str]) -> tuple[str, ...]:
        """What it needs of those columns and they have not: then it can be offered to nobody."""
        return tuple(name for name in self.needs if name not in columns)

    def offer_price(self, monthly_revenue: Any) -> Any:
        """What the offer costs of each customer who takes it [currency]; of one number or of an array of them.

        >>> Treatment("d", "Half off.", "email", 0.1, offer_share=0.5, offer_months=6).offer_price(50.0)
        150.0
        """
        return self.offer_cost + (self.offer_share * self.offer_months + self.free_months) * monthly_revenue

    def rate(self, segment: str) -> float:
        """The assumed recovery rate in that segment [0..1].

        >>> Treatment("call", "Call.", "phone", 4.0, recovery_rate=0.1, by_segment={"Champion": 0.02}).rate("Champion")
        0.02
        """
        return self.by_segment.get(segment, self.recovery_rate)

    @property
    def offer_words(self) -> str:
        """The offer's terms: "10 % off for 6 months"; "" where nothing is offered.

        >>> Treatment("d", "A month free.", "email", 0.1, free_months=1).offer_words
        '1 month free'
        """
        if self.offer_share:
            return f"{100 * self.offer_share:g} % off for {_months(self.offer_months)}"
        if self.free_months:
            return f"{_months(self.free_months)} free"
        return f"worth {self.offer_cost:g}" if self.offer_cost else ""

    @property
    def acts(self) -> bool:
        """Whether it is something to do for a customer who is still there: neither leaving alone nor winning back."""
        return self.name not in (LEAVE_ALONE, WIN_BACK)


def _months(count: float) -> str:
    return f"{count:g} month{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Channel:
    """How customers are reached: contacts a day that it can carry, and the team that makes them ("" = nobody's)."""

    name: str
    contacts_a_day: float = math.inf
    team: str = ""


@dataclass(frozen=True)
class Guardrails:
    """When an offer is left out although it could be made.

    least_roi: below that return per unit of cost. payback_days: when earning the cost back at today's margin takes
    longer. most_of_ltv: when the cost exceeds that share of the lifetime value [0..1]. sleeping_dogs: when contact is
    expected to drive the customer away.
    """

    least_roi: float = 0.0
    payback_days: float = 90.0
    most_of_ltv: float = 0.10
    sleeping_dogs: bool = True


@dataclass(frozen=True)
class Terms:
    """What a plan begins with: its budget [currency], and over how many days it is carried out."""

    budget: float = 50_000.0
    days: float = 10.0


@dataclass(frozen=True)
class Playbook:
    """A sector's treatments by name, each segment's next steps in order, and what limits a plan.

    teams: minutes a day of each. minimum_tenure_months: below it no action, by the column that holds the tenure.
    reasons: a driver's name, or a part of it -> what may be said of it to the customer. banned: phrases never said.
    """

    sector: str
    treatments: Mapping[str, Treatment]
    segments: Mapping[str, tuple[str, ...]]
    minimum_tenure_months: float = 0.0
    minimum_tenure_column: str = ""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    teams: Mapping[str, float] = field(default_factory=dict)
    guardrails: Guardrails = Guardrails()
    plan: Terms = Terms()
    reasons: Mapping[str, str] = field(default_factory=dict)
    banned: tuple[str, ...] = ()

    def steps(self, segment: str, customer: Mapping[str, Any], *, hold_back: str = "", has_left: bool = False,
              ) -> list[Treatment]:
        """The next steps for a customer of that segment, the best first; at most four, "leave alone" among them.

        What goes by a channel of which the data do not say who agreed, though they do of others, comes last. A customer
        who has left gets the win-back step; one whom the model must not judge is left alone.
        """
        if has_left:
            return [self.treatments[WIN_BACK]]
        if hold_back:
            return [self.treatments[LEAVE_ALONE]]
        planned = [self.treatments[name] for name in self.segments[segment]]
        fitting = sorted((step for step in planned if step.fits(customer)),
                         key=lambda step: unsaid(step.channel, customer))
        return fitting[:MOST_STEPS] or [self.treatments[LEAVE_ALONE]]

    def carries(self, channel: str) -> bool:
        """Whether anybody can be contacted through the channel: it, and the team that does it, have something to give.

        >>> Playbook("telecom", {}, {}, channels={"sms": Channel("sms", 0.0)}).carries("sms")
        False
        """
        found = self.channels.get(channel, Channel(channel))
        return found.contacts_a_day > 0 and self.teams.get(found.team, math.inf) > 0

    def acting(self) -> Iterator[Treatment]:
        """The treatments that are something to do for a customer who is still there, in the file's order."""
        return (treatment for treatment in self.treatments.values() if treatment.acts)

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The columns on which the treatments' eligibility hangs."""
        return tuple(dict.fromkeys(column for treatment in self.treatments.values() for column in treatment.only_if))

    @property
    def rules(self) -> str:
        """What of the playbook a scoring run depends on: who is held back for being new."""
        return f"minimum tenure {self.minimum_tenure_months!r} {self.minimum_tenure_column}"
