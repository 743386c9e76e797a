"""What the doctor hands over: the proposal, its cures, and what reading the files by it has found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from engine.data.adapters import mapping as mappings
from engine.data.doctor.changes import Change
from engine.data.doctor.faults import Fault
from engine.data.doctor.looks import Look
from engine.data.doctor.recognise import Part
from engine.data.doctor.silence import Silence
from engine.schema import Finding


@dataclass(frozen=True)
class Cure:
    """What mends a fault: `spec` is its line in the mapping. on: it is carried out; safe: it was not asked about."""

    where: str
    what: str
    spec: Mapping[str, Any]
    on: bool = True
    safe: bool = True


def written(cures: Iterable[Cure]) -> list[dict[str, Any]]:
    """The cures as a mapping keeps them: those that are carried out, and safe ones that were declined as off."""
    return [{**cure.spec, **({} if cure.on else {"off": True})} for cure in cures if cure.on or cure.safe]


@dataclass(frozen=True)
class Examined:
    """What reading the files with the mapping gives: findings with rows, customers, who left, what is quarantined.

    left: share who left [share 0..1], None where nobody says. quarantined: (column, reason), never used. too_few: why
    there are too few answers to learn from, "" where there are enough. assumed_days: the label's window where nobody
    has said it; window: the finding which says that the file does not. first: the first customers as they are read.
    """

    findings: tuple[Finding, ...] = ()
    customers: int = 0
    rejected: int = 0
    left: float | None = None
    quarantined: tuple[tuple[str, str], ...] = ()
    stopped: bool = False
    too_few: str = ""
    assumed_days: int | None = None
    window: Finding | None = None
    first: pd.DataFrame | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Proposal:
    """What the doctor makes of the files. Nothing is kept until it is accepted.

    kind: "snapshot", "snapshot without a label", or what the adapter reads. parts: id, label, money, tenure and so on,
    each with confidence and evidence; columns: what every other column is used as. faults: with rows, an example and
    the cure. mapping: the same as it is kept. refresh: the kept mapping of an earlier file was used; changes: what
    differs from that file. others: by part, the next best columns. silence: of orders and events, the chance to come
    back by days of silence, which the proposed number of days rests on. looks: a table's columns at first sight.
    """

    name: str
    sources: tuple[str | Path, ...]
    kind: str
    adapter: str
    parts: tuple[Part, ...] = ()
    columns: tuple[Part, ...] = ()
    faults: tuple[Fault, ...] = ()
    cures: tuple[Cure, ...] = ()
    mapping: Mapping[str, Any] = field(default_factory=dict)
    examined: Examined = field(default_factory=Examined)
    refresh: bool = False
    changes: tuple[Change, ...] = ()
    others: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    portrait: Mapping[str, Any] = field(default_factory=dict)
    now: datetime = datetime(1970, 1, 1)
    observed_until: datetime | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    queries: tuple[str, ...] = ()
    silence: Silence | None = None
    looks: Mapping[str, Look] = field(default_factory=dict, compare=False, repr=False)

    @property
    def trainable(self) -> bool:
        """Whether a model can be learned: somebody says who left, of enough customers, and no error stops it."""
        return self.examined.left is not None and not self.examined.stopped and not self.examined.too_few

    @property
    def toml(self) -> str:
        """The mapping as it is kept."""
        return mappings.written(self.mapping)

    def part(self, role: str) -> Part:
        """The part of that role; one without a column where there is none."""
        return next((part for part in self.parts if part.role == role), Part(role))
