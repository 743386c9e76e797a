"""Files in: CSV, Parquet, Excel and JSON become frames, and whatever had to be repaired on the way becomes a Finding.

Text columns arrive as pandas categories of text exactly as written, so that ids keep their zeros and a value that
occurs a million times is parsed once. Parquet and Excel columns of one type keep it. Nothing is interpreted here:
that is the parsers' work.
"""

from __future__ import annotations

import functools
import hashlib
import re
import stat
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.data.layouts import DELIMITERS, MAX_CELL, Layout, apart, layout_of, refuse_values, repeated, told_of_repeats
from engine.data.records import read_records
from engine.data.workbooks import lines_above, read_sheet
from engine.errors import EngineError
from engine.limits import MEGABYTE, setting
from engine.schema import Finding, Source, plural

if TYPE_CHECKING:
    from engine.data.chunks import Columns

TEXT = (".csv", ".tsv", ".tab", ".txt", ".psv")
PARQUET = (".parquet", ".pq")
EXCEL = (".xlsx",)
JSON = (".jsonl", ".ndjson", ".json")
READABLE = TEXT + PARQUET + EXCEL + JSON
WHOLE = EXCEL + JSON
AS_WRITTEN: Mapping[str, Any] = {"dtype": "category", "na_filter": False, "index_col": False, "on_bad_lines": "warn",
                                 "low_memory": False}


@dataclass(frozen=True)
class Raw:
    """One file as read. The frame's index counts rows: 1 is the first row under the header.

    rejected: lines that have no place in the frame: "row" and "reason".
    clashes: by column, texts that occur both as a number and as a text (7 and "7").
    columns: of a part of a big file, how the whole file's columns are read; None when the frame is the whole file.
    """

    source: Source
    frame: pd.DataFrame
    findings: tuple[Finding, ...] = ()
    rejected: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"row": [], "reason": []}))
    clashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Columns | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.source.name


def read_raw(path: Path) -> Raw:
    """The file as a frame of text or typed columns, with findings; EngineError with advice when it cannot be used."""
    path = existing(path)
    refuse_too_big(path)
    before = stamp(path)
    try:
        frame, findings, rejected, clashes = _read(path)
    except OSError as problem:
        raise EngineError(f"{path.name} cannot be read: {problem.strerror or problem}. "
                          "Check the file and your right to read it.") from problem
    if not len(frame):
        raise EngineError(f"{path.name} has a header but no rows. Export it again with its data.")
    source = Source(path.name, digest(path), len(frame) + len(rejected))
    refuse_change(path, before)
    refuse_big_cells(path.name, frame)
    return Raw(source, frame, tuple(findings), rejected, clashes)


def is_too_big(path: Path) -> bool:
    """Whether the file has more than what is read as a whole (HOLDFAST_WHOLE_MB)."""
    return existing(path).stat().st_size > setting("HOLDFAST_WHOLE_MB") * MEGABYTE


def refuse_too_big(path: Path) -> None:
    """EngineError when the file is too big to be read as a whole."""
    if is_too_big(path):
        size, most = path.stat().st_size / MEGABYTE, setting("HOLDFAST_WHOLE_MB")
        raise EngineError(f"{path.name} has {size:,.0f} MB, and a file of its kind is read as a whole: up to {most:,} "
                          "MB. Order lines and events are read in chunks, at any size; of others bring the rows of "
                          "some customers, or set HOLDFAST_WHOLE_MB where "
                          "memory holds some ten times the file.")


def column_names(path: Path) -> list[str]:
    """The names in the file's header, without reading the rest."""
    path = existing(path)
    if path.suffix.lower() in TEXT:
        return list(layout_of(path).header)
    if path.suffix.lower() in PARQUET:
        return parquet_names(open_parquet(path))
    if path.suffix.lower() in JSON:
        return list(_names(path, stamp(path)))
    return list(read_sheet(path, rows=20).frame.columns)


@functools.lru_cache(maxsize=32)
def _names(path: Path, _stamp: tuple[int, ...]) -> tuple[str, ...]:
    """The names over all records of a JSON file: the first one need not have them all."""
    refuse_too_big(path)
    return tuple(read_records(path).frame.columns)


def first_rows(path: Path, count: int) -> pd.DataFrame:
    """The first rows under the header as text, without reading the rest of the file."""
    path = existing(path)
    if path.suffix.lower() in TEXT:
        layout = layout_of(path)
        rows = [(*row, *[""] * len(layout.header))[:len(layout.header)] for row in layout.sample[:count]]
        return pd.DataFrame(rows, columns=list(layout.header), dtype=object)
    if path.suffix.lower() in PARQUET:
        batch = next(open_parquet(path).iter_batches(batch_size=count), None)
        frame = pd.DataFrame() if batch is None else batch.to_pandas()
    elif path.suffix.lower() in JSON:
        refuse_too_big(path)
        frame = read_records(path, rows=count).frame
    else:
        frame = read_sheet(path, rows=count).frame.head(count)
    return frame.astype(object).where(frame.notna(), "").map(str)


