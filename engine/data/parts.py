"""A big file's rows, a chunk at a time: text in blocks that end where a record does, Parquet in batches.

pandas reads every block behind one line of as many cells as the header has names, for it takes the first line it sees
for the width of all: so a line with too many cells is rejected wherever it stands.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa

from engine.data.layouts import Layout, layout_of, refuse_values
from engine.data.readers import (
    AS_WRITTEN,
    listened,
    no_rejects,
    numbered,
    open_parquet,
    parquet_names,
    refuse_long_rows,
    typed_frame,
)
from engine.errors import EngineError

BLOCK = 16 << 20
MOST_BLOCKS = 8
ROWS = 200_000

Parts = Iterator[tuple[pd.DataFrame, pd.DataFrame]]


def text_parts(path: Path) -> Parts:
    """The text file's rows a chunk at a time, numbered through, each with the lines rejected in it."""
    layout, done = layout_of(path), 0
    width = len(layout.sample[0]) if layout.sample else 0
    if width > len(layout.header):
        refuse_long_rows(path.name, layout)
    ruler = _ruler(layout, max(width, len(layout.header)))
    with path.open(encoding=layout.encoding) as file:
        _skip_header(file, layout)
        for block in _blocks(path.name, file, layout):
            read = partial(pd.read_csv, io.StringIO(ruler + block), sep=layout.delimiter, header=None, **AS_WRITTEN)
            frame, rejected = _measured(*listened(path, read), layout, done)
            done = max([done, *frame.index[-1:], *rejected["row"]])
            yield frame, rejected


def _ruler(layout: Layout, width: int) -> str:
    return (" " if layout.delimiter == r"\s+" else layout.delimiter).join(["0"] * width) + "\n"


def _measured(frame: pd.DataFrame, words: str, layout: Layout, done: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The block's own rows under the header's names, numbered on from those that came before."""
    own = frame.iloc[1:, :len(layout.header)].copy()
    own.columns = pd.Index(layout.header)
    for name in own:
        own[name] = own[name].cat.remove_unused_categories()
    return numbered(own, words, done)


def _skip_header(file: IO[str], layout: Layout) -> None:
    """Go on behind the header, which may run over several lines."""
    layout.behind_lines_above(file)
    if layout.delimiter == r"\s+":
        next(line for line in file if line.strip())
        return
    next(row for row in csv.reader(file, delimiter=layout.delimiter) if row)


def _blocks(name: str, file: IO[str], layout: Layout) -> Iterator[str]:
    """The rest of the file in pieces that end where a record does."""
    rest = ""
    while piece := file.read(BLOCK):
        text = rest + piece
        end = _end_of_records(text, layout.delimiter)
        if not end and len(text) > MOST_BLOCKS * BLOCK:
            raise EngineError(f"{name} cannot be split into columns: a cell in quotation marks does not end within "
                              f"{MOST_BLOCKS * BLOCK >> 20} MB. Look for an unclosed quotation mark there.")
        if text[:end].strip():
            yield text[:end]
        rest = text[end:]
    if rest.strip():
        yield rest


def _end_of_records(text: str, delimiter: str) -> int:
    """Where the last whole record ends: behind the last line end that stands in no cell in quotation marks.

    >>> _end_of_records('1,2\\n3,"a\\n', ","), _end_of_records('1,"a\\nb"\\n3', ",")
    (4, 8)
    """
    if '"' not in text:
        return text.rfind("\n") + 1
    start = rf'(?:\A|(?<=[\n{re.escape(delimiter) if len(delimiter) == 1 else " "}]))"'
    cells = (found.span() for found in re.finditer(start + r'(?:[^"]|"")*+(?:"|\Z)', text) if "\n" in found[0])
    end, before = 0, 0
    for cell in chain(cells, [(len(text), len(text))]):
        end = max(end, text.rfind("\n", before, cell[0]) + 1)
        before = cell[1]
    return end


def parquet_parts(path: Path) -> Parts:
    """The Parquet file's rows a chunk at a time, numbered through."""
    file, done = open_parquet(path), 0
    names = parquet_names(file)
    refuse_values(path.name, names)
    try:
        for batch in file.iter_batches(batch_size=ROWS, use_threads=False):
            yield typed_frame(names, pa.Table.from_batches([batch]), done), no_rejects()
            done += len(batch)
    except (pa.ArrowException, OSError) as problem:
        raise EngineError(f"{path.name} is damaged inside. Copy or export it again.") from problem
