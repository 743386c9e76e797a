"""Near-exact plans for millions: prices by Newton steps, a plan mended among those who waver, a small exact core."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.decision.budget import core as cores
from engine.decision.budget import kernels
from engine.decision.budget.prices import NEARBY, descend, find_prices
from engine.decision.budget.problem import Look, Terms, look, room, used_by, value_of
from engine.prediction.treemodel import compiled

PRICED_ON = (2_000, 30_000)
MENDED_ON = (5_000, 50_000)
RELAXED_ON = 2_000
PAIRED_ON = 700
EXACT = ((100, 1.5), (200, 1.5), (1_000, 4.0), (4_000, 20.0))
SEARCHES = 4
CROWD, ALIKE, MOST_KINDS = 1e-4, 1e-9, 20_000
COUNTED = 100_000
PLACES = 2_000_000


@dataclass(frozen=True)
class Plan:
    """The best plan found so far and the least bound proven, with the look that proves it."""

    seen: Look
    choice: np.ndarray
    value: float
    bound: float

    def within(self, gap: float) -> bool:
        """True when no plan can bring more than that share above this one."""
        return self.bound - self.value <= gap * self.bound

    def or_better(self, terms: Terms, choice: np.ndarray | None) -> Plan:
        """This plan, or that one if it brings more and keeps every limit."""
        value = -np.inf if choice is None else value_of(terms, choice)
        if choice is None or value <= self.value or (used_by(terms, choice) > room(terms)).any():
            return self
        return replace(self, choice=choice, value=value, bound=max(self.bound, value))


def plan_by_prices(terms: Terms, gap: float, start: np.ndarray | None = None, patience: float = np.inf) -> Plan:
    """A plan within that gap if the search finds one, and the best it found otherwise.

    Args:
        start: prices to begin from. patience: the longest that one branching may take [seconds].
    """
    seen = best_prices(terms, gap, start)
    plan = Plan(seen, nobody(terms), 0.0, max(seen.bound, 0.0))
    plan = plan.or_better(terms, rounded(terms, seen))
    if not plan.within(max(gap, CROWD)):
        plan = plan.or_better(terms, _by_kind(terms, seen))
    for sharper in (_paired, _relaxed, _paired):
        if plan.within(gap):
            return plan
        plan = sharper(terms, plan)
    for customers, seconds in EXACT:
        if plan.within(gap) or seconds > patience:
            break
        plan = _exactly(terms, plan, customers, gap, seconds)
    return plan


def plan_without_limits(terms: Terms) -> Plan:
    """Everybody's best."""
    seen = look(terms, np.zeros(len(terms.most)))
    return Plan(seen, nobody(terms), 0.0, seen.bound).or_better(terms, seen.choice)


def nobody(terms: Terms) -> np.ndarray:
    """The plan that treats nobody."""
    return np.full(len(terms.values), kernels.NOTHING, np.int16)


