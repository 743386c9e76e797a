"""Exact contributions and fast scores of LightGBM models: what `pred_contrib` and `predict` say, sooner.

Contributions come from tables (see treetables). Scores come from QuickScorer (Lucchese et al. 2015, SIGIR): a row's
answers strike leaves from each tree's bit set, and the first leaf left is the one it falls into. Both work on blocks
of rows that stay in the processor's cache, in one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from engine.prediction.treemodel import Codebook, Splits, Tree, Unsupported, compiled, matrix, splits, tree_model
from engine.prediction.treetables import Tables, tables

if TYPE_CHECKING:
    from lightgbm import Booster

BLOCK = 512
CHUNK = 8_192
WORTH_COMPILING = 10_000_000
DE_BRUIJN = {32: 0x077CB531, 64: 0x03F79D71B4CB0A89}


@dataclass(frozen=True)
class Explainer:
    """A model ready to be explained."""

    features: int
    book: Codebook
    splits: Splits
    tables: Tables

    def contributions(self, values: np.ndarray) -> np.ndarray:
        """Each feature's share of each row's raw score, and the base value in the last column: (rows, features + 1)."""
        out = np.empty((len(values), self.features + 1))
        out[:, -1] = self.tables.base
        for part in _chunks(len(values)):
            t, s, d = self.tables, self.splits, self.tables.deep
            codes = self.book.codes(values[part])
            phi = np.zeros((self.features, codes.shape[1]))
            nodes = s.slot, s.low, s.width, s.set_start, s.member
            compiled(explain)(
                codes, *nodes, s.first, t.first, t.question, t.edge, t.edge_node, t.edge_left, t.column, t.feature,
                t.start, t.table, BLOCK, phi,
            )
            compiled(explain_deep)(
                codes, *nodes, d.value, d.factor, d.feature, d.share, d.edge, d.edge_node, d.edge_left, d.points,
                d.weights, BLOCK, phi,
            )
            out[part, :-1] = phi.T
        return out


def explainer(booster: Booster) -> Explainer:
    """The booster made ready to explain; takes a second for 300 trees, so do it once.

    >>> import lightgbm
    >>> X, y = np.arange(40.0)[:, None], np.arange(40) % 20 // 10
    >>> data = lightgbm.Dataset(X, y)
    >>> booster = lightgbm.train({"min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}, data, 3)
    >>> bool(np.allclose(explainer(booster).contributions(X), booster.predict(X, pred_contrib=True)))
    True

    Raises:
        Unsupported: the model is one that tables cannot hold; ask LightGBM's own pred_contrib.
    """
    model = tree_model(booster)
    book, where = splits(model)
    return Explainer(model.features, book, where, tables(model))


@dataclass(frozen=True)
class Scorer:
    """A model ready to score. `keep` says per node which leaves stay when its answer is no, leaves from left to right.

    `value` holds each tree's leaf values in the order in which the De Bruijn number sorts single bits.
    """

    book: Codebook
    splits: Splits
    keep: np.ndarray
    value: np.ndarray
    scale: float

    def raw(self, values: np.ndarray) -> np.ndarray:
        """Each row's raw score (log-odds for a binary model)."""
        s, bits = self.splits, self.keep.dtype.itemsize * 8
        out = np.zeros(len(values))
        for part in _chunks(len(values)):
            compiled(quickscore)(
                self.book.codes(values[part]), s.slot, s.low, s.width, s.set_start, s.member, s.first, self.keep,
                self.value, self.keep.dtype.type(DE_BRUIJN[bits]), bits - bits.bit_length() + 1, BLOCK, out[part],
            )
        return out * self.scale


def scorer(booster: Booster) -> Scorer:
    """The booster made ready to score.

    Raises:
        Unsupported: a tree has more than 64 leaves, or the model is one that these arrays cannot hold.
    """
    model = tree_model(booster)
    leaves = max((len(tree.leaf_value) for tree in model.trees), default=1)
    if leaves > 64:
        raise Unsupported("A tree has more than 64 leaves.")
    bits = 32 if leaves <= 32 else 64
    order = [(DE_BRUIJN[bits] << bit) % 2**bits >> bits - bits.bit_length() + 1 for bit in range(bits)]
    keep, value = [np.empty(0, np.uint64)], np.zeros((len(model.trees), bits))
    for number, tree in enumerate(model.trees):
        places, stays = _places(tree, bits)
        keep.append(stays)
        value[number, [order[place] for place in places]] = tree.leaf_value
    return Scorer(*splits(model), np.concatenate(keep).astype(f"u{bits // 8}"), value, model.scale)


def raw_scores(booster: Booster, X: pd.DataFrame | np.ndarray) -> np.ndarray:
    """Each row's raw score: LightGBM's own to the last bit, for many rows several times sooner, in little memory."""
    if len(X) * booster.num_trees() < WORTH_COMPILING:
        return np.asarray(booster.predict(X, raw_score=True, num_threads=1), dtype=np.float64)
    try:
        ready = scorer(booster)
    except Unsupported:
        return np.asarray(booster.predict(X, raw_score=True, num_threads=1), dtype=np.float64)
    rows = (X.iloc[part] if isinstance(X, pd.DataFrame) else X[part] for part in _chunks(len(X)))
    return np.concatenate([ready.raw(matrix(booster, some)) for some in rows])


def _places(tree: Tree, bits: int) -> tuple[list[int], np.ndarray]:
    """Each leaf's place from left to right, and per node the bits of all leaves but those on its left."""
    count = {~leaf: 1 for leaf in range(len(tree.leaf_value))}
    for node in reversed(range(len(tree.feature))):
        count[node] = count[int(tree.left[node])] + count[int(tree.right[node])]
    begins, stays = {0 if len(tree.feature) else ~0: 0}, np.empty(len(tree.feature), np.uint64)
    for node in range(len(tree.feature)):
        left, right = int(tree.left[node]), int(tree.right[node])
        begins[left], begins[right] = begins[node], begins[node] + count[left]
        stays[node] = 2**bits - 1 - ((1 << count[left]) - 1 << begins[node])
    return [begins[~leaf] for leaf in range(len(tree.leaf_value))], stays


def _chunks(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, rows)) for start in range(0, rows, CHUNK))


