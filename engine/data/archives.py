"""Archives in: the members of a zip, or what a gzip holds, become plain files; what could harm is refused by name.

Sizes are counted while they are written, for an archive may lie about them. A member's name never becomes a path.
"""

from __future__ import annotations

import gzip
import re
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from engine.data.readers import READABLE
from engine.errors import EngineError
from engine.files import CHUNK_BYTES, safe_name, writing
from engine.limits import MEGABYTE, setting

ARCHIVES = (".zip", ".gz")
PACKED = (*ARCHIVES, ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz", ".zst", ".lz4", ".jar")
FREE_BYTES = 100 * MEGABYTE
ENCRYPTED = 0x1
BROKEN = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, gzip.BadGzipFile, RuntimeError,
          ValueError, OSError, UnicodeError)
LEAFLETS = re.compile(r"(?:read[ _-]?me|licen[cs]e|copying|changelog)\b|"
                      r"[\w-]*(?:meta_?data|manifest|package|schema)[\w-]*\.json$", re.IGNORECASE)


@dataclass
class Allowance:
    """What one reading may still put aside; whoever asks for more is refused with the setting's name."""

    bytes_left: int = field(default_factory=lambda: setting("HOLDFAST_SOURCE_MB") * MEGABYTE)
    files_left: int = field(default_factory=lambda: setting("HOLDFAST_SOURCE_FILES"))

    def take(self, size: int, where: str) -> None:
        """Note that so many bytes more were written."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            most = setting("HOLDFAST_SOURCE_MB")
            raise EngineError(f"{where} holds more than the {most:,} MB that may be put aside. Bring less at once, or "
                              "set HOLDFAST_SOURCE_MB.")

    def take_files(self, count: int, where: str) -> None:
        """Note that so many files more are read."""
        self.files_left -= count
        if self.files_left < 0:
            raise EngineError(f"{where} brings more than the {setting('HOLDFAST_SOURCE_FILES'):,} files that are read "
                              "at once. Join those of one kind, or set HOLDFAST_SOURCE_FILES.")


@dataclass(frozen=True)
class Unpacked:
    """The plain files, and by name the members that were left out because nothing here reads them."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()


def unpack(path: Path, into: Path, allowance: Allowance, member: str = "") -> Unpacked:
    """The archive's readable members (or the one of that name) as plain files in `into`.

    Raises:
        EngineError: for an archive that is damaged, encrypted, too big or too dense, that holds links or archives, or
            whose members' names lead out of it.
    """
    return UNPACK[path.suffix.lower()](path, into, allowance, member)


def is_wanted(name: str) -> bool:
    """Whether a file of that name is likely to hold data.

    >>> is_wanted("2024/orders.CSV"), is_wanted("README.txt"), is_wanted("__MACOSX/._orders.csv")
    (True, False, False)
    >>> is_wanted("orders.json"), is_wanted("datapackage.json")
    (True, False)
    """
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "~$", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in READABLE and not hidden and not LEAFLETS.match(path.name)


def _damaged(path: Path, problem: Exception) -> EngineError:
    return EngineError(f"{path.name} is not a whole archive ({str(problem)[:100] or type(problem).__name__}). Copy or "
                       "pack it again.")


# --------------------------------------------------------------------------------------------------------- zip

def _unzip(path: Path, into: Path, allowance: Allowance, member: str) -> Unpacked:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            for info in members:
                _refuse_member(path.name, info)
            wanted = _chosen(path.name, members, member)
            allowance.take_files(len(wanted), path.name)
            taken = tuple(_taken(archive, info, path, free_place(into, info.filename), allowance) for info in wanted)
    except BROKEN as problem:
        raise _damaged(path, problem) from problem
    return Unpacked(taken, () if member else tuple(info.filename for info in members if info not in wanted))


