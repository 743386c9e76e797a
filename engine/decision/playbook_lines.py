"""On which line of a TOML text each entry stands, which `tomllib` does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]


def lines_of(text: str) -> dict[Path, int]:
    """The line of each table, key and list item of a valid TOML text, the first line being 1.

    A statement is the shortest run of lines that is valid TOML alone, so whatever TOML allows is understood. An entry
    of an inline table stands where the table begins; of a list item the line where it ends is told.

    >>> lines_of('sector = "x"\\n[a.b]\\nwhen = [\\n  "one",\\n  "two",\\n]\\nonly = {c = 1}')[("a", "b", "when", 1)]
    5
    """
    found: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        entries = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _deepest(entries)
            found.setdefault(table, line)
        else:
            for path in _paths(entries, table):
                found.setdefault(path, line)
            found.update(_items(statement, entries, table, line))
    return found


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of the entry, or of the nearest table around it that the text names; 1 for the head of the file.

    >>> line_of({("a",): 4}, ("a", "missing"))
    4
    """
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), 1)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the line on which it begins; blank lines and comments are none."""
    lines, at = text.splitlines(), 0
    while at < len(lines):
        end = next(end for end in range(at + 1, len(lines) + 1) if _whole("\n".join(lines[at:end])))
        statement = "\n".join(lines[at:end])
        if statement.strip() and not statement.lstrip().startswith("#"):
            yield at + 1, statement
        at = end


def _whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _deepest(entries: Mapping[str, Any]) -> Path:
    """The path of the table that a header alone opens."""
    path: list[str] = []
    inner: Any = entries
    while isinstance(inner, Mapping) and inner:
        name, inner = next(iter(inner.items()))
        path.append(name)
    return tuple(path)


def _paths(entries: Mapping[str, Any], table: Path) -> Iterator[Path]:
    for name, value in entries.items():
        yield (*table, name)
        if isinstance(value, Mapping):
            yield from _paths(value, (*table, name))


def _items(statement: str, entries: Mapping[str, Any], table: Path, line: int) -> dict[Path, int]:
    """The line on which each item of a list ends."""
    name, values = next(iter(entries.items()))
    if not isinstance(values, list):
        return {}
    lines = statement.splitlines()
    found: dict[Path, int] = {}
    for number in range(len(lines)):
        begun = "\n".join(lines[: number + 1]) + ("" if number + 1 == len(lines) else "\n]")
        so_far = tomllib.loads(begun)[name] if _whole(begun) else []
        for item in range(len(so_far)):
            found.setdefault((*table, name, item), line + number)
    return found
