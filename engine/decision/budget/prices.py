"""Prices for the limits: the Lagrangian dual of the budget problem, minimised by Newton steps within a trust region.

D(prices) = sum over customers of max(0, value - prices x use) + prices x most bounds every plan (weak duality). It is
convex and, for many customers, nearly smooth: its slope is what is left of each limit, its curvature the density of
customers who waver between two choices. A sample finds prices that are nearly right; the waverers under these decide
the rest, since nobody else would choose otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.decision.budget import kernels
from engine.decision.budget.problem import Look, Terms, look
from engine.prediction.treemodel import compiled

SAMPLES = (8_192, 65_536, 524_288)
ROUNDS, ROUNDS_BY_CUTS = 40, 120
EDGE = 0.02
WAVERERS, FEW = 300, 30
SETTLED, NEARBY = 1e-9, 0.02


@dataclass(frozen=True)
class Scale:
    """What a customer brings and uses of each limit, to know how far a price may move at once."""

    value: float
    price: np.ndarray


def find_prices(terms: Terms) -> np.ndarray:
    """Nearly right prices, from samples of the customers, the larger after the smaller."""
    rows, prices = len(terms.values), np.zeros(len(terms.most))
    for size in SAMPLES:
        if size * 2 < rows:
            some = np.linspace(0, rows - 1, size).astype(np.int64)
            sample = terms.rows(some, terms.most * (size / rows))
            prices = descend(sample, prices, close=0.01 / size).prices
    return prices if rows > 2 * SAMPLES[0] else descend(terms, prices).prices


def descend(terms: Terms, prices: np.ndarray, radius: float = 1.0, close: float = SETTLED) -> Look:
    """The lowest bound that the search reaches from those prices, and the look that proves it.

    Newton steps; where the dual turns out to have edges, because many customers are alike, steps along its cuts.
    """
    scale = _scale(terms)
    seen = [look(terms, prices)]
    best = _smoothly(terms, seen, scale, radius, close)
    if np.abs(best.prices * (terms.most - best.used)).sum() > EDGE * best.bound:
        best = _by_cuts(terms, seen, scale, radius, close)
    return best


def _smoothly(terms: Terms, seen: list[Look], scale: Scale, radius: float, close: float) -> Look:
    """Newton steps from the first look, each new look added; returns the best."""
    best, reach = seen[0], scale.value * radius
    for _ in range(ROUNDS):
        step, promised = _newton(terms, best, scale, radius, reach)
        if promised <= close * best.bound or radius < SETTLED:
            break
        tried = look(terms, best.prices + step)
        seen.append(tried)
        moved = float(np.max(np.abs(step) / scale.price, initial=0.0))
        kept = (best.bound - tried.bound) / promised
        radius = max(radius, 2 * moved) if kept > 0.7 else radius if kept > 0.25 else moved / 4
        reach = scale.value * 2 * moved
        best = tried if tried.bound < best.bound else best
    return best


def _by_cuts(terms: Terms, seen: list[Look], scale: Scale, radius: float, close: float) -> Look:
    """Steps to the lowest point of the cuts seen so far, within a trust region; returns the best look."""
    best = min(seen, key=lambda one: one.bound)
    for _ in range(ROUNDS_BY_CUTS):
        step, promised = _lowest(terms, seen, best, scale, radius)
        if promised <= close * best.bound:
            break
        tried = look(terms, best.prices + step)
        seen.append(tried)
        radius *= 2 if best.bound - tried.bound > promised / 2 else 1 if tried.bound < best.bound else 0.7
        best = tried if tried.bound < best.bound else best
    return best


def _scale(terms: Terms) -> Scale:
    """Sizes read from at most some thousand customers."""
    some = np.linspace(0, len(terms.values) - 1, min(len(terms.values), 4_096)).astype(np.int64)
    values = terms.values[some].astype(np.float64)
    allowed = values > 0
    value = float(values[allowed].mean()) if allowed.any() else 1.0
    use = np.array([np.broadcast_to(terms.shared[:, j], values.shape)[allowed].mean() if allowed.any() else 0.0
                    for j in range(len(terms.most))])
    for limit, own in zip(terms.whose, terms.own, strict=True):
        use[limit] = own[some][allowed].mean() if allowed.any() else 0.0
    return Scale(value, value / np.where(use > 0, use, 1.0))


def _newton(terms: Terms, here: Look, scale: Scale, radius: float, reach: float) -> tuple[np.ndarray, float]:
    """The step within the trust region that promises most, and how much lower it promises the bound to be."""
    slope = terms.most - here.used
    curve = curvature(terms, here, reach)
    far = radius * scale.price
    step = np.zeros(len(slope))
    compiled(kernels.settle)(curve, slope, np.maximum(-far, -here.prices), far, step)
    return step, -float(slope @ step + step @ curve @ step / 2)


def _lowest(terms: Terms, seen: list[Look], best: Look, scale: Scale, radius: float) -> tuple[np.ndarray, float]:
    """The step to the lowest point, within the trust region, of the cuts that all looks put under the dual."""
    from scipy.optimize import linprog

    slopes = np.array([terms.most - one.used for one in seen])
    below = [best.bound - one.bound - slope @ (best.prices - one.prices)
             for one, slope in zip(seen, slopes, strict=True)]
    cuts = np.column_stack([slopes * scale.price / best.bound, -np.ones(len(seen))])
    box = [*((max(-radius, -price), radius) for price in best.prices / scale.price), (None, 0.0)]
    answer = linprog(np.append(np.zeros(len(slopes[0])), 1.0), A_ub=cuts, b_ub=np.array(below) / best.bound, bounds=box,
                     method="highs-ds")
    if answer.status != 0:
        return np.zeros(len(slopes[0])), 0.0
    return answer.x[:-1] * scale.price, -float(answer.x[-1]) * best.bound


def curvature(terms: Terms, here: Look, reach: float) -> np.ndarray:
    """How fast the use of each limit falls as prices rise (m, m), from customers whose two best choices are close.

    Of a limit that hardly any of them waver about, as of a small cap, from those who come next.
    """
    enough = min(WAVERERS, len(here.margin)) - 1
    width = max(reach, float(np.partition(here.margin, enough)[enough])) if enough >= 0 else reach
    if not np.isfinite(width):
        width = reach
    near = np.flatnonzero(here.margin <= width)
    apart = terms.use(near, here.choice[near]) - terms.use(near, here.second[near])
    curve: np.ndarray = apart.T @ apart / (2 * max(width, 1e-300))
    matters = (here.prices > 0) | (here.used > terms.most)
    for limit in np.flatnonzero(matters & (np.count_nonzero(apart, axis=0) < FEW)):
        curve[limit, limit] = max(curve[limit, limit], _own_curvature(terms, here, int(limit)))
    return curve


def _own_curvature(terms: Terms, here: Look, limit: int) -> float:
    """How fast the use of one limit falls with its own price, from the few who waver most about it."""
    if limit in terms.whose:
        return 0.0
    nearest, apart = np.full(FEW, np.inf), np.zeros(FEW)
    use = np.append(terms.shared[:, limit], 0.0)
    compiled(kernels.waverers)(here.margin, here.choice, here.second, use, nearest, apart)
    width = nearest[np.isfinite(nearest)].max(initial=0.0)
    return float(apart @ apart) / (2 * max(width, 1e-300))
