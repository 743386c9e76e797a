"""How much one column alone says about the label: ROC-AUC out of fold, and the errors of the best simple rule.

A column is reduced to levels (its distinct values in order, 0 for missing), and a label to how many left and how many
stayed at each level. Everything here is counted from those two lists, so that it is exact and takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

Learn = Callable[[np.ndarray, np.ndarray], np.ndarray]

FOLDS = 5
GROUPS = 64
PRIOR_ROWS = 10.0


@dataclass(frozen=True)
class Levels:
    """A column as whole numbers: codes[i] = 0 where the value is missing, else 1 + its place among `values`."""

    values: np.ndarray
    codes: np.ndarray
    ordered: bool

    @property
    def missing(self) -> np.ndarray:
        """Where the column is blank."""
        return self.codes == 0

    @property
    def numbers(self) -> np.ndarray:
        """The values as numbers again, NaN where missing (ordered columns only)."""
        return np.concatenate([[np.nan], self.values])[self.codes]

    def counts(self, where: np.ndarray) -> np.ndarray:
        """How many of these rows stand at each level, missing first."""
        return np.bincount(self.codes[where], minlength=len(self.values) + 1)


def levels(column: pd.Series) -> Levels:
    """The column's levels; numbers and dates in order, text and categories in no order that means anything.

    >>> levels(pd.Series([7.0, None, 3.0])).codes
    array([2, 0, 1])
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return levels_of_numbers(column.astype("int64").where(column.notna()).to_numpy(dtype=float))
    if pd.api.types.is_numeric_dtype(column):
        return levels_of_numbers(column.to_numpy(dtype=float, na_value=np.nan))
    codes, names = pd.factorize(column.astype("object"), sort=False)
    return Levels(np.asarray([str(name) for name in names], dtype=object), codes.astype(np.int64) + 1, False)


def levels_of_numbers(numbers: np.ndarray) -> Levels:
    """The levels of an array of numbers, NaN being missing."""
    known = ~np.isnan(numbers)
    distinct, places = np.unique(numbers[known], return_inverse=True)
    codes = np.zeros(len(numbers), dtype=np.int64)
    codes[known] = places + 1
    return Levels(distinct, codes, True)


