"""Effects of treatments on the log-odds of leaving, learned from randomised records.

    logit P(leaves | x, treatment) = base(x) - effect of the treatment(x)

Both sides are penalised sums of hinges in each feature (an effect's hinges harder than the base's: few records tell
little of effects), the penalty chosen by log loss on held-out records; then boosted trees add to the base, and to the
effect of being contacted at all, what sums cannot say (custom objective: the derivative of the log loss by the effect).
Boosting stops on held-out records, so where trees know nothing more they add nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.encoding import Encoder, Floats

KNOTS = (0.25, 0.5, 0.75)
HINGE, CONSTANT, LEAN = 0.5, 5.0, 1.0
GRID = (
    (0.6, 0.03), (0.6, 0.01), (1.0, 0.01), (0.3, 0.1), (0.3, 0.03), (0.6, 0.1), (0.1, 0.1), (0.1, 0.03),
    (0.03, 0.03))
OWN_SHARE = 0.5
DOUBTED, DOUBTED_C = 1.0, 0.03
WIDER, UNSAID, WIDER_TOGETHER = 1.1, 0.15, 1.35
AT_ONCE = 50_000
MOST_COLUMNS = 200
FOLDS, TUNED_ON = 3, 30_000
TREES: Mapping[str, Any] = {"num_leaves": 6, "learning_rate": 0.05, "lambda_l2": 10.0, "feature_fraction": 0.5,
                            "bagging_fraction": 0.7, "bagging_freq": 1, "verbosity": -1, "num_threads": 1}
ROUNDS, PATIENCE = 400, 25


@dataclass(frozen=True)
class Basis:
    """Features as numbers: each centred and scaled, with hinges at its quantiles; categories as 0/1."""

    encoder: Encoder
    knots: tuple[tuple[int, float], ...]
    centre: Floats
    scale: Floats

    @classmethod
    def learn(cls, X: pd.DataFrame) -> Basis:
        """Levels, scales and knots of these customers."""
        encoder = Encoder.learn(X)
        plain = encoder.encode(X)[:, 1:]
        knots = tuple((column, float(knot)) for column in range(len(encoder.scales))
                      for knot in np.unique(np.quantile(plain[:, column], KNOTS)))
        hinges = _hinges(plain, knots)
        spread = hinges.std(axis=0)
        kept = tuple(knot for knot, wide in zip(knots, spread > 1e-9, strict=True) if wide)
        hinges = _hinges(plain, kept)
        return cls(encoder, kept, hinges.mean(axis=0), hinges.std(axis=0))

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.encoder.scales) + sum(map(len, self.encoder.levels.values())) + len(self.knots)

    def of(self, X: pd.DataFrame) -> Floats:
        """The customers' numbers, linear terms first."""
        plain = self.encoder.encode(X)[:, 1:]
        return np.column_stack([plain, (_hinges(plain, self.knots) - self.centre) / self.scale * HINGE])


def _hinges(plain: Floats, knots: tuple[tuple[int, float], ...]) -> Floats:
    return np.column_stack([np.empty((len(plain), 0)), *(np.maximum(plain[:, c] - at, 0) for c, at in knots)])


