"""Sector playbooks: what a team can do, and the next steps it takes for each segment. A new sector is one TOML file."""

from __future__ import annotations

from pathlib import Path

from engine.decision.playbook_checks import read
from engine.decision.treatments import (
    LEAVE_ALONE,
    MOST_STEPS,
    STRENGTH,
    WIN_BACK,
    Channel,
    Guardrails,
    Playbook,
    Range,
    Treatment,
)
from engine.errors import DataError, choose
from engine.schema import Finding

__all__ = [
    "LEAVE_ALONE", "MOST_STEPS", "PLAYBOOKS", "STRENGTH", "WIN_BACK", "Channel", "Guardrails", "Playbook", "Range",
    "Treatment", "check", "load", "parsed", "playbook", "playbook_files", "shipped", "shipped_text",
]
PLAYBOOKS = Path(__file__).resolve().parents[2] / "data" / "playbooks"
WITHOUT_ONE = "general"


def playbook(sector: str, folder: Path = PLAYBOOKS) -> Playbook:
    """The sector's playbook.

    Raises:
        EngineError: if there is no such sector, or its file breaks the contract; names every line and entry that does.

    >>> playbook("telecom").steps("Champion", {})[0].name
    'leave_alone'
    """
    return load(choose("playbook for the sector", sector, playbook_files(folder)))


def shipped(sector: str, folder: Path = PLAYBOOKS) -> Playbook:
    """The sector's playbook as it is shipped; the general one where the sector has none yet.

    >>> shipped("astrology").sector
    'general'
    """
    return playbook(sector if sector in playbook_files(folder) else WITHOUT_ONE, folder)


def shipped_text(sector: str, folder: Path = PLAYBOOKS) -> str:
    """The text of that file, for somebody to begin with."""
    files = playbook_files(folder)
    return files[sector if sector in files else WITHOUT_ONE].read_text(encoding="utf-8")


def playbook_files(folder: Path = PLAYBOOKS) -> dict[str, Path]:
    """The playbook files by sector."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(path: Path) -> Playbook:
    """The playbook in that file, checked."""
    return parsed(path.read_text(encoding="utf-8"), path.name)


def parsed(text: str, name: str) -> Playbook:
    """The playbook in the text, checked; `name` is what an error calls it.

    Raises:
        DataError: when it breaks the contract; carries every mistake with its line, entry and cure.
    """
    book, findings = read(text, name)
    if book is None:
        raise DataError(findings)
    return book


def check(text: str, name: str = "playbook.toml") -> list[Finding]:
    """Every mistake in the text, each with its line, entry and cure; none where it is a playbook.

    >>> [finding.where for finding in check('sector = 5', "mine.toml")][:1]
    ['mine.toml, line 1']
    """
    return read(text, name)[1]
