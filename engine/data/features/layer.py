"""Features declared, not programmed: a table of them (engine/data/features/declared.py) as one expression.

`expression` turns a table of such features into one pure Ibis expression over two tables, `events` and `spine` (the
moments of knowledge), so that it runs wherever Ibis does. Only events with `at < as_of` are read. What looks back from
an event (the gap before it, is it the first of its kind) is a look: a column found before events meet moments, from
earlier events of the customer alone. Money, shares and times are added up as whole numbers, so that no sum depends on
its order: one customer or a million, one moment or fifty, the same bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd

from engine.data.features.backends import Query, answer
from engine.data.features.declared import DAY, UNIT, Feature, FeatureTable, Found, LastText, Look
from engine.data.features.happened import EVENT_TYPES, settled
from engine.schema import EVENT_EXTRAS, Column
from engine.schema.stored import read_parquet

INDEX = ["as_of", "customer_id"]
SPINE_TYPES = {"as_of": "timestamp", "as_of_s": "int64", "known_s": "int64", "reach_s": "int64"}
EXTRA_TYPES: Mapping[str, str] = {
    column.name: {"date": "timestamp", "number": "float64", "count": "float64", "flag": "float64"}.get(
        column.kind, "string") for column in EVENT_EXTRAS
}


# ------------------------------------------------------------------------------------------------------- looks

def seconds(moment: ir.Value) -> ir.Value:
    """A moment in whole seconds since 1970, floored alike on every engine."""
    return moment.truncate("s").epoch_seconds().cast("int64")


def look(find: Callable[[ir.Table], ir.Value]) -> Look:
    """A look that is one expression of the columns there so far."""
    return lambda events, name: events.mutate(**{name: find(events)})


def whole(column: str) -> Look:
    """A number in 1/10,000, exact to add."""
    return look(lambda events: (events[column].cast("float64") * UNIT).round().cast("int64"))


def before(column: str, by: Sequence[str] = ("customer_id", "kind")) -> Look:
    """The column at the customer's event before, within `by`."""
    return look(lambda events: events[column].lag().over(
        ibis.window(group_by=list(by), order_by=["at", "event_id"])))


def first_of(*by: str) -> Look:
    """Whether the event is the customer's first within `by`."""
    return look(lambda _events: ibis.row_number().over(
        ibis.window(group_by=["customer_id", *by], order_by=["at", "event_id"])) == 0)


def runs(events: ir.Table, name: str) -> ir.Table:
    """How many days in a row, up to the event's own, had an event of its kind."""
    ranked = ibis.dense_rank().over(ibis.window(group_by=["customer_id", "kind"], order_by="day"))
    events = events.mutate(island=ranked)
    events = events.mutate(island=events.day - events.island)
    begun = events.day.min().over(ibis.window(group_by=["customer_id", "kind", "island"]))
    return events.mutate(**{name: events.day - begun + 1}).drop("island")


# -------------------------------------------------------------------------------------------------- expression

def expression(table: FeatureTable, features: Sequence[Feature]) -> ir.Table:
    """The features as one Ibis expression over the tables `events` and `spine`; sorted by as_of and customer_id."""
    types = {**EVENT_TYPES, **{name: EXTRA_TYPES[name] for name in table.extras}}
    events, spine = ibis.table(types, name="events"), ibis.table(SPINE_TYPES, name="spine")
    seen = _seen(_with_looks(events, table.looks), spine)
    parts = tuple(dict.fromkeys((*table.asks, *(part for feature in features for part in feature.how.parts()))))
    names = {part: f"part_{place}" for place, part in enumerate(parts)}
    sums = seen.group_by(INDEX).aggregate(**{name: part.aggregate(seen) for part, name in names.items()})
    found = Found(sums.inner_join(spine, "as_of"), names)
    asked = found.seen.filter(table.among(found))
    here = Found(asked, names)
    columns = {feature.column.name: feature.how.value(here) for feature in features}
    return asked.select(*INDEX, **columns).order_by(INDEX)


