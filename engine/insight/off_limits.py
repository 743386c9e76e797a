"""Whom no list may hold now: held out by a running campaign, or on the suppression list, everywhere or for a channel.

Both change while a run stays the same, so they are asked for anew whenever a list is read or leaves.
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
from engine.campaign import ledger, suppression
from engine.campaign.contact_rules import EVERYWHERE
from engine.campaign.suppression import ADDRESS_COLUMNS, BY_ADDRESS, BY_ID
from engine.insight.planned import looked_at, planned
from engine.insight.source import Filters, Scope, ask
from engine.insight.worklist import Listing
from engine.permissions import allow
from engine.schema import Actor, plural


@dataclass(frozen=True)
class OffLimits:
    """held: the ids of those held out by a running campaign. suppressed: channel, or "all" for every one -> the ids of
    those who are on the suppression list for it."""

    held: tuple[str, ...] = ()
    suppressed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def filters(self) -> Filters:
        """What lets everybody else through, and nobody by a channel that is closed to them."""
        everywhere = self.suppressed.get(EVERYWHERE, ())
        by = {channel: who for channel, who in self.suppressed.items() if channel != EVERYWHERE}
        return Filters(without=tuple(dict.fromkeys([*self.held, *everywhere])), not_by=by)

    def kept_off(self, scope: Scope, listing: Listing) -> str:
        """How many the list would hold besides, and why it must not, in a sentence; "" where there is nobody."""
        ids = tuple(dict.fromkeys([*self.held, *(one for who in self.suppressed.values() for one in who)]))
        if not ids:
            return ""
        open_ = replace(listing.filters, without=(), not_by={}).within(Filters(ids=ids, left=True))
        held, stopped = self._counted(_channels(scope, replace(listing, filters=open_)))
        why = [f"{number:,} {words}" for number, words in ((held, "held out by a running campaign"),
                                                           (stopped, "on the suppression list")) if number]
        return f"{plural(held + stopped, 'customer')} left out: {', '.join(why)}." if why else ""

    def _counted(self, channels: Mapping[str, str]) -> tuple[int, int]:
        """Of customers with the channels of their steps, how many are held out, and how many others suppressed."""
        held = set(self.held)
        closed = {name: set(who) for name, who in self.suppressed.items()}
        stopped = [who for who, channel in channels.items()
                   if who in closed.get(EVERYWHERE, ()) or who in closed.get(channel, ())]
        return len(held & channels.keys()), len(set(stopped) - held)


def off_limits(scope: Scope, now: datetime) -> OffLimits:
    """Whom no list of the dataset may hold at this moment."""
    return OffLimits(ledger.held_out_now(scope.dataset.name, now), suppressed(scope))


def suppressed(scope: Scope, among: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Channel, or "all" for every one -> whom the suppression list closes it to, by id or by an address that the data
    hold. among: only of these customers."""
    found: dict[str, set[str]] = {}
    for who, channel in _of_some(scope, among) if among else _of_all(scope):
        found.setdefault(channel, set()).add(who)
    return {channel: tuple(sorted(who)) for channel, who in sorted(found.items())}


def why_off_limits(scope: Scope, customer_id: str, *, actor: Actor, now: datetime) -> list[str]:
    """Why the customer must not be contacted now, a sentence each: suppression by channel, and campaigns' holdouts."""
    allow(actor, "customers")
    listed = _lines_of(scope, [customer_id])
    with state.reader() as connection:
        held = ledger.held_out(connection, scope.dataset.name, now)
    held = held[held["customer_id"] == customer_id]
    return [*(f"On the suppression list {suppression.where(channel)}{f': {why}' if why else ''}."
              for channel, why in zip(listed["channel"], listed["reason"], strict=True)),
            *(f'Held out by the campaign "{name}" until {until:%d %b %Y}, to measure what it brings.'
              for name, until in zip(held["campaign"], held["until"], strict=True))]


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
