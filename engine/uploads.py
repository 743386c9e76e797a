"""Files that people bring, kept aside until a job has read them: each person's own, unseen by others, kept for a day.

    data/.uploads/<token>/    upload.json (whose, since when), files/ (under names that are safe)
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from engine import files
from engine.catalog import check_id, data_home
from engine.data.archives import ARCHIVES, Allowance, unpack
from engine.data.databases import is_url, public
from engine.data.readers import READABLE
from engine.data.sources import bring, place
from engine.errors import EngineError
from engine.files import copy_whole, publish, read_record, remove_whole, safe_name, write_bytes, write_record
from engine.limits import MEGABYTE, setting
from engine.permissions import allow
from engine.schema import Actor
from engine.state import record

ENDINGS = (*READABLE, *ARCHIVES, ".toml")
MOST_FILES = 12
KEPT = timedelta(hours=24)

Contents = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class Upload:
    """What one person brought at one moment (naive UTC). left_out: members of archives that nothing here reads."""

    token: str
    actor: str
    at: datetime
    left_out: tuple[str, ...] = ()

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
    return setting("HOLDFAST_UPLOAD_MB")


def keep(contents: Contents, *, actor: Actor, now: datetime) -> Upload:
    """Put files (name, bytes) aside, all or none; EngineError when they are too many, too big, or of a kind unread.

    Of an archive its members are kept, each as a file of its own.
    """
    allow(actor, "onboard")
    _refuse(contents)
    with files.staging(uploads_home()) as staged:
        staged.chmod(0o700)
        upload = Upload(secrets.token_hex(16), actor.id, now, _laid(contents, staged / "files"))
        write_record(staged / "upload.json", upload)
        publish(staged, upload.folder)
    return upload


def fetch(source: str, query: str = "", *, actor: Actor, now: datetime) -> Upload:
    """Put aside what a database's URL holds, or for an admin what lies at a path on the server: a table, or a query's
    answer; EngineError as `engine.data.sources.brought`, and nothing is kept then."""
    allow(actor, "onboard")
    one = place(source.strip())
    if not is_url(one.where):
        allow(actor, "open_path")
    with files.staging(uploads_home()) as staged:
        staged.chmod(0o700)
        folder = staged / "files"
        folder.mkdir()
        for path in bring([one], [query] if query.strip() else [], folder).files:
            if not path.is_relative_to(folder):
                _copied(path, folder)
        upload = Upload(secrets.token_hex(16), actor.id, now)
        write_record(staged / "upload.json", upload)
        publish(staged, upload.folder)
    record(actor, "onboard", public(one.where), now, {"fetched": len(upload.sources)})
    return upload


def _copied(path: Path, folder: Path) -> None:
    """A copy that the files may be read from for a day, whatever becomes of the original."""
    if path.stat().st_size > setting("HOLDFAST_SOURCE_MB") * MEGABYTE:
        raise EngineError(f"{path.name} is larger than HOLDFAST_SOURCE_MB allows. Read it from a shell: python -m "
                          "engine onboard FILE --name acme.")
    copy_whole(path, folder / safe_name(path.name))


def add(token: str, contents: Contents, *, actor: Actor) -> Upload:
    """Put more files to the actor's own upload; one of the same name takes the other's place."""
    upload = opened(token, actor=actor)
    _refuse(contents, there=len(upload.sources))
    with files.staging(uploads_home()) as aside:
        left_out = _laid(contents, aside / "files")
        for path in sorted((aside / "files").iterdir()):
            path.replace(upload.folder / "files" / path.name)
    more = replace(upload, left_out=tuple(dict.fromkeys((*upload.left_out, *left_out))))
    write_record(upload.folder / "upload.json", more)
    return more


def _laid(contents: Contents, folder: Path) -> tuple[str, ...]:
    """Write the contents into a new folder, archives as their members; returns the members that were left out."""
    folder.mkdir()
    left_out: list[str] = []
    allowance = Allowance()
    named = _safe(contents)
    packed = [name for name in named if name.endswith(ARCHIVES)]
    for name in named.keys() - set(packed):
        write_bytes(folder / name, named[name])
    for name in packed:
        aside = folder.with_name("packed") / name
        write_bytes(aside, named[name])
        left_out += unpack(aside, folder, allowance).left_out
        aside.unlink()
    return tuple(left_out)


def _refuse(contents: Contents, there: int = 0) -> None:
    size, most = sum(len(content) for _, content in contents), most_megabytes()
    if not contents:
        raise EngineError("No file was given. Choose at least one.")
    if there + len(contents) > MOST_FILES:
        raise EngineError(f"{there + len(contents)} files are more than the {MOST_FILES} that can be brought at once. "
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
    remove_whole(upload.folder)


def sweep(now: datetime) -> int:
    """Remove the uploads that are older than a day, and what is left of others; returns how many."""
    fresh = {upload.token for upload in every() if now - upload.at <= KEPT}
    old = [folder for folder in uploads_home().glob("[!.]*") if folder.name not in fresh]
    for folder in old:
        remove_whole(folder)
    return len(old) + files.sweep(uploads_home())
