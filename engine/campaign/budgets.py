"""Budgets: what a dataset's campaigns may spend. Counted in hundredths, so that no sum is ever off by a fraction.

`reserve` adds only where the sum stays within the total, in one statement and in the transaction that writes the rows:
whoever comes second sees what the first has taken. (Reading first and writing afterwards overspends on PostgreSQL and
loses updates on SQLite.) The table's CHECK is a second lock on the same door.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import state
from engine.campaign.tables import BUDGETS
from engine.errors import EngineError, Infeasible
from engine.permissions import allow
from engine.schema import Actor

CENTS = 100
MOST = 1e13  # beyond it hundredths are no whole numbers of a float any more


@dataclass(frozen=True)
class Budget:
    """What may be spent and what is spoken for [currency]."""

    name: str
    total: float
    reserved: float

    @property
    def left(self) -> float:
        """What is not spoken for [currency]."""
        return (cents(self.total) - cents(self.reserved)) / CENTS


def cents(money: float) -> int:
    """The money in hundredths, rounded up: what is reserved covers what is spent.

    >>> cents(10.0), cents(0.1 + 0.2), cents(0.301)
    (1000, 30, 31)
    """
    return math.ceil(round(money * CENTS, 4))


def total_cents(money: float) -> int:
    """A budget in hundredths, rounded down: nobody spends a part of a cent that is not there.

    >>> total_cents(10.0), total_cents(0.1 + 0.2), total_cents(10.009)
    (1000, 30, 1000)
    """
    return math.floor(round(money * CENTS, 4))


def set_budget(dataset: str, name: str, total: float, *, actor: Actor, now: datetime) -> Budget:
    """Make a budget, or change its total; returns it.

    Raises:
        EngineError: when the total makes no sense, or less than is reserved already.
    """
    allow(actor, "budget")
    name = name.strip()
    if not name or not 0 <= total <= MOST:
        raise EngineError(f"A budget needs a name and a total within 0..{MOST:.0e}; got {name!r} and {total!r}.")
    new = {"dataset": dataset, "name": name, "total_cents": total_cents(total), "reserved_cents": 0}
    with state.writer() as connection:
        state.alone(connection)
        changed = sa.update(BUDGETS).where(_is(dataset, name) & (BUDGETS.c.reserved_cents <= new["total_cents"]))
        if connection.execute(changed.values(total_cents=new["total_cents"])).rowcount == 0:
            _refuse_smaller(connection, dataset, name, total)
            connection.execute(sa.insert(BUDGETS).values(new))
        state.record(actor, "budget", dataset, now, {"budget": name, "total": total}, within=connection)
        return budget(connection, dataset, name)


def _refuse_smaller(connection: Connection, dataset: str, name: str, total: float) -> None:
    reserved = connection.scalar(sa.select(BUDGETS.c.reserved_cents).where(_is(dataset, name)))
    if reserved is not None:
        raise EngineError(f"{reserved / CENTS:,.2f} of the budget {name} are spoken for, so it cannot be {total:,.2f}. "
                          "Give at least as much.")


def budgets(dataset: str, *, actor: Actor) -> list[Budget]:
    """The dataset's budgets by name."""
    allow(actor, "campaigns")
    query = sa.select(BUDGETS).where(BUDGETS.c.dataset == dataset).order_by(BUDGETS.c.name)
    with state.reader() as connection:
        return [_budget(row) for row in connection.execute(query)]


def budget(connection: Connection, dataset: str, name: str) -> Budget:
    """The budget of that name; EngineError when there is none."""
    row = connection.execute(sa.select(BUDGETS).where(_is(dataset, name))).first()
    if row is None:
        raise EngineError(f"{dataset} has no budget {name!r}. A manager makes one: python -m engine campaign budget "
                          f"--dataset {dataset} --name {name} --total 50000.")
    return _budget(row)


def reserve(connection: Connection, dataset: str, name: str, spend_cents: int) -> None:
    """Speak for part of the budget within the caller's transaction.

    Raises:
        Infeasible: when it is not enough; the caller's transaction must then fail too.
    """
    enough = BUDGETS.c.reserved_cents + spend_cents <= BUDGETS.c.total_cents
    taken = sa.update(BUDGETS).where(_is(dataset, name) & enough)
    done = connection.execute(taken.values(reserved_cents=BUDGETS.c.reserved_cents + spend_cents))
    if done.rowcount != 1:
        found = budget(connection, dataset, name)
        raise Infeasible(f"The campaign needs {spend_cents / CENTS:,.2f}, and the budget {name} has {found.left:,.2f} "
                         f"left of {found.total:,.2f}. Plan for less, or let a manager raise the budget.")


def _is(dataset: str, name: str) -> sa.ColumnElement[bool]:
    return (BUDGETS.c.dataset == dataset) & (BUDGETS.c.name == name)


def _budget(row: sa.Row) -> Budget:
    return Budget(row.name, row.total_cents / CENTS, row.reserved_cents / CENTS)
