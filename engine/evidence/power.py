"""How many customers it takes to tell an effect on a share: the normal formula, its variance pooled under no effect.

Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 3rd ed. 2003, section 4.3 (unequal sides: 4.4).
"""

from __future__ import annotations

import math

from engine.errors import EngineError
from engine.schema import about

POWER = 0.80
SIGNIFICANCE = 0.05
HALVINGS = 40


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


def least_told(untreated: float, held: int, treated: int) -> float | None:
    """The smallest uplift that so many held out and treated tell from nothing; None where they tell none at all.

    >>> round(least_told(0.12, 3841, 3841), 3), least_told(0.01, 3, 27)
    (0.02, None)
    """
    if not (held and treated and 0 < untreated <= 1) or per_side(untreated, 0.0, treated / held)[0] > held:
        return None
    small, large = 0.0, untreated
    for _ in range(HALVINGS):
        middle = (small + large) / 2
        enough = per_side(untreated, untreated - middle, treated / held)[0] <= held
        small, large = (small, middle) if enough else (middle, large)
    return large


def foretold(untreated: float, uplift: float, held: int, treated: int) -> str:
    """Whether a campaign can show what its plan expects, in words, to be read before it begins; "" without a holdout.

    untreated: their mean chance to leave. uplift: what the plan expects of those treated, on average.

    >>> print(foretold(0.30, 0.10, 300, 700))
    Enough to show it: with 300 held out, an effect shows from about 59 saves on, four times in five; the plan expects \
70.
    """
    if not (held and treated):
        return ""
    least, expected = least_told(untreated, held, treated), _saves(uplift * treated)
    if least is None:
        return (f"Too few to show anything: with {held:,} held out, chance could do as much even if nobody treated "
                f"left; the plan expects {expected} saves.")
    known = (f"with {held:,} held out, an effect shows from about {_saves(least * treated)} saves on, four times in "
             f"five; the plan expects {expected}.")
    if uplift >= least:
        return f"Enough to show it: {known}"
    size = campaign_size(untreated, uplift, held / (held + treated))
    return f"Too few to show it: {known}" + (f" It would take about {about(size)} customers, the same share held out."
                                             if size else "")


def _saves(number: float) -> str:
    return about(number) if number >= 10 else f"{number:.1f}"