def existing(path: Path) -> Path:
    """The path, if it is a file of a kind that can be read; EngineError with advice if not."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind):
            path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, ValueError) as problem:
        raise EngineError(f"There is no file {str(path)[-200:]}. Check the path.") from problem
    except OSError as problem:
        raise EngineError(f"{path.name[-80:]} cannot be read: {problem.strerror or problem}. "
                          "Check the file and your right to read it.") from problem
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "no plain file"
        raise EngineError(f"{path} is {what}. Give the path of one file.")
    if path.suffix.lower() not in READABLE:
        kinds = ", ".join(READABLE)
        raise EngineError(f"{path.name} has an unknown ending {path.suffix!r}. Save it as one of: {kinds}.")
    if path.stat().st_size == 0:
        raise EngineError(f"{path.name} is empty. Export it again.")
    return path


def stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file does: which file it is, its size, when it was written."""
    try:
        about = path.stat()
    except OSError:
        return ()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def refuse_change(path: Path, before: tuple[int, ...]) -> None:
    """EngineError when a file is not any more what its stamp says."""
    if stamp(path) != before:
        raise EngineError(f"{path.name} changed while it was read. Wait until it is complete, then run again.")


def digest(path: Path) -> str:
    """The sha256 of the file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


Parts = tuple[pd.DataFrame, Sequence[Finding], pd.DataFrame, Mapping[str, tuple[str, ...]]]


def _read(path: Path) -> Parts:
    ending = path.suffix.lower()
    if ending in TEXT:
        return _read_text(path)
    if ending in PARQUET:
        return _read_parquet(path)
    if ending in JSON:
        told = read_records(path)
        refuse_values(path.name, list(told.frame.columns))
        return told.frame, told.findings, told.rejected, {}
    sheet = read_sheet(path)
    refuse_values(path.name, list(sheet.frame.columns))
    return sheet.frame, sheet.findings, no_rejects(), sheet.clashes


def no_rejects() -> pd.DataFrame:
    return pd.DataFrame({"row": pd.Series(dtype=int), "reason": pd.Series(dtype=object)})


def refuse_big_cells(file: str, frame: pd.DataFrame) -> None:
    """EngineError that names the first text cell of more than 100,000 characters."""
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            texts = frame[name].cat.categories
            longest = pc.max(pc.utf8_length(pa.array(texts, pa.large_string()))).as_py() or 0
            if longest > MAX_CELL:
                row = frame.index[frame[name].isin([text for text in texts if len(text) == longest])][0]
                raise EngineError(f"{file}: row {row}, column {name!r} holds a cell of {longest:,} characters; "
                                  f"the limit is {MAX_CELL:,}. Look for a stray quotation mark or drop the column.")


# ------------------------------------------------------------------------------------------------- text files

def _read_text(path: Path) -> Parts:
    layout = layout_of(path)
    frame, rejected = _text_frame(path, layout)
    blank = [name for name in frame.columns if name.startswith("unnamed_") and set(frame[name].cat.categories) <= {""}]
    return frame.drop(columns=blank), _layout_findings(path, layout), rejected, {}


def _text_frame(path: Path, layout: Layout) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame, words = listened(path, lambda: _parsed(path, layout))
    _check_split(path, layout, frame, words)
    frame.columns = pd.Index(layout.header)
    return numbered(frame, words)


def listened(path: Path, read: Callable[[], Any]) -> tuple[Any, str]:
    """What pandas reads, and what it warns of; EngineError for what it cannot split."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            frame = read()
        except pd.errors.EmptyDataError as problem:
            raise EngineError(f"{path.name} is empty. Export it again.") from problem
        except pd.errors.ParserError as problem:
            raise EngineError(f"{path.name} cannot be split into columns: {str(problem).rsplit('C error: ')[-1]}. "
                              "Look for an unclosed quotation mark there.") from problem
    return frame, "\n".join(str(warning.message) for warning in said)


def _check_split(path: Path, layout: Layout, frame: pd.DataFrame, words: str) -> None:
    if "Length of header" in words:
        refuse_long_rows(path.name, layout)
    if len(frame.columns) != len(layout.header):
        raise EngineError(f"{path.name} cannot be split into columns: its header reads as {len(layout.header)} names "
                          f"but its rows as {len(frame.columns)} cells. Save it as CSV with commas.")


