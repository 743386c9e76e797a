"""Who may come in: people, their roles, and the one link that makes the first of them.

Names are 1 to 64 of a-z, 0-9, ".", "_" and "-". Whatever changes what a person may do ends their sessions at once:
their `epoch` goes up, and a session of an older epoch is none (see ui/sessions.py).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import state
from engine.errors import EngineError, choose
from engine.permissions import ROLES, allow
from engine.schema import Actor
from engine.state import AUDIT_LOG, SESSIONS, SETUP_LINKS, USERS
from ui import passwords

NAME = re.compile(r"[a-z0-9._-]{1,64}")
SETUP_TIME = timedelta(minutes=15)
SLACK = timedelta(minutes=5)  # how far clocks may disagree: what is dated later than this was not written by this clock
NO_LINK = ("This set-up link has been used, or its 15 minutes are over. Start Holdfast again for another one, or run: "
           "python -m ui users add NAME --role admin.")


@dataclass(frozen=True)
class User:
    """One person: since when (naive UTC), and when they last signed in, if they have."""

    name: str
    role: str
    disabled: bool
    since: datetime
    last_sign_in: datetime | None


def digest(token: str) -> str:
    """What is kept of a token: its SHA-256; the token itself is kept nowhere."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def users(actor: Actor) -> list[User]:
    """Everybody, by name."""
    allow(actor, "users")
    log = AUDIT_LOG.c
    last = sa.select(sa.func.max(log.at)).where(log.actor == USERS.c.name, log.verb == "sign in").scalar_subquery()
    query = sa.select(USERS.c.name, USERS.c.role, USERS.c.disabled, USERS.c.at, last).order_by(USERS.c.name)
    with state.reader() as connection:
        return [User(*row) for row in connection.execute(query)]


def are_there_any() -> bool:
    """Whether anybody can sign in at all."""
    with state.reader() as connection:
        return _count(connection) > 0


def add_user(name: str, role: str, password: str, *, actor: Actor, now: datetime) -> None:
    """Let somebody in from now on.

    Raises:
        EngineError: when the name is taken or none, the role is none, or the password is too weak.
    """
    allow(actor, "users")
    choose("role", role, dict.fromkeys(ROLES))
    row = _row(name, role, password, now)
    with state.writer() as connection:
        state.alone(connection)
        if _find(connection, name):
            raise EngineError(f"There is a user {name} already. Choose another name, or reset their password.")
        connection.execute(sa.insert(USERS).values(row))
    state.record(actor, "add user", name, now, {"role": role})


def _row(name: str, role: str, password: str, now: datetime) -> dict[str, Any]:
    if not NAME.fullmatch(name):
        raise EngineError("A user name takes 1 to 64 of a-z, 0-9, dot, - and _.")
    passwords.check(password, name)
    return {"name": name, "role": role, "password_hash": passwords.hashed(password), "epoch": 0, "disabled": False,
            "at": now}


def set_role(name: str, role: str, *, actor: Actor, now: datetime) -> None:
    """Give somebody another role; their sessions end."""
    choose("role", role, dict.fromkeys(ROLES))
    _change(name, "change role", actor, now, {"role": role}, {"role": role})


def disable(name: str, *, actor: Actor, now: datetime) -> None:
    """Let somebody in no more; their sessions end."""
    _change(name, "disable user", actor, now, {"disabled": True})


def enable(name: str, *, actor: Actor, now: datetime) -> None:
    """Let somebody in again."""
    _change(name, "enable user", actor, now, {"disabled": False})


def set_password(name: str, password: str, *, actor: Actor, now: datetime) -> None:
    """Give somebody another password; their sessions end."""
    allow(actor, "users")
    passwords.check(password, name)
    _change(name, "reset password", actor, now, {"password_hash": passwords.hashed(password)})


def keep_own_password(name: str, password: str, *, actor: Actor, now: datetime) -> None:
    """Replace one's own password, which somebody has checked before; all one's sessions end."""
    assert actor.id == name, "Only one's own: see set_password for others."
    passwords.check(password, name)
    with state.writer() as connection:
        _update(connection, name, {"password_hash": passwords.hashed(password)})
    state.record(actor, "change password", name, now)


def _change(name: str, verb: str, actor: Actor, now: datetime, values: dict[str, Any],
            detail: dict[str, Any] | None = None) -> None:
    allow(actor, "users")
    with state.writer() as connection:
        state.alone(connection)
        if not _find(connection, name):
            raise EngineError(f"There is no user {name!r}. List them with: python -m ui users list.")
        _update(connection, name, values)
        if not _count(connection, (USERS.c.role == "admin") & ~USERS.c.disabled):
            raise EngineError(f"{name} is the last admin who can sign in. Make somebody else an admin first.")
    state.record(actor, verb, name, now, detail)


def _update(connection: Connection, name: str, values: dict[str, Any]) -> None:
    """Change the person, and end every session that knew them otherwise."""
    connection.execute(sa.update(USERS).where(USERS.c.name == name).values(epoch=USERS.c.epoch + 1, **values))
    connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.user_name == name))


def _find(connection: Connection, name: str) -> Any:
    return connection.execute(sa.select(USERS).where(USERS.c.name == name)).one_or_none()


def _count(connection: Connection, which: sa.ColumnElement[bool] | None = None) -> int:
    query = sa.select(sa.func.count()).select_from(USERS)
    return connection.scalar(query if which is None else query.where(which)) or 0


def new_setup_link(now: datetime) -> str | None:
    """A token that makes the first admin once within 15 minutes, in place of any before; None once there are users."""
    token = secrets.token_urlsafe(32)
    with state.writer() as connection:
        state.alone(connection)
        connection.execute(sa.delete(SETUP_LINKS))
        if _count(connection):
            return None
        connection.execute(sa.insert(SETUP_LINKS).values(token_sha256=digest(token), expires_at=now + SETUP_TIME))
    return token


def is_open(setup_token: str, now: datetime) -> bool:
    """Whether the set-up link can still be used."""
    with state.reader() as connection:
        return not _count(connection) and _is_valid(connection, setup_token, now)


def _is_valid(connection: Connection, setup_token: str, now: datetime) -> bool:
    query = sa.select(SETUP_LINKS.c.expires_at).where(SETUP_LINKS.c.token_sha256 == digest(setup_token))
    expires = connection.scalar(query)
    return expires is not None and now < expires <= now + SETUP_TIME + SLACK


def set_up(setup_token: str, name: str, password: str, now: datetime) -> None:
    """Make the first admin, and the link void, in one step.

    Raises:
        EngineError: when the link is void, the name is none, or the password is too weak.
    """
    if not is_open(setup_token, now):
        raise EngineError(NO_LINK)
    row = _row(name, "admin", password, now)
    with state.writer() as connection:
        state.alone(connection)
        if _count(connection) or not _is_valid(connection, setup_token, now):
            raise EngineError(NO_LINK)
        connection.execute(sa.delete(SETUP_LINKS))
        connection.execute(sa.insert(USERS).values(row))
    state.record(Actor(name, "admin"), "add user", name, now, {"role": "admin", "by": "set-up link"})
