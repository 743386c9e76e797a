"""How far two shares differ, over strata, with an interval that holds in small cells too.

The difference is Mantel and Haenszel's: each stratum counts n1 n0 / (n1 + n0). Where every stratum gives the same share
to the holdout, that is the mean over all customers. The interval is Miettinen and Nurminen's (Statistics in Medicine 4,
1985, 213-226), the set of differences that a score test with the variance under that difference does not reject,
stratified with those weights; it needs no leaver and no stayer in any cell. A stratum that lacks one side says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.schema import Estimate

CONFIDENCE = 0.95
HALVINGS = 44
EDGE = 1e-12
METHOD = "Mantel-Haenszel difference of shares, Miettinen-Nurminen score interval, 95 %"


@dataclass(frozen=True)
class Strata:
    """Counts per stratum with both sides: how many were held out and left, how many were treated and left.

    weights: what each stratum counts; they sum to `scale`, by which a difference of shares becomes what it is worth (1
    for shares themselves). customers: how many the comparison rests on.
    """

    held: np.ndarray
    held_left: np.ndarray
    treated: np.ndarray
    treated_left: np.ndarray
    weights: np.ndarray
    customers: int

    @staticmethod
    def of(treated: pd.Series, left: pd.Series, stratum: pd.Series) -> Strata:
        """The counts of customers whose outcome is known, weighted as Mantel and Haenszel do.

        Args:
            treated, left: 0 or 1 per customer, or bool. stratum: the customer's stratum.
        """
        return Strata.of_value(treated, left, stratum, pd.Series(1.0, left.index))

    @staticmethod
    def of_value(treated: pd.Series, left: pd.Series, stratum: pd.Series, value: pd.Series) -> Strata:
        """The same where customers count by what they are worth: shares of value that leave.

        A side of unequal values counts as the (sum v)^2 / sum v^2 customers that would scatter as much (Kish 1965).
        """
        mine = ("n", "v", "v2", "gone")
        frame = pd.DataFrame({"treated": treated.astype(bool).to_numpy(), "stratum": stratum.to_numpy(), "n": 1.0,
                              "v": value.to_numpy(float), "v2": value.to_numpy(float) ** 2,
                              "gone": value.to_numpy(float) * left.to_numpy(float)})
        sums = frame.groupby(["stratum", "treated"]).sum().unstack(fill_value=0.0)
        nothing = pd.Series(0.0, sums.index)
        sides = [np.array([sums.get((name, side), nothing) for name in mine]) for side in (False, True)]
        both = (sides[0][1] > 0) & (sides[1][1] > 0)
        (n0, v0, squares0, gone0), (n1, v1, squares1, gone1) = (side[:, both] for side in sides)
        held, treated_ones, usual = v0**2 / squares0, v1**2 / squares1, n0 * n1 / (n0 + n1)
        return Strata(held, held * gone0 / v0, treated_ones, treated_ones * gone1 / v1,
                      usual / max(usual.sum(), EDGE) * (v0 + v1) / (n0 + n1), int(n0.sum() + n1.sum()))

    @property
    def scale(self) -> float:
        """What a difference of shares of 1 is worth per customer."""
        total = float(self.weights.sum())
        return 1.0 if math.isclose(total, 1, rel_tol=1e-12) else total  # weights that add up to 1 may miss it by bits


def difference(strata: Strata, confidence: float = CONFIDENCE) -> Estimate | None:
    """Share of leavers among those held out minus among those treated, times the scale; positive is good.

    None where nothing compares.

    >>> held, treated = pd.Series([0] * 70), pd.Series([1] * 80)
    >>> left = pd.Series([1] * 56 + [0] * 14 + [1] * 48 + [0] * 32)
    >>> both = pd.concat([held, treated], ignore_index=True)
    >>> print(difference(Strata.of(both, left, pd.Series("all", both.index))))
    0.200 [0.053, 0.338], n = 150
    """
    if not len(strata.held):
        return None
    from scipy.stats import norm

    weights = strata.weights / strata.scale
    weighed = float(weights @ (strata.held_left / strata.held - strata.treated_left / strata.treated))
    value = min(1.0, max(-1.0, weighed))
    z = float(norm.ppf((1 + confidence) / 2))

    def rejects(delta: float) -> bool:
        return abs(value - delta) > z * math.sqrt(_variance(strata, weights, delta))

    low, high = _edge(rejects, value, -1 + EDGE), _edge(rejects, value, 1 - EDGE)
    value, low, high = (strata.scale * one for one in (value, low, high))
    return Estimate(value, low, high, strata.customers, METHOD)


def _edge(rejects: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where the test begins to reject between two differences, by halving."""
    inside = min(max(inside, -1 + EDGE), 1 - EDGE)
    if not rejects(outside):
        return round(outside)
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if rejects(middle) else (middle, outside)
    return inside


def _variance(strata: Strata, weights: np.ndarray, delta: float) -> float:
    """Variance of the weighted difference if every stratum differed by delta."""
    n1, n0 = strata.held, strata.treated
    p1, p0 = shares_given(strata, delta)
    total = n1 + n0
    each = (p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) * total / np.maximum(total - 1, 1)
    return float(weights**2 @ each)


def shares_given(strata: Strata, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest shares (held out, treated) per stratum that differ by delta: a cubic's root in closed form."""
    n1, n0, x0 = strata.held, strata.treated, strata.treated_left
    total, left = n1 + n0, strata.held_left + x0
    third = total
    second = (n1 + 2 * n0) * delta - total - left
    first = (n0 * delta - total - 2 * x0) * delta + left
    constant = x0 * delta * (1 - delta)
    q = second**3 / (3 * third) ** 3 - first * second / (6 * third**2) + constant / (2 * third)
    p = np.sign(q) * np.sqrt(np.maximum(second**2 / (3 * third) ** 2 - first / (3 * third), 0))
    cosine = np.divide(q, p**3, out=np.zeros_like(q), where=p**3 != 0)
    angle = (np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3
    treated = np.clip(2 * p * np.cos(angle) - second / (3 * third), max(0.0, -delta), min(1.0, 1 - delta))
    return treated + delta, treated


def share_of(hits: int, n: int, confidence: float = CONFIDENCE) -> Estimate | None:
    """A share with Wilson's score interval (Journal of the American Statistical Association 22, 1927); None of nobody.

    >>> print(share_of(8, 10))
    0.800 [0.490, 0.943], n = 10
    """
    if n == 0:
        return None
    from scipy.stats import norm

    z, value = float(norm.ppf((1 + confidence) / 2)), hits / n
    centre = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Estimate(value, max(centre - reach, 0.0), min(centre + reach, 1.0), n, "Wilson score interval, 95 %")
