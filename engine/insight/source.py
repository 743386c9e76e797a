"""Stored scores as tables that can be asked: DuckDB over a run's Parquet files, nothing held in memory.

Every question is one SQL text over these tables, each one row per customer of the run unless said otherwise:

    scores      the SCORES table
    features    what the scores rest on, by customer_id
    reasons     the REASONS table, one row per customer and rank
    customers   the dataset's customers as they came, contact fields too: only for those who may see them
    people      scores and features side by side, those that `Filters` lets through
    strongest   people, and beside each its strongest reason: reason (the feature), contribution; missing where none is
    offers      past offers and what became of them (OFFER_HISTORY), where the dataset holds any
    then_...    the scores, features or reasons of another run of the dataset, where one is given to compare with
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from engine import catalog, files
from engine.catalog import Run
from engine.decision.own_playbooks import in_use, playbook_for
from engine.decision.treatments import Playbook
from engine.errors import EngineError
from engine.files import short_hash
from engine.schema import SCORES, Dataset

PART = 50_000
OWN = frozenset(SCORES.names)
OPEN = 1e300  # stands for no end: JSON, in which filters are kept, has no infinity
NOBODY = ("",)  # no customer has an empty id


Area = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Scope:
    """What a question is asked of: one scoring run, the dataset version that it scored, and which playbook holds."""

    dataset: Dataset
    run: Run
    playbook: int = 0

    @property
    def key(self) -> str:
        """The run's id, and what stands for the customers erased since and for the company's own playbook: a cache key,
        for nothing else ever changes."""
        erased = [short_hash(*self.dataset.erased)] if self.dataset.erased else []
        return "-".join([self.run.run_id, *erased, *([f"b{self.playbook}"] if self.playbook else [])])

    @property
    def book(self) -> Playbook:
        """The dataset's playbook as it was when the scope was opened."""
        return playbook_for(self.dataset, self.playbook)


@dataclass(frozen=True)
class Filters:
    """Which customers. Nothing given lets everyone through who has not left already.

    values: column -> the values let through, of scores or features (segment, churn_risk, ltv_tier, contract, ...).
    ranges: column -> (least, greatest), inclusive. ids: these customers alone. left: those who have left too.
    areas: rectangles, each column -> (least, what it stays below); to lie in one of them is enough.
    without: nobody of these. not_by: channel -> nobody of these whose step goes by it; asked of `planned`, for only
    steps have channels.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    left: bool = False
    areas: tuple[Area, ...] = ()
    without: tuple[str, ...] = ()
    not_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def where(self) -> tuple[str, list[Any]]:
        """The condition on `people` and its parameters.

        >>> Filters(values={"segment": ("Champion",)}, left=True).where()
        ('"segment" IN (?)', ['Champion'])
        """
        parts, given = [] if self.left else ["coalesce(has_left, 0) = 0"], []  # type: tuple[list[str], list[Any]]
        for name, allowed in self.values.items():
            if allowed:
                parts.append(f"{quoted(name)} IN ({', '.join('?' * len(allowed))})")
                given += allowed
        for name, (least, greatest) in self.ranges.items():
            parts.append(f"{quoted(name)} BETWEEN ? AND ?")
            given += [least, greatest]
        if self.ids:
            parts.append("customer_id IN (SELECT unnest(?))")
            given.append(list(self.ids))
        if self.without:
            parts.append("customer_id NOT IN (SELECT unnest(?))")
            given.append(list(self.without))
        if self.areas:
            inside, ends = _inside(self.areas)
            parts.append(inside)
            given += ends
        return " AND ".join(parts) or "true", given

    def reached(self) -> tuple[str, list[Any]]:
        """The condition on `planned` that a step's channel is open to its customer, and its parameters."""
        parts = ["NOT (channel = ? AND customer_id IN (SELECT unnest(?)))"] * len(self.not_by)
        return " AND ".join(parts) or "true", [part for name, who in self.not_by.items() for part in (name, list(who))]

    def within(self, other: Filters) -> Filters:
        """The filter that lets through whom both let through.

        >>> Filters(values={"segment": ("Champion", "Promising")}).within(Filters({"segment": ("Promising",)})).values
        {'segment': ('Promising',)}
        """
        names = dict.fromkeys([*self.values, *other.values])
        values = {name: _common(self.values.get(name, ()), other.values.get(name, ())) for name in names}
        ids, areas = _common(self.ids, other.ids), _crossed(self.areas, other.areas)
        nobody = None in (ids, areas, *values.values())
        return Filters({name: found or () for name, found in values.items()}, _both(self.ranges, other.ranges),
                       NOBODY if nobody else ids or (), self.left and other.left, areas or (),
                       tuple(dict.fromkeys([*self.without, *other.without])), _either(self.not_by, other.not_by))


