"""Files as nobody should write them: a small company's table, written and spoilt in some way; by a seed.

    HOLDFAST_FUZZ=5000 HOLDFAST_FUZZ_SEED=7 python -m pytest -n0 tests/test_fuzz.py     onboards so many of them

What is made knows the structure of what it spoils: cells that look like numbers, dates, formulas, markup or paths;
headers that repeat; quotation marks that do not close; members that lead out of their archive; bytes that flip.
"""

from __future__ import annotations

import gzip
import io
import shutil
import signal
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from engine import catalog, onboarding, pipeline
from engine.data.sources import sources_home
from engine.errors import EngineError
from engine.schema import Actor

ANA, NOW = Actor("ana", "admin"), datetime(2024, 6, 1)
SECONDS = 20.0
CELLS = ("", " ", "NULL", "nan", "-", "0", "-0", "007", "7.0", "1e5", "1E99999", "1e-99999", "9" * 400, "∞", "-inf",
         "1,5", "1.234,56", "17 %", "$5", "(12)", "31/02/2024", "13/13/2024", "2024-02-30T25:61:61Z", "20240131",
         "0001-01-01", "9999-12-31", "Dec 1", "=cmd|' /C calc'!A1", "@SUM(1)", "<script>alert(1)</script>",
         "../../etc/passwd", "'; DROP TABLE x;--", "{{7*7}}", "%s%n", "\\N", '"', '""', "a\nb", "a\r\r b", "\u202etxt",
         "e\u0301", "\U0001f469\u200d\U0001f467", "\x1a", "\x0b", "\ufeff", "ÿ", "x" * 5000, "yes", "True", "[1, 2]",
         '{"a": 1}', "1_000", "0x1F", "\uff11\uff12", "\u0663", "²", "1/0", "1 2 3", "+", ".", ",", ";", "\t")
NAMES = ("", " ", "customer_id", "Customer ID", "id", "churn", "price", "unnamed_1", "a\nb", "<b>", "=1+1", "1", "ß",
         '"', "x" * 300, "row", "source", "reason", "at", "select", "index", "event_id", "level_0", "../x", "None", "é")
MEMBERS = ("a.csv", "b/a.csv", "../a.csv", "/a.csv", "a.zip", "<b>.csv", "=1.csv", ".csv", "é.csv", "C:\\a.csv",
           "a.parquet", "x" * 240 + ".csv", "con.csv")
MORE = (b'"', b"\0", b"\r", b"\n\n\n", b"\xff\xfe", b",,,,,,", b'"\n', b"PK\x03\x04", b"\xef\xbb\xbf", b"\x80", b"\t")


# ---------------------------------------------------------------------------------------------------- companies

