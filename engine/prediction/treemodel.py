"""A LightGBM model as flat arrays, and every split as a range of small whole numbers.

LightGBM's own text form is the source (exact to the last digit). `Codebook` turns a column's values into codes: 0 for
missing, otherwise one plus the number of thresholds below the value, so that each split asks only whether a code lies
in a range (numbers) or in a set (categories).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from lightgbm import Booster

CATEGORY, DEFAULT_LEFT = 1, 2
NO_MISSING, ZERO_MISSING, NAN_MISSING, CATEGORIES = 0, 1, 2, 3
HIGHEST_CODE = 65_534


class Unsupported(Exception):
    """The model holds something that these arrays cannot say; LightGBM itself must answer."""


@dataclass(frozen=True)
class Tree:
    """One tree. A child >= 0 is a node, otherwise leaf ~child. `sets` are the categories that go left, by number."""

    feature: np.ndarray
    threshold: np.ndarray
    decision: np.ndarray
    left: np.ndarray
    right: np.ndarray
    node_rows: np.ndarray
    leaf_value: np.ndarray
    leaf_rows: np.ndarray
    sets: tuple[np.ndarray, ...]

    @property
    def expected(self) -> float:
        """The tree's mean output over its training rows."""
        if len(self.leaf_value) == 1:
            return float(self.leaf_value[0])
        return float(self.leaf_value @ self.leaf_rows / self.node_rows[0])

    def rows(self, child: int) -> float:
        """Training rows that reached the child."""
        return float(self.node_rows[child] if child >= 0 else self.leaf_rows[~child])


@dataclass(frozen=True)
class TreeModel:
    """The trees, and what their sum is multiplied with: 1, or 1 / trees for a forest, whose prediction is the mean."""

    trees: tuple[Tree, ...]
    features: int
    scale: float


def tree_model(booster: Booster) -> TreeModel:
    """The booster's trees, up to its best iteration.

    Raises:
        Unsupported: several outputs per row, or linear leaves.
    """
    head, *blocks = booster.model_to_string().split("\nTree=")
    says = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    if says["num_tree_per_iteration"] != "1":
        raise Unsupported("The model has several outputs per row.")
    trees = tuple(_tree(dict(line.split("=", 1) for line in block.splitlines() if "=" in line)) for block in blocks)
    scale = 1.0 / max(len(trees), 1) if "average_output" in head.splitlines() else 1.0
    return TreeModel(trees, int(says["max_feature_idx"]) + 1, scale)


def _tree(says: dict[str, str]) -> Tree:
    if says.get("is_linear", "0") != "0":
        raise Unsupported("The model has linear leaves.")

    def numbers(key: str, kind: type) -> np.ndarray:
        return np.array(says.get(key, "").split(), dtype=kind)

    starts, words = numbers("cat_boundaries", np.int64), numbers("cat_threshold", np.uint32)
    sets = tuple(_members(words[first:last]) for first, last in pairwise(starts))
    return Tree(
        numbers("split_feature", np.int32), numbers("threshold", np.float64), numbers("decision_type", np.int32),
        numbers("left_child", np.int32), numbers("right_child", np.int32), numbers("internal_count", np.float64),
        numbers("leaf_value", np.float64), numbers("leaf_count", np.float64), sets,
    )


def _members(words: np.ndarray) -> np.ndarray:
    """The numbers whose bits are set in 32-bit words, lowest first."""
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))


@dataclass(frozen=True)
class Codebook:
    """How values become codes. One slot per (column, way of missing); `edges[start:stop]` are its sorted thresholds."""

    column: np.ndarray
    missing: np.ndarray
    start: np.ndarray
    edges: np.ndarray

    def codes(self, values: np.ndarray) -> np.ndarray:
        """The codes of float64 values (rows, features) as uint16 (slots, rows)."""
        out = np.empty((len(self.column), len(values)), np.uint16)
        compiled(encode)(values, self.column, self.missing, self.start, self.edges, out)
        return out


@dataclass(frozen=True)
class Splits:
    """All trees' nodes in a row: a row goes left if code - low <= width (uint16 arithmetic), or by `member` if set.

    `first` gives each tree's first node; `set_start` is -1 for numbers, otherwise where the node's set begins.
    """

    first: np.ndarray
    slot: np.ndarray
    low: np.ndarray
    width: np.ndarray
    set_start: np.ndarray
    member: np.ndarray


