"""The state database: what happened and what is under way. SQLite beside the data, or PostgreSQL by URL; the same SQL.

On SQLite a writer begins at once (BEGIN IMMEDIATE), one at a time per process, so that nobody reads what another is
about to change; readers never wait (write-ahead log). On PostgreSQL the database sees to that.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from engine.errors import EngineError
from engine.files import home, writing
from engine.pseudonyms import pseudonym, pseudonymous
from engine.schema import CONTACT, Actor, jsonable

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
HEAD = max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v[0-9]*.py"))
BUSY_SECONDS = 30
ONE_LOCK = 4_653_846  # any number, the same in every process

METADATA = sa.MetaData(naming_convention={
    "ix": "ix_%(column_0_label)s", "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
})
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

AUDIT_LOG = sa.Table(
    "audit_log", METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime(), nullable=False),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("verb", sa.String(80), nullable=False, index=True),
    sa.Column("about", sa.Text(), nullable=False),
    sa.Column("detail", sa.JSON(), nullable=False),
    sa.Index(None, "actor", "verb", "at"),
    sqlite_autoincrement=True,
)
JOBS = sa.Table(
    "jobs", METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("dataset", sa.String(64), nullable=False, index=True),
    sa.Column("args", sa.JSON(), nullable=False),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("pid", sa.Integer(), nullable=True),
    sa.Column("exit_code", sa.Integer(), nullable=True),
    sqlite_autoincrement=True,
)

USERS = sa.Table(
    "users", METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("password_hash", sa.Text(), nullable=False),
    sa.Column("epoch", sa.Integer(), nullable=False),
    sa.Column("disabled", sa.Boolean(), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
)
SESSIONS = sa.Table(
    "sessions", METADATA,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("user_name", sa.String(64), nullable=False, index=True),
    sa.Column("epoch", sa.Integer(), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
    sa.Column("expires_at", sa.DateTime(), nullable=False),
)
SIGN_INS = sa.Table(
    "sign_ins", METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime(), nullable=False, index=True),
    sa.Column("user_name", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("succeeded", sa.Boolean(), nullable=False),
    sqlite_autoincrement=True,
)
SETUP_LINKS = sa.Table(
    "setup_links", METADATA,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.DateTime(), nullable=False),
)
SAVED = sa.Table(
    "saved", METADATA,
    sa.Column("kind", sa.String(40), primary_key=True),
    sa.Column("dataset", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("content", sa.JSON(), nullable=False),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
)

_ONE_WRITER = threading.RLock()


@dataclass(frozen=True)
class AuditEntry:
    """One line of the audit log: who did what, about what, when (naive UTC)."""

    id: int
    at: datetime
    actor: Actor
    verb: str
    about: str
    detail: Mapping[str, Any]


def database_url() -> str:
    """Where the state lives: HOLDFAST_DATABASE_URL, or data/state.db in the home."""
    return os.environ.get("HOLDFAST_DATABASE_URL") or f"sqlite:///{home() / 'data' / 'state.db'}"


def connect(url: str | None = None) -> Engine:
    """The database behind the URL; one engine per URL and process."""
    return _engine(url or database_url())


@functools.cache
def _engine(url: str) -> Engine:
    address = _address(url)
    if address.get_backend_name() == "sqlite":
        return _sqlite(address)
    try:
        return sa.create_engine(address, pool_pre_ping=True, connect_args={"client_encoding": "utf8"})
    except ModuleNotFoundError as error:
        raise EngineError(f"The driver for {_public(address)} is missing. Install it with: "
                          "pip install 'psycopg[binary]'.") from error


def _address(url: str) -> sa.URL:
    """The URL with its driver: PostgreSQL is reached through psycopg, whichever way its URL is spelled."""
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise EngineError("HOLDFAST_DATABASE_URL is not a database URL. Write it like "
                          "postgresql://user:password@host/name or sqlite:////folder/state.db.") from error
    name = address.get_backend_name()
    if name not in ("sqlite", "postgres", "postgresql"):
        raise EngineError(f"HOLDFAST_DATABASE_URL names {name}. Holdfast keeps its state in sqlite or postgresql.")
    return address if name == "sqlite" else address.set(drivername="postgresql+psycopg")


def _public(address: sa.URL) -> str:
    return address.render_as_string(hide_password=True)


def _sqlite(address: sa.URL) -> Engine:
    path = Path(address.database or "").absolute()
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(address, connect_args={"timeout": BUSY_SECONDS})
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: DBAPIConnection, _record: object) -> None:
    """Leave transactions to `_begin`; a committed write survives a power cut (FULL), readers do not wait (WAL), and
    what is deleted is overwritten."""
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


@contextmanager
def writer(engine: Engine | None = None) -> Iterator[Connection]:
    """A transaction that may write: all of it is kept, or nothing when an error leaves it."""
    engine = engine or opened()
    with _alone(engine), _reachable(engine), engine.execution_options(writes=True).begin() as connection:
        yield connection


@contextmanager
def reader(engine: Engine | None = None) -> Iterator[Connection]:
    """A transaction that only reads, and sees one moment throughout."""
    engine = engine or opened()
    with _reachable(engine), engine.begin() as connection:
        yield connection


def _alone(engine: Engine) -> AbstractContextManager[Any]:
    return _ONE_WRITER if engine.dialect.name == "sqlite" else nullcontext()


def alone(connection: Connection) -> None:
    """Let no other process write until this transaction of `writer` ends: what it counts decides what it writes."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ONE_LOCK)))