def best_prices(terms: Terms, gap: float, start: np.ndarray | None = None) -> Look:
    """The look at the best prices found: samples first, then those who waver, until all agree.

    With everybody else settled the dual is never above the true one, so the two show how far the prices may be off.
    """
    seen = discerning(terms, look(terms, find_prices(terms) if start is None else start))
    count = int(np.clip(len(terms.values) // 50, *PRICED_ON))
    for _ in range(SEARCHES):
        some = nearest(seen, count)
        used, brought = _settled(terms, seen, some)
        if (used > terms.most).any():
            seen = discerning(terms, descend(terms, seen.prices, NEARBY))
            continue
        found = descend(terms.rows(some, terms.most - used), seen.prices, NEARBY)
        below = found.bound + brought
        tried = discerning(terms, look(terms, found.prices))
        if tried.bound - below <= gap / 10 * tried.bound:
            return tried
        seen, count = (tried, count) if tried.bound < seen.bound else (seen, 4 * count)
    return discerning(terms, descend(terms, seen.prices, NEARBY))


def discerning(terms: Terms, seen: Look) -> Look:
    """The look with `apart`, where only some choices differ in what has a price: few waver about what is scarce."""
    own, scarce = seen.prices[terms.whose] > 0, seen.prices > 0
    if own.any() or not scarce.any():
        return seen
    use = np.vstack([terms.shared[:, scarce], np.zeros(np.count_nonzero(scarce))])
    kind = np.unique(use, axis=0, return_inverse=True)[1].ravel()
    base, apart = terms.shared @ seen.prices, np.empty(len(terms.values))
    compiled(kernels.apart)(terms.values, base, kind, seen.choice, apart)
    return replace(seen, apart=apart)


def _settled(terms: Terms, seen: Look, some: np.ndarray) -> tuple[np.ndarray, float]:
    """What everybody but those uses of each limit, and brings, at the look's choices."""
    all_bring = seen.bound - float(seen.prices @ (terms.most - seen.used))
    chosen = some[seen.choice[some] >= 0]
    bring = terms.values[chosen, seen.choice[chosen]].sum(dtype=np.float64)
    return seen.used - terms.use(some, seen.choice[some]).sum(axis=0), all_bring - float(bring)


def nearest(seen: Look, count: int) -> np.ndarray:
    """The customers nearest to choosing otherwise, in their order; about so many where there are very many."""
    close = seen.close
    if count >= len(close):
        return np.arange(len(close))
    if len(close) <= COUNTED:
        return np.sort(np.argsort(close, kind="stable")[:count])
    width = np.quantile(close[:: len(close) // COUNTED], count / len(close))
    near = np.flatnonzero(close <= width)
    return near[:: max(1, len(near) // count)]


def rounded(terms: Terms, seen: Look) -> np.ndarray:
    """A plan that keeps every limit, from what the prices alone would choose."""
    for count in MENDED_ON:
        core = _around(terms, seen, seen.choice, count)
        at = cores.mended(core, cores.start(core, seen.choice))
        if at is not None:
            return core.written(seen.choice, at)
    return refilled(terms, seen, dropped(terms, seen))


def _around(terms: Terms, seen: Look, choice: np.ndarray, count: int) -> cores.Core:
    some = nearest(seen, count)
    margins = seen.close[some]
    width = float(margins[np.isfinite(margins)].max(initial=0.0))
    return cores.core_of(terms, seen, choice, some, width)


def dropped(terms: Terms, seen: Look) -> np.ndarray:
    """The prices' own plan without those who bring least for what they use of each limit that it breaks."""
    choice, full = seen.choice.copy(), room(terms)
    for limit in range(len(full)):
        chosen = np.flatnonzero(choice >= 0)
        use = terms.use(chosen, choice[chosen])[:, limit]
        over = use.sum() - full[limit]
        if over > 0:
            worth = terms.values[chosen, choice[chosen]] / np.where(use > 0, use, np.nan)
            order = np.argsort(worth, kind="stable")
            enough = int(np.searchsorted(np.cumsum(use[order]), over)) + 1
            choice[chosen[order[:enough]]] = kernels.NOTHING
    return choice


def refilled(terms: Terms, seen: Look, choice: np.ndarray) -> np.ndarray:
    """That plan with what still fits for those who get nothing, the least regret first."""
    choice, left = choice.copy(), room(terms) - used_by(terms, choice)
    idle = np.flatnonzero(choice < 0)
    worth = terms.values[idle] - (terms.shared @ seen.prices)[None]
    for limit, own in zip(terms.whose, terms.own, strict=True):
        worth = worth - seen.prices[limit] * own[idle]
    wanted = np.flatnonzero((terms.values[idle] > 0).ravel())
    order = wanted[np.argsort(-worth.ravel()[wanted], kind="stable")][:PLACES]
    places = idle[order // terms.values.shape[1]] * terms.values.shape[1] + order % terms.values.shape[1]
    compiled(kernels.take)(places, terms.shared, terms.stacked, terms.whose, left, choice)
    return choice


def _by_kind(terms: Terms, seen: Look) -> np.ndarray | None:
    """A plan for crowds whom no price can part: how many of each kind get what, by an LP; None if all differ."""
    alike = np.flatnonzero(seen.margin <= ALIKE * terms.highest)
    if not len(alike):
        return None
    worth = np.column_stack([terms.values[alike], *(own[alike] for own in terms.own)])
    _, first, kind, size = np.unique(worth, axis=0, return_index=True, return_inverse=True, return_counts=True)
    if len(first) > min(MOST_KINDS, len(alike) / 2):
        return None
    choice = seen.choice.copy()
    choice[alike] = kernels.NOTHING
    core = cores.core_of(terms, seen, choice, alike[first], ALIKE * terms.highest)
    each = cores.shares(core, size)
    if each is None:
        return None
    queue = np.repeat(np.arange(len(core.row)), each)
    members, place = np.argsort(kind, kind="stable"), np.cumsum(size) - size
    number = np.arange(len(queue)) - np.searchsorted(core.row[queue], core.row[queue])
    choice[alike[members[place[core.row[queue]] + number]]] = core.column[queue]
    return refilled(terms, seen, choice)


def _paired(terms: Terms, plan: Plan) -> Plan:
    """The plan improved by pairs of changes among those who waver most."""
    core = _around(terms, plan.seen, plan.choice, PAIRED_ON)
    at = cores.improved(core, cores.start(core, plan.choice))
    return plan.or_better(terms, core.written(plan.choice, at))


def _relaxed(terms: Terms, plan: Plan) -> Plan:
    """The bound sharpened by the prices of an LP among those who waver, and the plan that these round to if better."""
    prices = cores.relaxed(_around(terms, plan.seen, plan.seen.choice, RELAXED_ON))
    seen = plan.seen if prices is None else discerning(terms, look(terms, prices))
    if seen.bound < plan.bound:
        plan = replace(plan, seen=seen, bound=max(seen.bound, plan.value))
    return plan.or_better(terms, rounded(terms, plan.seen))


def _exactly(terms: Terms, plan: Plan, customers: int, gap: float, seconds: float) -> Plan:
    """The plan bettered by branch and bound in its core; the bound too, if the core holds every choice that could."""
    seen, width = plan.seen, plan.seen.bound - plan.value
    some = nearest(seen, customers)
    core = cores.core_of(terms, seen, seen.choice, some, width)
    priced = core if seen.apart is None else cores.without(core, seen.prices <= 0)
    found = cores.solved(priced, gap / 2 * plan.bound / max(float(core.value[core.first].sum()), 1e-300), seconds)
    if found is None:
        return plan
    at = found[0] if (cores.left_by(core, found[0]) >= 0).all() else cores.mended(core, found[0])
    plan = plan.or_better(terms, None if at is None else core.written(seen.choice, at))
    if np.count_nonzero(seen.close <= width) > np.count_nonzero(seen.close[some] <= width):
        return plan
    others = seen.choice.copy()
    others[some] = kernels.NOTHING
    return replace(plan, bound=max(plan.value, min(plan.bound, value_of(terms, others) + found[1])))
