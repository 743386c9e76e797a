"""Lists that leave the building: a worklist as a file, with who took it, of what, on the record."""

from __future__ import annotations

import functools
import hashlib
import io
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from engine import files, limits, state
from engine.campaign.export import EXPORTERS, Format
from engine.errors import EngineError, choose
from engine.insight.off_limits import off_limits
from engine.insight.planned import STANDINGS, WORKLIST, looked_at, planned
from engine.insight.reach import of_steps
from engine.insight.source import Filters, Scope, ask, ask_in_parts, quoted
from engine.insight.worklist import Listing, contact_columns, ordered
from engine.permissions import allow, may
from engine.schema import CUSTOMER_ID, REASONS, SCORES, Actor, Column, plural

DRIVERS = tuple(Column(f"driver_{rank}", "text", "", f"{REASONS['words'].meaning}; number {rank} by strength")
                for rank in (1, 2, 3))
TRACE = (
    SCORES["run_id"],
    Column("model_id", "id", "", "The model that computed the scores"),
    Column("as_of", "date", "UTC", "The moment up to which the data were known"),
    Column("synthetic", "flag", "", "1 = an invented company; the customers do not exist", 0, 1),
)
MOST_EXPORTS, PER_SECONDS = 60, 3_600.0
FEW = 100  # picked customers whom the audit log knows one by one
DIGITS = {"share 0..1": 4, "currency": 2, "months": 1}


@dataclass(frozen=True)
class Export:
    """A list that left: the file's name, kind and content (empty where it went to disk), its rows and columns, the
    SHA-256 by which the audit log knows it, and in words how many suppression or a holdout kept off it, and how many
    of it have a step for which the data hold no addresses."""

    name: str
    mime: str
    rows: int
    columns: tuple[str, ...]
    sha256: str
    content: bytes = b""
    left_out: str = ""
    unreached: str = ""


def export_list(scope: Scope, listing: Listing, kind: str, *, actor: Actor, now: datetime, ids: tuple[str, ...] = (),
                contact: bool = True) -> Export:
    """The list, or only those of it with these `ids`, as the bytes of a file; recorded in the audit log.

    Args:
        kind: one of EXPORTERS. contact: whether names, addresses and numbers go along, for roles that may see them.

    Raises:
        EngineError: when the list is empty, too long to be made while a person waits, or one of too many in an hour.
    """
    chosen = replace(listing, filters=listing.filters.within(Filters(ids=ids))) if ids else listing
    order = _placed(scope, chosen, kind, contact, actor, now)
    held = order.count(order.format.most_at_once)
    stream = io.BytesIO()
    rows = order.write(stream, held)
    content = stream.getvalue()
    return order.recorded(order.name(secrets.token_hex(4)), rows, hashlib.sha256(content).hexdigest(), content)


def export_file(scope: Scope, listing: Listing, output: Path, kind: str = "", *, actor: Actor, now: datetime,
                contact: bool = True) -> Export:
    """The same into a file, part by part, for lists of any length; the file is there whole or not at all.

    Args:
        kind: one of EXPORTERS; by the file's ending when left out.
    """
    kind = kind or output.suffix.lower().removeprefix(".")
    order = _placed(scope, listing, kind, contact, actor, now)
    held = order.count(order.format.most_rows)
    with files.whole(output) as file:
        rows = order.write(file, held)
        file.flush()
        return order.recorded(output.name, rows, files.sha256(Path(file.name)))


def _placed(scope: Scope, listing: Listing, kind: str, contact: bool, actor: Actor, now: datetime) -> _Order:
    """The list without whoever must not be contacted now, whatever was asked."""
    form, barred = _format(kind, actor, now), off_limits(scope, now, actor=actor)
    kept = replace(listing, filters=listing.filters.within(barred.filters))
    return _Order(scope, kept, form, _contact(scope, actor, contact), actor, now, barred.kept_off(scope, listing))


def _format(kind: str, actor: Actor, now: datetime) -> Format:
    allow(actor, "export")
    limits.within(actor, "export", MOST_EXPORTS, PER_SECONDS, now)
    return choose("export format", kind, EXPORTERS)


def _contact(scope: Scope, actor: Actor, asked: bool) -> tuple[Column, ...]:
    return contact_columns(scope) if asked and may(actor, "contact") else ()