def _either(one: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Whom one of the two names, per channel."""
    return {name: tuple(dict.fromkeys([*one.get(name, ()), *other.get(name, ())])) for name in {**one, **other}}


def _both(one: Mapping[str, tuple[float, float]], other: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Where both ranges let through, per column."""
    names = dict.fromkeys([*one, *other])
    wide = (-OPEN, OPEN)
    pairs = {name: (one.get(name, wide), other.get(name, wide)) for name in names}
    return {name: (max(a[0], b[0]), min(a[1], b[1])) for name, (a, b) in pairs.items()}


def _crossed(one: Sequence[Area], other: Sequence[Area]) -> tuple[Area, ...] | None:
    """The rectangles in which both sides overlap; all of one side where the other has none; None if nowhere."""
    if not one or not other:
        return tuple(one or other)
    crossed = [_both(a, b) for a in one for b in other]
    return tuple(area for area in crossed if all(low < high for low, high in area.values())) or None


def _common(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...] | None:
    """What is in both; all of one where the other lets everything through; None if nothing is."""
    if not one or not other:
        return tuple(one or other)
    return tuple(item for item in one if item in set(other)) or None


def _inside(areas: Sequence[Area]) -> tuple[str, list[float]]:
    """The condition to lie in one of the rectangles, and its parameters."""
    sides = [" AND ".join(f"{quoted(name)} >= ? AND {quoted(name)} < ?" for name in area) or "true" for area in areas]
    return "(" + " OR ".join(f"({side})" for side in sides) + ")", [end for area in areas for ends in area.values()
                                                                   for end in ends]


EVERYONE_HERE = Filters()


def scope(dataset: str, run_id: str | None = None) -> Scope:
    """The dataset's current run, or the one given, with the version of the data that it scored."""
    run = catalog.run(dataset, run_id)
    known = catalog.dataset(dataset, run.version)
    return Scope(known, run, in_use(known))


def quoted(name: str) -> str:
    """The column's name as SQL.

    >>> print(quoted('the "best" one'))
    "the ""best"" one"
    """
    return '"' + name.replace('"', '""') + '"'


def ask(scope: Scope, sql: str, parameters: Sequence[Any] = (), filters: Filters = EVERYONE_HERE,
        than: Scope | None = None, known: Sequence[str] = ()) -> pd.DataFrame:
    """The answer to a question about the run, as a frame. `parameters` fill the question marks of `sql`, in order.

    than: the run to compare with. known: columns of `customers` that stand beside `people`, each as known_<name>.
    """
    text, given = _composed(scope, sql, parameters, filters, than, known)
    with _cursor(scope) as cursor:
        return cursor.execute(text, given).df()


def ask_in_parts(scope: Scope, sql: str, parameters: Sequence[Any] = (), filters: Filters = EVERYONE_HERE,
                 known: Sequence[str] = (), rows: int = PART) -> Iterator[pd.DataFrame]:
    """The same answer part by part, for one too long to be held whole; integers stay integers where some miss."""
    import pyarrow as pa

    whole = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}
    text, given = _composed(scope, sql, parameters, filters, None, known)
    with _cursor(scope) as cursor:
        for part in cursor.sql(text, params=given).to_arrow_reader(rows):
            yield part.to_pandas(types_mapper=whole.get)


def _composed(scope: Scope, sql: str, parameters: Sequence[Any], filters: Filters,
              than: Scope | None = None, known: Sequence[str] = ()) -> tuple[str, list[Any]]:
    """The whole SQL text, with the tables that the question names, and all its parameters."""
    condition, given = filters.where()
    tables = {
        "scores": _file(scope, "scores"), "features": _file(scope, "features"), "reasons": _file(scope, "reasons"),
        "customers": _parquet(str(scope.dataset.customers)), "as_they_came": _as_they_came(scope, known),
    } | ({"offers": _parquet(str(scope.dataset.offers))} if scope.dataset.offers else {})
    if than:
        tables |= {f"then_{name}": _file(than, name) for name in ("scores", "features", "reasons")}
    wide = [name for name in ("people", "strongest") if name in sql]
    tables |= {name: f"SELECT * FROM {_side_by_side(scope, name == 'strongest', known)} WHERE {condition}"
               for name in wide}
    beside = ("scores", "features", "reasons", *(["as_they_came"] if known else []))
    used = [name for name in tables if name in sql or (wide and name in beside)]
    head = ", ".join(f"{name} AS NOT MATERIALIZED ({tables[name]})" for name in used)
    own = sql.lstrip().removeprefix("WITH ")
    return f"WITH {head}{', ' if own != sql.lstrip() else ' '}{own}", [*given * len(wide), *parameters]