def folds(y: np.ndarray, customers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each row's fold 0..4: whole customers, leavers and stayers spread evenly over the folds."""
    _, who = np.unique(customers, return_inverse=True)
    left = np.bincount(who, weights=y)
    order = np.lexsort((rng.random(len(left)), left))
    dealt = np.empty(len(left), dtype=np.int64)
    dealt[order] = np.arange(len(left)) % FOLDS
    return dealt[who]


def single_column_auc(column: Levels, y: np.ndarray, fold: np.ndarray) -> float:
    """ROC-AUC of the column alone, out of fold [0..1]: the better of its order and the leave rate of its groups.

    The order's direction, the place of missing values and the groups' rates are learned on the other four folds; the
    figure is the mean over folds.
    """
    by_group = _out_of_fold(grouped(column, GROUPS), y, fold, _rates)
    return max(by_group, _out_of_fold(column.codes, y, fold, _best_order)) if column.ordered else by_group


def grouped(column: Levels, most: int) -> np.ndarray:
    """The codes, with an ordered column's values gathered into at most so many groups of about equal size."""
    if not column.ordered or len(column.values) <= most:
        return column.codes
    counts = np.bincount(column.codes, minlength=len(column.values) + 1)[1:]
    middle = (np.cumsum(counts) - counts / 2) / counts.sum()
    return np.concatenate([[0], 1 + np.floor(middle * most).astype(np.int64)])[column.codes]


def _out_of_fold(codes: np.ndarray, y: np.ndarray, fold: np.ndarray, learn: Learn) -> float:
    """Mean over folds of the AUC of what `learn` makes of the other folds' leavers and stayers per level."""
    left, stayed = (per_fold(codes[y == kind], fold[y == kind], int(codes.max()) + 1) for kind in (1, 0))
    all_left, all_stayed = left.sum(axis=0), stayed.sum(axis=0)
    return float(np.mean([
        auc(learn(all_left - left[k], all_stayed - stayed[k]), left[k], stayed[k]) for k in range(FOLDS)
    ]))


def per_fold(codes: np.ndarray, fold: np.ndarray, width: int) -> np.ndarray:
    """How many rows stand at each level in each fold: folds x levels."""
    return np.bincount(fold * width + codes, minlength=FOLDS * width).reshape(FOLDS, width)


def _rates(left: np.ndarray, stayed: np.ndarray) -> np.ndarray:
    """The share that left at each level, drawn towards the overall share by ten rows' worth."""
    prior = left.sum() / max(left.sum() + stayed.sum(), 1)
    return (left + PRIOR_ROWS * prior) / (left + stayed + PRIOR_ROWS)


def _best_order(left: np.ndarray, stayed: np.ndarray) -> np.ndarray:
    """Of the four orders (rising or falling, missing first or last) the one that ranks these rows best."""
    rising = np.arange(len(left), dtype=float)
    missing_last = np.concatenate([[len(left)], rising[1:]])
    scores = [rising, -rising, missing_last, -missing_last]
    return scores[int(np.argmax([auc(score, left, stayed) for score in scores]))]


def auc(score: np.ndarray, left: np.ndarray, stayed: np.ndarray) -> float:
    """Chance that a leaver's level scores above a stayer's, ties counting half (Mann and Whitney 1947) [0..1].

    >>> float(auc(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 1]), np.array([2, 1, 0])))
    0.9166666666666666
    """
    _, tied = np.unique(score, return_inverse=True)
    wins, losses = np.bincount(tied, weights=left), np.bincount(tied, weights=stayed)
    pairs = wins.sum() * losses.sum()
    return float((wins * (np.cumsum(losses) - losses / 2)).sum() / pairs) if pairs else 0.5


def ranked(score: np.ndarray, y: np.ndarray) -> float:
    """ROC-AUC of a score of its own for each row [0..1]."""
    return auc(score, y, 1 - y)


@dataclass(frozen=True)
class Interval:
    """The best rule "left where low <= value <= high" (everywhere else when not `inside`), and the rows it gets wrong.

    `first` and `last` are levels, both included; level 0 is missing.
    """

    errors: int
    first: int
    last: int
    inside: bool


def best_interval(left: np.ndarray, stayed: np.ndarray) -> Interval:
    """The interval of levels that tells leavers from stayers with the fewest errors; thresholds are intervals too.

    errors = leavers outside + stayers inside, least where the running sum of (left - stayed) climbs most: the maximum
    subarray (Kadane), once for leavers inside and once for stayers inside.

    >>> best_interval(np.array([0, 0, 5, 4]), np.array([0, 6, 0, 1]))
    Interval(errors=1, first=2, last=3, inside=True)
    """
    gain = (left - stayed).astype(np.int64)
    inside, outside = _climb(gain), _climb(-gain)
    errors = int(left.sum() - inside[0]), int(stayed.sum() - outside[0])
    best, (_, first, last) = min(errors), inside if errors[0] <= errors[1] else outside
    return Interval(best, first, last, errors[0] <= errors[1])


def _climb(gain: np.ndarray) -> tuple[int, int, int]:
    """The greatest sum over a run of neighbours, and its first and last place."""
    total = np.concatenate([[0], np.cumsum(gain)])
    lowest = np.minimum.accumulate(total)[:-1]
    last = int(np.argmax(total[1:] - lowest))
    return int(total[last + 1] - lowest[last]), int(np.argmin(total[: last + 1])), last


def group_errors(codes: np.ndarray, y: np.ndarray, fold: np.ndarray) -> int:
    """Rows that "most of this group left" gets wrong, learned on the other folds."""
    left, stayed = (per_fold(codes[y == kind], fold[y == kind], int(codes.max()) + 1) for kind in (1, 0))
    rest = (left.sum(axis=0) - left) - (stayed.sum(axis=0) - stayed)
    says_left = np.where(rest == 0, y.mean() > 0.5, rest > 0)
    return int(np.where(says_left, stayed, left).sum())


def pair_errors(first: np.ndarray, others: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Errors of the best interval on the difference, sum and ratio of one column with each of several others.

    `first` has one row per customer, `others` the same rows and a column each; y holds 0 and 1. Ties are cut as they
    fall, so this is a screen whose finds need confirming.
    """
    return {name: _screen(combine(first[:, None], others), y) for name, combine in COMBINATIONS.items()}


def _screen(combined: np.ndarray, y: np.ndarray) -> np.ndarray:
    order = np.argsort(combined, axis=0)
    gain = np.where(y[order] == 1, 1, -1)
    total = np.vstack([np.zeros((1, gain.shape[1]), dtype=np.int64), np.cumsum(gain, axis=0)])
    inside = (total - np.minimum.accumulate(total)).max(axis=0)
    outside = (np.maximum.accumulate(total) - total).max(axis=0)
    return np.minimum(y.sum() - inside, (1 - y).sum() - outside)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(np.broadcast_shapes(a.shape, b.shape), np.nan), where=b != 0)


COMBINATIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "difference": np.subtract,
    "sum": np.add,
    "ratio": _ratio,
}
