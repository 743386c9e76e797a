"""Signing in and out, and who is behind a session: a random token in a cookie, its SHA-256 in the state database.

Five failures of a name or twenty from an address within 15 minutes, and both are refused until the first of them is 15
minutes old; refused attempts do not count, so nobody can be kept out for longer. An unknown name, a disabled user, a
wrong password and too many attempts are told alike.

A clock that was set back ends the sessions it had begun later, and forgets the failures it had dated later: everybody
can sign in again at once, and no session outlives its 12 hours by more than the slack.
"""

from __future__ import annotations

import itertools
import secrets
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import state
from engine.errors import EngineError
from engine.schema import Actor
from engine.state import SESSIONS, SIGN_INS, USERS
from ui import accounts, passwords
from ui.accounts import SLACK, digest

LIFETIME = timedelta(hours=12)
WINDOW = timedelta(minutes=15)
FAILURES_OF_A_NAME = 5
FAILURES_OF_AN_ADDRESS = 20
KEPT = timedelta(days=1)  # how long an attempt is remembered
REFUSED = ("The name or the password is not right, or there were too many attempts. Check both; after several attempts "
           "wait 15 minutes.")


def sign_in(name: str, password: str, address: str, now: datetime) -> str:
    """Begin a session; returns its token, 256 random bits that are kept nowhere.

    Raises:
        EngineError: with the same words, after the same time, whichever of name and password is not right.
    """
    user = _checked(name.strip().lower(), password, address, now)
    token = secrets.token_urlsafe(32)
    session = {"token_sha256": digest(token), "user_name": user.name, "epoch": user.epoch, "at": now,
               "expires_at": now + LIFETIME}
    with state.writer() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.expires_at <= now))
        connection.execute(sa.insert(SESSIONS).values(session))
    state.record(Actor(user.name, user.role), "sign in", user.name, now)
    return token


def change_password(old: str, new: str, *, actor: Actor, address: str, now: datetime) -> None:
    """Replace one's own password; all one's sessions end. Wrong guesses of the old one count as failures to sign in."""
    passwords.check(new, actor.id)
    if old == new:
        raise EngineError("That is the password you have. Choose another one.")
    accounts.keep_own_password(_checked(actor.id, old, address, now).name, new, actor=actor, now=now)


def _checked(name: str, password: str, address: str, now: datetime) -> Any:
    """The user's row, if name and password are right and there were not too many failures."""
    attempt, user = _begin(name, address[:64], now)
    right = passwords.matches(password, user.password_hash if user else None)
    if not (attempt and user and right and not user.disabled):
        _tell_of_lock_out(user if attempt else None, now)
        raise EngineError(REFUSED)
    with state.writer() as connection:
        connection.execute(sa.update(SIGN_INS).where(SIGN_INS.c.id == attempt).values(succeeded=True))
    return user


def _begin(name: str, address: str, now: datetime) -> tuple[int | None, Any]:
    """The attempt's number, None when the name is locked; and the user, if there is one. Too many failures of an
    address end here already, for that says nothing of any name.

    The attempt counts as a failure until it has succeeded, so that many at once cannot all be the first. What was typed
    as the name of nobody may be a password, and is not kept.
    """
    with state.writer() as connection:
        state.alone(connection)
        connection.execute(sa.delete(SIGN_INS).where(SIGN_INS.c.at <= now - KEPT))
        if _attempts(connection, SIGN_INS.c.address == address, now).count(False) >= FAILURES_OF_AN_ADDRESS:
            raise EngineError(REFUSED)
        user = connection.execute(sa.select(USERS).where(USERS.c.name == name)).one_or_none()
        if user and _failures_in_a_row(connection, name, now) >= FAILURES_OF_A_NAME:
            return None, user
        row = {"at": now, "user_name": name if user else "", "address": address, "succeeded": False}
        return connection.scalar(sa.insert(SIGN_INS).values(row).returning(SIGN_INS.c.id)), user


def _attempts(connection: Connection, whose: sa.ColumnElement[bool], now: datetime) -> list[bool]:
    """Whether each attempt of the last 15 minutes succeeded, newest first."""
    at = SIGN_INS.c.at
    query = sa.select(SIGN_INS.c.succeeded).where(whose, at > now - WINDOW, at <= now + SLACK)
    return list(connection.scalars(query.order_by(SIGN_INS.c.id.desc())))


def _failures_in_a_row(connection: Connection, name: str, now: datetime) -> int:
    """How often the name has failed since it last succeeded."""
    attempts = _attempts(connection, SIGN_INS.c.user_name == name, now)
    return sum(1 for _ in itertools.takewhile(lambda succeeded: not succeeded, attempts))


def _tell_of_lock_out(user: Any, now: datetime) -> None:
    """The failure that locks a name goes into the audit log."""
    with state.reader() as connection:
        locked = user and _failures_in_a_row(connection, user.name, now) >= FAILURES_OF_A_NAME
    if locked:
        state.record(Actor(user.name, user.role), "lock out", user.name, now, {"minutes": WINDOW.total_seconds() // 60})


def user_of(token: str, now: datetime) -> Actor | None:
    """Who is behind the session; None when it never was, has ended, or its user has changed since."""
    if not token:
        return None
    query = (sa.select(USERS.c.name, USERS.c.role).join(SESSIONS, SESSIONS.c.user_name == USERS.c.name)
             .where(SESSIONS.c.token_sha256 == digest(token), SESSIONS.c.epoch == USERS.c.epoch, ~USERS.c.disabled,
                    SESSIONS.c.at <= now + SLACK, SESSIONS.c.expires_at > now))
    with state.reader() as connection:
        row = connection.execute(query).one_or_none()
    return Actor(row.name, row.role) if row else None


def sign_out(token: str, now: datetime) -> None:
    """End the session; nothing happens when it has ended."""
    actor = user_of(token, now)
    if actor is None:
        return
    with state.writer() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.token_sha256 == digest(token)))
    state.record(actor, "sign out", actor.id, now)
