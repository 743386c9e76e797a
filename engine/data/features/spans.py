"""Spans: how many days passed from one of a customer's days to another, such as from joining to the last visit.

Each day counts back from the moment of the data; what a customer did between two of them is their difference, which
trees over the days one by one only come near.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from engine.data.names import in_a_sentence
from engine.schema import Column
from engine.schema.columns import AS_IN_FILE

MOST_DAYS = 4
MEANING = f"{AS_IN_FILE}, the days from one day to the other; negative = the other way round"


@dataclass(frozen=True)
class Span:
    """A feature, and the two columns of days of which it is made."""

    column: Column
    members: tuple[str, str]

    def of(self, days: pd.DataFrame) -> pd.Series:
        """Days from the one to the other, of days before the moment of the data.

        >>> joined = spans([Column("joined", "date", "", ""), Column("seen", "date", "", "")])[0]
        >>> joined.of(pd.DataFrame({"joined": [100.0, 3.0], "seen": [40.0, float("nan")]})).tolist()
        [60.0, nan]
        """
        one, other = self.members
        return days[one] - days[other]


def spans(columns: Iterable[Column]) -> tuple[Span, ...]:
    """A span for each pair of the first four columns of days, in the order of the file.

    >>> [span.column.title for span in spans([Column(name, "date", "", "") for name in ("joined", "seen")])]
    ['From joined to seen']
    """
    days = [column for column in columns if column.kind == "date"][:MOST_DAYS]
    return tuple(_span(one, other) for one, other in combinations(days, 2))


def _span(one: Column, other: Column) -> Span:
    said = f"From {in_a_sentence(one.title)} to {in_a_sentence(other.title)}"
    return Span(Column(f"{one.name}_to_{other.name}", "number", "days", MEANING, label=said), (one.name, other.name))
