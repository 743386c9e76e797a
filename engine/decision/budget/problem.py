"""What a budget asks and what an answer holds: at most one treatment per customer under a few limits on their sum."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine.decision.budget import kernels
from engine.decision.budget.units import ROUNDING, counted, most_counted, units_of
from engine.errors import Infeasible
from engine.prediction.treemodel import compiled
from engine.prediction.workers import each

SHARE, CHUNK, BLOCK = 262_144, 4_096, 64
MOST_LIMITS = 64


@dataclass(frozen=True)
class Limit:
    """One limit on a plan: the sum over the chosen (customer, treatment) of `use` is at most `most`.

    use: one number per treatment (k,), or one per customer and treatment (n, k); never negative.
    name: "budget", "treatment:loyalty_discount", "channel:phone", "team:agents".
    """

    name: str
    use: np.ndarray
    most: float


@dataclass(frozen=True)
class Problem:
    """What each treatment brings each customer [currency], NaN or -inf where it is not allowed, and the limits."""

    values: np.ndarray
    limits: tuple[Limit, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Customers, treatments."""
        rows, columns = self.values.shape
        return rows, columns


@dataclass(frozen=True)
class Solution:
    """A plan that keeps every limit, and the proof of how good it is.

    choice: per customer the treatment's column, -1 = nothing. value: what the plan brings. bound: what no plan can
    exceed, evaluated in float64. prices: what one more unit of each limit would bring. gap: (bound - value) / bound.
    """

    choice: np.ndarray
    value: float
    bound: float
    prices: Mapping[str, float]
    seconds: float
    method: str

    @property
    def gap(self) -> float:
        """How far the plan may be from the best, as a share of the bound; proven, not estimated."""
        return max(0.0, (self.bound - self.value) / self.bound) if self.bound > 0 else 0.0


@dataclass(frozen=True)
class Terms:
    """A problem made ready: `shared` (k, m) holds what a treatment uses whoever gets it, `own` what depends on whom.

    `own[r]` (n, k) belongs to limit `whose[r]`. `most` is finite. `units[j]`ths of limit j
    are counted whole: 100 for cents, 0 where its uses are whole in no unit.
    """

    values: np.ndarray
    shared: np.ndarray
    own: tuple[np.ndarray, ...]
    whose: np.ndarray
    most: np.ndarray
    units: np.ndarray
    highest: float

    def rows(self, chosen: np.ndarray, most: np.ndarray) -> Terms:
        """The same of some customers, under other limits."""
        own = tuple(use[chosen] for use in self.own)
        return Terms(self.values[chosen], self.shared, own, self.whose, most, self.units, self.highest)

    def use(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """What those choices use of each limit, (rows, m); column -1 uses nothing."""
        used = np.where(columns[:, None] >= 0, self.shared[columns], 0.0)
        for limit, use in zip(self.whose, self.own, strict=True):
            used[:, limit] = np.where(columns >= 0, use[rows, columns], 0.0)
        return used

    @cached_property
    def stacked(self) -> np.ndarray:
        """`own` as one array (r, n, k)."""
        if len(self.own) == 1:
            return self.own[0][None]
        return np.stack(self.own) if self.own else np.empty((0, *self.values.shape), self.values.dtype)


@dataclass(frozen=True)
class Look:
    """The plan that prices alone would make: each customer's best and second-best choice, and how far they are apart.

    bound: no plan within the limits brings more (weak duality). used: what this plan uses of each limit. apart: how far
    each customer's best choice is from the best of those that differ from it in what has a price; None = as `margin`.
    """

    prices: np.ndarray
    choice: np.ndarray
    second: np.ndarray
    margin: np.ndarray
    bound: float
    used: np.ndarray
    apart: np.ndarray | None = None

    @property
    def close(self) -> np.ndarray:
        """How little each customer is away from choosing otherwise in a way that matters."""
        return self.margin if self.apart is None else self.apart


def ready(problem: Problem) -> Terms:
    """The problem checked and laid out.

    Raises:
        Infeasible: a limit makes no sense (negative, not a number, named twice, of the wrong shape); names them all.
    """
    faults = list(_faults(problem))
    if faults:
        raise Infeasible("No plan can keep these limits. " + " ".join(faults))
    values, limits = _floats(problem.values), problem.limits
    uses = [_floats(limit.use) for limit in limits]
    units = [units_of(values, use) for use in uses]
    uses = [counted(use, unit) for use, unit in zip(uses, units, strict=True)]
    whose = [number for number, use in enumerate(uses) if use.ndim == 2]
    shared = np.zeros((problem.shape[1], len(limits)))
    for number, use in enumerate(uses):
        if number not in whose:
            shared[:, number] = use
    most = [most_counted(_finite(limit, len(values)), unit) for limit, unit in zip(limits, units, strict=True)]
    return Terms(values, shared, tuple(uses[number] for number in whose), np.array(whose, np.int64), np.array(most),
                 np.array(units), _highest(values))


def _highest(values: np.ndarray) -> float:
    """The largest value that is a number; 0 when there is none."""
    return max(0.0, float(np.fmax.reduce(values, axis=None, initial=0.0)))


def _floats(numbers: np.ndarray) -> np.ndarray:
    numbers = np.asarray(numbers)
    wanted = numbers.dtype if numbers.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    return np.ascontiguousarray(numbers, dtype=wanted)


def _finite(limit: Limit, rows: int) -> float:
    """The limit's size; where it is infinite, more than any plan can use."""
    if math.isfinite(limit.most):
        return float(limit.most)
    return 1.0 + rows * float(np.max(limit.use, initial=0.0, where=np.isfinite(limit.use)))


def _faults(problem: Problem) -> Iterator[str]:
    names = [limit.name for limit in problem.limits]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} is named twice: give each limit once."
    if len(names) > MOST_LIMITS:
        yield f"There are {len(names)} limits; at most {MOST_LIMITS} can be kept at once."
    if _highest(problem.values) == np.inf:
        yield "A value is infinite: no plan can be compared with another."
    for limit in problem.limits:
        yield from _limit_faults(limit, problem)


