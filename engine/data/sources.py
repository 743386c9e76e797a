"""Where data come from: whatever a person may point at becomes plain local files before an adapter reads them.

    customers.csv                       a file: CSV, TSV, Parquet, XLSX, JSON
    orders.csv.gz, export.zip           an archive: every member that is read; export.zip::orders.csv only that one
    company.xlsx                        a workbook: its greatest table, or every sheet that holds one, each as a file
    exports/                            a folder: every file in it that is read
    company.duckdb, shop.sqlite         a database: every table; shop.sqlite::orders only that one; or --query
    postgresql://user@host/name::table  a database by its URL: one table, or --query

What is unpacked or fetched lies in a folder of its own (data/.sources) while it is read, and is gone afterwards. A
password may stand in the URL, in HOLDFAST_SOURCE_PASSWORD, or where PostgreSQL's own programs look for it; it is in no
record, message or log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine import files
from engine.catalog import data_home
from engine.data import databases, headless, workbooks
from engine.data.archives import ARCHIVES, Allowance, free_place, is_wanted, unpack
from engine.data.databases import fetch, is_url, kind_of_file, public, without_password
from engine.data.readers import EXCEL, READABLE
from engine.errors import EngineError
from engine.schema import Finding, plural

SHOWN = 20


@dataclass(frozen=True)
class Place:
    """One source as it was named: a path or a database's URL (`where`), and the table or member of it (`part`)."""

    where: str
    part: str = ""

    @property
    def is_database(self) -> bool:
        """Whether it is a database: by its URL, or by the file's first bytes."""
        return is_url(self.where) or bool(kind_of_file(Path(self.where)))

    def __str__(self) -> str:
        """As it may be shown: without a password."""
        return public(self.where) + (f"::{self.part}" if self.part else "")


@dataclass(frozen=True)
class Brought:
    """Plain local files, and findings: where each came from, and what was left out."""

    files: tuple[Path, ...]
    findings: tuple[Finding, ...] = ()


def place(source: str | Path) -> Place:
    """A source in its parts.

    >>> place("export.zip::2024/orders.csv"), place("postgresql://[::1]/shop::sales.orders").part
    (Place(where='export.zip', part='2024/orders.csv'), 'sales.orders')
    """
    text = str(source)
    if is_url(text):
        where, found, part = _split_url(text)
        return Place(where, part if found else "")
    where, _, part = text.partition("::")
    return Place(text) if not part or _exists(Path(text)) else Place(where, part)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False


def _split_url(url: str) -> tuple[str, bool, str]:
    found = re.fullmatch(r"(.*?)::([^/\\@\]?]+)", url)
    return (found[1], True, found[2]) if found else (url, False, "")


@contextmanager
def brought(sources: Sequence[str | Path], queries: Sequence[str] = ()) -> Iterator[Brought]:
    """The sources as plain local files, in their order, for as long as the context lasts.

    Args:
        queries: SELECT statements for the one database among the sources; each becomes a file.

    Raises:
        EngineError: for what cannot be reached, is damaged, beyond a limit, or could harm; nothing is kept then.
    """
    places = [place(source) for source in sources]
    _refuse_idle(places, queries)
    came = Brought(tuple(Path(one.where) for one in places)) if all(map(_is_plain, places)) else None
    lacking = headless.headers(came.files) if came else {}
    if came and not lacking:
        yield came
        return
    with files.staging(sources_home()) as aside:
        aside.chmod(0o700)
        came = came or bring(places, queries, aside)
        paths, told = headless.headed(came.files, lacking or headless.headers(came.files), aside)
        yield Brought(paths, (*came.findings, *told))


def sources_home() -> Path:
    """Where what is unpacked or fetched lies for a moment."""
    return data_home() / ".sources"


def bring(places: Sequence[Place], queries: Sequence[str], into: Path) -> Brought:
    """The places as plain files; what had to be unpacked or fetched is put into the folder `into`."""
    allowance = Allowance()
    found = [_one(one, queries, into, allowance) for one in places]
    return Brought(tuple(path for each in found for path in each.files),
                   tuple(finding for each in found for finding in each.findings))


def _is_plain(one: Place) -> bool:
    path = Path(one.where)
    packed = path.suffix.lower() in (*ARCHIVES, *EXCEL)
    return not (is_url(one.where) or one.part or path.is_dir() or packed or one.is_database)


def _refuse_idle(places: Sequence[Place], queries: Sequence[str]) -> None:
    """A query needs exactly one database to be put to, and no table beside it."""
    asked = [one for one in places if one.is_database]
    if queries and len(asked) != 1:
        raise EngineError(f"A query is put to one database; {len(asked)} of the sources are one. Give exactly one.")
    if queries and asked[0].part:
        raise EngineError(f"{asked[0]} names a table, and there is a query beside it. Give one of the two.")


