"""Databases in: tables and queries become Parquet files, a batch of rows at a time, without any right to change them.

    DuckDB file      opened for reading only, with no way out of the file (no other files, no extensions, no network)
    SQLite file      opened for reading only; every statement but a SELECT is refused
    postgresql://    one transaction, READ ONLY and REPEATABLE READ, through a cursor that stays on the server

A password is in no message, record or log: see `public`.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.data.archives import Allowance
from engine.data.workbooks import as_text
from engine.errors import EngineError
from engine.files import safe_name, writing

if TYPE_CHECKING:
    import sqlalchemy as sa

MAGIC: Mapping[str, tuple[int, bytes]] = {"duckdb": (8, b"DUCK"), "sqlite": (0, b"SQLite format 3\0")}
FILES = (".duckdb", ".ddb", ".sqlite", ".sqlite3", ".db", ".db3")
PASSWORD = "HOLDFAST_SOURCE_PASSWORD"
HIDDEN = "***"
ROWS = 50_000
SECONDS = 10
DUCKDB_LIMITS = {"enable_external_access": "false", "autoinstall_known_extensions": "false",
                 "autoload_known_extensions": "false", "memory_limit": "1GB", "threads": "1",
                 "preserve_insertion_order": "true"}

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Door:
    """An open database: its tables (schema and name; the schema "" where it has only one), and a query's rows."""

    tables: Callable[[], list[tuple[str, str]]]
    stream: Callable[[str], tuple[pa.Schema, Batches]]


def kind_of_file(path: Path) -> str:
    """"duckdb" or "sqlite" by the file's first bytes; "" when it is neither."""
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except OSError:  # whoever reads it says why
        return ""
    return next((kind for kind, (at, mark) in MAGIC.items() if start[at:at + len(mark)] == mark), "")


def fetch(where: str, kind: str, table: str, queries: Sequence[str], into: Path, allowance: Allowance
          ) -> dict[Path, tuple[str, int]]:
    """Tables or queries of a database as Parquet files in `into`; by file, what it holds and its rows.

    Args:
        where: a file's path, or a URL.
        table: one table, as name or schema.name; "" for the queries, or for every table of a file.
        queries: SELECT statements; each becomes a file of its own.

    Raises:
        EngineError: when the database cannot be reached or read, goes away, or holds more than is allowed.
    """
    called = public(where)
    found: dict[Path, tuple[str, int]] = {}
    with _told(where, called), OPEN[kind](where) as door:
        wanted = _wanted(door, kind, called, table, queries)
        allowance.take_files(len(wanted), called)
        for name, (words, sql) in wanted.items():
            path = into / safe_name(f"{name}.parquet")
            path = path if not path.exists() else into / f"{len(found) + 1}-{path.name}"
            found[path] = (f"{words} of {called}", _keep(door, sql, path, called, allowance))
    return found


def _wanted(door: Door, kind: str, called: str, table: str, queries: Sequence[str]) -> dict[str, tuple[str, str]]:
    """By the name of the file to be, what it holds in words and as SQL."""
    if queries:
        names = ["query", *(f"query-{number}" for number in range(2, len(queries) + 1))]
        return {name: ("a query", _statement(sql)) for name, sql in zip(names, queries, strict=True)}
    every = {".".join(filter(None, parts)): parts for parts in door.tables()}
    known = ", ".join(list(every)[:30]) or "none"
    chosen = [name for name in every if name == table] or [name for name, (_, bare) in every.items() if bare == table]
    if table and not chosen:
        raise EngineError(f"{called} has no table {table!r}. Its tables: {known}.")
    if not table and kind == "postgresql":
        raise EngineError(f"Say what to read of {called}: add ::TABLE to the URL, or a --query. Its tables: {known}.")
    if not every:
        raise EngineError(f"{called} has no table. Give a --query for its views, or another file.")
    return {name: (f"table {name}", "SELECT * FROM " + ".".join(map(_quoted, filter(None, every[name]))))
            for name in (chosen[:1] if table else every)}


def _statement(sql: str) -> str:
    plain = sql.strip().rstrip(";").strip()
    if not re.match(r"(?:select|with|values|table|from)\b|\(", plain, re.IGNORECASE):
        raise EngineError("A --query reads and changes nothing: write it as SELECT ... or WITH ... SELECT ....")
    return plain


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _keep(door: Door, sql: str, path: Path, called: str, allowance: Allowance) -> int:
    """Write the query's rows, and count them against what is allowed; returns how many."""
    rows, size = 0, 0
    schema, batches = door.stream(sql)
    with writing(path), pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += len(batch)
            grown, size = path.stat().st_size - size, path.stat().st_size
            allowance.take(grown, called)
    return rows


# ------------------------------------------------------------------------------------------------ words, secrets

