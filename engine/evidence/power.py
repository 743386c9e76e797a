"""How many customers it takes to tell an effect on a share: the normal formula, its variance pooled under no effect.

Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 3rd ed. 2003, section 4.3 (unequal sides: 4.4).
"""

from __future__ import annotations

import math

from engine.errors import EngineError

POWER = 0.80
SIGNIFICANCE = 0.05


def per_side(untreated: float, treated: float, ratio: float = 1.0, power: float = POWER,
             significance: float = SIGNIFICANCE) -> tuple[int, int]:
    """How many to hold out and how many to treat (`ratio` as many), to tell these two shares apart; two-sided.

    Raises:
        EngineError: when the shares are equal or not within 0..1, or the ratio is not positive.

    >>> per_side(0.10, 0.12), per_side(0.2654, 0.2454)
    ((3841, 3841), (7462, 7462))
    """
    if not (0 <= untreated <= 1 and 0 <= treated <= 1 and untreated != treated and ratio > 0):
        raise EngineError(f"No number of customers tells {untreated:g} from {treated:g} (ratio {ratio:g}). Give two "
                          "different shares within 0..1 and a positive ratio.")
    from scipy.stats import norm

    alpha, beta = norm.ppf(1 - significance / 2), norm.ppf(power)
    mean = (untreated + ratio * treated) / (1 + ratio)
    null = math.sqrt((ratio + 1) * mean * (1 - mean))
    real = math.sqrt(ratio * untreated * (1 - untreated) + treated * (1 - treated))
    held = (alpha * null + beta * real) ** 2 / (ratio * (untreated - treated) ** 2)
    return math.ceil(held - 1e-9), math.ceil(held * ratio - 1e-9)


def campaign_size(untreated: float, uplift: float, holdout_share: float) -> int | None:
    """How many customers a campaign needs, holdout included, to tell that uplift; None where no number does.

    >>> campaign_size(0.12, 0.02, 0.5)
    7682
    """
    if not (0 < holdout_share < 1 and 0 < uplift <= untreated <= 1):
        return None
    return sum(per_side(untreated, untreated - uplift, (1 - holdout_share) / holdout_share))
