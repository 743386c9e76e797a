"""What each role may, in words: read from the engine's permissions, so that they cannot say otherwise."""

from __future__ import annotations

import engine
from engine.permissions import ROLES
from engine.schema import Actor

MAY = {  # what people call it -> the verb that decides
    "Overviews, segments, returns, models: figures about all customers together": "overview",
    "Single customers: search, lists, their chance to leave and why": "customers",
    "Names, addresses and numbers": "contact",
    "Exports of lists": "export",
    "Bring data, train, promote models": "run",
    "Answer findings that need a person": "answer",
    "Erase a customer or a dataset everywhere": "erase",
    "People and roles, audit log, backup and restore": "users",
}


def may(role: str) -> dict[str, bool]:
    """What the role may, and what not."""
    return {words: engine.may(Actor("", role), verb) for words, verb in MAY.items()}


def compared() -> list[dict[str, str]]:
    """One row for each thing one can do, one column for each role."""
    able = {role: may(role) for role in ROLES}
    return [{"May": words} | {role.capitalize(): "yes" if able[role][words] else "no" for role in ROLES}
            for words in MAY]
