"""Sector playbooks: what a team can do, and the next steps it takes for each segment. A new sector is one TOML file."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import EngineError, choose
from engine.schema import SEGMENTS

PLAYBOOKS = Path(__file__).resolve().parents[2] / "data" / "playbooks"
MOST_STEPS = 4
LEAVE_ALONE = "leave_alone"
WIN_BACK = "win_back"
LIMITS = {"contact_cost": math.inf, "offer_cost": math.inf, "recovery_rate": 1.0}
WITHOUT_ONE = "retail"


@dataclass(frozen=True)
class Treatment:
    """Something a team can do for a customer.

    contact_cost: per customer contacted; offer_cost: per customer who takes what is offered [currency].
    only_if: column -> the values it must have; a column that the data do not hold rules nothing out.
    recovery_rate: the share of those who would have left whom it keeps [0..1], an assumption until it is measured.
    """

    name: str
    words: str
    channel: str
    contact_cost: float
    only_if: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    offer_cost: float = 0.0
    recovery_rate: float = 0.05

    def fits(self, customer: Mapping[str, Any]) -> bool:
        """True when the customer's values allow the treatment.

        >>> lock_in = Treatment("lock_in", "Offer a contract.", "phone", 4.0, {"contract": ("Month-to-month",)})
        >>> lock_in.fits({"contract": "Two year"}), lock_in.fits({"contract": "Month-to-month"}), lock_in.fits({})
        (False, True, True)
        """
        return all(customer[column] in allowed for column, allowed in self.only_if.items() if column in customer)


@dataclass(frozen=True)
class Playbook:
    """A sector's treatments by name, and each segment's next steps in order."""

    sector: str
    treatments: Mapping[str, Treatment]
    segments: Mapping[str, tuple[str, ...]]
    minimum_tenure_months: float = 0.0
    minimum_tenure_column: str = ""

    def steps(self, segment: str, customer: Mapping[str, Any], *, hold_back: str = "", has_left: bool = False,
              ) -> list[Treatment]:
        """The next steps for a customer of that segment, the best first; at most four, "leave alone" among them.

        A customer who has left gets the win-back step; one whom the model must not judge is left alone.
        """
        if has_left:
            return [self.treatments[WIN_BACK]]
        if hold_back:
            return [self.treatments[LEAVE_ALONE]]
        planned = [self.treatments[name] for name in self.segments[segment]]
        return [step for step in planned if step.fits(customer)][:MOST_STEPS] or [self.treatments[LEAVE_ALONE]]


def playbook(sector: str, folder: Path = PLAYBOOKS) -> Playbook:
    """The sector's playbook.

    Raises:
        EngineError: if there is no such sector, or its file breaks the contract; names the file and the entry.

    >>> playbook("telecom").steps("Champion", {})[0].name
    'leave_alone'
    """
    return load(choose("playbook for the sector", sector, playbook_files(folder)))


def playbook_for(sector: str, folder: Path = PLAYBOOKS) -> Playbook:
    """The sector's playbook; the shop's where the sector has none yet.

    >>> playbook_for("astrology").sector
    'retail'
    """
    return playbook(sector if sector in playbook_files(folder) else WITHOUT_ONE, folder)


def playbook_files(folder: Path = PLAYBOOKS) -> dict[str, Path]:
    """The playbook files by sector."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(path: Path) -> Playbook:
    """The playbook in that file, checked."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        raise EngineError(f"{path.name} is not valid TOML: {problem}. Correct that line.") from problem
    treatments = {name: _treatment(path, name, fields) for name, fields in entries.pop("treatments", {}).items()}
    segments = {name: tuple(steps) for name, steps in entries.pop("segments", {}).items()}
    _check_names(path, treatments, segments)
    return Playbook(treatments=treatments, segments=segments, **_known(path, "the head", entries, Playbook))


def _treatment(path: Path, name: str, fields: dict[str, Any]) -> Treatment:
    allowed = {column: tuple(values) for column, values in fields.pop("only_if", {}).items()}
    fields = _known(path, f"[treatments.{name}]", fields, Treatment)
    missing = {"words", "channel", "contact_cost"} - set(fields)
    if missing:
        raise EngineError(f"{path.name}, [treatments.{name}]: add {', '.join(sorted(missing))}.")
    for field_name, most in LIMITS.items():
        value = fields.get(field_name, 0)
        if not (isinstance(value, (int, float)) and 0 <= value <= most):
            limit = "" if math.isinf(most) else f" and at most {most:g}"
            raise EngineError(f"{path.name}, [treatments.{name}]: {field_name} is {value!r}; write a number of at "
                              f"least 0{limit}.")
    return Treatment(name=name, only_if=allowed, **fields)


def _known(path: Path, where: str, fields: dict[str, Any], record: type) -> dict[str, Any]:
    unknown = set(fields) - set(record.__dataclass_fields__)  # type: ignore[attr-defined]
    if unknown:
        known = ", ".join(sorted(record.__dataclass_fields__))  # type: ignore[attr-defined]
        raise EngineError(f"{path.name}, {where}: unknown entry {sorted(unknown)[0]!r}. Known entries: {known}.")
    return fields


def _check_names(path: Path, treatments: Mapping[str, Treatment], segments: Mapping[str, tuple[str, ...]]) -> None:
    for name in (LEAVE_ALONE, WIN_BACK):
        if name not in treatments:
            raise EngineError(f"{path.name}: add [treatments.{name}]; every playbook needs it.")
    if set(segments) != set(SEGMENTS):
        raise EngineError(f"{path.name}, [segments]: name exactly these six: {', '.join(SEGMENTS)}.")
    for segment, steps in segments.items():
        for step in steps:
            choose(f"treatment (named in {path.name}, segment {segment})", step, treatments)
