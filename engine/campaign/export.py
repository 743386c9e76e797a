"""Rows as the bytes of a file: CSV and XLSX that no spreadsheet executes. What reads like a formula stays text.

A format writes parts of a table into a stream, so that a long list is never held as rows. Its columns' kinds say how a
cell is written: ids, texts and categories as text with zeros kept, numbers with a dot, days as 2024-06-30, flags as 0
and 1, nothing where nothing is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd

from engine.schema import Column

if TYPE_CHECKING:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.worksheet.worksheet import Worksheet

INVISIBLE = "\\s\"'\x00-\x1f\x7f\u00ad\u180e\u200b-\u200f\u2060-\u2064\ufeff"
SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b"  # in their full-width and small forms too
FORMULA = re.compile(f"[\t\r\n]|[{INVISIBLE}]*[{SIGNS}]")
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
NEWLINE = re.compile("\r\n?")
TEXT = frozenset({"id", "text", "category"})
WHOLE = frozenset({"count", "flag"})
LONGEST_CELL = 32_767  # characters that a cell of a workbook holds
ABOUT_WIDTH = 28

Facts = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    write(stream, columns, parts, facts) returns how many rows it wrote; `facts` say what the list is, where the format
    has room for it. most_rows: what the format holds. most_at_once: what is made while a person waits.
    """

    name: str
    mime: str
    most_rows: float
    most_at_once: int
    write: Callable[[BinaryIO, Sequence[Column], Iterable[pd.DataFrame], Facts], int]


def harmless(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula.

    >>> harmless("=HYPERLINK(0)"), harmless("007"), harmless(" -1")
    ("'=HYPERLINK(0)", '007', "' -1")
    """
    return f"'{text}" if FORMULA.match(text) else text


def original(cell: str) -> str:
    """What `harmless` was given.

    >>> original(harmless("+49 30 1234")), original("'tis")
    ('+49 30 1234', "'tis")
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell


def printable(text: str) -> str:
    """The text with a mark in place of each character that no spreadsheet takes."""
    return UNPRINTABLE.sub("\ufffd", text)


def write_csv(stream: BinaryIO, columns: Sequence[Column], parts: Iterable[pd.DataFrame], _facts: Facts) -> int:
    """Write RFC 4180 with a byte order mark, by which Excel knows UTF-8; returns the number of rows."""
    stream.write(b"\xef\xbb\xbf")
    stream.write(_lines(pd.DataFrame(columns=[harmless(column.name) for column in columns]), header=True))
    rows = 0
    for part in parts:
        stream.write(_lines(pd.DataFrame({column.name: _csv_cells(column, part[column.name]) for column in columns})))
        rows += len(part)
    return rows


def _lines(frame: pd.DataFrame, header: bool = False) -> bytes:
    text: str = frame.to_csv(index=False, header=header, lineterminator="\r\n")
    return text.encode()


def _csv_cells(column: Column, values: pd.Series) -> pd.Series:
    if column.kind in TEXT:
        return _each(values, lambda value: harmless(printable(str(value))))
    if column.kind == "date":
        return _each(values, lambda value: _day(value).isoformat())
    return values.astype("Int64") if column.kind in WHOLE else values


def _each(values: pd.Series, change: Callable[[Any], Any]) -> pd.Series:
    """Each known value changed; what stands in many rows is changed once.

    By Python's own equality: pandas ends a text at a NUL when it compares.
    """
    made = {value: change(value) for value in dict.fromkeys(values.dropna().tolist())}
    cells = [made[value] if known else None for value, known in zip(values.tolist(), values.notna(), strict=True)]
    return pd.Series(cells, index=values.index, dtype=object)


def _day(moment: date | datetime) -> date | datetime:
    """The day where a moment is nothing but a day."""
    if isinstance(moment, datetime) and (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0):
        return moment.date()
    return moment.to_pydatetime(warn=False) if isinstance(moment, pd.Timestamp) else moment


def write_xlsx(stream: BinaryIO, columns: Sequence[Column], parts: Iterable[pd.DataFrame], facts: Facts) -> int:
    """Write a workbook: the list, its head bold and frozen, and a sheet that says what it is; returns the rows."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("list")
    rows = _fill(sheet, columns, parts)
    _tell(book.create_sheet("about"), columns, facts)
    book.save(stream)
    return rows


def _fill(sheet: Worksheet, columns: Sequence[Column], parts: Iterable[pd.DataFrame]) -> int:
    sheet.freeze_panes = "B2"
    for number, column in enumerate(columns, start=1):
        sheet.column_dimensions[_letter(number)].width = _width(column)
    sheet.append([_head(sheet, column.name) for column in columns])
    rows = 0
    for part in parts:
        cells = [_xlsx_cells(sheet, column, part[column.name]) for column in columns]
        for row in zip(*cells, strict=True):
            sheet.append(row)
        rows += len(part)
    return rows


def _tell(sheet: Worksheet, columns: Sequence[Column], facts: Facts) -> None:
    for letter, width in (("A", ABOUT_WIDTH), ("B", ABOUT_WIDTH), ("C", 3 * ABOUT_WIDTH)):
        sheet.column_dimensions[letter].width = width
    for name, value in facts:
        sheet.append([_head(sheet, name), _text(sheet, value)])
    sheet.append([])
    sheet.append([_head(sheet, name) for name in ("column", "unit", "meaning")])
    for column in columns:
        sheet.append([_text(sheet, part) for part in (column.name, column.unit or "-", column.meaning)])


def _xlsx_cells(sheet: Worksheet, column: Column, values: pd.Series) -> list[Any]:
    if column.kind in TEXT:
        values = _each(values, lambda value: _text(sheet, str(value)))
    elif column.kind == "date":
        values = _each(values, _day)
    return [value if known else None for value, known in zip(values.tolist(), values.notna(), strict=True)]


def _text(sheet: Worksheet, text: str) -> WriteOnlyCell | str:
    """Text that stays text: the plain string where nothing could take it for anything else."""
    text = NEWLINE.sub("\n", printable(text))[:LONGEST_CELL]
    return _forced(sheet, text) if FORMULA.match(text) or text.startswith("#") else text


def _forced(sheet: Worksheet, text: str) -> WriteOnlyCell:
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell


def _head(sheet: Worksheet, text: str) -> WriteOnlyCell:
    from openpyxl.styles import Font

    cell = _forced(sheet, printable(text))
    cell.quotePrefix = False
    cell.font = Font(bold=True)
    return cell


def _letter(number: int) -> str:
    from openpyxl.utils import get_column_letter

    return get_column_letter(number)


def _width(column: Column) -> int:
    """How many characters the column shows."""
    return max(len(column.name) + 2, 48 if column.kind == "text" and column.unit == "" else 12)


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXPORTERS = {
    "csv": Format("csv", "text/csv", math.inf, 250_000, write_csv),
    "xlsx": Format("xlsx", XLSX, 1_048_575, 20_000, write_xlsx),
}
