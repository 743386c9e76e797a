"""Whether files look like newer ones of a dataset that is kept: by the names of their columns alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from engine import catalog
from engine.data.adapters import mapping as mappings
from engine.data.doctor import joins
from engine.data.names import snake
from engine.data.readers import column_names
from engine.errors import EngineError
from engine.onboarding.memory import MAPPING, kept, kept_portrait

ENOUGH = 0.9  # of the dataset's columns
HALF = 0.5  # of the files' own


@dataclass(frozen=True)
class Newer:
    """Of which kept dataset files look like newer ones: how many of its columns are there, of how many."""

    name: str
    there: int
    of: int


@dataclass(frozen=True)
class Known:
    """The columns by which a dataset's files are known again.

    needed: those without which nothing can be read. label: it may be missing, from files that are only scored. renamed:
    by the name that came, the one it is read as.
    """

    columns: frozenset[str]
    needed: frozenset[str] = frozenset()
    label: str = ""
    renamed: tuple[tuple[str, str], ...] = ()


def newer_of(columns: Iterable[str]) -> Newer | None:
    """The kept dataset whose newer files have these columns; of several the one of which most are there, and of those
    the latest kept; None where none fits."""
    names = list(dict.fromkeys(columns))
    found = []
    for name in _latest_first():
        with suppress(EngineError, OSError):  # what is damaged says so where the dataset is used
            there, of = _fit(names, _known(name))
            found += [Newer(name, there, of)] if there else []
    return max(found, key=lambda newer: newer.there / newer.of, default=None)


def _latest_first() -> list[str]:
    """The names of the datasets with a kept mapping."""
    written = catalog.data_home().glob(f"[!.]*/{MAPPING}")
    return [path.parent.name for path in sorted(written, key=lambda path: path.stat().st_mtime, reverse=True)]


def _known(name: str) -> Known:
    mapping = kept(name) or {}
    if mapping.get("adapter", "table") != "table":
        return Known(frozenset(column for path in catalog.raw(catalog.dataset(name)) for column in column_names(path)))
    plan = mappings.check(mapping)
    beside = {column for file in plan.files for column in file.columns}
    made = tuple(f"{snake(file.name)}_" for file in plan.files)
    own = kept_portrait(name) or (*plan.named, *plan.ignored, plan.label)
    columns = beside | {column for column in own if column and not (made and column.startswith(made))}
    renamed = tuple((str(cure["column"]), str(cure["to"])) for cure in plan.cures if cure["cure"] == "renamed")
    return Known(frozenset(columns), frozenset({plan.id, plan.money} - {""}), plan.label, renamed)


def _fit(names: Sequence[str], known: Known) -> tuple[int, int]:
    """How many of the known columns are among the names, and of how many; none where that is too few.

    Nor do names that any file has make one: of the files' own columns at least half must be known.

    >>> known = Known(frozenset({"id", "fee", "churn"}), frozenset({"id"}), "churn")
    >>> _fit(["ID", "Fee"], known), _fit(["fee", "churn"], known), _fit(["id", "fee", *"abcdef"], known)
    ((2, 3), (0, 3), (0, 3))
    """
    there = _there([dict(known.renamed).get(name, name) for name in names], known.columns)
    asked = known.columns - {known.label}
    fits = (known.needed <= there and len(there & asked) >= ENOUGH * len(asked) > 0
            and len(there) >= HALF * len(names))
    return len(there) if fits else 0, len(known.columns)


def _there(names: Collection[str], wanted: Collection[str]) -> set[str]:
    """The wanted columns that are there, however their names are written."""
    return {name for name in names if name in wanted} | set(joins.known_again(names, wanted).values())
