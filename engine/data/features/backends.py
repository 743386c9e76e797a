"""What computes features: one expression over the tables `events` and `spine`, on this machine or on a cluster.

A backend is a record in BACKENDS with one verb, `run`. `using` says which one computes within a block; one customer, or
a few, are always asked here, for no cluster answers within milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from engine.data.features.happened import happened
from engine.errors import choose
from engine.schema.stored import FEW

Only = Sequence[str] | None


@dataclass(frozen=True)
class Query:
    """What is asked of the events: `sql(dialect)` over the tables `events` and `spine`, and the spine's rows.

    The spine has one row per moment of knowledge: as_of, and what else the expression needs to know of it.
    """

    sql: Callable[[str], str]
    spine: pd.DataFrame


class Backend(Protocol):
    """Where expressions run."""

    def run(self, query: Query, events: Path, only: Only) -> pd.DataFrame:
        """The answer for all customers of the events, or for `only` some, in the expression's own order."""
        ...


@dataclass(frozen=True)
class DuckDb:
    """This machine, within HOLDFAST_MEMORY (3 GB unless set): what does not fit is spilled to the disk."""

    def run(self, query: Query, events: Path, only: Only) -> pd.DataFrame:
        """The answer by a DuckDB in this process."""
        with happened(events, only) as connection:
            connection.register("spine", query.spine)
            return connection.execute(query.sql("duckdb")).df()


def _spark(master: str) -> Backend:
    from engine.data.features.spark import Spark

    return Spark(master)


BACKENDS: dict[str, Callable[[str], Backend]] = {"duckdb": lambda _master: DuckDb(), "spark": _spark}

_HERE = DuckDb()
_CURRENT: ContextVar[Backend] = ContextVar("backend", default=_HERE)


@contextmanager
def using(backend: str, master: str = "") -> Iterator[Backend]:
    """Within the block, features of many customers are computed by this backend; master: the cluster's URL.

    >>> with using("abacus"):
    ...     pass
    Traceback (most recent call last):
    engine.errors.EngineError: There is no backend 'abacus'. Choose one of: duckdb, spark.
    """
    chosen = choose("backend", backend, BACKENDS)(master)
    token = _CURRENT.set(chosen)
    try:
        yield chosen
    finally:
        _CURRENT.reset(token)


def current() -> Backend:
    """The backend of this block; DuckDB where none was chosen."""
    return _CURRENT.get()


def answer(query: Query, events: Path, only: Only = None) -> pd.DataFrame:
    """What the query says of the events: by the current backend, of a few customers by DuckDB."""
    few = only is not None and len(only) <= FEW
    return (_HERE if few else current()).run(query, events, only)
