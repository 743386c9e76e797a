"""How often somebody may do something, counted in the audit log: a restart or a second process forgets nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from engine import state
from engine.errors import EngineError
from engine.schema import Actor
from engine.state import AUDIT_LOG


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


def _words(time: timedelta) -> str:
    """A time as one says it, rounded up.

    >>> _words(timedelta(hours=1)), _words(timedelta(seconds=61)), _words(timedelta(seconds=60))
    ('1 hour', '2 minutes', '1 minute')
    """
    hours, rest = divmod(time, timedelta(hours=1))
    minutes = -(-time // timedelta(minutes=1))
    number, unit = (hours, "hour") if hours and not rest else (minutes, "minute")
    return f"{number} {unit}{'s' if number != 1 else ''}"
