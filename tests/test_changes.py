"""What differs from the file before: a unit that moved is told in its own direction."""

from __future__ import annotations

from typing import Any

import pytest

from engine.data.doctor.changes import SCALES, compared

BEFORE = [5.0, 10.0, 20.0, 30.0, 40.0]


def of(quantiles: list[float]) -> dict[str, Any]:
    return {"fee": {"kind": "number", "blank": 0.0, "quantiles": quantiles}}


@pytest.mark.parametrize(("factor", "larger", "smaller"), [
    (100, "a percent instead of a fraction", "a fraction instead of a percent"),
    (12, "a year instead of a month", "a month instead of a year"),
    (1024, "ones instead of thousands", "thousands instead of ones"),
    (60, "minutes instead of hours", "hours instead of minutes"),
    (30.4, "days instead of months", "months instead of days"), (7, "days instead of weeks", "weeks instead of days"),
])
def test_a_unit_that_moved_is_told_in_its_own_direction(factor: float, larger: str, smaller: str) -> None:
    up, = compared(of(BEFORE), of([factor * value for value in BEFORE]))
    down, = compared(of(BEFORE), of([value / factor for value in BEFORE]))
    assert "times as large" in up.what and larger in up.what and smaller not in up.what
    assert "times as small" in down.what and smaller in down.what and larger not in down.what
    assert up.serious and down.serious


def test_every_scale_says_both_directions_in_words_of_its_own() -> None:
    told = [words for both in SCALES.values() for words in both]
    assert len(set(told)) == len(told) and all("instead of" in words for words in told)
