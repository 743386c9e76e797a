"""A company's rules for campaigns: when a second person approves, how often and when anybody may be contacted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine import saved, state
from engine.errors import EngineError, choose
from engine.permissions import allow
from engine.schema import Actor

KIND, NAME = "rules", "campaigns"
LIMIT = "spend_limit"
HOURS = 24


@dataclass(frozen=True)
class Rules:
    """What holds for every campaign of a dataset.

    spend_limit: above it a second person approves [currency]. holdout_share: kept untreated to measure [0..0.5].
    most_contacts within within_days: across all campaigns, per customer. SMS and calls only from from_hour up to, not
    including, until_hour, where the customer is if the data have a column `timezone`, else in `timezone`.
    desk_minutes: what the save desk can work in a day. All are defaults of ours until the company sets its own.
    """

    spend_limit: float = 5_000.0
    holdout_share: float = 0.10
    most_contacts: int = 4
    within_days: int = 30
    from_hour: int = 8
    until_hour: int = 21
    timezone: str = "UTC"
    desk_minutes: float = 420.0

    def __post_init__(self) -> None:
        zone(self.timezone)
        if not 0 <= self.from_hour < self.until_hour <= HOURS:
            raise EngineError(f"Contact from {self.from_hour} until {self.until_hour} o'clock cannot be. Give hours "
                              "within 0..24, the first one earlier.")
        if not 0 <= self.holdout_share <= 0.5:
            raise EngineError(f"A holdout of {self.holdout_share:g} cannot be. Give a share within 0..0.5.")
        least = {name: getattr(self, name) for name in ("spend_limit", "most_contacts", "within_days", "desk_minutes")}
        for name, value in least.items():
            if not value >= 0:
                raise EngineError(f"{name} is {value!r}; give a number of at least 0.")


def zone(name: str) -> ZoneInfo:
    """The time zone of that name; EngineError when there is none.

    >>> zone("Europe/Berlin").key
    'Europe/Berlin'
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise EngineError(f"There is no time zone {name!r}. Write it like Europe/Berlin or UTC.") from problem


def rules(dataset: str, *, actor: Actor) -> Rules:
    """The dataset's rules; the defaults for what nobody has set."""
    found = next((one for one in saved.kept(KIND, dataset, actor=actor) if one.name == NAME), None)
    return Rules(**(found.content if found else {}))


def set_rules(dataset: str, changes: Mapping[str, Any], *, actor: Actor, now: datetime) -> Rules:
    """Change some of the dataset's rules; returns all of them. The spend limit is an admin's alone.

    Raises:
        EngineError: when there is no such rule, or a value makes no sense.
    """
    allow(actor, "rules")
    if LIMIT in changes:
        allow(actor, LIMIT)
    known = {field.name: field for field in fields(Rules)}
    for name in changes:
        choose("rule", name, known)
    new = Rules(**{**asdict(rules(dataset, actor=actor)), **changes})
    saved.keep(KIND, dataset, NAME, asdict(new), actor=actor, now=now)
    state.record(actor, "rules", dataset, now, dict(changes))
    return new


def read_changes(asked: Iterable[str]) -> dict[str, Any]:
    """Changes written as RULE=VALUE, each value as its rule's kind.

    Raises:
        EngineError: when one is not written so, or there is no such rule.

    >>> read_changes(["spend_limit=2500", "timezone=Europe/Berlin"])
    {'spend_limit': 2500.0, 'timezone': 'Europe/Berlin'}
    """
    kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(Rules)}
    found: dict[str, Any] = {}
    for text in asked:
        name, _, value = text.partition("=")
        kind = choose("rule", name.strip(), kinds)
        try:
            found[name.strip()] = kind(value.strip())
        except ValueError as problem:
            raise EngineError(f"{text!r} cannot be read. Write it like spend_limit=2500.") from problem
    return found
