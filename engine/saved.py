"""What people keep by name: scenarios, audiences, answers, hints, a language model's words; and by number: playbooks.

Rows of one table, (kind, dataset, name) -> plain values. Saving under a name that is taken replaces what was there;
what is added by number stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine import state
from engine.errors import EngineError
from engine.permissions import allow
from engine.schema import Actor, jsonable
from engine.state import SAVED

KINDS: Mapping[str, tuple[str, str]] = {  # kind -> the verbs that reading and keeping it need
    "scenario": ("overview", "overview"), "audience": ("customers", "customers"), "answer": ("overview", "answer"),
    "hint": ("overview", "overview"), "rules": ("campaigns", "rules"),
    "words": ("write", "write"), "playbook": ("overview", "playbook"),
    "promotion": ("models", "promote"), "comparison": ("models", "train"),
}
LONGEST_NAME = 120


@dataclass(frozen=True)
class Saved:
    """Something kept: its name, its content, who kept it and when (naive UTC)."""

    name: str
    content: Mapping[str, Any]
    actor: str
    at: datetime


def keep(kind: str, dataset: str, name: str, content: Mapping[str, Any], *, actor: Actor, now: datetime) -> Saved:
    """Keep the content under the name.

    Raises:
        EngineError: when the name is empty or longer than 120 characters.
    """
    allow(actor, KINDS[kind][1])
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise EngineError(f"Give the {kind} a name of 1 to {LONGEST_NAME} characters.")
    row = {"kind": kind, "dataset": dataset, "name": name, "content": jsonable(content), "actor": actor.id, "at": now}
    with state.writer() as connection:
        connection.execute(sa.delete(SAVED).where(_is(kind, dataset) & (SAVED.c.name == name)))
        connection.execute(sa.insert(SAVED).values(row))
    return Saved(name, row["content"], actor.id, now)


def add(kind: str, dataset: str, content: Mapping[str, Any], *, after: int, actor: Actor, now: datetime) -> Saved:
    """Keep the content as the version after that number; versions are named "000001", "000002", ... and stay.

    Raises:
        EngineError: when there is a newer one than `after` already.
    """
    allow(actor, KINDS[kind][1])
    row = {"kind": kind, "dataset": dataset, "name": _number(after + 1), "content": jsonable(content),
           "actor": actor.id, "at": now}
    with state.writer() as connection:
        state.alone(connection)
        newest = connection.scalar(sa.select(sa.func.max(SAVED.c.name)).where(_is(kind, dataset))) or _number(0)
        if newest != _number(after):
            raise EngineError(f"Somebody has kept version {int(newest)} of the {kind} meanwhile. Look at it, then keep "
                              "your change on top of it.")
        connection.execute(sa.insert(SAVED).values(row))
    return Saved(str(row["name"]), row["content"], actor.id, now)


def newest(kind: str, dataset: str, number: int | None = None) -> tuple[int, Saved | None]:
    """The newest version that was added, or the one of that number, and its number; (0, None) while there is none."""
    query = sa.select(SAVED).where(_is(kind, dataset)).order_by(SAVED.c.name.desc()).limit(1)
    with state.reader() as connection:
        row = connection.execute(query if number is None else query.where(SAVED.c.name == _number(number))).first()
    return (int(row.name), Saved(row.name, row.content, row.actor, row.at)) if row else (0, None)


def _number(number: int) -> str:
    """The name of a version: names in order of their numbers."""
    return f"{number:06d}"


def kept(kind: str, dataset: str, *, actor: Actor) -> list[Saved]:
    """All that is kept of that kind, by name."""
    allow(actor, KINDS[kind][0])
    query = sa.select(SAVED).where(_is(kind, dataset)).order_by(SAVED.c.name)
    with state.reader() as connection:
        return [Saved(row.name, row.content, row.actor, row.at) for row in connection.execute(query)]


def forget(kind: str, dataset: str, name: str, *, actor: Actor) -> None:
    """Remove what is kept under the name; nothing happens when nothing is."""
    allow(actor, KINDS[kind][1])
    with state.writer() as connection:
        connection.execute(sa.delete(SAVED).where(_is(kind, dataset) & (SAVED.c.name == name)))


def forget_dataset(dataset: str) -> int:
    """Remove all that is kept about a dataset; returns how much. For the verb `erase`, which has asked who may."""
    with state.writer() as connection:
        return connection.execute(sa.delete(SAVED).where(SAVED.c.dataset == dataset)).rowcount


def forget_customer(dataset: str, customer_id: str) -> int:
    """Take a customer's id out of all that is kept about a dataset; returns from how much. For the verb `erase`."""
    with state.writer() as connection:
        rows = connection.execute(sa.select(SAVED).where(SAVED.c.dataset == dataset)).all()
        held = [row for row in rows if _without(row.content, customer_id) != row.content]
        for row in held:
            connection.execute(sa.update(SAVED).where(_is(row.kind, dataset) & (SAVED.c.name == row.name))
                               .values(content=_without(row.content, customer_id)))
    return len(held)


def _without(content: Any, customer_id: str) -> Any:
    """The plain content without any entry or item that is the id.

    >>> _without({"ids": ["7", "8"], "7": 1, "who": "7", "months": 7}, "7")
    {'ids': ['8'], 'months': 7}
    """
    if isinstance(content, dict):
        return {name: _without(item, customer_id) for name, item in content.items() if customer_id not in (name, item)}
    if isinstance(content, list):
        return [_without(item, customer_id) for item in content if item != customer_id]
    return content


def _is(kind: str, dataset: str) -> sa.ColumnElement[bool]:
    return (SAVED.c.kind == kind) & (SAVED.c.dataset == dataset)
