"""The only clock of the screens and of the door."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The moment, naive UTC, to the second."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