def public(where: str) -> str:
    """The place as it may be shown and kept: a file's name, or a URL without its password and what follows the name.

    >>> public("postgresql://ada:se%20cret@db.example/shop?sslpassword=x")
    'postgresql://ada@db.example/shop'
    """
    if not is_url(where):
        return Path(where).name
    address = address_of(where)
    return sa_url("postgresql", address.username, address.host, address.port, address.database, {}).render_as_string()


def is_url(text: str) -> bool:
    """Whether a source is a database's URL.

    >>> is_url("postgresql://host/db"), is_url("C:/orders.csv")
    (True, False)
    """
    return re.match(r"[A-Za-z][\w+.-]+://", text) is not None


def address_of(url: str) -> sa.URL:
    """The URL in its parts. Errors never repeat it, for it may hold a password."""
    import sqlalchemy as sa

    advice = "Write it like postgresql://user@host:5432/name, with @ : / in a password as %40 %3A %2F"
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise EngineError(f"The source is not a database URL. {advice}.") from None
    if any("@" in str(part or "") for part in (address.host, address.database, address.username)):
        raise EngineError(f"The source's URL has more than one @. {advice}.")
    if address.get_backend_name() not in ("postgres", "postgresql"):
        raise EngineError(f"{address.get_backend_name()} URLs are not read. Read are postgresql:// URLs, and DuckDB "
                          "and SQLite files by their path; export tables of other databases as CSV or Parquet.")
    return address.set(drivername="postgresql+psycopg")


def without_password(url: str) -> tuple[str, str]:
    """The URL without its password, and the password; "" when it has none.

    >>> without_password("postgresql://ada:s3cret@db/shop")
    ('postgresql://ada@db/shop', 's3cret')
    """
    address = address_of(url)
    told = address.query.get("password", "")
    secret = str(address.password or "") or (told if isinstance(told, str) else told[-1])
    bare = sa_url(address.drivername.partition("+")[0], address.username, address.host, address.port, address.database,
                  {name: value for name, value in address.query.items() if name != "password"})
    return bare.render_as_string(hide_password=False), secret


def sa_url(driver: str, user: str | None, host: str | None, port: int | None, name: str | None,
           query: Mapping[str, Any]) -> sa.URL:
    """A URL from its parts, without a password."""
    import sqlalchemy as sa

    return sa.URL.create(driver, username=user, host=host, port=port, database=name, query=query)


@contextmanager
def _told(where: str, called: str) -> Iterator[None]:
    """Turn what a database says into one sentence without secrets; where it went away, also that nothing was kept."""
    import duckdb
    import sqlalchemy as sa

    try:
        yield
    except (sa.exc.SQLAlchemyError, duckdb.Error, sqlite3.Error, sqlite3.Warning, pa.ArrowException, UnicodeError,
            OverflowError) as problem:
        if isinstance(problem, duckdb.IOException) and "No space left" in str(problem):
            raise
        words = str(getattr(problem, "orig", None) or problem).strip()
        reason = next(iter(words.splitlines()), "") or type(problem).__name__
        for secret in _secrets(where):
            reason = reason.replace(secret, HIDDEN)
        raise EngineError(f"{called} was not read: {reason[:200].rstrip('. ')}. Nothing was kept; check that it "
                          "answers and what is asked of it, then try again.") from None


def _secrets(where: str) -> list[str]:
    if not is_url(where):
        return []
    _, own = without_password(where)
    return [secret for secret in (own, os.environ.get(PASSWORD, "")) if secret]


# -------------------------------------------------------------------------------------------------------- files

@contextmanager
def _duckdb(where: str) -> Iterator[Door]:
    import duckdb

    with duckdb.connect(where, read_only=True, config=dict(DUCKDB_LIMITS)) as connection:
        def tables() -> list[tuple[str, str]]:
            found = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND "
                                       "database_name = current_database() ORDER BY ALL").fetchall()
            return [("" if schema == "main" else schema, name) for schema, name in found]

        def stream(sql: str) -> tuple[pa.Schema, Batches]:
            reader: Any = connection.sql(_castable(connection, sql)).to_arrow_reader(ROWS)
            return reader.schema, iter(reader)

        yield Door(tables, stream)


PLAIN = re.compile(r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DECIMAL.*|FLOAT|DOUBLE|VARCHAR|BOOLEAN|DATE|"
                   r"TIMESTAMP.*)$")


def _castable(connection: Any, sql: str) -> str:
    """The query with columns that are neither number, text, flag nor moment as text."""
    found = connection.execute(f"DESCRIBE {sql}").fetchall()
    odd = [name for name, kind, *_ in found if not PLAIN.match(kind)]
    if not odd or len({name.lower() for name, *_ in found}) < len(found):
        return sql
    casts = ", ".join(f"CAST({_quoted(name)} AS VARCHAR) AS {_quoted(name)}" for name in odd)
    return f"SELECT * REPLACE ({casts}) FROM ({sql}\n)"


@contextmanager
def _sqlite(where: str) -> Iterator[Door]:
    path = Path(where).resolve()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        connection.set_authorizer(_only_reads)

        def tables() -> list[tuple[str, str]]:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE "
                                       "'sqlite!_%' ESCAPE '!' ORDER BY name")
            return [("", name) for name, in found]

        yield Door(tables, lambda sql: _sqlite_stream(connection, sql))


def _only_reads(action: int, _first: str | None, second: str | None, *_: object) -> int:
    reads = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    fine = action in reads and (action != sqlite3.SQLITE_FUNCTION or second not in {"load_extension", "writefile"})
    return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY


def _sqlite_stream(connection: sqlite3.Connection, sql: str) -> tuple[pa.Schema, Batches]:
    """SQLite types cells, not columns: a first look finds each column's kind."""
    kinds: list[set[type]] = []
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    kinds = [set() for _ in names]
    while rows := cursor.fetchmany(ROWS):
        for kind, cells in zip(kinds, zip(*rows, strict=True), strict=True):
            kind.update(map(type, cells))
    types = [_sqlite_type(kind - {type(None)}) for kind in kinds]
    schema = pa.schema(list(zip(names, types, strict=True)))
    return schema, _batches(schema, connection.execute(sql).fetchmany)


def _sqlite_type(kinds: set[type]) -> pa.DataType:
    return pa.int64() if kinds == {int} else pa.float64() if kinds and kinds <= {int, float} else pa.string()


# --------------------------------------------------------------------------------------------------- PostgreSQL

OIDS: Mapping[int, pa.DataType] = {
    **dict.fromkeys((20, 21, 23, 26), pa.int64()), **dict.fromkeys((700, 701), pa.float64()), 16: pa.bool_(),
    1082: pa.date32(), 1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC"),
}
NUMERIC, EXACT_DIGITS = 1700, 18


@contextmanager
def _postgresql(where: str) -> Iterator[Door]:
    import sqlalchemy as sa

    address = address_of(where)
    if not address.password and os.environ.get(PASSWORD):
        address = address.set(password=os.environ[PASSWORD])
    alive = {"connect_timeout": SECONDS, "keepalives_idle": SECONDS, "keepalives_interval": SECONDS,
             "keepalives_count": 3, "tcp_user_timeout": 6 * SECONDS * 1000, "application_name": "holdfast",
             "client_encoding": "utf8"}
    try:
        engine = sa.create_engine(address, poolclass=sa.pool.NullPool, connect_args=alive)
    except ModuleNotFoundError as problem:
        raise EngineError("The driver for PostgreSQL is missing. Install it with: pip install 'psycopg[binary]'."
                          ) from problem
    with engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True,
                                            no_parameters=True) as connection:
        yield Door(lambda: _postgresql_tables(connection), lambda sql: _postgresql_stream(connection, sql))


def _postgresql_tables(connection: sa.Connection) -> list[tuple[str, str]]:
    found = connection.exec_driver_sql(
        "SELECT CASE WHEN table_schema = current_schema() THEN '' ELSE table_schema END, table_name FROM "
        "information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2")
    return [(schema, name) for schema, name in found]


def _postgresql_stream(connection: sa.Connection, sql: str) -> tuple[pa.Schema, Batches]:
    result = connection.execution_options(stream_results=True, max_row_buffer=ROWS).exec_driver_sql(sql)
    cursor = result.cursor
    assert cursor is not None, "A SELECT always has a cursor."
    columns: Any = cursor.description
    schema = pa.schema([(column.name, _postgresql_type(column)) for column in columns])
    return schema, _batches(schema, result.fetchmany)


def _postgresql_type(column: Any) -> pa.DataType:
    if column.type_code != NUMERIC:
        return OIDS.get(column.type_code, pa.string())
    whole = column.scale == 0 and (column.precision or EXACT_DIGITS + 1) <= EXACT_DIGITS
    return pa.int64() if whole else pa.float64()


def _batches(schema: pa.Schema, more: Callable[[int], Sequence[Any]]) -> Batches:
    """Rows of Python values as batches, each column in its type."""
    while rows := more(ROWS):
        columns = zip(*rows, strict=True)
        yield pa.record_batch([_array(cells, field.type) for cells, field in zip(columns, schema, strict=True)],
                              schema=schema)


def _array(cells: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array([None if cell is None else _text(cell) for cell in cells], kind)
    if pa.types.is_float64(kind):
        return pa.array([None if cell is None else float(cell) for cell in cells], kind)
    if pa.types.is_integer(kind):
        return pa.array([None if cell is None else int(cell) for cell in cells], kind)
    return pa.array(cells, kind)


def _text(cell: Any) -> str:
    if isinstance(cell, (bytes, memoryview)):
        return bytes(cell).hex()
    return as_text(cell) if isinstance(cell, (int, float, str)) else str(cell)


OPEN: Mapping[str, Callable[[str], AbstractContextManager[Door]]] = {
    "duckdb": _duckdb, "sqlite": _sqlite, "postgresql": _postgresql}
