"""Events that are too many for memory: written aside part by part, then sorted by DuckDB within a gigabyte.

Parts are Parquet files whose names sort in the order in which they were read, so that a stable sort is the same as that
of a frame.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.data.adapters.common import kinds_of
from engine.files import writing
from engine.schema import EVENT_EXTRAS, EVENTS

if TYPE_CHECKING:
    import duckdb

FOLDER = ".spool"
DIGITS = 5
MEMORY = "1GB"
ROWS = 1 << 18
ARROW = {"date": pa.timestamp("us"), "number": pa.float64(), "count": pa.float64(), "flag": pa.float64()}
TYPES = {column.name: ARROW.get(column.kind, pa.string()) for column in (*EVENTS, *EVENT_EXTRAS)}
KEPT = tuple(dict.fromkeys((*TYPES, "country")))
SORTED = 'customer_id, "at", filename, file_row_number'


def aside(folder: Path, name: str) -> Path:
    """A folder within what is written aside."""
    return folder / FOLDER / name


def keep_part(folder: Path, source: int, frame: pd.DataFrame) -> Path:
    """Write a chunk's events aside; returns the file."""
    made = folder / FOLDER
    with writing(made):
        made.mkdir(parents=True, exist_ok=True)
        path = made / f"{source:0{DIGITS}d}-{len(list(made.glob('*.parquet'))):07d}.parquet"
        pq.write_table(as_table(frame, KEPT), path, compression="zstd")
    return path


def as_table(frame: pd.DataFrame, names: Sequence[str]) -> pa.Table:
    """The frame's columns of these names, in the types that events have; missing ones are empty."""
    types = {name: TYPES.get(name, pa.string()) for name in names}
    return pa.table([pa.array(frame[name], kind, from_pandas=True) if name in frame and len(frame)
                     else pa.nulls(len(frame), kind) for name, kind in types.items()], names=list(names))


def sort_parts(parts: Sequence[Path], names: Sequence[str], folder: Path) -> Path:
    """All events in one file, sorted by customer and time as `events_table` sorts them."""
    path = folder / FOLDER / "events.sorted"
    schema = pa.schema([(name, TYPES.get(name, pa.string())) for name in names])
    columns = ", ".join(f'"{name}"' for name in names)
    with (_over(parts, folder) as connection, writing(path),
          pq.ParquetWriter(path, schema, compression="zstd") as writer):
        for batch in connection.sql(f"SELECT {columns} FROM parts ORDER BY {SORTED}").to_arrow_reader(ROWS):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
    return path


def repeated_ids(parts: Sequence[Path], folder: Path) -> tuple[int, str]:
    """How many events repeat an id, and the first such id in the order of the sorted events."""
    again = f"SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY {SORTED}) AS turn FROM parts"
    with _over(parts, folder) as connection:
        count = _one(connection, "SELECT count(*) - count(DISTINCT event_id) FROM parts")
        if not count:
            return 0, ""
        return count, str(_one(connection, f"SELECT event_id FROM ({again}) WHERE turn > 1 ORDER BY {SORTED} LIMIT 1"))


def first_orders(parts: Sequence[Path], folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every customer of the events; and of those with an order the first one's time (`at`) and country."""
    first = ("SELECT customer_id, arg_min({'moment': \"at\", 'country': country}, (\"at\", filename, file_row_number)) "
             "AS one FROM parts WHERE kind = 'order' GROUP BY customer_id")
    with _over(parts, folder) as connection:
        known = connection.sql("SELECT DISTINCT customer_id FROM parts ORDER BY 1").df()
        found = connection.sql(f"SELECT customer_id, one.moment, one.country FROM ({first}) ORDER BY 1").df()
    return known, found.rename(columns={"moment": "at"}).astype({"at": "datetime64[us]", "country": object})


def first_of_groups(parts: Sequence[Path], kind: str, source: int, folder: Path) -> tuple[Path, ...]:
    """The first event of each customer's group as an event of its own kind, written aside as a source's parts."""
    first = (f"SELECT 's' || arg_min(event_id, (\"at\", event_id)) AS event_id, customer_id, min(\"at\") AS \"at\", "
             f"'{kind}' AS kind, group_id FROM parts GROUP BY customer_id, group_id")
    with _over(parts, folder) as connection:
        reader = connection.sql(f'SELECT * FROM ({first}) ORDER BY "at", event_id').to_arrow_reader(ROWS)
        return tuple(keep_part(folder, source, batch.to_pandas()) for batch in reader)


def last_moments(path: Path, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The time of the last event up to `now`, and of the last one of all."""
    import duckdb

    with duckdb.connect() as connection:
        found = connection.execute('SELECT max("at") FILTER ("at" <= ?), max("at") FROM read_parquet(?)',
                                   [now, str(path)]).fetchone()
    assert found is not None, "An aggregate always has a row."
    return found[0], found[1]


def clear(folder: Path) -> None:
    """Remove what was written aside."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


class Rejects:
    """Rejected rows of one sort, written aside as they come; what stays here is how many had which kind of reason.

    first: the first of all reasons. kinds: reasons as `kinds_of` has them, in the order in which they came.
    """

    def __init__(self, folder: Path, name: str, before: str = " is ") -> None:
        self.folder, self.name, self.before, self.first = folder / FOLDER, name, before, ""
        self.parts: list[Path] = []
        self.kinds: Counter[str] = Counter()

    def add(self, frame: pd.DataFrame) -> None:
        """Write more rows aside; only those of some reason are any."""
        if not len(frame):
            return
        self.first = self.first or str(frame["reason"].iloc[0])
        self.kinds.update(kinds_of(frame["reason"], self.before))
        path = self.folder / f"{self.name}-{len(self.parts):07d}.rejected"
        with writing(path):
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, compression="zstd")
        self.parts.append(path)


def all_rejects(parts: Sequence[Path | pd.DataFrame], path: Path) -> Path:
    """All rejected rows in one Parquet file, one part after the other; columns that a part lacks are "" there."""
    last = {"source": pa.string(), "row": pa.int64(), "reason": pa.string()}
    names = dict.fromkeys(name for part in parts for name in _names(part) if name not in last)
    schema = pa.schema([*((name, pa.string()) for name in names), *last.items()])
    with writing(path), pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            table = pq.read_table(part) if isinstance(part, Path) else pa.Table.from_pandas(part, preserve_index=False)
            writer.write_table(_under(schema, table))
    return path


def _under(schema: pa.Schema, table: pa.Table) -> pa.Table:
    blank = pa.nulls(len(table), pa.string())
    cells = [table[name] if name in table.column_names else blank for name in schema.names]
    filled = [cell.cast(kind).fill_null("" if kind == pa.string() else 0)
              for cell, kind in zip(cells, schema.types, strict=True)]
    return pa.table(filled, schema=schema)


def _names(part: Path | pd.DataFrame) -> list[str]:
    return list(pq.read_schema(part).names if isinstance(part, Path) else part.columns)


@contextmanager
def _over(parts: Sequence[Path], folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose view `parts` is all of them; what does not fit into its memory goes beside them."""
    import duckdb

    aside = folder / FOLDER / "sorting"
    with writing(aside), duckdb.connect(config={"memory_limit": MEMORY, "threads": "1",
                                                "temp_directory": str(aside)}) as connection:
        files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in parts)
        connection.execute(f"CREATE VIEW parts AS SELECT * FROM read_parquet([{files}], filename = true, "
                           "file_row_number = true)")
        yield connection


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    assert row is not None, "An aggregate always has a row."
    return row[0]
