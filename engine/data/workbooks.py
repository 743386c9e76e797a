"""Excel workbooks in: the sheet that holds most, from its header on, one column at a time."""

from __future__ import annotations

import errno
import itertools
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pandas as pd

from engine.data.layouts import MOST_ABOVE, apart, header_at, repeated, told_of_repeats
from engine.errors import EngineError
from engine.limits import MEGABYTE, setting
from engine.schema import Finding, plural

WEIGHED, ROWS = 1000, 50
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
    return _sheet(path, lines, _other_sheets(path, title, others))


def _sheet(path: Path, lines: list[tuple[Any, ...]], told: tuple[Finding, ...]) -> Sheet:
    """The lines as a table, with what was found on the way."""
    above, lines = _from_header(lines)
    given = [str(cell).strip() if cell is not None else f"unnamed_{n}" for n, cell in enumerate(lines[0], 1)]
    names = apart(given)
    columns = list(zip(*lines[1:], strict=True)) or [()] * len(names)
    keep = [n for n, cells in enumerate(columns) if not names[n].startswith("unnamed_") or set(cells) - {None}]
    if not keep:
        raise EngineError(f"{path.name} has a header but no rows. Export it again with its data.")
    series = [as_column(columns[n]) for n in keep]
    frame = pd.concat(series, axis=1, keys=range(len(series)))
    frame.columns, frame.index = pd.Index([names[n] for n in keep]), pd.RangeIndex(1, len(frame) + 1)
    clashes = {names[n]: found for n in keep if (found := clashing(columns[n]))}
    return Sheet(frame, (*told, *lines_above(path.name, above), *told_of_repeats(path.name, repeated(given))), clashes)


def tables(path: Path) -> dict[str, Sheet]:
    """The workbook's tables by the titles of their sheets, where two or more hold one of 50 rows or more; else none.

    A legend, a page of notes or a small summary is no table of its own; the greatest sheet is then read alone.
    """
    with _opened(path) as book:
        sheets = list(book.worksheets)
        if len(sheets) < 2 or sum((sheet.max_row or ROWS) >= ROWS for sheet in sheets) < 2:
            return {}
        lines = {sheet.title: _filled(_bounded(path, sheet), None) for sheet in sheets}
    found = {title: _sheet(path, held, ()) for title, held in lines.items() if _is_table(held)}
    return found if len(found) > 1 else {}


def _is_table(lines: list[tuple[Any, ...]]) -> bool:
    """Whether the lines are a table's: enough rows below a header of two names or more."""
    if len(lines) <= ROWS:
        return False
    names = [cell for cell in _from_header(lines)[1][0] if cell is not None]
    return len(names) > 1 and all(isinstance(name, str) for name in names)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    _refuse_dense(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            yield book
        finally:
            book.close()
    except (*BROKEN, InvalidFileException, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno not in (None, errno.EINVAL):
            raise
        raise EngineError(f"{path.name} is not a whole Excel workbook. Save it again as .xlsx or as CSV.") from problem


def _cells(path: Path, rows: int | None) -> tuple[str, int, list[tuple[Any, ...]]]:
    with _opened(path) as book:
        sheets = list(book.worksheets)
        best = max(sheets, key=_weight) if len(sheets) > 1 else sheets[0]
        first = None if rows is None else rows + MOST_ABOVE
        return best.title, len(sheets) - 1, _filled(_bounded(path, best), first)


def _refuse_dense(path: Path) -> None:
    """EngineError for a workbook whose parts grow as those of a zip bomb do; what is no archive is left to others."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [(part.file_size, part.compress_size) for part in archive.infolist()]
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError):
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
    at = header_at([len(line) - line.count(None) for line in lines[:WEIGHED]])
    return at, lines[at:]


def lines_above(file: str, count: int) -> tuple[Finding, ...]:
    """A note that lines stand above the names of the columns."""
    if not count:
        return ()
    what = f"{plural(count, 'line stands', 'lines stand')} above the names of the columns."
    return (Finding("note", file, what, "Left out.", count),)


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