def explain(
    codes: np.ndarray, slot: np.ndarray, low: np.ndarray, width: np.ndarray, set_start: np.ndarray,
    member: np.ndarray, first_node: np.ndarray, first_group: np.ndarray, question: np.ndarray, edge: np.ndarray,
    edge_node: np.ndarray, edge_left: np.ndarray, column: np.ndarray, feature: np.ndarray, start: np.ndarray,
    table: np.ndarray, block: int, phi: np.ndarray,
) -> None:
    """Add every group's contributions to phi[feature, row], block by block, tree by tree."""
    rows = codes.shape[1]
    most = 1
    for tree in range(len(first_node) - 1):
        most = max(most, first_node[tree + 1] - first_node[tree])
    left = np.empty((most, block), np.uint8)
    met = np.empty(block, np.uint8)
    answers = np.empty(block, np.uint16)
    for begin in range(0, rows, block):
        size = min(block, rows - begin)
        for tree in range(len(first_node) - 1):
            for node in range(first_node[tree], first_node[tree + 1]):
                here = left[node - first_node[tree]]
                code = codes[slot[node], begin : begin + size]
                if set_start[node] < 0:
                    down, wide = low[node], width[node]
                    for row in range(size):
                        here[row] = np.uint16(code[row] - down) <= wide
                else:
                    inside = member[set_start[node] :]
                    for row in range(size):
                        here[row] = inside[code[row]]
            for group in range(first_group[tree], first_group[tree + 1]):
                answers[:size] = 0
                for number in range(question[group], question[group + 1]):
                    met[:size] = 1
                    for step in range(edge[number], edge[number + 1]):
                        here = left[edge_node[step]]
                        flip = np.uint8(1 - edge_left[step])
                        for row in range(size):
                            met[row] &= here[row] ^ flip
                    shift = np.uint16(number - question[group])
                    for row in range(size):
                        answers[row] |= np.uint16(met[row]) << shift
                across = column[group + 1] - column[group]
                for place in range(across):
                    total = phi[feature[column[group] + place], begin : begin + size]
                    part = table[start[group] + place :]
                    for row in range(size):
                        total[row] += part[answers[row] * across]


