"""Excel workbooks in: the first sheet that holds anything, one column at a time."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pandas as pd

from engine.errors import EngineError
from engine.schema import Finding

BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError, ParseError)


@dataclass(frozen=True)
class Sheet:
    """A sheet as read; `clashes`: by column, texts that occur both as a number and as a text."""

    frame: pd.DataFrame
    findings: tuple[Finding, ...]
    clashes: Mapping[str, tuple[str, ...]]


def read_sheet(path: Path, rows: int | None = None) -> Sheet:
    """The workbook's first sheet with content; its first row holds the names. `rows` stops early."""
    title, others, lines = _cells(path, rows)
    if not lines:
        raise EngineError(f"{path.name} has no sheet with content. Export it again.")
    names = [str(cell).strip() if cell is not None else f"unnamed_{n}" for n, cell in enumerate(lines[0], 1)]
    columns = list(zip(*lines[1:], strict=True)) or [()] * len(names)
    keep = [n for n, cells in enumerate(columns) if not names[n].startswith("unnamed_") or set(cells) - {None}]
    series = [as_column(columns[n]) for n in keep]
    frame = pd.concat(series, axis=1, keys=range(len(series)))
    frame.columns, frame.index = pd.Index([names[n] for n in keep]), pd.RangeIndex(1, len(frame) + 1)
    clashes = {names[n]: found for n in keep if (found := clashing(columns[n]))}
    return Sheet(frame, _other_sheets(path, title, others), clashes)


def _cells(path: Path, rows: int | None) -> tuple[str, int, list[tuple[Any, ...]]]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            for sheet in book.worksheets:
                cells = _filled(sheet.iter_rows(values_only=True), rows)
                if cells:
                    return sheet.title, len(book.worksheets) - 1, cells
            return "", 0, []
        finally:
            book.close()
    except (*BROKEN, InvalidFileException) as problem:
        raise EngineError(f"{path.name} is not a whole Excel workbook. Save it again as .xlsx or as CSV.") from problem


def _filled(lines: Any, rows: int | None) -> list[tuple[Any, ...]]:
    """The lines that hold anything, all as wide as the widest; the first one and `rows` more."""
    kept: list[tuple[Any, ...]] = []
    for line in lines:
        if any(cell is not None for cell in line):
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
