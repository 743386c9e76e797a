"""What the model would say of a customer if a team changed something, and the least change that is enough.

A lever changes a column of the customer as it came; features, probability, interval, value and reasons are then
computed by the same functions as every score, so that whatever is derived from the column follows. What comes out is
the model's association: customers who differ in this leave less often. It promises no effect of making the change.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.data.features import features
from engine.data.features.orders import known_of
from engine.errors import EngineError
from engine.prediction.model import Model, Scored, score
from engine.schema import Column, Dataset
from engine.schema.levers import Lever
from engine.schema.orders import VISIT_KINDS
from engine.schema.stored import rows_of
from engine.schema.telecom import TELECOM_LEVERS

LEVERS: Mapping[str, tuple[Lever, ...]] = {"telco": TELECOM_LEVERS}
NO_LEVERS = "What a team controls (offers, prices, service) is not among what the model knows of these customers."
AGAIN = "again"
VISIT, MOMENT = timedelta(hours=1), timedelta(seconds=1)

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """A lever as it stands for one customer: the value now, and the values on offer with their steps."""

    lever: Lever
    column: Column
    now: Any
    options: Mapping[Any, int]


@dataclass(frozen=True)
class Change:
    """Some levers moved: what would be, how many steps that is, and the chance to leave that the model then sees."""

    changes: Changes
    steps: int
    probability: float


@dataclass(frozen=True)
class Search:
    """What every allowed combination of levers would bring.

    now, threshold: chances to leave. alone: each lever's options, one at a time, the lowest chance first.
    smallest: fewest levers, then fewest steps, then the lowest chance, of those below the threshold; None when no
    combination gets there. tried: how many combinations there are.
    """

    now: float
    threshold: float
    alone: tuple[Change, ...]
    smallest: Change | None
    tried: int

    @property
    def below_already(self) -> bool:
        """Whether the customer needs no change."""
        return self.now < self.threshold


@dataclass(frozen=True, eq=False)
class Imagined(Dataset):
    """A dataset in which some customers have other values; everything else is read from its files."""

    rows: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def of(cls, dataset: Dataset, rows: pd.DataFrame) -> Imagined:
        """The dataset with these rows in place of its own, index customer_id."""
        return cls(**{part.name: getattr(dataset, part.name) for part in fields(Dataset)}, rows=rows)

    def frame(self, only: Collection[str] | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The customers table as it would be."""
        mine = self.rows if columns is None else self.rows[list(columns)]
        mine = mine if only is None else mine[mine.index.isin(list(only))]
        if only is not None and set(only) <= set(mine.index):
            return mine
        others = super().frame(only, columns)
        return pd.concat([others[~others.index.isin(self.rows.index)], mine])


def choices(model: Model, dataset: Dataset, customer_id: str) -> tuple[Choice, ...]:
    """The levers that can be moved for this customer; of a company without levers, none.

    A lever counts only where the model uses its column, and offers only values that training customers had.
    """
    return _choices(model, dataset, _row(dataset, customer_id))


def _choices(model: Model, dataset: Dataset, row: pd.DataFrame) -> tuple[Choice, ...]:
    held = row.iloc[0]
    found = (_choice(model, dataset, lever, held.get(lever.column)) for lever in LEVERS.get(dataset.adapter, ()))
    return tuple(choice for choice in found if choice.options)


def _row(dataset: Dataset, customer_id: str) -> pd.DataFrame:
    rows = dataset.frame([customer_id])
    if rows.empty:
        raise EngineError(f"{dataset.name} has no customer {customer_id!r}. Ids are compared as text, zeros included.")
    return rows


def _choice(model: Model, dataset: Dataset, lever: Lever, value: Any) -> Choice:
    meaning = {column.name: column for column in (*dataset.columns, *model.columns)}
    seen = model.churn.categories.get(lever.column)
    used = lever.column in model.churn.columns
    now = value.item() if isinstance(value, np.generic) else value
    options = {value: steps for value, steps in lever.options(now).items() if used and (seen is None or value in seen)}
    return Choice(lever, meaning.get(lever.column) or Column(lever.column, "category", "", ""), now, options)