def explain_deep(
    codes: np.ndarray, slot: np.ndarray, low: np.ndarray, width: np.ndarray, set_start: np.ndarray,
    member: np.ndarray, value: np.ndarray, factor: np.ndarray, feature: np.ndarray, share: np.ndarray,
    edge: np.ndarray, edge_node: np.ndarray, edge_left: np.ndarray, points: np.ndarray, weights: np.ndarray,
    block: int, phi: np.ndarray,
) -> None:
    """Add the contributions of leaves without a table to phi[feature, row]: the integral for each row."""
    met = np.empty((points.shape[0], block), np.uint8)
    product = np.empty(block)
    for begin in range(0, codes.shape[1], block):
        size = min(block, codes.shape[1] - begin)
        for leaf in range(len(value)):
            first, d = factor[leaf], factor[leaf + 1] - factor[leaf]
            for i in range(d):
                here = met[i]
                here[:size] = 1
                for step in range(edge[first + i], edge[first + i + 1]):
                    node, wanted = edge_node[step], edge_left[step]
                    code = codes[slot[node], begin : begin + size]
                    for row in range(size):
                        if set_start[node] < 0:
                            goes = np.uint16(code[row] - low[node]) <= width[node]
                        else:
                            goes = member[set_start[node] + code[row]] == 1
                        here[row] &= goes == (wanted == 1)
            for q in range((d + 1) // 2):
                t = points[d, q]
                product[:size] = value[leaf] * weights[d, q]
                for i in range(d):
                    out = share[first + i] * (1.0 - t)
                    for row in range(size):
                        product[row] *= out + t if met[i, row] else out
                for i in range(d):
                    z = share[first + i]
                    yes, no = (1.0 - z) / (z * (1.0 - t) + t), -1.0 / (1.0 - t)
                    total = phi[feature[first + i], begin : begin + size]
                    for row in range(size):
                        total[row] += product[row] * (yes if met[i, row] else no)


def quickscore(
    codes: np.ndarray, slot: np.ndarray, low: np.ndarray, width: np.ndarray, set_start: np.ndarray,
    member: np.ndarray, first_node: np.ndarray, keep: np.ndarray, value: np.ndarray, number: int, shift: int,
    block: int, out: np.ndarray,
) -> None:
    """Add the value of each row's leaf in every tree to out, block by block, in the trees' order."""
    alive = np.empty(block, keep.dtype)
    for begin in range(0, codes.shape[1], block):
        size = min(block, codes.shape[1] - begin)
        total = out[begin : begin + size]
        for tree in range(len(first_node) - 1):
            alive[:size] = ~keep.dtype.type(0)
            for node in range(first_node[tree], first_node[tree + 1]):
                code = codes[slot[node], begin : begin + size]
                kept, every = keep[node], ~keep.dtype.type(0)
                if set_start[node] < 0:
                    down, wide = low[node], width[node]
                    for row in range(size):
                        alive[row] &= every if np.uint16(code[row] - down) <= wide else kept
                else:
                    inside = member[set_start[node] :]
                    for row in range(size):
                        alive[row] &= every if inside[code[row]] else kept
            leaf_value = value[tree]
            for row in range(size):
                alive[row] = (alive[row] & -alive[row]) * number
            for row in range(size):
                total[row] += leaf_value[alive[row] >> shift]
