"""Tables of exact Shapley values, one per small group of leaves: the answer is looked up, not computed.

A leaf's contribution to a row depends only on which of the conditions on its path the row meets. So do the summed
contributions of a few neighbouring leaves, which share most of their conditions. A group's table has a row for each
combination of its conditions (at most 2^QUESTIONS) and a column for each feature asked; explaining a row then takes one
look-up per group. The idea of tables per leaf is Yang (2021), Fast TreeSHAP v2, arXiv:2109.09847; groups of leaves
are ours. The Shapley weights s! (d - s - 1)! / d! are integrals of t^s (1 - t)^(d - s - 1), hence

    contribution of i at a leaf = value x (met_i - z_i) x integral over t of prod_{j != i} (z_j (1 - t) + met_j t)

with z_j the share of training rows that pass j's conditions; Gauss-Legendre integrates that polynomial exactly.
Leaves whose path asks about more than DEEPEST features (few) get no table: the integral is taken for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import NamedTuple

import numpy as np

from engine.prediction.treemodel import Tree, TreeModel, Unsupported, compiled

QUESTIONS = 10
DEEPEST = 10
LARGEST = 256 * 2**20


class Edge(NamedTuple):
    """One step down a tree: from which node, to its left or not, on which feature, kept by which share of rows."""

    node: int
    left: bool
    feature: int
    share: float


Path = tuple[Edge, ...]


@dataclass(frozen=True)
class Tables:
    """All groups of all trees, flat. `first[t]:first[t + 1]` are tree t's groups; `table` holds contributions.

    A group's questions are `question[g]:question[g + 1]`, a question's edges `edge[q]:edge[q + 1]` (node within the
    tree, and the answer wanted), a group's features `column[g]:column[g + 1]`, its table begins at `start[g]`.
    """

    first: np.ndarray
    question: np.ndarray
    edge: np.ndarray
    edge_node: np.ndarray
    edge_left: np.ndarray
    column: np.ndarray
    feature: np.ndarray
    start: np.ndarray
    table: np.ndarray
    deep: Deep
    base: float

    @property
    def bytes(self) -> int:
        """Memory of the tables."""
        return self.table.nbytes


@dataclass(frozen=True)
class Deep:
    """The leaves without a table, flat. A leaf's factors are `factor[l]:factor[l + 1]`, one per feature of its path;
    a factor's edges are `edge[f]:edge[f + 1]` (node among all trees' nodes, and the answer wanted).
    """

    value: np.ndarray
    factor: np.ndarray
    feature: np.ndarray
    share: np.ndarray
    edge: np.ndarray
    edge_node: np.ndarray
    edge_left: np.ndarray
    points: np.ndarray
    weights: np.ndarray


@dataclass
class _Flat:
    """The lists from which Tables and the kernel's arguments are made."""

    question: list[int] = field(default_factory=lambda: [0])
    edge: list[int] = field(default_factory=lambda: [0])
    edge_node: list[int] = field(default_factory=list)
    edge_left: list[bool] = field(default_factory=list)
    column: list[int] = field(default_factory=lambda: [0])
    feature: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=lambda: [0])
    leaf: list[int] = field(default_factory=lambda: [0])
    value: list[float] = field(default_factory=list)
    factor: list[int] = field(default_factory=lambda: [0])
    share: list[float] = field(default_factory=list)
    asks: list[int] = field(default_factory=list)
    wants: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)


def tables(model: TreeModel) -> Tables:
    """The model's tables.

    Raises:
        Unsupported: the tables would need too much memory.
    """
    flat, first, deep, node = _Flat(), [0], [], 0
    for tree in model.trees:
        ways, values = _paths(tree), tree.leaf_value * model.scale
        for leaves in _groups(tree, ways):
            if _features(ways[leaves[0]]) > DEEPEST:
                deep.append((node, ways[leaves[0]], float(values[leaves[0]])))
            else:
                _append(flat, [ways[leaf] for leaf in leaves], [values[leaf] for leaf in leaves])
        first.append(len(flat.leaf) - 1)
        node += len(tree.feature)
    if flat.start[-1] * 8 > LARGEST:
        raise Unsupported("The tables would need too much memory.")
    base = model.scale * sum(tree.expected for tree in model.trees)
    return Tables(
        np.array(first), np.array(flat.question), np.array(flat.edge), np.array(flat.edge_node, np.int64),
        np.array(flat.edge_left, np.uint8), np.array(flat.column), np.array(flat.feature, np.int64),
        np.array(flat.start), _filled(flat), _deep(deep), base,
    )


