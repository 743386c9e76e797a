"""Columns that come under another name than in the file before: the same words otherwise written, or values alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.data.adapters.mapping import LISTS, Plan
from engine.data.doctor import changes
from engine.data.doctor.faults import Fault
from engine.data.doctor.looks import looks
from engine.data.doctor.vocabulary import named
from engine.data.names import same_words
from engine.schema import Finding

ALIKE = 0.1
FEWEST_WORDS = 3
Portrait = Mapping[str, Any]


def found(plan: Plan, before: Portrait, frame: pd.DataFrame) -> tuple[Fault, ...]:
    """For each column that the mapping reads and the file lacks, the new column that it may be.

    One of the same words, however they are written and ordered, whose values are as before, is safe to be read so; one
    that shares words with it or has its values is for a person to say.
    """
    lacking = [name for name in plan.read if name not in frame]
    known = {*plan.named, *plan.ignored, plan.label, *before}
    fresh = [str(name) for name in frame if name not in known]
    if not lacking or not fresh:
        return ()
    after = changes.portrait(frame[fresh], looks(frame[fresh]))
    faults = [fault for old in lacking for fault in _of(old, before.get(old, {}), after)]
    taken = [fault.cure["column"] for fault in faults if fault.safe]
    return tuple(fault for fault in faults if fault.safe or fault.cure["column"] not in taken)


def _of(old: str, before: Portrait, after: Mapping[str, Portrait]) -> Iterator[Fault]:
    same = [new for new in after if same_words(old, new) and not changes.serious(new, before, after[new])]
    if len(same) == 1:
        what = f"It is {old} as it came before, written otherwise."
        yield Fault(Finding("note", same[0], what, "It is read as the same column."), cure=_cure(same[0], old))
        return
    for new in after:
        if why := _alike(old, new, before, after[new]):
            what = f"It is new, {old} is missing, and {why}."
            yield Fault(Finding("warning", new, what, f"If it is the same column, have it read as {old}."),
                        cure=_cure(new, old), safe=False)


def _cure(new: str, old: str) -> dict[str, str]:
    return {"column": new, "cure": "renamed", "to": old}


def _words(name: str) -> list[str]:
    return sorted(named(name).split("_"))


def _alike(old: str, new: str, before: Portrait, after: Portrait) -> str:
    """Why a new column may be the one that is missing; "" where nothing says so."""
    if before.get("kind") != after["kind"]:
        return ""
    one, other = set(_words(old)), set(_words(new))
    if one <= other or other <= one:
        return "their names share words"
    return "its values are as those were" if _values_alike(before, after) else ""


def _values_alike(before: Portrait, after: Portrait) -> bool:
    if "words" in before and "words" in after:
        return len(before["words"]) >= FEWEST_WORDS and set(before["words"]) == set(after["words"])
    old, new = (np.asarray(part.get("quantiles", ()), dtype=float) for part in (before, after))
    return bool(len(old) and len(new) and _told_apart(old) and np.allclose(old, new, rtol=ALIKE, atol=0))


def _told_apart(quantiles: np.ndarray) -> bool:
    """Whether the middle and the ends differ, so that agreeing is no accident of few values."""
    return len(np.unique(quantiles)) == len(quantiles)


def restored(mapping: Mapping[str, Any], before: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The mapping with what these columns, known again, were used as before."""
    lists = {use: list(dict.fromkeys([*mapping.get(use, ()), *(name for name in before.get(use, ()) if name in names)]))
             for use in LISTS}
    single = {role: before[role] for role in ("tenure", "recency") if before.get(role) in names}
    contact = {role: name for role, name in before.get("contact", {}).items() if name in names}
    return {**mapping, **lists, **single, "contact": {**mapping.get("contact", {}), **contact}}


def hints(faults: Sequence[Fault], lacking: Sequence[str]) -> str:
    """What to say of columns that nothing can be read without: those that may be them; "" without any."""
    return "".join(f" {fault.finding.where}: {fault.finding.what}" for fault in faults
                   if not fault.safe and fault.cure["to"] in lacking)
