"""People against the model: where somebody on the save desk knew better, how often that was so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.evidence.proportions import share_of
from engine.schema import Estimate


@dataclass(frozen=True)
class Call:
    """What a person and the model said of one customer ("leaves" or "stays"), and what came."""

    human: str
    model: str
    came: str


@dataclass(frozen=True)
class Score:
    """Hit rates of both over the same customers [0..1], None without any; of how many they said different things, and
    how often the person was right there: above a half, people know something that the model does not. hindsight: how
    many spoke when it was known already, and count nowhere."""

    human: Estimate | None
    model: Estimate | None
    differed: int
    apart: Estimate | None
    hindsight: int = 0


def score(calls: Iterable[Call]) -> Score:
    """How often each was right.

    >>> told = score([Call("stays", "leaves", "stays"), Call("leaves", "leaves", "stays")])
    >>> told.human.value, told.model.value, told.differed
    (0.5, 0.0, 1)
    """
    known = list(calls)
    apart = [one for one in known if one.human != one.model]
    return Score(share_of(sum(one.human == one.came for one in known), len(known)),
                 share_of(sum(one.model == one.came for one in known), len(known)),
                 len(apart), share_of(sum(one.human == one.came for one in apart), len(apart)))