def _limit_faults(limit: Limit, problem: Problem) -> Iterator[str]:
    rows, columns = problem.shape
    if math.isnan(limit.most) or limit.most < 0:
        yield f"{limit.name} is {limit.most:g}: write a number of at least 0."
    if np.shape(limit.use) not in ((columns,), (rows, columns)):
        yield f"{limit.name} says its use for {np.shape(limit.use)}, but there are {rows} customers x {columns}."
    elif np.ndim(limit.use) == 1 and not (np.isfinite(limit.use) & (np.asarray(limit.use) >= 0)).all():
        yield f"{limit.name}: what a treatment uses of it must be a number of at least 0."
    elif np.ndim(limit.use) == 2 and compiled(kernels.senseless)(_floats(problem.values), _floats(limit.use)):
        yield f"{limit.name}: what a treatment uses of it must be a number of at least 0, for every customer."


def look(terms: Terms, prices: np.ndarray) -> Look:
    """What those prices would choose, and the bound that they prove."""
    rows = len(terms.values)
    seen = Look(prices, np.empty(rows, np.int16), np.empty(rows, np.int16), np.empty(rows), 0.0, np.empty(0))
    starts = range(0, rows, SHARE)
    parts = each(lambda start: _look_at(terms, seen, slice(start, start + SHARE)), starts) if len(starts) > 1 else (
        _look_at(terms, seen, slice(start, start + SHARE)) for start in starts)
    sums, used = zip(*parts, strict=True) if rows else ((), ())
    bound = math.fsum(sums) + float(prices @ terms.most)
    return replace(seen, bound=bound + _rounding(terms, bound), used=np.sum(used, axis=0) + np.zeros(len(prices)))


def _look_at(terms: Terms, seen: Look, share: slice) -> tuple[float, np.ndarray]:
    """Fill in a share of the look; returns the sum of its best choices and what they use."""
    values, columns = terms.values[share], terms.values.shape[1]
    base, price = terms.shared @ seen.prices, np.zeros((min(CHUNK, len(values)), columns))
    work, counts = np.zeros((columns + 4, BLOCK)), np.zeros(columns + 1, np.int64)
    sums: list[float] = []
    spent = np.zeros((math.ceil(len(values) / CHUNK), len(terms.own)))
    for number, first in enumerate(range(share.start, share.start + len(values), CHUNK)):
        part = slice(first, min(first + CHUNK, share.start + len(values)))
        for place, use in enumerate(terms.own):
            compiled(kernels.price)(use[part], seen.prices[terms.whose[place]], place == 0, price)
        sums.append(compiled(kernels.choose)(terms.values[part], price, base, seen.choice[part], seen.second[part],
                                             seen.margin[part], counts, work))
        for place, use in enumerate(terms.own):
            spent[number, place] = compiled(kernels.spent)(use[part], seen.choice[part])
    used = counts[1:] @ terms.shared
    used[terms.whose] = spent.sum(axis=0)
    return math.fsum(sums), used


def _rounding(terms: Terms, bound: float) -> float:
    """At least what rounding can have taken from the bound: n numbers of that size, summed in blocks of CHUNK."""
    eps, (rows, _), limits = np.finfo(np.float64).eps, terms.values.shape, len(terms.most)
    return float(eps * ((CHUNK + limits) * bound + 2 * (limits + 2) * rows * terms.highest))


def value_of(terms: Terms, choice: np.ndarray) -> float:
    """What a plan brings [currency]."""
    chosen = np.flatnonzero(choice >= 0)
    return float(terms.values[chosen, choice[chosen]].sum(dtype=np.float64))


def used_by(terms: Terms, choice: np.ndarray) -> np.ndarray:
    """What a plan uses of each limit."""
    chosen = np.flatnonzero(choice >= 0)
    counts = np.bincount(choice[chosen], minlength=terms.values.shape[1])
    used = counts @ terms.shared
    for limit, use in zip(terms.whose, terms.own, strict=True):
        used[limit] = use[chosen, choice[chosen]].sum(dtype=np.float64)
    return used


def room(terms: Terms) -> np.ndarray:
    """The limits as a plan may fill them: what is counted to the last unit, others but for what rounding may add up."""
    return np.where(terms.units > 0, terms.most, terms.most * (1 - ROUNDING))
