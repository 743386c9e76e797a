"""What is often done instead: the riskiest first, or the dearest at risk, each with the best offer that is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.decision.budget import Problem
from engine.decision.economics import Priced

RIVALS: Mapping[str, Callable[[Priced], np.ndarray]] = {
    "top risk": lambda priced: priced.p,
    "risk x LTV": lambda priced: priced.p * priced.worth,
}


def in_order(problem: Problem, order: np.ndarray, preferred: np.ndarray) -> np.ndarray:
    """Whom that order takes within the limits, (n,): each customer in turn gets the preferred treatment that is left.

    order: the customers, the first one first. preferred: (n, k), the greatest first; values that are no numbers in the
    problem are never taken. A treatment is left until what it uses of some limit is used up. Whoever costs or brings
    nothing is taken like anybody else: that is how such lists are worked.
    """
    n, k = problem.shape
    choice, open_, allowed = np.full(n, -1), np.ones(k, dtype=bool), np.isfinite(problem.values)
    left = [limit.most for limit in problem.limits]
    waiting = order
    while len(waiting) and open_.any():
        taken = _best(preferred[waiting], allowed[waiting] & open_)
        waiting, taken = waiting[taken >= 0], taken[taken >= 0]
        uses = [limit.use[taken] if limit.use.ndim == 1 else limit.use[waiting, taken] for limit in problem.limits]
        fitting = [int(np.searchsorted(np.cumsum(use), most * (1 + 1e-12), side="right"))
                   for use, most in zip(uses, left, strict=True)]
        count = min(fitting, default=len(waiting))
        choice[waiting[:count]] = taken[:count]
        left = [most - float(use[:count].sum()) for use, most in zip(uses, left, strict=True)]
        if count == len(waiting):
            break
        full = problem.limits[fitting.index(count)].use
        open_ &= (full == 0) if full.ndim == 1 else (np.arange(k) != taken[count])
        waiting = waiting[count:]
    return choice


def _best(preferred: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The preferred allowed column per row; -1 where none is allowed."""
    best = np.where(allowed, preferred, -np.inf).argmax(axis=1) if len(preferred) else np.zeros(0, dtype=int)
    return np.where(allowed.any(axis=1), best, -1)
