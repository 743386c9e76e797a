"""How sure the model is of each customer: a 90 % interval of the true probability, by resampling.

A plain bootstrap repeats the model's own bias and therefore promises too much. Here labels are simulated from known
probabilities (the pilot), customers are resampled, and the same learner is fitted again: how far the refits land from
the probabilities that made their labels is their error there, bias and variance together. A fitted model is smoother
than the truth, so the pilot is moved from it towards a rougher one, as far as held-out customers allow. What both
miss shows where a learner with another bias, ridge logistic regression, disagrees: that is added in
quadrature. One draw of labels moves all customers' errors together, so the promise is kept on average over companies,
not in each; benchmarks/RESULTS.md says how well, on demo companies that played no part in tuning.

Source: parametric bootstrap, Davison and Hinkley (1997), Bootstrap Methods and their Application, chapters 2 and 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.boosting import THREADS
from engine.prediction.calibration import Calibrator, inverse_logit, logit
from engine.prediction.ensembles import logistic, probability, spline_logistic
from engine.prediction.evaluate import Judged, Split, resampled, sample
from engine.prediction.metrics import log_loss
from engine.prediction.workers import each

COVERAGE = 0.9
FLOOR = 1e-3
LEAST_ROUGHNESS = 0.5
MOST_FOR_OTHER = 200_000
Fit = Callable[[pd.DataFrame, np.ndarray], Any]
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Spread:
    """The interval per customer [log-odds]: p - bias +- sqrt((scale x size)^2 + disagreement^2).

    bias, size: models of the replicates' mean error (boosting stops short of the extremes) and of its typical size
    around that, so that an interval costs two small predictions, not one per replicate. scale: holds 90 % of errors
    like the replicates'. other: the learner with another bias. roughness: how far the pilot was moved, 0 (the model
    itself) to 1 (the rough one).
    """

    bias: Any
    size: Any
    scale: float
    other: Any
    replicates: int
    roughness: float

    def half_width(self, X: pd.DataFrame, p: np.ndarray) -> np.ndarray:
        """Half of the 90 % interval around each probability, one per row [log-odds]."""
        disagreement = logit(p) - logit(probability(self.other, X))
        return np.hypot(self.scale * np.exp(self.size.predict(X)), disagreement)

    def interval(self, X: pd.DataFrame, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end [0..1]; the probability itself always lies between them."""
        middle, half = logit(p) - self.bias.predict(X), self.half_width(X, p)
        return np.minimum(p, inverse_logit(middle - half)), np.maximum(p, inverse_logit(middle + half))