@dataclass(frozen=True)
class LogitEffects:
    """The learned base and effects; `boosters` and `wakes` are the trees of base and effect (booster texts).

    covariance: of the weights under a penalty that hardly holds effects back (`DOUBTED`, the scale of who differs): the
    penalty that predicts best is itself a guess, and with it errors seem smaller than they are.
    """

    basis: Basis
    used: np.ndarray
    risk: Floats
    shares: Floats
    shrink: float
    intercept: float
    weights: Floats
    covariance: Floats
    boosters: tuple[str, ...]
    wakes: tuple[str, ...]
    categories: Mapping[str, tuple[object, ...]]
    doubted: float | None = None

    def chances(self, X: pd.DataFrame) -> Floats:
        """P(leaves) under each arm, nothing first: (customers, arms)."""
        return np.concatenate([self._seen(part)[1] for part in _parts(X)])

    def spread(self, X: pd.DataFrame) -> Floats:
        """Standard error of each treatment's uplift: (customers, arms - 1).

        Of the penalised likelihood, `WIDER` for the trees and the choice of the penalty, and `UNSAID` beside it: both
        measured in simulated worlds, where 90 % intervals hold about 90 %.
        """
        return np.concatenate([self._errors(*self._doubts(part)) for part in _parts(X)])

    def together(self, X: pd.DataFrame, arm: np.ndarray, weights: Floats) -> float:
        """The variance of sum of weights x uplift of those arms, one per row: what rows share does not average out.

        Wider than of one customer: the penalty that holds effects back holds back those of all who are chosen.
        """
        along, own, first = np.zeros(len(self.covariance)), 0.0, 0
        for part in _parts(X):
            (blocks, p), rows = self._doubts(part), slice(first, first + len(part))
            apart = [scale * weights[rows] for scale in self._apart(p, arm[rows])]
            along += np.concatenate([block.T @ scale for block, scale in zip(blocks, apart, strict=True)])
            own += float((weights[rows] ** 2) @ _unsaid(p, arm[rows]) ** 2)
            first += len(part)
        return float(along @ self.covariance @ along) * WIDER_TOGETHER**2 + own

    def _seen(self, X: pd.DataFrame) -> tuple[Floats, Floats]:
        """The columns of the base, and P(leaves) under each arm."""
        F, trees = self.basis.of(X), _codes(X, self.categories)
        told = [block @ weights for block, weights in zip(
            self._blocks(F, self.shrink), self._cut(np.append(self.weights, self.intercept)), strict=True)]
        base, wake = (np.mean([_raw(text, trees) for text in texts], axis=0) if texts else np.zeros(len(X))
                      for texts in (self.boosters, self.wakes))
        return F, sigmoid(np.column_stack(told) @ self._scales + base[:, None] + wake[:, None] * self._scales[1])

    def _doubts(self, X: pd.DataFrame) -> tuple[list[Floats], Floats]:
        """The blocks of columns that the covariance speaks of, and P(leaves) under each arm."""
        F, p = self._seen(X)
        return self._blocks(F, self.doubted or self.shrink), p

    def _blocks(self, F: Floats, shrink: float) -> list[Floats]:
        """The columns in blocks that arms only scale: base, effects as often as there are any, one."""
        plain = plain_effect(F[:, self.used], leaning(F, self.risk), shrink)
        return [F, *[plain] * (len(self._scales) - 2), np.ones((len(F), 1))]

    @cached_property
    def _scales(self) -> Floats:
        """What each arm multiplies the blocks of columns by: (blocks, arms)."""
        return scales(np.arange(len(self.shares)), self.shares)

    def _cut(self, rows: Floats) -> list[Floats]:
        """Rows, one per column of the design and one for the intercept, cut into the blocks of columns."""
        wide = (len(rows) - 1 - self.basis.width) // (len(self._scales) - 2)
        return np.split(rows, self.basis.width + wide * np.arange(len(self._scales) - 1))

    def _apart(self, p: Floats, arm: np.ndarray) -> Floats:
        """How far the uplift of those arms moves with each block's columns: (blocks, rows)."""
        slope, rows = p * (1 - p), np.arange(len(p))
        return np.asarray(self._scales[:, :1] * slope[:, 0] - self._scales[:, arm] * slope[rows, arm])

    def _errors(self, blocks: list[Floats], p: Floats) -> Floats:
        root = self._cut(np.asarray(np.linalg.cholesky(self.covariance), np.float64))
        told, errors = [block @ part for block, part in zip(blocks, root, strict=True)], []
        for number in range(1, len(self.shares)):
            arm = np.full(len(p), number)
            apart = sum(scale[:, None] * part for scale, part in zip(self._apart(p, arm), told, strict=True))
            errors.append(np.hypot(WIDER * np.sqrt(np.square(apart).sum(axis=1)), _unsaid(p, arm)))
        return np.column_stack(errors)


def _unsaid(p: Floats, arm: np.ndarray) -> Floats:
    """The error of each uplift by what no column says of who differs: `UNSAID` log-odds."""
    own = p[np.arange(len(p)), arm]
    return np.asarray(UNSAID * own * (1 - own))


