"""Rows as the bytes of files, in parts that a tool's limits allow."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from engine.campaign.export import EXPORTERS, NEWLINE, TEXT, Facts, harmless, printable
from engine.errors import EngineError
from engine.schema import Column

MARK = b"\xef\xbb\xbf"
UNTOUCHED = frozenset({"email", "phone"})  # checked already: what passes neither executes nor may change
ENDINGS = {"csv": "csv", "xlsx": "xlsx", "json": "json", "parquet": "parquet"}


def csv_parts(header: Sequence[str], rows: Iterator[Sequence[str]], most_rows: float, most_bytes: float,
              mark: bytes = b"") -> list[tuple[int, bytes]]:
    """Rows as RFC 4180 in UTF-8, each part with the header: (rows, bytes) per part.

    Raises:
        EngineError: when one row alone is longer than a part may be.
    """
    head = mark + _line(header)
    parts: list[tuple[int, bytes]] = []
    lines: list[bytes] = []
    size = len(head)
    for line in map(_line, rows):
        if lines and (len(lines) >= most_rows or size + len(line) > most_bytes):
            parts.append((len(lines), head + b"".join(lines)))
            lines, size = [], len(head)
        if size + len(line) > most_bytes:
            raise EngineError(f"A file of at most {most_bytes:,.0f} bytes has no room for a row of {len(line):,}. "
                              "Allow larger files, or shorten the message.")
        lines.append(line)
        size += len(line)
    return [*parts, (len(lines), head + b"".join(lines))] if lines else parts


def _line(cells: Sequence[str]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow(cells)
    return stream.getvalue().encode()


def table_parts(kind: str, columns: Sequence[Column], frame: pd.DataFrame, facts: Facts, most_rows: float,
                most_bytes: float) -> list[tuple[int, bytes]]:
    """A table with the schema's columns as csv, xlsx, json or parquet: (rows, bytes) per part."""
    if kind == "csv":
        cells = [_texts(column, frame[column.name]) for column in columns]
        return csv_parts([column.name for column in columns], zip(*cells, strict=True), most_rows, most_bytes, MARK)
    step = len(frame) if math.isinf(most_rows) else int(most_rows)
    parts = [frame.iloc[begin:begin + step] for begin in range(0, len(frame), max(step, 1))]
    made = [(len(part), _WRITE[kind](columns, part, facts)) for part in parts]
    if any(len(content) > most_bytes for _, content in made):
        raise EngineError(f"A {kind} file is larger than {most_bytes:,.0f} bytes. Ask for fewer rows per file.")
    return made


def _texts(column: Column, values: pd.Series) -> list[str]:
    return ["" if missing else _text(column, value)
            for value, missing in zip(values.tolist(), values.isna().tolist(), strict=True)]


def _text(column: Column, value: Any) -> str:
    """A cell: text that no spreadsheet executes, days and moments as ISO 8601, whole numbers without a dot."""
    if column.name in UNTOUCHED:
        return str(value)
    if column.kind in TEXT:
        return harmless(printable(NEWLINE.sub("\n", str(value))))
    if column.kind == "date":
        return iso(value)
    return str(int(value)) if column.kind in ("count", "flag") else repr(float(value))


def iso(value: Any) -> str:
    """A moment as ISO 8601 in UTC; without its time where that is midnight.

    >>> iso("2024-06-01"), iso("2024-06-01 12:30")
    ('2024-06-01', '2024-06-01T12:30:00Z')
    """
    moment = pd.Timestamp(value)
    return f"{moment:%Y-%m-%d}" if moment == moment.normalize() else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _xlsx(columns: Sequence[Column], part: pd.DataFrame, facts: Facts) -> bytes:
    stream = io.BytesIO()
    EXPORTERS["xlsx"].write(stream, columns, [part], facts)
    return stream.getvalue()


def _json(columns: Sequence[Column], part: pd.DataFrame, _facts: Facts) -> bytes:
    cells = [[None if missing else _plain(column, value) for value, missing in zip(
        part[column.name].tolist(), part[column.name].isna().tolist(), strict=True)] for column in columns]
    names = [column.name for column in columns]
    records = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
    return json.dumps(records, ensure_ascii=False, allow_nan=False, indent=1).encode()


def _plain(column: Column, value: Any) -> object:
    if column.kind == "date":
        return iso(value)
    if column.kind in TEXT:
        return str(value)
    number = float(value)
    return int(number) if column.kind in ("count", "flag") else number


def _parquet(columns: Sequence[Column], part: pd.DataFrame, _facts: Facts) -> bytes:
    stream = io.BytesIO()
    kinds: dict[str, Any] = {"date": "datetime64[us]", "number": "float64", "count": "Int64", "flag": "Int64"}
    typed = {column.name: part[column.name].astype(kinds[column.kind]) if column.kind in kinds
             else part[column.name].astype("string") for column in columns}
    pd.DataFrame(typed).to_parquet(stream, index=False, compression="zstd")
    return stream.getvalue()


_WRITE = {"xlsx": _xlsx, "json": _json, "parquet": _parquet}
