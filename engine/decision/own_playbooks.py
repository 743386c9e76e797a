"""A company's own playbook: the shipped one until somebody keeps a changed text; every version stays to go back to."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine import saved, state
from engine.decision.playbooks import Playbook, parsed, shipped_text
from engine.errors import EngineError
from engine.permissions import allow
from engine.schema import Actor, Dataset

KIND = "playbook"
SHIPPED = 0


@dataclass(frozen=True)
class Version:
    """One version of a company's playbook: its number (0 = as shipped), its text, who kept it, when, and why."""

    number: int
    text: str
    actor: str = ""
    at: datetime | None = None
    note: str = ""


def playbook_for(dataset: Dataset, number: int | None = None) -> Playbook:
    """The dataset's playbook: its own copy where it has one, else its sector's (the general one where there is none).

    number: that version; the one in use when left out.
    """
    return _parsed(_text(dataset, number), _name(dataset))


def in_use(dataset: Dataset) -> int:
    """The number of the version in use; 0 = as shipped and never changed."""
    return saved.newest(KIND, dataset.name)[0]


def current(dataset: Dataset, *, actor: Actor) -> Version:
    """The version in use, for somebody to read or to change."""
    allow(actor, saved.KINDS[KIND][0])
    number, kept = saved.newest(KIND, dataset.name)
    return _version(dataset, number, kept) if kept else Version(SHIPPED, shipped_text(dataset.sector))


def keep(dataset: Dataset, text: str, *, based_on: int, actor: Actor, now: datetime, note: str = "") -> Version:
    """Keep the text as the dataset's playbook from now on; a minimum tenure counts from the next scoring on.

    Args:
        based_on: the number of the version that was changed.

    Raises:
        DataError: when the text breaks the contract; carries every mistake with its line, entry and cure.
        EngineError: when somebody else kept another version meanwhile.
    """
    allow(actor, saved.KINDS[KIND][1])
    parsed(text, _name(dataset))
    return _kept(dataset, {"text": text, "note": note}, based_on, actor, now)


def revert(dataset: Dataset, number: int = SHIPPED, *, actor: Actor, now: datetime) -> Version:
    """Go back to an earlier version, or to the shipped playbook: a new version that says what that one said."""
    allow(actor, saved.KINDS[KIND][1])
    content = {"text": None} if number == SHIPPED else {"text": _text(dataset, number)}
    note = "as shipped" if number == SHIPPED else f"as version {number}"
    return _kept(dataset, {**content, "note": f"Back: {note}."}, in_use(dataset), actor, now)


def history(dataset: Dataset, *, actor: Actor) -> list[Version]:
    """Every version that was kept, the newest first."""
    found = saved.kept(KIND, dataset.name, actor=actor)
    return [_version(dataset, int(one.name), one) for one in reversed(found)]


def _kept(dataset: Dataset, content: Mapping[str, Any], based_on: int, actor: Actor, now: datetime) -> Version:
    kept = saved.add(KIND, dataset.name, content, after=based_on, actor=actor, now=now)
    number = int(kept.name)
    state.record(actor, KIND, dataset.name, now, {"version": number, "note": content["note"]})
    return _version(dataset, number, kept)


def _version(dataset: Dataset, number: int, kept: saved.Saved) -> Version:
    text = kept.content["text"]
    return Version(number, shipped_text(dataset.sector) if text is None else text, kept.actor, kept.at,
                   kept.content.get("note", ""))


def _text(dataset: Dataset, number: int | None) -> str:
    if number == SHIPPED:
        return shipped_text(dataset.sector)
    found, kept = saved.newest(KIND, dataset.name, number)
    if number is not None and kept is None:
        raise EngineError(f"{dataset.name} has no playbook version {number}. Choose one of its history.")
    return _version(dataset, found, kept).text if kept else shipped_text(dataset.sector)


def _name(dataset: Dataset) -> str:
    return f"the playbook of {dataset.name}"


@functools.lru_cache(maxsize=64)
def _parsed(text: str, name: str) -> Playbook:
    """The same text is read once."""
    return parsed(text, name)
