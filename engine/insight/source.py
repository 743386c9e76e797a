"""Stored scores as tables that can be asked: DuckDB over a run's Parquet files, nothing held in memory.

Every question is one SQL text over these tables, each one row per customer of the run unless said otherwise:

    scores      the SCORES table
    features    what the scores rest on, by customer_id
    reasons     the REASONS table, one row per customer and rank
    customers   the dataset's customers as they came, contact fields too: only for those who may see them
    people      scores and features side by side, those that `Filters` lets through
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pandas as pd

from engine import catalog
from engine.catalog import Run
from engine.errors import EngineError
from engine.schema import SCORES, Dataset

OWN = frozenset(SCORES.names)


@dataclass(frozen=True)
class Scope:
    """What a question is asked of: one scoring run and the dataset version that it scored."""

    dataset: Dataset
    run: Run

    @property
    def key(self) -> str:
        """The run's id: a cache key, for a run never changes."""
        return self.run.run_id


@dataclass(frozen=True)
class Filters:
    """Which customers. Nothing given lets everyone through who has not left already.

    values: column -> the values let through, of scores or features (segment, churn_risk, ltv_tier, contract, ...).
    ranges: column -> (least, greatest), inclusive. ids: these customers alone. left: those who have left too.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    left: bool = False

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
        return " AND ".join(parts) or "true", given


EVERYONE_HERE = Filters()


def scope(dataset: str, run_id: str | None = None) -> Scope:
    """The dataset's current run, or the one given, with the version of the data that it scored."""
    run = catalog.run(dataset, run_id)
    return Scope(catalog.dataset(dataset, run.version), run)


def quoted(name: str) -> str:
    """The column's name as SQL.

    >>> print(quoted('the "best" one'))
    "the ""best"" one"
    """
    return '"' + name.replace('"', '""') + '"'


def ask(scope: Scope, sql: str, parameters: Sequence[Any] = (), filters: Filters = EVERYONE_HERE) -> pd.DataFrame:
    """The answer to a question about the run, as a frame. `parameters` fill the question marks of `sql`, in order."""
    condition, given = filters.where()
    tables = {
        "scores": _file(scope, "scores"), "features": _file(scope, "features"), "reasons": _file(scope, "reasons"),
        "customers": _parquet(str(scope.dataset.customers)),
        "people": f"SELECT * FROM scores JOIN (SELECT {_beside(scope)} FROM features) USING (customer_id) "
                  f"WHERE {condition}",
    }
    used = [name for name in tables if name in sql or (name in ("scores", "features") and "people" in sql)]
    head = ", ".join(f"{name} AS NOT MATERIALIZED ({tables[name]})" for name in used)
    with _connection().cursor() as cursor:
        filled = [*(given if "people" in used else ()), *parameters]
        try:
            return cursor.execute(f"WITH {head} {sql}", filled).df()
        except duckdb.BinderException as problem:
            raise EngineError(f"The data of {scope.dataset.name} cannot answer this: {problem}.") from problem


def columns(scope: Scope) -> list[str]:
    """The features' names, in the order in which the run holds them."""
    return [name for name in _columns(str(scope.run.folder / "features.parquet")) if name != "customer_id"]


def _beside(scope: Scope) -> str:
    """The features that stand beside the scores: where both have a name, the score's is meant."""
    return ", ".join(quoted(name) for name in ["customer_id", *(c for c in columns(scope) if c not in OWN)])


@functools.lru_cache(maxsize=256)
def _columns(path: str) -> tuple[str, ...]:
    import pyarrow.parquet as pq

    return tuple(pq.read_schema(path).names)


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
