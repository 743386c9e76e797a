"""The events of a file as the table `events` of a DuckDB connection: of all customers, or of some alone."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from engine.errors import EngineError
from engine.schema.stored import FEW, a_cursor, table_of

MEMORY = "3GB"
EVENT_TYPES = {
    "event_id": "string", "customer_id": "string", "at": "timestamp", "kind": "string", "group_id": "string",
    "amount": "float64", "quantity": "float64",
}  # fmt: skip


@contextmanager
def happened(events: Path, only: Sequence[str] | None = None, threads: int = 0) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows the table `events`; `threads` 0 is as many as the machine has.

    It holds at most HOLDFAST_MEMORY (3GB unless set) in memory and spills to the disk what is more.
    """
    if only is not None and len(only) <= FEW:
        with a_cursor() as cursor:
            cursor.register("events", table_of(events, only))
            yield cursor
        return
    with settled(duckdb.connect(config=limits() | ({"threads": threads} if threads else {}))) as connection:
        table = connection.from_parquet(str(events))
        if only is not None:
            some = pd.DataFrame({"customer_id": sorted(set(only))})
            first, last = some["customer_id"].iloc[0], some["customer_id"].iloc[-1]
            within = duckdb.ColumnExpression("customer_id").between(first, last)  # skips the stretches without them
            table = table.filter(within).join(connection.from_df(some), "customer_id")
        table.create_view("events")
        yield connection


def limits() -> dict[str, Any]:
    """How much memory a computation of features may hold, and where it puts what is more.

    >>> limits()["memory_limit"]
    '3GB'
    """
    memory = os.environ.get("HOLDFAST_MEMORY") or MEMORY
    if not re.fullmatch(r"\d+(\.\d+)? ?[MG]B", memory):
        raise EngineError(f"HOLDFAST_MEMORY is {memory!r}. Write it as 3GB or 800MB.")
    return {"memory_limit": memory, "temp_directory": str(Path(tempfile.gettempdir()) / f"holdfast-{os.getpid()}")}


def settled(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The connection, reading every moment as UTC and drawing no progress bar."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection
