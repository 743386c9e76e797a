"""Which Holdfast this is."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path


@functools.cache
def version() -> str:
    """The number in pyproject.toml.

    >>> version().count(".")
    2
    """
    project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    found: str = project["project"]["version"]
    return found