def _one(one: Place, queries: Sequence[str], into: Path, allowance: Allowance) -> Brought:
    if one.is_database:
        return _fetched(one, queries, into, allowance)
    path = Path(one.where)
    if path.is_dir() and not one.part:
        return _of_folder(path, into, allowance)
    if path.suffix.lower() in ARCHIVES and path.is_file():
        return _unpacked(path, one.part, into, allowance)
    if path.suffix.lower() in EXCEL and path.is_file() and not one.part:
        return _of_workbook(path, into, allowance)
    if one.part:
        raise EngineError(f"There is no {path.name or one.where} that has parts to be named with :: (an archive or a "
                          "database). Check the path." if not path.exists() else
                          f"{path.name} is neither an archive nor a database. Give it without ::{one.part}.")
    return Brought((path,))


def _fetched(one: Place, queries: Sequence[str], into: Path, allowance: Allowance) -> Brought:
    kind = "postgresql" if is_url(one.where) else kind_of_file(Path(one.where))
    kept = fetch(one.where, kind, one.part, queries, into, allowance)
    notes = [Finding("note", path.name, f"Read from {what}: {plural(rows, 'row')}.", "Kept as Parquet.", rows)
             for path, (what, rows) in kept.items()]
    return Brought(tuple(kept), tuple(notes))


def _unpacked(path: Path, member: str, into: Path, allowance: Allowance) -> Brought:
    found = unpack(path, into, allowance, member)
    note = Finding("note", path.name, f"Unpacked: {', '.join(file.name for file in found.files[:SHOWN])}.",
                   "Kept as the files within.")
    within = [_of_workbook(file, into, allowance) if file.suffix.lower() in EXCEL else Brought((file,))
              for file in found.files]
    return Brought(tuple(file for each in within for file in each.files),
                   (note, *_left_out(path.name, found.left_out), *(told for each in within for told in each.findings)))


def _of_workbook(path: Path, into: Path, allowance: Allowance) -> Brought:
    """The workbook as it is, or where several sheets hold tables, each of them as a file of its own."""
    found = workbooks.tables(path)
    if not found:
        return Brought((path,))
    allowance.take_files(len(found), path.name)
    kept = []
    for title, sheet in found.items():
        kept.append(free_place(into, f"{title}.parquet"))
        files.write_frame(kept[-1], sheet.frame)
        allowance.take(kept[-1].stat().st_size, path.name)
    titles = ", ".join(f"{title} ({plural(len(sheet.frame), 'row')})" for title, sheet in found.items())
    note = Finding("note", path.name, f"{plural(len(found), 'sheet')} hold tables: {titles}.",
                   "Each is read as a file of its own.")
    return Brought(tuple(kept), (note, *(finding for sheet in found.values() for finding in sheet.findings)))


def _of_folder(folder: Path, into: Path, allowance: Allowance) -> Brought:
    """The folder's own files; links, other folders and what nothing reads are left out, and told."""
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    wanted = [path for path in inside if path.is_file() and not path.is_symlink()
              and (is_wanted(path.name) or path.suffix.lower() in ARCHIVES)]
    if not wanted:
        raise EngineError(f"The folder {folder.name or folder} holds no file that is read. Read are: "
                          f"{', '.join((*READABLE, *ARCHIVES))}.")
    allowance.take_files(len(wanted), folder.name)
    found = [_one(Place(str(path)), (), into, allowance) for path in wanted]
    left = [path.name + ("/" if path.is_dir() else "") for path in inside if path not in wanted]
    return Brought(tuple(path for each in found for path in each.files),
                   (*(finding for each in found for finding in each.findings), *_left_out(folder.name, left)))


def _left_out(where: str, names: Sequence[str]) -> tuple[Finding, ...]:
    if not names:
        return ()
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    what = f"Left out, since nothing here reads it: {', '.join(name[-60:] for name in names[:SHOWN])}{more}."
    return (Finding("note", where, what, "Name a file by itself if it holds data.", 0),)


def hidden(words: Sequence[str]) -> tuple[list[str], str]:
    """The words of a command without the passwords of its URLs, and the password; "" when there is none.

    >>> hidden(["run", "--source", "postgresql://ada:s3cret@db/shop::orders"])
    (['run', '--source', 'postgresql://ada@db/shop::orders'], 's3cret')
    """
    told, secrets = [], set()
    for word in words:
        option, _, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if not is_url(value):
            told.append(word)
            continue
        where, found, part = _split_url(value)
        bare, secret = without_password(where)
        secrets |= {secret} - {""}
        told.append((f"{option}=" if option else "") + bare + (f"::{part}" if found else ""))
    if len(secrets) > 1:
        raise EngineError(f"The sources' URLs have {len(secrets)} passwords; a background job takes one. Leave them "
                          f"out and keep them where PostgreSQL looks for them (~/.pgpass), or run it in the shell.")
    return told, next(iter(secrets), "")


PASSWORD = databases.PASSWORD
