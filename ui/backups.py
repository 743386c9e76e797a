"""The backups that are kept on the server: data/.backups, which is no part of a backup itself."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import engine
from engine.catalog import check_id
from engine.files import home, sweep_halves, whole
from engine.limits import within
from engine.permissions import allow
from engine.schema import Actor
from engine.state import record

PER_HOUR = 12


@dataclass(frozen=True)
class Kept:
    """One backup: its file's name, when it was made (naive UTC), its size."""

    name: str
    made: datetime
    megabytes: float

    @property
    def words(self) -> str:
        """Its size as one says it."""
        return f"{self.megabytes / 1000:.1f} GB" if self.megabytes >= 1000 else f"{self.megabytes:.1f} MB"


def folder() -> Path:
    """Where they lie."""
    return home() / "data" / ".backups"


def path_of(name: str) -> Path:
    """The file of that name; refuses names that lead elsewhere."""
    return folder() / check_id("backup", name)


def kept() -> list[Kept]:
    """The backups there are, the newest first; what a server that was killed had begun is removed."""
    sweep_halves(folder())
    found = [_kept(path) for path in folder().glob("[!.]*.zip")]
    return sorted(found, key=lambda one: (one.made, one.name), reverse=True)


def _kept(path: Path) -> Kept:
    about = path.stat()
    return Kept(path.name, datetime.fromtimestamp(about.st_mtime, UTC).replace(tzinfo=None), about.st_size / 1e6)


def make(actor: Actor, now: datetime) -> Kept:
    """Make one more."""
    within(actor, "backup", PER_HOUR, 3600, now)
    path = folder() / f"holdfast-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}.zip"
    engine.back_up(path, actor=actor, now=now)
    return _kept(path)


def bring(file: IO[bytes], actor: Actor, now: datetime) -> Kept:
    """Keep one from elsewhere, as it is; restoring checks it."""
    allow(actor, "restore")
    path = folder() / f"brought-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}.zip"
    with whole(path) as target:
        shutil.copyfileobj(file, target)
    path.chmod(0o600)
    return _kept(path)


def taken(name: str, actor: Actor, now: datetime) -> bytes:
    """One as bytes, to be taken away; the audit log knows by whom."""
    allow(actor, "backup")
    record(actor, "download backup", name, now)
    return path_of(name).read_bytes()