def _refuse_member(archive: str, info: zipfile.ZipInfo) -> None:
    """EngineError for a member that is no plain file within its archive."""
    name, told = info.filename, f"{archive} holds {info.filename[-80:]!r}"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise EngineError(f"{told}, a name that leads out of the archive. Pack it again without such names.")
    if kind not in (0, stat.S_IFREG):
        raise EngineError(f"{told}, which is a link or a device and no file. Pack the files themselves.")
    if info.flag_bits & ENCRYPTED:
        raise EngineError(f"{told}, which is encrypted. Unpack it, or pack it again without a password.")
    if PurePosixPath(name).suffix.lower() in PACKED and not name.startswith("__MACOSX"):
        raise EngineError(f"{told}, an archive within an archive. Unpack the outer one first.")


def _chosen(archive: str, members: list[zipfile.ZipInfo], member: str) -> list[zipfile.ZipInfo]:
    names = ", ".join(info.filename[-60:] for info in members[:20]) or "nothing"
    wanted = [info for info in members if info.filename == member or (not member and is_wanted(info.filename))]
    if not wanted:
        about = f"no member {member!r}" if member else "no file that is read here"
        raise EngineError(f"{archive} holds {about}; it holds: {names}. Pack or name one of: {', '.join(READABLE)}.")
    return wanted[:1] if member else wanted


def _taken(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, target: Path, allowance: Allowance) -> Path:
    if Path(info.filename).suffix.lower() not in READABLE:
        raise EngineError(f"{path.name}: {info.filename[-80:]!r} is of a kind that is not read. Name one of: "
                          f"{', '.join(READABLE)}.")
    with archive.open(info) as packed:
        _copy(packed, target, f"{path.name}: {info.filename[-80:]}", lambda: info.compress_size, allowance)
    return target


# -------------------------------------------------------------------------------------------------------- gzip

def _gunzip(path: Path, into: Path, allowance: Allowance, member: str) -> Unpacked:
    if member:
        raise EngineError(f"{path.name} holds one file and no {member!r}. Give it without ::.")
    if Path(path.stem).suffix.lower() not in READABLE:
        raise EngineError(f"{path.name} does not say what it holds. Name it like orders.csv.gz: {', '.join(READABLE)} "
                          "are read.")
    allowance.take_files(1, path.name)
    target = free_place(into, path.stem)
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) as packed:
            _copy(packed, target, path.name, raw.tell, allowance)
    except BROKEN as problem:
        raise _damaged(path, problem) from problem
    return Unpacked((target,))


UNPACK: dict[str, Callable[[Path, Path, Allowance, str], Unpacked]] = {".zip": _unzip, ".gz": _gunzip}


# ------------------------------------------------------------------------------------------------------ copying

def _copy(packed: IO[bytes] | gzip.GzipFile, target: Path, where: str, packed_bytes: Callable[[], int],
          allowance: Allowance) -> None:
    """Write the bytes, counted; what grows beyond the ratio or the allowance is refused while it grows."""
    written, ratio = 0, setting("HOLDFAST_SOURCE_RATIO")
    with writing(target), target.open("xb") as file:
        while chunk := packed.read(CHUNK_BYTES):
            written += len(chunk)
            allowance.take(len(chunk), where)
            if written > FREE_BYTES and written > ratio * max(packed_bytes(), 1):
                raise EngineError(f"{where} grows to more than {ratio} times its packed size, as a zip bomb does. "
                                  "Unpack it yourself if it is yours, or set HOLDFAST_SOURCE_RATIO.")
            _write(file, chunk)


def _write(file: IO[bytes], chunk: bytes) -> None:
    file.write(chunk)


def free_place(into: Path, name: str) -> Path:
    """A path in the folder that nothing has taken, under the safe form of the name."""
    plain = safe_name(name)
    taken = {path.name.lower() for path in into.iterdir()}
    names = (plain, *(f"{number}-{plain}" for number in range(2, len(taken) + 3)))
    return into / next(free for free in names if free.lower() not in taken)
