"""Files that are there whole or not at all: written aside, synced, renamed. And where they live: `home`.

A folder in the making is a `.staging-*` folder that its process holds locked; the kernel lets go of the lock when the
process ends, however it ends, so that the next one can tell a dead folder from a living one and sweep it.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import hashlib
import itertools
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from engine.errors import EngineError
from engine.schema.codec import dumps, loads

if TYPE_CHECKING:
    import pandas as pd

STAGING = ".staging-"
CHUNK_BYTES = 1 << 20
LONGEST_NAME = 100
ROW_GROUP = 122_880

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
NOT_A_FOLDER = {errno.ENOTDIR, errno.EEXIST, errno.ENOENT}


def home() -> Path:
    """The folder that holds data/ and models/: HOLDFAST_HOME, or the project itself."""
    chosen = os.environ.get("HOLDFAST_HOME")
    return Path(chosen).expanduser().resolve() if chosen else Path(__file__).resolve().parent.parent


def from_home(path: Path) -> str:
    """The path from the home on, for words that a screen shows: where the home lies is no reader's business.

    >>> from_home(home() / "models" / "acme" / "card.json")
    'models/acme/card.json'
    """
    return path.relative_to(home()).as_posix() if path.is_relative_to(home()) else path.name


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full disk, a forbidden or an impossible place at `path` into advice; any other error stays as it is.

    >>> with writing(Path("/data/acme")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    engine.errors.EngineError: The disk is full: /data/acme could not be written. Free some space or set HOLDFAST_HOME \
to a folder on another disk, then try again.
    """
    try:
        yield
    except _disk_errors() as error:
        place = getattr(error, "filename", None) or path
        advice = _advice(_number(error), place) if _related(Path(place), path) else ""
        if not advice:
            raise
        raise EngineError(advice) from error


def _disk_errors() -> tuple[type[Exception], ...]:
    """What a disk can raise: the system's errors, and DuckDB's own if DuckDB is in use."""
    duckdb = sys.modules.get("duckdb")
    return (OSError, duckdb.IOException) if duckdb else (OSError,)


