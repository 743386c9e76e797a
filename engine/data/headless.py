"""Label files whose first line is data: an id of another file's customers and yes or no, without names above them.

Such a file is read under a header of its own: the name of the other file's column, and `churned`.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from engine.data.archives import free_place
from engine.data.chunks import beginning, is_big
from engine.data.layouts import DELIMITERS, encoding_of
from engine.data.parsing import FALSE, TRUE
from engine.data.readers import TEXT, read_raw
from engine.errors import EngineError
from engine.schema import Finding

LABEL = "churned"
SAMPLE, KNOWN = 1 << 16, 0.5


@dataclass(frozen=True)
class Header:
    """What should stand above a file's two columns: its delimiter, the ids' name, and the file that has them too."""

    delimiter: str
    ids: str
    owner: str


def headers(paths: Sequence[Path]) -> dict[Path, Header]:
    """By file, the header that it lacks: where its first line is an id of another of the files, and yes or no."""
    pairs = {path: found for path in paths if len(paths) > 1 and (found := _pairs(path))}
    others = [path for path in paths if path not in pairs]
    told = {path: _header(delimiter, keys, others) for path, (delimiter, keys) in pairs.items()}
    return {path: header for path, header in told.items() if header}


def headed(paths: Sequence[Path], lacking: Mapping[Path, Header], into: Path
           ) -> tuple[tuple[Path, ...], tuple[Finding, ...]]:
    """The files, those that lack a header as copies with one in the folder `into`; and a finding about each."""
    files = tuple(_copied(path, lacking[path], into) if path in lacking else path for path in paths)
    return files, tuple(_said(path, header) for path, header in lacking.items())


def _said(path: Path, header: Header) -> Finding:
    what = (f"No names stand above its columns: the first line is data, an id found in {header.ids} of {header.owner}, "
            "and yes or no.")
    fix = f"Read as {header.ids} and {LABEL}. Name the columns if the second does not say who left."
    return Finding("warning", path.name, what, fix)


def _copied(path: Path, header: Header, into: Path) -> Path:
    target, encoding = free_place(into, path.name), encoding_of(path)
    with path.open(encoding=encoding, newline="") as file, target.open("x", encoding=encoding, newline="") as copy:
        csv.writer(copy, delimiter=header.delimiter).writerow([header.ids, LABEL])
        shutil.copyfileobj(file, copy)
    return target


# ------------------------------------------------------------------------------------------------------ recognising

def _pairs(path: Path) -> tuple[str, list[str]] | None:
    """The delimiter and the first cells, where the text file's every line (of those it begins with) is some cell and
    yes or no."""
    whole = _beginning(path) if path.suffix.lower() in TEXT else b""
    lines = whole.decode("utf-8-sig", "replace").splitlines()
    lines = [line for line in (lines if len(whole) < SAMPLE else lines[:-1]) if line.strip()]
    for delimiter in DELIMITERS:
        if lines and len(delimiter) == 1 and lines[0].count(delimiter) == 1:
            rows = list(csv.reader(lines, delimiter=delimiter))
            if all(len(row) == 2 and row[1].strip().lower() in TRUE | FALSE for row in rows):
                return delimiter, [row[0].strip() for row in rows]
    return None


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SAMPLE)
    except OSError:  # which is told when the file itself is read
        return b""


def _header(delimiter: str, keys: Sequence[str], others: Sequence[Path]) -> Header | None:
    """The header by the column in which the first line's cell is found, with most of those that follow."""
    best, name = 0.0, None
    for path in others:
        for column, values in _texts(path).items():
            if keys[0] in values and (share := sum(key in values for key in keys) / len(keys)) > max(best, KNOWN):
                best, name = share, Header(delimiter, column, path.name)
    return name


def _texts(path: Path) -> dict[str, set[str]]:
    """By column the different values of a file, as text; of a big one those it begins with."""
    try:
        frame = beginning(path) if is_big(path) else read_raw(path).frame
    except EngineError:  # which is told when the file itself is read
        return {}
    return {str(name): set(pd.unique(frame[name].dropna()).astype(str)) for name in frame}
