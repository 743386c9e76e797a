"""Before files are taken: what each looks like. Nothing is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from engine import files
from engine.data import headless
from engine.data.readers import column_names, first_rows
from engine.data.sources import sources_home
from engine.errors import EngineError
from engine.limits import MEGABYTE
from engine.permissions import allow
from engine.schema import Actor
from engine.uploads import Upload

FIRST_ROWS = 20


@dataclass(frozen=True)
class Seen:
    """One file at first sight: its columns and first rows as text, or why it cannot be read."""

    name: str
    megabytes: float
    columns: tuple[str, ...] = ()
    first: pd.DataFrame | None = None
    problem: str = ""

    def values(self, column: str) -> list[str]:
        """What the first rows hold in a column, each value once."""
        return [] if self.first is None or column not in self.first else sorted(set(self.first[column]) - {""})


def look_at(upload: Upload, *, actor: Actor) -> tuple[Seen, ...]:
    """What an upload's files hold at first sight."""
    allow(actor, "onboard")
    lacking = headless.headers(upload.sources)
    with files.staging(sources_home()) as aside:
        return tuple(map(_seen, headless.headed(upload.sources, lacking, aside)[0]))


def _seen(path: Path) -> Seen:
    megabytes = path.stat().st_size / MEGABYTE
    try:
        return Seen(path.name, megabytes, tuple(column_names(path)), first_rows(path, FIRST_ROWS))
    except EngineError as problem:
        return Seen(path.name, megabytes, problem=str(problem))
