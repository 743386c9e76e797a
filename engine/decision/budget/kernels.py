"""The inner loops of the budget: plain Python that numba makes fast. Rows are customers, columns treatments."""

from __future__ import annotations

import numpy as np

NOTHING = -1


def senseless(values: np.ndarray, use: np.ndarray) -> int:
    """How many allowed choices use less than nothing, or what is no finite number."""
    count = 0
    for i in range(values.shape[0]):
        for t in range(values.shape[1]):
            count += (values[i, t] > -np.inf) & ((use[i, t] < 0.0) | ~(use[i, t] < np.inf))
    return count


def whole(values: np.ndarray, use: np.ndarray, units: float, rounding: float, sure: float, most: float) -> bool:
    """Is every allowed choice's use a whole number of `units`ths, up to `most`; `rounding` relative, `sure` in all?"""
    for i in range(values.shape[0]):
        fits = True
        for t in range(values.shape[1]):
            if values[i, t] > -np.inf:
                counted = use[i, t] * units
                off = abs(counted - np.rint(counted))
                fits = fits and counted <= most and (off == 0.0 or off <= rounding * counted <= sure)
        if not fits:
            return False
    return True


def price(use: np.ndarray, unit: float, anew: bool, out: np.ndarray) -> None:
    """Set `out` to use x unit (`anew`), or add it."""
    for i in range(use.shape[0]):
        for t in range(use.shape[1]):
            out[i, t] = use[i, t] * unit if anew else out[i, t] + use[i, t] * unit


def choose(
    values: np.ndarray, price: np.ndarray, base: np.ndarray, choice: np.ndarray, second: np.ndarray,
    margin: np.ndarray, counts: np.ndarray, work: np.ndarray,
) -> float:
    """Each row's best and second-best column after prices (-1 is nothing, worth 0); returns the sum of the best.

    `work` (columns + 4, rows of a block) holds a block on its side, so that one instruction serves several rows.
    """
    (n, k), block = values.shape, work.shape[1]
    total = 0.0
    for first in range(0, n, block):
        last = min(first + block, n)
        for i in range(first, last):
            for t in range(k):
                work[t, i - first] = values[i, t] - price[i, t] - base[t]
        for i in range(block):
            work[k, i], work[k + 1, i], work[k + 2, i], work[k + 3, i] = 0.0, -np.inf, NOTHING, NOTHING
        for t in range(k):
            name = float(t)
            for i in range(block):
                r, top, after, a, b = work[t, i], work[k, i], work[k + 1, i], work[k + 2, i], work[k + 3, i]
                first_now, second_now = r > top, r > after
                work[k, i], work[k + 2, i] = r if first_now else top, name if first_now else a
                work[k + 1, i] = top if first_now else (r if second_now else after)
                work[k + 3, i] = a if first_now else (name if second_now else b)
        for i in range(first, last):
            top, a = work[k, i - first], np.int64(work[k + 2, i - first])
            total += top
            choice[i], second[i], margin[i] = a, np.int64(work[k + 3, i - first]), top - work[k + 1, i - first]
            counts[a + 1] += 1
    return total


def apart(values: np.ndarray, base: np.ndarray, kind: np.ndarray, choice: np.ndarray, out: np.ndarray) -> None:
    """How far each row's choice is from the best choice of another kind; `kind` of each column, of nothing last."""
    n, k = values.shape
    for i in range(n):
        mine = kind[choice[i]] if choice[i] >= 0 else kind[k]
        own = values[i, choice[i]] - base[choice[i]] if choice[i] >= 0 else 0.0
        best = -np.inf if mine == kind[k] else 0.0
        for t in range(k):
            worth = values[i, t] - base[t]
            if kind[t] != mine and worth > best:
                best = worth
        out[i] = own - best


def waverers(
    margin: np.ndarray, choice: np.ndarray, second: np.ndarray, use: np.ndarray, nearest: np.ndarray, apart: np.ndarray,
) -> None:
    """The least margins of rows whose two best choices differ in `use` (of nothing last), ascending, and by how much.

    `nearest` comes as infinities, `apart` as zeros, and stay so where there are fewer such rows.
    """
    few = len(nearest)
    for i in range(len(margin)):
        if margin[i] < nearest[few - 1]:
            differ = use[choice[i]] - use[second[i]]
            if differ != 0.0:
                place = few - 1
                while place > 0 and nearest[place - 1] > margin[i]:
                    nearest[place], apart[place] = nearest[place - 1], apart[place - 1]
                    place -= 1
                nearest[place], apart[place] = margin[i], differ


