"""Lines of a file as events: those that are none are refused with a reason, and those that repeat another dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.data.adapters.assemble import Ask, in_chunks
from engine.data.adapters.common import Taken
from engine.data.chunks import Chunks
from engine.data.parsing import Findings
from engine.data.readers import Raw
from engine.schema import Finding, plural

Repeated = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Lines:
    """Lines as events; those that are none, with the reason; how many repeated another and were dropped."""

    taken: Taken
    refused: pd.DataFrame
    repeats: int


def of_whole(rows: pd.DataFrame) -> np.ndarray:
    """Which rows of a file read as a whole equal an earlier one in every column."""
    return rows.duplicated().to_numpy()


def of_chunks(chunks: Chunks, number: int, ask: Ask, lines_of: Callable[[Raw, Repeated], Lines]
              ) -> tuple[Taken, Mapping[str, int], Mapping[str, int], int]:
    """A big file's lines, the events written aside; why cells could not be read and lines were refused, each kind of
    reason with its rows; and how many repeated another."""
    repeats = 0

    def again(rows: pd.DataFrame) -> np.ndarray:
        return np.isin(rows.index, chunks.repeated)

    def one(raw: Raw) -> tuple[Taken, list[pd.DataFrame]]:
        nonlocal repeats
        part = lines_of(raw, again)
        repeats += part.repeats
        return part.taken, [part.refused]

    taken, cells, (refused,) = in_chunks(chunks, number, ask, one)
    return taken, cells, refused.kinds, repeats


def told_of_refused(file: str, kinds: Mapping[str, int], what: str) -> Findings:
    """One finding for each kind of reason, the most frequent first. what: what a row of the file is, such as "line"."""
    often = sorted(kinds.items(), key=lambda kind: -kind[1])
    return tuple(Finding("note", file, f"{plural(count, f'{what} was', f'{what}s were')} rejected: {kind}.",
                         "See the rejected rows.", count) for kind, count in often)