def _parsed(path: Path, layout: Layout) -> pd.DataFrame:
    """The cells as written. Python translates line ends: pandas' own parser never returns from some with "\\r\\r "."""
    with path.open(encoding=layout.encoding) as file:
        return pd.read_csv(layout.behind_lines_above(file), sep=layout.delimiter, **AS_WRITTEN)


def findings_of(path: Path) -> tuple[Finding, ...]:
    """What had to be decided to read the file, before any cell."""
    return tuple(_layout_findings(path, layout_of(path))) if path.suffix.lower() in TEXT else ()


def refuse_long_rows(file: str, layout: Layout) -> None:
    """Trailing delimiters are harmless; rows with more cells than the header has names are not."""
    for number, row in enumerate(layout.sample, 2):
        if any(cell.strip() for cell in row[len(layout.header):]):
            raise EngineError(f"{file}: line {number} has {len(row)} cells but the header has "
                              f"{len(layout.header)} names. Quote cells that contain the delimiter.")


def numbered(frame: pd.DataFrame, words: str, done: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frame indexed by row number, and the lines that pandas skipped because they have too many cells.

    done: how many rows came before the frame's first.
    """
    skipped = re.findall(r"Skipping line (\d+): expected (\d+) fields, saw (\d+)", words)
    rows = [done + int(line) - 1 for line, _, _ in skipped]
    reasons = [f"{saw} cells where the header has {expected} names" for _, expected, saw in skipped]
    numbers = np.setdiff1d(np.arange(done + 1, done + len(frame) + len(rows) + 1), rows)
    if len(numbers) == len(frame):
        frame.index = pd.Index(numbers)
    else:
        frame.index = pd.RangeIndex(done + 1, done + len(frame) + 1)
    return frame, pd.DataFrame({"row": pd.Series(rows, dtype=int), "reason": pd.Series(reasons, dtype=object)})


def _layout_findings(path: Path, layout: Layout) -> list[Finding]:
    found = []
    if layout.encoding == "utf-8-sig":
        found.append(Finding("note", path.name, "The file begins with a byte-order mark.", "It was left out."))
    elif layout.encoding != "utf-8":
        found.append(Finding("note", path.name, f"The file is encoded as {layout.encoding}.", "It was read as such."))
    if layout.delimiter != ",":
        found.append(Finding("note", path.name, f"Columns are separated by {DELIMITERS[layout.delimiter]}.",
                             "They were split there."))
    found += lines_above(path.name, layout.above)
    found += told_of_repeats(path.name, layout.repeated)
    unnamed = [name for name in layout.header if name.startswith("unnamed_")]
    if unnamed:
        found.append(Finding("note", path.name, f"{plural(len(unnamed), 'column has', 'columns have')} no name.",
                             f"Called {', '.join(unnamed)}."))
    return found


# ---------------------------------------------------------------------------------------------------- Parquet

def open_parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as problem:
        raise EngineError(f"{path.name} is not a whole Parquet file. Copy or export it again.") from problem


def _read_parquet(path: Path) -> Parts:
    file = open_parquet(path)
    names = parquet_names(file)
    refuse_values(path.name, names)
    try:
        table = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as problem:
        raise EngineError(f"{path.name} is damaged inside. Copy or export it again.") from problem
    again = repeated([str(name) for name in file.schema_arrow.names])
    return typed_frame(names, table, 0), told_of_repeats(path.name, again), no_rejects(), {}


def parquet_names(file: pq.ParquetFile) -> list[str]:
    """The names of the file's columns, each once."""
    return apart(str(name) for name in file.schema_arrow.names)


def typed_frame(names: Sequence[str], table: pa.Table, done: int) -> pd.DataFrame:
    frame = pd.DataFrame({name: _typed(table.column(number)) for number, name in enumerate(names)})
    frame.index = pd.RangeIndex(done + 1, done + len(frame) + 1)
    return frame


def _typed(column: pa.ChunkedArray) -> pd.Series:
    """Text as a category, whole numbers as such even with gaps, moments as naive UTC, decimals as floats."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_integer(kind):
        return column.to_pandas(types_mapper=_whole)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False).to_pandas()
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        zoned = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        return zoned.cast(pa.timestamp("us")).to_pandas()
    if pa.types.is_boolean(kind):
        return column.to_pandas(types_mapper=_whole)
    text = column if pa.types.is_large_string(kind) else _as_text(column)
    return text.dictionary_encode().to_pandas().astype("category")


def _whole(kind: pa.DataType) -> pd.api.extensions.ExtensionDtype:
    return pd.BooleanDtype() if pa.types.is_boolean(kind) else pd.Int64Dtype()


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.large_string())
    except pa.ArrowException:
        cells = [None if cell is None else str(cell) for cell in column.to_pylist()]
        return pa.chunked_array([pa.array(cells, pa.large_string())])
