"""What is made of several columns of one customer: trends over successive months, and days from one day to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.data.features.spans import Span, spans
from engine.data.features.trends import Trend, trends
from engine.schema import Dataset


def derived(dataset: Dataset) -> tuple[Trend | Span, ...]:
    """What is made of a table's columns; nothing that would take the name of one of them."""
    names = {column.name for column in dataset.columns}
    every: tuple[Trend | Span, ...] = (*trends(dataset.columns, dataset.label.asked), *spans(dataset.columns))
    return tuple(made for made in every if made.column.name not in names)


def made_of(names: Iterable[str], unused: Iterable[str], every: Iterable[Trend | Span]) -> Iterator[tuple[str, str]]:
    """Of these features the ones of which a part is not used, each with that part."""
    there, gone = set(names), set(unused)
    for made in every:
        part = next((name for name in made.members if name in gone), "")
        if part and made.column.name in there - gone:
            yield made.column.name, part