def _snapshot(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    from engine.data.adapters.telco import FIELDS

    frame = {}
    for wanted in FIELDS:
        kind, name = wanted.column.kind, wanted.column.label or wanted.name
        flag, number = kind == "flag", kind in ("number", "count")
        frame[name] = rng.choice(["Yes", "No"] if flag else ["DSL", "No", "Two year"], rows)
        frame[name] = rng.integers(0, 72, rows).astype(str) if number else frame[name]
    return pd.DataFrame({"customerID": [f"c{n:05d}" for n in range(rows)], **frame})


def _lines(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    days = pd.Timestamp(2023, 1, 1) + pd.to_timedelta(rng.integers(0, 500, rows), "D")
    return pd.DataFrame({"Invoice": (100 + np.arange(rows) // 3).astype(str), "StockCode": rng.choice(["a", "b"], rows),
                         "Quantity": rng.integers(-1, 9, rows).astype(str), "InvoiceDate": days.strftime("%Y-%m-%d"),
                         "Price": rng.uniform(0, 9, rows).round(2).astype(str),
                         "Customer ID": rng.integers(0, rows, rows).astype(str)})


def _events(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": rng.integers(0, 50, rows).astype(str), "at": "2024-01-02T03:04:05",
                         "kind": rng.choice(["order", "session", "dance"], rows),
                         "amount": rng.uniform(0, 9, rows).astype(str)})


def _noise(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    width = int(rng.integers(1, 9))
    return pd.DataFrame(rng.choice(np.array(CELLS, dtype=object), (rows, width)),
                        columns=list(rng.choice(np.array(NAMES, dtype=object), width)))


COMPANIES = (_snapshot, _lines, _lines, _events, _noise)


# ------------------------------------------------------------------------------------------------ spoilt tables

def _some_cells(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    frame = frame.copy()
    for _ in range(int(rng.integers(1, 12))):
        frame.iat[int(rng.integers(len(frame))), int(rng.integers(frame.shape[1]))] = str(rng.choice(CELLS))
    return frame


def _a_column_of(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    values = frame.to_numpy(dtype=object).copy()
    values[:, int(rng.integers(frame.shape[1]))] = rng.choice(np.array(CELLS, dtype=object), len(frame))
    return pd.DataFrame(values, columns=frame.columns)


def _a_name(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    names = list(frame.columns)
    names[int(rng.integers(len(names)))] = str(rng.choice(NAMES))
    return frame.set_axis(names, axis=1)


def _repeated(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[rng.integers(0, len(frame), len(frame))]


TABLES: tuple[Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame], ...] = (
    _some_cells, _some_cells, _a_column_of, _a_name, _repeated, lambda frame, _: frame.iloc[:, ::-1],
    lambda frame, rng: frame.head(int(rng.integers(1, 3))), lambda frame, rng: frame.iloc[:, :int(rng.integers(1, 4))],
    lambda frame, _: frame)


# -------------------------------------------------------------------------------------------------- written as

def _csv(frame: pd.DataFrame, path: Path, rng: np.random.Generator) -> None:
    text = frame.to_csv(index=False, sep=str(rng.choice([",", ";", "\t", "|"])), quoting=int(rng.choice([0, 1])),
                        lineterminator=str(rng.choice(["\n", "\r\n", "\r", "\r\r\n"])))
    encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1", "utf-32"]))
    path.write_bytes(text.encode(encoding, "replace"))


def _parquet(frame: pd.DataFrame, path: Path, rng: np.random.Generator) -> None:
    try:
        frame.apply(lambda cells: pd.to_numeric(cells.where(cells.str.len() < 9), errors="coerce")
                    if rng.random() < 0.2 else cells).to_parquet(path, index=False)
    except ValueError:
        _csv(frame, path, rng)


def _xlsx(frame: pd.DataFrame, path: Path, rng: np.random.Generator) -> None:
    from openpyxl.utils.exceptions import IllegalCharacterError

    try:
        frame.head(40).map(lambda cell: cell[:3000]).to_excel(path, index=False)
    except (IllegalCharacterError, ValueError):
        _csv(frame, path, rng)


def _json(frame: pd.DataFrame, path: Path, rng: np.random.Generator) -> None:
    lines = frame.set_axis(range(frame.shape[1]), axis=1).to_json(orient="records", lines=bool(rng.random() < 0.7))
    path.write_text(lines.replace('"0":', '"customer_id":').replace('"1":', '"at":'), encoding="utf-8")


def _zip(frame: pd.DataFrame, path: Path, rng: np.random.Generator) -> None:
    inner = io.BytesIO(frame.to_csv(index=False).encode())
    with zipfile.ZipFile(path, "w", int(rng.choice([0, 8, 12, 14]))) as archive:
        for _ in range(int(rng.integers(1, 4))):
            archive.writestr(str(rng.choice(MEMBERS)), inner.getvalue())


def _gz(frame: pd.DataFrame, path: Path, _: np.random.Generator) -> None:
    path.write_bytes(gzip.compress(frame.to_csv(index=False).encode(), mtime=0))


def _sqlite(frame: pd.DataFrame, path: Path, _: np.random.Generator) -> None:
    with closing(sqlite3.connect(path)) as database:
        try:
            frame.to_sql("lines", database, index=False)
        except (ValueError, sqlite3.Error):
            database.execute('CREATE TABLE "a""b" (x BLOB)')
            database.commit()


def _duckdb(frame: pd.DataFrame, path: Path, _: np.random.Generator) -> None:
    with duckdb.connect(str(path)) as database:
        try:
            database.register("made", frame)
            database.execute("CREATE TABLE lines AS SELECT * FROM made")
        except duckdb.Error:
            database.execute("CREATE TABLE lines AS SELECT 1 AS x")


WRITTEN: dict[str, Callable[[pd.DataFrame, Path, np.random.Generator], None]] = {
    "a.csv": _csv, "b.csv": _csv, "c.csv": _csv, "a.txt": _csv, "a.tsv": _csv, "a.parquet": _parquet, "a.xlsx": _xlsx,
    "a.jsonl": _json, "a.json": _json, "a.zip": _zip, "a.csv.gz": _gz, "a.sqlite": _sqlite, "a.duckdb": _duckdb}
RARE = {"a.duckdb": 0.15, "a.xlsx": 0.4}


# --------------------------------------------------------------------------------------------------- spoilt bytes

def _flipped(body: bytes, rng: np.random.Generator) -> bytes:
    spoilt = bytearray(body)
    for _ in range(int(rng.integers(1, 20))):
        spoilt[int(rng.integers(len(spoilt)))] = int(rng.integers(256))
    return bytes(spoilt)


def _inserted(body: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(body)))
    return body[:at] + MORE[int(rng.integers(len(MORE)))] + body[at:]


BYTES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    lambda body, _: body, lambda body, _: body, _flipped, _inserted, _inserted,
    lambda body, rng: body[:int(rng.integers(len(body)))],
    lambda body, rng: body[:len(body) // 2] + body[int(rng.integers(len(body))):],
    lambda body, rng: body + rng.bytes(int(rng.integers(1, 400))), lambda body, _: body * 2)


def make(folder: Path, seed: int) -> Path:
    """The file of that seed, in an empty folder."""
    rng = np.random.default_rng(seed)
    name = str(rng.choice(list(WRITTEN)))
    name = "a.csv" if rng.random() > RARE.get(name, 1) else name
    rows = 700 if rng.random() < 0.05 else int(rng.integers(1, 60))
    frame = COMPANIES[int(rng.integers(len(COMPANIES)))](rng, rows)
    for _ in range(int(rng.integers(0, 3))):
        frame = TABLES[int(rng.integers(len(TABLES)))](frame, rng)
    path = folder / name
    WRITTEN[name](frame, path, rng)
    body = path.read_bytes()
    path.write_bytes(BYTES[int(rng.integers(len(BYTES)))](body, rng) if body else body)
    return path


# ----------------------------------------------------------------------------------------------------- onboarded

class Hangs(BaseException):
    """More CPU seconds than any small file may take."""


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise when the block takes more CPU seconds of this process."""
    def stop(*_: object) -> None:
        raise Hangs(f"More than {seconds:.0f} CPU seconds.")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def onboard(path: Path) -> str:
    """Propose how the file is read, onboard it into HOLDFAST_HOME and take it out again: "taken", or why not.

    Raises whatever is no EngineError; AssertionError when a refusal leaves anything behind.
    """
    propose(path)
    try:
        with _within(SECONDS):
            dataset, _ = pipeline.onboard([path], name="acme", actor=ANA, now=NOW)
            assert len(dataset.frame()) and catalog.dataset("acme").version == dataset.version
            said = "taken"
    except EngineError as refusal:
        said = str(refusal)
        assert said.strip() and not left(), f"Refused, but left {left()}."
    shutil.rmtree(catalog.data_home() / "acme", ignore_errors=True)
    return said


def propose(path: Path) -> None:
    """What `onboard` and the Data screen do first; a refusal is an answer too."""
    with _within(SECONDS), suppress(EngineError):
        onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert not left(), f"Proposed, and left {left()}."


def left() -> list[Path]:
    """The files of datasets or of sources that are in the home."""
    places = (catalog.data_home() / "acme", sources_home())
    return [path for place in places if place.exists() for path in place.rglob("*")
            if path.is_file() and path.name != ".lock"]