def _features(path: Path) -> int:
    """How many features the path asks about."""
    return len({edge.feature for edge in path})


def _deep(leaves: Sequence[tuple[int, Path, float]]) -> Deep:
    factor, edge, own = [0], [0], []
    for first, path, _ in leaves:
        for feature in dict.fromkeys(step.feature for step in path):
            mine = [step for step in path if step.feature == feature]
            own += [(first + step.node, step.left, feature, step.share) for step in mine]
            edge.append(len(own))
        factor.append(len(edge) - 1)
    nodes, left, features, shares = np.array(own, np.float64).reshape(-1, 4).T
    points, weights = _quadratures(int(np.diff(factor).max(initial=1)))
    return Deep(
        np.array([value for *_, value in leaves], np.float64), np.array(factor), features[edge[:-1]].astype(np.int64),
        np.multiply.reduceat(shares, edge[:-1]) if own else shares, np.array(edge), nodes.astype(np.int64),
        left.astype(np.uint8), points, weights,
    )


def _paths(tree: Tree) -> list[Path]:
    """Each leaf's steps from the root. In LightGBM a child's number is above its parent's."""
    way: dict[int, Path] = {0: ()}
    for node in range(len(tree.feature)):
        for child, left in ((int(tree.left[node]), True), (int(tree.right[node]), False)):
            share = tree.rows(child) / max(tree.node_rows[node], 1.0)
            way[child] = (*way[node], Edge(node, left, int(tree.feature[node]), float(share)))
    return [way.get(~leaf, ()) for leaf in range(len(tree.leaf_value))]


def _groups(tree: Tree, ways: Sequence[Path]) -> list[list[int]]:
    """Leaves in groups of at most QUESTIONS questions: from the bottom up, siblings join while their questions fit."""
    closed: list[list[int]] = []
    joined = {~leaf: [leaf] for leaf in range(len(ways))}
    for node in reversed(range(len(tree.feature))):
        fewer, more = sorted((joined.pop(int(tree.left[node])), joined.pop(int(tree.right[node]))), key=len)
        if len(_asked([ways[leaf] for leaf in more + fewer])) <= QUESTIONS:
            joined[node] = more + fewer
        else:
            closed.append(more)
            joined[node] = fewer
    return [leaves for leaves in [*closed, *joined.values()] if ways[leaves[0]]]


def _asked(paths: Sequence[Path]) -> dict[tuple[int, int], list[Edge]]:
    """The group's questions, and the edges of each.

    A node of which the group has leaves on both sides is a question of its own: (-1, node). The other conditions are
    joined to one question if they ask about the same feature for the same leaves: (feature, leaves as bits).
    """
    reached: dict[tuple[int, bool], int] = {}
    for position, path in enumerate(paths):
        for edge in path:
            reached[edge.node, edge.left] = reached.get((edge.node, edge.left), 0) | 1 << position
    asked: dict[tuple[int, int], list[Edge]] = {}
    for edge in {edge[:2]: edge for path in paths for edge in path}.values():
        both = (edge.node, not edge.left) in reached
        key = (-1, edge.node) if both else (edge.feature, reached[edge.node, edge.left])
        asked.setdefault(key, []).append(edge)
    return asked


