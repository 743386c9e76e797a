"""JSON in: an object a line, or one array of objects. Every cell becomes text as it is written there, as in CSV.

A record is gone through once and let go, so that memory holds each column's different texts and a number per cell. What
lies within a cell (`{"address": {"city": "Bern"}}`) is a column of its own, `address.city`; a list stays one text.
"""

from __future__ import annotations

import itertools
import json
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.data.layouts import apart, encoding_of
from engine.errors import EngineError
from engine.schema import Finding, plural

MOST_COLUMNS = 2_000
NO_JSON = (ValueError, RecursionError)
BETWEEN = re.compile(r"[\s,]*")
DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


@dataclass(frozen=True)
class Records:
    """The records as a frame of text categories, by number from 1; rejected: those that are none, each with why."""

    frame: pd.DataFrame
    findings: tuple[Finding, ...]
    rejected: pd.DataFrame


@dataclass
class Cells:
    """A column as it grows: its different texts, and for each row the place of its own; a row without one is blank."""

    places: dict[str, int] = field(default_factory=lambda: {"": 0})
    codes: array[int] = field(default_factory=lambda: array("i"))

    def put(self, row: int, text: str) -> None:
        """The text of a row that comes after all rows before."""
        self.fill(row)
        self.codes.append(self.places.setdefault(text, len(self.places)))

    def fill(self, rows: int) -> None:
        """Blank cells up to so many rows."""
        self.codes.frombytes(bytes(self.codes.itemsize * (rows - len(self.codes))))

    @property
    def categories(self) -> pd.Categorical:
        """The column; the blank is a category only where a row is blank."""
        codes = np.frombuffer(self.codes, dtype=np.int32)
        texts = pd.Index(list(self.places), dtype=object)
        return pd.Categorical.from_codes(codes, texts).remove_unused_categories()  # type: ignore[arg-type]


def read_records(path: Path, rows: int | None = None) -> Records:
    """The file's records, the first `rows` of them where that is said; EngineError with advice where it holds none."""
    columns: dict[str, Cells] = {}
    kept, lost, lists = array("q"), dict[int, str](), set[str]()
    for number, record in itertools.islice(enumerate(_records(path), 1), rows):
        if isinstance(record, str):
            lost[number] = record
            continue
        for name, cell in record.items():
            columns.setdefault(name, Cells()).put(len(kept), cell)
            if cell.startswith("["):
                lists.add(name)
        kept.append(number)
        _refuse_wide(path.name, columns)
    if not columns:
        why = next(iter(lost.values()), "it holds nothing")
        raise EngineError(f"{path.name} holds no record: {why}. Write one JSON object a line, or an array of them.")
    rejected = {"row": pd.Series(list(lost), dtype=int), "reason": pd.Series(list(lost.values()), dtype=object)}
    return Records(_frame(columns, kept), _told(path.name, sorted(lists)), pd.DataFrame(rejected))


def _frame(columns: Mapping[str, Cells], kept: Sequence[int]) -> pd.DataFrame:
    names = apart(name.strip() or f"unnamed_{place}" for place, name in enumerate(columns, 1))
    for cells in columns.values():
        cells.fill(len(kept))
    held = dict(zip(names, (cells.categories for cells in columns.values()), strict=True))
    return pd.DataFrame(held, index=pd.Index(np.array(kept, dtype=np.int64)))


def _told(file: str, lists: Sequence[str]) -> tuple[Finding, ...]:
    if not lists:
        return ()
    what = f"{plural(len(lists), 'column holds', 'columns hold')} lists: {', '.join(lists[:5])}."
    fix = "Each list is one text; bring what it holds as a file of its own, the customer's id on every row."
    return (Finding("note", file, what, fix),)


def _refuse_wide(file: str, columns: Mapping[str, Cells]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise EngineError(f"{file} has more than {MOST_COLUMNS:,} different names over its records, such as "
                          f"{', '.join(map(repr, list(columns)[-3:]))}. Give each record the same names; what differs "
                          "belongs into the cells.")


# ----------------------------------------------------------------------------------------------------- records

def _records(path: Path) -> Iterator[dict[str, str] | str]:
    """Each record in turn, its cells as text by name; or in words why it is none."""
    encoding = encoding_of(path)
    with path.open(encoding=encoding) as file:
        first = next((line.strip() for line in file if line.strip()), "")
    if first.startswith("["):
        yield from _of_array(path.name, path.read_text(encoding=encoding))
    elif path.suffix.lower() == ".json" and isinstance(_decoded(first), str):
        yield from _of_object(path.name, path.read_text(encoding=encoding))
    else:
        with path.open(encoding=encoding) as file:
            yield from (_decoded(line) for line in map(str.strip, file) if line)


def _decoded(line: str) -> dict[str, str] | str:
    """The object that a line holds, or why it holds none.

    >>> _decoded('{"id": 007}'), _decoded('{"id": "007", "fee": 1.50}')
    ("no JSON: Expecting ',' delimiter at character 9", {'id': '007', 'fee': '1.50'})
    """
    try:
        return _object(DECODER.decode(line))
    except json.JSONDecodeError as problem:
        return f"no JSON: {problem.msg} at character {problem.pos + 1}"
    except NO_JSON as problem:
        return f"no JSON that can be read: {problem}"


def _object(value: Any) -> dict[str, str] | str:
    if not isinstance(value, dict):
        return "no JSON object with names and values"
    try:
        return {_sound(name): _text(cell) for name, cell in _flat(value)}
    except RecursionError:
        return "objects within objects without end"


def _of_array(name: str, text: str) -> Iterator[dict[str, str] | str]:
    """The elements of an array, one at a time; EngineError where it breaks off, for nobody knows where to go on."""
    at = BETWEEN.match(text, text.index("[") + 1).end()  # type: ignore[union-attr]
    for number in itertools.count(1):
        if text.startswith("]", at):
            break
        try:
            value, at = DECODER.raw_decode(text, at)
        except NO_JSON as problem:
            line = text.count("\n", 0, getattr(problem, "pos", at)) + 1
            raise EngineError(f"{name} cannot be read from its record {number} on (line {line}): "
                              f"{getattr(problem, 'msg', problem)}. Export it again, or write one object a line: then "
                              "a broken one is left out.") from problem
        yield _object(value)
        at = BETWEEN.match(text, at).end()  # type: ignore[union-attr]


def _of_object(name: str, text: str) -> Iterator[dict[str, str] | str]:
    """The records of an object that wraps one array of them, as many services export them."""
    try:
        told = DECODER.decode(text)
    except NO_JSON as problem:
        raise EngineError(f"{name} is not whole JSON: {problem}. Export it again as an array of records, or with one "
                          "object a line.") from problem
    held = [value for value in told.values() if isinstance(value, list)] if isinstance(told, dict) else []
    if len(held) != 1:
        raise EngineError(f"{name} is JSON that holds {len(held)} lists of records where one is read. Export it as an "
                          "array of records, or with one object a line.")
    yield from map(_object, held[0])


# ------------------------------------------------------------------------------------------------------- cells

def _flat(record: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """The record's cells by name, those of objects within it by their path.

    >>> dict(_flat({"id": "7", "address": {"city": "Bern"}}))
    {'id': '7', 'address.city': 'Bern'}
    """
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{name}.")
        else:
            yield within + name, value


def _text(cell: Any) -> str:
    """The cell as text: numbers as they are written, true and false as words, null as a blank, a list as JSON."""
    if cell is None:
        return ""
    return _sound(cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False))


def _sound(text: str) -> str:
    """The text without halves of characters, which JSON can spell and nothing can store."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
