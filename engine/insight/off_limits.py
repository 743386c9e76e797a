"""Whom no list may hold now: held out or treated by a running campaign, resting after a contact, or suppressed.

Suppression holds everywhere or for a channel. All of it changes while a run stays the same, so it is asked for anew
whenever a list is read or leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from engine import state
from engine.campaign import ledger, resting, suppression
from engine.campaign.contact_rules import EVERYWHERE
from engine.campaign.rules import rules
from engine.campaign.suppression import ADDRESS_COLUMNS, BY_ADDRESS, BY_ID
from engine.insight.planned import looked_at, planned
from engine.insight.source import Filters, Scope, ask
from engine.insight.worklist import Listing
from engine.permissions import allow
from engine.schema import Actor, plural


@dataclass(frozen=True)
class OffLimits:
    """held: the ids of those held out by a running campaign. treated: of those whom one treats. resting: of those who
    were contacted lately, or as often as the rules allow. suppressed: channel, or "all" for every one -> the ids of
    those who are on the suppression list for it."""

    held: tuple[str, ...] = ()
    treated: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()
    suppressed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def filters(self) -> Filters:
        """What lets everybody else through, and nobody by a channel that is closed to them."""
        everywhere = self.suppressed.get(EVERYWHERE, ())
        by = {channel: who for channel, who in self.suppressed.items() if channel != EVERYWHERE}
        return Filters(without=tuple(dict.fromkeys([*self.held, *self.treated, *self.resting, *everywhere])), not_by=by)

    @property
    def busy(self) -> int:
        """How many a running campaign holds out or treats, or rest after a contact.

        >>> OffLimits(held=("a",), treated=("b",), resting=("b", "c"), suppressed={"all": ("d",)}).busy
        3
        """
        return len({*self.held, *self.treated, *self.resting})

    def kept_off(self, scope: Scope, listing: Listing) -> str:
        """How many the list would hold besides, and why it must not, in a sentence; "" where there is nobody."""
        suppressed = [one for who in self.suppressed.values() for one in who]
        ids = tuple(dict.fromkeys([*self.held, *self.treated, *self.resting, *suppressed]))
        if not ids:
            return ""
        open_ = replace(listing.filters, without=(), not_by={}).within(Filters(ids=ids, left=True))
        counts = self._counted(_channels(scope, replace(listing, filters=open_)))
        why = [f"{number:,} {words}" for words, number in counts.items() if number]
        return f"{plural(sum(counts.values()), 'customer')} left out: {', '.join(why)}." if why else ""

    def _counted(self, channels: Mapping[str, str]) -> dict[str, int]:
        """Of customers with the channels of their steps, how many are left out for which reason, each for the first."""
        closed = {name: set(who) for name, who in self.suppressed.items()}
        stopped = {who for who, channel in channels.items()
                   if who in closed.get(EVERYWHERE, ()) or who in closed.get(channel, ())}
        reasons = {"held out by a running campaign": set(self.held), "on the suppression list": stopped,
                   "treated by a running campaign": set(self.treated),
                   "resting after a contact": set(self.resting)}
        counts, before = {}, set[str]()
        for words, who in reasons.items():
            counts[words] = len((who & channels.keys()) - before)
            before |= who
        return counts


def off_limits(scope: Scope, now: datetime, *, actor: Actor) -> OffLimits:
    """Whom no list of the dataset may hold at this moment."""
    name = scope.dataset.name
    return OffLimits(ledger.held_out_now(name, now), resting.treated_now(name, now), _resting(scope, now, actor),
                     suppressed(scope))


def _resting(scope: Scope, now: datetime, actor: Actor) -> tuple[str, ...]:
    rest = {name: treatment.cooldown_days for name, treatment in scope.book.treatments.items()}
    return resting.resting_now(scope.dataset.name, rest, rules(scope.dataset.name, actor=actor), now)


def suppressed(scope: Scope, among: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Channel, or "all" for every one -> whom the suppression list closes it to, by id or by an address that the data
    hold. among: only of these customers."""
    found: dict[str, set[str]] = {}
    for who, channel in _of_some(scope, among) if among else _of_all(scope):
        found.setdefault(channel, set()).add(who)
    return {channel: tuple(sorted(who)) for channel, who in sorted(found.items())}


