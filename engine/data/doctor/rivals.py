"""Further columns that say who left, or may: said, for one of them would be learned from to predict another."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from engine.data.doctor.faults import Fault
from engine.data.doctor.looks import is_missing_word
from engine.data.doctor.recognise import HALF, Part
from engine.data.parsing import as_written
from engine.schema import Finding, plural

AGREES = 0.2  # Cohen's kappa: below, two answers agree hardly more than by chance (Landis and Koch 1977)
NEARLY = 0.1
NAME_IT = "Name the one that is right as the label, and ignore the other."


def rivals(label: Part, others: Sequence[Part], frame: pd.DataFrame, ignored: Collection[str] = ()
           ) -> tuple[Fault, ...]:
    """A fault for each further column that says who left, as it agrees with the label beyond chance, and for each that
    speaks of leaving as surely and does not."""
    if not label.column or not label.value:
        return ()
    said = _said(label, frame)
    left = who_left(label, frame)[said]
    found = (_rival(label, left, other, who_left(other, frame)[said]) for other in others
             if other.confidence >= HALF and other.value and other.column not in {label.column, *ignored})
    return tuple(fault for fault in found if fault is not None)


def _rival(label: Part, left: pd.Series, other: Part, gone: pd.Series) -> Fault | None:
    differ, rows = int((gone != left).sum()), f"{len(left):,}"
    if agreement(left, gone) >= AGREES:
        what = (f"It says who left as well as {label.column}, which is taken for the answer; they differ in "
                f"{plural(differ, 'row')} of {rows}.")
    elif other.confidence >= label.confidence - NEARLY:
        what = (f"It may be what says who left, rather than {label.column}, which is taken for the answer: "
                f"{other.evidence}. The two agree hardly more than by chance: they differ in {plural(differ, 'row')} "
                f"of {rows}.")
    else:
        return None
    return Fault(Finding("warning" if differ else "note", other.column, what, NAME_IT, differ), lasts=differ > 0)


def agreement(one: pd.Series, other: pd.Series) -> float:
    """How far two answers agree beyond chance: Cohen's kappa (1960), 1 where they are the same and 0 by chance.

    >>> yes_no = pd.Series([True, True, False, False])
    >>> agreement(yes_no, yes_no), agreement(yes_no, pd.Series([True, False, True, False]))
    (1.0, 0.0)
    """
    p, q = one.mean(), other.mean()
    chance = p * q + (1 - p) * (1 - q)
    return float(((one == other).mean() - chance) / (1 - chance)) if len(one) and chance < 1 else 0.0


def who_left(label: Part, frame: pd.DataFrame) -> pd.Series:
    """By row, whether a column says that the customer left."""
    texts = as_written(frame[label.column]).str.strip()
    if label.value == "filled":
        return ~texts.isin([text for text in texts.unique() if not text or is_missing_word(text, in_words=False)])
    return texts.isin(label.value.split("|"))


def _said(label: Part, frame: pd.DataFrame) -> np.ndarray:
    """By row, whether the label says anything: nothing in a day of leaving says that the customer stayed."""
    if label.value == "filled":
        return np.ones(len(frame), dtype=bool)
    return np.asarray(as_written(frame[label.column]).str.strip() != "", dtype=bool)
