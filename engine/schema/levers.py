"""What a team can change about a customer; everything else is a fact of the customer's life."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Lever:
    """One thing that a team can change.

    column: the customers column that changes. words: how, as an instruction. moves: from each value, the values that
    it can be moved to and how many steps away each is. cuts: for a number, the shares by which it can be lowered, each
    one step further than the one before.
    """

    column: str
    words: str
    moves: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    cuts: tuple[float, ...] = ()

    def options(self, value: object) -> dict[Any, int]:
        """The values that can be offered to a customer who has this one, and how many steps away each is.

        >>> Lever("bill", "Lower the bill.", cuts=(0.05, 0.10)).options(80.0)
        {76.0: 1, 72.0: 2}
        >>> Lever("contract", "Offer a contract.", {"monthly": {"yearly": 1}}).options("yearly")
        {}
        """
        if not self.cuts:
            return dict(self.moves.get(str(value), {}))
        if not isinstance(value, (int, float)) or math.isnan(value) or value <= 0:
            return {}
        return {round(value * (1 - cut), 2): step for step, cut in enumerate(self.cuts, start=1)}
