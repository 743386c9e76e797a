"""Files that people bring, kept aside until a job has read them: each person's own, unseen by others, kept for a day.

    data/.uploads/<token>/    upload.json (whose, since when), files/ (under names that are safe)
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine import files
from engine.catalog import check_id, data_home
from engine.errors import EngineError
from engine.files import publish, read_record, write_bytes, write_record
from engine.permissions import allow
from engine.schema import Actor

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".psv", ".parquet", ".pq", ".xlsx", ".toml")
MOST_FILES = 12
LONGEST_NAME = 100
KEPT = timedelta(hours=24)
MEGABYTE = 1 << 20

Contents = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class Upload:
    """What one person brought at one moment (naive UTC)."""

    token: str
    actor: str
    at: datetime

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return uploads_home() / self.token

    @property
    def sources(self) -> list[Path]:
        """The data files, by name."""
        return [path for path in sorted((self.folder / "files").iterdir()) if path.suffix.lower() != ".toml"]

    @property
    def mapping(self) -> Path | None:
        """The mapping that was brought along or written on the screen; the first by name if there are several."""
        return next(iter(sorted((self.folder / "files").glob("*.toml"))), None)


def uploads_home() -> Path:
    """The folder of all uploads."""
    return data_home() / ".uploads"


def most_megabytes() -> int:
    """How much may be brought at once [MB]: HOLDFAST_UPLOAD_MB, or 200."""
    told = os.environ.get("HOLDFAST_UPLOAD_MB", "200")
    if not told.isdigit() or int(told) < 1:
        raise EngineError(f"HOLDFAST_UPLOAD_MB is {told!r}. Give a whole number of megabytes.")
    return int(told)


def keep(contents: Contents, *, actor: Actor, now: datetime) -> Upload:
    """Put files (name, bytes) aside, all or none; EngineError when they are too many, too big, or of a kind unread."""
    allow(actor, "onboard")
    _refuse(contents)
    upload = Upload(secrets.token_hex(16), actor.id, now)
    with files.staging(uploads_home()) as staged:
        staged.chmod(0o700)
        for name, content in _safe(contents).items():
            write_bytes(staged / "files" / name, content)
        write_record(staged / "upload.json", upload)
        publish(staged, upload.folder)
    return upload


def add(token: str, contents: Contents, *, actor: Actor) -> Upload:
    """Put more files to the actor's own upload; one of the same name takes the other's place."""
    upload = opened(token, actor=actor)
    _refuse([*((path.name, path.read_bytes()) for path in upload.sources), *contents])
    for name, content in _safe(contents).items():
        write_bytes(upload.folder / "files" / name, content)
    return upload


def _refuse(contents: Contents) -> None:
    size, most = sum(len(content) for _, content in contents), most_megabytes()
    if not contents:
        raise EngineError("No file was given. Choose at least one.")
    if len(contents) > MOST_FILES:
        raise EngineError(f"{len(contents)} files are more than the {MOST_FILES} that can be brought at once. "
                          "Join those of one kind.")
    if size > most * MEGABYTE:
        raise EngineError(f"{size / MEGABYTE:,.0f} MB are more than the {most} MB that a screen takes. Bring them from "
                          "a shell: python -m engine run --source FILE --name acme; or set HOLDFAST_UPLOAD_MB.")
    for name, content in contents:
        if not name.lower().endswith(ENDINGS):
            raise EngineError(f"{name[-80:]} is of a kind that is not read. Save it as one of: {', '.join(ENDINGS)}.")
        if not content:
            raise EngineError(f"{name[-80:]} is empty. Export it again.")


def _safe(contents: Contents) -> dict[str, bytes]:
    """The contents under names that are safe and differ in more than case."""
    found: dict[str, bytes] = {}
    for number, (name, content) in enumerate(contents, 1):
        plain = safe_name(name)
        taken = plain.lower() in map(str.lower, found)
        found[f"{number}-{plain}" if taken else plain] = content
    return found


def safe_name(name: str) -> str:
    """The file's name without folders, control characters or anything that a shell or a page could take for its own.

    >>> safe_name("../../etc/pass wd.csv"), safe_name("<b>Kunden Mai.CSV"), safe_name(".csv")
    ('pass_wd.csv', 'b_Kunden_Mai.csv', 'file.csv')
    """
    stem, _, ending = re.split(r"[/\\]", name)[-1].rpartition(".")
    plain = re.sub(r"[^\w.-]+", "_", stem).strip("._-")
    return f"{plain[:LONGEST_NAME] or 'file'}.{ending.lower()}"


def put_mapping(token: str, text: str, *, actor: Actor) -> Path:
    """Keep a mapping with an upload, in place of the one that came with it."""
    upload = opened(token, actor=actor)
    path = upload.mapping or upload.folder / "files" / "mapping.toml"
    write_bytes(path, text.encode())
    return path


def opened(token: str, *, actor: Actor) -> Upload:
    """The actor's own upload of that token; nobody else's can be told from one that is not there."""
    allow(actor, "onboard")
    path = uploads_home() / check_id("upload", token) / "upload.json"
    upload: Upload | None = read_record(path, Upload) if path.is_file() else None
    if upload is None or upload.actor != actor.id:
        raise EngineError("These files are not here any more: they are kept for a day. Bring them again.")
    return upload


def latest(*, actor: Actor) -> Upload | None:
    """What the actor brought last and has not dropped; None without any."""
    mine = [upload for upload in every() if upload.actor == actor.id]
    return max(mine, key=lambda upload: (upload.at, upload.token), default=None)


def every() -> list[Upload]:
    """All uploads of all people: for sweeping and erasing."""
    return [read_record(path, Upload) for path in uploads_home().glob("[!.]*/upload.json")]


def drop(token: str, *, actor: Actor) -> None:
    """Remove the actor's own upload."""
    remove(opened(token, actor=actor))


def remove(upload: Upload) -> None:
    """Remove an upload, whoever's."""
    shutil.rmtree(upload.folder, ignore_errors=True)


def sweep(now: datetime) -> int:
    """Remove the uploads that are older than a day, and what is left of others; returns how many."""
    fresh = {upload.token for upload in every() if now - upload.at <= KEPT}
    old = [folder for folder in uploads_home().glob("[!.]*") if folder.name not in fresh]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)