def _parts(X: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The customers part by part; one empty part where there are none."""
    return (X.iloc[start : start + AT_ONCE] for start in range(0, max(len(X), 1), AT_ONCE))


def scales(arm: np.ndarray, shares: Floats) -> Floats:
    """What the blocks of columns are multiplied by: base, being contacted, with several treatments each of them, one.

    (blocks, rows)
    """
    contact = (arm > 0) - (1 - shares[0])
    own = [OWN_SHARE * ((arm == number) - shares[number]) for number in range(1, len(shares))]
    return np.stack([np.ones(len(arm)), contact, *(own if len(shares) > 2 else []), np.ones(len(arm))])


def plain_effect(E: Floats, lean: Floats, shrink: float) -> Floats:
    """The columns of an effect: a constant, the lean on the risk, and who differs."""
    return np.column_stack([np.full(len(E), CONSTANT), LEAN * lean, shrink * E])


def design(F: Floats, E: Floats, lean: Floats, arm: np.ndarray, shares: Floats, shrink: float) -> Floats:
    """Columns of the base, of being contacted, and, with several treatments, of each treatment beside that."""
    plain = plain_effect(E, lean, shrink)
    return np.column_stack([F, *(plain * scale[:, None] for scale in scales(arm, shares)[1:-1])])


def leaning(F: Floats, risk: Floats) -> Floats:
    """How an effect may lean on the risk itself, lightly penalised: the base's log-odds, centred and scaled, and bent.

    """
    z = risk[0] + F @ risk[1:]
    return np.column_stack([z, (np.clip(z, -3, 3) ** 2 - 1) / np.sqrt(2)])


def _risk(F: Floats, churned: np.ndarray, c: float) -> Floats:
    """Constant and weights that give each record's risk, mean 0 and deviation 1, whatever was done."""
    weights = _fit(F, churned, c).coef_[0]
    z = F @ weights
    wide = max(float(z.std()), 1e-9)
    return np.append(-z.mean(), weights) / wide


def learn(X: pd.DataFrame, arm: np.ndarray, churned: np.ndarray, seed: int) -> LogitEffects:
    """Learn from randomised records: `arm` 0 is nothing, 1, 2, ... the treatments."""
    arms = int(arm.max()) + 1
    shares = np.bincount(arm, minlength=arms) / len(arm)
    basis = Basis.learn(X)
    F = basis.of(X)
    used = _telling(basis, arms)
    E = F[:, used]
    shrink, c = _penalty(F, E, arm, churned, shares, seed)
    risk = _risk(F, churned, c)
    D = design(F, E, leaning(F, risk), arm, shares, shrink)
    fitted = _fit(D, churned, c)
    covariance = _covariance(design(F, E, leaning(F, risk), arm, shares, DOUBTED), fitted.predict_proba(D)[:, 1])
    categories = {str(name): tuple(X[name].astype("category").cat.categories) for name in X
                  if not pd.api.types.is_numeric_dtype(X[name])}
    boosters, wakes = _boosted(_codes(X, categories), D, churned, (arm > 0) - (1 - shares[0]), c, seed)
    return LogitEffects(basis, used, risk, shares, shrink, float(fitted.intercept_[0]), fitted.coef_[0], covariance,
                        boosters, wakes, categories, DOUBTED)


def _covariance(D: Floats, p: Floats) -> Floats:
    """Of the penalised likelihood's weights and intercept, by the curvature at these chances."""
    one = np.column_stack([D, np.ones(len(D))])
    curved = (one * (p * (1 - p))[:, None]).T @ one + np.diag([1 / DOUBTED_C] * D.shape[1] + [1e-9])
    return np.asarray(np.linalg.inv(curved))


def _telling(basis: Basis, arms: int) -> np.ndarray:
    """The columns an effect may depend on: all, or without the hinges where columns and arms are many.

    Never those that the records themselves seem to favour: the penalty's held-out records would have been seen.
    """
    columns = basis.width
    return np.arange(columns if columns * (arms if arms > 2 else 1) <= MOST_COLUMNS else columns - len(basis.knots))


def _penalty(F: Floats, E: Floats, arm: np.ndarray, churned: np.ndarray, shares: Floats,
             seed: int) -> tuple[float, float]:
    """The effect's scale and the inverse penalty, by log loss on held-out records.

    Of those within one standard error of the least loss, the one that says least of who differs.
    """
    some = np.random.default_rng(seed).permutation(len(arm))[:TUNED_ON]
    losses = np.zeros((len(GRID), len(some)))
    for number, (shrink, c) in enumerate(GRID):
        for a, b in folds(len(some), FOLDS, seed):
            lean = leaning(F[some], _risk(F[some][a], churned[some][a], c))
            D = design(F[some], E[some], lean, arm[some], shares, shrink)
            losses[number, b] = losses_of(_fit(D[a], churned[some][a], c).decision_function(D[b]), churned[some][b])
    worse = losses - losses[losses.mean(axis=1).argmin()]
    close = worse.mean(axis=1) <= worse.std(axis=1) / np.sqrt(len(some))
    return min(pair for pair, near in zip(GRID, close, strict=True) if near)


def _fit(D: Floats, churned: np.ndarray, c: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, solver="newton-cholesky").fit(D, churned)


def _boosted(trees: pd.DataFrame, D: Floats, churned: np.ndarray, contact: Floats, c: float,
             seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Trees for the base and for the effect of contact, one model per fold, each stopped on the fold held out."""
    offset, boosters, wakes = np.empty(len(churned)), [], []
    options = {**TREES, "min_data_in_leaf": max(20, len(churned) // 100), "seed": seed}
    for a, b in folds(len(churned), FOLDS, seed):
        start = _fit(D[a], churned[a], c).decision_function(D)
        base = _stopped(trees, churned, start, np.ones(len(churned)), a, b, options)
        offset[b] = start[b] + _raw(base, trees.iloc[b])
        boosters.append(base)
    small = {**options, "num_leaves": 4}
    for a, b in folds(len(churned), FOLDS, seed + 1):
        wakes.append(_stopped(trees, churned, offset, contact, a, b, small))
    return tuple(boosters), tuple(wakes)


def _stopped(trees: pd.DataFrame, churned: np.ndarray, start: Floats, by: Floats, a: np.ndarray, b: np.ndarray,
             options: Mapping[str, Any]) -> str:
    """Trees t of logit = start + by x t(x), learned on rows a, as many as lower the log loss of rows b."""
    import lightgbm

    def slope(t: Floats, _data: Any) -> tuple[Floats, Floats]:
        p = sigmoid(start[a] + by[a] * t)
        return (p - churned[a]) * by[a], p * (1 - p) * by[a] ** 2

    def loss(t: Floats, _data: Any) -> tuple[str, float, bool]:
        return "loss", float(losses_of(start[b] + by[b] * t, churned[b]).mean()), False

    data = lightgbm.Dataset(trees.iloc[a], churned[a])
    held_out = lightgbm.Dataset(trees.iloc[b], churned[b], reference=data)
    return lightgbm.train({**options, "objective": slope}, data, ROUNDS, valid_sets=[held_out], feval=loss, callbacks=[
        lightgbm.early_stopping(PATIENCE, verbose=False)]).model_to_string()


def _codes(X: pd.DataFrame, categories: Mapping[str, tuple[object, ...]]) -> pd.DataFrame:
    """Numbers for the trees; categories as the place among those learned, unknown ones missing."""
    return pd.DataFrame({str(name): pd.Categorical(X[name], categories=list(categories[str(name)])).codes
                         if str(name) in categories else X[name].to_numpy(float, na_value=np.nan) for name in X},
                        index=X.index)


def _raw(text: str, trees: pd.DataFrame) -> Floats:
    import lightgbm

    booster = lightgbm.Booster(model_str=text)
    return np.asarray(booster.predict(trees, raw_score=True, num_threads=1)) if booster.num_trees() else (
        np.zeros(len(trees)))


def folds(n: int, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows held out, `count` times."""
    part = np.random.default_rng(seed).permutation(n) % count
    return [(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in range(count)]


def losses_of(z: Floats, y: np.ndarray) -> Floats:
    """Each record's log loss at those log-odds."""
    return np.asarray(np.logaddexp(0, z) - y * z)


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z))."""
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))))
