"""How a text file is written: its encoding, its delimiter, where the names of its columns stand."""

from __future__ import annotations

import csv
import io
import itertools
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.errors import EngineError
from engine.schema import Finding, plural

MAX_CELL = 100_000
SAMPLE = 1 << 18
SAMPLE_ROWS = 51
MOST_ABOVE, HEADER = 10, 0.8
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", r"\s+": "white space"}
FOREIGN = {b"PAR1": "Parquet", b"PK\x03\x04": "zip or Excel", b"\x1f\x8b": "gzip", b"%PDF": "PDF",
           b"\xd0\xcf\x11\xe0": "old Excel"}


@dataclass(frozen=True)
class Layout:
    """How a text file is written: encoding, delimiter, the names in its header, and its first rows.

    above: how many lines stand above the header. repeated: names that stood there more than once.
    """

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    above: int = 0
    repeated: tuple[str, ...] = ()

    def behind_lines_above(self, file: IO[str]) -> IO[str]:
        """The open file, gone on to its header."""
        for _ in range(self.above):
            file.readline()
        return file


# ---------------------------------------------------------------------------------------------------------- names

def apart(names: Iterable[str]) -> list[str]:
    """The names without blanks around them, each once: one that stands there again is numbered.

    >>> apart(["fee", "plan", "fee", "fee_2"])
    ['fee', 'plan', 'fee_3', 'fee_2']
    """
    names = [name.strip() for name in names]
    taken, seen = set(names), set[str]()
    for place, name in enumerate(names):
        if name in seen:
            names[place] = next(free for n in itertools.count(2) if (free := f"{name}_{n}") not in taken)
            taken.add(names[place])
        seen.add(name)
    return names


def repeated(names: Sequence[str]) -> tuple[str, ...]:
    """The names that stand there more than once."""
    return tuple(sorted({name for name in names if names.count(name) > 1}))


def told_of_repeats(file: str, names: Sequence[str]) -> tuple[Finding, ...]:
    """A warning about names that stand there more than once."""
    if not names:
        return ()
    stand = plural(len(names), "column name stands", "column names stand")
    what = f"{stand} there more than once: {', '.join(names[:5])}."
    return (Finding("warning", file, what, f"The later ones are read as {names[0]}_2 and so on."),)


def refuse_values(file: str, names: Sequence[str]) -> None:
    """EngineError when the first line holds values instead of names."""
    if all(re.fullmatch(r"[-+]?\d+(\.\d+)?", name) for name in names):
        raise EngineError(f"{file} begins with values ({', '.join(names[:3])}) instead of column names. "
                          "Add a header line.")


def header_at(counts: Sequence[int]) -> int:
    """How many lines stand above the header, such as a title and a date, by how many cells of each line are filled.

    >>> header_at([1, 1, 8, 8, 7]), header_at([8, 8, 7])
    (2, 0)
    """
    width = statistics.median(counts)
    at = next((n for n, count in enumerate(counts[:MOST_ABOVE]) if count >= HEADER * width), 0)
    return at if counts[0] < width / 2 else 0


# --------------------------------------------------------------------------------------------------------- layout

def layout_of(path: Path) -> Layout:
    """How the text file is written; EngineError with advice when it holds none."""
    encoding = encoding_of(path)
    with path.open(encoding=encoding) as file:
        text = file.read(SAMPLE)
    if not text.strip():
        raise EngineError(f"{path.name} is empty. Export it again.")
    delimiter, above, rows = _split(path.name, text)
    names = [name.strip() or f"unnamed_{number}" for number, name in enumerate(rows[0], 1)]
    refuse_values(path.name, names)
    return Layout(encoding, delimiter, tuple(apart(names)), tuple(map(tuple, rows[1:])), above, repeated(names))


def encoding_of(path: Path) -> str:
    """The encoding by its mark, else UTF-8 if every byte agrees, else Windows-1252, else Latin-1."""
    with path.open("rb") as file:
        start = file.read(4096)
    for mark, kind in FOREIGN.items():
        if start.startswith(mark):
            raise EngineError(f"{path.name} is a {kind} file, not text. Rename it or save it as CSV.")
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return _checked(path, encoding)
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1a" for byte in start)
    if b"\0" in start or control > len(start) / 200:
        raise EngineError(f"{path.name} does not hold text. Save it as CSV with UTF-8 encoding.")
    return next(encoding for encoding in ("utf-8", "cp1252", "latin-1") if _decodes(path, encoding))


def _checked(path: Path, encoding: str) -> str:
    if not _decodes(path, encoding):
        raise EngineError(f"{path.name} begins as {encoding} but breaks off. Save it again as CSV with UTF-8 encoding.")
    return encoding


def _decodes(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as file:
            while file.read(1 << 22):
                pass
    except UnicodeError:
        return False
    return True


def _split(file: str, text: str) -> tuple[str, int, list[list[str]]]:
    """The delimiter that gives most columns of equal count, the lines above the header, and the sample's rows from
    the header on."""
    splits = {mark: _rows(file, text, mark) for mark in DELIMITERS if mark != r"\s+"}
    best = max(splits, key=lambda mark: _width(splits[mark][1]))
    if _width(splits[best][1]) > 1:
        return best, *splits[best]
    words = [re.split(r"[ \t]+", line.strip(" \t")) for line in text.split("\n")[:SAMPLE_ROWS] if line.strip()]
    return (r"\s+", 0, words) if _width(words) > 1 else (",", 0, _records(file, text, ",")[1])


def _rows(file: str, text: str, delimiter: str) -> tuple[int, list[list[str]]]:
    """How many lines stand above the header, and the first rows from the header on."""
    lines, rows = _records(file, text, delimiter)
    at = header_at([sum(bool(cell.strip()) for cell in row) for row in rows]) if rows else 0
    return lines[at] if at else 0, rows[at:]


def _records(file: str, text: str, delimiter: str) -> tuple[list[int], list[list[str]]]:
    """The first rows, and how many lines come before each."""
    complete = text if len(text) < SAMPLE else text[:text.rfind("\n") + 1] or text
    reader = csv.reader(io.StringIO(complete, newline=""), delimiter=delimiter)
    lines, rows, before = [], [], 0
    try:
        for row in reader:
            if row:
                lines.append(before)
                rows.append(row)
            if len(rows) == SAMPLE_ROWS:
                break
            before = reader.line_num
    except csv.Error as problem:
        raise EngineError(f"{file}: line {reader.line_num} holds a cell of more than {MAX_CELL:,} characters. "
                          "Look for a stray quotation mark or drop the column.") from problem
    return lines, rows


def _width(rows: Sequence[Sequence[str]]) -> int:
    """The header's number of columns if most rows have it too, else 0."""
    agree = sum(len(row) == len(rows[0]) for row in rows) if rows else 0
    return len(rows[0]) if agree * 2 > len(rows) else 0
