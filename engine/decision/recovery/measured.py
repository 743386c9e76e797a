"""What past randomised offers kept: the share of would-be leavers who stayed because of an offer, with its interval.

Past offers were drawn by chance with a known propensity, so those who got one and those kept without differ by the
offer alone once each is weighted by 1 / propensity (Hajek's ratio). With m the weighted share who left,

    recovery rate = 1 - m(treated) / m(control)

and its 90 % interval comes from the logarithm of that ratio, Var = v1 / m1^2 + v0 / m0^2, v the variance of a weighted
mean: Katz, Baptista, Azen and Pike (1978), Biometrics 34(3), 469-474. It is negative where an offer drove people away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.schema import Estimate

LEAST_LEFT = 30
Z90 = 1.6448536269514722


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: customers, those of them who left, and sums of w, w^2 and the same over the leavers,
    w = 1 / propensity."""

    customers: int
    left: int
    weight: float
    weight_left: float
    squared: float
    squared_left: float

    @property
    def share(self) -> float:
        """The weighted share who left [0..1]."""
        return self.weight_left / self.weight

    @property
    def relative_variance(self) -> float:
        """The variance of that share, divided by its square."""
        squares = self.squared_left * (1 - 2 * self.share) + self.squared * self.share**2
        return squares / self.weight**2 / self.share**2


def enough(treated: Arm, control: Arm) -> bool:
    """Whether at least 30 left on either side: below that the interval cannot be trusted."""
    return min(treated.left, control.left) >= LEAST_LEFT


def kept_share(treated: Arm, control: Arm, what: str) -> Estimate:
    """The share of would-be leavers whom the offer kept, with its 90 % interval; `what` was offered, in words.

    >>> half, all_ = Arm(400, 50, 400, 50, 400, 50), Arm(400, 100, 400, 100, 400, 100)
    >>> print(kept_share(half, all_, "a call"))
    0.500 [0.351, 0.615], n = 800
    """
    ratio = treated.share / control.share
    spread = math.exp(Z90 * math.sqrt(treated.relative_variance + control.relative_variance))
    return Estimate(1 - ratio, 1 - ratio * spread, 1 - ratio / spread, treated.customers + control.customers,
                    f"past randomised offers: {what} against none, weighted by 1 / propensity, 90 % interval")


def strength_of(measured: Estimate) -> float:
    """The strength of the Beta whose mean and spread are those measured: m (1 - m) / s^2 - 1, at least 1.

    >>> round(strength_of(Estimate(0.3, 0.2, 0.4, 800, "")))
    56
    """
    mean, deviation = min(max(measured.value, 0.01), 0.99), (measured.high - measured.low) / (2 * Z90)
    return max(mean * (1 - mean) / deviation**2 - 1, 1.0)
