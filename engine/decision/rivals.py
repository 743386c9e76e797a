"""What is often done instead: the riskiest first, or the dearest at risk, each with the best offer that is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.decision.budget import Problem
from engine.decision.economics import Priced

AT_ONCE = 20_000
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
    choice, open_, left = np.full(n, -1), np.ones(k, dtype=bool), [limit.most for limit in problem.limits]
    for start in range(0, n, AT_ONCE):
        waiting = order[start:start + AT_ONCE]
        while len(waiting) and open_.any():
            waiting, open_, left = _taken(problem, waiting, preferred, choice, open_, left)
    return choice


def _taken(problem: Problem, waiting: np.ndarray, preferred: np.ndarray, choice: np.ndarray, open_: np.ndarray,
           left: list[float]) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Take of those waiting until something is used up: who waits then, which treatments are left, and how much."""
    taken = _best(preferred[waiting], np.isfinite(problem.values[waiting]) & open_)
    waiting, taken = waiting[taken >= 0], taken[taken >= 0]
    uses = [limit.use[taken] if limit.use.ndim == 1 else limit.use[waiting, taken] for limit in problem.limits]
    fitting = [int(np.searchsorted(np.cumsum(use), most * (1 + 1e-12), side="right"))
               for use, most in zip(uses, left, strict=True)]
    count = min(fitting, default=len(waiting))
    choice[waiting[:count]] = taken[:count]
    left = [most - float(use[:count].sum()) for use, most in zip(uses, left, strict=True)]
    if count < len(waiting):
        full = problem.limits[fitting.index(count)].use
        open_ = open_ & ((full == 0) if full.ndim == 1 else (np.arange(len(open_)) != taken[count]))
    return waiting[count:], open_, left


def _best(preferred: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The preferred allowed column per row; -1 where none is allowed."""
    best = np.where(allowed, preferred, -np.inf).argmax(axis=1) if len(preferred) else np.zeros(0, dtype=int)
    return np.where(allowed.any(axis=1), best, -1)
