"""What the audit log calls a customer: a keyed hash, so that the log can stay for ever and an erased customer cannot.

Who knows an id can find its lines; who only has the log cannot get at the ids without the key, data/audit.key, which is
made at first use and read by its owner alone. Without the key the lines stay, and nobody can tell whose they are.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.files import home, writing

KEY_BYTES = 32
DIGITS = 32
NAMED = {"customer_id": "customer", "customer_ids": "customers"}


def pseudonym(customer_id: str) -> str:
    """32 hexadecimal digits that stand for the id: the same for the same id and key (HMAC-SHA256, shortened)."""
    return next(pseudonyms([customer_id]))


def pseudonyms(texts: Iterable[str]) -> Iterator[str]:
    """The pseudonym of each text, in order; the key is read once."""
    key = _key()
    return (hmac.digest(key, text.encode(), "sha256").hex()[:DIGITS] for text in texts)


def pseudonymous(detail: Any) -> Any:
    """The plain value with every `customer_id` and `customer_ids` in it as the pseudonym."""
    if isinstance(detail, Mapping):
        return dict(_item(name, value) for name, value in detail.items())
    return [pseudonymous(item) for item in detail] if isinstance(detail, list) else detail


def _item(name: str, value: Any) -> tuple[str, Any]:
    if name not in NAMED:
        return name, pseudonymous(value)
    hidden = [pseudonym(str(one)) for one in value] if isinstance(value, list) else pseudonym(str(value))
    return NAMED[name], hidden


def _key() -> bytes:
    """This home's key; made when there is none, by one process if several begin at once."""
    path = home() / "data" / "audit.key"
    if not path.exists():
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _make(path)
    return path.read_bytes()


def _make(path: Path) -> None:
    """A key is whole under its name or not there: written aside, then linked, which fails where one has come before."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    aside.touch(0o600)
    try:
        aside.write_bytes(secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()