def what_if(model: Model, dataset: Dataset, as_of: datetime, customer_id: str, changes: Changes) -> Scored:
    """The customer's scores and reasons with the changes made; without any, the same figures as before.

    Raises:
        EngineError: when a change is not among the customer's choices.
    """
    row = _row(dataset, customer_id)
    allowed = {choice.lever.column: choice.options for choice in _choices(model, dataset, row)}
    for column, value in changes.items():
        if value not in allowed.get(column, ()):
            offered = ", ".join(map(str, allowed.get(column, ()))) or "nothing"
            raise EngineError(f"{column} of customer {customer_id} cannot become {value!r}. On offer: {offered}.")
    return score(model, Imagined.of(dataset, row.assign(**changes)), as_of, [customer_id])


def search(model: Model, dataset: Dataset, as_of: datetime, customer_id: str) -> Search:
    """Every combination of the customer's choices tried at once, so that the smallest change is the smallest."""
    row = _row(dataset, customer_id)
    open_ = _choices(model, dataset, row)
    combined = list(_combinations(open_))
    rows = row.iloc[np.zeros(len(combined), int)]
    moved = {choice.lever.column: [changes.get(choice.lever.column, choice.now) for changes, _ in combined]
             for choice in open_}
    X = features(Imagined.of(dataset, rows.assign(**moved)), as_of, [customer_id])
    p = model.level.moved(model.churn.probability(X), as_of)
    found = [Change(changes, steps, float(chance)) for (changes, steps), chance in zip(combined, p, strict=True)]
    enough = [change for change in found[1:] if change.probability < model.churn.threshold]
    alone = sorted((change for change in found if len(change.changes) == 1), key=lambda change: change.probability)
    smallest = min(enough, key=lambda change: (len(change.changes), change.steps, change.probability), default=None)
    return Search(found[0].probability, model.churn.threshold, tuple(alone), smallest, len(found) - 1)


def _combinations(open_: Sequence[Choice]) -> Iterator[tuple[dict[str, Any], int]]:
    """Every way to move the levers, nothing moved first, each with its steps in all."""
    ways = [[None, *((choice.lever.column, value, steps) for value, steps in choice.options.items())]
            for choice in open_]
    for way in itertools.product(*ways):
        moved = [move for move in way if move is not None]
        yield {column: value for column, value, _ in moved}, sum(steps for *_, steps in moved)


def order_today(model: Model, dataset: Dataset, as_of: datetime, customer_id: str) -> Scored | None:
    """What the model would say had the customer placed the last order once more just before as_of.

    The visit that led to the order is repeated with it. The chance is then the one of no further order within the
    label window. None where the dataset has no orders, or knows none of this customer.
    """
    if dataset.kind != "orders" or dataset.events is None:
        return None
    mine = rows_of(dataset.events, [customer_id])
    again = _once_more(mine[mine["at"] < as_of], as_of)
    if again.empty:
        return None
    with tempfile.TemporaryDirectory() as folder:
        imagined = Path(folder) / "events.parquet"
        pd.concat([_beginning(dataset.events, mine), mine, again]).to_parquet(imagined, index=False)
        return score(model, replace(dataset, events=imagined), as_of, [customer_id])


def _once_more(known: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """The customer's last order, and her visit in the hour before it, moved to the last second before as_of."""
    orders = known[known["kind"] == "order"]
    if orders.empty:
        return orders
    group = orders["group_id"].fillna(orders["event_id"])
    last = orders[group == group[orders["at"].idxmax()]]
    since, ended = last["at"].min() - VISIT, last["at"].max()
    visit = known[known["kind"].isin(VISIT_KINDS) & known["at"].between(since, ended)]
    lines = pd.concat([visit, last.assign(group_id=AGAIN)])
    return lines.assign(at=lines["at"] + (as_of - MOMENT - ended), event_id=AGAIN + "-" + lines["event_id"])


def _beginning(events: Path, like: pd.DataFrame) -> pd.DataFrame:
    """One event of nobody, so that a file of one customer begins when the whole does and knows the same kinds."""
    known = known_of(events)
    first = like.iloc[:1].assign(customer_id="", event_id="", group_id=None, at=known.begins,
                                 kind="session" if known.visits else "order")
    return first.astype(like.dtypes)
