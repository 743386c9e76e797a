"""At most one treatment per customer under a budget, caps and capacities: plans with a proof of how good they are.

    milp    branch and bound (HiGHS): the best plan, for some thousands of (customer, treatment) pairs
    lp      the LP relaxation (HiGHS, interior point), rounded and mended
    dual    Lagrangian prices by Newton steps, then a small exact core: millions in a second
    greedy  the usual shortcut, for comparison

Where all uses of a limit are whole cents (or whole numbers, or ten-thousandths) they are counted as such, so that every
method fills it to the last cent and none goes beyond.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from engine.decision.budget.dual import Plan, plan_by_prices, plan_without_limits
from engine.decision.budget.exact import plan_by_branching, plan_by_lp
from engine.decision.budget.greedy import plan_by_ratio
from engine.decision.budget.problem import Limit, Problem, Solution, Terms, ready
from engine.errors import choose

__all__ = ["AUTO", "SOLVERS", "Limit", "Problem", "Solution", "solve"]

AUTO = "auto"
SMALL = 5_000

SOLVERS: Mapping[str, Callable[[Terms, float], Plan]] = MappingProxyType({
    "milp": plan_by_branching, "lp": plan_by_lp, "dual": plan_by_prices, "greedy": plan_by_ratio,
})


def solve(problem: Problem, method: str = AUTO, gap: float = 1e-5,
          start: Mapping[str, float] | None = None, patience: float = math.inf) -> Solution:
    """The plan that brings most within the limits, with the proven bound and each limit's shadow price.

    Args:
        method: a name of SOLVERS; "auto" branches when the problem is small and prices otherwise.
        gap: how much, as a share of the best possible, may be left; "lp" and "greedy" do not ask.
        start: prices of a problem much like this one, from which "dual" begins. patience: the longest that it may
            branch at a time [seconds]; whatever gap is left then is told.

    Raises:
        Infeasible: a limit makes no sense: negative, not a number, named twice, of the wrong shape.

    >>> import numpy as np
    >>> calls = Limit("channel:phone", np.array([1.0, 0.0]), most=1)
    >>> budget = Limit("budget", np.array([5.0, 1.0]), most=7)
    >>> plan = solve(Problem(np.array([[30.0, 8.0], [26.0, 9.0], [np.nan, 3.0]]), (calls, budget)))
    >>> plan.choice.tolist(), plan.value, plan.method
    ([0, 1, 1], 42.0, 'milp')
    """
    began = time.perf_counter()
    name = ("milp" if problem.values.size <= SMALL else "dual") if method == AUTO else method
    solver, terms = choose("method", name, SOLVERS), ready(problem)
    per_one = np.maximum(terms.units, 1)
    if name == "dual":
        begin = None if start is None else np.array([start.get(limit.name, 0.0) for limit in problem.limits]) / per_one
        solver = functools.partial(plan_by_prices, start=begin, patience=patience)
    plan = solver(terms, gap) if terms.values.size and problem.limits else plan_without_limits(terms)
    priced = zip(problem.limits, plan.seen.prices * per_one, strict=True)
    prices = {limit.name: float(price) for limit, price in priced}
    return Solution(plan.choice.astype("int64"), plan.value, plan.bound, prices, time.perf_counter() - began, name)
