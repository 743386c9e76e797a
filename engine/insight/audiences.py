"""Audiences: a filter kept by name, to be opened again on any screen that lists customers."""

from __future__ import annotations

import json
from datetime import datetime

from engine import saved, state
from engine.errors import EngineError
from engine.insight.source import Filters
from engine.permissions import allow
from engine.saved import Saved
from engine.schema import Actor, jsonable
from engine.schema.codec import loads


def keep_audience(dataset: str, name: str, filters: Filters, *, actor: Actor, now: datetime) -> Saved:
    """Keep the filter as an audience of the dataset, in place of one of that name, and record it.

    Raises:
        Refused: if the actor may not see customers.
        EngineError: when the name is empty or too long.
    """
    allow(actor, "customers")
    content = {"filters": jsonable(filters), "by_id": bool(filters.ids)}
    kept = saved.keep("audience", dataset, name, content, actor=actor, now=now)
    state.record(actor, "customers", dataset, now, {"audience": kept.name})
    return kept


def audiences(dataset: str, actor: Actor) -> list[str]:
    """The names of the dataset's audiences."""
    return [kept.name for kept in saved.kept("audience", dataset, actor=actor)]


def audience(dataset: str, name: str, actor: Actor) -> Filters:
    """The filter kept under the name.

    Raises:
        EngineError: when there is none, or when every customer of it has been erased since.
    """
    kept = {one.name: one.content for one in saved.kept("audience", dataset, actor=actor)}
    if name not in kept:
        raise EngineError(f"There is no audience {name!r}. Choose one of: {', '.join(kept) or 'none yet'}.")
    found: Filters = loads(Filters, json.dumps(kept[name]["filters"]))
    if kept[name]["by_id"] and not found.ids:
        raise EngineError(f"Every customer of the audience {name!r} has been erased. Remove it and make a new one.")
    return found


def forget_audience(dataset: str, name: str, *, actor: Actor, now: datetime) -> None:
    """Remove the audience of that name, and record it."""
    saved.forget("audience", dataset, name, actor=actor)
    state.record(actor, "customers", dataset, now, {"audience_removed": name})
