"""How much is taken: settings with their defaults. How often somebody may do something, counted in the audit log: a
restart or a second process forgets nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from engine import state
from engine.errors import EngineError
from engine.schema import Actor
from engine.state import AUDIT_LOG

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Setting:
    """A limit that the environment may move: what it is counted in, its default, what it keeps small."""

    unit: str
    default: int
    meaning: str


SETTINGS: Mapping[str, Setting] = {
    "HOLDFAST_UPLOAD_MB": Setting("megabytes", 200, "what a person may bring on a screen at once"),
    "HOLDFAST_SOURCE_MB": Setting("megabytes", 20_480, "what archives and databases may put aside for one reading"),
    "HOLDFAST_SOURCE_FILES": Setting("files", 200, "files of a folder, members of an archive, tables of a database"),
    "HOLDFAST_WHOLE_MB": Setting("megabytes", 500, "a file read as a whole, which takes some ten times that of memory"),
    "HOLDFAST_SHEET_CELLS": Setting("cells", 60_000_000, "how far a workbook's sheet may spread, empty cells included"),
    "HOLDFAST_SOURCE_RATIO": Setting("times", 200, "how often its packed size a member of more than 100 MB may grow"),
}


def setting(name: str) -> int:
    """The limit of that name: as the environment says, or its default.

    Raises:
        EngineError: when the environment holds something else than a whole number from 1 on.
    """
    limit = SETTINGS[name]
    told = os.environ.get(name, str(limit.default))
    if not (told.isascii() and told.isdigit()) or int(told) < 1:
        raise EngineError(f"{name} is {told[:40]!r}. Give a whole number of {limit.unit}.")
    return int(told)


def within(actor: Actor, verb: str, most: int, seconds: float, now: datetime) -> None:
    """Let the actor do it once more, or raise EngineError: at most `most` times in so many seconds.

    What the log dates after `now` was written by a clock that has been set back since, and does not count.
    """
    log, since = AUDIT_LOG.c, now - timedelta(seconds=seconds)
    query = sa.select(log.at).where(log.actor == actor.id, log.verb == verb, log.at > since, log.at <= now)
    with state.reader() as connection:
        times = connection.scalars(query.order_by(log.at.desc()).limit(most)).all()
    if len(times) == most:
        wait = times[-1] - since
        raise EngineError(f"{actor.id} may {verb} at most {most} times in {_words(timedelta(seconds=seconds))}. "
                          f"Wait {_words(wait)}, then try again.")


def take(actor: Actor, verb: str, about: str, most: int, seconds: float, now: datetime,
         detail: Mapping[str, Any]) -> None:
    """Record that the actor does it once more, or raise EngineError: at most `most` times in so many seconds by all
    actors and processes together. Counted and recorded in one transaction, so that no two take the last time; what
    other clocks, somewhat ahead, have dated after `now` counts too."""
    log, span = AUDIT_LOG.c, timedelta(seconds=seconds)
    row = {"at": now, "actor": actor.id, "role": actor.role, "verb": verb, "about": about, "detail": dict(detail)}
    with state.writer() as connection:
        state.alone(connection)
        about_now = (log.at > now - span) & (log.at <= now + span)
        done = connection.scalar(sa.select(sa.func.count()).where(log.verb == verb, about_now))
        if (done or 0) >= most:
            raise EngineError(f"All may {verb} at most {most} times in {_words(span)} together. Try again later.")
        connection.execute(sa.insert(AUDIT_LOG).values(row))


def _words(time: timedelta) -> str:
    """A time as one says it, rounded up.

    >>> _words(timedelta(hours=1)), _words(timedelta(seconds=61)), _words(timedelta(seconds=60))
    ('1 hour', '2 minutes', '1 minute')
    """
    hours, rest = divmod(time, timedelta(hours=1))
    minutes = -(-time // timedelta(minutes=1))
    number, unit = (hours, "hour") if hours and not rest else (minutes, "minute")
    return f"{number} {unit}{'s' if number != 1 else ''}"