@dataclass(frozen=True)
class _Order:
    """One export on its way: what is asked, how it is written, by whom and when."""

    scope: Scope
    listing: Listing
    format: Format
    contact: tuple[Column, ...]
    actor: Actor
    now: datetime
    left_out: str = ""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The file's columns; money in the dataset's currency."""
        currency = self.scope.dataset.currency or "the data's own currency"
        head, *rest = WORKLIST
        return tuple(replace(column, unit=currency) if column.unit == "currency" else column
                     for column in (head, *self.contact, *rest, *DRIVERS, *TRACE))

    @functools.cached_property
    def channels(self) -> dict[str, int]:
        """How many rows there are by the channel of their step."""
        (condition, given), known = self.listing.where(), looked_at(self.scope)
        text = f"""{planned(self.scope, known)} SELECT channel, count(*) AS number FROM planned WHERE {condition}
                   GROUP BY channel"""
        found = ask(self.scope, text, given, self.listing.among, known=known)
        return {str(name): int(number) for name, number in zip(found["channel"], found["number"], strict=True)}

    def count(self, most: float) -> int:
        """How many rows there are, if that is at least one and not more than `most`."""
        rows = sum(self.channels.values())
        if rows == 0:
            told = f" {self.left_out}" if self.left_out else ""
            raise EngineError(f"Nobody is on this list, so there is nothing to export.{told} Widen the filters, or "
                              f"take another list: {', '.join(STANDINGS)}.")
        if rows > most:
            other = "" if self.format.name == "csv" else "take csv, "
            raise EngineError(f"The list has {plural(rows, 'customer')}; a {self.format.name} file takes {most:,.0f} "
                              f"here. Narrow the list, {other}or use the command line: python -m engine export.")
        return rows

    def write(self, stream: BinaryIO, rows: int) -> int:
        """Write the file; returns the number of rows."""
        return self.format.write(stream, self.columns, self._parts(), self._facts(rows))

    def _parts(self) -> Iterator[pd.DataFrame]:
        (condition, given), known = self.listing.where(), looked_at(self.scope)
        text = f"""{planned(self.scope, known)}, chosen AS MATERIALIZED (SELECT * FROM planned WHERE {condition}),
            drivers AS (SELECT customer_id, {', '.join(map(_driver, (1, 2, 3)))} FROM reasons
                        WHERE customer_id IN (SELECT customer_id FROM chosen) GROUP BY customer_id)
            SELECT {', '.join(map(_cell, WORKLIST))}, {', '.join(column.name for column in (*self.contact, *DRIVERS))}
            FROM chosen LEFT JOIN drivers USING (customer_id) LEFT JOIN ({self._contact_sql()}) USING (customer_id)
            ORDER BY {ordered(self.listing)}"""
        run = self.scope.run
        for part in ask_in_parts(self.scope, text, given, self.listing.among, known):
            yield part.assign(run_id=run.run_id, model_id=run.model_id, as_of=run.as_of, synthetic=int(run.synthetic))

    def _contact_sql(self) -> str:
        return f"SELECT {', '.join(quoted(column.name) for column in (CUSTOMER_ID, *self.contact))} FROM customers"

    def _facts(self, rows: int) -> list[tuple[str, str]]:
        dataset, run = self.scope.dataset, self.scope.run
        return [
            ("dataset", f"{dataset.name}, version {dataset.version}"),
            ("synthetic", "yes: an invented company, its customers do not exist" if run.synthetic else "no"),
            ("leaving means", dataset.label.words), ("known up to", f"{run.as_of:%Y-%m-%d}"),
            ("scoring run", run.run_id), ("model", run.model_id), ("list", described(self.listing)),
            ("order", self.listing.order), ("customers", f"{rows:,}"),
            ("exported by", f"{self.actor.id} ({self.actor.role})"), ("exported at", f"{self.now:%Y-%m-%d %H:%M} UTC"),
        ]

    def name(self, token: str) -> str:
        """A file name that no other export has: dataset, list, moment and token."""
        whom = "-".join([*self.listing.segments, STANDINGS.get(self.listing.standing, "everyone")]).lower()
        kind = re.sub(r"[^a-z0-9]+", "-", whom)[:60].strip("-")
        return f"{self.scope.dataset.name}-{kind}-{self.now:%Y%m%dT%H%M%SZ}-{token}.{self.format.name}"

    def recorded(self, name: str, rows: int, sha256: str, content: bytes = b"") -> Export:
        """The export, once the audit log has it."""
        columns, picked = tuple(column.name for column in self.columns), self.listing.filters.ids
        detail = {"run_id": self.scope.run.run_id, "file": name, "format": self.format.name, "rows": rows,
                  "columns": columns, "sha256": sha256, "list": asked(self.listing),
                  **({"customer_ids": picked} if 0 < len(picked) <= FEW else {})}
        state.record(self.actor, "export", self.scope.dataset.name, self.now, detail)
        unreached = of_steps(self.channels, self.scope.dataset.names)
        return Export(name, self.format.mime, rows, columns, sha256, content, self.left_out, unreached)


def asked(listing: Listing) -> dict[str, object]:
    """What the list was asked for, as plain values; of picked customers only how many."""
    chosen = listing.filters
    barred = {*chosen.without, *(one for who in chosen.not_by.values() for one in who)}
    told = {"ids": (), "picked": len(chosen.ids), "without": (), "not_by": (), "off_limits": len(barred)}
    filters = {**vars(chosen), **told}
    return {name: value for name, value in {**vars(listing), **filters}.items() if value and name != "filters"}


def described(listing: Listing) -> str:
    """What the list was asked for, in words.

    >>> described(Listing(segments=("At-Risk VIP",), channels=("phone",)))
    'To contact; segment: At-Risk VIP; channel: phone'
    """
    named = {"segment": listing.segments, "next_step": listing.steps, "channel": listing.channels,
             **listing.filters.values}
    parts = [f"{name}: {', '.join(map(str, values))}" for name, values in named.items() if values]
    parts += [f"{name}: {least:g} to {most:g}" for name, (least, most) in listing.filters.ranges.items()]
    parts += [f"in {plural(len(listing.filters.areas), 'area')} of the picture"] if listing.filters.areas else []
    parts += ["only those who may be contacted"] if listing.agreed else []
    parts += [f"{plural(len(listing.filters.ids), 'picked customer')}"] if listing.filters.ids else []
    return "; ".join([STANDINGS.get(listing.standing, "Everyone"), *parts])


def _driver(rank: int) -> str:
    return f"max(words) FILTER (WHERE rank = {rank}) AS driver_{rank}"


def _cell(column: Column) -> str:
    """The column as it is exported: as many digits as it is worth, days without a time."""
    if column.kind == "date":
        return f"CAST({column.name} AS DATE) AS {column.name}"
    if column.kind in ("count", "flag"):
        return f"CAST({column.name} AS INTEGER) AS {column.name}"
    digits = DIGITS.get(column.unit) if column.kind == "number" else None
    return column.name if digits is None else f"round({column.name}, {digits}) AS {column.name}"
