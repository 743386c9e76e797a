"""Files without one customer: the rows whose id is the customer's go, and every other row stays as it was written.

Text and Parquet can be written anew without a row. A workbook holds more than its cells (formulas, pictures, what was
undone), JSON more than its columns, so neither is rewritten: whoever must not keep the customer lets it go as a whole.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine import files
from engine.data.adapters.common import ID_FIELD, IDS, match
from engine.data.layouts import Layout, layout_of
from engine.data.names import plain
from engine.data.readers import PARQUET, TEXT, WHOLE, column_names, read_raw
from engine.errors import EngineError

BROKEN = (EngineError, csv.Error, pa.ArrowException, UnicodeError)
WHOLE_FLOAT = r"^(\d+)\.0+$"


def id_column(names: Sequence[str], told: Sequence[str] = ()) -> str:
    """The column of customer ids: the first that a mapping told, or the one known by its name; "" without either."""
    mapped = (name for name in told if name in names)
    return next(mapped, match([ID_FIELD], names).get(ID_FIELD.name, ""))


def id_columns(names: Sequence[str], told: Sequence[str] = ()) -> list[str]:
    """Every column that may hold customer ids: rows of several files can stand in one table."""
    return [name for name in names if name in told or plain(name) in (plain(ID_FIELD.name), *IDS)]


def rows_of(path: Path, columns: Sequence[str], customer_id: str) -> int:
    """How many rows of the file have the customer's id in one of the columns."""
    ending = path.suffix.lower()
    if ending in TEXT:
        return sum(mine for _, mine in _records(path, columns, customer_id))
    if ending in PARQUET:
        return _rows_in_groups(pq.ParquetFile(path), columns, customer_id)
    frame = read_raw(path).frame
    return int(frame[list(columns)].astype(object).map(lambda cell: same_id(str(cell), customer_id)).any(axis=1).sum())


def remove_rows(path: Path, columns: Sequence[str], customer_id: str) -> None:
    """Write the file anew without the customer's rows, in one step."""
    assert path.suffix.lower() not in WHOLE, f"{path} cannot be rewritten."
    with files.whole(path) as aside:
        if path.suffix.lower() in PARQUET:
            _rewrite_parquet(path, columns, customer_id, aside)
        else:
            _rewrite_text(path, columns, customer_id, aside)


def mentions(path: Path, customer_id: str) -> bool:
    """Whether a file holds the id in its column of ids, or without one anywhere; yes if nobody can read it."""
    try:
        names = column_names(path)
        own = id_column(names)
        return rows_of(path, [own] if own else names, customer_id) > 0
    except BROKEN:
        return True


def same_id(cell: str, customer_id: str) -> bool:
    """Whether a cell means the customer, as ids are read: trimmed, and 13085.0 as 13085.

    >>> same_id(" 007 ", "007"), same_id("7.0", "7"), same_id("7", "007")
    (True, True, False)
    """
    cell = cell.strip()
    return cell == customer_id or re.sub(WHOLE_FLOAT, r"\1", cell) == customer_id


# ------------------------------------------------------------------------------------------------------- text

def _records(path: Path, columns: Sequence[str], customer_id: str) -> Iterator[tuple[str, bool]]:
    """Each record of a text file exactly as written, line ends included, and whether it is the customer's."""
    layout = layout_of(path)
    places = [layout.header.index(name) for name in columns]
    with path.open(encoding=layout.encoding, newline="") as file:
        for text, cells in _split(file, layout):
            yield text, any(same_id(cells[place], customer_id) for place in places if place < len(cells))


def _split(file: IO[str], layout: Layout) -> Iterator[tuple[str, list[str]]]:
    if layout.delimiter == r"\s+":
        yield from ((line, re.split(r"[ \t]+", line.strip())) for line in file)
        return
    lines: list[str] = []
    for cells in csv.reader(_noted(file, lines), delimiter=layout.delimiter):
        yield "".join(lines), cells
        lines.clear()


def _noted(file: IO[str], lines: list[str]) -> Iterator[str]:
    """The file's lines, each noted when it is taken: a quoted cell may run over several."""
    for line in file:
        lines.append(line)
        yield line


def _rewrite_text(path: Path, columns: Sequence[str], customer_id: str, aside: IO[bytes]) -> None:
    write = io.TextIOWrapper(aside, encoding=layout_of(path).encoding, newline="")
    write.writelines(text for text, mine in _records(path, columns, customer_id) if not mine)
    write.flush()
    write.detach()


# ---------------------------------------------------------------------------------------------------- Parquet

def _rows_in_groups(file: pq.ParquetFile, columns: Sequence[str], customer_id: str) -> int:
    groups = (file.read_row_group(number, columns=list(columns)) for number in range(file.num_row_groups))
    return sum(pc.sum(_mine(group, columns, customer_id)).as_py() or 0 for group in groups)


def _rewrite_parquet(path: Path, columns: Sequence[str], customer_id: str, aside: IO[bytes]) -> None:
    file = pq.ParquetFile(path)
    with pq.ParquetWriter(aside, file.schema_arrow, compression="zstd") as writer:
        for number in range(file.num_row_groups):
            group = file.read_row_group(number)
            writer.write_table(group.filter(pc.invert(_mine(group, columns, customer_id))))


def _mine(table: pa.Table, columns: Sequence[str], customer_id: str) -> pa.ChunkedArray:
    """Which rows are the customer's."""
    mine = pa.chunked_array([pa.array([False] * len(table), pa.bool_())])
    for name in columns:
        mine = pc.or_(mine, pc.fill_null(_means(table.column(name), customer_id), False))
    return mine


def _means(column: pa.ChunkedArray, customer_id: str) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64(), safe=False)
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    plain_ids = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), WHOLE_FLOAT, r"\1")
    return pc.or_(pc.equal(column, customer_id), pc.equal(plain_ids, customer_id))
