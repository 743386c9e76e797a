"""How sure the model is of each customer: a 90 % interval of the true probability, by resampling.

A plain bootstrap repeats the model's own bias and therefore promises too much. Here labels are simulated from known
probabilities (the pilot), customers are resampled, and the same learner is fitted again: how far the refits land from
the probabilities that made their labels is its true error there, bias and variance together. The pilot is deliberately
as rough as the truth may be: the mean of a smooth additive model and of boosted trees with little regularisation. A
fitted model is smoother than its truth, and simulating from it would hide the bias.

Source: parametric bootstrap, Davison and Hinkley (1997), Bootstrap Methods and their Application, chapters 2 and 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.calibration import Calibrator, inverse_logit, logit
from engine.prediction.ensembles import THREADS, probability, spline_logistic

COVERAGE = 0.9
FLOOR = 1e-3
Fit = Callable[[pd.DataFrame, np.ndarray], Any]
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Spread:
    """Half-width of the interval per customer [log-odds]: a model of the replicates' errors, and their scale.

    The errors of all replicates are stored as one small model of the customer's features, so that an interval costs
    one prediction, not one per replicate.
    """

    size: Any
    scale: float
    replicates: int

    def half_width(self, X: pd.DataFrame) -> np.ndarray:
        """Half of the 90 % interval, one per row [log-odds]."""
        return np.asarray(self.scale * np.exp(self.size.predict(X)), dtype=float)

    def interval(self, X: pd.DataFrame, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end around each probability [0..1]."""
        half = self.half_width(X)
        return inverse_logit(logit(p) - half), inverse_logit(logit(p) + half)


def learn_spread(fit: Fit, X: pd.DataFrame, y: np.ndarray, calibrator: Calibrator, *, seed: int, replicates: int,
                 groups: np.ndarray | None = None, tick: Tick | None = None) -> Spread:
    """The spread learned from `replicates` refits on simulated labels, scaled so that 90 % of their errors fit in.

    Errors are taken on customers whom the refit had not seen (about 37 % in each), so they hold for new customers too.
    """
    rng = np.random.default_rng(seed)
    truth = pilot(X, y, seed)
    errors = np.full((replicates, len(X)), np.nan)
    for number in range(replicates):
        unseen, refit = _refit(fit, X, truth, groups, rng)
        found = calibrator(probability(refit, X.iloc[unseen]))
        errors[number, unseen] = np.abs(logit(found) - logit(truth[unseen]))
        if tick:
            tick(number + 1, replicates)
    return _smoothed(X, errors, seed)


def pilot(X: pd.DataFrame, y: np.ndarray, seed: int) -> np.ndarray:
    """Probabilities to simulate from: as rough as the truth may be (splines and lightly regularised trees, halved)."""
    smooth = probability(spline_logistic(seed).fit(X, y), X)
    rough = probability(_rough(seed).fit(X, y), X)
    return inverse_logit((logit(smooth) + logit(rough)) / 2)


def _rough(seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=500, learning_rate=0.05, num_leaves=6, min_child_samples=20, reg_lambda=1.0, colsample_bytree=0.6,
        subsample=0.7, subsample_freq=1, deterministic=True, force_row_wise=True, n_jobs=THREADS, verbosity=-1,
        random_state=seed)


def _refit(fit: Fit, X: pd.DataFrame, truth: np.ndarray, groups: np.ndarray | None,
           rng: np.random.Generator) -> tuple[np.ndarray, Any]:
    """A refit on resampled customers with fresh labels, and the rows of customers it did not see."""
    owner = np.arange(len(X)) if groups is None else np.unique(groups, return_inverse=True)[1]
    times = np.bincount(rng.integers(owner.max() + 1, size=owner.max() + 1), minlength=owner.max() + 1)[owner]
    drawn = np.repeat(np.arange(len(X)), times)
    labels = (rng.uniform(size=len(drawn)) < truth[drawn]).astype(int)
    return np.flatnonzero(times == 0), fit(X.iloc[drawn], labels)


def _smoothed(X: pd.DataFrame, errors: np.ndarray, seed: int) -> Spread:
    """The typical error as a function of the features, and the scale at which it holds 90 % of the errors."""
    from lightgbm import LGBMRegressor

    known = ~np.isnan(errors).all(axis=0)
    typical = np.sqrt(np.nanmean(errors[:, known] ** 2, axis=0))
    size = LGBMRegressor(
        n_estimators=150, num_leaves=6, min_child_samples=50, learning_rate=0.05, deterministic=True,
        force_row_wise=True, n_jobs=THREADS, verbosity=-1, random_state=seed)
    size.fit(X.iloc[known], np.log(typical + FLOOR))
    ratio = errors / np.exp(size.predict(X))
    return Spread(size, float(np.nanquantile(ratio, COVERAGE)), len(errors))


def held_by_bins(y: np.ndarray, p: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int = 20) -> dict[str, Any]:
    """A check where the truth is unknown: the share of bins of held-out customers whose rate the interval holds.

    Customers are cut into `bins` equal groups by probability; a group's mean interval is widened by the binomial noise
    of its rate: [mean low - z s, mean high + z s], z = 1.645, s = sqrt(mean p (1 - p) / n).

    >>> p = np.full(200, 0.5)
    >>> held_by_bins(np.arange(200) % 2, p, p - 0.1, p + 0.1, bins=4)["share_held"]
    1.0
    """
    rows = pd.DataFrame({"y": y, "p": p, "low": low, "high": high, "noise": p * (1 - p)})
    rows["bin"] = np.argsort(np.argsort(p, kind="stable"), kind="stable") * bins // len(p)
    grouped = rows.groupby("bin")
    means = grouped.mean()
    noise = 1.645 * np.sqrt(means["noise"] / grouped.size())
    held = (means["y"] >= means["low"] - noise) & (means["y"] <= means["high"] + noise)
    return {"share_held": float(held.mean()), "bins": bins, "mean_width": float(np.mean(high - low)),
            "table": means.reset_index(drop=True).drop(columns="noise").to_dict("list")}