def splits(model: TreeModel) -> tuple[Codebook, Splits]:
    """The model's codebook and its splits in terms of it."""
    feature, threshold, decision = (
        np.concatenate([np.empty(0), *(getattr(tree, name) for tree in model.trees)])
        for name in ("feature", "threshold", "decision")
    )
    decision = decision.astype(np.int64)
    way = np.where(decision & CATEGORY, CATEGORIES, decision >> 2 & 3)
    keys, slot = np.unique(feature.astype(np.int64) * 4 + way, return_inverse=True)
    sets = [tree.sets[int(cut)] if kind & CATEGORY else None
            for tree in model.trees for cut, kind in zip(tree.threshold, tree.decision, strict=True)]
    edges = [_categories(sets, slot == number) if key % 4 == CATEGORIES else np.unique(threshold[slot == number])
             for number, key in enumerate(keys)]
    if any(len(edge) >= HIGHEST_CODE for edge in edges):
        raise Unsupported("A column has too many thresholds.")
    start = np.cumsum([0, *map(len, edges)])
    book = Codebook(keys // 4, keys % 4, start, np.concatenate([np.empty(0), *edges]))
    rank = np.array([np.searchsorted(edges[s], cut) for s, cut in zip(slot, threshold, strict=True)], np.int64)
    low = np.where(decision & DEFAULT_LEFT, 0, 1)
    members = [_goes_left(numbers, len(edges[s])) for s, numbers in zip(slot, sets, strict=True)]
    ends = np.cumsum([0, *map(len, members)])
    first = np.cumsum([0, *(len(tree.feature) for tree in model.trees)])
    return book, Splits(
        first, slot, low.astype(np.uint16), (rank + 1 - low).astype(np.uint16),
        np.where(way == CATEGORIES, ends[:-1], -1), np.concatenate([np.empty(0, np.uint8), *members]),
    )


def _categories(sets: list[np.ndarray | None], mine: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... up to the highest category that any of the slot's splits names."""
    highest = max(int(numbers.max(initial=0)) for numbers, own in zip(sets, mine, strict=True)
                  if own and numbers is not None)
    return np.arange(min(highest + 1, HIGHEST_CODE), dtype=np.float64)


def _goes_left(numbers: np.ndarray | None, categories: int) -> np.ndarray:
    """By code, whether it goes left; empty for a split of numbers. Code 0 (missing) and unknown ones never do."""
    goes = np.zeros(0 if numbers is None else categories + 2, np.uint8)
    if numbers is not None:
        goes[numbers + 1] = 1
    return goes


def matrix(booster: Booster, X: pd.DataFrame | np.ndarray) -> np.ndarray:
    """What the booster sees: float64 (rows, features); categories as the codes of its training, unseen ones as NaN."""
    if isinstance(X, np.ndarray):
        return np.asarray(X, dtype=np.float64)
    levels = iter(booster.pandas_categorical or ())
    return np.column_stack(list(_columns(X, levels))) if X.shape[1] else np.empty((len(X), 0))


def _columns(X: pd.DataFrame, levels: Iterator[Any]) -> Iterator[np.ndarray]:
    for name in X.columns:
        column = X[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = column.cat.set_categories(next(levels)).cat.codes.to_numpy()
            yield np.where(codes < 0, np.nan, codes)
        else:
            yield column.to_numpy(dtype=np.float64, na_value=np.nan)


@cache
def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel as machine code; compiled once per machine and kept beside the source."""
    import numba

    machine: Callable[..., Any] = numba.njit(cache=True, nogil=True, error_model="numpy")(kernel)
    return machine


def encode(
    values: np.ndarray, column: np.ndarray, missing: np.ndarray, start: np.ndarray, edges: np.ndarray, out: np.ndarray
) -> None:
    """Fill out[slot, row] with codes. Zero counts as missing only where the slot says so; otherwise NaN reads as 0."""
    for slot in range(len(column)):
        way, first, count = missing[slot], start[slot], start[slot + 1] - start[slot]
        for row in range(values.shape[0]):
            x = values[row, column[slot]]
            if np.isnan(x):
                if way >= 2:
                    out[slot, row] = 0
                    continue
                x = 0.0
            if way == 1 and abs(x) <= 1.0000000180025095e-35:
                out[slot, row] = 0
            elif way == 3:
                whole = np.trunc(x)
                out[slot, row] = 0 if whole < 0 else min(whole, count) + 1
            else:
                low, left = first, count
                while left > 1:
                    half = left >> 1
                    low += half * (edges[low + half - 1] < x)
                    left -= half
                out[slot, row] = low - first + (edges[low] < x) + 1