def why_off_limits(scope: Scope, customer_id: str, *, actor: Actor, now: datetime, channel: str = "") -> list[str]:
    """Why the customer must not be contacted now, a sentence each: suppression by channel, campaigns that run, rest.

    channel: only what closes this one; otherwise what closes any.
    """
    allow(actor, "customers")
    listed = _lines_of(scope, [customer_id])
    listed = listed[listed["channel"].isin([EVERYWHERE, channel])] if channel else listed
    with state.reader() as connection:
        held = ledger.held_out(connection, scope.dataset.name, now)
    held = held[held["customer_id"] == customer_id]
    return [*(f"On the suppression list {suppression.where(channel)}{f': {why}' if why else ''}."
              for channel, why in zip(listed["channel"], listed["reason"], strict=True)),
            *(f'Held out by the campaign "{name}" until {until:%d %b %Y}, to measure what it brings.'
              for name, until in zip(held["campaign"], held["until"], strict=True)),
            *_in_peace(scope, customer_id, now, actor)]


def _in_peace(scope: Scope, customer_id: str, now: datetime, actor: Actor) -> list[str]:
    if customer_id in resting.treated_now(scope.dataset.name, now):
        return ["Treated by a campaign that still runs."]
    return ["Contacted lately, and resting."] if customer_id in _resting(scope, now, actor) else []


def _channels(scope: Scope, listing: Listing) -> dict[str, str]:
    """The list's customers with the channels of their steps."""
    (condition, given), known = listing.where(), looked_at(scope)
    sql = f"{planned(scope, known)} SELECT customer_id, channel FROM planned WHERE {condition}"
    found = ask(scope, sql, given, listing.among, known=known)
    return dict(zip(found["customer_id"], found["channel"], strict=True))


def _lines_of(scope: Scope, ids: Sequence[str]) -> pd.DataFrame:
    """What the suppression list says of these customers: customer_id, channel, reason."""
    held = [name for name in ADDRESS_COLUMNS if name in scope.dataset.names]
    addresses = scope.dataset.frame(set(ids), held)
    with state.reader() as connection:
        found = suppression.of_customers(connection, scope.dataset.name, addresses, ids)
    return found.drop_duplicates(["customer_id", "channel"])


def _of_some(scope: Scope, ids: Sequence[str]) -> Iterable[tuple[str, str]]:
    found = _lines_of(scope, ids)
    return zip(found["customer_id"], found["channel"], strict=True)


def _of_all(scope: Scope) -> Iterable[tuple[str, str]]:
    """Each line of the list as (customer, channel), those by address once for everybody who has it."""
    with state.reader() as connection:
        lines = suppression.lines(connection, scope.dataset.name)
    hashed = frozenset(line.who for line in lines if line.kind == BY_ADDRESS)
    dataset = scope.dataset
    having = _who_has(dataset.customers, dataset.erased, hashed) if hashed else {}
    for line in lines:
        yield from ((who, line.channel) for who in ([line.who] if line.kind == BY_ID else having.get(line.who, ())))


@functools.lru_cache(maxsize=8)
def _who_has(path: Path, _erased: tuple[str, ...], hashed: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """Keyed hash of an address -> whoever has it; read part by part, once for a version of the data and of the list."""
    file = pq.ParquetFile(path)
    columns = [name for name in ADDRESS_COLUMNS if name in file.schema_arrow.names]
    found: dict[str, tuple[str, ...]] = {}
    for part in file.iter_batches(columns=["customer_id", *columns]):
        for who, called in suppression.having(part.to_pandas().set_index("customer_id"), hashed):
            found[called] = (*found.get(called, ()), who)
    return found
