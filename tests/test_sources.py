"""Where data come from: archives, folders, databases and URLs become plain files; whatever could harm is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from engine import catalog, jobs, onboarding, pipeline, state, uploads
from engine.__main__ import main
from engine.data import databases
from engine.data.demo import DEMOS
from engine.data.readers import read_raw
from engine.data.sources import brought, hidden, sources_home
from engine.errors import EngineError
from engine.schema import Actor

ANA = Actor("ana", "admin")
ROWS = "customer_id,when\n007,2024-01-02\n8,2024-02-03\n"


@pytest.fixture(scope="module")
def telco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A telecom's customers: 600 rows of the demo company."""
    made = DEMOS["demo-telecom"].write(tmp_path_factory.mktemp("telco"), 3, 600).sources
    return next(path for path in made if path.name == "customers.csv")


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """A folder to put sources into."""
    made = tmp_path / "come"
    made.mkdir()
    return made


def packed(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


def texts(*sources: str | Path, queries: tuple[str, ...] = ()) -> dict[str, list[list[str]]]:
    """By file, the cells that a reader takes from the sources."""
    with brought(sources, queries) as came:
        found = {path.name: read_raw(path).frame.astype(str).to_numpy().tolist() for path in came.files}
    assert not list(sources_home().glob("*")) if sources_home().exists() else True, "Something was left behind."
    return found


CELLS = [["007", "2024-01-02"], ["8", "2024-02-03"]]


# --- files, archives, folders


def test_a_plain_file_is_read_where_it_lies(folder: Path) -> None:
    path = folder / "odd::name.csv"
    path.write_text(ROWS)
    with brought([path]) as came:
        assert came.files == (path,) and came.findings == ()


def test_members_of_archives_are_files_and_what_holds_no_data_is_told(folder: Path) -> None:
    both = packed(folder / "all.ZIP", {"2024/orders.csv": ROWS, "2023/orders.csv": ROWS, "README.txt": "hello",
                                       "__MACOSX/._orders.csv": b"\0", "photo.png": b"\x89PNG", "empty/": ""})
    assert texts(both) == {"orders.csv": CELLS, "2-orders.csv": CELLS}
    assert texts(f"{both}::2023/orders.csv") == {"orders.csv": CELLS}
    with brought([both]) as came:
        [unpacked, left] = came.findings
        assert "orders.csv, 2-orders.csv" in unpacked.what and "README.txt" in left.what and "photo.png" in left.what
    (folder / "lines.csv.gz").write_bytes(gzip.compress(ROWS.encode(), mtime=0))
    assert texts(folder / "lines.csv.gz") == {"lines.csv": CELLS}


def test_a_folder_is_all_its_files_but_nothing_beyond_it(folder: Path, tmp_path: Path) -> None:
    (folder / "b.tsv").write_text(ROWS.replace(",", "\t"))
    packed(folder / "a.zip", {"inner.csv": ROWS})
    (tmp_path / "private.csv").write_text("id,secret\n1,2\n")
    (folder / "link.csv").symlink_to(tmp_path / "private.csv")
    (folder / "deeper").mkdir()
    (folder / ".hidden.csv").write_text("x")
    assert texts(folder) == {"inner.csv": CELLS, "b.tsv": CELLS}
    with brought([folder]) as came:
        assert "deeper/, link.csv" in came.findings[-1].what
    with pytest.raises(EngineError, match="holds no file that is read"):
        texts(folder / "deeper")


def bomb(path: Path) -> Path:
    """A hundred and one megabytes of one letter in a hundred kilobytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.csv", "w") as member:
        for _ in range(101 * 16):
            member.write(b"0" * (1 << 16))
    return path


def lying(path: Path) -> Path:
    """An archive whose directory says a member is smaller than it is."""
    packed(path, {"a.csv": ROWS * 1000})
    body = path.read_bytes()
    true, told = (len(ROWS) * 1000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(body.replace(true, told))
    return path


def encrypted(path: Path) -> Path:
    packed(path, {"a.csv": ROWS})
    body = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(mark) + at] |= 1
    path.write_bytes(bytes(body))
    return path


def linked(path: Path) -> Path:
    info = zipfile.ZipInfo("a.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return path


def cut(path: Path) -> Path:
    path.write_bytes(packed(path, {"a.csv": ROWS * 1000}).read_bytes()[:-40])
    return path


def flipped(path: Path) -> Path:
    body = bytearray(packed(path, {"a.csv": "".join(f"{n},{n * n}\n" for n in range(5000))}).read_bytes())
    body[len(body) // 2] ^= 0xFF
    path.write_bytes(bytes(body))
    return path


def within(path: Path) -> Path:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", ROWS)
    return packed(path, {"b.csv": ROWS, "inner.zip": inner.getvalue()})


def named(name: str) -> Callable[[Path], Path]:
    return lambda path: packed(path, {name: ROWS})


HARMFUL: dict[str, tuple[Callable[[Path], Path], str]] = {
    "bomb": (bomb, "200 times its packed size"), "lying": (lying, "not a whole archive"),
    "encrypted": (encrypted, "encrypted"), "link": (linked, "a link or a device"), "cut": (cut, "not a whole archive"),
    "flipped": (flipped, "not a whole archive"), "nested": (within, "an archive within an archive"),
    "up": (named("../../evil.csv"), "leads out of the archive"), "root": (named("/tmp/evil.csv"), "leads out"),
    "windows": (named("C:\\evil.csv"), "leads out"), "back": (named("a\\..\\..\\evil.csv"), "leads out"),
    "nothing": (named("photo.png"), "no file that is read here"),
}


@pytest.mark.parametrize("case", HARMFUL)
@pytest.mark.slow
def test_what_could_harm_is_refused_and_nothing_is_written_outside(folder: Path, case: str) -> None:
    make, says = HARMFUL[case]
    path = make(folder / "x.zip")
    before = {*folder.parent.rglob("*")}
    with pytest.raises(EngineError, match=says):
        texts(path)
    assert {found for found in folder.parent.rglob("*") if found.is_file()} <= before
    with pytest.raises(EngineError, match=says):
        uploads.keep([("x.zip", path.read_bytes())], actor=ANA, now=datetime(2024, 6, 1))
    assert uploads.every() == []


def test_limits_are_settings_with_their_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(folder / "x.zip", {f"{n}.csv": ROWS for n in range(3)})
    (folder / "big.csv.gz").write_bytes(gzip.compress(os.urandom(1 << 20) * 2, mtime=0))
    monkeypatch.setenv("HOLDFAST_SOURCE_FILES", "2")
    with pytest.raises(EngineError, match=r"more than the 2 files.*HOLDFAST_SOURCE_FILES"):
        texts(path)
    monkeypatch.setenv("HOLDFAST_SOURCE_MB", "1")
    with pytest.raises(EngineError, match=r"more than the 1 MB.*HOLDFAST_SOURCE_MB"):
        texts(folder / "big.csv.gz")
    monkeypatch.setenv("HOLDFAST_SOURCE_MB", "-5")
    with pytest.raises(EngineError, match=r"HOLDFAST_SOURCE_MB is '-5'. Give a whole number of megabytes"):
        texts(folder / "big.csv.gz")


@pytest.mark.parametrize(("name", "body", "says"), [
    ("a.csv.gz", b"not gzip", "not a whole archive"),
    ("a.csv.gz", gzip.compress(b"id\n1\n" * 9999, mtime=0)[:-9], "whole"),
    ("a.gz", gzip.compress(b"id\n1\n", mtime=0), "does not say what it holds"),
    ("a.tar.gz", gzip.compress(b"id\n1\n", mtime=0), "does not say what it holds"), ("a.csv", ROWS.encode(), "neither"),
])
def test_what_is_no_archive_is_told(folder: Path, name: str, body: bytes, says: str) -> None:
    (folder / name).write_bytes(body)
    with pytest.raises(EngineError, match=says):
        texts(f"{folder / name}::part" if name == "a.csv" else folder / name)
    with pytest.raises(EngineError, match="Check the path"):
        texts(f"{folder}/none.zip::a.csv")


@pytest.mark.slow
def test_a_zipped_upload_is_its_members(home: Path, tmp_path: Path, telco: Path) -> None:
    archive = packed(tmp_path / "x.zip", {"<b>Kunden.csv": telco.read_bytes(), "notes.md": "hello"})
    upload = uploads.keep([("x.zip", archive.read_bytes())], actor=ANA, now=datetime(2024, 6, 1))
    assert [path.name for path in upload.sources] == ["b_Kunden.csv"] and upload.left_out == ("notes.md",)
    assert onboarding.propose(upload.sources, name="zipped", actor=ANA, now=datetime(2024, 6, 1)).trainable
    more = uploads.add(upload.token, [("y.csv.gz", gzip.compress(ROWS.encode(), mtime=0))], actor=ANA)
    assert [path.name for path in more.sources] == ["b_Kunden.csv", "y.csv"] and more.left_out == ("notes.md",)
    assert uploads.opened(upload.token, actor=ANA) == more


# --- databases in files


@pytest.fixture
def company(folder: Path) -> Path:
    """A SQLite file with two tables."""
    with closing(sqlite3.connect(folder / "shop.sqlite")) as database:
        database.execute("CREATE TABLE lines (customer_id TEXT, whole INTEGER, half REAL, mixed, odd BLOB)")
        database.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?)",
                             [("007", 1, 1.5, 3, b"\xff"), ("8", None, 2, "x", None)])
        database.execute('CREATE TABLE "my ""people""" (id TEXT)')
        database.execute('INSERT INTO "my ""people""" VALUES (7)')
        database.commit()
    return folder / "shop.sqlite"


def test_sqlite_tables_become_files_of_typed_columns(company: Path) -> None:
    lines = [["007", "1", "1.5", "3", "ff"], ["8", "<NA>", "2.0", "x", "nan"]]
    assert texts(company) == {"lines.parquet": lines, "my_people.parquet": [["7"]]}
    assert texts(f"{company}::lines") == {"lines.parquet": lines}
    assert texts(company, queries=("SELECT whole FROM lines WHERE whole > 0;",)) == {"query.parquet": [["1"]]}
    with brought([f"{company}::lines"]) as came:
        assert came.findings[0].what == "Read from table lines of shop.sqlite: 2 rows."


@pytest.mark.parametrize(("sql", "says"), [
    ("DELETE FROM lines", "write it as SELECT"), ("SELECT * FROM nowhere", "no such table"), ("SELECT", "shop.sqlite"),
    ("SELECT 1; DELETE FROM lines", "one statement"), ("WITH x AS (SELECT 1) DELETE FROM lines", "not authorized"),
    ("SELECT load_extension('x')", "not authorized"),
])
def test_a_query_reads_and_changes_nothing(company: Path, sql: str, says: str) -> None:
    before = company.read_bytes()
    with pytest.raises(EngineError, match=says):
        texts(company, queries=(sql,))
    assert company.read_bytes() == before


@pytest.fixture
def warehouse(folder: Path) -> Path:
    with duckdb.connect(str(folder / "w.duckdb")) as database:
        database.execute("CREATE TABLE lines AS SELECT i::VARCHAR AS customer_id, i AS n, DATE '2024-01-02' AS at, "
                         "[i] AS tags, i::HUGEINT AS huge FROM range(3) t(i)")
        database.execute("CREATE SCHEMA s; CREATE TABLE s.lines AS SELECT 1 AS one")
        database.execute("CREATE VIEW leak AS SELECT * FROM read_csv('/etc/passwd', delim=':', header=false)")
    return folder / "w.duckdb"


def test_duckdb_tables_become_files_and_no_query_leaves_the_file(warehouse: Path, folder: Path) -> None:
    found = texts(warehouse)
    assert found["lines.parquet"][2] == ["2", "2", "2024-01-02", "[2]", "2.0"]
    assert found["s.lines.parquet"] == [["1"]] and len(found) == 2
    assert texts(f"{warehouse}::s.lines") == {"s.lines.parquet": [["1"]]}
    (folder / "secret.csv").write_text(ROWS)
    for sql in ("SELECT * FROM leak", f"SELECT * FROM '{folder}/secret.csv'", "SELECT * FROM read_text('/etc/passwd')",
                "WITH x AS (SELECT 1) INSERT INTO lines SELECT 1", "SELECT 1; DROP TABLE lines"):
        with pytest.raises(EngineError, match=r"w\.duckdb was not read"):
            texts(warehouse, queries=(sql,))
    assert texts(warehouse) == found


def test_what_is_no_database_or_damaged_is_told(warehouse: Path, company: Path, folder: Path) -> None:
    for path in (warehouse, company):
        with pytest.raises(EngineError, match=r"has no table 'none'. Its tables: .*lines"):
            texts(f"{path}::none")
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(EngineError, match="was not read"):
            texts(path)
    (folder / "a.csv").write_text(ROWS)
    for sources, queries in (([folder / "a.csv"], ("SELECT 1",)), ([f"{company}::lines"], ("SELECT 1",))):
        with pytest.raises(EngineError, match="query"):
            texts(*sources, queries=queries)


# --- database URLs


@pytest.fixture
def server(postgres: str, home: Path) -> Iterator[str]:
    """A PostgreSQL with a table of orders and a user with a password."""
    engine = state.connect(postgres)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop")
        connection.exec_driver_sql(
            "CREATE TABLE shop.orders AS SELECT lpad(i::text, 3, '0') AS customer_id, TIMESTAMP '2024-01-02 03:04:05' "
            "+ i * INTERVAL '1 day' AS at, (i / 4.0)::numeric(10, 2) AS amount, i::numeric(12, 0) AS whole, "
            "TIMESTAMPTZ '2024-01-02 03:00+02' AS seen, mod(i, 2) = 0 AS even, DATE '2024-01-02' AS day, "
            "ARRAY[i] AS tags, NULL::text AS nothing FROM generate_series(1, 3) i")
    yield postgres
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA shop CASCADE")


@pytest.mark.slow
def test_a_table_of_a_server_becomes_a_file(server: str) -> None:
    found = texts(f"{server}::shop.orders")["shop.orders.parquet"]
    assert found[0] == ["001", "2024-01-03 03:04:05", "0.25", "1", "2024-01-02 01:00:00", "False",
                        "2024-01-02 00:00:00", "[1]", "nan"]
    assert texts(server, queries=("select customer_id as \"100%\" from shop.orders where customer_id like '%3'",)
                 ) == {"query.parquet": [["003"]]}
    with pytest.raises(EngineError, match=r"Say what to read.*shop\.orders"):
        texts(server)


@pytest.mark.slow
@pytest.mark.parametrize("sql", ["WITH x AS (DELETE FROM shop.orders RETURNING 1) SELECT * FROM x",
                                 "SELECT 1; DROP TABLE shop.orders", "SELECT * FROM nowhere", "SELECT 1 / 0 AS x",
                                 "SELECT nextval('pg_class')", "SELECT 'infinity'::date AS day"])
def test_nothing_on_the_server_is_changed(server: str, sql: str) -> None:
    with pytest.raises(EngineError, match="was not read"):
        texts(server, queries=(sql,))
    assert len(texts(f"{server}::shop.orders")["shop.orders.parquet"]) == 3


@pytest.mark.slow
def test_a_big_table_is_streamed_and_equal_to_what_is_there(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "ROWS", 1_000)
    asked = []
    whole = databases._batches

    def counted(schema: object, more: Callable[[int], object]) -> object:
        for batch in whole(schema, more):  # type: ignore[arg-type]
            asked.append(len(batch))
            yield batch

    monkeypatch.setattr(databases, "_batches", counted)
    sql = "SELECT i AS n, i::text AS customer_id FROM generate_series(1, 10500) i ORDER BY i"
    with brought([server], [sql]) as came:
        frame = read_raw(came.files[0]).frame
    assert frame["n"].tolist() == list(range(1, 10_501)) and asked == [1_000] * 10 + [500]


@pytest.mark.slow
def test_a_server_that_goes_away_is_told_and_nothing_is_kept(server: str, home: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "ROWS", 100)
    whole = databases._array
    calls = []

    def cut_off(cells: object, kind: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            with state.connect(server).begin() as connection:
                connection.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                           "WHERE application_name = 'holdfast'")
        return whole(cells, kind)  # type: ignore[arg-type]

    monkeypatch.setattr(databases, "_array", cut_off)
    with pytest.raises(EngineError, match=r"was not read: .*(terminat|closed).*Nothing was kept"):
        pipeline.onboard([server], name="acme", actor=ANA, now=datetime(2024, 6, 1),
                         queries=["SELECT i AS n FROM generate_series(1, 5000000) i"])
    assert calls and catalog.aside() == {} and catalog.datasets() == []
    assert not [path for path in home.rglob("*") if path.suffix == ".parquet"]


PASSWORDS = ["postgresql://ada:s3cret@127.0.0.1:1/shop::orders", "postgresql://ada@127.0.0.1:1/shop?password=s3cret",
             "postgresql://ada:s3cret@ss@127.0.0.1/shop", "postgresql://ada:x@127.0.0.1:s3cret/shop",
             "mysql://ada:s3cret@127.0.0.1/shop", "postgresql://ada:1/s3cret@ss@h/shop",
             "postgresql://ada:s3cret@127.0.0.1:1/shop?sslpassword=s3cret&password=s3cret"]


@pytest.mark.parametrize("url", PASSWORDS)
def test_a_password_is_in_no_message_record_or_log(home: Path, url: str, capsys: pytest.CaptureFixture[str],
                                                  caplog: pytest.LogCaptureFixture) -> None:
    assert main(["run", "--source", url, "--query", "SELECT 1", "--name", "acme", "--json"]) == 2
    out, err = capsys.readouterr()
    assert "s3cret" not in (out + err + caplog.text)
    assert json.loads(out)["error"]


def test_a_job_gets_the_password_from_its_environment_alone(home: Path, now: datetime) -> None:
    code = "import os, sys; print(os.environ['HOLDFAST_SOURCE_PASSWORD'] == 's3@cret', *sys.argv)"
    words = ["run", "--source", "postgresql://ada:s3%40cret@db.example/shop::orders", "--name", "acme"]
    number = jobs.start(words, "acme", ANA, now, command=[sys.executable, "-c", code])
    job = jobs.wait(number, 30)
    printed = (job.folder / "stdout.json").read_text()
    assert printed.startswith("True") and "cret" not in printed and "cret" not in " ".join(job.args)
    assert "postgresql://ada@db.example/shop::orders" in job.args
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"s3@cret" not in kept and b"s3%40cret" not in kept
    with pytest.raises(EngineError, match="2 passwords"):
        hidden(["postgresql://a:x@h/d", "postgresql://b:y@h/d"])


# --- all the way


@pytest.mark.slow
def test_a_dataset_is_the_same_whichever_way_it_came(home: Path, tmp_path: Path, telco: Path, now: datetime) -> None:
    frame = pd.read_csv(telco, dtype=str, keep_default_na=False)
    archive = packed(tmp_path / "x.zip", {"customers.csv": telco.read_bytes()})
    with closing(sqlite3.connect(tmp_path / "x.sqlite")) as database:
        frame.to_sql("customers", database, index=False)
    until = datetime(2024, 5, 1)
    found = {}
    for number, source in enumerate((telco, archive, tmp_path / "x.sqlite")):
        dataset, findings = pipeline.onboard([source], name=f"acme{number}", actor=ANA, now=now, observed_until=until)
        found[number] = pd.read_parquet(dataset.customers)
        assert [path.name for path in catalog.raw(dataset)] == [dataset.sources[0].name]
        told = any("x.zip" in finding.where or "table customers" in finding.what for finding in findings)
        assert told == (number > 0)
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[0], found[2])
    assert not list(sources_home().glob("*")) if sources_home().exists() else True
    assert catalog.dataset("acme0").version == catalog.dataset("acme1").version
