"""The usual shortcut, shown for comparison: the best value for its share of the limits first, as long as it fits."""

from __future__ import annotations

import numpy as np

from engine.decision.budget import kernels
from engine.decision.budget.dual import Plan, best_prices, nobody
from engine.decision.budget.problem import Terms, room
from engine.prediction.treemodel import compiled

PROOF = 1e-4


def plan_by_ratio(terms: Terms, _gap: float) -> Plan:
    """The greedy plan, with the dual's bound to show what it loses."""
    seen = best_prices(terms, PROOF)
    plan = Plan(seen, nobody(terms), 0.0, max(seen.bound, 0.0))
    return plan.or_better(terms, greedy_choice(terms))


def greedy_choice(terms: Terms) -> np.ndarray:
    """Choices taken in order of value / (sum of the shares of the limits that they use)."""
    full = room(terms)
    weight = 1 / np.maximum(full, 1e-300)
    share = np.broadcast_to(terms.shared @ weight, terms.values.shape)
    for limit, own in zip(terms.whose, terms.own, strict=True):
        share = share + weight[limit] * own
    wanted = np.flatnonzero((terms.values > 0).ravel())
    ratio = terms.values.ravel()[wanted] / np.maximum(share.ravel()[wanted], 1e-300)
    choice = nobody(terms)
    order = wanted[np.argsort(-ratio, kind="stable")]
    compiled(kernels.take)(order, terms.shared, terms.stacked, terms.whose, full, choice)
    return choice