def learn_spread(fit: Fit, estimator: Any, X: pd.DataFrame, y: np.ndarray, judged: Judged, calibrator: Calibrator, *,
                 seed: int, replicates: int, asked: Asked | None = None, tick: Tick | None = None) -> Spread:
    """The estimator's spread, learned from `replicates` refits on simulated labels: 90 % of their errors fit in.

    Errors are taken on customers whom the refit had not seen (about 37 % in each), so they hold for new customers too.
    Where rows are many, the rough model learns from a sample of customers, the one of another bias from 200,000 rows.
    Where customers have several rows, which repeat each other, the model is smoother still and the pilot is the rough
    one itself. `asked`: whose row each is, and when, where customers have several.
    """
    rng, some = np.random.default_rng(seed), sample(y, None if asked is None else asked.owner, seed)
    few = X.iloc[some], y[some]
    roughness = 1.0 if asked else supported_roughness(*few, judged.of(some), calibrator, seed)
    many = np.sort(np.random.default_rng(seed).permutation(len(X))[:MOST_FOR_OTHER])
    rough, other = each(lambda learn: learn(), (lambda: rough_log_odds(*few, X, seed),
                                                lambda: logistic(seed).fit(X.iloc[many], y[many])))
    truth = pilot(calibrator(probability(estimator, X)), rough, roughness)
    errors = np.full((replicates, len(X)), np.nan)

    def missed(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
        refit = fit(X.iloc[draw.rows], draw.labels)
        found = calibrator(probability(refit, X.iloc[draw.unseen]))
        return draw.unseen, logit(found) - logit(truth[draw.unseen])

    draws = [_drawn(truth, asked, rng) for _ in range(replicates)]
    for number, (unseen, error) in enumerate(each(missed, draws)):
        errors[number, unseen] = error
        if tick:
            tick(number + 1, replicates)
    bias, size, scale = _smoothed(X, errors, seed)
    return Spread(bias, size, scale, other, replicates, roughness)


def pilot(fitted: np.ndarray, rough: np.ndarray, roughness: float) -> np.ndarray:
    """Probabilities to simulate from: the model's, moved towards rougher log-odds.

    >>> pilot(np.array([0.5]), np.array([1.0]), roughness=0.0).tolist()
    [0.5]
    """
    return inverse_logit(logit(fitted) + roughness * (rough - logit(fitted)))


def supported_roughness(X: pd.DataFrame, y: np.ndarray, judged: Judged, calibrator: Calibrator, seed: int) -> float:
    """How far the pilot may be moved towards the rough model before held-out customers exclude it [.5..1].

    b is the weight that the difference d (rough minus model, log-odds) earns on rows that neither had seen. Were d the
    missed signal plus noise, b would be the signal's share of its variance, so sqrt(b) d varies as much as the signal.
    b is taken at its upper 95 % limit, b + 1.645 / sqrt(sum p (1 - p) d^2): what cannot be excluded must be covered.
    Never less than half way, because on one company's labels b itself is uncertain.
    """
    rows = judged.first
    splits = judged.splits[: len(judged.models)]

    def held_out(split: Split) -> np.ndarray:
        train, test = split
        return rough_log_odds(X.iloc[train], y[train], X.iloc[test], seed)

    rough = np.concatenate(list(each(held_out, splits)))
    fitted = logit(calibrator(rows["raw"].to_numpy()))
    difference, p = rough - fitted, inverse_logit(fitted)
    margin = 1.645 / np.sqrt(np.sum(p * (1 - p) * difference**2))
    weight = earned_weight(rows["y"].to_numpy(), fitted, difference) + margin
    return float(np.clip(np.sqrt(max(weight, 0.0)), LEAST_ROUGHNESS, 1))


def earned_weight(y: np.ndarray, log_odds: np.ndarray, difference: np.ndarray) -> float:
    """The weight b with the least log loss of log_odds + b x difference, between -1 and 2.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=20_000)
    >>> y = (rng.uniform(size=20_000) < inverse_logit(truth)).astype(int)
    >>> round(earned_weight(y, truth / 2, truth), 1)
    0.5
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(lambda b: log_loss(y, inverse_logit(log_odds + b * difference)), bounds=(-1, 2),
                            method="bounded")
    return float(found.x)


def rough_log_odds(X: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame, seed: int) -> np.ndarray:
    """Log-odds of a model rougher than ours: the mean of splines and of boosted trees with little regularisation."""
    smooth, rough = (logit(probability(model.fit(X, y), asked)) for model in (spline_logistic(seed), _rough(seed)))
    return (smooth + rough) / 2


def _rough(seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=500, learning_rate=0.05, num_leaves=6, min_child_samples=20, reg_lambda=1.0, colsample_bytree=0.6,
        subsample=0.7, subsample_freq=1, deterministic=True, force_col_wise=True, n_jobs=THREADS, verbosity=-1,
        random_state=seed)


@dataclass(frozen=True)
class Draw:
    """Rows of resampled customers with fresh labels, and the rows of customers who were not drawn."""

    rows: np.ndarray
    labels: np.ndarray
    unseen: np.ndarray


@dataclass(frozen=True)
class Asked:
    """Whose row each is (a whole number), and the first day of its label window, which lasts horizon_days."""

    owner: np.ndarray
    day: np.ndarray
    horizon_days: int


def _drawn(truth: np.ndarray, asked: Asked | None, rng: np.random.Generator) -> Draw:
    owner = np.arange(len(truth)) if asked is None else np.unique(asked.owner, return_inverse=True)[1]
    times = resampled(owner, rng)
    drawn = np.repeat(np.arange(len(truth)), times)
    chance = rng.uniform(size=len(drawn)) if asked is None else fates(*_copies(owner, times), asked, drawn, rng)
    return Draw(drawn, (chance < truth[drawn]).astype(int), np.flatnonzero(times == 0))


def _copies(owner: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, int]:
    """Which copy of its customer each drawn row belongs to, counted over all customers, and how many there are."""
    taken = np.zeros(int(owner.max()) + 1, dtype=int)
    taken[owner] = times
    first = np.cumsum(taken) - taken
    turn = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(first[owner], times) + turn, int(taken.sum())


def fates(copy: np.ndarray, copies: int, asked: Asked, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A uniform number per row; those of one customer are alike as far as their label windows share days.

    What happens to a customer is a Brownian motion, and a row's number tells its way over the row's window: so the
    normal scores of two windows correlate by the share of days that both have. Drawn row by row, labels of
    overlapping windows would teach more than they can.

    >>> asked = Asked(np.array([0, 0, 0]), np.array([0, 45, 90]), 90)
    >>> copy = np.repeat(np.arange(20_000), 3)
    >>> u = fates(copy, 20_000, asked, np.tile([0, 1, 2], 20_000), np.random.default_rng(0)).reshape(-1, 3)
    >>> np.corrcoef(u.T)[0].round(1).tolist()
    [1.0, 0.5, 0.0]
    """
    from scipy.special import ndtr

    cuts = np.unique(np.concatenate([asked.day, asked.day + asked.horizon_days]))
    way = np.zeros((copies, len(cuts)))
    way[:, 1:] = np.cumsum(rng.normal(size=(copies, len(cuts) - 1)) * np.sqrt(np.diff(cuts)), axis=1)
    begins, ends = (np.searchsorted(cuts, asked.day[rows] + days) for days in (0, asked.horizon_days))
    return np.asarray(ndtr((way[copy, ends] - way[copy, begins]) / np.sqrt(asked.horizon_days)))


def _smoothed(X: pd.DataFrame, errors: np.ndarray, seed: int) -> tuple[Any, Any, float]:
    """The errors' mean and typical size as functions of the features, and the scale that holds 90 % of further ones."""
    known = ~np.isnan(errors).all(axis=0)
    rows, errors = X.iloc[known], errors[:, known]
    bias = _regressor(seed).fit(rows, np.nanmean(errors, axis=0))
    around = np.abs(errors - bias.predict(rows))
    size = _regressor(seed).fit(rows, np.log(np.sqrt(np.nanmean(around**2, axis=0)) + FLOOR))
    held = np.nanquantile(around / np.exp(size.predict(rows)), COVERAGE)
    return bias, size, float(held * further(len(errors)))


def further(replicates: int) -> float:
    """How much further from the replicates' mean one more error lies than theirs do: sqrt((R + 1) / (R - 1)).

    A draw of labels moves customers' errors together, so averaging over customers does not take that out of the mean:
    of a variance s^2 the R errors show s^2 (1 - 1 / R), and their mean is itself off by s^2 / R.

    >>> round(further(16), 3)
    1.065
    >>> rng = np.random.default_rng(0)
    >>> theirs, one_more = rng.normal(size=(4, 20_000)), rng.normal(size=20_000)
    >>> mean = theirs.mean(axis=0)
    >>> round(float((one_more - mean).std() / (theirs - mean).std()), 1), round(further(4), 1)
    (1.3, 1.3)
    """
    return float(np.sqrt((replicates + 1) / max(replicates - 1, 1)))


def _regressor(seed: int) -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(
        n_estimators=150, num_leaves=6, min_child_samples=50, learning_rate=0.05, deterministic=True,
        force_row_wise=True, n_jobs=THREADS, verbosity=-1, random_state=seed)


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
