"""Backup and restore: the datasets, the models and the state database as one zip file.

    manifest.json                 when and by which Holdfast; the size and SHA-256 of every other member
    data/<dataset>/...            every file of the datasets, without locks and what is in the making
    models/<dataset>/...          every file of the models
    audit.key, state.db           the key of the log, and the state database at one moment (none with PostgreSQL)

A restore is unpacked and checked in data/.staging-*, decided by renaming that folder to data/.restore, and then carried
out by renaming dataset by dataset. Whoever comes after a crash carries out what was decided, or finds nothing decided.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import math
import os
import shutil
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from engine import files, locks, state
from engine.catalog import NAME, RESERVED, data_home, decided_restore, erased_since
from engine.errors import EngineError
from engine.files import CHUNK_BYTES, home, read_record, write_record, writing
from engine.permissions import allow
from engine.schema import Actor
from engine.schema.codec import dumps, loads
from engine.version import version

FORMAT = 1
MANIFEST = "manifest.json"
STATE, KEY, ERASED = "state.db", "audit.key", "erased.json"
MOST_LINES = 1_000_000
KINDS = ("data", "models")
POINTERS = frozenset({"current", "production", "staging"})
PACKED_ALREADY = frozenset({".parquet", ".joblib", ".zip", ".gz", ".xlsx"})
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)
READ_ONLY, WRITABLE, PRIVATE = 0o444, 0o644, 0o600
NOT_SQLITE = "The state lives in PostgreSQL and is not in here: keep it with pg_dump, restore it with pg_restore."


@dataclass(frozen=True)
class Member:
    """One file of a backup: its size and SHA-256, and whether it was read-only."""

    bytes: int
    sha256: str
    read_only: bool = False


@dataclass(frozen=True)
class Erased:
    """Somebody who was erased since a backup was made: of which dataset, as the audit log calls them, why, by whom."""

    dataset: str
    customer: str
    reason: str
    actor: Actor


@dataclass(frozen=True)
class Manifest:
    """What a backup holds, when it was made (naive UTC) and by which version of Holdfast."""

    format: int
    version: str
    at: datetime
    members: Mapping[str, Member]

    def names(self, kind: str) -> tuple[str, ...]:
        """The datasets that have files of that kind."""
        parts = (PurePosixPath(name).parts for name in self.members)
        return tuple(sorted({part[1] for part in parts if part[0] == kind}))


def back_up(path: Path, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Write a backup of everything to the path, whole or not at all; returns what is in it.

    Work may go on meanwhile: pointers are read first, and what they point to does not change.

    Raises:
        EngineError: when the path cannot be written, or something was erased meanwhile.
    """
    allow(actor, "backup")
    with files.whole(path) as file, zipfile.ZipFile(file, "w") as archive:
        os.fchmod(file.fileno(), PRIVATE)
        manifest = Manifest(FORMAT, version(), now, _write(archive))
        archive.writestr(MANIFEST, dumps(manifest), zipfile.ZIP_DEFLATED)
    report = _report(manifest, path)
    state.record(actor, "backup", path.name, now, {"files": report["files"], "bytes": report["bytes"]})
    return report


def _write(archive: zipfile.ZipFile) -> dict[str, Member]:
    try:
        with files.staging(data_home()) as staged:
            found = itertools.chain(_state(staged), _files(pointers=True), _files(pointers=False))
            return {name: _add(archive, name, path) for name, path in found}
    except FileNotFoundError as error:
        raise EngineError(f"{error.filename} was erased while the backup was made. Make it again.") from error


def _state(staged: Path) -> Iterator[tuple[str, Path]]:
    """The key of the log, and a copy of the state database as it is at this moment."""
    engine = state.opened()
    if (data_home() / KEY).is_file():
        yield KEY, data_home() / KEY
    if engine.dialect.name != "sqlite":
        return
    with closing(engine.raw_connection()) as raw, closing(sqlite3.connect(staged / STATE)) as copy:
        connection = raw.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    yield STATE, staged / STATE


def _files(pointers: bool) -> Iterator[tuple[str, Path]]:
    """Every pointer of every dataset and model, or every other file, by its name in the archive."""
    for kind in KINDS:
        for folder in _folders(kind):
            for path in sorted(folder.rglob("*")):
                if (path.name in POINTERS) == pointers and _is_kept(path):
                    yield path.relative_to(home()).as_posix(), path


def _folders(kind: str) -> Iterator[Path]:
    """The folder of each dataset."""
    place = home() / kind
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        if path.is_dir() and NAME.fullmatch(path.name) and path.name not in RESERVED:
            yield path


