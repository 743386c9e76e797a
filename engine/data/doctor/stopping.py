"""Joined rows that stop when a customer leaves: whether they do, and up to which day they tell nothing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time

import numpy as np
import pandas as pd

from engine.data.dates import moments
from engine.data.doctor.besides import Beside, rows_of
from engine.data.doctor.gathering import last_row
from engine.data.telltales import PURE_BOUND, PURE_ODDS_RATIO, PURE_SHARE, surely_left
from engine.schema import Finding, plural

BEFORE, MANY, REMAINS = 0.02, 0.25, 0.5


def stop_early(files: Sequence[Beside], frame: pd.DataFrame, left: pd.Series) -> set[str]:
    """The files of which customers whose last row was before some day have (almost) all left, surely so, and are many
    of all who did. frame: the customers with what was gathered; left: who of them left."""
    gone = left.to_numpy()
    return {name for name, ends in _last_days(files, frame).items() if _tells(ends[ends.notna()], gone[ends.notna()])}


def _last_days(files: Sequence[Beside], frame: pd.DataFrame) -> Mapping[str, pd.Series]:
    found = {beside.name: frame[name] for beside in files if (name := last_row(beside)) in frame}
    return {name: moments(days, name).values for name, days in found.items()}


def _tells(ends: pd.Series, left: np.ndarray) -> bool:
    days, place = np.unique(ends.to_numpy(), return_inverse=True)
    if len(days) < 2:
        return False
    until, gone = (np.cumsum(np.bincount(place, weights)) for weights in (None, left.astype(float)))
    pure = np.flatnonzero(gone >= PURE_SHARE * until)
    if not len(pure) or gone[pure[-1]] < MANY * left.sum():
        return False
    most = pure[-1]
    return surely_left(int(until[most]), int(gone[most]), len(left), int(left.sum()), PURE_BOUND, PURE_ODDS_RATIO)


def day_before(files: Sequence[Beside], frame: pd.DataFrame, left: pd.Series) -> tuple[datetime, str] | None:
    """The day up to which (almost) all who left have rows in the files that stop as customers leave, and the file that
    is the first to stop; None where none does.

    Of that day and later, rows are there or not because a customer had stayed or left; those before are everybody's.
    """
    gone = left.to_numpy()
    stopping = [beside for beside in files if beside.stops]
    ends = {name: sorted(days[gone].dropna()) for name, days in _last_days(stopping, frame).items()}
    until = {name: days[int(BEFORE * len(days))] for name, days in ends.items() if days}
    if not until:
        return None
    name = min(until, key=lambda one: until[one])
    return datetime.combine(until[name].date(), time()), name


def remains(files: Sequence[Beside], frame: pd.DataFrame, cut: pd.DataFrame) -> bool:
    """Whether at least half of the rows with a time are left. frame, cut: the customers with what was gathered of all
    rows, and of those before some day."""
    return _rows(files, cut) >= REMAINS * _rows(files, frame)


def _rows(files: Sequence[Beside], frame: pd.DataFrame) -> int:
    return sum(int(frame[rows_of(beside)].sum()) for beside in files if last_row(beside) in frame)


def newcomers(name: str, files: Sequence[Beside], frame: pd.DataFrame, cut: pd.DataFrame) -> pd.Series:
    """By customer, whether all rows of a file are of the day or later: whoever came then is known too little."""
    counted = next(rows_of(beside) for beside in files if beside.name == name)
    return frame[counted].gt(0).reindex(cut.index, fill_value=False) & ~cut[counted].gt(0)


def not_learned_from(day: datetime, name: str, customers: int) -> Finding:
    """What becomes of those who came later."""
    return Finding("note", name, f"{plural(customers, 'customer')} had no row before {day:%Y-%m-%d}.",
                   "They are scored, not learned from.", customers)


def told(day: datetime, name: str, files: Sequence[Beside], frame: pd.DataFrame, cut: pd.DataFrame) -> Finding:
    """What is left out of the day before which rows do not stop yet and later; severe where little remains."""
    before, after = (_rows(files, some) for some in (frame, cut))
    dated = ", ".join(beside.name for beside in files if last_row(beside) in frame)
    what = (f"The rows of {name} stop when customers leave, from {day:%Y-%m-%d} on: whoever left has no later ones, "
            f"and all that is counted of them tells it. {before - after:,} of {plural(before, 'row')} of {dated} are "
            "of that day or later.")
    fix = "They are left out: customers are looked at as of that day, and who left after it is learned from."
    if remains(files, frame, cut):
        return Finding("warning", name, what, fix, before - after)
    return Finding("severe", name, what, f"{fix} Little remains: bring rows of more time before the first customers "
                   "left.", before - after)
