"""Where to draw the line: the probability from which a customer is flagged, and the cuts of the risk bands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from engine.errors import EngineError, choose
from engine.schema import RISK_BANDS

HIGH_ODDS_RATIO = 3.0


@dataclass(frozen=True)
class Line:
    """How the threshold is chosen: by "f2", by "cost" (a missed leaver costs `cost_ratio` false alarms) or by
    "capacity" (the share of customers that can be contacted)."""

    rule: str = "f2"
    cost_ratio: float = 5.0
    capacity: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.capacity <= 1:
            raise EngineError(f"capacity is {self.capacity:g}. Give the share that can be contacted, above 0, up to 1.")
        if not self.cost_ratio > 0:
            raise EngineError(f"cost_ratio is {self.cost_ratio:g}. Say how many false alarms a missed leaver costs.")


def by_f2(y: np.ndarray, p: np.ndarray, line: Line) -> float:  # noqa: ARG001
    """The threshold with the highest F2 on these rows [0..1]."""
    ordered, caught, flagged = _from_the_top(y, p)
    return float(ordered[np.argmax(5 * caught / (4 * y.sum() + flagged))])


def by_cost(y: np.ndarray, p: np.ndarray, line: Line) -> float:
    """The threshold with the least cost: false alarms + cost_ratio x missed leavers [0..1]."""
    ordered, caught, flagged = _from_the_top(y, p)
    return float(ordered[np.argmin((flagged - caught) + line.cost_ratio * (y.sum() - caught))])


def by_capacity(y: np.ndarray, p: np.ndarray, line: Line) -> float:
    """The threshold that flags at most the share that can be contacted [0..1]."""
    ordered, _, flagged = _from_the_top(y, p)
    affordable = np.flatnonzero(flagged <= line.capacity * len(p))
    return float(ordered[affordable[-1]]) if len(affordable) else float(np.nextafter(p.max(), 2))


def _from_the_top(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each distinct probability from the highest, with the leavers and customers at or above it."""
    order = np.argsort(-p, kind="stable")
    ordered = p[order]
    ends = np.r_[np.flatnonzero(ordered[1:] != ordered[:-1]), len(p) - 1]
    return ordered[ends], np.cumsum(y[order])[ends], ends + 1


THRESHOLDS: Mapping[str, Callable[[np.ndarray, np.ndarray, Line], float]] = {
    "f2": by_f2, "cost": by_cost, "capacity": by_capacity,
}


def threshold(y: np.ndarray, p: np.ndarray, line: Line) -> float:
    """The probability from which a customer is flagged [0..1], by the line's rule.

    >>> threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9]), Line("capacity", capacity=0.25))
    0.9
    >>> threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9]), Line("f2"))
    0.6
    """
    return choose("threshold rule", line.rule, THRESHOLDS)(y, p, line)


def risk_cuts(base_rate: float, threshold: float) -> tuple[float, float]:
    """Probabilities from which the risk is MEDIUM and HIGH.

    HIGH from three times the base rate's odds; MEDIUM from the base rate or the threshold, whichever is lower, so that
    no flagged customer of more than average risk is ever LOW.

    >>> [round(cut, 3) for cut in risk_cuts(base_rate=0.25, threshold=0.2)]
    [0.2, 0.5]
    """
    odds = HIGH_ODDS_RATIO * base_rate / (1 - base_rate)
    return min(base_rate, threshold), odds / (1 + odds)


def risk_bands(p: np.ndarray, cuts: tuple[float, float]) -> np.ndarray:
    """LOW, MEDIUM or HIGH per probability.

    >>> risk_bands(np.array([0.1, 0.2, 0.7]), (0.2, 0.5)).tolist()
    ['LOW', 'MEDIUM', 'HIGH']
    """
    return np.array(RISK_BANDS, dtype=object)[np.searchsorted(cuts, p, side="right")]