def spent(use: np.ndarray, choice: np.ndarray) -> float:
    """The sum of what the chosen columns use."""
    total = 0.0
    for i in range(use.shape[0]):
        if choice[i] >= 0:
            total += use[i, choice[i]]
    return total


def settle(hessian: np.ndarray, slope: np.ndarray, low: np.ndarray, high: np.ndarray, step: np.ndarray) -> None:
    """Minimise slope x step + step' hessian step / 2 within low <= step <= high, one coordinate after the other."""
    m = len(slope)
    for _ in range(400):
        moved = 0.0
        for j in range(m):
            pull = slope[j]
            for h in range(m):
                pull += hessian[j, h] * step[h]
            if hessian[j, j] > 0:
                wanted = step[j] - pull / hessian[j, j]
            else:
                wanted = low[j] if pull > 0 else high[j] if pull < 0 else step[j]
            wanted = min(max(wanted, low[j]), high[j])
            moved = max(moved, abs(wanted - step[j]) / (high[j] - low[j] + 1e-300))
            step[j] = wanted
        if moved < 1e-9:
            break


def mend(
    order: np.ndarray, row: np.ndarray, use: np.ndarray, at: np.ndarray, left: np.ndarray, scarce: np.ndarray,
) -> None:
    """Move rows off broken limits, the least regret first: `order` lists moves, `at` each row's move, changed in place.

    A move is taken if it eases a broken limit, breaks none (nor breaks one further), and frees nothing `scarce`.
    """
    m = use.shape[1]
    for move in order:
        old = at[row[move]]
        eases, harms = False, False
        for j in range(m):
            change = use[old, j] - use[move, j]
            eases = eases or (left[j] < 0 and change > 0)
            harms = harms or (change < 0 and left[j] + change < 0) or (scarce[j] and left[j] >= 0 and change > 0)
        if eases and not harms:
            for j in range(m):
                left[j] += use[old, j] - use[move, j]
            at[row[move]] = move


def fill(
    order: np.ndarray, row: np.ndarray, value: np.ndarray, use: np.ndarray, at: np.ndarray, left: np.ndarray,
) -> None:
    """Take every move that brings more and fits, in that order; `at` and `left` are changed in place."""
    m = use.shape[1]
    for move in order:
        old = at[row[move]]
        if value[move] > value[old]:
            fits = True
            for j in range(m):
                fits = fits and use[move, j] - use[old, j] <= left[j]
            if fits:
                for j in range(m):
                    left[j] += use[old, j] - use[move, j]
                at[row[move]] = move


def swap(
    row: np.ndarray, value: np.ndarray, use: np.ndarray, at: np.ndarray, left: np.ndarray, sweeps: int,
) -> float:
    """Take pairs of moves that together bring more and fit, until a sweep finds none; returns what they brought."""
    moves, m = use.shape
    gained = 0.0
    for _ in range(sweeps):
        before = gained
        for a in range(moves):
            if at[row[a]] == a:
                continue
            best, partner = 0.0, -1
            for b in range(a):
                if row[b] == row[a] or at[row[b]] == b:
                    continue
                brings = value[a] - value[at[row[a]]] + value[b] - value[at[row[b]]]
                if brings > best:
                    fits = True
                    for j in range(m):
                        wanted = use[a, j] - use[at[row[a]], j] + use[b, j] - use[at[row[b]], j]
                        if wanted > left[j]:
                            fits = False
                            break
                    if fits:
                        best, partner = brings, b
            if partner >= 0:
                for c in (a, partner):
                    for j in range(m):
                        left[j] += use[at[row[c]], j] - use[c, j]
                    at[row[c]] = c
                gained += best
        if gained == before:
            break
    return gained


def take(
    order: np.ndarray, shared: np.ndarray, own: np.ndarray, whose: np.ndarray, left: np.ndarray, choice: np.ndarray,
) -> None:
    """Give every row the first of its columns in `order` (row x columns + column) that still fits."""
    k, m = shared.shape
    wanted = np.zeros(m)
    for place in order:
        i, t = place // k, place % k
        if choice[i] >= 0:
            continue
        for j in range(m):
            wanted[j] = shared[t, j]
        for r in range(len(whose)):
            wanted[whose[r]] = own[r, i, t]
        fits = True
        for j in range(m):
            fits = fits and wanted[j] <= left[j]
        if fits:
            choice[i] = t
            for j in range(m):
                left[j] -= wanted[j]
