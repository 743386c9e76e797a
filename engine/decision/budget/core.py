"""The core of a budget problem: the customers who waver at nearly right prices, and the choices they waver between.

Everybody else is settled. Within the core plans are mended, filled, improved in pairs, relaxed (an LP) and solved
exactly: a plan that beats a known one uses no choice whose regret (what it falls short of the best at these prices)
exceeds the gap between that plan and the bound, so a core of all others holds the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.decision.budget import kernels
from engine.decision.budget.problem import Look, Terms, room, used_by
from engine.decision.budget.quiet import unheard
from engine.prediction.treemodel import compiled

SWEEPS = 30
WHOLE = 1e-9


@dataclass(frozen=True)
class Core:
    """Moves: the (customer, treatment) pairs still open. `row` counts customers within the core, `column` -1 = nothing.

    most: what the settled customers leave of each limit. first: each customer's best move, by regret. scarce: which
    limits have a price.
    """

    customers: np.ndarray
    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    use: np.ndarray
    regret: np.ndarray
    first: np.ndarray
    most: np.ndarray
    scarce: np.ndarray

    def written(self, choice: np.ndarray, at: np.ndarray) -> np.ndarray:
        """The plan with the core's customers at those moves."""
        plan = choice.copy()
        plan[self.customers] = self.column[at]
        return plan


def core_of(terms: Terms, seen: Look, choice: np.ndarray, customers: np.ndarray, width: float) -> Core:
    """The core of those customers: their choices with a regret of at most `width`, and nothing; others keep theirs."""
    columns = terms.values.shape[1]
    value = np.column_stack([terms.values[customers].astype(np.float64), np.zeros(len(customers))])
    price = np.column_stack([np.broadcast_to(terms.shared @ seen.prices, (len(customers), columns)),
                             np.zeros(len(customers))])
    for limit, own in zip(terms.whose, terms.own, strict=True):
        price[:, :-1] += seen.prices[limit] * own[customers]
    worth = np.where(np.isnan(value), -np.inf, value - price)
    regret = worth.max(axis=1, keepdims=True) - worth
    open_moves = (regret <= width) & np.isfinite(regret)
    open_moves[:, -1] = True
    row, column = np.nonzero(open_moves)
    named = np.where(column == columns, kernels.NOTHING, column)
    others = choice.copy()
    others[customers] = kernels.NOTHING
    ordered = np.lexsort((regret[row, column], row))
    first = ordered[np.searchsorted(row[ordered], np.arange(len(customers)))]
    return Core(customers, row, named, value[row, column], terms.use(customers[row], named), regret[row, column], first,
                room(terms) - used_by(terms, others), seen.prices > 0)


def without(core: Core, free: np.ndarray) -> Core:
    """The core without those limits: what it brings then is at least what it can bring."""
    return replace(core, most=np.where(free, np.inf, core.most))


def start(core: Core, choice: np.ndarray) -> np.ndarray:
    """Each customer's move in that plan; nothing where the core has no such move."""
    wanted = choice[core.customers][core.row] == core.column
    at = np.flatnonzero(core.column == kernels.NOTHING)
    at[core.row[wanted]] = np.flatnonzero(wanted)
    return at


def left_by(core: Core, at: np.ndarray) -> np.ndarray:
    """What is left of each limit with the customers at those moves; negative where one is broken."""
    left: np.ndarray = core.most - core.use[at].sum(axis=0)
    return left


def mended(core: Core, at: np.ndarray) -> np.ndarray | None:
    """Those moves changed until every limit holds, then filled up; None when the core cannot mend them.

    What has a price is freed only where nothing else mends: nobody might be left whom it fits.
    """
    at, left, order = at.copy(), left_by(core, at), np.argsort(core.regret, kind="stable")
    for kept_full in (core.scarce, np.zeros_like(core.scarce)):
        compiled(kernels.mend)(order, core.row, core.use, at, left, kept_full)
    if (left < 0).any():
        return None
    compiled(kernels.fill)(order, core.row, core.value, core.use, at, left)
    return at


def improved(core: Core, at: np.ndarray) -> np.ndarray:
    """Those moves, bettered by pairs of changes while any brings more."""
    at, left = at.copy(), left_by(core, at)
    compiled(kernels.swap)(core.row, core.value, core.use, at, left, SWEEPS)
    return at


def relaxed(core: Core, method: str = "highs-ds") -> np.ndarray | None:
    """The LP relaxation's prices of the limits; None when the settled customers leave too little for any plan."""
    from scipy.optimize import linprog

    answer = linprog(-core.value, **_rows(core), bounds=(0, None), method=method)
    return np.maximum(-answer.ineqlin.marginals, 0.0) if answer.status == 0 else None


def shares(core: Core, size: np.ndarray) -> np.ndarray | None:
    """Where each of the core's customers stands for `size` equal ones: how many take each move, whole and no more."""
    from scipy.optimize import linprog

    rows = {**_rows(core), "b_eq": size.astype(float)}
    answer = linprog(-core.value, **rows, bounds=(0, None), method="highs-ds")
    return np.floor(answer.x + WHOLE).astype(np.int64) if answer.status == 0 else None


def solved(core: Core, gap: float, seconds: float) -> tuple[np.ndarray, float] | None:
    """The core solved by branch and bound: its moves, and what no plan within it exceeds; None when time ran out."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    rows = _rows(core)
    limits = [LinearConstraint(rows["A_ub"], ub=rows["b_ub"]), LinearConstraint(rows["A_eq"], 1, 1)]
    with unheard():
        answer = milp(-core.value, constraints=limits, integrality=1, bounds=Bounds(0, 1),
                      options={"mip_rel_gap": gap, "time_limit": seconds})
    if answer.x is None:
        return None
    order = np.lexsort((-answer.x, core.row))
    return order[np.searchsorted(core.row[order], np.arange(len(core.customers)))], -float(answer.mip_dual_bound)


def _rows(core: Core) -> dict[str, Any]:
    """At most each limit, exactly one move per customer, as scipy wants them."""
    from scipy import sparse

    moves = np.arange(len(core.row))
    each = sparse.csr_array((np.ones(len(moves)), (core.row, moves)), shape=(len(core.customers), len(moves)))
    return {"A_ub": sparse.csr_array(core.use.T), "b_ub": core.most, "A_eq": each, "b_eq": np.ones(each.shape[0])}