@contextmanager
def _reachable(engine: Engine) -> Iterator[None]:
    """Turn a database that is full, locked, read-only, damaged or not there into advice; wrong SQL stays a bug."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        if not _is_outside(error):
            raise
        raise EngineError(f"The state database {_public(engine.url)} did not do its work ({error.orig}). Check that it "
                          "is running, writable and has space, or set HOLDFAST_DATABASE_URL.") from error


def _is_outside(error: sa.exc.DatabaseError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorname", "SQLITE_ERROR").split("_")[1] in {
            "BUSY", "CANTOPEN", "CORRUPT", "FULL", "IOERR", "LOCKED", "NOTADB", "PERM", "READONLY"}
    return isinstance(error, sa.exc.OperationalError)


def opened() -> Engine:
    """The state database of this home, with its tables at the newest version."""
    return _opened(database_url())


@functools.cache
def _opened(url: str) -> Engine:
    engine = connect(url)
    migrate(engine)
    return engine


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the tables to a version: "head", "base" or one by number. Nothing happens when they are there already."""
    version = revision(engine)
    if version is not None and version > HEAD:
        raise EngineError(f"The state database {_public(engine.url)} was written by a newer Holdfast (version "
                          f"{version}; this one knows {HEAD}). Update Holdfast.")
    if version == (HEAD if to == "head" else to):
        return
    from alembic import command

    with writer(engine) as connection:
        alone(connection)
        move = command.downgrade if to < (version or "") or to == "base" else command.upgrade
        move(alembic_config(connection), to)


def revision(engine: Engine) -> str | None:
    """The version of the tables, None while there are none."""
    with reader(engine) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


def alembic_config(connection: Connection) -> Any:
    """Alembic's configuration for one connection, without any file: the migrations lie beside this module."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def record(actor: Actor, verb: str, about: str, now: datetime, detail: Mapping[str, Any] | None = None,
           within: Connection | None = None) -> AuditEntry:
    """Add a line to the audit log. `about` names the dataset, model or job; never a customer.

    A `customer_id` or `customer_ids` in the detail is kept as a keyed hash, since nothing is ever taken out of the log.
    within: a transaction of `writer` that the line shares its fate with; a transaction of its own when left out.
    """
    plain = jsonable(detail or {})
    _no_contact(plain)
    plain = pseudonymous(plain)
    row = {"at": now, "actor": actor.id, "role": actor.role, "verb": verb, "about": about, "detail": plain}
    with nullcontext(within) if within is not None else writer() as connection:
        number = connection.scalar(sa.insert(AUDIT_LOG).values(row).returning(AUDIT_LOG.c.id))
    assert number is not None, "An insert that returns its id always has one."
    return AuditEntry(number, now, actor, verb, about, plain)


def _no_contact(detail: Any) -> None:
    """The log outlives a customer's erasure, so a name, an address or a number has no place in it."""
    if isinstance(detail, dict):
        named = set(detail) & {column.name for column in CONTACT}
        assert not named, f"The audit log must not hold {', '.join(sorted(named))}: leave them out of `detail`."
    for item in detail.values() if isinstance(detail, dict) else detail if isinstance(detail, list) else ():
        _no_contact(item)


def audit_log(limit: int = 100, verb: str | None = None, customer_id: str | None = None, *, who: str | None = None,
              about: str | None = None, since: datetime | None = None) -> list[AuditEntry]:
    """The newest lines of the audit log, newest first; of one verb, customer, actor or subject, or since a moment."""
    log = AUDIT_LOG.c
    customer = None if customer_id is None else pseudonym(customer_id)
    given = {log.verb: verb, log.actor: who, log.about: about, log.detail["customer"].as_string(): customer}
    asked = [column == value for column, value in given.items() if value is not None]
    query = sa.select(AUDIT_LOG).where(*asked, *([log.at >= since] if since else []))
    with reader() as connection:
        rows = connection.execute(query.order_by(log.id.desc()).limit(limit)).all()
    return [AuditEntry(row.id, row.at, Actor(row.actor, row.role), row.verb, row.about, row.detail) for row in rows]


def scrub() -> bool:
    """Shed from the database's own files what was deleted from its tables; False when readers at work prevented it."""
    engine = opened()
    if engine.dialect.name == "sqlite":
        with _alone(engine), _reachable(engine), closing(engine.raw_connection()) as raw:
            cursor = raw.cursor()
            return bool(cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
    with _reachable(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in METADATA.sorted_tables:
            connection.exec_driver_sql(f"VACUUM {table.name}")
    return True
