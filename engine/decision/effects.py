"""What each treatment keeps, per segment: the playbook's assumption, moved by whatever was tried by chance.

A treatment keeps the share r of those who would have left: r = 1 - exp(theta), theta the log of the ratio of treated to
untreated churn. Contact may drive people away: then theta > 0 and r < 0.

    prior     1 - r is log-normal with the mean and variance that Beta(r s, (1 - r) s) gives it, r and s the playbook's
              rate and strength. Half of the variance is common to the treatment's segments, half each segment's own,
              times k: how far segments really differ
    trials    the log ratio of `trials` = theta of its segment (the mean of all where it is not told) + what is peculiar
              to its source, of variance j times an eighth of the prior's + its sampling error
    pooling   k and j are not known: the posterior is the mixture over a grid of them, each weighted by the likelihood
              of all trials together (empirical Bayes; Gelman et al., Bayesian Data Analysis, 3rd ed., ch. 5) and, since
              one source alone says nothing of j, by 1 / (1 + j)^2; k = 1 and j = 0 while nothing was tried

With k = 0 every segment is pooled with the others; the larger k, the more each speaks for itself. All is normal on the
log scale, so the posterior given k and j is exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from engine.decision.treatments import Playbook, Treatment
from engine.decision.trials import ANY_SEGMENT, Trials
from engine.schema import SEGMENTS, Estimate

Z90 = 1.6448536269514722
OWN = (0.0, 0.25, 1.0, 4.0, 16.0, 64.0)
PECULIAR = (0.0, 1.0, 4.0, 16.0)
MOST_SURE = 0.99
PRIOR_METHOD = "assumption of the playbook, 90 % interval"
METHOD = "randomised trials and the playbook's assumption, pooled over segments, 90 % interval"


@dataclass(frozen=True)
class Effects:
    """The recovery rate of every treatment in every segment.

    table: indexed by (treatment, segment): rate (posterior mean, may be negative), low, high (90 %), deviation, assumed
    (the playbook's rate), customers (of the trials of that treatment and segment). covariance: of the rates, in the
    table's order: what is unsure about them is shared. segments_differ: the mean of k (see above); 1 when nothing
    was tried.
    """

    table: pd.DataFrame
    covariance: np.ndarray
    segments_differ: float

    def estimate(self, treatment: str, segment: str) -> Estimate:
        """One rate with its 90 % interval; `n` is how many customers were tried on, 0 = an assumption."""
        row: pd.Series = self.table.loc[[(treatment, segment)]].iloc[0]
        tried = int(self.tried(treatment))
        return Estimate(float(row["rate"]), float(row["low"]), float(row["high"]), tried,
                        METHOD if tried else PRIOR_METHOD)

    def tried(self, treatment: str) -> int:
        """On how many customers the treatment was tried, in all segments."""
        mine = self.table[self.table.index.get_level_values("treatment") == treatment]
        return int(mine["customers"].sum() + mine["untold"].max())

    def wide(self, name: str, treatments: list[str]) -> np.ndarray:
        """A column of the table as (segment, treatment), segments in the order of SEGMENTS."""
        return self.table[name].unstack("treatment").loc[list(SEGMENTS), treatments].to_numpy(float)


@dataclass(frozen=True)
class _Prior:
    """Mean of exp(theta) and standard deviation of theta per cell, and which cells are of one treatment."""

    stays: np.ndarray
    deviation: np.ndarray
    same: np.ndarray

    def mean(self, own: float) -> np.ndarray:
        """The mean of theta, such that the rate expected is the playbook's whatever `own` is."""
        return np.log(self.stays) - self.deviation**2 * (1 + own) / 4

    def covariance(self, own: float) -> np.ndarray:
        """Half of the variance common to a treatment's segments, half (times `own`) each segment's."""
        return np.outer(self.deviation, self.deviation) * (self.same + own * np.eye(len(self.stays))) / 2


def effects(book: Playbook, trials: Trials | None = None, own: tuple[float, ...] = OWN,
            peculiar: tuple[float, ...] = PECULIAR) -> Effects:
    """Every rate, from the playbook and what was tried by chance; `own`, `peculiar`: the grids of k and j.

    >>> from engine.decision.playbooks import playbook
    >>> print(effects(playbook("telecom")).estimate("tech_support_call", "Vulnerable"))
    0.100 [-0.012, 0.203], n = 0
    """
    treatments = list(book.acting())
    cells = pd.MultiIndex.from_product([[one.name for one in treatments], SEGMENTS], names=["treatment", "segment"])
    prior = _prior(treatments)
    tried = (trials or Trials.none()).of(one.name for one in treatments)
    pairs = list(product(own, peculiar)) if len(tried.cells) else [(1.0, 0.0)]
    weights, posteriors = _posteriors(prior, cells, tried, pairs)
    table, covariance = _mixed(weights, posteriors)
    counts = tried.cells.groupby(["treatment", "segment"])["customers"].sum().to_dict()
    table = table.set_index(cells).assign(assumed=1 - prior.stays, customers=[counts.get(cell, 0) for cell in cells],
                                          untold=[counts.get((name, ANY_SEGMENT), 0) for name, _ in cells])
    return Effects(table, covariance, float(weights @ [k for k, _ in pairs]))


def _prior(treatments: list[Treatment]) -> _Prior:
    rates = np.array([min(one.rate(segment), MOST_SURE) for one in treatments for segment in SEGMENTS])
    strength = np.repeat([one.strength for one in treatments], len(SEGMENTS))
    variance = rates * (1 - rates) / (strength + 1)
    which = np.repeat(np.arange(len(treatments)), len(SEGMENTS))
    return _Prior(1 - rates, np.sqrt(np.log1p(variance / (1 - rates) ** 2)), which[:, None] == which[None, :])


Posterior = tuple[np.ndarray, np.ndarray]


def _posteriors(prior: _Prior, cells: pd.MultiIndex, tried: Trials,
                pairs: Iterable[tuple[float, float]]) -> tuple[np.ndarray, list[Posterior]]:
    """Per pair of k and j its weight, and mean and covariance of theta given it."""
    design, source = _design(cells, tried), _same_source(tried)
    value, noise = tried.log_ratio() if len(tried.cells) else (np.zeros(0), np.zeros((0, 0)))
    deviation = design @ prior.deviation
    logs, found = [], []
    for k, j in pairs:
        error = noise + j * source * np.outer(deviation, deviation) / 8
        posterior = _given(prior.mean(k), prior.covariance(k), design, value, error)
        logs.append(posterior[2] - 2 * np.log1p(j))
        found.append(posterior[:2])
    weights = np.exp(np.array(logs) - max(logs))
    return weights / weights.sum(), found


def _given(mean: np.ndarray, covariance: np.ndarray, design: np.ndarray, value: np.ndarray,
           error: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Normal posterior of theta given value = design theta + error, and the log likelihood of the value."""
    if not len(value):
        return mean, covariance, 0.0
    from scipy.linalg import cho_factor, cho_solve

    factor = cho_factor(design @ covariance @ design.T + error, lower=True)
    residual, reach = value - design @ mean, covariance @ design.T
    solved = cho_solve(factor, residual)
    log = -0.5 * float(residual @ solved) - float(np.log(np.diag(factor[0])).sum())
    return mean + reach @ solved, covariance - reach @ cho_solve(factor, reach.T), log


def _design(cells: pd.MultiIndex, tried: Trials) -> np.ndarray:
    """Which cells each trial speaks of: its own, or all of its treatment alike where the segment is not told."""
    names, segments = (cells.get_level_values(name).to_numpy() for name in ("treatment", "segment"))
    rows = [(names == row.treatment) & ((segments == row.segment) | (row.segment == ANY_SEGMENT))
            for row in tried.cells.itertuples()]
    return np.array([row / row.sum() for row in rows]).reshape(len(rows), len(cells))


def _same_source(tried: Trials) -> np.ndarray:
    key = tried.cells["source"].astype(str) + "\n" + tried.cells["treatment"].astype(str)
    return np.asarray(key.to_numpy()[:, None] == key.to_numpy()[None, :], dtype=float).reshape(len(key), len(key))


def _mixed(weights: np.ndarray, posteriors: list[Posterior]) -> tuple[pd.DataFrame, np.ndarray]:
    """Mean, 90 % interval, deviation and covariance of 1 - exp(theta) under the mixture."""
    first, second, centre, square = 0.0, 0.0, 0.0, 0.0  # type: ignore[var-annotated]
    for weight, (mean, covariance) in zip(weights, posteriors, strict=True):
        own = np.diag(covariance)
        stays = np.exp(mean + own / 2)
        first = first + weight * stays
        second = second + weight * np.outer(stays, stays) * np.exp(covariance)
        centre, square = centre + weight * mean, square + weight * (own + mean**2)
    spread = Z90 * np.sqrt(np.maximum(square - centre**2, 0))
    covariance = second - np.outer(first, first)
    return pd.DataFrame({"rate": 1 - first, "low": 1 - np.exp(centre + spread), "high": 1 - np.exp(centre - spread),
                         "deviation": np.sqrt(np.maximum(np.diag(covariance), 0))}), covariance