def _append(flat: _Flat, paths: Sequence[Path], values: Sequence[float]) -> None:
    """Write one group down."""
    asked = _asked(paths)
    features = sorted({edge.feature for path in paths for edge in path})
    bit: dict[tuple[int, bool], tuple[int, bool]] = {}
    for number, (key, edges) in enumerate(asked.items()):
        own = [edge for edge in edges if edge.left] if key[0] == -1 else edges
        flat.edge_node += [edge.node for edge in own]
        flat.edge_left += [edge.left for edge in own]
        flat.edge.append(len(flat.edge_node))
        bit |= {(edge.node, edge.left): (1 << number, edge.left or key[0] != -1) for edge in edges}
    for path, value in zip(paths, values, strict=True):
        _append_leaf(flat, path, value, bit, features)
    flat.feature += features
    flat.question.append(len(flat.edge) - 1)
    flat.column.append(len(flat.feature))
    flat.start.append(flat.start[-1] + (len(features) << len(asked)))
    flat.leaf.append(len(flat.value))


def _append_leaf(
    flat: _Flat, path: Path, value: float, bit: dict[tuple[int, bool], tuple[int, bool]], features: Sequence[int]
) -> None:
    """Write one leaf down: per feature of its path the share of rows that pass, and which answers it wants."""
    flat.value.append(value)
    for feature in dict.fromkeys(edge.feature for edge in path):
        own = [edge for edge in path if edge.feature == feature]
        bits = [bit[edge.node, edge.left] for edge in own]
        flat.share.append(float(np.prod([edge.share for edge in own])))
        flat.asks.append(reduce(or_, (mask for mask, _ in bits)))
        flat.wants.append(reduce(or_, (mask for mask, yes in bits if yes), 0))
        flat.place.append(features.index(feature))
    flat.factor.append(len(flat.share))


def _filled(flat: _Flat) -> np.ndarray:
    table = np.zeros(flat.start[-1])
    points, weights = _quadratures(DEEPEST)
    ints = (np.array(numbers, np.int64) for numbers in (
        flat.question, flat.column, flat.start, flat.leaf, flat.factor, flat.asks, flat.wants, flat.place))
    compiled(fill)(*ints, np.array(flat.value), np.array(flat.share), points, weights, table)
    return table


def _quadratures(deepest: int) -> tuple[np.ndarray, np.ndarray]:
    """Row d: points and weights on 0..1 that integrate polynomials of degree d - 1 exactly; unused places weigh 0."""
    most = (deepest + 1) // 2
    points, weights = np.zeros((deepest + 1, most)), np.zeros((deepest + 1, most))
    for d in range(1, deepest + 1):
        x, w = np.polynomial.legendre.leggauss((d + 1) // 2)
        points[d, :len(x)], weights[d, :len(x)] = (x + 1) / 2, w / 2
    return points, weights


def fill(
    question: np.ndarray, column: np.ndarray, start: np.ndarray, leaf: np.ndarray, factor: np.ndarray,
    asks: np.ndarray, wants: np.ndarray, place: np.ndarray, value: np.ndarray, share: np.ndarray,
    points: np.ndarray, weights: np.ndarray, table: np.ndarray,
) -> None:
    """Fill every group's table: first each leaf's own table over its features, then its rows added to the group's."""
    deepest = len(points) - 1
    own = np.empty((deepest, 1 << deepest))
    product = np.empty(1 << deepest)
    for group in range(len(leaf) - 1):
        width = column[group + 1] - column[group]
        for number in range(leaf[group], leaf[group + 1]):
            first, d = factor[number], factor[number + 1] - factor[number]
            for i in range(d):
                own[i, : 1 << d] = 0.0
                for q in range((d + 1) // 2):
                    t = points[d, q]
                    product[0] = weights[d, q] * value[number]
                    for j in range(d):
                        out = 1.0 if j == i else share[first + j] * (1.0 - t)
                        met = 1.0 if j == i else out + t
                        for mask in range(1 << j):
                            product[mask + (1 << j)] = product[mask] * met
                            product[mask] *= out
                    for mask in range(1 << d):
                        own[i, mask] += product[mask] * ((mask >> i & 1) - share[first + i])
            for answers in range(1 << (question[group + 1] - question[group])):
                mask = 0
                for j in range(d):
                    mask |= ((answers & asks[first + j]) == wants[first + j]) << j
                for j in range(d):
                    table[start[group] + answers * width + place[first + j]] += own[j, mask]
