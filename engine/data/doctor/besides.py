"""A file beside the customers' file: what a mapping's [[files]] says of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.data.doctor import cures
from engine.data.names import snake
from engine.errors import EngineError

TEXTS, LISTS = ("name", "key", "to", "through", "own", "time"), ("columns", "numeric", "dates")
BY_WORD = ("words", "without")
FLAGS = ("many", "unused", "leaving", "stops")
KEYS = {*TEXTS, *LISTS, *BY_WORD, *FLAGS, "cures"}


@dataclass(frozen=True)
class Beside:
    """A file beside the customers' file: what its columns are called by, and how its rows find their customer.

    key: its column that holds the value of the column `to` of the customers' file; or, where `through` names another
    file beside, that of the column `own` there. many: several rows per customer, gathered; `time` orders them.
    columns: by which it is known again. words: by column, the frequent words whose shares are counted. without: by
    column, words whose rows were written because a customer had left. leaving: all its rows were. stops: its rows stop
    when a customer leaves, so that those of the time in which customers left are not read, or none where it is leaving
    too. unused: it has nothing to do with the customers.
    """

    name: str
    key: str = ""
    to: str = ""
    through: str = ""
    own: str = ""
    many: bool = False
    unused: bool = False
    leaving: bool = False
    stops: bool = False
    time: str = ""
    columns: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cures: tuple[Mapping[str, Any], ...] = ()


def check(parts: object) -> tuple[Beside, ...]:
    """The files of a mapping's [[files]]; EngineError when one says what it must not, or lacks its key."""
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        raise EngineError(f"'files' in the mapping is {parts!r}. Write each as [[files]] with a name and a key.")
    for part in parts:
        needed = {"name", "columns"} if isinstance(part, Mapping) and part.get("unused") else {"name", "key"}
        if not isinstance(part, Mapping) or set(part) - KEYS or not needed <= set(part):
            raise EngineError(f"A [[files]] of the mapping needs name and key and may hold {', '.join(sorted(KEYS))}, "
                              f"but holds {part!r}.")
    return tuple(_beside(part) for part in parts)


def _beside(part: Mapping[str, Any]) -> Beside:
    texts = {name: str(part.get(name, "")) for name in TEXTS}
    lists = {name: tuple(map(str, part.get(name, ()))) for name in LISTS}
    by_word = {name: {str(column): tuple(map(str, values)) for column, values in dict(part.get(name, {})).items()}
               for name in BY_WORD}
    flags = {name: bool(part.get(name, False)) for name in FLAGS}
    told: dict[str, Any] = {**texts, **lists, **by_word, **flags}
    return Beside(**told, cures=cures.check(part.get("cures", ()))[0])


def without_afterwards(beside: Beside, known: Collection[str]) -> Beside:
    """The file without the rows of words whose shares are known only afterwards: they were written when a customer had
    left."""
    gone = {column: tuple(word for word in words if share_of(beside, column, word) in known)
            for column, words in beside.words.items()}
    kept = {column: tuple(word for word in words if word not in gone[column]) for column, words in beside.words.items()}
    return replace(beside, words=kept, without={column: words for column, words in gone.items() if words})


def rows_of(beside: Beside) -> str:
    """The column that says how many rows a customer has in a file with many."""
    return f"{snake(beside.name)}_rows"


def share_of(beside: Beside, column: str, word: str) -> str:
    """The column that says which share of a customer's rows has the word."""
    return f"{snake(beside.name)}_{snake(column)}_{snake(word)}"


def written(beside: Beside) -> dict[str, Any]:
    """The file as a mapping writes it, what is empty left out."""
    told = {name: getattr(beside, name) for name in (*TEXTS, *FLAGS, *LISTS, *BY_WORD, "cures")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items() if value}
