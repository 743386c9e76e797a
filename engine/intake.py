"""Before files are taken: what they look like, which adapter reads them, what would be found. Nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from engine import files, listings
from engine.catalog import dataset_folder
from engine.data import adapters
from engine.data.adapters import mapping as mappings
from engine.data.adapters.assemble import extra_role
from engine.data.adapters.common import ID_FIELD, match
from engine.data.adapters.telco import CHURNED, FIELDS
from engine.data.labels import labels, windows_for
from engine.data.readers import column_names, first_rows
from engine.errors import DataError, EngineError
from engine.limits import MEGABYTE
from engine.permissions import allow
from engine.pipeline import checked
from engine.schema import SEVERITIES, Actor, Dataset, Finding
from engine.uploads import Upload, uploads_home

FIRST_ROWS = 20
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Seen:
    """One file at first sight: its columns and first rows as text, or why it cannot be read."""

    name: str
    megabytes: float
    columns: tuple[str, ...] = ()
    first: pd.DataFrame | None = None
    problem: str = ""


@dataclass(frozen=True)
class Look:
    """Several files at first sight. `adapter`: what would read them, "" when none does, and then `why` not."""

    files: tuple[Seen, ...]
    adapter: str = ""
    why: str = ""


@dataclass(frozen=True)
class Preview:
    """What onboarding would say. `reading` is None when an error stops it; `left`: share who left [share 0..1]."""

    findings: tuple[Finding, ...]
    reading: Dataset | None = None
    customers: int = 0
    rejected: int = 0
    left: float | None = None

    @property
    def learnable(self) -> bool:
        """Whether training can begin: no error, and an answer to learn from."""
        return self.left is not None and all(finding.severity != "error" for finding in self.findings)


def look_at(upload: Upload, *, actor: Actor) -> Look:
    """What an upload's files hold at first sight, and the adapter that their columns show."""
    allow(actor, "onboard")
    seen = tuple(_seen(path) for path in upload.sources)
    if any(file.problem for file in seen):
        return Look(seen)
    if upload.mapping:
        return Look(seen, "table")
    try:
        return Look(seen, adapters.guess(upload.sources).name)
    except EngineError as problem:
        return Look(seen, why=str(problem))


def _seen(path: Path) -> Seen:
    megabytes = path.stat().st_size / MEGABYTE
    try:
        return Seen(path.name, megabytes, tuple(column_names(path)), first_rows(path, FIRST_ROWS))
    except EngineError as problem:
        return Seen(path.name, megabytes, problem=str(problem))


def check(sources: Sequence[Path], *, name: str, actor: Actor, now: datetime, adapter: str | None = None,
          observed_until: datetime | None = None, options: Mapping[str, Any] = NOTHING) -> Preview:
    """Everything that onboarding the files would find, the worst first; nothing is registered.

    Raises:
        EngineError: when the files cannot be read at all, or the name cannot be a dataset's.
    """
    allow(actor, "onboard")
    dataset_folder(name)
    with files.staging(uploads_home()) as aside:
        try:
            reading = adapters.read(sources, aside, adapter, name=name, observed_until=observed_until, now=now,
                                    options=options)
        except DataError as problem:
            return Preview(worst_first(problem.findings))
        found = worst_first((*reading.findings, *checked(reading.dataset)))
        return Preview(found, reading.dataset, listings.rows(reading.dataset), len(reading.rejected),
                       _share_left(reading.dataset, found))


def _share_left(dataset: Dataset, found: Sequence[Finding]) -> float | None:
    """The share who left in the latest window whose answers are known; None without any, or where an error stops."""
    if dataset.label.kind == "none" or any(finding.severity == "error" for finding in found):
        return None
    return float(labels(dataset, windows_for(dataset, n=1)).mean())


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each finding once, errors at the head."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: -SEVERITIES.index(finding.severity)))


def likely(columns: Sequence[str]) -> dict[str, str]:
    """Which columns a mapping would begin with, by their names alone: id, label, money, tenure; "" where none is known.

    >>> likely(["CustomerID", "Months", "churn", "MonthlyCharges"])
    {'id': 'CustomerID', 'label': 'churn', 'money': 'MonthlyCharges', 'tenure': ''}
    """
    told = match([ID_FIELD, *(field for field in FIELDS if field.name != ID_FIELD.name)], columns)
    names = {"id": ID_FIELD.name, "label": CHURNED.name, "money": "monthly_charges", "tenure": "tenure_months"}
    return {part: told.get(name, "") for part, name in names.items()}


def mapping_text(mapping: Mapping[str, Any]) -> str:
    """A mapping as the TOML that the adapter `table` reads; EngineError when a part is missing or wrong."""
    mappings.check(mapping)
    return mappings.written(mapping)


def check_mapping(text: str) -> None:
    """Refuse a TOML text that is no mapping, with what is missing, unknown or wrong."""
    mappings.check(mappings.parsed(text, "on the screen"))


def customers_file(look: Look) -> Seen:
    """The file that a mapping speaks of: the first that holds neither events nor past offers."""
    return next((seen for seen in look.files if extra_role(seen.columns) is None), look.files[0])


def values_in(seen: Seen, column: str) -> list[str]:
    """What the first rows hold in a column, each value once."""
    return [] if seen.first is None or column not in seen.first else sorted(set(seen.first[column]) - {""})
