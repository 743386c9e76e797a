"""One worker per dataset: a lock that the kernel lets go of when its process ends, however it ends.

The lock is held on data/<dataset>/.lock, where its holder writes who is at work. A job's process inherits the locked
file, so the lock lives exactly as long as the job does, and the job's own verb may enter it again.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from json import JSONDecodeError
from pathlib import Path

from engine.catalog import data_home, dataset_folder
from engine.errors import EngineError
from engine.files import writing
from engine.schema import Actor
from engine.schema.codec import dumps, loads

INHERITED = "HOLDFAST_LOCK"
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 0.5
_HELD: ContextVar[frozenset[Path]] = ContextVar("_HELD", default=frozenset())


@dataclass(frozen=True)
class Holder:
    """Who works on a dataset, at what, since when (naive UTC), and as which job if it is one."""

    who: str
    verb: str
    since: datetime
    job: int | None = None


@contextmanager
def dataset_lock(name: str, verb: str, actor: Actor, now: datetime) -> Iterator[None]:
    """Work on the dataset alone, or learn from the EngineError who does. May be entered again by its holder."""
    path = _path(name)
    if path in _HELD.get() or _inherited(path):
        yield
        return
    lock = take(name)
    token = _HELD.set(_HELD.get() | {path})
    try:
        sign(lock, Holder(actor.id, verb, now))
        yield
    finally:
        _HELD.reset(token)
        _release(lock, path)


def take(name: str) -> int:
    """The descriptor of the dataset's lock, held by whoever holds the descriptor; EngineError when another one does."""
    path = _path(name)
    while True:
        lock = _open(path)
        if not _try(lock, fcntl.LOCK_EX, patience_seconds=PATIENCE_SECONDS):
            os.close(lock)
            raise EngineError(_busy(name, holder(name)))
        if _is(lock, path):
            return lock
        os.close(lock)  # the holder before removed the file while we opened it


def _open(path: Path) -> int:
    with writing(path):
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # the holder before removed the folder meanwhile
                return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)


def sign(lock: int, holder: Holder) -> None:
    """Write into a held lock who holds it."""
    with writing(data_home()):
        os.ftruncate(lock, 0)
        os.pwrite(lock, dumps(holder).encode(), 0)


def _release(lock: int, path: Path) -> None:
    """Let go of a held lock and leave no trace of it; where its folder was moved away, the place is another's."""
    if _is(lock, path):
        path.unlink()
    os.close(lock)
    with suppress(OSError):  # a folder with anything in it stays
        path.parent.rmdir()


def holder(name: str) -> Holder | None:
    """Who works on the dataset at this moment; None when nobody does, or when they have not yet said who they are."""
    if not is_held(name):
        return None
    try:
        found: Holder = loads(Holder, _path(name).read_text(encoding="utf-8"))
    except (FileNotFoundError, JSONDecodeError):
        return None
    return found


def is_held(name: str) -> bool:
    """Whether anybody works on the dataset at this moment."""
    try:
        lock = os.open(_path(name), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _path(name: str) -> Path:
    return dataset_folder(name) / ".lock"


def _try(lock: int, how: int, patience_seconds: float = 0.0) -> bool:
    """Whether the lock can be had; a worker is patient for a moment, since whoever looks at it shares it for one."""
    until = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_SECONDS)
        else:
            return True


def _inherited(path: Path) -> bool:
    """Whether this process was started as a job that holds this very lock."""
    number = os.environ.get(INHERITED, "")
    return number.isdigit() and _is(int(number), path)


def _is(descriptor: int, path: Path) -> bool:
    """Whether the descriptor is open on the very file that lies at the path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:  # not open in this process, or nothing lies there
        return False


def _busy(name: str, holder: Holder | None) -> str:
    if holder is None:
        return f"{name} is being worked on by another process. Wait until it is done."
    what = "wait until it is done" if holder.job is None else f"wait, or cancel job {holder.job}"
    return f"{name} is being worked on by {holder.who} ({holder.verb}) since {holder.since:%Y-%m-%d %H:%M}: {what}."