def _with_looks(events: ir.Table, looks: Mapping[str, Look]) -> ir.Table:
    at_s = seconds(events["at"])
    turns = ibis.window(group_by="customer_id", order_by=["at", "event_id"])
    events = events.mutate(at_s=at_s, day=at_s // DAY, turn=ibis.row_number().over(turns))
    for name, adds in looks.items():
        events = adds(events, name)
    return events


def _seen(events: ir.Table, spine: ir.Table) -> ir.Table:
    """Every moment of knowledge with the events before it, and their age."""
    seen = events.inner_join(spine.select("as_of", "as_of_s"), events["at"] < spine.as_of)
    return seen.mutate(age_s=seen.as_of_s - seen.at_s, age_days=seen.as_of_s // DAY - seen.day)


@functools.lru_cache(maxsize=64)
def _sql(key: tuple[str, tuple[str, ...]], dialect: str) -> str:
    name, wanted = key
    table = TABLES[name]
    return str(ibis.to_sql(expression(table, [f for f in table.features if f.column.name in wanted]), dialect))


TABLES: dict[str, FeatureTable] = {}
"""Every table of features by its name; a kind of company adds its own (see `declare`)."""


def declare(table: FeatureTable) -> FeatureTable:
    """The table, known by its name from now on."""
    TABLES[table.name] = table
    return table


# ----------------------------------------------------------------------------------------------------- compute

@dataclass(frozen=True)
class Told:
    """What a file of events can tell: when it begins, and which kinds it holds."""

    begins: datetime
    kinds: frozenset[str]


def told_by(events: Path) -> Told:
    """What the file can tell, read once as long as it stays as it is."""
    written = events.stat()
    return _told(events, written.st_mtime_ns, written.st_size)


@functools.lru_cache(maxsize=32)
def _told(events: Path, _written: int, _size: int) -> Told:
    with settled(duckdb.connect()) as connection:
        rows = connection.sql(f'SELECT kind, min("at") FROM {read_parquet(events)} GROUP BY kind').fetchall()
    return Told(min(first for _, first in rows), frozenset(kind for kind, _ in rows))


def columns_of(table: FeatureTable, events: Path) -> tuple[Column, ...]:
    """The meaning of each feature that these events can tell."""
    return tuple(feature.column for feature in table.of_kinds(told_by(events).kinds))


def features_of(table: FeatureTable, events: Path, as_ofs: Sequence[datetime], *, reach_days: float,
                only: Sequence[str] | None = None, names: Sequence[str] | None = None) -> pd.DataFrame:
    """The features per moment and customer asked about; index (as_of, customer_id), numbers as float64.

    reach_days: how far the table's `among` looks. only: some customers alone, with the same values. names: some
    features alone, likewise.
    """
    tells = told_by(events)
    wanted = tuple(feature.column.name for feature in table.of_kinds(tells.kinds, names))
    asked = functools.partial(_sql, (table.name, wanted))
    frame = answer(Query(asked, _spine(as_ofs, tells.begins, reach_days)), events, only)
    text = {feature.column.name for feature in table.features if isinstance(feature.how, LastText)}
    frame = frame.astype({"as_of": "datetime64[ns]", **{name: "float64" for name in wanted if name not in text}})
    return frame.set_index(INDEX)[list(wanted)]


def _spine(as_ofs: Sequence[datetime], begins: datetime, reach_days: float) -> pd.DataFrame:
    moments = pd.DatetimeIndex(sorted(set(as_ofs)))
    since = (moments - pd.Timestamp(begins)) // timedelta(seconds=1)
    stamps = (moments - pd.Timestamp("1970-01-01")) // timedelta(seconds=1)
    whole_numbers: Any = {"as_of_s": stamps, "known_s": since, "reach_s": round(reach_days * DAY)}
    return pd.DataFrame({"as_of": moments, **whole_numbers})
