"""The events of a file as the table `events` of a DuckDB connection: of all customers, or of some alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from engine.schema.stored import FEW, a_cursor, table_of

EVENT_TYPES = {
    "event_id": "string", "customer_id": "string", "at": "timestamp", "kind": "string", "group_id": "string",
    "amount": "float64", "quantity": "float64",
}  # fmt: skip


@contextmanager
def happened(events: Path, only: Sequence[str] | None = None, threads: int = 0) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows the table `events`; `threads` 0 is as many as the machine has."""
    if only is not None and len(only) <= FEW:
        with a_cursor() as cursor:
            cursor.register("events", table_of(events, only))
            yield cursor
        return
    with settled(duckdb.connect(config={"threads": threads} if threads else {})) as connection:
        table = connection.from_parquet(str(events))
        if only is not None:
            table = table.join(connection.from_df(pd.DataFrame({"customer_id": sorted(set(only))})), "customer_id")
        table.create_view("events")
        yield connection


def settled(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The connection, reading every moment as UTC and drawing no progress bar."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection
