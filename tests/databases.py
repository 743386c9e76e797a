"""The two databases that the state lives in: every test that asks for `engine` runs on both."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine import state
from engine.errors import EngineError


def _binaries() -> Path | None:
    """The folder of PostgreSQL's own programs, where one is installed."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr/pgsql").glob("*/bin")]
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else max(folders, default=None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL of our own, thrown away afterwards, or the one of HOLDFAST_TEST_POSTGRES."""
    given, binaries = os.environ.get("HOLDFAST_TEST_POSTGRES"), _binaries()
    if given:
        yield given
        return
    if binaries is None:
        pytest.skip("Install PostgreSQL, or set HOLDFAST_TEST_POSTGRES to a URL, to run these tests on it too.")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    user = "nobody" if os.getuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    environment = {**os.environ, "LC_ALL": "C"}
    subprocess.run([binaries / "initdb", "-D", folder / "db", "-U", "holdfast", "-A", "trust", "--no-sync"], check=True,
                   user=user, cwd="/", env=environment, capture_output=True)
    settings = [word for setting in ("listen_addresses=", "fsync=off") for word in ("-c", setting)]
    server = subprocess.Popen([binaries / "postgres", "-D", folder / "db", "-k", folder, *settings],
                              user=user, cwd="/", env=environment, stderr=subprocess.DEVNULL)
    url = f"postgresql://holdfast@/postgres?host={folder}"
    try:
        _until_it_answers(url)
        yield url
    finally:
        state.connect(url).dispose()
        server.send_signal(signal.SIGINT)  # at once, whoever is still connected
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _until_it_answers(url: str) -> None:
    for _ in range(200):
        try:
            with state.reader(state.connect(url)):
                return
        except EngineError:
            time.sleep(0.1)
    raise AssertionError("PostgreSQL did not start within 20 seconds.")


@pytest.fixture(scope="session", autouse=True)
def from_a_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty SQLite database gets its tables from a copy of one that was migrated: a tenth of migrating each anew."""
    migrate, made = state.migrate, tmp_path_factory.mktemp("state") / "made.db"

    def copied(to: sa.Engine, version: str = "head") -> None:
        if version != "head" or to.dialect.name != "sqlite" or _has_tables(to):
            migrate(to, version)
            return
        if not made.exists():
            migrate(state.connect(f"sqlite:///{made}"))
        with closing(sqlite3.connect(made)) as source, closing(to.raw_connection()) as target:
            assert isinstance(target.driver_connection, sqlite3.Connection)
            source.backup(target.driver_connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "migrate", copied)
        yield


def _has_tables(database: sa.Engine) -> bool:
    with state.reader(database) as connection:
        return bool(sa.inspect(connection).get_table_names())


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """A state database at the newest version, empty."""
    if request.param == "postgresql":
        monkeypatch.setenv("HOLDFAST_DATABASE_URL", request.getfixturevalue("postgres"))
        state.migrate(state.connect(), "base")
        state.migrate(state.connect())
    return state.opened()
