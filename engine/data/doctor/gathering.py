"""What a file with many rows per customer brings, one row per customer: how many there are, the mean and sum of its
numbers and their change, the share of each frequent word, its first and last day; and what a person calls these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from engine.data.dates import moments
from engine.data.doctor import cures
from engine.data.doctor.besides import Beside, share_of
from engine.data.names import in_a_sentence, snake, title
from engine.data.parsing import as_written, flags, numbers


def gathered(part: pd.DataFrame, key: pd.Series, beside: Beside, moments_of_all: int) -> pd.DataFrame:
    """One row per customer of a file with many. moments_of_all: how many moments all of its rows tell."""
    stem = snake(beside.name)
    known = key.notna().to_numpy()
    part, key = part[known], key[known]
    at = times(part, beside)
    if at.notna().any():
        order = np.argsort(at.to_numpy(), kind="stable")  # rows without a time come last
        part, key, at = part.iloc[order], key.iloc[order], at.iloc[order]
    group = key.to_numpy()
    made: dict[str, pd.Series] = {f"{stem}_rows": pd.Series(1.0, index=part.index).groupby(group).sum()}
    if moments_of_all > 1:
        made[f"{stem}_recent"] = _lately(at).groupby(group).mean()
    for name in beside.numeric:
        if name in part:
            made |= _of_numbers(f"{stem}_{snake(name)}", _as_numbers(part[name]), group)
    for name, words in beside.words.items():
        if name in part:
            said = as_written(part[name]).str.strip()
            made |= {share_of(beside, name, word): (said == word).astype(float).groupby(group).mean() for word in words}
    for name in beside.dates:
        if name in part:
            made |= _of_dates(f"{stem}_{snake(name)}", moments(cures.dated(part[name]), name).values, group)
    return pd.DataFrame(made)


def times(part: pd.DataFrame, beside: Beside) -> pd.Series:
    """When each row was, where the file says it."""
    if beside.time not in part:
        return pd.Series(pd.NaT, index=part.index)
    return moments(cures.dated(part[beside.time]), beside.time).values


def _lately(at: pd.Series) -> pd.Series:
    """1 for a row in the last third of the time that the file covers, 0 before, missing where no time is known: its
    mean over a customer's rows says whether they come more often of late.

    >>> _lately(pd.Series(pd.to_datetime(["2024-01-01", "2024-01-20", "2024-01-31", None]))).tolist()
    [0.0, 0.0, 1.0, nan]
    """
    since = at.max() - (at.max() - at.min()) / 3
    return (at > since).astype(float).where(at.notna())


def _as_numbers(values: pd.Series) -> pd.Series:
    read = numbers(values, "")
    return (flags(values, "") if read.values.isna().all() else read).values.astype(float)


def _of_numbers(stem: str, values: pd.Series, group: np.ndarray) -> dict[str, pd.Series]:
    """Mean and sum; change: the mean of a customer's later half of rows less the earlier's."""
    by = values.groupby(group)
    place = pd.Series(1.0, index=values.index).groupby(group).cumsum().to_numpy()
    later = place > by.transform("size").to_numpy() / 2
    halves = [values[mask].groupby(group[mask]).mean() for mask in (later, ~later)]
    return {f"{stem}_mean": by.mean(), f"{stem}_sum": by.sum(min_count=1), f"{stem}_change": halves[0].sub(halves[1])}


def titles(besides: Iterable[Beside]) -> dict[str, str]:
    """What is gathered of files with many rows, as a person reads it, by column.

    >>> titles([Beside("pay_ments", many=True, time="paid_on", numeric=("fee",), words={"kind": ("card",)})])
    {'pay_ments_rows': 'Pay ments in all', 'pay_ments_recent': 'Share of pay ments in the last third of the time', \
'pay_ments_fee_mean': 'Mean fee of pay ments', 'pay_ments_fee_sum': 'Total fee of pay ments', \
'pay_ments_fee_change': 'Mean fee of pay ments, later half less earlier half', \
'pay_ments_kind_card': 'Share of pay ments with kind card'}
    """
    return {name: said for beside in besides if beside.many for name, said in _titles(beside)}


def _titles(beside: Beside) -> Iterator[tuple[str, str]]:
    stem, what = snake(beside.name), in_a_sentence(title(beside.name))
    yield f"{stem}_rows", f"{title(beside.name)} in all"
    yield f"{stem}_recent", f"Share of {what} in the last third of the time"
    for name in beside.numeric:
        for end, said, more in (("mean", "Mean", ""), ("sum", "Total", ""),
                                ("change", "Mean", ", later half less earlier half")):
            yield f"{stem}_{snake(name)}_{end}", f"{said} {in_a_sentence(title(name))} of {what}{more}"
    for name, words in beside.words.items():
        for word in words:
            yield share_of(beside, name, word), f"Share of {what} with {in_a_sentence(title(name))} {word}"
    for name in beside.dates:
        for end in ("first", "last"):
            yield f"{stem}_{snake(name)}_{end}", f"{title(beside.name)}: {end} {in_a_sentence(title(name))}"


def last_days(besides: Iterable[Beside]) -> tuple[str, ...]:
    """The columns that say until when a customer has rows in a file with many."""
    return tuple(f"{snake(beside.name)}_{snake(name)}_last" for beside in besides if beside.many
                 for name in beside.dates)


def last_row(beside: Beside) -> str:
    """The column that says when a customer's last row of a file with many was; "" where the file tells no times."""
    return f"{snake(beside.name)}_{snake(beside.time)}_last" if beside.many and beside.time in beside.dates else ""


def _of_dates(stem: str, values: pd.Series, group: np.ndarray) -> dict[str, pd.Series]:
    by = values.groupby(group)
    return {f"{stem}_first": by.min(), f"{stem}_last": by.max()}
