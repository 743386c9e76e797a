"""How well a ranking finds those whom a treatment moves: the Qini coefficient, as scikit-uplift defines it.

Radcliffe (2007), "Using control groups to target on predicted lift": ordered by the score, kept(k) = successes among
the k best that were treated - those among the untreated x treated / untreated. Qini = (area under that curve - area
under its chord) / (the same of the perfect order). 0 is chance, below 0 worse than chance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.schema import Estimate

REPLICATES = 300


def curve(y: np.ndarray, score: np.ndarray, treated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Customers taken, and successes gained among them, at each distinct score from the highest; starts at 0, 0."""
    order = np.argsort(score, kind="mergesort")[::-1]
    y, score, treated = y[order].astype(float), score[order], treated[order].astype(float)
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    taken, moved = ends + 1, np.cumsum(treated)[ends]
    plain = taken - moved
    ratio = np.divide(moved, plain, out=np.zeros(len(ends)), where=plain > 0)
    gained = np.cumsum(y * treated)[ends] - np.cumsum(y * (1 - treated))[ends] * ratio
    return np.append(0, taken), np.append(0.0, gained)


def qini(y: np.ndarray, score: np.ndarray, treated: np.ndarray) -> float:
    """The Qini coefficient of a score; y is 1 for the good outcome.

    >>> y, treated = np.array([1, 0, 1, 0]), np.array([1, 0, 0, 1])
    >>> round(qini(y, np.array([4.0, 3.0, 2.0, 1.0]), treated), 3), qini(y, np.array([1.0, 2.0, 3.0, 4.0]), treated)
    (0.833, -0.5)
    """
    perfect = _area(*curve(y, y * treated - y * (1 - treated), treated))
    taken, gained = curve(y, score, treated)
    chord = taken[-1] * gained[-1] / 2
    return float((_area(taken, gained) - chord) / (perfect - chord)) if perfect != chord else 0.0


def _area(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.trapezoid(y, x))


def qinis(y: np.ndarray, scores: Mapping[str, np.ndarray], treated: np.ndarray, rng: np.random.Generator,
          method: str) -> dict[str, Estimate]:
    """Each score's Qini with its 90 % interval over resampled customers, and "ahead": "uplift" less "response"."""
    rows = [np.arange(len(y)), *rng.integers(0, len(y), (REPLICATES, len(y)))]
    drawn = {name: np.array([qini(y[some], score[some], treated[some]) for some in rows])
             for name, score in scores.items()}
    drawn["ahead"] = drawn["uplift"] - drawn["response"]
    return {name: _estimate(values, len(y), f"{method}, {name}, 90 % over resampled records")
            for name, values in drawn.items()}


def _estimate(drawn: np.ndarray, n: int, method: str) -> Estimate:
    low, high = np.quantile(drawn[1:], [0.05, 0.95])
    return Estimate(float(drawn[0]), float(low), float(high), n, method)
