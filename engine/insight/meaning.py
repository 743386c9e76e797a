"""What the columns of a run mean: scores, features and the customers' own, with money in the company's currency."""

from __future__ import annotations

from collections.abc import Iterator

from engine.data.features import feature_columns
from engine.insight.source import Scope, columns
from engine.schema import SCORES, Column

MEASURED = ("number", "count")


def meanings(scope: Scope) -> dict[str, Column]:
    """Every column by name. Where features and customers share a name the feature is meant, and a score before both."""
    known = {column.name: column for column in (*scope.dataset.columns, *feature_columns(scope.dataset), *SCORES)}
    return {name: column.in_currency(scope.dataset.currency) for name, column in known.items()}


def meaning(scope: Scope, name: str) -> Column:
    """One column; one that nobody described is called by its name."""
    return meanings(scope).get(name) or Column(name, "category", "", "")


def described(scope: Scope) -> list[Column]:
    """The run's features that can be told to people, in the order in which the run holds them."""
    return list(_described(scope))


def _described(scope: Scope) -> Iterator[Column]:
    known = meanings(scope)
    for name in columns(scope):
        if name in known and name not in SCORES.names:
            yield known[name]


def sorting_columns(scope: Scope) -> list[Column]:
    """Features that sort customers into a few groups: categories and flags first, then numbers (by quarters)."""
    found = described(scope)
    return [c for c in found if c.kind not in MEASURED] + [c for c in found if c.kind in MEASURED]
