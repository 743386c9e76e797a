"""Ways to recommend one thing for one customer: each picks a column of the priced offers, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.decision.economics import Priced
from engine.decision.treatments import Playbook

AUTO = "auto"
Pick = Callable[[Priced, np.ndarray, Playbook], int]


def by_margin(priced: Priced, bits: np.ndarray, _book: Playbook) -> int:
    """The allowed offer with the greatest expected incremental margin, if that is positive."""
    margin = np.where(bits[0] == 0, priced.margin[0], -np.inf)
    best = int(margin.argmax())
    return best if margin[best] > 0 else -1


def by_playbook(priced: Priced, bits: np.ndarray, book: Playbook) -> int:
    """The first step of the segment's list that is allowed; leaving alone where that comes first."""
    for name in book.segments[str(priced.people["segment"].iloc[0])]:
        if name not in priced.names:
            return -1
        if bits[0, priced.names.index(name)] == 0:
            return priced.names.index(name)
    return -1


METHODS: Mapping[str, Pick] = {"expected_margin": by_margin, "playbook": by_playbook}
AUTOMATIC = "expected_margin"

TYPES = {
    "persuadable": "would leave, and can be kept by contact",
    "sure thing": "would stay anyway: an offer would be given away",
    "lost cause": "would leave, and contact hardly changes that",
    "sleeping dog": "contact is expected to drive the customer away: leave alone",
}
PERSUADED = 0.02
LIKELY = 0.5


def types_of(p: np.ndarray, uplift: np.ndarray) -> np.ndarray:
    """Each customer's type, one of TYPES, by the chance to leave and the best uplift that an offer has.

    A sleeping dog has no uplift above 0; a persuadable at least 2 points of it; of the others those more likely to stay
    than to leave are sure things, the rest lost causes.

    >>> types_of(np.array([0.3, 0.1, 0.9, 0.3]), np.array([0.05, 0.005, 0.01, -0.02])).tolist()
    ['persuadable', 'sure thing', 'lost cause', 'sleeping dog']
    """
    kinds = [uplift <= 0, uplift >= PERSUADED, p < LIKELY]
    return np.select(kinds, ["sleeping dog", "persuadable", "sure thing"], "lost cause")
