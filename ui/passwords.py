"""Passwords: which are good enough, and how they are kept and checked (bcrypt, by streamlit-authenticator's hasher)."""

from __future__ import annotations

import functools
import importlib.util
import secrets
import unicodedata
from pathlib import Path
from typing import Any

from engine.errors import EngineError

SHORTEST = 12
LONGEST_BYTES = 72  # bcrypt knows no more
FEWEST_DIFFERENT = 5
READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # no 0, 1, i, l, o: they are read aloud and typed again
OBVIOUS = frozenset({
    "administrator", "changemechangeme", "correcthorsebatterystaple", "holdfastholdfast", "iloveyouiloveyou",
    "letmeinletmein", "password1234", "password12345", "password123456", "password2024", "password2025", "password2026",
    "passwordpassword", "qwertyqwerty", "qwertyuiop12", "qwertyuiop123", "qwertyuiopasdf", "qwertzuiopasdf",
    "welcome12345", "welcome123456", "welcomewelcome", "123456789012", "1234567890123", "12345678901234",
    "1234567890qwerty", "0123456789012", "1q2w3e4r5t6y", "1qaz2wsx3edc", "abcdefghijkl", "abcdefghijklm",
})


def check(password: str, name: str) -> None:
    """Let a new password of the user pass, or raise EngineError with what it takes.

    >>> check("Password1234", "ana")
    Traceback (most recent call last):
    engine.errors.EngineError: That password is among the first that anybody tries. Choose another one.
    """
    plain = _same_bytes(password)
    if len(plain) < SHORTEST:
        raise EngineError(f"A password takes at least {SHORTEST} characters; a sentence is easy to remember.")
    if len(plain.encode()) > LONGEST_BYTES or "\0" in plain:
        raise EngineError(f"A password takes at most {LONGEST_BYTES} bytes: as many letters, fewer accents or signs.")
    if plain.lower() in OBVIOUS or plain.lower() == name or len(set(plain.lower())) < FEWEST_DIFFERENT:
        raise EngineError("That password is among the first that anybody tries. Choose another one.")


def _same_bytes(password: str) -> str:
    """One spelling of the same characters, whichever keyboard typed them; what no keyboard types becomes "?"."""
    return unicodedata.normalize("NFKC", password).encode(errors="replace").decode()


def hashed(password: str) -> str:
    """What is kept of a password that has passed `check`."""
    return _hasher().hash(_same_bytes(password))


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password; without a user to hold it against (None) it takes as long and is not."""
    plain = _same_bytes(password)
    possible = len(plain.encode()) <= LONGEST_BYTES and "\0" not in plain
    right = bool(_hasher().check_pw(plain if possible else "x", kept or _nobodys()))
    return right and possible and kept is not None


def made_up() -> str:
    """A new password to hand to somebody: 16 signs, about 79 bits, in groups that can be read aloud."""
    return "-".join("".join(secrets.choice(READABLE) for _ in range(4)) for _ in range(4))


@functools.cache
def _nobodys() -> str:
    return hashed(secrets.token_hex())


@functools.cache
def _hasher() -> Any:
    """The package's hasher, and nothing else of it: its widgets, tokens and component stay out of the server."""
    package = importlib.util.find_spec("streamlit_authenticator")
    assert package is not None and package.submodule_search_locations, "requirements.txt names it."
    path = Path(package.submodule_search_locations[0]) / "utilities" / "hasher.py"
    spec = importlib.util.spec_from_file_location("streamlit_authenticator_hasher", path)
    assert spec is not None and spec.loader is not None, f"{path} is a module."
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Hasher
