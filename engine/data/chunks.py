"""Big files in, a chunk of rows at a time, and read as if they were whole.

What a column means (is 01/02 in January, is 1,5 one and a half) is decided by all of its texts. So a big file is gone
through twice: once to tally each text column's different texts, with how many rows hold each and the first that does;
then chunk by chunk, every text looked up in what its column's tally was read as. Beyond a million different texts a
tally is closed: later ones are read in the company of its first ten thousand, and no longer counted in findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.data import readers
from engine.data.parsing import Distinct, Parsed, distinct, is_text
from engine.data.parts import Parts, parquet_parts, text_parts
from engine.data.readers import PARQUET, Raw, digest, existing
from engine.data.repeats import Repeats
from engine.errors import EngineError
from engine.schema import Finding, Source

WHOLE_BYTES = 64 << 20
MOST_TEXTS, COMPANY = 1_000_000, 10_000
BEGINNING = 4

Read = Callable[[Any], tuple[Parsed, bool | None]]


class Tally:
    """A text column's different texts: how many rows hold each, and the first that does."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.counts, self.firsts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self.closed = False

    def add(self, values: pd.Series) -> None:
        """Count the rows of one more chunk."""
        seen = distinct(values)
        if self.closed or not len(seen.written):
            return
        held = np.bincount(seen.codes[seen.codes >= 0], minlength=len(seen.written))
        order = np.flatnonzero(seen.codes >= 0)[::-1]
        first = np.zeros(len(seen.written), dtype=np.int64)
        first[seen.codes[order]] = values.index.to_numpy()[order]
        texts = seen.written.to_numpy()
        by_row = [place for place in np.argsort(first, kind="stable").tolist() if held[place]]
        places = np.array([self.places.setdefault(texts[place], len(self.places)) for place in by_row], dtype=np.int64)
        known = len(self.counts)
        grown = len(self.places) - known
        self.counts, self.firsts = np.append(self.counts, np.zeros(grown, dtype=np.int64)), np.append(
            self.firsts, np.zeros(grown, dtype=np.int64))
        new = places >= known
        self.firsts[places[new]] = first[by_row][new]
        self.counts[places] += held[by_row]
        self.closed = len(self.places) > MOST_TEXTS

    @property
    def column(self) -> Distinct:
        """The different texts as a column to be read, one row each, that knows the rows behind it."""
        return _column(list(self.places), self.counts, self.firsts)

    def where(self, texts: Sequence[str]) -> np.ndarray:
        """The place of each text, -1 for those that came after the tally was closed."""
        return np.fromiter((self.places.get(text, -1) for text in texts), dtype=np.int64, count=len(texts))


def _column(texts: Sequence[str], counts: np.ndarray, firsts: np.ndarray) -> Distinct:
    written = pd.Series(texts, dtype=object)
    stripped = written.map(str.strip).astype(object)
    return Distinct(np.arange(len(texts)), written, stripped, written.index, counts, firsts)


@dataclass
class Columns:
    """How each column of a big file is read, remembered over its chunks, and what was found on the way."""

    tallies: dict[str, Tally]
    remembered: dict[str, tuple[Parsed, bool | None]] = field(default_factory=dict)
    found: dict[str, dict[tuple[str, ...], Finding]] = field(default_factory=dict)
    bad: dict[str, tuple[int, object]] = field(default_factory=dict)

    def read(self, values: pd.Series, name: str, how: Read) -> tuple[Parsed, bool | None]:
        """A chunk's column, each text as the whole column's tally says; findings are kept for `told`."""
        if name not in self.tallies:
            parsed, scale = how(values)
            self._note(name, parsed.findings)
            self._note_bad(name, values, parsed)
            return replace(parsed, findings=()), scale
        if name not in self.remembered:
            self.remembered[name] = how(self.tallies[name].column)
            self._note(name, self.remembered[name][0].findings)
        whole, scale = self.remembered[name]
        parsed = self._looked_up(values, name, whole, how)
        self._note_bad(name, values, parsed)
        return parsed, scale

    def forget(self) -> None:
        """Let the texts go once every chunk has been read; what was found stays."""
        self.tallies.clear()
        self.remembered.clear()

    def told(self, name: str) -> list[Finding]:
        """What reading the column found, over all chunks."""
        return list(self.found.get(name, {}).values())

    def _looked_up(self, values: pd.Series, name: str, whole: Parsed, how: Read) -> Parsed:
        seen = distinct(values)
        texts = seen.written.tolist()
        places = self.tallies[name].where(texts)
        found, bad = whole.values.to_numpy()[places], whole.bad.to_numpy()[places]
        late = np.flatnonzero(places < 0)
        if len(late):
            more = self._in_company([texts[place] for place in late], name, how)
            found[late], bad[late] = more.values.to_numpy()[-len(late):], more.bad.to_numpy()[-len(late):]
        spread = seen.spread(found, _missing(found.dtype))
        return Parsed(spread.astype(whole.values.dtype), seen.spread(bad, False), (), whole.currency)

    def _in_company(self, texts: list[str], name: str, how: Read) -> Parsed:
        """Texts that came after the tally was closed, beside its first ones, so that the same is decided."""
        tally = self.tallies[name]
        company = list(tally.places)[:COMPANY]
        nobody = np.zeros(len(texts), dtype=np.int64)
        parsed, _ = how(_column([*company, *texts], np.append(tally.counts[:COMPANY], nobody),
                                np.append(tally.firsts[:COMPANY], nobody)))
        self._note(name, [finding for finding in parsed.findings if finding.severity == "error"])
        return parsed

    def _note(self, name: str, findings: Sequence[Finding]) -> None:
        kept = self.found.setdefault(name, {})
        for finding in findings:
            key = (finding.severity, finding.where, finding.fix)
            before = kept.get(key)
            kept[key] = replace(before, rows=before.rows + finding.rows) if before else finding

    def _note_bad(self, name: str, values: pd.Series, parsed: Parsed) -> None:
        count = int(parsed.bad.sum())
        if count:
            so_far, example = self.bad.get(name, (0, None))
            self.bad[name] = so_far + count, example if so_far else values[parsed.bad].iloc[0]


