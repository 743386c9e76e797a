"""The few errors a user can act on. Everything else is a bug and stays loud.

    EngineError             the user can fix it; the message says what happened, where, and what to do
    ├── DataError           the data stop the work; carries every Finding, not only the first
    ├── Refused             the actor's role does not allow the verb
    └── Infeasible          no plan meets the constraints; names them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from engine.schema import Finding

T = TypeVar("T")


class EngineError(Exception):
    """What happened, where, and what to do, in one or two sentences."""


class DataError(EngineError):
    """The data stop the work. `findings` holds all of them."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(f"{finding.where}: {finding.what} {finding.fix}" for finding in self.findings))


class Refused(EngineError):
    """The actor may not do this; says which role may."""


class Infeasible(EngineError):
    """No plan meets the constraints; names the ones that clash."""


def choose(kind: str, name: str, registry: Mapping[str, T]) -> T:
    """The registry's member of that name, or an EngineError that lists the members there are.

    >>> choose("writer", "template", {"template": 1, "llm": 2})
    1
    >>> choose("writer", "poet", {"template": 1, "llm": 2})
    Traceback (most recent call last):
    engine.errors.EngineError: There is no writer 'poet'. Choose one of: llm, template.
    """
    if name in registry:
        return registry[name]
    raise EngineError(f"There is no {kind} {name!r}. Choose one of: {', '.join(sorted(registry))}.")
