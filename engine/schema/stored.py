"""Rows of some customers out of a stored table, without reading the rows of all others."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

FEW = 1_000


def rows_of(path: Path, only: Collection[str], columns: Sequence[str] | None = None, kind: str = "") -> pd.DataFrame:
    """The rows of these customers in the file's order, with all columns or those named: what reading it whole gives.

    kind: events of that kind alone. More than a thousand customers are cut out of the whole file.
    """
    if len(only) <= FEW:
        return table_of(path, only, columns, kind).to_pandas()
    here = [("customer_id", ">=", min(only)), ("customer_id", "<=", max(only))]  # skips the stretches without them
    wanted = [*here, ("customer_id", "in", list(only))] + ([("kind", "==", kind)] if kind else [])
    return pd.read_parquet(path, columns=None if columns is None else list(columns), filters=wanted)


def table_of(path: Path, only: Collection[str], columns: Sequence[str] | None = None, kind: str = "") -> pa.Table:
    """The same as an Arrow table, for at most a thousand customers."""
    if len(only) != 1:
        return _asked(path, tuple(only), columns, kind)
    rows = _of_one(path, next(iter(only)), path.stat().st_mtime_ns)
    rows = rows.filter(pc.equal(rows["kind"], kind)) if kind else rows
    return rows if columns is None else rows.select(list(columns))


@functools.lru_cache(maxsize=16)
def _of_one(path: Path, customer_id: str, _written: int) -> pa.Table:
    """One customer's rows, kept while she is looked at: a score asks for them several times."""
    return _asked(path, (customer_id,), None, "")


def _asked(path: Path, only: tuple[str, ...], columns: Sequence[str] | None, kind: str) -> pa.Table:
    named = "*" if columns is None else ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
    marks = ", ".join("?" * len(only)) or "NULL"
    where = f"customer_id IN ({marks})" + (" AND kind = ?" if kind else "")
    given = [*only, *([kind] if kind else [])]
    with a_cursor() as cursor:
        return cursor.sql(f"SELECT {named} FROM {read_parquet(path)} WHERE {where}", params=given).to_arrow_table()


def read_parquet(path: Path) -> str:
    """The file as a table in SQL.

    >>> read_parquet(Path("it's.parquet"))
    "read_parquet('it''s.parquet')"
    """
    escaped = str(path).replace("'", "''")
    return f"read_parquet('{escaped}')"


@contextmanager
def a_cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for one small question, with temporary views of its own; opening a database takes longer."""
    with _database().cursor() as cursor:
        yield cursor


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(config={"threads": 1, "memory_limit": "512MB"})
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    return database
