"""Excel workbooks in: the sheet that holds most, from its header on, one column at a time."""

from __future__ import annotations

import errno
import itertools
import statistics
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pandas as pd

from engine.errors import EngineError
from engine.limits import MEGABYTE, setting
from engine.schema import Finding, plural

WEIGHED, MOST_ABOVE, HEADER = 1000, 10, 0.8
DENSE_BYTES = 100 * MEGABYTE
BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError, ParseError, IndexError,
          AttributeError, RuntimeError, OverflowError)


@dataclass(frozen=True)
class Sheet:
    """A sheet as read; `clashes`: by column, texts that occur both as a number and as a text."""

    frame: pd.DataFrame
    findings: tuple[Finding, ...]
    clashes: Mapping[str, tuple[str, ...]]


def read_sheet(path: Path, rows: int | None = None) -> Sheet:
    """The workbook's greatest table; the first row as wide as the rest holds the names. `rows` stops early."""
    title, others, lines = _cells(path, rows)
    if not lines:
        raise EngineError(f"{path.name} has no sheet with content. Export it again.")
    above, lines = _from_header(lines)
    names = [str(cell).strip() if cell is not None else f"unnamed_{n}" for n, cell in enumerate(lines[0], 1)]
    columns = list(zip(*lines[1:], strict=True)) or [()] * len(names)
    keep = [n for n, cells in enumerate(columns) if not names[n].startswith("unnamed_") or set(cells) - {None}]
    if not keep:
        raise EngineError(f"{path.name} has a header but no rows. Export it again with its data.")
    series = [as_column(columns[n]) for n in keep]
    frame = pd.concat(series, axis=1, keys=range(len(series)))
    frame.columns, frame.index = pd.Index([names[n] for n in keep]), pd.RangeIndex(1, len(frame) + 1)
    clashes = {names[n]: found for n in keep if (found := clashing(columns[n]))}
    return Sheet(frame, (*_other_sheets(path, title, others), *_lines_above(path, above)), clashes)


def _cells(path: Path, rows: int | None) -> tuple[str, int, list[tuple[Any, ...]]]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    _refuse_dense(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheets = list(book.worksheets)
            best = max(sheets, key=_weight) if len(sheets) > 1 else sheets[0]
            first = None if rows is None else rows + MOST_ABOVE
            return best.title, len(sheets) - 1, _filled(_bounded(path, best), first)
        finally:
            book.close()
    except (*BROKEN, InvalidFileException, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno not in (None, errno.EINVAL):
            raise
        raise EngineError(f"{path.name} is not a whole Excel workbook. Save it again as .xlsx or as CSV.") from problem


def _refuse_dense(path: Path) -> None:
    """EngineError for a workbook whose parts grow as those of a zip bomb do; one that is no archive is left to others."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [(part.file_size, part.compress_size) for part in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError):
        return
    most, ratio = setting("HOLDFAST_SOURCE_MB") * MEGABYTE, setting("HOLDFAST_SOURCE_RATIO")
    if sum(size for size, _ in parts) > most or any(size > DENSE_BYTES and size > ratio * max(packed, 1)
                                                    for size, packed in parts):
        raise EngineError(f"{path.name} grows to more than {ratio} times its packed size, or beyond what may be put "
                          "aside, as a zip bomb does. Save it as CSV if it is yours.")


def _bounded(path: Path, sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The sheet's lines; EngineError once it spreads over more cells than are read."""
    cells, most = 0, setting("HOLDFAST_SHEET_CELLS")
    for line in sheet.iter_rows(values_only=True):
        cells += len(line) + 1
        if cells > most:
            raise EngineError(f"{path.name}: the sheet {sheet.title!r} spreads over more than {most:,} cells, most of "
                              "them perhaps empty. Save it as CSV, or set HOLDFAST_SHEET_CELLS.")
        yield line


def _weight(sheet: Any) -> int:
    """How many cells of the sheet's first thousand lines are filled; a page of notes has few, a table many."""
    lines = itertools.islice(sheet.iter_rows(values_only=True), WEIGHED)
    return sum(cell is not None for line in lines for cell in line)


def _from_header(lines: list[tuple[Any, ...]]) -> tuple[int, list[tuple[Any, ...]]]:
    """How many lines stand above the header, such as a title and a date, and the lines from the header on."""
    counts = [sum(cell is not None for cell in line) for line in lines[:WEIGHED]]
    width = statistics.median(counts)
    at = next((n for n, count in enumerate(counts[:MOST_ABOVE]) if count >= HEADER * width), 0)
    return (at, lines[at:]) if counts[0] < width / 2 else (0, lines)


def _lines_above(path: Path, count: int) -> tuple[Finding, ...]:
    if not count:
        return ()
    what = f"{plural(count, 'line stands', 'lines stand')} above the names of the columns."
    return (Finding("note", path.name, what, "Left out.", count),)


def _filled(lines: Any, rows: int | None) -> list[tuple[Any, ...]]:
    """The lines that hold anything, all as wide as the widest; the first one and `rows` more."""
    kept: list[tuple[Any, ...]] = []
    for line in lines:
        if line.count(None) < len(line):
            kept.append(tuple(line))
        if rows is not None and len(kept) > rows:
            break
    width = max(map(len, kept), default=0)
    return [line + (None,) * (width - len(line)) for line in kept]


def _other_sheets(path: Path, title: str, others: int) -> tuple[Finding, ...]:
    if not others:
        return ()
    return (Finding("note", path.name, f"The workbook has {others} more sheets.", f"Only {title!r} was read."),)


def as_column(cells: Sequence[Any]) -> pd.Series:
    """The cells as whole numbers, numbers, flags or moments if they agree; else as a category of text.

    >>> as_column([1, None, 3]).dtype, as_column([1, "x"]).tolist()
    (Int64Dtype(), ['1', 'x'])
    """
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int}:
        return pd.Series(cells, dtype="Int64")
    if kinds and kinds <= {int, float}:
        return pd.Series(cells, dtype=float)
    if kinds == {bool}:
        return pd.Series(cells, dtype="boolean")
    if kinds and kinds <= {datetime, date}:
        return pd.Series([as_text(cell) or None for cell in cells]).astype("datetime64[us]")
    return pd.Series([as_text(cell) for cell in cells], dtype=object).astype("category")


def as_text(cell: Any) -> str:
    """The cell as text; whole floats without ".0", moments as ISO 8601, nothing as "".

    >>> as_text(7.0), as_text(None), as_text(datetime(2024, 1, 2))
    ('7', '', '2024-01-02T00:00:00')
    """
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, (datetime, date, time)) else str(cell)


def clashing(cells: Sequence[Any]) -> tuple[str, ...]:
    """Texts that occur both as a number and as a text.

    >>> clashing([7, "7", "8", 9])
    ('7',)
    """
    texts = {cell.strip() for cell in cells if isinstance(cell, str)}
    numbers = {as_text(cell) for cell in cells if isinstance(cell, (int, float))}
    return tuple(sorted(texts & numbers))
