"""A simulated retention world whose truth is known: risk, response and worth are apart, and a trial is randomised.

12 covariates ~ N(0, 1). The effect acts on the log-odds; contact reminds some customers that they pay (sleeping dogs).
Contact costs 1.5, and an incentive of 12 is paid if the treated customer stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

CONTACT, INCENTIVE, MOST = 1.5, 12.0, 0.2


@dataclass(frozen=True)
class Trial:
    """Customers, what was done to them (half treated at random), what became of them, and the truth behind it."""

    X: pd.DataFrame
    treated: np.ndarray
    churned: np.ndarray
    p0: np.ndarray
    p1: np.ndarray
    ltv: np.ndarray


def trial(n: int, rho: float, seed: int) -> Trial:
    """A trial of n customers; rho says how far risk and response go together."""
    rng = np.random.default_rng([seed, n, round(100 * (rho + 1))])
    x = rng.normal(size=(n, 12))
    risk = (0.9 * x[:, 0] + 0.6 * x[:, 1] - 0.5 * x[:, 2] + 0.5 * x[:, 0] * (x[:, 3] > 0)) / 1.25
    own = 0.7 * x[:, 4] + 0.5 * np.maximum(x[:, 5], 0) - 0.5 * x[:, 6] * (x[:, 7] > 0) + 0.25 * x[:, 1]
    response = rho * risk + np.sqrt(1 - rho**2) * own
    effect = 0.55 + 0.6 * response - 1.3 * sigmoid(2.2 * (x[:, 8] - 1.2))
    logit = -1.55 + 1.25 * risk
    p0, p1 = sigmoid(logit), sigmoid(logit - effect)
    ltv = np.exp(4.8 + 0.5 * x[:, 9] + 0.3 * x[:, 10] - 0.15 * risk + 0.4 * rng.normal(size=n))
    treated, drawn = rng.random(n) < 0.5, rng.random(n)
    return Trial(pd.DataFrame(x, columns=[f"x{k}" for k in range(12)]), treated,
                 (drawn < np.where(treated, p1, p0)).astype(int), p0, p1, ltv)


def margin(uplift: np.ndarray, p1: np.ndarray, ltv: np.ndarray) -> np.ndarray:
    """Expected incremental margin of treating each customer [currency]."""
    return uplift * ltv - CONTACT - INCENTIVE * (1 - p1)


def value(score: np.ndarray, world: Trial, all_of_them: bool = False) -> float:
    """True mean margin per customer when the highest scores are contacted, at most 20 %, above zero unless all."""
    most = int(MOST * len(score))
    chosen = np.argsort(-score, kind="stable")[:most]
    chosen = chosen if all_of_them else chosen[score[chosen] > 0]
    return float(margin(world.p0 - world.p1, world.p1, world.ltv)[chosen].sum() / len(score))


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z))."""
    return np.asarray(1 / (1 + np.exp(-z)))
