"""The holdout: who is kept untreated to measure what the others gain. Drawn by customer id and seed, stratified.

Each customer's place in the queue of the stratum is a hash of seed and id: the same whoever asks, in any order, and
unrelated to anything known about the customer. How many each stratum gives is the systematic rounding of its share
(Cochran, Sampling Techniques, 3rd ed., section 8.1): every customer's chance is the share exactly, and the total is
within one of it, however small the strata are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from engine.errors import EngineError

DEFAULT_SHARE = 0.10
MOST_SHARE = 0.5
STRATA = ("segment", "treatment")
WIDTH = 2.0**64


def draw(rows: pd.DataFrame, seed: int, share: float = DEFAULT_SHARE, by: Sequence[str] = STRATA) -> pd.Series:
    """Whether each customer is held out (bool, the rows' index); `rows` has customer_id and the columns of the strata.

    Raises:
        EngineError: when the share is not within 0..0.5.

    >>> rows = pd.DataFrame({"customer_id": list("abcdefghij"), "segment": "Champion", "treatment": "call"})
    >>> int(draw(rows, seed=1, share=0.2).sum())
    2
    """
    if not 0 <= share <= MOST_SHARE:
        raise EngineError(f"The holdout's share is {share:g}; give one within 0..{MOST_SHARE:g}. 0.1 is the default.")
    place = pd.Series(places(rows["customer_id"], seed), rows.index)
    stratum = rows.astype(dict.fromkeys(by, str)).groupby(list(by)).ngroup()
    most = stratum.map(_quotas(stratum.value_counts().sort_index(), seed, share))
    return place.groupby(stratum).rank(method="first") <= most


def places(customer_ids: Iterable[str], seed: int) -> np.ndarray:
    """Each customer's place in 0..1: SHA-256 of seed and id."""
    return np.array([_unit(f"{seed}:{customer_id}") for customer_id in customer_ids], dtype=float)


def _unit(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / WIDTH


def _quotas(sizes: pd.Series, seed: int, share: float) -> pd.Series:
    """How many each stratum gives: one systematic sweep over all of them from a start that the seed decides."""
    ends = np.floor(_unit(f"{seed}:start") + share * sizes.cumsum().to_numpy() + 1e-9)
    return pd.Series(np.diff(ends, prepend=0.0), sizes.index)
