"""Money over time: settings, discounting, and the split of a future into staying and leaving.

One window splits every future: a customer leaves within the label window or does not. What is earned in each case is
kept apart, so that churn is counted once, where the two are mixed by the calibrated churn probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineError

Floats = NDArray[np.float64]
DAYS_PER_MONTH = 365.25 / 12
NEVER = 1e-9


@dataclass(frozen=True)
class LtvSettings:
    """What lifetime value rests on beside the data.

    margin_rate: share of revenue that is margin [0..1]. horizon_days: how far value is counted [days].
    annual_discount: what a year's wait costs, 0.10 = 10 %.

    >>> LtvSettings(horizon_days=0)
    Traceback (most recent call last):
    engine.errors.EngineError: horizon_days is 0. Choose an LTV horizon of 1 day or more: 730.
    """

    margin_rate: float = 0.30
    horizon_days: int = 730
    annual_discount: float = 0.10

    def __post_init__(self) -> None:
        if self.horizon_days < 1:
            raise EngineError(f"horizon_days is {self.horizon_days}. Choose an LTV horizon of 1 day or more: 730.")
        if not 0 < self.margin_rate <= 1:
            raise EngineError(f"margin_rate is {self.margin_rate}. Choose a share of revenue above 0 and up to 1.")
        if not 0 <= self.annual_discount < 10:
            raise EngineError(f"annual_discount is {self.annual_discount}. Choose a yearly rate such as 0.10.")


@dataclass(frozen=True)
class Split:
    """What the horizon brings per customer in the two cases, and for how long.

    if_stays, if_leaves: discounted margin [currency] if the customer does not or does leave within the label window;
    months_if_stays, months_if_leaves: months as a customer within the horizon.
    """

    if_stays: Floats
    if_leaves: Floats
    months_if_stays: Floats
    months_if_leaves: Floats

    def expected(self, churn_probability: Floats) -> Floats:
        """Discounted margin, churn counted once [currency]: (1 - p) if_stays + p if_leaves.

        >>> half = np.array([0.5])
        >>> Split(np.array([100.0]), np.array([10.0]), half, half).expected(np.array([0.2]))
        array([82.])
        """
        return (1 - churn_probability) * self.if_stays + churn_probability * self.if_leaves

    def expected_months(self, churn_probability: Floats) -> Floats:
        """Months as a customer within the horizon, churn counted once."""
        return (1 - churn_probability) * self.months_if_stays + churn_probability * self.months_if_leaves

    def times(self, rate: Floats) -> Split:
        """The same split with `rate` times the money, such as a margin rate applied to a split per unit of margin."""
        return Split(self.if_stays * rate, self.if_leaves * rate, self.months_if_stays, self.months_if_leaves)


def monthly_force(annual_discount: float) -> float:
    """The continuous discount rate per month: ln(1 + annual) / 12.

    >>> round(float(np.exp(-12 * monthly_force(0.10))), 6)
    0.909091
    """
    return float(np.log1p(annual_discount) / 12)


def month_grid(window_days: float, horizon_days: float) -> Floats:
    """Whole months from now with the window's and the horizon's ends among them [months].

    >>> month_grid(45.65625, 91.3125)
    array([0. , 1. , 1.5, 2. , 3. ])
    """
    window, horizon = window_days / DAYS_PER_MONTH, horizon_days / DAYS_PER_MONTH
    last = max(window, horizon)
    return np.unique(np.round(np.concatenate([np.arange(0.0, last), [window, horizon]]), 9))


def split_by_survival(survival: Floats, months: Floats, window_days: float, horizon_days: float,
                      annual_discount: float) -> Split:
    """Discounted months of one unit of margin per month, if the customer stays through the window and if not.

    survival: S at `months` (a grid with both ends among it, see month_grid), one row per customer; between grid points
    the hazard is constant, so each piece of the integral of S(t) exp(-d t) is exact:
    (S0 e^-d t0 - S1 e^-d t1) / (h + d).

    >>> months = month_grid(30.4375, 365.25)
    >>> steady = split_by_survival(np.exp(-0.1 * months)[None, :], months, 30.4375, 365.25, 0.0)
    >>> (steady.expected(1 - np.exp([-0.1])) * 0.1).round(6), float((1 - np.exp(-1.2)).round(6))
    (array([0.698806]), 0.698806)
    """
    window, horizon = (np.round(days / DAYS_PER_MONTH, 9) for days in (window_days, horizon_days))
    log_s = np.log(np.maximum(survival, NEVER**2))
    at_window = log_s[:, np.searchsorted(months, window)]
    force = monthly_force(annual_discount)
    money, time = (_in_two(log_s, at_window, months, window, horizon, rate) for rate in (force, 0.0))
    return Split(money[0], money[1], time[0], time[1])


def _in_two(log_s: Floats, at_window: Floats, months: Floats, window: float, horizon: float,
            force: float) -> tuple[Floats, Floats]:
    """Integral of exp(-force t) S(t | stays) and of S(t | leaves) from 0 to the horizon."""
    start, end = months[:-1], months[1:]
    early, counted = end <= window, end <= horizon
    pieces = _pieces(log_s, start, end, force)
    certain = _pieces(np.zeros((1, len(months))), start, end, force)[0, early & counted].sum()
    through = np.exp(at_window)
    before, after = pieces[:, early & counted].sum(axis=1), pieces[:, ~early & counted].sum(axis=1)
    leaving = -np.expm1(at_window)
    lasts = np.where(leaving > NEVER / 2, (before - through * certain) / np.maximum(leaving, NEVER / 2), certain / 2)
    return certain + after / through, np.clip(lasts, 0, certain)


def _pieces(log_s: Floats, start: Floats, end: Floats, force: float) -> Floats:
    """Each piece of the integral of exp(-force t) S(t), S falling at a constant hazard within it."""
    width = end - start
    decay = (log_s[:, :-1] - log_s[:, 1:]) + force * width
    mean = np.where(decay > 1e-8, -np.expm1(-decay) / np.maximum(decay, 1e-8), 1 - decay / 2)
    return np.exp(log_s[:, :-1] - force * start) * width * mean
