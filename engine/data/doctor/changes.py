"""What differs from the file before: columns that came or went, words that are new, units and scales that moved.

A portrait of a file keeps what to compare with, and nothing of a single customer: for numbers their quantiles, for
categories their words, for all the share of blanks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.data.doctor.looks import Look
from engine.data.parsing import is_text, numbers

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SCALES = {  # by factor: what values that became as many times as large may be, and what as small
    100.0: ("a percent instead of a fraction", "a fraction instead of a percent"),
    1000.0: ("ones instead of thousands", "thousands instead of ones"),
    12.0: ("a year instead of a month", "a month instead of a year"),
    60.0: ("minutes instead of hours, or seconds instead of minutes", "hours instead of minutes, or minutes instead of "
           "seconds"),
    30.0: ("days instead of months", "months instead of days"), 7.0: ("days instead of weeks", "weeks instead of days")}
SCALE_WITHIN = 0.15
BLANKER = 0.2
MOVED = 2.0
MOST_WORDS = 1000


@dataclass(frozen=True)
class Change:
    """One difference: kind ("new column", "missing column", "new categories", "unit", "blanks", "kind"), where, and
    what in words. serious: figures may be wrong until somebody has looked."""

    kind: str
    where: str
    what: str
    serious: bool = False


def portrait(frame: pd.DataFrame, looks: Mapping[str, Look], skip: Sequence[str] = ()) -> dict[str, Any]:
    """What is kept of a file for the next to be compared with; of the columns to `skip` only that they are there."""
    return {name: {"kind": look.kind, "blank": round(look.blank, 4)}
            | ({} if name in skip else _detail(frame[name], look)) for name, look in looks.items()}


def _detail(values: pd.Series, look: Look) -> dict[str, Any]:
    if look.kind == "number":
        read = numbers(values, "").values if is_text(values) else pd.to_numeric(values, errors="coerce")
        known = pd.Series(read.to_numpy(dtype=float, na_value=np.nan)).replace([np.inf, -np.inf], np.nan).dropna()
        return {"quantiles": [float(q) for q in np.quantile(known, QUANTILES)]} if len(known) else {}
    if look.kind == "category":
        return {"words": sorted({str(text).strip() for text in values.dropna().unique()} - {""})[:MOST_WORDS]}
    return {}


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What the file after has otherwise than the one before.

    >>> old = {"fee": {"kind": "number", "blank": 0.0, "quantiles": [5, 10, 20, 30, 40]}}
    >>> new = {"fee": {"kind": "number", "blank": 0.0, "quantiles": [500, 1000, 2000, 3000, 4000]}}
    >>> compared(old, new)[0].what
    'Its values are about 100 times as large: 2000 in the middle, 20 before: a percent instead of a fraction?'
    >>> compared(new, old)[0].what
    'Its values are about 100 times as small: 20 in the middle, 2000 before: a fraction instead of a percent?'
    """
    found = [Change("missing column", name, "It was in the file before and is not in this one.", True)
             for name in before if name not in after]
    found += [Change("new column", name, "It was not in the file before; it is read by what it looks like.")
              for name in after if name not in before]
    for name in after:
        if name in before:
            found += _of_column(name, before[name], after[name])
    return tuple(found)


def serious(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a column differs so from one before that figures may be wrong until somebody has looked."""
    return "kind" not in before or any(change.serious for change in _of_column(name, before, after))


def _of_column(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    if before["kind"] != after["kind"]:
        yield Change("kind", name, f"It reads as {after['kind']} now, as {before['kind']} before.", True)
    if after["blank"] - before["blank"] > BLANKER:
        what = f"{100 * after['blank']:.0f} % of it is blank now, {100 * before['blank']:.0f} % before."
        yield Change("blanks", name, what, True)
    new = sorted(set(after.get("words", ())) - set(before.get("words", ())))
    if new and "words" in before:
        some = ", ".join(new[:5]) + (f" and {len(new) - 5} more" if len(new) > 5 else "")
        yield Change("new categories", name, f"Words that were not there before: {some}.")
    yield from _scale(name, before.get("quantiles"), after.get("quantiles"))


def _scale(name: str, before: Sequence[float] | None, after: Sequence[float] | None) -> Iterator[Change]:
    """A unit that changed moves all quantiles by one factor."""
    if not before or not after:
        return
    old, new = np.array(before, dtype=float), np.array(after, dtype=float)
    both = (old > 0) & (new > 0)
    if both.sum() < 3:
        return
    ratios = new[both] / old[both]
    middle = float(np.exp(np.median(np.log(ratios))))
    if max(middle, 1 / middle) < MOVED:
        return
    steady = float(np.ptp(np.log(ratios))) < 0.5
    size = f"{middle:.3g} times as large" if middle > 1 else f"{1 / middle:.3g} times as small"
    guess = next((words[middle < 1] for factor, words in SCALES.items()
                  if abs(np.log(max(middle, 1 / middle) / factor)) < SCALE_WITHIN), "another unit") if steady else ""
    ending = f": {guess}?" if guess else "."
    what = f"Its values are about {size}: {after[2]:g} in the middle, {before[2]:g} before{ending}"
    yield Change("unit", name, what, steady)
