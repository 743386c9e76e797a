"""The whole problem handed to HiGHS: branch and bound for small ones, the interior point of the LP, rounded, for large.

"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.decision.budget import core as cores
from engine.decision.budget.dual import Plan, nobody, refilled, rounded
from engine.decision.budget.prices import descend
from engine.decision.budget.problem import Terms, look

PATIENCE = 120.0


def plan_by_branching(terms: Terms, gap: float) -> Plan:
    """The best plan, up to the gap, by branch and bound over everything (HiGHS)."""
    plan = _priced(terms, "highs-ds")
    core = _everything(terms, plan)
    found = cores.solved(core, gap, PATIENCE)
    if found is None:
        return plan
    at, most = found
    whole: np.ndarray | None = at
    if (cores.left_by(core, at) < 0).any():
        whole = cores.mended(core, at)
    better = plan.or_better(terms, None if whole is None else core.written(plan.choice, whole))
    return replace(better, bound=max(better.value, min(better.bound, most)))


def plan_by_lp(terms: Terms, _gap: float) -> Plan:
    """The LP relaxation by HiGHS' interior point, its few fractional customers rounded and mended."""""
    return _priced(terms, "highs-ipm")


def _priced(terms: Terms, method: str) -> Plan:
    start = look(terms, np.zeros(len(terms.most)))
    empty = Plan(start, nobody(terms), 0.0, max(start.bound, 0.0))
    prices = cores.relaxed(_everything(terms, empty), method)
    seen = descend(terms, start.prices) if prices is None else look(terms, prices)
    plan = Plan(seen, empty.choice, 0.0, max(seen.bound, 0.0))
    return plan.or_better(terms, refilled(terms, seen, rounded(terms, seen)))


def _everything(terms: Terms, plan: Plan) -> cores.Core:
    """Every customer and every allowed choice that brings something."""
    return cores.core_of(terms, plan.seen, plan.choice, np.arange(len(terms.values)), np.inf)
