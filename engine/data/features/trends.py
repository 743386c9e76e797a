"""Trends: of columns that say the same of successive months, the last ones against those before.

Trees over such columns one by one learn levels; a customer who fades says so in the ratio. What the answer's own month
says takes no part, as it may be measured while customers leave.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from engine.data.names import in_a_sentence
from engine.data.periods import Period, period_of, series
from engine.schema import Column
from engine.schema.columns import AS_IN_FILE

ENDING = "_trend"
PARTS = 3
MOST = 10.0
MEANING = f"{AS_IN_FILE}, the mean of the last columns as a multiple of those before"


@dataclass(frozen=True)
class Trend:
    """A feature, and the columns of which it is made: the earlier ones, and the last third."""

    column: Column
    before: tuple[str, ...]
    lately: tuple[str, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """The columns of which it is made, from the first on."""
        return self.before + self.lately

    def of(self, numbers: pd.DataFrame) -> pd.Series:
        """The mean of the last columns as a multiple of the mean of those before, at most 10; missing where both are
        nothing or one is below it.

        >>> visits = pd.DataFrame({"visits_jan": [4.0, 0.0, 0.0, -1.0], "visits_feb": [2.0, 3.0, 0.0, 2.0]})
        >>> trends([Column(name, "number", "", "") for name in visits])[0].of(visits).tolist()
        [0.5, 10.0, nan, nan]
        """
        before, lately = (numbers[list(names)].mean(axis=1) for names in (self.before, self.lately))
        known = (before >= 0) & (lately >= 0) & (before + lately > 0)
        return (lately / before).clip(upper=MOST).where(known).astype("float64")


def trends(columns: Iterable[Column], asked: str = "") -> tuple[Trend, ...]:
    """A trend for each series among the columns of numbers.

    asked: the answer's name in the company's file; columns of its month or quarter take no part.

    >>> fees = [Column(f"fee_{month}", "number", "", "") for month in ("apr", "may", "jun")]
    >>> [trend.members for trend in trends(fees, "Churned in June")], trends(fees)[0].column.title
    ([('fee_apr', 'fee_may')], 'Fee jun against fee apr to fee may')
    """
    by_name = {column.name: column for column in columns if column.kind in ("number", "count")}
    own = period_of(asked)
    early = [name for name in by_name if own is None or not _may_be_of(name, own[1])]
    return tuple(_trend(names, by_name) for names in series(early))


def _may_be_of(name: str, asked: Period) -> bool:
    found = period_of(name)
    return found is not None and found[1].may_be(asked)


def _trend(names: tuple[str, ...], by_name: dict[str, Column]) -> Trend:
    lately = max(len(names) // PARTS, 1)
    before, last = names[:-lately], names[-lately:]
    said = f"{_span(last, by_name)} against {in_a_sentence(_span(before, by_name))}"
    made = Column(names[-1] + ENDING, "number", "ratio", MEANING, 0, MOST, label=said)
    return Trend(made, before, last)


def _span(names: tuple[str, ...], by_name: dict[str, Column]) -> str:
    first, last = by_name[names[0]].title, by_name[names[-1]].title
    return first if first == last else f"{first} to {in_a_sentence(last)}"
