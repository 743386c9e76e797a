"""What a limit is counted in: ones, cents or ten-thousandths where all its uses are whole in these, so sums are exact.

0.1 + 0.2 is more than 0.3 in floats; 10 and 20 cents are 30.
"""

from __future__ import annotations

import math

import numpy as np

from engine.decision.budget import kernels
from engine.prediction.treemodel import compiled

UNITS = (1, 100, 10_000)
ULPS = 4
ROUNDING = 1e-12
SURE = 0.05


def units_of(values: np.ndarray, use: np.ndarray) -> int:
    """How many units make one of what the limit counts: the first of UNITS in which every allowed use is whole; else 0.

    A use counts as whole where it is as near as arithmetic on its kind of float leaves it (ULPS), and that is surely no
    more than SURE of a unit; ones are never rounded.

    >>> offers = np.array([[30.0, 8.0, np.nan]])
    >>> [units_of(offers, np.array([[5.5, 0.1 + 0.2, other]])) for other in (1 / 3, np.nan)]
    [100, 100]
    >>> units_of(offers, np.array([5.0, 1.0, 0.0])), units_of(offers, np.array([5.0, 1 / 3, 0.0]))
    (1, 0)
    """
    use, precision = np.atleast_2d(use), np.finfo(use.dtype).eps
    allowed = values if use.shape == values.shape else np.zeros(use.shape)
    for units in UNITS:
        rounding = 0.0 if units == 1 else ULPS * precision
        if compiled(kernels.whole)(allowed, use, float(units), rounding, SURE, 2 / precision):
            return units
    return 0


def counted(use: np.ndarray, units: int) -> np.ndarray:
    """The uses in those units; as they are where there are none (0) or they are ones already.

    >>> counted(np.array([5.5, 0.1 + 0.2]), 100).tolist()
    [550.0, 30.0]
    """
    if units <= 1:
        return use
    scaled: np.ndarray = use * use.dtype.type(units)
    return np.rint(scaled, out=scaled)


def most_counted(most: float, units: int) -> float:
    """The limit in those units, without a part of one; as it is where there are none.

    >>> most_counted(0.29, 100), most_counted(11.009, 100), most_counted(0.1 + 0.2, 100), most_counted(1 / 3, 0)
    (29.0, 1100.0, 30.0, 0.3333333333333333)
    """
    if not units:
        return most
    exact = most * units
    near = float(round(exact))
    return near if abs(exact - near) <= min(ROUNDING * exact, SURE) else float(math.floor(exact))