def _missing(kind: np.dtype[Any]) -> object:
    return np.datetime64("NaT") if kind.kind == "M" else None if kind.hasobject else np.nan


@dataclass(frozen=True)
class Chunks:
    """A big file: its parts one after the other, as often as wanted, each a Raw whose rows count through the file.

    repeated: the numbers of the rows that equal an earlier one in every column, where that was asked.
    """

    path: Path
    source: Source
    names: tuple[str, ...]
    findings: tuple[Finding, ...]
    columns: Columns
    stamp: tuple[int, ...]
    repeated: np.ndarray

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.source.name

    def __iter__(self) -> Iterator[Raw]:
        readers.refuse_change(self.path, self.stamp)
        for frame, rejected in _frames(self.path):
            yield Raw(self.source, frame[list(self.names)], (), rejected, {}, self.columns)
        readers.refuse_change(self.path, self.stamp)


def is_big(path: Path) -> bool:
    """Whether the file is read in chunks: text or Parquet of more than 64 MB."""
    return path.suffix.lower() not in readers.WHOLE and existing(path).stat().st_size > WHOLE_BYTES


def beginning(path: Path) -> pd.DataFrame:
    """The rows of a big file's first chunks, as `read_raw` has those of a file: they tell what kind it is."""
    parts = [part for part, _ in islice(_frames(path), BEGINNING)]
    if not parts:
        return readers.read_raw(path).frame  # which says that there are no rows
    frame = pd.concat(parts)
    return frame.astype({name: "category" for name in frame if is_text(frame[name])})


def open_chunks(path: Path, repeats: Repeats | None = None) -> Chunks:
    """A big file, gone through once; EngineError with advice when it cannot be used, as `read_raw` does.

    repeats: where rows are remembered, when it is asked which of them repeat another.
    """
    path = existing(path)
    stamp, rows = readers.stamp(path), 0
    names: tuple[str, ...] = ()
    tallies: dict[str, Tally] = {}
    for frame, rejected in _frames(path):
        names = tuple(frame.columns)
        rows += len(frame) + len(rejected)
        readers.refuse_big_cells(path.name, frame)
        if repeats:
            repeats.add(frame)
        for name in names:
            if is_text(frame[name]):
                tallies.setdefault(name, Tally()).add(frame[name])
    if not any(len(tally.places) for tally in tallies.values()) and not rows:
        raise EngineError(f"{path.name} has a header but no rows. Export it again with its data.")
    source = Source(path.name, digest(path), rows)
    readers.refuse_change(path, stamp)
    kept = tuple(name for name in names if not name.startswith("unnamed_") or set(tallies[name].places) - {""})
    repeated = repeats.rows() if repeats else np.zeros(0, dtype=np.int64)
    return Chunks(path, source, kept, readers.findings_of(path), Columns(tallies), stamp, repeated)


def _frames(path: Path) -> Parts:
    return (parquet_parts if path.suffix.lower() in PARQUET else text_parts)(path)
