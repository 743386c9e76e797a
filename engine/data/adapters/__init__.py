"""Adapters: a company's raw files in, a Reading out. One record each, in one registry.

    adapter       reads                                                    label
    telco         IBM Telco's 21 columns, one row per customer             the file's own (window taken as a quarter)
    shop_snapshot 13 columns of recency, money and behaviour               Recency above 90 days
    kkbox         KKBox's members, transactions and user_logs              no new subscription within 30 days of its end
    shop_events   every view, cart and purchase, as REES46 publishes them  no order within 90 days
    subscriptions accounts, subscriptions, usage, tickets, payments        the last subscription ends within 60 days
    orders        order lines; beside them events, customers, offers       no order within 90 days
    table         any table, through a TOML mapping                        as the mapping says
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from engine.data.adapters import kkbox, orders, shop, shop_events, subscriptions, table, telco
from engine.data.adapters.assemble import Ask
from engine.data.adapters.common import Field, lacking, match
from engine.data.adapters.mapping import load
from engine.data.readers import column_names
from engine.errors import EngineError, choose
from engine.schema import Reading

__all__ = ["ADAPTERS", "Adapter", "guess", "read"]

Kind = Literal["snapshot", "orders", "events"]
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Adapter:
    """A kind of input: what it is for, the columns it needs, and how it is read.

    missing: what a file with these columns lacks; None when the adapter cannot be guessed.
    """

    name: str
    sector: str
    kind: Kind
    required: tuple[str, ...]
    describes: str
    reads: Callable[[Ask, Sequence[Path]], Reading]
    missing: Callable[[Sequence[str]], tuple[str, ...]] | None = None

    def read(self, sources: Sequence[Path], into: Path, *, name: str, observed_until: datetime | None = None,
             now: datetime, options: Mapping[str, Any] = NOTHING) -> Reading:
        """The sources as a Reading; its tables are written into the folder `into`.

        options: horizon_days, currency, sector, day_first, observed_until, synthetic; mapping for "table".
        Nothing is written when an error stops the reading.
        """
        ask = Ask(self.name, self.sector, self.kind, name, into, observed_until, now, dict(options))
        return self.reads(ask, [Path(source) for source in sources])


def _named(required: Sequence[str], fields: Sequence[Field]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """What is missing, under the names that the company's file would use."""

    def missing(names: Sequence[str]) -> tuple[str, ...]:
        absent = set(lacking(fields, names))
        known = match(fields, required)
        return tuple(known.get(field.name, field.name) for field in fields if field.name in absent)

    return missing


ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in (
    Adapter("telco", "telecom", "snapshot", telco.REQUIRED,
            "a telecom's customers as in IBM Telco, one row each", telco.read, _named(telco.REQUIRED, telco.FIELDS)),
    Adapter("shop_snapshot", "retail", "snapshot", shop.REQUIRED,
            "a shop's customers with recency, frequency, money and behaviour, one row each", shop.read,
            _named(shop.REQUIRED, shop.FIELDS)),
    Adapter("kkbox", "streaming", "events", kkbox.REQUIRED,
            "a streaming service's transactions, listening logs and members, as KKBox published them", kkbox.read,
            kkbox.missing),
    Adapter("shop_events", "retail", "orders", shop_events.REQUIRED,
            "a shop's events in the schema of REES46's multi-category store", shop_events.read, shop_events.missing),
    Adapter("subscriptions", "saas", "events", subscriptions.REQUIRED,
            "software by subscription: accounts, subscriptions, usage, tickets and payments, joined by account",
            subscriptions.read, subscriptions.missing),
    Adapter("orders", "retail", "orders", orders.REQUIRED,
            "order lines, as in Online Retail", orders.read, orders.missing),
    Adapter("table", "other", "snapshot", ("as the mapping says",),
            "any table with one row per customer, through a TOML mapping", table.read),
)}


def read(sources: Sequence[Path], into: Path, adapter: str | None = None, *, name: str,
         observed_until: datetime | None = None, now: datetime, options: Mapping[str, Any] = NOTHING) -> Reading:
    """The sources through the adapter of that name, the mapping's, or the one their columns show."""
    if adapter is None and options.get("mapping") is not None:
        told = load(options["mapping"])
        adapter = str(told.pop("adapter", "table"))
        rest = {key: value for key, value in options.items() if key != "mapping"}
        options = {**rest, "mapping": told} if adapter == "table" else {**told, **rest}
    chosen = guess(sources) if adapter is None else choose("adapter", adapter, ADAPTERS)
    return chosen.read(sources, into, name=name, observed_until=observed_until, now=now, options=options)


def guess(sources: Sequence[Path]) -> Adapter:
    """The adapter whose columns the sources have; EngineError with what each adapter lacks when none fits."""
    if not sources:
        raise EngineError("No file was given. Name at least one source.")
    columns = [column_names(Path(source)) for source in sources]
    known = [(adapter, adapter.missing) for adapter in ADAPTERS.values() if adapter.missing]
    for adapter, missing in known:
        if any(not missing(names) for names in columns):
            return adapter
    lacks = [f"{adapter.name} lacks {_short(adapter, min((missing(names) for names in columns), key=len))}"
             for adapter, missing in known]
    raise EngineError(f"{Path(sources[0]).name} fits no adapter: {'; '.join(lacks)}. Rename its columns, or describe "
                      "them in a mapping and use the adapter table.")


def _short(adapter: Adapter, missing: Sequence[str]) -> str:
    """The missing columns, or all that are needed when nothing but an id is there."""
    return ", ".join(missing) if len(missing) < len(adapter.required) else f"all of {', '.join(adapter.required)}"