def _number(error: Exception) -> int:
    """The system's number of the error; DuckDB hides it in its text."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r'"errno":"(\d+)"', str(error))
    return int(found[1]) if found else 0


def _related(place: Path, path: Path) -> bool:
    """Whether the error is about where we write, and not about a file that is read meanwhile."""
    place, folder = place.absolute(), path.absolute().parent
    return place.is_relative_to(folder) or folder.is_relative_to(place)


def _advice(number: int, place: object) -> str:
    """One sentence of what happened and one of what to do; empty for errors that no user can mend."""
    if number in FULL:
        return (f"The disk is full: {place} could not be written. "
                "Free some space or set HOLDFAST_HOME to a folder on another disk, then try again.")
    if number in FORBIDDEN:
        return f"{place} may not be written by this user. Make it writable or set HOLDFAST_HOME to a folder that is."
    if number in NOT_A_FOLDER:
        return f"{place} is not a folder and cannot become one. Set HOLDFAST_HOME to a folder that can be written."
    return ""


def sha256(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_name(name: str) -> str:
    """The file's name without folders, control characters or anything that a shell or a page could take for its own.

    >>> safe_name("../../etc/pass wd.csv"), safe_name("<b>Kunden Mai.CSV"), safe_name(".csv")
    ('pass_wd.csv', 'b_Kunden_Mai.csv', 'file.csv')
    """
    stem, _, ending = re.split(r"[/\\]", name)[-1].rpartition(".")
    plain = re.sub(r"[^\w.-]+", "_", stem).strip("._-")
    return f"{plain[:LONGEST_NAME] or 'file'}.{ending.lower()}"


def short_hash(*parts: object) -> str:
    """Twelve hexadecimal digits that stand for the parts, in this order.

    >>> short_hash("v1", 2) == short_hash("v1", 2) != short_hash("v12")
    True
    """
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:12]


def write_bytes(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: a reader sees the old bytes or the new ones, never a part."""
    with whole(path) as file:
        file.write(content)


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write into that takes its place at the end, all of it, or not at all when an error comes first."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # let go of when this process ends: see `sweep_halves`
                yield file
            _sync(aside)
            aside.replace(path)
            _sync(path.parent)
        finally:
            aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write the whole text or nothing, UTF-8."""
    write_bytes(path, text.encode())


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame without its index as Parquet (zstd); the same frame gives the same bytes."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False, compression="zstd", row_group_size=ROW_GROUP)


def write_record(path: Path, record: Any, kind: Any = None) -> None:
    """Write a record as JSON, whole or not at all; `kind` as in `engine.schema.codec.dumps`."""
    write_text(path, dumps(record, kind))


def read_record(path: Path, kind: Any) -> Any:
    """The record that `write_record` wrote, or an EngineError that names the file; do not change what comes back.

    A file is read once for as long as it stays as it is.
    """
    written = path.stat()
    return _record(path, kind, (written.st_ino, written.st_mtime_ns, written.st_size))


@functools.lru_cache(maxsize=256)
def _record(path: Path, kind: Any, _written: tuple[int, ...]) -> Any:
    try:
        return loads(kind, path.read_text(encoding="utf-8"))
    except (JSONDecodeError, UnicodeDecodeError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise EngineError(f"{from_home(path)} is damaged or was written by a newer Holdfast ({error}). "
                          "Restore it from a backup, or remove its folder and run again.") from error


def copy_whole(source: Path, target: Path) -> str:
    """Copy the bytes of `source` to `target`, make them read-only, and return their SHA-256."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as read, target.open("wb") as write:
        while chunk := read.read(CHUNK_BYTES):
            digest.update(chunk)
            write.write(chunk)
    target.chmod(0o444)
    return digest.hexdigest()


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """An empty folder aside, within `parent`: to be filled and then published; whatever is not published vanishes."""
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        with _locked(parent):
            sweep(parent)
            folder = _unused(parent)
            folder.mkdir()
            lock = _try_lock(folder)
    assert lock is not None, f"{folder} was just made by this process, so nobody else can hold it."
    try:
        with writing(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what resists is swept another time
        os.close(lock)
        with suppress(OSError):  # a folder with anything in it stays
            parent.rmdir()


def publish(staged: Path, final: Path) -> bool:
    """Make a filled staging folder the final one in one step; False, and nothing done, when that one exists."""
    with writing(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        for path in [*staged.rglob("*"), staged]:
            _sync(path)
        try:
            staged.rename(final)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        _sync(final.parent)
    return True


def remove_whole(folder: Path) -> None:
    """Remove a folder, at once for everybody who looks: what a killed process leaves of it is swept like a staging one.
    Nothing happens when it is gone already."""
    with suppress(FileNotFoundError):
        with _locked(folder.parent):
            aside = _unused(folder.parent)
            folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def sweep(parent: Path) -> int:
    """Remove the staging folders in `parent` whose process has ended; returns how many."""
    dead = 0
    for folder in sorted(parent.glob(f"{STAGING}*")):
        lock = _try_lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            dead += 1
    return dead


def sweep_halves(folder: Path) -> int:
    """Remove what `whole` was writing in the folder when its process was killed; returns how many.

    A file that is still empty may be just being begun, and is left.
    """
    dead = 0
    for path in sorted(folder.glob(".*.part")):
        lock = _try_lock(path) if path.stat().st_size else None
        if lock is not None:
            path.unlink()
            os.close(lock)
            dead += 1
    return dead


def _unused(parent: Path) -> Path:
    return next(path for n in itertools.count() if not (path := parent / f"{STAGING}{os.getpid()}-{n}").exists())


def _try_lock(path: Path) -> int | None:
    """A descriptor of `path`, locked for this process; None when another one holds it, or has removed it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for a moment, waiting for whoever holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
