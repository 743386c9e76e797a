"""Long work in parts: each part's tables are kept as soon as they are whole, so that work that was killed resumes.

    <folder>/asked.json               what the parts answer: another question never takes them for its own
    <folder>/<table>-00000.parquet    a table of the first part, and so on
    <folder>/00000.done               the first part is whole
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import EngineError
from engine.files import sweep_halves, whole, write_text
from engine.progress import Part

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

T = TypeVar("T")
ASKED = "asked.json"


def in_parts(folder: Path, asked: Mapping[str, Any], parts: Sequence[T],
             make: Callable[[T], Mapping[str, pd.DataFrame]], part: Part | None = None) -> int:
    """Make each part's tables and keep them in the folder; returns how many parts were there already.

    asked: what the parts depend on, as JSON can hold it. make: a part's tables by name, none where it has no rows.

    Raises:
        EngineError: when the folder holds the parts of another question.
    """
    begin(folder, asked)
    there = 0
    for number, some in enumerate(parts):
        if _done(folder, number).exists():
            there += 1
        else:
            keep_part(folder, number, make(some))
        if part:
            part(number + 1, len(parts))
    return there


def keep_part(folder: Path, number: int, frames: Mapping[str, pd.DataFrame]) -> None:
    """Keep the tables of a part, and then note that it is whole."""
    for name, frame in frames.items():
        with whole(folder / f"{name}-{number:05d}.parquet") as file:
            frame.to_parquet(file, index=False, compression="zstd")
    write_text(_done(folder, number), "")


def begin(folder: Path, asked: Mapping[str, Any]) -> None:
    """Make the folder one for the parts of this question; EngineError when it is another's."""
    text, path = json.dumps(asked, sort_keys=True), folder / ASKED
    if path.is_file():
        if path.read_text(encoding="utf-8") != text:
            raise EngineError(f"{folder} holds the parts of another computation. Choose another folder, or remove it.")
        sweep_halves(folder)
    elif folder.is_dir() and any(folder.iterdir()):
        raise EngineError(f"{folder} is not empty. Choose an empty folder, or one that does not exist yet.")
    else:
        write_text(path, text)


def _done(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.done"


def tables(folder: Path, name: str) -> list[Path]:
    """The parts of a table, in order."""
    return sorted(folder.glob(f"{name}-*.parquet"))


def join(paths: Sequence[Path], target: Path, changed: Callable[[pa.Table], pa.Table] | None = None) -> int:
    """Write the parts as one Parquet file, read one after the other; returns its rows.

    Parts may hold the same categories in different numbers: all are written as the first one is.
    """
    import pyarrow.parquet as pq

    from engine.files import ROW_GROUP

    rows, writer = 0, None
    try:
        for path in paths:
            table = pq.read_table(path)
            table = _as_text(changed(table) if changed else table, writer and writer.schema)
            writer = writer or pq.ParquetWriter(target, table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema), row_group_size=ROW_GROUP)
            rows += len(table)
    finally:
        if writer:
            writer.close()
    return rows


def _as_text(table: pa.Table, first: pa.Schema | None) -> pa.Table:
    """The table with its categories (or what the first part has as categories) as text under codes of one size."""
    import pyarrow as pa

    for place, field in enumerate(first or table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pa.string()).dictionary_encode())
    return table
