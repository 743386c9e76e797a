"""The suppression list: who must not be contacted, by id or by address, everywhere or through one channel.

An address is kept as a keyed hash: it holds for whoever comes with it in any version of the data, and the list itself
tells nobody's address.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import state
from engine.campaign.contact_rules import EVERYWHERE, WORDS
from engine.campaign.tables import SUPPRESSIONS
from engine.decision.consents import CONSENTS
from engine.errors import EngineError, choose
from engine.permissions import allow
from engine.pseudonyms import pseudonym, pseudonyms
from engine.schema import Actor

BY_ID, BY_ADDRESS = "customer", "address"
CHANNELS = {EVERYWHERE: "everywhere", **CONSENTS, "post": "", "app": ""}
ADDRESS_COLUMNS = ("email", "phone")
LONGEST_REASON = 200


@dataclass(frozen=True)
class Entry:
    """One line of the list. `who` is the customer's id, or the address as it is written."""

    who: str
    channel: str = EVERYWHERE
    reason: str = ""
    kind: str = BY_ID


@dataclass(frozen=True)
class Suppressed:
    """A line as it is kept: an address only as its keyed hash."""

    kind: str
    who: str
    channel: str
    reason: str
    actor: str
    at: datetime


def normal(address: str) -> str:
    """The address as it is compared: e-mail in small letters, a number by its digits alone.

    >>> normal(" Ana@Example.org "), normal("+49 (30) 12-34"), normal("0049 30 1234")
    ('ana@example.org', '49301234', '49301234')
    """
    text = address.strip().lower()
    return text if "@" in text else re.sub(r"\D", "", text).removeprefix("00")


def where(channel: str) -> str:
    """For what a line of the list holds, in words.

    >>> where("all"), where("phone"), where("post")
    ('for every channel', 'for telephone', 'for post')
    """
    return f"for {'every channel' if channel == EVERYWHERE else WORDS.get(channel, channel)}"


def suppress(dataset: str, entries: Iterable[Entry], *, actor: Actor, now: datetime) -> dict[str, int]:
    """Add to the list; returns how many are new and how many were on it already. Done again, it changes nothing.

    Raises:
        EngineError: when an entry names nobody, or a channel that there is not.
    """
    allow(actor, "suppress")
    rows = [_row(dataset, entry, actor, now) for entry in entries]
    new = 0
    with state.writer() as connection:
        for row in rows:
            new += _insert(connection, row)
        state.record(actor, "suppress", dataset, now, {"added": new, "known": len(rows) - new}, within=connection)
    return {"added": new, "known": len(rows) - new}


def _row(dataset: str, entry: Entry, actor: Actor, now: datetime) -> dict[str, object]:
    choose("channel", entry.channel, CHANNELS)
    who = normal(entry.who) if entry.kind == BY_ADDRESS else entry.who.strip()
    if not who:
        raise EngineError("A line of the suppression list names nobody. Give customer_id, email or phone.")
    return {"dataset": dataset, "kind": entry.kind, "who": pseudonym(who) if entry.kind == BY_ADDRESS else who,
            "channel": entry.channel, "reason": entry.reason.strip()[:LONGEST_REASON], "actor": actor.id, "at": now}


def _insert(connection: Connection, row: dict[str, object]) -> int:
    """1 if the row was new; `returning` tells, for a row count says nothing on PostgreSQL."""
    from sqlalchemy.dialects.postgresql import insert as postgres
    from sqlalchemy.dialects.sqlite import insert as sqlite

    insert = sqlite if connection.dialect.name == "sqlite" else postgres
    added = insert(SUPPRESSIONS).values(row).on_conflict_do_nothing().returning(SUPPRESSIONS.c.who)
    return int(connection.execute(added).first() is not None)


def lift(dataset: str, entry: Entry, *, actor: Actor, now: datetime) -> bool:
    """Take a line off the list; whether it was on it."""
    allow(actor, "suppress")
    row = _row(dataset, entry, actor, now)
    table = SUPPRESSIONS.c
    mine = sa.and_(*(table[name] == row[name] for name in ("dataset", "kind", "who", "channel")))
    with state.writer() as connection:
        gone = connection.execute(sa.delete(SUPPRESSIONS).where(mine).returning(table.who)).first() is not None
        state.record(actor, "suppress", dataset, now, {"lifted": int(gone)}, within=connection)
    return gone


def suppressed(dataset: str, *, actor: Actor) -> list[Suppressed]:
    """The list, the newest line first."""
    allow(actor, "suppress")
    table = SUPPRESSIONS.c
    query = sa.select(SUPPRESSIONS).where(table.dataset == dataset).order_by(table.at.desc(), table.who)
    with state.reader() as connection:
        return [Suppressed(row.kind, row.who, row.channel, row.reason, row.actor, row.at)
                for row in connection.execute(query)]


def from_file(frame: pd.DataFrame, file: str, channel: str = EVERYWHERE) -> list[Entry]:
    """The entries of a table with customer_id, email or phone in each row, and perhaps channel and reason.

    Raises:
        EngineError: when it has none of the columns, or a row names nobody.
    """
    frame = frame.rename(columns=lambda name: str(name).strip().lower())
    ways = [name for name in ("customer_id", *ADDRESS_COLUMNS) if name in frame]
    if not ways:
        raise EngineError(f"{file} has no column customer_id, email or phone. Name one of its columns so.")
    text = frame.astype(object).where(frame.notna(), "").astype(str)
    return [entry for number, row in enumerate(text.to_dict("records"), start=1)
            for entry in _entries(row, ways, channel, f"{file}, row {number}")]


def _entries(row: Mapping[Any, str], ways: Sequence[str], channel: str, where: str) -> list[Entry]:
    """One entry per way in which the row names somebody."""
    more = (row.get("channel", "").strip() or channel, row.get("reason", ""))
    found = [Entry(row[way], *more, BY_ID if way == "customer_id" else BY_ADDRESS) for way in ways if row[way].strip()]
    if not found:
        raise EngineError(f"{where} names nobody. Fill one of: {', '.join(ways)}.")
    return found


def lines(connection: Connection, dataset: str) -> Sequence[Any]:
    """The dataset's list as it is kept, by the names of `Suppressed`."""
    return connection.execute(sa.select(SUPPRESSIONS).where(SUPPRESSIONS.c.dataset == dataset)).all()


def of_customers(connection: Connection, dataset: str, customers: pd.DataFrame, ids: Collection[str]) -> pd.DataFrame:
    """Who of these is on the list: customer_id, channel, reason. `customers` has the address columns by customer_id."""
    rows, asked = lines(connection, dataset), set(ids)
    found = [(row.who, row.channel, row.reason) for row in rows if row.kind == BY_ID and row.who in asked]
    by_hash = {(row.who, row.channel): row.reason for row in rows if row.kind == BY_ADDRESS}
    if by_hash:
        found += _by_address(customers, by_hash)
    return pd.DataFrame(found, columns=["customer_id", "channel", "reason"], dtype=object)


def _by_address(customers: pd.DataFrame, known: dict[tuple[str, str], str]) -> list[tuple[str, str, str]]:
    return [(who, channel, why) for who, called in having(customers, {who for who, _ in known})
            for (one, channel), why in known.items() if one == called]


def having(customers: pd.DataFrame, hashed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Who of these has an address whose keyed hash is among those given, and which: (customer_id, hash)."""
    for column in (name for name in ADDRESS_COLUMNS if name in customers):
        there = customers[column].dropna()
        called = pseudonyms(normal(str(address)) for address in there)
        yield from ((str(who), one) for who, one in zip(there.index, called, strict=True) if one in hashed)