def _is_kept(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(home()).parts)
    return path.is_file() and not path.is_symlink() and not hidden


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> Member:
    """Copy a file into the archive; its size and hash are those of what was copied."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_STORED if path.suffix in PACKED_ALREADY else zipfile.ZIP_DEFLATED
    with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
        size, digest = _copied(iter(lambda: source.read(CHUNK_BYTES), b""), target.write)
    return Member(size, digest, not path.stat().st_mode & 0o200)


def restore(path: Path, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Put everything back as it was when the backup was made; returns what that was. All sessions end.

    What came after the backup is gone; whoever is erased since then is written down, to be erased again.

    Raises:
        EngineError: as `engine.restoring.restore`, through which everybody goes.
    """
    allow(actor, "restore")
    with ExitStack() as stack:
        with _reading(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            manifest = _manifest(archive, path)
        with _alone(), _nobody_at_work(manifest, actor, now):
            _check_space(manifest)
            with files.staging(data_home()) as staged:
                _unpack(archive, manifest, staged)
                _check_state(staged / STATE)
                write_record(staged / MANIFEST, manifest)
                since = state.audit_log(MOST_LINES, "erase", since=manifest.at)
                write_record(staged / ERASED, _erased_of(since))
                decided = files.publish(staged, decided_restore())
                assert decided, "A restore that was decided before is carried out before."
            _carry_out(manifest)
    back = sorted({entry.about for entry in since if "customer" not in entry.detail})
    report = _report(manifest, path) | {"erasures_undone": len(back), "datasets_back": back}
    state.record(actor, "restore", path.name, now, {"made": manifest.at.isoformat(), "files": report["files"]})
    return report


def _erased_of(since: Sequence[state.AuditEntry]) -> tuple[Erased, ...]:
    """The customers among the erasures, each once, and those who still wait since an earlier restore."""
    waiting = read_record(erased_since(), tuple[Erased, ...]) if erased_since().is_file() else ()
    told = [Erased(entry.about, str(entry.detail["customer"]), str(entry.detail.get("reason", "")), entry.actor)
            for entry in since if "customer" in entry.detail]
    return tuple({(one.dataset, one.customer): one for one in (*waiting, *told)}.values())


def finish_restore(actor: Actor, now: datetime) -> bool:
    """Carry out a restore that was decided before a crash; whether there was one."""
    if not decided_restore().is_dir():
        return False
    with _alone():
        if not decided_restore().is_dir():
            return False
        manifest: Manifest = read_record(decided_restore() / MANIFEST, Manifest)
        with _nobody_at_work(manifest, actor, now):
            _carry_out(manifest)
    return True


def _report(manifest: Manifest, path: Path) -> dict[str, Any]:
    return {"path": str(path), "made": manifest.at.isoformat(), "version": manifest.version,
            "datasets": list(manifest.names("data")), "files": len(manifest.members),
            "bytes": sum(member.bytes for member in manifest.members.values()),
            "state": "in the backup" if STATE in manifest.members else NOT_SQLITE}


@contextmanager
def _alone() -> Iterator[None]:
    """One restore at a time; the kernel lets go of the lock when its process ends."""
    path = data_home() / ".restore.lock"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def _nobody_at_work(manifest: Manifest, actor: Actor, now: datetime) -> Iterator[None]:
    """Hold the lock of every dataset that is there, or will be."""
    there = {folder.name for kind in KINDS for folder in _folders(kind)}
    with ExitStack() as stack:
        for name in sorted(there.union(*(manifest.names(kind) for kind in KINDS))):
            stack.enter_context(locks.dataset_lock(name, "restore", actor, now))
        yield


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged zip file makes of its reader into advice."""
    try:
        yield
    except FileNotFoundError as error:
        raise EngineError(f"There is no file {path}.") from error
    except UNREADABLE as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path | str, what: str) -> EngineError:
    return EngineError(f"{Path(path).name} is no sound backup ({what}). Nothing was changed. Restore another one.")


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    """What the archive says it holds, if that is what it holds, and nothing would land outside its place."""
    names = archive.namelist()
    try:
        manifest: Manifest = loads(Manifest, archive.read(MANIFEST).decode())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, "its manifest cannot be read") from error
    if manifest.format > FORMAT:
        raise EngineError(f"{path.name} was made by a newer Holdfast ({manifest.version}). Update Holdfast.")
    if sorted(names) != sorted([MANIFEST, *manifest.members]):
        raise _damaged(path, "it does not hold what its manifest says")
    strange = [name for name in manifest.members if not _is_plain(name)]
    if strange:
        raise _damaged(path, f"{strange[0][:80]!r} has no place in Holdfast")
    return manifest


def _is_plain(name: str) -> bool:
    """Whether a member's name is one that `back_up` gives.

    >>> [_is_plain(name) for name in ("data/acme/v1/dataset.json", "state.db", "data/../x/y", "/etc/passwd", "data/x")]
    [True, True, False, False, False]
    """
    parts = name.split("/")
    plain = not any(part.startswith(".") or not part or set(part) & set("\\:\0") for part in parts)
    inside = len(parts) > 2 and parts[0] in KINDS and bool(NAME.fullmatch(parts[1])) and parts[1] not in RESERVED
    return name in (STATE, KEY) or (plain and inside)


def _check_space(manifest: Manifest) -> None:
    """There must be room, on one disk: what is renamed cannot change disks."""
    (home() / "models").mkdir(exist_ok=True)
    if (home() / "models").stat().st_dev != data_home().stat().st_dev:
        raise EngineError(f"data/ and models/ of {home()} lie on two disks. Restore into a home on one disk.")
    needed, free = sum(member.bytes for member in manifest.members.values()), shutil.disk_usage(data_home()).free
    if needed > free:
        raise EngineError(f"The backup takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free. Free some space, "
                          "or set HOLDFAST_HOME to a folder on another disk.")


def _unpack(archive: zipfile.ZipFile, manifest: Manifest, staged: Path) -> None:
    """Write every member below the folder, each checked against its size and hash as it comes."""
    for name, member in manifest.members.items():
        target = staged / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            found = _copied(_chunks(archive, name), file.write, member.bytes)
        if found != (member.bytes, member.sha256):
            raise _damaged(archive.filename or "", f"{name} has changed")
        target.chmod(PRIVATE if name in (STATE, KEY) else READ_ONLY if member.read_only else WRITABLE)


def _chunks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """A member's content, piece by piece."""
    with _reading(Path(archive.filename or "")), archive.open(name) as source:
        yield from iter(lambda: source.read(CHUNK_BYTES), b"")


def _copied(chunks: Iterable[bytes], write: Callable[[bytes], Any], most: float = math.inf) -> tuple[int, str]:
    """Copy, and stop once there is more than there should be; the size and SHA-256 of what was copied."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        digest.update(chunk)
        write(chunk)
        if size > most:
            break
    return size, digest.hexdigest()


def _check_state(path: Path) -> None:
    """The database must be one, and of no newer version; nobody stays signed in by it."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as copy, copy:
            (found,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
            sound = copy.execute("PRAGMA quick_check").fetchone() == ("ok",)
            for table in ("sessions", "setup_links"):
                copy.execute(f"DELETE FROM {table}")
    except sqlite3.Error as error:
        raise _damaged(STATE, str(error)) from error
    if not sound:
        raise _damaged(STATE, "it fails its own check")
    if found > state.HEAD:
        raise EngineError(f"The backup's state was written by a newer Holdfast (version {found}; this one knows "
                          f"{state.HEAD}). Update Holdfast.")


def _carry_out(manifest: Manifest) -> None:
    """Make what was decided so, from wherever it was left; every step may be taken again."""
    staged, old = decided_restore(), data_home() / ".replaced"
    for kind in KINDS:
        new = manifest.names(kind)
        for folder in list(_folders(kind)):
            if folder.name not in new or (staged / kind / folder.name).exists():
                _put_away(folder, old / kind)
        for name in new:
            if (staged / kind / name).exists():
                (home() / kind).mkdir(exist_ok=True)
                (staged / kind / name).rename(home() / kind / name)
    _restore_state(staged)
    if (staged / ERASED).exists():
        (staged / ERASED).replace(erased_since())
    for folder in (old, staged):
        shutil.rmtree(folder, ignore_errors=True)


def _put_away(folder: Path, where: Path) -> None:
    where.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(where / folder.name, ignore_errors=True)
    folder.rename(where / folder.name)


def _restore_state(staged: Path) -> None:
    """Fill the state database with the backup's, in one transaction of SQLite's, so that open connections see it."""
    engine = state.opened()
    if (staged / KEY).exists():
        (staged / KEY).replace(data_home() / KEY)
    if engine.dialect.name != "sqlite" or not (staged / STATE).exists():
        return
    with closing(sqlite3.connect(staged / STATE)) as copy, closing(engine.raw_connection()) as raw:
        connection = raw.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        copy.backup(connection)
    state.migrate(engine)