@contextmanager
def _cursor(scope: Scope) -> Iterator[duckdb.DuckDBPyConnection]:
    with _connection().cursor() as cursor:
        try:
            yield cursor
        except (duckdb.BinderException, duckdb.ConversionException) as problem:
            raise EngineError(f"The data of {scope.dataset.name} cannot answer this: {problem}.") from problem
        except duckdb.Error as problem:
            if isinstance(problem, duckdb.IOException) or not _is_sound(scope):
                raise EngineError(_gone(scope)) from problem
            raise


def _is_sound(scope: Scope) -> bool:
    """Whether every file that a question may read can be read to its end; asked only once one has failed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for path in (*sorted(scope.run.folder.glob("*.parquet")), scope.dataset.customers):
            pq.ParquetFile(path).scan_contents()
    except (OSError, pa.ArrowException):
        return False
    return True


def _gone(scope: Scope) -> str:
    return (f"The files of {scope.dataset.name} ({scope.key}) are not there any more or are damaged. Reload the page; "
            "if that does not help, choose another dataset or run, or restore this one from a backup.")


def columns(scope: Scope) -> list[str]:
    """The features' names, in the order in which the run holds them."""
    return [name for name in _columns(str(scope.run.folder / "features.parquet")) if name != "customer_id"]


def _side_by_side(scope: Scope, with_reason: bool, known: Sequence[str]) -> str:
    """Scores and features, joined: where both have a name, the score's is meant. The strongest reason on demand."""
    beside = [quoted(name) for name in columns(scope) if name not in OWN]
    joined = _joined(scope, "scores", "JOIN", "features", beside)
    if known:
        as_came = [f"{quoted(name)} AS {quoted('known_' + name)}" for name in known]
        joined = _joined(scope, joined, "LEFT JOIN", "as_they_came", as_came, known)
    reason = ["feature AS reason", "contribution"]
    return _joined(scope, joined, "LEFT JOIN", "reasons", reason, only="WHERE rank = 1") if with_reason else joined


def _joined(scope: Scope, left: str, join: str, table: str, wanted: Sequence[str], known: Sequence[str] = (),
            only: str = "") -> str:
    """Columns of a table beside what begins with the scores.

    Row by row where both hold the same customers in the same order, which costs a sixth of a join by id.
    """
    with _cursor(scope):
        path = _as_they_came(scope, known) if table == "as_they_came" else _file(scope, table)
        aligned = bool(wanted) and _aligned(scope.key, _file(scope, "scores"), path, only)
    if aligned:
        return f"{left} POSITIONAL JOIN (SELECT {', '.join(wanted)} FROM {table} {only})"
    return f"{left} {join} (SELECT {', '.join(['customer_id', *wanted])} FROM {table} {only}) USING (customer_id)"


@functools.lru_cache(maxsize=256)
def _aligned(_key: str, scores: str, table: str, only: str) -> bool:
    """Whether the files hold the same customers in the same order; looked up once per run."""
    sql = (f"SELECT count(*) FROM ({scores}) POSITIONAL JOIN (SELECT customer_id AS other FROM ({table}) {only}) "
           "WHERE customer_id IS DISTINCT FROM other")
    with _connection().cursor() as cursor:
        return cursor.execute(sql).fetchall() == [(0,)]


@functools.lru_cache(maxsize=256)
def _columns(path: str) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return tuple(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as problem:
        raise EngineError(f"{files.from_home(Path(path))} is not there any more or is damaged. Reload the page, or "
                          "choose another run.") from problem


def _as_they_came(scope: Scope, known: Sequence[str]) -> str:
    """The company's own columns: beside the scores where the run holds them, else the whole table."""
    path = scope.run.folder / "known.parquet"
    beside = bool(known) and path.exists() and set(known) <= set(_columns(str(path)))
    return _parquet(str(path if beside else scope.dataset.customers))


def _file(scope: Scope, table: str) -> str:
    return _parquet(str(scope.run.folder / f"{table}.parquet"))


def _parquet(path: str) -> str:
    escaped = path.replace("'", "''")
    return f"SELECT * FROM read_parquet('{escaped}')"


@functools.cache
def _connection() -> duckdb.DuckDBPyConnection:
    """One database in memory for all questions; each is asked through a cursor of its own."""
    connection = duckdb.connect()
    connection.execute("SET threads TO 2")
    connection.execute("SET memory_limit = '2GB'")
    return connection
